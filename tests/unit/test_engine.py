"""Quantised rows, arrays that must fit, and the reference's arithmetic."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contact_reasons.classifier import HiddenLayer, ModelArrays, ReasonModel, TokenPrior, Vocabulary, quantise_rows
from contact_reasons.classifier.engine import ReferenceEngine, make_engine
from contact_reasons.classifier.features import count_features
from tests.unit.test_prior import PRIOR

RANDOM_PRIOR = TokenPrior(
    PRIOR.token_hashes,
    np.random.default_rng(4).integers(-127, 128, PRIOR.vectors.shape).astype(np.int8),
    np.random.default_rng(5).random(PRIOR.n_tokens).astype(np.float32),
)
TEXTS = ["refund my parcel", "refunds paref", "", "unknown words"]


def arrays(**changes: Any) -> ModelArrays:
    rng = np.random.default_rng(3)
    vocabulary = Vocabulary.learn(count_features(TEXTS), len(TEXTS), min_df=1, max_df=1.0)
    word_ids = np.flatnonzero(~vocabulary.is_char)[::2].astype(np.int32)
    n_words = len(word_ids)
    layer: dict[str, Any] = {
        "prior": RANDOM_PRIOR,
        "tuned_ids": np.array([0, 3, 5], np.int32),
        "tuned_rows": rng.integers(-127, 128, (3, 7)).astype(np.int8),
        "tuned_scale": rng.random(3).astype(np.float32),
        "projection": rng.normal(size=(4, 7)).astype(np.float32),
        "word_ids": word_ids,
        "word_rows": rng.integers(-127, 128, (n_words, 7)).astype(np.int8),
        "word_scale": rng.random(n_words).astype(np.float32),
        "hidden_bias": rng.normal(size=7).astype(np.float32),
        "out": rng.normal(size=(7, 5)).astype(np.float32),
    }
    whole: dict[str, Any] = {
        "rows": rng.integers(-127, 128, (vocabulary.n_features, 5)).astype(np.int8),
        "row_scale": rng.random(vocabulary.n_features).astype(np.float32),
        "intercept": rng.normal(size=5).astype(np.float32),
    }
    layer.update({name: value for name, value in changes.items() if name in layer})
    whole.update({name: value for name, value in changes.items() if name in whole})
    return ModelArrays(vocabulary, **whole, hidden=HiddenLayer(**layer))


@given(
    weights=hnp.arrays(
        np.float32, st.tuples(st.integers(0, 5), st.integers(1, 6)), elements=st.floats(-1000, 1000, width=16)
    )
)
def test_quantised_rows_are_within_half_a_step_and_stable(weights: np.ndarray) -> None:
    rows, scale = quantise_rows(weights)
    assert rows.dtype == np.int8
    assert (np.abs(weights - rows * scale[:, None]) <= 0.5001 * scale[:, None] + 1e-12).all()
    again = quantise_rows(rows * scale[:, None])
    assert (again[0] == rows).all()
    np.testing.assert_allclose(again[1], scale, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_each_of_many_rows_is_quantised_as_alone(dtype: type) -> None:
    weights = np.random.default_rng(0).normal(size=(2100, 5)).astype(dtype)
    weights[::7] = 0
    rows, scale = quantise_rows(weights)
    for i in (0, 1, 1023, 1024, 2047, 2048, 2099):
        alone = quantise_rows(weights[i : i + 1])
        assert rows[i].tolist() == alone[0][0].tolist()
        assert scale[i] == alone[1][0]


def test_the_reference_computes_the_written_formula() -> None:
    model = arrays()
    hidden = model.hidden
    assert hidden is not None
    scores, n_words = np.zeros((len(TEXTS), 5), np.float32), np.zeros((len(TEXTS), 2), np.int32)
    ReferenceEngine(model).score(tuple(TEXTS), 0, len(TEXTS), scores, n_words)
    tfidf = model.vocabulary.transform(TEXTS).toarray()
    for row, text in enumerate(TEXTS):
        pooled = tfidf[row][hidden.word_ids] @ (hidden.word_scale[:, None] * hidden.word_rows)
        tokens = PRIOR.tokenise([text])[0].tolist()
        for token in tokens:
            place = hidden.tuned_ids.tolist().index(token) if token in hidden.tuned_ids else None
            if place is None:
                pooled += (
                    (RANDOM_PRIOR.vector_scale[token] * RANDOM_PRIOR.vectors[token]) @ hidden.projection / len(tokens)
                )
            else:
                pooled += hidden.tuned_scale[place] * hidden.tuned_rows[place] / len(tokens)
        expected = model.intercept + tfidf[row] @ (model.row_scale[:, None] * model.rows)
        expected = expected + np.maximum(0, hidden.hidden_bias + pooled) @ hidden.out
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-4)
    assert n_words[:, 0].tolist() == [3, 2, 0, 2]
    assert n_words[:, 1].max() <= 3


@pytest.mark.parametrize(
    "name",
    [
        "rows",
        "row_scale",
        "intercept",
        "tuned_rows",
        "tuned_scale",
        "projection",
        "word_rows",
        "word_scale",
        "hidden_bias",
        "out",
    ],
)
def test_an_array_of_a_wrong_shape_is_refused(name: str) -> None:
    whole = arrays()
    source: Any = whole if hasattr(whole, name) else whole.hidden
    with pytest.raises(ValueError, match="does not fit the others"):
        arrays(**{name: getattr(source, name)[:-1]})


@pytest.mark.parametrize("ids", [[0, 0, 1], [2, 1, 3], [-1, 0, 1], [0, 1, 10_000]])
def test_tuned_ids_outside_the_prior_are_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="tuned_ids must be sorted"):
        arrays(tuned_ids=np.array(ids, np.int32))


def test_a_model_survives_pickling_with_its_engine_made_again() -> None:
    model = ReasonModel(["a.a", "a.b", "a.c", "a.d"], arrays())
    said = model.predict(TEXTS)
    again = pickle.loads(pickle.dumps(model)).predict(TEXTS)
    assert (again.proba == said.proba).all()
    assert (again.in_scope == said.in_scope).all()


def test_in_scope_is_the_share_of_the_reasons_in_the_whole_softmax() -> None:
    model = ReasonModel(["a.a", "a.b", "a.c", "a.d"], arrays())
    scores = np.array([[0.5, -1.0, 2.0, 0.0, 1.5], [0, 0, 0, 0, 900.0], [0, 0, 0, 0, -900.0]])
    proba, in_scope = model.distribution(scores, np.array([1, 2, 3]))
    whole = np.exp(scores[0] - 2.0)
    np.testing.assert_allclose(in_scope, [1 - whole[4] / whole.sum(), 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(proba[0], whole[:4] / whole[:4].sum())


def test_an_unknown_wish_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACT_REASONS_KERNEL", "fast")
    with pytest.raises(ValueError, match="set it to on or off"):
        make_engine(arrays())
