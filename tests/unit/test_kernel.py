"""The compiled kernel against the reference: every code point, odd texts, long words, many repeats, any instructions."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_reasons.classifier import (
    CalibrationMap,
    HiddenLayer,
    ModelArrays,
    ReasonModel,
    TokenPrior,
    Vocabulary,
    quantise_rows,
)
from contact_reasons.classifier.engine import ReferenceEngine
from contact_reasons.classifier.features import count_features, has_words, normalise, split_words
from contact_reasons.classifier.prior import piece_hash, token_hash
from tests.strategies import any_text, contact_text

_kernel = pytest.importorskip(
    "contact_reasons.classifier._kernel", reason="the kernel was not built: the reference labels alone"
)

KNOWN = [
    "where is my parcel",
    "refund money please",
    "can't log in, reset my password",
    "[mail] [phone]",
    "café naïve straße 日本語 שלום",
    "a b c aaaa",
    "order number 0000 late",
    "मेरा पार्सल",
]
N_COLUMNS, WIDTH, HIDDEN = 19, 10, 21
ODD = [
    "",
    " ",
    "a",
    "?",
    "\0",
    "a\0b",
    "\ud800 lone",
    "x\udfff",
    "e\u0301",
    "1\u0301",
    "[mail]",
    "[mail][url]x[card]'s",
    "[[mail]] [mai[mail]l] [MAIL] [mail [numbe",
    "[maİl] [mail]",
    "［mail］ [iban]",
    "I'm `ok` ´ok´",
    "can’t",
    "ﬁ ½ Ⅷ ②",
    "İstanbul SS ß",
    "👩‍👩‍👧 family",
    "\ue003 \ue006",
    "a " * 400,
    "where " * 300 + "is " * 257,
    "aaaa" * 200,
    "日本語" * 40,
    "é" * 33,
    "parcel refund " * 5000,
]


def random_model(*, hidden: bool, seed: int = 0) -> ModelArrays:
    """Random weights on the features of `KNOWN`, and on tokens cut from its words."""
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary.learn(count_features(KNOWN), len(KNOWN), min_df=1)
    rows, scale = quantise_rows(rng.normal(size=(vocabulary.n_features, N_COLUMNS)))
    intercept = rng.normal(size=N_COLUMNS).astype(np.float32)
    return ModelArrays(
        vocabulary, rows, scale, intercept, random_layer(rng, np.flatnonzero(~vocabulary.is_char)) if hidden else None
    )


def random_layer(rng: np.random.Generator, words: np.ndarray) -> HiddenLayer:
    prior = random_prior(rng)
    tuned = np.sort(rng.choice(prior.n_tokens, prior.n_tokens // 2, replace=False)).astype(np.int32)
    tuned_rows, tuned_scale = quantise_rows(rng.normal(size=(len(tuned), HIDDEN)))
    word_ids = np.sort(rng.choice(words, len(words) // 2, replace=False)).astype(np.int32)
    word_rows, word_scale = quantise_rows(rng.normal(size=(len(word_ids), HIDDEN)))
    return HiddenLayer(
        prior,
        tuned,
        tuned_rows,
        tuned_scale,
        rng.normal(size=(WIDTH, HIDDEN)).astype(np.float32),
        word_ids,
        word_rows,
        word_scale,
        rng.normal(size=HIDDEN).astype(np.float32),
        rng.normal(size=(HIDDEN, N_COLUMNS)).astype(np.float32),
    )


def random_prior(rng: np.random.Generator) -> TokenPrior:
    words = [word for row in split_words(KNOWN) for word in row]
    hashes = {token_hash(word[:n]) for word in words for n in (1, 2, 3, len(word)) if 1 <= n <= 20}
    hashes |= {piece_hash(word[i : i + n]) for word in words for i in range(1, len(word)) for n in (1, 2, 4)}
    hashes |= {token_hash(c) for c in "abcdefghijklmnop"} | {piece_hash(c) for c in "abcdefghijklmnop"}
    hashes |= {token_hash("abcdefghijklmnopabcd"[:n]) for n in range(1, 21)}
    ordered = np.array(sorted(hashes), dtype=np.uint64)
    vectors, scale = quantise_rows(rng.normal(size=(len(ordered), WIDTH)))
    return TokenPrior(ordered, vectors, scale)


NGRAMS, WHOLE = random_model(hidden=False), random_model(hidden=True)


def kernel_of(arrays: ModelArrays) -> Any:
    prior = None if arrays.hidden is None else arrays.hidden.prior
    tokens = None if prior is None else _kernel.Tokens(prior.token_hashes, prior.vectors, prior.vector_scale)
    return _kernel.Kernel(arrays, tokens)


def scores(engine: Any, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    out, words = np.full((len(texts), N_COLUMNS), np.nan, np.float32), np.full((len(texts), 2), 7, np.int32)
    engine.score(tuple(texts), 0, len(texts), out, words)
    return out, words


def assert_same(arrays: ModelArrays, texts: list[str]) -> None:
    fast, words = scores(kernel_of(arrays), texts)
    slow, slow_words = scores(ReferenceEngine(arrays), texts)
    np.testing.assert_allclose(fast, slow, atol=2e-5, rtol=1e-5)
    assert words.tolist() == slow_words.tolist()


def assert_same_features(vocabulary: Vocabulary, texts: list[str]) -> None:
    arrays = ModelArrays(
        vocabulary,
        np.zeros((vocabulary.n_features, 2), np.int8),
        np.zeros(vocabulary.n_features, np.float32),
        np.zeros(2, np.float32),
    )
    offsets, features, weights = kernel_of(arrays).features(texts)
    expected = vocabulary.entries(count_features(texts), len(texts))
    assert offsets.tolist() == expected.offsets.tolist()
    assert features.tolist() == expected.features.tolist()
    np.testing.assert_allclose(weights, expected.weights, rtol=1e-6)


@pytest.mark.parametrize("arrays", [NGRAMS, WHOLE], ids=["n-grams", "with tokens"])
@given(texts=st.lists(contact_text | st.sampled_from(ODD + KNOWN), max_size=6))
def test_scores_equal_the_reference(arrays: ModelArrays, texts: list[str]) -> None:
    assert_same(arrays, texts)


@pytest.mark.parametrize("arrays", [NGRAMS, WHOLE], ids=["n-grams", "with tokens"])
@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:20]))
def test_odd_texts_equal_the_reference(arrays: ModelArrays, text: str) -> None:
    assert_same(arrays, [text])
    assert_same(arrays, [text + " where is " + text])


@given(texts=st.lists(contact_text | any_text, min_size=1, max_size=4))
def test_every_feature_of_a_text_is_found_and_weighed_as_in_the_reference(texts: list[str]) -> None:
    assert_same_features(Vocabulary.learn(count_features(texts), len(texts), min_df=1, max_df=1.0), texts)


@pytest.mark.parametrize("start", range(0, 0x110000, 0x10000), ids=hex)
def test_every_code_point_gives_the_features_of_the_reference(start: int) -> None:
    codes = range(start, min(start + 0x10000, 0x110000))
    texts = ["".join(map(chr, codes[i : i + 512])) for i in range(0, len(codes), 512)]
    texts += [" ".join(map(chr, codes[i : i + 512])) for i in range(0, len(codes), 512)]
    vocabulary = Vocabulary.learn(count_features(texts), len(texts), min_df=1, max_df=1.0)
    assert_same_features(vocabulary, texts)
    arrays = ModelArrays(
        vocabulary,
        np.zeros((vocabulary.n_features, N_COLUMNS), np.int8),
        np.zeros(vocabulary.n_features, np.float32),
        np.zeros(N_COLUMNS, np.float32),
    )
    singles = [f"{chr(code)}a" for code in codes[::7]] + [f"a{chr(code)}" for code in codes[::7]]
    words = scores(kernel_of(arrays), singles)[1]
    found = vocabulary.entries(count_features(singles), len(singles))
    assert words[:, 0].astype(bool).tolist() == (has_words(singles) & (np.diff(found.offsets) > 0)).tolist()


@pytest.mark.parametrize("letter", ["a", "é", "я", "日", "😀a", "\ue001"])
def test_words_of_any_length_equal_the_reference(letter: str) -> None:
    texts = [(letter * 100)[:n] for n in range(1, 101)]
    assert_same(WHOLE, texts)
    assert_same_features(Vocabulary.learn(count_features(texts), len(texts), min_df=1, max_df=1.0), texts)


def test_more_words_than_the_memo_holds() -> None:
    """It is emptied when full: answers before, while and after are the same, and those of the reference."""
    kernel = kernel_of(WHOLE)
    words = [
        f"parc{a}{b}{c}{d}" for a in "abcdefghij" for b in "abcdefghijkl" for c in "elmnopqrst" for d in "abcdefghij"
    ]
    texts = [" ".join(words[i : i + 40]) for i in range(0, len(words), 40)]
    first = scores(kernel, texts)[0]
    assert (scores(kernel, texts[::-1])[0][::-1] == first).all()
    some = texts[::17]
    np.testing.assert_allclose(scores(ReferenceEngine(WHOLE), some)[0], first[::17], atol=2e-5, rtol=1e-5)


def test_a_giant_text_is_read_up_to_the_limit() -> None:
    giant = "where is my parcel " * 550_000
    assert_same(WHOLE, [giant, giant[:70_000], "é" + giant, "x" * 10_000_000, "日" * 70_000])


@given(word=st.text("abcdefghijklmnopqé日\ue001", min_size=1, max_size=40))
def test_tokens_equal_the_reference(word: str) -> None:
    assert WHOLE.hidden is not None
    prior = WHOLE.hidden.prior
    tokens = _kernel.Tokens(prior.token_hashes, prior.vectors, prior.vector_scale)
    assert tokens.tokenise(word) == prior.tokenise([word])[0].tolist()
    assert normalise(word) == word


@settings(max_examples=20)
@given(texts=st.lists(contact_text | st.sampled_from(ODD[:-1]), min_size=1, max_size=10), size=st.integers(1, 4))
def test_scores_are_the_same_bits_alone_in_any_batch_and_with_any_memory(texts: list[str], size: int) -> None:
    kernel = kernel_of(WHOLE)
    whole = scores(kernel, texts)[0]
    assert (scores(kernel, texts)[0] == whole).all()
    assert (scores(kernel, texts[::-1])[0][::-1] == whole).all()
    assert (
        np.vstack([scores(kernel_of(WHOLE), texts[i : i + size])[0] for i in range(0, len(texts), size)]) == whole
    ).all()


def test_threads_change_no_bit() -> None:
    texts = [f"{text} {number}" for number in range(150) for text in KNOWN + ODD[:20]] * 2
    model = ReasonModel([f"a.r{i:02}" for i in range(N_COLUMNS - 1)], WHOLE)
    alone = model.predict(texts)
    for n_threads in (2, 5):
        together = model.predict(texts, n_threads=n_threads)
        assert (together.proba == alone.proba).all()
        assert (together.in_scope == alone.in_scope).all()
    with ThreadPoolExecutor(4) as pool:
        for said in pool.map(model.predict, [texts] * 8):
            assert (said.proba == alone.proba).all()


@pytest.mark.parametrize("name", ["avx512f", "avx2", "plain"])
def test_any_instructions_give_the_scores_of_the_reference(name: str) -> None:
    try:
        if _kernel.instructions(name) != name:
            pytest.skip(f"this machine has no {name}")
        assert_same(WHOLE, KNOWN + ODD)
        for width in (1, 16, 17, 77, 128, 129, 250):
            rng = np.random.default_rng(width)
            rows, scale = quantise_rows(rng.normal(size=(NGRAMS.vocabulary.n_features, width)))
            arrays = ModelArrays(NGRAMS.vocabulary, rows, scale, rng.normal(size=width).astype(np.float32))
            found, expected = np.zeros((2, len(KNOWN), width), np.float32)
            words = np.zeros((len(KNOWN), 2), np.int32)
            kernel_of(arrays).score(tuple(KNOWN), 0, len(KNOWN), found, words)
            ReferenceEngine(arrays).score(tuple(KNOWN), 0, len(KNOWN), expected, words)
            np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    finally:
        _kernel.instructions()


@given(
    features=st.lists(
        st.tuples(st.sampled_from([1.0, 1.5, 1.5000001, 2.0, 8.25, 40.0]), st.booleans(), st.booleans()), max_size=40
    )
)
def test_features_are_numbered_as_by_a_sort_on_all_keys(features: list[tuple[float, bool, bool]]) -> None:
    idf = np.array([one for one, _, _ in features], dtype=np.float32)
    is_char, lacking = (np.array([one[i] for one in features], dtype=np.bool_) for i in (1, 2))
    vocabulary = Vocabulary(np.arange(len(features), dtype=np.uint64), is_char, idf)
    slow_twin = np.lexsort((np.arange(len(features)), idf, lacking, is_char))
    assert _kernel._frequent_first(vocabulary, lacking.view(np.uint8)).tolist() == slow_twin.tolist()


@pytest.mark.parametrize("width", [1, 15, 16, 17, 64])
def test_rows_are_taken_in_any_order_with_zeros_behind(width: int) -> None:
    rng = np.random.default_rng(width)
    rows = rng.integers(-127, 128, size=(9, width), dtype=np.int8)
    for order in ([], [3], [8, 0, 0, 5]):
        taken = _kernel._taken(rows, np.array(order, dtype=np.int64))
        assert taken.shape == (len(order), -(-width // 16) * 16)
        assert (taken[:, :width] == rows[order]).all()
        assert not taken[:, width:].any()


@given(
    values=st.lists(
        st.one_of(st.floats(-30, 30, width=32), st.sampled_from([0.0, 900.0, -900.0, -1e5])), min_size=2, max_size=9
    ),
    texts=st.lists(st.sampled_from([*KNOWN, *ODD[:20], "parcel", "unheard of parcel"]), min_size=1, max_size=4),
    by=st.builds(
        CalibrationMap,
        st.floats(0, 5),
        st.floats(0, 3),
        st.floats(0, 3),
        st.floats(-3, 3),
        st.sampled_from([0, 0.4, 1]),
    ),
    knows_scope=st.booleans(),
)
def test_probabilities_are_those_of_the_reference(
    values: list[float], texts: list[str], by: CalibrationMap, knows_scope: bool
) -> None:
    """Whatever the scores: here they are those of the intercept, since no feature weighs anything."""
    rows, scale = np.zeros((NGRAMS.vocabulary.n_features, len(values)), np.int8), NGRAMS.row_scale
    arrays = ModelArrays(NGRAMS.vocabulary, rows, scale, np.array(values, np.float32))
    shape = (len(texts), len(values) - knows_scope)
    said = []
    for engine in (kernel_of(arrays), ReferenceEngine(arrays)):
        proba, in_scope = np.full(shape, np.nan), np.full(len(texts), np.nan)
        engine.predict(tuple(texts), 0, len(texts), by, proba, in_scope)
        said.append((proba, in_scope))
    np.testing.assert_allclose(said[0][0], said[1][0], atol=1e-13, rtol=1e-10)
    np.testing.assert_allclose(said[0][1], said[1][1], atol=1e-13, rtol=1e-10)
    np.testing.assert_allclose(said[0][0].sum(axis=1), 1.0)


def test_models_of_one_process_share_the_prior_but_not_their_words() -> None:
    other = random_model(hidden=True, seed=1)
    assert_same(other, KNOWN)
    assert_same(WHOLE, KNOWN)


def test_a_model_without_features_scores_its_intercept() -> None:
    empty = Vocabulary(np.zeros(0, np.uint64), np.zeros(0, bool), np.zeros(0, np.float32))
    arrays = ModelArrays(
        empty, np.zeros((0, N_COLUMNS), np.int8), np.zeros(0, np.float32), np.arange(N_COLUMNS, dtype=np.float32)
    )
    out, words = scores(kernel_of(arrays), ["where", ""])
    assert (out == np.arange(N_COLUMNS)).all()
    assert words.tolist() == [[0, 0], [0, 0]]


def test_the_kernel_refuses_what_would_lead_it_astray() -> None:
    kernel, out, words = kernel_of(NGRAMS), np.zeros((1, N_COLUMNS), np.float32), np.zeros((1, 2), np.int32)
    with pytest.raises(TypeError, match="NoneType"):
        kernel.score((None,), 0, 1, out, words)
    for start, stop in [(0, 2), (-1, 0), (1, 0)]:
        with pytest.raises(ValueError, match="do not fit"):
            kernel.score(("a",), start, stop, out, words)
    with pytest.raises(ValueError, match="do not fit"):
        kernel.score(("a",), 0, 1, np.zeros((1, N_COLUMNS + 1), np.float32), words)
    for n_texts, k, n_scopes in [(1, N_COLUMNS - 2, 1), (1, N_COLUMNS + 1, 1), (2, N_COLUMNS, 1), (1, N_COLUMNS, 2)]:
        with pytest.raises(ValueError, match="proba and in_scope do not fit"):
            kernel.predict(("a",), 0, 1, CalibrationMap(), np.zeros((n_texts, k)), np.zeros(n_scopes))


def test_the_environment_takes_the_reference_and_its_absence_is_told() -> None:
    code = """
import sys, warnings
import contact_reasons as cr
if {hide}:
    sys.modules["contact_reasons.classifier._kernel"] = None
pipe = cr.load_pipeline("retail")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        assert pipe.handle(cr.Contact(text="where is my parcel")).label.primary == "delivery"
print(type(pipe.bundle.model._engine).__name__, [w.category.__name__ for w in caught])
"""

    def run(hide: bool, **environment: str) -> str:
        command = [sys.executable, "-c", code.format(hide=hide)]
        env = {**{k: v for k, v in os.environ.items() if k != "CONTACT_REASONS_KERNEL"}, **environment}
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=env).stdout.strip()

    assert run(False) == "Kernel []"
    assert run(False, CONTACT_REASONS_KERNEL="off") == "ReferenceEngine []"
    assert run(True) == "ReferenceEngine ['SlowPathWarning']"
