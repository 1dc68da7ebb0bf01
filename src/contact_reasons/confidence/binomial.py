"""Exact tests of error rates by counting: in the long run, and in an audit of so many contacts."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["p_value", "p_values", "rows_needed"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK: Final = 512


def p_values(reported: IntArray, wrong: IntArray, error: float, audited: int | None = None) -> FloatArray:
    r"""Probability of at most ``wrong`` errors among ``reported`` rows if the true rate were just too high.

    .. math:: P(\mathrm{Bin}(n, \alpha) \le w)

    the exact test that inverts to the upper limit of Clopper and Pearson [1]_. With ``audited`` :math:`m`, the hypothesis is that more than
    :math:`k = \lfloor \alpha m \rfloor` of other m reported contacts are wrong; the rate at which this has probability u is
    the u-quantile of :math:`\mathrm{Beta}(k + 1, m - k)`, so that the mean of the above over u is

    .. math:: P(\mathrm{BetaBin}(n, k + 1, m - k) \le w)

    and the larger of the two is taken: the promise then holds in the long run and when it is counted.

    Parameters
    ----------
    reported, wrong : ndarray of int64, shape (n,)
    error : float
    audited : int, optional

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
       Biometrika 26 (1934).

    Examples
    --------
    >>> p_values(np.array([58, 59, 59]), np.array([0, 0, 1]), 0.05).round(3).tolist()
    [0.051, 0.048, 0.199]
    """
    from scipy.special import bdtr

    long_run: FloatArray = bdtr(wrong, reported, error)
    long_run[reported == 0] = 1.0
    return long_run if audited is None else np.maximum(long_run, _beta_binomial(reported, wrong, error, audited))


def _beta_binomial(reported: IntArray, wrong: IntArray, error: float, audited: int) -> FloatArray:
    from scipy.special import betaln, gammaln

    k = math.floor(error * audited + 1e-9)
    a, b = k + 1.0, float(audited - k)
    result = np.empty(len(reported))
    for start in range(0, len(reported), _BLOCK):
        part = slice(start, start + _BLOCK)
        n, most = reported[part, None].astype(np.float64), wrong[part, None]
        at = np.arange(int(most.max(initial=0)) + 1)[None, :]
        inside = at <= most
        few = np.where(inside, at, 0).astype(np.float64)
        logs = gammaln(n + 1) - gammaln(few + 1) - gammaln(n - few + 1) + betaln(few + a, n - few + b) - betaln(a, b)
        result[part] = np.where(inside, np.exp(logs), 0.0).sum(axis=1)
    return np.minimum(result, 1.0)


def rows_needed(error: float, risk: float, audited: int | None = None) -> int:
    r"""Fewest reported rows that can reject at all, with no error among them: :math:`\ln\delta / \ln(1 - \alpha)`, if not audited.

    Examples
    --------
    >>> rows_needed(0.05, 0.05)
    59
    """
    low, high = 0, 1
    while p_value(high, 0, error, audited) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if p_value(middle, 0, error, audited) <= risk else (middle, high)
    return high


def p_value(reported: int, wrong: int, error: float, audited: int | None = None) -> float:
    """`p_values` of one pair of counts."""
    return float(p_values(np.array([reported]), np.array([wrong]), error, audited)[0])
