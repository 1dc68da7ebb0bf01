"""Exploration: a small share of contacts is sent to another channel on purpose, with a known probability.

What a fixed rule never did cannot be estimated from its log. A policy with `explore:` tries the other channels on a share of
contacts and records how probable each choice was (the *propensity*); see ``docs/how-to/estimate-a-change.md``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contact_reasons.errors import RoutingError, shorten
from contact_reasons.records import Recommendation
from contact_reasons.routing.domains import Cell, Domain
from contact_reasons.routing.rulefile import Exploration, Promise

__all__ = ["Explorer", "hash_point"]

_BITS: Final = 53
Box = tuple[tuple[Domain, int], ...]


def hash_point(purpose: str, seed: str, key: str) -> float:
    r"""The point in [0, 1) that a key falls on, the same in every process, for ever.

    .. math:: \lfloor H / 2^{11} \rfloor / 2^{53}

    where H is the number in the first 8 bytes, most significant first, of SHA-256 over the UTF-8 bytes of ``purpose:seed:key``. Points of
    another purpose or seed are independent of these.

    Parameters
    ----------
    purpose, seed : str
        Without a colon.
    key : str
        Id of a contact or customer.

    Raises
    ------
    RoutingError
        If the key is no text or empty; it does not stand in the message.

    Examples
    --------
    >>> round(hash_point("rollout", "1", "C-1042"), 6)
    0.571961
    """
    if not isinstance(key, str) or not key:
        what = "an empty text" if key == "" else f"a {type(key).__name__}"
        raise RoutingError(f"the key of a contact or customer is {what}; give its id as text", "an id, as text")
    if ":" in purpose or ":" in seed:
        raise RoutingError(f"purpose {shorten(purpose)} or seed {shorten(seed)} has a colon; leave it out")
    text = f"{purpose}:{seed}:{key}".encode("utf-8", "surrogatepass")
    return float(int.from_bytes(hashlib.sha256(text).digest()[:8]) >> (64 - _BITS)) / float(1 << _BITS)


class Explorer:
    """The exploration of a policy, ready for single contacts.

    Parameters
    ----------
    exploration : Exploration
    promises : sequence of Promise
        A channel that one of them forbids a contact is never tried on it.
    domains : mapping of str to Domain
        Inputs of the policy, their atoms known.
    """

    def __init__(self, exploration: Exploration, promises: Sequence[Promise], domains: Mapping[str, Domain]) -> None:
        self._exploration = exploration
        self._when = _box(exploration.when, domains)
        self._barred = [
            (channel, [_box(promise.when, domains) for promise in promises if promise.forbids(channel)])
            for channel in exploration.channels
        ]

    def alternatives(self, values: Mapping[str, Any], channel: str) -> tuple[str, ...]:
        """Channels that may be tried in place of the one that the rule names: declared, another, forbidden by no promise."""
        if not _inside(self._when, values):
            return ()
        return tuple(
            other
            for other, boxes in self._barred
            if other != channel and not any(_inside(box, values) for box in boxes)
        )

    def probabilities(self, values: Mapping[str, Any], channel: str) -> dict[str, float]:
        r"""Probability of each channel: :math:`1 - \varepsilon` for the rule's, :math:`\varepsilon / k` for each of k alternatives.

        Without alternatives, 1 for the rule's.
        """
        others = self.alternatives(values, channel)
        share = self._exploration.share
        if not others:
            return {channel: 1.0}
        return {channel: 1.0 - share, **dict.fromkeys(others, share / len(others))}

    def explore(self, said: Recommendation, values: Mapping[str, Any], key: str) -> Recommendation:
        """The recommendation with its propensity; by the key's point, its channel changed to one of the alternatives.

        A channel that is tried keeps the rule's priority and skills; the rule's queue belongs to the rule's channel and is dropped.
        """
        point = hash_point("explore", self._exploration.seed, key)
        odds = self.probabilities(values, said.channel)
        share, others = self._exploration.share, list(odds)[1:]
        if not others or point >= share:
            return dataclasses.replace(said, propensity=odds[said.channel])
        tried = others[min(int(point / share * len(others)), len(others) - 1)]
        return dataclasses.replace(said, channel=tried, queue=None, propensity=odds[tried], instead_of=said.channel)


def _box(when: Mapping[str, Cell], domains: Mapping[str, Domain]) -> Box:
    return tuple((domains[name], domains[name].mask(cell)) for name, cell in when.items())


def _inside(box: Box, values: Mapping[str, Any]) -> bool:
    return all(mask >> domain.atom(values.get(domain.name)) & 1 for domain, mask in box)
