"""Never a lost or doubled row; resume to the byte; nothing replaced unasked."""

from __future__ import annotations

import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import contact_reasons as cr
from contact_reasons.batch import tasks
from contact_reasons.errors import BatchError, BundleError
from tests.ticket_files import label, read_csv, write_jsonl


def test_parts_without_their_jobs_description_are_thrown_away(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out, other = (
        tmp_path / "out.csv",
        write_jsonl(tmp_path / "other.jsonl", [{"text": f"invoice {i}"} for i in range(9)]),
    )

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    (tmp_path / "out.csv.unfinished" / "job.json").unlink()
    assert label(tiny_pack, other, out, chunk_rows=3).rows_read == 9
    assert [row["text"] for row in read_csv(out)] == [f"invoice {i}" for i in range(9)]


def test_parts_of_a_dying_worker_of_another_job_do_not_count(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def foreign(rows: int, _: float) -> None:
        if rows == 3:
            (tmp_path / "out.csv.unfinished" / "00000099.counts").write_text('{"job": "other", "read": 1000}')

    assert label(tiny_pack, tickets, out, chunk_rows=3, progress=foreign).rows_read == 25


def test_damaged_unfinished_work_is_named(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    work = tmp_path / "out.csv.unfinished"
    work.mkdir()
    (work / "job.json").write_text('{"task')
    with pytest.raises(BatchError, match="the unfinished work is damaged; throw it away with --restart"):
        label(tiny_pack, tickets, tmp_path / "out.csv")
    assert label(tiny_pack, tickets, tmp_path / "out.csv", restart=True).rows_read == 25


def test_a_result_that_another_job_wrote_meanwhile_is_not_replaced(
    tiny_pack: Path, tickets: Path, tmp_path: Path
) -> None:
    from contact_reasons.batch import job

    out = tmp_path / "out.csv"
    task = job.LabelTask(pack=str(tiny_pack))
    late = job.Job(tickets, out, task, job.JobOptions(1, 5, ",", "utf-8", False, False, False))
    out.write_text("precious")
    with pytest.raises(BatchError, match="the file exists"):
        late.run(None)
    assert out.read_text() == "precious"
    assert not (tmp_path / "out.csv.unfinished").exists()


@pytest.mark.parametrize("name", ["out.csv.rejects.jsonl", "out.csv.report.json"])
def test_files_beside_the_result_are_not_replaced_unasked(
    tiny_pack: Path, tickets: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text('{"text": "mine"}\n')
    with pytest.raises(BatchError, match="the file exists"):
        label(tiny_pack, tickets, tmp_path / "out.csv")
    if name.endswith("jsonl"):
        with pytest.raises(BatchError, match="would replace its own source"):
            label(tiny_pack, tmp_path / name, tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / name).read_text() == '{"text": "mine"}\n'


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_chunk_size_and_number_of_processes_change_nothing(
    tiny_pack: Path, tickets: Path, tmp_path: Path, suffix: str
) -> None:
    label(tiny_pack, tickets, tmp_path / f"a{suffix}")
    label(tiny_pack, tickets, tmp_path / f"b{suffix}", chunk_rows=4)
    label(tiny_pack, tickets, tmp_path / f"c{suffix}", chunk_rows=4, jobs=2)
    assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()
    if suffix == ".parquet":
        assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))
    else:
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_an_interrupted_job_goes_on_where_it_stopped(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    label(tiny_pack, tickets, whole, chunk_rows=3)

    def stop(rows: int, _: float) -> None:
        if rows >= 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    assert not out.exists()
    report = label(tiny_pack, tickets, out, chunk_rows=3)
    assert out.read_bytes() == whole.read_bytes()
    assert report.rows_resumed == 9
    assert report.rows_read == 25


def test_unfinished_work_of_another_job_is_not_mixed_in(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(tiny_pack, tickets, out, chunk_rows=3, progress=stop)
    write_jsonl(tickets, [{"text": "invoice"}])
    with pytest.raises(BatchError, match="unfinished work of another job"):
        label(tiny_pack, tickets, out, chunk_rows=3)
    assert label(tiny_pack, tickets, out, chunk_rows=3, restart=True).rows_read == 1


def test_two_processes_never_work_on_one_result(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    def second(*_: Any) -> None:
        with pytest.raises(BatchError, match="another process is at work"):
            label(tiny_pack, tickets, out)

    label(tiny_pack, tickets, out, progress=second)
    assert len(read_csv(out)) == 25


def test_killed_jobs_lose_and_double_nothing(tiny_pack: Path, tmp_path: Path) -> None:
    """Five kills at random moments; tests/slow kills twenty times on 200,000 rows."""
    source = write_jsonl(tmp_path / "in.jsonl", [{"id": i, "text": f"where is parcel {i}"} for i in range(3000)])
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    label(tiny_pack, source, whole, chunk_rows=50)
    code = f"import contact_reasons as cr; cr.label_file({str(source)!r}, {str(out)!r}, pack={str(tiny_pack)!r}, chunk_rows=50)"
    chance = random.Random(5)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started = time.monotonic()
        while (
            not list(tmp_path.glob("out.jsonl.unfinished/*.counts"))
            and process.poll() is None
            and time.monotonic() - started < 30
        ):
            time.sleep(0.01)
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not out.exists():
        label(tiny_pack, source, out, chunk_rows=50)
    assert out.read_bytes() == whole.read_bytes()


def test_the_unfinished_folder_of_a_finished_job_is_gone_and_files_are_whole(
    tiny_pack: Path, tickets: Path, tmp_path: Path
) -> None:
    label(tiny_pack, tickets, tmp_path / "out.csv")
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "out.csv.report.json", "tickets.jsonl"]


def test_files_of_a_pack_that_were_replaced_are_read_again(tiny_pack: Path, tickets: Path, tmp_path: Path) -> None:
    pack, out = Path(shutil.copytree(tiny_pack, tmp_path / "pack")), tmp_path / "out.csv"
    before = label(pack, tickets, out)
    assert label(pack, tickets, out, overwrite=True).versions == before.versions
    policy = pack / "policy.yaml"
    policy.write_text(re.sub(r"(?m)^version:.*$", "version: 77", policy.read_text()))
    after = label(pack, tickets, out, overwrite=True)
    assert " 77 " in after.versions.pop("policy") != before.versions.pop("policy")
    assert after.versions == before.versions
    arrays = pack / "model" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    with pytest.raises(BundleError, match="SHA-256 is not the one"):
        label(pack, tickets, out, overwrite=True)


def test_files_of_a_pack_that_are_replaced_meanwhile_are_not_mixed_in(tiny_pack: Path, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", [{"text": "where is my parcel", "open": True} for _ in range(12)])
    pack, out = Path(shutil.copytree(tiny_pack, tmp_path / "pack")), tmp_path / "out.csv"
    policy = pack / "policy.yaml"

    def replace(rows: int, _: float) -> None:
        if rows == 3:
            policy.write_text(re.sub(r"\bid: ", "id: new-", policy.read_text()))

    report = label(pack, source, out, chunk_rows=3, progress=replace)
    assert len(report.counts["rule"]) == 1
    (rule,) = label(pack, source, out, chunk_rows=3, overwrite=True).counts["rule"]
    assert rule == f"new-{next(iter(report.counts['rule']))}"


def test_a_process_that_begins_late_refuses_files_that_were_replaced(tiny_pack: Path, tmp_path: Path) -> None:
    pack = Path(shutil.copytree(tiny_pack, tmp_path / "pack"))
    task = tasks.LabelTask(pack=str(pack))
    assert task.rules.sha256 == cr.RoutingPolicy.load(tiny_pack).sha256
    sent = pickle.dumps(task)
    (pack / "policy.yaml").write_text((pack / "policy.yaml").read_text() + "\n")
    tasks._pipeline.cache_clear()  # as in a process of its own
    with pytest.raises(BatchError, match="was replaced while the job was at work; start it again"):
        pickle.loads(sent).rules  # noqa: B018
