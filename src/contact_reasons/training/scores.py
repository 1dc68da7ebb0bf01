"""Scores of labels against the truth, as plain data."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

from contact_reasons.evaluation import Proportion, proportion, score_reasons
from contact_reasons.records import ReasonLabel

__all__ = ["plain", "score_labels"]

_BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def plain(value: Proportion) -> dict[str, Any]:
    """A proportion as JSON: null where there is nothing to take a share of."""
    return {**value._asdict(), "share": value.share if value.total else None}


def score_labels(truth: Sequence[str | None], labels: Sequence[ReasonLabel]) -> dict[str, Any]:
    """Scores of labels as plain data: forced answers, answers as reported, each reason, what is confused.

    Parameters
    ----------
    truth : sequence of str or None
        Secondary ids; None for texts out of scope.
    labels : sequence of ReasonLabel
    """
    inside = [(reason, label) for reason, label in zip(truth, labels, strict=True) if reason is not None]
    outside = [label for reason, label in zip(truth, labels, strict=True) if reason is None]
    forced = score_reasons([reason for reason, _ in inside], [label.ranked[0].reason for _, label in inside])
    pairs = list(zip(truth, labels, strict=True))
    at_secondary = [(reason, label) for reason, label in pairs if label.level == "secondary"]
    at_primary = [(reason, label) for reason, label in pairs if label.level == "primary"]
    right_secondary = sum(reason == label.secondary for reason, label in at_secondary)
    right_primary = sum(
        reason is not None and reason.partition(".")[0] == label.primary for reason, label in at_primary
    )
    return {
        "texts": len(inside),
        "secondary_accuracy": plain(forced.secondary),
        "primary_accuracy": plain(forced.primary),
        "macro_f1": forced.macro_f1 if inside else None,
        "reported_secondary": plain(proportion(sum(label.level == "secondary" for _, label in inside), len(inside))),
        "reported_primary_only": plain(proportion(sum(label.level == "primary" for _, label in inside), len(inside))),
        "left_to_a_person": plain(proportion(sum(label.abstained for _, label in inside), len(inside))),
        "right_among_reported_secondary": plain(proportion(right_secondary, len(at_secondary))),
        "right_among_primary_only": plain(proportion(right_primary, len(at_primary))),
        "out_of_scope_left_to_a_person": plain(proportion(sum(label.abstained for label in outside), len(outside))),
        "reasons": {
            score.reason: {
                "texts": score.recall.total,
                "recall": score.recall.share,
                "recall_low": score.recall.low,
                "recall_high": score.recall.high,
                "predicted": score.precision.total,
                "precision": score.precision.share if score.precision.total else None,
                "precision_low": score.precision.low,
                "precision_high": score.precision.high,
                "f1": score.f1,
            }
            for score in forced.reasons
            if score.recall.total
        },
        "confusions": [list(confusion) for confusion in forced.confusions[:30]],
        "reliability": _reliability(pairs),
    }


def _reliability(pairs: Sequence[tuple[str | None, ReasonLabel]]) -> list[dict[str, Any]]:
    """By bands of confidence, how many of the labels reported there are right."""
    bands: list[list[tuple[float, bool]]] = [[] for _ in _BANDS]
    for reason, label in pairs:
        if label.reason is not None:
            right = reason is not None and label.reason in (reason, reason.partition(".")[0])
            bands[bisect.bisect_right(_BANDS, label.confidence) - 1].append((label.confidence, right))
    return [
        {
            "from": low,
            "to": high,
            "mean_confidence": sum(confidence for confidence, _ in band) / len(band),
            **proportion(sum(right for _, right in band), len(band))._asdict(),
        }
        for low, high, band in zip(_BANDS, (*_BANDS[1:], 1.0), bands, strict=True)
        if band
    ]
