"""What is done to a chunk of tickets: label and route, or route only. Tasks are small, picklable values."""

from __future__ import annotations

import functools
import importlib.metadata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from contact_reasons.batch.readers import Chunk, Columns, Reject, check_string
from contact_reasons.bundle import model_files, shipped_turns
from contact_reasons.errors import BatchError, RoutingError, nearest
from contact_reasons.pipeline import Pipeline, check_sound, load_pipeline, read_contacts
from contact_reasons.records import LABEL_INPUTS, Contact, ReasonLabel, Recommendation
from contact_reasons.resources import pack_files
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy

__all__ = [
    "LabelTask",
    "RouteTask",
    "RoutingTask",
    "Task",
    "absolute_pack",
    "absolute_path",
    "stamp_of",
]

_LABEL_COLUMNS = {
    "primary": "string",
    "secondary": "string",
    "reason": "string",
    "confidence": "float",
    "abstained": "bool",
    "best_guess": "string",
}
_TALLIED = ("primary", "secondary", "channel", "rule")
_ROUTE_COLUMNS = {
    "channel": "string",
    "priority": "int",
    "queue": "string",
    "skills": "string",
    "rule": "string",
    "because": "string",
}


Stamps = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class _Parts:
    """Where the parts of a pipeline lie, as for `load_pipeline`."""

    pack: str
    model: str | None
    policy: str | None
    calibration: str | None = None

    def stamps(self) -> Stamps:
        """Time, size and inode of each file: others where it was replaced."""
        files = pack_files(self.pack)
        paths = [files.taxonomy, Path(self.policy or files.policy), *model_files(self.model or files.model)]
        if self.calibration is not None:
            paths.append(Path(self.calibration))
        return tuple(stamp_of(path) for path in paths)

    def check(self, stamps: Stamps) -> None:
        """Refuse files that are not those of the stamps: a job answers every row by the same."""
        if self.stamps() != stamps:
            raise BatchError(
                f"{self.pack}: a file of the pack, the model or the calibration was replaced while the job was at work; start it again"
            )


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Time, size and inode of a file: others where it was replaced; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@functools.lru_cache(maxsize=4)
def _pipeline(parts: _Parts, stamps: Stamps) -> Pipeline:
    """A process loads each pipeline once, and again where a file of it was replaced between two jobs."""
    pipeline = load_pipeline(parts.pack, model=parts.model, policy=parts.policy, calibration=parts.calibration)
    parts.check(stamps)
    return pipeline


@functools.lru_cache(maxsize=4)
def _policy(parts: _Parts, stamps: Stamps) -> RoutingPolicy:
    files = pack_files(parts.pack)
    source = Path(parts.policy or files.policy)
    rules = RoutingPolicy.from_yaml(source, taxonomy=Taxonomy.from_yaml(files.taxonomy))
    check_sound(rules, source)
    parts.check(stamps)
    return rules


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """Something that gives every row of a chunk some more columns.

    Parameters
    ----------
    prefix : str
        Of the added columns.
    """

    prefix: str = "cr_"

    def bound(self, source: Columns) -> Self:
        """The task for the columns of a ticket file.

        Raises
        ------
        BatchError
            If the file does not have what the task reads.
        """
        source.require(self.needed)
        return self

    @property
    def read(self) -> Mapping[str, str]:
        """Column of each input that is read from the file, for the report."""
        return {}

    @property
    def missing(self) -> list[str]:
        """Inputs that the file has no column for, for the report."""
        return []

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What the result depends on, besides the rows: versions and hashes."""

    @property
    @abstractmethod
    def added(self) -> dict[str, str]:
        """Names and types of the added columns."""

    @property
    @abstractmethod
    def needed(self) -> tuple[str, ...]:
        """Columns that must be in the file."""

    @abstractmethod
    def run(self, chunk: Chunk) -> dict[str, list[Any]]:
        """Added columns of a chunk's rows; rows that cannot be processed become rejects of the chunk."""

    @abstractmethod
    def tallies(self, results: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, int]]:
        """Rows by the value of each column worth counting."""


