"""How far labels can be trusted: calibration, texts out of scope, two reasons in one conversation."""

from __future__ import annotations

import importlib
import inspect
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

import contact_reasons as cr
from contact_reasons.classifier import ReasonModel, primary_index
from contact_reasons.classifier.estimator import ReasonClassifier
from contact_reasons.evaluation import proportion, score_confidence
from contact_reasons.several import second_reasons
from tests.benchmarks.data import DataSet, Texts, rows
from tests.benchmarks.encoder import SentenceEncoder
from tests.benchmarks.peers import words_and_characters
from tests.benchmarks.run import Run

LEFT_OUT_SHARE = 0.3
DRAWS = 4
FloatArray = npt.NDArray[np.float64]


def trust(run: Run) -> dict[str, Any]:
    """All of the below."""
    found: dict[str, Any] = {"calibration": {}, "out_of_scope": {"draws": DRAWS, "share": LEFT_OUT_SHARE, "sets": {}}}
    for data in run.sets():
        found["calibration"][data.name] = {"title": data.title, **calibration(data)}
        run.say(f"{data.title}: calibration {found['calibration'][data.name]}")
        found["out_of_scope"]["sets"][data.name] = {"title": data.title, **left_out_primaries(run, data)}
    found["junk"] = junk()
    run.say(f"junk: {found['junk']}")
    if (run.data / "multidogo_conversations").is_dir():
        found["two_reasons"] = two_reasons(run)
    return found


def fit(train: Texts) -> ReasonModel:
    """The defaults."""
    model: ReasonModel = ReasonClassifier().fit(train.texts, train.ids).model_
    return model


def calibration(data: DataSet) -> dict[str, Any]:
    """Expected calibration error on the test split, of confidences as they are reported: 15 bins of equal width."""
    model = fit(data.train)
    said = model.predict(data.test.texts)
    joint = said.proba * said.in_scope[:, None]
    primaries, starts = primary_index(model.classes)
    sums = np.add.reduceat(joint, starts, axis=1)
    parents = [reason.partition(".")[0] for reason in data.test.ids]
    found: dict[str, Any] = {"rows": len(data.test.ids)}
    for level, chances, names, truth in (
        ("secondary", joint, model.classes, data.test.ids),
        ("primary", sums, primaries, parents),
    ):
        right = np.array([names[i] == wanted for i, wanted in zip(chances.argmax(axis=1), truth, strict=True)])
        scores = score_confidence(chances.max(axis=1), right)
        found[level] = {
            "error": scores.ece,
            "by_chance": scores.ece_by_chance,
            "mean_confidence": scores.mean_confidence,
            "accuracy": scores.right.share,
        }
    return found


def left_out_primaries(run: Run, data: DataSet) -> dict[str, Any]:
    """Area under the ROC curve when test texts of primaries that were left out of training are to be told from the others."""
    primaries = sorted({reason.partition(".")[0] for reason in data.train.ids})
    encoder = None
    if any(peer.encodes for peer in run.peers):
        run.encode()
        encoder = SentenceEncoder(run.work / "vectors")
    draws = []
    for seed in range(DRAWS):
        out = set(random.Random(seed).sample(primaries, max(2, round(LEFT_OUT_SHARE * len(primaries)))))
        kept = [i for i, reason in enumerate(data.train.ids) if reason.partition(".")[0] not in out]
        train = data.train.take(kept)
        inside = np.array([reason.partition(".")[0] not in out for reason in data.test.ids])
        said = fit(train).predict(data.test.texts)
        scores = {
            "in_scope": said.in_scope,
            "confidence": said.in_scope * said.proba.max(axis=1),
            **peer_confidences(train, data.test.texts, encoder),
        }
        draw = {
            "seed": seed,
            "left_out": sorted(out),
            "inside": int(inside.sum()),
            "outside": int((~inside).sum()),
            **{name: float(roc_auc_score(inside, values)) for name, values in scores.items()},
        }
        draws.append(draw)
        run.say(f"{data.title}, out of scope: {draw}")
    names = [name for name in draws[0] if isinstance(draws[0][name], float)]
    return {"draws": draws, "mean": {name: float(np.mean([draw[name] for draw in draws])) for name in names}}


