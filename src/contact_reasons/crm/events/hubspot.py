"""HubSpot: webhook notifications of tickets, which come as a list and name tickets without their content, and tickets of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from contact_reasons.crm.events.fields import FieldMap
from contact_reasons.crm.events.payload import Payload, fingerprint, kind_of, unix_time, wrong
from contact_reasons.crm.events.results import ContactEvent, EventResult, Ignored, NeedsFetch, Refused
from contact_reasons.errors import EventError
from contact_reasons.records import Contact
from contact_reasons.text import html_to_text

__all__ = ["CHANNELS", "MAX_EVENTS", "read_event", "read_ticket"]

SYSTEM: Final = "hubspot"
MAX_EVENTS: Final = 1000
"""Most notifications in one body; HubSpot sends at most 100 (general knowledge)."""

CHANNELS: Final = {"chat": "chat", "email": "email", "form": "web", "phone": "phone"}
"""``source_type`` in arrival channels: the options that the property has by default (general knowledge)."""

_TICKETS: Final = "0-5"
_CREATED: Final = ("ticket.creation", "object.creation")
_CHANGED: Final = ("ticket.propertyChange", "object.propertyChange")


def read_event(payload: Any, fields: FieldMap, headers: Mapping[str, str]) -> tuple[EventResult, ...]:
    """See `contact_reasons.crm.events.read_event`; one result a notification, in order. If none can be read, the whole is refused, as the first says it.

    The key is made of ``portalId``, what happened, ``objectId``, ``occurredAt``, ``propertyName`` and ``propertyValue``. ``eventId`` is left out because
    HubSpot does not promise that it is one of a kind, ``attemptNumber`` because it grows with each delivery, and ``subscriptionId`` because two
    subscriptions may tell of the same change.
    """
    if not isinstance(payload, list):
        raise wrong((), kind_of(payload), "a list of notifications")
    if not 0 < len(payload) <= MAX_EVENTS:
        raise wrong((), f"{len(payload)} notifications", f"a list of 1 to {MAX_EVENTS} notifications")
    results: list[EventResult] = []
    first: EventError | None = None
    for i, value in enumerate(payload):
        try:
            results.append(_notification(Payload.of(value, (i,)), fields))
        except EventError as exc:
            first = first or exc
            results.append(Refused(system=SYSTEM, index=i, why=str(exc)))
    if first is not None and all(isinstance(result, Refused) for result in results):
        raise first
    return tuple(results)


def _notification(event: Payload, fields: FieldMap) -> EventResult:
    kind = event.text("subscriptionType")
    if kind not in (*_CREATED, *_CHANGED):
        return Ignored(system=SYSTEM, why="this type of notification brings no words of a customer")
    if kind.startswith("object.") and event.text("objectTypeId") != _TICKETS:
        return Ignored(system=SYSTEM, why="the notification is of another object than a ticket")
    ticket_id = event.id("objectId")
    happened, name = kind.partition(".")[2], event.optional_text("propertyName")
    if kind in _CHANGED and name not in ("subject", "content"):
        return Ignored(system=SYSTEM, why="neither subject nor content changed", ticket_id=ticket_id)
    at = unix_time(event.raw("occurredAt"), event.at("occurredAt"), per_second=1000)
    parts: list[str | int] = [event.id("portalId"), happened, ticket_id, round(at.timestamp() * 1000)]
    if kind in _CHANGED:
        parts += [name or "", event.optional_text("propertyValue") or ""]
    return _fetch(ticket_id, f"{SYSTEM}:{fingerprint(*parts)}", "created" if kind in _CREATED else "changed", fields)


def _fetch(ticket_id: str, key: str, kind: str, fields: FieldMap) -> NeedsFetch:
    wanted = tuple(dict.fromkeys(("subject", "content", "source_type", "createdate", *fields.wanted)))
    return NeedsFetch(
        system=SYSTEM,
        kind=kind,
        ticket_id=ticket_id,
        key=key,
        path=f"/crm/v3/objects/tickets/{ticket_id}?properties={quote(','.join(wanted), safe=',')}&associations=contacts",
        fields=wanted,
        why="a notification holds no content",
    )


def read_ticket(answer: Any, fields: FieldMap, fetch: NeedsFetch | None) -> EventResult:
    """See `contact_reasons.crm.events.read_ticket`. The customer is the first associated contact."""
    ticket = Payload.of(answer)
    ticket_id = ticket.id("id")
    properties = ticket.object("properties")
    channel, warnings = fields.arrival(properties.optional_text("source_type"), CHANNELS, "properties.source_type")
    contact = Contact(
        text=html_to_text(properties.optional_text("content") or ""),
        subject=properties.optional_text("subject"),
        contact_id=ticket_id,
        arrival_channel=channel,
        created_at=properties.time("createdate"),
    )
    customers = ticket.optional_object("associations").optional_object("contacts").objects("results")
    filled, more = fields.applied(contact, properties.raw, customer_id=customers[0].id("id") if customers else None)
    return ContactEvent(
        system=SYSTEM,
        kind="ticket",
        ticket_id=ticket_id,
        key=f"{SYSTEM}:ticket:{ticket_id}",
        contact=filled,
        warnings=(*warnings, *more),
    )
