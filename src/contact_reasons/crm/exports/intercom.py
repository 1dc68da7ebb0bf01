"""Intercom: a list attribute for each level, of conversations or of a ticket type; items are labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Change, Choice, Held, Merged
from contact_reasons.crm.exports.documents import at, call_text, json_documents, put_once
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import (
    CrmSystem,
    codes_from_labels,
    found_by_labels,
    labels_as_values,
    needs_ids,
    one_of,
)
from contact_reasons.errors import CrmError, shorten
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy

__all__ = ["Intercom"]

_COMMA, _INSTEAD = ",", ";"
"""Items of a ticket attribute are one text with commas between them, so another sign stands for those of labels, and no label may hold it."""


@dataclass(frozen=True, kw_only=True)
class Intercom(CrmSystem):
    """Attributes of Intercom.

    Parameters
    ----------
    title, detail_title : str
        Names of the attributes.
    kind : str
        'conversation' (API version 2.16) or 'ticket' (attributes of a ticket type; ``;`` stands there for the commas of labels).
    """

    name: ClassVar[str] = "intercom"
    called: ClassVar[str] = "Intercom"
    keeps_codes: ClassVar[bool] = False
    siblings: ClassVar[bool] = False

    kind: str = field(default="conversation", metadata=one_of("conversation", "ticket"))

    @property
    def limits(self) -> str:
        """Ticket attributes take fewer labels."""
        return "intercom" if self.kind == "conversation" else "intercom ticket"

    @property
    def hides(self) -> bool:
        """Items of a conversation attribute can be archived."""
        return self.kind == "conversation"

    @property
    def renames(self) -> bool:
        """Items of a conversation attribute have ids."""
        return self.kind == "conversation"

    @property
    def orders(self) -> bool:
        """Items of a conversation attribute stay where they are."""
        return self.kind == "ticket"

    @property
    def _path(self) -> str:
        return (
            "/conversations/attributes" if self.kind == "conversation" else "/ticket_types/{ticket_type_id}/attributes"
        )

    @property
    def _listing(self) -> str:
        return f"GET {self._path}" if self.kind == "conversation" else "GET /ticket_types/{ticket_type_id}"

    def labelled(self, primary: PrimaryReason, secondary: SecondaryReason | None) -> str:
        """There is one list of secondaries, so the primary's label stands before each."""
        return primary.label if secondary is None else f"{primary.label}: {secondary.label}"

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Values are labels."""
        held = labels_as_values(super().wanted(taxonomy))
        return held._replace(
            primaries=tuple(replace(choice, value=self._item(choice.label)) for choice in held.primaries),
            secondaries=tuple(
                replace(choice, value=self._item(choice.label), parents=()) for choice in held.secondaries
            ),
        )

    def _item(self, label: str) -> str:
        """A label as an item of the attribute."""
        return label.replace(_COMMA, _INSTEAD) if self.kind == "ticket" else label

    def remarks(self, taxonomy: Taxonomy) -> tuple[str, ...]:
        """Which labels stand there otherwise."""
        changed = [reason for reason in taxonomy.reasons if self._item(reason.label) != reason.label]
        if not changed:
            return ()
        first = changed[0].label
        return (
            f"Items of a ticket attribute are one text with commas between them, so {_INSTEAD!r} stands for the comma in {len(changed)} of "
            f"{len(taxonomy.reasons)} labels ({first!r} is {self._item(first)!r}); reading puts the comma back: {', '.join(each.id for each in changed)}.",
        )

    def files(self, wanted: Held) -> dict[str, str]:
        """The two calls that make the attributes."""
        levels = (
            (1, "primaries", self.title, wanted.primaries),
            (2, "secondaries", self.detail_title, wanted.secondaries),
        )
        return {
            f"calls/{number}-{what}.json": call_text("POST", self._path, self._attribute(title, choices))
            for number, what, title, choices in levels
        }

    def _attribute(self, title: str, choices: Sequence[Choice]) -> dict[str, Any]:
        if self.kind == "ticket":
            return {"name": title, "description": title, "data_type": "list"} | self._items(choices)
        return {"name": title, "data_type": "list", "options": [{"label": choice.label} for choice in choices]}

    def _items(self, choices: Sequence[Choice]) -> dict[str, Any]:
        return {"list_items": _COMMA.join(self._item(choice.label) for choice in choices)}

    def guide(self) -> tuple[str, ...]:
        """The calls."""
        version = (
            "with the header Intercom-Version: 2.16"
            if self.kind == "conversation"
            else "with the id of your ticket type in the path"
        )
        return (
            f"Send `calls/1-primaries.json` and `calls/2-secondaries.json`, {version}.",
            "Keep `taxonomy.yaml`: items have labels alone, and only this file says which reason a label is.",
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """Both attributes, from the exported calls or the answer that lists them."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for name, document in json_documents(files):
            for each in self._listed(document):
                if isinstance(each.get("name"), str) and {"options", "list_options", "list_items"} & set(each):
                    put_once(found, each["name"], name, each)
        levels, natives = [], []
        for wanted in (self.title, self.detail_title):
            if wanted not in found:
                raise CrmError(
                    f"Intercom: no file holds a list attribute of the name {wanted!r}; give the answer to {self._listing}, "
                    "or name yours with title and detail_title"
                )
            where, given = found[wanted]
            levels.append(self._choices(where, given))
            native = given.get("id")
            natives.append(str(native) if isinstance(native, int | str) and native != "" else None)
        return Held(levels[0], levels[1], (natives[0], natives[1]))

    def _choices(self, where: str, given: Mapping[str, Any]) -> tuple[Choice, ...]:
        if self.kind == "ticket":
            items = self._ticket_items(where, given)
            return tuple(Choice(code=None, value=item, label=item.replace(_INSTEAD, _COMMA)) for item in items)
        choices = []
        for option in at(given, "options", list, where):
            label, native = at(option, "label", str, where), option.get("id")
            if not option.get("archived", False):
                choices.append(
                    Choice(code=None, value=label, label=label, native=None if native is None else str(native))
                )
        return tuple(choices)

    @staticmethod
    def _listed(document: Any) -> list[dict[str, Any]]:
        """The attributes of an answer; those of a ticket type with the members of their `input_options` as their own.

        A ticket type has them under ``ticket_type_attributes`` by its description, under ``data`` by the examples.
        """
        listed = document.get("ticket_type_attributes", document) if isinstance(document, dict) else {}
        several = listed.get("data", listed.get("ticket_type_attributes", [listed])) if isinstance(listed, dict) else []
        found = []
        for each in several if isinstance(several, list) else []:
            if isinstance(each, dict):
                options = each.get("input_options")
                found.append({**options, **each} if isinstance(options, dict) else each)
        return found

    @staticmethod
    def _ticket_items(where: str, given: Mapping[str, Any]) -> list[str]:
        """Items as they are sent, one text, or as they are answered, a list."""
        if "list_items" in given:
            sent: str = at(given, "list_items", str, where)
            return sent.split(_COMMA)
        items = [at(option, "label", str, where) for option in at(given, "list_options", list, where)]
        for item in items:
            if _COMMA in item:
                raise CrmError(
                    f"{where}: the item {shorten(item)} has a comma, and items of a ticket type are sent as one text with commas between "
                    "them; rename it in Intercom"
                )
        return items

    def adopted(self, now: Held, wanted: Held, earlier: Held | None) -> Held:
        """By labels."""
        return found_by_labels(now, wanted, earlier, renames=self.renames)

    def coded(self, held: Held) -> Held:
        """Secondaries under the primaries whose labels stand before theirs."""
        labels = sorted((choice.label for choice in held.primaries if choice.active), key=len, reverse=True)
        placed = []
        for choice in held.secondaries:
            primary = next((label for label in labels if choice.label.startswith(f"{label}: ")), None)
            if primary is None and choice.active:
                raise CrmError(
                    f"Intercom: no item of {self.title!r} stands before ': ' in {choice.label!r}; correct the item, or give taxonomy.yaml"
                )
            placed.append(replace(choice, parents=(primary or "",), label=choice.label.removeprefix(f"{primary}: ")))
        made = codes_from_labels(held._replace(secondaries=tuple(placed)))
        whole = {choice.value: choice.label for choice in held.secondaries}
        return made._replace(
            secondaries=tuple(replace(choice, label=whole[choice.value]) for choice in made.secondaries)
        )

    def plain_label(self, choice: Choice, primary_label: str) -> str:
        """What follows the primary's label."""
        return choice.label.removeprefix(f"{primary_label}: ")

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """Of conversations a call for each item that changes; of a ticket type one with all items of an attribute."""
        levels = (
            (self.title, now.fields[0], primary),
            (self.detail_title, now.fields[1], secondary),
        )
        if self.kind == "conversation":
            needs_ids(self.called, (primary, secondary), self._listing)
            return [
                step
                for title, native, level in levels
                if level.changes
                for step in self._item_steps(title, native, level)
            ]
        return [
            Step(
                title=f"Send all items of {title!r}, retired ones too",
                changes=level.changes,
                method="PUT",
                path=f"{self._path}/{native or '{id}'}",
                body=self._items(level.after),
            )
            for title, native, level in levels
            if self._items(level.before) != self._items(level.after)
        ]

    def _item_steps(self, title: str, native: str | None, level: Merged) -> Iterator[Step]:
        """Labels first, then additions, then what is archived: two items must stay."""
        root = f"{self._path}/{native or '{id}'}/options"
        known = {choice.native for choice in level.before}
        for label, choice in _renames(level):
            yield Step(
                title=f"Change an item of {title!r}; conversations keep it",
                changes=_of(level, "rename", choice) if label == choice.label else (),
                method="PUT",
                path=f"{root}/{choice.native}",
                body={"label": label},
            )
        for choice in level.after:
            if choice.native not in known:
                yield Step(
                    title=f"Add an item to {title!r}",
                    changes=_of(level, "add", choice),
                    method="POST",
                    path=root,
                    body={"label": choice.label},
                )
        for choice in level.after:
            if not choice.active:
                yield Step(
                    title=f"Archive an item of {title!r}; conversations keep it",
                    changes=_of(level, "deactivate", choice),
                    method="DELETE",
                    path=f"{root}/{choice.native}",
                )


def _of(level: Merged, kind: str, choice: Choice) -> tuple[Change, ...]:
    return tuple(change for change in level.changes if change.kind == kind and change.value == choice.value)


def _renames(level: Merged) -> Iterator[tuple[str, Choice]]:
    """Items and their new labels, so that no two have one label at any time: in a circle one steps aside."""
    held = {choice.native: choice.label for choice in level.before}
    waiting = [choice for choice in level.after if choice.native in held and held[choice.native] != choice.label]
    while waiting:
        free = [choice for choice in waiting if choice.label not in held.values()]
        choice = free[0] if free else waiting[0]
        label = choice.label if free else f"{held[choice.native]} ({choice.native})"
        held[choice.native] = label
        waiting = [each for each in waiting if each is not choice or not free]
        yield label, choice
