"""Thresholds that keep a promised error rate: learn then test, with exact binomial tests in a fixed sequence.

A level's family of hypotheses is "among contacts at confidence >= t, more than ``error`` are wrong", one for every t that a
confidence can take (multiples of 1e-6), ordered from strict to lax. They are tested one after the other until the first that cannot be
rejected; the last rejected one is the threshold. If t* is the first true hypothesis of the sequence, a threshold breaks the promise only
if t* was rejected, which happens with probability at most ``risk``: no correction for the many tests, no assumption about the shape
of the risk [1]_. The p-value changes only where a tested row lies, so that these are all the points that need be looked at.

Three choices keep this valid. The start of the walk (and the temperature) comes from a small part of the sample, drawn
at random, that is not tested. The walk of the secondary level looks only at rows from the point f on at which it stopped; so, given where it
stopped, the rows below f are still an untouched random sample of the contacts below f, and the primary level is tested on them and
served to them alone (`Thresholds.primary_below`). Levels and primaries share the risk (union bound).

References
----------
.. [1] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, "Learn then test: calibrating predictive algorithms to
   achieve risk control", Annals of Applied Statistics 19 (2025), arXiv:2110.01052.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonProbabilities, primary_index
from contact_reasons.confidence.binomial import p_value, rows_needed
from contact_reasons.confidence.labels import Thresholds, confidences, least_threshold
from contact_reasons.confidence.temperature import fit_temperature
from contact_reasons.confidence.walk import Terms, Walk, drawn_order, tuning_rows, walk_thresholds
from contact_reasons.errors import CalibrationError, nearest, shorten

__all__ = ["LEVELS", "LevelTest", "Promise", "fit_promise"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LEVELS: Final = ("both", "secondary", "primary")
FEWEST_FOR_TEMPERATURE: Final = 100
_SECONDARY_SHARE: Final = 0.8
"""Of the risk, if both levels are promised."""


@dataclass(frozen=True, slots=True)
class LevelTest:
    """What was seen at one level on the tested rows.

    Parameters
    ----------
    risk : float
        Probability of breaking the promise that was spent on this level; 0: the level was not tested.
    rows : int
        Tested rows: for the primary level, those left by the secondary.
    reported, wrong : int
        At the thresholds found.
    """

    risk: float
    rows: int
    reported: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Promise:
    """Thresholds, what they promise, and the tests behind them.

    Parameters
    ----------
    error : float
        At most this share of what is reported at each level is wrong.
    assurance : float
        Probability, over samples, that thresholds are found that keep this, at all levels and primaries together.
    audited : int or None
        If not None, the promise holds for the share counted in so many reported contacts, too.
    levels : {'both', 'secondary', 'primary'}
    per_primary : bool
        Whether it holds for each primary by itself.
    thresholds : Thresholds
    secondary, primary : LevelTest
    rows, out_of_scope, tuned_on : int
        Rows of the sample, those without a reason, and those that only start and temperature were chosen on.
    calibration_error_before, calibration_error_after : float
        Expected calibration error of the best secondary on the tested rows, before and after the temperature.
    by_primary : tuple of (str, LevelTest, LevelTest)
        Of each primary that was tested, secondary and primary level, if the promise is per primary.
    never_labelled : tuple of str
        Primaries that are always left to a person, if the promise is per primary.
    """

    error: float
    assurance: float
    audited: int | None
    levels: str
    per_primary: bool
    thresholds: Thresholds
    secondary: LevelTest
    primary: LevelTest
    rows: int
    out_of_scope: int
    tuned_on: int
    calibration_error_before: float
    calibration_error_after: float
    by_primary: tuple[tuple[str, LevelTest, LevelTest], ...] = ()
    never_labelled: tuple[str, ...] = ()


def fit_promise(
    said: ReasonProbabilities,
    classes: Sequence[str],
    truth: Sequence[str | None],
    *,
    error: float = 0.05,
    assurance: float = 0.95,
    audited: int | None = None,
    levels: str = "both",
    per_primary: bool = False,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> Promise:
    """Thresholds at which at most a promised share of what is reported is wrong, with a promised probability.

    Rows must be a random sample of the contacts that the promise is for, and independent: of rows of one group only one is used.
    The order of the rows does not matter. Of both levels, the secondary gets four fifths of the risk, and all of it if too few rows would be
    left to test the primary.

    Parameters
    ----------
    said : ReasonProbabilities
        Of n texts that the model was not trained on.
    classes : sequence of str, length k
        Sorted secondary ids.
    truth : sequence of str or None, length n
        None for a text out of scope: any label of it is wrong.
    error : float
        Between 0 and 1.
    assurance : float
        Between 0.5 and 1.
    audited : int, optional
        How many reported contacts somebody will count at a level; the promise then covers the chance in that count.
    levels : {'both', 'secondary', 'primary'}
        What may be reported.
    per_primary : bool
        Promise the rate for each primary by itself. Those with too few rows are never labelled.
    groups : sequence, length n, optional
        Such as customers; None, NaN or an empty string is a group of its own.
    seed : int
        Of the rows that start and temperature are chosen on.

    Raises
    ------
    CalibrationError
        If an argument is out of range, or the sample is too small or holds too many errors, with the number of rows or the rate that would do.
    """
    from contact_reasons.evaluation import score_confidence

    terms = Terms(error, round(1.0 - assurance, 12), audited, levels)
    _check(said, classes, truth, groups, terms)
    order = drawn_order(said, truth, groups, seed)
    tuned_on = tuning_rows(len(order))
    tuning = order[:tuned_on]
    temperature = 1.0
    if tuned_on >= FEWEST_FOR_TEMPERATURE:
        temperature = fit_temperature(_take(said, tuning), classes, [truth[row] for row in tuning.tolist()])
    rows = _Rows(said, classes, truth, temperature)
    shares = _shares(rows, order[:tuned_on], len(order) - tuned_on, terms, len(rows.primaries) if per_primary else 1)
    if per_primary:
        found = _each_primary(rows, order, tuned_on, terms, shares)
    else:
        found = _all_together(rows, order, tuned_on, terms, shares)
    tested = order[tuned_on:]
    plain = _Rows(said, classes, truth, 1.0)
    return Promise(
        error=float(error),
        assurance=float(assurance),
        audited=audited,
        levels=levels,
        per_primary=per_primary,
        thresholds=found.thresholds,
        secondary=found.secondary,
        primary=found.primary,
        rows=len(order),
        out_of_scope=sum(truth[row] is None for row in order.tolist()),
        tuned_on=tuned_on,
        calibration_error_before=score_confidence(plain.second[tested], ~plain.second_wrong[tested]).ece,
        calibration_error_after=score_confidence(rows.second[tested], ~rows.second_wrong[tested]).ece,
        by_primary=found.by_primary,
        never_labelled=found.never_labelled,
    )


class _Found(NamedTuple):
    thresholds: Thresholds
    secondary: LevelTest
    primary: LevelTest
    by_primary: tuple[tuple[str, LevelTest, LevelTest], ...] = ()
    never_labelled: tuple[str, ...] = ()


class _Rows:
    """Confidence, error and primary of each row at each level."""

    def __init__(
        self, said: ReasonProbabilities, classes: Sequence[str], truth: Sequence[str | None], temperature: float
    ) -> None:
        self.temperature = temperature
        self.primaries, starts = primary_index(classes)
        joint, sums = confidences(said, starts, temperature)
        best, first = joint.argmax(axis=1), sums.argmax(axis=1)
        self.second: FloatArray = joint.max(axis=1)
        self.first: FloatArray = sums.max(axis=1)
        self.first_primary: IntArray = first
        self.second_primary: IntArray = np.searchsorted(starts, best, side="right") - 1
        index = {reason: column for column, reason in enumerate(classes)}
        target = np.array([-1 if reason is None else index[reason] for reason in truth], dtype=np.int64)
        parent = np.where(target < 0, -1, np.searchsorted(starts, target, side="right") - 1)
        self.second_wrong: BoolArray = best != target
        self.first_wrong: BoolArray = first != parent


def _shares(rows: _Rows, tuning: IntArray, n_tested: int, terms: Terms, n_walks: int) -> tuple[float, float]:
    """Risk of each level. The rows not tested tell whether enough would be left for the primary."""
    if terms.levels != "both":
        return (terms.risk, 0.0) if terms.levels == "secondary" else (0.0, terms.risk)
    least = least_threshold(rows.second[tuning], ~rows.second_wrong[tuning], terms.error)
    left = 1.0 if least is None else float((rows.second[tuning] < least).mean())
    secondary = round(_SECONDARY_SHARE * terms.risk, 12)
    primary = round(terms.risk - secondary, 12)
    if left * n_tested / n_walks < 2 * rows_needed(terms.error, primary / n_walks, terms.audited):
        return terms.risk, 0.0
    return secondary, primary


def _all_together(rows: _Rows, order: IntArray, tuned_on: int, terms: Terms, shares: tuple[float, float]) -> _Found:
    _check_enough(len(order), tuned_on, terms, max(shares))
    if terms.levels == "primary":
        walk = walk_thresholds(rows.first[order], rows.first_wrong[order], tuned_on, terms, shares[1])
        if walk.threshold is None:
            raise _no_threshold("primary", walk, len(order), terms, shares[1])
        thresholds = Thresholds(None, walk.threshold, temperature=rows.temperature)
        return _Found(thresholds, LevelTest(0.0, walk.rows, 0, 0), _level_test(walk, shares[1]))
    walk = walk_thresholds(rows.second[order], rows.second_wrong[order], tuned_on, terms, shares[0])
    if walk.threshold is None:
        raise _no_threshold("secondary", walk, len(order), terms, shares[0])
    left = rows.second[order] < (walk.stopped_at or 0.0)
    seen = np.arange(len(order)) < walk.tuned_on
    below = _walk_left(rows, order[left & seen], order[left & ~seen], terms, shares[1])
    thresholds = Thresholds(
        walk.threshold,
        below.threshold,
        primary_below=None if below.threshold is None else walk.stopped_at,
        temperature=rows.temperature,
    )
    return _Found(thresholds, _level_test(walk, shares[0]), _level_test(below, shares[1]))


def _walk_left(rows: _Rows, seen: IntArray, untouched: IntArray, terms: Terms, risk: float) -> Walk:
    """The walk of the primary level over rows that the secondary left: those it was tuned on, and those it has not looked at."""
    left = np.concatenate([seen, untouched])
    n_tuning = max(len(seen), tuning_rows(len(left)))
    n_tested = len(left) - n_tuning
    if not risk or n_tested < rows_needed(terms.error, risk, terms.audited):
        return Walk(tuned_on=n_tuning, rows=max(n_tested, 0))
    return walk_thresholds(rows.first[left], rows.first_wrong[left], n_tuning, terms, risk)


def _level_test(walk: Walk, risk: float) -> LevelTest:
    reported, wrong = (0, 0) if walk.threshold is None else (walk.reported, walk.wrong)
    return LevelTest(round(risk, 12), walk.rows, reported, wrong)


def _each_primary(rows: _Rows, order: IntArray, tuned_on: int, terms: Terms, shares: tuple[float, float]) -> _Found:
    """Walks of each primary with enough rows, which share the risk equally.

    Which primary a row is of is what the model says, so that how many rows each has tells nothing of errors.
    """
    own = rows.first_primary if terms.levels == "primary" else rows.second_primary
    sizes = np.bincount(own[order], minlength=len(rows.primaries))
    chosen = _with_enough_rows(sizes, terms, max(shares))
    if not chosen:
        raise CalibrationError(
            f"the sample has {len(order):,} rows, at most {int(sizes.max())} of one primary; to promise {terms.error:.1%} for a primary, at least "
            f"{_enough_rows(terms, max(shares))} are needed of it: label more rows, or promise for all primaries together"
        )
    found = {primary: (Walk(), Walk()) for primary in chosen}
    seen = np.arange(len(order)) < tuned_on
    below = np.full(len(rows.primaries), np.inf if terms.levels == "primary" else 0.0)
    for primary in chosen if terms.levels != "primary" else ():
        places = np.flatnonzero(own[order] == primary)
        members, n_tuning = order[places], max(int(seen[places].sum()), tuning_rows(len(places)))
        walk = walk_thresholds(
            rows.second[members], rows.second_wrong[members], n_tuning, terms, shares[0] / len(chosen)
        )
        found[primary] = (walk, Walk())
        below[primary] = 0.0 if walk.threshold is None else walk.stopped_at or 0.0
        seen[places[: walk.tuned_on]] = True
    left = rows.second[order] < below[rows.second_primary[order]]
    for primary in chosen:
        mine = left & (rows.first_primary[order] == primary)
        walk = _walk_left(rows, order[mine & seen], order[mine & ~seen], terms, shares[1] / len(chosen))
        found[primary] = (found[primary][0], walk)
    return _together(rows, found, below, shares)


def _together(
    rows: _Rows, found: dict[int, tuple[Walk, Walk]], below: FloatArray, shares: tuple[float, float]
) -> _Found:
    by_primary = []
    for primary, name in enumerate(rows.primaries):
        second, first = found.get(primary, (Walk(), Walk()))
        limit = None if np.isinf(below[primary]) else float(below[primary])
        by_primary.append((name, Thresholds(second.threshold, first.threshold, primary_below=limit)))
    left_out = tuple(name for name, own in by_primary if own.secondary is None and own.primary is None)
    if len(left_out) == len(by_primary):
        raise CalibrationError(
            "for no primary are so few of the surest labels wrong that the rate can be promised; promise a higher rate, or one for all "
            "primaries together"
        )
    tests = tuple(
        (
            rows.primaries[primary],
            _level_test(second, shares[0] / len(found)),
            _level_test(first, shares[1] / len(found)),
        )
        for primary, (second, first) in sorted(found.items())
    )
    thresholds = Thresholds(None, None, temperature=rows.temperature, by_primary=tuple(by_primary))
    return _Found(thresholds, _summed(tests, 1), _summed(tests, 2), tests, left_out)


def _summed(tests: Sequence[tuple[str, LevelTest, LevelTest]], level: Literal[1, 2]) -> LevelTest:
    own = [test[level] for test in tests]
    return LevelTest(
        round(math.fsum(test.risk for test in own), 12),
        sum(test.rows for test in own),
        sum(test.reported for test in own),
        sum(test.wrong for test in own),
    )


def _enough_rows(terms: Terms, risk: float) -> int:
    """Rows of a group of which enough can be tested, with some to spare."""
    return math.ceil(1.5 * rows_needed(terms.error, risk, terms.audited) / 0.8)


def _with_enough_rows(sizes: IntArray, terms: Terms, risk: float) -> list[int]:
    """As many of the largest groups as have enough rows when they share the risk."""
    largest = sorted(range(len(sizes)), key=lambda group: (-int(sizes[group]), group))
    for count in range(len(largest), 0, -1):
        if sizes[largest[count - 1]] >= _enough_rows(terms, risk / count):
            return sorted(largest[:count])
    return []


# ---------------------------------------------------------------------------------------- rows and messages


def _take(said: ReasonProbabilities, rows: IntArray) -> ReasonProbabilities:
    return ReasonProbabilities(said.proba[rows], said.in_scope[rows])


def _check(
    said: ReasonProbabilities,
    classes: Sequence[str],
    truth: Sequence[str | None],
    groups: Sequence[Any] | None,
    terms: Terms,
) -> None:
    for name, value, low in (("error", terms.error, 0.0), ("assurance", 1.0 - terms.risk, 0.5)):
        if not low < value < 1.0:
            raise CalibrationError(
                f"the promised {name} is {value:g}; it must lie between {low:g} and 1, such as 0.{'05' if name == 'error' else '95'}"
            )
    if terms.audited is not None and (type(terms.audited) is not int or terms.audited < 1):
        raise CalibrationError(
            f"audited is {shorten(terms.audited)}; it must be a whole number of contacts, at least 1, or None"
        )
    if terms.levels not in LEVELS:
        raise CalibrationError(f"levels is {shorten(terms.levels)}; {nearest(terms.levels, LEVELS)}")
    n = len(truth)
    if len(said.proba) != n or len(said.in_scope) != n or (groups is not None and len(groups) != n):
        raise CalibrationError(
            f"{n} truths do not fit {len(said.proba)} rows of probabilities or the groups; give one of each a row"
        )
    for row, reason in enumerate(truth):
        if reason is not None and reason not in classes:
            raise CalibrationError(
                f"row {row + 1}: {shorten(reason)} is no reason of this model; {nearest(reason, classes)} Correct the label, or leave it empty "
                "for a contact that has none of the model's reasons"
            )


def _check_enough(n: int, tuned_on: int, terms: Terms, risk: float) -> None:
    needed = rows_needed(terms.error, risk, terms.audited)
    if n - tuned_on >= needed:
        return
    rows = needed
    while rows - tuning_rows(rows) < needed:
        rows += 1
    raise CalibrationError(
        f"the sample has {n:,} independent rows, of which {n - tuned_on:,} can be tested; to promise that at most {terms.error:.1%} are wrong with "
        f"{1 - terms.risk:.1%} assurance, {needed:,} reported rows without a single error are the least: label {rows:,} rows or more, "
        "promise a higher rate, or with less assurance"
    )


def _no_threshold(level: str, walk: Walk, n: int, terms: Terms, risk: float) -> CalibrationError:
    """Why the walk did not get beyond its start, and what would do."""
    from scipy.special import betaincinv

    wrong, reported = walk.wrong, walk.reported
    needed = rows_needed(terms.error, risk, terms.audited)
    if reported < needed:
        return CalibrationError(
            f"only {reported:,} of {walk.rows:,} tested rows are sure enough to begin with at the {level} level, and {needed:,} without a "
            f"single error are the least to promise {terms.error:.1%}; label about {math.ceil(1.5 * n * needed / max(reported, 1)):,} rows"
        )
    message = (
        f"of the {reported:,} surest tested rows {wrong:,} are wrong at the {level} level, too many to promise {terms.error:.1%} "
        f"with {1 - terms.risk:.1%} assurance; "
    )
    if wrong == reported:
        return CalibrationError(message + "train the model on more tickets of this kind first")
    possible = math.ceil(1000 * float(betaincinv(wrong + 1, reported - wrong, 1 - risk))) / 1000
    advice = f"about {possible:.1%} could be promised"
    if wrong / reported < terms.error:
        times = 1
        while times < 1000 and p_value(times * reported, times * wrong, terms.error, terms.audited) > risk:
            times += 1
        if times < 1000:
            advice += f", or label about {times * n:,} rows if as few of them are wrong"
    return CalibrationError(message + advice)
