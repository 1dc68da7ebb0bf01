"""Columns of which some rows have no answer: `route_known` says of each row what `route` says, and `held_by` what a promise is about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import RoutingError
from tests.strategies import VALUES, policies, values

WRONG: dict[str, list[Any]] = {
    "reason": ["nonsense", 7],
    "tier": [None, "platinum"],
    "open": ["maybe", 2],
    "wait": [-1, 3.5, "soon"],
    "mood": [1.5, "good"],
}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in VALUES}


def loose_values() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.sampled_from([*VALUES[name] * 3, *WRONG[name]]) for name in VALUES})


@given(policies(), st.lists(loose_values(), min_size=1, max_size=12))
def test_each_row_is_answered_or_refused_as_alone(content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    policy = cr.RoutingPolicy.from_dict(content)
    found = policy.route_known(columns_of(rows))
    for i, row in enumerate(rows):
        try:
            rule = policy.route(row).rule_id
        except RoutingError:
            assert found.rule_index[i] == -1
            assert found.cause[i] >= 0
        else:
            assert found.outcomes[found.rule_index[i]][2] == rule
            assert found.cause[i] == -1


@given(policies(catch_all=True), st.lists(values(), min_size=1, max_size=8))
def test_without_wrong_rows_it_is_route_many(content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    policy = cr.RoutingPolicy.from_dict(content)
    known, many = policy.route_known(columns_of(rows)), policy.route_many(columns_of(rows))
    assert known.rule_index.tolist() == many.rule_index.tolist()
    assert known.outcomes == many.outcomes


def shop(**more: Any) -> cr.RoutingPolicy:
    return cr.RoutingPolicy.from_dict(
        {
            "router": "shop",
            "version": "1",
            "inputs": {
                "tier": {"type": "enum", "values": ["std", "gold"]},
                "open": {"type": "bool", "nullable": True},
            },
            "rules": [{"id": "all", "when": {"tier": "std"}, "then": {"channel": "message", "priority": 8}}],
            **more,
        }
    )


def test_a_cause_says_what_would_be_right_and_not_what_was_there() -> None:
    found = shop().route_known({"tier": ["std", "secret", "gold"]})
    assert found.rule_index.tolist() == [0, -1, -1]
    causes = [found.causes[cause] for cause in found.cause[1:]]
    assert causes[0].startswith("the input 'tier' must be one of its known values")
    assert "secret" not in causes[0]
    assert causes[1] == "no rule of the policy matches"


def test_what_is_assumed_impossible_is_refused() -> None:
    policy = shop(assume=[{"tier": "std", "open": False}])
    found = policy.route_known({"tier": ["std", "std"], "open": [False, True]})
    assert found.rule_index.tolist() == [-1, 0]
    assert "assumes" in found.causes[found.cause[0]]


def test_an_input_that_must_be_known_and_has_no_column_ends_it() -> None:
    with pytest.raises(RoutingError, match="input 'tier' is missing"):
        shop().route_known({"open": [True, "wrong"]})


@given(policies(catch_all=True), st.lists(values(), min_size=1, max_size=8), st.data())
def test_a_promise_holds_for_the_rows_that_meet_its_conditions(
    content: dict[str, Any], rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """A rule with the promise's conditions in front of all others would decide exactly for these rows."""
    when = data.draw(st.sampled_from([rule["when"] for rule in content["rules"]]))
    policy = cr.RoutingPolicy.from_dict({**content, "never": [{"name": "p", "when": when, "channel": ["chat"]}]})
    first = {"id": "first", "when": when, "then": {"channel": "chat", "priority": 1}}
    ahead = cr.RoutingPolicy.from_dict({**content, "rules": [first, *content["rules"]]})
    held = policy.held_by(policy.promises[0], columns_of(rows))
    assert held.tolist() == [ahead.route(row).rule_id == "first" for row in rows]


def test_the_known_values_of_an_input_are_given() -> None:
    policy = shop()
    assert policy.values_of("tier") == ("std", "gold")
    assert policy.values_of("open") == (False, True)
    assert np.array(cr.RoutingPolicy.load("retail").values_of("confidence")).size == 0
