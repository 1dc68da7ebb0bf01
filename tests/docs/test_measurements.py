"""Pages and charts of measurements are the ones that their figures make, and these are of the shipped model."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from contact_reasons.bundle import read_bundle
from contact_reasons.resources import pack_files
from tests.benchmarks.charts import CHARTS, digest
from tests.benchmarks.page import page, readme_block, with_block
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "explanation"


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    return found


def test_the_page_of_measurements_is_made_from_its_figures(results: dict[str, Any]) -> None:
    assert (PAGES / "measurements.md").read_text(encoding="utf-8") == page(results)


def test_the_figures_of_the_readme_are_the_measured_ones(results: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_block(readme, readme_block(results)) == readme


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_measured_figures(results: dict[str, Any], name: str) -> None:
    """Drawing needs matplotlib; the digest of the figures in the chart's metadata does not."""
    rows = CHARTS[name][0](results)
    assert rows
    svg = (PAGES / name).read_text(encoding="utf-8")
    assert re.findall(r"<dc:description>(\w+)</dc:description>", svg) == [digest(rows)], "run `make benchmarks`"


def test_the_measurements_are_of_the_shipped_model(results: dict[str, Any]) -> None:
    shipped = read_bundle(pack_files("retail").model).manifest.files["arrays.npz"]
    assert results["model"] == shipped, "run `make benchmarks`"
    assert results["explanations"]["model"] == shipped, "run `.venv/bin/python -m tests.benchmarks --only explanations`"