@dataclass(frozen=True, kw_only=True)
class RoutingTask(Task):
    """A task that ends with the pack's policy.

    Parameters
    ----------
    pack : str
    model, policy : str, optional
        Replace the pack's own.
    inputs : mapping of str to str
        Column of policy inputs: as chosen; of every one that the file has, once bound to a file.
    unknown_as_missing : bool
        Take values that a nullable input does not know as missing instead of rejecting the row.
    """

    pack: str
    model: str | None = None
    policy: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    unknown_as_missing: bool = False

    @functools.cached_property
    def _parts(self) -> _Parts:
        return _Parts(self.pack, self.model, self.policy)

    @functools.cached_property
    def _stamps(self) -> Stamps:
        """Of the files on first use; they go with the task to other processes, so that all load the same."""
        return self._parts.stamps()

    @property
    @abstractmethod
    def rules(self) -> RoutingPolicy:
        """The policy that routes."""

    @property
    @abstractmethod
    def by_model(self) -> tuple[str, ...]:
        """Policy inputs that do not come from the file."""

    def bound(self, source: Columns) -> Self:
        chosen = _choose_inputs(self.rules, source, self.inputs, by_model=self.by_model)
        return super(RoutingTask, replace(self, inputs=chosen)).bound(source)

    @property
    def read(self) -> Mapping[str, str]:
        return self.inputs

    @property
    def missing(self) -> list[str]:
        return [name for name in self.rules.inputs if name not in self.inputs and name not in self.by_model]

    def _read_inputs(self, chunk: Chunk, bad: dict[int, str]) -> list[dict[str, Any]]:
        """Policy values of each row; rows with a wrong one are entered in ``bad`` with the cause."""
        policy = self.rules
        values: list[dict[str, Any]] = [{} for _ in chunk.numbers]
        for name, column in self.inputs.items():
            known: dict[str, Any] = {}
            for i, value in enumerate(chunk.column(column)):
                try:
                    if value.__class__ is not str:
                        values[i][name] = policy.from_cell(name, value)
                    elif value in known:
                        values[i][name] = known[value]
                    else:
                        values[i][name] = known[value] = policy.from_cell(name, value)
                except RoutingError as exc:
                    if self.unknown_as_missing and name not in policy.required:
                        values[i][name] = None
                        chunk.ignored[column] += 1
                    else:
                        bad.setdefault(i, f"column {column!r} (input {name!r}): the value must be {exc.expected}")
        return values

    def _route(self, values: Sequence[Mapping[str, Any]], bad: dict[int, str]) -> list[Recommendation | None]:
        """Where to send each row that is not bad; rows that no rule answers are entered in ``bad``."""
        rules = self.rules
        routed: list[Recommendation | None] = []
        for i, given in enumerate(values):
            try:
                routed.append(None if i in bad else rules.route(given))
            except RoutingError as exc:
                routed.append(None)
                bad[i] = f"the policy's inputs must be {exc.expected or 'such that a rule matches'}"
        return routed

    def _drop(self, chunk: Chunk, bad: Mapping[int, str]) -> list[int]:
        """Turn bad rows into rejects; positions of the others."""
        for i, cause in bad.items():
            row, line = chunk.numbers[i]
            chunk.rejects.append(Reject(row, line, cause))
        kept = [i for i in range(len(chunk.numbers)) if i not in bad]
        chunk.keep(kept)
        return kept

    def tallies(self, results: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, int]]:
        """Rows by the value of each column worth counting."""
        return {
            name: dict(Counter(value for value in results[self.prefix + name] if value is not None))
            for name in _TALLIED
            if self.prefix + name in results
        }

    def _route_columns(self, answers: Sequence[Recommendation | None]) -> dict[str, list[Any]]:
        routed = [one for one in answers if one is not None]
        return {
            f"{self.prefix}channel": [str(one.channel) for one in routed],
            f"{self.prefix}priority": [one.priority for one in routed],
            f"{self.prefix}queue": [one.queue for one in routed],
            f"{self.prefix}rule": [one.rule_id for one in routed],
            f"{self.prefix}skills": [", ".join(one.skills) or None for one in routed],
            f"{self.prefix}because": [one.why for one in routed],
        }


