"""Tickets of a database labelled into a table: bounded memory, each ticket once, exact resume.

Progress is what lies in the result table: the rows of a chunk and its rejects are written in one transaction. A job that was killed, or
one for tickets that have come since, is the same job started again; it passes over the ids that are there.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from contact_reasons.batch.connections import database_name, open_database
from contact_reasons.batch.lines import has_surrogates
from contact_reasons.batch.readers import Chunk
from contact_reasons.batch.tables import ID_NAMES, MAX_TEXT_CHARS, LabelTable, RejectedTicket, TicketTable, id_kind
from contact_reasons.batch.tasks import LabelTask, absolute_pack, absolute_path
from contact_reasons.bundle import shipped_turns
from contact_reasons.errors import DatabaseError, nearest, shorten
from contact_reasons.pipeline import Pipeline

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["RELABEL", "DatabaseReport", "label_database"]

RELABEL: Final = ("none", "changed", "all")
CHUNK_ROWS: Final = 5_000
MAX_CHUNK_ROWS: Final = 100_000
_DUPLICATE: Final = "the id stands in more than one row; every ticket needs an id of its own"
_NO_ID: Final = "the id is NULL; every ticket needs one"
_HASH: Final = "source_sha256"
_VERSIONS: Final = ("model", "taxonomy", "policy", "calibration")


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """What a run over a database did.

    Parameters
    ----------
    source, out : str
        Where tickets were read and labels written, without user and password.
    rejects : str or None
        Table that lists the rejected tickets; None if there are none.
    rows_read, rows_written, rows_kept, rows_rejected : int
        ``rows_read == rows_written + rows_kept + rows_rejected``, always. Kept are those whose ticket was labelled before.
    rows_relabelled : int
        Of the rows written, those that took the place of another answer.
    rows_outdated : int
        Of the rows kept, those that another model, taxonomy, policy or calibration has labelled.
    values_ignored : dict of str to int
        By column, values that were taken as not known because the policy does not know them.
    reject_causes : dict of str to int
        Rejected rows by cause, most frequent first.
    seconds, rows_per_second : float
        Of this run; rows read.
    inputs : dict of str to str
        Column that each policy input was read from.
    inputs_missing : list of str
        Policy inputs that there is no column for.
    counts : dict
        Rows written by ``primary``, ``secondary``, ``channel``, ``rule`` and ``level`` (how exactly they were labelled).
    versions : dict
        Package, taxonomy, model, policy and calibration, with hashes.
    """

    source: str
    out: str
    rejects: str | None
    rows_read: int
    rows_written: int
    rows_kept: int
    rows_rejected: int
    rows_relabelled: int
    rows_outdated: int
    values_ignored: dict[str, int]
    reject_causes: dict[str, int]
    seconds: float
    rows_per_second: float
    inputs: dict[str, str] = field(default_factory=dict)
    inputs_missing: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def label_database(
    database: str | Engine,
    *,
    into: str,
    table: str | None = None,
    query: str | None = None,
    into_database: str | Engine | None = None,
    id_column: str = "ticket_id",
    pack: str | Path = "retail",
    text_column: str = "text",
    subject_column: str | None = None,
    inputs: Mapping[str, str] | None = None,
    model: str | Path | None = None,
    policy: str | Path | None = None,
    calibration: str | Path | None = None,
    prefix: str = "cr_",
    chunk_rows: int = CHUNK_ROWS,
    unknown_as_missing: bool = False,
    relabel: str = "none",
    progress: Callable[[int, float], None] | None = None,
) -> DatabaseReport:
    """Label and route the tickets of a table or a query, and write the answers to another table.

    Labels are those of `label_file` for the same rows. A ticket is labelled once, by its id: a second run adds those that have come since,
    and one after a crash goes on. Several processes may work on the same result; no ticket is written twice.

    Parameters
    ----------
    database : str or sqlalchemy.Engine
        Where tickets are read: a URL (``sqlite:///tickets.db``, ``postgresql://user@host/name``) or an engine.
    into : str
        Table of the results, ``name`` or ``schema.name``. It is made with the first tickets; one that is there must have the same columns.
    table, query : str, optional
        What is read, one of both: a table, or one SELECT. Reading goes in steps by ``id_column``, which should have an index.
    into_database : str or sqlalchemy.Engine, optional
        Where results are written; by default where tickets are read.
    id_column : str
        Whole numbers, texts or UUIDs, each in one row only.
    pack, model, policy, calibration, text_column, subject_column, inputs, prefix, unknown_as_missing
        As for `label_file`.
    chunk_rows : int
        Tickets held in memory and written at a time, 1 to 100,000. The answers do not depend on it.
    relabel : {'none', 'changed', 'all'}
        Tickets labelled before that are labelled again: none; those whose text, subject or inputs have changed or that another model,
        taxonomy, policy or calibration has labelled; all.
    progress : callable, optional
        Called with rows done and their share after each chunk.

    Raises
    ------
    DatabaseError
        If a database cannot be reached or fails, or a table does not fit. What was written by then stays; the same call goes on.
    BatchError
        If columns or arguments do not fit.
    """
    if (table is None) == (query is None):
        raise DatabaseError("name what is to be read: a table or a query, one of both")
    if relabel not in RELABEL:
        raise DatabaseError(f"relabel is {shorten(relabel)}; {nearest(relabel, RELABEL)}")
    if not isinstance(chunk_rows, int) or not 1 <= chunk_rows <= MAX_CHUNK_ROWS:
        raise DatabaseError(
            f"chunk_rows is {shorten(chunk_rows)}; it must be a whole number from 1 to {MAX_CHUNK_ROWS:,}"
        )
    task = LabelTask(
        pack=absolute_pack(pack),
        model=absolute_path(model),
        policy=absolute_path(policy),
        calibration=absolute_path(calibration),
        prefix=prefix,
        unknown_as_missing=unknown_as_missing,
        text_column=text_column,
        subject_column=subject_column,
        inputs=dict(inputs or {}),
    )
    target = database if into_database is None else into_database
    with (
        open_database(database, create=False) as read,
        open_database(target, create=into_database is not None) as write,
    ):
        tickets = TicketTable(read, id_column, table=table, query=query)
        task = task.bound(tickets)
        if table == into and database_name(read) == database_name(write):
            raise DatabaseError(f"table {into} is the one that is read; name another one for the result")
        names = [prefix + name for name in (_HASH, *_VERSIONS)]
        labels = LabelTable(write, into, id_column, task.added | dict.fromkeys(names, "string"), names)
        return _Job(tickets, labels, task, relabel).run(chunk_rows, progress)


def _versions(pipeline: Pipeline) -> tuple[str | None, ...]:
    """What is kept in a row of that which answered: model (and model of turns), taxonomy, policy, calibration."""
    manifest, policy, calibration = pipeline.bundle.manifest, pipeline.policy, pipeline.calibration
    return (
        f"{manifest.seal[:16]}+{shipped_turns().manifest.seal[:16]}",
        f"{manifest.taxonomy.taxonomy_id} {manifest.taxonomy.version}",
        f"{policy.policy_id} {policy.version} {policy.sha256[:16]}",
        None if calibration is None else calibration.seal[:16],
    )


class _Read(NamedTuple):
    """Tickets to be answered: a chunk for the task, and of each of its rows the key and the hash of what was read."""

    chunk: Chunk
    keys: list[Any]
    hashes: list[str]


class _Job:
    """One run. A page is labelled and written before the next one is read."""

    def __init__(self, tickets: TicketTable, labels: LabelTable, task: LabelTask, relabel: str) -> None:
        self.tickets, self.labels, self.task, self.relabel = tickets, labels, task, relabel
        self.versions = _versions(task.pipeline)
        self.totals: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.tallies: dict[str, Counter[str]] = {}

    def run(self, chunk_rows: int, progress: Callable[[int, float], None] | None) -> DatabaseReport:
        started = time.perf_counter()
        total, without_id, kinds = self.tickets.count()
        if without_id:
            self._count(0, 0, [RejectedTicket("", without_id, _NO_ID)])
        for number, page in enumerate(self.tickets.pages(chunk_rows)):
            if number == 0:
                self._begin([value for value, _ in page], kinds)
            self._do_page(page)
            if progress is not None:
                progress(self.totals["read"], min(self.totals["read"] / max(total, 1), 1.0))
        return self._report(time.perf_counter() - started)

    def _begin(self, ids: Sequence[Any], kinds: Mapping[str, int]) -> None:
        """Make the result table, if it is not there, for the kind of the ids: the most frequent one, where there are several."""
        if self.labels.kind is None:
            kind = max(kinds, key=lambda one: kinds[one], default=None) or next(filter(None, map(id_kind, ids)), None)
            if kind is not None:
                self.labels.begin(kind)
        fit = self.labels.kind in kinds if kinds else any(self.labels.key(value) is not None for value in ids)
        if self.labels.kind is None or not fit:
            fits = ID_NAMES if self.labels.kind is None else {self.labels.kind: ID_NAMES[self.labels.kind]}
            raise DatabaseError(
                f"{self.tickets.name}: column {self.labels.id_column!r} holds values of type {type(ids[0]).__name__} where table "
                f"{self.labels.name} takes {' or '.join(fits.values())}; convert it with CAST in a query, or write to another table"
            )

    # ------------------------------------------------------------------------------------------ one page

    def _do_page(self, page: Sequence[tuple[Any, int]]) -> None:
        labels, good = self.labels, {}
        rejects: list[RejectedTicket] = []
        for value, times in page:
            cause = self._id_cause(value) or (_DUPLICATE if times > 1 else None)
            if cause is None:
                good[labels.key(value)] = value
            else:
                rejects.append(RejectedTicket(_id_text(value), times, cause))
        stored = labels.stored(list(good))
        wanted = {key: value for key, value in good.items() if self.relabel != "none" or key not in stored}
        passed = [stored[key] for key in good if key not in wanted]
        self.totals["outdated"] += sum(tuple(versions) != self.versions for _, *versions in passed)
        read, unchanged = self._read(list(wanted.values()), stored, rejects)
        results = self._answer(read, rejects)
        rows = self._rows(read, results)
        written = labels.write(rows, rejects, [_id_text(value) for value, _ in page], replace=self.relabel != "none")
        self.totals["relabelled"] += sum(key in stored for key in written)
        self._count(len(written), len(passed) + unchanged + len(rows) - len(written), rejects)
        self.ignored.update(read.chunk.ignored)
        if written:
            chosen = [row[labels.id_column] in written for row in rows]
            tallied = {name: list(itertools.compress(values, chosen)) for name, values in results.items()}
            for name, tally in self.task.tallies(tallied).items():
                self.tallies.setdefault(name, Counter()).update(tally)

    def _count(self, written: int, kept: int, rejects: Sequence[RejectedTicket]) -> None:
        rejected = sum(reject.rows for reject in rejects)
        self.totals.update(read=written + kept + rejected, written=written, kept=kept, rejected=rejected)
        for reject in rejects:
            self.causes[reject.cause] += reject.rows

    def _id_cause(self, value: Any) -> str | None:
        """What is wrong with an id, or None."""
        if self.labels.key(value) is None:
            return f"the id is a value of type {type(value).__name__}; others are {ID_NAMES[str(self.labels.kind)]}"
        if isinstance(value, str) and has_surrogates(value):
            return "the id is not UTF-8; repair it"
        if isinstance(value, str) and "\0" in value:
            return "the id holds the character NUL; repair it"
        return None

    def _read(
        self, ids: Sequence[Any], stored: Mapping[Any, tuple[Any, ...]], rejects: list[RejectedTicket]
    ) -> tuple[_Read, int]:
        """Tickets of these ids that are to be answered, and how many were answered as they are now already."""
        read, unchanged = _Read(Chunk(0), [], []), 0
        texts = [name for name in (self.task.text_column, self.task.subject_column) if name is not None]
        found = self.tickets.rows(ids, list(dict.fromkeys(self.task.needed)), texts) if ids else []
        times = Counter(value for value, _, _ in found)  # a second row may have come since the ids were read
        for value, is_long, row in found:
            cause = _DUPLICATE if times[value] > 1 else _row_cause(row, is_long)
            if cause is not None:
                rejects.append(RejectedTicket(_id_text(value), 1, cause))
                continue
            key, digest = self.labels.key(value), self._hash(row)
            if self.relabel == "changed" and stored.get(key) == (digest, *self.versions):
                unchanged += 1
                continue
            read.chunk.numbers.append((len(read.keys), None))
            read.chunk.rows.append(row)
            read.keys.append(key)
            read.hashes.append(digest)
        return read, unchanged

    def _hash(self, row: Mapping[str, Any]) -> str:
        """SHA-256 of everything of a row that its answer hangs on."""
        task = self.task
        subject = None if task.subject_column is None else row[task.subject_column]
        given = [row[task.text_column], subject, {name: row[column] for name, column in task.inputs.items()}]
        return hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()

    def _answer(self, read: _Read, rejects: list[RejectedTicket]) -> dict[str, list[Any]]:
        """Label columns of the tickets; those that cannot be answered leave the chunk and become rejects."""
        if not read.keys:
            return {}
        results = self.task.run(read.chunk)
        rejects += [RejectedTicket(_id_text(read.keys[number]), 1, cause) for number, _, cause in read.chunk.rejects]
        return results

    def _rows(self, read: _Read, results: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Rows of the result table."""
        prefix = self.task.prefix
        versions = {prefix + name: value for name, value in zip(_VERSIONS, self.versions, strict=True)}
        rows = []
        for (number, _), *values in zip(read.chunk.numbers, *results.values(), strict=True):
            answer = dict(zip(results, values, strict=True))
            own = {self.labels.id_column: read.keys[number], prefix + _HASH: read.hashes[number]}
            rows.append({**own, **answer, **versions})
        return rows

    def _report(self, seconds: float) -> DatabaseReport:
        totals, labels = self.totals, self.labels
        listed = totals["rejected"] > self.causes[_NO_ID]
        return DatabaseReport(
            source=self.tickets.name,
            out=f"table {labels.name} of {database_name(labels.engine)}",
            rejects=labels.rejects_name if listed else None,
            rows_read=totals["read"],
            rows_written=totals["written"],
            rows_kept=totals["kept"],
            rows_rejected=totals["rejected"],
            rows_relabelled=totals["relabelled"],
            rows_outdated=totals["outdated"],
            values_ignored=dict(self.ignored),
            reject_causes=dict(self.causes.most_common(50)),
            seconds=round(seconds, 3),
            rows_per_second=round(totals["read"] / seconds, 1),
            inputs=dict(self.task.read),
            inputs_missing=self.task.missing,
            counts={
                name: dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))
                for name, tally in self.tallies.items()
            },
            versions=self.task.versions(),
        )


def _row_cause(row: Mapping[str, Any], is_long: bool) -> str | None:
    """What is wrong with the values of a row, or None."""
    if is_long:
        return f"a text of more than {MAX_TEXT_CHARS:,} characters; shorten it"
    for column, value in row.items():
        if isinstance(value, str) and not value.isascii() and has_surrogates(value):
            return f"column {column!r}: bytes that are not UTF-8; repair the row"
    return None


def _id_text(value: Any) -> str:
    """An id as a text that every database takes."""
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text.replace("\0", "\\x00")
