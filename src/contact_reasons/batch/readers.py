"""Ticket files in: CSV, JSON Lines and Parquet, chunk by chunk. A row that cannot be read is a `Reject`, never a loss."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from contact_reasons.batch.lines import MAX_ROW_BYTES, CsvLines, check_encoding, has_surrogates
from contact_reasons.errors import BatchError, nearest, shorten

__all__ = ["Chunk", "Columns", "Reject", "TicketSource", "kind_of", "open_source"]

KINDS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}

Row = dict[str, Any]


class Reject(NamedTuple):
    """A row that was not processed, and why. Holds no text of the row.

    Parameters
    ----------
    row : int
        Number of the record in the file, from 1, the header not counted.
    line : int or None
        Line of the file on which it begins, from 1; None in Parquet.
    cause : str
    """

    row: int
    line: int | None
    cause: str


@dataclass(slots=True)
class Chunk:
    """A run of consecutive records.

    Parameters
    ----------
    index : int
        From 0.
    numbers : list of (int, int or None)
        Row and line number of each readable row.
    rows : list of dict, or a pyarrow Table
        The readable rows.
    rejects : list of Reject
    fraction : float
        Share of the file read when the chunk ends.
    ignored : Counter
        By column, values that were taken as missing because the policy does not know them.
    """

    index: int
    numbers: list[tuple[int, int | None]] = field(default_factory=list)
    rows: Any = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    fraction: float = 0.0
    ignored: Counter[str] = field(default_factory=Counter)

    def column(self, name: str) -> list[Any]:
        """Values of one column; None where a row has none."""
        if isinstance(self.rows, list):
            return [row.get(name) for row in self.rows]
        values: list[Any] = self.rows.column(name).to_pylist()
        return values

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all readable rows but those at these positions."""
        if len(kept) == len(self.numbers):
            return
        self.numbers = [self.numbers[i] for i in kept]
        self.rows = [self.rows[i] for i in kept] if isinstance(self.rows, list) else self._take(kept)

    def _take(self, kept: Sequence[int]) -> Any:
        import pyarrow as pa

        wanted = set(kept)
        return self.rows.filter(pa.array([i in wanted for i in range(self.rows.num_rows)], pa.bool_()))


def kind_of(path: Path, what: str) -> str:
    """``'csv'``, ``'jsonl'`` or ``'parquet'``, by the file's ending.

    Raises
    ------
    BatchError
        If the ending is none of these.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise BatchError(
            f"{path}: the {what} file must end in {', '.join(KINDS)}, not {path.suffix or 'nothing'}; rename it"
        )
    return kind


def open_source(path: str | Path, *, delimiter: str = ",", encoding: str = "utf-8") -> TicketSource:
    """The reader for a ticket file, by its ending.

    Raises
    ------
    BatchError
        If the file is not there or its head cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise BatchError(f"{path}: there is no such file; check the path")
    kind = kind_of(path, "ticket")
    if kind == "csv":
        return CsvSource(path, delimiter=delimiter, encoding=encoding)
    return JsonLinesSource(path) if kind == "jsonl" else ParquetSource(path)


class Columns:
    """What rows are read from, and the columns that they have.

    Attributes
    ----------
    name : str
        What error messages call it.
    columns : tuple of str
        All columns, in order.
    """

    name: str
    columns: tuple[str, ...]

    def require(self, names: Iterable[str]) -> None:
        """Check that columns exist.

        Raises
        ------
        BatchError
            Naming the first that does not, and the nearest that does.
        """
        for name in names:
            if name not in self.columns:
                raise BatchError(
                    f"{self.name}: there is no column {name!r}; {nearest(name, self.columns)}{self._columns_hint()}"
                )

    def _columns_hint(self) -> str:
        """What else may be wrong where a column is missing."""
        return ""


