"""Freshdesk: one nested ticket field; its values are the labels themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged
from contact_reasons.crm.exports.documents import at, call_text, json_documents
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, found_by_labels, labels_as_values
from contact_reasons.errors import CrmError
from contact_reasons.taxonomy import Taxonomy

__all__ = ["Freshdesk"]

_PATH = "/api/v2/admin/ticket_fields"


@dataclass(frozen=True, kw_only=True)
class Freshdesk(CrmSystem):
    """A nested field of Freshdesk.

    Parameters
    ----------
    title, detail_title : str
        Labels of the two levels.
    """

    name: ClassVar[str] = "freshdesk"
    called: ClassVar[str] = "Freshdesk"
    keeps_codes: ClassVar[bool] = False

    @property
    def hides(self) -> bool:
        """Freshdesk shows every value that it has."""
        return False

    @property
    def renames(self) -> bool:
        """Tickets hold labels: another label is another value."""
        return False

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Values are labels."""
        return labels_as_values(super().wanted(taxonomy))

    def files(self, wanted: Held) -> dict[str, str]:
        """The call that makes the field."""
        body = {
            "label": self.title,
            "label_for_customers": self.title,
            "type": "nested_field",
            "displayed_to_customers": True,
            "choices": _choices(wanted.primaries, wanted.secondaries),
            "dependent_fields": [{"label": self.detail_title, "label_for_customers": self.detail_title, "level": 2}],
        }
        return {"calls/1-ticket-field.json": call_text("POST", _PATH, body)}

    def guide(self) -> tuple[str, ...]:
        """The one call."""
        return (
            "Send `calls/1-ticket-field.json`, as an administrator.",
            "Never delete the field or a choice: the data on old tickets go with it.",
            "Keep `taxonomy.yaml`: Freshdesk stores labels, and only this file says which reason a label is.",
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """The field, from the exported call, the answer to ``GET /api/v2/admin/ticket_fields/{id}`` or the list of all fields."""
        found = []
        for name, document in json_documents(files):
            several = document if isinstance(document, list) else [document]
            found += [(name, each) for each in several if isinstance(each, dict) and _is_nested(each)]
        named = [each for each in found if each[1].get("label") == self.title]
        chosen = named or found
        if len(chosen) != 1:
            raise CrmError(
                f"Freshdesk: {len(chosen)} nested fields{'' if named else ' and none of them'} of the label {self.title!r}; "
                f"give the answer to GET {_PATH}/{{id}} of the reason field, or its label as title"
            )
        where, given = chosen[0]
        choices = at(given, "choices", (list, dict), where)
        level: list[tuple[Choice, list[Choice]]] = (
            _of_listing(choices, where) if isinstance(choices, dict) else _of_field(choices, where)
        )
        native = given.get("id")
        primaries = tuple(primary for primary, _ in level)
        secondaries = tuple(
            replace(each, parents=(primary.native or primary.value,)) for primary, under in level for each in under
        )
        return labels_as_values(Held(primaries, secondaries, (str(native) if isinstance(native, int) else None, None)))

    def adopted(self, now: Held, wanted: Held, earlier: Held | None) -> Held:
        """By labels."""
        return found_by_labels(now, wanted, None, renames=False)

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """One call with the whole tree."""
        after = _choices(primary.after, secondary.after)
        if after == _choices(primary.before, secondary.before):
            return []
        return [
            Step(
                title="Send the whole tree; nothing leaves it, so that old tickets keep their values",
                changes=(*primary.changes, *secondary.changes),
                method="PUT",
                path=f"{_PATH}/{now.fields[0] or '{id}'}",
                body={"choices": after},
            )
        ]


def _is_nested(given: Mapping[str, Any]) -> bool:
    return given.get("type") in ("nested_field", "custom_nested_field") or "nested_ticket_fields" in given


def _choices(primaries: Sequence[Choice], secondaries: Sequence[Choice]) -> list[dict[str, Any]]:
    return [
        _choice(primary, at, [_choice(each, n, []) for n, each in enumerate(_under(primary, secondaries), 1)])
        for at, primary in enumerate(primaries, 1)
    ]


def _under(primary: Choice, secondaries: Sequence[Choice]) -> list[Choice]:
    return [each for each in secondaries if primary.code in each.parents]


def _choice(choice: Choice, position: int, under: list[dict[str, Any]]) -> dict[str, Any]:
    native = {} if choice.native is None else {"id": int(choice.native)}
    return native | {"value": choice.label, "position": position, "choices": under}


def _of_field(choices: Sequence[Any], where: str) -> list[tuple[Choice, list[Choice]]]:
    """Choices of the field's own shape: value, position, choices."""

    def one(given: Any) -> Choice:
        value, native = at(given, "value", str, where), given.get("id")
        return _held(value, str(native) if isinstance(native, int) else None)

    def ordered(given: Any) -> list[Any]:
        return sorted(given, key=lambda each: at(each, "position", int, where))

    return [
        (one(each), [one(child) for child in ordered(at(each, "choices", list, where))]) for each in ordered(choices)
    ]


def _of_listing(choices: Mapping[str, Any], where: str) -> list[tuple[Choice, list[Choice]]]:
    """Choices of the list of all fields: nested objects of labels."""
    found = []
    for label in choices:
        under = at(choices, label, (dict, list), where)
        if not all(isinstance(each, str) for each in under):
            raise CrmError(f"{where}: a choice under {label!r} is no text; save the answer of Freshdesk as it came")
        found.append((_held(label), [_held(each) for each in under]))
    return found


def _held(label: str, native: str | None = None) -> Choice:
    return Choice(code=None, value=label, label=label, native=native)
