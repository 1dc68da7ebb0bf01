"""Whole columns out of ticket files, and tables of the lab into files."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from contact_reasons.batch.readers import Reject, import_parquet, kind_of, open_source
from contact_reasons.batch.writers import is_formula
from contact_reasons.errors import BatchError
from contact_reasons.lab.outcome import Table, plain_table

__all__ = ["FileColumns", "read_columns", "write_table"]

_CHUNK_ROWS: Final = 20_000
Progress = Callable[[int, float], None]


class FileColumns(NamedTuple):
    """Columns of a ticket file.

    Parameters
    ----------
    columns : dict of str to list, length n
    rows : list of int, length n
        Number of each row in the file, from 1.
    rejects : list of Reject
        Rows that could not be read.
    """

    columns: dict[str, list[Any]]
    rows: list[int]
    rejects: list[Reject]


def read_columns(
    path: str | Path,
    wanted: Iterable[str],
    chosen: Iterable[str] = (),
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    progress: Progress | None = None,
) -> FileColumns:
    """The columns of a file that are wanted and there, and those chosen, which must be there.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.jsonl`` or ``.parquet``.
    wanted, chosen : iterable of str
    delimiter, encoding : str
        Of CSV files.
    progress : callable, optional
        Called with the rows read so far and the share of the file.

    Raises
    ------
    BatchError
        If the file cannot be read or a chosen column is not there.
    """
    source = open_source(path, delimiter=delimiter, encoding=encoding)
    source.require(chosen)
    names = [name for name in dict.fromkeys((*wanted, *chosen)) if name in source.columns]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    rows: list[int] = []
    rejects: list[Reject] = []
    for chunk in source.chunks(_CHUNK_ROWS):
        rejects += chunk.rejects
        rows.extend(row for row, _ in chunk.numbers)
        for name, values in columns.items():
            values.extend(chunk.column(name))
        if progress is not None:
            progress(len(rows), chunk.fraction)
    return FileColumns(columns, rows, rejects)


def write_table(path: str | Path, table: Table, *, overwrite: bool = False) -> None:
    """Write a table as CSV, JSON Lines or Parquet, by the file's ending; a file is there whole or not at all.

    Parameters
    ----------
    path : str or Path
    table : dict of str to ndarray
        In CSV, cells that a spreadsheet would run as a formula get a ``'`` in front.
    overwrite : bool

    Raises
    ------
    BatchError
        If the file is there already and is not to be replaced, or has another ending.
    """
    path = Path(path)
    kind = kind_of(path, "result")
    if path.exists() and not overwrite:
        raise BatchError(f"{path}: there is such a file already; name another, or give --overwrite")
    half = path.with_name(path.name + ".part")
    columns = plain_table(table)
    _WRITERS[kind](half, columns)
    os.replace(half, path)


def _write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return "'" + value if is_formula(value) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _write_jsonl(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        for row in zip(*columns.values(), strict=True):
            stream.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    parquet = import_parquet()
    import pyarrow as pa

    parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)


_WRITERS: Final = {"csv": _write_csv, "jsonl": _write_jsonl, "parquet": _write_parquet}
