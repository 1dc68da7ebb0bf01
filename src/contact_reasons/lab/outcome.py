"""`Replay`: what came of replaying two policies, as one record: figures, tables as columns, a summary, plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, count_text, nearest
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import SELF_SERVICE, Prices, Range
from contact_reasons.lab.tickets import to_frame
from contact_reasons.lab.wording import columns_text, money_range

if TYPE_CHECKING:
    from contact_reasons.lab.drawing import Picture

__all__ = ["Compared", "Escalations", "Replay", "Table", "cost_titles", "plain_table"]

_PAIRS_SHOWN = 8

Table = dict[str, npt.NDArray[Any]]
"""Columns of one length, by name."""

ROW_TABLES: Final = ("moved", "refused")
"""Tables with a row for each ticket, which plain data leave out unless they are asked for."""

NO_OUTCOME: Final = (
    "A replay says where contacts would have gone, not how they would have ended: that is not in the tickets."
)


PERIOD_TAKEN: Final = (
    "The period goes from the first ticket to the last; say first and last if days before or after belong to it."
)


class Compared(NamedTuple):
    """A cost on both sides and its change; None where it is not known.

    Parameters
    ----------
    old, new, change : Range or None
        In the currency of the prices. The change is not the difference of the ends, as a price is the same on both sides.
    """

    old: Range | None
    new: Range | None
    change: Range | None

    def times(self, factor: float) -> Compared:
        """Each range times a factor."""
        return Compared(*(None if each is None else each.times(factor) for each in self))


class Escalations(NamedTuple):
    """Contacts that a person had to take, and how many of them go to self-service.

    Parameters
    ----------
    by : str
        How it is known that a person had to take them.
    needed : int
    not_known : int
        Replayed tickets of which it is not known, as the outcome was not logged.
    old_missed, new_missed : int
        Of those needed: sent to self-service.
    """

    by: str
    needed: int
    not_known: int
    old_missed: int
    new_missed: int

    @property
    def rates(self) -> tuple[float, float] | None:
        """Missed of needed, before and after; None if nobody needed a person."""
        return None if not self.needed else (self.old_missed / self.needed, self.new_missed / self.needed)


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """Two policies on the same tickets.

    Parameters
    ----------
    old, new : str
        The two sides.
    tickets, replayed, moved : int
        All; those that both sides answered; of these, those whose channel changes.
    period : Period or None
        Days that the tickets were taken from; None without dates.
    period_given : bool
        Whether it was said, and not taken from the first and last ticket.
    inputs_missing : tuple of str
        Inputs of the policies without a column, which count as not known.
    repeated_ids : int
        Tickets whose id an earlier one has; each counts.
    undated : int
        Replayed tickets without a date, which count in all but in no period.
    prices : Prices or None
    contacts : Compared or None
        Cost of the replayed tickets, each as one contact; None without prices.
    followed : Compared or None
        With the one contact that follows where self-service did not resolve the matter: the figure to judge a move to self-service by.
    resolved : Compared or None
        Cost until each is resolved, with the contacts that follow; see `Prices.cost_per_resolved`.
    resolved_unknown : tuple of str
        Why that is not known.
    contained : (float, float)
        Share sent to self-service, before and after: no person is involved.
    contained_resolved : (Range or None, Range or None)
        Share that self-service is also expected to resolve, by the price list; nothing that was measured.
    escalations : Escalations
    tables : mapping of str to mapping of str to ndarray
        ``flows`` (by old and new channel), ``channels``, ``by_primary``, ``by_reason``, ``by_customer_type``, ``by_stage``, ``rules`` (of moved tickets), ``moved`` and
        ``refused`` (a row a ticket; ``row`` is its position, from 0), ``promises`` (of the new policy).
    """

    old: str
    new: str
    tickets: int
    replayed: int
    moved: int
    period: Period | None
    period_given: bool
    inputs_missing: tuple[str, ...]
    repeated_ids: int
    undated: int
    prices: Prices | None
    contacts: Compared | None
    followed: Compared | None
    resolved: Compared | None
    resolved_unknown: tuple[str, ...]
    contained: tuple[float, float]
    contained_resolved: tuple[Range | None, Range | None]
    escalations: Escalations
    tables: Mapping[str, Table] = field(repr=False)

    @property
    def refused(self) -> int:
        """Tickets that a side did not answer; see the table ``refused``."""
        return self.tickets - self.replayed

    @property
    def broken_promises(self) -> int:
        """How often the new policy breaks a promise of its own; 0 for any policy that was proved."""
        return int(self.tables["promises"]["new_broken"].sum())

    def a_month(self, cost: Compared | None) -> Compared | None:
        """A cost such as `followed` by the months of the period; None without dates or prices."""
        return None if cost is None or self.period is None else cost.times(1 / self.period.months)

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the figures rightly."""
        notes = [self.period.caution] if self.period is not None and self.period.caution else []
        notes += (
            [f"{count_text(self.repeated_ids, 'ticket')} with the id of an earlier one; each counts."]
            if self.repeated_ids
            else []
        )
        if self.inputs_missing:
            notes.append(
                f"Inputs of the policies without a column, taken as not known: {', '.join(self.inputs_missing)}."
            )
        if self.refused:
            notes.append(
                f"All figures are of the {self.replayed:,} of {count_text(self.tickets, 'ticket')} that both sides answer."
            )
        notes.append(NO_OUTCOME)
        if self.prices is not None:
            notes += self._follow_up_note()
            notes += [self.prices.notice] * bool(self.prices.notice)
            notes += [f"Assumed: {each}." for each in self.prices.assumptions]
            notes += [f"Cost until resolved is not known: {each}." for each in self.resolved_unknown]
        if self.period is None:
            notes.append("Without dates, nothing is said by month.")
        elif not self.period_given:
            notes.append(PERIOD_TAKEN)
        if self.period is not None and self.undated:
            notes.append(
                f"Without a date: {count_text(self.undated, 'ticket')}, counted in the totals as if in the period."
            )
        return tuple(notes)

    def _follow_up_note(self) -> list[str]:
        """Where those go whom self-service does not help, if there are any and it is known."""
        prices = self.prices
        if (
            prices is None
            or SELF_SERVICE not in self.tables["channels"]["channel"]
            or SELF_SERVICE not in prices.channels
        ):
            return []
        then = prices.channels[SELF_SERVICE].then
        return (
            []
            if then is None
            else [
                f"Assumed: whoever self-service does not help comes once more, in the channel {then} (`then` in the price list)."
            ]
        )

    def to_pandas(self, table: str = "flows") -> Any:
        """One of the tables as a data frame.

        Raises
        ------
        LabError
            If there is none of that name.
        """
        if table not in self.tables:
            raise LabError(f"a replay has no table {table!r}; {nearest(table, self.tables)}")
        return to_frame(self.tables[table])

    def as_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """All of it, ready for JSON; with ``rows``, also the tables of single tickets."""
        return {
            "old": self.old,
            "new": self.new,
            "tickets": self.tickets,
            "replayed": self.replayed,
            "moved": self.moved,
            "refused": self.refused,
            "undated": self.undated,
            "inputs_missing": list(self.inputs_missing),
            "repeated_ids": self.repeated_ids,
            "period": None if self.period is None else _period(self.period),
            "prices": None if self.prices is None else _prices(self.prices),
            "cost_of_contacts": _plain(self.contacts),
            "cost_of_contacts_a_month": _plain(self.a_month(self.contacts)),
            "cost_with_follow_up": _plain(self.followed),
            "cost_with_follow_up_a_month": _plain(self.a_month(self.followed)),
            "cost_until_resolved": _plain(self.resolved),
            "cost_until_resolved_a_month": _plain(self.a_month(self.resolved)),
            "cost_until_resolved_unknown": list(self.resolved_unknown),
            "contained": {"old": self.contained[0], "new": self.contained[1]},
            "contained_resolved": {
                side: None if each is None else each._asdict()
                for side, each in zip(("old", "new"), self.contained_resolved, strict=True)
            },
            "escalations": {**self.escalations._asdict(), "missed_rates": self.escalations.rates},
            "broken_promises": self.broken_promises,
            "notes": list(self.notes),
            "tables": {
                name: plain_table(table) for name, table in self.tables.items() if rows or name not in ROW_TABLES
            },
        }

    def flow_chart(self) -> Picture:
        """The flow of tickets between channels, as a picture."""
        from contact_reasons.lab.charts import flow_chart

        flows = self.tables["flows"]
        return flow_chart(
            list(zip(*(flows[name].tolist() for name in ("old_channel", "new_channel", "tickets")), strict=True)),
            title=f"{self.moved:,} of {self.replayed:,} tickets move",
            sides=(self.old, self.new),
        )

    def cost_chart(self) -> Picture:
        """What the tickets cost by channel before and after, with the ranges of the prices, as a picture.

        Raises
        ------
        LabError
            If the replay was made without prices.
        """
        from contact_reasons.lab.charts import cost_chart

        if self.prices is None or self.contacts is None:
            raise LabError("the replay was made without prices; give it a price list")
        found = self.tables["channels"]
        months = 1.0 if self.period is None else self.period.months
        rows = []
        for i, channel in enumerate(found["channel"]):
            for side in ("old", "new"):
                cost = Range(*(float(found[f"{side}_cost_{end}"][i]) / months for end in Range._fields))
                rows.append((str(channel), side, cost))
        rows += self._follow_ups(months)
        span = "a month" if self.period is not None else "in all"
        return cost_chart(
            rows,
            title=f"Cost of contacts {span}, {self.prices.currency}",
            note=" ".join(filter(None, [self.prices.notice, "" if self.period is None else self.period.short])) or None,
        )

    def _follow_ups(self, months: float) -> list[tuple[str, str, Range]]:
        """Cost of the contacts after self-service that failed, before and after, if there are any and it is known."""
        prices, found = self.prices, self.tables["channels"]
        if prices is None or SELF_SERVICE not in found["channel"]:
            return []
        share, then = prices.resolved(SELF_SERVICE), prices.channels[SELF_SERVICE].then
        if share is None or then is None:
            return []
        cost, at = prices.cost_per_contact(then), found["channel"].tolist().index(SELF_SERVICE)
        rows = []
        for side in ("old", "new"):
            n = float(found[f"{side}_tickets"][at]) / months
            ends = ((1 - share.high) * cost.low, (1 - share.likely) * cost.likely, (1 - share.low) * cost.high)
            rows.append(("after failed self-service", side, Range(*(n * end for end in ends))))
        return rows

    def __str__(self) -> str:
        """A summary in plain text."""
        return _text(self)


