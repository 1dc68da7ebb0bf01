"""Checks of columns of numbers and names: every mistake with its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, LabRowError, nearest, shorten

__all__ = ["SUM_TOLERANCE", "column", "distribution", "matrix", "positions", "refuse_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SUM_TOLERANCE: Final = 1e-6
"""How far the sum of a row of probabilities may be from 1."""


def positions(names: Sequence[Any], channels: tuple[str, ...]) -> IntArray:
    """Position of each name in ``channels``, shape (n,)."""
    if not names:
        raise LabError("the log is empty; give at least one contact")
    if len(set(channels)) < len(channels):
        raise LabError("a channel is listed twice; list each once")
    places = {name: i for i, name in enumerate(channels)}
    for row, name in enumerate(names):
        if str(name) not in places:
            raise LabRowError("", [row], f": {shorten(str(name))} is not a channel; {nearest(name, channels)}")
    return np.array([places[str(name)] for name in names], dtype=np.int64)


def distribution(name: str, given: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    """Rows of probabilities, checked."""
    rows = matrix(name, given, shape)
    wrong = (rows < 0).any(axis=1) | ~(np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if wrong.any():
        after = "; each row must be at least 0 and add up to 1"
        raise LabRowError(f"{name}: no probabilities in ", np.flatnonzero(wrong), after)
    return rows


def matrix(name: str, given: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    """Finite numbers of this shape, checked."""
    rows = np.asarray(given, dtype=np.float64)
    if rows.shape != shape:
        raise LabError(
            f"{name} has shape {rows.shape}; it must be {shape}: a row for each contact, a column for each channel"
        )
    wrong = np.asarray((~np.isfinite(rows)).any(axis=1), dtype=np.bool_)
    if wrong.any():
        raise LabRowError(f"{name}: a value that is not a finite number in ", np.flatnonzero(wrong), "; give numbers")
    return rows


def column(name: str, given: npt.ArrayLike, n: int) -> FloatArray:
    """One number a contact, checked in length alone."""
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (n,):
        raise LabError(f"{name} has shape {values.shape} for {n} contacts; give one value a contact")
    return values


def refuse_rows(name: str, values: FloatArray, wrong: npt.NDArray[np.bool_], right: str) -> None:
    """Raise a `LabRowError` that lists the rows that are wrong, if there are any."""
    if wrong.any():
        first = values[int(np.flatnonzero(wrong)[0])]
        raise LabRowError(f"{name} is {first:g} in ", np.flatnonzero(wrong), f"; it must be {right}")
