"""What holds for every shipped pack: its taxonomy, its texts, its policy. A pack that is added is checked without a line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

import contact_reasons as cr
from contact_reasons.errors import PolicyError, TaxonomyError
from contact_reasons.resources import pack_files, pack_names
from contact_reasons.taxonomy import lint_taxonomy, load_strict_yaml
from contact_reasons.training import LabelledTexts, read_labelled_texts

pytestmark = pytest.mark.parametrize("pack", pack_names())

FIELDS_OF_ALL = {
    "reason",
    "confidence",
    "customer_type",
    "stage",
    "arrival_channel",
    "open",
    "estimated_wait_seconds",
    "repeats_7d",
    "sentiment",
}


def policy_data(pack: str) -> dict[str, Any]:
    data: dict[str, Any] = load_strict_yaml(pack_files(pack).policy, PolicyError).data
    return data


def texts_of(pack: str) -> dict[str, LabelledTexts]:
    names = ("training", "test", "out_of_scope")
    return {name: read_labelled_texts(pack_files(pack).texts / f"{name}.jsonl") for name in names}


# ---------------------------------------------------------------------------------------------- taxonomy


def test_a_taxonomy_has_nothing_doubtful_and_is_of_a_size_that_people_choose_among(pack: str) -> None:
    taxonomy = cr.Taxonomy.load(pack)
    assert lint_taxonomy(taxonomy) == ()
    assert taxonomy.taxonomy_id == pack.replace("-", "_")
    assert taxonomy.industry
    assert taxonomy.interaction_type
    assert 6 <= len(taxonomy.primaries) <= 8
    assert all(6 <= len(primary.secondaries) <= 8 for primary in taxonomy.primaries)
    assert len(taxonomy.secondaries) <= 60


def test_every_reason_says_what_it_is_when_it_occurs_and_what_it_takes_to_resolve_it(pack: str) -> None:
    taxonomy = cr.Taxonomy.load(pack)
    in_order = {stage: at for at, stage in enumerate(taxonomy.stages)}
    assert all(primary.definition for primary in taxonomy.primaries)
    for reason in taxonomy.secondaries:
        for name in ("definition", "not_this", "stages", "resolution", "owner"):
            assert getattr(reason, name), (reason.id, name)
        assert reason.resolution.endswith("."), reason.id
        assert [*reason.stages] == sorted(set(reason.stages), key=in_order.__getitem__), reason.id


def test_facts_are_named_for_every_reason_that_needs_any(pack: str) -> None:
    """Of praise and suggestions nothing need be known: their list is there, and empty."""
    taxonomy = cr.Taxonomy.load(pack)
    data = load_strict_yaml(pack_files(pack).taxonomy, TaxonomyError).data
    assert all("required_facts" in reason for primary in data["primaries"] for reason in primary["secondaries"])
    without = [reason.id for reason in taxonomy.secondaries if not reason.required_facts]
    assert all(reason.partition(".")[2].startswith(("praise", "suggestion")) for reason in without), without


def test_a_near_miss_is_another_reason_and_named_once(pack: str) -> None:
    for reason in cr.Taxonomy.load(pack).secondaries:
        near = [miss.reason for miss in reason.not_this]
        assert reason.id not in near
        assert len(near) == len(set(near)), reason.id


# ------------------------------------------------------------------------------------------------- texts


def test_every_reason_has_texts_to_train_on_and_to_test_with(pack: str) -> None:
    ids = set(cr.Taxonomy.load(pack).secondary_ids)
    texts = texts_of(pack)
    for name, least in (("training", 80), ("test", 10)):
        counts = Counter(reason for reason in texts[name].reasons if reason is not None)
        assert set(counts) == ids, name
        assert min(counts.values()) >= least, (name, min(counts, key=counts.__getitem__))
    assert None not in texts["training"].reasons
    assert set(texts["out_of_scope"].reasons) == {None}
    assert len(texts["out_of_scope"].texts) >= 150


def test_no_text_is_in_two_files(pack: str) -> None:
    """Case and spacing do not make another text. What has neither a letter nor a digit is nobody's text."""
    found = {
        name: {plain for text in texts.texts if any(map(str.isalnum, plain := " ".join(text.casefold().split())))}
        for name, texts in texts_of(pack).items()
    }
    assert sum(map(len, found.values())) == len(set().union(*found.values()))


