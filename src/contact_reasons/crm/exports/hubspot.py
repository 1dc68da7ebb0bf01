"""HubSpot: one enumeration property of tickets for each level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged, unique_codes
from contact_reasons.crm.exports.documents import at, call_text, json_documents, put_once
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, matching
from contact_reasons.errors import CrmError
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason

__all__ = ["HubSpot"]

_NAME = r"[a-z][a-z0-9_]{0,99}"
_PATH = "/crm/v3/properties/tickets"


@dataclass(frozen=True, kw_only=True)
class HubSpot(CrmSystem):
    """Ticket properties of HubSpot.

    Parameters
    ----------
    title, detail_title : str
    primary_property, secondary_property : str
        Their internal names.
    group : str
        Property group.
    """

    name: ClassVar[str] = "hubspot"
    called: ClassVar[str] = "HubSpot"
    described: ClassVar[int | None] = 1_000_000  # over 3,000 is refused, not left out
    siblings: ClassVar[bool] = False

    primary_property: str = field(default="contact_reason", metadata=matching(_NAME, "contact_reason"))
    secondary_property: str = field(default="contact_reason_detail", metadata=matching(_NAME, "contact_reason_detail"))
    group: str = field(default="ticketinformation", metadata=matching(_NAME, "ticketinformation"))

    def labelled(self, primary: PrimaryReason, secondary: SecondaryReason | None) -> str:
        """Labels are unique in a property, so a secondary's has the primary's before it."""
        return primary.label if secondary is None else f"{primary.label}: {secondary.label}"

    def files(self, wanted: Held) -> dict[str, str]:
        """The two calls that make the properties."""
        levels = (
            (1, self.primary_property, self.title, wanted.primaries),
            (2, self.secondary_property, self.detail_title, wanted.secondaries),
        )
        return {
            f"calls/{number}-{name}.json": call_text(
                "POST",
                _PATH,
                {
                    "name": name,
                    "label": label,
                    "groupName": self.group,
                    "type": "enumeration",
                    "fieldType": "select",
                    "options": _options(choices),
                },
            )
            for number, name, label, choices in levels
        }

    def guide(self) -> tuple[str, ...]:
        """The calls in order."""
        return (
            f"Send `calls/1-{self.primary_property}.json`, then `calls/2-{self.secondary_property}.json`.",
            "HubSpot has no dependent values: both properties show all of theirs, so labels of details begin with the reason's.",
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """Both properties, from the exported calls or from the answers to ``GET /crm/v3/properties/tickets/…`` or the list of all."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for name, document in json_documents(files):
            listed = document if isinstance(document, dict) else {}
            several = listed.get("results", [listed])
            for each in several if isinstance(several, list) else []:
                if isinstance(each, dict) and isinstance(each.get("name"), str):
                    put_once(found, each["name"], name, each)
        levels = []
        for wanted in (self.primary_property, self.secondary_property):
            if wanted not in found:
                raise CrmError(
                    f"HubSpot: no file holds the property {wanted!r}; give the answers to GET {_PATH}/{wanted}, "
                    "or name yours with primary_property and secondary_property"
                )
            levels.append(self._choices(*found[wanted]))
        return Held(levels[0], levels[1])

    def _choices(self, where: str, given: Mapping[str, Any]) -> tuple[Choice, ...]:
        options = [*enumerate(at(given, "options", list, where))]
        order = {i: each.get("displayOrder") for i, each in options if isinstance(each, dict)}
        options.sort(
            key=lambda pair: (order.get(pair[0]) if isinstance(order.get(pair[0]), int) else len(options) + 1, pair[0])
        )
        choices = []
        for _, option in options:
            value = at(option, "value", str, where)
            code = self.ours(value)
            choices.append(
                Choice(
                    code=code,
                    value=value,
                    label=at(option, "label", str, where),
                    parents=self.parents_of(code),
                    definition=option.get("description") or "",
                    active=not option.get("hidden", False),
                )
            )
        return unique_codes(choices, where)

    def plain_label(self, choice: Choice, primary_label: str) -> str:
        """What follows the primary's label."""
        if not choice.label.startswith(f"{primary_label}: "):
            raise CrmError(
                f"HubSpot: the label {choice.label!r} of {choice.value} does not begin with {primary_label!r} and ': '; "
                "correct it in HubSpot, or plan an update"
            )
        return choice.label.removeprefix(f"{primary_label}: ")

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """A call for each changed property, with all its options."""
        return [
            Step(
                title=f"Send all options of {name}; retired ones stay in the list, hidden",
                changes=level.changes,
                method="PATCH",
                path=f"{_PATH}/{name}",
                body={"options": _options(level.after)},
            )
            for name, level in ((self.primary_property, primary), (self.secondary_property, secondary))
            if level.before != level.after
        ]


def _options(choices: tuple[Choice, ...]) -> list[dict[str, Any]]:
    return [
        {
            "label": choice.label,
            "value": choice.value,
            "displayOrder": number,
            "hidden": not choice.active,
            "description": choice.definition or "",
        }
        for number, choice in enumerate(choices, 1)
    ]
