"""contact_reasons as one of the compared: default parameters, saved and loaded as the bundles that it ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.data import Texts
from tests.benchmarks.encoder import SentenceEncoder


def fit(train: Texts, _choice: Any, _encoder: SentenceEncoder, _unlabelled: list[str]) -> Any:
    from contact_reasons import ReasonClassifier

    return ReasonClassifier().fit(*train)


def fit_ngrams(train: Texts, _choice: Any, _encoder: SentenceEncoder, _unlabelled: list[str]) -> Any:
    from contact_reasons import ReasonClassifier

    return ReasonClassifier(hidden_units=0).fit(*train)


def fit_with_teacher(train: Texts, _choice: Any, encoder: SentenceEncoder, unlabelled: list[str]) -> Any:
    from contact_reasons import ReasonClassifier

    return ReasonClassifier().fit(*train, teacher=encoder, unlabelled=unlabelled)


def save(classifier: Any, folder: Path) -> None:
    from contact_reasons.bundle import TaxonomyRef, write_bundle
    from contact_reasons.confidence import Thresholds

    write_bundle(
        folder,
        classifier.model_,
        Thresholds(0.5, 0.5),
        taxonomy=TaxonomyRef(taxonomy_id="benchmark", version="1", sha256="0" * 64),
        package_version="0",
        library_versions={},
        thresholds_from="none: benchmarks take the most probable reason",
        training={},
        scores={},
    )


class Labeller:
    """The most probable reason of each text, by the arrays of a bundle."""

    def __init__(self, folder: Path) -> None:
        from contact_reasons.bundle import read_bundle

        self.model: Any = read_bundle(folder).model

    def __call__(self, texts: Sequence[str], **settings: int) -> list[str]:
        classes = self.model.classes
        return [classes[i] for i in self.model.predict(texts, **settings).proba.argmax(axis=1).tolist()]


def load(folder: Path, _encoder: SentenceEncoder) -> Labeller:
    return Labeller(folder)


def shared_files() -> list[Path]:
    """Data beside the code that every model uses, such as token vectors."""
    from contact_reasons.resources import prior_folder

    return [file for file in prior_folder().rglob("*") if file.is_file()]
