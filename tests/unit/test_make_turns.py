"""The program that makes the model of turns: its choice of texts, and that the shipped model is of these texts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from contact_reasons.bundle import read_bundle, shipped_turns
from tests.conftest import ROOT
from tests.tools import load_tool

tool = load_tool("make_turns")


def test_the_shipped_model_of_turns_was_made_from_the_texts_of_the_packs() -> None:
    texts = {file.parents[1].name: tool.reason_texts(file) for file in tool.packs()}
    made = shipped_turns().manifest.training
    assert made["texts_sha256"] == tool.texts_sha256(texts, tool.small_talk(tool.TALK)), (
        "texts changed: run `make turns`"
    )
    assert made["program"] == "tools/make_turns.py"


def test_it_tells_texts_of_packs_that_it_has_not_seen_from_small_talk() -> None:
    scores = shipped_turns().manifest.scores
    assert set(scores["packs_not_seen"]) == {file.parents[1].name for file in tool.packs()}
    areas = [found["roc_area"] for found in scores["packs_not_seen"].values()]
    assert min(areas) > 0.95
    page = (ROOT / "docs" / "explanation" / "conversations.md").read_text(encoding="utf-8")
    assert f"is {min(areas):.2f} to {max(areas):.2f}" in page


def test_texts_are_chosen_by_what_they_say_and_not_by_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"parcel {'no ' * i}came", "reason": "delivery.late"} for i in range(60)]
    wrong = [
        {"text": "hi\nno parcel", "reason": "delivery.late"},
        {"text": "you are great", "reason": "feedback.praise"},
        {"text": "a person please", "reason": "feedback.speak_person"},
        {"text": "rude staff", "reason": "feedback.service_complaint"},
        {"text": "cheap watches", "reason": None},
        {"text": "?!", "reason": "delivery.late"},
    ]
    monkeypatch.setattr(tool, "A_PACK", 10)
    found = []
    for seed in range(3):
        mixed = [*rows, *wrong, *rows[:5]]
        random.Random(seed).shuffle(mixed)
        (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, mixed)))
        found.append(tool.reason_texts(tmp_path / "texts.jsonl"))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 10
    assert set(found[0]) <= {row["text"] for row in rows[: tool.MOST_WORDS - 1]}


def test_small_talk_is_clean_and_each_line_is_there_once(tmp_path: Path) -> None:
    rows = ["thanks", "ok", "thanks", " ", "order 123456", "order 654321"]
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in rows))
    assert tool.small_talk(tmp_path / "talk.jsonl") == ["ok", "order [number]", "thanks"]
    assert len(tool.small_talk(tool.TALK)) > 1500


def test_the_same_texts_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tool.packs()[:2]
    monkeypatch.setattr(tool, "A_PACK", 30)
    monkeypatch.setattr(tool, "packs", lambda: found)
    monkeypatch.setattr(tool, "small_talk", lambda file, read=tool.small_talk: read(file)[:60])
    for name in ("one", "two"):
        tool.make(tmp_path / name)
    for name in ("manifest.json", "arrays.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert read_bundle(tmp_path / "one").model.classes == shipped_turns().model.classes
