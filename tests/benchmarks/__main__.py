"""Measure the classifier, the shipped pack and other libraries in one run; write the figures and the pages.

    python -m tests.benchmarks [--only SECTION ...] [--shared FOLDER] [--with-setfit]

Sections: ``accuracy``, ``few-shot``, ``speed``, ``cold-start``, ``packs``, ``carry-over``, ``archives``, ``promise``, ``trust``, ``explanations``, ``tried``, ``proofs``, ``routing-speed``, ``databases``, ``replay``, ``service``; ``pages`` only writes the pages from the figures.
Reads public texts; nothing of them is kept but counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.accuracy import accuracy, few_shots
from tests.benchmarks.carry_over import archives, carry_over
from tests.benchmarks.cold_start import cold_start
from tests.benchmarks.databases import databases
from tests.benchmarks.page import write_pages
from tests.benchmarks.peers import PEERS
from tests.benchmarks.processes import ROOT
from tests.benchmarks.promise import promise
from tests.benchmarks.proofs import proofs
from tests.benchmarks.replay_speed import replay_speed
from tests.benchmarks.routing_speed import routing_speed
from tests.benchmarks.run import Run
from tests.benchmarks.service import service
from tests.benchmarks.speed import speed
from tests.benchmarks.tried import tried
from tests.benchmarks.trust import trust

ENGINE = {"accuracy": accuracy, "few-shot": few_shots, "speed": speed, "cold-start": cold_start}
ALONE = {
    "promise": promise,
    "trust": trust,
    "tried": tried,
    "proofs": proofs,
    "databases": databases,
    "replay": replay_speed,
    "service": service,
}
MORE = (
    "packs",
    "carry-over",
    "archives",
    "promise",
    "trust",
    "explanations",
    "tried",
    "proofs",
    "routing-speed",
    "databases",
    "replay",
    "service",
)
SECTIONS = (*ENGINE, *MORE, "pages")


def arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    shared = os.environ.get("CONTACT_REASONS_SHARED", str(ROOT.parent / "shared"))
    parser.add_argument("--shared", default=shared, help="folder whose data/ holds the public sets")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="the others keep their figures")
    parser.add_argument("--peers", nargs="+", choices=PEERS, help="only these")
    parser.add_argument("--with-setfit", action="store_true", help="some minutes more")
    parser.add_argument("--maps", nargs="+", help="sections carry-over and archives: only the sets of these maps")
    parser.add_argument("--seeds", type=int, default=5, help="few-shot draws")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds of the speed runs")
    parser.add_argument("--out", type=Path, default=ROOT, help="checkout whose figures and pages are written")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> None:
    asked = arguments(given)
    data = Path(asked.shared) / "data"
    if not set(asked.only) <= {"proofs", "databases", "replay", "service", "pages"} and not data.is_dir():
        raise SystemExit(f"the public texts are not at {data}; name their parent folder with --shared")
    names = asked.peers or [name for name in PEERS if name != "setfit" or asked.with_setfit]
    file = asked.out / "tests" / "benchmarks" / "results.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with tempfile.TemporaryDirectory() as work:
        run = Run(data, Path(work), tuple(names), tuple(range(asked.seeds)), asked.rounds)
        for name, why in run.left_out.items():
            run.say(f"left out: {PEERS[name].title}: {why}")
        for section in SECTIONS:
            if section not in asked.only or section == "pages":
                continue
            run.say(f"section {section}")
            if section == "packs":
                from tests.benchmarks.packs import packs

                results |= packs(run)
            elif section == "explanations":
                from tests.benchmarks.explanations import explanations

                results["explanations"] = explanations(run)
            elif section == "routing-speed":
                results["routing_speed"] = routing_speed(run)
            elif section == "carry-over":
                results["carry_over"] = carry_over(run, results.get("carry_over", {}), asked.maps)
            elif section == "archives":
                results["archives"] = archives(run, results.get("archives", {}), asked.maps)
            elif section in ALONE:
                results[section] = ALONE[section](run)
            else:
                results.setdefault("engine", {})[section.replace("-", "_")] = ENGINE[section](run)
            file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_pages(results, asked.out)
        run.say("done")


if __name__ == "__main__":
    main(sys.argv[1:])
