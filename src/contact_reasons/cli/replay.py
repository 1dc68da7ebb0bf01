"""The command ``contact-reasons policy replay``."""

from __future__ import annotations

import collections
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.errors import BatchError, count_text
from contact_reasons.options import DelimiterOption, EncodingOption, OverwriteOption, SourceArgument, TimeFormatOption
from contact_reasons.routing import RoutingPolicy
from contact_reasons.terminal import err, out, print_line, row_progress

if TYPE_CHECKING:
    from contact_reasons.batch.readers import Reject
    from contact_reasons.lab.outcome import Replay
    from contact_reasons.lab.periods import Period

__all__ = [
    "OPTIONS",
    "ColumnOption",
    "FirstOption",
    "LastOption",
    "PictureOption",
    "PricesOption",
    "day_of_option",
    "print_caution",
    "print_notes",
    "print_refused",
    "print_unreadable",
    "replay",
]

OPTIONS: Final = {"`columns`": "--input NAME=COLUMN", "`certain=True`": "--certain", "`day`": "--as-of"}
"""Options by what messages of the library name."""

_SHOWN = 12
_CHANGE = "cost_change_with_follow_up"

PricesOption = Annotated[
    Path | None,
    typer.Option(help="Price list; see taxonomies/example-prices.yaml.", show_default="the shipped example"),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=COLUMN",
        help="Column of a policy input, or of ticket_id, reason, stage, customer_type, created_at and the like, where it is not of that very name; "
        "'NAME=' leaves it out. May be repeated.",
    ),
]
FirstOption = Annotated[str | None, typer.Option(help="First day the tickets were taken from.", show_default="of them")]
LastOption = Annotated[str | None, typer.Option(help="Last day the tickets were taken from.", show_default="of them")]
PictureOption = Annotated[Path | None, typer.Option(help="Write a picture to this .svg file.")]


def replay(
    source: SourceArgument,
    new: Annotated[str, typer.Option(help="A rule file, or a pack by name or folder.", show_default=False)],
    old: Annotated[str | None, typer.Option(help="The policy of today: a rule file or a pack.")] = None,
    old_column: Annotated[
        str | None, typer.Option(help="Instead: the column with the channel that each ticket really went to.")
    ] = None,
    prices: PricesOption = None,
    input: ColumnOption = None,
    certain: Annotated[bool, typer.Option(help="Reasons were checked by people: confidence counts as 1.")] = False,
    needed_person: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of true and false, such as escalated: a person had to take the contact. May be repeated."
        ),
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Route all tickets as on this day, such as 2026-12-31.")] = None,
    first: FirstOption = None,
    last: LastOption = None,
    time_format: TimeFormatOption = None,
    moved_out: Annotated[
        Path | None, typer.Option("--out", help="Write each moved ticket: .csv, .jsonl or .parquet.")
    ] = None,
    picture: PictureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, everything but single tickets.")] = False,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    overwrite: OverwriteOption = False,
) -> None:
    """Replay a change of policy on past tickets: who moves where, by which rules, at what cost.

    [bold]Example[/bold]

        contact-reasons policy replay labelled.csv --old retail --new my-rules.yaml --prices my-prices.yaml --out moved.csv
    """
    from contact_reasons.batch.columns import write_table
    from contact_reasons.batch.lab_files import replay_file
    from contact_reasons.lab.prices import Prices

    with errors_shown(OPTIONS):
        if (old is None) == (old_column is None):
            raise BatchError("give one of --old (a policy) and --old-column (where each ticket really went)")
        before = old_column if old is None else RoutingPolicy.load(old)
        assert before is not None
        with row_progress(source.name) as progress:
            found, unreadable = replay_file(
                source,
                before,
                RoutingPolicy.load(new),
                prices=Prices.load(prices),
                columns=input_columns(input),
                certain=certain,
                needed_person=needed_person or (),
                day=day_of_option(as_of),
                first=first,
                last=last,
                time_format=time_format,
                delimiter=delimiter,
                encoding=encoding,
                progress=progress,
            )
        if moved_out is not None:
            write_table(moved_out, found.tables["moved"], overwrite=overwrite)
        if picture is not None:
            found.flow_chart().save(picture)
    if as_json:
        rejects = [reject._asdict() for reject in unreadable]
        typer.echo(json.dumps({**found.as_dict(), "unreadable": rejects}, indent=1, ensure_ascii=False))
        return
    _show(found)
    print_unreadable(unreadable)
    for name, path in (("Moved tickets", moved_out), ("Picture", picture)):
        if path is not None:
            print_line(f"{name}: {path}")


