"""Salesforce: change events of cases (Change Data Capture), cases as records, and gap events.

A change event is read bare (``{"ChangeEventHeader": …}``) or as a subscriber of the streaming API gets it (``{"data": {"payload": …}}``). An UPDATE holds
only what changed, and long texts as differences, so the case is fetched. Decoded from Avro (Pub/Sub API) it holds every field, null where nothing changed,
and ``changedFields`` are bitmaps: there a field counts as changed if it has a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from contact_reasons.crm.events.fields import FieldMap
from contact_reasons.crm.events.payload import Payload, fingerprint, unix_time
from contact_reasons.crm.events.results import ContactEvent, EventResult, EventWarning, Ignored, NeedsFetch
from contact_reasons.records import Contact
from contact_reasons.text import html_to_text

__all__ = ["API_VERSION", "CHANNELS", "MAX_CASES", "read_event", "read_ticket"]

SYSTEM: Final = "salesforce"
API_VERSION: Final = "v60.0"
MAX_CASES: Final = 1000
"""Most cases of one event: each is labelled, so a body of ids alone must not cost without end."""

CHANNELS: Final = {
    "app": "app",
    "chat": "chat",
    "email": "email",
    "facebook": "social",
    "messaging": "chat",
    "phone": "phone",
    "sms": "sms",
    "social": "social",
    "twitter": "social",
    "web": "web",
    "whatsapp": "social",
}
"""``Origin`` in arrival channels. Phone, Email and Web come with Salesforce; the others are what organisations often add."""

_TEXT_FIELDS: Final = ("Subject", "Description")
_FETCHED: Final = ("Id", *_TEXT_FIELDS, "Origin", "ContactId", "SuppliedEmail", "CreatedDate", "LastModifiedDate")
_GAPS: Final = ("GAP_CREATE", "GAP_UPDATE")
_GONE: Final = ("DELETE", "UNDELETE", "GAP_DELETE", "GAP_UNDELETE", "SNAPSHOT")


def read_event(payload: Any, fields: FieldMap, headers: Mapping[str, str]) -> tuple[EventResult, ...]:
    """See `contact_reasons.crm.events.read_event`.

    The key is made of ``transactionKey``, ``sequenceNumber`` and the case's id, which are the same whenever an event is read again; of a case sent as a
    record, of its id and the time of its last change.
    """
    event = Payload.of(payload)
    if "data" in event:
        event = event.object("data").object("payload")
    if "ChangeEventHeader" not in event:
        return (read_ticket(event.values, fields, None),)
    header = event.object("ChangeEventHeader")
    if header.text("entityName") != "Case":
        return (Ignored(system=SYSTEM, why="the change is of another object than Case"),)
    change = header.text("changeType")
    if change == "GAP_OVERFLOW":
        return (Ignored(system=SYSTEM, why="more changes than Salesforce sends: query the cases", lost=True),)
    if change in _GONE:
        return (Ignored(system=SYSTEM, why="the change brings no words of a customer"),)
    if change not in ("CREATE", "UPDATE", *_GAPS):
        raise header.wrong("changeType", "a change type of Change Data Capture, such as 'CREATE'")
    ids = _case_ids(header)
    if ids is None:
        return (Ignored(system=SYSTEM, why="the event names no single cases: query the cases", lost=True),)
    if change == "UPDATE" and not any(name in event or name in header.texts("changedFields") for name in _TEXT_FIELDS):
        return (Ignored(system=SYSTEM, why="neither subject nor description changed", ticket_id=ids[0]),)
    prefix = f"{SYSTEM}:{header.key('transactionKey')}:{header.key('sequenceNumber')}"
    if change == "CREATE":
        return tuple(_case(event, fields, case_id, "created", f"{prefix}:{case_id}") for case_id in ids)
    kind = "created" if change == "GAP_CREATE" else "changed"
    why = "the event holds no fields" if change in _GAPS else "the event holds only what changed"
    return tuple(_fetch(case_id, f"{prefix}:{case_id}", kind, fields, why) for case_id in ids)


def _case_ids(header: Payload) -> tuple[str, ...] | None:
    """Ids of the changed cases; None where the event stands for more than it names (``500*``)."""
    ids = header.texts("recordIds")
    if not 0 < len(ids) <= MAX_CASES:
        raise header.wrong("recordIds", f"a list of 1 to {MAX_CASES} ids")
    if any(each.endswith("*") for each in ids):
        return None
    return tuple(Payload({"id": each}, header.at("recordIds")).id("id") for each in ids)


def _fetch(case_id: str, key: str, kind: str, fields: FieldMap, why: str) -> NeedsFetch:
    wanted = tuple(dict.fromkeys((*_FETCHED, *fields.wanted)))
    return NeedsFetch(
        system=SYSTEM,
        kind=kind,
        ticket_id=case_id,
        key=key,
        path=f"/services/data/{API_VERSION}/sobjects/Case/{case_id}?fields={quote(','.join(wanted), safe=',')}",
        fields=wanted,
        why=why,
    )


def read_ticket(answer: Any, fields: FieldMap, fetch: NeedsFetch | None) -> EventResult:
    """See `contact_reasons.crm.events.read_ticket`."""
    case = Payload.of(answer)
    case_id = case.id("Id")
    changed = case.optional_text("LastModifiedDate")
    return _case(case, fields, case_id, "ticket", f"{SYSTEM}:case:{case_id}:{fingerprint(changed)}")


def _case(case: Payload, fields: FieldMap, case_id: str, kind: str, key: str) -> ContactEvent:
    channel, warnings = fields.arrival(case.optional_text("Origin"), CHANNELS, "Origin")
    contact = Contact(
        text=html_to_text(case.optional_text("Description") or ""),
        subject=case.optional_text("Subject"),
        contact_id=case_id,
        arrival_channel=channel,
        created_at=_time(case),
    )
    if not contact.text and contact.subject is None:
        warnings = (*warnings, EventWarning("Description", "the case has neither subject nor description"))
    customer = case.optional_id("ContactId") or case.optional_text("SuppliedEmail")
    filled, more = fields.applied(contact, case.raw, customer_id=customer)
    return ContactEvent(
        system=SYSTEM, kind=kind, ticket_id=case_id, key=key, contact=filled, warnings=(*warnings, *more)
    )


def _time(case: Payload) -> Any:
    """``CreatedDate``: ISO 8601 in JSON, milliseconds since 1970 where an event was decoded from Avro."""
    at = case.raw("CreatedDate")
    if isinstance(at, int):
        return unix_time(at, case.at("CreatedDate"), per_second=1000)
    return case.time("CreatedDate")
