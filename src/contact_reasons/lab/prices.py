"""Prices as data: what a contact costs by channel, what share of contacts resolves the matter, and where the others go next.

Every figure has a low, a likely and a high value, a source and a year. What has no figure is not known, and so is what
would follow from it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, LabRowError, count_text, nearest, shorten
from contact_reasons.resources import example_prices_file
from contact_reasons.schema import Mistakes, Record, boolean, check, mapping, mistake, optional, text
from contact_reasons.taxonomy.strict_yaml import StrictDocument, load_strict_yaml

__all__ = ["EXAMPLE_NOTICE", "ChannelPrice", "Figure", "Prices", "Range"]

EXAMPLE_NOTICE: Final = "Example prices: replace with yours."
"""Said in every report until a price list says ``example: false``."""

SELF_SERVICE: Final = "self_service"
"""The channel in which no person is involved."""

Counting = Literal["contacts", "follow_up", "resolved"]
COUNTINGS: Final = ("contacts", "follow_up", "resolved")
_MOST_UNCERTAIN: Final = 12


class Range(NamedTuple):
    """A figure that is not known exactly: at least ``low``, at most ``high``, most likely ``likely``."""

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> Range:
        """Each value times a factor, which may be negative.

        >>> Range(1.0, 2.0, 4.0).times(-1)
        Range(low=-4.0, likely=-2.0, high=-1.0)
        """
        low, high = sorted((self.low * factor, self.high * factor))
        return Range(low, self.likely * factor, high)


_ALWAYS: Final = Range(1.0, 1.0, 1.0)


class _PriceMistakes(Mistakes, LabError):
    """Mistakes in prices that were made in code."""


class _Part(Record):
    mistakes = _PriceMistakes


def _number(value: Any) -> float:
    """A finite number of at least 0; the files' scalars are texts."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise mistake(f"this must be a number such as 5.25, not {shorten(value)}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise mistake(f"this must be a number, at least 0, not {shorten(value)}")
    return float(value)


