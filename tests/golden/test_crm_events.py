"""Payloads of the shapes that CRMs document, with invented content, and what becomes of each."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import contact_reasons as cr
from contact_reasons.crm.events import FieldMap, ResultMap, parse_body, read_event, read_ticket, update_of
from tests.conftest import ROOT
from tests.crm_events import plain

FOLDER = ROOT / "tests" / "golden" / "crm" / "events"
CASES = sorted(FOLDER.rglob("*.json"))


def answer_of(system: str, case: dict[str, Any]) -> Any:
    if "update" in case:
        given = dict(case["update"])
        label = cr.ReasonLabel(**given.pop("label"))
        routed = given.pop("recommendation")
        fields = ResultMap(**given.pop("fields"))
        update = update_of(
            system,
            given.pop("ticket_id"),
            label,
            None if routed is None else cr.Recommendation(**routed),
            fields=fields,
            **given,
        )
        return None if update is None else dataclasses.asdict(update)
    fields = FieldMap(**case.get("fields", {}))
    if "payload" in case:
        return [plain(result) for result in read_event(system, case["payload"], fields=fields)]
    fetch = None
    if "event" in case:
        (fetch,) = read_event(system, case["event"], fields=fields)
    return plain(read_ticket(system, case["ticket"], fields=fields, fetch=fetch))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_payload_gives_the_expected_result(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert answer_of(path.parent.name, case) == case["expected"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_golden_payload_passes_the_checks_of_a_body(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    for name in {"payload", "event", "ticket"} & set(case):
        assert parse_body(json.dumps(case[name]).encode()) == case[name]


def test_each_system_has_golden_events_and_updates() -> None:
    for system in ("zendesk", "salesforce", "hubspot", "freshdesk", "intercom"):
        names = {path.stem for path in CASES if path.parent.name == system}
        assert "ticket" in names
        assert any(name.startswith("update_") for name in names)
