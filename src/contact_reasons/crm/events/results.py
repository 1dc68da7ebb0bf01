"""What becomes of an event: a contact, a fetch that is needed first, nothing, or a refusal beside others that are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from contact_reasons.records import Contact

__all__ = ["ContactEvent", "EventResult", "EventWarning", "Ignored", "NeedsFetch", "Refused"]


class EventWarning(NamedTuple):
    """Something that was left out of a contact. Holds no value of the event.

    Parameters
    ----------
    key : str
        Of the event, as a key path, or the CRM's field.
    what : str
    """

    key: str
    what: str

    def __str__(self) -> str:
        """As one line."""
        return f"{self.key}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEvent:
    """A customer's contact, ready for `Pipeline.handle`.

    Parameters
    ----------
    system : str
    kind : str
        ``'created'`` for a new ticket, ``'replied'`` for a later message, ``'changed'`` for new words in place of the first ones, ``'updated'`` for
        a ticket of which something changed that the event does not name (its text is the first message), ``'ticket'`` for one that was fetched without an event.
    ticket_id : str
    key : str
        The same whenever this event is delivered again, another for any other event. Holds nothing that the customer wrote.
    contact : Contact
        ``contact_id`` is the ticket's id.
    tags : tuple of str
        Tags that the ticket has, for `update_of`.
    warnings : tuple of EventWarning
    """

    system: str
    kind: str
    ticket_id: str
    key: str
    contact: Contact
    tags: tuple[str, ...] = ()
    warnings: tuple[EventWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsFetch:
    """An event that does not hold what is needed: get the ticket, then `read_ticket`.

    Parameters
    ----------
    system : str
    kind : str
        As of `ContactEvent`.
    ticket_id : str
    key : str
        As of `ContactEvent`; the fetched contact has the same.
    path : str
        To GET from the CRM's address.
    fields : tuple of str
        What is needed of the ticket.
    why : str
    contact : Contact or None
        What the event said by itself. Its text is the contact's: the ticket gives what is missing.
    """

    system: str
    kind: str
    ticket_id: str
    key: str
    path: str
    fields: tuple[str, ...]
    why: str
    contact: Contact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An event that brings no words of a customer.

    Parameters
    ----------
    system : str
    why : str
    ticket_id : str or None
    lost : bool
        Whether contacts may be behind it that the CRM does not name: compare with the CRM's tickets.
    """

    system: str
    why: str
    ticket_id: str | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One of several notifications that is not as documented, while others of the same body are.

    Parameters
    ----------
    system : str
    index : int
        Its position in the body, from 0.
    why : str
        As an `EventError` says it; holds no value of the event.
    """

    system: str
    index: int
    why: str


EventResult: TypeAlias = ContactEvent | NeedsFetch | Ignored | Refused
