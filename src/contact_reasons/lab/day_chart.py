"""Curves over the hours of a day, with their ranges, as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError
from contact_reasons.lab.drawing import COLOURS, GREY, INK, RULE, Picture, axis_steps
from contact_reasons.lab.results import Estimate

__all__ = ["Curve", "Panel", "day_chart"]

_LEFT: Final = 56
_RIGHT: Final = 14
_HEAD: Final = 44
_GAP: Final = 34
_DASHES: Final = (None, "7 4", "2 3", "10 3 2 3", "4 2", "1 4")


@dataclass(frozen=True, slots=True)
class Curve:
    """A number interval by interval.

    Parameters
    ----------
    name : str
    values : array-like of float, shape (n,)
        NaN leaves a hole.
    low, high : array-like of float, shape (n,), optional
        The ends of a band.
    steps : bool
        Whether it holds throughout an interval, as agents do, or is drawn through the middles, as waits are.
    """

    name: str
    values: npt.ArrayLike
    low: npt.ArrayLike | None = None
    high: npt.ArrayLike | None = None
    steps: bool = False

    @classmethod
    def of(cls, name: str, estimates: Iterable[Estimate]) -> Self:
        """Estimates of a simulation, with a band of two standard errors either side, about 95 %.

        Parameters
        ----------
        name : str
        estimates : iterable of Estimate
            Of shares, times or numbers, which are at least 0; without standard errors there is no band.
        """
        value, error = np.array([*estimates], dtype=np.float64).reshape(-1, 2).T
        return cls(name, value, np.maximum(value - 2 * error, 0.0), value + 2 * error)


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over one axis.

    Parameters
    ----------
    title : str
        What is shown, and in which unit.
    curves : sequence of Curve
        Six at most.
    most : float, optional
        End of the axis; by default it holds every curve and band.
    percent : bool
        Whether the values are shares.
    height : float
    """

    title: str
    curves: Sequence[Curve]
    most: float | None = None
    percent: bool = False
    height: float = 170


def day_chart(title: str, edges_seconds: Sequence[float], panels: Sequence[Panel], *, width: float = 820) -> Picture:
    """Panels one below the other, over the same hours.

    Parameters
    ----------
    title : str
    edges_seconds : sequence of float, length n + 1
        Of the intervals, rising, in seconds since midnight.
    panels : sequence of Panel
    width : float

    Raises
    ------
    LabError
        If a curve has not one value for each interval, or a panel more than six curves.

    Examples
    --------
    >>> day_chart("Calls", [0, 3600, 7200], [Panel("calls an hour", [Curve("forecast", [3, 5])])])
    Picture('Calls')
    """
    edges = [float(edge) for edge in edges_seconds]
    for panel in panels:
        if len(panel.curves) > len(COLOURS):
            raise LabError(f"panel {panel.title!r} has {len(panel.curves)} curves; show at most {len(COLOURS)} in one")
        for curve in panel.curves:
            for name in ("values", "low", "high"):
                values = getattr(curve, name)
                if values is not None and len(_numbers(values)) != len(edges) - 1:
                    raise LabError(
                        f"curve {curve.name!r}: {name} has {len(_numbers(values))} values for {len(edges) - 1} intervals; give one for each"
                    )
    heights = [panel.height + _HEAD + _GAP for panel in panels]
    picture = Picture(title, width, 28 + sum(heights))
    picture.text(0, 16, title, size=16, bold=True)
    top = 28.0
    for panel, height in zip(panels, heights, strict=True):
        _draw(picture, panel, edges, top + _HEAD, top + _HEAD + panel.height)
        top += height
    return picture


def _draw(picture: Picture, panel: Panel, edges: Sequence[float], top: float, bottom: float) -> None:
    parts = [part for curve in panel.curves for part in (curve.values, curve.high) if part is not None]
    seen = [value for part in parts for value in _numbers(part)]
    ticks = axis_steps(panel.most if panel.most is not None else max([v for v in seen if v == v], default=1.0))
    end = panel.most if panel.most is not None else ticks[-1]
    right = picture.width - _RIGHT

    def x(seconds: float) -> float:
        return _LEFT + (seconds - edges[0]) / (edges[-1] - edges[0]) * (right - _LEFT)

    def y(value: float) -> float:
        return bottom - min(max(value, 0.0), end) / end * (bottom - top)

    picture.text(0, top - 24, panel.title, bold=True)
    for tick in ticks:
        if tick <= end:
            picture.line(_LEFT, y(tick), right, y(tick))
            shown = f"{tick:.0%}" if panel.percent else f"{tick:,.{0 if tick == int(tick) else 1}f}"
            picture.text(_LEFT - 6, y(tick) + 4, shown, anchor="end", size=10, colour=GREY)
    picture.line(_LEFT, bottom, right, bottom, INK)
    for hour in _hours(edges):
        picture.line(x(hour), bottom, x(hour), bottom + 4, INK)
        shown = f"{int(hour) // 3600:02d}:{int(hour) % 3600 // 60:02d}"
        picture.text(x(hour), bottom + 16, shown, anchor="middle", size=10, colour=GREY)
    for curve, colour in zip(panel.curves, COLOURS, strict=False):
        if curve.low is not None and curve.high is not None:
            for piece in _pieces(curve, edges, curve.low, curve.high):
                band = [(x(s), y(v)) for s, v, _ in piece] + [(x(s), y(v)) for s, _, v in reversed(piece)]
                picture.path(band, fill=colour, fill_opacity=0.18, stroke="none")
    at = float(_LEFT)
    for curve, colour, dash in zip(panel.curves, COLOURS, _DASHES, strict=False):
        style: dict[str, Any] = {"fill": "none", "stroke": colour, "stroke_width": 2, "stroke_dasharray": dash}
        for piece in _pieces(curve, edges, curve.values, curve.values):
            picture.path([(x(s), y(v)) for s, v, _ in piece], stroke_linejoin="round", **style)
        picture.add("line", x1=at, x2=at + 24, y1=top - 10, y2=top - 10, **style)
        picture.text(at + 30, top - 6, curve.name, size=11)
        at += 30 + 6.0 * len(curve.name) + 22
    picture.line(_LEFT, top, _LEFT, bottom, RULE)


def _numbers(values: npt.ArrayLike) -> list[float]:
    return np.asarray(values, dtype=np.float64).ravel().tolist()


def _hours(edges: Sequence[float]) -> list[float]:
    """Round moments for the axis: at most sixteen."""
    step = next(step for step in (900, 1800, 3600, 7200, 10800, 21600, 86400) if (edges[-1] - edges[0]) / step <= 16)
    first = -(-edges[0] // step) * step
    return [first + at * step for at in range(int((edges[-1] - first) // step) + 1)]


def _pieces(
    curve: Curve, edges: Sequence[float], low: npt.ArrayLike, high: npt.ArrayLike
) -> list[list[tuple[float, float, float]]]:
    """Stretches without a hole: moment, lower and upper value."""
    pieces: list[list[tuple[float, float, float]]] = [[]]
    for begin, end, down, up in zip(edges, edges[1:], _numbers(low), _numbers(high), strict=False):
        if down != down or up != up:
            pieces.append([])
        elif curve.steps:
            pieces[-1] += [(begin, down, up), (end, down, up)]
        else:
            pieces[-1].append(((begin + end) / 2, down, up))
    return [piece for piece in pieces if len(piece) > 1]
