"""A database's tickets: labelled like those of a file, each once, through kills, lost connections and two workers; nothing lost in silence."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.batch import DatabaseReport, label_database, tables
from contact_reasons.batch.connections import open_database
from contact_reasons.errors import BatchError, DatabaseError
from tests.databases import Database, database_command, tickets
from tests.postgres import Postgres
from tests.ticket_files import label, rejects, write_jsonl


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Makes empty databases of a kind."""
    if request.param == "sqlite":

        def sqlite() -> Database:
            file = tmp_path / f"{uuid.uuid4().hex}.db"
            file.touch()
            return Database(f"sqlite:///{file}")

        return sqlite
    server: Postgres = request.getfixturevalue("postgres")

    def postgresql() -> Database:
        name = f"t{uuid.uuid4().hex}"
        with open_database(server.url()) as engine, engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text(f"CREATE DATABASE {name}"))
        return Database(server.url(name))

    return postgresql


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    return new_database()


def run(tiny_pack: Path, database: Database, into: str = "labels", **options: Any) -> DatabaseReport:
    chosen = {"id_column": "id", "chunk_rows": 5, "table": None if "query" in options else "tickets"}
    report = label_database(database.url, into=into, pack=tiny_pack, **chosen | options)
    assert report.rows_read == report.rows_written + report.rows_kept + report.rows_rejected
    return report


# ------------------------------------------------------------------------------------------- same answers


