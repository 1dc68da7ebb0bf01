"""What changed between two versions of a taxonomy: exact, by ids and `formerly`, never by likeness."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from contact_reasons.errors import MigrationError
from contact_reasons.taxonomy.model import PrimaryReason, SecondaryReason, Taxonomy

__all__ = [
    "Merge",
    "Pair",
    "Redefinition",
    "Relabelling",
    "Similar",
    "Split",
    "TaxonomyDifference",
    "compare_taxonomies",
]

Reason = PrimaryReason | SecondaryReason
Links = Mapping[str, tuple[str, ...]]

LOOKS_ALIKE: Final = 0.75
"""Least ratio of two labels (`difflib.SequenceMatcher`) that are worth a second look."""


class Pair(NamedTuple):
    """A reason under its old and its new id."""

    old: str
    new: str


class Relabelling(NamedTuple):
    """An id whose label changed."""

    id: str
    before: str
    after: str


class Split(NamedTuple):
    """An old reason whose contacts belong to several new ones."""

    old: str
    new: tuple[str, ...]


class Merge(NamedTuple):
    """Old reasons whose contacts, or some of them, belong to one new reason."""

    old: tuple[str, ...]
    new: str


class Redefinition(NamedTuple):
    """A reason that stayed, or got another id, and of which something else was rewritten.

    Parameters
    ----------
    old, new : str
    what : tuple of str
        Fields that changed.
    """

    old: str
    new: str
    what: tuple[str, ...]


class Similar(NamedTuple):
    """A hint, no verdict: a retired and an added reason that look alike.

    Parameters
    ----------
    old, new : str
    why : str
    """

    old: str
    new: str
    why: str


@dataclass(frozen=True, slots=True)
class TaxonomyDifference:
    """Every change from one version of a taxonomy to another. Ids of both levels; all in the order of ids.

    Each pair of reasons that went one into the other alone is in at most one of ``reidentified`` and ``moved``; reasons that were split or
    merged are in neither.

    Parameters
    ----------
    old, new : Taxonomy
    added, retired : tuple of str
        New reasons that were no old one; old reasons that became no new one.
    renamed : tuple of Relabelling
        The id stayed, the label changed.
    reidentified, moved : tuple of Pair
        The id changed, under the same primary; under another one.
    split : tuple of Split
    merged : tuple of Merge
    redefined : tuple of Redefinition
        Definition or near-misses changed: old labels may mean something else.
    revised : tuple of Redefinition
        What does not bear on labels changed: stages, required facts, resolution, owner.
    forgotten : tuple of Pair
        An id that the old version lists under ``formerly`` of a reason, and the new reason that should list it and does not.
    similar : tuple of Similar
    links : tuple of Pair
        Every old reason with every new one that it became, wholly or in part.

    Examples
    --------
    >>> old = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice")])
    >>> print(compare_taxonomies(old, Taxonomy.from_pairs([("Billing", "Refund")], version="2")))
    own 1 → own 2
    retired      billing.invoice
    """

    old: Taxonomy
    new: Taxonomy
    added: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    renamed: tuple[Relabelling, ...] = ()
    reidentified: tuple[Pair, ...] = ()
    moved: tuple[Pair, ...] = ()
    split: tuple[Split, ...] = ()
    merged: tuple[Merge, ...] = ()
    redefined: tuple[Redefinition, ...] = ()
    revised: tuple[Redefinition, ...] = ()
    forgotten: tuple[Pair, ...] = ()
    similar: tuple[Similar, ...] = ()
    links: tuple[Pair, ...] = field(default=(), repr=False)

    @property
    def empty(self) -> bool:
        """Whether no reason changed its id, label, definition or near-misses; hints do not count."""
        return not any(self.as_dict()[kind] for kind in _KINDS)

    def targets(self, old: str) -> tuple[str, ...]:
        """The new reasons that an old one became; empty if it was retired.

        Parameters
        ----------
        old : str
            Id of a primary or secondary of the old version.
        """
        return tuple(link.new for link in self.links if link.old == old)

    def backwards(self) -> TaxonomyDifference:
        """The way back: what was added is retired, what was split is merged."""
        return TaxonomyDifference(
            self.new,
            self.old,
            added=self.retired,
            retired=self.added,
            renamed=tuple(Relabelling(one.id, one.after, one.before) for one in self.renamed),
            reidentified=_turned(self.reidentified),
            moved=_turned(self.moved),
            split=tuple(sorted(Split(one.new, one.old) for one in self.merged)),
            merged=tuple(sorted((Merge(one.new, one.old) for one in self.split), key=lambda one: one.new)),
            redefined=tuple(sorted(Redefinition(one.new, one.old, one.what) for one in self.redefined)),
            revised=tuple(sorted(Redefinition(one.new, one.old, one.what) for one in self.revised)),
            similar=tuple(sorted(Similar(one.new, one.old, one.why) for one in self.similar)),
            links=_turned(self.links),
        )

    def as_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "from": _name(self.old),
            "to": _name(self.new),
            "added": list(self.added),
            "retired": list(self.retired),
            "renamed": [one._asdict() for one in self.renamed],
            "reidentified": [one._asdict() for one in self.reidentified],
            "moved": [one._asdict() for one in self.moved],
            "split": [{"old": one.old, "new": list(one.new)} for one in self.split],
            "merged": [{"old": list(one.old), "new": one.new} for one in self.merged],
            "redefined": [{**one._asdict(), "what": list(one.what)} for one in self.redefined],
            "revised": [{**one._asdict(), "what": list(one.what)} for one in self.revised],
            "forgotten": [{"id": one.old, "reason": one.new} for one in self.forgotten],
            "similar": [one._asdict() for one in self.similar],
        }

    def __str__(self) -> str:
        lines = [f"{kind:<12} {text}" for kind, text in self.lines()]
        return "\n".join([self.title, *(lines or ["equal: no reason changed"])])

    @property
    def title(self) -> str:
        """Both versions, ``retail 1.0.0 → retail 2.0.0``."""
        return " → ".join(f"{one.taxonomy_id} {one.version}" for one in (self.old, self.new))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each change as its kind and what a person reads, in a fixed order."""
        for kind in ("added", "retired"):
            yield from ((kind, reason) for reason in getattr(self, kind))
        for one in self.renamed:
            yield "renamed", f"{one.id}: {one.before!r} → {one.after!r}"
        for kind in ("reidentified", "moved"):
            yield from ((kind, f"{old} → {new}") for old, new in getattr(self, kind))
        for split in self.split:
            yield "split", f"{split.old} → {', '.join(split.new)}"
        for merge in self.merged:
            yield "merged", f"{', '.join(merge.old)} → {merge.new}"
        for kind, note in (("redefined", "; old labels may mean something else"), ("revised", "")):
            for changed in getattr(self, kind):
                name = changed.new if changed.old == changed.new else f"{changed.old} → {changed.new}"
                yield kind, f"{name}: {', '.join(changed.what)}{note}"
        for old, new in self.forgotten:
            yield (
                "forgotten",
                f"{new} does not list {old!r} under `formerly`; add it, so that old tickets are still understood",
            )
        for hint in self.similar:
            yield (
                "hint",
                f"{hint.old} and {hint.new} look alike ({hint.why}); if they are one, list the old id under `formerly`",
            )


