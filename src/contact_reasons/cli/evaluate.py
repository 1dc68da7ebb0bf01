"""The command ``contact-reasons evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.options import (
    CalibrationOption,
    DelimiterOption,
    EncodingOption,
    ModelOption,
    PackOption,
    PrimaryOption,
    ReasonOption,
    SourceArgument,
    SubjectOption,
    TextOption,
)
from contact_reasons.terminal import err, print_line, show_evaluation

__all__ = ["evaluate"]


def evaluate(
    source: SourceArgument,
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    reason_column: ReasonOption = "reason",
    primary_column: PrimaryOption = None,
    model: ModelOption = None,
    calibration: CalibrationOption = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    html_out: Annotated[
        Path | None, typer.Option("--html", help="Write a page to show to others, charts included.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    date: Annotated[str | None, typer.Option(help="On the page.", show_default="today")] = None,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Measure how well a pack labels tickets whose reasons are known.

    [bold]Example[/bold]

        contact-reasons evaluate checked-by-hand.csv --pack retail --text-column body --reason-column reason --html report.html
    """
    from contact_reasons.report import evaluate_file, write_evaluation

    with errors_shown():
        with err.status("Measuring …"):
            evaluation = evaluate_file(
                source,
                pack=pack,
                model=model,
                calibration=calibration,
                reason_column=reason_column,
                primary_column=primary_column,
                text_column=text_column,
                subject_column=subject_column,
                delimiter=delimiter,
                encoding=encoding,
            )
        show_evaluation(evaluation.to_dict())
        for name, path in write_evaluation(evaluation, json_out, html_out, title=title, date=date).items():
            print_line(f"{name}: {path}")
