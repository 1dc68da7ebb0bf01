"""Write ``docs/reference/packs.md``: the shipped packs, from their taxonomies and policies. Run ``make packs-page``: a second.

A test compares the page with what this program makes of the files, so that it cannot go stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contact_reasons.errors import PolicyError
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.taxonomy import Taxonomy, load_strict_yaml

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "packs.md"

READ_BY_MOST: Final = (
    "reason",
    "confidence",
    "customer_type",
    "vulnerable",
    "stage",
    "arrival_channel",
    "open",
    "estimated_wait_seconds",
    "repeats_7d",
    "sentiment",
)
"""Inputs that contact and customer have fields for; any other is a pack's own."""

UNITS: Final = {"h": "hours", "d": "days", "s": "seconds"}

HEAD: Final = """\
# The packs

Each pack is a taxonomy, the texts written for it, a model and a proved policy. A pack is named in code (`cr.load_pipeline("{example}")`) and in
commands (`--pack {example}`). `contact-reasons packs` lists their models with sizes, `contact-reasons packs --json` with scores.

This page is made from the files of the packs by `make packs-page`.
"""

COMMON: Final = """
Ids and labels of all reasons, with definitions, near-misses, needed facts, usual resolution and owner, are in `taxonomies/<pack>/taxonomy.yaml`; customer types and context are
explained at the head of `taxonomies/<pack>/policy.yaml`. A pack that nearly fits is a start for
[one of your own](../how-to/own-pack.md): `contact-reasons packs new our-pack --from taxonomies/<pack>/taxonomy.yaml`.

## What all policies read

{fields}. `vulnerable` is not read by: {without}.
Only `confidence` must be known. The stages of all packs are {stages}.
Values of a pack's own context are given as `extra` of the [routing context](../how-to/label-and-route-in-code.md), or as columns of a file.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page in Markdown."""
    packs = [(name, Taxonomy.load(name), policy_of(name)) for name in pack_names()]
    lines = [
        HEAD.format(example=packs[0][0]),
        "| pack | for | primaries | secondaries | rules | promises |",
        "|---|---|---|---|---|---|",
    ]
    for name, taxonomy, policy in packs:
        counts = (taxonomy.primaries, taxonomy.secondaries, policy["rules"], policy["never"])
        cells = [f"[{name}](#{name})", taxonomy.interaction_type, *(str(len(counted)) for counted in counts)]
        lines.append(f"| {' | '.join(cells)} |")
    without = [name for name, _, policy in packs if "vulnerable" not in policy["inputs"]]
    stages = {taxonomy.stages for _, taxonomy, _ in packs}
    lines.append(
        COMMON.format(
            fields=", ".join(f"`{field}`" for field in READ_BY_MOST),
            without=", ".join(without) or "none",
            stages=", ".join(*stages),
        )
    )
    for name, taxonomy, policy in packs:
        lines += section(name, taxonomy, policy)
    return "\n".join(lines)


def policy_of(name: str) -> dict[str, Any]:
    """The rule file of a pack as plain data."""
    data: dict[str, Any] = load_strict_yaml(pack_files(name).policy, PolicyError).data
    return data


def section(name: str, taxonomy: Taxonomy, policy: Mapping[str, Any]) -> list[str]:
    """What the page says of one pack."""
    inputs = policy["inputs"]
    own = [described(field, spec) for field, spec in inputs.items() if field not in READ_BY_MOST]
    return [
        f"## {name}",
        "",
        f"For {taxonomy.interaction_type}. Primary reasons:",
        "",
        *(f"- {primary.label} (`{primary.id}`, {len(primary.secondaries)})" for primary in taxonomy.primaries),
        "",
        f"Customer types: {words(inputs['customer_type']['values'])}.",
        "",
        f"Contacts arrive by {words(inputs['arrival_channel']['values'])}. Context of its own: {', '.join(own) or 'none'}.",
        "",
        f"{len(policy['rules'])} rules, {len(policy['never'])} promises that are proved:",
        "",
        *(f"- {promise['name']}" for promise in policy["never"]),
        "",
    ]


def words(values: list[str]) -> str:
    """Values as they are written in files."""
    return ", ".join(f"`{value}`" for value in values)


def described(field: str, spec: Mapping[str, str]) -> str:
    """An input of a policy, with the values that it takes."""
    if spec["type"] == "bool":
        return f"`{field}` (yes or no)"
    kind = "whole number" if spec["type"] == "int" else "number"
    unit = f" of {UNITS[spec['unit']]}" if "unit" in spec else ""
    return f"`{field}` ({kind}{unit})"


if __name__ == "__main__":
    main()
