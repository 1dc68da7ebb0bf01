"""The command ``contact-reasons``: label, route, train, evaluate, calibrate, explain, validate, packs."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.batch import label_file, route_file
from contact_reasons.bundle import read_bundle
from contact_reasons.checks import check_place
from contact_reasons.errors import BatchError, ContactReasonsError, TrainingError
from contact_reasons.options import (
    CalibrationOption,
    ChunkOption,
    DelimiterOption,
    EncodingOption,
    FormulaGuardOption,
    InputOption,
    JobsOption,
    ModelOption,
    OutOption,
    OverwriteOption,
    PackOption,
    PolicyOption,
    PrefixOption,
    PrimaryOption,
    ReasonOption,
    RestartOption,
    SourceArgument,
    SubjectOption,
    TextOption,
    UnknownOption,
)
from contact_reasons.pipeline import load_pipeline
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.terminal import (
    err,
    out,
    print_line,
    row_progress,
    show_calibration,
    show_evaluation,
    show_reasons,
    show_run,
    show_training,
    step_progress,
)

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


@app.command()
def label(
    source: SourceArgument,
    out: OutOption,
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    input: InputOption = None,
    model: ModelOption = None,
    policy: PolicyOption = None,
    calibration: CalibrationOption = None,
    prefix: PrefixOption = "cr_",
    jobs: JobsOption = 1,
    chunk_rows: ChunkOption = 5000,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    formula_guard: FormulaGuardOption = True,
    unknown_as_missing: UnknownOption = False,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
) -> None:
    """Give every ticket its contact reason and the channel to help it on.

    Columns named like inputs of the policy (stage, open, customer_type, …) are read by themselves.

    An interrupted run goes on when it is started again. Rows that cannot be read go to a reject file, with the cause.

    [bold]Example[/bold]

        contact-reasons label tickets.csv --pack retail --text-column body --input stage=lifecycle --out labelled.parquet
    """
    with _errors(), row_progress(source.name) as progress:
        report = label_file(
            source,
            out,
            pack=pack,
            text_column=text_column,
            subject_column=subject_column,
            inputs=_pairs(input),
            model=model,
            policy=policy,
            calibration=calibration,
            prefix=prefix,
            jobs=jobs,
            chunk_rows=chunk_rows,
            delimiter=delimiter,
            encoding=encoding,
            formula_guard=formula_guard,
            unknown_as_missing=unknown_as_missing,
            overwrite=overwrite,
            restart=restart,
            progress=progress,
        )
    with _errors():
        show_reasons(report, Taxonomy.load(pack))
        show_run(report)


@app.command()
def route(
    source: SourceArgument,
    out: OutOption,
    pack: PackOption = "retail",
    input: InputOption = None,
    policy: PolicyOption = None,
    certain: Annotated[bool, typer.Option(help="Reasons were checked by people: confidence counts as 1.")] = False,
    prefix: PrefixOption = "routed_",
    jobs: JobsOption = 1,
    chunk_rows: ChunkOption = 5000,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    formula_guard: FormulaGuardOption = True,
    unknown_as_missing: UnknownOption = False,
    overwrite: OverwriteOption = False,
    restart: RestartOption = False,
) -> None:
    """Give tickets whose reasons are known the channel to help them on, without looking at their text.

    [bold]Example[/bold]

        contact-reasons route labelled.csv --input reason=cr_reason --input confidence=cr_confidence --policy new-rules.yaml --out routed.csv
    """
    with _errors(), row_progress(source.name) as progress:
        report = route_file(
            source,
            out,
            pack=pack,
            inputs=_pairs(input),
            policy=policy,
            certain=certain,
            prefix=prefix,
            jobs=jobs,
            chunk_rows=chunk_rows,
            delimiter=delimiter,
            encoding=encoding,
            formula_guard=formula_guard,
            unknown_as_missing=unknown_as_missing,
            overwrite=overwrite,
            restart=restart,
            progress=progress,
        )
    show_run(report)


@app.command()
def train(
    pack: Annotated[str | None, typer.Option(help="Make this pack's model again from its own texts.")] = None,
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
    time_format: Annotated[
        str | None, typer.Option(help="Of the times, where they are not ISO 8601, such as '%d/%m/%Y %H:%M'.")
    ] = None,
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

        contact-reasons train --pack retail
    """
    from contact_reasons.batch.labelled import load_teacher, train_file
    from contact_reasons.packs import train_pack
    from contact_reasons.training import Recipe

    with _errors():
        recipe = Recipe(wanted_error=wanted_error, seed=seed)
        if pack is not None and labelled is None:
            if unlabelled or teacher != "none":
                raise TrainingError(
                    "--unlabelled and --teacher go with --labelled: a pack is trained from its own texts alone"
                )
            with err.status("Training …"):
                manifest = train_pack(pack, out=out, recipe=recipe)
            where = out or pack_files(pack).model
            show_training({**manifest.training, "scores": manifest.scores})
            print_line(f"Model: {where}")
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
            manifest = made.manifest
            show_training(made.report)
            print_line(f"Pack: {out} (taxonomy.yaml, policy.yaml, model/)   Report: {out / 'report.md'}")
        else:
            raise TrainingError("give either --labelled FILE and --out FOLDER, or --pack NAME")
    if manifest.training["alarms"] and not force:
        raise typer.Exit(3)


