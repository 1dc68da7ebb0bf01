"""From labelled texts to fitted parts, honest scores, and what a careful reader of the data would say."""

from contact_reasons.training.data import LabelledTexts, Recipe, clean_sha256, read_labelled_texts
from contact_reasons.training.report import make_report, report_markdown
from contact_reasons.training.splits import Sides, TimeCut, cut_by_time, keep_together, near_repeats
from contact_reasons.training.trainer import Progress, TrainedReasons, train

__all__ = [
    "LabelledTexts",
    "Progress",
    "Recipe",
    "Sides",
    "TimeCut",
    "TrainedReasons",
    "clean_sha256",
    "cut_by_time",
    "keep_together",
    "make_report",
    "near_repeats",
    "read_labelled_texts",
    "report_markdown",
    "train",
]
