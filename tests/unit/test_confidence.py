"""Thresholds against trying every one; held-out scores against labels that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.classifier import ReasonProbabilities
from contact_reasons.classifier.folds import fold_keys
from contact_reasons.confidence import Thresholds, fit_thresholds, label_rows
from contact_reasons.errors import TrainingError
from contact_reasons.training import LabelledTexts, train

CLASSES = ("a.x", "a.y", "b.z")


@st.composite
def said_and_truth(draw: st.DrawFn) -> tuple[ReasonProbabilities, list[str | None]]:
    n = draw(st.integers(1, 25))
    weights = draw(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=n, max_size=n))
    proba = np.array([[w + 1e-3 for w in row] for row in weights], dtype=float)
    scope = np.array(draw(st.lists(st.sampled_from([0.1, 0.5, 1.0]), min_size=n, max_size=n)))
    truth = draw(st.lists(st.sampled_from([*CLASSES, None]), min_size=n, max_size=n))
    return ReasonProbabilities(proba / proba.sum(axis=1, keepdims=True), scope), truth


def best_coverage(pairs: list[tuple[float, bool]], wanted: float) -> int:
    """Most rows that can be reported from some threshold on, at most the wanted share of them wrong: by trying all."""
    most = 0
    for threshold, _ in pairs:
        reported = [right for confidence, right in pairs if confidence >= threshold]
        if reported.count(False) <= wanted * len(reported):
            most = max(most, len(reported))
    return most


@given(data=said_and_truth(), wanted=st.sampled_from([0.05, 0.1, 0.3, 0.5]))
def test_thresholds_report_as_much_as_any_threshold_can_at_the_wanted_rate(
    data: tuple[ReasonProbabilities, list[str | None]], wanted: float
) -> None:
    said, truth = data
    thresholds = fit_thresholds(said, CLASSES, truth, wanted_error=wanted)
    every = label_rows(said, CLASSES, Thresholds(0.0, None))
    pairs = [
        (label.ranked[0].probability, label.ranked[0].reason == reason)
        for label, reason in zip(every, truth, strict=True)
    ]
    labels = label_rows(said, CLASSES, thresholds)
    secondary = [
        (label.secondary == reason) for label, reason in zip(labels, truth, strict=True) if label.level == "secondary"
    ]
    assert len(secondary) == best_coverage(pairs, wanted)
    assert secondary.count(False) <= wanted * len(secondary)
    left = [i for i, label in enumerate(labels) if label.level != "secondary"]
    forced = (
        label_rows(ReasonProbabilities(said.proba[left], said.in_scope[left]), CLASSES, Thresholds(None, 0.0))
        if left
        else []
    )
    pairs = [
        (label.confidence, truth[i] is not None and label.primary == str(truth[i]).partition(".")[0])
        for i, label in zip(left, forced, strict=True)
    ]
    primary = [i for i, label in enumerate(labels) if label.level == "primary"]
    assert len(primary) == best_coverage(pairs, wanted)


def test_no_threshold_means_never_reported_however_sure() -> None:
    said = ReasonProbabilities(np.array([[1.0, 0.0, 0.0]] * 4), np.ones(4))
    thresholds = fit_thresholds(said, CLASSES, ["b.z"] * 4)
    assert thresholds == Thresholds(None, None)
    assert all(label.abstained for label in label_rows(said, CLASSES, thresholds))


@given(
    weights=st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=8),
    scope=st.sampled_from([0.0, 1e-7, 0.5, 1.0]),
    k=st.integers(1, 5),
)
def test_ranked_are_the_most_probable_and_of_equals_the_first_alone_and_among_others(
    weights: list[list[int]], scope: float, k: int
) -> None:
    classes = ("a.u", "a.v", "b.w", "b.x", "c.y")[:k]
    proba = np.array(weights, dtype=float)[:, :k] + 1e-9
    said = ReasonProbabilities(proba / proba.sum(axis=1, keepdims=True), np.full(len(proba), scope))
    labels = label_rows(said, classes, Thresholds(0.5, 0.5))
    for row, label in enumerate(labels):
        shown = [float(p) for p in (said.proba[row] * scope).round(6)]
        order = sorted(range(k), key=lambda i: (-shown[i], i))[:3]
        assert [(one.reason, one.probability) for one in label.ranked] == [(classes[i], shown[i]) for i in order]
        alone = ReasonProbabilities(said.proba[row : row + 1], said.in_scope[row : row + 1])
        assert label_rows(alone, classes, Thresholds(0.5, 0.5)) == [label]


def random_texts(n: int, *, seed: int, copies: int = 1) -> tuple[list[str], list[str], list[str]]:
    """Texts of random words with random labels, each text sent by several customers."""
    rng = np.random.default_rng(seed)
    words = [f"{a}{b}{c}" for a in "bdfgkl" for b in "aeiou" for c in "mnprst"]
    texts, ids, customers = [], [], []
    for i in range(n):
        text, label = " ".join(rng.choice(words, 7)), f"p{rng.integers(2)}.s{rng.integers(2)}"
        for copy in range(copies):
            texts.append(text)
            ids.append(label)
            customers.append(f"c{copies * i + copy}")
    return texts, ids, customers


@pytest.mark.parametrize("grouped", [False, True])
def test_held_out_scores_of_random_labels_are_at_chance_even_if_texts_are_repeated(grouped: bool) -> None:
    texts, ids, customers = random_texts(120, seed=1, copies=3)
    data = LabelledTexts(tuple(texts), tuple(ids), tuple(customers) if grouped else None)
    taxonomy = cr.Taxonomy.from_pairs([(f"p{i}", f"s{j}") for i in range(2) for j in range(2)])
    trained = train(data, taxonomy)
    scores = trained.scores["held_out_folds"]
    assert scores["secondary_accuracy"]["share"] < 0.45  # chance is 0.25; a leak gives nearly 1
    assert scores["reported_secondary"]["share"] < 0.1


def test_rows_of_one_customer_are_held_out_together_in_training() -> None:
    """Each customer always asks the same in other words; only the customer's own texts tell the label."""
    rng = np.random.default_rng(0)
    texts, ids, customers = [], [], []
    for customer in range(60):
        habit, label = "".join(rng.choice(list("bcdfghklmnprst"), 8)), f"p.s{rng.integers(2)}"
        for turn in ("once", "again", "still", "ever"):
            texts.append(f"{habit} {habit} {turn}")
            ids.append(label)
            customers.append(str(customer))
    taxonomy = cr.Taxonomy.from_pairs([("p", "s0"), ("p", "s1")])
    alone = train(LabelledTexts(tuple(texts), tuple(ids)), taxonomy).scores["held_out_folds"]
    grouped = train(LabelledTexts(tuple(texts), tuple(ids), tuple(customers)), taxonomy).scores["held_out_folds"]
    assert alone["secondary_accuracy"]["share"] > 0.9
    assert grouped["secondary_accuracy"]["share"] < 0.75


def test_an_empty_group_is_no_group() -> None:
    texts = [f"text {letter}" for letter in "bcdfgh"]
    for empty in ("", None, float("nan")):
        assert len(set(fold_keys(texts, [empty] * 6, 6))) == 6
    assert len(set(fold_keys(texts, [1, 1, "1", "1", 2, 3], 6))) == 4


def test_groups_and_equal_texts_are_joined_until_nothing_is_shared() -> None:
    keys = fold_keys(["hello", "Hello!", "bye", "thanks", "bye"], ["a", "b", "b", "c", "d"], 5)
    assert keys[1] == keys[2] == keys[4]
    assert keys[3] not in (keys[0], keys[1])
    assert fold_keys(["x", "x"], ["a", "b"], 2)[0] == fold_keys(["x", "x"], ["a", "b"], 2)[1]


def test_training_on_one_group_only_is_refused() -> None:
    texts, ids, _ = random_texts(12, seed=2)
    taxonomy = cr.Taxonomy.from_pairs([(f"p{i}", f"s{j}") for i in range(2) for j in range(2)])
    with pytest.raises(TrainingError, match="all texts are of one customer"):
        train(LabelledTexts(tuple(texts), tuple(ids), ("webform",) * 12), taxonomy)
