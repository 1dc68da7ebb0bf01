"""Who asks, and what: API keys, and bodies that are read piece by piece up to a limit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request

from contact_reasons.crm.events import parse_body
from contact_reasons.errors import EventError
from contact_reasons.service.problems import Problem

__all__ = ["Keys", "check_host", "read_body", "read_json"]

_OWN_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_DROPPED: Final = 4
"""Times the limit up to which a body is read and dropped, so that a sender who is still sending gets to see the refusal."""

_CLOSE: Final = {"connection": "close"}


class Keys:
    """API keys, compared in a time that tells nothing of them.

    Parameters
    ----------
    keys : sequence of str
        None at all: everybody may ask.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._hashes = [hashlib.sha256(key.encode()).digest() for key in keys]

    def check(self, request: Request) -> None:
        """Return if the request has one of the keys as ``Authorization: Bearer KEY``, and no other such header.

        Raises
        ------
        Problem
            ``unauthorized``.
        """
        if not self._hashes:
            return
        scheme, _, given = ", ".join(request.headers.getlist("authorization")).partition(" ")
        found = hashlib.sha256(given.strip().encode()).digest()
        matches = [hmac.compare_digest(found, each) for each in self._hashes]
        if scheme.lower() != "bearer" or not any(matches):
            what = "the API key is not one of the service's" if given else "the API key is missing"
            raise Problem(
                "unauthorized",
                f"{what}; send it as the header 'Authorization: Bearer KEY'",
                headers={"www-authenticate": 'Bearer realm="contact-reasons"'},
            )


def check_host(request: Request) -> None:
    """Return if the request names this machine as its host: a page in a browser that another name was bent to this address for does not.

    Raises
    ------
    Problem
        ``host``.
    """
    host = ", ".join(request.headers.getlist("host"))
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _OWN_NAMES:
        raise Problem(
            "host", f"without API keys requests are answered that name the host as one of {', '.join(_OWN_NAMES)}"
        )


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """The body of a request, read no further than the limit, whatever its length says.

    Raises
    ------
    Problem
        ``media-type``, ``body-too-large``, ``body-too-slow``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem("media-type", "the header Content-Type must be application/json", headers=_CLOSE)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("media-type", "the body must not be compressed (Content-Encoding)", headers=_CLOSE)
    said = request.headers.get("content-length", "")
    too_large = Problem(
        "body-too-large", f"a body has at most {limit:,} bytes; send fewer contacts at once", headers=_CLOSE
    )
    if said.isdigit() and (
        len(said) > 18 or int(said) > _DROPPED * limit or ("expect" in request.headers and int(said) > limit)
    ):
        raise too_large
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                size += len(piece)
                if size <= limit:
                    body += piece
                elif size > _DROPPED * limit:
                    raise too_large
    except TimeoutError:
        raise Problem("body-too-slow", f"the whole body must arrive within {seconds:g} s", headers=_CLOSE) from None
    if size > limit:
        raise too_large
    return bytes(body)


def read_json(body: bytes, *, limit: int) -> Any:
    """The JSON value of a body: UTF-8, not nested too deep, no key twice.

    Raises
    ------
    Problem
        ``body-unreadable``.
    """
    try:
        return parse_body(body, limit=limit)
    except EventError as exc:
        raise Problem("body-unreadable", str(exc)) from None
