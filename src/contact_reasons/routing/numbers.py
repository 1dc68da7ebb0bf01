"""Numbers as inputs of a policy: cut into stretches that no rule can tell apart."""

from __future__ import annotations

import bisect
import math
import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from contact_reasons.errors import PolicyError, shorten
from contact_reasons.routing.domains import Cell, Domain, Number, is_missing

__all__ = ["IntDomain", "NumberDomain", "RealDomain"]

_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARE: Final = re.compile(rf"\s*(<=|>=|<|>)\s*({_NUMBER})\s*\Z")
_RANGE: Final = re.compile(rf"\s*([\[(])\s*({_NUMBER}|-inf)\s*,\s*({_NUMBER}|inf)\s*([\])])\s*\Z")
_EXACT: Final = re.compile(rf"\s*{_NUMBER}\s*\Z")
_WHOLE: Final = re.compile(r"[-+]?\d+\Z")


def _number(text: str) -> Number:
    """The number a limit stands for; whole numbers exactly."""
    return int(text) if _WHOLE.match(text) else float(text)


def _digits(number: Number) -> int:
    """How long a number is to read; round numbers are short."""
    return len(repr(number).rstrip("0."))


class NumberDomain(Domain):
    """A number between two limits, both included; open-ended where a limit is infinite.

    An atom is the stretch from one cut up to the next, that one not included. "Just after x" is the next number
    there is: the next double, or the next whole number.
    """

    def __init__(self, name: str, nullable: bool, low: Number, high: Number) -> None:
        super().__init__(name, nullable)
        self.low, self.high = low, high
        self.cuts: list[Number] = []
        if not self._first(low) < self._after(high):
            raise PolicyError(f"no number lies between min {low:g} and max {high:g}; correct them")

    @abstractmethod
    def _first(self, limit: Number) -> Number:
        """The first number of the domain that is at least ``limit``."""

    @abstractmethod
    def _after(self, limit: Number) -> Number:
        """The first number of the domain that is above ``limit``."""

    def _parse_value(self, part: Any) -> Cell:
        text = part.strip() if isinstance(part, str) else "" if isinstance(part, bool) else repr(part)
        compare, span = _COMPARE.match(text), _RANGE.match(text)
        first, last = self._first(self.low), self._after(self.high)
        if compare:
            limit = _number(compare.group(2))
            match compare.group(1):
                case "<":
                    last = min(last, self._first(limit))
                case "<=":
                    last = min(last, self._after(limit))
                case ">":
                    first = max(first, self._after(limit))
                case _:
                    first = max(first, self._first(limit))
        elif span:
            low, high = _number(span.group(2)), _number(span.group(3))
            first = max(first, self._first(low) if span.group(1) == "[" else self._after(low))
            last = min(last, self._after(high) if span.group(4) == "]" else self._first(high))
        elif _EXACT.match(text):
            first, last = max(first, self._first(_number(text))), min(last, self._after(_number(text)))
        else:
            raise PolicyError(
                f"{shorten(part)} is not a condition on the number {self.name}; "
                "write a number, '>= 3', '< 0.5', '[0, 10)' or 'missing'"
            )
        if first >= last:
            raise PolicyError(
                f"{shorten(part)} holds no value of {self.name}, which lies in [{self.low:g}, {self.high:g}]; "
                "no contact could meet the condition"
            )
        return Cell(text, spans=((first, last),))

    def cut(self, cells: Iterable[Cell]) -> None:
        cuts = {self._first(self.low), self._after(self.high)}
        cuts.update(limit for cell in cells for span in cell.spans for limit in span)
        self.cuts = sorted(cuts)
        self.n_atoms = len(self.cuts) - 1 + self.nullable

    def mask(self, cell: Cell) -> int:
        bits = 0
        for first, last in cell.spans:
            for atom in range(len(self.cuts) - 1):
                if first <= self.cuts[atom] and self.cuts[atom + 1] <= last:
                    bits |= 1 << atom
        return bits | (1 << (self.n_atoms - 1) if cell.missing else 0)

    def atom(self, value: Any) -> int:
        if value.__class__ is float and -math.inf < value < math.inf and self.low <= value <= self.high:
            if self.kind == "real" or value.is_integer():
                return bisect.bisect_right(self.cuts, value) - 1
        elif value.__class__ is int and self.low <= value <= self.high:
            return bisect.bisect_right(self.cuts, value) - 1
        if is_missing(value):
            if self.nullable:
                return self.n_atoms - 1
            raise self.refuse(value, "given: this input is not nullable")
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        if not self._is_number(value) or not self.low <= value <= self.high or math.isinf(value):
            raise self.refuse(value, self._right())
        return bisect.bisect_right(self.cuts, value) - 1

    @staticmethod
    def _is_number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def witness(self, atom: int) -> Any:
        if atom >= len(self.cuts) - 1:
            return None
        first, last = self.cuts[atom], self.cuts[atom + 1]
        if first > -math.inf:
            return first
        return self._before(last) if last < math.inf else self._first(0)

    @abstractmethod
    def _before(self, limit: Number) -> Number:
        """The last number of the domain below ``limit``."""

    @property
    def extent(self) -> str:
        """The limits, as people read them."""
        return f"[{self.low!r}, {self.high!r}]"

    def readable(self, first: Number, last: Number) -> str:
        """The condition, as a rule's cell writes it, for the stretch from the first up to the last, that one not included.

        Of two ways to write a limit, "at x" and "just after the number before x", the shorter is taken.
        """
        below = self._before(last) if last < math.inf else last
        if first == below:
            return f"{first!r}"
        low, high = first <= self._first(self.low), last >= self._after(self.high)
        before = self._before(first) if first > -math.inf else first
        starts_at = _digits(first) <= _digits(before)
        ends_at = _digits(below) <= _digits(last)
        if high and not low:
            return f">= {first!r}" if starts_at else f"> {before!r}"
        if low and not high:
            return f"<= {below!r}" if ends_at else f"< {last!r}"
        if last == math.inf:
            return f"[{first!r}, inf)" if first > -math.inf else "(-inf, inf)"
        start = "(-inf" if first == -math.inf else f"[{first!r}" if starts_at else f"({before!r}"
        return f"{start}, {below!r}]" if ends_at else f"{start}, {last!r})"

    def from_text(self, text: str) -> Any:
        if text.strip() == "":
            return None
        try:
            value = _number(text.strip())
        except ValueError:
            raise self.refuse(text, self._right()) from None
        if value != value:
            raise self.refuse(text, self._right())
        return value

    def _right(self) -> str:
        noun = "a whole number" if self.kind == "int" else "a number"
        return f"{noun} from {self.low:g} to {self.high:g}" + (", or None if it is not known" if self.nullable else "")


class RealDomain(NumberDomain):
    """A real number, as a double."""

    kind = "real"

    def _first(self, limit: Number) -> Number:
        return float(limit)

    def _after(self, limit: Number) -> Number:
        return limit if math.isinf(limit) else math.nextafter(limit, math.inf)

    def _before(self, limit: Number) -> Number:
        return math.nextafter(limit, -math.inf)


class IntDomain(NumberDomain):
    """A whole number. A float counts if it is whole: data frames write a column of integers with gaps as floats."""

    kind = "int"

    def _first(self, limit: Number) -> Number:
        return limit if math.isinf(limit) else math.ceil(limit)

    def _after(self, limit: Number) -> Number:
        return limit if math.isinf(limit) else math.floor(limit) + 1

    def _before(self, limit: Number) -> Number:
        return math.ceil(limit) - 1

    @staticmethod
    def _is_number(value: Any) -> bool:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return whole and not isinstance(value, bool)
