"""What is doubtful about a taxonomy that is valid: size, look-alike labels, missing definitions."""

from __future__ import annotations

import re
from typing import NamedTuple

from contact_reasons.taxonomy.model import PrimaryReason, SecondaryReason, Taxonomy

__all__ = ["LintFinding", "lint_taxonomy"]

FEWEST, MOST, MOST_LEAVES = 6, 8, 60
NEAR_DUPLICATE_RATIO = 0.9


class LintFinding(NamedTuple):
    """One doubtful thing.

    Parameters
    ----------
    code : str
        Kind of finding, such as ``'duplicate-label'``.
    reason : str or None
        The reason it is about; None for the whole taxonomy.
    message : str
    """

    code: str
    reason: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.reason or 'taxonomy'}: {self.message} [{self.code}]"


def lint_taxonomy(taxonomy: Taxonomy) -> tuple[LintFinding, ...]:
    """Findings, in a stable order; empty for a taxonomy in good shape.

    Customers pick well among 6 to 8 primary reasons with 6 to 8 secondaries each; more than 60 in all is
    too fine to use. Labels are compared without case and punctuation; a pair is a near duplicate from a
    similarity of 0.9 (`difflib.SequenceMatcher.ratio`).

    Examples
    --------
    >>> taxonomy = Taxonomy.from_pairs([("Billing", "Refund"), ("Orders", "Refund")])
    >>> sorted({finding.code for finding in lint_taxonomy(taxonomy)})
    ['duplicate-label', 'missing-definition', 'primary-count', 'secondary-count']
    """
    return (*_sizes(taxonomy), *_definitions(taxonomy), *_labels(taxonomy))


def _sizes(taxonomy: Taxonomy) -> list[LintFinding]:
    found = []
    count = len(taxonomy.primaries)
    if not FEWEST <= count <= MOST:
        found.append(
            LintFinding(
                "primary-count",
                None,
                f"{count} primary reasons; customers pick best among {FEWEST} to {MOST}",
            )
        )
    for primary in taxonomy.primaries:
        count = len(primary.secondaries)
        if not FEWEST <= count <= MOST:
            found.append(
                LintFinding("secondary-count", primary.id, f"{count} secondary reasons; best are {FEWEST} to {MOST}")
            )
    if len(taxonomy.secondaries) > MOST_LEAVES:
        found.append(
            LintFinding(
                "too-many-leaves",
                None,
                f"{len(taxonomy.secondaries)} secondary reasons in all; above {MOST_LEAVES} is too fine to use",
            )
        )
    return found


def _definitions(taxonomy: Taxonomy) -> list[LintFinding]:
    found = []
    for reason in taxonomy.reasons:
        if not reason.definition:
            found.append(LintFinding("missing-definition", reason.id, "no definition; one line decides doubtful texts"))
        elif "\n" in reason.definition:
            found.append(
                LintFinding("long-definition", reason.id, "the definition has several lines; one decides better")
            )
    return found


def _labels(taxonomy: Taxonomy) -> list[LintFinding]:
    found = []
    levels: tuple[tuple[PrimaryReason | SecondaryReason, ...], ...] = (taxonomy.primaries, taxonomy.secondaries)
    for level in levels:
        folded = [(reason.id, _fold(reason.label)) for reason in level]
        for i, (first_id, first) in enumerate(folded):
            for second_id, second in folded[i + 1 :]:
                if first == second:
                    found.append(LintFinding("duplicate-label", second_id, f"the label is that of {first_id!r} too"))
                elif _similar(first, second):
                    found.append(
                        LintFinding(
                            "near-duplicate-label",
                            second_id,
                            f"the label is hard to tell from {first_id!r}'s",
                        )
                    )
    return found


def _fold(label: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", label.casefold()).split())


def _similar(first: str, second: str) -> bool:
    import difflib

    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    return matcher.real_quick_ratio() >= NEAR_DUPLICATE_RATIO and matcher.ratio() >= NEAR_DUPLICATE_RATIO
