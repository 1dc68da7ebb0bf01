"""A YAML reader without surprises: every scalar is a string, nothing is executed, nothing is guessed.

Plain YAML reads ``no`` as False, ``12:30:00`` as 45000 and keeps the last of two equal keys. Here
scalars stay strings (types come from the schema that reads the document), and duplicate keys, aliases,
tags and second documents are errors with their line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from contact_reasons.errors import ContactReasonsError, shorten
from contact_reasons.schema import KeyPath, path_text

__all__ = ["Span", "StrictDocument", "key_spans", "load_strict_yaml", "parse_strict_yaml", "scalar_spans"]

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_MAX_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 40
_TAGS = (None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")))


class StrictDocument(NamedTuple):
    """A YAML document as plain data.

    Parameters
    ----------
    data : dict, list or str
    lines : dict of key path to int
        The line, from 1, on which the value of each key path begins.
    source : str
        The file's name, for messages.
    """

    data: Any
    lines: dict[KeyPath, int]
    source: str

    def where(self, path: KeyPath) -> str:
        """``file, line N, primaries[3].id``, as exact as is known."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known)
        parts = [self.source] if self.source else []
        if line is not None:
            parts.append(f"line {line}")
        if path:
            parts.append(path_text(path))
        return ", ".join(parts) or "the document"


