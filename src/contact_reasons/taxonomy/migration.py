"""A migration as data: what becomes of every reason of an old version of a taxonomy. Read from strict YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from contact_reasons.errors import MigrationError, nearest, shorten
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.schema import KeyPath, seal_of
from contact_reasons.taxonomy.difference import TaxonomyDifference
from contact_reasons.taxonomy.model import Taxonomy
from contact_reasons.taxonomy.strict_yaml import StrictDocument, load_strict_yaml

__all__ = ["Migration", "Verdict", "draft_migration", "migration_of", "read_migration"]

FORMAT: Final = "1"
_TOP: Final = ("migration", "from", "to", "reasons")
_SIDE: Final = ("taxonomy", "taxonomy_id", "version", "sha256")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.][\w./-]*\Z", re.ASCII)


class Verdict(NamedTuple):
    """What becomes of an old reason.

    Parameters
    ----------
    kind : {'to', 'split', 'retired'}
    targets : tuple of str
        New ids: one, several, none.
    """

    kind: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Migration:
    """What becomes of every reason of an old version of a taxonomy.

    Parameters
    ----------
    old, new : Taxonomy
    verdicts : mapping of str to Verdict
        By every old id, of both levels.
    lines : mapping of str to int
        Line of each old id in the file it was read from.
    source : str
        That file, for messages.
    old_file, new_file : Path or None
        Of the taxonomies, if they were read from files.

    Raises
    ------
    MigrationError
        If an old id is left out, a target does not exist or is of the wrong level.

    Examples
    --------
    >>> old = Taxonomy.from_pairs([("Billing", "Refund")])
    >>> data = {"taxonomy_id": "own", "version": "2", "primaries": [{"id": "money", "label": "Money", "formerly": ["billing"],
    ...     "secondaries": [{"id": "money.refund", "label": "Refund", "formerly": ["billing.refund"]}]}]}
    >>> from contact_reasons.taxonomy import compare_taxonomies
    >>> migration = migration_of(compare_taxonomies(old, Taxonomy.from_dict(data)))
    >>> migration.verdict("billing.refund")
    Verdict(kind='to', targets=('money.refund',))
    """

    old: Taxonomy
    new: Taxonomy
    verdicts: Mapping[str, Verdict]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    source: str = field(default="migration", compare=False)
    old_file: Path | None = field(default=None, compare=False)
    new_file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for reason in self.old.reasons:
            if reason.id not in self.verdicts:
                self._fail(
                    None,
                    f"{reason.id!r} of {self.old.taxonomy_id} {self.old.version} is left out; add it with `to`, `split` or `retired: none`",
                )
        for reason_id, verdict in self.verdicts.items():
            if reason_id not in self.old:
                self._fail(
                    reason_id,
                    f"{shorten(reason_id)} is no reason of {self.old.taxonomy_id} {self.old.version}; "
                    f"{nearest(reason_id, [one.id for one in self.old.reasons])}",
                )
            self._check(reason_id, verdict)

    def _check(self, reason: str, verdict: Verdict) -> None:
        for target in verdict.targets:
            if target not in self.new:
                self._fail(
                    reason,
                    f"{shorten(target)} is no reason of {self.new.taxonomy_id} {self.new.version}; "
                    f"{nearest(target, [one.id for one in self.new.reasons])}",
                )
        levels = {"." in target for target in verdict.targets}
        if verdict.kind == "split" and (
            len(set(verdict.targets)) < 2 or len(set(verdict.targets)) < len(verdict.targets)
        ):
            self._fail(reason, "a split has two or more different reasons; write `to` for a single one")
        if len(levels) > 1:
            self._fail(reason, "a split is among secondaries or among primaries, not both; leave out one kind")
        if "." not in reason and True in levels:
            self._fail(
                reason,
                "a primary alone cannot become a secondary: nobody said which; write a primary, or `retired: none`",
            )

    def _fail(self, reason: str | None, what: str) -> NoReturn:
        line = self.lines.get(reason) if reason is not None else None
        place = self.source if line is None else f"{self.source}, line {line}"
        raise MigrationError(f"{place}{'' if reason is None else f', reasons.{reason}'}: {what}")

    @cached_property
    def sha256(self) -> str:
        """Hash of both versions and all verdicts, in whatever order they stand."""
        return seal_of(
            {
                "from": self.old.sha256,
                "to": self.new.sha256,
                "reasons": {reason: [one.kind, sorted(one.targets)] for reason, one in self.verdicts.items()},
            }
        )

    @property
    def version(self) -> str:
        """What migrated rows bear: both versions and the beginning of `sha256`."""
        ids = dict.fromkeys((self.old.taxonomy_id, self.new.taxonomy_id))
        return f"{'/'.join(ids)} {self.old.version} > {self.new.version} {self.sha256[:12]}"

    @cached_property
    def earlier(self) -> Mapping[str, Verdict]:
        """What becomes of ids of still earlier versions, which the old one lists under ``formerly``.

        An id of several old reasons becomes whatever they become.
        """
        holders: dict[str, list[str]] = {}
        for reason in self.old.reasons:
            for earlier in reason.formerly:
                if earlier not in self.old and earlier not in self.new:
                    holders.setdefault(earlier, []).append(reason.id)
        return {earlier: _together(self.verdicts[one] for one in found) for earlier, found in sorted(holders.items())}

    def verdict(self, reason: str) -> Verdict | None:
        """What becomes of an id: of the old version, of the new one (it stays), of an earlier one; None if nobody knows it.

        Parameters
        ----------
        reason : str
        """
        if reason in self.verdicts:
            return self.verdicts[reason]
        return Verdict("to", (reason,)) if reason in self.new else self.earlier.get(reason)

    @property
    def changed(self) -> dict[str, Verdict]:
        """Verdicts of ids, earlier ones among them, that do not simply stay."""
        known = {**self.verdicts, **self.earlier}
        return {reason: verdict for reason, verdict in known.items() if verdict != Verdict("to", (reason,))}


def _together(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    targets = tuple(sorted({target for verdict in found for target in verdict.targets}))
    below = {target.partition(".")[0] for target in targets if "." in target}
    if any("." not in target for target in targets) and below:  # both levels: all as primaries
        targets = tuple(sorted(below | {target for target in targets if "." not in target}))
    return _verdict(targets)


def _verdict(targets: tuple[str, ...]) -> Verdict:
    return Verdict(("retired", "to")[len(targets)] if len(targets) < 2 else "split", targets)


def migration_of(difference: TaxonomyDifference) -> Migration:
    """The migration that follows from a difference alone.

    A bare primary, of contacts whose secondary was not sure, becomes whatever its secondaries' primaries are now: if one of them moved away, nobody
    can say without the text, so it is split.

    Parameters
    ----------
    difference : TaxonomyDifference
    """
    targets: dict[str, set[str]] = {}
    for old, new in difference.links:
        targets.setdefault(old, set()).add(new)
    verdicts = {}
    for primary in difference.old.primaries:
        found = {target.partition(".")[0] for one in primary.secondaries for target in targets.get(one.id, ())}
        verdicts[primary.id] = _verdict(tuple(sorted(found or targets.get(primary.id, set()))))
        for one in primary.secondaries:
            verdicts[one.id] = _verdict(tuple(sorted(targets.get(one.id, set()))))
    return Migration(difference.old, difference.new, verdicts)


def draft_migration(difference: TaxonomyDifference, *, old: str = "", new: str = "") -> str:
    """A migration file to be read and edited by a person: every old id, changes with a comment.

    Parameters
    ----------
    difference : TaxonomyDifference
    old, new : str
        Where the taxonomies lie, relative to the migration file, or names of packs.

    Raises
    ------
    MigrationError
        If both versions bear the same id and version: rows could not say by which they are labelled.
    """
    before, after = difference.old, difference.new
    if (before.taxonomy_id, before.version) == (after.taxonomy_id, after.version):
        raise MigrationError(
            f"both taxonomies are {before.taxonomy_id} {before.version}; raise `version` in the new one, so that labels can say which they follow"
        )
    verdicts = migration_of(difference).verdicts
    lines = [
        f"# What becomes of each reason of {difference.title}. Edit the verdicts; every old id keeps one.",
        "# to: unambiguous. split: decided ticket by ticket. retired: none: old tickets keep the id, as history.",
        f"migration: {FORMAT}",
        *_side("from", before, old),
        *_side("to", after, new),
        "reasons:",
    ]
    redefined = {one.old for one in difference.redefined}
    hints = {one.old: one for one in difference.similar}
    for reason, verdict in verdicts.items():
        note = "redefined: do old labels still mean the same?" if reason in redefined and verdict.kind == "to" else ""
        if hint := hints.get(reason):
            note = f"looks like {hint.new}: {hint.why}"
        if verdict.kind == "split" and "." not in reason:
            note = "a label without a secondary: some of its secondaries moved"
        lines.append(f"  {reason}: {_flow(verdict)}{f'  # {note}' if note else ''}")
    return "\n".join(lines) + "\n"


def _side(name: str, taxonomy: Taxonomy, place: str) -> Iterator[str]:
    yield f"{name}:"
    for key, value in zip(_SIDE, (place, taxonomy.taxonomy_id, taxonomy.version, taxonomy.sha256), strict=True):
        yield f"  {key}: {_scalar(value)}"


def _flow(verdict: Verdict) -> str:
    if verdict.kind == "retired":
        return "{retired: none}"
    return f"{{to: {verdict.targets[0]}}}" if verdict.kind == "to" else f"{{split: [{', '.join(verdict.targets)}]}}"


def _scalar(value: str) -> str:
    return value if _PLAIN.match(value) else json.dumps(value, ensure_ascii=False)


def read_migration(path: str | Path, *, old: Taxonomy | None = None, new: Taxonomy | None = None) -> Migration:
    """The migration in a file, checked against both taxonomies: every old id has a verdict, every target exists.

    Parameters
    ----------
    path : str or Path
    old, new : Taxonomy, optional
        In place of those that the file names. They must have the hashes in the file.

    Raises
    ------
    MigrationError
        Naming file, line and what would be right.
    """
    document = load_strict_yaml(path, MigrationError)
    reader = _Reader(document, Path(path).parent)
    top = reader.mapping((), document.data, _TOP)
    if top["migration"] != FORMAT:
        reader.fail(
            ("migration",), f"format {shorten(top['migration'])}; this version of contact-reasons reads format {FORMAT}"
        )
    before, after = reader.side("from", top["from"], old), reader.side("to", top["to"], new)
    reasons = reader.mapping(("reasons",), top["reasons"], None)
    verdicts = {reason: reader.verdict(("reasons", reason), data) for reason, data in reasons.items()}
    lines = {reason: document.lines[("reasons", reason)] for reason in verdicts}
    old_file = None if old is not None else reader.file("from", top["from"]["taxonomy"])
    new_file = None if new is not None else reader.file("to", top["to"]["taxonomy"])
    return Migration(before, after, verdicts, lines, str(path), old_file, new_file)


class _Reader:
    def __init__(self, document: StrictDocument, folder: Path) -> None:
        self.document, self.folder = document, folder

    def fail(self, path: KeyPath, what: str) -> NoReturn:
        raise MigrationError(f"{self.document.where(path)}: {what}")

    def mapping(self, path: KeyPath, data: Any, keys: tuple[str, ...] | None) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            self.fail(path, f"this must be a mapping (key: value), not {shorten(data)}")
        for key in keys or ():
            if key not in data:
                self.fail(path, f"the key {key!r} is missing; add it, or draft the file again")
        for key in data:
            if keys is not None and key not in keys:
                self.fail((*path, key), f"the key {shorten(key)} is not known here; {nearest(key, keys)}")
        return data

    def side(self, name: str, data: Any, given: Taxonomy | None) -> Taxonomy:
        said = self.mapping((name,), data, _SIDE)
        place = said["taxonomy"]
        if not isinstance(place, str) or (not place and given is None):
            self.fail(
                (name, "taxonomy"), "write where the taxonomy file lies, relative to this file, or the name of a pack"
            )
        found = given or Taxonomy.from_yaml(self.file(name, place))
        for key in _SIDE[1:]:
            if said[key] != getattr(found, key):
                self.fail(
                    (name, key),
                    f"{shorten(said[key])} is written here, {place or 'the taxonomy given'} has {getattr(found, key)!r}; "
                    "name the version that this migration is of, or draft it again",
                )
        return found

    def file(self, name: str, place: str) -> Path:
        if place in pack_names():
            return pack_files(place).taxonomy
        path = self.folder / place
        path = path / "taxonomy.yaml" if path.is_dir() else path
        if not path.is_file():
            self.fail(
                (name, "taxonomy"), f"there is no file {path}; write where that version of the taxonomy is kept now"
            )
        return path

    def verdict(self, path: KeyPath, data: Any) -> Verdict:
        kinds = ("to", "split", "retired")
        if not isinstance(data, Mapping) or len(data) != 1 or next(iter(data)) not in kinds:
            self.fail(path, "write one of {to: ID}, {split: [ID, ID]} and {retired: none}")
        ((kind, value),) = data.items()
        if kind == "retired":
            if value != "none":
                self.fail((*path, kind), f"write `retired: none`, not {shorten(value)}: a retired reason has no target")
            return Verdict("retired")
        ids = value if kind == "split" else [value]
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
            self.fail((*path, kind), "write {to: ID} or {split: [ID, ID]}, with ids of the new version")
        return Verdict(kind, tuple(ids))
