"""Events of CRMs: what holds for any payload, keys, field maps, signatures, and what is written back."""

from __future__ import annotations

import base64
import copy
import dataclasses
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.crm.codes import code_of
from contact_reasons.crm.events import (
    EVENT_SYSTEMS,
    UPDATE_SYSTEMS,
    ContactEvent,
    FieldMap,
    Ignored,
    NeedsFetch,
    Refused,
    ResultMap,
    TicketUpdate,
    freshdesk,
    hubspot,
    intercom,
    label_values,
    parse_body,
    read_event,
    read_ticket,
    salesforce,
    update_of,
    verify_signature,
    zendesk,
)
from contact_reasons.errors import CrmError, EventError, SignatureError
from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "golden" / "crm" / "events"
GOLDEN = [
    (path.parent.name, json.loads(path.read_text(encoding="utf-8")))
    for path in sorted(FOLDER.rglob("*.json"))
    if path.parent.name in EVENT_SYSTEMS
]
PAYLOADS = [(system, case["payload"]) for system, case in GOLDEN if "payload" in case]
TICKETS = [(system, case["ticket"]) for system, case in GOLDEN if "ticket" in case]
SECRET_WORDS = "pelican marmalade 4929"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["ticket", "Case", "CREATE", "UPDATE", "ticket.creation", "5158", "email", "", SECRET_WORDS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside a value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    value = copy.deepcopy(value)
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return value


@st.composite
def broken(draw: st.DrawFn, payloads: list[tuple[str, Any]]) -> tuple[str, Any]:
    """A golden payload of which a few values are any JSON."""
    system, payload = draw(st.sampled_from(payloads))
    for _ in range(draw(st.integers(1, 3))):
        paths = places(payload)
        if paths:
            payload = replaced(payload, draw(st.sampled_from(paths)), draw(json_values))
    return system, payload


FIELDS = FieldMap(
    fields={
        "360001": "customer_type",
        "Customer_Tier__c": "vulnerable",
        "customer_tier": "sentiment",
        "cf_tier": "extra.tier",
        "Plan": "repeats_7d",
    }
)


def outcome(system: str, payload: Any, fields: FieldMap = FIELDS) -> str:
    """What an event becomes, written out; checks that it is a result or an `EventError`."""
    try:
        results = read_event(system, payload, fields=fields)
    except EventError as exc:
        refused = str(exc)
    else:
        return shown(results)
    assert SECRET_WORDS not in refused
    return refused


def shown(results: Any) -> str:
    assert isinstance(results, tuple)
    assert results
    for result in results:
        assert isinstance(result, ContactEvent | NeedsFetch | Ignored | Refused)
        if isinstance(result, Refused):
            assert SECRET_WORDS not in result.why
        elif not isinstance(result, Ignored):
            assert "/" not in result.ticket_id
            assert " " not in result.key
        if isinstance(result, ContactEvent):
            assert all(SECRET_WORDS not in str(warning) for warning in result.warnings)
    return repr(results)


# ------------------------------------------------------------------------------------- any payload


@given(st.sampled_from(EVENT_SYSTEMS), json_values)
def test_any_json_becomes_results_or_an_event_error(system: str, payload: Any) -> None:
    outcome(system, payload)


@given(broken(PAYLOADS))
def test_a_payload_with_any_values_becomes_results_or_an_event_error(case: tuple[str, Any]) -> None:
    system, payload = case
    before = copy.deepcopy(payload)
    assert outcome(system, payload) == outcome(system, payload)
    assert repr(payload) == repr(before)


@given(broken(TICKETS))
def test_a_ticket_with_any_values_becomes_a_result_or_an_event_error(case: tuple[str, Any]) -> None:
    system, ticket = case
    try:
        result = read_ticket(system, ticket, fields=FIELDS)
    except EventError as exc:
        result = None
        refused = str(exc)
    else:
        refused = ""
    assert SECRET_WORDS not in refused
    assert refused or isinstance(result, ContactEvent | Ignored)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_parsed_as_json_does_or_refused(body: bytes) -> None:
    try:
        value = parse_body(body)
    except EventError:
        return
    assert value == json.loads(body)
    assert isinstance(value, dict | list)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@given(st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=3), max_leaves=30), st.text(max_size=30))
def test_brackets_inside_texts_do_not_count_as_depth(lists: list[Any], text: str) -> None:
    value = [lists, text + "[" * 100, {"[" * 100: '\\"' + "{" * 100}]
    assert parse_body(json.dumps(value, ensure_ascii=False).encode()) == value


def test_what_stands_side_by_side_does_not_count_as_depth() -> None:
    value = [{"a": [1]}] * 1000
    assert parse_body(json.dumps(value).encode()) == value


@pytest.mark.parametrize(("depth", "fits"), [(64, True), (65, False)])
def test_depth_is_counted_to_the_level(depth: int, fits: bool) -> None:
    body = b"[" * depth + b"]" * depth
    if fits:
        assert parse_body(body)
    else:
        with pytest.raises(EventError, match="nested deeper than 64 levels"):
            parse_body(body)


def test_a_limit_may_be_raised_and_lowered() -> None:
    body = b'["%s"]' % (b"x" * 2_000_000)
    assert len(parse_body(body, limit=2_000_004)[0]) == 2_000_000
    with pytest.raises(EventError, match="it has 2,000,004 bytes; it must be at most 2,000,003 bytes"):
        parse_body(body, limit=2_000_003)


@pytest.mark.parametrize("words", [SECRET_WORDS, "<b>" + SECRET_WORDS])
@pytest.mark.parametrize(("system", "payload"), PAYLOADS)
def test_a_result_s_key_and_path_and_warnings_hold_no_words_of_the_customer(
    system: str, payload: Any, words: str
) -> None:
    for path in places(payload):
        if path[-1] in ("description", "body", "Description", "propertyValue", "description_text", "body_text"):
            for result in read_event(system, replaced(payload, path, words)):
                shown = dataclasses.replace(result, contact=cr.Contact()) if hasattr(result, "contact") else result
                assert SECRET_WORDS not in repr(shown)
                assert SECRET_WORDS not in repr(result)


# -------------------------------------------------------------------------------------------- keys


