"""Chat logs: the customer's side."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from contact_reasons.text.lines import says_something
from contact_reasons.text.patterns import pattern

__all__ = ["customer_side", "customer_turns"]

_TURN: Final = pattern(
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
        "kunde",
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
        "desk",
        "consultant",
        "specialist",
        "staff",
        "employee",
        "associate",
        "team",
        "moderator",
    ]
)
_TIME: Final = pattern(r"\s{0,8}[\[(]?\d{1,2}[:.]\d{2}")
_BOT_NAME: Final = pattern(r"\w*[a-z]Bot\Z")


def customer_side(text: str) -> str:
    """The customer's turns of a chat log, one below the other; any other text comes back as it is. See `customer_turns`."""
    return "\n".join(customer_turns(text))


def customer_turns(text: str) -> list[str]:
    """The customer's turns of a chat log; any other text is one turn.

    A speaker is known as the customer ("Customer", "Visitor 12") or as the other side ("Agent", "Anna (Advisor)",
    "ShopBot"). A text is a chat log if both sides speak; or the other side does, and some speaker speaks twice or lines bear
    times; or all lines are the customer's. Forms ("Customer name: ...", "Order: ...") are no chat logs. In doubt
    the whole text is kept.
    """
    if ":" not in text:
        return [text]
    turns: list[tuple[str, list[str]]] = []
    timed = 0
    for line in text.split("\n"):
        match = _TURN.match(line) if ":" in line[:100] else None
        if match:
            turns.append((match.group(1).strip(), [match.group(2)]))
            timed += bool(_TIME.match(line))
        elif turns:
            turns[-1][1].append(line)
        else:
            turns.append(("", [line]))
    roles = {speaker: _role(speaker) for speaker, _ in turns}
    times = Counter(speaker for speaker, _ in turns if speaker)
    sides = set(roles.values())
    if "customer" in sides and "agent" in sides:
        wanted = {"customer"}
    elif "agent" in sides and len(times) > 1 and (max(times.values()) > 1 or timed > 1):
        wanted = {""}
    elif sides == {"customer"}:
        wanted = {"customer"}
    else:
        return [text]
    chosen: list[str] = []
    inside = "" in wanted
    for speaker, lines in turns:
        role = roles[speaker]
        if role or "" in wanted:
            inside = role in wanted
        if inside:  # an unknown "word:" inside a known speaker's turn is part of it
            is_part = bool(speaker and not role and "" not in wanted)
            said = "\n".join([f"{speaker}: {lines[0]}" if is_part else lines[0], *lines[1:]])
            if is_part and chosen:
                chosen[-1] += f"\n{said}"
            else:
                chosen.append(said)
    return chosen if says_something("\n".join(chosen)) else [text]


def _role(speaker: str) -> str:
    """``'customer'``, ``'agent'`` or ``''`` for a speaker that is not known."""
    name, _, bracket = speaker.rstrip(")").partition("(")
    if bracket:
        within = {word.casefold() for word in bracket.split()}
        return "agent" if within & _AGENT_WORDS else "customer" if within & _CUSTOMER_WORDS else ""
    words = [word.casefold() for word in name.split()]
    if not words or len(words) > 3:
        return ""
    if words[0] in _CUSTOMER_WORDS and all(word.isdigit() for word in words[1:]):
        return "customer"
    known = words[0] in _AGENT_WORDS or words[-1] in _AGENT_WORDS
    if known and not any(word in _FIELD_WORDS for word in words):
        return "agent"
    return "agent" if _BOT_NAME.match(name.strip()) else ""


_FIELD_WORDS: Final = frozenset(
    [
        "name",
        "id",
        "number",
        "no",
        "ref",
        "reference",
        "email",
        "mail",
        "phone",
        "address",
        "date",
        "time",
        "type",
        "level",
        "said",
        "told",
        "your",
        "my",
        "our",
        "the",
        "a",
        "dear",
        "note",
        "message",
    ]
)
