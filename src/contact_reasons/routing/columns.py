"""Columns of NumPy, pandas, polars and Arrow as codes of atoms, block by block and without a step of Python a row.

A column of names is read by its dictionary where it has one (pandas and polars categoricals, Arrow dictionaries), by the
library's own hash table where it is one of strings; a column of numbers by comparisons with the limits. Whatever a
fast way does not know or finds wrong in a block is read again value by value, by `Domain.atom`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import RoutingError, shorten
from contact_reasons.routing.dates import DateDomain
from contact_reasons.routing.domains import BoolDomain, Domain, EnumDomain
from contact_reasons.routing.numbers import NumberDomain

__all__ = ["Codes", "ReadBlock", "WrongValues", "open_column", "value_at"]

Atoms = npt.NDArray[np.int64]
Codes = tuple[npt.NDArray[Any], Atoms | None]
"""An integer a row, and the atom that each stands for; -1 stands for the last. None: the integers are the atoms."""

_Fast = Callable[[int, int], Codes | None]
_Cut = Callable[[int, int], Any]
_EXACT: Final = 2**53
_FEW_LIMITS: Final = 24
_NUMBERS: Final = {int, float, np.int64, np.float64}
_LISTED: Final = 8


class WrongValues:
    """Values of one column that are no values of its input, with how often and where each occurs."""

    def __init__(self, domain: Domain) -> None:
        self._domain, self.name = domain, domain.name
        self._first: RoutingError | None = None
        self._found: dict[str, list[int]] = {}
        self.rows: dict[str, list[int]] = {}  # by what would be right

    def atoms(self, values: Sequence[Any], begin: int) -> Atoms:
        """The atom of each value, one by one; 0 for a wrong one, which is noted.

        Parameters
        ----------
        values : sequence, length n
        begin : int
            Row of the first.
        """
        atoms = np.zeros(len(values), dtype=np.int64)
        known: dict[Any, int] = {}
        for i, value in enumerate(values):
            try:
                atoms[i] = known[value.__class__, value]
            except (KeyError, TypeError):
                try:
                    atoms[i] = self._domain.atom(value)
                    known[value.__class__, value] = int(atoms[i])
                except RoutingError as error:
                    self._first = self._first or error
                    self._found.setdefault(shorten(value), [0, begin + i])[0] += 1
                    self.rows.setdefault(error.expected, []).append(begin + i)
                except TypeError:
                    pass  # a value that cannot be hashed, and yet is right
        return atoms

    def raise_any(self) -> None:
        """Raise the error of the first wrong value, with all of them."""
        if self._first is None:
            return
        listed = ", ".join(
            f"{value} ({count} x, first in row {row})" for value, (count, row) in list(self._found.items())[:_LISTED]
        )
        more = f" and {len(self._found) - _LISTED} more values" if len(self._found) > _LISTED else ""
        raise RoutingError(f"{self._first} In this column: {listed}{more}.", self._first.expected)


ReadBlock = Callable[[int, int, WrongValues], Codes]


def open_column(domain: Domain, column: Any) -> ReadBlock:
    """A reader of a column's rows from the first up to the second position, that one not included.

    Raises
    ------
    RoutingError
        If it is no column.
    """
    if isinstance(column, str | bytes) or getattr(column, "ndim", 1) != 1 or not hasattr(column, "__iter__"):
        raise RoutingError(f"a column must be a sequence of values, one a row, not {shorten(type(column).__name__)}")
    library = type(column).__module__.partition(".")[0]
    if library in ("pandas", "polars", "pyarrow"):
        cut, fast = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}[library](domain, column)
    else:
        if not isinstance(column, np.ndarray | list | tuple):
            column = list(column)
        cut = _slices(column)
        plain = isinstance(column, np.ndarray) and not isinstance(column, np.ma.MaskedArray)
        fast = _numpy(domain, column) if plain else None
    fast = fast or _plain(domain, cut)

    def read(begin: int, end: int, wrong: WrongValues) -> Codes:
        codes = fast(begin, end)
        return (wrong.atoms(_as_list(cut(begin, end)), begin), None) if codes is None else codes

    return read


def value_at(column: Any, row: int) -> Any:
    """The value of one row, as `Domain.atom` would read it."""
    cut = getattr(column, "iloc", column)
    return _as_list(column.slice(row, 1) if hasattr(column, "slice") else cut[row : row + 1])[0]


def _slices(column: Any) -> _Cut:
    return lambda begin, end: column[begin:end]


def _as_list(block: Any) -> list[Any]:
    if isinstance(block, np.ndarray) and block.dtype.kind in "Mm":
        return list(block)  # `tolist` makes plain integers of nanoseconds
    for method in ("to_pylist", "tolist", "to_list"):
        convert = getattr(block, method, None)
        if convert is not None:
            return list(convert())
    return list(block)


# --------------------------------------------------------------------------------------------- by library


def _numpy(domain: Domain, column: npt.NDArray[Any]) -> _Fast | None:
    kind, size = column.dtype.kind, column.dtype.itemsize
    if kind == "b" and isinstance(domain, BoolDomain):
        return lambda begin, end: (column[begin:end].view(np.int8), None)
    if kind in "iuf" and size <= 8:
        return lambda begin, end: _of_numbers(domain, column[begin:end], None)
    if kind == "M" and isinstance(domain, DateDomain):
        return lambda begin, end: _of_days(domain, column[begin:end])
    return None


def _pandas(domain: Domain, column: Any) -> tuple[_Cut, _Fast | None]:
    """Of a Series, an Index or an array of pandas."""
    values, dtype = getattr(column, "array", column), column.dtype
    kind = type(dtype).__name__
    fast: _Fast | None = None
    if kind == "CategoricalDtype":
        look_up = _Dictionary(domain)
        codes, names = values.codes, values.categories.tolist()
        fast = lambda begin, end: look_up(codes[begin:end], names)  # noqa: E731
    elif isinstance(dtype, np.dtype):
        plain = column.to_numpy()
        return _slices(plain), _numpy(domain, plain)
    elif kind == "ArrowDtype":
        return _arrow(domain, values.__arrow_array__())
    elif kind == "StringDtype" and isinstance(domain, EnumDomain):

        def fast(begin: int, end: int) -> Codes | None:
            codes, names = values[begin:end].factorize()
            return _Dictionary(domain)(codes, names.tolist())

    elif kind == "BooleanDtype" and isinstance(domain, BoolDomain):
        fast = lambda begin, end: _of_bools(domain, values[begin:end].to_numpy(np.int8, na_value=2))  # noqa: E731
    elif dtype.kind in "iuf" and hasattr(dtype, "numpy_dtype"):

        def fast(begin: int, end: int) -> Codes | None:
            block = values[begin:end]
            return _of_numbers(domain, block.to_numpy(dtype.numpy_dtype, na_value=0), np.asarray(block.isna()))

    return _slices(values), fast


def _polars(domain: Domain, column: Any) -> tuple[_Cut, _Fast | None]:
    """Of a Series of polars."""
    polars = sys.modules["polars"]
    cut: _Cut = lambda begin, end: column.slice(begin, end - begin)  # noqa: E731
    dtype = column.dtype
    fast: _Fast | None = None
    if dtype in (polars.Categorical, polars.Enum):
        look_up, physical = _Dictionary(domain), column.to_physical().cast(polars.UInt32)
        names = _CodeNames(physical.max())

        def fast(begin: int, end: int) -> Codes | None:
            block = physical.slice(begin, end - begin)
            codes = (block.fill_null(names.missing) if block.null_count() else block).to_numpy()
            return look_up(codes, names.of(codes, cut(begin, end)))

    elif dtype == polars.String and isinstance(domain, EnumDomain):
        atoms = [domain.atom(name) for name in domain.names]
        known = [*domain.names, *([None] if domain.nullable else [])]
        atoms += [domain.atom(None)] if domain.nullable else []

        def fast(begin: int, end: int) -> Codes | None:
            block = cut(begin, end)
            codes = block.replace_strict(known, atoms, default=-1, return_dtype=polars.Int32).to_numpy()
            return None if (codes < 0).any() else (codes, None)

    elif dtype == polars.Boolean and isinstance(domain, BoolDomain):
        fast = lambda begin, end: _of_bools(domain, cut(begin, end).cast(polars.Int8).fill_null(2).to_numpy())  # noqa: E731
    elif dtype.is_integer() and dtype not in (getattr(polars, "Int128", None), getattr(polars, "UInt128", None)):
        fast = lambda begin, end: _of_numbers(domain, cut(begin, end).to_numpy(), None, were_ints=True)  # noqa: E731
    elif dtype.is_float():
        fast = lambda begin, end: _of_numbers(domain, cut(begin, end).to_numpy(), None)  # noqa: E731
    return cut, fast


class _CodeNames:
    """The value of each code of a categorical column of polars, learned from block to block."""

    def __init__(self, most: int | None) -> None:
        self.missing = 0 if most is None else most + 1
        self._names: list[Any] = [None] * self.missing
        self._seen = np.zeros(self.missing + 1, dtype=np.bool_)
        self._seen[self.missing] = True

    def of(self, codes: npt.NDArray[Any], block: Any) -> list[Any]:
        """All known by now, by code; None for codes that have not occurred."""
        if not self._seen[codes].all():
            distinct = block.unique().drop_nulls()
            self._names = self._names.copy()  # a list that was handed out does not change
            for code, name in zip(distinct.to_physical().to_list(), distinct.to_list(), strict=True):
                self._names[code], self._seen[code] = name, True
        return self._names


def _arrow(domain: Domain, column: Any) -> tuple[_Cut, _Fast | None]:
    """Of an Array or a ChunkedArray of Arrow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cut: _Cut = lambda begin, end: column.slice(begin, end - begin)  # noqa: E731

    def whole(begin: int, end: int) -> Any:
        block = cut(begin, end)
        return block.combine_chunks() if isinstance(block, pa.ChunkedArray) else block

    kind = column.type
    fast: _Fast | None = None
    if pa.types.is_dictionary(kind):
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries()
        look_up = _Dictionary(domain)
        last: list[Any] = [None, []]

        def fast(begin: int, end: int) -> Codes | None:
            block = whole(begin, end)
            if last[0] is None or not last[0].equals(block.dictionary):
                last[:] = block.dictionary, block.dictionary.to_pylist()
            codes = block.indices.cast(pa.int64()).fill_null(-1) if block.null_count else block.indices
            return look_up(codes.to_numpy(zero_copy_only=False), last[1])

    elif (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and isinstance(domain, EnumDomain):
        known = pa.array(domain.names, kind)
        n_known = len(domain.names)

        def fast(begin: int, end: int) -> Codes | None:
            block = whole(begin, end)
            found = pc.index_in(block, value_set=known)
            if found.null_count != block.null_count or (block.null_count and not domain.nullable):
                return None
            return found.fill_null(n_known).to_numpy(zero_copy_only=False), None

    elif pa.types.is_boolean(kind) and isinstance(domain, BoolDomain):
        fast = lambda begin, end: _of_bools(  # noqa: E731
            domain, whole(begin, end).cast(pa.int8()).fill_null(2).to_numpy(zero_copy_only=False)
        )
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):

        def fast(begin: int, end: int) -> Codes | None:
            block = whole(begin, end)
            missing = block.is_null().to_numpy(zero_copy_only=False) if block.null_count else None
            zero = pa.scalar(0, kind) if not pa.types.is_float16(kind) else None
            if missing is not None and zero is None:
                return None
            block = block.fill_null(zero) if missing is not None else block
            return _of_numbers(domain, block.to_numpy(zero_copy_only=False), missing)

    return cut, fast


