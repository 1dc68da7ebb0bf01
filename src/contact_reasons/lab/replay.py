"""Replay of two policies on past tickets: who moves from which channel to which, by which rules, and what the contacts cost.

A replay says where contacts would have been sent, not how they would have gone: what a moved contact would have met in its
new channel is not in the tickets. Costs and shares resolved come from a price list, and say so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError
from contact_reasons.lab.outcome import Compared, Escalations, Replay, Table
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import SELF_SERVICE, Counting, Prices, Range
from contact_reasons.lab.tickets import Coded, choose_columns, code_column, combinations, flags_of, times_of
from contact_reasons.records import Channel
from contact_reasons.routing import PartlyRouted, RoutingPolicy
from contact_reasons.routing.dates import DATE
from contact_reasons.routing.routed import names_apart

__all__ = ["replay"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

ROLES: Final = ("ticket_id", "reason", "customer_type", "stage", "created_at")
BY_A_PERSON: Final = (str(Channel.HUMAN_AGENT), str(Channel.CALLBACK))


class _Side(NamedTuple):
    """What one side says of n tickets: position in ``channels`` and ``rules``, and why there is no answer (-1: there is one)."""

    name: str
    channel: IntArray
    channels: tuple[str, ...]
    rule: IntArray
    rules: tuple[str, ...]
    cause: IntArray
    causes: tuple[str, ...]


class _Pairs(NamedTuple):
    """Replayed tickets: channels of both sides on one list, and the rules."""

    channels: tuple[str, ...]
    old: IntArray
    new: IntArray
    rules: tuple[Coded, Coded]

    @property
    def moved(self) -> BoolArray:
        return np.not_equal(self.old, self.new)


def replay(
    tickets: Any,
    old: RoutingPolicy | str,
    new: RoutingPolicy,
    *,
    prices: Prices | None = None,
    columns: Mapping[str, str] | None = None,
    certain: bool = False,
    needed_person: Sequence[str] = (),
    day: dt.date | None = None,
    first: dt.date | str | None = None,
    last: dt.date | str | None = None,
) -> Replay:
    """What a change of policy would have changed for past tickets.

    Each ticket is counted once: as staying, as moved, or as refused with a cause. Neither policy explores.

    Parameters
    ----------
    tickets : mapping of str to array-like of shape (n,), or a data frame of pandas or polars, or a table of Arrow
        Labelled tickets: the inputs of the policies and, where there are any, ``ticket_id``, ``reason``, ``customer_type``, ``stage`` and
        ``created_at`` (ISO 8601).
    old : RoutingPolicy or str
        The policy of today, or the column with the channel that each ticket really went to.
    new : RoutingPolicy
    prices : Prices, optional
        Without it, no costs.
    columns : mapping of str to str, optional
        Column of an input, or of one of the names above, where it is not of that very name; ``''`` leaves it out.
    certain : bool
        Reasons were checked by people: ``confidence`` counts as 1 and needs no column.
    needed_person : sequence of str
        Columns of true and false that were logged, such as ``escalated`` and ``reopened``: where one is true, a person had to take the contact.
        Without any, those contacts count that the old side sends to ``human_agent`` or ``callback``.
    day : date, optional
        Route all tickets as on this day; by default a dated policy is asked for each ticket's own day.
    first, last : date or str, optional
        First and last day that the tickets were taken from; by default those of the first and last ticket.

    Returns
    -------
    Replay

    Raises
    ------
    LabError
        If a column is not there, a time cannot be read, or a channel has no price.
    RoutingError
        If columns differ in length.

    Examples
    --------
    >>> def shop(channel):
    ...     late = {"id": "late", "when": {"reason": "delivery.late"}, "then": {"channel": channel, "priority": 5}}
    ...     rest = {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}}
    ...     inputs = {"reason": {"type": "tree", "values": {"delivery": ["late"], "billing": ["refund"]}}}
    ...     return RoutingPolicy.from_dict({"router": channel, "version": "1", "inputs": inputs, "rules": [late, rest]})
    >>> found = replay({"reason": ["delivery.late", "billing.refund", "nonsense"]}, shop("chat"), shop("self_service"))
    >>> found.replayed, found.moved, found.refused
    (2, 1, 1)
    >>> found.tables["moved"]["new_channel"].tolist()
    ['self_service']
    """
    chosen = dict(columns or {})
    inputs = {*new.inputs, *(old.inputs if isinstance(old, RoutingPolicy) else ())}
    roles = choose_columns(tickets, (*ROLES, *sorted(inputs - set(ROLES))), chosen)
    n = _length(tickets, roles)
    times = None if roles["created_at"] is None else times_of(tickets[roles["created_at"]], str(roles["created_at"]))
    asked = _Asked(tickets, roles, n, certain, times, day)
    names = names_apart(
        [(each.policy_id, each.version, each.sha256) for each in (new, old) if not isinstance(each, str)]
    )
    after = _routed(new, asked, names[0])
    before = _logged(tickets, old, n, prices) if isinstance(old, str) else _routed(old, asked, names[1])
    kept = (before.cause < 0) & (after.cause < 0)
    pairs = _paired(before, after, kept)
    groups = _groups(tickets, roles, kept)
    ids = None if roles["ticket_id"] is None else code_column(tickets[roles["ticket_id"]])
    period = None
    if times is not None and (known := ~np.isnat(times)).any():
        period = Period.around(times[known].astype("datetime64[D]"), first, last)
    tables = _tables(pairs, groups, prices)
    tables["moved"] = _moved(pairs, groups, ids, np.flatnonzero(kept))
    tables["refused"] = _refused(before, after, ids)
    tables["promises"] = _promises(new, asked, pairs, kept)
    return Replay(
        old=before.name,
        new=after.name,
        tickets=n,
        replayed=int(kept.sum()),
        moved=int(pairs.moved.sum()),
        period=period,
        period_given=first is not None and last is not None,
        inputs_missing=tuple(
            sorted(asked.missing(new) | (asked.missing(old) if isinstance(old, RoutingPolicy) else set()))
        ),
        repeated_ids=0 if ids is None else _repeated(ids),
        undated=0 if times is None else int(np.isnat(times[kept]).sum()),
        prices=prices,
        contacts=_compared(pairs, prices, "contacts"),
        followed=_compared(pairs, prices, "follow_up"),
        resolved=_compared(pairs, prices, "resolved"),
        resolved_unknown=_unknown(pairs, prices),
        contained=tuple(_share_of(side, pairs.channels) for side in (pairs.old, pairs.new)),  # type: ignore[arg-type]
        contained_resolved=tuple(_contained_resolved(side, pairs.channels, prices) for side in (pairs.old, pairs.new)),  # type: ignore[arg-type]
        escalations=_escalations(tickets, needed_person, pairs, kept),
        tables=tables,
    )


# ------------------------------------------------------------------------------------------------ both sides


class _Asked(NamedTuple):
    """Where the inputs of policies come from."""

    tickets: Any
    roles: Mapping[str, str | None]
    n: int
    certain: bool
    times: npt.NDArray[np.datetime64] | None
    day: dt.date | None

    def missing(self, policy: RoutingPolicy) -> set[str]:
        """Inputs of a policy that have no column: they count as not known."""
        return {
            name
            for name in policy.inputs
            if self.roles.get(name) is None and name not in policy.required and not (name == DATE and policy.dated)
        }

    def columns(self, policy: RoutingPolicy) -> dict[str, Any]:
        """Columns of a policy's inputs; LabError if one is not there that must be known."""
        given: dict[str, Any] = {}
        for name in policy.inputs:
            column = self.roles.get(name)
            if name == "confidence" and self.certain:
                given[name] = np.ones(self.n)
            elif name == DATE and policy.dated:
                if self.day is None and self.times is not None:
                    given[name] = self.times.astype("datetime64[D]")
            elif column is not None:
                given[name] = self.tickets[column]
        for name in policy.required:
            if name not in given and not (name == DATE and self.day is not None):
                hint = ", or say `certain=True` if people checked the reasons" if name == "confidence" else ""
                hint = ": 'created_at', or say the day with `day`" if name == DATE else hint
                raise LabError(
                    f"the tickets have no column for the input {name!r}, which policy {policy.policy_id!r} must know of every contact; "
                    f"name one in `columns`{hint}"
                )
        return given or {policy.inputs[0]: [None] * self.n}


