"""From a labelled ticket file to a calibration: thresholds that keep a promised error rate."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from contact_reasons.batch.labelled import read_labelled_file
from contact_reasons.confidence.calibration import Calibration, write_calibration
from contact_reasons.confidence.promise import fit_promise
from contact_reasons.errors import BatchError, CalibrationError
from contact_reasons.pipeline import load_pipeline, read_contacts

__all__ = ["calibrate_file"]


def calibrate_file(
    source: str | Path,
    out: str | Path,
    *,
    made_on: str,
    promised_error: float = 0.05,
    assurance: float = 0.95,
    audited: int | None = None,
    levels: str = "both",
    per_primary: bool = False,
    pack: str | Path = "retail",
    model: str | Path | None = None,
    reason_column: str = "reason",
    primary_column: str | None = None,
    text_column: str = "text",
    subject_column: str | None = None,
    customer_column: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
    overwrite: bool = False,
) -> Calibration:
    """Make ``calibration.json`` for a model from a random sample of labelled tickets that it was not trained on.

    Parameters
    ----------
    source : str or Path
        CSV, JSON Lines or Parquet. Rows without a label have no reason of the taxonomy: any label of them is wrong.
    out : str or Path
    made_on : str
        Day that is written into the file, such as ``'2026-11-22'``.
    promised_error, assurance, audited, levels, per_primary
        See `fit_promise`.
    pack, model : str or Path
        See `load_pipeline`.
    reason_column, primary_column, text_column, subject_column : str
        See `train_file`.
    customer_column : str, optional
        Of the tickets of one customer only one is used: tickets have to be independent.
    delimiter, encoding : str
        Of CSV files.
    overwrite : bool
        Replace an existing ``out``.

    Raises
    ------
    BatchError, CalibrationError, PackError, TaxonomyError, BundleError, PolicyError
    """
    if Path(out).exists() and not overwrite:
        raise CalibrationError(f"{out}: the file exists; choose another name, or replace it with --overwrite")
    pipeline = load_pipeline(pack, model=model)
    file = read_labelled_file(
        source,
        reason_column=reason_column,
        primary_column=primary_column,
        text_column=text_column,
        subject_column=subject_column,
        customer_column=customer_column,
        delimiter=delimiter,
        encoding=encoding,
    )
    truth = file.reasons(pipeline.taxonomy)
    classes = pipeline.bundle.model.classes
    clean = [reading.text for reading in read_contacts(file.contacts)]
    for row, reason in zip(file.data.rows or (), truth, strict=True):
        if reason is not None and reason not in classes:
            raise BatchError(
                f"{source}, row {row}: the model was not trained on {reason!r}, a reason of taxonomy {pipeline.taxonomy.taxonomy_id!r}; "
                "train it again, or empty the label: the model cannot be right there"
            )
    promise = fit_promise(
        pipeline.bundle.model.predict(clean),
        classes,
        truth,
        error=promised_error,
        assurance=assurance,
        audited=audited,
        levels=levels,
        per_primary=per_primary,
        groups=file.data.groups,
    )
    calibration = Calibration(
        promise,
        model=pipeline.bundle.manifest.seal,
        taxonomy_id=pipeline.taxonomy.taxonomy_id,
        taxonomy_version=pipeline.taxonomy.version,
        sample_sha256=_sample_sha256(clean, truth),
        made_on=made_on,
    )
    write_calibration(calibration, out)
    return calibration


def _sample_sha256(clean: Sequence[str], truth: Sequence[str | None]) -> str:
    """Of texts and labels, in whatever order."""
    rows = sorted(
        hashlib.sha256(repr((text, reason)).encode()).hexdigest() for text, reason in zip(clean, truth, strict=True)
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
