"""Measure the shipped retail pack on real texts and against a peer, and write the page and the figures.

    python -m tests.benchmarks [--shared FOLDER]

Writes ``tests/benchmarks/results.json`` and ``docs/explanation/measurements.md``. Reads public texts; nothing of them is kept but counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

import contact_reasons as cr
from contact_reasons.evaluation import proportion
from contact_reasons.records import ReasonLabel
from contact_reasons.resources import pack_files
from contact_reasons.training import near_repeats, read_labelled_texts

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def peer() -> Any:
    """scikit-learn's word and character n-grams with a linear SVM, the strongest of its usual pipelines here."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(make_union(words, chars), LinearSVC(C=0.5, random_state=0))


def carry_over(pipe: cr.Pipeline, sk: Any, training: list[str], data: Path) -> dict[str, Any]:
    mapping = json.loads((HERE / "bitext_to_retail.json").read_text())["intents"]
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
    by_domain: dict[str, list[str]] = {}
    for row in rows(data / "multidogo_conversations" / "test.jsonl"):
        turns = "\n".join(cr.clean_text(turn["text"]) for turn in row["turns"] if turn["speaker"] == "customer")
        by_domain.setdefault(row["primary"], []).append(turns)
    for domain, texts in sorted(by_domain.items()):
        labels = pipe.label_texts(texts)
        found[domain] = {
            "chats": len(texts),
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


def page(results: dict[str, Any]) -> str:
    def share(value: dict[str, Any]) -> str:
        return f"{value['share']:.1%} ({value['low']:.1%}–{value['high']:.1%})"

    own, bitext, speeds = results["written_test"], results["bitext"], results["speed"]
    ratio = speeds["model_batch_10000"] / speeds["scikit_learn_batch_10000"]
    lines = [
        "# Measurements",
        "",
        "Generated by `python -m tests.benchmarks` (`make benchmarks`); figures in `tests/benchmarks/results.json`. Shares with 95 % Wilson intervals. "
        "The model is the shipped retail model, trained on our own written texts alone.",
        "",
        "## Written texts and real texts, side by side",
        "",
        "| texts | secondary right | primary right | texts |",
        "|---|---|---|---|",
        f"| our test texts, written apart | {share(own['secondary_accuracy'])} | {share(own['primary_accuracy'])} | {own['texts']} |",
        f"| Bitext shop set, test split (intents mapped, `bitext_to_retail.json`) | {share(bitext['ours']['secondary'])} | {share(bitext['ours']['primary'])} | {bitext['ours']['secondary']['total']} |",
        f"| the same, scikit-learn word + character n-grams and linear SVM trained on the same texts | {share(bitext['scikit_learn']['secondary'])} | {share(bitext['scikit_learn']['primary'])} | {bitext['ours']['secondary']['total']} |",
        "",
        f"Of the {bitext['rows']} rows of the Bitext test split, {bitext['left_out_as_near_repeats']} share 80 % of their words with a training text and "
        f"{bitext['left_out_without_counterpart']} have an intent without counterpart; they are left out. "
        f"A secondary is reported for {share(bitext['reported_secondary'])}; of these {share(bitext['right_among_reported'])} are right. "
        f"{share(bitext['left_to_a_person'])} are left to a person.",
        "",
        "By the set's flags (Q colloquial, W offensive, Z typos, K keywords, P polite, B basic, …), secondary right: "
        + ", ".join(f"{flag} {value['share']:.0%} ({value['total']})" for flag, value in bitext["by_flag"].items())
        + ".",
        "",
        "## Chats of other businesses",
        "",
        "Whole conversations (MultiDoGO, test split) of businesses that are no shop. The retail pack has no reason for most of them and should leave them to a person.",
        "",
        "| business | chats | left to a person | most frequent labels otherwise |",
        "|---|---|---|---|",
    ]
    for domain, value in results["foreign_chats"].items():
        others = ", ".join(
            f"`{name}` {count}" for name, count in value["labels"].items() if name != "(left to a person)"
        )
        lines.append(
            f"| {domain} | {value['chats']} | {share(value['left_to_a_person'])} | {', '.join(others.split(', ')[:4])} |"
        )
    lines += [
        "",
        "## Speed",
        "",
        f"Contacts per second on one core, from clean strings of {speeds['characters_per_text']:.0f} characters on average, the peer in the same run; read them as ratios. "
        f"Machine: {results['machine']}.",
        "",
        "| | batch of 10,000 | one by one |",
        "|---|---|---|",
        f"| contact_reasons, model | {speeds['model_batch_10000']:,.0f} | {speeds['model_one_by_one']:,.0f} |",
        f"| scikit-learn word + character n-grams, linear SVM | {speeds['scikit_learn_batch_10000']:,.0f} | {speeds['scikit_learn_one_by_one']:,.0f} |",
        f"| contact_reasons, whole pipeline (cleaning, model, thresholds, routing) | {speeds['pipeline_handle_many']:,.0f} | {speeds['pipeline_handle_one_by_one']:,.0f} |",
        "",
        f"The model is {ratio:.1f} times as fast as the peer in batches, and {speeds['model_one_by_one'] / speeds['scikit_learn_one_by_one']:.1f} times one by one.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--shared", default=os.environ.get("CONTACT_REASONS_SHARED", str(ROOT.parent / "shared")))
    data = Path(arguments.parse_args().shared) / "data"
    if not data.is_dir():
        raise SystemExit(f"the public texts are not at {data}; name their parent folder with --shared")
    pipe = cr.load_pipeline("retail")
    texts = read_labelled_texts(pack_files("retail").texts / "training.jsonl")
    training = [cr.clean_text(text) for text in texts.texts]
    sk = peer().fit(training, texts.reasons)
    test = [cr.clean_text(text) for text in read_labelled_texts(pack_files("retail").texts / "test.jsonl").texts]
    results = {
        "model": pipe.bundle.manifest.files["arrays.npz"],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "written_test": {
            key: pipe.bundle.manifest.scores["test"][key] for key in ("secondary_accuracy", "primary_accuracy", "texts")
        },
        "bitext": carry_over(pipe, sk, training, data),
        "foreign_chats": foreign_chats(pipe, data),
        "speed": speed(pipe, sk, test),
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (ROOT / "docs" / "explanation" / "measurements.md").write_text(page(results), encoding="utf-8")
    print(page(results))


if __name__ == "__main__":
    main()
