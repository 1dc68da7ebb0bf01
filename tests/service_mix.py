"""Requests of every kind, mixed, for a service on a port, and an account of every one of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import contact_reasons as cr
from contact_reasons.crm.events import (
    EVENT_SYSTEMS,
    ContactEvent,
    EventResult,
    NeedsFetch,
    parse_body,
    read_event,
    read_ticket,
)
from contact_reasons.errors import EventError
from contact_reasons.service.logs import LOGGER
from contact_reasons.service.messages import label_out, recommendation_out
from contact_reasons.service.models import model_of
from tests.conftest import TINY_TEXTS
from tests.service import KEY, Running
from tests.two_packs import replace_model, two_packs
from tests.unit.test_crm_hostile_events import PAYLOADS, changed, good
from tests.unit.test_service_events import SECRET, SYSTEMS, signed, wanted

MARK = "Quillfeather"
"""Stands in every text that a customer writes here; nothing that comes out may hold it."""

URI = "https://hooks.example.com/events/hubspot"
SIGNING = {name: dataclasses.replace(system, secrets=(SECRET,), uri=URI) for name, system in SYSTEMS.items()}
TIME = "2026-11-22T10:34:58Z"

Headers = dict[str, str]
Sign = Callable[[bytes], Headers]


@dataclasses.dataclass
class Job:
    """A request and what must come back: contacts or events that are answered, or a problem."""

    path: str
    body: bytes
    headers: Sign
    texts: tuple[cr.Contact, ...] = ()
    events: tuple[tuple[EventResult, ...], ...] = ()
    """Each outcome, as one of the results that it may be."""
    refused: tuple[int, str] | None = None
    length: int | None = None
    method: str = "POST"


def with_key(body: bytes) -> Headers:
    return {"Authorization": f"Bearer {KEY}"}


def signed_by(system: str) -> Sign:
    return lambda body: signed(system, body, URI)


# ------------------------------------------------------------------------------------------- events


def event_of(system: str, n: int, text: str) -> Any:
    """An event of its own."""
    if system == "zendesk":
        detail = {"id": str(n), "description": text, "via": {"channel": "email"}, "created_at": TIME}
        return {"type": "zen:event-type:ticket.created", "id": f"z-{n}", "time": TIME, "detail": detail}
    if system == "salesforce":
        header = {"entityName": "Case", "recordIds": [f"500A{n}"], "changeType": "CREATE", "transactionKey": f"t-{n}"}
        return {"ChangeEventHeader": {**header, "sequenceNumber": 1}, "Description": text, "Origin": "Web"}
    if system == "freshdesk":
        ticket = {"id": n, "description_text": text, "source": 2, "created_at": TIME}
        return {"event": "onTicketCreate", "account_id": "9", "data": {"ticket": ticket}}
    if system == "intercom":
        source = {"type": "email", "body": f"<p>{text}</p>", "author": {"type": "user", "id": "5"}}
        item = {"type": "conversation", "id": str(n), "created_at": 1795169527, "source": source}
        return {
            "type": "notification_event",
            "id": f"i-{n}",
            "topic": "conversation.user.created",
            "data": {"item": item},
        }
    one = {"portalId": 9, "occurredAt": 1795258327000 + n, "subscriptionType": "ticket.creation"}
    return [{**one, "objectId": n}, {**one, "objectId": "no id"}, {**one, "subscriptionType": "ticket.deletion"}]


def jobs_of(system: str, n: int, text: str) -> tuple[Job, Job | None]:
    """An event, and the request with the ticket that it needs."""
    payload = event_of(system, n, text)
    fields = SYSTEMS[system].fields
    results = read_event(system, payload, fields=fields)
    if system != "hubspot":
        return _event(system, payload, tuple((result,) for result in results)), None
    ticket = {"id": str(n), "properties": {"content": f"<p>{text}</p>", "createdate": TIME}}
    fetch = results[0]
    assert isinstance(fetch, NeedsFetch)
    filled = read_ticket(system, ticket, fields=fields, fetch=fetch)
    both = json.dumps({"event": payload, "tickets": {fetch.key: ticket}}).encode()
    rest = tuple((result,) for result in results[1:])
    return (
        _event(system, payload, ((fetch, filled), *rest)),
        Job(f"/tickets/{system}", both, with_key, events=((filled,), *rest)),
    )


def _event(system: str, payload: Any, events: tuple[tuple[EventResult, ...], ...]) -> Job:
    return Job(f"/events/{system}", json.dumps(payload).encode(), signed_by(system), events=events)


# ------------------------------------------------------------------------------------------ hostile


def hostile(n: int, text: str) -> Job:
    """A request that must be refused."""
    system = EVENT_SYSTEMS[n % len(EVENT_SYSTEMS)]
    body = json.dumps(event_of(system, n, text)).encode()
    path, sign = f"/events/{system}", signed_by(system)
    contact = json.dumps({"contacts": [{"text": text}]}).encode()
    wrong = [(at, value) for at, value, _ in PAYLOADS[system] if at and system != "hubspot"] or [("", {}), ("", [])]
    at, value = wrong[n % len(wrong)]
    unread = json.dumps(changed(good(system), at, value) if at else value).encode()
    numbers = json.dumps({"contacts": [{"txt": text}]}).encode()
    unknown = json.dumps({"contacts": [{"text": text, "customer": {"type": text[:100]}}]}).encode()

    def forged(_: bytes) -> Headers:
        found = sign(body + b" ")
        return {name: found[name] for name in sorted(found)} if system in ("zendesk", "hubspot", "intercom") else {}

    kinds = (
        Job(path, body, forged, refused=(401, "unauthorized")),
        Job(path, body, lambda _: {}, refused=(401, "unauthorized")),
        Job(path, b"[" * 200, sign, refused=(400, "body-unreadable")),
        Job(path, body[:-3], sign, refused=(400, "body-unreadable")),
        Job(path, unread, sign, refused=_why_unread(unread)),
        Job("/label", contact, lambda _: {}, refused=(401, "unauthorized")),
        Job("/label", numbers, with_key, refused=(422, "invalid")),
        Job("/route", unknown, with_key, refused=(422, "not-routable")),
        Job("/labels", contact, with_key, refused=(404, "not-found")),
        Job("/label", contact, with_key, method="PUT", refused=(405, "method-not-allowed")),
        Job("/label", contact, lambda _: with_key(b"") | {"Content-Type": "text/plain"}, refused=(415, "media-type")),
        Job("/route", b"", with_key, length=10**9, refused=(413, "body-too-large")),
    )
    return kinds[n // len(EVENT_SYSTEMS) % len(kinds)]


def _why_unread(body: bytes) -> tuple[int, str]:
    """Some wrong values are no JSON that is taken, such as half of a surrogate pair."""
    try:
        parse_body(body)
    except EventError:
        return 400, "body-unreadable"
    return 422, "event-unreadable"


def mixed(n_jobs: int, seed: int) -> list[Job]:
    """Labels, routes, events of all systems, tickets, replays and what is refused, in an order by chance."""
    draw = random.Random(seed)
    texts = [f"{text} {MARK}" for text in (each for group in TINY_TEXTS.values() for each in group)]
    jobs: list[Job] = []
    sent: list[Job] = []
    n = 0
    while len(jobs) < n_jobs:
        n += 1
        text, kind = texts[n % len(texts)], draw.random()
        if kind < 0.45:
            contacts = tuple(
                cr.Contact(text=texts[(n + k) % len(texts)], contact_id=f"{n}-{k}")
                for k in range(3 if n % 10 == 0 else 1)
            )
            body = {"contacts": [{"text": each.text, "contact_id": each.contact_id} for each in contacts]}
            path = "/label" if kind < 0.25 else "/route"
            jobs.append(Job(path, json.dumps(body).encode(), with_key, texts=contacts))
        elif kind < 0.70:
            made = [job for job in jobs_of(EVENT_SYSTEMS[n % len(EVENT_SYSTEMS)], n, text) if job is not None]
            jobs += made
            sent += made
        elif kind < 0.85 and sent:
            jobs.append(draw.choice(sent))
        else:
            jobs.append(hostile(n, text))
    draw.shuffle(jobs)
    return jobs


# ---------------------------------------------------------------------------------------- the clients


class Account:
    """What was answered to each job, and whether it is right.

    Parameters
    ----------
    folder : Path
        For the pack that is served, the two that take turns in it, and the file of answers.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "packs").mkdir()
        self.packs = two_packs(folder / "packs")
        self.pack = Path(shutil.copytree(self.packs[0], folder / "served"))
        self.store = folder / "answers.sqlite"
        pipes = [cr.load_pipeline(pack) for pack in self.packs]
        self.pipes = {model_of(pipe).id: pipe for pipe in pipes}
        self.lines: list[dict[str, Any]] = []
        self.models: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.first: dict[str, Any] = {}
        self.again: list[dict[str, Any]] = []

    def run(self, jobs: list[Job], *, n_clients: int, reloads: int) -> None:
        """Send all, with so many reloads spread over them, and look at every answer, line and stored event."""
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(json.loads(record.getMessage()))  # type: ignore[method-assign]
        logger = logging.getLogger(LOGGER)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            with Running(pack=self.pack, systems=SIGNING, store=self.store) as running:
                answers = asyncio.run(self._send(running, jobs, n_clients, reloads))
                running.quiet()
                stored = dict(running.service.store._database.execute("SELECT key, answer FROM answers"))
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
        self._look(jobs, answers)
        self._check_store(stored)
        self._check_lines(answers, reloads)

    async def _send(self, running: Running, jobs: list[Job], n_clients: int, reloads: int) -> dict[int, Any]:
        answers: dict[int, Any] = {}
        numbers = iter(range(len(jobs)))
        due = iter([len(jobs) * (k + 1) // (reloads + 1) for k in range(reloads)])
        tasks = [self._client(running.port, jobs, numbers, answers) for _ in range(n_clients)]
        await asyncio.gather(self._reload(running.port, due, answers), *tasks)
        return answers

    async def _client(self, port: int, jobs: list[Job], numbers: Iterator[int], answers: dict[int, Any]) -> None:
        connection = None
        for number in numbers:
            job = jobs[number]
            head = {"Content-Type": "application/json", "X-Request-Id": f"job-{number}"} | job.headers(job.body)
            connection = connection or await asyncio.open_connection("127.0.0.1", port)
            status, body, closed = await _ask(connection, job, head)
            assert number not in answers
            answers[number] = status, body
            if closed:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    async def _reload(self, port: int, due: Iterator[int], answers: dict[int, Any]) -> None:
        for turn, number in enumerate(due):
            while len(answers) < number:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(replace_model, self.pack, self.packs[1 - turn % 2])
            connection = await asyncio.open_connection("127.0.0.1", port)
            status, body, _ = await _ask(connection, Job("/admin/reload", b"", with_key), with_key(b""))
            assert (status, json.loads(body)["changed"]) == (200, True)
            connection[1].close()

    # ------------------------------------------------------------------------------------- the account

    def _look(self, jobs: list[Job], answers: dict[int, Any]) -> None:
        assert sorted(answers) == list(range(len(jobs)))
        for number, job in enumerate(jobs):
            status, body = answers[number]
            said = json.loads(body)
            if MARK.encode() in body or not self._right(job, status, said):
                self.wrong.append(f"{job.path}: {status} {body[:300]!r}")
        assert not self.wrong, self.wrong[:3]
        for said in self.again:  # an answer that is given again is the first one
            assert said == self.first[said["key"]]

    def _right(self, job: Job, status: int, said: Any) -> bool:
        if job.refused is not None:
            return (status, said["type"].rpartition(":")[2]) == job.refused
        if status != 200:
            return False
        if job.texts:
            self.models[said["model"]["id"]] += 1
            pipe = self.pipes[said["model"]["id"]]
            return said["results"] == [_result(pipe, each, job.path == "/route") for each in job.texts]
        right = True
        for outcome, results in zip(said["outcomes"], job.events, strict=True):
            right &= self._known(outcome, results)  # each is remembered, right or not
        return right

    def _known(self, outcome: dict[str, Any], results: tuple[EventResult, ...]) -> bool:
        """Whether an outcome is one that it may be; remembers those of contacts."""
        if outcome["outcome"] == "refused":
            return [outcome["index"]] == [getattr(result, "index", None) for result in results]
        if outcome["outcome"] != "handled":
            return any(
                _plain(outcome) == wanted(None, "", result, "")
                for result in results
                if not isinstance(result, ContactEvent)
            )  # type: ignore[arg-type]
        model = outcome["model"]["id"]
        (event,) = (result for result in results if isinstance(result, ContactEvent))
        if outcome.pop("replayed"):
            self.again.append(outcome)
            return outcome["key"] == event.key
        if outcome["key"] in self.first or any(isinstance(result, NeedsFetch) for result in results):
            return False
        self.first[outcome["key"]] = outcome
        self.models[model] += 1
        system = outcome["key"].partition(":")[0]
        return _plain(outcome) == wanted(self.pipes[model], system, event, model)

    def _check_store(self, stored: dict[str, bytes]) -> None:
        """Every event once, with the answer that was given; nothing of what was refused."""
        kept = {key: json.loads(answer) for key, answer in stored.items()}
        assert MARK not in str(kept)
        assert all(answer.pop("replayed") is False for answer in kept.values())
        assert kept == self.first

    def _check_lines(self, answers: dict[int, Any], reloads: int) -> None:
        """A line in the log for every request, with its status, and no words of a customer."""
        assert MARK not in str(self.lines)
        lines = {line["request_id"]: line["status"] for line in self.lines if line["event"] == "request"}
        told = {f"job-{number}": status for number, (status, _) in answers.items()}
        assert {name: lines[name] for name in told} == told
        counted = Counter(line["event"] for line in self.lines)
        assert counted["request"] == len(answers) + reloads == len(lines)
        assert counted["error"] == 0


async def _ask(connection: Any, job: Job, headers: Headers) -> tuple[int, bytes, bool]:
    reader, writer = connection
    length = len(job.body) if job.length is None else job.length
    lines = [f"{job.method} {job.path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + job.body)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(size), b"\r\nconnection: close" in head


def _plain(outcome: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in outcome.items() if name != "model"}


def _result(pipe: cr.Pipeline, contact: cr.Contact, routed: bool) -> dict[str, Any]:
    import msgspec

    handled = pipe.handle(contact)
    found = {"contact_id": contact.contact_id, "label": msgspec.to_builtins(label_out(handled.label))}
    if routed:
        found["recommendation"] = msgspec.to_builtins(recommendation_out(handled.recommendation))
    return found
