"""`ReasonClassifier`: a scikit-learn classifier from texts to secondary contact reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from contact_reasons.classifier.archive import Encoder, NeighbourLabels, PriorEncoder, encode
from contact_reasons.classifier.calibration import Mix, fit_calibration, fit_mix, least_known_share
from contact_reasons.classifier.chances import CalibrationMap, ReasonProbabilities
from contact_reasons.classifier.engine import HiddenLayer, ModelArrays, quantise_rows
from contact_reasons.classifier.features import Vocabulary, count_features, count_words
from contact_reasons.classifier.folds import distinct, fold_keys, stratified_folds
from contact_reasons.classifier.hidden import softmax
from contact_reasons.classifier.model import ReasonModel, as_list, as_texts, primary_index
from contact_reasons.classifier.parts import (
    Parts,
    PartSettings,
    Targets,
    TextRows,
    fit_parts,
    held_out_scores,
    read_rows,
)
from contact_reasons.classifier.prior import TokenPrior, shipped_prior
from contact_reasons.classifier.scope import ScopeColumn, fit_scope, read_background
from contact_reasons.errors import TrainingError, nearest, shorten

__all__ = ["ReasonClassifier"]

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class ReasonClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Texts to one coherent distribution over secondary reasons.

    Linear heads on word and character n-grams and, added to their scores, hidden layers over tokens and words, of which tokens begin as
    vectors that know what words mean. The factors of the sum are fitted on held-out texts. A primary's probability is the sum over its
    secondaries, and the predicted primary is always the parent of the predicted secondary. Texts should be clean: see `contact_reasons.clean_text`.

    Parameters
    ----------
    C : float, default=0.5
        Inverse strength of regularisation of the linear heads, > 0.
    min_df : int, default=2
        Features in fewer training texts are dropped.
    class_weight : None or 'balanced', default=None
        As in scikit-learn.
    hidden_units : int, default=128
        Units of each hidden layer; 0 for linear heads alone.
    members : int, default=4
        Hidden layers, trained from different random starts and averaged; >= 1.
    word_rows : int, default=6000
        Words and pairs of words that have a row of their own in the hidden layers, the most frequent ones; >= 0.
    weight_bits : int, default=8
        Bits of a weight, 2 to 8. Fewer make smaller compressed files; 5 are enough for the shipped packs.
    calibration_folds : int, default=5
        Held-out folds on which the factors are fitted, >= 2.
    prior : TokenPrior, optional
        Token vectors to begin with; by default the shipped ones.
    random_state : int, default=0
        Same texts, ids and seed: same weights.
    n_jobs : int, optional
        Processes while training; by default one a core, and one for fewer than 3,000 texts. Changes no weight.

    Attributes
    ----------
    classes_ : ndarray of str, shape (k,)
        Secondary ids, sorted.
    primaries_ : ndarray of str, shape (p,)
        Primary ids, sorted.
    model_ : ReasonModel
        The arrays that label.
    mix_ : Mix
        Factors of the two parts, and of the length of a text.
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
        hidden_units: int = 128,
        members: int = 4,
        word_rows: int = 6000,
        weight_bits: int = 8,
        calibration_folds: int = 5,
        prior: TokenPrior | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.min_df = min_df
        self.class_weight = class_weight
        self.hidden_units = hidden_units
        self.members = members
        self.word_rows = word_rows
        self.weight_bits = weight_bits
        self.calibration_folds = calibration_folds
        self.prior = prior
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        out_of_scope: Any = None,
        groups: Sequence[Any] | None = None,
        unlabelled: Any = None,
        teacher: Encoder | None = None,
    ) -> Self:
        """Train on texts and their secondary ids, and on an archive of unlabelled texts if there is one.

        Parameters
        ----------
        X : sequence of str, length n
            Texts: a list, an array, or a pandas, polars or Arrow column.
        y : sequence of str, length n
            Ids ``'primary.secondary'``.
        out_of_scope : sequence of str, length m, optional
            Texts that belong to no reason, such as spam. From 200 on they are learned like a reason; fewer, or none, are joined by the shipped background
            of everyday talk, other trades and junk. An empty list: nothing is known of texts out of scope, and each text is in scope.
        groups : sequence, length n or n + m, optional
            Texts of equal group, such as of one customer, are kept on one side of every held-out split; an empty
            group or None is a group of its own; those of texts out of scope come last.
            Texts that are equal once normalised always are.
        unlabelled : sequence of str, optional
            The archive: a teacher learns the labels and labels it, this classifier learns from both. Texts that also have a label are left out,
            and repeats.
        teacher : object with ``encode(texts) -> ndarray``, optional
            A sentence encoder, such as `contact_reasons.classifier.teachers.minilm`; by default the mean of the token vectors.

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
        if teacher is not None and unlabelled is None:
            raise TrainingError("a teacher without unlabelled texts has nothing to label; give unlabelled=texts too")
        index = {reason: i for i, reason in enumerate(classes)}
        labels = np.array([index[reason] for reason in ids] + [len(classes)] * len(outside), dtype=np.int64)
        judged = texts + outside
        keys = fold_keys(judged, groups, len(texts))
        archive = [] if unlabelled is None else distinct(as_texts(unlabelled), judged)
        prior = self.prior or shipped_prior()
        vocabulary, rows = self._read(judged + archive, prior)
        n_columns = len(classes) + (len(outside) >= FEWEST_OUTSIDE)
        settings = PartSettings(self.C, self.class_weight, self.hidden_units, self.members, self.random_state)
        training = _Training(
            rows, labels, count_words(judged), len(classes), n_columns, _vectors(prior), settings, self.n_jobs
        )
        if archive:
            training.learn_from(encode(teacher or PriorEncoder(prior), judged + archive))

        folds = stratified_folds(labels, keys, self.calibration_folds)
        held_out, self.mix_ = training.held_out(folds)
        least_known = least_known_share(texts, vocabulary, rows.features.shape[0], self.min_df)
        calibration = training.calibration(held_out, self.mix_, least_known)
        parts = training.fit()
        arrays = _arrays(parts, self.mix_, vocabulary, rows.word_ids, prior, self.weight_bits)
        model = ReasonModel(classes, arrays, calibration)
        if not model.knows_scope and (out_of_scope is None or outside):
            scope = self._fit_scope(model, training, held_out, folds)
            arrays = _arrays(parts, self.mix_, vocabulary, rows.word_ids, prior, self.weight_bits, scope)
            model = ReasonModel(classes, arrays, calibration)
            held_out = np.column_stack([held_out, scope.held_out])
        self.classes_ = np.array(classes)
        self.primaries_ = np.array(primary_index(classes)[0])
        self.model_ = model
        self.out_of_fold_ = model.distribution(held_out, training.n_words)
        self.n_features_in_ = 1
        return self

    def _fit_scope(self, model: ReasonModel, training: _Training, held_out: FloatArray, folds: IntArray) -> ScopeColumn:
        background = read_background()
        vocabulary = model.arrays.vocabulary
        return fit_scope(
            training.rows.features[: len(training.labels)],
            model.evidence(held_out, training.n_words),
            training.labels < len(model.classes),
            folds,
            vocabulary.weigh(count_features(background), len(background)),
            model.evidence(model.scores(background), count_words(background)),
        )

    def _read(self, texts: list[str], prior: TokenPrior) -> tuple[Vocabulary, TextRows]:
        counts = count_features(texts)
        vocabulary = Vocabulary.learn(counts, len(texts), min_df=self.min_df)
        if not vocabulary.n_features:
            raise TrainingError(
                f"no word or letter sequence occurs in {self.min_df} texts or more, so there is nothing to learn from; "
                "give more texts or set min_df=1"
            )
        return vocabulary, read_rows(
            vocabulary.weigh(counts, len(texts)), vocabulary.is_char, texts, prior, self.word_rows
        )

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
        for name, least in (("hidden_units", 0), ("members", 1), ("word_rows", 0), ("random_state", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least):
                raise TrainingError(f"{name} is {shorten(value)}; it must be a whole number, at least {least}")
        if self.random_state >= 2**32:
            raise TrainingError(f"random_state is {shorten(self.random_state)}; it must be below 2**32")
        if not (self.n_jobs is None or (isinstance(self.n_jobs, int | np.integer) and self.n_jobs)):
            raise TrainingError(f"n_jobs is {shorten(self.n_jobs)}; it must be None or a whole number other than 0")
        if not (isinstance(self.weight_bits, int | np.integer) and 2 <= self.weight_bits <= 8):
            raise TrainingError(f"weight_bits is {shorten(self.weight_bits)}; it must be a whole number from 2 to 8")
        if not (isinstance(self.calibration_folds, int | np.integer) and self.calibration_folds >= 2):
            raise TrainingError(f"calibration_folds is {shorten(self.calibration_folds)}; it must be at least 2")


class _Training:
    """Rows of labelled texts, then of the archive; what the archive stands for is known once a teacher has seen it."""

    def __init__(
        self,
        rows: TextRows,
        labels: IntArray,
        n_words: IntArray,
        n_reasons: int,
        n_columns: int,
        vectors: Float32Array,
        settings: PartSettings,
        n_jobs: int | None,
    ) -> None:
        self.rows, self.labels, self.n_words = rows, labels, n_words
        self.n_reasons, self.n_columns = n_reasons, n_columns
        self.learned = labels < n_columns  # a few texts out of scope are no column: they are only asked
        self.vectors, self.settings, self.n_jobs = vectors, settings, n_jobs
        self.neighbours: NeighbourLabels | None = None

    def learn_from(self, sentence_vectors: Float32Array) -> None:
        """Let a teacher label the archive."""
        self.neighbours = NeighbourLabels(sentence_vectors, self.n_columns, self.settings.seed)

    def targets(self, inside: IntArray) -> tuple[IntArray, Targets]:
        """Rows to learn from if only these labelled ones are known, and their targets."""
        if self.neighbours is None:
            return inside, Targets(self.labels[inside])
        start = self.neighbours.teach(inside, self.labels[inside])
        return self._with_archive(inside, self.neighbours.agree(start, inside, self.labels[inside], _AGREEMENT))

    def _with_archive(self, inside: IntArray, said: Float32Array) -> tuple[IntArray, Targets]:
        known = np.concatenate([inside, np.arange(len(self.labels), len(said))])
        soft = said[known]
        return known, Targets(soft.argmax(axis=1), soft, soft.max(axis=1))

    def fit(self) -> Parts:
        """Parts trained on everything; with an archive twice, the first ones helping to label it."""
        every = np.flatnonzero(self.learned)
        known, targets = self.targets(every)
        if self.neighbours is None:
            return self._fit(known, targets)
        student = self._fit(known, targets)
        scores = self.rows.features @ student.weights + student.intercept
        for member in student.hidden:
            scores += member.scores(self.rows.tokens, self.rows.words, self.vectors) / len(student.hidden)
        both = (softmax(scores) + self.neighbours.teach(every, self.labels[every])) / 2
        said = self.neighbours.agree(both.astype(np.float32), every, self.labels[every], _SECOND_AGREEMENT)
        return self._fit(*self._with_archive(every, said))

    def _fit(self, known: IntArray, targets: Targets) -> Parts:
        rows = self.rows if len(known) == self.rows.features.shape[0] else self.rows.take(known)
        return fit_parts(rows, targets, self.n_columns, self.vectors, self.settings, self.n_jobs)

    def held_out(self, folds: IntArray) -> tuple[FloatArray, Mix]:
        """Mixed scores of every labelled text by models that have not seen it, and the factors of the mix."""
        linear, hidden = (np.zeros((len(self.labels), self.n_columns)) for _ in range(2))
        sides = [
            (np.flatnonzero((folds != fold) & self.learned), np.flatnonzero(folds == fold))
            for fold in range(int(folds.max()) + 1)
        ]
        # a fold whose other folds hold one class has nothing to learn from: its rows are left without an opinion
        sides = [(i, o) for i, o in sides if len(o) and len(np.unique(self.labels[i])) > 1]
        jobs = [(known, outside, targets) for inside, outside in sides for known, targets in (self.targets(inside),)]
        found = held_out_scores(self.rows, jobs, self.n_columns, self.vectors, self.settings, self.n_jobs)
        for (_, outside), (of_linear, of_hidden) in zip(sides, found, strict=True):
            linear[outside], hidden[outside] = of_linear, of_hidden
        self.asked = np.concatenate([np.zeros(0, np.int64), *(outside for _, outside in sides)])
        asked = self.asked[self.learned[self.asked]]
        mix = fit_mix(
            linear[asked],
            hidden[asked],
            self.n_words[asked],
            self.labels[asked],
            self.n_reasons,
            with_hidden=self.settings.hidden_units > 0,
        )
        return mix.linear * linear + mix.hidden * hidden, mix

    def calibration(self, held_out: FloatArray, mix: Mix, least_known: float) -> CalibrationMap:
        """The map fitted on held-out scores of texts that have a reason."""
        rows = self.asked[self.labels[self.asked] < self.n_reasons]
        return fit_calibration(
            held_out[rows][:, : self.n_reasons], self.n_words[rows], self.labels[rows], mix.half_words, least_known
        )


FEWEST_OUTSIDE = 200
"""Texts out of scope from which on they are learned like a reason."""

_AGREEMENT = 0.8
"""Share of its neighbours in a text's distribution while a teacher labels the archive."""

_SECOND_AGREEMENT = 0.6
"""The same once the student helps."""


def _vectors(prior: TokenPrior) -> Float32Array:
    return prior.vectors * prior.vector_scale[:, None]


def _arrays(
    parts: Parts,
    mix: Mix,
    vocabulary: Vocabulary,
    word_ids: IntArray,
    prior: TokenPrior,
    bits: int,
    scope: ScopeColumn | None = None,
) -> ModelArrays:
    """The parts as one set of arrays: hidden layers side by side, factors folded in, the column of `fit_scope` last."""
    weights, intercept = np.float32(mix.linear) * parts.weights, mix.linear * parts.intercept
    if scope is not None:
        weights = np.column_stack([weights, scope.weights])
    rows, scale = quantise_rows(weights, bits)
    layer = None
    if parts.hidden:
        share = mix.hidden / len(parts.hidden)
        intercept = intercept + share * np.sum([member.out_bias for member in parts.hidden], axis=0)
        out = np.vstack([member.out for member in parts.hidden]) * np.float32(share)
        tuned_rows, tuned_scale = quantise_rows(np.hstack([member.tuned for member in parts.hidden]), bits)
        word_rows, word_scale = quantise_rows(np.hstack([member.words for member in parts.hidden]), bits)
        layer = HiddenLayer(
            prior,
            parts.hidden[0].tuned_ids.astype(np.int32),
            tuned_rows,
            tuned_scale,
            np.hstack([member.projection for member in parts.hidden]),
            word_ids.astype(np.int32),
            word_rows,
            word_scale,
            np.concatenate([member.bias for member in parts.hidden]),
            out if scope is None else np.column_stack([out, np.zeros(len(out), np.float32)]),
        )
    if scope is not None:
        intercept = np.append(intercept, scope.intercept)
    return ModelArrays(vocabulary, rows, scale, intercept.astype(np.float32), layer)


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
