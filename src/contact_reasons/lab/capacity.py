r"""The best mix of channels for given capacities, and what one more agent hour is worth.

A transportation problem with side constraints, solved as a linear programme [1]_:

.. math::

   \max \sum_{g, c} v_{gc} x_{gc} \quad\text{with}\quad \sum_c x_{gc} = n_g, \quad
   \sum_{g,\, c \in P} \tfrac{m_{gc}}{60} x_{gc} \le h_P, \quad x \ge 0

with :math:`n_g` contacts of group g, :math:`v_{gc}` the value and :math:`m_{gc}` the agent minutes of one of them in channel c, and :math:`h_P` the hours of
pool P. The dual value of a pool's row is what the optimum gains by one more hour.

It says what would be best on average, not who waits how long: staff the result with queues.

References
----------
.. [1] Q. Huangfu, J. A. J. Hall, "Parallelizing the dual revised simplex method", Mathematical Programming Computation 10 (2018): HiGHS.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, nearest, shorten

__all__ = ["Assignment", "Demand", "Group", "Option", "Pool", "PoolUse", "assign_channels", "group_contacts"]

FloatArray = npt.NDArray[np.float64]


class Group(NamedTuple):
    """Contacts that are treated alike.

    Parameters
    ----------
    reason, type, stage : str or None
        Secondary reason, customer type and life-cycle stage.
    """

    reason: str | None
    type: str | None
    stage: str | None

    def __str__(self) -> str:
        return " / ".join("not known" if part is None else part for part in self)


class Option(NamedTuple):
    """What one contact of a group means in one channel.

    Parameters
    ----------
    value : float
        In any one unit, more being better; minus the cost where only costs count.
    minutes : float
        Agent minutes, at least 0: repeats and what comes back from self-service included.
    """

    value: float
    minutes: float


@dataclass(frozen=True, slots=True)
class Demand:
    """Contacts of a group in the period, and the channels that they may be sent to.

    Parameters
    ----------
    group : Group
    contacts : float
        At least 0.
    options : mapping of str to Option
        By channel. Leave out what a promise forbids.
    """

    group: Group
    contacts: float
    options: Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class Pool:
    """Agents that serve some channels.

    Parameters
    ----------
    name : str
    hours : float
        Agent hours in the period that can be spent on contacts (after breaks, and at the occupancy that is bearable).
    channels : tuple of str
        A channel of no pool takes no agents and has no limit.
    """

    name: str
    hours: float
    channels: tuple[str, ...]


class PoolUse(NamedTuple):
    """What the best mix does with a pool.

    Parameters
    ----------
    name : str
    hours, used : float
    hour_value : float
        What one more agent hour is worth, in the unit of the values, as long as few are added; 0 where hours are left over.
    """

    name: str
    hours: float
    used: float
    hour_value: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """The best mix.

    Parameters
    ----------
    value : float
        Total value.
    contacts : mapping of Group to mapping of str to float
        Contacts by group and channel, channels without any left out. All but as many groups as there are pools go to a single channel.
    pools : tuple of PoolUse
    """

    value: float
    contacts: Mapping[Group, Mapping[str, float]]
    pools: tuple[PoolUse, ...]

    def by_channel(self) -> dict[str, float]:
        """Contacts by channel, most first."""
        total: Counter[str] = Counter()
        for row in self.contacts.values():
            total.update(row)
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

    def __str__(self) -> str:
        lines = [f"value {self.value:,.2f}"]
        lines += [f"{channel}: {contacts:,.1f} contacts" for channel, contacts in self.by_channel().items()]
        lines += [
            f"{pool.name}: {pool.used:,.1f} of {pool.hours:,.1f} hours; one more hour is worth {pool.hour_value:,.2f}"
            for pool in self.pools
        ]
        return "\n".join(lines)


def group_contacts(
    reasons: Sequence[str | None], types: Sequence[str | None], stages: Sequence[str | None]
) -> dict[Group, int]:
    """How many contacts there are of each reason, type and stage, most first.

    Parameters
    ----------
    reasons, types, stages : sequence of str or None, length n

    Raises
    ------
    LabError
        If they differ in length.

    Examples
    --------
    >>> group_contacts(["late", "late"], ["gold", "gold"], [None, None])
    {Group(reason='late', type='gold', stage=None): 2}
    """
    if not len(reasons) == len(types) == len(stages):
        raise LabError(
            f"{len(reasons)} reasons, {len(types)} types and {len(stages)} stages; give one of each a contact"
        )
    counts = Counter(map(Group, reasons, types, stages))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))


def assign_channels(demands: Sequence[Demand], pools: Sequence[Pool]) -> Assignment:
    """The mix of channels of greatest value that serves every contact with the hours there are.

    Where several mixes are equally good, one of them. At a kink of the optimum the hour's value is one of several that are right.

    Parameters
    ----------
    demands : sequence of Demand
    pools : sequence of Pool

    Raises
    ------
    LabError
        If the contacts cannot be served, saying how many hours of which pool are short; or an argument is wrong.

    Examples
    --------
    >>> late = Demand(Group("late", "gold", None), 100, {"chat": Option(3.0, 6.0), "message": Option(2.0, 0.0)})
    >>> print(assign_channels([late], [Pool("agents", 5.0, ("chat",))]))
    value 250.00
    chat: 50.0 contacts
    message: 50.0 contacts
    agents: 5.0 of 5.0 hours; one more hour is worth 10.00
    """
    pool_of = _check(demands, pools)
    programme = _programme(demands, pools, pool_of)
    found = programme.solve(programme.gain, None)
    if found is None:
        raise LabError(_shortage(programme, demands, pools, pool_of))
    amounts, duals = found
    contacts: dict[Group, dict[str, float]] = {demand.group: {} for demand in demands}
    for (row, channel), amount in zip(programme.cells, amounts, strict=True):
        if amount > 1e-9 * max(1.0, demands[row].contacts):
            contacts[demands[row].group][channel] = float(amount)
    used = programme.hours @ amounts
    return Assignment(
        float(programme.gain @ amounts),
        contacts,
        tuple(
            PoolUse(pool.name, pool.hours, float(hours), max(0.0, float(-dual)))
            for pool, hours, dual in zip(pools, used, duals, strict=True)
        ),
    )


# ------------------------------------------------------------------------------------------- the programme


class _Programme(NamedTuple):
    """Cells (row of demand, channel), their gain, agent hours by pool, and the limits."""

    cells: list[tuple[int, str]]
    gain: FloatArray
    hours: Any
    each_group: Any
    contacts: FloatArray
    capacity: FloatArray

    def solve(self, gain: FloatArray, loosened: Sequence[int] | None) -> tuple[FloatArray, FloatArray] | None:
        """The best amounts and the duals of the pools, or None if there are none.

        With ``loosened``, the fewest hours that must be added to these pools come first, as if contacts, in place of the duals.
        """
        from scipy.optimize import linprog
        from scipy.sparse import csr_array, hstack

        n_cells, n_pools = len(self.cells), len(self.capacity)
        cost, hours, each_group = -gain, self.hours, self.each_group
        if loosened is not None:
            more = csr_array(
                (-np.ones(len(loosened)), (list(loosened), range(len(loosened)))), (n_pools, len(loosened))
            )
            cost = np.concatenate([np.zeros(n_cells), np.ones(len(loosened))])
            hours = hstack([hours, more])
            each_group = hstack([each_group, csr_array((each_group.shape[0], len(loosened)))])
        solved = linprog(
            cost,
            A_ub=hours if n_pools else None,
            b_ub=self.capacity if n_pools else None,
            A_eq=each_group,
            b_eq=self.contacts,
            method="highs-ipm",  # interior point, then to a corner: with many groups far faster than simplex
        )
        if solved.status == 2:
            return None
        if solved.status != 0:
            raise LabError(
                f"the linear programme was not solved: {solved.message}; scale values and hours to similar sizes"
            )
        if loosened is not None:
            return solved.x[:n_cells], solved.x[n_cells:]
        return solved.x, solved.ineqlin.marginals if n_pools else np.zeros(0)


def _programme(demands: Sequence[Demand], pools: Sequence[Pool], pool_of: Mapping[str, int]) -> _Programme:
    from scipy.sparse import csr_array

    cells = [(row, channel) for row, demand in enumerate(demands) for channel in demand.options]
    options = [demands[row].options[channel] for row, channel in cells]
    limited = [(pool_of[channel], i) for i, (_, channel) in enumerate(cells) if channel in pool_of]
    minutes = np.array([options[i].minutes / 60 for _, i in limited])
    places = ([pool for pool, _ in limited], [i for _, i in limited])
    return _Programme(
        cells,
        np.array([option.value for option in options]),
        csr_array((minutes, places), (len(pools), len(cells))),
        csr_array((np.ones(len(cells)), ([row for row, _ in cells], range(len(cells)))), (len(demands), len(cells))),
        np.array([demand.contacts for demand in demands], dtype=np.float64),
        np.array([pool.hours for pool in pools], dtype=np.float64),
    )


def _shortage(
    programme: _Programme, demands: Sequence[Demand], pools: Sequence[Pool], pool_of: Mapping[str, int]
) -> str:
    """Why there is no mix: the fewest hours that are short, which single pool could bring them, and who is tied to agents."""
    together = programme.solve(programme.gain, range(len(pools)))
    assert together is not None  # with enough hours everybody can be served: each group has a channel
    short = [
        f"{hours:,.1f} more of {pool.name!r}"
        for pool, hours in zip(pools, together[1], strict=True)
        if hours > 1e-9 * max(1.0, pool.hours)
    ]
    alone = []
    for i, pool in enumerate(pools):
        single = programme.solve(programme.gain, [i])
        if single is not None:
            alone.append(f"{pool.name!r} alone: {single[1][0]:,.1f}")
    tied = [
        (demand.contacts, str(demand.group))
        for demand in demands
        if all(channel in pool_of for channel in demand.options)
    ]
    tied.sort(key=lambda item: (-item[0], item[1]))
    names = ", ".join(f"{group} ({contacts:,.0f})" for contacts, group in tied[:3])
    return (
        f"the hours do not suffice to serve every contact: at least {' and '.join(short)} hours are needed"
        + (f" (from one pool: {'; '.join(alone)})" if len(pools) > 1 and alone else "")
        + f"; contacts of {len(tied)} groups can go to agents only, most of them {names}; add hours, or allow them a channel without agents"
    )


# ------------------------------------------------------------------------------------------------- checks


def _check(demands: Sequence[Demand], pools: Sequence[Pool]) -> dict[str, int]:
    if not demands:
        raise LabError("there is no demand; give at least one group")
    twice = [str(group) for group, times in Counter(demand.group for demand in demands).items() if times > 1]
    if twice:
        raise LabError(f"the group {twice[0]!r} is given twice; add its contacts up")
    for demand in demands:
        _check_number(f"contacts of {demand.group}", demand.contacts, 0.0)
        if not demand.options:
            raise LabError(f"{demand.group}: no channel is allowed; give at least one option")
        for channel, option in demand.options.items():
            _check_number(f"value of {demand.group} in {channel}", option.value, -math.inf)
            _check_number(f"minutes of {demand.group} in {channel}", option.minutes, 0.0)
    known = {channel for demand in demands for channel in demand.options}
    pool_of: dict[str, int] = {}
    for i, pool in enumerate(pools):
        _check_number(f"hours of {pool.name}", pool.hours, 0.0)
        if pool.name in (other.name for other in pools[:i]):
            raise LabError(f"two pools are called {pool.name!r}; rename one")
        for channel in pool.channels:
            if channel in pool_of:
                raise LabError(
                    f"{channel!r} belongs to {pools[pool_of[channel]].name!r} and {pool.name!r}; give it one pool"
                )
            if channel not in known:
                raise LabError(f"pool {pool.name!r}: no group may go to {channel!r}; {nearest(channel, sorted(known))}")
            pool_of[channel] = i
    return pool_of


def _check_number(what: str, value: float, least: float) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.number)
        or not math.isfinite(value)
        or value < least
    ):
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise LabError(f"{what} is {shorten(value)}; it must be a finite number{bound}")
