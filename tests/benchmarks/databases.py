"""Tickets of a database labelled into a table, against the same tickets of a file, in one process each and the same run.

    python -m tests.benchmarks --only databases

The tickets are the samples over and over, each with an id of its own, so that anyone can measure it again.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contact_reasons as cr
from contact_reasons.batch import label_database
from contact_reasons.batch.connections import open_database
from contact_reasons.resources import pack_files
from tests.benchmarks.processes import ROOT
from tests.benchmarks.run import Run
from tests.postgres import Postgres, PostgresMissing

N_ROWS = 20_000
TITLES = {
    "file": "CSV file to CSV file",
    "sqlite": "SQLite to SQLite",
    "sqlite_again": "SQLite, all labelled before",
    "postgresql": "PostgreSQL to PostgreSQL",
    "postgresql_again": "PostgreSQL, all labelled before",
}


def databases(run: Run, n_rows: int = N_ROWS) -> dict[str, Any]:
    """Rows a second of each way, in interleaved rounds after one that is not counted, and their ratio to the file's in the same round."""
    folder = run.work / "databases"
    folder.mkdir()
    rows = tickets(n_rows)
    with (folder / "tickets.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    per_second: dict[str, list[float]] = {}
    with stores(folder, run) as urls:
        for url in urls.values():
            fill(url, rows)
        for turn in range(run.rounds + 1):
            measured = {"file": of_file(folder)}
            for name, url in urls.items():
                measured |= {name: of_database(url, n_rows, 0), f"{name}_again": of_database(url, 0, n_rows)}
                with open_database(url) as engine, engine.begin() as connection:
                    connection.exec_driver_sql("DROP TABLE labels")
            if turn:
                for name, value in measured.items():
                    per_second.setdefault(name, []).append(value)
            run.say(f"databases, round {turn} of {run.rounds}: {', '.join(f'{name} {value:,.0f}/s' for name, value in measured.items())}")  # fmt: skip
    return {
        "rows": n_rows,
        "ways": {
            name: {
                "per_second": spread(values),
                "to_file": spread([a / b for a, b in zip(values, per_second["file"], strict=True)]),
            }
            for name, values in per_second.items()
        },
        "stamp": run.stamp({"retail": pack_files("retail").model}),
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def tickets(n_rows: int) -> list[dict[str, str]]:
    with (ROOT / "samples" / "retail-tickets.csv").open(encoding="utf-8", newline="") as stream:
        sample = list(csv.DictReader(stream))
    return [{**row, "ticket_id": f"N{i}"} for i, row in zip(range(n_rows), itertools.cycle(sample), strict=False)]


@contextlib.contextmanager
def stores(folder: Path, run: Run) -> Iterator[dict[str, str]]:
    """URLs of empty databases; PostgreSQL where a server can be started."""
    urls = {"sqlite": f"sqlite:///{folder / 'tickets.db'}"}
    try:
        server = Postgres()
    except PostgresMissing as why:
        run.say(f"databases: without PostgreSQL: {why}")
        yield urls
        return
    try:
        yield urls | {"postgresql": server.url()}
    finally:
        server.close()


def fill(url: str, rows: list[dict[str, str]]) -> None:
    import sqlalchemy as sa

    columns = [sa.Column(name, sa.Text, primary_key=name == "ticket_id") for name in rows[0]]
    table = sa.Table("tickets", sa.MetaData(), *columns)
    with open_database(url, create=True) as engine, engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), rows)


def of_file(folder: Path) -> float:
    report = cr.label_file(folder / "tickets.csv", folder / "labels.csv", subject_column="subject", overwrite=True)
    return report.rows_per_second


def of_database(url: str, written: int, kept: int) -> float:
    report = label_database(url, table="tickets", into="labels", subject_column="subject")
    assert (report.rows_written, report.rows_kept) == (written, kept)
    return report.rows_per_second


def database_lines(section: dict[str, Any]) -> list[str]:
    """The section of the page."""
    lines = [
        "## Databases",
        "",
        f"{section['rows']:,} sample tickets labelled and routed, in one process, in turns; medians of the rounds (least–most). `label-database` writes each chunk in one "
        "transaction; where all are labelled before it reads ids alone. The PostgreSQL server is on the same machine, and does not wait for the disk.",
        "",
        "| | rows/s | of the file's |",
        "|---|---|---|",
    ]
    for name, found in section["ways"].items():
        rate, ratio = found["per_second"], found["to_file"]
        speeds = [f"{float(f'{rate[each]:.3g}'):,.0f}" for each in ("median", "least", "most")]
        lines.append(
            f"| {TITLES[name]} | {speeds[0]} ({speeds[1]}–{speeds[2]}) | {ratio['median']:.2f} ({ratio['least']:.2f}–{ratio['most']:.2f}) |"
        )
    return [*lines, ""]