def test_rows_of_a_file_and_of_a_database_get_the_same_answers(
    tiny_pack: Path, database: Database, tmp_path: Path
) -> None:
    rows = [{**row, "subject": "Question" if row["id"] % 2 else None, "when": "x"} for row in tickets(60)]
    rows[7]["open"] = "perhaps"  # the policy does not know it: rejected by both
    database.make(rows, id="bigint")
    options: dict[str, Any] = {"subject_column": "subject", "inputs": {"sentiment": ""}}
    report = run(tiny_pack, database, **options)
    of_file = label(tiny_pack, write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", **options)
    wanted = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = {row["id"]: row for row in database.rows("labels")}
    assert len(wanted) == len(found) == 59
    for row in wanted:
        assert {name: value for name, value in row.items() if name.startswith("cr_")}.items() <= found[
            row["id"]
        ].items()
    assert report.counts == of_file.counts
    assert report.reject_causes == of_file.reject_causes
    assert report.inputs == of_file.inputs
    assert report.inputs_missing == of_file.inputs_missing
    assert [row["cause"] for row in database.rows("labels_rejects")] == [row["cause"] for row in rejects(tmp_path / "out.jsonl")]  # fmt: skip


def test_values_the_policy_does_not_know_can_be_taken_as_missing(tiny_pack: Path, database: Database) -> None:
    database.make([{**row, "open": "perhaps"} for row in tickets(3)], id="bigint")
    report = run(tiny_pack, database, unknown_as_missing=True)
    assert (report.rows_written, report.values_ignored) == (3, {"open": 3})


def test_the_size_of_chunks_changes_nothing(tiny_pack: Path, database: Database) -> None:
    database.make([*tickets(17), {**tickets(1)[0], "id": 3}], id="bigint")
    for size in (1, 4, 1000):
        run(tiny_pack, database, into=f"by{size}", chunk_rows=size)
    assert database.rows("by1") == database.rows("by4") == database.rows("by1000")
    assert database.rows("by1_rejects") == database.rows("by1000_rejects")
    assert [row["row_count"] for row in database.rows("by4_rejects")] == [2]


def test_a_query_is_read_like_a_table(tiny_pack: Path, database: Database) -> None:
    database.make(tickets(20), id="bigint")
    run(tiny_pack, database)
    query = """SELECT t.id AS "the id", text AS "Body: 100%", '12:30:59 :x' AS clock, open FROM tickets t WHERE text LIKE '%r%' AND id >= 3; """
    report = run(tiny_pack, database, into="by query", query=query, id_column="the id", text_column="Body: 100%")
    assert 0 < report.rows_written < 20
    by_table = {row["id"]: row["cr_reason"] for row in database.rows("labels")}
    assert all(by_table[row["the id"]] == row["cr_reason"] for row in database.rows("by query"))


def test_names_are_quoted_and_never_run(tiny_pack: Path, database: Database) -> None:
    name = 'x"; DROP TABLE tickets; --'
    database.make(tickets(3), id="bigint")
    run(tiny_pack, database, into=name)
    assert len(database.rows("tickets")) == len(database.rows(name.replace('"', '""'))) == 3
    with pytest.raises(DatabaseError, match="reading the columns failed"):
        run(tiny_pack, database, table=name + "y")


def test_labels_may_be_written_to_another_database(
    tiny_pack: Path, new_database: Callable[[], Database], tmp_path: Path
) -> None:
    source, warehouse = new_database(), Database(f"sqlite:///{tmp_path / 'warehouse.db'}")
    ids = [uuid.UUID(int=i * 7919) for i in range(9)]
    kind = "text" if source.url.startswith("sqlite") else "uuid"
    rows = [{**row, "id": str(key)} for row, key in zip(tickets(9), ids, strict=True)]
    source.run(f"CREATE TABLE tickets (id {kind}, text text, open text)")
    for row in rows:
        source.run(f"INSERT INTO tickets VALUES (CAST(:id AS {kind}), :text, :open)", **row)
    run(tiny_pack, source, into_database=warehouse.url)
    assert [row["id"] for row in warehouse.rows("labels")] == [str(key) for key in ids]
    assert run(tiny_pack, source, into_database=warehouse.url).rows_kept == 9
    assert not source.has("labels")
    run(tiny_pack, source)
    assert [str(row["id"]) for row in source.rows("labels")] == [str(key) for key in ids]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    keys=st.lists(st.one_of(st.none(), st.text(alphabet="aAbB0% 'é\"", max_size=3)), max_size=12),
    size=st.integers(1, 5),
)
def test_every_row_is_written_or_counted_whatever_the_ids_and_their_collation(
    tiny_pack: Path, tmp_path: Path, keys: list[str | None], size: int
) -> None:
    """The ids of the table compare without case: those that the database takes for one are rejected together, none is passed over."""
    database = Database(f"sqlite:///{tmp_path / uuid.uuid4().hex}.db")
    rows = [{"id": key, "text": "refund"} for key in [*keys, None]]
    database.make(rows, id="text COLLATE NOCASE")
    report = run(tiny_pack, database, chunk_rows=size)
    folded = [None if key is None else "".join(c.lower() if c.isascii() else c for c in key) for key in keys]
    alone = {key for key, fold in zip(keys, folded, strict=True) if fold is not None and folded.count(fold) == 1}
    assert report.rows_read == len(rows)
    assert {row["id"] for row in database.rows("labels")} == alone if database.has("labels") else not alone


# ------------------------------------------------------------------------------------- again, and only new


def test_a_second_run_writes_nothing_and_new_tickets_are_added(tiny_pack: Path, database: Database) -> None:
    database.make(tickets(12), id="bigint")
    assert run(tiny_pack, database).rows_written == 12
    before = database.rows("labels")
    again = run(tiny_pack, database)
    assert (again.rows_written, again.rows_kept, again.rows_outdated) == (0, 12, 0)
    database.run("INSERT INTO tickets VALUES (-5, 'invoice', 'yes'), (100, 'late parcel', 'no')")
    assert run(tiny_pack, database).rows_written == 2
    assert [row for row in database.rows("labels") if row["id"] not in (-5, 100)] == before


