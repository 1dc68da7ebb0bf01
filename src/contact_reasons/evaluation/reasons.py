"""How good predicted reasons are: at both levels, reason by reason, and what is taken for what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Confusion", "Proportion", "ReasonScore", "ReasonScores", "proportion", "score_reasons"]

_Z95 = 1.959963984540054


class Proportion(NamedTuple):
    """A share with its 95 % interval.

    Parameters
    ----------
    share : float
        In [0, 1]; NaN where ``total`` is 0.
    low, high : float
        Wilson score interval.
    hits, total : int
    """

    share: float
    low: float
    high: float
    hits: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "none"
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}; {self.hits} of {self.total})"


def proportion(hits: int, total: int) -> Proportion:
    r"""A share with its Wilson score interval at 95 %.

    .. math:: \frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n + z^2/4n^2}}{1 + z^2/n}

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Examples
    --------
    >>> print(proportion(90, 100))
    90.0% (82.6% to 94.5%; 90 of 100)
    """
    if not 0 <= hits <= total:
        raise ValueError(f"hits is {hits} and total {total}; hits must lie between 0 and total")
    if total == 0:
        return Proportion(math.nan, 0.0, 1.0, 0, 0)
    share, z2 = hits / total, _Z95 * _Z95
    centre = share + z2 / (2 * total)
    spread = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    scale = 1 + z2 / total
    low = 0.0 if hits == 0 else (centre - spread) / scale
    high = 1.0 if hits == total else (centre + spread) / scale
    return Proportion(share, low, high, hits, total)


class ReasonScore(NamedTuple):
    """Scores of one reason.

    Parameters
    ----------
    reason : str
    recall : Proportion
        Of the texts of this reason, the share predicted as it.
    precision : Proportion
        Of the texts predicted as it, the share that are.
    f1 : float
        Harmonic mean of both; 0 where nothing is right.
    """

    reason: str
    recall: Proportion
    precision: Proportion
    f1: float


class Confusion(NamedTuple):
    """How many texts of reason ``truth`` were predicted as ``predicted``."""

    truth: str
    predicted: str
    times: int


class ReasonScores(NamedTuple):
    """Scores of predicted secondary ids.

    Parameters
    ----------
    secondary, primary : Proportion
        Accuracy at each level.
    macro_f1 : float
        Mean F1 over the secondary reasons that occur in the truth.
    reasons : tuple of ReasonScore
        In the sorted order of their ids.
    confusions : tuple of Confusion
        Most frequent first, then by id.
    """

    secondary: Proportion
    primary: Proportion
    macro_f1: float
    reasons: tuple[ReasonScore, ...]
    confusions: tuple[Confusion, ...]


def score_reasons(truth: Sequence[str], predicted: Sequence[str]) -> ReasonScores:
    """Scores of predicted against true secondary ids, pair by pair.

    Examples
    --------
    >>> scores = score_reasons(["a.x", "a.y", "b.z"], ["a.x", "a.x", "b.z"])
    >>> round(scores.secondary.share, 3), scores.primary.share
    (0.667, 1.0)
    """
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true and {len(predicted)} predicted ids; give one of each a text")
    pairs = Counter(zip(truth, predicted, strict=True))
    true_counts, predicted_counts = Counter(truth), Counter(predicted)
    reasons = []
    for reason in sorted(true_counts | predicted_counts):
        right = pairs[reason, reason]
        both = true_counts[reason] + predicted_counts[reason]
        reasons.append(
            ReasonScore(
                reason,
                proportion(right, true_counts[reason]),
                proportion(right, predicted_counts[reason]),
                2 * right / both,
            )
        )
    occurring = [score.f1 for score in reasons if score.recall.total]
    wrong = [Confusion(*pair, count) for pair, count in pairs.items() if pair[0] != pair[1]]
    return ReasonScores(
        proportion(sum(count for (t, p), count in pairs.items() if t == p), len(truth)),
        proportion(sum(count for (t, p), count in pairs.items() if _parent(t) == _parent(p)), len(truth)),
        math.fsum(occurring) / len(occurring) if occurring else math.nan,
        tuple(reasons),
        tuple(sorted(wrong, key=lambda confusion: (-confusion.times, confusion.truth, confusion.predicted))),
    )


def _parent(reason: str) -> str:
    return reason.partition(".")[0]
