"""Cleaning: from a raw mail, ticket, note or chat log to the words the customer chose.

`clean_text` runs the steps in order: HTML to text, the customer's side of a conversation, quoted replies
and forwarded headers, signatures and disclaimers, personal data masked. Every step takes time linear in the
text (no nested quantifiers, no re-scanning), so that ten megabytes of anything are harmless.

Where a step would leave nothing that says something, its input is kept: a forwarded complaint under "see below" is
still a complaint.

Notes
-----
The steps use the standard library alone, because a label must not depend on which extras are installed. Measured
alternatives: `html.parser` (Python 3.11.7) took 57 s on 80 kB of unclosed tags, and an HTML5 tree builder (selectolax
1.0) grew with the square of nesting depth. Extracting text needs no tree: a single pass over the tags does.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = [
    "clean_text",
    "customer_side",
    "html_to_text",
    "mask_personal_data",
    "strip_history",
    "strip_signature",
]

# ---------------------------------------------------------------------------------------------- the whole


def clean_text(text: str, subject: str | None = None) -> str:
    """The clean text of one raw message, chat log or note, after its clean subject line; see the module for the steps.

    >>> clean_text("Customer: hi, my code fails\\nAgent: Which code?\\nCustomer: AB12345")
    'hi, my code fails\\n[number]'
    >>> clean_text("<p>Where is it?</p><p>Sent from my iPhone</p>", subject="Re: Order 4711-22")
    'Order [number]\\nWhere is it?'
    """
    if "<" in text or "&" in text:
        text = html_to_text(text)
    text = _plain_lines(text)
    text = customer_side(text)
    text = strip_history(text)
    text = strip_signature(text)
    text = mask_personal_data(text)
    lines = [" ".join(line.split()) for line in text.split("\n")]
    if subject:
        lines.insert(0, _clean_subject(subject))
    return "\n".join(line for line in lines if line)


_SUBJECT_PREFIX: Final = re.compile(
    r"\A(?:\s*(?:re|fw|fwd|aw|wg|sv|tr|antw|rif|res|enc)\s*(?:\[\d{1,3}\])?\s*:)+\s*", re.I
)
_TICKET_TAG: Final = re.compile(r"\[(?:ticket|case|ref|#)[^\]\[]{0,60}\]|\((?:ticket|case|ref)[^)(]{0,60}\)", re.I)


def _clean_subject(subject: str) -> str:
    subject = html.unescape(subject) if "&" in subject else subject
    subject = " ".join(_plain_lines(subject).split())
    subject = _TICKET_TAG.sub(" ", _SUBJECT_PREFIX.sub("", subject))
    return " ".join(mask_personal_data(subject).split())


_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


_GAPS: Final = re.compile(r"\n{3,}")


def _plain_lines(text: str) -> str:
    """Line ends as ``\\n``, at most one empty line in a row; control, zero-width and direction characters gone."""
    return _GAPS.sub("\n\n", _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text)))


# ----------------------------------------------------------------------------------------------- HTML

_KNOWN_TAG: Final = re.compile(
    r"<(?:!doctype|!--|/?(?:html|head|body|div|p|br|span|table|tbody|tr|td|th|a|b|i|u|em|strong|font|ul|ol|li|h[1-6]"
    r"|blockquote|img|hr|pre|style|script|meta|center|section|o:p)\b)",
    re.I,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.I)
_TAG_NAME: Final = re.compile(r"/?\s*([a-zA-Z][a-zA-Z0-9:]{0,30})")
_SKIPPED: Final = {name: re.compile(rf"</{name}\b", re.I) for name in ("script", "style", "head", "title", "noscript")}
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
_HISTORY_BOX: Final = re.compile(
    r"gmail_quote|yahoo_quoted|moz-cite-prefix|divRplyFwdMsg|appendonsend|protonmail_quote|zmail_extra|tutanota_quote",
    re.I,
)
_HISTORY_MARK: Final = "-----Original Message-----"


def html_to_text(text: str) -> str:
    """Text of an HTML message, one line a block; plain text comes back as it is, but for entities.

    Quoted blocks come out as ``>`` lines and mail programs' history boxes behind an "original message" line,
    so that `strip_history` knows them. Comments, scripts, styles and heads are left out.

    >>> html_to_text("<p>Fish &amp; chips</p>cold!<br>Refund?")
    'Fish & chips\\ncold!\\nRefund?'
    """
    if not _KNOWN_TAG.search(text):
        return html.unescape(text) if _ENTITY.search(text) else text
    out: list[str] = []
    quote_depth = 0
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
        if tag in _SKIPPED and not closing:
            end_tag = _SKIPPED[tag].search(text, position)
            position = end_tag.start() if end_tag else length
        elif tag == "blockquote":
            quote_depth = max(0, quote_depth + (-1 if closing else 1))
            out.append("\n> " if quote_depth else "\n")
        elif tag in _BREAKS:
            attributes = text[opened : min(next_close, opened + 400)]
            if tag in ("div", "hr") and not closing and _HISTORY_BOX.search(attributes):
                out.append(f"\n{_HISTORY_MARK}")
            out.append("\n> " if quote_depth else "\n")
        elif tag in ("td", "th"):
            out.append(" ")
    lines = html.unescape("".join(out)).replace("\xa0", " ").split("\n")
    return "\n".join(line for line in map(str.strip, lines) if line)


# ------------------------------------------------------------------------------------------ conversations

_TURN: Final = re.compile(
    r"\s{0,8}[\[(]?(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},?\s)?(?:\d{1,2}[:.]\d{2}(?:[:.]\d{2})?\s?(?:[ap]\.?m\.?)?)?[\])]?\s?-?\s?"
    r"([^\W\d_][\w.'’ /-]{0,38}(?:\([\w .]{1,24}\))?)\s?(?:[\[(]\d{1,2}[:.]\d{2}[^\])]{0,12}[\])])?\s?:(?:\s+|$)(.*)",
    re.I,
)
_CUSTOMER_WORDS: Final = frozenset(
    [
        "customer",
        "cust",
        "client",
        "visitor",
        "guest",
        "user",
        "me",
        "caller",
        "buyer",
        "shopper",
        "member",
        "cx",
        "patient",
        "passenger",
        "kunde",
        "client",
        "cliente",
    ]
)
_AGENT_WORDS: Final = frozenset(
    [
        "agent",
        "advisor",
        "adviser",
        "support",
        "assistant",
        "rep",
        "representative",
        "csr",
        "operator",
        "bot",
        "chatbot",
        "system",
        "service",
        "helpdesk",
        "consultant",
        "specialist",
        "staff",
        "employee",
        "associate",
        "team",
        "moderator",
        "virtual",
        "automated",
        "auto",
        "botty",
    ]
)


def customer_side(text: str) -> str:
    """The customer's turns of a chat log; any other text comes back as it is.

    A chat log has at least two lines that begin with a speaker, one of them known as a customer
    ("Customer", "Visitor 12") or as the other side ("Agent", "Support", "Anna (Advisor)", "ShopBot");
    where only the other side is known, all others count as the customer.
    """
    if ":" not in text:
        return text
    turns: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        match = _TURN.match(line) if ":" in line[:100] else None
        if match:
            turns.append((match.group(1).strip().casefold(), [match.group(2)]))
        elif turns:
            turns[-1][1].append(line)
        else:
            turns.append(("", [line]))
    roles = [_role(speaker) for speaker, _ in turns]
    known = [role for role in roles if role]
    if not known or (len(turns) < 2 and known != ["customer"]):
        return text
    if "customer" not in known and len({speaker for speaker, _ in turns if speaker}) < 2:
        return text
    if "customer" in known:
        chosen = [lines for (_, lines), role in zip(turns, roles, strict=True) if role == "customer"]
    else:
        chosen = [lines for (_, lines), role in zip(turns, roles, strict=True) if role != "agent"]
    side = "\n".join("\n".join(lines) for lines in chosen)
    return side if _says_something(side) else text


def _role(speaker: str) -> str:
    words = re.findall(r"[^\W\d_]+", speaker[:60])
    if any(word in _AGENT_WORDS or word.endswith("bot") for word in words):
        return "agent"
    return "customer" if any(word in _CUSTOMER_WORDS for word in words) else ""


# ------------------------------------------------------------------------------------------ earlier mails

_WROTE: Final = re.compile(
    r"(?:(?:On|Am|Le|El|Il|Op|Den|Em|Dnia|W dniu)\s.{4,250}|.{4,200}<[^<>\s]{3,100}>.{0,60})"
    r"\b(?:wrote|schrieb|a écrit|écrit|escribió|ha scritto|schreef|skrev|escreveu|napisał)\b.{0,80}:\s*\Z",
    re.I,
)
_ORIGINAL: Final = re.compile(
    r"\s*[-_=*>\s]{2,40}(?:original message|original-nachricht|ursprüngliche nachricht|message d'origine|message original"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|forwarded message"
    r"|weitergeleitete nachricht|message transféré|mensaje reenviado)[-_=*\s]{0,40}\Z",
    re.I,
)
_BEGIN_FORWARD: Final = re.compile(
    r"\s*(?:begin forwarded message|anfang der weitergeleiteten nachricht)\s*:\s*\Z", re.I
)
_REPLY_ABOVE: Final = re.compile(r".{0,20}(?:type|write|reply).{0,30}above this line.{0,20}\Z", re.I)
_HEADER_FROM: Final = re.compile(r"\s*\*?(?:from|von|de|da|van|från|od)\s?\*?:\*?\s.{1,300}\Z", re.I)
_HEADER_OTHER: Final = re.compile(
    r"\s*\*?(?:sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé|à|objet|enviado|para|asunto|inviato|a|oggetto"
    r"|verzonden|aan|onderwerp|skickat|till|ämne)\s?\*?:\*?\s.{0,300}\Z",
    re.I,
)


def strip_history(text: str) -> str:
    """The newest message of a mail: quoted lines and everything below a reply or forward header left out.

    If nothing that says something is left (a bare "see below", an all-quoted text), the earlier message is
    kept, without its headers and marks.
    """
    lines = text.split("\n")
    cut = _history_start(lines)
    own = [line for line in lines[:cut] if not line.lstrip().startswith(">")]
    if _says_something("\n".join(own)):
        return "\n".join(own)
    kept = (line.lstrip("> \t") for line in lines)
    return "\n".join(line for line in kept if not _is_mail_header(line))


def _history_start(lines: list[str]) -> int:
    """Index of the first line of the earlier mails that follow; ``len(lines)`` if there are none."""
    for i, line in enumerate(lines):
        if len(line) > 500:
            continue
        if _ORIGINAL.match(line) or _BEGIN_FORWARD.match(line) or _REPLY_ABOVE.match(line):
            return i
        if (
            _HEADER_FROM.match(line)
            and sum(bool(_HEADER_OTHER.match(near[:400])) for near in lines[i + 1 : i + 6]) >= 2
        ):
            return i
        stop = _wrote_stop(lines, i)
        if stop:
            following = next((near.lstrip() for near in lines[stop:] if near.strip()), "")
            if not following.startswith(">"):
                return i
            lines[i:stop] = [f"> {near}" for near in lines[i:stop]]  # answered below the quote
    return len(lines)


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
        pattern.match(line)
        for pattern in (_ORIGINAL, _BEGIN_FORWARD, _REPLY_ABOVE, _HEADER_FROM, _HEADER_OTHER, _WROTE)
    )


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


def _says_something(text: str) -> bool:
    """Whether any word is left that is not a greeting, a thank-you or "see below"."""
    return any(word not in _FILLER for word in re.findall(r"\w+", text[:4000].casefold()))


# ------------------------------------------------------------------------------------------ signatures

_DEVICE: Final = re.compile(
    r"\s*(?:(?:sent|gesendet|envoyé|enviado|inviato|verzonden|skickat)\s+(?:from|via|von|de|da|vanaf|från)\s+(?:my|mein\w*|mon|meu|mi|il|"
    r"mijn|min)?.{2,40}|get outlook for .{2,20}|(?:sent|scanned) (?:with|by) .{2,40})\Z",
    re.I,
)
_SIGN_OFF: Final = re.compile(
    r"\s*(?:(?:with )?(?:kind|best|warm|many|kindest|warmest)(?:est)? (?:regards|wishes|thanks)|regards|rgds|best|cheers|ta|"
    r"(?:many )?thanks(?: again| in advance| so much| very much)?|thank you(?: again| in advance| so much| very much| for your help)?|"
    r"yours(?: (?:sincerely|faithfully|truly))?|sincerely|respectfully|mit freundlichen grüßen|mfg|cordialement|saludos|greetings|"
    r"good day|have a (?:nice|good|great) day)\s*[,.!;-]*\s*\Z",
    re.I,
)
_DISCLAIMER: Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"confidential",
        r"intended (?:only |solely |exclusively )?(?:for|recipient)|named (?:addressee|recipient)|intended recipient",
        r"privileged|unauthori[sz]ed|disclos",
        r"in error|delete (?:it|this|the)|notify the sender",
        r"virus|malware",
        r"registered (?:in|office)|company (?:no|number|registration)",
        r"(?:think|consider) .{0,30}(?:before|environment).{0,20}print",
    )
)
_SIGNATURE_LINES, _SIGNATURE_CHARS = 8, 70


def strip_signature(text: str) -> str:
    """The text without sign-off, name block, device line and legal disclaimer at its end."""
    lines = [line for line in text.split("\n") if not (len(line) < 90 and _DEVICE.match(line))]
    lines = _without_disclaimers(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    for i, line in enumerate(lines):
        if line.rstrip() in ("--", "—") and _says_something("\n".join(lines[:i])):
            lines = lines[:i]
            break
    first = max(0, len(lines) - _SIGNATURE_LINES - 1)
    for i in range(len(lines) - 1, first - 1, -1):
        if len(lines[i]) < 60 and _SIGN_OFF.match(lines[i]):
            after = lines[i + 1 :]
            if all(len(line) <= _SIGNATURE_CHARS and "?" not in line for line in after) and not any(
                line.lower().startswith(("ps", "p.s")) for line in after
            ):
                kept = "\n".join(lines[:i])
                return kept if _says_something(kept) else "\n".join(lines)
    return "\n".join(lines) if lines else text


def _without_disclaimers(lines: list[str]) -> list[str]:
    """Lines without legal paragraphs: long lines, or runs of lines, that speak of three of the usual things."""
    kept: list[str] = []
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
            continue
        paragraph = " ".join(block)
        if len(block) > 40 or sum(bool(part.search(paragraph[:3000])) for part in _DISCLAIMER) < 3:
            kept.extend(block)
        elif len(block) > 1:  # a legal line may stand under the message without a gap
            kept.extend(near for near in block if not any(part.search(near[:1000]) for part in _DISCLAIMER))
        if line or kept:
            kept.append(line)
        block = []
    return kept


# ------------------------------------------------------------------------------------------ personal data

_URL: Final = re.compile(r"(?<!\w)(?:https?://|www\.)[^\s<>\"']{3,}", re.I)
_MAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_DIGITS: Final = re.compile(r"(?<![\w.,/£$€₹-])[+(]{0,2}\d(?:[ ().\u2010-\u2013/-]{0,2}\d){4,30}(?![\w%])")
_DATE: Final = re.compile(
    r"(?:\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:\d{4}|\d{2}))(?:[ -]\d{1,4})?\Z"
)
_MONEY_AFTER: Final = re.compile(r"\s?(?:£|\$|€|₹|eur|euros?|pounds?|gbp|usd|dollars?|rupees?|rs|kr|sek)\b", re.I)
_CODE: Final = re.compile(r"(?<![\w-])#?\w{1,24}(?:[-_/]\w{1,24}){0,6}(?![\w-])")
_MIN_CODE_DIGITS = 4


def mask_personal_data(text: str) -> str:
    """The text with web and mail addresses, phone, card, bank account and order numbers masked.

    Masks are ``[url]``, ``[mail]``, ``[phone]``, ``[card]``, ``[iban]`` and ``[number]``. Cards must pass the
    Luhn check and IBANs ISO 7064 mod 97; other runs of five digits or more, and codes that mix letters with
    four digits or more, are order numbers. Dates and sums of money stay. Names and street addresses are *not* found.

    >>> mask_personal_data("call +44 7700 900123 or jo@example.org about #AB-10442, 12/11/2026, paid 1,299.00")
    'call [phone] or [mail] about [number], 12/11/2026, paid 1,299.00'
    """
    if "." in text or ":" in text:
        text = _URL.sub("[url]", text)
    if "@" in text:
        text = _MAIL.sub("[mail]", text)
    if not any(character.isdigit() for character in text):
        return text
    text = _IBAN.sub(_mask_iban, text)
    text = _DIGITS.sub(_mask_digits, text)
    return _CODE.sub(_mask_code, text)


def _mask_iban(match: re.Match[str]) -> str:
    code = match.group().replace(" ", "")
    as_digits = "".join(str(int(character, 36)) for character in code[4:] + code[:4])
    return "[iban]" if int(as_digits) % 97 == 1 else match.group()


def _mask_digits(match: re.Match[str]) -> str:
    found = match.group()
    digits = [unicodedata.digit(character) for character in found if character.isdigit()]
    if _DATE.match(found) or _MONEY_AFTER.match(match.string, match.end()):
        return found
    if 13 <= len(digits) <= 19 and _luhn(digits):
        return "[card]"
    grouped = any(character in found for character in " ().-")
    if 9 <= len(digits) <= 15 and (found[0] in "+(0" or (grouped and len(digits) in (10, 11))):
        return "[phone]"
    return "[number]"


def _luhn(digits: Iterable[int]) -> bool:
    total = 0
    for i, digit in enumerate(reversed(list(digits))):
        total += digit if i % 2 == 0 else (2 * digit - 9 if digit > 4 else 2 * digit)
    return total % 10 == 0


def _mask_code(match: re.Match[str]) -> str:
    found = match.group()
    digits = sum(character.isdigit() for character in found)
    if found[0] == "#":
        return "[number]" if digits >= 3 else found
    if digits < _MIN_CODE_DIGITS or _DATE.match(found):
        return found
    letters = sum(character.isalpha() for character in found)
    if letters == 0 and digits < 5:
        return found
    capitals_first = found[:1].isalpha() and found[0].isupper()
    return "[number]" if digits >= 5 or capitals_first else found
