"""Replay: every ticket lands exactly once; it is what routing one by one gives, counted by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import LabError, RoutingError
from contact_reasons.lab.outcome import Replay
from contact_reasons.lab.prices import Prices
from contact_reasons.lab.replay import replay
from contact_reasons.lab.sample import sample_quarter
from tests.strategies import policies
from tests.unit.test_partly_routed import loose_values
from tests.unit.test_prices import exact, price_list

PRICES = Prices.load()
GROUPS = ("primary", "reason", "customer_type", "stage")


@st.composite
def tickets(draw: st.DrawFn) -> list[dict[str, Any]]:
    extra = st.fixed_dictionaries(
        {
            "ticket_id": st.sampled_from(["a", "b", "c"]),
            "customer_type": st.sampled_from(["new", "old", None]),
            "stage": st.sampled_from(["early", "late", ""]),
            "created_at": st.sampled_from(["2026-01-30", "2026-02-02T10:00:00", None]),
            "escalated": st.sampled_from([True, False, None]),
        }
    )
    return [{**draw(loose_values()), **draw(extra)} for _ in range(draw(st.integers(1, 14)))]


def as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def answer(policy: cr.RoutingPolicy, row: dict[str, Any]) -> tuple[str, str] | None:
    try:
        found = policy.route({name: row[name] for name in policy.inputs})
    except RoutingError:
        return None
    return str(found.channel), found.rule_id


def group_of(row: dict[str, Any], group: str) -> str:
    value = row["reason"].partition(".")[0] if group == "primary" and row["reason"] else row.get(group, row["reason"])
    return value if value else "not known"


def rows_of(table: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].tolist() for name in names), strict=True))


def check_against_slow_twin(
    found: Replay, rows: list[dict[str, Any]], old: cr.RoutingPolicy, new: cr.RoutingPolicy
) -> None:
    pairs = [(i, row, answer(old, row), answer(new, row)) for i, row in enumerate(rows)]
    kept = [(i, row, a, b) for i, row, a, b in pairs if a and b]
    moved = [(i, row, a, b) for i, row, a, b in kept if a[0] != b[0]]
    assert (found.tickets, found.replayed, found.moved) == (len(rows), len(kept), len(moved))
    assert found.tables["refused"]["row"].tolist() == [i for i, _, a, b in pairs if not (a and b)]
    flows = found.tables["flows"]
    assert dict(zip(rows_of(flows, "old_channel", "new_channel"), flows["tickets"].tolist(), strict=True)) == Counter(
        (a[0], b[0]) for _, _, a, b in kept
    )
    rules = found.tables["rules"]
    names = ("old_rule", "new_rule", "old_channel", "new_channel")
    assert dict(zip(rows_of(rules, *names), rules["tickets"].tolist(), strict=True)) == Counter(
        (a[1], b[1], a[0], b[0]) for _, _, a, b in moved
    )
    assert rows_of(found.tables["moved"], "row", "ticket_id", *names) == [
        (i, row["ticket_id"], a[1], b[1], a[0], b[0]) for i, row, a, b in moved
    ]
    for group in GROUPS:
        table = found.tables[f"by_{group}"]
        keys = rows_of(table, group, "old_channel", "new_channel")
        assert dict(zip(keys, table["tickets"].tolist(), strict=True)) == Counter(
            (group_of(row, group), a[0], b[0]) for _, row, a, b in kept
        )


@given(policies(), policies(), tickets())
def test_it_is_what_routing_one_by_one_gives(
    one: dict[str, Any], other: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    old, new = cr.RoutingPolicy.from_dict(one), cr.RoutingPolicy.from_dict(other)
    check_against_slow_twin(replay(as_columns(rows), old, new, prices=PRICES), rows, old, new)


@given(policies(), policies(), tickets())
def test_every_ticket_lands_once_and_all_sums_agree(
    one: dict[str, Any], other: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    found = replay(as_columns(rows), cr.RoutingPolicy.from_dict(one), cr.RoutingPolicy.from_dict(other), prices=PRICES)
    assert found.replayed + found.refused == found.tickets == len(rows)
    assert len(found.tables["refused"]["row"]) == found.refused
    assert len(found.tables["moved"]["row"]) == found.moved == found.tables["rules"]["tickets"].sum()
    for name in ("flows", *(f"by_{group}" for group in GROUPS)):
        table = found.tables[name]
        assert table["tickets"].sum() == found.replayed
        assert table["tickets"][table["old_channel"] != table["new_channel"]].sum() == found.moved
    channels = found.tables["channels"]
    assert channels["old_tickets"].sum() == channels["new_tickets"].sum() == found.replayed
    assert channels["change"].sum() == 0
    assert found.contacts is not None
    for side in ("old", "new"):
        cost = getattr(found.contacts, side)
        for end in cost._fields:
            assert channels[f"{side}_cost_{end}"].sum() == pytest.approx(getattr(cost, end))
    change = sum(table["cost_change"].sum() for table in [found.tables["by_reason"]])
    assert change == pytest.approx(found.contacts.change.likely)  # type: ignore[union-attr]
    json.dumps(found.as_dict(rows=True), allow_nan=False)
    assert str(found)


@given(policies(), tickets())
def test_a_policy_against_itself_moves_nobody(content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    policy = cr.RoutingPolicy.from_dict(content)
    found = replay(as_columns(rows), policy, policy, prices=PRICES)
    assert found.moved == 0
    assert found.contacts is not None
    assert found.contacts.change == (0, 0, 0)
    assert found.escalations.old_missed == found.escalations.new_missed


@given(policies(), policies(), tickets())
def test_the_way_back_mirrors_the_way_there(
    one: dict[str, Any], other: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    old, new = cr.RoutingPolicy.from_dict(one), cr.RoutingPolicy.from_dict(other)
    there, back = (replay(as_columns(rows), *pair, prices=PRICES) for pair in ((old, new), (new, old)))
    assert (there.replayed, there.moved) == (back.replayed, back.moved)
    flows, mirrored = there.tables["flows"], back.tables["flows"]
    assert sorted(rows_of(flows, "old_channel", "new_channel", "tickets")) == sorted(
        rows_of(mirrored, "new_channel", "old_channel", "tickets")
    )
    assert there.contacts is not None
    assert back.contacts is not None
    assert there.contacts.old == back.contacts.new
    gain, loss = there.contacts.change, back.contacts.change
    assert gain is not None
    assert loss is not None
    assert (gain.low, gain.likely, gain.high) == pytest.approx((-loss.high, -loss.likely, -loss.low))
    assert there.contained == back.contained[::-1]


@given(policies(), policies(), tickets(), st.randoms(use_true_random=False))
def test_the_order_of_tickets_does_not_matter(one: Any, other: Any, rows: list[dict[str, Any]], random: Any) -> None:
    old, new = cr.RoutingPolicy.from_dict(one), cr.RoutingPolicy.from_dict(other)
    mixed = rows.copy()
    random.shuffle(mixed)
    here, there = (replay(as_columns(each), old, new, prices=PRICES).as_dict() for each in (rows, mixed))
    assert here == there


def shop(channel: str, **more: Any) -> cr.RoutingPolicy:
    return cr.RoutingPolicy.from_dict(
        {
            "router": f"to {channel}",
            "version": "1",
            "inputs": {
                "reason": {"type": "tree", "values": {"delivery": ["late", "lost"], "billing": ["refund"]}},
                "vulnerable": {"type": "bool", "nullable": True},
            },
            "rules": [
                {"id": "late", "when": {"reason": "delivery.late"}, "then": {"channel": channel, "priority": 5}},
                {"id": "rest", "when": {}, "then": {"channel": "human_agent", "priority": 8}},
            ],
            **more,
        }
    )


TICKETS = {
    "ticket_id": [f"T{i}" for i in range(6)],
    "reason": ["delivery.late", "delivery.late", "delivery.lost", "billing.refund", "delivery.late", "oops"],
    "channel": ["chat", "human_agent", "human_agent", "callback", None, "chat"],
    "created_at": ["2026-03-02T10:00:00"] * 6,
    "escalated": [True, False, True, None, True, False],
    "reopened": [False, False, True, False, False, False],
}


def test_the_channel_a_ticket_really_went_to_can_be_the_old_side() -> None:
    found = replay(TICKETS, "channel", shop("self_service"), prices=PRICES, first="2026-03-01", last="2026-03-31")
    assert (found.replayed, found.moved) == (4, 3)
    moved = found.tables["moved"]
    assert moved["ticket_id"].tolist() == ["T0", "T1", "T3"]
    assert moved["old_rule"].tolist() == ["", "", ""]
    assert moved["new_channel"].tolist() == ["self_service", "self_service", "human_agent"]
    causes = found.tables["refused"]["cause"].tolist()
    assert causes[0] == "the column 'channel' is empty"
    assert causes[1].startswith("to self_service 1: the input 'reason' must be one of its known values")
    assert found.a_month(found.contacts) == found.contacts  # March is one month
    assert found.contained == (0.0, 0.5)
    assert found.contained_resolved[1] == pytest.approx((0.025, 0.045, 0.10))


def test_costs_are_those_of_the_price_list() -> None:
    prices = price_list(
        {
            "self_service": {"contact": exact(0.1), "resolved": exact(0.09), "then": "human_agent"},
            "human_agent": {"contact": exact(5.25), "resolved": exact(0.7), "then": "human_agent"},
            "chat": {"contact": exact(4)},
        }
    )
    late = {"reason": ["delivery.late"] * 100}
    found = replay(late, shop("human_agent"), shop("self_service"), prices=prices)
    assert found.contacts is not None
    assert found.followed is not None
    assert found.resolved is not None
    assert found.contacts.change == pytest.approx((-515.0,) * 3)
    assert found.followed.new == pytest.approx((487.75,) * 3)
    assert found.resolved.old == pytest.approx((750.0,) * 3)
    assert found.resolved.new == pytest.approx((692.5,) * 3)
    unknown = replay(late, shop("chat"), shop("self_service"), prices=prices)
    assert unknown.resolved is not None
    assert unknown.resolved.old is None
    assert unknown.resolved_unknown == ("the share resolved is not known for chat",)
    with pytest.raises(LabError, match="the channel 'message' has no price"):
        replay(late, shop("message"), shop("self_service"), prices=prices)
    free = replay(late, shop("message"), shop("self_service"))
    assert free.contacts is None
    assert "cost" not in "".join(free.tables["channels"])


def test_missed_escalations_are_counted_by_what_was_logged_or_by_the_old_side() -> None:
    old, new = shop("chat"), shop("self_service")
    logged = replay(TICKETS, old, new, needed_person=["escalated", "reopened"])
    assert logged.escalations == ("logged as true: escalated, reopened", 3, 1, 0, 2)
    assert logged.escalations.rates == (0.0, pytest.approx(2 / 3))
    judged = replay(TICKETS, shop("human_agent"), new)
    assert judged.escalations == ("sent by the old side to human_agent or callback", 5, 0, 0, 3)
    with pytest.raises(LabError, match="give a list of columns"):
        replay(TICKETS, old, new, needed_person="escalated")
    with pytest.raises(LabError, match=r"the tickets have no column 'escalate'.*'escalated'"):
        replay(TICKETS, old, new, needed_person=["escalate"])
    with pytest.raises(LabError, match="column 'channel', row 4: this is neither true nor false"):
        replay(TICKETS, old, new, needed_person=["channel"])


def test_a_policy_that_breaks_its_promise_is_caught_in_the_act() -> None:
    care = [{"name": "care", "when": {"vulnerable": True}, "channel": ["self_service"]}]
    columns = {"reason": ["delivery.late", "delivery.late", "billing.refund"], "vulnerable": [True, None, True]}
    found = replay(columns, shop("chat"), shop("self_service", never=care))
    promises = found.tables["promises"]
    assert rows_of(promises, "promise", "tickets", "old_broken", "new_broken") == [("care", 2, 0, 1)]
    assert found.broken_promises == 1


def test_a_dated_policy_is_asked_for_each_tickets_own_day() -> None:
    until = [
        {"id": "until", "when": {}, "until": "2026-03-02", "then": {"channel": "chat", "priority": 5}},
        {"id": "after", "when": {}, "then": {"channel": "message", "priority": 5}},
    ]
    columns = {"reason": ["delivery.late"] * 3, "created_at": ["2026-03-01T23:59:59", "2026-03-02", None]}
    found = replay(columns, shop("chat"), shop("chat", rules=until))
    assert found.moved == 1
    assert found.tables["refused"]["row"].tolist() == [2]
    assert replay(columns, shop("chat"), shop("chat", rules=until), day=dt.date(2026, 5, 1)).moved == 3
    with pytest.raises(LabError, match=r"input 'date'.*'created_at', or say the day with `day`"):
        replay({"reason": ["delivery.late"]}, shop("chat"), shop("chat", rules=until))


def test_columns_of_all_libraries_and_other_names_give_the_same() -> None:
    quarter = sample_quarter(tickets=300)
    policy = cr.RoutingPolicy.load("retail")
    expected = replay(quarter, "channel", policy, prices=PRICES).as_dict(rows=True)
    frame = pd.DataFrame(quarter)
    categorical = frame.astype(dict.fromkeys(("reason", "customer_type", "stage", "channel"), "category"))
    lists = {name: values.tolist() for name, values in quarter.items() if name != "created_at"}
    lists["created_at"] = np.datetime_as_string(quarter["created_at"]).tolist()
    clean = {name: [None if value != value else value for value in values] for name, values in lists.items()}
    for given_as in (frame, categorical, lists, pl.DataFrame(clean, strict=False), pa.table(clean)):
        assert replay(given_as, "channel", policy, prices=PRICES).as_dict(rows=True) == expected
    renamed = {"why" if name == "reason" else name: values for name, values in quarter.items()}
    assert replay(renamed, "channel", policy, prices=PRICES, columns={"reason": "why"}).as_dict(rows=True) == expected


def test_what_is_missing_is_said() -> None:
    retail = cr.RoutingPolicy.load("retail")
    with pytest.raises(LabError, match=r"no column for the input 'confidence'.*`certain=True`"):
        replay({"reason": ["delivery.late"]}, retail, retail)
    assert replay({"reason": ["delivery.late"]}, retail, retail, certain=True).replayed == 1
    with pytest.raises(LabError, match=r"columns names 'raeson'.*'reason'"):
        replay(TICKETS, shop("chat"), shop("chat"), columns={"raeson": "reason"})
    with pytest.raises(LabError, match=r"the tickets have no column 'chanel'.*'channel'"):
        replay(TICKETS, "chanel", shop("chat"))
    with pytest.raises(LabError, match="tickets is a list"):
        replay([1], shop("chat"), shop("chat"))
    with pytest.raises(LabError, match=r"no table 'flow'.*'flows'"):
        replay(TICKETS, shop("chat"), shop("chat")).to_pandas("flow")
    undated = replay({**TICKETS, "created_at": ["2026-03-02", *[""] * 5]}, shop("chat"), shop("chat"), prices=PRICES)
    assert undated.undated == 4
    assert any("Without a date: 4 tickets" in note for note in undated.notes)
    with pytest.raises(LabError, match="column 'created_at', row 2: this is no time"):
        replay({**TICKETS, "created_at": ["2026-03-02", "tomorrow", *[""] * 4]}, shop("chat"), shop("chat"))


def test_the_example_prices_are_called_an_example_everywhere() -> None:
    found = replay(TICKETS, shop("chat"), shop("self_service"), prices=PRICES)
    for text in (str(found), json.dumps(found.as_dict()), found.cost_chart().svg):
        assert "Example prices: replace with yours." in text


def test_pictures_hold_every_channel_and_each_flow() -> None:
    found = replay(TICKETS, "channel", shop("self_service"), prices=PRICES)
    svg = found.flow_chart()._repr_svg_()
    assert svg.count("<path") == len(found.tables["flows"]["tickets"])
    for text in ("chat → self-service: 1", "human agent → human agent: 1", "3 of 4 tickets move"):
        assert text in svg
    with pytest.raises(LabError, match="without prices"):
        replay(TICKETS, "channel", shop("self_service")).cost_chart()


def test_no_cell_of_a_ticket_is_in_an_error() -> None:
    """A column named by mistake may hold what customers wrote."""
    words = {**TICKETS, "text": ["my name is Ada and my parcel is late"] * 6}
    for more in (
        {"old": "text"},
        {"columns": {"created_at": "text"}},
        {"needed_person": ["text"]},
    ):
        asked = {"old": "channel", "new": shop("chat"), "prices": PRICES, **more}
        with pytest.raises(LabError, match="column 'text', row 1") as caught:
            replay(words, **asked)  # type: ignore[arg-type]
        assert "Ada" not in str(caught.value)
