"""The classifier in training: archives, teachers, held-out folds, odd data."""

from __future__ import annotations

import pickle
import random
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from contact_reasons.classifier import TokenPrior, estimator, parts
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.classifier.prior import token_hash
from contact_reasons.errors import TrainingError
from contact_reasons.training import Recipe
from tests.conftest import TINY_OUTSIDE, TINY_TEXTS
from tests.unit.test_cli import run
from tests.unit.test_prior import PRIOR

TEXTS = [text for texts in TINY_TEXTS.values() for text in texts]
IDS = [reason for reason, texts in TINY_TEXTS.items() for _ in texts]
SMALL: dict[str, Any] = {"min_df": 1, "hidden_units": 8, "members": 1, "calibration_folds": 2}
ARCHIVE = ["the parcel did not come", "an invoice again please", "my money is not back", "is my parcel late"]


def bytes_of(classifier: ReasonClassifier) -> list[bytes]:
    arrays = classifier.model_.arrays
    found = [arrays.rows, arrays.row_scale, arrays.intercept, classifier.out_of_fold_.proba]
    if arrays.hidden is not None:
        layer = arrays.hidden
        found += [layer.tuned_rows, layer.projection, layer.word_rows, layer.hidden_bias, layer.out]
    return [array.tobytes() for array in found]


class Teacher:
    """Vectors by a rule of one's own; remembers what it was asked."""

    def __init__(self, rule: Any) -> None:
        self.rule, self.asked = rule, list[str]()

    def encode(self, texts: list[str]) -> np.ndarray:
        self.asked = texts
        return np.array([self.rule(text) for text in texts], dtype=np.float32)


# two reasons, each with early words and late words that have no letter in common
EARLY = [["bab", "abba", "bba"], ["cdc", "ddc", "cdd"]]
LATE = [["xyx", "yyx", "xxy"], ["zwz", "wwz", "zzw"]]


def said_with(words: list[str], n: int, seed: int) -> list[str]:
    draw = random.Random(f"{words} {seed}")
    return list({" ".join(draw.choices(words, k=draw.randint(3, 7))): None for _ in range(n)})


def of_cluster(text: str) -> list[float]:
    noise = np.random.default_rng(len(text) * 1000 + sum(map(ord, text))).normal(scale=0.2, size=3)
    side = any(word in text for word in EARLY[1] + LATE[1])
    return [1.0 - side + noise[0], 0.0 + side + noise[1], noise[2]]


@pytest.mark.parametrize("hidden_units", [0, 8])
def test_an_archive_teaches_words_that_no_label_has(hidden_units: int) -> None:
    texts = [text for words in EARLY for text in said_with(words, 6, 0)]
    ids = [reason for reason, words in zip(["a.x", "b.y"], EARLY, strict=True) for _ in said_with(words, 6, 0)]
    archive = [text for words in EARLY + LATE for text in said_with(words, 30, 1)]
    asked = [said_with(words, 30, 2) for words in LATE]
    truth = np.repeat(["a.x", "b.y"], [len(some) for some in asked])
    settings = {**SMALL, "hidden_units": hidden_units, "prior": PRIOR}

    def right(**more: Any) -> float:
        classifier = ReasonClassifier(**settings).fit(texts, ids, **more)
        return float((classifier.predict(asked[0] + asked[1]) == truth).mean())

    assert right() < 0.7
    assert right(unlabelled=archive, teacher=Teacher(of_cluster)) > 0.95