@app.command()
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

    with _errors():
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


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="What the customer wrote; - reads it from standard input.")],
    pack: PackOption = "retail",
    against: Annotated[str | None, typer.Option(metavar="ID", help="One rival, instead of all others.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead.")] = False,
) -> None:
    """Show which words of a text counted for and against its reason.

    [bold]Example[/bold]

        contact-reasons explain "it says delivered but it is not here" --pack retail
    """
    from contact_reasons.records import Contact
    from contact_reasons.terminal import show_explanation

    with _errors():
        contact = Contact(text=typer.get_text_stream("stdin").read() if text == "-" else text)
        explanation = load_pipeline(pack).explain(contact, against=against)
    print_line(explanation.to_json()) if as_json else show_explanation(explanation)


@app.command()
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

    with _errors():
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


@app.command()
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


@app.command()
def packs() -> None:
    """List the shipped packs.

    [bold]Example[/bold]

        contact-reasons packs
    """
    with _errors():
        table = Table("pack", "version", "reasons", "rules", "secondary right", "primary right", "for", box=None)
        for name in pack_names():
            taxonomy, files = Taxonomy.load(name), pack_files(name)
            bundle, policy = read_bundle(files.model), RoutingPolicy.load(name)
            test = bundle.manifest.scores.get("test", {})
            shares = [f"{test[key]['share']:.1%}" if test else "" for key in ("secondary_accuracy", "primary_accuracy")]
            reasons = f"{len(taxonomy.primaries)} / {len(taxonomy.secondaries)}"
            table.add_row(name, taxonomy.version, reasons, str(len(policy.rules)), *shares, taxonomy.interaction_type)
        out.print(table)
        print_line(
            "Reasons: primary / secondary. Right: share of the pack's own test texts; its model card has intervals."
        )


# --------------------------------------------------------------------------------------- around the commands


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Errors of the tree as one message and exit code 2; an interrupt as one line."""
    try:
        yield
    except ContactReasonsError as exc:
        err.print(f"[red]{type(exc).__name__}:[/red] {escape(str(exc))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        err.print("Interrupted. Nothing is lost: start the same command again to go on.")
        raise typer.Exit(130) from None


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, equals, column = text.partition("=")
        if not equals or not name:
            raise BatchError(f"--input {text!r}: write NAME=COLUMN, such as stage=lifecycle_stage")
        pairs[name] = column
    return pairs
