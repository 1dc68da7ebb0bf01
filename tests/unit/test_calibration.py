"""Factors and maps that make probabilities come true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contact_reasons.classifier import CalibrationMap, ModelArrays, ReasonModel, Vocabulary
from contact_reasons.classifier.calibration import fit_calibration, fit_mix, least_known_share
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.classifier.features import count_features, count_known_words, split_words

ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(6)), elements=st.floats(-3, 3, width=16))


def model(calibration: CalibrationMap, n_columns: int = 3) -> ReasonModel:
    """A model of three reasons without features: its scores are given."""
    none = Vocabulary(np.zeros(0, np.uint64), np.zeros(0, np.bool_), np.zeros(0, np.float32))
    arrays = ModelArrays(
        none, np.zeros((0, n_columns), np.int8), np.zeros(0, np.float32), np.zeros(n_columns, np.float32)
    )
    return ReasonModel(["a.a", "a.b", "b.c"], arrays, calibration)


def slow_distribution(scores: np.ndarray, n_words: int, by: CalibrationMap) -> np.ndarray:
    """One row, as the formula of `CalibrationMap` says."""
    scores = scores * n_words / (n_words + by.half_words)
    p = np.exp(scores - scores.max())
    p /= p.sum()
    first, second = int(p.argmax()), np.sort(p)[-2]
    odds = by.a * np.log(p[first]) - by.b * np.log(1 - p[first]) + by.c
    odds = max(odds, min(np.log(second / (1 - p[first])) + 1e-4, np.log(p[first] / (1 - p[first]))))
    q = 1 / (1 + np.exp(-odds))
    result = p * (1 - q) / (1 - p[first])
    result[first] = q
    return result


@given(ROWS, st.integers(0, 9))
def test_the_factors_are_the_best_of_a_grid(scores: np.ndarray, seed: int) -> None:
    linear, hidden = scores[:, :3], scores[:, 3:]
    rng = np.random.default_rng(seed)
    target, n_words = rng.integers(0, 3, len(scores)), rng.integers(0, 30, len(scores))
    n = np.maximum(n_words, 1)[:, None]

    def loss(a: float, b: float, half: float) -> float:
        mixed = (a * linear + b * hidden) * np.where(np.arange(3) < 2, n / (n + half), 1.0)
        logs = mixed - np.log(np.exp(mixed).sum(axis=1, keepdims=True))
        away = np.log(a / 2.5) ** 2 + np.log(b / 1.2) ** 2 + np.log(half / 2.0) ** 2
        return float(-logs[np.arange(len(target)), target].sum() + away / 2)

    grid = np.geomspace(0.05, 30, 14)
    found = fit_mix(linear, hidden, n_words, target, 2)
    assert loss(*found) <= min(loss(a, b, c) for a in grid for b in grid for c in grid) + 1e-3


def test_reasons_a_fold_did_not_know_do_not_blunt_the_others() -> None:
    rng = np.random.default_rng(3)
    known = rng.normal(0, 1, (50, 3))
    target, words = known.argmax(axis=1), np.full(80, 6)
    strange = np.full((30, 3), -0.5)
    strange[:, 2] = -10.0
    both, more = np.vstack([known, strange]), np.concatenate([target, np.full(30, 2)])
    assert fit_mix(both, both, words, more, 3) == pytest.approx(fit_mix(known, known, words[:50], target, 3))


@given(
    hnp.arrays(np.float64, st.just(3), elements=st.floats(-8, 8)),
    st.integers(1, 400),
    st.floats(0, 5),
    st.floats(0.05, 3),
    st.floats(0.05, 3),
    st.floats(-2, 2),
)
def test_the_distribution_is_the_formula(
    scores: np.ndarray, n_words: int, half: float, a: float, b: float, c: float
) -> None:
    assume(np.diff(np.sort(scores)).min() > 1e-6)
    by = CalibrationMap(half, a, b, c)
    proba, in_scope = model(by).distribution(scores[None, :], np.array([n_words]))
    expected = slow_distribution(scores, n_words, by)
    np.testing.assert_allclose(proba[0], expected, atol=1e-9)
    assert proba.sum() == pytest.approx(1)
    assert in_scope.tolist() == [1.0]
    plain = np.exp(scores * n_words / (n_words + half))
    assert proba[0].argmax() == plain.argmax()


@given(hnp.arrays(np.float64, st.just(3), elements=st.floats(-50, 50)), st.floats(-60, 60))
def test_the_usual_map_is_the_softmax(scores: np.ndarray, outside: float) -> None:
    proba, in_scope = model(CalibrationMap(), 4).distribution(np.append(scores, outside)[None, :], np.array([7]))
    weights = np.exp(scores - scores.max())
    np.testing.assert_allclose(proba[0], weights / weights.sum(), atol=1e-12)
    whole = np.append(np.exp(scores - scores.max()), np.exp(np.minimum(outside - scores.max(), 700)))
    np.testing.assert_allclose(in_scope[0], 1 - whole[3] / whole.sum(), atol=1e-9)


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0], [900.0, -900.0, 3.0], [5.0, 5.0, -2000.0], [-1e5, -1e5, -1e5]])
def test_extreme_scores_give_finite_probabilities(scores: list[float]) -> None:
    by = CalibrationMap(2.0, 1.6, 0.7, -0.4)
    proba, in_scope = model(by, 4).distribution(np.array([[*scores, 0.0]]), np.array([0]))
    assert np.isfinite(proba).all()
    assert np.isfinite(in_scope).all()
    assert proba.sum() == pytest.approx(1)
    assert (proba >= 0).all()


def test_a_map_fitted_on_overconfident_scores_tells_the_truth() -> None:
    """Labels drawn from the distribution of scores that are then stretched: the map undoes most of the stretching of the best."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (20_000, 5))
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) > rng.random((len(scores), 1))).argmax(axis=1)
    words = np.full(len(scores), 10)
    by = fit_calibration(scores * 1.7, words, labels, 0.0)
    none = Vocabulary(np.zeros(0, np.uint64), np.zeros(0, np.bool_), np.zeros(0, np.float32))
    arrays = ModelArrays(none, np.zeros((0, 5), np.int8), np.zeros(0, np.float32), np.zeros(5, np.float32))
    for calibration, most in ((by, 0.03), (CalibrationMap(), 0.2)):
        said = ReasonModel([f"a.{c}" for c in "abcde"], arrays, calibration).distribution(scores * 1.7, words).proba
        top, right = said.max(axis=1), said.argmax(axis=1) == labels
        gaps = [abs(top[band].mean() - right[band].mean()) for band in np.array_split(np.argsort(top), 10)]
        assert max(gaps) < most
        assert (max(gaps) > 0.05) == (calibration == CalibrationMap())


