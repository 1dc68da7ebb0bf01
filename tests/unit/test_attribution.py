"""Contributions of words: exact sums, a slow twin, and places in the text."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import contact_reasons as cr
from contact_reasons.classifier import ModelArrays
from contact_reasons.classifier.attribution import align, attribute, mean_slope, word_spans
from contact_reasons.classifier.engine import ReferenceEngine
from contact_reasons.classifier.features import MAX_CHARS, count_features, normalise, split_words
from tests.strategies import any_text, contact_text
from tests.unit.test_engine import arrays
from tests.unit.test_features import BASE, SEED_CHAR, SEED_PAIR, SEED_WORD, M, mix, polynomial

ODD = [
    "",
    "\0",
    "½",
    "5½kg",
    "e\u0301tat ﬁne ﷺ",
    "찾을 수 \u1112\u1161\u11ab",
    "I can’t, 'really' `no`",
    "[mail] refund [number]'s",
    "[[mail]] [mai[mail]l] ［mail］",
    "İstanbul Straße ΰ\u0345",
    "\ud800 lone refund",
    "👩‍👩‍👧 refund 😀",
    "شكرا where is my parcel",
    "\u0301 mark first",
    "a\u0334\u0301\u0345b",
]
unicode_text = st.text(
    st.sampled_from("aé'’½ﬁﷺ [mail]\u0301\u0345\u0334ΰß5٣한\u1112\u1161\u11ab\ud800😀\n"), max_size=25
)
texts = contact_text | unicode_text | st.sampled_from(ODD)
MODEL = arrays()
N_COLUMNS = len(MODEL.intercept)
contrasts = hnp.arrays(np.float64, N_COLUMNS, elements=st.floats(-3, 3, width=32))


def reference_scores(model: ModelArrays, text: str) -> Any:
    scores, words = np.empty((1, len(model.intercept)), dtype=np.float64), np.empty((1, 2), dtype=np.int32)
    ReferenceEngine(model).score((text,), 0, 1, scores, words)
    return scores[0]


# ---------------------------------------------------------------------------------------------------- sums


@given(text=texts, contrast=contrasts)
def test_words_and_rest_add_up_to_the_contrast_of_the_scores(text: str, contrast: Any) -> None:
    found = attribute(MODEL, text, contrast)
    total = found.linear.sum() + found.hidden.sum() + found.rest
    assert total == pytest.approx(reference_scores(MODEL, text) @ contrast, abs=1e-8)


@given(text=texts, contrast=contrasts)
def test_the_linear_part_alone_adds_up_to_the_linear_scores(text: str, contrast: Any) -> None:
    linear_only = ModelArrays(MODEL.vocabulary, MODEL.rows, MODEL.row_scale, MODEL.intercept)
    found = attribute(linear_only, text, contrast)
    assert not found.hidden.any()
    assert found.rest == pytest.approx(float(MODEL.intercept.astype(np.float64) @ contrast))
    assert found.linear.sum() + found.rest == pytest.approx(reference_scores(linear_only, text) @ contrast, abs=1e-8)
    assert np.array_equal(found.linear, attribute(MODEL, text, contrast).linear)


def test_the_shipped_model_adds_up_too_and_its_kernel_agrees(retail: cr.Pipeline) -> None:
    model = retail.bundle.model
    contrast = np.random.default_rng(1).normal(size=len(model.arrays.intercept))
    for text in (*ODD, "where is my parcel, it was due monday and I can't reach you", "refund " * 300):
        found = attribute(model.arrays, text, contrast)
        total = found.linear.sum() + found.hidden.sum() + found.rest
        assert total == pytest.approx(reference_scores(model.arrays, text) @ contrast, abs=1e-9)
        assert total == pytest.approx(model.scores([text])[0] @ contrast, abs=2e-3)


# ------------------------------------------------------------------------------------------------ slow twin


def slow_occurrences(words: list[str]) -> list[tuple[int, tuple[int, ...]]]:
    """Hash and words of each feature occurrence, as the specification has them."""
    found = [(mix(polynomial(word), SEED_WORD), (i,)) for i, word in enumerate(words)]
    for i, (first, second) in enumerate(itertools.pairwise(words)):
        found.append((mix((polynomial(first) + BASE * polynomial(second)) % M, SEED_PAIR), (i, i + 1)))
    for i, word in enumerate(words):
        spaced = f" {word} "
        for n in (2, 3, 4, 5):
            for start in range(len(spaced) - n + 1):
                found.append((mix(polynomial(spaced[start : start + n]), SEED_CHAR), (i,)))
    return found


def slow_attribution(model: ModelArrays, text: str, contrast: Any) -> tuple[list[float], dict[int, float]]:
    """What each word and each pair adds; gradients of the layer summed in 4,000 steps along the path."""
    assert model.hidden is not None
    hidden, words = model.hidden, split_words([text])[0]
    entries = model.vocabulary.entries(count_features([text]), 1)
    weight = dict(zip(entries.features.tolist(), entries.weights.astype(np.float64).tolist(), strict=True))
    index = {value: i for i, value in enumerate(model.vocabulary.hashes.tolist())}
    occurrences = [(index[h], owners) for h, owners in slow_occurrences(words) if h in index]
    often = Counter(feature for feature, _ in occurrences)
    row_of = {feature: row for row, feature in enumerate(hidden.word_ids.tolist())}
    tuned = {token: row for row, token in enumerate(hidden.tuned_ids.tolist())}
    tokens = [hidden.prior.tokenise_word(word) for word in words]
    n_tokens = max(sum(map(len, tokens)), 1)

    inputs: list[tuple[Any, tuple[int, ...]]] = []
    for feature, owners in occurrences:
        if feature in row_of:
            row = row_of[feature]
            scale = weight[feature] * float(hidden.word_scale[row]) / often[feature]
            inputs.append((scale * hidden.word_rows[row].astype(np.float64), owners))
    for i, ids in enumerate(tokens):
        for token in ids:
            if token in tuned:
                vector = float(hidden.tuned_scale[tuned[token]]) * hidden.tuned_rows[tuned[token]].astype(np.float64)
            else:
                vector = float(hidden.prior.vector_scale[token]) * (
                    hidden.prior.vectors[token].astype(np.float64) @ hidden.projection.astype(np.float64)
                )
            inputs.append((vector / n_tokens, (i,)))
    bias = hidden.hidden_bias.astype(np.float64)
    total = sum((vector for vector, _ in inputs), np.zeros_like(bias))
    steps = (np.arange(4000) + 0.5) / 4000
    slopes = (bias + steps[:, None] * total > 0).mean(axis=0)
    pull = slopes * (hidden.out.astype(np.float64) @ contrast)

    parts: list[tuple[float, tuple[int, ...]]] = [(float(vector @ pull), owners) for vector, owners in inputs]
    for feature, owners in occurrences:
        row = model.rows[feature].astype(np.float64) @ contrast * float(model.row_scale[feature])
        parts.append((weight[feature] * row / often[feature], owners))
    of_words = [0.0] * len(words)
    of_pairs: dict[int, float] = defaultdict(float)
    for part, owners in parts:
        for owner in owners:
            of_words[owner] += part / len(owners)
        if len(owners) == 2:
            of_pairs[owners[0]] += part
    return of_words, of_pairs


@pytest.mark.parametrize(
    "text", ["refund my parcel", "Refund refund refunds my, my parcel", "paref unknown words parcel refund my", "??"]
)
def test_contributions_equal_those_of_a_slow_twin(text: str) -> None:
    contrast = np.array([1.0, -0.5, 0.25, 0.0, -2.0])
    found = attribute(MODEL, text, contrast)
    words, pairs = slow_attribution(MODEL, text, contrast)
    scale = max(map(abs, words), default=1.0)
    np.testing.assert_allclose(found.linear + found.hidden, words, atol=2e-3 * scale)
    assert found.pair_at.tolist() == sorted(pairs)
    np.testing.assert_allclose(found.pairs, [pairs[at] for at in sorted(pairs)], atol=2e-3 * scale)


finite = st.floats(-1e6, 1e6)


@given(start=finite, step=finite)
def test_the_mean_slope_of_the_rectifier_lies_between_zero_and_one_and_completes_the_step(
    start: float, step: float
) -> None:
    slope = float(mean_slope(np.array([start]), np.array([step]))[0])
    assert 0 <= slope <= 1
    assert slope * step == pytest.approx(max(0.0, start + step) - max(0.0, start), abs=1e-9, rel=1e-9)


def test_the_slope_of_a_step_that_is_lost_in_rounding_is_that_of_its_place() -> None:
    assert mean_slope(np.array([1.0, -1.0]), np.array([1e-20, 1e-20])).tolist() == [1.0, 0.0]


# ---------------------------------------------------------------------------------------- places in the text


@given(text=texts | any_text)
def test_characters_are_aligned_with_the_text_that_they_were_made_from(text: str) -> None:
    normal, starts, stops = align(text)
    assert normal == normalise(text)
    assert len(normal) == len(starts) == len(stops)
    assert starts == sorted(starts)
    assert all(0 <= start < stop <= len(text) for start, stop in zip(starts, stops, strict=True))


@given(text=texts | any_text)
def test_spans_lie_in_the_text_in_order_apart_and_hold_their_words(text: str) -> None:
    words = split_words([text])[0]
    spans, unit_of_word = word_spans(text, words)
    flat = spans.ravel().tolist()
    assert flat == sorted(flat)
    assert all(0 <= start < stop <= len(text) for start, stop in spans.tolist())
    assert unit_of_word.tolist() == sorted(unit_of_word.tolist())
    assert sorted(set(unit_of_word.tolist())) == list(range(len(spans)))
    for unit, (start, stop) in enumerate(spans.tolist()):
        inside = [word for word, of in zip(words, unit_of_word.tolist(), strict=True) if of == unit]
        assert split_words([text[start:stop]])[0] == inside


def test_words_made_of_one_character_are_one_unit() -> None:
    text = "5½kg or ½"
    spans, units = word_spans(text, split_words([text])[0])
    assert [text[start:stop] for start, stop in spans.tolist()] == ["5½kg", "or", "½"]
    assert units.tolist() == [0, 0, 1, 2, 2]


def test_nothing_that_composes_with_what_stands_before_begins_a_stretch() -> None:
    """All canonical compositions of this Unicode version, the marks of all scripts, and Korean syllables."""
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            assert align(pair)[0] == normalise(pair), hex(code)
    for code in range(0xAC00, 0xD7A4, 97):
        parts = unicodedata.normalize("NFD", chr(code))
        assert align(parts)[0] == normalise(parts)


def test_a_text_that_grows_when_it_is_normalised_is_cut_where_the_features_cut_it() -> None:
    text = "ﷺ " * 10_000 + "refund"
    assert align(text)[0] == normalise(text)
    long = "refund " * 20_000
    assert align(long)[2][-1] <= MAX_CHARS
