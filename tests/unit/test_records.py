from __future__ import annotations

import dataclasses
import datetime as dt
import pickle
from typing import Any

import pytest

import contact_reasons as cr
from contact_reasons.errors import RecordError
from contact_reasons.records import routing_values


def test_records_cannot_be_changed() -> None:
    contact = cr.Contact(text="hello")
    with pytest.raises(dataclasses.FrozenInstanceError):
        contact.text = "other"  # type: ignore[misc]
    extra = cr.Customer(extra={"basket_eur": 3}).extra
    with pytest.raises(TypeError, match="does not support item assignment"):
        extra["basket_eur"] = 4  # type: ignore[index]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.Contact(text=None), r"Contact\.text is None; it must be a string"),  # type: ignore[arg-type]
        (lambda: cr.Contact(text="x", subject=3), r"Contact\.subject is a value of type int"),  # type: ignore[arg-type]
        (lambda: cr.Contact(created_at=dt.datetime(2026, 1, 1)), r"must be a datetime with a time zone"),
        (lambda: cr.Contact(customer="gold"), r"Contact\.customer must be a Customer"),  # type: ignore[arg-type]
        (lambda: cr.Contact(context=None), r"Contact\.context must be a RoutingContext"),  # type: ignore[arg-type]
        (lambda: cr.Contact(turns=("hello",)), r"must hold Turn records"),  # type: ignore[arg-type]
        (lambda: cr.Turn(speaker="custmer", text="x"), r"did you mean 'customer'\?"),
        (lambda: cr.Customer(vulnerable="no"), r"Customer\.vulnerable is 'no'; it must be True, False or None"),  # type: ignore[arg-type]
        (lambda: cr.Customer(type=1), r"Customer\.type is a value of type int"),  # type: ignore[arg-type]
        (lambda: cr.RoutingContext(sentiment=1.5), r"sentiment is 1\.5; it must be a number, at least -1 and at most 1"),
        (lambda: cr.RoutingContext(sentiment=float("nan")), r"sentiment is nan"),
        (lambda: cr.RoutingContext(repeats_7d=-1), r"repeats_7d is -1; it must be a whole number, at least 0"),
        (lambda: cr.RoutingContext(estimated_wait_seconds=1.5), r"estimated_wait_seconds is 1\.5"),  # type: ignore[arg-type]
        (lambda: cr.RoutingContext(repeats_7d=True), r"repeats_7d is True"),
        (lambda: cr.RoutingContext(extra={"stage": "x"}), r"has the name of a field that every contact has"),
        (lambda: cr.RoutingContext(extra=[1]), r"extra must be a mapping"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_an_impossible_value_is_refused_at_the_edge(make: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        make()


def test_the_text_of_a_contact_is_kept_out_of_its_repr() -> None:
    contact = cr.Contact(
        text="my secret", subject="secret too", turns=(cr.Turn(speaker="customer", text="and this secret"),)
    )
    assert "secret" not in repr(contact)
    assert "secret" not in repr(contact.turns)


def test_records_survive_pickling_and_are_equal_by_value() -> None:
    contact = cr.Contact(
        text="x", customer=cr.Customer(type="gold", extra={"a": 1}), context=cr.RoutingContext(open=True)
    )
    assert pickle.loads(pickle.dumps(contact)) == contact
    assert hash(pickle.loads(pickle.dumps(contact))) == hash(contact)


def test_routing_values_are_flat_and_hold_extras() -> None:
    contact = cr.Contact(
        arrival_channel="chat",
        customer=cr.Customer(type="gold", extra={"basket_eur": 3}),
        context=cr.RoutingContext(stage="support", extra={"queue_size": 4}),
    )
    label = cr.ReasonLabel(primary="a", secondary=None, confidence=0.5, abstained=False)
    values = routing_values(contact, label)
    assert values["reason"] == "a"
    assert (values["customer_type"], values["stage"], values["basket_eur"], values["queue_size"]) == (
        "gold",
        "support",
        3,
        4,
    )
    assert values["open"] is None
