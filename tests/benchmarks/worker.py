"""One peer in a process of its own, on the cores it is told. Started by `processes.py`; answers in JSON lines.

python -m tests.benchmarks.worker CORES train|encode|label|handle ...
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

REPEAT_SECONDS, MAX_REPEATS = 0.5, 5


def main() -> None:
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    cores, command, *arguments = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    {"train": train, "encode": encode, "label": label, "handle": handle}[command](channel, *arguments)


def send(channel: TextIO, answer: dict[str, Any]) -> None:
    channel.write(json.dumps(answer) + "\n")
    channel.flush()


def encode(channel: TextIO, job_file: str) -> None:
    from tests.benchmarks.encoder import SentenceEncoder

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    send(channel, {"seconds": SentenceEncoder(Path(job["cache"])).fill(job["part"], job["texts"])})


def train(channel: TextIO, job_file: str) -> None:
    """Choose the setting on held-out texts, train on all, save, load, label the test texts."""
    import tempfile

    from tests.benchmarks.data import Texts, held_out
    from tests.benchmarks.encoder import SentenceEncoder
    from tests.benchmarks.peers import PEERS

    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    peer, data, folder = PEERS[job["peer"]], Texts(*job["train"]), Path(job["folder"])
    encoder = SentenceEncoder(Path(job["cache"]))
    start = time.perf_counter()
    choice = peer.choices[0] if peer.choices else None
    if len(peer.choices) > 1:
        inside, outside = held_out(data, job["seed"])
        right = []
        for value in peer.choices:
            with tempfile.TemporaryDirectory() as trial:
                peer.save(peer.fit(inside, value, encoder, job["unlabelled"]), Path(trial))
                found = peer.load(Path(trial), encoder)(outside.texts)
            right.append(sum(a == b for a, b in zip(found, outside.ids, strict=True)))
        choice = peer.choices[right.index(max(right))]
    choosing = time.perf_counter() - start
    encoder.seconds_saved = 0.0
    start = time.perf_counter()
    fitted = peer.fit(data, choice, encoder, job["unlabelled"])
    training = time.perf_counter() - start + encoder.seconds_saved
    peer.save(fitted, folder)
    predicted = peer.load(folder, encoder)(job["test"])
    send(
        channel,
        {"choice": choice, "choosing_seconds": choosing, "training_seconds": training, "predicted": predicted},
    )


def label(channel: TextIO, name: str, folder: str, first: str) -> None:
    """Load, label one text, say so; then do what each line asks for."""
    from tests.benchmarks.encoder import SentenceEncoder
    from tests.benchmarks.peers import PEERS

    run = PEERS[name].load(Path(folder), SentenceEncoder())
    run([first])
    send(channel, {"ready": True})
    texts: list[str] = []
    for line in sys.stdin:
        request = json.loads(line)
        if "texts" in request:
            texts = json.loads(Path(request["texts"]).read_text(encoding="utf-8"))
            answer: dict[str, Any] = {"texts": len(texts)}
        elif "batch" in request:
            answer = batch(run, texts[: request["batch"]], request.get("threads"))
        elif "one" in request:
            answer = {"microseconds": one_by_one(lambda text: run([text]), texts[: request["one"]])}
        else:
            answer = {"peak_bytes": peak_bytes()}
        send(channel, answer)


def batch(run: Any, texts: list[str], threads: int | None) -> dict[str, Any]:
    """Seconds of a batch; the median of several where a batch is over too soon to be timed alone."""
    settings = {} if threads is None else {"n_threads": threads}
    seconds: list[float] = []
    while not seconds or (len(seconds) < MAX_REPEATS and sum(seconds) < REPEAT_SECONDS):
        start = time.perf_counter()
        run(texts, **settings)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds)}


def one_by_one(run: Callable[[Any], Any], items: list[Any]) -> list[float]:
    times = []
    for item in items:
        start = time.perf_counter_ns()
        run(item)
        times.append((time.perf_counter_ns() - start) / 1000)
    return times


def peak_bytes() -> int:
    """Most memory that was resident in this process; `getrusage` would hand down its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def handle(channel: TextIO, pack: str, texts_file: str) -> None:
    """The whole pipeline of a shipped pack, one contact after the other."""
    import contact_reasons as cr

    pipe = cr.load_pipeline(pack)
    texts = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    contacts = [cr.Contact(text=text) for text in texts]
    one_by_one(pipe.handle, contacts[:20])
    send(channel, {"microseconds": one_by_one(pipe.handle, contacts)})


if __name__ == "__main__":
    main()
