"""Batch jobs: a ticket file in, a labelled ticket file out; bounded memory, exact resume, nothing lost.

The work of a job lies in ``<out>.unfinished/``: its description (``job.json``) and, for each chunk, the rows, the rejects and
the counts. A chunk is done once its counts file is there, which is renamed into place last. A job that was killed goes on from the
chunks that are done; since chunks depend on the input alone, the result is the same to the byte. When all are done,
the parts are joined and renamed to the final name in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from contact_reasons.batch.parts import (
    Place,
    do_chunk,
    part_file,
    read_json,
    remove_folder,
    skip_chunk,
    sync_file,
    write_whole,
)
from contact_reasons.batch.readers import TicketSource, kind_of, open_source
from contact_reasons.batch.tasks import LabelTask, RouteTask, Task, absolute_pack, absolute_path
from contact_reasons.batch.writers import make_writer
from contact_reasons.errors import BatchError

__all__ = ["CHUNK_ROWS", "Job", "JobOptions", "Progress", "RunReport", "label_file", "route_file"]

CHUNK_ROWS: Final = 5_000
Progress = Callable[[int, float], None]
"""Called after each chunk with the rows done so far and the share of the file."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a batch job did. Written as JSON beside the result.

    Parameters
    ----------
    source, out : str
    rejects : str or None
        File of the rejected rows; None if there are none.
    rows_read, rows_written, rows_rejected : int
        ``rows_read == rows_written + rows_rejected``, always.
    rows_resumed : int
        Rows that an earlier, interrupted run had done.
    cells_made_safe : dict of str to int
        By column, CSV cells that got a ``'`` in front because they began like a formula.
    values_ignored : dict of str to int
        By column, values that were taken as not known because the policy does not know them.
    reject_causes : dict of str to int
        Rejected rows by cause, most frequent first.
    seconds, rows_per_second : float
        Of this run.
    inputs : dict of str to str
        Column that each policy input was read from.
    inputs_missing : list of str
        Policy inputs that the file has no column for.
    counts : dict
        Rows by ``primary``, ``secondary``, ``channel``, ``rule`` and ``level`` (how exactly they were labelled).
    versions : dict
        Package, taxonomy, model, policy and calibration, with hashes; SHA-256 of the source.
    """

    source: str
    out: str
    rejects: str | None
    rows_read: int
    rows_written: int
    rows_rejected: int
    rows_resumed: int
    cells_made_safe: dict[str, int]
    values_ignored: dict[str, int]
    reject_causes: dict[str, int]
    seconds: float
    rows_per_second: float
    inputs: dict[str, str] = field(default_factory=dict)
    inputs_missing: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def label_file(
    source: str | Path,
    out: str | Path,
    *,
    pack: str | Path = "retail",
    text_column: str = "text",
    subject_column: str | None = None,
    inputs: Mapping[str, str] | None = None,
    model: str | Path | None = None,
    policy: str | Path | None = None,
    calibration: str | Path | None = None,
    prefix: str = "cr_",
    jobs: int = 1,
    chunk_rows: int = CHUNK_ROWS,
    delimiter: str = ",",
    encoding: str = "utf-8",
    formula_guard: bool = True,
    unknown_as_missing: bool = False,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Label and route every row of a ticket file.

    CSV, JSON Lines and Parquet, by the files' endings, any to any. Rows that cannot be read go to
    ``<out>.rejects.jsonl`` with their number and the cause; a report is written to ``<out>.report.json``. A job that was interrupted
    goes on when it is called again with the same arguments.

    Parameters
    ----------
    source, out, pack : str or Path
        The pack: name of a shipped one or the folder of one of your own.
    text_column : str
    subject_column : str, optional
    inputs : mapping of str to str, optional
        Column of a policy input, where it is not the input's own name; an empty name leaves the input out.
    model, policy, calibration : str or Path, optional
        See `load_pipeline`.
    prefix : str
        Of the added columns.
    jobs : int
        Processes, at least 1. The result does not depend on it.
    chunk_rows : int
        Rows held in memory at a time, at least 1. The result does not depend on it.
    delimiter, encoding : str
        Of CSV files.
    formula_guard : bool
        Put a ``'`` before CSV cells that begin like a spreadsheet formula, so that none is run.
    unknown_as_missing : bool
        Take values that a nullable policy input does not know as not known, and count them, instead of rejecting the row.
    overwrite : bool
        Replace an existing ``out``.
    restart : bool
        Throw away the work of an interrupted job first.
    progress : callable, optional
        Called with rows done and share of the file after each chunk.

    Raises
    ------
    BatchError
        If files or columns do not fit, or the unfinished work is of another job.
    """
    task = LabelTask(
        pack=absolute_pack(pack),
        model=absolute_path(model),
        policy=absolute_path(policy),
        calibration=absolute_path(calibration),
        prefix=prefix,
        inputs=inputs or {},
        unknown_as_missing=unknown_as_missing,
        text_column=text_column,
        subject_column=subject_column,
    )
    options = JobOptions(jobs, chunk_rows, delimiter, encoding, formula_guard, overwrite, restart)
    return Job(Path(source), Path(out), task, options).run(progress)


