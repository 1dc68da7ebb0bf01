"""Every measure of a pipeline on texts whose reasons are known."""

from __future__ import annotations

import copy
import datetime
import hashlib
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import primary_index
from contact_reasons.confidence import DECIMALS, label_rows, tempered
from contact_reasons.errors import BatchError, RecordError, shorten
from contact_reasons.evaluation import (
    Proportion,
    ReliabilityBin,
    confusion_matrix,
    equal_mass_edges,
    plain,
    reliability_bins,
    risk_coverage,
    roc_area,
    score_confidence,
    score_labels,
    score_probabilities,
)
from contact_reasons.pipeline import Pipeline, load_pipeline, read_contacts
from contact_reasons.records import Contact, ReasonLabel
from contact_reasons.taxonomy import distinct_labels, ids_of_labels

__all__ = ["Evaluation", "evaluate", "evaluate_file", "write_evaluation"]

FloatArray = npt.NDArray[np.float64]

RISKS: Final = (0.01, 0.02, 0.05, 0.1)
"""Shares of wrong answers for which the coverage is given."""

_HISTOGRAM_BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every measure of a pipeline on texts whose reasons are known. No text is in it.

    Parameters
    ----------
    figures : mapping
        Plain data, as in the page "Measures" of the documentation.
    """

    figures: Mapping[str, Any]

    def __repr__(self) -> str:
        """The figures that are asked for first."""
        right, coverage = self.figures["secondary_accuracy"], self.figures["coverage"]
        return (
            f"Evaluation({self.figures['rows']:,} texts, secondary right {_shown(right)}, labelled {_shown(coverage)})"
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain data, to keep or to write as JSON."""
        return copy.deepcopy(dict(self.figures))

    def to_json(self) -> str:
        """All figures as JSON."""
        return json.dumps(self.figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_html(self, *, title: str | None = None, date: str | None = None) -> str:
        """All figures as one HTML page that needs nothing else: no network, no library, no font.

        The same figures, title and date give the same bytes. Needs the extra ``report``.

        Parameters
        ----------
        title : str, optional
            Of the page.
        date : str, optional
            As it is to stand on the page; without one there is none.

        Raises
        ------
        BatchError
            If Jinja is not installed.
        """
        from contact_reasons.report.page import make_page

        return make_page(self.figures, title=title, date=date)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, for notebooks."""
        from html import escape

        frame = "width:100%;height:48rem;border:1px solid #999"
        page = escape(self.to_html(), quote=True)
        return f'<iframe title="Evaluation" sandbox="allow-scripts" style="{frame}" srcdoc="{page}"></iframe>'


def evaluate(
    pipeline: Pipeline,
    texts: Sequence[str | Contact],
    truth: Sequence[str | None],
    *,
    n_threads: int = 1,
) -> Evaluation:
    """Every measure of a pipeline on texts whose reasons are known.

    Figures hold for contacts like these: take a random sample, not the ones that were easy to label, and none that the model
    was trained on.

    Parameters
    ----------
    pipeline : Pipeline
    texts : sequence of str or Contact, length n
        As customers wrote them: they are cleaned as in labelling.
    truth : sequence of str or None, length n
        Secondary ids or their labels; None for a text without a reason.
    n_threads : int, default=1
        Of the model, >= 1. They do not change the figures.

    Raises
    ------
    RecordError
        If there are no texts, lengths differ, or something is neither a text nor a contact.
    TaxonomyError
        If a reason is not in the taxonomy.

    Examples
    --------
    >>> import contact_reasons as cr
    >>> found = evaluate(cr.load_pipeline("retail"), ["where is my parcel", "do you fix cars"], ["delivery.track", None])
    >>> found.figures["rows"], found.figures["out_of_scope"]
    (2, 1)
    """
    if isinstance(texts, str) or len(texts) != len(truth):
        raise RecordError(
            f"{len(texts)} texts and {len(truth)} reasons are given; give one reason, or None, for each text"
        )
    contacts = []
    for row, text in enumerate(texts):
        if not isinstance(text, str | Contact):
            raise RecordError(f"texts[{row}] is {shorten(type(text).__name__)}; give a string or a Contact")
        contacts.append(Contact(text=text) if isinstance(text, str) else text)
    return _measure(pipeline, contacts, ids_of_labels(truth, pipeline.taxonomy), {}, n_threads)


def evaluate_file(
    source: str | Path,
    *,
    pack: str | Path = "retail",
    model: str | Path | None = None,
    calibration: str | Path | None = None,
    reason_column: str = "reason",
    primary_column: str | None = None,
    text_column: str = "text",
    subject_column: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> Evaluation:
    """Every measure of a pack on a file of tickets whose reasons are known; an empty reason: none of the taxonomy's.

    Parameters
    ----------
    source : str or Path
        CSV, JSON Lines or Parquet.
    pack, model, calibration
        As for `load_pipeline`.
    reason_column, primary_column, text_column, subject_column, delimiter, encoding
        As for `train_file`.

    Raises
    ------
    BatchError
        If a column is not there, a row cannot be read, a reason is not in the taxonomy, or no row holds a text.
    PackError, TaxonomyError, BundleError, PolicyError, CalibrationError
        As for `load_pipeline`.
    """
    from contact_reasons.batch.labelled import read_labelled_file

    file = read_labelled_file(
        source,
        reason_column=reason_column,
        primary_column=primary_column,
        text_column=text_column,
        subject_column=subject_column,
        delimiter=delimiter,
        encoding=encoding,
    )
    pipeline = load_pipeline(pack, model=model, calibration=calibration)
    truth = file.reasons(pipeline.taxonomy)
    if not truth:
        raise BatchError(f"{source}: no row holds a text in column {text_column!r}; name the column with --text-column")
    read = {"file": Path(source).name, "rows_without_text": file.reading["without_text"]}
    return _measure(pipeline, file.contacts, truth, read, 1)


def write_evaluation(
    evaluation: Evaluation,
    json_out: str | Path | None = None,
    html_out: str | Path | None = None,
    *,
    title: str | None = None,
    date: str | None = None,
) -> dict[str, Path]:
    """Write the figures, the page or both; what was written, by name.

    Parameters
    ----------
    evaluation : Evaluation
    json_out, html_out : str or Path, optional
    title : str, optional
        Of the page.
    date : str, optional
        On the page; by default today's.

    Raises
    ------
    BatchError
        If a file cannot be written.
    """
    day = datetime.date.today().isoformat() if date is None else date
    made = {
        "All figures": (json_out, evaluation.to_json),
        "Page": (html_out, lambda: evaluation.to_html(title=title, date=day)),
    }
    written = {}
    for name, (path, make) in made.items():
        if path is not None:
            try:
                Path(path).write_text(make(), encoding="utf-8")
            except OSError as exc:
                raise BatchError(
                    f"{path}: it cannot be written ({exc.strerror or exc}); check the folder and its rights"
                ) from exc
            written[name] = Path(path)
    return written


def _measure(
    pipeline: Pipeline,
    contacts: Sequence[Contact],
    truth: Sequence[str | None],
    read: Mapping[str, Any],
    n_threads: int,
) -> Evaluation:
    if not contacts:
        raise RecordError("there are no texts to evaluate on; give at least one")
    clean = [reading.text for reading in read_contacts(contacts)]
    model, taxonomy = pipeline.bundle.model, pipeline.taxonomy
    said = model.predict(clean, n_threads)
    labels = label_rows(said, model.classes, pipeline.thresholds)
    joint = tempered(said, pipeline.thresholds.temperature)
    primaries, starts = primary_index(model.classes)
    sums = np.minimum(np.add.reduceat(joint, starts, axis=1), 1.0)
    parents = [None if reason is None else reason.partition(".")[0] for reason in truth]
    chance = np.array([min(label.ranked[0].probability, 1.0) for label in labels])
    best = [label.ranked[0].reason for label in labels]
    best_primary = [primaries[at] for at in sums.argmax(axis=1)]
    inside = np.array([reason is not None for reason in truth])
    right = np.array([answer == reason for answer, reason in zip(best, truth, strict=True)])
    names = distinct_labels(taxonomy)
    figures = {
        "rows": len(truth),
        "out_of_scope": int((~inside).sum()),
        **score_labels(truth, labels),
        "outcomes": _outcomes(truth, labels),
        "levels": {
            "secondary": _level(chance, best, joint, truth, model.classes),
            "primary": _level(sums.max(axis=1).round(DECIMALS), best_primary, sums, parents, primaries),
        },
        "scope": _scope(chance, inside),
        "histogram": _histogram(chance, right, inside),
        "confusion": {
            "primary_reported": _matrix(
                parents, [label.primary for label in labels], [p.id for p in taxonomy.primaries]
            ),
            "secondary_forced": _matrix(truth, best, [*names]),
        },
        "labels": {**{p.id: p.label for p in taxonomy.primaries}, **names},
        "about": {**_about(pipeline), "data": {**read, "sha256": _hash(clean, truth)}},
    }
    return Evaluation(figures)


def _outcomes(truth: Sequence[str | None], labels: Sequence[ReasonLabel]) -> dict[str, int]:
    """Every text in one of five groups."""

    def outcome(reason: str | None, label: ReasonLabel) -> str:
        if label.abstained:
            return "out_of_scope_left" if reason is None else "left_to_a_person"
        if reason is None:
            return "wrong"
        if label.secondary is not None:
            return "secondary_right" if label.secondary == reason else "wrong"
        return "primary_only_right" if label.primary == reason.partition(".")[0] else "wrong"

    found = Counter(outcome(reason, label) for reason, label in zip(truth, labels, strict=True))
    names = ("secondary_right", "primary_only_right", "wrong", "left_to_a_person", "out_of_scope_left")
    return {name: found[name] for name in names}


def _level(
    chance: FloatArray,
    answers: Sequence[str],
    proba: FloatArray,
    truth: Sequence[str | None],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Calibration and the risk–coverage curve of the most probable reason of one level."""
    right = np.array([answer == reason for answer, reason in zip(answers, truth, strict=True)])
    scores = score_confidence(chance, right)
    curve = risk_coverage(chance, ~right)
    return {
        **scores._asdict(),
        "right": plain(scores.right),
        **score_probabilities(proba, truth, classes)._asdict(),
        "aurc": curve.area,
        "aurc_excess": curve.excess_area,
        "bins": _bins(reliability_bins(chance, right)),
        "equal_mass_bins": _bins(reliability_bins(chance, right, equal_mass_edges(chance))),
        "curve": [
            {
                "confidence": point.confidence,
                "coverage": point.coverage.share,
                "risk": point.risk.share,
                "risk_low": point.risk.low,
                "risk_high": point.risk.high,
            }
            for point in curve.points()
        ],
        "at_risk": [
            {
                "wanted": wanted,
                "confidence": None if point is None else point.confidence,
                "coverage": plain(Proportion(0.0, 0.0, 0.0, 0, len(truth)) if point is None else point.coverage),
                "risk": None if point is None else plain(point.risk),
            }
            for wanted in RISKS
            for point in [curve.at_risk(wanted)]
        ],
    }


def _bins(bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    return [
        {"from": one.low, "to": one.high, "mean_confidence": one.mean_confidence, **plain(one.right)} for one in bins
    ]


def _scope(chance: FloatArray, inside: npt.NDArray[np.bool_]) -> dict[str, Any] | None:
    """How confidence tells texts with a reason from those without; None where one of them is missing."""
    if inside.all() or not inside.any():
        return None
    return roc_area(chance[inside], chance[~inside])._asdict()


def _histogram(chance: FloatArray, right: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> dict[str, Any]:
    edges = np.arange(_HISTOGRAM_BINS + 1) / _HISTOGRAM_BINS
    groups = {"right": right, "wrong": inside & ~right, "out_of_scope": ~inside}
    counts = {name: np.histogram(chance[rows], edges)[0].tolist() for name, rows in groups.items()}
    return {"edges": edges.tolist(), **counts}


def _matrix(truth: Sequence[str | None], answers: Sequence[str | None], order: Sequence[str]) -> dict[str, Any]:
    """Cells that hold something, as row, column and number; behind the last of the order: no reason, left to a person."""
    counts = confusion_matrix(truth, answers, order)
    return {"order": [*order], "cells": [[int(i), int(j), int(counts[i, j])] for i, j in np.argwhere(counts)]}


def _about(pipeline: Pipeline) -> dict[str, Any]:
    manifest, taxonomy, thresholds = pipeline.bundle.manifest, pipeline.taxonomy, pipeline.thresholds
    return {
        "package_version": importlib.metadata.version("contact-reasons"),
        "taxonomy": {
            "id": taxonomy.taxonomy_id,
            "version": taxonomy.version,
            "sha256": taxonomy.sha256,
            "primaries": len(taxonomy.primaries),
            "secondaries": len(taxonomy.secondaries),
        },
        "model": {
            "seal": manifest.seal,
            "arrays_sha256": manifest.files["arrays.npz"],
            "package_version": manifest.package_version,
            "taxonomy_version": manifest.taxonomy.version,
            "knows_scope": manifest.knows_scope,
            "thresholds": {"secondary": thresholds.secondary, "primary": thresholds.primary},
            "thresholds_from": manifest.thresholds_from
            if pipeline.calibration is None
            else pipeline.calibration.summary,
        },
    }


def _hash(clean: Sequence[str], truth: Sequence[str | None]) -> str:
    rows = json.dumps([[*clean], [*truth]]).encode()
    return hashlib.sha256(rows).hexdigest()


def _shown(value: Mapping[str, Any]) -> str:
    return f"{value['share']:.1%}" if value["total"] else "none"
