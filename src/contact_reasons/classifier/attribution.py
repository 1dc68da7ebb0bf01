"""Which words of a text a contrast of scores comes from: sums that are exact, back to places in the text.

A contrast is a weighted sum of a text's scores, such as the score of one reason minus that of another. It is split into what
each word adds, what each pair of neighbouring words adds, and a rest that no word adds:

.. math:: \\sum_k d_k s_k = \\mathrm{rest} + \\sum_\\mathrm{words} (\\mathrm{linear} + \\mathrm{hidden})

*Linear heads.* A feature adds its tf-idf weight times its row. Where it occurs several times, each occurrence adds an equal part.
Runs of characters count for the word that they lie in, a pair of words half for each of the two.

*Hidden layer.* Integrated gradients [1]_ on the straight path from no input at all to the inputs of the text, which has a
closed form for one layer of rectified units: input :math:`a_{iu}` of a unit with bias :math:`b_u` and sum of inputs :math:`S_u`
adds :math:`a_{iu} (\\max(0, b_u + S_u) - \\max(0, b_u)) / S_u`. Inputs are the tokens of a word and the rows of words and pairs.

Scales are those of the whole text and held fixed: the length of each family's tf-idf weights and the number of tokens.

References
----------
.. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.engine import HiddenLayer, ModelArrays
from contact_reasons.classifier.features import (
    CHAR_NGRAMS,
    MAX_CHARS,
    PLACEHOLDERS,
    TextEntries,
    count_features,
    fold,
    settle,
    split_words,
)

__all__ = ["Attribution", "align", "attribute", "word_spans"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """A contrast of scores, split over the m words of a text.

    Parameters
    ----------
    spans : ndarray of int64, shape (m, 2)
        Start and stop of each word in the text, in order, none overlapping.
    linear, hidden : ndarray of float64, shape (m,)
        What each word adds through the linear heads and through the hidden layer, half of its pairs included.
    pair_at : ndarray of int64, shape (q,)
        First word of each pair of neighbouring words that adds something.
    pairs : ndarray of float64, shape (q,)
        What each of them adds as a pair; the words have it already.
    rest : float
        What no word adds: intercepts, and the hidden layer without any input.
    """

    spans: IntArray
    linear: FloatArray
    hidden: FloatArray
    pair_at: IntArray
    pairs: FloatArray
    rest: float


def attribute(arrays: ModelArrays, text: str, contrast: FloatArray) -> Attribution:
    """What each word of a clean text adds to a contrast of its scores.

    Parameters
    ----------
    arrays : ModelArrays
    text : str
    contrast : ndarray of float64, shape (n_columns,)
        Weight of each column's score.
    """
    words = split_words([text])[0]
    spans, unit_of_word = word_spans(text, words)
    counts = count_features([text])
    entries = arrays.vocabulary.entries(counts, 1)
    rows = arrays.rows[entries.features].astype(np.float64) @ contrast
    linear = entries.weights.astype(np.float64) * arrays.row_scale[entries.features] * rows

    found = arrays.vocabulary.find(counts.hashes)
    known = np.flatnonzero(found >= 0)
    feature = np.searchsorted(entries.features, found[known])
    often = np.bincount(feature, minlength=len(entries.features))
    first, second = (unit_of_word[owner[known]] for owner in _owners(words))

    def spread(gains: FloatArray) -> tuple[FloatArray, FloatArray]:
        each = gains[feature] / often[feature]
        total = _sums(first, each / 2, len(spans)) + _sums(second, each / 2, len(spans))
        return total, _sums(first, np.where(first != second, each, 0.0), len(spans))

    rest = float(arrays.intercept.astype(np.float64) @ contrast)
    of_words, of_pairs = spread(linear)
    of_layer = np.zeros(len(spans))
    if arrays.hidden is not None:
        layer = _Layer(arrays.hidden, entries, words, contrast)
        of_layer, pairs_of_layer = spread(layer.gains)
        of_layer += _sums(unit_of_word, layer.of_tokens, len(spans))
        of_pairs += pairs_of_layer
        rest += layer.rest
    pair_at = np.flatnonzero(of_pairs)
    return Attribution(spans, of_words, of_layer, pair_at, of_pairs[pair_at], rest)


def _sums(at: IntArray, values: FloatArray, n: int) -> FloatArray:
    return np.bincount(at, values, minlength=n).astype(np.float64)


def _owners(words: list[str]) -> tuple[IntArray, IntArray]:
    """The first and the last word of each occurrence, in the order of `count_features`."""
    own = np.arange(len(words), dtype=np.int64)
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    inside = [np.repeat(own, np.maximum(lengths + 3 - n, 0)) for n in CHAR_NGRAMS]
    return np.concatenate([own, own[:-1], *inside]), np.concatenate([own, own[1:], *inside])


class _Layer:
    """Integrated gradients of the hidden layer: what each feature adds, what the tokens of each word add, and the rest."""

    def __init__(self, hidden: HiddenLayer, entries: TextEntries, words: list[str], contrast: FloatArray) -> None:
        tokens = {word: hidden.prior.tokenise_word(word) for word in set(words)}
        ids = np.array(sorted({token for found in tokens.values() for token in found}), dtype=np.int64)
        n_tokens = max(sum(len(tokens[word]) for word in words), 1)
        vectors = _token_rows(hidden, ids) / n_tokens
        times = np.bincount(
            np.searchsorted(ids, [token for word in words for token in tokens[word]]), minlength=len(ids)
        )
        at = np.searchsorted(hidden.word_ids, entries.features)
        has_row = np.flatnonzero(np.append(hidden.word_ids, -1)[at] == entries.features)
        rows = at[has_row]
        factors = entries.weights[has_row].astype(np.float64) * hidden.word_scale[rows]

        bias, out = hidden.hidden_bias.astype(np.float64), hidden.out.astype(np.float64) @ contrast
        total = times @ vectors + factors @ hidden.word_rows[rows].astype(np.float64)
        pull = mean_slope(bias, total) * out
        self.gains = np.zeros(len(entries.features))
        self.gains[has_row] = factors * (hidden.word_rows[rows].astype(np.float64) @ pull)
        gain_of = dict(zip(ids.tolist(), (vectors @ pull).tolist(), strict=True))
        self.of_tokens = np.array([sum(gain_of[token] for token in tokens[word]) for word in words], dtype=np.float64)
        self.rest = float(np.maximum(bias, 0.0) @ out)


def _token_rows(hidden: HiddenLayer, ids: IntArray) -> FloatArray:
    """Rows of tokens in the first layer, shape (t, h): their own, or made from their vectors."""
    at = np.searchsorted(hidden.tuned_ids, ids)
    tuned = np.append(hidden.tuned_ids, -1)[at] == ids
    rows = np.empty((len(ids), len(hidden.hidden_bias)))
    rows[tuned] = hidden.tuned_scale[at[tuned], None].astype(np.float64) * hidden.tuned_rows[at[tuned]]
    others = ids[~tuned]
    vectors = hidden.prior.vector_scale[others, None].astype(np.float64) * hidden.prior.vectors[others]
    rows[~tuned] = vectors @ hidden.projection.astype(np.float64)
    return rows


def mean_slope(start: FloatArray, step: FloatArray) -> FloatArray:
    """Mean slope of the rectifier ``max(0, x)`` from ``start`` to ``start + step``, elementwise, in [0, 1].

    >>> mean_slope(np.array([1.0, -1.0, -1.0, 1.0, 1.0]), np.array([2.0, 0.5, 2.0, -4.0, 0.0])).tolist()
    [1.0, 0.0, 0.5, 0.25, 1.0]
    """
    stop = start + step
    crosses = (start < 0) != (stop < 0)
    higher = np.maximum(start, stop)
    slope: FloatArray = np.where(
        crosses, np.minimum(higher / np.where(crosses, np.abs(step), 1.0), 1.0), (higher > 0).astype(np.float64)
    )
    return slope


# ------------------------------------------------------------------------------------------- places in the text


def word_spans(text: str, words: list[str]) -> tuple[IntArray, IntArray]:
    """Where the words of a text stand in it.

    Words that share a character of the text (``½`` is two words, ``1`` and ``2``) are one unit.

    Parameters
    ----------
    text : str
    words : list of str
        Of `split_words`.

    Returns
    -------
    spans : ndarray of int64, shape (m, 2)
        Start and stop of each unit, in order, none overlapping.
    unit_of_word : ndarray of int64, shape (n_words,)
    """
    normal, starts, stops = align(text)
    spans: list[list[int]] = []
    units, at = [], 0
    for word in words:
        at = normal.index(word, at)
        start, stop = starts[at], stops[at + len(word) - 1]
        if spans and start < spans[-1][1]:
            spans[-1][1] = stop
        else:
            spans.append([start, stop])
        units.append(len(spans) - 1)
        at += len(word)
    return np.array(spans, dtype=np.int64).reshape(-1, 2), np.array(units, dtype=np.int64)


def align(text: str) -> tuple[str, list[int], list[int]]:
    """The normalised text, and the start and stop in the text of what each of its characters was made from.

    >>> align("I CAN’T")
    ('i cant', [0, 1, 2, 3, 4, 6], [1, 2, 3, 4, 5, 7])
    """
    made: list[str] = []
    starts: list[int] = []
    stops: list[int] = []
    room = MAX_CHARS
    for start, stop in _clusters(text[:MAX_CHARS]):
        folded = fold(text[start:stop])[:room]
        room -= len(folded)
        settled = settle(folded)
        made.append(settled)
        starts.extend([start] * len(settled))
        stops.extend([stop] * len(settled))
    return "".join(made), starts, stops


_MASK: Final = re.compile("|".join(map(re.escape, PLACEHOLDERS)))


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Start and stop of the shortest stretches that normalisation cannot join with their neighbours; masks are one."""
    at = 0
    for mask in _MASK.finditer(text):
        yield from _between(text, at, mask.start())
        yield mask.span()
        at = mask.end()
    yield from _between(text, at, len(text))


def _between(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    for at in range(start + 1, stop):
        if _begins_anew(text[at]):
            yield start, at
            start = at
    if start < stop:
        yield start, stop


@functools.lru_cache(maxsize=65_536)
def _begins_anew(character: str) -> bool:
    """Whether nothing before a character can change what it becomes: neither a mark nor a later part of a Korean syllable."""
    if character.isascii():
        return True
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first)[0] != "M" and not "\u1160" <= first <= "\u11ff"