def test_token_vectors_alone_can_teach() -> None:
    """Without a teacher the mean of the token vectors says which late word is like which early one."""
    words = [*EARLY[0], *LATE[0], *EARLY[1], *LATE[1]]
    hashes = {token_hash(word): side for side, word in zip([0] * 6 + [1] * 6, words, strict=True)}
    order = sorted(hashes)
    vectors = np.random.default_rng(0).integers(-20, 21, (12, 8))
    vectors[np.arange(12), [hashes[value] for value in order]] += 100
    prior = TokenPrior(np.array(order, np.uint64), vectors.astype(np.int8), np.full(12, 0.01, np.float32))
    texts = [text for some in EARLY for text in said_with(some, 6, 0)]
    ids = ["a.x"] * len(said_with(EARLY[0], 6, 0)) + ["b.y"] * len(said_with(EARLY[1], 6, 0))
    archive = [text for some in EARLY + LATE for text in said_with(some, 30, 1)]
    asked = [said_with(some, 30, 2) for some in LATE]
    truth = np.repeat(["a.x", "b.y"], [len(some) for some in asked])
    settings = {**SMALL, "hidden_units": 0, "prior": prior}
    alone = ReasonClassifier(**settings).fit(texts, ids)
    taught = ReasonClassifier(**settings).fit(texts, ids, unlabelled=archive)
    assert (alone.predict(asked[0] + asked[1]) == truth).mean() < 0.7
    assert (taught.predict(asked[0] + asked[1]) == truth).mean() > 0.95


def test_texts_of_the_archive_that_have_a_label_are_left_out_and_repeats_too() -> None:
    known = [TEXTS[0].upper(), f"  {TEXTS[3]} ", TINY_OUTSIDE[0]]
    teacher = Teacher(lambda text: [1.0, float(len(text))])
    settings = {**SMALL, "hidden_units": 0}
    alone = ReasonClassifier(**settings).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE)
    same = ReasonClassifier(**settings).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE, unlabelled=known)
    assert bytes_of(same) == bytes_of(alone)
    more = ReasonClassifier(**settings)
    more.fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE, unlabelled=[*known, *ARCHIVE, ARCHIVE[0].upper()], teacher=teacher)
    assert teacher.asked == TEXTS + TINY_OUTSIDE + ARCHIVE
    assert bytes_of(more) != bytes_of(alone)
    assert len(more.out_of_fold_.proba) == len(TEXTS) + len(TINY_OUTSIDE)


def test_an_empty_archive_changes_nothing() -> None:
    alone, same = (ReasonClassifier(**{**SMALL, "hidden_units": 0}).fit(TEXTS, IDS, unlabelled=u) for u in (None, []))
    assert bytes_of(same) == bytes_of(alone)


def planted(n: int = 120, k: int = 4) -> tuple[list[str], list[str], list[str]]:
    """Texts of one word of their own, random labels, and an archive in which each word occurs once more."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [letters[i // 26] * 2 + letters[i % 26] * 3 + letters[-1 - i // 26] for i in range(n)]
    draw = random.Random(0)
    return words, [f"a.r{draw.randrange(k)}" for _ in words], [f"{word} {word}" for word in words]


def who(text: str) -> np.ndarray:
    """One dimension a text: the teacher sees that a text and its twin in the archive are one."""
    words, _, _ = planted()
    return np.eye(len(words))[words.index(text.split(maxsplit=1)[0])]


@pytest.mark.parametrize("hidden_units", [0, 8])
def test_no_held_out_text_is_learned_from_by_way_of_the_archive(
    hidden_units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels are random, so held-out texts are right by chance, although the teacher knows each twin.

    Were a fold's archive labelled with the labels of the texts outside, nearly all would be right: the second half.
    """
    texts, ids, archive = planted()

    def right() -> float:
        classifier = ReasonClassifier(**{**SMALL, "hidden_units": hidden_units, "prior": PRIOR, "calibration_folds": 3})
        classifier.fit(texts, ids, unlabelled=archive, teacher=Teacher(who))
        assert (classifier.predict(texts) == np.array(ids)).mean() > 0.95
        return float((classifier.classes_[classifier.out_of_fold_.proba.argmax(axis=1)] == np.array(ids)).mean())

    assert right() < 0.25 + 3 * np.sqrt(0.25 * 0.75 / len(texts))
    honest = estimator._Training.targets

    def leaking(self: Any, inside: np.ndarray) -> Any:
        known, targets = honest(self, np.arange(len(self.labels)))
        kept = np.isin(known, inside) | (known >= len(self.labels))
        return known[kept], targets._replace(
            labels=targets.labels[kept], soft=targets.soft[kept], weights=targets.weights[kept]
        )

    monkeypatch.setattr(estimator._Training, "targets", leaking)
    assert right() > 0.9


