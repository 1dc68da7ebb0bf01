"""`AnswerStore`: answers to events by their key, so that an event that is delivered again gets the answer it got before."""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contact_reasons.errors import ServiceError

__all__ = ["AnswerStore"]

_FORMAT: Final = 1
_SWEEP_EVERY: Final = 256
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS answers (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    stored_at REAL NOT NULL,
    answer BLOB NOT NULL
)
"""


class AnswerStore:
    """Answers by key, in memory or in an SQLite file; bounded in number and age.

    The first answer for a key stands: whoever comes later with another gets the first. Several processes may share a file. A file survives the end of a
    process; after a failure of the machine itself the last answers may be gone, and their events are handled anew. Holds no words of a customer.

    Parameters
    ----------
    file : Path or None
        None: in memory.
    entries : int
        Most answers kept, >= 1; the oldest go first. Enforced every 256 answers.
    seconds : float
        How long an answer counts, > 0.
    clock : callable, optional
        Seconds since 1970.

    Raises
    ------
    ServiceError
        If the file cannot be opened or is another database.

    Examples
    --------
    >>> store = AnswerStore(None, entries=10, seconds=60)
    >>> store.keep("zendesk:1", b"first"), store.keep("zendesk:1", b"second"), store.find("zendesk:2")
    (None, b'first', None)
    """

    def __init__(
        self, file: Path | None, *, entries: int, seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._entries, self._seconds, self._clock = entries, seconds, clock
        self._kept = 0
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(
                ":memory:" if file is None else file, isolation_level=None, check_same_thread=False, timeout=5
            )
            weakref.finalize(self, self._database.close)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            found = self._database.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, _FORMAT):
                raise ServiceError(
                    f"{file}: a store of format {found}; this version reads {_FORMAT}: name another file"
                )
            self._database.execute(_TABLE)
            self._database.execute(f"PRAGMA user_version={_FORMAT}")
        except sqlite3.Error as exc:
            raise ServiceError(f"{file}: the store cannot be opened ({exc}); name a file that can be written") from None
        self._sweep()

    def find(self, key: str) -> bytes | None:
        """The answer for a key, if it was given and still counts."""
        with self._lock:
            found = self._database.execute(
                "SELECT answer FROM answers WHERE key = ? AND stored_at > ?", (key, self._clock() - self._seconds)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def keep(self, key: str, answer: bytes) -> bytes | None:
        """Keep an answer, unless one was there before: then that, and nothing is changed."""
        with self._lock:
            now = self._clock()
            done = self._database.execute(
                "INSERT INTO answers (key, stored_at, answer) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "stored_at = excluded.stored_at, answer = excluded.answer WHERE stored_at <= ?",
                (key, now, answer, now - self._seconds),
            )
            if done.rowcount == 0:
                found = self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
                return bytes(found[0])
            self._kept += 1
            if self._kept >= _SWEEP_EVERY:
                self._sweep()
            return None

    def _sweep(self) -> None:
        self._kept = 0
        self._database.execute("DELETE FROM answers WHERE stored_at <= ?", (self._clock() - self._seconds,))
        self._database.execute(
            "DELETE FROM answers WHERE n <= (SELECT n FROM answers ORDER BY n DESC LIMIT 1 OFFSET ?)", (self._entries,)
        )

    def __len__(self) -> int:
        with self._lock:
            return int(self._database.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
