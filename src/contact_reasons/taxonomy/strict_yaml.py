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

__all__ = ["StrictDocument", "load_strict_yaml", "parse_strict_yaml"]

KeyPath = tuple[str | int, ...]
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_MAX_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 40


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


def path_text(path: KeyPath) -> str:
    """A key path as people write it.

    >>> path_text(("primaries", 3, "id"))
    'primaries[3].id'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


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
    try:
        loader = _LOADER(text)
        try:
            _refuse_aliases(text, error, prefix)
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise error(
            f"{prefix}{line}not valid YAML ({exc.problem or exc.context}); check indentation, quotes and colons there"
        ) from exc
    except yaml.YAMLError as exc:
        raise error(f"{prefix}not valid YAML ({type(exc).__name__}); the file may not be text") from exc
    if node is None:
        raise error(f"{prefix}the document is empty")
    lines: dict[KeyPath, int] = {}
    data = _plain(node, (), lines, lambda line, what: error(f"{prefix}line {line}: {what}"))
    return StrictDocument(data, lines, source)


def _refuse_aliases(text: str, error: type[ContactReasonsError], prefix: str) -> None:
    """Refuse aliases (which can blow up memory) and deep nesting before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise error(f"{prefix}line {_line(event)}: aliases (*{event.anchor}) are not allowed; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise error(f"{prefix}line {_line(event)}: nested deeper than {_MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _plain(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], fail: Callable[[int, str], Exception]) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rsplit(":", 1)[1] not in (
        "str",
        "seq",
        "map",
    ):
        raise fail(line, f"the tag {shorten(node.tag)} is not allowed; remove it")
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), lines, fail) for i, item in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise fail(key_line, "a key must be a plain word")
        key = key_node.value
        if key in result:
            raise fail(
                key_line,
                f"the key {shorten(key)} stands here a second time (first on line {lines[(*path, key)]}); "
                "keep one of the two",
            )
        result[key] = _plain(value_node, (*path, key), lines, fail)
    return result
