"""An explanation as a piece of HTML for notebooks and pages: escaped, no script, nothing loaded from elsewhere.

For and against are told apart by colour (blue and orange of Okabe and Ito's palette, which colour-blind people tell apart) and by the line under
the word (solid, dotted). Colours are translucent and text keeps the page's own colour, so that dark pages work too.
"""

from __future__ import annotations

from html import escape
from typing import Final

from contact_reasons.explanation.record import OUT_OF_SCOPE, Explanation, WordShare

__all__ = ["explanation_html"]

_FOR, _AGAINST = "86,180,233", "230,159,0"
_DEEPEST, _FAINTEST = 0.6, 0.08
_PHRASES, _LEAST_PHRASE = 3, 0.1
_FAINT: Final = "opacity:.75"


def explanation_html(explanation: Explanation) -> str:
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