def load_strict_yaml(path: str | Path, error: type[ContactReasonsError]) -> StrictDocument:
    """The document in a file.

    Parameters
    ----------
    path : str or Path
    error : exception class
        Raised, with file and line, for whatever is wrong.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as exc:
        raise error(
            f"{path}: the file cannot be read ({getattr(exc, 'strerror', None) or exc}); check the path and the rights"
        ) from exc
    if len(raw) > _MAX_BYTES:
        raise error(
            f"{path}: {len(raw):,} bytes; a taxonomy or policy file has at most {_MAX_BYTES:,}: is it the right file?"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise error(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from exc
    return parse_strict_yaml(text, error, source=str(path))


def parse_strict_yaml(text: str, error: type[ContactReasonsError], *, source: str = "") -> StrictDocument:
    """The document in a string; see `load_strict_yaml`."""
    prefix = f"{source}, " if source else ""
    builder = _Builder(lambda line, what: error(f"{prefix}line {line}: {what}"))
    try:
        data = builder.read(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise error(
            f"{prefix}{line}not valid YAML ({exc.problem or exc.context}); check indentation, quotes and colons there"
        ) from exc
    except (yaml.YAMLError, UnicodeEncodeError) as exc:  # the second from half a surrogate pair
        raise error(f"{prefix}not valid YAML ({type(exc).__name__}); the file may not be text") from exc
    if data is None:
        raise error(f"{prefix}the document is empty")
    return StrictDocument(data, builder.lines, source)


class Span(NamedTuple):
    """Where a scalar stands in a text, its quotes included.

    Parameters
    ----------
    value : str
    start, end : int
        Of the text, the end not included.
    line : int
        From 1.
    """

    value: str
    start: int
    end: int
    line: int


def scalar_spans(text: str, error: type[ContactReasonsError], *, source: str = "") -> dict[KeyPath, Span]:
    """Every value of a document that is a scalar, by key path, with its place: to edit a file without writing it anew.

    Parameters
    ----------
    text : str
        Without a byte order mark.
    error, source
        See `load_strict_yaml`.

    Examples
    --------
    >>> text = "a: [x, 'y']  # kept"
    >>> spans = scalar_spans(text, ContactReasonsError)
    >>> [text[span.start:span.end] for span in spans.values()]
    ['x', "'y'"]
    """
    return _spans(text, error, source).spans


def key_spans(text: str, error: type[ContactReasonsError], *, source: str = "") -> dict[KeyPath, Span]:
    """Every key of the mappings of a document, by the key path of its value, with its place.

    Parameters
    ----------
    text, error, source
        See `scalar_spans`.

    Examples
    --------
    >>> spans = key_spans("a: {'b': x}", ContactReasonsError)
    >>> [(path, span.value, span.start) for path, span in spans.items()]
    [(('a',), 'a', 0), (('a', 'b'), 'b', 4)]
    """
    return _spans(text, error, source).keys


def _spans(text: str, error: type[ContactReasonsError], source: str) -> _SpanBuilder:
    parse_strict_yaml(text, error, source=source)  # all that is wrong, with its line
    builder = _SpanBuilder(lambda line, what: error(f"{source}, line {line}: {what}"))
    builder.read(text)
    return builder


class _Builder:
    """Plain data straight from the parser's events; aliases (which can blow up memory) and deep nesting are refused as they come.

    Parameters
    ----------
    fail : callable
        The error for a line and what is wrong there.
    """

    def __init__(self, fail: Callable[[int, str], Exception]) -> None:
        self.fail = fail
        self.lines: dict[KeyPath, int] = {}
        self.next: Callable[[], Any] = lambda: None

    def read(self, text: str) -> Any:
        """The one document of a text; None if there is none."""
        loader = _LOADER(text)
        self.next = loader.get_event
        try:
            return self.document()
        finally:
            loader.dispose()

    def document(self) -> Any:
        """The one document; None if there is none."""
        self.next()
        if isinstance(self.next(), yaml.StreamEndEvent):
            return None
        data = self.value(self.next(), (), 0)
        self.next()
        after = self.next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise self.fail(_line(after), "not valid YAML here (a second document begins); keep one document")
        return data

    def value(self, event: Any, path: KeyPath, depth: int) -> Any:
        """The value that begins with an event."""
        kind = event.__class__
        self.lines[path] = _line(event)
        if kind is yaml.ScalarEvent:
            self.check_tag(event)
            return event.value
        if kind is yaml.AliasEvent:
            raise self.fail(_line(event), f"aliases (*{event.anchor}) are not allowed; write the value out")
        self.check_tag(event)
        if depth == _MAX_DEPTH:
            raise self.fail(_line(event), f"nested deeper than {_MAX_DEPTH}")
        return (self.sequence if kind is yaml.SequenceStartEvent else self.mapping)(path, depth + 1)

    def sequence(self, path: KeyPath, depth: int) -> list[Any]:
        """The entries of a list that has begun."""
        values: list[Any] = []
        while (event := self.next()).__class__ is not yaml.SequenceEndEvent:
            values.append(self.value(event, (*path, len(values)), depth))
        return values

    def mapping(self, path: KeyPath, depth: int) -> dict[str, Any]:
        """The entries of a mapping that has begun."""
        values: dict[str, Any] = {}
        while (event := self.next()).__class__ is not yaml.MappingEndEvent:
            if event.__class__ is not yaml.ScalarEvent:
                raise self.fail(_line(event), "a key must be a plain word")
            self.check_tag(event)
            key, at = event.value, (*path, event.value)
            self.key(event, at)
            if key in values:
                raise self.fail(
                    _line(event),
                    f"the key {shorten(key)} stands here a second time (first on line {self.lines[at]}); keep one of the two",
                )
            values[key] = self.value(self.next(), at, depth)
        return values

    def key(self, event: Any, path: KeyPath) -> None:
        """Take note of a key."""

    def check_tag(self, event: Any) -> None:
        """Refuse tags other than those that every value has anyway."""
        if event.tag not in _TAGS:
            raise self.fail(_line(event), f"the tag {shorten(event.tag)} is not allowed; remove it")


class _SpanBuilder(_Builder):
    """A builder that notes where each scalar and each key stands."""

    def __init__(self, fail: Callable[[int, str], Exception]) -> None:
        super().__init__(fail)
        self.spans: dict[KeyPath, Span] = {}
        self.keys: dict[KeyPath, Span] = {}

    def value(self, event: Any, path: KeyPath, depth: int) -> Any:
        """The value that begins with an event."""
        if isinstance(event, yaml.ScalarEvent):
            self.spans[path] = self._span(event)
        return super().value(event, path, depth)

    def key(self, event: Any, path: KeyPath) -> None:
        self.keys[path] = self._span(event)

    @staticmethod
    def _span(event: Any) -> Span:
        return Span(event.value, event.start_mark.index, event.end_mark.index, _line(event))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
