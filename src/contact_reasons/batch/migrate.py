"""History relabelled: a ticket file with old reasons in, the same rows with old and new reasons out."""

from __future__ import annotations

import functools
import importlib.metadata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from contact_reasons.batch.job import CHUNK_ROWS, Job, JobOptions, Progress, RunReport
from contact_reasons.batch.readers import Chunk, Columns, Reject, check_string
from contact_reasons.batch.splits import Choice, SplitPromise, check_model, choose, fit_split_promises
from contact_reasons.batch.tasks import Task, stamp_of
from contact_reasons.bundle import Bundle, model_files, read_bundle, shipped_turns
from contact_reasons.confidence import Thresholds
from contact_reasons.errors import BatchError
from contact_reasons.pipeline import fitting_calibration, read_contacts
from contact_reasons.records import Contact
from contact_reasons.taxonomy import Migration, read_migration

__all__ = ["MigrateTask", "migrate_file"]

COLUMNS: Final = {
    "before": "string",
    "decided": "string",
    "confidence": "float",
    "note": "string",
    "migration": "string",
}
NO_MODEL, NO_TEXT, NO_PROMISE = "no model was given", "no text", "the sample allows no promise"
UNKNOWN_ID = "no version knows this id"


class _Parts(NamedTuple):
    """Files that decide, and when they were written."""

    migration: str
    model: str | None
    calibration: str | None
    stamps: tuple[Any, ...]

    @classmethod
    def of(cls, migration: str, model: str | None, calibration: str | None) -> Self:
        paths: list[str | Path] = [
            migration,
            *([] if model is None else model_files(model)),
            *([calibration] if calibration else []),
        ]
        return cls(migration, model, calibration, tuple(stamp_of(Path(path)) for path in paths))


class _Loaded(NamedTuple):
    migration: Migration
    bundle: Bundle | None
    thresholds: Thresholds | None
    about: str


@functools.lru_cache(maxsize=4)
def _load(parts: _Parts) -> _Loaded:
    """A process loads the files once, and again where one was replaced between two jobs."""
    migration = read_migration(parts.migration)
    if parts.model is None:
        return _Loaded(migration, None, None, "splits are left undecided: no model was given")
    bundle = read_bundle(parts.model)
    check_model(bundle, migration, parts.model)
    thresholds, about = (
        bundle.thresholds,
        (
            f"splits: the model's own thresholds on the whole label, which count only where it is one of the targets ({bundle.manifest.thresholds_from})"
        ),
    )
    if parts.calibration is not None:
        found = fitting_calibration(parts.calibration, migration.new, bundle)
        thresholds = found.thresholds
        about = f"splits: thresholds on the whole label, which count only where it is one of the targets: {found.summary}; about contacts like that sample, not about single splits"
    if _Parts.of(*parts[:3]) != parts:
        raise BatchError(
            f"{parts.migration}: a file of the migration was replaced while the job was at work; start it again"
        )
    return _Loaded(migration, bundle, thresholds, about)


