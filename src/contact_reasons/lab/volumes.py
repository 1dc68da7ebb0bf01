"""Contact volumes by day and interval: read from a file, or made up with the shape that real ones have."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, shorten
from contact_reasons.lab.queues import check_number, check_whole

__all__ = ["Volumes", "read_volumes", "sample_volumes"]

FloatArray = npt.NDArray[np.float64]

FIRST_DAY: Final = dt.date(2026, 1, 5)
_WEEKDAYS: Final = (1.13, 1.01, 0.95, 0.95, 0.99)
"""Monday to Friday, against an average day."""
_DAY_SPREAD: Final = 0.055
_INTERVAL_SPREAD: Final = 0.06


@dataclass(frozen=True, eq=False)
class Volumes:
    """How many contacts came, day by day and interval by interval.

    Parameters
    ----------
    days : tuple of date
        Rising.
    counts : ndarray of float64, shape (days, intervals)
        At least 0.
    interval_seconds : float
    begin_seconds : float
        When the first interval of each day begins, since midnight.
    source : str
        Where they are from, for what is shown.

    Examples
    --------
    >>> volumes = Volumes((dt.date(2026, 3, 2),), np.array([[3.0, 5.0, 2.0, 4.0]]), 900.0, 28800.0, "four quarters of an hour")
    >>> volumes.by_interval(1800).counts.tolist(), volumes.edges_seconds
    ([[8.0, 6.0]], (28800.0, 29700.0, 30600.0, 31500.0, 32400.0))
    """

    days: tuple[dt.date, ...]
    counts: FloatArray
    interval_seconds: float
    begin_seconds: float
    source: str

    def __repr__(self) -> str:
        """What they are of."""
        begin, end = (_clock(self.edges_seconds[at]) for at in (0, -1))
        return (
            f"{self.source}: {self.counts.sum():,.0f} contacts on {len(self.days)} days from {self.days[0]} to {self.days[-1]}, "
            f"{begin} to {end} by {self.interval_seconds / 60:g} minutes"
        )

    @property
    def edges_seconds(self) -> tuple[float, ...]:
        """Of the intervals, since midnight: one more than there are."""
        return tuple(self.begin_seconds + at * self.interval_seconds for at in range(self.counts.shape[1] + 1))

    def of(self, rows: npt.ArrayLike) -> Self:
        """Some of the days.

        Parameters
        ----------
        rows : array-like of bool, shape (days,)

        Raises
        ------
        LabError
            If none is chosen.
        """
        chosen = np.asarray(rows, dtype=np.bool_)
        if chosen.shape != (len(self.days),) or not chosen.any():
            raise LabError(
                f"rows choose no day, or are not one for each of the {len(self.days)} days; give a mask with a day in it"
            )
        days = tuple(day for day, kept in zip(self.days, chosen.tolist(), strict=True) if kept)
        return type(self)(days, self.counts[chosen], self.interval_seconds, self.begin_seconds, self.source)

    def weekday(self, number: int) -> Self:
        """The days of one weekday; 0 is Monday."""
        return self.of([day.weekday() == number for day in self.days])

    def until(self, day: dt.date) -> Self:
        """The days before a day."""
        return self.of([each < day for each in self.days])

    def hours(self, begin_seconds: float, end_seconds: float) -> Self:
        """The intervals of some hours.

        Parameters
        ----------
        begin_seconds, end_seconds : float
            Since midnight, each the edge of an interval.

        Raises
        ------
        LabError
            If it is not, or they do not rise.
        """
        edges = self.edges_seconds
        if begin_seconds not in edges or end_seconds not in edges or begin_seconds >= end_seconds:
            raise LabError(
                f"{begin_seconds:g} to {end_seconds:g} are not edges of intervals from {_clock(edges[0])} to {_clock(edges[-1])} "
                f"by {self.interval_seconds:g} seconds; give some that are"
            )
        part = self.counts[:, edges.index(begin_seconds) : edges.index(end_seconds)]
        return type(self)(self.days, part, self.interval_seconds, float(begin_seconds), self.source)

    def by_interval(self, interval_seconds: float) -> Self:
        """The same contacts in longer intervals.

        Parameters
        ----------
        interval_seconds : float
            A multiple of those there are, which must fill the day: choose `hours` first if they do not.

        Raises
        ------
        LabError
            If it is not.
        """
        step = check_number("interval_seconds", interval_seconds, above=0.0)
        times = round(step / self.interval_seconds)
        days, n = self.counts.shape
        if times < 1 or step != times * self.interval_seconds or n % times:
            raise LabError(
                f"{n} intervals of {self.interval_seconds:g} seconds do not make whole ones of {step:g}; choose a multiple that fills the day"
            )
        counts = self.counts.reshape(days, n // times, times).sum(axis=2)
        return type(self)(self.days, counts, step, self.begin_seconds, self.source)


def read_volumes(
    path: str | Path, *, time_column: str = "datetime", count_column: str = "calls", source: str | None = None
) -> Volumes:
    """The volumes in a CSV file with a row an interval.

    Parameters
    ----------
    path : str or Path
    time_column : str
        When the interval begins, in local time, such as ``2026-03-02T07:05``; rows in any order.
    count_column : str
    source : str, optional
        By default the name of the file.

    Raises
    ------
    LabError
        If the file cannot be read, a row is wrong, or days do not have the same intervals, evenly spaced.
    """
    file = Path(path)
    found: dict[dt.datetime, float] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for line, moment, count in _rows(csv.DictReader(lines), file.name, time_column, count_column):
                if moment in found:
                    raise LabError(
                        f"{file.name}, line {line}: {moment.isoformat()} was there before; keep one row of it, with the sum where the clock was put back"
                    )
                found[moment] = count
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise LabError(f"{file}: the file cannot be read ({exc.__class__.__name__}); give a CSV file in UTF-8") from exc
    return _regular(found, source or file.name)


def _rows(
    rows: csv.DictReader[str], name: str, time_column: str, count_column: str
) -> Iterator[tuple[int, dt.datetime, float]]:
    known = rows.fieldnames or ()
    for column in (time_column, count_column):
        if column not in known:
            raise LabError(f"{name} has no column {column!r}; it has {', '.join(map(str, known)) or 'none'}")
    for row in rows:
        try:
            moment, count = dt.datetime.fromisoformat(row[time_column].strip()), float(row[count_column])
        except (TypeError, ValueError, AttributeError):
            raise LabError(
                f"{name}, line {rows.line_num}: {shorten(row[time_column])} and {shorten(row[count_column])} are not a time, such as "
                "2026-03-02T07:05, and a number; correct the row"
            ) from None
        if not 0 <= count < float("inf"):
            raise LabError(f"{name}, line {rows.line_num}: the count is {count:g}; give one of at least 0")
        if moment.tzinfo is not None:
            raise LabError(f"{name}, line {rows.line_num}: the time has a zone; give local times without one")
        yield rows.line_num, moment, count


def _regular(found: dict[dt.datetime, float], source: str) -> Volumes:
    """Volumes of moments that make the same intervals on each day."""
    days = tuple(sorted({moment.date() for moment in found}))
    clock = sorted({(moment - _midnight(moment)).total_seconds() for moment in found})
    if len(clock) < 2:
        raise LabError(f"{source}: a day needs two intervals at least; is it the right file?")
    step = clock[1] - clock[0]
    for seconds in clock:
        if (seconds - clock[0]) % step:
            raise LabError(
                f"{source}: intervals are not evenly spaced: {_clock(seconds)} is not a whole number of {step:g} seconds from {_clock(clock[0])}"
            )
    times = [clock[0] + at * step for at in range(round((clock[-1] - clock[0]) / step) + 1)]
    for day in days:
        for seconds in times:
            if dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=seconds) not in found:
                raise LabError(
                    f"{source}: {day} has no row for {_clock(seconds)}, which other days have; add it (0 where the clock was put forward), or leave the day out"
                )
    counts = [found[moment] for moment in sorted(found)]
    return Volumes(days, np.array(counts).reshape(len(days), len(times)), step, clock[0], source)


def _midnight(moment: dt.datetime) -> dt.datetime:
    return dt.datetime.combine(moment.date(), dt.time())


def sample_volumes(
    *, seed: int, days: int = 120, contacts_per_day: float = 30_000, first: dt.date = FIRST_DAY
) -> Volumes:
    """Made-up calls on weekdays from 07:00 to 21:00 by five minutes, with the shape and the spread of a large phone line.

    A steep rise until ten, a slow fall until five, a quiet evening; Mondays are the busiest. Days differ by more than chance, and so do
    intervals, as they do in real lines: counts are Poisson with a mean that is itself uncertain. Factors of weekdays, shape and spread were set after
    public five-minute call counts of a bank; their licence is not known, so none of them is part of the project.

    Parameters
    ----------
    seed : int
        At least 0; the same seed gives the same volumes.
    days : int
        Weekdays, from ``first`` on.
    contacts_per_day : float
        On average, above 0.
    first : date
        By default 5 January 2026, a Monday.

    Raises
    ------
    LabError
        If a value is out of its range.

    Examples
    --------
    >>> sample_volumes(seed=1, days=5, contacts_per_day=1000).counts.shape
    (5, 168)
    """
    random = np.random.default_rng(check_whole("seed", seed, high=2**63 - 1))
    mean = check_number("contacts_per_day", contacts_per_day, above=0.0)
    wanted = check_whole("days", days, low=1, high=10_000)
    calendar = [first + dt.timedelta(days=at) for at in range(wanted * 7 // 5 + 7)]
    chosen = [day for day in calendar if day.weekday() < 5][:wanted]
    hour = 7 + (np.arange(168) + 0.5) / 12
    shape = _rising(hour - 8.4, 0.62) * (1 - 0.033 * (hour - 9.5)) * (0.42 + 0.58 * _rising(17.0 - hour, 0.5))
    shape *= 1 - 0.45 * np.clip((hour - 17.5) / 3.5, 0, 1)
    level = np.array([_WEEKDAYS[day.weekday()] for day in chosen]) * random.lognormal(0, _DAY_SPREAD, wanted)
    rates = mean * level[:, None] * shape / shape.sum() * random.lognormal(0, _INTERVAL_SPREAD, (wanted, len(hour)))
    counts = random.poisson(rates).astype(np.float64)
    return Volumes(tuple(chosen), counts, 300.0, 7 * 3600.0, f"made-up calls (seed {seed})")


def _rising(hours: FloatArray, width: float) -> FloatArray:
    """From 0 to 1 around 0."""
    return 1 / (1 + np.exp(-hours / width))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) % 3600 // 60:02d}"
