"""Decisions a second of the router, on columns and one at a time, and of zen-engine on the same table and contacts.

    python -m tests.benchmarks --only routing-speed

Everything runs in this process, in turns, so that all meet the same disturbances. Contacts are drawn at random, so that
every rule has its share; zen-engine's answers are compared with ours row by row.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import contact_reasons as cr
from contact_reasons.routing.domains import BoolDomain, Cell, Domain, EnumDomain
from contact_reasons.routing.numbers import NumberDomain
from tests.benchmarks.run import Run

N_ROWS = 1_000_000
N_LISTS = 100_000
N_SINGLE = 2_000
TIMES = 10
N_ZEN = 5_000
N_ZEN_SINGLE = 500
SEED = 20261122


def routing_speed(run: Run) -> dict[str, Any]:
    """Decisions a second, by policy and way of asking."""
    tables = {"retail": cr.RoutingPolicy.load("retail"), "generated": cr.RoutingPolicy.from_dict(generated_policy())}
    return {
        "policies": {name: one_policy(run, name, policy) for name, policy in tables.items()},
        "stamp": run.stamp({}),
    }


def one_policy(run: Run, name: str, policy: cr.RoutingPolicy) -> dict[str, Any]:
    columns = draw_columns(policy, N_ROWS)
    rows = first_rows(columns, N_ZEN)
    ways = our_ways(policy, columns, rows[:N_SINGLE])
    expected = [policy.route(row).rule_id for row in rows]
    zen, zen_note, agree = zen_ways(policy, rows, expected)
    ways |= zen
    per_second: dict[str, list[float]] = {way: [] for way in ways}
    per_cpu_second: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(run.rounds):
        for way, (n_rows, ask) in ways.items():
            start, cpu = time.perf_counter(), time.process_time()
            ask()
            per_second[way].append(n_rows / (time.perf_counter() - start))
            per_cpu_second[way].append(n_rows / (time.process_time() - cpu))
        run.say(f"routing speed, {name}, round {turn + 1} of {run.rounds}")
    found: dict[str, Any] = {
        "rules": len(policy.rules),
        "inputs": len(policy.inputs),
        "rules_that_decide": len(set(policy.route_many(columns["pandas"]).rule_index.tolist())),
        "rows": N_ROWS,
        "per_second": {
            way: {"median": statistics.median(v), "least": min(v), "most": max(v)} for way, v in per_second.items()
        },
        "per_cpu_second": {way: statistics.median(values) for way, values in per_cpu_second.items()},
        "left_out": zen_note,
        "zen_agrees": agree,
    }
    if zen:
        pairs = zip(per_second["pandas"], per_second["zen_batch"], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        found["times_zen_batch"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    for way, values in found["per_second"].items():
        run.say(
            f"{name}, {way}: {values['median']:,.0f} decisions/s, {found['per_cpu_second'][way]:,.0f} a second of CPU time"
        )
    return found


def generated_policy(n_rules: int = 40) -> dict[str, Any]:
    """A policy of 11 inputs, each rule with three to five conditions, and a last rule for everybody."""
    draw = random.Random(SEED)
    inputs: dict[str, Any] = {
        "reason": {
            "type": "tree",
            "values": {f"p{i}": [f"s{k}" for k in range(7)] for i in range(10)},
            "nullable": True,
        },
        **{
            f"e{i}": {"type": "enum", "values": [f"v{k}" for k in range(3 + i)], "nullable": i % 2 == 0}
            for i in range(5)
        },
        "b0": {"type": "bool", "nullable": True},
        "b1": {"type": "bool"},
        "n0": {"type": "int", "min": 0, "max": 7200},
        "n1": {"type": "int", "min": 0, "max": 20, "nullable": True},
        "x": {"type": "real", "min": 0, "max": 1},
    }
    cells: dict[str, Callable[[], Any]] = {
        "reason": lambda: [f"p{p}.*" for p in draw.sample(range(10), 4)],
        **{f"e{i}": lambda i=i: [f"v{k}" for k in draw.sample(range(3 + i), 2 + i // 2)] for i in range(5)},
        "b0": lambda: draw.choice([[True], [False, "missing"]]),
        "b1": lambda: draw.choice([True, False]),
        "n0": lambda: f"< {draw.randrange(600, 6000, 300)}",
        "n1": lambda: [f">= {draw.randrange(2, 9)}", "missing"],
        "x": lambda: f">= {draw.randrange(2, 8) / 10}",
    }
    channels = ["self_service", "message", "chat", "callback", "human_agent"]
    rules = [
        {
            "id": f"r{i}",
            "when": {name: cells[name]() for name in draw.sample(sorted(cells), draw.randint(3, 5))},
            "then": {"channel": draw.choice(channels), "priority": draw.randint(1, 9)},
        }
        for i in range(n_rules - 1)
    ]
    rules.append({"id": "rest", "when": {}, "then": {"channel": "message", "priority": 9}})
    return {"router": "generated", "version": "1", "inputs": inputs, "rules": rules}


# ------------------------------------------------------------------------------------------------- contacts


def draw_columns(policy: cr.RoutingPolicy, n_rows: int) -> dict[str, dict[str, Any]]:
    """The same random contacts as columns of each library: names as categoricals or strings, numbers as numbers."""
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    found: dict[str, dict[str, Any]] = {way: {} for way in ("pandas", "polars", "arrow", "pandas_strings", "lists")}
    for domain in domains(policy):
        plain = draw_column(domain, rng, n_rows)
        if isinstance(domain, EnumDomain):
            found["pandas"][domain.name] = plain
            arrow = pa.DictionaryArray.from_pandas(plain)
            found["polars"][domain.name] = pl.Series(
                plain.astype(object).where(plain.notna(), None).tolist(), dtype=pl.Categorical
            )
            found["pandas_strings"][domain.name] = plain.astype("str")
        else:
            found["pandas"][domain.name] = found["pandas_strings"][domain.name] = plain
            arrow = pa.Array.from_pandas(plain)
            found["polars"][domain.name] = pl.Series(plain.astype(object).where(plain.notna(), None).tolist())
        found["arrow"][domain.name] = arrow
        found["lists"][domain.name] = arrow[:N_LISTS].to_pylist()
    found["pandas"] = pd.DataFrame(found["pandas"])
    found["pandas_strings"] = pd.DataFrame(found["pandas_strings"])
    return found


def domains(policy: cr.RoutingPolicy) -> tuple[Domain, ...]:
    return policy._domains


def draw_column(domain: Domain, rng: np.random.Generator, n_rows: int) -> Any:
    """A Series of pandas; a tenth missing where it may be."""
    import pandas as pd

    missing = rng.random(n_rows) < (0.1 if domain.nullable else 0)
    if isinstance(domain, EnumDomain):
        codes = rng.integers(0, len(domain.names), n_rows)
        return pd.Series(pd.Categorical.from_codes(np.where(missing, -1, codes), list(domain.names)))
    if isinstance(domain, BoolDomain):
        values = pd.Series(rng.integers(0, 2, n_rows).astype(bool))
        return values.astype("boolean").mask(missing) if domain.nullable else values
    assert isinstance(domain, NumberDomain)
    low, high = domain.low, min(domain.high, domain.low + 1000)
    if domain.kind == "int":
        values = pd.Series(rng.integers(int(low), int(high) + 1, n_rows))
        return values.astype("Int64").mask(missing) if domain.nullable else values
    return pd.Series(np.where(missing, np.nan, np.round(rng.uniform(low, high, n_rows), 3)))


def first_rows(columns: Mapping[str, Mapping[str, Any]], n_rows: int) -> list[dict[str, Any]]:
    lists = {name: values[:n_rows] for name, values in columns["lists"].items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


# ----------------------------------------------------------------------------------------------------- ways

Ways = dict[str, tuple[int, Callable[[], object]]]


def our_ways(policy: cr.RoutingPolicy, columns: Mapping[str, Any], rows: list[dict[str, Any]]) -> Ways:
    ways: Ways = {
        way: (N_LISTS if way == "lists" else N_ROWS, lambda given=given: policy.route_many(given))
        for way, given in columns.items()
    }

    def each(ask: Callable[[Mapping[str, Any]], object]) -> Callable[[], object]:
        def run_all() -> None:
            for row in rows * TIMES:
                ask(row)

        return run_all

    return ways | {
        "rule_index": (TIMES * len(rows), each(policy.rule_index)),
        "route": (TIMES * len(rows), each(policy.route)),
    }


def zen_ways(
    policy: cr.RoutingPolicy, rows: list[dict[str, Any]], expected: list[str]
) -> tuple[Ways, str | None, str | None]:
    """zen-engine on the same rows: its ways, or why it is left out; and on how many rows it agrees."""
    try:
        import zen
    except ImportError:
        return {}, "zen-engine is not installed (extra `benchmarks`)", None
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"policy": as_zen(policy)}}})
    requests = [{"key": "policy", "context": row} for row in rows]
    decision = engine.create_decision(json.dumps(as_zen(policy)))
    answers = [answer["data"]["result"].get("rule") for answer in engine.evaluate_batch(requests)]
    same = sum(ours == theirs for ours, theirs in zip(expected, answers, strict=True))

    def single() -> None:
        for row in rows[:N_ZEN_SINGLE]:
            decision.evaluate(row)

    ways: Ways = {
        "zen_batch": (len(rows), lambda: engine.evaluate_batch(requests)),
        "zen_single": (N_ZEN_SINGLE, single),
    }
    return ways, None, f"{same} of {len(rows)}"


def as_zen(policy: cr.RoutingPolicy) -> dict[str, Any]:
    """The policy as a decision table of zen-engine with hit policy first."""
    columns = [{"id": name, "name": name, "field": name, "type": "expression"} for name in policy.inputs]
    rules = [
        {
            "_id": rule.id,
            **{name: zen_cell(rule.when[name]) if name in rule.when else "" for name in policy.inputs},
            "rule": json.dumps(rule.id),
        }
        for rule in policy.rules
    ]
    content = {
        "hitPolicy": "first",
        "inputs": columns,
        "outputs": [{"id": "rule", "name": "rule", "field": "rule", "type": "expression"}],
        "rules": rules,
    }
    nodes = [
        {"id": "in", "name": "in", "type": "inputNode", "position": {"x": 0, "y": 0}},
        {"id": "table", "name": "table", "type": "decisionTableNode", "content": content, "position": {"x": 1, "y": 0}},
        {"id": "out", "name": "out", "type": "outputNode", "position": {"x": 2, "y": 0}},
    ]
    edges = [
        {"id": "a", "type": "edge", "sourceId": "in", "targetId": "table"},
        {"id": "b", "type": "edge", "sourceId": "table", "targetId": "out"},
    ]
    return {"nodes": nodes, "edges": edges}


def zen_cell(cell: Cell) -> str:
    """A cell in zen-engine's language, where a comparison of a missing number is an error and so has to come last."""
    spans = [zen_span(first, last) for first, last in cell.spans]
    if spans and cell.missing:
        return " or ".join(["$ == null", *(f"$ {span}" if span[0] in "<>" else f"$ in {span}" for span in spans)])
    values = [value if value in ("true", "false") else json.dumps(value) for value in cell.values]
    return ", ".join([*values, *spans, *(["null"] if cell.missing else [])])


