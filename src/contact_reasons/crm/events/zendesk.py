"""Zendesk: ticket events of webhooks, a trigger's own webhook, and tickets of the API.

Events of type ``zen:event-type:ticket.*`` hold no custom fields; where a `FieldMap` names some, the ticket has to be fetched. A webhook that a trigger
calls has a body that an administrator wrote: `TRIGGER_BODY` is the one that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contact_reasons.crm.events.fields import FieldMap
from contact_reasons.crm.events.payload import Payload, fingerprint
from contact_reasons.crm.events.results import ContactEvent, EventResult, Ignored, NeedsFetch
from contact_reasons.records import Contact

__all__ = ["CHANNELS", "INVOCATION_HEADER", "TRIGGER_BODY", "read_event", "read_ticket"]

SYSTEM: Final = "zendesk"

CHANNELS: Final = {
    "any_channel": "social",
    "apple_business_chat": "social",
    "chat": "chat",
    "chat_transcript": "chat",
    "email": "email",
    "facebook": "social",
    "google_business_messages": "social",
    "help_center": "web",
    "instagram_dm": "social",
    "line": "social",
    "mail": "email",
    "messenger": "social",
    "mobile": "app",
    "mobile_sdk": "app",
    "native_messaging": "chat",
    "sms": "sms",
    "telegram": "social",
    "text_message": "sms",
    "twitter": "social",
    "viber": "social",
    "voice": "phone",
    "phone": "phone",
    "web": "web",
    "web_form": "web",
    "web_widget": "web",
    "wechat": "social",
    "whatsapp": "social",
}
"""``via.channel`` in arrival channels; general knowledge, not seen in a live account. ``api`` and ``web_service`` say nothing and are in no table."""

TRIGGER_BODY: Final = (
    '{"event": "created", "ticket_id": "{{ticket.id}}", "updated_at": "{{ticket.updated_at_with_timestamp}}"}'
)
"""Body for the webhook of a trigger "Ticket is created"; of one for updates ``event`` is ``"updated"``.

It holds no text: placeholders are put into JSON as they are, and a quotation mark would break it.
"""

_TRIGGERED: Final = ("created", "updated")

INVOCATION_HEADER: Final = "X-Zendesk-Webhook-Invocation-Id"
"""Names an invocation of a webhook; the attempts to deliver it again are attempts of the same."""

_CREATED: Final = "zen:event-type:ticket.created"
_COMMENT: Final = "zen:event-type:ticket.comment_added"


def read_event(payload: Any, fields: FieldMap, headers: Mapping[str, str]) -> tuple[EventResult, ...]:
    """See `contact_reasons.crm.events.read_event`. The key is the event's ``id``, which Zendesk makes one of a kind."""
    event = Payload.of(payload)
    if "type" not in event and "ticket_id" in event:
        return (_trigger(event, fields, headers),)
    kind = event.text("type")
    if kind not in (_CREATED, _COMMENT):
        return (Ignored(system=SYSTEM, why="this type of event brings no words of a customer"),)
    key = f"{SYSTEM}:{event.key('id')}"
    detail = event.object("detail")
    ticket_id = detail.id("id")
    if kind == _CREATED:
        if detail.optional_bool("is_public") is False:
            return (Ignored(system=SYSTEM, why="the first comment is an agent's note", ticket_id=ticket_id),)
        text, created_at, said = detail.optional_text("description"), detail.time("created_at"), "created"
    else:
        comment = event.object("event").object("comment")
        if comment.optional_bool("is_public") is False:
            return (Ignored(system=SYSTEM, why="the comment is an agent's note", ticket_id=ticket_id),)
        if _by_staff(comment, detail):
            return (Ignored(system=SYSTEM, why="the comment is an agent's", ticket_id=ticket_id),)
        if not (comment.optional_text("body") or "").strip():
            return (Ignored(system=SYSTEM, why="the comment holds no words", ticket_id=ticket_id),)
        text, created_at, said = comment.optional_text("body"), event.time("time"), "replied"
    via = detail.optional_object("via")
    channel, warnings = fields.arrival(via.optional_text("channel"), CHANNELS, "detail.via.channel")
    contact = Contact(
        text=text or "",
        subject=detail.optional_text("subject"),
        contact_id=ticket_id,
        arrival_channel=channel,
        created_at=created_at,
    )
    if text is None or fields.wanted:
        return (_fetch(ticket_id, key, said, fields, "custom fields" if text else "the text", contact),)
    filled, more = fields.applied(contact, lambda crm: None, customer_id=detail.optional_id("requester_id"))
    return (
        ContactEvent(
            system=SYSTEM,
            kind=said,
            ticket_id=ticket_id,
            key=key,
            contact=filled,
            tags=detail.texts("tags"),
            warnings=(*warnings, *more),
        ),
    )


