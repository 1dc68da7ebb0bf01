"""From a model's arrays to scores: the compiled kernel where it was built, otherwise the reference in NumPy.

Both give the same scores up to rounding (1e-5), whatever the batch and the number of threads.
``CONTACT_REASONS_KERNEL=off`` in the environment takes the reference.
"""

from __future__ import annotations

import os
import warnings
import weakref
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.chances import CalibrationMap, distribution
from contact_reasons.classifier.features import Vocabulary, count_features, count_known_words, count_words, has_words
from contact_reasons.classifier.prior import TokenPrior

__all__ = ["Engine", "HiddenLayer", "ModelArrays", "ReferenceEngine", "SlowPathWarning", "make_engine", "quantise_rows"]

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
Int8Array = npt.NDArray[np.int8]

_QUANTISED_AT_ONCE = 1024
"""Rows of weights in work at a time: what fits in a processor's cache."""


class SlowPathWarning(UserWarning):
    """The compiled kernel was not built, so that labelling is right but dozens of times slower."""


def quantise_rows(weights: npt.NDArray[np.floating[Any]], bits: int = 8) -> tuple[Int8Array, Float32Array]:
    """Each row as whole numbers from -m to m, m = 2^(bits - 1) - 1, and a factor: the row's largest magnitude / m.

    Half floats are widened first. Fewer bits take as much memory, but less in a compressed file.

    Parameters
    ----------
    weights : ndarray of float, shape (n_rows, k)
    bits : int, default=8
        From 2 to 8.

    Returns
    -------
    rows : ndarray of int8, shape (n_rows, k)
    scale : ndarray of float32, shape (n_rows,)

    Examples
    --------
    >>> rows, scale = quantise_rows(np.array([[0.5, -1.0], [0.0, 0.0]]))
    >>> rows.tolist(), (scale * 127).tolist()
    ([[64, -127], [0, 0]], [1.0, 0.0])
    """
    most = 2 ** (bits - 1) - 1
    rows = np.empty(weights.shape, dtype=np.int8)
    scale = np.empty(len(weights), dtype=np.float32)
    for start in range(0, len(weights), _QUANTISED_AT_ONCE):
        some = slice(start, start + _QUANTISED_AT_ONCE)
        values = weights[some].astype(np.result_type(weights, np.float32), copy=False)
        scale[some] = np.abs(values).max(axis=1, initial=0.0) / float(most)
        values = values / np.where(scale[some] > 0, scale[some], np.float32(1))[:, None]
        rows[some] = np.clip(np.rint(values, out=values), -most, most, out=values)
    return rows, scale


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """What a model makes of tokens and words: one hidden layer of h units.

    Parameters
    ----------
    prior : TokenPrior
    tuned_ids : ndarray of int32, shape (t,)
        Sorted indices of tokens of the prior that have a row of their own.
    tuned_rows : ndarray of int8, shape (t, h)
    tuned_scale : ndarray of float32, shape (t,)
    projection : ndarray of float32, shape (prior.width, h)
        For the vectors of all other tokens.
    word_ids : ndarray of int32, shape (w,)
        Sorted indices of features of the family ``'word'`` that have a row.
    word_rows : ndarray of int8, shape (w, h)
    word_scale : ndarray of float32, shape (w,)
    hidden_bias : ndarray of float32, shape (h,)
    out : ndarray of float32, shape (h, n_columns)

    Raises
    ------
    ValueError
        If shapes or ids do not fit each other.
    """

    prior: TokenPrior
    tuned_ids: npt.NDArray[np.int32]
    tuned_rows: Int8Array
    tuned_scale: Float32Array
    projection: Float32Array
    word_ids: npt.NDArray[np.int32]
    word_rows: Int8Array
    word_scale: Float32Array
    hidden_bias: Float32Array
    out: Float32Array

    def __post_init__(self) -> None:
        t, h = len(self.tuned_ids), len(self.hidden_bias)
        _check_shape("tuned_rows", self.tuned_rows, (t, h))
        _check_shape("tuned_scale", self.tuned_scale, (t,))
        _check_shape("projection", self.projection, (self.prior.width, h))
        _check_shape("word_rows", self.word_rows, (len(self.word_ids), h))
        _check_shape("word_scale", self.word_scale, (len(self.word_ids),))
        _check_shape("hidden_bias", self.hidden_bias, (h,))
        _check_shape("out", self.out, (h, *self.out.shape[1:2]))
        inside = t == 0 or (self.tuned_ids[0] >= 0 and self.tuned_ids[-1] < self.prior.n_tokens)
        if not (inside and (self.tuned_ids[1:] > self.tuned_ids[:-1]).all()):
            raise ValueError(f"tuned_ids must be sorted, unique indices below {self.prior.n_tokens}")


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """The arrays that score a text.

    The score of column c is ``intercept[c]`` plus, over the text's features f, tf-idf weight of f
    times ``row_scale[f] * rows[f, c]``, plus what the hidden layer adds. See ``docs/reference/features.md``.

    Parameters
    ----------
    vocabulary : Vocabulary
    rows : ndarray of int8, shape (n_features, n_columns)
    row_scale : ndarray of float32, shape (n_features,)
    intercept : ndarray of float32, shape (n_columns,)
    hidden : HiddenLayer, optional

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    """

    vocabulary: Vocabulary
    rows: Int8Array
    row_scale: Float32Array
    intercept: Float32Array
    hidden: HiddenLayer | None = None

    def __post_init__(self) -> None:
        f, k = self.vocabulary.n_features, len(self.intercept)
        _check_shape("is_char", self.vocabulary.is_char, (f,))
        _check_shape("idf", self.vocabulary.idf, (f,))
        _check_shape("rows", self.rows, (f, k))
        _check_shape("row_scale", self.row_scale, (f,))
        if self.hidden is not None:
            _check_shape("out", self.hidden.out, (len(self.hidden.hidden_bias), k))
            words = self.hidden.word_ids
            known = not len(words) or (words[0] >= 0 and words[-1] < f and not self.vocabulary.is_char[words].any())
            if not (known and (words[1:] > words[:-1]).all()):
                raise ValueError(f"word_ids must be sorted, unique indices of word features below {f}")


