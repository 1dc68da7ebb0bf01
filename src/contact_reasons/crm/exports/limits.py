"""What each CRM takes, as data, and the check of a taxonomy against it: every problem at once, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from contact_reasons.crm.exports.choices import Choice, folded, reason_of, unshown
from contact_reasons.errors import CrmError, shorten

__all__ = ["LIMITS", "Limit", "Problem", "check_limits", "problems_of"]


class Limit(NamedTuple):
    """One limit of a system.

    Parameters
    ----------
    kind : str
        What is measured: ``'primaries'`` and ``'values'`` (at most in a field), ``'fewest'`` (at least), ``'label'`` and
        ``'value'`` (characters), ``'option'`` (characters of value, label and definition together), ``'field'`` (characters of
        all values and labels), ``'without'`` (texts a label must not hold), ``'path'`` (one ``::`` in it), ``'reserved'`` (labels
        of primaries), ``'siblings'`` or ``'unique'`` (labels told apart under one primary, or in the whole field),
        ``'unique-primaries'`` (in the whole tree), ``'nested'`` (no label of a primary begins with another's and a colon).
    most : int or tuple of str or None
    source : str
        Where the figure is from; ``'unverified'`` where no document of the maker was read.
    breaks : str
        What goes wrong beyond it.
    """

    kind: str
    most: int | tuple[str, ...] | None
    source: str
    breaks: str


class Problem(NamedTuple):
    """A limit that a taxonomy does not keep.

    Parameters
    ----------
    reason : str
        Reason id, or value that no reason has, or level.
    limit : Limit
    found : str
        The value that is over the limit.
    todo : str
    """

    reason: str
    limit: Limit
    found: str
    todo: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.found}. {self.limit.breaks} [{self.limit.kind}; {self.limit.source}]. {self.todo}"


_ALIKE = "people cannot tell two values with one label apart"

LIMITS: dict[str, tuple[Limit, ...]] = {
    "salesforce": (
        Limit("primaries", 300, "Salesforce help, quoted", "A controlling field has at most 300 values"),
        Limit(
            "values",
            1000,
            "Salesforce help, picklist limitations",
            "A restricted picklist has at most 1,000 values, inactive ones counted",
        ),
        Limit("value", 40, "house rule", "Codes have at most 40 characters"),
        Limit("label", 255, "Salesforce help, picklist limitations", "A value has at most 255 characters"),
        Limit("field", 15_000, "secondary source", "A picklist holds at most 15,000 characters in all"),
        Limit("siblings", None, "house rule", f"Under one controlling value {_ALIKE}"),
    ),
    "zendesk": (
        Limit("values", 2000, "Zendesk API reference, ticket fields", "A field has at most 2,000 options"),
        Limit("value", 255, "Zendesk help", "A field's value has at most 255 characters"),
        Limit("label", 255, "Zendesk help", "A field's value has at most 255 characters"),
        Limit("path", None, "secondary source", "'::' opens a level of the menu"),
        Limit("reserved", ("Retired",), "house rule", "Options that are no longer used are kept under 'Retired'"),
        Limit("unique", None, "house rule", f"In one menu {_ALIKE}"),
    ),
    "hubspot": (
        Limit("values", 5000, "HubSpot help, property field types", "A property has at most 5,000 options"),
        Limit(
            "option",
            3000,
            "HubSpot help, property field types",
            "Value, label and description of an option have at most 3,000 characters together",
        ),
        Limit("unique", None, "secondary source", "HubSpot refuses two options of one label"),
    ),
    "dynamics": (
        Limit(
            "values", 10_000, "Microsoft Learn, option sets", "A publisher's prefix leaves four digits, 10,000 values"
        ),
        Limit("siblings", None, "house rule", f"Under one primary {_ALIKE}"),
    ),
    "dynamics subjects": (
        Limit(
            "values", 10_000, "Microsoft Learn, option sets", "A publisher's prefix leaves four digits, 10,000 values"
        ),
        Limit("siblings", None, "house rule", f"Under one primary {_ALIKE}"),
        Limit(
            "unique-primaries",
            None,
            "secondary source",
            "The import finds a parent subject by its title, so a primary's title stands once in the whole tree",
        ),
    ),
    "servicenow": (
        Limit("value", 40, "ServiceNow documentation, quoted", "A choice value has at most 40 characters"),
        Limit("label", 255, "unverified", "A longer label is cut"),
        Limit("siblings", None, "house rule", f"Under one category {_ALIKE}"),
    ),
    "freshdesk": (
        Limit("label", 255, "unverified", "A longer value is refused"),
        Limit("siblings", None, "house rule", "Freshdesk stores labels, so two reasons of one label are one value"),
    ),
    "intercom": (
        Limit("fewest", 2, "Intercom API description 2.15", "A list attribute has at least two options"),
        Limit("nested", None, "house rule", "'Primary: Secondary' could be read in two ways"),
        Limit(
            "unique",
            None,
            "house rule",
            "Labels are all that an attribute holds: two reasons of one label are one value",
        ),
    ),
    "intercom ticket": (
        Limit("fewest", 2, "Intercom API description 2.15", "A list attribute has at least two options"),
        Limit(
            "without",
            (";",),
            "house rule",
            "The items of a ticket attribute are one text with commas between them, and ';' stands for the comma of a label",
        ),
        Limit("nested", None, "house rule", "'Primary: Secondary' could be read in two ways"),
        Limit(
            "unique",
            None,
            "house rule",
            "Labels are all that an attribute holds: two reasons of one label are one value",
        ),
    ),
    "jira": (
        Limit("values", 10_000, "client library's description of the API", "A field has at most 10,000 options"),
        Limit("label", 255, "unverified", "A longer option is refused"),
        Limit(
            "siblings", None, "house rule", "Options are found by their label: two reasons of one label are one option"
        ),
    ),
}
"""Every limit that is checked, by system."""

_PRINTED = Limit(
    "printable",
    None,
    "house rule",
    "Control characters, line breaks and halves of surrogate pairs break XML, CSV or the menu",
)
_ALL = "whole field"


def check_limits(system: str, levels: Sequence[Sequence[Choice]]) -> None:
    """Nothing, if the values of the levels keep every limit of a system.

    Parameters
    ----------
    system : str
    levels : sequence of sequence of Choice
        Primaries, secondaries; what is retired is counted too.

    Raises
    ------
    CrmError
        Naming every problem: reason, value, limit and what to do.
    """
    found = problems_of(system, levels)
    if found:
        lines = "\n".join(f"- {problem}" for problem in found)
        raise CrmError(f"{system} does not take this taxonomy as it is; nothing was written:\n{lines}")


def problems_of(system: str, levels: Sequence[Sequence[Choice]]) -> tuple[Problem, ...]:
    """Every limit of a system that the values of the levels do not keep."""
    found = [problem for level in levels for problem in _unprintable(level)]
    for limit in LIMITS[system]:
        for at, level in enumerate(levels):
            if level:
                found += _CHECKS[limit.kind](limit, level, levels, at)
    return tuple(found)


def _unprintable(level: Sequence[Choice]) -> Iterator[Problem]:
    for choice in _ours(level):
        wrong = unshown(choice.label)
        if wrong:
            yield Problem(_name(choice), _PRINTED, f"the label holds U+{ord(wrong[0]):04X}", "Take it out of the label")
        wrong = unshown(choice.definition or "", but="\n\t")
        if wrong:
            yield Problem(
                _name(choice), _PRINTED, f"the definition holds U+{ord(wrong[0]):04X}", "Take it out of the definition"
            )


def _ours(level: Sequence[Choice]) -> list[Choice]:
    return [choice for choice in level if choice.code is not None]


def _name(choice: Choice) -> str:
    return reason_of(choice) or f"value {shorten(choice.value)}"


def _count(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, int)
    if limit.kind == "primaries" and at != 0:
        return
    if len(level) > limit.most:
        yield Problem(
            _ALL,
            limit,
            f"{len(level)} values where at most {limit.most:,} are taken",
            "Merge reasons, or split the taxonomy by brand or team",
        )


def _fewest(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, int)
    if len(level) < limit.most:
        yield Problem(
            _ALL, limit, f"{len(level)} values in a field that takes {limit.most} or more", "Add a reason at this level"
        )


def _characters(
    limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int
) -> Iterator[Problem]:
    assert isinstance(limit.most, int)
    for choice in _ours(level):
        text = choice.label if limit.kind == "label" else choice.value
        if len(text) > limit.most:
            yield Problem(
                _name(choice),
                limit,
                f"the {limit.kind} {shorten(text)} has {len(text)} characters",
                f"Shorten it to {limit.most}",
            )


def _option(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, int)
    for choice in _ours(level):
        size = len(choice.value) + len(choice.label) + len(choice.definition or "")
        if size > limit.most:
            yield Problem(
                _name(choice), limit, f"{size:,} characters", f"Shorten the definition by {size - limit.most}"
            )


def _field(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, int)
    size = sum(len(choice.value) + len(choice.label) for choice in level)
    if size > limit.most:
        yield Problem(
            _ALL,
            limit,
            f"{size:,} characters in {len(level)} values",
            "Shorten labels, or split the taxonomy by brand or team",
        )


def _without(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, tuple)
    for choice in level:
        for text in limit.most:
            if text in choice.label:
                yield Problem(
                    _name(choice),
                    limit,
                    f"the label {shorten(choice.label)} holds {text!r}",
                    "Write the label without it",
                )


def _path(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    for choice in level:
        parts = choice.label.split("::")
        if (
            choice.active
            and choice.code is not None
            and (len(parts) != 2 or any(part.strip(":") != part for part in parts))
        ):
            yield Problem(
                _name(choice),
                limit,
                f"the path {shorten(choice.label)} has a '::' or a colon at the edge in one of its two labels",
                "Write the label without it",
            )


def _reserved(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    assert isinstance(limit.most, tuple)
    for choice in level:
        primary = choice.label.partition("::")[0]
        if choice.active and choice.code is not None and primary in limit.most:
            yield Problem(
                _name(choice), limit, f"its primary has the label {primary!r}", "Choose another label for the primary"
            )


def _unique(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    """Values that are not ours are compared with ours only, and only where people see them."""
    seen: dict[tuple[object, str], Choice] = {}
    for choice in (*_ours(level), *(choice for choice in level if choice.code is None and choice.active)):
        key = (choice.parents if limit.kind == "siblings" else None, folded(choice.label))
        if key in seen and (seen[key].code is not None or choice.code is not None):
            other = _name(seen[key])
            yield Problem(
                _name(choice),
                limit,
                f"the label {shorten(choice.label)} is that of {other} too",
                "Change one of the two labels",
            )
        seen.setdefault(key, choice)


def _unique_primaries(
    limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int
) -> Iterator[Problem]:
    if at == 0:
        titles = [folded(choice.label) for one in levels for choice in one if choice.active and choice.code]
        for choice in level:
            if choice.active and choice.code and titles.count(folded(choice.label)) > 1:
                yield Problem(
                    _name(choice),
                    limit,
                    f"the label {shorten(choice.label)} stands twice in the tree",
                    "Change one of the two labels",
                )


def _nested(limit: Limit, level: Sequence[Choice], levels: Sequence[Sequence[Choice]], at: int) -> Iterator[Problem]:
    if at == 0:
        for choice in level:
            for other in level:
                if choice.active and other.active and choice.label.startswith(f"{other.label}: "):
                    yield Problem(
                        _name(choice),
                        limit,
                        f"the label {shorten(choice.label)} begins with that of {_name(other)} and ': '",
                        "Change one of the two labels",
                    )


_CHECKS = {
    "primaries": _count,
    "values": _count,
    "fewest": _fewest,
    "label": _characters,
    "value": _characters,
    "option": _option,
    "field": _field,
    "without": _without,
    "path": _path,
    "reserved": _reserved,
    "siblings": _unique,
    "unique": _unique,
    "unique-primaries": _unique_primaries,
    "nested": _nested,
}
