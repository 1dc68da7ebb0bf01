"""Promised error rates: exact tests against enumeration, walks against a slow twin, and what a sample may not change."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.classifier import ReasonProbabilities
from contact_reasons.confidence import Thresholds, label_rows
from contact_reasons.confidence.binomial import p_value, p_values, rows_needed
from contact_reasons.confidence.promise import Promise, fit_promise
from contact_reasons.confidence.temperature import fit_temperature, tempered
from contact_reasons.confidence.walk import Terms, drawn_order, tuning_rows, walk_thresholds
from contact_reasons.errors import CalibrationError, TrainingError

CLASSES = ("a.u", "a.v", "b.w", "b.x", "c.y", "c.z")
Truth = list[str | None]


def sample(
    n: int, *, seed: int = 0, wrong: float = 1.0, sharpen: float = 1.0, clear: float = 3.0, far: float = 0.5
) -> tuple[ReasonProbabilities, Truth]:
    """Rows whose best secondary is wrong ``wrong`` times as often as its confidence says; ``far`` of the wrong ones at the primary, too."""
    draw = np.random.default_rng(seed)
    sure = draw.beta(clear, 0.3, n) * 0.6 + 0.4
    best = draw.integers(0, 6, n)
    proba = np.repeat((1 - sure)[:, None] * 0.1, 6, axis=1)
    proba[np.arange(n), best ^ 1] = (1 - sure) * 0.6
    proba[np.arange(n), best] = sure
    mistaken = draw.random(n) < wrong * (1 - sure)
    true = np.where(mistaken, np.where(draw.random(n) > far, best ^ 1, (best + 2) % 6), best)
    proba **= sharpen
    return ReasonProbabilities(proba / proba.sum(axis=1, keepdims=True), np.ones(n)), [
        CLASSES[i] for i in true.tolist()
    ]


def take(said: ReasonProbabilities, truth: Truth, rows: Any) -> tuple[ReasonProbabilities, Truth]:
    return ReasonProbabilities(said.proba[rows], said.in_scope[rows]), [truth[row] for row in rows]


# ------------------------------------------------------------------------------------------------------ tests


@given(reported=st.integers(0, 60), data=st.data(), percent=st.integers(1, 60))
def test_p_values_are_those_of_enumeration(reported: int, data: st.DataObject, percent: int) -> None:
    wrong = data.draw(st.integers(0, reported))
    rate = Fraction(percent, 100)
    exact = sum(math.comb(reported, w) * rate**w * (1 - rate) ** (reported - w) for w in range(wrong + 1))
    assert p_value(reported, wrong, percent / 100) == pytest.approx(float(exact), rel=1e-9)


@given(reported=st.integers(1, 40), data=st.data(), percent=st.integers(1, 60), audited=st.integers(1, 60))
def test_p_values_of_an_audit_are_those_of_dealing_errors_at_random(
    reported: int, data: st.DataObject, percent: int, audited: int
) -> None:
    """One error too many in the audit, w in the sample: how rarely does the sample get no more of them than w?"""
    wrong = data.draw(st.integers(0, reported))
    too_many = percent * audited // 100 + 1
    errors = wrong + too_many
    ways = sum(
        math.comb(reported, w) * math.comb(audited, errors - w) for w in range(wrong + 1) if errors - w <= audited
    )
    dealt = Fraction(ways, math.comb(reported + audited, errors))
    found = p_value(reported, wrong, percent / 100, audited)
    assert found == pytest.approx(max(float(dealt), p_value(reported, wrong, percent / 100)), rel=1e-7)


@given(reported=st.integers(1, 300), error=st.floats(0.01, 0.5), audited=st.none() | st.integers(1, 500))
def test_p_values_rise_with_errors_and_fall_with_rows(reported: int, error: float, audited: int | None) -> None:
    wrong = np.arange(reported + 1)
    more_wrong = p_values(np.full(reported + 1, reported), wrong, error, audited)
    assert (np.diff(more_wrong) >= -1e-12).all()
    more_rows = p_values(np.arange(1, reported + 1), np.ones(reported, dtype=np.int64), error, audited)
    assert (np.diff(more_rows) <= 1e-12).all()


@pytest.mark.parametrize(
    ("error", "risk", "rows"), [(0.05, 0.05, 59), (0.05, 0.01, 90), (0.01, 0.05, 299), (0.5, 0.5, 1)]
)
def test_the_fewest_rows_are_those_of_the_formula(error: float, risk: float, rows: int) -> None:
    assert rows_needed(error, risk) == rows == max(math.ceil(math.log(risk) / math.log(1 - error)), 1)


@given(error=st.floats(0.02, 0.5), risk=st.floats(0.01, 0.5), audited=st.none() | st.integers(5, 500))
def test_one_row_fewer_than_the_fewest_rejects_nothing(error: float, risk: float, audited: int | None) -> None:
    rows = rows_needed(error, risk, audited)
    assert p_value(rows, 0, error, audited) <= risk
    assert rows == 1 or p_value(rows - 1, 0, error, audited) > risk


# ------------------------------------------------------------------------------------------------------ walks


@given(
    rows=st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=30, max_size=80),
    error=st.sampled_from([0.2, 0.5]),
)
def test_a_walk_ends_where_testing_every_millionth_ends(rows: list[tuple[int, bool]], error: float) -> None:
    confidence = np.array([at / 12 for at, _ in rows]).round(6)
    wrong = np.array([is_wrong for _, is_wrong in rows])
    terms = Terms(error, 0.2, None, "secondary")
    walk = walk_thresholds(confidence, wrong, 5, terms, 0.2)
    pairs = list(zip(confidence.tolist(), wrong.tolist(), strict=True))[walk.tuned_on :]

    def passes(threshold: float) -> bool:
        reported = [is_wrong for sure, is_wrong in pairs if sure >= threshold]
        return p_value(len(reported), sum(reported), error) <= 0.2

    starts = {max(sure, 1e-6) for sure in confidence[: walk.tuned_on].tolist()} | {1e-6}
    around = sorted({round(at / 12 + step, 6) for at in range(13) for step in (-1e-6, 0, 1e-6)} | starts, reverse=True)
    walks = []
    for start in starts:
        passed: list[float] = []
        for threshold in (at for at in around if 0 < at <= start):
            if not passes(threshold):
                break
            passed.append(threshold)
        walks.append(passed[-1] if passed else None)
    if walk.threshold is None or walk.stopped_at is not None:
        assert walk.threshold in walks
    if walk.threshold is not None:
        assert passes(walk.threshold)
        assert walk.reported == sum(sure >= walk.threshold for sure, _ in pairs)
        assert walk.wrong == sum(is_wrong for sure, is_wrong in pairs if sure >= walk.threshold)
    if walk.stopped_at is not None:
        assert not passes(walk.stopped_at)
        assert walk.threshold is None or walk.threshold == pytest.approx(walk.stopped_at + 1e-6, abs=1e-9)


@pytest.mark.parametrize("way", [{}, {"levels": "primary"}, {"per_primary": True}, {"audited": 300}])
def test_thresholds_do_not_depend_on_the_order_of_rows(way: dict[str, Any]) -> None:
    said, truth = sample(2_400, wrong=1.2)
    groups = [f"c{row // 2}" if row < 100 else None for row in range(2_400)]
    first = fit_promise(said, CLASSES, truth, error=0.2, groups=groups, **way)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(2_400)
        rows, true = take(said, truth, order)
        again = fit_promise(rows, CLASSES, true, error=0.2, groups=[groups[row] for row in order], **way)
        assert again == first


def test_both_levels_are_found_with_counts_that_pass_their_tests() -> None:
    said, truth = sample(6_000, wrong=1.5, clear=1.0, far=0.1)
    promise = fit_promise(said, CLASSES, truth, error=0.1)
    assert promise.secondary.risk + promise.primary.risk == pytest.approx(0.05)
    for test in (promise.secondary, promise.primary):
        assert test.reported > 100
        assert p_value(test.reported, test.wrong, 0.1) <= test.risk
    labels = label_rows(said, CLASSES, promise.thresholds)
    for level, primary in (("secondary", False), ("primary", True)):
        pairs = [(label, reason) for label, reason in zip(labels, truth, strict=True) if label.level == level]
        wrong = sum(label.reason != (str(reason).partition(".")[0] if primary else reason) for label, reason in pairs)
        assert 0 < wrong <= 0.1 * len(pairs)


def test_a_promise_for_each_primary_leaves_those_with_few_rows_to_a_person() -> None:
    said, truth = sample(3_000, wrong=0.6)
    rare = said.proba.argmax(axis=1) >= 4
    kept = np.flatnonzero(~rare | (np.cumsum(rare) <= 20))
    some, true = take(said, truth, kept)
    promise = fit_promise(some, CLASSES, true, error=0.1, per_primary=True)
    assert promise.never_labelled == ("c",)
    assert [name for name, *_ in promise.by_primary] == ["a", "b"]
    labels = label_rows(said, CLASSES, promise.thresholds)
    assert {label.primary for label in labels} == {"a", "b", None}
    assert all(label.abstained for label, is_rare in zip(labels, rare.tolist(), strict=True) if is_rare)


def test_of_each_customer_one_ticket_is_used() -> None:
    said, truth = sample(800)
    rows = np.repeat(np.arange(800), 3)
    some, true = take(said, truth, rows)
    promise = fit_promise(some, CLASSES, true, error=0.2, groups=(rows % 500).tolist())
    assert promise.rows == 500
    order = drawn_order(*take(said, truth, np.arange(800)), [*[float("nan")] * 400, *[""] * 399, None], 0)
    assert sorted(order.tolist()) == list(range(800))


def test_any_label_of_a_text_out_of_scope_is_wrong() -> None:
    said, truth = sample(600, wrong=0.0)
    promise = fit_promise(said, CLASSES, [None, *truth[1:]], error=0.2, levels="primary")
    assert promise.out_of_scope == 1
    with pytest.raises(CalibrationError, match=r"of the \d+ surest tested rows \d+ are wrong at the secondary level"):
        fit_promise(said, CLASSES, [None] * 600, error=0.2)


@pytest.mark.parametrize("audited", [None, 400])
@given(n=st.integers(5, 70))
def test_the_rows_that_a_small_sample_is_told_to_have_are_enough_without_errors(audited: int | None, n: int) -> None:
    said, truth = sample(400, wrong=0.0)
    few, true = take(said, truth, range(n))
    with pytest.raises(CalibrationError, match=r"rows without a single error are the least") as caught:
        fit_promise(few, CLASSES, true, error=0.05, audited=audited)
    words = str(caught.value).replace(",", "").split()
    told = int(words[words.index("label") + 1])
    more, true = take(said, truth, range(told))
    assert fit_promise(more, CLASSES, true, error=0.05, audited=audited).secondary.wrong == 0


def test_too_many_errors_are_told_with_the_rate_and_the_rows_that_would_do() -> None:
    said, truth = sample(400, wrong=1.0)
    with pytest.raises(
        CalibrationError, match=r"wrong at the secondary level, too many to promise 1\.0% .* could be promised"
    ) as caught:
        fit_promise(said, CLASSES, truth, error=0.01)
    rate = float(str(caught.value).split("about ")[1].split("%")[0]) / 100
    assert isinstance(fit_promise(said, CLASSES, truth, error=rate + 0.05), Promise)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error": 0.0}, r"the promised error is 0; it must lie between 0 and 1"),
        ({"error": float("nan")}, r"the promised error is nan"),
        ({"assurance": 0.4}, r"the promised assurance is 0.4; it must lie between 0.5 and 1"),
        ({"assurance": 1.0}, r"the promised assurance is 1"),
        ({"audited": 0}, r"audited is 0; it must be a whole number"),
        ({"levels": "secondry"}, r"levels is 'secondry'; did you mean 'secondary'"),
        ({"groups": ["x"]}, r"600 truths do not fit"),
        ({"truth": ["a.t"] * 600}, r"row 1: 'a.t' is no reason of this model; did you mean 'a.v'|'a.u'"),
        ({"per_primary": True, "error": 0.001}, r"at most \d+ of one primary; to promise 0.1% for a primary, at least"),
    ],
)
def test_what_cannot_be_asked_is_said(change: dict[str, Any], message: str) -> None:
    said, truth = sample(600)
    with pytest.raises(CalibrationError, match=message):
        fit_promise(said, CLASSES, **{"truth": truth, **change})


@given(n=st.integers(5, 5_000))
def test_a_small_part_of_the_rows_is_not_tested(n: int) -> None:
    assert 1 <= tuning_rows(n) <= n / 5
    assert tuning_rows(n) >= min(n // 5, 25)


# ------------------------------------------------------------------------------------------------- temperature


def joint_twin(proba: list[float], scope: float, temperature: float) -> list[float]:
    every = [scope * p for p in proba] + [1 - scope]
    powers = [q ** (1 / temperature) if q > 0 else 0.0 for q in every]
    return [power / sum(powers) for power in powers][:-1]


@given(
    weights=st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any),
    scope=st.sampled_from([0.0, 1e-9, 0.3, 0.9, 1.0]),
    temperature=st.floats(0.2, 5.0),
)
def test_temperature_divides_the_logits_of_reasons_and_of_out_of_scope(
    weights: list[int], scope: float, temperature: float
) -> None:
    proba = [w / sum(weights) for w in weights]
    said = ReasonProbabilities(np.array([proba, [0.2, 0.3, 0.5]]), np.array([scope, 0.5]))
    found = tempered(said, temperature)
    assert found[0].tolist() == pytest.approx(joint_twin(proba, scope, temperature), abs=1e-12)
    alone = ReasonProbabilities(said.proba[:1], said.in_scope[:1])
    assert (tempered(alone, temperature) == found[:1]).all()
    assert found[0].argmax() == (np.array(proba) * scope).argmax() or scope == 0


def test_the_temperature_that_made_confidences_too_sure_is_found() -> None:
    said, truth = sample(4_000, sharpen=2.0)
    temperature = fit_temperature(said, CLASSES, truth)
    assert temperature == pytest.approx(2.0, rel=0.2)
    promise = fit_promise(said, CLASSES, truth, error=0.2)
    assert promise.thresholds.temperature > 1.3
    assert promise.calibration_error_after < promise.calibration_error_before
    few, true = take(said, truth, range(900))
    assert fit_promise(few, CLASSES, true, error=0.2).thresholds.temperature == 1


def test_truths_that_are_impossible_for_the_model_do_not_break_the_temperature() -> None:
    said = ReasonProbabilities(np.array([[1.0, 0.0, 0, 0, 0, 0]] * 3), np.array([1.0, 1.0, 0.0]))
    assert 0.1 <= fit_temperature(said, CLASSES, ["a.v", None, "a.u"]) <= 10


# -------------------------------------------------------------------------------------------------- thresholds


@given(
    weights=st.lists(st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any), min_size=1, max_size=8),
    scope=st.sampled_from([0.4, 0.9, 1.0]),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_thresholds_of_primaries_and_temperature_decide_row_by_row(
    weights: list[list[int]], scope: float, temperature: float
) -> None:
    proba = np.array(weights, dtype=float)
    said = ReasonProbabilities(proba / proba.sum(axis=1, keepdims=True), np.full(len(proba), scope))
    own = {"a": Thresholds(0.6, 0.5, primary_below=0.55), "b": Thresholds(None, 0.3)}
    labels = label_rows(said, CLASSES, Thresholds(None, None, temperature=temperature, by_primary=tuple(own.items())))
    for row, label in enumerate(labels):
        shown = [round(p, 6) for p in tempered(said, temperature)[row].tolist()]
        sums = [round(float(tempered(said, temperature)[row, i : i + 2].sum()), 6) for i in (0, 2, 4)]
        best, first = shown.index(max(shown)), sums.index(max(sums))
        second, at_primary = own.get(CLASSES[best][0]), own.get("abc"[first])
        expected = None
        if second and second.secondary is not None and shown[best] >= second.secondary:
            expected = CLASSES[best]
        elif second and at_primary and at_primary.primary is not None and sums[first] >= at_primary.primary:
            expected = "abc"[first] if shown[best] < (second.primary_below or 2) else None
        assert label.reason == expected
        alone = ReasonProbabilities(said.proba[row : row + 1], said.in_scope[row : row + 1])
        assert label_rows(alone, CLASSES, Thresholds(None, None, temperature=temperature, by_primary=tuple(own.items()))) == [label]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"primary_below": 1.5}, r"the primary_below threshold is 1.5"),
        ({"secondary": True}, r"the secondary threshold is True"),
        ({"temperature": 0.0}, r"the temperature is 0.0; it must be a number above 0"),
        ({"temperature": math.inf}, r"the temperature is inf"),
        (
            {"by_primary": (("a", Thresholds(0.5, 0.5, temperature=2.0)),)},
            r"thresholds of a primary have no temperature",
        ),
    ],
)
def test_impossible_thresholds_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Thresholds(**{"secondary": 0.5, "primary": 0.5, **values})
