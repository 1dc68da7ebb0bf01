"""`policy replay` and `friction` on files, the sample quarter, prices and pictures on the way."""

from __future__ import annotations

import csv
import hashlib
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import contact_reasons as cr
from contact_reasons.batch.columns import write_table
from contact_reasons.batch.lab_files import friction_file, replay_file
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
