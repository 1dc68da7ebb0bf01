"""The simulation agrees with Erlang's formulas and with Ciw, within its own standard errors, for stated seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contact_reasons.lab import AgentGroup, Arrivals, Duration, Estimate, Queue, erlang_a, erlang_c, simulate
from contact_reasons.lab.queues import QueueFigures
from contact_reasons.lab.results import QueueResult

pytestmark = pytest.mark.slow

HOURS = 9
MOST_ERRORS = 4.0
"""Standard errors, with 19 degrees of freedom: by chance in fewer than 1 of 1,000 comparisons."""


def run(contacts: float, handle: float, agents: int, patience: float | None, target: float, seed: int) -> QueueResult:
    """Figures of twenty days, the first hour of each left out."""
    queue = Queue(
        name="phone",
        handle=Duration.exponential(handle),
        patience=None if patience is None else Duration.exponential(patience),
        target_seconds=target,
    )
    team = AgentGroup(name="team", queues=("phone",), agents=agents)
    arrivals = {"phone": Arrivals.expected([contacts] * HOURS, 3600)}
    return simulate([queue], [team], arrivals, seed=seed, replications=20, begin_seconds=3600).queues["phone"]


def compare(found: QueueResult, exact: QueueFigures) -> None:
    pairs: list[tuple[str, Estimate, float]] = [
        ("p_wait", found.p_wait, exact.p_wait),
        ("p_abandon", found.p_abandon, exact.p_abandon),
        ("mean_wait_seconds", found.mean_wait_seconds, exact.mean_wait_seconds),
        ("occupancy", found.occupancy, exact.occupancy),
    ]
    pairs += list(zip(exact._fields, found.service_levels, exact.service_levels, strict=False))
    for name, estimate, value in pairs:
        off = abs(estimate.value - value)
        assert off <= MOST_ERRORS * estimate.standard_error + 1e-9, f"{name}: {estimate} for {value}"


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("contacts", "handle", "agents", "patience", "target"),
    [(2880, 60, 50, 120, 20), (200, 180, 8, 120, 20), (40, 600, 9, 300, 60), (1000, 180, 55, 40, 10)],
)
def test_the_simulation_agrees_with_erlang_a(
    contacts: float, handle: float, agents: int, patience: float, target: float, seed: int
) -> None:
    exact = erlang_a(contacts, 3600, handle, agents, patience_seconds=patience, target_seconds=target)
    compare(run(contacts, handle, agents, patience, target, seed), exact)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("contacts", "handle", "agents", "target"), [(200, 180, 14, 20), (720, 240, 55, 15), (40, 600, 9, 60)]
)
def test_the_simulation_agrees_with_erlang_c(
    contacts: float, handle: float, agents: int, target: float, seed: int
) -> None:
    exact = erlang_c(contacts, 3600, handle, agents, target_seconds=target)
    compare(run(contacts, handle, agents, None, target, seed), exact)


def ciw_figures(ciw: Any, seed: int) -> tuple[float, float, float, float]:
    """Two priorities, impatience and twelve agents in Ciw: mean waits by priority, share that gave up, share that waits."""
    network = ciw.create_network(
        arrival_distributions={"first": [ciw.dists.Exponential(1 / 60)], "second": [ciw.dists.Exponential(2 / 60)]},
        service_distributions={"first": [ciw.dists.Exponential(1 / 240)], "second": [ciw.dists.Exponential(1 / 240)]},
        reneging_time_distributions={
            "first": [ciw.dists.Exponential(1 / 150)],
            "second": [ciw.dists.Exponential(1 / 150)],
        },
        number_of_servers=[12],
        priority_classes={"first": 0, "second": 1},
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(11 * 3600)
    records = [
        each
        for each in simulation.get_all_records()
        if 3600 <= each.arrival_date < 10 * 3600 and each.record_type in ("service", "renege")
    ]
    waits = {
        name: np.mean([each.waiting_time for each in records if each.customer_class == name])
        for name in ("first", "second")
    }
    left = np.mean([each.record_type == "renege" for each in records])
    return (
        float(waits["first"]),
        float(waits["second"]),
        float(left),
        float(np.mean([each.waiting_time > 0 for each in records])),
    )


def test_priorities_and_impatience_agree_with_ciw() -> None:
    ciw = pytest.importorskip("ciw", reason="Ciw, a peer, is not installed: `pip install ciw`")
    peer = np.array([ciw_figures(ciw, seed) for seed in range(20)])
    queues = [
        Queue(name=name, handle=Duration.exponential(240), patience=Duration.exponential(150), priority=rank)
        for name, rank in (("first", 1), ("second", 2))
    ]
    team = AgentGroup(name="team", queues=("first", "second"), agents=12)
    arrivals = {"first": Arrivals.expected([60] * 10, 3600), "second": Arrivals.expected([120] * 10, 3600)}
    found = simulate(queues, [team], arrivals, seed=5, replications=60, begin_seconds=3600).queues
    first, second = found["first"], found["second"]
    n = first.offered.value + second.offered.value
    share = (first.abandoned.value + second.abandoned.value) / n
    waited = (first.p_wait.value * first.offered.value + second.p_wait.value * second.offered.value) / n
    ours = [first.mean_wait_seconds.value, second.mean_wait_seconds.value, share, waited]
    spread = peer.std(axis=0, ddof=1) * np.sqrt(1 / 20 + 1 / 60)
    assert (np.abs(peer.mean(axis=0) - ours) <= MOST_ERRORS * spread).all(), (peer.mean(axis=0), ours, spread)
