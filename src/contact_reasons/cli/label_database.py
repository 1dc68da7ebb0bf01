"""The command ``contact-reasons label-database``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.batch import label_database as run
from contact_reasons.batch.connections import holds_password
from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.errors import DatabaseError
from contact_reasons.options import (
    CalibrationOption,
    InputOption,
    ModelOption,
    PackOption,
    PolicyOption,
    PrefixOption,
    SubjectOption,
    TextOption,
    UnknownOption,
)
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.terminal import print_line, row_progress, show_database_run, show_reasons

__all__ = ["label_database"]

_VARIABLE = "CONTACT_REASONS_DATABASE"


class Relabel(StrEnum):
    """Which tickets labelled before are labelled again."""

    NONE = "none"
    CHANGED = "changed"
    ALL = "all"


def label_database(
    into: Annotated[str, typer.Option(help="Table of the results; it is made if it is not there.", show_default=False)],
    table: Annotated[str | None, typer.Option(help="Table with the tickets: NAME or SCHEMA.NAME.")] = None,
    query: Annotated[str | None, typer.Option(help="One SELECT in place of a table.")] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL|env:NAME",
            help="Where tickets are read: a URL without password, or the environment variable that holds it.",
            show_default=f"env:{_VARIABLE}",
        ),
    ] = None,
    into_database: Annotated[
        str | None,
        typer.Option(metavar="URL|env:NAME", help="Where results are written.", show_default="where tickets are read"),
    ] = None,
    id_column: Annotated[str, typer.Option(help="Column with the ids of the tickets, each in one row.")] = "ticket_id",
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    input: InputOption = None,
    model: ModelOption = None,
    policy: PolicyOption = None,
    calibration: CalibrationOption = None,
    prefix: PrefixOption = "cr_",
    chunk_rows: Annotated[
        int, typer.Option(min=1, max=100_000, help="Tickets read, labelled and written at a time.")
    ] = 5000,
    unknown_as_missing: UnknownOption = False,
    relabel: Annotated[
        Relabel,
        typer.Option(help="Tickets that are labelled again: none, those changed or of another model, or all."),
    ] = Relabel.NONE,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report of the run to this file.")] = None,
) -> None:
    """Give every ticket of a database its contact reason and the channel to help it on, in a table of their own.

    Started again, it goes on after an interruption and adds the tickets that have come since; none is written twice.

    [bold]Example[/bold]

        contact-reasons label-database --database sqlite:///tickets.db --table tickets --into ticket_labels --text-column body
    """
    with errors_shown():
        read = _database(database or f"env:{_VARIABLE}", "--database")
        write = None if into_database is None else _database(into_database, "--into-database")
        with row_progress(table or "query") as progress:
            report = run(
                read,
                table=table,
                query=query,
                into=into,
                into_database=write,
                id_column=id_column,
                pack=pack,
                text_column=text_column,
                subject_column=subject_column,
                inputs=input_columns(input),
                model=model,
                policy=policy,
                calibration=calibration,
                prefix=prefix,
                chunk_rows=chunk_rows,
                unknown_as_missing=unknown_as_missing,
                relabel=relabel.value,
                progress=progress,
            )
        if report.rows_written:
            show_reasons(report, Taxonomy.load(pack))
        show_database_run(report)
        if json_out is not None:
            try:
                json_out.write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            except OSError as exc:
                raise DatabaseError(
                    f"{json_out}: {exc.strerror or exc}; the labels are written, the report is not"
                ) from None
            print_line(f"Report: {json_out}")


def _database(given: str, option: str) -> str:
    """The URL that an option gives or names; one with a password may not stand in a command line, where others can read it."""
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        url = os.environ.get(name, "")
        if not url:
            raise DatabaseError(
                f"{option}: the environment variable {name} is not set; it must hold the database's URL, such as postgresql://USER@HOST/NAME"
            )
        return url
    if holds_password(given):
        raise DatabaseError(
            f"{option}: the URL holds a password, and command lines can be read by others; put the URL into an environment variable "
            f"and write {option} env:NAME"
        )
    return given
