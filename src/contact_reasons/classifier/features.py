r"""Features of a text: the reference implementation of ``docs/reference/features.md``.

A text is normalised, cut into words, and described by 64-bit hashes of its word 1- and 2-grams and of the
character 2- to 5-grams inside each word. Nothing here knows about training: `count_features` turns texts
into (row, hash, count) triples, `Vocabulary` turns those into tf-idf rows.

Everything is vectorised over a batch, yet a row depends on its own text alone.

Notes
-----
The hash of code points :math:`c_0 \dots c_{n-1}` is :math:`\mathrm{mix}(\mathrm{seed} + \sum_t c_t B^t \bmod 2^{64})`
with an odd :math:`B`, so that the sum over any span is a difference of prefix sums times :math:`B^{-i}`; ``mix`` is
the finaliser of splitmix64 [1]_.

References
----------
.. [1] G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy import sparse

__all__ = [
    "APOSTROPHES",
    "CHAR_NGRAMS",
    "FAMILIES",
    "MAX_CHARS",
    "PLACEHOLDERS",
    "FeatureCounts",
    "TextEntries",
    "Vocabulary",
    "count_features",
    "count_known_words",
    "count_words",
    "fold",
    "has_words",
    "hash_of",
    "normalise",
    "settle",
    "split_words",
]

UInt64Array = npt.NDArray[np.uint64]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
AnyInt = TypeVar("AnyInt", np.uint64, np.int64)

MAX_CHARS: Final = 65_536
"""Characters of a text that are read; the rest is ignored, so that one row's memory is bounded."""

PLACEHOLDERS: Final = {
    f"[{name}]": chr(0xE000 + i) for i, name in enumerate(("mail", "url", "phone", "card", "iban", "number"))
}
"""Masks that stand for personal data, and the private-use character each becomes: one word, no n-grams in common."""

FAMILIES: Final = ("word", "char")
"""Each family of features is scaled to unit length by itself; a feature's family is its index here."""

CHAR_NGRAMS: Final = (2, 3, 4, 5)
"""Lengths of the runs of characters inside a word, in the order of `count_features`."""

_BASE: Final = 0x9E3779B97F4A7C15
_BASE_INVERSE: Final = pow(_BASE, -1, 1 << 64)
_SEED_WORD: Final = 0x243F6A8885A308D3
_SEED_PAIR: Final = 0x13198A2E03707344
_SEED_CHAR: Final = 0xA4093822299F31D0
_SPACE: Final = 0x20


def normalise(text: str) -> str:
    """The text as features see it: NFKC, case folded, digits as ``0``, masks as one character.

    Apostrophes inside words are dropped, so that ``can't``, ``can’t`` and ``cant`` are one word.

    >>> normalise("I CAN’T find order 4711 … [mail]") == "i cant find order 0000 ... \\ue000"
    True
    """
    return settle(fold(text))


def settle(text: str) -> str:
    """The last third of `normalise`, of a folded text: apostrophes dropped, digits as ``0``."""
    if text.isascii():
        return text.encode().translate(_ASCII_BYTES, b"'`").decode()
    return _OTHER_DIGIT.sub("0", text.translate(_ASCII_TABLE))


def fold(text: str) -> str:
    """The first two thirds of `normalise`: masks as one character, NFKC, case folded; apostrophes and digits as they are."""
    text = text[:MAX_CHARS]
    if "[" in text:
        for mask, character in PLACEHOLDERS.items():
            text = text.replace(mask, character)
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", text)[:MAX_CHARS]


_OTHER_DIGIT: Final = re.compile(r"[^\W\D0-9_]")
"""A decimal digit of another script: ``\\d`` is exactly the category Nd."""
APOSTROPHES: Final = "'’‘ʼ`´"
"""Characters that are dropped."""
_ASCII_TABLE: Final[dict[int, int | None]] = {
    **{ord(mark): None for mark in APOSTROPHES},
    **{ord(digit): 0x30 for digit in "123456789"},
}


_ASCII_BYTES: Final = bytes(0x30 if chr(code) in "123456789" else code for code in range(256))


_WORD, _LETTER, _MARK = 1, 2, 4


@functools.lru_cache(maxsize=65_536)
def _class_of(code: int) -> int:
    if 0xE000 <= code < 0xE000 + len(PLACEHOLDERS):
        return _WORD
    return {"L": _WORD | _LETTER, "M": _WORD | _MARK, "N": _WORD}.get(unicodedata.category(chr(code))[0], 0)


