"""Events of CRMs over real HTTP: handled once, answered with what is to be written, refused clearly."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import contact_reasons as cr
from contact_reasons.crm.events import (
    EVENT_SYSTEMS,
    SECRET_HEADER,
    ContactEvent,
    FieldMap,
    NeedsFetch,
    ResultMap,
    label_values,
    read_event,
    read_ticket,
    update_of,
)
from contact_reasons.errors import ServiceError
from contact_reasons.service import ServiceSettings, SystemSettings, create_app, read_systems
from contact_reasons.service.models import load_served
from tests.conftest import ROOT
from tests.service import KEY, Running, head
from tests.unit.test_crm_hostile_events import BODIES, PAYLOADS, PRIVATE, changed, good

FOLDER = ROOT / "tests" / "golden" / "crm" / "events"
FIELDS = {
    "freshdesk": FieldMap(fields={"cf_tier": "customer_type"}, values={"customer_type": {"vip": "gold"}}),
    "zendesk": FieldMap(channels={"api": "web"}),
}
RESULTS = {
    "zendesk": ResultMap(fields={"secondary": "36001", "confidence": "36002", "channel": "36003", "model": "36004"}),
    "salesforce": ResultMap(fields={"primary": "Reason__c", "secondary": "Detail__c", "rule_id": "Rule__c"}),
    "hubspot": ResultMap(fields={"primary": "contact_reason", "secondary": "contact_reason_detail"}),
    "freshdesk": ResultMap(fields={"primary": "cf_reason", "secondary": "cf_detail"}),
    "intercom": ResultMap(fields={"reason": "Contact reason", "channel": "Best channel"}),
}
SYSTEMS = {
    name: SystemSettings(
        fields=FIELDS.get(name, FieldMap()),
        results=RESULTS[name],
        reasons_as="labels" if name in ("freshdesk", "intercom") else "codes",
    )
    for name in EVENT_SYSTEMS
}


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with Running(systems=SYSTEMS) as found:
        yield found


@pytest.fixture
def running(served: Running) -> Running:
    """With an empty store: golden payloads of a system share ids."""
    served.service.store._database.execute("DELETE FROM answers")
    return served


def cases(key: str) -> list[Any]:
    paths = [path for name in EVENT_SYSTEMS for path in sorted((FOLDER / name).glob("*.json"))]
    read = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return [
        pytest.param(path.parent.name, case, id=f"{path.parent.name}-{path.stem}")
        for path, case in read
        if key in case and "fields" not in case
    ]


def wanted(retail: cr.Pipeline, system: str, result: Any, model: str) -> dict[str, Any]:
    """An outcome as it follows from the library's own functions."""
    if isinstance(result, ContactEvent):
        handled = retail.handle(result.contact)
        results = SYSTEMS[system].results
        if SYSTEMS[system].reasons_as == "labels":
            results = dataclasses.replace(results, values=label_values(system, retail.taxonomy))
        update = update_of(system, result.ticket_id, handled.label, handled.recommendation, fields=results, model=model)
        found = {
            "outcome": "handled",
            "key": result.key,
            "kind": result.kind,
            "ticket_id": result.ticket_id,
            "label": dataclasses.asdict(handled.label),
            "recommendation": dataclasses.asdict(handled.recommendation) | {"why": handled.recommendation.why},
            "update": None if update is None else {"method": update.method, "path": update.path, "body": update.body},
            "warnings": [{"key": each.key, "what": each.what} for each in result.warnings],
        }
    elif isinstance(result, NeedsFetch):
        names = ("key", "kind", "ticket_id", "path", "fields", "why")
        found = {"outcome": "needs_fetch"} | {name: getattr(result, name) for name in names}
    else:
        found = {"outcome": "ignored"} | {name: getattr(result, name) for name in ("why", "ticket_id", "lost")}
    return json.loads(json.dumps(found))


def outcomes(answer: httpx.Response) -> list[dict[str, Any]]:
    """Outcomes without the model and whether they were given before."""
    assert answer.status_code == 200, answer.text
    found = answer.json()["outcomes"]
    return [{name: value for name, value in each.items() if name not in ("model", "replayed")} for each in found]


