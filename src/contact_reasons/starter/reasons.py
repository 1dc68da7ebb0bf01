"""A list of reasons as people keep it, and the taxonomy that it makes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from contact_reasons.errors import TaxonomyError, shorten
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy
from contact_reasons.taxonomy.model import MAX_CODE_CHARS, MAX_LABEL_CHARS, MAX_PRIMARY_CHARS, word_of_id

__all__ = ["STAGES", "ListedReason", "taxonomy_of_list"]

STAGES = ("awareness", "interest", "intent", "purchase", "fulfilment", "activation", "support", "retention")
"""Stages of a customer's life cycle, as in the shipped packs."""


class ListedReason(NamedTuple):
    """One row of a list of reasons.

    Parameters
    ----------
    primary, secondary : str
        Labels, at most 80 characters; blanks at their ends do not count, and runs of blanks count as one.
    definition : str
        One line that decides doubtful texts; empty if there is none yet.
    id : str
        ``primary.secondary``; empty: made from the labels.
    place : str
        Where it stands, for messages.
    """

    primary: str
    secondary: str
    definition: str = ""
    id: str = ""
    place: str = ""


def taxonomy_of_list(
    reasons: Sequence[ListedReason], *, taxonomy_id: str, version: str = "1.0.0", source: str = "the list"
) -> Taxonomy:
    """The taxonomy of a list of reasons. Ids are made from labels alone, so the order of rows does not change them.

    Parameters
    ----------
    reasons : sequence of ListedReason
    taxonomy_id, version : str
    source : str
        Name of the list, for messages.

    Raises
    ------
    TaxonomyError
        If a label is empty, too long or listed twice, or two rows make the same id, naming the rows.

    Examples
    --------
    >>> rows = [ListedReason("Delivery", "My parcel is late"), ListedReason("Delivery", "Change the address")]
    >>> taxonomy_of_list(rows, taxonomy_id="shop").secondary_ids
    ('delivery.change_the_address', 'delivery.my_parcel_is_late')
    """
    rows = [_checked(row, f"{source}, {row.place or f'row {at}'}") for at, row in enumerate(reasons, 1)]
    if not rows:
        raise TaxonomyError(f"{source}: it lists no reason; write one a row, such as 'Delivery > My parcel is late'")
    primaries: dict[str, dict[str, Any]] = {}
    first: dict[str, ListedReason] = {}
    for row in rows:
        primary_id, _, leaf = row.id.partition(".")
        if not row.id:
            primary_id = word_of_id(row.primary, MAX_PRIMARY_CHARS)
            leaf = word_of_id(row.secondary, MAX_CODE_CHARS - 2 - len(primary_id))
        primary = primaries.setdefault(
            primary_id, {"id": primary_id, "label": row.primary, "secondaries": [], "row": row}
        )
        if primary["label"] != row.primary:
            raise _clash(primary["row"], row, primary_id, primary["label"], row.primary, source)
        reason_id = f"{primary_id}.{leaf}"
        if reason_id in first:
            other = first[reason_id]
            if other.secondary == row.secondary:
                raise TaxonomyError(
                    f"{row.place}: {shorten(row.secondary)} under {shorten(row.primary)} is listed already in "
                    f"{_short(other.place, source)}; remove one of the two rows"
                )
            raise _clash(other, row, reason_id, other.secondary, row.secondary, source)
        first[reason_id] = row
        primary["secondaries"].append({"id": reason_id, "label": row.secondary, "definition": row.definition})
    data = {
        "taxonomy_id": taxonomy_id,
        "version": version,
        "stages": [*STAGES],
        "primaries": [{key: value for key, value in one.items() if key != "row"} for one in primaries.values()],
    }
    return Taxonomy.from_dict(data)


def _checked(row: ListedReason, place: str) -> ListedReason:
    """The row with blanks squeezed and its full place, if its labels can be ones."""
    squeezed = {name: " ".join(getattr(row, name).split()) for name in ("primary", "secondary", "definition", "id")}
    for name in ("primary", "secondary"):
        label = squeezed[name]
        if not label:
            raise TaxonomyError(
                f"{place}: the {name} is empty; write it in every row, also where it is that of the row above"
            )
        if len(label) > MAX_LABEL_CHARS:
            raise TaxonomyError(
                f"{place}: the {name} has {len(label)} characters; shorten it to at most {MAX_LABEL_CHARS}, "
                "and put the rest into the column 'definition'"
            )
    for name, value in squeezed.items():
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
            raise TaxonomyError(f"{place}: the {name} holds a character that is no text; save the list as UTF-8")
    if squeezed["id"]:
        try:
            secondary = SecondaryReason(id=squeezed["id"], label=squeezed["secondary"])
            PrimaryReason(id=secondary.primary, label=squeezed["primary"], secondaries=(secondary,))
        except TaxonomyError as exc:
            raise TaxonomyError(f"{place}: {exc}") from None
    return ListedReason(**squeezed, place=place)


def _clash(
    one: ListedReason, other: ListedReason, wanted: str, label: str, other_label: str, source: str
) -> TaxonomyError:
    return TaxonomyError(
        f"{other.place}: {shorten(other_label)} makes the id {wanted!r}, as {shorten(label)} in {_short(one.place, source)} does; "
        "reword one of the two, or give ids of your own in a column 'id', such as 'delivery.late'"
    )


def _short(place: str, source: str) -> str:
    return place.removeprefix(f"{source}, ")
