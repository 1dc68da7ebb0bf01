"""`ServiceSettings`: what the service serves, whom it answers, and how much it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from contact_reasons.crm.events import EVENT_SYSTEMS, MAX_BODY_BYTES, NO_FIELDS, FieldMap, ResultMap
from contact_reasons.errors import ServiceError, count_text, nearest
from contact_reasons.schema import Mistakes, Record, check, many, mistake, optional, string, text
from contact_reasons.taxonomy.strict_yaml import load_strict_yaml

__all__ = ["KEYS_VARIABLE", "ServiceSettings", "SystemSettings", "read_keys", "read_systems"]

KEYS_VARIABLE: Final = "CONTACT_REASONS_API_KEYS"
"""Environment variable with the keys, divided by blanks."""

_LEAST_SECRET: Final = 8
_NO_RESULTS: Final = ResultMap()
_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}\Z")
_KEY_RULE: Final = "16 to 512 letters, digits and '._~+/=-'"


def _codes_or_labels(value: Any) -> str:
    if value not in ("codes", "labels"):
        raise mistake("this must be 'codes' or 'labels'")
    return str(value)


class SettingMistakes(Mistakes, ServiceError):
    """Mistakes in the settings of a system."""


@dataclass(frozen=True, kw_only=True)
class SystemSettings(Record):
    """How the events of one CRM are read and answered.

    Parameters
    ----------
    secrets : tuple of str
        With which the CRM signs, as for `verify_signature`; the old one beside the new one while they change. With one, a signature stands in place of
        an API key; without, an event needs the key.
    uri : str
        HubSpot: the whole address that HubSpot calls.
    fields : FieldMap
        Which fields of a ticket say what of the customer.
    results : ResultMap
        Which fields of a ticket take which result; without any there is nothing to write.
    reasons_as : {'codes', 'labels'}
        How the CRM's lists hold reasons where ``results.values`` does not say: `label_values` are for Freshdesk and Intercom.
    """

    mistakes: ClassVar[type[Mistakes]] = SettingMistakes

    secrets: tuple[str, ...] = field(default=(), repr=False, metadata=check(many(text(_LEAST_SECRET))))
    uri: str = field(default="", metadata=check(string))
    fields: FieldMap = field(default=NO_FIELDS, metadata=check(FieldMap.read))
    results: ResultMap = field(default=_NO_RESULTS, metadata=check(ResultMap.read))
    reasons_as: str = field(default="codes", metadata=check(_codes_or_labels))


@dataclass(frozen=True, kw_only=True)
class _SystemFile(Record):
    """A system as the file of settings has it: a secret is named, not written down."""

    secrets_from: str | None = field(default=None, metadata=check(optional(text(1))))
    uri: str = field(default="", metadata=check(string))
    fields: Any = field(default=NO_FIELDS, metadata=check(FieldMap.read))
    results: Any = field(default=_NO_RESULTS, metadata=check(ResultMap.read))
    reasons_as: str = field(default="codes", metadata=check(_codes_or_labels))


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What the service serves, whom it answers, and how much it takes.

    Parameters
    ----------
    pack, model, policy, calibration : str or Path
        As for `load_pipeline`; read again at every reload.
    keys : tuple of str
        API keys, any of which is taken: two while one takes the place of the other. 16 to 512 letters, digits and ``._~+/=-``.
    no_key : bool, default=False
        Answer everybody, for trials on one's own machine; only requests to this machine's own name are answered then.
    systems : mapping of str to SystemSettings
        CRMs whose events are taken.
    store : Path, optional
        SQLite file of answers to events; by default they are kept in memory and gone when the service ends.
    store_entries : int, default=100000
        Answers kept, at most: the oldest go first.
    store_hours : float, default=72
        How long an answer is kept: as long as the CRM may send an event again.
    max_body_bytes : int, default=1048576
        Of a request.
    max_contacts : int, default=100
        Of a request.
    body_seconds : float, default=10
        For a whole body to arrive.

    Raises
    ------
    ServiceError
        If there is neither a key nor ``no_key``, or a value is out of range. Holds no key.

    Examples
    --------
    >>> ServiceSettings(keys=("short",))
    Traceback (most recent call last):
    contact_reasons.errors.ServiceError: keys[0] has 5 characters; a key has 16 to 512 letters, digits and '._~+/=-': make one with `openssl rand -hex 24`
    """

    pack: str | Path = "retail"
    model: str | Path | None = None
    policy: str | Path | None = None
    calibration: str | Path | None = None
    keys: tuple[str, ...] = field(default=(), repr=False)
    no_key: bool = False
    systems: Mapping[str, SystemSettings] = field(default_factory=dict)
    store: Path | None = None
    store_entries: int = 100_000
    store_hours: float = 72.0
    max_body_bytes: int = MAX_BODY_BYTES
    max_contacts: int = 100
    body_seconds: float = 10.0

    def __post_init__(self) -> None:
        for i, key in enumerate(self.keys):
            if not isinstance(key, str) or not _KEY.match(key):
                raise ServiceError(
                    f"keys[{i}] has {len(key)} characters; a key has {_KEY_RULE}: make one with `openssl rand -hex 24`"
                )
        if not self.keys and not self.no_key:
            raise ServiceError(
                f"there is no API key; set {KEYS_VARIABLE} or name a file of keys, or ask for `no_key` on your own machine"
            )
        if self.keys and self.no_key:
            raise ServiceError("`no_key` is asked for, and there are keys; drop one or the other")
        for name in self.systems:
            if name not in EVENT_SYSTEMS:
                raise ServiceError(
                    f"systems: {name!r} is no system whose events are read; {nearest(name, EVENT_SYSTEMS)}"
                )
        hubspot = self.systems.get("hubspot")
        if hubspot is not None and hubspot.secrets and not hubspot.uri:
            raise ServiceError(
                "systems.hubspot: `uri` is missing; give the whole address that HubSpot calls, which it signs too"
            )
        least = {"store_entries": 1, "max_body_bytes": 1024, "max_contacts": 1}
        for name, low in least.items():
            if type(getattr(self, name)) is not int or getattr(self, name) < low:
                raise ServiceError(f"{name} is {getattr(self, name)!r}; it must be a whole number, at least {low}")
        for name in ("store_hours", "body_seconds"):
            if not getattr(self, name) > 0:
                raise ServiceError(f"{name} is {getattr(self, name)!r}; it must be greater than 0")


