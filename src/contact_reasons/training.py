"""From labelled texts to fitted parts: classifier, thresholds, and honest scores of both."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from contact_reasons.classifier import ReasonModel
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.confidence import Thresholds, fit_thresholds, label_rows
from contact_reasons.errors import TrainingError, nearest, shorten
from contact_reasons.evaluation import Proportion, proportion, score_reasons
from contact_reasons.records import ReasonLabel
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.text import clean_text

__all__ = [
    "LabelledTexts",
    "Recipe",
    "TrainedReasons",
    "clean_sha256",
    "near_repeats",
    "read_labelled_texts",
    "score_labels",
    "train",
]

FEW_TEXTS = 10
GOOD_TEXTS = 40
SHARED_WORDS = 0.8
_REPEAT_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a model is trained, besides the texts.

    Parameters
    ----------
    C, min_df, class_weight, calibration_folds
        As for `ReasonClassifier`.
    wanted_error : float
        Share of wrong answers, among those reported, at which the thresholds aim; in (0, 1).
    seed : int
    """

    C: float = 0.5
    min_df: int = 2
    class_weight: str | None = None
    calibration_folds: int = 5
    wanted_error: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.wanted_error < 1:
            raise TrainingError(f"wanted_error is {shorten(self.wanted_error)}; it must lie between 0 and 1")


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
    """

    texts: tuple[str, ...]
    reasons: tuple[str | None, ...]
    groups: tuple[Any, ...] | None = None
    subjects: tuple[str | None, ...] | None = None

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


class TrainedReasons(NamedTuple):
    """Fitted parts and what is known of them.

    Parameters
    ----------
    model : ReasonModel
    thresholds : Thresholds
    training : dict
        Recipe, counts and hash of the data, and `notes`: what a careful reader of the data would mention.
    scores : dict
        By set: ``held_out_folds`` of the training texts and, if test texts were given, ``test``.
    """

    model: ReasonModel
    thresholds: Thresholds
    training: dict[str, Any]
    scores: dict[str, Any]


def read_labelled_texts(*paths: str | Path) -> LabelledTexts:
    """Texts of JSON Lines files with the keys ``text`` and ``reason`` (null or absent: out of scope).

    Raises
    ------
    TrainingError
        If a file cannot be read or a line is not such an object, naming file and line.
    """
    texts: list[str] = []
    reasons: list[str | None] = []
    for path in map(Path, paths):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise TrainingError(f"{path}: the texts cannot be read ({exc}); give a UTF-8 file of JSON lines") from exc
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                text, reason = row["text"], row.get("reason")
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                raise TrainingError(f"{path}, line {number}: not a JSON object with the key 'text'") from exc
            if not isinstance(text, str) or not (reason is None or isinstance(reason, str)):
                raise TrainingError(f"{path}, line {number}: 'text' and 'reason' must be strings")
            texts.append(text)
            reasons.append(reason)
    return LabelledTexts(tuple(texts), tuple(reasons))


def train(
    data: LabelledTexts,
    taxonomy: Taxonomy,
    *,
    recipe: Recipe | None = None,
    test: LabelledTexts | None = None,
) -> TrainedReasons:
    """Train, fit thresholds on held-out folds, score on held-out folds and on the test texts.

    Test texts that share 80 % or more of their words with a training text are left out of the score and counted.

    Raises
    ------
    TrainingError
        If a reason is not in the taxonomy, or texts and ids do not allow training.
    """
    recipe = recipe or Recipe()
    for source, labelled in (("the training texts", data), ("the test texts", test)):
        _check_reasons(source, labelled, taxonomy)
    clean = data.clean
    inside = [row for row, reason in enumerate(data.reasons) if reason is not None]
    outside = [row for row, reason in enumerate(data.reasons) if reason is None]
    classifier = ReasonClassifier(
        C=recipe.C,
        min_df=recipe.min_df,
        class_weight=recipe.class_weight,
        calibration_folds=recipe.calibration_folds,
        random_state=recipe.seed,
    )
    classifier.fit(
        [clean[row] for row in inside],
        [data.reasons[row] for row in inside],
        out_of_scope=[clean[row] for row in outside] or None,
        groups=None if data.groups is None else [data.groups[row] for row in inside],
    )
    if data.groups is not None and len({data.groups[row] for row in inside} - {"", None}) == 1 and all(data.groups):
        raise TrainingError(
            "all texts are of one group, so nothing can be held out to score on; leave the group column out or name the right one"
        )
    model = classifier.model_
    truth = [data.reasons[row] for row in (*inside, *outside)]
    thresholds = fit_thresholds(classifier.out_of_fold_, model.classes, truth, wanted_error=recipe.wanted_error)
    held_out = label_rows(classifier.out_of_fold_, model.classes, thresholds)
    scores = {"held_out_folds": {"texts_left_out": 0, **score_labels(truth, held_out)}}
    if test is not None:
        clean_test = test.clean
        kept = np.flatnonzero(~near_repeats(clean_test, clean))
        labels = label_rows(model.predict([clean_test[row] for row in kept]), model.classes, thresholds)
        scores["test"] = {
            "sha256": test.sha256,
            "texts_left_out": len(clean_test) - len(kept),
            **score_labels([test.reasons[row] for row in kept], labels),
        }
    training = {
        "recipe": asdict(recipe),
        "sha256": data.sha256,
        "clean_sha256": clean_sha256(clean),
        "texts": len(inside),
        "texts_out_of_scope": len(outside),
        "features": model.arrays.vocabulary.n_features,
        "notes": _notes(data, taxonomy),
    }
    return TrainedReasons(model, thresholds, training, scores)


def clean_sha256(clean: Sequence[str]) -> str:
    """Hash of clean texts, in order: what a model really learned from; changes with the texts and with cleaning."""
    return hashlib.sha256(json.dumps(list(clean)).encode()).hexdigest()


def score_labels(truth: Sequence[str | None], labels: Sequence[ReasonLabel]) -> dict[str, Any]:
    """Scores of labels as plain data: forced answers, answers as reported, each reason, what is confused.

    Parameters
    ----------
    truth : sequence of str or None
        Secondary ids; None for texts out of scope.
    labels : sequence of ReasonLabel
    """
    inside = [(reason, label) for reason, label in zip(truth, labels, strict=True) if reason is not None]
    outside = [label for reason, label in zip(truth, labels, strict=True) if reason is None]
    forced = score_reasons([reason for reason, _ in inside], [label.ranked[0].reason for _, label in inside])
    pairs = list(zip(truth, labels, strict=True))
    at_secondary = [(reason, label) for reason, label in pairs if label.level == "secondary"]
    at_primary = [(reason, label) for reason, label in pairs if label.level == "primary"]
    right_secondary = sum(reason == label.secondary for reason, label in at_secondary)
    right_primary = sum(
        reason is not None and reason.partition(".")[0] == label.primary for reason, label in at_primary
    )
    return {
        "texts": len(inside),
        "secondary_accuracy": _plain(forced.secondary),
        "primary_accuracy": _plain(forced.primary),
        "macro_f1": forced.macro_f1 if inside else None,
        "reported_secondary": _plain(proportion(sum(label.level == "secondary" for _, label in inside), len(inside))),
        "reported_primary_only": _plain(proportion(sum(label.level == "primary" for _, label in inside), len(inside))),
        "left_to_a_person": _plain(proportion(sum(label.abstained for _, label in inside), len(inside))),
        "right_among_reported_secondary": _plain(proportion(right_secondary, len(at_secondary))),
        "right_among_primary_only": _plain(proportion(right_primary, len(at_primary))),
        "out_of_scope_left_to_a_person": _plain(proportion(sum(label.abstained for label in outside), len(outside))),
        "reasons": {
            score.reason: {
                "texts": score.recall.total,
                "recall": score.recall.share,
                "recall_low": score.recall.low,
                "recall_high": score.recall.high,
                "precision": score.precision.share if score.precision.total else None,
                "f1": score.f1,
            }
            for score in forced.reasons
            if score.recall.total
        },
        "confusions": [list(confusion) for confusion in forced.confusions[:30]],
    }


def _plain(value: Proportion) -> dict[str, Any]:
    """A proportion as JSON: null where there is nothing to take a share of."""
    return {**value._asdict(), "share": value.share if value.total else None}


def _check_reasons(source: str, data: LabelledTexts | None, taxonomy: Taxonomy) -> None:
    known = set(taxonomy.secondary_ids)
    for row, reason in enumerate(data.reasons if data is not None else ()):
        if reason is not None and reason not in known:
            raise TrainingError(
                f"{source}, row {row + 1}: {shorten(reason)} is no secondary reason of taxonomy {taxonomy.taxonomy_id!r}; "
                f"{nearest(reason, taxonomy.secondary_ids)} Correct the label or add the reason to the taxonomy"
            )


def _notes(data: LabelledTexts, taxonomy: Taxonomy) -> list[str]:
    """What a careful reader of the data would mention."""
    counts = Counter(reason for reason in data.reasons if reason is not None)
    notes = []
    if absent := [reason for reason in taxonomy.secondary_ids if not counts[reason]]:
        notes.append(f"no texts, so never predicted: {', '.join(absent)}")
    if few := [f"{reason} ({counts[reason]})" for reason in taxonomy.secondary_ids if 0 < counts[reason] < FEW_TEXTS]:
        notes.append(f"fewer than {FEW_TEXTS} texts: {', '.join(few)}")
    middle = sorted(counts.values())[len(counts) // 2] if counts else 0
    if middle < GOOD_TEXTS:
        notes.append(
            f"about {middle} texts a reason: expect many contacts to be left to a person; {2 * GOOD_TEXTS} a reason give good results"
        )
    by_text: dict[str, set[str | None]] = {}
    for text, reason in zip(data.texts, data.reasons, strict=True):
        by_text.setdefault(" ".join(text.casefold().split()), set()).add(reason)
    if repeated := len(data.texts) - len(by_text):
        notes.append(f"{repeated} texts repeat another one; repeats were kept on one side of every split")
    if torn := sum(len(reasons) > 1 for reasons in by_text.values()):
        notes.append(f"{torn} texts occur with different reasons")
    return notes


def near_repeats(texts: Sequence[str], others: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts share at least 80 % of their distinct words (of the longer one's) with some other text."""
    vocabulary: dict[str, int] = {}
    left, right = _word_rows(texts, vocabulary), _word_rows(others, vocabulary)
    width = max(len(vocabulary), 1)
    left.resize((len(texts), width))
    right.resize((len(others), width))
    left_sizes, right_sizes = left.sum(axis=1).A1, right.sum(axis=1).A1
    found = np.zeros(len(texts), dtype=np.bool_)
    for start in range(0, len(texts), _REPEAT_BLOCK):
        shared = (left[start : start + _REPEAT_BLOCK] @ right.T).tocoo()
        rows = shared.row + start
        sizes = np.maximum(left_sizes[rows], right_sizes[shared.col])
        found[rows[shared.data >= SHARED_WORDS * sizes]] = True
    return found


def _word_rows(texts: Iterable[str], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    indices: list[int] = []
    offsets = [0]
    for text in texts:
        words = set(re.findall(r"\w+", text.casefold()))
        indices.extend(vocabulary.setdefault(word, len(vocabulary)) for word in sorted(words))
        offsets.append(len(indices))
    shape = (len(offsets) - 1, max(len(vocabulary), 1))
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, offsets), shape=shape)