_ASCII_CLASSES: Final = np.array([_class_of(code) for code in range(128)], dtype=np.uint8)


def _classes(codes: UInt64Array) -> npt.NDArray[np.uint8]:
    """Which code points belong to words (letters, marks, numbers, masks), are letters, are marks."""
    classes = np.zeros(len(codes), dtype=np.uint8)
    ascii_at = codes < 128
    classes[ascii_at] = _ASCII_CLASSES[codes[ascii_at]]
    if not ascii_at.all():
        unique, inverse = np.unique(codes[~ascii_at], return_inverse=True)
        table = np.fromiter((_class_of(int(code)) for code in unique), np.uint8, len(unique))
        classes[~ascii_at] = table[inverse]
    return classes


def _word_edges(codes: UInt64Array) -> tuple[IntArray, IntArray]:
    """Where words start and stop; the first and the last code are separators."""
    in_word = (_classes(codes) & _WORD).astype(np.bool_)
    edges = np.flatnonzero(in_word[1:] != in_word[:-1]) + 1
    return edges[0::2], edges[1::2]


def has_words(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether a letter of a normalised text is followed by a letter or a mark, shape (n,): less says nothing of a reason.

    >>> has_words(["refund", "4711", "a b", "[mail]", "i'm"]).tolist()
    [True, False, False, False, True]
    """
    codes, ends = _encode(texts)
    classes = _classes(codes)
    at = np.flatnonzero((classes[:-1] & _LETTER).astype(np.bool_) & (classes[1:] & (_LETTER | _MARK)).astype(np.bool_))
    found = np.zeros(len(texts), dtype=np.bool_)
    found[np.searchsorted(ends, at)] = True
    return found


def count_words(texts: Sequence[str]) -> IntArray:
    """How many words each normalised text has, shape (n,).

    >>> count_words(["Can't log in!", "?"]).tolist()
    [3, 0]
    """
    codes, ends = _encode(texts)
    starts, _ = _word_edges(codes)
    return np.bincount(np.searchsorted(ends, starts), minlength=len(texts)).astype(np.int64)


def count_known_words(texts: Sequence[str], hashes: UInt64Array) -> IntArray:
    """How many words of each normalised text have one of these sorted hashes, shape (n,).

    >>> count_known_words(["refund my refund"], np.array([hash_of("refund", _SEED_WORD)], np.uint64)).tolist()
    [2]
    """
    codes, ends = _encode(texts)
    starts, stops = _word_edges(codes)
    prefix, inverse_powers = _prefix_sums(codes)
    words = _mix((prefix[stops] - prefix[starts]) * inverse_powers[starts], _SEED_WORD)
    if not len(hashes):
        return np.zeros(len(texts), dtype=np.int64)
    known = hashes[np.minimum(np.searchsorted(hashes, words), len(hashes) - 1)] == words
    return np.bincount(np.searchsorted(ends, starts)[known], minlength=len(texts)).astype(np.int64)


def split_words(texts: Sequence[str]) -> list[list[str]]:
    """The words of each normalised text.

    >>> split_words(["Can't log in!", "?"])
    [['cant', 'log', 'in'], []]
    """
    codes, ends = _encode(texts)
    starts, stops = _word_edges(codes)
    characters = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    words: list[list[str]] = [[] for _ in texts]
    rows = np.searchsorted(ends, starts)
    for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
        words[row].append(characters[start:stop])
    return words


@functools.lru_cache(maxsize=2)
def _powers(length: int) -> tuple[UInt64Array, UInt64Array]:
    """``BASE ** i`` and ``BASE ** -i`` modulo 2**64 for i < length."""
    bases = np.array([_BASE, _BASE_INVERSE], dtype=np.uint64)
    tables = np.empty((2, length), dtype=np.uint64)
    tables[:, 0] = 1
    filled = 1
    while filled < length:
        step = min(filled, length - filled)
        factor = tables[:, filled - 1] * bases
        tables[:, filled : filled + step] = tables[:, :step] * factor[:, None]
        filled += step
    tables.flags.writeable = False
    return tables[0], tables[1]


def _prefix_sums(codes: UInt64Array) -> tuple[UInt64Array, UInt64Array]:
    """Sums of ``codes[t] * BASE ** t`` before each position, and ``BASE ** -i``: the sum over ``i:j`` is the difference times that."""
    powers, inverse_powers = _powers(1 << max(12, (len(codes) - 1).bit_length()))
    prefix = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(codes * powers[: len(codes)], out=prefix[1:])
    return prefix, inverse_powers


def _mix(values: UInt64Array, seed: int) -> UInt64Array:
    """Finaliser of splitmix64, in place."""
    values += np.uint64(seed)
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def hash_of(characters: str, seed: int) -> int:
    """Hash of one run of characters, as in the module's notes.

    >>> hex(hash_of("refund", 0x243F6A8885A308D3))  # the word
    '0x7503694fd389b0c0'
    """
    polynomial = sum(ord(character) * int(_powers(4096)[0][i]) for i, character in enumerate(characters))
    return int(_mix(np.array([polynomial % (1 << 64)], dtype=np.uint64), seed)[0])


class FeatureCounts(NamedTuple):
    """Occurrences of features in a batch, one entry each, unsorted and not merged.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_occurrences,)
        Index of the text.
    hashes : ndarray of uint64, shape (n_occurrences,)
    is_char : ndarray of bool, shape (n_occurrences,)
        Whether the feature is of the family ``'char'``.
    """

    rows: IntArray
    hashes: UInt64Array
    is_char: npt.NDArray[np.bool_]


class TextEntries(NamedTuple):
    """Tf-idf rows of n texts: row i has the entries ``offsets[i]:offsets[i + 1]``.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n + 1,)
    features : ndarray of int64, shape (n_entries,)
        Indices into the vocabulary, sorted in each row.
    weights : ndarray of float32, shape (n_entries,)
        Each family of a row has unit length.
    """

    offsets: IntArray
    features: IntArray
    weights: FloatArray


def count_features(texts: Sequence[str]) -> FeatureCounts:
    """Every feature occurrence of every text.

    Parameters
    ----------
    texts : sequence of str, length n

    Returns
    -------
    FeatureCounts
    """
    codes, ends = _encode(texts)
    starts, stops = _word_edges(codes)
    word_rows = np.searchsorted(ends, starts)
    prefix, inverse_powers = _prefix_sums(codes)
    words = (prefix[stops] - prefix[starts]) * inverse_powers[starts]

    same_text = word_rows[1:] == word_rows[:-1]
    pairs = (words[:-1] + words[1:] * np.uint64(_BASE))[same_text]

    spaced_codes, spaced_rows, spaced_starts, spaced_stops = _spaced_words(codes, word_rows, starts, stops)
    prefix, inverse_powers = _prefix_sums(spaced_codes)
    positions = np.arange(len(spaced_codes), dtype=np.int64)
    room = np.repeat(spaced_stops, spaced_stops - spaced_starts) - positions
    char_rows, char_hashes = [], []
    for n in CHAR_NGRAMS:
        at = positions[room >= n]
        char_hashes.append((prefix[at + n] - prefix[at]) * inverse_powers[at])
        char_rows.append(spaced_rows[at])

    n_words = len(words) + len(pairs)
    rows = np.concatenate([word_rows, word_rows[1:][same_text], *char_rows])
    hashes = np.concatenate(
        [_mix(words, _SEED_WORD), _mix(pairs, _SEED_PAIR), _mix(np.concatenate(char_hashes), _SEED_CHAR)]
    )
    is_char = np.ones(len(rows), dtype=np.bool_)
    is_char[:n_words] = False
    return FeatureCounts(rows, hashes, is_char)


def _encode(texts: Sequence[str]) -> tuple[UInt64Array, IntArray]:
    """Code points of all texts, a line feed before and after each, and the position of each text's end."""
    normal = [normalise(text) for text in texts]
    lengths = np.fromiter((len(text) for text in normal), np.int64, len(normal))
    joined = "\n" + "".join([text + "\n" for text in normal])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    return codes, np.cumsum(lengths + 1)