def _year(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or not 1900 <= number <= 2200:
        raise mistake(f"this must be a year such as 2026, not {shorten(value)}")
    return int(number)


def _flag(value: Any) -> bool:
    return boolean({"true": True, "false": False}.get(value, value) if isinstance(value, str) else value)


@dataclass(frozen=True, kw_only=True)
class Figure(_Part):
    """A published, measured or assumed figure.

    Parameters
    ----------
    low, likely, high : float
        At least 0, in this order.
    source : str
        Who says so.
    year : int, optional
        Of the source; may only be left out of an assumption.
    assumption : bool
        Whether nobody published or measured it.
    """

    low: float = field(metadata=check(_number))
    likely: float = field(metadata=check(_number))
    high: float = field(metadata=check(_number))
    source: str = field(metadata=check(text(1, 500)))
    year: int | None = field(default=None, metadata=check(optional(_year)))
    assumption: bool = field(default=False, metadata=check(_flag))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= self.likely <= self.high:
            what = f"low, likely and high are {self.low:g}, {self.likely:g}, {self.high:g}; none may be below the one before it"
            raise self.mistakes([((), what)])
        if self.year is None and not self.assumption:
            raise self.mistakes([(("year",), "the year is missing; give the source's, or write assumption: true")])

    @property
    def range(self) -> Range:
        """The three values."""
        return Range(self.low, self.likely, self.high)


def _share(value: Any) -> Figure:
    figure = Figure.read(value)
    if not 0 < figure.low <= figure.high <= 1:
        raise mistake(f"a share lies above 0 and is at most 1, not {figure.low:g} to {figure.high:g}; 70 % is 0.70")
    return figure


@dataclass(frozen=True, kw_only=True)
class ChannelPrice(_Part):
    """What a contact in one channel costs, and what comes of it.

    Parameters
    ----------
    contact : Figure
        Cost of one contact, in the currency of the list.
    resolved : Figure, optional
        Share of contacts after which the customer need not come again, in (0, 1]. None: not known.
    then : str, optional
        Channel of the next contact where the matter was not resolved. None: not known.
    """

    contact: Figure = field(metadata=check(Figure.read))
    resolved: Figure | None = field(default=None, metadata=check(optional(_share)))
    then: str | None = field(default=None, metadata=check(optional(text(1))))


@dataclass(frozen=True, kw_only=True)
class Prices(_Part):
    """A price list.

    Parameters
    ----------
    prices : str
        Its name.
    version : str
    example : bool
        Whether it is an example; then every report made with it says so.
    currency : str
        Of all its costs, which are added up.
    channels : mapping of str to ChannelPrice

    Raises
    ------
    LabError
        From `load`, `from_yaml` and `from_dict`, naming what is wrong and where.

    Examples
    --------
    >>> call = {"low": 5, "likely": 5.25, "high": 8, "year": 2026, "source": "own books"}
    >>> prices = Prices.from_dict({"prices": "ours", "version": "1", "example": False, "currency": "EUR", "channels": {
    ...     "human_agent": {"contact": call, "resolved": {**call, "low": 0.5, "likely": 0.7, "high": 0.8}, "then": "human_agent"},
    ...     "chat": {"contact": call}}})
    >>> prices.cost_per_contact("human_agent").likely, round(prices.cost_per_resolved("human_agent").likely, 2)
    (5.25, 7.5)
    >>> prices.cost_per_resolved("chat") is None
    True
    """

    prices: str = field(metadata=check(text(1, 80)))
    version: str = field(metadata=check(text(1, 40)))
    example: bool = field(metadata=check(_flag))
    currency: str = field(metadata=check(text(1, 12)))
    channels: Mapping[str, ChannelPrice] = field(metadata=check(mapping(ChannelPrice.read)))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.channels:
            raise self.mistakes([(("channels",), "no channel has a price; give at least one")])
        for name, channel in self.channels.items():
            if channel.then is not None and channel.then not in self.channels:
                what = f"{channel.then!r} has no price in this list; {nearest(channel.then, self.channels)}"
                raise self.mistakes([(("channels", name, "then"), what)])

    @classmethod
    def load(cls, source: str | Path | Prices | None = None) -> Prices:
        """The prices in a file; without one, the shipped example."""
        if isinstance(source, Prices):
            return source
        return cls.from_yaml(example_prices_file() if source is None else source)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The prices in a YAML file such as ``taxonomies/example-prices.yaml``."""
        return cls._from_document(load_strict_yaml(path, LabError))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The prices described by a mapping of the same shape as the file."""
        return cls._from_document(StrictDocument(data, {}, ""))

    @classmethod
    def _from_document(cls, document: StrictDocument) -> Self:
        try:
            return cls.read(document.data)
        except Mistakes as exc:
            raise LabError("\n".join(f"{document.where(path)}: {what}" for path, what in exc.found[:8])) from None

    @property
    def notice(self) -> str:
        """What every report says: that the prices are an example, or nothing."""
        return EXAMPLE_NOTICE if self.example else ""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Figures that nobody published or measured, each with what was assumed."""
        return tuple(
            f"{name}, {what}: {figure.source}"
            for name, channel in self.channels.items()
            for what, figure in (("cost of a contact", channel.contact), ("share resolved", channel.resolved))
            if figure is not None and figure.assumption
        )

    def cost_per_contact(self, channel: str) -> Range:
        """Cost of one contact.

        Raises
        ------
        LabError
            If the channel has no price.
        """
        if channel not in self.channels:
            raise LabError(
                f"the channel {shorten(channel)} has no price in {self.prices!r}; {nearest(channel, self.channels)} "
                "Add it under `channels`."
            )
        return self.channels[channel].contact.range

    def check_channels(self, names: Sequence[str], codes: npt.NDArray[np.int64], column: str) -> None:
        """Check that each channel of a column has a price.

        Parameters
        ----------
        names : sequence of str
        codes : ndarray of int64, shape (n,)
            Position in ``names`` of each row's channel.
        column : str

        Raises
        ------
        LabError
            With the first row; without the value, which may be anything if it is the wrong column.
        """
        unknown = [place for place, name in enumerate(names) if name not in self.channels]
        if unknown:
            row = int(np.isin(codes, unknown).argmax())
            raise LabRowError(
                f"column {column!r}, ",
                [row],
                f": this channel has no price in {self.prices!r}, which knows {', '.join(self.channels)}. "
                f"Write its names, or add the channel under `channels`; so for {count_text(len(unknown), 'name')} in all",
            )

    def resolved(self, channel: str) -> Range | None:
        """Share of contacts that resolve the matter; None if it is not known.

        Raises
        ------
        LabError
            If the channel has no price.
        """
        self.cost_per_contact(channel)
        figure = self.channels[channel].resolved
        return None if figure is None else figure.range

    def cost_per_resolved(self, channel: str) -> Range | None:
        r"""Cost of a matter that begins in a channel, with all contacts that follow until it is resolved; None if not known.

        .. math:: C_c = p_c + (1 - r_c) \, C_{t(c)}

        where p is the cost of a contact, r the share resolved and t(c) the channel of the next contact: 0.10 for self-service that
        resolves 9 %, then a call of 5.25 that always does, make 0.10 + 0.91 · 5.25 = 4.88. A contact is taken to resolve with the same
        share whichever it is in the row, and nobody gives up. It is known if r and t are for every channel that can follow. Lowest where all
        costs are low and all shares high, as it grows with the one and falls with the other.

        Raises
        ------
        LabError
            If the channel has no price.
        """
        self.cost_per_contact(channel)
        return self._per_resolved.get(channel)

    def needed_for_resolved(self, channel: str) -> str:
        """What would have to be known for `cost_per_resolved`, as half a sentence; empty if all is."""
        seen: list[str] = []
        at: str | None = channel
        while at is not None and at not in seen:
            seen.append(at)
            at = None if self.resolved(at) == _ALWAYS else self.channels[at].then
        unknown = [name for name in seen if self.channels[name].resolved is None]
        if unknown:
            return f"the share resolved is not known for {', '.join(unknown)}"
        open_end = [name for name in seen if self.channels[name].then is None and self.resolved(name) != _ALWAYS]
        return f"what follows is not known for {', '.join(open_end)}" if open_end else ""

    def total(self, contacts: Mapping[str, float], counting: Counting = "contacts") -> Range | None:
        """Cost of so many contacts by channel; differences of numbers count too.

        Each figure is the same for all contacts, whatever it is within its range, so that what one channel gains another loses at the same price. The range is exact: the cost
        is monotone in each figure while the others stand, so that its ends lie at ends of theirs.

        Parameters
        ----------
        contacts : mapping of str to float
            May be negative, for contacts that are saved.
        counting : {'contacts', 'follow_up', 'resolved'}
            These contacts alone; or with the one contact that follows where self-service did not resolve the matter; or with all that follow in any
            channel until it is resolved, see `cost_per_resolved`.

        Returns
        -------
        Range or None
            None if a share resolved, or what follows, is not known.

        Raises
        ------
        LabError
            If a channel has no price, or ``counting`` is none of these.
        """
        if counting not in COUNTINGS:
            raise LabError(f"counting is {shorten(counting)}; {nearest(counting, COUNTINGS)}")
        used = {name: number for name, number in contacts.items() if number}
        for name in used:
            self.cost_per_contact(name)
        if counting == "resolved":
            return self._total_resolved(used) if all(name in self._per_resolved for name in used) else None
        if counting == "follow_up" and SELF_SERVICE in used:
            own = self.channels[SELF_SERVICE].resolved
            return None if own is None else self.total_followed(used, SELF_SERVICE, own.range)
        return self._spent(used)

    def follow_unresolved(self, contacts: Mapping[str, float], channel: str, resolved: float) -> dict[str, float]:
        """The contacts, and one more for each that a channel did not resolve: the one assumption of where these go.

        They go where the price list says (``then``), not back to where each came from: that is a figure of one's own desk that can be checked and changed, it
        holds as well for contacts that come from nowhere else, and with the shipped list, a call, it does not flatter the change.

        Parameters
        ----------
        contacts : mapping of str to float
            Number by channel; negative for contacts that are saved.
        channel : str
            A channel that has a ``then``, or resolves all.
        resolved : float
            Share that it resolves, from 0 to 1.

        Examples
        --------
        >>> Prices.load().follow_unresolved({"self_service": 100, "message": -100}, "self_service", 0.09)
        {'self_service': 100, 'message': -100, 'human_agent': 91.0}
        """
        then = self.channels[channel].then or channel
        return {**contacts, then: contacts.get(then, 0.0) + contacts[channel] * (1 - resolved)}

    def total_followed(self, contacts: Mapping[str, float], channel: str, resolved: Range) -> Range | None:
        """Cost of so many contacts, with the one that follows each that a channel does not resolve; see `follow_unresolved`.

        Parameters
        ----------
        contacts : mapping of str to float
            As for `total`; with the channel among them.
        channel : str
        resolved : Range
            Share that it resolves.

        Returns
        -------
        Range or None
            None if it is not known what follows.
        """
        if self.channels[channel].then is None and resolved != _ALWAYS:
            return None
        ends = [self._spent(self.follow_unresolved(contacts, channel, share)) for share in resolved]
        return Range(min(each.low for each in ends), ends[1].likely, max(each.high for each in ends))

    def _spent(self, contacts: Mapping[str, float]) -> Range:
        """Cost of these contacts alone; likely ones at likely prices, the dearest where a number is positive and so on."""
        each = [self.cost_per_contact(name).times(number) for name, number in contacts.items()]
        return Range(*(math.fsum(ends) for ends in zip(*each, strict=True))) if each else Range(0.0, 0.0, 0.0)

    # ------------------------------------------------------------------------------------- chains of contacts

    @cached_property
    def _known(self) -> tuple[str, ...]:
        """Channels from which every chain of contacts is known."""
        return tuple(name for name in self.channels if not self.needed_for_resolved(name))

    @cached_property
    def _per_resolved(self) -> dict[str, Range]:
        costs = {
            end: self._solve(self._costs(end), self._shares({"low": "high", "high": "low"}.get(end, end)))
            for end in Range._fields
        }
        return {name: Range(*(float(costs[end][i]) for end in Range._fields)) for i, name in enumerate(self._known)}

    def _costs(self, end: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(self.channels[name].contact, end) for name in self._known])

    def _shares(self, end: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(self.channels[name].resolved, end) for name in self._known])

    def _chains(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The matrix M of M C = p."""
        found = np.eye(len(shares))
        for i, name in enumerate(self._known):
            if shares[i] < 1:
                found[i, self._known.index(str(self.channels[name].then))] -= 1 - shares[i]
        return found

    def _solve(self, costs: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(np.linalg.solve(self._chains(shares), costs), np.float64) if len(costs) else costs

    def _total_resolved(self, contacts: Mapping[str, float]) -> Range:
        begun = np.array([contacts.get(name, 0.0) for name in self._known])
        low, high, likely = self._shares("low"), self._shares("high"), self._shares("likely")
        cheap, dear = self._costs("low"), self._costs("high")
        ends: Sequence[Sequence[float]] = [sorted({float(a), float(b)}) for a, b in zip(low, high, strict=True)]
        if sum(len(pair) > 1 for pair in ends) > _MOST_UNCERTAIN:
            raise LabError(f"more than {_MOST_UNCERTAIN} shares resolved have a range; give the surest ones one value")
        totals = []
        for shares in itertools.product(*ends):
            made = np.linalg.solve(
                self._chains(np.array(shares)).T, begun
            )  # contacts by channel, until all is resolved
            totals.append((made @ np.where(made > 0, cheap, dear), made @ np.where(made > 0, dear, cheap)))
        middle = begun @ self._solve(self._costs("likely"), likely)
        return Range(float(min(a for a, _ in totals)), float(middle), float(max(b for _, b in totals)))
