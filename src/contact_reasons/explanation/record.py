"""`Explanation`: the words and phrases of a text that counted for and against its reason, as data and as a piece of HTML.

The HTML is for notebooks and pages: escaped, no script, nothing loaded from elsewhere. For and against are told apart by colour (blue and orange of
Okabe and Ito's palette, which colour-blind people tell apart) and by the line under the word (solid, dotted). Colours are translucent and text keeps
the page's own colour, so that dark pages work too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from contact_reasons.records import ReasonLabel

__all__ = ["METHOD", "OUT_OF_SCOPE", "Explanation", "PhraseShare", "WordShare"]

OUT_OF_SCOPE: Final = "(out of scope)"
"""Stands among reasons for "no reason of the taxonomy"; no reason can have this id."""

METHOD: Final = (
    "Contributions are parts of the log-odds of the reason against its rivals; words and rest add up to them. "
    "Linear heads: tf-idf weight times model weight, exact; runs of characters count for their word, a pair of words half for each. "
    "Hidden layer: integrated gradients from no input, in closed form. "
    "Held fixed: the scale of the features, the numbers of words and tokens, and the shares of the rivals among themselves. "
    "The log-odds are those before the calibration of the best reason's probability."
)
"""How contributions are made, in a few sentences."""

_FOR, _AGAINST = "86,180,233", "230,159,0"
_DEEPEST, _FAINTEST = 0.6, 0.08
_PHRASES, _LEAST_PHRASE = 3, 0.1
_FAINT: Final = "opacity:.75"


@dataclass(frozen=True, slots=True)
class WordShare:
    """A word of a clean text and what it adds to the log-odds of the reason.

    Parameters
    ----------
    start, stop : int
        Its place: ``text[start:stop]``.
    word : str
    contribution : float
        Above 0 it counts for the reason, below against it. Half of what its pairs add is included.
    """

    start: int
    stop: int
    word: str = field(repr=False)
    contribution: float


@dataclass(frozen=True, slots=True)
class PhraseShare:
    """Two neighbouring words and what they add as a pair, which the words have already, half each.

    Parameters
    ----------
    start, stop : int
        Its place: ``text[start:stop]``.
    phrase : str
    contribution : float
    """

    start: int
    stop: int
    phrase: str = field(repr=False)
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a text has its label.

    ``linear + hidden + rest`` is ``margin``, and the contributions of the words add up to ``linear + hidden``, up to rounding.
    The text and its words are kept out of ``repr``.

    Parameters
    ----------
    label : ReasonLabel
    text : str
        The clean text; of a conversation, the turns that were read, each once.
    known : bool
        Whether the model knows anything in the text. If not, nothing counted: there are no words, and all numbers are 0.
    reason : str or None
        What is explained: the reported secondary or primary; where none is reported, whatever is most probable, a secondary or
        `OUT_OF_SCOPE`. None if not known.
    against : str or None
        The one rival that was asked for; None: all others, each by its probability.
    runner_up : str or None
        The most probable other reason at the level of ``reason``, or `OUT_OF_SCOPE`. None if there is none.
    probability, runner_up_probability : float
        In [0, 1].
    threshold : float or None
        Least confidence for a reason of that level to be reported; None if the level is never reported.
    margin : float
        Natural log-odds of ``reason`` against its rivals, before the calibration of the best reason's probability (`CalibrationMap`).
    linear, hidden, rest : float
        Parts of the margin: through the linear heads, through the hidden layer, and what no word adds (intercepts; how the
        probability is spread among several reasons on one side).
    words : tuple of WordShare
        All words, in order.
    phrases : tuple of PhraseShare
        Pairs of neighbouring words that add something of their own, in order.
    names : mapping of str to str
        Labels of the reasons that are mentioned.
    method : str
    """

    label: ReasonLabel
    text: str = field(repr=False)
    known: bool
    reason: str | None
    against: str | None
    runner_up: str | None
    probability: float
    runner_up_probability: float
    threshold: float | None
    margin: float
    linear: float
    hidden: float
    rest: float
    words: tuple[WordShare, ...] = field(repr=False)
    phrases: tuple[PhraseShare, ...] = field(repr=False)
    names: Mapping[str, str] = field(repr=False)
    method: str = field(default=METHOD, repr=False)

    def strongest(self, n: int = 3) -> tuple[WordShare, ...]:
        """The n words that count most for the reason, strongest first; of equals the first in the text. Fewer, if fewer count for it."""
        for_it = [word for word in self.words if word.contribution > 0]
        return tuple(sorted(for_it, key=lambda word: -word.contribution)[:n])

    def name(self, reason: str) -> str:
        """The label of a reason that the explanation mentions."""
        name: str = self.names.get(reason, reason)
        return name

    def to_dict(self, *, include_text: bool = True) -> dict[str, Any]:
        """The explanation as plain data for JSON.

        Parameters
        ----------
        include_text : bool, default=True
            False leaves out everything the customer wrote: the text, words and phrases; places and contributions stay.
        """
        data: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "known",
                "reason",
                "against",
                "runner_up",
                "probability",
                "runner_up_probability",
                "threshold",
                "margin",
                "linear",
                "hidden",
                "rest",
            )
        }
        data["level"] = self.label.level
        data["confidence"] = self.label.confidence
        data["ranked"] = [
            {"reason": each.reason, "label": self.name(each.reason), "probability": each.probability}
            for each in self.label.ranked
        ]
        data["text"] = self.text if include_text else None
        data["words"] = [_place(share, "word", share.word if include_text else None) for share in self.words]
        data["phrases"] = [_place(share, "phrase", share.phrase if include_text else None) for share in self.phrases]
        data["method"] = self.method
        return data

    def to_json(self, *, include_text: bool = True) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(include_text=include_text), ensure_ascii=False)

    def _repr_html_(self) -> str:
        return _html(self)


