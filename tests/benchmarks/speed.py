"""How fast, how big: every peer in its own process, all on the same core, in interleaved rounds."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from contact_reasons.resources import pack_files
from contact_reasons.training import read_labelled_texts
from tests.benchmarks.data import DataSet
from tests.benchmarks.peers import FEW_SHOT_ONLY, Peer
from tests.benchmarks.processes import Worker, cores, on_all_cores
from tests.benchmarks.run import Run

N_BATCH = 10_000
N_ONE = 200
N_HANDLE = 400


def speed(run: Run) -> dict[str, Any]:
    """Figures of the models trained on the first set, on its test texts filled up with its training texts."""
    run.encode()
    data = run.sets()[0]
    peers = [peer for peer in run.peers if peer.name not in FEW_SHOT_ONLY]
    run.say(f"models of {data.title}, where this run has not trained them yet")
    on_all_cores(lambda core, peer: run.train_full(core, peer, data), peers)
    peers = [peer for peer in peers if peer in run.peers]
    texts = (data.test.texts + data.train.texts)[:N_BATCH]
    file = run.work / "speed.json"
    file.write_text(json.dumps(texts), encoding="utf-8")
    core = cores()[-1]
    found = {peer.name: on_disk(run, peer, data) for peer in peers}
    load_times(run, peers, data, core, found)
    rounds(run, peers, data, core, file, found)
    ratios(found)
    return {
        "set": data.title,
        "texts": len(texts),
        "bytes_per_text": statistics.mean(len(text.encode()) for text in texts),
        "rounds": run.rounds,
        "one_by_one_texts": N_ONE,
        "python_start_seconds": python_start(run.rounds),
        "peers": found,
        "two_threads": two_threads(run, peers, data, file),
        "training": training(run, peers, data),
        "handle": handle(run, core),
        "left_out": run.left_out,
        "stamp": run.stamp(run.our_full_models([data.name])),
    }


def on_disk(run: Run, peer: Peer, data: DataSet) -> dict[str, Any]:
    own = [file for file in run.model_folder(peer, data.name).rglob("*") if file.is_file()]
    return {
        "model_bytes": sum(file.stat().st_size for file in own),
        "shared_bytes": sum(file.stat().st_size for file in peer.shared_files()),
    }


def serve(run: Run, peer: Peer, data: DataSet, at: Sequence[int]) -> Worker:
    return Worker(at, "label", peer.name, str(run.model_folder(peer, data.name)), data.test.texts[0])


def load_times(run: Run, peers: list[Peer], data: DataSet, core: int, found: dict[str, Any]) -> None:
    """From the start of a process to its first label, files in the page cache."""
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(run.rounds):
        for peer in peers:
            with serve(run, peer, data, [core]) as worker:
                seconds[peer.name].append(worker.seconds_to_first_answer)
    for name, values in seconds.items():
        found[name]["load_seconds"] = statistics.median(values)
        run.say(f"load time, {name}: {found[name]['load_seconds']:.2f} s")


def python_start(repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def rounds(run: Run, peers: list[Peer], data: DataSet, core: int, file: Path, found: dict[str, Any]) -> None:
    """Batches and single texts in turns A B C A B C …, so that all meet the same disturbances."""
    texts = json.loads(file.read_text(encoding="utf-8"))
    size = {peer.name: min(peer.batch_texts, len(texts)) for peer in peers}
    per_second: dict[str, list[float]] = {peer.name: [] for peer in peers}
    single: dict[str, list[list[float]]] = {peer.name: [] for peer in peers}
    with ExitStack() as stack:
        workers = {peer.name: stack.enter_context(serve(run, peer, data, [core])) for peer in peers}
        for worker in workers.values():
            worker.ask(texts=str(file))
        for turn in range(run.rounds):
            for peer in peers:
                seconds = workers[peer.name].ask(batch=size[peer.name])["seconds"]
                per_second[peer.name].append(size[peer.name] / seconds)
            for peer in peers:
                single[peer.name].append(workers[peer.name].ask(one=N_ONE)["microseconds"])
            run.say(f"speed, round {turn + 1} of {run.rounds}")
        for name, worker in workers.items():
            found[name]["peak_bytes"] = worker.ask()["peak_bytes"]
    for peer in peers:
        all_single = sorted(value for values in single[peer.name] for value in values)
        bytes_a_text = statistics.mean(len(text.encode()) for text in texts[: size[peer.name]])
        found[peer.name] |= {
            "batch_texts": size[peer.name],
            "per_second": statistics.median(per_second[peer.name]),
            "bytes_per_second": statistics.median(per_second[peer.name]) * bytes_a_text,
            "per_second_by_round": per_second[peer.name],
            "one_microseconds": statistics.median(all_single),
            "one_microseconds_p95": all_single[int(0.95 * (len(all_single) - 1))],
            "one_microseconds_by_round": [statistics.median(values) for values in single[peer.name]],
        }
        run.say(f"{peer.title}: {found[peer.name]['per_second']:,.0f} contacts/s")


def ratios(found: dict[str, Any]) -> None:
    """How many times as fast ours is as each peer: median of the ratios in the rounds, least and most."""
    for name, values in found.items():
        for own in ("ours", "ours_ngrams"):
            if own not in found or name.startswith("ours"):
                continue
            ours = found[own]
            batch = [a / b for a, b in zip(ours["per_second_by_round"], values["per_second_by_round"], strict=True)]
            one = [
                b / a
                for a, b in zip(ours["one_microseconds_by_round"], values["one_microseconds_by_round"], strict=True)
            ]
            values.setdefault("ratios", {})[own] = {
                kind: {"median": statistics.median(each), "least": min(each), "most": max(each)}
                for kind, each in (("batch", batch), ("one", one))
            }


def two_threads(run: Run, peers: list[Peer], data: DataSet, file: Path) -> dict[str, Any] | None:
    """Our batch on two cores with two threads against one, in turns, and what two processes of one thread each reach side by side.

    The last is what the machine itself gives: two processes share its caches and memory, but nothing of ours.
    """
    ours = [peer for peer in peers if peer.name.startswith("ours")]
    if not ours or len(cores()) < 2:
        return None
    with ExitStack() as stack:
        both = stack.enter_context(serve(run, ours[0], data, cores()[:2]))
        alone = [stack.enter_context(serve(run, ours[0], data, [core])) for core in cores()[:2]]
        pool = stack.enter_context(ThreadPoolExecutor(2))
        for worker in (both, *alone):
            n_texts = worker.ask(texts=str(file))["texts"]
        rates: dict[str, list[float]] = {"one": [], "two": [], "processes": []}
        for _ in range(2 * run.rounds):
            for name, threads in (("one", 1), ("two", 2)):
                rates[name].append(n_texts / both.ask(batch=n_texts, threads=threads)["seconds"])
            answers = pool.map(lambda worker: worker.ask(batch=n_texts)["seconds"], alone)
            rates["processes"].append(sum(n_texts / seconds for seconds in answers))
    return {
        "one_per_second": statistics.median(rates["one"]),
        "two_per_second": statistics.median(rates["two"]),
        "processes_per_second": statistics.median(rates["processes"]),
        "ratio": statistics.median(two / one for one, two in zip(rates["one"], rates["two"], strict=True)),
        "processes_ratio": statistics.median(
            two / one for one, two in zip(rates["one"], rates["processes"], strict=True)
        ),
    }


def training(run: Run, peers: list[Peer], data: DataSet) -> dict[str, Any]:
    """Seconds of our training with defaults on all cores, nothing else running."""
    found = {}
    for peer in peers:
        if peer.name.startswith("ours"):
            folder = run.work / "training" / peer.name
            answer = run.train(cores(), peer, data.train, data.test.texts[:1], folder, 0, [])
            assert answer is not None  # ours may not fail
            found[peer.name] = answer["training_seconds"]
    return {"cores": len(cores()), "seconds": found}


def handle(run: Run, core: int) -> dict[str, Any]:
    """`Pipeline.handle` of the shipped retail pack on its test texts: cleaning, model, thresholds, routing."""
    texts = read_labelled_texts(pack_files("retail").texts / "test.jsonl").texts[:N_HANDLE]
    file = run.work / "handle.json"
    file.write_text(json.dumps(list(texts)), encoding="utf-8")
    with Worker([core], "handle", "retail", str(file)) as worker:
        values = sorted(worker.first["microseconds"])
    median = statistics.median(values)
    run.say(f"handle: {median:.0f} µs")
    return {
        "texts": len(values),
        "characters_per_text": statistics.mean(map(len, texts)),
        "microseconds": median,
        "microseconds_p95": values[int(0.95 * (len(values) - 1))],
    }
