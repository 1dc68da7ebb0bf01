"""The commands ``contact-reasons policy``: prove a rule file, compare two. `replay` and `estimate` have modules of their own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import count_text
from contact_reasons.routing import PolicyAnalysis, Region, RoutingPolicy
from contact_reasons.routing.regions import cell_text
from contact_reasons.routing.routed import names_apart
from contact_reasons.terminal import out, print_line

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Prove a rule file right, compare two for every possible contact, replay a change on past tickets, or estimate what it would bring.",
)

_SHOWN = 5
"""Regions and conflicts that are listed unless all are asked for."""

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, everything.")]
AllOption = Annotated[bool, typer.Option("--all", help="List every region, not the first few.")]


@app.command()
def check(
    policy: Annotated[str, typer.Argument(help="A rule file, or a pack by name or folder.", show_default=False)],
    as_json: JsonOption = False,
    show_all: AllOption = False,
) -> None:
    """Prove that a policy answers every contact, has no rule that can never decide, keeps its promises and can explore as it says.

    Exit code 0 if all of it is proved, 1 if not, 2 if the file is wrong.

    [bold]Example[/bold]

        contact-reasons policy check retail
    """
    with errors_shown():
        loaded = RoutingPolicy.load(policy)
        analysis = loaded.analyse()
    if as_json:
        typer.echo(json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False))
    else:
        _show_analysis(loaded, analysis, None if show_all else _SHOWN)
    raise typer.Exit(0 if analysis.sound else 1)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A rule file, or a pack by name or folder.", show_default=False)],
    after: Annotated[str, typer.Argument(help="The other one, such as the changed file.", show_default=False)],
    as_json: JsonOption = False,
    show_all: AllOption = False,
) -> None:
    """Show exactly where two policies decide otherwise.

    Exit code 0 if they are proved equal, 1 if not, 2 if a file is wrong or they cannot be compared. Shares are of the
    combinations that the rules tell apart, not of contacts.

    [bold]Example[/bold]

        contact-reasons policy diff retail my-rules.yaml
    """
    with errors_shown():
        difference = RoutingPolicy.load(before).difference(RoutingPolicy.load(after))
    figures = difference.to_dict()
    if as_json:
        typer.echo(json.dumps(figures, indent=1, ensure_ascii=False))
    else:
        _show_difference(figures, None if show_all else _SHOWN)
    raise typer.Exit(0 if difference.equal else 1)


# -------------------------------------------------------------------------------------------------- check

_YES, _NO, _UNKNOWN = "[green]proved [/green]", "[red]refuted[/red]", "[yellow]unknown[/yellow]"


def _say(mark: str, text: str) -> None:
    out.print(f"{mark} {escape(text)}", soft_wrap=True, highlight=False)


def _mark(verdict: bool | None) -> str:
    return _UNKNOWN if verdict is None else _YES if verdict else _NO


def _show_analysis(policy: RoutingPolicy, analysis: PolicyAnalysis, limit: int | None) -> None:
    print_line(f"{policy.policy_id} {policy.version}: {len(policy.rules)} rules, {len(policy.inputs)} inputs\n")
    _show_gaps(analysis, limit)
    _show_reach(analysis)
    _show_exploration(analysis)
    for verdict in analysis.promises:
        _say(_mark(verdict.kept), f"promise: {verdict.name}")
        if verdict.kept is False:
            by = f"broken by {verdict.rule_id}" if verdict.rule_id else "no rule answers"
            print_line(f"  {by}, for example for {_values(verdict.counterexample)}")
    if analysis.unused:
        _say("[dim]note[/dim]   ", f"no rule reads {', '.join(analysis.unused)}")
    _show_conflicts(analysis, limit)


def _show_conflicts(analysis: PolicyAnalysis, limit: int | None) -> None:
    """How often the order of rules matters; with ``--all``, for which rules."""
    if not analysis.conflicts:
        return
    more = "" if analysis.conflicts_are_all else "at least "
    lists = "; --all lists them" if limit is not None else ":"
    print_line(
        f"\nThe order decides between {more}{count_text(len(analysis.conflicts), 'pair')} of rules with different outcomes{lists}"
    )
    if limit is None:
        for rule_id, pairs in itertools.groupby(analysis.conflicts, key=lambda pair: pair.rule_id):
            print_line(f"  {rule_id} before {', '.join(pair.other_id for pair in pairs)}")


def _show_gaps(analysis: PolicyAnalysis, limit: int | None) -> None:
    gaps = analysis.gaps
    more = "" if analysis.gaps_are_all else "at least "
    _say(
        _mark(analysis.complete),
        "every contact has a rule" + (f": none in {more}{count_text(len(gaps), 'region')}" if gaps else ""),
    )
    for gap in gaps[:limit]:
        _show_region(gap, limit)
    _show_more(len(gaps), limit)


def _show_reach(analysis: PolicyAnalysis) -> None:
    for rule in analysis.unreachable:
        cause = f"hidden by {' and '.join(rule.hidden_by)}" if rule.hidden_by else "no possible contact meets it"
        _say(_NO, f"the rule {rule.rule_id} can never decide: {cause}")
    for rule_id in analysis.undecided:
        _say(_UNKNOWN, f"whether the rule {rule_id} can ever decide")
    if not analysis.unreachable and not analysis.undecided:
        _say(_YES, "every rule decides for some contact")


def _show_exploration(analysis: PolicyAnalysis) -> None:
    if not analysis.explored_channels:
        return
    for each in analysis.idle_channels:
        cause = "no possible contact is explored"
        if each.barred_by:
            cause = "barred by the promise" + "s" * (len(each.barred_by) > 1) + f" {' and '.join(each.barred_by)}"
        _say(_NO, f"exploration never leads to the channel {each.channel}: {cause}")
    for channel in analysis.undecided_channels:
        _say(_UNKNOWN, f"whether exploration ever leads to the channel {channel}")
    if not analysis.idle_channels and not analysis.undecided_channels:
        _say(_YES, "exploration leads to each of its channels")


# --------------------------------------------------------------------------------------------------- diff


def _show_difference(figures: Mapping[str, Any], limit: int | None) -> None:
    sides = [figures[side] for side in ("before", "after")]
    before, after = names_apart([(side["id"], side["version"], side["sha256"]) for side in sides])
    print_line(f"{before} → {after}\n")
    for note in figures["inputs"]:
        _say("[yellow]input  [/yellow]", note)
    if figures["equal"] == "yes":
        _say(_YES, "equal: they decide alike for every contact")
        return
    if figures["share"] is None:
        _say(_UNKNOWN, "the shares: the step budget ran out")
    elif figures["share"] == 0:
        _say(_YES, "they decide alike for every contact that both know")
        return
    else:
        print_line(f"They differ in {_share(figures['share'])} of the combinations that their rules tell apart.\n")
        _show_flows(figures["flows"])
    for change in figures["changes"][:limit]:
        share = "" if change["share"] is None else f", {_share(change['share'])}"
        out.print(
            f"\n[bold]{escape(_side(change['before']))} → {escape(_side(change['after']))}[/bold]{share}",
            soft_wrap=True,
            highlight=False,
        )
        for region in change["regions"][:limit]:
            _show_region(Region(**region), limit)
        _show_more(len(change["regions"]), limit)
    _show_more(len(figures["changes"]), limit, " pairs of rules")
    if not figures["changes_are_all"]:
        _say(_UNKNOWN, "there may be more: the step budget ran out")


def _show_flows(flows: Sequence[Mapping[str, Any]]) -> None:
    table = Table("before", "after", "share", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for flow in flows:
        same = flow["before"] == flow["after"]
        style = "dim" if same else ""
        table.add_row(_channel(flow["before"]), _channel(flow["after"]), _share(flow["share"]), style=style)
    out.print(table)


def _channel(name: str | None) -> str:
    return "no answer" if name is None else escape(name.replace("_", " "))


def _side(side: Mapping[str, Any]) -> str:
    if side["channel"] is None:
        return str(side["rule"])
    extra = [f"priority {side['priority']}", *([f"queue {side['queue']}"] if side["queue"] else []), *side["skills"]]
    return f"{side['rule']} ({side['channel']}, {', '.join(extra)})"


def _share(share: float) -> str:
    return f"{share:.2%}" if share >= 0.0001 else f"{share:.2g}"


# ------------------------------------------------------------------------------------------------- regions


def _show_region(region: Region, limit: int | None) -> None:
    when = ", ".join(f"{name}: {cell_text(cell, limit)}" for name, cell in region.conditions.items())
    print_line(f"  where {when}" if when else "  everywhere")
    print_line(f"    such as {_values(region.witness)}")


def _values(values: Mapping[str, Any] | None) -> str:
    named = (values or {}).items()
    return ", ".join(f"{name}={'missing' if value is None else cell_text(value)}" for name, value in named)


def _show_more(count: int, limit: int | None, noun: str = "") -> None:
    if limit is not None and count > limit:
        print_line(f"  and {count - limit} more{noun}; --all lists them")
