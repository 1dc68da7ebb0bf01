"""What the command line shows: volumes, scores and run summaries as tables of a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from contact_reasons.batch import DatabaseReport, RunReport
from contact_reasons.confidence.calibration import Calibration
from contact_reasons.confidence.promise import LevelTest
from contact_reasons.explanation import Explanation
from contact_reasons.taxonomy import Taxonomy

__all__ = [
    "err",
    "out",
    "print_line",
    "row_progress",
    "show_calibration",
    "show_database_run",
    "show_evaluation",
    "show_explanation",
    "show_reasons",
    "show_run",
    "show_scores",
    "show_training",
    "step_progress",
]

out = Console()
err = Console(stderr=True)


def print_line(text: str) -> None:
    """Print one line as it is, however long."""
    out.print(escape(text), soft_wrap=True, highlight=False)


def _bar(share: float, width: int = 16) -> str:
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def show_reasons(report: RunReport | DatabaseReport, taxonomy: Taxonomy) -> None:
    """Reasons by volume: each primary, and under it its three most frequent secondaries."""
    total = max(report.rows_written, 1)
    primaries, secondaries = report.counts.get("primary", {}), report.counts.get("secondary", {})
    if not primaries:
        return
    table = _volumes("why they contact us")
    top = max([*primaries.values(), 1])
    for primary, count in primaries.items():
        bar = f"[cyan]{_bar(count / top)}[/cyan]"
        table.add_row(f"[bold]{escape(taxonomy[primary].label)}[/bold]", bar, f"{count:,}", f"{count / total:.0%}")
        for name, n in [item for item in secondaries.items() if item[0].startswith(f"{primary}.")][:3]:
            table.add_row(
                f"[dim]  {escape(taxonomy[name].label)}[/dim]", "", f"[dim]{n:,}[/dim]", f"[dim]{n / total:.0%}[/dim]"
            )
    out.print()
    out.print(table)


def _volumes(title: str) -> Table:
    table = Table(title, "", "tickets", "share", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[2].justify = table.columns[3].justify = "right"
    return table


def show_run(report: RunReport) -> None:
    """Channels by share, what was left to a person, and where the files lie."""
    _show_answers(report)
    speed = f" in {report.seconds:,.1f} s" + (
        f", {report.rows_resumed:,} of them by an earlier run" if report.rows_resumed else ""
    )
    print_line(
        f"Rows: {report.rows_read:,} read, {report.rows_written:,} written, {report.rows_rejected:,} rejected{speed}"
    )
    if report.cells_made_safe:
        cells = ", ".join(f"{count:,} in {name}" for name, count in report.cells_made_safe.items())
        print_line(
            f"Cells that began like a spreadsheet formula, made safe with a leading ' (--no-formula-guard leaves them): {cells}"
        )
    _show_not_taken(report)
    _show_place(f"[bold]Result:[/bold] {escape(report.out)}   Report: {escape(report.out)}.report.json")


def show_database_run(report: DatabaseReport) -> None:
    """Channels by share, what was left to a person, what was labelled before, and where the answers lie."""
    if report.rows_written:
        _show_answers(report)
    relabelled = f", {report.rows_relabelled:,} of them again" if report.rows_relabelled else ""
    print_line(
        f"Rows: {report.rows_read:,} read, {report.rows_written:,} written{relabelled}, {report.rows_kept:,} labelled before, "
        f"{report.rows_rejected:,} rejected in {report.seconds:,.1f} s"
    )
    if report.rows_outdated:
        print_line(
            f"Labelled before by another model, taxonomy, policy or calibration (--relabel changed labels them again): {report.rows_outdated:,}"
        )
    _show_not_taken(report)
    _show_place(f"[bold]Result:[/bold] {escape(report.out)}")


def _show_answers(report: RunReport | DatabaseReport) -> None:
    """Channels by share, and how exactly was labelled."""
    total = max(report.rows_written, 1)
    channels = report.counts.get("channel", {})
    table = _volumes("how to help them")
    top = max([*channels.values(), 1])
    for channel, count in channels.items():
        table.add_row(
            channel.replace("_", " "),
            f"[green]{_bar(count / top)}[/green]",
            f"{count:,}",
            f"{count / total:.0%}",
        )
    out.print()
    out.print(table)
    levels = report.counts.get("level")
    out.print()
    if levels:
        shares = ", ".join(
            f"{name} {levels.get(name, 0):,} ({levels.get(name, 0) / total:.0%})"
            for name in ("secondary", "primary only", "left to a person")
        )
        print_line(f"Labelled: {shares}")


def _show_not_taken(report: RunReport | DatabaseReport) -> None:
    """Inputs, values and rows that did not go into the answers."""
    if report.inputs_missing:
        print_line(f"Policy inputs without a column, taken as not known: {', '.join(report.inputs_missing)}")
    if report.values_ignored:
        values = ", ".join(f"{count:,} in {name}" for name, count in report.values_ignored.items())
        out.print(
            f"[yellow]Values the policy does not know, taken as not known:[/yellow] {escape(values)}", highlight=False
        )
    for cause, count in list(report.reject_causes.items())[:5]:
        out.print(f"[yellow]{count:,} rejected:[/yellow] {escape(cause)}", soft_wrap=True, highlight=False)
    if report.rejects:
        _show_place(f"[yellow]Rejected rows, with causes:[/yellow] {escape(report.rejects)}")


def _show_place(text: str) -> None:
    out.print(text, soft_wrap=True, highlight=False)


_FOR, _AGAINST = "cyan", "yellow"
_WORDS_SHOWN = 8


def show_explanation(explanation: Explanation) -> None:
    """The reason, the text with the words that counted, the strongest of them, and the ranked reasons."""
    label, reason = explanation.label, explanation.reason
    if reason is None:
        out.print("[bold]Left to a person.[/bold] The model knows no word of this text.")
        return
    name = f"[bold]{escape(explanation.name(reason))}[/bold] [dim]{escape(reason)}[/dim]"
    if label.abstained:
        head = f"[bold]Left to a person.[/bold] Most probable: {name}, {explanation.probability:.3f}"
    else:
        level = "" if label.secondary else ", the primary alone"
        head = f"{name}{level}, confidence {label.confidence:.3f}"
    limit = "never" if explanation.threshold is None else f"from {explanation.threshold:.3f} on"
    limit = f"a reason is reported {limit}" if label.abstained else f"reported {limit}"
    out.print(f"{head} [dim]({limit})[/dim]", soft_wrap=True, highlight=False)
    out.print()
    out.print(_shaded(explanation), soft_wrap=True)
    out.print()
    out.print(_strongest_words(explanation))
    versus = "all others" if explanation.against is None else explanation.name(explanation.against)
    print_line(
        f"Log-odds against {versus}: {explanation.margin:+.2f} = words {explanation.linear + explanation.hidden:+.2f}, "
        f"rest {explanation.rest:+.2f}"
    )
    out.print()
    table = Table("most probable", "", "probability", box=None, pad_edge=False)
    shown = {each.reason: each.probability for each in label.ranked}
    if label.abstained:
        shown |= {reason: explanation.probability}
    for each, probability in sorted(shown.items(), key=lambda item: -item[1]):
        table.add_row(escape(explanation.name(each)), f"[{_FOR}]{_bar(probability)}[/{_FOR}]", f"{probability:.3f}")
    out.print(table)


def _shaded(explanation: Explanation) -> Text:
    """The text; words that count are coloured, the stronger half underlined."""
    top = max((abs(share.contribution) for share in explanation.words), default=0.0)
    text = Text(explanation.text)
    for share in explanation.words:
        strength = abs(share.contribution) / top if top else 0.0
        if strength >= 0.08:
            colour = _FOR if share.contribution > 0 else _AGAINST
            text.stylize(f"bold underline {colour}" if strength >= 0.5 else colour, share.start, share.stop)
    return text


def _strongest_words(explanation: Explanation) -> Table:
    table = Table("counts", "word", "", "log-odds", box=None, pad_edge=False)
    table.columns[3].justify = "right"
    strongest = sorted(explanation.words, key=lambda share: -abs(share.contribution))[:_WORDS_SHOWN]
    top = max((abs(share.contribution) for share in strongest), default=0.0)
    for share in strongest:
        if share.contribution:
            colour, side = (_FOR, "for") if share.contribution > 0 else (_AGAINST, "against")
            bar = f"[{colour}]{_bar(abs(share.contribution) / top)}[/{colour}]"
            table.add_row(side, escape(share.word), bar, f"{share.contribution:+.2f}")
    return table


def show_scores(scores: dict[str, Any], names: dict[str, str] | None = None) -> None:
    """Shares with intervals, and the pairs of reasons most often confused.

    Parameters
    ----------
    scores : dict
        As of `score_labels`.
    names : dict, optional
        What to call each reason; by default its id.
    """
    names = names or {}
    table = Table("", "share", "95 % interval", "of", box=None, pad_edge=False)
    titles = {
        "secondary_accuracy": "secondary right, every text answered",
        "primary_accuracy": "primary right, every text answered",
        "reported_secondary": "secondary reported",
        "right_among_reported_secondary": "  of these right",
        "reported_primary_only": "primary only reported",
        "right_among_primary_only": "  of these right",
        "left_to_a_person": "left to a person",
        "out_of_scope_left_to_a_person": "out of scope, left to a person",
        "coverage": "labelled, of all texts",
        "selective_risk": "  of these wrong",
    }
    for column in table.columns[1:]:
        column.justify = "right"
    for key, title in titles.items():
        value = scores[key]
        if value["total"]:
            table.add_row(
                title,
                f"{value['share']:.1%}",
                f"{value['low']:.1%} to {value['high']:.1%}",
                f"{value['total']:,}",
            )
    out.print(table)
    out.print()
    _show_confidence(scores)
    worst = Table("most confused: true", "predicted", "times", box=None, pad_edge=False)
    for truth, predicted, count in scores["confusions"][:8]:
        worst.add_row(escape(names.get(truth, truth)), escape(names.get(predicted, predicted)), str(count))
    if scores["confusions"]:
        out.print()
        out.print(worst)
    out.print()


def _show_confidence(scores: dict[str, Any]) -> None:
    """Whether confidence can be taken at its word, and hierarchical F1."""
    found, f1 = scores["calibration"], scores["hierarchical"]["f1"]
    if found["ece"] is not None:
        right = found["right"]["share"]
        print_line(
            f"Confidence: {found['mean_confidence']:.1%} on average, {right:.1%} right; "
            f"calibration error {found['ece']:.1%} (by chance alone {found['ece_by_chance']:.1%}, at most {found['ece_by_chance_high']:.1%})"
        )
    if f1 is not None:
        print_line(f"Hierarchical F1, as reported: {f1:.1%}")


def show_evaluation(figures: dict[str, Any]) -> None:
    """Scores, and how much can be labelled at which share of errors.

    Parameters
    ----------
    figures : dict
        Of an `Evaluation`.
    """
    without = f", {figures['out_of_scope']:,} of them without a reason" if figures["out_of_scope"] else ""
    print_line(f"{figures['rows']:,} texts{without}")
    out.print()
    show_scores(figures, figures["labels"])
    table = Table(
        "secondary wrong at most", "can be labelled", "95 % interval", "from confidence", box=None, pad_edge=False
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for point in figures["levels"]["secondary"]["at_risk"]:
        coverage = point["coverage"]
        shown = ("nothing", "", "")
        if point["confidence"] is not None:
            interval = f"{coverage['low']:.1%} to {coverage['high']:.1%}"
            shown = (f"{coverage['share']:.1%}", interval, f"{point['confidence']:.3f}")
        table.add_row(f"{point['wanted']:.0%}", *shown)
    out.print(table)
    out.print()
    if left_out := figures["about"]["data"].get("rows_without_text"):
        print_line(f"Rows without text, left out: {left_out:,}")


def show_calibration(calibration: Calibration) -> None:
    """The promise, its thresholds, what was seen on the tested rows, the sample, and what is not promised."""
    promise, thresholds = calibration.promise, calibration.thresholds
    each = "of each primary" if promise.per_primary else ""
    counted = "" if promise.audited is None else f", also when {promise.audited:,} labels are counted"
    out.print()
    print_line(
        f"Promise: at most {promise.error:.1%} of what is labelled {each and each + ' '}without a person is wrong, at each level, "
        f"with {promise.assurance:.1%} assurance{counted}."
    )
    out.print()
    table = Table("level", "of", "confidence from", "rows", "reported", "share", "wrong", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    own = dict(thresholds.by_primary)
    for name, level in (("secondary", "secondary"), ("primary alone", "primary")):
        for primary, *tests in promise.by_primary:
            least = getattr(own[primary], level) if primary in own else None
            if tests[level == "primary"].risk:
                table.add_row(name, escape(primary), _threshold(least), *_tested(tests[level == "primary"]))
        whole = "all of these" if own else "all"
        table.add_row(
            name, whole, "" if own else _threshold(getattr(thresholds, level)), *_tested(getattr(promise, level))
        )
    out.print(table)
    out.print()
    if promise.never_labelled:
        print_line(
            "Always left to a person, for too few rows or too many errors: " + ", ".join(promise.never_labelled) + "."
        )
    reported = promise.secondary.reported + promise.primary.reported
    rows = promise.secondary.rows or promise.primary.rows
    share = reported / rows if rows else 0.0
    if promise.levels == "both" and not promise.primary.risk:
        print_line(
            "Primary alone is never reported: too few rows are left to test it; all assurance went to the secondary."
        )
    print_line(f"Left to a person: about {max(1 - share, 0):.1%}.")
    print_line(
        f"Sample: {promise.rows:,} independent rows, {promise.out_of_scope:,} of them without a reason; {promise.tuned_on:,} only chose "
        f"where the tests start. Made on {calibration.made_on} for taxonomy {calibration.taxonomy_id} {calibration.taxonomy_version}."
    )
    before, after = promise.calibration_error_before, promise.calibration_error_after
    print_line(
        f"Expected calibration error of confidences: {before:.3f}"
        + (
            f", {after:.3f} with the temperature {thresholds.temperature:g}."
            if thresholds.temperature != 1
            else "; no temperature was fitted."
        )
    )
    print_line(
        "Not promised: anything about contacts of another kind, channel or time than the sample, about a sample that was not drawn at random, "
        "about single customers, or about which errors are made. Draw a new sample when contacts change."
    )


def _threshold(value: float | None) -> str:
    return "never" if value is None else f"{value:.6f}"


def _tested(test: LevelTest) -> tuple[str, ...]:
    if not test.risk or not test.rows:
        return ("not tested", "", "", "")
    share = f"{test.reported / test.rows:.1%}"
    return (f"{test.rows:,}", f"{test.reported:,}", share, f"{test.wrong:,}")


_WORST = 6
_MEASURED = {
    "test": "on the pack's own test texts",
    "newest": "on the newest tickets, by a model trained on the older ones",
    "held_out_folds": "on tickets held out fold by fold",
}


def show_training(report: dict[str, Any]) -> None:
    """What came of a training: alarms first, then scores, the weakest reasons, what is confused, and notes.

    Parameters
    ----------
    report : dict
        With ``alarms``, ``notes`` and ``scores``.
    """
    for alarm in report["alarms"]:
        head, _, rest = alarm.partition(": ")
        out.print(
            Panel(
                f"[bold]{escape(head[0].upper() + head[1:])}.[/bold]\n{escape(rest[0].upper() + rest[1:])}.",
                title="warning",
                border_style="red",
            )
        )
    name = next(name for name in _MEASURED if name in report["scores"])
    scores = report["scores"][name]
    out.print()
    out.print(f"[bold]How good it is[/bold], {_MEASURED[name]}")
    names = report.get("labels", {})
    show_scores(scores, names)
    _show_weakest(report["scores"]["held_out_folds"]["reasons"], names)
    found = report.get("mislabelled")
    if found and found["likely"] and not report["alarms"]:
        print_line(f"Likely mislabelled: {found['likely']:,} of {found['judged']:,} rows, listed in mislabelled.csv")
    for note in report["notes"]:
        out.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)
    out.print()


def _show_weakest(reasons: dict[str, Any], names: dict[str, str]) -> None:
    """The reasons that are surely found least often, by the upper limit of recall on held-out folds: these are all tickets."""
    table = Table(
        "weakest reasons, fold by fold",
        "found",
        "95 % interval",
        "right when said",
        "tickets",
        box=None,
        pad_edge=False,
    )
    for column in table.columns[1:]:
        column.justify = "right"
    weakest = sorted(reasons.items(), key=lambda item: (item[1]["recall_high"], item[0]))[:_WORST]
    for reason, score in weakest:
        table.add_row(
            escape(names.get(reason, reason)),
            f"{score['recall']:.0%}",
            f"{score['recall_low']:.0%} to {score['recall_high']:.0%}",
            "never said" if score["precision"] is None else f"{score['precision']:.0%}",
            f"{score['texts']:,}",
        )
    out.print(table)
    out.print()


class _Rate(ProgressColumn):
    """Rows so far, and rows a second."""

    def render(self, task: Task) -> Text:
        rows, elapsed = task.fields["rows"], task.elapsed or 0
        rate = f", {rows / elapsed:,.0f}/s" if elapsed > 0.5 and rows else ""
        return Text(f"{rows:,} rows{rate}", style="cyan")


@contextlib.contextmanager
def row_progress(name: str) -> Iterator[Any]:
    """A bar of the rows of a file that are done, and how many a second."""
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


@contextlib.contextmanager
def step_progress() -> Iterator[Any]:
    """What is being done, and how much of it is done."""
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda step, fraction: bar.update(task, completed=fraction, description=escape(step))
