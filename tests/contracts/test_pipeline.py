"""One row, one answer; the label's two levels agree; what is handed to a person is said."""

from __future__ import annotations

import csv
import random
import threading
from pathlib import Path

import pytest

import contact_reasons as cr
from contact_reasons.confidence import Thresholds, fit_thresholds, label_rows
from contact_reasons.errors import BundleError, PackError, RoutingError, TrainingError
from contact_reasons.pipeline import contact_text
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def contacts() -> list[cr.Contact]:
    with (ROOT / "samples" / "retail-tickets.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [
        cr.Contact(
            text=row["text"],
            subject=row["subject"] or None,
            arrival_channel=row["arrival_channel"],
            contact_id=row["ticket_id"],
        )
        for row in rows
    ]


def test_the_example_of_the_readme(retail: cr.Pipeline) -> None:
    out = retail.handle(
        cr.Contact(
            text="where is my parcel, it was due monday",
            customer=cr.Customer(type="gold"),
            context=cr.RoutingContext(stage="fulfilment", open=True),
        )
    )
    assert out.label.primary == "delivery"
    assert out.label.secondary in (None, "delivery.late", "delivery.track")
    assert 0 < out.label.confidence <= 1
    assert out.label.abstained is False
    assert out.recommendation.channel in tuple(cr.Channel)
    assert out.recommendation.rule_id in {rule.id for rule in retail.policy.rules}
    assert all(because.input in retail.policy.inputs for because in out.recommendation.because)


def test_alone_in_batches_and_shuffled_the_answers_are_the_same(
    retail: cr.Pipeline, contacts: list[cr.Contact]
) -> None:
    alone = [retail.handle(contact) for contact in contacts]
    in_sevens = [out for i in range(0, len(contacts), 7) for out in retail.handle_many(contacts[i : i + 7])]
    assert in_sevens == alone
    assert retail.handle_many(contacts) == alone
    order = list(range(len(contacts)))
    random.Random(3).shuffle(order)
    shuffled = retail.handle_many([contacts[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(contacts))] == alone


def test_threads_get_the_same_answers(retail: cr.Pipeline, contacts: list[cr.Contact]) -> None:
    expected = retail.handle_many(contacts)
    assert retail.handle_many(contacts * 5, n_threads=3) == expected * 5
    found: dict[int, list[cr.HandledContact]] = {}

    def work(number: int) -> None:
        found[number] = retail.handle_many(contacts)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(4)] == [expected] * 4


def test_levels_agree_and_confidence_is_a_probability(retail: cr.Pipeline, contacts: list[cr.Contact]) -> None:
    levels = set()
    for out in retail.handle_many(contacts):
        label = out.label
        levels.add(label.level)
        assert 0 <= label.confidence <= 1
        assert label.abstained is (label.primary is None)
        if label.secondary is not None:
            assert label.primary == label.secondary.partition(".")[0]
            assert label.ranked[0].reason == label.secondary
        assert [one.probability for one in label.ranked] == sorted(
            (one.probability for one in label.ranked), reverse=True
        )
        assert label.reason == (label.secondary or label.primary)
    assert levels == {"secondary", "primary", None}


@pytest.mark.parametrize("text", ["", "   ", "?!", "\0", "🙂🙂", "здравствуйте, где моя посылка", "ありがとう"])
def test_a_text_that_says_nothing_is_left_to_a_person(retail: cr.Pipeline, text: str) -> None:
    out = retail.handle(cr.Contact(text=text))
    assert out.label.abstained
    assert out.recommendation.channel not in ("self_service",)


def test_only_the_customers_turns_are_read() -> None:
    turns = (cr.Turn(speaker="agent", text="refund invoice"), cr.Turn(speaker="customer", text="hi <b>there</b>"), cr.Turn(speaker="bot", text="x"), cr.Turn(speaker="customer", text="my kettle leaks"))  # fmt: skip
    clean = contact_text(cr.Contact(turns=turns, subject="Re: kettle", text="ignored"))
    assert clean == "kettle\nmy kettle leaks\nmy kettle leaks"
    assert contact_text(cr.Contact(turns=turns[:3], subject="Re: kettle")) == "kettle\nhi there"


def test_a_value_the_policy_does_not_know_is_loud(retail: cr.Pipeline) -> None:
    with pytest.raises(RoutingError, match=r"did you mean 'fulfilment'\?"):
        retail.handle(cr.Contact(text="where is it", context=cr.RoutingContext(stage="fulfillment")))