@dataclass(frozen=True, kw_only=True)
class MigrateTask(Task):
    """Give each row its reason in the new version, and keep the old one beside it.

    Parameters
    ----------
    migration : str
        Its file.
    reason_column : str
        Ids of either level; an empty cell is no reason.
    text_column : str
    subject_column, model, calibration : str, optional
    promises : tuple of SplitPromise, or None
        In place of thresholds on the whole label, for splits only.
    again : bool
        Whether the file has the columns of a migration already.
    """

    migration: str
    reason_column: str
    text_column: str = "text"
    subject_column: str | None = None
    model: str | None = None
    calibration: str | None = None
    promises: tuple[SplitPromise, ...] | None = None
    again: bool = False

    @functools.cached_property
    def _parts(self) -> _Parts:
        return _Parts.of(self.migration, self.model, self.calibration)

    @property
    def _loaded(self) -> _Loaded:
        return _load(self._parts)

    @property
    def added(self) -> dict[str, str]:
        return {} if self.again else {self.prefix + name: kind for name, kind in COLUMNS.items()}

    @property
    def needed(self) -> tuple[str, ...]:
        texts = (
            () if self.model is None else (self.text_column, *([self.subject_column] if self.subject_column else []))
        )
        return (self.reason_column, *texts)

    def bound(self, source: Columns) -> Self:
        own = [self.prefix + name for name in COLUMNS]
        if self.reason_column in own:
            raise BatchError(
                f"the prefix {self.prefix!r} would overwrite the column {self.reason_column!r}; choose another --prefix"
            )
        again = all(name in source.columns for name in own)
        return super(MigrateTask, replace(self, again=again)).bound(source)

    def versions(self) -> dict[str, str]:
        migration, bundle, _, about = self._loaded
        promised = "" if self.promises is None else "; ".join(one.statement for one in self.promises)
        return {
            "package": importlib.metadata.version("contact-reasons"),
            "migration": f"{migration.version} {migration.sha256}",
            "model": "" if bundle is None else bundle.manifest.seal,
            "turns": "" if bundle is None else shipped_turns().manifest.seal,
            "splits": about if self.promises is None else promised or "no reason was split",
        }

    def tallies(self, results: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, int]]:
        decided, notes = results[f"{self.prefix}decided"], results[f"{self.prefix}note"]
        before = results[f"{self.prefix}before"]
        known = self._loaded.migration
        open_ = Counter(
            one.strip() if known.verdict(one.strip()) is not None else UNKNOWN_ID
            for one, how in zip(before, decided, strict=True)
            if how == "undecided"
        )
        why = Counter(note for note, how in zip(notes, decided, strict=True) if how == "undecided")
        return {"decided": dict(Counter(decided)), "undecided": dict(open_), "why undecided": dict(why)}

    def run(self, chunk: Chunk) -> dict[str, list[Any]]:
        given = chunk.column(self.reason_column)
        for (row, line), value in zip(chunk.numbers, given, strict=True):
            if cause := check_string(value, self.reason_column):
                chunk.rejects.append(Reject(row, line, cause.replace("the text", "the reason")))
        chunk.keep([i for i, value in enumerate(given) if value is None or isinstance(value, str)])
        given = chunk.column(self.reason_column)
        migration = self._loaded.migration
        marks = chunk.column(f"{self.prefix}migration") if self.again else [None] * len(given)
        self._check_marks(chunk, marks, migration.version)
        rows = [self._row(value, migration) for value in given]
        splits = {i: row.targets for i, row in enumerate(rows) if row.targets and not marks[i]}
        for i, choice in self._choices(chunk, splits, given).items():
            rows[i] = (
                _Row("undecided", None, choice.note)
                if choice.reason is None
                else _Row("classifier", choice.reason, None, choice.confidence)
            )
        results: dict[str, list[Any]] = {
            self.reason_column: [
                value if row.reason is None else row.reason for value, row in zip(given, rows, strict=True)
            ],
            f"{self.prefix}before": list(given),
            f"{self.prefix}decided": [row.decided for row in rows],
            f"{self.prefix}confidence": [row.confidence for row in rows],
            f"{self.prefix}note": [row.note for row in rows],
            f"{self.prefix}migration": [migration.version] * len(rows),
        }
        if self.again:
            for name, values in results.items():
                results[name] = [
                    old if mark else new for old, new, mark in zip(chunk.column(name), values, marks, strict=True)
                ]
        return results

    def _check_marks(self, chunk: Chunk, marks: Sequence[Any], version: str) -> None:
        for (row, _), mark in zip(chunk.numbers, marks, strict=True):
            if mark and mark != version:
                raise BatchError(
                    f"row {row}: the column {self.prefix + 'migration'!r} says that it was migrated by another file; choose other columns for this "
                    "migration with --prefix"
                )

    def _row(self, value: str | None, migration: Migration) -> _Row:
        reason = (value or "").strip()
        if not reason:
            return _Row("no reason", None)
        verdict = migration.verdict(reason)
        if verdict is None:
            return _Row("undecided", None, UNKNOWN_ID)
        if verdict.kind == "split":
            return _Row("undecided", None, NO_MODEL, targets=verdict.targets)
        if verdict.kind == "retired":
            return _Row("retired", None)
        (target,) = verdict.targets
        return _Row("unchanged", None) if target == reason else _Row("rule", target)

    def _choices(
        self, chunk: Chunk, splits: Mapping[int, tuple[str, ...]], given: Sequence[str | None]
    ) -> dict[int, Choice]:
        """What was found for the rows of split reasons, by position."""
        _, bundle, thresholds, _ = self._loaded
        if bundle is None or thresholds is None or not splits:
            return {}
        texts = chunk.column(self.text_column)
        subjects = [None] * len(texts) if self.subject_column is None else chunk.column(self.subject_column)
        found: dict[int, Choice] = {}
        contacts = {}
        for i in splits:
            text, subject = (one if isinstance(one, str) else "" for one in (texts[i], subjects[i]))
            if text.strip() or subject.strip():
                contacts[i] = Contact(text=text, subject=subject or None)
            else:
                found[i] = Choice(None, None, NO_TEXT)
        clean = {i: one.text for i, one in zip(contacts, read_contacts(contacts.values()), strict=True)}
        promised = None if self.promises is None else {one.reason: one.thresholds for one in self.promises}
        for reason, targets in sorted({((given[i] or "").strip(), splits[i]) for i in clean}):
            rows = [i for i in clean if (given[i] or "").strip() == reason]
            limits = thresholds if promised is None else promised.get(reason)
            if limits is None:
                found |= {i: Choice(None, None, NO_PROMISE) for i in rows}
                continue
            said = bundle.model.predict([clean[i] for i in rows])
            found |= zip(rows, choose(said, bundle, targets, limits, among_targets=promised is not None), strict=True)
        return found


