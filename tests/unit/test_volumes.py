"""Volumes of contacts by interval: read as they are in the file, or refused with the place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab.volumes import Volumes, read_volumes, sample_volumes

DAY = dt.date(2026, 3, 2)
ROWS = [
    f"{day}T{clock},{count}" for day in ("2026-03-02", "2026-03-03") for clock, count in (("08:00", 3), ("08:30", 5))
]


def written(folder: Path, rows: list[str], head: str = "datetime,calls") -> Path:
    (folder / "calls.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder / "calls.csv"


def test_a_file_is_read_in_any_order_of_rows(tmp_path: Path) -> None:
    for rows in (ROWS, ROWS[::-1]):
        found = read_volumes(written(tmp_path, rows))
        assert found.days == (DAY, dt.date(2026, 3, 3))
        assert found.counts.tolist() == [[3.0, 5.0], [3.0, 5.0]]
        assert (found.begin_seconds, found.interval_seconds, found.source) == (28_800.0, 1800.0, "calls.csv")
        assert found.edges_seconds == (28_800.0, 30_600.0, 32_400.0)
    assert repr(found) == "calls.csv: 16 contacts on 2 days from 2026-03-02 to 2026-03-03, 08:00 to 09:00 by 30 minutes"


def test_columns_of_other_names_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS, "at,n")
    assert read_volumes(path, time_column="at", count_column="n", source="ours").source == "ours"
    with pytest.raises(LabError, match="no column 'datetime'; it has at, n"):
        read_volumes(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[0]], "line 6: 2026-03-02T08:00:00 was there before"),
        (ROWS[:3], "2026-03-03 has no row for 08:30"),
        ([*ROWS[:3], "2026-03-03T08:30,many"], "line 5: .*'many' are not a time"),
        ([*ROWS[:3], "2026-03-03T08:30,-1"], "line 5: the count is -1; give one of at least 0"),
        ([*ROWS[:3], "2026-03-03T08:30,nan"], "line 5: the count is nan; give one of at least 0"),
        ([*ROWS[:3], "2026-03-03T08:30+01:00,1"], "line 5: the time has a zone; give local times without one"),
        ([*ROWS[:3], "2026-03-03T08:30"], "line 5: .* are not a time"),
        ([*ROWS, "2026-03-03T08:45,1"], "not evenly spaced: 08:45"),
        (ROWS[:1], "a day needs two intervals at least"),
        ([], "a day needs two intervals at least"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(LabError, match=message):
        read_volumes(written(tmp_path, rows))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        read_volumes(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"datetime,calls\n\xff\xfe,3\n")
    with pytest.raises(LabError, match="cannot be read"):
        read_volumes(tmp_path / "latin.csv")


@given(
    counts=st.lists(st.lists(st.integers(0, 99), min_size=12, max_size=12), min_size=1, max_size=4),
    times=st.sampled_from([1, 2, 3, 4, 6, 12]),
)
def test_longer_intervals_hold_the_same_contacts(counts: list[list[int]], times: int) -> None:
    days = tuple(DAY + dt.timedelta(days=at) for at in range(len(counts)))
    volumes = Volumes(days, np.array(counts, dtype=float), 300.0, 25_200.0, "made up")
    longer = volumes.by_interval(300 * times)
    assert longer.counts.tolist() == [[sum(row[at : at + times]) for at in range(0, 12, times)] for row in counts]
    assert (longer.edges_seconds[0], longer.edges_seconds[-1]) == (volumes.edges_seconds[0], volumes.edges_seconds[-1])


def test_hours_and_days_are_chosen_exactly_or_refused() -> None:
    volumes = sample_volumes(seed=1, days=10, contacts_per_day=500)
    morning = volumes.hours(9 * 3600, 12 * 3600)
    assert morning.counts.tolist() == volumes.counts[:, 24:60].tolist()
    assert (morning.begin_seconds, morning.edges_seconds[-1]) == (32_400.0, 43_200.0)
    mondays = volumes.weekday(0)
    assert [day.weekday() for day in mondays.days] == [0, 0]
    assert mondays.until(mondays.days[1]).days == mondays.days[:1]
    with pytest.raises(LabError, match="edges of intervals from 07:00 to 21:00"):
        volumes.hours(9 * 3600 + 1, 12 * 3600)
    with pytest.raises(LabError, match="choose no day"):
        volumes.weekday(6)
    with pytest.raises(LabError, match="36 intervals of 300 seconds do not make whole ones of 2100"):
        morning.by_interval(2100)


def test_the_same_seed_gives_the_same_volumes_and_another_others() -> None:
    one, same, other = (sample_volumes(seed=seed, days=5, contacts_per_day=1000) for seed in (1, 1, 2))
    assert one.counts.tolist() == same.counts.tolist()
    assert one.counts.tolist() != other.counts.tolist()


def test_made_up_volumes_look_like_a_phone_line() -> None:
    """A quiet start and evening, the height before noon, Mondays busiest, and more spread than chance alone."""
    volumes = sample_volumes(seed=4, days=100, contacts_per_day=20_000)
    assert {day.weekday() for day in volumes.days} == {0, 1, 2, 3, 4}
    hourly = volumes.by_interval(3600).counts.mean(axis=0)
    assert 9 <= 7 + int(hourly.argmax()) < 12
    assert max(hourly[0], hourly[-1]) < hourly.max() / 2
    daily = [volumes.weekday(at).counts.sum(axis=1).mean() for at in range(5)]
    assert int(np.argmax(daily)) == 0
    assert volumes.counts.sum(axis=1).mean() == pytest.approx(20_000, rel=0.05)
    mondays = volumes.weekday(0).by_interval(1800).counts
    assert np.median(mondays.var(axis=0, ddof=1) / mondays.mean(axis=0)) > 2
