"""The command ``contact-reasons``: label, route, train, evaluate, validate, packs."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from contact_reasons.batch import label_file, open_source, route_file
from contact_reasons.bundle import read_bundle
from contact_reasons.errors import BatchError, ContactReasonsError, TrainingError, nearest, shorten
from contact_reasons.packs import new_pack, train_pack
from contact_reasons.pipeline import check_sound, load_pipeline
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy, lint_taxonomy
from contact_reasons.terminal import err, out, print_line, show_reasons, show_run, show_scores
from contact_reasons.training import LabelledTexts, Recipe, score_labels

__all__ = ["app"]

app = typer.Typer(
    name="contact-reasons",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Why customers contact you, and the best way to help each one. Works offline; your tickets stay on this machine.",
)

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
OverwriteOption = Annotated[bool, typer.Option(help="Replace an existing result.")]
RestartOption = Annotated[bool, typer.Option(help="Throw away the work of an interrupted run and start again.")]
ChunkOption = Annotated[
    int, typer.Option(min=1, help="Rows held in memory at a time. The result does not depend on it.")
]
TextOption = Annotated[str, typer.Option(help="Column with what the customer wrote.")]
SubjectOption = Annotated[str | None, typer.Option(help="Column with a subject line.")]


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
    model: Annotated[Path | None, typer.Option(help="Another model directory for the same taxonomy.")] = None,
    policy: PolicyOption = None,
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
    with _errors(), _progress(source.name) as progress:
        report = label_file(
            source,
            out,
            pack=pack,
            text_column=text_column,
            subject_column=subject_column,
            inputs=_pairs(input),
            model=model,
            policy=policy,
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
    with _errors(), _progress(source.name) as progress:
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
    reason_column: Annotated[
        str | None, typer.Option(help="Column with ids 'primary.secondary'; empty: no reason.")
    ] = None,
    primary_column: Annotated[str | None, typer.Option(help="Column with primary labels of your own.")] = None,
    secondary_column: Annotated[str | None, typer.Option(help="Column with secondary labels of your own.")] = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Column, such as the customer's id, whose equal values stay on one side of a split."),
    ] = None,
    taxonomy: Annotated[
        Path | None, typer.Option(help="Taxonomy file; without it one is made from the labels.")
    ] = None,
    wanted_error: Annotated[
        float, typer.Option(min=0.001, max=0.9, help="Share of wrong labels that thresholds aim at.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Same texts, same seed: same model.")] = 0,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Train a model: a pack's from its own texts, or a new pack from labelled tickets.

    [bold]Examples[/bold]

        contact-reasons train --pack retail

        contact-reasons train --labelled tickets.csv --text-column body --primary-column topic --secondary-column subtopic --out our-pack
    """
    with _errors():
        recipe = Recipe(wanted_error=wanted_error, seed=seed)
        with err.status("Training …"):
            if pack is not None and labelled is None:
                manifest = train_pack(pack, out=out, recipe=recipe)
                where = out or pack_files(pack).model
            elif labelled is not None and pack is None and out is not None:
                data, pairs = _read_labelled(
                    labelled,
                    text_column,
                    reason_column,
                    (primary_column, secondary_column),
                    group_column,
                    delimiter,
                    encoding,
                    subject_column,
                )
                manifest = new_pack(out, data, labels=pairs, taxonomy=taxonomy, recipe=recipe)
                where = out
            else:
                raise TrainingError("give either --pack NAME, or --labelled FILE and --out FOLDER")
        training = manifest.training
        print_line(
            f"Trained on {training['texts']:,} texts of {len(manifest.classes)} reasons and {training['texts_out_of_scope']:,} without a reason."
        )
        name = "test" if "test" in manifest.scores else "held_out_folds"
        print_line("Scores on the test texts:" if name == "test" else "Scores on held-out folds of these texts:")
        show_scores(manifest.scores[name])
        for note in manifest.training["notes"]:
            err.print(f"[yellow]note:[/yellow] {escape(note)}")
        print_line(f"Model: {where}" if pack else f"Pack: {where} (taxonomy.yaml, policy.yaml, model/)")


