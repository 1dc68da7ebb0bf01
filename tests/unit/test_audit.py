"""Audit records: replayed, complete, and without the customer's words."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.confidence import Thresholds
from contact_reasons.errors import RecordError, RoutingError
from contact_reasons.pipeline import HandledContact
from tests.strategies import contact_text, policies, values
from tests.unit.test_routing import holds

PIPE = cr.load_pipeline("retail")
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@st.composite
def contacts(draw: st.DrawFn, text: st.SearchStrategy[str] = contact_text) -> cr.Contact:
    return cr.Contact(
        text=draw(text),
        contact_id=draw(st.sampled_from([None, "T-1"])),
        arrival_channel=draw(st.sampled_from([None, "web", "phone"])),
        customer=cr.Customer(
            type=draw(st.sampled_from([None, "gold", "new"])), vulnerable=draw(st.sampled_from([None, True, False]))
        ),
        context=cr.RoutingContext(
            open=draw(st.sampled_from([None, True, False])),
            repeats_7d=draw(st.sampled_from([None, 0, 3])),
            sentiment=draw(st.sampled_from([None, -0.9, 0.5])),
        ),
    )


@given(contact=contacts())
def test_a_record_replayed_with_the_same_policy_gives_the_same_rule(contact: cr.Contact) -> None:
    line = PIPE.audit(contact, at=NOON).to_json()
    assert "\n" not in line
    data = json.loads(line)
    said = PIPE.policy.route(data["values"])
    assert (said.rule_id, str(said.channel), said.priority) == tuple(
        data["recommendation"][key] for key in ("rule_id", "channel", "priority")
    )
    handled = PIPE.handle(contact)
    assert said == handled.recommendation
    assert data["label"]["confidence"] == handled.label.confidence


@given(data=policies(), given_values=values())
def test_each_rule_before_the_one_that_decided_says_no_with_the_conditions_that_failed(
    data: dict[str, Any], given_values: dict[str, Any]
) -> None:
    policy = cr.RoutingPolicy.from_dict(data | {"on_no_match": {"channel": "message", "priority": 9}})
    decided = policy.route(given_values).rule_id
    verdicts = policy.verdicts(given_values)
    assert [verdict.rule_id for verdict in verdicts] == [rule["id"] for rule in data["rules"]]
    at = next((i for i, rule in enumerate(data["rules"]) if rule["id"] == decided), len(data["rules"]))
    for i, (rule, verdict) in enumerate(zip(data["rules"], verdicts, strict=True)):
        assert verdict.verdict == ("no" if i < at else "yes" if i == at else "not evaluated")
        wrong = [name for name, cell in rule["when"].items() if not holds(name, cell, given_values[name])]
        assert [because.input for because in verdict.failed] == (wrong if i < at else [])
        assert all(because.value == given_values[because.input] for because in verdict.failed)
        assert (i < at) == bool(verdict.failed)


def test_values_that_do_not_fit_have_no_verdicts() -> None:
    with pytest.raises(RoutingError, match="'colour' is not an input"):
        PIPE.policy.verdicts({"colour": 1})


STRANGE = [
    "zorblat",
    "quuxify",
    "fnordheim",
    "wibblö",
    "ґанок",
    "שלוםם",
    "<script>zap",
    "snark@grue.example",
]
MIXED = st.lists(st.sampled_from([*STRANGE, "parcel", "refund", "late", "where"]), min_size=1, max_size=12).map(
    " ".join
)


@given(contact=contacts(MIXED), with_subject=st.booleans(), in_turns=st.booleans())
def test_no_word_of_the_customer_is_in_a_record_unless_asked_for(
    contact: cr.Contact, with_subject: bool, in_turns: bool
) -> None:
    """Strange words stand nowhere in the taxonomy, the policy or the model, so none may be found."""
    if with_subject:
        contact = dataclasses.replace(contact, subject=contact.text)
    if in_turns:
        contact = dataclasses.replace(contact, turns=(cr.Turn(speaker="customer", text=contact.text),))
    record = PIPE.audit(contact)
    line = record.to_json()
    for word in {part for strange in STRANGE for part in re.findall(r"\w{3,}", strange)} - {"script", "example"}:
        assert word not in line
        assert word not in repr(record)
    assert {"text", "explanation"}.isdisjoint(json.loads(line))
    kept = PIPE.audit(contact, include_text=True)
    clean = PIPE.explain(contact).text
    assert json.loads(kept.to_json())["text"] == clean
    assert not any(strange in repr(kept) for strange in STRANGE[:6])
    assert [word["word"] for word in kept.to_dict()["explanation"]["words"]] == [
        word.word for word in PIPE.explain(contact).words
    ]


def test_a_record_names_every_part_by_version_and_hash() -> None:
    data = PIPE.audit(cr.Contact(text="where is my parcel", contact_id="T-9"), at=NOON).to_dict()
    manifest = PIPE.bundle.manifest
    assert data["format"] == 1
    assert (data["contact_id"], data["at"]) == ("T-9", "2026-11-21T12:00:00+00:00")
    assert data["package_version"] == importlib.metadata.version("contact-reasons")
    assert data["taxonomy"] == {"id": "retail", "version": "1.0.0", "sha256": PIPE.taxonomy.sha256}
    assert data["policy"] == {"id": "retail-service", "version": "1.0.0", "sha256": PIPE.policy.sha256}
    assert data["model"]["seal"] == manifest.seal
    assert data["model"]["arrays_sha256"] == manifest.files["arrays.npz"]
    assert manifest.prior is not None
    assert data["model"]["prior_sha256"] == manifest.prior.sha256
    assert data["calibration"] is None
    assert data["values"] == PIPE.values(cr.Contact(), PIPE.label(cr.Contact(text="where is my parcel")))
    assert data["recommendation"]["rule_id"] == "self-tracking"
    assert data["recommendation"]["because"][0] == {
        "input": "reason",
        "value": "delivery.track",
        "condition": "delivery.track or delivery.missed or order.confirmation or order.not_sent or order.subscription",
    }


def test_the_threshold_that_decided_is_named_at_each_level(retail: cr.Pipeline) -> None:
    sure = retail.audit(cr.Contact(text="where is my parcel"))
    limits = retail.bundle.thresholds
    assert [(each.level, each.threshold, each.verdict) for each in sure.decisions] == [
        ("secondary", limits.secondary, "yes"),
        ("primary", limits.primary, "not evaluated"),
    ]
    assert sure.decisions[0].confidence == sure.label.confidence


def test_a_contact_left_to_a_person_has_the_confidence_that_missed_each_threshold(retail: cr.Pipeline) -> None:
    bundle = dataclasses.replace(retail.bundle, thresholds=Thresholds(1.0, 1.0))
    pipe = dataclasses.replace(retail, bundle=bundle)
    record = pipe.audit(cr.Contact(text="delivery problem with order and i need help"))
    first, second = record.decisions
    assert (first.verdict, second.verdict) == ("no", "no")
    assert (first.threshold, second.threshold) == (1.0, 1.0)
    assert first.reason == record.label.ranked[0].reason
    assert first.confidence == record.label.confidence < 1
    assert second.reason in {primary.id for primary in retail.taxonomy.primaries}
    assert second.confidence is not None
    model = retail.bundle.model
    said = model.predict(["delivery problem with order and i need help"])
    joint = dict(zip(model.classes, (said.proba[0] * said.in_scope[0]).tolist(), strict=True))
    own = sum(chance for reason, chance in joint.items() if reason.startswith(f"{second.reason}."))
    assert second.confidence == pytest.approx(own, abs=1e-6)


def test_limits_of_a_calibration_are_named(retail: cr.Pipeline) -> None:
    """Thresholds by primary, a temperature, and a primary that is reported only where its secondary is unsure."""
    text = "delivery problem with order and i need help"
    first = retail.label(cr.Contact(text=text)).ranked[0]
    primary = first.reason.partition(".")[0]
    own = Thresholds(1.0, 0.0, primary_below=first.probability / 4)
    thresholds = Thresholds(None, None, temperature=2.0, by_primary=((primary, own),))
    pipe = dataclasses.replace(retail, bundle=dataclasses.replace(retail.bundle, thresholds=thresholds))
    record = pipe.audit(cr.Contact(text=text))
    assert record.label == pipe.label(cr.Contact(text=text))
    assert record.label.abstained
    secondary_level, primary_level = record.decisions
    assert (secondary_level.reason, secondary_level.threshold) == (first.reason, 1.0)
    assert secondary_level.confidence == record.label.confidence != first.probability
    assert primary_level.secondary_below == own.primary_below < record.label.confidence
    assert primary_level.verdict == "no"
    assert record.to_dict()["decisions"][1]["secondary_below"] == own.primary_below


@given(text=contact_text)
def test_decisions_agree_with_the_label(text: str) -> None:
    record = PIPE.audit(cr.Contact(text=text))
    verdicts = {each.level: each for each in record.decisions}
    assert record.label_from == "model"
    assert (verdicts["secondary"].verdict == "yes") == (record.label.level == "secondary")
    assert (verdicts["primary"].verdict == "yes") == (record.label.level == "primary")
    if record.label.level == "primary":
        assert (verdicts["primary"].reason, verdicts["primary"].confidence) == (
            record.label.primary,
            record.label.confidence,
        )


def test_a_customers_choice_is_recorded_as_given() -> None:
    contact = cr.Contact(text="delivery problem with order and i need help", contact_id="T-3")
    label = PIPE.taxonomy.pick("order", "order.cannot_place")
    handled = HandledContact(contact_id="T-3", label=label, recommendation=PIPE.route(contact, label))
    record = PIPE.audit(contact, handled, include_text=True)
    assert (record.label_from, record.decisions, record.explanation) == ("given", (), None)
    assert record.to_dict()["label"]["confidence"] == 1.0
    assert record.text == "delivery problem with order and i need help"
    assert PIPE.policy.route(record.values) == handled.recommendation


def test_what_this_pipeline_did_not_make_is_refused() -> None:
    contact = cr.Contact(text="where is my parcel", contact_id="T-1")
    handled = PIPE.handle(contact)
    assert PIPE.audit(contact, handled) == PIPE.audit(contact)
    other = dataclasses.replace(handled, recommendation=dataclasses.replace(handled.recommendation, priority=9))
    for wrong in (other, dataclasses.replace(handled, contact_id="T-2")):
        with pytest.raises(RecordError, match="not what this pipeline makes"):
            PIPE.audit(contact, wrong)


@pytest.mark.parametrize("at", [dt.datetime(2026, 11, 21), "2026-11-21", 5])
def test_a_time_without_a_zone_is_refused(at: Any) -> None:
    with pytest.raises(RecordError, match="datetime with a time zone"):
        PIPE.audit(cr.Contact(), at=at)


def test_values_are_plain_whatever_they_came_as() -> None:
    policy = cr.RoutingPolicy.from_dict(
        {
            "router": "own",
            "version": "1",
            "inputs": {
                "reason": {"type": "tree", "taxonomy": "retail", "nullable": True},
                "confidence": {"type": "real"},
                "value": {"type": "real", "nullable": True},
                "vip": {"type": "bool"},
            },
            "rules": [{"id": "all", "when": {"vip": True}, "then": {"channel": "chat", "priority": 1}}],
        },
        taxonomy=PIPE.taxonomy,
    )
    pipe = dataclasses.replace(PIPE, policy=policy)
    contact = cr.Contact(
        text="where is my parcel", customer=cr.Customer(extra={"value": np.float64("nan"), "vip": np.bool_(True)})
    )
    data = json.loads(pipe.audit(contact).to_json())
    assert (data["values"]["value"], data["values"]["vip"]) == (None, True)
    assert data["recommendation"]["because"] == [{"input": "vip", "value": True, "condition": "true"}]


def test_a_pack_of_ones_own_is_audited(tiny_pack: Path) -> None:
    pipe = cr.load_pipeline(tiny_pack)
    data = json.loads(pipe.audit(cr.Contact(text="where is my parcel")).to_json())
    assert pipe.policy.route(data["values"]).rule_id == data["recommendation"]["rule_id"]
    assert data["model"]["seal"] == json.loads((tiny_pack / "model" / "manifest.json").read_text())["seal"]
