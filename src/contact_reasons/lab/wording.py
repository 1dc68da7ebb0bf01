"""Amounts, ranges, periods and columns in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from contact_reasons.errors import count_text
from contact_reasons.lab.periods import Period
from contact_reasons.lab.prices import Range

__all__ = ["columns_text", "money", "money_range", "period_text"]


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


def period_text(period: Period) -> str:
    """A period with its length."""
    return f"{period}: {count_text(period.days, 'day')}, {period.weeks:.2f} weeks, {period.months:.2f} months"
