"""Labelled tickets out: each chunk a part file, all parts one file. Equal rows give equal bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from contact_reasons.batch.readers import Chunk, JsonLinesSource, ParquetSource, TicketSource, import_parquet

__all__ = ["PartWriter", "is_formula", "make_writer"]

ROW_GROUP_ROWS: Final = 100_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FORMULA_STARTS: Final = frozenset(_FORMULA)
_NUMBER: Final = re.compile(r"[-+]?(?:\d[\d.,]*|\.\d+)(?:[eE][-+]?\d+)?%?\Z")


def make_writer(
    kind: str, source: TicketSource, added: Mapping[str, str], *, delimiter: str, formula_guard: bool
) -> PartWriter:
    """The writer of a kind of file for the columns of a source and the added ones.

    Parameters
    ----------
    kind : {'csv', 'jsonl', 'parquet'}
    source : TicketSource
    added : mapping of str to {'string', 'float', 'int', 'bool'}
        Names and types of the added columns.
    delimiter : str
    formula_guard : bool
        Whether a ``'`` is put before CSV cells that begin like a formula.
    """
    if kind == "csv":
        return CsvParts(source, added, delimiter, formula_guard)
    return JsonLinesParts(source, added) if kind == "jsonl" else ParquetParts(source, added)


class PartWriter(ABC):
    """Turns chunks into parts and parts into one file."""

    def __init__(self, source: TicketSource, added: Mapping[str, str]) -> None:
        self.columns = (*source.columns, *added)
        self.added = dict(added)

    @abstractmethod
    def part(self, chunk: Chunk, results: Mapping[str, Sequence[Any]]) -> tuple[bytes, dict[str, int]]:
        """Bytes of a chunk's rows with their results, and how many cells of each column were made safe.

        Results are the added columns; those of the source that they name as well are replaced.
        """

    @abstractmethod
    def join(self, parts: Sequence[Path], target: Path) -> None:
        """Write all parts, in order, as one file."""


def _plain_rows(chunk: Chunk, results: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    rows = chunk.rows if isinstance(chunk.rows, list) else _table_rows(chunk.rows)
    names = list(results)
    return [
        {**row, **dict(zip(names, values, strict=True))}
        for row, values in zip(rows, zip(*results.values(), strict=True), strict=True)
    ]


def _plain_columns(
    chunk: Chunk, results: Mapping[str, Sequence[Any]], names: Sequence[str]
) -> dict[str, Sequence[Any]]:
    """The columns of these names, as in `_plain_rows`."""
    given = {} if isinstance(chunk.rows, list) else _table_columns(chunk.rows)
    columns = {**given, **results}
    return {name: columns[name] if name in columns else chunk.column(name) for name in names}


def _table_rows(table: Any) -> list[dict[str, Any]]:
    columns = _table_columns(table)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _table_columns(table: Any) -> dict[str, list[Any]]:
    """Columns of an Arrow table as JSON-like values: dates, times and decimals as text, bytes as hexadecimal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
            column = pc.cast(column, pa.string())
        columns[name] = [_json_like(value) for value in column.to_pylist()]
    return columns


def _json_like(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None if value != value else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_json_like(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_like(item) for key, item in value.items()}
    return str(value)


class JsonLinesParts(PartWriter):
    """One JSON object a line, keys in the order of the source, then the added ones."""

    def part(self, chunk: Chunk, results: Mapping[str, Sequence[Any]]) -> tuple[bytes, dict[str, int]]:
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in _plain_rows(chunk, results)]
        return "".join(lines).encode(), {}

    def join(self, parts: Sequence[Path], target: Path) -> None:
        _concatenate(b"", parts, target)


class CsvParts(PartWriter):
    """CSV in UTF-8 with a header and ``\\n`` line ends. Cells that a spreadsheet would run as a formula get a ``'`` in front."""

    def __init__(self, source: TicketSource, added: Mapping[str, str], delimiter: str, formula_guard: bool) -> None:
        super().__init__(source, added)
        self.delimiter, self.formula_guard = delimiter, formula_guard

    def part(self, chunk: Chunk, results: Mapping[str, Sequence[Any]]) -> tuple[bytes, dict[str, int]]:
        escaped: dict[str, int] = {}
        table = []
        for name, values in _plain_columns(chunk, results, self.columns).items():
            cells = [value if value.__class__ is str else _cell(value) for value in values]
            if self.formula_guard:
                unsafe = [i for i, cell in enumerate(cells) if cell[:1] in _FORMULA_STARTS and is_formula(cell)]
                for i in unsafe:
                    cells[i] = "'" + cells[i]
                if unsafe:
                    escaped[name] = len(unsafe)
            table.append(cells)
        return self._encode(zip(*table, strict=True)), escaped

    def _encode(self, table: Iterable[Sequence[str]]) -> bytes:
        lines = _Lines()
        csv.writer(lines, delimiter=self.delimiter, lineterminator="\r\n").writerows(table)
        return "".join(lines).encode()

    def join(self, parts: Sequence[Path], target: Path) -> None:
        names = [name if not (self.formula_guard and is_formula(name)) else "'" + name for name in self.columns]
        _concatenate(self._encode([names]), parts, target)


