"""From plain data to frozen records: every field is checked, every mistake is named with its place.

A `Record` is a frozen dataclass whose fields bear checks, ``field(metadata=check(text(1, 80)))``. A check takes a value and
gives the one to keep, or raises `Mistakes`. Made from keywords or read from a mapping, a record is checked the same way.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

from contact_reasons.errors import count_text, nearest, shorten

__all__ = [
    "KeyPath",
    "Mistakes",
    "Record",
    "anything",
    "boolean",
    "check",
    "many",
    "mapping",
    "mistake",
    "number",
    "optional",
    "path_text",
    "seal_of",
    "string",
    "text",
    "whole",
]

KeyPath = tuple[str | int, ...]
Check = Callable[[Any], Any]


def path_text(path: KeyPath) -> str:
    """A key path as people write it.

    >>> path_text(("primaries", 3, "id"))
    'primaries[3].id'
    """
    written = ""
    for step in path:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else step
    return written


def seal_of(data: Mapping[str, Any]) -> str:
    """SHA-256 of plain data in hexadecimal digits, in whatever order its keys stand.

    >>> seal_of({"a": 1, "b": 2}) == seal_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Mistakes(ValueError):
    """What is wrong inside a value.

    Parameters
    ----------
    found : iterable of (KeyPath, str)
        Place of each mistake inside the value, and what would be right.
    """

    def __init__(self, found: Iterable[tuple[KeyPath, str]]) -> None:
        self.found = tuple(found)
        super().__init__("\n".join(f"{path_text(path)}: {what}" if path else what for path, what in self.found))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what was found."""
        return type(self), (self.found,)


def mistake(what: str) -> Mistakes:
    """A mistake in the value itself, without a place inside it."""
    return Mistakes([((), what)])


def check(function: Check) -> Mapping[str, Check]:
    """Metadata of a field that is checked by a function."""
    return {"check": function}


class Record:
    """A frozen dataclass, by keywords, whose fields are checked whenever one is made.

    Attributes
    ----------
    mistakes : type of Mistakes
        What is raised.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Place(Record):
    ...     name: str = dataclasses.field(metadata=check(text(1)))
    >>> Place.read({"name": " Rome "})
    Place(name='Rome')
    >>> Place.read({"nam": "Rome"})
    Traceback (most recent call last):
    contact_reasons.schema.Mistakes: nam: the key 'nam' is not known here; did you mean 'name'?
    name: the key 'name' is missing; add it
    """

    mistakes: ClassVar[type[Mistakes]] = Mistakes

    def __post_init__(self) -> None:
        values, found = _checked(type(self), vars(self))
        if found:
            raise self.mistakes(found)
        vars(self).update(values)

    @classmethod
    def read(cls, data: Any) -> Self:
        """The record that a mapping describes, or one that was made before.

        Raises
        ------
        Mistakes
            All of them, each with its place.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise mistake(f"this must be a mapping (key: value), not {shorten(data)}")
        known = {field.name: field for field in _fields(cls)}
        found: list[tuple[KeyPath, str]] = [
            ((_step(key),), f"the key {shorten(key)} is not known here; {nearest(key, known)}")
            for key in data
            if key not in known
        ]
        for name, field in known.items():
            if name not in data and field.default is dataclasses.MISSING:
                found.append(((name,), f"the key {name!r} is missing; add it"))
        if found:
            raise cls.mistakes([*found, *_checked(cls, data)[1]])
        return cls(**data)


def _fields(cls: type[Record]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)  # type: ignore[arg-type]  # a record is a dataclass


def _step(key: Any) -> str | int:
    return key if isinstance(key, str | int) else shorten(key)


def _checked(cls: type[Record], data: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[KeyPath, str]]]:
    """The values of the fields that are in the data, and what is wrong with others."""
    values, found = {}, []
    for field in _fields(cls):
        if field.name in data:
            try:
                values[field.name] = field.metadata["check"](data[field.name])
            except Mistakes as exc:
                found += [((field.name, *path), what) for path, what in exc.found]
    return values, found


# ---------------------------------------------------------------------------------------------- checks


def anything(value: Any) -> Any:
    """Any value, as it is."""
    return value


def string(value: Any) -> str:
    """A string, as it is."""
    if not isinstance(value, str):
        raise mistake(f"this must be a text, not {shorten(value)}")
    return value


def text(least: int = 0, most: int | None = None) -> Check:
    """Strings of so many characters, without the blanks around them."""

    def read(value: Any) -> str:
        stripped = string(value).strip()
        if len(stripped) < least:
            has = f"has {count_text(len(stripped), 'character')}" if stripped else "is empty"
            raise mistake(f"this {has}; write at least {count_text(least, 'character')}")
        if most is not None and len(stripped) > most:
            raise mistake(f"this has {len(stripped)} characters; shorten it to at most {most}")
        return stripped

    return read


def boolean(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise mistake(f"this must be true or false, not {shorten(value)}")
    return value


def number(value: Any) -> float:
    """A number, whole or not; not NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise mistake(f"this must be a number, not {shorten(value)}")
    return value


def whole(least: int) -> Check:
    """Whole numbers of at least so much."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise mistake(f"this must be a whole number, at least {least}, not {shorten(value)}")
        return value

    return read


def optional(item: Check) -> Check:
    """What a check takes, or None."""
    return lambda value: None if value is None else item(value)


def many(item: Check, least: int = 0) -> Check:
    """Lists of what a check takes, as tuples."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise mistake(f"this must be a list, not {shorten(value)}")
        if len(value) < least:
            raise mistake(f"the list has {len(value)} entries; give at least {least}")
        return tuple(_each(item, enumerate(value)))

    return read


def mapping(item: Check) -> Check:
    """Mappings from strings to what a check takes, as dictionaries."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise mistake(f"this must be a mapping (key: value), not {shorten(value)}")
        return dict(zip(value, _each(item, value.items()), strict=True))

    return read


def _each(item: Check, values: Iterable[tuple[Any, Any]]) -> list[Any]:
    kept: list[Any] = []
    found: list[tuple[KeyPath, str]] = []
    for at, value in values:
        try:
            kept.append(item(value))
        except Mistakes as exc:
            found += [((at, *path), what) for path, what in exc.found]
    if found:
        raise Mistakes(found)
    return kept