def _length(tickets: Any, roles: Mapping[str, str | None]) -> int:
    names = [column for column in roles.values() if column is not None]
    if not names:
        raise LabError("the tickets have none of the columns that the policies read; name them in `columns`")
    n = len(tickets[names[0]])
    if not n:
        raise LabError("there are no tickets; give at least one")
    return n


def _routed(policy: RoutingPolicy, asked: _Asked, who: str) -> _Side:
    given = asked.columns(policy)
    at = asked.day if policy.dated else None
    found: PartlyRouted = policy.route_known(given, at=at)
    names = tuple(dict.fromkeys(channel for channel, _, _ in found.outcomes))
    by_rule = np.array([*(names.index(channel) for channel, _, _ in found.outcomes), -1], dtype=np.int64)
    return _Side(
        who,
        by_rule[found.rule_index],
        names,
        found.rule_index,
        tuple(rule for _, _, rule in found.outcomes),
        found.cause,
        tuple(f"{who}: {cause}" for cause in found.causes),
    )


def _logged(tickets: Any, column: str, n: int, prices: Prices | None) -> _Side:
    """The side of a column with the channels that tickets really went to."""
    name = choose_columns(tickets, ("old",), {"old": column})["old"]
    coded = code_column(tickets[name])
    if len(coded.codes) != n:
        raise LabError(f"column {column!r} has {len(coded.codes)} values for {n} tickets; give one a ticket")
    if prices is not None:
        prices.check_channels(coded.names, coded.codes, column)
    cause = np.where(coded.codes < 0, 0, -1)
    causes = (f"the column {column!r} is empty",)
    return _Side(f"the column {column!r}", coded.codes, coded.names, np.full(n, -1), (), cause, causes)


