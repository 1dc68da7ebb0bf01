"""From a model and a text to the `Explanation` of its label."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonModel
from contact_reasons.classifier.attribution import Attribution, attribute
from contact_reasons.classifier.features import count_words
from contact_reasons.confidence import DECIMALS, Thresholds, tempered
from contact_reasons.errors import RecordError, nearest, shorten
from contact_reasons.explanation.record import METHOD, OUT_OF_SCOPE, Explanation, PhraseShare, WordShare
from contact_reasons.records import FrozenMapping, ReasonLabel
from contact_reasons.taxonomy import Taxonomy

__all__ = ["explain_label"]

FloatArray = npt.NDArray[np.float64]
_Share = tuple[int, int, float]


_TWICE: Final = " A turn that says why was read twice: what its words add there and here is added up."


def explain_label(
    model: ReasonModel,
    text: str,
    label: ReasonLabel,
    thresholds: Thresholds,
    taxonomy: Taxonomy,
    against: str | None = None,
    *,
    repeated: tuple[int, int] | None = None,
) -> Explanation:
    """Why a clean text has the label that the model gave it.

    Parameters
    ----------
    model : ReasonModel
    text : str
        Clean.
    label : ReasonLabel
        The model's for this text.
    thresholds : Thresholds
    taxonomy : Taxonomy
        Gives the reasons their names.
    against : str, optional
        One rival: a secondary or primary id, or `OUT_OF_SCOPE`. By default all others.
    repeated : (int, int), optional
        Start and stop of a part of the text that repeats the part right before it. It is left out of the explanation's text, and what its words
        add is added to the words that they repeat.

    Raises
    ------
    RecordError
        If ``against`` is no rival of what is explained.
    """
    columns = [*model.classes, OUT_OF_SCOPE] if model.knows_scope else list(model.classes)
    said = model.predict([text])
    joint = tempered(said, thresholds.temperature)[0]
    chances = np.append(joint, max(1.0 - joint.sum(), 0.0))[: len(columns)]
    start, stop = repeated or (len(text), len(text))
    shown = text[:start] + text[stop:]
    if said.in_scope[0] == 0.0:
        return _nothing_known(shown, label, thresholds, taxonomy)
    reason = label.reason or columns[int(chances.argmax())]
    own = _members(columns, reason)
    rivals = ~own if against is None else _rivals(columns, against, reason, own)
    weights = _evidence(model, text, len(columns))
    scores = model.scores([text])[0] * weights
    ours, own_spread = _mean_of(scores, own)
    theirs, their_spread = _mean_of(scores, rivals)
    found = attribute(model.arrays, text, (ours - theirs) * weights * bool(rivals.any()))
    linear, hidden = float(found.linear.sum()), float(found.hidden.sum())
    rest = found.rest + own_spread - their_spread if rivals.any() else 0.0

    own_thresholds = thresholds.of(label.ranked[0].reason if reason == OUT_OF_SCOPE else reason)
    runner_up, runner_up_chance = _runner_up(columns, chances, own, by_primary=label.level == "primary")
    words, phrases = _shares(found, start, stop)
    return Explanation(
        label=label,
        text=shown,
        known=True,
        reason=reason,
        against=against,
        runner_up=runner_up,
        probability=_rounded(chances[own].sum()),
        runner_up_probability=_rounded(runner_up_chance),
        threshold=own_thresholds.primary if label.level == "primary" else own_thresholds.secondary,
        margin=linear + hidden + rest,
        linear=linear,
        hidden=hidden,
        rest=rest,
        words=tuple(WordShare(first, last, shown[first:last], share) for first, last, share in words),
        phrases=tuple(PhraseShare(first, last, shown[first:last], share) for first, last, share in phrases),
        names=_names(taxonomy, [reason, against, runner_up, *(each.reason for each in label.ranked)]),
        method=METHOD if repeated is None else METHOD + _TWICE,
    )


def _shares(found: Attribution, start: int, stop: int) -> tuple[list[_Share], list[_Share]]:
    """Start, stop and contribution of words and of phrases, in the text without what stands between start and stop.

    The pair of a part's last word and its first, where it is repeated, stands nowhere then; its two words have what it adds.
    """
    places = [(at, end) if at < start else (at - stop + start, end - stop + start) for at, end in found.spans.tolist()]
    first_again = bisect.bisect_left(found.spans[:, 0].tolist(), start)
    words: dict[int, _Share] = {}
    for (at, end), share in zip(places, (found.linear + found.hidden).tolist(), strict=True):
        _, known_end, known = words.get(at, (at, end, 0.0))
        words[at] = (at, known_end, known + share)
    phrases: dict[int, _Share] = {}
    for first, share in zip(found.pair_at.tolist(), found.pairs.tolist(), strict=True):
        if first + 1 == first_again and start < stop:
            continue
        at, end = places[first][0], words[places[first + 1][0]][1]
        _, known_end, known = phrases.get(at, (at, end, 0.0))
        phrases[at] = (at, known_end, known + share)
    return sorted(words.values()), sorted(phrases.values())


def _evidence(model: ReasonModel, text: str, n_columns: int) -> FloatArray:
    """The factor on each column's score before the softmax; see `CalibrationMap`."""
    weights = np.ones(n_columns)
    weights[: len(model.classes)] = model.calibration.evidence(count_words([text]))[0]
    return weights


