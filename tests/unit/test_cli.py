from __future__ import annotations

import contextlib
import csv
import json
import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contact_reasons import terminal
from contact_reasons.cli import app
from contact_reasons.resources import pack_files
from tests.conftest import ROOT, TINY_TEXTS

SAMPLE = str(ROOT / "samples" / "retail-tickets.csv")


def run(*arguments: str, code: int = 0) -> str:
    terminal.out.width = 200  # whatever COLUMNS was when it was made
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == code, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    file = tmp_path / "labelled.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["body", "reason", "topic", "subtopic", "who"])
        for reason, texts in TINY_TEXTS.items():
            writer.writerows([text, reason, *reason.split("."), f"c{i}"] for i, text in enumerate(texts))
        writer.writerow(["hello", "", "", "", "c9"])
    return file


@pytest.mark.parametrize(
    "command", ["label", "label-database", "route", "train", "evaluate", "calibrate", "explain", "validate", "packs"]
)
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    text = run(command, "--help")
    assert "Example" in text
    assert f"contact-reasons {command}" in text


def test_label_ends_with_a_summary_a_person_wants_to_read(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    text = run("label", SAMPLE, "--subject-column", "subject", "--out", str(out))
    for part in ("why they contact us", "Where is my order?", "how to help them", "self service", "left to a person", "360 read, 360 written, 0 rejected", f"Result: {out}"):  # fmt: skip
        assert part in text
    assert out.exists()


def test_label_says_what_is_wrong_and_exits_with_two(tmp_path: Path) -> None:
    text = run("label", SAMPLE, "--text-column", "body", "--out", str(tmp_path / "o.csv"), code=2)
    assert "BatchError" in text
    assert "there is no column 'body'" in text
    assert "Traceback" not in text
    assert "write NAME=COLUMN" in run("label", SAMPLE, "--input", "stage", "--out", str(tmp_path / "o.csv"), code=2)
    assert "no pack is called 'retial'" in run(
        "label", SAMPLE, "--pack", "retial", "--out", str(tmp_path / "o.csv"), code=2
    )


def test_label_points_to_rejected_rows_and_missing_inputs(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,stage\nwhere is my parcel,fulfilment\nrefund,fulfillment\n")
    text = run("label", str(source), "--out", str(tmp_path / "out.csv"))
    assert "Rejected rows, with causes" in text
    assert "Policy inputs without a column, taken as not known: customer_type" in text


def test_route_uses_reasons_that_are_known(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("reason,open\nfaults.safety,true\naccount.login,false\n,true\n")
    text = run("route", str(source), "--certain", "--out", str(tmp_path / "out.jsonl"))
    assert "human agent" in text
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["routed_rule"] for row in rows] == ["safety-now", "self-account", "unsure-message"]


@pytest.mark.parametrize("columns", [["--reason-column", "reason"], ["--primary-column", "topic", "--reason-column", "subtopic", "--customer-column", "who"]])  # fmt: skip
def test_train_makes_a_pack_that_evaluate_and_label_take(labelled: Path, tmp_path: Path, columns: list[str]) -> None:
    pack = tmp_path / "pack"
    text = run("train", "--labelled", str(labelled), "--text-column", "body", *columns, "--out", str(pack))
    assert "secondary right, every text answered" in text
    assert "fewer than 10 texts" in text
    assert sorted(path.name for path in pack.iterdir()) == [
        "mislabelled.csv",
        "model",
        "policy.yaml",
        "report.json",
        "report.md",
        "taxonomy.yaml",
    ]
    report = tmp_path / "scores.json"
    text = run("evaluate", str(labelled), "--pack", str(pack), "--text-column", "body", "--json", str(report))
    assert "All figures" in text
    assert json.loads(report.read_text())["texts"] == 20
    run("label", str(labelled), "--pack", str(pack), "--text-column", "body", "--out", str(tmp_path / "out.csv"))
    assert "ok" in run("validate", str(pack))


def test_evaluate_prints_what_a_person_asks_first_and_writes_figures_and_page(tmp_path: Path) -> None:
    source = tmp_path / "checked.csv"
    source.write_text("text,reason\nwhere is my parcel,delivery.track\nrefund please,returns.refund_when\nhi,\n,x.y\n")
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    command = ["evaluate", str(source), "--json", str(figures), "--html", str(page), "--title", "Ours & yours"]
    text = run(*command, "--date", "20 November 2026")
    for part in ("3 texts, 1 of them without a reason", "labelled, of all texts", "Confidence:", "calibration error", "Hierarchical F1", "secondary wrong at most", "Rows without text, left out: 1", f"Page: {page}"):  # fmt: skip
        assert part in text
    assert json.loads(figures.read_text(encoding="utf-8"))["rows"] == 3
    shown = page.read_text(encoding="utf-8")
    assert "<h1>Ours &amp; yours</h1>" in shown
    assert "20 November 2026" in shown
    run(*command, "--date", "20 November 2026")
    assert page.read_text(encoding="utf-8") == shown
    assert "cannot be written" in run("evaluate", str(source), "--html", str(tmp_path / "no" / "page.html"), code=2)


def test_train_wants_one_of_its_two_forms(labelled: Path) -> None:
    assert "give either --labelled FILE and --out FOLDER, or --pack NAME" in run("train", code=2)
    columns = ["--text-column", "body", "--reason-column", "reson"]
    assert "no column 'reson'; did you mean 'reason'?" in run(
        "train", "--labelled", str(labelled), "--out", "x", *columns, code=2
    )


def test_labels_that_do_not_depend_on_the_text_are_said_first_and_end_with_three(tmp_path: Path) -> None:
    file = tmp_path / "random.csv"
    words = [a + b + c for a in "bdk" for b in "aeiou" for c in "lmn"]
    draw = random.Random(3)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "reason"])
        writer.writerows([" ".join(draw.sample(words, 8)) + f" {n}", draw.choice(["One", "Two"])] for n in range(200))
    command = ["train", "--labelled", str(file), "--out", str(tmp_path / "pack")]
    text = run(*command, code=3)
    assert text.index("The labels do not depend on the text.") < text.index("How good it is")
    report = (tmp_path / "pack" / "report.md").read_text(encoding="utf-8")
    assert report.splitlines()[2].startswith("> **Warning: the labels do not depend on the text")
    assert "do not depend" in (tmp_path / "pack" / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    run(*command, "--force")
    run("label", str(file), "--pack", str(tmp_path / "pack"), "--out", str(tmp_path / "out.csv"))


def test_evaluate_reads_subjects_as_label_does(tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["subject", "text", "reason"])
        writer.writerow(
            ["Re: [Ticket #12] invoice copy", "Agent: hello\nCustomer: please send it again", "payment.invoice"]
        )
        writer.writerow(["where is my parcel", "", "delivery.track"])
    run("label", str(tmp_path / "in.csv"), "--subject-column", "subject", "--out", str(tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    run("evaluate", str(tmp_path / "in.csv"), "--subject-column", "subject", "--json", str(tmp_path / "scores.json"))
    scores = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    right = sum(row["cr_best_guess"] == row["reason"] for row in rows)
    assert scores["secondary_accuracy"]["hits"] == right == 2


def test_half_a_label_is_named(labelled: Path, tmp_path: Path) -> None:
    with labelled.open("a", encoding="utf-8") as stream:
        stream.write("half,,delivery,,c1\n")
    columns = ["--primary-column", "topic", "--reason-column", "subtopic"]
    text = run(
        "train", "--labelled", str(labelled), "--text-column", "body", *columns, "--out", str(tmp_path / "p"), code=2
    )
    assert "row 22: only one of 'topic' and 'subtopic' is given" in text


def test_route_wants_reasons_and_confidence_or_certainty(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,open\n1,true\n")
    assert "no column holds the reasons" in run(
        "route", str(tmp_path / "in.csv"), "--certain", "--out", str(tmp_path / "o.csv"), code=2
    )
    (tmp_path / "in.csv").write_text("reason,open\ndelivery.track,true\n")
    assert "no column for the input 'confidence'" in run(
        "route", str(tmp_path / "in.csv"), "--out", str(tmp_path / "o.csv"), code=2
    )


def test_a_copy_of_a_shipped_policy_is_checked_wherever_it_lies(tmp_path: Path) -> None:
    shutil.copy(pack_files("retail").policy, tmp_path / "my-rules.yaml")
    assert "ok" in run("validate", str(tmp_path / "my-rules.yaml"))


def test_values_of_other_systems_are_read_or_counted(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,arrival_channel,open\nrefund, Email ,Y\nrefund,whatsapp,n\n")
    text = run("label", str(tmp_path / "in.csv"), "--out", str(tmp_path / "a.csv"))
    assert "1 rejected: column 'arrival_channel'" in text
    text = run("label", str(tmp_path / "in.csv"), "--unknown-as-missing", "--out", str(tmp_path / "b.csv"))
    assert "taken as not known: 1 in arrival_channel" in text
    assert "2 read, 2 written" in text


def test_the_version_is_shown() -> None:
    assert re.search(r"contact-reasons \d+\.\d+", run("--version"))


def test_evaluate_names_a_wrong_reason(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,reason\nx,delivery.nowhere\n")
    assert "row 1: 'delivery.nowhere' is no secondary reason of taxonomy 'retail'" in run(
        "evaluate", str(tmp_path / "in.csv"), code=2
    )


def test_validate_finds_warnings_and_errors(tmp_path: Path) -> None:
    assert "ok retail" in run("validate", "retail")
    files = pack_files("retail")
    assert "ok" in run("validate", str(files.taxonomy), str(files.policy), str(files.model))
    shutil.copy(files.taxonomy, tmp_path / "taxonomy.yaml")
    policy = files.policy.read_text(encoding="utf-8")
    broken = tmp_path / "policy.yaml"
    broken.write_text(
        policy.replace("  - {id: in-writing,     when: {},", "  - {id: in-writing,     when: {open: true},"),
        encoding="utf-8",
    )
    assert "no rule answers a contact with" in run("validate", str(broken), code=1)
    shadowed = policy.replace("rules:\n", "rules:\n  - {id: all, when: {}, then: {channel: callback, priority: 5}}\n")
    broken.write_text(shadowed, encoding="utf-8")
    assert "the rule 'safety-now' can never decide" in run("validate", str(broken))
    assert "no pack is called 'nowhere'" in run("validate", "nowhere", code=1)


def test_packs_lists_the_shipped_ones_for_people_and_as_json() -> None:
    text = run("packs")
    for part in ("retail", "8 × 60", " MB", "consumer contacts of an online shop", "contact-reasons packs new NAME"):
        assert part in text
    listed = json.loads(run("packs", "--json"))
    assert "retail" in [pack["id"] for pack in listed]
    assert all(pack["rules"] > 1 for pack in listed)
    assert all(pack["secondary_accuracy"] > 0.5 for pack in listed if pack["model_bytes"])


def test_packs_new_starts_a_pack_and_validate_says_what_it_lacks(tmp_path: Path) -> None:
    reasons = tmp_path / "reasons.csv"
    reasons.write_text("primary;secondary\nDelivery;Late\nDelivery;Lost\n")
    command = ["packs", "new", "shop", "--into", str(tmp_path), "--from", str(reasons), "--delimiter", ";"]
    assert "Next: " in run(*command)
    text = run("validate", str(tmp_path / "shop"))
    assert "delivery.late: 0 of 10 training texts, 0 of 3 test texts" in text
    assert "ok" in text
    assert "too few texts to train on for 2 of 2 reasons" in run("train", "--pack", str(tmp_path / "shop"), code=2)
    assert "nothing is overwritten" in run(*command, code=2)
    assert "contact-reasons packs new" in run("packs", "new", "--help")


def test_explain_shows_the_words_that_counted_in_the_terminal_and_as_json() -> None:
    text = run("explain", "it says [delivered] but it is not here, refund?")
    for part in ("It says delivered but I don't have it", "delivery.marked_delivered", "it says [delivered] but it is not here, refund?", "against  refund", "for      delivered", "Log-odds against all others", "most probable"):  # fmt: skip
        assert part in text
    data = json.loads(run("explain", "it says [delivered] but it is not here, refund?", "--json"))
    assert data["reason"] == "delivery.marked_delivered"
    assert "Log-odds against When do I get my refund?" in run(
        "explain", "it says delivered", "--against", "returns.refund_when"
    )
    assert "did you mean 'returns.refund_when'" in run(
        "explain", "where is it", "--against", "returns.refund_whn", code=2
    )


def test_explain_reads_standard_input_and_says_when_nothing_is_known_or_certain() -> None:
    result = CliRunner().invoke(app, ["explain", "-"], input="hello world, lorem ipsum dolor\n", env={"NO_COLOR": "1"})
    assert "Left to a person. Most probable: none of the known reasons" in result.output
    assert "knows no word" in run("explain", "4711")


@pytest.fixture
def tickets_database(tmp_path: Path) -> str:
    file = tmp_path / "tickets.db"
    with contextlib.closing(sqlite3.connect(file)) as connection, Path(SAMPLE).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
        connection.execute(f"CREATE TABLE tickets ({', '.join(rows[0])})")
        connection.executemany(f"INSERT INTO tickets VALUES ({', '.join('?' * len(rows[0]))})", [tuple(row.values()) for row in rows])  # fmt: skip
        connection.execute("INSERT INTO tickets (text) VALUES ('no id')")
        connection.commit()
    return f"sqlite:///{file}"


def test_label_database_shows_reasons_once_and_then_what_was_kept(
    tickets_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACT_REASONS_DATABASE", tickets_database)
    arguments = ["label-database", "--table", "tickets", "--into", "labels", "--subject-column", "subject"]
    text = run(*arguments)
    for part in ("why they contact us", "how to help them", "361 read, 360 written, 0 labelled before, 1 rejected", "1 rejected: the id is NULL", "Result: table labels of sqlite:///"):  # fmt: skip
        assert part in text
    monkeypatch.delenv("CONTACT_REASONS_DATABASE")
    monkeypatch.setenv("MINE", tickets_database)
    text = run(*arguments, "--database", "env:MINE", "--json", str(tmp_path / "report.json"))
    assert "why they contact us" not in text
    assert "361 read, 0 written, 360 labelled before" in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["rows_kept"], report["rejects"]) == (360, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--database: the environment variable CONTACT_REASONS_DATABASE is not set"),
        (["--database", "env:NOT_THERE"], "--database: the environment variable NOT_THERE is not set"),
        (
            ["--database", "postgresql://me:secret@host/db"],
            "--database: the URL holds a password, and command lines can be read by others",
        ),
        (["--database", "postgresql://host/db?password=secret"], "the URL holds a password"),
        (
            ["--database", "env:HERE", "--into-database", "postgresql://me:secret@host/db"],
            "--into-database: the URL holds a password",
        ),
        (["--database", "sqlite:///nowhere.db"], "nowhere.db: there is no such SQLite file"),
    ],
)
def test_label_database_takes_no_password_from_the_command_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONTACT_REASONS_DATABASE", raising=False)
    monkeypatch.setenv("HERE", "sqlite:///nowhere.db")
    text = run("label-database", "--table", "tickets", "--into", "labels", *arguments, code=2)
    assert message in text
    assert "secret" not in text
