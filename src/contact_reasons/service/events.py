"""Events of CRMs: proved, read, handled once by their key, answered with what is to be written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
from starlette.requests import Request

from contact_reasons.crm.events import (
    ContactEvent,
    EventResult,
    Ignored,
    NeedsFetch,
    read_event,
    read_ticket,
    update_of,
    verify_signature,
)
from contact_reasons.errors import EventError, RoutingError
from contact_reasons.service.handling import Answers, Handler
from contact_reasons.service.incoming import Keys, read_json
from contact_reasons.service.messages import (
    EventAnswer,
    Fetched,
    FetchNeeded,
    Handled,
    NothingToDo,
    Outcome,
    UpdateOut,
    WarningOut,
    label_out,
    recommendation_out,
)
from contact_reasons.service.problems import Problem, mistake_of, problem_of_event, problem_of_routing, problem_of_shape
from contact_reasons.service.settings import ServiceSettings, SystemSettings
from contact_reasons.service.store import AnswerStore

__all__ = ["EventDesk"]

_ENCODER = msgspec.json.Encoder()
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

    def system(self, name: str) -> SystemSettings:
        """The settings of a CRM.

        Raises
        ------
        Problem
            ``system-not-set-up``.
        """
        found = self._settings.systems.get(name)
        if found is None:
            known = ", ".join(sorted(self._settings.systems)) or "none"
            raise Problem("system-not-set-up", f"systems that are set up: {known}; add it to the file of systems")
        return found

    async def event(self, name: str, request: Request, body: bytes) -> EventAnswer:
        """The answer to an event as the CRM sent it."""
        system = self.system(name)
        if system.secrets:
            self._check_signature(name, system, request, body)
        else:
            self._keys.check(request)
        payload = read_json(body, limit=self._settings.max_body_bytes)
        return await self._answer(name, self._read(name, system, request, payload))

    async def fetched(self, name: str, request: Request, body: bytes) -> EventAnswer:
        """The answer to an event that comes with the tickets it needed."""
        system = self.system(name)
        try:
            given = msgspec.convert(read_json(body, limit=self._settings.max_body_bytes), Fetched)
        except msgspec.ValidationError as exc:
            raise problem_of_shape(exc) from None
        results = self._read(name, system, request, given.event)
        asked = {result.key for result in results if isinstance(result, NeedsFetch)}
        if any(key not in asked for key in given.tickets):
            mistake = mistake_of(("tickets",), "a key is none that the event needs; take the `key` of its outcome")
            raise Problem("invalid", "a ticket does not belong to the event", [mistake])
        try:
            filled = [
                read_ticket(name, given.tickets[result.key], fields=system.fields, fetch=result)
                if isinstance(result, NeedsFetch) and result.key in given.tickets
                else result
                for result in results
            ]
        except EventError as exc:
            raise problem_of_event(exc) from None
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
        """Outcomes in order. Nothing is kept unless everything is right."""
        known = {
            result.key: answer
            for result in results
            if not isinstance(result, Ignored) and (answer := self._store.find(result.key)) is not None
        }
        events = {
            result.key: result for result in results if isinstance(result, ContactEvent) and result.key not in known
        }
        new: dict[str, Outcome] = {}
        if events:
            answers = await self._handler.handle([event.contact for event in events.values()])
            outcomes = _handled(name, list(events.values()), answers)
            for outcome in outcomes:
                mine = _ENCODER.encode(outcome)
                kept = self._store.keep(outcome.key, mine)
                new[outcome.key] = outcome if kept == mine else _again(kept)
        return EventAnswer([_outcome(result, new, known) for result in results])


def _outcome(result: EventResult, new: dict[str, Outcome], known: dict[str, bytes]) -> Outcome:
    if isinstance(result, Ignored):
        return NothingToDo(result.why, result.ticket_id, result.lost)
    if result.key in known:
        return _again(known[result.key])
    if isinstance(result, NeedsFetch):
        return FetchNeeded(result.key, result.kind, result.ticket_id, result.path, list(result.fields), result.why)
    return new[result.key]


def _again(stored: bytes) -> Handled:
    said = _STORED.decode(stored)
    said.replayed = True
    return said


def _handled(name: str, events: list[ContactEvent], answers: Answers) -> list[Handled]:
    """What was made of each event, or one problem for all that cannot be routed."""
    model = answers.served.model
    found: list[Handled] = []
    refused: list[tuple[tuple[str | int, ...], RoutingError]] = []
    for i, (event, (label, routed)) in enumerate(zip(events, answers.results, strict=True)):
        if isinstance(routed, RoutingError):
            refused.append(((i,) if len(events) > 1 else (), routed))
            continue
        update = update_of(name, event.ticket_id, label, routed, fields=answers.served.results[name], model=model.id)
        found.append(
            Handled(
                key=event.key,
                kind=event.kind,
                ticket_id=event.ticket_id,
                replayed=False,
                model=model,
                label=label_out(label),
                recommendation=recommendation_out(routed),
                update=None if update is None else UpdateOut(update.method, update.path, update.body),
                warnings=[WarningOut(*each) for each in event.warnings],
            )
        )
    if refused:
        raise problem_of_routing(refused)
    return found
