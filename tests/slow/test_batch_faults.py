"""Fault injection at full size: twenty kills of a 200,000-row batch; memory of 2,000,000 rows against 20,000; 2,000 contacts every way."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import contact_reasons as cr
from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def tickets(path: Path, rows: int) -> Path:
    """The sample tickets over and over, each with an id of its own, the longest texts left out to keep the run short."""
    with (ROOT / "samples" / "retail-tickets.csv").open(encoding="utf-8", newline="") as stream:
        sample = [row for row in csv.DictReader(stream) if len(row["text"]) < 160]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(sample[0]), lineterminator="\n")
        writer.writeheader()
        for i, row in zip(range(rows), itertools.cycle(sample)):
            writer.writerow({**row, "ticket_id": f"N{i}"})
    return path


def command(source: Path, out: Path, jobs: int = 1) -> list[str]:
    options = ["--subject-column", "subject", "--jobs", str(jobs), "--overwrite"]
    return [sys.executable, "-m", "contact_reasons", "label", str(source), "--out", str(out), *options]


def test_twenty_kills_of_two_hundred_thousand_rows_change_nothing(tmp_path: Path) -> None:
    source = tickets(tmp_path / "in.csv", 200_000)
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    started = time.monotonic()
    subprocess.run(command(source, whole, jobs=2), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    chance, kills = random.Random(20), 0
    while kills < 20:
        process = subprocess.Popen(command(source, out, jobs=1 + kills % 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            process.wait(timeout=2.5 + chance.random() * seconds / 10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the workers of --jobs 2 too
            process.wait()
            kills += 1
            continue
        assert process.returncode == 0  # it got through: the next start begins anew, so that all twenty kills hit a run
    if not out.exists() or out.with_name("out.csv.unfinished").exists():
        subprocess.run(command(source, out), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert out.read_bytes() == whole.read_bytes()
    with out.open(encoding="utf-8", newline="") as stream:
        assert [row["ticket_id"] for row in csv.DictReader(stream)] == [f"N{i}" for i in range(200_000)]
    report = json.loads((tmp_path / "out.csv.report.json").read_text())
    print(f"\n20 kills; undisturbed {seconds:.0f} s; resumed rows in the last run {report['rows_resumed']:,}")


def test_memory_of_two_million_rows_is_that_of_twenty_thousand(tmp_path: Path) -> None:
    peak = {}
    for rows in (20_000, 2_000_000):
        source = tickets(tmp_path / f"in{rows}.csv", rows)
        code = (  # VmHWM is this process's own peak; getrusage would hand down the parent's
            "import sys; from contact_reasons.cli import app; app(standalone_mode=False)\n"
            "print('PEAK', next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        arguments = command(source, tmp_path / f"out{rows}.csv")[3:]
        done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
        peak[rows] = int(done.stdout.rsplit("PEAK", 1)[1]) / 1024
    print(f"\npeak memory in MB: {peak}")
    assert peak[2_000_000] - peak[20_000] < 100


def test_two_thousand_contacts_alone_in_sevens_in_thousands_shuffled_and_with_two_jobs(tmp_path: Path) -> None:
    source = tickets(tmp_path / "in.csv", 2000)
    pipe = cr.load_pipeline("retail")
    with source.open(encoding="utf-8", newline="") as stream:
        contacts = [cr.Contact(text=row["text"], subject=row["subject"] or None, contact_id=row["ticket_id"]) for row in csv.DictReader(stream)]  # fmt: skip
    alone = [pipe.handle(contact) for contact in contacts]
    for size in (7, 1000):
        assert [out for i in range(0, 2000, size) for out in pipe.handle_many(contacts[i : i + size])] == alone
    order = list(range(2000))
    random.Random(1).shuffle(order)
    shuffled = pipe.handle_many([contacts[i] for i in order])
    assert all(out == alone[i] for out, i in zip(shuffled, order, strict=True))
    for jobs in (1, 2):
        cr.label_file(source, tmp_path / f"out{jobs}.csv", subject_column="subject", jobs=jobs, chunk_rows=300)
    assert (tmp_path / "out1.csv").read_bytes() == (tmp_path / "out2.csv").read_bytes()
    with (tmp_path / "out1.csv").open(encoding="utf-8", newline="") as stream:
        for row, out in zip(csv.DictReader(stream), alone, strict=True):
            assert (row["cr_primary"], row["cr_secondary"]) == (out.label.primary or "", out.label.secondary or "")
            assert float(row["cr_confidence"]) == pytest.approx(out.label.confidence, abs=1e-6)
