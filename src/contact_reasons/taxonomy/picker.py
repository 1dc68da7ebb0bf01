"""What a person chose among the reasons, as a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contact_reasons.errors import TaxonomyError, nearest, shorten
from contact_reasons.records import ReasonLabel

__all__ = ["label_of_choice"]


def label_of_choice(
    taxonomy_id: str, listed: Mapping[str, Sequence[str]], primary: str | None, secondary: str | None
) -> ReasonLabel:
    """See `Taxonomy.pick`; ``listed`` are the secondaries of each primary."""
    if primary is None:
        if secondary is not None:
            raise TaxonomyError(
                f"secondary={shorten(secondary)} without a primary; give the primary it is listed under"
            )
        return ReasonLabel(primary=None, secondary=None, confidence=0.0, abstained=True)
    if primary not in listed:
        raise TaxonomyError(f"taxonomy {taxonomy_id!r} has no primary {shorten(primary)}; {nearest(primary, listed)}")
    if secondary is not None and secondary not in listed[primary]:
        raise TaxonomyError(
            f"{shorten(secondary)} is not listed under the primary {primary!r} of taxonomy {taxonomy_id!r}; "
            f"{nearest(secondary, listed[primary])}"
        )
    return ReasonLabel(primary=primary, secondary=secondary, confidence=1.0, abstained=False)
