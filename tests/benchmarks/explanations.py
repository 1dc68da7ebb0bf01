"""Do the words that an explanation names carry the label, and do questions offer the true reason?

A word is named well if the label weakens without it: the words that count most are cut out of the text, and the text is labelled again. Peers:
as many random words, and occlusion (each word cut out alone, those named whose absence costs most probability).
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import contact_reasons as cr
from contact_reasons.evaluation import proportion
from contact_reasons.explanation import Explanation
from contact_reasons.resources import pack_files
from contact_reasons.training import read_labelled_texts
from tests.benchmarks.data import rows
from tests.benchmarks.run import Run, machine, versions

HERE = Path(__file__).resolve().parent
MOST_CUT = 3
SEEDS = (0, 1, 2, 3, 4)
METHODS = ("ours", "ours_runner_up", "occlusion", "random")


class Explained(NamedTuple):
    """A text whose secondary is reported, with more words than are cut out."""

    text: str
    reason: str
    confidence: float
    explanation: Explanation


def without(explained: Explained, words: Sequence[int]) -> str:
    """The text without these words."""
    parts, at = [], 0
    for share in (explained.explanation.words[i] for i in sorted(words)):
        parts.append(explained.text[at : share.start])
        at = share.stop
    return "".join([*parts, explained.text[at:]])


def by_runner_up(pipe: cr.Pipeline, explained: Explained) -> list[int]:
    """Words by contribution against the runner-up alone."""
    return by_contribution(pipe.explain(cr.Contact(text=explained.text), against=explained.explanation.runner_up))


def by_contribution(explanation: Explanation) -> list[int]:
    """Words by contribution, the strongest first."""
    words = explanation.words
    return sorted(range(len(words)), key=lambda i: -words[i].contribution)


def by_occlusion(pipe: cr.Pipeline, explained: Explained) -> list[int]:
    """Words by the probability that the reason has without each of them, the least first."""
    model = pipe.bundle.model
    n_words = len(explained.explanation.words)
    said = model.predict([without(explained, [i]) for i in range(n_words)])
    left = said.proba[:, model.classes.index(explained.reason)] * said.in_scope
    return [int(i) for i in np.argsort(left, kind="stable")]


def cut(pipe: cr.Pipeline, texts: list[Explained], orders: list[list[int]], n: int) -> list[dict[str, float]]:
    """What becomes of each label without the first n words of its order."""
    model = pipe.bundle.model
    changed = [without(each, order[:n]) for each, order in zip(texts, orders, strict=True)]
    said = model.predict(changed)
    column = [model.classes.index(each.reason) for each in texts]
    left = said.proba[np.arange(len(texts)), column] * said.in_scope
    labels = pipe.label_texts(changed)
    return [
        {"drop": each.confidence - chance, "changed": label.reason != each.reason}
        for each, chance, label in zip(texts, left.tolist(), labels, strict=True)
    ]


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    drops = [each["drop"] for each in found]
    error = statistics.stdev(drops) / len(drops) ** 0.5
    changed = sum(bool(each["changed"]) for each in found)
    return {
        "drop": statistics.mean(drops),
        "low": statistics.mean(drops) - 1.96 * error,
        "high": statistics.mean(drops) + 1.96 * error,
        "changed": proportion(changed, len(found))._asdict(),
    }


def removal(pipe: cr.Pipeline, clean: list[str]) -> dict[str, Any]:
    texts = []
    for text, label in zip(clean, pipe.label_texts(clean), strict=True):
        if label.secondary is not None:
            explanation = pipe.explain(cr.Contact(text=text))
            if explanation.text == text and len(explanation.words) > MOST_CUT:
                texts.append(Explained(text, label.secondary, label.confidence, explanation))
    orders = {
        "ours": [by_contribution(each.explanation) for each in texts],
        "ours_runner_up": [by_runner_up(pipe, each) for each in texts],
        "occlusion": [by_occlusion(pipe, each) for each in texts],
    }
    table: dict[str, dict[str, Any]] = {name: {} for name in METHODS}
    for n in range(1, MOST_CUT + 1):
        for name, order in orders.items():
            table[name][str(n)] = summary(cut(pipe, texts, order, n))
        drawn = []
        for seed in SEEDS:
            order = [
                np.random.default_rng((seed, row)).permutation(len(each.explanation.words)).tolist()
                for row, each in enumerate(texts)
            ]
            drawn.append(summary(cut(pipe, texts, order, n)))
        table["random"][str(n)] = {
            "drop": statistics.mean(each["drop"] for each in drawn),
            "least": min(each["drop"] for each in drawn),
            "most": max(each["drop"] for each in drawn),
            "changed": statistics.mean(each["changed"]["share"] for each in drawn),
        }
    some = texts[:100]
    return {
        "texts": len(texts),
        "words_per_text": statistics.mean(len(each.explanation.words) for each in texts),
        "table": table,
        "milliseconds": {
            "ours": median_milliseconds(lambda each: pipe.explain(cr.Contact(text=each.text)), some),
            "occlusion": median_milliseconds(lambda each: by_occlusion(pipe, each), some),
        },
    }


def median_milliseconds(run: Callable[[Explained], Any], texts: list[Explained]) -> float:
    times = []
    for each in texts:
        start = time.perf_counter()
        run(each)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def questions(pipe: cr.Pipeline, clean: list[str], truth: list[list[str]]) -> dict[str, Any]:
    """Of texts without a reported secondary: who is asked, and whether a true reason is among the options."""
    asked: list[tuple[bool, bool, int]] = []
    open_labels = in_scope = 0
    for label, reasons in zip(pipe.label_texts(clean), truth, strict=True):
        if label.level == "secondary":
            continue
        open_labels += 1
        in_scope += bool(reasons)
        question = pipe.question(label)
        if question is not None:
            ids = [option.reason for option in question.options]
            asked.append((any(reason in reasons for reason in ids), ids[0] in reasons, len(ids)))
    return {
        "texts": len(clean),
        "without_secondary": open_labels,
        "in_scope": in_scope,
        "asked": proportion(len(asked), open_labels)._asdict(),
        "true_among_options": proportion(sum(hit for hit, _, _ in asked), len(asked))._asdict(),
        "true_first": proportion(sum(first for _, first, _ in asked), len(asked))._asdict(),
        "two_options": sum(n == 2 for _, _, n in asked),
    }


def explanations(run: Run) -> dict[str, Any]:
    """Both measures, for the retail pack on its own test texts and, where it is, on the Bitext test split."""
    pipe = cr.load_pipeline("retail")
    own = read_labelled_texts(pack_files("retail").texts / "test.jsonl")
    sets = {"our test texts, written apart": ([*own.texts], [[reason] if reason else [] for reason in own.reasons])}
    file = run.data / "bitext8k" / "test.jsonl"
    if file.is_file():
        mapping = json.loads((HERE / "maps" / "bitext_to_retail.json").read_text())["intents"]
        test = [row for row in rows(file) if row["secondary"] in mapping]
        sets["Bitext shop set, test split"] = (
            [row["text"] for row in test],
            [mapping[row["secondary"]] for row in test],
        )
    found = {}
    for name, (texts, truth) in sets.items():
        run.say(f"explanations of {name}")
        clean = [cr.clean_text(text) for text in texts]
        found[name] = {"removal": removal(pipe, clean), "questions": questions(pipe, clean, truth)}
    return {
        "model": pipe.bundle.manifest.files["arrays.npz"],
        "machine": machine(),
        "versions": versions(),
        "seeds": list(SEEDS),
        "sets": found,
    }
