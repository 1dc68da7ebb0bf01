"""The compiled table: for each input and atom the rules that the atom leaves standing, as the bits of an integer.

Whatever a contact's values, the rules that match are the intersection of one mask an input; the lowest bit decides.
Two fronts read this one table: `CompiledTable.match` takes one contact's values, `CompiledTable.match_columns` takes
columns in blocks, so that only the answer grows with the number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import RoutingError
from contact_reasons.routing.columns import Codes, ReadBlock, WrongValues, open_column
from contact_reasons.routing.domains import Domain
from contact_reasons.routing.single import match_function

__all__ = ["BLOCK_ROWS", "ColumnMatches", "CompiledTable"]

BLOCK_ROWS: Final = 1 << 17
"""Rows that `CompiledTable.match_columns` reads at once: enough that a call for each block costs little, and a few megabytes."""

Words = npt.NDArray[np.uint64]
_Lane = tuple[ReadBlock, Words, WrongValues]


class ColumnMatches(NamedTuple):
    """What matched in each row of columns.

    Parameters
    ----------
    first : ndarray of int64, shape (n,)
        Position of the first rule that matches; the number of rules where none does.
    impossible, unmatched : ndarray of int64
        Rows that are assumed to be impossible, and rows that no rule matches, in order.
    wrong : tuple of (str, str, ndarray of int64)
        Input, what would be right, and the rows whose value is wrong.
    """

    first: npt.NDArray[np.int64]
    impossible: npt.NDArray[np.int64]
    unmatched: npt.NDArray[np.int64]
    wrong: tuple[tuple[str, str, npt.NDArray[np.int64]], ...]


class CompiledTable:
    """Rules and impossible combinations, compiled.

    Parameters
    ----------
    domains : sequence of Domain
        After `Domain.cut`.
    rules, assumed : sequence of tuple of int
        Boxes: a mask of atoms for each input.

    Attributes
    ----------
    match : callable
        `match_slowly`, several times as fast.
    all_rules : int
        The bits of all rules.
    """

    def __init__(
        self, domains: Sequence[Domain], rules: Sequence[tuple[int, ...]], assumed: Sequence[tuple[int, ...]]
    ) -> None:
        boxes = [*rules, *assumed]
        self.n_rules = len(rules)
        self.all_rules = (1 << len(rules)) - 1
        self._every_bit = (1 << len(boxes)) - 1
        self._domains = tuple(domains)
        self._masks = [
            [sum(1 << i for i, box in enumerate(boxes) if box[column] >> atom & 1) for atom in range(domain.n_atoms)]
            for column, domain in enumerate(self._domains)
        ]
        n_words = (len(boxes) + 63) // 64
        self._words = [_words(masks, n_words) for masks in self._masks]
        self._every_word = _words([self._every_bit], n_words)
        self._assumed_word = _words([self._every_bit ^ self.all_rules], n_words)
        self.match = match_function(self._domains, self._masks, self._every_bit, self.match_slowly)

    # -------------------------------------------------------------------------------------- one contact

    def match_slowly(self, values: Mapping[str, Any]) -> int:
        """The rules that match one contact's values, as bits; a bit above `all_rules` is an impossible combination.

        Parameters
        ----------
        values : mapping of str to value
            One of each input.

        Raises
        ------
        KeyError
            If there is none for some input, before anything else.
        RoutingError
            If a value is missing and must not be, or unknown, or of the wrong type.
        """
        if any(domain.name not in values for domain in self._domains):
            raise KeyError
        hits = self._every_bit
        for domain, masks in zip(self._domains, self._masks, strict=True):
            hits &= masks[domain.atom(values[domain.name])]
        return hits

    # ------------------------------------------------------------------------------------------ columns

    def match_columns(
        self, columns: Mapping[str, Any], n_rows: int, same: Mapping[str, Any], *, note_wrong: bool = False
    ) -> ColumnMatches:
        """The first rule that matches in each row.

        Parameters
        ----------
        columns : mapping of str to column
            All of ``n_rows``; an absent column counts as missing.
        n_rows : int
        same : mapping of str to value
            Inputs whose value is the same in all rows.
        note_wrong : bool
            Note wrong values of columns instead of raising an error; what else comes out for their rows has no meaning.

        Raises
        ------
        RoutingError
            As `match` for the first wrong row of the first wrong input, with how often and where each wrong value occurs.
        """
        lanes: list[_Lane] = []
        start = self._every_word[0].copy()
        for domain, words in zip(self._domains, self._words, strict=True):
            if domain.name in columns:
                lanes.append((open_column(domain, columns[domain.name]), words, WrongValues(domain)))
            elif n_rows:
                try:
                    start &= words[domain.atom(same.get(domain.name))]
                except RoutingError:
                    if not note_wrong:
                        self._read_all(lanes, n_rows)
                    raise
        first = np.empty(n_rows, dtype=np.int64)
        troubles = _Troubles(), _Troubles()
        for begin in range(0, n_rows, BLOCK_ROWS):
            end = min(begin + BLOCK_ROWS, n_rows)
            hits = [np.full(end - begin, word, dtype=np.uint64) for word in start]
            for read, words, wrong in lanes:
                _narrow(hits, read(begin, end, wrong), words)
            self._settle(hits, begin, first[begin:end], troubles)
        if not note_wrong:
            for _, _, wrong in lanes:
                wrong.raise_any()
        noted = tuple(
            (wrong.name, expected, np.array(rows, dtype=np.int64))
            for _, _, wrong in lanes
            for expected, rows in wrong.rows.items()
        )
        impossible, unmatched = troubles
        return ColumnMatches(first, impossible.found(), unmatched.found(), noted)

    @staticmethod
    def _read_all(lanes: Sequence[_Lane], n_rows: int) -> None:
        """Raise what is wrong in columns of earlier inputs, which comes before what is wrong in a later one."""
        for read, _, wrong in lanes:
            for begin in range(0, n_rows, BLOCK_ROWS):
                read(begin, min(begin + BLOCK_ROWS, n_rows), wrong)
            wrong.raise_any()

    def _settle(
        self,
        hits: Sequence[Words],
        begin: int,
        first: npt.NDArray[np.int64],
        troubles: tuple[_Troubles, _Troubles],
    ) -> None:
        """Write the first rules of a block, and note its impossible rows and those that no rule matches."""
        impossible, unmatched = troubles
        assumed = self._assumed_word[0]
        if assumed.any():
            bad = np.zeros(len(first), dtype=np.bool_)
            for own, word in zip(hits, assumed, strict=True):
                bad |= (own & word) != 0
            impossible.note(bad, begin)
        first[:] = self.n_rules
        for word in range(len(hits) - 1, -1, -1):
            own = hits[word]
            # A power of two is exact as a double, and its exponent is the position of the bit.
            bit = ((own & (~own + np.uint64(1))).astype(np.float64).view(np.int64) >> 52) - 1023
            np.copyto(first, bit + 64 * word, where=own != 0)
        np.minimum(first, self.n_rules, out=first)
        unmatched.note(first == self.n_rules, begin)


class _Troubles:
    """Rows of all blocks."""

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]

    def note(self, rows: npt.NDArray[np.bool_], begin: int) -> None:
        if rows.any():
            self._blocks.append(np.flatnonzero(rows) + begin)

    def found(self) -> npt.NDArray[np.int64]:
        return np.concatenate(self._blocks)


def _narrow(hits: Sequence[Words], codes: Codes, words: Words) -> None:
    """Keep the rules that one column leaves standing in a block."""
    values, atoms = codes
    looked_up = words if atoms is None else words[atoms]
    for word, own in enumerate(hits):
        own &= np.take(looked_up[:, word], values)


def _words(masks: Sequence[int], n_words: int) -> Words:
    """Masks as words of 64 bits, shape (masks, words), a column contiguous."""
    words = [[mask >> (64 * word) & 0xFFFFFFFFFFFFFFFF for mask in masks] for word in range(n_words)]
    return np.array(words, dtype=np.uint64).T
