"""Queues by formula: Erlang B, C and A.

Rates are contacts per interval, times are seconds, loads are Erlangs: ``contacts / interval_seconds * handle_seconds``,
the agents that would be busy if nobody waited. Every formula is of the steady state, with Poisson arrivals and
exponential handle times; `simulation` answers where that does not hold.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple, get_args

import numpy as np

from contact_reasons.errors import LabError, nearest, shorten

__all__ = [
    "QueueFigures",
    "Reading",
    "ServiceLevels",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "erlang_c_wait_quantile",
    "lines_required",
    "load_at_blocking",
]

Reading = Literal["of_offered", "excluding_short_abandons", "of_answered", "virtual_wait"]
READINGS: Final[tuple[Reading, ...]] = get_args(Reading)
MOST_AGENTS: Final = 1_000_000
_NEGLIGIBLE: Final = 45.0
"""Terms below exp(-45) of the greatest do not change a float."""


class ServiceLevels(NamedTuple):
    """The four readings of "share answered within the target". Without abandonment they are equal.

    Parameters
    ----------
    of_offered : float
        Answered within the target / all offered; who gives up, however early, was not served. The default everywhere.
    excluding_short_abandons : float
        Answered within the target / offered except those who gave up within the target.
    of_answered : float
        Answered within the target / answered. It flatters a queue that many leave.
    virtual_wait : float
        Share of contacts for whom an agent would have been free within the target had they stayed.
    """

    of_offered: float
    excluding_short_abandons: float
    of_answered: float
    virtual_wait: float

    def reading(self, name: Reading) -> float:
        """The level by the name of its reading.

        Raises
        ------
        LabError
            If there is no reading of that name.
        """
        return float(getattr(self, check_reading(name)))


class QueueFigures(NamedTuple):
    """A queue in its steady state.

    Parameters
    ----------
    agents : int
    offered_load : float
        Erlangs.
    p_wait : float
        Share of contacts that find no agent free.
    p_abandon : float
    mean_wait_seconds : float
        Over all contacts, those that did not wait and those that gave up included: without abandonment the average
        speed of answer (ASA). Infinite if the load is not below the agents and nobody gives up.
    mean_queue : float
        Contacts waiting, on average over time.
    occupancy : float
        Share of agents' time spent on contacts.
    target_seconds : float
    service_levels : ServiceLevels
    """

    agents: int
    offered_load: float
    p_wait: float
    p_abandon: float
    mean_wait_seconds: float
    mean_queue: float
    occupancy: float
    target_seconds: float
    service_levels: ServiceLevels

    @property
    def mean_wait_if_waiting_seconds(self) -> float:
        """Mean wait of those that wait at all."""
        return self.mean_wait_seconds / self.p_wait if self.p_wait else 0.0


def check_reading(name: object) -> Reading:
    """The reading of that name; LabError if there is none."""
    if name not in READINGS:
        raise LabError(f"reading is {shorten(name)}; {nearest(name, READINGS)}")
    return name


def check_number(
    name: str, value: object, *, above: float | None = None, low: float = 0.0, high: float = math.inf
) -> float:
    """A finite number in its range, as float; LabError names the parameter and the range otherwise.

    Parameters
    ----------
    name : str
        Of the parameter, for the message.
    value : object
    above : float, optional
        The value must be greater; otherwise it must be at least ``low``.
    low, high : float
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise LabError(f"{name} is {shorten(value)}; it must be a number")
    number = float(value)
    if not math.isfinite(number) or (number <= above if above is not None else number < low) or number > high:
        least = f"above {above:g}" if above is not None else f"at least {low:g}"
        most = "" if math.isinf(high) else f" and at most {high:g}"
        raise LabError(f"{name} is {shorten(value)}; it must be {least}{most}")
    return number


