"""Lines of a message: plain line ends, and whether anything is said."""

from __future__ import annotations

import re
from typing import Final

from contact_reasons.text.patterns import pattern

__all__ = ["plain_lines", "says_something", "unescape"]

_LINE_ENDS: Final = pattern("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE: Final = pattern(
    "[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


_BLANKS: Final = pattern("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_GAPS: Final = pattern(r"\n{3,}")


def plain_lines(text: str) -> str:
    """Line ends as ``\\n``, at most one empty line in a row; control, zero-width and direction characters gone."""
    if text.replace("\n", "").isprintable():  # then it holds none of the characters that are replaced
        return _GAPS.sub("\n\n", text) if "\n\n\n" in text else text
    return _GAPS.sub("\n\n", _INVISIBLE.sub("", _BLANKS.sub(" ", _LINE_ENDS.sub("\n", text))))


_ENTITY: Final = pattern(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.I)


def unescape(text: str) -> str:
    """The text with character references such as ``&amp;`` and ``&#8364;`` read; malformed ones stay."""
    if "&" not in text:
        return text
    import html

    return _ENTITY.sub(lambda match: html.unescape(match.group()), text)


_WORD: Final = pattern(r"\w+")
_FILLER: Final = frozenset(
    [
        "hi",
        "hello",
        "hey",
        "dear",
        "all",
        "team",
        "sir",
        "madam",
        "please",
        "pls",
        "see",
        "look",
        "below",
        "above",
        "attached",
        "attachment",
        "email",
        "mail",
        "message",
        "fyi",
        "fw",
        "fwd",
        "forwarding",
        "forwarded",
        "thanks",
        "thank",
        "you",
        "regards",
        "kind",
        "best",
        "cheers",
        "re",
        "my",
        "the",
        "this",
        "for",
        "your",
        "info",
        "information",
    ]
)


def says_something(text: str) -> bool:
    """Whether any word is left that is not a greeting, a thank-you or "see below"."""
    return any(word.group() not in _FILLER for word in _WORD.finditer(text[:4000].casefold()))
