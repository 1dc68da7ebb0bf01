"""A taxonomy to a CRM and back: export, reading, the plan of an update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any

from contact_reasons.crm.exports.choices import Held, Merged, merged
from contact_reasons.crm.exports.documents import MAX_CHARS
from contact_reasons.crm.exports.dynamics import Dynamics
from contact_reasons.crm.exports.freshdesk import Freshdesk
from contact_reasons.crm.exports.hubspot import HubSpot
from contact_reasons.crm.exports.intercom import Intercom
from contact_reasons.crm.exports.jira import Jira
from contact_reasons.crm.exports.limits import check_limits
from contact_reasons.crm.exports.plans import Step, UpdatePlan
from contact_reasons.crm.exports.salesforce import Salesforce
from contact_reasons.crm.exports.servicenow import ServiceNow
from contact_reasons.crm.exports.system import CrmSystem
from contact_reasons.crm.exports.zendesk import Zendesk
from contact_reasons.errors import CrmError, TaxonomyError, nearest, shorten
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.taxonomy.strict_yaml import parse_strict_yaml

__all__ = ["SYSTEMS", "export_taxonomy", "plan_update", "read_export", "system_of"]

SYSTEMS: dict[str, type[CrmSystem]] = {
    each.name: each for each in (Salesforce, Zendesk, HubSpot, Dynamics, ServiceNow, Freshdesk, Intercom, Jira)
}
"""The CRMs by name."""

SIDECAR = "taxonomy.yaml"
"""The whole taxonomy, beside the system's own files."""

_ODD = frozenset(",;\"'&+")
_CALL = "The file of a call holds `method`, `path` and `body`: send the body alone."


def system_of(system: str, **options: Any) -> CrmSystem:
    """A CRM by its name, with the names of its fields.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    options
        Those of the class in `SYSTEMS`, such as ``title``.

    Raises
    ------
    CrmError
        If there is no such system or option, or a value is not possible.

    Examples
    --------
    >>> system_of("zendesk", title="Why").title
    'Why'
    """
    if system not in SYSTEMS:
        raise CrmError(f"no export for {shorten(system)}; {nearest(system, SYSTEMS)}")
    return SYSTEMS[system].read(options)


def export_taxonomy(taxonomy: Taxonomy, system: str, **options: Any) -> dict[str, str]:
    """The files that make the reason fields of a taxonomy in a CRM, by relative path.

    Equal taxonomies give equal files, in the order of the taxonomy. ``README.md`` says what to do with them and
    ``taxonomy.yaml`` is the whole taxonomy, for `read_export` and `plan_update`. Nothing is sent anywhere.

    Parameters
    ----------
    taxonomy : Taxonomy
    system : str
        One of `SYSTEMS`.
    options
        See the class in `SYSTEMS`.

    Raises
    ------
    CrmError
        If the system does not take the taxonomy: every reason, value and limit at once.

    Examples
    --------
    >>> files = export_taxonomy(Taxonomy.from_pairs([("Billing", "Refund")]), "zendesk")
    >>> sorted(files)
    ['README.md', 'calls/1-ticket-field.json', 'taxonomy.yaml']
    """
    crm = system_of(system, **options)
    wanted = crm.wanted(taxonomy)
    check_limits(crm.limits, wanted[:2])
    files = crm.files(wanted)
    return files | {"README.md": _readme(crm, taxonomy, wanted, files), SIDECAR: taxonomy.to_yaml()}


def _readme(crm: CrmSystem, taxonomy: Taxonomy, wanted: Held, files: Mapping[str, str]) -> str:
    steps = [f"{number}. {step}" for number, step in enumerate(crm.guide(), 1)]
    notes = [
        "These shapes follow published documents; they were not loaded into a live account. Try them in a sandbox first."
    ]
    if any(name.startswith("calls/") for name in files):
        notes.insert(0, _CALL)
    short = [choice.code for level in wanted[:2] for choice in level if choice.definition == ""]
    whole = [reason for reason in taxonomy.reasons if reason.definition]
    if crm.described is None:
        notes.append("The system has no place for definitions: they stand in `taxonomy.yaml` alone.")
    elif left := [reason.id for reason in whole if reason.id.replace(".", "__") in short]:
        notes.append(f"Definitions longer than {crm.described} characters were left out: {', '.join(left)}.")
    notes += crm.remarks(taxonomy)
    odd = [reason.id for reason in taxonomy.reasons if _ODD & set(reason.label)]
    if odd:
        notes.append(
            f"Labels with one of , ; \" ' & +, which may look different in some menus: {len(odd)} of {len(taxonomy.reasons)}."
        )
    lines = [
        f"# Contact reasons for {crm.called}: {taxonomy.taxonomy_id} {taxonomy.version}",
        "",
        *steps,
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines) + "\n"


