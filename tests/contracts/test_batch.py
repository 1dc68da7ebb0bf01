"""Ticket files, any kind to any kind: the same labels, every column kept, causes and no guesses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contact_reasons as cr
from contact_reasons.batch import route_file
from contact_reasons.errors import BatchError
from tests.conftest import ROOT
from tests.ticket_files import label, read_csv, rejects

SAMPLE = ROOT / "samples" / "retail-tickets.csv"


def test_the_sample_is_labelled_and_every_column_is_kept(tmp_path: Path) -> None:
    report = cr.label_file(SAMPLE, tmp_path / "out.csv", subject_column="subject", formula_guard=False)
    before, after = read_csv(SAMPLE), read_csv(tmp_path / "out.csv")
    assert report.rows_read == report.rows_written == len(before) == len(after) >= 300
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert sum(report.counts["level"].values()) == len(before)
    assert json.loads((tmp_path / "out.csv.report.json").read_text())["rows_read"] == len(before)
    assert not (tmp_path / "out.csv.unfinished").exists()


@pytest.mark.parametrize("source_kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("out_kind", ["csv", "jsonl", "parquet"])
def test_any_kind_to_any_kind_gives_the_same_labels(
    tiny_pack: Path, tickets: Path, tmp_path: Path, source_kind: str, out_kind: str
) -> None:
    source = tickets
    if source_kind != "jsonl":
        rows = [json.loads(line) for line in tickets.read_text().splitlines()]
        source = tmp_path / f"tickets.{source_kind}"
        if source_kind == "csv":
            source.write_text(
                "id,text,open,note,amount\n"
                + "".join(f"{r['id']},{r['text']},{str(r['open']).lower()},,{r['amount']}\n" for r in rows)
            )
        else:
            pq.write_table(pa.Table.from_pylist(rows), source)
    out = tmp_path / f"out.{out_kind}"
    report = label(tiny_pack, source, out, chunk_rows=7)
    assert report.inputs == {"open": "open"}
    if out_kind == "csv":
        found = [(row["id"], row["cr_primary"], row["cr_rule"]) for row in read_csv(out)]
    elif out_kind == "jsonl":
        found = [
            (str(row["id"]), row["cr_primary"] or "", row["cr_rule"])
            for row in map(json.loads, out.read_text().splitlines())
        ]
    else:
        found = [(str(row["id"]), row["cr_primary"] or "", row["cr_rule"]) for row in pq.read_table(out).to_pylist()]
    pipeline = cr.load_pipeline(tiny_pack)
    expected = []
    for i in range(25):
        answer = pipeline.handle(cr.Contact(text=f"where is my parcel {i}", context=cr.RoutingContext(open=i % 2 == 0)))
        expected.append((str(i), answer.label.primary or "", answer.recommendation.rule_id))
    assert found == expected


def test_a_row_that_no_rule_answers_is_rejected_and_the_job_goes_on(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "router: p\nversion: 1\ninputs:\n  open: {type: bool}\n  wait: {type: int, min: 0, max: 9}\nassume: [{open: false, wait: '> 0'}]\n"
        "rules:\n  - {id: a, when: {open: true}, then: {channel: chat, priority: 1}}\n  - {id: b, when: {wait: 0}, then: {channel: message, priority: 2}}\n"
    )
    (tmp_path / "in.csv").write_text("text,open,wait\nhello,true,5\nkettle,false,5\nx,false,0\n")
    report = cr.label_file(tmp_path / "in.csv", tmp_path / "out.csv", policy=policy)
    assert [row["cr_rule"] for row in read_csv(tmp_path / "out.csv")] == ["a", "b"]
    assert "does not assume to be impossible" in rejects(tmp_path / "out.csv")[0]["cause"]
    assert report.rows_rejected == 1
    with pytest.raises(BatchError, match="no column for the input 'wait'"):
        cr.label_file(tmp_path / "in.csv", tmp_path / "o.csv", policy=policy, inputs={"wait": ""})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_column": "txt"}, r"there is no column 'txt'; did you mean 'text'\?"),
        ({"subject_column": "betreff"}, r"there is no column 'betreff'"),
        ({"inputs": {"opn": "open"}}, r"'opn' is not an input .*did you mean 'open'\?"),
        ({"inputs": {"open": "opened"}}, r"there is no column 'opened'; did you mean 'open'\?"),
        ({"jobs": 0}, r"jobs is 0; it must be a whole number, at least 1"),
        ({"chunk_rows": 0}, r"chunk_rows is 0"),
        ({"delimiter": ";;"}, r"delimiter is ';;'"),
        ({"delimiter": '"'}, r"it must be one character"),
        ({"encoding": "rot13"}, r"'rot13' is not one of text"),
        ({"encoding": "nonsense"}, r"'nonsense' is not one of text"),
        ({"prefix": ""}, None),
    ],
)
def test_options_that_do_not_fit_are_named(
    tiny_pack: Path, tmp_path: Path, options: dict[str, Any], message: str | None
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,open\nwhere is it,true\n")
    if message is None:
        label(tiny_pack, source, tmp_path / "out.csv", **options)
        with pytest.raises(BatchError, match="has a column 'primary' already; choose other names"):
            label(tiny_pack, tmp_path / "out.csv", tmp_path / "again.csv", **options)
        return
    with pytest.raises(BatchError, match=message):
        label(tiny_pack, source, tmp_path / "out.csv", **options)


def test_places_that_do_not_fit_are_refused(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="there is no such file"):
        label(tiny_pack, tmp_path / "absent.csv", tmp_path / "out.csv")
    with pytest.raises(BatchError, match="no such folder for the result"):
        label(tiny_pack, tickets, tmp_path / "nowhere" / "out.csv")
    with pytest.raises(BatchError, match="would replace its own source"):
        label(tiny_pack, tickets, tickets, overwrite=True)
    (tmp_path / "out.csv").write_text("precious")
    with pytest.raises(BatchError, match="the file exists; choose another name, or replace it with --overwrite"):
        label(tiny_pack, tickets, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "precious"
    label(tiny_pack, tickets, tmp_path / "out.csv", overwrite=True)


def test_labelled_tickets_can_be_routed_again_without_their_text(tmp_path: Path) -> None:
    cr.label_file(SAMPLE, tmp_path / "labelled.csv", subject_column="subject")
    rows = read_csv(tmp_path / "labelled.csv")
    with (tmp_path / "again.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(
            stream, [name for name in rows[0] if name not in ("text", "subject")], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
    report = route_file(
        tmp_path / "again.csv",
        tmp_path / "routed.csv",
        inputs={"reason": "cr_reason", "confidence": "cr_confidence"},
        prefix="routed_",
    )
    assert report.rows_rejected == 0
    routed = read_csv(tmp_path / "routed.csv")
    assert [row["routed_rule"] for row in routed] == [row["cr_rule"] for row in rows]
