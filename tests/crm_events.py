"""Results of CRM events as plain data, for tests."""

from __future__ import annotations

import dataclasses
from typing import Any

import contact_reasons as cr
from contact_reasons.crm.events import EventResult

EMPTY = (None, "", (), {}, False)


def plain(result: EventResult) -> dict[str, Any]:
    """A result with what it holds, and nothing that is empty."""
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    found: dict[str, Any] = {"result": type(result).__name__}
    for name, value in values.items():
        if isinstance(value, cr.Contact):
            found[name] = contact(value)
        elif name == "warnings":
            found |= {"warnings": [str(each) for each in value]} if value else {}
        elif value not in EMPTY:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def contact(value: cr.Contact) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if field.name == "turns":
            found |= {"turns": [[turn.speaker, turn.text] for turn in held]} if held else {}
        elif field.name in ("customer", "context"):
            held = {each.name: getattr(held, each.name) for each in dataclasses.fields(held)}
            held = {name: dict(it) if name == "extra" else it for name, it in held.items() if it is not None}
            held = {name: it for name, it in held.items() if it != {}}
            found |= {field.name: held} if held else {}
        elif field.name == "created_at":
            found |= {"created_at": held.isoformat()} if held else {}
        elif held not in EMPTY:
            found[field.name] = held
    return found
