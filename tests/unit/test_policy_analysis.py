"""What is proved about a policy equals what trying every contact shows."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import PolicyError
from contact_reasons.routing.analysis import PolicyAnalysis, box_of, space_of
from contact_reasons.routing.domains import Cell
from contact_reasons.routing.proof import Box, Steps
from contact_reasons.routing.regions import Region, readable_cell
from contact_reasons.routing.rulefile import RuleTable, read_rule_table
from contact_reasons.taxonomy.strict_yaml import StrictDocument
from tests.strategies import INPUTS, VALUES, conditions, policies

BoolArray = npt.NDArray[np.bool_]
CHANNELS = ["self_service", "message", "chat", "callback", "human_agent"]
GRID: dict[str, list[Any]] = {**VALUES, "mood": [*VALUES["mood"], 0.1, 0.4]}


def holds(name: str, cell: Any, value: Any) -> bool:
    """Whether a value meets a cell of a rule file: the slow, obvious twin."""
    if isinstance(cell, list):
        return any(holds(name, part, value) for part in cell)
    if cell == "missing" or value is None:
        return cell == "missing" and value is None
    kind = INPUTS[name]["type"]
    if kind == "tree" and cell.endswith(".*"):
        return bool(value == cell[:-2] or value.startswith(cell[:-1]))
    if kind not in ("int", "real"):
        return bool(cell == value)
    for sign, compare in (("<=", "__le__"), (">=", "__ge__"), ("<", "__lt__"), (">", "__gt__")):
        if str(cell).startswith(sign):
            return bool(getattr(float(value), compare)(float(cell[len(sign) :])))
    if str(cell)[0] not in "[(":
        return bool(float(cell) == value)
    low, high = (float(part) for part in cell[1:-1].split(","))
    return (low < value or (cell[0] == "[" and low == value)) and (value < high or (cell[-1] == "]" and high == value))


def meeting(when: dict[str, Any], grid: dict[str, list[Any]] = GRID) -> BoolArray:
    """Which contacts of the grid meet conditions; an axis an input."""
    found = np.ones([len(options) for options in grid.values()], dtype=np.bool_)
    for axis, (name, options) in enumerate(grid.items()):
        if name in when:
            holding = np.array([holds(name, when[name], value) for value in options])
            found &= holding.reshape([-1 if i == axis else 1 for i in range(len(grid))])
    return found


def any_of(parts: list[BoolArray], like: BoolArray) -> BoolArray:
    return np.logical_or.reduce(parts) if parts else np.zeros_like(like)


def at(values: dict[str, Any]) -> dict[str, Any]:
    """The conditions that hold for one contact alone."""
    return {name: "missing" if value is None else value for name, value in values.items()}


promises_of = st.lists(
    st.tuples(
        st.sampled_from(["never", "always"]),
        conditions(),
        st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=4, unique=True),
    ),
    max_size=3,
)


@given(data=policies(), assume=st.lists(conditions(), max_size=2), promises=promises_of)
def test_an_analysis_equals_trying_every_contact(
    data: dict[str, Any], assume: list[dict[str, Any]], promises: list[tuple[str, dict[str, Any], list[str]]]
) -> None:
    data = {**data, "assume": assume}
    for i, (kind, when, channels) in enumerate(promises):
        data.setdefault(kind, []).append({"name": f"p{i}", "when": when, "channel": channels})
    policy = cr.RoutingPolicy.from_dict(data)
    analysis = policy.analyse()
    rules = data["rules"]
    matches = [meeting(rule["when"]) for rule in rules]
    possible = ~any_of([meeting(when) for when in assume], matches[0])
    answered = any_of(matches, possible)
    deciding, earlier = [], ~possible
    for match in matches:
        deciding.append(match & ~earlier)
        earlier = earlier | match

    regions = [meeting(gap.conditions) for gap in analysis.gaps]
    assert analysis.complete is bool((answered | ~possible).all())
    assert np.array_equal(
        sum((region.astype(int) for region in regions), np.zeros(possible.shape, dtype=int)), possible & ~answered
    )
    for gap, region in zip(analysis.gaps, regions, strict=True):
        assert all(holds(name, cell, gap.witness[name]) for name, cell in gap.conditions.items())
        assert region.any()

    hidden = {rule.rule_id: rule.hidden_by for rule in analysis.unreachable}
    assert hidden.keys() == {rule["id"] for rule, region in zip(rules, deciding, strict=True) if not region.any()}
    by_id = {rule["id"]: match for rule, match in zip(rules, matches, strict=True)}
    order = list(by_id)
    for rule_id, blamed in hidden.items():
        assert all(order.index(other) < order.index(rule_id) for other in blamed)
        left = by_id[rule_id] & possible
        assert not (left & ~any_of([by_id[other] for other in blamed], left)).any()
        for spared in blamed:
            assert (left & ~any_of([by_id[other] for other in blamed if other != spared], left)).any()

    pairs = {
        (rules[i]["id"], rules[j]["id"])
        for i, j in itertools.combinations(range(len(rules)), 2)
        if rules[i]["then"] != rules[j]["then"] and (deciding[i] & matches[j]).any()
    }
    assert {(pair.rule_id, pair.other_id) for pair in analysis.conflicts} == pairs
    assert len(analysis.conflicts) == len(pairs)
    for pair in analysis.conflicts:
        routed = policy.route(pair.witness)
        assert routed.rule_id == pair.rule_id
        assert pair.other_id in routed.also_matched
    assert set(analysis.unused) == INPUTS.keys() - {name for rule in rules for name in rule["when"]}

    verdicts = {verdict.name: verdict for verdict in analysis.promises}
    for i, (kind, when, channels) in enumerate(promises):
        area = meeting(when) & possible
        into = any_of([d for rule, d in zip(rules, deciding, strict=True) if rule["then"]["channel"] in channels], area)
        wrong = area & ~into if kind == "always" else area & into
        verdict = verdicts[f"p{i}"]
        assert verdict.kept is not bool(wrong.any())
        if verdict.counterexample is not None:
            assert all(holds(name, cell, verdict.counterexample[name]) for name, cell in when.items())
            if verdict.rule_id is None:
                with pytest.raises(PolicyError, match="no rule of policy"):
                    policy.route(verdict.counterexample)
            else:
                routed = policy.route(verdict.counterexample)
                assert routed.rule_id == verdict.rule_id
                assert (routed.channel in channels) is (kind == "never")
    assert analysis.sound is (analysis.complete and not hidden and all(v.kept for v in analysis.promises))
    assert json.loads(json.dumps(analysis.to_dict()))["sound"] is analysis.sound


# ------------------------------------------------------------------------------------------- golden tables


def golden_cell(cell: Any) -> Any:
    if isinstance(cell, list):
        return [golden_cell(part) for part in cell]
    if cell is None:
        return "missing"
    if not isinstance(cell, dict):
        return cell
    low = f"[{cell['ge']}" if "ge" in cell else f"({cell['gt']}" if "gt" in cell else "(-inf"
    high = f"{cell['le']}]" if "le" in cell else f"{cell['lt']})" if "lt" in cell else "inf)"
    return f"{low}, {high}".replace("[-inf", "(-inf").replace("inf]", "inf)")


EMPTY_ROWS = {("empty_cell", 2), ("empty_cell", 3)}
"""Rows of golden tables with a cell that holds no value."""


def golden_table(table: dict[str, Any]) -> RuleTable:
    """A golden table as a rule table, cut so that its golden gaps can be written too.

    A cell without a value is a mistake that the loader names; here it is put in behind its back.
    """
    inputs = {
        column["name"]: {key: column[key] for key in ("type", "min", "max", "values", "nullable") if key in column}
        for column in table["columns"]
    }
    tops = {column["name"]: column["max"] for column in table["columns"] if column.get("max_open")}
    name, empty, rules = table["name"], {}, []
    for i, row in enumerate(table["rows"]):
        when = {column: golden_cell(cell) for column, cell in row["when"].items()}
        rule = {"id": f"r{i + 1}", "when": when, "then": {"channel": "chat", "priority": 1, "queue": str(row["then"])}}
        if (name, i + 1) in EMPTY_ROWS:
            with pytest.raises(PolicyError, match="holds no value of"):
                read_rule_table(StrictDocument({**one_rule(when=when), "inputs": inputs}, {}, ""), None, None)
            empty[i] = dict.fromkeys(when, Cell("nothing"))
            rule["when"] = {}
        rules.append(rule)
    document = {
        "router": "golden",
        "version": "1",
        "inputs": inputs,
        "rules": rules,
        "assume": [{column: top} for column, top in tops.items()],
        "never": [
            {"name": f"g{i}", "when": {column: golden_cell(cell) for column, cell in box.items()}, "channel": ["chat"]}
            for i, box in enumerate(table["expected"]["gap_boxes"])
        ],
    }
    read = read_rule_table(StrictDocument(document, {}, ""), None, None)
    rows = tuple(dataclasses.replace(rule, when=empty.get(i, rule.when)) for i, rule in enumerate(read.rules))
    return dataclasses.replace(read, rules=rows)


def cut(table: RuleTable) -> RuleTable:
    for name, domain in table.domains.items():
        domain.cut([cells[name] for cells in table.all_conditions() if name in cells])
    return table


def test_golden_verdicts(golden_tables: Path) -> None:
    tables = json.loads(golden_tables.read_text())["tables"]
    assert len(tables) >= 12
    for golden in tables:
        check_golden(golden["name"], cut(golden_table(golden)), golden["expected"])


def check_golden(name: str, table: RuleTable, expected: dict[str, Any]) -> None:
    domains = list(table.domains.values())
    space = space_of(domains)
    analysis = PolicyAnalysis(table)
    assert analysis.complete is expected["complete"], name

    def covered(boxes: list[Box], by: list[Box]) -> bool:
        return all(space.covers(box, by, Steps()) for box in boxes)

    def parsed(when: dict[str, Any]) -> Box:
        return box_of(domains, space, {column: table.domains[column].parse(cell) for column, cell in when.items()})

    assumed = [box_of(domains, space, when) for when in table.assumed]
    found = [parsed(gap.conditions) for gap in analysis.gaps]
    listed = [box_of(domains, space, promise.when) for promise in table.promises]
    assert covered(listed, [*found, *assumed]), name
    assert len(listed) < expected["gap_boxes_total"] or covered(found, [*listed, *assumed]), name

    assert [rule.rule_id for rule in analysis.unreachable] == [f"r{i}" for i in expected["unreachable_rows"]], name
    boxes = {rule.id: box_of(domains, space, rule.when) for rule in table.rules}
    for rule in analysis.unreachable:
        blamed = [boxes[other] for other in rule.hidden_by]
        assert covered([boxes[rule.rule_id]], [*blamed, *assumed]), name
        for i in range(len(blamed)):
            assert not covered([boxes[rule.rule_id]], [*blamed[:i], *blamed[i + 1 :], *assumed]), name
        if not expected["unreachable_because"][rule.rule_id[1:]]:
            assert rule.hidden_by == ()

    assert len(analysis.conflicts) == expected["live_conflict_pairs_count"], name
    pairs = [[int(pair.rule_id[1:]), int(pair.other_id[1:])] for pair in analysis.conflicts]
    assert all(pair in pairs for pair in expected["live_conflict_pairs"] or ()), name
    overlaps = sum(not space.is_empty(a & b) for a, b in itertools.combinations(boxes.values(), 2))
    assert overlaps == expected["overlap_pairs_count"], name


# ---------------------------------------------------------------------------------- regions as people read them


@given(data=policies(), seed=st.integers(0, 2**32), limits=st.booleans())
def test_a_region_reads_back_as_itself(data: dict[str, Any], seed: int, limits: bool) -> None:
    if not limits:
        data = {**data, "inputs": {**INPUTS, "wait": {"type": "int"}, "mood": {"type": "real", "nullable": True}}}
        for rule in data["rules"]:
            rule["when"] = {
                name: cell for name, cell in rule["when"].items() if name != "wait" or "missing" not in str(cell)
            }
    chance = random.Random(seed)
    table = cut(read_rule_table(StrictDocument(data, {}, ""), None, None))
    for domain in table.domains.values():
        mask = chance.randint(1, domain.full)
        cell = readable_cell(domain, mask)
        assert domain.mask(domain.parse(cell)) == mask, (domain.name, cell)
        assert domain.mask(domain.parse(json.loads(json.dumps(cell)))) == mask


def one_rule(**change: Any) -> dict[str, Any]:
    rule = {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}}
    return {"router": "small", "version": "1", "inputs": INPUTS, "rules": [rule | change]}


@pytest.mark.parametrize(
    ("when", "gap"),
    [
        ({"wait": "< 10"}, {"wait": [">= 10", "missing"]}),
        ({"wait": ["> 1", "missing"]}, {"wait": "<= 1"}),
        ({"wait": [4, "missing", "> 9"]}, {"wait": ["<= 3", "[5, 9]"]}),
        ({"mood": ["<= 0.1", "missing"]}, {"mood": "> 0.1"}),
        ({"mood": ["< 0.1", "> 0.1", "missing"]}, {"mood": "0.1"}),
        ({"open": ["missing", False]}, {"open": True}),
        ({"reason": ["delivery.*", "missing", "billing"]}, {"reason": ["billing.refund", "billing.invoice"]}),
        ({"reason": ["delivery", "missing"]}, {"reason": ["billing.*", "delivery.late"]}),
    ],
)
def test_gaps_are_written_as_a_person_would(when: dict[str, Any], gap: dict[str, Any]) -> None:
    (found,) = cr.RoutingPolicy.from_dict(one_rule(when=when)).analyse().gaps
    assert found.conditions == gap


# ------------------------------------------------------------------------------------- assumptions and promises


def test_assumed_combinations_are_left_out_of_proofs() -> None:
    data = one_rule(when={"open": [True, "missing"]})
    assert cr.RoutingPolicy.from_dict(data).analyse().complete is False
    assert cr.RoutingPolicy.from_dict({**data, "assume": [{"open": False}]}).analyse().complete is True


def test_a_rule_for_nobody_possible_is_hidden_by_no_rule() -> None:
    data = one_rule()
    data["rules"].insert(0, {**data["rules"][0], "id": "never", "when": {"open": False, "wait": 3}})
    analysis = cr.RoutingPolicy.from_dict({**data, "assume": [{"open": False, "wait": "> 0"}]}).analyse()
    assert analysis.unreachable == (("never", ()),)


def test_a_rule_hidden_by_one_alone_and_one_hidden_by_three_together_say_so() -> None:
    whens = [{"wait": "< 9"}, {"open": True}, {"open": [False, "missing"], "tier": "std"}, {"tier": ["gold", "vip"]}, {"wait": 3}, {"mood": 0}]  # fmt: skip
    data = one_rule()
    data["rules"] = [{**data["rules"][0], "id": f"r{i}", "when": when} for i, when in enumerate(whens)]
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    assert [rule.rule_id for rule in analysis.unreachable] == ["r4", "r5"]
    assert analysis.unreachable[1].hidden_by == ("r1", "r2", "r3")


def test_an_always_promise_fails_where_a_rule_sends_elsewhere_or_none_answers() -> None:
    promise = {"name": "p", "when": {"open": False}, "channel": ["message", "callback"]}
    kept = cr.RoutingPolicy.from_dict({**one_rule(), "always": [promise]})
    assert kept.analyse().promises == (("p", True, None, None),)
    elsewhere = cr.RoutingPolicy.from_dict(
        {**one_rule(then={"channel": "chat", "priority": 1}), "always": [promise]}
    ).analyse()
    assert (elsewhere.promises[0].kept, elsewhere.promises[0].rule_id) == (False, "rest")
    unanswered = cr.RoutingPolicy.from_dict({**one_rule(when={"wait": 3}), "always": [promise]}).analyse()
    assert (unanswered.promises[0].kept, unanswered.promises[0].rule_id) == (False, None)


def test_names_of_promises_and_their_channels_are_checked_in_both_blocks() -> None:
    promise = {"name": "p", "when": {}, "channel": ["message"]}
    with pytest.raises(PolicyError, match=r"always\[0\]\.name: 'p' names a `never` promise too"):
        cr.RoutingPolicy.from_dict({**one_rule(), "never": [promise], "always": [promise]})
    with pytest.raises(PolicyError, match=r"always\[1\]: the name 'p' was used before"):
        cr.RoutingPolicy.from_dict({**one_rule(), "always": [promise, promise]})
    with pytest.raises(PolicyError, match=r"always\[0\]\.channel\[0\]: 'mesage' is not a channel"):
        cr.RoutingPolicy.from_dict({**one_rule(), "always": [{**promise, "channel": ["mesage"]}]})


# ---------------------------------------------------------------------------------------------- out of steps


def test_a_proof_that_runs_out_of_steps_says_so() -> None:
    promise = {"name": "p", "when": {}, "channel": ["chat"]}
    data = one_rule(then={"channel": "chat", "priority": 1})
    analysis = cr.RoutingPolicy.from_dict({**data, "never": [promise]}).analyse(budget=0)
    assert (analysis.complete, analysis.gaps, analysis.gaps_are_all) == (None, (), False)
    assert analysis.undecided == ("rest",)
    assert analysis.promises[0].kept is None
    assert not analysis.sound
    assert analysis.to_dict()["complete"] == "unknown"


def test_a_hard_table_ends_with_unknown() -> None:
    """Random 3-DNF over 60 booleans: the adversary of every such proof."""
    chance = random.Random(3)
    inputs = {f"b{i}": {"type": "bool"} for i in range(60)}
    rules = [
        {
            "id": f"r{i}",
            "when": {name: chance.random() < 0.5 for name in chance.sample(sorted(inputs), 3)},
            "then": {"channel": "chat", "priority": 1},
        }
        for i in range(330)
    ]
    policy = cr.RoutingPolicy.from_dict({"router": "hard", "version": "1", "inputs": inputs, "rules": rules})
    assert policy.analyse(budget=100_000).complete is None


@settings(max_examples=30)
@given(data=policies(), budget=st.integers(0, 400))
def test_what_a_small_budget_decides_is_what_a_large_one_decides(data: dict[str, Any], budget: int) -> None:
    policy = cr.RoutingPolicy.from_dict(data)
    some, everything = policy.analyse(budget=budget), policy.analyse()
    assert some.complete in (None, everything.complete)
    assert {rule.rule_id for rule in some.unreachable} <= {rule.rule_id for rule in everything.unreachable}
    decided = {rule.id for rule in policy.rules} - set(some.undecided)
    assert {rule.rule_id for rule in everything.unreachable} & decided <= {rule.rule_id for rule in some.unreachable}
    pairs = [{(pair.rule_id, pair.other_id) for pair in analysis.conflicts} for analysis in (some, everything)]
    assert pairs[0] == pairs[1] if some.conflicts_are_all else pairs[0] <= pairs[1]


# ------------------------------------------------------------------------------------------------ rule by rule

NAMED_GRID = {name: options for name, options in GRID.items() if name in ("reason", "tier", "open")}
"""Inputs whose values are the atoms, so that shares can be counted."""


@given(data=policies(), assume=st.lists(conditions(), max_size=1), promises=promises_of)
def test_the_risk_of_a_rule_equals_what_its_deletion_shows(
    data: dict[str, Any], assume: list[dict[str, Any]], promises: list[tuple[str, dict[str, Any], list[str]]]
) -> None:
    data = {**data, "assume": assume}
    for i, (kind, when, channels) in enumerate(promises):
        data.setdefault(kind, []).append({"name": f"p{i}", "when": when, "channel": channels})
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    kept = {verdict.name for verdict in analysis.promises if verdict.kept}
    matches = [meeting(rule["when"]) for rule in data["rules"]]
    possible = ~any_of([meeting(when) for when in assume], matches[0])
    assert [risk.rule_id for risk in analysis.rule_risks] == [rule["id"] for rule in data["rules"]]
    for i, risk in enumerate(analysis.rule_risks):
        assert risk.channel == data["rules"][i]["then"]["channel"]
        others = matches[:i] + matches[i + 1 :]
        assert risk.leaves_gaps is bool((matches[i] & possible & ~any_of(others, possible)).any())
        pairs = [(pair.rule_id, pair.other_id) for pair in analysis.conflicts]
        assert set(risk.goes_before) == {other for rule_id, other in pairs if rule_id == risk.rule_id}
        assert set(risk.comes_after) == {rule_id for rule_id, other in pairs if other == risk.rule_id}
        if others:
            without = cr.RoutingPolicy.from_dict({**data, "rules": data["rules"][:i] + data["rules"][i + 1 :]})
            broken = {verdict.name for verdict in without.analyse().promises if verdict.kept is False}
            assert set(risk.promises) == broken & kept


@given(data=policies(), assume=st.lists(conditions(), max_size=1))
def test_the_shares_of_rules_are_shares_of_the_combinations_that_are_possible(
    data: dict[str, Any], assume: list[dict[str, Any]]
) -> None:
    named = set(NAMED_GRID)
    data = {
        **data,
        "inputs": {name: spec for name, spec in data["inputs"].items() if name in named},
        "assume": [{name: cell for name, cell in when.items() if name in named} for when in assume],
        "rules": [
            {**rule, "when": {name: cell for name, cell in rule["when"].items() if name in named}}
            for rule in data["rules"]
        ],
    }
    left = meeting({}, NAMED_GRID) & ~any_of([meeting(w, NAMED_GRID) for w in data["assume"]], meeting({}, NAMED_GRID))
    total = max(int(left.sum()), 1)
    for rule, risk in zip(data["rules"], cr.RoutingPolicy.from_dict(data).analyse().rule_risks, strict=True):
        match = meeting(rule["when"], NAMED_GRID)
        assert risk.share == Fraction(int((left & match).sum()), total)
        left = left & ~match


def test_with_on_no_match_no_deletion_leaves_a_gap_and_without_steps_nothing_is_claimed() -> None:
    data = one_rule(when={"open": "true"})
    spare = {**data, "on_no_match": {"channel": "message", "priority": 9}}
    assert [risk.leaves_gaps for risk in cr.RoutingPolicy.from_dict(spare).analyse().rule_risks] == [False]
    (risk,) = cr.RoutingPolicy.from_dict(data).analyse(budget=0).rule_risks
    assert (risk.share, risk.leaves_gaps) == (None, None)


@given(data=policies())
def test_the_content_of_a_policy_makes_it_again_and_is_a_copy(data: dict[str, Any]) -> None:
    policy = cr.RoutingPolicy.from_dict(data)
    content = policy.to_dict()
    assert content == data
    content["rules"][0]["then"]["priority"] = 9
    content["rules"].append({})
    assert policy.to_dict() == data
    assert cr.RoutingPolicy.from_dict(policy.to_dict()).sha256 == policy.sha256


def test_a_region_reads_as_conditions_with_long_lists_cut() -> None:
    region = Region({"open": True, "reason": ["a", "b"], "n": list("abcdefg")}, {})
    assert str(region) == "open: true, reason: [a, b], n: [a, b, c, and 4 more]"
    assert str(Region({}, {})) == "everywhere"


def test_an_analysis_prints_its_verdicts() -> None:
    data = one_rule(when={"open": "true"})
    data["rules"].append({**data["rules"][0], "id": "again"})
    data["never"] = [{"name": "n", "when": {}, "channel": ["message"]}, {"name": "o", "when": {}, "channel": ["chat"]}]
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    assert str(analysis).splitlines() == [
        f"small 1: 2 rules, {len(INPUTS)} inputs",
        f"every contact has a rule: no ({len(analysis.gaps)} gaps)",
        "rules that can never decide: again",
        "promises: 1 of 2 kept, 1 broken",
    ]
    unknown = str(cr.RoutingPolicy.from_dict(data).analyse(budget=0))
    assert "every contact has a rule: unknown" in unknown
    assert unknown.endswith("the step budget ran out")