def test_changed_tickets_are_labelled_again_when_asked(tiny_pack: Path, database: Database) -> None:
    database.make(tickets(12), id="bigint")
    run(tiny_pack, database)
    before = database.rows("labels")
    database.run(
        "UPDATE tickets SET text = 'send me the invoice' WHERE id = 3", "UPDATE tickets SET open = 'no' WHERE id = 6"
    )
    assert run(tiny_pack, database).rows_written == 0
    assert database.rows("labels") == before
    report = run(tiny_pack, database, relabel="changed")
    assert (report.rows_written, report.rows_relabelled, report.rows_kept) == (2, 2, 10)
    changed = [new["id"] for new, old in zip(database.rows("labels"), before, strict=True) if new != old]
    assert changed == [3, 6]
    assert run(tiny_pack, database, relabel="changed").rows_written == 0
    assert run(tiny_pack, database, relabel="all").rows_relabelled == 12


def test_another_model_or_policy_is_told_and_labels_again_when_asked(
    tiny_pack: Path, database: Database, tmp_path: Path
) -> None:
    database.make(tickets(6), id="bigint")
    run(tiny_pack, database)
    seal = cr.load_pipeline(tiny_pack).bundle.manifest.seal
    assert {row["cr_model"].partition("+")[0] for row in database.rows("labels")} == {seal[:16]}
    database.run("UPDATE labels SET cr_model = 'another' WHERE id < 2")
    report = run(tiny_pack, database)
    assert (report.rows_kept, report.rows_outdated) == (6, 2)
    assert run(tiny_pack, database, relabel="changed").rows_relabelled == 2
    rules = tmp_path / "rules.yaml"
    rules.write_text((tiny_pack / "policy.yaml").read_text().replace("version: 1.0.0", "version: 1.0.1"))
    assert run(tiny_pack, database, policy=rules).rows_outdated == 6
    assert run(tiny_pack, database, policy=rules, relabel="changed").rows_relabelled == 6
    assert run(tiny_pack, database, policy=rules).rows_outdated == 0


# ------------------------------------------------------------------------------------------ bad rows, told


