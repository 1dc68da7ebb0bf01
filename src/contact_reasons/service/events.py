"""Events of CRMs: proved, read, handled once by their key, answered with what is to be written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request

from contact_reasons.crm.events import (
    ContactEvent,
    EventResult,
    Ignored,
    NeedsFetch,
    Refused,
    read_event,
    read_ticket,
    update_of,
    verify_signature,
)
from contact_reasons.crm.events.zendesk import INVOCATION_HEADER
from contact_reasons.errors import EventError, RoutingError
from contact_reasons.records import ReasonLabel, Recommendation
from contact_reasons.service.handling import Handler
from contact_reasons.service.incoming import Keys, read_json
from contact_reasons.service.messages import (
    EventAnswer,
    Fetched,
    FetchNeeded,
    Handled,
    NothingToDo,
    NotTaken,
    Outcome,
    UpdateOut,
    WarningOut,
    label_out,
    recommendation_out,
)
from contact_reasons.service.models import Served
from contact_reasons.service.problems import (
    Problem,
    mistake_of,
    problem_of_event,
    problem_of_events,
    problem_of_shape,
    why_not_routed,
)
from contact_reasons.service.settings import ServiceSettings, SystemSettings
from contact_reasons.service.store import AnswerStore

__all__ = ["EventDesk"]

_ENCODER = msgspec.json.Encoder()
_NO_SUCH_KEY: Final = f"a key is none that the event needs; take the `key` of its outcome, and send the event's header {INVOCATION_HEADER} if it had one"
_STORED = msgspec.json.Decoder(Handled)


class EventDesk:
    """Takes events and the tickets that they needed.

    Parameters
    ----------
    settings : ServiceSettings
    keys : Keys
    handler : Handler
    store : AnswerStore
    """

    def __init__(self, settings: ServiceSettings, keys: Keys, handler: Handler, store: AnswerStore) -> None:
        self._settings, self._keys, self._handler, self._store = settings, keys, handler, store

    def system(self, name: str, request: Request, *, signed: bool) -> SystemSettings:
        """The settings of a CRM. Who needs a key has to have one before anything of his body is read; a signature is that of the body.

        Raises
        ------
        Problem
            ``unauthorized``, ``system-not-set-up``.
        """
        found = self._settings.systems.get(name)
        if not signed or found is None or not found.secrets:
            self._keys.check(request)
        if found is None:
            known = ", ".join(sorted(self._settings.systems)) or "none"
            raise Problem("system-not-set-up", f"systems that are set up: {known}; add it to the file of systems")
        return found

    async def event(self, name: str, system: SystemSettings, request: Request, body: bytes) -> EventAnswer:
        """The answer to an event as the CRM sent it."""
        if system.secrets:
            self._check_signature(name, system, request, body)
        payload = read_json(body, limit=self._settings.max_body_bytes)
        return await self._answer(name, self._read(name, system, request, payload))

    async def fetched(self, name: str, system: SystemSettings, request: Request, body: bytes) -> EventAnswer:
        """The answer to an event that comes with the tickets it needed."""
        try:
            given = msgspec.convert(read_json(body, limit=self._settings.max_body_bytes), Fetched)
        except msgspec.ValidationError as exc:
            raise problem_of_shape(exc) from None
        results = self._read(name, system, request, given.event)
        asked = {result.key for result in results if isinstance(result, NeedsFetch)}
        if any(key not in asked for key in given.tickets):
            mistake = mistake_of(("tickets",), _NO_SUCH_KEY)
            raise Problem("invalid", "a ticket does not belong to the event", [mistake])
        filled = [
            _filled(name, system, i, result, given.tickets[result.key])
            if isinstance(result, NeedsFetch) and result.key in given.tickets
            else result
            for i, result in enumerate(results)
        ]
        return await self._answer(name, filled)

    def _check_signature(self, name: str, system: SystemSettings, request: Request, body: bytes) -> None:
        try:
            verify_signature(
                name,
                body,
                request.headers.raw,
                system.secrets,
                now=dt.datetime.now(dt.UTC),
                method=request.method,
                uri=system.uri,
            )
        except EventError as exc:
            raise problem_of_event(exc) from None

    def _read(self, name: str, system: SystemSettings, request: Request, payload: object) -> tuple[EventResult, ...]:
        try:
            return read_event(name, payload, fields=system.fields, headers=request.headers.raw)
        except EventError as exc:
            raise problem_of_event(exc) from None

    async def _answer(self, name: str, results: Sequence[EventResult]) -> EventAnswer:
        """Outcomes in order. What is right is kept, so that it is known when all of it is sent again for the sake of what is not."""
        known = {
            result.key: answer
            for result in results
            if isinstance(result, ContactEvent | NeedsFetch) and (answer := self._store.find(result.key)) is not None
        }
        events = {
            result.key: result for result in results if isinstance(result, ContactEvent) and result.key not in known
        }
        new: dict[str, Handled | RoutingError] = {}
        if events:
            answers = await self._handler.handle([event.contact for event in events.values()])
            for event, (label, routed) in zip(events.values(), answers.results, strict=True):
                if isinstance(routed, RoutingError):
                    new[event.key] = routed
                    continue
                outcome = _handled(name, event, label, routed, answers.served)
                before = self._store.keep(event.key, _ENCODER.encode(outcome))
                new[event.key] = outcome if before is None else _again(before)
        outcomes: list[Outcome] = []
        told: set[str] = set()
        for i, result in enumerate(results):
            each = _outcome(i, result, new, known)
            if isinstance(each, Handled):
                each = each if each.key not in told else msgspec.structs.replace(each, replayed=True)
                told.add(each.key)
            outcomes.append(each)
        refused = [outcome for outcome in outcomes if isinstance(outcome, NotTaken)]
        if len(refused) == len(outcomes):
            raise problem_of_events(refused)
        return EventAnswer(outcomes)


def _filled(name: str, system: SystemSettings, index: int, fetch: NeedsFetch, ticket: object) -> EventResult:
    try:
        return read_ticket(name, ticket, fields=system.fields, fetch=fetch)
    except EventError as exc:
        return Refused(system=name, index=index, why=str(exc))


def _outcome(
    index: int, result: EventResult, new: dict[str, Handled | RoutingError], known: dict[str, bytes]
) -> Outcome:
    if isinstance(result, Ignored):
        return NothingToDo(result.why, result.ticket_id, result.lost)
    if isinstance(result, Refused):
        return NotTaken(result.index, "event-unreadable", result.why)
    if result.key in known:
        return _again(known[result.key])
    if isinstance(result, NeedsFetch):
        return FetchNeeded(result.key, result.kind, result.ticket_id, result.path, list(result.fields), result.why)
    said = new[result.key]
    return said if isinstance(said, Handled) else NotTaken(index, "not-routable", why_not_routed(said))


def _again(stored: bytes) -> Handled:
    said = _STORED.decode(stored)
    said.replayed = True
    return said


def _handled(name: str, event: ContactEvent, label: ReasonLabel, routed: Recommendation, served: Served) -> Handled:
    """What was made of an event."""
    update = update_of(name, event.ticket_id, label, routed, fields=served.results[name], model=served.model.id)
    return Handled(
        key=event.key,
        kind=event.kind,
        ticket_id=event.ticket_id,
        replayed=False,
        model=served.model,
        label=label_out(label),
        recommendation=recommendation_out(routed),
        update=None if update is None else UpdateOut(update.method, update.path, update.body),
        warnings=[WarningOut(*each) for each in event.warnings],
    )
