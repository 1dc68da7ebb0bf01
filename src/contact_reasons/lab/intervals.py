"""Intervals of means: normal, bootstrap percentile, and bounds that hold for any distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "bernstein_bound", "bootstrap_means", "normal_interval", "percentile_interval"]

FloatArray = npt.NDArray[np.float64]

_Z95: Final = 1.959963984540054
_DELTA: Final = 0.05
_NO_WIDTH: Final = 1e-12


class Interval(NamedTuple):
    """From ``low`` to ``high``."""

    low: float
    high: float


def normal_interval(value: float, standard_error: float) -> Interval:
    """The value plus and minus 1.96 standard errors: 95 % in the long run, for large samples.

    Examples
    --------
    >>> normal_interval(0.5, 0.1)
    Interval(low=0.3040036015459946, high=0.6959963984540054)
    """
    return Interval(value - _Z95 * standard_error, value + _Z95 * standard_error)


def bootstrap_means(columns: Sequence[FloatArray], resamples: int, seed: int = 0) -> FloatArray:
    """The means of columns over samples of their rows with replacement, shape (m, resamples); all columns in the same samples.

    Numbers are those of ``numpy.random.RandomState(seed)``, whose stream is frozen.

    Parameters
    ----------
    columns : sequence of ndarray of float64, shape (n,), length m
    resamples : int
    seed : int

    References
    ----------
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).

    Examples
    --------
    >>> bootstrap_means([np.array([0.0, 1.0]), np.array([2.0, 4.0])], 3).tolist()
    [[0.5, 0.5, 1.0], [3.0, 3.0, 4.0]]
    """
    stacked = np.stack(columns)
    n, random = stacked.shape[1], np.random.RandomState(seed)
    means = np.empty((len(columns), resamples))
    for sample in range(resamples):
        means[:, sample] = stacked[:, random.choice(n, size=n)].mean(axis=1)
    return means


def percentile_interval(drawn: FloatArray) -> Interval | None:
    """The 2.5 % and 97.5 % percentiles of what was drawn, NaN left out; None without draws or without width.

    Examples
    --------
    >>> percentile_interval(np.arange(101.0))
    Interval(low=2.5, high=97.5)
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high)) if high - low > _NO_WIDTH * max(1.0, abs(high)) else None


def bernstein_bound(terms: FloatArray, within: tuple[float, float], delta: float = _DELTA) -> float | None:
    r"""A number not above the true mean with probability :math:`1 - \delta` at least (empirical Bernstein); None for a single term.

    .. math:: \bar x - \sqrt{\frac{2 s^2 \ln(2/\delta)}{n}} - \frac{7 R \ln(2/\delta)}{3 (n - 1)}

    where :math:`s^2` is the sample variance (n - 1 below) and R the width of ``within``.

    Parameters
    ----------
    terms : ndarray of float64, shape (n,)
        Independent.
    within : (float, float)
        Least and greatest value that a term can have.
    delta : float
        In (0, 1).

    References
    ----------
    A. Maurer, M. Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT (2009), theorem 4.

    Examples
    --------
    >>> round(bernstein_bound(np.array([0.0, 1.0] * 500), (0.0, 1.0)), 4)
    0.4484
    """
    n = len(terms)
    if n < 2:
        return None
    logs = math.log(2 / delta)
    spread = math.sqrt(2 * float(terms.var(ddof=1)) * logs / n)
    return float(terms.mean()) - spread - 7 * (within[1] - within[0]) * logs / (3 * (n - 1))
