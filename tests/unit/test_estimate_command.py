"""The command `policy estimate`: golden values, a world with a known answer, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import contact_reasons as cr
from contact_reasons.batch.estimate_files import estimate_file
from contact_reasons.errors import LabRowError
from contact_reasons.lab.estimates import estimate_policy_value, outcome_means
from contact_reasons.lab.routing_log import RoutingLog, target_probabilities
from tests.conftest import ROOT
from tests.tools import load_tool
from tests.unit.test_cli import run
from tests.unit.test_estimates import CASES

TOOL = load_tool("make_sample_log")
EXPLORED = ROOT / "samples" / "explored"
SERVING: dict[str, Any] = cr.RoutingPolicy.load(EXPLORED / "serving.yaml").to_dict()
CANDIDATE: dict[str, Any] = cr.RoutingPolicy.load(EXPLORED / "candidate.yaml").to_dict()
SOLVED, HEAD = TOOL.SOLVED, TOOL.HEAD


def write_csv(path: Path, rows: Iterable[Iterable[Any]], head: Iterable[str] = HEAD) -> str:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])
    return str(path)


def played(contacts: int) -> list[tuple[Any, ...]]:
    """As the sample, with flags as flags."""
    rows = TOOL.played(contacts)
    return [(*row[:2], row[2] == "true", *row[3:5], row[5] == "true") for row in rows]


@pytest.fixture
def policies() -> tuple[str, str]:
    return str(EXPLORED / "serving.yaml"), str(EXPLORED / "candidate.yaml")


def asked(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("{" + run("policy", "estimate", *arguments, "--json").partition("{")[2])
    return found


def test_the_sample_is_what_the_tool_makes(tmp_path: Path) -> None:
    TOOL.write(tmp_path / "log.csv", TOOL.played(TOOL.CONTACTS))
    assert (tmp_path / "log.csv").read_bytes() == (EXPLORED / "log.csv").read_bytes()


def test_the_golden_case_comes_out_of_a_file(tmp_path: Path) -> None:
    """`det8`: eight contacts, a softly logged policy, a new one without chance."""
    case, names = CASES["det8"], ("self_service", "message", "human_agent")
    wanted = [names[np.argmax(row)] for row in case["inputs"]["pi_e"]]
    inputs = {"to": {"type": "enum", "values": list(names)}}
    rules = [{"id": name, "when": {"to": name}, "then": {"channel": name, "priority": 5}} for name in names]
    soft = {"share": 0.5, "channels": list(names)}
    own = [{"id": "all", "when": {}, "then": {"channel": "self_service", "priority": 5}}]
    for name, more in (("new", {"rules": rules}), ("old", {"rules": own, "explore": soft})):
        (tmp_path / f"{name}.yaml").write_text(
            yaml.safe_dump({"router": name, "version": "1", "inputs": inputs, **more})
        )
    given = case["inputs"]
    rows = zip(wanted, (names[i] for i in given["action"]), given["pscore"], given["reward"], strict=True)
    log = write_csv(tmp_path / "log.csv", rows, ("to", "channel", "propensity", "outcome"))
    found = asked(
        *(log, "--old", str(tmp_path / "old.yaml"), "--new", str(tmp_path / "new.yaml")),
        *("--clip", "2", "--resamples", "10000", "--seed", "12345"),
    )
    expected, by = case["expected"], {each["method"]: each for each in found["estimates"]}
    for key, method in (("ips", "IPS"), ("ips_clip", "IPS, clipped"), ("snips", "SNIPS"), ("replay", "replay")):
        assert by[method]["value"] == pytest.approx(expected["point"][key], abs=1e-12)
    for key, method in (("ips", "IPS"), ("ips_clip", "IPS, clipped")):
        assert tuple(by[method]["interval"].values()) == pytest.approx(expected["closed_form"][key]["normal95"])
        boot = expected["bootstrap95"][key]
        assert tuple(by[method]["bootstrap"].values()) == pytest.approx((boot["lower"], boot["upper"]), abs=1e-12)
    assert by["IPS"]["lower_bound"] == pytest.approx(expected["lower_bounds_delta05_ips"]["empirical_bernstein"])
    assert by["SNIPS"]["interval"] is None
    weights = found["weights"]
    assert weights["effective_size"] == pytest.approx(expected["weights"]["ess"])
    assert (weights["mean"], weights["largest"], weights["zero_share"]) == (2.0, 4.0, 0.375)
    assert found["method"] == "SNIPS"  # no reasons, so no model


def test_the_file_gives_the_figures_of_the_library(tmp_path: Path, policies: tuple[str, str]) -> None:
    rows = played(600)
    found = asked(
        write_csv(tmp_path / "log.csv", rows), "--old", policies[0], "--new", policies[1], "--outcome", "solved"
    )
    serving, candidate = (cr.RoutingPolicy.load(path) for path in policies)
    values = [{"reason": row[1], "vulnerable": row[2]} for row in rows]
    log = RoutingLog.of(
        [row[3] for row in rows], [row[5] for row in rows], [row[4] for row in rows],
        probabilities=target_probabilities(serving, values),
    )  # fmt: skip
    model = outcome_means(log, [(row[1],) for row in rows])
    direct = estimate_policy_value(log, target_probabilities(candidate, values), model=model)
    assert {name: found[name] for name in ("estimates", "changes", "logged", "weights")} == {
        name: value for name, value in direct.as_dict().items() if name in ("estimates", "changes", "logged", "weights")
    }
    assert (found["method"], found["model_by"], found["outcome"]) == ("DR", ["reason"], "solved")


def test_the_answer_holds_the_truth_and_the_change_of_a_world_that_is_known(
    tmp_path: Path, policies: tuple[str, str]
) -> None:
    rows = played(4000)
    log = write_csv(tmp_path / "log.csv", rows)
    found = asked(log, "--old", policies[0], "--new", policies[1], "--outcome", "solved")
    truth = np.mean([SOLVED[r[1]][r[1] == "delivery.late" and not r[2]] for r in rows])
    before = np.mean([0.8 * SOLVED[r[1]][0] + 0.2 * SOLVED[r[1]][1] if not r[2] else SOLVED[r[1]][0] for r in rows])
    by = {each["method"]: each["interval"] for each in found["estimates"]}
    change = {each["method"]: each["interval"] for each in found["changes"]}
    for method in ("DR", "SNIPS", "IPS"):
        assert by[method]["low"] < truth < by[method]["high"]
        assert change[method]["low"] < truth - before < change[method]["high"]
    text = run("policy", "estimate", log, "--old", policies[0], "--new", policies[1], "--outcome", "solved")
    for part in (
        "shop 1 → shop 2",
        "4,000 of 4,000 contacts",
        "log as it was",
        "change",
        "95 % interval",
        "Effective size",
    ):
        assert part in text
    assert "The model of DR: mean outcomes of other contacts with the same reason in each channel." in text


def test_kinds_of_files_agree_and_the_propensity_may_come_from_the_policy(
    tmp_path: Path, policies: tuple[str, str]
) -> None:
    rows = played(200)
    table = {name: [row[i] for row in rows] for i, name in enumerate(HEAD)}
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    lines = [json.dumps(dict(zip(HEAD, row, strict=True))) for row in rows]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    bare = write_csv(tmp_path / "bare.csv", [(*row[:4], row[5]) for row in rows], (*HEAD[:4], "solved"))
    options = ("--old", policies[0], "--new", policies[1], "--outcome", "solved")
    first = asked(write_csv(tmp_path / "log.csv", rows), *options)
    for other in (str(tmp_path / "log.parquet"), str(tmp_path / "log.jsonl"), bare):
        assert asked(other, *options) == first


def test_contacts_without_outcome_channel_or_answer_are_left_out_and_counted(
    tmp_path: Path, policies: tuple[str, str]
) -> None:
    rows = [list(row) for row in played(60)]
    rows[3][5], rows[4][3], rows[5][1], rows[6][4] = "", "", "delivery.lsot", " "
    log = write_csv(tmp_path / "log.csv", rows)
    found = asked(log, "--new", policies[1], "--outcome", "solved")
    assert found["left_out"] == {
        "the outcome is empty": 1,
        "the channel is empty": 1,
        "the propensity is empty": 1,
        next(cause for cause in found["left_out"] if "'reason'" in cause): 1,
    }
    assert (found["contacts"], found["weights"]["contacts"]) == (60, 56)
    text = run("policy", "estimate", log, "--new", policies[1], "--outcome", "solved")
    assert "1 left out: the outcome is empty" in text
    assert "1 contact of 60 without an outcome" in text
    assert "Without the policy that wrote the log" in text


def test_costs_are_estimated_in_their_own_range(tmp_path: Path, policies: tuple[str, str]) -> None:
    rows = [(*row[:5], -5.25 if row[3] == "message" else -3.82) for row in played(300)]
    log = write_csv(tmp_path / "log.csv", rows, (*HEAD[:5], "cost"))
    options = ("--old", policies[0], "--new", policies[1], "--outcome", "cost")
    found = asked(log, *options, "--outcome-range", "-8,0", "--method", "snips")
    assert found["method"] == "SNIPS"
    assert -5.25 < next(each["value"] for each in found["estimates"] if each["method"] == "SNIPS") < -3.82
    text = run("policy", "estimate", log, *options, code=2)
    assert "outcome is -5.25 in rows 1, 2" in text
    assert "or give another --outcome-range" in text


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (4, 20, "column 'propensity' is 20 in row 3; it must be above 0 and at most 1: 20 % is 0.2"),
        (4, "often", "column 'propensity', row 3: this is not a number such as 0.9"),
        (5, "perhaps", "column 'solved', row 3: this is not a number, or true or false"),
        (3, "fax", "column 'channel', row 3: this is no channel of a policy; write self_service"),
        (4, 0.5, "column 'propensity' is 0.5, and shop 1 says"),
        (3, "callback", "shop 1 never sends a contact where it went in row 3; give the version that wrote the log"),
    ],
)
def test_a_wrong_value_is_refused_with_its_row_in_the_file(
    tmp_path: Path, policies: tuple[str, str], place: int, value: Any, message: str
) -> None:
    """Row 1 cannot be read, row 2 has no outcome, so that positions and rows differ."""
    rows = [list(row) for row in played(20)]
    rows[0], rows[1][5], rows[2][place] = rows[0][:2], "", value
    log = write_csv(tmp_path / "log.csv", rows)
    text = run("policy", "estimate", log, "--old", policies[0], "--new", policies[1], "--outcome", "solved", code=2)
    assert message in text
    assert "perhaps" not in text
    assert "often" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no column 'outcome'"),
        (("--outcome", "solved", "--method", "best"), "--method 'best' was not estimated"),
        (("--outcome", "solved", "--model-by", "tier"), "no column 'tier'"),
        (("--outcome", "solved", "--input", "raeson=reason"), "--input NAME=COLUMN names 'raeson'"),
        (
            ("--outcome", "solved", "--input", "vulnerable="),
            "no column for the input 'vulnerable', which policy 'shop'",
        ),
        (("--outcome", "solved", "--outcome-range", "5"), "--outcome-range '5': write the least"),
        (("--outcome", "solved", "--least-support", "2"), "--least-support is 2"),
        (("--outcome", "solved", "--as-of", "soon"), "--as-of 'soon'"),
    ],
)
def test_wrong_arguments_exit_with_two(
    tmp_path: Path, policies: tuple[str, str], arguments: tuple[str, ...], message: str
) -> None:
    log = write_csv(tmp_path / "log.csv", played(30))
    assert message in run("policy", "estimate", log, "--new", policies[1], *arguments, code=2).replace("\n", " ")


def test_a_log_of_fixed_rules_is_refused(tmp_path: Path, policies: tuple[str, str]) -> None:
    rows = [(*row[:3], "message", 1.0, row[5]) for row in played(30)]
    log = write_csv(tmp_path / "log.csv", rows)
    text = run("policy", "estimate", log, "--new", policies[1], "--outcome", "solved", code=2)
    assert "the log had no chance to do the same" in text
    assert "let the serving policy explore" in text
    lowered = asked(log, "--new", policies[1], "--outcome", "solved", "--least-support", "0.1")
    assert lowered["weights"]["supported_share"] < 1
    assert sum(each["unsupported"] for each in lowered["overlap"] if each["channel"] == "chat") > 0


@pytest.mark.parametrize("lines", [[], ["only,two"]])
def test_a_file_without_a_row_that_can_be_read_is_refused(
    tmp_path: Path, policies: tuple[str, str], lines: list[str]
) -> None:
    (tmp_path / "log.csv").write_text("\n".join([",".join(HEAD), *lines]) + "\n")
    text = run("policy", "estimate", str(tmp_path / "log.csv"), "--new", policies[1], "--outcome", "solved", code=2)
    assert ("none of 1 row could be read" if lines else "there is no ticket in the file") in text


def test_few_contacts_ids_that_come_twice_and_inputs_without_a_column_are_said(
    tmp_path: Path, policies: tuple[str, str]
) -> None:
    rows = played(3)
    log = write_csv(tmp_path / "log.csv", [*rows, rows[0]])
    text = run("policy", "estimate", log, "--old", policies[0], "--new", policies[1], "--outcome", "solved")
    assert "1 contact with the id of an earlier one; each counts." in text
    assert "warning: the effective size is" in text
    assert "DR: no outcome can lie there: the contacts are too few, or their weights too large." in text
    rules = yaml.safe_load(Path(policies[1]).read_text())
    rules["inputs"]["tier"] = {"type": "enum", "values": ["gold"], "nullable": True}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(rules))
    text = run("policy", "estimate", log, "--new", str(tmp_path / "more.yaml"), "--outcome", "solved")
    assert "Inputs of the policies without a column, taken as not known: tier." in text


def test_a_dated_policy_is_asked_for_each_contacts_own_day(tmp_path: Path, policies: tuple[str, str]) -> None:
    late, rest = CANDIDATE["rules"]
    path = tmp_path / "dated.yaml"
    path.write_text(yaml.safe_dump({**CANDIDATE, "rules": [{**late, "from": "2026-03-02"}, rest]}))
    rows = [(*row, f"2026-03-0{1 + i % 2}T23:30:00+05:00") for i, row in enumerate(played(400))]
    log = write_csv(tmp_path / "log.csv", rows, (*HEAD, "created_at"))
    options = ("--old", policies[0], "--new", str(path), "--outcome", "solved")
    found, whole = asked(log, *options), asked(log, *options, "--as-of", "2026-03-02")
    wanted = {name: sum(row[1] == "delivery.late" and not row[2] for row in part) for name, part in
              (("own", rows[1::2]), ("all", rows))}  # fmt: skip
    chats = [next(each["wanted"] for each in one["overlap"] if each["channel"] == "chat") for one in (found, whole)]
    assert chats == [wanted["own"], wanted["all"]]
    text = run("policy", "estimate", log, *options, "--input", "created_at=", code=2)
    assert "no column for the input 'date'" in text
    assert "or say the day with --as-of" in text


def test_the_error_of_a_row_can_be_caught(tmp_path: Path, policies: tuple[str, str]) -> None:
    rows = [list(row) for row in played(5)]
    rows[2][4] = 7
    log = write_csv(tmp_path / "log.csv", rows)
    with pytest.raises(LabRowError, match="in row 3") as caught:
        estimate_file(log, cr.RoutingPolicy.load(policies[1]), outcome="solved")
    assert caught.value.rows == (2,)


def test_the_page_shows_what_the_command_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "how-to" / "estimate-a-change.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ contact-reasons (policy estimate .*)$", page, re.M)
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    assert shown.strip() in run(*command.split()).replace("\r", "")


def test_the_help_shows_an_example() -> None:
    assert "contact-reasons policy estimate log.csv --old rules.yaml" in run("policy", "estimate", "--help")
