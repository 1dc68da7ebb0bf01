"""Labels for an archive of unlabelled texts: a teacher learns the few labels, neighbours agree among themselves.

A linear classifier on a sentence encoder's vectors gives each text of the archive a first distribution, which then
spreads over the graph of nearest neighbours [1]_; what is labelled stays as it is.

References
----------
.. [1] D. Zhou, O. Bousquet, T. Lal, J. Weston, B. Schölkopf, "Learning with local and global consistency", NIPS 2003.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from contact_reasons.classifier.hidden import softmax
from contact_reasons.classifier.prior import TokenPrior
from contact_reasons.errors import TrainingError

__all__ = ["Encoder", "NeighbourLabels", "PriorEncoder", "encode"]

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_NEIGHBOURS = 10
_MOST_ANCHORS = 20_000
_SIMILARITY_POWER = 4
_TEACHER_C = 10.0
_SHARPNESS = 3.0
_PASSES = 10
_BLOCK = 1024


class Encoder(Protocol):
    """Anything that turns sentences into vectors, such as a `sentence_transformers.SentenceTransformer`."""

    def encode(self, texts: list[str]) -> Any:
        """Vectors of texts, shape (n, d)."""


class PriorEncoder:
    """Mean vectors of a text's tokens: the teacher that is always at hand.

    Parameters
    ----------
    prior : TokenPrior
    """

    def __init__(self, prior: TokenPrior) -> None:
        self._prior = prior

    def encode(self, texts: list[str]) -> Float32Array:
        """See `Encoder.encode`."""
        result = np.zeros((len(texts), self._prior.width), dtype=np.float32)
        with threadpool_limits(1):
            for row, tokens in enumerate(self._prior.tokenise(texts)):
                if len(tokens):
                    result[row] = (self._prior.vector_scale[tokens] @ self._prior.vectors[tokens]) / len(tokens)
        return result


def encode(encoder: Encoder, texts: Sequence[str]) -> Float32Array:
    """Vectors of unit length, shape (n, d); an encoder's zero vectors stay zero.

    Raises
    ------
    TrainingError
        If the encoder cannot encode, or returns anything but one finite vector a text.
    """
    if not callable(getattr(encoder, "encode", None)):
        raise TrainingError(
            f"the teacher is a {type(encoder).__name__} without encode(texts); give a sentence encoder, such as contact_reasons.classifier.teachers.minilm()"
        )
    said = encoder.encode(list(texts))
    try:
        with np.errstate(over="ignore"):  # infinite: refused below
            vectors: Float32Array = np.asarray(said, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError):  # the last one from tensors
        raise TrainingError(_wrong_vectors(f"a {type(said).__name__} that is no table of numbers", texts)) from None
    if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
        raise TrainingError(_wrong_vectors(f"values of shape {vectors.shape}", texts))
    if not np.isfinite(vectors).all():
        raise TrainingError(_wrong_vectors("values that are not finite", texts))
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))[:, None]
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), out=np.empty_like(vectors), casting="same_kind")


def _wrong_vectors(returned: str, texts: Sequence[str]) -> str:
    return f"the teacher returned {returned} for {len(texts)} texts; encode(texts) must return one finite vector a text"


class NeighbourLabels:
    """Distributions of all texts from the labels of some.

    Neighbours are looked for among at most 20,000 texts, so that cost grows linearly.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
        Of unit length.
    n_columns : int
    seed : int
    """

    def __init__(self, vectors: Float32Array, n_columns: int, seed: int) -> None:
        self._vectors, self._n_columns = vectors, n_columns
        with threadpool_limits(1):
            self._graph = _neighbour_graph(vectors, seed)

    def teach(self, labelled: IntArray, labels: IntArray) -> Float32Array:
        """What the teacher says of all texts, before neighbours agree, shape (n, n_columns).

        Parameters
        ----------
        labelled : ndarray of int64, shape (m,)
            Rows that have a label.
        labels : ndarray of int64, shape (m,)
        """
        present = np.unique(labels)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a first opinion, which neighbours correct
            teacher = LogisticRegression(C=_TEACHER_C, max_iter=500).fit(self._vectors[labelled], labels)
            scores = teacher.decision_function(self._vectors)
        if scores.ndim == 1:
            scores = np.column_stack([-scores / 2, scores / 2])
        chances = np.zeros((len(self._vectors), self._n_columns), dtype=np.float32)
        chances[:, present] = softmax(_SHARPNESS * scores)
        return chances

    def agree(self, start: Float32Array, labelled: IntArray, labels: IntArray, share: float) -> Float32Array:
        """Distributions after ten passes in which each text takes a share of its neighbours' mean.

        Parameters
        ----------
        start : ndarray of float32, shape (n, n_columns)
        labelled, labels : ndarray of int64, shape (m,)
        share : float
            In [0, 1).
        """
        known = np.zeros((len(labelled), self._n_columns), dtype=np.float32)
        known[np.arange(len(labelled)), labels] = 1.0
        start = start.copy()
        start[labelled] = known
        said = start
        for _ in range(_PASSES):
            said = np.float32(1 - share) * start + np.float32(share) * (self._graph @ said)
            said[labelled] = known
        total = said.sum(axis=1, keepdims=True)
        result: Float32Array = (said / np.where(total > 0, total, 1)).astype(np.float32)
        return result


def _neighbour_graph(vectors: Float32Array, seed: int) -> sparse.csr_matrix:
    """Row-normalised similarities of texts that are near: one is an anchor among the nearest of the other."""
    n = len(vectors)
    anchors = np.arange(n)
    if n > _MOST_ANCHORS:
        anchors = np.sort(np.random.default_rng(seed).choice(n, _MOST_ANCHORS, replace=False))
    place = np.full(n, -1)
    place[anchors] = np.arange(len(anchors))
    k = max(0, min(_NEIGHBOURS, len(anchors) - 1))
    columns, weights = np.zeros((n, k), dtype=np.int64), np.zeros((n, k), dtype=np.float32)
    for start in range(0, n, _BLOCK):
        block = slice(start, min(start + _BLOCK, n))
        near = vectors[block] @ vectors[anchors].T
        own = place[block]
        near[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        best = np.sort(np.argpartition(-near, k - 1, axis=1)[:, :k], axis=1)
        columns[block] = anchors[best]
        weights[block] = np.maximum(np.take_along_axis(near, best, axis=1), 0) ** _SIMILARITY_POWER
    graph = sparse.csr_matrix((weights.ravel(), columns.ravel(), np.arange(n + 1) * k), shape=(n, n))
    graph = graph + graph.T
    totals = np.asarray(graph.sum(axis=1)).ravel()
    graph = sparse.diags(1 / np.where(totals > 0, totals, 1)) @ graph
    return sparse.csr_matrix(graph, dtype=np.float32)
