"""Fault injection on databases at size: twenty kills of a 100,000-row run; memory of 300,000 rows against 20,000."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contact_reasons.batch import label_database
from tests.databases import Database, database_command, tickets
from tests.postgres import Postgres

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'tickets.db'}")
    server: Postgres = request.getfixturevalue("postgres")
    found = Database(server.url())
    found.run("DROP TABLE IF EXISTS tickets, labels, labels_rejects, whole, whole_rejects")
    return found


def test_twenty_kills_of_a_hundred_thousand_rows_change_nothing(tiny_pack: Path, database: Database) -> None:
    database.make([*tickets(100_000), {**tickets(1)[0], "id": 77_000}], id="bigint")
    options = {"table": "tickets", "id_column": "id", "pack": tiny_pack}
    seconds = label_database(database.url, into="whole", **options).seconds  # type: ignore[arg-type]
    chance, kills = random.Random(20), 0
    for _ in range(20):
        process = subprocess.Popen(database_command(tiny_pack, database.url, "--chunk-rows", "500"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            process.wait(timeout=1.5 + chance.random() * seconds / 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    report = label_database(database.url, into="labels", **options)  # type: ignore[arg-type]
    print(f"\n{kills} kills; undisturbed {seconds:.0f} s; {report.rows_kept:,} rows were there before the last run")
    assert kills > 0
    assert database.rows("labels") == database.rows("whole")
    assert database.rows("labels_rejects") == database.rows("whole_rejects")


def test_memory_of_three_hundred_thousand_rows_is_that_of_twenty_thousand(tiny_pack: Path, database: Database) -> None:
    peak = {}
    for rows in (20_000, 300_000):
        database.run("DROP TABLE IF EXISTS tickets", "DROP TABLE IF EXISTS labels")
        database.make([{**row, "text": str(row["text"]) + " please" * 60} for row in tickets(rows)], id="bigint")
        code = (  # VmHWM is this process's own peak; getrusage would hand down the parent's
            "from contact_reasons.cli import app; app(standalone_mode=False)\n"
            "print('PEAK', next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        arguments = database_command(tiny_pack, database.url)[3:]
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
        peak[rows] = int(done.stdout.rsplit("PEAK", 1)[1]) / 1024
        print(f"\n{rows:,} rows: peak memory {peak[rows]:.0f} MB, {time.monotonic() - started:.0f} s")
    assert peak[300_000] - peak[20_000] < 50
