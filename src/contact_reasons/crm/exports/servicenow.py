"""ServiceNow: choices of category and subcategory as an XML unload, one record per value."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged, unique_codes
from contact_reasons.crm.exports.documents import Element, escaped, read_xml
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, matching
from contact_reasons.errors import CrmError, shorten
from contact_reasons.taxonomy import Taxonomy

__all__ = ["ServiceNow"]

_NAMES = uuid.UUID("6f0d2c5e-6b1f-5d0c-9d0e-2f3b8a1c7e44")
_WORD = r"[a-z][a-z0-9_]{0,79}"


@dataclass(frozen=True, kw_only=True)
class ServiceNow(CrmSystem):
    """Records of ``sys_choice``.

    Parameters
    ----------
    title, detail_title : str
        Not used: the fields are there already.
    table : str
        Whose fields they are.
    primary_element, secondary_element : str
        Column names; the secondary one's dictionary entry must depend on the primary one.
    language : str
        Of the labels.
    """

    name: ClassVar[str] = "servicenow"
    called: ClassVar[str] = "ServiceNow"
    described: ClassVar[int | None] = 255
    shares: ClassVar[bool] = True

    table: str = field(default="sn_customerservice_case", metadata=matching(_WORD, "sn_customerservice_case"))
    primary_element: str = field(default="category", metadata=matching(_WORD, "category"))
    secondary_element: str = field(default="subcategory", metadata=matching(_WORD, "subcategory"))
    language: str = field(default="en", metadata=matching(r"[a-z]{2}(?:[a-z]{0,2}|-[A-Za-z]{2})", "en"))

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """Sequences are tens; ids are made from the codes, so that a second import updates."""
        held = super().wanted(taxonomy)
        levels = [
            tuple(
                replace(choice, native=self._sys_id(element, choice.value), position=10 * (choice.position or 0))
                for choice in choices
            )
            for element, choices in ((self.primary_element, held.primaries), (self.secondary_element, held.secondaries))
        ]
        return Held(levels[0], levels[1])

    def _sys_id(self, element: str, value: str) -> str:
        return uuid.uuid5(_NAMES, "/".join((self.table, element, self.language, value))).hex

    def files(self, wanted: Held) -> dict[str, str]:
        """One unload of both levels."""
        return {"sys_choice.xml": self._unload(wanted.primaries, wanted.secondaries)}

    def guide(self) -> tuple[str, ...]:
        """Import, then the dictionary entry."""
        return (
            f"Open the list of sys_choice and import `sys_choice.xml` (Import XML on the list's menu). It adds choices to {self.table} and "
            "overwrites no other; do not ship choices as a sys_choice_set update set, which replaces the whole set of the instance.",
            f"Let the dictionary entry of {self.table}.{self.secondary_element} depend on {self.primary_element} (Dependent Field).",
        )

    def _unload(self, primaries: Sequence[Choice], secondaries: Sequence[Choice]) -> str:
        records = [
            self._record(element, choice)
            for element, choices in ((self.primary_element, primaries), (self.secondary_element, secondaries))
            for choice in choices
        ]
        return '<?xml version="1.0" encoding="UTF-8"?>\n<unload>\n' + "".join(records) + "</unload>\n"

    def _record(self, element: str, choice: Choice) -> str:
        values = {
            "name": self.table,
            "element": element,
            "value": choice.value,
            "label": choice.label,
            "dependent_value": choice.parents[0] if choice.parents else "",
            "hint": choice.definition or "",
            "language": self.language,
            "sequence": str(choice.position if choice.position is not None else ""),
            "inactive": "false" if choice.active else "true",
            "sys_id": choice.native or "",
        }
        lines = "".join(
            f"    <{key}>{escaped(text)}</{key}>\n" if text else f"    <{key}/>\n" for key, text in values.items()
        )
        return f'  <sys_choice action="INSERT_OR_UPDATE">\n{lines}  </sys_choice>\n'

    def held_in(self, files: Mapping[str, str]) -> Held:
        """Choices of the two columns in XML unloads; those of other tables, columns and languages are passed over."""
        records = []
        for name in sorted(files):
            if name.endswith(".xml"):
                root = read_xml(files[name], name)
                records += [(name, each) for each in root.all("sys_choice") if self._is_of_table(each)]
        levels, order = [], dict[str, int]()
        for element in (self.primary_element, self.secondary_element):
            mine = [self._choice(element, where, each) for where, each in records if each.get("element") == element]
            if not mine:
                raise CrmError(
                    f"ServiceNow: no choice of {self.table}.{element} in language {self.language}; export the list of sys_choice as XML, "
                    "filtered by table and both columns, or name yours with table, primary_element and secondary_element"
                )
            mine.sort(
                key=lambda choice: (*(order.get(each, len(order)) for each in choice.parents), choice.position or 0)
            )
            order = {choice.value: at for at, choice in enumerate(mine)}
            levels.append(unique_codes(mine, f"ServiceNow, {element}"))
        return Held(levels[0], levels[1])

    def _is_of_table(self, record: Element) -> bool:
        return record.get("name") == self.table and record.get("language", "en") == self.language

    def _choice(self, element: str, where: str, record: Element) -> Choice:
        value, sequence, native = record.get("value"), record.get("sequence") or "0", record.get("sys_id")
        if not sequence.removeprefix("-").isdecimal() or not sequence.isascii() or len(sequence) > 9:
            raise CrmError(
                f"{where}: the sequence of {shorten(value)} is {shorten(sequence)}, not a whole number; export the list again"
            )
        code = self.ours(value) if native == self._sys_id(element, value) else None
        dependent = record.get("dependent_value")
        return Choice(
            code=code,
            value=value,
            label=record.get("label"),
            parents=(dependent,) if dependent else (),
            definition=record.get("hint"),
            active=record.get("inactive", "false") != "true",
            native=native,
            position=int(sequence),
        )

    def adopted(self, now: Held, wanted: Held, earlier: Held | None) -> Held:
        """Choices that someone made by hand with the code of a reason are that reason; all others made by hand are left alone."""
        had = earlier or Held((), ())
        return Held(
            self._taken_over(now.primaries, (*had.primaries, *wanted.primaries)),
            self._taken_over(now.secondaries, (*had.secondaries, *wanted.secondaries)),
            now.fields,
        )

    @staticmethod
    def _taken_over(held: Sequence[Choice], ours: Sequence[Choice]) -> tuple[Choice, ...]:
        parents = {choice.value: choice.parents for choice in ours}
        known = {choice.code for choice in held}
        level = []
        for choice in held:
            if choice.code is None and choice.value not in known and parents.get(choice.value) == choice.parents:
                choice = replace(choice, code=choice.value)
                known.add(choice.code)
            level.append(choice)
        return tuple(level)

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """One unload with the records that change, and no others."""
        changed = []
        for level in (primary, secondary):
            before = {(choice.value, choice.native): choice for choice in level.before}
            changed.append([choice for choice in level.after if before.get((choice.value, choice.native)) != choice])
        if not changed[0] and not changed[1]:
            return []
        return [
            Step(
                title="Import the changed choices into sys_choice (Import XML); retired ones are set inactive, no other record is touched",
                changes=(*primary.changes, *secondary.changes),
                file=("sys_choice.xml", self._unload(changed[0], changed[1])),
            )
        ]
