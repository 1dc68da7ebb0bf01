"""How many cells each rule decides: two tables swept together, input by input.

Combinations that leave the same rules of both in the running are one state, so that a table of 1e10 cells takes some
hundred states. A state is settled once the deciding rule of both sides is certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from contact_reasons.routing.proof import Box, Space, Steps

__all__ = ["sweep"]


def sweep(
    space: Space, compared: Box, before: Sequence[Box], after: Sequence[Box], steps: Steps
) -> Counter[tuple[int, int]]:
    """Number of cells by first match on both sides; on each side the last box holds everything.

    Parameters
    ----------
    space : Space
    compared : int
        The box whose cells are counted.
    before, after : sequence of int
        Boxes, first match first.
    steps : Steps

    Raises
    ------
    OutOfSteps
        If the budget ran out.

    Examples
    --------
    >>> from contact_reasons.routing.proof import Space, Steps
    >>> space = Space([2, 3])
    >>> boxes = [space.box((0b01, 0b111)), space.full]
    >>> sorted(sweep(space, space.full, boxes, [space.full], Steps()).items())
    [((0, 0), 3), ((1, 0), 3)]
    """
    n_before = len(before)
    shared = space.masks(compared)
    boxes = [space.masks(box) for box in (*before, *after)]
    free = [[box[column] & mask == mask for box in boxes] for column, mask in enumerate(shared)]
    order = sorted(range(len(shared)), key=lambda column: sum(free[column]))
    groups = [_groups(column, shared[column], boxes) for column in order]
    free_from = [(1 << len(boxes)) - 1]
    volume = [1]
    for column, grouped in zip(reversed(order), reversed(groups), strict=True):
        bits = sum(1 << i for i, is_free in enumerate(free[column]) if is_free)
        free_from.append(free_from[-1] & bits)
        volume.append(volume[-1] * sum(n for _, n in grouped))
    free_from.reverse()
    volume.reverse()
    first_side = (1 << n_before) - 1
    found: Counter[tuple[int, int]] = Counter()
    states: dict[int, int] = {(1 << len(boxes)) - 1: 1}
    for level in range(len(order) + 1):
        settled: dict[int, int] = {}
        for active, weight in states.items():
            left = _in_running(active & first_side, free_from[level])
            right = _in_running(active & ~first_side, free_from[level])
            certain = left & -left & free_from[level] and right & -right & free_from[level]
            if certain:
                pair = (left & -left).bit_length() - 1, (right & -right).bit_length() - 1 - n_before
                found[pair] += weight * volume[level]
            else:
                settled[left | right] = settled.get(left | right, 0) + weight
        states = {}
        if settled:
            steps.take(len(settled) * len(groups[level]))
            for active, weight in settled.items():
                for bits, n in groups[level]:
                    states[active & bits] = states.get(active & bits, 0) + weight * n
    return found


def _in_running(active: int, free: int) -> int:
    """Rules that can still decide: none after the first that holds whatever is left to read."""
    certain = active & free
    return active & ((certain & -certain) << 1) - 1


def _groups(column: int, mask: int, boxes: Sequence[tuple[int, ...]]) -> list[tuple[int, int]]:
    """Sets of boxes that hold an atom of a column, each with the number of such atoms."""
    counts: Counter[int] = Counter()
    atom = 0
    while mask >> atom:
        if mask >> atom & 1:
            counts[sum(1 << i for i, box in enumerate(boxes) if box[column] >> atom & 1)] += 1
        atom += 1
    return list(counts.items())
