"""What CRMs list is read with care: every shape they answer in, and a clear refusal of everything else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from contact_reasons.cli import app
from contact_reasons.crm.exports import SYSTEMS, export_taxonomy, plan_update, read_export, read_folder, write_folder
from contact_reasons.crm.exports.documents import json_documents, read_csv, read_xml
from contact_reasons.errors import ContactReasonsError, CrmError
from contact_reasons.taxonomy import Taxonomy
from tests.crm_simulators import SIMULATED

SHOP = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice"), ("Delivery", "Late, again")])
BY_LABEL = {"freshdesk", "intercom", "jira"}


@pytest.mark.parametrize("variant", [False, True])
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_crm_lists_is_read_as_the_taxonomy_that_was_exported(system: str, variant: bool) -> None:
    crm = SIMULATED[system](variant and system == "freshdesk")
    crm.create(export_taxonomy(SHOP, system))
    assert read_export(system, crm.listing()).primaries == SHOP.primaries
    assert read_export(system, crm.listing() | {"taxonomy.yaml": SHOP.to_yaml()}) == SHOP


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_sidecar_that_says_otherwise_is_refused(system: str) -> None:
    files = export_taxonomy(SHOP, system)
    changed = SHOP.to_yaml().replace("Invoice", "Receipt")
    with pytest.raises(CrmError, match=r"disagree|no reason of the taxonomy"):
        read_export(system, files | {"taxonomy.yaml": changed})
    fewer = dataclasses.replace(SHOP, primaries=SHOP.primaries[:1])
    with pytest.raises(CrmError, match=r"disagree|no reason of the taxonomy"):
        read_export(system, files | {"taxonomy.yaml": fewer.to_yaml()})
    with pytest.raises(CrmError, match=r"taxonomy\.yaml"):
        read_export(system, files | {"taxonomy.yaml": "primaries: ["})


@pytest.mark.parametrize("system", ["salesforce", "zendesk", "hubspot", "dynamics"])
def test_a_value_that_is_no_code_is_refused_as_a_taxonomy_and_left_alone_by_a_plan(system: str) -> None:
    crm = SIMULATED[system](True)
    crm.create(export_taxonomy(SHOP, system))
    if system != "dynamics":
        with pytest.raises(CrmError, match=r"the value '(By hand|by_hand)' is no code of a reason"):
            read_export(system, crm.listing())
    plan = plan_update(system, crm.listing(), SHOP)
    assert [note for note in plan.notes if "left as they are" in note]


HOSTILE: dict[str, dict[str, str]] = {
    "salesforce": {"x.field-meta.xml": "<CustomField><fullName>Contact_Reason__c</fullName></CustomField>"},
    "zendesk": {"x.json": '{"ticket_field": {"type": "tagger", "custom_field_options": {"a": 1}}}'},
    "hubspot": {"x.json": '{"name": "contact_reason", "options": [1]}'},
    "dynamics": {"x.json": '{"Name": "new_contactreason", "Options": "x"}'},
    "servicenow": {"x.xml": "<unload><sys_choice/></unload>"},
    "freshdesk": {"x.json": '{"type": "nested_field", "choices": {"a": [1]}}'},
    "intercom": {"x.json": '{"name": "Contact reason", "options": [{"label": 7}]}'},
    "jira": {"x.json": '{"values": [{"id": "1"}]}'},
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_files_that_hold_no_field_or_a_broken_one_are_refused(system: str) -> None:
    for files in ({}, {"notes.txt": "x"}, {"x.json": "[]"}, {"x.xml": "<a/>"}, HOSTILE[system]):
        said = rf"{SYSTEMS[system].called}|x\.(json|xml)|x\.field-meta\.xml"
        with pytest.raises(CrmError, match=said):
            read_export(system, files)
        with pytest.raises(CrmError, match=said):
            plan_update(system, files, SHOP)


KEYS = [
    "ticket_field",
    "ticket_fields",
    "type",
    "title",
    "custom_field_options",
    "name",
    "value",
    "options",
    "id",
    "label",
    "results",
    "displayOrder",
    "Name",
    "Options",
    "Value",
    "Label",
    "LocalizedLabels",
    "values",
    "choices",
    "data",
    "list_options",
    "list_items",
    "input_options",
    "ticket_type_attributes",
    "position",
    "controlling",
    "dependent",
    "optionId",
    "method",
    "path",
    "body",
    "total",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("cr_a__b"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("system", SYSTEMS)
@given(first=JSON, second=JSON)
@settings(max_examples=25)
def test_any_json_is_a_taxonomy_or_a_refusal(system: str, first: Any, second: Any) -> None:
    files = {"a.json": json.dumps(first), "b.json": json.dumps(second)}
    try:
        read_export(system, files)
    except ContactReasonsError:
        return


@pytest.mark.parametrize("system", SYSTEMS)
@given(data=st.data())
@settings(max_examples=20)
def test_an_export_with_a_part_replaced_is_read_or_refused(system: str, data: st.DataObject) -> None:
    files = {name: text for name, text in export_taxonomy(SHOP, system).items() if name != "README.md"}
    name = data.draw(st.sampled_from(sorted(files)))
    start = data.draw(st.integers(0, len(files[name]) - 1))
    stop = data.draw(st.integers(start, min(len(files[name]), start + 30)))
    put = data.draw(st.sampled_from(["", "null", "0", '"x"', "[]", "{}", "<a>", "\x00", "\ud800", "true", "a__b"]))
    files[name] = files[name][:start] + put + files[name][stop:]
    try:
        read_export(system, files)
    except ContactReasonsError:
        return


BOMB = '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "has a DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a DOCTYPE"),
        ("<a>&b;</a>", "not well-formed"),
        ("<a>" * 100 + "</a>" * 100, "nested deeper than 60"),
        ("<a><b></a>", "not well-formed"),
        ("", "not well-formed"),
        ("<a>\ud800</a>", "surrogate"),
        ("<a/>" + " " * 16_000_000, "16,000,004 characters"),
    ],
    ids=range(8),
)
def test_xml_that_no_crm_would_write_is_refused(text: str, said: str) -> None:
    with pytest.raises(CrmError, match=rf"x\.xml.*{said}"):
        read_xml(text, "x.xml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000, "nested too deep|not valid JSON"),
        ("{", "line 1: not valid JSON"),
        ("9" * 5000, "not valid JSON"),
    ],
    ids=range(4),
)
def test_json_that_no_crm_would_answer_is_refused(text: str, said: str) -> None:
    with pytest.raises(CrmError, match=rf"x\.json.*({said})"):
        list(json_documents({"x.json": text}))


def test_csv_with_a_cell_too_many_is_refused() -> None:
    with pytest.raises(CrmError, match=r"x\.csv, row 2: 3 cells where the first line has 2"):
        read_csv("a,b\r\n1,2,3\r\n", "x.csv")


def test_a_field_that_stands_in_two_files_is_refused() -> None:
    for system in ("salesforce", "hubspot", "dynamics", "intercom"):
        files = export_taxonomy(SHOP, system)
        doubled = files | {name.replace(".", "-2.", 1): text for name, text in files.items() if name != "taxonomy.yaml"}
        with pytest.raises(CrmError, match=r"stands in .* and in .*; give each field once"):
            read_export(system, doubled)


def test_pages_of_jira_that_are_missing_are_asked_for() -> None:
    crm = SIMULATED["jira"]()
    crm.create(export_taxonomy(SHOP, "jira"))
    with pytest.raises(CrmError, match="2 options in the files where Jira has 5; give every page"):
        read_export("jira", {"page-0.json": crm.listing()["page-0.json"]})


def test_a_salesforce_field_of_another_type_is_refused() -> None:
    files = export_taxonomy(SHOP, "salesforce")
    name = "objects/Case/fields/Contact_Reason__c.field-meta.xml"
    files[name] = files[name].replace("<type>Picklist<", "<type>MultiselectPicklist<")
    with pytest.raises(CrmError, match=r"the field is of type 'MultiselectPicklist', .*; give a Picklist"):
        plan_update("salesforce", files, SHOP)


def test_what_an_administrator_set_beside_the_values_stays_in_a_plan() -> None:
    more = Taxonomy.from_pairs(
        [("Billing", "Refund"), ("Billing", "Invoice"), ("Delivery", "Late, again"), ("Fees", "High")]
    )
    files = export_taxonomy(SHOP, "salesforce")
    name = "objects/Case/fields/Contact_Reason__c.field-meta.xml"
    files[name] = (
        files[name]
        .replace(
            "<label>Contact reason</label>",
            "<description>Ask &amp; fill</description><label>Why</label><trackHistory>true</trackHistory>",
        )
        .replace("<restricted>true", "<restricted>false")
        .replace("<default>false</default>", "<color>#FF0000</color><default>true</default>", 1)
    )
    step = plan_update("salesforce", files, more).steps[0]
    assert step.file is not None
    for kept in (
        "<description>Ask &amp; fill<",
        "<label>Why<",
        "<trackHistory>true<",
        "<restricted>false<",
        "<color>#FF0000<",
    ):
        assert kept in step.file[1]
    assert step.file[1].count("<default>true</default>") == 1
    crm = SIMULATED["zendesk"]()
    crm.create(export_taxonomy(SHOP, "zendesk"))
    crm.field["custom_field_options"][1]["default"] = True
    options = plan_update("zendesk", crm.listing(), more).steps[0].body["ticket_field"]["custom_field_options"]
    assert [option.get("default", False) for option in options] == [False, True, False, False]


def test_choices_of_others_that_are_alike_or_odd_are_no_reason_to_refuse_a_plan() -> None:
    crm = SIMULATED["servicenow"](True)
    crm.create(export_taxonomy(SHOP, "servicenow"))
    for at, record in enumerate(list(crm.records.values())[:1] * 2):
        number = f"{100 + at:032x}"
        crm.records[number] = record | {"sys_id": number, "label": "Twice\nthe same", "value": "x" * 41 + str(at)}
    assert plan_update("servicenow", crm.listing(), SHOP).steps == ()


def test_a_global_value_set_is_refused_with_the_cause() -> None:
    files = export_taxonomy(SHOP, "salesforce")
    name = "objects/Case/fields/Contact_Reason__c.field-meta.xml"
    files[name] = (
        "<CustomField><fullName>Contact_Reason__c</fullName><valueSet><valueSetName>X</valueSetName></valueSet></CustomField>"
    )
    with pytest.raises(CrmError, match="a global value set cannot depend on a field"):
        read_export("salesforce", files)


# --------------------------------------------------------------------------------------- folders, commands


def test_a_folder_is_written_whole_over_nothing_and_read_again(tmp_path: Path) -> None:
    files = export_taxonomy(SHOP, "salesforce")
    folder = tmp_path / "new" / "export"
    assert sorted(path.relative_to(folder).as_posix() for path in write_folder(files, folder)) == sorted(files)
    assert read_folder(folder) == {name: text for name, text in files.items() if not name.endswith(".md")}
    assert read_export("salesforce", read_folder(folder)) == SHOP
    assert [path.name for path in folder.parent.iterdir()] == ["export"]
    with pytest.raises(CrmError, match="nothing is overwritten"):
        write_folder(files, folder)
    (tmp_path / "empty").mkdir()
    assert write_folder(files, tmp_path / "empty")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(CrmError, match="nothing is overwritten"):
        write_folder(files, tmp_path / "file")


def test_a_folder_without_files_or_with_one_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrmError, match=r"no \.json, \.xml"):
        read_folder(tmp_path)
    (tmp_path / "x.json").write_bytes(b"\xff")
    with pytest.raises(CrmError, match=r"x\.json: not UTF-8"):
        read_folder(tmp_path)


def run(*line: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", *line])
    return result.exit_code, result.output


def test_the_commands_write_plan_and_read_back(tmp_path: Path) -> None:
    out, old, new = tmp_path / "out", tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(SHOP.to_yaml(), encoding="utf-8")
    more = Taxonomy.from_pairs(
        [("Billing", "Refund"), ("Billing", "Invoice"), ("Delivery", "Late, again"), ("Delivery", "Lost")]
    )
    new.write_text(more.to_yaml(), encoding="utf-8")
    code, said = run("--to", "zendesk", "--taxonomy", str(old), "--out", str(out), "--set", "title=Why")
    assert code == 0
    assert f"Next: {out / 'README.md'}" in said
    code, said = run("--to", "zendesk", "--taxonomy", str(old), "--out", str(out))
    assert (code, "nothing is overwritten" in said) == (2, True)
    plan = ("plan", "--to", "zendesk", "--now", str(out), "--set", "title=Why")
    code, said = run(*plan, "--taxonomy", str(old))
    assert (code, "Nothing to do" in said) == (0, True)
    code, said = run(*plan, "--taxonomy", str(new), "--earlier", str(old), "--out", str(tmp_path / "plan"), "--json")
    assert code == 0
    assert [change["reason"] for step in json.loads(said)["steps"] for change in step["changes"]] == ["delivery.lost"]
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == ["01-put.json", "PLAN.md"]
    read = ("read", "--from", "zendesk", "--now", str(out), "--out", str(tmp_path / "back.yaml"), "--set", "title=Why")
    assert run(*read)[0] == 0
    assert Taxonomy.from_yaml(tmp_path / "back.yaml") == SHOP
    code, said = run(*read)
    assert (code, "nothing is overwritten" in said) == (2, True)


def test_the_command_says_which_labels_it_wrote_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run("--to", "intercom", "--out", "tickets", "--set", "kind=ticket")
    assert (code, "';' stands for the comma in" in output) == (0, True), output
    code, output = run("--to", "intercom", "--out", "conversations")
    assert (code, "stands for the comma" in output) == (0, False), output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--to", "zendesk"), "say where to"),
        (("--to", "siebel", "--out", "x"), "no export for 'siebel'"),
        (("--to", "zendesk", "--out", "x", "--set", "title"), "write NAME=VALUE"),
        (
            ("--to", "intercom", "--out", "x", "--set", "kind=tickets"),
            "'tickets' is not known; one of: conversation, ticket",
        ),
        (("plan", "--to", "zendesk", "--now", "nowhere"), "no .json"),
    ],
)
def test_a_command_that_cannot_be_done_says_so_and_writes_nothing(
    line: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output = run(*line)
    assert (code, said in output) == (2, True), output
    assert not [*tmp_path.iterdir()]
