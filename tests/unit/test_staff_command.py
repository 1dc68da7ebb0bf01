"""The command `staff`: the figures of the library, for one interval or the mean day of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contact_reasons.lab import agents_required
from tests.unit.test_cli import run


def volumes(folder: Path) -> Path:
    """Two Mondays and a Tuesday, four quarters of an hour each."""
    counts = {"2026-03-02": (3, 5, 0, 0), "2026-03-09": (5, 7, 0, 0), "2026-03-03": (90, 90, 90, 90)}
    rows = [f"{day}T08:{15 * i:02d},{count}" for day, each in counts.items() for i, count in enumerate(each)]
    file = folder / "calls.csv"
    file.write_text("\n".join(["begin,came", *rows]) + "\n")
    return file


def test_one_interval_is_answered_as_by_the_library() -> None:
    text = run("staff", "--contacts", "100", "--handle", "180", "--shrinkage", "0.3", "--json")
    (row,) = json.loads(text)["intervals"]
    expected = agents_required(100, 1800, 180, service_level=0.8, shrinkage=0.3)
    assert (row["agents"], row["scheduled_agents"]) == (14, 20) == (expected.agents, expected.scheduled_agents)
    assert row["in_time"] == expected.figures.service_levels.of_offered
    assert "88.8%" in run("staff", "--contacts", "100", "--handle", "180")


def test_a_file_gives_the_plan_of_its_mean_day(tmp_path: Path) -> None:
    columns = ("--time-column", "begin", "--count-column", "came")
    options = ("--weekday", "Monday", "--handle", "240", "--patience", "120", "--json")
    found = json.loads(run("staff", "--volumes", str(volumes(tmp_path)), *columns, *options))
    assert [(row["begin"], row["contacts"]) for row in found["intervals"]] == [("08:00", 10.0), ("08:30", 0.0)]
    first = agents_required(10, 1800, 240, service_level=0.8, patience_seconds=120)
    empty = agents_required(0, 1800, 240, service_level=0.8, patience_seconds=120)
    assert [row["agents"] for row in found["intervals"]] == [first.agents, empty.agents]
    assert found["paid_hours"] == (first.scheduled_agents + empty.scheduled_agents) / 2
    text = run("staff", "--volumes", str(volumes(tmp_path)), *columns, *options[:-1])
    assert "give up" in text
    assert "paid hours." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --contacts"),
        (("--contacts", "5", "--volumes", "x.csv"), "give either --contacts"),
        (("--contacts", "5", "--weekday", "monday"), "--weekday needs --volumes"),
        (("--contacts", "5", "--max-abandonment", "0.1"), "--max-abandonment needs --patience: without"),
        (("--contacts", "-5"), "contacts"),
        (("--contacts", "5", "--service-level", "80"), "--service-level is 80; it is a share from 0 to 1: 80 % is 0.8"),
        (("--contacts", "5", "--shrinkage", "30"), "--shrinkage is 30; it is a share from 0 to 1: 30 % is 0.3"),
        (("--contacts", "5", "--patience", "-1"), "--patience is -1.0; it must be above 0"),
        (("--volumes", "missing.csv"), "cannot be read"),
    ],
)
def test_what_cannot_be_answered_is_said(arguments: tuple[str, ...], said: str) -> None:
    assert said in run("staff", "--handle", "180", *arguments, code=2)


def test_a_weekday_that_is_none_is_said(tmp_path: Path) -> None:
    columns = ("--time-column", "begin", "--count-column", "came")
    arguments = ("--volumes", str(volumes(tmp_path)), *columns, "--weekday", "mondy", "--handle", "60")
    assert "did you mean 'monday'?" in run("staff", *arguments, code=2)


def test_what_is_assumed_and_units_that_look_wrong_are_said(tmp_path: Path) -> None:
    text = run("staff", "--contacts", "100", "--handle", "3")
    assert "note: --handle is 3 seconds; is it in minutes?" in text
    assert "Erlang C: nobody gives up" in text
    text = run("staff", "--contacts", "100", "--handle", "180", "--patience", "120")
    assert "is it in minutes?" not in text
    assert "Erlang A: callers give up" in text
    columns = ("--time-column", "begin", "--count-column", "came", "--handle", "240", "--json")
    notes = json.loads(run("staff", "--volumes", str(volumes(tmp_path)), *columns, "--weekday", "monday"))["notes"]
    assert notes[0] == (
        "For the mean of 2 days: 10 contacts, on single days from 8 to 12. About half of the days are busier than this plan."
    )
    notes = json.loads(run("staff", "--volumes", str(volumes(tmp_path)), *columns, "--weekday", "tuesday"))["notes"]
    assert notes[0] == "Of one day: 360 contacts."