# ------------------------------------------------------------------------------------------------ policy


def test_a_policy_is_of_its_taxonomy_and_knows_its_customers(pack: str) -> None:
    taxonomy, inputs = cr.Taxonomy.load(pack), policy_data(pack)["inputs"]
    assert inputs["reason"]["taxonomy"] == taxonomy.taxonomy_id
    assert tuple(inputs["stage"]["values"]) == taxonomy.stages
    assert 3 <= len(inputs["customer_type"]["values"]) <= 5
    assert inputs.keys() >= FIELDS_OF_ALL
    assert all(spec["nullable"] == "true" for name, spec in inputs.items() if name != "confidence")


def test_a_policy_answers_everybody_and_keeps_its_promises(pack: str) -> None:
    policy = cr.RoutingPolicy.load(pack)
    assert len(policy.rules) >= 20
    assert len(policy.promises) >= 4
    analysis = policy.analyse()
    assert analysis.complete is True
    assert analysis.unreachable == ()
    assert [verdict.name for verdict in analysis.promises if not verdict.kept] == []


def test_a_policy_uses_every_channel_and_reads_every_input(pack: str) -> None:
    policy = cr.RoutingPolicy.load(pack)
    assert {rule.then.channel for rule in policy.rules} == set(cr.Channel)
    assert {name for rule in policy.rules for name in rule.when} == set(policy.inputs)


def test_the_third_contact_in_a_week_is_the_one_after_two(pack: str) -> None:
    """`repeats_7d` counts the contacts before this one."""
    data = policy_data(pack)
    third = [entry["when"]["repeats_7d"] for entry in data["never"] if "third contact" in entry["name"]]
    third += [rule["when"]["repeats_7d"] for rule in data["rules"] if rule["id"].startswith("third-contact")]
    assert third == [">= 2"] * 3


def meets(values: Mapping[str, Any], when: Mapping[str, Any], data: Mapping[str, Any], taxonomy: cr.Taxonomy) -> bool:
    """Whether values meet conditions, by a table that holds nothing else."""
    rules = [{"id": "met", "when": when, "then": {"channel": "message", "priority": "1"}}]
    alone = {**data, "never": [], "rules": rules, "on_no_match": {"channel": "chat", "priority": "1"}}
    return cr.RoutingPolicy.from_dict(alone, taxonomy=taxonomy).route(values).rule_id == "met"


@pytest.mark.parametrize("everybody", [False, True], ids=["those promised", "everybody"])
def test_a_rule_that_breaks_a_promise_is_found_with_a_contact_that_shows_it(pack: str, everybody: bool) -> None:
    """For each promise and each of its channels, a rule put first that sends there those promised, or everybody."""
    taxonomy, data = cr.Taxonomy.load(pack), policy_data(pack)
    for at, promise in enumerate(data["never"]):
        for channel in promise["channel"]:
            rogue = {
                "id": "rogue",
                "when": {} if everybody else promise["when"],
                "then": {"channel": channel, "priority": "1"},
            }
            broken = cr.RoutingPolicy.from_dict({**data, "rules": [rogue, *data["rules"]]}, taxonomy=taxonomy)
            analysis = broken.analyse()
            verdict = analysis.promises[at]
            assert not analysis.sound
            assert (verdict.name, verdict.kept, verdict.rule_id) == (promise["name"], False, "rogue")
            assert verdict.counterexample is not None
            routed = broken.route(verdict.counterexample)
            assert (routed.rule_id, routed.channel) == ("rogue", channel)
            assert meets(verdict.counterexample, promise["when"], data, taxonomy), promise["name"]
