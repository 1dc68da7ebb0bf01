"""Exports and plans, byte for byte: of a small taxonomy whole, of the shipped packs as digests.

``python -m tests.golden.test_crm`` writes them anew; read the difference before you keep it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from contact_reasons.crm.exports import SYSTEMS, export_taxonomy, plan_update
from contact_reasons.resources import pack_names
from contact_reasons.taxonomy import Taxonomy
from tests.crm_simulators import SIMULATED

FOLDER = Path(__file__).parent / "crm"
DIGESTS = FOLDER / "packs.json"


def small(version: int) -> Taxonomy:
    """Two versions: a label changed, a reason moved with a new id, one retired, one added, the order turned round."""
    refund = {"id": "billing.refund", "label": "Refund", "definition": "Money back, <not> a credit & no voucher."}
    invoice = {"id": "billing.invoice", "label": "Invoice" if version == 1 else "Invoice or receipt"}
    late = {"id": "delivery.late", "label": "It's late", "definition": "The promised day has passed."}
    lost = {"id": "delivery.lost", "label": "Verloren, évidemment"}
    if version == 1:
        billing, delivery = [refund, invoice], [late, lost]
    else:
        gone = {"id": "delivery.gone", "label": "Verloren, évidemment", "formerly": ["delivery.lost"]}
        billing, delivery = [invoice], [gone, late, {"id": "delivery.damaged", "label": "Damaged"}]
    primaries = [
        {"id": "billing", "label": "Billing", "definition": "All about money.", "secondaries": billing},
        {"id": "delivery", "label": "Delivery", "secondaries": delivery},
    ]
    return Taxonomy.from_dict(
        {"taxonomy_id": "small", "version": str(version), "primaries": primaries[:: 1 if version == 1 else -1]}
    )


def files_of(system: str) -> dict[str, str]:
    """An export of the first version, and the plan to the second from what the CRM lists then."""
    crm = SIMULATED[system]()
    files = export_taxonomy(small(1), system)
    crm.create(files)
    plan = plan_update(system, crm.listing(), small(2), earlier=small(1))
    return {f"export/{name}": text for name, text in files.items()} | {
        f"plan/{name}": text for name, text in plan.files().items()
    }


def digest(pack: str, system: str) -> str:
    files = export_taxonomy(Taxonomy.load(pack), system)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("system", SYSTEMS)
def test_exports_and_plans_of_a_small_taxonomy_are_the_golden_ones(system: str) -> None:
    root = FOLDER / system
    golden = {
        path.relative_to(root).as_posix(): path.read_bytes().decode() for path in root.rglob("*") if path.is_file()
    }
    assert files_of(system) == golden


@pytest.mark.parametrize("pack", pack_names())
def test_exports_of_shipped_packs_are_the_golden_ones(pack: str) -> None:
    golden = json.loads(DIGESTS.read_text(encoding="utf-8"))
    assert {system: digest(pack, system) for system in SYSTEMS} == golden[pack], (
        "the pack or an export changed: read the difference, then `python -m tests.golden.test_crm`"
    )


def write() -> None:
    for system in SYSTEMS:
        shutil.rmtree(FOLDER / system, ignore_errors=True)
        for name, text in files_of(system).items():
            place = FOLDER / system / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())
    found = {pack: {system: digest(pack, system) for system in SYSTEMS} for pack in pack_names()}
    DIGESTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
