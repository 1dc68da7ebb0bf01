"""Counterfactual estimates: golden values, closed forms, refusals."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import LabError
from contact_reasons.lab.estimates import PolicyValue, estimate_policy_value, outcome_means
from contact_reasons.lab.intervals import bernstein_bound, bootstrap_means, percentile_interval
from contact_reasons.lab.routing_log import RoutingLog, target_probabilities
from tests.conftest import ROOT

GOLDEN = json.loads((ROOT / "tests" / "golden" / "ope.json").read_text("utf-8"))
CASES = {case["name"]: case for case in GOLDEN["cases"]}
EDGES = {case["name"]: case for case in GOLDEN["edge_cases"]}
METHODS = {
    "ips": "IPS",
    "ips_clip": "IPS, clipped",
    "snips": "SNIPS",
    "dm": "DM",
    "dr": "DR",
    "dr_clip": "DR, clipped",
    "sndr": "SNDR",
    "switch_dr": "switch DR",
    "dros": "shrunk DR",
}
NAMES = ("a", "b", "c", "d", "e")


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gen2000() -> dict[str, Any]:
    """The recipe of the golden file, step by step."""
    rs, n = np.random.RandomState(20240501), 2000
    x = rs.uniform(-1, 1, (n, 3))
    w = np.array([[1, -0.5, 0.2], [0.1, 0.3, -0.2], [-0.4, 0.8, 0.1], [0.2, 0.2, 0.9], [-0.6, -0.6, 0.4]])
    pb = 0.85 * softmax(x @ w.T) + 0.15 / 5
    pe = softmax(-1.5 * x @ w[::-1].T)
    qt = sigmoid(np.array([0.2, -0.2, 0.4, 0.1, 0.8]) + x @ np.roll(w, 1, axis=0).T)
    u = rs.uniform(size=n)
    a = (pb.cumsum(1) > u[:, None]).argmax(1)
    r = (rs.uniform(size=n) < qt[np.arange(n), a]).astype(float)
    q = np.clip(qt + 0.08 * np.array([1, -1, 1, -1, 1]), 0, 1)
    return {"action": a, "reward": r, "pscore": pb[np.arange(n), a], "pi_e": pe, "q_hat": q, "pi_b": pb, "q_true": qt}


def inputs(name: str) -> dict[str, Any]:
    return gen2000() if name == "gen2000" else CASES[name]["inputs"]


def log_of(given_inputs: dict[str, Any], **more: Any) -> RoutingLog:
    k = len(given_inputs["pi_e"][0])
    actions = [NAMES[i] for i in given_inputs["action"]]
    return RoutingLog.of(actions, given_inputs["reward"], given_inputs["pscore"], channels=NAMES[:k], **more)


def value_of(given_inputs: dict[str, Any], **more: Any) -> PolicyValue:
    return estimate_policy_value(
        log_of(given_inputs),
        given_inputs["pi_e"],
        model=given_inputs.get("q_hat"),
        clip=2.0,
        switch=2.0,
        shrink=5.0,
        **more,
    )


def test_the_recipe_gives_the_data_of_the_golden_file() -> None:
    data, checks = gen2000(), CASES["gen2000"]["recipe"]["checks"]
    assert data["action"].sum() == checks["sum_action"]
    assert data["reward"].sum() == checks["sum_reward"]
    assert data["pscore"].mean() == pytest.approx(checks["mean_pscore"], abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_values_errors_and_weights_are_the_golden_ones(name: str) -> None:
    found, expected = value_of(inputs(name)), CASES[name]["expected"]
    for key, method in METHODS.items():
        estimate = found[method]
        assert estimate.value == pytest.approx(expected["point"][key], abs=1e-12)
        closed = expected["closed_form"][key]
        if closed["se"] == 0:
            assert estimate.standard_error is None
            assert estimate.interval is None
            assert any("no spread" in note for note in estimate.notes)
        else:
            assert estimate.standard_error == pytest.approx(closed["se"], abs=1e-12)
            assert estimate.interval == pytest.approx(closed["normal95"], abs=1e-12)
    weights = expected["weights"]
    assert found.weights.mean == pytest.approx(weights["mean"], abs=1e-12)
    assert found.weights.largest == pytest.approx(weights["max"], abs=1e-12)
    assert found.weights.effective_size == pytest.approx(weights["ess"], abs=1e-9)
    assert found.weights.zero_share == weights["share_zero"]
    assert found.weights.supported_share == pytest.approx(1)
    assert found["IPS"].lower_bound == pytest.approx(
        expected["lower_bounds_delta05_ips"]["empirical_bernstein"], abs=1e-9
    )


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_the_estimate_less_the_log_contact_by_contact(name: str) -> None:
    """Against loops, and SNIPS against its jackknife."""
    data = inputs(name)
    found, r, n = value_of(data), np.asarray(data["reward"]), len(data["reward"])
    rows = np.arange(n)
    pi, q, a = np.asarray(data["pi_e"]), np.asarray(data["q_hat"]), np.asarray(data["action"])
    w = pi[rows, a] / np.asarray(data["pscore"])
    terms = {"IPS": w * r, "DM": (pi * q).sum(axis=1), "DR": (pi * q).sum(axis=1) + w * (r - q[rows, a])}
    assert (found.logged.value, found.logged.method) == (pytest.approx(r.mean()), "log as it was")
    for method, each in terms.items():
        change = found.change(method)
        assert change.value == pytest.approx(found[method].value - r.mean())
        assert change.standard_error == pytest.approx(np.std(each - r, ddof=1) / math.sqrt(n))
    assert found.method == "DR"
    snips = found.change("SNIPS")
    assert snips.value == pytest.approx(found["SNIPS"].value - r.mean())
    if name == "det8":  # all that count were solved
        assert snips.interval is None
        return
    left_out = [(w.sum() - w[i]) for i in range(n)]
    one_out = np.array([((w * r).sum() - w[i] * r[i]) / left_out[i] - (r.sum() - r[i]) / (n - 1) for i in range(n)])
    jackknife = math.sqrt((n - 1) / n * float(((one_out - one_out.mean()) ** 2).sum()))
    assert snips.standard_error == pytest.approx(jackknife, rel=0.25 if n < 100 else 0.01)


def test_a_policy_that_wrote_the_log_changes_nothing() -> None:
    data = gen2000()
    found = estimate_policy_value(log_of(data), data["pi_b"])
    assert found.change("IPS").value == pytest.approx(0, abs=1e-12)
    assert found.change("SNIPS").interval is None


@pytest.mark.parametrize("name", CASES)
def test_replay_is_the_golden_one_and_only_there_without_chance(name: str) -> None:
    found, expected = value_of(inputs(name)), CASES[name]["expected"]["point"]["replay"]
    if expected is None:
        with pytest.raises(LabError, match="'replay' was not estimated"):
            found["replay"]
    else:
        assert found["replay"].value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_bootstrap_percentiles_are_the_golden_ones(name: str) -> None:
    data = inputs(name)
    found = value_of(data, resamples=10_000, seed=12345)
    for key in ("ips", "ips_clip", "dm", "dr", "dr_clip", "switch_dr", "dros"):
        expected = CASES[name]["expected"]["bootstrap95"][key]
        assert found[METHODS[key]].bootstrap == pytest.approx((expected["lower"], expected["upper"]), abs=1e-12)


def test_the_bootstrap_of_snips_is_that_of_a_ratio_and_agrees_with_the_delta_method() -> None:
    """The golden file's resampling holds mean(w) fixed, which is a quarter too wide here."""
    estimate = value_of(gen2000(), resamples=2000)["SNIPS"]
    assert estimate.bootstrap is not None
    assert estimate.interval is not None
    assert estimate.bootstrap == pytest.approx(estimate.interval, abs=0.002)


