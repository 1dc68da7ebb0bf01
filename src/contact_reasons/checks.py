"""Whether files of a pack are right, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contact_reasons.bundle import read_bundle
from contact_reasons.pipeline import check_sound, load_pipeline
from contact_reasons.resources import pack_files
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Taxonomy, lint_taxonomy

__all__ = ["check_place"]


def check_place(path: str) -> Iterator[str]:
    """Warnings about a taxonomy or rule file, a model directory or a whole pack; errors are raised.

    Raises
    ------
    ContactReasonsError
        If it is wrong.
    """
    place = Path(path)
    if place.suffix in (".yaml", ".yml"):
        yield from _check_file(place)
    elif (place / "manifest.json").is_file():
        read_bundle(place)
    else:
        files = pack_files(path)
        yield from _check_file(files.taxonomy)
        yield from _check_file(files.policy)
        load_pipeline(path)


def _check_file(path: Path) -> Iterator[str]:
    is_policy = path.is_file() and any(
        line.startswith("router:") for line in path.read_text("utf-8", "replace").splitlines()
    )
    if not is_policy:
        yield from map(str, lint_taxonomy(Taxonomy.from_yaml(path)))
        return
    analysis = check_sound(RoutingPolicy.from_yaml(path), path)
    if analysis.complete is None or any(verdict.kept is None for verdict in analysis.promises):
        yield "the proof ran out of steps; simplify the rules"
    for rule_id in analysis.unreachable:
        yield f"the rule {rule_id!r} can never decide: earlier rules cover it"
