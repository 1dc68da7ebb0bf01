"""Reasons for people to choose from: as plain data for a page or a chatbot, and a choice as a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contact_reasons.errors import TaxonomyError, nearest, shorten
from contact_reasons.records import ReasonLabel

if TYPE_CHECKING:
    from contact_reasons.taxonomy.model import Taxonomy

__all__ = ["label_of_choice", "picker_of"]


def picker_of(taxonomy: Taxonomy) -> dict[str, Any]:
    """See `Taxonomy.picker`."""
    return {
        "taxonomy_id": taxonomy.taxonomy_id,
        "version": taxonomy.version,
        "language": taxonomy.language,
        "primaries": [
            {
                "id": primary.id,
                "label": primary.label,
                "definition": primary.definition,
                "secondaries": [
                    {"id": secondary.id, "label": secondary.label, "definition": secondary.definition}
                    for secondary in primary.secondaries
                ],
            }
            for primary in taxonomy.primaries
        ],
    }


def label_of_choice(taxonomy: Taxonomy, primary: str | None, secondary: str | None) -> ReasonLabel:
    """See `Taxonomy.pick`."""
    if primary is None:
        if secondary is not None:
            raise TaxonomyError(
                f"secondary={shorten(secondary)} without a primary; give the primary it is listed under"
            )
        return ReasonLabel(primary=None, secondary=None, confidence=0.0, abstained=True)
    listed = {each.id: tuple(child.id for child in each.secondaries) for each in taxonomy.primaries}
    if primary not in listed:
        raise TaxonomyError(
            f"taxonomy {taxonomy.taxonomy_id!r} has no primary {shorten(primary)}; {nearest(primary, listed)}"
        )
    if secondary is not None and secondary not in listed[primary]:
        raise TaxonomyError(
            f"{shorten(secondary)} is not listed under the primary {primary!r} of taxonomy {taxonomy.taxonomy_id!r}; "
            f"{nearest(secondary, listed[primary])}"
        )
    return ReasonLabel(primary=primary, secondary=secondary, confidence=1.0, abstained=False)
