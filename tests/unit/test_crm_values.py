"""What is written into a ticket is what an export of the taxonomy made selectable."""

from __future__ import annotations

import pytest

import contact_reasons as cr
from contact_reasons.crm.events import ResultMap, label_values, update_of
from contact_reasons.taxonomy import Taxonomy

exchange = pytest.importorskip("contact_reasons.crm.exports.exchange", reason="the exports are not there yet")


@pytest.mark.parametrize("pack", ["retail", "software"])
@pytest.mark.parametrize("system", ["salesforce", "zendesk", "hubspot", "servicenow", "freshdesk", "intercom", "jira"])
def test_every_value_that_is_written_is_one_that_the_export_made(system: str, pack: str) -> None:
    taxonomy = Taxonomy.load(pack)
    held = exchange.system_of(system).wanted(taxonomy)
    primaries = {choice.code: choice.value for choice in held.primaries}
    secondaries = {choice.code: choice.value for choice in held.secondaries}
    values = label_values(system, taxonomy) if system in ("freshdesk", "intercom", "jira") else {}
    fields = ResultMap(fields={"primary": "1", "secondary": "2"}, values=values)
    for reason in taxonomy.secondaries:
        label = cr.ReasonLabel(primary=reason.primary, secondary=reason.id, confidence=0.9, abstained=False)
        update = update_of(system, "42", label, fields=fields)
        assert update is not None
        written = str(update.body)
        assert repr(secondaries[reason.code]) in written
        if primaries:
            assert repr(primaries[reason.primary]) in written
