"""Which texts must stand on one side of a split: of one customer, equal, or nearly so; and a cut by time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from contact_reasons.classifier.features import normalise
from contact_reasons.errors import TrainingError

__all__ = ["LARGEST_SHARE", "Sides", "TimeCut", "cut_by_time", "keep_together", "near_repeats"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LARGEST_SHARE: Final = 1 / 3
"""A component with more than this share of all texts is loosened: large families of near repeats, then all near repeats, no longer
hold it together."""

_SHARED_FIFTHS: Final = 4
"""Near repeats share at least four fifths of the distinct words of the longer text."""
_FEW: Final = 20
_MOST_SHARING: Final = 400
_NEIGHBOURS: Final = 20
_BLOCK: Final = 2048
_OLD_BLOCK: Final = 64


class Sides(NamedTuple):
    """Which of n texts belong together on every split.

    Parameters
    ----------
    keys : tuple of str, length n
        Equal keys: on one side. Made of the texts alone, so that they depend on no order.
    sizes : tuple of int
        Texts of each component, largest first.
    repeated : int
        Texts beyond the first of each set of equal ones.
    near : int
        Texts that a near repeat alone joined to others.
    loosened : int
        Texts of components so large that not all near repeats were kept together there; see `LARGEST_SHARE`.
    sampled : int
        Words so common among the candidates that each text with one was compared with its nearest neighbours in sorted order
        only: a few near repeats with such words may be missed.
    """

    keys: tuple[str, ...]
    sizes: tuple[int, ...]
    repeated: int
    near: int
    loosened: int
    sampled: int


def keep_together(texts: Sequence[str], groups: Sequence[Any] | None = None) -> Sides:
    """Join texts of one group (such as a customer), equal texts and near repeats, until nothing is shared any more.

    Texts are compared as the classifier sees them: case, digits and personal data do not count. Near repeats share
    80 % or more of the distinct words of the longer one. Candidates are found by prefix filtering [1]_: of two such texts, the rarest
    words of one, a fifth and one more, hold one of the other's. Words shared by more than 400 candidates are compared with 20 neighbours in
    sorted order instead, which bounds the cost.

    Parameters
    ----------
    texts : sequence of str, length n
        Clean texts.
    groups : sequence, length n, optional
        None, NaN or an empty string is a group of its own.

    References
    ----------
    .. [1] R. J. Bayardo, Y. Ma, R. Srikant, "Scaling up all pairs similarity search", WWW 2007.

    Examples
    --------
    >>> sides = keep_together(["where is order 12", "Where is order 99?", "an invoice", "vat please"], [None, None, 7, 7])
    >>> sides.sizes, sides.keys[0] == sides.keys[1], sides.keys[2] == sides.keys[3]
    ((2, 2), True, True)
    """
    n = len(texts)
    if groups is not None and len(groups) != n:
        raise TrainingError(f"{n} texts but {len(groups)} groups; give one group a text")
    plain = [" ".join(normalise(text).split()) for text in texts]
    equal, n_equal = _numbered(plain)
    first = np.full(n_equal, n, dtype=np.int64)
    np.minimum.at(first, equal, np.arange(n))
    same = np.column_stack([np.arange(n), first[equal]])
    links = same if groups is None else np.concatenate([same, _group_links(groups)])
    pairs, sampled = _near_pairs([plain[row] for row in first])
    near = first[pairs]
    clusters = _components(n, np.concatenate([same, near]))
    small = near[np.bincount(clusters, minlength=1)[clusters[near[:, 0]]] <= _FEW]
    whole, some, strict = (_components(n, np.concatenate([links, more])) for more in (near, small, near[:0]))
    component, sizes = whole.copy(), np.bincount(whole, minlength=1)
    for step, looser in enumerate((some, strict), 1):
        too_large = (np.unique(component, return_counts=True)[1] > max(n * LARGEST_SHARE, _FEW))[
            np.unique(component, return_inverse=True)[1]
        ]
        component = np.where(too_large, looser + step * n, component)
    alone = np.bincount(strict, minlength=1)[strict] == 1
    together = np.unique(component, return_inverse=True)[1]
    counts = np.bincount(together, minlength=1)
    return Sides(
        keys=_least_hashes(component, plain),
        sizes=tuple(sorted(counts[counts > 0].tolist(), reverse=True)),
        repeated=n - n_equal,
        near=int((alone & (counts[together] > 1)).sum()),
        loosened=int((counts[together] < sizes[whole]).sum()),
        sampled=sampled,
    )


def _least_hashes(component: IntArray, texts: Sequence[str]) -> tuple[str, ...]:
    """For each text the least hash of its component's texts."""
    least: dict[int, str] = {}
    for label, text in zip(component.tolist(), texts, strict=True):
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if label not in least or digest < least[label]:
            least[label] = digest
    return tuple(least[label] for label in component.tolist())


