"""From labelled texts to a classifier and thresholds, honest scores of both, and checks of the labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from contact_reasons.classifier import ReasonModel, ReasonProbabilities
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.confidence import Thresholds, fit_thresholds, label_rows
from contact_reasons.errors import TrainingError, nearest, shorten
from contact_reasons.evaluation import (
    Suspect,
    labels_depend_on_texts,
    likely_mislabelled,
    plain,
    proportion,
    score_labels,
)
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.training.data import LabelledTexts, Recipe, clean_sha256
from contact_reasons.training.findings import describe_data, describe_dependence, describe_sides, findings
from contact_reasons.training.splits import Sides, cut_by_time, keep_together, near_repeats

__all__ = ["Progress", "TrainedReasons", "train"]

Progress = Callable[[str, float], None]
"""Called with what is being done, and the share of the work that is done before it."""


class TrainedReasons(NamedTuple):
    """Fitted parts and what is known of them.

    Parameters
    ----------
    model : ReasonModel
    thresholds : Thresholds
    training : dict
        Recipe, counts and hash of the data; ``checks`` of data, splits and labels; ``alarms`` and ``notes``, what a careful reader would say of them.
    scores : dict
        By set: ``held_out_folds`` of the training texts; ``newest`` if times were given; ``test`` if test texts were given.
    suspects : tuple of Suspect
        Likely mislabelled texts; rows are places in the data, from 0, and the label ``''`` is no reason.
    """

    model: ReasonModel
    thresholds: Thresholds
    training: dict[str, Any]
    scores: dict[str, Any]
    suspects: tuple[Suspect, ...]


def train(
    data: LabelledTexts,
    taxonomy: Taxonomy,
    *,
    recipe: Recipe | None = None,
    test: LabelledTexts | None = None,
    unlabelled: Sequence[str] | None = None,
    teacher: Any = None,
    progress: Progress | None = None,
) -> TrainedReasons:
    """Train, fit thresholds on held-out folds, score on texts that were not trained on, and check the labels.

    Texts of one group, equal texts and near repeats stand on one side of every split. If there are times, a model trained on the older texts is scored on the
    newest fifth; the model that is returned is trained on all. Test texts that share 80 % or more of their words with
    a training text are left out of the score and counted.

    Parameters
    ----------
    data : LabelledTexts
    taxonomy : Taxonomy
    recipe : Recipe, optional
    test : LabelledTexts, optional
    unlabelled : sequence of str, optional
        Clean texts without labels, for the classifier to learn from.
    teacher : object with ``encode(texts) -> ndarray``, optional
        Sentence encoder, for the classifier to learn from.
    progress : callable, optional
        Called with what is being done and the share that is done before it.

    Raises
    ------
    TrainingError
        If a reason is not in the taxonomy, or texts and ids do not allow training.
    """
    recipe, tell = recipe or Recipe(), progress or (lambda *_: None)
    for source, labelled in (("the training texts", data), ("the test texts", test)):
        _check_reasons(source, labelled, taxonomy)
    tell("cleaning texts", 0.0)
    fitting = _Fitting(data, data.clean, recipe, unlabelled, teacher)
    tell("looking for repeated texts", 0.05)
    sides = fitting.sides
    inside = [row for row, reason in enumerate(data.reasons) if reason is not None]
    tell("testing whether labels depend on texts", 0.1)
    dependence = labels_depend_on_texts(
        [fitting.clean[row] for row in inside],
        [reason for reason in data.reasons if reason is not None],
        [sides.keys[row] for row in inside],
        seed=recipe.seed,
    )
    scores: dict[str, Any] = {}
    time_check: dict[str, Any] | None = None
    if data.times is not None:
        tell("training on the older texts, to score on the newest", 0.2)
        time_check, newest = _score_newest(fitting, data.times)
        scores |= {} if newest is None else {"newest": newest}
    tell("training on all texts", 0.5 if data.times is not None else 0.2)
    classifier, order = fitting.fit(range(len(data.texts)))
    tell("scoring", 0.9)
    model, truth = classifier.model_, [data.reasons[row] for row in order]
    thresholds = fit_thresholds(classifier.out_of_fold_, model.classes, truth, wanted_error=recipe.wanted_error)
    held_out = label_rows(classifier.out_of_fold_, model.classes, thresholds)
    scores["held_out_folds"] = {"texts_left_out": 0, **score_labels(truth, held_out)}
    if test is not None:
        scores["test"] = _score_test(test, fitting.clean, model, thresholds)
    suspects, judged = _suspects(classifier.out_of_fold_, model.classes, truth, order)
    checks = {
        "data": describe_data(data, taxonomy, sides),
        "sides": describe_sides(sides, grouped=data.groups is not None),
        "time": time_check,
        "dependence": describe_dependence(dependence),
        "mislabelled": {"likely": len(suspects), "judged": judged},
        "unlabelled": 0 if unlabelled is None else len(unlabelled),
    }
    alarms, notes = findings(checks)
    training = {
        "recipe": asdict(recipe),
        "sha256": data.sha256,
        "clean_sha256": clean_sha256(fitting.clean),
        "texts": len(inside),
        "texts_out_of_scope": len(order) - len(inside),
        "features": model.arrays.vocabulary.n_features,
        "checks": checks,
        "alarms": alarms,
        "notes": notes,
    }
    return TrainedReasons(model, thresholds, training, scores, suspects)


class _Fitting:
    """Labelled texts with their sides, from which classifiers are trained on some of the rows."""

    def __init__(
        self, data: LabelledTexts, clean: list[str], recipe: Recipe, unlabelled: Sequence[str] | None, teacher: Any
    ) -> None:
        self.data, self.clean, self.recipe = data, clean, recipe
        self.unlabelled, self.teacher = unlabelled, teacher
        inside = [row for row, reason in enumerate(data.reasons) if reason is not None]
        if data.groups is not None and all(data.groups) and len({data.groups[row] for row in inside}) == 1:
            raise TrainingError(
                "all texts are of one customer, so nothing can be held out to score on; leave the customer column out or name the right one"
            )

    @functools.cached_property
    def sides(self) -> Sides:
        return keep_together(self.clean, self.data.groups)

    def fit(self, rows: Iterable[int]) -> tuple[ReasonClassifier, list[int]]:
        """A classifier trained on these rows, and the rows in its order: those without a reason last."""
        reasons, recipe = self.data.reasons, self.recipe
        order = sorted(rows, key=lambda row: reasons[row] is None)
        inside = [row for row in order if reasons[row] is not None]
        classifier = ReasonClassifier(
            C=recipe.C,
            min_df=recipe.min_df,
            class_weight=recipe.class_weight,
            hidden_units=recipe.hidden_units,
            members=recipe.members,
            word_rows=recipe.word_rows,
            weight_bits=recipe.weight_bits,
            calibration_folds=recipe.calibration_folds,
            random_state=recipe.seed,
        )
        classifier.fit(
            [self.clean[row] for row in inside],
            [reasons[row] for row in inside],
            out_of_scope=[self.clean[row] for row in order[len(inside) :]] or None,
            groups=[self.sides.keys[row] for row in order],
            unlabelled=self.unlabelled,
            teacher=self.teacher,
        )
        return classifier, order


def _score_newest(fitting: _Fitting, times: Sequence[datetime | None]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """How the newest texts were split off, and the scores on them of a model trained on the older ones alone."""
    reasons = fitting.data.reasons
    cut = cut_by_time(times, fitting.sides.keys)
    if cut is None:
        return {"skipped": "the texts have no two different times"}, None
    known = {reasons[row] for row in cut.older} - {None}
    newer = [int(row) for row in cut.newer]
    check: dict[str, Any] = {
        "cut": cut.moment.isoformat(),
        "older": len(cut.older),
        "newer": len(newer),
        "left_out": len(cut.left_out),
        "undated": cut.undated,
        "only_newer": sorted({reason for row in newer if (reason := reasons[row]) is not None} - known),
    }
    if len(known) < 2 or not any(reasons[row] is not None for row in newer):
        why = "the older texts have fewer than two reasons" if len(known) < 2 else "no newer text is of a new customer"
        return {**check, "skipped": why}, None
    classifier, order = fitting.fit(cut.older.tolist())
    model = classifier.model_
    thresholds = fit_thresholds(
        classifier.out_of_fold_,
        model.classes,
        [reasons[row] for row in order],
        wanted_error=fitting.recipe.wanted_error,
    )
    labels = label_rows(model.predict([fitting.clean[row] for row in newer]), model.classes, thresholds)
    every = [row for row in (*newer, *cut.left_out.tolist()) if reasons[row] is not None]
    best = model.predict([fitting.clean[row] for row in every]).proba.argmax(axis=1)
    right = sum(model.classes[i] == reasons[row] for i, row in zip(best.tolist(), every, strict=True))
    check["left_out_included"] = plain(proportion(right, len(every)))
    return check, {"texts_left_out": len(cut.left_out), **score_labels([reasons[row] for row in newer], labels)}


def _score_test(
    test: LabelledTexts, clean: Sequence[str], model: ReasonModel, thresholds: Thresholds
) -> dict[str, Any]:
    clean_test = test.clean
    kept = np.flatnonzero(~near_repeats(clean_test, clean))
    labels = label_rows(model.predict([clean_test[row] for row in kept]), model.classes, thresholds)
    return {
        "sha256": test.sha256,
        "texts_left_out": len(clean_test) - len(kept),
        **score_labels([test.reasons[row] for row in kept], labels),
    }


def _suspects(
    said: ReasonProbabilities, classes: Sequence[str], truth: Sequence[str | None], order: Sequence[int]
) -> tuple[tuple[Suspect, ...], int]:
    """Likely mislabelled texts, by their rows in the data, and how many texts were judged."""
    proba, names = said.proba * said.in_scope[:, None], [*classes]
    if None in truth:
        proba, names = np.column_stack([proba, 1 - said.in_scope]), [*classes, ""]
    judged = np.ptp(said.proba, axis=1) > 1e-12
    found = likely_mislabelled(proba, [reason or "" for reason in truth], names, judged=judged)
    return tuple(suspect._replace(row=order[suspect.row]) for suspect in found), int(judged.sum())


def _check_reasons(source: str, data: LabelledTexts | None, taxonomy: Taxonomy) -> None:
    known = set(taxonomy.secondary_ids)
    if data is None:
        return
    for row, reason in zip(data.rows or range(1, len(data.reasons) + 1), data.reasons, strict=True):
        if reason is not None and reason not in known:
            raise TrainingError(
                f"{source}, row {row}: {shorten(reason)} is no secondary reason of taxonomy {taxonomy.taxonomy_id!r}; "
                f"{nearest(reason, taxonomy.secondary_ids)} Correct the label or add the reason to the taxonomy"
            )
