"""When a label is reported, backed off to its primary, or left to a person."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonProbabilities, primary_index
from contact_reasons.errors import TrainingError, shorten
from contact_reasons.records import RankedReason, ReasonLabel

__all__ = ["Thresholds", "fit_thresholds", "label_rows"]

FloatArray = npt.NDArray[np.float64]

_RANKED = 3
DECIMALS = 6
"""Decimals of every probability and confidence."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least confidence, in [0, 1], at which each level is reported.

    Parameters
    ----------
    secondary, primary : float or None
        None: never reported. A secondary is reported from the first on; otherwise the most probable primary from the second on;
        otherwise the contact is left to a person.
    """

    secondary: float | None
    primary: float | None

    def __post_init__(self) -> None:
        for name in ("secondary", "primary"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | float) or not 0 <= value <= 1):
                raise TrainingError(
                    f"the {name} threshold is {shorten(value)}; it must be a number from 0 to 1, or None (never)"
                )


def label_rows(said: ReasonProbabilities, classes: Sequence[str], thresholds: Thresholds) -> list[ReasonLabel]:
    """One label a row of probabilities.

    Confidence is the probability that the text is in scope times that of the reason given that it is.

    Parameters
    ----------
    said : ReasonProbabilities
    classes : sequence of str, length k
        Sorted secondary ids.
    thresholds : Thresholds
    """
    primaries, starts = _primary_index(tuple(classes))
    joint, sums = _joint(said, starts)
    top = [_take_best(joint) for _ in range(min(_RANKED, joint.shape[1]))]
    first = zip(sums.argmax(axis=1).tolist(), sums.max(axis=1).tolist(), strict=True)
    labels = []
    for best, (primary, primary_chance) in zip(zip(*top, strict=True), first, strict=True):
        ranked = tuple([RankedReason(classes[i], chance) for i, chance in best])
        secondary, chance = ranked[0].reason, ranked[0].probability
        if thresholds.secondary is not None and chance >= thresholds.secondary and chance > 0:
            label = ReasonLabel(
                primary=secondary.partition(".")[0],
                secondary=secondary,
                confidence=chance,
                abstained=False,
                ranked=ranked,
            )
        elif thresholds.primary is not None and primary_chance >= thresholds.primary and primary_chance > 0:
            label = ReasonLabel(
                primary=primaries[primary],
                secondary=None,
                confidence=min(primary_chance, 1.0),
                abstained=False,
                ranked=ranked,
            )
        else:
            label = ReasonLabel(primary=None, secondary=None, confidence=chance, abstained=True, ranked=ranked)
        labels.append(label)
    return labels


_primary_index = functools.lru_cache(maxsize=8)(primary_index)


def _take_best(joint: FloatArray) -> list[tuple[int, float]]:
    """Index and value of the greatest of each row, of equals the first; it is marked as taken by -1."""
    rows = joint.reshape(-1)
    at = joint.argmax(axis=1)
    indices = at.tolist()
    at += np.arange(0, rows.size, joint.shape[1])
    values = rows[at].tolist()
    rows[at] = -1.0
    return list(zip(indices, values, strict=True))


def _joint(said: ReasonProbabilities, starts: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Probability of each secondary and each primary, rounded to `DECIMALS`: what is shown is what is decided on."""
    joint = said.proba * said.in_scope[:, None]
    sums: FloatArray = np.add.reduceat(joint, starts, axis=1)
    return joint.round(DECIMALS), sums.round(DECIMALS)


def fit_thresholds(
    said: ReasonProbabilities,
    classes: Sequence[str],
    truth: Sequence[str | None],
    *,
    wanted_error: float = 0.1,
) -> Thresholds:
    """Thresholds at which, on held-out texts, about ``wanted_error`` of what is reported at each level is wrong.

    This is the plain empirical rate on these very texts, not a promise for others.

    Parameters
    ----------
    said : ReasonProbabilities
        Of n texts that were not trained on.
    classes : sequence of str, length k
    truth : sequence of str or None, length n
        None for a text out of scope: any label of it is wrong.
    wanted_error : float
        Between 0 and 1.
    """
    primaries, starts = primary_index(classes)
    joint, sums = _joint(said, starts)
    second, first = joint.argmax(axis=1), sums.argmax(axis=1)
    right_second = np.array([classes[i] == reason for i, reason in zip(second, truth, strict=True)])
    right_first = np.array(
        [
            reason is not None and primaries[i] == reason.partition(".")[0]
            for i, reason in zip(first, truth, strict=True)
        ]
    )
    secondary = _least_threshold(joint.max(axis=1), right_second, wanted_error)
    left = joint.max(axis=1) < (2.0 if secondary is None else secondary)
    primary = _least_threshold(sums.max(axis=1)[left], right_first[left], wanted_error)
    return Thresholds(secondary, primary)


def _least_threshold(confidence: FloatArray, right: npt.NDArray[np.bool_], wanted_error: float) -> float | None:
    """Lowest confidence from which on the share of wrong answers is at most the wanted one; None if there is none."""
    if not len(confidence):
        return None
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    sorted_confidence = confidence[order]
    last_of_equals = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    fine = np.flatnonzero(last_of_equals & (wrong <= wanted_error * np.arange(1, len(order) + 1)))
    if not len(fine):
        return None
    return float(sorted_confidence[fine[-1]])