def test_intervals_of_the_generated_case_hold_its_true_value() -> None:
    found, truth = value_of(gen2000(), resamples=500), CASES["gen2000"]["expected"]["true_value"]
    for method in ("IPS", "SNIPS", "DR"):
        for interval in (found[method].interval, found[method].bootstrap):
            assert interval is not None
            assert interval.low < truth < interval.high
    assert found["IPS"].lower_bound is not None
    assert found["IPS"].lower_bound < truth


def test_without_overlap_there_is_no_estimate_and_the_reason_is_given() -> None:
    with pytest.raises(LabError, match=r"no contact .*supported share 0\.0%.*explore:"):
        value_of(EDGES["no_overlap"]["inputs"])


def test_a_policy_like_the_log_gets_the_mean_of_the_log() -> None:
    case = EDGES["target_equals_logging"]
    found = value_of(case["inputs"])
    for key in ("ips", "snips", "dr"):
        assert found[METHODS[key]].value == pytest.approx(case["expected"][key])
    assert found.weights.effective_size == case["expected"]["ess"]


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.2, math.nan, math.inf])
def test_propensities_that_are_none_are_refused_with_their_rows(wrong: float) -> None:
    with pytest.raises(LabError, match=r"propensity is .* in rows 2, 4; it must be above 0 and at most 1"):
        RoutingLog.of(["chat"] * 4, [1, 1, 1, 1], [0.5, wrong, 0.5, wrong])


