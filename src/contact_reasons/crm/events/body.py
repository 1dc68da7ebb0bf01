"""`parse_body`: bytes of a request to plain values, checked before and while they are parsed."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from contact_reasons.errors import EventError

__all__ = ["MAX_BODY_BYTES", "MAX_DEPTH", "parse_body"]

MAX_BODY_BYTES: Final = 1_048_576
"""Longest body by default: a Salesforce event has at most 1 MB, the largest that is documented."""

MAX_DEPTH: Final = 64
"""Deepest nesting of objects and lists; the deepest event of the five systems has 8 levels."""

_MAX_NUMBER_CHARS: Final = 40
_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{}]', re.DOTALL)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:$@-]{1,64}\Z")


def parse_body(body: bytes, *, limit: int = MAX_BODY_BYTES) -> Any:
    r"""The JSON value of a request's body.

    Size, encoding and depth are checked before anything is parsed, so that no body costs more than one pass over it.

    Parameters
    ----------
    body : bytes
        As it was received; a signature is checked on the same bytes.
    limit : int, default=1048576
        Most bytes.

    Returns
    -------
    dict or list

    Raises
    ------
    EventError
        If the body is too long, empty, no UTF-8, no JSON, deeper than `MAX_DEPTH`, neither an object nor a list, or holds a key twice, NaN, an infinite
        number, a number of more than 40 characters, or half of a surrogate pair. The message never quotes the body.

    Examples
    --------
    >>> parse_body(b'{"detail": {"id": "35436"}}')
    {'detail': {'id': '35436'}}
    >>> parse_body(b'{"id": 1, "id": 2}')
    Traceback (most recent call last):
    contact_reasons.errors.EventError: the body: the key 'id' occurs twice in an object; each key must occur once
    """
    if not isinstance(body, bytes | bytearray | memoryview):
        raise _refused(f"it is a {type(body).__name__}", "the bytes of the request")
    body = bytes(body)
    if len(body) > limit:
        raise _refused(
            f"it has {len(body):,} bytes", f"at most {limit:,} bytes; raise `limit` if such bodies are right"
        )
    if not body.strip():
        raise _refused("it is empty", "a JSON object or list")
    _check_depth(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _refused(f"byte {exc.start} is not UTF-8", "JSON in UTF-8") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except json.JSONDecodeError as exc:
        raise _refused(f"no JSON from line {exc.lineno}, column {exc.colno} on", "one JSON object or list") from None
    if not isinstance(value, dict | list):
        raise _refused(f"it is a JSON {'text' if isinstance(value, str) else 'value'} alone", "a JSON object or list")
    if _SURROGATE.search(body):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise _refused(r"a \u escape is half of a surrogate pair", "whole characters") from None
    return value


def _refused(what: str, expected: str) -> EventError:
    return EventError(f"the body: {what}; it must be {expected}", "", expected)


def _check_depth(body: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise _refused(f"it is nested deeper than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels deep")
        elif mark in (b"]", b"}"):
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        name = f"the key {twice!r}" if _NAME.match(twice) else "a key"
        raise EventError(f"the body: {name} occurs twice in an object; each key must occur once", "", "each key once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_CHARS:
        raise _refused(f"a number has {len(digits)} digits", f"without numbers of more than {_MAX_NUMBER_CHARS}")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if len(digits) > _MAX_NUMBER_CHARS or not math.isfinite(value):
        raise _refused(
            "a number is too long or infinite", f"without numbers of more than {_MAX_NUMBER_CHARS} characters"
        )
    return value


def _constant(name: str) -> Any:
    raise _refused(f"it holds {name}", "JSON, which has no NaN and no infinity")
