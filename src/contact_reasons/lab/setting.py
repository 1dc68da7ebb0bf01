"""What is simulated: queues, agents and arrivals, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, nearest, shorten
from contact_reasons.lab.queues import check_number, check_whole

__all__ = ["AgentGroup", "Arrivals", "Callback", "Duration", "Queue"]

FloatArray = npt.NDArray[np.float64]

MOST_CONCURRENT: Final = 12
WHEN_CLOSED: Final = ("refuse", "wait")


@dataclass(frozen=True)
class Duration:
    """A distribution of seconds; made by `exponential`, `lognormal`, `fixed` or `sampled`.

    Parameters
    ----------
    kind : {'exponential', 'lognormal', 'fixed', 'sampled'}
    mean_seconds : float
        Above 0; for ``fixed`` at least 0.
    variation : float
        Standard deviation / mean; of ``lognormal`` alone.
    values : tuple of float
        Of ``sampled`` alone.

    Examples
    --------
    >>> Duration.fixed(180).draw(np.random.default_rng(1), 2).tolist()
    [180.0, 180.0]
    """

    kind: Literal["exponential", "lognormal", "fixed", "sampled"]
    mean_seconds: float
    variation: float = 1.0
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kinds = ("exponential", "lognormal", "fixed", "sampled")
        if self.kind not in kinds:
            raise LabError(f"Duration.kind is {shorten(self.kind)}; {nearest(self.kind, kinds)}")
        if self.kind == "fixed":
            check_number("Duration.mean_seconds", self.mean_seconds)
        else:
            check_number("Duration.mean_seconds", self.mean_seconds, above=0.0)
        check_number("Duration.variation", self.variation, above=0.0)
        if (self.kind == "sampled") != bool(self.values):
            raise LabError("Duration.values are of kind 'sampled' alone, which needs one at least")

    @classmethod
    def exponential(cls, mean_seconds: float) -> Self:
        """Memoryless: what Erlang's formulas assume."""
        return cls("exponential", mean_seconds)

    @classmethod
    def lognormal(cls, mean_seconds: float, variation: float) -> Self:
        """Skewed to the right, as measured handle times mostly are; ``variation`` is standard deviation / mean."""
        return cls("lognormal", mean_seconds, variation)

    @classmethod
    def fixed(cls, seconds: float) -> Self:
        """Always the same."""
        return cls("fixed", seconds)

    @classmethod
    def sampled(cls, seconds: npt.ArrayLike) -> Self:
        """Drawn, with replacement, from measured values, array-like of float, shape (n,)."""
        values = _numbers("Duration.sampled", seconds, 0.0)
        if not len(values) or not values.any():
            raise LabError("Duration.sampled needs one value above 0 at least")
        return cls("sampled", float(values.mean()), 1.0, tuple(values.tolist()))

    def draw(self, random: np.random.Generator, n: int) -> FloatArray:
        """That many durations, float64, shape (n,)."""
        if self.kind == "exponential":
            return random.exponential(self.mean_seconds, n)
        if self.kind == "lognormal":
            spread = math.log1p(self.variation**2)
            return random.lognormal(math.log(self.mean_seconds) - spread / 2, math.sqrt(spread), n)
        if self.kind == "sampled":
            return np.asarray(self.values)[random.integers(0, len(self.values), n)]
        return np.full(n, float(self.mean_seconds))


