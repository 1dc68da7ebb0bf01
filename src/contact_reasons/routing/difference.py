"""The exact difference of two policies: where they decide otherwise, and what share of the domain moves where.

Both tables are cut into the same atoms and swept together (`sweep`), and the regions that move are read back as conditions.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, Final, NamedTuple

from contact_reasons.errors import PolicyError
from contact_reasons.routing.analysis import as_many_as_possible, box_of, space_of, verdict_word
from contact_reasons.routing.domains import Cell, Domain, EnumDomain, TreeDomain
from contact_reasons.routing.numbers import NumberDomain
from contact_reasons.routing.proof import STEP_BUDGET, Box, OutOfSteps, Space, Steps
from contact_reasons.routing.regions import Region, RegionReader
from contact_reasons.routing.rulefile import Outcome, RuleTable
from contact_reasons.routing.sweep import sweep

__all__ = ["ChangedRule", "ChannelFlow", "PolicyDifference"]

IMPOSSIBLE: Final = "assumed impossible"
NO_RULE: Final = "no rule"
NO_MATCH: Final = "on_no_match"


class ChannelFlow(NamedTuple):
    """What goes to one channel before and to one after.

    Parameters
    ----------
    before, after : str or None
        Channels; None where the policy gives no answer.
    share : Fraction
        Of the compared domain; see `PolicyDifference`.
    """

    before: str | None
    after: str | None
    share: Fraction


class ChangedRule(NamedTuple):
    """Contacts that one rule decides before and another after, with another outcome.

    Parameters
    ----------
    before, after : str
        Rule ids; or ``no rule``, ``on_no_match``, ``assumed impossible``.
    then_before, then_after : Outcome or None
        None where the policy gives no answer.
    share : Fraction or None
        Of the compared domain; None if the step budget ran out.
    regions : tuple of Region
        Disjoint, each with a contact.
    """

    before: str
    after: str
    then_before: Outcome | None
    then_after: Outcome | None
    share: Fraction | None
    regions: tuple[Region, ...]

    def __str__(self) -> str:
        """The rules, their channels and the share; not the regions."""
        before, after = (_channel(then) or "no answer" for then in (self.then_before, self.then_after))
        share = "" if self.share is None else f", {float(self.share):.3%} of the combinations"
        return f"{self.before} → {self.after}: {before} → {after}{share}"


class _Side(NamedTuple):
    """A policy as first-match boxes that cover everything."""

    names: tuple[str, ...]
    outcomes: tuple[Outcome | None, ...]
    boxes: tuple[Box, ...]


class PolicyDifference:
    """Where two policies decide otherwise; each part is worked out when it is first asked for.

    Compared are values that both policies know; what one of them does not know is named in `inputs`. What both assume
    impossible is left out; what one alone assumes impossible has no answer there. Shares count combinations that the two
    policies can tell apart, all alike: each name, each stretch of numbers between limits of rules, and missing. They say
    how much of the table changed, not how many contacts; a replay says that.

    Parameters
    ----------
    before, after : RuleTable
        Whose domains are cut.
    budget : int
        Steps for each part; what needs more is left undecided.

    Raises
    ------
    PolicyError
        If an input is of one type here and another there, or has no value that both know.
    """

    def __init__(self, before: RuleTable, after: RuleTable, budget: int = STEP_BUDGET) -> None:
        self._tables, self._budget = (before, after), budget
        joint = {name: _joint(before.domains.get(name), after.domains.get(name)) for name in _names(before, after)}
        for name, (domain, known) in joint.items():
            cells = [cells[name] for table in self._tables for cells in table.all_conditions() if name in cells]
            domain.cut([*cells, *known])
        self._domains = [domain for domain, _ in joint.values()]
        shared = [_mask_of_all(domain, known) for domain, known in joint.values()]
        for name, mask in zip(joint, shared, strict=True):
            if not mask:
                raise PolicyError(f"input {name!r}: no value is known to both policies, so they cannot be compared")
        self._space = space_of(self._domains)
        self._shared = self._space.box(shared)
        self._reader = RegionReader(self._domains, self._space)
        self._sides = tuple(_side(table, self._domains, self._space) for table in self._tables)
        self.inputs: tuple[str, ...] = tuple(_input_changes(before, after))

    def __repr__(self) -> str:
        """The policies and the main verdict."""
        before, after = (f"{table.policy_id} {table.version}" for table in self._tables)
        return f"PolicyDifference({before!r}, {after!r}, equal={self.equal})"

    @cached_property
    def equal(self) -> bool | None:
        """Whether both know the same inputs and decide alike for every contact; None if the step budget ran out."""
        if self.inputs:
            return False
        if self._counts is not None:
            return not any(self._differ(*pair) for pair in self._counts)
        changed, whole = self._changes
        return False if changed else True if whole else None

    @property
    def share(self) -> Fraction | None:
        """Share of the compared domain that is decided otherwise; None if the step budget ran out."""
        if self._counts is None:
            return None
        changed = sum(count for pair, count in self._counts.items() if self._differ(*pair))
        return Fraction(changed, self._total)

    @property
    def flows(self) -> tuple[ChannelFlow, ...] | None:
        """Shares by channel before and after, the unmoved too, largest first; None if the step budget ran out."""
        if self._counts is None:
            return None
        flows: Counter[tuple[str | None, str | None]] = Counter()
        for pair, count in self._counts.items():
            before, after = (_channel(side.outcomes[i]) for side, i in zip(self._sides, pair, strict=True))
            flows[before, after] += count
        largest = sorted(flows.items(), key=lambda item: (-item[1], str(item[0])))
        return tuple(ChannelFlow(before, after, Fraction(n, self._total)) for (before, after), n in largest)

    @property
    def changes(self) -> tuple[ChangedRule, ...]:
        """Every pair of rules with another outcome, with the regions that move from one to the other, largest share first."""
        return self._changes[0]

    @property
    def changes_are_all(self) -> bool:
        """Whether `changes` holds every contact decided otherwise; False if the step budget ran out."""
        return self._changes[1]

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON; shares as numbers, null where the step budget ran out."""
        before, after = (
            {"id": table.policy_id, "version": table.version, "sha256": table.sha256} for table in self._tables
        )
        return {
            "before": before,
            "after": after,
            "equal": verdict_word(self.equal, "yes", "no"),
            "inputs": list(self.inputs),
            "share": None if self.share is None else float(self.share),
            "flows": [{**flow._asdict(), "share": float(flow.share)} for flow in self.flows or ()],
            "changes": [
                {
                    "before": {"rule": change.before, **_plain(change.then_before)},
                    "after": {"rule": change.after, **_plain(change.then_after)},
                    "share": None if change.share is None else float(change.share),
                    "regions": [region._asdict() for region in change.regions],
                }
                for change in self.changes
            ],
            "changes_are_all": self.changes_are_all,
        }

    # --------------------------------------------------------------------------------------------- the sweep

    def _differ(self, i: int, j: int) -> bool:
        before, after = self._sides
        return before.outcomes[i] != after.outcomes[j]

    @property
    def _total(self) -> int:
        return max(sum((self._counts or {}).values()), 1)

    @cached_property
    def _counts(self) -> dict[tuple[int, int], int] | None:
        """Number of cells by deciding rule before and after, without those that both assume impossible."""
        before, after = self._sides
        try:
            counts = sweep(self._space, self._shared, before.boxes, after.boxes, Steps(self._budget))
        except OutOfSteps:
            return None
        return {
            (i, j): count for (i, j), count in counts.items() if not before.names[i] == after.names[j] == IMPOSSIBLE
        }

    @cached_property
    def _changes(self) -> tuple[tuple[ChangedRule, ...], bool]:
        found, whole = as_many_as_possible(self._search_changes(Steps(self._budget)))
        found.sort(key=lambda change: -(change.share or 0))
        return tuple(found), whole

    def _search_changes(self, steps: Steps) -> Iterator[ChangedRule]:
        before, after = self._sides
        counts = self._counts
        pairs = counts or ((i, j) for i in range(len(before.boxes)) for j in range(len(after.boxes)))
        for i, j in pairs:
            if not self._differ(i, j):
                continue
            region = self._shared & before.boxes[i] & after.boxes[j]
            found, whole = as_many_as_possible(
                self._space.uncovered(region, [*before.boxes[:i], *after.boxes[:j]], steps)
            )
            if found:
                share = Fraction(counts[i, j], self._total) if counts else None
                regions = tuple(self._reader.region(box, within=self._shared) for box in self._space.merged(found))
                yield ChangedRule(
                    before.names[i], after.names[j], before.outcomes[i], after.outcomes[j], share, regions
                )
            if not whole:
                raise OutOfSteps