# ---------------------------------------------------------------------------------------------- closed forms


@st.composite
def logs(draw: st.DrawFn) -> dict[str, Any]:
    n, k = draw(st.integers(1, 12)), draw(st.integers(2, 4))
    share = st.floats(0.02, 1.0)

    def row() -> list[float]:
        parts = [draw(share) for _ in range(k)]
        return [part / sum(parts) for part in parts]

    pb, action = [row() for _ in range(n)], [draw(st.integers(0, k - 1)) for _ in range(n)]
    return {
        "action": action,
        "reward": [draw(st.floats(0, 1)) for _ in range(n)],
        "pscore": [pb[i][a] for i, a in enumerate(action)],
        "pi_e": [row() for _ in range(n)],
        "q_hat": [[draw(st.floats(0, 1)) for _ in range(k)] for _ in range(n)],
        "pi_b": pb,
    }


@given(data=logs())
def test_estimates_equal_their_formulas_written_out(data: dict[str, Any]) -> None:
    found, n = value_of(data), len(data["action"])
    rows = list(zip(data["action"], data["reward"], data["pscore"], data["pi_e"], data["q_hat"], strict=True))
    ws = [pi[a] / p for a, _, p, pi, _ in rows]
    direct = [sum(x * y for x, y in zip(pi, q, strict=True)) for _, _, _, pi, q in rows]
    for clip, suffix in ((math.inf, ""), (2.0, ", clipped")):
        capped = [min(w, clip) for w in ws]
        ips = sum(w * r for w, (_, r, _, _, _) in zip(capped, rows, strict=True)) / n
        dr = sum(d + w * (r - q[a]) for d, w, (a, r, _, _, q) in zip(direct, capped, rows, strict=True)) / n
        assert found["IPS" + suffix].value == pytest.approx(ips, abs=1e-9)
        assert found["DR" + suffix].value == pytest.approx(dr, abs=1e-9)
    snips = sum(w * row[1] for w, row in zip(ws, rows, strict=True)) / sum(ws)
    assert found["SNIPS"].value == pytest.approx(snips, abs=1e-9)
    assert found["DM"].value == pytest.approx(sum(direct) / n, abs=1e-9)
    assert found.weights.effective_size == pytest.approx(sum(ws) ** 2 / sum(w * w for w in ws))
    if (error := found["SNIPS"].standard_error) is not None:
        spread = math.sqrt(sum((w * (row[1] - snips)) ** 2 for w, row in zip(ws, rows, strict=True))) / sum(ws)
        assert error == pytest.approx(spread, abs=1e-9)


