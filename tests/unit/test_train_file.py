"""Training on a ticket file: what is read, split, reported, and that nothing is dropped in silence."""

from __future__ import annotations

import csv
import json
import random
import sys
import types
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import contact_reasons as cr
from contact_reasons.batch.labelled import load_teacher, read_labelled_file, read_texts, train_file
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.errors import BatchError, TaxonomyError, TrainingError
from contact_reasons.packs import NewPack
from contact_reasons.training import LabelledTexts, report_markdown, train

OPENINGS = ["hello", "hi there", "please help", "good morning", "quick question", "sorry", "dear team", "can you say"]
CLOSINGS = ["thanks", "asap", "since monday", "today", "again", "for my sister", "from the web shop", "in the app"]
CORES = {
    "Late parcel": [
        "my parcel is late",
        "parcel overdue",
        "delivery still missing",
        "where is my order",
        "no courier came",
    ],
    "Refund": ["i want a refund", "money back", "refund not received", "when is my money returned", "pay me back"],
    "Invoice": [
        "send the invoice",
        "need an invoice copy",
        "vat receipt wanted",
        "bill for my order",
        "no invoice came",
    ],
}


def tickets(per_reason: int = 25, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = []
    for reason, cores in CORES.items():
        for _ in range(per_reason):
            text = f"{draw.choice(OPENINGS)} {draw.choice(cores)} {draw.choice(CLOSINGS)} {draw.choice(CLOSINGS)}"
            rows.append({"text": text, "reason": reason})
    draw.shuffle(rows)
    start = datetime(2026, 3, 1)
    for n, row in enumerate(rows):
        row |= {"id": f"T-{n}", "customer": f"c{n}", "when": (start + timedelta(hours=7 * n)).isoformat()}
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def trained(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> NewPack:
    return train_file(write(tmp_path / "in.csv", rows), tmp_path / "pack", **options)


def notes(pack: NewPack, *parts: str) -> bool:
    return all(any(part in note for note in pack.report["notes"]) for part in parts)


def test_free_labels_become_a_pack_with_a_report_that_label_takes_at_once(tmp_path: Path) -> None:
    pack = trained(tmp_path, tickets(), id_column="id", customer_column="customer", time_column="when")
    assert pack.manifest.classes == ("invoice.invoice", "late_parcel.late_parcel", "refund.refund")
    assert pack.report == json.loads((pack.folder / "report.json").read_text(encoding="utf-8"))
    pipeline = cr.load_pipeline(pack.folder)
    assert report_markdown(pack.report, pipeline.taxonomy) == (pack.folder / "report.md").read_text(encoding="utf-8")
    cr.label_file(tmp_path / "in.csv", tmp_path / "out.csv", pack=pack.folder)
    assert pack.report["dependence"]["verdict"] == "depend"
    assert pack.report["alarms"] == []


def test_the_newest_fifth_is_judged_by_a_model_of_the_older_ones(tmp_path: Path) -> None:
    rows = tickets()
    pack = trained(tmp_path, rows, time_column="when")
    time = pack.report["splits"]["time"]
    newer = [row for row in rows if row["when"] + "+00:00" >= time["cut"]]
    assert len(newer) == 15 == time["newer"] + time["left_out"]
    assert time["older"] == 60
    assert pack.report["headline"] == "newest"
    assert pack.report["scores"]["newest"]["texts"] == time["newer"]
    assert pack.report["scores"]["held_out_folds"]["texts"] == 75
    assert time["left_out_included"]["total"] == 15
    assert pack.manifest.training["texts"] == 75, "the model itself learns from all"
    assert "## How it was measured" in (pack.folder / "report.md").read_text(encoding="utf-8")


def test_the_score_on_the_newest_does_not_see_their_labels(tmp_path: Path) -> None:
    """With the labels of the newest turned round, the model of the older ones is wrong wherever it was right."""
    rows = tickets()
    data = LabelledTexts(
        tuple(row["text"] for row in rows),
        tuple(f"a.{row['reason'].split()[0].lower()}" for row in rows),
        times=tuple(datetime.fromisoformat(row["when"]) for row in rows),
    )
    taxonomy = cr.Taxonomy.from_pairs([("a", "late"), ("a", "refund"), ("a", "invoice")])
    first = train(data, taxonomy)
    turned = {"a.late": "a.refund", "a.refund": "a.invoice", "a.invoice": "a.late"}
    other = tuple(turned[str(r)] if n >= 60 else r for n, r in enumerate(data.reasons))
    second = train(data._replace(reasons=other), taxonomy)
    right = [found.scores["newest"]["secondary_accuracy"] for found in (first, second)]
    assert right[0]["hits"] > 0
    assert right[1]["hits"] <= right[1]["total"] - right[0]["hits"]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = tickets()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        trained(tmp_path / name, rows, time_column="when", customer_column="customer", id_column="id")
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one" / "pack").rglob("*") if path.is_file()]
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_planted_wrong_labels_are_listed_with_row_and_ticket_but_never_the_text(tmp_path: Path) -> None:
    rows = tickets(40)
    planted = [3, 50, 90]
    for at in planted:
        rows[at]["reason"] = next(reason for reason in CORES if reason != rows[at]["reason"])
    rows[3]["id"] = "=T-3"
    pack = trained(tmp_path, rows, id_column="id")
    listed = pack.report["mislabelled"]["rows"]
    assert {row["row"] for row in listed} >= {at + 1 for at in planted}
    assert {row["ticket_id"] for row in listed if row["row"] == 51} == {"T-50"}
    with (pack.folder / "mislabelled.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["row"] for line in lines] == [str(row["row"]) for row in listed]
    assert {line["ticket_id"] for line in lines if line["row"] == "4"} == {"'=T-3"}
    for file in ("report.json", "report.md", "mislabelled.csv", "model/manifest.json"):
        content = (pack.folder / file).read_text(encoding="utf-8")
        assert not any(row["text"] in content for row in rows), file


def test_blank_rows_are_counted_and_said(tmp_path: Path) -> None:
    rows = tickets()
    for at in (0, 1):
        rows[at]["text"] = " "
    for at in range(2, 30):
        rows[at]["reason"] = ""
    pack = trained(tmp_path, rows)
    assert pack.report["data"]["read"]["rows_read"] == 75
    assert pack.report["data"]["without_a_reason"] == 28
    assert notes(
        pack,
        "2 rows without text were left out",
        "28 texts without a label were taken as texts that belong to no reason",
    )
    (tmp_path / "skip").mkdir()
    skipped = trained(tmp_path / "skip", rows, blank_labels="skip")
    assert skipped.report["data"]["without_a_reason"] == 0
    assert notes(skipped, "28 rows without a label were left out")
    with pytest.raises(BatchError, match="blank_labels is 'none'"):
        trained(tmp_path, rows, blank_labels="none")


def test_rows_keep_their_numbers_where_others_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"text": "", "reason": ""},
        {"text": "a b", "reason": "x"},
        {"text": "", "reason": "y"},
        {"text": "c", "reason": "y"},
    ]
    file = read_labelled_file(write(tmp_path / "in.csv", rows))
    assert file.data.rows == (2, 4)
    assert file.labels == ("x", "y")
    assert file.reading["without_text"] == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = tickets(5)
    file = tmp_path / f"in.{kind}"
    if kind == "csv":
        write(file, rows)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        for row in rows:
            row["when"] = datetime.fromisoformat(row["when"])
        parquet.write_table(pa.Table.from_pylist(rows), file)
    read = read_labelled_file(file, time_column="when", id_column="id", customer_column="customer")
    rows = tickets(5)
    assert read.data.texts == tuple(row["text"] for row in rows)
    assert read.labels == tuple(row["reason"] for row in rows)
    assert read.data.ids == tuple(row["id"] for row in rows)
    assert read.data.times is not None
    assert [time.isoformat() for time in read.data.times if time] == [row["when"] + "+00:00" for row in rows]


def test_times_that_are_missing_or_unreadable_are_counted_and_on_neither_side(tmp_path: Path) -> None:
    rows = tickets()
    for at in (5, 6, 7):
        rows[at]["when"] = ""
    rows[70]["when"] = "soon"
    pack = trained(tmp_path, rows, time_column="when")
    time = pack.report["splits"]["time"]
    assert (time["undated"], time["older"] + time["newer"] + time["left_out"]) == (4, 71)
    assert notes(pack, "1 times could not be read", "4 texts have no time that can be read")
    for row in rows:
        row["when"] = "2026-03-01"
    (tmp_path / "one").mkdir()
    same = trained(tmp_path / "one", rows, time_column="when")
    assert notes(same, "no scores on the newest texts: the texts have no two different times")
    assert same.report["headline"] == "held_out_folds"


def test_reasons_that_are_new_after_the_cut_are_named(tmp_path: Path) -> None:
    rows = tickets()
    for row in rows[66:]:
        row["reason"] = "Brand new"
    pack = trained(tmp_path, rows, time_column="when")
    assert notes(pack, "only among the newest texts, so always wrong there: brand_new.brand_new")


def test_a_class_of_one_text_and_small_classes_are_named(tmp_path: Path) -> None:
    rows = list(tickets(10))
    rows.append({**rows[0], "text": "my kettle exploded in the kitchen", "reason": "Safety"})
    pack = trained(tmp_path, rows)
    assert notes(
        pack,
        "fewer than 10 texts: safety.safety (1)",
        "all texts are of one customer or repeat each other",
        "about 10 texts a reason",
    )
    assert pack.report["scores"]["held_out_folds"]["reasons"]["safety.safety"]["recall"] == 0
    assert not any("safety.safety" in (row["given"], row["suggested"]) for row in pack.report["mislabelled"]["rows"])


def test_all_rows_of_one_customer_are_refused(tmp_path: Path) -> None:
    rows = [{**row, "customer": "c1"} for row in tickets()]
    with pytest.raises(TrainingError, match="all texts are of one customer"):
        trained(tmp_path, rows, customer_column="customer")
    pack = trained(tmp_path, [{**row, "customer": ""} for row in rows], customer_column="customer")
    assert pack.report["splits"]["sides"]["by_customer"]


@pytest.mark.parametrize("by", ["equal text", "near repeat", "customer"])
def test_what_belongs_together_does_not_better_the_scores(tmp_path: Path, by: str) -> None:
    """Noise, each text five times with one label: learned by heart, four in five would be right."""
    draw = random.Random(1)
    words = [f"{a}{b}" for a in "bcdfg" for b in "aeiou"]
    rows = []
    for n in range(120):
        text, reason = draw.sample(words, 8), draw.choice(["One", "Two"])
        for copy in range(5):
            more = {"equal text": [], "near repeat": [f"x{'abcde'[copy]}"], "customer": [f"x{'abcde'[copy]}"]}[by]
            cut = text[:4] if by == "customer" else text
            rows.append(
                {
                    "text": " ".join([*cut, *more, *draw.sample(words, 2 if by == "customer" else 0)]),
                    "reason": reason,
                    "customer": f"c{n}",
                }
            )
    columns = {"customer_column": "customer"} if by == "customer" else {}
    pack = trained(tmp_path, rows, **columns)
    assert pack.report["scores"]["held_out_folds"]["secondary_accuracy"]["share"] < 0.65
    assert pack.report["alarms"][0].startswith("the labels do not depend on the text")
    assert pack.manifest.training["alarms"] == pack.report["alarms"]
    if by == "equal text":
        assert pack.report["data"]["repeated"] == 480


def test_a_placeholder_for_customers_is_noticed(tmp_path: Path) -> None:
    rows = [{**row, "customer": "unknown" if n % 2 else f"c{n}"} for n, row in enumerate(tickets())]
    assert notes(trained(tmp_path, rows, customer_column="customer"), "if many tickets share a placeholder")


def test_customers_and_near_repeats_stand_together(tmp_path: Path) -> None:
    rows = [{**row, "customer": f"c{n // 5}"} for n, row in enumerate(tickets())]
    sides = trained(tmp_path, rows, customer_column="customer").report["splits"]["sides"]
    assert sides["by_customer"]
    assert sides["components"] <= 15
    assert sum(sides["sizes"].values()) == sides["components"]


def test_skew_is_said(tmp_path: Path) -> None:
    rows = tickets()
    rows += [
        {**row, "text": f"{row['text']} {n % 7} times"} for n, row in enumerate(rows) if row["reason"] == "Refund"
    ] * 4
    assert notes(trained(tmp_path, rows), "refund.refund has 71% of the texts")


def test_labels_that_look_alike_are_named(tmp_path: Path) -> None:
    rows = tickets()
    rows[0]["reason"] = rows[0]["reason"].upper()
    assert notes(trained(tmp_path, rows), f"taken as different: {rows[0]['reason']}")


def test_a_taxonomy_given_decides_which_labels_there_are(tmp_path: Path) -> None:
    taxonomy = cr.Taxonomy.from_pairs([("Delivery", "Late parcel"), ("Money", "Refund"), ("Money", "Invoice")])
    (tmp_path / "t.yaml").write_text(taxonomy.to_yaml(), encoding="utf-8")
    rows = tickets()
    pack = trained(tmp_path, rows, taxonomy=tmp_path / "t.yaml")
    assert pack.manifest.classes == ("delivery.late_parcel", "money.invoice", "money.refund")
    again = trained(tmp_path, rows)
    assert again.manifest.classes == pack.manifest.classes, "the folder's own taxonomy is kept"
    rows[4]["reason"] = "Refnud"
    with pytest.raises(TaxonomyError, match="row 5: 'Refnud' is no secondary reason of taxonomy 'own'"):
        trained(tmp_path, rows)


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [
        ("text", 3, "row 2: column 'text' holds a value of type int"),
        ("reason", 1.5, "row 2: column 'reason' holds a value of type float"),
    ],
)
def test_a_value_of_another_type_is_named_by_row_and_column(
    tmp_path: Path, column: str, value: Any, cause: str
) -> None:
    rows = [{"text": "a", "reason": "x"}, {"text": "b", "reason": "y", column: value}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BatchError, match=cause):
        read_labelled_file(tmp_path / "in.jsonl")


