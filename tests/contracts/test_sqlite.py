"""What SQLite lets stand in a database: odd names, values of any type, files that are locked, full or read-only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from contact_reasons.batch import DatabaseReport, label_database
from contact_reasons.errors import DatabaseError
from tests.databases import TEXTS, Database
from tests.ticket_files import label, write_jsonl


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.db"
    path.touch()
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(file) as connection:
        yield connection
    connection.close()


def run(tiny_pack: Path, file: Path | sa.Engine, **options: Any) -> DatabaseReport:
    place = f"sqlite:///{file}" if isinstance(file, Path) else file
    chosen = {"into": "labels", "chunk_rows": 3, "table": None if "query" in options else "tickets"}
    report = label_database(place, pack=tiny_pack, **chosen | options)
    assert report.rows_read == report.rows_written + report.rows_kept + report.rows_rejected
    return report


def rows(file: Path, name: str = "labels") -> list[dict[str, Any]]:
    return Database(f"sqlite:///{file}").rows(name)


def test_names_of_every_kind_are_read_and_written(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    """Keywords, blanks, quotes, brackets, line ends and other scripts, of tables and columns; rows as of a file."""
    connection.execute(
        'CREATE TABLE "order" ("select" TEXT, "the ""body"" [1]" TEXT, "from\n where:x %" TEXT, "größe" INT)'
    )
    given = [(f"k{i}", TEXTS[i % 6], None, i) for i in range(8)]
    connection.executemany('INSERT INTO "order" VALUES (?, ?, ?, ?)', given)
    connection.commit()
    run(tiny_pack, file, table="order", into='a "result" group', id_column="select", text_column='the "body" [1]')
    source, out = write_jsonl(tmp_path / "t.jsonl", [{"text": text} for _, text, *_ in given]), tmp_path / "out.jsonl"
    label(tiny_pack, source, out)
    expected = [json.loads(line) for line in out.read_text().splitlines()]
    found = rows(file, 'a ""result"" group')
    assert [(row["select"], row["cr_reason"]) for row in found] == [
        (key, row["cr_reason"]) for (key, *_), row in zip(given, expected, strict=True)
    ]


def test_views_joins_and_tables_of_attached_databases_are_read(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE tickets (ticket_id INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO tickets VALUES (?, ?)", [(i, TEXTS[i % 6]) for i in range(9)])
    connection.execute("CREATE VIEW late AS SELECT ticket_id, text FROM tickets WHERE ticket_id > 4")
    connection.execute("CREATE TABLE people (number INT, tier TEXT)")
    connection.executemany("INSERT INTO people VALUES (?, ?)", [(i, "gold") for i in range(6)])
    connection.commit()
    assert run(tiny_pack, file, table="late").rows_written == 4
    join = "SELECT t.ticket_id, t.text, p.tier FROM tickets t JOIN people p ON p.number = t.ticket_id -- all"
    assert run(tiny_pack, file, query=join, into="joined").rows_written == 6
    assert run(tiny_pack, file, table="main.tickets", into="main.whole").rows_written == 9
    other = tmp_path / "other.db"
    engine = sa.create_engine(f"sqlite:///{other}")
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute(f"ATTACH '{file}' AS crm"))
    assert run(tiny_pack, engine, table="crm.tickets").rows_written == 9
    engine.dispose()
    assert len(rows(other)) == 9


@pytest.mark.parametrize("size", [1, 3, 100])
def test_of_a_column_of_several_types_the_most_frequent_is_the_kind_of_the_ids(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, size: int
) -> None:
    """The database orders numbers before texts, so that the first page may hold none of the ids that most rows have."""
    connection.execute("CREATE TABLE tickets (ticket_id, text)")
    ids = ["a", "b", "c", "d", "", 5, 6, 2.5, b"x", None, "a"]
    connection.executemany("INSERT INTO tickets VALUES (?, 'refund')", [(one,) for one in ids])
    connection.commit()
    report = run(tiny_pack, file, chunk_rows=size)
    assert [row["ticket_id"] for row in rows(file)] == ["", "b", "c", "d"]
    assert report.reject_causes == {
        "the id is a value of type int; others are texts": 2,
        "the id stands in more than one row; every ticket needs an id of its own": 2,
        "the id is NULL; every ticket needs one": 1,
        "the id is a value of type float; others are texts": 1,
        "the id is a value of type bytes; others are texts": 1,
    }


def test_values_of_a_text_column_that_are_no_text_are_rejected_each_with_its_cause(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("CREATE TABLE tickets (ticket_id TEXT, text)")
    given = [("null", None), ("empty", ""), ("int", 5), ("float", 1.5), ("blob", b"\xff\xfe"), ("good", "refund")]
    connection.executemany("INSERT INTO tickets VALUES (?, ?)", given)
    connection.execute(
        "INSERT INTO tickets VALUES ('bytes', CAST(x'66ff6f' AS TEXT)), ('nul', CAST(x'66006f' AS TEXT))"
    )
    connection.commit()
    report = run(tiny_pack, file)
    assert [row["ticket_id"] for row in rows(file)] == ["empty", "good", "nul", "null"]
    assert {row["ticket_id"]: row["cause"].partition(";")[0] for row in rows(file, "labels_rejects")} == {
        "blob": "column 'text': the text is a value of type 'bytes'",
        "bytes": "column 'text': bytes that are not UTF-8",
        "float": "column 'text': the text is a value of type 'float'",
        "int": "column 'text': the text is a value of type 'int'",
    }
    assert report.rows_rejected == 4


def test_two_columns_of_one_name_in_a_query_are_refused(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection
) -> None:
    """SQLite would call the second one ``ticket_id:1``, and the first one be taken."""
    connection.execute('CREATE TABLE tickets (ticket_id INT, text TEXT, "text:1" TEXT)')
    connection.execute("INSERT INTO tickets VALUES (1, 'refund', '')")
    connection.commit()
    twice = "SELECT a.ticket_id, b.ticket_id, a.text FROM tickets a, tickets b"
    with pytest.raises(DatabaseError, match="two columns have the same name; rename one with AS"):
        run(tiny_pack, file, query=twice)
    assert run(tiny_pack, file).rows_written == 1, "a table may have a column of such a name"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "SELECT ticket_id, text FROM tickets WHERE ticket_id > :low"}, "failed: .*; nothing was written; .* one SELECT, without parameters"),
        ({"query": "SELECT ticket_id, text FROM tickets WHERE ticket_id > ?"}, "ProgrammingError: .*binding"),
        ({"query": "SELECT ticket_id, text FROM tickets; DROP TABLE tickets"}, "failed: OperationalError: .*syntax error"),
        ({"query": "DELETE FROM tickets"}, "failed: OperationalError: .*syntax error"),
        ({"table": "nowhere"}, "no such table: nowhere; nothing was written; check the database and the name"),
        ({"table": "my.tickets"}, r"no such table: my\.tickets; .* read a table with a dot in its name with a query"),
        ({"into": "tickets"}, "table tickets is the one that is read; name another one for the result"),
        ({"into": "nowhere.labels"}, "making the result table failed: .*unknown database nowhere; nothing was written"),
        ({"query": "SELECT ticket_id AS CR_reason, text FROM tickets", "id_column": "CR_reason"}, "the id column 'CR_reason' has the name of a column of the result; rename"),
        ({"query": "SELECT ticket_id AS cause, text FROM tickets", "id_column": "cause"}, "'cause' has the name of a column of the rejects; rename it with AS"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_written(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, options: dict[str, Any], message: str
) -> None:
    connection.execute("CREATE TABLE tickets (ticket_id INT, text TEXT)")
    connection.execute("INSERT INTO tickets VALUES (1, 'refund')")
    connection.commit()
    before = list(connection.iterdump())
    with pytest.raises(DatabaseError, match=message):
        run(tiny_pack, file, **options)
    assert list(connection.iterdump()) == before


def test_a_file_that_is_no_database_is_named(tiny_pack: Path, tmp_path: Path) -> None:
    other = tmp_path / "n.db"
    other.write_text("a text of some length that is no database at all\n" * 30)
    with pytest.raises(
        DatabaseError, match=r"n\.db: reading the columns failed: DatabaseError: file is not a database"
    ):
        run(tiny_pack, other)


def some(connection: sqlite3.Connection, number: int = 6) -> None:
    connection.execute("CREATE TABLE tickets (ticket_id INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO tickets VALUES (?, ?)", [(i, TEXTS[i % 6]) for i in range(number)])
    connection.commit()


def test_a_file_that_is_read_only_can_be_read_but_not_written(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    some(connection)
    url = f"sqlite:///file:{file}?mode=ro&uri=true"
    options: dict[str, Any] = {"table": "tickets", "into": "labels", "pack": tiny_pack}
    with pytest.raises(
        DatabaseError, match=r"file:/.*making the result table failed: .*readonly database; nothing was"
    ):
        label_database(url, **options)
    assert label_database(url, into_database=f"sqlite:///{tmp_path / 'other.db'}", **options).rows_written == 6
    assert not Database(f"sqlite:///{file}").has("labels")


def test_a_locked_file_is_waited_for_then_named_and_the_same_call_goes_on(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection
) -> None:
    some(connection)
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 0.05})
    connection.isolation_level = None
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="failed: OperationalError: database is locked"):
        run(tiny_pack, engine)
    connection.execute("COMMIT")
    assert run(tiny_pack, engine).rows_written == 6
    engine.dispose()


def test_tickets_are_read_while_another_program_writes_with_a_write_ahead_log(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    some(connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO tickets VALUES (99, 'refund')")
    target = f"sqlite:///{tmp_path / 'labels.db'}"
    assert run(tiny_pack, file, into_database=target).rows_written == 6
    connection.execute("COMMIT")
    assert run(tiny_pack, file, into_database=target).rows_written == 1


def test_a_full_disk_leaves_whole_chunks_and_the_same_call_goes_on(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection
) -> None:
    some(connection, 600)
    engine = sa.create_engine(f"sqlite:///{file}")
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 40"))
    with pytest.raises(
        DatabaseError, match="writing labels failed: OperationalError: database or disk is full; chunks"
    ):
        run(tiny_pack, engine, chunk_rows=50)
    engine.dispose()
    written = len(rows(file))
    assert 0 < written < 600
    assert written % 50 == 0
    report = run(tiny_pack, file, chunk_rows=50)
    assert (report.rows_kept, report.rows_written) == (written, 600 - written)


def test_a_result_table_with_columns_of_ones_own_is_kept_and_one_that_lacks_some_is_refused(
    tiny_pack: Path, file: Path, connection: sqlite3.Connection
) -> None:
    some(connection)
    run(tiny_pack, file)
    connection.execute("ALTER TABLE labels ADD COLUMN checked_by TEXT DEFAULT 'nobody'")
    connection.execute("DELETE FROM labels WHERE ticket_id = 3")
    connection.commit()
    assert run(tiny_pack, file).rows_written == 1
    assert {row["checked_by"] for row in rows(file)} == {"nobody"}
    connection.execute("ALTER TABLE labels DROP COLUMN cr_because")
    connection.commit()
    with pytest.raises(DatabaseError, match=r"has another shape: no column 'cr_because'\. Name another table"):
        run(tiny_pack, file)
