"""The OpenAPI description, made from the types by which requests are checked and answers written."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import msgspec

from contact_reasons.crm.events import EVENT_SYSTEMS, SECRET_HEADER
from contact_reasons.crm.events.zendesk import INVOCATION_HEADER
from contact_reasons.service.messages import (
    Contacts,
    EventAnswer,
    Fetched,
    Health,
    LabelAnswer,
    ProblemOut,
    Reload,
    RouteAnswer,
)
from contact_reasons.service.problems import PROBLEMS
from contact_reasons.service.settings import ServiceSettings

__all__ = ["description"]

_TYPES: Final = (Contacts, Fetched, LabelAnswer, RouteAnswer, EventAnswer, Health, Reload, ProblemOut)
_BODY: Final = ("body-unreadable", "body-too-slow", "body-too-large", "media-type", "invalid")
_ASKED: Final = ("unauthorized", "host", "internal")
_SIGNATURES: Final = (
    ("X-Zendesk-Webhook-Signature", "Zendesk"),
    ("X-Zendesk-Webhook-Signature-Timestamp", "Zendesk"),
    ("X-HubSpot-Signature-v3", "HubSpot"),
    ("X-HubSpot-Request-Timestamp", "HubSpot"),
    ("X-Hub-Signature", "Intercom"),
    (SECRET_HEADER, "Freshdesk, Salesforce: a secret of your own"),
)
_INVOCATION: Final = {
    "name": INVOCATION_HEADER,
    "in": "header",
    "description": "Of the webhook of a Zendesk trigger: its event's key is made of it, so it goes along to /tickets.",
    "schema": {"type": "string"},
}
_EXAMPLE: Final = {
    "contacts": [
        {
            "contact_id": "T-1",
            "text": "where is my parcel",
            "arrival_channel": "email",
            "customer": {"type": "gold"},
            "context": {"stage": "fulfilment", "open": True},
        }
    ]
}


def description(settings: ServiceSettings) -> dict[str, Any]:
    """The description of a service with these settings.

    >>> sorted(description(ServiceSettings(no_key=True))["paths"])[:3]
    ['/admin/reload', '/events/{system}', '/health']
    """
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    schemas["Contacts"]["properties"]["contacts"]["maxItems"] = settings.max_contacts
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "contact_reasons",
            "version": version("contact-reasons"),
            "description": "Why a customer contacts you, and the best way to help. Offline; nothing a customer wrote is kept, logged or answered.",
        },
        "paths": _paths(settings),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}} if settings.keys else {},
        },
    }


def _paths(settings: ServiceSettings) -> dict[str, Any]:
    contacts: dict[str, Any] = {"request": "Contacts", "problems": (*_BODY, *_ASKED), "example": _EXAMPLE}
    unreadable = (*_BODY, *_ASKED, "system-not-set-up", "event-unreadable", "not-routable")
    secured = settings.keys != ()
    system = {
        "name": "system",
        "in": "path",
        "required": True,
        "schema": {"enum": sorted(settings.systems) or list(EVENT_SYSTEMS)},
    }
    signatures = [
        {"name": name, "in": "header", "description": f"{of}, where a secret is set up.", "schema": {"type": "string"}}
        for name, of in _SIGNATURES
    ]
    paths = {
        "/label": _operation("post", "label", "The reasons of contacts", "LabelAnswer", secured, **contacts),
        "/route": _operation(
            "post",
            "route",
            "The reasons of contacts, and where to send them",
            "RouteAnswer",
            secured,
            **(contacts | {"problems": (*_BODY, *_ASKED, "not-routable")}),
        ),
        "/events/{system}": _operation(
            "post", "event", "What is to be written for an event", "EventAnswer", secured, request=None, problems=unreadable
        ),
        "/tickets/{system}": _operation(
            "post", "ticket", "The same for an event that needed tickets", "EventAnswer", secured, request="Fetched", problems=unreadable
        ),
        "/reasons": _operation("get", "reasons", "The taxonomy for people to choose from", None, secured, problems=_ASKED),
        "/health": _operation("get", "health", "Whether the service is there and ready", "Health", False, problems=("host", "internal")),
        "/openapi.json": _operation("get", "openapi", "This description", None, secured, problems=_ASKED),
        "/admin/reload": _operation(
            "post", "reload", "Read the model again", "Reload", secured, problems=(*_ASKED, "reload-running", "reload-refused")
        ),
    }  # fmt: skip
    paths["/health"]["get"]["responses"]["503"] = _answer("About to stop", "Health")
    for path in ("/events/{system}", "/tickets/{system}"):
        paths[path]["parameters"] = [system]
    event = paths["/events/{system}"]["post"]
    event["parameters"] = [*signatures, _INVOCATION]
    paths["/tickets/{system}"]["post"]["parameters"] = [_INVOCATION]
    event["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
    if secured and any(each.secrets for each in settings.systems.values()):
        event["security"] = [{"key": []}, {}]
    return paths


def _operation(
    method: str,
    name: str,
    summary: str,
    answer: str | None,
    secured: bool,
    *,
    problems: Iterable[str],
    request: str | None = None,
    example: Any = None,
) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for problem in problems:
        by_status.setdefault(str(PROBLEMS[problem].status), []).append(problem)
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": _answer("Done", answer),
            **{status: _refusal(names) for status, names in sorted(by_status.items())},
        },
        "security": [{"key": []}] if secured else [],
    }
    if request is not None:
        content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{request}"}}
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": content if example is None else {**content, "example": example}},
        }
    return {method: found}


def _answer(said: str, name: str | None) -> dict[str, Any]:
    schema = {"type": "object"} if name is None else {"$ref": f"#/components/schemas/{name}"}
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _refusal(names: list[str]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{PROBLEMS[name].title} (`{name}`)" for name in names),
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
    }
