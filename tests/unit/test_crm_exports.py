"""Exports to CRMs come back as they were; plans of updates lose no value of an old ticket, proved on simulated CRMs."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_reasons.crm.codes import code_of
from contact_reasons.crm.exports import SYSTEMS, export_taxonomy, plan_update, read_export
from contact_reasons.errors import CrmError
from contact_reasons.resources import pack_names
from contact_reasons.taxonomy import Taxonomy
from tests.crm_simulators import SIMULATED, ServiceNow, Simulated

BY_LABEL = {"freshdesk", "intercom", "jira"}
HOLDS_DEFINITIONS = {"hubspot", "dynamics"}
LETTER = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"], exclude_characters=":")
LABEL = st.text(LETTER, min_size=1, max_size=80).filter(lambda text: text.strip() and len(text.strip()) == len(text))
DEFINITION = st.just("") | st.text(LETTER | st.just("\n"), max_size=300)
WORD = st.from_regex(r"[a-z](?:_?[a-z0-9]){0,8}", fullmatch=True).filter(lambda word: word != "missing")


def fold(text: str) -> str:
    import unicodedata

    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@st.composite
def any_taxonomy(draw: st.DrawFn) -> Taxonomy:
    """Valid for every system: 2 to 64 secondaries, labels in every script, told apart in the whole tree."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=7))
    labels = draw(st.lists(LABEL, min_size=sum(sizes) + len(sizes), max_size=sum(sizes) + len(sizes), unique_by=fold))
    words = draw(st.lists(WORD, min_size=max(len(sizes), *sizes), max_size=max(len(sizes), *sizes), unique=True))
    take = iter(labels)
    return Taxonomy.from_dict(
        {
            "taxonomy_id": "any",
            "version": draw(st.sampled_from(["1", "2026-11-22"])),
            "primaries": [
                {
                    "id": primary,
                    "label": next(take) if primary != words[0] else next(take).replace("Retired", "Other"),
                    "definition": draw(DEFINITION),
                    "secondaries": [
                        {
                            "id": f"{primary}.{word}",
                            "label": next(take),
                            "definition": draw(DEFINITION),
                            "owner": "Operations",
                            "formerly": [f"old_{primary}_{word}"],
                        }
                        for word in words[:size]
                    ],
                }
                for primary, size in zip(words, sizes, strict=False)
            ],
        }
    )


def skeleton(taxonomy: Taxonomy, *, definitions: bool = False) -> list[Any]:
    return [
        (r.id, r.label, r.definition if definitions else "") for p in taxonomy.primaries for r in (p, *p.secondaries)
    ]


@pytest.mark.parametrize("system", SYSTEMS)
@given(taxonomy=any_taxonomy())
@settings(max_examples=8)
def test_an_export_read_back_is_the_taxonomy(system: str, taxonomy: Taxonomy) -> None:
    """`make slow` tries many more."""
    check_read_back(system, taxonomy)


def check_read_back(system: str, taxonomy: Taxonomy) -> None:
    """With the whole taxonomy beside the system's own files everything comes back; from these alone, what they have a place for."""
    files = export_taxonomy(taxonomy, system)
    assert files == export_taxonomy(Taxonomy.from_dict(read_yaml(taxonomy)), system)
    assert read_export(system, files) == taxonomy
    del files["taxonomy.yaml"]
    found = read_export(system, files)
    if system in BY_LABEL:
        assert found == Taxonomy.from_pairs([(p.label, s.label) for p in taxonomy.primaries for s in p.secondaries])
    else:
        definitions = system in HOLDS_DEFINITIONS
        assert skeleton(found, definitions=definitions) == skeleton(taxonomy, definitions=definitions)


def read_yaml(taxonomy: Taxonomy) -> Any:
    from contact_reasons.taxonomy.strict_yaml import parse_strict_yaml

    return parse_strict_yaml(taxonomy.to_yaml(), CrmError).data


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("pack", pack_names())
def test_every_shipped_pack_goes_to_every_crm_and_back(pack: str, system: str) -> None:
    taxonomy = Taxonomy.load(pack)
    files = export_taxonomy(taxonomy, system)
    assert read_export(system, files) == taxonomy
    assert plan_update(system, files, taxonomy).steps == ()