class _Row(NamedTuple):
    decided: str
    reason: str | None
    note: str | None = None
    confidence: float | None = None
    targets: tuple[str, ...] = ()


def migrate_file(
    source: str | Path,
    out: str | Path,
    *,
    migration: str | Path,
    reason_column: str = "reason",
    text_column: str = "text",
    subject_column: str | None = None,
    model: str | Path | None = None,
    calibration: str | Path | None = None,
    checked: str | Path | None = None,
    customer_column: str | None = None,
    promised_error: float = 0.05,
    assurance: float = 0.95,
    prefix: str | None = None,
    jobs: int = 1,
    chunk_rows: int = CHUNK_ROWS,
    delimiter: str = ",",
    encoding: str = "utf-8",
    formula_guard: bool = True,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Relabel a ticket file by a migration: rows in are rows out, each with its old reason beside the new one.

    Unambiguous moves follow the migration. Of a split reason, the model says which target a ticket has, or it stays ``undecided`` and keeps the
    old id. A row that this migration has relabelled before is left as it is, so that doing it twice is doing it once.

    Parameters
    ----------
    source, out, migration : str or Path
    reason_column : str
        Gets the new ids. Empty cells stay empty.
    text_column, subject_column : str
        Read only for splits.
    model : str or Path, optional
        Directory of a model of the new version. Without it, splits stay undecided.
    calibration : str or Path, optional
        File of `contact-reasons calibrate`, in place of the model's thresholds.
    checked : str or Path, optional
        Sample of tickets of split reasons, labelled by hand: see `fit_split_promises`. In place of thresholds on the whole label.
    customer_column : str, optional
        Of the sample.
    promised_error, assurance : float
        Of the promise that the sample is to give.
    prefix : str, optional
        Of the added columns ``before``, ``decided``, ``confidence``, ``note`` and ``migration``; by default the reason column's name and ``_``.
    jobs, chunk_rows, delimiter, encoding, formula_guard, overwrite, restart, progress
        See `label_file`.

    Raises
    ------
    BatchError, MigrationError, BundleError, CalibrationError
        If files do not fit, or a row was relabelled by another migration.
    """
    prefix = f"{reason_column}_" if prefix is None else prefix
    if model is None and (calibration is not None or checked is not None):
        raise BatchError("a calibration or a checked sample is for a model; name it with --model, or leave both out")
    if calibration is not None and checked is not None:
        raise BatchError("give a calibration or a checked sample, not both: a split is decided by one promise")
    task = MigrateTask(
        migration=str(Path(migration).resolve()),
        reason_column=reason_column,
        text_column=text_column,
        subject_column=subject_column,
        model=None if model is None else str(Path(model).resolve()),
        calibration=None if calibration is None else str(Path(calibration).resolve()),
        prefix=prefix,
    )
    bundle = task._loaded.bundle
    if checked is not None and bundle is not None:
        promises = fit_split_promises(
            checked,
            task._loaded.migration,
            bundle,
            promised_error=promised_error,
            assurance=assurance,
            reason_column=reason_column,
            before_column=f"{prefix}before",
            text_column=text_column,
            subject_column=subject_column,
            customer_column=customer_column,
            delimiter=delimiter,
            encoding=encoding,
        )
        task = replace(task, promises=promises)
    options = JobOptions(jobs, chunk_rows, delimiter, encoding, formula_guard, overwrite, restart)
    return Job(Path(source), Path(out), task, options).run(progress)
