"""`ReasonClassifier`: a scikit-learn classifier from texts to secondary contact reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.svm import LinearSVC

from contact_reasons.classifier.engine import ModelArrays, quantise_rows
from contact_reasons.classifier.features import Vocabulary, count_features, normalise
from contact_reasons.classifier.model import ReasonModel, ReasonProbabilities, as_list, as_texts, primary_index
from contact_reasons.errors import TrainingError, nearest, shorten

__all__ = ["ReasonClassifier"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class ReasonClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Texts to one coherent distribution over secondary reasons.

    A primary's probability is the sum over its secondaries, and the predicted primary is always the parent
    of the predicted secondary. Texts should be clean: see `contact_reasons.clean_text`.

    Parameters
    ----------
    C : float, default=0.5
        Inverse strength of regularisation of the linear heads, > 0.
    min_df : int, default=2
        Features in fewer training texts are dropped.
    class_weight : None or 'balanced', default=None
        As in scikit-learn.
    calibration_folds : int, default=5
        Held-out folds on which the sharpness of the distribution is fitted, >= 2.
    random_state : int, default=0
        Same texts, ids and seed: same weights.

    Attributes
    ----------
    classes_ : ndarray of str, shape (k,)
        Secondary ids, sorted.
    primaries_ : ndarray of str, shape (p,)
        Primary ids, sorted.
    model_ : ReasonModel
        The arrays that label.
    out_of_fold_ : ReasonProbabilities
        For each training text, what models that had not seen it say; texts out of scope follow at the end.
        Equal chances for all reasons where no model could be trained without the text.

    Examples
    --------
    >>> texts = ["where is my parcel", "parcel not here yet", "send me the invoice", "need an invoice copy"]
    >>> ids = ["delivery.track", "delivery.track", "billing.invoice", "billing.invoice"]
    >>> classifier = ReasonClassifier(min_df=1).fit(texts, ids)
    >>> classifier.predict(["invoice please"]).tolist()
    ['billing.invoice']
    """

    def __init__(
        self,
        *,
        C: float = 0.5,
        min_df: int = 2,
        class_weight: str | None = None,
        calibration_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.min_df = min_df
        self.class_weight = class_weight
        self.calibration_folds = calibration_folds
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        out_of_scope: Any = None,
        groups: Sequence[Any] | None = None,
    ) -> Self:
        """Train on texts and their secondary ids.

        Parameters
        ----------
        X : sequence of str, length n
            Texts: a list, an array, or a pandas, polars or Arrow column.
        y : sequence of str, length n
            Ids ``'primary.secondary'``.
        out_of_scope : sequence of str, optional
            Texts that belong to no reason, such as spam.
        groups : sequence, length n, optional
            Texts of equal group, such as of one customer, are kept on one side of every held-out split; an empty
            group or None is a group of its own.
            Texts that are equal once normalised always are.

        Raises
        ------
        TrainingError
            If lengths differ, an id has no dot, fewer than two reasons are present, no text holds a word
            or a parameter is out of its range, with the row where there is one.
        """
        self._check_parameters()
        texts = as_texts(X)
        ids = _as_ids(y, len(texts))
        outside = [] if out_of_scope is None else as_texts(out_of_scope)
        classes = sorted(set(ids))
        if len(classes) < 2:
            raise TrainingError(
                f"{len(ids)} texts with {len(classes)} reasons; a classifier needs at least two reasons, each with texts"
            )
        index = {reason: i for i, reason in enumerate(classes)}
        target = np.array([index[reason] for reason in ids] + [len(classes)] * len(outside), dtype=np.int64)
        everything = texts + outside
        counts = count_features(everything)
        vocabulary = Vocabulary.learn(counts, len(everything), min_df=self.min_df)
        if not vocabulary.n_features:
            raise TrainingError(
                f"no word or letter sequence occurs in {self.min_df} texts or more, so there is nothing to learn from; "
                "give more texts or set min_df=1"
            )
        rows = vocabulary.weigh(counts, len(everything))
        n_columns = len(classes) + bool(outside)

        keys = _fold_keys(everything, groups, len(texts))
        held_out = self._held_out_scores(rows, target, keys, n_columns)
        sharpness = _fit_sharpness(held_out, target)
        weights, intercept = self._fit_heads(rows, target, n_columns)

        self.classes_ = np.array(classes)
        self.primaries_ = np.array(primary_index(classes)[0])
        rows_8_bit, scale = quantise_rows(weights)
        arrays = ModelArrays(
            vocabulary, rows_8_bit, scale * np.float32(sharpness), (intercept * sharpness).astype(np.float32)
        )
        self.model_ = ReasonModel(classes, arrays)
        self.out_of_fold_ = self.model_.distribution(held_out * sharpness)
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> npt.NDArray[np.str_]:
        """Most probable secondary id of each text, shape (n,)."""
        best = self._predict(X).proba.argmax(axis=1)
        chosen: npt.NDArray[np.str_] = self.classes_[best]
        return chosen

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities in the order of ``classes_``, shape (n, k); rows sum to 1."""
        return self._predict(X).proba

    def predict_primary_proba(self, X: Any) -> FloatArray:
        """Probabilities in the order of ``primaries_``, shape (n, p): sums over the secondaries of each."""
        proba = self._predict(X).proba
        _, starts = primary_index(self.classes_.tolist())
        sums: FloatArray = np.add.reduceat(proba, starts, axis=1)
        return sums

    def predict_scope(self, X: Any) -> FloatArray:
        """Probability that each text has a reason at all, shape (n,); 1 if no text out of scope was given."""
        return self._predict(X).in_scope

    def _predict(self, X: Any) -> ReasonProbabilities:
        if not hasattr(self, "model_"):
            raise NotFittedError("this ReasonClassifier is not fitted yet; call fit(texts, ids) first")
        return self.model_.predict(as_texts(X))

    def _check_parameters(self) -> None:
        if not (isinstance(self.C, int | float | np.number) and 0 < self.C < np.inf):
            raise TrainingError(f"C is {shorten(self.C)}; it must be a number above 0")
        if not (isinstance(self.min_df, int | np.integer) and not isinstance(self.min_df, bool) and self.min_df >= 1):
            raise TrainingError(f"min_df is {shorten(self.min_df)}; it must be a whole number, at least 1")
        if self.class_weight not in (None, "balanced"):
            raise TrainingError(
                f"class_weight is {shorten(self.class_weight)}; {nearest(self.class_weight, ['balanced'])} or None"
            )
        if not (isinstance(self.calibration_folds, int | np.integer) and self.calibration_folds >= 2):
            raise TrainingError(f"calibration_folds is {shorten(self.calibration_folds)}; it must be at least 2")

    def _fit_heads(
        self, rows: sparse.csr_matrix, target: IntArray, n_columns: int
    ) -> tuple[npt.NDArray[np.float32], FloatArray]:
        """One linear head a class present in ``target``; the others score far below all of these."""
        present = np.unique(target)
        weights = np.zeros((rows.shape[1], n_columns), dtype=np.float32)
        intercept = np.full(n_columns, _ABSENT)
        heads = LinearSVC(C=self.C, class_weight=self.class_weight, random_state=self.random_state, max_iter=5000)
        heads.fit(rows, target)
        coef, bias = heads.coef_, heads.intercept_
        if len(present) == 2:
            coef, bias = np.vstack([-coef, coef]), np.concatenate([-bias, bias])
        weights[:, present] = coef.T.astype(np.float16)  # as bundles store them
        intercept[present] = bias
        return weights, intercept

    def _held_out_scores(
        self, rows: sparse.csr_matrix, target: IntArray, keys: list[str], n_columns: int
    ) -> FloatArray:
        folds = _stratified_folds(target, keys, self.calibration_folds)
        scores = np.zeros((len(target), n_columns))
        for fold in range(self.calibration_folds):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if not len(outside):
                continue
            if len(np.unique(target[inside])) < 2:
                continue  # nothing to learn from: these rows are left without an opinion, never scored by a model that saw them
            weights, intercept = self._fit_heads(rows[inside], target[inside], n_columns)
            scores[outside] = rows[outside] @ weights + intercept
        return scores


_ABSENT = -10.0
"""Score of a reason that the training texts of a fold lack: far below every real one."""

_USUAL_SHARPNESS = 6.0
"""Taken where no text could be held out; about what larger sets give."""


def _as_ids(ids: Any, n_texts: int) -> list[str]:
    result = as_ids(ids)
    if len(result) != n_texts:
        raise TrainingError(f"{n_texts} texts but {len(result)} ids; give one id a text")
    return result


def as_ids(ids: Any) -> list[str]:
    """Secondary ids as a list, each checked to be ``'primary.secondary'``."""
    result = as_list(ids)
    for row, reason in enumerate(result):
        primary, dot, secondary = reason.partition(".") if isinstance(reason, str) else ("", "", "")
        if not (primary and dot and secondary):
            raise TrainingError(
                f"ids[{row}] is {shorten(reason) if not isinstance(reason, str) or len(reason) <= 80 else 'a long text'}; an id is 'primary.secondary', such as 'billing.refund': "
                "Taxonomy.from_pairs makes ids from labels of your own; texts without a reason go into fit(..., out_of_scope=texts)"
            )
    return result


def _fold_keys(texts: Sequence[str], groups: Iterable[Any] | None, n_labelled: int) -> list[str]:
    """What decides a text's fold: texts that share a group, or are equal once normalised, share a key.

    Groups and texts are joined until nothing is shared any more (connected components), and a component's key is its
    least hash, so that it depends on neither order nor chance. An empty group joins nothing.
    """
    group_of = [] if groups is None else list(groups)
    if groups is not None and len(group_of) != n_labelled:
        raise TrainingError(f"{n_labelled} texts but {len(group_of)} groups; give one group a text")
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    text_keys = []
    for row, text in enumerate(texts):
        key = _hash("text\0" + " ".join(normalise(text).split()))
        text_keys.append(key)
        group = group_of[row] if row < len(group_of) else None
        if group is not None and group == group and group != "":
            first, second = find(key), find(_hash(f"group\0{type(group).__name__}\0{group}"))
            low, high = min(first, second), max(first, second)
            leader[high] = low
    return [find(key) for key in text_keys]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _stratified_folds(target: IntArray, keys: Sequence[str], n_folds: int) -> IntArray:
    """A fold for each row: equal keys together, each class spread evenly, in hash order, so without chance."""
    fold_of_key: dict[str, int] = {}
    folds = np.empty(len(target), dtype=np.int64)
    filled = np.zeros((int(target.max()) + 1, n_folds), dtype=np.int64)
    for row in sorted(range(len(target)), key=lambda row: (keys[row], row)):
        key, label = keys[row], target[row]
        if key not in fold_of_key:
            fold_of_key[key] = int(filled[label].argmin())
        folds[row] = fold_of_key[key]
        filled[label, folds[row]] += 1
    return folds


def _fit_sharpness(scores: FloatArray, target: IntArray) -> float:
    """Factor on the scores that makes the softmax most likely on held-out texts (Guo et al. 2017, temperature scaling)."""
    scored = np.flatnonzero(scores[np.arange(len(target)), target] > _ABSENT)  # the model knew the true reason
    scored = scored[scores[scored].any(axis=1)]
    if not len(scored):
        return _USUAL_SHARPNESS
    scores, target = scores[scored], target[scored]
    rows = np.arange(len(target))

    def loss(log_factor: float) -> float:
        scaled = scores * np.exp(log_factor)
        top = scaled.max(axis=1)
        log_norm = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((log_norm - scaled[rows, target]).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.5), np.log(30.0)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
