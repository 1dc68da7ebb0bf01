"""One walk of tests from strict to lax, on rows in a drawn order of which the first only choose where it starts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonProbabilities
from contact_reasons.confidence.binomial import p_values, rows_needed
from contact_reasons.confidence.labels import DECIMALS

__all__ = ["Terms", "Walk", "drawn_order", "tuning_rows", "walk_thresholds"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_STEP: Final = 10.0**-DECIMALS
_CLEAR: Final = 0.1
_SAID_ROWS: Final = 10.0


class Terms(NamedTuple):
    error: float
    risk: float
    audited: int | None
    levels: str


class Walk(NamedTuple):
    """Where a walk ended.

    Parameters
    ----------
    threshold : float or None
        The last that passed.
    stopped_at : float or None
        The first that did not.
    tuned_on, rows : int
        Rows that the start was chosen on, the first ones; tested rows.
    reported, wrong : int
        Of the tested rows, at ``threshold``; if none passed, at the start.
    """

    threshold: float | None = None
    stopped_at: float | None = None
    tuned_on: int = 0
    rows: int = 0
    reported: int = 0
    wrong: int = 0


def walk_thresholds(confidence: FloatArray, wrong: BoolArray, n_tuning: int, terms: Terms, risk: float) -> Walk:
    """Walk from strict to lax; the first rows only choose the start: ``n_tuning``, or a fifth if these leave it unclear.

    Parameters
    ----------
    confidence : ndarray of float64, shape (n,)
        Multiples of 1e-6, of rows in random order.
    wrong : ndarray of bool, shape (n,)
    n_tuning : int
    terms : Terms
    risk : float
        Of this walk.
    """
    n = len(confidence)
    start, p = _start(confidence[:n_tuning], wrong[:n_tuning], n - n_tuning, terms, risk)
    if p > _CLEAR * risk and n_tuning < n // 5 and n - n // 5 >= 1.25 * rows_needed(terms.error, risk, terms.audited):
        n_tuning = n // 5
        start, _ = _start(confidence[:n_tuning], wrong[:n_tuning], n - n_tuning, terms, risk)
    tested, errors = confidence[n_tuning:], wrong[n_tuning:]
    points = np.unique(np.append(tested[(tested <= start) & (tested > 0)], start))[::-1]
    reported = len(tested) - np.searchsorted(np.sort(tested), points)
    n_wrong = int(errors.sum()) - np.searchsorted(np.sort(tested[errors]), points)
    failed = np.flatnonzero(p_values(reported, n_wrong, terms.error, terms.audited) > risk)
    stop = int(failed[0]) if len(failed) else len(points)
    at = max(stop - 1, 0)
    counts = (n_tuning, len(tested), int(reported[at]), int(n_wrong[at]))
    if stop == len(points):
        return Walk(float(points[-1]), None, *counts)
    threshold = round(float(points[stop]) + _STEP, DECIMALS) if stop else None
    return Walk(threshold, float(points[stop]), *counts)


def _start(confidence: FloatArray, wrong: BoolArray, n_tested: int, terms: Terms, risk: float) -> tuple[float, float]:
    """The confidence, of the rows not tested, at which the test is expected to be clearest, and the p-value expected there.

    Considered are those at which half of the rows or fewer are reported but enough to be tested; all, if the rows barely suffice. The expected
    error rate is what was seen, and what confidences say with the weight of ten rows.
    """
    from scipy.special import betainc

    n = len(confidence)
    fewest = rows_needed(terms.error, risk, terms.audited)
    if n_tested < 1.5 * fewest:
        return _STEP, 0.0
    strict_first = np.argsort(-confidence, kind="stable")
    count = np.arange(1, n + 1)
    least = min(math.ceil(1.25 * fewest / n_tested * n), n)
    within = slice(least - 1, max(least, n // 2))
    said = np.cumsum(1.0 - confidence[strict_first]) / count
    rate = ((np.cumsum(wrong[strict_first]) + _SAID_ROWS * said) / (count + _SAID_ROWS))[within]
    reported = n_tested / n * count[within]
    p = betainc(np.maximum(reported * (1 - rate), 1e-9), reported * rate + 1, 1.0 - terms.error)
    best = int(np.argmin(p))
    return max(float(confidence[strict_first][within][best]), _STEP), float(p[best])


def tuning_rows(n: int) -> int:
    """A twentieth of the rows, and at least 25, but at most a fifth."""
    return max(n // 20, min(n // 5, 25))


def drawn_order(
    said: ReasonProbabilities, truth: Sequence[str | None], groups: Sequence[Any] | None, seed: int
) -> IntArray:
    """Rows in a random order that depends on what they hold alone; of each group only the first.

    Equal rows are told apart by their number among equals: which of them is which makes no difference.
    """
    times: dict[bytes, int] = {}
    keyed = []
    for row, reason in enumerate(truth):
        group = None if groups is None else groups[row]
        own = None if group is None or group != group or group == "" else f"{type(group).__name__} {group}"
        content = hashlib.sha256(repr((reason, own)).encode("utf-8", "surrogatepass"))
        content.update(said.proba[row].tobytes() + said.in_scope[row].tobytes())
        number = times[content.digest()] = times.get(content.digest(), -1) + 1
        keyed.append((hashlib.sha256(b"%d %d " % (seed, number) + content.digest()).digest(), row, own))
    seen: set[str] = set()
    order = []
    for _, row, own in sorted(keyed):
        if own is None or own not in seen:
            order.append(row)
        if own is not None:
            seen.add(own)
    return np.array(order, dtype=np.int64)