_BESIDES: Final = ("stages", "required_facts", "resolution", "owner")
_KINDS: Final = ("added", "retired", "renamed", "reidentified", "moved", "split", "merged", "redefined", "revised")


def compare_taxonomies(old: Taxonomy, new: Taxonomy) -> TaxonomyDifference:
    """Every change from an old version of a taxonomy to a new one, by ids and what new reasons list under ``formerly``.

    An old reason became the new ones that have its id or list it under ``formerly``. One that became several was split; several that
    became one were merged. Nothing is guessed: a new id that nobody lists is retired, whatever looks like it.

    Parameters
    ----------
    old, new : Taxonomy
        To compare a later version with an earlier one, compare the other way round and take `TaxonomyDifference.backwards`.

    Raises
    ------
    MigrationError
        If an id was used again for another thing, or ``formerly`` contradicts that of the old version.
    """
    links = _links(old, new)
    _check_history(old, new, links)
    sources = _turned(links)
    targets, origins = _table(links), _table(sources)
    pairs = [link for link in links if len(targets[link.old]) == len(origins[link.new]) == 1]
    changed = [pair for pair in pairs if pair.old != pair.new]
    moved = tuple(pair for pair in changed if _is_moved(pair, targets))
    same = [(old[link.old], new[link.new]) for link in links if link in pairs or link.old == link.new]
    added = tuple(sorted(reason.id for reason in new.reasons if reason.id not in origins))
    retired = tuple(sorted(reason.id for reason in old.reasons if reason.id not in targets))
    return TaxonomyDifference(
        old,
        new,
        added=added,
        retired=retired,
        renamed=tuple(
            Relabelling(reason, old[reason].label, new[reason].label)
            for reason in sorted(targets)
            if reason in new and old[reason].label != new[reason].label
        ),
        reidentified=tuple(pair for pair in changed if pair not in moved),
        moved=moved,
        split=tuple(Split(reason, found) for reason, found in sorted(targets.items()) if len(found) > 1),
        merged=tuple(Merge(found, reason) for reason, found in sorted(origins.items()) if len(found) > 1),
        redefined=_redefinitions(same, lambda one, other: _rewritten(one, other, targets)),
        revised=_redefinitions(same, _revised),
        forgotten=_forgotten(old, new, links),
        similar=_similar(old, new, retired, added),
        links=links,
    )


