"""Options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CalibrationOption",
    "ChunkOption",
    "DelimiterOption",
    "EncodingOption",
    "FormulaGuardOption",
    "InputOption",
    "JobsOption",
    "ModelOption",
    "OutOption",
    "OverwriteOption",
    "PackOption",
    "PolicyOption",
    "PrefixOption",
    "PrimaryOption",
    "ReasonOption",
    "RestartOption",
    "SourceArgument",
    "SubjectOption",
    "TextOption",
    "TimeFormatOption",
    "UnknownOption",
]

PackOption = Annotated[str, typer.Option(help="Name of a shipped pack, or the folder of one of your own.")]
OutOption = Annotated[Path, typer.Option(help="Result: .csv, .jsonl or .parquet.", show_default=False)]
SourceArgument = Annotated[Path, typer.Argument(help="Tickets: .csv, .jsonl or .parquet.", show_default=False)]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=COLUMN",
        help="Column of a policy input where it is not the input's own name; 'NAME=' leaves it out. May be repeated.",
    ),
]
PolicyOption = Annotated[Path | None, typer.Option(help="Another rule file than the pack's.")]
PrefixOption = Annotated[str, typer.Option(help="Prefix of the added columns.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes. The result does not depend on it.")]
DelimiterOption = Annotated[str, typer.Option(help="Between the cells of CSV files; '\\t' is a tab.")]
EncodingOption = Annotated[str, typer.Option(help="Of a CSV source, such as utf-8 or cp1252.")]
FormulaGuardOption = Annotated[
    bool, typer.Option(help="Put a ' before CSV cells that a spreadsheet would run as a formula.")
]
UnknownOption = Annotated[
    bool,
    typer.Option(
        help="Take values that the policy does not know as not known, and count them, instead of rejecting the row."
    ),
]
TimeFormatOption = Annotated[
    str | None, typer.Option(help="Of the times, where they are not ISO 8601, such as '%d/%m/%Y %H:%M'.")
]
OverwriteOption = Annotated[bool, typer.Option(help="Replace an existing result.")]
RestartOption = Annotated[bool, typer.Option(help="Throw away the work of an interrupted run and start again.")]
ChunkOption = Annotated[
    int, typer.Option(min=1, help="Rows held in memory at a time. The result does not depend on it.")
]
TextOption = Annotated[str, typer.Option(help="Column with what the customer wrote.")]
SubjectOption = Annotated[str | None, typer.Option(help="Column with a subject line.")]
ReasonOption = Annotated[
    str, typer.Option(help="Column with ids 'primary.secondary' or labels of your own; an empty cell: no reason.")
]
PrimaryOption = Annotated[
    str | None, typer.Option(help="Column with primary labels, if the reason column holds the secondary ones.")
]
ModelOption = Annotated[Path | None, typer.Option(help="Another model directory for the same taxonomy.")]
CalibrationOption = Annotated[
    Path | None, typer.Option(help="File of `contact-reasons calibrate`: thresholds that keep a promised error rate.")
]