@pytest.mark.parametrize(("system", "case"), cases("payload"))
def test_an_event_is_answered_as_the_library_answers_it(
    running: Running, retail: cr.Pipeline, system: str, case: dict[str, Any]
) -> None:
    answer = running.post(f"/events/{system}", case["payload"])
    model = running.service.models.current.model.id
    results = read_event(system, case["payload"], fields=SYSTEMS[system].fields)
    assert outcomes(answer) == [wanted(retail, system, result, model) for result in results]
    again = running.post(f"/events/{system}", case["payload"])
    assert outcomes(again) == outcomes(answer)
    assert all(each.get("replayed", True) for each in again.json()["outcomes"])


@pytest.mark.parametrize(("system", "case"), cases("event"))
def test_an_event_that_needs_a_ticket_is_handled_with_it_and_then_known(
    running: Running, retail: cr.Pipeline, system: str, case: dict[str, Any]
) -> None:
    fields = SYSTEMS[system].fields
    (fetch,) = read_event(system, case["event"], fields=fields)
    assert isinstance(fetch, NeedsFetch)
    assert outcomes(running.post(f"/events/{system}", case["event"]))[0]["outcome"] == "needs_fetch"
    both = {"event": case["event"], "tickets": {fetch.key: case["ticket"]}}
    answer = running.post(f"/tickets/{system}", both)
    event = read_ticket(system, case["ticket"], fields=fields, fetch=fetch)
    model = running.service.models.current.model.id
    assert outcomes(answer) == [wanted(retail, system, event, model)]
    again = running.post(f"/events/{system}", case["event"])
    assert outcomes(again) == outcomes(answer)
    assert again.json()["outcomes"][0]["replayed"] is True


def test_tickets_that_do_not_belong_to_the_event_are_refused(running: Running) -> None:
    event = good("hubspot")[:1]
    keys = [fetch.key for fetch in read_event("hubspot", event) if isinstance(fetch, NeedsFetch)]
    answer = running.post("/tickets/hubspot", {"event": event, "tickets": {"hubspot:other": {}}})
    assert answer.json()["errors"][0]["detail"].startswith("a key is none that the event needs")
    answer = running.post("/tickets/hubspot", {"event": event, "tickets": {keys[0]: {"id": "0", "properties": {}}}})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "event-unreadable")
    assert "another ticket" in answer.json()["detail"]
    for body in ({"event": event}, {"event": "x", "tickets": {}}, {"event": event, "tickets": [1]}):
        answer = running.post("/tickets/hubspot", body)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "invalid")
    assert outcomes(running.post("/tickets/hubspot", {"event": event, "tickets": {}}))[0]["outcome"] == "needs_fetch"


# ------------------------------------------------------------------------------------------- hostile


def test_hostile_payloads_are_refused_and_nothing_is_kept(running: Running) -> None:
    """Those of the library's own tests, 20 and more a system, over HTTP."""
    kept = len(running.service.store)
    for system, hostile in PAYLOADS.items():
        for path, value, _ in hostile:
            body = json.dumps(changed(good(system), path, value) if path else value)
            answer = running.client.post(
                f"/events/{system}", content=body, headers={"content-type": "application/json"}
            )
            found = answer.json()
            if system == "hubspot" and path and answer.status_code == 200:  # other notifications of the list are right
                (found,) = [each for each in found["outcomes"] if each["outcome"] == "refused"]
                assert (found["index"], found["problem"]) == (int(path.partition(".")[0]), "event-unreadable")
            else:
                assert answer.status_code in (400, 422), (system, path, answer.text)
            assert "must be" in found["detail"] or "occurs twice" in found["detail"]
            assert PRIVATE not in answer.text
    assert len(running.service.store) == kept


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_hostile_bodies_are_refused_and_nothing_is_kept(running: Running, system: str) -> None:
    kept = len(running.service.store)
    for name, made, _ in BODIES:
        body = made(json.dumps(good(system)).encode())
        if isinstance(body, str):
            continue
        answer = running.client.post(f"/events/{system}", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == (413 if name == "5 MB" else 400), name
        assert answer.headers["content-type"] == "application/problem+json"
        assert PRIVATE not in answer.text
    assert len(running.service.store) == kept


def test_a_value_that_the_policy_does_not_know_is_refused_and_nothing_is_kept() -> None:
    systems = {"freshdesk": SystemSettings(fields=FieldMap(fields={"cf_tier": "customer_type"}))}
    with Running(systems=systems) as running:
        payload = changed(good("freshdesk"), "data.ticket.custom_fields", {"cf_tier": PRIVATE})
        answer = running.post("/events/freshdesk", payload)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "not-routable")
        assert answer.json()["errors"][0]["detail"].startswith("input 'customer_type' must be one of")
        assert PRIVATE not in answer.text
        assert len(running.service.store) == 0