def test_one_process_and_two_give_the_same_bytes() -> None:
    made = [ReasonClassifier(**SMALL, n_jobs=n).fit(TEXTS, IDS, unlabelled=ARCHIVE) for n in (1, 2)]
    assert bytes_of(made[0]) == bytes_of(made[1])
    assert made[0].mix_ == made[1].mix_


def test_threads_of_the_linear_algebra_do_not_change_a_byte() -> None:
    from threadpoolctl import threadpool_limits

    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            made.append(ReasonClassifier(**SMALL).fit(TEXTS, IDS, unlabelled=ARCHIVE))
    assert bytes_of(made[0]) == bytes_of(made[1])


@pytest.mark.parametrize("archive", [None, ARCHIVE], ids=["alone", "with an archive"])
def test_without_hidden_units_there_is_no_hidden_layer(archive: list[str] | None) -> None:
    classifier = ReasonClassifier(**{**SMALL, "hidden_units": 0}).fit(TEXTS, IDS, unlabelled=archive)
    assert classifier.model_.arrays.hidden is None
    assert classifier.mix_.hidden == 0
    assert (classifier.predict(TEXTS) == np.array(IDS)).mean() > 0.9
    np.testing.assert_allclose(classifier.predict_proba(TEXTS).sum(axis=1), 1)


def test_members_stand_side_by_side_and_are_averaged() -> None:
    one, three = (ReasonClassifier(**{**SMALL, "members": n}).fit(TEXTS, IDS) for n in (1, 3))
    first, layers = one.model_.arrays.hidden, three.model_.arrays.hidden
    assert first is not None
    assert layers is not None
    assert layers.hidden_bias.shape == (24,)
    assert (layers.hidden_bias[:8] == first.hidden_bias).all()
    np.testing.assert_allclose(
        layers.out[:8] / (three.mix_.hidden / 3), first.out / one.mix_.hidden, rtol=1e-4, atol=1e-6
    )
    assert np.abs(layers.out[:8] - layers.out[8:16]).max() > 0


def test_labelling_says_what_training_meant_with_all_parts() -> None:
    classifier = ReasonClassifier(**{**SMALL, "members": 2}).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE)
    said = classifier.model_.predict(TEXTS + TINY_OUTSIDE)
    assert (said.in_scope[: len(TEXTS)] > 0.5).mean() > 0.9
    assert said.in_scope[len(TEXTS) :].mean() < said.in_scope[: len(TEXTS)].mean() - 0.1
    assert classifier.out_of_fold_.in_scope.shape == (len(TEXTS) + len(TINY_OUTSIDE),)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_units": -1}, "hidden_units is -1; it must be a whole number, at least 0"),
        ({"hidden_units": 8.0}, "hidden_units is 8.0"),
        ({"hidden_units": True}, "hidden_units is True"),
        ({"members": 0}, "members is 0; it must be a whole number, at least 1"),
        ({"word_rows": -1}, "word_rows is -1; it must be a whole number, at least 0"),
        ({"weight_bits": 9}, "weight_bits is 9; it must be a whole number from 2 to 8"),
        ({"members": "4"}, "members is '4'"),
        ({"calibration_folds": 2.5}, "calibration_folds is 2.5"),
        ({"C": float("nan")}, "C is nan"),
        ({"C": "0.5"}, "C is '0.5'"),
        ({"random_state": -1}, "random_state is -1"),
        ({"random_state": None}, "random_state is None"),
        ({"random_state": 2**32}, r"random_state is 4294967296; it must be below 2\*\*32"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"n_jobs": "2"}, "n_jobs is '2'"),
    ],
)
def test_parameters_out_of_range_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        ReasonClassifier(**parameters).fit(TEXTS, IDS)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, None])
def test_a_recipe_takes_only_seeds_that_training_takes(seed: Any) -> None:
    with pytest.raises(TrainingError, match="seed is"):
        Recipe(seed=seed)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"teacher": Teacher(who)}, "a teacher without unlabelled texts"),
        ({"unlabelled": "one text"}, "texts is a single string"),
        ({"unlabelled": ["one", None]}, r"texts\[1\] is missing"),
        ({"unlabelled": ARCHIVE, "teacher": object()}, "without encode"),
        ({"unlabelled": ARCHIVE, "teacher": Teacher(lambda _: 1.0)}, "one finite vector a text"),
        ({"out_of_scope": TINY_OUTSIDE, "groups": ["a"] * 3}, "20 texts but 3 groups"),
        ({"groups": ["a"] * 25}, "20 texts but 25 groups"),
    ],
)
def test_archives_teachers_and_groups_that_do_not_fit_are_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        ReasonClassifier(**SMALL).fit(TEXTS, IDS, **more)