class Teacher:
    def encode(self, texts: list[str]) -> Any:
        return np.zeros((len(texts), 2))


def test_unlabelled_texts_and_a_teacher_reach_the_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    real = ReasonClassifier.fit

    def fit(self: ReasonClassifier, X: Any, y: Any, *, unlabelled: Any = None, teacher: Any = None, **more: Any) -> Any:
        seen.append({"unlabelled": unlabelled, "teacher": teacher})
        return real(self, X, y, **more)

    monkeypatch.setattr(ReasonClassifier, "fit", fit)
    more = write(tmp_path / "more.csv", [{"text": "<p>one more</p>"}, {"text": ""}, {"text": "and another"}])
    teacher = Teacher()
    pack = trained(tmp_path, tickets(), unlabelled=[more], teacher=teacher, time_column="when")
    assert seen == [{"unlabelled": ["one more", "and another"], "teacher": teacher}] * 2
    assert pack.report["unlabelled"] == 2
    assert read_texts(more) == ["one more", "and another"]


def test_teachers_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("our_teachers")
    module.made, module.kind, module.nothing = Teacher(), Teacher, 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "our_teachers", module)
    assert load_teacher("none") is None
    assert load_teacher("our_teachers:made") is module.made
    assert isinstance(load_teacher("our_teachers:kind"), Teacher)
    for name, cause in (
        ("minilmm", "did you mean 'minilm'"),
        ("our_teachers:nothing", "no method encode"),
        ("our_teachers:absent", "cannot be loaded"),
        ("no_such_module:x", "cannot be loaded"),
    ):
        with pytest.raises(TrainingError, match=cause):
            load_teacher(name)


def test_progress_goes_from_reading_to_the_end(tmp_path: Path) -> None:
    steps: list[tuple[str, float]] = []
    trained(tmp_path, tickets(), progress=lambda step, share: steps.append((step, share)))
    shares = [share for _, share in steps]
    assert steps[0] == ("reading in.csv", 0.0)
    assert shares == sorted(shares)
    assert shares[-1] < 1
