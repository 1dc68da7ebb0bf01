"""`Taxonomy`: all contact reasons of one interaction type, at two levels."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

import yaml

from contact_reasons.errors import TaxonomyError, nearest, shorten
from contact_reasons.records import ReasonLabel
from contact_reasons.resources import pack_files
from contact_reasons.schema import KeyPath, Mistakes, Record, check, many, mistake, path_text, string, text
from contact_reasons.taxonomy.picker import label_of_choice
from contact_reasons.taxonomy.strict_yaml import StrictDocument, load_strict_yaml

__all__ = ["MAX_CODE_CHARS", "NearMiss", "PrimaryReason", "SecondaryReason", "Taxonomy", "word_of_id"]

MAX_CODE_CHARS = 40
"""Longest id, with its dot written ``__``: the strictest limit among the CRMs (ServiceNow)."""

MAX_PRIMARY_CHARS = 18
"""Longest primary id that is made from a label: it leaves 20 characters to the secondary."""

MAX_LABEL_CHARS = 80
"""Longest label."""

_WORD = r"[a-z](?:_?[a-z0-9])*"
_PRIMARY_ID = re.compile(rf"{_WORD}\Z")
_SECONDARY_ID = re.compile(rf"{_WORD}\.{_WORD}\Z")
_RESERVED = ("missing",)


def _read_id(given: Any, pattern: re.Pattern[str], example: str) -> str:
    value = string(given).strip()
    if not pattern.match(value):
        suggestion = re.sub(r"_*\._*", ".", re.sub(r"[^a-z0-9.]+", "_", value.lower())).strip("_.")
        hint = f"; write {suggestion!r}" if pattern.match(suggestion) else ""
        raise mistake(
            f"{shorten(value)} is not a valid reason id. Ids are lower snake case, such as {example!r}{hint}. "
            "If the id was in use, list the old one under `formerly`"
        )
    if len(value.replace(".", "__")) > MAX_CODE_CHARS:
        raise mistake(
            f"{value!r} has {len(value.replace('.', '__'))} characters (dot written '__'); "
            f"CRMs take at most {MAX_CODE_CHARS}: shorten it"
        )
    if value in _RESERVED:
        raise mistake(f"{value!r} is a word of the policy language; choose another id")
    return value


_primary_id: Final = check(lambda value: _read_id(value, _PRIMARY_ID, "billing"))
_secondary_id: Final = check(lambda value: _read_id(value, _SECONDARY_ID, "billing.refund_request"))
_label: Final = check(text(1, MAX_LABEL_CHARS))
_note: Final = text(1, 2000)
_notes: Final = check(many(_note))
_any_text: Final = check(text())


class _TaxonomyMistakes(Mistakes, TaxonomyError):
    """Mistakes in reasons that were made in code."""


class _Part(Record):
    mistakes = _TaxonomyMistakes


@dataclass(frozen=True, kw_only=True)
class NearMiss(_Part):
    """A neighbouring reason that is easily mistaken for this one, and when it is the right one."""

    reason: str = field(metadata=_secondary_id)
    when: str = field(metadata=check(_note))


@dataclass(frozen=True, kw_only=True)
class SecondaryReason(_Part):
    """A secondary reason: what a customer would pick, and what it takes to resolve it.

    Parameters
    ----------
    id : str
        ``primary.secondary`` in lower snake case; never changes.
    label : str
        In the customer's words, at most 80 characters.
    definition : str
        One line; empty only in a taxonomy made from bare labels.
    not_this : tuple of NearMiss
    stages : tuple of str
        Life-cycle stages in which the reason occurs.
    required_facts : tuple of str
        Facts needed to resolve it.
    resolution : str
        The usual way to resolve it, in one line.
    owner : str
        Who in the company usually owns it.
    formerly : tuple of str
        Ids under which it, or a part of it, was known in earlier versions.
    """

    id: str = field(metadata=_secondary_id)
    label: str = field(metadata=_label)
    definition: str = field(default="", metadata=_any_text)
    not_this: tuple[NearMiss, ...] = field(default=(), metadata=check(many(NearMiss.read)))
    stages: tuple[str, ...] = field(default=(), metadata=_notes)
    required_facts: tuple[str, ...] = field(default=(), metadata=_notes)
    resolution: str = field(default="", metadata=_any_text)
    owner: str = field(default="", metadata=_any_text)
    formerly: tuple[str, ...] = field(default=(), metadata=_notes)

    @property
    def primary(self) -> str:
        """Id of the primary reason."""
        return self.id.partition(".")[0]

    @property
    def code(self) -> str:
        """The id as CRMs take it, ``billing__refund_request``."""
        return self.id.replace(".", "__")


@dataclass(frozen=True, kw_only=True)
class PrimaryReason(_Part):
    """A primary reason and its secondaries."""

    id: str = field(metadata=_primary_id)
    label: str = field(metadata=_label)
    definition: str = field(default="", metadata=_any_text)
    formerly: tuple[str, ...] = field(default=(), metadata=_notes)
    secondaries: tuple[SecondaryReason, ...] = field(metadata=check(many(SecondaryReason.read, least=1)))


@dataclass(frozen=True, kw_only=True)
class Taxonomy(_Part):
    """All contact reasons of one interaction type.

    Secondary ids begin with the id of the primary they are listed under; every id is unique. An id may be listed under ``formerly`` of several
    reasons: it was split among them, and may itself stay in use. Order in the file is the order of display; probabilities are
    always in the sorted order of `secondary_ids`.

    Parameters
    ----------
    taxonomy_id, version, industry, interaction_type, language : str
    stages : tuple of str
        Life-cycle stages of the business, in order.
    primaries : tuple of PrimaryReason

    Raises
    ------
    TaxonomyError
        From `load`, `from_yaml`, `from_dict` and `from_pairs`, naming what is wrong and where.

    Examples
    --------
    >>> taxonomy = Taxonomy.from_pairs([("Billing", "Refund"), ("Billing", "Invoice copy")])
    >>> taxonomy.secondary_ids
    ('billing.invoice_copy', 'billing.refund')
    """

    taxonomy_id: str = field(metadata=_primary_id)
    version: str = field(metadata=check(_note))
    industry: str = field(default="", metadata=_any_text)
    interaction_type: str = field(default="", metadata=_any_text)
    language: str = field(default="en", metadata=_any_text)
    stages: tuple[str, ...] = field(default=(), metadata=_notes)
    primaries: tuple[PrimaryReason, ...] = field(metadata=check(many(PrimaryReason.read, least=1)))

    def __post_init__(self) -> None:
        super().__post_init__()
        found = self._first_misfit()
        if found is not None:
            raise self.mistakes([found])

    @classmethod
    def load(cls, pack: str | Path) -> Self:
        """The taxonomy of a pack, by its name, or of a file or pack folder, by its path."""
        path = Path(pack)
        if path.suffix in (".yaml", ".yml"):
            return cls.from_yaml(path)
        return cls.from_yaml(pack_files(pack).taxonomy)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The taxonomy in a YAML file."""
        return cls._from_document(load_strict_yaml(path, TaxonomyError))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The taxonomy described by a mapping of the same shape as the file."""
        return cls._from_document(StrictDocument(data, {}, ""))

    @classmethod
    def _from_document(cls, document: StrictDocument) -> Self:
        if not isinstance(document.data, Mapping):
            raise TaxonomyError(
                f"{document.where(())}: a taxonomy is a mapping with taxonomy_id, version and primaries"
            )
        try:
            return cls.read(document.data)
        except Mistakes as exc:
            problems = [f"{document.where(path)}: {what}" for path, what in exc.found]
            more = f"\n({len(problems) - 8} more)" if len(problems) > 8 else ""
            raise TaxonomyError("\n".join(problems[:8]) + more) from None

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, str]], *, taxonomy_id: str = "own", version: str = "1") -> Self:
        """A taxonomy made from labels: an id is made from each label, equal pairs count once.

        `id_of` gives the id of a pair. Ids depend on the order of first appearance only where two
        labels would make the same id (the later one gets a number) or hold no Latin letter.

        Parameters
        ----------
        pairs : iterable of (str, str)
            Primary and secondary label of each reason.
        """
        table: dict[str, list[str]] = {}
        for pair in pairs:
            if (
                not isinstance(pair, tuple | list)
                or len(pair) != 2
                or not all(isinstance(label, str) and 0 < len(label.strip()) <= MAX_LABEL_CHARS for label in pair)
            ):
                raise TaxonomyError(
                    f"from_pairs: {shorten(pair)} is not a pair of labels; give (primary, secondary), "
                    f"each a string of 1 to {MAX_LABEL_CHARS} characters"
                )
            secondaries = table.setdefault(pair[0].strip(), [])
            if pair[1].strip() not in secondaries:
                secondaries.append(pair[1].strip())
        used: set[str] = set()
        primaries = []
        for primary_label, labels in table.items():
            primary_id = _new_slug(primary_label, used, MAX_PRIMARY_CHARS)
            taken: set[str] = set()
            primaries.append(
                {
                    "id": primary_id,
                    "label": primary_label,
                    "secondaries": [
                        {
                            "id": f"{primary_id}.{_new_slug(label, taken, MAX_CODE_CHARS - 2 - len(primary_id))}",
                            "label": label,
                        }
                        for label in labels
                    ],
                }
            )
        return cls.from_dict({"taxonomy_id": taxonomy_id, "version": version, "primaries": primaries})

    def _first_misfit(self) -> tuple[KeyPath, str] | None:
        """The first thing in which reasons do not fit each other, and its place."""
        seen: dict[str, KeyPath] = {}
        for i, primary in enumerate(self.primaries):
            at: KeyPath = ("primaries", i)
            if primary.id in seen:
                return (*at, "id"), f"the primary {primary.id!r} is listed twice; rename one"
            seen[primary.id] = at
            for j, secondary in enumerate(primary.secondaries):
                at = ("primaries", i, "secondaries", j)
                if secondary.primary != primary.id:
                    return (*at, "id"), (
                        f"{secondary.id!r} is listed under the primary {primary.id!r}; its id must begin "
                        f"with '{primary.id}.': move it or rename it, with the old id under `formerly`"
                    )
                if secondary.id in seen:
                    other = path_text(seen[secondary.id])
                    return (*at, "id"), f"{secondary.id!r} is already the id at {other}; rename one of the two"
                seen[secondary.id] = at
                for stage in secondary.stages:
                    if self.stages and stage not in self.stages:
                        return (*at, "stages"), (
                            f"{stage!r} is not a stage of this taxonomy; {nearest(stage, self.stages)}"
                        )
        return self._first_wrong_reference(seen)

    def _first_wrong_reference(self, seen: Mapping[str, KeyPath]) -> tuple[KeyPath, str] | None:
        for reason in self.reasons:
            at: KeyPath = (*seen[reason.id], "formerly")
            for old in reason.formerly:
                if old == reason.id or reason.formerly.count(old) > 1:
                    return at, f"{old!r} is {'its own id' if old == reason.id else 'listed twice'}; remove it"
                if old in seen and ("." in old) != ("." in reason.id):
                    return at, (
                        f"{old!r} is in use at {path_text(seen[old])}, on the other level; a primary and a secondary cannot have been one"
                    )
        circle = self._first_circle()
        if circle:
            return (*seen[circle[0]], "formerly"), (
                f"{' and '.join(map(repr, circle))} list each other under `formerly`, so that nobody can say which became which; "
                "an id means one reason for good: give the reasons new ids, each with its old one under `formerly`"
            )
        for secondary in self.secondaries:
            for near in secondary.not_this:
                if near.reason not in seen:
                    return (*seen[secondary.id], "not_this"), (
                        f"no reason has the id {near.reason!r}; {nearest(near.reason, self.secondary_ids)}"
                    )
        return None

    def _first_circle(self) -> list[str]:
        """Ids in use that lead back to themselves through `formerly`; empty if there are none."""
        ids = {reason.id for reason in self.reasons}
        earlier = {reason.id: used for reason in self.reasons if (used := ids.intersection(reason.formerly))}
        if not earlier:
            return []
        from graphlib import CycleError, TopologicalSorter

        try:
            TopologicalSorter(earlier).prepare()
        except CycleError as exc:
            return sorted(set(exc.args[1]))
        return []

    def __repr__(self) -> str:
        """Id, version and size."""
        return f"Taxonomy({self.taxonomy_id!r}, {self.version!r}, {len(self.primaries)} primaries, {len(self.secondaries)} secondaries)"

    @functools.cached_property
    def secondaries(self) -> tuple[SecondaryReason, ...]:
        """All secondary reasons, in the order of the file."""
        return tuple(secondary for primary in self.primaries for secondary in primary.secondaries)

    @functools.cached_property
    def reasons(self) -> tuple[PrimaryReason | SecondaryReason, ...]:
        """All primary reasons, then all secondary reasons, in the order of the file."""
        return (*self.primaries, *self.secondaries)

    @functools.cached_property
    def secondary_ids(self) -> tuple[str, ...]:
        """All secondary ids, sorted: the order of ``classes_``."""
        return tuple(sorted(secondary.id for secondary in self.secondaries))

    @functools.cached_property
    def _by_id(self) -> dict[str, PrimaryReason | SecondaryReason]:
        return {reason.id: reason for reason in self.reasons}

    def __contains__(self, reason_id: object) -> bool:
        """Whether a primary or secondary of that id exists."""
        return reason_id in self._by_id

    def __getitem__(self, reason_id: str) -> PrimaryReason | SecondaryReason:
        """The primary or secondary reason of that id.

        Raises
        ------
        TaxonomyError
            If there is none, naming the nearest.
        """
        try:
            return self._by_id[reason_id]
        except KeyError:
            raise TaxonomyError(
                f"taxonomy {self.taxonomy_id!r} has no reason {shorten(reason_id)}; {nearest(reason_id, self._by_id)}"
            ) from None

    def id_of(self, primary_label: str, secondary_label: str) -> str:
        """The secondary id of a pair of labels.

        Raises
        ------
        TaxonomyError
            If no secondary has these labels.
        """
        wanted = (primary_label.strip(), secondary_label.strip())
        for primary in self.primaries:
            for secondary in primary.secondaries:
                if (primary.label, secondary.label) == wanted:
                    return secondary.id
        raise TaxonomyError(
            f"taxonomy {self.taxonomy_id!r} has no reason labelled {wanted!r}; add it to the taxonomy file, or correct the label"
        )

    def picker(self) -> dict[str, Any]:
        """The reasons as plain data for JSON, in the order of display: for a page or a chatbot that asks in two steps.

        ``primaries`` each have ``id``, ``label``, ``definition`` and ``secondaries``; these have ``id``, ``label`` and ``definition``.
        """
        return {
            "taxonomy_id": self.taxonomy_id,
            "version": self.version,
            "language": self.language,
            "primaries": [
                {**_shown(primary), "secondaries": [_shown(secondary) for secondary in primary.secondaries]}
                for primary in self.primaries
            ],
        }

    def pick(self, primary: str | None, secondary: str | None = None) -> ReasonLabel:
        """The label of a choice that a person made: confidence 1, no ranked reasons.

        Parameters
        ----------
        primary : str or None
            None, "something else": the contact is left to a person.
        secondary : str, optional
            None: the primary alone, "something else" in the second step.

        Raises
        ------
        TaxonomyError
            If there is no such primary, or the secondary is not listed under it.
        """
        listed = {each.id: [child.id for child in each.secondaries] for each in self.primaries}
        return label_of_choice(self.taxonomy_id, listed, primary, secondary)

    def to_yaml(self) -> str:
        """The taxonomy as a file that `from_yaml` reads as an equal one."""
        return yaml.safe_dump(
            _without_defaults(self),
            sort_keys=False,
            allow_unicode=True,
            width=120,
        )

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the content: equal for equal taxonomies, whatever the file's spacing or comments."""
        canonical = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _shown(reason: PrimaryReason | SecondaryReason) -> dict[str, Any]:
    return {"id": reason.id, "label": reason.label, "definition": reason.definition}


