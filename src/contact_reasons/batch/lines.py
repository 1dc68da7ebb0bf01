"""Lines of a CSV file that can be read again after a malformed record."""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contact_reasons.errors import BatchError

__all__ = ["MAX_ROW_BYTES", "CsvLines", "check_encoding", "has_surrogates"]

MAX_ROW_BYTES: Final = 64 * 1024 * 1024
MAX_ROW_LINES: Final = 20_000
FEWEST_ROW_LINES: Final = 500


class CsvLines(Iterator[str]):
    """Lines of a text file that remembers those of the present record, so that they can be read again."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._stream = path.open("r", encoding=encoding, errors="surrogateescape", newline="")
        self._size = max(path.stat().st_size, 1)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._chars = 0
        self._read_chars = 0
        self._next_line = 1
        self._most_lines = MAX_ROW_LINES
        self.first = 1
        self.undecodable = False

    def __enter__(self) -> CsvLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __next__(self) -> str:
        if len(self._taken) >= self._most_lines or self._chars > MAX_ROW_BYTES:
            raise csv.Error(f"a quoted field runs over more than {len(self._taken)} lines")
        if self._again:
            line = self._again.popleft()
        else:
            line = self._stream.readline(MAX_ROW_BYTES)
            if not line:
                raise StopIteration
            self._read_chars += len(line)
        self._taken.append(line)
        self._chars += len(line)
        self._next_line += 1
        if not self.undecodable and not line.isascii() and has_surrogates(line):
            self.undecodable = True
        return line

    def begin(self) -> None:
        """A new record begins."""
        self._taken.clear()
        self._chars = 0
        self.undecodable = False
        self.first = self._next_line

    def give_back_all_but_one(self) -> None:
        """The record was malformed: all its lines but the first are read again."""
        again = self._taken[1:]
        if len(again) > FEWEST_ROW_LINES:  # one lost quote is often followed by more: do not search as far again
            self._most_lines = max(FEWEST_ROW_LINES, self._most_lines // 4)
        self._again.extendleft(reversed(again))
        self._next_line -= len(again)

    @property
    def fraction(self) -> float:
        """About how much of the file was read."""
        return min(self._read_chars / self._size, 1.0)


def check_encoding(encoding: str) -> None:
    """Raise `BatchError` unless Python can read text in this encoding."""
    try:
        known = codecs.lookup(encoding)._is_text_encoding
        b"a".decode(encoding, "surrogateescape")
    except (LookupError, UnicodeError, ValueError):
        known = False
    if not known and encoding.lower().replace("_", "-") not in ("utf-16", "utf-32"):
        raise BatchError(f"the encoding {encoding!r} is not one of text; use utf-8, cp1252 or another one of Python's")


def has_surrogates(text: str) -> bool:
    """Whether a text holds half a surrogate pair, such as stands for a byte that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