def check_whole(name: str, value: object, *, low: int = 0, high: int = MOST_AGENTS) -> int:
    """A whole number in its range; LabError names the parameter and the range otherwise."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise LabError(f"{name} is {shorten(value)}; it must be a whole number from {low} to {high}")
    return int(value)


def erlang_b(agents: int, offered_load: float) -> float:
    """Share of contacts turned away by ``agents`` lines without a queue.

    Parameters
    ----------
    agents : int
        0 to 1,000,000.
    offered_load : float
        Erlangs, at least 0.

    Raises
    ------
    LabError
        If a value is out of its range.

    References
    ----------
    Erlang (1917): ``B(0) = 1``, ``B(n) = a B(n-1) / (n + a B(n-1))``, which neither overflows nor cancels.

    Examples
    --------
    >>> round(erlang_b(10, 5.084), 4)
    0.02
    """
    n = check_whole("agents", agents)
    load = check_number("offered_load", offered_load)
    return _blocking(n, load)


def load_at_blocking(agents: int, blocking: float) -> float:
    """The offered load, in Erlangs, at which ``agents`` lines turn away the share ``blocking``.

    Parameters
    ----------
    agents : int
        At least 1.
    blocking : float
        Above 0 and below 1.

    Raises
    ------
    LabError
        If a value is out of its range.

    Examples
    --------
    >>> round(load_at_blocking(15, 0.01), 3)
    8.108
    """
    n = check_whole("agents", agents, low=1)
    share = check_number("blocking", blocking, above=0.0, high=1 - 1e-9)
    low, high = 0.0, float(n)
    while _blocking(n, high) < share:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _blocking(n, middle) < share else (low, middle)
    return high


def lines_required(offered_load: float, blocking: float) -> int:
    """The fewest lines that turn away at most the share ``blocking``.

    Parameters
    ----------
    offered_load : float
        Erlangs.
    blocking : float
        Above 0 and at most 1.

    Raises
    ------
    LabError
        If a value is out of its range.

    Examples
    --------
    >>> lines_required(33.333, 0.01)
    45
    """
    load = check_number("offered_load", offered_load, high=MOST_AGENTS / 2)
    share = check_number("blocking", blocking, above=0.0, high=1.0)
    blocked, n = 1.0, 0
    while blocked > share:
        n += 1
        blocked = load * blocked / (n + load * blocked)
    return n


def erlang_c(
    contacts: float, interval_seconds: float, handle_seconds: float, agents: int, *, target_seconds: float = 20.0
) -> QueueFigures:
    """The queue whose contacts wait for ever (M/M/n). With a load that is not below the agents it grows without end.

    Parameters
    ----------
    contacts : float
        Arriving in an interval, at least 0.
    interval_seconds : float
        Length of the interval, above 0; 1800 is half an hour.
    handle_seconds : float
        Mean handle time (talk, hold and after-contact work), above 0.
    agents : int
        At least 1.
    target_seconds : float
        Of the service level.

    Raises
    ------
    LabError
        If a value is out of its range.

    References
    ----------
    With ``a`` Erlangs and ``n`` agents ``C = B / (1 - a/n (1 - B))``, ``P(W > t) = C exp(-(n - a) t / handle time)``
    (Erlang 1917; Gross et al., *Fundamentals of Queueing Theory*, section 3.3).

    Examples
    --------
    >>> figures = erlang_c(contacts=100, interval_seconds=1800, handle_seconds=180, agents=14)
    >>> round(figures.service_levels.of_offered, 4), round(figures.mean_wait_seconds, 2)
    (0.8884, 7.84)
    """
    rate, handle, n, target = _check_queue(contacts, interval_seconds, handle_seconds, agents, target_seconds)
    load = rate * handle
    if load >= n:
        never = ServiceLevels(0.0, 0.0, 0.0, 0.0)
        return QueueFigures(n, load, 1.0, 0.0, math.inf, math.inf, 1.0, target, never)
    blocked = _blocking(n, load)
    p_wait = blocked / (1 - load / n * (1 - blocked))
    wait = p_wait * handle / (n - load)
    level = 1 - p_wait * math.exp(-(n - load) * target / handle)
    levels = ServiceLevels(level, level, level, level)
    return QueueFigures(n, load, p_wait, 0.0, wait, rate * wait, load / n, target, levels)


def erlang_c_wait_quantile(
    share: float, contacts: float, interval_seconds: float, handle_seconds: float, agents: int
) -> float:
    """Seconds within which that share of contacts is answered, by Erlang C; infinite if the queue grows without end.

    Parameters
    ----------
    share : float
        At least 0, below 1.
    contacts, interval_seconds, handle_seconds : float
        As for `erlang_c`.
    agents : int

    Raises
    ------
    LabError
        If a value is out of its range.

    Examples
    --------
    >>> round(erlang_c_wait_quantile(0.9, 100, 1800, 180, 14), 1)
    25.0
    """
    late = 1 - check_number("share", share, high=1 - 1e-15)
    figures = erlang_c(contacts, interval_seconds, handle_seconds, agents)
    if math.isinf(figures.mean_wait_seconds):
        return math.inf
    if figures.p_wait <= late:
        return 0.0
    return math.log(figures.p_wait / late) * figures.mean_wait_if_waiting_seconds


def erlang_a(
    contacts: float,
    interval_seconds: float,
    handle_seconds: float,
    agents: int,
    *,
    patience_seconds: float,
    target_seconds: float = 20.0,
) -> QueueFigures:
    """The queue whose contacts give up after an exponential patience (M/M/n+M). It is stable at any load.

    Parameters
    ----------
    contacts : float
        Arriving in an interval, at least 0.
    interval_seconds : float
        Length of the interval, above 0.
    handle_seconds : float
        Mean handle time, above 0.
    agents : int
        At least 1.
    patience_seconds : float
        Mean patience, above 0 and at most 1e8 (three years): not the mean wait of those who gave up, which is shorter, but total waiting time /
        number of those who gave up.
    target_seconds : float
        Of the service levels; also what counts as a short abandon.

    Raises
    ------
    LabError
        If a value is out of its range.

    References
    ----------
    Mandelbaum and Zeltyn (2005), *The Palm/Erlang-A queue*; Garnett, Mandelbaum and Reiman (2002). With arrival rate
    ``l``, service rate ``m``, patience rate ``h`` and ``J(t) = int_t^inf exp(l (1 - exp(-h x)) / h - n m x) dx``:
    ``P(V > t) = l J(t) / (1/B(n-1) + l J(0))`` for the virtual wait ``V``, and those served after ``t`` alike with
    ``n m + h`` in place of ``n m``. ``J`` is summed as a series of positive terms, in logarithms.

    Examples
    --------
    >>> figures = erlang_a(48, 60, 60, 50, patience_seconds=120)
    >>> round(figures.p_abandon, 4), round(figures.mean_wait_seconds, 2)
    (0.0309, 3.71)
    """
    rate, handle, n, target = _check_queue(contacts, interval_seconds, handle_seconds, agents, target_seconds)
    patience = check_number("patience_seconds", patience_seconds, above=0.0, high=1e8)
    load = rate * handle
    if not rate:
        return QueueFigures(n, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, target, ServiceLevels(1.0, 1.0, 1.0, 1.0))
    b, c = rate * patience, n * patience / handle  # arrivals, and services by all agents, in a mean patience
    before = _blocking(n - 1, load)
    log_idle = -math.log(before) if before > 0 else math.inf
    log_sum, mean_queue_if_wait = _series(b, c)
    log_wait = math.log(b) + log_sum
    log_all = float(np.logaddexp(log_idle, log_wait))

    def later(services: float) -> float:
        log_tail = -b * math.expm1(-target / patience) - services * target / patience
        return math.exp(math.log(b) + log_tail + _series(b * math.exp(-target / patience), services)[0] - log_all)

    p_wait = min(math.exp(log_wait - log_all), 1.0)
    p_now = math.exp(log_idle - log_all) if math.isfinite(log_all) else 1.0
    mean_queue = p_wait * mean_queue_if_wait
    p_abandon = mean_queue / b
    late, served_late = later(c), later(c + 1)
    in_time = p_now + p_wait - p_abandon - served_late
    short_abandons = 1 - late - in_time - late * math.expm1(-target / patience)
    shares = (in_time, in_time / (1 - short_abandons), in_time / (1 - p_abandon), 1 - late)
    levels = ServiceLevels(*(min(max(share, 0.0), 1.0) for share in shares))  # rounding, of the order of 1e-12
    occupancy = min(load * (1 - p_abandon) / n, 1.0)
    return QueueFigures(n, load, p_wait, p_abandon, mean_queue / rate, mean_queue, occupancy, target, levels)


def _check_queue(
    contacts: float, interval_seconds: float, handle_seconds: float, agents: int, target_seconds: float
) -> tuple[float, float, int, float]:
    """Contacts a second, handle time, agents and target, checked."""
    rate = check_number("contacts", contacts) / check_number("interval_seconds", interval_seconds, above=0.0)
    handle = check_number("handle_seconds", handle_seconds, above=0.0)
    return rate, handle, check_whole("agents", agents, low=1), check_number("target_seconds", target_seconds)


def _blocking(agents: int, load: float) -> float:
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
        if not blocked:
            break
    return blocked


def _series(x: float, c: float) -> tuple[float, float]:
    """Logarithm of ``sum_k x^k / (c (c+1) ... (c+k))``, and the mean of k by these terms.

    The terms are the probabilities, up to a factor, of k contacts waiting. They rise to ``k = x - c`` and fall from there;
    those that matter lie within a few square roots of it.
    """
    if x <= 0:
        return -math.log(c), 0.0
    peak = max(0, math.floor(x - c))
    width = int(2 * math.sqrt(2 * _NEGLIGIBLE * max(x, c)) + 100)
    up = np.cumsum(np.log(x) - np.log(c + np.arange(peak + 1, peak + width)))
    down = np.cumsum(np.log(c + np.arange(peak, max(peak - width, 0), -1)) - np.log(x))
    terms = np.exp(np.concatenate([down[::-1], [0.0], up]))
    k = np.arange(peak - len(down), peak + width)
    total = float(terms.sum())
    return _log_term(x, c, peak) + math.log(total), float(terms @ k) / total


def _log_term(x: float, c: float, k: int) -> float:
    """Logarithm of ``x^k / (c (c+1) ... (c+k))``; for great c by Stirling's series, whose great parts cancel on paper."""
    if not k:
        return -math.log(c)
    end = c + k + 1
    if c < 100:
        return k * math.log(x) + math.lgamma(c) - math.lgamma(end)
    rest = [1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5) for z in (c, end)]
    return k * math.log(x / end) - (c - 0.5) * math.log1p((k + 1) / c) - math.log(end) + k + 1 + rest[0] - rest[1]
