"""The difference of two policies equals what trying every contact shows."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import PolicyError
from tests.strategies import INPUTS, conditions, policies
from tests.unit.test_policy_analysis import GRID, BoolArray, any_of, meeting, one_rule

NAMED = ("reason", "tier", "open")
"""Inputs whose values are the atoms, so that shares can be counted."""


def then(rule: dict[str, Any]) -> tuple[Any, ...]:
    return rule["then"]["channel"], rule["then"]["priority"], rule["then"].get("queue")


def decisions(data: dict[str, Any], grid: dict[str, list[Any]]) -> tuple[BoolArray, list[tuple[Any, BoolArray]]]:
    """Contacts assumed impossible; and by outcome, None for no answer, those that get it."""
    impossible = any_of([meeting(when, grid) for when in data.get("assume", [])], meeting({}, grid))
    left, found = ~impossible, []
    for rule in data["rules"]:
        match = meeting(rule["when"], grid)
        found.append((then(rule), left & match))
        left = left & ~match
    return impossible, [*found, (None, left | impossible)]


@st.composite
def edited(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A policy and another: a small edit of it, or one of its own."""
    before = draw(policies()) | {"assume": draw(st.lists(conditions(), max_size=1))}
    if draw(st.integers(0, 3)) == 0:
        return before, draw(policies()) | {"assume": draw(st.lists(conditions(), max_size=1))}
    rules = list(before["rules"])
    at = draw(st.integers(0, len(rules) - 1))
    match draw(st.sampled_from(["same", "drop", "channel", "when", "swap", "assume"])):
        case "drop" if len(rules) > 1:
            del rules[at]
        case "channel":
            rules[at] = {**rules[at], "then": {**rules[at]["then"], "channel": "chat", "queue": "q"}}
        case "when":
            rules[at] = {**rules[at], "when": draw(conditions())}
        case "swap":
            rules[at], rules[-1] = rules[-1], rules[at]
        case "assume":
            return before, {**before, "assume": []}
    return before, {**before, "rules": rules}


