"""A service on a free port of this machine, for tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import httpx

from contact_reasons.service import ServiceSettings, create_app, make_server

KEY = "test-key-0123456789"


class Running:
    """A service that runs in a thread until the block ends."""

    def __init__(self, **settings: Any) -> None:
        keys = () if settings.get("no_key") else (KEY,)
        self.app = create_app(ServiceSettings(**({"pack": "retail", "keys": keys} | settings)))
        self.service = self.app.state.service
        self.server = make_server(self.app, port=0)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> Self:
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join()

    def quiet(self) -> None:
        """Return when every request is done, log line and all."""
        while self.server.server_state.tasks:
            time.sleep(0.002)

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def ask(self, path: str, *contacts: dict[str, Any]) -> httpx.Response:
        return self.post(path, {"contacts": list(contacts)})

    def raw(self, *pieces: bytes, end: bool = False) -> bytes:
        """All that is answered to bytes sent over a connection of their own."""
        return b"".join(self.exchange(pieces, end))

    def exchange(self, pieces: Sequence[bytes], end: bool = False) -> list[bytes]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if end:
                connection.shutdown(socket.SHUT_WR)
            found = []
            while piece := connection.recv(65536):
                found.append(piece)
            return found


def head(path: str = "/label", **headers: str) -> bytes:
    """The head of a request with the key; names of headers with ``_`` for ``-``."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {KEY}",
        "Content-Type: application/json",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
