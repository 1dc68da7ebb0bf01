"""`RoutingPolicy`: an ordered table of rules from a contact's values to one recommendation.

Routing is a pure function of the values: no clock, no file, no model. The first rule whose conditions all hold
decides. The file's language is closed (values, lists, ranges, ``missing``; no expressions), which is what makes
proofs about it total.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import PolicyError, RoutingError, nearest, shorten
from contact_reasons.records import Because, Recommendation
from contact_reasons.resources import pack_files
from contact_reasons.routing.analysis import PolicyAnalysis
from contact_reasons.routing.domains import Domain
from contact_reasons.routing.exploration import Explorer
from contact_reasons.routing.proof import STEP_BUDGET
from contact_reasons.routing.rulefile import Outcome, Promise, RoutingRule, RuleTable, read_rule_table
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.taxonomy.strict_yaml import StrictDocument, load_strict_yaml

if TYPE_CHECKING:
    from contact_reasons.routing.difference import PolicyDifference

__all__ = ["RoutedColumns", "RoutingPolicy", "RuleVerdict"]


class RoutedColumns(NamedTuple):
    """Recommendations for n rows, as columns.

    Parameters
    ----------
    channel : ndarray of str, shape (n,)
    priority : ndarray of int64, shape (n,)
    rule_id : ndarray of str, shape (n,)
    rule_index : ndarray of int64, shape (n,)
        Position of the deciding rule in ``policy.rules``.
    """

    channel: npt.NDArray[np.str_]
    priority: npt.NDArray[np.int64]
    rule_id: npt.NDArray[np.str_]
    rule_index: npt.NDArray[np.int64]


class RuleVerdict(NamedTuple):
    """What came of one rule for one contact.

    Parameters
    ----------
    rule_id : str
    verdict : {'yes', 'no', 'not evaluated'}
        The one that decided; one before it that did not hold; one after it, which nothing hung on.
    failed : tuple of Because
        Of ``'no'``: the conditions that were not met, with the values read.
    """

    rule_id: str
    verdict: str
    failed: tuple[Because, ...] = ()


class RoutingPolicy:
    """An ordered table of routing rules, compiled once for single contacts and for columns.

    Parameters
    ----------
    table : RuleTable
        A rule file's content, checked; use `load`, `from_yaml` or `from_dict` to get one.

    Examples
    --------
    >>> policy = RoutingPolicy.from_dict({
    ...     "router": "tiny", "version": "1",
    ...     "inputs": {"open": {"type": "bool"}},
    ...     "rules": [{"id": "now", "when": {"open": True}, "then": {"channel": "chat", "priority": 5}},
    ...               {"id": "later", "when": {}, "then": {"channel": "message", "priority": 8}}]})
    >>> policy.route({"open": True}).channel
    <Channel.CHAT: 'chat'>
    """

    def __init__(self, table: RuleTable) -> None:
        self._table = table
        self.policy_id = table.policy_id
        self.version = table.version
        self.sha256 = table.sha256
        self.inputs: tuple[str, ...] = tuple(table.domains)
        self.rules: tuple[RoutingRule, ...] = table.rules
        self.promises: tuple[Promise, ...] = table.promises
        self._domains: tuple[Domain, ...] = tuple(table.domains.values())
        self._names = frozenset(self.inputs)
        for domain in self._domains:
            domain.cut([cells[domain.name] for cells in table.all_conditions() if domain.name in cells])
        self._boxes = [self._box(rule.when) for rule in self.rules]
        self._assumed = [self._box(when) for when in table.assumed]
        self._compiled = [self._rules_by_atom(column) for column in range(len(self._domains))]
        self._all_rules = (1 << len(self.rules)) - 1
        self._every_bit = (1 << (len(self.rules) + len(self._assumed))) - 1
        explore = table.exploration
        self._explorer = None if explore is None else Explorer(explore, table.promises, table.domains)

    def __repr__(self) -> str:
        """Id, version and size."""
        return f"RoutingPolicy({self.policy_id!r}, {self.version!r}, {len(self.rules)} rules)"

    @classmethod
    def load(cls, pack: str | Path) -> Self:
        """The policy of a pack, by its name or folder, or of a file, by its path."""
        path = Path(pack)
        return cls.from_yaml(path if path.suffix in (".yaml", ".yml") else pack_files(pack).policy)

    @classmethod
    def from_yaml(cls, path: str | Path, *, taxonomy: Taxonomy | None = None) -> Self:
        """The policy in a rule file; see ``docs/reference/rule-file.md``.

        Parameters
        ----------
        path : str or Path
        taxonomy : Taxonomy, optional
            Reasons of a ``tree`` input that names a taxonomy; by default ``taxonomy.yaml`` beside the file.

        Raises
        ------
        PolicyError
            If the file is wrong, with file, line, key and what would be right.
        """
        document = load_strict_yaml(path, PolicyError)
        return cls(read_rule_table(document, taxonomy, Path(path).parent / "taxonomy.yaml"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, taxonomy: Taxonomy | None = None) -> Self:
        """The policy described by a mapping of the same shape as the rule file."""
        return cls(read_rule_table(StrictDocument(data, {}, ""), taxonomy, None))

    # ------------------------------------------------------------------------------------------ routing

    def route(self, values: Mapping[str, Any], *, key: str | None = None) -> Recommendation:
        """The recommendation for one contact's values.

        A missing value (None, NaN or an absent key) is only allowed for nullable inputs, and meets only conditions that
        list ``missing``.

        Parameters
        ----------
        values : mapping of str to value
            By input name.
        key : str, optional
            Id of the contact, by whose hash a policy with `explore:` may try another channel; without it, none is tried.

        Raises
        ------
        RoutingError
            If a key is no input of the policy, a value is missing, unknown or of the wrong type, or no rule matches.
        """
        said = self._route(values)
        return said if key is None or self._explorer is None else self._explorer.explore(said, values, key)

    def channel_probabilities(self, values: Mapping[str, Any]) -> dict[str, float]:
        """How probable each channel is for these values over all keys, the rule's channel first: 1 for it unless the policy explores.

        Raises
        ------
        RoutingError
            As `route` does.
        """
        channel = self._route(values).channel
        return {channel: 1.0} if self._explorer is None else self._explorer.probabilities(values, channel)

    def _route(self, values: Mapping[str, Any]) -> Recommendation:
        if not isinstance(values, Mapping):
            raise RoutingError(f"values is a {type(values).__name__}; give a mapping from inputs to values")
        if not values.keys() <= self._names:
            wrong = min(values.keys() - self._names, key=str)
            raise RoutingError(
                f"{wrong!r} is not an input of policy {self.policy_id!r}; {nearest(wrong, self.inputs)} Leave it out or rename it."
            )
        hits = self._every_bit
        for domain, masks in zip(self._domains, self._compiled, strict=True):
            hits &= masks[domain.atom(values.get(domain.name))]
        if hits > self._all_rules:
            raise self._impossible(f"{', '.join(f'{name}={shorten(values.get(name))}' for name in self.inputs)}")
        if not hits:
            return self._no_match(values)
        index = (hits & -hits).bit_length() - 1
        rule = self.rules[index]
        because = tuple([Because(name, values.get(name), cell.text) for name, cell in rule.when.items()])
        return self._recommend(rule.id, rule.then, because, self._ids(hits & ~(1 << index)))

    def verdicts(self, values: Mapping[str, Any]) -> tuple[RuleVerdict, ...]:
        """What came of each rule, in order, when `route` decided on these values; it raises as `route` does."""
        decided = self.route(values).rule_id
        domains = self._table.domains
        verdicts: list[RuleVerdict] = []
        for rule in self.rules:
            if verdicts and verdicts[-1].verdict != "no":
                verdicts.append(RuleVerdict(rule.id, "not evaluated"))
            elif rule.id == decided:
                verdicts.append(RuleVerdict(rule.id, "yes"))
            else:
                failed = tuple(
                    Because(name, values.get(name), cell.text)
                    for name, cell in rule.when.items()
                    if not domains[name].mask(cell) >> domains[name].atom(values.get(name)) & 1
                )
                verdicts.append(RuleVerdict(rule.id, "no", failed))
        return tuple(verdicts)

    def route_many(self, columns: Any) -> RoutedColumns:
        """Recommendations for many rows, equal to `route` row by row, without exploration.

        Parameters
        ----------
        columns : mapping of str to array-like of shape (n,), or a data frame
            Absent columns of nullable inputs count as missing.

        Raises
        ------
        RoutingError
            As for `route`; unknown values are listed with their counts and first rows.
        """
        names = _column_names(columns)
        for name in names:
            if name not in self._names:
                raise RoutingError(
                    f"{name!r} is not an input of policy {self.policy_id!r}; {nearest(name, self.inputs)}"
                )
        if not names:
            raise RoutingError(f"no columns were given; policy {self.policy_id!r} reads {', '.join(self.inputs)}")
        columns = {name: columns[name] for name in names}
        lengths = {name: len(column) if hasattr(column, "__len__") else 1 for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise RoutingError(f"columns differ in length: {lengths}; give one value a row")
        n_rows = lengths[names[0]]
        n_words = (self._every_bit.bit_length() + 63) // 64
        hits = np.tile(_words(self._every_bit, n_words), (n_rows, 1))
        for domain, masks in zip(self._domains, self._compiled, strict=True):
            table = np.array([_words(mask, n_words) for mask in masks], dtype=np.uint64)
            if domain.name in lengths:
                hits &= table[domain.atoms(columns[domain.name])]
            elif n_rows:
                hits &= table[domain.atom(None)]
        impossible = np.flatnonzero((hits & _words(self._every_bit ^ self._all_rules, n_words)).any(axis=1))
        if len(impossible):
            raise self._impossible(f"{len(impossible)} of {n_rows} rows, first row {impossible[0]}")
        index = _first_bits(hits, len(self.rules))
        unmatched = np.flatnonzero(index == len(self.rules))
        if len(unmatched) and self._table.on_no_match is None:
            raise RoutingError(
                f"policy {self.policy_id!r} has no rule for {len(unmatched)} of {n_rows} rows, first row {unmatched[0]}; "
                "`contact-reasons validate` shows what the rules leave out"
            )
        outcomes = [rule.then for rule in self.rules]
        ids = [rule.id for rule in self.rules]
        if self._table.on_no_match is not None:
            outcomes.append(self._table.on_no_match)
            ids.append("on_no_match")
        return RoutedColumns(
            np.array([str(outcome.channel) for outcome in outcomes])[index],
            np.array([outcome.priority for outcome in outcomes], dtype=np.int64)[index],
            np.array(ids)[index],
            index,
        )

    def from_cell(self, name: str, cell: Any) -> Any:
        """The value of an input that a cell of a file stands for, text or typed; an empty one is missing (None).

        Raises
        ------
        RoutingError
            If it stands for none; ``expected`` says what would be right, without the value.
        """
        return self._table.domains[name].from_cell(cell)

    @property
    def required(self) -> tuple[str, ...]:
        """Inputs that must never be missing."""
        return tuple(domain.name for domain in self._domains if not domain.nullable)

    def _no_match(self, values: Mapping[str, Any]) -> Recommendation:
        if self._table.on_no_match is None:
            read = ", ".join(f"{name}={shorten(values.get(name))}" for name in self.inputs)
            raise RoutingError(
                f"no rule of policy {self.policy_id!r} matches {read}; add a last rule with `when: {{}}`, "
                "or run `contact-reasons validate` to see a gap",
                "a combination that some rule matches",
            )
        return self._recommend("on_no_match", self._table.on_no_match, (), ())

    def _impossible(self, where: str) -> RoutingError:
        return RoutingError(
            f"{where}: the policy {self.policy_id!r} assumes that this combination cannot occur (`assume`); correct the values or drop the assumption",
            "a combination that the policy does not assume to be impossible",
        )

    def _recommend(
        self, rule_id: str, then: Outcome, because: tuple[Because, ...], also: tuple[str, ...]
    ) -> Recommendation:
        return Recommendation(
            channel=then.channel,
            priority=then.priority,
            rule_id=rule_id,
            because=because,
            queue=then.queue,
            skills=then.skills,
            also_matched=also,
            policy_id=self.policy_id,
            policy_version=self.version,
        )

    def _ids(self, hits: int) -> tuple[str, ...]:
        found = []
        while hits:
            low = hits & -hits
            found.append(self.rules[low.bit_length() - 1].id)
            hits ^= low
        return tuple(found)

    # -------------------------------------------------------------------------------------------- proof

    def analyse(self, *, budget: int = STEP_BUDGET) -> PolicyAnalysis:
        """What can be proved: completeness or the gaps, unreachable rules, live conflicts, promises, unused inputs.

        Parameters
        ----------
        budget : int
            Steps for each part, so that it always ends; what needs more is reported as unknown.
        """
        return PolicyAnalysis(self._table, budget)

    def difference(self, other: RoutingPolicy, *, budget: int = STEP_BUDGET) -> PolicyDifference:
        """Where another policy decides otherwise, exactly; nowhere, proved, if they are equal.

        Parameters
        ----------
        other : RoutingPolicy
            Such as the changed policy.
        budget : int
            As for `analyse`.

        Raises
        ------
        PolicyError
            If an input is of one type here and another there.
        """
        from contact_reasons.routing.difference import PolicyDifference

        return PolicyDifference(self._table, other._table, budget)

    def _box(self, when: Mapping[str, Any]) -> tuple[int, ...]:
        return tuple(domain.mask(when[domain.name]) if domain.name in when else domain.full for domain in self._domains)

    def _rules_by_atom(self, column: int) -> list[int]:
        domain = self._domains[column]
        return [
            sum(1 << i for i, box in enumerate([*self._boxes, *self._assumed]) if box[column] >> atom & 1)
            for atom in range(domain.n_atoms)
        ]


def _column_names(columns: Any) -> list[str]:
    """Names of the columns of a mapping, a data frame or an Arrow table."""
    names = getattr(columns, "column_names", None)
    if names is None:
        names = columns.keys() if isinstance(columns, Mapping) else getattr(columns, "columns", None)
    if names is None:
        raise RoutingError(
            f"columns is a {type(columns).__name__}; give a mapping from inputs to columns, or a data frame"
        )
    return list(names)


def _words(mask: int, n_words: int) -> npt.NDArray[np.uint64]:
    return np.array([mask >> (64 * word) & 0xFFFFFFFFFFFFFFFF for word in range(n_words)], dtype=np.uint64)


def _first_bits(hits: npt.NDArray[np.uint64], none: int) -> npt.NDArray[np.int64]:
    """Position of the lowest set bit of each row of words; ``none`` where no bit is set."""
    lowest = hits & (~hits + np.uint64(1))
    position = np.frexp(lowest.astype(np.float64))[1].astype(np.int64) - 1
    filled = hits != 0
    word = filled.argmax(axis=1)
    rows = np.arange(len(hits))
    found = word * 64 + position[rows, word]
    return np.where(filled.any(axis=1), found, none)
