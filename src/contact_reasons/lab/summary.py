"""What a replay and a ledger say in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contact_reasons.lab.prices import Range

if TYPE_CHECKING:
    from contact_reasons.lab.outcome import Compared, Replay

__all__ = ["columns_text", "cost_titles", "money", "money_range", "replay_text"]

_SHOWN = 8
_UNKNOWN = (None, None, None)


def money(value: float) -> str:
    """An amount without pennies from 100 on.

    >>> money(1234.5), money(-4.875)
    ('1,234', '-4.88')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


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
    lines = [f"{found.old} → {found.new}: {found.tickets:,} tickets{period}"]
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