def _period(period: Period) -> dict[str, Any]:
    return {"first": str(period.first), "last": str(period.last), "days": period.days, "months": period.months}


def _prices(prices: Prices) -> dict[str, Any]:
    return {
        "prices": prices.prices,
        "version": prices.version,
        "example": prices.example,
        "currency": prices.currency,
        "assumptions": list(prices.assumptions),
    }


def _plain(compared: Compared | None) -> dict[str, Any] | None:
    if compared is None:
        return None
    return {name: None if each is None else each._asdict() for name, each in compared._asdict().items()}


def plain_table(table: Table) -> dict[str, list[Any]]:
    """Columns as lists, ready for JSON: not a number as None, days as texts."""
    found: dict[str, list[Any]] = {}
    for name, column in table.items():
        if column.dtype.kind == "M":
            found[name] = [None if value == "NaT" else value for value in np.datetime_as_string(column).tolist()]
        elif column.dtype.kind == "f":
            found[name] = [None if value != value else value for value in column.tolist()]
        else:
            found[name] = column.tolist()
    return found


def cost_titles(found: Replay) -> dict[str, Compared | None]:
    """What each cost of a replay counts."""
    return {
        "  the contacts alone": found.contacts,
        "  with the contact after failed self-service": found.followed,
        "  with all contacts until resolved": found.resolved,
    }


