"""What each part of the engine is worth: variants that today's parameters express, on held-out parts of the training splits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.classifier.prior import TokenPrior, shipped_prior
from contact_reasons.evaluation import proportion
from tests.benchmarks.data import DataSet, held_out
from tests.benchmarks.run import Run

SEED = 1
FOLDS = 2


def random_prior() -> TokenPrior:
    """The tokens of the shipped prior with vectors that know nothing."""
    prior = shipped_prior()
    vectors = np.random.default_rng(0).integers(-127, 128, prior.vectors.shape, dtype=np.int8)
    return TokenPrior(prior.token_hashes, vectors, np.full(len(vectors), float(prior.vector_scale.mean()), np.float32))


VARIANTS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "default": ("as it is: 4 members of 128 units, C 0.5, min_df 2", dict),
    "linear": ("linear heads alone", lambda: {"hidden_units": 0}),
    "random": ("token vectors that know nothing instead of the prior", lambda: {"prior": random_prior()}),
    "one": ("1 member instead of 4", lambda: {"members": 1}),
    "eight": ("8 members", lambda: {"members": 8}),
    "units64": ("64 units a member", lambda: {"hidden_units": 64}),
    "units256": ("256 units a member", lambda: {"hidden_units": 256}),
    "C0.1": ("C 0.1", lambda: {"C": 0.1}),
    "C2": ("C 2", lambda: {"C": 2.0}),
    "min_df1": ("min_df 1", lambda: {"min_df": 1}),
    "min_df3": ("min_df 3", lambda: {"min_df": 3}),
    "balanced": ("class_weight 'balanced'", lambda: {"class_weight": "balanced"}),
}
"""Title and parameters; the first is what ships."""


def tried(run: Run) -> dict[str, Any]:
    """Every variant on both sets."""
    found: dict[str, Any] = {"seed": SEED, "folds": FOLDS, "sets": {}}
    for data in run.sets():
        found["sets"][data.name] = variants(run, data)
    return found


def variants(run: Run, data: DataSet) -> dict[str, Any]:
    inside, outside = held_out(data.train, SEED)
    found: dict[str, Any] = {
        "title": data.title,
        "train": len(inside.ids),
        "held_out": len(outside.ids),
        "variants": {},
    }
    for name, (_, parameters) in VARIANTS.items():
        start = time.perf_counter()
        classifier = ReasonClassifier(**parameters(), calibration_folds=FOLDS).fit(inside.texts, inside.ids)
        seconds = time.perf_counter() - start
        right = (classifier.predict(outside.texts) == np.array(outside.ids)).tolist()
        found["variants"][name] = {"secondary": proportion(sum(right), len(right))._asdict()}
        run.say(f"{data.title}, {name}: {np.mean(right):.1%} in {seconds:.0f} s")
    return found


def tried_lines(results: dict[str, Any]) -> list[str]:
    """The table for the page."""
    sets = list(results["sets"].values())
    sizes = ", ".join(f"{found['title']}: {found['train']:,} and {found['held_out']:,} texts" for found in sets)
    rows = []
    for name, (title, _) in VARIANTS.items():
        shares = [100 * found["variants"][name]["secondary"]["share"] for found in sets]
        rows.append(f"| {title} | {' | '.join(f'{share:.1f}' for share in shares)} |")
    return [
        "## What each part is worth",
        "",
        f"Secondary right in %, on a fifth of the *training* splits, held out; trained on the rest ({sizes}; seed {results['seed']}, "
        f"{results['folds']} folds for the factors). Differences under half a point are noise.",
        "",
        f"| | {' | '.join(found['title'] for found in sets)} |",
        f"|---|{'---|' * len(sets)}",
        *rows,
        "",
    ]
