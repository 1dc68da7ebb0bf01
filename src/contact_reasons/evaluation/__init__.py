"""Measures on plain arrays, ids and records: anyone's predictions can be judged."""

from contact_reasons.evaluation.calibration import (
    ConfidenceScores,
    ProbabilityScores,
    ReliabilityBin,
    equal_mass_edges,
    equal_width_edges,
    reliability_bins,
    score_confidence,
    score_probabilities,
)
from contact_reasons.evaluation.confusion import confusion_matrix
from contact_reasons.evaluation.hierarchical import HierarchicalScores, hierarchical_scores
from contact_reasons.evaluation.labels import plain, score_labels
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
from contact_reasons.evaluation.selective import OperatingPoint, RiskCoverage, risk_coverage
from contact_reasons.evaluation.separation import RocArea, roc_area

__all__ = [
    "ConfidenceScores",
    "Confusion",
    "DependenceTest",
    "HierarchicalScores",
    "OperatingPoint",
    "ProbabilityScores",
    "Proportion",
    "ReasonScore",
    "ReasonScores",
    "ReliabilityBin",
    "RiskCoverage",
    "RocArea",
    "Suspect",
    "confusion_matrix",
    "equal_mass_edges",
    "equal_width_edges",
    "hierarchical_scores",
    "labels_depend_on_texts",
    "likely_mislabelled",
    "plain",
    "proportion",
    "reliability_bins",
    "risk_coverage",
    "roc_area",
    "score_confidence",
    "score_labels",
    "score_probabilities",
    "score_reasons",
]
