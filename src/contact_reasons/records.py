"""Frozen values that flow from a contact to a recommendation.

They are plain dataclasses with slots: cheap to make, checked once when made, equal by value. Units
stand in the names. ``None`` always means "not known", never "no".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from contact_reasons.errors import RecordError, nearest, shorten

__all__ = [
    "CONTEXT_INPUTS",
    "CUSTOMER_INPUTS",
    "LABEL_INPUTS",
    "Because",
    "Channel",
    "Contact",
    "Customer",
    "FrozenMapping",
    "RankedReason",
    "ReasonLabel",
    "Recommendation",
    "RoutingContext",
    "Turn",
    "routing_values",
]


class FrozenMapping(Mapping[str, Any]):
    """A mapping that cannot change; equal to, and hashed and pickled as, its items."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


_EMPTY: Final = FrozenMapping()
_SPEAKERS: Final = ("customer", "agent", "bot", "system")


class Channel(StrEnum):
    """Where a contact may be sent."""

    SELF_SERVICE = "self_service"
    MESSAGE = "message"
    CHAT = "chat"
    CALLBACK = "callback"
    HUMAN_AGENT = "human_agent"


def _check_text(record: str, name: str, value: object, *, optional: bool = True) -> None:
    if isinstance(value, str) or (optional and value is None):
        return
    kind = "a string or None" if optional else "a string"
    got = "None" if value is None else f"a value of type {type(value).__name__}"
    raise RecordError(f"{record}.{name} is {got}; it must be {kind}")


def _check_bool(record: str, name: str, value: object) -> None:
    if value is not None and not isinstance(value, bool):
        raise RecordError(
            f"{record}.{name} is {shorten(value)}; it must be True, False or None (not known): "
            "convert 'yes', 1 and the like before"
        )


def _check_number(record: str, name: str, value: object, *, whole: bool, low: float, high: float = math.inf) -> None:
    if value is None:
        return
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        top = "" if high == math.inf else f" and at most {high:g}"
        raise RecordError(
            f"{record}.{name} is {shorten(value)}; it must be "
            f"{'a whole number' if whole else 'a number'}, at least {low:g}{top}, or None (not known)"
        )


