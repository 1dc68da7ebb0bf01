"""Do labels depend on texts at all? A permutation test with a quick linear model."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.evaluation.reasons import Proportion, proportion

__all__ = ["DependenceTest", "labels_depend_on_texts"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_ROWS: Final = 2_000
FEWEST_ROWS: Final = 100
LEVEL: Final = 0.05
_FOLDS: Final = 5
_RIDGE: Final = 1.0
_CHARS: Final = 2_000
_BUCKETS: Final = 1 << 18


class DependenceTest(NamedTuple):
    """Outcome of the test.

    Parameters
    ----------
    verdict : {'depend', 'no_sign', 'too_few'}
        ``'no_sign'``: p above 0.05 on at least 100 texts. ``'too_few'``: p above 0.05 on fewer, so that nothing is known.
    p_value : float
        Share of the labellings, the given one and random permutations of it, that fit the texts as well as the given one, in (0, 1].
    permutations : int
    rows : int
        Texts that were used: at most 2,000, one of each group.
    accuracy : Proportion
        Held-out accuracy of the quick model with the given labels; the trained model does better.
    permuted_accuracy : float
        Its mean with permuted labels.
    majority : Proportion
        Share of the commonest label: what answering it always would get.
    """

    verdict: str
    p_value: float
    permutations: int
    rows: int
    accuracy: Proportion
    permuted_accuracy: float
    majority: Proportion

    @property
    def beats_majority(self) -> bool:
        """Whether the whole 95 % interval of the accuracy lies above the share of the commonest label."""
        return self.accuracy.low > self.majority.share


def labels_depend_on_texts(
    texts: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[Any] | None = None,
    *,
    permutations: int = 99,
    seed: int = 0,
) -> DependenceTest:
    r"""Test the hypothesis that labels were given without regard to texts.

    A ridge regression from character n-grams to labels is cross-validated on the given labels and on random permutations of them.
    The statistic sums each text's held-out score of its own label, above the label's share, over the root of the label's count: it is high where
    texts tell of labels, even where one label is by far the commonest, where accuracy is blind. :math:`p = (1 + \#\{T_i \ge T\}) / (1 + n)`, valid at any size [1]_. One text of each group is
    used, so that texts of one customer, or repeats, neither help nor count twice.

    Parameters
    ----------
    texts : sequence of str, length n
    labels : sequence of str, length n
    groups : sequence of hashable, length n, optional
    permutations : int
        At least 19.
    seed : int

    References
    ----------
    .. [1] M. Ojala, G. C. Garriga, "Permutation tests for studying classifier performance", JMLR 11 (2010).

    Examples
    --------
    >>> texts = ["my parcel is late " + "so " * i for i in range(30)] + ["send the invoice " + "now " * i for i in range(30)]
    >>> labels_depend_on_texts(texts, ["delivery"] * 30 + ["billing"] * 30).verdict
    'depend'
    """
    if not len(texts) == len(labels) == (len(texts) if groups is None else len(groups)):
        raise ValueError("texts, labels and groups differ in length; give one of each a text")
    if permutations < 19:
        raise ValueError(f"permutations is {permutations}; fewer than 19 cannot show anything at 5 %")
    random = np.random.default_rng(seed)
    rows = _sample(len(texts), groups, random)
    index = {label: i for i, label in enumerate(sorted(set(labels)))}
    target = np.array([index[labels[row]] for row in rows.tolist()], dtype=np.int64)
    counts = Counter(target.tolist())
    n, k = len(rows), len(index)
    majority = proportion(max(counts.values(), default=0), n)
    if n < 2 * _FOLDS or len(counts) < 2:
        return DependenceTest("too_few", 1.0, 0, n, proportion(0, 0), float("nan"), majority)
    smoothers = _smoothers(_kernel([texts[row][:_CHARS] for row in rows.tolist()]))
    score, accuracy = _held_out(smoothers, target, k)
    others = [_held_out(smoothers, random.permutation(target), k) for _ in range(permutations)]
    p_value = (1 + sum(other >= score - 1e-12 for other, _ in others)) / (1 + permutations)
    verdict = "depend" if p_value <= LEVEL else "no_sign" if n >= FEWEST_ROWS else "too_few"
    return DependenceTest(
        verdict,
        p_value,
        permutations,
        n,
        proportion(round(accuracy * n), n),
        float(np.mean([other for _, other in others])),
        majority,
    )


def _sample(n: int, groups: Sequence[Any] | None, random: np.random.Generator) -> IntArray:
    """At most 2,000 rows, one of each group, in random order."""
    order = random.permutation(n)
    if groups is not None:
        first: dict[Any, int] = {}
        for row in order.tolist():
            first.setdefault(groups[row], row)
        order = np.array(list(first.values()), dtype=np.int64)
    return order[:MOST_ROWS].astype(np.int64)


def _kernel(texts: Sequence[str]) -> FloatArray:
    """Cosines of tf-idf rows of character n-grams, shape (n, n): of letters, so that it reads scripts without spaces too."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counts = HashingVectorizer(analyzer="char_wb", ngram_range=(1, 4), n_features=_BUCKETS, norm=None)
    rows = TfidfTransformer(sublinear_tf=False).fit_transform(abs(counts.transform(texts)))
    cosines: FloatArray = (rows @ rows.T).toarray()
    return cosines


def _smoothers(kernel: FloatArray) -> list[tuple[IntArray, IntArray, FloatArray]]:
    """For each fold its held-out rows, the others, and the matrix that turns labels of the others into held-out scores.

    Rows are in random order already, so that runs of them are folds.
    """
    n = len(kernel)
    edges = np.linspace(0, n, _FOLDS + 1).astype(np.int64)
    result = []
    for start, stop in itertools.pairwise(edges.tolist()):
        held_out = np.arange(start, stop)
        inside = np.concatenate([np.arange(start), np.arange(stop, n)])
        solved = np.linalg.solve(
            kernel[np.ix_(inside, inside)] + _RIDGE * np.eye(len(inside)), kernel[np.ix_(inside, held_out)]
        )
        result.append((held_out, inside, np.ascontiguousarray(solved.T)))
    return result


def _held_out(smoothers: list[tuple[IntArray, IntArray, FloatArray]], target: IntArray, k: int) -> tuple[float, float]:
    """Sum of the centred scores of the own labels, each over the root of its label's count, and accuracy."""
    total, right = 0.0, 0
    weight = np.sqrt(np.bincount(target, minlength=k))
    for held_out, inside, smoother in smoothers:
        order = np.argsort(target[inside], kind="stable")
        present, starts = np.unique(target[inside][order], return_index=True)
        share = np.bincount(target[inside], minlength=k) / len(inside)
        sums = np.zeros((len(held_out), k))
        sums[:, present] = np.add.reduceat(smoother[:, order], starts, axis=1)
        centred = sums - smoother.sum(axis=1)[:, None] * share
        own = target[held_out]
        total += float((centred[np.arange(len(held_out)), own] / weight[own]).sum())
        right += int(((centred + share).argmax(axis=1) == own).sum())
    return total, right / len(target)