@dataclass(frozen=True, kw_only=True)
class LabelTask(RoutingTask):
    """Label each row's text and route it.

    Parameters
    ----------
    text_column : str
    subject_column : str, optional
    calibration : str, optional
        File of thresholds in place of the model's.
    """

    text_column: str = "text"
    subject_column: str | None = None
    calibration: str | None = None

    @functools.cached_property
    def _parts(self) -> _Parts:
        return _Parts(self.pack, self.model, self.policy, self.calibration)

    @property
    def pipeline(self) -> Pipeline:
        """The parts that label and route."""
        return _pipeline(self._parts, self._stamps)

    @property
    def rules(self) -> RoutingPolicy:
        return self.pipeline.policy

    @property
    def by_model(self) -> tuple[str, ...]:
        return LABEL_INPUTS

    def versions(self) -> dict[str, str]:
        manifest, calibration = self.pipeline.bundle.manifest, self.pipeline.calibration
        return {
            **({} if calibration is None else {"calibration": f"{calibration.made_on} {calibration.seal}"}),
            **_policy_versions(self.rules),
            "taxonomy": f"{manifest.taxonomy.taxonomy_id} {manifest.taxonomy.version} {manifest.taxonomy.sha256}",
            "model": ", ".join(f"{name} {sha}" for name, sha in sorted(manifest.files.items())),
            "turns": shipped_turns().manifest.seal,
        }

    def tallies(self, results: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, int]]:
        levels = Counter(
            "secondary" if secondary else "primary only" if primary else "left to a person"
            for primary, secondary in zip(
                results[f"{self.prefix}primary"], results[f"{self.prefix}secondary"], strict=True
            )
        )
        return {**super().tallies(results), "level": dict(levels)}

    @property
    def added(self) -> dict[str, str]:
        return {self.prefix + name: kind for name, kind in (_LABEL_COLUMNS | _ROUTE_COLUMNS).items()}

    @property
    def needed(self) -> tuple[str, ...]:
        subject = () if self.subject_column is None else (self.subject_column,)
        return (self.text_column, *subject, *self.inputs.values())

    def run(self, chunk: Chunk) -> dict[str, list[Any]]:
        bad: dict[int, str] = {}
        texts = chunk.column(self.text_column)
        for i, text in enumerate(texts):
            if cause := check_string(text, self.text_column):
                bad[i] = cause
        subjects = [None] * len(texts) if self.subject_column is None else chunk.column(self.subject_column)
        for i, subject in enumerate(subjects):
            if cause := check_string(subject, str(self.subject_column)):
                bad.setdefault(i, cause)
        values, names = self._read_inputs(chunk, bad), self.rules.inputs
        contacts = [
            Contact() if i in bad else Contact(text=text or "", subject=subjects[i]) for i, text in enumerate(texts)
        ]
        labels = self.pipeline.label_texts([reading.text for reading in read_contacts(contacts)])
        for given, label in zip(values, labels, strict=True):
            given.update(_label_values(label, names))
        routed = self._route(values, bad)
        kept = self._drop(chunk, bad)
        return {**self._label_columns([labels[i] for i in kept]), **self._route_columns([routed[i] for i in kept])}

    def _label_columns(self, labels: Sequence[ReasonLabel]) -> dict[str, list[Any]]:
        best = [label.ranked[0] for label in labels]
        return {
            f"{self.prefix}primary": [label.primary for label in labels],
            f"{self.prefix}secondary": [label.secondary for label in labels],
            f"{self.prefix}reason": [label.reason for label in labels],
            f"{self.prefix}confidence": [label.confidence for label in labels],
            f"{self.prefix}abstained": [label.abstained for label in labels],
            f"{self.prefix}best_guess": [one.reason if one.probability > 0 else None for one in best],
        }


