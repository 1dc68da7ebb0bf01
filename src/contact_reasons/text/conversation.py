"""Chat logs: the customer's side."""

from __future__ import annotations

import re
from typing import Final

from contact_reasons.text.lines import says_something

__all__ = ["customer_side"]

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
    return side if says_something(side) else text


def _role(speaker: str) -> str:
    words = re.findall(r"[^\W\d_]+", speaker[:60])
    if any(word in _AGENT_WORDS or word.endswith("bot") for word in words):
        return "agent"
    return "customer" if any(word in _CUSTOMER_WORDS for word in words) else ""
