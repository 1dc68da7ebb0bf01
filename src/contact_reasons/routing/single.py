"""The front for single contacts: one function, written for a policy's inputs.

What a loop over the inputs would look up and decide anew for each contact (which input, of what type, with what limits) is
written out once. Only names of inputs get into the text of the function, as string literals; all else are its globals.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contact_reasons.errors import RoutingError
from contact_reasons.routing.dates import DateDomain
from contact_reasons.routing.domains import BoolDomain, Domain, EnumDomain
from contact_reasons.routing.numbers import NumberDomain

__all__ = ["Match", "match_function"]

Match = Callable[[Mapping[str, Any]], int]


def match_function(domains: Sequence[Domain], masks: Sequence[Sequence[int]], every_bit: int, slow: Match) -> Match:
    """The rules that match a contact's values, as bits; equal to ``slow`` and several times as fast.

    Parameters
    ----------
    domains : sequence of Domain
    masks : sequence of sequence of int
        The rules that each atom of each input leaves standing, as bits.
    every_bit : int
        All of these bits.
    slow : callable
        The same, input by input; asked where a value is wrong, absent or of a type that is seldom met.
    """
    known: dict[str, Any] = {"slow": slow, "every_bit": every_bit, "bisect_right": bisect_right, "Wrong": RoutingError}
    lines = ["def match(values):", "    try:", "        hits = every_bit"]
    for i, (domain, own) in enumerate(zip(domains, masks, strict=True)):
        missing = own[-1] if domain.nullable else None
        lines.append(f"        value = values[{domain.name!r}]")
        if isinstance(domain, EnumDomain):
            known[f"masks{i}"] = {domain.witness(atom): mask for atom, mask in enumerate(own)}
            lines.append(f"        hits &= masks{i}[value]")
        elif isinstance(domain, BoolDomain):
            known |= {f"false{i}": own[0], f"true{i}": own[1], f"missing{i}": missing}
            lines += [f"        if value is True: hits &= true{i}", f"        elif value is False: hits &= false{i}"]
            lines += _otherwise(i, missing)
        elif isinstance(domain, NumberDomain) and not isinstance(domain, DateDomain):
            low, high = max(domain.low, -sys.float_info.max), min(domain.high, sys.float_info.max)
            known |= {f"low{i}": low, f"high{i}": high, f"cuts{i}": domain.cuts[1:-1]}
            known |= {f"masks{i}": own, f"missing{i}": missing}
            fits = (
                "kind is int or (kind is float and value.is_integer())"
                if domain.kind == "int"
                else "kind is float or kind is int"
            )
            lines += ["        kind = value.__class__", f"        if ({fits}) and low{i} <= value <= high{i}:"]
            lines.append(f"            hits &= masks{i}[bisect_right(cuts{i}, value)]")
            lines += _otherwise(i, missing)
        else:
            known |= {f"masks{i}": own, f"atom{i}": domain.atom}
            lines.append(f"        hits &= masks{i}[atom{i}(value)]")
    lines += ["        return hits", "    except (KeyError, TypeError, Wrong):", "        return slow(values)"]
    exec(compile("\n".join(lines), "<routing policy>", "exec"), known)
    found: Match = known["match"]
    return found


def _otherwise(i: int, missing: int | None) -> list[str]:
    """What to do with a value that is missing or none that the function knows."""
    known = [] if missing is None else [f"        elif value is None: hits &= missing{i}"]
    return [*known, "        else: return slow(values)"]
