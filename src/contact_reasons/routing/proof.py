"""Static proof: does a set of boxes cover a box, by which of them, and if not, what is left out?

A rule is a box: for each input a set of atoms, as the bits of a mask. "Every contact has a rule", "this rule can be reached" and "no
vulnerable customer is ever sent there" all ask whether boxes cover a box. The question is coNP-complete (DNF
tautology), so the search has a step budget; routing tables take a few hundred steps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["STEP_BUDGET", "Box", "OutOfSteps", "Space", "Steps"]

STEP_BUDGET: Final = 5_000_000
"""Steps of one question by default: some seconds."""

Box = int
"""The masks of all inputs side by side, as a `Space` packs them; ``&`` is what lies in both of two boxes."""


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


class Space:
    """The boxes over some inputs. Above each mask a bit is spare, so that all inputs are compared in one subtraction.

    Parameters
    ----------
    widths : sequence of int
        Number of atoms of each input.

    Examples
    --------
    >>> space = Space([2, 2])
    >>> boxes = [space.box((0b01, 0b11)), space.box((0b10, 0b01))]
    >>> [space.masks(box) for box in space.uncovered(space.full, boxes, Steps())]
    [(2, 2)]
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._shifts = [sum(widths[:i]) + i for i in range(len(widths))]
        self._fields = [((1 << width) - 1) << shift for width, shift in zip(widths, self._shifts, strict=True)]
        self._lowest = sum(1 << shift for shift in self._shifts)
        self._spare = sum(1 << (width + shift) for width, shift in zip(widths, self._shifts, strict=True))
        self.full: Box = sum(self._fields)

    def box(self, masks: Sequence[int]) -> Box:
        """The box with a mask for each input."""
        return sum(mask << shift for mask, shift in zip(masks, self._shifts, strict=True))

    def masks(self, box: Box) -> tuple[int, ...]:
        """The mask of each input."""
        return tuple((box & field) >> shift for field, shift in zip(self._fields, self._shifts, strict=True))

    def is_empty(self, box: Box) -> bool:
        """Whether the mask of some input is 0, so that no contact lies in the box."""
        return ((box | self._spare) - self._lowest) & self._spare != self._spare

    def uncovered(self, box: Box, boxes: Sequence[Box], steps: Steps, used: set[int] | None = None) -> Iterator[Box]:
        """Disjoint boxes that make up the part of ``box`` that lies in none of ``boxes``.

        Branch and split: boxes disjoint from the region are dropped; a box that holds the whole region ends the branch;
        otherwise the region is split along the box that constrains the fewest inputs.

        Parameters
        ----------
        box : int
        boxes : sequence of int
        steps : Steps
            Are taken as regions are asked for.
        used : set of int, optional
            Gets the positions of boxes that together cover what is covered, not all that overlap.

        Raises
        ------
        OutOfSteps
            If the budget ran out.
        """
        if self.is_empty(box):
            return
        spare, lowest = self._spare, self._lowest
        pending = [(box, [(other, i) for i, other in enumerate(boxes)])]
        while pending:
            region, candidates = pending.pop()
            steps.take(len(candidates) + 1)
            touching, best, fewest = [], None, len(self._fields) + 1
            for candidate in candidates:
                shared = region & candidate[0]
                if ((shared | spare) - lowest) & spare != spare:
                    continue  # disjoint
                touching.append(candidate)
                constrained = ((((region ^ shared) | spare) - lowest) & spare).bit_count()
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
                pending.extend((part, touching) for part in self._outside(region, best[0]))

    def _outside(self, region: Box, box: Box) -> Iterator[Box]:
        """The part of a region outside a box, as disjoint boxes."""
        for field in self._fields:
            outside = region & field & ~box
            if outside:
                yield (region & ~field) | outside
                region ^= outside

    def covers(self, box: Box, boxes: Sequence[Box], steps: Steps) -> bool:
        """Whether boxes cover a box; raises `OutOfSteps` as `uncovered` does."""
        return next(self.uncovered(box, boxes, steps), None) is None

    def minimal_cover(
        self, box: Box, boxes: Sequence[Box], always: Sequence[Box], steps: Steps
    ) -> tuple[int, ...] | None:
        """Positions of boxes that, with those of ``always``, cover ``box`` and of which none can be spared; None if no set does.

        Other minimal sets may exist. An empty box is covered by nothing at all. If the budget runs out once they are
        known to cover the box, some may be spared after all.

        Parameters
        ----------
        box : int
        boxes, always : sequence of int
        steps : Steps

        Raises
        ------
        OutOfSteps
            If the budget ran out before it is known whether they cover the box.

        Examples
        --------
        >>> Space([2]).minimal_cover(0b11, [0b01, 0b01, 0b10], [], Steps())
        (0, 2)
        """
        used: set[int] = set()
        if next(self.uncovered(box, [*always, *boxes], steps, used), None) is not None:
            return None
        cover = sorted(i - len(always) for i in used if i >= len(always))
        with contextlib.suppress(OutOfSteps):
            for spare in tuple(reversed(cover)):
                fewer = [i for i in cover if i != spare]
                if self.covers(box, [*always, *(boxes[i] for i in fewer)], steps):
                    cover = fewer
        return tuple(cover)

    def merged(self, boxes: Sequence[Box]) -> list[Box]:
        """The same region in fewer disjoint boxes: two that differ in one input alone become one.

        Examples
        --------
        >>> space = Space([2, 2])
        >>> [space.masks(box) for box in space.merged([space.box((0b01, 0b11)), space.box((0b10, 0b11))])]
        [(3, 3)]
        """
        found = list(boxes)
        before = len(found) + 1
        while len(found) < before:
            before = len(found)
            for field in self._fields:
                groups: dict[int, int] = {}
                for box in found:
                    groups[box & ~field] = groups.get(box & ~field, 0) | box
                found = list(groups.values())
        return found
