"""Pictures of the lab as SVG texts that stand alone: light and dark follow the reader, text stays text, each shape says its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from contact_reasons.errors import LabError
from contact_reasons.lab.prices import Range

__all__ = ["Picture", "cost_chart", "flow_chart"]

_WIDTH: Final = 760
_STYLE: Final = """
.p { --ink: #1a1a1a; --quiet: #595959; --line: #d6d6d6; --stay: #b9bec5; --bg: #fff; --old: #9a9a9a; --new: #0072b2;
  --c0: #009e73; --c1: #56b4e9; --c2: #0072b2; --c3: #e69f00; --c4: #d55e00; --c5: #cc79a7; --c6: #7a6f00; --c7: #5b4bb7;
  font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) { .p { --ink: #ececec; --quiet: #a8adb5; --line: #3a3f47; --stay: #5a616b; --bg: #16181c;
  --old: #8a8f98; --new: #4aa8e0; --c2: #4aa8e0; --c1: #8fd0f7; --c4: #f0833a; --c6: #cfc04a; --c7: #a79bf0; } }
.p .back { fill: var(--bg); } .p text { fill: var(--ink); } .p .quiet { fill: var(--quiet); } .p .title { font-weight: 600; font-size: 15px; }
.p .grid { stroke: var(--line); } .p .stay { fill: var(--stay); fill-opacity: .45; } .p .go { fill-opacity: .6; }
.p .old { fill: var(--old); } .p .new { fill: var(--new); fill-opacity: .8; } .p .whisker { stroke: var(--ink); stroke-width: 1.5; } .p .end { text-anchor: end; } .p .mid { text-anchor: middle; }
"""


class Picture:
    """An SVG picture: shown by notebooks, saved as a file.

    Parameters
    ----------
    svg : str
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        """Its size."""
        return f"Picture({len(self.svg):,} characters of SVG)"

    def save(self, path: str | Path) -> None:
        """Write it as a file.

        Parameters
        ----------
        path : str or Path
            With the ending ``.svg``.

        Raises
        ------
        LabError
            If the ending is another.
        """
        if Path(path).suffix.lower() != ".svg":
            raise LabError(f"{path}: the picture is SVG; give the file the ending .svg")
        Path(path).write_text(self.svg + "\n", encoding="utf-8")


class _Canvas:
    def __init__(self, height: float, title: str) -> None:
        size = {"viewBox": f"0 0 {_WIDTH} {_px(height)}", "width": str(_WIDTH), "height": _px(height)}
        self.svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "class": "p", **size})
        ET.SubElement(self.svg, "title").text = title
        ET.SubElement(self.svg, "style").text = _STYLE
        self.add("rect", "back", width=_WIDTH, height=height)
        self.text(16, 24, title, "title")

    def add(self, tag: str, style: str, hover: str | None = None, **attributes: Any) -> None:
        shown = {name.replace("_", "-"): _px(value) for name, value in attributes.items()}
        element = ET.SubElement(self.svg, tag, {"class": style, **shown})
        if hover is not None:
            ET.SubElement(element, "title").text = hover

    def text(self, x: float, y: float, text: str, style: str = "") -> None:
        ET.SubElement(self.svg, "text", {"class": style, "x": _px(x), "y": _px(y)}).text = text

    def picture(self) -> Picture:
        return Picture(ET.tostring(self.svg, encoding="unicode"))


