"""`Problem`: why a request was refused, as RFC 9457 wants it. Says what, where and what would be right, never what the request held."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, get_args

import msgspec

from contact_reasons.errors import EventError, RoutingError, SignatureError, nearest
from contact_reasons.service.messages import (
    ContactIn,
    Contacts,
    ContextIn,
    CustomerIn,
    Fetched,
    Mistake,
    NotTaken,
    ProblemOut,
    Speaker,
    TurnIn,
)

__all__ = [
    "PROBLEMS",
    "Kind",
    "Problem",
    "mistake_of",
    "problem_of_event",
    "problem_of_events",
    "problem_of_routing",
    "problem_of_shape",
    "why_not_routed",
]


class Kind(NamedTuple):
    """A kind of problem: its HTTP status, and a title that does not change."""

    status: int
    title: str


PROBLEMS: Final[Mapping[str, Kind]] = {
    "body-unreadable": Kind(400, "The body cannot be read"),
    "body-too-slow": Kind(408, "The body took too long to arrive"),
    "body-too-large": Kind(413, "The body is too large"),
    "media-type": Kind(415, "The body is not JSON"),
    "invalid": Kind(422, "The request does not fit the description"),
    "not-routable": Kind(422, "The policy cannot route the contact"),
    "event-unreadable": Kind(422, "The event is not as the CRM documents it"),
    "unauthorized": Kind(401, "The request is not proved to be allowed"),
    "host": Kind(421, "The service answers requests to this machine alone"),
    "not-found": Kind(404, "There is nothing at this address"),
    "system-not-set-up": Kind(404, "Events of this system are not set up"),
    "method-not-allowed": Kind(405, "The address does not take this method"),
    "reload-running": Kind(409, "A reload is running already"),
    "reload-refused": Kind(409, "What was to be loaded is not fit to serve; the model before goes on"),
    "internal": Kind(500, "The service made a mistake"),
}
"""By the last part of its type: ``urn:contact-reasons:problem:`` and this."""

_KEYS: Final = sorted(
    {name for kind in (Contacts, ContactIn, CustomerIn, ContextIn, TurnIn, Fetched) for name in kind.__struct_fields__}
)
_PLACE: Final = re.compile(r"(?P<what>.*?)(?: - at (?:`(?P<key>key|value)` in )?`\$(?P<path>[^`]*)`)?\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]")
_NOT_ROUTED: Final = "values do not fit the policy; correct them or leave them out"
_WORDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "a time",
}


class Problem(Exception):
    """A request is refused.

    Parameters
    ----------
    name : str
        Of `PROBLEMS`.
    detail : str
        What, and what would be right.
    mistakes : sequence of Mistake
    headers : mapping of str to str
        Of the answer.
    """

    def __init__(
        self, name: str, detail: str, mistakes: Sequence[Mistake] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(name)
        self.name = name
        self.kind = PROBLEMS[name]
        self.detail = detail
        self.mistakes = tuple(mistakes)
        self.headers = dict(headers or {})

    def out(self, request_id: str) -> ProblemOut:
        """The body of the answer."""
        return ProblemOut(
            type=f"urn:contact-reasons:problem:{self.name}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            instance=f"urn:contact-reasons:request:{request_id}",
            errors=list(self.mistakes),
        )


def problem_of_shape(error: msgspec.ValidationError) -> Problem:
    """The problem of a request that does not fit its type.

    >>> try:
    ...     msgspec.convert({"contacts": [{"text": 7}]}, Contacts)
    ... except msgspec.ValidationError as error:
    ...     print(problem_of_shape(error).mistakes)
    (Mistake(pointer='#/contacts/0/text', detail='it must be a text, not a whole number'),)
    """
    found = _PLACE.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else ("", "")
    steps = [name or index for name, index in _STEP.findall(path)]
    if found and found["key"] == "key":
        detail = "a key must be the name of an input: up to 40 lower-case letters, digits and '_', a letter first"
    else:
        detail = _said(what)
    return Problem("invalid", "the request does not fit /openapi.json", [mistake_of(steps, detail)])


def mistake_of(steps: Iterable[str | int], detail: str) -> Mistake:
    """A mistake at a place of the request.

    >>> mistake_of(("contacts", 0), "it is empty")
    Mistake(pointer='#/contacts/0', detail='it is empty')
    """
    return Mistake("#" + "".join(f"/{step}" for step in steps), detail)


def _said(what: str) -> str:
    """A message of msgspec in our words, without a value of the request."""
    if match := re.match(r"Expected `([^`]*)`, got `([^`]*)`", what):
        wanted = " or ".join(_WORDS.get(kind, kind) for kind in match[1].split(" | "))
        return f"it must be {wanted}, not {_WORDS.get(match[2], match[2])}"
    if match := re.match(r"Expected `([^`]*)` (of length )?([<>]=) (\S+)\Z", what):
        unit = {"str": " characters", "array": " entries", "object": " keys"}.get(match[1], "") if match[2] else ""
        return f"it must be {_WORDS.get(match[1], match[1])} of at {'most' if match[3] == '<=' else 'least'} {match[4]}{unit}"
    if "multiple of 1" in what:
        return "it must be a whole number"
    if match := re.match(r"Object missing required field `(\w+)`", what):
        return f"the key {match[1]!r} is missing; add it"
    if match := re.match(r"Object contains unknown field `([a-z][a-z0-9_]{0,39})`\Z", what):
        return f"the key {match[1]!r} is not known here; {nearest(match[1], _KEYS)}"
    if what.startswith("Object contains unknown field"):
        return "a key is not known here; the known ones are in /openapi.json"
    if what.startswith("Invalid enum value"):
        return f"it must be one of {', '.join(map(repr, get_args(Speaker)))}"
    if "timezone" in what or "RFC3339" in what:
        return "it must be a time with a time zone, such as '2026-11-22T10:35:00Z'"
    return "it is not as /openapi.json describes it"


def problem_of_routing(errors: Iterable[tuple[Sequence[str | int], RoutingError]]) -> Problem:
    """The problem of contacts that have values which the policy does not take, each at its place."""
    return Problem("not-routable", _NOT_ROUTED, [mistake_of(steps, why_not_routed(error)) for steps, error in errors])


def why_not_routed(error: RoutingError) -> str:
    """Which input is wrong and what it must be, without the value that it had."""
    if not error.expected:
        return str(error)
    return f"input {error.input!r} must be {error.expected}" if error.input else f"it must be {error.expected}"


def problem_of_event(error: EventError) -> Problem:
    """The problem of an event that is not proved, or cannot be read."""
    if isinstance(error, SignatureError):
        return Problem("unauthorized", str(error))
    return Problem("event-unreadable", str(error))


def problem_of_events(refused: Sequence[NotTaken]) -> Problem:
    """The problem of a body of which nothing can be taken; at least one event."""
    first = refused[0]
    if first.problem == "event-unreadable" and len(refused) == 1:
        return Problem(first.problem, first.detail)
    mistakes = [mistake_of((each.index,) if len(refused) > 1 else (), each.detail) for each in refused]
    return Problem(first.problem, first.detail if first.problem == "event-unreadable" else _NOT_ROUTED, mistakes)
