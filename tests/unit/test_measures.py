"""Measures against slow twins, values from their papers' formulas worked by hand, and other libraries."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from contact_reasons.evaluation import (
    confusion_matrix,
    equal_mass_edges,
    equal_width_edges,
    hierarchical_scores,
    reliability_bins,
    risk_coverage,
    roc_area,
    score_confidence,
    score_labels,
    score_probabilities,
)
from contact_reasons.records import RankedReason, ReasonLabel

answers = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 1 / 3, 0.4, 0.5, 0.8, 0.93, 1.0]), st.booleans()), max_size=25)
some_answers = answers.filter(bool)
CLASSES = ("a.x", "a.y", "b.z")


def split(pairs: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    return [chance for chance, _ in pairs], [right for _, right in pairs]


def slow_ece(pairs: list[tuple[float, bool]], edges: list[float]) -> float:
    """The definition, bin by bin: (low, high], the first with its low end."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = [(c, r) for c, r in pairs if low < c <= high or (c == low == edges[0])]
        if inside:
            total += abs(sum(r for _, r in inside) - sum(c for c, _ in inside)) / len(pairs)
    return total


@given(pairs=some_answers)
def test_calibration_error_is_its_definition(pairs: list[tuple[float, bool]]) -> None:
    found = score_confidence(*split(pairs))
    assert found.ece == pytest.approx(slow_ece(pairs, [m / 15 for m in range(16)]))
    assert found.ece_equal_mass == pytest.approx(slow_ece(pairs, equal_mass_edges(split(pairs)[0]).tolist()))
    assert found.brier_top == pytest.approx(sum((c - r) ** 2 for c, r in pairs) / len(pairs))
    assert found.mean_confidence == pytest.approx(sum(c for c, _ in pairs) / len(pairs))


@given(pairs=some_answers, seed=st.integers(0, 5))
def test_the_order_of_answers_changes_no_bit_of_a_measure(pairs: list[tuple[float, bool]], seed: int) -> None:
    others = random.Random(seed).sample(pairs, len(pairs))
    assert score_confidence(*split(pairs)) == score_confidence(*split(others))
    assert reliability_bins(*split(pairs)) == reliability_bins(*split(others))
    one, two = risk_coverage(*split(pairs)), risk_coverage(*split(others))
    assert (one.area, one.excess_area, one.points()) == (two.area, two.excess_area, two.points())


def test_calibration_error_worked_by_hand() -> None:
    """Fifteen bins: 0.62 and 0.65 share one, 0.97 is alone. |1 - 1.27|/3 + |1 - 0.97|/3."""
    found = score_confidence([0.62, 0.65, 0.97], [True, False, True])
    assert found.ece == pytest.approx((0.27 + 0.03) / 3)
    assert found.brier_top == pytest.approx((0.38**2 + 0.65**2 + 0.03**2) / 3)
    assert (found.right.hits, found.right.total) == (2, 3)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_it() -> None:
    bins = reliability_bins([0.0, 0.2, 0.4, 1.0], [True] * 4, equal_width_edges(5))
    assert [(one.low, one.high, one.right.total) for one in bins] == [(0.0, 0.2, 2), (0.2, 0.4, 1), (0.8, 1.0, 1)]


@given(pairs=some_answers, bins=st.integers(1, 6))
def test_bins_hold_every_answer_once(pairs: list[tuple[float, bool]], bins: int) -> None:
    chance, right = split(pairs)
    for edges in (equal_width_edges(bins), equal_mass_edges(chance, bins)):
        found = reliability_bins(chance, right, edges)
        assert sum(one.right.total for one in found) == len(pairs)
        assert sum(one.right.hits for one in found) == sum(right)
        assert all(one.low - 1e-12 <= one.mean_confidence <= one.high + 1e-12 for one in found)
        assert len(found) <= bins


def test_equal_mass_bins_hold_equally_many_where_confidences_differ() -> None:
    chance = np.random.default_rng(1).random(90)
    found = reliability_bins(chance, chance > 0.5, equal_mass_edges(chance, 9))
    assert [one.right.total for one in found] == [10] * 9


