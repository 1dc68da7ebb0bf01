"""Probabilities that come true as often as they say: factors and maps fitted on held-out scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize

from contact_reasons.classifier.chances import CalibrationMap
from contact_reasons.classifier.features import Vocabulary, count_known_words, count_words

__all__ = ["ABSENT", "Mix", "fit_calibration", "fit_mix", "least_known_share"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ABSENT = -10.0
"""Score of a reason that the texts of a fold lack: far below those of learned ones, unless C is very large."""


_LEAST_KNOWN, _NEARLY_ALL = 1 / 3, 0.01


class Mix(NamedTuple):
    """How the scores of the two parts become one.

    Parameters
    ----------
    linear, hidden : float
        Factors of the parts.
    half_words : float
        See `CalibrationMap`.
    """

    linear: float
    hidden: float
    half_words: float


_USUAL = Mix(2.5, 1.2, 2.0)
"""About what larger sets give; taken where no text could be held out."""


def fit_mix(
    linear: FloatArray,
    hidden: FloatArray,
    n_words: IntArray,
    labels: IntArray,
    n_reasons: int,
    *,
    with_hidden: bool = True,
) -> Mix:
    """The factors that make held-out labels most probable: temperature scaling [1]_ with one temperature a part, and evidence that grows with length.

    The penalty ``(ln f - ln usual)^2 / 2`` on each is worth about one text and keeps them finite where all texts are right.

    Parameters
    ----------
    linear, hidden : ndarray of float, shape (n, n_columns)
    n_words : ndarray of int64, shape (n,)
    labels : ndarray of int64, shape (n,)
    n_reasons : int
        The columns from there on are not weighed by length.
    with_hidden : bool, default=True
        Whether there is a hidden part.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    rows = np.arange(len(labels))
    known = linear[rows, labels] != ABSENT  # no factor can make a reason that was not learned probable
    linear, hidden, labels, rows = linear[known], hidden[known], labels[known], rows[: int(known.sum())]
    n = np.maximum(n_words[known], 1).astype(np.float64)[:, None]
    usual = np.log(_USUAL if with_hidden else (3 * _USUAL.linear, _USUAL.half_words))
    parts = [linear, hidden] if with_hidden else [linear]
    weighed = np.arange(linear.shape[1]) < n_reasons

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        *factors, half = np.exp(logs)
        evidence = n / (n + half)
        mixed = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        lengths = np.where(weighed, evidence, 1.0)
        scores = mixed * lengths
        top = scores.max(axis=1, keepdims=True)
        chances = np.exp(scores - top)
        total = chances.sum(axis=1, keepdims=True)
        chances /= total
        value = (top[:, 0] + np.log(total[:, 0]) - scores[rows, labels]).sum()
        chances[rows, labels] -= 1.0  # now the slope of the loss by the scores
        slopes = [factor * (chances * lengths * part).sum() for factor, part in zip(factors, parts, strict=True)]
        slopes.append(-(chances * mixed * np.where(weighed, half * n / (n + half) ** 2, 0.0)).sum())
        away = logs - usual
        return float(value + 0.5 * away @ away), np.array(slopes) + away

    if not len(labels):
        found = usual
    else:
        bounds = [(np.log(1e-3), np.log(1e3))] * len(usual)
        found = optimize.minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds).x
    *factors, half = np.exp(found).tolist()
    return Mix(factors[0], factors[1] if with_hidden else 0.0, half)


def least_known_share(texts: Sequence[str], vocabulary: Vocabulary, n_texts: int, min_df: int) -> float:
    """The share of known words below which a text is none of these: a third, or half of what nearly all texts have, if that is less.

    A word counts as known here if it would be without the text itself.

    Parameters
    ----------
    texts : sequence of str, length n
    vocabulary : Vocabulary
    n_texts, min_df : int
        How many texts it was learned on, these among them, and with which ``min_df``.
    """
    n_words = count_words(texts)
    occurs_in = (1 + n_texts) / np.exp(vocabulary.idf - 1.0) - 1.0
    known = count_known_words(texts, vocabulary.hashes[occurs_in > min_df + 0.5])
    shares = known[n_words > 0] / n_words[n_words > 0]
    return min(_LEAST_KNOWN, float(np.quantile(shares, _NEARLY_ALL)) / 2) if len(shares) else 0.0


def fit_calibration(
    scores: FloatArray, n_words: IntArray, labels: IntArray, half_words: float, least_known: float = 0.0
) -> CalibrationMap:
    """The map under which the best reason is right as often as its probability says, by the likelihood of held-out rows.

    The penalty ``((a - 1)^2 + (b - 1)^2 + c^2) / 2`` is worth about one text.

    Parameters
    ----------
    scores : ndarray of float, shape (n, k)
        Mixed held-out scores of texts that have a reason.
    n_words, labels : ndarray of int64, shape (n,)
    half_words, least_known : float
        Taken over.
    """
    start = CalibrationMap(half_words, least_known=least_known)
    scores = scores * start.evidence(n_words)[:, None]
    rows, best = np.arange(len(scores)), scores.argmax(axis=1)
    weights = np.exp(scores - scores[rows, best][:, None])
    weights[rows, best] = 0.0
    rest = weights.sum(axis=1)
    right, kept = best == labels, rest > 1e-30
    if not kept.any():
        return start
    joint = np.log1p(rest[kept])
    inputs = np.column_stack([-joint, joint - np.log(rest[kept]), np.ones(int(kept.sum()))])
    signs = np.where(right[kept], 1.0, -1.0)
    usual = np.array([1.0, 1.0, 0.0])

    def loss(found: FloatArray) -> tuple[float, FloatArray]:
        margins = signs * (inputs @ found)
        away = found - usual
        slope = -(signs / (1.0 + np.exp(np.minimum(margins, 700.0)))) @ inputs + away
        return float(np.logaddexp(0.0, -margins).sum() + 0.5 * away @ away), slope

    bounds: Any = [(0.05, 20.0), (0.05, 20.0), (-20.0, 20.0)]
    a, b, c = optimize.minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=bounds).x.tolist()
    return CalibrationMap(half_words, a, b, c, least_known)