def _px(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _name(channel: str) -> str:
    """A channel in words; ids of reasons stay as they are."""
    return channel if "." in channel else channel.replace("_", " ")


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


_TOP, _BAR, _GAP, _TALL, _LEFT = 72.0, 14.0, 16.0, 330.0, 205.0


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
    names = list(dict.fromkeys([*(one for one, _, _ in flows), *(other for _, other, _ in flows)]))
    colours = {name: f"var(--c{i % 8})" for i, name in enumerate(sorted(names))}
    counts = [_sums(flows, at) for at in (0, 1)]
    n_bars = max(len(each) for each in counts)
    scale = _TALL / total
    canvas = _Canvas(_TOP + _TALL + _GAP * n_bars + 12, title)
    places = [_places(each, scale) for each in counts]
    x = (_LEFT, _WIDTH - _LEFT - _BAR)
    for at, style in ((0, "quiet end"), (1, "quiet")):
        canvas.text(x[at] + (_BAR if at == 0 else 0), 52, sides[at], style)
    at_left, at_right = dict(places[0]), dict(places[1])
    for one, other, n in flows:
        size, left, right = n * scale, at_left[one], at_right[other]
        begin, end, middle = x[0] + _BAR, x[1], _WIDTH / 2
        path = (
            f"M{_px(begin)},{_px(left)}C{_px(middle)},{_px(left)} {_px(middle)},{_px(right)} {_px(end)},{_px(right)}"
            f"V{_px(right + size)}C{_px(middle)},{_px(right + size)} {_px(middle)},{_px(left + size)} {_px(begin)},{_px(left + size)}Z"
        )
        stays = one == other
        hover = f"{_name(one)} → {_name(other)}: {n:,} ({n / total:.1%})"
        canvas.add("path", "stay" if stays else "go", hover, d=path, fill=colours[one])
        at_left[one], at_right[other] = left + size, right + size
    for at in (0, 1):
        for name, top in places[at].items():
            n = counts[at][name]
            canvas.add(
                "rect",
                "node",
                f"{_name(name)}: {n:,}",
                x=x[at],
                y=top,
                width=_BAR,
                height=max(n * scale, 1.0),
                fill=colours[name],
            )
            y = top + n * scale / 2 + 4
            label = f"{_name(name)} {n:,} ({n / total:.0%})"
            canvas.text(x[at] - 8 if at == 0 else x[at] + _BAR + 8, y, label, "end" if at == 0 else "")
    return canvas.picture()


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
_LONGEST: Final = 34


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
    left, right, top = 250.0, _WIDTH - 90.0, 44.0
    tops, at, last = [], top, rows[0][0]
    for name, _, _ in rows:
        at += 8 if name != last else 0
        tops.append(at)
        at, last = at + _ROW, name
    most = max([cost.high for _, _, cost in rows if cost.high == cost.high] + [1e-9])
    step, end = _nice(most)
    canvas = _Canvas(at + 46 + (20 if note else 0), title)
    for tick in range(round(end / step) + 1):
        x = left + tick * step / end * (right - left)
        canvas.add("line", "grid", x1=x, x2=x, y1=top, y2=at)
        canvas.text(x, at + 18, _short(tick * step), "quiet mid")
    shown = None
    for (name, side, cost), y in zip(rows, tops, strict=True):
        label = _cut(_name(name)) if name != shown else ""
        shown = name
        canvas.text(left - 46 if side else left - 8, y + 14, label, "end")
        canvas.text(left - 8, y + 14, side, "quiet end")
        if cost.likely != cost.likely:
            canvas.text(left + 6, y + 14, "not known", "quiet")
            continue
        ends = [left + value / end * (right - left) for value in cost]
        hover = f"{_name(name)} {side}: {cost.likely:,.0f} ({cost.low:,.0f} to {cost.high:,.0f})"
        canvas.add("rect", side or "new", hover, x=left, y=y + 2, width=max(ends[1] - left, 0.0), height=_ROW - 6)
        canvas.add("line", "whisker", hover, x1=ends[0], x2=ends[2], y1=y + _ROW / 2 - 1, y2=y + _ROW / 2 - 1)
        canvas.text(ends[2] + 6, y + 14, _short(cost.likely), "quiet")
    canvas.text(left, at + 38, "bar: likely; line: low to high", "quiet")
    if note:
        canvas.text(left, at + 56, note, "quiet")
    return canvas.picture()


def _short(value: float) -> str:
    """A number for an axis."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1e4 else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _nice(most: float) -> tuple[float, float]:
    """A round step and end of an axis from 0 that holds ``most`` in at most six steps."""
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * 6 >= most)
    return step, step * math.ceil(most / step - 1e-9)
