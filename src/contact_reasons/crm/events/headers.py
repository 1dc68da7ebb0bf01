"""Headers of a request by name in lower case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contact_reasons.errors import EventError

__all__ = ["read_headers"]


def read_headers(headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]) -> dict[str, str]:
    """Headers by name in lower case, of a mapping or of pairs of texts or bytes (as ASGI gives them).

    Values of a name that occurs several times are joined by a comma, as RFC 9110 says.

    >>> read_headers([(b"X-Hub-Signature", b"sha1=0"), ("Via", "a"), ("via", "b")])
    {'x-hub-signature': 'sha1=0', 'via': 'a, b'}
    """
    pairs: Any = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    try:
        for given, value in pairs:
            name, said = _text(given).lower(), _text(value)
            found[name] = f"{found[name]}, {said}" if name in found else said
    except (TypeError, ValueError):
        expected = "a mapping from names to values, or pairs of them"
        raise EventError(f"the headers are not {expected}; give those of the request", "", expected) from None
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError
    return value