def _check_shape(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"the array {name!r} has shape {array.shape}, which does not fit the others: {shape}")


class Engine(Protocol):
    """Whatever scores texts from the arrays it was made of."""

    def score(
        self, texts: tuple[str, ...], start: int, stop: int, scores: Float32Array, words: npt.NDArray[np.int32]
    ) -> None:
        """Write what is said of ``texts[start:stop]`` into ``scores`` and ``words``.

        Parameters
        ----------
        texts : tuple of str
        start, stop : int
        scores : ndarray of float32, shape (stop - start, n_columns)
        words : ndarray of int32, shape (stop - start, 2)
            Words of the text, and how many of them are in the vocabulary; 0 and 0 if it has none worth labelling (see `has_words`) or no feature
            of the vocabulary.
        """

    def predict(
        self,
        texts: tuple[str, ...],
        start: int,
        stop: int,
        calibration: CalibrationMap,
        proba: FloatArray,
        in_scope: FloatArray,
    ) -> None:
        """Write the distribution that the scores of ``texts[start:stop]`` stand for; see `distribution`.

        Parameters
        ----------
        texts : tuple of str
        start, stop : int
        calibration : CalibrationMap
        proba : ndarray of float64, shape (stop - start, k)
        in_scope : ndarray of float64, shape (stop - start,)
            0 for a text without a word worth labelling, or with too few known ones.
        """