@dataclass(frozen=True, kw_only=True)
class Callback:
    """The offer to be called back: who takes it keeps the place in the line and never gives up.

    Parameters
    ----------
    after_seconds : float
        Wait after which it is offered, to those who are still there. With 0 to everybody, even where agents are free.
    accepted : float
        Share of those asked who take it.
    reached : float
        Chance that an attempt is answered.
    attempts : int
        At most so many; then the contact is given up as unreached.
    ring_seconds : float
        Agent time of an attempt that nobody answers.
    retry_seconds : float
        From the end of such an attempt until the contact is in the line again, at its old place.
    """

    after_seconds: float
    accepted: float = 1.0
    reached: float = 1.0
    attempts: int = 3
    ring_seconds: float = 30.0
    retry_seconds: float = 900.0

    def __post_init__(self) -> None:
        for name in ("after_seconds", "ring_seconds", "retry_seconds"):
            check_number(f"Callback.{name}", getattr(self, name))
        for name in ("accepted", "reached"):
            check_number(f"Callback.{name}", getattr(self, name), high=1.0)
        check_whole("Callback.attempts", self.attempts, low=1, high=1000)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One line of contacts, mostly of one channel.

    Parameters
    ----------
    name : str
    handle : Duration, optional
        Handle time; may be absent if each arrival brings its own.
    patience : Duration, optional
        How long a contact waits before it gives up. None: for ever, as messages do.
    priority : int
        1 is first; for arrivals that bring none.
    concurrency : int
        Contacts of this queue that one agent handles at once, 1 to 12. Handle times are those at that concurrency.
    target_seconds : float
        Of the service level.
    hours : tuple of (float, float), optional
        Opening hours as ``(from, to)`` in seconds, rising. None: always open.
    when_closed : {'refuse', 'wait'}
        Outside opening hours contacts are turned away, while the line as it was at closing time is still served; or
        they wait, and nothing is taken from the line until it opens.
    callback : Callback, optional

    Raises
    ------
    LabError
        If a value has the wrong type or lies outside its range.
    """

    name: str
    handle: Duration | None = None
    patience: Duration | None = None
    priority: int = 5
    concurrency: int = 1
    target_seconds: float = 20.0
    hours: tuple[tuple[float, float], ...] | None = None
    when_closed: Literal["refuse", "wait"] = "refuse"
    callback: Callback | None = None

    def __post_init__(self) -> None:
        check_name("Queue.name", self.name)
        where = f"queue {self.name!r}"
        for field, kind in (("handle", Duration), ("patience", Duration), ("callback", Callback)):
            value = getattr(self, field)
            if value is not None and not isinstance(value, kind):
                raise LabError(f"{where}: {field} is {shorten(value)}; it must be a {kind.__name__}, or None")
        check_whole(f"{where}: priority", self.priority, low=1, high=1_000_000)
        check_whole(f"{where}: concurrency", self.concurrency, low=1, high=MOST_CONCURRENT)
        check_number(f"{where}: target_seconds", self.target_seconds)
        if self.when_closed not in WHEN_CLOSED:
            raise LabError(
                f"{where}: when_closed is {shorten(self.when_closed)}; {nearest(self.when_closed, WHEN_CLOSED)}"
            )
        if self.hours is not None:
            flat = [seconds for pair in _pairs(f"{where}: hours", self.hours) for seconds in pair]
            if any(later <= earlier for earlier, later in pairwise(flat)):
                raise LabError(f"{where}: hours are {shorten(self.hours)}; openings and closings must rise")

    def is_open(self, seconds: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether it is open at these moments, shape as given; at closing time it is not."""
        if self.hours is None:
            return np.ones(seconds.shape, dtype=np.bool_)
        edges = np.array([moment for pair in self.hours for moment in pair], dtype=np.float64)
        inside: npt.NDArray[np.bool_] = np.searchsorted(edges, seconds, side="right") % 2 == 1
        return inside


