"""`update_of`: a label and a recommendation as the request that writes them into a CRM."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from contact_reasons.crm.codes import code_of, is_code
from contact_reasons.crm.events.fields import MapMistakes, frozen
from contact_reasons.crm.events.salesforce import API_VERSION
from contact_reasons.errors import EventError, nearest, shorten
from contact_reasons.records import FrozenMapping, ReasonLabel, Recommendation
from contact_reasons.schema import Mistakes, Record, check, mistake, optional, string, text
from contact_reasons.taxonomy import Taxonomy

__all__ = ["RESULTS", "UPDATE_SYSTEMS", "ResultMap", "TicketUpdate", "label_values", "update_of"]

RESULTS: Final = (
    "primary",
    "secondary",
    "reason",
    "confidence",
    "channel",
    "priority",
    "queue",
    "rule_id",
    "policy",
    "model",
)
"""What may be written; ``reason`` is the most exact level that was reported."""

_EMPTY: Final = FrozenMapping()
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,79}\Z")
_BY_LABEL: Final = ("freshdesk", "intercom", "jira")
_BY_VALUE: Final = ("dynamics", *_BY_LABEL)


def _results(value: Any) -> FrozenMapping:
    names = frozen(text(1))(value)
    for name in names:
        if name not in RESULTS:
            raise mistake(f"{shorten(name)} is no result; {nearest(name, RESULTS)}")
    return names


def _reason_value(value: Any) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise mistake(f"this must be a text or a whole number, not {shorten(value)}")
    return value


@dataclass(frozen=True, kw_only=True)
class ResultMap(Record):
    """Which field of a CRM takes which result.

    Parameters
    ----------
    fields : mapping of str to str
        From a result (`RESULTS`) to the CRM's name of a field (Zendesk: its id). What has no field is not written.
    values : mapping of str to (str or int)
        By reason id, the value under which the CRM holds it. By default the code (`code_of`): reasons that were exported by this package need none,
        but for systems whose lists hold labels or numbers instead: Freshdesk, Intercom, Jira (`label_values`) and Dynamics (the numbers it assigned).
    prefix : str, optional
        In front of codes; by default ``cr_`` for Zendesk, where a value is a tag, and nothing elsewhere.

    Raises
    ------
    EventError
        If a result is not known.
    """

    mistakes: ClassVar[type[Mistakes]] = MapMistakes

    fields: Mapping[str, str] = field(default=_EMPTY, metadata=check(_results))
    values: Mapping[str, str | int] = field(default=_EMPTY, metadata=check(frozen(_reason_value)))
    prefix: str | None = field(default=None, metadata=check(optional(string)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketUpdate:
    """A request to a CRM, to be sent with its own authorisation.

    Parameters
    ----------
    system : str
    ticket_id : str
    method : {'PATCH', 'PUT'}
    path : str
        Behind the CRM's address.
    body : dict
        JSON.
    """

    system: str
    ticket_id: str
    method: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """What is to be written.

    Values by field of the CRM, which of the fields hold reasons, the values of reasons, tags to be added and those to be kept (None: not known),
    ServiceNow's table, and Jira's cascading field with both levels.
    """

    values: Mapping[str, Any]
    reason_fields: frozenset[str]
    reasons: tuple[str | int, ...]
    tags: tuple[str, ...]
    tags_before: tuple[str, ...] | None
    table: str
    cascade: tuple[str, Any, Any] | None


def update_of(
    system: str,
    ticket_id: str,
    label: ReasonLabel,
    recommendation: Recommendation | None = None,
    *,
    fields: ResultMap,
    tags: Collection[str] = (),
    tags_before: Collection[str] | None = None,
    model: str | None = None,
    table: str = "sn_customerservice_case",
) -> TicketUpdate | None:
    """The request that writes a label and a recommendation into a ticket; None if there is nothing to write.

    Only what was decided is written: of a label without a secondary the primary alone, of an abstained one neither, and no confidence without a reason.
    No field is ever emptied.

    Parameters
    ----------
    system : str
        One of `UPDATE_SYSTEMS`.
    ticket_id : str
    label : ReasonLabel
    recommendation : Recommendation, optional
    fields : ResultMap
    tags : collection of str
        To be added (Zendesk, Freshdesk, Jira).
    tags_before : collection of str, optional
        Those that the ticket has (`ContactEvent.tags`); they are kept, but for the tag of a reason that is replaced. Freshdesk needs them. Zendesk, where
        they are not given, gets the request that adds tags without them, which it carries out later, as a job.
    model : str, optional
        Version of the model, such as ``pipeline.bundle.manifest.seal``.
    table : str, default='sn_customerservice_case'
        ServiceNow's table of the ticket.

    Raises
    ------
    EventError
        If the CRM holds other values than codes and there is none for a reason, or the system has no tags.
    CrmError
        If a reason has no code.

    Examples
    --------
    >>> label = ReasonLabel(primary="delivery", secondary="delivery.track", confidence=0.93, abstained=False)
    >>> fields = ResultMap(fields={"secondary": "360001", "confidence": "360002"})
    >>> update_of("zendesk", "35436", label, fields=fields).body
    {'ticket': {'custom_fields': [{'id': 360001, 'value': 'cr_delivery__track'}, {'id': 360002, 'value': 0.93}]}}
    >>> unsure = ReasonLabel(primary=None, secondary=None, confidence=0.2, abstained=True)
    >>> update_of("zendesk", "35436", unsure, fields=fields) is None
    True
    """
    if system not in _REQUESTS:
        raise EventError(f"{shorten(system)} is no system that results are written to; {nearest(system, _REQUESTS)}")
    if not isinstance(ticket_id, str) or not _ID.match(ticket_id):
        raise EventError("ticket_id is no id: it must be up to 64 letters, digits, '_' and '-'", "ticket_id", "an id")
    if not _TABLE.match(table):
        raise EventError(f"table {shorten(table)} is no name of a table, such as 'incident'", "table", "a table")
    if system in ("jira", "zendesk") and any(len(tag.split()) > 1 for tag in map(_tag, tags)):
        raise EventError(f"{system}: a tag holds a blank, which would end it there; write '_'", "tags", "no blanks")
    if tags and system not in _WITH_TAGS:
        raise EventError(f"{system}: tags cannot be written; leave them out, or map a field", "tags", "none")
    written = _written(system, label, recommendation, fields, tags, tags_before, model, table)
    if not written.values and not written.tags and written.cascade is None:
        return None
    method, path, body = _REQUESTS[system](ticket_id, written)
    return TicketUpdate(system=system, ticket_id=ticket_id, method=method, path=path, body=body)


def label_values(system: str, taxonomy: Taxonomy) -> dict[str, str]:
    """Values for `ResultMap` where a CRM's list holds labels: by reason id, the label that an export of the taxonomy writes.

    Parameters
    ----------
    system : {'freshdesk', 'intercom', 'jira'}
        Intercom has one list of all secondaries, so the primary's label stands before each.
    taxonomy : Taxonomy
        As it was exported; labels that were changed since in the CRM are not found by it.

    Raises
    ------
    EventError
        If the system's lists hold no labels.

    Examples
    --------
    >>> label_values("intercom", Taxonomy.from_pairs([("Billing", "Refund")]))
    {'billing': 'Billing', 'billing.refund': 'Billing: Refund'}
    """
    if system not in _BY_LABEL:
        raise EventError(f"{shorten(system)}: its lists hold no labels; leave `values` out, or read them from the CRM")
    if system == "intercom":
        whole = {
            each.id: f"{primary.label}: {each.label}" for primary in taxonomy.primaries for each in primary.secondaries
        }
        return {reason.id: whole.get(reason.id, reason.label) for reason in taxonomy.reasons}
    return {reason.id: reason.label for reason in taxonomy.reasons}


def _written(
    system: str,
    label: ReasonLabel,
    recommendation: Recommendation | None,
    fields: ResultMap,
    tags: Collection[str],
    tags_before: Collection[str] | None,
    model: str | None,
    table: str,
) -> _Written:
    prefix = ("cr_" if system == "zendesk" else "") if fields.prefix is None else fields.prefix
    results: dict[str, Any] = {
        name: _value(system, reason, fields, prefix)
        for name, reason in (("primary", label.primary), ("secondary", label.secondary), ("reason", label.reason))
        if reason is not None and name in fields.fields
    }
    reasons = dict(results)
    results |= _decided(label, recommendation, model)
    values = {fields.fields[name]: value for name, value in results.items() if name in fields.fields}
    cascade = None
    same = _filled_twice(fields)
    if same is not None:
        if system != "jira" or {name for name, crm in fields.fields.items() if crm == same} != {"primary", "secondary"}:
            raise EventError(
                f"two results go into the field {same!r}; give each its own", f"fields.{same}", "one result"
            )
        values.pop(same, None)
        if "primary" in reasons:
            cascade = (same, reasons["primary"], reasons.get("secondary"))
    before = None if tags_before is None else _kept_tags(tags_before, reasons, prefix if not fields.values else "")
    return _Written(
        values={name: value for name, value in values.items() if value is not None},
        reasons=tuple(reasons.values()),
        tags=tuple(map(_tag, tags)),
        tags_before=before,
        table=table,
        cascade=cascade,
        reason_fields=frozenset(fields.fields[name] for name in reasons),
    )


def _decided(label: ReasonLabel, recommendation: Recommendation | None, model: str | None) -> dict[str, Any]:
    """Results besides the reasons; None for what is not known."""
    found: dict[str, Any] = {}
    if label.reason is not None:
        found["confidence"] = round(label.confidence, 4)
    if recommendation is not None:
        found["channel"] = str(recommendation.channel)
        found["priority"] = recommendation.priority
        found["queue"] = recommendation.queue
        found["rule_id"] = recommendation.rule_id
        found["policy"] = f"{recommendation.policy_id} {recommendation.policy_version}"
    return found | {"model": model if found else None}


def _filled_twice(fields: ResultMap) -> str | None:
    seen: set[str] = set()
    for crm in fields.fields.values():
        if crm in seen:
            return crm
        seen.add(crm)
    return None


def _value(system: str, reason: str, fields: ResultMap, prefix: str) -> str | int:
    """What the CRM holds for a reason."""
    if not fields.values and system not in _BY_VALUE:
        return prefix + code_of(reason)
    if reason not in fields.values:
        raise EventError(
            f"{system}: `values` has nothing for the reason {reason!r}; add the value that its list holds for it "
            "(`label_values` gives the labels that an export wrote)",
            f"values.{reason}",
            "the CRM's value of the reason",
        )
    return fields.values[reason]


def _kept_tags(before: Collection[str], reasons: Mapping[str, Any], prefix: str) -> tuple[str, ...]:
    """Tags but those that stand for a level which is written now: two of them would be two values of one field."""

    def replaced(tag: str) -> bool:
        code = tag.removeprefix(prefix)
        if not prefix or not tag.startswith(prefix) or not is_code(code):
            return False
        return "reason" in reasons or ("secondary" if "__" in code else "primary") in reasons

    return tuple(tag for tag in dict.fromkeys(map(_tag, before)) if not replaced(tag))


def _tag(tag: Any) -> str:
    if not isinstance(tag, str) or not tag.strip():
        raise EventError("a tag is empty or no text; give texts", "tags", "texts")
    return tag


def _all_tags(written: _Written, *more: Any) -> list[str]:
    return list(dict.fromkeys((*(written.tags_before or ()), *more, *written.tags)))


_Call = tuple[str, str, dict[str, Any]]


def _zendesk(ticket_id: str, written: _Written) -> _Call:
    wrong = [crm for crm in written.values if not crm.isascii() or not crm.isdigit()]
    if wrong:
        raise EventError(
            f"zendesk: {wrong[0]!r} is no id of a field; give its number", f"fields.{wrong[0]}", "a number"
        )
    ticket: dict[str, Any] = {}
    if written.values:
        ticket["custom_fields"] = [{"id": int(crm), "value": value} for crm, value in written.values.items()]
    if written.tags and written.tags_before is None:
        ticket["additional_tags"] = list(written.tags)
        return "PUT", f"/api/v2/tickets/update_many.json?ids={ticket_id}", {"ticket": ticket}
    if written.tags:
        ticket["tags"] = _all_tags(written, *written.reasons)
    return "PUT", f"/api/v2/tickets/{ticket_id}.json", {"ticket": ticket}


def _salesforce(ticket_id: str, written: _Written) -> _Call:
    return "PATCH", f"/services/data/{API_VERSION}/sobjects/Case/{ticket_id}", dict(written.values)


def _hubspot(ticket_id: str, written: _Written) -> _Call:
    values = {name: str(value) for name, value in written.values.items()}
    return "PATCH", f"/crm/v3/objects/tickets/{ticket_id}", {"properties": values}


def _freshdesk(ticket_id: str, written: _Written) -> _Call:
    body: dict[str, Any] = {"custom_fields": dict(written.values)} if written.values else {}
    if written.tags:
        if written.tags_before is None:
            raise EventError(
                "freshdesk: a ticket's tags are replaced as a whole; give `tags_before` so that they are kept",
                "tags_before",
                "the tags that the ticket has",
            )
        body["tags"] = _all_tags(written)
    return "PUT", f"/api/v2/tickets/{ticket_id}", body


def _intercom(ticket_id: str, written: _Written) -> _Call:
    return "PUT", f"/conversations/{ticket_id}", {"custom_attributes": dict(written.values)}


def _dynamics(ticket_id: str, written: _Written) -> _Call:
    return "PATCH", f"/api/data/v9.2/incidents({ticket_id})", dict(written.values)


def _servicenow(ticket_id: str, written: _Written) -> _Call:
    return "PATCH", f"/api/now/table/{written.table}/{ticket_id}", dict(written.values)


def _jira(ticket_id: str, written: _Written) -> _Call:
    """Reasons as options of a list; both levels in one field as a cascading one."""
    body: dict[str, Any] = {}
    fields = {
        name: {"value": value} if name in written.reason_fields else value for name, value in written.values.items()
    }
    if written.cascade is not None:
        name, primary, secondary = written.cascade
        fields[name] = {"value": primary} if secondary is None else {"value": primary, "child": {"value": secondary}}
    if fields:
        body["fields"] = fields
    if written.tags:
        body["update"] = {"labels": [{"add": tag} for tag in written.tags]}
    return "PUT", f"/rest/api/3/issue/{ticket_id}", body


_WITH_TAGS: Final = ("freshdesk", "jira", "zendesk")
_REQUESTS: Final[Mapping[str, Callable[[str, _Written], _Call]]] = {
    "dynamics": _dynamics,
    "freshdesk": _freshdesk,
    "hubspot": _hubspot,
    "intercom": _intercom,
    "jira": _jira,
    "salesforce": _salesforce,
    "servicenow": _servicenow,
    "zendesk": _zendesk,
}

UPDATE_SYSTEMS: Final = tuple(_REQUESTS)
"""Systems that results are written to."""
