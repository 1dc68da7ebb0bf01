"""Flows between channels and costs with their ranges, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from contact_reasons.errors import LabError
from contact_reasons.lab.drawing import (
    COLOURS,
    GREY,
    INK,
    RULE,
    Picture,
    axis_steps,
    channel_colour,
    channel_name,
    pixels,
)
from contact_reasons.lab.prices import Range

__all__ = ["cost_chart", "flow_chart"]

_WIDTH: Final = 760
_TOP, _BAR, _GAP, _TALL, _LEFT = 60.0, 14.0, 16.0, 330.0, 205.0
_STAYS: Final = "#b9bec5"
_BARS: Final = {"old": "#9aa3af", "new": COLOURS[0]}


def flow_chart(flows: Sequence[tuple[str, str, int]], *, title: str, sides: tuple[str, str] = ("", "")) -> Picture:
    """How many contacts go from which channel to which: a bar for each channel on either side, a band for each pair.

    Bands of contacts that stay are grey, those of contacts that move have the colour of their old channel.

    Parameters
    ----------
    flows : sequence of (str, str, int)
        Channel before, channel after, contacts.
    title : str
    sides : (str, str)
        Names of the two sides.

    Raises
    ------
    LabError
        If there is no contact.

    Examples
    --------
    >>> "chat" in flow_chart([("chat", "message", 3)], title="three").svg
    True
    """
    flows = [flow for flow in flows if flow[2] > 0]
    total = sum(n for _, _, n in flows)
    if not total:
        raise LabError("no contact flows; give at least one")
    counts = [_sums(flows, at) for at in (0, 1)]
    n_bars = max(len(each) for each in counts)
    scale = _TALL / total
    picture = Picture(title, _WIDTH, _TOP + _TALL + _GAP * n_bars)
    picture.text(0, 16, title, size=16, bold=True)
    places = [_places(each, scale) for each in counts]
    x = (_LEFT, _WIDTH - _LEFT - _BAR)
    picture.text(x[0] + _BAR, 46, sides[0], anchor="end", colour=GREY)
    picture.text(x[1], 46, sides[1], colour=GREY)
    at_left, at_right = dict(places[0]), dict(places[1])
    for one, other, n in flows:
        size, left, right = n * scale, at_left[one], at_right[other]
        begin, end, middle = x[0] + _BAR, x[1], _WIDTH / 2
        path = (
            f"M{pixels(begin)},{pixels(left)}C{pixels(middle)},{pixels(left)} {pixels(middle)},{pixels(right)} {pixels(end)},{pixels(right)}"
            f"V{pixels(right + size)}C{pixels(middle)},{pixels(right + size)} {pixels(middle)},{pixels(left + size)} {pixels(begin)},{pixels(left + size)}Z"
        )
        colour, opacity = (_STAYS, 0.45) if one == other else (channel_colour(one), 0.6)
        hover = f"{channel_name(one)} → {channel_name(other)}: {n:,} ({n / total:.1%})"
        picture.add("path", hover, d=path, fill=colour, fill_opacity=opacity)
        at_left[one], at_right[other] = left + size, right + size
    for at in (0, 1):
        for name, top in places[at].items():
            n = counts[at][name]
            bar = {"x": x[at], "y": top, "width": _BAR, "height": max(n * scale, 1.0)}
            picture.add("rect", f"{channel_name(name)}: {n:,}", **bar, fill=channel_colour(name))
            y = top + n * scale / 2 + 4
            label = f"{channel_name(name)} {n:,} ({n / total:.0%})"
            picture.text(x[at] - 8 if at == 0 else x[at] + _BAR + 8, y, label, anchor="end" if at == 0 else "start")
    return picture


def _sums(flows: Sequence[tuple[str, str, int]], at: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for flow in flows:
        name = str(flow[at])
        sums[name] = sums.get(name, 0) + flow[2]
    return sums


def _places(counts: Mapping[str, int], scale: float) -> dict[str, float]:
    """Upper edge of each bar."""
    top, places = _TOP, {}
    for name, n in counts.items():
        places[name] = top
        top += n * scale + _GAP
    return places


_ROW: Final = 22.0
_LONGEST: Final = 72
_LETTER: Final = 6.6
"""Pixels, on average."""


def cost_chart(rows: Sequence[tuple[str, str, Range]], *, title: str, note: str | None = None) -> Picture:
    """A bar for each cost, as long as the likely value; a line from the low value to the high one.

    Parameters
    ----------
    rows : sequence of (str, str, Range)
        What it is of; ``old`` or ``new``, or ``''`` where there is one bar only; the cost, at least 0.
    title : str
    note : str, optional
        Said below, such as that the prices are an example.

    Raises
    ------
    LabError
        If there is no row.

    Examples
    --------
    >>> "chat" in cost_chart([("chat", "old", Range(1, 2, 4))], title="costs").svg
    True
    """
    if not rows:
        raise LabError("there are no costs to show; give at least one")
    left = max(250.0, _LETTER * max(len(_label(name)) for name, _, _ in rows) + 16)
    right, top = left + _WIDTH - 340.0, 44.0
    tops, at, last = [], top, rows[0][0]
    for name, _, _ in rows:
        at += 8 if name != last else 0
        tops.append(at)
        at, last = at + _ROW, name
    most = max([cost.high for _, _, cost in rows if cost.high == cost.high] + [1e-9])
    ticks = axis_steps(most)
    scale = (right - left) / ticks[-1]
    picture = Picture(title, right + 90, at + 42 + (18 if note else 0))
    picture.text(0, 16, title, size=16, bold=True)
    for tick in ticks:
        picture.line(left + tick * scale, top, left + tick * scale, at, RULE)
        picture.text(left + tick * scale, at + 16, _short(tick), anchor="middle", size=10, colour=GREY)
    shown = None
    for (name, side, cost), y in zip(rows, tops, strict=True):
        if name != shown:
            picture.text(left - 46 if side else left - 8, y + 14, _label(name), anchor="end")
        shown = name
        picture.text(left - 8, y + 14, side, anchor="end", colour=GREY)
        if cost.likely != cost.likely:
            picture.text(left + 6, y + 14, "not known", colour=GREY)
            continue
        ends = [left + value * scale for value in cost]
        hover = f"{name} {side}: {cost.likely:,.0f} ({cost.low:,.0f} to {cost.high:,.0f})"
        bar = {"x": left, "y": y + 2, "width": max(ends[1] - left, 0.0), "height": _ROW - 6}
        picture.add("rect", hover, **bar, fill=_BARS.get(side, COLOURS[0]))
        picture.line(ends[0], y + _ROW / 2 - 1, ends[2], y + _ROW / 2 - 1, INK, 1.5)
        picture.text(ends[2] + 6, y + 14, _short(cost.likely), size=11, colour=GREY)
    picture.text(left, at + 36, "bar: likely; line: low to high", size=11)
    if note:
        picture.text(left, at + 54, note, size=11)
    return picture


def _label(name: str) -> str:
    """A channel in words, a reason as its id; cut where it is too long for its place."""
    label = name if "." in name else channel_name(name)
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _short(value: float) -> str:
    """A number for an axis."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1e4 else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"
