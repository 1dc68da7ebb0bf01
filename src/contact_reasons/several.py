"""A second reason, where a contact carries one: "change my address, and where is my refund"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from contact_reasons.classifier import ReasonModel
from contact_reasons.errors import ContactReasonsError
from contact_reasons.records import RankedReason

__all__ = ["second_reasons"]

_LEAST_CHANCE = 0.003  # of the second reason for the whole text: below, it is not looked for
_MOST_CUTS = 32
_FEWEST_WORDS = 3  # of a part


def second_reasons(
    model: ReasonModel,
    clean_texts: Sequence[str],
    *,
    least_evidence: float = 0.9,
    first: Sequence[str] | None = None,
) -> list[RankedReason | None]:
    """The second most probable reason of each text, if one part of the text says it and the rest says the first.

    The text is cut in two at each end of a line, of a sentence or at a comma; a text without any is cut between its words; a part has at least three
    words, so that "thanks" is none. The evidence of a cut is
    the lower of two probabilities: that of the first reason for one part and that of the second for the other. A text's evidence is that of its best
    cut. The first reason stays what it is for the whole text.

    Parameters
    ----------
    model : ReasonModel
    clean_texts : sequence of str, length n
    least_evidence : float, default=0.9
        Between 0 and 1.
    first : sequence of str, length n, optional
        The first reason of each, where it was told from another text, such as from a conversation with a turn that counts twice; by default the most
        probable one.

    Returns
    -------
    list of RankedReason or None, length n
        The reason with its evidence, or None.

    Raises
    ------
    ContactReasonsError
        If ``least_evidence`` is not between 0 and 1.
    """
    if not 0 < least_evidence <= 1:
        raise ContactReasonsError(
            f"least_evidence is {least_evidence!r}; it must be above 0 and at most 1, such as 0.9"
        )
    said = model.predict(clean_texts)
    rows = np.arange(len(clean_texts))
    joint = said.proba * said.in_scope[:, None]
    if first is None:
        best = joint.argmax(axis=1)
    else:
        best = np.array([model.classes.index(reason) for reason in first], dtype=np.int64)
    joint[rows, best] = -1.0
    second = joint.argmax(axis=1)
    likely = joint[rows, second] >= _LEAST_CHANCE
    found: list[RankedReason | None] = [None] * len(clean_texts)
    for row in np.flatnonzero(likely).tolist():
        evidence = _evidence(model, clean_texts[row], int(best[row]), int(second[row]))
        if evidence >= least_evidence:
            found[row] = RankedReason(model.classes[second[row]], evidence)
    return found


def _evidence(model: ReasonModel, text: str, first: int, second: int) -> float:
    cuts = _cuts(text)
    if not cuts:
        return 0.0
    said = model.predict([text[:cut] for cut in cuts] + [text[cut:] for cut in cuts])
    joint = (said.proba * said.in_scope[:, None])[:, [first, second]]
    before, after = joint[: len(cuts)], joint[len(cuts) :]
    best = np.maximum(np.minimum(before[:, 0], after[:, 1]), np.minimum(before[:, 1], after[:, 0]))
    return round(float(best.max()), 6)


_MARKS = re.compile(r"(?:\n|[.!?;,…。！？；，、]+(?=\s|$))\s*")


def _cuts(text: str) -> list[int]:
    """Where a text may be cut in two, at most 32 places spread over it."""
    words = [match.start() for match in re.finditer(r"\S+", text)]
    if len(words) < 2 * _FEWEST_WORDS:
        return []
    earliest, latest = words[_FEWEST_WORDS], words[-_FEWEST_WORDS]
    cuts = [match.end() for match in _MARKS.finditer(text) if earliest <= match.end() <= latest]
    cuts = cuts or words[_FEWEST_WORDS : len(words) - _FEWEST_WORDS + 1]
    if len(cuts) > _MOST_CUTS:
        cuts = [cuts[i * len(cuts) // _MOST_CUTS] for i in range(_MOST_CUTS)]
    return cuts
