"""Salesforce: two dependent picklists of an object as metadata, and a rule that holds the dependency through the API too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from contact_reasons.crm.exports.choices import Choice, Held, Merged, unique_codes
from contact_reasons.crm.exports.documents import Element, escaped, put_once, read_xml
from contact_reasons.crm.exports.plans import Step
from contact_reasons.crm.exports.system import CrmSystem, matching
from contact_reasons.errors import CrmError, shorten

__all__ = ["Salesforce"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
_RULE = "Contact_Reason_Detail_Fits"
_KNOWN = ("fullName", "label", "description", "isActive")
_FIELD = r"[A-Za-z](?:_?[A-Za-z0-9])*__c"


@dataclass(frozen=True, kw_only=True)
class Salesforce(CrmSystem):
    """Metadata of Salesforce in source format.

    Parameters
    ----------
    title, detail_title : str
    object : str
        Whose fields they are.
    primary_field, secondary_field : str
        Their API names.
    api_version : str
        38.0 or newer.
    """

    name: ClassVar[str] = "salesforce"
    called: ClassVar[str] = "Salesforce"
    described: ClassVar[int | None] = 255

    object: str = field(default="Case", metadata=matching(r"[A-Za-z]\w*", "Case"))
    primary_field: str = field(default="Contact_Reason__c", metadata=matching(_FIELD, "Contact_Reason__c"))
    secondary_field: str = field(
        default="Contact_Reason_Detail__c", metadata=matching(_FIELD, "Contact_Reason_Detail__c")
    )
    api_version: str = field(default="60.0", metadata=matching(r"(?:3[89]|[4-9]\d|\d{3})\.0", "60.0"))

    def files(self, wanted: Held) -> dict[str, str]:
        """Both fields, the rule, and one manifest for all of it."""
        return {
            "package.xml": self._manifest(),
            self._place(self.primary_field): self._field(self.primary_field, wanted.primaries),
            self._place(self.secondary_field): self._field(self.secondary_field, wanted.secondaries),
            f"objects/{self.object}/validationRules/{_RULE}.validationRule-meta.xml": self._rule(),
        }

    def guide(self) -> tuple[str, ...]:
        """Order of deployment."""
        primary, secondary = f"{self.object}.{self.primary_field}", f"{self.object}.{self.secondary_field}"
        return (
            f"Deploy the controlling field {primary} (`{self._place(self.primary_field)}`).",
            f"Deploy the dependent field {secondary} (`{self._place(self.secondary_field)}`).",
            f"Deploy the validation rule {self.object}.{_RULE}: picklist dependencies hold on pages, not for what comes through the API. "
            "`package.xml` lists all three.",
            f"Add the values to each record type of {self.object}: new values stay hidden until then.",
            "Give the fields to page layouts and permission sets.",
        )

    def _place(self, name: str) -> str:
        return f"objects/{self.object}/fields/{name}.field-meta.xml"

    def _manifest(self) -> str:
        return (
            f"{_HEAD}<Package {_SPACE}>\n"
            f"  <types>\n    <members>{self.object}.{self.primary_field}</members>\n"
            f"    <members>{self.object}.{self.secondary_field}</members>\n    <name>CustomField</name>\n  </types>\n"
            f"  <types>\n    <members>{self.object}.{_RULE}</members>\n    <name>ValidationRule</name>\n  </types>\n"
            f"  <version>{self.api_version}</version>\n</Package>\n"
        )

    def _field(self, name: str, choices: Sequence[Choice], extras: Sequence[tuple[str, str]] = ()) -> str:
        controlled = name == self.secondary_field
        said = dict(extras) or {"label": self.detail_title if controlled else self.title, "required": "false"}
        restricted = said.pop("restricted", "true")
        control = f"    <controllingField>{self.primary_field}</controllingField>\n" if controlled else ""
        said["type"] = "Picklist"
        about = {tag: f"  <{tag}>{escaped(text)}</{tag}>\n" for tag, text in sorted(said.items())}
        before = "".join(line for tag, line in about.items() if tag < "valueSet")
        behind = "".join(line for tag, line in about.items() if tag > "valueSet")
        values = "".join(_value(choice) for choice in choices)
        settings = "".join(_setting(choice) for choice in choices) if controlled else ""
        return (
            f"{_HEAD}<CustomField {_SPACE}>\n  <fullName>{name}</fullName>\n{before}"
            f"  <valueSet>\n{control}    <restricted>{restricted}</restricted>\n"
            f"    <valueSetDefinition>\n      <sorted>false</sorted>\n{values}    </valueSetDefinition>\n{settings}  </valueSet>\n"
            f"{behind}</CustomField>\n"
        )

    def _rule(self) -> str:
        detail, primary = f"TEXT({self.secondary_field})", f"TEXT({self.primary_field})"
        formula = f'AND(NOT(ISBLANK({detail})), NOT(BEGINS({detail}, {primary} & "__")))'
        return (
            f"{_HEAD}<ValidationRule {_SPACE}>\n  <fullName>{_RULE}</fullName>\n  <active>true</active>\n"
            "  <description>The code of a detail begins with the code of its reason.</description>\n"
            f"  <errorConditionFormula>{escaped(formula)}</errorConditionFormula>\n"
            f"  <errorDisplayField>{self.secondary_field}</errorDisplayField>\n"
            "  <errorMessage>This detail does not belong to the contact reason.</errorMessage>\n</ValidationRule>\n"
        )

    def held_in(self, files: Mapping[str, str]) -> Held:
        """Both fields, as exported or as retrieved in source format."""
        roots: dict[str, tuple[str, Element]] = {}
        for name in sorted(files):
            if name.endswith(".field-meta.xml"):
                root = read_xml(files[name], name)
                if root.tag == "CustomField":
                    put_once(roots, root.get("fullName"), name, root)
        levels, extras = [], []
        for wanted in (self.primary_field, self.secondary_field):
            if wanted not in roots:
                raise CrmError(
                    f"Salesforce: no file defines the field {wanted} (found: {', '.join(roots) or 'none'}); "
                    "retrieve both fields in source format (….field-meta.xml), or name yours with primary_field and secondary_field"
                )
            where, root = roots[wanted]
            levels.append(self._choices(where, root))
            extras.append(_about(root))
        return Held(levels[0], levels[1], extras=tuple(extras))

    def _choices(self, where: str, root: Element) -> tuple[Choice, ...]:
        if root.get("type", "Picklist") != "Picklist":
            raise CrmError(
                f"{where}: the field is of type {shorten(root.get('type'))}, and a plan would make a Picklist of it; give a Picklist"
            )
        sets = root.all("valueSet")
        lists = sets[0].all("valueSetDefinition") if sets else []
        if not lists:
            raise CrmError(
                f"{where}: the field has no values of its own (valueSetDefinition); a global value set cannot depend on a field"
            )
        controlled: dict[str, tuple[str, ...]] = {}
        for setting in sets[0].all("valueSettings"):
            over = tuple("".join(each.text) for each in setting.all("controllingFieldValue"))
            of = setting.get("valueName")
            controlled[of] = (*controlled.get(of, ()), *over)
        choices = []
        for value in lists[0].all("value"):
            name = value.get("fullName")
            if not name:
                raise CrmError(f"{where}: a value without fullName; retrieve the field again")
            active = value.get("isActive", "true")
            if active not in ("true", "false"):
                raise CrmError(
                    f"{where}: isActive of {shorten(name)} is {shorten(active)}, not true or false; retrieve the field again"
                )
            code = self.ours(name)
            parents = controlled.get(name, ())
            if active == "false":
                parents = self.parents_of(code, parents)
            choices.append(
                Choice(
                    code=code,
                    value=name,
                    label=value.get("label", name),
                    parents=parents,
                    definition=value.get("description"),
                    active=active == "true",
                    extra=tuple(
                        (each.tag, "".join(each.text))
                        for each in value.children
                        if each.tag not in _KNOWN and not each.children
                    ),
                )
            )
        return unique_codes(choices, where)

    def steps(self, now: Held, primary: Merged, secondary: Merged) -> list[Step]:
        """Each changed field as a file to deploy, the controlling one first; then what record types need."""
        found = []
        for name, level, extras in zip(
            (self.primary_field, self.secondary_field), (primary, secondary), now.extras, strict=True
        ):
            if level.before != level.after:
                what = "controlling" if name == self.primary_field else "dependent"
                found.append(
                    Step(
                        title=f"Deploy the {what} field {self.object}.{name}; it lists every value, retired ones as inactive",
                        changes=level.changes,
                        file=(self._place(name), self._field(name, level.after, extras)),
                    )
                )
        shown = [
            change.value
            for level in (primary, secondary)
            for change in level.changes
            if change.kind in ("add", "activate")
        ]
        if shown:
            found.append(
                Step(
                    title=f"Add to each record type of {self.object}, where they stay hidden until then: {', '.join(shown)}"
                )
            )
        return found


def _about(root: Element) -> tuple[tuple[str, str], ...]:
    """What a retrieved field says beside its values: title, history tracking and the like."""
    leaves = [(each.tag, "".join(each.text)) for each in root.children if not each.children]
    restricted = root.all("valueSet")[0].get("restricted", "false")
    return (*(pair for pair in leaves if pair[0] not in ("fullName", "type")), ("restricted", restricted))


def _value(choice: Choice) -> str:
    said: dict[str, object] = {"default": "false", **dict(choice.extra), "label": choice.label}
    if choice.definition:
        said["description"] = choice.definition
    if not choice.active:
        said |= {"isActive": "false", "default": "false"}
    lines = "".join(f"        <{tag}>{escaped(str(said[tag]))}</{tag}>\n" for tag in sorted(said))
    return f"      <value>\n        <fullName>{escaped(choice.value)}</fullName>\n{lines}      </value>\n"


def _setting(choice: Choice) -> str:
    if not choice.active or not choice.parents:
        return ""
    over = "".join(
        f"      <controllingFieldValue>{escaped(parent)}</controllingFieldValue>\n" for parent in choice.parents
    )
    return f"    <valueSettings>\n{over}      <valueName>{escaped(choice.value)}</valueName>\n    </valueSettings>\n"
