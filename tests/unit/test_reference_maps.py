"""Field maps of CRMs: lines that stay true are rewritten, the others are listed with what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.crm.events import FieldMap, ResultMap
from contact_reasons.references.maps import map_references
from contact_reasons.references.record import edited
from tests.unit.test_references import migration
from tests.unit.test_taxonomy_difference import START, Changes, changes

OLD: dict[str, Any] = {
    "bill.a": {},
    "bill.b": {},
    "bill.c": {},
    "ship.late": {"label": "Late or stolen"},
    "misc.fax": {},
    "misc.z": {},
}
NEW: dict[str, Any] = {
    "bill.one": {"label": "One", "formerly": ["bill.a"]},
    "bill.bc": {"formerly": ["bill.b", "bill.c"]},
    "ship.late": {"label": "Late"},
    "ship.stolen": {"formerly": ["ship.late"]},
    "misc.z": {},
}
SETTINGS = """\
zendesk:
  fields:   # what the policy reads
    fields: {"360001": customer_type, "360002": extra.last}
    values:
      extra.last: {old_a: bill.a, 'old z': 'misc.z', old_late: ship.late, old_fax: misc.fax}
      customer_type: {bill.a: gold}
  results:
    fields: {secondary: "360010"}
freshdesk:
  results:
    fields: {secondary: cf_reason}
    values:
      bill.a: bill__a        # stays beside
      'bill.b': B
      bill.c: C
      ship.late: "Late or stolen"
      misc.fax: 7
      misc.z: Z
intercom: {results: {prefix: x_, fields: {secondary: "9"}, values: {"bill.a": 'x_bill__a', bill.b: It's B}}}
"""


def test_lines_that_stay_true_are_rewritten_and_the_others_are_listed_with_what_to_do() -> None:
    found = map_references(SETTINGS, "systems.yaml", migration(OLD, NEW))
    assert found is not None
    text = edited(SETTINGS, [one.edit for one in found.found if one.edit is not None])
    assert [pair for pair in zip(SETTINGS.split("\n"), text.split("\n"), strict=True) if pair[0] != pair[1]] == [
        (
            "      extra.last: {old_a: bill.a, 'old z': 'misc.z', old_late: ship.late, old_fax: misc.fax}",
            "      extra.last: {old_a: bill.one, 'old z': 'misc.z', old_late: ship.late, old_fax: misc.fax}",
        ),
        ("      bill.a: bill__a        # stays beside", "      bill.one: bill__one        # stays beside"),
        ('      ship.late: "Late or stolen"', '      ship.late: "Late"'),
        (
            """intercom: {results: {prefix: x_, fields: {secondary: "9"}, values: {"bill.a": 'x_bill__a', bill.b: It's B}}}""",
            """intercom: {results: {prefix: x_, fields: {secondary: "9"}, values: {"bill.one": 'x_bill__one', bill.bc: It's B}}}""",
        ),
    ]
    said = [(one.line, one.names, one.do) for one in found.found if one.do]
    assert said == [
        (5, "ship.late", "name one of ship.late, ship.stolen: the CRM's value alone cannot say which"),
        (5, "misc.fax", "take the line out, or name another reason"),
        (14, "bill.b", "keep one line, bill.bc with the value that new tickets are to get; old tickets keep theirs"),
        (15, "bill.c", "keep one line, bill.bc with the value that new tickets are to get; old tickets keep theirs"),
        (16, "ship.late", "write a line for ship.stolen"),
        (17, "misc.fax", "take the line out; old tickets keep what the CRM holds"),
    ]
    assert "bill.a: gold" in text, "what a CRM holds is no reason of ours"


def test_a_whole_map_that_lacks_an_added_reason_says_so() -> None:
    known = migration({"bill.a": {}, "bill.b": {}}, {"bill.a": {}, "bill.b": {}, "bill.new": {}})
    whole = "fields: {secondary: f}\nvalues: {bill.a: 1, bill.b: 2}\n"
    (one,) = getattr(map_references(whole, "map.yaml", known), "found", ())
    assert (one.line, one.new) == (2, ("bill.new",))
    assert "no line for bill.new" in one.why
    part = "fields: {secondary: f}\nvalues: {bill.a: 1}\n"
    assert getattr(map_references(part, "map.yaml", known), "found", None) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "values: {bill.a: x}",
        "fields: {a: b}\nvalues: x",
        "a: [",
        "fields: {nothing: b}\nvalues: {bill.a: x}",
    ],
)
def test_what_is_no_field_map_is_left_to_others(text: str) -> None:
    assert map_references(text, "x.yaml", migration(OLD, NEW)) is None


def test_json_stays_json() -> None:
    data = {"fields": {"reason": "f"}, "values": {"bill.a": "One \u2028 é", "misc.z": 4}}
    text = json.dumps(data, indent=1)
    found = map_references(text, "map.json", migration(OLD, NEW))
    assert found is not None
    done = json.loads(edited(text, [one.edit for one in found.found if one.edit is not None]))
    assert done == {**data, "values": {"bill.one": "One \u2028 é", "misc.z": 4}}


@given(versions=changes(3), own=st.booleans())
def test_a_map_without_anything_to_judge_holds_for_the_new_reasons_what_it_held_for_the_old(
    versions: Changes, own: bool
) -> None:
    known = migration(START, versions.reasons)
    values = {
        reason.id: (f"own {i}" if own else reason.id.replace(".", "__")) for i, reason in enumerate(known.old.reasons)
    }
    text = yaml.safe_dump({"fields": {"primary": "p", "secondary": "s"}, "values": values})
    found = map_references(text, "map.yaml", known)
    assert found is not None
    after = yaml.safe_load(edited(text, [one.edit for one in found.found if one.edit is not None]))
    result = ResultMap.read(after)
    if any(one.do for one in found.found):
        return
    assert {one.id for one in known.new.reasons} == set(result.values)
    for old, verdict in known.verdicts.items():
        if verdict.kind == "to":
            (target,) = verdict.targets
            assert result.values[target] == (values[old] if own else target.replace(".", "__"))
        else:
            assert result.values[old] == values[old]


def test_the_examples_of_the_tests_are_maps() -> None:
    data = yaml.safe_load(SETTINGS)
    for system in data.values():
        ResultMap.read(system["results"])
    FieldMap.read(data["zendesk"]["fields"])
