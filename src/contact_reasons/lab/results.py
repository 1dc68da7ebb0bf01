"""What came out of a simulation: contact by contact, and as estimates with standard errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.lab.events import ABANDONED, ANSWERED, TURNED_AWAY, UNREACHED, WAITING
from contact_reasons.lab.queues import Reading, check_reading
from contact_reasons.lab.setting import AgentGroup, Queue

__all__ = [
    "ContactLog",
    "Estimate",
    "GroupResult",
    "QueueResult",
    "ServiceLevelEstimates",
    "SimulationResult",
    "summarise",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class ContactLog(NamedTuple):
    """What became of n contacts, in the order of arrival.

    Parameters
    ----------
    queue : ndarray of int64, shape (n,)
        Position of the queue.
    row : ndarray of int64, shape (n,)
        Position in the arrivals of its queue.
    arrival_seconds : ndarray of float64, shape (n,)
    outcome : ndarray of int64, shape (n,)
        0 waiting still, 1 answered, 2 abandoned, 3 called back in vain, 4 turned away: the constants of `events`.
    wait_seconds : ndarray of float64, shape (n,)
        Until it was answered or gave up; NaN for the others.
    handle_seconds : ndarray of float64, shape (n,)
        Of those answered; 0 for the others.
    turn_seconds : ndarray of float64, shape (n,)
        Until an agent came to its place, whether it was still there or not; infinite if none did.
    group : ndarray of int64, shape (n,)
        Position of the group that answered; -1 for none.
    called_back : ndarray of bool, shape (n,)
        Whether it took the offer to be called back and was not answered before.
    tries : ndarray of int64, shape (n,)
        Attempts of calling back.
    missed : tuple of (int, int, float, float)
        ``(group, queue, from, to)`` of attempts that nobody answered.
    overtime : tuple of (int, float, float)
        ``(group, from, to)`` of agents that ended a contact after their shift.
    """

    queue: IntArray
    row: IntArray
    arrival_seconds: FloatArray
    outcome: IntArray
    wait_seconds: FloatArray
    handle_seconds: FloatArray
    turn_seconds: FloatArray
    group: IntArray
    called_back: npt.NDArray[np.bool_]
    tries: IntArray
    missed: tuple[tuple[int, int, float, float], ...]
    overtime: tuple[tuple[int, float, float], ...]


class Estimate(NamedTuple):
    """A figure and the standard error of its mean over replications.

    Parameters
    ----------
    value : float
        NaN where there was nothing to measure.
    standard_error : float
        NaN with one replication. Of a ratio by linearisation (the delta method).
    """

    value: float
    standard_error: float


class ServiceLevelEstimates(NamedTuple):
    """The four readings of the service level; see `ServiceLevels`."""

    of_offered: Estimate
    excluding_short_abandons: Estimate
    of_answered: Estimate
    virtual_wait: Estimate

    def reading(self, name: Reading) -> Estimate:
        """The level by the name of its reading; LabError if there is none of that name."""
        found: Estimate = getattr(self, check_reading(name))
        return found


class QueueResult(NamedTuple):
    """A queue in one interval or in all. Counts are per replication.

    Parameters
    ----------
    offered : Estimate
        Contacts that came while the queue took them; every share is of them.
    turned_away : Estimate
        That came while it was closed.
    answered, abandoned, unreached, waiting : Estimate
        What became of those offered; ``unreached`` were called back in vain, ``waiting`` were never served.
    called_back : Estimate
        That took the offer to be called back.
    p_wait, p_abandon : Estimate
    mean_wait_seconds : Estimate
        Of those answered in the line and those who gave up; not of those called back.
    mean_wait_of_answered_seconds : Estimate
        Of those answered in the line: the average speed of answer.
    mean_wait_of_called_back_seconds : Estimate
        Until they were reached.
    service_levels : ServiceLevelEstimates
        Those called back count with their whole wait.
    busy_agents : Estimate
        Agents busy with this queue, on average over time; a contact of concurrency 3 takes a third of one.
    occupancy : Estimate
        Of the groups that serve it.
    """

    offered: Estimate
    turned_away: Estimate
    answered: Estimate
    abandoned: Estimate
    unreached: Estimate
    waiting: Estimate
    called_back: Estimate
    p_wait: Estimate
    p_abandon: Estimate
    mean_wait_seconds: Estimate
    mean_wait_of_answered_seconds: Estimate
    mean_wait_of_called_back_seconds: Estimate
    service_levels: ServiceLevelEstimates
    busy_agents: Estimate
    occupancy: Estimate


class GroupResult(NamedTuple):
    """Agents of a group in one interval or in all.

    Parameters
    ----------
    staffed_agents : Estimate
        On shift or ending a contact after it, on average over time.
    occupancy : Estimate
        Share of their capacity in use, attempts of calling back included.
    """

    staffed_agents: Estimate
    occupancy: Estimate


class SimulationResult(NamedTuple):
    """Estimates by queue and by group, in all and by interval.

    Parameters
    ----------
    queues : dict of str to QueueResult
    groups : dict of str to GroupResult
    queue_intervals : dict of str to tuple of QueueResult
        Contacts belong to the interval in which they came.
    group_intervals : dict of str to tuple of GroupResult
    edges_seconds : tuple of float
        Of the intervals: one more than there are.
    replications : int
    """

    queues: dict[str, QueueResult]
    groups: dict[str, GroupResult]
    queue_intervals: dict[str, tuple[QueueResult, ...]]
    group_intervals: dict[str, tuple[GroupResult, ...]]
    edges_seconds: tuple[float, ...]
    replications: int

    def __str__(self) -> str:
        """A line for each queue and group: shares of those offered, and two standard errors either side."""
        width = max(len(name) for name in (*self.queues, *self.groups))
        lines = [
            f"{name:<{width}}  {each.offered.value:9,.1f} offered   in time {_share(each.service_levels.of_offered)}   "
            f"gave up {_share(each.p_abandon)}   mean wait {each.mean_wait_seconds.value:,.0f} s"
            for name, each in self.queues.items()
        ]
        lines += [
            f"{name:<{width}}  {each.staffed_agents.value:9,.1f} agents    occupancy {_share(each.occupancy)}"
            for name, each in self.groups.items()
        ]
        return "\n".join(lines)


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:6.1%} ± {2 * estimate.standard_error:.1%}"


_COUNTS = (
    "offered", "turned_away", "answered", "abandoned", "unreached", "waiting", "called_back", "waited", "in_time", "short",
    "in_turn", "in_line", "wait", "in_line_answered", "wait_answered", "reached", "wait_reached",
)  # fmt: skip


def summarise(
    queues: Sequence[Queue], groups: Sequence[AgentGroup], logs: Iterable[ContactLog], edges: FloatArray, runs: int
) -> SimulationResult:
    """Estimates from the logs of replications.

    Parameters
    ----------
    queues : sequence of Queue
    groups : sequence of AgentGroup
    logs : iterable of ContactLog
    edges : ndarray of float64, shape (m + 1,)
        Of the intervals.
    runs : int
        Number of logs.
    """
    shape = (runs, len(queues), len(edges) - 1)
    counts = {name: np.zeros(shape) for name in _COUNTS}
    busy = np.zeros((runs, len(groups), len(queues), len(edges) - 1))
    staffed = np.zeros((runs, len(groups), len(edges) - 1))
    on_shift = np.array([_on_shift(group, edges) for group in groups])
    for k, log in enumerate(logs):
        for name, values in _count(log, queues, edges).items():
            counts[name][k] = values
        busy[k] = _busy(log, queues, len(groups), edges)
        staffed[k] = on_shift
        for g in range(len(groups)):
            spans = np.array([(begin, end) for group, begin, end in log.overtime if group == g]).reshape(-1, 2)
            staffed[k, g] += _time_within(spans[:, 0], spans[:, 1], edges)
    seconds = np.broadcast_to(np.diff(edges), (runs, len(edges) - 1))
    serves = [[g for g, group in enumerate(groups) if queue.name in group.queues] for queue in queues]
    by_queue, queue_all = {}, {}
    for q, queue in enumerate(queues):
        own = {name: values[:, q] for name, values in counts.items()}
        times = (
            busy[:, :, q].sum(axis=1),
            busy[:, serves[q]].sum(axis=(1, 2)),
            staffed[:, serves[q]].sum(axis=1),
            seconds,
        )
        by_queue[queue.name] = _queue_results(own, *times)
        whole = {name: values.sum(axis=1, keepdims=True) for name, values in own.items()}
        (queue_all[queue.name],) = _queue_results(whole, *(time.sum(axis=1, keepdims=True) for time in times))
    by_group, group_all = {}, {}
    for g, group in enumerate(groups):
        parts = staffed[:, g], busy[:, g].sum(axis=1), seconds
        by_group[group.name] = _group_results(*parts)
        (group_all[group.name],) = _group_results(*(part.sum(axis=1, keepdims=True) for part in parts))
    return SimulationResult(queue_all, group_all, by_queue, by_group, tuple(edges.tolist()), runs)


def _count(log: ContactLog, queues: Sequence[Queue], edges: FloatArray) -> dict[str, FloatArray]:
    """Numbers and sums by queue and interval, each of shape (queues, intervals)."""
    n_intervals = len(edges) - 1
    interval = np.searchsorted(edges, log.arrival_seconds, side="right") - 1
    inside = (interval >= 0) & (interval < n_intervals)
    cell = (log.queue * n_intervals + interval)[inside]
    queue, outcome, wait = log.queue[inside], log.outcome[inside], log.wait_seconds[inside]
    back = log.called_back[inside]
    target = np.array([each.target_seconds for each in queues])[queue]
    offered, answered, abandoned = outcome != TURNED_AWAY, outcome == ANSWERED, outcome == ABANDONED
    soon, in_line = wait <= target, ~back & (answered | abandoned)
    masks = {
        "offered": offered,
        "turned_away": ~offered,
        "answered": answered,
        "abandoned": abandoned,
        "unreached": outcome == UNREACHED,
        "waiting": outcome == WAITING,
        "called_back": back,
        "waited": offered & (log.turn_seconds[inside] > 0),
        "in_time": answered & soon,
        "short": abandoned & soon,
        "in_turn": offered & (log.turn_seconds[inside] <= target),
        "in_line": in_line,
        "in_line_answered": in_line & answered,
        "reached": back & answered,
    }
    found = {name: np.bincount(cell[mask], minlength=len(queues) * n_intervals) for name, mask in masks.items()}
    for name, of in (("wait", "in_line"), ("wait_answered", "in_line_answered"), ("wait_reached", "reached")):
        mask = masks[of]
        found[name] = np.bincount(cell[mask], wait[mask], minlength=len(queues) * n_intervals)
    return {name: values.reshape(len(queues), n_intervals).astype(np.float64) for name, values in found.items()}


def _busy(log: ContactLog, queues: Sequence[Queue], n_groups: int, edges: FloatArray) -> FloatArray:
    """Seconds of agents' time by group, queue and interval; a contact of concurrency k takes a k-th of its time."""
    busy = np.zeros((n_groups, len(queues), len(edges) - 1))
    answered = log.outcome == ANSWERED
    begin = log.arrival_seconds + log.wait_seconds
    for g in range(n_groups):
        for q, queue in enumerate(queues):
            own = answered & (log.group == g) & (log.queue == q)
            rung = np.array([span[2:] for span in log.missed if span[:2] == (g, q)]).reshape(-1, 2)
            busy[g, q] = _time_within(begin[own], begin[own] + log.handle_seconds[own], edges)
            busy[g, q] += _time_within(rung[:, 0], rung[:, 1], edges)
            busy[g, q] /= queue.concurrency
    return busy