def _links(old: Taxonomy, new: Taxonomy) -> tuple[Pair, ...]:
    found = {Pair(reason.id, reason.id) for reason in old.reasons if reason.id in new}
    for reason in new.reasons:
        for earlier in reason.formerly:
            if earlier not in old:
                continue
            if ("." in earlier) != ("." in reason.id):
                raise MigrationError(
                    f"{reason.id!r} lists {earlier!r} under `formerly`, which is {_level(earlier)} of {_version(old)}; "
                    f"{_level(reason.id)} can only have been another one: list the reason that it was, or none"
                )
            found.add(Pair(earlier, reason.id))
    return tuple(sorted(found))


def _check_history(old: Taxonomy, new: Taxonomy, links: Iterable[Pair]) -> None:
    """Refuse ids that meant one thing before and would mean another now."""
    became = _table(links)
    holders = _holders(old)
    claims = _holders(new)
    for earlier, held_by in holders.items():
        if earlier in old:
            continue
        goes_to = {target for one in held_by for target in became.get(one, ())}
        names = " and ".join(map(repr, held_by))
        if earlier in new and earlier not in goes_to:
            raise MigrationError(
                f"{earlier!r} is an id of {_version(new)}, but {_version(old)} lists it under `formerly` of {names}: an id means one "
                f"reason for good. Give the new reason another id; if it is what {names} was, list that under `formerly`; "
                "if the second version is the earlier one, compare the other way round"
            )
        for claim in claims.get(earlier, ()):
            if claim not in goes_to:
                raise MigrationError(
                    f"{_version(old)} says that {earlier!r} became {names}, {_version(new)} that it became {claim!r}, and {names} did not "
                    f"become that: list {held_by[0]!r} under `formerly` of {claim!r}, or take {earlier!r} out"
                )


def _holders(taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Reasons that list an id under `formerly`, by that id."""
    return _table(sorted(Pair(earlier, one.id) for one in taxonomy.reasons for earlier in one.formerly))


def _is_moved(pair: Pair, targets: Links) -> bool:
    """Whether the primary of a secondary did not become that of its new id."""
    before, after = pair.old.partition(".")[0], pair.new.partition(".")[0]
    return "." in pair.old and after not in targets.get(before, ())


def _redefinitions(
    same: Iterable[tuple[Reason, Reason]], changed: Callable[[Reason, Reason], tuple[str, ...]]
) -> tuple[Redefinition, ...]:
    return tuple(Redefinition(one.id, other.id, what) for one, other in same if (what := changed(one, other)))


def _revised(old: Reason, new: Reason) -> tuple[str, ...]:
    return tuple(name for name in _BESIDES if getattr(old, name, None) != getattr(new, name, None))


def _rewritten(old: Reason, new: Reason, targets: Links) -> tuple[str, ...]:
    what = ["definition"] if old.definition != new.definition else []
    if isinstance(old, SecondaryReason) and isinstance(new, SecondaryReason):
        before = {(targets.get(near.reason, (near.reason,)), near.when) for near in old.not_this}
        if before != {((near.reason,), near.when) for near in new.not_this}:
            what.append("not_this")
    return tuple(what)


def _forgotten(old: Taxonomy, new: Taxonomy, links: Iterable[Pair]) -> tuple[Pair, ...]:
    return tuple(
        sorted(
            Pair(earlier, link.new)
            for link in links
            for earlier in old[link.old].formerly
            if earlier not in old
            and earlier != link.new
            and earlier not in new
            and earlier not in new[link.new].formerly
        )
    )


def _similar(old: Taxonomy, new: Taxonomy, retired: Iterable[str], added: Iterable[str]) -> tuple[Similar, ...]:
    import difflib

    found = []
    for before in retired:
        for after in added:
            if ("." in before) != ("." in after):
                continue
            first, second = (re.sub(r"\W+", " ", one.label.casefold()).strip() for one in (old[before], new[after]))
            if "." in before and before.partition(".")[2] == after.partition(".")[2]:
                found.append(Similar(before, after, "the ids end alike"))
            elif difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() >= LOOKS_ALIKE:
                found.append(Similar(before, after, "their labels"))
    return tuple(found)


def _table(links: Iterable[Pair]) -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for first, second in links:
        table[first] = (*table.get(first, ()), second)
    return table


def _turned(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(Pair(new, old) for old, new in pairs))


def _level(reason: str) -> str:
    return "a secondary" if "." in reason else "a primary"


def _version(taxonomy: Taxonomy) -> str:
    return f"{taxonomy.taxonomy_id} {taxonomy.version}"


def _name(taxonomy: Taxonomy) -> dict[str, str]:
    return {"taxonomy_id": taxonomy.taxonomy_id, "version": taxonomy.version, "sha256": taxonomy.sha256}