def test_groups_may_cover_the_texts_out_of_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    real = estimator.stratified_folds

    def folds(*given: Any) -> np.ndarray:
        seen.append(real(*given))
        return seen[-1]

    monkeypatch.setattr(estimator, "stratified_folds", folds)
    settings = {**SMALL, "hidden_units": 0, "calibration_folds": 5}
    groups: list[Any] = [None] * len(TEXTS) + ["spammer"] * len(TINY_OUTSIDE)
    ReasonClassifier(**settings).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE, groups=groups)
    ReasonClassifier(**settings).fit(TEXTS, IDS, out_of_scope=TINY_OUTSIDE, groups=groups[: len(TEXTS)])
    assert len(set(seen[0][len(TEXTS) :].tolist())) == 1
    assert len(set(seen[1][len(TEXTS) :].tolist())) == 5


def test_a_fitted_classifier_can_be_cloned_and_pickled() -> None:
    fitted = ReasonClassifier(**SMALL, prior=PRIOR, random_state=3).fit(TEXTS, IDS, unlabelled=ARCHIVE)
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()
    fresh = clone(fitted)
    assert not hasattr(fresh, "model_")
    assert {**fresh.get_params(), "prior": None} == {**fitted.get_params(), "prior": None}
    assert (fresh.prior.token_hashes == PRIOR.token_hashes).all()
    assert bytes_of(fresh.fit(TEXTS, IDS, unlabelled=ARCHIVE)) == bytes_of(fitted)


