"""The exception tree: every error this package raises on purpose.

::

    ContactReasonsError
    ├── RecordError      a Contact, Customer or RoutingContext holds an impossible value
    ├── TaxonomyError    a taxonomy file or object is wrong
    │   └── MigrationError a change of taxonomy is ambiguous, or a migration file does not fit its taxonomies
    ├── PolicyError      a routing policy file is wrong
    │   └── RoutingError a contact's values do not fit the policy's inputs, or no rule matched
    ├── TrainingError    texts and labels do not allow a classifier to be trained
    ├── BundleError      a model directory is damaged, tampered with, foreign or of another format
    ├── CalibrationError a sample allows no promise, or a calibration file is damaged or of another model
    ├── PackError        a pack of that name is not there
    ├── LabError         tickets, prices, a log, queues, load or capacities do not allow the answer that the lab was asked for
    │   └── LabRowError  rows of the columns that the lab was given are wrong
    ├── CrmError         a taxonomy does not fit a CRM, or what a CRM holds cannot be read
    │   └── EventError   an event, a ticket or a map of fields of a CRM cannot be read
    │       └── SignatureError an event is not proved to come from the CRM
    ├── ServiceError     settings of the service are wrong, or what it is to serve does not fit them
    └── BatchError       a ticket file, its columns or its unfinished work do not fit the job
        └── DatabaseError  a database cannot be reached, or a table of it does not fit the job

A message has four parts: what was wrong (with its value), where, what would be right, what to do.
It never holds a contact's text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "BatchError",
    "BundleError",
    "CalibrationError",
    "ContactReasonsError",
    "CrmError",
    "DatabaseError",
    "EventError",
    "LabError",
    "LabRowError",
    "MigrationError",
    "PackError",
    "PolicyError",
    "RecordError",
    "RoutingError",
    "ServiceError",
    "SignatureError",
    "TaxonomyError",
    "TrainingError",
    "count_text",
    "nearest",
    "shorten",
]


class ContactReasonsError(Exception):
    """Any error raised on purpose by this package."""


class RecordError(ContactReasonsError, ValueError):
    """A record was given a value that it cannot hold."""


class TaxonomyError(ContactReasonsError, ValueError):
    """A taxonomy file or object is wrong."""


class MigrationError(TaxonomyError):
    """A change of taxonomy is ambiguous, or a migration file does not fit its taxonomies."""


class PolicyError(ContactReasonsError, ValueError):
    """A routing policy is wrong."""


class RoutingError(PolicyError):
    """Values do not fit a policy's inputs, or no rule matched them.

    Parameters
    ----------
    message : str
    expected : str
        What would be right, without the value that was wrong: for logs that must not hold values.
    input : str
        Which input of the policy it is about; empty if none by itself.
    """

    def __init__(self, message: str, expected: str = "", input: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.input = input


class TrainingError(ContactReasonsError, ValueError):
    """Texts and labels do not allow a classifier to be trained."""


class BundleError(ContactReasonsError):
    """A model directory cannot be trusted or cannot be read."""


class CalibrationError(ContactReasonsError):
    """A sample allows no promise, or a calibration cannot be trusted, read or served with this model."""


class PackError(ContactReasonsError, LookupError):
    """No such pack."""


class LabError(ContactReasonsError, ValueError):
    """The routing lab cannot answer from what it was given, or cannot answer honestly."""


class LabRowError(LabError):
    """Rows of columns are wrong; the message counts them from 1, as rows of files are counted.

    Parameters
    ----------
    before, after : str
        The message before and after the rows.
    rows : iterable of int
        Their positions, from 0.

    Examples
    --------
    >>> print(LabRowError("column 'cost', ", [4], ": below 0"), "|", LabRowError("below 0 in ", [0, 2], "").of_file([7, 8, 11]))
    column 'cost', row 5: below 0 | below 0 in rows 7, 11
    """

    def __init__(self, before: str, rows: Iterable[int], after: str) -> None:
        self._around, self.rows = (before, after), tuple(int(row) for row in rows)
        super().__init__(f"{before}{_rows_text([row + 1 for row in self.rows])}{after}")

    def of_file(self, numbers: Sequence[int]) -> LabRowError:
        """The same of a file, of whose rows these are the numbers."""
        before, after = self._around
        return LabRowError(before, [numbers[row] - 1 for row in self.rows], after)


def _rows_text(rows: Sequence[int], most: int = 5) -> str:
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:most]))}{more}"


class CrmError(ContactReasonsError, ValueError):
    """A taxonomy does not fit a CRM, or what a CRM holds or sends cannot be read."""


class EventError(CrmError):
    """What a CRM sent, or a map of its fields, cannot be read.

    Parameters
    ----------
    message : str
    key : str
        Where, as a key path such as ``detail.id``; empty for the whole.
    expected : str
        What would be right.
    """

    def __init__(self, message: str, key: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.expected = expected


class SignatureError(EventError):
    """An event is not proved to come from the CRM; never holds a secret or a signature."""


class ServiceError(ContactReasonsError, ValueError):
    """The service cannot serve what it was told to."""


class BatchError(ContactReasonsError):
    """Tickets cannot be processed as asked."""


class DatabaseError(BatchError):
    """A database cannot be reached, or a table of it does not fit."""


def shorten(value: object, limit: int = 60) -> str:
    """``repr`` of a value for an error message, cut to at most ``limit`` characters."""
    if isinstance(value, str | bytes):
        value = value[: limit + 1]
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count_text(n: int, noun: str) -> str:
    """So many of something.

    >>> count_text(1, "day"), count_text(2000, "ticket")
    ('1 day', '2,000 tickets')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def nearest(wrong: object, known: Iterable[str], *, limit: int = 12) -> str:
    """Half a sentence that names the nearest known word, or the known words if none is near.

    >>> nearest("delivry", ["delivery", "returns"])
    "did you mean 'delivery'?"
    >>> nearest("x", ["delivery", "returns"])
    "known: 'delivery', 'returns'"
    """
    import difflib

    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(wrong)[:100], names[:2000], n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return "known: " + ", ".join(repr(name) for name in names[:limit]) + more