@given(data=logs(), shift=st.floats(-0.5, 0.5))
def test_snips_moves_with_the_outcomes_and_a_constant_outcome_is_its_own_estimate(
    data: dict[str, Any], shift: float
) -> None:
    log, pi = log_of(data), data["pi_e"]
    moved = log_of({**data, "reward": [r + shift for r in data["reward"]]})
    wide = (-2.0, 2.0)
    first = estimate_policy_value(log, pi, outcome_range=wide)["SNIPS"].value
    assert estimate_policy_value(moved, pi, outcome_range=wide)["SNIPS"].value == pytest.approx(first + shift, abs=1e-9)


@given(data=logs())
def test_a_model_that_is_right_makes_dr_the_direct_method_and_a_model_of_nought_makes_it_ips(
    data: dict[str, Any],
) -> None:
    q = [list(row) for row in data["q_hat"]]
    for row, a, r in zip(q, data["action"], data["reward"], strict=True):
        row[a] = r
    exact = value_of({**data, "q_hat": q})
    assert exact["DR"].value == pytest.approx(exact["DM"].value, abs=1e-9)
    none = value_of({**data, "q_hat": [[0.0] * len(row) for row in q]})
    assert none["DR"].value == pytest.approx(none["IPS"].value, abs=1e-9)


@given(data=logs(), order=st.randoms(use_true_random=False))
def test_estimates_do_not_depend_on_the_order_of_contacts(data: dict[str, Any], order: Any) -> None:
    places = list(range(len(data["action"])))
    order.shuffle(places)
    shuffled = value_of({name: [rows[i] for i in places] for name, rows in data.items()})
    for one, other in zip(value_of(data).estimates, shuffled.estimates, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-9)


def test_ips_and_dr_average_to_the_truth_over_every_log_there_can_be() -> None:
    """Two contacts, three channels, outcomes 0 or 1: all 36 logs, each with its probability."""
    pb = np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])
    pi = np.array([[0.0, 0.9, 0.1], [0.4, 0.4, 0.2]])
    q = np.array([[0.2, 0.7, 0.5], [0.9, 0.1, 0.4]])
    guess = np.array([[0.9, 0.1, 0.3], [0.0, 1.0, 0.2]])
    truth = (pi * q).sum(axis=1).mean()
    means = dict.fromkeys(("IPS", "DR"), 0.0)
    for a, r in itertools.product(itertools.product(range(3), repeat=2), itertools.product((0, 1), repeat=2)):
        odds = math.prod(pb[i, a[i]] * (q[i, a[i]] if r[i] else 1 - q[i, a[i]]) for i in range(2))
        log = RoutingLog.of([NAMES[i] for i in a], r, [pb[i, a[i]] for i in range(2)], channels=NAMES[:3])
        found = estimate_policy_value(log, pi, model=guess)
        for method in means:
            means[method] += odds * found[method].value
    assert means == pytest.approx({"IPS": truth, "DR": truth})


@given(data=logs(), pseudo=st.sampled_from([0.5, 1.0, 3.0]))
def test_outcome_means_equal_a_loop_that_leaves_each_contact_out(data: dict[str, Any], pseudo: float) -> None:
    n, k = len(data["action"]), len(data["pi_e"][0])
    groups = [i % 2 for i in range(n)]
    found = outcome_means(log_of(data), groups, pseudo=pseudo)
    for i, a in itertools.product(range(n), range(k)):
        others = [j for j in range(n) if j != i]
        rewards, actions = data["reward"], data["action"]
        overall = sum(rewards[j] for j in others) / len(others) if others else 0.0
        channel = [rewards[j] for j in others if actions[j] == a]
        leaned = (sum(channel) + pseudo * overall) / (len(channel) + pseudo)
        cell = [rewards[j] for j in others if actions[j] == a and groups[j] == groups[i]]
        assert found[i, a] == pytest.approx((sum(cell) + pseudo * leaned) / (len(cell) + pseudo), abs=1e-9)


