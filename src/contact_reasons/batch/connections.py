"""Connections to databases: opened by URL, named without passwords, their failures told without values of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contact_reasons.errors import DatabaseError, shorten

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["database_name", "failures_named", "holds_password", "import_sqlalchemy", "open_database"]

_SAFE_STATES: Final = ("08", "28", "3D", "3F", "42", "53", "55", "57")
"""Classes of SQLSTATE whose messages name objects and connections, never values of rows."""


_WORDS: Final = ("OperationalError", "ProgrammingError", "DatabaseError")
"""Errors without an SQLSTATE whose messages name no values: of connections, parameters and files."""


def import_sqlalchemy() -> Any:
    """``sqlalchemy``, or an error that says how to get it."""
    try:
        import sqlalchemy
    except ImportError:
        raise DatabaseError("databases need SQLAlchemy: pip install 'contact-reasons[database]'") from None
    return sqlalchemy


@contextlib.contextmanager
def open_database(database: str | Engine, *, create: bool = False) -> Iterator[Engine]:
    """An engine for a PostgreSQL or SQLite database; one that was made here is closed at the end.

    Parameters
    ----------
    database : str or sqlalchemy.Engine
        A URL such as ``sqlite:///tickets.db`` or ``postgresql://user@host/name``.
    create : bool, default=False
        Whether an SQLite file that is not there is made.

    Raises
    ------
    DatabaseError
        If the URL cannot be read, is of another kind of database, or its driver is not installed. The message does not hold the URL.
    """
    sa = import_sqlalchemy()
    if isinstance(database, sa.Engine):
        _check_kind(database.dialect.name)
        yield database
        return
    try:
        url = sa.make_url(database)
        kind = url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        raise DatabaseError(
            "the database's URL cannot be read; write sqlite:///FILE or postgresql://USER@HOST/NAME, special characters of a password as %XX"
        ) from None
    _check_kind(kind)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    file = url.database if kind == "sqlite" else None
    if file and not create and not file.startswith(("file:", ":memory:")) and not Path(file).is_file():
        raise DatabaseError(
            f"{file}: there is no such SQLite file; check the path (sqlite:////FOLDER/FILE is absolute)"
        )
    options = {"connect_args": {"timeout": 60}} if kind == "sqlite" else {}
    try:
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, **options)
    except ImportError:
        raise DatabaseError("PostgreSQL needs a driver: pip install 'contact-reasons[postgresql]'") from None
    except sa.exc.SQLAlchemyError as exc:
        raise DatabaseError(f"the database's URL asks for what is not there ({type(exc).__name__}); check it") from None
    try:
        yield engine
    finally:
        engine.dispose()


def holds_password(url: str) -> bool:
    """Whether a database's URL holds a password, as one that cannot be read may."""
    sa = import_sqlalchemy()
    try:
        found = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return "@" in url
    return bool(found.password) or any("password" in name.lower() for name in found.query)


def _check_kind(kind: str) -> None:
    if kind not in ("postgresql", "sqlite"):
        raise DatabaseError(f"a database of kind {shorten(kind)} is not supported; use PostgreSQL or SQLite")


def database_name(engine: Engine) -> str:
    """A database as reports and messages call it: kind, host, port and name, without user and password."""
    url = engine.url
    if engine.dialect.name == "sqlite":
        return f"sqlite:///{url.database}" if url.database else "sqlite://"
    shown = import_sqlalchemy().URL.create(engine.dialect.name, host=url.host, port=url.port, database=url.database)
    return str(shown)


_GO_ON: Final = "chunks that were written stay: put it right, then start the same command again to go on"


@contextlib.contextmanager
def failures_named(engine: Engine, what: str, then: str = _GO_ON) -> Iterator[None]:
    """Failures of a database as `DatabaseError`, without values of rows.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    what : str
        What was being done.
    then : str
        What to do about it.
    """
    sa = import_sqlalchemy()
    try:
        yield
    except sa.exc.SQLAlchemyError as exc:
        raise DatabaseError(f"{database_name(engine)}: {what} failed: {_cause(exc)}; {then}") from None


def _cause(exc: Exception) -> str:
    """What went wrong, in the database's words where these name no values."""
    found = getattr(exc, "orig", None) or exc
    state = getattr(found, "sqlstate", None)
    name = type(found).__name__
    if state is None and type(exc).__name__ in _WORDS:  # no connection, or SQLite
        return f"{name}: {' '.join(str(found).partition(' with text ')[0].split())}"
    if state is not None and state.startswith(_SAFE_STATES):
        return f"{name}: {getattr(getattr(found, 'diag', None), 'message_primary', None) or state}"
    return name if state is None else f"{name} ({state})"
