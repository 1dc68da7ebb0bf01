"""Days, weeks and months that tickets lie in, exact by the calendar: partial ones are known as such, days without contacts count."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, count_text, shorten
from contact_reasons.routing.dates import day_of

__all__ = ["CalendarCount", "Period"]

IntArray = npt.NDArray[np.int64]
DateArray = npt.NDArray[np.datetime64]
_FOUR_WEEKS: Final = 28
_DAY: Final = np.timedelta64(1, "D")
_TO_MONDAY: Final = 3
"""1970-01-01 was a Thursday: days since then plus this, divided by 7, count weeks that begin on Monday."""


class CalendarCount(NamedTuple):
    """Contacts by calendar week or month; n of them.

    Parameters
    ----------
    first : ndarray of datetime64[D], shape (n,)
        First day of each, whether the period holds it or not.
    days, days_covered : ndarray of int64, shape (n,)
        Of the whole week or month, and of these in the period.
    tickets : ndarray of int64, shape (n,)
    scaled : ndarray of float64, shape (n,)
        Tickets times ``days / days_covered``: what the whole would have held at this pace.
    """

    first: DateArray
    days: IntArray
    days_covered: IntArray
    tickets: IntArray
    scaled: npt.NDArray[np.float64]

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """By name, with ``partial`` for those that the period does not hold whole."""
        return {**self._asdict(), "partial": self.days_covered < self.days}


class Period(NamedTuple):
    """Days from the first to the last, both of them in it.

    Parameters
    ----------
    first, last : date

    Examples
    --------
    >>> quarter = Period.of("2026-01-15", "2026-04-14")
    >>> quarter.days, round(quarter.months, 3)
    (90, 3.015)
    """

    first: dt.date
    last: dt.date

    @classmethod
    def of(cls, first: Any, last: Any) -> Self:
        """From dates, or texts such as ``2026-12-31``.

        Raises
        ------
        LabError
            If one is no date, or the last comes before the first.
        """
        found = []
        for name, value in (("first", first), ("last", last)):
            try:
                found.append(day_of(value))
            except (TypeError, ValueError):
                raise LabError(f"{name} is {shorten(value)}; write a date such as 2026-12-31") from None
        if found[1] < found[0]:
            raise LabError(f"the last day, {found[1]}, comes before the first, {found[0]}; exchange them")
        return cls(*found)

    @classmethod
    def around(cls, days: DateArray, first: Any = None, last: Any = None) -> Self:
        """The days given; where one is None, that of the first or last contact.

        Parameters
        ----------
        days : ndarray of datetime64[D], shape (n,)
            Of the contacts.
        first, last : date or str, optional

        Raises
        ------
        LabError
            If there is no contact, or one lies outside.
        """
        if not len(days):
            raise LabError("there are no contacts with a date; give at least one")
        least, most = (day.astype("datetime64[D]").item() for day in (days.min(), days.max()))
        found = cls.of(least if first is None else first, most if last is None else last)
        if not found.first <= least <= most <= found.last:
            raise LabError(
                f"contacts lie between {least} and {most}, and the period was given as {found}; "
                "widen it or leave the others out"
            )
        return found

    def __str__(self) -> str:
        """The two days."""
        return f"{self.first} to {self.last}"

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    @property
    def caution(self) -> str:
        """Why figures a month or a year are not to be trusted, of a period below four weeks; else empty."""
        if self.days >= _FOUR_WEEKS:
            return ""
        return (
            f"The period is only {count_text(self.days, 'day')}: figures a month are {1 / self.months:.3g} times what was counted, and no day of the week "
            "stands for another. Give four weeks at least, or say first and last day if days without tickets belong to it."
        )

    @property
    def short(self) -> str:
        """As `caution`, in few words."""
        return f"A month is scaled from {count_text(self.days, 'day')}." if self.caution else ""

    @property
    def weeks(self) -> float:
        """Days by seven."""
        return self.days / 7

    @property
    def months(self) -> float:
        """Sum over calendar months of the share of their days that lies in the period."""
        first, after = self._months()
        return float((self._covered(first, after) / (after - first).astype(np.int64)).sum())

    def by_week(self, days: DateArray) -> CalendarCount:
        """Contacts by week from Monday to Sunday.

        Parameters
        ----------
        days : ndarray of datetime64[D], shape (n,)
            Of each contact, in the period.
        """
        return self._count(days, *self._weeks())

    def by_month(self, days: DateArray) -> CalendarCount:
        """Contacts by calendar month.

        Parameters
        ----------
        days : ndarray of datetime64[D], shape (n,)
        """
        return self._count(days, *self._months())

    def whole_weeks(self) -> DateArray:
        """The Mondays of weeks that the period holds whole."""
        first, after = self._weeks()
        return np.asarray(first[self._covered(first, after) == 7])

    def _weeks(self) -> tuple[DateArray, DateArray]:
        weeks = [(int(np.datetime64(day, "D").astype(np.int64)) + _TO_MONDAY) // 7 for day in self]
        edges = (np.arange(weeks[0], weeks[1] + 2) * 7 - _TO_MONDAY).astype("datetime64[D]")
        return edges[:-1], edges[1:]

    def _months(self) -> tuple[DateArray, DateArray]:
        months = [int(np.datetime64(day, "M").astype(np.int64)) for day in self]
        first = np.arange(months[0], months[1] + 2).astype("datetime64[M]").astype("datetime64[D]")
        return first[:-1], first[1:]

    def _covered(self, first: DateArray, after: DateArray) -> IntArray:
        begin = np.maximum(first, np.datetime64(self.first, "D"))
        end = np.minimum(after, np.datetime64(self.last, "D") + _DAY)
        return (end - begin).astype(np.int64)

    def _count(self, days: DateArray, first: DateArray, after: DateArray) -> CalendarCount:
        tickets = np.bincount(np.searchsorted(first, days, side="right") - 1, minlength=len(first))
        length, covered = (after - first).astype(np.int64), self._covered(first, after)
        return CalendarCount(first, length, covered, tickets, tickets * (length / covered))