def _without_defaults(value: Any) -> Any:
    """Records as plain data, without the fields that have their default value."""
    if isinstance(value, tuple):
        return [_without_defaults(item) for item in value]
    if not isinstance(value, _Part):
        return value
    given = {one.name: (getattr(value, one.name), one.default) for one in fields(value)}  # type: ignore[arg-type]
    return {
        name: _without_defaults(kept)
        for name, (kept, default) in given.items()
        if default is MISSING or kept != default
    }


def word_of_id(label: str, max_chars: int) -> str:
    """The part of an id that a label makes: lower snake case, at most so many characters.

    Parameters
    ----------
    label : str
    max_chars : int

    Examples
    --------
    >>> word_of_id("Übergabe & delivery: late?", 18)
    'ubergabe_delivery'
    """
    ascii_label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", ascii_label).strip("_")
    if not stem or not stem[0].isalpha() or stem in _RESERVED:
        stem = f"r_{stem}".rstrip("_")
    return stem[:max_chars].rstrip("_")


def _new_slug(label: str, used: set[str], max_chars: int) -> str:
    stem = slug = word_of_id(label, max_chars)
    number = 2
    while slug in used:
        suffix = f"_{number}"
        slug, number = stem[: max_chars - len(suffix)] + suffix, number + 1
    used.add(slug)
    return slug