def _spaced_words(
    codes: UInt64Array, word_rows: IntArray, starts: IntArray, stops: IntArray
) -> tuple[UInt64Array, IntArray, IntArray, IntArray]:
    """All words, each with a space before and behind, in one array; their rows, starts and stops."""
    lengths = stops - starts
    new_stops = np.cumsum(lengths + 2)
    new_starts = new_stops - (lengths + 2)
    total = int(new_stops[-1]) if len(new_stops) else 0
    spaced = np.full(total, _SPACE, dtype=np.uint64)
    offsets = np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    spaced[np.repeat(new_starts + 1, lengths) + offsets] = codes[np.repeat(starts, lengths) + offsets]
    return spaced, np.repeat(word_rows, lengths + 2), new_starts, new_stops


def _sorted_unique(values: npt.NDArray[AnyInt]) -> npt.NDArray[AnyInt]:
    """As `numpy.unique`, which is many times slower on large arrays of integers."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


class Vocabulary:
    """The features that were kept in training, and their idf weights.

    Looking up is open addressing with linear probing in a table at most a quarter full.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n_features,)
        Sorted, unique.
    is_char : ndarray of bool, shape (n_features,)
        Family of each.
    idf : ndarray of float32, shape (n_features,)

    Attributes
    ----------
    n_features : int
    """

    def __init__(self, hashes: UInt64Array, is_char: npt.NDArray[np.bool_], idf: FloatArray) -> None:
        self.hashes, self.is_char, self.idf = hashes, is_char, idf
        self.n_features = len(hashes)
        bits = max(4, (4 * self.n_features).bit_length())
        self._shift = np.uint64(64 - bits)
        self._mask = np.int64((1 << bits) - 1)

    @functools.cached_property
    def _slots(self) -> npt.NDArray[np.int32]:
        """Made on first use: the compiled kernel has a table of its own."""
        slots = np.full(int(self._mask) + 1, -1, dtype=np.int32)
        pending = np.arange(self.n_features, dtype=np.int64)
        at = (self.hashes >> self._shift).astype(np.int64)
        while len(pending):
            free = slots[at] < 0
            slots[at[free]] = pending[free]  # of equal slots the last one stays
            placed = slots[at] == pending
            pending, at = pending[~placed], (at[~placed] + 1) & self._mask
        return slots

    @classmethod
    def learn(cls, counts: FeatureCounts, n_texts: int, *, min_df: int = 2, max_df: float = 0.5) -> Vocabulary:
        """The features in at least ``min_df`` texts; of characters, only those in at most ``max_df`` of them.

        idf is :math:`\\ln((1 + N) / (1 + df)) + 1`, as in scikit-learn's ``TfidfTransformer``.
        """
        n = max(n_texts, 1)
        unique = _sorted_unique(counts.hashes)
        index = np.searchsorted(unique, counts.hashes)
        df = np.bincount(_sorted_unique(index * n + counts.rows) // n, minlength=len(unique))
        is_char = np.zeros(len(unique), dtype=np.bool_)
        is_char[index] = counts.is_char
        kept = (df >= min_df) & ((df <= max(max_df * n_texts, min_df)) | ~is_char)
        idf = (np.log((1 + n_texts) / (1 + df[kept])) + 1).astype(np.float32)
        return cls(unique[kept], is_char[kept], idf)

    def find(self, hashes: UInt64Array) -> IntArray:
        """Index of each hash, or -1 where it is not in the vocabulary."""
        found = np.full(len(hashes), -1, dtype=np.int64)
        pending = np.arange(len(hashes), dtype=np.int64)
        at = (hashes >> self._shift).astype(np.int64)
        while len(pending):
            candidate = self._slots[at]
            occupied = candidate >= 0
            pending, at, candidate = pending[occupied], at[occupied], candidate[occupied]
            equal = self.hashes[candidate] == hashes[pending]
            found[pending[equal]] = candidate[equal]
            pending, at = pending[~equal], (at[~equal] + 1) & self._mask
        return found

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Tf-idf rows: ``(1 + ln count) * idf``, each family scaled to unit length.

        Returns
        -------
        csr_matrix of float32, shape (n_texts, n_features)
            Indices of each row are sorted.
        """
        return self.weigh(count_features(texts), len(texts))

    def weigh(self, counts: FeatureCounts, n_texts: int) -> sparse.csr_matrix:
        """Tf-idf rows of features already counted; see `transform`."""
        from scipy import sparse

        entries = self.entries(counts, n_texts)
        return sparse.csr_matrix((entries.weights, entries.features, entries.offsets), shape=(n_texts, self.n_features))

    def entries(self, counts: FeatureCounts, n_texts: int) -> TextEntries:
        """What `weigh` puts into a matrix."""
        columns = self.find(counts.hashes)
        known = columns >= 0
        width = max(self.n_features, 1)
        keys = counts.rows[known] * width + columns[known]
        keys.sort()
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
        count = np.diff(np.append(first, len(keys)))
        rows, features = np.divmod(keys[first], width)
        weights = (1.0 + np.log(count)) * self.idf[features]
        family = rows * 2 + self.is_char[features]
        norms = np.sqrt(np.bincount(family, weights=weights * weights, minlength=2 * n_texts))
        values = (weights / norms[family]).astype(np.float32)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_texts))]).astype(np.int64)
        return TextEntries(offsets, features, values)