def _on_shift(group: AgentGroup, edges: FloatArray) -> FloatArray:
    """Agent seconds on shift by interval."""
    moments = np.array([max(since, float(edges[0])) for since, _ in group.shifts])
    ends = np.append(moments[1:], max(float(edges[-1]), float(moments[-1])))
    total = np.zeros(len(edges) - 1)
    for begin, end, (_, agents) in zip(moments, ends, group.shifts, strict=True):
        total += agents * np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin), 0.0, None)
    return total


def _time_within(begin: FloatArray, end: FloatArray, edges: FloatArray) -> FloatArray:
    """Total time of spans within each interval."""

    def since(moments: FloatArray) -> FloatArray:
        ordered = np.sort(moments)
        sums = np.concatenate([[0.0], np.cumsum(ordered - edges[0])])
        n = np.searchsorted(ordered, edges)
        found: FloatArray = (edges - edges[0]) * n - sums[n]
        return found

    total: FloatArray = np.diff(since(begin) - since(end))
    return total


def _queue_results(
    counts: dict[str, FloatArray], busy: FloatArray, used: FloatArray, staffed: FloatArray, seconds: FloatArray
) -> tuple[QueueResult, ...]:
    """One record an interval from arrays of shape (replications, intervals)."""
    one = np.ones_like(seconds)
    names = ("offered", "turned_away", "answered", "abandoned", "unreached", "waiting", "called_back")
    means = [_estimates(counts[name], one) for name in names]
    ratios = [
        _estimates(counts[top], counts[bottom])
        for top, bottom in (
            ("waited", "offered"),
            ("abandoned", "offered"),
            ("wait", "in_line"),
            ("wait_answered", "in_line_answered"),
            ("wait_reached", "reached"),
        )
    ]
    levels = [
        _estimates(counts["in_time"], counts["offered"]),
        _estimates(counts["in_time"], counts["offered"] - counts["short"]),
        _estimates(counts["in_time"], counts["answered"]),
        _estimates(counts["in_turn"], counts["offered"]),
    ]
    loads = [_estimates(busy, seconds), _estimates(used, staffed)]
    rows = zip(
        zip(*means, strict=True),
        zip(*ratios, strict=True),
        zip(*levels, strict=True),
        zip(*loads, strict=True),
        strict=True,
    )
    return tuple(QueueResult._make((*a, *b, ServiceLevelEstimates(*c), *d)) for a, b, c, d in rows)


def _group_results(staffed: FloatArray, used: FloatArray, seconds: FloatArray) -> tuple[GroupResult, ...]:
    pairs = zip(_estimates(staffed, seconds), _estimates(used, staffed), strict=True)
    return tuple(GroupResult(agents, occupancy) for agents, occupancy in pairs)


def _estimates(top: FloatArray, bottom: FloatArray) -> list[Estimate]:
    """Ratio of sums over replications, and its standard error, interval by interval.

    ``se^2 = sum_r (top_r - ratio bottom_r)^2 / (R (R - 1) mean(bottom)^2)`` (Cochran, *Sampling Techniques*, 6.4).
    """
    runs = len(top)
    total = bottom.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(total > 0, top.sum(axis=0) / total, np.nan)
        spread = ((top - ratio * bottom) ** 2).sum(axis=0)
        error = np.sqrt(spread * runs / (runs - 1)) / total if runs > 1 else np.full(len(total), math.nan)
    return [
        Estimate(value, se)
        for value, se in zip(ratio.tolist(), np.where(total > 0, error, np.nan).tolist(), strict=True)
    ]