# ------------------------------------------------------------------------------------------------ by kind


class _Dictionary:
    """Codes with a dictionary of values; the atoms of the last dictionary are kept."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._names: list[Any] | None = None

    def __call__(self, codes: npt.NDArray[Any], names: list[Any]) -> Codes | None:
        """As `Codes`; None if some row has a value that is wrong."""
        if names is not self._names:
            found = [*map(self._atom, names), self._atom(None)]
            self._names, self._wrong = names, np.array([atom is None for atom in found])
            self._atoms = np.array([atom or 0 for atom in found], dtype=np.int64)
        if self._wrong.any() and self._wrong[codes].any():
            return None
        return codes, self._atoms

    def _atom(self, value: Any) -> int | None:
        try:
            return self._domain.atom(value)
        except RoutingError:
            return None


def _plain(domain: Domain, cut: _Cut) -> _Fast:
    """Of Python objects: one table for the distinct values of a block, if no two of different types can be equal."""

    def fast(begin: int, end: int) -> Codes | None:
        values = _as_list(cut(begin, end))
        kinds = set(map(type, values)) - {type(None)}
        if kinds and kinds <= _NUMBERS:
            return _of_objects(domain, values)
        if len(kinds - {float} if str in kinds else kinds) > 1:
            return None
        try:
            distinct = set(values)
            if len(distinct) > len(values) // 2 + 16:
                return None
            atoms = {value: domain.atom(value) for value in distinct}
        except (RoutingError, TypeError):
            return None
        return np.fromiter(map(atoms.__getitem__, values), dtype=np.int64, count=len(values)), None

    return fast


def _of_objects(domain: Domain, values: list[Any]) -> Codes | None:
    """Numbers and None, as long as doubles hold them all."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    return _of_numbers(domain, numbers, None, were_ints=True)


