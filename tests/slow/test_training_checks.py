"""Statistics of the checks of labels: how often the permutation test is wrong, and what confident learning finds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import contact_reasons as cr
from contact_reasons.evaluation import labels_depend_on_texts
from contact_reasons.resources import pack_files
from contact_reasons.training import LabelledTexts, read_labelled_texts, train

pytestmark = pytest.mark.slow


def test_the_permutation_test_raises_an_alarm_rarely_and_misses_rarely() -> None:
    """Shipped texts, draws of 100 to 300: real labels pass; random labels are taken for real about once in twenty."""
    data = read_labelled_texts(pack_files("retail").texts / "training.jsonl")
    texts, reasons = data.clean, [reason.partition(".")[0] for reason in data.reasons if reason]
    false_alarms = taken_for_real = 0
    draws = 120
    for seed in range(draws):
        draw = random.Random(seed)
        rows = draw.sample(range(len(texts)), draw.choice([100, 150, 300]))
        some, labels = [texts[row] for row in rows], [reasons[row] for row in rows]
        false_alarms += labels_depend_on_texts(some, labels, seed=seed, permutations=39).verdict != "depend"
        draw.shuffle(labels)
        taken_for_real += labels_depend_on_texts(some, labels, seed=seed, permutations=39).verdict == "depend"
    print(f"\nfalse alarms {false_alarms} of {draws}; random labels taken for real {taken_for_real} of {draws}")
    assert false_alarms <= 0.02 * draws
    assert taken_for_real <= 0.12 * draws  # 5 % expected; 12 % is above the 99.8 % point of the binomial


def test_planted_wrong_labels_of_public_texts_are_found(shared_data: Path) -> None:
    """Five labels in a hundred replaced by another one at random."""
    file = shared_data / "banking77" / "train.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    reasons = [f"{row['primary']}.{row['secondary']}" for row in rows]
    taxonomy = cr.Taxonomy.from_pairs([(r.partition(".")[0], r.partition(".")[2]) for r in reasons])
    ids = [taxonomy.id_of(*reason.split(".")) for reason in reasons]
    draw = random.Random(0)
    planted = set(draw.sample(range(len(ids)), len(ids) // 20))
    given = [
        draw.choice([c for c in taxonomy.secondary_ids if c != r]) if n in planted else r for n, r in enumerate(ids)
    ]
    trained = train(LabelledTexts(tuple(row["text"] for row in rows), tuple(given)), taxonomy)
    found = [suspect.row for suspect in trained.suspects]
    hits = [sum(row in planted for row in found[:n]) for n in (100, len(planted), len(found))]
    print(
        f"\n{len(found)} suspects of {len(planted)} planted; planted among the first 100, {len(planted)}, all: {hits}"
    )
    assert hits[0] >= 85
    assert hits[1] >= 0.65 * len(planted)
    assert hits[2] >= 0.6 * len(found)
