"""Which of its new reasons a ticket of a split one has, and what is promised about that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contact_reasons.batch.labelled import read_labelled_file
from contact_reasons.bundle import Bundle
from contact_reasons.classifier import ReasonProbabilities
from contact_reasons.confidence import Thresholds, label_rows
from contact_reasons.confidence.promise import Promise, fit_promise
from contact_reasons.errors import BatchError, BundleError, CalibrationError, nearest
from contact_reasons.pipeline import read_contacts
from contact_reasons.taxonomy import Migration, Verdict

__all__ = ["Choice", "SplitPromise", "check_model", "choose", "fit_split_promises"]

NOT_SURE, ANOTHER = "not sure", "the model says another reason"
NO_SAMPLE = "the sample holds no ticket of it, so nothing is decided"


class Choice(NamedTuple):
    """What was found for a ticket of a split reason.

    Parameters
    ----------
    reason : str or None
        One of the targets; None if it was left undecided.
    confidence : float or None
    note : str or None
        Why it was left undecided.
    """

    reason: str | None
    confidence: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SplitPromise:
    """Thresholds for the tickets of one old reason, tested on a sample of just these tickets.

    Parameters
    ----------
    reason : str
        The old id.
    rows : int
        Of the sample.
    thresholds : Thresholds or None
        For probabilities among the targets alone; None: the sample allows no promise, and all tickets stay undecided.
    statement : str
        What is promised, or why nothing is.
    """

    reason: str
    rows: int
    thresholds: Thresholds | None
    statement: str


def check_model(bundle: Bundle, migration: Migration, place: str | Path) -> None:
    """Refuse a model that was not trained for the new version or does not know a target of a split.

    Parameters
    ----------
    bundle : Bundle
    migration : Migration
    place : str or Path
        Of the model, for the message.

    Raises
    ------
    BundleError
    """
    made_for, new = bundle.manifest.taxonomy, migration.new
    if (made_for.taxonomy_id, made_for.version) != (new.taxonomy_id, new.version):
        raise BundleError(
            f"{place}: trained for taxonomy {made_for.taxonomy_id!r} {made_for.version}; splits are decided by a model of the new one, "
            f"{new.taxonomy_id!r} {new.version}: train it first"
        )
    known = {*bundle.model.classes, *(one.partition(".")[0] for one in bundle.model.classes)}
    for reason, verdict in migration.changed.items():
        for target in verdict.targets if verdict.kind == "split" else ():
            if target not in known:
                raise BundleError(
                    f"{place}: the model was not trained on {target!r}, which {reason!r} is split into; {nearest(target, bundle.model.classes)} "
                    "Train it again with texts of that reason"
                )


def choose(
    said: ReasonProbabilities, bundle: Bundle, targets: Sequence[str], thresholds: Thresholds, *, among_targets: bool
) -> list[Choice]:
    """One choice a row of probabilities of a bundle's model.

    Parameters
    ----------
    said : ReasonProbabilities
    bundle : Bundle
    targets : sequence of str
        Secondaries, or primaries.
    thresholds : Thresholds
    among_targets : bool
        Whether the thresholds are for probabilities among the targets alone (`SplitPromise`). Otherwise they are for the whole label: it
        counts only if it is one of the targets.
    """
    classes = bundle.model.classes
    if among_targets:
        said, classes = _among(said, classes, targets)
    secondary = "." in targets[0]
    choices = []
    for label in label_rows(said, classes, thresholds):
        found = label.secondary if secondary else label.primary
        if found in targets:
            choices.append(Choice(found, label.confidence))
        else:
            choices.append(Choice(None, None, NOT_SURE if found is None else ANOTHER))
    return choices


def _among(
    said: ReasonProbabilities, classes: Sequence[str], targets: Sequence[str]
) -> tuple[ReasonProbabilities, tuple[str, ...]]:
    """Probabilities given that one of the targets is the reason. Not calibrated: only thresholds tested on such rows may be set on them."""
    kept = [i for i, one in enumerate(classes) if one in targets or one.partition(".")[0] in targets]
    proba = said.proba[:, kept]
    total = proba.sum(axis=1)
    share = np.divide(proba, total[:, None], out=np.full_like(proba, 1.0 / len(kept)), where=total[:, None] > 0)
    return ReasonProbabilities(share, (total > 0).astype(np.float64)), tuple(classes[i] for i in kept)


def fit_split_promises(
    sample: str | Path,
    migration: Migration,
    bundle: Bundle,
    *,
    promised_error: float = 0.05,
    assurance: float = 0.95,
    reason_column: str = "reason",
    before_column: str = "reason_before",
    text_column: str = "text",
    subject_column: str | None = None,
    customer_column: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> tuple[SplitPromise, ...]:
    """For each split reason, thresholds at which at most so many of its tickets that are decided are decided wrongly.

    The promises hold all together with the assurance: each of k splits gets 1/k of the risk. A label that is none of the targets makes any
    decision of that row wrong.

    Parameters
    ----------
    sample : str or Path
        Ticket file, labelled by hand with reasons of the new version: a random sample of the tickets of each split reason. The model must not
        have been trained on it.
    migration : Migration
    bundle : Bundle
    promised_error, assurance : float
        See `fit_promise`.
    reason_column, before_column : str
        New and old ids.
    text_column, subject_column, customer_column, delimiter, encoding : str
        See `read_labelled_file`.

    Raises
    ------
    BatchError, CalibrationError
        If the file does not fit or an argument is out of range. A sample that is too small is no error but no promise.
    """
    if not 0 < promised_error < 1 or not 0.5 <= assurance < 1:
        raise CalibrationError(
            f"a promised error of {promised_error} with assurance {assurance}: the error lies between 0 and 1, the assurance from 0.5 to below 1"
        )
    file = read_labelled_file(
        sample,
        reason_column=reason_column,
        id_column=before_column,
        text_column=text_column,
        subject_column=subject_column,
        customer_column=customer_column,
        delimiter=delimiter,
        encoding=encoding,
    )
    before = [str(one).strip() for one in file.data.ids or ()]
    truth: list[str | None] = []
    for row, label in zip(file.data.rows or (), file.labels, strict=True):
        if label is not None and label not in migration.new:
            known = [one.id for one in migration.new.reasons]
            raise BatchError(f"{sample}, row {row}: the label is no id of the new version; {nearest(label, known)}")
        truth.append(None if label is None else str(label))
    texts = [reading.text for reading in read_contacts(file.contacts)]
    splits = {reason: one for reason, one in migration.changed.items() if one.kind == "split"}
    found = [reason for reason in splits if reason in before]
    promises = []
    for reason in found:
        rows = [i for i, one in enumerate(before) if one == reason]
        groups = None if file.data.groups is None else [file.data.groups[i] for i in rows]
        said = bundle.model.predict([texts[i] for i in rows])
        each = 1.0 - (1.0 - assurance) / len(found)
        promises.append(
            _promise(reason, splits[reason], said, bundle, [truth[i] for i in rows], groups, promised_error, each)
        )
    lacking = [SplitPromise(one, 0, None, f"{one}: {NO_SAMPLE}") for one in splits if one not in before]
    return (*promises, *lacking)


def _promise(
    reason: str,
    verdict: Verdict,
    said: ReasonProbabilities,
    bundle: Bundle,
    truth: Sequence[str | None],
    groups: Sequence[object] | None,
    error: float,
    assurance: float,
) -> SplitPromise:
    secondary = "." in verdict.targets[0]
    among, classes = _among(said, bundle.model.classes, verdict.targets)
    if secondary:
        known = [one if one in classes else None for one in truth]
    else:  # of a primary alone, any of its secondaries stands for it
        first = {one.partition(".")[0]: one for one in reversed(classes)}
        known = [None if one is None else first.get(one.partition(".")[0]) for one in truth]
    try:
        promise = fit_promise(
            among,
            classes,
            known,
            error=error,
            assurance=assurance,
            levels="secondary" if secondary else "primary",
            groups=groups,
        )
    except CalibrationError as exc:
        return SplitPromise(reason, len(truth), None, f"{reason}: no promise, so nothing is decided: {exc}")
    return SplitPromise(reason, len(truth), promise.thresholds, _statement(reason, promise))


def _statement(reason: str, promise: Promise) -> str:
    return (
        f"{reason}: of its tickets that are decided at most {promise.error:.1%} are decided wrongly, with {promise.assurance:.2%} assurance, "
        f"from {promise.rows:,} tickets of it that were labelled by hand"
    )