@app.command()
def evaluate(
    source: SourceArgument,
    pack: PackOption = "retail",
    text_column: TextOption = "text",
    subject_column: SubjectOption = None,
    reason_column: Annotated[
        str | None, typer.Option(help="Column with the true ids 'primary.secondary'; empty: no reason.")
    ] = None,
    primary_column: Annotated[str | None, typer.Option(help="Column with primary labels, as in the taxonomy.")] = None,
    secondary_column: Annotated[
        str | None, typer.Option(help="Column with secondary labels, as in the taxonomy.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Another model directory for the same taxonomy.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Measure how well a pack labels tickets whose reasons are known.

    [bold]Example[/bold]

        contact-reasons evaluate checked-by-hand.csv --pack retail --text-column body --reason-column reason
    """
    with _errors():
        if reason_column is None and primary_column is None:
            reason_column = "reason"
        columns = (primary_column, secondary_column)
        data, pairs = _read_labelled(
            source, text_column, reason_column, columns, None, delimiter, encoding, subject_column
        )
        pipeline = load_pipeline(pack, model=model)
        if pairs is not None:
            ids = [None if pair is None else pipeline.taxonomy.id_of(*pair) for pair in pairs]
            data = data._replace(reasons=tuple(ids))
        for row, reason in enumerate(data.reasons, 1):
            if reason is not None and reason not in pipeline.taxonomy.secondary_ids:
                raise BatchError(
                    f"{source}, row {row}: {shorten(reason)} is not an id of taxonomy {pipeline.taxonomy.taxonomy_id!r}; "
                    f"{nearest(reason, pipeline.taxonomy.secondary_ids)} For labels, name --primary-column and --secondary-column"
                )
        scores = score_labels(data.reasons, pipeline.label_texts(data.clean))
        show_scores(scores)
        if json_out is not None:
            json_out.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
            print_line(f"All figures: {json_out}")


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
            for finding in _validate(path):
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


class _Rate(ProgressColumn):
    """Rows so far, and rows a second."""

    def render(self, task: Task) -> Text:
        rows, elapsed = task.fields["rows"], task.elapsed or 0
        rate = f", {rows / elapsed:,.0f}/s" if elapsed > 0.5 and rows else ""
        return Text(f"{rows:,} rows{rate}", style="cyan")


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(escape(name), total=1.0, rows=0)
        yield lambda rows, fraction: bar.update(task, completed=fraction, rows=rows)


def _pairs(texts: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, equals, column = text.partition("=")
        if not equals or not name:
            raise BatchError(f"--input {text!r}: write NAME=COLUMN, such as stage=lifecycle_stage")
        pairs[name] = column
    return pairs


def _read_labelled(
    source: Path,
    text_column: str,
    reason_column: str | None,
    pair_columns: tuple[str | None, str | None],
    group_column: str | None,
    delimiter: str,
    encoding: str,
    subject_column: str | None = None,
) -> tuple[LabelledTexts, list[tuple[str, str] | None] | None]:
    """Texts with ids, or with pairs of labels of the user's own."""
    primary, secondary = pair_columns
    if (reason_column is None) == (primary is None) or (primary is None) != (secondary is None):
        raise TrainingError(
            "name the labels' columns: either --reason-column, or --primary-column and --secondary-column"
        )
    file = open_source(source, delimiter=delimiter, encoding=encoding)
    wanted = [text_column, reason_column, primary, secondary, group_column, subject_column]
    file.require(name for name in wanted if name)
    columns: dict[str, list[Any]] = {name: [] for name in wanted if name}
    for chunk in file.chunks(10_000):
        if chunk.rejects:
            reject = chunk.rejects[0]
            raise BatchError(f"{source}, row {reject.row}: {reject.cause}; repair the file, so that no label is lost")
        for name, values in columns.items():
            values.extend(chunk.column(name))
    texts = columns[text_column]
    for row, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise BatchError(
                f"{source}, row {row}: column {text_column!r} holds no string; repair or leave out the row"
            )
    subjects = tuple(columns[subject_column]) if subject_column else None
    groups = tuple(columns[group_column]) if group_column else None
    if reason_column:
        reasons = tuple(reason or None for reason in columns[reason_column])
        return LabelledTexts(tuple(texts), reasons, groups, subjects), None
    assert primary is not None
    assert secondary is not None
    for row, (p, q) in enumerate(zip(columns[primary], columns[secondary], strict=True), 1):
        if bool(p) != bool(q):
            raise BatchError(
                f"{source}, row {row}: only one of {primary!r} and {secondary!r} is given; complete the row or empty both (no reason)"
            )
    pairs = [(p, s) if p and s else None for p, s in zip(columns[primary], columns[secondary], strict=True)]
    return LabelledTexts(tuple(texts), (None,) * len(texts), groups, subjects), pairs


def _validate(path: str) -> Iterator[str]:
    """Warnings about a thing; errors are raised."""
    place = Path(path)
    if place.suffix in (".yaml", ".yml"):
        yield from _validate_file(place)
    elif (place / "manifest.json").is_file():
        read_bundle(place)
    else:
        files = pack_files(path)
        yield from _validate_file(files.taxonomy)
        yield from _validate_file(files.policy)
        load_pipeline(path)


def _validate_file(path: Path) -> Iterator[str]:
    is_policy = path.is_file() and any(
        line.startswith("router:") for line in path.read_text("utf-8", "replace").splitlines()
    )
    if not is_policy:
        yield from map(str, lint_taxonomy(Taxonomy.from_yaml(path)))
        return
    analysis = check_sound(RoutingPolicy.from_yaml(path), path)
    if analysis.complete is None or any(verdict.kept is None for verdict in analysis.promises):
        yield "the proof ran out of steps; simplify the rules"
    for rule_id in analysis.unreachable:
        yield f"the rule {rule_id!r} can never decide: earlier rules cover it"
