"""What is gained by answering only where confidence is high: risk against coverage."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.evaluation.reasons import Proportion, proportion

__all__ = ["OperatingPoint", "RiskCoverage", "risk_coverage"]


class OperatingPoint(NamedTuple):
    """What answering from a confidence on gives.

    Parameters
    ----------
    confidence : float
        Least confidence that is answered.
    coverage : Proportion
        Share of all texts that are answered.
    risk : Proportion
        Share of the answers that are wrong.
    """

    confidence: float
    coverage: Proportion
    risk: Proportion


class RiskCoverage(NamedTuple):
    """The risk–coverage curve of n answers.

    Parameters
    ----------
    n : int
    confidence : ndarray of float64, shape (m,)
        The distinct confidences, falling: the thresholds there are.
    answered : ndarray of int64, shape (m,)
        Answers of at least that confidence.
    wrong : ndarray of int64, shape (m,)
        How many of these are wrong.
    area : float
        Area under the curve; NaN where n is 0.
    excess_area : float
        Area minus that of the best order there is, all right answers first; 0 is perfect.
    """

    n: int
    confidence: npt.NDArray[np.float64]
    answered: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.int64]
    area: float
    excess_area: float

    def point(self, at: int) -> OperatingPoint:
        """The operating point of the threshold at this place, with Wilson intervals."""
        answered, wrong = int(self.answered[at]), int(self.wrong[at])
        return OperatingPoint(float(self.confidence[at]), proportion(answered, self.n), proportion(wrong, answered))

    def at_risk(self, risk: float) -> OperatingPoint | None:
        """The most that can be answered with at most this share of answers wrong; None if not even one threshold does.

        The threshold is chosen on these very answers: on others, expect a little more errors.

        Examples
        --------
        >>> risk_coverage([0.9, 0.8, 0.7, 0.6], [False, False, True, False]).at_risk(0.25).coverage.share
        1.0
        """
        fine = np.flatnonzero(self.wrong <= risk * self.answered + 1e-9)
        return self.point(int(fine[-1])) if len(fine) else None

    def points(self, most: int = 200) -> tuple[OperatingPoint, ...]:
        """At most this many points, evenly over the coverage, the last threshold always among them."""
        if not self.n:
            return ()
        wanted = np.arange(1, most + 1) * self.n / most
        places = np.unique(np.searchsorted(self.answered, wanted - 1e-9))
        return tuple(self.point(int(at)) for at in places)


def risk_coverage(confidence: npt.ArrayLike, wrong: npt.ArrayLike) -> RiskCoverage:
    r"""Share of wrong answers against share answered, as answers are taken by falling confidence.

    .. math:: \mathrm{AURC} = \frac 1n \sum_{k=1}^{n} \frac{e_k}{k}

    where :math:`e_k` is the number of wrong ones among the k most confident. Equal confidences cannot be told apart by a
    threshold: the curve has a point behind the last of them, and in the area their errors are spread evenly,
    which is the mean over all their orders.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
    wrong : array-like of bool, shape (n,)

    References
    ----------
    R. El-Yaniv and Y. Wiener, "On the foundations of noise-free selective classification", JMLR 11 (2010).
    Y. Geifman, G. Uziel and R. El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR (2019):
    area and excess area.

    Examples
    --------
    >>> curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [False, False, True, False])
    >>> round(curve.area, 4), round(curve.excess_area, 4)
    (0.1458, 0.0833)
    """
    values, errors = np.asarray(confidence, dtype=np.float64), np.asarray(wrong, dtype=np.bool_)
    if values.ndim != 1 or values.shape != errors.shape:
        raise ValueError(f"{values.size} confidences and {errors.size} verdicts; give one of each an answer")
    if np.isnan(values).any():
        raise ValueError("a confidence is not a number")
    n = len(values)
    if not n:
        none = np.zeros(0, dtype=np.int64)
        return RiskCoverage(0, np.zeros(0), none, none, math.nan, math.nan)
    order = np.argsort(-values, kind="stable")
    values, errors = values[order], errors[order]
    last = np.flatnonzero(np.append(values[1:] < values[:-1], True))
    answered, summed = last + 1, np.cumsum(errors)[last]
    taken = np.arange(1, n + 1)
    expected = np.interp(taken, np.append(0, answered), np.append(0, summed))
    area = math.fsum(expected / taken) / n
    best = math.fsum(np.maximum(taken - (n - int(summed[-1])), 0) / taken) / n
    return RiskCoverage(n, values[last], answered.astype(np.int64), summed.astype(np.int64), area, area - best)
