"""Promises that hold for every classifier of this package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import contact_reasons as cr
from contact_reasons.errors import TrainingError
from tests.conftest import TINY_OUTSIDE, TINY_TEXTS
from tests.strategies import any_text, contact_text

TEXTS = [text for texts in TINY_TEXTS.values() for text in texts]
IDS = [reason for reason, texts in TINY_TEXTS.items() for _ in texts]
ODD = ["", " ", "a", "?", "😀", "שלום איפה החבילה שלי", "\0", "\ud800", "e\u0301", "where is my parcel " * 600_000]


@pytest.fixture(scope="module")
def fitted() -> cr.ReasonClassifier:
    return cr.ReasonClassifier(min_df=1).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE)


def test_rows_sum_to_one_and_primaries_are_sums_of_their_secondaries(fitted: cr.ReasonClassifier) -> None:
    proba, primary = fitted.predict_proba(TEXTS + ODD), fitted.predict_primary_proba(TEXTS + ODD)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)
    assert ((proba >= 0) & (proba <= 1)).all()
    for column, name in enumerate(fitted.primaries_):
        inside = [i for i, reason in enumerate(fitted.classes_) if reason.startswith(f"{name}.")]
        np.testing.assert_allclose(primary[:, column], proba[:, inside].sum(axis=1), atol=1e-12)


def test_the_predicted_reason_is_the_most_probable_one(fitted: cr.ReasonClassifier) -> None:
    proba = fitted.predict_proba(TEXTS)
    assert fitted.predict(TEXTS).tolist() == [fitted.classes_[row.argmax()] for row in proba]
    assert list(fitted.classes_) == sorted(set(IDS))
    assert (fitted.predict(TEXTS) == np.array(IDS)).mean() > 0.9


@settings(max_examples=25)
@given(texts=st.lists(contact_text | any_text, min_size=1, max_size=12), size=st.integers(1, 5))
def test_a_row_does_not_depend_on_its_batch(fitted: cr.ReasonClassifier, texts: list[str], size: int) -> None:
    whole = fitted.predict_proba(texts)
    alone = np.vstack([fitted.predict_proba([text]) for text in texts])
    parts = np.vstack([fitted.predict_proba(texts[i : i + size]) for i in range(0, len(texts), size)])
    turned = fitted.predict_proba(texts[::-1])[::-1]
    assert (whole == alone).all()
    assert (whole == parts).all()
    assert (whole == turned).all()


def test_odd_texts_alone_and_together_are_the_same(fitted: cr.ReasonClassifier) -> None:
    whole = fitted.predict_proba(ODD)
    assert (whole == np.vstack([fitted.predict_proba([text]) for text in ODD])).all()
    assert fitted.predict_scope(["", "שלום", "a", "12345", "[number]", "[mail] [phone]"]).tolist() == [0.0] * 6


@pytest.mark.parametrize(
    "wrap",
    [list, tuple, np.array, lambda t: np.array(t, dtype=object), pd.Series, pl.Series, pa.array, lambda t: pa.chunked_array([t])],
    ids=["list", "tuple", "str array", "object array", "pandas", "polars", "Arrow array", "Arrow chunks"],
)  # fmt: skip
def test_texts_and_ids_may_come_in_any_column(fitted: cr.ReasonClassifier, wrap: Any) -> None:
    again = cr.ReasonClassifier(min_df=1).fit(wrap(TEXTS), wrap(IDS), out_of_scope=wrap(TINY_OUTSIDE))
    assert (again.predict_proba(wrap(TEXTS)) == fitted.predict_proba(TEXTS)).all()


def bytes_of(classifier: cr.ReasonClassifier) -> tuple[bytes, ...]:
    arrays = classifier.model_.arrays
    return arrays.rows.tobytes(), arrays.row_scale.tobytes(), arrays.intercept.tobytes()


def test_same_texts_and_seed_give_the_same_bytes(fitted: cr.ReasonClassifier) -> None:
    again = clone(fitted).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE)
    assert bytes_of(again) == bytes_of(fitted)
    refitted = clone(fitted).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE)
    assert bytes_of(refitted) == bytes_of(fitted)


def test_fitting_leaves_its_inputs_alone() -> None:
    texts, ids = list(TEXTS), list(IDS)
    cr.ReasonClassifier(min_df=1).fit(texts, ids)
    assert (texts, ids) == (TEXTS, IDS)


def test_it_has_the_manners_of_a_scikit_learn_classifier() -> None:
    classifier = cr.ReasonClassifier(C=2.0, min_df=1)
    assert is_classifier(classifier)
    assert clone(classifier).get_params() == classifier.get_params()
    assert classifier.set_params(C=1.0).C == 1.0
    assert "C=1.0" in repr(classifier)
    search = GridSearchCV(classifier, {"C": [0.1, 1.0]}, cv=2, error_score="raise").fit(TEXTS, IDS)
    assert search.best_score_ > 0.5


def test_use_before_fitting_is_refused() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        cr.ReasonClassifier().predict(["x"])


@pytest.mark.parametrize(
    ("texts", "ids", "message"),
    [
        ("one text", ["a.b"], r"texts is a single string"),
        (["x", None], ["a.b", "a.c"], r"texts\[1\] is missing"),
        (["x", 3], ["a.b", "a.c"], r"texts\[1\] is 'int'"),
        (np.array([["x"], ["y"]]), ["a.b", "a.c"], r"has 2 dimensions"),
        (["x", "y"], ["a.b"], r"2 texts but 1 ids"),
        (["x", "y"], ["a.b", "ab"], r"ids\[1\] is 'ab'; an id is 'primary\.secondary'"),
        (["x", "y"], ["a.b", 3], r"ids\[1\] is 3"),
        (["x", "y"], ["a.b", "a.b"], r"needs at least two reasons"),
        ([], [], r"needs at least two reasons"),
        (["!", "?"], ["a.b", "a.c"], r"nothing to learn from"),
    ],
)
def test_texts_and_ids_that_cannot_be_trained_on_are_named(texts: Any, ids: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        cr.ReasonClassifier(min_df=1).fit(texts, ids)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"C": 0}, "C is 0"), ({"min_df": 0}, "min_df is 0"), ({"min_df": 1.5}, "min_df is 1.5"), ({"class_weight": "even"}, "class_weight is 'even'"), ({"calibration_folds": 1}, "calibration_folds is 1")],
)  # fmt: skip
def test_parameters_out_of_range_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        cr.ReasonClassifier(**parameters).fit(TEXTS, IDS)


def test_one_text_a_reason_is_enough_to_train() -> None:
    classifier = cr.ReasonClassifier(min_df=1).fit(["where is my parcel", "invoice please"], ["a.x", "b.y"])
    assert classifier.predict(["the invoice"]).tolist() == ["b.y"]
    np.testing.assert_allclose(classifier.predict_proba(["the invoice"]).sum(), 1.0)


def test_equal_texts_and_equal_groups_stay_on_one_side_of_a_split() -> None:
    from contact_reasons.classifier.folds import fold_keys, stratified_folds

    texts = ["same text", "Same  TEXT", "other", "third", "fourth", "fifth"]
    folds = stratified_folds(np.zeros(6, dtype=np.int64), fold_keys(texts, None, 6), 3)
    assert folds[0] == folds[1]
    grouped = stratified_folds(np.zeros(6, dtype=np.int64), fold_keys(texts, ["a", "b", "c", "b", "b", "a"], 6), 3)
    assert grouped[1] == grouped[3] == grouped[4]
    assert grouped[0] == grouped[5]


def test_folds_do_not_depend_on_the_order_of_rows() -> None:
    from contact_reasons.classifier.folds import fold_keys, stratified_folds

    target = np.array([0, 1] * 10, dtype=np.int64)
    texts = [f"text {i}" for i in range(20)]
    keys = fold_keys(texts, None, 20)
    folds = stratified_folds(target, keys, 3)
    order = np.random.default_rng(0).permutation(20)
    assert (stratified_folds(target[order], [keys[i] for i in order], 3) == folds[order]).all()


def test_a_group_for_each_text_is_required() -> None:
    with pytest.raises(TrainingError, match="20 texts but 1 groups"):
        cr.ReasonClassifier(min_df=1).fit(TEXTS, IDS, groups=["a"])
