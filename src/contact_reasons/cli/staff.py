"""The command ``contact-reasons staff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import LabError, count_text, nearest
from contact_reasons.terminal import out, print_line

if TYPE_CHECKING:
    from contact_reasons.lab.staffing import Staffing

__all__ = ["staff"]

_OPTIONS: Final = {
    "service_level": "--service-level",
    "mean_wait_seconds": "--mean-wait",
    "max_occupancy": "--max-occupancy",
    "max_abandonment": "--max-abandonment",
    "shrinkage": "--shrinkage",
    "handle_seconds": "--handle",
    "interval_seconds": "--interval",
    "target_seconds": "--within",
    "patience_seconds": "--patience",
}
_SHORTEST: Final = 15.0
"""Seconds below which a mean handle time or patience is more likely one in minutes."""

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def staff(
    handle: Annotated[float, typer.Option("--handle", metavar="SECONDS", help="Mean time to handle a contact (AHT).")],
    contacts: Annotated[float | None, typer.Option("--contacts", help="Arriving in an interval.")] = None,
    volumes: Annotated[
        Path | None,
        typer.Option(
            "--volumes", metavar="FILE", help="CSV with a moment and a count a row: a plan for the mean day of it."
        ),
    ] = None,
    weekday: Annotated[
        str | None, typer.Option("--weekday", help="Of the volumes, only these days, such as monday.")
    ] = None,
    time_column: Annotated[
        str, typer.Option("--time-column", help="Of the volumes: when an interval begins.")
    ] = "datetime",
    count_column: Annotated[str, typer.Option("--count-column", help="Of the volumes: how many came.")] = "calls",
    interval: Annotated[float, typer.Option("--interval", metavar="SECONDS", help="Length of an interval.")] = 1800.0,
    service_level: Annotated[
        float | None, typer.Option("--service-level", help="Least share in time, of all offered. Alone: 0.8.")
    ] = None,
    within: Annotated[float, typer.Option("--within", metavar="SECONDS", help="What in time means.")] = 20.0,
    mean_wait: Annotated[float | None, typer.Option("--mean-wait", metavar="SECONDS", help="Most (ASA).")] = None,
    max_occupancy: Annotated[float | None, typer.Option("--max-occupancy", help="Most share of time busy.")] = None,
    max_abandonment: Annotated[
        float | None, typer.Option("--max-abandonment", help="Most share that gives up; needs --patience.")
    ] = None,
    patience: Annotated[
        float | None, typer.Option("--patience", metavar="SECONDS", help="Mean patience; without it nobody gives up.")
    ] = None,
    shrinkage: Annotated[float, typer.Option("--shrinkage", help="Share of paid time not at work on contacts.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say how many agents a queue takes: Erlang A with a patience, Erlang C without.

    [bold]Examples[/bold]

        contact-reasons staff --contacts 100 --handle 180 --service-level 0.8 --within 20 --shrinkage 0.3

        contact-reasons staff --volumes calls.csv --weekday monday --handle 240 --patience 120
    """
    from contact_reasons.lab.staffing import agents_required

    targets: dict[str, Any] = {
        "service_level": service_level,
        "mean_wait_seconds": mean_wait,
        "max_occupancy": max_occupancy,
        "max_abandonment": max_abandonment,
    }
    if all(target is None for target in targets.values()):
        targets["service_level"] = 0.8
    with errors_shown(_OPTIONS):
        for name, share in (*targets.items(), ("shrinkage", shrinkage)):
            if name != "mean_wait_seconds" and share is not None and share > 1:
                raise LabError(f"{name} is {share:g}; it is a share from 0 to 1: {share:g} % is {share / 100:g}")
        if (contacts is None) == (volumes is None):
            raise LabError("give either --contacts, of one interval, or --volumes, a file of them")
        if volumes is None and weekday is not None:
            raise LabError("--weekday needs --volumes")
        begins, loads = ["each"], [contacts or 0.0]
        said: list[str] = []
        if volumes is not None:
            begins, loads, said = _mean_day(volumes, (time_column, count_column), weekday, interval)
        plan = [
            agents_required(
                load,
                interval,
                handle,
                target_seconds=within,
                patience_seconds=patience,
                shrinkage=shrinkage,
                **targets,
            )
            for load in loads
        ]
    rows = [_row(*each, within) for each in zip(begins, loads, plan, strict=True)]
    notes = [*said, *_notes(handle, patience)]
    hours = sum(each.scheduled_agents for each in plan) * interval / 3600
    if as_json:
        typer.echo(json.dumps({"intervals": rows, "paid_hours": hours, "notes": notes}, indent=1))
        return
    _show(rows, hours, within, patience)
    for note in notes:
        out.print(f"[yellow]note:[/yellow] {escape(note)}", soft_wrap=True, highlight=False)


