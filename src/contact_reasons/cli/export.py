"""The commands ``contact-reasons export``: a taxonomy to a CRM, a plan to change it there, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import CrmError
from contact_reasons.options import PackOption
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.terminal import print_line

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

_NAMES = "salesforce, zendesk, hubspot, dynamics, servicenow, freshdesk, intercom or jira"

SystemOption = Annotated[str, typer.Option("--to", help=f"The CRM: {_NAMES}.", show_default=False)]
TaxonomyOption = Annotated[Path | None, typer.Option(help="A taxonomy.yaml instead of a pack's.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Name of a field or the like, such as title=Reason. May be repeated."
    ),
]
NowOption = Annotated[
    Path,
    typer.Option(
        help="What the CRM lists now, a file or a folder, or the folder of the last export.", show_default=False
    ),
]
FolderOption = Annotated[Path | None, typer.Option("--out", help="New folder for the files.", show_default=False)]


@app.callback(invoke_without_command=True)
def export(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help=f"The CRM: {_NAMES}.", show_default=False)] = None,
    pack: PackOption = "retail",
    taxonomy: TaxonomyOption = None,
    out: FolderOption = None,
    settings: SetOption = None,
) -> None:
    """Write the files that make the reason fields in a CRM. Nothing is sent, and nothing overwritten.

    Every limit of the CRM is checked before. Exit code 2 if the taxonomy does not fit.

    [bold]Examples[/bold]

        contact-reasons export --to salesforce --pack retail --out retail-salesforce

        contact-reasons export plan --to zendesk --now ticket_fields.json --taxonomy new.yaml --out plan

        contact-reasons export read --from zendesk --now ticket_fields.json --out taxonomy.yaml
    """
    if context.invoked_subcommand is not None:
        return
    from contact_reasons.crm.exports import SYSTEMS, export_taxonomy, write_folder

    with errors_shown():
        if to is None or out is None:
            raise CrmError(f"say where to: --to with one of {_NAMES}, and --out with a new folder")
        reasons = Taxonomy.load(taxonomy or pack)
        for path in write_folder(export_taxonomy(reasons, to, **_settings(settings)), out):
            print_line(str(path))
        for remark in SYSTEMS[to].read(_settings(settings)).remarks(reasons):
            print_line(f"\n{remark}")
    print_line(f"\nNext: {out / 'README.md'}")


@app.command()
def plan(
    to: SystemOption,
    now: NowOption,
    pack: PackOption = "retail",
    taxonomy: TaxonomyOption = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            help="The taxonomy.yaml that the fields were made from; by default the one beside what the CRM lists."
        ),
    ] = None,
    out: FolderOption = None,
    settings: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every payload.")] = False,
) -> None:
    """Plan the steps from what a CRM holds now to a taxonomy, without losing a value of an old ticket.

    Exit code 0, also where there is nothing to do; 2 if a file is wrong or the taxonomy does not fit.

    [bold]Example[/bold]

        contact-reasons export plan --to jira --now options.json --earlier old/taxonomy.yaml --taxonomy new.yaml --out plan
    """
    from contact_reasons.crm.exports import plan_update, read_folder, write_folder

    with errors_shown():
        planned = plan_update(
            to,
            read_folder(now),
            Taxonomy.load(taxonomy or pack),
            earlier=None if earlier is None else Taxonomy.from_yaml(earlier),
            **_settings(settings),
        )
        if out is not None:
            write_folder(planned.files(), out)
    if as_json:
        typer.echo(json.dumps(planned.to_dict(), indent=1, ensure_ascii=False))
    else:
        typer.echo(str(planned), nl=False)


@app.command()
def read(
    system: Annotated[str, typer.Option("--from", help=f"The CRM: {_NAMES}.", show_default=False)],
    now: NowOption,
    out: Annotated[Path, typer.Option(help="New taxonomy file.", show_default=False)],
    settings: SetOption = None,
) -> None:
    """Read the taxonomy that a CRM holds back into a file.

    Beside a taxonomy.yaml of an export, both must agree. Exit code 2 if they do not, or a file cannot be read.

    [bold]Example[/bold]

        contact-reasons export read --from hubspot --now properties.json --out taxonomy.yaml
    """
    from contact_reasons.crm.exports import read_export, read_folder

    with errors_shown():
        found = read_export(system, read_folder(now), **_settings(settings))
        try:
            with out.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(found.to_yaml())
        except FileExistsError:
            raise CrmError(f"{out}: the file exists, and nothing is overwritten; choose another name") from None
        except OSError as exc:
            raise CrmError(
                f"{out}: the file cannot be written ({exc.strerror or exc}); check the folder and its rights"
            ) from exc
    print_line(f"{out}: {len(found.primaries)} primaries, {len(found.secondaries)} secondaries")


def _settings(texts: Sequence[str] | None) -> dict[str, str]:
    given = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or name in given:
            raise CrmError(f"--set {text!r}: write NAME=VALUE, such as title=Reason, each name once")
        given[name] = value
    return given
