"""What stands in a ticket file comes through unchanged, or is rejected with its cause."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.batch import open_source
from contact_reasons.batch.readers import Chunk
from contact_reasons.batch.writers import CsvParts
from contact_reasons.errors import BatchError
from tests.ticket_files import label, read_csv, rejects, write_jsonl


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


def test_large_whole_numbers_of_json_lines_keep_their_digits(tiny_pack: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "a", "id": 9007199254740993}, {"text": "b", "id": 1.5}])
    label(tiny_pack, source, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["9007199254740993", "1.5"]
    (tmp_path / "big.jsonl").write_text('{"text": "a", "x": 1e400}\n{"text": "b", "x": 1}\n')
    assert label(tiny_pack, tmp_path / "big.jsonl", tmp_path / "big-out.jsonl").rows_rejected == 1


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
