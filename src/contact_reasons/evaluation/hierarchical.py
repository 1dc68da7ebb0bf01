"""Scores that give a right primary its due: hierarchical precision, recall and F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["HierarchicalScores", "hierarchical_scores"]


class HierarchicalScores(NamedTuple):
    """Hierarchical precision, recall and F1.

    Parameters
    ----------
    precision, recall : float
        In [0, 1]; NaN where nothing was answered, or no text has a reason.
    f1 : float
        Their harmonic mean; NaN where both numbers of nodes are 0.
    right, answered, true : int
        Numbers of nodes: both answered and true, answered, true.
    """

    precision: float
    recall: float
    f1: float
    right: int
    answered: int
    true: int


def hierarchical_scores(truth: Sequence[str | None], answers: Sequence[str | None]) -> HierarchicalScores:
    r"""Micro-averaged precision and recall over reasons and their ancestors.

    .. math:: hP = \frac{\sum_i |\hat Y_i \cap Y_i|}{\sum_i |\hat Y_i|}, \qquad
        hR = \frac{\sum_i |\hat Y_i \cap Y_i|}{\sum_i |Y_i|}, \qquad hF = \frac{2 \, hP \, hR}{hP + hR}

    A set holds a reason and its ancestors without the root: {a.x} counts as {a, a.x}. An answer of the primary alone is {a}:
    half of a secondary's recall, and no risk for precision. An abstention is the empty set: it costs recall, not
    precision. A text without a reason has the empty set, too: answering it costs precision.

    Parameters
    ----------
    truth : sequence of str or None, length n
        Secondary or primary ids; None: no reason.
    answers : sequence of str or None, length n
        Secondary or primary ids; None: abstained.

    References
    ----------
    S. Kiritchenko, S. Matwin, R. Nock and A. F. Famili, "Learning and evaluation in the presence of class hierarchies:
    application to text categorization", Canadian AI (2006).

    Examples
    --------
    >>> found = hierarchical_scores(["a.x", "a.x", "b.z", None], ["a.x", "a.y", "b", None])
    >>> round(found.precision, 3), round(found.recall, 3), round(found.f1, 3)
    (0.8, 0.667, 0.727)
    """
    if len(truth) != len(answers):
        raise ValueError(f"{len(truth)} true ids and {len(answers)} answers; give one of each a text")
    right = answered = true = 0
    for reason, answer in zip(truth, answers, strict=True):
        wanted, given = _with_ancestors(reason), _with_ancestors(answer)
        right += len(wanted & given)
        answered += len(given)
        true += len(wanted)
    return HierarchicalScores(
        right / answered if answered else math.nan,
        right / true if true else math.nan,
        2 * right / (answered + true) if answered + true else math.nan,
        right,
        answered,
        true,
    )


def _with_ancestors(reason: str | None) -> frozenset[str]:
    return frozenset() if reason is None else frozenset((reason, reason.partition(".")[0]))
