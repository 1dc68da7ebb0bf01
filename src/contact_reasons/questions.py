"""`Question`: what to ask a customer when a few reasons are close, and the label that the answer makes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from contact_reasons.confidence import DECIMALS, Thresholds
from contact_reasons.errors import RecordError, nearest, shorten
from contact_reasons.records import ReasonLabel
from contact_reasons.taxonomy import Taxonomy

__all__ = ["ENGLISH", "MOST_OPTIONS", "Option", "Question", "Wording", "question_for"]

MOST_OPTIONS: Final = 3
"""Reasons that a question names, at most; "something else" comes on top."""


class Wording(NamedTuple):
    """The words around the labels of the reasons, in the language of the taxonomy.

    Parameters
    ----------
    ask : str
        With ``{options}`` where the labels go.
    last : str
        Between the last two labels.
    other : str
        What to call the choice of none of them.
    quote : str
        A pair of quotation marks, around each label.
    """

    ask: str
    last: str
    other: str
    quote: str


ENGLISH: Final = Wording("Is it about {options}?", " or ", "Something else", "“”")
"""What a question says unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Option:
    """A secondary reason to choose.

    Parameters
    ----------
    reason : str
    label : str
        In the customer's words; where two options share a label, that of the primary stands before it.
    probability : float
        The model's, in [0, 1].
    """

    reason: str
    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to the customer, between two or three reasons and something else.

    Parameters
    ----------
    label : ReasonLabel
        The label that was not sure enough.
    text : str
    options : tuple of Option
        Two or three, the most probable first.
    something_else : str
        What to call the choice of none of them.
    """

    label: ReasonLabel
    text: str
    options: tuple[Option, ...]
    something_else: str

    def answer(self, reason: str | None) -> ReasonLabel:
        """The label of a contact whose customer has answered; ``ranked`` stays what the model said.

        A chosen reason has confidence 1, as in `Taxonomy.pick`: it is the customer's word, no longer the model's guess.

        Parameters
        ----------
        reason : str or None
            The id of an option. None, something else: the contact is left to a person, and confidence is the probability
            of the best ranked reason that was no option, given that it is none of the options.

        Raises
        ------
        RecordError
            If it is no option.
        """
        ids = [option.reason for option in self.options]
        if reason is None:
            left = 1.0 - sum(option.probability for option in self.options)
            best = max((each.probability for each in self.label.ranked if each.reason not in ids), default=0.0)
            confidence = round(min(best / left, 1.0), DECIMALS) if left > 0 else 0.0
            return ReasonLabel(
                primary=None, secondary=None, confidence=confidence, abstained=True, ranked=self.label.ranked
            )
        if reason not in ids:
            raise RecordError(
                f"{shorten(reason)} is no option of this question; {nearest(reason, ids)} None means something else"
            )
        return ReasonLabel(
            primary=reason.partition(".")[0],
            secondary=reason,
            confidence=1.0,
            abstained=False,
            ranked=self.label.ranked,
        )

    def to_dict(self) -> dict[str, Any]:
        """Text and choices as plain data for JSON; "something else" is the last choice, with the id None."""
        choices = [{"id": option.reason, "label": option.label} for option in self.options]
        return {"text": self.text, "options": [*choices, {"id": None, "label": self.something_else}]}

    def to_json(self) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


def question_for(
    label: ReasonLabel, thresholds: Thresholds, taxonomy: Taxonomy, wording: Wording = ENGLISH
) -> Question | None:
    """The question that settles a label, or None if there is none to ask.

    A question is asked where no secondary is reported, and the two or three most probable ones together reach the threshold that the
    first alone misses. It names as few as reach it.

    Parameters
    ----------
    label : ReasonLabel
    thresholds : Thresholds
    taxonomy : Taxonomy
        Gives the reasons their labels.
    wording : Wording, optional

    Raises
    ------
    RecordError
        If ``wording.ask`` has no ``{options}``.
    """
    if "{options}" not in wording.ask:
        raise RecordError(f"wording.ask is {shorten(wording.ask)}; put {{options}} where the labels go")
    least = None if not label.ranked else thresholds.of(label.ranked[0].reason).secondary
    if label.level == "secondary" or least is None:
        return None
    ranked = [each for each in label.ranked[:MOST_OPTIONS] if each.probability > 0]
    for n in range(2, len(ranked) + 1):
        if round(sum(each.probability for each in ranked[:n]), DECIMALS) >= least:
            labels = _labels([each.reason for each in ranked[:n]], taxonomy)
            options = tuple(
                Option(each.reason, name, each.probability) for each, name in zip(ranked, labels, strict=False)
            )
            return Question(label=label, text=_text(labels, wording), options=options, something_else=wording.other)
    return None


def _labels(reasons: list[str], taxonomy: Taxonomy) -> list[str]:
    labels = [taxonomy[reason].label for reason in reasons]
    times = Counter(labels)
    return [
        label if times[label] == 1 else f"{taxonomy[reason.partition('.')[0]].label}: {label}"
        for reason, label in zip(reasons, labels, strict=True)
    ]


def _text(labels: list[str], wording: Wording) -> str:
    opening, closing = wording.quote[:1], wording.quote[-1:]
    quoted = [f"{opening}{label}{closing}" for label in labels]
    return wording.ask.replace("{options}", ", ".join(quoted[:-1]) + wording.last + quoted[-1])
