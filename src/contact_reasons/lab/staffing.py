"""How many agents a target takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from contact_reasons.errors import LabError
from contact_reasons.lab.queues import (
    MOST_AGENTS,
    QueueFigures,
    Reading,
    check_number,
    check_reading,
    erlang_a,
    erlang_c,
)

__all__ = ["Staffing", "agents_required"]


class Staffing(NamedTuple):
    """Agents that a target takes.

    Parameters
    ----------
    agents : int
        At work on contacts, at the same time.
    scheduled_agents : int
        To be rostered so that, after shrinkage, so many are at work.
    figures : QueueFigures
        Of the queue with these agents.
    """

    agents: int
    scheduled_agents: int
    figures: QueueFigures


def agents_required(
    contacts: float,
    interval_seconds: float,
    handle_seconds: float,
    *,
    service_level: float | None = None,
    target_seconds: float = 20.0,
    reading: Reading = "of_offered",
    mean_wait_seconds: float | None = None,
    max_occupancy: float | None = None,
    max_abandonment: float | None = None,
    patience_seconds: float | None = None,
    shrinkage: float = 0.0,
) -> Staffing:
    """The fewest agents that meet every target given: Erlang A with a patience, Erlang C without.

    Parameters
    ----------
    contacts : float
        Arriving in an interval.
    interval_seconds, handle_seconds : float
        As for `erlang_c`.
    service_level : float, optional
        At least this share, above 0 and below 1, within ``target_seconds``.
    target_seconds : float
    reading : {'of_offered', 'excluding_short_abandons', 'of_answered', 'virtual_wait'}
        Of the service level; see `ServiceLevels`.
    mean_wait_seconds : float, optional
        At most this mean wait over all contacts (ASA).
    max_occupancy : float, optional
        At most this share, above 0, of agents' time on contacts.
    max_abandonment : float, optional
        At most this share gives up; needs ``patience_seconds``.
    patience_seconds : float, optional
        Mean patience. None: nobody gives up.
    shrinkage : float
        Share of paid time not at work on contacts (breaks, training, illness), at least 0, below 1.

    Raises
    ------
    LabError
        If no target is given, a value is out of its range, or 1,000,000 agents do not meet the targets.

    Examples
    --------
    >>> found = agents_required(100, 1800, 180, service_level=0.8, shrinkage=0.3)
    >>> found.agents, found.scheduled_agents
    (14, 20)
    """
    check_reading(reading)
    if service_level is None and mean_wait_seconds is None and max_occupancy is None and max_abandonment is None:
        raise LabError(
            "no target is given; give service_level, mean_wait_seconds, max_occupancy or max_abandonment, or several"
        )
    if max_abandonment is not None and patience_seconds is None:
        raise LabError("max_abandonment needs patience_seconds: without a patience nobody gives up")
    level = 0.0 if service_level is None else check_number("service_level", service_level, above=0.0, high=1 - 1e-9)
    wait = math.inf if mean_wait_seconds is None else check_number("mean_wait_seconds", mean_wait_seconds, above=0.0)
    busy = 1.0 if max_occupancy is None else check_number("max_occupancy", max_occupancy, above=0.0, high=1.0)
    lost = 1.0 if max_abandonment is None else check_number("max_abandonment", max_abandonment, above=0.0, high=1.0)
    away = check_number("shrinkage", shrinkage, high=1 - 1e-6)

    def figures(agents: int) -> QueueFigures:
        if patience_seconds is None:
            return erlang_c(contacts, interval_seconds, handle_seconds, agents, target_seconds=target_seconds)
        return erlang_a(
            contacts,
            interval_seconds,
            handle_seconds,
            agents,
            patience_seconds=patience_seconds,
            target_seconds=target_seconds,
        )

    def met(agents: int) -> bool:
        found = figures(agents)
        return (
            found.service_levels.reading(reading) >= level
            and found.mean_wait_seconds <= wait
            and found.occupancy <= busy + 1e-12
            and found.p_abandon <= lost
            and not math.isinf(found.mean_wait_seconds)
        )

    agents = _fewest(met)
    scheduled = math.ceil(agents / (1 - away) - 1e-9)
    return Staffing(agents, scheduled, figures(agents))


def _fewest(met: Callable[[int], bool]) -> int:
    """The least number for which a condition, once met, met for all greater numbers, holds."""
    high = 1
    while not met(high):
        if high >= MOST_AGENTS:
            raise LabError(
                f"{MOST_AGENTS:,} agents do not meet the targets; check the units: rates are contacts per interval, times are seconds"
            )
        high = min(2 * high, MOST_AGENTS)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if met(middle) else (middle, high)
    return high