class ReferenceEngine:
    """Scores in plain NumPy, text by text: what the kernel is checked against.

    Parameters
    ----------
    arrays : ModelArrays
    """

    def __init__(self, arrays: ModelArrays) -> None:
        self._arrays = arrays
        hidden = arrays.hidden
        if hidden is not None:
            self._tuned_at = np.full(hidden.prior.n_tokens, -1, dtype=np.int64)
            self._tuned_at[hidden.tuned_ids] = np.arange(len(hidden.tuned_ids))
            self._word_at = np.full(arrays.vocabulary.n_features, -1, dtype=np.int64)
            self._word_at[hidden.word_ids] = np.arange(len(hidden.word_ids))

    def score(
        self, texts: tuple[str, ...], start: int, stop: int, scores: Float32Array, words: npt.NDArray[np.int32]
    ) -> None:
        """See `Engine.score`."""
        for row in range(stop - start):
            scores[row], words[row] = self._score_one(texts[start + row])

    def predict(
        self,
        texts: tuple[str, ...],
        start: int,
        stop: int,
        calibration: CalibrationMap,
        proba: FloatArray,
        in_scope: FloatArray,
    ) -> None:
        """See `Engine.predict`."""
        scores = np.empty((stop - start, len(self._arrays.intercept)), dtype=np.float32)
        words = np.empty((stop - start, 2), dtype=np.int32)
        self.score(texts, start, stop, scores, words)
        proba[:], in_scope[:] = distribution(scores, words[:, 0], proba.shape[1], calibration)
        in_scope *= (words[:, 0] > 0) & (words[:, 1] >= calibration.least_known * words[:, 0])

    def _score_one(self, text: str) -> tuple[npt.NDArray[np.float64], tuple[int, int]]:
        arrays = self._arrays
        entries = arrays.vocabulary.entries(count_features([text]), 1)
        factors = entries.weights.astype(np.float64) * arrays.row_scale[entries.features]
        scores = arrays.intercept + np.einsum("f,fk->k", factors, arrays.rows[entries.features])
        if arrays.hidden is not None:
            tokens = arrays.hidden.prior.tokenise([text])[0]
            units = self._pool(arrays.hidden, tokens) + arrays.hidden.hidden_bias
            of_words = self._word_at[entries.features] >= 0
            words = self._word_at[entries.features[of_words]]
            factors = entries.weights[of_words].astype(np.float64) * arrays.hidden.word_scale[words]
            units = np.maximum(units + np.einsum("f,fh->h", factors, arrays.hidden.word_rows[words]), 0.0)
            scores += np.einsum("h,hk->k", units, arrays.hidden.out)
        speaks = len(entries.features) and has_words([text])[0]
        if not speaks:
            return scores, (0, 0)
        return scores, (int(count_words([text])[0]), int(count_known_words([text], arrays.vocabulary.hashes)[0]))

    def _pool(self, hidden: HiddenLayer, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How the tokens of a text become the input of the hidden layer: their mean."""
        if not len(tokens):
            return np.zeros(len(hidden.hidden_bias))
        rows = self._tuned_at[tokens]
        tuned, others = rows[rows >= 0], tokens[rows < 0]
        vector = np.einsum(
            "t,td->d", hidden.prior.vector_scale[others].astype(np.float64), hidden.prior.vectors[others]
        )
        total = np.einsum("t,th->h", hidden.tuned_scale[tuned].astype(np.float64), hidden.tuned_rows[tuned])
        total += np.einsum("d,dh->h", vector, hidden.projection)
        return np.asarray(total / len(tokens))


_TOKENS: weakref.WeakKeyDictionary[TokenPrior, Any] = weakref.WeakKeyDictionary()


def make_engine(arrays: ModelArrays) -> Engine:
    """The compiled kernel if there is one and the environment does not forbid it, else `ReferenceEngine`.

    Warns
    -----
    SlowPathWarning
        If the kernel was not built.

    Raises
    ------
    ValueError
        If ``CONTACT_REASONS_KERNEL`` is neither ``on`` nor ``off``.
    """
    wanted = os.environ.get("CONTACT_REASONS_KERNEL", "on")
    if wanted not in ("on", "off"):
        raise ValueError(
            f"CONTACT_REASONS_KERNEL is {wanted[:20]!r} in the environment; set it to on or off, or unset it"
        )
    if wanted == "off":
        return ReferenceEngine(arrays)
    try:
        from contact_reasons.classifier import _kernel
    except ImportError:
        warnings.warn(
            "the compiled kernel of contact_reasons was not built, so labelling is slow; install a wheel, or install again with a "
            "C compiler, or set CONTACT_REASONS_KERNEL=off to accept this",
            SlowPathWarning,
            stacklevel=2,
        )
        return ReferenceEngine(arrays)
    tokens = None
    if arrays.hidden is not None:
        prior = arrays.hidden.prior
        tokens = _TOKENS.get(prior)
        if tokens is None:
            tokens = _TOKENS[prior] = _kernel.Tokens(prior.token_hashes, prior.vectors, prior.vector_scale)
    return _kernel.Kernel(arrays, tokens)
