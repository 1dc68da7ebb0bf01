"""The commands ``contact-reasons taxonomy``: compare two versions, draft a migration, migrate history and packs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import MigrationError
from contact_reasons.options import (
    ChunkOption,
    DelimiterOption,
    EncodingOption,
    FormulaGuardOption,
    JobsOption,
    OverwriteOption,
    RestartOption,
    SubjectOption,
    TextOption,
)
from contact_reasons.references import MigratedPack, Reference, migrate_pack
from contact_reasons.resources import pack_files
from contact_reasons.taxonomy import Taxonomy, compare_taxonomies, draft_migration, read_migration
from contact_reasons.terminal import out as screen
from contact_reasons.terminal import print_line, row_progress

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Change a taxonomy without losing history.")

OldArgument = Annotated[
    str, typer.Argument(help="The old taxonomy file, or a pack by name or folder.", show_default=False)
]
NewArgument = Annotated[str, typer.Argument(help="The new one.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, everything.")]
_COLOURS = {
    "added": "green",
    "retired": "red",
    "hint": "dim",
    "forgotten": "yellow",
    "split": "yellow",
    "redefined": "yellow",
}
_LINES_SHOWN = 3
_TEXT_LINES_SHOWN = 20


@app.command()
def diff(old: OldArgument, new: NewArgument, as_json: JsonOption = False) -> None:
    """Show what changed between two versions: by ids and `formerly`, never by likeness.

    Exit code 0 if no reason changed, 1 if one did, 2 if a file is wrong or the change is ambiguous.

    [bold]Example[/bold]

        contact-reasons taxonomy diff taxonomy-1.yaml taxonomy.yaml
    """
    with errors_shown():
        difference = compare_taxonomies(Taxonomy.load(old), Taxonomy.load(new))
    if as_json:
        typer.echo(json.dumps(difference.as_dict(), indent=1, ensure_ascii=False))
    else:
        print_line(f"{difference.title}\n")
        for kind, text in difference.lines():
            colour = _COLOURS.get(kind, "cyan")
            screen.print(f"[{colour}]{kind:<12}[/{colour}] {escape(text)}", soft_wrap=True, highlight=False)
        if difference.empty:
            print_line("equal: no reason changed")
    raise typer.Exit(0 if difference.empty else 1)


@app.command()
def draft(
    old: OldArgument,
    new: NewArgument,
    out: Annotated[Path, typer.Option(help="Migration file, such as migration.yaml.", show_default=False)],
    backwards: Annotated[
        bool, typer.Option("--backwards", help="The way back, from the new version to the old one.")
    ] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Write a migration file: what becomes of every old reason. Read it, edit it, keep it with the taxonomy.

    [bold]Examples[/bold]

        contact-reasons taxonomy draft taxonomy-1.yaml taxonomy.yaml --out migration.yaml

        contact-reasons taxonomy draft taxonomy-1.yaml taxonomy.yaml --backwards --out back.yaml
    """
    with errors_shown():
        if out.exists() and not overwrite:
            raise MigrationError(f"{out}: the file exists; choose another name, or replace it with --overwrite")
        difference = compare_taxonomies(Taxonomy.load(old), Taxonomy.load(new))
        places = [_place(old, out), _place(new, out)]
        if backwards:
            difference, places = difference.backwards(), places[::-1]
        text = draft_migration(difference, old=places[0], new=places[1])
        try:
            out.write_text(text, encoding="utf-8", newline="\n")
        except OSError as exc:
            raise MigrationError(f"{out}: {exc.strerror or exc}; check the folder and its rights") from None
        found = read_migration(out)
    kinds = [verdict.kind for verdict in found.verdicts.values()]
    print_line(
        f"{difference.title}: {len(kinds)} old reasons, {len(found.changed)} of them change; "
        f"{kinds.count('split')} split, {kinds.count('retired')} retired"
    )
    print_line(f"Migration: {out}")


def _place(given: str, out: Path) -> str:
    """Where a taxonomy lies, as a migration file says it: the name of a pack, or a path relative to the file."""
    if Path(given).suffix in (".yaml", ".yml"):
        file = Path(given)
    else:
        files = pack_files(given)
        if files.taxonomy.parent.resolve() != Path(given).resolve():
            return given
        file = files.taxonomy
    return Path(os.path.relpath(file.resolve(), out.resolve().parent)).as_posix()