def read_export(system: str, files: Mapping[str, str], **options: Any) -> Taxonomy:
    """The taxonomy that a CRM holds, from the files of an export or from what the CRM itself lists.

    Ids, labels, order and hierarchy come from the system's own files; where it holds labels alone (Freshdesk, Intercom,
    Jira), ids are made from the labels as `Taxonomy.from_pairs` makes them. With the ``taxonomy.yaml`` of the export among
    the files, the answer is that taxonomy, and both must agree.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    files : mapping of str to str
        Text by relative path. Paths that the system does not know are passed over.
    options
        As they were at the export.

    Raises
    ------
    CrmError
        If a file cannot be read, holds no reason field, or disagrees with ``taxonomy.yaml``.

    Examples
    --------
    >>> taxonomy = Taxonomy.from_pairs([("Billing", "Refund")])
    >>> read_export("hubspot", export_taxonomy(taxonomy, "hubspot")) == taxonomy
    True
    """
    crm = system_of(system, **options)
    held = crm.held_in(_own(files))
    if SIDECAR not in files:
        held = held if crm.keeps_codes else crm.coded(held)
        return _taxonomy_of({"taxonomy_id": "own", "version": "1", "primaries": crm.reasons(held)}, crm)
    taxonomy = _sidecar(files)
    wanted = crm.wanted(taxonomy)
    if not crm.keeps_codes:
        held = crm.adopted(held, wanted, None)
    expected = _lines(crm.reasons(wanted))
    found = _lines(crm.reasons(held))
    if found != expected:
        more = [
            line
            for line in unified_diff(expected, found, lineterm="", n=0)
            if line[:1] in "+-" and line[:3] not in ("+++", "---")
        ]
        shown = "; ".join(shorten(line, 100) for line in more[:4])
        raise CrmError(
            f"{crm.called}: {SIDECAR} and the system's own files disagree (- {SIDECAR}, + system): {shown}. "
            f"Plan an update from what the CRM holds, or read it without {SIDECAR}"
        )
    return taxonomy


def _own(files: Mapping[str, str]) -> dict[str, str]:
    for name, text in files.items():
        if not isinstance(text, str) or len(text) > MAX_CHARS:
            raise CrmError(f"{name}: not a text of at most {MAX_CHARS:,} characters; is it the right file?")
    return {name: text for name, text in files.items() if name not in (SIDECAR, "README.md", "PLAN.md")}


def _sidecar(files: Mapping[str, str]) -> Taxonomy:
    try:
        return Taxonomy.from_dict(parse_strict_yaml(files[SIDECAR], TaxonomyError, source=SIDECAR).data)
    except TaxonomyError as exc:
        raise CrmError(f"{SIDECAR}: {exc}") from None


def _taxonomy_of(data: dict[str, Any], crm: CrmSystem) -> Taxonomy:
    try:
        return Taxonomy.from_dict(data)
    except TaxonomyError as exc:
        raise CrmError(f"{crm.called}: what the fields hold is no taxonomy: {exc}") from None


def _lines(primaries: list[dict[str, Any]]) -> list[str]:
    found = []
    for primary in primaries:
        for part in (primary, *primary["secondaries"]):
            found.append(f"{part['id']} {part['label']!r} {part.get('definition', '')!r}")
    return found


