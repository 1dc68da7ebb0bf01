"""The shipped packs on real contacts: out of the box, and with the set's training texts as an archive without labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import contact_reasons as cr
from contact_reasons.conversation import Reading
from contact_reasons.evaluation import proportion
from contact_reasons.packs import read_pack_texts
from contact_reasons.pipeline import read_contacts
from contact_reasons.resources import pack_files
from contact_reasons.training import near_repeats
from tests.benchmarks.accuracy import mcnemar
from tests.benchmarks.data import rows
from tests.benchmarks.encoder import SentenceEncoder
from tests.benchmarks.run import Run, versions

MAPS = Path(__file__).resolve().parent / "maps"
MINILM_CHOICES = (1.0, 4.0, 16.0)


class PublicSet(NamedTuple):
    """A public set and the pack whose reasons its intents were mapped to."""

    title: str
    folder: str
    pack: str
    map: str
    domain: str | None = None
    with_archive: bool = True


SETS = (
    PublicSet("Banking77", "banking77", "banking", "banking77_to_banking"),
    PublicSet("Bitext shop", "bitext8k", "retail", "bitext_to_retail"),
    PublicSet("MultiDoGO finance", "multidogo_conversations", "banking", "multidogo_to_banking", "finance"),
    PublicSet("MultiDoGO insurance", "multidogo_conversations", "insurance", "multidogo_to_insurance", "insurance"),
    PublicSet("MultiDoGO airline", "multidogo_conversations", "airline", "multidogo_to_airline", "airline", False),
    PublicSet("MultiDoGO media", "multidogo_conversations", "telecom", "multidogo_to_telecom", "media", False),
    PublicSet("MultiDoGO software", "multidogo_conversations", "software", "multidogo_to_software", "software", False),
)


class PackTexts(NamedTuple):
    """What a pack was trained on, clean."""

    texts: list[str]
    ids: list[str]
    outside: list[str]


class Contacts(NamedTuple):
    """Test contacts that have a counterpart, with the reasons that count as right.

    Parameters
    ----------
    whole : list of str
        All that the customer wrote.
    reading : list of Reading
        What the pipeline reads of it.
    accepted : list of frozenset of str
    single : list of bool
        Whether the contact carries one intent alone.
    """

    whole: list[str]
    reading: list[Reading]
    accepted: list[frozenset[str]]
    single: list[bool]
    left_out: dict[str, int]


class Remembering:
    """MiniLM that encodes each text once in a run."""

    def __init__(self) -> None:
        self.encoder, self.known = SentenceEncoder(), dict[str, Any]()

    def encode(self, texts: Sequence[str]) -> Any:
        new = sorted({text for text in texts if text not in self.known}, key=lambda text: (len(text), text))
        if new:
            self.known.update(zip(new, self.encoder.encode_now(new), strict=True))
        return np.array([self.known[text] for text in texts])


def carry_over(run: Run, known: dict[str, Any], maps: Sequence[str] | None = None) -> dict[str, Any]:
    """Every set with its pack, and MiniLM sentence vectors + logistic regression trained on the same written texts.

    Parameters
    ----------
    known : dict
        Figures of sets that are not asked for: they are kept.
    maps : sequence of str, optional
        Maps of the sets to measure; by default all.
    """
    encoder, heads, trained = Remembering(), dict[str, Any](), dict[str, PackTexts]()
    found, models = dict(known.get("sets", {})), dict(known.get("models", {}))
    for each in SETS:
        if maps is not None and each.map not in maps:
            continue
        models[each.pack] = cr.load_pipeline(each.pack).bundle.manifest.files["arrays.npz"]
        if each.pack not in trained:
            trained[each.pack] = pack_texts(each.pack)
            run.say(f"MiniLM on {len(trained[each.pack].texts):,} written texts of {each.pack}")
            heads[each.pack] = minilm_head(trained[each.pack], encoder)
        found[each.title] = one_set(run, each, trained[each.pack], heads[each.pack], encoder)
    in_order = {each.title: found[each.title] for each in SETS if each.title in found}
    return {"sets": in_order, "models": models, "versions": versions()}


def pack_texts(pack: str) -> PackTexts:
    files = pack_files(pack)
    data, _ = read_pack_texts(files, cr.Taxonomy.from_yaml(files.taxonomy))
    pairs = list(zip(data.clean, data.reasons, strict=True))
    inside = [(text, reason) for text, reason in pairs if reason is not None]
    return PackTexts(
        [text for text, _ in inside], [reason for _, reason in inside], [text for text, r in pairs if r is None]
    )


def one_set(
    run: Run, each: PublicSet, written: PackTexts, head: dict[str, Any], encoder: Remembering
) -> dict[str, Any]:
    test = contacts(run, each, "test", written)
    pipe = cr.load_pipeline(each.pack)
    labels = pipe.label_texts([reading.text for reading in test.reading])
    said = {"ours": [label.ranked[0].reason for label in labels]}
    said["minilm"] = head["model"].predict(encoder.encode(test.whole)).tolist()
    is_chat = any(reading.chosen for reading in test.reading)
    if is_chat:
        said["minilm_read"] = head["model"].predict(encoder.encode([r.once for r in test.reading])).tolist()
        whole = pipe.label_texts(test.whole)
        said["ours_whole"] = [label.ranked[0].reason for label in whole]
    reported = [(label, reasons) for label, reasons in zip(labels, test.accepted, strict=True) if label.secondary]
    result = {
        "pack": each.pack,
        "contacts": len(test.whole),
        "left_out": test.left_out,
        "conversations": is_chat,
        "minilm_choice": head["choice"],
        "scores": {name: scores(answers, test) for name, answers in said.items()},
        "reported": proportion(len(reported), len(labels))._asdict(),
        "right_among_reported": proportion(sum(lb.secondary in r for lb, r in reported), len(reported))._asdict(),
        "left_to_a_person": proportion(sum(label.abstained for label in labels), len(labels))._asdict(),
    }
    peers = [name for name in ("minilm", "minilm_read") if name in said]
    right = {name: [a in r for a, r in zip(said[name], test.accepted, strict=True)] for name in ("ours", *peers)}
    best = max(peers, key=lambda name: sum(right[name]))
    result["against"] = {"peer": best, **mcnemar(right["ours"], right[best])}
    shares = {name: f"{value['secondary']['share']:.1%}" for name, value in result["scores"].items()}
    run.say(f"{each.title}: {shares}")
    return result


def scores(answers: Sequence[str], test: Contacts) -> dict[str, Any]:
    """Shares right at both levels; of contacts with one intent alone, too, where some have several."""
    right = np.array([a in reasons for a, reasons in zip(answers, test.accepted, strict=True)])
    primary = np.array(
        [
            a.partition(".")[0] in {r.partition(".")[0] for r in reasons}
            for a, reasons in zip(answers, test.accepted, strict=True)
        ]
    )
    result = {
        "secondary": proportion(int(right.sum()), len(right))._asdict(),
        "primary": proportion(int(primary.sum()), len(primary))._asdict(),
    }
    single = np.array(test.single)
    if not single.all():
        result["secondary_single"] = proportion(int(right[single].sum()), int(single.sum()))._asdict()
        result["primary_single"] = proportion(int(primary[single].sum()), int(single.sum()))._asdict()
    return result


def contacts(run: Run, each: PublicSet, split: str, written: PackTexts | None) -> Contacts:
    """The contacts of a split; with ``written``, those that nearly repeat one of its texts are left out."""
    intents = json.loads((MAPS / f"{each.map}.json").read_text(encoding="utf-8"))["intents"]
    found = [row for row in rows(run.data / each.folder / f"{split}.jsonl") if each.domain in (None, row["primary"])]
    mapped = [row for row in found if row["secondary"] in intents]
    read = read_contacts([as_contact(row) for row in mapped])
    whole = ["\n".join(cr.clean_text(text) for text in said_by_customer(row)) for row in mapped]
    repeats = [False] * len(mapped) if written is None else near_repeats(whole, written.texts).tolist()
    kept = [i for i, repeat in enumerate(repeats) if not repeat]
    of = [row.get("all_secondaries") or [row["secondary"]] for row in mapped]
    return Contacts(
        [whole[i] for i in kept],
        [read[i] for i in kept],
        [frozenset(reason for intent in of[i] for reason in intents.get(intent, ())) for i in kept],
        [len(of[i]) == 1 for i in kept],
        {"without_counterpart": len(found) - len(mapped), "near_repeats": len(mapped) - len(kept)},
    )


def said_by_customer(row: dict[str, Any]) -> list[str]:
    if "turns" not in row:
        return [row["text"]]
    return [turn["text"] for turn in row["turns"] if turn["speaker"] == "customer"]


def as_contact(row: dict[str, Any]) -> cr.Contact:
    if "turns" not in row:
        return cr.Contact(text=row["text"])
    return cr.Contact(turns=tuple(cr.Turn(speaker="customer", text=text) for text in said_by_customer(row)))


def minilm_head(written: PackTexts, encoder: Remembering) -> dict[str, Any]:
    """Logistic regression on sentence vectors, C chosen on a held-out fifth of the written texts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    vectors, ids = encoder.encode(written.texts), np.array(written.ids)
    inside, outside = train_test_split(np.arange(len(ids)), test_size=0.2, random_state=0, stratify=ids)

    def fit(choice: float, known: Any) -> Any:
        return LogisticRegression(C=choice, max_iter=1000).fit(vectors[known], ids[known])

    best = max(MINILM_CHOICES, key=lambda choice: fit(choice, inside).score(vectors[outside], ids[outside]))
    return {"choice": best, "model": fit(best, np.arange(len(ids)))}


