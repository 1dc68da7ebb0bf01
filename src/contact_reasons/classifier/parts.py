"""The two parts of a classifier, trained and asked: linear heads on all features, hidden layers on tokens and words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from joblib import Parallel, cpu_count, delayed
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from contact_reasons.classifier.calibration import ABSENT
from contact_reasons.classifier.hidden import HiddenWeights, fit_hidden
from contact_reasons.classifier.prior import TokenPrior

__all__ = [
    "PartSettings",
    "Parts",
    "Targets",
    "TextRows",
    "fit_parts",
    "held_out_scores",
    "read_rows",
]

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_FEWEST_FOR_PROCESSES = 3000
_MEMBERS_HELD_OUT = 2


class PartSettings(NamedTuple):
    """How parts are trained; see `ReasonClassifier`."""

    C: float
    class_weight: str | None
    hidden_units: int
    members: int
    seed: int


class TextRows(NamedTuple):
    """Texts as matrices.

    Parameters
    ----------
    features : csr_matrix of float32, shape (n, n_features)
        Tf-idf weights.
    word_ids : ndarray of int64, shape (w,)
        Sorted features that have a row in the hidden layer.
    words : csr_matrix of float32, shape (n, w)
        Those columns of ``features``.
    tokens : csr_matrix of float32, shape (n, n_tokens)
        Occurrences of tokens of the prior.
    """

    features: sparse.csr_matrix
    word_ids: IntArray
    words: sparse.csr_matrix
    tokens: sparse.csr_matrix

    def take(self, rows: IntArray) -> TextRows:
        """Some of the texts."""
        return TextRows(self.features[rows], self.word_ids, self.words[rows], self.tokens[rows])


class Targets(NamedTuple):
    """What texts stand for.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Column of each text, or the most probable one.
    soft : ndarray of float32, shape (n, n_columns), optional
        Distribution of each text.
    weights : ndarray of float32, shape (n,), optional
    """

    labels: IntArray
    soft: Float32Array | None = None
    weights: Float32Array | None = None


def read_rows(
    features: sparse.csr_matrix,
    is_char: npt.NDArray[np.bool_],
    texts: Sequence[str],
    prior: TokenPrior,
    word_rows: int,
) -> TextRows:
    """The matrices of texts whose features are known; of words and pairs the most frequent get a row of their own."""
    frequency = np.bincount(features.indices, minlength=features.shape[1])
    candidates = np.flatnonzero(~is_char)
    kept = candidates[np.lexsort((candidates, -frequency[candidates]))[:word_rows]]
    word_ids = np.sort(kept).astype(np.int64)
    tokenised = prior.tokenise(texts)
    offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in tokenised])])
    ids = np.concatenate([np.zeros(0, np.int64), *tokenised])
    tokens = sparse.csr_matrix((np.ones(len(ids), np.float32), ids, offsets), shape=(len(texts), prior.n_tokens))
    tokens.sum_duplicates()
    return TextRows(features, word_ids, features[:, word_ids].tocsr(), tokens)


class Parts(NamedTuple):
    """Trained parts.

    Parameters
    ----------
    weights : ndarray of float32, shape (n_features, n_columns)
    intercept : ndarray of float64, shape (n_columns,)
    hidden : tuple of HiddenWeights
        Members whose scores are averaged.
    """

    weights: Float32Array
    intercept: FloatArray
    hidden: tuple[HiddenWeights, ...]


def fit_parts(
    rows: TextRows, targets: Targets, n_columns: int, vectors: Float32Array, settings: PartSettings, n_jobs: int | None
) -> Parts:
    """Parts trained on all texts; the same whatever the number of jobs.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n_tokens, width)
        Of the prior.
    n_jobs : int, optional
        Processes; by default one a core, for small data one.
    """
    members = _members(settings)
    tasks = [delayed(_fit_linear)(rows.features, targets, n_columns, settings)]
    tasks += [delayed(_fit_member)(rows, targets, n_columns, vectors, settings, member) for member in range(members)]
    (weights, intercept), *hidden = _run(tasks, rows.features.shape[0], n_jobs)
    return Parts(weights, intercept, tuple(hidden))


def held_out_scores(
    rows: TextRows,
    folds: Sequence[tuple[IntArray, IntArray, Targets]],
    n_columns: int,
    vectors: Float32Array,
    settings: PartSettings,
    n_jobs: int | None,
) -> list[tuple[FloatArray, FloatArray]]:
    """Scores of held-out texts by parts that have not seen them.

    Hidden layers are asked two at a time, to keep training short, where a model has four: held-out scores err on the side of modesty.

    Parameters
    ----------
    folds : sequence of (inside, outside, targets)
        Rows to train on, rows to score, targets of the rows inside.

    Returns
    -------
    list of (linear, hidden)
        Scores of the rows outside, each of shape (n_outside, n_columns).
    """
    asked = min(_MEMBERS_HELD_OUT, _members(settings))
    tasks = []
    for number, (inside, outside, targets) in enumerate(folds):
        tasks.append(delayed(_held_out_linear)(rows.features, inside, outside, targets, n_columns, settings))
        for member in range(asked):
            tasks.append(
                delayed(_held_out_member)(
                    rows, inside, outside, targets, n_columns, vectors, settings, (number + 1) * 100 + member
                )
            )
    found = _run(tasks, rows.features.shape[0], n_jobs)
    each = 1 + asked
    result: list[tuple[FloatArray, FloatArray]] = []
    for start in range(0, len(found), each):
        linear, *members = found[start : start + each]
        hidden: FloatArray = np.mean(members, axis=0, dtype=np.float64) if members else np.zeros_like(linear)
        result.append((linear, hidden))
    return result


def _members(settings: PartSettings) -> int:
    return settings.members if settings.hidden_units else 0


def _run(tasks: list[Any], n_texts: int, n_jobs: int | None) -> list[Any]:
    if n_jobs is None:
        n_jobs = cpu_count() if n_texts >= _FEWEST_FOR_PROCESSES else 1
    return list(Parallel(n_jobs=n_jobs)(tasks))


def _fit_linear(
    features: sparse.csr_matrix, targets: Targets, n_columns: int, settings: PartSettings
) -> tuple[Float32Array, FloatArray]:
    """One linear head a column that occurs; the others score far below all of these."""
    present = np.unique(targets.labels)
    weights = np.zeros((features.shape[1], n_columns), dtype=np.float32)
    intercept = np.full(n_columns, ABSENT)
    heads = LinearSVC(
        C=settings.C, class_weight=settings.class_weight, dual="auto", random_state=settings.seed, max_iter=5000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # held-out scores judge the heads as they are
        heads.fit(features, targets.labels, sample_weight=targets.weights)
    coef, bias = heads.coef_, heads.intercept_
    if len(present) == 2:
        coef, bias = np.vstack([-coef, coef]), np.concatenate([-bias, bias])
    weights[:, present] = coef.T
    intercept[present] = bias
    return weights, intercept


def _fit_member(
    rows: TextRows, targets: Targets, n_columns: int, vectors: Float32Array, settings: PartSettings, member: int
) -> HiddenWeights:
    weights = targets.weights
    if settings.class_weight == "balanced":
        counts = np.bincount(targets.labels, minlength=n_columns)
        balance = len(targets.labels) / (np.count_nonzero(counts) * counts[targets.labels])
        weights = (balance if weights is None else balance * weights).astype(np.float32)
    return fit_hidden(
        rows.tokens,
        rows.words,
        targets.labels if targets.soft is None else targets.soft,
        n_columns,
        vectors,
        units=settings.hidden_units,
        seed=(settings.seed, member),
        row_weights=weights,
    )


def _held_out_linear(
    features: sparse.csr_matrix,
    inside: IntArray,
    outside: IntArray,
    targets: Targets,
    n_columns: int,
    settings: PartSettings,
) -> FloatArray:
    weights, intercept = _fit_linear(features[inside], targets, n_columns, settings)
    scores: FloatArray = features[outside] @ weights + intercept
    return scores


def _held_out_member(
    rows: TextRows,
    inside: IntArray,
    outside: IntArray,
    targets: Targets,
    n_columns: int,
    vectors: Float32Array,
    settings: PartSettings,
    member: int,
) -> Float32Array:
    weights = _fit_member(rows.take(inside), targets, n_columns, vectors, settings, member)
    return weights.scores(rows.tokens[outside], rows.words[outside], vectors)
