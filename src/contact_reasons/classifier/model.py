"""`ReasonModel`: arrays that turn texts into one distribution over secondary reasons. NumPy only, no training."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.chances import CalibrationMap, ReasonProbabilities, distribution, evidence
from contact_reasons.classifier.engine import Engine, ModelArrays, make_engine
from contact_reasons.errors import TrainingError, shorten

__all__ = ["ReasonModel", "as_texts", "primary_index"]

FloatArray = npt.NDArray[np.float64]

_LEAST_BLOCK, _BLOCK_TEXTS = 256, 1024
"""Texts that a thread takes at a time: handing over costs more than it balances where they are fewer."""


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
        scores = np.empty((len(texts), len(self.arrays.intercept)), dtype=np.float32)
        self._engine.score(tuple(texts), 0, len(texts), scores, np.empty((len(texts), 2), dtype=np.int32))
        return scores.astype(np.float64)

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
        engine, calibration = self._engine, self.calibration
        proba = np.empty((len(texts), len(self.classes)))
        in_scope = np.empty(len(texts))
        block = max(_LEAST_BLOCK, min(_BLOCK_TEXTS, -(-len(texts) // n_threads)))

        def fill(start: int) -> None:
            stop = min(start + block, len(texts))
            engine.predict(texts, start, stop, calibration, proba[start:stop], in_scope[start:stop])

        starts = range(0, len(texts), block)
        if n_threads == 1 or len(starts) <= 1:
            for start in starts:
                fill(start)
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(fill, starts))
        return ReasonProbabilities(proba, in_scope)

    def distribution(
        self, scores: npt.NDArray[np.floating[Any]], n_words: npt.NDArray[np.integer[Any]]
    ) -> ReasonProbabilities:
        """What scores of texts stand for; see `contact_reasons.classifier.chances.distribution`.

        Parameters
        ----------
        scores : ndarray of float, shape (n, k) or (n, k + 1)
        n_words : ndarray of int, shape (n,)
        """
        return distribution(scores, n_words, len(self.classes), self.calibration)

    def evidence(self, scores: npt.NDArray[np.floating[Any]], n_words: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Log-sum-exp of the weighed scores of reasons, shape (n,): what the score of "out of scope" is set against.

        Parameters
        ----------
        scores : ndarray of float, shape (n, k) or (n, k + 1)
        n_words : ndarray of int, shape (n,)
        """
        return evidence(scores, n_words, len(self.classes), self.calibration)