def test_of_a_list_the_good_are_answered_the_bad_named_and_a_retry_doubles_nothing(running: Running) -> None:
    event = good("hubspot")[0]
    body = [event, {**event, "objectId": PRIVATE}, {**event, "objectId": 7}, {**event, "objectId": 8}, event]
    asked = running.post("/events/hubspot", body)
    first, bad, second, third, same = outcomes(asked)
    assert [each["outcome"] for each in (first, bad, second, third, same)] == [
        "needs_fetch",
        "refused",
        *["needs_fetch"] * 3,
    ]
    assert (bad["index"], bad["problem"], bad["detail"].partition(":")[0]) == (1, "event-unreadable", "[1].objectId")
    assert PRIVATE not in asked.text
    tickets = {
        first["key"]: {"id": str(event["objectId"]), "properties": {"content": "where is my parcel"}},
        second["key"]: {"id": "7", "properties": {"content": 7}},
    }
    for replayed in (False, True):
        answer = running.post("/tickets/hubspot", {"event": body, "tickets": tickets})
        found = answer.json()["outcomes"]
        assert [each["outcome"] for each in found] == ["handled", "refused", "refused", "needs_fetch", "handled"]
        assert [found[0]["replayed"], found[4]["replayed"]] == [replayed, True]
        assert (found[2]["index"], found[2]["detail"].partition(":")[0]) == (2, "properties.content")
        assert len(running.service.store) == 1
    found = running.post("/events/hubspot", body).json()["outcomes"]
    assert [each["outcome"] for each in found] == ["handled", "refused", "needs_fetch", "needs_fetch", "handled"]
    answer = running.post("/events/hubspot", [body[1], body[1]])
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "event-unreadable")


def test_a_case_that_cannot_be_routed_takes_no_other_of_its_event_with_it() -> None:
    fields = FieldMap(fields={"customer_tier": "customer_type"})
    with Running(systems={"hubspot": SystemSettings(fields=fields)}) as running:
        event = good("hubspot")[0]
        body = [{**event, "objectId": n} for n in (1, 2)]
        keys = [each["key"] for each in outcomes(running.post("/events/hubspot", body))]

        def ask(*tiers: str) -> httpx.Response:
            answers = [
                {"id": str(n), "properties": {"content": "where is it", "customer_tier": tier}}
                for n, tier in enumerate(tiers, 1)
            ]
            return running.post("/tickets/hubspot", {"event": body, "tickets": dict(zip(keys, answers, strict=True))})

        answer = ask(PRIVATE, PRIVATE)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "not-routable")
        assert [each["pointer"] for each in answer.json()["errors"]] == ["#/0", "#/1"]
        assert len(running.service.store) == 0
        mixed = ask("gold", PRIVATE)
        right, wrong = outcomes(mixed)
        assert (right["outcome"], wrong["outcome"], wrong["index"], wrong["problem"]) == (
            "handled",
            "refused",
            1,
            "not-routable",
        )
        assert wrong["detail"].startswith("input 'customer_type' must be one of")
        assert PRIVATE not in mixed.text
        assert len(running.service.store) == 1


def test_the_same_event_many_times_at_once_is_handled_once(running: Running) -> None:
    body = good("zendesk")

    async def ask() -> list[httpx.Response]:
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60) as client:
            return await asyncio.gather(*(client.post("/events/zendesk", json=body) for _ in range(20)))

    answers = asyncio.run(ask())
    assert sorted(answer.json()["outcomes"][0]["replayed"] for answer in answers) == [False] + [True] * 19
    assert len({json.dumps(outcomes(answer)) for answer in answers}) == 1
    assert len(running.service.store) == 1


