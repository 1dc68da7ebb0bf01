"""What a careful reader of the data, the splits and the tests would say, as plain data and as sentences."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from contact_reasons.evaluation import DependenceTest, plain
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.training.data import LabelledTexts
from contact_reasons.training.splits import LARGEST_SHARE, Sides

__all__ = ["describe_data", "describe_dependence", "describe_sides", "findings"]

FEW_TEXTS: Final = 10
GOOD_TEXTS: Final = 40
_SKEWED: Final = 0.5
_MANY_BLANK: Final = 0.2
_NAMED: Final = 12


def describe_data(data: LabelledTexts, taxonomy: Taxonomy, sides: Sides) -> dict[str, Any]:
    """Counts of texts and reasons, and what is thin, skewed, repeated or contradictory in them.

    Parameters
    ----------
    data : LabelledTexts
    taxonomy : Taxonomy
    sides : Sides
    """
    counts = Counter(reason for reason in data.reasons if reason is not None)
    places: dict[str, set[str]] = {}
    by_text: dict[str, set[str | None]] = {}
    for text, reason, key in zip(data.texts, data.reasons, sides.keys, strict=True):
        by_text.setdefault(" ".join(text.casefold().split()), set()).add(reason)
        if reason is not None:
            places.setdefault(reason, set()).add(key)
    ordered = sorted(counts.values())
    commonest = max(counts, key=lambda reason: (counts[reason], reason), default=None)
    return {
        "texts": sum(ordered),
        "without_a_reason": len(data.reasons) - sum(ordered),
        "reasons": {reason: counts[reason] for reason in taxonomy.secondary_ids},
        "middle": ordered[len(ordered) // 2] if ordered else 0,
        "commonest": commonest,
        "commonest_share": counts[commonest] / sum(ordered) if commonest else None,
        "of_one_group": sorted(reason for reason, keys in places.items() if len(keys) == 1),
        "repeated": len(data.texts) - len(by_text),
        "contradictory": sum(len(reasons) > 1 for reasons in by_text.values()),
    }


def describe_sides(sides: Sides, *, grouped: bool) -> dict[str, Any]:
    """What was kept on one side of every split, and in components of which sizes.

    Parameters
    ----------
    sides : Sides
    grouped : bool
        Whether customers were given.
    """
    bands = ((1, 1), (2, 5), (6, 20), (21, 100), (101, None))
    names = [f"{low}" if low == high else f"{low}-{high}" if high else f"{low} or more" for low, high in bands]
    found = [sum(low <= size and (high is None or size <= high) for size in sides.sizes) for low, high in bands]
    return {
        "by_customer": grouped,
        "components": len(sides.sizes),
        "largest": sides.sizes[0] if sides.sizes else 0,
        "sizes": dict(zip(names, found, strict=True)),
        "near_repeats": sides.near,
        "loosened": sides.loosened,
        "sampled_words": sides.sampled,
    }


def describe_dependence(test: DependenceTest) -> dict[str, Any]:
    """The permutation test as JSON.

    Parameters
    ----------
    test : DependenceTest
    """
    return {
        **test._asdict(),
        "accuracy": plain(test.accuracy),
        "permuted_accuracy": test.permuted_accuracy if test.permutations else None,
        "majority": plain(test.majority),
        "beats_majority": test.beats_majority,
    }


def findings(checks: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Alarms (the result should not be used as it is) and notes, as sentences without a full stop, the gravest first.

    Parameters
    ----------
    checks : dict
        As in `TrainedReasons`.
    """
    alarms, notes = _on_dependence(checks["dependence"])
    return alarms, [*notes, *_on_data(checks["data"]), *_on_splits(checks)]