def key_of(system: str, payload: Any) -> str:
    result = read_event(system, payload)[0]
    assert isinstance(result, ContactEvent | NeedsFetch)
    return result.key


def golden(system: str, name: str) -> Any:
    return json.loads((FOLDER / system / f"{name}.json").read_text(encoding="utf-8"))["payload"]


REDELIVERED: list[tuple[str, str, dict[tuple[Any, ...], Any]]] = [
    ("zendesk", "created", {}),
    ("salesforce", "create", {("data", "event", "replayId"): 9}),
    ("hubspot", "batch", {(0, "attemptNumber"): 4, (0, "eventId"): 999, (0, "subscriptionId"): 8}),
    ("freshdesk", "created", {("timestamp",): 1795169999}),
    ("intercom", "created", {("delivery_attempts",): 3, ("delivered_at",): 1795169999}),
    ("intercom", "no_id", {("delivery_attempts",): 3, ("delivered_at",): 1795169999}),
]
OTHERS: list[tuple[str, str, tuple[Any, ...], Any]] = [
    ("zendesk", "created", ("id",), "another"),
    ("salesforce", "create", ("data", "payload", "ChangeEventHeader", "sequenceNumber"), 2),
    ("salesforce", "create", ("data", "payload", "ChangeEventHeader", "transactionKey"), "0000a62a-other"),
    ("salesforce", "create", ("data", "payload", "ChangeEventHeader", "recordIds"), ["500Rj00000FEgK9IAL"]),
    ("salesforce", "record", ("LastModifiedDate",), "2026-11-20T09:56:06.000Z"),
    ("hubspot", "batch", (0, "objectId"), 2009),
    ("hubspot", "batch", (0, "portalId"), 1),
    ("hubspot", "batch", (0, "occurredAt"), 1795258327001),
    ("freshdesk", "created", ("data", "ticket", "id"), 36),
    ("freshdesk", "created", ("account_id",), "90211"),
    ("freshdesk", "reply_of_customer", ("data", "conversation", "id"), 4412),
    ("freshdesk", "rule", ("freshdesk_webhook", "triggered_event"), "{ticket_action:updated}"),
    ("intercom", "created", ("id",), "notif_other"),
    ("intercom", "no_id", ("created_at",), 1795169528),
    ("intercom", "no_id", ("data", "item", "id"), "215471"),
]


@pytest.mark.parametrize(("system", "name", "changes"), REDELIVERED)
def test_an_event_that_is_delivered_again_has_the_same_key(system: str, name: str, changes: dict[Any, Any]) -> None:
    payload = golden(system, name)
    again = payload
    for path, value in changes.items():
        again = replaced(again, path, value)
    assert key_of(system, payload) == key_of(system, again)


@pytest.mark.parametrize(("system", "name", "path", "value"), OTHERS)
def test_another_event_has_another_key(system: str, name: str, path: tuple[Any, ...], value: Any) -> None:
    payload = golden(system, name)
    assert key_of(system, payload) != key_of(system, replaced(payload, path, value))


def test_two_changes_of_a_hubspot_property_in_one_millisecond_have_two_keys() -> None:
    event = golden("hubspot", "batch")[1]
    assert key_of("hubspot", [event]) != key_of("hubspot", [{**event, "propertyValue": "another"}])
    assert key_of("hubspot", [event]) != key_of("hubspot", [{**event, "propertyName": "subject"}])


def test_all_golden_events_that_are_not_the_same_have_keys_of_their_own() -> None:
    keys: dict[str, str] = {}
    for system, payload in PAYLOADS:
        for result in read_event(system, payload):
            if not isinstance(result, Ignored):
                same = json.dumps([result.system, result.ticket_id, result.kind])
                assert keys.setdefault(result.key, same) == same


# -------------------------------------------------------------------------------------- field maps


def ticket_with(value: Any) -> dict[str, Any]:
    return {"id": "1", "properties": {"content": "hello", "level": value}}


def filled(fields: FieldMap, value: Any) -> tuple[cr.Contact, list[str]]:
    result = read_ticket("hubspot", ticket_with(value), fields=fields)
    assert isinstance(result, ContactEvent)
    return result.contact, [warning.what for warning in result.warnings]


@pytest.mark.parametrize(
    ("name", "given_", "expected"),
    [
        ("customer_type", " gold ", "gold"),
        ("customer_type", 3, "3"),
        ("customer_type", True, "true"),
        ("loyalty", "", None),
        ("persona", None, None),
        ("vulnerable", "true", True),
        ("vulnerable", "False", False),
        ("callback_consent", False, False),
        ("open", "perhaps", None),
        ("repeats_7d", "3", 3),
        ("repeats_7d", 3.0, 3),
        ("repeats_7d", "3.5", None),
        ("repeats_7d", -1, None),
        ("repeats_7d", True, None),
        ("estimated_wait_seconds", "1e3", None),
        ("sentiment", "-0.25", -0.25),
        ("sentiment", 2, None),
        ("sentiment", float("nan"), None),
        ("urgency", "high", "high"),
        ("language", "pt-BR", "pt-BR"),
        ("customer_id", 77, "77"),
        ("stage", "x" * 201, None),
        ("repeats_7d", 10**30, None),
        ("extra.seats", "12", 12),
        ("extra.is_admin", "true", True),
        ("extra.plan", "Team", "Team"),
        ("extra.share", "0.5", 0.5),
    ],
)
def test_a_field_fills_what_it_is_mapped_to_or_is_left_out_with_a_warning(
    name: str, given_: Any, expected: Any
) -> None:
    contact, warnings = filled(FieldMap(fields={"level": name}), given_)
    owners = {"customer_id": contact.customer, "language": contact, "customer_type": contact.customer}
    if name.startswith("extra."):
        found = contact.customer.extra.get(name.removeprefix("extra."))
    else:
        owner = owners.get(name) or (contact.customer if hasattr(contact.customer, name) else contact.context)
        found = getattr(owner, "type" if name == "customer_type" else name)
    assert found == expected
    assert type(found) is type(expected)
    assert bool(warnings) == (expected is None and given_ not in (None, ""))


