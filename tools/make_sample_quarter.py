"""Make samples/retail-quarter.csv again: a made-up quarter of 2,000 labelled tickets, as `contact_reasons.lab.sample` draws them.

    python tools/make_sample_quarter.py

A second; the same bytes on every machine.
"""

from __future__ import annotations

from pathlib import Path

from contact_reasons.batch.columns import write_table
from contact_reasons.lab.sample import sample_quarter

ROOT = Path(__file__).resolve().parents[1]
TICKETS = 2_000


def main() -> None:
    target = ROOT / "samples" / "retail-quarter.csv"
    write_table(target, sample_quarter("retail", TICKETS), overwrite=True)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
