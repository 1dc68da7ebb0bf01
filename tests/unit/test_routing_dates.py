"""Rules and policies that hold for a time, and the tests inside a rule file."""

from __future__ import annotations

import copy
import datetime as dt
import json
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
from contact_reasons.checks import check_place
from contact_reasons.errors import PolicyError, RoutingError
from contact_reasons.records import Because
from tests.strategies import INPUTS, policies, values

DAY = dt.date(2026, 12, 1)
BERLIN = dt.timezone(dt.timedelta(hours=1))


def day(offset: int) -> dt.date:
    return DAY + dt.timedelta(days=offset)


@st.composite
def dated(draw: st.DrawFn) -> dict[str, Any]:
    """A policy some of whose rules, or which itself, hold for a time."""
    data = draw(policies())
    for part in (data, *data["rules"]):
        if draw(st.booleans()):
            first, last = sorted(draw(st.lists(st.integers(0, 6), min_size=2, max_size=2, unique=True)))
            part |= draw(
                st.sampled_from(
                    [
                        {"from": str(day(first))},
                        {"until": str(day(last))},
                        {"from": str(day(first)), "until": str(day(last))},
                    ]
                )
            )
    return data


def in_force(part: dict[str, Any], on: dt.date) -> bool:
    return part.get("from", "0") <= str(on) < part.get("until", "9")


def on_day(data: dict[str, Any], on: dt.date) -> dict[str, Any] | None:
    """The undated policy of one day."""
    plain = copy.deepcopy(data)
    plain["rules"] = [rule for rule in plain["rules"] if in_force(rule, on)]
    for part in (plain, *plain["rules"]):
        part.pop("from", None)
        part.pop("until", None)
    return plain if in_force(data, on) and plain["rules"] else None


def made(data: dict[str, Any]) -> cr.RoutingPolicy | None:
    """The policy; None if a rule holds on no day of the policy."""
    try:
        return cr.RoutingPolicy.from_dict(data)
    except PolicyError as error:
        if "no day is left" not in str(error):
            raise
        return None


@given(data=dated(), row=values())
def test_routing_on_a_day_is_routing_by_the_rules_of_that_day(data: dict[str, Any], row: dict[str, Any]) -> None:
    policy = made(data)
    if policy is None:
        return
    for on in map(day, range(-1, 8)):
        plain = on_day(data, on)
        try:
            expected = None if plain is None else cr.RoutingPolicy.from_dict(plain).route(row).rule_id
        except RoutingError:
            expected = None
        if expected is None:
            with pytest.raises(RoutingError, match=r"no rule of policy|input 'date' is"):
                policy.route(row, at=on)
            with pytest.raises(RoutingError, match=r"no rule of policy|input 'date' is"):
                policy.route_many({name: [value] for name, value in row.items()}, at=on)
        else:
            assert policy.route(row, at=on).rule_id == expected
            assert policy.rules[policy.rule_index(row, at=on)].id == expected
            columns = {name: [value] * 3 for name, value in row.items()}
            assert policy.route_many(columns, at=on).rule_id.tolist() == [expected] * 3
            for days in dates_of(on, policy.dated):
                assert policy.route_many({**columns, **days}).rule_id.tolist() == [expected] * 3


def dates_of(on: dt.date, is_dated: bool) -> list[dict[str, Any]]:
    if not is_dated:
        return [{}]
    noon = np.array([on] * 3, dtype="datetime64[ns]") + np.timedelta64(12, "h")
    return [
        {"date": column}
        for column in (
            [on] * 3,
            [str(on)] * 3,
            noon,
            pd.Series(noon),
            pd.Series(noon).dt.tz_localize("Asia/Tokyo"),
            pl.Series([on] * 3),
            pa.array([on] * 3),
        )
    ]


@given(data=dated())
def test_a_dated_policy_is_proved_for_each_of_its_days(data: dict[str, Any]) -> None:
    data["never"] = [{"name": "p", "when": {"open": [False, "missing"]}, "channel": ["chat", "human_agent"]}]
    policy = made(data)
    if policy is None:
        return
    days = [on for on in map(day, range(-1, 8)) if in_force(data, on)]
    plain = [on_day(data, on) for on in days]
    each = [None if one is None else cr.RoutingPolicy.from_dict(one).analyse() for one in plain]
    found = policy.analyse()
    assert found.complete is all(one is not None and one.complete for one in each)
    decides = {
        rule["id"]
        for data_of_day, one in zip(plain, each, strict=True)
        if data_of_day is not None and one is not None
        for rule in data_of_day["rules"]
        if rule["id"] not in {hidden.rule_id for hidden in one.unreachable}
    }
    assert {hidden.rule_id for hidden in found.unreachable} == {rule["id"] for rule in data["rules"]} - decides
    assert found.promises[0].kept is all(one is None or one.promises[0].kept for one in each)
    for gap in found.gaps:
        with pytest.raises(RoutingError, match="no rule of policy 'random' matches"):
            policy.route(gap.witness)
    if found.promises[0].counterexample is not None:
        assert policy.route(found.promises[0].counterexample).channel in ("chat", "human_agent")


