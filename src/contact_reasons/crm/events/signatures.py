"""`verify_signature`: whether a request comes from the CRM, and now.

=========== ============================================================================ ==============
system      what is checked                                                               replay window
=========== ============================================================================ ==============
Zendesk     HMAC-SHA256 of timestamp and body, base64                                     yes
HubSpot     version 3: HMAC-SHA256 of method, address, body and timestamp, base64         yes
Intercom    HMAC-SHA1 of the body, hexadecimal, after ``sha1=``                           no timestamp
Freshdesk   nothing documented: a secret of your own in the header `SECRET_HEADER`        no timestamp
Salesforce  nothing documented: the same                                                  no timestamp
=========== ============================================================================ ==============

Where there is no timestamp, an event that was recorded and sent again is known by its key alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from contact_reasons.crm.events.headers import read_headers
from contact_reasons.errors import SignatureError, nearest, shorten

__all__ = ["SECRET_HEADER", "TOLERANCE", "verify_signature"]

SECRET_HEADER: Final = "X-Contact-Reasons-Secret"
"""Header of a shared secret, for systems that sign nothing: have the sender set it."""

TOLERANCE: Final = timedelta(minutes=5)
"""How far a timestamp may be from now, either way: HubSpot's five minutes."""

_DECODED: Final = {
    "%3a": ":", "%2f": "/", "%3f": "?", "%40": "@", "%21": "!", "%24": "$",
    "%27": "'", "%28": "(", "%29": ")", "%2a": "*", "%2c": ",", "%3b": ";",
}  # fmt: skip
_ENCODED: Final = re.compile("|".join(_DECODED), re.I)


def verify_signature(
    system: str,
    body: bytes,
    headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]],
    secret: str | Sequence[str],
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
    method: str = "POST",
    uri: str = "",
) -> None:
    """Return if a request is proved to come from the CRM; raise otherwise.

    Signatures are compared in a time that does not depend on where they differ.

    Parameters
    ----------
    system : {'freshdesk', 'hubspot', 'intercom', 'salesforce', 'zendesk'}
    body : bytes
        As it was received, before it is parsed.
    headers : mapping of str to str, or pairs
        Names in any case.
    secret : str or sequence of str
        Zendesk: the webhook's signing secret; HubSpot and Intercom: the app's client secret; Freshdesk and Salesforce: one of your own. Several while
        one takes the place of another.
    now : datetime
        With a time zone.
    tolerance : timedelta, default=5 minutes
    method : str, default='POST'
    uri : str
        HubSpot: the whole address that HubSpot called, with ``https://`` and the query, as it was before any proxy.

    Raises
    ------
    SignatureError
        If a header is missing, the timestamp lies outside the tolerance, or the signature is not that of the body. Holds neither secret nor signature.

    References
    ----------
    developer.zendesk.com, Verifying webhook authenticity; developers.hubspot.com, Validating requests (version 3); developers.intercom.com, Webhooks.

    Examples
    --------
    >>> import base64, datetime, hashlib, hmac
    >>> signed = hmac.new(b"s3cret", b"2026-11-22T10:35:00Z{}", hashlib.sha256).digest()
    >>> headers = {
    ...     "x-zendesk-webhook-signature": base64.b64encode(signed).decode(),
    ...     "x-zendesk-webhook-signature-timestamp": "2026-11-22T10:35:00Z",
    ... }
    >>> now = datetime.datetime(2026, 11, 22, 10, 36, tzinfo=datetime.timezone.utc)
    >>> verify_signature("zendesk", b"{}", headers, "s3cret", now=now)
    >>> verify_signature("zendesk", b"{ }", headers, "s3cret", now=now)
    Traceback (most recent call last):
    contact_reasons.errors.SignatureError: zendesk: the signature is not that of this body; check the secret, and that the body is as it was received
    """
    schemes = {
        "freshdesk": _shared_secret,
        "hubspot": _hubspot,
        "intercom": _intercom,
        "salesforce": _shared_secret,
        "zendesk": _zendesk,
    }
    if system not in schemes:
        raise SignatureError(f"{shorten(system)} is no system whose events are read; {nearest(system, schemes)}")
    if now.tzinfo is None:
        raise SignatureError("now has no time zone; give datetime.now(timezone.utc)")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(isinstance(each, str) and each for each in secrets):
        raise SignatureError(f"{system}: the secret is empty; without one nothing is proved")
    request = _Request(system, body, read_headers(headers), now, tolerance, method, uri)
    found, expected = schemes[system](request, [each.encode("utf-8", "surrogatepass") for each in secrets])
    matches = [hmac.compare_digest(found, each) for each in expected]
    if not any(matches):
        raise SignatureError(
            f"{system}: the signature is not that of this body; check the secret, and that the body is as it was received"
        )


