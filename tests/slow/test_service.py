"""Thousands of fuzzed requests, and tens of thousands of right ones of which none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from schemathesis import GenerationMode

import contact_reasons as cr
from contact_reasons.service.messages import label_out
from tests.benchmarks.run import Run
from tests.benchmarks.service import service, service_lines
from tests.conftest import TINY_TEXTS
from tests.service import KEY, Running
from tests.service_mix import Account, event_of, mixed
from tests.unit.test_service_description import SYSTEMS, WITH_BODY, fuzz

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(systems=SYSTEMS) as found:
        yield found


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("name", WITH_BODY)
def test_a_thousand_requests_of_each_kind_are_answered_as_described(
    running: Running, name: str, mode: GenerationMode
) -> None:
    fuzz(running, name, mode, 1000)


def test_of_forty_thousand_requests_none_is_lost(running: Running, retail: cr.Pipeline) -> None:
    texts = [f"{text} {n}" for n, text in itertools.product(range(20), itertools.chain(*TINY_TEXTS.values()))]
    wanted = [label_out(retail.label(cr.Contact(text=text))) for text in texts]
    n_requests, n_clients = 40_000, 50

    async def ask_all() -> int:
        right = 0
        numbers = iter(range(n_requests))
        headers = {"authorization": f"Bearer {KEY}"}
        limits = httpx.Limits(max_connections=n_clients, max_keepalive_connections=n_clients)
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60, limits=limits) as client:

            async def one() -> None:
                nonlocal right
                for n in numbers:
                    name, said = str(n), wanted[n % len(texts)]
                    contact = {"contact_id": name, "text": texts[n % len(texts)]}
                    answer = await client.post("/label", json={"contacts": [contact]})
                    (result,) = answer.json()["results"]
                    right += (result["contact_id"], result["label"]["secondary"], result["label"]["confidence"]) == (
                        name,
                        said.secondary,
                        said.confidence,
                    )

            await asyncio.gather(*(one() for _ in range(n_clients)))
        return right

    assert asyncio.run(ask_all()) == n_requests


def test_of_twenty_four_thousand_mixed_requests_with_reloads_each_is_answered_once_and_right(tmp_path: Path) -> None:
    """Of every kind, from fifty clients, while the model changes five times; each request, line and stored event is accounted for."""
    account = Account(tmp_path)
    account.run(mixed(24_000, seed=11), n_clients=50, reloads=5)
    assert set(account.models) == set(account.pipes)
    assert len(account.first) > 5000
    assert len(account.again) > 3000


def test_a_service_that_was_killed_knows_its_events_again(tmp_path: Path) -> None:
    """Killed in the middle of events that come at once: what was answered is answered again, and nothing is kept twice."""
    (tmp_path / "systems.yaml").write_text("zendesk:\n")
    store = tmp_path / "answers.sqlite"
    command = [
        sys.executable,
        "-m",
        "contact_reasons",
        "serve",
        "--pack",
        "retail",
        "--port",
        "0",
        "--store",
        str(store),
    ]
    command += ["--systems", str(tmp_path / "systems.yaml")]
    events = [event_of("zendesk", n, "where is my parcel") for n in range(600)]

    def serve(kill_after: int) -> dict[int, Any]:
        environment = os.environ | {"CONTACT_REASONS_API_KEYS": KEY}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            try:
                assert process.stderr is not None
                port = next(line["port"] for line in map(json.loads, process.stderr) if line["event"] == "listening")
                threading.Thread(target=process.stderr.read).start()
                return asyncio.run(ask_all(port, process, kill_after))
            finally:
                process.kill()

    async def ask_all(port: int, process: subprocess.Popen[str], kill_after: int) -> dict[int, Any]:
        answers: dict[int, Any] = {}
        numbers = iter(range(len(events)))
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:

            async def one() -> None:
                for n in numbers:
                    with contextlib.suppress(httpx.TransportError):
                        answer = await client.post("/events/zendesk", json=events[n])
                        (answers[n],) = answer.json()["outcomes"]
                    if len(answers) == kill_after:
                        process.kill()

            await asyncio.gather(*(one() for _ in range(10)))
        return answers

    first = serve(kill_after=200)
    assert 200 <= len(first) < len(events)
    second = serve(kill_after=-1)
    assert sorted(second) == list(range(len(events)))
    for n, before in first.items():
        assert second[n] == before | {"replayed": True}
    third = serve(kill_after=-1)
    assert third == {n: said | {"replayed": True} for n, said in second.items()}
    with sqlite3.connect(store) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM answers")]
    assert sorted(keys) == sorted(said["key"] for said in second.values())
    database.close()


def test_the_benchmark_sees_no_failed_and_no_wrong_answer(tmp_path: Path) -> None:
    found = service(Run(tmp_path, tmp_path, (), (), 1), seconds=4, slice_seconds=0.3)
    assert (found["whole"]["failed"], found["whole"]["wrong"], len(found["whole"]["models"])) == (0, 0, 2)
    assert all(values["failed"] == 0 for way in found["ways"].values() for values in way.values())
    assert "## The service" in service_lines(found)
