"""Clients of a service, each with one request at a time: ``python -m tests.benchmarks.service_load CORES JOB``.

The job is a JSON file: port, key, texts, clients, seconds, packs (each answer is held against that of the pack whose model it names; none: it is not looked
at), and where the model is to change in the middle the folder to be replaced and the new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import contact_reasons as cr


class Load:
    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.requests = [self.request("/route", {"contacts": [{"text": text}]}) for text in job["texts"]]
        self.wanted = {}
        for pack in job["packs"]:
            pipe = cr.load_pipeline(pack)
            self.wanted[pipe.bundle.manifest.seal] = [
                signature(pipe.handle(cr.Contact(text=text))) for text in job["texts"]
            ]
        self.milliseconds: list[float] = []
        self.during_reload: list[float] = []
        self.by_model: dict[str, int] = {}
        self.failed = self.wrong = 0
        self.reloading = False
        self.reload_seconds: float | None = None

    def request(self, path: str, body: Any) -> bytes:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.job['key']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    async def ask(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
    ) -> tuple[int, bytes]:
        reader, writer = connection
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), await reader.readexactly(length)

    async def client(self, start: int, end: float) -> None:
        connection = await asyncio.open_connection("127.0.0.1", self.job["port"])
        n = start
        while time.perf_counter() < end:
            began, before = time.perf_counter(), self.reloading
            try:
                status, body = await self.ask(connection, self.requests[n])
            except (OSError, asyncio.IncompleteReadError):
                self.failed += 1
                connection = await asyncio.open_connection("127.0.0.1", self.job["port"])
                continue
            took = 1000 * (time.perf_counter() - began)
            self.milliseconds.append(took)
            if before or self.reloading:
                self.during_reload.append(took)
            self.look(n, status, body)
            n = (n + 1) % len(self.requests)
        connection[1].close()

    def look(self, n: int, status: int, body: bytes) -> None:
        if status != 200:
            self.failed += 1
        elif self.wanted:
            said = json.loads(body)
            (result,) = said["results"]
            model = said["model"]["bundle"]
            self.by_model[model] = self.by_model.get(model, 0) + 1
            label, routed = result["label"], result["recommendation"]
            found = (label["secondary"], label["primary"], label["confidence"], routed["channel"], routed["rule_id"])
            self.wrong += model not in self.wanted or found != self.wanted[model][n]

    async def change(self, begin: float) -> None:
        await asyncio.sleep(self.job["seconds"] / 2 - (time.perf_counter() - begin))
        shutil.rmtree(self.job["replaced"])
        shutil.copytree(self.job["replacement"], self.job["replaced"])
        connection = await asyncio.open_connection("127.0.0.1", self.job["port"])
        began, self.reloading = time.perf_counter(), True
        status, _ = await self.ask(connection, self.request("/admin/reload", {}))
        self.reload_seconds, self.reloading = time.perf_counter() - began, False
        self.failed += status != 200
        connection[1].close()

    async def run(self) -> dict[str, Any]:
        begin = time.perf_counter()
        n_clients, n_texts = self.job["clients"], len(self.requests)
        tasks = [self.client(i * n_texts // n_clients, begin + self.job["seconds"]) for i in range(n_clients)]
        if "replaced" in self.job:
            tasks.append(self.change(begin))
        await asyncio.gather(*tasks)
        took = sorted(self.milliseconds)
        slow = sorted(self.during_reload)
        return {
            "requests": len(took),
            "seconds": time.perf_counter() - begin,
            "failed": self.failed,
            "wrong": self.wrong,
            "models": sorted(self.by_model.values()),
            "p50_ms": took[len(took) // 2],
            "p99_ms": took[int(0.99 * (len(took) - 1))],
            "most_ms": took[-1],
            "reload_seconds": self.reload_seconds,
            "during_reload": {"requests": len(slow), "most_ms": slow[-1]} if slow else None,
        }


def signature(handled: cr.HandledContact) -> tuple[Any, ...]:
    label, routed = handled.label, handled.recommendation
    return label.secondary, label.primary, label.confidence, str(routed.channel), routed.rule_id


def main(cores: str, file: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, map(int, cores.split(",")))
    print(json.dumps(asyncio.run(Load(json.loads(Path(file).read_text(encoding="utf-8"))).run())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