def test_values_are_translated_and_unknown_ones_left_out() -> None:
    fields = FieldMap(
        fields={"level": "vulnerable"}, values={"vulnerable": {"Needs care": "true", "None": "false", "true": "true"}}
    )
    assert filled(fields, "Needs care")[0].customer.vulnerable is True
    assert filled(fields, "None")[0].customer.vulnerable is False
    assert filled(fields, True)[0].customer.vulnerable is True
    contact, warnings = filled(fields, SECRET_WORDS)
    assert contact.customer.vulnerable is None
    assert warnings == ["the value is not in `values`, so 'vulnerable' is not known"]


@pytest.mark.parametrize("value", [["gold"], {"value": "gold"}])
def test_a_field_with_several_values_is_refused(value: Any) -> None:
    with pytest.raises(EventError, match=r"field 'level': .* it must be one value to fill 'customer_type'"):
        filled(FieldMap(fields={"level": "customer_type"}), value)


@pytest.mark.parametrize(
    ("given_", "match"),
    [
        ({"fields": {"a": "customer_tpe"}}, r"fields\.a: 'customer_tpe' is nothing .* did you mean 'customer_type'"),
        ({"fields": {"a": "stage", "b": "stage"}}, r"fields: 'stage' is filled by 'a' and 'b'"),
        ({"fields": {"a": "extra.stage"}}, r"fields\.a: 'extra\.stage' must be"),
        ({"fields": {"a": "extra.Is Admin"}}, r"fields\.a: 'extra\.Is Admin' must be"),
        ({"fields": {"a": 3}}, r"fields\.a: this must be a text"),
        ({"fields": {"a": "stage"}, "values": {"stge": {}}}, r"values\.stge: no field fills 'stge'.*'stage'"),
        ({"values": {"stage": {"a": 1}}, "fields": {"a": "stage"}}, r"values\.stage\.a: this must be a text"),
        ({"channels": {"api": ""}}, r"channels\.api: this is empty"),
    ],
)
def test_a_field_map_says_what_is_wrong_in_it(given_: dict[str, Any], match: str) -> None:
    with pytest.raises(EventError, match=match):
        FieldMap(**given_)


def test_maps_are_values() -> None:
    one = FieldMap(fields={"a": "stage"}, values={"stage": {"x": "trial"}})
    assert len({one, FieldMap.read({"fields": {"a": "stage"}, "values": {"stage": {"x": "trial"}}}), FieldMap()}) == 2
    assert len({ResultMap(fields={"primary": "a"}), ResultMap(fields={"primary": "a"})}) == 1
    with pytest.raises(TypeError, match="does not support item assignment"):
        one.values["stage"]["y"] = "trial"  # type: ignore[index]


def test_a_field_map_is_read_from_a_file_s_content() -> None:
    given_ = {"fields": {"cf_tier": "customer_type"}, "channels": {"13": "chat"}}
    assert FieldMap.read(given_) == FieldMap(fields={"cf_tier": "customer_type"}, channels={"13": "chat"})
    with pytest.raises(EventError, match="chanels: the key 'chanels' is not known here; did you mean 'channels'"):
        FieldMap.read({"chanels": {}})


@pytest.mark.parametrize(
    ("fields", "channel", "expected", "warned"),
    [
        (FieldMap(), " Email", "email", False),
        (FieldMap(channels={"api": "app"}), "api", "app", False),
        (FieldMap(channels={"email": "web"}), "email", "web", False),
        (FieldMap(), "api", None, True),
        (FieldMap(unknown_channel="other"), "api", "other", True),
        (FieldMap(unknown_channel="other"), None, None, False),
    ],
)
def test_a_channel_is_that_of_the_map_then_of_the_table_else_not_known(
    fields: FieldMap, channel: str | None, expected: str | None, warned: bool
) -> None:
    ticket = {"id": 1, "description": "hello", "via": {"channel": channel}}
    event = read_ticket("zendesk", ticket, fields=fields)
    assert isinstance(event, ContactEvent)
    assert event.contact.arrival_channel == expected
    assert bool(event.warnings) == warned


def test_every_channel_of_the_tables_is_one_that_every_shipped_policy_takes() -> None:
    for policy in (ROOT / "taxonomies").glob("*/policy.yaml"):
        known = yaml.safe_load(policy.read_text(encoding="utf-8"))["inputs"]["arrival_channel"]["values"]
        for reader in (freshdesk, hubspot, intercom, salesforce, zendesk):
            assert set(reader.CHANNELS.values()) <= set(known)
            assert all(name == name.lower() for name in reader.CHANNELS)


@pytest.mark.parametrize(("system", "case"), GOLDEN)
def test_a_golden_contact_without_fields_is_handled_by_a_shipped_pack(
    retail: cr.Pipeline, system: str, case: dict[str, Any]
) -> None:
    for result in read_event(system, case["payload"]) if "payload" in case else ():
        if isinstance(result, ContactEvent):
            assert retail.handle(result.contact).contact_id == result.ticket_id


# -------------------------------------------------------------------------------------- signatures

NOW = datetime(2026, 11, 22, 10, 36, tzinfo=UTC)
SECRET = "whsec-very-private"
URI = "https://example.org/crm/hubspot?account=1"
BODY = json.dumps({"text": "Grüße"}, ensure_ascii=False).encode()