def read_keys(file: Path | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The API keys of a file, one a line, and of the environment variable `KEYS_VARIABLE`.

    Lines that begin with ``#`` are comments.

    >>> read_keys(None, {"CONTACT_REASONS_API_KEYS": "0123456789abcdef fedcba9876543210"})
    ('0123456789abcdef', 'fedcba9876543210')

    Raises
    ------
    ServiceError
        If the file cannot be read.
    """
    keys = environment.get(KEYS_VARIABLE, "").split()
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise ServiceError(
                f"{file}: the keys cannot be read ({getattr(exc, 'strerror', None) or 'not UTF-8'}); check the path and the rights"
            ) from None
        keys += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(dict.fromkeys(keys))


def read_systems(file: Path, environment: Mapping[str, str]) -> dict[str, SystemSettings]:
    """The CRMs of a YAML file; their secrets are in the environment variables that it names.

    Raises
    ------
    ServiceError
        With file, line and key.
    """
    document = load_strict_yaml(file, ServiceError)
    if not isinstance(document.data, dict):
        raise ServiceError(
            f"{file}: it must be a mapping from systems to their settings; known: {', '.join(EVENT_SYSTEMS)}"
        )
    systems = {}
    for name, data in document.data.items():
        if name not in EVENT_SYSTEMS:
            raise ServiceError(
                f"{document.where((name,))}: no system whose events are read; {nearest(name, EVENT_SYSTEMS)}"
            )
        try:
            read = _SystemFile.read(data or {})
        except Mistakes as exc:
            path, what = exc.found[0]
            raise ServiceError(f"{document.where((name, *path))}: {what}") from None
        secrets = () if read.secrets_from is None else tuple(environment.get(read.secrets_from, "").split())
        if read.secrets_from is not None and not secrets:
            raise ServiceError(
                f"{document.where((name, 'secrets_from'))}: the environment variable {read.secrets_from} is empty; set it to the secret"
            )
        if short := [len(secret) for secret in secrets if len(secret) < _LEAST_SECRET]:
            raise ServiceError(
                f"{document.where((name, 'secrets_from'))}: a secret in the environment variable {read.secrets_from} has "
                f"{count_text(short[0], 'character')}; a secret has at least {_LEAST_SECRET}, without blanks: a blank divides two"
            )
        systems[name] = SystemSettings(
            secrets=secrets, uri=read.uri, fields=read.fields, results=read.results, reasons_as=read.reasons_as
        )
    return systems
