"""The pages of the CRMs tell the limits that are checked."""

from __future__ import annotations

import pytest

from contact_reasons.crm.exports import LIMITS, SYSTEMS
from tests.conftest import ROOT

KINDS = {
    "primaries": "primary reasons, at most",
    "values": "values in a field, at most",
    "fewest": "values in a field, at least",
    "label": "characters of a label, at most",
    "value": "characters of a value, at most",
    "option": "characters of an option, at most",
    "field": "characters of a field, at most",
    "without": "not in a label",
    "path": "not in a label",
    "reserved": "not a primary's label",
    "siblings": "labels",
    "unique": "labels",
    "unique-primaries": "labels of primaries",
    "nested": "labels of primaries",
}


def limits_table(system: str) -> str:
    lines = ["| limit | | why | known from |", "|---|---|---|---|"]
    for name, limits in LIMITS.items():
        if name.partition(" ")[0] == system:
            for limit in limits:
                most = limit.most
                figure = f"{most:,}" if isinstance(most, int) else ", ".join(f"`{each}`" for each in most or ())
                where = f" ({name.partition(' ')[2]})" if " " in name else ""
                row = f"| {KINDS[limit.kind]}{where} | {figure or ('`::`' if limit.kind == 'path' else 'told apart')} | {limit.breaks} | {limit.source} |"
                if row.replace(where, "") not in lines or not where:
                    lines.append(row)
    return "\n".join(lines)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_page_tells_the_limits_that_are_checked(system: str) -> None:
    page = (ROOT / "docs" / "how-to" / "crm" / f"{system}.md").read_text(encoding="utf-8")
    assert limits_table(system) in page
    for heading in (
        "## Make the fields",
        "## What is checked",
        "## Not verified",
        "## Change it later",
        "## Label tickets as they come",
    ):
        assert f"\n{heading}\n" in page