def peer_confidences(train: Texts, texts: Sequence[str], encoder: SentenceEncoder | None) -> dict[str, FloatArray]:
    """Greatest score or probability of the usual pipelines, which have nothing else to say of scope."""
    from sklearn.linear_model import LogisticRegression

    words = words_and_characters(1.0).fit(train.texts, train.ids)
    found = {"scikit_learn": np.asarray(words.decision_function(texts)).max(axis=1)}
    if encoder is not None:
        model = LogisticRegression(C=10, max_iter=500).fit(encoder.encode(train.texts), train.ids)
        found["minilm"] = model.predict_proba(encoder.encode(texts)).max(axis=1)
    return found


def junk_texts() -> dict[str, list[str]]:
    """What no shop can be asked: spam and other languages (written for this project), code (the standard library's), random bytes and letters."""
    found: dict[str, list[str]] = {}
    for row in rows(Path(__file__).with_name("junk.jsonl")):
        found.setdefault(row["kind"], []).append(row["text"])
    modules = ("argparse", "csv", "json.decoder", "smtplib", "shutil", "zipfile", "textwrap", "statistics")
    lines = [line for name in modules for line in inspect.getsource(importlib.import_module(name)).splitlines()]
    found["code"] = ["\n".join(lines[start : start + 8]) for start in range(0, len(lines), 8)]
    rng = random.Random(0)
    found["random bytes"] = [rng.randbytes(rng.randint(5, 300)).decode("latin-1") for _ in range(1000)]
    letters = "etaoinshrdlucmfwypvbgkjqxz    "
    found["random letters"] = ["".join(rng.choices(letters, k=rng.randint(5, 120))) for _ in range(1000)]
    return found


def junk() -> dict[str, Any]:
    """How the shipped retail model labels it."""
    pipe = cr.load_pipeline("retail")
    found = {}
    for kind, texts in junk_texts().items():
        labels = pipe.label_texts([cr.clean_text(text) for text in texts])
        found[kind] = {
            "texts": len(texts),
            "left_to_a_person": proportion(sum(label.abstained for label in labels), len(labels))._asdict(),
            "confident": proportion(
                sum(not label.abstained and label.confidence >= 0.9 for label in labels), len(labels)
            )._asdict(),
        }
    return found


def two_reasons(run: Run) -> dict[str, Any]:
    """Conversations with exactly two reasons: are both the first two, from a model that learned conversations with one?"""
    folder = run.data / "multidogo_conversations"
    single = [row for row in rows(folder / "train.jsonl") if len(row["all_secondaries"]) == 1]
    model = fit(
        Texts([customer_side(row) for row in single], [f"{row['primary']}.{row['secondary']}" for row in single])
    )
    known = set(model.classes)
    test = []
    for row in rows(folder / "test.jsonl"):
        reasons = {f"{row['primary']}.{secondary}" for secondary in row["all_secondaries"]}
        if reasons <= known:
            test.append((row["primary"], customer_side(row), reasons))
    said = model.predict([text for _, text, _ in test])
    order = np.argsort(-said.proba, axis=1, kind="stable")[:, :2]
    both = [{model.classes[a], model.classes[b]} for a, b in order.tolist()]
    first = [model.classes[a] for a in order[:, 0].tolist()]
    two = [i for i, (_, _, reasons) in enumerate(test) if len(reasons) == 2]
    seconds = second_reasons(model, [text for _, text, _ in test])
    named = [i for i, second in enumerate(seconds) if second is not None]
    domains = Counter(test[i][0] for i in two)
    found = {
        "trained_on": len(single),
        "both_in_top_two": proportion(sum(both[i] == test[i][2] for i in two), len(two))._asdict(),
        "first_right": proportion(sum(first[i] in test[i][2] for i in two), len(two))._asdict(),
        "by_domain": {
            domain: proportion(sum(both[i] == test[i][2] for i in two if test[i][0] == domain), n)._asdict()
            for domain, n in sorted(domains.items())
        },
        "second_named": {
            "conversations": len(test),
            "with_several": sum(len(reasons) > 1 for _, _, reasons in test),
            "of_several": proportion(
                sum(len(test[i][2]) > 1 for i in named), sum(len(reasons) > 1 for _, _, reasons in test)
            )._asdict(),
            "right": proportion(
                sum({first[i], second.reason} <= test[i][2] for i in named if (second := seconds[i]) is not None),
                len(named),
            )._asdict(),
        },
    }
    run.say(f"two reasons: {found}")
    return found


def customer_side(row: dict[str, Any]) -> str:
    return "\n".join(turn["text"] for turn in row["turns"] if turn["speaker"] == "customer")
