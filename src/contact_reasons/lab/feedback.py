"""Waits that a policy reads and makes: routing and simulation in turn, until they agree or it is said that they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, nearest, shorten
from contact_reasons.lab.queues import check_number, check_whole
from contact_reasons.lab.results import ContactLog, SimulationResult, summarise
from contact_reasons.lab.setting import AgentGroup, Arrivals, Queue
from contact_reasons.lab.simulation import draws, reported_edges, simulate_once
from contact_reasons.routing import RoutedColumns, RoutingPolicy

__all__ = ["SettledWaits", "settle_waits"]

WAIT_INPUT: Final = "estimated_wait_seconds"
FloatArray = npt.NDArray[np.float64]


class SettledWaits(NamedTuple):
    """Where routing and waits came to rest, or that they did not.

    Parameters
    ----------
    converged : bool
        Whether routing on the waits that the queues then had moves less than the tolerance of the load of any channel.
    residuals : tuple of float
        By round: the greatest change of a channel's share of all contacts, if they were routed on those waits.
    waits_seconds : tuple of float
        By interval: the estimated waits that the contacts were routed on.
    load : dict of str to int
        Contacts by channel.
    routed : RoutedColumns
        Of each contact.
    result : SimulationResult
        Of the queues with this load.
    """

    converged: bool
    residuals: tuple[float, ...]
    waits_seconds: tuple[float, ...]
    load: dict[str, int]
    routed: RoutedColumns
    result: SimulationResult


def settle_waits(
    policy: RoutingPolicy,
    columns: Mapping[str, Any],
    arrival_seconds: npt.ArrayLike,
    queues: Sequence[Queue],
    groups: Sequence[AgentGroup],
    *,
    wait_of: str,
    seed: int,
    replications: int = 5,
    interval_seconds: float = 1800.0,
    begin_seconds: float = 0.0,
    tolerance: float = 0.005,
    damping: float = 0.5,
    max_rounds: int = 20,
) -> SettledWaits:
    """A load that makes the waits it was routed on, for a policy that reads ``estimated_wait_seconds``.

    Each round routes all contacts on the estimated waits, simulates the queues, and routes once more, for comparison,
    on the waits that came out; then it moves the estimates towards these. A rule with one sharp limit can have no such
    load: below the limit all go one way, above it all the other. Then ``converged`` is False.

    Parameters
    ----------
    policy : RoutingPolicy
    columns : mapping of str to array-like, shape (n,)
        Its other inputs, a row a contact; the wait is put in here.
    arrival_seconds : array-like of float, shape (n,)
    queues : sequence of Queue
        Named as the channels they are of; a channel without a queue, as self-service, takes no agents. Priorities are those of the rules.
    groups : sequence of AgentGroup
    wait_of : str
        The queue whose mean wait, in the interval in which a contact comes, is its estimated wait; 0 where nobody came.
    seed : int
        The same contact has the same handle time and patience in all rounds.
    replications : int
    interval_seconds, begin_seconds : float
        Length of the intervals, and when the first begins; no contact comes before.
    tolerance : float
        Share of all contacts, above 0.
    damping : float
        How far estimates move towards the simulated waits, above 0 and at most 1.
    max_rounds : int

    Returns
    -------
    SettledWaits
        Of the last round.

    Raises
    ------
    LabError
        If the policy does not read the wait, names do not fit together or a value is out of its range.
    RoutingError
        If the policy does not take the columns, or a wait is out of the range of its input.
    """
    moments = Arrivals.at(arrival_seconds).draw(np.random.default_rng(0))
    _check(policy, columns, queues, wait_of, len(moments))
    check_number("tolerance", tolerance, above=0.0, high=1.0)
    step = check_number("damping", damping, above=0.0, high=1.0)
    rounds, runs = check_whole("max_rounds", max_rounds, low=1), check_whole("replications", replications, low=1)
    edges = reported_edges({"": Arrivals.at(moments)}, interval_seconds, begin_seconds, None)
    if moments.min() < begin_seconds:
        raise LabError(f"a contact comes at {moments.min():g}, before begin_seconds, {begin_seconds:g}; begin earlier")
    interval = np.searchsorted(edges, moments, side="right") - 1

    def route(waits: FloatArray) -> RoutedColumns:
        return policy.route_many({**columns, WAIT_INPUT: np.rint(waits[interval]).astype(np.int64)})

    waits, residuals = np.zeros(len(edges) - 1), []
    while True:
        routed = route(waits)
        logs = _logs(routed, moments, queues, groups, seed, runs)
        result = summarise(queues, groups, logs, edges, runs)
        found = np.nan_to_num([each.mean_wait_seconds.value for each in result.queue_intervals[wait_of]])
        residuals.append(_change(routed.channel, route(found).channel))
        if residuals[-1] < tolerance or len(residuals) == rounds:
            break
        waits = waits + step * (found - waits)
    names, numbers = np.unique(routed.channel, return_counts=True)
    load = dict(zip(names.tolist(), numbers.tolist(), strict=True))
    return SettledWaits(residuals[-1] < tolerance, tuple(residuals), tuple(waits.tolist()), load, routed, result)


def _logs(
    routed: RoutedColumns,
    moments: FloatArray,
    queues: Sequence[Queue],
    groups: Sequence[AgentGroup],
    seed: int,
    runs: int,
) -> Iterator[ContactLog]:
    """Replications of the queues with this load; handle times and patience belong to the contact."""
    for k in range(runs):
        arrivals = {}
        for queue in queues:
            own = routed.channel == queue.name
            handle, patience = (column[own] for column in draws(queue, len(moments), seed, k))
            arrivals[queue.name] = Arrivals.at(
                moments[own], handle_seconds=handle, patience_seconds=patience, priority=routed.priority[own]
            )
        yield simulate_once(queues, groups, arrivals, seed=seed, replication=k)


def _change(before: npt.NDArray[np.str_], after: npt.NDArray[np.str_]) -> float:
    """Greatest change of a channel's share."""
    names = np.union1d(before, after).tolist()
    return max(abs(int((before == name).sum()) - int((after == name).sum())) for name in names) / len(before)


def _check(policy: RoutingPolicy, columns: Mapping[str, Any], queues: Sequence[Queue], wait_of: str, n: int) -> None:
    if WAIT_INPUT not in policy.inputs:
        raise LabError(
            f"the policy {policy.policy_id!r} does not read {WAIT_INPUT}, so waits do not change its load; route once and simulate"
        )
    if not isinstance(columns, Mapping) or WAIT_INPUT in columns:
        raise LabError(f"columns must be a mapping from inputs to columns, without {WAIT_INPUT}, which is put in")
    if not n:
        raise LabError("arrival_seconds is empty; give one contact at least")
    wrong = [name for name, column in columns.items() if len(column) != n]
    if wrong:
        raise LabError(f"columns[{wrong[0]!r}] has {len(columns[wrong[0]])} rows for {n} contacts; give one for each")
    names = [queue.name for queue in queues]
    if wait_of not in names:
        raise LabError(f"wait_of is {shorten(wait_of)}, which is no queue; {nearest(wait_of, names)}")
    for queue in queues:
        if queue.handle is None:
            raise LabError(f"queue {queue.name!r} has no handle times; give it a `handle`")
