"""The log of a policy that left its choices to chance in a known way, and the choices of another policy on the same contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabRowError, nearest
from contact_reasons.lab.columns import column, distribution, positions, refuse_rows
from contact_reasons.records import Channel
from contact_reasons.routing import RoutingPolicy

__all__ = ["RoutingLog", "target_probabilities"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RoutingLog:
    """What n contacts were sent to, with which probability, and what came of it; use `of` to get one, checked.

    Parameters
    ----------
    channels : tuple of str, length k
    chosen : ndarray of int64, shape (n,)
        Position in ``channels`` of the channel that each contact was sent to.
    outcome : ndarray of float64, shape (n,)
        Such as 1 for resolved and 0 for not, or minus the cost.
    propensity : ndarray of float64, shape (n,)
        In (0, 1].
    possible : ndarray of bool, shape (n, k)
        Which channels the log could have chosen for each contact.
    """

    channels: tuple[str, ...]
    chosen: IntArray
    outcome: FloatArray
    propensity: FloatArray
    possible: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        logged_channel: Sequence[str],
        outcome: npt.ArrayLike,
        propensity: npt.ArrayLike,
        *,
        channels: Sequence[str] = tuple(Channel),
        probabilities: npt.ArrayLike | None = None,
    ) -> RoutingLog:
        """The log in these columns.

        Parameters
        ----------
        logged_channel : sequence of str, length n
        outcome, propensity : array-like of float, shape (n,)
        channels : sequence of str, length k
        probabilities : array-like of float, shape (n, k), optional
            Of each channel under the policy that wrote the log, see `target_probabilities`. Without it, a contact with propensity 1 could go
            nowhere else, and any other one is taken to have been able to go anywhere.

        Raises
        ------
        LabError
            If columns differ in length, a channel is unknown, an outcome is not finite, or a propensity is not in (0, 1]: with the rows.

        Examples
        --------
        >>> RoutingLog.of(["chat", "message"], [1, 0], [0.5, 1.0]).possible.sum(axis=1).tolist()
        [5, 1]
        """
        names = tuple(str(name) for name in channels)
        chosen = positions(list(logged_channel), names)
        outcomes, odds = column("outcome", outcome, len(chosen)), column("propensity", propensity, len(chosen))
        refuse_rows("outcome", outcomes, ~np.isfinite(outcomes), "a finite number; leave out contacts without one")
        refuse_rows("propensity", odds, ~((odds > 0) & (odds <= 1)), "above 0 and at most 1, as the policy logged it")
        rows = np.arange(len(chosen))
        if probabilities is None:
            possible = np.repeat((odds < 1)[:, None], len(names), axis=1)
            possible[rows, chosen] = True
            return cls(names, chosen, outcomes, odds, possible)
        each = distribution("probabilities", probabilities, (len(chosen), len(names)))
        refuse_rows(
            "propensity",
            odds,
            ~np.isclose(each[rows, chosen], odds, rtol=1e-6),
            "what probabilities say of the channel",
        )
        return cls(names, chosen, outcomes, odds, each > 0)

    def __len__(self) -> int:
        return len(self.chosen)


def target_probabilities(
    policy: RoutingPolicy, rows: Sequence[Mapping[str, Any]], channels: Sequence[str] = tuple(Channel)
) -> FloatArray:
    """Probability of each channel for each contact under a policy, shape (n, k).

    Parameters
    ----------
    policy : RoutingPolicy
    rows : sequence of mapping
        Values of each contact, for the inputs of the policy.
    channels : sequence of str, length k

    Raises
    ------
    RoutingError
        If the policy cannot route a contact.
    LabError
        If it sends one to a channel that is not listed.
    """
    names = tuple(str(name) for name in channels)
    found = np.zeros((len(rows), len(names)))
    for i, values in enumerate(rows):
        for channel, odds in policy.channel_probabilities(values).items():
            if str(channel) not in names:
                what = f" may go to {str(channel)!r}, which is not in channels; {nearest(channel, names)}"
                raise LabRowError("", [i], what)
            found[i, names.index(str(channel))] = odds
    return found
