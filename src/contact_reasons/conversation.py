"""What a classifier reads of a conversation: the customer's turns that say why he writes, the first of them twice.

A conversation is mostly greetings, names, numbers and thanks, and a classifier that reads them all as one text hears the reason less and less the
longer it gets. A small model that all packs share gives the chance that a turn says why. The text that is left is one text: label, explanation and
everything else are made of it as of any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from contact_reasons.classifier import ReasonModel

__all__ = ["CLEAR", "KEPT", "SMALL_TALK", "WHY", "Reading", "read_conversations", "reason_text"]

WHY: Final = "turn.why"
SMALL_TALK: Final = "turn.small_talk"
"""Classes of the model of turns."""

KEPT: Final = 0.1
"""Chance of saying why from which a turn is read."""

CLEAR: Final = 0.5
"""Chance of saying why from which the first such turn is read twice."""

_LEAST_KNOWN: Final = 0.5


class Reading(NamedTuple):
    """What is read of a contact.

    Parameters
    ----------
    turns : tuple of str
        Those that are read, in order.
    twice : int or None, default=None
        Which of them is read twice.
    chosen : bool, default=False
        Whether the model of turns was asked which ones to read.
    """

    turns: tuple[str, ...]
    twice: int | None = None
    chosen: bool = False

    @property
    def once(self) -> str:
        """The turns, one below the other."""
        return "\n".join(self.turns)

    @property
    def text(self) -> str:
        """The text for a classifier.

        >>> Reading(("hi", "it leaks"), twice=1).text
        'hi\\nit leaks\\nit leaks'
        """
        if self.twice is None:
            return self.once
        return "\n".join([*self.turns[: self.twice + 1], *self.turns[self.twice :]])

    @property
    def repeated(self) -> tuple[int, int] | None:
        """Start and stop in the text of what is there for the second time, with the line end before it."""
        if self.twice is None:
            return None
        start = sum(len(turn) + 1 for turn in self.turns[: self.twice + 1]) - 1
        return start, start + len(self.turns[self.twice]) + 1


def read_conversations(model: ReasonModel, conversations: Iterable[Sequence[str]]) -> list[Reading]:
    """What a classifier should read of each conversation.

    Turns that say why with a chance of at least `KEPT`, and the first of at least `CLEAR` twice; a turn of words that the model of turns does not
    know, such as a name alone, is not read. All turns, each once, where none is kept, where there is one alone, and where half of the words are of such
    turns, as in another language.

    Parameters
    ----------
    model : ReasonModel
        Of turns: classes `WHY` and `SMALL_TALK`. Asked once for all turns.
    conversations : iterable of sequence of str
        Clean turns of the customer, in order.
    """
    every = [tuple(turns) for turns in conversations]
    asked = [turn for turns in every if len(turns) > 1 for turn in turns]
    if not asked:
        return [Reading(turns) for turns in every]
    said = model.predict(asked)
    chances = said.proba[:, model.classes.index(WHY)].tolist()
    each = zip(asked, chances, (said.in_scope > 0).tolist(), strict=True)
    return [_reading(list(islice(each, len(turns)))) if len(turns) > 1 else Reading(turns) for turns in every]


def _reading(judged: list[tuple[str, float, bool]]) -> Reading:
    """The reading of turns, each with its chance of saying why and whether the model knows enough of its words."""
    turns = tuple(turn for turn, _, _ in judged)
    kept = [(turn, chance) for turn, chance, known in judged if chance >= KEPT and known]
    n_words = [turn.count(" ") + 1 for turn in turns]
    n_known = sum(n for n, (_, _, known) in zip(n_words, judged, strict=True) if known)
    if not kept or n_known < _LEAST_KNOWN * sum(n_words):
        return Reading(turns, chosen=True)
    clear = next((i for i, (_, chance) in enumerate(kept) if chance >= CLEAR), None)
    return Reading(tuple(turn for turn, _ in kept), clear, chosen=True)


def reason_text(model: ReasonModel, turns: Sequence[str]) -> str:
    """The text of a conversation that a classifier should read; see `read_conversations`."""
    return read_conversations(model, [turns])[0].text
