"""Business cases of a friction ledger: what it would save to remove the cause of contacts, or to move them to another channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from contact_reasons.errors import LabError, nearest, shorten
from contact_reasons.lab.ledger import Friction
from contact_reasons.lab.prices import SELF_SERVICE, Prices, Range
from contact_reasons.lab.wording import money, money_range

__all__ = ["BusinessCase", "move_case", "remove_case"]

_MONTHS: Final = 12.0
Where = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class BusinessCase:
    """A change, what it saves and what it costs, a year.

    Parameters
    ----------
    what : str
    tickets_a_year : float
        Contacts that it is about, at the pace of the ledger's period.
    cost_a_year : Range
        Of these contacts today.
    saving_a_year : Range
        Before the running cost; below 0 where the change costs more than it saves.
    one_off, running_a_year : float
        Cost of the change.
    years : float
        Over which it shall pay.
    break_even : float or None
        Share removed, or resolved in the new channel, from which on it pays within ``years``, at likely costs; above 1 it never does. None if there are no such contacts.
    likely_share : float
        The share that was taken as likely, to compare.
    then : str or None
        Channel in which those come again whom the new channel does not help; None where nothing is moved.
    currency, notice : str
    """

    what: str
    tickets_a_year: float
    cost_a_year: Range
    saving_a_year: Range
    one_off: float
    running_a_year: float
    years: float
    break_even: float | None
    likely_share: float
    then: str | None
    currency: str
    notice: str

    @property
    def net_a_year(self) -> Range:
        """Saving less running cost."""
        return Range(*(saving - self.running_a_year for saving in self.saving_a_year))

    @property
    def months_to_pay_back(self) -> tuple[float | None, float | None, float | None]:
        """Months until the one-off cost is paid back, at the low, likely and high saving; None: never."""
        low, likely, high = (self.one_off / net * _MONTHS if net > 0 else None for net in self.net_a_year)
        return low, likely, high

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "what": self.what,
            "tickets_a_year": self.tickets_a_year,
            "cost_a_year": self.cost_a_year._asdict(),
            "saving_a_year": self.saving_a_year._asdict(),
            "one_off": self.one_off,
            "running_a_year": self.running_a_year,
            "net_a_year": self.net_a_year._asdict(),
            "months_to_pay_back": dict(zip(Range._fields, self.months_to_pay_back, strict=True)),
            "years": self.years,
            "break_even": self.break_even,
            "likely_share": self.likely_share,
            "then": self.then,
            "currency": self.currency,
            "notice": self.notice,
        }

    def __str__(self) -> str:
        """A summary in plain text."""
        months = ["never" if each is None else f"{each:.1f}" for each in self.months_to_pay_back]
        back = f"paid back in months: {months[1]} (low saving {months[0]}, high saving {months[2]})"
        share = (
            "no contacts" if self.break_even is None else f"{self.break_even:.1%}, likely is {self.likely_share:.1%}"
        )
        lines = [
            self.what,
            *([] if self.then is None else [f"  assumed: whoever is not helped there comes once more ({self.then})"]),
            f"  contacts a year: {self.tickets_a_year:,.0f}; they cost {money_range(self.cost_a_year)} {self.currency}".rstrip(),
            f"  saving a year: {money_range(self.saving_a_year)}",
            f"  less running cost, {money(self.running_a_year)}: {money_range(self.net_a_year)}",
            f"  one-off cost {money(self.one_off)} {back}" if self.one_off else "  no one-off cost",
            f"  pays within {self.years:g} year{'' if self.years == 1 else 's'} from a share of {share}",
        ]
        return "\n".join([*lines, *([f"  {self.notice}"] if self.notice else [])])


def remove_case(
    ledger: Friction,
    where: Where,
    *,
    removed: Sequence[float],
    one_off: float = 0.0,
    running_a_year: float = 0.0,
    years: float = 1.0,
) -> BusinessCase:
    """The case of fixing a cause, so that a share of its contacts no longer comes.

    A year is twelve times the month of the ledger. Saved is the cost of the contacts that do not come, so their repeats count only as far as they are of the same cells.

    Parameters
    ----------
    ledger : Friction
    where : mapping of str to str or sequence of str
        The contacts: ``{"reason": "delivery.late", "customer_type": ["gold", "platinum"]}``; also by ``primary``, ``stage`` and,
        if the ledger knows channels, ``channel``.
    removed : (float, float, float)
        Low, likely and high share of contacts that no longer come, each from 0 to 1.
    one_off, running_a_year : float
        Cost of the fix, at least 0, in the currency of the ledger.
    years : float
        Over which it shall pay, for the break-even; above 0.

    Raises
    ------
    LabError
        If the ledger has no such reason, or a number is out of its range.

    Examples
    --------
    >>> from contact_reasons.lab.friction import friction
    >>> days = [f"2026-03-{day:02}" for day in range(1, 32)]
    >>> ledger = friction({"reason": ["delivery.late"] * 31, "created_at": days, "cost": [5.0] * 31})
    >>> case = remove_case(ledger, {"reason": "delivery.late"}, removed=(0.1, 0.2, 0.3), one_off=186)
    >>> case.saving_a_year.likely, case.months_to_pay_back[1], case.break_even
    (372.0, 6.0, 0.1)
    """
    share = _range("removed", removed)
    _check_costs(one_off, running_a_year, years)
    tickets, cost, _ = _selected(ledger, where, None)
    saving = Range(share.low * cost.low, share.likely * cost.likely, share.high * cost.high)
    needed = one_off / years + running_a_year
    return _case(
        ledger,
        f"Remove {share.likely:.0%} ({share.low:.0%} to {share.high:.0%}) of {_named(where)}",
        (tickets, cost, saving),
        (one_off, running_a_year, years),
        needed / cost.likely if cost.likely > 0 else None,
        share.likely,
    )


def move_case(
    ledger: Friction,
    where: Where,
    *,
    to: str = SELF_SERVICE,
    resolved: Sequence[float] | None = None,
    moved: Sequence[float] = (1.0, 1.0, 1.0),
    one_off: float = 0.0,
    running_a_year: float = 0.0,
    years: float = 1.0,
) -> BusinessCase:
    r"""The case of sending contacts to another channel first, such as self-service.

    Whoever is not helped there comes once more, in the channel that the price list names (``then``), as in a replay: see `Prices.follow_unresolved`. So of n contacts that cost K
    today and go to a channel of price p that resolves a share r, followed by a contact of price q, the saving is

    .. math:: K - n \, (p + (1 - r) \, q)

    It is a loss where r is too low. Contacts that are in the channel already are left out, if the ledger knows channels. Low and high are the ends over all
    ranges of prices and shares; a price is the same today and after.

    Parameters
    ----------
    ledger : Friction
        Made with prices.
    where : mapping of str to str or sequence of str
        As for `remove_case`.
    to : str
        A channel of the price list.
    resolved : (float, float, float), optional
        Low, likely and high share of these contacts that need not come any more; by default that of the price list.
    moved : (float, float, float)
        Low, likely and high share of the contacts that can be sent there.
    one_off, running_a_year, years : float
        As for `remove_case`.

    Raises
    ------
    LabError
        As `remove_case`; also if the price, the share resolved or what follows is not known.

    Examples
    --------
    >>> from contact_reasons.lab.friction import friction
    >>> from contact_reasons.lab.prices import Prices
    >>> days = [f"2026-03-{day:02}" for day in range(1, 32)]
    >>> ledger = friction({"reason": ["delivery.track"] * 31, "created_at": days, "channel": ["human_agent"] * 31}, prices=Prices.load())
    >>> case = move_case(ledger, {"reason": "delivery.track"}, resolved=(0.4, 0.5, 0.6))
    >>> round(case.saving_a_year.likely / 12, 3)  # 31 calls of 5.25: half of them saved, 31 visits of 0.10 paid
    78.275
    """
    prices = ledger.prices
    if prices is None:
        raise LabError("the ledger was made without prices, so the other channel has none; give a price list")
    price = prices.cost_per_contact(to)
    known = prices.resolved(to) if resolved is None else _range("resolved", resolved)
    if known is None:
        raise LabError(
            f"what share of contacts {to!r} resolves is not known; give a low, a likely and a high one, or add it to the price list with its source"
        )
    then = prices.channels[to].then
    if then is None:
        raise LabError(
            f"where those go whom {to!r} does not help is not known; add `then` to it in the price list {prices.prices!r}"
        )
    share = _range("moved", moved)
    _check_costs(one_off, running_a_year, years)
    found = _selected(ledger, where, to)
    saving = _saving(prices, found, to, known)
    ends = [each * m for each in (saving.low, saving.high) for m in (share.low, share.high)]
    needed = one_off / years + running_a_year
    next_cost = share.likely * found.tickets * prices.cost_per_contact(then).likely
    spent = share.likely * (found.cost.likely - found.tickets * price.likely)
    return _case(
        ledger,
        f"Move {share.likely:.0%} of {_named(where)} to {to}, where {known.likely:.0%} ({known.low:.0%} to {known.high:.0%}) are resolved",
        (found.tickets, found.cost, Range(min(ends), share.likely * saving.likely, max(ends))),
        (one_off, running_a_year, years),
        max(0.0, 1 - (spent - needed) / next_cost) if next_cost > 0 else None,
        known.likely,
        then,
    )


# ---------------------------------------------------------------------------------------------------- parts


class _Selected(NamedTuple):
    """Contacts that are meant, a year: their number, their cost, and their number by channel where their cost is that of channels."""

    tickets: float
    cost: Range
    by_channel: dict[str, float] | None


def _saving(prices: Prices, found: _Selected, to: str, resolved: Range) -> Range:
    """What it saves a year to send all of them to a channel first."""
    gone = {name: -number for name, number in (found.by_channel or {}).items()}
    change = prices.total_followed({**gone, to: found.tickets}, to, resolved)
    assert change is not None  # it is known what follows
    if found.by_channel is not None:
        return change.times(-1)
    return Range(found.cost.low - change.high, found.cost.likely - change.likely, found.cost.high - change.low)


def _case(
    ledger: Friction,
    what: str,
    found: tuple[float, Range, Range],
    costs: tuple[float, float, float],
    break_even: float | None,
    likely_share: float,
    then: str | None = None,
) -> BusinessCase:
    return BusinessCase(
        what=what,
        tickets_a_year=found[0],
        cost_a_year=found[1],
        saving_a_year=found[2],
        one_off=float(costs[0]),
        running_a_year=float(costs[1]),
        years=float(costs[2]),
        break_even=break_even,
        likely_share=likely_share,
        then=then,
        currency=ledger.currency,
        notice=" ".join(
            each for each in (ledger.period.caution, "" if ledger.prices is None else ledger.prices.notice) if each
        ),
    )


def _selected(ledger: Friction, where: Where, without: str | None) -> _Selected:
    """Tickets and cost a year of the cells that are meant, without those of a channel if channels are known."""
    if not isinstance(where, Mapping) or not where:
        raise LabError('where must say which contacts, such as {"reason": "delivery.late"}')
    with_channels = (without is not None or "channel" in where) and "cells_by_channel" in ledger.tables
    table = ledger.tables["cells_by_channel" if with_channels else "cells"]
    meant = np.ones(len(table["tickets"]), dtype=np.bool_)
    names = [name for name in ("primary", "reason", "stage", "customer_type", "channel") if name in table]
    for name, wanted in where.items():
        if name not in names:
            raise LabError(f"where: the ledger is not by {name!r}; {nearest(name, names)}")
        values = [wanted] if isinstance(wanted, str) else list(wanted)
        known = set(table[name].tolist())
        for value in values:
            if value not in known:
                raise LabError(
                    f"where: no ticket of the ledger has the {name} {shorten(value)}; {nearest(value, sorted(known))}"
                )
        meant &= np.isin(table[name].astype(str), values)
    if with_channels and without is not None:
        meant &= table["channel"] != without
    a_year = _MONTHS / ledger.period.months
    cost = Range(*(float(np.sort(table[f"cost_{end}"][meant]).sum()) for end in Range._fields))
    by_channel: dict[str, float] | None = None
    if with_channels and ledger.by_price:
        by_channel = {}
        for name, tickets in zip(table["channel"][meant].tolist(), table["tickets"][meant].tolist(), strict=True):
            by_channel[name] = by_channel.get(name, 0.0) + tickets * a_year
    return _Selected(float(table["tickets"][meant].sum()) * a_year, cost.times(a_year), by_channel)


def _range(name: str, given: Sequence[float]) -> Range:
    try:
        found = Range(*(float(value) for value in given))
    except (TypeError, ValueError):
        raise LabError(f"{name} is {shorten(given)}; give three shares: low, likely, high") from None
    if not 0 <= found.low <= found.likely <= found.high <= 1:
        raise LabError(f"{name} is {tuple(found)}; give shares from 0 to 1, none below the one before it")
    return found


def _check_costs(one_off: float, running: float, years: float) -> None:
    for name, value, least in (("one_off", one_off, 0), ("running_a_year", running, 0), ("years", years, None)):
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value < float("inf")
            or (least is None and value == 0)
        ):
            raise LabError(
                f"{name} is {shorten(value)}; it must be a number {'above 0' if least is None else 'of at least 0'}"
            )


def _named(where: Where) -> str:
    parts = [wanted if isinstance(wanted, str) else " or ".join(wanted) for wanted in where.values()]
    return ", ".join(parts)
