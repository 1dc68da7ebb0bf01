"""The ledger against a slow twin in plain Python; trends against SciPy; business cases by hand."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

import contact_reasons as cr
from contact_reasons.errors import LabError
from contact_reasons.lab.case import move_case, remove_case
from contact_reasons.lab.friction import friction
from contact_reasons.lab.ledger import Friction
from contact_reasons.lab.prices import Prices, Range
from contact_reasons.lab.replay import replay
from contact_reasons.lab.sample import sample_quarter
from contact_reasons.lab.tickets import combinations
from contact_reasons.lab.trend import WEEKS_A_MONTH, sen_slopes, share_trends
from tests.unit.test_prices import exact, price_list

START = dt.datetime(2026, 1, 28)
PRICES = Prices.load()

Row = dict[str, Any]


@st.composite
def tickets(draw: st.DrawFn) -> list[Row]:
    row = st.fixed_dictionaries(
        {
            "reason": st.sampled_from(["a.x", "a.y", "b.z", "b", None]),
            "stage": st.sampled_from(["early", "late", None]),
            "customer_type": st.sampled_from(["new", "old"]),
            "customer_id": st.sampled_from(["1", "2", "3", None]),
            "created_at": st.integers(0, 30 * 24).map(lambda hours: START + dt.timedelta(hours=hours)),
            "channel": st.sampled_from(["chat", "human_agent", "self_service"]),
            "cost": st.sampled_from([0.0, 1.5, 4.0]),
        }
    )
    return draw(st.lists(row, min_size=1, max_size=25))


def columns(rows: list[Row], without: str = "") -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0] if name != without}


def slow_repeats(rows: list[Row], days: int) -> list[bool | None]:
    """Whether each ticket is followed; None where it cannot be known."""
    end = dt.datetime.combine(max(row["created_at"] for row in rows).date(), dt.time()) + dt.timedelta(days=1)
    span = dt.timedelta(days=days)
    found: list[bool | None] = []
    for one in rows:
        if one["customer_id"] is None or one["reason"] is None or one["created_at"] + span > end:
            found.append(None)
            continue
        found.append(
            any(
                other["customer_id"] == one["customer_id"]
                and other["reason"] == one["reason"]
                and one["created_at"] < other["created_at"] <= one["created_at"] + span
                for other in rows
            )
        )
    return found


def slow_ledger(rows: list[Row], keys: tuple[str, ...], days: int, cost: Any) -> dict[tuple[str, ...], list[float]]:
    """Tickets, judged, repeated, likely cost of each cell."""
    cells: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])
    for row, again in zip(rows, slow_repeats(rows, days), strict=True):
        cell = cells[tuple(row[key] or "not known" for key in keys)]
        cell[0] += 1
        cell[1] += again is not None
        cell[2] += bool(again)
        cell[3] += cost(row)
    return cells


def as_dict(found: Friction, table: str, keys: tuple[str, ...]) -> dict[tuple[str, ...], list[float]]:
    rows = found.tables[table]
    names = ("tickets", "repeats_judged", "repeats", "cost_likely")
    return {
        tuple(rows[key][i] for key in keys): [float(rows[name][i]) for name in names]
        for i in range(len(rows["tickets"]))
    }


CELL = ("reason", "stage", "customer_type")


@given(tickets(), st.integers(1, 9))
def test_the_ledger_is_that_of_counting_ticket_by_ticket(rows: list[Row], days: int) -> None:
    given_costs = friction(columns(rows, "channel"), repeat_days=days)
    by_price = friction(columns(rows, "cost"), prices=PRICES, repeat_days=days)

    def priced(row: Row) -> float:
        return PRICES.cost_per_contact(row["channel"]).likely

    for found, cost in ((given_costs, lambda row: row["cost"]), (by_price, priced)):
        for table, keys in (("cells", CELL), ("by_reason", ("reason",)), ("by_stage", ("stage",))):
            slow = slow_ledger(rows, keys, days, cost)
            fast = as_dict(found, table, keys)
            assert fast.keys() == slow.keys()
            for cell, values in slow.items():
                assert fast[cell] == pytest.approx(values)


@given(tickets(), st.randoms(use_true_random=False))
def test_the_order_of_tickets_does_not_matter(rows: list[Row], random: Any) -> None:
    mixed = rows.copy()
    random.shuffle(mixed)
    assert friction(columns(rows)).as_dict() == friction(columns(mixed)).as_dict()


@given(tickets())
def test_all_sums_agree_and_tables_are_dearest_first(rows: list[Row]) -> None:
    found = friction(columns(rows, "cost"), prices=PRICES)
    period = found.period
    for name in ("cells", "by_primary", "by_reason", "by_stage", "by_customer_type", "cells_by_channel"):
        table = found.tables[name]
        assert table["tickets"].sum() == len(rows)
        assert table["per_day"].sum() * period.days == pytest.approx(len(rows))
        assert table["per_week"].sum() * period.days / 7 == pytest.approx(len(rows))
        assert table["per_month"].sum() * period.months == pytest.approx(len(rows))
        assert (np.diff(table["cost_likely"]) <= 0).all()
        for end in Range._fields:
            assert table[f"cost_{end}"].sum() == pytest.approx(getattr(found.cost, end))
    assert found.tables["months"]["tickets"].sum() == found.tables["weeks"]["tickets"].sum() == len(rows)
    json.dumps(found.as_dict(rows=True), allow_nan=False)
    assert str(found)


def test_a_repeat_that_may_still_come_is_not_counted_as_none() -> None:
    """The period ends on the 10th: of the 4th and later nothing can be said yet with seven days."""
    days = ["2026-03-01", "2026-03-03", "2026-03-04", "2026-03-10"]
    found = friction({"reason": ["a.x"] * 4, "created_at": days, "customer_id": [1, 2, 1, 3], "cost": [1] * 4})
    assert found.tables["by_reason"]["repeats_judged"].tolist() == [3]
    assert found.tables["by_reason"]["repeats"].tolist() == [1]
    assert found.repeats_judged == 3
    longer = friction(
        {"reason": ["a.x"] * 4, "created_at": days, "customer_id": [1, 2, 1, 3], "cost": [1] * 4}, last="2026-03-17"
    )
    assert longer.repeats_judged == 4
    alone = friction({"reason": ["a.x"] * 4, "created_at": days, "cost": [1] * 4})
    assert alone.repeat_days is None
    for name in ("repeat_rate", "repeat_low", "repeat_high"):
        assert np.isnan(alone.tables["by_reason"][name]).all()


@given(tickets())
def test_a_repeat_rate_has_the_interval_of_wilson(rows: list[Row]) -> None:
    """Its ends are where the rate is 1.96 standard errors away from what it would be then."""
    found = friction(columns(rows, "cost"), prices=PRICES).tables["by_reason"]
    for n, k, low, high in zip(
        *(found[name].tolist() for name in ("repeats_judged", "repeats", "repeat_low", "repeat_high")), strict=True
    ):
        if not n:
            assert np.isnan([low, high]).all()
            continue
        assert low <= k / n <= high
        for end in (low, high):
            if 0 < end < 1:
                assert abs(k / n - end) == pytest.approx(1.959963984540054 * (end * (1 - end) / n) ** 0.5)


def test_contacts_at_the_very_same_time_are_one_occasion() -> None:
    times = ["2026-03-01T10:00:00", "2026-03-01T10:00:00", "2026-03-20T10:00:00"]
    found = friction({"reason": ["a.x"] * 3, "created_at": times, "customer_id": [1, 1, 2], "cost": [1] * 3})
    assert found.tables["by_reason"]["repeats"].tolist() == [0]


def test_tickets_without_date_or_cost_are_refused_and_listed() -> None:
    given = {"reason": ["a.x"] * 4, "created_at": ["2026-03-01", "", None, "2026-03-02"], "cost": [1, 2, 3, None]}
    found = friction(given)
    assert (found.tickets, found.counted, found.refused) == (4, 1, 3)
    assert found.tables["refused"]["row"].tolist() == [1, 2, 3]
    assert found.tables["refused"]["cause"].tolist() == [
        "there is no date, or none that can be read",
        "there is no date, or none that can be read",
        "there is no cost: neither a value nor a channel",
    ]


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"reason": None}, {}, "no column 'reason'; name the column that holds it in `columns`"),
        ({"cost": None}, {}, "costs cannot be known: there is no column 'cost' and no column 'channel'; name a column"),
        (
            {"cost": None, "channel": ["chatt", "chat"]},
            {"prices": PRICES},
            "column 'channel', row 1: this channel has no price in 'published-figures', which knows",
        ),
        ({"cost": [2.0, -1.0]}, {}, "column 'cost', row 2: a cost below 0"),
        ({"cost": ["much", 2.0]}, {}, "column 'cost' holds a value that is no number"),
        ({"cost": [1.0]}, {}, "column 'cost' has 1 values for 2 tickets"),
        ({}, {"repeat_days": 0}, "repeat_days is 0"),
        ({}, {"columns": {"stage": "phase"}}, "the tickets have no column 'phase'"),
        ({}, {"last": "2026-03-01"}, "contacts lie between"),
        ({"reason": [["a.x"], "a.x"]}, {}, "a list or another value that is no name"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], more: dict[str, Any], message: str) -> None:
    given = {"reason": ["a.x", "a.y"], "created_at": ["2026-03-01", "2026-03-02"], "cost": [1.0, 2.0], **change}
    with pytest.raises(LabError, match=message):
        friction({name: column for name, column in given.items() if column is not None}, **more)


# -------------------------------------------------------------------------------------------------- trends


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(8, 30)), elements=st.floats(-5, 5), unique=True))
def test_slopes_are_those_of_scipy(y: np.ndarray[Any, Any]) -> None:
    x = np.arange(y.shape[1], dtype=np.float64)
    slope, low, high = sen_slopes(x, y)
    for i in range(len(y)):
        theirs = stats.theilslopes(y[i], x)
        assert (slope[i], low[i], high[i]) == pytest.approx((theirs[0], theirs[2], theirs[3]), abs=1e-12)


def test_the_interval_holds_the_true_slope_about_as_often_as_it_says() -> None:
    random = np.random.RandomState(3)
    x = np.arange(13.0)
    _, low, high = sen_slopes(x, 0.3 * x + random.normal(size=(2000, 13)))
    assert 0.93 <= float(((low <= 0.3) & (high >= 0.3)).mean()) <= 0.985


def test_small_counts_get_no_trend_and_weeks_without_tickets_are_left_out() -> None:
    weekly = np.array([[4] * 10, [5] * 10, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]])
    totals = np.full(10, 100)
    found = share_trends(weekly, totals)
    assert np.isnan(found.slope[0])
    assert found.slope[1] == 0.0
    assert found.slope[2] == pytest.approx(0.01 * WEEKS_A_MONTH)
    assert np.isnan(share_trends(weekly[:, :7], totals[:7]).slope).all()
    gap = np.delete(np.arange(10), 4)
    weekly[:, 4], totals[4] = 0, 0
    assert share_trends(weekly, totals).slope[2] == pytest.approx(0.01 * WEEKS_A_MONTH)
    assert np.isfinite(share_trends(weekly, totals).slope[2])
    assert len(gap) == 9


def test_only_weeks_that_the_period_holds_whole_count_for_a_trend() -> None:
    """From a Sunday to a Monday: the two odd days are in volumes, not in the trend."""
    days = [dt.date(2026, 3, 1) + dt.timedelta(days=i) for i in range(58)]
    flood = [dt.date(2026, 3, 1)] * 500
    reasons = ["a.x" if day.day % 2 else "b.y" for day in days] + ["a.x"] * 500
    cost = [1.0] * (len(days) + 500)
    calm = friction({"reason": reasons[:58], "created_at": days, "cost": cost[:58]})
    flooded = friction({"reason": reasons, "created_at": days + flood, "cost": cost})
    for found in (calm, flooded):
        assert str(found.period) == "2026-03-01 to 2026-04-27"
    assert flooded.tables["weeks"]["partial"].tolist() == [True, *[False] * 8, True]

    def trends(found: Friction) -> dict[str, float]:
        table = found.tables["by_reason"]
        return dict(zip(table["reason"], table["trend"], strict=True))

    assert str(trends(calm)) == str(trends(flooded))


def test_the_reason_that_grows_is_seen_to_grow() -> None:
    found = friction(sample_quarter(tickets=20_000), prices=PRICES).tables["by_reason"]
    surely = [str(reason) for reason, low in zip(found["reason"], found["trend_low"], strict=True) if low > 0.005]
    assert surely == ["order.change_items"]


# --------------------------------------------------------------------------------------------- what matters


def ledger(costs: dict[str, tuple[int, float]], **more: Any) -> Friction:
    """Of so many tickets of each reason, each of that cost, on the days of March."""
    rows = [(reason, cost) for reason, (n, cost) in costs.items() for _ in range(n)]
    days = [dt.date(2026, 3, 1 + i % 31) for i in range(len(rows))]
    given = {"reason": [reason for reason, _ in rows], "created_at": days, "cost": [cost for _, cost in rows]}
    return friction(given, first="2026-03-01", last="2026-03-31", **more)


def test_three_to_five_are_chosen_until_half_of_the_cost_is_covered() -> None:
    steep = ledger({f"a.r{i}": (100, 2.0 ** (8 - i)) for i in range(8)}).top()
    assert steep.rows["reason"].tolist() == ["a.r0", "a.r1", "a.r2"]
    flat = ledger({f"a.r{i}": (100, 1.0) for i in range(8)}).top()
    assert flat.rows["reason"].tolist() == ["a.r0", "a.r1", "a.r2", "a.r3"]
    assert flat.covered == 0.5
    assert flat.tied == 4
    wide = ledger({f"a.r{i:02}": (100, 1.0) for i in range(20)}).top()
    assert len(wide.rows["reason"]) == 5
    assert ledger({"a.x": (100, 1.0)}).top().covered == 1.0
    assert wide.to_pandas()["reason"].tolist() == ["a.r00", "a.r01", "a.r02", "a.r03", "a.r04"]


def test_small_cells_and_tickets_without_a_reason_are_no_candidates_and_are_named() -> None:
    found = ledger({"a.x": (100, 1.0), "a.y": (100, 0.9), "a.z": (100, 0.8), "b.few": (29, 50.0), "": (40, 10.0)})
    top = found.top()
    assert top.rows["reason"].tolist() == ["a.x", "a.y", "a.z"]
    assert top.small == 1
    assert top.without_reason == pytest.approx(400 / 2120)
    assert found.top(min_tickets=1).rows["reason"].tolist()[0] == "b.few"
    with pytest.raises(LabError, match="by is 'reasons'; did you mean 'reason'"):
        found.top("reasons")
    with pytest.raises(LabError, match="least is 4 and most is 3"):
        found.top(least=4, most=3)


# -------------------------------------------------------------------------------------------- business cases


def test_removing_a_cause_saves_its_share_of_the_cost() -> None:
    found = ledger({"a.x": (100, 5.0), "b.y": (50, 1.0)})
    case = remove_case(found, {"reason": "a.x"}, removed=(0.1, 0.2, 0.4), one_off=600, running_a_year=240)
    assert case.tickets_a_year == 1200
    assert case.saving_a_year == pytest.approx((600, 1200, 2400))
    assert case.net_a_year == pytest.approx((360, 960, 2160))
    assert case.months_to_pay_back == pytest.approx((20.0, 7.5, 10 / 3))
    assert case.break_even == pytest.approx(840 / 6000)
    at_break_even = remove_case(found, {"reason": "a.x"}, removed=(0.14,) * 3, one_off=600, running_a_year=240)
    assert at_break_even.net_a_year.likely == pytest.approx(600)  # the one-off cost in the first year
    never = remove_case(found, {"reason": "b.y"}, removed=(0, 0.1, 1), one_off=600, running_a_year=240, years=2)
    assert never.months_to_pay_back == (None, None, pytest.approx(20.0))
    assert "never" in str(never)
    assert json.dumps(never.as_dict(), allow_nan=False)


def test_moving_contacts_pays_where_enough_are_resolved() -> None:
    prices = price_list(
        {
            "self_service": {"contact": exact(0.1), "resolved": exact(0.09), "then": "human_agent"},
            "human_agent": {"contact": exact(5.25)},
            "chat": {"contact": exact(4), "then": "human_agent"},
            "message": {"contact": exact(4)},
        }
    )
    days = [dt.date(2026, 3, 1 + i % 31) for i in range(120)]
    given = {"reason": ["a.x"] * 120, "created_at": days, "channel": ["human_agent"] * 100 + ["self_service"] * 20}
    found = friction(given, prices=prices, first="2026-03-01", last="2026-03-31")
    case = move_case(found, {"reason": "a.x"})
    assert case.tickets_a_year == 1200  # those that are there already are left out
    assert case.saving_a_year == pytest.approx((1200 * (5.25 - 4.8775),) * 3)  # 0.10 + 0.91 x 5.25
    half = move_case(found, {"primary": "a"}, moved=(0.5,) * 3, running_a_year=100)
    assert half.saving_a_year.likely == pytest.approx(600 * 0.3725)
    assert half.break_even == pytest.approx((600 * 0.1 + 100) / (600 * 5.25))
    at_break_even = move_case(found, {"reason": "a.x"}, moved=(0.5,) * 3, resolved=(half.break_even,) * 3)  # type: ignore[arg-type]
    assert at_break_even.saving_a_year.likely == pytest.approx(100)
    with pytest.raises(LabError, match="what share of contacts 'chat' resolves is not known"):
        move_case(found, {"reason": "a.x"}, to="chat")
    calls = {"reason": "a.x", "channel": "human_agent"}
    loss = move_case(found, calls, to="chat", resolved=(0.5, 0.6, 0.9))
    assert loss.saving_a_year.likely == pytest.approx(1200 * (0.6 * 5.25 - 4))
    with pytest.raises(LabError, match="whom 'message' does not help is not known; add `then`"):
        move_case(found, calls, to="message", resolved=(0.5, 0.6, 0.9))
    assert loss.months_to_pay_back[:2] == (None, None)


@given(
    st.lists(st.floats(0.05, 1), min_size=3, max_size=3).map(sorted),
    st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted),
    st.integers(0, 2**32 - 1),
)
def test_a_saving_lies_in_its_range_whatever_the_figures_are(
    resolved: list[float], moved: list[float], seed: int
) -> None:
    found = friction(
        {"reason": ["a.x"] * 31, "created_at": [dt.date(2026, 3, 1 + i) for i in range(31)], "channel": ["chat"] * 31},
        prices=PRICES,
    )
    case = move_case(found, {"reason": "a.x"}, resolved=resolved, moved=moved)
    call = PRICES.cost_per_contact("human_agent")
    random = np.random.RandomState(seed)

    def draw(low: float, _: float, high: float) -> float:
        return low + random.random_sample() * (high - low)

    for _ in range(10):
        chat, own = draw(*PRICES.cost_per_contact("chat")), draw(*PRICES.cost_per_contact("self_service"))
        saving = draw(*moved) * 31 * 12 * (chat - own - (1 - draw(*resolved)) * draw(*call))
        assert case.saving_a_year.low - 1e-6 <= saving <= case.saving_a_year.high + 1e-6


@given(
    st.dictionaries(st.sampled_from(["message", "chat", "callback", "human_agent"]), st.integers(1, 40), min_size=1),
    st.lists(st.floats(0.05, 1), min_size=3, max_size=3).map(sorted),
)
def test_a_case_of_moving_and_a_replay_send_those_who_were_not_helped_to_the_same_place(
    contacts: dict[str, int], resolved: list[float]
) -> None:
    """The saving of the case is the change of the replay, with its range, for all that `Prices.follow_unresolved` decides."""
    channels = [name for name, n in contacts.items() for _ in range(n)]
    given = {"reason": ["delivery.late"] * len(channels), "created_at": ["2026-03-02"] * len(channels)}
    given["channel"] = channels
    share = dict(zip(("low", "likely", "high"), resolved, strict=True), year=2026, source="ours")
    own = {name: {"contact": channel.contact, "then": channel.then} for name, channel in PRICES.channels.items()}
    own["self_service"]["resolved"] = share
    prices = price_list(own)
    first = {"first": "2026-03-01", "last": "2026-03-31"}
    policy = cr.RoutingPolicy.from_dict(
        {
            "router": "shop",
            "version": "1",
            "inputs": {"reason": {"type": "tree", "values": {"delivery": ["late"]}}},
            "rules": [{"id": "all", "when": {}, "then": {"channel": "self_service", "priority": 5}}],
        }
    )
    replayed = replay(given, "channel", policy, prices=prices, **first)  # type: ignore[arg-type]
    case = move_case(friction(given, prices=prices, **first), {"reason": "delivery.late"})  # type: ignore[arg-type]
    assert replayed.followed is not None
    assert replayed.followed.change is not None
    assert case.saving_a_year == pytest.approx(replayed.followed.change.times(-12))


def test_with_a_column_of_costs_those_who_were_not_helped_come_at_the_price_of_the_list() -> None:
    days = [dt.date(2026, 3, 1 + i) for i in range(31)]
    found = friction({"reason": ["a.x"] * 31, "created_at": days, "cost": [3.0] * 31}, prices=PRICES)
    case = move_case(found, {"reason": "a.x"}, resolved=(0.5,) * 3)
    own, call = PRICES.cost_per_contact("self_service"), PRICES.cost_per_contact("human_agent")
    expected = [12 * 31 * (3.0 - p - 0.5 * q) for p, q in zip(own, call, strict=True)]
    assert case.saving_a_year == pytest.approx(sorted(expected))


@pytest.mark.parametrize(
    ("where", "more", "message"),
    [
        ({}, {}, "where must say which contacts"),
        ({"raeson": "a.x"}, {}, "the ledger is not by 'raeson'; did you mean 'reason'"),
        ({"reason": "a.xx"}, {}, "no ticket of the ledger has the reason 'a.xx'; did you mean 'a.x'"),
        ({"reason": "a.x"}, {"removed": (0.3, 0.2, 0.4)}, "none below the one before it"),
        ({"reason": "a.x"}, {"removed": 0.2}, "give three shares"),
        ({"reason": "a.x"}, {"one_off": -1}, "one_off is -1; it must be a number of at least 0"),
        ({"reason": "a.x"}, {"years": 0}, "years is 0; it must be a number above 0"),
    ],
)
def test_an_impossible_case_is_refused(where: dict[str, Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        remove_case(ledger({"a.x": (40, 1.0)}), where, **{"removed": (0.1, 0.2, 0.3), **more})


def test_columns_of_pandas_give_the_same() -> None:
    quarter = sample_quarter(tickets=500)
    expected = friction(quarter, prices=PRICES).as_dict()
    frame = pd.DataFrame(quarter)
    assert friction(frame, prices=PRICES).as_dict() == expected
    assert friction(frame.astype({"reason": "category", "channel": "category"}), prices=PRICES).as_dict() == expected
    zoned = frame.assign(created_at=frame["created_at"].dt.tz_localize("America/New_York"))
    assert friction(zoned, prices=PRICES).as_dict() == expected


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 2)), min_size=1, max_size=30), st.booleans())
def test_combinations_are_counted_alike_in_both_ways(rows: list[tuple[int, int]], many: bool) -> None:
    one, other = (np.array(column) for column in zip(*rows, strict=True))
    size = 2**20 if many else 4  # so many possible ones that they are sorted instead of counted
    (a, b), counts, place = combinations((one, size), (other, 3))
    assert dict(zip(zip(a.tolist(), b.tolist(), strict=True), counts.tolist(), strict=True)) == Counter(rows)
    assert list(zip(a[place].tolist(), b[place].tolist(), strict=True)) == rows
