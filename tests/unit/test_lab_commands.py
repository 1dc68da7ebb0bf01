"""`policy replay` and `friction` on files, the sample quarter, prices and pictures on the way."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import contact_reasons as cr
from contact_reasons import terminal
from contact_reasons.batch.columns import write_table
from contact_reasons.batch.lab_files import friction_file, replay_file
from contact_reasons.cli import app
from contact_reasons.errors import BatchError, LabError
from contact_reasons.lab.charts import cost_chart, flow_chart
from contact_reasons.lab.friction import friction
from contact_reasons.lab.prices import Prices, Range
from contact_reasons.lab.replay import replay
from contact_reasons.lab.sample import sample_quarter
from contact_reasons.resources import pack_names
from tests.conftest import ROOT
from tests.unit.test_cli import run

QUARTER = ROOT / "samples" / "retail-quarter.csv"
CHANNEL = ("policy", "replay", str(QUARTER), "--old-column", "channel", "--new", "retail")


def test_the_sample_file_is_what_the_tool_makes(tmp_path: Path) -> None:
    write_table(tmp_path / "again.csv", sample_quarter("retail", 2_000))
    assert (tmp_path / "again.csv").read_bytes() == QUARTER.read_bytes()


@pytest.mark.parametrize("pack", pack_names())
def test_a_quarter_can_be_made_for_every_pack_and_replayed(pack: str) -> None:
    quarter, policy = sample_quarter(pack, 400), cr.RoutingPolicy.load(pack)
    found = replay(quarter, "channel", policy, prices=Prices.load())
    assert found.replayed == 400
    assert found.broken_promises == 0


def test_the_same_seed_makes_the_same_quarter_and_its_columns_are_true() -> None:
    one, again, other = sample_quarter(tickets=500), sample_quarter(tickets=500), sample_quarter(tickets=500, seed=2)
    for name, column in one.items():
        assert column.astype(str).tolist() == again[name].astype(str).tolist()
    assert one["reason"].tolist() != other["reason"].tolist()
    assert (np.diff(one["created_at"].astype(np.int64)) >= 0).all()
    for i in range(0, 500, 25):
        mine = one["customer_id"] == one["customer_id"][i]
        gap = (one["created_at"][i] - one["created_at"][mine]).astype(np.int64)
        assert one["repeats_7d"][i] == ((gap > 0) & (gap <= 7 * 86_400)).sum()
    with pytest.raises(LabError, match="tickets is 7; it must be a whole number, at least 100"):
        sample_quarter(tickets=7)


def test_replay_shows_who_moves_by_which_rules_and_at_what_cost(tmp_path: Path) -> None:
    moved, picture = tmp_path / "moved.csv", tmp_path / "flow.svg"
    text = run(*CHANNEL, "--needed-person", "escalated", "--out", str(moved), "--picture", str(picture))
    for part in (
        "the column 'channel' → retail-service 1.0.0",
        "1,103 of 2,000 move, 0 refused",
        "(message)      self-account (self service)",
        "with the contact after failed self-service",
        "not known",
        "Broken promises of the new policy: 0",
        "note: Example prices: replace with yours.",
    ):
        assert part in text
    with moved.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 1103
    policy, tickets = cr.RoutingPolicy.load("retail"), list(csv.DictReader(QUARTER.read_text().splitlines()))
    for row in rows[::50]:
        ticket = tickets[int(row["row"]) - 1]
        assert (ticket["ticket_id"], ticket["channel"]) == (row["ticket_id"], row["old_channel"])
        values = {name: policy.from_cell(name, ticket[name]) for name in policy.inputs}
        assert policy.route(values).rule_id == row["new_rule"]
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")
    assert "there is such a file already" in run(*CHANNEL, "--out", str(moved), code=2)


def test_the_file_gives_the_figures_of_its_columns() -> None:
    found = replay_file(QUARTER, "channel", cr.RoutingPolicy.load("retail"), prices=Prices.load()).found
    direct = replay(sample_quarter("retail", 2_000), "channel", cr.RoutingPolicy.load("retail"), prices=Prices.load())
    assert found.as_dict() == direct.as_dict()
    ledger = friction_file(QUARTER, prices=Prices.load()).found
    assert ledger.as_dict() == friction(sample_quarter("retail", 2_000), prices=Prices.load()).as_dict()


def test_json_holds_everything_and_kinds_of_files_agree(tmp_path: Path) -> None:
    quarter = sample_quarter("retail", 300)
    texts = []
    for name in ("a.csv", "b.jsonl", "c.parquet"):
        write_table(tmp_path / name, quarter)
        source = str(tmp_path / name)
        given = json.loads(
            "{" + run("policy", "replay", source, "--old", "retail", "--new", "retail", "--json").partition("{")[2]
        )
        assert given["moved"] == 0
        ledger = json.loads("{" + run("friction", source, "--json").partition("{")[2])
        assert ledger["counted"] == 300
        texts.append(json.dumps([given, ledger]))
    assert texts[0] == texts[1] == texts[2]


def test_rows_that_cannot_be_read_or_routed_are_counted_with_their_cause(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    lines = QUARTER.read_text().splitlines()[:5]
    wrong = lines[1].replace("order.change_items", "order.chaneg_items")
    file.write_text("\n".join([*lines[:3], wrong, "only,three,fields", *lines[3:]]) + "\n")
    policy = cr.RoutingPolicy.load("retail")
    found, unreadable = replay_file(file, "channel", policy)
    assert (found.tickets, found.refused) == (5, 1)
    assert found.tables["refused"]["row"].tolist() == [3]
    assert "did you mean 'order.change_items'?" in found.tables["refused"]["cause"][0]
    assert [reject.row for reject in unreadable] == [4]
    text = run("policy", "replay", str(file), "--old-column", "channel", "--new", "retail")
    assert "1 refused: retail-service 1.0.0: the input 'reason' must be" in text
    assert "1 row could not be read, in no figure" in text
    assert "row 4: 3 fields where the header has" in text


def test_friction_ranks_and_makes_cases(tmp_path: Path) -> None:
    out, picture = tmp_path / "ledger.parquet", tmp_path / "cost.svg"
    text = run(
        *("friction", str(QUARTER), "--out", str(out), "--picture", str(picture), "--by", "cell"),
        *("--remove", "delivery.late=0.1,0.2,0.3", "--move", "account", "--one-off", "300", "--running", "10"),
    )
    for part in (
        "cost a month",
        "These 4 cover",
        "Remove 20% (10% to 30%) of delivery.late",
        "Move 100% of account to self_service",
    ):
        assert part in text
    table = pq.read_table(out)
    assert sum(table.column("tickets").to_pylist()) == 2000
    assert "account.login" in run("friction", str(QUARTER))
    found = json.loads(
        "{" + run("friction", str(QUARTER), "--json", "--move", "delivery.track=0.3,0.4,0.5").partition("{")[2]
    )
    assert found["cases"][0]["likely_share"] == 0.4
    assert found["top"]["rows"]["reason"][0] == "account.login"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("policy", "replay", str(QUARTER), "--new", "retail"), "give one of --old (a policy) and --old-column"),
        ((*CHANNEL, "--input", "raeson=reason"), "'raeson'"),
        ((*CHANNEL, "--input", "reason=raeson"), "there is no column 'raeson'; did you mean 'reason'?"),
        ((*CHANNEL, "--prices", "none.yaml"), "none.yaml: the file cannot be read"),
        ((*CHANNEL, "--as-of", "soon"), "--as-of 'soon'"),
        ((*CHANNEL, "--out", "moved.xlsx"), "the result file must end in"),
        ((*CHANNEL, "--picture", "flow.png"), "give the file the ending .svg"),
        ((*CHANNEL, "--last", "2026-07-31"), "contacts lie between"),
        (("friction", str(QUARTER), "--remove", "delivery.late"), "write REASON=LOW,LIKELY,HIGH"),
        (("friction", str(QUARTER), "--remove", "delivery.late=some"), "write REASON=LOW,LIKELY,HIGH"),
        (
            ("friction", str(QUARTER), "--move", "delivery.late", "--to", "chat"),
            "what share of contacts 'chat' resolves is not known",
        ),
        (("friction", str(QUARTER), "--by", "team"), "by is 'team'"),
    ],
)
def test_wrong_arguments_exit_with_two(arguments: tuple[str, ...], message: str) -> None:
    assert message in run(*arguments, code=2).replace("\n", " ")


def test_costs_of_a_file_must_be_numbers(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("reason,created_at,cost\na.x,2026-03-01,5.25\na.x,02 Mar 2026 10:00:00 +0100,\n")
    found = friction_file(file).found
    assert (found.counted, found.refused) == (1, 1)
    file.write_text("reason,created_at,cost\na.x,2026-03-01,cheap\n")
    with pytest.raises(BatchError, match="row 1: column 'cost' holds a value that is no number"):
        friction_file(file)


def test_a_table_in_csv_cannot_run_as_a_formula(tmp_path: Path) -> None:
    write_table(
        tmp_path / "t.csv", {"id": np.array(["=1+1", "-5", "ok"], dtype=object), "n": np.array([1.5, np.nan, -2.0])}
    )
    assert (tmp_path / "t.csv").read_text() == "id,n\n'=1+1,1.5\n-5,\nok,-2.0\n"


@pytest.mark.parametrize("command", [("policy", "replay"), ("friction",)])
def test_the_help_shows_an_example(command: tuple[str, ...]) -> None:
    assert f"contact-reasons {' '.join(command)} labelled.csv" in run(*command, "--help")


def test_pictures_are_well_formed_and_the_same_each_time(tmp_path: Path) -> None:
    rows = [
        ("chat & more", "old", Range(1.0, 2.0, 4.0)),
        ("chat & more", "new", Range(float("nan"), float("nan"), float("nan"))),
    ]
    picture = cost_chart(rows, title="a < b", note="example")
    root = ET.fromstring(picture.svg)
    assert "not known" in "".join(root.itertext())
    assert (
        hashlib.sha256(picture.svg.encode()).digest()
        == hashlib.sha256(cost_chart(rows, title="a < b", note="example").svg.encode()).digest()
    )
    picture.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == picture.svg + "\n"
    with pytest.raises(LabError, match="no contact flows"):
        flow_chart([("chat", "chat", 0)], title="")
    with pytest.raises(LabError, match="there are no costs to show"):
        cost_chart([], title="")


def test_the_pictures_of_the_pages_are_those_of_the_sample() -> None:
    """To make one again: `--picture`, or `cost_chart().save(...)`, on the sample."""
    found = replay_file(QUARTER, "channel", cr.RoutingPolicy.load("retail"), prices=Prices.load()).found
    ledger = friction_file(QUARTER, prices=Prices.load()).found
    pictures = {
        "replay-flow": found.flow_chart(),
        "replay-cost": found.cost_chart(),
        "friction-cost": ledger.cost_chart(),
    }
    for name, picture in pictures.items():
        assert (ROOT / "docs" / "how-to" / f"{name}.svg").read_text(encoding="utf-8") == picture.svg + "\n"


def test_an_unreadable_time_leaves_the_days_of_other_rows_as_they_are(tmp_path: Path) -> None:
    lines = ["2026-07-01T23:30:00-05:00,delivery.late,chat", "2026-07-02T08:00:00-05:00,delivery.late,chat"]
    days = []
    for name, more in (("whole.csv", []), ("spoilt.csv", ["nonsense,delivery.late,chat"])):
        (tmp_path / name).write_text("\n".join(["created_at,reason,channel", *lines, *more]) + "\n")
        days.append(friction_file(tmp_path / name, prices=Prices.load()).found.period)
    assert days[0] == days[1]
    assert str(days[0]) == "2026-07-01 to 2026-07-02"


def test_where_all_reasons_have_few_tickets_the_ledger_says_so(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("created_at,reason,channel\n2026-07-01,delivery.late,chat\n2026-07-02,billing.refund,chat\n")
    assert "All 2 were left out, as each has too few tickets to be judged." in run("friction", str(path))
    assert "All 2 were left out" in str(friction_file(path, prices=Prices.load()).found)


def test_a_ledger_of_a_file_with_another_delimiter_names_the_option(tmp_path: Path) -> None:
    path = tmp_path / "semicolons.csv"
    path.write_text("created_at;reason;channel\n2026-07-01;delivery.late;chat\n")
    with pytest.raises(BatchError, match=r"no column 'reason'.*--delimiter"):
        friction_file(path, prices=Prices.load())


def test_tickets_in_no_figure_of_the_ledger_are_told_with_their_cause(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    lines = QUARTER.read_text().splitlines()[:5]
    moment = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))["created_at"]
    file.write_text("\n".join([lines[0], lines[1].replace(moment, ""), *lines[2:]]) + "\n")
    assert "1 refused: there is no date, or none that can be read" in run("friction", str(file))


def read_json(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("{" + run(*arguments, "--json").partition("{")[2])
    return found


def narrow(*arguments: str, width: int = 80) -> list[str]:
    """What is shown on a terminal of this width, without notes."""
    terminal.out.width = width
    shown = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(width), "NO_COLOR": "1"}).output
    return [line for line in shown.splitlines() if not line.startswith("note:")]


BOTH = pytest.mark.parametrize(
    "command", [("policy", "replay", "--old-column", "channel", "--new", "retail"), ("friction",)]
)


@BOTH
@pytest.mark.parametrize("lines", [[], ["only,three,fields"]])
def test_a_file_without_a_ticket_is_refused(tmp_path: Path, command: tuple[str, ...], lines: list[str]) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join([QUARTER.read_text().splitlines()[0], *lines]) + "\n")
    text = run(*command, str(file), code=2)
    assert (
        "none of 1 row could be read; the first, row 1: 3 fields" if lines else "there is no ticket in the file"
    ) in text


def test_where_no_ticket_can_be_answered_or_counted_the_cause_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("reason,confidence,created_at,channel\na.x,0.9,,chat\na.x,0.9,2026-03-02,\n")
    text = run("policy", "replay", str(file), "--old-column", "channel", "--new", "retail", code=2)
    assert "none of 2 tickets could be replayed; of 1, " in text
    file.write_text("reason,created_at,channel\na.x,,chat\na.x,,chat\n")
    text = run("friction", str(file), code=2)
    assert "none of 2 tickets counts; of 2, there is no date, or none that can be read" in text


@BOTH
def test_a_period_below_four_weeks_is_warned_of(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join(QUARTER.read_text().splitlines()[:5]) + "\n")
    caution = "The period is only 1 day: figures a month are 31 times what was counted"
    assert run(*command, str(file)).count(caution) == 1
    assert caution in read_json(*command, str(file))["notes"][0]
    assert caution not in run(*command, str(file), "--first", "2026-07-01", "--last", "2026-07-28")
    assert "4 tickets" in run(*command, str(file))


def test_a_case_on_a_short_period_says_so(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join(QUARTER.read_text().splitlines()[:5]) + "\n")
    found = read_json("friction", str(file), "--remove", "delivery=0.1,0.2,0.3")
    assert "The period is only 1 day" in found["cases"][0]["notice"]


@BOTH
def test_ids_that_come_twice_are_noted(tmp_path: Path, command: tuple[str, ...]) -> None:
    lines = QUARTER.read_text().splitlines()
    (tmp_path / "twice.csv").write_text("\n".join([*lines, *lines[1:4]]) + "\n")
    assert "3 tickets with the id of an earlier one; each counts." in run(*command, str(tmp_path / "twice.csv"))
    assert read_json(*command, str(tmp_path / "twice.csv"))["repeated_ids"] == 3
    assert "with the id of an earlier one" not in run(*command, str(QUARTER))


@BOTH
def test_times_of_a_form_of_their_own_are_read_as_they_are_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    lines = [line.split(",") for line in QUARTER.read_text().splitlines()]
    for line in lines[1:]:
        year, month, day = line[1][:10].split("-")
        line[1] = f"{month}/{1 + int(day) % 12:02}/{year} {line[1][11:16]}"
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join(map(",".join, lines)) + "\n")
    assert "say which with --time-format" in run(*command, str(file), code=2)
    first, last = (
        read_json(*command, str(file), "--time-format", form)["period"] for form in ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")
    )
    assert (first["first"], first["last"]) == ("2026-07-01", "2026-09-12")
    assert (last["first"], last["last"]) == ("2026-01-07", "2026-12-09")


def test_a_time_counts_as_its_own_clock_shows_it_in_every_form(tmp_path: Path) -> None:
    """Half past eleven in the evening, west of Greenwich, is already the next day in UTC."""
    for written, more in (
        ("2026-07-01T23:30:00-05:00", {}),
        ('"Wed, 01 Jul 2026 23:30:00 -0500"', {}),
        ("01/07/2026 23:30 -0500", {"time_format": "%d/%m/%Y %H:%M %z"}),
    ):
        file = tmp_path / "tickets.csv"
        file.write_text(f"created_at,reason,channel\n{written},delivery.late,chat\n")
        assert str(friction_file(file, prices=Prices.load(), **more).found.period) == "2026-07-01 to 2026-07-01"  # type: ignore[arg-type]


def test_the_row_of_an_error_is_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("reason,created_at,channel\nonly,two\na.x,2026-03-02,chat\na.x,2026-03-02,fax\n")
    assert "column 'channel', row 3: this channel has no price" in run("friction", str(file), code=2)
    file.write_text("reason,created_at,cost\nonly,two\na.x,2026-03-02,5\na.x,2026-03-02,-1\n")
    assert "column 'cost', row 3: a cost below 0" in run("friction", str(file), code=2)
    file.write_text("reason,created_at,channel\nonly,two\na.x,03/04/2026,chat\n")
    assert "column 'created_at', row 2: nothing tells the day from the month" in run("friction", str(file), code=2)


def test_advice_names_options_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "tickets.csv"
    file.write_text("reason,created_at\ndelivery.late,2026-03-02\n")
    text = run("friction", str(file), code=2)
    assert "there is no column 'cost' and no column 'channel'" in text
    assert "in --input NAME=COLUMN" in text
    text = run("policy", "replay", str(file), "--old", "retail", "--new", "retail", code=2)
    assert "name one in --input NAME=COLUMN, or say --certain if people checked" in text


def test_inputs_without_a_column_and_refused_tickets_are_noted(tmp_path: Path) -> None:
    lines = [line.split(",") for line in QUARTER.read_text().splitlines()[:20]]
    lines[3][2] = "delivery.lsot"
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join(",".join(line[:7]) for line in lines) + "\n")
    text = run("policy", "replay", str(file), "--old", "retail", "--new", "retail")
    assert (
        "without a column, taken as not known: arrival_channel, estimated_wait_seconds, open, repeats_7d, sentiment, stage."
        in text
    )
    assert "All figures are of the 18 of 19 tickets that both sides answer." in text


def test_costs_by_reason_are_of_a_month_as_all_others_and_agree_with_the_json() -> None:
    found, text = read_json(*CHANNEL), run(*CHANNEL)
    rows = found["tables"]["by_reason"]
    months, total = found["period"]["months"], 0.0
    for reason, change in zip(rows["reason"], rows["cost_change_with_follow_up"], strict=True):
        total += change if reason == "account.login" else 0.0
    assert re.search(rf"account\.login +186 +205 +\{total / months:+.2f}\n", text)
    assert sum(rows["cost_change_with_follow_up"]) / months == pytest.approx(
        found["cost_with_follow_up_a_month"]["change"]["likely"]
    )


@BOTH
def test_tables_fit_a_terminal_of_eighty_columns(command: tuple[str, ...]) -> None:
    lines = narrow(*command, str(QUARTER))
    table = [line for line in lines if re.search(r"account\.login|the contacts alone|likely|cost a month", line)]
    assert len(table) >= 3
    assert all(len(line.rstrip()) <= 80 for line in table)
    if command[0] == "policy":
        assert any(re.fullmatch(r"the contacts alone +before +3,001 +2,527 +5,340", line.rstrip()) for line in lines)
    else:
        assert any(re.fullmatch(r"account\.login +306 \(257 to 547\) +10\.2% .*\)", line.rstrip()) for line in lines)


def test_two_policies_of_one_name_are_told_apart(tmp_path: Path) -> None:
    rules = (ROOT / "taxonomies" / "retail" / "policy.yaml").read_text()
    (tmp_path / "taxonomy.yaml").write_text((ROOT / "taxonomies" / "retail" / "taxonomy.yaml").read_text())
    changed = tmp_path / "my-rules.yaml"
    changed.write_text(rules.replace('confidence: ">= 0.6"', 'confidence: ">= 0.9"'))
    hashes = [cr.RoutingPolicy.load(path).sha256[:8] for path in ("retail", str(changed))]
    heading = " → ".join(f"retail-service 1.0.0 ({sha256})" for sha256 in hashes)
    assert heading in run("policy", "replay", str(QUARTER), "--old", "retail", "--new", str(changed))
    assert heading in run("policy", "diff", "retail", str(changed), code=1)
    same = run("policy", "replay", str(QUARTER), "--old", "retail", "--new", "retail")
    assert "retail-service 1.0.0 → retail-service 1.0.0\n" in same


def test_bars_of_long_names_are_told_apart_and_a_short_period_is_noted(tmp_path: Path) -> None:
    ledger = friction_file(QUARTER, prices=Prices.load()).found
    texts = "".join(ET.fromstring(ledger.cost_chart("cell").svg).itertext())
    assert "returns.refund_amount, support, new" in texts
    assert "…" not in texts
    assert "A month is scaled" not in texts
    file = tmp_path / "tickets.csv"
    file.write_text("\n".join(QUARTER.read_text().splitlines()[:5]) + "\n")
    few = friction_file(file, prices=Prices.load()).found
    moved = replay_file(file, "channel", cr.RoutingPolicy.load("retail"), prices=Prices.load()).found
    for chart in (few.cost_chart(), moved.cost_chart()):
        assert "Example prices: replace with yours. A month is scaled from 1 day." in chart.svg


def test_what_is_ranked_is_the_same_in_json() -> None:
    found = read_json("friction", str(QUARTER), "--by", "primary")
    assert "reason" not in found["top"]["rows"]
    assert found["top"]["rows"]["primary"][0] in run("friction", str(QUARTER), "--by", "primary")