def test_an_unknown_extra_is_loud_and_a_wrong_contact_in_many_is_named(retail: cr.Pipeline) -> None:
    with pytest.raises(RoutingError, match=r"extra\['stagge'\] is not an input .*did you mean 'stage'\?"):
        retail.handle(cr.Contact(text="x", context=cr.RoutingContext(extra={"stagge": "support"})))
    bad = cr.Contact(text="x", contact_id="T-9", context=cr.RoutingContext(stage="suport"))
    with pytest.raises(RoutingError, match=r"contacts\[1\] \(T-9\): input 'stage' is 'suport'"):
        retail.handle_many([cr.Contact(text="x"), bad])
    with pytest.raises(cr.ContactReasonsError, match=r"contacts\[0\] is a str; give a Contact"):
        retail.handle("where is it")  # type: ignore[arg-type]
    with pytest.raises(cr.ContactReasonsError, match="single string"):
        retail.label_texts("hello")


def test_representations_are_short(retail: cr.Pipeline) -> None:
    assert (
        repr(retail)
        == "Pipeline(Taxonomy('retail', '1.0.0', 8 primaries, 60 secondaries), RoutingPolicy('retail-service', '1.0.0', 33 rules))"
    )
    assert {"ReasonClassifier", "label_file", "__version__"} <= set(dir(cr))


def test_a_rule_without_conditions_says_so(retail: cr.Pipeline) -> None:
    out = retail.handle(
        cr.Contact(text="I have an idea how to fold your boxes better", context=cr.RoutingContext(open=None))
    )
    assert out.recommendation.why
    assert retail.policy.route({"reason": "product.find", "confidence": 0.9}).why == "no earlier rule applied"


def test_no_error_holds_the_contacts_text(retail: cr.Pipeline) -> None:
    with pytest.raises(RoutingError) as caught:
        retail.handle(cr.Contact(text="secret words", customer=cr.Customer(type="emerald")))
    assert "secret" not in str(caught.value)


def test_a_pack_of_ones_own_is_loaded_by_its_folder(tiny_pack: Path) -> None:
    pipeline = cr.load_pipeline(tiny_pack)
    assert pipeline.handle(cr.Contact(text="where is my parcel")).label.ranked[0].reason == "delivery.track"
    assert pipeline.taxonomy.secondary_ids == ("billing.invoice", "billing.refund", "delivery.late", "delivery.track")


def test_an_unknown_pack_names_the_known_ones() -> None:
    with pytest.raises(PackError, match=r"did you mean 'retail'\?"):
        cr.load_pipeline("retial")


def test_a_model_of_another_taxonomy_is_refused(tiny_pack: Path) -> None:
    with pytest.raises(
        BundleError, match=r"trained for taxonomy 'tiny' 1; its reason 'billing\.invoice' is not in .*taxonomy\.yaml"
    ):
        cr.load_pipeline("retail", model=tiny_pack / "model")


def test_labels_back_off_from_secondary_to_primary_to_a_person(retail: cr.Pipeline) -> None:
    said = retail.bundle.model.predict(["where is my parcel"])
    classes = retail.bundle.model.classes
    sure = label_rows(said, classes, Thresholds(0.0, 0.0))[0]
    assert sure.level == "secondary"
    backed_off = label_rows(said, classes, Thresholds(1.0, 0.0))[0]
    assert (backed_off.level, backed_off.primary) == ("primary", "delivery")
    person = label_rows(said, classes, Thresholds(1.0, 1.0))[0]
    assert person.abstained
    assert person.ranked == sure.ranked


def test_thresholds_reach_the_wanted_rate_on_the_texts_they_were_fitted_on(retail: cr.Pipeline) -> None:
    texts = [reason.label for reason in retail.taxonomy.secondaries] + ["hello"] * 5
    truth = [reason.id for reason in retail.taxonomy.secondaries] + [None] * 5
    model = retail.bundle.model
    said = model.predict(texts)
    thresholds = fit_thresholds(said, model.classes, truth, wanted_error=0.1)
    labels = label_rows(said, model.classes, thresholds)
    reported = [
        (label.secondary, reason) for label, reason in zip(labels, truth, strict=True) if label.level == "secondary"
    ]
    assert reported
    assert sum(found != reason for found, reason in reported) <= 0.1 * len(reported)


def test_thresholds_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"the primary threshold is 1\.5"):
        Thresholds(0.5, 1.5)
