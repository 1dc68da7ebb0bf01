"""`serve`: the service on a port, with signals: SIGHUP reads the model again, SIGTERM and SIGINT end it after the work that was begun."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
from types import FrameType
from typing import TextIO

import uvicorn
from starlette.applications import Starlette

from contact_reasons.errors import ContactReasonsError, ServiceError
from contact_reasons.service.app import Service, create_app
from contact_reasons.service.connection import BoundedConnection
from contact_reasons.service.logs import LOGGER, JsonLines, log
from contact_reasons.service.models import ReloadRunning
from contact_reasons.service.settings import ServiceSettings

__all__ = ["make_server", "serve", "show_log"]


class _Server(uvicorn.Server):
    """Says that it is about to stop before it does."""

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: float) -> None:
        super().__init__(config)
        self._service, self._drain = service, drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in self.servers:
            for bound in each.sockets:
                log("listening", host=bound.getsockname()[0], port=bound.getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        asked_before, self._service.stopping = self._service.stopping, True
        if asked_before or not self._drain:
            super().handle_exit(sig, frame)
        else:
            asyncio.get_running_loop().call_later(self._drain, super().handle_exit, sig, frame)


def make_server(
    app: Starlette,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_connections: int = 1000,
    drain_seconds: float = 0.0,
    stop_seconds: int = 30,
) -> uvicorn.Server:
    """The server of an application of `create_app`.

    Parameters
    ----------
    app : Starlette
    host : str, default='127.0.0.1'
        Without keys only this machine's own.
    port : int, default=8080
        0: any that is free.
    max_connections : int, default=1000
        More are answered with 503.
    drain_seconds : float, default=0
        After the signal to end, how long new requests are still taken while ``/health`` says 503.
    stop_seconds : int, default=30
        How long requests that were begun may take to end.

    Raises
    ------
    ServiceError
        If the service has no keys and the host is not this machine's own.
    """
    service: Service = app.state.service
    if service.settings.no_key and not _is_own(host):
        raise ServiceError(
            f"without keys the service answers this machine alone, and {host!r} is open to others; use 127.0.0.1, or set keys"
        )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=max_connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=stop_seconds,
    )
    return _Server(config, service, drain_seconds)


def show_log(stream: TextIO) -> None:
    """Write the log lines of the service, and warnings of the server and the event loop without what they quote, to a stream."""
    shown = logging.StreamHandler(stream)
    shown.setFormatter(JsonLines())
    for name, level in ((LOGGER, logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [shown], False
        logger.setLevel(level)


def serve(settings: ServiceSettings, *, host: str = "127.0.0.1", port: int = 8080, drain_seconds: float = 0.0) -> None:
    """Serve until told to stop; log lines go to standard error.

    Parameters
    ----------
    settings : ServiceSettings
    host, port, drain_seconds
        As for `make_server`.

    Raises
    ------
    ContactReasonsError
        As for `create_app` and `make_server`.
    """
    show_log(sys.stderr)
    app = create_app(settings)
    server = make_server(app, host=host, port=port, drain_seconds=drain_seconds)
    asyncio.run(_run(server, app.state.service))


async def _run(server: uvicorn.Server, service: Service) -> None:
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.get_running_loop().create_task(_reload(service))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    await server.serve()


async def _reload(service: Service) -> None:
    try:
        await service.reload_models()
    except (ContactReasonsError, ReloadRunning):
        return  # the log has said it, or the one that runs will


def _is_own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
