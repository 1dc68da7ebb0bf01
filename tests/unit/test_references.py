"""What names old reasons: found in every kind of file, updated only where the rule or text then says what it said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.crm.exports import export_taxonomy, write_folder
from contact_reasons.errors import MigrationError, PolicyError
from contact_reasons.references import find_references, migrate_pack
from contact_reasons.references.policy import policy_references
from contact_reasons.references.record import Edit, edited
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import (
    Migration,
    Verdict,
    compare_taxonomies,
    draft_migration,
    migration_of,
    read_migration,
)
from contact_reasons.taxonomy.strict_yaml import parse_strict_yaml, scalar_spans
from tests.strategies import any_text
from tests.unit.test_taxonomy_difference import START, Changes, changes, taxonomy

OLD = {
    "bill.a": {},
    "bill.b": {},
    "bill.c": {},
    "ship.late": {},
    "ship.x": {},
    "ship.y": {},
    "misc.fax": {},
    "misc.z": {},
}
NEW = {
    "bill.one": {"formerly": ["bill.a"]},
    "bill.bc": {"formerly": ["bill.b", "bill.c"]},
    "ship.late": {},
    "ship.stolen": {"formerly": ["ship.late"]},
    "ship.x": {},
    "ship.y": {},
    "misc.z": {},
}

POLICY = """\
# Rules of the shop.
router: shop-rules
version: 1
inputs:
  reason: {type: tree, taxonomy: shop, nullable: true}
  team:   {type: enum, values: [bill.a, other], nullable: true}   # no reason, though it looks like one
never:
  - {name: one, when: {reason: bill.a}, channel: [self_service]}    # bill.a in a comment
rules:
  - id: quoted
    when: {reason: 'bill.a', team: bill.a}
    then: {channel: chat, priority: 2, queue: bill.a, skills: [bill.a]}
  - {id: both,   when: {reason: [bill.b, bill.c, missing]}, then: {channel: chat, priority: 3}}
  - {id: part,   when: {reason: "bill.b"}, then: {channel: chat, priority: 3}}
  - {id: whole,  when: {reason: ship.*}, then: {channel: chat, priority: 3}}
  - {id: split,  when: {reason: [ship.x, ship.late]}, then: {channel: chat, priority: 3}}
  - {id: gone,   when: {reason: [misc.fax, misc/z]}, then: {channel: chat, priority: 3}}
  - id: lines
    when:
      reason:
        - bill.c   # a remark that stays
        - bill.b
        - bill.a
    then: {channel: chat, priority: 3}
  - {id: rest, when: {}, then: {channel: message, priority: 8}}
tests:
  - {name: a, given: {reason: bill.a}, expect: quoted}
  - {name: b, given: {reason: bill.b}, expect: both}
  - {name: late, given: {reason: ship.late}, expect: whole}
  # - {name: fax, given: {reason: misc.fax}, expect: rest}
