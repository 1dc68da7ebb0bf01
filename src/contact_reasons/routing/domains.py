"""Inputs of a policy: closed, typed domains, and the cells that rules write about them.

A domain cuts its values into finitely many *atoms* that no rule can tell apart: each enum value, both
booleans, each stretch of numbers between two limits that some rule names, each reason, and "missing". A cell
is a set of atoms, held as the bits of an integer. That is what makes one compiled table, fast routing and
total proofs possible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from contact_reasons.errors import PolicyError, RoutingError, nearest, shorten

__all__ = [
    "BoolDomain",
    "Cell",
    "Domain",
    "EnumDomain",
    "TreeDomain",
]

MISSING: Final = "missing"
Number = int | float

_TRUE, _FALSE = ("true", "True"), ("false", "False")


class Cell(NamedTuple):
    """A condition on one input, before the atoms are known.

    Parameters
    ----------
    text : str
        As people read it, such as ``'>= 0.8'`` or ``'gold or platinum'``.
    values : tuple of str
        Names of atoms, for enums, booleans and trees.
    spans : tuple of (number, number)
        Stretches from the first up to the second, that one not included, for numbers.
    missing : bool
        Whether a missing value meets the condition.
    """

    text: str
    values: tuple[str, ...] = ()
    spans: tuple[tuple[Number, Number], ...] = ()
    missing: bool = False


class Domain(ABC):
    """One typed input of a policy.

    Parameters
    ----------
    name : str
    nullable : bool
        Whether a value may be missing (None or NaN).

    Attributes
    ----------
    n_atoms : int
        Number of atoms, "missing" included; known after `cut`.
    """

    kind: str

    def __init__(self, name: str, nullable: bool) -> None:
        self.name = name
        self.nullable = nullable
        self.n_atoms = 0

    def parse(self, cell: Any) -> Cell:
        """The condition written in a rule's cell: a value, a list of values, a range, ``missing``.

        Raises
        ------
        PolicyError
            Without the place, which the caller adds.
        """
        parts = [self._parse_one(part) for part in (cell if isinstance(cell, list | tuple) else [cell])]
        if not parts:
            raise PolicyError("the list is empty, so no contact could meet the condition; leave the input out")
        return Cell(
            " or ".join(part.text for part in parts),
            tuple(value for part in parts for value in part.values),
            tuple(span for part in parts for span in part.spans),
            any(part.missing for part in parts),
        )

    def _parse_one(self, part: Any) -> Cell:
        if part is None or part == MISSING:
            if not self.nullable:
                raise PolicyError(f"{self.name} is not nullable, so it is never missing; add nullable: true or drop it")
            return Cell(MISSING, missing=True)
        return self._parse_value(part)

    @abstractmethod
    def _parse_value(self, part: Any) -> Cell:
        """The condition in one part of a cell that is not ``missing``."""

    @abstractmethod
    def cut(self, cells: Iterable[Cell]) -> None:
        """Fix the atoms, given every cell that any rule writes about this input."""

    @abstractmethod
    def mask(self, cell: Cell) -> int:
        """The atoms of a cell, as bits."""

    @abstractmethod
    def atom(self, value: Any) -> int:
        """The atom of one value.

        Raises
        ------
        RoutingError
            If the value is missing and must not be, or unknown, or of the wrong type.
        """

    @abstractmethod
    def witness(self, atom: int) -> Any:
        """Some value of an atom; None for "missing"."""

    @abstractmethod
    def from_text(self, text: str) -> Any:
        """The value that a text in a file stands for; an empty text is missing.

        Raises
        ------
        RoutingError
            If the text does not stand for a value of this input.
        """

    def from_cell(self, cell: Any) -> Any:
        """The value that a cell of a file stands for, text or typed; None if it is missing.

        Raises
        ------
        RoutingError
            If the cell does not stand for a value of this input.
        """
        value = self.from_text(cell) if isinstance(cell, str) else None if is_missing(cell) else cell
        self.atom(value)
        return value

    def refuse(self, value: Any, right: str) -> RoutingError:
        """The error for a value, with what would be right."""
        what = "missing" if is_missing(value) else shorten(value)
        return RoutingError(f"input {self.name!r} is {what}; it must be {right}.", right, self.name)

    @property
    def full(self) -> int:
        """The mask of all atoms."""
        return (1 << self.n_atoms) - 1


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN, or the missing value of pandas."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return type(value).__name__ in ("NAType", "NaTType")


class _NamedDomain(Domain):
    """A domain whose atoms have names."""

    def __init__(self, name: str, nullable: bool, names: Sequence[Any]) -> None:
        super().__init__(name, nullable)
        self.names = tuple(names)
        self._index: dict[Any, int] = {value: i for i, value in enumerate(self.names)}
        if nullable:
            self._index[None] = len(self.names)
        self.n_atoms = len(self._index)

    def cut(self, cells: Iterable[Cell]) -> None:
        """Nothing to do: the atoms are the names."""

    def mask(self, cell: Cell) -> int:
        bits = sum(1 << self._index[self._key(value)] for value in set(cell.values))
        return bits | (1 << self._index[None] if cell.missing else 0)

    def _key(self, value: str) -> Any:
        return value

    def witness(self, atom: int) -> Any:
        return self.names[atom] if atom < len(self.names) else None

    def _unknown(self, value: Any) -> RoutingError:
        if is_missing(value):
            return self.refuse(value, "given: this input is not nullable")
        if not isinstance(value, str):
            return self.refuse(value, f"a string; {nearest(value, self.names)}")
        return self.refuse(value, f"one of its known values; {nearest(value, self.names)}")


class EnumDomain(_NamedDomain):
    """One of a list of names."""

    kind = "enum"

    def _parse_value(self, part: Any) -> Cell:
        text = str(part)
        if text not in self._index:
            raise PolicyError(f"{shorten(text)} is not a value of {self.name}; {nearest(text, self.names)}")
        return Cell(text, (text,))

    def atom(self, value: Any) -> int:
        try:
            return self._index[value]
        except (KeyError, TypeError):
            if self.nullable and is_missing(value):
                return self._index[None]
            raise self._unknown(value) from None

    def from_text(self, text: str) -> Any:
        """As for every input; blanks around a name and its case do not matter in a file."""
        folded = text.strip().casefold()
        if folded == "":
            return None
        if text in self._index:
            return text
        same = [name for name in self.names if name.casefold() == folded]
        if len(same) != 1:
            raise self._unknown(text)
        return same[0]


class TreeDomain(EnumDomain):
    """A contact reason: a secondary id, a bare primary (the secondary was not sure), or missing.

    ``billing.refund`` is that secondary, ``billing`` the bare primary, ``billing.*`` both and all its siblings.
    """

    kind = "tree"

    def __init__(self, name: str, nullable: bool, tree: Mapping[str, Sequence[str]]) -> None:
        self.tree = {primary: tuple(f"{primary}.{leaf}" for leaf in leaves) for primary, leaves in tree.items()}
        super().__init__(name, nullable, [leaf for p, leaves in self.tree.items() for leaf in (p, *leaves)])

    def _parse_value(self, part: Any) -> Cell:
        text = str(part).replace("/", ".")
        if text.endswith(".*"):
            primary = text[:-2]
            if primary not in self.tree:
                raise PolicyError(f"{shorten(primary)} is not a primary reason; {nearest(primary, self.tree)}")
            return Cell(text, (primary, *self.tree[primary]))
        return super()._parse_value(text)


class BoolDomain(_NamedDomain):
    """True or false."""

    kind = "bool"

    def __init__(self, name: str, nullable: bool) -> None:
        super().__init__(name, nullable, (False, True))

    def _parse_value(self, part: Any) -> Cell:
        if part is True or part in _TRUE:
            return Cell("true", ("true",))
        if part is False or part in _FALSE:
            return Cell("false", ("false",))
        raise PolicyError(f"{shorten(part)} is not a value of {self.name}; write true or false")

    def _key(self, value: str) -> Any:
        return value == "true"

    def atom(self, value: Any) -> int:
        if isinstance(value, bool | np.bool_):
            return int(value)
        if self.nullable and is_missing(value):
            return 2
        raise self.refuse(value, "True or False" + (" or None" if self.nullable else ": this input is not nullable"))

    def from_cell(self, cell: Any) -> Any:
        """As for every input; the numbers 0 and 1 of typed files count as false and true."""
        return super().from_cell(bool(cell) if isinstance(cell, int | float) and cell in (0, 1) else cell)

    def from_text(self, text: str) -> Any:
        folded = text.strip().lower()
        if folded in ("true", "1", "1.0", "yes", "y"):
            return True
        if folded in ("false", "0", "0.0", "no", "n"):
            return False
        if folded == "":
            return None
        raise self.refuse(text, "true or false (also yes/no, 1/0), or empty if it is not known")
