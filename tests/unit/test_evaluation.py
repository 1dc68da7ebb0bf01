from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from contact_reasons.evaluation import labels_depend_on_texts, likely_mislabelled, proportion, score_reasons

reason = st.sampled_from(["a.x", "a.y", "b.x", "b.z"])


@given(pairs=st.lists(st.tuples(reason, reason), min_size=1, max_size=40))
def test_scores_equal_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = map(list, zip(*pairs, strict=True))
    scores = score_reasons(truth, predicted)
    assert scores.secondary.share == pytest.approx(accuracy_score(truth, predicted))
    assert scores.primary.share == pytest.approx(accuracy_score([t[0] for t in truth], [p[0] for p in predicted]))
    labels = sorted(set(truth))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, predicted, labels=labels, average="macro", zero_division=0))
    for score in scores.reasons:
        one = {"labels": [score.reason], "average": "micro", "zero_division": 0}
        if score.recall.total:
            assert score.recall.share == pytest.approx(recall_score(truth, predicted, **one))
        if score.precision.total:
            assert score.precision.share == pytest.approx(precision_score(truth, predicted, **one))
    assert sum(confusion.times for confusion in scores.confusions) == sum(t != p for t, p in pairs)


@given(total=st.integers(1, 400), data=st.data())
def test_wilson_limits_solve_their_equation(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    found = proportion(hits, total)
    assert 0 <= found.low <= found.share <= found.high <= 1
    for limit in (found.low, found.high):
        if 0 < limit < 1:
            assert (found.share - limit) ** 2 == pytest.approx(1.959963984540054**2 * limit * (1 - limit) / total)


def test_nothing_has_no_share() -> None:
    assert math.isnan(proportion(0, 0).share)
    assert str(proportion(0, 0)) == "none"
    with pytest.raises(ValueError, match="between 0 and total"):
        proportion(3, 2)
    with pytest.raises(ValueError, match="2 true and 1 predicted"):
        score_reasons(["a.x", "a.y"], ["a.x"])


def slow_suspects(proba: list[list[float]], given: list[int]) -> set[tuple[int, int]]:
    """The definition, label by label; labels of fewer than five rows are left out."""
    count = [given.count(j) for j in range(len(proba[0]))]
    threshold = [
        math.fsum(p[j] for p, g in zip(proba, given, strict=True) if g == j) / count[j] if count[j] else 2.0
        for j in range(len(count))
    ]
    found = set()
    for row, (p, g) in enumerate(zip(proba, given, strict=True)):
        confident = [j for j in range(len(p)) if count[j] >= 5 and p[j] >= threshold[j] - 1e-12]
        if confident and count[g] >= 5:
            best = max(confident, key=lambda j: (p[j], -j))
            if best != g and p[best] > p[g]:
                found.add((row, best))
    return found


chances = st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any).map(lambda w: [x / sum(w) for x in w])


@given(rows=st.lists(st.tuples(chances, st.integers(0, 2)), min_size=1, max_size=40))
def test_suspects_are_those_of_the_definition_ranked_by_margin(rows: list[tuple[list[float], int]]) -> None:
    proba, given_labels = [row[0] for row in rows], [row[1] for row in rows]
    found = likely_mislabelled(np.array(proba), ["abc"[g] for g in given_labels], ["a", "b", "c"])
    assert {(s.row, "abc".index(s.suggested)) for s in found} == slow_suspects(proba, given_labels)
    margins = [s.probability_given - s.probability_suggested for s in found]
    assert margins == sorted(margins)
    for suspect in found:
        assert suspect.given == "abc"[given_labels[suspect.row]]
        assert suspect.probability_suggested == proba[suspect.row]["abc".index(suspect.suggested)]


def test_rows_that_no_model_judged_are_not_doubted() -> None:
    proba = np.array([[0.9, 0.1]] * 6 + [[0.1, 0.9]] * 6 + [[0.0, 1.0]])
    given_labels = ["a"] * 6 + ["b"] * 6 + ["a"]
    assert [s.row for s in likely_mislabelled(proba, given_labels, ["a", "b"])] == [12]
    assert likely_mislabelled(proba, given_labels, ["a", "b"], judged=np.arange(13) != 12) == ()
    with pytest.raises(ValueError, match="shape"):
        likely_mislabelled(proba[:3], given_labels, ["a", "b"])


def some_texts(n: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    words = [
        "parcel",
        "order",
        "late",
        "refund",
        "money",
        "invoice",
        "account",
        "login",
        "code",
        "shop",
        "size",
        "colour",
        "price",
        "card",
    ]
    return [" ".join(draw.choices(words, k=draw.randrange(4, 9))) for _ in range(n)]


def test_labels_that_follow_a_word_depend_on_the_text_even_where_one_is_rare() -> None:
    texts = some_texts(300)
    rare = ["safety" if "parcel late" in text else "other" for text in texts]
    assert 3 < rare.count("safety") < 40
    found = labels_depend_on_texts(texts, rare)
    assert (found.verdict, found.permutations) == ("depend", 99)
    assert found.p_value <= 0.05
    assert found.majority.hits == rare.count("other")


def test_shuffled_labels_are_found_out() -> None:
    labels = ["a", "b", "c"] * 100
    found = labels_depend_on_texts(some_texts(300), labels, seed=1)
    assert (found.verdict, found.rows) == ("no_sign", 300)
    assert not found.beats_majority
    assert found.permuted_accuracy == pytest.approx(1 / 3, abs=0.05)


def test_labels_of_customers_are_no_evidence() -> None:
    """Each customer repeats one text and one label: without groups this looks like dependence."""
    texts, labels = some_texts(120), [random.Random(n).choice("ab") for n in range(120)]
    many, their_labels, groups = texts * 5, labels * 5, list(range(120)) * 5
    assert labels_depend_on_texts(many, their_labels).verdict == "depend"
    grouped = labels_depend_on_texts(many, their_labels, groups)
    assert (grouped.verdict, grouped.rows) == ("no_sign", 120)


def test_few_texts_tell_nothing_and_the_seed_decides_all_else() -> None:
    assert labels_depend_on_texts(["a", "b"], ["x", "y"]).verdict == "too_few"
    assert labels_depend_on_texts(some_texts(30), ["x", "y"] * 15).verdict == "too_few"
    assert labels_depend_on_texts(some_texts(60), ["x"] * 60).verdict == "too_few"
    one, two = (labels_depend_on_texts(some_texts(80), ["x", "y"] * 40, seed=5) for _ in range(2))
    assert one == two
    with pytest.raises(ValueError, match="fewer than 19"):
        labels_depend_on_texts(["a"], ["b"], permutations=9)
    with pytest.raises(ValueError, match="differ in length"):
        labels_depend_on_texts(["a"], [])
