"""The service over real HTTP: its answers are those of the pipeline, and what it refuses it refuses clearly."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.crm.events import EVENT_SYSTEMS
from contact_reasons.errors import ServiceError
from contact_reasons.service import ServiceSettings, create_app, handling, make_server, read_keys
from contact_reasons.service.connection import _TOO_LARGE, BoundedConnection
from contact_reasons.service.messages import ContactIn, ContextIn, CustomerIn, contact_of
from contact_reasons.service.server import show_log
from tests.service import KEY, Running, head
from tests.strategies import contact_text


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(max_body_bytes=100_000, max_contacts=50) as found:
        yield found


def expected(handled: cr.HandledContact, *, routed: bool = True) -> dict[str, Any]:
    """An answer as it follows from the records, by another way than the service's."""
    found = {"contact_id": handled.contact_id, "label": dataclasses.asdict(handled.label)}
    if routed:
        found["recommendation"] = dataclasses.asdict(handled.recommendation) | {"why": handled.recommendation.why}
    return json.loads(json.dumps(found))


sendable = contact_text.filter(lambda text: text.isprintable() or text.encode("utf-8", "ignore").decode() == text)
values = st.fixed_dictionaries(
    {"text": sendable},
    optional={
        "subject": sendable,
        "contact_id": st.sampled_from(["T-1", "2"]),
        "arrival_channel": st.sampled_from(["email", "chat"]),
        "created_at": st.just("2026-11-22T10:35:00Z"),
        "customer": st.fixed_dictionaries(
            {}, optional={"type": st.sampled_from(["gold", "new"]), "vulnerable": st.booleans()}
        ),
        "context": st.fixed_dictionaries(
            {},
            optional={
                "open": st.booleans(),
                "stage": st.just("support"),
                "sentiment": st.floats(-1, 1),
                "repeats_7d": st.integers(0, 5),
            },
        ),
        "turns": st.lists(
            st.fixed_dictionaries({"speaker": st.sampled_from(["customer", "agent"]), "text": sendable}), max_size=4
        ),
    },
)


def contact(given: dict[str, Any]) -> cr.Contact:
    given = dict(given)
    if "created_at" in given:
        given["created_at"] = dt.datetime.fromisoformat(given["created_at"])
    given["turns"] = tuple(cr.Turn(**turn) for turn in given.get("turns", ()))
    given["customer"] = cr.Customer(**given.get("customer", {}))
    given["context"] = cr.RoutingContext(**given.get("context", {}))
    return cr.Contact(**given)


@given(st.lists(values, min_size=1, max_size=4))
def test_answers_are_those_of_the_pipeline(
    running: Running, retail: cr.Pipeline, contacts: list[dict[str, Any]]
) -> None:
    answer = running.ask("/route", *contacts)
    assert answer.status_code == 200, answer.text
    wanted = [retail.handle(contact(each)) for each in contacts]
    assert answer.json()["results"] == [expected(each) for each in wanted]
    labels = running.ask("/label", *contacts).json()
    assert labels["results"] == [expected(each, routed=False) for each in wanted]
    assert labels["model"] == answer.json()["model"]
    assert labels["model"]["bundle"] == retail.bundle.manifest.seal
    assert labels["model"]["policy_sha256"] == retail.policy.sha256


def test_requests_that_come_together_get_their_own_answers(running: Running, retail: cr.Pipeline) -> None:
    """They go through the model together; texts of all lengths, so that some take the way through a thread."""
    texts = [f"where is parcel {n}" if n % 7 else f"refund {n} " * 4000 for n in range(60)]

    async def ask_all() -> list[httpx.Response]:
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60) as client:
            return await asyncio.gather(*(client.post("/route", json={"contacts": [{"text": text}]}) for text in texts))

    for text, answer in zip(texts, asyncio.run(ask_all()), strict=True):
        assert answer.json()["results"] == [expected(retail.handle(cr.Contact(text=text)))]


def test_many_contacts_in_one_request_are_answered_in_order(running: Running, retail: cr.Pipeline) -> None:
    contacts = [{"contact_id": str(n), "text": f"my refund number {n}"} for n in range(50)]
    wanted = [expected(retail.handle(contact(each))) for each in contacts]
    assert running.ask("/route", *contacts).json()["results"] == wanted


