"""Never a lost or doubled row; resume to the byte; causes, not guesses."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.batch import open_source, route_file
from contact_reasons.batch.readers import Chunk
from contact_reasons.batch.writers import CsvParts
from contact_reasons.errors import BatchError
from tests.conftest import ROOT

SAMPLE = ROOT / "samples" / "retail-tickets.csv"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rejects(out: Path) -> list[dict[str, Any]]:
    file = out.with_name(out.name + ".rejects.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def label(tiny_pack: Path, source: Path, out: Path, **options: Any) -> Any:
    return cr.label_file(source, out, pack=tiny_pack, **options)


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    rows = [
        {"id": i, "text": f"where is my parcel {i}", "open": i % 2 == 0, "note": None, "amount": i / 4}
        for i in range(25)
    ]
    return write_jsonl(tmp_path / "tickets.jsonl", rows)


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


def test_parquet_types_are_kept(tiny_pack: Path, tmp_path: Path) -> None:
    import datetime as dt
    import decimal

    table = pa.table(
        {
            "text": pa.array(["where is my parcel", "invoice"], pa.large_string()),
            "at": pa.array([dt.datetime(2026, 1, 1, 1, 2, 3, 4), None], pa.timestamp("us", "UTC")),
            "sum": pa.array([decimal.Decimal("1.10"), None], pa.decimal128(9, 2)),
            "tags": pa.array([["a", "b"], None]),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    label(tiny_pack, tmp_path / "in.parquet", tmp_path / "out.parquet")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(table.column_names).equals(table)
    label(tiny_pack, tmp_path / "in.parquet", tmp_path / "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert (first["sum"], first["tags"], first["kind"]) == ("1.10", ["a", "b"], "x")
    assert first["at"].startswith("2026-01-01 01:02:03.000004")


def test_wrong_rows_are_rejected_with_number_line_and_cause_and_all_others_kept(
    tiny_pack: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(
        b"\xef\xbb\xbfid,text,open\r\n"
        b"1,where is my parcel,true\r\n"
        b"2,too,many,fields\r\n"
        b'3,"two\r\nlines, one field",false\r\n'
        b"4,bad bytes \xff,true\r\n"
        b'5,"no closing quote,true\r\n'
        b"6,invoice please,\r\n"
        b"\r\n"
        b"7,refund,perhaps\r\n"
        b'8,"a ""quoted"" word",yes\r\n'
    )
    out = tmp_path / "out.csv"
    report = label(tiny_pack, source, out)
    assert [row["id"] for row in read_csv(out)] == ["1", "3", "6", "8"]
    assert read_csv(out)[1]["text"] == "two\r\nlines, one field"
    assert [(r["row"], r["line"]) for r in rejects(out)] == [(2, 3), (4, 6), (5, 7), (7, 10)]
    causes = [r["cause"] for r in rejects(out)]
    assert "4 fields where the header has 3" in causes[0]
    assert "not utf-8" in causes[1]
    assert "quote" in causes[2]
    assert "column 'open' (input 'open'): the value must be true or false" in causes[3]
    assert "perhaps" not in causes[3]
    assert (report.rows_read, report.rows_written, report.rows_rejected) == (8, 4, 4)


def test_a_record_of_the_wrong_width_is_rejected_as_one_and_makes_no_tickets(tiny_pack: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('\nid,text\n1,"Hi there\nplease, help me\nbye",x\n2,ok\n')
    report = label(tiny_pack, source, out)
    assert [row["id"] for row in read_csv(out)] == ["2"]
    assert [(r["row"], r["line"]) for r in rejects(out)] == [(1, 3)]
    assert report.rows_read == 2


def test_many_lost_quotes_do_not_take_the_square_of_time(tiny_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,x\n" + 'a,"b"c\n"d,e\n' * 4000)
    report = label(tiny_pack, tmp_path / "in.csv", tmp_path / "out.csv")
    assert report.rows_read == report.rows_rejected + report.rows_written


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_of_wrong_rows_only_gives_rejects_only(tiny_pack: Path, tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"in.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"text": ["a", "b"], "open": ["perhaps", "perhaps"]}), source)
    else:
        source.write_text("text,open\na,perhaps\nb,perhaps\n" if suffix == "csv" else '{"text": 2}\n{"text": 1}\n')
    for out in ("o.csv", "o.jsonl", "o.parquet"):
        report = label(tiny_pack, source, tmp_path / out)
        assert (report.rows_read, report.rows_written) == (2, 0)
        assert len(rejects(tmp_path / out)) == 2


def test_whole_numbers_that_data_frames_write_as_floats_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {"text": ["a", "b", "c"], "repeats_7d": pa.array([2.0, None, 0.0]), "open": pa.array([1, 0, None])}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    report = cr.label_file(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert report.rows_rejected == 0
    (tmp_path / "in.csv").write_text("text,repeats_7d\na,2.0\nb,\nc,2.5\n")
    assert cr.label_file(tmp_path / "in.csv", tmp_path / "out.csv").rows_rejected == 1


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


def test_large_whole_numbers_of_json_lines_keep_their_digits(tiny_pack: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "a", "id": 9007199254740993}, {"text": "b", "id": 1.5}])
    label(tiny_pack, source, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["9007199254740993", "1.5"]
    (tmp_path / "big.jsonl").write_text('{"text": "a", "x": 1e400}\n{"text": "b", "x": 1}\n')
    assert label(tiny_pack, tmp_path / "big.jsonl", tmp_path / "big-out.jsonl").rows_rejected == 1


def test_parts_without_their_jobs_description_are_thrown_away(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out, other = (
        tmp_path / "out.csv",
        write_jsonl(tmp_path / "other.jsonl", [{"text": f"invoice {i}"} for i in range(9)]),
    )

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    (tmp_path / "out.csv.unfinished" / "job.json").unlink()
    assert label(tiny_pack, other, out, chunk_rows=3).rows_read == 9
    assert [row["text"] for row in read_csv(out)] == [f"invoice {i}" for i in range(9)]


def test_parts_of_a_dying_worker_of_another_job_do_not_count(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def foreign(rows: int, _: float) -> None:
        if rows == 3:
            (tmp_path / "out.csv.unfinished" / "00000099.counts").write_text('{"job": "other", "read": 1000}')

    assert label(tiny_pack, tickets, out, chunk_rows=3, progress=foreign).rows_read == 25


def test_damaged_unfinished_work_is_named(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    work = tmp_path / "out.csv.unfinished"
    work.mkdir()
    (work / "job.json").write_text('{"task')
    with pytest.raises(BatchError, match="the unfinished work is damaged; throw it away with --restart"):
        label(tiny_pack, tickets, tmp_path / "out.csv")
    assert label(tiny_pack, tickets, tmp_path / "out.csv", restart=True).rows_read == 25


def test_a_result_that_another_job_wrote_meanwhile_is_not_replaced(
    tiny_pack: Path, tickets: Path, tmp_path: Path
) -> None:
    from contact_reasons.batch import job

    out = tmp_path / "out.csv"
    task = job.LabelTask(pack=str(tiny_pack))
    late = job._Job(tickets, out, task, {}, job.LABEL_INPUTS, job._Options(1, 5, ",", "utf-8", False, False, False))
    out.write_text("precious")
    with pytest.raises(BatchError, match="the file exists"):
        late.run(None)
    assert out.read_text() == "precious"
    assert not (tmp_path / "out.csv.unfinished").exists()


@pytest.mark.parametrize("name", ["out.csv.rejects.jsonl", "out.csv.report.json"])
def test_files_beside_the_result_are_not_replaced_unasked(
    tiny_pack: Path, tickets: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text('{"text": "mine"}\n')
    with pytest.raises(BatchError, match="the file exists"):
        label(tiny_pack, tickets, tmp_path / "out.csv")
    if name.endswith("jsonl"):
        with pytest.raises(BatchError, match="would replace its own source"):
            label(tiny_pack, tmp_path / name, tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / name).read_text() == '{"text": "mine"}\n'


def test_wrong_json_lines_are_rejected_with_their_cause(tiny_pack: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = ['{"text": "where is my parcel"}', "{not json", "[1]", '{"text": null}', '{"text": 3}', '{"other": 1}', '{"text": "a", "text": "b"}', '{"text": "\\ud800"}', '{"text": "x", "n": NaN}', '{"text": "invoice"}']  # fmt: skip
    source.write_bytes("\n".join(lines).encode() + b'\n{"text": "\xff"}\n')
    out = tmp_path / "out.jsonl"
    report = label(tiny_pack, source, out)
    assert [json.loads(line).get("text") for line in out.read_text().splitlines()] == [
        "where is my parcel",
        None,
        None,
        "invoice",
    ]
    assert [r["row"] for r in rejects(out)] == [2, 3, 5, 7, 8, 9, 11]
    for reject, part in zip(rejects(out), ["not valid JSON", "list where an object", "type 'int'", "a key stands twice", "surrogate", "NaN is not JSON", "not UTF-8"], strict=True):  # fmt: skip
        assert part in reject["cause"]
    assert report.rows_read == 11


@settings(max_examples=30)
@given(
    cells=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30), st.sampled_from(["a", "b,c", 'q"q', "x\ny", "x\ry", "=1+1", ""])), max_size=12),
    chunk=st.integers(1, 5),
)  # fmt: skip
def test_any_cells_come_through_csv_unchanged(
    tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "note"), *cells])
    report = label(tiny_pack, folder / "in.csv", folder / "out.csv", chunk_rows=chunk, formula_guard=False)
    assert [(row["text"], row["note"]) for row in read_csv(folder / "out.csv")] == cells
    assert report.rows_rejected == 0


def test_cells_that_begin_like_a_formula_are_made_safe_and_counted(tiny_pack: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text('text,a,b\n"=HYPERLINK(""x"")",-5,+44 7700\n@cmd,1.5e3,-1+1\n\tx,ok,-\n', encoding="utf-8")
    report = label(tiny_pack, source, tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert [row["text"] for row in rows] == ['\'=HYPERLINK("x")', "'@cmd", "'\tx"]
    assert [(row["a"], row["b"]) for row in rows] == [("-5", "'+44 7700"), ("1.5e3", "'-1+1"), ("ok", "'-")]
    assert report.cells_made_safe == {"text": 3, "b": 3}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_chunk_size_and_number_of_processes_change_nothing(
    tiny_pack: Path, tickets: Path, tmp_path: Path, suffix: str
) -> None:
    label(tiny_pack, tickets, tmp_path / f"a{suffix}")
    label(tiny_pack, tickets, tmp_path / f"b{suffix}", chunk_rows=4)
    label(tiny_pack, tickets, tmp_path / f"c{suffix}", chunk_rows=4, jobs=2)
    assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()
    if suffix == ".parquet":
        assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))
    else:
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_an_interrupted_job_goes_on_where_it_stopped(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    label(tiny_pack, tickets, whole, chunk_rows=3)

    def stop(rows: int, _: float) -> None:
        if rows >= 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    assert not out.exists()
    report = label(tiny_pack, tickets, out, chunk_rows=3)
    assert out.read_bytes() == whole.read_bytes()
    assert report.rows_resumed == 9
    assert report.rows_read == 25


def test_unfinished_work_of_another_job_is_not_mixed_in(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    write_jsonl(tickets, [{"text": "invoice"}])
    with pytest.raises(BatchError, match="unfinished work of another job"):
        label(tiny_pack, tickets, out, chunk_rows=3)
    assert label(tiny_pack, tickets, out, chunk_rows=3, restart=True).rows_read == 1


def test_two_processes_never_work_on_one_result(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def second(*_: Any) -> None:
        with pytest.raises(BatchError, match="another process is at work"):
            label(tiny_pack, tickets, out)

    label(tiny_pack, tickets, out, progress=second)
    assert len(read_csv(out)) == 25


def test_killed_jobs_lose_and_double_nothing(tiny_pack: Path, tmp_path: Path) -> None:
    """Five kills at random moments; tests/slow kills twenty times on 200,000 rows."""
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": i, "text": f"where is parcel {i}"} for i in range(3000)])
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    label(tiny_pack, source, whole, chunk_rows=50)
    code = f"import contact_reasons as cr; cr.label_file({str(source)!r}, {str(out)!r}, pack={str(tiny_pack)!r}, chunk_rows=50)"
    chance = random.Random(5)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started = time.monotonic()
        while (
            not list(tmp_path.glob("out.jsonl.unfinished/*.counts"))
            and process.poll() is None
            and time.monotonic() - started < 30
        ):
            time.sleep(0.01)
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not out.exists():
        label(tiny_pack, source, out, chunk_rows=50)
    assert out.read_bytes() == whole.read_bytes()


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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", b"", "the file is empty"),
        ("in.csv", b"text,text\n", "the column 'text' twice"),
        ("in.csv", b"text,,x\n", "a column without a name"),
        ("in.csv", b'te"xt\nx\n', "no column 'text'"),
        ("in.parquet", b"PAR1 nonsense PAR1", "not a Parquet file"),
        ("in.xlsx", b"x", "must end in .csv"),
    ],
)
def test_a_file_without_a_usable_head_is_refused(
    tiny_pack: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchError, match=message):
        label(tiny_pack, tmp_path / name, tmp_path / "out.csv")


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


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_a_file_without_rows_gives_a_file_without_rows(tiny_pack: Path, tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text("text\n" if name.endswith("csv") else '{"text": "x"}\n')
    if name.endswith("csv"):
        report = label(tiny_pack, source, tmp_path / "out.csv")
        assert report.rows_read == 0
        assert (tmp_path / "out.csv").read_text().startswith("text,cr_primary")
        label(tiny_pack, source, tmp_path / "out.parquet")
        assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_latin_1_file_is_read_when_told(tiny_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("text;x\ncaf\xe9 invoice;1\n".encode("cp1252"))
    label(tiny_pack, tmp_path / "in.csv", tmp_path / "out.csv", delimiter=";", encoding="cp1252")
    assert "café invoice;1;" in (tmp_path / "out.csv").read_text(encoding="utf-8")


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


def test_the_unfinished_folder_of_a_finished_job_is_gone_and_files_are_whole(
    tiny_pack: Path, tickets: Path, tmp_path: Path
) -> None:
    label(tiny_pack, tickets, tmp_path / "out.csv")
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "out.csv.report.json", "tickets.jsonl"]


def test_a_source_tells_its_columns_without_being_guessed_from_the_first_row(tmp_path: Path) -> None:
    source = open_source(write_jsonl(tmp_path / "in.jsonl", [{"a": 1}, {"b": "x"}, {"a": 2.5, "c": [1]}]))
    assert source.columns == ("a", "b", "c")


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
cells = st.sampled_from(
    ["", "=1+1", "+", "-5", "-5%", "-x", "@a", "＝1", 'a"b', "a,b", "a\nb", "a\rb", "\n", "plain", "é"]
)


@given(
    rows=st.lists(st.tuples(cells, cells), max_size=6),
    more=st.lists(
        st.tuples(st.none() | cells, st.floats(0, 1) | st.none(), st.booleans(), st.integers(1, 9)),
        min_size=6,
        max_size=6,
    ),
    guard=st.booleans(),
)
def test_csv_parts_are_as_written_cell_by_cell(
    rows: list[tuple[str, str]], more: list[tuple[Any, ...]], guard: bool
) -> None:
    given_names, added = ("a", "b"), {"s": "string", "f": "float", "t": "bool", "i": "int"}
    source: Any = SimpleNamespace(columns=given_names)
    chunk = Chunk(0, [(i, i) for i in range(len(rows))], [dict(zip(given_names, row, strict=True)) for row in rows])
    results = {name: [values[i] for values in more[: len(rows)]] for i, name in enumerate(added)}
    written, made_safe = CsvParts(source, added, ",", guard).part(chunk, results)
    lines, safe = [], dict.fromkeys((*given_names, *added), 0)
    for row, values in zip(rows, more, strict=False):
        texts = ["" if v is None else v if isinstance(v, str) else json.dumps(v) for v in (*row, *values)]
        for i, name in enumerate(safe):
            number = texts[i].removesuffix("%").removeprefix("-").isdigit()
            if guard and texts[i].startswith(FORMULA) and not number:
                texts[i] = "'" + texts[i]
                safe[name] += 1
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(texts)
        lines.append(line.getvalue()[:-2] + "\n")
    assert written == "".join(lines).encode()
    assert made_safe == {name: count for name, count in safe.items() if count}
