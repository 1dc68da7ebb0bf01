"""HTML to text, in one pass over the tags."""

from __future__ import annotations

import re
from typing import Final

from contact_reasons.text.lines import unescape
from contact_reasons.text.patterns import pattern

__all__ = ["html_to_text"]

_ATTRIBUTE: Final = r"""\s++[a-z_:@][\w:.-]*+(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>]++))"""
_WHOLE_TAG: Final = pattern(
    r"<(?:!doctype\b|!--|/?(?:html|head|body|div|p|br|span|table|tbody|tr|td|th|a|b|i|u|em|strong|font|ul|ol|li|h[1-6]"
    rf"|blockquote|img|hr|pre|style|script|meta|center|section|o:p)(?:(?:{_ATTRIBUTE})++\s*+/?|\s*+/)?>)",
    re.I,
)
"""A tag of mails and pages as it must be written. "a <b and c >" and "<a lot>" are words: attributes without a value do not count."""
_TAG_NAME: Final = pattern(r"/?\s*([a-zA-Z][a-zA-Z0-9:]{0,30})")
_SKIPPED: Final = {name: pattern(rf"</{name}\b", re.I) for name in ("script", "style", "head", "title", "noscript")}
_BREAKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "center",
        "div",
        "dd",
        "dl",
        "dt",
        "fieldset",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tr",
        "ul",
    ]
)
_HISTORY_BOX: Final = pattern(
    r"gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|tutanota_quote", re.I
)
_HISTORY_FOLLOWS: Final = pattern(r"divRplyFwdMsg|appendonsend", re.I)
_HISTORY_MARK: Final = "-----Original Message-----"


def html_to_text(text: str) -> str:
    r"""Text of an HTML message, one line a block; plain text comes back as it is, but for entities.

    A text is HTML if one whole tag stands in it (``<p>``, ``</b>``, ``<a href="…">``).

    Quoted blocks come out as ``>>`` lines and mail programs' history boxes as such lines or behind an "original message"
    line, so that `strip_history` knows them. Comments, scripts, styles and heads are left out.

    >>> html_to_text("<p>Fish &amp; chips</p>cold!<br>Refund?")
    'Fish & chips\ncold!\nRefund?'
    """
    if not _WHOLE_TAG.search(text):
        return unescape(text)
    out: list[str] = []
    quotes, divs = 0, 0
    endless: set[str] = set()
    boxes: list[int] = []  # depth of the divs that hold earlier mails
    position, length, next_close = 0, len(text), -2
    while position < length:
        opened = text.find("<", position)
        if opened < 0:
            out.append(text[position:])
            break
        out.append(text[position:opened])
        if text.startswith("<!--", opened):
            end = text.find("-->", opened + 4)
            position = length if end < 0 else end + 3
            continue
        if next_close != -1 and next_close <= opened:
            next_close = text.find(">", opened)
        name = _TAG_NAME.match(text, opened + 1)
        if next_close < 0 or (name is None and text[opened + 1 : opened + 2] not in ("!", "?")):
            out.append("<")
            position = opened + 1
            continue
        position = next_close + 1
        tag = name.group(1).lower() if name else ""
        closing = text.startswith("/", opened + 1)
        if tag in _SKIPPED and not closing and text[next_close - 1] != "/":
            end_tag = None if tag in endless else _SKIPPED[tag].search(text, position)
            if end_tag is None:
                endless.add(tag)  # without an end tag only the tag itself is skipped
            else:
                position = end_tag.end()
            continue
        if tag == "blockquote":
            quotes = max(0, quotes + (-1 if closing else 1))
        elif tag == "div":
            divs = max(0, divs + (-1 if closing else 1))
            attributes = text[opened : min(next_close, opened + 400)]
            if closing and boxes and divs < boxes[-1]:
                boxes.pop()
            elif not closing and _HISTORY_FOLLOWS.search(attributes):
                out.append(f"\n{_HISTORY_MARK}")
            elif not closing and _HISTORY_BOX.search(attributes):
                boxes.append(divs)
        if tag in _BREAKS:
            out.append("\n>> " if quotes or boxes else "\n")
        elif tag in ("td", "th"):
            out.append(" ")
    lines = unescape("".join(out)).replace("\xa0", " ").split("\n")
    return "\n".join(line for line in map(str.strip, lines) if line.strip("> "))
