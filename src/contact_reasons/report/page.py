"""The page that shows an evaluation: Jinja fills a template, charts are SVG in it, nothing is loaded from elsewhere.

Jinja because it escapes everything by itself and keeps the page readable as a page; charts of our own rather than of Matplotlib
because they follow light and dark, keep text as text and are the same bytes with every version of every library.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from contact_reasons.errors import BatchError
from contact_reasons.report.charts import (
    histogram_chart,
    outcome_bar,
    recall_bar,
    reliability_chart,
    risk_coverage_chart,
)

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["make_page"]

OUTCOMES: Final = {
    "secondary_right": "secondary reason right",
    "primary_only_right": "primary reason alone given, right",
    "wrong": "labelled wrongly",
    "left_to_a_person": "has a reason, left to a person",
    "out_of_scope_left": "has no reason, left to a person",
}
"""What may have happened to a text, in the order of the bar."""

_SHOWN_PAIRS: Final = 15
_FEW_TEXTS: Final = 100
_MOST_IN_MAP: Final = 150
_RIGHT_STEPS: Final = (0.5, 0.7, 0.8, 0.9)
_WRONG_STEPS: Final = (0.02, 0.05, 0.1, 0.2)


def make_page(figures: Mapping[str, Any], *, title: str | None = None, date: str | None = None) -> str:
    """The page as HTML: the same arguments give the same bytes.

    Parameters
    ----------
    figures : mapping
        Of an `Evaluation`.
    title : str, optional
    date : str, optional

    Raises
    ------
    BatchError
        If Jinja is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise BatchError(
            "the page needs Jinja, which is not installed; install it: pip install 'contact-reasons[report]'"
        ) from None
    style, script = _file("page.css"), _file("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_file("page.html.jinja"))
    show = _Show(figures, Markup)
    return (
        template.render(
            title=title or f"How well contacts are labelled: {figures['about']['taxonomy']['id']}",
            date=date,
            style=Markup(style),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            f=figures,
            show=show,
            outcomes=OUTCOMES,
            few=figures["rows"] < _FEW_TEXTS,
            charts={
                "outcomes": Markup(outcome_bar(figures["outcomes"], OUTCOMES)),
                "risk": Markup(risk_coverage_chart(figures["levels"], figures)),
                "histogram": Markup(histogram_chart(figures["histogram"], figures["about"]["model"]["thresholds"])),
                **{
                    level: Markup(reliability_chart(level, figures["levels"][level]["bins"]))
                    for level in figures["levels"]
                },
            },
            verdicts={level: _verdict(figures["levels"][level]) for level in figures["levels"]},
            maps={
                name: _heat_map(figures, name)
                for name, found in figures["confusion"].items()
                if len(found["order"]) <= _MOST_IN_MAP
            },
            pairs=_pairs(figures),
            reasons=_reasons(figures, Markup),
        )
        + "\n"
    )


def _file(name: str) -> str:
    return (resources.files("contact_reasons.report") / name).read_text(encoding="utf-8")


class _Show:
    """Figures as they stand on the page, each with its exact value and its place in the JSON."""

    def __init__(self, figures: Mapping[str, Any], markup: type[Markup]) -> None:
        self._figures, self._markup = figures, markup

    def _data(self, path: str, text: str) -> Markup:
        return self._markup('<data value="{}" data-of="{}">{}</data>').format(repr(self._at(path)), path, text)

    def _at(self, path: str) -> Any:
        value: Any = self._figures
        for key in path.split("/"):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def percent(self, path: str, decimals: int = 1) -> Markup:
        """A share as per cent."""
        value = self._at(path)
        return self._markup("none") if value is None else self._data(path, f"{value:.{decimals}%}")

    def interval(self, path: str, decimals: int = 1) -> Markup:
        """The limits of a proportion."""
        value = self._at(path)
        if not value["total"]:
            return self._markup("")
        ends = self.percent(f"{path}/low", decimals), self.percent(f"{path}/high", decimals)
        return self._markup("{} to {}").format(*ends)

    def thousand(self, path: str) -> Markup:
        """A share as so many of a thousand."""
        return self._data(path, f"{1000 * self._at(path):,.0f}")

    def hundred(self, path: str) -> Markup:
        """A share as so many of a hundred, with one decimal where that matters."""
        value = 100 * self._at(path)
        return self._data(path, f"{value:.1f}" if value < 9.95 else f"{value:.0f}")

    def count(self, path: str) -> Markup:
        """A number of texts."""
        return self._data(path, f"{self._at(path):,}")

    def number(self, path: str, decimals: int = 3) -> Markup:
        """A number that is no share."""
        value = self._at(path)
        return self._markup("none") if value is None else self._data(path, f"{value:.{decimals}f}")


def _verdict(level: Mapping[str, Any]) -> str:
    """In words, whether confidences can be taken at their word."""
    gap = level["mean_confidence"] - level["right"]["share"]
    if level["ece"] <= level["ece_by_chance_high"]:
        return "That is within chance: these texts show no sign that confidences are off."
    side = "too high" if gap > 0 else "too low"
    return f"That is more than chance gives: confidences are off, on average {abs(100 * gap):.1f} points {side}."


def _heat_map(figures: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Rows of a heat map: what stands in each cell, its colour step, and what is said of it."""
    order, cells = figures["confusion"][name]["order"], figures["confusion"][name]["cells"]
    k = len(order)
    counts = [[0] * (k + 1) for _ in range(k + 1)]
    for i, j, count in cells:
        counts[i][j] = count
    names = [figures["labels"][reason] for reason in order]
    columns = [*names, "left to a person"] if any(row[k] for row in counts) else names
    first = {at for at in range(k) if "." in order[at] and (not at or _primary(order[at - 1]) != _primary(order[at]))}
    rows = [
        {
            "label": label,
            "cells": [_cell(count, sum(row), (i, j, k), label, columns) for j, count in enumerate(row[: len(columns)])],
            "first": i in first,
        }
        for i, (label, row) in enumerate(zip([*names, "no reason"], counts, strict=True))
        if i < k or any(row)
    ]
    return {"columns": columns, "rows": rows, "first": first - {0}}


def _primary(reason: str) -> str:
    return reason.partition(".")[0]


def _cell(count: int, total: int, place: tuple[int, int, int], row: str, columns: Sequence[str]) -> dict[str, Any]:
    """A cell at row i and column j; behind the k reasons stand "no reason" and "left to a person"."""
    if not count:
        return {"count": 0, "style": "", "hover": ""}
    i, j, k = place
    share, left = count / total, j == k
    kind, steps = ("r", _RIGHT_STEPS) if i == j else ("p" if left else "w", _WRONG_STEPS)
    what = "left to a person" if left else "right" if i == j else f"taken for “{columns[j]}”"
    said = f"“{row}”: {count:,} of {total:,} ({share:.1%}) {what}"
    return {"count": count, "style": f"{kind}{1 + sum(share >= limit for limit in steps)}", "hover": said}


def _pairs(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pairs that are confused most often, with labels for people."""
    labels = figures["labels"]
    return [
        {
            "place": at,
            "truth": labels[truth],
            "predicted": labels[predicted],
            "share": times / figures["reasons"][truth]["texts"],
            "texts": figures["reasons"][truth]["texts"],
            "same": _primary(truth) == _primary(predicted),
        }
        for at, (truth, predicted, times) in enumerate(figures["confusions"][:_SHOWN_PAIRS])
    ]


def _reasons(figures: Mapping[str, Any], markup: type[Markup]) -> list[dict[str, Any]]:
    """Every reason that occurs, in the order of the taxonomy, with what it is most often taken for."""
    labels: Mapping[str, str] = figures["labels"]
    taken: dict[int, tuple[int, int]] = {}
    confusion = figures["confusion"]["secondary_forced"]
    for i, j, count in confusion["cells"]:
        if i < len(confusion["order"]) and i != j and count > taken.get(i, (0, 0))[0]:
            taken[i] = (count, j)
    rows = []
    for at, reason in enumerate(confusion["order"]):
        score = figures["reasons"].get(reason)
        if score is not None:
            bar = recall_bar(score["recall"], score["recall_low"], score["recall_high"])
            times, other = taken.get(at, (0, 0))
            rows.append(
                {
                    "id": reason,
                    "label": labels[reason],
                    "primary": labels[_primary(reason)],
                    "score": score,
                    "bar": markup(bar),
                    "taken": f"{labels[confusion['order'][other]]} ({times:,})" if times else "",
                }
            )
    return rows
