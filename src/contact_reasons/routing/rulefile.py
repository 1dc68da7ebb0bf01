"""The rule file: from a document to a checked `RuleTable`. Every key is known, every mistake names its place."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contact_reasons.errors import PolicyError, TaxonomyError, nearest, shorten
from contact_reasons.records import Channel
from contact_reasons.resources import pack_names
from contact_reasons.routing.dates import DATE, DateDomain, day_of
from contact_reasons.routing.domains import MISSING, BoolDomain, Cell, Domain, EnumDomain, TreeDomain
from contact_reasons.routing.filetests import PolicyTest
from contact_reasons.routing.numbers import IntDomain, RealDomain
from contact_reasons.schema import KeyPath
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.taxonomy.strict_yaml import StrictDocument

__all__ = ["Exploration", "Outcome", "Promise", "RoutingRule", "RuleTable", "read_rule_table"]

_TOP: Final = (
    "router",
    "version",
    "from",
    "until",
    "hit_policy",
    "explore",
    "on_no_match",
    "inputs",
    "outputs",
    "assume",
    "never",
    "always",
    "rules",
    "tests",
)
_TYPES: Final = ("tree", "enum", "bool", "int", "real")
_THEN: Final = ("channel", "priority", "queue", "skills")
_RULE: Final = ("id", "when", "then", "note", "from", "until")
_TEST: Final = ("name", "given", "expect")
_PROMISE: Final = ("name", "when", "channel")
_WORD: Final = re.compile(r"[\w-]+\Z")
_RULE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}\Z")
_EXPLORE: Final = ("share", "channels", "when", "seed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule decides: channel, priority (1 is first), optional queue and skills."""

    channel: str
    priority: int
    queue: str | None = None
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """One rule: all conditions of ``when`` must hold."""

    id: str
    when: Mapping[str, Cell]
    then: Outcome
    note: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """Contacts that meet ``when`` are never sent to ``channels``; with ``always``, to nothing but these; by a rule or by exploration."""

    name: str
    when: Mapping[str, Cell]
    channels: tuple[str, ...]
    always: bool = False

    def forbids(self, channel: str) -> bool:
        """Whether contacts that meet ``when`` must not be sent to this channel."""
        return (channel in self.channels) != self.always


@dataclass(frozen=True, slots=True)
class Exploration:
    """Of the contacts that meet ``when``, this share is sent to one of the other ``channels``, drawn by a hash of seed and key."""

    share: float
    channels: tuple[str, ...]
    when: Mapping[str, Cell]
    seed: str


@dataclass(frozen=True, slots=True)
class RuleTable:
    """A rule file's content, checked."""

    policy_id: str
    version: str
    domains: Mapping[str, Domain]
    rules: tuple[RoutingRule, ...]
    promises: tuple[Promise, ...]
    exploration: Exploration | None
    assumed: tuple[Mapping[str, Cell], ...]
    on_no_match: Outcome | None
    tests: tuple[PolicyTest, ...]
    sha256: str
    """Hash of the document's content, whatever its spacing or comments."""
    content: Mapping[str, Any]
    """The document as it was read."""

    def all_conditions(self) -> Iterator[Mapping[str, Cell]]:
        """Every set of conditions in the file."""
        for rule in self.rules:
            yield rule.when
        for promise in self.promises:
            yield promise.when
        if self.exploration is not None:
            yield self.exploration.when
        yield from self.assumed


def read_rule_table(document: StrictDocument, taxonomy: Taxonomy | None, beside: Path | None) -> RuleTable:
    """The checked table of a rule file.

    Parameters
    ----------
    document : StrictDocument
    taxonomy : Taxonomy or None
        Reasons of a ``tree`` input that names a taxonomy.
    beside : Path or None
        Where to look for that taxonomy if none is given.

    Raises
    ------
    PolicyError
        Naming file, line, key path and what would be right.
    """
    return _Reader(document, taxonomy, beside).read()


