"""Mails: earlier messages, signatures and disclaimers left out."""

from __future__ import annotations

import re
from typing import Final

from contact_reasons.text.lines import says_something
from contact_reasons.text.patterns import pattern

__all__ = ["strip_history", "strip_signature"]

_WROTE: Final = pattern(
    r"(?:(?:On|Am|Le|El|Il|Op|Den|Em|Dnia|W dniu)\s.{4,250}|.{4,200}<[^<>\s]{3,100}>.{0,60})"
    r"\b(?:wrote|schrieb|a écrit|écrit|escribió|ha scritto|schreef|skrev|escreveu|napisał|pisze)\b.{0,80}:\s*\Z",
    re.I,
)
_ORIGINAL: Final = pattern(
    r"\s*[-_=*>\s]{2,40}(?:original message|original-nachricht|ursprüngliche nachricht|message d'origine|message original"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|forwarded message"
    r"|weitergeleitete nachricht|message transféré|mensaje reenviado)[-_=*\s]{0,40}\Z",
    re.I,
)
_BEGIN_FORWARD: Final = pattern(r"\s*(?:begin forwarded message|anfang der weitergeleiteten nachricht)\s*:\s*\Z", re.I)
_REPLY_ABOVE: Final = pattern(r".{0,20}(?:type|write|reply).{0,30}above this line.{0,20}\Z", re.I)
_HEADER_FROM: Final = pattern(r"\s*\*?(?:from|von|de|da|van|från|fra|od)\s?\*?:\*?\s.{1,300}\Z", re.I)
_HEADER_OTHER: Final = pattern(
    r"\s*\*?(?:sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé|à|objet|enviado|para|asunto|inviato|a|oggetto"
    r"|verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne)\s?\*?:\*?\s.{0,300}\Z",
    re.I,
)


_HEADER_SURE: Final = pattern(
    r"\s*\*?(?:sent|subject|gesendet|betreff|envoyé|objet|enviado|asunto|inviato|oggetto|verzonden|onderwerp|skickat|ämne|sendt|emne)\b",
    re.I,
)


_MARKED_LINE: Final = pattern(r"\n(?:[-_=*>]|[^\S\n])")


def _has_no_history(text: str) -> bool:
    """Whether no pattern of `strip_history` can match: what each of them needs is not in the text."""
    signs = ":" in text or "above" in text.lower()
    return not signs and not _MARKED_LINE.search(f"\n{text}")


def strip_history(text: str) -> str:
    """The newest message of a mail: quoted lines and everything below a reply or forward header left out.

    If nothing that says something is left (a bare "see below", an all-quoted text), the earlier message is
    kept, without its headers and marks.
    """
    if _has_no_history(text) and says_something(text):
        return text
    lines = text.split("\n")
    cut, attributions = _history_start(lines)
    quoted = [line.lstrip().startswith(">") for line in lines]
    if sum(quoted) == 1 and cut == len(lines) and not attributions and not any(line.startswith(">>") for line in lines):
        quoted = [False] * len(lines)  # "> 3 weeks": a lone mark quotes nothing
    own = [line for i, line in enumerate(lines[:cut]) if not quoted[i] and i not in attributions]
    if says_something("\n".join(own)):
        return "\n".join(own)
    kept = (line.lstrip("> \t") for line in lines)
    return "\n".join(line for line in kept if not _is_mail_header(line))


def _history_start(lines: list[str]) -> tuple[int, set[int]]:
    """Index of the first line of the earlier mails that follow (the number of lines if there are none), and the lines
    of "On ... wrote:" that stand above ``>`` lines, below which the customer may go on.
    """
    next_said = [len(lines)] * (len(lines) + 1)  # for each line, the first at or after it that is not blank
    for i in range(len(lines) - 1, -1, -1):
        next_said[i] = i if lines[i].strip() else next_said[i + 1]
    attributions: set[int] = set()
    for i, line in enumerate(lines):
        if len(line) > 500 or i in attributions:
            continue
        if _ORIGINAL.match(line) or _BEGIN_FORWARD.match(line) or _REPLY_ABOVE.match(line):
            return i, attributions
        if _HEADER_FROM.match(line):
            headers = [near[:400] for near in lines[i + 1 : i + 6] if _HEADER_OTHER.match(near[:400])]
            if len(headers) >= 2 and ("@" in line or any("@" in near or _HEADER_SURE.match(near) for near in headers)):
                return i, attributions
        stop = _wrote_stop(lines, i)
        if stop:
            following = next_said[stop]
            if following == len(lines) or not lines[following].lstrip().startswith(">"):
                return i, attributions
            attributions.update(range(i, stop))
    return len(lines), attributions


def _wrote_stop(lines: list[str], start: int) -> int:
    """Where an "On ... wrote:" that begins at ``start`` and runs over at most three lines stops; else 0."""
    joined = ""
    for stop in range(start + 1, min(start + 4, len(lines) + 1)):
        joined = f"{joined} {lines[stop - 1].strip()}".strip()
        if len(joined) > 500 or not joined:
            return 0
        if joined.endswith(":"):
            return stop if _WROTE.match(joined) else 0
    return 0


def _is_mail_header(line: str) -> bool:
    if len(line) > 500:
        return False
    return any(
        header.match(line) for header in (_ORIGINAL, _BEGIN_FORWARD, _REPLY_ABOVE, _HEADER_FROM, _HEADER_OTHER, _WROTE)
    )


