"""Make samples/explored/log.csv again: 2,000 made-up contacts that samples/explored/serving.yaml routed, and whether each was solved.

    python tools/make_sample_log.py

A second; the same bytes on every machine. In this made-up world chats solve more of the late parcels and fewer refunds than messages (`SOLVED`).
"""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import contact_reasons as cr

FOLDER = Path(__file__).resolve().parents[1] / "samples" / "explored"
CONTACTS = 2_000
HEAD = ("ticket_id", "reason", "vulnerable", "channel", "propensity", "solved")
SOLVED = {"delivery.late": (0.5, 0.8), "delivery.lost": (0.6, 0.6), "billing.refund": (0.7, 0.4)}
"""Share solved by messages and by chats."""


def played(contacts: int, seed: int = 7) -> list[tuple[Any, ...]]:
    """Rows of such a log."""
    draw, serving = random.Random(seed), cr.RoutingPolicy.from_yaml(FOLDER / "serving.yaml")
    rows: list[tuple[Any, ...]] = []
    for i in range(contacts):
        reason, vulnerable = draw.choice(list(SOLVED)), draw.random() < 0.05
        said = serving.route({"reason": reason, "vulnerable": vulnerable}, key=f"T-{i}")
        solved = draw.random() < SOLVED[reason][said.channel == "chat"]
        flags = [str(flag).lower() for flag in (vulnerable, solved)]
        rows.append((f"T-{i}", reason, flags[0], str(said.channel), said.propensity, flags[1]))
    return rows


def write(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """The rows as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([HEAD, *rows])


def main() -> None:
    target = FOLDER / "log.csv"
    write(target, played(CONTACTS))
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