SEASON: dict[str, Any] = {
    "router": "season",
    "version": "2",
    "from": "2026-01-01",
    "inputs": {"open": {"type": "bool"}, "tier": INPUTS["tier"] | {"nullable": True}},
    "rules": [
        {"id": "feast", "when": {"open": True}, "then": {"channel": "callback", "priority": 1}, "from": "2026-12-24", "until": "2026-12-27"},
        {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}},
    ],
}  # fmt: skip


def test_regions_of_proofs_and_differences_name_the_days_and_are_plain_data() -> None:
    short = copy.deepcopy(SEASON)
    short["rules"][1]["until"] = "2026-12-31"
    (gap,) = cr.RoutingPolicy.from_dict(short).analyse().gaps
    assert gap.conditions == {"date": "from 2026-12-31"}
    assert gap.witness["date"] == "2026-12-31"
    json.dumps(cr.RoutingPolicy.from_dict(short).analyse().to_dict())
    assert "date" not in cr.RoutingPolicy.from_dict({**SEASON, "rules": SEASON["rules"][1:]}).analyse().unused
    longer = copy.deepcopy(SEASON)
    longer["rules"][0]["until"] = "2026-12-28"
    found = cr.RoutingPolicy.from_dict(SEASON).difference(cr.RoutingPolicy.from_dict(longer))
    (change,) = found.changes
    assert [(change.before, change.after), change.regions[0].conditions] == [
        ("rest", "feast"),
        {"open": True, "date": "from 2026-12-27 until 2026-12-28"},
    ]
    later = cr.RoutingPolicy.from_dict({**SEASON, "from": "2026-02-01"})
    assert cr.RoutingPolicy.from_dict(SEASON).difference(later).inputs == (
        "date lies in from 2026-01-01 in the first, in from 2026-02-01 in the second",
    )


def test_until_is_the_first_day_after_and_from_the_first_day() -> None:
    policy = cr.RoutingPolicy.from_dict(SEASON)
    assert policy.inputs == ("open", "tier", "date")
    by_day = {on: policy.route({"open": True}, at=dt.date(2026, 12, on)).rule_id for on in (23, 24, 26, 27)}
    assert by_day == {23: "rest", 24: "feast", 26: "feast", 27: "rest"}


def test_the_day_of_a_time_is_that_of_its_own_zone() -> None:
    policy = cr.RoutingPolicy.from_dict(SEASON)
    late = dt.datetime(2026, 12, 27, 0, 30, tzinfo=BERLIN)
    assert policy.route({"open": True}, at=late).rule_id == "rest"
    assert policy.route({"open": True}, at=late.astimezone(dt.UTC)).rule_id == "feast"


def test_the_reason_names_the_days() -> None:
    policy = cr.RoutingPolicy.from_dict(SEASON)
    why = policy.route({"open": True}, at=dt.date(2026, 12, 24)).why
    assert why == "open is true; date is 2026-12-24 (from 2026-12-24 until 2026-12-27)"
    (feast, _) = policy.verdicts({"open": True}, at=dt.date(2026, 12, 28))
    assert feast.failed == (Because("date", dt.date(2026, 12, 28), "from 2026-12-24 until 2026-12-27"),)


@pytest.mark.parametrize(
    ("row", "at", "message"),
    [
        ({"open": True}, None, r"input 'date' is missing; .*give at="),
        ({"open": True, "date": pd.NaT}, None, r"input 'date' is missing"),
        ({"open": True, "date": np.datetime64("NaT")}, None, r"input 'date' is missing"),
        ({"open": True}, "2026-12-24", r"at is '2026-12-24'; it must be a date or a datetime"),
        ({"open": True}, dt.date(2025, 12, 31), r"must be a date from 2026-01-01, written 2026-12-31"),
        ({"open": True, "date": "soon"}, None, r"input 'date' is 'soon'"),
        ({"open": True, "date": 20261224}, None, r"input 'date' is 20261224"),
        ({"open": True, "date": DAY}, DAY, r"the day was given twice"),
    ],
)  # fmt: skip
def test_a_day_that_is_missing_or_wrong_is_refused(row: dict[str, Any], at: Any, message: str) -> None:
    policy = cr.RoutingPolicy.from_dict(SEASON)
    for ask in (policy.route, policy.rule_index):
        with pytest.raises(RoutingError, match=message):
            ask(row, at=at)
    with pytest.raises(RoutingError, match=message):
        policy.route_many({name: [value] for name, value in row.items()}, at=at)


