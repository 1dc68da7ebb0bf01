"""Pictures of the lab hold what they show, are well-formed and the same each time."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.errors import LabError
from contact_reasons.lab import Estimate
from contact_reasons.lab.case import BusinessCase
from contact_reasons.lab.case_chart import case_chart
from contact_reasons.lab.day_chart import Curve, Panel, day_chart
from contact_reasons.lab.drawing import Picture, axis_steps, channel_colour
from contact_reasons.lab.prices import Range
from contact_reasons.lab.rule_chart import rule_risk_chart
from contact_reasons.records import Channel

SVG = "{http://www.w3.org/2000/svg}"
HOURS = [8 * 3600.0, 9 * 3600.0, 10 * 3600.0, 11 * 3600.0]


def elements(picture: Picture, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(picture.svg).iter(SVG + tag))


def words(picture: Picture) -> str:
    return " | ".join(element.text or "" for element in elements(picture, "text"))


def test_a_picture_is_saved_as_it_is_shown_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    picture = Picture('a "title" & <more>', 30.0, 20)
    picture.text(1, 2, "x < y & z")
    picture.add("circle", "a & b", cx=1.23456, cy=2, r=3, fill=None)
    assert words(picture) == "x < y & z"
    (circle,) = elements(picture, "circle")
    assert (circle.attrib, circle[0].text) == ({"cx": "1.23", "cy": "2", "r": "3"}, "a & b")
    assert ET.fromstring(picture.svg).get("aria-label") == 'a "title" & <more>'
    picture.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == picture._repr_svg_() + "\n"
    with pytest.raises(LabError, match=r"give the file the ending \.svg"):
        picture.save(tmp_path / "a.png")


def test_a_picture_needs_no_style_sheet_script_or_file() -> None:
    picture = day_chart("t", HOURS, [Panel("p", [Curve("c", [1, 2, 3], [0, 1, 2], [2, 3, 4])])])
    assert not re.search(r"<style|<script|class=|href|var\(", picture.svg)


def test_each_channel_has_a_colour_of_its_own() -> None:
    colours = {channel_colour(channel) for channel in Channel}
    assert len(colours) == len(Channel)
    assert channel_colour("branch") == channel_colour(None)
    assert channel_colour(None) not in colours


@given(most=st.floats(1e-6, 1e9), steps=st.integers(2, 8))
def test_the_steps_of_an_axis_hold_the_greatest_value_and_are_few(most: float, steps: int) -> None:
    ticks = axis_steps(most, steps)
    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-6)
    assert len(ticks) <= steps + 3
    assert len(ticks) < 3 or ticks[-2] < most
    widths = np.diff(ticks)
    assert np.allclose(widths, widths[0])


def test_an_axis_of_nothing_goes_from_nought_to_one() -> None:
    assert axis_steps(0.0) == axis_steps(math.nan) == [0.0, 1.0]


# ------------------------------------------------------------------------------------------------------ a day


def points(element: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", element.get("d") or "")]


def test_a_curve_goes_through_the_middles_of_its_intervals_and_steps_through_their_ends() -> None:
    chart = day_chart("t", HOURS, [Panel("p", [Curve("a", [0, 1, 2]), Curve("b", [0, 1, 2], steps=True)], height=100)])
    line, steps = (points(path) for path in elements(chart, "path"))
    assert len(line) == 3
    assert len(steps) == 6
    assert [y for _, y in line] == [y for _, y in steps[::2]] == [y for _, y in steps[1::2]]
    assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
    assert line[1][0] == pytest.approx((steps[2][0] + steps[3][0]) / 2, abs=0.02)
    assert line[0][1] - line[2][1] == pytest.approx(100, abs=0.02)


def test_a_missing_value_leaves_a_hole_and_hours_are_on_the_axis() -> None:
    edges = [8 * 3600.0 + 1800 * at for at in range(6)]
    chart = day_chart("t", edges, [Panel("p", [Curve("a", [1, 2, math.nan, 3, 1])])])
    assert [len(points(path)) for path in elements(chart, "path")] == [2, 2]
    assert all(hour in words(chart) for hour in ("08:00", "08:30", "10:30"))


def test_estimates_become_a_band_of_two_standard_errors_not_below_nought() -> None:
    curve = Curve.of("wait", [Estimate(10.0, 2.0), Estimate(1.0, 3.0), Estimate(math.nan, math.nan)])
    assert np.array_equal(curve.values, [10.0, 1.0, math.nan], equal_nan=True)  # type: ignore[arg-type]
    assert np.asarray(curve.low)[:2].tolist() == [6.0, 0.0]
    assert np.asarray(curve.high)[:2].tolist() == [14.0, 7.0]
    chart = day_chart("t", HOURS, [Panel("p", [curve], percent=False)])
    assert len(elements(chart, "path")) == 2


def test_an_axis_that_was_cut_cuts_the_curves_and_shares_are_per_cent() -> None:
    chart = day_chart("t", HOURS, [Panel("p", [Curve("a", [0.5, 1.0, 9.0])], most=1.0, percent=True, height=100)])
    (path,) = elements(chart, "path")
    heights = [y for _, y in points(path)]
    assert heights[1] == heights[2]
    assert "100%" in words(chart)
    assert "900%" not in words(chart)


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([Curve("a", [1, 2])], "'a': values has 2 values for 3 intervals"),
        ([Curve("a", [1, 2, 3], [1], [1, 2, 3])], "'a': low has 1 values for 3 intervals"),
        ([Curve(str(at), [1, 2, 3]) for at in range(7)], "'p' has 7 curves; show at most 6"),
    ],
)
def test_a_day_that_cannot_be_drawn_is_refused(curves: list[Curve], message: str) -> None:
    with pytest.raises(LabError, match=re.escape(message)):
        day_chart("t", HOURS, [Panel("p", curves)])


# ------------------------------------------------------------------------------------------------ rules, cases


def small_policy() -> cr.RoutingPolicy:
    content: dict[str, Any] = {
        "router": "small",
        "version": "1",
        "inputs": {"open": {"type": "bool"}, "vulnerable": {"type": "bool"}},
        "never": [{"name": "care", "when": {"vulnerable": True}, "channel": ["message"]}],
        "rules": [
            {"id": "care", "when": {"vulnerable": True}, "then": {"channel": "callback", "priority": 1}},
            {"id": "now", "when": {"open": True}, "then": {"channel": "chat", "priority": 5}},
            {"id": "rest", "when": {}, "then": {"channel": "message", "priority": 8}},
        ],
    }
    return cr.RoutingPolicy.from_dict(content)


def test_the_picture_of_rules_says_shares_order_promises_and_gaps() -> None:
    risks = small_policy().analyse().rule_risks
    chart = rule_risk_chart(risks, {"care": 0.1, "now": 0.7, "rest": 0.2})
    shown = words(chart)
    for text in ("care", "now", "rest", "50.0%", "25.0%", "70.0%", "1  broken without the rule: care"):
        assert text in shown
    hovers = [element.text or "" for element in elements(chart, "title")]
    assert "without care this promise is broken: care" in hovers
    assert "without rest some contacts have no rule" in hovers
    assert sum("this promise is broken" in hover for hover in hovers) == 1
    assert "care must stay before now, rest" in hovers
    assert "share of tickets" not in words(rule_risk_chart(risks))


def test_a_case_that_pays_and_one_that_does_not_differ_in_shape_as_well_as_in_colour() -> None:
    def case(what: str, likely: float) -> BusinessCase:
        saving = Range(likely - 500, likely, likely + 500)
        return BusinessCase(
            what=what, tickets_a_year=10, cost_a_year=Range(1, 2, 3), saving_a_year=saving, one_off=100, running_a_year=0,
            years=1, break_even=0.1, likely_share=0.2, currency="EUR", then=None, notice="example",
        )  # fmt: skip

    chart = case_chart([case("good", 1000), case("bad", -200)])
    assert len(elements(chart, "circle")) == 1
    assert len(elements(chart, "rect")) == 2  # the ground, and the square
    assert "1,000, paid back in 1.2 months" in words(chart)
    assert "-200, never pays back" in words(chart)
    assert words(chart).count("example") == 1
    long = case_chart([case("a reason with a long name " * 9, 1000)])
    assert words(long).count("…") == 1
    assert "a reason with a long name " * 9 in str([element.text for element in elements(long, "title")])
    with pytest.raises(LabError, match="no cases to show"):
        case_chart([])