def archives(run: Run, known: dict[str, Any], maps: Sequence[str] | None = None) -> dict[str, Any]:
    """A classifier with default settings that learned from a pack's texts and from the set's own training texts without their labels.

    Parameters
    ----------
    known : dict
        Figures of sets that are not asked for: they are kept.
    maps : sequence of str, optional
        Maps of the sets to measure; by default all.
    """
    encoder, found = Remembering(), dict(known.get("sets", {}))
    for each in SETS:
        if not each.with_archive or (maps is not None and each.map not in maps):
            continue
        written = pack_texts(each.pack)
        test = contacts(run, each, "test", written)
        archive = [reading.text for reading in contacts(run, each, "train", None).reading]
        run.say(f"{each.title}: {len(written.texts):,} written texts and an archive of {len(archive):,}")
        classifier = cr.ReasonClassifier().fit(
            written.texts, written.ids, out_of_scope=written.outside, unlabelled=archive, teacher=encoder
        )
        said = classifier.predict([reading.text for reading in test.reading]).tolist()
        found[each.title] = {"archive": len(archive), "scores": scores(said, test)}
        run.say(f"{each.title}: {found[each.title]['scores']['secondary']['share']:.1%}")
    in_order = {each.title: found[each.title] for each in SETS if each.title in found}
    return {"sets": in_order, "versions": versions()}