def test_a_policy_without_dates_answers_alike_on_all_days() -> None:
    data = copy.deepcopy(SEASON)
    del data["from"], data["rules"][0]["from"], data["rules"][0]["until"]
    policy = cr.RoutingPolicy.from_dict(data)
    assert not policy.dated
    assert policy.route({"open": True}, at=DAY) == policy.route({"open": True})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from": "2026-13-01"}, r"from: '2026-13-01' is not a day; write one such as 2026-12-31"),
        ({"from": "1 May"}, r"from: '1 May' is not a day"),
        ({"until": "2026-01-01"}, r"until: the policy holds on no day"),
        ({"until": "2026-12-01"}, r"rules\[0\]: from 2026-12-24 until 2026-12-27: no day is left, .* the policy itself holds from 2026-01-01 until 2026-12-01"),
        ({"inputs": SEASON["inputs"] | {"date": {"type": "bool"}}}, r"inputs\.date: a policy with `from` or `until` has an input of that name"),
        ({"rules": [{**SEASON["rules"][1], "when": {"date": "> 3"}}]}, r"rules\[0\]\.when\.date: a condition on the day is written as `from` and `until`"),
        ({"tests": [{"name": "a", "given": {}, "expect": "rst"}]}, r"tests\[0\]\.expect: 'rst' is not the id of a rule; did you mean 'rest'"),
        ({"tests": [{"name": "a", "given": {"opn": 1}, "expect": "rest"}]}, r"tests\[0\]\.given\.opn: 'opn' is not a declared input; did you mean 'open'"),
        ({"tests": [{"name": "a", "given": {"open": "ajar"}, "expect": "rest"}]}, r"tests\[0\]\.given\.open: input 'open' is 'ajar'"),
        ({"tests": [{"name": "a", "given": {"date": "2025-01-01"}, "expect": "rest"}]}, r"tests\[0\]\.given\.date: input 'date' is"),
        ({"tests": [{"name": "a", "given": {}}]}, r"tests\[0\]: the key 'expect' is missing"),
        ({"tests": [{"name": "a", "given": {}, "expect": "rest"}] * 2}, r"tests\[1\]: the name 'a' was used before"),
    ],
)  # fmt: skip
def test_mistakes_in_dates_and_tests_are_named_with_their_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        cr.RoutingPolicy.from_dict({**SEASON, **change})


TESTS = [
    {"name": "a feast", "given": {"open": "yes", "date": "2026-12-25"}, "expect": "feast"},
    {"name": "no feast", "given": {"open": "true", "tier": "missing", "date": "2026-12-23"}, "expect": "rest"},
]


def test_tests_of_a_rule_file_pass_and_name_the_rules_they_leave_out() -> None:
    report = cr.RoutingPolicy.from_dict({**SEASON, "tests": TESTS}).run_tests()
    assert (report.passed, report.untested, str(report)) == (True, (), "2 tests passed")
    report = cr.RoutingPolicy.from_dict({**SEASON, "tests": TESTS[:1]}).run_tests()
    assert report.untested == ("rest",)
    report = cr.RoutingPolicy.from_dict(SEASON).run_tests()
    assert (report.passed, report.untested, str(report)) == (True, ("feast", "rest"), "no tests")


def test_failing_tests_of_a_rule_file_say_what_came_instead_and_why() -> None:
    wrong = [TESTS[0] | {"expect": "rest"}, TESTS[1], {"name": "no day", "given": {"open": False}, "expect": "rest"}]
    report = cr.RoutingPolicy.from_dict({**SEASON, "tests": wrong}).run_tests()
    assert [result.test.name for result in report.failed] == ["a feast", "no day"]
    assert str(report).splitlines() == [
        "2 of 3 tests failed",
        "  a feast: expected 'rest', got 'feast' (open is true; date is 2026-12-25 (from 2026-12-24 until 2026-12-27))",
        "  no day: expected 'rest', got no rule: input 'date' is missing; some rules of this policy hold for a time only: "
        "give at=, the day to route on.",
    ]


def test_validating_a_rule_file_runs_its_tests(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    lines = [f"{key}: {json.dumps(value)}" for key, value in SEASON.items()]
    file.write_text("\n".join([*lines, f"tests: {json.dumps(TESTS)}"]))
    assert list(check_place(str(file))) == []
    file.write_text("\n".join([*lines, f"tests: {json.dumps([TESTS[0] | {'expect': 'rest'}])}"]))
    with pytest.raises(
        PolicyError, match=r"policy\.yaml: 1 of 1 tests failed\n  a feast: expected 'rest', got 'feast'"
    ):
        list(check_place(str(file)))


def test_a_contact_is_routed_on_the_day_it_was_created() -> None:
    policy = cr.RoutingPolicy.from_dict(SEASON)
    contact = cr.Contact(
        text="hello", created_at=dt.datetime(2026, 12, 24, 23, 0, tzinfo=BERLIN), context=cr.RoutingContext(open=True)
    )
    label = cr.ReasonLabel(primary=None, secondary=None, confidence=0.1, abstained=True)
    read = cr.records.routing_values(contact, label)
    assert policy.route({name: read.get(name) for name in policy.inputs}).rule_id == "feast"
