"""Which texts are held out together: folds that keep equal texts and groups on one side, and repeats left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.features import normalise
from contact_reasons.errors import TrainingError

__all__ = ["distinct", "fold_keys", "stratified_folds"]

IntArray = npt.NDArray[np.int64]


def distinct(texts: Sequence[str], known: Sequence[str]) -> list[str]:
    """Distinct texts that are not known."""
    seen = {_plain(text) for text in known}
    kept = []
    for text in texts:
        key = _plain(text)
        if key not in seen:
            seen.add(key)
            kept.append(text)
    return kept


def fold_keys(texts: Sequence[str], groups: Iterable[Any] | None, n_labelled: int) -> list[str]:
    """What decides a text's fold: texts that share a group, or are equal once normalised, share a key.

    Groups and texts are joined until nothing is shared any more (connected components), and a component's key is its
    least hash, so that it depends on neither order nor chance. An empty group joins nothing.
    """
    group_of = [] if groups is None else list(groups)
    if groups is not None and len(group_of) not in (n_labelled, len(texts)):
        raise TrainingError(f"{n_labelled} texts but {len(group_of)} groups; give one group a text")
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    text_keys = []
    for row, text in enumerate(texts):
        key = _hash("text\0" + _plain(text))
        text_keys.append(key)
        group = group_of[row] if row < len(group_of) else None
        if group is not None and group == group and group != "":
            first, second = find(key), find(_hash(f"group\0{type(group).__name__}\0{group}"))
            low, high = min(first, second), max(first, second)
            leader[high] = low
    return [find(key) for key in text_keys]


def _plain(text: str) -> str:
    """What equal texts have in common."""
    return " ".join(normalise(text).split())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stratified_folds(target: IntArray, keys: Sequence[str], n_folds: int) -> IntArray:
    """A fold for each row: equal keys together, each class spread evenly, in hash order, so without chance."""
    fold_of_key: dict[str, int] = {}
    folds = np.empty(len(target), dtype=np.int64)
    filled = np.zeros((int(target.max()) + 1, n_folds), dtype=np.int64)
    for row in sorted(range(len(target)), key=lambda row: (keys[row], row)):
        key, label = keys[row], target[row]
        if key not in fold_of_key:
            fold_of_key[key] = int(filled[label].argmin())
        folds[row] = fold_of_key[key]
        filled[label, folds[row]] += 1
    return folds