def _freeze_extra(record: object, name: str, extra: object) -> None:
    if not isinstance(extra, Mapping) or not all(isinstance(key, str) for key in extra):
        raise RecordError(f"{name}.extra must be a mapping from names of policy inputs to values")
    for key in extra:
        if key in _KNOWN_INPUTS:
            raise RecordError(
                f"{name}.extra[{key!r}] has the name of a field that every contact has; set that field instead"
            )
    object.__setattr__(record, "extra", FrozenMapping(extra))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation.

    Parameters
    ----------
    speaker : {'customer', 'agent', 'bot', 'system'}
    text : str
    """

    speaker: str
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if self.speaker not in _SPEAKERS:
            raise RecordError(f"Turn.speaker is {shorten(self.speaker)}; {nearest(self.speaker, _SPEAKERS)}")
        _check_text("Turn", "text", self.text, optional=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What is known of the customer who made contact.

    Parameters
    ----------
    customer_id : str, optional
        Key of the customer in the CRM. Never read by a classifier.
    type : str, optional
        Customer type of the policy, such as ``"gold"``.
    value_tier, loyalty, persona : str, optional
        Further groupings a policy may read.
    vulnerable : bool, optional
        Known to need special care (illness, bereavement, distress, ...).
    extra : mapping of str to value, optional
        Inputs of a policy that have no field here.

    Raises
    ------
    RecordError
        If a value has the wrong type.
    """

    customer_id: str | None = None
    type: str | None = None
    value_tier: str | None = None
    loyalty: str | None = None
    persona: str | None = None
    vulnerable: bool | None = None
    extra: Mapping[str, Any] = _EMPTY

    def __post_init__(self) -> None:
        for name in ("customer_id", "type", "value_tier", "loyalty", "persona"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                _check_text("Customer", name, value)
        _check_bool("Customer", "vulnerable", self.vulnerable)
        if self.extra is not _EMPTY:
            _freeze_extra(self, "Customer", self.extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingContext:
    """The situation at the moment of contact.

    Parameters
    ----------
    stage : str, optional
        Life-cycle stage, one of the taxonomy's.
    open : bool, optional
        Whether people are there to answer now.
    estimated_wait_seconds : int, optional
        Expected wait for a person, at least 0.
    repeats_7d : int, optional
        Contacts by this customer in the last seven days before this one, at least 0.
    sentiment : float, optional
        From -1 (very negative) to 1.
    urgency : str, optional
    callback_consent : bool, optional
    extra : mapping of str to value, optional
        Inputs of a policy that have no field here.

    Raises
    ------
    RecordError
        If a value has the wrong type or lies outside its range.
    """

    stage: str | None = None
    open: bool | None = None
    estimated_wait_seconds: int | None = None
    repeats_7d: int | None = None
    sentiment: float | None = None
    urgency: str | None = None
    callback_consent: bool | None = None
    extra: Mapping[str, Any] = _EMPTY

    def __post_init__(self) -> None:
        _check_text("RoutingContext", "stage", self.stage)
        _check_text("RoutingContext", "urgency", self.urgency)
        _check_bool("RoutingContext", "open", self.open)
        _check_bool("RoutingContext", "callback_consent", self.callback_consent)
        _check_number("RoutingContext", "estimated_wait_seconds", self.estimated_wait_seconds, whole=True, low=0)
        _check_number("RoutingContext", "repeats_7d", self.repeats_7d, whole=True, low=0)
        _check_number("RoutingContext", "sentiment", self.sentiment, whole=False, low=-1, high=1)
        if self.extra is not _EMPTY:
            _freeze_extra(self, "RoutingContext", self.extra)


_NO_CUSTOMER: Final = Customer()
_NO_CONTEXT: Final = RoutingContext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One incoming contact or past ticket.

    The text is kept out of ``repr`` so that a log line cannot hold it by accident.

    Parameters
    ----------
    text : str, optional
        What the customer wrote or said, raw: HTML, quoted replies and signatures are cleaned later.
        May be empty when ``turns`` are given.
    subject : str, optional
    contact_id : str, optional
    arrival_channel : str, optional
        Through which channel it came, such as ``"email"``.
    language : str, optional
        BCP 47 tag if known.
    created_at : datetime, optional
        Timezone-aware.
    customer : Customer, optional
    context : RoutingContext, optional
    turns : tuple of Turn, optional
        The conversation, when it is known turn by turn; then only the customer's turns are read, and of several those that
        say why the customer writes.

    Raises
    ------
    RecordError
        If a value has the wrong type.

    Examples
    --------
    >>> Contact(text="where is my parcel", arrival_channel="chat").arrival_channel
    'chat'
    """

    text: str = field(default="", repr=False)
    subject: str | None = field(default=None, repr=False)
    contact_id: str | None = None
    arrival_channel: str | None = None
    language: str | None = None
    created_at: datetime | None = None
    customer: Customer = _NO_CUSTOMER
    context: RoutingContext = _NO_CONTEXT
    turns: tuple[Turn, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        _check_text("Contact", "text", self.text, optional=False)
        for name in ("subject", "contact_id", "arrival_channel", "language"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                _check_text("Contact", name, value)
        if self.created_at is not None and (
            not isinstance(self.created_at, datetime) or self.created_at.tzinfo is None
        ):
            raise RecordError(
                f"Contact.created_at is {shorten(self.created_at)}; it must be a datetime with a time zone, or None"
            )
        if not isinstance(self.customer, Customer):
            raise RecordError("Contact.customer must be a Customer")
        if isinstance(self.context, RoutingContext) and self.customer.extra and self.context.extra:
            both = sorted(set(self.customer.extra) & set(self.context.extra))
            if both:
                raise RecordError(f"extra[{both[0]!r}] is given by the customer and by the context; give it once")
        if not isinstance(self.context, RoutingContext):
            raise RecordError("Contact.context must be a RoutingContext")
        if self.turns != ():
            turns = tuple(self.turns)
            if not all(isinstance(turn, Turn) for turn in turns):
                raise RecordError("Contact.turns must hold Turn records")
            object.__setattr__(self, "turns", turns)


@dataclass(frozen=True, slots=True)
class RankedReason:
    """A secondary reason and its probability, in [0, 1]."""

    reason: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonLabel:
    """The reason given to a contact, or the decision to leave it to a person.

    A reported secondary's parent is always the reported primary. Three cases: both are given;
    only ``primary`` is (backed off); none is, and ``abstained`` is true.

    Parameters
    ----------
    primary, secondary : str or None
    confidence : float
        Probability, in [0, 1], that the most exact reported level is right; when abstained, that of the
        best secondary, which was too low to report.
    abstained : bool
        Whether the contact is left to a person to label.
    ranked : tuple of RankedReason
        The most probable secondaries, best first, whether reported or not.
    """

    primary: str | None
    secondary: str | None
    confidence: float
    abstained: bool
    ranked: tuple[RankedReason, ...] = ()

    @property
    def level(self) -> str | None:
        """The most exact level reported: ``'secondary'``, ``'primary'`` or None."""
        return "secondary" if self.secondary else "primary" if self.primary else None

    @property
    def reason(self) -> str | None:
        """The id reported: the secondary's, else the primary's, else None."""
        return self.secondary or self.primary


@dataclass(frozen=True, slots=True)
class Because:
    """One value that a rule read, and the condition it met."""

    input: str
    value: Any
    condition: str

    def __str__(self) -> str:
        if self.value is None or self.value != self.value:
            return f"{self.input} is not known"
        if isinstance(self.value, bool):
            return f"{self.input} is {str(self.value).lower()}"
        if isinstance(self.value, str):
            return f"{self.input} is {self.value}"
        if isinstance(self.value, date):
            return f"{self.input} is {self.value:%Y-%m-%d} ({self.condition})"
        return f"{self.input} is {self.value:g} ({self.condition})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Where to send a contact, and why.

    Parameters
    ----------
    channel : Channel or str
        A plain string only where the policy declares channels of its own.
    priority : int
        1 is first.
    rule_id : str
        The rule that decided.
    because : tuple of Because
        The conditions of that rule with the values read. Empty for a rule without conditions.
    queue : str, optional
    skills : tuple of str
    also_matched : tuple of str
        Later rules that matched too, in order; they did not decide.
    policy_id : str
    policy_version : str
    propensity : float, optional
        Probability, in (0, 1], that a policy which explores sends such a contact to this channel; None if nothing was left to chance.
    instead_of : Channel or str, optional
        The rule's channel, if exploration tried another.
    """

    channel: Channel | str
    priority: int
    rule_id: str
    because: tuple[Because, ...] = ()
    queue: str | None = None
    skills: tuple[str, ...] = ()
    also_matched: tuple[str, ...] = ()
    policy_id: str
    policy_version: str
    propensity: float | None = None
    instead_of: Channel | str | None = None

    @property
    def why(self) -> str:
        """What the rule read, as one line for people."""
        read = "; ".join(map(str, self.because)) or "no earlier rule applied"
        return read if self.instead_of is None else f"{read}; tried in place of {self.instead_of}"


LABEL_INPUTS: Final = ("reason", "confidence")
"""Policy inputs that come from the label."""

CUSTOMER_INPUTS: Final = MappingProxyType(
    {
        "customer_type": "type",
        "value_tier": "value_tier",
        "loyalty": "loyalty",
        "persona": "persona",
        "vulnerable": "vulnerable",
    }
)
"""Policy inputs that come from the customer, and the field of each."""

CONTEXT_INPUTS: Final = (
    "stage",
    "open",
    "estimated_wait_seconds",
    "repeats_7d",
    "sentiment",
    "urgency",
    "callback_consent",
)
"""Policy inputs that come from the routing context, under the same names."""

_KNOWN_INPUTS: Final = frozenset(
    (*LABEL_INPUTS, *CUSTOMER_INPUTS, *CONTEXT_INPUTS, "arrival_channel", "date", "language")
)


def routing_values(contact: Contact, label: ReasonLabel) -> dict[str, Any]:
    """The flat values a routing policy may read, by input name. Missing ones are None."""
    customer, context = contact.customer, contact.context
    values: dict[str, Any] = {
        "reason": label.secondary or label.primary,
        "confidence": label.confidence,
        "date": None if contact.created_at is None else contact.created_at.date(),
        "arrival_channel": contact.arrival_channel,
        "language": contact.language,
        "customer_type": customer.type,
        "value_tier": customer.value_tier,
        "loyalty": customer.loyalty,
        "persona": customer.persona,
        "vulnerable": customer.vulnerable,
        "stage": context.stage,
        "open": context.open,
        "estimated_wait_seconds": context.estimated_wait_seconds,
        "repeats_7d": context.repeats_7d,
        "sentiment": context.sentiment,
        "urgency": context.urgency,
        "callback_consent": context.callback_consent,
    }
    if customer.extra:
        values.update(customer.extra)
    if context.extra:
        values.update(context.extra)
    return values
