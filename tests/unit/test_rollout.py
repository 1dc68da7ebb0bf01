"""Two policies side by side: who is served what, what is logged, and a switch that stays with the customer."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import LabError, RoutingError
from contact_reasons.lab.rollout import Rollout, channel_moves
from tests.strategies import policies, values

BASE: dict[str, Any] = {
    "router": "old",
    "version": "1",
    "inputs": {"tier": {"type": "enum", "values": ["std", "gold"]}, "open": {"type": "bool", "nullable": True}},
    "rules": [{"id": "all", "when": {}, "then": {"channel": "message", "priority": 8}}],
}


def policy(channel: str, **more: Any) -> cr.RoutingPolicy:
    data = copy.deepcopy(BASE) | {"router": f"to_{channel}"} | more
    data["rules"][0]["then"]["channel"] = channel
    return cr.RoutingPolicy.from_dict(data)


OLD, NEW = policy("message"), policy("chat")
ROW = {"tier": "gold"}


@given(
    customer=st.text(min_size=1),
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=5).map(sorted),
    seed=st.sampled_from(["1", "spring"]),
)
def test_a_customer_stays_on_one_side_and_is_never_switched_back_as_the_share_grows(
    customer: str, shares: list[float], seed: str
) -> None:
    sides = [Rollout(OLD, NEW, share=share, seed=seed).switched(customer) for share in shares]
    assert sides == sorted(sides)
    again = Rollout(OLD, NEW, share=shares[0], seed=seed)
    for contact in ("T-1", "T-2", None):
        said = again.route(ROW, customer_id=customer, contact_id=contact)
        assert said.side == ("candidate" if sides[0] else "current")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", ["1", "autumn"])
def test_the_share_of_customers_switched_is_the_one_stated(share: float, seed: str) -> None:
    rollout, n = Rollout(OLD, NEW, share=share, seed=seed), 20_000
    switched = sum(rollout.switched(f"C-{i}") for i in range(n)) / n
    assert abs(switched - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_nobody_is_switched_at_nought_and_everybody_with_an_id_at_one() -> None:
    names = [f"C-{i}" for i in range(1000)]
    assert not any(Rollout(OLD, NEW).switched(name) for name in names)
    everybody = Rollout(OLD, NEW, share=1)
    assert all(everybody.switched(name) for name in names)
    assert everybody.route(ROW).side == "current"
    assert everybody.route(ROW).propensity == 1.0


def test_customers_are_switched_by_the_documented_hash() -> None:
    rollout = Rollout(OLD, NEW, share=0.3, seed="spring")
    for i in range(200):
        digest = hashlib.sha256(f"rollout:spring:C-{i}".encode()).hexdigest()
        assert rollout.switched(f"C-{i}") == ((int(digest[:16], 16) >> 11) / 2**53 < 0.3)


def test_customers_switched_under_one_seed_are_not_those_of_another() -> None:
    first, other = Rollout(OLD, NEW, share=0.5), Rollout(OLD, NEW, share=0.5, seed="2")
    both = sum(first.switched(f"C-{i}") and other.switched(f"C-{i}") for i in range(10_000)) / 10_000
    assert abs(both - 0.25) < 4 * (0.25 * 0.75 / 10_000) ** 0.5


@given(current=policies(catch_all=True), candidate=policies(), row=values(), customer=st.text(min_size=1))
def test_both_policies_are_logged_and_one_is_served(
    current: dict[str, Any], candidate: dict[str, Any], row: dict[str, Any], customer: str
) -> None:
    old, new = cr.RoutingPolicy.from_dict(current), cr.RoutingPolicy.from_dict(candidate)
    shadow = Rollout(old, new).route(row, customer_id=customer)
    assert (shadow.served, shadow.side, shadow.propensity) == (old.route(row), "current", 1.0)
    switched = Rollout(old, new, share=1).route(row, customer_id=customer)
    assert switched.current == shadow.current
    try:
        expected = new.route(row)
    except RoutingError:
        assert (switched.candidate, switched.side, switched.served) == (None, "current", old.route(row))
        assert switched.error == "the candidate's inputs must be a combination that some rule matches"
        assert not switched.agree
    else:
        assert (switched.candidate, switched.side, switched.served, switched.error) == (
            expected,
            "candidate",
            expected,
            "",
        )
        assert switched.agree == (expected.channel == old.route(row).channel)


def test_propensities_are_the_shares_in_which_channels_are_served_over_customers_and_contacts() -> None:
    explore = {"share": 0.3, "channels": ["chat", "callback"]}
    rollout = Rollout(policy("message", explore=explore), NEW, share=0.4)
    n = 20_000
    log = [rollout.route(ROW, customer_id=f"C-{i}", contact_id=f"T-{i}") for i in range(n)]
    odds = {str(row.served.channel): row.propensity for row in log}
    assert odds == pytest.approx({"message": 0.42, "chat": 0.49, "callback": 0.09})
    for channel, count in Counter(str(row.served.channel) for row in log).items():
        assert abs(count / n - odds[channel]) < 4 * (odds[channel] * (1 - odds[channel]) / n) ** 0.5


def test_policies_may_read_different_inputs_but_an_unknown_one_is_refused() -> None:
    other = policy("chat", inputs={"mood": {"type": "real", "min": -1, "max": 1}})
    rollout = Rollout(OLD, other, share=1)
    said = rollout.route({"tier": "gold", "mood": 0.5}, customer_id="C-1")
    assert said.side == "candidate"
    missing = rollout.route({"tier": "gold"}, customer_id="C-1")
    assert missing.side == "current"
    assert missing.error.startswith("the candidate's inputs must be ")
    with pytest.raises(RoutingError, match="'teir' is an input of neither policy; did you mean 'tier'"):
        rollout.route({"teir": "gold"})


def test_the_log_line_is_plain_data_without_values_of_the_contact() -> None:
    broken = policy("chat", inputs={"tier": {"type": "enum", "values": ["std"]}})
    said = Rollout(OLD, broken, share=1).route({"tier": "gold"}, customer_id="C-1", contact_id="T-1")
    line = json.dumps(said.to_dict())
    assert "gold" not in line
    assert json.loads(line)["candidate"] is None
    fine = Rollout(OLD, NEW, share=1).route(ROW, customer_id="C-1", contact_id="T-1").to_dict()
    assert (fine["side"], fine["channel"], fine["propensity"]) == ("candidate", "chat", 1.0)
    assert fine["current"]["policy_id"] == "to_message"
    assert fine["candidate"]["rule_id"] == "all"


def test_moves_are_counted_by_channel() -> None:
    half = policy("chat", rules=[{"id": "gold", "when": {"tier": "gold"}, "then": {"channel": "chat", "priority": 1}}])
    rollout = Rollout(OLD, half)
    log = [rollout.route({"tier": tier}) for tier in ("gold", "std", "gold")]
    assert channel_moves(log) == {("message", "chat"): 2, ("message", "no answer"): 1}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "half"])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(LabError, match=r"share is .*; it must be a number from 0"):
        Rollout(OLD, NEW, share=share)


def test_a_seed_with_a_colon_and_a_customer_id_that_is_no_text_are_refused() -> None:
    with pytest.raises(RoutingError, match="has a colon"):
        Rollout(OLD, NEW, seed="a:b")
    with pytest.raises(RoutingError, match="is an empty text"):
        Rollout(OLD, NEW, share=0.5).route(ROW, customer_id="")
