"""`Taxonomy`: all contact reasons of one interaction type, at two levels."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from contact_reasons.errors import TaxonomyError, nearest, shorten
from contact_reasons.resources import pack_files
from contact_reasons.taxonomy.strict_yaml import KeyPath, StrictDocument, load_strict_yaml

__all__ = ["MAX_CODE_CHARS", "NearMiss", "PrimaryReason", "SecondaryReason", "Taxonomy"]

MAX_CODE_CHARS = 40
"""Longest id, with its dot written ``__``: the strictest limit among the CRMs (ServiceNow)."""

MAX_LABEL_CHARS = 80
"""Longest label."""

_WORD = r"[a-z](?:_?[a-z0-9])*"
_PRIMARY_ID = re.compile(rf"{_WORD}\Z")
_SECONDARY_ID = re.compile(rf"{_WORD}\.{_WORD}\Z")
_RESERVED = ("missing",)


def _check_id(value: str, pattern: re.Pattern[str], example: str) -> str:
    if not pattern.match(value):
        suggestion = re.sub(r"_*\._*", ".", re.sub(r"[^a-z0-9.]+", "_", value.lower())).strip("_.")
        hint = f"; write {suggestion!r}" if pattern.match(suggestion) else ""
        raise ValueError(
            f"{shorten(value)} is not a valid reason id. Ids are lower snake case, such as {example!r}{hint}. "
            "If the id was in use, list the old one under `formerly`"
        )
    if len(value.replace(".", "__")) > MAX_CODE_CHARS:
        raise ValueError(
            f"{value!r} has {len(value.replace('.', '__'))} characters (dot written '__'); "
            f"CRMs take at most {MAX_CODE_CHARS}: shorten it"
        )
    if value in _RESERVED:
        raise ValueError(f"{value!r} is a word of the policy language; choose another id")
    return value


PrimaryId = Annotated[str, AfterValidator(lambda value: _check_id(value, _PRIMARY_ID, "billing"))]
SecondaryId = Annotated[str, AfterValidator(lambda value: _check_id(value, _SECONDARY_ID, "billing.refund_request"))]
NonEmpty = Annotated[str, Field(min_length=1, max_length=2000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, str_strip_whitespace=True)


class NearMiss(_Frozen):
    """A neighbouring reason that is easily mistaken for this one, and when it is the right one."""

    reason: SecondaryId
    when: NonEmpty


class SecondaryReason(_Frozen):
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
    formerly : tuple of str
        Ids under which it was known in earlier versions.
    """

    id: SecondaryId
    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS)]
    definition: str = ""
    not_this: tuple[NearMiss, ...] = ()
    stages: tuple[NonEmpty, ...] = ()
    required_facts: tuple[NonEmpty, ...] = ()
    formerly: tuple[NonEmpty, ...] = ()

    @property
    def primary(self) -> str:
        """Id of the primary reason."""
        return self.id.partition(".")[0]

    @property
    def code(self) -> str:
        """The id as CRMs take it, ``billing__refund_request``."""
        return self.id.replace(".", "__")


class PrimaryReason(_Frozen):
    """A primary reason and its secondaries."""

    id: PrimaryId
    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARS)]
    definition: str = ""
    formerly: tuple[NonEmpty, ...] = ()
    secondaries: Annotated[tuple[SecondaryReason, ...], Field(min_length=1)]


