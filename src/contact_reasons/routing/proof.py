"""Static proof: does a set of boxes cover a box, by which of them, and if not, what is left out?

A rule is a box: for each input a set of atoms. "Every contact has a rule", "this rule can be reached" and "no
vulnerable customer is ever sent there" all ask whether boxes cover a box. The question is coNP-complete (DNF
tautology), so the search has a step budget; routing tables take a few hundred steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["STEP_BUDGET", "Box", "OutOfSteps", "Steps", "intersection", "merged", "minimal_cover", "uncovered_boxes"]

STEP_BUDGET: Final = 5_000_000
"""Steps of one question by default: some seconds."""

Box = tuple[int, ...]
"""A mask of atoms for each input; a mask of 0 makes it empty."""


class OutOfSteps(Exception):
    """The step budget ran out before the question was decided."""


class Steps:
    """What is left of a step budget; a step is a comparison of a region with a box.

    Parameters
    ----------
    left : int
    """

    def __init__(self, left: int = STEP_BUDGET) -> None:
        self.left = left

    def take(self, count: int) -> None:
        """Take steps.

        Raises
        ------
        OutOfSteps
            If fewer are left.
        """
        self.left -= count
        if self.left < 0:
            self.left = 0
            raise OutOfSteps


def intersection(one: Box, other: Box) -> Box:
    """What lies in both boxes; some mask is 0 if nothing does."""
    return tuple([a & b for a, b in zip(one, other, strict=True)])


def uncovered_boxes(box: Box, boxes: Sequence[Box], steps: Steps, used: set[int] | None = None) -> Iterator[Box]:
    """Disjoint boxes that make up the part of ``box`` that lies in none of ``boxes``.

    Branch and split: boxes disjoint from the region are dropped; a box that holds the whole region ends the branch;
    otherwise the region is split along the box that constrains the fewest inputs.

    Parameters
    ----------
    box : tuple of int
    boxes : sequence of tuple of int
    steps : Steps
        Are taken as regions are asked for.
    used : set of int, optional
        Gets the positions of boxes that together cover what is covered, not all that overlap.

    Raises
    ------
    OutOfSteps
        If the budget ran out.

    Examples
    --------
    >>> list(uncovered_boxes((0b11, 0b11), [(0b01, 0b11), (0b10, 0b01)], Steps()))
    [(2, 2)]
    """
    if not all(box):
        return
    pending = [(box, [(other, i) for i, other in enumerate(boxes) if all(other)])]
    while pending:
        region, candidates = pending.pop()
        steps.take(len(candidates) + 1)
        touching, best, fewest = [], None, len(region) + 1
        for candidate in candidates:
            constrained = 0
            for own, other in zip(region, candidate[0], strict=True):
                if not own & other:
                    break  # disjoint
                if own & ~other:
                    constrained += 1
            else:
                touching.append(candidate)
                if constrained < fewest:
                    best, fewest = candidate, constrained
                    if not constrained:
                        break  # it holds the whole region
        if best is None:
            yield region
            continue
        if used is not None:
            used.add(best[1])
        if fewest:
            pending.extend((part, touching) for part in _outside(region, best[0]))


def _outside(region: Box, box: Box) -> Iterator[Box]:
    """The part of a region outside a box, as disjoint boxes."""
    rest = list(region)
    for column, (own, other) in enumerate(zip(region, box, strict=True)):
        if own & ~other:
            yield (*rest[:column], own & ~other, *rest[column + 1 :])
            rest[column] = own & other


def minimal_cover(box: Box, boxes: Sequence[Box], always: Sequence[Box], steps: Steps) -> tuple[int, ...] | None:
    """Positions of boxes that, with those of ``always``, cover ``box`` and of which none can be spared; None if no set does.

    Other minimal sets may exist. An empty box is covered by nothing at all. If the budget runs out once they are known to
    cover the box, some may be spared after all.

    Parameters
    ----------
    box : tuple of int
    boxes, always : sequence of tuple of int
    steps : Steps

    Raises
    ------
    OutOfSteps
        If the budget ran out before it is known whether they cover the box.

    Examples
    --------
    >>> minimal_cover((0b11,), [(0b01,), (0b01,), (0b10,)], [], Steps())
    (0, 2)
    """
    used: set[int] = set()
    if next(uncovered_boxes(box, [*always, *boxes], steps, used), None) is not None:
        return None
    cover = sorted(i - len(always) for i in used if i >= len(always))
    with contextlib.suppress(OutOfSteps):
        for spare in tuple(reversed(cover)):
            fewer = [i for i in cover if i != spare]
            if next(uncovered_boxes(box, [*always, *(boxes[i] for i in fewer)], steps), None) is None:
                cover = fewer
    return tuple(cover)


def merged(boxes: Sequence[Box]) -> list[Box]:
    """The same region in fewer disjoint boxes: two that differ in one input alone become one.

    Examples
    --------
    >>> merged([(0b01, 0b11), (0b10, 0b11)])
    [(3, 3)]
    """
    found = list(boxes)
    before = len(found) + 1
    while len(found) < before:
        before = len(found)
        for column in range(len(found[0]) if found else 0):
            groups: dict[tuple[Box, Box], int] = {}
            for box in found:
                rest = (box[:column], box[column + 1 :])
                groups[rest] = groups.get(rest, 0) | box[column]
            found = [(*low, mask, *high) for (low, high), mask in groups.items()]
    return found
