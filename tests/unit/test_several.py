"""A second reason in one contact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.bundle import read_bundle
from contact_reasons.classifier import ReasonModel
from contact_reasons.errors import ContactReasonsError
from contact_reasons.resources import pack_files
from contact_reasons.several import _cuts, second_reasons


@pytest.fixture(scope="module")
def model() -> ReasonModel:
    return read_bundle(pack_files("retail").model).model


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("change my address, and where is my refund", {"account.change_details", "returns.refund_when"}),
        ("I want to return the shoes. Also my discount code does not work!", {"returns.start", "payment.code"}),
        ("password reset not working and i need a copy of my invoice", {"account.login", "payment.invoice"}),
    ],
)
def test_a_text_with_two_reasons_names_both(model: ReasonModel, text: str, reasons: set[str]) -> None:
    first = model.classes[int(model.predict([text]).proba[0].argmax())]
    (second,) = second_reasons(model, [text])
    assert second is not None
    assert {first, second.reason} == reasons
    assert 0.9 <= second.probability <= 1


@pytest.mark.parametrize("text", ["", "?", "refund please", "where is my parcel?", "hello\nwhere is my parcel\nthanks"])
def test_a_text_with_one_reason_has_no_second(model: ReasonModel, text: str) -> None:
    assert second_reasons(model, [text]) == [None]


def test_a_text_alone_is_as_in_a_batch(model: ReasonModel) -> None:
    texts = ["change my address, and where is my refund", "refund please", "invoice. and cancel my order"]
    assert second_reasons(model, texts) == [second_reasons(model, [text])[0] for text in texts]


@pytest.mark.parametrize("least", [0, -0.1, 1.1, float("nan")])
def test_an_evidence_out_of_range_is_refused(model: ReasonModel, least: float) -> None:
    with pytest.raises(ContactReasonsError, match="it must be above 0 and at most 1"):
        second_reasons(model, ["refund"], least_evidence=least)


@given(st.text(st.sampled_from("ab ,.\n!"), max_size=200))
def test_cuts_leave_something_on_both_sides(text: str) -> None:
    cuts = _cuts(text)
    assert len(cuts) <= 32
    assert cuts == sorted(set(cuts))
    for cut in cuts:
        assert len(text[:cut].split()) >= 3
        assert len(text[cut:].split()) >= 3


def test_pipelines_give_second_reasons_of_contacts() -> None:
    pipe = cr.load_pipeline("retail")
    contact = cr.Contact(text="<p>change my address, and where is my refund</p>")
    second = pipe.second_reason(contact)
    assert second is not None
    assert second.reason == "returns.refund_when"
