"""The page of measurements is the one that its figures make, and they are of the shipped model."""

from __future__ import annotations

import json

from contact_reasons.bundle import read_bundle
from contact_reasons.resources import pack_files
from tests.benchmarks.__main__ import page
from tests.conftest import ROOT


def test_the_page_of_measurements_is_made_from_its_figures() -> None:
    results = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert (ROOT / "docs" / "explanation" / "measurements.md").read_text(encoding="utf-8") == page(results)


def test_the_measurements_are_of_the_shipped_model() -> None:
    results = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    assert results["model"] == read_bundle(pack_files("retail").model).manifest.files["arrays.npz"], (
        "run `make benchmarks`"
    )
