"""Public test sets as texts and ids, and few-shot draws from them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SETS = {
    "banking77": ("Banking77", ("train",), "test"),
    "hwu64": ("HWU64", ("train", "dev"), "test"),
}
"""Folder: title, files to train on, file to test on."""

N_PER_REASON = 10


class Texts(NamedTuple):
    """Texts and their ids ``'primary.secondary'``, one id a text."""

    texts: list[str]
    ids: list[str]

    def take(self, rows: Iterable[int]) -> Texts:
        rows = list(rows)
        return Texts([self.texts[i] for i in rows], [self.ids[i] for i in rows])


class DataSet(NamedTuple):
    """A set as published: near-repeats between train and test are left in."""

    name: str
    title: str
    train: Texts
    test: Texts


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def read_texts(*files: Path) -> Texts:
    found = [row for file in files for row in rows(file)]
    return Texts([row["text"] for row in found], [f"{row['primary']}.{row['secondary']}" for row in found])


def read_set(data: Path, name: str) -> DataSet:
    title, train, test = SETS[name]
    folder = data / name
    return DataSet(
        name, title, read_texts(*(folder / f"{part}.jsonl" for part in train)), read_texts(folder / f"{test}.jsonl")
    )


def by_reason(ids: Sequence[str], seed: int) -> dict[str, list[int]]:
    """Rows of each reason in an order drawn by the seed; the reasons sorted."""
    found: dict[str, list[int]] = {reason: [] for reason in sorted(set(ids))}
    for row, reason in enumerate(ids):
        found[reason].append(row)
    draw = random.Random(seed)
    for drawn in found.values():
        draw.shuffle(drawn)
    return found


def few_shot(train: Texts, seed: int, n_per_reason: int = N_PER_REASON) -> tuple[Texts, list[str]]:
    """``n_per_reason`` texts of each reason (all, where it has fewer), and the other texts without their ids."""
    kept = sorted(row for drawn in by_reason(train.ids, seed).values() for row in drawn[:n_per_reason])
    others = sorted(set(range(len(train.ids))) - set(kept))
    return train.take(kept), [train.texts[row] for row in others]


def held_out(train: Texts, seed: int = 0) -> tuple[Texts, Texts]:
    """Four fifths and one fifth of each reason's texts, to choose a setting on; a lone text is on the larger side."""
    part = {row for drawn in by_reason(train.ids, seed).values() for row in drawn[: len(drawn) // 5]}
    return train.take(row for row in range(len(train.ids)) if row not in part), train.take(sorted(part))
