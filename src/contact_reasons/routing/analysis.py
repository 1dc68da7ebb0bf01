"""What can be proved about a policy: completeness, reachability, live conflicts, promises; each with what shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from contact_reasons.routing.domains import Cell, Domain
from contact_reasons.routing.proof import STEP_BUDGET, Box, OutOfSteps, Space, Steps
from contact_reasons.routing.regions import Region, RegionReader
from contact_reasons.routing.rulefile import Outcome, Promise, RuleTable
from contact_reasons.routing.sweep import sweep

__all__ = [
    "HiddenRule",
    "IdleChannel",
    "LiveConflict",
    "PolicyAnalysis",
    "PromiseVerdict",
    "RuleRisk",
    "as_many_as_possible",
    "box_of",
    "space_of",
    "verdict_word",
]


T = TypeVar("T")


class HiddenRule(NamedTuple):
    """A rule that can never decide.

    Parameters
    ----------
    rule_id : str
    hidden_by : tuple of str
        Earlier rules that hide it, together with what is assumed; none of them can be spared. Empty if no possible
        contact meets the rule's conditions. Other such sets may exist.
    """

    rule_id: str
    hidden_by: tuple[str, ...]


class IdleChannel(NamedTuple):
    """A channel of `explore:` to which no contact that is explored ever goes, neither by chance nor by its rule.

    Parameters
    ----------
    channel : str
    barred_by : tuple of str
        Promises that together forbid it for every contact that is explored; other such sets may exist. Empty if no possible contact is explored.
    """

    channel: str
    barred_by: tuple[str, ...]


class LiveConflict(NamedTuple):
    """Two rules with different outcomes, of which the order decides for some contact.

    Parameters
    ----------
    rule_id : str
        It decides, because it stands first.
    other_id : str
        It would have matched too.
    witness : dict
        Values of such a contact.
    """

    rule_id: str
    other_id: str
    witness: dict[str, Any]


class PromiseVerdict(NamedTuple):
    """Whether a promise holds.

    Parameters
    ----------
    name : str
    kept : bool or None
        None if the step budget ran out.
    counterexample : dict or None
        Values that, routed, break the promise.
    rule_id : str or None
        The rule that breaks it; None if it is kept, or if an ``always`` promise fails because no rule answers.
    """

    name: str
    kept: bool | None
    counterexample: dict[str, Any] | None = None
    rule_id: str | None = None


class RuleRisk(NamedTuple):
    """What hangs on a rule: what it decides, and what would go wrong without it.

    Parameters
    ----------
    rule_id, channel : str
    share : Fraction or None
        Of the possible combinations that the policy tells apart, all alike (not of contacts); None if the step budget ran out.
    goes_before, comes_after : tuple of str
        Rules with another outcome that would decide for some of its contacts if they stood before it; and those that take
        contacts which it would decide if it stood before them.
    promises : tuple of str
        Names of promises that are kept, and would be broken if the rule were deleted.
    leaves_gaps : bool or None
        Whether some of its contacts would have no rule if it were deleted; None if the step budget ran out.
    """

    rule_id: str
    channel: str
    share: Fraction | None
    goes_before: tuple[str, ...]
    comes_after: tuple[str, ...]
    promises: tuple[str, ...]
    leaves_gaps: bool | None


class PolicyAnalysis:
    """What was proved about a policy; each part is worked out when it is first asked for.

    Impossible combinations (``assume``) are left out of account.

    Parameters
    ----------
    table : RuleTable
        Of the policy, whose domains are cut.
    budget : int
        Steps for each part; what needs more is left undecided.
    """

    def __init__(self, table: RuleTable, budget: int = STEP_BUDGET) -> None:
        self._table, self._budget = table, budget
        self._domains = tuple(table.domains.values())
        self._space = space_of(self._domains)
        self._reader = RegionReader(self._domains, self._space)
        self._boxes = [self._box(rule.when) for rule in table.rules]
        self._assumed = [self._box(when) for when in table.assumed]

    def __repr__(self) -> str:
        """The policy and the main verdict."""
        return f"PolicyAnalysis({self._table.policy_id!r}, sound={self.sound})"

    def __str__(self) -> str:
        """The verdicts, a line each."""
        kept = sum(verdict.kept is True for verdict in self.promises)
        broken = sum(verdict.kept is False for verdict in self.promises)
        hidden = [rule.rule_id for rule in self.unreachable]
        gaps = f" ({len(self.gaps)} gaps)" if self.gaps else ""
        lines = [
            f"{self._table.policy_id} {self._table.version}: {len(self._table.rules)} rules, {len(self._domains)} inputs",
            f"every contact has a rule: {verdict_word(self.complete, 'yes', 'no')}{gaps}",
            f"rules that can never decide: {', '.join(hidden) or 'none'}",
            f"promises: {kept} of {len(self.promises)} kept, {broken} broken",
        ]
        if self.explored_channels:
            idle = [each.channel for each in self.idle_channels]
            lines.append(f"channels of explore to which no explored contact goes: {', '.join(idle) or 'none'}")
        if self.undecided or self.undecided_channels or kept + broken < len(self.promises) or self.complete is None:
            lines.append("what is neither was not decided: the step budget ran out")
        return "\n".join(lines)

    def _box(self, when: Mapping[str, Cell]) -> Box:
        return box_of(self._domains, self._space, when)

    # ------------------------------------------------------------------------------------------ completeness

    @property
    def complete(self) -> bool | None:
        """Whether every possible contact has a rule; None if the step budget ran out."""
        if self.gaps:
            return False
        return True if self._gaps[1] else None

    @property
    def gaps(self) -> tuple[Region, ...]:
        """Disjoint regions of contacts that no rule answers, each with one of them."""
        return self._gaps[0]

    @property
    def gaps_are_all(self) -> bool:
        """Whether `gaps` holds every contact without a rule; False if the step budget ran out."""
        return self._gaps[1]

    @cached_property
    def _gaps(self) -> tuple[tuple[Region, ...], bool]:
        if self._table.on_no_match is not None:
            return (), True
        found, whole = as_many_as_possible(
            self._space.uncovered(self._space.full, [*self._boxes, *self._assumed], Steps(self._budget))
        )
        return tuple(self._reader.region(box) for box in self._space.merged(found)), whole

    # ------------------------------------------------------------------------------------------ reachability

    @property
    def unreachable(self) -> tuple[HiddenRule, ...]:
        """Rules that can never decide, each with rules that hide it."""
        return self._reach[0]

    @property
    def undecided(self) -> tuple[str, ...]:
        """Rules of which it is not known whether they can decide: the step budget ran out."""
        return self._reach[1]

    @cached_property
    def _reach(self) -> tuple[tuple[HiddenRule, ...], tuple[str, ...]]:
        hidden, undecided, steps = [], [], Steps(self._budget)
        for i, rule in enumerate(self._table.rules):
            try:
                cover = self._space.minimal_cover(self._boxes[i], self._boxes[:i], self._assumed, steps)
            except OutOfSteps:
                undecided.append(rule.id)
                continue
            if cover is not None:
                hidden.append(HiddenRule(rule.id, tuple(self._table.rules[j].id for j in cover)))
        return tuple(hidden), tuple(undecided)

    # ------------------------------------------------------------------------------------------- exploration

    @property
    def explored_channels(self) -> tuple[str, ...]:
        """Channels of `explore:`; none if the policy does not explore."""
        return () if self._table.exploration is None else self._table.exploration.channels

    @property
    def idle_channels(self) -> tuple[IdleChannel, ...]:
        """Channels of `explore:` to which no contact that is explored ever goes, each with promises that bar it."""
        return self._explored[0]

    @property
    def undecided_channels(self) -> tuple[str, ...]:
        """Channels of `explore:` of which it is not known whether they are ever tried: the step budget ran out."""
        return self._explored[1]

    @cached_property
    def _explored(self) -> tuple[tuple[IdleChannel, ...], tuple[str, ...]]:
        explore = self._table.exploration
        if explore is None:
            return (), ()
        idle, undecided, steps = [], [], Steps(self._budget)
        for channel in explore.channels:
            try:
                barred_by = self._barred_by(channel, self._box(explore.when), steps)
            except OutOfSteps:
                undecided.append(str(channel))
                continue
            if barred_by is not None:
                idle.append(IdleChannel(str(channel), barred_by))
        return tuple(idle), tuple(undecided)

    def _barred_by(self, channel: str, area: Box, steps: Steps) -> tuple[str, ...] | None:
        """Promises that keep explored contacts from a channel; None if some go there."""
        promises = [promise for promise in self._table.promises if promise.forbids(channel)]
        boxes = [self._box(promise.when) for promise in promises]
        needed: set[int] = set()
        outcomes = [(rule.then, box) for rule, box in zip(self._table.rules, self._boxes, strict=True)]
        if self._table.on_no_match is not None:
            outcomes.append((self._table.on_no_match, self._space.full))
        for i, (then, box) in enumerate(outcomes):
            ahead = [*self._assumed, *self._boxes[:i]]
            cover = self._space.minimal_cover(box & area, [] if then.channel == channel else boxes, ahead, steps)
            if cover is None:
                return None
            needed.update(cover)
        return tuple(promises[at].name for at in sorted(needed))

    # --------------------------------------------------------------------------------------------- conflicts

    @property
    def conflicts(self) -> tuple[LiveConflict, ...]:
        """Pairs of rules with different outcomes whose order decides for some contact: information, no mistake."""
        return self._conflicts[0]

    @property
    def conflicts_are_all(self) -> bool:
        """Whether `conflicts` holds every such pair; False if the step budget ran out."""
        return self._conflicts[1]

    @cached_property
    def _conflicts(self) -> tuple[tuple[LiveConflict, ...], bool]:
        steps = Steps(self._budget)
        found, whole = as_many_as_possible(self._search_conflicts(steps))
        return tuple(found), whole

    def _search_conflicts(self, steps: Steps) -> Iterator[LiveConflict]:
        """By rule: a region where it decides settles all later rules that meet the region."""
        rules, boxes, space = self._table.rules, self._boxes, self._space
        for i, rule in enumerate(rules):
            earlier = [box for box in [*boxes[:i], *self._assumed] if not space.is_empty(box & boxes[i])]
            open_pairs = [
                (j, boxes[i] & boxes[j])
                for j in range(i + 1, len(rules))
                if rules[j].then != rule.then and not space.is_empty(boxes[i] & boxes[j])
            ]
            live: dict[int, Box] = {}
            while open_pairs:
                _, shared = open_pairs[0]
                region = next(space.uncovered(shared, earlier, steps), None)
                if region is not None:
                    steps.take(len(open_pairs))
                    live |= {k: region & box for k, box in open_pairs if not space.is_empty(region & box)}
                open_pairs = [pair for pair in open_pairs[1:] if pair[0] not in live]
            for j in sorted(live):
                yield LiveConflict(rule.id, rules[j].id, self._reader.witness(live[j]))

    # ------------------------------------------------------------------------------------------ rule by rule

    @cached_property
    def rule_risks(self) -> tuple[RuleRisk, ...]:
        """What hangs on each rule, in the order of the file."""
        kept = {verdict.name for verdict in self.promises if verdict.kept}
        shares, rules, found = self._shares, self._table.rules, []
        for i, rule in enumerate(rules):
            without = PolicyAnalysis(replace(self._table, rules=rules[:i] + rules[i + 1 :]), self._budget)
            found.append(
                RuleRisk(
                    rule.id,
                    str(rule.then.channel),
                    None if shares is None else shares[i],
                    tuple(pair.other_id for pair in self.conflicts if pair.rule_id == rule.id),
                    tuple(pair.rule_id for pair in self.conflicts if pair.other_id == rule.id),
                    tuple(
                        verdict.name for verdict in without.promises if verdict.kept is False and verdict.name in kept
                    ),
                    self._leaves_gaps(i),
                )
            )
        return tuple(found)

    def _leaves_gaps(self, i: int) -> bool | None:
        if self._table.on_no_match is not None:
            return False
        others = [*self._boxes[:i], *self._boxes[i + 1 :], *self._assumed]
        try:
            return not self._space.covers(self._boxes[i], others, Steps(self._budget))
        except OutOfSteps:
            return None

    @cached_property
    def _shares(self) -> list[Fraction] | None:
        """Share of the possible combinations by rule."""
        whole, ahead = self._space.full, len(self._assumed)
        try:
            counts = sweep(self._space, whole, [*self._assumed, *self._boxes, whole], [whole], Steps(self._budget))
        except OutOfSteps:
            return None
        total = max(sum(count for (i, _), count in counts.items() if i >= ahead), 1)
        return [Fraction(counts[ahead + i, 0], total) for i in range(len(self._boxes))]

    # ------------------------------------------------------------------------------------- inputs and promises

    @cached_property
    def unused(self) -> tuple[str, ...]:
        """Inputs on which no rule sets a condition, but for the day, which the policy itself may read."""
        read: Box = 0
        for box in self._boxes:
            read |= self._space.full & ~box
        masks = self._space.masks(read)
        pairs = zip(self._domains, masks, strict=True)
        return tuple(domain.name for domain, mask in pairs if not mask and domain.kind != "date")

    @cached_property
    def promises(self) -> tuple[PromiseVerdict, ...]:
        """A verdict on each promise, with a contact that breaks it where it is broken."""
        steps = Steps(self._budget)
        return tuple(self._judge(promise, steps) for promise in self._table.promises)

    def _judge(self, promise: Promise, steps: Steps) -> PromiseVerdict:
        area = self._box(promise.when)
        undecided = False
        outcomes: list[tuple[str | None, Outcome | None, Box]] = [
            (rule.id, rule.then, box) for rule, box in zip(self._table.rules, self._boxes, strict=True)
        ]
        outcomes.append(("on_no_match" if self._table.on_no_match else None, self._table.on_no_match, self._space.full))
        for i, (rule_id, then, box) in enumerate(outcomes):
            if then is not None and (then.channel in promise.channels) == promise.always:
                continue
            if then is None and not promise.always:
                continue
            try:
                left_out = self._space.uncovered(box & area, [*self._boxes[:i], *self._assumed], steps)
                region = next(left_out, None)
            except OutOfSteps:
                undecided = True
                continue
            if region is not None:
                return PromiseVerdict(promise.name, False, self._reader.witness(region), rule_id)
        return PromiseVerdict(promise.name, None if undecided else True)

    # ------------------------------------------------------------------------------------------------ summary

    @property
    def sound(self) -> bool:
        """Complete, every rule and every channel of `explore:` reachable and every promise kept, all of it proved."""
        return (
            self.complete is True
            and not self.unreachable
            and not self.undecided
            and not self.idle_channels
            and not self.undecided_channels
            and all(verdict.kept for verdict in self.promises)
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; ``unknown`` stands where the step budget ran out."""
        return {
            "policy": {"id": self._table.policy_id, "version": self._table.version, "sha256": self._table.sha256},
            "rules": len(self._table.rules),
            "sound": self.sound,
            "complete": verdict_word(self.complete, "yes", "no"),
            "gaps": [gap._asdict() for gap in self.gaps],
            "gaps_are_all": self.gaps_are_all,
            "unreachable": [{"rule": rule.rule_id, "hidden_by": list(rule.hidden_by)} for rule in self.unreachable],
            "undecided": list(self.undecided),
            "idle_channels": [
                {"channel": each.channel, "barred_by": list(each.barred_by)} for each in self.idle_channels
            ],
            "undecided_channels": list(self.undecided_channels),
            "promises": [
                {
                    "name": verdict.name,
                    "verdict": verdict_word(verdict.kept, "kept", "broken"),
                    "counterexample": verdict.counterexample,
                    "rule": verdict.rule_id,
                }
                for verdict in self.promises
            ],
            "conflicts": [
                {"rule": pair.rule_id, "before": pair.other_id, "witness": pair.witness} for pair in self.conflicts
            ],
            "conflicts_are_all": self.conflicts_are_all,
            "unused": list(self.unused),
        }


def space_of(domains: Iterable[Domain]) -> Space:
    """The boxes over domains that are cut."""
    return Space([domain.n_atoms for domain in domains])


def box_of(domains: Iterable[Domain], space: Space, when: Mapping[str, Cell]) -> Box:
    """The box of some conditions over domains that are cut."""
    return space.box([domain.mask(when[domain.name]) if domain.name in when else domain.full for domain in domains])


def verdict_word(verdict: bool | None, yes: str, no: str) -> str:
    """A verdict as a word; None is ``unknown``."""
    return "unknown" if verdict is None else yes if verdict else no


def as_many_as_possible(found: Iterator[T]) -> tuple[list[T], bool]:
    """What an iterator yields until the step budget runs out, and whether it came to its end."""
    items: list[T] = []
    try:
        for item in found:
            items.append(item)
    except OutOfSteps:
        return items, False
    return items, True
