"""`ReasonModel`: arrays that turn texts into one distribution over secondary reasons. NumPy and SciPy only, no training.

This is the seam for faster engines: whatever holds ``classes`` and `ReasonModel.predict` can label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.features import MAX_CHARS, Vocabulary, has_words
from contact_reasons.errors import TrainingError, shorten

__all__ = ["ReasonModel", "ReasonProbabilities", "as_texts", "primary_index", "softmax"]

FloatArray = npt.NDArray[np.float64]

_BLOCK_TEXTS = 1024
_BLOCK_CHARS = 1 << 19


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


def softmax(scores: FloatArray) -> FloatArray:
    """Rows of probabilities, shape (n, k), from rows of scores."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: FloatArray = shifted / shifted.sum(axis=1, keepdims=True)
    return result


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
    """A linear model on tf-idf features, as arrays.

    A row's answer depends on its text alone, never on the batch it comes in.

    Parameters
    ----------
    classes : tuple of str
        Secondary ids, sorted so that the secondaries of a primary stand together.
    vocabulary : Vocabulary
    weights : ndarray of float32, shape (n_features, k) or (n_features, k + 1)
        A last column beyond the k classes scores "out of scope".
    intercept : ndarray of float64, shape (k,) or (k + 1,)
    sharpness : float
        Factor on the scores before the softmax, fitted on held-out texts (the inverse of a temperature).
    """

    def __init__(
        self,
        classes: Sequence[str],
        vocabulary: Vocabulary,
        weights: npt.NDArray[np.float32],
        intercept: FloatArray,
        sharpness: float,
    ) -> None:
        self.classes = tuple(classes)
        self.vocabulary = vocabulary
        self.weights = weights
        self.intercept = intercept
        self.sharpness = sharpness
        self.knows_scope = weights.shape[1] > len(self.classes)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Raw scores, shape (n, k) or (n, k + 1)."""
        return self._scores(texts)[0]

    def predict(self, texts: Sequence[str]) -> ReasonProbabilities:
        """Distribution over secondary reasons and probability of being in scope, for n clean texts.

        A text without any known feature (empty, another script), or of one letter or masked numbers alone, has probability 0 of
        being in scope.
        """
        scores, known = self._scores(texts)
        proba, in_scope = self.distribution(scores)
        return ReasonProbabilities(proba, np.where(known, in_scope, 0.0))

    def _scores(self, texts: Sequence[str]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        scores = np.empty((len(texts), self.weights.shape[1]), dtype=np.float64)
        known = np.empty(len(texts), dtype=np.bool_)
        for start, stop in _blocks(texts):
            rows = self.vocabulary.transform(texts[start:stop])
            scores[start:stop] = rows @ self.weights
            known[start:stop] = [has_words(text) for text in texts[start:stop]] & (np.diff(rows.indptr) > 0)
        scores += self.intercept
        return scores, known

    def distribution(self, scores: FloatArray) -> ReasonProbabilities:
        """Probabilities from raw scores; see `predict`."""
        joint = softmax(scores * self.sharpness)
        if not self.knows_scope:
            return ReasonProbabilities(joint, np.ones(len(joint)))
        in_scope = 1.0 - joint[:, -1]
        reasons = softmax(scores[:, :-1] * self.sharpness)
        return ReasonProbabilities(reasons, in_scope)


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Runs of texts that bound the memory of a pass: at most 1,024 texts and about half a million characters."""
    start, chars = 0, 0
    for i, text in enumerate(texts):
        size = min(len(text), MAX_CHARS)
        if i > start and (i - start >= _BLOCK_TEXTS or chars + size > _BLOCK_CHARS):
            yield start, i
            start, chars = i, 0
        chars += size
    if start < len(texts):
        yield start, len(texts)
