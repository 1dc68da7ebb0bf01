"""The day as an input: what `from` and `until` in a rule file are about.

A policy some of whose rules hold for a time only has one more input, ``date``. Rules are boxes in it as in any other
input, so every proof and every comparison of a dated policy is about all of its days at once.
"""

from __future__ import annotations

import bisect
import datetime as dt
import re
from typing import Any, Final

import numpy as np

from contact_reasons.errors import PolicyError, RoutingError, shorten
from contact_reasons.routing.domains import Cell, Number, is_missing
from contact_reasons.routing.numbers import IntDomain

__all__ = ["DATE", "DateDomain", "day_of"]

DATE: Final = "date"
"""Name of the input."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_FIRST, _LAST = dt.date.min.toordinal(), dt.date.max.toordinal()


class DateDomain(IntDomain):
    """A calendar day, counted as `datetime.date.toordinal` does.

    Parameters
    ----------
    name : str
    nullable : bool
        Never; the day must be known.
    low, high : int
        First and last day.
    """

    kind = "date"

    @classmethod
    def of(cls, first: dt.date | None, until: dt.date | None) -> DateDomain:
        """Days from ``first`` up to ``until``, that one not included; None where there is no limit.

        Raises
        ------
        PolicyError
            Without the place, if there is no such day.
        """
        low = _FIRST if first is None else first.toordinal()
        return cls(DATE, False, low, _LAST if until is None else until.toordinal() - 1)

    @property
    def extent(self) -> str:
        """The days, as `from` and `until`; empty without limits."""
        return self.readable(self.low, self.high + 1)

    def readable(self, first: Number, last: Number) -> str:
        """Days from the first up to the last, that one not included, as `from` and `until`."""
        parts = [("from", first)] * (first > _FIRST) + [("until", last)] * (last <= _LAST)
        return " ".join(f"{word} {dt.date.fromordinal(int(day))}" for word, day in parts)

    def _parse_value(self, part: Any) -> Cell:
        raise PolicyError("a condition on the day is written as `from` and `until` of a rule; leave it out here")

    def between(self, first: dt.date | None, until: dt.date | None) -> Cell:
        """The condition on days from ``first`` up to ``until``, that one not included.

        Raises
        ------
        PolicyError
            Without the place, if there is no such day.
        """
        low = self.low if first is None else max(self.low, first.toordinal())
        high = self.high + 1 if until is None else min(self.high + 1, until.toordinal())
        text = " ".join(f"{word} {day}" for word, day in (("from", first), ("until", until)) if day is not None)
        if low >= high:
            within = f" and the policy itself holds {self.extent}" if self.extent else ""
            raise PolicyError(f"{text}: no day is left, for `until` is the first day after{within}; correct the dates")
        return Cell(text, spans=((low, high),))

    def atom(self, value: Any) -> int:
        if is_missing(value) or (isinstance(value, np.datetime64) and np.isnat(value)):
            raise RoutingError(
                "input 'date' is missing; some rules of this policy hold for a time only: give at=, the day to route on.",
                self._right(),
            )
        try:
            day = day_of(value).toordinal()
        except (TypeError, ValueError, OverflowError):
            raise self.refuse(value, self._right()) from None
        if not self.low <= day <= self.high:
            raise self.refuse(value, self._right())
        return bisect.bisect_right(self.cuts, day) - 1

    def witness(self, atom: int) -> Any:
        """The first day of a stretch, as text; of one without a first day its last."""
        first = self.cuts[atom]
        if first == _FIRST and self.cuts[atom + 1] <= _LAST:
            first = self.cuts[atom + 1] - 1
        return str(dt.date.fromordinal(int(first)))

    def from_text(self, text: str) -> Any:
        """As for every input; a time after the day is left out."""
        if text.strip() == "":
            return None
        try:
            return dt.datetime.fromisoformat(text.strip()).date()
        except ValueError:
            raise self.refuse(text, self._right()) from None

    def _right(self) -> str:
        return f"a date{' ' if self.extent else ''}{self.extent}, written 2026-12-31"


def day_of(value: Any) -> dt.date:
    """The calendar day of a date, of a datetime in its own time zone, or of a text such as ``2026-12-31``.

    Raises
    ------
    TypeError, ValueError
        If it is none of these.

    Examples
    --------
    >>> day_of("2026-12-31")
    datetime.date(2026, 12, 31)
    """
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[D]").item()
    if isinstance(value, str) and _DAY.match(value):
        return dt.date.fromisoformat(value)
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    raise TypeError(f"{shorten(value)} is not a date")
