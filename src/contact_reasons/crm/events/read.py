"""`read_event` and `read_ticket`: what a CRM sends or answers to a contact, by system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType, ModuleType
from typing import Any, Final

from contact_reasons.crm.events import freshdesk, hubspot, intercom, salesforce, zendesk
from contact_reasons.crm.events.fields import NO_FIELDS, FieldMap
from contact_reasons.crm.events.headers import read_headers
from contact_reasons.crm.events.results import ContactEvent, EventResult, Ignored, NeedsFetch
from contact_reasons.errors import EventError, nearest, shorten

__all__ = ["EVENT_SYSTEMS", "read_event", "read_ticket"]

_READERS: Final[Mapping[str, ModuleType]] = MappingProxyType(
    {
        "freshdesk": freshdesk,
        "hubspot": hubspot,
        "intercom": intercom,
        "salesforce": salesforce,
        "zendesk": zendesk,
    }
)

EVENT_SYSTEMS: Final = tuple(_READERS)
"""Systems whose events are read."""

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]


def read_event(
    system: str, payload: Any, *, fields: FieldMap = NO_FIELDS, headers: Headers = ()
) -> tuple[EventResult, ...]:
    """What becomes of an event: one result, or one a notification where a system sends several at once.

    A pure function: nothing is fetched and nothing remembered. HTML is made text; agents' notes and replies are left out.

    Parameters
    ----------
    system : {'freshdesk', 'hubspot', 'intercom', 'salesforce', 'zendesk'}
    payload : dict or list
        From `parse_body`.
    fields : FieldMap, optional
        Which fields say what of the customer. Where an event does not hold them, the result is a `NeedsFetch`.
    headers : mapping of str to str, or pairs, optional
        Of the request; names in any case. Read for the webhook of a Zendesk trigger alone, which is told from others by one of them.

    Returns
    -------
    tuple of ContactEvent, NeedsFetch, Ignored or Refused
        `Refused` beside others alone: one notification of a list that is not as documented does not take the others with it.

    Raises
    ------
    EventError
        If the payload is not as documented, or nothing of a list is; says where and what was expected, never what the customer wrote.

    Examples
    --------
    >>> (event,) = read_event(
    ...     "zendesk",
    ...     {
    ...         "type": "zen:event-type:ticket.created",
    ...         "id": "cbe4028c-7239",
    ...         "detail": {"id": "35436", "description": "Where is my parcel?", "via": {"channel": "email"}},
    ...     },
    ... )
    >>> event.ticket_id, event.key, event.contact.arrival_channel
    ('35436', 'zendesk:cbe4028c-7239', 'email')
    >>> read_event("zendesk", {"type": "zen:event-type:ticket.created", "id": "1", "detail": {"id": None}})
    Traceback (most recent call last):
    contact_reasons.errors.EventError: detail.id: null; it must be an id: a whole number, or up to 64 letters, digits, '_' and '-'
    """
    results: tuple[EventResult, ...] = _reader(system).read_event(payload, fields, read_headers(headers))
    return results


def read_ticket(
    system: str, answer: Any, *, fields: FieldMap = NO_FIELDS, fetch: NeedsFetch | None = None
) -> ContactEvent | Ignored:
    """The contact of a ticket that was fetched.

    Parameters
    ----------
    system : str
        As for `read_event`.
    answer : dict
        JSON that the CRM gave for ``fetch.path``.
    fields : FieldMap, optional
    fetch : NeedsFetch, optional
        Why it was fetched: its key is the contact's, and its text where the event held one, such as a reply.

    Returns
    -------
    ContactEvent or Ignored

    Raises
    ------
    EventError
        If the answer is not as documented, or is another ticket.

    Examples
    --------
    >>> (fetch,) = read_event("zendesk", {"ticket_id": "7", "updated_at": "2026-11-22T10:35:00Z"})
    >>> fetch.path
    '/api/v2/tickets/7.json'
    >>> answer = {"ticket": {"id": 7, "description": "Where is my parcel?", "requester_id": 9}}
    >>> event = read_ticket("zendesk", answer, fetch=fetch)
    >>> event.key == fetch.key, event.contact.customer.customer_id
    (True, '9')
    """
    if fetch is not None and fetch.system != system:
        raise EventError(f"fetch is of {fetch.system!r} and the ticket of {system!r}; read it as {fetch.system!r}")
    result: ContactEvent | Ignored = _reader(system).read_ticket(answer, fields, fetch)
    if fetch is None:
        return result
    if result.ticket_id != fetch.ticket_id:
        raise EventError("the answer is of another ticket than was to be fetched; GET `fetch.path`", "id", "its id")
    if not isinstance(result, ContactEvent):
        return result
    contact, said = result.contact, fetch.contact
    if said is not None and said.text:
        contact = replace(contact, text=said.text, created_at=said.created_at or contact.created_at)
    return replace(result, kind=fetch.kind, key=fetch.key, contact=contact)


def _reader(system: str) -> ModuleType:
    if system not in _READERS:
        raise EventError(
            f"{shorten(system)} is no system whose events are read; {nearest(system, _READERS)}", "", "a system"
        )
    return _READERS[system]