class _Reader:
    def __init__(self, document: StrictDocument, taxonomy: Taxonomy | None, beside: Path | None) -> None:
        self.document, self.taxonomy, self.beside = document, taxonomy, beside
        self.domains: dict[str, Domain] = {}
        self.channels: tuple[str, ...] = tuple(Channel)
        self.priorities: tuple[int, int] = (1, 9)
        self.days: DateDomain | None = None

    def read(self) -> RuleTable:
        top = self.mapping((), self.document.data, _TOP, required=("router", "version", "inputs", "rules"))
        hit_policy = top.get("hit_policy", "first")
        if hit_policy != "first":
            raise self.fail(
                ("hit_policy",), f"{shorten(hit_policy)} is not supported; write first, or leave the line out"
            )
        self.read_inputs(top["inputs"])
        self.read_days(top)
        self.read_outputs(top.get("outputs", {}))
        assumed = tuple(
            self.conditions(("assume", i), when)
            for i, when in enumerate(self.sequence(("assume",), top.get("assume", [])))
        )
        promises = tuple(
            self.promise((block, i), entry)
            for block in ("never", "always")
            for i, entry in enumerate(self.sequence((block,), top.get(block, [])))
        )
        rules = tuple(self.rule(("rules", i), entry) for i, entry in enumerate(self.sequence(("rules",), top["rules"])))
        self.check_unique(("rules",), [rule.id for rule in rules], "id")
        self.check_promise_names(promises)
        if not rules:
            raise self.fail(("rules",), "there are no rules; write at least one with `when: {}`")
        no_match = top.get("on_no_match", "error")
        known = [rule.id for rule in rules] + (["on_no_match"] if no_match != "error" else [])
        tests = tuple(
            self.test(("tests", i), e, known) for i, e in enumerate(self.sequence(("tests",), top.get("tests", [])))
        )
        self.check_unique(("tests",), [test.name for test in tests], "name")
        return RuleTable(
            self.text(("router",), top["router"]),
            self.text(("version",), top["version"]),
            self.domains,
            rules,
            promises,
            self.exploration(("explore",), top["explore"]) if "explore" in top else None,
            assumed,
            None if no_match == "error" else self.outcome(("on_no_match",), no_match),
            tests,
            hashlib.sha256(json.dumps(top, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest(),
            top,
        )

    # ------------------------------------------------------------------------------------ blocks of the file

    def read_inputs(self, data: Any) -> None:
        entries = self.mapping(("inputs",), data, None)
        if not entries:
            raise self.fail(("inputs",), "no inputs are declared; a rule can only read declared inputs")
        for name, spec in entries.items():
            path: KeyPath = ("inputs", name)
            kind = self.mapping(path, spec, None).get("type")
            if kind not in _TYPES:
                raise self.fail((*path, "type"), f"the type {shorten(kind)} is not known; {nearest(kind, _TYPES)}")
            try:
                self.domains[name] = self.domain(path, name, kind, spec)
            except TaxonomyError as exc:
                raise self.fail(path, f"its taxonomy cannot be read: {exc}") from exc

    def domain(self, path: KeyPath, name: str, kind: str, spec: Mapping[str, Any]) -> Domain:
        keys = {"tree": ("values", "taxonomy"), "enum": ("values",), "bool": ()}.get(kind, ("min", "max", "unit"))
        self.mapping(path, spec, ("type", "nullable", *keys))
        nullable = self.boolean((*path, "nullable"), spec.get("nullable", False))
        if kind == "bool":
            return BoolDomain(name, nullable)
        if kind == "tree":
            return TreeDomain(name, nullable, self.tree(path, spec))
        if kind == "enum":
            values = [
                self.text((*path, "values", i), v)
                for i, v in enumerate(self.sequence((*path, "values"), spec.get("values")))
            ]
            self.check_unique((*path, "values"), values, "value")
            if not values or "missing" in values:
                raise self.fail((*path, "values"), "an enum needs values, none of them called 'missing'")
            return EnumDomain(name, nullable, values)
        low = self.number((*path, "min"), spec["min"]) if "min" in spec else -math.inf
        high = self.number((*path, "max"), spec["max"]) if "max" in spec else math.inf
        try:
            return IntDomain(name, nullable, low, high) if kind == "int" else RealDomain(name, nullable, low, high)
        except PolicyError as exc:
            raise self.fail(path, str(exc)) from None

    def tree(self, path: KeyPath, spec: Mapping[str, Any]) -> Mapping[str, list[str]]:
        if ("values" in spec) == ("taxonomy" in spec):
            raise self.fail(path, "a tree has either `values:` (primary: [secondary, ...]) or `taxonomy:` (an id)")
        if "values" in spec:
            values = self.mapping((*path, "values"), spec["values"], None)
            tree = {
                primary: [
                    self.word((*path, "values", primary, i), leaf)
                    for i, leaf in enumerate(self.sequence((*path, "values", primary), leaves))
                ]
                for primary, leaves in values.items()
            }
            for primary, leaves in tree.items():
                self.word((*path, "values", primary), primary)
                self.check_unique((*path, "values", primary), leaves, "reason")
            if not tree:
                raise self.fail((*path, "values"), "the tree has no reasons; name at least one primary")
            return tree
        wanted = self.text((*path, "taxonomy"), spec["taxonomy"])
        if self.taxonomy is None and self.beside is not None and self.beside.is_file():
            self.taxonomy = Taxonomy.from_yaml(self.beside)
        if self.taxonomy is None and wanted in pack_names():
            self.taxonomy = Taxonomy.load(wanted)
        if self.taxonomy is None or self.taxonomy.taxonomy_id != wanted:
            found = "none was given" if self.taxonomy is None else f"{self.taxonomy.taxonomy_id!r} was given"
            raise self.fail(
                (*path, "taxonomy"),
                f"the taxonomy {wanted!r} is needed, but {found}; put its taxonomy.yaml beside the rule file or pass taxonomy=",
            )
        return {
            primary.id: [s.id.partition(".")[2] for s in primary.secondaries] for primary in self.taxonomy.primaries
        }

    def read_outputs(self, data: Any) -> None:
        entries = self.mapping(("outputs",), data, _THEN)
        channel = self.mapping(("outputs", "channel"), entries.get("channel", {}), ("type", "values"))
        if "values" in channel:
            self.channels = tuple(
                self.text(("outputs", "channel", "values", i), value)
                for i, value in enumerate(self.sequence(("outputs", "channel", "values"), channel["values"]))
            )
        priority = self.mapping(("outputs", "priority"), entries.get("priority", {}), ("type", "min", "max"))
        self.priorities = (
            int(self.number(("outputs", "priority", "min"), priority.get("min", 1))),
            int(self.number(("outputs", "priority", "max"), priority.get("max", 9))),
        )

    def rule(self, path: KeyPath, data: Any) -> RoutingRule:
        entry = self.mapping(path, data, _RULE, required=("id", "when", "then"))
        rule_id = self.text((*path, "id"), entry["id"])
        if not _RULE_ID.match(rule_id):
            raise self.fail((*path, "id"), f"{shorten(rule_id)} is not a rule id; use lower case, digits, '-' and '_'")
        when = self.conditions((*path, "when"), entry["when"])
        if self.days is not None and ("from" in entry or "until" in entry):
            when[DATE] = self.between(path, self.days, entry)
        return RoutingRule(
            rule_id,
            when,
            self.outcome((*path, "then"), entry["then"]),
            str(entry.get("note", "")),
        )

    def read_days(self, top: Mapping[str, Any]) -> None:
        """The day as an input, if the file or a rule holds for a time only; rules cannot write conditions on it."""
        rules = [rule for rule in self.sequence(("rules",), top["rules"]) if isinstance(rule, Mapping)]
        if not any("from" in part or "until" in part for part in (top, *rules)):
            return
        if DATE in self.domains:
            raise self.fail(
                ("inputs", DATE), "a policy with `from` or `until` has an input of that name already; rename this one"
            )
        first, until = self.day(("from",), top), self.day(("until",), top)
        try:
            self.days = DateDomain.of(first, until)
        except PolicyError:
            raise self.fail(
                ("until",), "the policy holds on no day: `until` is the first day after; correct the dates"
            ) from None
        self.domains[DATE] = self.days

    def between(self, path: KeyPath, days: DateDomain, entry: Mapping[str, Any]) -> Cell:
        first, until = self.day((*path, "from"), entry), self.day((*path, "until"), entry)
        try:
            return days.between(first, until)
        except PolicyError as exc:
            raise self.fail(path, str(exc)) from None

    def day(self, path: KeyPath, entry: Mapping[str, Any]) -> dt.date | None:
        if path[-1] not in entry:
            return None
        try:
            return day_of(entry[str(path[-1])])
        except (TypeError, ValueError):
            raise self.fail(
                path, f"{shorten(entry[str(path[-1])])} is not a day; write one such as 2026-12-31"
            ) from None

    def test(self, path: KeyPath, data: Any, known: list[str]) -> PolicyTest:
        entry = self.mapping(path, data, _TEST, required=_TEST)
        given = {}
        for name, cell in self.mapping((*path, "given"), entry["given"], None).items():
            if name not in self.domains:
                raise self.fail(
                    (*path, "given", name), f"{name!r} is not a declared input; {nearest(name, self.domains)}"
                )
            try:
                given[name] = self.domains[name].from_cell(None if cell == MISSING else cell)
            except PolicyError as exc:
                raise self.fail((*path, "given", name), str(exc)) from None
        expect = self.text((*path, "expect"), entry["expect"])
        if expect not in known:
            raise self.fail((*path, "expect"), f"{shorten(expect)} is not the id of a rule; {nearest(expect, known)}")
        return PolicyTest(self.text((*path, "name"), entry["name"]), given, expect)

    def promise(self, path: KeyPath, data: Any) -> Promise:
        entry = self.mapping(path, data, _PROMISE, required=_PROMISE)
        channels = self.sequence((*path, "channel"), entry["channel"])
        if not channels:
            raise self.fail((*path, "channel"), "a promise about no channel says nothing; name at least one")
        return Promise(
            self.text((*path, "name"), entry["name"]),
            self.conditions((*path, "when"), entry["when"]),
            tuple(self.channel((*path, "channel", i), value) for i, value in enumerate(channels)),
            path[0] == "always",
        )

    def exploration(self, path: KeyPath, data: Any) -> Exploration:
        entry = self.mapping(path, data, _EXPLORE, required=("share", "channels"))
        share = self.number((*path, "share"), entry["share"])
        if not 0 < share < 1:
            raise self.fail(
                (*path, "share"), f"{share:g} is not a share of contacts; write one between 0 and 1, such as 0.02"
            )
        channels = self.sequence((*path, "channels"), entry["channels"])
        if not channels:
            raise self.fail((*path, "channels"), "no channel may be tried; name at least one, or drop `explore`")
        tried = [self.channel((*path, "channels", i), value) for i, value in enumerate(channels)]
        self.check_unique((*path, "channels"), tried, "channel")
        return Exploration(
            share,
            tuple(tried),
            self.conditions((*path, "when"), entry.get("when", {})),
            self.word((*path, "seed"), entry.get("seed", "1"), "a seed"),
        )

    def check_promise_names(self, promises: tuple[Promise, ...]) -> None:
        never = [promise.name for promise in promises if not promise.always]
        always = [promise.name for promise in promises if promise.always]
        self.check_unique(("never",), never, "name")
        self.check_unique(("always",), always, "name")
        for i, name in enumerate(always):
            if name in never:
                raise self.fail(("always", i, "name"), f"{shorten(name)} names a `never` promise too; rename one")

    def outcome(self, path: KeyPath, data: Any) -> Outcome:
        entry = self.mapping(path, data, _THEN, required=("channel", "priority"))
        low, high = self.priorities
        priority = self.number((*path, "priority"), entry["priority"])
        if priority != int(priority) or not low <= priority <= high:
            raise self.fail(
                (*path, "priority"),
                f"{priority:g} is not a priority; it is a whole number from {low} (first) to {high}",
            )
        skills = self.sequence((*path, "skills"), entry.get("skills", []))
        return Outcome(
            self.channel((*path, "channel"), entry["channel"]),
            int(priority),
            self.text((*path, "queue"), entry["queue"]) if "queue" in entry else None,
            tuple(self.text((*path, "skills", i), skill) for i, skill in enumerate(skills)),
        )

    def channel(self, path: KeyPath, value: Any) -> str:
        name = self.text(path, value)
        if name not in self.channels:
            raise self.fail(path, f"{shorten(name)} is not a channel; {nearest(name, self.channels)}")
        return Channel(name) if name in tuple(Channel) else name

    def conditions(self, path: KeyPath, data: Any) -> dict[str, Cell]:
        entries = self.mapping(path, data, None)
        result = {}
        for name, cell in entries.items():
            if name not in self.domains:
                raise self.fail((*path, name), f"{name!r} is not a declared input; {nearest(name, self.domains)}")
            try:
                result[name] = self.domains[name].parse(cell)
            except PolicyError as exc:
                raise self.fail((*path, name), str(exc)) from None
        return result

    # ------------------------------------------------------------------------------------------ shapes

    def fail(self, path: KeyPath, message: str) -> PolicyError:
        return PolicyError(f"{self.document.where(path)}: {message}")

    def mapping(
        self, path: KeyPath, data: Any, known: tuple[str, ...] | None, *, required: tuple[str, ...] = ()
    ) -> Mapping[str, Any]:
        if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
            raise self.fail(path, f"this must be a mapping (key: value), not {shorten(data)}")
        for key in data:
            if known is not None and key not in known:
                raise self.fail((*path, key), f"the key {shorten(key)} is not known here; {nearest(key, known)}")
        for key in required:
            if key not in data:
                raise self.fail(path, f"the key {key!r} is missing; add it")
        return data

    def sequence(self, path: KeyPath, data: Any) -> list[Any]:
        if not isinstance(data, list | tuple):
            raise self.fail(path, f"this must be a list, not {shorten(data)}")
        return list(data)

    def text(self, path: KeyPath, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float) or str(value) == "":
            raise self.fail(path, f"this must be a word, not {shorten(value)}")
        return str(value)

    def boolean(self, path: KeyPath, value: Any) -> bool:
        if value in (True, "true"):
            return True
        if value in (False, "false"):
            return False
        raise self.fail(path, f"this must be true or false, not {shorten(value)}")

    def word(self, path: KeyPath, value: Any, noun: str = "a reason") -> str:
        text = self.text(path, value)
        if not _WORD.match(text) or text == "missing":
            raise self.fail(
                path, f"{shorten(text)} is not {noun}; use letters, digits, '_' and '-', and not the word missing"
            )
        return text

    def number(self, path: KeyPath, value: Any) -> float:
        try:
            if isinstance(value, bool):
                raise ValueError
            number = (
                value if isinstance(value, int) else int(value) if str(value).lstrip("+-").isdigit() else float(value)
            )
            if not math.isfinite(number) or abs(number) > 1e300:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise self.fail(path, f"this must be a finite number, not {shorten(value)}") from None
        return number

    def check_unique(self, path: KeyPath, values: list[str], noun: str) -> None:
        seen: dict[str, int] = {}
        for i, value in enumerate(values):
            if value in seen:
                raise self.fail(
                    (*path, i),
                    f"the {noun} {shorten(value)} was used before, at position {seen[value]}; rename one",
                )
            seen[value] = i