_DEVICE: Final = pattern(
    r"\s*(?:(?:sent|gesendet|envoyé|enviado|inviato|verzonden|skickat|sendt)\s+(?:from|via|using|von|de|da|depuis|desde|dal|vanaf|från|fra)\s+"
    r"(?:(?:my|meinem|meiner|mon|mi|mio|mijn|min|the|the all-new)\s+)?"
    r"(?:iphone|ipad|android|samsung|galaxy|huawei|pixel|nokia|mobile|phone|handy|smartphone|tablet|blackberry|windows phone|outlook|gmail|"
    r"yahoo|aol|mail for windows|windows mail|proton|fairmail|bluemail|web\.de|gmx|mobil|téléphone)[\w .]{0,40}|get outlook for .{2,20})\s*\Z",
    re.I,
)
_SIGN_OFF: Final = pattern(
    r"\s*(?:(?:with )?(?:kind|best|warm|many|kindest|warmest)(?:est)? (?:regards|wishes|thanks)|regards|rgds|best|cheers|ta|"
    r"(?:many )?thanks(?: again| in advance| so much| very much)?|thank you(?: again| in advance| so much| very much| for your help)?|"
    r"yours(?: (?:sincerely|faithfully|truly))?|sincerely|respectfully|mit freundlichen grüßen|mfg|cordialement|saludos|greetings|"
    r"good day|have a (?:nice|good|great) day)\s*[,.!;-]*\s*\Z",
    re.I,
)
_DISCLAIMER: Final = tuple(
    pattern(sign, re.I)
    for sign in (
        r"confidential",
        r"intended (?:only |solely |exclusively )?(?:for|recipient)|named (?:addressee|recipient)|intended recipient",
        r"privileged|unauthori[sz]ed|disclos",
        r"in error|delete (?:it|this|the)|notify the sender",
        r"virus|malware",
        r"registered (?:in|office)|company (?:no|number|registration)",
        r"(?:think|consider) .{0,30}(?:before|environment).{0,20}print",
    )
)
_DISCLAIMER_SIGNS: Final = (
    ("conf",),
    ("ntended", "named "),
    ("leged", "unauthor", "clo"),
    ("n error", "delete ", "fy the "),
    ("ru", "malware"),
    ("tered ", "company "),
    ("before", "ronment"),
)
"""For each part of `_DISCLAIMER`, bits of which one is in every text that it finds. None holds an i, s or k, which have more than two cases."""
_SIGNATURE_LINES, _SIGNATURE_CHARS = 8, 70


def strip_signature(text: str) -> str:
    """The text without sign-off, name block, device line and legal disclaimer at its end; a single line stays whole."""
    return _strip_end(text) if "\n" in text else text


def _strip_end(text: str) -> str:
    lines = [line for line in text.split("\n") if not (len(line) < 90 and _DEVICE.match(line))]
    lines = _without_disclaimers(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    first = max(0, len(lines) - _SIGNATURE_LINES - 1)
    for i in range(len(lines) - 1, first - 1, -1):
        signs_off = len(lines[i]) < 60 and (lines[i].rstrip() in ("--", "—") or _SIGN_OFF.match(lines[i]))
        if signs_off and all(map(_looks_like_name_block, lines[i + 1 :])) and says_something("\n".join(lines[:i])):
            return "\n".join(lines[:i])
    return "\n".join(lines) if lines else text


_CONTACT_DETAIL: Final = pattern(
    r"@|www\.|https?:|\+?\d[\d ()/-]{6,}|\b(?:tel|mobile|fax|phone|ltd|inc|gmbh|limited|street|road)\b", re.I
)


def _looks_like_name_block(line: str) -> bool:
    """Whether a line under a sign-off is a name, a position, an address: few words and no sentence."""
    words = line.split()
    if not words or (len(line) <= _SIGNATURE_CHARS and _CONTACT_DETAIL.search(line)):
        return True
    if len(words) > 8 or "?" in line or words[0].lower().strip(".:") in ("ps", "p.s"):
        return False
    capitals = sum(word[:1].isupper() or not word[:1].isalpha() for word in words)
    return len(words) == 1 or capitals >= (0.5 if len(words) <= 5 else 0.75) * len(words)


def _without_disclaimers(lines: list[str]) -> list[str]:
    """Lines without legal paragraphs: long lines, or runs of lines, that speak of three of the usual things."""
    kept: list[str] = []
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
            continue
        paragraph = " ".join(block)
        if len(block) > 40 or not _is_disclaimer(paragraph[:3000]):
            kept.extend(block)
        elif len(block) > 1:  # a legal line may stand under the message without a gap
            kept.extend(near for near in block if not any(part.search(near[:1000]) for part in _DISCLAIMER))
        if line or kept:
            kept.append(line)
        block = []
    return kept


def _is_disclaimer(paragraph: str) -> bool:
    """Whether a paragraph speaks of three of the usual things."""
    lower, shown, found = paragraph.lower(), 0, 0
    for signs in _DISCLAIMER_SIGNS:
        for sign in signs:
            if sign in lower:
                shown += 1
                break
    if shown < 3:
        return False
    for part in _DISCLAIMER:
        found += part.search(paragraph) is not None
    return found >= 3
