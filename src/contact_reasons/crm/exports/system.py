"""What every CRM has in common: options, wanted values, reading, merging; the rest is the module of its name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from contact_reasons.crm.codes import code_of, id_of_code, is_code
from contact_reasons.crm.exports.choices import Choice, Held, Merged, choices_of, reason_of, unshown
from contact_reasons.crm.exports.plans import Step
from contact_reasons.errors import CrmError, shorten
from contact_reasons.schema import Check, Mistakes, Record, check, mistake, string, text
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy

__all__ = ["CrmSystem", "codes_from_labels", "found_by_labels", "labels_as_values", "matching", "needs_ids", "one_of"]


class _OptionMistakes(Mistakes, CrmError):
    """Mistakes in the options of an export."""


def _title(value: Any) -> str:
    title = str(text(1, 80)(value))
    if unshown(title):
        raise mistake(f"{shorten(title)} holds a character that no page can show; write it without")
    return title


def matching(pattern: str, example: str) -> Mapping[str, Check]:
    """Texts that a pattern matches whole."""

    def read(value: Any) -> str:
        if not re.fullmatch(pattern, string(value)):
            raise mistake(f"{shorten(value)} is not possible here; write it such as {example!r}")
        return str(value)

    return check(read)


def one_of(*words: str) -> Mapping[str, Check]:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise mistake(f"{shorten(value)} is not known; one of: {', '.join(words)}")
        return str(value)

    return check(read)


@dataclass(frozen=True, kw_only=True)
class CrmSystem(Record, ABC):
    """A CRM and the names of its reason fields.

    Parameters
    ----------
    title, detail_title : str
        What people read above the field of primaries and the field of secondaries.

    Attributes
    ----------
    name, called : str
        In code, and for people.
    keeps_codes : bool
        Whether the system has a place for codes; where it has none, reasons are found by their labels.
    described : int or None
        Most characters of a definition; None: no place for definitions.
    siblings : bool
        Whether labels are unique under one primary only.
    shares : bool
        Whether other values than reasons belong into the field.
    """

    mistakes = _OptionMistakes
    name: ClassVar[str]
    called: ClassVar[str]
    keeps_codes: ClassVar[bool] = True
    described: ClassVar[int | None] = None
    siblings: ClassVar[bool] = True
    shares: ClassVar[bool] = False

    title: str = field(default="Contact reason", metadata=check(_title))
    detail_title: str = field(default="Contact reason detail", metadata=check(_title))

    @property
    def limits(self) -> str:
        """Key of its limits in ``LIMITS``."""
        return self.name

    @property
    def hides(self) -> bool:
        """Whether a value can be deactivated."""
        return True

    @property
    def renames(self) -> bool:
        """Whether a label can change without the value."""
        return True

    @property
    def orders(self) -> bool:
        """Whether the order of values can change."""
        return True

    def labelled(self, primary: PrimaryReason, secondary: SecondaryReason | None) -> str:
        """Label as the system shows it."""
        return (secondary or primary).label

    def wanted(self, taxonomy: Taxonomy) -> Held:
        """The values that the fields should hold."""
        return choices_of(taxonomy, labelled=self.labelled, described=self.described)

    @abstractmethod
    def files(self, wanted: Held) -> dict[str, str]:
        """The files that make the fields, without ``README.md`` and ``taxonomy.yaml``."""

    @abstractmethod
    def held_in(self, files: Mapping[str, str]) -> Held:
        """The values in files of an export or in what the CRM lists.

        Raises
        ------
        CrmError
            If there is no such field in them, or it cannot be read.
        """

    @abstractmethod
    def steps(self, now: Held, primary: Merged, secondary: Merged) -> Sequence[Step]:
        """What makes the merged levels of what the CRM holds now."""

    @abstractmethod
    def guide(self) -> tuple[str, ...]:
        """What a person does with the files, in order."""

    def remarks(self, taxonomy: Taxonomy) -> tuple[str, ...]:
        """What is written otherwise than the taxonomy has it."""
        return ()

    def retired(self, choice: Choice) -> Choice:
        """A value as it is when deactivated."""
        return replace(choice, active=False)

    def adopted(self, now: Held, wanted: Held, earlier: Held | None) -> Held:
        """Values with the codes of the reasons that they are."""
        return now

    def coded(self, held: Held) -> Held:
        """Of a system that holds labels alone: values with codes made from the labels."""
        return codes_from_labels(held)

    def placed(self, now: Held, wanted: Held) -> Held:
        """Wanted values as they come beside those that are held."""
        return wanted

    def plain_label(self, choice: Choice, primary_label: str) -> str:
        """The reason's own label."""
        return choice.label

    def tree(self, held: Held) -> list[tuple[Choice, list[Choice]]]:
        """Active primaries, each with its active secondaries; codes are set.

        Raises
        ------
        CrmError
            If a value is no reason.
        """
        if not self.shares:
            for choice in (*held.primaries, *held.secondaries):
                if choice.active and reason_of(choice) is None:
                    raise CrmError(
                        f"{self.called}: the value {shorten(choice.value)} is no {'code of a reason' if self.keeps_codes else 'reason of the taxonomy'}; "
                        "only fields that hold nothing but reasons can be read as a taxonomy. Take the value out, or plan an update"
                    )
        primaries = [choice for choice in held.primaries if choice.active and reason_of(choice)]
        codes = {choice.code for choice in primaries}
        under: dict[str, list[Choice]] = {choice.code: [] for choice in primaries if choice.code}
        for choice in held.secondaries:
            if choice.active and reason_of(choice) and choice.code:
                primary = choice.code.partition("__")[0]
                if primary not in codes:
                    raise CrmError(
                        f"{self.called}: {choice.code} stands without its primary {primary}; give both fields, whole"
                    )
                under[primary].append(choice)
        return [(choice, under[choice.code]) for choice in primaries if choice.code]

    def reasons(self, held: Held) -> list[dict[str, Any]]:
        """The primaries of a taxonomy, as its file has them, as far as the system holds them."""
        return [
            {
                **self._part(primary, primary.label),
                "secondaries": [self._part(choice, self.plain_label(choice, primary.label)) for choice in secondaries],
            }
            for primary, secondaries in self.tree(held)
        ]

    @staticmethod
    def _part(choice: Choice, label: str) -> dict[str, Any]:
        data = {"id": id_of_code(choice.code or ""), "label": label}
        return data | ({"definition": choice.definition} if choice.definition else {})

    @staticmethod
    def ours(value: str) -> str | None:
        """A value as a code, if it is one."""
        return value if is_code(value) else None

    @staticmethod
    def parents_of(code: str | None, held: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A reason's primary, from its code; for other values what the system says."""
        return held if code is None or "__" not in code else (code.partition("__")[0],)


def found_by_labels(now: Held, wanted: Held, earlier: Held | None, *, renames: bool) -> Held:
    """Values of a system that holds labels alone, with the codes of the reasons that have these labels now, or had them.

    Parameters
    ----------
    now : Held
        Parents of its secondaries are the ids (or labels) of primaries, or empty.
    wanted : Held
    earlier : Held or None
        Of the taxonomy that the field was made from.
    renames : bool
        Whether a value whose reason has another label now can be renamed; otherwise that label is another value.
    """
    had = earlier if earlier is not None and renames else Held((), ())
    primaries = _by_label(now.primaries, wanted.primaries, had.primaries)
    named = {choice.native or choice.value: choice.code or "" for choice in primaries}
    placed = [
        replace(each, parents=tuple(named.get(parent, parent) for parent in each.parents)) for each in now.secondaries
    ]
    return Held(primaries, _by_label(placed, wanted.secondaries, had.secondaries), now.fields)


def _by_label(now: Sequence[Choice], wanted: Sequence[Choice], earlier: Sequence[Choice]) -> tuple[Choice, ...]:
    """The reason that a label stood for where it can be renamed, otherwise the one that has it now; each reason once."""
    today = {(choice.parents, choice.label): choice.code for choice in wanted}
    before = {(choice.parents, choice.label): choice.code for choice in earlier}
    open_codes = {choice.code for choice in wanted}
    found: dict[int, str | None] = {}
    for names in (before, today):
        for at, choice in enumerate(now):
            code = names.get((choice.parents, choice.label))
            if at not in found and code in open_codes and (choice.native is not None or names is today):
                found[at] = code
                open_codes.remove(code)
    return tuple(replace(choice, code=found.get(at) or f"?{choice.value}") for at, choice in enumerate(now))


def needs_ids(called: str, levels: Sequence[Merged], ask: str) -> None:
    """Nothing, if nothing changes or every value that is held has the id that the CRM gave it.

    Parameters
    ----------
    called : str
    levels : sequence of Merged
    ask : str
        The call whose answer names the ids.

    Raises
    ------
    CrmError
        If ids are missing.
    """
    without = [choice.value for level in levels for choice in level.before if choice.native is None]
    if without and any(level.changes for level in levels):
        raise CrmError(
            f"{called}: {len(without)} values without an id, such as {shorten(without[0])}; an update names values by the ids that "
            f"{called} gave them. Give the answer to {ask} as what it holds now"
        )


def labels_as_values(held: Held) -> Held:
    """Values of a system that holds labels alone: labels, and paths of labels."""
    names = {choice.native or choice.code: choice.label for choice in held.primaries}
    names |= {choice.label: choice.label for choice in held.primaries if choice.code is None}
    return Held(
        tuple(replace(choice, value=choice.label, position=None) for choice in held.primaries),
        tuple(
            replace(each, value=" > ".join((*(names.get(up, up) for up in each.parents), each.label)), position=None)
            for each in held.secondaries
        ),
        held.fields,
    )


def codes_from_labels(now: Held) -> Held:
    """Values of a system that holds labels alone, with codes made from the labels as `Taxonomy.from_pairs` makes ids."""
    labels = {choice.native or choice.value: choice.label for choice in now.primaries if choice.active}
    pairs = [(labels.get(up, up), choice) for choice in now.secondaries if choice.active for up in choice.parents]
    made = Taxonomy.from_pairs([(label, choice.label) for label, choice in pairs])
    primary = {each.label: each.id for each in made.primaries}
    return Held(
        tuple(
            replace(choice, code=code_of(primary[choice.label.strip()]) if choice.label.strip() in primary else None)
            for choice in now.primaries
            if choice.active
        ),
        tuple(replace(choice, code=code_of(made.id_of(label, choice.label))) for label, choice in pairs),
        now.fields,
    )
