"""What holds for the model of every shipped pack: it is of this taxonomy and these texts, serves, and is good enough to ship."""

from __future__ import annotations

import pytest

import contact_reasons as cr
from contact_reasons.bundle import Manifest, read_bundle
from contact_reasons.packs import model_card
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.training import read_labelled_texts

pytestmark = pytest.mark.parametrize("pack", pack_names())

LEAST_RIGHT = 0.65
"""Share of a pack's own test texts whose secondary reason is right, every text answered."""


def manifest_of(pack: str) -> Manifest:
    return read_bundle(pack_files(pack).model).manifest


def test_a_model_is_of_the_shipped_taxonomy(pack: str) -> None:
    taxonomy, manifest = cr.Taxonomy.load(pack), manifest_of(pack)
    made_for = manifest.taxonomy
    assert (made_for.taxonomy_id, made_for.version) == (taxonomy.taxonomy_id, taxonomy.version)
    assert made_for.sha256 == taxonomy.sha256, f"the taxonomy changed: run `contact-reasons train --pack {pack}`"
    assert manifest.classes == taxonomy.secondary_ids
    assert manifest.knows_scope


def test_a_model_is_of_the_shipped_texts(pack: str) -> None:
    folder, manifest = pack_files(pack).texts, manifest_of(pack)
    data = read_labelled_texts(folder / "training.jsonl", folder / "out_of_scope.jsonl")
    assert manifest.training["sha256"] == data.sha256, f"texts changed: run `contact-reasons train --pack {pack}`"
    assert manifest.scores["test"]["sha256"] == read_labelled_texts(folder / "test.jsonl").sha256


def test_a_model_card_is_the_one_of_its_manifest(pack: str) -> None:
    card = (pack_files(pack).model / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card == model_card(manifest_of(pack), cr.Taxonomy.load(pack))


def test_a_model_is_right_often_enough_on_the_test_texts_of_its_pack(pack: str) -> None:
    assert manifest_of(pack).scores["test"]["secondary_accuracy"]["share"] >= LEAST_RIGHT


def test_a_pack_labels_and_routes(pack: str) -> None:
    pipe = cr.load_pipeline(pack)
    test = read_labelled_texts(pack_files(pack).texts / "test.jsonl")
    text = next(text for text, reason in zip(test.texts, test.reasons, strict=True) if reason is not None)
    out = pipe.handle(cr.Contact(text=text, context=cr.RoutingContext(open=True)))
    assert {found.reason for found in out.label.ranked} <= set(pipe.taxonomy.secondary_ids)
    assert out.recommendation.channel in set(cr.Channel)
    assert out.recommendation.policy_id == pipe.policy.policy_id