def _policy_versions(policy: RoutingPolicy) -> dict[str, str]:
    return {
        "package": importlib.metadata.version("contact-reasons"),
        "policy": f"{policy.policy_id} {policy.version} {policy.sha256}",
    }


def _label_values(label: ReasonLabel, inputs: Sequence[str]) -> dict[str, Any]:
    return {
        name: value for name, value in (("reason", label.reason), ("confidence", label.confidence)) if name in inputs
    }


@dataclass(frozen=True, kw_only=True)
class RouteTask(RoutingTask):
    """Route rows whose reason is known already. Every input of the policy is read from a column.

    Parameters
    ----------
    certain : bool
        The reasons were checked by people: ``confidence`` counts as 1 and needs no column.
    """

    certain: bool = False

    @property
    def rules(self) -> RoutingPolicy:
        return _policy(self._parts, self._stamps)

    @property
    def by_model(self) -> tuple[str, ...]:
        return ("confidence",) if self.certain else ()

    def bound(self, source: Columns) -> Self:
        task = super().bound(source)
        if "reason" in task.rules.inputs and "reason" not in task.inputs:
            raise BatchError(
                f"{source.name}: no column holds the reasons to route by; name it with --input reason=COLUMN"
            )
        return task

    def versions(self) -> dict[str, str]:
        return _policy_versions(self.rules)

    @property
    def added(self) -> dict[str, str]:
        return {self.prefix + name: kind for name, kind in _ROUTE_COLUMNS.items()}

    @property
    def needed(self) -> tuple[str, ...]:
        return tuple(self.inputs.values())

    def run(self, chunk: Chunk) -> dict[str, list[Any]]:
        bad: dict[int, str] = {}
        values = self._read_inputs(chunk, bad)
        if self.certain and "confidence" in self.rules.inputs:
            values = [{**given, "confidence": 1.0} for given in values]
        routed = self._route(values, bad)
        return self._route_columns([routed[i] for i in self._drop(chunk, bad)])


def absolute_pack(pack: str | Path) -> str:
    """A pack as every process finds it: the name of a shipped one, or the whole path of a folder."""
    return str(Path(pack).resolve()) if Path(pack).is_dir() else str(pack)


def absolute_path(path: str | Path | None) -> str | None:
    """The whole path of a part that replaces the pack's own, if there is one."""
    return None if path is None else str(Path(path).resolve())


def _choose_inputs(
    policy: RoutingPolicy, source: Columns, chosen: Mapping[str, str], *, by_model: Sequence[str]
) -> dict[str, str]:
    """Column of each policy input: as chosen, else the column of that very name, if there is one.

    Parameters
    ----------
    chosen : mapping of str to str
        Column by input; an empty column name leaves the input out.
    by_model : sequence of str
        Inputs that do not come from the file.

    Raises
    ------
    BatchError
        If an input or a column is not known.
    """
    inputs = [name for name in policy.inputs if name not in by_model]
    for name in chosen:
        if name not in inputs:
            raise BatchError(
                f"{name!r} is not an input that policy {policy.policy_id!r} reads from a file; {nearest(name, inputs)}"
            )
    columns = {name: chosen.get(name, name if name in source.columns else "") for name in inputs}
    source.require(column for column in columns.values() if column)
    for name in policy.required:
        if name in inputs and not columns[name]:
            raise BatchError(
                f"{source.name}: no column for the input {name!r}, which policy {policy.policy_id!r} must know for every contact; "
                f"name one with --input {name}=COLUMN, or make the input nullable"
            )
    return {name: column for name, column in columns.items() if column}
