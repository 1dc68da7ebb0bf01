"""The command ``contact-reasons policy estimate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.cli.replay import day_of_option, print_notes, print_unreadable
from contact_reasons.errors import BatchError, count_text, nearest
from contact_reasons.options import DelimiterOption, EncodingOption, SourceArgument, TimeFormatOption
from contact_reasons.routing import RoutingPolicy
from contact_reasons.terminal import out, print_line, row_progress

if TYPE_CHECKING:
    from contact_reasons.batch.estimate_files import FileEstimate
    from contact_reasons.lab.estimates import PolicyValue, ValueEstimate

__all__ = ["estimate"]

_OPTIONS: Final = {
    "`columns`": "--input NAME=COLUMN",
    "`day`": "--as-of",
    "outcome_range": "--outcome-range",
    "least_support": "--least-support",
    "largest_weight": "--largest-weight",
}
_BESIDE: Final = ("DR", "SNIPS", "IPS", "DM")
"""Methods shown beside the one that was asked for."""


def estimate(
    source: SourceArgument,
    new: Annotated[
        str, typer.Option(help="The policy to judge: a rule file, or a pack by name or folder.", show_default=False)
    ],
    old: Annotated[
        str | None, typer.Option(help="The policy that wrote the log, with its `explore:`: a rule file or a pack.")
    ] = None,
    outcome: Annotated[
        str, typer.Option(help="Column with what came of each contact: a number, or true and false.")
    ] = "outcome",
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=COLUMN",
            help="Column of a policy input, or of channel, propensity and created_at, where it is not of that very name; 'NAME=' leaves it out. May be repeated.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="What is read first: DR, SNIPS, IPS, DM, SNDR, replay …", show_default="DR, or SNIPS"),
    ] = None,
    model_by: Annotated[
        list[str] | None,
        typer.Option(
            help="Column by which outcomes are averaged, as the model of DR. May be repeated.", show_default="reason"
        ),
    ] = None,
    outcome_range: Annotated[
        str, typer.Option(metavar="LEAST,GREATEST", help="Between which outcomes lie; for costs such as -30,0.")
    ] = "0,1",
    clip: Annotated[float, typer.Option(help="Greatest weight of the clipped methods.")] = 10.0,
    switch: Annotated[float | None, typer.Option(help="Weight above which switch DR trusts the model alone.")] = None,
    shrink: Annotated[float | None, typer.Option(help="How strongly shrunk DR holds weights down.")] = None,
    largest_weight: Annotated[
        float | None, typer.Option(help="Greatest weight there can be, for the lower bound.", show_default="seen")
    ] = None,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap samples, for intervals of that kind too.")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the bootstrap.")] = 0,
    least_support: Annotated[
        float, typer.Option(help="Share of the policy's choices that the log must have been able to make.")
    ] = 1.0,
    as_of: Annotated[str | None, typer.Option(help="Route all contacts as on this day, such as 2026-12-31.")] = None,
    time_format: TimeFormatOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, every method.")] = False,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
) -> None:
    """Estimate what another policy would have brought, from a log of contacts some of which were sent elsewhere by chance.

    The file has a row a contact: the inputs of the policies, `channel` (where it went), `propensity` (how probable that was) and what came of it. A policy writes
    such a log with `explore:` in its rule file. Exit code 2 where the log cannot tell.

    [bold]Example[/bold]

        contact-reasons policy estimate log.csv --old rules.yaml --new my-rules.yaml --outcome solved
    """
    from contact_reasons.batch.estimate_files import estimate_file

    with errors_shown(_OPTIONS):
        with row_progress(source.name) as progress:
            answer = estimate_file(
                source,
                RoutingPolicy.load(new),
                old=None if old is None else RoutingPolicy.load(old),
                outcome=outcome,
                columns=input_columns(input),
                model_by=model_by,
                day=day_of_option(as_of),
                time_format=time_format,
                delimiter=delimiter,
                encoding=encoding,
                progress=progress,
                clip=clip,
                switch=switch,
                shrink=shrink,
                outcome_range=_two_numbers(outcome_range),
                largest_weight=largest_weight,
                resamples=resamples,
                seed=seed,
                least_support=least_support,
            )
        chosen = _method(answer.found, method)
    if as_json:
        typer.echo(json.dumps({**answer.as_dict(), "method": chosen}, indent=1, ensure_ascii=False))
        return
    _show(answer, chosen)
    print_unreadable(answer.unreadable)


def _two_numbers(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise BatchError(f"--outcome-range {text!r}: write the least and the greatest outcome, such as -30,0") from None
    return low, high


def _method(found: PolicyValue, wanted: str | None) -> str:
    if wanted is None:
        return found.method
    known = {each.method.casefold(): each.method for each in found.estimates}
    if wanted.casefold() not in known:
        why = "; DR and DM need a model: name a column with --model-by" if "dr" not in known else ""
        raise BatchError(f"--method {wanted!r} was not estimated{why}; {nearest(wanted, known.values())}")
    return known[wanted.casefold()]


# --------------------------------------------------------------------------------------------------- shown


def _show(answer: FileEstimate, method: str) -> None:
    found = answer.found
    print_line(f"{answer.old or 'the log as it was'} → {answer.new}\n")
    used = found.weights.contacts
    print_line(f"{used:,} of {count_text(answer.contacts, 'contact')}, mean of the column {answer.outcome!r}\n")
    _show_values(found, method)
    _show_overlap(answer)
    for cause, count in answer.left_out.items():
        out.print(f"[yellow]{count:,} left out:[/yellow] {escape(cause)}", soft_wrap=True, highlight=False)
    for note in found.notes:
        out.print(f"[yellow]warning:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)
    shown = [found[name] for name in (method, *_BESIDE) if name in {each.method for each in found.estimates}]
    said = list(dict.fromkeys(f"{each.method}: {note}." for each in shown for note in each.notes))
    if method in ("DR", "SNDR", "DM"):
        said.append(
            f"The model of {method}: mean outcomes of other contacts with the same {' and '.join(answer.model_by)} in each channel."
        )
    print_notes([*said, *answer.notes])


def _show_values(found: PolicyValue, method: str) -> None:
    """The answer first, then other methods beside it."""
    table = _table("", "by", "mean", "95 % interval", *(["bootstrap"] if found[method].bootstrap else []))
    table.columns[1].justify = "left"
    _add(table, "log as it was", "", found.logged)
    _add(table, "[bold]new policy[/bold]", method, found[method])
    changes = [each.method for each in found.changes]
    if method in changes:
        _add(table, "[bold]change[/bold]", method, found.change(method), sign="+")
    for other in _BESIDE:
        if other != method and other in changes:
            _add(table, "new policy", other, found[other])
    out.print(table)
    bound = found[method].lower_bound
    if bound is not None:
        print_line(f"Not below {bound:.4f} with 95 % assurance, whatever the distribution.")
    out.print()


def _add(table: Table, title: str, by: str, one: ValueEstimate, sign: str = "") -> None:
    cells = [title, escape(by), f"{one.value:{sign}.4f}", _interval(one.interval, sign)]
    if len(table.columns) > len(cells):
        cells.append("" if one.bootstrap is None else _interval(one.bootstrap, sign))
    table.add_row(*cells)


def _interval(interval: Any, sign: str) -> str:
    return "none: no spread" if interval is None else f"{interval.low:{sign}.4f} to {interval.high:{sign}.4f}"


def _show_overlap(answer: FileEstimate) -> None:
    """How much of the log stands behind the estimate, in all and by channel."""
    w = answer.found.weights
    print_line(
        f"Effective size: {w.effective_size:,.1f} of {count_text(w.contacts, 'contact')} ({w.effective_size / w.contacts:.0%}); "
        f"the log could have done {w.supported_share:.1%} of what the new policy does"
    )
    print_line(f"Weights: mean {w.mean:.3f} (near 1 is right), largest {w.largest:.3g}, {w.zero_share:.1%} are 0\n")
    table = _table("channel", "in the log", "new policy", "not possible", "effective", "largest weight")
    for each in answer.overlap:
        table.add_row(
            each.channel.replace("_", " "),
            f"{each.logged:,}",
            f"{each.wanted:,.0f}",
            f"{each.unsupported:,.0f}",
            f"{each.effective_size:,.1f}",
            f"{each.largest:.3g}",
        )
    out.print(table)
    out.print()


def _table(*names: str) -> Table:
    table = Table(*names, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table
