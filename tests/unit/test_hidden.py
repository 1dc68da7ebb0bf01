"""The hidden layer in training: its gradients, its steps, and the scores it hands to the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from contact_reasons.classifier import Vocabulary, hidden
from contact_reasons.classifier.calibration import Mix
from contact_reasons.classifier.engine import ReferenceEngine, make_engine
from contact_reasons.classifier.estimator import _arrays, _vectors
from contact_reasons.classifier.features import count_features
from contact_reasons.classifier.hidden import HiddenWeights, _Adam, _Network, fit_hidden
from contact_reasons.classifier.parts import Parts, PartSettings, Targets, fit_parts, read_rows
from tests.unit.test_engine import RANDOM_PRIOR

N, N_TOKENS, N_WORDS, WIDTH, UNITS, K = 7, 9, 6, 5, 4, 3
ARRAYS = ("projection", "bias", "out", "out_bias", "vectors", "words")


def random_rows(seed: int, n: int = N) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Tokens and words; the first text has no tokens, the second no words, the third neither."""
    random = np.random.default_rng(seed)
    tokens = random.integers(0, 3, (n, N_TOKENS)).astype(np.float32)
    words = np.where(random.random((n, N_WORDS)) < 0.5, random.random((n, N_WORDS)), 0).astype(np.float32)
    tokens[:1] = tokens[2:3] = words[1:3] = 0
    return sparse.csr_matrix(tokens), sparse.csr_matrix(words)


def random_targets(seed: int, n: int = N, *, soft: bool = False) -> np.ndarray:
    random = np.random.default_rng(seed + 1)
    return random.dirichlet(np.ones(K), n).astype(np.float32) if soft else random.integers(0, K, n)


def random_vectors(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 2).normal(size=(N_TOKENS, WIDTH)).astype(np.float32)


@pytest.fixture
def no_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TOKEN_DROPOUT", "_FEATURE_DROPOUT", "_UNIT_DROPOUT"):
        monkeypatch.setattr(hidden, name, 0.0)


