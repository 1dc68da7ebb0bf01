"""Make ``models/turns``: the model that tells the turns of a conversation that say why the customer writes from small talk.

It is an ordinary model directory with linear heads alone and two classes. Texts of the first are single-line training texts of
all packs, an equal number from each, chosen by their hashes; reasons that small talk is full of (praise, complaints about
service, the wish for a person) are left out. Texts of the second are those of ``small-talk.jsonl``, which were written by hand:
greetings, thanks, names and numbers, answers to an agent's questions.

Run ``make turns``: a minute. Everything is seeded: the same machine and library versions give the same bytes. What is measured stands
in the manifest: on held-out folds, and for each pack by a model that has seen no text of it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from contact_reasons.arrays import sha256_of
from contact_reasons.bundle import TaxonomyRef, write_bundle
from contact_reasons.classifier import ReasonModel
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.classifier.features import count_words
from contact_reasons.confidence import Thresholds
from contact_reasons.conversation import SMALL_TALK, WHY
from contact_reasons.evaluation import roc_area
from contact_reasons.text import clean_text
from contact_reasons.training import read_labelled_texts

ROOT = Path(__file__).resolve().parents[1]
TALK = ROOT / "tools" / "small-talk.jsonl"
MOST_WORDS: Final = 25
A_PACK: Final = 1200
LEFT_OUT: Final = ("praise", "speak", "complaint")
"""Parts of the ids of reasons that are left out."""
LEAST_KNOWN: Final = 0.34
"""Share of a turn's words that must be in the vocabulary; names are in none, so this is not fitted."""
_MIN_DF: Final = 4
_LIBRARIES: Final = ("numpy", "scipy", "scikit-learn")


def packs() -> list[Path]:
    """Training texts of every pack, by the pack's name."""
    return sorted(ROOT.glob("taxonomies/*/texts/training.jsonl"), key=lambda file: file.parents[1].name)


def small_talk(file: Path) -> list[str]:
    """Clean texts that say nothing of why, each once."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return sorted({text for row in rows if (text := clean_text(row["text"]))})


def reason_texts(file: Path) -> list[str]:
    """Some short texts of a pack, the same ones whatever their order."""
    data = read_labelled_texts(file)
    short = {
        clean_text(text)
        for text, reason in zip(data.texts, data.reasons, strict=True)
        if reason is not None and "\n" not in text and not any(part in reason for part in LEFT_OUT)
    }
    ordered = sorted(short, key=lambda text: hashlib.sha256(text.encode()).digest())
    counts = count_words(ordered)
    return [text for text, n in zip(ordered, counts.tolist(), strict=True) if 0 < n <= MOST_WORDS][:A_PACK]


def fit(why: Sequence[str], talk: Sequence[str]) -> ReasonClassifier:
    """Linear heads alone; every text has one of the two classes."""
    classifier = ReasonClassifier(hidden_units=0, min_df=_MIN_DF)
    return classifier.fit([*why, *talk], [WHY] * len(why) + [SMALL_TALK] * len(talk), out_of_scope=[])


def measured(why: npt.NDArray[np.float64], talk: npt.NDArray[np.float64]) -> dict[str, float]:
    """How well chances that turns say why tell the two apart."""
    return {
        "roc_area": round(roc_area(why, talk).area, 4),
        "why_below_half": round(float((why < 0.5).mean()), 4),
        "small_talk_from_half": round(float((talk >= 0.5).mean()), 4),
    }


def without_each_pack(texts: dict[str, list[str]], talk: list[str]) -> dict[str, Any]:
    """Texts of each pack, and every fifth line of small talk, asked of a model that has seen neither."""
    kept = [text for i, text in enumerate(talk) if i % 5]
    found = {}
    for name, own in texts.items():
        others = [text for other, some in texts.items() if other != name for text in some]
        model = fit(others, kept).model_
        column = model.classes.index(WHY)
        found[name] = measured(model.predict(own).proba[:, column], model.predict(talk[::5]).proba[:, column])
    return found


def make(out: Path) -> None:
    """Train, measure and write the directory."""
    talk = small_talk(TALK)
    texts = {file.parents[1].name: reason_texts(file) for file in packs()}
    why = [text for some in texts.values() for text in some]
    classifier = fit(why, talk)
    fitted = classifier.model_
    model = ReasonModel(fitted.classes, fitted.arrays, fitted.calibration._replace(least_known=LEAST_KNOWN))
    chances = classifier.out_of_fold_.proba[:, model.classes.index(WHY)]
    write_bundle(
        out,
        model,
        Thresholds(None, None),
        taxonomy=TaxonomyRef(taxonomy_id="turns", version="1.0.0", sha256=texts_sha256(texts, talk)),
        package_version=importlib.metadata.version("contact-reasons"),
        library_versions={name: importlib.metadata.version(name) for name in _LIBRARIES},
        thresholds_from="none: its probabilities are read by contact_reasons.conversation",
        training={
            "program": "tools/make_turns.py",
            "texts": {**{name: len(some) for name, some in texts.items()}, "small-talk.jsonl": len(talk)},
            "texts_sha256": texts_sha256(texts, talk),
            "features": model.arrays.vocabulary.n_features,
        },
        scores={
            "folds": measured(chances[: len(why)], chances[len(why) :]),
            "packs_not_seen": without_each_pack(texts, talk),
        },
    )


def texts_sha256(texts: dict[str, list[str]], talk: list[str]) -> str:
    """Hash of all that the model learns from."""
    return sha256_of(json.dumps([texts, talk], sort_keys=True).encode())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the model of turns that say why a customer writes.")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "turns")
    out = parser.parse_args().out
    with threadpool_limits(1):
        make(out)
    print(json.dumps(json.loads((out / "manifest.json").read_text(encoding="utf-8"))["scores"], indent=1))


if __name__ == "__main__":
    main()
