"""Taxonomies and texts of packs to come are sound before a model is made of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from contact_reasons.taxonomy import Taxonomy, lint_taxonomy
from contact_reasons.training import read_labelled_texts
from tests.conftest import ROOT

FOLDERS = sorted((ROOT / "tools" / "packs").glob("*/taxonomy.yaml"))


@pytest.mark.parametrize("file", FOLDERS, ids=lambda file: file.parent.name)
def test_a_pack_in_the_making_is_sound(file: Path) -> None:
    taxonomy = Taxonomy.from_yaml(file)
    assert lint_taxonomy(taxonomy) == ()
    texts = {
        name: read_labelled_texts(file.parent / "texts" / f"{name}.jsonl")
        for name in ("training", "test", "out_of_scope")
    }
    every = [text.strip().lower() for found in texts.values() for text in found.texts]
    assert len(every) == len(set(every))
    for name, least in (("training", 90), ("test", 12)):
        counts = Counter(texts[name].reasons)
        assert set(counts) == set(taxonomy.secondary_ids)
        assert min(counts.values()) >= least
    assert set(texts["out_of_scope"].reasons) == {None}
    assert len(texts["out_of_scope"].texts) >= 150
    assert all(
        secondary.resolution and secondary.owner for primary in taxonomy.primaries for secondary in primary.secondaries
    )
