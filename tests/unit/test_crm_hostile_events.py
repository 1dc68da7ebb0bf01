"""What nobody should send: a clear refusal each, which names the place and never quotes the text."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

import contact_reasons as cr
from contact_reasons.crm.events import FieldMap, Ignored, NeedsFetch, Refused, parse_body, read_event, read_ticket
from contact_reasons.errors import EventError
from tests.conftest import ROOT

PRIVATE = "my card number is private"
FOLDER = ROOT / "tests" / "golden" / "crm" / "events"
GOOD = {
    "zendesk": "comment_of_customer",
    "salesforce": "create",
    "hubspot": "batch",
    "freshdesk": "created",
    "intercom": "replied",
}
MISSING = object()


def good(system: str, name: str = "") -> Any:
    case = json.loads((FOLDER / system / f"{name or GOOD[system]}.json").read_text(encoding="utf-8"))
    return case["payload"]


def changed(payload: Any, path: str, value: Any) -> Any:
    """The payload with another value at a path; `MISSING` takes the key away."""
    payload = copy.deepcopy(payload)
    keys: list[Any] = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = payload
    for key in keys[:-1]:
        place = place[key]
    if value is MISSING:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return payload


HALF = "\ud800"
TEXT = [PRIVATE]
BODIES: list[tuple[str, Any, str]] = [
    ("5 MB", lambda body: body + b" " * 5_000_000, r"at most 1,048,576 bytes"),
    ("nested deeply", lambda body: b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", r"nested deeper than 64"),
    ("nested deeply and never closed", lambda body: b"[" * 900_000, r"nested deeper than 64"),
    ("depth hidden behind a quote", lambda body: b'["\\"", ' + b"[" * 500, r"nested deeper than 64"),
    ("an endless text of escapes", lambda body: b'{"x": ' + b'"\\' * 400_000, r"no JSON from line 1"),
    ("NaN", lambda body: b'{"x": NaN}', r"it holds NaN"),
    ("infinity", lambda body: b'[-Infinity, "' + PRIVATE.encode() + b'"]', r"it holds -Infinity"),
    ("a float that overflows", lambda body: b'{"x": 1e999}', r"infinite"),
    ("an integer of a million digits", lambda body: b'{"x": ' + b"9" * 1_000_000 + b"}", r"1000000 digits"),
    ("half a surrogate pair", lambda body: b'{"x": "\\udc00 ' + PRIVATE.encode() + b'"}', r"surrogate"),
    ("half a surrogate pair in a key", lambda body: b'{"\\uD83D": 1}', r"surrogate"),
    ("a key twice", lambda body: b'{"id": 1, "detail": {}, "id": 2}', r"the key 'id' occurs twice"),
    ("a key twice that is a text", lambda body: b'{"%s":1,"%s":2}' % (2 * (PRIVATE.encode(),)), r"a key occurs twice"),
    ("UTF-16", lambda body: body.decode().encode("utf-16"), r"is not UTF-8"),
    ("Latin-1", lambda body: '{"x": "Café"}'.encode("latin-1"), r"byte 10 is not UTF-8"),
    ("a byte-order mark", lambda body: b"\xef\xbb\xbf" + body, r"no JSON from line 1, column 1"),
    ("a null byte", lambda body: b'{"x": "a\x00b"}', r"no JSON from line 1"),
    ("nothing", lambda body: b" \n", r"it is empty"),
    ("half a body", lambda body: body[: len(body) // 2], r"no JSON from line"),
    ("a body and a half", lambda body: body + body, r"no JSON from line"),
    ("a text", lambda body: json.dumps(PRIVATE).encode(), r"a JSON text alone"),
    ("a form", lambda body: b"payload=%7B%22id%22%3A1%7D", r"no JSON from line 1, column 1"),
    ("no bytes", lambda body: body.decode(), r"it is a str; it must be the bytes"),
]


@pytest.mark.parametrize("system", sorted(GOOD))
@pytest.mark.parametrize(("made", "match"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_a_hostile_body_is_refused_before_it_costs_anything(system: str, made: Any, match: str) -> None:
    with pytest.raises(EventError, match=match) as raised:
        parse_body(made(json.dumps(good(system)).encode()))
    assert PRIVATE not in str(raised.value)


ID = "an id: a whole number"
PAYLOADS: dict[str, list[tuple[str, Any, str]]] = {
    "zendesk": [
        ("", [], r"the payload: list; it must be an object"),
        ("", {}, r"type: missing; it must be a text"),
        ("type", MISSING, r"type: missing; it must be a text"),
        ("type", {"x": PRIVATE}, r"type: object; it must be a text"),
        ("id", MISSING, r"id: missing; it must be a key"),
        ("id", "a b " + PRIVATE, r"id: another text; it must be a key"),
        ("id", "x" * 129, r"id: another text; it must be a key"),
        ("id", -1, r"id: number; it must be a key"),
        ("detail", [PRIVATE], r"detail: list; it must be an object"),
        ("detail", None, r"detail: null; it must be an object"),
        ("detail.id", "../users/1", rf"detail\.id: another text; it must be {ID}"),
        ("detail.id", 2**64, rf"detail\.id: number; it must be {ID}"),
        ("detail.id", True, rf"detail\.id: true or false; it must be {ID}"),
        ("detail.id", "5158\x00", rf"detail\.id: another text; it must be {ID}"),
        ("detail.id", "٥", rf"detail\.id: another text; it must be {ID}"),
        ("detail.subject", 7, r"detail\.subject: number; it must be a text"),
        ("detail.subject", HALF + PRIVATE, r"detail\.subject: a text with half of a surrogate pair"),
        ("detail.via", "email", r"detail\.via: text; it must be an object"),
        ("detail.via.channel", TEXT, r"detail\.via\.channel: list; it must be a text"),
        ("detail.tags", PRIVATE, r"detail\.tags: text; it must be a list of texts"),
        ("detail.tags", [PRIVATE, None], r"detail\.tags\[1\]: null; it must be a text"),
        ("time", "2026-11-20T10:12:07", r"time: another text; it must be a time .* with its zone"),
        ("time", "9999-12-31T23:59:59-23:00", r"time: another text; it must be a time"),
        ("time", PRIVATE, r"time: another text; it must be a time"),
        ("time", 1e300, r"time: number; it must be a text"),
        ("event", [], r"event: list; it must be an object"),
        ("event.comment", PRIVATE, r"event\.comment: text; it must be an object"),
        ("event.comment.body", TEXT, r"event\.comment\.body: list; it must be a text"),
        ("event.comment.is_public", "yes", r"event\.comment\.is_public: text; it must be true or false"),
        ("event.comment.author", None, r"event\.comment\.author: null; it must be an object"),
        ("event.comment.author.is_staff", 1, r"is_staff: number; it must be true or false"),
    ],
    "salesforce": [
        ("", [PRIVATE], r"the payload: list; it must be an object"),
        ("", {}, rf"Id: missing; it must be {ID}"),
        ("data", TEXT, r"data: list; it must be an object"),
        ("data.payload", MISSING, r"data\.payload: missing; it must be an object"),
        ("data.payload.ChangeEventHeader", TEXT, r"ChangeEventHeader: list; it must be an object"),
        ("data.payload.ChangeEventHeader.entityName", None, r"entityName: null; it must be a text"),
        ("data.payload.ChangeEventHeader.changeType", PRIVATE, r"changeType: text; it must be a change type"),
        ("data.payload.ChangeEventHeader.changeType", 5, r"changeType: number; it must be a text"),
        ("data.payload.ChangeEventHeader.recordIds", [], r"recordIds: list; it must be a list of 1 to 1000 ids"),
        (
            "data.payload.ChangeEventHeader.recordIds",
            ["500A"] * 1001,
            r"recordIds: list; it must be a list of 1 to 1000",
        ),
        ("data.payload.ChangeEventHeader.recordIds", PRIVATE, r"recordIds: text; it must be a list of texts"),
        ("data.payload.ChangeEventHeader.recordIds", [None], r"recordIds\[0\]: null; it must be a text"),
        ("data.payload.ChangeEventHeader.recordIds", ["5' OR '1'='1"], rf"another text; it must be {ID}"),
        ("data.payload.ChangeEventHeader.recordIds", ["500/../x"], rf"another text; it must be {ID}"),
        ("data.payload.ChangeEventHeader.transactionKey", MISSING, r"transactionKey: missing; it must be a key"),
        ("data.payload.ChangeEventHeader.transactionKey", "\x00", r"transactionKey: another text; it must be a key"),
        ("data.payload.ChangeEventHeader.sequenceNumber", -5, r"sequenceNumber: number; it must be a key"),
        ("data.payload.ChangeEventHeader.sequenceNumber", 1.5, r"sequenceNumber: number; it must be a key"),
        ("data.payload.Description", {"t": PRIVATE}, r"Description: object; it must be a text"),
        ("data.payload.Description", HALF, r"Description: a text with half of a surrogate pair"),
        ("data.payload.Subject", TEXT, r"Subject: list; it must be a text"),
        ("data.payload.Origin", 3, r"Origin: number; it must be a text"),
        ("data.payload.ContactId", "003 " + PRIVATE, rf"ContactId: another text; it must be {ID}"),
        ("data.payload.CreatedDate", PRIVATE, r"CreatedDate: another text; it must be a time"),
        ("data.payload.CreatedDate", 10**30, r"CreatedDate: out of range; it must be a time in whole milliseconds"),
        ("data.payload.CreatedDate", -1, r"CreatedDate: out of range; it must be a time in whole milliseconds"),
    ],
    "hubspot": [
        ("", {}, r"the payload: object; it must be a list of notifications"),
        ("", [], r"0 notifications; it must be a list of 1 to 1000"),
        ("", [{}] * 1001, r"1001 notifications; it must be a list of 1 to 1000"),
        ("", [PRIVATE], r"\[0\]: text; it must be an object"),
        ("", [[[PRIVATE]]], r"\[0\]: list; it must be an object"),
        ("", [None], r"\[0\]: null; it must be an object"),
        ("1", None, r"\[1\]: null; it must be an object"),
        ("0.subscriptionType", MISSING, r"\[0\]\.subscriptionType: missing; it must be a text"),
        ("0.subscriptionType", TEXT, r"\[0\]\.subscriptionType: list; it must be a text"),
        ("0.objectId", MISSING, rf"\[0\]\.objectId: missing; it must be {ID}"),
        ("0.objectId", "1?x=" + PRIVATE, rf"\[0\]\.objectId: another text; it must be {ID}"),
        ("0.objectId", 1.0, rf"\[0\]\.objectId: number; it must be {ID}"),
        ("0.objectId", 10**400, rf"\[0\]\.objectId: number; it must be {ID}"),
        ("0.portalId", None, rf"\[0\]\.portalId: null; it must be {ID}"),
        ("0.occurredAt", MISSING, r"\[0\]\.occurredAt: null; it must be a time in whole milliseconds"),
        ("0.occurredAt", "2026-11-20", r"\[0\]\.occurredAt: text; it must be a time in whole milliseconds"),
        ("0.occurredAt", 10**18, r"\[0\]\.occurredAt: out of range"),
        ("0.occurredAt", 1_795_258_327, r"\[0\]\.occurredAt: out of range"),
        ("0.occurredAt", True, r"\[0\]\.occurredAt: true or false"),
        ("1.propertyName", TEXT, r"\[1\]\.propertyName: list; it must be a text"),
        ("1.propertyValue", {"t": PRIVATE}, r"\[1\]\.propertyValue: object; it must be a text"),
        ("1.propertyValue", HALF + PRIVATE, r"\[1\]\.propertyValue: a text with half of a surrogate pair"),
    ],
    "freshdesk": [
        ("", TEXT, r"the payload: list; it must be an object"),
        ("", {"freshdesk_webhook": TEXT}, r"freshdesk_webhook: list; it must be an object"),
        ("", {"freshdesk_webhook": {}}, rf"freshdesk_webhook\.ticket_id: missing; it must be {ID}"),
        ("", {"freshdesk_webhook": {"ticket_id": "1/../2"}}, rf"ticket_id: another text; it must be {ID}"),
        ("event", MISSING, r"event: missing; it must be a text"),
        ("event", 1, r"event: number; it must be a text"),
        ("account_id", "a b", rf"account_id: another text; it must be {ID}"),
        ("data", [], r"data: list; it must be an object"),
        ("data.ticket", PRIVATE, r"data\.ticket: text; it must be an object"),
        ("data.ticket.id", None, rf"data\.ticket\.id: null; it must be {ID}"),
        ("data.ticket.id", [35], rf"data\.ticket\.id: list; it must be {ID}"),
        ("data.ticket.source", 1.5, rf"data\.ticket\.source: number; it must be {ID}"),
        ("data.ticket.source", {}, rf"data\.ticket\.source: object; it must be {ID}"),
        ("data.ticket.description_text", TEXT, r"description_text: list; it must be a text"),
        ("data.ticket.subject", {"s": PRIVATE}, r"subject: object; it must be a text"),
        ("data.ticket.subject", HALF, r"subject: a text with half of a surrogate pair"),
        ("data.ticket.created_at", "20 November", r"created_at: another text; it must be a time"),
        ("data.ticket.created_at", "0001-01-01T00:00:00+23:59", r"created_at: another text; it must be a time"),
        ("data.ticket.tags", {"a": 1}, r"tags: object; it must be a list of texts"),
        ("data.ticket.custom_fields", TEXT, r"custom_fields: list; it must be an object"),
        ("data.ticket.custom_fields.cf_tier", TEXT, r"field 'cf_tier': list; it must be one value"),
        ("data.ticket.requester_id", PRIVATE, rf"requester_id: another text; it must be {ID}"),
    ],
    "intercom": [
        ("", TEXT, r"the payload: list; it must be an object"),
        ("topic", MISSING, r"topic: missing; it must be a text"),
        ("topic", TEXT, r"topic: list; it must be a text"),
        ("id", "notif " + PRIVATE, r"id: another text; it must be a key"),
        ("data", None, r"data: null; it must be an object"),
        ("data.item", TEXT, r"data\.item: list; it must be an object"),
        ("data.item.id", MISSING, rf"data\.item\.id: missing; it must be {ID}"),
        ("data.item.id", "2/reply", rf"data\.item\.id: another text; it must be {ID}"),
        ("data.item.created_at", "now", r"data\.item\.created_at: text; it must be a time in whole seconds"),
        ("data.item.created_at", 1_795_169_527_000, r"data\.item\.created_at: out of range"),
        ("data.item.created_at", -(10**12), r"data\.item\.created_at: out of range"),
        ("data.item.source", PRIVATE, r"data\.item\.source: text; it must be an object"),
        ("data.item.source.type", TEXT, r"source\.type: list; it must be a text"),
        ("data.item.source.subject", 5, r"source\.subject: number; it must be a text"),
        ("data.item.contacts", TEXT, r"contacts: list; it must be an object"),
        ("data.item.contacts.contacts", [PRIVATE], r"contacts\.contacts\[0\]: text; it must be an object"),
        ("data.item.contacts.contacts.0.id", {}, rf"contacts\[0\]\.id: object; it must be {ID}"),
        ("data.item.tags.tags", [{}], r"tags\.tags\[0\]\.name: missing; it must be a text"),
        ("data.item.custom_attributes", PRIVATE, r"custom_attributes: text; it must be an object"),
        ("data.item.conversation_parts.conversation_parts", {}, r"conversation_parts: object; it must be a list"),
        ("data.item.conversation_parts.conversation_parts.0", 1, r"conversation_parts\[0\]: number; it must be an"),
        ("data.item.conversation_parts.conversation_parts.0.body", 1, r"\[0\]\.body: number; it must be a text"),
        ("data.item.conversation_parts.conversation_parts.0.body", HALF, r"\[0\]\.body: a text with half"),
        (
            "data.item.conversation_parts.conversation_parts.0.author",
            None,
            r"\[0\]\.author: null; it must be an object",
        ),
        (
            "data.item.conversation_parts.conversation_parts.0.author.type",
            1,
            r"author\.type: number; it must be a text",
        ),
        ("data.item.conversation_parts.conversation_parts.4.created_at", 10**40, r"created_at: out of range"),
    ],
}
CASES = [(system, path, value, match) for system, cases in PAYLOADS.items() for path, value, match in cases]


@pytest.mark.parametrize(("system", "path", "value", "match"), CASES)
def test_a_hostile_payload_is_refused_with_its_place(system: str, path: str, value: Any, match: str) -> None:
    payload = changed(good(system), path, value) if path else value
    fields = FieldMap(fields={"cf_tier": "customer_type"}) if system == "freshdesk" else FieldMap()
    if system == "hubspot" and path:
        results = read_event(system, payload)
        refused = [result for result in results if isinstance(result, Refused)]
        assert [result.index for result in refused] == [int(path.partition(".")[0])]
        assert re.search(match, refused[0].why)
        assert PRIVATE not in repr(refused)
        assert len(results) == len(payload)
        payload = [payload[refused[0].index]]
        match = match.replace(r"\[1\]", r"\[0\]")
    with pytest.raises(EventError, match=match) as raised:
        read_event(system, payload, fields=fields)
    assert PRIVATE not in str(raised.value)
    assert raised.value.expected


@pytest.mark.parametrize("system", sorted(PAYLOADS))
def test_each_system_has_twenty_hostile_payloads(system: str) -> None:
    assert len({repr(case) for case in PAYLOADS[system]}) >= 20


@pytest.mark.parametrize("name", ["zen", "Zendesk", "", None, 3])
def test_an_unknown_system_is_refused(name: Any) -> None:
    with pytest.raises(EventError, match="is no system whose events are read"):
        read_event(name, {})


def test_markup_without_end_becomes_text() -> None:
    payload = changed(good("freshdesk"), "data.ticket.description_text", None)
    body = "<div>" * 150_000 + "&amp;" * 40_000 + "<a " * 50_000
    (event,) = read_event("freshdesk", changed(payload, "data.ticket.description", body))
    assert "<div>" not in event.contact.text  # type: ignore[union-attr]


def test_a_null_character_in_a_text_is_the_cleaning_s_business() -> None:
    payload = changed(good("zendesk"), "event.comment.body", "where\x00 is it")
    (event,) = read_event("zendesk", parse_body(json.dumps(payload).encode()))
    assert cr.clean_text(event.contact.text) == "where is it"  # type: ignore[union-attr]


def test_words_of_agents_never_become_a_contact() -> None:
    for system in PAYLOADS:
        for path in sorted((FOLDER / system).glob("*.json")):
            if re.search("agent|note|private|outbound|admin", path.stem):
                payload = json.loads(path.read_text(encoding="utf-8"))["payload"]
                assert all(isinstance(result, Ignored) for result in read_event(system, payload)), path


def test_a_fetched_ticket_must_be_the_one_that_was_to_be_fetched() -> None:
    (fetch,) = read_event("zendesk", {"ticket_id": 7, "updated_at": "2026-11-20T10:12:07Z"})
    assert isinstance(fetch, NeedsFetch)
    with pytest.raises(EventError, match="of another ticket than was to be fetched"):
        read_ticket("zendesk", {"ticket": {"id": 8, "description": PRIVATE}}, fetch=fetch)
    with pytest.raises(EventError, match="fetch is of 'zendesk' and the ticket of 'hubspot'"):
        read_ticket("hubspot", {"id": "7", "properties": {}}, fetch=fetch)


def test_a_zendesk_trigger_that_tells_of_something_else_is_refused() -> None:
    for event in (PRIVATE, "deleted", 3):
        with pytest.raises(EventError, match=r"^event: (text|number); it must be ") as raised:
            read_event("zendesk", {"ticket_id": 7, "updated_at": "2026-11-20T10:12:07Z", "event": event})
        assert PRIVATE not in str(raised.value)


def test_a_zendesk_trigger_without_anything_to_tell_it_by_is_refused() -> None:
    with pytest.raises(EventError, match=r"updated_at: missing; it must be .*Invocation-Id"):
        read_event("zendesk", {"ticket_id": 7})
    first, again, other = (
        read_event("zendesk", {"ticket_id": 7}, headers={"X-Zendesk-Webhook-Invocation-Id": name})[0].key  # type: ignore[union-attr]
        for name in ("01A", "01A", "01B")
    )
    assert first == again != other
