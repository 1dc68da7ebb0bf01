"""``contact-reasons taxonomy``: exit codes, what is shown, what a machine reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import contact_reasons as cr
from contact_reasons.cli import app
from contact_reasons.taxonomy import Verdict, read_migration
from tests.unit.test_taxonomy_difference import taxonomy

OLD = {"bill.a": {}, "bill.b": {}, "ship.late": {}}
NEW = {"bill.one": {"formerly": ["bill.a"]}, "bill.b": {}, "ship.late": {}, "ship.stolen": {"formerly": ["ship.late"]}}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(taxonomy("1", OLD).to_yaml())
    Path("new.yaml").write_text(taxonomy("2", NEW).to_yaml())
    return tmp_path


def run(line: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == code, result.output
    return result.output


def test_diff_tells_equal_from_changed_from_wrong_by_its_exit_code(files: Path) -> None:
    assert "equal: no reason changed" in run("taxonomy diff old.yaml old.yaml")
    assert "split        ship.late → ship.late, ship.stolen" in run("taxonomy diff old.yaml new.yaml", 1)
    assert "the other way round" in run("taxonomy diff new.yaml old.yaml", 2)
    data = json.loads(run("taxonomy diff old.yaml new.yaml --json", 1))
    assert data["reidentified"] == [{"old": "bill.a", "new": "bill.one"}]


def test_diff_takes_packs_by_name_too() -> None:
    assert "retail 1.0.0 → retail 1.0.0" in run("taxonomy diff retail retail")


def test_draft_writes_a_file_that_is_read_from_anywhere_and_replaced_only_when_asked(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("sub").mkdir()
    assert "5 old reasons, 2 of them change; 1 split, 0 retired" in run(
        "taxonomy draft old.yaml new.yaml --out sub/m.yaml"
    )
    monkeypatch.chdir(files.parent)
    assert read_migration(files / "sub" / "m.yaml").new == cr.Taxonomy.load(files / "new.yaml")
    monkeypatch.chdir(files)
    assert "the file exists; choose another name" in run("taxonomy draft old.yaml new.yaml --out sub/m.yaml", 2)
    run("taxonomy draft old.yaml new.yaml --out sub/m.yaml --overwrite")
    assert "No such file or directory" in run("taxonomy draft old.yaml new.yaml --out nowhere/m.yaml", 2)
    assert "raise `version` in the new one" in run("taxonomy draft old.yaml old.yaml --out other.yaml", 2)


def test_the_way_back_is_drafted_too(files: Path) -> None:
    assert "shop 2 → shop 1: 6 old reasons, 2 of them change; 0 split" in run(
        "taxonomy draft old.yaml new.yaml --backwards --out back.yaml"
    )
    back = read_migration("back.yaml")
    assert back.verdicts["ship.stolen"] == back.verdicts["ship.late"] == Verdict("to", ("ship.late",))
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    Path("t.csv").write_text("reason\nbill.a\nbill.b\n")
    run("taxonomy migrate t.csv --migration m.yaml --out there.csv")
    run("taxonomy migrate there.csv --migration back.yaml --prefix back_ --out again.csv")
    assert [line.split(",")[0] for line in Path("again.csv").read_text().splitlines()] == ["reason", "bill.a", "bill.b"]


def test_of_a_long_diff_of_texts_the_first_lines_are_shown(files: Path) -> None:
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    Path("pack/texts").mkdir(parents=True)
    Path("pack/texts/training.jsonl").write_text('{"text": "x", "reason": "bill.a"}\n' * 50)
    Path("pack/taxonomy.yaml").write_text(taxonomy("1", OLD).to_yaml())
    said = run("taxonomy migrate --pack pack --migration m.yaml")
    assert said.count('-{"text": "x", "reason": "bill.a"}') == 17
    assert "… and 83 more lines of the diff of texts/training.jsonl; --json has them all" in said
    assert "+version: '2'" in said
    assert json.loads(run("taxonomy migrate --pack pack --migration m.yaml --json"))["diff"].count("bill.one") == 51


def test_a_change_in_place_that_was_killed_is_told_and_finished(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    Path("pack/texts").mkdir(parents=True)
    Path("pack/texts/training.jsonl").write_text('{"text": "x", "reason": "bill.a"}\n')
    with monkeypatch.context() as patched:
        patched.setattr("contact_reasons.journal.finish_change", interrupted)
        run("taxonomy migrate --pack pack --migration m.yaml --in-place", 130)
    assert "was interrupted, so that some files may be new" in run("taxonomy migrate --pack pack --migration m.yaml", 2)
    assert "Finished a change that was interrupted: texts/training.jsonl" in run(
        "taxonomy migrate --pack pack --migration m.yaml --in-place"
    )
    assert "bill.one" in Path("pack/texts/training.jsonl").read_text()


def interrupted(_: Path) -> None:
    raise KeyboardInterrupt


def test_a_draft_from_a_packs_folder_names_its_taxonomy_file(files: Path) -> None:
    Path("pack").mkdir()
    Path("old.yaml").rename("pack/taxonomy.yaml")
    run("taxonomy draft pack new.yaml --out m.yaml")
    assert "  taxonomy: pack/taxonomy.yaml\n" in Path("m.yaml").read_text()


def test_migrate_relabels_tickets_and_says_what_it_could_not_decide(files: Path) -> None:
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    Path("t.csv").write_text("label\nbill.a\nship.late\n\n")
    said = run("taxonomy migrate t.csv --migration m.yaml --reason-column label --out out.csv")
    assert "undecided: ship.late 1" in said
    assert "why undecided: no model was given 1" in said
    assert Path("out.csv").read_text().split("\n")[1].startswith("bill.one,bill.a,rule,,,shop 1 > 2 ")
    report = json.loads(Path("out.csv.report.json").read_text())
    assert report["counts"]["decided"] == {"rule": 1, "undecided": 1}


def test_migrate_updates_a_pack_in_a_new_folder_or_shows_what_it_would_do(files: Path) -> None:
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    texts = Path("pack/texts")
    texts.mkdir(parents=True)
    (texts / "training.jsonl").write_text('{"text": "x", "reason": "bill.a"}\n')
    assert '+{"text": "x", "reason": "bill.one"}' in run("taxonomy migrate --pack pack --migration m.yaml")
    assert "bill.a" in (texts / "training.jsonl").read_text()
    assert "Updated: 1 place in texts/training.jsonl" in run(
        "taxonomy migrate --pack pack --migration m.yaml --out pack-2"
    )
    (texts / "training.jsonl").write_text('{"text": "x", "reason": "ship.late"}\n' * 5)
    said = run("taxonomy migrate --pack pack --migration m.yaml", 1)
    assert "texts/training.jsonl:1,2,3 and 2 more lines: ship.late: the reason was split" in said
    data = json.loads(run("taxonomy migrate --pack pack --migration m.yaml --json", 1))
    assert [one["line"] for one in data["references"]] == [1, 2, 3, 4, 5]
    run("taxonomy migrate --pack pack --migration m.yaml --in-place", 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("taxonomy migrate --migration m.yaml", "name a ticket file or a folder with --pack, one of the two"),
        ("taxonomy migrate t.csv --pack p --migration m.yaml", "one of the two"),
        ("taxonomy migrate t.csv --migration m.yaml", "name it with --out"),
        ("taxonomy migrate t.csv --migration m.yaml --out o.csv --in-place", "without --in-place"),
        ("taxonomy migrate t.csv --migration gone.yaml --out o.csv", r"gone\.yaml: the file cannot be read"),
    ],
)
def test_what_does_not_go_together_is_said(files: Path, line: str, message: str) -> None:
    run("taxonomy draft old.yaml new.yaml --out m.yaml")
    Path("t.csv").write_text("reason\nbill.a\n")
    assert message.replace("\\", "") in run(line, 2)