def route_file(
    source: str | Path,
    out: str | Path,
    *,
    pack: str | Path = "retail",
    inputs: Mapping[str, str] | None = None,
    policy: str | Path | None = None,
    certain: bool = False,
    prefix: str = "cr_",
    jobs: int = 1,
    chunk_rows: int = CHUNK_ROWS,
    delimiter: str = ",",
    encoding: str = "utf-8",
    formula_guard: bool = True,
    unknown_as_missing: bool = False,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Route every row of a file whose reasons are known, such as one labelled before; see `label_file`.

    The policy input ``reason`` is read like any other, from the column of that name or the one that ``inputs`` names, and must be there.
    With ``certain``, reasons were checked by people: ``confidence`` counts as 1 and needs no column.
    """
    task = RouteTask(
        pack=absolute_pack(pack),
        policy=absolute_path(policy),
        prefix=prefix,
        inputs=inputs or {},
        unknown_as_missing=unknown_as_missing,
        certain=certain,
    )
    options = JobOptions(jobs, chunk_rows, delimiter, encoding, formula_guard, overwrite, restart)
    return Job(Path(source), Path(out), task, options).run(progress)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is done, whatever its task; see `label_file`."""

    jobs: int
    chunk_rows: int
    delimiter: str
    encoding: str
    formula_guard: bool
    overwrite: bool
    restart: bool

    def __post_init__(self) -> None:
        for name in ("jobs", "chunk_rows"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise BatchError(f"{name} is {value!r}; it must be a whole number, at least 1")


class Job:
    """One task on one ticket file: checked when it is made, done by `run`.

    Parameters
    ----------
    source, out : Path
    task : Task
    options : JobOptions

    Raises
    ------
    BatchError
        If files or columns do not fit.
    """

    def __init__(self, source: Path, out: Path, task: Task, options: JobOptions) -> None:
        self.out, self.options = out, options
        self.work = out.with_name(out.name + ".unfinished")
        self.rejects = out.with_name(out.name + ".rejects.jsonl")
        self.report = out.with_name(out.name + ".report.json")
        kind = kind_of(out, "result")
        self._check_places(source)
        self.source: TicketSource = open_source(source, delimiter=options.delimiter, encoding=options.encoding)
        self.task: Task = task.bound(self.source)
        for name in self.task.added:
            if name in self.source.columns:
                raise BatchError(
                    f"{source}: the file has a column {name!r} already; choose other names for the added columns with --prefix"
                )
        self.writer = make_writer(
            kind, self.source, self.task.added, delimiter=options.delimiter, formula_guard=options.formula_guard
        )
        self.versions = {**self.task.versions(), "source_sha256": self.source.sha256()}

    def _check_places(self, source: Path) -> None:
        if not self.out.parent.is_dir():
            raise BatchError(f"{self.out.parent}: there is no such folder for the result; make it first")
        for place in (self.out, self.rejects, self.report):
            if place.is_dir():
                raise BatchError(
                    f"{place}: a folder of that name stands where the result would go; choose another name"
                )
            if place.exists() and source.exists() and place.samefile(source):
                raise BatchError(f"{place}: the result would replace its own source; choose another name with --out")
        if self.work.exists() and not self.work.is_dir():
            raise BatchError(f"{self.work}: a file stands where the unfinished work would go; choose another name")

    def _check_nothing_is_replaced(self) -> None:
        for place in (self.out, self.rejects, self.report):
            if not self.options.overwrite and (place.exists() or place.is_symlink()):
                raise BatchError(f"{place}: the file exists; choose another name, or replace it with --overwrite")

    # ------------------------------------------------------------------------------------------- running

    def run(self, progress: Progress | None) -> RunReport:
        """Do it, or go on with what an interrupted run has left.

        Raises
        ------
        BatchError
            If the unfinished work is of another job, or a file cannot be written.
        """
        started = time.perf_counter()
        try:
            with self._lock():
                self._prepare()
                done = self._done_chunks()
                resumed = sum(counts["read"] for counts in done.values())
                rows = 0
                for index, fraction in self._process(set(done)):
                    rows += self._counts(index)["read"]
                    if progress is not None:
                        progress(rows, fraction)
                report = self._finish(started, resumed)
                remove_folder(self.work)
        except OSError as exc:
            raise BatchError(
                f"{exc.filename or self.out}: {exc.strerror or exc}; check rights and space, then start the same command again to go on"
            ) from exc
        return report

    def _prepare(self) -> None:
        """Go on with the work that lies there if it is this job's; otherwise begin."""
        description = {
            "task": {"kind": type(self.task).__name__, **asdict(self.task)},
            "options": {
                key: value for key, value in asdict(self.options).items() if key not in ("jobs", "overwrite", "restart")
            },
            "versions": self.versions,
        }
        text = json.dumps(description, indent=1)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        file = self.work / "job.json"
        if file.exists() and not self.options.restart:
            if read_json(file) != json.loads(text):
                raise BatchError(
                    f"{self.work}: holds the unfinished work of another job (other source, options, model, policy or calibration); "
                    "run that one again, or throw its work away with --restart"
                )
            return
        self._check_nothing_is_replaced()
        file.unlink(missing_ok=True)
        for path in self.work.iterdir():
            path.unlink()
        write_whole(file, text.encode())

    def _process(self, done: set[int]) -> Iterator[tuple[int, float]]:
        """Do every chunk that is not done; index and share of the file of each, done or not, in order."""
        chunks = self.source.chunks(self.options.chunk_rows)
        place = Place(self.work, self.key)
        if self.options.jobs == 1:
            for chunk in chunks:
                if chunk.index not in done:
                    do_chunk(self.task, self.writer, place, chunk)
                yield chunk.index, chunk.fraction
            return
        import joblib

        parallel = joblib.Parallel(
            n_jobs=self.options.jobs, return_as="generator", pre_dispatch="2*n_jobs", batch_size=1
        )
        calls = (
            joblib.delayed(do_chunk)(self.task, self.writer, place, chunk)
            if chunk.index not in done
            else joblib.delayed(skip_chunk)(chunk.index, chunk.fraction)
            for chunk in chunks
        )
        yield from parallel(calls)

    def _done_chunks(self) -> dict[int, dict[str, Any]]:
        """Counts of the chunks that are done, by index. Parts of another job (left by a dying worker) do not count."""
        done = {}
        for path in sorted(self.work.glob("*.counts")):
            counts = read_json(path)
            if counts.get("job") == self.key:
                done[int(path.name.partition(".")[0])] = counts
        return done

    def _counts(self, index: int) -> dict[str, Any]:
        return read_json(part_file(self.work, index, "counts"))

    def _finish(self, started: float, resumed: int) -> RunReport:
        done = self._done_chunks()
        indices = sorted(done)
        if indices != list(range(len(indices))):
            raise BatchError(f"{self.work}: chunks are missing from the unfinished work; start again with --restart")
        totals: Counter[str] = Counter()
        tallies: dict[str, Counter[str]] = {}
        made_safe: Counter[str] = Counter()
        ignored: Counter[str] = Counter()
        causes: Counter[str] = Counter()
        for counts in done.values():
            for name, tally in counts["tallies"].items():
                tallies.setdefault(name, Counter()).update(tally)
            made_safe.update(counts["made_safe"])
            ignored.update(counts["ignored"])
            causes.update(counts["causes"])
            totals.update({name: counts[name] for name in ("read", "written", "rejected")})
        if totals["read"] != totals["written"] + totals["rejected"]:
            raise BatchError(f"{self.work}: the counts do not add up ({dict(totals)}); start again with --restart")
        joined, rejected = self.work / f"joined{self.out.suffix}", self.work / "rejected"
        self.writer.join([part_file(self.work, index, "rows") for index in indices], joined)
        with rejected.open("wb") as stream:
            for index in indices:
                stream.write(part_file(self.work, index, "rejects").read_bytes())
        seconds = time.perf_counter() - started
        report = RunReport(
            source=str(self.source.path),
            out=str(self.out),
            rejects=str(self.rejects) if totals["rejected"] else None,
            rows_read=totals["read"],
            rows_written=totals["written"],
            rows_rejected=totals["rejected"],
            rows_resumed=resumed,
            cells_made_safe=dict(made_safe),
            values_ignored=dict(ignored),
            reject_causes=dict(causes.most_common(50)),
            seconds=round(seconds, 3),
            rows_per_second=round((totals["read"] - resumed) / seconds, 1),
            inputs=dict(self.task.read),
            inputs_missing=self.task.missing,
            counts={
                name: dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))
                for name, tally in tallies.items()
            },
            versions=self.versions,
        )
        if totals["rejected"]:
            os.replace(rejected, self.rejects)
        else:
            self.rejects.unlink(missing_ok=True)
        write_whole(self.report, (json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n").encode())
        sync_file(joined)
        os.replace(joined, self.out)
        return report

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Refuse a second process on the same result; the system frees the lock when a process dies."""
        self.work.mkdir(exist_ok=True)
        try:
            import fcntl
        except ImportError:  # no such locks on this system
            yield
            return
        folder = os.open(self.work, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(folder)
            raise BatchError(
                f"{self.work}: another process is at work on this result; wait for it or choose another --out"
            ) from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self.work.rmdir()  # nothing was begun
            os.close(folder)
