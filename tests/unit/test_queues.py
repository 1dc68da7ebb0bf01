"""Erlang B, C and A against published and computed values, slow twins and each other."""

from __future__ import annotations

import json
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.errors import LabError
from contact_reasons.lab import (
    agents_required,
    erlang_a,
    erlang_b,
    erlang_c,
    erlang_c_wait_quantile,
    lines_required,
    load_at_blocking,
)
from contact_reasons.lab.queues import READINGS, _log_term, _series
from tests.conftest import ROOT

GOLDEN_READINGS = (
    "sl_served_within_T_of_offered",
    "sl_served_within_T_of_offered_excluding_short_abandons",
    "sl_served_within_T_of_answered",
    "sl_virtual_wait",
)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    file = Path(os.environ.get("CONTACT_REASONS_SHARED", ROOT.parent / "shared")) / "golden" / "erlang.json"
    if not file.is_file():
        pytest.skip(f"the golden values are not at {file}; set CONTACT_REASONS_SHARED to their parent folder")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_golden_values_of_erlang_b_and_its_inverse(golden: dict[str, Any]) -> None:
    for case in golden["erlang_b"]:
        assert erlang_b(case["servers"], case["offered_load"]) == pytest.approx(case["blocking"], rel=1e-12)
    for case in golden["erlang_b_inverse"]:
        found = load_at_blocking(case["servers"], case["blocking"])
        assert found == pytest.approx(case["offered_load"], rel=1e-10)
    assert lines_required(33.333, 0.01) == golden["erlang_b_lines_33.333E_1pct"]["lines"]


def test_golden_values_of_erlang_c(golden: dict[str, Any]) -> None:
    for case in golden["erlang_c"]:
        queue = case["contacts"], case["interval"], case["aht"]
        found = erlang_c(*queue, case["agents"], target_seconds=case["target"])
        assert found.offered_load == pytest.approx(case["offered_load"], rel=1e-12)
        assert found.occupancy == pytest.approx(case["occupancy"], rel=1e-12)
        assert found.p_wait == pytest.approx(case["p_wait"], rel=1e-10)
        assert found.mean_wait_seconds == pytest.approx(case["asa"], rel=1e-10)
        assert found.mean_wait_if_waiting_seconds == pytest.approx(case["asa_if_wait"], rel=1e-10)
        assert found.mean_queue == pytest.approx(case["mean_queue"], rel=1e-10)
        assert list(found.service_levels) == pytest.approx([case["service_level"]] * 4, rel=1e-10)
        assert erlang_c_wait_quantile(0.9, *queue, case["agents"]) == pytest.approx(case["wait_p90"], rel=1e-10)


def test_golden_values_of_erlang_a(golden: dict[str, Any]) -> None:
    for case in golden["erlang_a"]:
        found = erlang_a(
            case["contacts"],
            case["interval"],
            case["aht"],
            case["agents"],
            patience_seconds=case["mean_patience"],
            target_seconds=case["target"],
        )
        assert found.p_wait == pytest.approx(case["p_wait"], rel=1e-10)
        assert found.p_abandon == pytest.approx(case["p_abandon"], rel=1e-9)
        assert found.mean_wait_seconds == pytest.approx(case["mean_wait"], rel=1e-9)
        assert found.mean_queue == pytest.approx(case["mean_queue"], rel=1e-9)
        assert found.occupancy == pytest.approx(case["occupancy"], rel=1e-10)
        assert list(found.service_levels) == pytest.approx([case[name] for name in GOLDEN_READINGS], rel=1e-10)
        for reading, name in zip(READINGS, GOLDEN_READINGS, strict=True):
            assert found.service_levels.reading(reading) == pytest.approx(case[name], rel=1e-10)


def test_golden_numbers_of_agents(golden: dict[str, Any]) -> None:
    for case in golden["required_agents"]:
        found = agents_required(
            case["contacts"],
            case["interval"],
            case["aht"],
            service_level=case["service_level_target"],
            target_seconds=case["target"],
            max_occupancy=case["max_occupancy"],
            shrinkage=0.3,
        )
        assert (found.agents, found.scheduled_agents) == (case["agents"], case["with_30pct_shrinkage"])
        assert found.figures.service_levels.of_offered == pytest.approx(case["service_level"], rel=1e-10)
        assert found.figures.occupancy == pytest.approx(case["occupancy"], rel=1e-10)


def test_published_examples() -> None:
    """The worked examples of Call Centre Helper (14 agents) and of the queue that impatience makes stable (50 agents)."""
    assert round(erlang_c(100, 1800, 180, 14).service_levels.of_offered, 3) == 0.888
    assert round(erlang_c(48, 60, 60, 50).mean_wait_seconds, 1) == 20.8
    found = erlang_a(48, 60, 60, 50, patience_seconds=120)
    assert (round(found.p_abandon, 3), round(found.mean_wait_seconds, 1), round(found.occupancy, 2)) == (
        0.031,
        3.7,
        0.93,
    )


