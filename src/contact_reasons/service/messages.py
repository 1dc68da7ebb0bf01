"""What the service takes and answers: the types that requests are checked by and that the OpenAPI description is made from.

Everything the customer wrote stands in requests alone; no answer holds any of it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from contact_reasons.records import (
    Contact,
    Customer,
    ReasonLabel,
    Recommendation,
    RoutingContext,
    Turn,
)

__all__ = [
    "ContactIn",
    "Contacts",
    "EventAnswer",
    "Fetched",
    "Health",
    "LabelAnswer",
    "LabelOut",
    "LabelResult",
    "Model",
    "ProblemOut",
    "RecommendationOut",
    "Reload",
    "RouteAnswer",
    "RouteResult",
    "contact_of",
    "label_out",
    "recommendation_out",
]

Name: TypeAlias = Annotated[str, Meta(max_length=200)]
Count: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000_000, multiple_of=1)]
"""A whole number: JSON makes no difference between 2 and 2.0."""
InputName: TypeAlias = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
InputValue: TypeAlias = Annotated[str, Meta(max_length=200)] | int | float | bool | None
Probability: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Speaker: TypeAlias = Literal["customer", "agent", "bot", "system"]

# ------------------------------------------------------------------------------------------ requests


class TurnIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One turn of a conversation."""

    speaker: Speaker
    text: str


class CustomerIn(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What is known of the customer; see `contact_reasons.records.Customer`. Values must be ones that the policy knows."""

    customer_id: Name | None = None
    type: Name | None = None
    value_tier: Name | None = None
    loyalty: Name | None = None
    persona: Name | None = None
    vulnerable: bool | None = None


class ContextIn(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The situation at the moment of contact; see `contact_reasons.records.RoutingContext`."""

    stage: Name | None = None
    open: bool | None = None
    estimated_wait_seconds: Count | None = None
    repeats_7d: Count | None = None
    sentiment: Annotated[float, Meta(ge=-1, le=1)] | None = None
    urgency: Name | None = None
    callback_consent: bool | None = None
    extra: Annotated[
        dict[InputName, InputValue], Meta(description="The policy's own inputs, of customer or context.")
    ] = {}


class ContactIn(Struct, forbid_unknown_fields=True, kw_only=True):
    """One contact; see `contact_reasons.records.Contact`. What is left out or null is not known."""

    text: Annotated[str, Meta(description="What the customer wrote, raw. May be empty if there are turns.")] = ""
    subject: str | None = None
    contact_id: Name | None = None
    arrival_channel: Name | None = None
    language: Name | None = None
    created_at: Annotated[dt.datetime, Meta(tz=True, description="RFC 3339, with a time zone.")] | None = None
    customer: CustomerIn = CustomerIn()
    context: ContextIn = ContextIn()
    turns: list[TurnIn] = []


class Contacts(Struct, forbid_unknown_fields=True):
    """The contacts of a request."""

    contacts: Annotated[list[ContactIn], Meta(min_length=1)]


class Fetched(Struct, forbid_unknown_fields=True):
    """An event as the CRM sent it, and the tickets that it needed."""

    event: Annotated[dict[str, Any] | list[Any], Meta(description="The body of the event, unchanged.")]
    tickets: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=200)], dict[str, Any]],
        Meta(description="What the CRM answered for each `path`, by the `key` of the outcome that named it."),
    ]


# ------------------------------------------------------------------------------------------- answers


class Model(Struct):
    """What an answer came from."""

    id: Annotated[str, Meta(description="Stands for all of the following, as 16 hexadecimal digits.")]
    taxonomy: Annotated[str, Meta(description="Id and version.")]
    bundle: Annotated[str, Meta(description="Seal of the model.")]
    policy: Annotated[str, Meta(description="Id and version.")]
    policy_sha256: str
    calibration: Annotated[str | None, Meta(description="Seal of the calibration, if there is one.")]
    package_version: str


class RankedOut(Struct):
    """A secondary reason and its probability."""

    reason: str
    probability: Probability


class LabelOut(Struct):
    """The reason of a contact; both levels, the primary alone, or none (`abstained`)."""

    primary: str | None
    secondary: str | None
    confidence: Probability
    abstained: bool
    ranked: list[RankedOut]


class BecauseOut(Struct):
    """A value that the rule read, and the condition it met."""

    input: str
    value: str | int | float | bool | None
    condition: str


class RecommendationOut(Struct):
    """Where to send a contact, and why."""

    channel: str
    priority: int
    rule_id: str
    why: str
    because: list[BecauseOut]
    queue: str | None
    skills: list[str]
    also_matched: list[str]
    policy_id: str
    policy_version: str
    propensity: Probability | None
    instead_of: str | None


class LabelResult(Struct):
    """The answer for one contact."""

    contact_id: str | None
    label: LabelOut


class RouteResult(Struct):
    """The answer for one contact."""

    contact_id: str | None
    label: LabelOut
    recommendation: RecommendationOut


class LabelAnswer(Struct):
    """One result a contact, in order."""

    model: Model
    results: list[LabelResult]


