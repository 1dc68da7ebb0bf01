"""Jira: the options of a cascading select field; an option is found by its id, and shown by its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged
from contact_reasons.crm.exports.documents import at, call_text, json_documents
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, found_by_labels, labels_as_values, matching, needs_ids
from contact_reasons.errors import CrmError, shorten
from contact_reasons.taxonomy import Taxonomy

__all__ = ["Jira"]

_BATCH = 1000
_REFERENCE = "{{id of {}}}"


@dataclass(frozen=True, kw_only=True)
class Jira(CrmSystem):
    """A cascading select field of Jira and one of its contexts.

    Parameters
    ----------
    title, detail_title : str
        Not used: the field is there already.
    field_id, context_id : str
        Of the field, such as ``customfield_10050``, and its context; by default left to be filled in.
    """

    name: ClassVar[str] = "jira"
    called: ClassVar[str] = "Jira"
    keeps_codes: ClassVar[bool] = False

    field_id: str = field(default="{fieldId}", metadata=matching(r"\{fieldId\}|customfield_\d+", "customfield_10050"))
    context_id: str = field(default="{contextId}", metadata=matching(r"\{contextId\}|\d+", "10100"))

    @property
    def _path(self) -> str:
        return f"/rest/api/3/field/{self.field_id}/context/{self.context_id}/option"

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Values are labels; ids come from Jira."""
        return labels_as_values(super().wanted(taxonomy))

    def files(self, wanted: Held) -> dict[str, str]:
        """Calls that add the primaries, then the secondaries under the ids that came back."""
        primaries = [{"value": choice.label, "disabled": False} for choice in wanted.primaries]
        labels = {choice.code: choice.label for choice in wanted.primaries}
        secondaries = [
            {"optionId": _REFERENCE.format(labels[choice.parents[0]]), "value": choice.label, "disabled": False}
            for choice in wanted.secondaries
        ]
        batches = [("primaries", batch) for batch in _batches(primaries)]
        batches += [("secondaries", batch) for batch in _batches(secondaries)]
        return {
            f"calls/{number:02}-{what}.json": call_text("POST", self._path, {"options": batch})
            for number, (what, batch) in enumerate(batches, 1)
        }

    def guide(self) -> tuple[str, ...]:
        """The calls in order, with ids filled in."""
        return (
            "Make a field of type 'Select List (cascading)'; its id and its context's go into the paths (field_id, context_id).",
            "Send the calls in order. The answer to the first names the ids of the primaries: put them where the next says `{id of …}`.",
            "Keep `taxonomy.yaml`: options have labels alone, and only this file says which reason a label is.",
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """The options, from the exported calls or the answers to ``GET …/option`` (every page)."""
        options: list[tuple[str, dict[str, Any]]] = []
        total = 0
        for name, document in json_documents(files):
            if isinstance(document, dict):
                total = max(total, document["total"] if isinstance(document.get("total"), int) else 0)
                key = "values" if "values" in document else "options"
                if isinstance(document.get(key), list):
                    options += [(name, each) for each in document[key]]
        if not options or len(options) < total:
            raise CrmError(
                f"Jira: {len(options)} options in the files{f' where Jira has {total}' if total else ''}; give every page of the answer to "
                f"GET {self._path}, each as a .json file"
            )
        choices = [self._choice(option, where) for where, option in options]
        places = [(choice.parents, choice.label) for choice in choices]
        if len(set(places)) < len(places):
            twice = next(place for place in places if places.count(place) > 1)
            raise CrmError(f"Jira: the option {shorten(twice[1])} stands twice under one parent; give each page once")
        primaries = tuple(choice for choice in choices if not choice.parents)
        return labels_as_values(Held(primaries, tuple(choice for choice in choices if choice.parents)))

    @staticmethod
    def _choice(option: Any, where: str) -> Choice:
        label = at(option, "value", str, where)
        native, parent = option.get("id"), option.get("optionId")
        if isinstance(parent, str) and parent.startswith("{id of "):
            parent = parent[len("{id of ") : -1]
        return Choice(
            code=None,
            value=label,
            label=label,
            parents=() if parent is None else (str(parent),),
            active=not option.get("disabled", False),
            native=None if native is None else str(native),
        )

    def adopted(self, now: Held, wanted: Held, earlier: Held | None) -> Held:
        """By labels."""
        return found_by_labels(now, wanted, earlier, renames=True)

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """Labels first, then additions, parents before children; then what is disabled, children before parents; then order."""
        needs_ids(self.called, (primary, secondary), f"GET {self._path}")
        return [
            *self._relabelled(primary),
            *self._relabelled(secondary),
            *self._added(primary, ()),
            *self._added(secondary, primary.after),
            *self._switched(primary, "activate"),
            *self._switched(secondary, "activate"),
            *self._switched(secondary, "deactivate"),
            *self._switched(primary, "deactivate"),
            *self._moved(primary.before, primary.after, primary.after, ""),
            *self._moves_under(primary, secondary),
        ]

    def _relabelled(self, level: Merged) -> Iterator[Step]:
        before = {choice.native: choice for choice in level.before}
        both = [(before[choice.native], choice) for choice in level.after if choice.native and choice.native in before]
        options = [
            {"id": old.native, "value": new.label, "disabled": not old.active}
            for old, new in sorted(both, key=lambda pair: pair[1].active)
            if old.label != new.label
        ]
        changes = tuple(change for change in level.changes if change.kind == "rename")
        for batch in _batches(options):
            yield Step(
                title="Change labels; tickets keep the option",
                changes=changes,
                method="PUT",
                path=self._path,
                body={"options": batch},
            )

    def _added(self, level: Merged, primaries: Sequence[Choice]) -> Iterator[Step]:
        known = {choice.code for choice in level.before}
        parents = {choice.code: _reference(choice) for choice in primaries}
        options = [
            ({"optionId": parents[choice.parents[0]]} if choice.parents else {})
            | {"value": choice.label, "disabled": False}
            for choice in level.after
            if choice.code not in known
        ]
        changes = tuple(change for change in level.changes if change.kind == "add")
        for batch in _batches(options):
            yield Step(
                title="Add options; the answer names their ids",
                changes=changes,
                method="POST",
                path=self._path,
                body={"options": batch},
            )

    def _switched(self, level: Merged, kind: str) -> Iterator[Step]:
        before = {choice.native: choice for choice in level.before}
        active = kind == "activate"
        options = [
            {"id": choice.native, "value": choice.label, "disabled": not active}
            for choice in level.after
            if choice.native and choice.native in before and before[choice.native].active != choice.active == active
        ]
        changes = tuple(change for change in level.changes if change.kind == kind)
        for batch in _batches(options):
            title = "Enable options" if active else "Disable options; old tickets keep them"
            yield Step(title=title, changes=changes, method="PUT", path=self._path, body={"options": batch})

    def _moves_under(self, primary: Merged, secondary: Merged) -> Iterator[Step]:
        for parent in primary.after:
            before = [choice for choice in secondary.before if parent.code in choice.parents]
            after = [choice for choice in secondary.after if parent.code in choice.parents]
            yield from self._moved(before, after, primary.after, f"{parent.label} > ")

    def _moved(
        self, before: Sequence[Choice], after: Sequence[Choice], primaries: Sequence[Choice], under: str
    ) -> Iterator[Step]:
        """A call that brings the options of the taxonomy to the front, in its order, unless they stand so."""
        order = [choice.code for choice in before]
        order += [choice.code for choice in after if choice.code not in order]
        if order != [choice.code for choice in after]:
            wanted = [_reference(choice, under) for choice in after if choice.active]
            where = f" under {under.removesuffix(' > ')}" if under else ""
            for batch in reversed([*_batches(wanted)]):
                yield Step(
                    title=f"Bring the options{where} into the order of the taxonomy",
                    method="PUT",
                    path=f"{self._path}/move",
                    body={"customFieldOptionIds": batch, "position": "First"},
                )


def _reference(choice: Choice, under: str = "") -> str:
    return choice.native or _REFERENCE.format(f"{under}{choice.label}")


def _batches(items: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _BATCH):
        yield list(items[start : start + _BATCH])
