"""Whether files of a pack are right, and what is odd about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from contact_reasons.bundle import read_bundle
from contact_reasons.errors import PolicyError
from contact_reasons.journal import check_finished
from contact_reasons.pipeline import check_sound, load_pipeline
from contact_reasons.resources import PackFiles, pack_files, pack_names
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy, lint_taxonomy

__all__ = ["check_place"]

FEW_TESTS: Final = 3
FEW_OUTSIDE: Final = 12
"""Test texts of a reason, and texts without one, below which `check_place` asks for more."""


def check_place(path: str) -> Iterator[str]:
    """Warnings about a taxonomy or rule file, a model directory or a whole pack; errors are raised.

    Raises
    ------
    ContactReasonsError
        If it is wrong. A pack without a model is unfinished, not wrong.
    """
    place = Path(path)
    if place.suffix in (".yaml", ".yml"):
        yield from _check_file(place)
    elif (place / "manifest.json").is_file():
        read_bundle(place)
    else:
        files = pack_files(path)
        check_finished(files.taxonomy.parent)
        yield from _check_file(files.taxonomy)
        yield from _check_file(files.policy)
        shipped = path in pack_names()
        training = load_pipeline(path).bundle.manifest.training if shipped or files.model.exists() else None
        if not shipped:
            yield from _check_texts(path, files, training)


def _check_texts(pack: str, files: PackFiles, training: Mapping[str, Any] | None) -> Iterator[str]:
    """What a pack's texts lack, reason by reason, and whether its model, of that training, knows them."""
    from contact_reasons.packs import TICKETS, read_pack_texts
    from contact_reasons.training.findings import FEW_TEXTS

    if training and (training.get("origin") == TICKETS or not (files.texts / "training.jsonl").exists()):
        return
    taxonomy = Taxonomy.from_yaml(files.taxonomy)
    data, test = read_pack_texts(files, taxonomy)
    written, tested = Counter(data.reasons), Counter(test.reasons if test else ())
    for reason in (secondary.id for secondary in taxonomy.secondaries):
        parts = (("training", written[reason], FEW_TEXTS), ("test", tested[reason], FEW_TESTS))
        if any(count < wanted for _, count, wanted in parts):
            have = ", ".join(f"{count} of {wanted} {name} texts" for name, count, wanted in parts if count < wanted)
            yield f"{reason}: {have}; write more in {files.texts}"
    if written[None] < FEW_OUTSIDE:
        yield f"{files.texts / 'out_of_scope.jsonl'}: {written[None]} of {FEW_OUTSIDE} texts that belong to no reason"
    if training is None:
        yield f"there is no model yet: `contact-reasons train --pack {pack}` makes it from the texts"
    elif training.get("sha256") != data.sha256:
        yield f"the texts are not those that the model was trained on: `contact-reasons train --pack {pack}`"


def _check_file(path: Path) -> Iterator[str]:
    is_policy = path.is_file() and any(
        line.startswith("router:") for line in path.read_text("utf-8", "replace").splitlines()
    )
    if not is_policy:
        yield from map(str, lint_taxonomy(Taxonomy.from_yaml(path)))
        return
    policy = RoutingPolicy.from_yaml(path)
    analysis = check_sound(policy, path)
    tests = policy.run_tests()
    if not tests.passed:
        raise PolicyError(f"{path}: {tests}\ncorrect the rules or the tests")
    if (
        analysis.complete is None
        or analysis.undecided
        or analysis.undecided_channels
        or any(verdict.kept is None for verdict in analysis.promises)
    ):
        yield "the proof ran out of steps; simplify the rules"
    for rule in analysis.unreachable:
        cause = f"covered by {', '.join(rule.hidden_by)}" if rule.hidden_by else "no possible contact meets it"
        yield f"the rule {rule.rule_id!r} can never decide: {cause}"
    for idle in analysis.idle_channels:
        cause = f"barred by {', '.join(idle.barred_by)}" if idle.barred_by else "no possible contact is explored"
        yield f"exploration never leads to the channel {idle.channel!r}: {cause}"
