"""Whether confidence can be taken at its word: reliability, calibration error, and proper scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.evaluation.reasons import Proportion, proportion

__all__ = [
    "ConfidenceScores",
    "ProbabilityScores",
    "ReliabilityBin",
    "equal_mass_edges",
    "equal_width_edges",
    "reliability_bins",
    "score_confidence",
    "score_probabilities",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BINS: Final = 15
_RESAMPLES: Final = 200
_LEAST_PROBABILITY: Final = 1e-15


class ReliabilityBin(NamedTuple):
    """Answers of like confidence, and how many of them are right.

    Parameters
    ----------
    low, high : float
        The bin holds confidences above ``low`` and up to ``high``; the first one holds ``low``, too.
    mean_confidence : float
        Of the answers in the bin, in [0, 1].
    right : Proportion
    """

    low: float
    high: float
    mean_confidence: float
    right: Proportion


class ConfidenceScores(NamedTuple):
    """How far confidences are from the share of right answers.

    Parameters
    ----------
    right : Proportion
        Share of all answers that are right.
    mean_confidence : float
        NaN where there is no answer, as all of the following.
    ece : float
        Expected calibration error over 15 bins of equal width.
    ece_equal_mass : float
        The same over 15 bins of equally many answers.
    ece_by_chance, ece_by_chance_high : float
        Mean and 95 % quantile of ``ece`` if every confidence were exactly right: what so few answers give by chance.
    brier_top : float
        Mean squared difference between confidence and being right (1 or 0).
    """

    right: Proportion
    mean_confidence: float
    ece: float
    ece_equal_mass: float
    ece_by_chance: float
    ece_by_chance_high: float
    brier_top: float


class ProbabilityScores(NamedTuple):
    """Proper scores of whole distributions; lower is better.

    Parameters
    ----------
    brier : float
        From 0 to 2; NaN where there is no row.
    log_loss : float
        In nats; NaN where there is no row.
    """

    brier: float
    log_loss: float


def equal_width_edges(bins: int = BINS) -> FloatArray:
    """Edges of bins of equal width from 0 to 1.

    Examples
    --------
    >>> equal_width_edges(4).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1")
    edges: FloatArray = np.arange(bins + 1) / bins
    return edges


def equal_mass_edges(confidence: npt.ArrayLike, bins: int = BINS) -> FloatArray:
    """Edges from 0 to 1 of bins that hold equally many answers, as nearly as equal confidences, which stay together, allow.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        In [0, 1].
    bins : int
        There are fewer where confidences are equal.

    Examples
    --------
    >>> equal_mass_edges([0.1, 0.2, 0.8, 0.9], 2).tolist()
    [0.0, 0.2, 1.0]
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1")
    values = np.sort(_confidences(confidence))
    if not len(values):
        return np.array([0.0, 1.0])
    last = np.ceil(np.arange(1, bins) * len(values) / bins).astype(np.int64) - 1
    return np.unique(np.concatenate([[0.0], values[np.maximum(last, 0)], [1.0]]))


def reliability_bins(
    confidence: npt.ArrayLike, right: npt.ArrayLike, edges: npt.ArrayLike | None = None
) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram as data: bins that hold answers, in rising order, each share with its Wilson interval.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        In [0, 1].
    right : array-like of bool, shape (n,)
    edges : array-like of float, shape (m + 1,), optional
        Rising, from 0 to 1; by default 15 bins of equal width.

    Raises
    ------
    ValueError
        If a confidence is not in [0, 1], lengths differ, or edges do not rise from 0 to 1.

    References
    ----------
    M. H. DeGroot and S. E. Fienberg, "The comparison and evaluation of forecasters", The Statistician 32 (1983).

    Examples
    --------
    >>> for found in reliability_bins([0.2, 0.9, 0.8], [False, True, False], [0, 0.5, 1]):
    ...     print(found.low, found.high, round(found.mean_confidence, 2), found.right.hits, found.right.total)
    0.0 0.5 0.2 0 1
    0.5 1.0 0.85 1 2
    """
    values, hits = _pairs(confidence, right)
    limits = equal_width_edges() if edges is None else np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or len(limits) < 2 or limits[0] != 0 or limits[-1] != 1 or not (np.diff(limits) > 0).all():
        raise ValueError("edges must rise from 0 to 1")
    place = _bin_of(values, limits)
    total = np.bincount(place, minlength=len(limits) - 1)
    found = np.bincount(place, weights=hits, minlength=len(limits) - 1)
    mass = np.bincount(place, weights=values, minlength=len(limits) - 1)
    return tuple(
        ReliabilityBin(
            float(limits[at]),
            float(limits[at + 1]),
            float(mass[at] / total[at]),
            proportion(int(found[at]), int(total[at])),
        )
        for at in np.flatnonzero(total)
    )


