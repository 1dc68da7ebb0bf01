"""Where a log overlaps with what a policy would do, channel by channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy.typing as npt

from contact_reasons.lab.columns import distribution
from contact_reasons.lab.routing_log import RoutingLog

__all__ = ["ChannelOverlap", "channel_overlap"]


class ChannelOverlap(NamedTuple):
    """How much of a log speaks of what a policy sends to one channel.

    Parameters
    ----------
    channel : str
    logged : int
        Contacts that went there.
    wanted : float
        Contacts that the policy would send there, on average.
    unsupported : float
        Of these, contacts that could not go there in the log: nothing is known of them.
    effective_size : float
        Contacts of the log behind the estimate for this channel, see `WeightSummary`.
    largest : float
        Weight.
    """

    channel: str
    logged: int
    wanted: float
    unsupported: float
    effective_size: float
    largest: float


def channel_overlap(log: RoutingLog, target: npt.ArrayLike) -> tuple[ChannelOverlap, ...]:
    """The overlap of each channel to which a contact went or would go.

    Parameters
    ----------
    log : RoutingLog
    target : array-like of float, shape (n, k)
        Probability of each channel under the policy.

    Raises
    ------
    LabError
        If the target does not fit the log.

    Examples
    --------
    >>> log = RoutingLog.of(["chat", "message", "chat"], [1, 0, 1], [0.5, 0.5, 1.0], channels=["chat", "message"])
    >>> for each in channel_overlap(log, [[1, 0], [0, 1], [0, 1]]):
    ...     print(*each)
    chat 2 1.0 0.0 1.0 2.0
    message 1 2.0 1.0 1.0 2.0
    """
    pi = distribution("target", target, (len(log), len(log.channels)))
    found = []
    for place, channel in enumerate(log.channels):
        went = log.chosen == place
        weights = pi[went, place] / log.propensity[went]
        squares = float((weights**2).sum())
        one = ChannelOverlap(
            channel,
            int(went.sum()),
            float(pi[:, place].sum()),
            float(pi[~log.possible[:, place], place].sum()),
            float(weights.sum()) ** 2 / squares if squares else 0.0,
            float(weights.max(initial=0.0)),
        )
        if one.logged or one.wanted:
            found.append(one)
    return tuple(found)