@given(pair=edited())
def test_a_difference_equals_trying_every_contact(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    found = cr.RoutingPolicy.from_dict(pair[0]).difference(cr.RoutingPolicy.from_dict(pair[1]))
    (impossible, before), (also_impossible, after) = (decisions(data, GRID) for data in pair)
    expected = np.zeros(impossible.shape, dtype=np.bool_)
    for one, here in before:
        for other, there in after:
            if one != other:
                expected |= here & there
    expected &= ~(impossible & also_impossible)
    assert found.equal is not bool(expected.any())
    assert found.equal is (found.share == 0)
    regions = [(change, meeting(region.conditions)) for change in found.changes for region in change.regions]
    total = sum((region.astype(int) for _, region in regions), np.zeros(expected.shape, dtype=int))
    assert np.array_equal(total, expected.astype(int))
    assert found.changes_are_all
    for policy_data, side in zip(pair, ("before", "after"), strict=True):
        policy = cr.RoutingPolicy.from_dict(policy_data)
        for change in found.changes:
            for region in change.regions:
                try:
                    routed = policy.route(region.witness).rule_id
                except PolicyError:
                    routed = "no rule"
                assert routed == getattr(change, side).replace("assumed impossible", "no rule")
    assert json.loads(json.dumps(found.to_dict()))["equal"] == ("yes" if found.equal else "no")


@given(pair=edited())
def test_shares_by_channel_equal_counting_where_every_value_is_an_atom(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    grid = {name: GRID[name] for name in NAMED}
    small = []
    for data in pair:
        keep = {
            key: [{**item, "when": {n: c for n, c in item["when"].items() if n in NAMED}} for item in data[key]]
            for key in ("rules",)
        }
        assume = [{n: c for n, c in when.items() if n in NAMED} for when in data["assume"]]
        small.append(
            {**data, **keep, "assume": [when for when in assume if when], "inputs": {n: INPUTS[n] for n in NAMED}}
        )
    found = cr.RoutingPolicy.from_dict(small[0]).difference(cr.RoutingPolicy.from_dict(small[1]))
    (impossible, before), (also_impossible, after) = (decisions(data, grid) for data in small)
    counted = ~(impossible & also_impossible)
    flows: Counter[tuple[Any, Any]] = Counter()
    changed = 0
    for one, here in before:
        for other, there in after:
            n = int((here & there & counted).sum())
            flows[one and one[0], other and other[0]] += n
            changed += n * (one != other)
    total = int(counted.sum())
    assert found.flows is not None
    assert {(flow.before, flow.after): flow.share for flow in found.flows} == {
        key: Fraction(n, total) for key, n in flows.items() if n
    }
    assert found.share == Fraction(changed, max(total, 1))
    assert sum(change.share or 0 for change in found.changes) == found.share


@given(pair=edited())
def test_without_steps_for_the_sweep_equality_is_proved_by_splitting(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    before, after = (cr.RoutingPolicy.from_dict(data) for data in pair)
    whole, without = before.difference(after), before.difference(after)
    without.__dict__["_counts"] = None
    assert without.share is None
    assert without.flows is None
    assert without.equal is whole.equal
    pairs = [{(change.before, change.after) for change in each.changes} for each in (whole, without)]
    assert pairs[0] == pairs[1]


def test_the_same_policy_written_otherwise_is_proved_equal() -> None:
    data = one_rule()
    gold = {"id": "gold", "when": {"tier": "gold", "wait": "< 5"}, "then": {"channel": "chat", "priority": 1}}
    vip = {"id": "vip", "when": {"tier": "vip"}, "then": {"channel": "callback", "priority": 1}}
    halves = [
        {**gold, "id": f"gold{i}", "when": {"tier": "gold", "wait": cell}} for i, cell in enumerate(("<= 2", "[3, 4]"))
    ]
    one = cr.RoutingPolicy.from_dict({**data, "rules": [gold, vip, *data["rules"]]})
    other = cr.RoutingPolicy.from_dict({**data, "rules": [vip, *halves, *data["rules"]]})
    assert one.difference(other).equal is True
    assert one.difference(other).changes == ()
    assert one.sha256 != other.sha256


def test_without_steps_nothing_is_claimed() -> None:
    policy = cr.RoutingPolicy.from_dict(one_rule())
    changed = cr.RoutingPolicy.from_dict(one_rule(when={"open": True}))
    found = policy.difference(changed, budget=0)
    assert (found.equal, found.share, found.changes, found.changes_are_all) == (None, None, (), False)
    assert found.to_dict()["equal"] == "unknown"


@pytest.mark.parametrize(
    ("inputs", "note"),
    [
        ({"tier": {"type": "enum", "values": ["std", "gold"]}}, "tier: the first alone knows vip"),
        ({"tier": {"type": "enum", "values": ["std", "gold", "vip", "new"]}}, "tier: the second alone knows new"),
        ({"open": {"type": "bool"}}, "open may be missing in the first alone"),
        ({"wait": {"type": "int", "min": 0, "max": 50, "nullable": True}}, "wait lies in [0, 20] in the first, in [0, 50] in the second"),
        ({"reason": {"type": "tree", "nullable": True, "values": {"billing": ["refund"], "delivery": ["late"]}}}, "reason: the first alone knows billing.invoice"),
        ({"extra": {"type": "bool"}}, "extra is an input of the second alone"),
    ],
)  # fmt: skip
def test_inputs_that_differ_are_named_and_the_rest_is_compared(inputs: dict[str, Any], note: str) -> None:
    one = cr.RoutingPolicy.from_dict(one_rule())
    other = cr.RoutingPolicy.from_dict({**one_rule(), "inputs": {**INPUTS, **inputs}})
    found = one.difference(other)
    assert found.inputs == (note,)
    assert found.equal is False
    assert (found.share, found.changes) == (0, ())
    moved = cr.RoutingPolicy.from_dict(
        {**one_rule(then={"channel": "chat", "priority": 8}), "inputs": {**INPUTS, **inputs}}
    )
    (change,) = one.difference(moved).changes
    assert (change.share, change.regions[0].conditions) == (1, {})
    shared = {name: value for name, value in change.regions[0].witness.items() if name in INPUTS}
    assert one.route(shared).channel == "message"
    assert moved.route(change.regions[0].witness).channel == "chat"


def test_inputs_of_another_type_or_without_a_common_value_cannot_be_compared() -> None:
    one = cr.RoutingPolicy.from_dict(one_rule())
    for spec, message in (
        ({"type": "bool"}, "input 'tier' is of type enum in one policy and bool in the other"),
        ({"type": "enum", "values": ["a"]}, "input 'tier': no value is known to both"),
    ):
        other = cr.RoutingPolicy.from_dict({**one_rule(), "inputs": {**INPUTS, "tier": spec}})
        with pytest.raises(PolicyError, match=message):
            one.difference(other)


def test_a_change_prints_rules_channels_and_share() -> None:
    before = cr.RoutingPolicy.from_dict(one_rule())
    after = cr.RoutingPolicy.from_dict(one_rule(id="other", then={"channel": "chat", "priority": 1}))
    (change,) = before.difference(after).changes
    assert str(change) == "rest → other: message → chat, 100.000% of the combinations"
    (unanswered,) = before.difference(cr.RoutingPolicy.from_dict(one_rule(when={"open": "true"}))).changes
    assert str(unanswered).startswith("rest → no rule: message → no answer, ")