def score_confidence(
    confidence: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = BINS, seed: int = 0
) -> ConfidenceScores:
    r"""Calibration of the confidence of the answers given, one a text.

    .. math:: \mathrm{ECE} = \sum_{m=1}^{M} \frac{|B_m|}{n} \left|\mathrm{acc}(B_m) - \mathrm{conf}(B_m)\right|,
        \qquad \mathrm{Brier}_\mathrm{top} = \frac 1n \sum_i (c_i - r_i)^2

    with bins :math:`B_m = \{i : (m-1)/M < c_i \le m/M\}`, the first one with 0. The error of a few answers is never 0,
    however good the confidences; so it comes with what chance alone gives: the same error after each answer was drawn
    anew, right with the probability that its confidence states, 200 times.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        In [0, 1].
    right : array-like of bool, shape (n,)
    bins : int
        M.
    seed : int
        Of the draws. The order of the answers does not matter.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML (2017), equation 3.
    J. Bröcker and L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 22 (2007):
    consistency resampling.
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).

    Examples
    --------
    >>> found = score_confidence([0.9, 0.9, 0.6, 0.6], [True, True, True, False])
    >>> round(found.ece, 3), round(found.brier_top, 3), found.right.share
    (0.1, 0.135, 0.75)
    """
    values, hits = _pairs(confidence, right)
    if not len(values):
        nothing = math.nan
        return ConfidenceScores(proportion(0, 0), nothing, nothing, nothing, nothing, nothing, nothing)
    edges = equal_width_edges(bins)
    mean, high = _error_by_chance(values, edges, seed)
    return ConfidenceScores(
        proportion(int(hits.sum()), len(hits)),
        float(values.mean()),
        _error(values, hits, edges),
        _error(values, hits, equal_mass_edges(values, bins)),
        mean,
        high,
        math.fsum((values - hits) ** 2) / len(values),
    )


def score_probabilities(proba: npt.ArrayLike, truth: Sequence[str | None], classes: Sequence[str]) -> ProbabilityScores:
    r"""Brier score and log loss of distributions over reasons and "no reason", whose probability is what is left of 1.

    .. math:: \mathrm{Brier} = \frac 1n \sum_i \sum_j (p_{ij} - y_{ij})^2, \qquad
        \mathrm{log\ loss} = -\frac 1n \sum_i \ln \max(p_{i,y_i}, 10^{-15})

    where j runs over the reasons and "no reason". A true reason that is not among ``classes`` has probability 0.

    Parameters
    ----------
    proba : array-like of float, shape (n, k)
        Probability that the text is in scope and has this reason; rows sum to at most 1.
    truth : sequence of str or None, length n
        None: no reason.
    classes : sequence of str, length k

    Raises
    ------
    ValueError
        If shapes differ, or a row holds something negative or sums to more than 1.

    References
    ----------
    G. W. Brier (1950), as for `score_confidence`.
    I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14 (1952).

    Examples
    --------
    >>> found = score_probabilities([[0.75, 0.25], [0.0, 0.5]], ["a.x", None], ["a.x", "a.y"])
    >>> round(found.brier, 4), round(found.log_loss, 4)
    (0.3125, 0.4904)
    """
    array: FloatArray = np.asarray(proba, dtype=np.float64)
    if array.shape != (len(truth), len(classes)):
        raise ValueError(f"proba has shape {array.shape}; {len(truth)} texts and {len(classes)} classes are given")
    if not len(truth):
        return ProbabilityScores(math.nan, math.nan)
    sums = array.sum(axis=1)
    if not ((array >= 0).all() and (sums <= 1 + 1e-5).all()):
        raise ValueError("proba holds something negative, or a row that sums to more than 1")
    rest = np.maximum(1 - sums, 0)
    column = {reason: at for at, reason in enumerate(classes)}
    at = np.array([-1 if reason is None else column.get(reason, -2) for reason in truth])
    chance = np.where(at == -1, rest, 0.0)
    known = np.flatnonzero(at >= 0)
    chance[known] = array[known, at[known]]
    squares = np.einsum("ij,ij->i", array, array) + rest * rest - 2 * chance + 1
    loss = -np.log(np.maximum(chance, _LEAST_PROBABILITY))
    return ProbabilityScores(math.fsum(squares) / len(truth), math.fsum(loss) / len(truth))


def _confidences(confidence: npt.ArrayLike) -> FloatArray:
    values: FloatArray = np.asarray(confidence, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("confidence must be one number from 0 to 1 for each answer")
    return values


def _pairs(confidence: npt.ArrayLike, right: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    """Both checked, by rising confidence."""
    values, hits = _confidences(confidence), np.asarray(right, dtype=np.bool_)
    if hits.shape != values.shape:
        raise ValueError(f"{len(values)} confidences and {hits.size} verdicts; give one of each an answer")
    order = np.lexsort((hits, values))  # sums, to the last bit, do not depend on the order of the answers
    return values[order], hits[order]


def _bin_of(values: FloatArray, edges: FloatArray) -> npt.NDArray[np.int64]:
    place: npt.NDArray[np.int64] = np.maximum(np.searchsorted(edges, values, side="left") - 1, 0)
    return place


def _error(values: FloatArray, hits: npt.NDArray[Any], edges: FloatArray) -> float:
    gaps = np.bincount(_bin_of(values, edges), weights=hits - values)
    return float(np.abs(gaps).sum() / len(values))


def _error_by_chance(values: FloatArray, edges: FloatArray, seed: int) -> tuple[float, float]:
    """Mean and 95 % quantile of the error of perfect confidences. Sorted values: each bin is a run."""
    place = _bin_of(values, edges)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    draw = np.random.default_rng(seed)
    errors = np.empty(_RESAMPLES)
    for at in range(_RESAMPLES):
        gaps = np.add.reduceat((draw.random(len(values)) < values) - values, starts)
        errors[at] = np.abs(gaps).sum() / len(values)
    return float(errors.mean()), float(np.quantile(errors, 0.95))