def test_chance_alone_explains_perfect_confidences_and_not_boasting_ones() -> None:
    draw = np.random.default_rng(7)
    chance = draw.random(3000)
    honest = score_confidence(chance, draw.random(3000) < chance)
    boasting = score_confidence(chance, draw.random(3000) < chance**2)
    assert honest.ece < honest.ece_by_chance_high
    assert boasting.ece > 3 * boasting.ece_by_chance_high
    few = score_confidence(chance[:100], draw.random(100) < chance[:100])
    assert 0 < honest.ece_by_chance < honest.ece_by_chance_high < few.ece_by_chance < few.ece_by_chance_high


def test_certain_and_right_is_perfect() -> None:
    found = score_confidence([1.0, 1.0, 0.0], [True, True, False])
    assert (found.ece, found.ece_equal_mass, found.ece_by_chance, found.brier_top) == (0, 0, 0, 0)


@st.composite
def distributions(draw: st.DrawFn) -> tuple[list[list[float]], list[str | None]]:
    n = draw(st.integers(1, 12))
    weights = draw(st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=n, max_size=n))
    rows = [[w / max(sum(row), 1) for w in row] for row in weights]
    truth = draw(st.lists(st.sampled_from([*CLASSES, None, "c.new"]), min_size=n, max_size=n))
    return [row[:3] for row in rows], truth


@given(data=distributions())
def test_proper_scores_are_their_definitions(data: tuple[list[list[float]], list[str | None]]) -> None:
    rows, truth = data
    brier, loss = 0.0, 0.0
    for row, reason in zip(rows, truth, strict=True):
        chances = {**dict(zip(CLASSES, row, strict=True)), None: max(1 - sum(row), 0.0), "c.new": 0.0}
        brier += sum((chance - (name == reason)) ** 2 for name, chance in chances.items())
        loss -= math.log(max(chances[reason], 1e-15))
    found = score_probabilities(rows, truth, CLASSES)
    assert found.brier == pytest.approx(brier / len(rows))
    assert found.log_loss == pytest.approx(loss / len(rows), rel=1e-6)


def test_log_loss_equals_that_of_scikit_learn() -> None:
    proba = np.random.default_rng(3).dirichlet([1, 2, 1], size=40)
    truth = [CLASSES[i] for i in np.random.default_rng(4).integers(0, 3, 40)]
    expected = log_loss(truth, proba, labels=list(CLASSES))
    assert score_probabilities(proba, truth, CLASSES).log_loss == pytest.approx(expected)


def test_brier_scores_run_from_nothing_to_two() -> None:
    assert score_probabilities([[1, 0]], ["a.x"], ["a.x", "a.y"]).brier == 0
    assert score_probabilities([[1, 0]], ["a.y"], ["a.x", "a.y"]).brier == 2
    assert score_probabilities([[0, 0]], [None], ["a.x", "a.y"]) == (0, 0)


def slow_aurc(pairs: list[tuple[float, bool]]) -> float:
    """Mean over all orders of equal confidences of the mean selective risk."""
    areas = []
    for order in itertools.permutations(pairs):
        if all(a[0] >= b[0] for a, b in itertools.pairwise(order)):
            errors = list(itertools.accumulate(wrong for _, wrong in order))
            areas.append(sum(e / k for k, e in enumerate(errors, 1)) / len(order))
    return sum(areas) / len(areas)


@given(pairs=st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=6))
def test_the_area_under_the_risk_coverage_curve_is_the_mean_over_all_orders_of_ties(
    pairs: list[tuple[float, bool]],
) -> None:
    curve = risk_coverage(*split(pairs))
    assert curve.area == pytest.approx(slow_aurc(pairs))
    best = sorted((float(not wrong), wrong) for _, wrong in pairs)[::-1]
    ranked = [(1 - at / 100, wrong) for at, (_, wrong) in enumerate(best)]
    assert curve.excess_area == pytest.approx(curve.area - slow_aurc(ranked))
    assert curve.excess_area >= -1e-12