class Taxonomy(_Frozen):
    """All contact reasons of one interaction type.

    Secondary ids begin with the id of the primary they are listed under; every id is unique, and so is
    every id once listed under ``formerly``. Order in the file is the order of display; probabilities are
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

    taxonomy_id: PrimaryId
    version: NonEmpty
    industry: str = ""
    interaction_type: str = ""
    language: str = "en"
    stages: tuple[NonEmpty, ...] = ()
    primaries: Annotated[tuple[PrimaryReason, ...], Field(min_length=1)]

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
            return cls.model_validate(document.data)
        except ValidationError as exc:
            errors = exc.errors()
            paths = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
            problems = [_problem(document, error) for error in errors if not error["loc"] or error["loc"] not in paths]
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
            primary_id = _new_slug(primary_label, used, 18)
            taken: set[str] = set()
            primaries.append(
                {
                    "id": primary_id,
                    "label": primary_label,
                    "secondaries": [
                        {
                            "id": f"{primary_id}.{_new_slug(label, taken, 38 - len(primary_id))}",
                            "label": label,
                        }
                        for label in labels
                    ],
                }
            )
        return cls.from_dict({"taxonomy_id": taxonomy_id, "version": version, "primaries": primaries})

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        seen: dict[str, str] = {}
        for i, primary in enumerate(self.primaries):
            if primary.id in seen:
                raise ValueError(f"primaries[{i}].id: the primary {primary.id!r} is listed twice; rename one")
            seen[primary.id] = f"primaries[{i}]"
            for j, secondary in enumerate(primary.secondaries):
                at = f"primaries[{i}].secondaries[{j}]"
                if secondary.primary != primary.id:
                    raise ValueError(
                        f"{at}.id: {secondary.id!r} is listed under the primary {primary.id!r}; its id must begin "
                        f"with '{primary.id}.': move it or rename it, with the old id under `formerly`"
                    )
                if secondary.id in seen:
                    raise ValueError(
                        f"{at}.id: {secondary.id!r} is already the id at {seen[secondary.id]}; rename one of the two"
                    )
                seen[secondary.id] = at
                for stage in secondary.stages:
                    if self.stages and stage not in self.stages:
                        raise ValueError(
                            f"{at}.stages: {stage!r} is not a stage of this taxonomy; {nearest(stage, self.stages)}"
                        )
        self._check_references(seen)
        return self

    def _check_references(self, seen: Mapping[str, str]) -> None:
        earlier: dict[str, str] = {}
        for reason in self.reasons:
            at = seen[reason.id]
            for old in reason.formerly:
                if old in seen or old in earlier:
                    other = seen.get(old) or earlier[old]
                    raise ValueError(f"{at}.formerly: {old!r} is in use at {other}; an id means one reason for good")
                earlier[old] = at
        for secondary in self.secondaries:
            for near in secondary.not_this:
                if near.reason not in seen:
                    raise ValueError(
                        f"{seen[secondary.id]}.not_this: no reason has the id {near.reason!r}; "
                        f"{nearest(near.reason, self.secondary_ids)}"
                    )

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

    def to_yaml(self) -> str:
        """The taxonomy as a file that `from_yaml` reads as an equal one."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_defaults=True),
            sort_keys=False,
            allow_unicode=True,
            width=120,
        )

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the content: equal for equal taxonomies, whatever the file's spacing or comments."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _problem(document: StrictDocument, error: Any) -> str:
    path: KeyPath = tuple(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = {
            0: Taxonomy.model_fields,
            2: PrimaryReason.model_fields,
            4: SecondaryReason.model_fields,
            6: NearMiss.model_fields,
        }.get(len(path) - 1, {})
        message = f"the key {shorten(path[-1])} is not known here; {nearest(path[-1], known)}"
    elif error["type"] == "missing":
        message = f"the key {path[-1]!r} is missing; add it"
    elif error["type"] != "value_error":
        message = f"{message[0].lower()}{message[1:]}, not {shorten(error['input'])}"
    return f"{document.where(path)}: {message}"


def _new_slug(label: str, used: set[str], max_chars: int) -> str:
    ascii_label = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", ascii_label).strip("_")
    if not stem or not stem[0].isalpha() or stem in _RESERVED:
        stem = f"r_{stem}".rstrip("_")
    stem = stem[:max_chars].rstrip("_")
    slug, number = stem, 2
    while slug in used:
        suffix = f"_{number}"
        slug, number = stem[: max_chars - len(suffix)] + suffix, number + 1
    used.add(slug)
    return slug