def test_no_warning_of_convergence_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    real = parts.LinearSVC
    patched = lambda **given: real(**{**given, "max_iter": 1})  # noqa: E731
    with pytest.warns(ConvergenceWarning):
        patched(dual=True).fit(np.eye(6), [0, 1] * 3)
    monkeypatch.setattr(parts, "LinearSVC", patched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ReasonClassifier(**{**SMALL, "hidden_units": 0}).fit(TEXTS, IDS)


@pytest.mark.parametrize("present", [[0, 2], [1, 3], [0, 1, 3], [0, 1, 2, 3]])
def test_linear_heads_of_absent_reasons_score_far_below_the_others(present: list[int]) -> None:
    labels = np.array(present * 4)
    features = sparse.csr_matrix(np.eye(4, dtype=np.float32)[labels])
    weights, intercept = parts._fit_linear(features, parts.Targets(labels), 4, parts.PartSettings(5.0, None, 0, 1, 0))
    scores = features @ weights + intercept
    assert (scores.argmax(axis=1) == labels).all()
    absent = np.setdiff1d(np.arange(4), present)
    assert (scores[:, absent] == -10).all()
    assert (scores[:, present] > -5).all()


def held_out_right(classifier: ReasonClassifier, ids: list[str]) -> float:
    best = classifier.classes_[classifier.out_of_fold_.proba.argmax(axis=1)]
    return float((best == np.array(ids)).mean())


@pytest.mark.parametrize(
    ("class_weight", "archive"), [(None, None), ("balanced", ARCHIVE)], ids=["alone", "balanced, with an archive"]
)
def test_skewed_reasons(class_weight: str | None, archive: list[str] | None) -> None:
    """A hundred texts of one reason, two of another, one of a third."""
    draw = random.Random(0)
    texts = [f"where is {' '.join(draw.choices(['my', 'the', 'parcel', 'order', 'box', 'now'], k=4))}" for _ in range(100)]  # fmt: skip
    ids = ["d.track"] * 100 + ["b.invoice"] * 2 + ["b.refund"]
    texts += ["invoice copy please", "send an invoice copy", "refund money"]
    classifier = ReasonClassifier(**SMALL, class_weight=class_weight, prior=PRIOR)
    classifier.fit(texts, ids, unlabelled=archive)
    assert classifier.predict(["the invoice copy", "where is the parcel"]).tolist() == ["b.invoice", "d.track"]
    assert np.isfinite(classifier.out_of_fold_.proba).all()
    assert held_out_right(classifier, ids) > 0.95
    assert classifier.out_of_fold_.proba[-1].argmax() != 1  # no fold could know the reason of one text


def test_many_reasons_of_five_texts() -> None:
    """175 reasons, each with two words of its own among common ones."""
    draw = random.Random(1)
    letters = "bcdfghklmnprstvz"
    words = [a + v + b + w for a in letters for v in "aeiou" for b in letters[:5] for w in "ao"]
    draw.shuffle(words)
    ids, texts = [], []
    for reason in range(175):
        for _ in range(5):
            own = draw.choice(
                [words[2 * reason], words[2 * reason + 1], f"{words[2 * reason]} {words[2 * reason + 1]}"]
            )
            texts.append(
                f"{draw.choice(['my', 'the', 'please', 'help'])} {own} {draw.choice(['now', 'today', 'again'])}"
            )
            ids.append(f"p{reason // 20}.s{reason}")
    classifier = ReasonClassifier(**{**SMALL, "min_df": 2, "hidden_units": 4}, prior=PRIOR).fit(texts, ids)
    assert len(classifier.classes_) == 175
    assert held_out_right(classifier, ids) > 0.2  # chance is 0.006
    assert (classifier.predict(texts) == np.array(ids)).mean() > 0.8


def test_long_texts() -> None:
    """3,000 characters of which a few words tell."""
    draw = random.Random(2)
    filler = ["hello", "thank", "you", "the", "and", "because", "really", "since", "yesterday", "again", "with", "for"]
    own = {"d.late": ["parcel", "late", "courier"], "b.refund": ["refund", "money", "bank"]}
    texts, ids = [], []
    for reason, words in own.items():
        for _ in range(12):
            said = draw.choices(filler, k=560) + draw.choices(words, k=9)
            draw.shuffle(said)
            texts.append(" ".join(said)[:3000])
            ids.append(reason)
    assert min(map(len, texts)) >= 2900
    classifier = ReasonClassifier(**SMALL).fit(texts, ids)
    assert held_out_right(classifier, ids) > 0.8


ARABIC = {
    "d.track": ["أين طلبي من فضلك", "أين الطرد الخاص بي", "أين طلبي الآن", "متى يصل الطرد", "أريد تتبع الطرد", "تتبع طلبي من فضلك", "متى يصل طلبي", "أين الطرد الآن"],
    "b.refund": ["أريد استرداد أموالي", "متى أسترد أموالي", "استرداد المبلغ من فضلك", "لم أستلم استرداد المبلغ", "أعيدوا لي أموالي", "أريد استرداد المبلغ", "استرداد أموالي من فضلك", "أعيدوا المبلغ لي"],
}  # fmt: skip
SWEDISH = {
    "d.track": ["var är mitt paket", "var är min beställning", "när kommer mitt paket", "paketet har inte kommit", "spåra mitt paket tack", "när kommer min beställning", "paketet är försenat", "var är paketet nu"],
    "b.refund": ["jag vill ha pengarna tillbaka", "när får jag min återbetalning", "återbetalning tack", "pengarna har inte betalats tillbaka", "jag vill ha återbetalning", "var är min återbetalning", "betala tillbaka pengarna", "jag väntar på pengarna"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "archive"), [(ARABIC, False), (SWEDISH, True)], ids=["Arabic", "Swedish, with an archive"]
)
def test_other_languages(language: dict[str, list[str]], archive: bool) -> None:
    """Two texts of each reason are the archive, if there is one."""
    kept = 6 if archive else 8
    texts = [text for some in language.values() for text in some[:kept]]
    ids = [reason for reason, some in language.items() for _ in some[:kept]]
    more = [text for some in language.values() for text in some[kept:]]
    classifier = ReasonClassifier(**{**SMALL, "calibration_folds": 3}).fit(texts, ids, unlabelled=more or None)
    assert held_out_right(classifier, ids) >= 0.7
    assert (classifier.predict(texts) == np.array(ids)).all()


@pytest.mark.parametrize("archive", [None, ARCHIVE], ids=["alone", "with an archive"])
def test_one_text_a_reason(archive: list[str] | None) -> None:
    """Nothing can be held out, so nothing is said of held-out texts."""
    texts = ["where is my parcel", "invoice please", "refund my money"]
    ids = ["d.track", "b.invoice", "b.refund"]
    classifier = ReasonClassifier(**SMALL).fit(texts, ids, unlabelled=archive)
    np.testing.assert_allclose(classifier.out_of_fold_.proba, 1 / 3)
    assert classifier.predict(["the invoice", "my money", "my parcel"]).tolist() == ["b.invoice", "b.refund", "d.track"]
    assert classifier.mix_ == pytest.approx((2.5, 1.2, 2.0))


def test_an_archive_of_texts_without_a_word_does_no_harm() -> None:
    empty = ["", "?", "!!", "😀", "…"]
    classifier = ReasonClassifier(**{**SMALL, "hidden_units": 0}).fit(TEXTS, IDS, unlabelled=empty)
    assert (classifier.predict(TEXTS) == np.array(IDS)).mean() > 0.9


def test_train_asks_for_the_named_teacher(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from contact_reasons.classifier import teachers

    asked = []

    def minilm() -> Any:
        asked.append(1)
        raise TrainingError("the teacher 'minilm' cannot be loaded")

    monkeypatch.setattr(teachers, "minilm", minilm)
    file = tmp_path / "in.csv"
    file.write_text("text,reason\nwhere is it,a.b\n", encoding="utf-8")
    out = tmp_path / "pack"
    said = run("train", "--labelled", str(file), "--teacher", "minilm", "--unlabelled", str(file), "--out", str(out), code=2)  # fmt: skip
    assert asked == [1]
    assert "the teacher 'minilm' cannot be loaded" in said
    assert "Traceback" not in said
    assert not out.exists()
    for option in (["--teacher", "minilm"], ["--unlabelled", str(file)]):
        said = run("train", "--pack", "retail", *option, "--out", str(out), code=2)
        assert "go with --labelled" in said


@pytest.mark.parametrize("bits", [2, 6, 8])
def test_weights_take_as_many_bits_as_asked_for(bits: int) -> None:
    classifier = ReasonClassifier(**SMALL, weight_bits=bits).fit(TEXTS, IDS)
    arrays = classifier.model_.arrays
    assert arrays.hidden is not None
    for rows in (arrays.rows, arrays.hidden.tuned_rows, arrays.hidden.word_rows):
        assert np.abs(rows).max() == 2 ** (bits - 1) - 1


def test_the_most_frequent_words_have_rows() -> None:
    def word_ids(most: int) -> set[int]:
        classifier = ReasonClassifier(**SMALL, word_rows=most).fit(TEXTS, IDS)
        hidden = classifier.model_.arrays.hidden
        assert hidden is not None
        return set(hidden.word_ids.tolist())

    assert word_ids(0) == set()
    assert len(word_ids(3)) == 3
    assert word_ids(3) < word_ids(6000)
