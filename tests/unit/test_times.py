from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from contact_reasons.batch.times import read_times
from contact_reasons.errors import BatchError

NOON = datetime(2026, 2, 1, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-01T12:05:00Z",
        "2026-02-01 12:05",
        " 2026-02-01T13:05+01:00 ",
        "20260201T120500",
        "1.2.2026 12:05",
        "Sun, 01 Feb 2026 07:05:00 -0500",
        "1769947500",
        1769947500,
        1769947500.0,
        "1769947500000",
        datetime(2026, 2, 1, 12, 5),
        NOON,
    ],
)
def test_times_in_the_formats_of_other_systems(value: object) -> None:
    assert read_times([value]) == ([NOON], 0)


def test_days() -> None:
    day = datetime(2026, 2, 1, tzinfo=UTC)
    assert read_times(["2026-02-01", "20260201", 20260201, date(2026, 2, 1), "01.02.2026"]) == ([day] * 5, 0)


def test_blank_ones_are_none_and_unreadable_ones_are_counted() -> None:
    values = ["2026-02-01T12:05:00Z", None, " ", float("nan"), "soon", "2026-13-41", "2026-02-01 12:05", NOON, NOON]
    assert read_times(values) == ([NOON, None, None, None, None, None, NOON, NOON, NOON], 2)
    assert read_times([]) == ([], 0)
    assert read_times([None, ""]) == ([None, None], 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["03/04/2026", "13/04/2026"], (4, 3)),
        (["03/04/2026", "04/13/2026"], (3, 4)),
        (["3-4-2026", "4-13-2026"], (3, 4)),
    ],
)
def test_the_column_tells_day_from_month(values: list[str], expected: tuple[int, int]) -> None:
    first = read_times(values)[0][0]
    assert first is not None
    assert (first.month, first.day) == expected


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (["2026-02-01", "03/04/2026"], "row 2: nothing tells the day from the month; say which with --time-format"),
        (["13/04/2026", "04/13/2026"], "some values have the day first, others the month"),
        (["2026-02-01", "soon", "later"], "2 of 3 values are no times that can be read, the first in row 2"),
    ],
)
def test_nothing_is_guessed(values: list[str], cause: str) -> None:
    with pytest.raises(BatchError, match=cause):
        read_times(values, column="when")


def test_a_format_settles_it() -> None:
    april = datetime(2026, 4, 3, tzinfo=UTC)
    assert read_times(["03/04/2026", "x", "03/04/2026"], time_format="%d/%m/%Y") == ([april, None, april], 1)
