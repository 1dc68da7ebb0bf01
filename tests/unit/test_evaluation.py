from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from contact_reasons.evaluation import proportion, score_reasons

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
