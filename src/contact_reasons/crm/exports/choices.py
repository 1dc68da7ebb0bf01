"""What a reason field of a CRM holds, and what comes of it when a taxonomy is laid over it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from contact_reasons.crm.codes import code_of, id_of_code, is_code
from contact_reasons.errors import CrmError, shorten
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy

__all__ = [
    "Change",
    "Choice",
    "Held",
    "Merged",
    "choices_of",
    "folded",
    "merged",
    "reason_of",
    "unique_codes",
    "unshown",
]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of a reason field, as a CRM holds it.

    Parameters
    ----------
    code : str or None
        Code of the reason; None for a value that is not ours; ``?`` and the value where only labels are held and no
        reason has this one.
    value : str
        What a ticket stores.
    label : str
        What people read, as the system holds it: where it asks for that, with the primary's label before it.
    parents : tuple of str
        Values of the primary field under which it is shown; codes, for reasons.
    definition : str or None
        None where the system has no place for it.
    active : bool
        Whether people can select it.
    native : str or None
        The id that the CRM itself gave it.
    position : int or None
        Place among its siblings, for systems that store one with each value.
    extra : tuple of (str, object)
        What else the CRM says of the value and must be told again, such as that it is the default.
    """

    code: str | None
    value: str
    label: str
    parents: tuple[str, ...] = ()
    definition: str | None = None
    active: bool = True
    native: str | None = None
    position: int | None = None
    extra: tuple[tuple[str, object], ...] = ()


class Held(NamedTuple):
    """The values of both levels, in the order of display.

    Parameters
    ----------
    primaries, secondaries : tuple of Choice
        Primaries are empty where a system has one field of whole paths.
    fields : tuple of (str or None, str or None)
        The CRM's own ids of the two fields, where it has told them.
    extras : tuple
        Of each field, what else the CRM says of it and must be told again: pairs of a name and a text.
    """

    primaries: tuple[Choice, ...]
    secondaries: tuple[Choice, ...]
    fields: tuple[str | None, str | None] = (None, None)
    extras: tuple[tuple[tuple[str, str], ...], ...] = ((), ())


class Change(NamedTuple):
    """One thing that changes.

    Parameters
    ----------
    kind : str
        ``'add'``, ``'activate'``, ``'rename'`` (the label), ``'describe'`` (the definition), ``'move'`` (order or parent) or
        ``'deactivate'``.
    level : str
        ``'primary'`` or ``'secondary'``.
    reason : str or None
        Reason id; None for the whole field, and for values that no reason has.
    value : str
        What a ticket stores; empty for the whole field.
    why : str
    """

    kind: str
    level: str
    reason: str | None
    value: str
    why: str


class Merged(NamedTuple):
    """A level after a taxonomy was laid over it.

    Parameters
    ----------
    before, after : tuple of Choice
        All values, those of the taxonomy first in its order.
    changes : tuple of Change
    """

    before: tuple[Choice, ...]
    after: tuple[Choice, ...]
    changes: tuple[Change, ...]


Labelled = Callable[[PrimaryReason, SecondaryReason | None], str]


def choices_of(taxonomy: Taxonomy, *, labelled: Labelled | None = None, described: int | None = None) -> Held:
    """The reasons as values of two fields, in the order of the taxonomy.

    Parameters
    ----------
    taxonomy : Taxonomy
    labelled : callable, optional
        Label of a primary, or of a secondary under it, as the system shows it; by default the reason's own.
    described : int, optional
        Most characters of a definition; longer ones are left out. None: no place for definitions.
    """

    def choice(primary: PrimaryReason, secondary: SecondaryReason | None, position: int) -> Choice:
        reason = secondary or primary
        code = code_of(reason.id)
        return Choice(
            code=code,
            value=code,
            label=reason.label if labelled is None else labelled(primary, secondary),
            parents=() if secondary is None else (code_of(primary.id),),
            definition=None if described is None else reason.definition if len(reason.definition) <= described else "",
            position=position,
        )

    return Held(
        tuple(choice(primary, None, at) for at, primary in enumerate(taxonomy.primaries, 1)),
        tuple(
            choice(primary, secondary, at)
            for primary in taxonomy.primaries
            for at, secondary in enumerate(primary.secondaries, 1)
        ),
    )


