"""Exports, plans, results and events of CRMs are valid against the schemas that the vendors publish, or that are written by hand where there are none."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import contact_reasons as cr
from contact_reasons.crm.events import UPDATE_SYSTEMS, ResultMap, label_values, update_of
from contact_reasons.crm.exports import SYSTEMS, export_taxonomy, plan_update
from contact_reasons.crm.exports.plans import UpdatePlan
from contact_reasons.resources import pack_names
from contact_reasons.taxonomy import Taxonomy
from tests.crm_simulators import SIMULATED
from tests.golden.crm_schemas import (
    FOLDER,
    REQUESTS,
    event_parts,
    problems,
    request_problems,
    request_schema,
    xml_problems,
)
from tests.golden.test_crm import small

ANSWERS = [
    ("hubspot", "hubspot", "CollectionResponsePropertyNoPaging"),
    ("jira", "jira", "PageCustomFieldContextOption"),
    ("intercom", "intercom-lists", "ConversationAttributeList"),
]
EVENTS = sorted((FOLDER.parent / "events").rglob("*.json"))


def changed(taxonomy: Taxonomy) -> Taxonomy:
    """The next version: the first reason gone, the second with another label, one new, the order turned round."""
    primaries: list[dict[str, Any]] = [
        {
            "id": primary.id,
            "label": primary.label,
            "secondaries": [{"id": each.id, "label": each.label} for each in primary.secondaries],
        }
        for primary in reversed(taxonomy.primaries)
    ]
    last = primaries[-1]["secondaries"]
    del last[0]
    last[0]["label"] = "Quite another thing"
    last.append({"id": f"{primaries[-1]['id']}.brand_new", "label": "Brand new"})
    return Taxonomy.from_dict({"taxonomy_id": taxonomy.taxonomy_id, "version": "99.0.0", "primaries": primaries})


@cache
def named(name: str) -> Taxonomy:
    return small(1) if name == "small" else Taxonomy.load(name)


@cache
def planned(name: str, system: str) -> UpdatePlan:
    crm, taxonomy = SIMULATED[system](), named(name)
    crm.create(export_taxonomy(taxonomy, system))
    return plan_update(system, crm.listing(), small(2) if name == "small" else changed(taxonomy), earlier=taxonomy)


def requests(files: dict[str, str]) -> Iterator[tuple[str, str, str, Any]]:
    for name, text in files.items():
        document = json.loads(text) if name.endswith(".json") else None
        if isinstance(document, dict) and "method" in document:
            yield name, document["method"], document["path"], document["body"]


def found_in(system: str, files: dict[str, str]) -> list[str]:
    """What is wrong with requests and XML files, each with the name of the file."""
    wrong, checked = [], 0
    for name, method, path, body in requests(files):
        checked += 1
        wrong += [f"{name}: {each}" for each in request_problems(system, method, path, body)]
    for name, text in files.items():
        if name.endswith(".xml"):
            checked += 1
            wrong += [f"{name}: {each}" for each in xml_problems(system, text)]
    assert checked, f"nothing of {sorted(files)} was checked"
    return wrong


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", ["small", *pack_names()])
def test_an_export_is_valid(name: str, system: str) -> None:
    assert found_in(system, export_taxonomy(named(name), system)) == []


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", ["small", *pack_names()])
def test_a_plan_is_valid(name: str, system: str) -> None:
    assert found_in(system, planned(name, system).files()) == []


@pytest.mark.parametrize("name", ["small", *pack_names()])
def test_attributes_of_a_ticket_type_of_intercom_are_valid(name: str) -> None:
    taxonomy = named(name)
    files = export_taxonomy(taxonomy, "intercom", kind="ticket")
    assert found_in("intercom", files) == []
    attributes = []
    for number, (*_, body) in enumerate(requests(files), 1):
        options = [{"id": label, "label": label} for label in body.pop("list_items").split(",")]
        attributes.append(body | {"id": str(number), "input_options": {"list_options": options}})
    answer = {"id": "9", "ticket_type_attributes": {"type": "list", "ticket_type_attributes": attributes}}
    assert problems("intercom", "TicketType", answer) == []
    plan = plan_update(
        "intercom", {"answer.json": json.dumps(answer)}, changed(taxonomy), earlier=taxonomy, kind="ticket"
    )
    assert found_in("intercom", plan.files()) == []


@pytest.mark.parametrize(("system", "file", "name"), ANSWERS)
def test_answers_that_plans_are_made_from_are_valid(system: str, file: str, name: str) -> None:
    crm = SIMULATED[system]()
    crm.create(export_taxonomy(small(1), system))
    for text in crm.listing().values():
        assert problems(file, name, json.loads(text)) == []


@pytest.mark.parametrize("extras", ["<externalId>false</externalId>", "<trackHistory>true</trackHistory>"])
@pytest.mark.parametrize("after", ["<visibleLines>4</visibleLines>", "<unique>false</unique>"])
def test_a_field_that_was_retrieved_is_written_in_the_order_of_the_schema(extras: str, after: str) -> None:
    files = {}
    for name, text in export_taxonomy(small(1), "salesforce").items():
        text = text.replace("<label>Contact reason", f"{extras}<label>Contact reason")
        files[name] = text.replace("</CustomField>", f"{after}</CustomField>")
    plan = plan_update("salesforce", files, small(2), earlier=small(1))
    written = "".join(plan.files().values())
    assert extras in written
    assert after in written
    assert found_in("salesforce", plan.files()) == []


TICKETS = {
    "zendesk": "5158",
    "salesforce": "500Rj00000FEgK0IAL",
    "hubspot": "2001",
    "freshdesk": "35",
    "intercom": "215470",
    "jira": "SUP-42",
    "dynamics": "0a1b2c3d-0000-4000-8000-00000000000a",
    "servicenow": "9d385017c611228701d22104cc95c371",
}
RESULTS = ("primary", "secondary", "confidence", "channel", "priority", "queue", "rule_id", "policy", "model")
ROUTED = cr.Recommendation(
    channel="message", priority=3, rule_id="money-message", policy_id="retail", policy_version="1.2.0", queue="money"
)


def results_of(system: str, taxonomy: Taxonomy) -> ResultMap:
    names = {"zendesk": "36001{}", "jira": "customfield_1005{}", "intercom": "Result {}"}
    fields = {result: names.get(system, "cf_result_{}").format(number) for number, result in enumerate(RESULTS)}
    values: dict[str, str | int] = {}
    if system in ("freshdesk", "intercom", "jira"):
        values |= label_values(system, taxonomy)
    elif system == "dynamics":
        values |= {reason.id: 100000000 + number for number, reason in enumerate(taxonomy.reasons)}
    if system == "jira":
        fields["secondary"] = fields["primary"]
    return ResultMap(fields=fields, values=values)


@pytest.mark.parametrize("system", UPDATE_SYSTEMS)
@pytest.mark.parametrize("name", ["small", *pack_names()])
def test_results_are_valid(name: str, system: str) -> None:
    taxonomy = named(name)
    fields = results_of(system, taxonomy)
    tags = {"tags": ["labelled"], "tags_before": ["vip"]} if system in ("zendesk", "freshdesk", "jira") else {}
    for primary in taxonomy.primaries:
        for secondary in (None, *primary.secondaries):
            for routed, more in ((None, {}), (ROUTED, tags)):
                label = cr.ReasonLabel(
                    primary=primary.id,
                    secondary=None if secondary is None else secondary.id,
                    confidence=0.91237,
                    abstained=False,
                )
                update = update_of(system, TICKETS[system], label, routed, fields=fields, model="5f1c", **more)
                assert update is not None
                assert request_problems(system, update.method, update.path, update.body) == []


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_event_is_valid(path: Path) -> None:
    case, system = json.loads(path.read_text(encoding="utf-8")), path.parent.name
    if "update" in case and case["expected"] is not None:
        expected = case["expected"]
        assert request_problems(system, expected["method"], expected["path"], expected["body"]) == []
    for kind in ("payload", "event", "ticket"):
        for file, name, document in event_parts(system, kind, case[kind]) if kind in case else ():
            assert problems(file, name, document) == [], kind


def test_each_kind_of_event_is_checked() -> None:
    """So that no fixture is passed over but those that name no vendor's shape: a trigger's body and a record from a flow."""
    unchecked = []
    for path in EVENTS:
        case = json.loads(path.read_text(encoding="utf-8"))
        for kind in {"payload", "event", "ticket"} & set(case):
            if not event_parts(path.parent.name, kind, case[kind]):
                unchecked.append(f"{path.parent.name}/{path.stem} {kind}")
    assert sorted(unchecked) == ["salesforce/record payload", "salesforce/ticket ticket", "zendesk/trigger payload"]


BROKEN: list[tuple[str, str, str, Any]] = [
    ("zendesk", "TicketFieldCreate", "ticket_field.type", "dropdown"),
    ("zendesk", "TicketFieldUpdate", "ticket_field.custom_field_options.0.value", "two words"),
    ("zendesk", "TicketUpdate", "ticket.custom_fields.0.id", "360010"),
    ("zendesk", "TicketUpdateMany", "ticket.additional_tags", "labelled"),
    ("zendesk", "TicketEvent", "detail.status", "new"),
    ("zendesk", "Ticket", "ticket.id", "5158"),
    ("hubspot", "PropertyCreate", "fieldType", "picklist"),
    ("hubspot", "PropertyUpdate", "options.0.hidden", None),
    ("hubspot", "SimplePublicObjectInput", "properties.contact_reason", 3),
    ("hubspot", "SimplePublicObjectWithAssociations", "id", 2001),
    ("hubspot", "CollectionResponsePropertyNoPaging", "results.0.label", None),
    ("hubspot-events", "Notifications", "0.objectId", "2001"),
    ("intercom", "Conversation", "state", "new"),
    ("intercom", "UpdateConversationRequest", "custom_attributes", "billing"),
    ("intercom", "CreateTicketTypeAttributeRequest", "data_type", "options"),
    ("intercom", "UpdateTicketTypeAttributeRequest", "list_items", ["Refund"]),
    ("intercom-lists", "CreateConversationAttribute", "options.0.id", "item-1"),
    ("intercom-lists", "ConversationAttributeOption", "label", ""),
    ("intercom-lists", "ConversationAttributeList", "data.1.options.0.archived", None),
    ("intercom-lists", "Notification", "topic", "conversation user created"),
    ("freshdesk", "TicketFieldCreate", "choices.0.choices.0.choices", [{"value": "Third", "choices": [{}]}]),
    ("freshdesk", "TicketFieldUpdate", "choices.0.position", 0),
    ("freshdesk", "TicketUpdate", "tags", "labelled"),
    ("freshdesk", "Ticket", "priority", "low"),
    ("freshdesk", "AppEvent", "event", "ticket_created"),
    ("freshdesk", "RuleWebhook", "freshdesk_webhook", {}),
    ("jira", "BulkCustomFieldOptionCreateRequest", "options.0.value", None),
    ("jira", "BulkCustomFieldOptionUpdateRequest", "options.0.id", 10003),
    ("jira", "OrderOfCustomFieldOptions", "position", "Top"),
    ("jira", "IssueUpdateDetails", "fields", "customfield_10050"),
    ("jira", "PageCustomFieldContextOption", "values.0.disabled", "no"),
    ("dynamics", "OptionSetMetadata", "OptionSetType", "Dropdown"),
    ("dynamics", "InsertOptionValue", "Label", "Damaged"),
    ("dynamics", "UpdateOptionValue", "MergeLabels", None),
    ("dynamics", "OrderOption", "Values", ["100000001"]),
    ("dynamics", "PublishXml", "ParameterXml", {}),
    ("dynamics", "Incident", "new_contactreason", {"Value": 100000003}),
    ("salesforce-events", "ChangeEventHeader", "changeType", "INSERT"),
    ("records", "Record", "Contact_Reason__c", ["returns"]),
]
"""A place in a valid document of each definition, and what may not stand there; None: nothing may be missing there."""


@cache
def valid_documents() -> dict[tuple[str, str], Any]:
    """One document of each definition, from what is checked above."""
    found: dict[tuple[str, str], Any] = {}
    for system in SYSTEMS:
        files = export_taxonomy(small(1), system) | planned("small", system).files()
        for _, method, path, body in requests(files):
            found.setdefault(request_schema(system, method, path), body)
    plain = Taxonomy.from_pairs([("Billing", "Refund"), ("Delivery", "Late")])
    (_, *_, body), *_ = requests(export_taxonomy(plain, "intercom", kind="ticket"))
    found["intercom", "CreateTicketTypeAttributeRequest"] = body
    found["intercom", "UpdateTicketTypeAttributeRequest"] = {"list_items": body["list_items"]}
    for system, file, name in ANSWERS:
        crm = SIMULATED[system]()
        crm.create(export_taxonomy(small(1), system))
        found[file, name] = json.loads(next(iter(crm.listing().values())))
    for path in EVENTS:
        case = json.loads(path.read_text(encoding="utf-8"))
        if "update" in case and case["expected"] is not None:
            sent = case["expected"]
            found.setdefault(request_schema(path.parent.name, sent["method"], sent["path"]), sent["body"])
        for kind in {"payload", "event", "ticket"} & set(case):
            for file, name, document in event_parts(path.parent.name, kind, case[kind]):
                found.setdefault((file, name), document)
    return found


def put(document: Any, place: str, value: Any) -> None:
    *way, last = (int(key) if key.isdigit() else key for key in place.split("."))
    for key in way:
        document = document[key]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(("file", "name", "place", "value"), BROKEN, ids=lambda given: str(given)[:40])
def test_a_schema_refuses_a_broken_document(file: str, name: str, place: str, value: Any) -> None:
    document = copy.deepcopy(valid_documents()[file, name])
    assert problems(file, name, document) == []
    put(document, place, value)
    assert problems(file, name, document) != []


@pytest.mark.parametrize(("file", "name"), sorted({row[:2] for row in BROKEN if row[1] not in ("Record", "Incident")}))
def test_a_schema_refuses_a_member_it_does_not_name(file: str, name: str) -> None:
    document = copy.deepcopy(valid_documents()[file, name])
    (document[0] if isinstance(document, list) else document)["invented"] = 1
    assert any("'invented' was unexpected" in problem for problem in problems(file, name, document))


def test_each_schema_that_is_used_has_been_seen_to_refuse() -> None:
    nothing = ("intercom-lists", "Nothing")
    assert {*(row[:2] for row in BROKEN), nothing} == set(valid_documents())
    assert problems(*nothing, {}) != []
    assert {schema for known in REQUESTS.values() for schema in known.values()} <= set(valid_documents())


BROKEN_XML = [
    ("salesforce", "Contact_Reason__c.field-meta.xml", "<type>Picklist<", "<type>Dropdown<"),
    ("salesforce", "Contact_Reason__c.field-meta.xml", "<required>false</required>", "<needed>false</needed>"),
    ("salesforce", "Contact_Reason__c.field-meta.xml", "<default>false</default>", ""),
    ("salesforce", "Contact_Reason__c.field-meta.xml", "<sorted>false<", "<sorted>no<"),
    ("salesforce", "Contact_Reason_Detail__c.field-meta.xml", "<valueName>billing__refund</valueName>", ""),
    ("salesforce", "Contact_Reason_Detail_Fits.validationRule-meta.xml", "<active>true</active>", ""),
    ("salesforce", "package.xml", "<version>60.0</version>", ""),
    ("salesforce", "package.xml", "soap.sforce.com/2006/04", "soap.sforce.com/2007/04"),
    ("servicenow", "sys_choice.xml", "<inactive>false<", "<inactive>no<"),
    ("servicenow", "sys_choice.xml", "<element>category</element>", ""),
    ("servicenow", "sys_choice.xml", ' action="INSERT_OR_UPDATE"', ""),
]


@pytest.mark.parametrize(("system", "file", "right", "wrong"), BROKEN_XML)
def test_a_schema_refuses_a_broken_file(system: str, file: str, right: str, wrong: str) -> None:
    (text,) = (text for name, text in export_taxonomy(small(1), system).items() if name.endswith(file))
    assert right in text
    assert xml_problems(system, text) == []
    assert xml_problems(system, text.replace(right, wrong, 1)) != []


def test_each_file_of_schemas_says_where_it_comes_from() -> None:
    for path in sorted(FOLDER.glob("*.json")):
        source = json.loads(path.read_text(encoding="utf-8"))["source"]
        if "written" in source:
            assert set(source) == {"written", "after", "why"}, path.name
        else:
            assert set(source) == {"package", "version", "licence", "publisher", "api"}, path.name
            assert source["licence"] in ("Apache-2.0", "MIT"), path.name