def test_nothing_to_learn_from_changes_nothing() -> None:
    empty = fit_calibration(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64), 1.5)
    assert empty == CalibrationMap(1.5)
    assert fit_mix(
        np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64), 3
    ) == pytest.approx((2.5, 1.2, 2.0))


WORDS = st.sampled_from(["parcel", "invoice", "zz", "qqx", "late", "the", "[mail]", "4711", "Straße"])


@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=5))
def test_known_words_are_those_of_the_vocabulary(texts: list[str]) -> None:
    vocabulary = Vocabulary.learn(count_features(["the parcel late", "the invoice [mail] 4711"]), 2, min_df=1)
    known = {word for text in ("the parcel late", "the invoice [mail] 4711") for word in split_words([text])[0]}
    expected = [sum(word in known for word in words) for words in split_words(texts)]
    assert count_known_words(texts, vocabulary.hashes).tolist() == expected


def test_the_least_share_of_known_words_is_a_third_or_half_of_what_nearly_all_texts_have() -> None:
    plain = ["the parcel is late"] * 50
    vocabulary = Vocabulary.learn(count_features(plain), 50)
    assert least_known_share(plain, vocabulary, 50, 2) == pytest.approx(1 / 3)
    some = [f"the parcel {i}x {i}y" for i in ("abcdefghijklmnopqrstuvwxyz"[n % 26] * (1 + n // 26) for n in range(50))]
    vocabulary = Vocabulary.learn(count_features(some), 50)
    assert least_known_share(some, vocabulary, 50, 2) == pytest.approx(0.25)  # "the" and "parcel" of four words
    runs = [chr(0x4E00 + i) * 8 for i in range(50)]  # a language that writes no spaces: each text is one new word
    assert least_known_share(runs, Vocabulary.learn(count_features(runs), 50, min_df=1), 50, 1) == 0


def test_a_text_of_words_never_met_is_not_in_scope() -> None:
    texts = [
        "where is my parcel",
        "my parcel is not here",
        "is the parcel late",
        "send me the invoice",
        "where is the invoice",
        "the invoice is not here",
    ]
    classifier = ReasonClassifier(min_df=1, hidden_units=0).fit(texts * 3, (["a.parcel"] * 3 + ["b.invoice"] * 3) * 3)
    assert classifier.model_.calibration.least_known > 0.2
    said = classifier.predict_scope(["wo steckt denn my parcel", "wo steckt mein paket the", "parcel"])
    assert (said > 0).tolist() == [True, False, True]