def folded(label: str) -> str:
    """A label as people tell it apart: without case, width of letters and repeated blanks.

    >>> folded("Late  DELIVERY") == folded("late delivery")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def unshown(text: str, *, but: str = "") -> list[str]:
    """Characters that no menu can show: controls, line breaks, halves of surrogate pairs, what is no character.

    >>> unshown("Late\\n delivery")
    ['\\n']
    """
    return [
        char
        for char in text
        if char not in but and (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or ord(char) & 0xFFFE == 0xFFFE)
    ]


def reason_of(choice: Choice) -> str | None:
    """Reason id of a value; None if it is not ours."""
    return id_of_code(choice.code) if choice.code is not None and is_code(choice.code) else None


def merged(
    level: str,
    before: Sequence[Choice],
    wanted: Sequence[Choice],
    *,
    hides: bool,
    renames: bool,
    retired: Callable[[Choice], Choice],
    by_siblings: bool,
    became: Mapping[str, tuple[str, ...]],
) -> Merged:
    """Wanted values laid over those that a field holds: every value stays, what is no longer wanted is deactivated.

    Values of the taxonomy come first, in its order; all others follow in the order they had.

    Parameters
    ----------
    level : str
    before, wanted : sequence of Choice
    hides : bool
        Whether the system can deactivate a value.
    renames : bool
        Whether it can change a label without changing the value.
    retired : callable
        A value as it is when deactivated.
    by_siblings : bool
        Labels are unique under one primary, not in the whole field.
    became : mapping of str to tuple of str
        Codes today by a code of earlier versions, which may still be one itself.
    """
    held = {choice.code: choice for choice in before if choice.code is not None}
    codes = {choice.code for choice in wanted}
    changes: list[Change] = []
    after: list[Choice] = []
    for choice in wanted:
        old = held.get(choice.code or "")
        after.append(choice if old is None else _over(old, choice))
        changes += _changes_of(level, old, after[-1], became, codes)
    rest = [choice for choice in before if choice.code not in codes]
    if hides:
        for at, choice in enumerate(rest):
            if choice.code is not None and choice.active:
                rest[at] = retired(choice)
                changes.append(_deactivated(level, choice, became))
    apart = _told_apart(after, rest, by_siblings) if renames else rest
    changes += [
        Change("rename", level, reason_of(new), new.value, "another value has its label now; told apart by the value")
        for old, new in zip(rest, apart, strict=True)
        if old.label != new.label
    ]
    after += apart
    ordered = any(choice.position is not None for choice in wanted)
    moved = [c.code for c in before if c.code in codes] != [c.code for c in wanted if c.code in held]
    if not ordered and (moved or (not changes and after != list(before))):
        changes.append(Change("move", level, None, "", "the order of the taxonomy; what is retired comes last"))
    return Merged(tuple(before), tuple(after), tuple(changes))


def _over(old: Choice, new: Choice) -> Choice:
    return replace(
        old,
        label=new.label,
        parents=new.parents,
        active=True,
        definition=None if old.definition is None else new.definition,
        position=None if old.position is None else new.position,
    )


def _changes_of(
    level: str, old: Choice | None, new: Choice, became: Mapping[str, tuple[str, ...]], codes: Collection[str | None]
) -> list[Change]:
    reason = reason_of(new)
    if old is None:
        before = sorted(code for code, today in became.items() if new.code in today)
        whole = [code for code in before if code not in codes and len(became[code]) == 1]
        parts = [code for code in before if code not in whole]
        took = f"; it takes the place of {', '.join(whole)}" if whole else ""
        took += f"; it was a part of {', '.join(parts)}" if parts else ""
        return [Change("add", level, reason, new.value, f"new in the taxonomy{took}")]
    found = []
    if not old.active:
        found.append(("activate", "in the taxonomy again"))
    if old.label != new.label:
        found.append(("rename", f"label {old.label!r} is {new.label!r} now; tickets keep their value"))
    if old.definition != new.definition:
        found.append(("describe", "its definition has changed"))
    if old.parents != new.parents:
        found.append(("move", f"shown under {', '.join(new.parents)}, as the taxonomy has it"))
    if old.position != new.position:
        found.append(("move", "the order of the taxonomy"))
    return [Change(kind, level, reason, new.value, why) for kind, why in found]


def _deactivated(level: str, choice: Choice, became: Mapping[str, tuple[str, ...]]) -> Change:
    today = became.get(choice.code or "", ())
    have = "has" if len(today) == 1 else "have"
    why = f"{' and '.join(today)} {have} taken its place" if today else "no longer in the taxonomy"
    return Change("deactivate", level, reason_of(choice), choice.value, f"{why}; old tickets keep it")


def _told_apart(kept: Sequence[Choice], rest: Sequence[Choice], by_siblings: bool) -> list[Choice]:
    """Values that are no longer wanted, with the value after the label where another has the same label."""

    def key(choice: Choice) -> tuple[object, str]:
        return (choice.parents if by_siblings else None, folded(choice.label))

    seen = {key(choice) for choice in (*kept, *(choice for choice in rest if choice.code is None))}
    result = []
    for choice in rest:
        if choice.code is not None:
            while key(choice) in seen:
                choice = replace(choice, label=f"{choice.label} ({choice.value})")
            seen.add(key(choice))
        result.append(choice)
    return result


def unique_codes(choices: Sequence[Choice], where: str) -> tuple[Choice, ...]:
    """The values as they are.

    Raises
    ------
    CrmError
        If a code stands twice.
    """
    seen: set[str] = set()
    for choice in choices:
        if choice.code is not None:
            if choice.code in seen:
                raise CrmError(
                    f"{where}: the value {shorten(choice.value)} stands twice; was the file put together by hand?"
                )
            seen.add(choice.code)
    return tuple(choices)
