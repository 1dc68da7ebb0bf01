"""Robust trends of weekly shares: the slope that most pairs of weeks agree on, and its interval."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_A_WEEK", "LEAST_WEEKS", "WEEKS_A_MONTH", "Trends", "sen_slopes", "share_trends"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

WEEKS_A_MONTH: Final = 365.25 / 7 / 12
LEAST_WEEKS: Final = 8
"""Whole weeks below which no trend is given."""

LEAST_A_WEEK: Final = 5.0
"""Mean number of tickets a week below which no trend is given."""

_Z95: Final = 1.959963984540054
_AT_ONCE: Final = 4_000_000


class Trends(NamedTuple):
    """Change of k shares of all tickets, per month of 30.4 days; NaN where counts are too small.

    Parameters
    ----------
    slope, low, high : ndarray of float64, shape (k,)
        0.01 is one percentage point a month; ``low`` to ``high`` is a 95 % interval.
    """

    slope: FloatArray
    low: FloatArray
    high: FloatArray


def share_trends(weekly: IntArray, totals: IntArray) -> Trends:
    """Trends of the shares ``weekly / totals``.

    Parameters
    ----------
    weekly : ndarray of int64, shape (k, w)
        Tickets of each of k groups in each of w whole weeks in a row.
    totals : ndarray of int64, shape (w,)
        All tickets of each week. Weeks without any say nothing and are left out.

    Examples
    --------
    >>> found = share_trends(np.array([[10, 11, 12, 13, 14, 15, 16, 17]]), np.full(8, 100))
    >>> round(float(found.slope[0]), 4)
    0.0435
    """
    k = len(weekly)
    none = np.full(k, np.nan)
    slope, low, high = none.copy(), none.copy(), none.copy()
    week = np.flatnonzero(totals > 0)
    if len(week) >= LEAST_WEEKS:
        enough = np.flatnonzero(weekly[:, week].mean(axis=1) >= LEAST_A_WEEK)
        pairs = len(week) * (len(week) - 1) // 2
        step = max(_AT_ONCE // pairs, 1)
        for begin in range(0, len(enough), step):
            rows = enough[begin : begin + step]
            found = sen_slopes(week.astype(np.float64), weekly[np.ix_(rows, week)] / totals[week])
            slope[rows], low[rows], high[rows] = (each * WEEKS_A_MONTH for each in found)
    return Trends(slope, low, high)


def sen_slopes(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""The Theil–Sen slope of each row of y over x, with its 95 % interval.

    The slope is the median of the N = w (w - 1) / 2 slopes between two points, so that a few strange weeks hardly count. The interval goes from the
    slope of rank :math:`(N - C) / 2` to that of rank :math:`(N + C) / 2 + 1`, where

    .. math:: C = 1.96 \sqrt{w (w - 1) (2 w + 5) / 18}

    which takes the points around the line as independent; ties are not corrected for, which widens it.

    Parameters
    ----------
    x : ndarray of float64, shape (w,)
        Increasing; at least 3 points.
    y : ndarray of float64, shape (k, w)

    Returns
    -------
    tuple of ndarray of float64, shape (k,)
        Slope, lower and upper end.

    References
    ----------
    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", Journal of the American Statistical Association 63 (1968).

    Examples
    --------
    >>> [round(float(each[0]), 3) for each in sen_slopes(np.arange(5.0), np.array([[0.0, 1.0, 2.0, 3.0, 40.0]]))]
    [1.0, 1.0, 37.0]
    """
    one, other = np.triu_indices(len(x), 1)
    slopes = np.sort((y[:, other] - y[:, one]) / (x[other] - x[one]), axis=1)
    n, w = slopes.shape[1], len(x)
    spread = _Z95 * math.sqrt(w * (w - 1) * (2 * w + 5) / 18)
    lower, upper = max(round((n - spread) / 2) - 1, 0), min(round((n + spread) / 2), n - 1)
    return np.median(slopes, axis=1), slopes[:, lower], slopes[:, upper]
