"""The service under load: 50 clients for a minute with a change of the model in the middle, beside the same service that does not look at the contacts."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contact_reasons.resources import pack_files
from contact_reasons.training.data import read_labelled_texts
from tests.benchmarks.processes import ROOT, cores, environment
from tests.benchmarks.run import Run, machine, versions
from tests.benchmarks.service_worker import KEY
from tests.two_packs import two_packs

CLIENTS = 50
N_TEXTS = 2000
WAYS = {
    "together": "all requests of one turn of the event loop together (as it is)",
    "alone": "each by itself, on the event loop",
    "thread": "each by itself, in a thread",
    "empty": "not at all: one answer for all requests",
}


class Server:
    """A running `service_worker`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = self._read()["port"]

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def cpu_seconds(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._read()["cpu_seconds"])


@contextlib.contextmanager
def server(core: int, way: str, pack: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.benchmarks.service_worker", str(core), way, str(pack)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield Server(process)
        finally:
            process.communicate()


def load(core: int, running: Server, file: Path, **job: Any) -> dict[str, Any]:
    """What the clients saw, and the processor time of the server."""
    file.write_text(json.dumps({"port": running.port, "key": KEY, "packs": [], **job}), encoding="utf-8")
    before = running.cpu_seconds()
    command = [sys.executable, "-m", "tests.benchmarks.service_load", str(core), str(file)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the clients failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    found["per_second"] = found["requests"] / found["seconds"]
    found["cpu_microseconds"] = 1e6 * (running.cpu_seconds() - before) / found["requests"]
    return found


def service(run: Run, *, seconds: float = 60.0, slice_seconds: float = 5.0) -> dict[str, Any]:
    """Every way in interleaved slices, then the minute with the change of the model."""
    pack, changed = two_packs(run.work / "service")
    texts = list(read_labelled_texts(pack_files("retail").texts / "test.jsonl").texts[:N_TEXTS])
    job = run.work / "service.json"
    own, other = cores()[0], cores()[-1]
    slices: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    alone: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with contextlib.ExitStack() as stack:
        running = {way: stack.enter_context(server(own, way, pack)) for way in WAYS}
        for n in range(run.rounds):
            for way in sorted(WAYS, key=lambda way: (len(way) * 7 + n) % 4):
                each = {"texts": texts, "seconds": slice_seconds}
                slices[way].append(load(other, running[way], job, clients=CLIENTS, **each))
                alone[way].append(load(other, running[way], job, clients=1, **each))
        run.say("the minute with a change of the model")
        whole = load(
            other,
            running["together"],
            job,
            texts=texts,
            clients=CLIENTS,
            seconds=seconds,
            packs=[str(pack), str(changed)],
            replaced=str(pack / "model"),
            replacement=str(changed / "model"),
        )
    run.say(f"{whole['requests']:,} requests, {whole['failed']} failed, {whole['wrong']} wrong")
    return {
        "clients": CLIENTS,
        "texts": len(texts),
        "rounds": run.rounds,
        "slice_seconds": slice_seconds,
        "characters_per_text": statistics.mean(map(len, texts)),
        "whole": whole,
        "ways": {way: {"together": middle(slices[way]), "alone": middle(alone[way])} for way in WAYS},
        "stamp": {"machine": machine(), "versions": versions()},
    }


def middle(found: list[dict[str, Any]]) -> dict[str, float]:
    """Medians over the slices."""
    names = ("per_second", "p50_ms", "p99_ms", "cpu_microseconds")
    return {name: statistics.median(each[name] for each in found) for name in names} | {
        "failed": sum(each["failed"] for each in found)
    }


def service_lines(section: dict[str, Any]) -> list[str]:
    whole, ways = section["whole"], section["ways"]
    empty = ways["empty"]["together"]
    ours = ways["together"]["together"]
    reload = whole["during_reload"]
    lines = [
        "## The service",
        "",
        f"`contact-reasons serve` with the retail pack on one core, {section['clients']} clients on the other, each with one request to `/route` at a time: one contact of "
        f"{section['characters_per_text']:.0f} characters on average. For {whole['seconds']:.0f} s, with another model loaded in the middle: **{whole['requests']:,} requests, {whole['failed']} failed, "
        f"{whole['wrong']} with another answer than that of the model it names** ({' and '.join(f'{n:,}' for n in whole['models'])} of the two models). {whole['per_second']:,.0f} requests/s; median "
        f"{whole['p50_ms']:.1f} ms, 99th percentile {whole['p99_ms']:.1f} ms, most {whole['most_ms']:.0f} ms."
        + (
            f" The reload took {whole['reload_seconds']:.2f} s beside the requests, and the longest request meanwhile {reload['most_ms']:.0f} ms."
            if reload
            else ""
        ),
        "",
        f"Where contacts are handled, and what the server takes by itself. Medians of {section['rounds']} interleaved slices of {section['slice_seconds']:g} s; processor time is that of the whole server. The "
        f"server without the handling of contacts takes {100 * empty['cpu_microseconds'] / ours['cpu_microseconds']:.0f} % of the processor time of a request.",
        "",
        f"| contacts are handled | {section['clients']} clients: requests/s | median, 99th percentile | processor time a request | one client: median, 99th percentile |",
        "|---|---|---|---|---|",
    ]
    for way, title in WAYS.items():
        many, one = ways[way]["together"], ways[way]["alone"]
        lines.append(
            f"| {title} | {many['per_second']:,.0f} | {many['p50_ms']:.1f} ms, {many['p99_ms']:.1f} ms | {many['cpu_microseconds']:.0f} µs | "
            f"{one['p50_ms']:.2f} ms, {one['p99_ms']:.2f} ms |"
        )
    stamp = section["stamp"]
    libraries = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    return [*lines, "", f"Figures of `service`: {stamp['machine']}; {libraries}.", ""]