def _text(found: Replay) -> str:
    """The figures of a replay, flows first."""
    period = "" if found.period is None else f", {found.period}, {found.period.months:.2f} months"
    lines = [f"{found.old} → {found.new}: {count_text(found.tickets, 'ticket')}{period}"]
    lines.append(
        f"Replayed {found.replayed:,}, moved {found.moved:,} ({found.moved / max(found.replayed, 1):.1%}), refused {found.refused:,}"
    )
    flows = found.tables["flows"]
    order = np.argsort(-flows["tickets"], kind="stable")
    pairs = [
        (str(flows["old_channel"][i]), str(flows["new_channel"][i]), int(flows["tickets"][i]))
        for i in order
        if flows["old_channel"][i] != flows["new_channel"][i]
    ]
    if pairs:
        rows = [[f"  {one}", "→", other, f"{n:,}"] for one, other, n in pairs[:_PAIRS_SHOWN]]
        lines.append(columns_text(rows, right=(3,)))
        if len(pairs) > _PAIRS_SHOWN:
            lines.append(f"  and {len(pairs) - _PAIRS_SHOWN} more pairs of channels")
    if found.prices is not None and found.contacts is not None:
        monthly = found.period is not None
        lines.append(f"Cost{' a month' if monthly else ''} in {found.prices.currency}, likely (low to high):")
        rows = [
            [title, *(money_range(each) for each in ((found.a_month(cost) if monthly else cost) or (None, None, None)))]
            for title, cost in cost_titles(found).items()
        ]
        lines.append(columns_text([["", "before", "after", "change"], *rows]))
    lines.append(f"Sent to self-service (contained): {found.contained[0]:.1%} → {found.contained[1]:.1%}")
    expected = found.contained_resolved[1]
    if expected is not None:
        lines.append(
            f"  expected to be resolved there: {expected.likely:.1%} ({expected.low:.1%} to {expected.high:.1%})"
        )
    lines.append(
        f"Missed escalations: {found.escalations.old_missed:,} → {found.escalations.new_missed:,} of {found.escalations.needed:,} ({found.escalations.by})"
    )
    lines.append(f"Broken promises of the new policy: {found.broken_promises:,}")
    return "\n".join([*lines, *found.notes])
