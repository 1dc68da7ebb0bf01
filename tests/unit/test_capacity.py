"""Assignment under capacity: optimal by a certificate of its own, hours priced, shortages explained."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab.capacity import Assignment, Demand, Group, Option, Pool, assign_channels, group_contacts

CHANNELS = ("self_service", "message", "chat", "callback", "human_agent")
POOL_OF = {"chat": 0, "callback": 1, "human_agent": 1}


@st.composite
def cases(draw: st.DrawFn, *, feasible: bool = True) -> tuple[list[Demand], list[Pool]]:
    demands = []
    for i in range(draw(st.integers(1, 6))):
        named = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=5, unique=True))
        if feasible and "message" not in named:
            named.append("message")
        options = {name: Option(draw(st.integers(-50, 50)) / 10, draw(st.integers(0, 40)) / 2) for name in named}
        demands.append(Demand(Group(f"r{i}", None, None), draw(st.integers(0, 200)), options))
    known = {name for demand in demands for name in demand.options}
    members: list[list[str]] = [[], []]
    for name, at in POOL_OF.items():
        if name in known:
            members[at].append(name)
    pools = [Pool(f"pool{i}", draw(st.integers(0, 60)) / 2, tuple(names)) for i, names in enumerate(members)]
    return demands, pools


def check_certificate(demands: list[Demand], pools: list[Pool], found: Assignment) -> None:
    """Weak duality: no mix is worth more than prices of hours and of places in the groups; the mix found is worth as much."""
    price = {name: pool.hour_value for pool, made in zip(found.pools, pools, strict=True) for name in made.channels}
    bound = sum(pool.hours * pool.hour_value for pool in found.pools)
    bound += sum(
        demand.contacts
        * max(one.value - price.get(name, 0.0) * one.minutes / 60 for name, one in demand.options.items())
        for demand in demands
    )
    assert found.value == pytest.approx(bound, abs=1e-6)
    assert all(pool.hour_value >= 0 for pool in found.pools)


@given(case=cases())
def test_a_mix_serves_everybody_within_the_hours_and_none_is_better(case: tuple[list[Demand], list[Pool]]) -> None:
    demands, pools = case
    found = assign_channels(demands, pools)
    value = 0.0
    hours = dict.fromkeys((pool.name for pool in pools), 0.0)
    owner = {name: pool.name for pool in pools for name in pool.channels}
    for demand in demands:
        row = found.contacts[demand.group]
        assert set(row) <= set(demand.options)
        assert sum(row.values()) == pytest.approx(demand.contacts, abs=1e-6)
        for name, amount in row.items():
            assert amount > 0
            value += amount * demand.options[name].value
            if name in owner:
                hours[owner[name]] += amount * demand.options[name].minutes / 60
    assert value == pytest.approx(found.value, abs=1e-5)
    for pool in found.pools:
        assert pool.used == pytest.approx(hours[pool.name], abs=1e-6)
        assert pool.used <= pool.hours + 1e-6
        if pool.used < pool.hours - 1e-5:
            assert pool.hour_value == pytest.approx(0, abs=1e-9)
    check_certificate(demands, pools, found)
    assert sum(len(row) > 1 for row in found.contacts.values()) <= len(pools)


@settings(max_examples=50)
@given(case=cases(), which=st.integers(0, 1))
def test_the_value_of_an_hour_lies_between_what_one_more_gains_and_what_one_less_loses(
    case: tuple[list[Demand], list[Pool]], which: int
) -> None:
    demands, pools = case
    at, step = assign_channels(demands, pools), 0.01

    def value(change: float) -> float:
        changed = list(pools)
        changed[which] = dataclasses.replace(pools[which], hours=pools[which].hours + change)
        return assign_channels(demands, changed).value

    price = at.pools[which].hour_value
    assert value(step) - at.value <= price * step + 1e-6
    if pools[which].hours >= step:
        assert at.value - value(-step) >= price * step - 1e-6


@given(case=cases(feasible=False))
def test_a_shortage_names_hours_that_do_suffice_and_no_more(case: tuple[list[Demand], list[Pool]]) -> None:
    demands, pools = case
    try:
        assign_channels(demands, pools)
    except LabError as exc:
        short = {name: float(hours) for hours, name in re.findall(r"([\d.]+) more of '(\w+)'", str(exc))}
        assert short
        exact = [dataclasses.replace(pool, hours=pool.hours + short.get(pool.name, 0) + 0.1) for pool in pools]
        assign_channels(demands, exact)
        most = max(short, key=lambda name: short[name])
        if short[most] > 0.5:  # the message rounds to a tenth
            less = [dataclasses.replace(pool, hours=pool.hours - 0.4) if pool.name == most else pool for pool in exact]
            with pytest.raises(LabError, match="the hours do not suffice"):
                assign_channels(demands, less)


def test_an_example_by_hand() -> None:
    """100 and 50 contacts for 10 hours: chat gains 2 in 6 minutes (20 an hour) or 4 in 24 minutes (10 an hour)."""
    demands = [
        Demand(Group("late", "gold", "after"), 50, {"chat": Option(3, 6), "message": Option(1, 0)}),
        Demand(Group("lost", "gold", "after"), 100, {"chat": Option(5, 24), "message": Option(1, 0)}),
    ]
    found = assign_channels(demands, [Pool("agents", 10, ("chat",))])
    assert found.contacts[demands[0].group] == pytest.approx({"chat": 50})
    assert found.contacts[demands[1].group] == pytest.approx({"chat": 12.5, "message": 87.5})
    assert found.pools[0][1:] == pytest.approx((10, 10, 10))
    assert found.by_channel() == pytest.approx({"message": 87.5, "chat": 62.5})
    assert "one more hour is worth 10.00" in str(found)


def test_a_shortage_is_explained_in_hours_pools_and_groups() -> None:
    demands = [
        Demand(Group("fraud", None, None), 60, {"human_agent": Option(1, 10)}),
        Demand(Group("late", "gold", None), 30, {"chat": Option(1, 4), "human_agent": Option(2, 10)}),
    ]
    pools = [Pool("phone", 4, ("human_agent",)), Pool("chat team", 1, ("chat",))]
    with pytest.raises(
        LabError, match=r"at least 6\.0 more of 'phone' and 1\.0 more of 'chat team' hours are needed"
    ) as info:
        assign_channels(demands, pools)
    assert "(from one pool: 'phone' alone: 8.5)" in str(info.value)
    assert "contacts of 2 groups can go to agents only, most of them fraud / not known / not known (60)" in str(
        info.value
    )


def test_without_pools_every_group_takes_its_best_channel() -> None:
    found = assign_channels([Demand(Group("late", None, None), 7, {"chat": Option(2, 5), "message": Option(3, 0)})], [])
    assert (found.value, found.pools) == (21.0, ())


def test_contacts_are_grouped_by_reason_type_and_stage() -> None:
    found = group_contacts(["late", "lost", "late", "late"], ["gold", None, "gold", "std"], ["a", "a", "a", None])
    assert next(iter(found.items())) == (Group("late", "gold", "a"), 2)
    assert sum(found.values()) == 4
    with pytest.raises(LabError, match="1 reasons, 0 types and 1 stages"):
        group_contacts(["late"], [], ["a"])


GROUP = Group("late", None, None)
FINE = Demand(GROUP, 1, {"chat": Option(1, 1)})


@pytest.mark.parametrize(
    ("demands", "pools", "message"),
    [
        ([], [], "there is no demand"),
        ([FINE, FINE], [], "the group 'late / not known / not known' is given twice"),
        (
            [Demand(GROUP, -1, {"chat": Option(1, 1)})],
            [],
            r"contacts of late .* is -1; it must be a finite number of at least 0",
        ),
        ([Demand(GROUP, 1, {})], [], "no channel is allowed"),
        (
            [Demand(GROUP, 1, {"chat": Option(math.nan, 1)})],
            [],
            "value of late .* in chat is nan; it must be a finite number$",
        ),
        ([Demand(GROUP, 1, {"chat": Option(1, -1)})], [], "minutes of late .* is -1"),
        ([FINE], [Pool("p", math.inf, ("chat",))], "hours of p is inf"),
        ([FINE], [Pool("p", 1, ("chat",)), Pool("p", 1, ())], "two pools are called 'p'"),
        ([FINE], [Pool("p", 1, ("chat",)), Pool("q", 1, ("chat",))], "'chat' belongs to 'p' and 'q'"),
        ([FINE], [Pool("p", 1, ("chatt",))], "no group may go to 'chatt'; did you mean 'chat'"),
    ],
)
def test_demands_and_pools_that_are_wrong_are_refused(demands: Any, pools: Any, message: str) -> None:
    with pytest.raises(LabError, match=message):
        assign_channels(demands, pools)
