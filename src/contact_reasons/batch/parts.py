"""Parts of a batch job: what is made of one chunk, as files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from contact_reasons.batch.readers import Chunk
from contact_reasons.batch.tasks import Task
from contact_reasons.batch.writers import PartWriter
from contact_reasons.errors import BatchError

__all__ = [
    "Place",
    "do_chunk",
    "part_file",
    "read_json",
    "remove_folder",
    "skip_chunk",
    "sync_file",
    "write_whole",
]


class Place(NamedTuple):
    """Where parts go, and the job they belong to."""

    work: Path
    key: str


def do_chunk(task: Task, writer: PartWriter, place: Place, chunk: Chunk) -> tuple[int, float]:
    """Process a chunk and write its parts; the counts come last and make it done."""
    read = len(chunk.numbers) + len(chunk.rejects)
    results = task.run(chunk)
    rows, made_safe = writer.part(chunk, results)
    rejects = sorted(chunk.rejects)
    counts = {
        "job": place.key,
        "read": read,
        "written": len(chunk.numbers),
        "rejected": len(rejects),
        "made_safe": made_safe,
        "ignored": dict(chunk.ignored),
        "causes": dict(Counter(reject.cause for reject in rejects).most_common(50)),
        "tallies": task.tallies(results),
    }
    write_whole(part_file(place.work, chunk.index, "rows"), rows)
    lines = "".join(json.dumps(reject._asdict(), ensure_ascii=False) + "\n" for reject in rejects)
    write_whole(part_file(place.work, chunk.index, "rejects"), lines.encode())
    write_whole(part_file(place.work, chunk.index, "counts"), json.dumps(counts).encode())
    return chunk.index, chunk.fraction


def skip_chunk(index: int, fraction: float) -> tuple[int, float]:
    """A chunk that is done already."""
    return index, fraction


def part_file(work: Path, index: int, what: str) -> Path:
    """Where a part of a chunk lies: its ``rows``, ``rejects`` or ``counts``."""
    return work / f"{index:08d}.{what}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file of the unfinished work holds.

    Raises
    ------
    BatchError
        If it is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError
    except ValueError:
        raise BatchError(f"{path}: the unfinished work is damaged; throw it away with --restart") from None
    return data


def remove_folder(folder: Path) -> None:
    """Remove a folder, in one step as seen from outside."""
    gone = folder.with_name(f"{folder.name}.gone-{os.getpid()}")
    os.replace(folder, gone)
    shutil.rmtree(gone)


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