def _paired(before: _Side, after: _Side, kept: BoolArray) -> _Pairs:
    order = [str(channel) for channel in Channel]
    names = {*before.channels, *after.channels}
    channels = tuple(sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name)))
    old, new = (
        np.array([*(channels.index(name) for name in side.channels), -1], dtype=np.int64)[side.channel][kept]
        for side in (before, after)
    )
    rules = tuple(Coded(side.rule[kept], side.rules) for side in (before, after))
    return _Pairs(channels, old, new, (rules[0], rules[1]))


def _groups(tickets: Any, roles: Mapping[str, str | None], kept: BoolArray) -> dict[str, Coded]:
    groups = {
        name: code_column(tickets[roles[name]]).at(kept)
        for name in ("reason", "customer_type", "stage")
        if roles[name] is not None
    }
    if "reason" in groups:
        reason = groups.pop("reason")
        groups = {"primary": reason.mapped(lambda name: name.partition(".")[0]), "reason": reason, **groups}
    return groups


# --------------------------------------------------------------------------------------------------- tables


def _tables(pairs: _Pairs, groups: Mapping[str, Coded], prices: Prices | None) -> dict[str, Table]:
    channels = np.array(pairs.channels, dtype=object)
    k = len(channels)
    likely = {title: _likely(pairs, prices, counting) for title, counting in _COST_CHANGES.items()}
    (old, new), counts, _ = combinations((pairs.old, k), (pairs.new, k))
    total = max(len(pairs.old), 1)
    flows: Table = {
        "old_channel": channels[old],
        "new_channel": channels[new],
        "tickets": counts,
        "share": counts / total,
    }
    tables: dict[str, Table] = {"flows": flows, "channels": _channels(pairs, prices)}
    for name, group in groups.items():
        (codes, old, new), counts, _ = combinations((group.codes, len(group.names)), (pairs.old, k), (pairs.new, k))
        tables[f"by_{name}"] = {
            name: group.labels(codes),
            "old_channel": channels[old],
            "new_channel": channels[new],
            "tickets": counts,
            "moved": old != new,
            **{title: counts * (each[new] - each[old]) for title, each in likely.items() if prices is not None},
        }
    before, after = pairs.rules
    moved = pairs.moved
    (one, other, old, new), counts, _ = combinations(
        (before.codes[moved], len(before.names)),
        (after.codes[moved], len(after.names)),
        (pairs.old[moved], k),
        (pairs.new[moved], k),
    )
    order = np.argsort(-counts, kind="stable")
    columns = {
        "old_rule": _rules(before, one),
        "new_rule": after.labels(other),
        "old_channel": channels[old],
        "new_channel": channels[new],
        "tickets": counts,
    }
    tables["rules"] = {name: column[order] for name, column in columns.items()}
    return tables