class _Request:
    """A request, its headers read one by one."""

    def __init__(
        self,
        system: str,
        body: bytes,
        headers: dict[str, str],
        now: datetime,
        tolerance: timedelta,
        method: str,
        uri: str,
    ) -> None:
        self.system, self.body, self.headers = system, bytes(body), headers
        self.now, self.tolerance, self.method, self.uri = now, tolerance, method, uri

    def header(self, name: str) -> bytes:
        value = self.headers.get(name.lower())
        if not value:
            raise SignatureError(f"{self.system}: the header {name} is missing; it must come with every event")
        return value.encode("utf-8", "surrogatepass")

    def check_age(self, name: str, sent: datetime | None) -> None:
        if sent is None:
            raise SignatureError(f"{self.system}: the header {name} is no time; it must be as {self.system} writes it")
        age = self.now - sent
        if abs(age) > self.tolerance:
            when = "before" if age > timedelta(0) else "after"
            raise SignatureError(
                f"{self.system}: the event was sent {abs(age).total_seconds():.0f} s {when} now, and at most "
                f"{self.tolerance.total_seconds():.0f} s are taken; check the clock, or it was sent again by somebody else"
            )


_Signed = tuple[bytes, list[bytes]]


def _zendesk(request: _Request, secrets: list[bytes]) -> _Signed:
    name = "X-Zendesk-Webhook-Signature-Timestamp"
    stamp, found = request.header(name), request.header("X-Zendesk-Webhook-Signature")
    try:
        read = datetime.fromisoformat(stamp.decode("ascii"))
        sent = read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):
        sent = None
    request.check_age(name, sent)
    return found, [_base64(secret, stamp + request.body) for secret in secrets]


def _hubspot(request: _Request, secrets: list[bytes]) -> _Signed:
    name = "X-HubSpot-Request-Timestamp"
    stamp, found = request.header(name), request.header("X-HubSpot-Signature-v3")
    if not request.uri:
        raise SignatureError("hubspot: `uri` is empty; give the whole address that HubSpot called, which it signs too")
    try:
        sent = datetime.fromtimestamp(int(stamp[:20]) / 1000, UTC) if stamp.isdigit() else None
    except (ValueError, OverflowError, OSError):
        sent = None
    request.check_age(name, sent)
    uri = _ENCODED.sub(lambda match: _DECODED[match.group().lower()], request.uri)
    signed = request.method.encode() + uri.encode("utf-8", "surrogatepass") + request.body + stamp
    return found, [_base64(secret, signed) for secret in secrets]


def _intercom(request: _Request, secrets: list[bytes]) -> _Signed:
    found = request.header("X-Hub-Signature")
    return found, [b"sha1=" + hmac.new(each, request.body, hashlib.sha1).hexdigest().encode() for each in secrets]


def _shared_secret(request: _Request, secrets: list[bytes]) -> _Signed:
    """Hashes, so that the comparison does not tell how long the secret is; of a secret beyond ASCII also as a server reads its bytes, as Latin-1."""
    found = hashlib.sha256(request.header(SECRET_HEADER)).digest()
    forms = [form for each in secrets for form in (each, each.decode("latin-1").encode())]
    return found, [hashlib.sha256(form).digest() for form in forms]


def _base64(secret: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
