"""Measures on plain arrays and ids: anyone's predictions can be judged."""

from contact_reasons.evaluation.mislabelled import Suspect, likely_mislabelled
from contact_reasons.evaluation.permutation import DependenceTest, labels_depend_on_texts
from contact_reasons.evaluation.reasons import (
    Confusion,
    Proportion,
    ReasonScore,
    ReasonScores,
    proportion,
    score_reasons,
)

__all__ = [
    "Confusion",
    "DependenceTest",
    "Proportion",
    "ReasonScore",
    "ReasonScores",
    "Suspect",
    "labels_depend_on_texts",
    "likely_mislabelled",
    "proportion",
    "score_reasons",
]
