"""Labelled texts, and everything else that decides how a model is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from contact_reasons.errors import TrainingError, shorten
from contact_reasons.text import clean_text

__all__ = ["LabelledTexts", "Recipe", "clean_sha256", "read_labelled_texts"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a model is trained, besides the texts.

    Parameters
    ----------
    C, min_df, class_weight, hidden_units, members, word_rows, weight_bits, calibration_folds
        As for `ReasonClassifier`.
    wanted_error : float
        Share of wrong answers, among those reported, at which the thresholds aim; in (0, 1).
    seed : int
        From 0 to 2**32 - 1.
    """

    C: float = 0.5
    min_df: int = 2
    class_weight: str | None = None
    hidden_units: int = 128
    members: int = 4
    word_rows: int = 6000
    weight_bits: int = 8
    calibration_folds: int = 5
    wanted_error: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.wanted_error < 1:
            raise TrainingError(f"wanted_error is {shorten(self.wanted_error)}; it must lie between 0 and 1")
        if type(self.seed) is not int or not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed is {shorten(self.seed)}; it must be a whole number from 0 to {2**32 - 1}")


class LabelledTexts(NamedTuple):
    """Texts and their secondary ids; None for a text that belongs to no reason.

    Parameters
    ----------
    texts : tuple of str, length n
        Raw: they are cleaned in training as contacts are in labelling.
    reasons : tuple of str or None, length n
    groups : tuple or None, length n
        Texts of equal group, such as of one customer, are never on both sides of a split.
    subjects : tuple or None, length n
        Subject lines.
    times : tuple or None, length n
        When each text came in. The newest are then held out for the reported scores; None: not known.
    ids : tuple or None, length n
        Ids of the tickets, for the list of likely mislabelled ones.
    rows : tuple of int or None, length n
        Row of each text in its file, for messages and lists; by default its place, from 1.
    """

    texts: tuple[str, ...]
    reasons: tuple[str | None, ...]
    groups: tuple[Any, ...] | None = None
    subjects: tuple[str | None, ...] | None = None
    times: tuple[datetime | None, ...] | None = None
    ids: tuple[Any, ...] | None = None
    rows: tuple[int, ...] | None = None

    @property
    def clean(self) -> list[str]:
        """The clean texts, as a pipeline sees them."""
        return [
            clean_text(text, None if self.subjects is None else self.subjects[row])
            for row, text in enumerate(self.texts)
        ]

    @property
    def sha256(self) -> str:
        """Hash of texts and reasons, in order."""
        rows = json.dumps([self.texts, self.reasons], ensure_ascii=False)
        return hashlib.sha256(rows.encode("utf-8", "surrogatepass")).hexdigest()


def read_labelled_texts(*paths: str | Path) -> LabelledTexts:
    """Texts of JSON Lines files with the keys ``text`` and ``reason`` (null or absent: out of scope).

    Lines with a blank text are texts that are still to be written: they are left out. Ids are ``FILE:LINE``.

    Raises
    ------
    TrainingError
        If a file cannot be read or a line is not such an object, naming file and line.
    """
    texts: list[str] = []
    reasons: list[str | None] = []
    places: list[tuple[str, int]] = []
    for path in map(Path, paths):
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise TrainingError(f"{path}: the texts cannot be read ({exc}); give a UTF-8 file of JSON lines") from exc
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                text, reason = row["text"], row.get("reason")
            except ValueError as exc:
                raise TrainingError(
                    f'{path}, line {number}: not valid JSON ({exc}); inside a text, write quotation marks as \\" and line breaks as \\n'
                ) from exc
            except (KeyError, TypeError, AttributeError) as exc:
                raise TrainingError(
                    f'{path}, line {number}: not a JSON object with the key \'text\'; write {{"text": "…", "reason": "…"}}'
                ) from exc
            if not isinstance(text, str) or not (reason is None or isinstance(reason, str)):
                raise TrainingError(f"{path}, line {number}: 'text' and 'reason' must be strings")
            if text.strip():
                texts.append(text)
                reasons.append(reason)
                places.append((path.name, number))
    return LabelledTexts(
        tuple(texts),
        tuple(reasons),
        ids=tuple(f"{name}:{number}" for name, number in places),
        rows=tuple(number for _, number in places),
    )


def clean_sha256(clean: Sequence[str]) -> str:
    """Hash of clean texts, in order: what a model really learned from; changes with the texts and with cleaning."""
    return hashlib.sha256(json.dumps(list(clean)).encode()).hexdigest()
