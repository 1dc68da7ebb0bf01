"""`FieldMap`: which fields of a CRM say what a policy reads of a customer and his situation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, NamedTuple

from contact_reasons.crm.events.payload import kind_of
from contact_reasons.crm.events.results import EventWarning
from contact_reasons.errors import EventError, RecordError, nearest, shorten
from contact_reasons.records import (
    CONTEXT_INPUTS,
    CUSTOMER_INPUTS,
    LABEL_INPUTS,
    Contact,
    Customer,
    FrozenMapping,
    RoutingContext,
)
from contact_reasons.schema import Mistakes, Record, check, mapping, mistake, optional, string, text

__all__ = ["NO_FIELDS", "FieldMap", "MapMistakes", "frozen"]

CONTACT_FIELDS: Final = ("customer_id", *CUSTOMER_INPUTS, *CONTEXT_INPUTS, "language")
"""What a field of a CRM may stand for; besides, ``extra.`` and the name of a policy's own input."""

_EMPTY: Final = FrozenMapping()
_EXTRA: Final = "extra."
_EXTRA_NAME: Final = re.compile(r"extra\.[a-z][a-z0-9_]*\Z")
_RESERVED: Final = frozenset((*CONTACT_FIELDS, *LABEL_INPUTS, "arrival_channel", "date"))
_YES_NO: Final = ("vulnerable", "open", "callback_consent")
_WHOLE: Final = ("repeats_7d", "estimated_wait_seconds")
_NUMBER: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?\Z", re.ASCII)
_MAX_CHARS: Final = 200


class MapMistakes(Mistakes, EventError):
    """Mistakes in a map of fields."""


def _contact_field(value: Any) -> str:
    name = string(value)
    if name.startswith(_EXTRA):
        if not _EXTRA_NAME.match(name) or name.removeprefix(_EXTRA) in _RESERVED:
            raise mistake(
                f"{shorten(name)} must be 'extra.' and the name of a policy's own input, such as 'extra.is_admin'"
            )
    elif name not in CONTACT_FIELDS:
        raise mistake(f"{shorten(name)} is nothing that a contact has; {nearest(name, CONTACT_FIELDS)}")
    return name


def frozen(item: Callable[[Any], Any]) -> Callable[[Any], FrozenMapping]:
    """A check of mappings from strings to what a check takes, which cannot change any more."""
    read = mapping(item)
    return lambda value: FrozenMapping(read(value))


def _fields(value: Any) -> FrozenMapping:
    names = frozen(_contact_field)(value)
    for name in names.values():
        same = [crm for crm, ours in names.items() if ours == name]
        if len(same) > 1:
            raise mistake(f"{name!r} is filled by {same[0]!r} and {same[1]!r}; name one of them")
    return names


