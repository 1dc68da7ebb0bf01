"""Pictures that stand alone, as SVG: shown by notebooks, saved as files. Text stays text, the same data are the same bytes.

Colours stand in each element, not in a style sheet, so that slides and documents show them too. They are told apart with any
colour vision (Okabe and Ito), and whatever has a colour has a name besides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from contact_reasons.errors import LabError

__all__ = [
    "CHANNEL_COLOURS",
    "COLOURS",
    "GREY",
    "INK",
    "RULE",
    "Picture",
    "axis_steps",
    "channel_colour",
    "channel_name",
]

INK: Final = "#1f2933"
GREY: Final = "#6b7280"
RULE: Final = "#d9dde3"
_MARGIN: Final = 10
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
CHANNEL_COLOURS: Final = {
    "self_service": "#009e73",
    "message": "#56b4e9",
    "chat": "#0072b2",
    "callback": "#e69f00",
    "human_agent": "#d55e00",
}


def channel_colour(channel: str | None) -> str:
    """The colour of a channel; grey for one of one's own, and for no answer."""
    return CHANNEL_COLOURS.get(str(channel), "#8a919c")


def channel_name(channel: str | None) -> str:
    """A channel as a reader would write it.

    Examples
    --------
    >>> channel_name("self_service")
    'self-service'
    """
    if channel is None:
        return "no answer"
    return "self-service" if channel == "self_service" else str(channel).replace("_", " ")


class Picture:
    """A picture as SVG, with a title that a screen reader reads out.

    Parameters
    ----------
    title : str
    width, height : float
        In pixels, without the margin; it is shown no wider than its place.

    Examples
    --------
    >>> picture = Picture("one dot", 40, 20)
    >>> picture.add("circle", cx=20, cy=10, r=3)
    >>> picture.svg.count("<circle")
    1
    """

    def __init__(self, title: str, width: float, height: float) -> None:
        self.title, self.width, self.height = title, width, height
        whole: dict[str, Any] = {
            "x": -_MARGIN,
            "y": -_MARGIN,
            "width": width + 2 * _MARGIN,
            "height": height + 2 * _MARGIN,
        }
        self._svg = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": " ".join(pixels(value) for value in whole.values()),
                "width": pixels(whole["width"]),
                "height": pixels(whole["height"]),
                "role": "img",
                "aria-label": title,
                "font-family": "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif",
                "style": "max-width:100%;height:auto",
            },
        )
        self.add("rect", **whole, fill="#ffffff")

    def add(self, tag: str, hover: str | None = None, **attributes: Any) -> None:
        """Draw an element.

        Parameters
        ----------
        tag : str
            As in SVG.
        hover : str, optional
            Shown where the pointer rests on it.
        attributes
            As in SVG, with ``_`` for ``-``.
        """
        shown = {name.replace("_", "-"): pixels(value) for name, value in attributes.items() if value is not None}
        element = ET.SubElement(self._svg, tag, shown)
        if hover is not None:
            ET.SubElement(element, "title").text = hover

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: float = 12,
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        """Write a line of text with its base line at ``y``.

        Parameters
        ----------
        x, y : float
        text : str
        anchor : {'start', 'middle', 'end'}
        size : float
        colour : str
        bold : bool
        """
        element = ET.SubElement(
            self._svg,
            "text",
            {"x": pixels(x), "y": pixels(y), "font-size": pixels(size), "fill": colour, "text-anchor": anchor},
        )
        if bold:
            element.set("font-weight", "600")
        element.text = text

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = RULE, width: float = 1) -> None:
        """Draw a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width)

    def path(self, points: Sequence[tuple[float, float]], **attributes: Any) -> None:
        """Draw a line through points; attributes as for `add`."""
        self.add("path", d="M" + "L".join(f"{pixels(x)},{pixels(y)}" for x, y in points), **attributes)

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

    @property
    def svg(self) -> str:
        """The picture as text."""
        return ET.tostring(self._svg, encoding="unicode")

    def __repr__(self) -> str:
        """Its title."""
        return f"Picture({self.title!r})"

    def _repr_svg_(self) -> str:
        return self.svg


def axis_steps(most: float, steps: int = 5) -> list[float]:
    """Round values from 0 that hold ``most``, in about so many steps.

    Parameters
    ----------
    most : float
        At least 0.
    steps : int

    Examples
    --------
    >>> axis_steps(0.37)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    if not most > 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / steps))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * (steps + 1) >= most)
    return [round(at * step, 12) for at in range(math.ceil(most / step - 1e-9) + 1)]


def pixels(value: Any) -> str:
    """A coordinate with at most two decimals, as text; other values as they are written."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
