"""`create_app`: the service as an ASGI application. A thin shell: what it does stands in the other modules of this room."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contact_reasons.errors import ContactReasonsError, RecordError, RoutingError
from contact_reasons.records import Contact
from contact_reasons.service.events import EventDesk
from contact_reasons.service.handling import Answers, Handler, Result
from contact_reasons.service.incoming import Keys, check_host, read_body, read_json
from contact_reasons.service.logs import error_place, log, new_request_id
from contact_reasons.service.messages import (
    Contacts,
    EventAnswer,
    Handled,
    Health,
    LabelAnswer,
    LabelResult,
    Reload,
    RouteAnswer,
    RouteResult,
    contact_of,
    label_out,
    recommendation_out,
)
from contact_reasons.service.models import Models, ReloadRunning, load_served
from contact_reasons.service.openapi import description
from contact_reasons.service.problems import Problem, mistake_of, problem_of_routing, problem_of_shape
from contact_reasons.service.settings import ServiceSettings
from contact_reasons.service.store import AnswerStore

__all__ = ["Service", "create_app"]

_ENCODER: Final = msgspec.json.Encoder()
_PROBLEM: Final = "application/problem+json"


def create_app(settings: ServiceSettings) -> Starlette:
    """The service as an ASGI application; its model is read and proved before this returns.

    Parameters
    ----------
    settings : ServiceSettings

    Returns
    -------
    Starlette
        With the `Service` as ``app.state.service``.

    Raises
    ------
    ContactReasonsError
        If what is to be served is missing, damaged or not fit to serve.

    Examples
    --------
    >>> app = create_app(ServiceSettings(pack="retail", keys=("0123456789abcdef",)))
    >>> app.state.service.models.current.pipeline.taxonomy.taxonomy_id
    'retail'
    """
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log("started", model=service.models.current.model.id, version=service.models.current.model.package_version)
        yield
        service.stopping = True
        service.store.close()
        log("stopped")

    app = Starlette(
        routes=[
            Route("/label", service.label, methods=["POST"]),
            Route("/route", service.route, methods=["POST"]),
            Route("/events/{system}", service.event, methods=["POST"]),
            Route("/tickets/{system}", service.ticket, methods=["POST"]),
            Route("/reasons", service.reasons, methods=["GET"]),
            Route("/health", service.health, methods=["GET"]),
            Route("/openapi.json", service.openapi, methods=["GET"]),
            Route("/admin/reload", service.reload, methods=["POST"]),
        ],
        middleware=[Middleware(_Shell, service=service)],
        exception_handlers={HTTPException: _pass_on},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


class Service:
    """The end points.

    Parameters
    ----------
    settings : ServiceSettings

    Attributes
    ----------
    models : Models
    store : AnswerStore
    stopping : bool
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.models = Models(lambda: load_served(settings))
        self.store = AnswerStore(settings.store, entries=settings.store_entries, seconds=3600 * settings.store_hours)
        self.stopping = False
        self._keys = Keys(settings.keys)
        self._handler = Handler(self.models)
        self._events = EventDesk(settings, self._keys, self._handler, self.store)

    async def label(self, request: Request) -> Response:
        """POST /label: the reasons of contacts."""
        contacts, answers = await self._contacts(request)
        results = [
            LabelResult(contact.contact_id, label_out(result.label))
            for contact, result in zip(contacts, answers.results, strict=True)
        ]
        return _json(LabelAnswer(answers.served.model, results))

    async def route(self, request: Request) -> Response:
        """POST /route: the reasons of contacts, and where to send them."""
        contacts, answers = await self._contacts(request)
        refused = [
            (("contacts", i), result.routed)
            for i, result in enumerate(answers.results)
            if isinstance(result.routed, RoutingError)
        ]
        if refused:
            raise problem_of_routing(refused)
        return _json(RouteAnswer(answers.served.model, list(map(_route_result, contacts, answers.results))))

    async def event(self, request: Request) -> Response:
        """POST /events/{system}: what is to be written for an event."""
        name = request.path_params["system"]
        system = self._events.system(name, request, signed=True)
        return _events(request, await self._events.event(name, system, request, await self._body(request)))

    async def ticket(self, request: Request) -> Response:
        """POST /tickets/{system}: the same for an event that needed tickets."""
        name = request.path_params["system"]
        system = self._events.system(name, request, signed=False)
        return _events(request, await self._events.fetched(name, system, request, await self._body(request)))

    async def reasons(self, request: Request) -> Response:
        """GET /reasons: the taxonomy for people to choose from."""
        self._keys.check(request)
        return _json(self.models.current.pipeline.taxonomy.picker())

    async def health(self, request: Request) -> Response:
        """GET /health: 200 when ready, 503 when about to stop; no answer at all: not alive."""
        model = self.models.current.model
        state = Health(
            status="stopping" if self.stopping else "ready",
            version=model.package_version,
            model=model,
            reloading=self.models.reloading,
            last_reload=self.models.last,
        )
        return _json(state, status=503 if self.stopping else 200)

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json: the description of all this."""
        self._keys.check(request)
        return _json(description(self.settings))

    async def reload(self, request: Request) -> Response:
        """POST /admin/reload: read the model again; a broken one is refused."""
        self._keys.check(request)
        try:
            changed = await self.reload_models()
        except ReloadRunning:
            raise Problem("reload-running", "wait until /health says `reloading`: false") from None
        except ContactReasonsError as exc:
            raise Problem("reload-refused", str(exc)) from None
        return _json(Reload(self.models.current.model, changed))

    async def reload_models(self) -> bool:
        """As `Models.reload`, with a line in the log."""
        try:
            changed = await self.models.reload()
        except ContactReasonsError as exc:
            log("reload-refused", level=logging.ERROR, error=type(exc).__name__, detail=str(exc))
            raise
        log("reloaded", model=self.models.current.model.id, changed=changed)
        return changed

    async def _contacts(self, request: Request) -> tuple[list[Contact], Answers]:
        """The contacts of a request and their answers."""
        self._keys.check(request)
        body = await self._body(request)
        try:
            given = msgspec.convert(read_json(body, limit=self.settings.max_body_bytes), Contacts).contacts
        except msgspec.ValidationError as exc:
            raise problem_of_shape(exc) from None
        request.state.n_contacts = len(given)
        if len(given) > (most := self.settings.max_contacts):
            mistake = mistake_of(("contacts",), f"the list has {len(given)} entries; give at most {most}")
            raise Problem("invalid", "there are too many contacts", [mistake])
        contacts = []
        for i, each in enumerate(given):
            try:
                contacts.append(contact_of(each))
            except RecordError as exc:
                raise Problem("invalid", "a contact is impossible", [mistake_of(("contacts", i), str(exc))]) from None
        answers = await self._handler.handle(contacts)
        request.state.model = answers.served.model.id
        return contacts, answers

    async def _body(self, request: Request) -> bytes:
        body = await read_body(request, limit=self.settings.max_body_bytes, seconds=self.settings.body_seconds)
        request.state.bytes_in = len(body)
        return body


def _route_result(contact: Contact, result: Result) -> RouteResult:
    assert not isinstance(result.routed, RoutingError)
    return RouteResult(contact.contact_id, label_out(result.label), recommendation_out(result.routed))


def _events(request: Request, answer: EventAnswer) -> Response:
    handled = [outcome for outcome in answer.outcomes if isinstance(outcome, Handled)]
    request.state.system = request.path_params["system"]
    request.state.keys = [outcome.key for outcome in handled] or None
    request.state.replayed = sum(outcome.replayed for outcome in handled) or None
    request.state.outcomes = [outcome.__struct_config__.tag for outcome in answer.outcomes]
    return _json(answer)


def _json(content: Any, *, status: int = 200, kind: str = "application/json", **headers: str) -> Response:
    return Response(_ENCODER.encode(content), status, media_type=kind, headers={"cache-control": "no-store"} | headers)


class _Shell:
    """Around every request: an id, a line in the log, and a problem as RFC 9457 has it for whatever is raised."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request = Request(scope)
        request_id = new_request_id(request.headers.get("x-request-id"))
        sent: dict[str, Any] = {}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        problem: str | None = None
        try:
            if self._service.settings.no_key:
                check_host(request)
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            sent["status"], problem = 499, "client-gone"
        except Exception as exc:
            refused = _problem(exc, request_id)
            problem = refused.name
            if "status" in sent:
                raise
            answer = _json(refused.out(request_id), status=refused.kind.status, kind=_PROBLEM, **refused.headers)
            await answer(scope, receive, send_with_id)
        finally:
            _log_request(request, request_id, sent.get("status"), problem, began)


async def _pass_on(request: Request, error: Exception) -> Response:
    raise error


def _problem(error: Exception, request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return Problem("not-found", "the addresses are in /openapi.json")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return Problem("method-not-allowed", "the methods are in /openapi.json", headers=error.headers)
    log("error", level=logging.ERROR, request_id=request_id, **error_place(error))
    return Problem("internal", "this was not the request's fault; the log has more under the request's id")


def _log_request(request: Request, request_id: str, status: int | None, problem: str | None, began: float) -> None:
    route: Callable[..., Any] | None = request.scope.get("endpoint")
    state = request.scope.get("state", {})
    names = ("bytes_in", "n_contacts", "model", "system", "outcomes", "keys", "replayed")
    log(
        "request",
        request_id=request_id,
        endpoint=None if route is None else route.__name__,
        status=status,
        problem=problem,
        ms=round(1000 * (time.perf_counter() - began), 3),
        **{name: state.get(name) for name in names},
    )
