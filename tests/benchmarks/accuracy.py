"""Who is right how often: trained on everything, and on ten texts a reason."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from contact_reasons.evaluation import proportion
from tests.benchmarks.data import N_PER_REASON, DataSet, few_shot
from tests.benchmarks.peers import FEW_SHOT_ONLY, PEERS, Peer
from tests.benchmarks.processes import on_all_cores
from tests.benchmarks.run import Run

LEVELS = ("secondary", "primary")


def right(found: Sequence[str], truth: Sequence[str], level: str) -> list[bool]:
    if level == "primary":
        found, truth = ([reason.partition(".")[0] for reason in ids] for ids in (found, truth))
    return [a == b for a, b in zip(found, truth, strict=True)]


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> dict[str, Any]:
    """Exact two-sided test that both are right equally often (McNemar 1947, binomial form), on the same rows."""
    ours_only = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    theirs_only = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    unequal = ours_only + theirs_only
    p = float(binomtest(ours_only, unequal, 0.5).pvalue) if unequal else 1.0
    return {"ours_only": ours_only, "theirs_only": theirs_only, "p": p}


def scores(found: dict[str, list[str]], truth: list[str]) -> dict[str, dict[str, Any]]:
    """Shares right with Wilson intervals, and each of ours against every other, by peer."""
    result: dict[str, dict[str, Any]] = {}
    marks = {(name, level): right(ids, truth, level) for name, ids in found.items() for level in LEVELS}
    for name in found:
        result[name] = {level: proportion(sum(marks[name, level]), len(truth))._asdict() for level in LEVELS}
        result[name]["mcnemar"] = {
            own: {level: mcnemar(marks[own, level], marks[name, level]) for level in LEVELS}
            for own in ("ours", "ours_teacher")
            if own in found and own != name
        }
    return result


def accuracy(run: Run) -> dict[str, Any]:
    """Every peer trained on each whole set."""
    run.encode()
    peers = [peer for peer in run.peers if peer.name not in FEW_SHOT_ONLY]
    sets: dict[str, Any] = {}
    for data in run.sets():
        answers: dict[str, dict[str, Any]] = {}

        def one(core: int, peer: Peer, data: DataSet = data, answers: dict[str, Any] = answers) -> None:
            answer = run.train_full(core, peer, data)
            if answer is None:
                return
            answers[peer.name] = answer
            share = statistics.mean(right(answer["predicted"], data.test.ids, "secondary"))
            run.say(f"{data.title}, {peer.title}: {share:.1%}, trained in {answer['training_seconds']:.1f} s")

        on_all_cores(one, peers)
        found = scores(
            {peer.name: answers[peer.name]["predicted"] for peer in peers if peer.name in answers}, data.test.ids
        )
        for name, values in found.items():
            values |= {key: answers[name][key] for key in ("choice", "choosing_seconds", "training_seconds")}
        sets[data.name] = sizes(data) | {"peers": found}
    return {"sets": sets, "left_out": run.left_out, "stamp": run.stamp(run.our_full_models(sets))}


def sizes(data: DataSet) -> dict[str, Any]:
    return {
        "title": data.title,
        "train": len(data.train.ids),
        "test": len(data.test.ids),
        "reasons": len(set(data.train.ids)),
        "primaries": len({reason.partition(".")[0] for reason in data.train.ids}),
    }


def few_shots(run: Run) -> dict[str, Any]:
    """Every peer trained on ten texts a reason, drawn by each seed; the rest is archive for who can use one."""
    run.encode()
    sets: dict[str, Any] = {}
    for data in run.sets():
        answers: dict[tuple[str, int], dict[str, Any]] = {}

        def one(
            core: int, job: tuple[Peer, int], data: DataSet = data, answers: dict[tuple[str, int], Any] = answers
        ) -> None:
            peer, seed = job
            if peer.name in run.failed:
                return
            train, archive = few_shot(data.train, seed)
            folder = few_shot_folder(run, data.name, peer.name, seed)
            unlabelled = archive if peer.name == "ours_teacher" else []
            answer = run.train([core], peer, train, data.test.texts, folder, seed, unlabelled)
            if answer is None:
                return
            answers[peer.name, seed] = answer
            share = statistics.mean(right(answer["predicted"], data.test.ids, "secondary"))
            run.say(
                f"{data.title}, ten a reason, seed {seed}, {peer.title}: {share:.1%}, "
                f"trained in {answer['training_seconds']:.1f} s"
            )

        on_all_cores(one, [(peer, seed) for seed in run.seeds for peer in few_shot_peers(run, data, seed)])
        answers = {key: answer for key, answer in answers.items() if key[0] not in run.failed}
        sets[data.name] = sizes(data) | {"peers": averages(answers, data.test.ids, run.seeds)}
    return {
        "n_per_reason": N_PER_REASON,
        "seeds": list(run.seeds),
        "sets": sets,
        "left_out": run.left_out,
        "stamp": run.stamp(
            {
                f"{peer.name}, {name}, seed {seed}": few_shot_folder(run, name, peer.name, seed)
                for name in sets
                for peer in run.peers
                for seed in run.seeds[:1]
                if peer.name.startswith("ours")
            }
        ),
    }


def few_shot_folder(run: Run, name: str, peer: str, seed: int) -> Path:
    return run.work / "few_shot" / name / peer / str(seed)


def few_shot_peers(run: Run, data: DataSet, seed: int) -> list[Peer]:
    """SetFit takes minutes a model: Banking77 and the first seed only."""
    slow = data.name != "banking77" or seed != run.seeds[0]
    return [peer for peer in run.peers if not (peer.name == "setfit" and slow)]


def averages(
    answers: dict[tuple[str, int], dict[str, Any]], truth: list[str], seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Of each peer: mean share over its seeds with the Wilson interval for the test rows, least and most, tests."""
    by_seed = [
        scores({name: answer["predicted"] for (name, at), answer in answers.items() if at == seed}, truth)
        for seed in seeds
    ]
    result: dict[str, dict[str, Any]] = {}
    for name in [name for name in PEERS if any(name == at for at, _ in answers)]:
        took_part = [found[name] for found in by_seed if name in found]
        values: dict[str, Any] = {"seeds": len(took_part)}
        for level in LEVELS:
            hits = [found[level]["hits"] for found in took_part]
            values[level] = proportion(round(statistics.mean(hits)), len(truth))._asdict() | {
                "share": statistics.mean(hits) / len(truth),
                "least": min(hits) / len(truth),
                "most": max(hits) / len(truth),
            }
        values["mcnemar"] = {
            own: {level: [found["mcnemar"][own][level] for found in took_part] for level in LEVELS}
            for own in took_part[0]["mcnemar"]
        }
        values["training_seconds"] = statistics.median(
            answer["training_seconds"] for (at, _), answer in answers.items() if at == name
        )
        result[name] = values
    return result
