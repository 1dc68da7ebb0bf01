"""The command ``contact-reasons validate``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from contact_reasons.checks import check_place
from contact_reasons.errors import ContactReasonsError
from contact_reasons.terminal import out

__all__ = ["validate"]


def validate(
    paths: Annotated[
        list[str],
        typer.Argument(help="Pack names, pack folders, taxonomy or rule files, model folders.", show_default=False),
    ],
) -> None:
    """Check taxonomies, rule files, models or whole packs; exit code 1 if something is wrong.

    Rule files are proved to answer every contact and to keep every promise.

    [bold]Examples[/bold]

        contact-reasons validate retail

        contact-reasons validate my-pack/taxonomy.yaml my-pack/policy.yaml
    """
    failed = False
    for path in paths:
        try:
            for finding in check_place(path):
                out.print(f"[yellow]![/yellow] {escape(path)}: {escape(finding)}", soft_wrap=True, highlight=False)
            out.print(f"[green]ok[/green] {escape(path)}", highlight=False)
        except ContactReasonsError as exc:
            failed = True
            out.print(f"[red]wrong[/red] {escape(str(exc))}", soft_wrap=True, highlight=False)
    raise typer.Exit(1 if failed else 0)
