"""Training on as many texts as are shared among processes by default."""

from __future__ import annotations

import random

import pytest

from contact_reasons.classifier.estimator import ReasonClassifier
from tests.unit.test_estimator import bytes_of

pytestmark = pytest.mark.slow


def test_processes_change_no_byte_of_a_large_model() -> None:
    """4,000 labelled texts and an archive of 2,000: their matrices reach the processes as files in memory."""
    draw = random.Random(0)
    own = {f"a.r{i}": [f"{a}{b}o" for a in "bdfgk" for b in "aeiou"[i % 5] + "lmnr"[i % 4]] for i in range(12)}
    common = ["please", "where", "is", "my", "the", "again", "since", "monday", "help", "with", "this"]

    def text(reason: str) -> str:
        words = draw.choices(common, k=12) + draw.choices(own[reason], k=4)
        draw.shuffle(words)
        return " ".join(words)

    ids = draw.choices(sorted(own), k=4000)
    texts, archive = [text(reason) for reason in ids], [text(draw.choice(sorted(own))) for _ in range(2000)]
    made = [
        ReasonClassifier(hidden_units=8, members=2, calibration_folds=3, n_jobs=n).fit(texts, ids, unlabelled=archive)
        for n in (1, 2, None)
    ]
    assert bytes_of(made[0]) == bytes_of(made[1]) == bytes_of(made[2])
