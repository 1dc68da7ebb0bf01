"""Tokens of words against the specification and a slow twin."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.classifier import TokenPrior
from contact_reasons.classifier.prior import piece_hash, token_hash
from tests.conftest import ROOT
from tests.unit.test_features import mix, polynomial

SEED_TOKEN, SEED_PIECE = 0x082EFA98EC4E6C89, 0x452821E638D01377
BEGINNINGS = ["r", "re", "refund", "par", "parcel", "\ue000", "日", "x" * 20, "x" * 21]
PIECES = ["f", "und", "fund", "s", "el", "c", "cel", "本", "x", "x" * 20]


def prior_of(beginnings: list[str], pieces: list[str]) -> tuple[TokenPrior, dict[int, str]]:
    names = {token_hash(text): text for text in beginnings} | {piece_hash(text): f"##{text}" for text in pieces}
    hashes = np.array(sorted(names), dtype=np.uint64)
    prior = TokenPrior(hashes, np.zeros((len(hashes), 4), np.int8), np.zeros(len(hashes), np.float32))
    return prior, {i: names[value] for i, value in enumerate(hashes.tolist())}


PRIOR, NAMES = prior_of(BEGINNINGS, PIECES)


def named(text: str) -> list[str]:
    return [NAMES[token] for token in PRIOR.tokenise([text])[0].tolist()]


@given(text=st.text(max_size=30))
def test_hashes_are_those_of_the_specification(text: str) -> None:
    assert token_hash(text) == mix(polynomial(text), SEED_TOKEN)
    assert piece_hash(text) == mix(polynomial(text), SEED_PIECE)


def test_vectors_of_the_specification() -> None:
    """docs/reference/features.md lists these very numbers."""
    written = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
    vectors = dict(re.findall(r"^\| (token|piece) `.+?` \| `(0x[0-9a-f]{16})` \|$", written, re.M))
    assert int(vectors["token"], 16) == token_hash("refund")
    assert int(vectors["piece"], 16) == piece_hash("fund")
    for seed in (SEED_TOKEN, SEED_PIECE):
        assert f"`0x{seed:016X}`" in written


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Refund!", ["refund"]),
        ("refunds", ["refund", "##s"]),
        ("refun", []),
        ("refel ref", ["re", "##f", "##el", "re", "##f"]),
        ("parcel [mail]", ["parcel", "\ue000"]),
        ("日本 本日", ["日", "##本"]),
        ("x" * 32, ["x" * 20, *["##x"] * 12]),
        ("x" * 33, []),
        ("", []),
        ("s", []),
    ],
)
def test_the_longest_match_comes_first_and_a_gap_leaves_the_word_without_tokens(text: str, tokens: list[str]) -> None:
    assert named(text) == tokens


@given(
    word=st.text("abc", min_size=1, max_size=12),
    beginnings=st.lists(st.text("abc", min_size=1, max_size=4), max_size=6),
    pieces=st.lists(st.text("abc", min_size=1, max_size=4), max_size=6),
)
def test_tokens_equal_those_of_a_slow_twin_on_strings(word: str, beginnings: list[str], pieces: list[str]) -> None:
    prior, names = prior_of(beginnings, pieces)
    expected, rest = [], word
    while rest:
        options = [text for text in (pieces if expected else beginnings) if rest.startswith(text)]
        if not options:
            expected = []
            break
        best = max(options, key=len)
        expected.append(f"##{best}" if expected else best)
        rest = rest.removeprefix(best)
    assert [names[token] for token in prior.tokenise([word])[0].tolist()] == expected


def test_arrays_that_do_not_fit_are_refused() -> None:
    hashes = np.arange(3, dtype=np.uint64)
    with pytest.raises(ValueError, match="one vector and one scale a token"):
        TokenPrior(hashes, np.zeros((2, 4), np.int8), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="not sorted and unique"):
        TokenPrior(hashes[::-1], np.zeros((3, 4), np.int8), np.zeros(3, np.float32))
