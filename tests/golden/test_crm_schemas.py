"""Exports, plans, results and events of CRMs are valid against the schemas that the vendors publish, or that are written by hand where there are none."""

from __future__ import annotations

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
from tests.golden.crm_schemas import FOLDER, event_parts, problems, request_problems, request_schema, xml_problems
from tests.golden.test_crm import small

EVENTS = sorted((FOLDER.parent / "events").rglob("*.json"))
WITH_XML = ("salesforce", "servicenow")


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
    return plan_update(
        system, crm.listing(), small(2) if name == "small" else changed(taxonomy), earlier=taxonomy
    )


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


def test_attributes_of_a_ticket_type_of_intercom_are_valid() -> None:
    plain = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice"), ("Delivery", "Late")])
    files = export_taxonomy(plain, "intercom", kind="ticket")
    assert found_in("intercom", files) == []
    bodies = {f"attributes/{n}.json": json.dumps(body | {"id": n}) for n, (*_, body) in enumerate(requests(files))}
    plan = plan_update("intercom", bodies, changed(plain), earlier=plain, kind="ticket")
    assert found_in("intercom", plan.files()) == []


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
