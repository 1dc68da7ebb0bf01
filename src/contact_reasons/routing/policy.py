"""`RoutingPolicy`: an ordered table of rules from a contact's values to one recommendation.

Routing is a pure function of the values: no clock, no file, no model. The first rule whose conditions all hold
decides. The file's language is closed (values, lists, ranges, ``missing``; no expressions), which is what makes
proofs about it total.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import PolicyError, RoutingError, nearest, shorten
from contact_reasons.records import Because, Recommendation
from contact_reasons.resources import pack_files
from contact_reasons.routing.analysis import PolicyAnalysis
from contact_reasons.routing.columns import value_at
from contact_reasons.routing.compiled import CompiledTable
from contact_reasons.routing.dates import DATE, DateDomain
from contact_reasons.routing.domains import Domain
from contact_reasons.routing.exploration import Explorer
from contact_reasons.routing.filetests import PolicyTest, PolicyTestReport, PolicyTestResult
from contact_reasons.routing.proof import STEP_BUDGET
from contact_reasons.routing.routed import PartlyRouted, RoutedColumns
from contact_reasons.routing.rulefile import Outcome, Promise, RoutingRule, RuleTable, read_rule_table
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.taxonomy.strict_yaml import StrictDocument, load_strict_yaml

if TYPE_CHECKING:
    from contact_reasons.routing.difference import PolicyDifference

__all__ = ["RoutingPolicy", "RuleVerdict"]


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

    Attributes
    ----------
    inputs : tuple of str
        In the order of the file; then ``date`` if the policy is dated.
    dated : bool
        Whether the file or a rule holds for a time only (``from``, ``until``), so that the day must be known.

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
        self.tests: tuple[PolicyTest, ...] = table.tests
        self.dated = any(isinstance(domain, DateDomain) for domain in table.domains.values())
        self._domains: tuple[Domain, ...] = tuple(table.domains.values())
        self._names = frozenset(self.inputs)
        self._missing: dict[str, Any] = dict.fromkeys(self.inputs)
        for domain in self._domains:
            domain.cut([cells[domain.name] for cells in table.all_conditions() if domain.name in cells])
        self._boxes = [self._box(rule.when) for rule in self.rules]
        self._assumed = [self._box(when) for when in table.assumed]
        self._compiled = CompiledTable(self._domains, self._boxes, self._assumed)
        self._match, self._all_rules, self._n_inputs = self._compiled.match, self._compiled.all_rules, len(self.inputs)
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

    def to_dict(self) -> dict[str, Any]:
        """The content of the rule file, as `from_dict` takes it: a copy, to be changed at will."""
        return copy.deepcopy(dict(self._table.content))

    # ------------------------------------------------------------------------------------------ routing

    def route(self, values: Mapping[str, Any], *, key: str | None = None, at: dt.date | None = None) -> Recommendation:
        """The recommendation for one contact's values.

        A missing value (None, NaN or an absent key) is only allowed for nullable inputs, and meets only conditions that
        list ``missing``.

        Parameters
        ----------
        values : mapping of str to value
            By input name.
        key : str, optional
            Id of the contact, by whose hash a policy with `explore:` may try another channel; without it, none is tried.
        at : date or datetime, optional
            The day to route on, as input ``date`` of a policy with ``from`` or ``until``, which needs one or the other. Of a
            datetime the day in its own time zone. Other policies answer alike on all days.

        Raises
        ------
        RoutingError
            If a key is no input of the policy, a value is missing, unknown or of the wrong type, or no rule matches.
        """
        values = self._on_day(values, at)
        said = self._route(values)
        return said if key is None or self._explorer is None else self._explorer.explore(said, values, key)

    def channel_probabilities(self, values: Mapping[str, Any], *, at: dt.date | None = None) -> dict[str, float]:
        """How probable each channel is for these values over all keys, the rule's channel first: 1 for it unless the policy explores.

        Raises
        ------
        RoutingError
            As `route` does.
        """
        values = self._on_day(values, at)
        channel = self._route(values).channel
        return {channel: 1.0} if self._explorer is None else self._explorer.probabilities(values, channel)

    def _route(self, values: Mapping[str, Any]) -> Recommendation:
        hits = self._hits(values)
        if not hits:
            return self._no_match(values)
        index = (hits & -hits).bit_length() - 1
        rule = self.rules[index]
        because = tuple([Because(name, values.get(name), cell.text) for name, cell in rule.when.items()])
        return self._recommend(rule.id, rule.then, because, self._ids(hits & ~(1 << index)))

    def rule_index(self, values: Mapping[str, Any], *, at: dt.date | None = None) -> int:
        """Which rule decides on one contact's values: as `route`, with the same checks, several times as fast.

        Parameters
        ----------
        values, at
            As for `route`.

        Returns
        -------
        int
            Position in ``policy.rules``; their number where the outcome is ``on_no_match``.

        Raises
        ------
        RoutingError
            As `route`.
        """
        if at is None and values.__class__ is dict and len(values) == self._n_inputs:
            try:
                hits = self._match(values)
            except KeyError:
                hits = 0  # not these inputs
            if 0 < hits <= self._all_rules:
                return (hits & -hits).bit_length() - 1
        hits = self._hits(self._on_day(values, at))
        if hits:
            return (hits & -hits).bit_length() - 1
        self._no_match(values)
        return len(self.rules)

    def _hits(self, values: Mapping[str, Any]) -> int:
        """The rules that match, as bits."""
        try:
            if values.__class__ is dict and len(values) == self._n_inputs:
                hits = self._match(values)
            else:
                hits = self._match(self._filled(values))
        except KeyError:  # as many names as inputs, and yet not the same
            hits = self._match(self._filled(values))
        if hits > self._all_rules:
            raise self._impossible(values)
        return hits

    def _filled(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values with None for inputs that were left out."""
        if not isinstance(values, Mapping):
            raise RoutingError(f"values is a {type(values).__name__}; give a mapping from inputs to values")
        filled = {**self._missing, **values}
        if len(filled) != len(self.inputs):
            raise self._no_input(min(filled.keys() - self._names, key=str))
        return filled

    def _on_day(self, values: Mapping[str, Any], at: dt.date | None) -> Mapping[str, Any]:
        """The values with the day among them, if this policy reads it."""
        if at is None:
            return values
        if not isinstance(at, dt.date):
            raise RoutingError(f"at is {shorten(at)}; it must be a date or a datetime")
        if not self.dated:
            return values
        if isinstance(values, Mapping) and DATE in values:
            raise RoutingError("the day was given twice, as at= and as the input 'date'; give one of them")
        return {**values, DATE: at} if isinstance(values, Mapping) else values

    def verdicts(self, values: Mapping[str, Any], *, at: dt.date | None = None) -> tuple[RuleVerdict, ...]:
        """What came of each rule, in order, when `route` decided on these values; it raises as `route` does."""
        values = self._on_day(values, at)
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

    def route_many(self, columns: Any, *, at: dt.date | None = None) -> RoutedColumns:
        """Recommendations for many rows, equal to `route` row by row, without exploration.

        Columns are read in blocks, without a step of Python a row: categoricals of pandas and polars and dictionaries of Arrow
        by their codes, which is the fastest, strings by a hash table.

        Parameters
        ----------
        columns : mapping of str to array-like of shape (n,), or a data frame of pandas or polars, or a table of Arrow
            Absent columns of nullable inputs count as missing.
        at : date or datetime, optional
            As for `route`, for all rows.

        Raises
        ------
        RoutingError
            As `route` for the first wrong row of the first wrong input; wrong values are listed with their counts and first rows.
        """
        given, n_rows, day = self._columns(columns, at)
        found = self._compiled.match_columns(given, n_rows, {} if day is None else {DATE: day})
        if len(found.impossible):
            raise self._of_rows(self._impossible, given, day, found.impossible, n_rows)
        if len(found.unmatched) and self._table.on_no_match is None:
            raise self._of_rows(self._unanswered, given, day, found.unmatched, n_rows)
        return RoutedColumns(found.first, self._outcomes)

    def route_known(self, columns: Any, *, at: dt.date | None = None) -> PartlyRouted:
        """As `route_many`, but rows that `route` would refuse are listed with their causes instead of ending all.

        Parameters
        ----------
        columns, at
            As for `route_many`.

        Raises
        ------
        RoutingError
            If a column is no input, columns differ in length, or an input that must be known has no column.
        """
        given, n_rows, day = self._columns(columns, at)
        found = self._compiled.match_columns(given, n_rows, {} if day is None else {DATE: day}, note_wrong=True)
        causes = [(f"the input {name!r} must be {expected.strip()}", rows) for name, expected, rows in found.wrong]
        causes.append(("the policy assumes this combination of values to be impossible", found.impossible))
        if self._table.on_no_match is None:
            causes.append(("no rule of the policy matches", found.unmatched))
        return PartlyRouted.of(found.first, self._outcomes, causes)

    def held_by(self, promise: Promise, columns: Any, *, at: dt.date | None = None) -> npt.NDArray[np.bool_]:
        """Which rows of columns, all of which `route_many` takes, a promise of this policy is about; shape (n,)."""
        given, n_rows, day = self._columns(columns, at)
        domains = [domain for domain in self._domains if domain.name in promise.when]
        box = tuple(domain.mask(promise.when[domain.name]) for domain in domains)
        table = CompiledTable(domains, [box], [])
        return np.equal(table.match_columns(given, n_rows, {} if day is None else {DATE: day}).first, 0)

    @property
    def _outcomes(self) -> tuple[tuple[str, int, str], ...]:
        """Channel, priority and id of each rule, then of what is said where none matches."""
        outcomes = [(str(rule.then.channel), rule.then.priority, rule.id) for rule in self.rules]
        if self._table.on_no_match is not None:
            outcomes.append((str(self._table.on_no_match.channel), self._table.on_no_match.priority, "on_no_match"))
        return tuple(outcomes)

    def _columns(self, columns: Any, at: dt.date | None) -> tuple[dict[str, Any], int, Any]:
        """Columns by name, checked in number and length; the number of rows; the day if this policy reads it."""
        names = _column_names(columns)
        for name in names:
            if name not in self._names:
                raise self._no_input(name)
        if not names:
            raise RoutingError(f"no columns were given; policy {self.policy_id!r} reads {', '.join(self.inputs)}")
        given = {name: columns[name] for name in names}
        lengths = {name: len(column) if hasattr(column, "__len__") else 1 for name, column in given.items()}
        if len(set(lengths.values())) > 1:
            raise RoutingError(f"columns differ in length: {lengths}; give one value a row")
        day = self._on_day(dict.fromkeys(names), at).get(DATE) if at is not None else None
        return given, lengths[names[0]], day

    def _of_rows(
        self,
        error: Callable[[Mapping[str, Any]], RoutingError],
        columns: Mapping[str, Any],
        day: dt.date | None,
        rows: npt.NDArray[np.int64],
        n_rows: int,
    ) -> RoutingError:
        """The error of one contact, for rows of columns."""
        row = int(rows[0])
        values = {name: value_at(column, row) for name, column in columns.items()}
        found = error(values if day is None else {**values, DATE: day})
        return RoutingError(f"{found} So for {len(rows)} of {n_rows} rows, first row {row}.", found.expected)

    def from_cell(self, name: str, cell: Any) -> Any:
        """The value of an input that a cell of a file stands for, text or typed; an empty one is missing (None).

        Raises
        ------
        RoutingError
            If it stands for none; ``expected`` says what would be right, without the value.
        """
        return self._table.domains[name].from_cell(cell)

    def values_of(self, name: str) -> tuple[Any, ...]:
        """The values that an input of names or of true and false knows; none for numbers and days."""
        return tuple(getattr(self._table.domains[name], "names", ()))

    @property
    def required(self) -> tuple[str, ...]:
        """Inputs that must never be missing."""
        return tuple(domain.name for domain in self._domains if not domain.nullable)

    def _no_match(self, values: Mapping[str, Any]) -> Recommendation:
        if self._table.on_no_match is None:
            raise self._unanswered(values)
        return self._recommend("on_no_match", self._table.on_no_match, (), ())

    def _no_input(self, name: object) -> RoutingError:
        return RoutingError(
            f"{name!r} is not an input of policy {self.policy_id!r}; {nearest(name, self.inputs)} Leave it out or rename it."
        )

    def _unanswered(self, values: Mapping[str, Any]) -> RoutingError:
        return RoutingError(
            f"no rule of policy {self.policy_id!r} matches {self._read(values)}; add a last rule with `when: {{}}`, "
            "or run `contact-reasons validate` to see a gap.",
            "a combination that some rule matches",
        )

    def _impossible(self, values: Mapping[str, Any]) -> RoutingError:
        return RoutingError(
            f"{self._read(values)}: the policy {self.policy_id!r} assumes that this combination cannot occur (`assume`); "
            "correct the values or drop the assumption.",
            "a combination that the policy does not assume to be impossible",
        )

    def _read(self, values: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={shorten(values.get(name))}" for name in self.inputs)

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

    def run_tests(self) -> PolicyTestReport:
        """Route the contacts of ``tests:`` in the rule file; a wrong answer is reported, not raised."""
        results = []
        for test in self.tests:
            try:
                found = self.route(test.given)
            except RoutingError as exc:
                results.append(PolicyTestResult(test, None, str(exc)))
            else:
                results.append(PolicyTestResult(test, found.rule_id, found.why))
        decided = {result.found for result in results}
        return PolicyTestReport(tuple(results), tuple(rule.id for rule in self.rules if rule.id not in decided))

    # -------------------------------------------------------------------------------------------- proof

    def analyse(self, *, budget: int = STEP_BUDGET) -> PolicyAnalysis:
        """What can be proved: completeness or the gaps, unreachable rules, live conflicts, promises, unused inputs.

        Of a dated policy all is proved for every day: it is complete if every contact has a rule on every day, a rule is unreachable if
        it decides on none, and examples have a ``date``.

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