def test_rows_that_cannot_be_labelled_are_counted_and_listed_and_leave_the_list_when_they_are_right(
    tiny_pack: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_TEXT_CHARS", 40)
    rows: list[dict[str, Any]] = [{**row, "id": str(row["id"])} for row in tickets(4)]
    rows += [{**rows[0], "id": None}, {**rows[0], "id": None}, rows[1], {**rows[0], "id": "long", "text": "x" * 41}]
    database.make(rows)
    report = run(tiny_pack, database)
    listed = {row["id"]: (row["row_count"], row["cause"]) for row in database.rows("labels_rejects")}
    assert (report.rows_read, report.rows_written, report.rows_rejected) == (8, 3, 5)
    assert list(listed) == ["1", "long"]
    assert listed["1"] == (2, "the id stands in more than one row; every ticket needs an id of its own")
    assert listed["long"][1].startswith("a text of more than ")
    assert report.reject_causes["the id is NULL; every ticket needs one"] == 2
    assert report.rejects == "labels_rejects"
    database.run(
        "DELETE FROM tickets WHERE id IS NULL OR id = '1'", "UPDATE tickets SET text = 'refund' WHERE id = 'long'"
    )
    report = run(tiny_pack, database)
    assert (report.rows_written, report.rows_rejected, report.rejects) == (1, 0, None)
    assert [row["id"] for row in database.rows("labels_rejects")] == ["1"]  # that ticket is gone, and so is its page


def test_bytes_that_are_no_text_are_rejected_wherever_they_stand(tiny_pack: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tickets.db'}")
    database.make([{**row, "id": str(row["id"])} for row in tickets(5)], text="blob")
    database.run("INSERT INTO tickets VALUES ('a', CAST(x'80' AS text), ''), (CAST(x'3080ff' AS text), 'refund', '')")
    database.run("INSERT INTO tickets VALUES ('b', x'00ff', ''), ('c', 7, ''), (CAST(x'3000' AS text), 'refund', '')")
    for size in (1, 2, 100):
        report = run(tiny_pack, database, into=f"labels{size}", chunk_rows=size)
        assert (report.rows_read, report.rows_written) == (10, 5)
        causes = {row["id"]: row["cause"] for row in database.rows(f"labels{size}_rejects")}
        assert causes == {
            "a": "column 'text': bytes that are not UTF-8; repair the row",
            "0\\x80\\xff": "the id is not UTF-8; repair it",
            "0\\x00": "the id holds the character NUL; repair it",
            "b": "column 'text': the text is a value of type 'bytes'; it must be a string or null",
            "c": "column 'text': the text is a value of type 'int'; it must be a string or null",
        }


def test_ids_of_another_type_than_the_others_are_rejected(tiny_pack: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tickets.db'}")
    database.run("CREATE TABLE tickets (id, text text)", "INSERT INTO tickets VALUES (1, 'x'), (2.5, 'x'), (3, 'x'), ('4', 'x'), (x'05', 'x')")  # fmt: skip
    report = run(tiny_pack, database, chunk_rows=2)
    assert (report.rows_written, report.rows_rejected) == (2, 3)
    assert set(report.reject_causes) == {f"the id is a value of type {kind}; others are whole numbers" for kind in ("float", "str", "bytes")}  # fmt: skip


def test_ids_that_no_result_table_can_hold_are_refused(tiny_pack: Path, database: Database) -> None:
    database.make([{**row, "id": row["id"] + 0.5} for row in tickets(3)], id="double precision")
    with pytest.raises(DatabaseError, match=r"column 'id' holds values of type float where table labels takes whole numbers or texts or UUIDs"):  # fmt: skip
        run(tiny_pack, database)
    assert not database.has("labels")


def test_an_empty_table_is_no_error(tiny_pack: Path, database: Database) -> None:
    database.run("CREATE TABLE tickets (id bigint, text text)")
    report = run(tiny_pack, database)
    assert (report.rows_read, report.rows_written, report.rejects) == (0, 0, None)


# ----------------------------------------------------------------------------------- the table of results


def test_the_result_table_has_typed_columns_and_a_primary_key(tiny_pack: Path, database: Database) -> None:
    database.make(tickets(2), id="bigint")
    run(tiny_pack, database)
    with open_database(database.url) as engine:
        look = sa.inspect(engine)
        types = {column["name"]: column["type"] for column in look.get_columns("labels")}
        assert look.get_pk_constraint("labels")["constrained_columns"] == ["id"]
    assert isinstance(types["id"], sa.BigInteger)
    assert isinstance(types["cr_confidence"], sa.Float)
    assert isinstance(types["cr_abstained"], sa.Boolean)
    assert isinstance(types["cr_priority"], sa.Integer)
    assert isinstance(types["cr_reason"], sa.Text)


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("ALTER TABLE labels DROP COLUMN cr_queue", "no column 'cr_queue'"),
        ("ALTER TABLE labels ADD COLUMN owner text NOT NULL DEFAULT 'x'", None),
        ("DROP TABLE labels", None),
        (
            "CREATE TABLE other (id bigint, cr_priority text)",
            "no column 'cr_primary'.*column 'cr_priority' is TEXT, not INTEGER.*primary key is missing, not id",
        ),
        ("CREATE TABLE other (id bigint PRIMARY KEY, need integer NOT NULL)", "column 'need' must be given a value"),
        ("CREATE TABLE other (id real PRIMARY KEY)", "column 'id' is REAL, not text, a whole number or a UUID"),
        ("CREATE TABLE other_rejects (id text PRIMARY KEY, cause text)", "table other_rejects .*no column 'row_count'"),
        (
            "CREATE TABLE other_rejects (id bigint PRIMARY KEY, row_count integer, cause text)",
            "table other_rejects .*: column 'id' is not text",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_with_what_differs(
    tiny_pack: Path, database: Database, change: str, differs: str | None
) -> None:
    database.make(tickets(2), id="bigint")
    run(tiny_pack, database)
    database.run(change)
    into = "other" if "other" in change else "labels"
    if differs is None:
        assert run(tiny_pack, database, into=into).rows_read == 2
        return
    with pytest.raises(DatabaseError, match=differs):
        run(tiny_pack, database, into=into)


def test_ids_that_do_not_fit_the_result_table_are_refused(tiny_pack: Path, database: Database) -> None:
    database.make(tickets(2), id="bigint")
    run(tiny_pack, database)
    database.make([{"id": "T1", "text": "refund"}], name="others")
    with pytest.raises(DatabaseError, match="holds values of type str where table labels takes whole numbers"):
        run(tiny_pack, database, table="others")


# ----------------------------------------------------------------------------------------------- faults


def test_what_an_interrupted_run_wrote_stays_and_the_next_one_goes_on(tiny_pack: Path, database: Database) -> None:
    database.make([*tickets(30), {**tickets(1)[0], "id": 3}], id="bigint")
    run(tiny_pack, database, into="whole")

    def stop(rows: int, _: float) -> None:
        if rows >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny_pack, database, progress=stop)
    done = len(database.rows("labels"))
    assert 0 < done < 29
    report = run(tiny_pack, database)
    assert (report.rows_kept, report.rows_written, report.rows_rejected) == (done, 29 - done, 2)
    assert database.rows("labels") == database.rows("whole")
    assert database.rows("labels_rejects") == database.rows("whole_rejects")


def test_a_chunk_is_written_whole_with_its_rejects_or_not_at_all(
    tiny_pack: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.make([*tickets(9), {**tickets(1)[0], "id": 6}], id="bigint")
    write = tables.LabelTable.write

    def failing(self: tables.LabelTable, rows: Any, rejects: Any, *rest: Any, **options: Any) -> Any:
        broken = [*rows[:-1], {**rows[-1], "id": None}] if rejects else rows  # fails when the rejects are written
        return write(self, broken, rejects, *rest, **options)

    monkeypatch.setattr(tables.LabelTable, "write", failing)
    with pytest.raises(DatabaseError, match=r"writing labels failed: .*start the same command again"):
        run(tiny_pack, database, chunk_rows=4)
    assert [row["id"] for row in database.rows("labels")] == [0, 1, 2, 3]
    assert database.rows("labels_rejects") == []
    monkeypatch.undo()
    assert run(tiny_pack, database).rows_written == 4
    assert len(database.rows("labels_rejects")) == 1


def test_a_kill_in_the_middle_changes_nothing(tiny_pack: Path, database: Database) -> None:
    database.make([*tickets(2000), {**tickets(1)[0], "id": 77}], id="bigint")
    run(tiny_pack, database, into="whole", chunk_rows=2000)
    command = database_command(tiny_pack, database.url, "--chunk-rows", "5")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (database.has("labels") and len(database.rows("labels")) > 100):
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = len(database.rows("labels"))
    assert 100 < done < 1999
    assert run(tiny_pack, database, chunk_rows=500).rows_kept == done
    assert database.rows("labels") == database.rows("whole")
    assert database.rows("labels_rejects") == database.rows("whole_rejects")


def test_two_workers_at_once_write_each_ticket_once(tiny_pack: Path, database: Database) -> None:
    database.make([*tickets(400), {**tickets(1)[0], "id": 77}], id="bigint")
    run(tiny_pack, database, into="whole")
    start, reports = threading.Barrier(2), []

    def work() -> None:
        start.wait()
        reports.append(run(tiny_pack, database, chunk_rows=20))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(reports) == 2
    assert sum(report.rows_written for report in reports) == 399
    assert database.rows("labels") == database.rows("whole")
    assert database.rows("labels_rejects") == database.rows("whole_rejects")


def test_a_server_that_crashes_gives_a_clear_error_and_the_same_command_goes_on(
    tiny_pack: Path, postgres: Postgres
) -> None:
    name = f"t{uuid.uuid4().hex}"
    with open_database(postgres.url()) as engine, engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text(f"CREATE DATABASE {name}"))
    database = Database(postgres.url(name))
    database.make(tickets(30), id="bigint")
    run(tiny_pack, database, into="whole")
    database.run("CHECKPOINT")

    def crash(rows: int, _: float) -> None:
        if rows == 15:
            postgres.stop()

    try:
        with pytest.raises(DatabaseError, match=r"failed: OperationalError: .*chunks that were written stay.*start the same command again"):  # fmt: skip
            run(tiny_pack, database, progress=crash)
    finally:
        postgres.start()
    report = run(tiny_pack, database)
    assert (report.rows_kept, report.rows_written) == (15, 15)
    assert database.rows("labels") == database.rows("whole")


def test_connections_that_are_cut_between_two_chunks_are_made_again(tiny_pack: Path, postgres: Postgres) -> None:
    database = Database(postgres.url())
    database.run("DROP TABLE IF EXISTS tickets, labels, labels_rejects")
    database.make(tickets(12), id="bigint")
    cut = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    assert run(tiny_pack, database, progress=lambda *_: database.run(cut)).rows_written == 12
    database.run("DROP TABLE tickets, labels, labels_rejects")


# ------------------------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": None}, "a table or a query, one of both"),
        ({"query": "SELECT 1", "table": "tickets"}, "a table or a query, one of both"),
        ({"relabel": "new"}, "relabel is 'new'; known: 'none', 'changed', 'all'"),
        ({"chunk_rows": 0}, "chunk_rows is 0; it must be a whole number from 1 to 100,000"),
        ({"table": "ticket"}, "reading the columns failed: .*ticket"),
        ({"id_column": "key"}, "there is no column 'key'; known: 'id', 'text', 'open'"),
        ({"text_column": "txt"}, "table tickets of .*: there is no column 'txt'; did you mean 'text'"),
        ({"inputs": {"open": "opened"}}, "there is no column 'opened'; did you mean 'open'"),
        ({"query": "SELEC 1"}, "the columns failed: .*syntax"),
        ({"query": "DELETE FROM tickets RETURNING *"}, "the columns failed: "),
    ],
)
def test_what_does_not_fit_is_named(tiny_pack: Path, database: Database, options: dict[str, Any], message: str) -> None:
    database.make(tickets(2), id="bigint")
    with pytest.raises(BatchError, match=message):
        run(tiny_pack, database, **options)
    assert len(database.rows("tickets")) == 2


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("tickets.db", "the database's URL cannot be read"),
        ("mysql://me:secret@host/db", "a database of kind 'mysql' is not supported; use PostgreSQL or SQLite"),
        ("sqlite:///nowhere.db", "nowhere.db: there is no such SQLite file"),
        ("postgresql+nothing://me:secret@host/db", "asks for what is not there"),
        (
            "postgresql://me:secret@127.0.0.1:1/db?password=secret",
            "postgresql://127.0.0.1:1/db: reading the columns failed: OperationalError",
        ),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    tiny_pack: Path, url: str, message: str
) -> None:
    with pytest.raises(DatabaseError, match=message) as caught:
        label_database(url, table="tickets", into="labels", pack=tiny_pack)
    assert "secret" not in str(caught.value)


def test_errors_hold_no_text_of_a_ticket(tiny_pack: Path, database: Database) -> None:
    database.make([{"id": i, "text": f"my name is Ada {i}"} for i in range(3)], id="bigint")
    cast = {"query": "SELECT CAST(text AS integer) AS id, text FROM tickets"}
    query = cast if "postgres" in database.url else {"query": "SELECT id, json(text) AS text FROM tickets"}
    with pytest.raises(DatabaseError, match="failed: ") as caught:
        run(tiny_pack, database, **query)
    assert "Ada" not in str(caught.value)


def test_an_engine_of_ones_own_stays_open(tiny_pack: Path) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE tickets (id integer, text text)"))
        connection.execute(sa.text("INSERT INTO tickets VALUES (1, 'refund'), (2, 'parcel')"))
    assert label_database(engine, table="tickets", into="labels", id_column="id", pack=tiny_pack).rows_written == 2
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM labels")).scalar() == 2
    engine.dispose()