def test_a_zendesk_trigger_s_ticket_is_known_by_the_header_of_its_event(running: Running) -> None:
    body = {"ticket_id": "7", "updated_at": "2026-11-22T10:34:58Z"}
    invoked = {"X-Zendesk-Webhook-Invocation-Id": "01J1"}
    (fetch,) = outcomes(running.post("/events/zendesk", body, headers=invoked))
    both = {"event": body, "tickets": {fetch["key"]: {"ticket": {"id": 7, "description": "my refund"}}}}
    refused = running.post("/tickets/zendesk", both)
    assert "send the event's header X-Zendesk-Webhook-Invocation-Id" in refused.json()["errors"][0]["detail"]
    assert outcomes(running.post("/tickets/zendesk", both, headers=invoked))[0]["outcome"] == "handled"


def test_without_the_key_the_body_of_an_unsigned_event_is_not_read(running: Running) -> None:
    unknown = head("/events/zendesk", Content_Length="1000000", Expect="100-continue").replace(KEY.encode(), b"x" * 20)
    answer = running.raw(unknown, end=True)
    assert answer.startswith(b"HTTP/1.1 401 ")


# ---------------------------------------------------------------------------------------- signatures

SECRET = "a secret of the CRM"


def signed(system: str, body: bytes, uri: str) -> dict[str, str]:
    now = dt.datetime.now(dt.UTC)
    key = SECRET.encode()
    if system == "zendesk":
        stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        made = base64.b64encode(hmac.new(key, stamp.encode() + body, hashlib.sha256).digest()).decode()
        return {"X-Zendesk-Webhook-Signature": made, "X-Zendesk-Webhook-Signature-Timestamp": stamp}
    if system == "hubspot":
        stamp = str(round(now.timestamp() * 1000))
        made = base64.b64encode(
            hmac.new(key, f"POST{uri}".encode() + body + stamp.encode(), hashlib.sha256).digest()
        ).decode()
        return {"X-HubSpot-Signature-v3": made, "X-HubSpot-Request-Timestamp": stamp}
    if system == "intercom":
        return {"X-Hub-Signature": "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest()}
    return {SECRET_HEADER: SECRET}


@pytest.fixture(scope="module")
def signing() -> Iterator[Running]:
    uri = "https://hooks.example.com/events/hubspot"
    systems = {name: SystemSettings(secrets=("the one before", SECRET), uri=uri) for name in EVENT_SYSTEMS}
    with Running(systems=systems) as found:
        yield found


@pytest.mark.parametrize("system", EVENT_SYSTEMS)
def test_with_a_secret_the_signature_stands_in_place_of_the_key(signing: Running, system: str) -> None:
    body = json.dumps(good(system)).encode()
    headers = {"content-type": "application/json", **signed(system, body, "https://hooks.example.com/events/hubspot")}
    assert httpx.post(f"{signing.url}/events/{system}", content=body, headers=headers).status_code == 200
    changed_body = body.replace(b"}", b" }", 1)
    if system in ("zendesk", "hubspot", "intercom"):
        answer = httpx.post(f"{signing.url}/events/{system}", content=changed_body, headers=headers)
        assert (answer.status_code, "the signature is not that of this body" in answer.json()["detail"]) == (401, True)
    plain = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{signing.url}/events/{system}", content=body, headers=plain)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, "unauthorized")
    assert SECRET not in answer.text
    assert httpx.post(f"{signing.url}/tickets/{system}", content=body, headers=headers).status_code == 401


def test_without_a_secret_an_event_needs_the_key(running: Running) -> None:
    answer = httpx.post(f"{running.url}/events/zendesk", json=good("zendesk"))
    assert (answer.status_code, "API key is missing" in answer.json()["detail"]) == (401, True)


# ------------------------------------------------------------------------------------------ settings


def test_systems_come_from_a_file_and_secrets_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "systems.yaml"
    file.write_text(
        "zendesk:\n  secrets_from: ZENDESK_SECRET\n  fields:\n    fields: {'360001': customer_type}\n"
        "  results:\n    fields: {secondary: '360010'}\nfreshdesk:\n  reasons_as: labels\nintercom:\n"
    )
    found = read_systems(file, {"ZENDESK_SECRET": "new-secret old-secret"})
    assert found["zendesk"] == SystemSettings(
        secrets=("new-secret", "old-secret"),
        fields=FieldMap(fields={"360001": "customer_type"}),
        results=ResultMap(fields={"secondary": "360010"}),
    )
    assert found["freshdesk"].reasons_as == "labels"
    assert found["intercom"] == SystemSettings()
    assert "new-secret" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- zendesk\n", "it must be a mapping from systems"),
        ("zendeks: {}\n", r"line 1, zendeks: no system whose events are read; did you mean 'zendesk'"),
        ("zendesk: {secret: x}\n", r"zendesk\.secret: the key 'secret' is not known here; did you mean 'secrets_from'"),
        ("zendesk: {secrets_from: NOT_SET}\n", r"secrets_from: the environment variable NOT_SET is empty"),
        (
            "zendesk:\n  results:\n    fields: {secondry: '1'}\n",
            r"line 3, zendesk\.results\.fields: 'secondry' is no result",
        ),
        ("zendesk: {reasons_as: words}\n", "this must be 'codes' or 'labels'"),
    ],
)
def test_a_wrong_file_of_systems_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "systems.yaml"
    file.write_text(text)
    with pytest.raises(ServiceError, match=said):
        read_systems(file, {})