@given(pairs=some_answers, risk=st.sampled_from([0.0, 0.1, 0.25, 0.5]))
def test_coverage_at_a_risk_is_the_most_that_any_threshold_gives(pairs: list[tuple[float, bool]], risk: float) -> None:
    most = 0
    for threshold, _ in pairs:
        answered = [wrong for chance, wrong in pairs if chance >= threshold]
        if sum(answered) <= risk * len(answered) + 1e-9:
            most = max(most, len(answered))
    point = risk_coverage(*split(pairs)).at_risk(risk)
    assert (0 if point is None else point.coverage.hits) == most
    if point is not None:
        reported = [wrong for chance, wrong in pairs if chance >= point.confidence]
        assert (len(reported), sum(reported)) == (point.risk.total, point.risk.hits)


def test_points_of_a_long_curve_are_few_and_end_with_the_last() -> None:
    chance = np.random.default_rng(0).random(5000)
    points = risk_coverage(chance, chance < 0.2).points(50)
    assert len(points) == 50
    assert points[-1].coverage.hits == 5000
    assert [point.coverage.hits for point in points] == list(range(100, 5001, 100))


reason = st.sampled_from(["a.x", "a.y", "b.z", "a", None])


@given(pairs=st.lists(st.tuples(reason, reason), min_size=1, max_size=15))
def test_hierarchical_scores_count_nodes(pairs: list[tuple[str | None, str | None]]) -> None:
    def nodes(name: str | None) -> set[str]:
        return set() if name is None else {name, name[0]}

    found = hierarchical_scores(*map(list, zip(*pairs, strict=True)))
    right = sum(len(nodes(t) & nodes(p)) for t, p in pairs)
    true, answered = (sum(len(nodes(pair[side])) for pair in pairs) for side in (0, 1))
    assert (found.right, found.answered, found.true) == (right, answered, true)
    if right:
        precision, recall = right / answered, right / true
        assert found.precision == precision
        assert found.recall == recall
        assert found.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert math.isnan(found.precision) == (answered == 0)
    assert math.isnan(found.recall) == (true == 0)


def test_an_abstention_costs_recall_and_a_wrong_sister_less_than_a_wrong_stranger() -> None:
    assert hierarchical_scores(["a.x", "a.x"], ["a.x", None])[:2] == (1.0, 0.5)
    assert hierarchical_scores(["a.x"], ["a"])[:2] == (1.0, 0.5)
    assert hierarchical_scores(["a.x"], ["a.y"]).f1 == 0.5
    assert hierarchical_scores(["a.x"], ["b.z"]).f1 == 0
    assert hierarchical_scores(["a.x", None], ["a.x", "b.z"])[:2] == (0.5, 1.0)


groups = st.lists(st.sampled_from([0.0, 0.2, 0.2, 0.5, 0.7, 1.0]), min_size=1, max_size=12)


@given(inside=groups, outside=groups)
def test_the_roc_area_is_that_of_scikit_learn_and_its_limits_solve_their_equation(
    inside: list[float], outside: list[float]
) -> None:
    found = roc_area(inside, outside)
    truth = [1] * len(inside) + [0] * len(outside)
    assert found.area == pytest.approx(roc_auc_score(truth, inside + outside))
    assert 0 <= found.low <= found.area <= found.high <= 1
    m, n = len(inside), len(outside)
    for limit in (found.low, found.high):
        if 1e-9 < limit < 1 - 1e-9:
            inner = 1 + ((m + n) / 2 - 1) * ((1 - limit) / (2 - limit) + limit / (1 + limit))
            assert (found.area - limit) ** 2 == pytest.approx(
                1.959963984540054**2 * limit * (1 - limit) * inner / (m * n)
            )


def test_groups_that_do_not_overlap_are_no_certainty() -> None:
    few, many = roc_area([0.9] * 5, [0.1] * 5), roc_area([0.9] * 500, [0.1] * 500)
    assert (few.area, few.high, many.high) == (1, 1, 1)
    assert few.low < 0.75
    assert many.low > 0.98
    assert math.isnan(roc_area([], [0.3]).area)