"""


def migration(old: dict[str, Any] = OLD, new: dict[str, Any] = NEW) -> Migration:
    return migration_of(compare_taxonomies(taxonomy("1", old), taxonomy("2", new)))


def test_cells_that_stay_true_are_rewritten_and_the_others_are_listed_with_what_to_do() -> None:
    found = policy_references(POLICY, "policy.yaml", migration())
    assert [(one.line, one.names, one.edit is not None, one.needs_judgement) for one in found] == [
        (8, "bill.a", True, False),
        (8, "bill.a", False, True),
        (11, "bill.a", True, False),
        (13, "bill.b", True, False),
        (13, "bill.c", True, False),
        (14, "bill.b", False, True),
        (16, "ship.late", False, True),
        (17, "misc.fax", False, True),
        (21, "bill.c", True, False),
        (22, "bill.b", True, False),
        (23, "bill.a", True, False),
        (27, "bill.a", True, False),
        (28, "bill.b", True, False),
        (29, "ship.late", False, True),
        (30, "misc.fax", False, True),
    ]
    assert [one.line for one in found if "in a comment" in one.why] == [8, 30]
    said = {one.line: str(one) for one in found if one.needs_judgement}
    assert "rules[2].when.reason: it would hold for what was bill.c as well" in said[14]
    assert "the reason was split; write [ship.late, ship.stolen] to keep what it does" in said[16]
    assert "the reason was retired; take it out" in said[17]
    assert "write a test for each of ship.late, ship.stolen" in said[29]


def test_comments_quotes_spacing_and_words_that_are_no_reason_stay() -> None:
    found = policy_references(POLICY, "policy.yaml", migration())
    text = edited(POLICY, [one.edit for one in found if one.edit is not None])
    changed = [(a, b) for a, b in zip(POLICY.split("\n"), text.split("\n"), strict=True) if a != b]
    assert changed == [
        (
            "  - {name: one, when: {reason: bill.a}, channel: [self_service]}    # bill.a in a comment",
            "  - {name: one, when: {reason: bill.one}, channel: [self_service]}    # bill.a in a comment",
        ),
        ("    when: {reason: 'bill.a', team: bill.a}", "    when: {reason: 'bill.one', team: bill.a}"),
        (
            "  - {id: both,   when: {reason: [bill.b, bill.c, missing]}, then: {channel: chat, priority: 3}}",
            "  - {id: both,   when: {reason: [bill.bc, missing]}, then: {channel: chat, priority: 3}}",
        ),
        ("        - bill.c   # a remark that stays", "        - bill.bc   # a remark that stays"),
        ("        - bill.b", "        - bill.bc"),
        ("        - bill.a", "        - bill.one"),
        (
            "  - {name: a, given: {reason: bill.a}, expect: quoted}",
            "  - {name: a, given: {reason: bill.one}, expect: quoted}",
        ),
        (
            "  - {name: b, given: {reason: bill.b}, expect: both}",
            "  - {name: b, given: {reason: bill.bc}, expect: both}",
        ),
    ]


def test_a_wildcard_is_rewritten_only_if_nothing_moved_in_or_out() -> None:
    rules = "router: r\ninputs:\n  reason: {type: tree, taxonomy: shop}\nrules:\n  - {when: {reason: bill.*}}\n"
    old = {"bill.a": {}, "bill.b": {}, "ship.c": {}}
    together = {"money.a": {"formerly": ["bill.a"]}, "money.b": {"formerly": ["bill.b"]}, "ship.c": {}, "money.new": {}}
    (one,) = policy_references(rules, "p", migration(old, together))
    assert one.edit is not None
    assert edited(rules, [one.edit]).endswith("reason: money.*}}\n")
    out = {"bill.a": {}, "ship.b": {"formerly": ["bill.b"]}, "ship.c": {}}
    (one,) = policy_references(rules, "p", migration(old, out))
    assert "its reasons are under bill and ship now" in str(one)
    into = {"bill.a": {}, "bill.b": {}, "bill.c": {"formerly": ["ship.c"]}}
    (one,) = policy_references(rules, "p", migration(old, into))
    assert "it would hold for what was ship, ship.c as well" in str(one)
    assert not policy_references(rules, "p", migration(old, old))


def test_a_split_primary_needs_no_judgement_where_the_cell_names_all_that_it_became() -> None:
    rules = "router: r\ninputs:\n  reason: {type: tree, taxonomy: shop}\nrules:\n  - {when: {reason: [bill, ship]}}\n  - {when: {reason: bill}}\n"
    moved = {"bill.a": {}, "ship.b": {"formerly": ["bill.b"]}, "ship.c": {}}
    (one,) = policy_references(rules, "p", migration({"bill.a": {}, "bill.b": {}, "ship.c": {}}, moved))
    assert one.line == 6
    assert "write [bill, ship], which would hold for what was ship as well, or decide anew" in one.do


def test_a_cell_that_names_all_of_a_split_is_judged_where_another_reason_came_in() -> None:
    rules = (
        "router: r\ninputs:\n  reason: {type: tree, taxonomy: shop}\nrules:\n  - {when: {reason: [bill.a, bill.b]}}\n"
    )
    both = Verdict("split", ("bill.a", "bill.b"))
    verdicts = {"bill": Verdict("to", ("bill",)), "bill.a": both, "bill.b": both, "bill.c": Verdict("to", ("bill.b",))}
    old, new = taxonomy("1", {"bill.a": {}, "bill.b": {}, "bill.c": {}}), taxonomy("2", {"bill.a": {}, "bill.b": {}})
    found = policy_references(rules, "p", Migration(old, new, verdicts))
    assert [one.names for one in found if "for what was bill.c as well" in one.do] == ["bill.a", "bill.b"]
    without = {**verdicts, "bill.c": Verdict("retired")}
    assert not policy_references(rules, "p", Migration(old, new, without))


def test_a_rule_that_names_all_of_a_split_needs_no_judgement_when_the_file_is_looked_at_again() -> None:
    rules = "router: r\ninputs:\n  reason: {type: tree, taxonomy: shop}\nrules:\n  - {when: {reason: [CELL]}}\n"
    known = migration(
        {"ship.late": {}, "ship.x": {}}, {"ship.late": {}, "ship.stolen": {"formerly": ["ship.late"]}, "ship.x": {}}
    )
    assert policy_references(rules.replace("CELL", "ship.late, ship.stolen, ship.x"), "p", known) == []
    (one,) = policy_references(rules.replace("CELL", "ship.late, ship.x"), "p", known)
    assert "write [ship.late, ship.stolen] to keep what it does" in one.do


def test_reasons_written_out_in_a_rule_file_are_left_to_a_person() -> None:
    rules = "router: r\ninputs:\n  reason: {type: tree, values: {bill: [a, b]}}\nrules:\n  - {when: {reason: bill.a}}\n"
    (one,) = policy_references(rules, "p", migration())
    assert one.edit is None
    assert one.do.startswith("change the reasons written out under `inputs`")


@st.composite
def rule_files(draw: st.DrawFn) -> tuple[Changes, str]:
    """Random changes, and a rule file about the first version whose rules each hold for some of its reasons."""
    found = draw(changes(most=5))
    parts = st.sampled_from([*START, "bill", "ship", "bill.*", "ship.*", "missing"])
    cells = draw(st.lists(st.lists(parts, min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
    rules = [
        f"  - {{id: r{i}, when: {{reason: [{', '.join(cell)}]}}, then: {{channel: chat, priority: {i + 1}}}}}"
        for i, cell in enumerate(cells)
    ]
    head = ["router: r", "version: 1", "inputs:", "  reason: {type: tree, taxonomy: shop, nullable: true}", "rules:"]
    return found, "\n".join([*head, *rules, "  - {id: rest, when: {}, then: {channel: message, priority: 9}}", ""])


@given(rule_files())
def test_a_rule_file_without_anything_to_judge_sends_migrated_tickets_where_it_sent_the_old_ones(
    given_: tuple[Changes, str],
) -> None:
    found, rules = given_
    old, new = taxonomy("1", START), taxonomy("2", found.reasons)
    known = migration_of(compare_taxonomies(old, new))
    references = policy_references(rules, "p", known)
    if any(one.needs_judgement for one in references):
        return
    text = edited(rules, [one.edit for one in references if one.edit is not None])
    before = RoutingPolicy.from_dict(parse_strict_yaml(rules, PolicyError).data, taxonomy=old)
    after = RoutingPolicy.from_dict(parse_strict_yaml(text, PolicyError).data, taxonomy=new)
    for reason, verdict in known.verdicts.items():
        for target in verdict.targets:
            assert after.route({"reason": target}).rule_id == before.route({"reason": reason}).rule_id
    assert after.route({"reason": None}).rule_id == before.route({"reason": None}).rule_id


@given(
    st.recursive(
        any_text, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3), max_leaves=8
    ),
    st.booleans(),
)
def test_spans_are_where_the_scalars_stand(data: Any, flow: bool) -> None:
    text = yaml.safe_dump({"root": data}, allow_unicode=True, default_flow_style=flow)
    try:
        spans = scalar_spans(text, PolicyError)
    except PolicyError:
        return  # what strict YAML refuses
    for path, span in spans.items():
        value: Any = parse_strict_yaml(text, PolicyError).data
        for key in path:
            value = value[key]
        piece = text[span.start : span.end]
        assert span.value == value
        assert (
            text[: span.start].count("\n") + 1 == span.line
            or "\r" in text
            or "\x85" in text
            or "\u2028" in text
            or "\u2029" in text
        )
        if piece == value or piece[:1] in "'\"":
            assert parse_strict_yaml(edited(text, [Edit(span.start, span.end, "'new'")]), PolicyError)


# ------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def shop(tmp_path: Path, tiny_pack: Path) -> tuple[Path, Migration]:
    """A folder with every kind of file that names reasons, and a migration."""
    folder = tmp_path / "shop"
    (folder / "texts").mkdir(parents=True)
    old, new = taxonomy("1", OLD), taxonomy("2", NEW)
    (folder / "taxonomy.yaml").write_text(old.to_yaml())
    (tmp_path / "new.yaml").write_text("# the new one\n" + new.to_yaml())
    (folder / "policy.yaml").write_text(POLICY.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")
    (folder / "texts" / "training.jsonl").write_text(
        '{"text": "one \\u00e9", "reason":  "bill.a", "form": "chat"}\n'
        '{"reason": "ship.late", "text": "two"}\n'
        '{"text": "say \\"reason\\": \\"bill.a\\"", "reason": "bill.b"}\n'
        '{"text": "", "reason": "misc.fax"}\n'
        '{"text": "five", "reason": null}\n'
        '{"text": "six", "reason": "ship.x"}\n'
    )
    model = folder / "model"
    model.mkdir()
    shutil.copy(tiny_pack / "model" / "manifest.json", model)
    (folder / "report.md").write_text("bill.a is fine\n")
    (folder / "crm.json").write_text('{\n "fields": {"bill__a": "Bill", "ship.late": "Late", "ship__x": "X"}\n}\n')
    (folder / "tickets.csv").write_text("id,reason\n1,bill.a\n2,bill.abc\n")
    (folder / "calibration.json").write_text(
        json.dumps({"promise": {}, "thresholds": {}, "model": "x", "taxonomy": {"taxonomy_id": "shop", "version": "1"}})
    )
    step = draft_migration(compare_taxonomies(taxonomy("0", {"bill.a": {}}), old), old="zero.yaml", new="taxonomy.yaml")
    (folder / "step-0-1.yaml").write_text(step)
    (tmp_path / "old.yaml").write_text(old.to_yaml())
    (tmp_path / "migration.yaml").write_text(
        draft_migration(compare_taxonomies(old, new), old="old.yaml", new="new.yaml")
    )
    return folder, read_migration(tmp_path / "migration.yaml")


def test_every_kind_of_reference_in_a_folder_is_found(shop: tuple[Path, Migration]) -> None:
    found = find_references(shop[1], shop[0])
    assert {(one.file, one.kind) for one in found} == {
        ("taxonomy.yaml", "taxonomy"),
        ("policy.yaml", "policy"),
        ("policy.yaml", "other"),
        ("texts/training.jsonl", "text"),
        ("model/manifest.json", "model"),
        ("report.md", "training result"),
        ("crm.json", "other"),
        ("tickets.csv", "other"),
        ("calibration.json", "calibration"),
        ("step-0-1.yaml", "migration"),
    }
    others = [
        (one.file, one.line, one.names, one.new) for one in found if one.kind == "other" and one.file != "policy.yaml"
    ]
    assert others == [
        ("crm.json", 2, "bill__a", ("bill__one",)),
        ("crm.json", 2, "ship.late", ("ship.late", "ship.stolen")),
        ("tickets.csv", 2, "bill.a", ("bill.one",)),
    ]
    texts = [(one.line, one.names, one.needs_judgement) for one in found if one.kind == "text"]
    assert texts == [(1, "bill.a", False), (2, "ship.late", True), (3, "bill.b", False), (4, "misc.fax", True)]
    assert all(one.do for one in found if one.kind in ("model", "calibration", "training result"))


def test_a_new_folder_has_what_needs_no_judgement_and_nothing_made_from_the_old_version(
    shop: tuple[Path, Migration], tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in shop[0].rglob("*") if path.is_file()}
    done = migrate_pack(shop[0], shop[1], out=tmp_path / "shop-2")
    assert {path: path.read_bytes() for path in shop[0].rglob("*") if path.is_file()} == before
    assert done.updated == ("policy.yaml", "taxonomy.yaml", "texts/training.jsonl")
    assert done.left_out == ("calibration.json", "model/manifest.json", "report.md")
    assert not (tmp_path / "shop-2" / "model").exists()
    assert sorted(path.name for path in (tmp_path / "shop-2").iterdir()) == [
        "crm.json", "policy.yaml", "step-0-1.yaml", "taxonomy.yaml", "texts", "tickets.csv",
    ]  # fmt: skip
    assert (tmp_path / "shop-2" / "taxonomy.yaml").read_text().startswith("# the new one\n")
    policy = (tmp_path / "shop-2" / "policy.yaml").read_bytes()
    assert policy.startswith(b"\xef\xbb\xbf# Rules of the shop.\r\n")
    assert b"\n" not in policy.replace(b"\r\n", b"")
    assert (tmp_path / "shop-2" / "texts" / "training.jsonl").read_text().split("\n")[:3] == [
        '{"text": "one \\u00e9", "reason":  "bill.one", "form": "chat"}',
        '{"reason": "ship.late", "text": "two"}',
        '{"text": "say \\"reason\\": \\"bill.a\\"", "reason": "bill.bc"}',
    ]
    assert "-  - {name: one, when: {reason: bill.a}" in done.diff
    with pytest.raises(MigrationError, match="the folder exists"):
        migrate_pack(shop[0], shop[1], out=tmp_path / "shop-2")


def test_without_a_place_to_write_nothing_is_written(shop: tuple[Path, Migration]) -> None:
    before = {path: path.read_bytes() for path in shop[0].parent.rglob("*") if path.is_file()}
    done = migrate_pack(shop[0], shop[1])
    assert done.diff.count("--- a/") == len(done.updated) == 3
    assert {path: path.read_bytes() for path in shop[0].parent.rglob("*") if path.is_file()} == before


def test_copies_of_the_old_version_and_what_was_exported_from_it_stay(shop: tuple[Path, Migration]) -> None:
    """What a CRM was made from is needed to plan its change, and the old version to relabel tickets later."""
    folder, known = shop
    write_folder(export_taxonomy(known.old, "zendesk"), folder / "crm")
    (folder / "taxonomy-1.yaml").write_text(known.old.to_yaml())
    (folder / "more" / "texts").mkdir(parents=True)
    (folder / "more" / "taxonomy.yaml").write_text(known.old.to_yaml())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = migrate_pack(folder, known, in_place=True)
    assert {"taxonomy.yaml", "more/taxonomy.yaml"} <= set(done.updated)
    for path in (folder / "taxonomy-1.yaml", *(folder / "crm").rglob("*.*")):
        assert path.read_bytes() == before[path]
    said = {one.file: (one.kind, one.do[:60]) for one in done.references if one.file.startswith(("crm/", "taxonomy-1"))}
    assert said == {
        "crm/taxonomy.yaml": ("export", "plan the change there with `contact-reasons export plan`, --"),
        "taxonomy-1.yaml": ("taxonomy", ""),
    }


def test_codes_are_found_in_programs_and_queries_too(shop: tuple[Path, Migration]) -> None:
    folder, known = shop
    (folder / "report.sql").write_text("SELECT 1 FROM t WHERE tag = 'cr_ship__late' OR reason = 'misc.fax'\n")
    (folder / "send.py").write_text("CODE = 'bill__a'\n")
    found = [one for one in find_references(known, folder) if one.file in ("report.sql", "send.py")]
    assert [(one.names, one.new, one.needs_judgement) for one in found] == [
        ("cr_ship__late", ("cr_ship__late", "cr_ship__stolen"), True),
        ("misc.fax", (), True),
        ("bill__a", ("bill__one",), True),
    ]


def test_in_place_twice_is_once_and_keeps_every_file(shop: tuple[Path, Migration], tmp_path: Path) -> None:
    names = sorted(path.name for path in shop[0].rglob("*"))
    migrate_pack(shop[0], shop[1], in_place=True)
    once = {path: path.read_bytes() for path in shop[0].rglob("*") if path.is_file()}
    assert sorted(path.name for path in shop[0].rglob("*")) == names
    assert migrate_pack(shop[0], shop[1], in_place=True).updated == ()
    assert {path: path.read_bytes() for path in shop[0].rglob("*") if path.is_file()} == once
    with pytest.raises(MigrationError, match="not both"):
        migrate_pack(shop[0], shop[1], in_place=True, out=tmp_path / "x")


def test_the_old_taxonomy_that_a_migration_needs_is_not_replaced_in_place(shop: tuple[Path, Migration]) -> None:
    file = shop[0].parent / "migration.yaml"
    file.write_text(file.read_text().replace("old.yaml", "shop/taxonomy.yaml"))
    before = (shop[0] / "taxonomy.yaml").read_text()
    with pytest.raises(
        MigrationError, match="would replace the old taxonomy, which the migration still needs for tickets"
    ):
        migrate_pack(shop[0], read_migration(file), in_place=True)
    assert (shop[0] / "taxonomy.yaml").read_text() == before
    file.write_text(file.read_text().replace("shop/taxonomy.yaml", "gone.yaml"))
    with pytest.raises(MigrationError, match=r"from\.taxonomy: there is no file .*gone\.yaml; write where"):
        read_migration(file)


def test_a_failure_while_writing_leaves_no_folder(
    shop: tuple[Path, Migration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(MigrationError, match="No space left on device; check rights and space"):
        migrate_pack(shop[0], shop[1], out=tmp_path / "shop-2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["migration.yaml", "new.yaml", "old.yaml", "shop"]


def test_a_rule_file_that_is_wrong_for_the_new_taxonomy_is_listed(tmp_path: Path) -> None:
    old, new = {"bill.a": {}, "bill.b": {}}, {"bill.x": {"formerly": ["bill.a"]}, "bill.b": {}}
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "taxonomy.yaml").write_text(taxonomy("1", old).to_yaml())
    rules = (
        "router: r\nversion: 1\ninputs:\n  reason: {type: tree, taxonomy: shop}\nrules:\n"
        "  - {id: a, when: {reason: bill.a}, then: {channel: chat, priority: 1}}\n"
        "  - {id: rest, when: {}, then: {channel: chat, priority: 1}}\n"
        "tests:\n  - {name: t, given: {reason: bill.a}, expect: EXPECTED}\n"
    )
    (folder / "policy.yaml").write_text(rules.replace("EXPECTED", "a"))
    known = migration(old, new)
    assert migrate_pack(folder, known, out=tmp_path / "right").to_do == ()
    cr.RoutingPolicy.load(tmp_path / "right" / "policy.yaml")
    (folder / "policy.yaml").write_text(rules.replace("EXPECTED", "rest"))
    (one,) = migrate_pack(folder, known, out=tmp_path / "wrong").to_do
    assert "not right for the new taxonomy: 1 of 1 tests failed" in one.why
    with pytest.raises(MigrationError, match="there is no such folder"):
        find_references(known, tmp_path / "nowhere")
