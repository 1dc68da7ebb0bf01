"""Regions of a policy's domain as people read them: conditions in the language of the rule file, and a contact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from contact_reasons.routing.domains import MISSING, BoolDomain, Domain, EnumDomain, TreeDomain
from contact_reasons.routing.numbers import NumberDomain
from contact_reasons.routing.proof import Box, Space

__all__ = ["Region", "RegionReader", "cell_text", "readable_cell"]


class Region(NamedTuple):
    """Contacts that meet some conditions.

    Parameters
    ----------
    conditions : dict
        By input, as a rule's ``when``; an input that is not named may have any value or be missing.
    witness : dict
        Values of one of these contacts, by input; None is missing.
    """

    conditions: dict[str, Any]
    witness: dict[str, Any]

    def __str__(self) -> str:
        """The conditions, long lists cut short."""
        return ", ".join(f"{name}: {cell_text(cell, 3)}" for name, cell in self.conditions.items()) or "everywhere"


class RegionReader:
    """Writes boxes over some domains, which are cut, as regions.

    Parameters
    ----------
    domains : sequence of Domain
    space : Space
        Of these domains.
    """

    def __init__(self, domains: Sequence[Domain], space: Space) -> None:
        self._domains, self._space = tuple(domains), space
        self._cells: dict[tuple[int, int], Any] = {}

    def region(self, box: Box, *, within: Box | None = None) -> Region:
        """A box that is not empty, as conditions and a contact; what holds all over ``within`` is no condition."""
        whole = self._space.masks(self._space.full if within is None else within)
        conditions = {
            domain.name: self._cell(column, mask)
            for column, (domain, mask) in enumerate(zip(self._domains, self._space.masks(box), strict=True))
            if mask != whole[column]
        }
        return Region(conditions, self.witness(box))

    def witness(self, box: Box) -> dict[str, Any]:
        """Values of a contact in a box: of each input the first, missing last."""
        return {
            domain.name: domain.witness((mask & -mask).bit_length() - 1)
            for domain, mask in zip(self._domains, self._space.masks(box), strict=True)
        }

    def _cell(self, column: int, mask: int) -> Any:
        if (column, mask) not in self._cells:
            self._cells[column, mask] = readable_cell(self._domains[column], mask)
        cell = self._cells[column, mask]
        return list(cell) if isinstance(cell, list) else cell


def cell_text(cell: Any, limit: int | None = None) -> str:
    """A cell of a rule file as it is written there.

    Parameters
    ----------
    cell : value or list
    limit : int, optional
        A list of more than twice as many is cut to so many.

    Examples
    --------
    >>> cell_text([True, "missing"]), cell_text(["a", "b", "c"], 1)
    ('[true, missing]', '[a, and 2 more]')
    """
    if isinstance(cell, list):
        parts = [cell_text(part) for part in cell]
        if limit is not None and len(parts) > 2 * limit:
            parts[limit:] = [f"and {len(parts) - limit} more"]
        return "[" + ", ".join(parts) + "]"
    return ("true" if cell else "false") if isinstance(cell, bool) else str(cell)


def readable_cell(domain: Domain, mask: int) -> Any:
    """The cell of a rule file that holds for the atoms of a mask: a value, a range, or a list of these.

    Examples
    --------
    >>> domain = EnumDomain("tier", True, ["standard", "gold", "vip"])
    >>> readable_cell(domain, 0b1110)
    ['gold', 'vip', 'missing']
    """
    if isinstance(domain, NumberDomain):
        parts: list[Any] = list(_spans(domain, mask))
    elif isinstance(domain, TreeDomain):
        parts = list(_branches(domain, mask))
    elif isinstance(domain, EnumDomain | BoolDomain):
        parts = [name for i, name in enumerate(domain.names) if mask >> i & 1]
    else:
        raise TypeError(f"{type(domain).__name__} is not a domain that can be read back")
    if domain.nullable and mask >> (domain.n_atoms - 1) & 1:
        parts.append(MISSING)
    return parts[0] if len(parts) == 1 else parts


def _branches(domain: TreeDomain, mask: int) -> Iterator[str]:
    at = 0
    for primary, leaves in domain.tree.items():
        width = 1 + len(leaves)
        bits = mask >> at & ((1 << width) - 1)
        if bits == (1 << width) - 1 and leaves:
            yield f"{primary}.*"
        else:
            yield from (name for i, name in enumerate((primary, *leaves)) if bits >> i & 1)
        at += width


def _spans(domain: NumberDomain, mask: int) -> Iterator[str]:
    n = len(domain.cuts) - 1
    atom = 0
    while atom < n:
        end = atom
        while end < n and mask >> end & 1:
            end += 1
        if end > atom:
            yield domain.readable(domain.cuts[atom], domain.cuts[end])
        atom = end + 1
