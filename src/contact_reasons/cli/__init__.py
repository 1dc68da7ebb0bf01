"""The command ``contact-reasons``: each command is the function of its name in the module of its name."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from contact_reasons.cli import (
    calibrate,
    estimate,
    evaluate,
    explain,
    export,
    friction,
    label,
    label_database,
    packs,
    policy,
    replay,
    route,
    serve,
    staff,
    taxonomy,
    train,
    validate,
)
from contact_reasons.terminal import print_line

__all__ = ["app"]

app = typer.Typer(
    name="contact-reasons",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Why customers contact you, and the best way to help each one. Works offline; your tickets stay on this machine.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"contact-reasons {importlib.metadata.version('contact-reasons')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for command in (
    label.label,
    label_database.label_database,
    route.route,
    train.train,
    evaluate.evaluate,
    explain.explain,
    calibrate.calibrate,
    validate.validate,
    friction.friction,
    staff.staff,
    serve.serve,
):
    app.command()(command)
app.add_typer(packs.app, name="packs")
app.add_typer(policy.app, name="policy")
app.add_typer(export.app, name="export")
app.add_typer(taxonomy.app, name="taxonomy")
policy.app.command()(replay.replay)
policy.app.command()(estimate.estimate)
