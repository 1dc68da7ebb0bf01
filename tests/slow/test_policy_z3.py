"""Verdicts on random tables equal those of Z3, a solver that knows nothing of atoms and boxes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

import contact_reasons as cr

z3 = pytest.importorskip("z3", reason="z3-solver is not installed: pip install -e '.[benchmarks]'")

pytestmark = pytest.mark.slow

TABLES = 2_000
CHANNELS = ["self_service", "message", "chat", "callback", "human_agent"]


def random_inputs(chance: random.Random) -> dict[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = {}
    for i in range(chance.randint(2, 6)):
        spec: dict[str, Any] = {"type": chance.choice(["enum", "bool", "int", "real"])}
        if spec["type"] == "enum":
            spec["values"] = [f"v{k}" for k in range(chance.randint(2, 5))]
        elif spec["type"] in ("int", "real") and chance.random() < 0.8:
            spec |= {"min": 0, "max": 20}
        inputs[f"c{i}"] = spec | {"nullable": chance.random() < 0.4}
    return inputs


def random_part(chance: random.Random, spec: dict[str, Any]) -> Any:
    if spec["type"] == "enum":
        return chance.choice(spec["values"])
    if spec["type"] == "bool":
        return chance.random() < 0.5
    low, high = sorted(chance.sample(range(1, 20), 2))
    if spec["type"] == "real":
        low, high = low / 2, high / 2
    return chance.choice(
        [f"< {low}", f"<= {low}", f"> {low}", f">= {low}", f"[{low}, {high}]", f"({low - 1}, {high + 1})", f"{low}"]
    )


def random_when(chance: random.Random, inputs: dict[str, dict[str, Any]], least: int, most: int) -> dict[str, Any]:
    when = {}
    for name in chance.sample(sorted(inputs), chance.randint(least, min(most, len(inputs)))):
        parts = [random_part(chance, inputs[name]) for _ in range(chance.randint(1, 2))]
        if inputs[name]["nullable"] and chance.random() < 0.3:
            parts.append("missing")
        when[name] = parts
    return when


def random_policy(chance: random.Random, inputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    whens = [random_when(chance, inputs, 1, 3) for _ in range(chance.randint(2, 14))]
    data: dict[str, Any] = {
        "router": "random",
        "version": "1",
        "inputs": inputs,
        "rules": [
            {"id": f"r{i}", "when": when, "then": {"channel": chance.choice(CHANNELS), "priority": 1}}
            for i, when in enumerate(whens)
        ],
        "assume": [random_when(chance, inputs, 2, 3) for _ in range(chance.randint(0, 1))],
    }
    for kind in ("never", "always"):
        data[kind] = [{"name": kind, "when": random_when(chance, inputs, 1, 2), "channel": chance.sample(CHANNELS, 2)}]
    return data


class Contacts:
    """A contact of some inputs, as variables of a solver."""

    def __init__(self, inputs: dict[str, dict[str, Any]]) -> None:
        self.inputs = inputs
        self.missing = {name: z3.Bool(f"{name} missing") for name in inputs}
        make = {"enum": z3.Int, "bool": z3.Bool, "int": z3.Int, "real": z3.Real}
        self.value = {name: make[spec["type"]](name) for name, spec in inputs.items()}
        self.solver = z3.Solver()
        for name, spec in inputs.items():
            if not spec["nullable"]:
                self.solver.add(z3.Not(self.missing[name]))
            if spec["type"] == "enum":
                self.solver.add(self.value[name] >= 0, self.value[name] < len(spec["values"]))
            if "min" in spec:
                self.solver.add(self.value[name] >= spec["min"], self.value[name] <= spec["max"])

    def meets(self, when: dict[str, Any]) -> Any:
        return z3.And([z3.Or([self.holds(name, part) for part in parts]) for name, parts in when.items()])

    def holds(self, name: str, part: Any) -> Any:
        value, spec = self.value[name], self.inputs[name]
        if part == "missing":
            return self.missing[name]
        if spec["type"] == "bool":
            met = value == part
        elif spec["type"] == "enum":
            met = value == spec["values"].index(part)
        elif part == "(-inf, inf)":
            met = z3.BoolVal(True)
        elif part[0] in "[(":
            low, high = part[1:-1].split(", ")
            met = z3.And(
                value >= z3.RealVal(low) if part[0] == "[" else value > z3.RealVal(low),
                value <= z3.RealVal(high) if part[-1] == "]" else value < z3.RealVal(high),
            )
        else:
            sign, _, limit = part.rpartition(" ")
            number = z3.RealVal(limit)
            met = {"<": value < number, "<=": value <= number, ">": value > number, ">=": value >= number, "": value == number}[sign]  # fmt: skip
        return z3.And(z3.Not(self.missing[name]), met)

    def exist(self, *formulas: Any) -> bool:
        self.solver.push()
        self.solver.add(*formulas)
        found = self.solver.check()
        self.solver.pop()
        assert found in (z3.sat, z3.unsat)
        return bool(found == z3.sat)

    def decisions(self, data: dict[str, Any]) -> tuple[Any, list[Any], list[Any]]:
        """Whether a contact is possible; whether it meets each rule; whether each rule decides."""
        possible = z3.Not(z3.Or([self.meets(when) for when in data["assume"]]))
        matches = [self.meets(rule["when"]) for rule in data["rules"]]
        first = [z3.And(possible, match, z3.Not(z3.Or(matches[:i]))) for i, match in enumerate(matches)]
        return possible, matches, first


def check_analysis(contacts: Contacts, data: dict[str, Any]) -> None:
    analysis = cr.RoutingPolicy.from_dict(data).analyse()
    possible, matches, first = contacts.decisions(data)
    rules = data["rules"]
    answered = z3.Or(matches)
    assert analysis.complete is not contacts.exist(possible, z3.Not(answered))
    gaps = z3.Or([contacts.meets({n: c if isinstance(c, list) else [c] for n, c in gap.conditions.items()}) for gap in analysis.gaps])  # fmt: skip
    assert not contacts.exist(gaps != z3.And(possible, z3.Not(answered)))
    hidden = {rule.rule_id: rule.hidden_by for rule in analysis.unreachable}
    assert hidden.keys() == {
        rule["id"] for rule, decides in zip(rules, first, strict=True) if not contacts.exist(decides)
    }
    for rule_id, blamed in hidden.items():
        left = z3.And(possible, matches[int(rule_id[1:])])
        by = [matches[int(other[1:])] for other in blamed]
        assert not contacts.exist(left, z3.Not(z3.Or(by)))
        for i in range(len(by)):
            assert contacts.exist(left, z3.Not(z3.Or(by[:i] + by[i + 1 :])))
    pairs = {(pair.rule_id, pair.other_id) for pair in analysis.conflicts}
    for i, j in itertools.combinations(range(len(rules)), 2):
        if rules[i]["then"] != rules[j]["then"]:
            assert ((rules[i]["id"], rules[j]["id"]) in pairs) is contacts.exist(first[i], matches[j])
    for verdict, (kind, wanted) in zip(analysis.promises, (("never", True), ("always", False)), strict=True):
        (promise,) = data[kind]
        into = z3.Or([d for rule, d in zip(rules, first, strict=True) if rule["then"]["channel"] in promise["channel"]])
        area = z3.And(possible, contacts.meets(promise["when"]))
        assert verdict.kept is not contacts.exist(area, into if wanted else z3.Not(into))


def test_verdicts_on_random_tables_equal_those_of_z3() -> None:
    chance = random.Random(20261122)
    seen = {"complete": 0, "with gaps": 0, "hidden by several": 0, "kept": 0}
    for _ in range(TABLES):
        inputs = random_inputs(chance)
        data = random_policy(chance, inputs)
        if chance.random() < 0.3:
            data["rules"].append(
                {"id": f"r{len(data['rules'])}", "when": {}, "then": {"channel": "chat", "priority": 1}}
            )
        check_analysis(Contacts(inputs), data)
        analysis = cr.RoutingPolicy.from_dict(data).analyse()
        seen["complete"] += analysis.complete is True
        seen["with gaps"] += analysis.complete is False
        seen["hidden by several"] += any(len(rule.hidden_by) > 1 for rule in analysis.unreachable)
        seen["kept"] += any(verdict.kept for verdict in analysis.promises)
    print(f"{TABLES} tables, equal to Z3: {seen}")
    assert min(seen.values()) > TABLES / 50


def test_differences_of_random_tables_equal_those_of_z3() -> None:
    chance = random.Random(7)
    equal = 0
    for _ in range(TABLES // 2):
        inputs = random_inputs(chance)
        before = random_policy(chance, inputs)
        rules = list(before["rules"])
        i, j = chance.sample(range(len(rules)), 2)
        rules[i], rules[j] = rules[j], rules[i]
        after = {**before, "rules": rules, "assume": before["assume"] if chance.random() < 0.8 else []}
        found = cr.RoutingPolicy.from_dict(before).difference(cr.RoutingPolicy.from_dict(after))
        contacts = Contacts(inputs)
        outcomes = []
        for data in (before, after):
            decided = contacts.decisions(data)[2]
            channel = z3.IntVal(0)
            for rule, decides in zip(data["rules"], decided, strict=True):
                channel = z3.If(decides, CHANNELS.index(rule["then"]["channel"]) + 1, channel)
            outcomes.append(channel)
        differ = outcomes[0] != outcomes[1]
        assert found.equal is not contacts.exist(differ)
        regions = z3.Or([
            contacts.meets({n: c if isinstance(c, list) else [c] for n, c in region.conditions.items()})
            for change in found.changes
            for region in change.regions
        ])  # fmt: skip
        assert not contacts.exist(regions != differ)
        equal += found.equal is True
    print(f"{TABLES // 2} pairs, equal to Z3; {equal} of them the same")
    assert TABLES / 50 < equal < TABLES / 2
