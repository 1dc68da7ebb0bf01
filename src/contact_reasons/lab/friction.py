"""The friction ledger: how often each reason comes, in which stage and from whom, how often it comes again, what it costs, and where it is going."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, LabRowError, count_text, shorten
from contact_reasons.evaluation.reasons import proportion
from contact_reasons.lab.ledger import Friction
from contact_reasons.lab.outcome import Table
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import Prices, Range
from contact_reasons.lab.tickets import (
    Coded,
    choose_columns,
    code_column,
    combinations,
    keys_of,
    numbers_of,
    times_of,
)
from contact_reasons.lab.trend import share_trends

__all__ = ["friction"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

ROLES: Final = ("ticket_id", "reason", "stage", "customer_type", "created_at", "customer_id", "channel", "cost")
CELL: Final = ("primary", "reason", "stage", "customer_type")
_DAY_SECONDS: Final = 86_400


class _Tickets(NamedTuple):
    """The tickets that count, n of them."""

    groups: dict[str, Coded]
    channel: Coded | None
    days: npt.NDArray[np.datetime64]
    cost: FloatArray | None
    followed: IntArray
    """1: the customer came again for the same reason; 0: not; -1: cannot be known."""


def friction(
    tickets: Any,
    *,
    prices: Prices | None = None,
    columns: Mapping[str, str] | None = None,
    repeat_days: int = 7,
    first: dt.date | str | None = None,
    last: dt.date | str | None = None,
) -> Friction:
    """The ledger of labelled tickets.

    Parameters
    ----------
    tickets : mapping of str to array-like of shape (n,), or a data frame of pandas or polars, or a table of Arrow
        With ``reason`` and ``created_at`` (ISO 8601) and, where there are any, ``ticket_id``, ``stage``, ``customer_type``, ``customer_id``; with ``cost`` (of each ticket), or
        with ``channel`` for prices by channel.
    prices : Prices, optional
        Cost of a contact by channel; not needed with a column ``cost``, which goes before.
    columns : mapping of str to str, optional
        Column of one of the names above where it is not of that very name; ``''`` leaves it out.
    repeat_days : int
        A ticket is repeated if the same customer comes again for the same reason, later and at most so many days later. Tickets whose days are not over when
        the period ends (right-censored) can not be judged and are left out of the rate, as are those without a customer. Contacts at the very same time are one
        occasion.
    first, last : date or str, optional
        First and last day that the tickets were taken from; by default those of the first and last ticket. Days without tickets count.

    Returns
    -------
    Friction

    Raises
    ------
    LabError
        If a column is not there, a value is of the wrong kind, or costs cannot be known.

    Examples
    --------
    >>> days = [f"2026-03-{day:02}" for day in (2, 3, 5, 30)]
    >>> ledger = friction({"reason": ["a.x", "a.x", "b.y", "a.x"], "created_at": days, "customer_id": [1, 1, 1, 1], "cost": [4, 4, 5, 4]})
    >>> ledger.tables["by_reason"]["reason"].tolist(), ledger.tables["by_reason"]["cost_likely"].tolist()
    (['a.x', 'b.y'], [12.0, 5.0])
    >>> ledger.tables["by_reason"]["repeat_rate"].tolist()
    [0.5, 0.0]
    """
    if isinstance(repeat_days, bool) or not isinstance(repeat_days, int) or repeat_days < 1:
        raise LabError(f"repeat_days is {shorten(repeat_days)}; it must be a whole number, at least 1")
    roles = choose_columns(tickets, ROLES, dict(columns or {}))
    for name in ("reason", "created_at"):
        if roles[name] is None:
            raise LabError(f"the tickets have no column {name!r}; name the column that holds it in `columns`")
    times = times_of(tickets[roles["created_at"]], str(roles["created_at"]))
    _check_lengths(tickets, roles, len(times))
    cost, channel, no_cost = _costs(tickets, roles, prices)
    refused = _refused(times, no_cost)
    kept = np.ones(len(times), dtype=np.bool_)
    kept[refused["row"]] = False
    _check_any(refused, len(times))
    days = times[kept].astype("datetime64[D]")
    period = Period.around(days, first, last)
    reason = code_column(tickets[roles["reason"]]).at(kept)
    found = _Tickets(
        {
            "primary": reason.mapped(lambda name: name.partition(".")[0]),
            "reason": reason,
            **_others(tickets, roles, kept),
        },
        None if channel is None else channel.at(kept),
        days,
        None if cost is None else cost[kept],
        _followed(tickets, roles, times, kept, reason, period, repeat_days),
    )
    each = {name: (name,) for name in found.groups}
    cell = tuple(name for name in CELL if name in found.groups)
    tables = {"cells": _table(found, cell, prices, period)}
    tables |= {f"by_{name}": _table(found, keys, prices, period) for name, keys in each.items()}
    if found.channel is not None:
        tables["cells_by_channel"] = _table(found, (*cell, "channel"), prices, period, trends=False)
    tables |= {"months": period.by_month(days).columns(), "weeks": period.by_week(days).columns(), "refused": refused}
    return Friction(
        tickets=len(times),
        counted=int(kept.sum()),
        period=period,
        repeated_ids=0 if roles["ticket_id"] is None else _repeated(keys_of(tickets[roles["ticket_id"]])[kept]),
        period_given=first is not None and last is not None,
        repeat_days=repeat_days if roles["customer_id"] is not None else None,
        repeats_judged=int((found.followed >= 0).sum()),
        prices=prices,
        cost_from="the column " + repr(roles["cost"]) if cost is not None else "the price list, by channel",
        tables=tables,
    )


# ------------------------------------------------------------------------------------------------- reading


def _check_lengths(tickets: Any, roles: Mapping[str, str | None], n: int) -> None:
    for column in roles.values():
        if column is not None and len(tickets[column]) != n:
            raise LabError(f"column {column!r} has {len(tickets[column])} values for {n} tickets; give one a ticket")


def _costs(
    tickets: Any, roles: Mapping[str, str | None], prices: Prices | None
) -> tuple[FloatArray | None, Coded | None, BoolArray]:
    """Cost of each ticket if it is given, its channel if it is, and which tickets have no cost."""
    channel = None if roles["channel"] is None else code_column(tickets[roles["channel"]])
    if roles["cost"] is not None:
        cost = numbers_of(tickets[roles["cost"]], str(roles["cost"]))
        if (cost < 0).any() or np.isinf(cost).any():
            what = ": a cost below 0 or without end; correct it, or leave it empty"
            raise LabRowError(f"column {roles['cost']!r}, ", np.flatnonzero((cost < 0) | np.isinf(cost)), what)
        return cost, channel, np.isnan(cost)
    if channel is None or prices is None:
        missing = (
            "no column 'cost' and no column 'channel'" if channel is None else "no column 'cost' and no price list"
        )
        raise LabError(
            f"costs cannot be known: there is {missing}; name a column with the cost of each ticket, or one with its channel for a price list, in `columns`"
        )
    prices.check_channels(channel.names, channel.codes, str(roles["channel"]))
    return None, channel, channel.codes < 0


def _refused(times: npt.NDArray[np.datetime64], no_cost: BoolArray) -> Table:
    no_time = np.isnat(times)
    rows = np.flatnonzero(no_time | no_cost)
    causes = np.array(
        ["there is no cost: neither a value nor a channel", "there is no date, or none that can be read"], dtype=object
    )
    return {"row": rows, "cause": causes[no_time[rows].astype(np.int64)]}


def _repeated(ids: IntArray) -> int:
    """How many ids an earlier ticket has."""
    known = ids[ids >= 0]
    return len(known) - len(np.unique(known))


def _check_any(refused: Table, n: int) -> None:
    """LabError if no ticket is left, with the cause of most."""
    if not n:
        raise LabError("there are no tickets; give at least one")
    if len(refused["row"]) == n:
        causes = refused["cause"].tolist()
        cause = max(sorted(set(causes)), key=causes.count)
        raise LabError(
            f"none of {count_text(n, 'ticket')} counts; of {causes.count(cause):,}, {cause}: is it the right column?"
        )


def _others(tickets: Any, roles: Mapping[str, str | None], kept: BoolArray) -> dict[str, Coded]:
    return {
        name: code_column(tickets[roles[name]]).at(kept)
        for name in ("stage", "customer_type")
        if roles[name] is not None
    }


def _followed(
    tickets: Any,
    roles: Mapping[str, str | None],
    times: npt.NDArray[np.datetime64],
    kept: BoolArray,
    reason: Coded,
    period: Period,
    repeat_days: int,
) -> IntArray:
    """Whether each ticket that counts is repeated; see `_Tickets`."""
    n = int(kept.sum())
    if roles["customer_id"] is None:
        return np.full(n, -1)
    customer = keys_of(tickets[roles["customer_id"]])[kept]
    seconds = times[kept].astype("datetime64[s]").astype(np.int64)
    key = np.where((customer < 0) | (reason.codes < 0), -1, customer * (len(reason.names) + 1) + reason.codes)
    order = np.lexsort((seconds, key))
    own, at = key[order], seconds[order]
    later = np.append(np.flatnonzero((np.diff(own) != 0) | (np.diff(at) != 0)) + 1, n)  # where the next occasion begins
    place = np.searchsorted(later, np.arange(n), side="right")
    following = later[np.minimum(place, len(later) - 1)] if n else later
    inside = following < n
    following = np.minimum(following, max(n - 1, 0))
    span = repeat_days * _DAY_SECONDS
    again = inside & (own[following] == own) & (at[following] - at <= span)
    end = np.datetime64(period.last, "s").astype(np.int64) + _DAY_SECONDS
    judged = (own >= 0) & (at + span <= end)
    found = np.full(n, -1)
    found[order] = np.where(judged, again.astype(np.int64), -1)
    return found


# ------------------------------------------------------------------------------------------------- the ledger


def _table(
    found: _Tickets, keys: Sequence[str], prices: Prices | None, period: Period, *, trends: bool = True
) -> Table:
    """A row for each combination of the keys that occurs, dearest first."""
    coded = {name: found.channel if name == "channel" else found.groups[name] for name in keys}
    columns = [each for each in coded.values() if each is not None]
    codes, counts, place = combinations(*((each.codes, len(each.names)) for each in columns))
    k = len(counts)
    table: Table = {name: each.labels(own) for name, each, own in zip(keys, columns, codes, strict=True)}
    table |= {
        "tickets": counts,
        "share": counts / max(len(place), 1),
        "per_day": counts / period.days,
        "per_week": counts / period.weeks,
        "per_month": counts / period.months,
    }
    judged = np.bincount(place[found.followed >= 0], minlength=k)
    again = np.bincount(place[found.followed == 1], minlength=k)
    table |= {"repeats_judged": judged, "repeats": again, "repeat_rate": _ratio(again, judged)}
    shares = [proportion(one, of) for one, of in zip(again.tolist(), judged.tolist(), strict=True)]
    for end in ("low", "high"):
        table[f"repeat_{end}"] = np.array([getattr(each, end) if each.total else np.nan for each in shares])
    for end, cost in _cost_by(found, place, k, prices).items():
        table[f"cost_{end}"] = cost
    table["cost_a_month"] = table["cost_likely"] / period.months
    table["cost_share"] = _ratio(table["cost_likely"], np.full(k, _sum(table["cost_likely"])))
    if trends:
        table |= _trends(found, place, k, period)
    order = np.lexsort((np.arange(k), -counts, -table["cost_likely"]))
    return {name: column[order] for name, column in table.items()}


def _ratio(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> FloatArray:
    """Quotients; NaN where there is nothing to divide by."""
    return np.asarray(np.divide(one, other, out=np.full(len(one), np.nan), where=other > 0), dtype=np.float64)


def _sum(values: FloatArray) -> float:
    """A sum that no order changes."""
    return float(np.sort(values).sum())


def _cost_by(found: _Tickets, place: IntArray, k: int, prices: Prices | None) -> dict[str, FloatArray]:
    """Cost of each combination; with a price list from its lowest to its highest prices."""
    if found.cost is not None:
        order = np.lexsort((found.cost, place))
        begin = np.searchsorted(place[order], np.arange(k))
        total = np.add.reduceat(found.cost[order], begin) if len(place) else np.zeros(k)
        return dict.fromkeys(Range._fields, total)
    assert found.channel is not None
    assert prices is not None
    n = len(found.channel.names)
    counts = np.bincount(place * n + found.channel.codes, minlength=k * n).reshape(k, n)
    each = [prices.cost_per_contact(name) for name in found.channel.names]
    prices_of = {end: np.array([getattr(cost, end) for cost in each], dtype=np.float64) for end in Range._fields}
    return {end: np.asarray(counts @ own, dtype=np.float64) for end, own in prices_of.items()}


def _trends(found: _Tickets, place: IntArray, k: int, period: Period) -> Table:
    mondays = period.whole_weeks()
    w = len(mondays)
    week = (found.days - mondays[0]).astype(np.int64) // 7 if w else np.full(len(place), -1)
    inside = (week >= 0) & (week < w)
    weekly = np.bincount(place[inside] * w + week[inside], minlength=k * w).reshape(k, w)
    trends = share_trends(weekly, weekly.sum(axis=0))
    return {"trend": trends.slope, "trend_low": trends.low, "trend_high": trends.high}
