"""Two policies side by side: one serves, both are logged; and a switch from one to the other, customer by customer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contact_reasons.errors import LabError, RoutingError, nearest, shorten
from contact_reasons.records import Recommendation
from contact_reasons.routing import RoutingPolicy, hash_point

__all__ = ["Rollout", "SideBySide", "channel_moves"]

CURRENT, CANDIDATE = "current", "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """What two policies say of one contact, and which of them was served.

    Parameters
    ----------
    contact_id : str or None
    side : {'current', 'candidate'}
        Whose recommendation was served.
    current : Recommendation
    candidate : Recommendation or None
        None if it could not answer.
    error : str
        Why the candidate could not answer, without values of the contact; empty if it could.
    propensity : float
        Probability, over the draws of the rollout and of exploration, that such a contact is sent to the channel served.
    """

    contact_id: str | None
    side: str
    current: Recommendation
    candidate: Recommendation | None
    error: str
    propensity: float

    @property
    def served(self) -> Recommendation:
        """The recommendation that was served."""
        return self.candidate if self.side == CANDIDATE and self.candidate is not None else self.current

    @property
    def agree(self) -> bool:
        """Whether both send the contact to the same channel."""
        return self.candidate is not None and self.candidate.channel == self.current.channel

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a log, without values of the contact."""
        return {
            "contact_id": self.contact_id,
            "side": self.side,
            "channel": str(self.served.channel),
            "propensity": self.propensity,
            CURRENT: _plain(self.current),
            CANDIDATE: None if self.candidate is None else _plain(self.candidate),
            "error": self.error,
        }


class Rollout:
    """A current policy and a candidate; the candidate is served to a stated share of customers.

    With share 0 it runs in the shadow: the current policy is served, both are logged. Customers are switched by
    ``hash_point("rollout", seed, customer_id) < share``: the same customer stays on the same side, and nobody is switched back when the share
    grows. Without a customer id, and where the candidate has no answer, the current policy is served.

    Parameters
    ----------
    current, candidate : RoutingPolicy
    share : float
        From 0 to 1.
    seed : str
        Another one draws other customers; without a colon.

    Raises
    ------
    LabError
        If the share is not a number from 0 to 1.
    RoutingError
        If the seed has a colon.

    Examples
    --------
    >>> def shop(channel):
    ...     return RoutingPolicy.from_dict({"router": channel, "version": "1", "inputs": {"open": {"type": "bool"}},
    ...                                     "rules": [{"id": "all", "when": {}, "then": {"channel": channel, "priority": 5}}]})
    >>> rollout = Rollout(shop("message"), shop("chat"), share=0.1)
    >>> said = rollout.route({"open": True}, customer_id="C-1042")
    >>> said.side, str(said.served.channel), str(said.candidate.channel), said.propensity
    ('current', 'message', 'chat', 0.9)
    """

    def __init__(
        self, current: RoutingPolicy, candidate: RoutingPolicy, *, share: float = 0.0, seed: str = "1"
    ) -> None:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise LabError(f"share is {shorten(share)}; it must be a number from 0 (shadow) to 1")
        hash_point("rollout", seed, "any")
        self.current, self.candidate, self.share, self.seed = current, candidate, float(share), seed
        self.inputs = tuple(dict.fromkeys((*current.inputs, *candidate.inputs)))

    def __repr__(self) -> str:
        """Both policies and the share."""
        return f"Rollout({self.current!r}, {self.candidate!r}, share={self.share:g}, seed={self.seed!r})"

    def switched(self, customer_id: str | None) -> bool:
        """Whether the candidate is served to this customer.

        Raises
        ------
        RoutingError
            If the id is no text or empty.
        """
        return customer_id is not None and hash_point("rollout", self.seed, customer_id) < self.share

    def route(
        self, values: Mapping[str, Any], *, customer_id: str | None = None, contact_id: str | None = None
    ) -> SideBySide:
        """Both recommendations for one contact.

        Parameters
        ----------
        values : mapping of str to value
            For the inputs of both policies.
        customer_id : str, optional
        contact_id : str, optional
            Key of the exploration of either policy; without it, none explores.

        Raises
        ------
        RoutingError
            If a key is an input of neither policy, or the current policy cannot answer.
        """
        for name in values:
            if name not in self.inputs:
                raise RoutingError(f"{name!r} is an input of neither policy; {nearest(name, self.inputs)}")
        own = {name: values[name] for name in self.current.inputs if name in values}
        other = {name: values[name] for name in self.candidate.inputs if name in values}
        current = self.current.route(own, key=contact_id)
        candidate, error = None, ""
        try:
            candidate = self.candidate.route(other, key=contact_id)
        except RoutingError as exc:
            error = f"the candidate's inputs must be {exc.expected or 'such that a rule matches'}"
        side = CANDIDATE if candidate is not None and self.switched(customer_id) else CURRENT
        served = candidate if side == CANDIDATE and candidate is not None else current
        share = self.share if candidate is not None and customer_id is not None else 0.0
        propensity = (1 - share) * _odds(self.current, own, current, served.channel)
        if candidate is not None:
            propensity += share * _odds(self.candidate, other, candidate, served.channel)
        return SideBySide(
            contact_id=contact_id, side=side, current=current, candidate=candidate, error=error, propensity=propensity
        )


def channel_moves(log: Iterable[SideBySide]) -> dict[tuple[str, str], int]:
    """How many contacts the two policies send from which channel to which, most first; ``'no answer'`` where the candidate has none.

    Parameters
    ----------
    log : iterable of SideBySide
    """
    counts = Counter(
        (str(row.current.channel), "no answer" if row.candidate is None else str(row.candidate.channel)) for row in log
    )
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _odds(policy: RoutingPolicy, values: Mapping[str, Any], said: Recommendation, channel: str) -> float:
    """Probability that the policy sends such a contact to a channel; without a draw, what it said is certain."""
    if said.propensity is None:
        return float(said.channel == channel)
    return policy.channel_probabilities(values).get(channel, 0.0)


def _plain(said: Recommendation) -> dict[str, Any]:
    return {
        "policy_id": said.policy_id,
        "policy_version": said.policy_version,
        "channel": str(said.channel),
        "priority": said.priority,
        "rule_id": said.rule_id,
        "propensity": said.propensity,
        "instead_of": None if said.instead_of is None else str(said.instead_of),
    }
