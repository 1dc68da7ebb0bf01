from __future__ import annotations

import json
from pathlib import Path

import pytest

from contact_reasons.resources import pack_names
from tests.unit.test_cli import run

GOOD = """router: shop
version: 1
inputs:
  tier: {type: enum, values: [std, gold, vip]}
  open: {type: bool, nullable: true}
never:
  - {name: no gold in writing, when: {tier: gold}, channel: [message]}
rules:
  - {id: gold, when: {tier: gold}, then: {channel: callback, priority: 1}}
  - {id: rest, when: {}, then: {channel: message, priority: 8}}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD)
    text = GOOD.replace("when: {tier: gold}, then", "when: {tier: gold, open: true}, then")
    bad.write_text(
        text.replace("when: {}, then", "when: {tier: [std, gold]}, then")
        + "  - {id: late, when: {tier: gold}, then: {channel: chat, priority: 2}}\n"
    )
    return str(good), str(bad)


@pytest.mark.parametrize("pack", pack_names())
def test_every_shipped_policy_is_proved_sound(pack: str) -> None:
    text = run("policy", "check", pack)
    assert "proved  every contact has a rule" in text
    assert "proved  every rule decides for some contact" in text
    assert text.count("proved  promise: ") >= 4
    assert "refuted" not in text
    assert "unknown" not in text


def test_check_shows_what_is_wrong_and_exits_with_one(files: tuple[str, str]) -> None:
    text = run("policy", "check", files[1], code=1)
    assert "refuted every contact has a rule: none in 1 region" in text
    assert "where tier: vip\n    such as tier=vip, open=false" in text
    assert "refuted the rule late can never decide: hidden by rest" in text
    assert "refuted promise: no gold in writing\n  broken by rest, for example for tier=gold, open=false" in text
    assert "The order decides between 3 pairs" in text
    assert "gold before rest" in run("policy", "check", files[1], "--all", code=1)
    found = json.loads(run("policy", "check", files[1], "--json", code=1))
    assert found["gaps"] == [{"conditions": {"tier": "vip"}, "witness": {"tier": "vip", "open": False}}]
    assert found["unreachable"] == [{"rule": "late", "hidden_by": ["rest"]}]
    assert found["promises"][0]["verdict"] == "broken"


def test_check_shows_channels_that_exploration_never_tries(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    explore = "explore: {share: 0.1, channels: [message, chat]}\n"
    path.write_text(GOOD + explore)
    assert "proved  exploration leads to each of its channels" in run("policy", "check", str(path))
    path.write_text(GOOD + explore + "always:\n  - {name: no chat, when: {}, channel: [callback, message]}\n")
    text = run("policy", "check", str(path), code=1)
    assert "refuted exploration never leads to the channel chat: barred by the promise no chat" in text
    assert "exploration never leads to the channel 'chat': barred by no chat" in run("validate", str(path))


def test_check_of_a_sound_policy_exits_with_zero_and_names_unused_inputs(files: tuple[str, str]) -> None:
    text = run("policy", "check", files[0])
    assert "no rule reads open" in text
    assert json.loads(run("policy", "check", files[0], "--json"))["sound"] is True


def test_diff_shows_where_policies_differ_and_exits_with_one(files: tuple[str, str]) -> None:
    assert "proved  equal" in run("policy", "diff", files[0], files[0])
    text = run("policy", "diff", *files, code=1)
    assert "They differ in 55.56% of the combinations" in text
    assert "rest (message, priority 8) → no rule, 33.33%" in text
    assert "where tier: gold, open: [false, missing]" in text
    found = json.loads(run("policy", "diff", *files, "--json", code=1))
    assert found["equal"] == "no"
    assert [(change["before"]["rule"], change["after"]["rule"]) for change in found["changes"]] == [
        ("rest", "no rule"),
        ("gold", "rest"),
    ]


def test_a_wrong_file_exits_with_two(tmp_path: Path, files: tuple[str, str]) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(GOOD.replace("tier: gold}, then", "tear: gold}, then"))
    assert "did you mean 'tier'?" in run("policy", "check", str(wrong), code=2)
    assert "did you mean 'tier'?" in run("policy", "diff", files[0], str(wrong), code=2)


@pytest.mark.parametrize("command", ["check", "diff"])
def test_the_help_shows_an_example(command: str) -> None:
    assert f"contact-reasons policy {command} retail" in run("policy", command, "--help")
