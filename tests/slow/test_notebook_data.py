"""The notebook of staffing on volumes of one's own: from the file that the environment names."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from contact_reasons.lab.volumes import sample_volumes
from tests.conftest import ROOT
from tests.docs.notebooks import execute, texts

NOTEBOOK = ROOT / "docs" / "notebooks" / "staff-the-result.ipynb"
pytestmark = pytest.mark.slow


def said(path: Path) -> str:
    return "\n".join(text for _, text in texts(execute(NOTEBOOK, {"CONTACT_REASONS_DATA": str(path)})))


def test_the_notebook_reads_the_file_that_is_named_and_says_so(tmp_path: Path) -> None:
    volumes = sample_volumes(seed=9, days=30, contacts_per_day=8_000)
    rows = ["datetime,calls"]
    for day, counts in zip(volumes.days, volumes.counts.tolist(), strict=True):
        midnight = dt.datetime.combine(day, dt.time())
        moments = (midnight + dt.timedelta(seconds=edge) for edge in volumes.edges_seconds)
        rows += [f"{moment.isoformat()},{count:.0f}" for moment, count in zip(moments, counts, strict=False)]
    (tmp_path / "ours.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = said(tmp_path / "ours.csv")
    assert f"the file of CONTACT_REASONS_DATA: {volumes.counts.sum():,.0f} contacts on 30 days" in text
    assert "With the measured volumes" in text
    assert str(tmp_path) not in text


def test_the_notebook_runs_on_the_file_of_this_environment() -> None:
    """On data that must not be part of the project, where they are at hand: the public call counts of a bank it was tried on have no licence that is known."""
    path = os.environ.get("CONTACT_REASONS_DATA")
    if not path:
        pytest.skip("CONTACT_REASONS_DATA names no file of volumes")
    assert "the file of CONTACT_REASONS_DATA: " in said(Path(path))