# --------------------------------------------------------------------------------- support, warnings, refusals


def test_support_counts_what_the_log_could_have_done() -> None:
    log = RoutingLog.of(["a", "a", "b", "a"], [1, 0, 1, 1], [1.0, 1.0, 0.5, 0.5], channels=["a", "b"])
    with pytest.raises(
        LabError, match=r"for 25\.0% of the policy's choices .* supported share is 75\.0%, and 100\.0% is"
    ):
        estimate_policy_value(log, ["a", "b", "b", "a"])
    found = estimate_policy_value(log, ["a", "b", "b", "a"], least_support=0.7)
    assert found.weights.supported_share == 0.75
    assert any("25.0% of the policy's choices were impossible in the log" in note for note in found.notes)


def test_probabilities_of_the_logging_policy_show_what_was_impossible() -> None:
    pb = [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]
    log = RoutingLog.of(["a", "b"], [1, 0], [0.5, 0.5], channels=NAMES[:3], probabilities=pb)
    with pytest.raises(LabError, match=r"for 50\.0% of the policy's choices"):
        estimate_policy_value(log, ["a", "c"])
    with pytest.raises(LabError, match=r"propensity is 0\.4 in row 2; it must be what probabilities say"):
        RoutingLog.of(["a", "b"], [1, 0], [0.5, 0.4], channels=NAMES[:3], probabilities=pb)


