"""The commands ``contact-reasons packs`` and ``contact-reasons packs new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from contact_reasons.cli.common import errors_shown
from contact_reasons.options import DelimiterOption, EncodingOption
from contact_reasons.terminal import out, print_line

__all__ = ["app"]

app = typer.Typer(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def packs(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with versions, rules and scores.")] = False,
) -> None:
    """List the shipped packs, or start one of your own.

    [bold]Examples[/bold]

        contact-reasons packs

        contact-reasons packs new our-shop --from reasons.csv
    """
    if context.invoked_subcommand is not None:
        return
    from contact_reasons.packs import list_packs

    with errors_shown():
        found = [pack.to_dict() for pack in list_packs()]
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    table = Table("pack", "reasons", "texts", "model", "for", box=None, pad_edge=False)
    for column in table.columns[:4]:
        column.no_wrap = True
    for column in table.columns[1:4]:
        column.justify = "right"
    for pack in found:
        reasons = f"{pack['primaries']} × {pack['secondaries']}"
        texts, size = f"{pack['texts']:,}", f"{pack['model_bytes'] / 1e6:.1f} MB"
        if not pack["model_bytes"]:
            texts, size = "", "none yet"
        table.add_row(f"[bold]{pack['id']}[/bold]", reasons, texts, size, pack["interaction_type"])
    out.print(table)
    out.print("\n[dim]Reasons: primary × secondary. Texts: trained on.[/dim]")
    out.print("[dim]One of your own: contact-reasons packs new NAME --from REASONS.csv[/dim]")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the pack: letters, digits, '-' and '_'.", show_default=False)],
    into: Annotated[Path, typer.Option(help="Folder in which the pack's own is made.")] = Path(),
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Your reasons: .csv with the columns primary, secondary and, where there are any, definition and id; .txt with lines "
            "'Primary > Secondary'; or a taxonomy.yaml. Without it, a small worked example.",
        ),
    ] = None,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Start a pack of your own: taxonomy, proved policy, files for the texts, and what to do next. Overwrites nothing.

    [bold]Examples[/bold]

        contact-reasons packs new our-shop --from reasons.csv

        contact-reasons packs new example --into packs
    """
    from contact_reasons.batch.reasons import start_pack_file

    with errors_shown():
        for path in start_pack_file(name, into, source=source, delimiter=delimiter, encoding=encoding):
            print_line(str(path))
    folder = into / name
    print_line(f"\nNext: {folder / 'README.md'}. What is missing: contact-reasons validate {folder}")