def day_of_option(text: str | None) -> dt.date | None:
    """The day that ``--as-of`` names."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise BatchError(f"--as-of {text!r}: write a date such as 2026-12-31") from None


def _show(found: Replay) -> None:
    print_line(f"{found.old} → {found.new}\n")
    _show_moves(found)
    _show_rules(found)
    _show_reasons(found)
    _show_costs(found)
    _show_safety(found)
    out.print()
    print_notes(found.notes, *([] if found.period is None else [found.period.caution]))


def _table(*names: str) -> Table:
    table = Table(*names, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _show_moves(found: Replay) -> None:
    period = "" if found.period is None else f", {found.period} ({found.period.months:.2f} months)"
    print_line(
        f"{count_text(found.tickets, 'ticket')}{period}: {found.moved:,} of {found.replayed:,} move, {found.refused:,} refused\n"
    )
    if found.period is not None:
        print_caution(found.period)
    channels, share = found.tables["channels"], max(found.replayed, 1)
    table = _table("channel", "before", "after", "change")
    for i, name in enumerate(channels["channel"]):
        old, new, change = (int(channels[key][i]) for key in ("old_tickets", "new_tickets", "change"))
        table.add_row(_plain(name), f"{old:,} ({old / share:.0%})", f"{new:,} ({new / share:.0%})", f"{change:+,}")
    out.print(table)
    out.print()
    print_refused(found.tables["refused"])


def _show_rules(found: Replay) -> None:
    """Which rules let tickets go, to which."""
    rules = found.tables["rules"]
    if not len(rules["tickets"]):
        return
    table = _table("moved by", "to", "tickets")
    table.columns[1].justify = "left"
    for i in range(min(len(rules["tickets"]), _SHOWN)):
        rule = f"{rules['old_rule'][i]} ({_plain(rules['old_channel'][i])})".strip()
        table.add_row(
            escape(rule),
            escape(f"{rules['new_rule'][i]} ({_plain(rules['new_channel'][i])})"),
            f"{rules['tickets'][i]:,}",
        )
    out.print(table)
    _show_more(len(rules["tickets"]), "pair of rules", "pairs of rules")
    out.print()


def _show_reasons(found: Replay) -> None:
    """The reasons of which most tickets move."""
    if "by_reason" not in found.tables:
        return
    rows = found.tables["by_reason"]
    reasons: dict[str, list[float]] = {}
    for i, reason in enumerate(rows["reason"]):
        one = reasons.setdefault(str(reason), [0, 0, 0.0])
        one[0] += rows["tickets"][i]
        one[1] += rows["tickets"][i] * rows["moved"][i]
        one[2] += rows[_CHANGE][i] if _CHANGE in rows else 0.0
    moved = sorted((item for item in reasons.items() if item[1][1]), key=lambda item: (-item[1][1], item[0]))
    if not moved:
        return
    months = 1.0 if found.period is None else found.period.months
    priced = [] if found.prices is None else [f"change of cost{_span(found)}, with follow-up"]
    table = _table("reason", "move", "of", *priced)
    for reason, (tickets, moves, change) in moved[:_SHOWN]:
        shown = f"{change / months:+z,.2f}" if abs(change / months) < 100 else f"{change / months:+,.0f}"
        cells = [shown if change == change else "not known"] if priced else []
        table.add_row(escape(reason), f"{moves:,}", f"{tickets:,}", *cells)
    out.print(table)
    _show_more(len(moved), "reason", "reasons")
    out.print()


def _show_costs(found: Replay) -> None:
    """Costs before and after and their change, likely and in their range, one below the other so that they fit on a narrow terminal."""
    from contact_reasons.lab.outcome import cost_titles
    from contact_reasons.lab.wording import money

    if found.prices is None:
        return
    table = _table(f"cost{_span(found)}, {found.prices.currency}", "", "likely", "low", "high")
    table.columns[1].justify = "left"
    for title, cost in cost_titles(found).items():
        compared = found.a_month(cost) if found.period is not None else cost
        for name, each in zip(("before", "after", "change"), compared or (None, None, None), strict=True):
            shown = (
                ("not known", "", "") if each is None else tuple(money(x) for x in (each.likely, each.low, each.high))
            )
            table.add_row(title.strip() if name == "before" else "", name, *shown, end_section=name == "change")
    out.print(table)
    out.print()


def _span(found: Replay) -> str:
    return " a month" if found.period is not None else ""


def _show_more(count: int, one: str, many: str) -> None:
    if count > _SHOWN:
        print_line(f"and {count - _SHOWN:,} more {one if count == _SHOWN + 1 else many}; --json lists them")


def _show_safety(found: Replay) -> None:
    print_line(f"Sent to self-service (contained): {found.contained[0]:.1%} → {found.contained[1]:.1%} of tickets")
    sides = [
        None if each is None else f"{each.likely:.1%} ({each.low:.1%} to {each.high:.1%})"
        for each in found.contained_resolved
    ]
    if all(sides):
        print_line(f"  and resolved there, expected by the price list (contained_resolved): {sides[0]} → {sides[1]}")
    missed = found.escalations
    unknown = f"; of {missed.not_known:,} it is not known" if missed.not_known else ""
    print_line(
        f"Missed escalations: {missed.old_missed:,} → {missed.new_missed:,} of {missed.needed:,} tickets that a person had to take ({missed.by}{unknown})"
    )
    print_line(f"Broken promises of the new policy: {found.broken_promises:,}")


def print_caution(period: Period) -> None:
    """That a period is too short for figures a month, if it is."""
    if period.caution:
        out.print(f"[yellow]warning:[/yellow] {escape(period.caution)}\n", soft_wrap=True, highlight=False)


def print_notes(notes: Sequence[str], *shown: str) -> None:
    """What must be known to read the figures rightly, but for what was shown above."""
    for note in notes:
        if note not in shown:
            out.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)


def print_unreadable(rejects: Sequence[Reject]) -> None:
    """Rows of a file that could not be read, with the causes of the first."""
    if rejects:
        rows = count_text(len(rejects), "row")
        err.print(f"[yellow]{rows} could not be read, in no figure:[/yellow]", highlight=False)
    for reject in rejects[:5]:
        err.print(f"  row {reject.row}: {escape(reject.cause)}", soft_wrap=True, highlight=False)


def print_refused(refused: Mapping[str, Any]) -> None:
    """How many tickets are in no figure, by the most frequent causes."""
    for cause, count in collections.Counter(refused["cause"].tolist()).most_common(5):
        out.print(f"[yellow]{count:,} refused:[/yellow] {escape(cause)}", soft_wrap=True, highlight=False)


def _plain(channel: Any) -> str:
    return str(channel).replace("_", " ")
