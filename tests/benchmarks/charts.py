"""Charts as SVG: the same figures give the same bytes with the same version of matplotlib."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import PEERS

OURS, OTHERS, INK = "#0072B2", "#D55E00", "#333333"  # apart for all common kinds of colour blindness (Okabe and Ito)
STYLE = {"svg.hashsalt": "contact_reasons", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 10}

Rows = list[dict[str, Any]]


def accuracy_speed_rows(results: dict[str, Any]) -> Rows:
    """A point a peer: contacts per second, secondary accuracy and its interval on the set whose speed was measured."""
    engine = results.get("engine", {})
    if not {"accuracy", "speed"} <= set(engine):
        return []
    title = engine["speed"]["set"]
    measured = next(found for found in engine["accuracy"]["sets"].values() if found["title"] == title)["peers"]
    return [
        {"name": name, "per_second": values["per_second"]}
        | {key: measured[name]["secondary"][key] for key in ("share", "low", "high")}
        for name, values in engine["speed"]["peers"].items()
        if name in measured
    ]


def few_shot_rows(results: dict[str, Any]) -> Rows:
    """A bar a peer and set: mean secondary accuracy, least and most of the seeds."""
    sets = results.get("engine", {}).get("few_shot", {}).get("sets", {})
    return [
        {"set": found["title"], "name": name, "seeds": values["seeds"]}
        | {key: values["secondary"][key] for key in ("share", "least", "most")}
        for found in sets.values()
        for name, values in found["peers"].items()
    ]


def colour(name: str) -> str:
    return OURS if name.startswith("ours") else OTHERS


def draw_accuracy_speed(rows: Rows) -> Any:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for row in rows:
        spread = [[row["share"] - row["low"]], [row["high"] - row["share"]]]
        axes.errorbar(
            row["per_second"],
            row["share"],
            yerr=spread,
            fmt="o" if row["name"].startswith("ours") else "s",
            markersize=8,
            color=colour(row["name"]),
            elinewidth=1.2,
            capsize=3,
        )
    speeds = [row["per_second"] for row in rows]
    axes.set_xscale("log")
    axes.set_xlim(min(speeds) / 3, max(speeds) * 4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.set_xlabel("contacts per second on one core (batch, log scale)")
    axes.set_ylabel("secondary reason right (bars: 95 % Wilson interval)")
    axes.set_title("Banking77, trained on all its training texts", loc="left")
    axes.grid(True, which="major", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    place_labels(figure, axes, rows)
    return figure


def place_labels(figure: Any, axes: Any, rows: Rows) -> None:
    """Each label beside its point where it meets no other label, point or interval."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    x_y = [axes.transData.transform((row["per_second"], row["share"])) for row in rows]
    taken = []
    for row, (x, _) in zip(rows, x_y, strict=True):
        low, high = (axes.transData.transform((1, row[end]))[1] for end in ("low", "high"))
        taken.append(Bbox([[x - 9, low - 3], [x + 9, high + 3]]))
    inside = axes.get_window_extent()
    sides = [(12, 0, "left", "center"), (-12, 0, "right", "center")]
    sides += [(12, d, "left", "center") for d in (12, -12, 24, -24)]
    sides += [(-12, d, "right", "center") for d in (12, -12, 24, -24)]
    sides += [(0, 30 + d, "center", "bottom") for d in (0, 14, 28)] + [(0, -30 - d, "center", "top") for d in (0, 14)]
    for row in sorted(rows, key=lambda row: (not row["name"].startswith("ours"), -row["share"])):
        at = (row["per_second"], row["share"])
        for dx, dy, horizontal, vertical in sides:
            label = axes.annotate(
                PEERS[row["name"]].short,
                at,
                (dx, dy),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                color=INK,
                fontweight="bold" if row["name"].startswith("ours") else "normal",
            )
            box = label.get_window_extent()
            free = not any(box.overlaps(other) for other in taken)
            if free and inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1:
                break
            if (dx, dy, horizontal, vertical) != sides[-1]:
                label.remove()
        taken.append(box)


def draw_few_shot(rows: Rows) -> Any:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    titles = list(dict.fromkeys(row["set"] for row in rows))
    most = max(sum(row["set"] == title for row in rows) for title in titles)
    figure, panels = plt.subplots(
        len(titles), 1, figsize=(8, 0.8 + len(titles) * (0.7 + 0.38 * most)), layout="constrained", squeeze=False
    )
    for axes, title in zip(panels[:, 0], titles, strict=True):
        bars = sorted((row for row in rows if row["set"] == title), key=lambda row: row["share"])
        shares = [row["share"] for row in bars]
        spread = [
            [row["share"] - row["least"] for row in bars],
            [row["most"] - row["share"] for row in bars],
        ]
        axes.barh(
            range(len(bars)),
            shares,
            xerr=spread,
            color=[colour(row["name"]) for row in bars],
            error_kw={"ecolor": INK, "elinewidth": 1.2, "capsize": 3},
            height=0.65,
        )
        for at, row in enumerate(bars):
            axes.text(row["most"] + 0.012, at, f"{100 * row['share']:.1f} %", va="center", color=INK)
        axes.set_yticks(range(len(bars)), [PEERS[row["name"]].short for row in bars])
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_title(f"{title}, ten texts a reason", loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, axis="x", color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
    panels[-1, 0].set_xlabel("secondary reason right: mean of the draws (whiskers: least and most)")
    return figure


CHARTS: dict[str, tuple[Callable[[dict[str, Any]], Rows], Callable[[Rows], Any]]] = {
    "accuracy-speed.svg": (accuracy_speed_rows, draw_accuracy_speed),
    "few-shot.svg": (few_shot_rows, draw_few_shot),
}


def digest(rows: Rows) -> str:
    """What a chart says in its metadata of the figures that it shows."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def write_charts(results: dict[str, Any], folder: Path) -> list[str]:
    """Names of the charts written; none without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("svg")
    import matplotlib.pyplot as plt

    written = []
    for name, (rows_of, draw) in CHARTS.items():
        rows = rows_of(results)
        if not rows:
            continue
        with mpl.rc_context(STYLE):
            figure = draw(rows)
            metadata = {"Date": None, "Creator": None, "Description": digest(rows)}
            figure.savefig(folder / name, format="svg", metadata=metadata, facecolor="white")
            plt.close(figure)
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
        written.append(name)
    return written