@given(st.integers(0, 40), st.integers(1, 60))
def test_erlang_b_is_the_last_term_of_a_truncated_poisson_sum(agents: int, load: int) -> None:
    terms = [Fraction(load) ** k / math.factorial(k) for k in range(agents + 1)]
    assert erlang_b(agents, float(load)) == pytest.approx(float(terms[-1] / sum(terms)), rel=1e-12)


@given(
    agents=st.integers(1, 40),
    load=st.floats(0.05, 60),
    handle=st.floats(30, 900),
    patience=st.floats(1, 600),
)
def test_erlang_a_is_the_stationary_birth_and_death_chain(
    agents: int, load: float, handle: float, patience: float
) -> None:
    """Chain of the number of contacts: births at the arrival rate, deaths by service and by giving up."""
    rate = load / handle
    n = np.arange(1, 30_000)
    deaths = np.minimum(n, agents) / handle + np.maximum(n - agents, 0) / patience
    logs = np.concatenate([[0.0], np.cumsum(np.log(rate / deaths))])
    p = np.exp(logs - logs.max())
    p /= p.sum()
    states = np.arange(len(p))
    found = erlang_a(load, handle, handle, agents, patience_seconds=patience)
    queue = p @ np.maximum(states - agents, 0)
    assert found.p_wait == pytest.approx(p[agents:].sum(), rel=1e-8, abs=1e-12)
    assert found.mean_queue == pytest.approx(queue, rel=1e-8, abs=1e-12)
    assert found.p_abandon == pytest.approx(queue / patience / rate, rel=1e-8, abs=1e-12)
    assert found.occupancy == pytest.approx(p @ np.minimum(states, agents) / agents, rel=1e-8)


def area(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> float:
    """By the trapezoid rule."""
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum())


@given(agents=st.integers(1, 25), load=st.floats(0.1, 30), patience=st.floats(5, 600), target=st.floats(0, 300))
def test_erlang_a_service_levels_are_integrals_over_the_virtual_wait(
    agents: int, load: float, patience: float, target: float
) -> None:
    """Palm's density of the virtual wait, by the trapezoid rule."""
    handle = 60.0
    rate = load / handle
    end = target + 60 * max(patience, handle) + 100
    x = np.unique(np.concatenate([np.linspace(0, target, 20_001), np.linspace(target, end, 200_001)]))
    log_density = rate * patience * -np.expm1(-x / patience) - agents / handle * x
    log_idle = -math.log(erlang_b(agents - 1, load))
    top = max(log_density.max(), log_idle)
    density = rate * np.exp(log_density - top)
    weight = np.exp(log_idle - top) + area(density, x)
    density /= weight
    p_now = np.exp(log_idle - top) / weight
    early = x <= target
    stays = np.exp(-x / patience)
    in_time = p_now + area((density * stays)[early], x[early])
    served = p_now + area(density * stays, x)
    in_turn = p_now + area(density[early], x[early])
    short = area((density * (1 - stays))[early], x[early]) + (1 - in_turn) * -math.expm1(-target / patience)
    found = erlang_a(load, handle, handle, agents, patience_seconds=patience, target_seconds=target)
    expected = [in_time, in_time / (1 - short), in_time / served, in_turn]
    assert list(found.service_levels) == pytest.approx(expected, rel=2e-4, abs=2e-6)


@given(agents=st.integers(1, 200), share=st.floats(0.05, 0.97))
def test_erlang_a_with_endless_patience_is_erlang_c(agents: int, share: float) -> None:
    patient = erlang_a(agents * share, 60, 60, agents, patience_seconds=1e8)
    endless = erlang_c(agents * share, 60, 60, agents)
    assert patient.p_wait == pytest.approx(endless.p_wait, rel=1e-3)
    assert patient.mean_wait_seconds == pytest.approx(endless.mean_wait_seconds, rel=1e-3)
    assert patient.service_levels.of_offered == pytest.approx(endless.service_levels.of_offered, rel=1e-3)


@pytest.mark.parametrize("load", [3000.0, 4900.0, 5000.0, 5200.0, 20000.0])
@pytest.mark.parametrize("patience", [1.0, 120.0, 1e6])
def test_thousands_of_agents_give_shares_that_balance(load: float, patience: float) -> None:
    """Arrivals = answered + given up, whichever way it is summed; shares stay shares."""
    found = erlang_a(load, 180, 180, 5000, patience_seconds=patience)
    assert found.occupancy * 5000 == pytest.approx(load * (1 - found.p_abandon), rel=1e-12)
    assert all(0 <= share <= 1 for share in (found.p_wait, found.p_abandon, found.occupancy, *found.service_levels))
    if load > 5000:
        assert found.p_abandon >= 1 - 5000 / load - 1e-6


@given(st.floats(0.01, 1e5), st.floats(0.01, 1e5), st.integers(0, 3000))
def test_a_term_of_the_series_is_the_product_it_stands_for(x: float, c: float, k: int) -> None:
    product = -math.log(c) + math.fsum(math.log(x / (c + j)) for j in range(1, k + 1))
    assert _log_term(x, c, k) == pytest.approx(product, rel=1e-9, abs=1e-7)


