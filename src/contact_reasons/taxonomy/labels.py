"""Labels in ticket files, as ids: ``primary.secondary``, pairs of labels, or single labels of one's own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

from contact_reasons.errors import TaxonomyError, nearest
from contact_reasons.taxonomy.model import MAX_LABEL_CHARS, Taxonomy

__all__ = ["Label", "distinct_labels", "ids_of_labels", "taxonomy_of_labels"]

Label = str | tuple[str, str] | None
"""An id or a single label; a pair of a primary and a secondary label; None for no reason."""

_ID = re.compile(r"[^\s.]+\.[^\s.]+\Z")


def taxonomy_of_labels(
    labels: Sequence[Label], *, taxonomy_id: str = "own", rows: Sequence[int] | None = None
) -> Taxonomy:
    """A taxonomy made of the labels that occur; `ids_of_labels` finds them in it.

    A single label that is no id becomes a primary with itself as the only secondary.

    Parameters
    ----------
    labels : sequence of str, (str, str) or None
    taxonomy_id : str
    rows : sequence of int, optional
        Row of each label in its file, for messages.

    Raises
    ------
    TaxonomyError
        If some single labels are ids and others are not, or labels look like running text.

    Examples
    --------
    >>> taxonomy_of_labels(["Late delivery", "Refund", None]).secondary_ids
    ('late_delivery.late_delivery', 'refund.refund')
    """
    _check_short(labels, rows)
    singles = {label: row for row, label in reversed(list(enumerate(labels))) if isinstance(label, str)}
    others = [label for label in singles if not _ID.match(label.strip())]
    if others and len(others) < len(singles):
        at = min(singles[label] for label in others)
        raise TaxonomyError(
            f"row {_row(at, rows)}: {_shown(labels[at])} is not an id 'primary.secondary' as {len(singles) - len(others)} of the other labels are; "
            "give ids throughout, or labels throughout"
        )
    seen = dict.fromkeys(_pair(label) for label in labels if label is not None)
    return Taxonomy.from_pairs(seen, taxonomy_id=taxonomy_id)


def _pair(label: str | tuple[str, str]) -> tuple[str, str]:
    if not isinstance(label, str):
        return label
    label = label.strip()
    primary, _, secondary = label.partition(".")
    return (primary, secondary) if _ID.match(label) else (label, label)


def distinct_labels(taxonomy: Taxonomy) -> dict[str, str]:
    """The label of each secondary id, in the order of the file; with its primary's where several have the same.

    Parameters
    ----------
    taxonomy : Taxonomy

    Examples
    --------
    >>> distinct_labels(Taxonomy.from_pairs([("Order", "Late"), ("Return", "Late")], taxonomy_id="shop"))
    {'order.late': 'Order: Late', 'return.late': 'Return: Late'}
    """
    times = Counter(secondary.label for secondary in taxonomy.secondaries)
    return {
        s.id: s.label if times[s.label] == 1 else f"{p.label}: {s.label}"
        for p in taxonomy.primaries
        for s in p.secondaries
    }


def ids_of_labels(
    labels: Sequence[Label], taxonomy: Taxonomy, *, rows: Sequence[int] | None = None
) -> list[str | None]:
    """The secondary id of each label: an id, a pair of labels, or a secondary's label that stands once in the taxonomy.

    Parameters
    ----------
    labels : sequence of str, (str, str) or None
    taxonomy : Taxonomy
    rows : sequence of int, optional
        Row of each label in its file, for messages.

    Raises
    ------
    TaxonomyError
        If a label is not in the taxonomy, naming its row and the nearest one.
    """
    by_pair = {(p.label, s.label): s.id for p in taxonomy.primaries for s in p.secondaries}
    by_pair.update({(p.id, s.id.partition(".")[2]): s.id for p in taxonomy.primaries for s in p.secondaries})
    singles: dict[str, list[str]] = {}
    for secondary in taxonomy.secondaries:
        singles.setdefault(secondary.label, []).append(secondary.id)
    by_label = {label: ids[0] for label, ids in singles.items() if len(ids) == 1}

    def find(label: str | tuple[str, str]) -> str | None:
        if isinstance(label, str):
            wanted = label.strip()
            return wanted if wanted in taxonomy.secondary_ids else by_label.get(wanted) or by_pair.get(_pair(wanted))
        return by_pair.get((label[0].strip(), label[1].strip()))

    known: dict[Hashable, str] = {}
    result: list[str | None] = []
    for at, label in enumerate(labels):
        if label is not None and label not in known:
            found = find(label)
            if found is None:
                raise TaxonomyError(_unknown(at, label, taxonomy, rows, singles))
            known[label] = found
        result.append(None if label is None else known[label])
    return result


def _unknown(
    at: int, label: str | tuple[str, str], taxonomy: Taxonomy, rows: Sequence[int] | None, singles: dict[str, list[str]]
) -> str:
    shown = _shown(label)
    message = f"row {_row(at, rows)}: {shown} is no secondary reason of taxonomy {taxonomy.taxonomy_id!r}; "
    if isinstance(label, str) and len(singles.get(label.strip(), [])) > 1:
        return message + "its label stands under several primaries: name the column of primary labels, too"
    names = [*taxonomy.secondary_ids] if isinstance(label, str) else [*singles]
    near = nearest(label if isinstance(label, str) else label[1], names)
    return message + f"{near} Correct the label or add the reason to the taxonomy"


def _check_short(labels: Sequence[Label], rows: Sequence[int] | None) -> None:
    for at, label in enumerate(labels):
        for part in (label,) if isinstance(label, str) else label or ():
            if not isinstance(part, str) or not 0 < len(part.strip()) <= MAX_LABEL_CHARS:
                raise TaxonomyError(
                    f"row {_row(at, rows)}: {_shown(label)} is no label; a label is a string of 1 to {MAX_LABEL_CHARS} characters. "
                    "Is it the right column?"
                )
    present = [label for label in labels if label is not None]
    different = len(set(present))
    if different > 50 and different > len(present) / 2:
        raise TaxonomyError(
            f"{different} different labels in {len(present)} rows: this looks like running text or numbers, not like reasons; name the column of reasons"
        )


def _row(at: int, rows: Sequence[int] | None) -> int:
    return at + 1 if rows is None else rows[at]


def _shown(label: object) -> str:
    """A label for a message, unless it may be running text."""
    parts = [part for part in (label if isinstance(label, tuple) else (label,)) if isinstance(part, str)]
    if all(len(part) <= 60 and len(part.split()) <= 6 for part in parts):
        return repr(label)
    return f"a text of {max(map(len, parts))} characters"
