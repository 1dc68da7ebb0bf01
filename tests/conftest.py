"""Shared fixtures: a tiny taxonomy, a tiny trained bundle (under one second), the shipped pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import contact_reasons as cr
from contact_reasons.packs import new_pack
from contact_reasons.training import LabelledTexts
from tests.postgres import Postgres, PostgresMissing

os.environ["COLUMNS"] = "200"  # a worker of xdist begins with 80, and tables are folded to that

settings.register_profile("suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parents[1]

TINY_TEXTS = {
    "delivery.track": [
        "where is my parcel",
        "where is my order",
        "track my parcel please",
        "parcel tracking link",
        "has my order shipped, where is it",
    ],
    "delivery.late": [
        "my parcel is late",
        "delivery is late again",
        "order should have come monday",
        "late delivery, so annoyed",
        "parcel overdue",
    ],
    "billing.invoice": [
        "send me the invoice",
        "need an invoice copy",
        "invoice for my order",
        "vat invoice please",
        "where is the invoice",
    ],
    "billing.refund": [
        "i want a refund",
        "refund my money",
        "when is my refund coming",
        "refund not received",
        "money back please",
    ],
}
TINY_OUTSIDE = [
    "hello",
    "buy cheap watches now",
    "lorem ipsum dolor",
    "good morning to all",
    "seo services for your site",
]


def tiny_data() -> LabelledTexts:
    texts = [(text, reason) for reason, texts in TINY_TEXTS.items() for text in texts]
    texts += [(text, None) for text in TINY_OUTSIDE]
    return LabelledTexts(tuple(text for text, _ in texts), tuple(reason for _, reason in texts))


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of one's own, as `contact-reasons train` makes it."""
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    new_pack(folder, tiny_data())
    return folder


@pytest.fixture(scope="session")
def retail() -> cr.Pipeline:
    return cr.load_pipeline("retail")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except PostgresMissing as why:
        pytest.skip(f"no PostgreSQL: {why}")
    yield server
    server.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public texts for tests and benchmarks; absent in most places."""
    folder = Path(os.environ.get("CONTACT_REASONS_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"the public test data are not at {folder}; set CONTACT_REASONS_SHARED to their parent folder")
    return folder


@pytest.fixture(scope="session")
def golden_tables() -> Path:
    """Expected values of decision-table analysis."""
    file = (
        Path(os.environ.get("CONTACT_REASONS_SHARED", ROOT.parent / "shared"))
        / "golden"
        / "decision_table_analysis.json"
    )
    if not file.is_file():
        pytest.skip(f"the golden values are not at {file}; set CONTACT_REASONS_SHARED to their parent folder")
    return file
