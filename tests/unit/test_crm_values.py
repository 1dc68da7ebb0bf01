"""What is written into a ticket is what an export of the taxonomy made selectable."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

import contact_reasons as cr
from contact_reasons.crm.events import ResultMap, label_values, update_of
from contact_reasons.crm.exports import export_taxonomy
from contact_reasons.taxonomy import Taxonomy


def strings(value: Any) -> set[str]:
    """All texts inside a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


def selectable(files: dict[str, str]) -> set[str]:
    """All texts in the files that a CRM takes."""
    found: set[str] = set()
    for name, text in files.items():
        if name.endswith(".json"):
            found |= strings(json.loads(text))
        elif name.endswith(".xml"):
            found |= {element.text for element in ElementTree.fromstring(text).iter() if element.text}
    return found


@pytest.mark.parametrize("pack", ["retail", "software"])
@pytest.mark.parametrize("system", ["salesforce", "zendesk", "hubspot", "servicenow", "freshdesk", "intercom", "jira"])
def test_every_value_that_is_written_is_one_that_the_export_made(system: str, pack: str) -> None:
    taxonomy = Taxonomy.load(pack)
    offered = selectable(export_taxonomy(taxonomy, system))
    values = label_values(system, taxonomy) if system in ("freshdesk", "intercom", "jira") else {}
    levels = {"secondary": "2"} if system == "zendesk" else {"primary": "1", "secondary": "2"}
    for reason in taxonomy.secondaries:
        label = cr.ReasonLabel(primary=reason.primary, secondary=reason.id, confidence=0.9, abstained=False)
        update = update_of(system, "42", label, fields=ResultMap(fields=levels, values=values))
        assert update is not None
        written = strings(update.body)
        assert len(written) == len(levels)
        assert written <= offered
