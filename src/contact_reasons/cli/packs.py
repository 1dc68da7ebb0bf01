"""The command ``contact-reasons packs``."""

from __future__ import annotations

from rich.table import Table

from contact_reasons.bundle import read_bundle
from contact_reasons.cli.common import errors_shown
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.terminal import out, print_line

__all__ = ["packs"]


def packs() -> None:
    """List the shipped packs.

    [bold]Example[/bold]

        contact-reasons packs
    """
    with errors_shown():
        table = Table("pack", "version", "reasons", "rules", "secondary right", "primary right", "for", box=None)
        for name in pack_names():
            taxonomy, files = Taxonomy.load(name), pack_files(name)
            bundle, policy = read_bundle(files.model), RoutingPolicy.load(name)
            test = bundle.manifest.scores.get("test", {})
            shares = [f"{test[key]['share']:.1%}" if test else "" for key in ("secondary_accuracy", "primary_accuracy")]
            reasons = f"{len(taxonomy.primaries)} / {len(taxonomy.secondaries)}"
            table.add_row(name, taxonomy.version, reasons, str(len(policy.rules)), *shares, taxonomy.interaction_type)
        out.print(table)
        print_line(
            "Reasons: primary / secondary. Right: share of the pack's own test texts; its model card has intervals."
        )