_COST_CHANGES: Final[dict[str, Counting]] = {"cost_change": "contacts", "cost_change_with_follow_up": "follow_up"}


def _likely(pairs: _Pairs, prices: Prices | None, counting: Counting) -> npt.NDArray[np.float64]:
    """The likely cost of one contact by channel; NaN where it is not known or not needed."""
    found = np.full(len(pairs.channels), np.nan)
    for place, name in enumerate(pairs.channels):
        cost = None if prices is None or name not in _used(pairs) else prices.total({name: 1.0}, counting)
        found[place] = np.nan if cost is None else cost.likely
    return found


def _rules(rules: Coded, codes: IntArray) -> npt.NDArray[np.object_]:
    """Names of rules; empty where the old channel was logged."""
    return rules.labels(codes) if rules.names else np.full(len(codes), "", dtype=object)


def _channels(pairs: _Pairs, prices: Prices | None) -> Table:
    """By channel: tickets before and after, costs of a contact, of a resolved one and of all."""
    k = len(pairs.channels)
    counts = [np.bincount(side, minlength=k) for side in (pairs.old, pairs.new)]
    table: Table = {
        "channel": np.array(pairs.channels, dtype=object),
        "old_tickets": counts[0],
        "new_tickets": counts[1],
        "change": counts[1] - counts[0],
    }
    if prices is None:
        return table
    used = set(_used(pairs))
    unknown = Range(np.nan, np.nan, np.nan)
    per_contact = [prices.cost_per_contact(name) if name in used else unknown for name in pairs.channels]
    resolved = [(prices.cost_per_resolved(name) if name in used else None) or unknown for name in pairs.channels]
    for title, ranges in (("cost_per_contact", per_contact), ("cost_per_resolved", resolved)):
        for end in Range._fields:
            table[f"{title}_{end}"] = np.array([getattr(cost, end) for cost in ranges])
    for side, tickets in zip(("old", "new"), counts, strict=True):
        for end in Range._fields:
            table[f"{side}_cost_{end}"] = np.where(tickets > 0, tickets * table[f"cost_per_contact_{end}"], 0.0)
    return table


def _used(pairs: _Pairs) -> list[str]:
    seen = np.union1d(pairs.old, pairs.new).tolist()
    return [name for place, name in enumerate(pairs.channels) if place in seen]


def _moved(pairs: _Pairs, groups: Mapping[str, Coded], ids: Coded | None, rows: IntArray) -> Table:
    """Each moved ticket, in the order of the tickets."""
    moved = pairs.moved
    channels = np.array(pairs.channels, dtype=object)
    table: Table = {"row": rows[moved]}
    if ids is not None:
        table["ticket_id"] = ids.labels(ids.codes[rows[moved]])
    table |= {"old_channel": channels[pairs.old[moved]], "new_channel": channels[pairs.new[moved]]}
    before, after = pairs.rules
    table |= {"old_rule": _rules(before, before.codes[moved]), "new_rule": after.labels(after.codes[moved])}
    return table | {name: group.labels(group.codes[moved]) for name, group in groups.items() if name != "primary"}


def _refused(before: _Side, after: _Side, ids: Coded | None) -> Table:
    """Each refused ticket with its first cause: of the old side, else of the new."""
    rows = np.flatnonzero((before.cause >= 0) | (after.cause >= 0))
    first = before.cause[rows] >= 0
    causes = np.array([*before.causes, *after.causes], dtype=object)
    cause = np.where(first, before.cause[rows], after.cause[rows] + len(before.causes))
    names = {} if ids is None else {"ticket_id": ids.labels(ids.codes[rows])}
    return {"row": rows, **names, "cause": causes[cause]}