@given(st.floats(0.01, 400), st.floats(0.01, 400))
def test_the_series_is_the_sum_of_its_terms(x: float, c: float) -> None:
    logs = np.cumsum(np.log(x) - np.log(c + np.arange(1, 5000)))
    terms = np.exp(np.concatenate([[0.0], logs]) - math.log(c))
    total, mean = _series(x, c)
    assert total == pytest.approx(math.log(terms.sum()), rel=1e-9, abs=1e-9)
    assert mean == pytest.approx(terms @ np.arange(len(terms)) / terms.sum(), rel=1e-8, abs=1e-12)


@given(
    contacts=st.floats(0, 500),
    handle=st.floats(1, 600),
    level=st.floats(0.05, 0.99),
    target=st.floats(0, 120),
    patience=st.none() | st.floats(10, 1000),
    busiest=st.floats(0.3, 1.0),
)
def test_one_agent_fewer_would_miss_a_target(
    contacts: float, handle: float, level: float, target: float, patience: float | None, busiest: float
) -> None:
    def enough(agents: int) -> bool:
        if patience is None:
            found = erlang_c(contacts, 1800, handle, agents, target_seconds=target)
        else:
            found = erlang_a(contacts, 1800, handle, agents, patience_seconds=patience, target_seconds=target)
        stable = not math.isinf(found.mean_wait_seconds)
        return stable and found.service_levels.of_offered >= level and found.occupancy <= busiest + 1e-12

    staffing = agents_required(
        contacts,
        1800,
        handle,
        service_level=level,
        target_seconds=target,
        max_occupancy=busiest,
        patience_seconds=patience,
        shrinkage=0.25,
    )
    assert enough(staffing.agents)
    assert staffing.agents == 1 or not enough(staffing.agents - 1)
    assert staffing.scheduled_agents * 0.75 >= staffing.agents - 1e-6
    assert (staffing.scheduled_agents - 1) * 0.75 < staffing.agents


def test_each_target_alone_decides() -> None:
    assert agents_required(100, 1800, 180, mean_wait_seconds=7.9).agents == 14
    assert agents_required(100, 1800, 180, mean_wait_seconds=7.8).agents == 15
    assert agents_required(100, 1800, 180, max_occupancy=0.5).agents == 20
    lost = [erlang_a(100, 1800, 180, n, patience_seconds=120).p_abandon for n in (9, 10)]
    assert lost[0] > lost[1]
    few = agents_required(100, 1800, 180, max_abandonment=lost[1], patience_seconds=120)
    assert few.agents == 10


def test_the_reading_of_the_service_level_changes_the_number_of_agents() -> None:
    found = [
        agents_required(100, 1800, 180, service_level=0.8, patience_seconds=60, reading=reading).agents
        for reading in READINGS
    ]
    assert found[0] == max(found) > min(found)


def test_a_queue_that_grows_without_end_says_so() -> None:
    found = erlang_c(100, 1800, 180, 10)
    assert math.isinf(found.mean_wait_seconds)
    assert (found.p_wait, found.occupancy, found.service_levels.of_offered) == (1.0, 1.0, 0.0)
    assert math.isinf(erlang_c_wait_quantile(0.9, 100, 1800, 180, 10))


def test_without_contacts_nobody_waits() -> None:
    for found in (erlang_c(0, 1800, 180, 3), erlang_a(0, 1800, 180, 3, patience_seconds=60)):
        assert (found.p_wait, found.mean_wait_seconds, found.occupancy) == (0.0, 0.0, 0.0)
        assert list(found.service_levels) == [1.0] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contacts": -1}, "contacts is -1; it must be at least 0"),
        ({"contacts": math.nan}, "contacts is nan"),
        ({"contacts": "100"}, "contacts is '100'; it must be a number"),
        ({"interval_seconds": 0}, "interval_seconds is 0; it must be above 0"),
        ({"handle_seconds": math.inf}, "handle_seconds is inf"),
        ({"agents": 0}, "agents is 0; it must be a whole number from 1"),
        ({"agents": 2.5}, "agents is 2.5; it must be a whole number"),
        ({"agents": True}, "agents is True"),
        ({"target_seconds": -1}, "target_seconds is -1"),
        ({"patience_seconds": 0}, "patience_seconds is 0; it must be above 0"),
    ],
)
def test_figures_that_cannot_be_are_named(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "contacts": 1,
        "interval_seconds": 60,
        "handle_seconds": 60,
        "agents": 2,
        "patience_seconds": 60,
    }
    with pytest.raises(LabError, match=message):
        erlang_a(**{**right, **change})


def test_targets_that_cannot_be_are_named() -> None:
    with pytest.raises(LabError, match="no target is given"):
        agents_required(1, 60, 60)
    with pytest.raises(LabError, match="max_abandonment needs patience_seconds"):
        agents_required(1, 60, 60, max_abandonment=0.1)
    with pytest.raises(LabError, match="did you mean 'of_offered'"):
        agents_required(1, 60, 60, service_level=0.8, reading="of_ofered")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="shrinkage is 1"):
        agents_required(1, 60, 60, service_level=0.8, shrinkage=1)
    with pytest.raises(LabError, match="agents do not meet the targets; check the units"):
        agents_required(1e9, 60, 60, service_level=0.8)
