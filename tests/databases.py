"""Databases of the tests: tables in, rows out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contact_reasons.batch.connections import open_database

TEXTS = ("where is my parcel", "refund my money", "invoice for my order", "parcel is late", "hello", "")


class Database:
    """A database by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *statements: str, **values: Any) -> None:
        with open_database(self.url, create=True) as engine, engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)

    def make(self, rows: list[dict[str, Any]], name: str = "tickets", **types: str) -> None:
        """A table of these rows; columns are text unless said otherwise, the first one has an index."""
        columns = ", ".join(f'"{column}" {types.get(column, "text")}' for column in rows[0])
        named = ", ".join(f":{column}" for column in rows[0])
        self.run(f'CREATE TABLE "{name}" ({columns})', f'CREATE INDEX "{name}_1" ON "{name}" ("{next(iter(rows[0]))}")')
        with open_database(self.url) as engine, engine.begin() as connection:
            connection.execute(sa.text(f'INSERT INTO "{name}" VALUES ({named})'), rows)

    def rows(self, name: str) -> list[dict[str, Any]]:
        with open_database(self.url) as engine, engine.connect() as connection:
            found = connection.execute(sa.text(f'SELECT * FROM "{name}" ORDER BY 1'))
            return [dict(row) for row in found.mappings()]

    def has(self, name: str) -> bool:
        with open_database(self.url) as engine:
            return sa.inspect(engine).has_table(name)


def tickets(n: int) -> list[dict[str, Any]]:
    """Rows with the columns ``id``, ``text`` and ``open``."""
    return [{"id": i, "text": f"{TEXTS[i % len(TEXTS)]} {i % 7}", "open": ("yes", "no", "")[i % 3]} for i in range(n)]


def database_command(pack: Path, url: str, *options: str) -> list[str]:
    """The command that labels the table ``tickets`` into ``labels``."""
    names = ["--table", "tickets", "--into", "labels", "--id-column", "id"]
    start = [sys.executable, "-m", "contact_reasons", "label-database", "--database", url, "--pack", str(pack)]
    return [*start, *names, *options]
