"""Charts as inline SVG: colours come from the page, so that they follow light, dark and print; text stays text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

__all__ = ["histogram_chart", "outcome_bar", "recall_bar", "reliability_chart", "risk_coverage_chart"]

WIDTH: Final = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 30, 44


class _Plot:
    """A plot area with linear axes; data go in, pixels come out."""

    def __init__(self, name: str, title: str, height: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.svg = ET.Element(
            "svg",
            {"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "aria-labelledby": f"{name}-title", "class": "chart"},
        )
        ET.SubElement(self.svg, "title", {"id": f"{name}-title"}).text = title
        self.height, self.range_x, self.range_y = height, x, y
        self.right, self.bottom = WIDTH - _RIGHT, height - _BOTTOM

    def x(self, value: float) -> float:
        low, high = self.range_x
        return _LEFT + (value - low) / (high - low) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        low, high = self.range_y
        return self.bottom - (value - low) / (high - low) * (self.bottom - _TOP)

    def add(self, tag: str, style: str, hover: str | None = None, **attributes: Any) -> ET.Element:
        shown = {name.replace("_", "-"): _px(value) for name, value in attributes.items()}
        element = ET.SubElement(self.svg, tag, {"class": style, **shown})
        if hover is not None:
            ET.SubElement(element, "title").text = hover
        return element

    def text(self, x: float, y: float, text: str, anchor: str = "middle", style: str = "tick", **more: Any) -> None:
        self.add("text", style, x=x, y=y, text_anchor=anchor, **more).text = text

    def axes(self, x_label: str, y_label: str, x_ticks: Sequence[float], y_ticks: Sequence[tuple[float, str]]) -> None:
        for value, shown in y_ticks:
            self.add("line", "grid", x1=_LEFT, x2=self.right, y1=self.y(value), y2=self.y(value))
            self.text(_LEFT - 6, self.y(value) + 4, shown, "end")
        self.add("line", "axis", x1=_LEFT, x2=self.right, y1=self.bottom, y2=self.bottom)
        for value in x_ticks:
            self.add("line", "axis", x1=self.x(value), x2=self.x(value), y1=self.bottom, y2=self.bottom + 4)
            self.text(self.x(value), self.bottom + 18, f"{value:.0%}")
        self.text((_LEFT + self.right) / 2, self.height - 6, x_label, style="name")
        self.text(0, 13, y_label, "start", "name")

    def __str__(self) -> str:
        return ET.tostring(self.svg, encoding="unicode")


def _px(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value < 10_000 else f"{value / 1000:,.0f}k"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_px(x)},{_px(y)}" for x, y in points)


_TENTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_SHARES: Final = tuple((value, f"{value:.0%}") for value in _TENTHS)


def outcome_bar(outcomes: Mapping[str, int], names: Mapping[str, str]) -> str:
    """One bar of all texts, a piece for each outcome, in the order of ``names``.

    Parameters
    ----------
    outcomes : mapping of str to int
    names : mapping of str to str
        What to call each.
    """
    total, width, at = sum(outcomes.values()), 1000.0, 0.0
    svg = ET.Element(
        "svg", {"viewBox": "0 0 1000 40", "preserveAspectRatio": "none", "role": "img", "class": "outcomes"}
    )
    shown = ", ".join(f"{name}: {outcomes[key]:,}" for key, name in names.items())
    ET.SubElement(svg, "title").text = f"What happened to the {total:,} texts. {shown}"
    for key, name in names.items():
        size = width * outcomes[key] / total
        if size:
            piece = {"x": _px(at), "y": "0", "width": _px(size), "height": "40", "class": f"fill-{key}"}
            ET.SubElement(ET.SubElement(svg, "rect", piece), "title").text = f"{name}: {outcomes[key]:,}"
        at += size
    return ET.tostring(svg, encoding="unicode")


def risk_coverage_chart(levels: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Risk against coverage of both levels, and the point at which the thresholds of the model work.

    Parameters
    ----------
    levels : mapping
        By level, with ``curve``.
    now : mapping
        With ``coverage`` and ``selective_risk``.
    """
    seen = [
        point["risk_high" if name == "secondary" else "risk"]
        for name in levels
        for point in levels[name]["curve"]
        if point["coverage"] >= 0.1
    ]
    step, most = _nice(max([*seen, 0.01]))
    plot = _Plot("risk", "Share of wrong labels against share labelled, by level", 320, (0, 1), (0, most))
    ticks = [(at * step, f"{at * step:.{0 if step >= 0.01 else 1}%}") for at in range(round(most / step) + 1)]
    plot.axes("labelled, of all texts", "wrong, of the labelled", _TENTHS, ticks)

    def pixels(points: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
        return [(plot.x(point["coverage"]), plot.y(min(point[key], most))) for point in points]

    for name in levels:
        points = levels[name]["curve"]
        if name == "secondary":
            band = pixels(points, "risk_high") + pixels(points, "risk_low")[::-1]
            plot.add("path", "band", d=_path(band) + "Z")
        plot.add("path", f"line {name}", d=_path(pixels(points, "risk")))
    for name in levels:
        for point in _spread(levels[name]["curve"]):
            hover = f"{name}: {point['coverage']:.0%} labelled, {point['risk']:.1%} of these wrong, from confidence {point['confidence']:.2f}"
            plot.add("circle", "hover", hover, cx=plot.x(point["coverage"]), cy=plot.y(min(point["risk"], most)), r=7)
    if now["selective_risk"]["total"]:
        x, y = now["coverage"]["share"], min(now["selective_risk"]["share"], most)
        hover = (
            f"as the thresholds of the model are: {x:.1%} labelled, {now['selective_risk']['share']:.1%} of these wrong"
        )
        plot.add("circle", "now", hover, cx=plot.x(x), cy=plot.y(y), r=6)
    return str(plot)


def _spread(points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """About every twentieth of the coverage one point."""
    return [
        point
        for at, point in enumerate(points)
        if at == 0 or int(point["coverage"] * 20) > int(points[at - 1]["coverage"] * 20)
    ]


def _nice(most: float) -> tuple[float, float]:
    """A round step and end of an axis from 0 that holds ``most`` in at most six steps."""
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * 6 >= most)
    return step, step * math.ceil(most / step - 1e-9)


def reliability_chart(name: str, bins: Sequence[Mapping[str, Any]]) -> str:
    """Share of right answers against confidence, with 95 % intervals; larger points stand for more texts.

    Parameters
    ----------
    name : str
        The level.
    bins : sequence of mapping
    """
    plot = _Plot(f"reliability-{name}", f"Right answers against confidence, {name} reasons", 400, (0, 1), (0, 1))
    plot.axes("confidence", "right", _TENTHS, _SHARES)
    plot.add("line", "ideal", x1=plot.x(0), y1=plot.y(0), x2=plot.x(1), y2=plot.y(1))
    total = sum(one["total"] for one in bins)
    for one in bins:
        x = plot.x(one["mean_confidence"])
        hover = (
            f"confidence {one['from']:.2f} to {one['to']:.2f}, {one['mean_confidence']:.1%} on average: "
            f"{one['share']:.1%} right ({one['low']:.1%} to {one['high']:.1%}; {one['hits']:,} of {one['total']:,})"
        )
        plot.add("line", f"whisker {name}", hover, x1=x, x2=x, y1=plot.y(one["low"]), y2=plot.y(one["high"]))
        radius = 3 + 9 * math.sqrt(one["total"] / total)
        plot.add("circle", f"dot {name}", hover, cx=x, cy=plot.y(one["share"]), r=radius)
    return str(plot)


def histogram_chart(histogram: Mapping[str, Any], thresholds: Mapping[str, float | None]) -> str:
    """How many texts have which confidence, and how their most probable reasons fared.

    Parameters
    ----------
    histogram : mapping
    thresholds : mapping
        Of the secondary level, drawn as a line.
    """
    groups = ("right", "wrong", "out_of_scope")
    names = {"right": "right", "wrong": "wrong", "out_of_scope": "without a reason"}
    totals = [sum(values) for values in zip(*(histogram[group] for group in groups), strict=True)]
    step, most = _nice(max([*totals, 5]))
    step = max(step, 1)
    plot = _Plot("histogram", "Number of texts by confidence in the most probable secondary", 300, (0, 1), (0, most))
    ticks = [(at * step, _count(at * step)) for at in range(int(most / step) + 1)]
    plot.axes("confidence in the most probable secondary", "texts", _TENTHS, ticks)
    edges = histogram["edges"]
    for at in range(len(edges) - 1):
        base = 0
        for group in groups:
            count = histogram[group][at]
            if count:
                left, right = plot.x(edges[at]) + 1, plot.x(edges[at + 1]) - 1
                hover = f"confidence {edges[at]:.2f} to {edges[at + 1]:.2f}: {count:,} {names[group]}"
                top, bottom = plot.y(base + count), plot.y(base)
                plot.add("rect", f"fill-{group}", hover, x=left, y=top, width=right - left, height=bottom - top)
            base += count
    threshold = thresholds["secondary"]
    if threshold is not None:
        x = plot.x(threshold)
        plot.add(
            "line", "threshold", f"a secondary is reported from {threshold:.3f} on", x1=x, x2=x, y1=_TOP, y2=plot.bottom
        )
        right = threshold < 0.6
        plot.text(x + (5 if right else -5), _TOP + 11, f"threshold {threshold:.2f}", "start" if right else "end")
    return str(plot)


def recall_bar(share: float, low: float, high: float) -> str:
    """A share and its interval on a line from 0 to 1, small enough for a cell of a table."""
    svg = ET.Element("svg", {"viewBox": "0 0 104 12", "class": "spark", "aria-hidden": "true"})
    for style, left, right in (("rail", 0.0, 1.0), ("reach", low, high)):
        ends = {"x1": _px(2 + 100 * left), "x2": _px(2 + 100 * right), "y1": "6", "y2": "6"}
        ET.SubElement(svg, "line", {"class": style, **ends})
    ET.SubElement(svg, "circle", {"class": "dot secondary", "cx": _px(2 + 100 * share), "cy": "6", "r": "3"})
    return ET.tostring(svg, encoding="unicode")