# -------------------------------------------------------------------------------------------- inputs of both


def _names(before: RuleTable, after: RuleTable) -> list[str]:
    return list(dict.fromkeys([*before.domains, *after.domains]))


def _side(table: RuleTable, domains: Sequence[Domain], space: Space) -> _Side:
    n = len(table.assumed)
    last = NO_MATCH if table.on_no_match else NO_RULE
    whens = [*table.assumed, *(rule.when for rule in table.rules)]
    return _Side(
        (*[IMPOSSIBLE] * n, *(rule.id for rule in table.rules), last),
        (*[None] * n, *(rule.then for rule in table.rules), table.on_no_match),
        (*(box_of(domains, space, when) for when in whens), space.full),
    )


def _joint(one: Domain | None, other: Domain | None) -> tuple[Domain, list[Cell]]:
    """A domain of the values of both, not yet cut, and of each the cell of what it knows."""
    if one is None or other is None:
        only = one or other
        assert only is not None
        return copy.copy(only), [_known(only)]
    if one.kind != other.kind:
        raise PolicyError(
            f"input {one.name!r} is of type {one.kind} in one policy and {other.kind} in the other, so they cannot be compared"
        )
    nullable = one.nullable or other.nullable
    known = [_known(one), _known(other)]
    if isinstance(one, TreeDomain) and isinstance(other, TreeDomain):
        tree: dict[str, list[str]] = {}
        for primary, leaves in [*one.tree.items(), *other.tree.items()]:
            names = [leaf.partition(".")[2] for leaf in leaves]
            tree[primary] = list(dict.fromkeys([*tree.get(primary, ()), *names]))
        return TreeDomain(one.name, nullable, tree), known
    if isinstance(one, EnumDomain) and isinstance(other, EnumDomain):
        return EnumDomain(one.name, nullable, list(dict.fromkeys([*one.names, *other.names]))), known
    if isinstance(one, NumberDomain) and isinstance(other, NumberDomain):
        return type(one)(one.name, nullable, min(one.low, other.low), max(one.high, other.high)), known
    return copy.copy(one if one.nullable else other), known


