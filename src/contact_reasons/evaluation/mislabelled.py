"""Which given labels are likely wrong: confident learning on held-out probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Suspect", "likely_mislabelled"]

FEWEST_TEXTS: Final = 5


class Suspect(NamedTuple):
    """A row whose given label is likely wrong.

    Parameters
    ----------
    row : int
        From 0.
    given, suggested : str
        Labels.
    probability_given, probability_suggested : float
        In [0, 1], of a model that had not seen the row.
    """

    row: int
    given: str
    suggested: str
    probability_given: float
    probability_suggested: float


def likely_mislabelled(
    proba: npt.NDArray[np.float64],
    given: Sequence[str],
    classes: Sequence[str],
    *,
    judged: npt.NDArray[np.bool_] | None = None,
) -> tuple[Suspect, ...]:
    r"""Rows off the diagonal of the confident joint, those first whose given label is least likely beside the suggested one.

    A label :math:`j` is confident for a row where :math:`\hat p_j \ge t_j`, the mean of :math:`\hat p_j` over the rows given
    :math:`j`. A row is suspect if the most probable of its confident labels is not the given one and more probable than it.
    Rows are ordered by the margin :math:`\hat p_\text{given} - \hat p_\text{suggested}`.

    Labels of fewer than 5 judged rows are neither doubted nor suggested: their thresholds mean nothing.

    Parameters
    ----------
    proba : ndarray of float64, shape (n, k)
        Of models that had not seen the row.
    given : sequence of str, length n
    classes : sequence of str, length k
        Labels of the columns.
    judged : ndarray of bool, shape (n,), optional
        Rows of which a model said anything; the others are left out.

    References
    ----------
    C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70 (2021).

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5 + [[0.2, 0.8]])
    >>> likely_mislabelled(proba, ["a"] * 5 + ["b"] * 5 + ["a"], ["a", "b"])
    ()
    >>> proba[-1] = [0.05, 0.95]
    >>> [(suspect.row, suspect.suggested) for suspect in likely_mislabelled(proba, ["a"] * 5 + ["b"] * 5 + ["a"], ["a", "b"])]
    [(10, 'b')]
    """
    if proba.shape != (len(given), len(classes)):
        raise ValueError(f"proba has the shape {proba.shape} for {len(given)} labels and {len(classes)} classes")
    index = {label: column for column, label in enumerate(classes)}
    rows = np.arange(len(given)) if judged is None else np.flatnonzero(judged)
    target = np.array([index[label] for label in given], dtype=np.int64)[rows]
    said = proba[rows]
    own = said[np.arange(len(rows)), target]
    counts = np.bincount(target, minlength=len(classes))
    usable = counts >= FEWEST_TEXTS
    means = np.bincount(target, weights=own, minlength=len(classes)) / np.maximum(counts, 1)
    confident = (said >= means - 1e-12) & usable
    masked = np.where(confident, said, -1.0)
    best = masked.argmax(axis=1)
    chance = masked[np.arange(len(rows)), best]
    suspect = np.flatnonzero((best != target) & (chance > own) & usable[target])
    order = suspect[np.lexsort((rows[suspect], own[suspect] - chance[suspect]))]
    return tuple(
        Suspect(int(rows[i]), classes[target[i]], classes[best[i]], float(own[i]), float(chance[i]))
        for i in order.tolist()
    )
