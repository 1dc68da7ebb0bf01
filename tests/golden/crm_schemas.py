"""Schemas of CRMs: which one a request, a file or an event of a CRM is held against, and what is wrong with it.

Where each schema comes from, and which are written by hand: ``tests/golden/crm/schemas/README.md``.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from lxml import etree

FOLDER = Path(__file__).parent / "crm" / "schemas"
XSD = "{http://www.w3.org/2001/XMLSchema}"
DEPLOYED = ("CustomField", "Package", "ValidationRule")

REQUESTS: dict[str, dict[str, tuple[str, str]]] = {
    "zendesk": {
        r"POST /api/v2/ticket_fields": ("zendesk", "TicketFieldCreate"),
        r"PUT /api/v2/ticket_fields/\d+": ("zendesk", "TicketFieldUpdate"),
        r"PUT /api/v2/tickets/\d+\.json": ("zendesk", "TicketUpdate"),
        r"PUT /api/v2/tickets/update_many\.json\?ids=\d+": ("zendesk", "TicketUpdateMany"),
    },
    "hubspot": {
        r"POST /crm/v3/properties/tickets": ("hubspot", "PropertyCreate"),
        r"PATCH /crm/v3/properties/tickets/\w+": ("hubspot", "PropertyUpdate"),
        r"PATCH /crm/v3/objects/tickets/\d+": ("hubspot", "SimplePublicObjectInput"),
    },
    "freshdesk": {
        r"POST /api/v2/admin/ticket_fields": ("freshdesk", "TicketFieldCreate"),
        r"PUT /api/v2/admin/ticket_fields/\d+": ("freshdesk", "TicketFieldUpdate"),
        r"PUT /api/v2/tickets/\d+": ("freshdesk", "TicketUpdate"),
    },
    "intercom": {
        r"POST /conversations/attributes": ("intercom-lists", "CreateConversationAttribute"),
        r"POST /conversations/attributes/\d+/options": ("intercom-lists", "ConversationAttributeOption"),
        r"PUT /conversations/attributes/\d+/options/[\w-]+": ("intercom-lists", "ConversationAttributeOption"),
        r"DELETE /conversations/attributes/\d+/options/[\w-]+": ("intercom-lists", "Nothing"),
        r"POST /ticket_types/\{ticket_type_id\}/attributes": ("intercom", "CreateTicketTypeAttributeRequest"),
        r"PUT /ticket_types/\{ticket_type_id\}/attributes/\d+": ("intercom", "UpdateTicketTypeAttributeRequest"),
        r"PUT /conversations/\d+": ("intercom", "UpdateConversationRequest"),
    },
    "jira": {
        r"POST /rest/api/3/field/[^/]+/context/[^/]+/option": ("jira", "BulkCustomFieldOptionCreateRequest"),
        r"PUT /rest/api/3/field/[^/]+/context/[^/]+/option": ("jira", "BulkCustomFieldOptionUpdateRequest"),
        r"PUT /rest/api/3/field/[^/]+/context/[^/]+/option/move": ("jira", "OrderOfCustomFieldOptions"),
        r"PUT /rest/api/3/issue/[A-Z]+-\d+": ("jira", "IssueUpdateDetails"),
    },
    "dynamics": {
        r"POST /api/data/v9\.2/GlobalOptionSetDefinitions": ("dynamics", "OptionSetMetadata"),
        r"POST /api/data/v9\.2/InsertOptionValue": ("dynamics", "InsertOptionValue"),
        r"POST /api/data/v9\.2/UpdateOptionValue": ("dynamics", "UpdateOptionValue"),
        r"POST /api/data/v9\.2/OrderOption": ("dynamics", "OrderOption"),
        r"POST /api/data/v9\.2/PublishXml": ("dynamics", "PublishXml"),
        r"PATCH /api/data/v9\.2/incidents\([0-9a-f-]{36}\)": ("dynamics", "Incident"),
    },
    "salesforce": {r"PATCH /services/data/v\d+\.0/sobjects/Case/\w+": ("records", "Record")},
    "servicenow": {r"PATCH /api/now/table/\w+/[0-9a-f]{32}": ("records", "Record")},
}
"""By system: method and path of a request, and the schema of its body."""


@cache
def validator(file: str, name: str) -> Draft202012Validator:
    """For one definition of a file of schemas."""
    definitions = json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["definitions"]
    assert name in definitions, f"{file}.json has no definition {name}"
    return Draft202012Validator(
        {"$ref": f"#/definitions/{name}", "definitions": definitions},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def problems(file: str, name: str, document: Any) -> list[str]:
    """What a document has against a definition, with places."""
    return [f"{error.json_path}: {error.message}" for error in validator(file, name).iter_errors(document)]


def request_schema(system: str, method: str, path: str) -> tuple[str, str]:
    """File and name of the schema of a request's body."""
    for pattern, schema in REQUESTS[system].items():
        if re.fullmatch(pattern, f"{method} {path}"):
            return schema
    raise AssertionError(f"no schema is known for {method} {path} of {system}")


