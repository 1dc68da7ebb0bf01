"""Contacts that any release of the retail pack must answer like this: reason, channel, rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

import contact_reasons as cr
from tests.conftest import ROOT

CASES = [
    json.loads(line) for line in (ROOT / "tests" / "golden" / "retail.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["expected"][2])
def test_a_golden_contact_gets_its_reason_channel_and_rule(retail: cr.Pipeline, case: dict[str, Any]) -> None:
    given = {name: value for name, value in case.items() if name != "expected"}
    customer = cr.Customer(type=given.pop("customer_type", None), vulnerable=given.pop("vulnerable", None))
    contact = {name: given.pop(name) for name in ("text", "arrival_channel") if name in given}
    out = retail.handle(cr.Contact(**contact, customer=customer, context=cr.RoutingContext(**given)))
    assert [out.label.reason, out.recommendation.channel, out.recommendation.rule_id] == case["expected"]
