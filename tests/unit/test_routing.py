from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import PolicyError, RoutingError
from tests.strategies import INPUTS, TREE, VALUES, policies, values

# ---------------------------------------------------------------- a slow, obvious twin of the rule language


def holds(name: str, cell: Any, value: Any) -> bool:
    if isinstance(cell, list):
        return any(holds(name, part, value) for part in cell)
    if cell == "missing" or value is None:
        return cell == "missing" and value is None
    kind = INPUTS[name]["type"]
    if kind == "tree" and isinstance(cell, str) and cell.endswith(".*"):
        return value == cell[:-2] or value.startswith(cell[:-1])
    if kind in ("int", "real") and isinstance(cell, str):
        for sign, compare in (("<=", "__le__"), (">=", "__ge__"), ("<", "__lt__"), (">", "__gt__")):
            if cell.startswith(sign):
                return bool(getattr(float(value), compare)(float(cell[len(sign) :])))
        low, high = (float(part) for part in cell[1:-1].split(","))
        return (low < value or (cell[0] == "[" and low == value)) and (
            value < high or (cell[-1] == "]" and high == value)
        )
    return bool(cell == value)


def slow_rule(policy: dict[str, Any], given_values: dict[str, Any]) -> dict[str, Any] | None:
    for rule in policy["rules"]:
        if all(holds(name, cell, given_values[name]) for name, cell in rule["when"].items()):
            return dict(rule)
    return None


