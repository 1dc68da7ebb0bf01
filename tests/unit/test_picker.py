"""Reasons to choose from, and the label of a choice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

import contact_reasons as cr
from contact_reasons.errors import TaxonomyError
from tests.strategies import taxonomies


@given(data=taxonomies())
def test_every_choice_of_the_picker_is_a_label(data: dict[str, Any]) -> None:
    taxonomy = cr.Taxonomy.from_dict(data)
    picker = json.loads(json.dumps(taxonomy.picker()))
    assert picker == taxonomy.picker()
    chosen = []
    for primary in picker["primaries"]:
        alone = taxonomy.pick(primary["id"])
        assert (alone.level, alone.confidence, alone.ranked) == ("primary", 1.0, ())
        assert alone.primary == primary["id"]
        for secondary in primary["secondaries"]:
            label = taxonomy.pick(primary["id"], secondary["id"])
            assert (label.primary, label.secondary) == (primary["id"], secondary["id"])
            assert (label.level, label.confidence, label.abstained) == ("secondary", 1.0, False)
            chosen.append(secondary)
    assert [each["id"] for each in chosen] == [secondary.id for secondary in taxonomy.secondaries]
    assert [each["label"] for each in chosen] == [secondary.label for secondary in taxonomy.secondaries]
    assert [each["definition"] for each in chosen] == [secondary.definition for secondary in taxonomy.secondaries]


def test_something_else_is_left_to_a_person(retail: cr.Pipeline) -> None:
    label = retail.taxonomy.pick(None)
    assert (label.abstained, label.reason, label.confidence) == (True, None, 0.0)
    contact = cr.Contact(context=cr.RoutingContext(open=True))
    assert retail.route(contact, label).because[0].value is None


def test_a_choice_routes_without_a_text(retail: cr.Pipeline) -> None:
    label = retail.taxonomy.pick("delivery", "delivery.track")
    assert retail.route(cr.Contact(), label).rule_id == "self-tracking"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("delivry", None), "no primary 'delivry'; did you mean 'delivery'"),
        (("delivery.track", None), "no primary 'delivery.track'"),
        (("delivery", "delivery.trak"), "not listed under the primary 'delivery' .* did you mean 'delivery.track'"),
        (("returns", "delivery.track"), "not listed under the primary 'returns'"),
        ((None, "delivery.track"), "without a primary"),
    ],
)
def test_a_choice_that_was_not_offered_is_refused(
    retail: cr.Pipeline, choice: tuple[str | None, str | None], message: str
) -> None:
    with pytest.raises(TaxonomyError, match=message):
        retail.taxonomy.pick(*choice)