def zen_span(first: float, last: float) -> str:
    if math.isinf(first):
        return f"< {last!r}"
    return f">= {first!r}" if math.isinf(last) else f"[{first!r}..{last!r})"


# ----------------------------------------------------------------------------------------------------- page

TITLES = {
    "pandas": "columns of pandas, names as categoricals",
    "polars": "columns of polars, names as categoricals",
    "arrow": "columns of Arrow, names as dictionaries",
    "pandas_strings": "columns of pandas, names as strings",
    "lists": "lists of Python",
    "rule_index": "one at a time, `rule_index`",
    "route": "one at a time, `route` with its reasons",
    "zen_batch": "zen-engine, `evaluate_batch`",
    "zen_single": "zen-engine, one at a time",
}


def routing_speed_lines(section: dict[str, Any]) -> list[str]:
    """The section of the page."""
    policies = section["policies"]
    heads = {name: f"{name}: {found['rules']} rules, {found['inputs']} inputs" for name, found in policies.items()}
    rows = next(iter(policies.values()))["rows"]
    lines = [
        "## Routing",
        "",
        f"Decisions a second, in one process, in turns; medians of the rounds (least–most); then a second of CPU time, over all threads. {rows:,} contacts drawn at random, a tenth of the nullable values "
        "missing; every value is checked. Numbers are numbers, whatever the names are. zen-engine gets the same table and contacts as a list of mappings, which is the only "
        "form it takes; its values are not checked.",
        "",
        f"| | {' | '.join(heads.values())} |",
        f"|---|{'---|' * len(heads)}",
    ]
    for way, title in TITLES.items():
        cells = [cell_text(found, way) for found in policies.values()]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")
    for name, found in policies.items():
        if "times_zen_batch" in found:
            times = found["times_zen_batch"]
            lines += [
                "",
                f"{name}: categoricals of pandas are {times['median']:,.0f} times ({times['least']:,.0f}–{times['most']:,.0f}) as fast as zen-engine's batch; the same rule on {found['zen_agrees']} contacts.",
            ]
        else:
            lines += ["", f"{name}: {found['left_out']}."]
    return [*lines, ""]


def cell_text(found: dict[str, Any], way: str) -> str:
    if way not in found["per_second"]:
        return ""
    values = [found["per_second"][way][each] for each in ("median", "least", "most")]
    median, least, most, cpu = (f"{float(f'{value:.3g}'):,.0f}" for value in (*values, found["per_cpu_second"][way]))
    return f"{median} ({least}–{most}); {cpu}"
