"""Columns of tickets as codes, times and flags: from dictionaries of arrays, pandas, polars and Arrow; nothing depends on the order of rows."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, LabRowError, nearest
from contact_reasons.routing.dates import day_of

__all__ = [
    "NOT_KNOWN",
    "Coded",
    "choose_columns",
    "code_column",
    "column_names",
    "combinations",
    "flags_of",
    "keys_of",
    "numbers_of",
    "times_of",
    "to_frame",
]

IntArray = npt.NDArray[np.int64]
NOT_KNOWN: Final = "not known"
"""Name of the group of tickets without a value."""

_SECONDS: Final = "datetime64[s]"
_LONGEST_TIME: Final = 25
_MOST_COUNTED: Final = 1 << 20
_YES: Final = ("true", "1", "1.0", "yes", "y")
_NO: Final = ("false", "0", "0.0", "no", "n")


class Coded(NamedTuple):
    """A column of names.

    Parameters
    ----------
    codes : ndarray of int64, shape (n,)
        Position in ``names``; -1 for a missing value.
    names : tuple of str
        Those that occur, sorted.
    """

    codes: IntArray
    names: tuple[str, ...]

    def labels(self, codes: IntArray | None = None) -> npt.NDArray[np.object_]:
        """The names of codes, by default of all rows; missing ones as ``'not known'``."""
        table = np.array([*self.names, NOT_KNOWN], dtype=object)
        found: npt.NDArray[np.object_] = table[self.codes if codes is None else codes]
        return found

    def mapped(self, function: Callable[[str], str]) -> Coded:
        """Names through a function, such as from secondary to primary reasons."""
        each = [function(name) for name in self.names]
        names = tuple(sorted(set(each)))
        table = np.array([*(names.index(name) for name in each), -1], dtype=np.int64)
        return Coded(table[self.codes], names)

    def at(self, rows: npt.NDArray[Any]) -> Coded:
        """Of some rows."""
        return Coded(self.codes[rows], self.names)


def combinations(*columns: tuple[IntArray, int]) -> tuple[list[IntArray], IntArray, IntArray]:
    """Combinations of codes that occur, with -1 last in each column.

    Parameters
    ----------
    columns : (ndarray of int64 of shape (n,), int)
        Codes from -1 on, and how many there are from 0 on.

    Returns
    -------
    list of ndarray of int64, shape (k,)
        The codes of each combination, column by column.
    ndarray of int64, shape (k,)
        How often each occurs.
    ndarray of int64, shape (n,)
        Position of each row's combination.
    """
    key = np.zeros(len(columns[0][0]), dtype=np.int64)
    for codes, size in columns:
        key = key * (size + 1) + np.where(codes < 0, size, codes)
    possible = math.prod(size + 1 for _, size in columns)
    if possible <= _MOST_COUNTED:
        counts = np.bincount(key, minlength=possible)
        distinct = np.flatnonzero(counts)
        place = (np.cumsum(counts > 0) - 1)[key]
        counts = counts[distinct]
    else:
        distinct, place, counts = np.unique(key, return_inverse=True, return_counts=True)
    found = []
    for _, size in reversed(columns):
        distinct, codes = np.divmod(distinct, size + 1)
        found.append(np.where(codes == size, -1, codes))
    return found[::-1], counts.astype(np.int64), place.astype(np.int64)


def column_names(tickets: Any) -> list[str]:
    """Names of the columns of a mapping, a data frame or an Arrow table.

    Raises
    ------
    LabError
        If it is none of these.
    """
    names = getattr(tickets, "column_names", None)
    if names is None:
        names = tickets.keys() if isinstance(tickets, Mapping) else getattr(tickets, "columns", None)
    if names is None:
        raise LabError(f"tickets is a {type(tickets).__name__}; give a mapping from names to columns, or a data frame")
    return [str(name) for name in names]


def choose_columns(tickets: Any, roles: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str | None]:
    """Column of each role: as chosen, else of the role's own name if there is one, else None.

    Parameters
    ----------
    tickets : mapping of str to column, or a table
    roles : sequence of str
    chosen : mapping of str to str
        Column by role; ``''`` leaves the role out.

    Raises
    ------
    LabError
        If a role or a column is not known.
    """
    known = column_names(tickets)
    for role, column in chosen.items():
        if role not in roles:
            raise LabError(f"columns names {role!r}, which is not read here; {nearest(role, roles)}")
        if column and column not in known:
            raise LabError(f"the tickets have no column {column!r} ({role}); {nearest(column, known)}")
    return {role: (chosen.get(role, role if role in known else "") or None) for role in roles}


def _values(column: Any) -> list[Any]:
    for method in ("to_pylist", "tolist", "to_list"):
        convert = getattr(column, method, None)
        if convert is not None:
            return list(convert())
    return list(column)


def _library(column: Any) -> str:
    return type(column).__module__.partition(".")[0]


def code_column(column: Any) -> Coded:
    """A column of names as codes. None, NaN, other missing values and blank texts are missing; numbers are read as texts.

    Categoricals of pandas are read by their codes, and columns of Arrow by a dictionary.

    Raises
    ------
    LabError
        If a value cannot be a name.

    Examples
    --------
    >>> code_column(["b", None, "a", "b"])
    Coded(codes=array([ 1, -1,  0,  1]), names=('a', 'b'))
    """
    if type(getattr(column, "dtype", None)).__name__ == "CategoricalDtype":
        categories = getattr(column, "cat", column)
        return _sorted(np.asarray(categories.codes, dtype=np.int64), _values(categories.categories))
    if _library(column) == "pyarrow":
        import pyarrow as pa

        flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        coded = flat if pa.types.is_dictionary(flat.type) else flat.dictionary_encode()
        codes = coded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        return _sorted(codes, coded.dictionary.to_pylist())
    return _sorted(*_numbered(_values(column)))


def keys_of(column: Any) -> IntArray:
    """A column of ids as keys, equal for equal ids, in no particular order; -1 for a missing one. Faster than `code_column` where most ids differ."""
    if _library(column) == "pyarrow" or type(getattr(column, "dtype", None)).__name__ == "CategoricalDtype":
        return code_column(column).codes
    keys, distinct = _numbered(_values(column))
    missing = np.array([_text(value) is None for value in distinct], dtype=np.bool_)
    return np.where(missing[keys], -1, keys) if missing.any() else keys


def _numbered(values: Sequence[Any]) -> tuple[IntArray, list[Any]]:
    """A number for each value, and the values by number."""
    places: defaultdict[Any, int] = defaultdict(itertools.count().__next__)
    try:
        numbers = np.fromiter(map(places.__getitem__, values), dtype=np.int64, count=len(values))
    except TypeError:
        raise LabError("a column of names holds a list or another value that is no name; give one name a row") from None
    return numbers, list(places)


def _sorted(codes: IntArray, names: Sequence[Any]) -> Coded:
    """Codes of the names that occur, in their order; several values may come to one text."""
    texts = [_text(name) for name in names]
    occurs = np.zeros(len(texts) + 1, dtype=np.bool_)
    occurs[codes] = True
    known = tuple(sorted({text for text, seen in zip(texts, occurs, strict=False) if seen and text is not None}))
    places: dict[str | None, int] = {text: place for place, text in enumerate(known)}
    table = np.array([*(places.get(text, -1) for text in texts), -1], dtype=np.int64)
    return Coded(table[codes], known)


def _text(name: Any) -> str | None:
    if name.__class__ is str:
        return name if name.strip() else None
    if _is_missing(name):
        return None
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    text = str(name)
    return text if text.strip() else None


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def times_of(column: Any, name: str) -> npt.NDArray[np.datetime64]:
    """A column of times as datetime64[s], shape (n,); NaT where there is none.

    Read are datetime64, dates and datetimes, and texts in ISO 8601. A time with a zone counts as its own clock shows it, so that its day is that of the
    place where it was written.

    Raises
    ------
    LabError
        If a value is no time, with its row.

    Examples
    --------
    >>> [str(time) for time in times_of(["2026-03-01T23:30:00+02:00", ""], "created_at")]
    ['2026-03-01T23:30:00', 'NaT']
    """
    if getattr(getattr(column, "dtype", None), "tz", None) is not None:  # of pandas
        column = getattr(column, "dt", column).tz_localize(None)
    if _library(column) in ("pandas", "polars") and getattr(column.dtype, "time_zone", None) is None:
        column = column.to_numpy()
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return column.astype(_SECONDS)
    values = _values(column)
    if all(map(str.__instancecheck__, values)):
        found = _of_texts(values)
        if found is not None:
            return found
    return np.array([_time(value, row, name) for row, value in enumerate(values)], dtype=_SECONDS)


def _of_texts(values: Sequence[str]) -> npt.NDArray[np.datetime64] | None:
    """Texts of one length, in UTC or without a zone, at once; None if they are others."""
    size = len(values[0]) if values else 0
    if not 10 <= size <= _LONGEST_TIME or any(len(value) != size for value in values):
        return None
    joined = "".join(values)
    if not joined.isascii():
        return None
    table = np.frombuffer(joined.encode("ascii"), dtype=np.uint8).reshape(len(values), size)
    cut = size - 1 if (table[:, -1] == ord("Z")).all() else size
    if cut not in (10, 16, 19) or not (table[:, 4] == ord("-")).all() or not (table[:, 7] == ord("-")).all():
        return None
    try:
        return np.ascontiguousarray(table[:, :cut]).view(f"S{cut}").ravel().astype(_SECONDS)
    except ValueError:
        return None


def _time(value: Any, row: int, name: str) -> np.datetime64:
    if _is_missing(value) or (isinstance(value, str) and not value.strip()):
        return np.datetime64("NaT", "s")
    try:
        found = dt.datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        if isinstance(found, dt.datetime):
            return np.datetime64(found.replace(tzinfo=None), "s")
        return np.datetime64(day_of(found), "s")
    except (TypeError, ValueError):
        raise LabRowError(
            f"column {name!r}, ", [row], ": this is no time; write 2026-11-30 or 2026-11-30T14:05:00"
        ) from None


def numbers_of(column: Any, name: str) -> npt.NDArray[np.float64]:
    """A column of numbers, shape (n,); NaN where there is none.

    Raises
    ------
    LabError
        If a value is no number.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        return column.astype(np.float64)
    try:
        return np.array([np.nan if _is_missing(value) else value for value in _values(column)], dtype=np.float64)
    except (TypeError, ValueError):
        raise LabError(f"column {name!r} holds a value that is no number; convert it before") from None


def flags_of(column: Any, name: str) -> npt.NDArray[np.int8]:
    """A column of true and false as 1 and 0, shape (n,); -1 where it is not known. Texts such as ``yes`` and ``0`` count too.

    Raises
    ------
    LabError
        If a value is neither.
    """
    coded = code_column(column)
    table: list[int] = []
    for text in coded.names:
        folded = text.strip().lower()
        if folded not in _YES + _NO:
            row = int(np.equal(coded.codes, len(table)).argmax())
            what = ": this is neither true nor false; correct it, or leave it empty"
            raise LabRowError(f"column {name!r}, ", [row], what)
        table.append(int(folded in _YES))
    found: npt.NDArray[np.int8] = np.array([*table, -1], dtype=np.int8)[coded.codes]
    return found


def to_frame(columns: Mapping[str, npt.NDArray[Any]]) -> Any:
    """A data frame of pandas, which must be installed."""
    import pandas as pd

    return pd.DataFrame(dict(columns))
