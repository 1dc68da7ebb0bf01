"""Dynamics 365: two global choices, the map of which detail belongs to which reason, and a subject tree as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from contact_reasons.crm.exports.choices import Change, Choice, Held, Merged, unique_codes
from contact_reasons.crm.exports.documents import at, call_text, csv_text, json_documents, json_text, put_once, read_csv
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, matching, one_of
from contact_reasons.errors import CrmError
from contact_reasons.taxonomy import Taxonomy

__all__ = ["Dynamics"]

_NAME = r"[a-z][a-z0-9]{1,7}_[a-z0-9]{1,40}"
_API = "/api/data/v9.2"
_TYPE = "Microsoft.Dynamics.CRM"
_HEAD = ("Parent Subject", "Title", "Feature Mask")


@dataclass(frozen=True, kw_only=True)
class Dynamics(CrmSystem):
    """Global choices of Dynamics 365 (Dataverse).

    Parameters
    ----------
    title, detail_title : str
    primary_choice, secondary_choice : str
        Their names, with the publisher's prefix.
    value_prefix : str
        The publisher's number; each value is it and four digits.
    language_code : str
        Of the labels, such as 1033 for English.
    subjects : str
        'yes' or 'no': whether the subject tree is written, too.
    """

    name: ClassVar[str] = "dynamics"
    called: ClassVar[str] = "Dynamics 365"
    described: ClassVar[int | None] = 4000

    primary_choice: str = field(default="new_contactreason", metadata=matching(_NAME, "new_contactreason"))
    secondary_choice: str = field(
        default="new_contactreasondetail", metadata=matching(_NAME, "new_contactreasondetail")
    )
    value_prefix: str = field(default="10000", metadata=matching(r"[1-9]\d{4}", "10000"))
    language_code: str = field(default="1033", metadata=matching(r"[1-9]\d{3,4}", "1033"))
    subjects: str = field(default="yes", metadata=one_of("yes", "no"))

    @property
    def limits(self) -> str:
        """Subjects are found by title, choices are not."""
        return "dynamics subjects" if self.subjects == "yes" else "dynamics"

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Values are numbers: the prefix and the place in the taxonomy."""
        held = super().wanted(taxonomy)
        return Held(self._numbered(held.primaries, ()), self._numbered(held.secondaries, ()))

    def _numbered(self, choices: Sequence[Choice], taken: Sequence[Choice]) -> tuple[Choice, ...]:
        first = int(self.value_prefix) * 10_000
        used = [int(choice.value) for choice in taken]
        number = max([value + 1 for value in used if first <= value < first + 10_000], default=first)
        return tuple(replace(choice, value=str(at), position=None) for at, choice in enumerate(choices, number))

    def files(self, wanted: Held) -> dict[str, str]:
        """The calls that make the choices, the map for a form script, the subject tree level by level."""
        levels = (
            (1, self.primary_choice, self.title, wanted.primaries),
            (2, self.secondary_choice, self.detail_title, wanted.secondaries),
        )
        found = {
            f"calls/{number}-{name}.json": call_text(
                "POST", f"{_API}/GlobalOptionSetDefinitions", self._definition(name, title, choices)
            )
            for number, name, title, choices in levels
        }
        found["dependents.json"] = self._dependents(wanted.primaries, wanted.secondaries)
        if self.subjects == "yes":
            labels = {choice.code: choice.label for choice in wanted.primaries}
            found["subjects/1-primary.csv"] = csv_text(
                [_HEAD, *(("", choice.label, "1") for choice in wanted.primaries)]
            )
            found["subjects/2-secondary.csv"] = csv_text(
                [_HEAD, *((labels[choice.parents[0]], choice.label, "1") for choice in wanted.secondaries)]
            )
        return found

    def guide(self) -> tuple[str, ...]:
        """Choices, columns, form script, subjects."""
        subjects = (
            ("Import `subjects/1-primary.csv`, wait until it is done, then `subjects/2-secondary.csv`.",)
            if self.subjects == "yes"
            else ()
        )
        return (
            f"Send `calls/1-{self.primary_choice}.json` and `calls/2-{self.secondary_choice}.json`, as a customizer.",
            "Add a column of each choice to the Case table, and both to the form; publish.",
            "Choices have no dependent values of their own: give `dependents.json` to a form script that shows, under a reason, its details only.",
            *subjects,
        )

    def _definition(self, name: str, title: str, choices: Sequence[Choice]) -> dict[str, Any]:
        return {
            "@odata.type": f"{_TYPE}.OptionSetMetadata",
            "Name": name,
            "IsGlobal": True,
            "OptionSetType": "Picklist",
            "DisplayName": self._label(title),
            "Options": [
                {
                    "Value": int(choice.value),
                    "Label": self._label(choice.label),
                    "Description": self._label(_described(choice)),
                }
                for choice in choices
            ],
        }

    def _label(self, text: str) -> dict[str, Any]:
        return {
            "@odata.type": f"{_TYPE}.Label",
            "LocalizedLabels": [
                {"@odata.type": f"{_TYPE}.LocalizedLabel", "Label": text, "LanguageCode": int(self.language_code)}
            ],
        }

    def _dependents(self, primaries: Sequence[Choice], secondaries: Sequence[Choice]) -> str:
        shown = {
            primary.value: [int(each.value) for each in secondaries if each.active and primary.code in each.parents]
            for primary in primaries
            if primary.active and primary.code is not None
        }
        return json_text({"controlling": self.primary_choice, "dependent": self.secondary_choice, "values": shown})

    def held_in(self, files: Mapping[str, str]) -> Held:
        """Both choices, from the exported calls or the answers to ``GET …/GlobalOptionSetDefinitions(Name='…')``, and the map."""
        sets: dict[str, tuple[str, dict[str, Any]]] = {}
        shown: dict[str, list[Any]] | None = None
        for name, document in json_documents(files):
            if isinstance(document, dict) and {"controlling", "dependent", "values"} <= set(document):
                shown = at(document, "values", dict, name)
            elif isinstance(document, dict) and isinstance(document.get("Name"), str):
                put_once(sets, document["Name"], name, document)
        if shown is None:
            raise CrmError(
                "Dynamics 365: dependents.json is missing; give the one that the form script uses now: only it says what is shown"
            )
        details = {str(value) for values in shown.values() if isinstance(values, list) for value in values}
        levels = []
        for wanted, active in ((self.primary_choice, set(shown)), (self.secondary_choice, details)):
            if wanted not in sets:
                raise CrmError(
                    f"Dynamics 365: no file holds the choice {wanted!r}; give the answer to "
                    f"GET {_API}/GlobalOptionSetDefinitions(Name='{wanted}'), or name yours with primary_choice and secondary_choice"
                )
            levels.append(self._choices(*sets[wanted], active))
        held = Held(levels[0], levels[1])
        self._check_subjects(files, held)
        return held

    def _choices(self, where: str, given: Mapping[str, Any], active: set[str]) -> tuple[Choice, ...]:
        choices = []
        for option in at(given, "Options", list, where):
            value = str(at(option, "Value", int, where))
            code, _, definition = self._text(option.get("Description"), where).partition(": ")
            ours = self.ours(code)
            choices.append(
                Choice(
                    code=ours,
                    value=value,
                    label=self._text(at(option, "Label", dict, where), where),
                    parents=self.parents_of(ours),
                    definition=definition if ours else None,
                    active=value in active or ours is None,
                )
            )
        return unique_codes(choices, where)

    def _text(self, label: Any, where: str) -> str:
        if not isinstance(label, dict):
            return ""
        for each in at(label, "LocalizedLabels", list, where):
            if at(each, "LanguageCode", int, where) == int(self.language_code):
                return str(at(each, "Label", str, where))
        return ""

    def _check_subjects(self, files: Mapping[str, str], held: Held) -> None:
        """Subjects of an export say what its choices say."""
        for name in files:
            if name.endswith("subjects/1-primary.csv") or name.endswith("subjects/2-secondary.csv"):
                rows = {(row.get("Parent Subject", ""), row.get("Title", "")) for row in read_csv(files[name], name)}
                labels = {choice.code: choice.label for choice in held.primaries}
                level = held.primaries if name.endswith("1-primary.csv") else held.secondaries
                wanted = {
                    (labels.get(choice.parents[0], "") if choice.parents else "", choice.label)
                    for choice in level
                    if choice.active
                }
                if rows != wanted:
                    odd = sorted(rows ^ wanted)[0]
                    raise CrmError(
                        f"{name}: the subject {odd[1]!r} under {odd[0]!r} does not stand in both the tree and the choices; export again"
                    )

    def placed(self, now: Held, wanted: Held) -> Held:
        """New values get the numbers after the highest that was ever used."""
        levels = []
        for held, choices in ((now.primaries, wanted.primaries), (now.secondaries, wanted.secondaries)):
            known = {choice.code: choice.value for choice in held}
            new = iter(self._numbered([choice for choice in choices if choice.code not in known], held))
            levels.append(tuple(choice if choice.code in known else next(new) for choice in choices))
        return Held(levels[0], levels[1])

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """Insert, update and order values; then the map, the new subjects, and publishing."""
        levels = ((self.primary_choice, primary), (self.secondary_choice, secondary))
        found = [step for name, level in levels for step in self._level_steps(name, level)]
        if not found and not primary.changes and not secondary.changes:
            return []
        if found:
            found.append(self._publishing())
        (_, first), (_, second) = levels
        hidden = [
            change
            for level in (primary, secondary)
            for change in level.changes
            if change.kind in ("activate", "deactivate")
        ]
        mapped = self._dependents(first.after, second.after)
        if mapped != self._dependents(first.before, second.before):
            found.append(
                Step(
                    title="Give the form script this map; it leaves out what is retired",
                    changes=tuple(hidden),
                    file=("dependents.json", mapped),
                )
            )
        return found + (self._subject_steps(first, second) if self.subjects == "yes" else [])

    def _level_steps(self, name: str, level: Merged) -> list[Step]:
        before = {choice.value: choice for choice in level.before}
        added: list[Step] = []
        changed: list[Step] = []
        for choice in reversed(level.after):
            old = before.get(choice.value)
            body: dict[str, Any] = {"OptionSetName": name, "Value": int(choice.value)}
            body |= {"Label": self._label(choice.label), "Description": self._label(_described(choice))}
            mine = _mine(level.changes, choice)
            if old is None:
                call = Step(
                    title=f"Add {choice.label!r}",
                    changes=mine,
                    method="POST",
                    path=f"{_API}/InsertOptionValue",
                    body=body,
                )
                added.insert(0, call)
            elif (old.label, old.definition) != (choice.label, choice.definition):
                body["MergeLabels"] = True
                path = f"{_API}/UpdateOptionValue"
                changed.append(
                    Step(title=f"Change {choice.label!r}", changes=mine, method="POST", path=path, body=body)
                )
        found = [*changed, *added]
        order = [choice.value for choice in level.before]
        order += [choice.value for choice in level.after if choice.value not in before]
        if order != [choice.value for choice in level.after]:
            body = {"OptionSetName": name, "Values": [int(choice.value) for choice in level.after]}
            moves = tuple(change for change in level.changes if change.kind == "move")
            found.append(
                Step(
                    title=f"Bring {name} into order",
                    changes=moves,
                    method="POST",
                    path=f"{_API}/OrderOption",
                    body=body,
                )
            )
        return found

    def _publishing(self) -> Step:
        sets = "".join(f"<optionset>{name}</optionset>" for name in (self.primary_choice, self.secondary_choice))
        body = {"ParameterXml": f"<importexportxml><optionsets>{sets}</optionsets></importexportxml>"}
        return Step(title="Publish the choices", method="POST", path=f"{_API}/PublishXml", body=body)

    @staticmethod
    def _subject_steps(primary: Merged, secondary: Merged) -> list[Step]:
        """Subjects with titles that are new; none is deleted, since a deleted parent leaves its children behind."""
        labels = {choice.code: choice.label for choice in primary.after}
        had = {choice.code: choice.label for choice in primary.before}
        before = {("", choice.label) for choice in primary.before}
        before |= {(had.get(parent, ""), choice.label) for choice in secondary.before for parent in choice.parents}
        levels = [
            [("", choice.label) for choice in primary.after if choice.active and choice.code],
            [
                (labels.get(parent, ""), choice.label)
                for choice in secondary.after
                if choice.active
                for parent in choice.parents
            ],
        ]
        found = []
        for name, rows in zip(("subjects/1-primary.csv", "subjects/2-secondary.csv"), levels, strict=True):
            new = [(*row, "1") for row in rows if row not in before]
            if new:
                found.append(
                    Step(
                        title=f"Import the {len(new)} new subjects; subjects of old cases stay",
                        file=(name, csv_text([_HEAD, *new])),
                    )
                )
        return found


def _described(choice: Choice) -> str:
    return f"{choice.code}: {choice.definition}" if choice.definition else choice.code or ""


def _mine(changes: Sequence[Change], choice: Choice) -> tuple[Change, ...]:
    kinds = ("add", "rename", "describe")
    code = choice.code
    return tuple(
        change
        for change in changes
        if change.kind in kinds and change.reason and change.reason.replace(".", "__") == code
    )
