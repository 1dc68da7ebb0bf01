"""A day in the queues, simulated: waits, service levels, abandonment and occupancy, with standard errors.

Everything is drawn before the first event, each purpose of each queue from a stream of its own. So the same seed gives
the same answer, and two set-ups with the same seed see the same contacts with the same handle times and patience.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, nearest, shorten
from contact_reasons.lab.events import ANSWERED, TURNED_AWAY, Change, Contacts, Events, Layout, run_events
from contact_reasons.lab.queues import check_number, check_whole
from contact_reasons.lab.results import ContactLog, SimulationResult, summarise
from contact_reasons.lab.setting import AgentGroup, Arrivals, Queue

__all__ = ["draws", "reported_edges", "simulate", "simulate_once"]

FloatArray = npt.NDArray[np.float64]

MOST_INTERVALS: Final = 100_000


def simulate(
    queues: Sequence[Queue],
    groups: Sequence[AgentGroup],
    arrivals: Mapping[str, Arrivals],
    *,
    seed: int,
    replications: int = 20,
    interval_seconds: float = 1800.0,
    begin_seconds: float = 0.0,
    end_seconds: float | None = None,
) -> SimulationResult:
    """What becomes of the contacts, over independent replications.

    Each replication begins with empty lines and idle agents and goes on until nobody is left to be served; figures are
    of contacts that came, and of agents' time, from ``begin_seconds`` to ``end_seconds``.

    Parameters
    ----------
    queues : sequence of Queue
    groups : sequence of AgentGroup
        A contact goes to the first of them that serves its queue and has an agent with room, there to the agent with the least work.
    arrivals : mapping of str to Arrivals
        By name of the queue.
    seed : int
        At least 0.
    replications : int
        Given moments with given handle times differ between replications only in what is drawn.
    interval_seconds : float
        Of the tables by interval.
    begin_seconds : float
        Contacts before it are warm-up.
    end_seconds : float, optional
        By default the end of the interval in which the last contact may come.

    Returns
    -------
    SimulationResult

    Raises
    ------
    LabError
        If names do not fit together or a value is out of its range.

    Examples
    --------
    >>> from contact_reasons.lab import AgentGroup, Arrivals, Duration, Queue
    >>> phone = Queue(name="phone", handle=Duration.exponential(180), patience=Duration.exponential(120))
    >>> team = AgentGroup(name="team", queues=("phone",), agents=8)
    >>> day = Arrivals.expected([100] * 4, 1800)
    >>> result = simulate([phone], [team], {"phone": day}, seed=1, replications=5)
    >>> result.queues["phone"].p_abandon.value > 0.1
    True
    """
    _check(queues, groups, arrivals)
    rank = check_whole("seed", seed, high=2**63 - 1)
    runs = check_whole("replications", replications, low=1)
    edges = reported_edges(arrivals, interval_seconds, begin_seconds, end_seconds)
    logs = (simulate_once(queues, groups, arrivals, seed=rank, replication=k) for k in range(runs))
    return summarise(queues, groups, logs, edges, runs)


def simulate_once(
    queues: Sequence[Queue],
    groups: Sequence[AgentGroup],
    arrivals: Mapping[str, Arrivals],
    *,
    seed: int,
    replication: int = 0,
) -> ContactLog:
    """What became of each contact in one replication.

    Parameters
    ----------
    queues : sequence of Queue
    groups : sequence of AgentGroup
    arrivals : mapping of str to Arrivals
    seed : int
        At least 0.
    replication : int
        At least 0; `simulate` gives them 0, 1, 2 and so on.

    Returns
    -------
    ContactLog
        In the order of arrival; at one moment in the order of the queues.

    Raises
    ------
    LabError
        If names do not fit together or a value is out of its range.
    """
    _check(queues, groups, arrivals)
    check_whole("seed", seed, high=2**63 - 1)
    check_whole("replication", replication)
    drawn = [_draw(queue, arrivals.get(queue.name, Arrivals()), seed, replication) for queue in queues]
    columns = [np.concatenate(parts) for parts in zip(*drawn, strict=True)]
    index = np.repeat(np.arange(len(queues)), [len(parts[0]) for parts in drawn])
    order = np.argsort(columns[0], kind="stable")
    arrival, handle, leave_at, callback_at, reached_at, priority, refused, position = (part[order] for part in columns)
    index = index[order]
    inside = np.flatnonzero(refused == 0)
    contacts = Contacts(
        arrival[inside].tolist(),
        index[inside].tolist(),
        priority[inside].astype(np.int64).tolist(),
        handle[inside].tolist(),
        leave_at[inside].tolist(),
        callback_at[inside].tolist(),
        reached_at[inside].astype(np.int64).tolist(),
    )
    events = run_events(contacts, _layout(queues, groups))
    return _log(events, inside, index, arrival, handle, leave_at, callback_at, position)


def draws(queue: Queue, n: int, seed: int, replication: int) -> tuple[FloatArray, FloatArray]:
    """Handle times and patience of the first n contacts of a queue; handle times are 0 for a queue without a distribution.

    Parameters
    ----------
    queue : Queue
    n : int
    seed, replication : int
        The same ones give the same contacts.
    """
    handle, patience = np.zeros(n), np.full(n, np.inf)
    if queue.handle is not None:
        handle = queue.handle.draw(_stream(queue, seed, replication, "handle"), n)
    if queue.patience is not None:
        patience = queue.patience.draw(_stream(queue, seed, replication, "patience"), n)
    return handle, patience


def _stream(queue: Queue, seed: int, replication: int, purpose: str) -> np.random.Generator:
    key = (seed, replication, zlib.crc32(queue.name.encode()), zlib.crc32(purpose.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _draw(queue: Queue, load: Arrivals, seed: int, replication: int) -> tuple[FloatArray, ...]:
    """Columns of a queue's contacts: arrival, handle time, when it leaves, when it is called back, at which try it
    answers, priority, whether it is turned away, and its row in the arrivals given.
    """
    arrival = load.draw(_stream(queue, seed, replication, "arrivals"))
    n = len(arrival)
    handle, patience = draws(queue, n, seed, replication)
    if load.handle_seconds is not None:
        handle = load.handle_seconds
    if load.patience_seconds is not None:
        patience = load.patience_seconds
    offer, callback_at, reached_at = queue.callback, np.full(n, np.inf), np.zeros(n)
    if offer is not None:
        asks = (_stream(queue, seed, replication, "accept").random(n) < offer.accepted) & (
            patience >= offer.after_seconds
        )
        callback_at[asks] = arrival[asks] + offer.after_seconds
        patience = np.where(asks, np.inf, patience)
        if offer.reached > 0:
            reached_at = _stream(queue, seed, replication, "reach").geometric(offer.reached, n).astype(np.float64)
    priority = np.full(n, float(queue.priority)) if load.priority is None else load.priority.astype(np.float64)
    closed = ~queue.is_open(arrival) if queue.when_closed == "refuse" else np.zeros(n, dtype=np.bool_)
    return (
        arrival,
        handle,
        arrival + patience,
        callback_at,
        reached_at,
        priority,
        closed.astype(np.float64),
        np.arange(n, dtype=np.float64),
    )


def _layout(queues: Sequence[Queue], groups: Sequence[AgentGroup]) -> Layout:
    names = [queue.name for queue in queues]
    capacity = math.lcm(*(queue.concurrency for queue in queues))
    changes = [Change(since, g, agents) for g, group in enumerate(groups) for since, agents in group.shifts]
    for q, queue in enumerate(queues):
        if queue.hours is not None and queue.when_closed == "wait":
            for opening, closing in queue.hours:
                changes += [Change(opening, q, 0, False), Change(closing, q, 0, True)]
    changes.sort(key=lambda change: change.seconds)
    offers = [queue.callback for queue in queues]
    return Layout(
        capacity,
        [capacity // queue.concurrency for queue in queues],
        [tuple(names.index(name) for name in group.queues) for group in groups],
        [max(agents for _, agents in group.shifts) for group in groups],
        [queue.hours is not None and queue.when_closed == "wait" for queue in queues],
        [1 if offer is None else offer.attempts for offer in offers],
        [0.0 if offer is None else offer.ring_seconds for offer in offers],
        [0.0 if offer is None else offer.retry_seconds for offer in offers],
        changes,
    )


def _log(
    events: Events,
    inside: npt.NDArray[np.int64],
    index: npt.NDArray[np.int64],
    arrival: FloatArray,
    handle: FloatArray,
    leave_at: FloatArray,
    callback_at: FloatArray,
    position: FloatArray,
) -> ContactLog:
    """Arrays of what happened, with those turned away put back in their places."""
    n = len(index)
    outcome, group, tries = np.full(n, TURNED_AWAY), np.full(n, -1), np.zeros(n, dtype=np.int64)
    start, turn = np.full(n, np.inf), np.full(n, np.inf)
    for column, values in (
        (outcome, events.outcome),
        (group, events.group),
        (tries, events.tries),
        (start, events.start),
        (turn, events.turn),
    ):
        column[inside] = values
    answered = outcome == ANSWERED
    gone = np.where(answered, start, leave_at)
    wait = np.where(np.isfinite(gone) & (outcome != TURNED_AWAY), gone - arrival, np.nan)
    called_back = (tries > 0) | (np.isfinite(callback_at) & ~answered & (outcome != TURNED_AWAY))
    return ContactLog(
        index,
        position.astype(np.int64),
        arrival,
        outcome,
        wait,
        np.where(answered, handle, 0.0),
        turn - arrival,
        group,
        called_back,
        tries,
        tuple(events.missed),
        tuple(events.overtime),
    )


def _check(queues: Sequence[Queue], groups: Sequence[AgentGroup], arrivals: Mapping[str, Arrivals]) -> None:
    """Raise LabError unless queues, groups and arrivals name each other rightly."""
    for kind, things, wanted in (("queues", queues, Queue), ("groups", groups, AgentGroup)):
        for k, thing in enumerate(things):
            if not isinstance(thing, wanted):
                raise LabError(f"{kind}[{k}] is {shorten(thing)}; it must be of class {wanted.__name__}")
        found = [thing.name for thing in things]
        twice = [name for name in found if found.count(name) > 1]
        if twice or not found:
            what = f"{twice[0]!r} is there twice" if twice else "there is none"
            raise LabError(f"{kind}: {what}; give one or more, each of another name")
    names = [queue.name for queue in queues]
    for group in groups:
        for name in group.queues:
            if name not in names:
                raise LabError(
                    f"group {group.name!r} serves {shorten(name)}, which is no queue; {nearest(name, names)}"
                )
    served = {name for group in groups for name in group.queues}
    for name, load in arrivals.items():
        if name not in names:
            raise LabError(f"arrivals are given for {shorten(name)}, which is no queue; {nearest(name, names)}")
        if not isinstance(load, Arrivals):
            raise LabError(f"arrivals of {name!r} are {shorten(load)}; make them with Arrivals.at or Arrivals.expected")
        if name not in served:
            raise LabError(
                f"no group serves {name!r}, so its contacts would wait for ever; name it in a group's queues"
            )
        if load.handle_seconds is None and queues[names.index(name)].handle is None:
            raise LabError(f"queue {name!r} has no handle times; give it a `handle`, or its arrivals `handle_seconds`")


def reported_edges(
    arrivals: Mapping[str, Arrivals], interval_seconds: float, begin_seconds: float, end_seconds: float | None
) -> FloatArray:
    """Edges of the intervals that are reported, float64, shape (m + 1,).

    Parameters
    ----------
    arrivals : mapping of str to Arrivals
    interval_seconds : float
    begin_seconds : float
    end_seconds : float or None
        None: the end of the interval in which the last contact may come.
    """
    step = check_number("interval_seconds", interval_seconds, above=0.0)
    begin = check_number("begin_seconds", begin_seconds, low=-math.inf)
    if end_seconds is None:
        last = max((load.end_seconds for load in arrivals.values()), default=-math.inf)
        given = any(load.counts is None for load in arrivals.values())
        steps = 0.0 if math.isinf(last) else (last - begin) / step
        n = max(math.floor(steps) + 1 if given else math.ceil(steps - 1e-9), 1)
        end = begin + n * step
    else:
        end = check_number("end_seconds", end_seconds, above=begin)
        n = math.ceil((end - begin) / step - 1e-9)
    if n > MOST_INTERVALS:
        raise LabError(
            f"interval_seconds is {interval_seconds}, which makes {n:,} intervals from {begin:g} s on; choose longer ones, or give begin_seconds"
        )
    return np.append(begin + np.arange(n) * step, end)