def _of_bools(domain: Domain, codes: npt.NDArray[np.int8]) -> Codes | None:
    """0, 1 and 2 for missing."""
    return None if not domain.nullable and (codes == 2).any() else (codes, None)


def _of_numbers(
    domain: Domain, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None, *, were_ints: bool = False
) -> Codes | None:
    """Numbers, of which some may be missing besides those that are not a number; None if one is wrong.

    ``were_ints``: doubles may stand for whole numbers, not all of which a double holds.
    """
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        nan = values != values
        if nan.any():
            missing = nan if missing is None else missing | nan
    if missing is not None and missing.any():
        if not domain.nullable:
            return None
        if missing.all():
            return np.full(len(values), domain.n_atoms - 1, dtype=np.int64), None
        values = np.where(missing, values[np.argmin(missing)], values)
    else:
        missing = None
    if not isinstance(domain, NumberDomain) or isinstance(domain, DateDomain) or not len(values):
        return None
    codes = _stretches(domain, values, were_ints)
    if codes is not None and missing is not None:
        np.copyto(codes, domain.n_atoms - 1, where=missing)
    return None if codes is None else (codes, None)


def _stretches(domain: NumberDomain, values: npt.NDArray[Any], were_ints: bool) -> npt.NDArray[Any] | None:
    """The stretch between two limits in which each number lies; None if one is wrong or a double may not hold it."""
    least, most = values.min().item(), values.max().item()
    limits = domain.cuts[1:-1]
    if not domain.low <= least <= most <= domain.high or max(abs(least), abs(most)) == float("inf"):
        return None
    if (were_ints or values.dtype.kind != "f") and max(abs(least), abs(most)) >= _EXACT:
        return None
    if values.dtype.kind == "f" and domain.kind == "int" and not (np.floor(values) == values).all():
        return None
    if any(isinstance(limit, int) and abs(limit) >= _EXACT for limit in limits):
        return None
    if len(limits) > _FEW_LIMITS:
        return np.searchsorted(np.array(limits, dtype=np.float64), values.astype(np.float64), "right")
    values = values.astype(np.float64, copy=False)
    codes = np.zeros(len(values), dtype=np.int8)
    for limit in limits:
        codes += values >= limit
    return codes


def _of_days(domain: DateDomain, values: npt.NDArray[np.datetime64]) -> Codes | None:
    """Days, and times of days."""
    if np.isnat(values).any():
        return None
    days = values.astype("datetime64[D]").astype(np.int64) + _EPOCH
    if not len(days) or not domain.low <= days.min() <= days.max() <= domain.high:
        return None
    return np.searchsorted(np.array(domain.cuts[1:-1], dtype=np.int64), days, "right"), None


_EPOCH: Final = 719163
"""Day of 1970-01-01, counted as `datetime.date.toordinal` does."""
