"""Seconds for the replay of a change on 100,000 tickets with all its tables, for a loop over `route` with pandas, and for the ledger.

    python -m tests.benchmarks --only replay

Everything runs in this process, in turns, so that all meet the same disturbances. The loop's counts are compared with ours.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import contact_reasons as cr
from contact_reasons.errors import PolicyError
from contact_reasons.lab.friction import friction
from contact_reasons.lab.outcome import Replay
from contact_reasons.lab.prices import Prices
from contact_reasons.lab.replay import replay
from contact_reasons.lab.sample import sample_quarter
from contact_reasons.resources import pack_files
from contact_reasons.taxonomy.strict_yaml import load_strict_yaml
from tests.benchmarks.run import Run

TICKETS = 100_000
LEDGER_TICKETS = 1_000_000
GROUPS = ("reason", "customer_type", "stage")


def replay_speed(run: Run) -> dict[str, Any]:
    """Seconds of processor time by way, and how many times as long the loop takes."""
    import pandas as pd

    quarter = sample_quarter("retail", TICKETS)
    frame, prices, policy = pd.DataFrame(quarter), Prices.load(), cr.RoutingPolicy.load("retail")
    other = changed(policy)
    year = sample_quarter("retail", LEDGER_TICKETS)
    ways: dict[str, Callable[[], Any]] = {
        "replay": lambda: replay(frame, policy, other, prices=prices),
        "replay_logged": lambda: replay(frame, "channel", other, prices=prices),
        "loop": lambda: loop(frame, policy, other),
        "friction": lambda: friction(year, prices=prices),
    }
    agree = same(ways["replay"](), ways["loop"]())
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(run.rounds):
        for way, ask in ways.items():
            start, own = time.perf_counter(), time.process_time()
            ask()
            seconds[way].append(time.perf_counter() - start)
            cpu[way].append(time.process_time() - own)
        run.say(f"replay, round {turn + 1} of {run.rounds}")
    ratios = [slow / ours for slow, ours in zip(seconds["loop"], seconds["replay"], strict=True)]
    found: dict[str, Any] = {
        "tickets": TICKETS,
        "ledger_tickets": LEDGER_TICKETS,
        "seconds": {way: spread(values) for way, values in seconds.items()},
        "cpu_seconds": {way: statistics.median(values) for way, values in cpu.items()},
        "times_loop": spread(ratios),
        "agrees": agree,
        "stamp": run.stamp({}),
    }
    for way, values in found["seconds"].items():
        run.say(f"{way}: {values['median']:.2f} s")
    return found


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def changed(policy: cr.RoutingPolicy) -> cr.RoutingPolicy:
    """The pack's policy with a higher bar for self-service."""
    data = load_strict_yaml(pack_files("retail").policy, PolicyError).data
    for rule in data["rules"]:
        if rule["when"].get("confidence") == ">= 0.6":
            rule["when"]["confidence"] = ">= 0.9"
    found = cr.RoutingPolicy.from_dict(data, taxonomy=cr.Taxonomy.load("retail"))
    assert found.sha256 != policy.sha256
    return found


def loop(frame: Any, old: cr.RoutingPolicy, new: cr.RoutingPolicy) -> dict[str, Any]:
    """What one would write by hand: each ticket routed twice, the counts by pandas. No checks by row, no costs, no promises."""
    names = [name for name in old.inputs if name in frame.columns]
    rows = frame[names].astype(object).where(frame[names].notna(), None).to_dict("records")
    pairs = [(old.route(row), new.route(row)) for row in rows]
    routed = frame.assign(
        old_channel=[str(one.channel) for one, _ in pairs],
        new_channel=[str(other.channel) for _, other in pairs],
        old_rule=[one.rule_id for one, _ in pairs],
        new_rule=[other.rule_id for _, other in pairs],
    )
    flow = ["old_channel", "new_channel"]
    moved = routed[routed["old_channel"] != routed["new_channel"]]
    by_group = {group: routed.groupby([group, *flow], dropna=False).size() for group in GROUPS}
    return {
        "flows": routed.groupby(flow).size(),
        "rules": moved.groupby(["old_rule", "new_rule"]).size(),
        "moved": moved[["ticket_id", *flow, "old_rule", "new_rule"]],
        **by_group,
    }


def same(ours: Replay, theirs: dict[str, Any]) -> bool:
    """Whether flows and moved tickets are the same."""
    flows = ours.tables["flows"]
    names = zip(flows["old_channel"], flows["new_channel"], strict=True)
    counts = dict(zip(names, flows["tickets"].tolist(), strict=True))
    return (
        counts == theirs["flows"].to_dict()
        and ours.tables["moved"]["ticket_id"].tolist() == theirs["moved"]["ticket_id"].tolist()
    )


TITLES = {
    "replay": "both policies, all tables, costs, promises",
    "replay_logged": "the logged channel against a policy",
    "loop": "a loop over `route` for both policies, counts by pandas",
}


def replay_lines(section: dict[str, Any]) -> list[str]:
    """The section of the page."""
    times = section["times_loop"]
    lines = [
        "## Replay and friction",
        "",
        f"Seconds for {section['tickets']:,} made-up tickets of the retail pack as a data frame of pandas; medians of the rounds (least–most); then seconds of CPU time.",
        "",
        "| | seconds |",
        "|---|---|",
        *(f"| {title} | {cell(section, way)} |" for way, title in TITLES.items()),
        f"| friction ledger of {section['ledger_tickets']:,} tickets | {cell(section, 'friction')} |",
        "",
        f"The loop takes {times['median']:.1f} times ({times['least']:.1f}–{times['most']:.1f}) as long as the replay; flows and moved tickets are {'the same' if section['agrees'] else 'not the same'}.",
        "",
    ]
    return lines


def cell(section: dict[str, Any], way: str) -> str:
    values = section["seconds"][way]
    return f"{values['median']:.2f} ({values['least']:.2f}–{values['most']:.2f}); {section['cpu_seconds'][way]:.2f}"