def loss(values: dict[str, np.ndarray], tokens: np.ndarray, words: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> float:  # fmt: skip
    """Mean weighted cross-entropy in float64, with targets smoothed by 0.1."""
    mean = tokens / np.maximum(tokens.sum(axis=1, keepdims=True), 1)
    units = np.maximum(mean @ values["vectors"] @ values["projection"] + words @ values["words"] + values["bias"], 0)
    scores = units @ values["out"] + values["out_bias"]
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return float(-(weights[:, None] * (0.9 * wanted + 0.1 / K) * logs).sum() / len(tokens))


@pytest.mark.usefixtures("no_dropout")
@pytest.mark.parametrize("weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
@pytest.mark.parametrize("name", ARRAYS)
def test_gradients_are_those_of_finite_differences(name: str, soft: bool, weighted: bool) -> None:
    tokens, words = random_rows(0)
    targets = random_targets(0, soft=soft)
    weights = np.random.default_rng(9).uniform(0.2, 3, N).astype(np.float32) if weighted else None
    network = _Network(tokens, words, targets, K, random_vectors(0), UNITS, (0,), weights)
    random = np.random.default_rng(8)
    network.words += random.normal(size=network.words.shape).astype(np.float32)
    network.bias += random.normal(size=UNITS).astype(np.float32)
    rows = np.array([5, 0, 1, 6, 2])
    found, token_rows, word_rows = network._gradients(rows)
    values = {each: getattr(network, each).astype(np.float64) for each in ARRAYS}
    whole = found[name]
    if name in ("vectors", "words"):
        whole = np.zeros(values[name].shape)
        whole[token_rows if name == "vectors" else word_rows] = found[name]
    dense = tokens.toarray().astype(np.float64)[:, network.used], words.toarray().astype(np.float64)
    wanted = (targets if soft else np.eye(K)[targets]).astype(np.float64)
    row_weights = np.ones(N) if weights is None else weights.astype(np.float64)

    def slope(at: tuple[int, ...]) -> float:
        sides = []
        for step in (1e-5, -1e-5):
            moved = {**values, name: values[name].copy()}
            moved[name][at] += step
            sides.append(loss(moved, dense[0][rows], dense[1][rows], wanted[rows], row_weights[rows]))
        return (sides[0] - sides[1]) / 2e-5

    numeric = np.array([slope(at) for at in np.ndindex(values[name].shape)]).reshape(values[name].shape)
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(whole, numeric, atol=2e-6)


@pytest.mark.usefixtures("no_dropout")
@pytest.mark.parametrize(
    ("name", "share"), [("_TOKEN_DROPOUT", 0.1), ("_FEATURE_DROPOUT", 0.1), ("_UNIT_DROPOUT", 0.3)]
)
def test_dropout_changes_no_gradient_on_average(name: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """All units are active and weights of the output small, so that the gradient of the output is linear in the input."""
    tokens, words = random_rows(1)
    network = _Network(tokens, words, random_targets(1), K, random_vectors(1), UNITS, (0,), None)
    network.vectors, network.projection = np.abs(network.vectors), np.abs(network.projection)
    if name == "_FEATURE_DROPOUT":
        network.vectors *= 0
        network.words += np.random.default_rng(0).uniform(1, 2, network.words.shape).astype(np.float32)
    network.bias += np.float32(0.1)
    network.out *= np.float32(1e-4)
    rows = np.arange(3, N)
    plain = network._gradients(rows)[0]["out"]
    monkeypatch.setattr(hidden, name, share)
    drawn = np.array([network._gradients(rows)[0]["out"] for _ in range(600)])
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    size = float(np.abs(plain).max())
    assert 0 < error.max() < 0.2 * share * size
    assert (np.abs(drawn.mean(axis=0) - plain) < 4 * error + 0.01 * size).all()


def test_adam_is_the_published_rule_and_leaves_other_rows_alone() -> None:
    random = np.random.default_rng(0)
    array = random.normal(size=(4, 3)).astype(np.float32)
    first = array.astype(np.float64)
    adam, mean, square = _Adam(array), np.zeros((4, 3)), np.zeros((4, 3))
    for step in range(1, 6):
        gradient = random.normal(size=(2, 3)).astype(np.float32)
        rows = np.array([0, 2])
        adam.step(gradient, 0.01, step, rows)
        mean[rows] = 0.9 * mean[rows] + 0.1 * gradient
        square[rows] = 0.999 * square[rows] + 0.001 * gradient.astype(np.float64) ** 2
        first[rows] -= 0.01 * (mean[rows] / (1 - 0.9**step)) / (np.sqrt(square[rows] / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(array, first, atol=1e-5)
    assert np.abs(array[[0, 2]] - first[[1, 3]]).max() > 0


@given(
    scores=hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-1e4, 1e4, width=32))
)  # fmt: skip
def test_thesoftmax_sums_to_one_whatever_the_scores(scores: np.ndarray) -> None:
    chances = hidden.softmax(scores)
    assert (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)


def fitted(seed: int = 0, n: int = 40, **changes: Any) -> HiddenWeights:
    tokens, words = random_rows(seed, n)
    options: dict[str, Any] = {"targets": random_targets(seed, n), "vectors": random_vectors(seed), **changes}
    start = options.pop("start", (0, 0))
    return fit_hidden(tokens, words, n_columns=K, units=UNITS, seed=start, **options)


def bytes_of(weights: HiddenWeights) -> list[bytes]:
    return [array.tobytes() for array in weights]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert bytes_of(fitted()) == bytes_of(fitted())
    assert bytes_of(fitted()) != bytes_of(fitted(start=(0, 1)))


def test_weights_have_the_promised_shapes_and_dtypes() -> None:
    weights = fitted()
    t = len(weights.tuned_ids)
    shapes = [(t,), (t, UNITS), (WIDTH, UNITS), (N_WORDS, UNITS), (UNITS,), (UNITS, K), (K,)]
    assert [array.shape for array in weights] == shapes
    assert [array.dtype for array in weights] == [np.int64] + [np.float32] * 6
    assert (np.diff(weights.tuned_ids) > 0).all()


def test_labels_and_their_one_hot_distributions_train_the_same() -> None:
    labels = random_targets(0, 40)
    assert bytes_of(fitted()) == bytes_of(fitted(targets=np.eye(K, dtype=np.float32)[labels]))
    assert bytes_of(fitted()) == bytes_of(fitted(row_weights=np.ones(40, np.float32)))


def test_texts_without_weight_teach_nothing() -> None:
    """Of two texts that contradict each other the one that counts is believed."""
    tokens = sparse.csr_matrix(np.tile(np.eye(2, N_TOKENS, dtype=np.float32), (20, 1)))
    words = sparse.csr_matrix((40, N_WORDS), dtype=np.float32)
    labels = np.tile([0, 1, 1, 0], 10)
    counts = np.tile(np.array([1, 1, 0, 0], np.float32), 10)
    weights = fit_hidden(tokens, words, labels, 2, random_vectors(0), units=UNITS, seed=(0,), row_weights=counts)
    assert weights.scores(tokens[:2], words[:2], random_vectors(0)).argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("what", ["no tokens", "no words", "neither", "no word features"])
def test_texts_without_tokens_or_words_can_be_trained_on(what: str) -> None:
    tokens, words = random_rows(0, 20)
    if what in ("no tokens", "neither"):
        tokens = sparse.csr_matrix(tokens.shape, dtype=np.float32)
    if what in ("no words", "neither"):
        words = sparse.csr_matrix(words.shape, dtype=np.float32)
    if what == "no word features":
        words = words[:, :0]
    weights = fit_hidden(tokens, words, np.arange(20) % K, K, random_vectors(0), units=UNITS, seed=(0,))
    scores = weights.scores(tokens, words, random_vectors(0))
    assert scores.shape == (20, K)
    assert np.isfinite(scores).all()
    if what == "neither":
        assert np.ptp(scores, axis=0).max() == 0


def test_a_class_without_texts_becomes_improbable() -> None:
    weights = fitted(targets=np.arange(40) % 2)
    tokens, words = random_rows(0, 40)
    scores = weights.scores(tokens, words, random_vectors(0))
    assert (scores.argmax(axis=1) < 2).all()


def test_vectors_that_are_all_zero_leave_words_to_learn_from() -> None:
    tokens, _ = random_rows(0, 40)
    labels = np.arange(40) % K
    words = sparse.csr_matrix(np.eye(N_WORDS, dtype=np.float32)[labels])
    zero = np.zeros((N_TOKENS, WIDTH), np.float32)
    weights = fit_hidden(tokens, words, labels, K, zero, units=16, seed=(0,))
    assert all(np.isfinite(array).all() for array in weights)
    assert (weights.scores(tokens, words, zero).argmax(axis=1) == labels).all()


def test_the_size_of_vectors_does_not_matter() -> None:
    tokens, words = random_rows(0, 40)
    vectors = random_vectors(0)
    small, large = fitted(vectors=vectors), fitted(vectors=vectors * np.float32(64))
    others = small.scores(tokens, words, vectors)
    np.testing.assert_allclose(large.scores(tokens, words, vectors * np.float32(64)), others, atol=1e-4)


@pytest.mark.parametrize(
    ("n", "epochs"),
    [(1, 200), (2, 200), (64, 200), (65, 100), (640, 20), (641, 19), (1280, 10), (5000, 10), (60_000, 6), (500_000, 1)],
)
def test_steps_are_ten_passes_more_for_few_texts_and_fewer_for_many(
    n: int, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = sparse.csr_matrix((n, 1), dtype=np.float32)
    network = _Network(empty, empty, np.zeros(n, np.int64), 2, np.zeros((1, 1), np.float32), 1, (0,), None)
    seen, rates = [0], []
    nothing = {name: np.zeros_like(getattr(network, name)) for name in ("projection", "bias", "out", "out_bias")}
    nothing |= {"vectors": network.vectors[:0], "words": network.words[:0]}
    none = np.zeros(0, np.int64)

    def gradients(rows: np.ndarray) -> Any:
        seen[0] += len(rows)
        return nothing, none, none

    def step(self: _Adam, gradient: np.ndarray, rate: float, step: int, rows: Any = None) -> None:
        rates.append((step, rate))

    monkeypatch.setattr(network, "_gradients", gradients)
    monkeypatch.setattr(_Adam, "step", step)
    network.fit()
    assert seen[0] == epochs * n
    steps = epochs * -(-n // 64)
    assert [number for number, _ in rates[::6]] == list(range(1, steps + 1))
    top = max(rate for _, rate in rates)
    assert 0.9 * hidden._RATE < top <= hidden._RATE
    assert rates[0][1] < top
    assert rates[-1][1] == pytest.approx(0.02 * hidden._RATE)


TEXTS = ["refund my parcel", "refunds paref", "", "unknown words", "my refund", "parcel", "where refunds", "words my"]


@pytest.fixture(scope="module")
def parts() -> tuple[Vocabulary, Any, Parts]:
    vocabulary = Vocabulary.learn(count_features(TEXTS), len(TEXTS), min_df=1, max_df=1.0)
    rows = read_rows(vocabulary.transform(TEXTS), vocabulary.is_char, TEXTS, RANDOM_PRIOR, 6000)
    targets = Targets(np.array([0, 1, 2, 2, 0, 1, 2, 0]))
    return vocabulary, rows, fit_parts(rows, targets, 3, _vectors(RANDOM_PRIOR), PartSettings(0.5, None, 6, 2, 0), 1)


@pytest.mark.parametrize("engine", [ReferenceEngine, make_engine], ids=["reference", "as installed"])
@pytest.mark.filterwarnings("ignore:the compiled kernel")
def test_an_engine_says_what_training_says_up_to_quantisation(
    engine: Any, parts: tuple[Vocabulary, Any, Parts]
) -> None:
    """Every rounded weight is off by half a step of its row at most, so scores by no more than that carries through."""
    vocabulary, rows, trained = parts
    mix = Mix(1.7, 0.6, 0.0)
    arrays = _arrays(trained, mix, vocabulary, rows.word_ids, RANDOM_PRIOR, 8)
    vectors = _vectors(RANDOM_PRIOR)
    texts = (*TEXTS, "fund of parcels", "re els", "x" * 20)
    asked = read_rows(vocabulary.transform(texts), vocabulary.is_char, texts, RANDOM_PRIOR, 6000)
    asked = asked._replace(words=asked.features[:, rows.word_ids])
    said = np.mean([member.scores(asked.tokens, asked.words, vectors) for member in trained.hidden], axis=0)
    wanted = mix.linear * (asked.features @ trained.weights + trained.intercept) + mix.hidden * said

    scores, n_words = np.empty((len(texts), 3), np.float32), np.empty((len(texts), 2), np.int32)
    engine(arrays).score(texts, 0, len(texts), scores, n_words)
    layer = arrays.hidden
    assert layer is not None
    units = 0.5 * (abs(asked.words) @ layer.word_scale) + 0.5 * layer.tuned_scale.max()
    bound = 0.5 * (asked.features @ arrays.row_scale)[:, None] + units[:, None] * np.abs(layer.out).sum(axis=0) + 1e-4
    off = np.abs(scores - wanted)
    assert (off <= bound).all()
    assert off.max() > 0
    assert bound.max() < 0.2 * np.ptp(wanted)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), n=st.integers(1, 6))
def test_a_row_of_scores_is_that_of_its_text_alone(seed: int, n: int) -> None:
    tokens, words = random_rows(seed, n)
    weights = _TRAINED
    vectors = random_vectors(0)
    whole = weights.scores(tokens, words, vectors)
    alone = np.vstack([weights.scores(tokens[row], words[row], vectors) for row in range(n)])
    np.testing.assert_allclose(whole, alone, atol=1e-5)


_TRAINED = fitted()
