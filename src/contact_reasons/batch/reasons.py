"""Lists of reasons as people keep them: a table, lines of text, or a taxonomy file; and the pack that one starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from contact_reasons.batch.lines import check_encoding
from contact_reasons.batch.readers import KINDS, open_source
from contact_reasons.errors import BatchError, PackError, shorten
from contact_reasons.starter import ListedReason, start_pack, taxonomy_of_list
from contact_reasons.starter.example import example_taxonomy, example_texts
from contact_reasons.starter.files import taxonomy_id_of
from contact_reasons.taxonomy import Taxonomy

__all__ = ["read_reasons", "start_pack_file"]

_TABLES: Final = (*KINDS,)
_COLUMNS: Final = ("primary", "secondary")
_MORE: Final = ("definition", "id")
_NAME: Final = re.compile(r"\w[\w-]*\Z")


def start_pack_file(
    name: str,
    into: str | Path = ".",
    *,
    source: str | Path | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> tuple[Path, ...]:
    """Start a pack in the folder ``into/name``, from a list of reasons or from a small worked example.

    Parameters
    ----------
    name : str
        Of the pack; its taxonomy id is made from it, unless the source is a taxonomy file.
    into : str or Path
    source : str or Path, optional
        See `read_reasons`; a taxonomy file (``.yaml``) keeps its reasons and ids. None: the example.
    delimiter, encoding : str
        Of a CSV or text file.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    BatchError, TaxonomyError, PackError
    """
    if not _NAME.match(name):
        raise PackError(
            f"{shorten(name)} is not a name for a pack; use letters, digits, '-' and '_', and name the folder with --into"
        )
    folder, taxonomy_id = Path(into) / name, taxonomy_id_of(name)
    if source is None:
        note = "This is the worked example, a bicycle rental: put your own reasons and texts in its place."
        return start_pack(folder, example_taxonomy(taxonomy_id), texts=example_texts(), note=note)
    if Path(source).suffix.lower() in (".yaml", ".yml"):
        return start_pack(folder, Taxonomy.from_yaml(source))
    reasons = read_reasons(source, delimiter=delimiter, encoding=encoding)
    return start_pack(folder, taxonomy_of_list(reasons, taxonomy_id=taxonomy_id, source=str(source)))


def read_reasons(source: str | Path, *, delimiter: str = ",", encoding: str = "utf-8") -> list[ListedReason]:
    """The rows of a list of reasons.

    A table (CSV, JSON Lines, Parquet) has the columns ``primary`` and ``secondary`` and may have ``definition`` and ``id``. A text
    file has a line ``Primary > Secondary`` for each reason, or in all lines a label alone, which is then its own primary.

    Parameters
    ----------
    source : str or Path
    delimiter : str
        Of a CSV file.
    encoding : str
        Of a CSV or text file.

    Raises
    ------
    BatchError
        If the file cannot be read or a line is no reason, naming file and row.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix == ".txt":
        return _read_lines(path, encoding)
    if suffix not in _TABLES:
        raise BatchError(
            f"{path}: a list of reasons ends in .csv, .txt, .jsonl, .parquet or .yaml, not {suffix or 'nothing'}; "
            "save it as CSV, in a spreadsheet by 'Save as'"
        )
    file = open_source(path, delimiter=delimiter, encoding=encoding)
    file.require(_COLUMNS)
    names = [*_COLUMNS, *(name for name in _MORE if name in file.columns)]
    reasons = []
    for chunk in file.chunks(10_000):
        if chunk.rejects:
            reject = chunk.rejects[0]
            raise BatchError(
                f"{path}, row {reject.row}: {reject.cause}. All rows must be readable, so that no reason is lost"
            )
        columns = [chunk.column(name) for name in names]
        for (row, line), *values in zip(chunk.numbers, *columns, strict=True):
            place = f"row {row}" if line is None else f"row {row} (line {line})"
            found = {name: _text(value, name, f"{path}, {place}") for name, value in zip(names, values, strict=True)}
            reasons.append(ListedReason(**found, place=place))
    return reasons


def _text(value: Any, column: str, place: str) -> str:
    if value is not None and not isinstance(value, str):
        raise BatchError(f"{place}: column {column!r} holds a value of type {type(value).__name__}; it must be a text")
    return value or ""


def _read_lines(path: Path, encoding: str) -> list[ListedReason]:
    check_encoding(encoding)
    try:
        text = path.read_text(encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except UnicodeError as exc:
        raise BatchError(f"{path}: not {encoding}; save it as UTF-8, or give its --encoding") from exc
    except OSError as exc:
        raise BatchError(f"{path}: the file cannot be read ({exc.strerror or exc}); check the path") from exc
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    levels = {number: line.count(">") for number, line in lines}
    for number, count in levels.items():
        if count > 1 or count != max(levels.values()):
            raise BatchError(
                f"{path}, line {number}: {count} '>' in the line; write 'Primary > Secondary' in every line, or labels without '>' in all"
            )
    reasons = []
    for number, line in lines:
        primary, arrow, secondary = line.partition(">")
        reasons.append(ListedReason(primary, secondary if arrow else primary, place=f"line {number}"))
    return reasons