def test_few_effective_contacts_are_pointed_out_and_so_are_weights_that_do_not_average_to_one() -> None:
    assert any("effective size is 4.6 contacts" in note for note in value_of(inputs("det8")).notes)
    n = 400
    wrong = RoutingLog.of(["a", "b"] * (n // 2), [1.0] * n, [0.2] * n, channels=["a", "b"])
    notes = estimate_policy_value(wrong, [[0.5, 0.5]] * n).notes
    assert any("weights average 2.500, not 1" in note for note in notes)
    right = RoutingLog.of(["a", "b"] * (n // 2), [1.0, 0.0] * (n // 2), [0.5] * n, channels=["a", "b"])
    assert estimate_policy_value(right, [[0.5, 0.5]] * n).notes == ()


def test_what_has_no_spread_has_no_interval_and_says_so_in_print() -> None:
    found = value_of(inputs("det8"), resamples=200)
    assert found["SNIPS"].bootstrap is None
    assert "SNIPS: 1, no interval (the contacts that count show no spread" in str(found)
    assert "IPS: 2 (0.7169 to 3.283)" in str(found)
    assert "effective 4.6; supported 100.0%" in str(found)


def test_lower_bounds_take_the_given_ranges_into_account() -> None:
    data = inputs("det8")
    log = log_of(data)
    narrow = estimate_policy_value(log, data["pi_e"])["IPS"].lower_bound
    wide = estimate_policy_value(log, data["pi_e"], outcome_range=(0.0, 10.0))["IPS"].lower_bound
    heavy = estimate_policy_value(log, data["pi_e"], largest_weight=50.0)["IPS"].lower_bound
    assert narrow is not None
    assert wide is not None
    assert heavy is not None
    assert wide < narrow
    assert heavy < narrow
    with pytest.raises(LabError, match="largest_weight is 1, and the log has a weight of 4"):
        estimate_policy_value(log, data["pi_e"], largest_weight=1.0)


def test_the_bound_of_clipped_ips_knows_that_no_term_exceeds_the_clip() -> None:
    terms = [2, 0, 2, 0, 2, 2, 2, 0]  # min(w, 2) r of det8
    by_hand = 1.25 - math.sqrt(2 * 15 / 14 * math.log(40) / 8) - 7 * 2 * math.log(40) / (3 * 7)
    assert np.var(terms, ddof=1) == pytest.approx(15 / 14)
    assert value_of(inputs("det8"))["IPS, clipped"].lower_bound == pytest.approx(by_hand)


def test_bernstein_bound_rarely_lies_above_the_mean() -> None:
    random = np.random.default_rng(3)
    above = sum((bernstein_bound((random.random(60) < 0.2).astype(float), (0, 1)) or 0) > 0.2 for _ in range(2000))
    assert above / 2000 <= 0.05
    assert bernstein_bound(np.array([1.0]), (0, 1)) is None


def test_resampled_means_are_those_of_a_loop_that_draws_whole_rows() -> None:
    columns = [np.array([0.0, 1.0, 5.0]), np.array([3.0, 2.0, 2.0])]
    random = np.random.RandomState(4)
    expected = []
    for _ in range(20):
        rows = random.choice(3, size=3)
        expected.append([sum(column[row] for row in rows) / 3 for column in columns])
    assert bootstrap_means(columns, 20, 4) == pytest.approx(np.array(expected).T)


def test_percentiles_leave_out_what_is_unknown_and_need_some_width() -> None:
    assert percentile_interval(np.array([math.nan, *range(101)])) == (2.5, 97.5)
    assert percentile_interval(np.array([math.nan])) is None
    assert percentile_interval(np.zeros(0)) is None
    assert percentile_interval(np.array([0.7, 0.7 + 1e-16, 0.7])) is None


def test_a_constant_outcome_leaves_snips_without_any_interval() -> None:
    log = RoutingLog.of(["a", "b", "a", "b"], [0.7] * 4, [0.3, 0.6, 0.4, 0.7], channels=["a", "b"])
    found = estimate_policy_value(log, [[0.6, 0.4]] * 4, resamples=300)["SNIPS"]
    assert (found.standard_error, found.interval, found.bootstrap) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outcome": [1.0]}, r"outcome has shape \(1,\) for 2 contacts"),
        ({"propensity": [0.5, 0.5, 0.5]}, r"propensity has shape \(3,\) for 2 contacts"),
        ({"outcome": [1.0, math.nan]}, "outcome is nan in row 2; it must be a finite number"),
        ({"logged_channel": ["chat", "fax"]}, "row 2: 'fax' is not a channel"),
        ({"logged_channel": [], "outcome": [], "propensity": []}, "the log is empty"),
        ({"channels": ["chat", "chat"]}, "a channel is listed twice"),
        ({"probabilities": [[0.5, 0.5]]}, r"probabilities has shape \(1, 2\)"),
    ],
)
def test_logs_that_are_wrong_are_refused(change: dict[str, Any], message: str) -> None:
    columns: dict[str, Any] = {"logged_channel": ["chat", "chat"], "outcome": [1.0, 0.0], "propensity": [0.5, 0.5]}
    with pytest.raises(LabError, match=message):
        RoutingLog.of(**{**columns, **change})


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ([[0.5, 0.5]], {}, r"target has shape \(1, 2\); it must be \(2, 2\)"),
        ([[0.5, 0.6], [1, 0]], {}, "target: no probabilities in row 1; each row must"),
        ([[1.5, -0.5], [1, 0]], {}, "target: no probabilities in row 1; each row must"),
        ([[math.nan, 1], [1, 0]], {}, "target: a value that is not a finite number in row 1"),
        (["a"], {}, "target names 1 channels for 2 contacts"),
        (["a", "z"], {}, "row 2: 'z' is not a channel"),
        (["a", "b"], {"model": [[0.5, 0.5]]}, r"model has shape \(1, 2\)"),
        (["a", "b"], {"clip": 0}, "clip is 0; it must be above 0"),
        (["a", "b"], {"outcome_range": (0, 0.5)}, "outcome is 1 in row 1; it must be from 0 to 0.5"),
        (["a", "b"], {"outcome_range": (1, 0)}, "outcome_range is"),
        (["a", "b"], {"resamples": -1}, "resamples is -1"),
        (["a", "b"], {"least_support": 0}, "least_support is 0"),
    ],
)
def test_questions_that_are_wrong_are_refused(target: Any, options: dict[str, Any], message: str) -> None:
    log = RoutingLog.of(["a", "b"], [1.0, 0.0], [0.5, 0.5], channels=["a", "b"])
    with pytest.raises(LabError, match=message):
        estimate_policy_value(log, target, **options)


