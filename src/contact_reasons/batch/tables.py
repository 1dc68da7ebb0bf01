"""Tables of a database: tickets read page by page in the order of their ids, labels written once for each id.

Statements are built by SQLAlchemy: names are quoted, values are bound, never written into SQL. Columns that are read have no type here, so that
the database compares each by its own rules.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from contact_reasons.batch.connections import database_name, failures_named, import_sqlalchemy
from contact_reasons.batch.lines import MAX_ROW_BYTES, has_surrogates
from contact_reasons.batch.readers import Columns
from contact_reasons.errors import DatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["ID_NAMES", "MAX_TEXT_CHARS", "LabelTable", "RejectedTicket", "TicketTable", "id_kind"]

MAX_TEXT_CHARS: Final = MAX_ROW_BYTES // 4
"""Longer texts are not fetched; of four bytes a character they are as long as the longest row of a file."""
IDS_AT_ONCE: Final = 1_000


_SECOND: Final = re.compile(r":\d+\Z")  # what SQLite puts behind the name of a second column of one name in a query
_STORED: Final = {"text": "string", "integer": "int"}
_CHECK_TABLE: Final = "nothing was written; check the database and the name of the table"
_CHECK_DOTS: Final = f"{_CHECK_TABLE}. What stands before its last dot is taken as the schema; read a table with a dot in its name with a query"
_CHECK_QUERY: Final = "nothing was written; check the database and the query: one SELECT, without parameters"
_CHECK_RESULT: Final = "nothing was written; check the database, the name of the table and your rights"


# ------------------------------------------------------------------------------------------------ tickets


class TicketCount(NamedTuple):
    """How many rows there are.

    Parameters
    ----------
    rows, without_id : int
        All rows, and those whose id is NULL.
    kinds : dict of str to int
        Of SQLite, where every value has its own type: rows by the kind of their id, ``'string'`` or ``'int'``; otherwise empty.
    """

    rows: int
    without_id: int
    kinds: dict[str, int]


class TicketTable(Columns):
    """A table or a query with one row for each ticket.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    id_column : str
    table : str, optional
        Name, or ``schema.name``.
    query : str, optional
        One SELECT, in place of a table.

    Raises
    ------
    DatabaseError
        If it cannot be read, or has two columns of one name.
    """

    def __init__(self, engine: Engine, id_column: str, *, table: str | None, query: str | None) -> None:
        self.engine, self._sa = engine, import_sqlalchemy()
        sa = self._sa
        where = database_name(engine)
        self.name = f"the query on {where}" if table is None else f"table {table} of {where}"
        source = _named(table) if table is not None else self._query(str(query))
        then = _CHECK_QUERY if table is None else _CHECK_DOTS if "." in table else _CHECK_TABLE
        with failures_named(engine, "reading the columns", then), self._reading() as connection:
            found = connection.execute(sa.select(sa.text("*")).select_from(source).where(sa.false()))
            self.columns = tuple(found.keys())
        twice = [name for name in self.columns if _SECOND.sub("", name) in self.columns and _SECOND.search(name)]
        if len(set(self.columns)) != len(self.columns) or (table is None and twice):
            raise DatabaseError(f"{self.name}: two columns have the same name; rename one with AS")
        self.require([id_column])
        columns = [sa.column(name) for name in self.columns]
        self._source = _named(table, *columns) if table is not None else self._query(str(query), *columns)
        self._id = self._source.c[id_column]

    def _query(self, query: str, *columns: Any) -> Any:
        text = query.strip().rstrip(";").replace(":", "\\:")  # a colon begins no parameter
        return self._sa.text(f"{text}\n").columns(*columns).subquery("tickets")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection that only reads; of SQLite, bytes that are no UTF-8 come out as surrogates."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name != "sqlite":
                yield connection.execution_options(postgresql_readonly=True)
                return
            driver: Any = connection.connection.driver_connection
            before, driver.text_factory = driver.text_factory, _decode
            try:
                yield connection
            finally:
                driver.text_factory = before

    def count(self) -> TicketCount:
        """Number of rows, of rows whose id is NULL, and of rows by the kind of their id."""
        sa = self._sa
        is_sqlite = self.engine.dialect.name == "sqlite"  # where each value has a type of its own
        kind = sa.func.typeof(self._id) if is_sqlite else sa.null()
        statement = sa.select(kind, sa.func.count(), sa.func.count(self._id)).select_from(self._source)
        with failures_named(self.engine, "counting the rows"), self._reading() as connection:
            found = connection.execute(statement.group_by(kind) if is_sqlite else statement).all()
        by_type = {kind: rows for kind, rows, _ in found}
        rows, with_id = sum(rows for _, rows, _ in found), sum(with_id for *_, with_id in found)
        return TicketCount(
            rows, rows - with_id, {ours: by_type[kind] for kind, ours in _STORED.items() if kind in by_type}
        )

    def pages(self, size: int) -> Iterator[list[tuple[Any, int]]]:
        """All ids but NULL in the database's order, at most ``size`` at a time, each with the number of its rows."""
        sa = self._sa
        key, start = self._id, self._id.is_not(None)
        while True:
            statement = sa.select(key, sa.func.count()).where(start).group_by(key).order_by(key).limit(size)
            with failures_named(self.engine, "reading ids"), self._reading() as connection:
                page = [(value, rows) for value, rows in connection.execute(statement)]
            if page:
                yield page
            if len(page) < size:
                return
            start = key > self._bound(page[-1][0])

    def _bound(self, value: Any) -> Any:
        """An id as a bound value; one that is no UTF-8 as its bytes."""
        sa = self._sa
        if isinstance(value, str) and has_surrogates(value):
            return sa.cast(sa.literal(value.encode("utf-8", "surrogateescape"), sa.LargeBinary), sa.Text)
        return sa.bindparam(None, value, type_=sa.types.NullType())

    def rows(
        self, ids: Sequence[Any], columns: Sequence[str], texts: Collection[str]
    ) -> list[tuple[Any, bool, dict[str, Any]]]:
        """Rows of these ids: the id, whether a text is too long to be fetched, and the values by column.

        Parameters
        ----------
        ids : sequence
        columns : sequence of str
        texts : collection of str
            Those of the columns whose length has a limit.
        """
        sa = self._sa
        long = {name: sa.func.length(sa.cast(self._source.c[name], sa.Text)) > MAX_TEXT_CHARS for name in texts}
        fetched = [
            sa.case((long[name], sa.null()), else_=self._source.c[name]) if name in long else self._source.c[name]
            for name in columns
        ]
        too_long = sa.case((sa.or_(*long.values()), 1), else_=0)
        found = []
        for some in _batches(ids):
            chosen = self._id.in_(sa.bindparam("ids", list(some), expanding=True, type_=sa.types.NullType()))
            statement = sa.select(self._id, too_long, *fetched).where(chosen).order_by(self._id)
            with failures_named(self.engine, "reading tickets"), self._reading() as connection:
                for key, is_long, *values in connection.execute(statement):
                    found.append((key, bool(is_long), dict(zip(columns, map(_plain, values), strict=True))))
        return found


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[i : i + IDS_AT_ONCE] for i in range(0, len(values), IDS_AT_ONCE))


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _plain(value: Any) -> Any:
    """Decimal numbers as the numbers that policies compare."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


def _named(name: str, *columns: Any) -> Any:
    schema, _, own = name.rpartition(".")
    return import_sqlalchemy().table(own, *columns, schema=schema or None)


# ------------------------------------------------------------------------------------------------- labels


class RejectedTicket(NamedTuple):
    """A ticket that was not labelled, and why. Holds no text of it.

    Parameters
    ----------
    key : str
        Its id as text.
    rows : int
        How many rows it has.
    cause : str
    """

    key: str
    rows: int
    cause: str


class LabelTable:
    """The table of results, with one row for each labelled ticket, and beside it the table of rejects.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    name : str
        Name, or ``schema.name``; the rejects lie in ``<name>_rejects``.
    id_column : str
        Its primary key.
    added : mapping of str to {'string', 'float', 'int', 'bool'}
        The other columns.
    versions : sequence of str
        Those of the added columns that say what a row was labelled by.

    Raises
    ------
    DatabaseError
        If a table of one of the names is there and has another shape.
    """

    def __init__(
        self, engine: Engine, name: str, id_column: str, added: Mapping[str, str], versions: Sequence[str]
    ) -> None:
        self.engine, self.name, self._sa = engine, name, import_sqlalchemy()
        self.id_column, self._added, self._versions = id_column, dict(added), list(versions)
        self._rejects_added = {"row_count": "int", "cause": "string"}
        self.rejects_name = f"{name}_rejects"
        self.kind: str | None = None
        self._check_names()
        with failures_named(engine, "looking at the result table", _CHECK_RESULT):
            self.kind = self._existing(name, self._added)
            rejects = self._existing(self.rejects_name, self._rejects_added)
        if rejects not in (None, "string"):
            raise DatabaseError(f"{self._shown(self.rejects_name)}: column {id_column!r} is not text; {_OTHER_NAME}")
        if self.kind is not None:
            self.begin(self.kind)

    def _check_names(self) -> None:
        """Refuse an id column of the name of another column; SQLite takes names that differ in case alone for one."""
        for added in (*self._added, *self._rejects_added):
            if added.casefold() == self.id_column.casefold():
                raise DatabaseError(
                    f"the id column {self.id_column!r} has the name of a column of the {'result' if added in self._added else 'rejects'}; "
                    "rename it with AS in a query"
                )

    def _shown(self, name: str) -> str:
        return f"table {name} of {database_name(self.engine)}"

    def _existing(self, name: str, added: Mapping[str, str]) -> str | None:
        """Kind of the ids of a table that is there already; None if there is none."""
        schema, _, own = name.rpartition(".")
        look = self._sa.inspect(self.engine)
        if not look.has_table(own, schema=schema or None):
            return None
        found = {column["name"]: column for column in look.get_columns(own, schema=schema or None)}
        wrong = [f"no column {column!r}" for column in (self.id_column, *added) if column not in found]
        for column, kind in added.items():
            if column in found and not self._fits(found[column]["type"], kind):
                wrong.append(f"column {column!r} is {found[column]['type']}, not {self._type(kind)}")
        key = look.get_pk_constraint(own, schema=schema or None)["constrained_columns"]
        if key != [self.id_column]:
            wrong.append(f"its primary key is {', '.join(key) or 'missing'}, not {self.id_column}")
        for column, about in found.items():
            if column not in (self.id_column, *added) and not about["nullable"] and about.get("default") is None:
                wrong.append(f"column {column!r} must be given a value")
        kind_of_id = next(
            (k for k in ID_NAMES if self.id_column in found and self._fits(found[self.id_column]["type"], k)), None
        )
        if kind_of_id is None and self.id_column in found:
            wrong.append(
                f"column {self.id_column!r} is {found[self.id_column]['type']}, not text, a whole number or a UUID"
            )
        if wrong:
            raise DatabaseError(f"{self._shown(name)} has another shape: {'; '.join(wrong)}. {_OTHER_NAME}")
        return kind_of_id

    def _fits(self, found: Any, kind: str) -> bool:
        sa = self._sa
        if kind == "float":
            single = isinstance(found, sa.REAL) and self.engine.dialect.name == "postgresql"
            return isinstance(found, sa.Float) and not single
        if kind == "string":
            limited = getattr(found, "length", None) is not None and self.engine.dialect.name == "postgresql"
            return isinstance(found, sa.String) and not isinstance(found, sa.Enum) and not limited
        return isinstance(found, {"int": sa.Integer, "bool": sa.Boolean, "uuid": sa.Uuid}[kind])

    def _type(self, kind: str) -> Any:
        sa = self._sa
        kinds = {"string": sa.Text, "float": sa.Double, "int": sa.Integer, "bool": sa.Boolean, "uuid": sa.Uuid}
        return kinds[kind]()

    def _table(self, name: str, kind: str, added: Mapping[str, str]) -> Any:
        sa = self._sa
        schema, _, own = name.rpartition(".")
        key = sa.BigInteger() if kind == "int" else self._type(kind)
        columns = [sa.Column(column, self._type(kind)) for column, kind in added.items()]
        first = sa.Column(self.id_column, key, primary_key=True, autoincrement=False)
        return sa.Table(own, sa.MetaData(), first, *columns, schema=schema or None)

    def begin(self, kind: str) -> None:
        """Make the tables for ids of a kind, unless they are there."""
        if self.engine.dialect.name == "sqlite" and kind == "uuid":
            kind = "string"
        self.kind = kind
        self.table = self._table(self.name, kind, self._added)
        self.rejects = self._table(self.rejects_name, "string", self._rejects_added)
        with failures_named(self.engine, "making the result table", _CHECK_RESULT):
            for table in (self.table, self.rejects):
                try:
                    table.create(self.engine, checkfirst=True)
                except self._sa.exc.DBAPIError:  # another process may have made it meanwhile
                    if not self._sa.inspect(self.engine).has_table(table.name, schema=table.schema):
                        raise
            with self.engine.connect() as connection:
                self._has_rejects = connection.execute(self._sa.select(self.rejects).limit(1)).first() is not None

    def key(self, value: Any) -> Any:
        """An id as the result table holds it; None if it cannot."""
        if isinstance(value, UUID) and self.kind == "string":
            return str(value)
        return value if id_kind(value) == self.kind else None

    def stored(self, keys: Sequence[Any]) -> dict[Any, tuple[Any, ...]]:
        """What the tickets of these ids were labelled by, for those that were."""
        sa, found = self._sa, {}
        key = self.table.c[self.id_column]
        columns = [self.table.c[name] for name in self._versions]
        for some in _batches(keys):
            with failures_named(self.engine, "reading the result table"), self.engine.connect() as connection:
                for value, *versions in connection.execute(sa.select(key, *columns).where(key.in_(some))):
                    found[value] = tuple(versions)
        return found

    def write(
        self,
        rows: Sequence[Mapping[str, Any]],
        rejects: Sequence[RejectedTicket],
        keys: Sequence[str],
        *,
        replace: bool,
    ) -> set[Any]:
        """Write a chunk in one transaction.

        Parameters
        ----------
        rows : sequence of mapping
            Complete rows of the result table.
        rejects : sequence of RejectedTicket
        keys : sequence of str
            All ids of the chunk as text: rejects of them by earlier runs are dropped.
        replace : bool
            Whether rows that are there already are replaced.

        Returns
        -------
        set
            Ids of the rows that were written; without ``replace``, those that were there are not among them.
        """
        if not rows and not rejects and not self._has_rejects:
            return set()
        sa = self._sa
        written: set[Any] = set()
        with failures_named(self.engine, "writing labels"), self.engine.begin() as connection:
            if self._has_rejects:
                for some in _batches(keys):
                    connection.execute(sa.delete(self.rejects).where(self.rejects.c[self.id_column].in_(some)))
            if rejects:
                one = {reject.key: reject for reject in rejects}  # two ids of different types may be the same text
                counts = Counter(dict.fromkeys(one, 0))
                for reject in rejects:
                    counts[reject.key] += reject.rows
                values = [{self.id_column: key, "row_count": counts[key], "cause": one[key].cause} for key in one]
                self._upsert(connection, self.rejects, values, replace=True)
            if rows:
                written = self._upsert(connection, self.table, rows, replace=replace)
        self._has_rejects = self._has_rejects or bool(rejects)
        return written

    def _upsert(
        self, connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]], *, replace: bool
    ) -> set[Any]:
        """Insert rows; ids of those that were written."""
        from sqlalchemy.dialects import postgresql, sqlite

        sa, key = self._sa, table.c[self.id_column]
        is_sqlite = self.engine.dialect.name == "sqlite"
        insert = (sqlite if is_sqlite else postgresql).insert(table)
        if not is_sqlite:  # one array a column: a value each would be some 20,000 parameters
            names = [column.name for column in table.columns]
            columns = [
                sa.bindparam(None, [row[column.name] for row in rows], type_=postgresql.ARRAY(column.type))
                for column in table.columns
            ]
            given = sa.func.unnest(*columns).table_valued(*names).render_derived(name="given")
            insert = insert.from_select(names, sa.select(*(given.c[name] for name in names)))
        if replace:
            new = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
            statement = insert.on_conflict_do_update(index_elements=[key], set_=new)
        else:
            statement = insert.on_conflict_do_nothing(index_elements=[key])
        statement = statement.returning(key)
        found = connection.execute(statement, list(rows)) if is_sqlite else connection.execute(statement)
        return set(found.scalars())


ID_NAMES: Final = {"int": "whole numbers", "string": "texts", "uuid": "UUIDs"}
_OTHER_NAME: Final = "Name another table for the result, or drop or rename this one"


def id_kind(value: Any) -> str | None:
    """``'int'``, ``'string'`` or ``'uuid'``; None if a value is no id."""
    return {int: "int", str: "string", UUID: "uuid"}.get(type(value))
