"""The benchmark of packs on real contacts: its maps name reasons that exist, and its scores count what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import contact_reasons as cr
from contact_reasons.conversation import Reading
from tests.benchmarks.carry_over import MAPS, SETS, Contacts, PublicSet, as_contact, contacts, scores


@pytest.mark.parametrize("each", SETS, ids=lambda each: each.title)
def test_a_map_names_reasons_of_its_pack(each: PublicSet) -> None:
    known = set(cr.Taxonomy.load(each.pack).secondary_ids)
    found = json.loads((MAPS / f"{each.map}.json").read_text(encoding="utf-8"))
    assert found["intents"]
    for intent, reasons in found["intents"].items():
        assert reasons, intent
        assert len(set(reasons)) == len(reasons) <= 3, intent
        assert set(reasons) <= known, intent
    assert not set(found.get("left_out", {})) & set(found["intents"])


def test_every_map_is_used() -> None:
    assert {each.map for each in SETS} == {file.stem for file in MAPS.glob("*.json")}


@pytest.mark.parametrize("each", SETS, ids=lambda each: each.title)
def test_every_intent_of_a_public_set_is_mapped_or_left_out(each: PublicSet, shared_data: Path) -> None:
    found = json.loads((MAPS / f"{each.map}.json").read_text(encoding="utf-8"))
    known = {*found["intents"], *found.get("left_out", {})}
    for line in (shared_data / each.folder / "train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if each.domain in (None, row["primary"]):
            assert row["secondary"] in known


def test_one_of_several_reasons_is_right_and_those_with_one_are_counted_apart() -> None:
    accepted = [frozenset({"a.x"}), frozenset({"a.x", "b.y"}), frozenset({"b.y"}), frozenset({"b.y"})]
    test = Contacts(["t"] * 4, [Reading(("t",))] * 4, accepted, [True, False, True, True], {})
    found = scores(["a.x", "b.y", "b.z", "a.x"], test)
    assert (found["secondary"]["hits"], found["secondary"]["total"]) == (2, 4)
    assert (found["primary"]["hits"], found["primary"]["total"]) == (3, 4)
    assert (found["secondary_single"]["hits"], found["secondary_single"]["total"]) == (1, 3)


def test_contacts_without_counterpart_and_near_repeats_are_left_out_and_counted(tmp_path: Path) -> None:
    from tests.benchmarks.carry_over import PackTexts
    from tests.benchmarks.run import Run

    rows = [
        {"text": "my card was swallowed by the machine in town", "primary": "p", "secondary": "card_swallowed"},
        {"text": "please close my account today", "primary": "p", "secondary": "terminate_account"},
        {"text": "sing me a song", "primary": "p", "secondary": "sing"},
    ]
    (tmp_path / "banking77").mkdir()
    (tmp_path / "banking77" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    run = Run(tmp_path, tmp_path, (), (), 1)
    found = contacts(run, SETS[0], "test", PackTexts(["please close my account today !"], ["a.b"], []))
    assert found.whole == ["my card was swallowed by the machine in town"]
    assert found.accepted == [frozenset({"cash_cheques.card_retained"})]
    assert found.left_out == {"without_counterpart": 1, "near_repeats": 1}


def test_only_what_the_customer_says_is_read() -> None:
    row = {"turns": [{"speaker": "customer", "text": "it leaks"}, {"speaker": "agent", "text": "where?"}]}
    assert [turn.text for turn in as_contact(row).turns] == ["it leaks"]
