"""`Friction`: the ledger as one record, and the few reasons that matter most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from contact_reasons.errors import LabError, count_text, nearest, shorten
from contact_reasons.lab.outcome import PERIOD_TAKEN, Table, plain_table
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import Prices, Range
from contact_reasons.lab.tickets import NOT_KNOWN, to_frame
from contact_reasons.lab.trend import LEAST_A_WEEK, LEAST_WEEKS
from contact_reasons.lab.wording import columns_text, money_range, period_text

if TYPE_CHECKING:
    from contact_reasons.lab.drawing import Picture

__all__ = ["Friction", "Top", "few_tickets_text", "top_rows"]

_RANKINGS: Final = {"reason": "by_reason", "primary": "by_primary", "cell": "cells"}
_HALF: Final = 0.5
LEAST_TICKETS: Final = 30
"""Tickets below which a cell is not among those that matter most: its figures hang on chance."""


class Top(NamedTuple):
    """The few that matter most.

    Parameters
    ----------
    rows : dict of str to ndarray
        Of the ledger, dearest first.
    covered : float
        Share of the cost of all tickets.
    tied : int
        Others that cost exactly as much as the last.
    small : int
        Cells left out for having few tickets, and dearer than the last of these; where there are none, all that were left out.
    without_reason : float
        Share of the cost of tickets whose reason is not known, which are no candidates.
    """

    rows: Table
    covered: float
    tied: int
    small: int
    without_reason: float

    def to_pandas(self) -> Any:
        """The rows as a data frame."""
        return to_frame(self.rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Friction:
    """What contacts come, how often, and what they cost.

    Parameters
    ----------
    tickets, counted : int
        All; those with a date and a cost.
    repeated_ids : int
        Of those that count, tickets whose id an earlier one has; each counts.
    period : Period
    period_given : bool
        Whether it was said, and not taken from the first and last ticket.
    repeat_days : int or None
        Days within which a contact counts as a repeat; None without customers.
    repeats_judged : int
        Tickets of which it is known whether they were repeated.
    prices : Prices or None
    cost_from : str
    tables : mapping of str to mapping of str to ndarray
        ``cells`` (reason, stage and customer type), ``by_primary``, ``by_reason``, ``by_stage``, ``by_customer_type``, ``cells_by_channel``: dearest first. ``per_day``, ``per_week`` and
        ``per_month`` are tickets by the days, weeks and months of the period, partial ones as the part they are. ``repeat_low`` to ``repeat_high`` is
        Wilson's 95 % interval of ``repeat_rate``, contacts taken as independent. ``trend`` is the change of the share
        of all tickets a month, see `sen_slopes`. ``months``, ``weeks``: of all tickets. ``refused``: a row a ticket.
    """

    tickets: int
    counted: int
    repeated_ids: int
    period: Period
    period_given: bool
    repeat_days: int | None
    repeats_judged: int
    prices: Prices | None
    cost_from: str
    tables: Mapping[str, Table] = field(repr=False)

    @property
    def refused(self) -> int:
        """Tickets without a date or a cost; see the table ``refused``."""
        return self.tickets - self.counted

    @property
    def cost(self) -> Range:
        """Cost of all tickets that count."""
        found = self.tables["by_primary"]
        return Range(*(float(np.sort(found[f"cost_{end}"]).sum()) for end in Range._fields))

    @property
    def by_price(self) -> bool:
        """Whether costs are prices of channels, not a column."""
        return "price list" in self.cost_from

    @property
    def currency(self) -> str:
        """Of the costs; empty if it is not known."""
        return "" if self.prices is None else self.prices.currency

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the figures rightly."""
        notes = [self.period.caution] if self.period.caution else []
        if self.repeated_ids:
            notes.append(f"{count_text(self.repeated_ids, 'ticket')} with the id of an earlier one; each counts.")
        notes.append(f"Costs come from {self.cost_from}.")
        if self.prices is not None and self.by_price:
            notes += [self.prices.notice] * bool(self.prices.notice)
            notes += [f"Assumed: {each}." for each in self.prices.assumptions]
        notes += [] if self.period_given else [PERIOD_TAKEN]
        for name, title in (("weeks", "weeks"), ("months", "months")):
            partial = [str(day) for day in self.tables[name]["first"][self.tables[name]["partial"]]]
            if partial:
                notes.append(f"Partial {title}, scaled: from {', '.join(partial)}.")
        if self.repeat_days is None:
            notes.append("Without customers, nothing is said of repeats.")
        else:
            notes.append(
                f"Repeats: the same customer and reason within {self.repeat_days} days, judged on {self.repeats_judged:,} tickets; "
                "the others come too near to the end, or have no customer or reason."
            )
        notes.append(
            f"Trends need {LEAST_WEEKS} whole weeks and {LEAST_A_WEEK:g} tickets a week on average; they are about shares of all tickets."
        )
        return tuple(notes)

    def top(self, by: str = "reason", *, least: int = 3, most: int = 5, min_tickets: int = LEAST_TICKETS) -> Top:
        """The three to five that matter most: dearest first, until they cover half of the cost.

        Equal costs are ordered by tickets, then by name.

        Parameters
        ----------
        by : {'reason', 'primary', 'cell'}
            A cell is a reason in a stage from a customer type.
        least, most : int
            At least and at most so many.
        min_tickets : int
            Cells with fewer tickets are no candidates.

        Raises
        ------
        LabError
            If ``by`` is none of these, or the numbers do not fit.
        """
        if by not in _RANKINGS:
            raise LabError(f"by is {shorten(by)}; {nearest(by, _RANKINGS)}")
        if not 1 <= least <= most:
            raise LabError(f"least is {least} and most is {most}; give whole numbers, the first from 1 to the second")
        table = self.tables[_RANKINGS[by]]
        known = table["primary" if by == "primary" else "reason"] != NOT_KNOWN
        candidate = known & (table["tickets"] >= min_tickets)
        rows = np.flatnonzero(candidate)
        share = np.nan_to_num(table["cost_share"])
        reached = np.flatnonzero(np.cumsum(share[rows]) >= _HALF)
        n = min(max(least, int(reached[0]) + 1 if len(reached) else most), most, len(rows))
        chosen, cost = rows[:n], table["cost_likely"]
        last = cost[chosen[-1]] if n else -np.inf
        return Top(
            {name: column[chosen] for name, column in table.items()},
            float(share[chosen].sum()),
            int((cost[rows[n:]] == last).sum()),
            int((known & ~candidate & (cost > last)).sum()),
            float(share[~known].sum()),
        )

    def to_pandas(self, table: str = "cells") -> Any:
        """One of the tables as a data frame.

        Raises
        ------
        LabError
            If there is none of that name.
        """
        if table not in self.tables:
            raise LabError(f"the ledger has no table {table!r}; {nearest(table, self.tables)}")
        return to_frame(self.tables[table])

    def as_dict(self, *, rows: bool = False, by: str = "reason") -> dict[str, Any]:
        """All of it, ready for JSON; with ``rows``, also the table of refused tickets; the few that matter most as of `top`."""
        top = self.top(by)
        return {
            "tickets": self.tickets,
            "counted": self.counted,
            "refused": self.refused,
            "repeated_ids": self.repeated_ids,
            "period": {
                "first": str(self.period.first),
                "last": str(self.period.last),
                "days": self.period.days,
                "months": self.period.months,
            },
            "repeat_days": self.repeat_days,
            "repeats_judged": self.repeats_judged,
            "currency": self.currency,
            "cost": self.cost._asdict(),
            "cost_from": self.cost_from,
            "top": {**top._asdict(), "rows": plain_table(top.rows)},
            "notes": list(self.notes),
            "tables": {name: plain_table(table) for name, table in self.tables.items() if rows or name != "refused"},
        }

    def cost_chart(self, by: str = "reason", most: int = 12) -> Picture:
        """What the dearest cost a month, as a picture.

        Parameters
        ----------
        by : {'reason', 'primary', 'cell'}
        most : int
            Bars.

        Raises
        ------
        LabError
            If ``by`` is none of these.
        """
        from contact_reasons.lab.charts import cost_chart

        if by not in _RANKINGS:
            raise LabError(f"by is {shorten(by)}; {nearest(by, _RANKINGS)}")
        table, months = self.tables[_RANKINGS[by]], self.period.months
        names = [
            name
            for name in ("primary", "reason", "stage", "customer_type")
            if (name in table and name != "primary") or name == by
        ]
        rows = [
            (
                ", ".join(str(table[name][i]) for name in names),
                "",
                Range(*(float(table[f"cost_{end}"][i]) / months for end in Range._fields)),
            )
            for i in range(min(most, len(table["tickets"])))
        ]
        note = self.prices.notice if self.prices is not None and self.by_price else None
        return cost_chart(
            rows,
            title=f"Cost of contacts a month, {self.currency}".rstrip(", "),
            note=" ".join(filter(None, [note, self.period.short])) or None,
        )

    def __str__(self) -> str:
        """A summary in plain text."""
        return _text(self)


