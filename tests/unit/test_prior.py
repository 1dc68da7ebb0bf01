"""Tokens of words against the specification and a slow twin."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.arrays import pack_arrays
from contact_reasons.classifier import TokenPrior
from contact_reasons.classifier import prior as prior_module
from contact_reasons.classifier.prior import (
    piece_hash,
    prior_sha256,
    read_prior,
    shipped_prior,
    token_hash,
    write_prior,
)
from contact_reasons.errors import BundleError
from contact_reasons.resources import prior_folder
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_prior(tmp_path / "prior", PRIOR, {"name": "a few tokens"})
    return tmp_path / "prior"


def test_a_prior_comes_back_as_it_was_with_the_hash_of_its_file(folder: Path) -> None:
    read = read_prior(folder)
    for name in ("token_hashes", "vectors", "vector_scale"):
        found, expected = getattr(read, name), getattr(PRIOR, name)
        assert found.dtype == expected.dtype
        assert found.tolist() == expected.tolist()
    assert read.tokenise(["refunds parcel"])[0].tolist() == PRIOR.tokenise(["refunds parcel"])[0].tolist()
    sha256 = hashlib.sha256((folder / "arrays.npz").read_bytes()).hexdigest()
    assert PRIOR.sha256 == ""
    assert sha256 == read.sha256 == prior_sha256(read) == prior_sha256(PRIOR)
    assert write_prior(folder, read, {}) == sha256


def facts_with(folder: Path, **changes: object) -> None:
    file = folder / "prior.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"prior\.json: format 2; this version of contact-reasons reads format 1"),
        ({"n_tokens": 5}, r"the array 'token_hashes' is <u8 \(\d+,\); expected <u8 \(5,\)"),
        ({"n_tokens": True}, r"n_tokens: True; it must be a whole number"),
        ({"n_tokens": 10**30}, r"the array 'token_hashes' is"),
        ({"width": 3}, r"the array 'vectors' is \|i1 \(\d+, 4\); expected \|i1 \(\d+, 3\)"),
        ({"width": "4"}, r"width: '4'; it must be a whole number"),
        ({"sha256": "0" * 64}, r"arrays\.npz: the SHA-256 is not the one"),
        ({"sha256": None}, r"sha256: None; it must be that of arrays\.npz"),
    ],
)
def test_facts_that_are_wrong_are_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    facts_with(folder, **changes)
    with pytest.raises(BundleError, match=message):
        read_prior(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\x00", b'{"format": 1', b"[" * 100_000, b" " * 1_100_000])
def test_facts_that_are_no_facts_are_refused(folder: Path, content: bytes) -> None:
    (folder / "prior.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"prior\.json: not the facts of a prior"):
        read_prior(folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("token_hashes", lambda array: array[::-1], "not sorted and unique"),
        ("vector_scale", lambda array: array * np.float32("nan"), "not finite"),
        ("vectors", lambda array: array.astype(np.int16), r"the array 'vectors' is <i2"),
        ("vector_scale", lambda array: array[:-1], r"the array 'vector_scale' is"),
    ],
)
def test_arrays_that_are_no_prior_are_refused_though_their_hash_is_right(
    folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with np.load(folder / "arrays.npz") as stored:
        content = pack_arrays({key: change(array) if key == name else array for key, array in stored.items()})
    (folder / "arrays.npz").write_bytes(content)
    facts_with(folder, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(BundleError, match=message):
        read_prior(folder)


def test_the_shipped_prior_is_read_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior_module, "_shipped", [])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: shipped_prior(), range(8)))
    assert all(prior is found[0] for prior in found)
    facts = json.loads((prior_folder() / "prior.json").read_text(encoding="utf-8"))
    assert found[0].sha256 == facts["sha256"]
    assert (found[0].n_tokens, found[0].width) == (facts["n_tokens"], facts["width"])
    assert facts["encoder"]["licence"] == "Apache-2.0"
    assert "Apache License, Version 2.0" in (prior_folder() / "NOTICE").read_text(encoding="utf-8")


def test_a_shipped_prior_that_is_missing_says_what_to_do_each_time_and_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    monkeypatch.setattr(prior_module, "_shipped", [])
    monkeypatch.setattr(prior_module, "prior_folder", lambda: tmp_path / "nowhere")
    for _ in range(2):
        with pytest.raises(BundleError, match=r"prior\.json: the file is not there; .* install the package again"):
            shipped_prior()
    monkeypatch.setattr(prior_module, "prior_folder", lambda: folder)
    assert shipped_prior().n_tokens == PRIOR.n_tokens


def test_words_of_customers_have_tokens_in_the_shipped_prior_and_near_words_near_vectors() -> None:
    prior = shipped_prior()
    vectors = prior.vectors * prior.vector_scale[:, None]
    vectors -= vectors.mean(axis=0)

    def cosine(one: str, other: str) -> float:
        a, b = (vectors[prior.tokenise([word])[0]].mean(axis=0) for word in (one, other))
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert all(len(prior.tokenise([word])[0]) == 1 for word in ("parcel", "package", "password", "Flight"))
    assert cosine("refund", "reimbursement") > cosine("refund", "flight") + 0.2
    assert cosine("parcel", "package") > cosine("parcel", "password") + 0.2


def test_a_word_that_occurs_often_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = TokenPrior.tokenise_word

    def tokenise_word(self: TokenPrior, word: str) -> list[int]:
        asked.append(word)
        return real(self, word)

    monkeypatch.setattr(TokenPrior, "tokenise_word", tokenise_word)
    PRIOR.tokenise(["refund parcel refund", "parcel", "refunds"])
    assert sorted(asked) == ["parcel", "refund", "refunds"]
