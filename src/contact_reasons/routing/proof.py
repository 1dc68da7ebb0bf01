"""Static proof: does a set of boxes cover a box, and if not, which point is left out?

A rule is a box: for each input a set of atoms. "Every contact has a rule", "this rule can be reached" and "no
vulnerable customer is ever sent there" all ask whether boxes cover a box. The question is coNP-complete (DNF
tautology), so the search has a step budget; routing tables take a few hundred steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["STEP_BUDGET", "OutOfSteps", "uncovered_point"]

STEP_BUDGET: Final = 2_000_000
Box = tuple[int, ...]


class OutOfSteps(Exception):
    """The step budget ran out before the question was decided."""


def uncovered_point(box: Box, boxes: Sequence[Box], *, budget: int = STEP_BUDGET) -> tuple[int, ...] | None:
    """A point of ``box`` that lies in none of ``boxes``, as one atom an input; None if they cover it.

    Branch and split: boxes disjoint from the region are dropped; a box that holds the whole region ends the branch;
    otherwise the region is split along the box that constrains the fewest inputs.

    Parameters
    ----------
    box : tuple of int
        A mask of atoms for each input.
    boxes : sequence of tuple of int
    budget : int
        Steps, each a pass over the remaining boxes.

    Raises
    ------
    OutOfSteps
        If the budget ran out.

    Examples
    --------
    >>> uncovered_point((0b11, 0b11), [(0b01, 0b11), (0b10, 0b01)])
    (1, 1)
    """
    if not all(box):
        return None
    pending: list[tuple[Box, list[Box]]] = [(box, [other for other in boxes if all(other)])]
    steps = 0
    while pending:
        steps += 1
        if steps > budget:
            raise OutOfSteps
        region, candidates = pending.pop()
        touching, best, fewest, covered = [], None, len(region) + 1, False
        for candidate in candidates:
            constrained = 0
            for own, other in zip(region, candidate, strict=True):
                if not own & other:
                    break  # disjoint
                if own & ~other:
                    constrained += 1
            else:
                if constrained == 0:
                    covered = True
                    break
                touching.append(candidate)
                if constrained < fewest:
                    best, fewest = candidate, constrained
        if covered:
            continue
        if best is None:
            return tuple((mask & -mask).bit_length() - 1 for mask in region)
        rest = list(region)
        for column, (own, other) in enumerate(zip(region, best, strict=True)):
            outside = rest[column] & ~other
            if outside:
                pending.append(((*rest[:column], outside, *rest[column + 1 :]), touching))
                rest[column] = own & other
    return None