@dataclass(frozen=True, kw_only=True)
class FieldMap(Record):
    """Which field of a CRM fills which field of a contact.

    What is not known stays None; a value that does not fit is left out, with a warning in the result.

    Parameters
    ----------
    fields : mapping of str to str
        From the CRM's name of a field (Zendesk: its id) to one of ours: ``customer_id`` (by default the CRM's requester), ``customer_type``,
        ``value_tier``, ``loyalty``, ``persona``, ``vulnerable``, ``stage``, ``open``, ``estimated_wait_seconds``, ``repeats_7d``, ``sentiment``,
        ``urgency``, ``callback_consent``, ``language``, or ``extra.`` and the name of a policy's own input.
    values : mapping of str to mapping of str to str
        By field of ours, the CRM's values in ours. Without an entry for a field its values are taken as they are.
    channels : mapping of str to str
        The CRM's channels in those of the policy, before the table of the system.
    unknown_channel : str, optional
        Arrival channel of a contact that came through a channel no table knows. By default None, not known: the policies of the shipped packs
        take that, and would refuse a word of their own such as ``"other"``.

    Raises
    ------
    EventError
        If a name is not known or a field of ours is filled twice.

    Examples
    --------
    >>> FieldMap(fields={"cf_tier": "customer_typ"})
    Traceback (most recent call last):
    contact_reasons.crm.events.fields.MapMistakes: fields.cf_tier: 'customer_typ' is nothing that a contact has; did you mean 'customer_type'?
    """

    mistakes: ClassVar[type[Mistakes]] = MapMistakes

    fields: Mapping[str, str] = field(default=_EMPTY, metadata=check(_fields))
    values: Mapping[str, Mapping[str, str]] = field(default=_EMPTY, metadata=check(frozen(frozen(string))))
    channels: Mapping[str, str] = field(default=_EMPTY, metadata=check(frozen(text(1))))
    unknown_channel: str | None = field(default=None, metadata=check(optional(text(1))))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.values:
            if name not in self.fields.values():
                raise MapMistakes(
                    [(("values", name), f"no field fills {name!r}; {nearest(name, self.fields.values())}")]
                )

    @property
    def wanted(self) -> tuple[str, ...]:
        """The CRM's fields that are needed."""
        return tuple(self.fields)

    def arrival(
        self, channel: str | None, table: Mapping[str, str], key: str
    ) -> tuple[str | None, tuple[EventWarning, ...]]:
        """The arrival channel of a CRM's channel by a table of the system (keys in lower case), and a warning where none knows it."""
        if channel is None:
            return None, ()
        found = self.channels.get(channel) or table.get(channel.strip().lower())
        if found is not None:
            return found, ()
        said = "not known" if self.unknown_channel is None else repr(self.unknown_channel)
        what = f"the channel is in no table, so the contact's is {said}; add it to `channels`"
        return self.unknown_channel, (EventWarning(key, what),)

    def applied(
        self, contact: Contact, value_of: Callable[[str], Any], *, customer_id: str | None = None
    ) -> tuple[Contact, tuple[EventWarning, ...]]:
        """The contact with the fields filled that the map names.

        Parameters
        ----------
        contact : Contact
        value_of : callable
            The value of a CRM's field; None if it has none.
        customer_id : str, optional
            The CRM's requester.

        Raises
        ------
        EventError
            If a field holds a list or an object.
        """
        taken = {name: _taken(self, name, crm, value_of(crm)) for crm, name in self.fields.items()}
        known = {name: it.value for name, it in taken.items() if it.value is not None}
        customer = Customer(
            customer_id=known.get("customer_id", customer_id),
            extra={name.removeprefix(_EXTRA): value for name, value in known.items() if name.startswith(_EXTRA)},
            **{CUSTOMER_INPUTS[name]: value for name, value in known.items() if name in CUSTOMER_INPUTS},
        )
        context = RoutingContext(**{name: value for name, value in known.items() if name in CONTEXT_INPUTS})
        warnings = tuple(it.warning for it in taken.values() if it.warning is not None)
        language = known.get("language", contact.language)
        return replace(contact, customer=customer, context=context, language=language), warnings


NO_FIELDS: Final = FieldMap()
"""The map without fields."""


class _Taken(NamedTuple):
    value: Any = None
    warning: EventWarning | None = None


def _taken(fields: FieldMap, name: str, crm: str, given: Any) -> _Taken:
    """A CRM's value as a value of one of our fields, or why not."""
    if given is None or given == "":
        return _Taken()
    if not isinstance(given, str | int | float):
        raise EventError(
            f"field {crm!r}: {kind_of(given)}; it must be one value to fill {name!r}: map another field",
            crm,
            "one value",
        )

    def left_out(why: str) -> _Taken:
        return _Taken(None, EventWarning(crm, f"{why}, so {name!r} is not known"))

    if isinstance(given, str) and len(given) > _MAX_CHARS:
        return left_out(f"the value has more than {_MAX_CHARS} characters")
    if (isinstance(given, float) and not math.isfinite(given)) or (isinstance(given, int) and abs(given) >= 2**63):
        return left_out("the number is out of range")
    if (table := fields.values.get(name)) is not None:
        spelled = str(given).lower() if isinstance(given, bool) else str(given)
        if spelled not in table:
            return left_out("the value is not in `values`")
        given = table[spelled]
    return _typed(name, given, left_out)


def _typed(name: str, given: str | float, left_out: Callable[[str], _Taken]) -> _Taken:
    if name.startswith(_EXTRA):
        return _Taken(_plain(given))
    if name in _YES_NO:
        answer = {"true": True, "false": False}.get(str(given).lower())
        return left_out("the value is neither true nor false") if answer is None else _Taken(answer)
    if name in _WHOLE or name == "sentiment":
        number: Any = _plain(given)
        if isinstance(number, float) and name in _WHOLE and number.is_integer():
            number = int(number)
        try:
            RoutingContext(**{name: number})
        except RecordError:
            return left_out("the value is no number in the range")
        return _Taken(number)
    if isinstance(given, str):
        return _Taken(given.strip() or None)
    return _Taken(str(given).lower() if isinstance(given, bool) else str(given))


def _plain(given: str | float) -> str | float:
    """A text that is a number or true or false as such: HubSpot writes everything as text."""
    if not isinstance(given, str):
        return given
    stripped = given.strip()
    if stripped in ("true", "false"):
        return stripped == "true"
    if _NUMBER.match(stripped):
        return float(stripped) if "." in stripped else int(stripped)
    return stripped
