"""`ReasonModel`: arrays that turn texts into one distribution over secondary reasons. NumPy only, no training."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.engine import Engine, ModelArrays, make_engine
from contact_reasons.errors import TrainingError, shorten

__all__ = ["CalibrationMap", "ReasonModel", "ReasonProbabilities", "as_texts", "primary_index"]

FloatArray = npt.NDArray[np.float64]

_BLOCK_TEXTS = 256


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


def as_texts(texts: Any) -> list[str]:
    """Texts as a list: from a list, a NumPy array, or a pandas, polars or Arrow column.

    Raises
    ------
    TrainingError
        If it is one string, not one-dimensional, or holds anything but strings, naming the row.
    """
    if isinstance(texts, str | bytes):
        raise TrainingError("texts is a single string; give a list of texts, such as [text]")
    if getattr(texts, "ndim", 1) != 1:
        raise TrainingError(f"texts has {texts.ndim} dimensions; give one column of texts")
    result = as_list(texts)
    for row, text in enumerate(result):
        if not isinstance(text, str):
            raise TrainingError(
                f"texts[{row}] is {'missing' if text is None or text != text else shorten(type(text).__name__)}; "
                "every text must be a string: replace missing ones by '' or leave them out"
            )
    return result


def as_list(column: Any) -> list[Any]:
    """Values of a column of any library as plain Python values."""
    for method in ("to_pylist", "tolist", "to_list"):
        convert = getattr(column, method, None)
        if convert is not None:
            return list(convert())
    return list(column)


def primary_index(classes: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The sorted primaries of sorted secondary ids, and where each primary's secondaries begin.

    Returns
    -------
    primaries : tuple of str, length p
    starts : ndarray of int64, shape (p,)
        ``np.add.reduceat(proba, starts, axis=1)`` sums a distribution over primaries.
    """
    parents = [reason.partition(".")[0] for reason in classes]
    starts = [i for i, parent in enumerate(parents) if i == 0 or parent != parents[i - 1]]
    return tuple(parents[i] for i in starts), np.array(starts, dtype=np.int64)


class ReasonModel:
    """Scores of texts and the distribution they stand for.

    A row's answer depends on its text alone, never on the batch it comes in or on the number of threads.

    Parameters
    ----------
    classes : sequence of str, length k
        Secondary ids, sorted so that the secondaries of a primary stand together.
    arrays : ModelArrays
        Of k columns, or k + 1: a last column scores "out of scope". Scores are logits.
    calibration : CalibrationMap, optional
    """

    def __init__(self, classes: Sequence[str], arrays: ModelArrays, calibration: CalibrationMap | None = None) -> None:
        self.classes = tuple(classes)
        self.arrays = arrays
        self.calibration = calibration or CalibrationMap()
        self.knows_scope = len(arrays.intercept) > len(self.classes)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engine, which is made again where it is needed."""
        return {name: value for name, value in self.__dict__.items() if name != "_engine"}

    @functools.cached_property
    def _engine(self) -> Engine:
        return make_engine(self.arrays)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Scores, shape (n, k) or (n, k + 1)."""
        return self._score(tuple(texts), 0, len(texts))[0].astype(np.float64)

    def predict(self, texts: Sequence[str], n_threads: int = 1) -> ReasonProbabilities:
        """Distribution over secondary reasons and probability of being in scope, for n clean texts.

        A text without any known feature (empty, another script), of single letters or masked numbers alone, or with too few known words, has
        probability 0 of being in scope.

        Parameters
        ----------
        texts : sequence of str, length n
        n_threads : int, default=1
            Threads that share the texts, >= 1.
        """
        texts = tuple(texts)
        if len(texts) <= _BLOCK_TEXTS:
            return self._predict(texts, 0, len(texts))
        proba = np.empty((len(texts), len(self.classes)))
        in_scope = np.empty(len(texts))

        def fill(start: int) -> None:
            stop = min(start + _BLOCK_TEXTS, len(texts))
            proba[start:stop], in_scope[start:stop] = self._predict(texts, start, stop)

        starts = range(0, len(texts), _BLOCK_TEXTS)
        if n_threads == 1:
            for start in starts:
                fill(start)
        else:
            from concurrent.futures import ThreadPoolExecutor

            self._engine  # noqa: B018  made once, before the threads
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(fill, starts))
        return ReasonProbabilities(proba, in_scope)

    def _predict(self, texts: tuple[str, ...], start: int, stop: int) -> ReasonProbabilities:
        scores, words = self._score(texts, start, stop)
        proba, in_scope = self.distribution(scores, words[:, 0])
        in_scope *= (words[:, 0] > 0) & (words[:, 1] >= self.calibration.least_known * words[:, 0])
        return ReasonProbabilities(proba, in_scope)

    def _score(
        self, texts: tuple[str, ...], start: int, stop: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
        scores = np.empty((stop - start, len(self.arrays.intercept)), dtype=np.float32)
        words = np.empty((stop - start, 2), dtype=np.int32)
        self._engine.score(texts, start, stop, scores, words)
        return scores, words

    def distribution(
        self, scores: npt.NDArray[np.floating[Any]], n_words: npt.NDArray[np.integer[Any]]
    ) -> ReasonProbabilities:
        """The distribution that scores of texts stand for; see `CalibrationMap`.

        Parameters
        ----------
        scores : ndarray of float, shape (n, k) or (n, k + 1)
        n_words : ndarray of int, shape (n,)
        """
        proba, best, rest, evidence = self._weigh(scores, n_words)
        chance = self._chance_of_best(rest, proba.max(axis=1))
        proba *= np.divide(1.0 - chance, rest, out=np.zeros_like(rest), where=rest > 0)[:, None]
        proba[np.arange(len(proba)), best] = chance
        if not self.knows_scope:
            return ReasonProbabilities(proba, np.ones(len(proba)))
        lead = scores[:, len(self.classes)].astype(np.float64) - evidence  # log-odds of being out of scope
        return ReasonProbabilities(proba, np.exp(-np.logaddexp(0.0, lead)))

    def evidence(self, scores: npt.NDArray[np.floating[Any]], n_words: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Log-sum-exp of the weighed scores of reasons, shape (n,): what the score of "out of scope" is set against.

        Parameters
        ----------
        scores : ndarray of float, shape (n, k) or (n, k + 1)
        n_words : ndarray of int, shape (n,)
        """
        return self._weigh(scores, n_words)[3]

    def _weigh(
        self, scores: npt.NDArray[np.floating[Any]], n_words: npt.NDArray[np.integer[Any]]
    ) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray, FloatArray]:
        """Weights of the reasons where the best has 1, but 0 in its place; the best; sum of the weights; `evidence`."""
        rows = np.arange(len(scores))
        weights = scores[:, : len(self.classes)].astype(np.float64)
        weights *= self.calibration.evidence(n_words)[:, None]
        best = weights.argmax(axis=1)
        top = weights[rows, best]
        weights -= top[:, None]
        np.exp(weights, out=weights)
        weights[rows, best] = 0.0
        rest = weights.sum(axis=1)
        return weights, best, rest, top + np.log1p(rest)

    def _chance_of_best(self, rest: FloatArray, second: FloatArray) -> FloatArray:
        """Calibrated probability of the best reason, of weight 1 before scaling where the others weigh ``rest`` together."""
        _, a, b, c, _ = self.calibration
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
