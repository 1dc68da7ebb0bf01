"""Scores of labels against the truth, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contact_reasons.evaluation.calibration import reliability_bins, score_confidence
from contact_reasons.evaluation.hierarchical import HierarchicalScores, hierarchical_scores
from contact_reasons.evaluation.reasons import Proportion, ReasonScores, proportion, score_reasons
from contact_reasons.evaluation.selective import risk_coverage
from contact_reasons.records import ReasonLabel

__all__ = ["is_right", "plain", "score_labels"]

_BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_HIERARCHICAL = ("precision", "recall", "f1")


def plain(value: Proportion) -> dict[str, Any]:
    """A proportion as JSON: null where there is nothing to take a share of."""
    return {**value._asdict(), "share": value.share if value.total else None}


def is_right(reason: str | None, label: ReasonLabel) -> bool:
    """Whether what a label reports is true, a primary alone included; never where it abstains."""
    return reason is not None and label.reason in (reason, reason.partition(".")[0])


def score_labels(truth: Sequence[str | None], labels: Sequence[ReasonLabel]) -> dict[str, Any]:
    """Scores of labels as plain data: forced answers, answers as reported, each reason, what is confused, confidence.

    ``calibration`` and ``aurc`` judge the most probable secondary of every text, reported or not; a text out of scope
    makes it wrong. Both need ``ranked`` of the labels.

    Parameters
    ----------
    truth : sequence of str or None
        Secondary ids; None for texts out of scope.
    labels : sequence of ReasonLabel

    Examples
    --------
    >>> from contact_reasons.records import RankedReason
    >>> sure = ReasonLabel(primary="a", secondary="a.x", confidence=0.9, abstained=False, ranked=(RankedReason("a.x", 0.9),))
    >>> scores = score_labels(["a.x", "a.y"], [sure, sure])
    >>> scores["secondary_accuracy"]["share"], scores["selective_risk"]["hits"], scores["hierarchical"]["f1"]
    (0.5, 1, 0.75)
    """
    pairs = list(zip(truth, labels, strict=True))
    inside = [(reason, label) for reason, label in pairs if reason is not None]
    outside = [label for reason, label in pairs if reason is None]
    best = [label.ranked[0].reason for label in labels]
    forced = score_reasons(
        [reason for reason, _ in inside], [answer for answer, reason in zip(best, truth, strict=True) if reason]
    )
    at_secondary = [is_right(reason, label) for reason, label in pairs if label.level == "secondary"]
    at_primary = [is_right(reason, label) for reason, label in pairs if label.level == "primary"]
    labelled = at_secondary + at_primary
    chance = [min(label.ranked[0].probability, 1.0) for label in labels]
    right = [reason == answer for reason, answer in zip(truth, best, strict=True)]
    return {
        "texts": len(inside),
        "secondary_accuracy": plain(forced.secondary),
        "primary_accuracy": plain(forced.primary),
        "macro_f1": forced.macro_f1 if inside else None,
        "reported_secondary": _share([label.level == "secondary" for _, label in inside]),
        "reported_primary_only": _share([label.level == "primary" for _, label in inside]),
        "left_to_a_person": _share([label.abstained for _, label in inside]),
        "right_among_reported_secondary": _share(at_secondary),
        "right_among_primary_only": _share(at_primary),
        "out_of_scope_left_to_a_person": _share([label.abstained for label in outside]),
        "coverage": plain(proportion(len(labelled), len(labels))),
        "selective_risk": _share([not found for found in labelled]),
        "hierarchical": _hierarchical(hierarchical_scores(truth, [label.reason for label in labels])),
        "hierarchical_every_text_answered": _hierarchical(hierarchical_scores(truth, best)),
        "calibration": _numbers(score_confidence(chance, right)._asdict()),
        "aurc": _number(risk_coverage(chance, [not found for found in right]).area),
        "reasons": _reasons(forced),
        "confusions": [list(confusion) for confusion in forced.confusions[:30]],
        "reliability": _reliability(pairs),
    }


def _share(found: Sequence[bool]) -> dict[str, Any]:
    return plain(proportion(sum(found), len(found)))


def _number(value: float) -> float | None:
    return None if value != value else value


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {name: plain(value) if isinstance(value, Proportion) else _number(value) for name, value in values.items()}


def _hierarchical(scores: HierarchicalScores) -> dict[str, Any]:
    return {name: _number(getattr(scores, name)) for name in _HIERARCHICAL}


def _reasons(scores: ReasonScores) -> dict[str, Any]:
    """Scores of each reason that occurs."""
    return {
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
        for score in scores.reasons
        if score.recall.total
    }


def _reliability(pairs: Sequence[tuple[str | None, ReasonLabel]]) -> list[dict[str, Any]]:
    """By bands of confidence, how many of the labels reported there are right."""
    reported = [(label.confidence, is_right(reason, label)) for reason, label in pairs if label.reason is not None]
    bins = reliability_bins([chance for chance, _ in reported], [found for _, found in reported], _BANDS)
    return [
        {"from": band.low, "to": band.high, "mean_confidence": band.mean_confidence, **band.right._asdict()}
        for band in bins
    ]