def request_problems(system: str, method: str, path: str, body: Any) -> list[str]:
    return problems(*request_schema(system, method, path), body)


@cache
def salesforce_schema() -> etree.XMLSchema:
    """The XSD within the WSDL of Salesforce's Metadata API, as the package simple-salesforce carries it.

    It defines types alone; what a file is deployed as is an element of the type's name.
    """
    spec = importlib.util.find_spec("simple_salesforce")
    assert spec is not None
    assert spec.origin is not None
    wsdl = etree.parse(str(Path(spec.origin).parent / "metadata.wsdl"))
    found = wsdl.find(f".//{XSD}schema")
    assert found is not None
    schema = etree.fromstring(etree.tostring(found))
    for name in DEPLOYED:
        etree.SubElement(schema, f"{XSD}element", name=name, type=f"tns:{name}")
    return etree.XMLSchema(etree.ElementTree(schema))


@cache
def servicenow_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(FOLDER / "servicenow.xsd")))


def xml_problems(system: str, text: str) -> list[str]:
    """What an XML file has against the system's schema."""
    schema = {"salesforce": salesforce_schema, "servicenow": servicenow_schema}[system]()
    schema.validate(etree.ElementTree(etree.fromstring(text.encode())))
    return [f"line {error.line}: {error.message}" for error in schema.error_log]


def without_nulls(value: Any) -> Any:
    """An answer without members that are null: types of TypeScript tell no more of them than that they may be missing."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def _notification(payload: Any) -> Iterator[tuple[str, str, Any]]:
    yield "intercom-lists", "Notification", payload
    if payload["topic"].startswith("conversation."):
        yield "intercom", "Conversation", without_nulls(payload["data"]["item"])


def event_parts(system: str, kind: str, document: Any) -> list[tuple[str, str, Any]]:
    """What is checked of an event ('payload', 'event') or of a record that was fetched ('ticket'): file, definition and document."""
    if system == "zendesk":
        if kind == "ticket":
            return [("zendesk", "Ticket", document)]
        return [("zendesk", "TicketEvent", document)] if "zendesk_event_version" in document else []
    if system == "hubspot":
        if kind == "ticket":
            return [("hubspot", "SimplePublicObjectWithAssociations", document)]
        return [("hubspot-events", "Notifications", document)]
    if system == "freshdesk":
        if kind == "ticket":
            return [("freshdesk", "Ticket", document)]
        return [("freshdesk", "RuleWebhook" if "freshdesk_webhook" in document else "AppEvent", document)]
    if system == "intercom":
        if kind == "ticket":
            return [("intercom", "Conversation", without_nulls(document))]
        return list(_notification(document))
    assert system == "salesforce", system
    held = document.get("data", {}).get("payload", document)
    return (
        [("salesforce-events", "ChangeEventHeader", held["ChangeEventHeader"])] if "ChangeEventHeader" in held else []
    )
