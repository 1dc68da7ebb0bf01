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


class Terms(NamedTuple):
    error: float
    risk: float
    audited: int | None
    levels: str


class Walk(NamedTuple):
    """Where a walk ended: last threshold that passed, first that did not, and what was reported at the former."""

    threshold: float | None
    stopped_at: float | None
    rows: int
    reported: int
    wrong: int


def walk_thresholds(confidence: FloatArray, wrong: BoolArray, n_tuning: int, terms: Terms, risk: float) -> Walk:
    """Walk from strict to lax over rows of which the first ``n_tuning`` only choose the start."""
    tested, errors = confidence[n_tuning:], wrong[n_tuning:]
    start = _start(confidence[:n_tuning], wrong[:n_tuning], len(tested), terms, risk)
    points = np.unique(np.append(tested[tested <= start], start))[::-1]
    points = points[points > 0]
    if not len(points):
        return Walk(None, start, len(tested), 0, 0)
    reported = len(tested) - np.searchsorted(np.sort(tested), points)
    n_wrong = int(errors.sum()) - np.searchsorted(np.sort(tested[errors]), points)
    failed = np.flatnonzero(p_values(reported, n_wrong, terms.error, terms.audited) > risk)
    if not len(failed):
        return Walk(float(points[-1]), None, len(tested), int(reported[-1]), int(n_wrong[-1]))
    stop = int(failed[0])
    if stop == 0:
        return Walk(None, float(points[0]), len(tested), int(reported[0]), int(n_wrong[0]))
    threshold = round(float(points[stop]) + _STEP, DECIMALS)
    return Walk(threshold, float(points[stop]), len(tested), int(reported[stop - 1]), int(n_wrong[stop - 1]))


def _start(confidence: FloatArray, wrong: BoolArray, n_tested: int, terms: Terms, risk: float) -> float:
    """The confidence, of the rows not tested, at which the test is expected to be clearest, among those at which half of the rows or fewer
    are reported but enough to be tested. The error rate is expected half way between what was seen and what confidences say.
    """
    from scipy.special import betainc

    n = len(confidence)
    strict_first = np.argsort(-confidence, kind="stable")
    count = np.arange(1, n + 1)
    errors = np.cumsum(wrong[strict_first]) + np.cumsum(1.0 - confidence[strict_first])
    fewest = rows_needed(terms.error, risk, terms.audited)
    least = min(max(math.ceil(min(1.25 * fewest, (fewest + n_tested) / 2) / max(n_tested, 1) * n), 1), n)
    within = slice(least - 1, max(least, n // 2))
    reported = n_tested / n * count[within]
    expected = reported * ((errors + 0.5) / (2 * count + 1))[within]
    p = betainc(np.maximum(reported - expected, 1e-9), expected + 1, 1.0 - terms.error)
    return float(confidence[strict_first][within][int(np.argmin(p))])


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