def _by_staff(comment: Payload, detail: Payload) -> bool:
    author = comment.object("author")
    staff = author.optional_bool("is_staff")
    return author.id("id") != detail.id("requester_id") if staff is None else staff


def _fetch(ticket_id: str, key: str, kind: str, fields: FieldMap, what: str, contact: Contact | None) -> NeedsFetch:
    return NeedsFetch(
        system=SYSTEM,
        kind=kind,
        ticket_id=ticket_id,
        key=key,
        path=f"/api/v2/tickets/{ticket_id}.json",
        fields=("subject", "description", "via", "requester_id", *(f"custom_fields.{crm}" for crm in fields.wanted)),
        why=f"the event does not hold {what}",
        contact=contact,
    )


def _trigger(event: Payload, fields: FieldMap, headers: Mapping[str, str]) -> NeedsFetch:
    """A trigger's webhook, told from others by its invocation, else by the second of the ticket's last change."""
    ticket_id = event.id("ticket_id")
    kind = event.optional_text("event") or "created"
    if kind not in _TRIGGERED:
        raise event.wrong("event", "'created' or 'updated': of which of them the trigger tells")
    at = headers.get(INVOCATION_HEADER.lower()) or event.optional_text("updated_at")
    if at is None:
        raise event.wrong(
            "updated_at",
            f"'{{{{ticket.updated_at_with_timestamp}}}}', or the header {INVOCATION_HEADER} be there",
        )
    key = f"{SYSTEM}:trigger:{fingerprint(ticket_id, at)}"
    return _fetch(ticket_id, key, kind, fields, "the ticket", None)


def read_ticket(answer: Any, fields: FieldMap, fetch: NeedsFetch | None) -> EventResult:
    """See `contact_reasons.crm.events.read_ticket`. The text is the ticket's first comment (``description``)."""
    whole = Payload.of(answer)
    ticket = whole.object("ticket") if "ticket" in whole else whole
    ticket_id = ticket.id("id")
    if (fetch is None or fetch.contact is None) and ticket.optional_bool("is_public") is False:
        return Ignored(system=SYSTEM, why="the ticket has no public comment", ticket_id=ticket_id)
    via = ticket.optional_object("via")
    channel, warnings = fields.arrival(via.optional_text("channel"), CHANNELS, "ticket.via.channel")
    custom = {field.id("id"): field.raw("value") for field in ticket.objects("custom_fields")}
    contact = Contact(
        text=ticket.optional_text("description") or "",
        subject=ticket.optional_text("subject"),
        contact_id=ticket_id,
        arrival_channel=channel,
        created_at=ticket.time("created_at"),
    )
    filled, more = fields.applied(contact, custom.get, customer_id=ticket.optional_id("requester_id"))
    return ContactEvent(
        system=SYSTEM,
        kind="ticket",
        ticket_id=ticket_id,
        key=f"{SYSTEM}:ticket:{ticket_id}",
        contact=filled,
        tags=ticket.texts("tags"),
        warnings=(*warnings, *more),
    )