def _numbered(values: Iterable[Any]) -> tuple[IntArray, int]:
    """A number for each value, equal ones for equal values, and how many there are."""
    index: dict[Any, int] = {}
    numbers = np.array([index.setdefault(value, len(index)) for value in values], dtype=np.int64)
    return numbers, len(index)


def _group_links(groups: Sequence[Any]) -> IntArray:
    seen: dict[tuple[str, str], int] = {}
    links = [
        (row, seen.setdefault((type(group).__name__, str(group)), row))
        for row, group in enumerate(groups)
        if group is not None and group == group and group != ""
    ]
    return np.array(links, dtype=np.int64).reshape(-1, 2)


def _components(n: int, links: IntArray) -> IntArray:
    if not n:
        return np.zeros(0, dtype=np.int64)
    graph = sparse.coo_matrix((np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(n, n))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _near_pairs(texts: Sequence[str]) -> tuple[IntArray, int]:
    """Enough pairs of near repeats to join all that belong together, shape (m, 2), and the number of words sampled."""
    words: dict[str, int] = {}
    rows = _word_rows(texts, words)
    n, sizes = len(texts), np.diff(rows.indptr).astype(np.int64)
    df = np.bincount(rows.indices, minlength=len(words))
    order = np.lexsort((np.array(list(words), dtype=object), df)) if words else np.zeros(0, np.int64)
    rank = np.empty(len(words), dtype=np.int64)
    rank[order] = np.arange(len(words))
    by_rank = sparse.csr_matrix((rows.data, rank[rows.indices], rows.indptr), shape=rows.shape)
    by_rank.sort_indices()

    prefix = sizes - _needed(sizes) + 1
    position = np.arange(len(by_rank.indices)) - np.repeat(by_rank.indptr[:-1].astype(np.int64), sizes)
    leading = position < np.repeat(prefix, sizes)
    text_of = np.repeat(np.arange(n), sizes)[leading]
    word_of = by_rank.indices[leading].astype(np.int64)
    sharing = np.bincount(word_of, minlength=max(len(words), 1))
    crowded = np.flatnonzero(sharing > _MOST_SHARING)
    rare = sharing[word_of] <= _MOST_SHARING
    index = sparse.csr_matrix(
        (np.ones(int(rare.sum()), dtype=np.int32), (text_of[rare], word_of[rare])), shape=(n, max(len(words), 1))
    )
    found = [_crowded_pairs(by_rank, text_of, word_of, crowded, sizes)]
    turned = index.T.tocsr()
    for start in range(0, n, _BLOCK):
        pairs = (index[start : start + _BLOCK] @ turned).tocoo()
        left, right = pairs.row.astype(np.int64) + start, pairs.col.astype(np.int64)
        found.append(_verified(by_rank, sizes, left[left < right], right[left < right]))
    return np.concatenate(found), len(crowded)


def _needed(sizes: IntArray) -> IntArray:
    """Least number of shared words, for the size of the longer text: four fifths, rounded up."""
    return (_SHARED_FIFTHS * sizes + 4) // 5


def _crowded_pairs(
    rows: sparse.csr_matrix, text_of: IntArray, word_of: IntArray, crowded: IntArray, sizes: IntArray
) -> IntArray:
    """Near repeats among texts that share a crowded word: each with its next neighbours, sorted by words, the commonest first."""
    among = np.isin(word_of, crowded)
    members = np.unique(text_of[among])
    keyed = {int(i): tuple(rows.indices[rows.indptr[i] : rows.indptr[i + 1]][::-1].tolist()) for i in members}
    place = {text: at for at, text in enumerate(sorted(keyed, key=lambda i: keyed[i]))}
    found = [np.zeros((0, 2), dtype=np.int64)]
    for word in crowded.tolist():
        inside = np.array(sorted(text_of[word_of == word].tolist(), key=lambda i: place[i]), dtype=np.int64)
        for step in range(1, min(_NEIGHBOURS, len(inside) - 1) + 1):
            found.append(_verified(rows, sizes, inside[:-step], inside[step:]))
    return np.concatenate(found)


def _verified(rows: sparse.csr_matrix, sizes: IntArray, left: IntArray, right: IntArray) -> IntArray:
    """The pairs that share enough words."""
    needed = _needed(np.maximum(sizes[left], sizes[right]))
    possible = np.minimum(sizes[left], sizes[right]) >= needed
    left, right, needed = left[possible], right[possible], needed[possible]
    kept = []
    for start in range(0, len(left), 65_536):
        part = slice(start, start + 65_536)
        shared = np.asarray(rows[left[part]].multiply(rows[right[part]]).sum(axis=1)).ravel()
        kept.append(shared >= needed[part])
    near = np.concatenate(kept) if kept else np.zeros(0, dtype=np.bool_)
    return np.column_stack([left[near], right[near]])


def near_repeats(texts: Sequence[str], others: Sequence[str]) -> BoolArray:
    """Which texts share at least 80 % of their distinct words (of the longer one's) with some other text."""
    vocabulary: dict[str, int] = {}
    left = _word_rows([text.casefold() for text in texts], vocabulary)
    right = _word_rows([text.casefold() for text in others], vocabulary)
    width = max(len(vocabulary), 1)
    left.resize((len(texts), width))
    right.resize((len(others), width))
    left_sizes, right_sizes = left.sum(axis=1).A1, right.sum(axis=1).A1
    found = np.zeros(len(texts), dtype=np.bool_)
    for start in range(0, len(texts), _OLD_BLOCK):
        shared = (left[start : start + _OLD_BLOCK] @ right.T).tocoo()
        rows = shared.row + start
        sizes = np.maximum(left_sizes[rows], right_sizes[shared.col])
        found[rows[5 * shared.data >= _SHARED_FIFTHS * sizes]] = True
    return found


def _word_rows(texts: Iterable[str], vocabulary: dict[str, int]) -> sparse.csr_matrix:
    indices: list[int] = []
    offsets = [0]
    for text in texts:
        words = set(re.findall(r"\w+", text))
        indices.extend(vocabulary.setdefault(word, len(vocabulary)) for word in sorted(words))
        offsets.append(len(indices))
    shape = (len(offsets) - 1, max(len(vocabulary), 1))
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.int32), indices, offsets), shape=shape)


