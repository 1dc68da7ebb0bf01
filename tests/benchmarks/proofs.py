"""How long proofs about policies take: on random tables of the shape of routing tables, and on the shipped policies."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import contact_reasons as cr
from contact_reasons.resources import pack_names
from tests.benchmarks.run import Run, machine

TABLES = ((60, 8, 0.7), (60, 8, 0.5), (100, 10, 0.5), (300, 15, 0.5))
"""Rules, inputs, share of inputs that a rule leaves open."""
EDITED = (40, 11, 0.7)
SEEDS = range(10)
CHANNELS = ("self_service", "message", "chat", "callback", "human_agent")
PARTS = ("proof", "conflicts", "difference")


def random_table(rules: int, inputs: int, left_open: float, seed: int) -> dict[str, Any]:
    """A rule file's content: names, whole numbers, reals and booleans by turns; a promise; a last rule for everybody."""
    chance = random.Random(seed)
    kinds: list[dict[str, Any]] = [
        {"type": "enum", "values": [f"v{i}" for i in range(6)]},
        {"type": "int", "min": 0, "max": 100},
        {"type": "bool", "nullable": True},
        {"type": "real", "min": 0, "max": 1},
    ]
    declared = {f"c{i}": kinds[i % len(kinds)] for i in range(inputs)}
    rows = [
        {
            "id": f"r{i}",
            "when": {name: cell(spec, chance) for name, spec in declared.items() if chance.random() >= left_open},
            "then": {"channel": chance.choice(CHANNELS), "priority": 1},
        }
        for i in range(rules - 1)
    ]
    rows.append({"id": "rest", "when": {}, "then": {"channel": "message", "priority": 9}})
    promise = {"name": "no v0 in self-service", "when": {"c0": "v0"}, "channel": ["self_service"]}
    return {"router": "random", "version": "1", "inputs": declared, "never": [promise], "rules": rows}


def cell(spec: dict[str, Any], chance: random.Random) -> Any:
    if spec["type"] == "enum":
        return chance.sample(spec["values"], chance.randint(1, 3))
    if spec["type"] == "bool":
        return chance.random() < 0.5
    top = spec["max"]
    low, high = sorted(round(chance.uniform(0, top), 0 if top > 1 else 2) for _ in range(2))
    return chance.choice([f"<= {high}", f">= {low}", f"[{low}, {high}]"])


def edited(data: dict[str, Any], seed: int) -> dict[str, Any]:
    """Two rules with another channel, one moved to the front."""
    chance = random.Random(seed)
    rules = list(data["rules"])
    for i in chance.sample(range(len(rules) - 1), 2):
        rules[i] = {**rules[i], "then": {"channel": "callback", "priority": 3}}
    rules.insert(0, rules.pop(chance.randrange(1, len(rules) - 1)))
    return {**data, "rules": rules}


def proofs(run: Run) -> dict[str, Any]:
    """CPU milliseconds of each part: the median of rounds for each table, then median and largest over tables."""
    tables = {}
    for shape in (*TABLES, EDITED):
        run.say(f"random tables of {shape[0]} rules and {shape[1]} inputs")
        measured = [measure(random_table(*shape, seed), seed, run.rounds, shape == EDITED) for seed in SEEDS]
        tables["{} × {}, {:.0%} open".format(*shape)] = summary(measured)
    shipped = {}
    for pack in pack_names():
        policy = cr.RoutingPolicy.load(pack)
        size = {"rules": len(policy.rules), "inputs": len(policy.inputs), "sound": policy.analyse().sound}
        shipped[pack] = size | {name: median_ms(part, run.rounds) for name, part in parts(policy, policy).items()}
    return {"tables": tables, "seeds": len(SEEDS), "shipped": shipped, "machine": machine()}


def parts(policy: cr.RoutingPolicy, other: cr.RoutingPolicy) -> dict[str, Callable[[], object]]:
    return {
        "proof": lambda: policy.analyse().sound,
        "conflicts": lambda: policy.analyse().conflicts,
        "difference": lambda: policy.difference(other).changes,
    }


def measure(data: dict[str, Any], seed: int, rounds: int, with_difference: bool) -> dict[str, float]:
    policy, other = (cr.RoutingPolicy.from_dict(each) for each in (data, edited(data, seed)))
    wanted = PARTS if with_difference else PARTS[:2]
    return {name: median_ms(part, rounds) for name, part in parts(policy, other).items() if name in wanted}


def median_ms(call: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return 1000 * statistics.median(seconds)


def summary(measured: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "median": statistics.median(each[name] for each in measured),
            "most": max(each[name] for each in measured),
        }
        for name in measured[0]
    }


def proof_lines(section: dict[str, Any]) -> list[str]:
    lines = [
        "## How long proofs take",
        "",
        f"CPU milliseconds on one core, {section['seeds']} random tables of each shape: median table (slowest). *Proof*: every contact has a rule, every rule can decide or the rules "
        "that hide it, the promises. *Conflicts*: all pairs of rules whose order decides. *Difference*: two rules sent elsewhere and one moved to the front, shares by channel and all regions.",
        "",
        "| rules × inputs, share of cells left open | proof | conflicts | difference |",
        "|---|---|---|---|",
    ]
    for name, found in section["tables"].items():
        cells = (f"{found[part]['median']:.3g} ({found[part]['most']:.3g})" if part in found else "" for part in PARTS)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| shipped policy | proof | conflicts | difference from itself |", "|---|---|---|---|"]
    for name, found in section["shipped"].items():
        cells = (f"{found[part]:.3g}" for part in PARTS)
        lines.append(f"| {name}, {found['rules']} × {found['inputs']} | {' | '.join(cells)} |")
    return [*lines, "", f"Figures of `proofs`: {section['machine']}.", ""]
