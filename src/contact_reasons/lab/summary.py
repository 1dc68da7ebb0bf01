"""What a replay and a ledger say in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contact_reasons.errors import count_text
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import Range

if TYPE_CHECKING:
    from contact_reasons.lab.ledger import Friction, Top
    from contact_reasons.lab.outcome import Compared, Replay

__all__ = [
    "columns_text",
    "cost_titles",
    "few_tickets_text",
    "friction_text",
    "money",
    "money_range",
    "period_text",
    "replay_text",
    "top_rows",
]

_SHOWN = 8
_UNKNOWN = (None, None, None)


def money(value: float) -> str:
    """An amount without pennies from 100 on.

    >>> money(1234.5), money(-4.875)
    ('1,234', '-4.88')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:z,.2f}"


def money_range(cost: Range | None) -> str:
    """The likely amount with the ends.

    >>> money_range(Range(1.0, 2.0, 300.0)), money_range(None)
    ('2.00 (1.00 to 300)', 'not known')
    """
    return "not known" if cost is None else f"{money(cost.likely)} ({money(cost.low)} to {money(cost.high)})"


def columns_text(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows as text in columns, those at the positions of ``right`` flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def replay_text(found: Replay) -> str:
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
        rows = [[f"  {one}", "→", other, f"{n:,}"] for one, other, n in pairs[:_SHOWN]]
        lines.append(columns_text(rows, right=(3,)))
        if len(pairs) > _SHOWN:
            lines.append(f"  and {len(pairs) - _SHOWN} more pairs of channels")
    if found.prices is not None and found.contacts is not None:
        monthly = found.period is not None
        lines.append(f"Cost{' a month' if monthly else ''} in {found.prices.currency}, likely (low to high):")
        rows = [
            [title, *(money_range(each) for each in ((found.a_month(cost) if monthly else cost) or _UNKNOWN))]
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


def cost_titles(found: Replay) -> dict[str, Compared | None]:
    """What each cost of a replay counts."""
    return {
        "  the contacts alone": found.contacts,
        "  with the contact after failed self-service": found.followed,
        "  with all contacts until resolved": found.resolved,
    }


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


def period_text(period: Period) -> str:
    """A period with its length."""
    return f"{period}: {count_text(period.days, 'day')}, {period.weeks:.2f} weeks, {period.months:.2f} months"


def few_tickets_text(top: Top) -> str:
    """How many were left out for having few tickets."""
    if len(top.rows["tickets"]):
        return f"{top.small} dearer ones were left out, as they have too few tickets."
    return f"All {top.small} were left out, as each has too few tickets to be judged."


def friction_text(found: Friction) -> str:
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