def top_rows(found: Friction, top: Top) -> list[list[str]]:
    """The few that matter most as cells of a table, with its head."""
    table = top.rows
    names: list[str] = [name for name in ("reason", "stage", "customer_type") if name in table]
    names = names or ["primary"]
    head = [
        *(name.replace("_", " ") for name in names),
        "a day",
        "a week",
        "a month",
        "repeated",
        "cost a month",
        "share",
        "trend, points a month",
    ]
    rows = [head]
    for i in range(len(table["tickets"])):
        rate, trend = float(table["repeat_rate"][i]), float(table["trend"][i])
        month = Range(*(float(table[f"cost_{end}"][i]) / found.period.months for end in Range._fields))
        volumes = [f"{table[f'per_{span}'][i]:,.1f}" for span in ("day", "week", "month")]
        shown = (
            "too few"
            if trend != trend
            else f"{100 * trend:+.2f} ({100 * table['trend_low'][i]:+.2f} to {100 * table['trend_high'][i]:+.2f})"
        )
        ends = [f"{float(table[f'repeat_{end}'][i]):.0%}" for end in ("low", "high")]
        again = "not known" if rate != rate else f"{rate:.0%} ({ends[0]} to {ends[1]})"
        rows.append(
            [
                *(str(table[name][i]) for name in names),
                *volumes,
                again,
                money_range(month),
                f"{table['cost_share'][i]:.1%}",
                shown,
            ]
        )
    return rows


def few_tickets_text(top: Top) -> str:
    """How many were left out for having few tickets."""
    if len(top.rows["tickets"]):
        return f"{top.small} dearer ones were left out, as they have too few tickets."
    return f"All {top.small} were left out, as each has too few tickets to be judged."


def _text(found: Friction) -> str:
    """The figures of a ledger, the reasons that matter most first."""
    period, top = found.period, found.top()
    lines = [
        f"{found.counted:,} of {count_text(found.tickets, 'ticket')}, {period_text(period)}",
        f"Cost a month {found.currency}: {money_range(found.cost.times(1 / period.months))}",
        f"The {len(top.rows['tickets'])} reasons that matter most cover {top.covered:.1%} of the cost:",
        columns_text(top_rows(found, top)),
    ]
    if top.tied:
        lines.append(f"{top.tied} more cost exactly as much as the last.")
    if top.small:
        lines.append(few_tickets_text(top))
    if top.without_reason:
        lines.append(f"Tickets without a reason make {top.without_reason:.1%} of the cost.")
    return "\n".join([*lines, *found.notes])