@dataclass(frozen=True, kw_only=True)
class AgentGroup:
    """Agents with the same skills and hours.

    Parameters
    ----------
    name : str
    queues : tuple of str
        Names of the queues they serve, which several groups may share.
    agents : int or tuple of (float, int)
        So many throughout; or ``(from, agents)``, rising: so many from that second on, none before the first. An agent
        whose shift ends takes nothing more and ends what it has.

    Raises
    ------
    LabError
        If a value has the wrong type or lies outside its range.
    """

    name: str
    queues: tuple[str, ...]
    agents: int | tuple[tuple[float, int], ...]

    def __post_init__(self) -> None:
        check_name("AgentGroup.name", self.name)
        where = f"group {self.name!r}"
        if isinstance(self.queues, str) or not self.queues or len(set(self.queues)) < len(self.queues):
            raise LabError(f"{where}: queues are {shorten(self.queues)}; give names of queues, each once")
        if not isinstance(self.agents, Sequence):
            check_whole(f"{where}: agents", self.agents)
            return
        shifts = _pairs(f"{where}: agents", self.agents)
        for _, agents in self.agents:
            check_whole(f"{where}: agents", agents)
        if not shifts or any(later[0] <= earlier[0] for earlier, later in pairwise(shifts)):
            raise LabError(f"{where}: agents are {shorten(self.agents)}; give (from seconds, agents), rising in time")

    @classmethod
    def by_interval(
        cls,
        name: str,
        queues: tuple[str, ...],
        agents: Sequence[int],
        interval_seconds: float,
        begin_seconds: float = 0.0,
    ) -> Self:
        """A group with so many agents interval by interval, and none after the last."""
        step = check_number("interval_seconds", interval_seconds, above=0.0)
        moments = [begin_seconds + k * step for k in range(len(agents) + 1)]
        return cls(name=name, queues=queues, agents=tuple(zip(moments, [*agents, 0], strict=True)))

    @property
    def shifts(self) -> tuple[tuple[float, int], ...]:
        """``(from, agents)`` whichever way they were given."""
        return ((-math.inf, self.agents),) if isinstance(self.agents, int | np.integer) else self.agents


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The contacts of one queue: at given moments (`at`), or drawn anew in each replication (`expected`).

    Parameters
    ----------
    seconds : ndarray of float64, shape (n,), optional
        Moments.
    counts : ndarray of float64, shape (m,), optional
        Expected number by interval.
    interval_seconds, begin_seconds : float
        Of ``counts``.
    handle_seconds, patience_seconds : ndarray of float64, shape (n,), optional
        With ``seconds`` alone: what each contact brings; without, the queue's distribution is drawn from.
    priority : ndarray of int64, shape (n,), optional
    """

    seconds: FloatArray | None = None
    counts: FloatArray | None = None
    interval_seconds: float = 0.0
    begin_seconds: float = 0.0
    handle_seconds: FloatArray | None = None
    patience_seconds: FloatArray | None = None
    priority: npt.NDArray[np.int64] | None = None

    @classmethod
    def at(
        cls,
        seconds: npt.ArrayLike,
        *,
        handle_seconds: npt.ArrayLike | None = None,
        patience_seconds: npt.ArrayLike | None = None,
        priority: npt.ArrayLike | None = None,
    ) -> Self:
        """Contacts at these moments: a replay.

        Parameters
        ----------
        seconds : array-like of float, shape (n,)
            In any order.
        handle_seconds, patience_seconds : array-like of float, shape (n,), optional
            At least 0; an infinite patience is one that never ends.
        priority : array-like of int, shape (n,), optional
            1 is first.

        Raises
        ------
        LabError
            If lengths differ or a value is out of its range.
        """
        moments = _numbers("seconds", seconds, -math.inf)
        brought = []
        for name, values in (
            ("handle_seconds", handle_seconds),
            ("patience_seconds", patience_seconds),
            ("priority", priority),
        ):
            column = None if values is None else _numbers(name, values, 0.0, infinite=name == "patience_seconds")
            if column is not None and len(column) != len(moments):
                raise LabError(f"{name} has {len(column)} values for {len(moments)} contacts; give one for each")
            brought.append(column)
        ranks = brought[2]
        if ranks is not None and ((ranks < 1) | (ranks != np.floor(ranks))).any():
            raise LabError("priority must hold whole numbers from 1, which is first")
        whole = None if ranks is None else ranks.astype(np.int64)
        return cls(moments, handle_seconds=brought[0], patience_seconds=brought[1], priority=whole)

    @classmethod
    def expected(cls, counts: npt.ArrayLike, interval_seconds: float, begin_seconds: float = 0.0) -> Self:
        """Contacts of a Poisson process whose rate is constant within each interval.

        Parameters
        ----------
        counts : array-like of float, shape (m,)
            Expected contacts by interval, at least 0.
        interval_seconds : float
            Above 0.
        begin_seconds : float
            When the first interval begins.

        Raises
        ------
        LabError
            If a value is out of its range.
        """
        step = check_number("interval_seconds", interval_seconds, above=0.0)
        begin = check_number("begin_seconds", begin_seconds, low=-math.inf)
        return cls(None, _numbers("counts", counts, 0.0), step, begin)

    @property
    def end_seconds(self) -> float:
        """When the last interval ends, or the last contact comes; minus infinity without any."""
        if self.counts is not None:
            return self.begin_seconds + len(self.counts) * self.interval_seconds
        return float(self.seconds.max()) if self.seconds is not None and len(self.seconds) else -math.inf

    def draw(self, random: np.random.Generator) -> FloatArray:
        """Moments: those given, in their order, or drawn ones, rising; float64, shape (n,)."""
        if self.counts is None:
            return np.zeros(0) if self.seconds is None else self.seconds
        numbers = random.poisson(self.counts)
        interval = np.repeat(np.arange(len(numbers)), numbers)
        moments = self.begin_seconds + (interval + random.random(len(interval))) * self.interval_seconds
        return np.sort(moments)


def check_name(name: str, value: object) -> None:
    """LabError unless the value is text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise LabError(f"{name} is {shorten(value)}; it must be a name")


def _pairs(name: str, pairs: Any) -> list[tuple[float, float]]:
    if not isinstance(pairs, Sequence) or not all(isinstance(pair, Sequence) and len(pair) == 2 for pair in pairs):
        raise LabError(f"{name} are {shorten(pairs)}; give pairs of numbers")
    return [(check_number(name, one, low=-math.inf), check_number(name, other, low=-math.inf)) for one, other in pairs]


def _numbers(name: str, values: npt.ArrayLike, low: float, *, infinite: bool = False) -> FloatArray:
    """A column of floats, none of them below ``low``."""
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise LabError(f"{name} must hold numbers") from None
    if column.ndim != 1:
        raise LabError(f"{name} has {column.ndim} dimensions; give one column of numbers")
    wrong = np.flatnonzero(np.isnan(column) | (column < low) | (np.isinf(column) & (not infinite)))
    if len(wrong):
        least = "a finite number" if math.isinf(low) else f"a number of at least {low:g}"
        raise LabError(f"{name}[{wrong[0]}] is {column[wrong[0]]:g}; it must be {least}")
    column.setflags(write=False)
    return column
