"""The program that makes the prior: its arithmetic, and that the shipped prior is of the shipped texts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from contact_reasons.classifier.features import split_words
from contact_reasons.resources import pack_files, pack_names, prior_folder
from contact_reasons.training import read_labelled_texts
from tests.conftest import ROOT
from tests.strategies import contact_text
from tests.tools import load_tool

tool = load_tool("make_prior")
VOCABULARY = [
    "[PAD]",
    "[unused1]",
    "[",
    "]",
    "!",
    "the",
    "The",
    "##s",
    "2019",
    "1984",
    "##'",
    "é",
    "x" * 21,
    "##",
    "a-b",
    "s",
]


def test_tokens_are_what_normalised_words_can_hold_in_the_order_of_the_vocabulary() -> None:
    assert [tuple(token) for token in tool.tokens_of(VOCABULARY)] == [
        ("the", False, [5, 6]),
        ("s", True, [7]),
        ("0000", False, [8, 9]),
        ("é", False, [11]),
        ("s", False, [15]),
    ]


@given(entries=st.lists(contact_text, max_size=20))
def test_every_token_is_one_word_of_the_features(entries: list[str]) -> None:
    for token in tool.tokens_of(entries):
        assert split_words([token.text]) == [[token.text]]


def test_tokens_of_texts_are_counted() -> None:
    tokens = tool.tokens_of(VOCABULARY)
    counts = tool.count_tokens(tokens, ["The thes 1234", "", "s the s"])
    assert counts.toarray().tolist() == [[2, 1, 1, 0, 0], [0] * 5, [1, 0, 0, 0, 2]]


@given(seed=st.integers(0, 1000), n=st.integers(1, 4))
def test_components_are_orthonormal_and_catch_the_most_spread(seed: int, n: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(30, 5)) * [9, 6, 4, 2, 1]
    basis = tool.components(matrix, n)
    np.testing.assert_allclose(basis.T @ basis, np.eye(n), atol=1e-9)
    values = np.linalg.eigvalsh(np.cov(matrix.T))[::-1]
    np.testing.assert_allclose(np.cov((matrix @ basis).T).reshape(n, n), np.diag(values[:n]), atol=1e-8)
    assert (basis[np.abs(basis).argmax(axis=0), range(n)] > 0).all()


def test_rareness_is_the_formula_of_sif_with_zipfs_law() -> None:
    p = np.array([1 / 2, 1 / 3, 1 / 4]) / (1 / 2 + 1 / 3 + 1 / 4)
    np.testing.assert_allclose(tool.rareness(3)[:, 0], 1e-4 / (1e-4 + p), rtol=1e-6)


def test_the_gradient_of_the_imitation_is_that_of_differences() -> None:
    random = np.random.default_rng(0)
    means, wanted = random.normal(size=(2, 3, 4))

    def loss(means: np.ndarray) -> float:
        cosine = (means * wanted).sum(axis=1) / np.linalg.norm(means, axis=1) / np.linalg.norm(wanted, axis=1)
        return float((1 - cosine + 0.05 * ((means - wanted) ** 2).sum(axis=1)).mean())

    found = tool.imitation_gradient(means, wanted)
    for at in np.ndindex(means.shape):
        step = np.zeros_like(means)
        step[at] = 1e-5
        assert found[at] == pytest.approx((loss(means + step) - loss(means - step)) / 2e-5, abs=1e-5)


def test_a_step_of_adam_moves_the_rows_that_it_touches_by_the_rate() -> None:
    array, state = np.zeros((3, 2), np.float32), np.zeros((2, 3, 2), np.float32)
    tool.adam(array, state, np.array([0, 2]), np.array([[1, -3], [0.5, 0]], np.float32), 1, 0.01)
    np.testing.assert_allclose(array, [[-0.01, 0.01], [0, 0], [-0.01, 0]], atol=1e-6)


def start_of(vectors: np.ndarray, counts: sparse.csr_matrix, wanted: np.ndarray) -> np.ndarray:
    """Where tokens start: unit vectors in the basis of the texts, by rareness, scaled to fit."""
    basis = tool.components(wanted[::2], tool.WIDTH)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    start = (unit - unit.mean(axis=0)) @ basis * tool.rareness(len(unit))
    means, wanted = tool.mean_rows(counts) @ start, (wanted - wanted.mean(axis=0)) @ basis
    return np.asarray(start * (means * wanted).sum() / (means * means).sum())


def test_vectors_in_texts_come_nearer_to_what_is_wanted_and_tokens_without_texts_stay() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 300)).astype(np.float32)
    counts = sparse.csr_matrix((random.random((3000, 400)) < 0.01).astype(np.float32))
    counts.data *= counts.indices != 7
    counts.eliminate_zeros()
    truth = random.normal(size=(400, 300)).astype(np.float32)
    wanted = tool.mean_rows(counts) @ (0.5 * vectors + truth)
    fitted, cosines = tool.in_texts(vectors, counts, wanted)
    again, _ = tool.in_texts(vectors, counts, wanted)
    assert (fitted == again).all()
    assert cosines["after"] > cosines["before"] + 0.03
    longer = np.array(vectors)
    longer[7] *= 3  # only directions count
    np.testing.assert_allclose(tool.in_texts(longer, counts, wanted)[0][7], fitted[7], rtol=1e-3, atol=1e-4)
    moved = np.abs(fitted - start_of(vectors, counts, wanted)).max(axis=1)
    assert moved[7] < 1e-4
    assert np.delete(moved, 7).min() > 1e-3


def test_joined_views_have_equal_weight_and_damped_components() -> None:
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(300, 160)).astype(np.float32) for _ in range(2))
    joined = tool.join([one, other])
    assert joined.shape == (300, tool.WIDTH)
    np.testing.assert_allclose(tool.join([one * 7, other]), joined, rtol=1e-2, atol=1e-3)
    both = np.hstack([one / one.std(), other / other.std()])
    spread = ((both - both.mean(axis=0)) @ tool.components(both, tool.WIDTH)).std(axis=0)
    np.testing.assert_allclose(joined.std(axis=0), np.sqrt(spread), rtol=1e-3)


def test_known_vectors_are_taken_from_the_cache_and_new_ones_added(tmp_path: Path) -> None:
    class Counting:
        asked: list[str]

        def text_vectors(self, texts: list[str]) -> np.ndarray:
            self.asked = texts
            return np.array([[len(text)] * 384 for text in texts], np.float16).reshape(-1, 384)

    encoder, cache = Counting(), tmp_path / "vectors.npz"
    for texts, asked in [(["a", "bb"], ["a", "bb"]), (["ccc", "bb"], ["ccc"]), (["a", "ccc"], [])]:
        found = tool.cached_text_vectors(encoder, texts, cache)
        assert found[:, 5].tolist() == [len(text) for text in texts]
        assert encoder.asked == asked


def test_the_shipped_prior_was_made_from_the_texts_beside_the_program() -> None:
    texts, sha256 = tool.read_texts(ROOT / "tools" / "prior-texts.jsonl.gz")
    made = json.loads((prior_folder() / "prior.json").read_text(encoding="utf-8"))["made"]
    assert (made["texts"], made["texts_sha256"]) == (len(texts), sha256)
    assert (prior_folder() / "NOTICE").read_text(encoding="utf-8") == tool.NOTICE


@pytest.mark.parametrize("lines", ['"b"\n"a"\n', '"a"\n"a"\n', "1\n2\n"])
def test_texts_out_of_order_twice_or_of_another_kind_are_refused(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "texts.jsonl.gz"
    file.write_bytes(gzip.compress(lines.encode()))
    with pytest.raises(SystemExit, match="sorted and unique"):
        tool.read_texts(file)


def as_words(texts: Sequence[str]) -> set[str]:
    return {" ".join(words) for words in split_words(texts)} - {""}


def test_no_test_text_of_a_shipped_pack_is_among_the_texts_of_the_prior() -> None:
    texts = as_words(tool.read_texts(ROOT / "tools" / "prior-texts.jsonl.gz")[0])
    for name in pack_names():
        assert not as_words(read_labelled_texts(pack_files(name).texts / "test.jsonl").texts) & texts


def test_no_public_row_is_among_the_texts_of_the_prior(shared_data: Path) -> None:
    """Not even a short one that was written twice by chance: the prior has seen no text that anything is measured on."""
    texts = as_words(tool.read_texts(ROOT / "tools" / "prior-texts.jsonl.gz")[0])
    for file in sorted(shared_data.glob("*/*.jsonl")):
        rows = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
        assert not as_words(rows) & texts, file