class TicketSource(Columns, ABC):
    """A ticket file; the columns of JSON Lines are the keys that occur anywhere.

    Attributes
    ----------
    path : Path
    kind : {'csv', 'jsonl', 'parquet'}
    """

    kind: str

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)

    def sha256(self) -> str:
        """Hash of the whole file."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @abstractmethod
    def chunks(self, size: int) -> Iterator[Chunk]:
        """All records, ``size`` at a time, readable or not."""


class _RowSource(TicketSource):
    """A file that is read record by record."""

    @abstractmethod
    def _records(self) -> Iterator[tuple[Row | Reject, int, int, float]]:
        """Row or reject, row number, line number, share of the file read."""

    def chunks(self, size: int) -> Iterator[Chunk]:
        chunk, count = Chunk(0), 0
        for record, row, line, fraction in self._records():
            if isinstance(record, Reject):
                chunk.rejects.append(record)
            else:
                chunk.rows.append(record)
                chunk.numbers.append((row, line))
            chunk.fraction = fraction
            count += 1
            if count == size:
                yield chunk
                chunk, count = Chunk(chunk.index + 1), 0
        if count or chunk.index == 0:
            chunk.fraction = 1.0
            yield chunk


# ----------------------------------------------------------------------------------------------- CSV


class CsvSource(_RowSource):
    """A CSV file with a header. Quoting is read strictly; a field may run over several lines."""

    kind = "csv"

    def __init__(self, path: Path, *, delimiter: str, encoding: str) -> None:
        super().__init__(path)
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if len(delimiter) != 1 or delimiter in '\r\n"':
            raise BatchError(f"the delimiter is {delimiter!r}; it must be one character, such as ',' or ';'")
        check_encoding(encoding)
        self.delimiter = delimiter
        self.encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        with CsvLines(path, self.encoding) as lines:
            try:
                header = next((record for record in self._reader(lines) if record), [])
            except (csv.Error, UnicodeError) as exc:
                raise BatchError(
                    f"{path}, line 1: the header cannot be read ({exc}); check quotes and --delimiter"
                ) from exc
        if not header:
            raise BatchError(f"{path}: the file is empty; its first line must name the columns")
        doubled = sorted({name for name in header if header.count(name) > 1})
        if doubled or "" in header:
            wrong = f"the column {doubled[0]!r} twice" if doubled and doubled[0] else "a column without a name"
            raise BatchError(f"{path}, line 1: the header has {wrong}; every column needs a name of its own")
        if any(has_surrogates(name) for name in header):
            raise BatchError(f"{path}, line 1: the header is not {encoding}; give the file's encoding with --encoding")
        self.columns = tuple(header)

    def _columns_hint(self) -> str:
        alone = self.columns[0] if len(self.columns) == 1 else ""
        return "; is it --delimiter ';' or '\\t'?" if any(mark in alone for mark in ";\t|") else ""

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, strict=True)

    def _records(self) -> Iterator[tuple[Row | Reject, int, int, float]]:
        limit = csv.field_size_limit(MAX_ROW_BYTES)
        try:
            with CsvLines(self.path, self.encoding) as lines:
                reader = self._reader(lines)
                next(record for record in reader if record)
                row = 0
                while True:
                    lines.begin()
                    cause, record = "", None
                    try:
                        record = next(reader)
                    except StopIteration:
                        return
                    except csv.Error as exc:
                        cause = (
                            f"the line is not valid CSV ({exc}); look for a quote that is not closed or not doubled. "
                            "The lines after it were read as rows of their own"
                        )
                    except UnicodeError as exc:
                        raise BatchError(
                            f"{self.path}, line {lines.first}: not {self.encoding} ({type(exc).__name__}); give the file's --encoding"
                        ) from exc
                    if record == []:
                        continue  # an empty line is no record
                    if record is not None and len(record) != len(self.columns):
                        cause = f"{len(record)} fields where the header has {len(self.columns)}; look for a stray delimiter or quote"
                    row += 1
                    line = lines.first
                    if cause:
                        if record is None:  # not even CSV: only its first line is given up
                            lines.give_back_all_but_one()
                            reader = self._reader(lines)
                        yield Reject(row, line, cause), row, line, lines.fraction
                        continue
                    assert record is not None
                    wrong = lines.undecodable and next(
                        (name for name, value in zip(self.columns, record, strict=True) if has_surrogates(value)),
                        None,
                    )
                    if wrong:
                        cause = f"column {wrong!r}: bytes that are not {self.encoding.removesuffix('-sig')}; give --encoding or repair the row"
                        yield Reject(row, line, cause), row, line, lines.fraction
                    else:
                        yield dict(zip(self.columns, record, strict=True)), row, line, lines.fraction
        finally:
            csv.field_size_limit(limit)


# ------------------------------------------------------------------------------------------ JSON Lines


class JsonLinesSource(_RowSource):
    """A file of one JSON object a line; empty lines are no records."""

    kind = "jsonl"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.types: dict[str, str] = {}
        wrong: Reject | None = None
        for record, *_ in self._records():
            if isinstance(record, Reject):
                wrong = wrong or record
            else:
                for name, value in record.items():
                    self._note_type(name, value)
        self.columns = tuple(self.types)
        if not self.columns and wrong is not None:
            raise BatchError(f"{path}: no line holds a usable record; line {wrong.line}: {wrong.cause}")

    def _note_type(self, name: str, value: Any) -> None:
        """Widen the type of a column: null < bool, int < float, string; anything mixed or nested is 'json'."""
        kind = "null" if value is None else _JSON_TYPES.get(type(value), "json")
        if kind == "int" and not -(2**63) <= value < 2**63:
            kind = "json"
        elif kind == "int" and abs(value) > 2**53:
            kind = "long"
        known = self.types.get(name, "null")
        if known in ("null", kind):
            self.types[name] = kind
        elif {known, kind} == {"int", "float"}:
            self.types[name] = "float"
        elif {known, kind} == {"int", "long"}:
            self.types[name] = "long"
        elif kind != "null":
            self.types[name] = "json"

    def _records(self) -> Iterator[tuple[Row | Reject, int, int, float]]:
        size = max(self.path.stat().st_size, 1)
        row = line = done = 0
        with self.path.open("rb") as stream:
            while raw := stream.readline(MAX_ROW_BYTES):
                done += len(raw)
                if line == 0:
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                line += 1
                if not raw.strip():
                    continue
                row += 1
                record: Row | Reject
                try:
                    record = _json_object(raw)
                except (ValueError, RecursionError) as exc:
                    record = Reject(row, line, _json_cause(exc))
                yield record, row, line, done / size


_JSON_TYPES: Final = {bool: "bool", int: "int", float: "float", str: "string"}


class _NotAnObject(ValueError):
    pass


def _json_object(raw: bytes) -> Row:
    text = raw.decode("utf-8")
    value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)
    if not isinstance(value, dict):
        raise _NotAnObject(f"a JSON {type(value).__name__} where an object was expected")
    if "\\u" in text and has_surrogates(json.dumps(value, ensure_ascii=False)):
        raise _NotAnObject("half of a surrogate pair (\\ud800 to \\udfff) in a string")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> Row:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _NotAnObject("a key stands twice in the object")
    return result


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _NotAnObject("a number too large for a double")
    return number


def _no_constant(name: str) -> Any:
    raise _NotAnObject(f"{name} is not JSON; write null")


def _json_cause(exc: Exception) -> str:
    if isinstance(exc, _NotAnObject):
        return f"the line is not a usable record: {exc}"
    if isinstance(exc, UnicodeDecodeError):
        return "the line is not UTF-8; save the file as UTF-8"
    if isinstance(exc, json.JSONDecodeError):
        return f"the line is not valid JSON ({exc.msg} at character {exc.pos + 1})"
    return f"the line is not valid JSON ({type(exc).__name__})"


# --------------------------------------------------------------------------------------------- Parquet


class ParquetSource(TicketSource):
    """A Parquet file; its types are kept on the way to Parquet."""

    kind = "parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        parquet = import_parquet()
        try:
            self._file = parquet.ParquetFile(path)
        except Exception as exc:
            raise BatchError(
                f"{path}: not a Parquet file that can be read ({type(exc).__name__}); was it written completely?"
            ) from exc
        self.schema = self._file.schema_arrow
        self.columns = tuple(self.schema.names)
        if len(set(self.columns)) != len(self.columns):
            raise BatchError(f"{path}: two columns have the same name; rename one")

    def chunks(self, size: int) -> Iterator[Chunk]:
        import pyarrow as pa

        total = max(self._file.metadata.num_rows, 1)
        row, index, held = 0, 0, []
        held_rows = 0
        try:
            for batch in self._file.iter_batches(batch_size=size):
                held.append(batch)
                held_rows += batch.num_rows
                while held_rows >= size:
                    table = pa.Table.from_batches(held)
                    yield self._chunk(index, row, table.slice(0, size), total)
                    rest = table.slice(size)
                    row, index, held_rows, held = row + size, index + 1, held_rows - size, rest.to_batches()
        except (OSError, ValueError) as exc:
            raise BatchError(
                f"{self.path}: reading stopped after row {row} ({type(exc).__name__}); the file is damaged or truncated: export it again"
            ) from exc
        if held_rows or index == 0:
            yield self._chunk(index, row, pa.Table.from_batches(held, schema=self.schema), total)

    @staticmethod
    def _chunk(index: int, first: int, table: Any, total: int) -> Chunk:
        numbers: list[tuple[int, int | None]] = [(first + i + 1, None) for i in range(table.num_rows)]
        return Chunk(index, numbers, table, [], (first + table.num_rows) / total)


def import_parquet() -> Any:
    """``pyarrow.parquet``, or an error that says how to get it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise BatchError("Parquet files need pyarrow: pip install 'contact-reasons[arrow]'") from None
    return parquet


def check_string(value: Any, column: str) -> str | None:
    """What is wrong with a text value, or None; no text at all (null) is an empty one."""
    if value is None or isinstance(value, str):
        return None
    return (
        f"column {column!r}: the text is a value of type {shorten(type(value).__name__)}; it must be a string or null"
    )