def test_a_secret_that_is_too_short_is_refused_with_its_place_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "systems.yaml"
    file.write_text("zendesk: {secrets_from: ZENDESK_SECRET}\n")
    said = r"line 1, zendesk\.secrets_from: a secret in the environment variable ZENDESK_SECRET has 5 characters; a secret has at least 8"
    with pytest.raises(ServiceError, match=said) as caught:
        read_systems(file, {"ZENDESK_SECRET": "long-enough xYz42"})
    assert "xYz42" not in str(caught.value)


def test_results_that_lack_a_value_for_a_reason_are_refused_at_the_start() -> None:
    systems = {"freshdesk": SystemSettings(results=ResultMap(fields={"secondary": "cf_detail"}))}
    with pytest.raises(ServiceError, match=r"systems\.freshdesk: .* `values` has nothing for the reason"):
        create_app(ServiceSettings(keys=(KEY,), systems=systems))


def test_hubspot_signs_an_address_that_must_be_given() -> None:
    with pytest.raises(ServiceError, match=r"systems\.hubspot: `uri` is missing"):
        ServiceSettings(keys=(KEY,), systems={"hubspot": SystemSettings(secrets=(SECRET,))})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            FieldMap(fields={"1": "customer_type"}, values={"customer_type": {"gold_member": "Gold"}}),
            "systems.zendesk.fields.values.customer_type.gold_member: policy 'retail-service' knows no 'Gold' for 'customer_type'; did you mean 'gold'",
        ),
        (
            FieldMap(channels={"fax": "fax"}),
            "systems.zendesk.fields.channels.fax: .* knows no 'fax' for 'arrival_channel'",
        ),
        (FieldMap(unknown_channel="other"), "systems.zendesk.fields.unknown_channel: .* knows no 'other'"),
    ],
    ids=["value", "channel", "unknown channel"],
)
def test_a_word_that_the_policy_does_not_know_is_refused_before_the_first_event(fields: FieldMap, told: str) -> None:
    settings = ServiceSettings(pack="retail", no_key=True, systems={"zendesk": SystemSettings(fields=fields)})
    with pytest.raises(ServiceError, match=told):
        load_served(settings)


def test_words_of_a_kind_that_the_policy_does_not_read_are_left_alone() -> None:
    fields = FieldMap(
        fields={"1": "persona", "2": "vulnerable"}, values={"persona": {"x": "any word"}, "vulnerable": {"J": "yes"}}
    )
    settings = ServiceSettings(pack="retail", no_key=True, systems={"zendesk": SystemSettings(fields=fields)})
    assert load_served(settings).results.keys() == {"zendesk"}