def base64_of(message: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def zendesk_headers(body: bytes = BODY, at: str = "2026-11-22T10:35:00Z", secret: str = SECRET) -> dict[str, str]:
    signed = base64_of(at.encode() + body, secret)
    return {"X-Zendesk-Webhook-Signature": signed, "X-Zendesk-Webhook-Signature-Timestamp": at}


def hubspot_headers(body: bytes = BODY, at: datetime = NOW, secret: str = SECRET, uri: str = URI) -> dict[str, str]:
    stamp = str(round(at.timestamp() * 1000))
    signed = base64_of(b"POST" + uri.encode() + body + stamp.encode(), secret)
    return {"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": stamp}


def intercom_headers(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}


def shared(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    return {"X-Contact-Reasons-Secret": secret}


SIGNED: dict[str, Callable[..., dict[str, str]]] = {
    "zendesk": zendesk_headers,
    "hubspot": hubspot_headers,
    "intercom": intercom_headers,
    "freshdesk": shared,
    "salesforce": shared,
}
SIGNING = ("hubspot", "intercom", "zendesk")


def verify(system: str, headers: Any, body: bytes = BODY, **more: Any) -> None:
    verify_signature(system, body, headers, **{"secret": SECRET, "now": NOW, "uri": URI, **more})


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_a_true_signature_passes_whatever_the_case_of_the_headers(system: str) -> None:
    headers = SIGNED[system]()
    verify(system, headers)
    verify(system, {name.upper(): value for name, value in headers.items()})
    verify(system, [(name.lower().encode(), value.encode()) for name, value in headers.items()])
    verify(system, headers, secret=["the next one", SECRET])


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_a_secret_may_have_letters_beyond_ascii(system: str) -> None:
    secret = "Schlüssel-鍵"
    headers = SIGNED[system](secret=secret)
    verify(system, headers, secret=secret)
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    verify(system, sent, secret=secret)
    with pytest.raises(SignatureError, match="the signature is not that of this body"):
        verify(system, sent, secret="Schlussel-鍵")


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_a_false_signature_is_refused_without_secrets_in_the_message(system: str) -> None:
    true = SIGNED[system]()
    for headers in (SIGNED[system](secret="another"), {name: "ü" + value for name, value in true.items()}):
        with pytest.raises(SignatureError, match=f"^{system}: ") as raised:
            verify(system, headers)
        assert SECRET not in str(raised.value)
        assert all(value not in str(raised.value) for value in headers.values())
    with pytest.raises(SignatureError, match="the signature is not that of this body"):
        verify(system, true, secret="another")


@pytest.mark.parametrize("system", SIGNING)
@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_one_changed_bit_of_the_body_is_found(system: str, place: int, bit: int) -> None:
    forged = bytearray(BODY)
    forged[place] ^= 1 << bit
    with pytest.raises(SignatureError, match="the signature is not that of this body"):
        verify(system, SIGNED[system](), bytes(forged))


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_each_missing_header_is_named(system: str) -> None:
    true = SIGNED[system]()
    for name in true:
        with pytest.raises(SignatureError, match=f"the header {name} is missing"):
            verify(system, {other: value for other, value in true.items() if other != name})


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
@pytest.mark.parametrize("before", [True, False])
def test_a_header_that_comes_twice_proves_nothing(system: str, before: bool) -> None:
    true = list(SIGNED[system]().items())
    false = (true[0][0], "x")
    with pytest.raises(SignatureError, match="the signature is not that of this body"):
        verify(system, [false, *true] if before else [*true, false])


@pytest.mark.parametrize("secret", ["", [], ["", SECRET], [None]])
def test_an_empty_secret_is_refused(secret: Any) -> None:
    with pytest.raises(SignatureError, match="the secret is empty; without one nothing is proved"):
        verify("intercom", intercom_headers(), secret=secret)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_an_event_outside_the_window_is_refused_though_its_signature_is_true(seconds: int) -> None:
    at = NOW - timedelta(seconds=seconds)
    for system, headers in (("hubspot", hubspot_headers(at=at)), ("zendesk", zendesk_headers(at=at.isoformat()))):
        with pytest.raises(
            SignatureError, match=f"sent {abs(seconds)} s (before|after) now, and at most 300 s are taken"
        ):
            verify(system, headers)
        verify(system, headers, tolerance=timedelta(days=1))


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_an_event_inside_the_window_passes(seconds: int) -> None:
    at = NOW - timedelta(seconds=seconds)
    verify("hubspot", hubspot_headers(at=at))
    verify("zendesk", zendesk_headers(at=at.isoformat()))


@pytest.mark.parametrize("at", ["soon", "2026-11-22T10:35:00", "9999-12-31T23:59:59-23:00", "٣", "1"])
def test_a_timestamp_that_is_none_is_refused(at: str) -> None:
    with pytest.raises(SignatureError, match="Timestamp is no time"):
        verify("zendesk", zendesk_headers(at=at))


@pytest.mark.parametrize("stamp", ["", "now", "-1", "9" * 400, "1.5", "²"])
def test_a_hubspot_timestamp_that_is_none_is_refused(stamp: str) -> None:
    with pytest.raises(SignatureError, match=r"Timestamp is (no time|missing)"):
        verify("hubspot", {**hubspot_headers(), "X-HubSpot-Request-Timestamp": stamp})


def test_hubspot_signs_method_and_address_too() -> None:
    for more in ({"uri": URI + "2"}, {"method": "PUT"}):
        with pytest.raises(SignatureError, match="the signature is not that of this body"):
            verify("hubspot", hubspot_headers(), **more)
    with pytest.raises(SignatureError, match="`uri` is empty"):
        verify("hubspot", hubspot_headers(), uri="")


@pytest.mark.parametrize("decoded", ":/?@!$'()*,;")
def test_hubspot_s_address_is_signed_with_some_characters_decoded(decoded: str) -> None:
    for encoded in (f"%{ord(decoded):02X}", f"%{ord(decoded):02x}"):
        verify("hubspot", hubspot_headers(uri=URI + f"{decoded}%20"), uri=URI + f"{encoded}%20")


def test_a_signature_of_hubspot_s_documented_parts() -> None:
    """HMAC-SHA256 by hand, from its definition (RFC 2104)."""
    key = SECRET.encode().ljust(64, b"\0")
    stamp = str(round(NOW.timestamp() * 1000)).encode()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + b"POST" + URI.encode() + BODY + stamp).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()
    assert hubspot_headers()["X-HubSpot-Signature-v3"] == base64.b64encode(outer).decode()


def test_what_cannot_be_checked_is_refused() -> None:
    with pytest.raises(SignatureError, match="is no system whose events are read; did you mean 'zendesk'"):
        verify("zendsk", {})
    with pytest.raises(SignatureError, match="now has no time zone"):
        verify("zendesk", zendesk_headers(), now=NOW.replace(tzinfo=None))
    for headers in (3, [("a",)], {"X-Hub-Signature": 3}, [None]):
        with pytest.raises(EventError, match="the headers are not a mapping"):
            verify("intercom", headers)


# ----------------------------------------------------------------------------------------- updates

LABELS = [
    cr.ReasonLabel(primary="billing", secondary="billing.refund", confidence=0.9, abstained=False),
    cr.ReasonLabel(primary="billing", secondary=None, confidence=0.7, abstained=False),
    cr.ReasonLabel(primary=None, secondary=None, confidence=0.3, abstained=True),
]
ROUTED = cr.Recommendation(
    channel=cr.Channel.CHAT, priority=2, rule_id="chat-now", policy_id="retail", policy_version="1", queue="money"
)
TAXONOMY = cr.Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice"), ("Delivery", "Late")])
ALL_RESULTS = (
    "primary",
    "secondary",
    "reason",
    "confidence",
    "channel",
    "priority",
    "queue",
    "rule_id",
    "policy",
    "model",
)


def result_map(system: str, names: Any) -> ResultMap:
    fields = {name: str(360_000 + i) if system == "zendesk" else f"f_{name}" for i, name in enumerate(names)}
    values: Any = label_values(system, TAXONOMY) if system in ("freshdesk", "intercom", "jira") else {}
    if system == "dynamics":
        values = {reason.id: 100_000_000 + i for i, reason in enumerate(TAXONOMY.reasons)}
    return ResultMap(fields=fields, values=values)


def written(system: str, update: TicketUpdate | None, fields: ResultMap) -> dict[str, Any]:
    """What an update writes, by result."""
    if update is None:
        return {}
    body = update.body
    if system == "zendesk":
        found = {str(each["id"]): each["value"] for each in body["ticket"].get("custom_fields", [])}
    else:
        key = {"hubspot": "properties", "freshdesk": "custom_fields", "intercom": "custom_attributes", "jira": "fields"}
        found = body.get(key[system], {}) if system in key else body
    return {name: found[crm] for name, crm in fields.fields.items() if crm in found}


@given(
    st.sampled_from(UPDATE_SYSTEMS),
    st.sampled_from(LABELS),
    st.sampled_from([None, ROUTED, dataclasses.replace(ROUTED, queue=None)]),
    st.sets(st.sampled_from(ALL_RESULTS)),
    st.none() | st.just("seal"),
)
def test_what_was_decided_and_has_a_field_is_written_and_nothing_else(
    system: str, label: cr.ReasonLabel, routed: cr.Recommendation | None, names: set[str], model: str | None
) -> None:
    fields = result_map(system, sorted(names))
    found = written(system, update_of(system, "42", label, routed, fields=fields, model=model), fields)
    decided = {name for name in ("primary", "secondary", "reason") if getattr(label, name) is not None}
    decided |= {"confidence"} if label.reason else set()
    decided |= {"channel", "priority", "rule_id", "policy"} if routed else set()
    decided |= {"queue"} if routed and routed.queue else set()
    decided |= {"model"} if model and (routed or label.reason) else set()
    assert set(found) == decided & names
    assert all(value not in (None, "", [], {}) for value in found.values())


@pytest.mark.parametrize("system", ["salesforce", "hubspot", "servicenow", "zendesk"])
def test_codes_are_written_never_labels(system: str) -> None:
    fields = result_map(system, ("primary", "secondary", "reason"))
    found = written(system, update_of(system, "42", LABELS[0], fields=fields), fields)
    prefix = "cr_" if system == "zendesk" else ""
    assert found == {
        "primary": prefix + code_of("billing"),
        "secondary": prefix + code_of("billing.refund"),
        "reason": prefix + code_of("billing.refund"),
    }


@pytest.mark.parametrize("system", ["dynamics", "freshdesk", "intercom", "jira"])
def test_a_crm_that_holds_no_codes_needs_its_own_values(system: str) -> None:
    fields = ResultMap(fields={"primary": "a", "secondary": "b"}, values={"billing": "Billing"})
    with pytest.raises(EventError, match=r"`values` has nothing for the reason 'billing\.refund'; .*label_values"):
        update_of(system, "42", LABELS[0], fields=fields)
    assert update_of(system, "42", LABELS[1], fields=fields) is not None
    assert update_of(system, "42", LABELS[2], fields=fields) is None


def test_values_of_labels_are_those_of_an_export() -> None:
    assert label_values("freshdesk", TAXONOMY)["billing.refund"] == "Refund"
    assert label_values("jira", TAXONOMY)["billing"] == "Billing"
    assert label_values("intercom", TAXONOMY)["billing.refund"] == "Billing: Refund"
    for system in ("zendesk", "dynamics", "sap"):
        with pytest.raises(EventError, match=f"'{system}': its lists hold no labels"):
            label_values(system, TAXONOMY)


@pytest.mark.parametrize("label", LABELS)
@given(
    before=st.lists(
        st.sampled_from(["vip", "cr_", "cr_x y", "crew", "cr_delivery__late", "cr_billing__refund", "cr_delivery", "É"])
    )
)
def test_tags_that_were_there_stay_but_for_those_of_a_reason_that_is_replaced(
    label: cr.ReasonLabel, before: list[str]
) -> None:
    fields = ResultMap(fields={"primary": "1", "secondary": "2"})
    update = update_of("zendesk", "42", label, fields=fields, tags=["new"], tags_before=before)
    assert update is not None
    tags = update.body["ticket"]["tags"]
    others = {"vip", "cr_", "cr_x y", "crew", "É"}
    assert {tag for tag in tags if tag in others} == set(before) & others
    assert tags.count("new") == 1
    assert len(tags) == len(set(tags))
    for level, form in (("primary", {"cr_delivery"}), ("secondary", {"cr_delivery__late", "cr_billing__refund"})):
        reason = getattr(label, level)
        kept = form & set(tags)
        assert kept == (set(before) & form if reason is None else {"cr_" + code_of(reason)} & form)


@pytest.mark.parametrize("label", LABELS[:2])
def test_a_field_of_either_level_gives_up_the_tag_of_either_level(label: cr.ReasonLabel) -> None:
    before = ["cr_delivery", "cr_delivery__late", "vip"]
    update = update_of(
        "zendesk", "42", label, fields=ResultMap(fields={"reason": "1"}), tags=["new"], tags_before=before
    )
    assert update is not None
    assert update.body["ticket"]["tags"] == ["vip", "cr_" + code_of(str(label.reason)), "new"]


def test_tags_are_left_alone_where_none_are_added() -> None:
    update = update_of("zendesk", "42", LABELS[0], fields=ResultMap(fields={"secondary": "2"}), tags_before=["vip"])
    assert update is not None
    assert set(update.body["ticket"]) == {"custom_fields"}


@pytest.mark.parametrize(
    ("system", "more", "match"),
    [
        ("zendesk", {"fields": ResultMap(fields={"secondary": "reason"})}, "'reason' is no id of a field"),
        ("zendesk", {"tags": [""]}, "a tag is empty or no text"),
        ("zendesk", {"tags": [3]}, "a tag is empty or no text"),
        ("zendesk", {"tags": ["two words"]}, "zendesk: a tag holds a blank"),
        ("jira", {"tags": ["two words"]}, "jira: a tag holds a blank"),
        ("hubspot", {"tags": ["a"]}, "hubspot: tags cannot be written"),
        ("salesforce", {"tags": ["a"]}, "salesforce: tags cannot be written"),
        ("freshdesk", {"tags": ["a"], "fields": ResultMap()}, "give `tags_before` so that they are kept"),
        ("salesforce", {"ticket_id": "1/../2"}, "ticket_id is no id"),
        ("salesforce", {"ticket_id": 7}, "ticket_id is no id"),
        ("servicenow", {"table": "x/y"}, "table 'x/y' is no name of a table"),
        (
            "salesforce",
            {
                "label": cr.ReasonLabel(primary="Bad id", secondary=None, confidence=1, abstained=False),
                "fields": ResultMap(fields={"primary": "a"}),
            },
            "is no reason id and has no code",
        ),
        ("sap", {}, "'sap' is no system that results are written to"),
        (
            "salesforce",
            {"fields": ResultMap(fields={"primary": "a", "secondary": "a"})},
            "two results go into the field 'a'",
        ),
        (
            "jira",
            {"fields": ResultMap(fields={"primary": "a", "reason": "a"}, values=label_values("jira", TAXONOMY))},
            "two results",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(system: str, more: dict[str, Any], match: str) -> None:
    given_ = {"ticket_id": "42", "label": LABELS[0], "fields": ResultMap(fields={"secondary": "2"}), **more}
    with pytest.raises(CrmError, match=match):
        update_of(system, **given_)


@pytest.mark.parametrize(
    ("given_", "match"),
    [
        ({"fields": {"secondry": "f"}}, r"fields: 'secondry' is no result; did you mean 'secondary'"),
        ({"fields": {"secondary": ""}}, r"fields\.secondary: this is empty"),
        ({"values": {"a.b": None}}, r"values\.a\.b: this must be a text or a whole number"),
        ({"values": {"a.b": True}}, r"values\.a\.b: this must be a text or a whole number"),
    ],
)
def test_a_result_map_says_what_is_wrong_in_it(given_: dict[str, Any], match: str) -> None:
    with pytest.raises(EventError, match=match):
        ResultMap(**given_)


@given(st.sampled_from(UPDATE_SYSTEMS), st.sampled_from(LABELS[:2]))
def test_an_update_is_json_and_its_path_holds_the_ticket(system: str, label: cr.ReasonLabel) -> None:
    update = update_of(system, "AB-42", label, ROUTED, fields=result_map(system, ALL_RESULTS), model="seal")
    assert update is not None
    assert json.loads(json.dumps(update.body, allow_nan=False)) == update.body
    assert "AB-42" in update.path
    assert update.method in ("PUT", "PATCH")


def test_our_own_writing_comes_back_as_an_event_that_is_ignored() -> None:
    """A label that was written must not be labelled again, or each event would bring the next."""
    header = golden("salesforce", "update_reason")["ChangeEventHeader"]
    update = update_of("salesforce", "500", LABELS[0], fields=ResultMap(fields={"primary": "Contact_Reason__c"}))
    assert update is not None
    (result,) = read_event(
        "salesforce", {**update.body, "ChangeEventHeader": {**header, "changedFields": [*update.body]}}
    )
    assert isinstance(result, Ignored)
    event = golden("hubspot", "batch")[1]
    update = update_of("hubspot", "500", LABELS[0], fields=ResultMap(fields={"primary": "contact_reason"}))
    assert update is not None
    (result,) = read_event("hubspot", [{**event, "propertyName": name} for name in update.body["properties"]])
    assert isinstance(result, Ignored)


# ------------------------------------------------------------------------- what systems do differently


def test_a_zendesk_comment_is_an_agent_s_where_only_its_author_tells() -> None:
    event = golden("zendesk", "comment_of_customer")
    requester = event["detail"]["requester_id"]
    for author, kind in (
        ({"id": requester}, ContactEvent),
        ({"id": "1"}, Ignored),
        ({"id": int(requester)}, ContactEvent),
    ):
        (result,) = read_event("zendesk", replaced(event, ("event", "comment", "author"), author))
        assert isinstance(result, kind)


def test_a_zendesk_ticket_without_public_comments_is_ignored_unless_an_event_asked_for_it() -> None:
    ticket = {"ticket": {"id": 5158, "description": "an agent's note", "is_public": False}}
    assert isinstance(read_ticket("zendesk", ticket), Ignored)
    (fetch,) = read_event("zendesk", golden("zendesk", "comment_of_customer"), fields=FieldMap(fields={"1": "stage"}))
    assert isinstance(fetch, NeedsFetch)
    event = read_ticket("zendesk", ticket, fetch=fetch)
    assert isinstance(event, ContactEvent)
    assert event.contact.text == "Still no answer. Where is my new kettle?"


def test_an_agent_s_note_that_a_zendesk_trigger_tells_of_is_no_contact() -> None:
    (fetch,) = read_event("zendesk", {"ticket_id": "5158", "updated_at": "2026-11-22T10:34:58Z"})
    assert isinstance(fetch, NeedsFetch)
    ticket = {"ticket": {"id": 5158, "description": "an agent's note", "is_public": False}}
    assert isinstance(read_ticket("zendesk", ticket, fetch=fetch), Ignored)


@pytest.mark.parametrize("words", ["", "  ", None])
def test_a_reply_of_attachments_alone_does_not_stand_for_what_was_said_before(words: str | None) -> None:
    comment = replaced(golden("zendesk", "comment_of_customer"), ("event", "comment", "body"), words)
    for fields in (FieldMap(), FieldMap(fields={"1": "stage"})):
        (result,) = read_event("zendesk", comment, fields=fields)
        assert isinstance(result, Ignored)
        assert result.why == "the comment holds no words"
    reply = golden("freshdesk", "reply_of_customer")
    for key, text in (("body_text", words), ("body", "<div><img src='a.png'></div>")):
        reply = replaced(reply, ("data", "conversation", key), text)
    (result,) = read_event("freshdesk", reply)
    assert isinstance(result, Ignored)
    assert result.why == "the reply holds no words"


@pytest.mark.parametrize("text", [None, ""])
def test_a_zendesk_event_without_a_text_needs_the_ticket(text: str | None) -> None:
    (result,) = read_event("zendesk", replaced(golden("zendesk", "created"), ("detail", "description"), text))
    assert isinstance(result, NeedsFetch)
    assert result.why == "the event does not hold the text"


@pytest.mark.parametrize("change", ["DELETE", "UNDELETE", "SNAPSHOT", "GAP_DELETE", "GAP_UNDELETE"])
def test_salesforce_changes_without_words_are_ignored(change: str) -> None:
    header = {**golden("salesforce", "delete")["ChangeEventHeader"], "changeType": change}
    (result,) = read_event("salesforce", {"ChangeEventHeader": header})
    assert isinstance(result, Ignored)
    assert not result.lost


def test_a_salesforce_update_whose_changed_fields_are_bits_is_known_by_its_fields() -> None:
    event = golden("salesforce", "update_description")
    bits = replaced(event, ("ChangeEventHeader", "changedFields"), ["0x400010"])
    assert isinstance(read_event("salesforce", bits)[0], NeedsFetch)
    del bits["Description"]
    assert isinstance(read_event("salesforce", bits)[0], Ignored)
    decoded = {**bits, "Subject": None, "Description": None, "Contact_Reason__c": "returns"}
    assert isinstance(read_event("salesforce", decoded)[0], Ignored)
    assert isinstance(read_event("salesforce", {**decoded, "Subject": "Late"})[0], NeedsFetch)


def test_salesforce_times_may_be_milliseconds() -> None:
    event = replaced(golden("salesforce", "create"), ("data", "payload", "CreatedDate"), 1795169527672)
    (result,) = read_event("salesforce", event)
    assert isinstance(result, ContactEvent)
    assert result.contact.created_at == datetime(2026, 11, 20, 10, 12, 7, 672000, tzinfo=UTC)


def test_a_freshdesk_mail_of_an_agent_is_ignored_but_a_customer_s_answer_to_it_is_not() -> None:
    ticket = {"id": 35, "description_text": "We miss you", "source": 10}
    (fetch,) = read_event("freshdesk", golden("freshdesk", "rule"))
    assert isinstance(fetch, NeedsFetch)
    assert isinstance(read_ticket("freshdesk", ticket), Ignored)
    assert isinstance(read_ticket("freshdesk", ticket, fetch=fetch), Ignored)
    (fetch,) = read_event("freshdesk", golden("freshdesk", "reply_of_customer"))
    assert isinstance(fetch, NeedsFetch)
    event = read_ticket("freshdesk", ticket, fetch=fetch)
    assert isinstance(event, ContactEvent)
    assert event.contact.text == "Any news?"


@pytest.mark.parametrize(
    ("author", "speaker"),
    [
        ("user", "customer"),
        ("lead", "customer"),
        ("contact", "customer"),
        ("admin", "agent"),
        ("team", "agent"),
        ("bot", "bot"),
        ("x", "system"),
    ],
)
def test_who_speaks_in_an_intercom_conversation(author: str, speaker: str) -> None:
    conversation = golden("intercom", "created")["data"]["item"]
    part = {"part_type": "comment", "body": "and more", "author": {"type": author}}
    said = replaced(conversation, ("conversation_parts", "conversation_parts"), [part])
    event = read_ticket("intercom", said)
    assert isinstance(event, ContactEvent)
    assert [turn.speaker for turn in event.contact.turns] == ["customer", speaker]


def test_an_intercom_mail_of_attachments_alone_still_has_its_subject() -> None:
    source = {"type": "email", "subject": "<p>Refund for my order</p>", "body": "<p><img src='a.png'></p>"}
    for author, kind in (("user", ContactEvent), ("admin", Ignored)):
        result = read_ticket("intercom", {"id": "1", "source": {**source, "author": {"type": author}}})
        assert isinstance(result, kind)
        if isinstance(result, ContactEvent):
            assert (result.contact.text, result.contact.subject) == ("", "Refund for my order")


def test_an_intercom_conversation_that_an_agent_began_is_ignored() -> None:
    event = golden("intercom", "created")
    (result,) = read_event("intercom", replaced(event, ("data", "item", "source", "author", "type"), "admin"))
    assert isinstance(result, Ignored)
    assert isinstance(read_ticket("intercom", {"id": "1", "source": {"body": "", "author": {"type": "user"}}}), Ignored)


@pytest.mark.parametrize(
    "item", [{"author": {"type": "bot"}}, {"delivered_as": "operator_initiated"}, {"delivered_as": "automated"}]
)
def test_an_intercom_conversation_that_a_bot_opened_needs_the_parts_in_which_the_customer_speaks(item: Any) -> None:
    event = golden("intercom", "created")
    source = event["data"]["item"]["source"]
    asked = {**source, "body": "Hi, how can I help?", "author": {"type": "admin", "id": "1"}, **item}
    (fetch,) = read_event("intercom", replaced(event, ("data", "item", "source"), asked))
    assert isinstance(fetch, NeedsFetch)
    part = {"part_type": "comment", "body": "<p>My refund?</p>", "author": {"type": "user"}}
    answer = {"id": fetch.ticket_id, "source": asked, "conversation_parts": {"conversation_parts": [part]}}
    read = read_ticket("intercom", answer, fetch=fetch)
    assert isinstance(read, ContactEvent)
    assert [turn.text for turn in read.contact.turns if turn.speaker == "customer"] == ["My refund?"]
    assert isinstance(read_ticket("intercom", {"id": fetch.ticket_id, "source": asked}, fetch=fetch), Ignored)


def test_intercom_s_own_words_in_place_of_a_tweet_are_no_customer_s() -> None:
    event = golden("intercom", "created")
    source = {"type": "twitter", "subject": "Not shown", "body": "This message is not shown", "author": None}
    tweet = replaced(event, ("data", "item", "source"), source)
    for author in (None, {}, {"type": "user"}):
        (fetch,) = read_event("intercom", replaced(tweet, ("data", "item", "source", "author"), author))
        assert isinstance(fetch, NeedsFetch)
        item = {"id": fetch.ticket_id, "source": {**source, "author": author}}
        assert isinstance(read_ticket("intercom", item, fetch=fetch), Ignored)
    part = {"part_type": "comment", "body": "My refund?", "author": {"type": "user"}}
    read = read_ticket("intercom", {**item, "conversation_parts": {"conversation_parts": [part]}}, fetch=fetch)
    assert isinstance(read, ContactEvent)
    assert (read.contact.text, read.contact.subject, read.contact.arrival_channel) == ("My refund?", None, "social")


def described(system: str, words: str) -> Any:
    """A ticket whose text is these words."""
    if system == "hubspot":
        return {"id": "1", "properties": {"content": words}}
    return {"Id": "1", "Description": words}


@pytest.mark.parametrize("system", ["hubspot", "salesforce"])
def test_html_is_made_text_where_a_system_may_send_it(system: str) -> None:
    html = "<html><head><style>p {}</style></head><body><p class=MsoNormal>Where is <b>my&nbsp;order</b>?</p><!-- x --></body></html>"
    event = read_ticket(system, described(system, html))
    assert isinstance(event, ContactEvent)
    assert event.contact.text == "Where is my order?"


@pytest.mark.parametrize("system", ["hubspot", "salesforce"])
@given(
    words=st.lists(
        st.sampled_from(["<", ">", "a", "b", "<a", "<b", "i>", "p", "lot", "and", "5", "<3", "<td", "<a@b.com>"])
    )
)
def test_plain_text_with_signs_of_less_loses_no_word(system: str, words: list[str]) -> None:
    said = " ".join(words)
    event = read_ticket(system, described(system, said))
    assert isinstance(event, ContactEvent)
    assert event.contact.text == said


@pytest.mark.parametrize(
    ("happened", "kind"),
    [
        ("{ticket_action:created}", "created"),
        ("{ticket_action:update}", "updated"),
        ("{status:{from:2,to:3}}", "updated"),
        (None, "created"),
    ],
)
def test_a_freshdesk_rule_says_what_triggered_it(happened: str | None, kind: str) -> None:
    (fetch,) = read_event("freshdesk", {"freshdesk_webhook": {"ticket_id": 35, "triggered_event": happened}})
    assert isinstance(fetch, NeedsFetch)
    assert fetch.kind == kind


@pytest.mark.parametrize("said", [{"event": "created"}, {"event": "updated"}, {}])
def test_a_zendesk_trigger_says_of_what_it_tells(said: dict[str, str]) -> None:
    (fetch,) = read_event("zendesk", {"ticket_id": "7", "updated_at": "2026-11-22T10:34:58Z", **said})
    assert isinstance(fetch, NeedsFetch)
    assert fetch.kind == said.get("event", "created")
    event = read_ticket("zendesk", {"ticket": {"id": 7, "description": "Where is it?"}}, fetch=fetch)
    assert isinstance(event, ContactEvent)
    assert event.kind == fetch.kind


def test_the_documented_body_of_a_zendesk_trigger_is_read() -> None:
    body = zendesk.TRIGGER_BODY.replace("{{ticket.id}}", "7")
    (fetch,) = read_event("zendesk", parse_body(body.encode()))
    assert isinstance(fetch, NeedsFetch)
    assert (fetch.kind, fetch.ticket_id) == ("created", "7")


def test_two_updates_of_a_zendesk_ticket_in_one_second_are_two_events() -> None:
    body = {"ticket_id": "7", "updated_at": "2026-11-22T10:34:58Z", "event": "updated"}

    def key(invocation: str | None) -> str:
        headers = {} if invocation is None else {"x-zendesk-webhook-invocation-id": invocation}
        (fetch,) = read_event("zendesk", body, headers=headers)
        assert isinstance(fetch, NeedsFetch)
        return fetch.key

    assert key("01J1") == key("01J1")
    assert len({key("01J1"), key("01J2"), key(None)}) == 3


@given(st.lists(st.sampled_from(["good", "ignored", "bad"]), min_size=1, max_size=8))
def test_hubspot_notifications_that_cannot_be_read_take_no_others_with_them(kinds: list[str]) -> None:
    event = golden("hubspot", "batch")[0]
    made = {
        "good": event,
        "ignored": {**event, "subscriptionType": "ticket.deletion"},
        "bad": {**event, "objectId": "a b"},
    }
    payload = [made[kind] for kind in kinds]
    if set(kinds) == {"bad"}:
        with pytest.raises(EventError, match=r"^\[0\]\.objectId: another text; it must be an id"):
            read_event("hubspot", payload)
        return
    results = read_event("hubspot", payload)
    wanted = {"good": NeedsFetch, "ignored": Ignored, "bad": Refused}
    assert [type(result) for result in results] == [wanted[kind] for kind in kinds]
    for i, (kind, result) in enumerate(zip(kinds, results, strict=True)):
        if isinstance(result, Refused):
            assert (result.index, result.why.partition(":")[0]) == (i, f"[{i}].objectId")
        else:
            assert result == read_event("hubspot", [made[kind]])[0]


@pytest.mark.parametrize("time", ["1989-12-31T23:59:59Z", "2200-01-01T00:00:00Z"])
def test_times_that_no_ticket_has_are_refused(time: str) -> None:
    with pytest.raises(EventError, match=r"detail\.created_at: another text; it must be a time"):
        read_event("zendesk", replaced(golden("zendesk", "created"), ("detail", "created_at"), time))
