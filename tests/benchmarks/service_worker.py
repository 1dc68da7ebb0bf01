"""A service on a free port of one core: ``python -m tests.benchmarks.service_worker CORES WAY PACK``.

Ways of handling a contact: ``together`` (the service's own), ``alone`` (at once, each by itself), ``thread`` (each in a thread), ``empty`` (one answer for all).
Writes its port; each line of its input is answered with the seconds of processor time that it has used.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import contact_reasons as cr
from contact_reasons.service import ServiceSettings, create_app, make_server
from contact_reasons.service.handling import Answers, Handler, _results
from contact_reasons.service.server import show_log

KEY = "benchmark-0123456789"


def other_way(way: str, handler: Handler) -> None:
    models = handler._models
    constant = Answers(models.current, _results(models.current.pipeline, [cr.Contact(text="where is my parcel")]))

    async def alone(contacts: Sequence[cr.Contact]) -> Answers:
        served = models.current
        return Answers(served, _results(served.pipeline, contacts))

    async def thread(contacts: Sequence[cr.Contact]) -> Answers:
        served = models.current
        return Answers(served, await asyncio.to_thread(_results, served.pipeline, contacts))

    async def empty(contacts: Sequence[cr.Contact]) -> Answers:
        return constant

    handler.handle = {"alone": alone, "thread": thread, "empty": empty}[way]  # type: ignore[method-assign]


def main(cores: str, way: str, pack: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, map(int, cores.split(",")))
    show_log(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (until the process ends)
    app = create_app(ServiceSettings(pack=pack, keys=(KEY,)))
    if way != "together":
        other_way(way, app.state.service._handler)
    server = make_server(app, port=0)

    def answer() -> None:
        while not server.started:
            threading.Event().wait(0.01)
        say(port=server.servers[0].sockets[0].getsockname()[1])
        for _ in sys.stdin:
            used = os.times()
            say(cpu_seconds=used.user + used.system)
        server.should_exit = True

    def say(**values: Any) -> None:
        print(json.dumps(values), flush=True)

    threading.Thread(target=answer, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