def _place(share: WordShare | PhraseShare, kind: str, text: str | None) -> dict[str, Any]:
    place: dict[str, Any] = {"start": share.start, "stop": share.stop, "contribution": share.contribution}
    return place if text is None else {**place, kind: text}


def _html(explanation: Explanation) -> str:
    """A ``<div>`` with the reason, the text with its words shaded, and the ranked reasons as bars."""
    method = (
        f'<details style="font-size:85%;{_FAINT}"><summary>How this was computed</summary>{escape(explanation.method)}</details>'
        if explanation.known
        else ""
    )
    return (
        '<div style="font-family:system-ui,sans-serif;line-height:1.5;max-width:50em;text-align:left">'
        f"{_head(explanation)}{_text(explanation)}{_ranked(explanation)}{method}</div>"
    )


def _head(explanation: Explanation) -> str:
    label, reason = explanation.label, explanation.reason
    if reason is None:
        return _line("<b>Left to a person.</b> The model knows no word of this text.")
    name = f"<b>{escape(explanation.name(reason))}</b> {_id(reason)}"
    limit = "" if explanation.threshold is None else f", reported from {explanation.threshold:.3f} on"
    if label.abstained:
        said = f"<b>Left to a person.</b> Most probable: {name}, {explanation.probability:.3f}"
    elif label.secondary is None:
        said = f"{name}, the primary alone, confidence {label.confidence:.3f}{limit}"
    else:
        said = f"{name}, confidence {label.confidence:.3f}{limit}"
    rival = ""
    if explanation.runner_up is not None:
        rival = f"Next: {_named(explanation, explanation.runner_up)}, {explanation.runner_up_probability:.3f}. "
    versus = "all others" if explanation.against is None else f"{_named(explanation, explanation.against)} alone"
    return _line(f"{said}.") + _line(
        f"{rival}Log-odds against {versus}: {explanation.margin:+.2f}, of which words "
        f"{explanation.linear + explanation.hidden:+.2f}, rest {explanation.rest:+.2f}.",
        f"font-size:90%;{_FAINT}",
    )


def _named(explanation: Explanation, reason: str) -> str:
    return f"{escape(explanation.name(reason))} {_id(reason)}"


def _line(content: str, style: str = "") -> str:
    return f'<div style="{style}">{content}</div>'


def _id(reason: str) -> str:
    return f'<code style="font-size:85%;background:none;color:inherit;{_FAINT}">{escape(reason)}</code>'


