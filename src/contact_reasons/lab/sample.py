"""A made-up quarter of labelled tickets for a pack: to try the lab on, to test it and to measure it. It is nobody's data."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, shorten
from contact_reasons.lab.periods import Period
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import SecondaryReason, Taxonomy

__all__ = ["sample_quarter"]

IntArray = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]

_DAY: Final = 86_400
_REPEATS: Final = (0.13, 0.3)
"""Share that comes of an earlier contact; the second for reasons that are hard to settle."""

_WEEKDAYS: Final = (1.25, 1.1, 1.0, 1.0, 1.05, 0.55, 0.45)
_HOURS: Final = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 16, 15, 16, 17, 16, 15, 14, 13, 11, 8, 5, 2)
_OPEN: Final = ((8, 20),) * 5 + ((9, 16), (0, 0))
_ARRIVALS: Final = {"phone": 0.3, "email": 0.22, "web": 0.16, "chat": 0.14, "app": 0.1}
_FREQUENT: Final = {"track", "late", "refund", "login", "cancel", "status", "invoice", "bill", "start", "change"}
_RARE: Final = {"safety", "fraud", "praise", "suggestion", "danger", "bereavement"}
_HARD: Final = {"complaint", "fraud", "safety", "wrong", "refused", "damaged", "reply", "person", "late", "refund"}


def sample_quarter(
    pack: str | Path = "retail",
    tickets: int = 100_000,
    *,
    first: dt.date | str = "2026-07-01",
    days: int = 92,
    seed: int = 1,
) -> Columns:
    """Columns of so many made-up tickets, in the order of time.

    Frequent reasons are frequent, offices close at night, customers come again for the same reason, and one reason grows. The numbers were chosen to look like a service
    desk, not measured at one; draws are those of ``numpy.random.RandomState(seed)``, whose stream is frozen.

    Parameters
    ----------
    pack : str or Path
        Whose reasons, customer types, stages and arrival channels are drawn.
    tickets : int
        At least 100.
    first : date or str
        First day.
    days : int
        At least 28.
    seed : int

    Returns
    -------
    dict of str to ndarray, shape (tickets,)
        ``ticket_id``, ``created_at`` (datetime64[s]), ``reason``, ``confidence``, ``customer_id``, ``customer_type``, ``vulnerable``, ``stage``,
        ``arrival_channel``, ``open``, ``estimated_wait_seconds``, ``repeats_7d``, ``sentiment``; ``channel`` (where a desk without a policy would have answered: where
        the customer came in), ``escalated`` and ``reopened``. Missing values are None or NaN.

    Raises
    ------
    LabError
        If there are too few tickets or days.

    Examples
    --------
    >>> quarter = sample_quarter(tickets=1000)
    >>> len(quarter["reason"]), str(quarter["created_at"][0])[:10]
    (1000, '2026-07-01')
    """
    for name, value, least in (("tickets", tickets, 100), ("days", days, 28)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise LabError(f"{name} is {shorten(value)}; it must be a whole number, at least {least}")
    begin = np.datetime64(Period.of(first, first).first, "s")
    taxonomy, policy = Taxonomy.load(pack), RoutingPolicy.load(pack)
    random = np.random.RandomState(seed)
    reasons = taxonomy.secondaries
    issue, seconds, customer = _contacts(random, reasons, tickets, days, begin)
    names = np.array([reason.id for reason in reasons], dtype=object)
    found: Columns = {
        "ticket_id": np.array([f"T{number:06d}" for number in range(tickets)], dtype=object),
        "created_at": begin + seconds.astype("timedelta64[s]"),
        "reason": _holed(random, names[issue], 0.03),
        "confidence": np.round(0.3 + 0.7 * random.beta(6, 1.5, tickets), 3),
        "customer_id": np.array([f"C{number:06d}" for number in customer.tolist()], dtype=object),
        **_customers(random, policy, customer),
        "stage": _holed(random, _stages(random, taxonomy, issue), 0.04),
    }
    found |= _situation(random, policy, found["created_at"], seconds, customer)
    found["channel"] = _desk(found["arrival_channel"], found["open"])
    hard = _among(reasons, _HARD)
    found["escalated"] = random.random_sample(tickets) < np.where(hard[issue], 0.22, 0.05)
    found["reopened"] = _comes_again(issue, customer, seconds)
    return found


def _contacts(
    random: np.random.RandomState, reasons: tuple[SecondaryReason, ...], n: int, days: int, begin: np.datetime64
) -> tuple[IntArray, IntArray, IntArray]:
    """Reason, seconds since the first day and customer of each contact, in the order of time."""
    liked = np.where(_among(reasons, _RARE), 0.12, np.where(_among(reasons, _FREQUENT), 3.0, 1.0))
    weights = liked * random.lognormal(0.0, 0.6, len(reasons))
    issue = random.choice(len(reasons), n, p=weights / weights.sum())
    weekday = (begin.astype("datetime64[D]").astype(np.int64) + 3 + np.arange(days)) % 7
    daily = np.array(_WEEKDAYS)[weekday]
    day = random.choice(days, n, p=daily / daily.sum())
    grows = int(np.argsort(-weights, kind="stable")[3])
    later = (issue == grows) & (random.random_sample(n) < 0.6)
    ramp = daily * np.arange(1, days + 1)
    day[later] = random.choice(days, int(later.sum()), p=ramp / ramp.sum())
    hourly = np.array(_HOURS) / sum(_HOURS)
    seconds = day * _DAY + random.choice(24, n, p=hourly) * 3600 + random.randint(0, 3600, n)
    customer = random.randint(0, max(int(n * 0.6), 1), n)
    parent = random.randint(0, n, n)
    again = random.random_sample(n) < np.array(_REPEATS)[_among(reasons, _HARD)[issue[parent]].astype(np.int64)]
    after = seconds[parent] + (0.2 * _DAY + random.exponential(2.5 * _DAY, n)).astype(np.int64)
    again &= (after < days * _DAY) & ~again[parent]
    issue, customer = np.where(again, issue[parent], issue), np.where(again, customer[parent], customer)
    seconds = np.where(again, after, seconds)
    order = np.lexsort((customer, issue, seconds))
    return issue[order], seconds[order], customer[order]


def _among(reasons: tuple[SecondaryReason, ...], words: set[str]) -> npt.NDArray[np.bool_]:
    """Which reasons have one of the words in their id."""
    return np.array([not words.isdisjoint(reason.id.partition(".")[2].split("_")) for reason in reasons])


def _holed(random: np.random.RandomState, values: npt.NDArray[Any], share: float) -> npt.NDArray[Any]:
    """The values without some of them."""
    found = values.astype(object)
    found[random.random_sample(len(values)) < share] = None
    return found


def _customers(random: np.random.RandomState, policy: RoutingPolicy, customer: IntArray) -> Columns:
    """What belongs to a customer: the same in all contacts."""
    n = int(customer.max()) + 1
    types = [*policy.values_of("customer_type")] if "customer_type" in policy.inputs else []
    found: Columns = {}
    if types:
        weights = 1 / np.arange(1.0, len(types) + 1)
        drawn = np.array(types, dtype=object)[random.choice(len(types), n, p=weights / weights.sum())]
        found["customer_type"] = _holed(random, drawn, 0.05)[customer]
    draw = random.random_sample(n)
    found["vulnerable"] = np.array([False, True, None], dtype=object)[(draw < 0.02) + 2 * (draw > 0.9)][customer]
    return found


def _stages(random: np.random.RandomState, taxonomy: Taxonomy, issue: IntArray) -> npt.NDArray[Any]:
    """A stage in which the reason occurs."""
    stages = [reason.stages or taxonomy.stages or (None,) for reason in taxonomy.secondaries]
    table = np.full((len(stages), max(map(len, stages))), None, dtype=object)
    for row, own in enumerate(stages):
        table[row] = [own[i % len(own)] for i in range(table.shape[1])]
    sizes = np.array([len(own) for own in stages])
    found: npt.NDArray[Any] = table[issue, (random.random_sample(len(issue)) * sizes[issue]).astype(np.int64)]
    return found


def _situation(
    random: np.random.RandomState,
    policy: RoutingPolicy,
    times: npt.NDArray[np.datetime64],
    seconds: IntArray,
    customer: IntArray,
) -> Columns:
    """What is known at the moment of contact."""
    n = len(seconds)
    arrivals = [*policy.values_of("arrival_channel")] if "arrival_channel" in policy.inputs else [*_ARRIVALS]
    weights = np.array([_ARRIVALS.get(str(name), 0.03) for name in arrivals])
    weekday, hour = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7, seconds % _DAY // 3600
    hours = np.array(_OPEN)[weekday]
    is_open = (hour >= hours[:, 0]) & (hour < hours[:, 1])
    wait = random.exponential(40 + 12 * np.array(_HOURS)[hour])
    sentiment = np.round(np.clip(random.normal(-0.05, 0.4, n), -1, 1), 2)
    return {
        "arrival_channel": np.array(arrivals, dtype=object)[random.choice(len(arrivals), n, p=weights / weights.sum())],
        "open": is_open,
        "estimated_wait_seconds": np.where(is_open, np.floor(wait), np.nan),
        "repeats_7d": _before(customer, seconds),
        "sentiment": np.where(random.random_sample(n) < 0.1, np.nan, sentiment),
    }


def _before(customer: IntArray, seconds: IntArray) -> IntArray:
    """Contacts of the same customer in the seven days before each."""
    span = int(seconds.max()) + 8 * _DAY
    key = customer * span + seconds
    ordered = np.sort(key)
    least = np.maximum(key - 7 * _DAY, customer * span)
    return np.asarray(np.searchsorted(ordered, key, side="left") - np.searchsorted(ordered, least, side="left"))


def _desk(arrival: npt.NDArray[Any], is_open: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Where a desk answers that does not look at reasons."""
    phone = arrival == "phone"
    live = np.isin(arrival.astype(str), ("web", "app", "chat"))
    calls, chats = np.where(is_open, "human_agent", "callback"), np.where(is_open, "chat", "message")
    return np.where(phone, calls, np.where(live, chats, "message")).astype(object)


def _comes_again(issue: IntArray, customer: IntArray, seconds: IntArray) -> npt.NDArray[np.bool_]:
    """Whether the customer comes again for the same reason within seven days."""
    order = np.lexsort((seconds, issue, customer))
    same = (np.diff(customer[order]) == 0) & (np.diff(issue[order]) == 0) & (np.diff(seconds[order]) <= 7 * _DAY)
    found = np.zeros(len(issue), dtype=np.bool_)
    found[order[:-1]] = same
    return found
