"""The command ``contact-reasons friction``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.cli.common import errors_shown, input_columns
from contact_reasons.cli.replay import (
    OPTIONS,
    ColumnOption,
    FirstOption,
    LastOption,
    PictureOption,
    PricesOption,
    print_caution,
    print_notes,
    print_refused,
    print_unreadable,
)
from contact_reasons.errors import BatchError, count_text
from contact_reasons.options import DelimiterOption, EncodingOption, OverwriteOption, SourceArgument, TimeFormatOption
from contact_reasons.terminal import out, print_line, row_progress

if TYPE_CHECKING:
    from contact_reasons.lab.case import BusinessCase
    from contact_reasons.lab.ledger import Friction, Top

__all__ = ["friction"]


def friction(
    source: SourceArgument,
    prices: PricesOption = None,
    input: ColumnOption = None,
    repeat_days: Annotated[int, typer.Option(min=1, help="Days within which a contact counts as a repeat.")] = 7,
    first: FirstOption = None,
    last: LastOption = None,
    time_format: TimeFormatOption = None,
    by: Annotated[
        str, typer.Option(help="What is ranked: reason, primary or cell (reason, stage, customer type).")
    ] = "reason",
    remove: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON=LOW,LIKELY,HIGH", help="Case of fixing a cause: share of its contacts that no longer come."
        ),
    ] = None,
    move: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON[=LOW,LIKELY,HIGH]", help="Case of moving a reason: share resolved in the new channel."
        ),
    ] = None,
    to: Annotated[str, typer.Option(help="The channel of --move.")] = "self_service",
    one_off: Annotated[float, typer.Option(min=0, help="Cost of each change, once.")] = 0.0,
    running: Annotated[float, typer.Option(min=0, help="Cost of each change, a year.")] = 0.0,
    years: Annotated[float, typer.Option(help="Over which it shall pay, for the break-even.")] = 1.0,
    cells_out: Annotated[
        Path | None, typer.Option("--out", help="Write the whole ledger: .csv, .jsonl or .parquet.")
    ] = None,
    picture: PictureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, everything.")] = False,
    delimiter: DelimiterOption = ",",
    encoding: EncodingOption = "utf-8",
    overwrite: OverwriteOption = False,
) -> None:
    """Count what contacts come, how often, again, and at what cost, and make the case for changing the worst.

    [bold]Example[/bold]

        contact-reasons friction labelled.csv --prices my-prices.yaml --remove delivery.late=0.1,0.2,0.3 --one-off 20000
    """
    from contact_reasons.batch.columns import write_table
    from contact_reasons.batch.lab_files import friction_file
    from contact_reasons.lab.prices import Prices

    with errors_shown(OPTIONS):
        with row_progress(source.name) as progress:
            found, unreadable = friction_file(
                source,
                prices=Prices.load(prices),
                columns=input_columns(input),
                repeat_days=repeat_days,
                first=first,
                last=last,
                time_format=time_format,
                delimiter=delimiter,
                encoding=encoding,
                progress=progress,
            )
        cases = _cases(found, remove or (), move or (), to, (one_off, running, years))
        found.top(by)
        if cells_out is not None:
            write_table(cells_out, found.tables["cells"], overwrite=overwrite)
        if picture is not None:
            found.cost_chart(by).save(picture)
    if as_json:
        rejects = [reject._asdict() for reject in unreadable]
        more = {"cases": [case.as_dict() for case in cases], "unreadable": rejects}
        typer.echo(json.dumps({**found.as_dict(by=by), **more}, indent=1, ensure_ascii=False))
        return
    _show(found, by)
    for case in cases:
        print_line(f"{case}\n")
    print_unreadable(unreadable)
    for name, path in (("Ledger", cells_out), ("Picture", picture)):
        if path is not None:
            print_line(f"{name}: {path}")


def _cases(
    found: Friction, remove: Sequence[str], move: Sequence[str], to: str, costs: tuple[float, float, float]
) -> list[BusinessCase]:
    from contact_reasons.lab.case import move_case, remove_case

    one_off, running, years = costs
    cases = []
    for text in remove:
        reason, shares = _shares(text, "--remove")
        if shares is None:
            raise BatchError(f"--remove {text!r}: write REASON=LOW,LIKELY,HIGH, such as delivery.late=0.1,0.2,0.3")
        cases.append(
            remove_case(found, _where(reason), removed=shares, one_off=one_off, running_a_year=running, years=years)
        )
    for text in move:
        reason, shares = _shares(text, "--move")
        cases.append(
            move_case(
                found, _where(reason), to=to, resolved=shares, one_off=one_off, running_a_year=running, years=years
            )
        )
    return cases


def _shares(text: str, option: str) -> tuple[str, tuple[float, ...] | None]:
    reason, equals, shares = text.partition("=")
    try:
        return reason, tuple(float(share) for share in shares.split(",")) if equals else None
    except ValueError:
        raise BatchError(
            f"{option} {text!r}: write REASON=LOW,LIKELY,HIGH, such as delivery.late=0.1,0.2,0.3"
        ) from None


def _where(reason: str) -> dict[str, str]:
    return {"reason" if "." in reason else "primary": reason}


def _show(found: Friction, by: str) -> None:
    from contact_reasons.lab.ledger import few_tickets_text
    from contact_reasons.lab.wording import money_range, period_text

    top, period = found.top(by), found.period
    print_line(f"{found.counted:,} of {count_text(found.tickets, 'ticket')}, {period_text(period)}")
    currency = f", {found.currency}" if found.currency else ""
    print_line(f"Cost a month{currency}: {money_range(found.cost.times(1 / period.months))}\n")
    print_caution(period)
    _show_top(found, top)
    rows = top.rows["tickets"].tolist()
    if rows:
        print_line(
            f"{'This one covers' if len(rows) == 1 else f'These {len(rows)} cover'} {top.covered:.1%} of the cost."
        )
    if top.tied:
        print_line(f"{top.tied} more cost exactly as much as the last.")
    if top.small:
        print_line(few_tickets_text(top))
    if top.without_reason:
        print_line(f"Tickets without a reason make {top.without_reason:.1%} of the cost.")
    out.print()
    print_refused(found.tables["refused"])
    print_notes(found.notes, period.caution)
    out.print()


def _show_top(found: Friction, top: Top) -> None:
    """The few that matter most; in as many tables as it takes to fit the terminal."""
    from contact_reasons.lab.ledger import top_rows

    head, *rows = top_rows(found, top)
    if not rows:
        return
    widths = [max(len(row[i]) for row in (head, *rows)) + 2 for i in range(len(head))]
    names = range(head.index("a day"))
    parts: list[list[int]] = [[]]
    for i in range(len(names), len(head)):
        if parts[-1] and sum(widths[j] for j in (*names, *parts[-1], i)) - 2 > out.width:
            parts.append([])
        parts[-1].append(i)
    for part in parts:
        table = Table(box=None, pad_edge=False)
        for i in (*names, *part):
            table.add_column(escape(head[i]), justify="left" if i in names else "right")
        for row in rows:
            table.add_row(*(escape(row[i]) for i in (*names, *part)))
        out.print(table)
        out.print()