class TimeCut(NamedTuple):
    """Texts before and after a moment.

    Parameters
    ----------
    moment : datetime
        The newer texts are of this moment or later.
    older, newer : ndarray of int64
        Rows to train on and rows to test on.
    left_out : ndarray of int64
        Rows after the cut that were left out of the test, because their customer or a near repeat of theirs is among the older ones.
    undated : int
        Texts without a time: on neither side.
    """

    moment: datetime
    older: IntArray
    newer: IntArray
    left_out: IntArray
    undated: int


def cut_by_time(times: Sequence[datetime | None], keys: Sequence[str], *, share: float = 0.2) -> TimeCut | None:
    """Cut at the moment that leaves about a share of the texts on the newer side; None if all are of one moment.

    What is joined to an older text belongs to the older side, so it is left out of the test; nothing newer than the cut is ever
    trained on. A time without a zone is taken as UTC.

    Parameters
    ----------
    times : sequence of datetime or None, length n
    keys : sequence of str, length n
        Of `keep_together`.
    share : float
        In (0, 1).
    """
    stamps = np.array([np.nan if time is None else _utc(time).timestamp() for time in times], dtype=np.float64)
    dated = np.flatnonzero(~np.isnan(stamps))
    moments, counts = np.unique(stamps[dated], return_counts=True)
    if len(moments) < 2:
        return None
    newer_share = np.cumsum(counts[::-1])[::-1] / counts.sum()
    at = 1 + int(np.abs(newer_share[1:] - share).argmin())
    older, newer = dated[stamps[dated] < moments[at]], dated[stamps[dated] >= moments[at]]
    known = {keys[row] for row in older.tolist()}
    kept = np.array([keys[row] not in known for row in newer.tolist()], dtype=np.bool_)
    moment = next(_utc(time) for row in newer[stamps[newer] == moments[at]] if (time := times[row]) is not None)
    return TimeCut(moment, older, newer[kept], newer[~kept], len(times) - len(dated))


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
