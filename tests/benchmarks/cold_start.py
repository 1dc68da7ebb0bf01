"""From nothing to a first label: fresh processes of the shipped retail pack, and of peers trained on its texts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import contact_reasons as cr
from contact_reasons.resources import pack_files
from contact_reasons.training import read_labelled_texts
from tests.benchmarks.data import Texts
from tests.benchmarks.encoder import SentenceEncoder
from tests.benchmarks.peers import PEERS, Peer
from tests.benchmarks.processes import ROOT
from tests.benchmarks.run import Run

PROCESSES_A_ROUND = 3
EVERY = 10
"""Of the training texts each tenth is enough for peers: their start is all imports."""
TEXT = "where is my parcel"
SAY = "\nimport time; print(time.process_time(), flush=True)"
OURS = f"import contact_reasons; contact_reasons.load_pipeline('retail').label_texts([{TEXT!r}])"
PEER_PROGRAMS = {
    "words_lr": f"import joblib; joblib.load('model.joblib').predict([{TEXT!r}])",
    "chars_svm": f"import joblib; joblib.load('model.joblib').predict([{TEXT!r}])",
    "fasttext": f"import fasttext; fasttext.load_model('model.bin').predict([{TEXT!r}])",
}
HINDRANCES = ("PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What would make a start unlike one of an installed package with its usual threads."""


def cold_start(run: Run) -> dict[str, Any]:
    """Wall and CPU seconds of each program, in interleaved rounds after one that is not counted."""
    peers = [peer for peer in run.peers if peer.name in PEER_PROGRAMS]
    texts = read_labelled_texts(pack_files("retail").texts / "training.jsonl")
    some = zip(texts.texts[::EVERY], texts.reasons[::EVERY], strict=True)
    inside = [(cr.clean_text(text), reason) for text, reason in some if reason]
    for peer in peers:
        run.say(f"{peer.title} on {len(inside):,} texts of the retail pack")
        train(peer, Texts(*map(list, zip(*inside, strict=True))), run.work / peer.name)
    programs: dict[str, tuple[str, Path, dict[str, str]]] = {
        "python": ("pass", ROOT, {}),
        "numpy": ("import numpy", ROOT, {}),
        "ours": (OURS, ROOT, {}),
        "ours_one_thread": (OURS, ROOT, {"OPENBLAS_NUM_THREADS": "1"}),
        **{peer.name: (PEER_PROGRAMS[peer.name], run.work / peer.name, {}) for peer in peers},
    }
    n_processes = PROCESSES_A_ROUND * run.rounds
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for turn in range(n_processes + 1):
        for name, program in programs.items():
            seconds = start(*program)
            if turn:
                measured[name].append(seconds)
    found = {name: summary(pairs) for name, pairs in measured.items()}
    for name, values in found.items():
        run.say(f"cold start, {name}: {values['wall']['median']:.3f} s, CPU {values['cpu']['median']:.3f} s")
    return {
        "processes": n_processes,
        "training_texts": len(inside),
        "programs": found,
        "left_out": {name: why for name, why in run.left_out.items() if name in PEER_PROGRAMS},
        "stamp": run.stamp({"retail": pack_files("retail").model}),
    }


def train(peer: Peer, data: Texts, folder: Path) -> None:
    """A peer with one of its settings: which of them hardly matters for the time that loading takes."""
    peer.save(peer.fit(data, peer.choices[1], SentenceEncoder(), []), folder)


def start(code: str, folder: Path, more: dict[str, str]) -> tuple[float, float]:
    """Wall seconds from the start of a process to its last line, and CPU seconds of all its threads up to there."""
    environment = {name: value for name, value in os.environ.items() if name not in HINDRANCES} | more
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", code + SAY],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = time.perf_counter() - began
        _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a program failed: {code}\n{errors[-2000:]}")
    return wall, float(line)


def summary(pairs: list[tuple[float, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"median": statistics.median(values), "least": min(values)}
        for name, values in zip(("wall", "cpu"), zip(*pairs, strict=True), strict=True)
    }


def cold_start_lines(section: dict[str, Any]) -> list[str]:
    """The section of the page."""
    titles = {
        "python": "Python alone",
        "numpy": "`import numpy`",
        "ours": 'contact_reasons: import, `load_pipeline("retail")`, first label',
        "ours_one_thread": "the same with `OPENBLAS_NUM_THREADS=1`",
    }
    lines = [
        "## Cold start",
        "",
        f"From the start of a process to its first label, with the retail pack as shipped; medians of {section['processes']} fresh processes each, in turns (the quickest in "
        f"brackets), files in the page cache, modules compiled, all cores. The others were trained on {section['training_texts']:,} of its texts. OpenBLAS, which comes with NumPy, "
        "starts a thread a core, and each waits busily for about 0.1 s: CPU time, and wall time where cores are few. Labelling needs no BLAS; a service that starts many "
        "processes sets `OPENBLAS_NUM_THREADS=1`.",
        "",
        "| | wall, s | CPU, s |",
        "|---|---|---|",
    ]
    for name, values in section["programs"].items():
        title = titles.get(name) or PEERS[name].title
        cells = [f"{values[kind]['median']:.2f} ({values[kind]['least']:.2f})" for kind in ("wall", "cpu")]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return [*lines, ""]