def _known(domain: Domain) -> Cell:
    """The cell of every value that a domain knows."""
    if isinstance(domain, NumberDomain):
        return Cell("", spans=((domain.cuts[0], domain.cuts[-1]),), missing=domain.nullable)
    if isinstance(domain, EnumDomain):
        return Cell("", tuple(domain.names), missing=domain.nullable)
    return Cell("", ("false", "true"), missing=domain.nullable)


def _mask_of_all(domain: Domain, cells: Sequence[Cell]) -> int:
    mask = domain.full
    for cell in cells:
        mask &= domain.mask(cell)
    return mask


def _input_changes(before: RuleTable, after: RuleTable) -> Iterator[str]:
    for name in _names(before, after):
        one, other = before.domains.get(name), after.domains.get(name)
        if one is None or other is None:
            yield f"{name} is an input of the {'second' if one is None else 'first'} alone"
            continue
        if one.nullable != other.nullable:
            yield f"{name} may be missing in the {'first' if one.nullable else 'second'} alone"
        if isinstance(one, EnumDomain) and isinstance(other, EnumDomain):
            for which, own, others in (("first", one.names, other.names), ("second", other.names, one.names)):
                only = [str(value) for value in own if value not in others]
                if only:
                    yield f"{name}: the {which} alone knows {', '.join(only)}"
        if isinstance(one, NumberDomain) and isinstance(other, NumberDomain) and one.extent != other.extent:
            yield f"{name} lies in {one.extent or 'all days'} in the first, in {other.extent or 'all days'} in the second"


def _channel(then: Outcome | None) -> str | None:
    return None if then is None else str(then.channel)


def _plain(then: Outcome | None) -> dict[str, Any]:
    if then is None:
        return {"channel": None}
    return {
        "channel": str(then.channel),
        "priority": then.priority,
        "queue": then.queue,
        "skills": list(then.skills),
    }
