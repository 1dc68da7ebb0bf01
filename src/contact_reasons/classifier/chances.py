"""From scores to one distribution: evidence by length, calibration, the chance of being in scope. NumPy; the kernel does the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CalibrationMap", "ReasonProbabilities", "distribution", "evidence"]

FloatArray = npt.NDArray[np.float64]


class ReasonProbabilities(NamedTuple):
    """What a model says of n texts.

    Parameters
    ----------
    proba : ndarray of float64, shape (n, k)
        Probability of each secondary reason given that the text has one; rows sum to 1.
    in_scope : ndarray of float64, shape (n,)
        Probability that the text has a reason of the taxonomy at all; 1 for a model that was shown no
        text out of scope.
    """

    proba: FloatArray
    in_scope: FloatArray


class CalibrationMap(NamedTuple):
    r"""How scores become probabilities that come true as often as they say.

    Scores s of a text of n words are evidence that grows with its length: they are multiplied by n / (n + ``half_words``). Of their softmax p, the
    greatest, p₁, becomes q₁ by beta calibration [1]_, and the others share what is left as before:

    .. math:: \ln\frac{q_1}{1-q_1} = a \ln p_1 - b \ln(1-p_1) + c

    The order of the reasons stays: where q₁ would fall below the second, it stops above it. A text of which too few words were met in training, such
    as one of random letters or in another language, is not in scope. The defaults change nothing.

    Parameters
    ----------
    half_words : float
        At least 0: words at which a text's evidence counts half.
    a, b : float
        At least 0.
    c : float
    least_known : float
        In [0, 1]: share of a text's words that must be in the vocabulary.

    References
    ----------
    .. [1] M. Kull, T. Silva Filho, P. Flach, "Beta calibration: a well-founded and easily implemented improvement on logistic calibration for
       binary classifiers", AISTATS 2017.
    """

    half_words: float = 0.0
    a: float = 1.0
    b: float = 1.0
    c: float = 0.0
    least_known: float = 0.0

    def evidence(self, n_words: npt.NDArray[Any]) -> FloatArray:
        """The factor on scores of texts of so many words, in (0, 1], shape (n,)."""
        n = np.maximum(n_words, 1).astype(np.float64)
        factors: FloatArray = n / (n + self.half_words)
        return factors


def distribution(
    scores: npt.NDArray[np.floating[Any]],
    n_words: npt.NDArray[np.integer[Any]],
    n_reasons: int,
    calibration: CalibrationMap,
) -> ReasonProbabilities:
    """The distribution that scores of texts stand for; see `CalibrationMap`.

    Parameters
    ----------
    scores : ndarray of float, shape (n, k) or (n, k + 1)
        The last column of k + 1 scores "out of scope".
    n_words : ndarray of int, shape (n,)
    n_reasons : int
        k, at least 1.
    calibration : CalibrationMap

    Examples
    --------
    >>> said = distribution(np.log([[6.0, 3.0, 1.0]]), np.array([5]), 3, CalibrationMap())
    >>> said.proba.round(6).tolist(), said.in_scope.tolist()
    ([[0.6, 0.3, 0.1]], [1.0])
    """
    proba, best, rest, of_reasons = _weigh(scores, n_words, n_reasons, calibration)
    chance = _chance_of_best(rest, proba.max(axis=1), calibration)
    proba *= np.divide(1.0 - chance, rest, out=np.zeros_like(rest), where=rest > 0)[:, None]
    proba[np.arange(len(proba)), best] = chance
    if scores.shape[1] == n_reasons:
        return ReasonProbabilities(proba, np.ones(len(proba)))
    lead = scores[:, n_reasons].astype(np.float64) - of_reasons  # log-odds of being out of scope
    return ReasonProbabilities(proba, np.exp(-np.logaddexp(0.0, lead)))


def evidence(
    scores: npt.NDArray[np.floating[Any]],
    n_words: npt.NDArray[np.integer[Any]],
    n_reasons: int,
    calibration: CalibrationMap,
) -> FloatArray:
    """Log-sum-exp of the weighed scores of reasons, shape (n,): what the score of "out of scope" is set against.

    Parameters
    ----------
    scores, n_words, n_reasons, calibration
        See `distribution`.
    """
    return _weigh(scores, n_words, n_reasons, calibration)[3]


def _weigh(
    scores: npt.NDArray[np.floating[Any]],
    n_words: npt.NDArray[np.integer[Any]],
    n_reasons: int,
    calibration: CalibrationMap,
) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Weights of the reasons where the best has 1, but 0 in its place; the best; sum of the weights; `evidence`."""
    rows = np.arange(len(scores))
    weights = scores[:, :n_reasons].astype(np.float64)
    weights *= calibration.evidence(n_words)[:, None]
    best = weights.argmax(axis=1)
    top = weights[rows, best]
    weights -= top[:, None]
    np.exp(weights, out=weights)
    weights[rows, best] = 0.0
    rest = weights.sum(axis=1)
    return weights, best, rest, top + np.log1p(rest)


def _chance_of_best(rest: FloatArray, second: FloatArray, calibration: CalibrationMap) -> FloatArray:
    """Calibrated probability of the best reason, of weight 1 before scaling where the others weigh ``rest`` together."""
    _, a, b, c, _ = calibration
    logs = np.log(np.maximum(rest, _LEAST))
    joint = np.log1p(rest)
    odds = b * joint - a * joint - b * logs + c
    ahead = np.minimum(np.log(np.maximum(second, _LEAST)) - logs + _AHEAD, -logs)  # -logs: as it was
    odds = np.maximum(odds, ahead)
    chance: FloatArray = 1.0 / (1.0 + np.exp(-odds))
    return np.where(rest > 0, chance, 1.0)


_LEAST = 1e-300
_AHEAD = 1e-4
"""Log-odds by which the best reason stays ahead of the second."""