def test_an_estimate_that_was_not_made_is_named_with_those_that_were() -> None:
    with pytest.raises(LabError, match="'DR' was not estimated"):
        estimate_policy_value(RoutingLog.of(["chat", "chat"], [1, 0], [0.5, 0.5]), ["chat", "chat"])["DR"]


def test_groups_must_be_one_a_contact() -> None:
    with pytest.raises(LabError, match="1 groups for 2 contacts"):
        outcome_means(RoutingLog.of(["chat", "chat"], [1, 0], [0.5, 0.5]), ["late"])
    with pytest.raises(LabError, match="pseudo is 0"):
        outcome_means(RoutingLog.of(["chat"], [1], [0.5]), ["late"], pseudo=0)


# -------------------------------------------------------------------------------------------- with policies

SHOP: dict[str, Any] = {
    "router": "shop",
    "version": "1",
    "inputs": {"tier": {"type": "enum", "values": ["std", "gold"]}},
    "explore": {"share": 0.4, "channels": ["chat", "message"]},
    "rules": [
        {"id": "gold", "when": {"tier": "gold"}, "then": {"channel": "chat", "priority": 1}},
        {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}},
    ],
}


def test_a_log_that_a_policy_wrote_estimates_another_policy_within_its_interval() -> None:
    serving = cr.RoutingPolicy.from_dict(SHOP)
    other = cr.RoutingPolicy.from_dict(
        {
            **SHOP,
            "explore": {"share": 0.1, "channels": ["message"]},
            "rules": [{"id": "chat", "when": {}, "then": {"channel": "chat", "priority": 1}}],
        }
    )
    random = np.random.default_rng(11)
    rows = [{"tier": "gold" if random.random() < 0.3 else "std"} for _ in range(6000)]
    said = [serving.route(row, key=f"T-{i}") for i, row in enumerate(rows)]
    good = {("gold", "chat"): 0.9, ("gold", "message"): 0.5, ("std", "chat"): 0.6, ("std", "message"): 0.7}
    solved = [float(random.random() < good[row["tier"], str(one.channel)]) for row, one in zip(rows, said, strict=True)]
    log = RoutingLog.of(
        [one.channel for one in said],
        solved,
        [one.propensity or math.nan for one in said],
        probabilities=target_probabilities(serving, rows),
    )
    target = target_probabilities(other, rows)
    found = estimate_policy_value(log, target, model=outcome_means(log, [row["tier"] for row in rows]))
    truth = np.mean([0.9 * good[row["tier"], "chat"] + 0.1 * good[row["tier"], "message"] for row in rows])
    for method in ("IPS", "SNIPS", "DR"):
        interval = found[method].interval
        assert interval is not None
        assert interval.low < truth < interval.high
    assert found.notes == ()


def test_fixed_rules_of_the_past_support_no_estimate() -> None:
    fixed = cr.RoutingPolicy.from_dict({name: block for name, block in SHOP.items() if name != "explore"})
    rows = [{"tier": tier} for tier in ("gold", "std", "std")]
    probabilities = target_probabilities(fixed, rows)
    log = RoutingLog.of(["chat", "message", "message"], [1, 0, 1], [1, 1, 1], probabilities=probabilities)
    with pytest.raises(LabError, match=r"for 66\.7% of the policy's choices the log had no chance .* fixed rules"):
        estimate_policy_value(log, ["chat"] * 3)


def test_a_channel_that_is_not_listed_is_refused() -> None:
    with pytest.raises(LabError, match="row 1 may go to 'message', which is not in channels"):
        target_probabilities(cr.RoutingPolicy.from_dict(SHOP), [{"tier": "std"}], ["chat"])
