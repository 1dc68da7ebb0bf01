"""Training of the hidden layer: a small network over tokens and word features, in NumPy.

.. math:: s = O^T \\max(0, b + P^T \\bar v + \\sum_f w_f R_f) + c

with :math:`\\bar v` the mean vector of a text's tokens, which begin as those of the `TokenPrior` and are trained along,
and :math:`R_f` a trained row for each word and pair of words in the vocabulary, of tf-idf weight :math:`w_f`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

__all__ = ["HiddenWeights", "fit_hidden", "softmax"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_BATCH = 64
_EPOCHS = 10
_FEWEST_STEPS = 200
_MOST_EXAMPLES = 400_000
_RATE = 8e-3
_WARM_UP, _LAST = 0.05, 0.02  # shares of the steps and of the rate
_TOKEN_DROPOUT = _FEATURE_DROPOUT = 0.1
_UNIT_DROPOUT = 0.3
_SMOOTHING = 0.1
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


class HiddenWeights(NamedTuple):
    """A trained hidden layer of h units.

    Parameters
    ----------
    tuned_ids : ndarray of int64, shape (t,)
        Sorted ids of the tokens that occur in the training texts.
    tuned : ndarray of float32, shape (t, h)
        What each of them adds to the units.
    projection : ndarray of float32, shape (prior.width, h)
        The same for any other token, from its vector.
    words : ndarray of float32, shape (n_word_features, h)
    bias : ndarray of float32, shape (h,)
    out : ndarray of float32, shape (h, k)
    out_bias : ndarray of float32, shape (k,)
    """

    tuned_ids: IntArray
    tuned: Float32Array
    projection: Float32Array
    words: Float32Array
    bias: Float32Array
    out: Float32Array
    out_bias: Float32Array

    def scores(self, tokens: sparse.csr_matrix, words: sparse.csr_matrix, vectors: Float32Array) -> Float32Array:
        """Scores of texts, shape (n, k).

        Parameters
        ----------
        tokens : csr_matrix, shape (n, n_tokens)
            Occurrences.
        words : csr_matrix, shape (n, n_word_features)
            Tf-idf weights.
        vectors : ndarray of float32, shape (n_tokens, width)
        """
        with threadpool_limits(1):
            rows = vectors @ self.projection
            rows[self.tuned_ids] = self.tuned
            units = _means(tokens) @ rows + words @ self.words + self.bias
            scores: Float32Array = (np.maximum(units, 0) @ self.out + self.out_bias).astype(np.float32)
        return scores


class _Adam:
    """Adam [1]_ on one array, of which a step may touch a few rows only.

    References
    ----------
    .. [1] D. Kingma, J. Ba, "Adam: A method for stochastic optimization", ICLR 2015.
    """

    def __init__(self, array: Float32Array) -> None:
        self._array = array
        self._mean = np.zeros_like(array)
        self._square = np.zeros_like(array)

    def step(self, gradient: Float32Array, rate: float, step: int, rows: Any = slice(None)) -> None:
        mean, square = self._mean[rows], self._square[rows]
        mean = mean + np.float32(1 - _BETA_1) * (gradient - mean)
        square = square + np.float32(1 - _BETA_2) * (gradient * gradient - square)
        self._mean[rows], self._square[rows] = mean, square
        size = np.float32(rate / (1 - _BETA_1**step))
        self._array[rows] -= (
            size * mean / (np.sqrt(square * np.float32(1 / (1 - _BETA_2**step))) + np.float32(_EPSILON))
        )


def fit_hidden(
    tokens: sparse.csr_matrix,
    words: sparse.csr_matrix,
    targets: npt.NDArray[Any],
    n_columns: int,
    vectors: Float32Array,
    *,
    units: int,
    seed: tuple[int, ...],
    row_weights: Float32Array | None = None,
) -> HiddenWeights:
    """Train one hidden layer on cross-entropy with smoothed targets.

    Steps: ten passes over the texts, more for few texts (at least 200 batches of 64), fewer for many (about 400,000 texts seen,
    at least one pass). The same seed gives the same weights.

    Parameters
    ----------
    tokens : csr_matrix, shape (n, n_tokens)
        Occurrences of tokens.
    words : csr_matrix, shape (n, n_word_features)
        Tf-idf weights of the word features.
    targets : ndarray of int64, shape (n,), or of float32, shape (n, n_columns)
        Class of each text, or its distribution.
    n_columns : int
    vectors : ndarray of float32, shape (n_tokens, width)
        Where tokens begin.
    units : int
    seed : tuple of int
    row_weights : ndarray of float32, shape (n,), optional

    Returns
    -------
    HiddenWeights
    """
    with threadpool_limits(1):  # several threads would add in another order
        return _Network(tokens, words, targets, n_columns, vectors, units, seed, row_weights).fit()


class _Network:
    def __init__(
        self,
        tokens: sparse.csr_matrix,
        words: sparse.csr_matrix,
        targets: npt.NDArray[Any],
        n_columns: int,
        vectors: Float32Array,
        units: int,
        seed: tuple[int, ...],
        row_weights: Float32Array | None,
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.used = np.unique(tokens.indices).astype(np.int64)
        self.tokens = sparse.csr_matrix(
            (tokens.data.astype(np.float32), np.searchsorted(self.used, tokens.indices), tokens.indptr),
            shape=(tokens.shape[0], len(self.used)),
        )
        self.word_rows = words.astype(np.float32)
        self.targets, self.n_columns, self.row_weights = targets, n_columns, row_weights
        spread = float((_means(self.tokens) @ vectors[self.used]).std()) if len(self.used) else 0.0
        self.gain = np.float32(1 / spread if spread > 0 else 1.0)
        width = vectors.shape[1]
        self.vectors = vectors[self.used] * self.gain
        self.projection = self._normal((width, units), 2 / width)
        self.words = np.zeros((words.shape[1], units), dtype=np.float32)
        self.bias = np.zeros(units, dtype=np.float32)
        self.out = self._normal((units, n_columns), 1 / units)
        self.out_bias = np.zeros(n_columns, dtype=np.float32)

    def _normal(self, shape: tuple[int, int], variance: float) -> Float32Array:
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(variance))

    def fit(self) -> HiddenWeights:
        n = self.tokens.shape[0]
        batches = -(-n // _BATCH)
        epochs = max(_EPOCHS, -(-_FEWEST_STEPS // batches))
        epochs = max(1, min(epochs, _MOST_EXAMPLES // n))
        dense = ("projection", "bias", "out", "out_bias")
        adams = {name: _Adam(getattr(self, name)) for name in (*dense, "vectors", "words")}
        step, last = 0, epochs * batches
        for _ in range(epochs):
            order = self.random.permutation(n)
            for start in range(0, n, _BATCH):
                step += 1
                rate = _RATE * min(1.0, step / (_WARM_UP * last)) * max(_LAST, 1 - step / last)
                gradients, token_rows, word_rows = self._gradients(order[start : start + _BATCH])
                for name in dense:
                    adams[name].step(gradients[name], rate, step)
                adams["vectors"].step(gradients["vectors"], rate, step, token_rows)
                adams["words"].step(gradients["words"], rate, step, word_rows)
        tuned = (self.vectors @ self.projection).astype(np.float32)
        projection = self.projection * self.gain
        return HiddenWeights(self.used, tuned, projection, self.words, self.bias, self.out, self.out_bias)

    def _gradients(self, rows: IntArray) -> tuple[dict[str, Float32Array], IntArray, IntArray]:
        tokens = self.tokens[rows]
        tokens.data *= self.random.random(len(tokens.data), dtype=np.float32) >= _TOKEN_DROPOUT
        tokens = _means(tokens)
        words = self.word_rows[rows]
        words.data *= self.random.random(len(words.data), dtype=np.float32) >= _FEATURE_DROPOUT
        words.data /= np.float32(1 - _FEATURE_DROPOUT)

        mean = tokens @ self.vectors
        before = mean @ self.projection + words @ self.words + self.bias
        kept = self.random.random(before.shape, dtype=np.float32) >= _UNIT_DROPOUT
        # >=: texts without tokens begin at exactly 0, and would stay there
        slope = (kept & (before >= 0)).astype(np.float32) / np.float32(1 - _UNIT_DROPOUT)
        units = before * slope
        error = softmax(units @ self.out + self.out_bias) - self._targets(rows)
        if self.row_weights is not None:
            error *= self.row_weights[rows][:, None]
        error /= np.float32(len(rows))

        down = (error @ self.out.T) * slope
        token_rows, vectors = _row_gradients(tokens, down @ self.projection.T)
        word_rows, word_gradients = _row_gradients(words, down)
        gradients = {
            "projection": mean.T @ down,
            "bias": down.sum(axis=0),
            "out": units.T @ error,
            "out_bias": error.sum(axis=0),
            "vectors": vectors,
            "words": word_gradients,
        }
        return gradients, token_rows, word_rows

    def _targets(self, rows: IntArray) -> Float32Array:
        if self.targets.ndim == 2:
            wanted = self.targets[rows]
        else:
            wanted = np.zeros((len(rows), self.n_columns), dtype=np.float32)
            wanted[np.arange(len(rows)), self.targets[rows]] = 1.0
        smoothed: Float32Array = wanted * np.float32(1 - _SMOOTHING) + np.float32(_SMOOTHING / self.n_columns)
        return smoothed


def _means(tokens: sparse.csr_matrix) -> sparse.csr_matrix:
    """Occurrences as shares of each text's tokens."""
    totals = np.maximum(np.asarray(tokens.sum(axis=1)).ravel(), 1).astype(np.float32)
    shares = tokens.data / np.repeat(totals, np.diff(tokens.indptr))
    return sparse.csr_matrix((shares, tokens.indices, tokens.indptr), shape=tokens.shape)


def _row_gradients(matrix: sparse.csr_matrix, down: Float32Array) -> tuple[IntArray, Float32Array]:
    """Columns that occur in a batch, and the gradient of each one's row."""
    columns, local = np.unique(matrix.indices, return_inverse=True)
    part = sparse.csr_matrix((matrix.data, local, matrix.indptr), shape=(matrix.shape[0], len(columns)))
    return columns, part.T @ down


def softmax(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of probabilities, shape (n, k), of the type of the scores."""
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: npt.NDArray[Any] = scores / scores.sum(axis=1, keepdims=True)
    return result
