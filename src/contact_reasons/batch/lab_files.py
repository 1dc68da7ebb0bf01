"""The lab on ticket files: replay of policies, friction ledger."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.batch.columns import FileColumns, Progress, read_columns
from contact_reasons.batch.readers import Reject
from contact_reasons.batch.times import read_times
from contact_reasons.errors import BatchError, LabError, LabRowError, RoutingError, count_text
from contact_reasons.lab.friction import ROLES as FRICTION_ROLES
from contact_reasons.lab.friction import friction
from contact_reasons.lab.ledger import Friction
from contact_reasons.lab.outcome import Replay, Table
from contact_reasons.lab.prices import Prices
from contact_reasons.lab.replay import ROLES as REPLAY_ROLES
from contact_reasons.lab.replay import replay
from contact_reasons.lab.tickets import times_of
from contact_reasons.routing import RoutingPolicy

__all__ = ["FileFriction", "FileReplay", "friction_file", "read_time", "replay_file", "rows_of_file", "typed_cells"]


class FileReplay(NamedTuple):
    """A replay of a file, and its rows that could not be read. Rows of the tables ``moved`` and ``refused`` are those of the file, from 1."""

    found: Replay
    unreadable: tuple[Reject, ...]


class FileFriction(NamedTuple):
    """A ledger of a file, and its rows that could not be read. Rows of the table ``refused`` are those of the file, from 1."""

    found: Friction
    unreadable: tuple[Reject, ...]


def replay_file(
    source: str | Path,
    old: RoutingPolicy | str,
    new: RoutingPolicy,
    *,
    prices: Prices | None = None,
    columns: Mapping[str, str] | None = None,
    certain: bool = False,
    needed_person: Sequence[str] = (),
    day: dt.date | None = None,
    first: str | None = None,
    last: str | None = None,
    time_format: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
    progress: Progress | None = None,
) -> FileReplay:
    """As `replay`, of a ticket file; a cell is read as the input of the new policy it stands for, else of the old one.

    Parameters
    ----------
    source : str or Path
        ``.csv``, ``.jsonl`` or ``.parquet``.
    old, new, prices, columns, certain, needed_person, day, first, last
        As for `replay`.
    time_format : str, optional
        Of ``created_at``, as of `datetime.strptime`; by default as `read_times` finds it.
    delimiter, encoding, progress
        As for `read_columns`.

    Raises
    ------
    BatchError
        If the file cannot be read or a column is not there.
    LabError
        As `replay`.
    """
    policies = [new, old] if isinstance(old, RoutingPolicy) else [new]
    chosen = dict(columns or {})
    logged = () if isinstance(old, RoutingPolicy) else (old,)
    names = dict.fromkeys((*REPLAY_ROLES, *(name for policy in policies for name in policy.inputs)))
    file = read_columns(
        source,
        [name for name in names if name not in chosen],
        [*(column for column in chosen.values() if column), *logged, *needed_person],
        delimiter=delimiter,
        encoding=encoding,
        progress=progress,
    )
    tickets: dict[str, Any] = dict(file.columns)
    for name in names:
        column = chosen.get(name, name)
        policy = next((each for each in policies if name in each.inputs), None)
        if policy is not None and column in tickets and name != "date":
            tickets[column] = typed_cells(policy, name, file.columns[column])
    with rows_of_file(source, file):
        read_time(tickets, chosen, file.rows, time_format)
        found = replay(
            tickets,
            old,
            new,
            prices=prices,
            columns=chosen,
            certain=certain,
            needed_person=needed_person,
            day=day,
            first=first,
            last=last,
        )
    if not found.replayed:
        causes = found.tables["refused"]["cause"].tolist()
        cause = max(sorted(set(causes)), key=causes.count)
        raise LabError(
            f"{source}: none of {count_text(found.tickets, 'ticket')} could be replayed; of {causes.count(cause):,}, {cause}"
        )
    tables = {
        name: _with_rows(table, file) if name in ("moved", "refused") else table for name, table in found.tables.items()
    }
    return FileReplay(dataclasses.replace(found, tables=tables), tuple(file.rejects))


def friction_file(
    source: str | Path,
    *,
    prices: Prices | None = None,
    columns: Mapping[str, str] | None = None,
    repeat_days: int = 7,
    first: str | None = None,
    last: str | None = None,
    time_format: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
    progress: Progress | None = None,
) -> FileFriction:
    """As `friction`, of a ticket file.

    Parameters
    ----------
    source : str or Path
        ``.csv``, ``.jsonl`` or ``.parquet``.
    prices, columns, repeat_days, first, last
        As for `friction`.
    time_format : str, optional
        Of ``created_at``, as of `datetime.strptime`; by default as `read_times` finds it.
    delimiter, encoding, progress
        As for `read_columns`.

    Raises
    ------
    BatchError
        If the file cannot be read or a column is not there.
    LabError
        As `friction`.
    """
    chosen = dict(columns or {})
    file = read_columns(
        source,
        [name for name in FRICTION_ROLES if name not in chosen],
        [*(name for name in ("reason", "created_at") if name not in chosen), *filter(None, chosen.values())],
        delimiter=delimiter,
        encoding=encoding,
        progress=progress,
    )
    tickets: dict[str, Any] = dict(file.columns)
    with rows_of_file(source, file):
        read_time(tickets, chosen, file.rows, time_format)
        cost = chosen.get("cost", "cost")
        if cost in tickets:
            tickets[cost] = _numbers(tickets[cost], cost, file.rows)
        found = friction(tickets, prices=prices, columns=chosen, repeat_days=repeat_days, first=first, last=last)
    tables = {**found.tables, "refused": _with_rows(found.tables["refused"], file)}
    return FileFriction(dataclasses.replace(found, tables=tables), tuple(file.rejects))


@contextlib.contextmanager
def rows_of_file(source: str | Path, file: FileColumns) -> Iterator[None]:
    """Errors of the lab with the numbers that rows have in the file; BatchError if none could be read."""
    if not file.rows:
        why = "there is no ticket in the file; give one with a row a ticket"
        if file.rejects:
            first = file.rejects[0]
            why = f"none of {count_text(len(file.rejects), 'row')} could be read; the first, row {first.row}: {first.cause}"
        raise BatchError(f"{source}: {why}")
    try:
        yield
    except LabRowError as exc:
        raise exc.of_file(file.rows) from None


def typed_cells(policy: RoutingPolicy, name: str, values: Sequence[Any]) -> list[Any]:
    """Cells as values of an input; what stands for none is left as it is, for the policy to refuse."""
    known: dict[str, Any] = {}
    found = []
    for value in values:
        if value.__class__ is str and value in known:
            found.append(known[value])
            continue
        try:
            typed = policy.from_cell(name, value)
        except RoutingError:
            typed = value
        if value.__class__ is str:
            known[value] = typed
        found.append(typed)
    return found


def read_time(tickets: dict[str, Any], chosen: Mapping[str, str], rows: Sequence[int], time_format: str | None) -> None:
    """The time column in place of its texts, each time as its own clock shows it, so that its day is that of the place where it was written."""
    column = chosen.get("created_at", "created_at")
    if column not in tickets:
        return
    if time_format is None:
        with contextlib.suppress(LabError):
            tickets[column] = times_of(tickets[column], column)
            return
    times, _ = read_times(tickets[column], column=column, time_format=time_format, rows=rows, own_clock=True)
    tickets[column] = np.array(
        [None if time is None else time.replace(tzinfo=None) for time in times], dtype="datetime64[s]"
    )


def _numbers(values: Sequence[Any], column: str, rows: Sequence[int]) -> npt.NDArray[np.float64]:
    found = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        try:
            if value is not None and (value.__class__ is not str or value.strip()):
                found[i] = float(value)
        except (TypeError, ValueError):
            raise BatchError(
                f"row {rows[i]}: column {column!r} holds a value that is no number; write costs such as 5.25"
            ) from None
    return found


def _with_rows(table: Table, file: FileColumns) -> Table:
    return {**table, "row": np.array(file.rows, dtype=np.int64)[table["row"]]}