def _on_dependence(test: dict[str, Any]) -> tuple[list[str], list[str]]:
    if test["verdict"] == "no_sign":
        return [
            f"the labels do not depend on the text: a quick model got {test['accuracy']['share']:.1%} of {test['rows']:,} held-out texts right with the labels as "
            f"they are and {test['permuted_accuracy']:.1%} with shuffled labels (p = {test['p_value']:.2f}). No classifier can learn reasons from these texts. "
            "Check that texts and labels stand in the same rows, that the right columns were named, and how the labels were given"
        ], []
    if test["verdict"] == "too_few":
        return [], [
            f"{test['rows']} different texts are too few to tell whether the labels depend on the text at all: take every figure here with care"
        ]
    if not test["beats_majority"]:
        return [], [
            f"the labels depend on the text (p = {test['p_value']:.2f}), but a quick model was right no more often ({test['accuracy']['share']:.1%}) than always "
            f"answering the commonest reason ({test['majority']['share']:.1%}): look at each reason's recall, not at accuracy"
        ]
    return [], []


def _on_data(data: dict[str, Any]) -> list[str]:
    notes, counts = [], data["reasons"]
    if absent := [reason for reason, count in counts.items() if not count]:
        notes.append(f"no texts, so never predicted: {_names(absent)}")
    if few := [f"{reason} ({count})" for reason, count in counts.items() if 0 < count < FEW_TEXTS]:
        notes.append(f"fewer than {FEW_TEXTS} texts: {_names(few)}")
    if one := data["of_one_group"]:
        notes.append(
            f"all texts are of one customer or repeat each other, so that none could be judged by a model that knows the reason: {_names(one)}"
        )
    if data["middle"] < GOOD_TEXTS:
        notes.append(
            f"about {data['middle']} texts a reason: expect many contacts to be left to a person; {2 * GOOD_TEXTS} a reason give good results"
        )
    present = sum(count > 0 for count in counts.values())
    if (data["commonest_share"] or 0) > max(_SKEWED, 1.5 / max(present, 1)):
        notes.append(
            f"{data['commonest']} has {data['commonest_share']:.0%} of the texts: accuracy is high for answering nothing else; look at each reason's recall"
        )
    if data["without_a_reason"] > _MANY_BLANK * (data["texts"] + data["without_a_reason"]):
        notes.append(
            f"{data['without_a_reason']:,} texts without a label were taken as texts that belong to no reason; "
            "if some were merely not labelled yet, leave those out (of labelled tickets: --blank-labels skip)"
        )
    if data["repeated"]:
        notes.append(f"{data['repeated']} texts repeat another one; repeats were kept on one side of every split")
    if data["contradictory"]:
        notes.append(f"{data['contradictory']} texts occur with different reasons")
    return notes


def _on_splits(checks: dict[str, Any]) -> list[str]:
    notes, sides, time = [], checks["sides"], checks["time"]
    total = checks["data"]["texts"] + checks["data"]["without_a_reason"]
    if sides["largest"] > max(total * LARGEST_SHARE, FEW_TEXTS):
        notes.append(
            f"{sides['largest']:,} of {total:,} texts hang together as of one customer or equal, so that splits are lopsided; "
            "if many tickets share a placeholder such as 'unknown', leave those customers empty"
        )
    if sides["loosened"]:
        notes.append(
            f"{sides['loosened']:,} texts hang together through customers and near repeats; near repeats were not all kept on one side there, "
            "so that scores on held-out folds may be a little too good"
        )
    if sides["sampled_words"]:
        notes.append(
            f"near repeats around {sides['sampled_words']} very common words were looked for among neighbours only; a few may be missed"
        )
    if time is None:
        return notes
    if "skipped" in time:
        notes.append(f"no scores on the newest texts: {time['skipped']}")
    if time.get("left_out"):
        notes.append(
            f"{time['left_out']:,} newer texts were left out of the test on the newest: their customer, or a near repeat, is among the older ones"
        )
    if time.get("undated"):
        notes.append(
            f"{time['undated']:,} texts have no time that can be read: trained on, but on neither side of the cut by time"
        )
    if only := time.get("only_newer"):
        notes.append(f"only among the newest texts, so always wrong there: {_names(only)}")
    return notes


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
