"""What hangs on each rule of a policy, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from contact_reasons.lab.drawing import (
    GREY,
    INK,
    RULE,
    Picture,
    axis_steps,
    channel_colour,
    channel_name,
)
from contact_reasons.routing import RuleRisk

__all__ = ["rule_risk_chart"]

_ROW: Final = 19
_TOP: Final = 92
_NAMES: Final = 176
_BARS: Final = 150
_ORDER: Final = 46
_DOT: Final = 17


def rule_risk_chart(
    risks: Sequence[RuleRisk],
    ticket_shares: Mapping[str, float] | None = None,
    *,
    title: str = "What hangs on each rule",
) -> Picture:
    """A row a rule: how much it decides, where its order matters, which promises would break without it.

    Parameters
    ----------
    risks : sequence of RuleRisk
        ``policy.analyse().rule_risks``.
    ticket_shares : mapping of str to float, optional
        By rule id, the share of tickets that it decided; such as of ``policy.route_many(tickets).rule_id``.
    title : str

    Returns
    -------
    Picture
        Shares of combinations are left out where the step budget ran out.
    """
    promises = list(dict.fromkeys(name for risk in risks for name in risk.promises))
    groups = [("share of combinations", {risk.rule_id: float(risk.share) for risk in risks if risk.share is not None})]
    if ticket_shares is not None:
        groups.insert(0, ("share of tickets", dict(ticket_shares)))
    order_at = _NAMES + len(groups) * (_BARS + 44)
    dots_at = order_at + 2 * _ORDER + 34
    bottom = _TOP + _ROW * len(risks)
    height = bottom + 34 + 17 * (len(promises) + 1)
    picture = Picture(title, max(dots_at + _DOT * (len(promises) + 1) + 30, 700), height)
    picture.text(0, 18, title, size=16, bold=True)
    _legend(picture, [risk.channel for risk in risks])
    for at, _ in enumerate(risks):
        if at % 2:
            picture.add("rect", x=0, y=_TOP + _ROW * at, width=picture.width, height=_ROW, fill="#f5f6f8")
    for at, risk in enumerate(risks):
        picture.text(_NAMES - 8, _TOP + _ROW * at + 14, risk.rule_id, anchor="end")
    for k, (name, shares) in enumerate(groups):
        _bars(picture, _NAMES + k * (_BARS + 44), name, risks, shares, bottom)
    _orders(picture, order_at + _ORDER, risks, bottom)
    _dots(picture, dots_at, risks, promises, bottom)
    return picture


def _legend(picture: Picture, channels: Sequence[str]) -> None:
    x = 0.0
    for channel in dict.fromkeys(channels):
        picture.add("rect", x=x, y=32, width=12, height=12, rx=2, fill=channel_colour(channel))
        name = channel_name(channel)
        picture.text(x + 17, 42, name)
        x += 17 + 6.6 * len(name) + 18


def _bars(
    picture: Picture, left: float, name: str, risks: Sequence[RuleRisk], shares: Mapping[str, float], bottom: float
) -> None:
    ticks = axis_steps(max([*shares.values(), 0.01]), 3)
    scale = _BARS / ticks[-1]
    picture.text(left, _TOP - 26, name, bold=True)
    for tick in ticks:
        picture.line(left + tick * scale, _TOP, left + tick * scale, bottom)
        picture.text(left + tick * scale, _TOP - 6, f"{tick:.0%}", anchor="middle", size=10, colour=GREY)
    for at, risk in enumerate(risks):
        if risk.rule_id not in shares:
            continue
        share, y = shares[risk.rule_id], _TOP + _ROW * at
        hover = f"{risk.rule_id} ({channel_name(risk.channel)}): {share:.2%}, {name}"
        width = max(share * scale, 1.0)
        picture.add("rect", hover, x=left, y=y + 4, width=width, height=_ROW - 8, fill=channel_colour(risk.channel))
        picture.text(left + width + 4, y + 14, f"{share:.1%}" if share >= 0.0005 or not share else "<0.1%", size=10)


def _orders(picture: Picture, middle: float, risks: Sequence[RuleRisk], bottom: float) -> None:
    most = max([1, *(len(side) for risk in risks for side in (risk.comes_after, risk.goes_before))])
    picture.text(middle, _TOP - 26, "order decides", anchor="middle", bold=True)
    picture.text(middle - 4, _TOP - 6, "after", anchor="end", size=10, colour=GREY)
    picture.text(middle + 4, _TOP - 6, "before", size=10, colour=GREY)
    for at, risk in enumerate(risks):
        y = _TOP + _ROW * at
        for sign, anchor, others, word in (
            (-1, "end", risk.comes_after, "after"),
            (1, "start", risk.goes_before, "before"),
        ):
            width = (_ORDER - 18) * len(others) / most
            hover = f"{risk.rule_id} must stay {word} {', '.join(others) or 'none'}"
            x = middle - width if sign < 0 else middle
            picture.add("rect", hover, x=x, y=y + 5, width=width, height=_ROW - 10, fill="#9aa3af")
            if others:
                picture.text(middle + sign * (width + 3), y + 14, str(len(others)), anchor=anchor, size=10)
    picture.line(middle, _TOP, middle, bottom, INK)


def _dots(picture: Picture, left: float, risks: Sequence[RuleRisk], promises: Sequence[str], bottom: float) -> None:
    picture.text(left - 8, _TOP - 26, "without it", bold=True)
    marks = [*(str(k + 1) for k in range(len(promises))), "gap"]
    for k, mark in enumerate(marks):
        x = left + _DOT * k + (6 if mark == "gap" else 0)
        picture.text(x, _TOP - 6, mark, anchor="middle", size=10, colour=GREY)
        picture.line(x, _TOP, x, bottom, RULE)
        for at, risk in enumerate(risks):
            y = _TOP + _ROW * at + _ROW / 2
            if mark == "gap":
                if risk.leaves_gaps:
                    hover = f"without {risk.rule_id} some contacts have no rule"
                    picture.add("rect", hover, x=x - 5, y=y - 5, width=10, height=10, fill=INK)
            elif promises[k] in risk.promises:
                hover = f"without {risk.rule_id} this promise is broken: {promises[k]}"
                picture.add("circle", hover, cx=x, cy=y, r=5, fill=INK)
    y = bottom + 24
    picture.text(
        0,
        y,
        "order decides: so many rules with another outcome take contacts from it, or lose contacts to it.",
        size=11,
    )
    for k, name in enumerate(promises):
        picture.text(0, y + 17 * (k + 1), f"{k + 1}  broken without the rule: {name}", size=11)