# ------------------------------------------------------------------------------------------------- plans

PRIMARY_LABELS = ["Billing", "Post & more", "Ärger <now>", "Konto, Karte", "請求"]
SECONDARY_LABELS = ["Refund", "Invoice", "It's late", "Lost; gone", "Ünklar", "x > y", 'A "quote"', "Re: mail"]
SECONDARIES = ["x", "y", "z", "w", "v"]


@st.composite
def version(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Few ids and labels, so that two versions have much in common and much that is moved, renamed or swapped."""
    primaries = draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(2, 4))]
    names = iter(draw(st.permutations(PRIMARY_LABELS)))
    data = []
    for primary in primaries:
        leaves = draw(st.permutations(SECONDARIES))[: draw(st.integers(1, 4))]
        labels = iter(draw(st.permutations(SECONDARY_LABELS)))
        data.append(
            {
                "id": primary,
                "label": next(names),
                "definition": draw(st.sampled_from(["", "About it."])),
                "secondaries": [
                    {
                        "id": f"{primary}.{leaf}",
                        "label": next(labels),
                        "definition": draw(st.sampled_from(["", "One."])),
                    }
                    for leaf in leaves
                ],
            }
        )
    return {"taxonomy_id": "shop", "version": str(number), "primaries": data}


@st.composite
def versions(draw: st.DrawFn) -> list[Taxonomy]:
    data = [draw(version(number)) for number in range(3)]
    for before, after in itertools.pairwise(data):
        ids = {s["id"] for p in after["primaries"] for s in p["secondaries"]}
        gone = [s["id"] for p in before["primaries"] for s in p["secondaries"] if s["id"] not in ids]
        if gone and draw(st.booleans()):
            after["primaries"][0]["secondaries"][0]["formerly"] = gone[:1]
    return [Taxonomy.from_dict(each) for each in data]


def wanted_of(system: str, taxonomy: Taxonomy) -> tuple[list[str], list[str]]:
    """What people must be able to select: labels as the system shows them."""
    flat = {"zendesk": "{}::{}", "hubspot": "{}: {}", "intercom": "{}: {}"}
    primaries = [] if system == "zendesk" else [p.label for p in taxonomy.primaries]
    shown = flat.get(system, "{1}")
    return primaries, [shown.format(p.label, s.label) for p in taxonomy.primaries for s in p.secondaries]


def codes_shown(crm: Simulated, system: str, taxonomy: Taxonomy) -> None:
    """Where a system holds codes, what is selected is stored as the code of the reason with that label."""
    prefix = "cr_" if system == "zendesk" else ""
    codes = [prefix + code_of(s.id) for s in taxonomy.secondaries]
    assert [value for value, _ in crm.shown()[1]] == codes


@pytest.mark.parametrize("variant", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
@given(taxonomies=versions())
@settings(max_examples=10)
def test_a_plan_loses_no_value_of_old_tickets_and_shows_the_new_taxonomy(
    system: str, variant: bool, taxonomies: list[Taxonomy]
) -> None:
    """`make slow` tries many more."""
    check_plans(system, variant, taxonomies)


def check_plans(system: str, variant: bool, taxonomies: list[Taxonomy]) -> None:
    """`variant`: the field also holds values made by hand; of Freshdesk, the list of all fields is read."""
    first, *later = taxonomies
    crm = SIMULATED[system](variant)
    crm.create(export_taxonomy(first, system))
    tickets: dict[Any, str] = {}
    earlier = first
    for taxonomy in [first, *later]:
        before = crm.stored()
        plan = plan_update(system, crm.listing(), taxonomy, earlier=earlier)
        for step in plan.steps:
            crm.apply(step)
        assert before <= crm.stored()
        assert set(tickets) <= crm.stored() | {value for value, _ in crm.shown()[1]}
        primaries, secondaries = ([label for _, label in level] for level in crm.shown())
        wanted = wanted_of(system, taxonomy)
        if system == "freshdesk":
            assert primaries[: len(wanted[0])] == wanted[0]
            assert [label for label in secondaries if label in wanted[1]]
            for primary in taxonomy.primaries:
                under = [value for value, _ in crm.shown()[1] if value.startswith(f"{primary.label} > ")]
                expected = [f"{primary.label} > {s.label}" for s in primary.secondaries]
                assert under[: len(expected)] == expected
        elif system == "intercom":
            assert (sorted(primaries), sorted(secondaries)) == (sorted(wanted[0]), sorted(wanted[1]))
        else:
            assert (primaries, secondaries) == wanted
        if system not in BY_LABEL:
            codes_shown(crm, system, taxonomy)
        tickets |= {value: taxonomy.version for value, _ in crm.shown()[1] if value in crm.stored()}
        again = plan_update(system, crm.listing(), taxonomy, earlier=taxonomy)
        assert again.steps == (), str(again)
        earlier = taxonomy


@pytest.mark.parametrize("system", SYSTEMS)
@given(taxonomies=versions())
@settings(max_examples=8)
def test_a_plan_depends_on_nothing_but_what_it_was_given_and_can_be_written(
    system: str, taxonomies: list[Taxonomy]
) -> None:
    crm = SIMULATED[system]()
    crm.create(export_taxonomy(taxonomies[0], system))
    files = crm.listing()
    plan = plan_update(system, files, taxonomies[1])
    assert plan == plan_update(system, dict(reversed(files.items())), taxonomies[1])
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()
    assert plan.files()["PLAN.md"] == str(plan)
    assert all(change.why in str(plan) for change in plan.changes)
    for name, text in plan.files().items():
        if name.endswith(".json"):
            json.loads(text)


@pytest.mark.parametrize("system", sorted(set(SYSTEMS) - {"freshdesk"}))
def test_a_reason_that_is_gone_and_one_that_took_its_place_are_told(system: str) -> None:
    old = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice"), ("Post", "Late")])
    data = read_yaml(old)
    data["primaries"][0]["secondaries"][0] |= {
        "id": "billing.money_back",
        "label": "Money",
        "formerly": ["billing.refund"],
    }
    crm = SIMULATED[system]()
    crm.create(export_taxonomy(old, system))
    plan = plan_update(system, crm.listing(), Taxonomy.from_dict(data), earlier=old)
    kinds = {(change.kind, change.reason): change.why for change in plan.changes}
    assert "takes the place of billing__refund" in kinds["add", "billing.money_back"]
    if system not in BY_LABEL:
        assert "billing__money_back has taken its place" in kinds["deactivate", "billing.refund"]


def test_a_split_and_what_the_steps_leave_to_people_are_told() -> None:
    """Of a part that stays nothing takes the place; a reason that is gone names all of its parts."""
    old = Taxonomy.from_pairs([("Post", "Late"), ("Post", "Lost"), ("Post", "Track")])
    data = read_yaml(old)
    late, _, track = data["primaries"][0]["secondaries"]
    stolen = {"id": "post.stolen", "label": "Stolen", "formerly": ["post.late", "post.lost"]}
    gone = {"id": "post.gone", "label": "Gone", "formerly": ["post.lost"]}
    data["primaries"][0]["secondaries"] = [late, stolen, gone, track]
    data["version"] = "2"
    plan = plan_update("zendesk", export_taxonomy(old, "zendesk"), Taxonomy.from_dict(data))
    why = {(change.kind, change.reason): change.why for change in plan.changes}
    assert why["add", "post.stolen"] == "new in the taxonomy; it was a part of post__late, post__lost"
    assert why["add", "post.gone"] == "new in the taxonomy; it was a part of post__lost"
    assert why["deactivate", "post.lost"] == "post__stolen and post__gone have taken its place; old tickets keep it"
    said = str(plan)
    assert "The file of a call holds `method`, `path` and `body`" in said
    assert "What stands in braces is an id of your own CRM" in said
    assert "Do this before a model of own 2 writes labels here" in said
    assert "Triggers, views, macros, forms and reports that name a value that is deactivated" in said


@pytest.mark.parametrize("system", ["jira", "intercom"])
def test_a_plan_that_would_need_ids_of_the_crm_asks_for_them(system: str) -> None:
    old = Taxonomy.from_pairs([("Billing", "Refund"), ("Post", "Late")])
    new = Taxonomy.from_pairs([("Billing", "Invoice"), ("Post", "Late")])
    with pytest.raises(CrmError, match=r"4 values without an id, such as 'Billing'; .* Give the answer to GET /"):
        plan_update(system, export_taxonomy(old, system), new)


def test_of_a_ticket_type_of_intercom_no_item_leaves_the_list() -> None:
    old = Taxonomy.from_pairs([("Billing", "Refund"), ("Post", "Late")])
    new = Taxonomy.from_pairs([("Post", "Late"), ("Billing", "Invoice")])
    files = export_taxonomy(old, "intercom", kind="ticket")
    assert read_export("intercom", files, kind="ticket") == old
    plan = plan_update("intercom", files, new, kind="ticket")
    assert [step.body for step in plan.steps] == [
        {"list_items": "Post,Billing"},
        {"list_items": "Post: Late,Billing: Invoice,Billing: Refund"},
    ]
    assert (
        "cannot deactivate values; no longer in the taxonomy, but still to be seen: 'Billing: Refund'" in plan.notes[0]
    )


@pytest.mark.parametrize("pack", pack_names())
def test_a_shipped_pack_goes_to_a_ticket_type_of_intercom_and_back_with_its_commas(pack: str) -> None:
    taxonomy = Taxonomy.load(pack)
    files = export_taxonomy(taxonomy, "intercom", kind="ticket")
    assert read_export("intercom", files, kind="ticket") == taxonomy
    items = [len(json.loads(files[name])["body"]["list_items"].split(",")) for name in sorted(files) if "calls" in name]
    assert items == [len(taxonomy.primaries), len(taxonomy.secondaries)]
    changed = [reason for reason in taxonomy.reasons if "," in reason.label]
    assert changed
    assert f"';' stands for the comma in {len(changed)} of {len(taxonomy.reasons)} labels" in files["README.md"]
    alone = {name: text for name, text in files.items() if name != "taxonomy.yaml"}
    labels = [reason.label for reason in read_export("intercom", alone, kind="ticket").reasons]
    assert labels == [reason.label for reason in taxonomy.reasons]
    assert not plan_update("intercom", files, taxonomy, kind="ticket").steps


def test_a_plan_says_where_another_sign_stands_for_a_comma() -> None:
    old, new = (Taxonomy.from_pairs([("Post", label), ("Billing", "Refund")]) for label in ("Late", "Late, or lost"))
    files = export_taxonomy(old, "intercom", kind="ticket")
    plan = plan_update("intercom", files, new, kind="ticket")
    assert plan.steps[-1].body == {"list_items": "Post: Late; or lost,Billing: Refund,Post: Late"}
    assert "';' stands for the comma in 1 of 4 labels ('Late, or lost' is 'Late; or lost')" in plan.notes[-1]


def test_choices_of_an_instance_that_are_not_ours_are_not_touched() -> None:
    crm = ServiceNow(foreign=True)
    before = crm.stored()
    old = Taxonomy.from_pairs([("Billing", "Refund")])
    crm.create(export_taxonomy(old, "servicenow"))
    hand_made = {key: dict(record) for key, record in crm.records.items() if int(key, 16) < 9}
    plan = plan_update("servicenow", crm.listing(), Taxonomy.from_pairs([("Post", "Late")]))
    for step in plan.steps:
        crm.apply(step)
    assert {key: crm.records[key] for key in hand_made} == hand_made
    assert before <= crm.stored()
    assert "hardware" in plan.notes[0]
    assert read_export("servicenow", crm.listing()).secondary_ids == ("post.late",)


@pytest.mark.parametrize("key", ["ticket_type_attributes", "data"])
def test_a_ticket_type_of_intercom_is_read_as_it_is_answered(key: str) -> None:
    old = Taxonomy.from_pairs([("Billing", "Refund"), ("Post", "Late")])
    files = export_taxonomy(old, "intercom", kind="ticket")
    attributes: list[dict[str, Any]] = [{"name": "_default_title_", "data_type": "string", "input_options": None}]
    for number, name in enumerate(("calls/1-primaries.json", "calls/2-secondaries.json")):
        body = json.loads(files.pop(name))["body"]
        options = [{"id": f"item-{label}", "label": label} for label in body.pop("list_items").split(",")]
        attributes.append(body | {"id": str(number), "input_options": {"list_options": options}})
    answer = {"type": "ticket_type", "id": "9", "ticket_type_attributes": {"type": "list", key: attributes}}
    given = {"ticket-type.json": json.dumps(answer)}
    assert read_export("intercom", given | files, kind="ticket") == old
    new = Taxonomy.from_pairs([("Post", "Late"), ("Billing", "Invoice")])
    (_, step) = plan_update("intercom", given, new, earlier=old, kind="ticket").steps
    assert (step.path, step.body) == (
        "/ticket_types/{ticket_type_id}/attributes/1",
        {"list_items": "Post: Late,Billing: Invoice,Billing: Refund"},
    )
    given["ticket-type.json"] = given["ticket-type.json"].replace("Post: Late", "Post: Late, again")
    with pytest.raises(CrmError, match=r"the item .Post: Late, again. has a comma, .*; rename it in Intercom"):
        plan_update("intercom", given, new, earlier=old, kind="ticket")


def test_items_of_intercom_change_places_without_two_of_one_label() -> None:
    def shop(**labels: str) -> Taxonomy:
        secondaries = [{"id": f"billing.{name}", "label": label} for name, label in labels.items()]
        primaries = [{"id": "billing", "label": "Billing", "secondaries": secondaries}]
        primaries.append({"id": "post", "label": "Post", "secondaries": [{"id": "post.late", "label": "Late"}]})
        return Taxonomy.from_dict({"taxonomy_id": "shop", "version": "1", "primaries": primaries})

    old = shop(refund="Refund", invoice="Invoice", fee="Fee")
    new = shop(refund="Invoice", invoice="Refund", fee="Fees")
    crm = SIMULATED["intercom"]()
    crm.create(export_taxonomy(old, "intercom"))
    plan = plan_update("intercom", crm.listing(), new, earlier=old)
    assert [step.body["label"] for step in plan.steps] == [
        "Billing: Fees",
        "Billing: Refund (item-3)",
        "Billing: Refund",
        "Billing: Invoice",
    ]
    for step in plan.steps:
        crm.apply(step)
    assert [change.reason for change in plan.changes] == ["billing.fee", "billing.invoice", "billing.refund"]
    assert dict(crm.shown()[1])["item-3"] == "Billing: Invoice"
    assert plan_update("intercom", crm.listing(), new, earlier=new).steps == ()


def test_an_item_of_intercom_that_was_archived_comes_back_as_a_new_one() -> None:
    whole = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice"), ("Post", "Late")])
    less = Taxonomy.from_pairs([("Billing", "Invoice"), ("Post", "Late")])
    crm = SIMULATED["intercom"]()
    crm.create(export_taxonomy(whole, "intercom"))
    for taxonomy in (less, whole):
        for step in plan_update("intercom", crm.listing(), taxonomy).steps:
            crm.apply(step)
    assert crm.shown()[1] == [("item-4", "Billing: Invoice"), ("item-5", "Post: Late"), ("item-6", "Billing: Refund")]
    assert "item-3" in crm.stored()
    turned = Taxonomy.from_pairs([("Post", "Late"), ("Billing", "Refund"), ("Billing", "Invoice")])
    plan = plan_update("intercom", crm.listing(), turned)
    assert plan.steps == ()
    assert "Intercom cannot change the order of values" in plan.notes[0]
