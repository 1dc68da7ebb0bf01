"""Thousands of fuzzed requests, and tens of thousands of right ones of which none is lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from schemathesis import GenerationMode

import contact_reasons as cr
from contact_reasons.service.messages import label_out
from tests.benchmarks.run import Run
from tests.benchmarks.service import service, service_lines
from tests.conftest import TINY_TEXTS
from tests.service import KEY, Running
from tests.service_mix import Account, mixed
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


def test_the_benchmark_sees_no_failed_and_no_wrong_answer(tmp_path: Path) -> None:
    found = service(Run(tmp_path, tmp_path, (), (), 1), seconds=4, slice_seconds=0.3)
    assert (found["whole"]["failed"], found["whole"]["wrong"], len(found["whole"]["models"])) == (0, 0, 2)
    assert all(values["failed"] == 0 for way in found["ways"].values() for values in way.values())
    assert "## The service" in service_lines(found)
