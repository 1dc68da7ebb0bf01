"""What is in scope where few texts out of scope are given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from contact_reasons.classifier.estimator import FEWEST_OUTSIDE, ReasonClassifier
from contact_reasons.classifier.scope import fit_scope, read_background

PLACES = ["kitchen", "bathroom", "hall", "cellar", "attic", "garden", "garage", "bedroom"]
TEXTS = [f"the {thing} in the {place} {what}" for thing, what in (("lamp", "flickers again"), ("tap", "drips all night"), ("door", "does not close")) for place in PLACES]  # fmt: skip
IDS = [f"{kind}.broken" for kind in ("light", "water", "doors") for _ in PLACES]
SMALL = {"hidden_units": 8, "members": 1, "n_jobs": 1, "min_df": 1}
FOREIGN = ["who won the football match yesterday", "my visa card was declined in the shop", "play something by mozart"]


def test_the_background_is_of_many_kinds_and_without_repeats() -> None:
    background = read_background()
    assert len(background) > 5000
    assert len({text.casefold().strip() for text in background}) == len(background)


def test_without_texts_out_of_scope_the_background_teaches_what_is() -> None:
    classifier = ReasonClassifier(**SMALL).fit(TEXTS, IDS)
    inside = classifier.predict_scope(["the lamp in the cellar flickers", "the tap drips"])
    assert inside.min() > classifier.predict_scope(FOREIGN).max()
    assert classifier.out_of_fold_.in_scope.shape == (len(TEXTS),)
    assert 0.5 < classifier.out_of_fold_.in_scope.mean() < 1


def test_an_empty_list_means_that_nothing_is_known() -> None:
    classifier = ReasonClassifier(**SMALL).fit(TEXTS, IDS, out_of_scope=[])
    assert not classifier.model_.knows_scope
    assert classifier.predict_scope(["the tap", "the lamp in the moon palace flickers"]).tolist() == [1.0, 1.0]


def test_the_background_changes_no_reason() -> None:
    with_it, without = (ReasonClassifier(**SMALL).fit(TEXTS, IDS, out_of_scope=given) for given in (None, []))
    np.testing.assert_allclose(
        with_it.predict_proba(TEXTS + FOREIGN), without.predict_proba(TEXTS + FOREIGN), atol=0.02
    )
    assert with_it.mix_ == without.mix_


@pytest.mark.parametrize("n", [3, FEWEST_OUTSIDE])
def test_texts_out_of_scope_that_are_given_count(n: int) -> None:
    """Few of them join the background, many are a class of their own; both are answered for in held-out folds."""
    outside = [f"the neighbour's {animal} number {i} barks" for i in range(n) for animal in ("dog",)]
    outside = [f"{text} {word}" for text, word in zip(outside, ["loudly", "at night", "always"] * n, strict=False)]
    classifier = ReasonClassifier(**SMALL).fit(TEXTS, IDS, out_of_scope=outside)
    assert len(classifier.out_of_fold_.in_scope) == len(TEXTS) + n
    assert len(classifier.classes_) == 3
    inside = classifier.predict_scope(TEXTS).min()
    assert classifier.predict_scope(["the neighbour's dog barks loudly"]).max() < inside


def test_background_texts_that_look_like_the_business_are_left_out() -> None:
    """Half of the background is of the labelled kind and has as much evidence: it must not teach that they are out of scope."""
    rng = np.random.default_rng(0)
    ours, theirs = (sparse.csr_matrix((rng.random((200, 40)) < 0.2) * (np.arange(40) // 20 == k)) for k in (0, 1))
    ours, theirs = ours.astype(np.float32), theirs.astype(np.float32)
    evidence = np.full(200, 8.0) + rng.normal(0, 1, 200)
    found = fit_scope(
        ours,
        evidence,
        np.ones(200, dtype=np.bool_),
        np.arange(200) % 5,
        sparse.vstack([ours, theirs]).tocsr(),
        np.concatenate([evidence, rng.normal(2, 1, 200)]),
    )
    scores = np.concatenate(
        [evidence - (ours @ found.weights + found.intercept), 2 - (theirs @ found.weights + found.intercept)]
    )
    assert roc_auc_score([1] * 200 + [0] * 200, scores) > 0.99
    assert (scores[:200] > 0).mean() > 0.95
    np.testing.assert_allclose(np.sign(evidence - found.held_out)[:200].mean(), 1, atol=0.1)


def test_the_same_texts_give_the_same_scope_twice() -> None:
    first = ReasonClassifier(**SMALL).fit(TEXTS, IDS).predict_scope(TEXTS + FOREIGN)
    again = ReasonClassifier(**SMALL).fit(TEXTS, IDS).predict_scope(TEXTS + FOREIGN)
    assert (first == again).all()
