"""Contacts a second of processor time through a queue of 20 agents at 90 % load: ours, and Ciw and simpy if installed.

    python -m tests.benchmarks.queues [--contacts 100000] [--rounds 5]

Interleaved rounds, medians of processor time; ours as the event loop alone, as the peers are timed, and with draws and figures.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import time
from collections.abc import Callable

import numpy as np

from contact_reasons.lab import AgentGroup, Arrivals, Duration, Queue, erlang_a, erlang_c, simulate
from contact_reasons.lab.events import ABANDONED, Change, Contacts, Layout, run_events

AGENTS, RATE, PATIENCE = 20, 18.0, 2.0
"""Handle time is 1; the share that waits is known exactly."""


def drawn(n: int, seed: int, patience: float) -> Contacts:
    random = np.random.default_rng(seed)
    arrival = np.cumsum(random.exponential(1 / RATE, n))
    leave_at = arrival + (random.exponential(patience, n) if math.isfinite(patience) else math.inf)
    handle = random.exponential(1.0, n).tolist()
    return Contacts(arrival.tolist(), [0] * n, [1] * n, handle, leave_at.tolist(), [math.inf] * n, [0] * n)


def ours(n: int, seed: int, patience: float = math.inf) -> tuple[float, float]:
    """Seconds of the event loop, and the share that waited or, with a patience, gave up."""
    contacts = drawn(n, seed, patience)
    layout = Layout(1, [1], [(0,)], [AGENTS], [False], [1], [0.0], [0.0], [Change(0.0, 0, AGENTS)])
    begin = time.process_time()
    events = run_events(contacts, layout)
    seconds = time.process_time() - begin
    if math.isfinite(patience):
        return seconds, events.outcome.count(ABANDONED) / n
    return seconds, sum(start > came for start, came in zip(events.start, contacts.arrival, strict=True)) / n


def ours_impatient(n: int, seed: int) -> tuple[float, float]:
    return ours(n, seed, PATIENCE)


def ours_whole(n: int, seed: int) -> tuple[float, float]:
    """The same with draws, service levels, occupancy and standard errors, in 10 replications."""
    queue = Queue(name="phone", handle=Duration.exponential(1.0))
    team = AgentGroup(name="team", queues=("phone",), agents=AGENTS)
    arrivals = {"phone": Arrivals.expected([n / 10], n / 10 / RATE)}
    begin = time.process_time()
    found = simulate([queue], [team], arrivals, seed=seed, replications=10, interval_seconds=n / 10 / RATE)
    return time.process_time() - begin, found.queues["phone"].p_wait.value


def in_ciw(n: int, seed: int) -> tuple[float, float]:
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(RATE)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[AGENTS],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    begin = time.process_time()
    simulation.simulate_until_max_customers(n, method="Finish")
    seconds = time.process_time() - begin
    waits = [record.waiting_time for record in simulation.get_all_records()]
    return seconds, sum(wait > 1e-9 for wait in waits) / len(waits)


def in_simpy(n: int, seed: int) -> tuple[float, float]:
    import simpy

    random = np.random.default_rng(seed)
    gaps, handles = random.exponential(1 / RATE, n).tolist(), random.exponential(1.0, n).tolist()
    world = simpy.Environment()
    agents = simpy.Resource(world, AGENTS)
    waited = 0

    def contact(handle: float):  # type: ignore[no-untyped-def]
        nonlocal waited
        came = world.now
        with agents.request() as turn:
            yield turn
            waited += world.now > came
            yield world.timeout(handle)

    def source():  # type: ignore[no-untyped-def]
        for gap, handle in zip(gaps, handles, strict=True):
            yield world.timeout(gap)
            world.process(contact(handle))

    world.process(source())
    begin = time.process_time()
    world.run()
    return time.process_time() - begin, waited / n


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.queues", description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    runs: dict[str, Callable[[int, int], tuple[float, float]]] = {
        "ours: events": ours,
        "ours: events, with patience": ours_impatient,
        "ours: simulate()": ours_whole,
    }
    for name, run in (("ciw", in_ciw), ("simpy", in_simpy)):
        if importlib.util.find_spec(name):
            runs[name] = run
        else:
            print(f"{name} is left out: it is not installed (`pip install -e '.[benchmarks]'`)")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for seed in range(asked.rounds):
        for name, run in runs.items():
            found[name].append(run(asked.contacts, seed))
    exact = erlang_c(RATE, 1, 1, AGENTS).p_wait
    lost = erlang_a(RATE, 1, 1, AGENTS, patience_seconds=PATIENCE).p_abandon
    print(f"exactly {exact:.4f} wait; with patience {lost:.4f} give up")
    first = statistics.median(seconds for seconds, _ in found["ours: events"])
    for name, rounds in found.items():
        seconds = statistics.median(seconds for seconds, _ in rounds)
        share = statistics.mean(share for _, share in rounds)
        print(
            f"{name:28} {asked.contacts / seconds:12,.0f} contacts/s {seconds / first:7.1f} x the time of ours {share:8.4f}"
        )


if __name__ == "__main__":
    main()
