"""Intercom: notifications of conversations, and conversations of the API. Intercom's tickets are another object and are not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from contact_reasons.crm.events.fields import FieldMap
from contact_reasons.crm.events.payload import Payload, fingerprint, unix_time
from contact_reasons.crm.events.results import ContactEvent, EventResult, Ignored, NeedsFetch
from contact_reasons.records import Contact, Turn
from contact_reasons.text import html_to_text

__all__ = ["CHANNELS", "read_event", "read_ticket"]

SYSTEM: Final = "intercom"

CHANNELS: Final = {
    "conversation": "chat",
    "email": "email",
    "facebook": "social",
    "instagram": "social",
    "phone_call": "phone",
    "phone_switch": "phone",
    "sms": "sms",
    "twitter": "social",
    "whatsapp": "social",
}
"""``source.type`` in arrival channels."""

_CREATED: Final = "conversation.user.created"
_REPLIED: Final = "conversation.user.replied"
_BOTS: Final = ("operator_initiated", "automated", "campaigns_initiated")
"""``source.delivered_as`` of conversations that no person opened, whoever stands there as their author."""

_SPEAKERS: Final = {"user": "customer", "lead": "customer", "contact": "customer", "admin": "agent", "team": "agent"}


def read_event(payload: Any, fields: FieldMap, headers: Mapping[str, str]) -> tuple[EventResult, ...]:
    """See `contact_reasons.crm.events.read_event`.

    The key is the notification's ``id``; where it has none, it is made of the topic, the conversation's id and the notification's ``created_at``.
    ``delivery_attempts`` and ``delivered_at`` change when it is sent again and are left out.
    """
    event = Payload.of(payload)
    topic = event.text("topic")
    if topic not in (_CREATED, _REPLIED):
        return (Ignored(system=SYSTEM, why="this topic brings no words of a customer"),)
    item = event.object("data").object("item")
    ticket_id = item.id("id")
    key = f"{SYSTEM}:{event.key('id') if 'id' in event else _no_id(event, topic, ticket_id)}"
    parts = _parts(item)
    if topic == _CREATED:
        said = _turns([*_opening(item), *parts])
    else:
        said = _turns(parts)
    if not any(turn.speaker == "customer" for turn in said):
        if topic == _CREATED and said and not _by_bot(item, said):
            return (Ignored(system=SYSTEM, why="nobody but agents has said anything", ticket_id=ticket_id),)
        return (_fetch(ticket_id, key, topic, "the notification does not hold what was said"),)
    result = _contact(item, fields, said, "created" if topic == _CREATED else "replied", key)
    at = [part for part in parts if topic == _REPLIED and "created_at" in part]
    if at:
        last = unix_time(at[-1].raw("created_at"), at[-1].at("created_at"))
        result = replace(result, contact=replace(result.contact, created_at=last))
    return (result,)


def _by_bot(item: Payload, said: tuple[Turn, ...]) -> bool:
    """Whether a bot opened the conversation, so that the customer's words stand in parts that the notification may not hold."""
    if any(turn.speaker != "agent" for turn in said):
        return True
    return item.optional_object("source").optional_text("delivered_as") in _BOTS


def _no_id(event: Payload, topic: str, ticket_id: str) -> str:
    at = unix_time(event.raw("created_at"), event.at("created_at"))
    return fingerprint(topic, ticket_id, round(at.timestamp()))


def _parts(item: Payload) -> list[Payload]:
    return item.optional_object("conversation_parts").objects("conversation_parts")


def _opening(item: Payload) -> list[Payload]:
    """The message that a conversation began with, if it stands there: of Twitter it is a note of Intercom's on why it does not, without an author."""
    if "source" not in item or item.object("source").optional_text("type") == "twitter":
        return []
    return [item.object("source")]


def _turns(parts: list[Payload]) -> tuple[Turn, ...]:
    """What was said, in order; agents' notes and parts without words are left out."""
    turns = []
    for part in parts:
        body = part.optional_text("body")
        if body is None or part.optional_text("part_type") == "note":
            continue
        author = part.object("author").text("type")
        speaker = _SPEAKERS.get(author, "bot" if author == "bot" else "system")
        if text := html_to_text(body).strip():
            turns.append(Turn(speaker=speaker, text=text))
    return tuple(turns)


def _fetch(ticket_id: str, key: str, topic: str, why: str) -> NeedsFetch:
    return NeedsFetch(
        system=SYSTEM,
        kind="created" if topic == _CREATED else "replied",
        ticket_id=ticket_id,
        key=key,
        path=f"/conversations/{ticket_id}?display_as=plaintext",
        fields=("source", "conversation_parts", "custom_attributes"),
        why=why,
    )


def read_ticket(answer: Any, fields: FieldMap, fetch: NeedsFetch | None) -> EventResult:
    """See `contact_reasons.crm.events.read_ticket`: all turns of a conversation."""
    item = Payload.of(answer)
    ticket_id = item.id("id")
    said = _turns([*_opening(item), *_parts(item)])
    source = item.optional_object("source")
    begun = _SPEAKERS.get(source.optional_object("author").optional_text("type") or "") == "customer"
    subject = begun and not said and _opening(item) and html_to_text(source.optional_text("subject") or "").strip()
    if not subject and not any(turn.speaker == "customer" for turn in said):
        return Ignored(system=SYSTEM, why="the customer has said nothing in words", ticket_id=ticket_id)
    return _contact(item, fields, said, "ticket", f"{SYSTEM}:conversation:{ticket_id}")


def _contact(item: Payload, fields: FieldMap, said: tuple[Turn, ...], kind: str, key: str) -> ContactEvent:
    ticket_id = item.id("id")
    source = item.optional_object("source")
    channel, warnings = fields.arrival(source.optional_text("type"), CHANNELS, "source.type")
    own = source.optional_text("subject") if _opening(item) else None
    subject = html_to_text(own or item.optional_text("title") or "").strip()
    contact = Contact(
        text=said[0].text if len(said) == 1 else "",
        turns=() if len(said) == 1 else said,
        subject=subject or None,
        contact_id=ticket_id,
        arrival_channel=channel,
        created_at=unix_time(item.raw("created_at"), item.at("created_at")) if "created_at" in item else None,
    )
    custom = item.optional_object("custom_attributes")
    filled, more = fields.applied(contact, custom.raw, customer_id=_customer(item))
    return ContactEvent(
        system=SYSTEM,
        kind=kind,
        ticket_id=ticket_id,
        key=key,
        contact=filled,
        tags=tuple(tag.text("name") for tag in item.optional_object("tags").objects("tags")),
        warnings=(*warnings, *more),
    )


def _customer(item: Payload) -> str | None:
    customers = item.optional_object("contacts").objects("contacts")
    if customers:
        return customers[0].id("id")
    author = item.optional_object("source").optional_object("author")
    return author.optional_id("id") if author.optional_text("type") in ("user", "lead", "contact") else None
