"""Texts to probabilities over secondary reasons. The estimator, which trains, is imported on demand."""

from contact_reasons.classifier.features import Vocabulary, normalise
from contact_reasons.classifier.model import ReasonModel, ReasonProbabilities, as_texts, primary_index

__all__ = ["ReasonModel", "ReasonProbabilities", "Vocabulary", "as_texts", "normalise", "primary_index"]
