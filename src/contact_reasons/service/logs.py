"""Log lines: one JSON object each, with nothing that a customer or a sender wrote.

They go to the logger ``contact_reasons.service``; `contact_reasons.service.server` shows them on standard error.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import uuid
from typing import Any, Final

__all__ = ["JsonLines", "error_place", "log", "new_request_id"]

LOGGER: Final = "contact_reasons.service"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write a line; fields that are None are left out."""
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(level):
        logger.log(level, "%s", _line(event, level, fields))


def _line(event: str, level: int, fields: dict[str, Any]) -> str:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {name: value for name, value in fields.items() if value is not None}
    return json.dumps({"time": now, "level": logging.getLevelName(level).lower(), "event": event, **known})


def new_request_id(given: str | None) -> str:
    """The id that a request came with, if it is one: up to 64 letters, digits, ``_`` and ``-``; else a new one.

    >>> new_request_id("a-1"), len(new_request_id("where is my parcel"))
    ('a-1', 32)
    """
    return given if given is not None and _REQUEST_ID.match(given) else uuid.uuid4().hex


def error_place(error: BaseException) -> dict[str, str]:
    """Kind and place of an error, without its message."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = "" if at is None else f"{at.tb_frame.f_globals.get('__name__', '?')}:{at.tb_lineno}"
    return {"error": type(error).__name__, "at": place}


class JsonLines(logging.Formatter):
    """Lines of this service as they are; those of the server, and whatever else, as JSON with kind and place of an exception alone."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        if record.name == LOGGER:
            return record.getMessage()
        exc = record.exc_info[1] if record.exc_info else None
        said = record.getMessage() if exc is None and record.name.startswith("uvicorn") else "an error of the server"
        fields = {"logger": record.name, "message": said}
        return _line("server", record.levelno, fields | ({} if exc is None else error_place(exc)))