def _promises(policy: RoutingPolicy, asked: _Asked, pairs: _Pairs, kept: BoolArray) -> Table:
    """Promises of the new policy: how many tickets each is about, and how many of these either side sends where they must not go."""
    found: list[tuple[str, int, int, int]] = []
    if kept.all():
        given = asked.columns(policy)
    else:
        rows = np.flatnonzero(kept)
        given = {name: _taken(column, rows) for name, column in asked.columns(policy).items()}
    at = asked.day if policy.dated else None
    for promise in policy.promises:
        held = policy.held_by(promise, given, at=at) if kept.any() else np.zeros(0, dtype=np.bool_)
        forbidden = np.array([promise.forbids(name) for name in pairs.channels], dtype=np.bool_)
        broken = [int((held & forbidden[side]).sum()) if len(held) else 0 for side in (pairs.old, pairs.new)]
        found.append((promise.name, int(held.sum()), *broken))  # type: ignore[arg-type]
    names = np.array([name for name, *_ in found], dtype=object)
    numbers = np.array([counts for _, *counts in found], dtype=np.int64).reshape(len(found), 3)
    return {"promise": names, "tickets": numbers[:, 0], "old_broken": numbers[:, 1], "new_broken": numbers[:, 2]}


def _taken(column: Any, rows: IntArray) -> Any:
    """Rows of a column of any library."""
    if hasattr(column, "iloc"):
        return column.iloc[rows]
    if isinstance(column, np.ndarray) or type(column).__module__.startswith("polars"):
        return column[rows]
    return column.take(rows) if hasattr(column, "take") else [column[row] for row in rows.tolist()]


# -------------------------------------------------------------------------------------------------- figures


def _counts(side: IntArray, channels: Sequence[str]) -> dict[str, float]:
    return dict(zip(channels, np.bincount(side, minlength=len(channels)).tolist(), strict=True))


def _compared(pairs: _Pairs, prices: Prices | None, counting: Counting) -> Compared | None:
    """Cost of all replayed tickets on both sides, and the change, for which only channels count that gain or lose."""
    if prices is None:
        return None
    old, new = (_counts(side, pairs.channels) for side in (pairs.old, pairs.new))
    net = {name: new[name] - old[name] for name in pairs.channels}
    totals = [prices.total(counts, counting) for counts in (old, new, net)]
    return Compared(*totals)


def _repeated(ids: Coded) -> int:
    """How many ids an earlier ticket has."""
    return int((ids.codes >= 0).sum()) - len(ids.names)


def _unknown(pairs: _Pairs, prices: Prices | None) -> tuple[str, ...]:
    """Why the cost until resolved is not known."""
    if prices is None:
        return ()
    needed = dict.fromkeys(prices.needed_for_resolved(name) for name in _used(pairs))
    return tuple(what for what in needed if what)


def _share_of(side: IntArray, channels: Sequence[str]) -> float:
    sent = np.array([name == SELF_SERVICE for name in channels], dtype=np.bool_)
    return float(sent[side].mean()) if len(side) else 0.0


def _contained_resolved(side: IntArray, channels: Sequence[str], prices: Prices | None) -> Range | None:
    """Share of contacts that self-service is expected to resolve, by the price list."""
    share = None if prices is None or SELF_SERVICE not in prices.channels else prices.resolved(SELF_SERVICE)
    return None if share is None else share.times(_share_of(side, channels))


def _escalations(tickets: Any, columns: Sequence[str], pairs: _Pairs, kept: BoolArray) -> Escalations:
    if isinstance(columns, str):
        raise LabError(f"needed_person is the text {columns!r}; give a list of columns, such as [{columns!r}]")
    sent = np.array([name == SELF_SERVICE for name in pairs.channels], dtype=np.bool_)
    if columns:
        chosen = choose_columns(tickets, columns, {name: name for name in columns})
        flags = np.stack([flags_of(tickets[chosen[name]], name)[kept] for name in columns])
        needed, known = (flags == 1).any(axis=0), ((flags == 1).any(axis=0) | (flags == 0).all(axis=0))
        by = f"logged as true: {', '.join(columns)}"
    else:
        by_person = np.array([name in BY_A_PERSON for name in pairs.channels], dtype=np.bool_)
        needed, known = by_person[pairs.old], np.ones(len(pairs.old), dtype=np.bool_)
        by = f"sent by the old side to {' or '.join(BY_A_PERSON)}"
    missed = [int((needed & sent[side]).sum()) for side in (pairs.old, pairs.new)]
    return Escalations(by, int(needed.sum()), int((~known).sum()), missed[0], missed[1])
