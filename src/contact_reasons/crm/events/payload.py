"""`Payload`: an object of a CRM's event, read key by key; what is not as documented is named with its place, never quoted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from contact_reasons.errors import EventError
from contact_reasons.schema import KeyPath, path_text

__all__ = ["Payload", "fingerprint", "kind_of", "unix_time", "wrong"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}\Z")
_YEARS: Final = range(1990, 2200)
_MISSING: Final = object()


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word: ``'text'``, ``'number'``, ``'list'`` and so on."""
    if value is _MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "text", int: "number", float: "number", list: "list", dict: "object"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "no JSON value")


def wrong(path: KeyPath, found: str, expected: str) -> EventError:
    """The error for a value at a place.

    >>> str(wrong(("detail", "id"), "missing", "the id of a ticket"))
    'detail.id: missing; it must be the id of a ticket'
    """
    where = path_text(path)
    return EventError(f"{where or 'the payload'}: {found}; it must be {expected}", where, expected)


def fingerprint(*parts: str | int | None) -> str:
    """32 hexadecimal digits that are the same for the same parts, and from which no part can be read.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", "1")
    (True, False)
    """
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:32]


def unix_time(value: Any, path: KeyPath, *, per_second: int = 1) -> datetime:
    """A time in UTC, of whole seconds (or, with ``per_second=1000``, milliseconds) since 1970."""
    try:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        time = datetime.fromtimestamp(value // per_second, UTC).replace(
            microsecond=value % per_second * (1_000_000 // per_second)
        )
    except (TypeError, ValueError, OverflowError, OSError):
        time = None
    if time is None or time.year not in _YEARS:
        unit = "seconds" if per_second == 1 else "milliseconds"
        found = "out of range" if kind_of(value) == "number" else kind_of(value)
        raise wrong(path, found, f"a time in whole {unit} since 1970")
    return time


@dataclass(frozen=True, slots=True)
class Payload:
    """An object of an event, and where it stands.

    Parameters
    ----------
    values : mapping of str to value
    path : tuple of (str or int)
        Keys and positions that lead to it.
    """

    values: Mapping[str, Any]
    path: KeyPath = ()

    @classmethod
    def of(cls, value: Any, path: KeyPath = ()) -> Self:
        """The object at a place, if it is one."""
        if not isinstance(value, dict):
            raise wrong(path, kind_of(value), "an object")
        return cls(value, path)

    def __contains__(self, key: str) -> bool:
        """Whether there is a value, and not null."""
        return self.values.get(key) is not None

    def at(self, key: str) -> KeyPath:
        """Where a key stands."""
        return (*self.path, key)

    def raw(self, key: str) -> Any:
        """The value as it is; None if there is none."""
        return self.values.get(key)

    def wrong(self, key: str, expected: str) -> EventError:
        """The error for the value of a key."""
        return wrong(self.at(key), kind_of(self.values.get(key, _MISSING)), expected)

    def object(self, key: str) -> Payload:
        """The object under a key."""
        if not isinstance(self.raw(key), dict):
            raise self.wrong(key, "an object")
        return Payload(self.raw(key), self.at(key))

    def optional_object(self, key: str) -> Payload:
        """The object under a key; an empty one if there is none."""
        return self.object(key) if key in self else Payload({}, self.at(key))

    def objects(self, key: str) -> list[Payload]:
        """The objects in the list under a key; none if there is no list."""
        if key not in self:
            return []
        if not isinstance(self.raw(key), list):
            raise self.wrong(key, "a list")
        return [Payload.of(value, (*self.at(key), i)) for i, value in enumerate(self.raw(key))]

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts in the list under a key; none if there is no list."""
        if key not in self:
            return ()
        values = self.raw(key)
        if not isinstance(values, list):
            raise self.wrong(key, "a list of texts")
        return tuple(_whole_text(value, (*self.at(key), i)) for i, value in enumerate(values))

    def text(self, key: str) -> str:
        """The text under a key."""
        if key not in self:
            raise self.wrong(key, "a text")
        return _whole_text(self.raw(key), self.at(key))

    def optional_text(self, key: str) -> str | None:
        """The text under a key; None if there is none, or nothing in it."""
        return self.text(key) or None if key in self else None

    def optional_bool(self, key: str) -> bool | None:
        """True, False, or None if there is none."""
        value = self.raw(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def id(self, key: str) -> str:
        """The id of a record, which goes into addresses: a whole number, or letters, digits, ``_`` and ``-``."""
        return self._name(key, _ID, "an id: a whole number, or up to 64 letters, digits, '_' and '-'")

    def optional_id(self, key: str) -> str | None:
        """The id under a key; None if there is none."""
        return self.id(key) if key in self else None

    def key(self, key: str) -> str:
        """The id of an event or transaction: as `id`, with ``.`` and ``:``, up to 128 characters."""
        return self._name(key, _KEY, "a key: a whole number, or up to 128 letters, digits, '_', '-', '.' and ':'")

    def _name(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.raw(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
            return str(value)
        if not isinstance(value, str):
            raise self.wrong(key, expected)
        if not pattern.match(value):
            raise wrong(self.at(key), "another text", expected)
        return value

    def time(self, key: str) -> datetime | None:
        """The ISO 8601 time under a key, in UTC; None if there is none. One without a zone is refused."""
        if key not in self:
            return None
        expected = "a time as 2026-11-22T10:35:00Z, with its zone"
        text = self.text(key)
        try:
            read = datetime.fromisoformat(text)
            time = None if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            time = None
        if time is None or time.year not in _YEARS:
            raise wrong(self.at(key), "another text", expected)
        return time


def _whole_text(value: Any, path: KeyPath) -> str:
    if not isinstance(value, str):
        raise wrong(path, kind_of(value), "a text")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise wrong(path, "a text with half of a surrogate pair", "a text of whole characters") from None
    return value
