"""Texts of JSON, XML and CSV, written in one way only and read with care: no entities, no surprises."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from contact_reasons.errors import CrmError, shorten

__all__ = [
    "MAX_CHARS",
    "Element",
    "call_text",
    "csv_text",
    "escaped",
    "json_documents",
    "json_text",
    "put_once",
    "read_csv",
    "read_xml",
]

MAX_CHARS = 16_000_000
"""Longest text that is read."""

_MAX_DEPTH = 60


def json_text(data: Any) -> str:
    """JSON with one blank of indent, in the order given, every letter as it is."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def call_text(method: str, path: str, body: Any) -> str:
    """An HTTP call as JSON."""
    return json_text({"method": method, "path": path, "body": body})


def csv_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows with commas, quoted where needed, lines ended as Windows programs write them."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def read_csv(text: str, where: str) -> list[dict[str, str]]:
    """Rows of a CSV text by the names of its first line.

    Raises
    ------
    CrmError
        If a row has more or fewer cells than the first line.
    """
    _check_size(text, where)
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as exc:
        raise CrmError(f"{where}: not valid CSV ({exc}); export the file again") from None
    head, *rest = rows or [[]]
    found = []
    for at, row in enumerate(rest, 2):
        if len(row) != len(head):
            raise CrmError(
                f"{where}, row {at}: {len(row)} cells where the first line has {len(head)}; export the file again"
            )
        found.append(dict(zip(head, row, strict=True)))
    return found


def escaped(text: str) -> str:
    """Text as the content of an XML element.

    >>> escaped("a < b & c")
    'a &lt; b &amp; c'
    """
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        text = text.replace(char, entity)
    return text


class Element(NamedTuple):
    """An element of an XML text.

    Parameters
    ----------
    tag : str
        As written, with its prefix.
    text : str
        All text directly inside, blanks kept.
    children : list of Element
    """

    tag: str
    text: list[str]
    children: list[Element]

    def all(self, tag: str) -> list[Element]:
        """The children of a tag."""
        return [child for child in self.children if child.tag == tag]

    def get(self, tag: str, default: str = "") -> str:
        """Text of the first child of a tag."""
        return next(("".join(child.text) for child in self.children if child.tag == tag), default)


def read_xml(text: str, where: str) -> Element:
    """The root of an XML text; documents with a DOCTYPE are refused, so nothing outside is read and nothing expanded.

    Raises
    ------
    CrmError
        If it is too long, nested too deep, has a DOCTYPE or is not well formed.
    """
    from xml.parsers import expat

    _check_size(text, where)
    top = Element("", [], [])
    stack = [top]
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise CrmError(f"{where}: nested deeper than {_MAX_DEPTH}; this is no export of a reason field")
        element = Element(tag, [], [])
        stack[-1].children.append(element)
        stack.append(element)

    def characters(data: str) -> None:
        stack[-1].text.append(data)

    def refuse(*_: Any) -> None:
        raise CrmError(
            f"{where}: the file has a DOCTYPE, which no export of a CRM needs; it was not read. Export it again"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: stack.pop()
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.removeprefix("\ufeff").encode(), True)
    except expat.ExpatError as exc:
        raise CrmError(f"{where}, line {exc.lineno}: not well-formed XML; export the file again") from None
    except UnicodeEncodeError:
        raise CrmError(f"{where}: half a surrogate pair in the text; export the file again, as UTF-8") from None
    return top.children[0]


def json_documents(files: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """The content of each JSON file, in the order of names; of an HTTP call that was exported, its body.

    Raises
    ------
    CrmError
        If one is too long, nested too deep or no JSON.
    """
    for name in sorted(files):
        if name.endswith(".json"):
            yield name, _body(_read_json(files[name], name))


def _read_json(text: str, where: str) -> Any:
    _check_size(text, where)
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=lambda pairs: _once(pairs, where))
    except RecursionError:
        raise CrmError(f"{where}: nested too deep; this is no answer about a reason field") from None
    except ValueError as exc:
        if isinstance(exc, CrmError):
            raise
        line = f", line {exc.lineno}" if isinstance(exc, json.JSONDecodeError) else ""
        raise CrmError(f"{where}{line}: not valid JSON; save the answer of the CRM as it came") from None


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in [name for name, _ in pairs[:at]])
        raise CrmError(
            f"{where}: the key {shorten(twice)} stands twice in one object; save the answer of the CRM as it came"
        )
    return found


def _body(data: Any) -> Any:
    return data["body"] if isinstance(data, dict) and {"method", "path", "body"} <= set(data) else data


def _check_size(text: str, where: str) -> None:
    if len(text) > MAX_CHARS:
        raise CrmError(f"{where}: {len(text):,} characters; at most {MAX_CHARS:,} are read: is it the right file?")


def put_once(found: dict[str, tuple[str, Any]], key: str, where: str, value: Any) -> None:
    """Keep what a file says of a field.

    Raises
    ------
    CrmError
        If another file, or another place of the same one, has said it before.
    """
    if key in found:
        raise CrmError(f"the field {shorten(key)} stands in {found[key][0]} and in {where}; give each field once")
    found[key] = (where, value)


def at(data: Any, key: str, kind: type[Any] | tuple[type[Any], ...], where: str) -> Any:
    """The value of a key that must be there and of a type.

    Raises
    ------
    CrmError
        If it is not, naming the place and what was expected.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(_KINDS[each] for each in kinds)
        raise CrmError(f"{where}: {key!r} must be {names}, not {_kind(value)}; save the answer of the CRM as it came")
    return value


_KINDS: dict[type[Any], str] = {
    str: "a text",
    int: "a whole number",
    list: "a list",
    dict: "an object",
    bool: "true or false",
}


def _kind(value: Any) -> str:
    return (
        "missing" if value is None else next((name for kind, name in _KINDS.items() if type(value) is kind), "a number")
    )