def plan_update(
    system: str, now: Mapping[str, str], taxonomy: Taxonomy, *, earlier: Taxonomy | None = None, **options: Any
) -> UpdatePlan:
    """The ordered steps that change what a CRM holds into a taxonomy, without losing a value of an old ticket.

    No value is deleted. What is no longer in the taxonomy is deactivated where the system can, and kept otherwise; values
    that are no codes are left alone. After the steps, a new plan has none.

    Parameters
    ----------
    system : str
        One of `SYSTEMS`.
    now : mapping of str to str
        What the CRM lists now, or the files of the last export.
    taxonomy : Taxonomy
        The new one.
    earlier : Taxonomy, optional
        The one that the CRM was made from, by default ``taxonomy.yaml`` in ``now``: for systems that hold labels alone, so
        that a changed label is a new name and not a new value.
    options
        As they were at the export.

    Raises
    ------
    CrmError
        If what the CRM holds cannot be read, or would go over a limit with the new values: nothing is planned then.

    Examples
    --------
    >>> old = Taxonomy.from_pairs([("Billing", "Refund")])
    >>> new = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice")])
    >>> plan = plan_update("hubspot", export_taxonomy(old, "hubspot"), new)
    >>> [(change.kind, change.reason) for change in plan.changes]
    [('add', 'billing.invoice')]
    """
    crm = system_of(system, **options)
    wanted = crm.wanted(taxonomy)
    if earlier is None and SIDECAR in now:
        earlier = _sidecar(now)
    held = crm.adopted(crm.held_in(_own(now)), wanted, None if earlier is None else crm.wanted(earlier))
    wanted = crm.placed(held, wanted)
    became: dict[str, tuple[str, ...]] = {}
    for reason in taxonomy.reasons:
        for old in reason.formerly:
            code = old.replace(".", "__")
            became[code] = (*became.get(code, ()), reason.id.replace(".", "__"))
    primary, secondary = (
        _merged(crm, level, before, after, became)
        for level, before, after in (
            ("primary", held.primaries, wanted.primaries),
            ("secondary", held.secondaries, wanted.secondaries),
        )
    )
    check_limits(crm.limits, (primary.after, secondary.after))
    steps = tuple(crm.steps(held, primary, secondary))
    return UpdatePlan(
        system=crm.called,
        taxonomy_id=taxonomy.taxonomy_id,
        version=taxonomy.version,
        steps=steps,
        notes=(
            *_notes(crm, primary, secondary, wanted, earlier is not None),
            *_order(steps, taxonomy),
            *(crm.remarks(taxonomy) if steps else ()),
        ),
    )


def _merged(crm: CrmSystem, level: str, before: Any, after: Any, became: dict[str, tuple[str, ...]]) -> Merged:
    return merged(
        level,
        before,
        after,
        hides=crm.hides,
        renames=crm.renames,
        retired=crm.retired,
        by_siblings=crm.siblings,
        became=became,
    )


def _notes(crm: CrmSystem, primary: Merged, secondary: Merged, wanted: Held, earlier: bool) -> tuple[str, ...]:
    notes = []
    codes = {choice.code for level in wanted[:2] for choice in level}
    after = [choice for level in (primary, secondary) for choice in level.after]
    foreign = [choice.value for choice in after if choice.code is None]
    if foreign:
        notes.append(f"No codes of reasons, left as they are: {', '.join(map(shorten, foreign))}.")
    kept = [choice.value for choice in after if choice.code is not None and choice.code not in codes]
    if kept and not crm.hides:
        notes.append(
            f"{crm.called} cannot deactivate values; no longer in the taxonomy, but still to be seen: {', '.join(map(repr, kept))}."
        )
    if not crm.orders and any(change.kind == "move" for level in (primary, secondary) for change in level.changes):
        notes.append(
            f"{crm.called} cannot change the order of values: they stay where they are, and new ones come last."
        )
    if not crm.keeps_codes and not earlier:
        notes.append("Without the taxonomy that the field was made from, a changed label counts as a new value.")
    return tuple(notes)


def _order(steps: Sequence[Step], taxonomy: Taxonomy) -> Iterator[str]:
    """When the steps are due, and what they leave to people."""
    if any(step.path for step in steps):
        yield _CALL
    if any("{" in (step.path or "") for step in steps):
        yield "What stands in braces is an id of your own CRM: put it in before you send a call."
    changes = [change for step in steps for change in step.changes]
    if any(change.kind == "add" for change in changes):
        yield (
            f"Do this before a model of {taxonomy.taxonomy_id} {taxonomy.version} writes labels here: until then the CRM does not hold "
            "the values that are added."
        )
    if any(change.kind == "deactivate" for change in changes):
        yield (
            "Triggers, views, macros, forms and reports that name a value that is deactivated go on with old tickets alone: name there "
            "the value that took its place, too."
        )
