"""How well a score tells two groups apart, such as texts with a reason and texts without."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["RocArea", "roc_area"]

_Z95 = 1.959963984540054
_STEPS = 60


class RocArea(NamedTuple):
    """Area under the ROC curve with its 95 % interval.

    Parameters
    ----------
    area : float
        In [0, 1]; 0.5 is chance; NaN where a group is empty.
    low, high : float
    inside, outside : int
        Sizes of the groups.
    """

    area: float
    low: float
    high: float
    inside: int
    outside: int


def roc_area(inside: npt.ArrayLike, outside: npt.ArrayLike) -> RocArea:
    r"""Probability that a score of the first group is higher than one of the second, a tie counting one half.

    .. math:: A = \frac{1}{mn} \sum_{i,j} \left([x_i > y_j] + \tfrac 12 [x_i = y_j]\right)

    The limits are the solutions :math:`\theta` of

    .. math:: (A - \theta)^2 = z^2 \frac{\theta (1-\theta)}{mn} \left[1 + \left(\frac{m+n}{2} - 1\right)
        \left(\frac{1-\theta}{2-\theta} + \frac{\theta}{1+\theta}\right)\right]

    which, unlike A plus and minus z standard errors, say something where the groups do not overlap at all.

    Parameters
    ----------
    inside : array-like of float, shape (m,)
    outside : array-like of float, shape (n,)

    References
    ----------
    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 143 (1982).
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann–Whitney statistic. Part 2",
    Statistics in Medicine 25 (2006), method 5.

    Examples
    --------
    >>> found = roc_area([0.9, 0.8, 0.4], [0.1, 0.4])
    >>> round(found.area, 4), round(found.low, 2), round(found.high, 2)
    (0.9167, 0.37, 0.99)
    """
    first, second = np.asarray(inside, dtype=np.float64), np.sort(np.asarray(outside, dtype=np.float64))
    if first.ndim != 1 or second.ndim != 1 or np.isnan(first).any() or np.isnan(second).any():
        raise ValueError("each group must be one column of numbers")
    m, n = len(first), len(second)
    if not m or not n:
        return RocArea(math.nan, 0.0, 1.0, m, n)
    below = np.searchsorted(second, first, side="left").sum()
    upto = np.searchsorted(second, first, side="right").sum()
    area = float(below + upto) / (2 * m * n)
    return RocArea(area, _limit(area, m, n, 0.0), _limit(area, m, n, 1.0), m, n)


def _limit(area: float, m: int, n: int, end: float) -> float:
    """The solution between the area and an end of the scale, by bisection."""
    if area == end:
        return end
    near, far = area, end
    for _ in range(_STEPS):
        middle = (near + far) / 2
        spread = middle * (1 - middle) / (m * n)
        spread *= 1 + ((m + n) / 2 - 1) * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        if (area - middle) ** 2 < _Z95 * _Z95 * spread:
            near = middle
        else:
            far = middle
    return (near + far) / 2
