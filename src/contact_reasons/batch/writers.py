"""Labelled tickets out: each chunk a part file, all parts one file. Equal rows give equal bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from contact_reasons.batch.readers import Chunk, JsonLinesSource, ParquetSource, TicketSource, import_parquet

__all__ = ["PartWriter", "make_writer"]

ROW_GROUP_ROWS: Final = 100_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
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
        """Bytes of a chunk's rows with their results, and how many cells of each column were made safe."""

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


def _table_rows(table: Any) -> list[dict[str, Any]]:
    """Rows of an Arrow table as JSON-like values: dates, times and decimals as text, bytes as hexadecimal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
            column = pc.cast(column, pa.string())
        columns.append(column)
    names = table.column_names
    return [
        dict(zip(names, map(_json_like, values), strict=True))
        for values in zip(*(c.to_pylist() for c in columns), strict=True)
    ]


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
        escaped: Counter[str] = Counter()
        table = []
        for row in _plain_rows(chunk, results):
            cells = [_cell(row.get(name)) for name in self.columns]
            if self.formula_guard:
                for i, cell in enumerate(cells):
                    if _is_formula(cell):
                        cells[i] = "'" + cell
                        escaped[self.columns[i]] += 1
            table.append(cells)
        return self._encode(table), dict(escaped)

    def _encode(self, table: list[list[str]]) -> bytes:
        lines = _Lines()
        csv.writer(lines, delimiter=self.delimiter, lineterminator="\r\n").writerows(table)
        return "".join(lines).encode()

    def join(self, parts: Sequence[Path], target: Path) -> None:
        names = [name if not (self.formula_guard and _is_formula(name)) else "'" + name for name in self.columns]
        _concatenate(self._encode([names]), parts, target)


class _Lines(list[str]):
    """Takes rows from the csv module. Told that lines end in CR LF, it quotes cells that hold either; ours end in LF."""

    def write(self, row: str) -> None:
        self.append(row[:-2] + "\n")


def _is_formula(cell: str) -> bool:
    return cell.startswith(_FORMULA) and not _NUMBER.match(cell)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
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
            columns = [
                pa.array(self._values(chunk, name), self.schema.field(name).type)
                for name in self.columns[: -len(self.added)]
            ]
        else:
            columns = list(chunk.rows.columns)
        columns += [pa.array(results[field.name], field.type) for field in self._added]
        out = io.BytesIO()
        import_parquet().write_table(pa.Table.from_arrays(columns, schema=self.schema), out)
        return out.getvalue(), {}

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
