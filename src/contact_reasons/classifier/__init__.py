"""Texts to probabilities over secondary reasons. The estimator, which trains, is imported on demand."""

from contact_reasons.classifier.chances import CalibrationMap, ReasonProbabilities
from contact_reasons.classifier.engine import HiddenLayer, ModelArrays, SlowPathWarning, quantise_rows
from contact_reasons.classifier.features import Vocabulary, normalise
from contact_reasons.classifier.model import ReasonModel, as_texts, primary_index
from contact_reasons.classifier.prior import TokenPrior

__all__ = [
    "CalibrationMap",
    "HiddenLayer",
    "ModelArrays",
    "ReasonModel",
    "ReasonProbabilities",
    "SlowPathWarning",
    "TokenPrior",
    "Vocabulary",
    "as_texts",
    "normalise",
    "primary_index",
    "quantise_rows",
]
