"""Freshdesk: product events of an app (``onTicketCreate``, ``onConversationCreate``), webhooks of automation rules, and tickets of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from contact_reasons.crm.events.fields import FieldMap
from contact_reasons.crm.events.payload import Payload, fingerprint
from contact_reasons.crm.events.results import ContactEvent, EventResult, Ignored, NeedsFetch
from contact_reasons.records import Contact
from contact_reasons.text import html_to_text

__all__ = ["CHANNELS", "OUTBOUND", "read_event", "read_ticket"]

SYSTEM: Final = "freshdesk"

CHANNELS: Final = {"1": "email", "2": "web", "3": "phone", "7": "chat", "9": "web", "13": "social"}
"""``source`` in arrival channels. 11 and 12 were seen in a live listing, but what they stand for is not known."""

_OF_CREATION: Final = re.compile(r"\bticket_action\W{1,8}create", re.I)
"""``triggered_event`` of a rule that runs on creation: ``{ticket_action:created}``."""

OUTBOUND: Final = "10"
"""``source`` of a mail that an agent sent first."""


def read_event(payload: Any, fields: FieldMap, headers: Mapping[str, str]) -> tuple[EventResult, ...]:
    """See `contact_reasons.crm.events.read_event`.

    The key is made of the account and the ticket's id, and of the conversation's id for a reply: each is created once. Of an automation rule's webhook it
    is made of the ticket's id, ``triggered_event`` and ``ticket_updated_at``, if they are sent; a rule that does not say what triggered it is taken to fire
    on creation.
    """
    event = Payload.of(payload)
    if "freshdesk_webhook" in event:
        return (_rule(event.object("freshdesk_webhook"), fields),)
    kind = event.text("event")
    if kind not in ("onTicketCreate", "onConversationCreate"):
        return (Ignored(system=SYSTEM, why="this event brings no words of a customer"),)
    data = event.object("data")
    account = event.optional_id("account_id") or "0"
    if kind == "onConversationCreate":
        return (_reply(data, account, fields),)
    ticket = data.object("ticket")
    if ticket.optional_id("source") == OUTBOUND:
        return (Ignored(system=SYSTEM, why="the ticket is a mail that an agent sent", ticket_id=ticket.id("id")),)
    return (_contact(ticket, fields, "created", f"{SYSTEM}:{account}:ticket:{ticket.id('id')}"),)


def _reply(data: Payload, account: str, fields: FieldMap) -> EventResult:
    said = data.object("conversation")
    ticket_id = said.id("ticket_id")
    if said.optional_bool("private") is True:
        return Ignored(system=SYSTEM, why="the conversation is a private note", ticket_id=ticket_id)
    if said.optional_bool("incoming") is not True:
        return Ignored(system=SYSTEM, why="the conversation is an agent's", ticket_id=ticket_id)
    contact = Contact(text=_text(said, "body_text", "body"), contact_id=ticket_id, created_at=said.time("created_at"))
    if not contact.text.strip():
        return Ignored(system=SYSTEM, why="the reply holds no words", ticket_id=ticket_id)
    key = f"{SYSTEM}:{account}:conversation:{said.id('id')}"
    return _fetch(ticket_id, key, "replied", fields, "the event does not hold the ticket", contact)


def _rule(event: Payload, fields: FieldMap) -> NeedsFetch:
    ticket_id = event.id("ticket_id")
    happened = event.optional_text("triggered_event")
    kind = "created" if happened is None or _OF_CREATION.search(happened) else "updated"
    print_ = fingerprint(ticket_id, happened, event.optional_text("ticket_updated_at"))
    return _fetch(ticket_id, f"{SYSTEM}:rule:{print_}", kind, fields, "the webhook does not hold the ticket", None)


def _fetch(ticket_id: str, key: str, kind: str, fields: FieldMap, why: str, contact: Contact | None) -> NeedsFetch:
    wanted = ("subject", "description_text", "source", "requester_id")
    return NeedsFetch(
        system=SYSTEM,
        kind=kind,
        ticket_id=ticket_id,
        key=key,
        path=f"/api/v2/tickets/{ticket_id}",
        fields=(*wanted, *(f"custom_fields.{crm}" for crm in fields.wanted)),
        why=why,
        contact=contact,
    )


def read_ticket(answer: Any, fields: FieldMap, fetch: NeedsFetch | None) -> EventResult:
    """See `contact_reasons.crm.events.read_ticket`. The text is the ticket's first message."""
    ticket = Payload.of(answer)
    if ticket.optional_id("source") == OUTBOUND and (fetch is None or fetch.contact is None):
        return Ignored(system=SYSTEM, why="the ticket is a mail that an agent sent", ticket_id=ticket.id("id"))
    return _contact(ticket, fields, "ticket", f"{SYSTEM}:ticket:{ticket.id('id')}")


def _contact(ticket: Payload, fields: FieldMap, kind: str, key: str) -> ContactEvent:
    ticket_id = ticket.id("id")
    channel, warnings = fields.arrival(ticket.optional_id("source"), CHANNELS, "source")
    contact = Contact(
        text=_text(ticket, "description_text", "description"),
        subject=ticket.optional_text("subject"),
        contact_id=ticket_id,
        arrival_channel=channel,
        created_at=ticket.time("created_at"),
    )
    custom = ticket.optional_object("custom_fields")
    filled, more = fields.applied(contact, custom.raw, customer_id=ticket.optional_id("requester_id"))
    return ContactEvent(
        system=SYSTEM,
        kind=kind,
        ticket_id=ticket_id,
        key=key,
        contact=filled,
        tags=ticket.texts("tags"),
        warnings=(*warnings, *more),
    )


def _text(part: Payload, plain: str, html: str) -> str:
    """The plain text of a message; where there is none, that of its HTML."""
    text = part.optional_text(plain)
    return html_to_text(part.optional_text(html) or "") if text is None else text
