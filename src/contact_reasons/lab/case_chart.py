"""Business cases side by side, with their ranges, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from contact_reasons.errors import LabError
from contact_reasons.lab.case import BusinessCase
from contact_reasons.lab.drawing import COLOURS, GREY, INK, Picture
from contact_reasons.lab.wording import money

__all__ = ["case_chart"]

_ROW: Final = 46
_TOP: Final = 40
_WIDTH: Final = 820
_RIGHT: Final = 20
_LETTER: Final = 6.6
"""Pixels, on average."""


def case_chart(cases: Sequence[BusinessCase], *, title: str = "Net saving a year") -> Picture:
    """A row a case: the likely net saving a year, and a line from the low to the high one; left of zero it loses.

    Parameters
    ----------
    cases : sequence of BusinessCase
    title : str

    Raises
    ------
    LabError
        If there is none.
    """
    if not cases:
        raise LabError("there are no cases to show; give at least one")
    ends = [value for case in cases for value in case.net_a_year]
    step = _step(max(*ends, 0.0) - min(*ends, 0.0))
    low, high = step * math.floor(min(*ends, 0.0) / step), step * math.ceil(max(*ends, 0.0) / step)
    notices = list(dict.fromkeys(case.notice for case in cases if case.notice))
    bottom = _TOP + _ROW * len(cases)
    picture = Picture(title, _WIDTH, bottom + 44 + 18 * len(notices))
    picture.text(0, 16, title, size=16, bold=True)

    def x(value: float) -> float:
        return 30 + (value - low) / (high - low) * (_WIDTH - 30 - _RIGHT)

    for at in range(round((high - low) / step) + 1):
        value = low + at * step
        for row in range(len(cases)):
            picture.line(x(value), _TOP + _ROW * row + 20, x(value), _TOP + _ROW * (row + 1))
        picture.text(x(value), bottom + 16, f"{value:,.0f}", anchor="middle", size=10, colour=GREY)
    for row in range(len(cases)):
        picture.line(x(0.0), _TOP + _ROW * row + 20, x(0.0), _TOP + _ROW * (row + 1), INK, 1.5)
    for at, case in enumerate(cases):
        net, y = case.net_a_year, _TOP + _ROW * at
        pays = net.likely > 0
        colour = COLOURS[2] if pays else COLOURS[1]
        months = case.months_to_pay_back[1]
        back = "never pays back" if months is None else f"paid back in {months:.1f} months"
        said = f"{money(net.likely)}, {back}"
        most = int((_WIDTH - 30 - _LETTER * len(said)) / _LETTER) - 2
        picture.text(30, y + 16, case.what if len(case.what) <= most else case.what[: most - 1] + "…")
        hover = f"{case.what}: {money(net.likely)} ({money(net.low)} to {money(net.high)})"
        picture.add("line", hover, x1=x(net.low), x2=x(net.high), y1=y + 31, y2=y + 31, stroke=colour, stroke_width=3)
        if pays:
            picture.add("circle", hover, cx=x(net.likely), cy=y + 31, r=6, fill=colour)
        else:
            picture.add("rect", hover, x=x(net.likely) - 5, y=y + 26, width=10, height=10, fill=colour)
        picture.text(_WIDTH, y + 16, said, anchor="end", colour=GREY)
    picture.text(30, bottom + 36, "circle: pays at likely figures; square: does not; line: low to high", size=11)
    for at, notice in enumerate(notices):
        picture.text(30, bottom + 36 + 18 * (at + 1), notice, size=11)
    return picture


def _step(span: float) -> float:
    """A round step of an axis of about six."""
    power = 10.0 ** math.floor(math.log10(max(span, 1.0) / 6))
    return next(power * times for times in (1, 2, 5, 10) if power * times * 7 >= span)
