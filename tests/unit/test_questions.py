"""When a question is asked, what it says, and the label of an answer."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.confidence import Thresholds
from contact_reasons.errors import RecordError
from contact_reasons.questions import ENGLISH, Question, Wording, question_for
from contact_reasons.records import RankedReason

TAXONOMY = cr.Taxonomy.from_pairs(
    [("Delivery", "Where is it?"), ("Delivery", "Other"), ("Billing", "Other"), ("Billing", "Send me an invoice")]
)
TRACK, OTHER_D, OTHER_B, INVOICE = (
    "delivery.where_is_it",
    "delivery.other",
    "billing.other",
    "billing.send_me_an_invoice",
)


def unsure(*ranked: tuple[str, float], primary: str | None = None) -> cr.ReasonLabel:
    return cr.ReasonLabel(
        primary=primary,
        secondary=None,
        confidence=0.9 if primary else ranked[0][1],
        abstained=primary is None,
        ranked=tuple(RankedReason(*each) for each in ranked),
    )


def ask(label: cr.ReasonLabel, threshold: float | None = 0.6, wording: Wording = ENGLISH) -> Question | None:
    return question_for(label, Thresholds(threshold, 0.8), TAXONOMY, wording)


def asked(label: cr.ReasonLabel, threshold: float = 0.6, wording: Wording = ENGLISH) -> Question:
    question = ask(label, threshold, wording)
    assert question is not None
    return question


def test_two_close_reasons_are_asked_about_in_the_customers_words() -> None:
    question = asked(unsure((TRACK, 0.5), (INVOICE, 0.3), (OTHER_D, 0.1)))
    assert question.text == "Is it about “Where is it?” or “Send me an invoice”?"
    assert [option.reason for option in question.options] == [TRACK, INVOICE]
    assert question.to_dict() == {
        "text": question.text,
        "options": [
            {"id": TRACK, "label": "Where is it?"},
            {"id": INVOICE, "label": "Send me an invoice"},
            {"id": None, "label": "Something else"},
        ],
    }
    assert json.loads(question.to_json()) == question.to_dict()


def test_a_third_reason_is_named_where_two_do_not_reach_the_threshold() -> None:
    question = asked(unsure((TRACK, 0.3), (INVOICE, 0.2), (OTHER_D, 0.1)))
    assert question.text == "Is it about “Where is it?”, “Send me an invoice” or “Other”?"


def test_equal_labels_are_told_apart_by_their_primaries() -> None:
    question = asked(unsure((OTHER_D, 0.5), (OTHER_B, 0.3)))
    assert [option.label for option in question.options] == ["Delivery: Other", "Billing: Other"]


def test_another_language_has_its_own_wording() -> None:
    german = Wording("Geht es um {options}?", " oder ", "Etwas anderes", "„“")
    question = asked(unsure((TRACK, 0.5), (INVOICE, 0.3)), wording=german)
    assert question.text == "Geht es um „Where is it?“ oder „Send me an invoice“?"
    assert question.something_else == "Etwas anderes"
    with pytest.raises(RecordError, match=r"put \{options\} where the labels go"):
        ask(unsure((TRACK, 0.5), (INVOICE, 0.3)), wording=german._replace(ask="?"))


chances = st.lists(st.integers(0, 10**6), min_size=1, max_size=3).map(lambda parts: sorted(parts, reverse=True))


@given(parts=chances, rest=st.integers(0, 10**6), threshold=st.integers(0, 10**6) | st.none(), backed_off=st.booleans())
def test_a_question_names_the_fewest_reasons_that_reach_the_threshold_together(
    parts: list[int], rest: int, threshold: int | None, backed_off: bool
) -> None:
    """In millionths, where sums are exact."""
    total = max(sum(parts) + rest, 1)
    parts = [part * 10**6 // total for part in parts]
    ids = [TRACK, OTHER_D, INVOICE][: len(parts)]
    label = unsure(*zip(ids, [part / 1e6 for part in parts], strict=True), primary="delivery" if backed_off else None)
    question = ask(label, None if threshold is None else threshold / 1e6)
    enough = [
        n
        for n in (2, 3)
        if len(parts) >= n and parts[n - 1] > 0 and threshold is not None and sum(parts[:n]) >= threshold
    ]
    if not enough:
        assert question is None
        return
    assert question is not None
    assert [option.reason for option in question.options] == ids[: enough[0]]
    assert question.label is label


def test_no_question_where_the_secondary_is_reported() -> None:
    sure = cr.ReasonLabel(
        primary="delivery",
        secondary=TRACK,
        confidence=0.7,
        abstained=False,
        ranked=(RankedReason(TRACK, 0.7), RankedReason(INVOICE, 0.3)),
    )
    assert ask(sure) is None
    assert ask(TAXONOMY.pick("delivery")) is None


def test_the_chosen_reason_is_certain_and_the_models_ranking_is_kept() -> None:
    label = unsure((TRACK, 0.5), (INVOICE, 0.3), (OTHER_D, 0.1))
    answer = asked(label).answer(INVOICE)
    assert (answer.primary, answer.secondary, answer.confidence, answer.abstained) == ("billing", INVOICE, 1.0, False)
    assert answer.ranked == label.ranked
    chosen = TAXONOMY.pick("billing", INVOICE)
    assert (chosen.primary, chosen.secondary, chosen.confidence) == (
        answer.primary,
        answer.secondary,
        answer.confidence,
    )


def test_something_else_leaves_the_contact_to_a_person_with_the_chance_of_the_next_reason() -> None:
    label = unsure((TRACK, 0.5), (INVOICE, 0.3), (OTHER_D, 0.1), primary="delivery")
    answer = asked(label).answer(None)
    assert (answer.level, answer.abstained, answer.confidence) == (None, True, 0.5)
    assert answer.ranked == label.ranked
    assert asked(unsure((TRACK, 0.3), (INVOICE, 0.2), (OTHER_D, 0.1))).answer(None).confidence == 0.0
    assert asked(unsure((TRACK, 0.5), (INVOICE, 0.5))).answer(None).confidence == 0.0


def test_an_answer_that_is_no_option_is_refused() -> None:
    question = asked(unsure((TRACK, 0.5), (INVOICE, 0.3)))
    with pytest.raises(RecordError, match=r"'delivery.other' is no option .* None means something else"):
        question.answer(OTHER_D)


def test_the_pipeline_asks_about_a_contact_or_its_label(retail: cr.Pipeline) -> None:
    contact = cr.Contact(text="delivery problem with order and i need help")
    first, second, _ = retail.label(contact).ranked
    assert first.probability < 1
    thresholds = Thresholds(first.probability + second.probability / 2, 1.0)
    pipe = dataclasses.replace(retail, bundle=dataclasses.replace(retail.bundle, thresholds=thresholds))
    label = pipe.label(contact)
    question = pipe.question(contact)
    assert question == pipe.question(label)
    assert question is not None
    names = [pipe.taxonomy[each.reason].label for each in (first, second)]
    assert question.text == f"Is it about “{names[0]}” or “{names[1]}”?"
    assert pipe.label(contact) == label
    answer = question.answer(second.reason)
    assert pipe.values(contact, answer)["reason"] == second.reason
    assert pipe.route(contact, answer).rule_id


def test_nothing_is_asked_about_a_sure_reason_or_an_empty_text(retail: cr.Pipeline) -> None:
    assert retail.question(cr.Contact(text="where is my parcel")) is None
    assert retail.question(cr.Contact(text="")) is None
