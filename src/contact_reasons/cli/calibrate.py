"""The command ``contact-reasons calibrate``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.options import (
    DelimiterOption,
    EncodingOption,
    ModelOption,
    OverwriteOption,
    PackOption,
    PrimaryOption,
    ReasonOption,
    SourceArgument,
    SubjectOption,
    TextOption,
)
from contact_reasons.terminal import print_line, show_calibration

__all__ = ["calibrate"]


def calibrate(
    source: SourceArgument,
    out: Annotated[Path, typer.Option(help="Result, such as calibration.json.", show_default=False)],
    promised_error: Annotated[
        float, typer.Option(help="Share of wrong labels that is promised, at each level.")
    ] = 0.05,
    assurance: Annotated[float, typer.Option(help="How sure the promise is.")] = 0.95,
    audited: Annotated[
        int | None,
        typer.Option(help="Labels that somebody will count; the promise then covers the chance in that count."),
    ] = None,
    levels: Annotated[str, typer.Option(metavar="both|secondary|primary", help="What may be reported.")] = "both",
    per_primary: Annotated[
        bool, typer.Option("--per-primary", help="Promise the rate for each primary by itself.")
    ] = False,
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    reason_column: ReasonOption = "reason",
    primary_column: PrimaryOption = None,
    customer_column: Annotated[
        str | None,
        typer.Option(help="Column with the customer: one ticket of each is used, as tickets must be independent."),
    ] = None,
    model: ModelOption = None,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    overwrite: OverwriteOption = False,
) -> None:
    """Promise an error rate: thresholds at which at most so many labels are wrong, from a random sample labelled by people.

    The model must not have been trained on the sample.

    [bold]Example[/bold]

        contact-reasons calibrate checked-by-hand.csv --promised-error 0.05 --pack retail --out calibration.json

        contact-reasons label tickets.csv --calibration calibration.json --out labelled.csv
    """
    from contact_reasons.batch.calibrate import calibrate_file

    with errors_shown():
        calibration = calibrate_file(
            source,
            out,
            made_on=datetime.date.today().isoformat(),
            promised_error=promised_error,
            assurance=assurance,
            audited=audited,
            levels=levels,
            per_primary=per_primary,
            pack=pack,
            model=model,
            reason_column=reason_column,
            primary_column=primary_column,
            text_column=text_column,
            subject_column=subject_column,
            customer_column=customer_column,
            delimiter=delimiter,
            encoding=encoding,
            overwrite=overwrite,
        )
        show_calibration(calibration)
        print_line(f"Calibration: {out}")