@app.command()
def migrate(
    migration: Annotated[Path, typer.Option(help="File of `contact-reasons taxonomy draft`.", show_default=False)],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="TICKETS", help="Tickets: .csv, .jsonl or .parquet.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result: a ticket file; with --pack a new folder.")] = None,
    reason_column: Annotated[str, typer.Option(help="Column with ids; it gets the new ones.")] = "reason",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    model: Annotated[
        Path | None, typer.Option(help="Directory of a model of the new version, which decides splits.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="File of `contact-reasons calibrate` for that model, in place of its thresholds."),
    ] = None,
    checked: Annotated[
        Path | None,
        typer.Option(
            help="Random sample of tickets of split reasons, labelled by hand: the promise is about just these."
        ),
    ] = None,
    customer_column: Annotated[
        str | None, typer.Option(help="Of the sample: one ticket of each customer is used.")
    ] = None,
    promised_error: Annotated[
        float, typer.Option(help="Share of wrong decisions that the sample is to promise.")
    ] = 0.05,
    assurance: Annotated[float, typer.Option(help="How sure that promise is, for all splits together.")] = 0.95,
    prefix: Annotated[
        str | None, typer.Option(help="Of the added columns; by default the reason column's name and '_'.")
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(help="In place of tickets, a folder: its policies, tests, texts and all that names reasons."),
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="With --pack: change the files where they are.")] = False,
    as_json: JsonOption = False,
    jobs: JobsOption = 1,
    chunk_rows: ChunkOption = 5000,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    formula_guard: FormulaGuardOption = True,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
) -> None:
    """Relabel tickets of the past, or update a pack, for the new version.

    Tickets keep the old id beside the new one; what cannot be decided says so and keeps the old. An interrupted run goes on when it is started
    again. Of a pack, what needs no judgement is updated in a new folder, or shown as a diff; the rest is listed by file and line: exit code 1 if
    anything is.

    [bold]Examples[/bold]

        contact-reasons taxonomy migrate tickets.csv --migration migration.yaml --model new-pack/model --out migrated.csv

        contact-reasons taxonomy migrate --pack our-shop --migration migration.yaml --out our-shop-2
    """
    with errors_shown():
        if (source is None) == (pack is None):
            raise MigrationError("name a ticket file or a folder with --pack, one of the two")
        if pack is not None:
            found = migrate_pack(pack, read_migration(migration), out=out, in_place=in_place)
            _show_pack(found, written=in_place or out is not None, as_json=as_json)
            raise typer.Exit(1 if found.to_do else 0)
        if source is None or out is None or in_place:
            raise MigrationError("tickets are written to a new file: name it with --out, without --in-place")
        from contact_reasons.batch.migrate import migrate_file

        with row_progress(source.name) as progress:
            report = migrate_file(
                source,
                out,
                migration=migration,
                reason_column=reason_column,
                text_column=text_column,
                subject_column=subject_column,
                model=model,
                calibration=calibration,
                checked=checked,
                customer_column=customer_column,
                promised_error=promised_error,
                assurance=assurance,
                prefix=prefix,
                jobs=jobs,
                chunk_rows=chunk_rows,
                delimiter=delimiter,
                encoding=encoding,
                formula_guard=formula_guard,
                overwrite=overwrite,
                restart=restart,
                progress=progress,
            )
        if as_json:
            typer.echo(out.with_name(out.name + ".report.json").read_text(encoding="utf-8").rstrip("\n"))
            return
    print_line(f"{report.rows_read:,} rows read, {report.rows_written:,} written, {report.rows_rejected:,} rejected")
    for decided, count in report.counts.get("decided", {}).items():
        print_line(f"  {decided:<12} {count:>9,}")
    for title in ("undecided", "why undecided"):
        if report.counts.get(title):
            print_line(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in report.counts[title].items()))
    print_line(f"{report.versions['splits']}\nMigration: {report.versions['migration'].rpartition(' ')[0]}")
    print_line(f"Result: {report.out}   Report: {report.out}.report.json")


def _show_pack(found: MigratedPack, *, written: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**found.as_dict(), "diff": found.diff}, indent=1, ensure_ascii=False))
        return
    if not written:
        print_line("\n".join(_diff_lines(found.diff)) or "Nothing to update.")
    for one in found.references:
        if one.kind in ("migration", "taxonomy") and not one.do and one.file not in found.updated:
            print_line(str(one))
    if found.to_do:
        screen.print("\n[bold]Left to you[/bold]")
        for line in _grouped(found.to_do):
            screen.print(f"[yellow]![/yellow] {escape(line)}", soft_wrap=True, highlight=False)
    if found.finished:
        print_line(f"\nFinished a change that was interrupted: {', '.join(found.finished)}")
    if written:
        done = sum(one.edit is not None for one in found.references)
        print_line(
            f"\nUpdated: {done:,} {'place' if done == 1 else 'places'} in {', '.join(found.updated) or 'no file'}"
        )
        if any(one.kind == "map" and one.edit is not None for one in found.references):
            print_line("Field maps hold what the CRM holds after its own change: `contact-reasons export plan`")
        if found.left_out:
            print_line(f"Not taken over, to be made again: {', '.join(found.left_out)}")
        print_line(f"Folder: {found.folder}")


def _diff_lines(diff: str) -> Iterator[str]:
    """A diff as it is shown: of labelled texts the first lines alone."""
    for part in re.split(r"^(?=--- a/)", diff, flags=re.M)[1:]:
        lines = part.rstrip("\n").split("\n")
        name = lines[0].removeprefix("--- a/")
        shown = lines[:_TEXT_LINES_SHOWN] if name.endswith(".jsonl") else lines
        yield from shown
        if len(lines) > len(shown):
            yield f"… and {len(lines) - len(shown):,} more lines of the diff of {name}; --json has them all"


def _grouped(references: Iterable[Reference]) -> list[str]:
    """One line for places of a file that need the same; the first few line numbers."""
    table: dict[tuple[str, ...], list[int]] = {}
    for one in references:
        table.setdefault((one.file, one.names, one.why, one.do), []).append(one.line)
    lines = []
    for (file, names, why, do), numbers in table.items():
        more = f" and {len(numbers) - _LINES_SHOWN:,} more lines" if len(numbers) > _LINES_SHOWN else ""
        places = ",".join(map(str, numbers[:_LINES_SHOWN]))
        lines.append(f"{file}:{places}{more}: {names}: {why}; {do}")
    return lines
