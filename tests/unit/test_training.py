from __future__ import annotations

import json
from pathlib import Path

import pytest

import contact_reasons as cr
from contact_reasons.bundle import read_bundle
from contact_reasons.errors import TrainingError
from contact_reasons.evaluation import score_labels
from contact_reasons.packs import new_pack
from contact_reasons.records import RankedReason
from contact_reasons.resources import pack_files
from contact_reasons.training import LabelledTexts, clean_sha256, near_repeats, read_labelled_texts, train
from tests.conftest import tiny_data

FILES = pack_files("retail")
TEXTS = FILES.texts


def test_no_training_text_is_a_test_text() -> None:
    training, test = read_labelled_texts(TEXTS / "training.jsonl"), read_labelled_texts(TEXTS / "test.jsonl")
    left_out = near_repeats(test.clean, training.clean)
    known = {" ".join(text.casefold().split()) for text in training.clean}
    for text, is_left_out in zip(test.clean, left_out, strict=True):
        assert is_left_out or " ".join(text.casefold().split()) not in known
    assert left_out.mean() < 0.1


def test_the_shipped_model_was_trained_on_the_shipped_texts_as_they_are_cleaned_now() -> None:
    manifest = read_bundle(FILES.model).manifest
    data = read_labelled_texts(TEXTS / "training.jsonl", TEXTS / "out_of_scope.jsonl")
    assert manifest.training["clean_sha256"] == clean_sha256([*data.clean]), "cleaning changed: run `make models`"


def test_no_public_row_is_among_our_texts(shared_data: Path) -> None:
    """Short generic questions meet by chance; anything of seven words or more would be a copy."""
    ours = {
        " ".join(text.casefold().split())
        for name in ("training.jsonl", "test.jsonl")
        for text in read_labelled_texts(TEXTS / name).texts
    }
    for file in sorted(shared_data.glob("*/*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            text = " ".join(json.loads(line)["text"].casefold().split())
            assert not (len(text.split()) >= 7 and text in ours), file


def test_a_reason_outside_the_taxonomy_is_named_with_its_row() -> None:
    data = LabelledTexts(("a", "b"), ("billing.refund", "billing.refnd"))
    taxonomy = cr.Taxonomy.from_pairs([("billing", "refund"), ("billing", "invoice")])
    with pytest.raises(
        TrainingError, match=r"row 2: 'billing\.refnd' is no secondary reason .*did you mean 'billing\.refund'\?"
    ):
        train(data, taxonomy)


def test_thin_repeated_and_contradicting_texts_are_mentioned(tmp_path: Path) -> None:
    data = tiny_data()
    more = LabelledTexts(
        (*data.texts, "where is my parcel", "Where is my  parcel"), (*data.reasons, "delivery.track", "delivery.late")
    )
    notes = new_pack(tmp_path / "pack", more).manifest.training["notes"]
    assert any(note.startswith("fewer than 10 texts: billing.invoice (5)") for note in notes)
    assert "2 texts repeat another one; repeats were kept on one side of every split" in notes
    assert "1 texts occur with different reasons" in notes


def test_test_texts_that_repeat_a_training_text_are_left_out_of_the_score() -> None:
    data = tiny_data()
    taxonomy = cr.Taxonomy.from_pairs([(r.split(".")[0], r.split(".")[1]) for r in data.reasons if r])
    test = LabelledTexts(
        ("Where is my parcel?", "an entirely other question on a bill"), ("delivery.track", "billing.invoice")
    )
    scores = train(data, taxonomy, test=test).scores["test"]
    assert (scores["texts_left_out"], scores["texts"]) == (1, 1)


def test_near_repeats_share_four_words_in_five() -> None:
    others = ["my red kettle leaks badly", "x"]
    texts = [
        "my red kettle leaks badly!",
        "my blue kettle leaks badly",
        "my red kettle leaks",
        "red kettle leaks",
        "y z",
    ]
    assert near_repeats(texts, others).tolist() == [True, True, True, False, False]
    assert near_repeats([""], [""]).tolist() == [False]


def test_scores_count_what_is_reported_and_what_is_left(retail: cr.Pipeline) -> None:
    texts = ["where is my parcel", "qwrtzp", "invoice please"]
    scores = score_labels(["delivery.track", None, "payment.invoice"], retail.label_texts(texts))
    assert scores["texts"] == 2
    assert scores["out_of_scope_left_to_a_person"]["total"] == 1
    parts = ("reported_secondary", "reported_primary_only", "left_to_a_person")
    assert sum(scores[part]["hits"] for part in parts) == 2
    json.dumps(scores)


def test_reliability_counts_what_is_reported_by_bands_of_confidence() -> None:
    ranked = (RankedReason("a.x", 0.5),)

    def label(primary: str | None, secondary: str | None, confidence: float) -> cr.ReasonLabel:
        return cr.ReasonLabel(
            primary=primary, secondary=secondary, confidence=confidence, abstained=primary is None, ranked=ranked
        )

    labels = [
        label("a", "a.x", 0.96),
        label("a", "a.x", 1.0),
        label("a", None, 0.62),
        label("a", "a.x", 0.61),
        label(None, None, 0.3),
    ]
    bands = score_labels(["a.x", "a.y", "a.y", None, "a.x"], labels)["reliability"]
    assert [(band["from"], band["to"], band["hits"], band["total"]) for band in bands] == [
        (0.6, 0.7, 1, 2),
        (0.95, 1.0, 1, 2),
    ]
    assert [band["mean_confidence"] for band in bands] == pytest.approx([0.615, 0.98])


def test_labels_of_ones_own_become_a_pack(tmp_path: Path) -> None:
    data = tiny_data()
    pairs = [None if r is None else (r.split(".")[0].title(), r.split(".")[1].title() + " !") for r in data.reasons]
    new_pack(tmp_path / "pack", LabelledTexts(data.texts, (None,) * len(pairs)), labels=pairs)
    pipeline = cr.load_pipeline(tmp_path / "pack")
    assert pipeline.taxonomy["delivery.late"].label == "Late !"
    assert isinstance(pipeline.handle(cr.Contact(text="my parcel is late")).label.confidence, float)


@pytest.mark.parametrize("content", ["{", "[1]", '{"txt": "a"}', '{"text": 3}', '{"text": "a", "reason": 3}'])
def test_a_line_that_is_no_labelled_text_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "fine", "reason": "a.b"}\n' + content + "\n")
    with pytest.raises(TrainingError, match=r"texts\.jsonl, line 2"):
        read_labelled_texts(file)