class RouteAnswer(Struct):
    """One result a contact, in order."""

    model: Model
    results: list[RouteResult]


class UpdateOut(Struct):
    """A request to the CRM, to be sent with its own authorisation."""

    method: str
    path: str
    body: dict[str, Any]


class WarningOut(Struct):
    """Something of the event that was left out."""

    key: str
    what: str


class Handled(Struct, tag_field="outcome", tag="handled"):
    """A contact was labelled and routed."""

    key: Annotated[str, Meta(description="The same whenever this event is delivered again.")]
    kind: str
    ticket_id: str
    replayed: Annotated[bool, Meta(description="Whether this is the answer that was given before.")]
    model: Model
    label: LabelOut
    recommendation: RecommendationOut
    update: Annotated[UpdateOut | None, Meta(description="Null if there is nothing to write.")]
    warnings: list[WarningOut]


class FetchNeeded(Struct, tag_field="outcome", tag="needs_fetch"):
    """The event does not hold what is needed: GET `path` from the CRM, then POST both to `/tickets/{system}`."""

    key: str
    kind: str
    ticket_id: str
    path: str
    fields: list[str]
    why: str


class NothingToDo(Struct, tag_field="outcome", tag="ignored"):
    """The event brings no words of a customer."""

    why: str
    ticket_id: str | None
    lost: Annotated[bool, Meta(description="Whether contacts may be behind it that the CRM does not name.")]


class NotTaken(Struct, tag_field="outcome", tag="refused"):
    """One of several events of a body that cannot be taken, while others are. Sent again as it is, it is refused again."""

    index: Annotated[int, Meta(ge=0, description="Its position in the body, from 0.")]
    problem: Annotated[str, Meta(description="What it would be refused as if it came alone.")]
    detail: str


Outcome: TypeAlias = Handled | FetchNeeded | NothingToDo | NotTaken


class EventAnswer(Struct):
    """One outcome, or one a notification where the CRM sends several at once. If none can be taken, the answer is a problem."""

    outcomes: list[Outcome]


class LastReload(Struct):
    """How the last reload ended."""

    at: Annotated[dt.datetime, Meta(tz=True)]
    taken: bool
    why: Annotated[str | None, Meta(description="Kind of the error, if it was refused; POST /admin/reload says more.")]


class Health(Struct):
    """Whether the service is there and ready."""

    status: Literal["ready", "stopping"]
    version: str
    model: Model
    reloading: bool
    last_reload: LastReload | None


class Reload(Struct):
    """A reload that was taken."""

    model: Model
    changed: Annotated[bool, Meta(description="Whether it is another model than before.")]


class Mistake(Struct):
    """One thing that is wrong with a request."""

    pointer: Annotated[str, Meta(description="Where: a JSON pointer as a URI fragment, such as `#/contacts/0/text`.")]
    detail: str


class ProblemOut(Struct):
    """A problem by RFC 9457. Never holds a value of the request."""

    type: str
    title: str
    status: int
    detail: str
    instance: Annotated[str, Meta(description="The request's id as a URI.")]
    errors: list[Mistake] = []


# --------------------------------------------------------------------------------------- conversions


def contact_of(given: ContactIn) -> Contact:
    """The contact of a request, checked by its type.

    Raises
    ------
    RecordError
        If ``extra`` names an input that has a field of its own.
    """
    who, when = given.customer, given.context
    return Contact(
        text=given.text,
        subject=given.subject,
        contact_id=given.contact_id,
        arrival_channel=given.arrival_channel,
        language=given.language,
        created_at=given.created_at,
        customer=Customer(
            customer_id=who.customer_id,
            type=who.type,
            value_tier=who.value_tier,
            loyalty=who.loyalty,
            persona=who.persona,
            vulnerable=who.vulnerable,
        ),
        context=RoutingContext(
            stage=when.stage,
            open=when.open,
            estimated_wait_seconds=_whole(when.estimated_wait_seconds),
            repeats_7d=_whole(when.repeats_7d),
            sentiment=when.sentiment,
            urgency=when.urgency,
            callback_consent=when.callback_consent,
            **({"extra": when.extra} if when.extra else {}),
        ),
        turns=tuple(Turn(speaker=turn.speaker, text=turn.text) for turn in given.turns),
    )


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)


def label_out(label: ReasonLabel) -> LabelOut:
    """A label as it is answered."""
    return LabelOut(
        label.primary,
        label.secondary,
        label.confidence,
        label.abstained,
        [RankedOut(each.reason, each.probability) for each in label.ranked],
    )


def recommendation_out(said: Recommendation) -> RecommendationOut:
    """A recommendation as it is answered; days as ISO texts."""
    return RecommendationOut(
        channel=str(said.channel),
        priority=said.priority,
        rule_id=said.rule_id,
        why=said.why,
        because=[BecauseOut(each.input, _plain(each.value), each.condition) for each in said.because],
        queue=said.queue,
        skills=list(said.skills),
        also_matched=list(said.also_matched),
        policy_id=said.policy_id,
        policy_version=said.policy_version,
        propensity=said.propensity,
        instead_of=None if said.instead_of is None else str(said.instead_of),
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value
