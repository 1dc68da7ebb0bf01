"""The features against their specification's test vectors and against a slow, obvious twin."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.classifier.features import MAX_CHARS, PLACEHOLDERS, Vocabulary, count_features, normalise
from tests.conftest import ROOT
from tests.strategies import any_text, contact_text

M = 1 << 64
BASE = 0x9E3779B97F4A7C15
SEED_WORD, SEED_PAIR, SEED_CHAR = 0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0


def mix(value: int, seed: int) -> int:
    value = (value + seed) % M
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % M
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % M
    return value ^ (value >> 31)


def polynomial(text: str) -> int:
    return sum(ord(c) * pow(BASE, i, M) for i, c in enumerate(text)) % M


def is_word(c: str) -> bool:
    return c in PLACEHOLDERS.values() or unicodedata.category(c)[0] in "LMN"


def slow_features(text: str) -> Counter[tuple[int, bool]]:
    """The specification, word by word."""
    words: list[str] = []
    current = ""
    for c in normalise(text) + "\n":
        if is_word(c):
            current += c
        elif current:
            words.append(current)
            current = ""
    found: Counter[tuple[int, bool]] = Counter()
    for word in words:
        found[mix(polynomial(word), SEED_WORD), False] += 1
    for first, second in itertools.pairwise(words):
        found[mix((polynomial(first) + BASE * polynomial(second)) % M, SEED_PAIR), False] += 1
    for word in words:
        spaced = f" {word} "
        for n in (2, 3, 4, 5):
            for start in range(len(spaced) - n + 1):
                found[mix(polynomial(spaced[start : start + n]), SEED_CHAR), True] += 1
    return found


def fast_features(texts: list[str]) -> list[Counter[tuple[int, bool]]]:
    counts = count_features(texts)
    found: list[Counter[tuple[int, bool]]] = [Counter() for _ in texts]
    for row, value, is_char in zip(counts.rows.tolist(), counts.hashes.tolist(), counts.is_char.tolist(), strict=True):
        found[row][value, is_char] += 1
    return found


@given(texts=st.lists(contact_text, max_size=6))
def test_vectorised_features_equal_the_slow_twin(texts: list[str]) -> None:
    assert fast_features(texts) == [slow_features(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "\0", "\n\n", "ﬁ ½ Ⅷ", "İstanbul", "e\u0301", "\ud800 lone", "x" * 1000, "👩‍👩‍👧 family", "\ue003"],
)
def test_odd_texts_equal_the_slow_twin(text: str) -> None:
    assert fast_features([text, "where is it"])[0] == slow_features(text)


def test_vectors_of_the_specification() -> None:
    """docs/reference/features.md lists these very numbers."""
    assert normalise("Can’t LOGIN, order 4711!") == "cant login, order 0000!"
    assert normalise("ＡＢＣ ½ [mail]") == "abc 0⁄0 \ue000"
    written = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
    vectors = dict(re.findall(r"^\| (?:word|pair|run) `(.+?)` \| `(0x[0-9a-f]{16})` \|$", written, re.M))
    words, chars = fast_hashes("my refund")
    assert {int(vectors[key], 16) for key in ("my", "refund", "my refund")} == words
    assert {int(vectors[key], 16) for key in (" m", "fund ")} <= chars
    assert (int(vectors[" m"], 16), int(vectors["fund "], 16)) == (
        mix(polynomial(" m"), SEED_CHAR),
        mix(polynomial("fund "), SEED_CHAR),
    )


def fast_hashes(text: str) -> tuple[set[int], set[int]]:
    found = fast_features([text])[0]
    return {value for value, is_char in found if not is_char}, {value for value, is_char in found if is_char}


def test_apostrophes_and_their_absence_are_one_word() -> None:
    assert normalise("can't") == normalise("can’t") == normalise("cant") == normalise("CAN`T")


@given(text=any_text)
def test_normalising_twice_changes_nothing_but_masks(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once or any(mask in once for mask in PLACEHOLDERS)


def test_only_the_first_characters_of_a_giant_text_are_read() -> None:
    long = "parcels " * (MAX_CHARS // 8)
    assert fast_features([long + "tail"])[0] == fast_features([long])[0]


def slow_tfidf(texts: list[str], vocabulary: Vocabulary) -> np.ndarray:
    index = {int(value): i for i, value in enumerate(vocabulary.hashes)}
    rows = np.zeros((len(texts), vocabulary.n_features))
    for row, text in enumerate(texts):
        for family in (False, True):
            weights = {
                index[value]: (1 + math.log(count)) * float(vocabulary.idf[index[value]])
                for (value, is_char), count in slow_features(text).items()
                if is_char is family and value in index
            }
            norm = math.sqrt(sum(weight * weight for weight in weights.values()))
            for i, weight in weights.items():
                rows[row, i] = weight / norm
    return rows


@given(texts=st.lists(contact_text, min_size=1, max_size=5))
def test_tfidf_rows_equal_the_slow_twin(texts: list[str]) -> None:
    known = ["where is my parcel", "refund money please", "café 日本語", *texts]
    vocabulary = Vocabulary.learn(count_features(known), len(known), min_df=1)
    np.testing.assert_allclose(vocabulary.transform(texts).toarray(), slow_tfidf(texts, vocabulary), atol=1e-6)


def test_idf_is_that_of_scikit_learn() -> None:
    texts = ["a b", "a c", "a d"]
    vocabulary = Vocabulary.learn(count_features(texts), 3, min_df=1)
    index = {int(value): i for i, value in enumerate(vocabulary.hashes)}
    assert vocabulary.idf[index[mix(polynomial("a"), SEED_WORD)]] == pytest.approx(math.log(4 / 4) + 1)
    assert vocabulary.idf[index[mix(polynomial("b"), SEED_WORD)]] == pytest.approx(math.log(4 / 2) + 1)


@given(
    hashes=st.lists(st.integers(0, M - 1), max_size=40, unique=True),
    others=st.lists(st.integers(0, M - 1), max_size=40),
)
def test_looking_up_finds_exactly_the_known_hashes(hashes: list[int], others: list[int]) -> None:
    known = np.array(sorted(hashes), dtype=np.uint64)
    vocabulary = Vocabulary(known, np.zeros(len(known), dtype=bool), np.ones(len(known), dtype=np.float32))
    asked = np.array(hashes + others, dtype=np.uint64)
    index = {int(value): i for i, value in enumerate(known)}
    assert vocabulary.find(asked).tolist() == [index.get(int(value), -1) for value in asked]


def test_crowded_hashes_are_all_found() -> None:
    known = np.arange(5000, dtype=np.uint64)  # all in one slot: the worst case of probing
    vocabulary = Vocabulary(known, np.zeros(5000, dtype=bool), np.ones(5000, dtype=np.float32))
    assert (vocabulary.find(known) == np.arange(5000)).all()