class _Lines(list[str]):
    """Takes rows from the csv module. Told that lines end in CR LF, it quotes cells that hold either; ours end in LF."""

    def write(self, row: str) -> None:
        self.append(row[:-2] + "\n")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would run a cell as a formula; numbers such as -4.5 it would not."""
    return cell.startswith(_FORMULA) and not _NUMBER.match(cell)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if value.__class__ is float and value - value == 0:
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _concatenate(head: bytes, parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as out:
        out.write(head)
        for path in parts:
            with path.open("rb") as part:
                shutil.copyfileobj(part, out, 1 << 20)


class ParquetParts(PartWriter):
    """Parquet; the types of a Parquet source are kept, a CSV's columns are strings, a JSON Lines key has the narrowest
    type that all its values have (nested or mixed ones are JSON text).
    """

    def __init__(self, source: TicketSource, added: Mapping[str, str]) -> None:
        super().__init__(source, added)
        import_parquet()
        import pyarrow as pa

        types = {
            "string": pa.string(),
            "float": pa.float64(),
            "int": pa.int64(),
            "long": pa.int64(),
            "bool": pa.bool_(),
        }
        kinds: dict[str, str] = {}
        if isinstance(source, ParquetSource):
            fields = list(source.schema)
        else:
            kinds = dict(source.types) if isinstance(source, JsonLinesSource) else {}
            fields = [pa.field(name, types.get(kinds.get(name, "string"), pa.string())) for name in source.columns]
        self._as_json = [name for name, kind in kinds.items() if kind == "json"]
        self._as_float = [name for name, kind in kinds.items() if kind == "float"]
        self._added = [pa.field(name, types[kind]) for name, kind in added.items()]
        self.schema = pa.schema([*fields, *self._added])

    def part(self, chunk: Chunk, results: Mapping[str, Sequence[Any]]) -> tuple[bytes, dict[str, int]]:
        import pyarrow as pa

        if isinstance(chunk.rows, list):
            columns = [pa.array(self._values(chunk, name), self.schema.field(name).type) for name in self._kept]
        else:
            columns = list(chunk.rows.columns)
        for i, name in enumerate(self._kept):
            if name in results:
                columns[i] = self._replaced(results[name], self.schema.field(name).type)
        columns += [pa.array(results[field.name], field.type) for field in self._added]
        out = io.BytesIO()
        import_parquet().write_table(pa.Table.from_arrays(columns, schema=self.schema), out)
        return out.getvalue(), {}

    @property
    def _kept(self) -> tuple[str, ...]:
        """The columns of the source."""
        return self.columns[: len(self.columns) - len(self.added)]

    @staticmethod
    def _replaced(values: Sequence[Any], kind: Any) -> Any:
        """New values of a column of the source, of its type."""
        import pyarrow as pa

        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_string(plain) or pa.types.is_large_string(plain):
            values = [None if value is None else _cell(value) for value in values]
        array = pa.array(values, plain)
        return array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array

    def _values(self, chunk: Chunk, name: str) -> list[Any]:
        values = chunk.column(name)
        if name in self._as_json:
            return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
        if name in self._as_float:
            return [None if value is None else float(value) for value in values]
        return values

    def join(self, parts: Sequence[Path], target: Path) -> None:
        import pyarrow as pa

        parquet = import_parquet()
        with parquet.ParquetWriter(target, self.schema) as writer:
            held: list[Any] = []
            for path in parts:
                held.append(parquet.read_table(path, schema=self.schema))
                if sum(table.num_rows for table in held) >= ROW_GROUP_ROWS:
                    writer.write_table(pa.concat_tables(held))
                    held.clear()
            if held:
                writer.write_table(pa.concat_tables(held))