def _notes(handle: float, patience: float | None) -> list[str]:
    """Units that look wrong, and what the formulas assume."""
    notes = [
        f"{option} is {seconds:g} seconds; is it in minutes?"
        for option, seconds in (("--handle", handle), ("--patience", patience))
        if seconds is not None and seconds < _SHORTEST
    ]
    gives_up = (
        "Erlang C: nobody gives up, so it takes rather more agents than needed; --patience tells how long people wait."
        if patience is None
        else "Erlang A: callers give up after a patience that is exponential, with this mean."
    )
    return [
        *notes,
        gives_up,
        "Arrivals within an interval are steady and random (Poisson), handle times exponential, each interval stands alone.",
    ]


def _mean_day(
    file: Path, columns: tuple[str, str], weekday: str | None, interval: float
) -> tuple[list[str], list[float], list[str]]:
    """When intervals begin, contacts on the mean day, and what is to be said of the days."""
    from contact_reasons.lab.volumes import read_volumes

    found = read_volumes(file, time_column=columns[0], count_column=columns[1])
    if weekday is not None:
        if weekday.lower() not in _DAYS:
            raise LabError(f"--weekday {weekday!r} is no day of the week; {nearest(weekday.lower(), _DAYS)}")
        found = found.weekday(_DAYS.index(weekday.lower()))
    found = found.by_interval(interval)
    clock = [f"{int(edge) // 3600:02d}:{int(edge) % 3600 // 60:02d}" for edge in found.edges_seconds[:-1]]
    days = found.counts.sum(axis=1)
    said = (
        f"For the mean of {count_text(len(days), 'day')}: {days.mean():,.0f} contacts, on single days from {days.min():,.0f} to {days.max():,.0f}. "
        "About half of the days are busier than this plan."
        if len(days) > 1
        else f"Of one day: {days[0]:,.0f} contacts."
    )
    return clock, [float(mean) for mean in found.counts.mean(axis=0)], [said]


def _row(begin: str, load: float, plan: Staffing, within: float) -> dict[str, Any]:
    figures = plan.figures
    return {
        "begin": begin,
        "contacts": round(load, 2),
        "agents": plan.agents,
        "scheduled_agents": plan.scheduled_agents,
        "in_time": figures.service_levels.of_offered,
        "within_seconds": within,
        "mean_wait_seconds": figures.mean_wait_seconds,
        "occupancy": figures.occupancy,
        "give_up": figures.p_abandon,
    }


def _show(rows: list[dict[str, Any]], hours: float, within: float, patience: float | None) -> None:
    table = Table("begin", "contacts", "agents", "scheduled", box=None, pad_edge=False)
    for name in (f"within {within:g} s", "mean wait, s", "busy", *(["give up"] if patience is not None else [])):
        table.add_column(name)
    for column in table.columns:
        column.justify, column.no_wrap = "left" if column is table.columns[0] else "right", True
    for row in rows:
        cells = [
            row["begin"],
            f"{row['contacts']:,.1f}",
            f"{row['agents']:,}",
            f"{row['scheduled_agents']:,}",
            f"{row['in_time']:.1%}",
            f"{row['mean_wait_seconds']:.1f}",
            f"{row['occupancy']:.0%}",
        ]
        table.add_row(*cells, *([f"{row['give_up']:.1%}"] if patience is not None else []))
    out.print(table)
    if len(rows) > 1:
        print_line(f"\n{hours:,.0f} paid hours.")
    out.print()
