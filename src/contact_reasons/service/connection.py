"""A connection of uvicorn, with limits that it has not itself: on what is no body (head, framing of chunks, trailers), and on bodies that nobody reads."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedConnection"]

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedConnection(HttpToolsProtocol):
    """Ends a connection whose request does not get to its body, or past it.

    Trailers are dropped: whoever stands before the service has not looked at them as headers.

    Attributes
    ----------
    most_head_bytes : int
        More than so many without the end of the head, or after it without a byte of the body: 431.
    head_seconds : float
        Closed after so long without a whole head, from the connection or the first byte of a further request; and after an answer that did not wait for
        the body, without its end.
    """

    most_head_bytes: Final = 65_536
    head_seconds: float = 10.0

    _in_head = True
    _in_message = False
    _had_body = False
    _no_body_bytes = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless it is a head or framing without end."""
        self._had_body = False
        super().data_received(data)
        if self._had_body or not self._in_message or self.transport.is_closing():
            return
        self._no_body_bytes += len(data)
        if self._no_body_bytes > self.most_head_bytes:
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Count anew."""
        super().on_message_begin()
        self._in_head, self._in_message, self._no_body_bytes = True, True, 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head, or a trailer, which is none."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._no_body_bytes = False, 0
        self._wait_no_longer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count anew."""
        self._had_body, self._no_body_bytes = True, 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_message = False
        self._wait_no_longer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What is left of a body that was not waited for has to come soon."""
        super().on_response_complete()
        if self._in_message and not self._in_head and self.cycle.response_complete:
            self._wait()

    def _wait(self) -> None:
        self._wait_no_longer()
        self._patience = self.loop.call_later(self.head_seconds, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
