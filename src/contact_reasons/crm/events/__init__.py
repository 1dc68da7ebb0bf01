"""Events of CRMs in, results out: pure functions between the body of a request and a `Contact`, a label and the body of an answer.

``verify_signature`` → ``parse_body`` → ``read_event`` (→ ``read_ticket``) → `Pipeline.handle` → ``update_of``.
"""

from contact_reasons.crm.events.body import MAX_BODY_BYTES, parse_body
from contact_reasons.crm.events.fields import NO_FIELDS, FieldMap
from contact_reasons.crm.events.read import EVENT_SYSTEMS, read_event, read_ticket
from contact_reasons.crm.events.results import ContactEvent, EventResult, EventWarning, Ignored, NeedsFetch, Refused
from contact_reasons.crm.events.signatures import SECRET_HEADER, TOLERANCE, verify_signature
from contact_reasons.crm.events.updates import UPDATE_SYSTEMS, ResultMap, TicketUpdate, label_values, update_of

__all__ = [
    "EVENT_SYSTEMS",
    "MAX_BODY_BYTES",
    "NO_FIELDS",
    "SECRET_HEADER",
    "TOLERANCE",
    "UPDATE_SYSTEMS",
    "ContactEvent",
    "EventResult",
    "EventWarning",
    "FieldMap",
    "Ignored",
    "NeedsFetch",
    "Refused",
    "ResultMap",
    "TicketUpdate",
    "label_values",
    "parse_body",
    "read_event",
    "read_ticket",
    "update_of",
    "verify_signature",
]
