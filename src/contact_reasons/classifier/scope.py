"""What tells a text that has a reason from one that has none, where few texts out of scope are given: the shipped background.

A model's own evidence, the log-sum-exp of its scores [1]_, is low for what it has not seen; a linear head that tells the labelled
texts from a background of everyday talk, other trades and junk adds the words that speak for or against the business.

References
----------
.. [1] W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based out-of-distribution detection", NeurIPS 2020.
"""

from __future__ import annotations

import gzip
import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from contact_reasons.resources import background_file

__all__ = ["ScopeColumn", "fit_scope", "read_background"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEARER_THAN = 0.05  # background texts with more evidence than this quantile of the labelled ones may have a reason
_SHARE = 0.5  # spread of the head's score against that of the evidence
_OWN_WEIGHT = 5.0  # of a text out of scope that was given, against one of the background
_OUTSIDE_SHARE = 0.1  # of contacts, expected
_FOLDS = 3
_FEWEST = 20


class ScopeColumn(NamedTuple):
    """The score of "out of scope", to be set against the log-sum-exp of the others.

    Parameters
    ----------
    weights : ndarray of float32, shape (n_features,)
    intercept : float
    held_out : ndarray of float64, shape (n,)
        The same scores of the labelled texts, by heads that have not seen them.
    """

    weights: npt.NDArray[np.float32]
    intercept: float
    held_out: FloatArray


def read_background() -> list[str]:
    """The shipped texts that belong to hardly any taxonomy, all written for this project."""
    with gzip.open(background_file(), "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def fit_scope(
    features: sparse.csr_matrix,
    evidence: FloatArray,
    inside: npt.NDArray[np.bool_],
    folds: IntArray,
    background: sparse.csr_matrix,
    background_evidence: FloatArray,
) -> ScopeColumn:
    """A column for "out of scope" from labelled texts and the background.

    Background texts for which the model finds as much evidence as for labelled ones are left out: they may well have a reason.

    Parameters
    ----------
    features : csr_matrix of float32, shape (n, n_features)
        Of the labelled texts, then of those out of scope.
    evidence : ndarray of float64, shape (n,)
        Held-out log-sum-exp of their scores.
    inside : ndarray of bool, shape (n,)
    folds : ndarray of int64, shape (n,)
    background : csr_matrix of float32, shape (m, n_features)
    background_evidence : ndarray of float64, shape (m,)
    """
    far = background_evidence < np.quantile(evidence[inside], _NEARER_THAN)
    background, background_evidence = background[far], background_evidence[far]
    n, m = len(evidence), int(far.sum())
    rows = sparse.vstack([features, background]).tocsr()
    is_inside = np.concatenate([inside, np.zeros(m, dtype=np.bool_)])
    weights = np.where(is_inside, 1.0, np.concatenate([np.full(n, _OWN_WEIGHT), np.ones(m)]))
    part = np.concatenate([folds, np.arange(m)]) % _FOLDS
    if n + m - inside.sum() < _FEWEST:
        head, offset, held_out = np.zeros(features.shape[1], np.float32), 0.0, np.zeros(n + m)
    else:
        head, offset = _fit_head(rows, is_inside, weights)
        held_out = np.zeros(n + m)
        for fold in range(_FOLDS):
            known = part != fold
            if known.all() or len(np.unique(is_inside[known])) < 2:
                held_out[~known] = rows[~known] @ head + offset
            else:
                of_fold, bias = _fit_head(rows[known], is_inside[known], weights[known])
                held_out[~known] = rows[~known] @ of_fold + bias
    spread = float(held_out[is_inside].std())
    factor = _SHARE * float(evidence[inside].std()) / spread if spread > 0 else 0.0
    total = np.concatenate([evidence, background_evidence]) + factor * held_out
    threshold = _threshold(total, is_inside, weights)
    return ScopeColumn(
        (-factor * head).astype(np.float32), threshold - factor * offset, threshold - factor * held_out[:n]
    )


def _fit_head(
    rows: sparse.csr_matrix, inside: npt.NDArray[np.bool_], weights: FloatArray
) -> tuple[npt.NDArray[np.float32], float]:
    balance = np.where(inside, weights / weights[inside].sum(), weights / weights[~inside].sum()) * len(inside) / 2
    with threadpool_limits(1):
        found = LogisticRegression(C=1.0, max_iter=300).fit(rows, inside, sample_weight=balance)
    return found.coef_[0].astype(np.float32), float(found.intercept_[0])


def _threshold(total: FloatArray, inside: npt.NDArray[np.bool_], weights: FloatArray) -> float:
    """Where a text is as likely in scope as out of it, if a tenth of all contacts is out of scope."""
    share = np.where(inside, weights / weights[inside].sum(), 0.0)
    if not inside.all():
        share[~inside] = _OUTSIDE_SHARE * weights[~inside] / weights[~inside].sum()
    signs = np.where(inside, 1.0, -1.0)

    def loss(threshold: float) -> float:
        return float(share @ np.logaddexp(0.0, -signs * (total - threshold)))

    span = (float(total.min()) - 20.0, float(total.max()) + 20.0)
    return float(optimize.minimize_scalar(loss, bounds=span, method="bounded").x)
