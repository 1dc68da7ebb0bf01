"""Worker processes of `worker.py`: one core each, numerical libraries at one thread, memory and load time their own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

ROOT = Path(__file__).resolve().parents[2]
Job = TypeVar("Job")


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def environment() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return usual | dict.fromkeys(names, "1") | offline


class WorkerError(Exception):
    """A worker ended without an answer; its last words follow."""


class Worker:
    """A running worker; its first answer has been read when it is made."""

    def __init__(self, at: Sequence[int], *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.worker", ",".join(map(str, at)), *arguments]
        self.command = arguments
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed on exit)
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=ROOT,
            env=environment(),
            text=True,
        )
        self.first = self._read()
        self.seconds_to_first_answer = time.perf_counter() - start

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise WorkerError(f"worker {' '.join(self.command[:2])} failed:\n{self.errors.read()[-3000:].rstrip()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()
        self.errors.close()


def run_job(at: Sequence[int], command: str, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The answer of a worker that does one job."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=folder, encoding="utf-8") as file:
        json.dump(job, file)
        file.flush()
        with Worker(at, command, file.name) as worker:
            return worker.first


def on_all_cores(run: Callable[[int, Job], None], jobs: Iterable[Job]) -> None:
    """``run(core, job)`` for all jobs, one at a time on each core."""
    free: queue.SimpleQueue[int] = queue.SimpleQueue()
    for core in cores():
        free.put(core)

    def one(job: Job) -> None:
        core = free.get()
        try:
            run(core, job)
        finally:
            free.put(core)

    with ThreadPoolExecutor(free.qsize()) as pool:
        for future in [pool.submit(one, job) for job in jobs]:
            future.result()
