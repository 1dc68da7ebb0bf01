"""From probabilities to labels: when one is reported, backed off to its primary, or left to a person."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonProbabilities, primary_index
from contact_reasons.confidence.temperature import tempered
from contact_reasons.errors import TrainingError, shorten
from contact_reasons.records import RankedReason, ReasonLabel

__all__ = ["DECIMALS", "Thresholds", "confidences", "fit_thresholds", "label_rows", "least_threshold"]

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
    primary_below : float or None
        A primary alone is reported only where the confidence of the best secondary is below this. None: wherever the secondary is not
        reported.
    temperature : float
        Of the confidences that are compared with thresholds and reported, see `tempered`; above 0, 1 for the model's own.
    by_primary : tuple of (str, Thresholds)
        If not empty, thresholds for each primary, of its secondaries and of itself, in place of the three above. A contact
        whose best secondary is of a primary that is not named is left to a person.
    """

    secondary: float | None
    primary: float | None
    primary_below: float | None = None
    temperature: float = 1.0
    by_primary: tuple[tuple[str, Thresholds], ...] = ()

    def of(self, reason: str) -> Thresholds:
        """Those for a reason of either level: its primary's own, if primaries have their own."""
        return dict(self.by_primary).get(reason.partition(".")[0], _NEVER) if self.by_primary else self

    def __post_init__(self) -> None:
        for name in ("secondary", "primary", "primary_below"):
            value = getattr(self, name)
            if value is not None and (not _is_number(value) or not 0 <= value <= 1):
                raise TrainingError(
                    f"the {name} threshold is {shorten(value)}; it must be a number from 0 to 1, or None (never)"
                )
        if not _is_number(self.temperature) or not 0 < self.temperature < math.inf:
            raise TrainingError(f"the temperature is {shorten(self.temperature)}; it must be a number above 0")
        if any(one.by_primary or one.temperature != 1 for _, one in self.by_primary):
            raise TrainingError("thresholds of a primary have no temperature and no primaries of their own")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
    rules = _rules(tuple(classes), thresholds)
    primaries, least, below, least_primary = rules.primaries, rules.secondary, rules.primary_below, rules.primary
    joint, sums = confidences(said, rules.starts, thresholds.temperature)
    top = [_take_best(joint) for _ in range(min(_RANKED, joint.shape[1]))]
    first = zip(sums.argmax(axis=1).tolist(), sums.max(axis=1).tolist(), strict=True)
    labels = []
    for best, (primary, primary_chance) in zip(zip(*top, strict=True), first, strict=True):
        ranked = tuple([RankedReason(classes[i], chance) for i, chance in best])
        (at, chance), secondary = best[0], ranked[0].reason
        if chance >= least[at] and chance > 0:
            label = ReasonLabel(
                primary=secondary.partition(".")[0],
                secondary=secondary,
                confidence=chance,
                abstained=False,
                ranked=ranked,
            )
        elif primary_chance >= least_primary[primary] and chance < below[at] and primary_chance > 0:
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


class _Rules(NamedTuple):
    """Thresholds by the index of a secondary or a primary; infinite: never."""

    primaries: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    secondary: list[float]
    primary_below: list[float]
    primary: list[float]


@functools.lru_cache(maxsize=8)
def _rules(classes: tuple[str, ...], thresholds: Thresholds) -> _Rules:
    primaries, starts = primary_index(classes)
    of = [thresholds.of(name) for name in primaries]
    parents = np.repeat(np.arange(len(primaries)), np.diff(np.append(starts, len(classes)))).tolist()

    def each(name: str) -> list[float]:
        return [math.inf if (value := getattr(one, name)) is None else float(value) for one in of]

    secondary, below = each("secondary"), each("primary_below")
    return _Rules(primaries, starts, [secondary[i] for i in parents], [below[i] for i in parents], each("primary"))


_NEVER = Thresholds(None, None, primary_below=0.0)


def _take_best(joint: FloatArray) -> list[tuple[int, float]]:
    """Index and value of the greatest of each row, of equals the first; it is marked as taken by -1."""
    rows = joint.reshape(-1)
    at = joint.argmax(axis=1)
    indices = at.tolist()
    at += np.arange(0, rows.size, joint.shape[1])
    values = rows[at].tolist()
    rows[at] = -1.0
    return list(zip(indices, values, strict=True))


def confidences(
    said: ReasonProbabilities, starts: npt.NDArray[np.int64], temperature: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Probability of each secondary and each primary, rounded to `DECIMALS`: what is shown is what is decided on.

    Parameters
    ----------
    said : ReasonProbabilities
        Of n texts and k reasons.
    starts : ndarray of int64, shape (p,)
        See `primary_index`.
    temperature : float

    Returns
    -------
    ndarray of float64, shape (n, k), and ndarray of float64, shape (n, p)
    """
    joint = tempered(said, temperature)
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
    joint, sums = confidences(said, starts)
    second, first = joint.argmax(axis=1), sums.argmax(axis=1)
    right_second = np.array([classes[i] == reason for i, reason in zip(second, truth, strict=True)])
    right_first = np.array(
        [
            reason is not None and primaries[i] == reason.partition(".")[0]
            for i, reason in zip(first, truth, strict=True)
        ]
    )
    secondary = least_threshold(joint.max(axis=1), right_second, wanted_error)
    left = joint.max(axis=1) < (2.0 if secondary is None else secondary)
    primary = least_threshold(sums.max(axis=1)[left], right_first[left], wanted_error)
    return Thresholds(secondary, primary)


def least_threshold(confidence: FloatArray, right: npt.NDArray[np.bool_], wanted_error: float) -> float | None:
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
