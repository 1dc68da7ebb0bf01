"""Zendesk: one drop-down field whose options are paths ``Primary::Secondary`` and whose values are tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged, unique_codes
from contact_reasons.crm.exports.documents import at, call_text, json_documents
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, matching
from contact_reasons.errors import CrmError
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy

__all__ = ["Zendesk"]

_RETIRED = "Retired::"


@dataclass(frozen=True, kw_only=True)
class Zendesk(CrmSystem):
    """A ticket field of Zendesk.

    Parameters
    ----------
    title : str
    detail_title : str
        Not used: there is one field.
    prefix : str
        Begins every tag; tags are shared by all fields of an account.
    """

    name: ClassVar[str] = "zendesk"
    called: ClassVar[str] = "Zendesk"
    siblings: ClassVar[bool] = False

    prefix: str = field(default="cr_", metadata=matching(r"[a-z][a-z0-9_]{0,19}", "cr_"))

    def labelled(self, primary: PrimaryReason, secondary: SecondaryReason | None) -> str:
        """The path of a secondary in the menu."""
        return primary.label if secondary is None else f"{primary.label}::{secondary.label}"

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Secondaries alone: a primary is a level of the menu."""
        secondaries = super().wanted(taxonomy).secondaries
        return Held(
            (), tuple(replace(choice, value=f"{self.prefix}{choice.code}", position=None) for choice in secondaries)
        )

    def files(self, wanted: Held) -> dict[str, str]:
        """The call that makes the field."""
        body = {
            "ticket_field": {
                "type": "tagger",
                "title": self.title,
                "custom_field_options": [*map(_option, wanted.secondaries)],
            }
        }
        return {"calls/1-ticket-field.json": call_text("POST", "/api/v2/ticket_fields", body)}

    def guide(self) -> tuple[str, ...]:
        """The one call."""
        return (
            "Send `calls/1-ticket-field.json`, as an administrator.",
            "Put the field into your ticket forms.",
            "Later changes: `contact-reasons export plan`. Never send a shorter list of options by hand: what is left out loses its value on old tickets.",
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """The field, from the exported call or from the answer to ``GET /api/v2/ticket_fields`` (one field, or all)."""
        found = []
        for name, document in json_documents(files):
            listed = document if isinstance(document, dict) else {}
            several = listed.get("ticket_fields", [listed["ticket_field"]] if "ticket_field" in listed else [])
            several = several if isinstance(several, list) else []
            found += [(name, each) for each in several if isinstance(each, dict) and each.get("type") == "tagger"]
        named = [each for each in found if each[1].get("title") == self.title]
        chosen = named or found
        if len(chosen) != 1:
            raise CrmError(
                f"Zendesk: {len(chosen)} drop-down fields (type 'tagger') {'of the title ' if named else 'where none has the title '}{self.title!r}; "
                "give the answer to GET /api/v2/ticket_fields/{id} of the reason field, or its title"
            )
        where, ticket_field = chosen[0]
        native = ticket_field.get("id")
        options = [self._choice(each, where) for each in at(ticket_field, "custom_field_options", list, where)]
        return Held((), unique_codes(options, where), (str(native) if isinstance(native, int) else None, None))

    def _choice(self, option: Any, where: str) -> Choice:
        value, name = at(option, "value", str, where), at(option, "name", str, where)
        native = option.get("id")
        code = self.ours(value[len(self.prefix) :]) if value.startswith(self.prefix) else None
        if code is not None and "__" not in code:
            code = None
        return Choice(
            code=code,
            value=value,
            label=name,
            parents=self.parents_of(code),
            active=code is None or not name.startswith(_RETIRED),
            native=str(native) if isinstance(native, int) else None,
            extra=(("default", True),) if option.get("default") is True else (),
        )

    def tree(self, held: Held) -> list[tuple[Choice, list[Choice]]]:
        """Primaries are the first levels of the menu."""
        primaries: dict[str, Choice] = {}
        for choice in held.secondaries:
            if choice.active and choice.code is not None:
                code, label = choice.code.partition("__")[0], choice.label.partition("::")[0]
                known = primaries.setdefault(code, Choice(code=code, value=code, label=label))
                if known.label != label:
                    raise CrmError(
                        f"Zendesk: the options of {code} stand under {known.label!r} and under {label!r}; bring them under one level of the menu"
                    )
        return super().tree(held._replace(primaries=tuple(primaries.values())))

    def plain_label(self, choice: Choice, primary_label: str) -> str:
        """The last level of the path."""
        return choice.label.partition("::")[2]

    def retired(self, choice: Choice) -> Choice:
        """Zendesk has no inactive options: the option moves under 'Retired', the tag stays."""
        return replace(choice, active=False, label=f"{_RETIRED}{choice.label}")

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """One call that lists every option."""
        if secondary.before == secondary.after:
            return []
        return [
            Step(
                title="Send the whole list of options; retired ones stay in it, under 'Retired', so that old tickets keep their tags",
                changes=secondary.changes,
                method="PUT",
                path=f"/api/v2/ticket_fields/{now.fields[0] or '{id}'}",
                body={"ticket_field": {"custom_field_options": [*map(_option, secondary.after)]}},
            )
        ]


def _option(choice: Choice) -> dict[str, Any]:
    native = {} if choice.native is None else {"id": int(choice.native)}
    return native | {"name": choice.label, "value": choice.value} | dict(choice.extra)
