"""The command ``contact-reasons train``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import TrainingError
from contact_reasons.options import (
    DelimiterOption,
    EncodingOption,
    PrimaryOption,
    ReasonOption,
    SubjectOption,
    TextOption,
    TimeFormatOption,
)
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.terminal import err, print_line, show_training, step_progress

__all__ = ["train"]


def train(
    pack: Annotated[
        str | None, typer.Option(help="Train the model of this pack, or folder of a pack of your own, on its texts.")
    ] = None,
    labelled: Annotated[Path | None, typer.Option(help="Tickets with known reasons: .csv, .jsonl or .parquet.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder: the pack to make, or with --pack the model's.")] = None,
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    reason_column: ReasonOption = "reason",
    primary_column: PrimaryOption = None,
    customer_column: Annotated[
        str | None,
        typer.Option(help="Column with the customer: one customer's tickets stay on one side of every split."),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Column with the time of a ticket: the newest fifth is held out for the scores.")
    ] = None,
    time_format: TimeFormatOption = None,
    id_column: Annotated[
        str | None, typer.Option(help="Column with ticket ids, for the list of likely mislabelled tickets.")
    ] = None,
    blank_labels: Annotated[
        str, typer.Option(metavar="no-reason|skip", help="Rows without a label belong to no reason, or are left out.")
    ] = "no-reason",
    taxonomy: Annotated[
        Path | None, typer.Option(help="Taxonomy file; without it one is made from the labels.")
    ] = None,
    unlabelled: Annotated[
        list[Path] | None, typer.Option(help="More tickets, without labels, to learn from. May be repeated.")
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(metavar="none|minilm|MODULE:ATTRIBUTE", help="Sentence encoder to learn from; its code is run."),
    ] = "none",
    wanted_error: Annotated[
        float, typer.Option(min=0.001, max=0.9, help="Share of wrong labels that thresholds aim at.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Same texts, same seed: same model.")] = 0,
    force: Annotated[bool, typer.Option(help="Exit code 0 even where the labels do not depend on the text.")] = False,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Train a model: a new pack from labelled tickets, or a pack's from its own texts.

    Exit code 3: all was written, but the labels do not depend on the text, so the model is of no use (--force: 0).

    [bold]Examples[/bold]

        contact-reasons train --labelled tickets.csv --text-column body --reason-column topic --customer-column customer_id --time-column created_at --out our-pack

        contact-reasons train --pack our-shop
    """
    from contact_reasons.batch.labelled import load_teacher, train_file
    from contact_reasons.packs import SHIPPED_RECIPE, train_pack
    from contact_reasons.training import Recipe

    with errors_shown():
        sizes = SHIPPED_RECIPE if pack in pack_names() else Recipe()
        recipe = replace(sizes, wanted_error=wanted_error, seed=seed)
        if pack is not None and labelled is None:
            if unlabelled or teacher != "none":
                raise TrainingError(
                    "--unlabelled and --teacher go with --labelled: a pack is trained from its own texts alone"
                )
            with err.status("Training …"):
                made = train_pack(pack, out=out, recipe=recipe)
            where = out or pack_files(pack).model
            own = out is None and pack not in pack_names()
            show_training(made.report if own else {**made.manifest.training, "scores": made.manifest.scores})
            print_line(f"Model: {where}" + (f"   Report: {made.folder / 'report.md'}" if own else ""))
        elif labelled is not None and pack is None and out is not None:
            with step_progress() as progress:
                made = train_file(
                    labelled,
                    out,
                    reason_column=reason_column,
                    primary_column=primary_column,
                    text_column=text_column,
                    subject_column=subject_column,
                    customer_column=customer_column,
                    time_column=time_column,
                    time_format=time_format,
                    id_column=id_column,
                    blank_labels=blank_labels,
                    taxonomy=taxonomy,
                    unlabelled=unlabelled or (),
                    teacher=load_teacher(teacher),
                    recipe=recipe,
                    delimiter=delimiter,
                    encoding=encoding,
                    progress=progress,
                )
            show_training(made.report)
            print_line(f"Pack: {out} (taxonomy.yaml, policy.yaml, model/)   Report: {out / 'report.md'}")
        else:
            raise TrainingError("give either --labelled FILE and --out FOLDER, or --pack NAME")
    if made.manifest.training["alarms"] and not force:
        raise typer.Exit(3)