@given(data=policies(), rows=st.lists(values(), min_size=1, max_size=12))
def test_routing_one_by_one_and_in_columns_equals_the_slow_twin(
    data: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    policy = cr.RoutingPolicy.from_dict(data)
    expected = [slow_rule(data, row) for row in rows]
    answered = []
    for row, rule in zip(rows, expected, strict=True):
        if rule is None:
            with pytest.raises(RoutingError, match="no rule of policy 'random' matches"):
                policy.route(row)
        else:
            found = policy.route(row)
            assert (found.rule_id, found.channel, found.priority) == (
                rule["id"],
                rule["then"]["channel"],
                rule["then"]["priority"],
            )
            assert [because.input for because in found.because] == list(rule["when"])
            assert found.also_matched == tuple(
                later["id"]
                for later in data["rules"][data["rules"].index(rule) + 1 :]
                if all(holds(name, cell, row[name]) for name, cell in later["when"].items())
            )
            answered.append((row, rule))
    if answered:
        columns = {name: [row[name] for row, _ in answered] for name in INPUTS}
        routed = policy.route_many(columns)
        assert routed.rule_id.tolist() == [rule["id"] for _, rule in answered]
        assert routed.channel.tolist() == [rule["then"]["channel"] for _, rule in answered]
        assert routed.priority.tolist() == [rule["then"]["priority"] for _, rule in answered]


# ------------------------------------------------------------------------------------ loud on wrong values

POLICY: dict[str, Any] = {
    "router": "small",
    "version": "1",
    "inputs": INPUTS,
    "rules": [{"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}}],
}
GOOD: dict[str, Any] = {"reason": "billing", "tier": "gold", "open": True, "wait": 3, "mood": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tier": "gld"}, r"input 'tier' is 'gld'; .*did you mean 'gold'\?"),
        ({"tier": None}, r"input 'tier' is missing; .*not nullable"),
        ({"tier": 3}, r"input 'tier' is 3; it must be a string"),
        ({"tier": ["gold"]}, r"input 'tier' is \['gold'\]"),
        ({"open": "true"}, r"input 'open' is 'true'; it must be True or False or None"),
        ({"open": 1}, r"input 'open' is 1"),
        ({"wait": 3.5}, r"input 'wait' is 3\.5; it must be a whole number from 0 to 20"),
        ({"wait": True}, r"input 'wait' is True"),
        ({"wait": 21}, r"input 'wait' is 21"),
        ({"mood": "0.5"}, r"input 'mood' is '0\.5'; it must be a number from -1 to 1"),
        ({"mood": math.inf}, r"input 'mood' is inf"),
        ({"reason": "billing.refnd"}, r"did you mean 'billing\.refund'\?"),
        ({"tear": "gold"}, r"'tear' is not an input of policy 'small'; did you mean 'tier'\?"),
    ],
)  # fmt: skip
def test_missing_unknown_and_mistyped_values_are_loud(change: dict[str, Any], message: str) -> None:
    policy = cr.RoutingPolicy.from_dict(POLICY)
    assert policy.route(GOOD).rule_id == "rest"
    with pytest.raises(RoutingError, match=message):
        policy.route({**GOOD, **change})
    with pytest.raises(RoutingError, match=message):
        policy.route_many({name: [value] for name, value in {**GOOD, **change}.items()})


def test_nan_counts_as_missing_like_none() -> None:
    policy = cr.RoutingPolicy.from_dict(POLICY)
    for name in ("reason", "open", "wait", "mood"):
        assert policy.route({**GOOD, name: math.nan}).rule_id == "rest"
    with pytest.raises(RoutingError, match="input 'tier' is missing"):
        policy.route({**GOOD, "tier": math.nan})


def test_unknown_values_of_a_column_are_counted_and_listed() -> None:
    policy = cr.RoutingPolicy.from_dict(POLICY)
    columns = {name: [value] * 5 for name, value in GOOD.items()}
    columns["tier"] = ["gold", "x", "gold", "x", "y"]
    with pytest.raises(RoutingError, match=r"'x' \(2 x, first in row 1\), 'y' \(1 x, first in row 4\)"):
        policy.route_many(columns)


@pytest.mark.parametrize(
    "make", [dict, pd.DataFrame, pl.DataFrame, pa.table], ids=["dict", "pandas", "polars", "arrow"]
)
def test_columns_may_come_from_any_library(make: Any) -> None:
    policy = cr.RoutingPolicy.load("retail")
    columns: dict[str, list[Any]] = {
        "reason": ["delivery.track", "faults.safety", None],
        "confidence": [0.9, 0.8, 0.1],
        "open": [True, True, False],
        "stage": ["fulfilment", None, "support"],
    }
    table = make(columns)
    if make is pa.table:
        table = {name: table[name] for name in table.column_names}
    assert policy.route_many(table).rule_id.tolist() == ["self-tracking", "safety-now", "unsure-message"]


def test_numeric_columns_take_the_vector_path_with_the_same_answer() -> None:
    data = {
        "router": "n",
        "version": "1",
        "inputs": {
            "wait": {"type": "int", "min": 0, "max": 9},
            "mood": {"type": "real", "min": -1, "max": 1, "nullable": True},
        },
        "rules": [
            {"id": "a", "when": {"wait": "(2, 5]", "mood": "[0, 0.5)"}, "then": {"channel": "chat", "priority": 1}},
            {"id": "b", "when": {"mood": ["missing", "0.5"]}, "then": {"channel": "chat", "priority": 2}},
            {"id": "c", "when": {}, "then": {"channel": "message", "priority": 3}},
        ],
    }
    policy = cr.RoutingPolicy.from_dict(data)
    rows = [{"wait": w, "mood": m} for w in range(10) for m in (-1.0, 0.0, 0.25, 0.5, 1.0, math.nan)]
    one_by_one = [policy.route(row).rule_id for row in rows]
    columns = {"wait": np.array([row["wait"] for row in rows]), "mood": np.array([row["mood"] for row in rows])}
    assert policy.route_many(columns).rule_id.tolist() == one_by_one
    assert set(one_by_one) == {"a", "b", "c"}


def test_numbers_of_every_kind_get_the_same_answer_alone_and_in_columns() -> None:
    data = {
        "router": "n",
        "version": "1",
        "inputs": {
            "c": {"type": "real", "min": 0, "max": 1, "nullable": True},
            "n": {"type": "int", "min": 0, "nullable": True},
        },
        "rules": [
            {"id": "high", "when": {"c": ">= 0.7"}, "then": {"channel": "chat", "priority": 1}},
            {"id": "long", "when": {"n": ">= 9007199254740993"}, "then": {"channel": "chat", "priority": 1}},
            {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 2}},
        ],
    }
    policy = cr.RoutingPolicy.from_dict(data)
    columns: list[tuple[str, Any]] = [
        ("c", np.array([0.7, 0.69], dtype=np.float32)),
        ("c", np.ma.MaskedArray([0.9, 0.9], mask=[False, True])),
        ("c", pd.Series([0.9, None], dtype="Float64")),
        ("n", pd.Series([1, None], dtype="Int64")),
        ("n", pd.Series([1, None])),
        ("n", [9007199254740992, 9007199254740993]),
        ("n", np.array([9007199254740992, 9007199254740993])),
    ]
    for name, column in columns:
        alone = [
            policy.route({name: value}).rule_id for value in (column.tolist() if hasattr(column, "tolist") else column)
        ]
        assert policy.route_many({name: column}).rule_id.tolist() == alone, (name, column)
    assert policy.route_many({"c": columns[1][1]}).rule_id.tolist() == ["high", "rest"]
    assert policy.route_many({"n": columns[5][1]}).rule_id.tolist() == ["rest", "long"]
    assert policy.route({"c": pd.NA, "n": None}).rule_id == "rest"
    with pytest.raises(RoutingError, match="input 'n' is True"):
        policy.route_many({"n": [1, True]})


@pytest.mark.parametrize("columns", [None, 5, "tier", {"c": 0.5}, {"c": np.zeros((2, 2))}, {1: [1]}])
def test_things_that_are_no_columns_are_refused(columns: Any) -> None:
    policy = cr.RoutingPolicy.from_dict({**POLICY, "inputs": {"c": {"type": "real", "min": 0, "max": 1}}})
    with pytest.raises(RoutingError, match=r"give a mapping|must be a sequence|is not an input"):
        policy.route_many(columns)
    with pytest.raises(RoutingError, match="give a mapping"):
        policy.route(None)  # type: ignore[arg-type]


def test_neighbouring_doubles_leave_no_gap_and_counterexamples_are_real() -> None:
    def policy(low: str, high: str) -> cr.RoutingPolicy:
        rules = [
            {"id": f"r{i}", "when": {"c": cell}, "then": {"channel": "chat", "priority": 1}}
            for i, cell in enumerate((low, high))
        ]
        return cr.RoutingPolicy.from_dict(
            {"router": "d", "version": "1", "inputs": {"c": {"type": "real"}}, "rules": rules}
        )

    assert policy("<= 0.1", ">= 0.10000000000000002").analyse().complete is True
    (gap,) = policy("< 0.5", "> 0.5").analyse().gaps
    assert gap == ({"c": "0.5"}, {"c": 0.5})
    (gap,) = policy("<= 1e300", "<= 0").analyse().gaps
    assert gap.conditions == {"c": "> 1e+300"}
    with pytest.raises(RoutingError, match="no rule"):
        policy("<= 1e300", "<= 0").route(gap.witness)


def test_an_open_end_written_as_a_range_is_the_same_as_a_comparison() -> None:
    rules = [
        {"id": f"r{i}", "when": {"c": cell}, "then": {"channel": "chat", "priority": 1}}
        for i, cell in enumerate(("(-inf, 0)", "[0, inf)"))
    ]
    data = {"router": "d", "version": "1", "inputs": {"c": {"type": "real"}}, "rules": rules}
    assert cr.RoutingPolicy.from_dict(data).analyse().complete is True


def test_a_contact_that_the_policy_assumes_impossible_is_refused() -> None:
    policy = cr.RoutingPolicy.from_dict({**POLICY, "assume": [{"open": False, "wait": "> 0"}]})
    assert policy.route({**GOOD, "open": False, "wait": 0}).rule_id == "rest"
    with pytest.raises(RoutingError, match="assumes that this combination cannot occur"):
        policy.route({**GOOD, "open": False})
    with pytest.raises(RoutingError, match="1 of 2 rows, first row 1"):
        policy.route_many({name: [value] * 2 if name != "open" else [True, False] for name, value in GOOD.items()})


def test_more_than_sixty_four_rules_still_agree() -> None:
    rules = [{"id": f"r{i}", "when": {"wait": i}, "then": {"channel": "chat", "priority": 1}} for i in range(150)]
    policy = cr.RoutingPolicy.from_dict(
        {"router": "many", "version": "1", "inputs": {"wait": {"type": "int", "min": 0, "max": 149}}, "rules": rules}
    )
    assert policy.route_many({"wait": list(range(150))}).rule_id.tolist() == [f"r{i}" for i in range(150)]
    assert policy.route({"wait": 149}).rule_id == "r149"


@given(
    value=st.integers(-3, 12) | st.floats() | st.sampled_from([-0.0, 2.5, math.inf, -math.inf, 10**400, True]),
    kind=st.sampled_from(["int", "real"]),
    limits=st.sampled_from([{}, {"min": 0}, {"max": 9}, {"min": 0, "max": 9}]),
)
def test_a_number_is_taken_if_it_is_finite_of_its_kind_and_within_limits(
    value: Any, kind: str, limits: dict[str, int]
) -> None:
    data: dict[str, Any] = {
        "router": "numbers",
        "version": "1",
        "inputs": {"n": {"type": kind, **limits}},
        "rules": [
            {"id": "few", "when": {"n": "< 5"}, "then": {"channel": "chat", "priority": 1}},
            {"id": "many", "when": {}, "then": {"channel": "chat", "priority": 1}},
        ],
    }
    policy = cr.RoutingPolicy.from_dict(data)
    finite = not isinstance(value, bool) and abs(value) < math.inf
    inside = finite and limits.get("min", -math.inf) <= value <= limits.get("max", math.inf)
    if inside and (kind == "real" or value == math.floor(value)):
        assert policy.route({"n": value}).rule_id == ("few" if value < 5 else "many")
    else:
        with pytest.raises(RoutingError, match="'n' is "):
            policy.route({"n": value})


def test_empty_columns_give_empty_answers() -> None:
    assert len(cr.RoutingPolicy.from_dict(POLICY).route_many({name: [] for name in INPUTS}).channel) == 0


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(RoutingError, match="columns differ in length"):
        cr.RoutingPolicy.from_dict(POLICY).route_many({"tier": ["gold"], "wait": [1, 2]})


# --------------------------------------------------------------------------------------- wrong rule files


def with_rule(**change: Any) -> dict[str, Any]:
    data = copy.deepcopy(POLICY)
    data["rules"][0].update(change)
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_rule(when={"tyer": "gold"}), r"rules\[0\]\.when\.tyer: 'tyer' is not a declared input; did you mean 'tier'\?"),
        (with_rule(when={"tier": "gld"}), r"rules\[0\]\.when\.tier: 'gld' is not a value of tier; did you mean 'gold'\?"),
        (with_rule(when={"tier": "missing"}), r"tier is not nullable, so it is never missing"),
        (with_rule(when={"tier": []}), r"the list is empty"),
        (with_rule(when={"open": "yes"}), r"'yes' is not a value of open; write true or false"),
        (with_rule(when={"wait": "about 3"}), r"'about 3' is not a condition on the number wait"),
        (with_rule(when={"wait": True}), r"True is not a condition on the number wait"),
        (with_rule(when={"wait": "> 20"}), r"'> 20' holds no value of wait, which lies in \[0, 20\]"),
        (with_rule(when={"wait": "(3, 4)"}), r"holds no value of wait"),
        (with_rule(when={"mood": "[0.5, 0.2]"}), r"holds no value of mood"),
        (with_rule(when={"reason": "biling.*"}), r"'biling' is not a primary reason; did you mean 'billing'\?"),
        (with_rule(when=["tier"]), r"rules\[0\]\.when: this must be a mapping"),
        (with_rule(then={"channel": "human", "priority": 1}), r"'human' is not a channel; did you mean 'human_agent'\?|known:"),
        (with_rule(then={"channel": "chat", "priority": 0}), r"0 is not a priority; it is a whole number from 1 \(first\) to 9"),
        (with_rule(then={"channel": "chat"}), r"rules\[0\]\.then: the key 'priority' is missing"),
        (with_rule(id="Rule One"), r"'Rule One' is not a rule id"),
        (with_rule(wen={}), r"the key 'wen' is not known here; did you mean 'when'\?"),
        ({**POLICY, "hit_policy": "unique"}, r"'unique' is not supported; write first"),
        ({**POLICY, "rules": []}, r"there are no rules"),
        ({**POLICY, "rules": POLICY["rules"] * 2}, r"the id 'rest' was used before"),
        ({**POLICY, "rulez": []}, r"the key 'rulez' is not known here; did you mean 'rules'\?"),
        ({**POLICY, "inputs": {}}, r"no inputs are declared"),
        ({**POLICY, "inputs": {"a": {"type": "text"}}}, r"the type 'text' is not known"),
        ({**POLICY, "inputs": {"a": {"type": "int", "min": 3, "max": 1}}}, r"no number lies between min 3 and max 1"),
        ({**POLICY, "inputs": {"a": {"type": "int", "min": "low"}}}, r"this must be a finite number"),
        ({**POLICY, "inputs": {"a": {"type": "enum", "values": ["x", "x"]}}}, r"the value 'x' was used before"),
        ({**POLICY, "inputs": {"a": {"type": "tree", "taxonomy": "own"}}}, r"the taxonomy 'own' is needed, but none was given"),
        ({**POLICY, "inputs": {"a": {"type": "tree"}}}, r"a tree has either"),
        ({**POLICY, "inputs": {"a": {"type": "bool", "nullable": "perhaps"}}}, r"must be true or false"),
        ({**POLICY, "inputs": {"a": {"type": "int", "min": 0.2, "max": 0.8}}}, r"no number lies between min 0\.2 and max 0\.8"),
        ({**POLICY, "inputs": {"a": {"type": "real", "max": "inf"}}}, r"this must be a finite number"),
        ({**POLICY, "inputs": {"a": {"type": "tree", "values": {}}}}, r"the tree has no reasons"),
        ({**POLICY, "inputs": {"a": {"type": "tree", "values": {"p": ["a", "a"]}}}}, r"the reason 'a' was used before"),
        ({**POLICY, "inputs": {"a": {"type": "tree", "values": {"p": ["a.b"]}}}}, r"'a\.b' is not a reason"),
        ({**POLICY, "never": [{"name": "x", "when": {}, "channel": []}]}, r"a promise about no channel says nothing"),
        (with_rule(then={"channel": "chat", "priority": "nan"}), r"this must be a finite number"),
        (with_rule(then={"channel": "chat", "priority": 10**400}), r"this must be a finite number"),
        (None, r"this must be a mapping"),
        ([1], r"this must be a mapping"),
        ({**POLICY, "never": [{"name": "x", "when": {}}]}, r"never\[0\]: the key 'channel' is missing"),
        ({**POLICY, "on_no_match": {"channel": "nowhere", "priority": 1}}, r"on_no_match\.channel: 'nowhere' is not a channel"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_file_is_named_with_its_place(data: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        cr.RoutingPolicy.from_dict(data)


def test_errors_from_a_rule_file_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "router: x\nversion: 1\ninputs:\n  open: {type: bool}\nrules:\n  - id: a\n    when: {opn: true}\n    then: {channel: chat, priority: 1}\n"
    )
    with pytest.raises(PolicyError, match=r"policy\.yaml, line 7, rules\[0\]\.when\.opn"):
        cr.RoutingPolicy.from_yaml(file)


def test_no_match_has_an_answer_where_the_file_gives_one() -> None:
    data = with_rule(when={"tier": "vip"})
    data["on_no_match"] = {"channel": "callback", "priority": 2}
    policy = cr.RoutingPolicy.from_dict(data)
    assert policy.route(GOOD).rule_id == "on_no_match"
    assert policy.route_many({name: [value] for name, value in GOOD.items()}).rule_id.tolist() == ["on_no_match"]
    assert policy.analyse().complete is True


# ---------------------------------------------------------------------------------------- the retail policy


def test_the_retail_policy_is_sound_has_twenty_rules_and_uses_every_channel() -> None:
    policy = cr.RoutingPolicy.load("retail")
    assert policy.analyse().sound
    assert len(policy.rules) >= 20
    assert {rule.then.channel for rule in policy.rules} == set(cr.Channel)
    read = {name for rule in policy.rules for name in rule.when}
    assert {
        "reason",
        "confidence",
        "customer_type",
        "stage",
        "open",
        "estimated_wait_seconds",
        "repeats_7d",
        "sentiment",
    } <= read
    assert read == set(policy.inputs)


@pytest.mark.parametrize("promise", range(6))
def test_each_retail_promise_when_broken_on_purpose_yields_a_contact_that_breaks_it(
    promise: int, tmp_path: Path
) -> None:
    from contact_reasons.resources import pack_files

    files = pack_files("retail")
    policy = cr.RoutingPolicy.load("retail")
    (tmp_path / "taxonomy.yaml").write_text(files.taxonomy.read_text(encoding="utf-8"), encoding="utf-8")
    text = files.policy.read_text(encoding="utf-8")
    channel = policy.promises[promise].channels[0]
    rogue = f"rules:\n  - {{id: rogue, when: {{}}, then: {{channel: {channel}, priority: 1}}}}\n"
    (tmp_path / "policy.yaml").write_text(text.replace("rules:\n", rogue, 1), encoding="utf-8")
    broken = cr.RoutingPolicy.from_yaml(tmp_path / "policy.yaml")
    verdict = broken.analyse().promises[promise]
    assert verdict.kept is False
    assert verdict.counterexample is not None
    assert broken.route(verdict.counterexample).channel == channel
    with pytest.raises(PolicyError, match="is broken by rule 'rogue'"):
        cr.load_pipeline("retail", policy=tmp_path / "policy.yaml")


def test_tree_atoms_cover_secondaries_bare_primaries_and_missing() -> None:
    assert set(VALUES["reason"]) == {None, *TREE, *(f"{p}.{s}" for p, leaves in TREE.items() for s in leaves)}
