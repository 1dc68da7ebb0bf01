"""The shipped retail pack on real texts and against scikit-learn trained on the same written texts."""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contact_reasons as cr
from contact_reasons.evaluation import proportion
from contact_reasons.pipeline import read_contacts
from contact_reasons.records import ReasonLabel
from contact_reasons.resources import pack_files
from contact_reasons.training import near_repeats, read_labelled_texts
from tests.benchmarks.data import rows
from tests.benchmarks.peers import words_and_characters
from tests.benchmarks.run import Run, machine, versions

HERE = Path(__file__).resolve().parent


def carry_over(pipe: cr.Pipeline, sk: Any, training: list[str], data: Path) -> dict[str, Any]:
    mapping = json.loads((HERE / "maps" / "bitext_to_retail.json").read_text())["intents"]
    test = rows(data / "bitext8k" / "test.jsonl")
    clean = [cr.clean_text(row["text"]) for row in test]
    repeats = near_repeats(clean, training).tolist()
    kept = [i for i, row in enumerate(test) if row["secondary"] in mapping and not repeats[i]]
    labels = pipe.label_texts([clean[i] for i in kept])
    theirs = sk.predict([clean[i] for i in kept])
    accepted = [mapping[test[i]["secondary"]] for i in kept]

    def scores(found: list[str]) -> dict[str, Any]:
        parents = [{reason.partition(".")[0] for reason in reasons} for reasons in accepted]
        return {
            "secondary": proportion(sum(f in a for f, a in zip(found, accepted, strict=True)), len(found))._asdict(),
            "primary": proportion(
                sum(f.partition(".")[0] in p for f, p in zip(found, parents, strict=True)), len(found)
            )._asdict(),
        }

    flags: dict[str, list[bool]] = {}
    for i, label, reasons in zip(kept, labels, accepted, strict=True):
        for flag in test[i]["flags"]:
            flags.setdefault(flag, []).append(label.ranked[0].reason in reasons)
    reported = [(label, reasons) for label, reasons in zip(labels, accepted, strict=True) if label.level == "secondary"]
    return {
        "rows": len(test),
        "left_out_as_near_repeats": sum(repeats),
        "left_out_without_counterpart": sum(row["secondary"] not in mapping for row in test),
        "ours": scores([label.ranked[0].reason for label in labels]),
        "scikit_learn": scores(list(theirs)),
        "reported_secondary": proportion(len(reported), len(labels))._asdict(),
        "right_among_reported": proportion(
            sum(label.secondary in reasons for label, reasons in reported), len(reported)
        )._asdict(),
        "left_to_a_person": proportion(sum(label.abstained for label in labels), len(labels))._asdict(),
        "by_flag": {
            flag: proportion(sum(right), len(right))._asdict()
            for flag, right in sorted(flags.items())
            if len(right) >= 30
        },
        "labels": distribution(labels),
    }


def distribution(labels: list[ReasonLabel]) -> dict[str, int]:
    return dict(Counter(label.reason or "(left to a person)" for label in labels).most_common(12))


def foreign_chats(pipe: cr.Pipeline, data: Path) -> dict[str, Any]:
    """Whole chats of other businesses: the retail pack should leave most of them to a person."""
    found = {}
    by_domain: dict[str, list[cr.Contact]] = {}
    for row in rows(data / "multidogo_conversations" / "test.jsonl"):
        turns = tuple(
            cr.Turn(speaker="customer", text=turn["text"]) for turn in row["turns"] if turn["speaker"] == "customer"
        )
        by_domain.setdefault(row["primary"], []).append(cr.Contact(turns=turns))
    for domain, contacts in sorted(by_domain.items()):
        labels = pipe.label_texts([reading.text for reading in read_contacts(contacts)])
        found[domain] = {
            "chats": len(contacts),
            "left_to_a_person": proportion(sum(label.abstained for label in labels), len(labels))._asdict(),
            "labels": distribution(labels),
        }
    return found


def per_second(run: Callable[[], Any], n_texts: int, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return n_texts / statistics.median(times)


def speed(pipe: cr.Pipeline, sk: Any, texts: list[str]) -> dict[str, float]:
    """Contacts per second from clean strings to labels, one core; peers in the same run."""
    many = (texts * (10_000 // len(texts) + 1))[:10_000]
    few = texts[:200]
    model = pipe.bundle.model
    contacts = [cr.Contact(text=text) for text in few]
    return {
        "characters_per_text": statistics.mean(map(len, many)),
        "model_batch_10000": per_second(lambda: model.predict(many), len(many)),
        "scikit_learn_batch_10000": per_second(lambda: sk.predict(many), len(many)),
        "model_one_by_one": per_second(lambda: [model.predict([text]) for text in few], len(few)),
        "scikit_learn_one_by_one": per_second(lambda: [sk.predict([text]) for text in few], len(few)),
        "pipeline_handle_one_by_one": per_second(lambda: [pipe.handle(contact) for contact in contacts], len(few)),
        "pipeline_handle_many": per_second(lambda: pipe.handle_many(contacts * 10), len(few) * 10),
    }


def packs(run: Run) -> dict[str, Any]:
    """All of the above for the retail pack."""
    pipe = cr.load_pipeline("retail")
    texts = read_labelled_texts(pack_files("retail").texts / "training.jsonl")
    training = [cr.clean_text(text) for text in texts.texts]
    run.say(f"scikit-learn on {len(training):,} written texts")
    sk = words_and_characters(0.5).fit(training, texts.reasons)
    test = [cr.clean_text(text) for text in read_labelled_texts(pack_files("retail").texts / "test.jsonl").texts]
    run.say("the retail pack on real texts")
    return {
        "model": pipe.bundle.manifest.files["arrays.npz"],
        "machine": machine(),
        "versions": versions(),
        "written_test": {
            key: pipe.bundle.manifest.scores["test"][key] for key in ("secondary_accuracy", "primary_accuracy", "texts")
        },
        "bitext": carry_over(pipe, sk, training, run.data),
        "foreign_chats": foreign_chats(pipe, run.data),
        "speed": speed(pipe, sk, test),
    }
