from __future__ import annotations

import calendar
import datetime as dt
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab.periods import Period

DAYS = st.dates(dt.date(2019, 1, 1), dt.date(2029, 12, 31))


def all_days(period: Period) -> list[dt.date]:
    return [period.first + dt.timedelta(days=i) for i in range(period.days)]


@given(DAYS, st.integers(0, 900))
def test_months_and_weeks_are_those_of_the_calendar_day_by_day(first: dt.date, more: int) -> None:
    period = Period(first, first + dt.timedelta(days=more))
    days = all_days(period)
    assert len(days) == period.days == more + 1
    months = sum(1 / calendar.monthrange(day.year, day.month)[1] for day in days)
    assert period.months == pytest.approx(months)
    assert period.weeks == pytest.approx(len(days) / 7)
    found = period.by_month(np.array(days, dtype="datetime64[D]"))
    slow = Counter(day.replace(day=1) for day in days)
    assert dict(zip(found.first.tolist(), found.days_covered.tolist(), strict=True)) == slow
    assert found.tickets.tolist() == found.days_covered.tolist()
    weeks = period.by_week(np.array(days, dtype="datetime64[D]"))
    slow_weeks = Counter(day - dt.timedelta(days=day.weekday()) for day in days)
    assert dict(zip(weeks.first.tolist(), weeks.days_covered.tolist(), strict=True)) == slow_weeks
    assert period.whole_weeks().tolist() == sorted(day for day, n in slow_weeks.items() if n == 7)


@given(DAYS, st.lists(st.integers(0, 400), min_size=1, max_size=40))
def test_contacts_are_counted_once_in_weeks_and_in_months(first: dt.date, after: list[int]) -> None:
    days = np.array([first + dt.timedelta(days=i) for i in after], dtype="datetime64[D]")
    period = Period.around(days)
    for counted in (period.by_week(days), period.by_month(days)):
        assert counted.tickets.sum() == len(after)
        assert ((counted.days_covered >= 1) & (counted.days_covered <= counted.days)).all()


def test_a_leap_february_is_a_whole_month_and_partial_ends_are_scaled() -> None:
    assert Period.of("2028-02-01", "2028-02-29").months == 1.0
    assert Period.of("2027-02-01", "2027-02-28").months == 1.0
    period = Period.of("2026-12-30", "2027-01-31")
    assert period.months == pytest.approx(2 / 31 + 1)
    found = period.by_month(np.array(["2026-12-31", "2026-12-31", "2027-01-05"], dtype="datetime64[D]"))
    assert found.scaled.tolist() == [31.0, 1.0]
    assert found.columns()["partial"].tolist() == [True, False]


def test_days_without_contacts_count_as_far_as_the_period_is_given() -> None:
    days = np.array(["2026-03-10", "2026-03-12"], dtype="datetime64[D]")
    assert Period.around(days).days == 3
    assert Period.around(days, first="2026-03-01", last=dt.date(2026, 3, 31)).months == 1.0


def test_a_period_that_leaves_contacts_out_is_refused() -> None:
    days = np.array(["2026-03-10", "2026-03-12"], dtype="datetime64[D]")
    with pytest.raises(LabError, match="contacts lie between 2026-03-10 and 2026-03-12"):
        Period.around(days, last="2026-03-11")
    with pytest.raises(LabError, match="comes before the first"):
        Period.of("2026-03-11", "2026-03-10")
    with pytest.raises(LabError, match="first is 'soon'; write a date"):
        Period.of("soon", "2026-03-10")
    with pytest.raises(LabError, match="no contacts with a date"):
        Period.around(days[:0])