def _text(explanation: Explanation) -> str:
    if not explanation.text:
        return ""
    top = max((abs(share.contribution) for share in explanation.words), default=0.0)
    parts, at = [], 0
    for share in explanation.words:
        parts.append(escape(explanation.text[at : share.start]))
        parts.append(_word(share, top))
        at = share.stop
    parts.append(escape(explanation.text[at:]))
    return (
        '<div dir="auto" style="white-space:pre-wrap;unicode-bidi:plaintext;overflow-wrap:anywhere;line-height:1.9;margin:.6em 0 .2em;'
        f'padding:.4em .7em;border-left:3px solid rgba(128,128,128,.5)">{"".join(parts)}</div>{_legend(explanation, top)}'
    )


def _legend(explanation: Explanation, top: float) -> str:
    """What the shades mean, and the pairs of words that add most as pairs."""
    if not top:
        return ""
    strong = [share for share in explanation.phrases if abs(share.contribution) >= _LEAST_PHRASE * top]
    strong.sort(key=lambda share: -abs(share.contribution))
    phrases = ", ".join(f"<bdi>“{escape(each.phrase)}”</bdi> {each.contribution:+.2f}" for each in strong[:_PHRASES])
    return (
        f'<div style="font-size:85%;margin-bottom:.6em"><span style="{_shade(1.0, 0.35)}">counts for it</span> '
        f'<span style="{_shade(-1.0, 0.35)}">counts against it</span>'
        + (f'<span style="{_FAINT};margin-left:1em">as phrases: {phrases}</span>' if phrases else "")
        + "</div>"
    )


def _word(share: WordShare, top: float) -> str:
    word = escape(share.word)
    strength = abs(share.contribution) / top if top else 0.0
    if strength < _FAINTEST:
        return word
    return f'<span title="{share.contribution:+.2f}" style="{_shade(share.contribution, strength)}">{word}</span>'


def _shade(contribution: float, strength: float) -> str:
    colour, line = (_FOR, "solid") if contribution > 0 else (_AGAINST, "dotted")
    return (
        f"background:rgba({colour},{strength * _DEEPEST:.2f});border-bottom:2px {line} rgb({colour});"
        "border-radius:2px;padding:1px 2px"
    )


def _ranked(explanation: Explanation) -> str:
    """Bars of the ranked reasons, and of "out of scope" where it is first or second."""
    if explanation.reason is None:
        return ""
    shown = {each.reason: each.probability for each in explanation.label.ranked}
    if explanation.reason == OUT_OF_SCOPE:
        shown[OUT_OF_SCOPE] = explanation.probability
    elif explanation.runner_up == OUT_OF_SCOPE:
        shown[OUT_OF_SCOPE] = explanation.runner_up_probability
    threshold = None if explanation.label.level == "primary" else explanation.threshold
    rows = [
        _bar(explanation, reason, shown[reason], None if reason == OUT_OF_SCOPE else threshold)
        for reason in sorted(shown, key=lambda reason: -shown[reason])
    ]
    limit = "" if threshold is None else _line(f"Line: threshold {threshold:.3f}", f"font-size:85%;{_FAINT}")
    return (
        '<table style="border-collapse:collapse;border:none;width:100%;margin:0;background:none;color:inherit">'
        f"{''.join(rows)}</table>{limit}"
    )


def _bar(explanation: Explanation, reason: str, probability: float, threshold: float | None) -> str:
    cell = "border:none;background:none;color:inherit;padding:2px 8px 2px 0;text-align:left"
    mark = ""
    if threshold is not None:
        mark = (
            f'<div style="position:absolute;left:{100 * threshold:.1f}%;top:-2px;bottom:-2px;'
            'border-left:2px solid currentColor"></div>'
        )
    return (
        f'<tr style="background:none"><td style="{cell};width:60%">{_named(explanation, reason)}</td>'
        f'<td style="{cell}"><div style="position:relative;height:.8em;background:rgba(128,128,128,.2)">'
        f'<div style="width:{100 * probability:.1f}%;height:100%;background:rgb({_FOR})"></div>{mark}</div></td>'
        f'<td style="{cell};text-align:right;width:4em">{probability:.3f}</td></tr>'
    )