def test_every_field_of_a_contact_can_be_sent() -> None:
    both = ((ContactIn, cr.Contact), (CustomerIn, cr.Customer), (ContextIn, cr.RoutingContext))
    for sent, record in both:
        fields = {field.name for field in dataclasses.fields(record)}
        assert set(sent.__struct_fields__) == fields - ({"extra"} if record is cr.Customer else set())
    full = contact_of(
        ContactIn(
            text="a",
            subject="b",
            contact_id="c",
            arrival_channel="email",
            language="en",
            created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            customer=CustomerIn(customer_id="1", type="t", value_tier="v", loyalty="l", persona="p", vulnerable=False),
            context=ContextIn(
                stage="s", open=True, estimated_wait_seconds=1, repeats_7d=2, sentiment=0.5, urgency="u", callback_consent=True, extra={"x": 1}
            ),
        )
    )  # fmt: skip
    assert full == cr.Contact(
        text="a",
        subject="b",
        contact_id="c",
        arrival_channel="email",
        language="en",
        created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        customer=cr.Customer(customer_id="1", type="t", value_tier="v", loyalty="l", persona="p", vulnerable=False),
        context=cr.RoutingContext(
            stage="s", open=True, estimated_wait_seconds=1, repeats_7d=2, sentiment=0.5, urgency="u", callback_consent=True, extra={"x": 1}
        ),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ refusals

TEXT = "a private sentence about my parcel"
BAD: list[tuple[Any, str, str, str]] = [
    ({}, "invalid", "#", "the key 'contacts' is missing"),
    ([], "invalid", "#", "it must be an object, not a list"),
    ({"contacts": []}, "invalid", "#/contacts", "a list of at least 1 entries"),
    ({"contacts": [{"text": "a"}] * 51}, "invalid", "#/contacts", "51 entries; give at most 50"),
    ({"contacts": TEXT}, "invalid", "#/contacts", "it must be a list, not a text"),
    ({"contacts": [TEXT]}, "invalid", "#/contacts/0", "it must be an object, not a text"),
    ({"contacts": [{}, {"text": 7}]}, "invalid", "#/contacts/1/text", "it must be a text, not a whole number"),
    ({"contacts": [{"txt": TEXT}]}, "invalid", "#/contacts/0", "the key 'txt' is not known here; did you mean 'text'"),
    ({"contacts": [{TEXT: 1}]}, "invalid", "#/contacts/0", "a key is not known here"),
    ({"contacts": [{"text": "", "contact_id": TEXT * 9}]}, "invalid", "#/contacts/0/contact_id", "a text of at most 200 characters"),
    ({"contacts": [{"created_at": "2026-11-22T10:35:00"}]}, "invalid", "#/contacts/0/created_at", "a time with a time zone"),
    ({"contacts": [{"created_at": TEXT}]}, "invalid", "#/contacts/0/created_at", "a time with a time zone"),
    ({"contacts": [{"turns": [{"speaker": TEXT, "text": ""}]}]}, "invalid", "#/contacts/0/turns/0/speaker", "one of 'customer', 'agent'"),
    ({"contacts": [{"turns": [{"speaker": "bot"}]}]}, "invalid", "#/contacts/0/turns/0", "the key 'text' is missing"),
    ({"contacts": [{"context": {"open": "yes"}}]}, "invalid", "#/contacts/0/context/open", "true or false or null, not a text"),
    ({"contacts": [{"context": {"sentiment": 2}}]}, "invalid", "#/contacts/0/context/sentiment", "at most 1"),
    ({"contacts": [{"context": {"repeats_7d": -1}}]}, "invalid", "#/contacts/0/context/repeats_7d", "at least 0"),
    ({"contacts": [{"context": {"repeats_7d": 1.5}}]}, "invalid", "#/contacts/0/context/repeats_7d", "a whole number"),
    ({"contacts": [{"context": {"extra": {TEXT: 1}}}]}, "invalid", "#/contacts/0/context/extra", "the name of an input"),
    ({"contacts": [{"context": {"extra": {"a": [TEXT]}}}]}, "invalid", "#/contacts/0/context/extra", "not a list"),
    ({"contacts": [{"context": {"extra": {"stage": TEXT}}}]}, "invalid", "#/contacts/0", "set that field instead"),
    ({"contacts": [{}, {"context": {"stage": TEXT}}]}, "not-routable", "#/contacts/1", "input 'stage' must be one of"),
    ({"contacts": [{"context": {"stage": "fulfillment"}}]}, "not-routable", "#/contacts/0", "did you mean 'fulfilment'"),
    ({"contacts": [{"context": {"extra": {"nope": TEXT}}}]}, "not-routable", "#/contacts/0", "is not an input of policy"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "problem", "pointer", "said"), BAD)
def test_what_does_not_fit_is_refused_with_its_place(
    running: Running, caplog: pytest.LogCaptureFixture, body: Any, problem: str, pointer: str, said: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = running.post("/route", body)
        running.quiet()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == f"urn:contact-reasons:problem:{problem}"
    assert [mistake["pointer"] for mistake in found["errors"]] == [pointer]
    assert said in found["errors"][0]["detail"]
    assert TEXT not in answer.text
    assert TEXT not in caplog.text


def test_all_contacts_that_cannot_be_routed_are_named(running: Running) -> None:
    wrong = {"customer": {"type": "goldd"}}
    answer = running.ask("/route", wrong, {"text": "a"}, wrong)
    assert [mistake["pointer"] for mistake in answer.json()["errors"]] == ["#/contacts/0", "#/contacts/2"]
    assert running.ask("/label", wrong, {"text": "a"}, wrong).status_code == 200


BODIES: list[tuple[bytes, int, str, str]] = [
    (b"", 400, "body-unreadable", "it is empty"),
    (b"{", 400, "body-unreadable", "no JSON from line 1"),
    (b'{"contacts": [{"text": NaN}]}', 400, "body-unreadable", "it holds NaN"),
    (b'{"contacts": [], "contacts": []}', 400, "body-unreadable", "'contacts' occurs twice"),
    (b"[" * 50_000, 400, "body-unreadable", "nested deeper than 64"),
    (b'{"contacts": [{"text": "\\ud800"}]}', 400, "body-unreadable", "surrogate"),
    ('{"contacts": [{"text": "é"}]}'.encode("latin-1"), 400, "body-unreadable", "not UTF-8"),
    (b'{"contacts": [{"text": "' + b"a" * 100_000 + b'"}]}', 413, "body-too-large", "at most 100,000 bytes"),
    (b" " * 1_000_000, 413, "body-too-large", "at most 100,000 bytes"),
]


@pytest.mark.parametrize(("body", "status", "problem", "said"), BODIES)
def test_a_body_that_cannot_be_read_is_refused(
    running: Running, body: bytes, status: int, problem: str, said: str
) -> None:
    answer = running.client.post("/label", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, problem)
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": "application/json", "content-encoding": "gzip"}, {}]
)
def test_a_body_of_another_kind_is_refused(running: Running, headers: dict[str, str]) -> None:
    answer = running.client.post("/label", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (415, "media-type")


def test_a_length_over_the_limit_is_refused_before_the_body_is_sent(running: Running) -> None:
    answer = running.raw(head(Content_Length=str(10**12)))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    answer = running.raw(head(Content_Length="100001", Expect="100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_length_is_read_no_further_than_the_limit(running: Running) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = running.raw(head(Transfer_Encoding="chunked"), piece, piece, piece, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_length_that_is_too_small_leaves_a_rest_that_is_no_request(running: Running) -> None:
    body = b'{"contacts": [{"text": "a"}]}'
    answer = running.raw(head(Content_Length=str(len(body))), body + b"AND MORE")
    assert b"HTTP/1.1 400 " in answer


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    with Running(body_seconds=0.2) as running:
        answer = running.raw(head(Content_Length="100"), b'{"contacts"')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 0.2 s" in answer


def test_a_head_without_end_is_refused(running: Running) -> None:
    answer = running.raw(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", *[b"a" * 16_384] * 5)
    assert answer.startswith(b"HTTP/1.1 431 ")
    many = b"".join(b"X-%d: a\r\n" % n for n in range(2000))
    answer = running.raw(
        b"GET /health HTTP/1.1\r\n", *[many[at : at + 5000] for at in range(0, len(many), 5000)], many * 4
    )
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_head_that_does_not_arrive_is_given_up(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.1)
    assert running.raw() == b""
    assert running.raw(b"GET /health HTTP/1.1\r\nHost:") == b""
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert running.raw(whole + whole[:20]).count(b"HTTP/1.1 200 ") == 1


CHUNKS = b'1d\r\n{"contacts": [{"text": "a"}]}\r\n0\r\n\r\n'
LENGTH = "Content-Length: 29"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, CHUNKED],
        [CHUNKED, LENGTH],
        [LENGTH, "Content-Length: 5"],
        ["Content-Length: 29, 29"],
        ["Content-Length: +29"],
        ["Content-Length: 0x1d"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked, identity"],
        [CHUNKED, "Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked", LENGTH],
        ["Transfer-Encoding:", " chunked", LENGTH],
        ["X: a\rTransfer-Encoding: chunked", LENGTH],
        ["X: a\nTransfer-Encoding: chunked", LENGTH],
        ["X: a\0b", LENGTH],
    ],
)
def test_a_request_that_two_servers_may_cut_differently_is_refused(running: Running, headers: list[str]) -> None:
    """What stands behind it must not be read as a request of its own."""
    lines = head().rstrip(b"\r\n") + b"".join(b"\r\n" + line.encode() for line in headers) + b"\r\n\r\n"
    behind = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = running.raw(lines + CHUNKS + behind)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_trailers_are_no_headers(running: Running) -> None:
    """A proxy that takes a header away, or adds one, has not looked at them."""
    chunks, key = CHUNKS[:-2], f"Authorization: Bearer {KEY}\r\n".encode()
    plain = head(Transfer_Encoding="chunked", Connection="close")
    answer = running.raw(plain + chunks + b"X-Request-Id: of-a-trailer\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"of-a-trailer" not in answer
    answer = running.raw(plain.replace(key, b"") + chunks + key + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("framing", [b"1;x=", b'1d\r\n{"contacts": [{"text": "a"}]}\r\n0\r\nX: '])
def test_framing_without_end_is_refused(running: Running, framing: bytes) -> None:
    """Extensions of chunks and trailers are no body, so its limit does not hold them."""
    try:
        answer = running.raw(head(Transfer_Encoding="chunked") + framing, *[b"a" * 16_384] * 100)
    except ConnectionError:  # closed while there was more to read, so that the answer may be lost
        answer = b""
    assert answer in (b"", _TOO_LARGE)


def test_a_body_that_nobody_waits_for_does_not_hold_its_connection(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.3)
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(whole + b"1000\r\n\r\n")

        def drip() -> None:
            for _ in range(1000):
                connection.sendall(b"a")
                time.sleep(0.02)

        with pytest.raises(ConnectionError, match=r"Broken pipe|reset by peer"):
            drip()
    answer = running.raw(
        whole + b"3\r\n\r\nabc" + whole.replace(b"Content-Length", b"Connection: close\r\nX") + b"0\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_connections_that_say_nothing_do_not_keep_others_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 2.0)
    running = Running()
    running.server.config.limit_concurrency = 20
    with running:
        silent = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(30)]
        for connection in silent[::2]:
            connection.sendall(b"POST /label HTTP/1.1\r\nHost:")
        assert httpx.get(f"{running.url}/health").status_code == 503
        assert [connection.recv(1) for connection in silent] == [b""] * 30
        assert httpx.get(f"{running.url}/health").status_code == 200
        for connection in silent:
            connection.close()


def test_a_body_that_is_waited_for_has_its_own_time(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.2)
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(whole + head(Content_Length="29", Connection="close") + b'{"contacts": ')
        time.sleep(0.6)
        connection.sendall(b'[{"text": "a"}]}')
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_a_key_or_a_host_that_comes_twice_proves_nothing(running: Running) -> None:
    body = b'{"contacts": [{"text": "a"}]}'
    for more in (f"Bearer {KEY}", "Bearer another-key-0123456789"):
        answer = running.raw(head(Content_Length=str(len(body)), authorization=more, Connection="close") + body)
        assert answer.startswith(b"HTTP/1.1 401 ")
    with Running(no_key=True) as open_one:
        answer = open_one.raw(
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 421 ")


def test_the_event_loop_s_own_lines_quote_nothing() -> None:
    stream = io.StringIO()
    names = ("contact_reasons.service", "uvicorn", "asyncio")
    before = {
        name: (logging.getLogger(name).handlers, logging.getLogger(name).propagate, logging.getLogger(name).level)
        for name in names
    }
    try:
        show_log(stream)
        try:
            raise LookupError(TEXT)
        except LookupError as error:
            logging.getLogger("asyncio").error("Task failed: %r", error, exc_info=True)
            logging.getLogger("asyncio").error("Task failed: %r", error)
    finally:
        for name, (handlers, propagate, level) in before.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["server", "server"]
    assert lines[0]["error"] == "LookupError"
    assert TEXT not in stream.getvalue()


def test_a_sender_who_goes_away_leaves_a_line_in_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "contact_reasons.service"):
        running.raw(head(Content_Length="100"), b'{"contacts"', end=True)
        deadline = time.monotonic() + 20
        while '"problem": "client-gone"' not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert '"problem": "client-gone"' in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("POST", "/labels", 404, None),
        ("POST", "/label/", 404, None),
        ("GET", "/label", 405, "POST"),
    ],
)
def test_other_addresses_and_methods_are_problems_too(
    running: Running, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = running.client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers.get("allow") == allow


# ---------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("path", ["/label", "/route", "/reasons", "/openapi.json", "/admin/reload", "/tickets/zendesk"])
@pytest.mark.parametrize(
    "given", ["", KEY, "Basic " + KEY, "Bearer", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", "Bearer é"]
)
def test_without_the_right_key_nothing_is_answered(running: Running, path: str, given: str) -> None:
    method = "GET" if path in ("/reasons", "/openapi.json") else "POST"
    headers = {b"authorization": given.encode("latin-1"), b"content-type": b"application/json"}
    answer = httpx.request(method, running.url + path, headers=headers, content=b'{"contacts": [{}]}')
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert KEY not in answer.text


def test_every_key_is_taken_while_one_takes_the_place_of_another() -> None:
    keys = ("the-old-key-0123456789", "the-new-key-0123456789")
    with Running(keys=keys) as running:
        for key in keys:
            answer = httpx.get(f"{running.url}/reasons", headers={"authorization": f"bearer {key}"})
            assert answer.status_code == 200


def test_without_keys_only_this_machine_is_served() -> None:
    with Running(no_key=True) as running:
        for host, status in (
            ("127.0.0.1", 200),
            ("localhost:8080", 200),
            ("[::1]:80", 200),
            ("evil.example", 421),
            ("", 421),
        ):
            assert httpx.get(f"{running.url}/health", headers={"host": host}).status_code == status
    app = create_app(ServiceSettings(no_key=True))
    for host in ("0.0.0.0", "::", "192.168.1.7", "myhost"):
        with pytest.raises(ServiceError, match=r"is open to others; use 127\.0\.0\.1, or set keys"):
            make_server(app, host=host)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "there is no API key; set CONTACT_REASONS_API_KEYS"),
        ({"keys": ("short",)}, r"keys\[0\] has 5 characters"),
        ({"keys": (KEY, "with a blank 0123456789")}, r"keys\[1\] has 23 characters"),
        ({"keys": (KEY,), "no_key": True}, "drop one or the other"),
        ({"keys": (KEY,), "max_contacts": 0}, "max_contacts is 0; it must be a whole number, at least 1"),
        ({"keys": (KEY,), "store_hours": 0}, "store_hours is 0; it must be greater than 0"),
        (
            {"keys": (KEY,), "systems": {"zen": None}},
            "'zen' is no system whose events are read; did you mean 'zendesk'",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceError, match=said) as raised:
        ServiceSettings(**settings)
    assert "blank" not in str(raised.value)


def test_keys_come_from_the_environment_and_a_file(tmp_path: Any) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of the shop\n{KEY}\n\n{KEY}2\n")
    assert read_keys(file, {"CONTACT_REASONS_API_KEYS": f" {KEY}0 {KEY} "}) == (f"{KEY}0", KEY, f"{KEY}2")
    with pytest.raises(ServiceError, match="the keys cannot be read"):
        read_keys(tmp_path / "none", {})
    assert KEY not in repr(ServiceSettings(keys=(KEY,)))


# ------------------------------------------------------------------------------------ around requests


def test_health_says_what_is_served(running: Running, retail: cr.Pipeline) -> None:
    answer = httpx.get(f"{running.url}/health")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["status"], found["reloading"], found["last_reload"]) == ("ready", False, None)
    assert found["version"] == cr.__version__
    assert found["model"]["bundle"] == retail.bundle.manifest.seal


def test_the_reasons_are_the_picker_s(running: Running, retail: cr.Pipeline) -> None:
    assert running.client.get("/reasons").json() == json.loads(json.dumps(retail.taxonomy.picker()))


def test_an_id_of_a_request_is_kept_and_anything_else_is_replaced(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "contact_reasons.service"):
        kept = running.client.get("/nope", headers={"x-request-id": "order-7_a"})
        made = running.client.get("/nope", headers={"x-request-id": TEXT})
        running.quiet()
    assert kept.headers["x-request-id"] == "order-7_a"
    assert kept.json()["instance"] == "urn:contact-reasons:request:order-7_a"
    assert len(made.headers["x-request-id"]) == 32
    assert '"request_id": "order-7_a"' in caplog.text
    assert TEXT not in caplog.text + made.text


def test_one_line_of_json_a_request_says_what_was_done(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "contact_reasons.service"):
        running.ask("/route", {"text": TEXT, "contact_id": TEXT}, {"text": TEXT})
        running.quiet()
    (line,) = [json.loads(record.getMessage()) for record in caplog.records if record.name == "contact_reasons.service"]
    assert dt.datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert len(line.pop("request_id")) == 32
    assert line.pop("ms") > 0
    assert line.pop("model") == running.service.models.current.model.id
    assert line.pop("bytes_in") > len(TEXT)
    assert line == {"level": "info", "event": "request", "endpoint": "route", "status": 200, "n_contacts": 2}


@given(data=st.data())
def test_nothing_that_is_sent_comes_back_or_is_logged(running: Running, data: st.DataObject) -> None:
    """A private word stands everywhere it can: in values of any type, keys, paths, queries and headers."""
    word = "Zebulon7"
    private = st.sampled_from([word, f"{word} parcel", f"<b>{word}</b>", f"\u0000{word}"])
    leaves = private | st.sampled_from([1, -1.5, True, None])
    tree = st.recursive(leaves, lambda part: st.lists(part, max_size=3) | st.dictionaries(private | st.sampled_from(["contacts", "text", "turns", "context", "extra", "speaker", "id", "detail"]), part, max_size=3), max_leaves=8)  # fmt: skip
    body = data.draw(st.fixed_dictionaries({"contacts": st.lists(tree, max_size=2)}) | tree)
    path = data.draw(
        st.sampled_from(["/label", "/route", f"/{word}", "/events/zendesk", f"/events/{word}", f"/label?{word}={word}"])
    )
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("contact_reasons.service").addHandler(handler)
    logging.getLogger("uvicorn").addHandler(handler)
    logging.getLogger("contact_reasons.service").setLevel(logging.DEBUG)
    try:
        headers = {"content-type": "application/json", "x-request-id": f"{word} 1", "x-other": word}
        answer = running.client.post(path, content=json.dumps(body), headers=headers)
        running.quiet()
    finally:
        logging.getLogger("contact_reasons.service").removeHandler(handler)
        logging.getLogger("uvicorn").removeHandler(handler)
    assert answer.status_code in (200, 400, 404, 422)
    assert lines
    assert word not in "\n".join(lines) + answer.text


def test_a_mistake_of_ours_is_a_problem_without_words(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError(TEXT)

    monkeypatch.setattr(handling, "_results", fail)
    with caplog.at_level(logging.INFO):
        answer = running.ask("/label", {"text": "a"})
        running.quiet()
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:contact-reasons:problem:internal")
    assert TEXT not in answer.text + caplog.text
    assert '"error": "LookupError"' in caplog.text


def test_a_contact_that_breaks_something_takes_no_other_answer_with_it(
    running: Running, retail: cr.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = handling._results

    def fail_for_one(pipeline: cr.Pipeline, contacts: list[cr.Contact]) -> Any:
        if any(contact.text == "break" for contact in contacts):
            raise LookupError
        return real(pipeline, contacts)

    monkeypatch.setattr(handling, "_results", fail_for_one)

    async def together() -> list[Any]:
        handler = handling.Handler(running.service.models)
        asked = [[cr.Contact(text=text)] for text in ("my refund", "break", "my parcel")]
        return await asyncio.gather(*map(handler.handle, asked), return_exceptions=True)

    first, broken, last = asyncio.run(together())
    assert isinstance(broken, LookupError)
    for text, found in (("my refund", first), ("my parcel", last)):
        assert found.results[0].label == retail.label(cr.Contact(text=text))


def test_requests_that_were_begun_are_finished_when_the_service_ends() -> None:
    body = b'{"contacts": [{"text": "where is my parcel"}]}'
    answers: list[bytes] = []
    with Running() as running:
        connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
        connection.sendall(head(Content_Length=str(len(body))) + body[:10])
        while not running.server.server_state.tasks:
            time.sleep(0.005)
        running.server.should_exit = True

        def finish() -> None:
            time.sleep(0.3)
            connection.sendall(body[10:])
            answers.append(connection.recv(65536))

        thread = threading.Thread(target=finish)
        thread.start()
        running.thread.join()
        thread.join()
        connection.close()
    assert answers[0].startswith(b"HTTP/1.1 200 ")


def test_the_systems_are_those_whose_events_are_read(running: Running) -> None:
    for system in EVENT_SYSTEMS:
        answer = running.post(f"/events/{system}", {})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (404, "system-not-set-up")
