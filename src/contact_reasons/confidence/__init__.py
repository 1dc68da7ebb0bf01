"""When a label is reported, backed off to its primary, or left to a person; and promises of how many are wrong."""

from contact_reasons.confidence.labels import DECIMALS, Thresholds, confidences, fit_thresholds, label_rows
from contact_reasons.confidence.temperature import tempered

__all__ = ["DECIMALS", "Thresholds", "confidences", "fit_thresholds", "label_rows", "tempered"]
