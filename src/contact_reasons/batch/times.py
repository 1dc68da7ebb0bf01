"""Times in ticket files: one format a column, found from the values or given; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from contact_reasons.errors import BatchError

__all__ = ["read_times"]

_SLASHED: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?\Z")
_MOST_UNREADABLE: Final = 0.5


def read_times(
    values: Sequence[Any],
    *,
    column: str = "time",
    time_format: str | None = None,
    rows: Sequence[int] | None = None,
    own_clock: bool = False,
) -> tuple[list[datetime | None], int]:
    """Times of a column, and how many values could not be read; blank and unreadable ones are None.

    Read are: dates and times of Parquet; ISO 8601; e-mail dates (RFC 5322); whole numbers as Unix time, in seconds or, from 12 digits on, in
    milliseconds, and of 8 digits as YYYYMMDD; and D.M.YYYY. Of ``03/04/2026`` nobody can tell day and month: the column tells, if some value
    has a day above 12.

    Parameters
    ----------
    values : sequence
    column : str
        Name, for messages.
    time_format : str, optional
        As of `datetime.strptime`; then nothing else is read.
    rows : sequence of int, optional
        Number of each value's row, for messages; by default from 1.
    own_clock : bool
        Keep the zone of each time instead of turning it into UTC.

    Raises
    ------
    BatchError
        If day and month cannot be told apart, or fewer than half of the values that are there can be read.

    Examples
    --------
    >>> read_times(["2026-11-01", "", "soon", "2026-11-02T10:00:00Z", "2026-11-03 09:00"])[1]
    1
    """
    numbers = range(1, len(values) + 1) if rows is None else rows
    order = None if time_format else _day_or_month_first(values, column, numbers)
    times: list[datetime | None] = []
    present = 0
    for value in values:
        blank = value is None or value != value or (isinstance(value, str) and not value.strip())
        present += not blank
        time = None if blank else _read(value, order, time_format)
        times.append(time if time is None or own_clock else _in_utc(time))
    unreadable = present - sum(time is not None for time in times)
    if present and unreadable > _MOST_UNREADABLE * present:
        row = next(row for row, v, t in zip(numbers, values, times, strict=True) if t is None and v)
        raise BatchError(
            f"column {column!r}: {unreadable} of {present} values are no times that can be read, the first in row {row}; "
            "write 2026-11-30 or 2026-11-30T14:05:00Z, give the format with --time-format '%d.%m.%Y %H:%M', or name another column"
        )
    return times, unreadable


def _day_or_month_first(values: Sequence[Any], column: str, numbers: Sequence[int]) -> str | None:
    """``'day'`` or ``'month'`` for columns with values such as 03/04/2026; None if there are none."""
    day = month = 0
    row = 0
    for number, value in zip(numbers, values, strict=True):
        found = _SLASHED.match(value.strip()) if isinstance(value, str) else None
        if found and found[2] != ".":
            row = row or number
            day, month = max(day, int(found[1])), max(month, int(found[3]))
    if not row:
        return None
    if (day > 12) == (month > 12):
        why = "some values have the day first, others the month" if day > 12 else "nothing tells the day from the month"
        raise BatchError(
            f"column {column!r}, row {row}: {why}; say which with --time-format '%d/%m/%Y' or '%m/%d/%Y' "
            "(and ' %H:%M' for the time of day), or write dates as 2026-11-30"
        )
    return "day" if day > 12 else "month"


def _read(value: Any, order: str | None, time_format: str | None) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    try:
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
        if time_format is not None:
            return datetime.strptime(text, time_format)
        if text.isdigit() and text.isascii():
            return _from_digits(text)
        if found := _SLASHED.match(text):
            day, month = int(found[1]), int(found[3])
            if order == "month" and found[2] != ".":
                day, month = month, day
            hour, minute, second = (int(found[i] or 0) for i in (5, 6, 7))
            return datetime(int(found[4]), month, day, hour, minute, second, tzinfo=UTC)
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return parsedate_to_datetime(text)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


def _from_digits(text: str) -> datetime:
    if len(text) == 8:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    if not 9 <= len(text) <= 14:
        raise ValueError(text)
    return datetime.fromtimestamp(int(text) / (1000 if len(text) >= 12 else 1), UTC)


def _in_utc(value: datetime) -> datetime | None:
    """A time without a zone is taken as UTC; None at the very ends of the calendar."""
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return None