@given(pairs=st.lists(st.tuples(reason, reason), max_size=20))
def test_the_confusion_matrix_counts_every_pair_in_its_place(pairs: list[tuple[str | None, str | None]]) -> None:
    order = ["b.z", "a", "a.y", "a.x"]
    found = confusion_matrix([t for t, _ in pairs], [p for _, p in pairs], order)
    for i, truth in enumerate([*order, None]):
        for j, answer in enumerate([*order, None]):
            assert found[i, j] == pairs.count((truth, answer))


def test_nothing_to_measure_is_not_a_number() -> None:
    assert math.isnan(score_confidence([], []).ece)
    assert math.isnan(score_probabilities(np.zeros((0, 2)), [], ["a.x", "a.y"]).brier)
    assert math.isnan(risk_coverage([], []).area)
    assert risk_coverage([], []).points() == ()
    assert reliability_bins([], []) == ()
    assert confusion_matrix([], [], ["a"]).tolist() == [[0, 0], [0, 0]]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        score_confidence([1.2], [True])
    with pytest.raises(ValueError, match="from 0 to 1"):
        reliability_bins([math.nan], [True])
    with pytest.raises(ValueError, match="2 confidences and 1 verdicts"):
        score_confidence([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="edges must rise"):
        reliability_bins([0.1], [True], [0, 0.5, 0.5, 1])
    with pytest.raises(ValueError, match="at least 1"):
        equal_width_edges(0)
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        score_probabilities([[0.5, 0.5]], ["a.x"], CLASSES)
    with pytest.raises(ValueError, match="more than 1"):
        score_probabilities([[0.9, 0.5]], ["a.x"], ["a.x", "a.y"])
    with pytest.raises(ValueError, match="2 confidences and 1 verdicts"):
        risk_coverage([0.1, 0.2], [True])
    with pytest.raises(ValueError, match="not a number"):
        risk_coverage([math.nan], [True])
    with pytest.raises(ValueError, match="1 true ids and 0 answers"):
        hierarchical_scores(["a.x"], [])
    with pytest.raises(ValueError, match="'c' is not in the order"):
        confusion_matrix(["c"], ["a"], ["a"])
    with pytest.raises(ValueError, match="twice"):
        confusion_matrix(["a"], ["a"], ["a", "a"])
    with pytest.raises(ValueError, match="one column"):
        roc_area([[0.1]], [0.2])


def label(reason_id: str | None, chance: float, best: str) -> ReasonLabel:
    primary = None if reason_id is None else reason_id.partition(".")[0]
    return ReasonLabel(
        primary=primary,
        secondary=reason_id if reason_id and "." in reason_id else None,
        confidence=chance,
        abstained=reason_id is None,
        ranked=(RankedReason(best, chance),),
    )


def test_scores_of_labels_worked_by_hand() -> None:
    truth = ["a.x", "a.y", "b.z", None, None]
    labels = [
        label("a.x", 0.9, "a.x"),
        label("a", 0.6, "a.x"),
        label(None, 0.3, "b.z"),
        label("b.z", 0.8, "b.z"),
        label(None, 0.1, "a.y"),
    ]
    scores = score_labels(truth, labels)
    assert (scores["coverage"]["hits"], scores["coverage"]["total"]) == (3, 5)
    assert (scores["selective_risk"]["hits"], scores["selective_risk"]["total"]) == (1, 3)
    # nodes given: 2 + 1 + 0 + 2 + 0, of these true: 2 + 1; nodes wanted: 2 + 2 + 2
    assert scores["hierarchical"] == pytest.approx({"precision": 3 / 5, "recall": 3 / 6, "f1": 6 / 11})
    # most probable ones right: a.x at 0.9 and b.z at 0.3
    assert scores["calibration"]["right"]["hits"] == 2
    assert scores["calibration"]["brier_top"] == pytest.approx((0.1**2 + 0.6**2 + 0.7**2 + 0.8**2 + 0.1**2) / 5)
    # by falling confidence: right, wrong, wrong, right, wrong
    assert scores["aurc"] == pytest.approx((0 + 1 / 2 + 2 / 3 + 2 / 4 + 3 / 5) / 5)