def _members(columns: Sequence[str], reason: str) -> npt.NDArray[np.bool_]:
    """Columns of a reason: a primary's are those of its secondaries."""
    return np.array([column == reason or column.startswith(f"{reason}.") for column in columns])


def _rivals(columns: Sequence[str], against: str, reason: str, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    rivals = _members(columns, against)
    if not rivals.any():
        known = [*columns, *sorted({column.partition(".")[0] for column in columns if "." in column})]
        raise RecordError(f"against={shorten(against)} is no reason that the model knows; {nearest(against, known)}")
    if (rivals & own).any():
        raise RecordError(
            f"against={against!r} and the reason that is explained, {reason!r}, have secondaries in common; give another reason"
        )
    return rivals


def _mean_of(scores: FloatArray, members: npt.NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Weights whose mean of scores, plus a spread, is ln of the sum of the members' exp(score): the weights' entropy."""
    weights = np.zeros(len(scores))
    if not members.any():
        return weights, 0.0
    lead = scores[members] - scores[members].max()
    share = np.exp(lead) / np.exp(lead).sum()
    weights[members] = share
    return weights, float(math.log(np.exp(lead).sum()) - share @ lead)


def _runner_up(
    columns: Sequence[str], chances: FloatArray, own: npt.NDArray[np.bool_], *, by_primary: bool
) -> tuple[str | None, float]:
    others: dict[str, float] = {}
    for column, chance, is_own in zip(columns, chances.tolist(), own.tolist(), strict=True):
        if not is_own:
            group = column.partition(".")[0] if by_primary else column
            others[group] = others.get(group, 0.0) + chance
    best = max(others, key=lambda group: others[group], default=None)
    return best, 0.0 if best is None else others[best]


def _rounded(chance: float) -> float:
    return min(round(float(chance), DECIMALS), 1.0)


def _names(taxonomy: Taxonomy, reasons: Iterable[str | None]) -> FrozenMapping:
    names = {reason: taxonomy[reason].label for reason in reasons if reason is not None and reason in taxonomy}
    return FrozenMapping({**names, OUT_OF_SCOPE: "none of the known reasons"})


def _nothing_known(text: str, label: ReasonLabel, thresholds: Thresholds, taxonomy: Taxonomy) -> Explanation:
    return Explanation(
        label=label,
        text=text,
        known=False,
        reason=None,
        against=None,
        runner_up=None,
        probability=0.0,
        runner_up_probability=0.0,
        threshold=thresholds.secondary,
        margin=0.0,
        linear=0.0,
        hidden=0.0,
        rest=0.0,
        words=(),
        phrases=(),
        names=_names(taxonomy, [each.reason for each in label.ranked]),
    )
