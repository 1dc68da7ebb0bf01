"""A pack that is started from any list of reasons loads, is proved, and says what it lacks; nothing is overwritten."""

from __future__ import annotations

import csv
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.batch.reasons import read_reasons, start_pack_file
from contact_reasons.checks import check_place
from contact_reasons.errors import BatchError, ContactReasonsError, PackError, TaxonomyError, TrainingError
from contact_reasons.packs import list_packs, read_pack_texts, train_pack
from contact_reasons.resources import pack_files
from contact_reasons.starter import ListedReason, start_pack, starter_policy, taxonomy_of_list
from contact_reasons.starter.example import example_texts
from contact_reasons.starter.files import taxonomy_file
from contact_reasons.taxonomy.model import word_of_id
from contact_reasons.training import near_repeats
from tests.conftest import ROOT
from tests.strategies import taxonomies

SAMPLE = ROOT / "samples" / "own-pack"

_characters = st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("abc no:#'\"-{}[]>,&*!%@")
_labels = st.text(_characters, min_size=1, max_size=80).filter(lambda label: label.strip() == label != "")


@st.composite
def lists_of_reasons(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """Rows of primary, secondary and definition whose labels make different ids."""
    rows = []
    primaries = draw(st.lists(_labels, min_size=1, max_size=4, unique_by=lambda label: word_of_id(label, 18)))
    for primary in primaries:
        room = 38 - len(word_of_id(primary, 18))
        leaves = draw(
            st.lists(_labels, min_size=1, max_size=4, unique_by=lambda leaf, room=room: word_of_id(leaf, room))
        )
        rows += [(primary, leaf, draw(st.just("") | _labels)) for leaf in leaves]
    return rows


def write_list(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("primary", "secondary")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(lists_of_reasons())
def test_any_list_of_reasons_makes_a_pack_that_loads_and_whose_policy_is_proved(
    rows: list[tuple[str, str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = write_list(Path(place) / "reasons.csv", rows, ("primary", "secondary", "definition"))
        start_pack_file("own", place, source=source)
        folder = Path(place) / "own"
        taxonomy = cr.Taxonomy.load(folder)
        found = [(p.label, s.label, s.definition) for p in taxonomy.primaries for s in p.secondaries]
        assert sorted(found) == sorted(tuple(" ".join(cell.split()) for cell in row) for row in rows)
        analysis = cr.RoutingPolicy.load(folder).analyse()
        assert analysis.sound
        assert len(analysis.promises) == 5
        findings = [*check_place(str(folder))]
        for reason in taxonomy.secondary_ids:
            assert any(f"{reason}: 0 of 10 training texts, 0 of 3 test texts" in finding for finding in findings)
        with pytest.raises(TrainingError, match=f"too few texts to train on for {len(rows)} of {len(rows)} reasons"):
            train_pack(folder)


@given(lists_of_reasons(), st.randoms())
def test_ids_do_not_depend_on_the_order_of_the_list(rows: list[tuple[str, str, str]], draw: random.Random) -> None:
    reasons = [ListedReason(*row) for row in rows]
    taxonomy = taxonomy_of_list(reasons, taxonomy_id="own")
    draw.shuffle(reasons)
    assert taxonomy_of_list(reasons, taxonomy_id="own").secondary_ids == taxonomy.secondary_ids


@given(taxonomies())
def test_any_taxonomy_comes_back_from_its_file_and_has_a_starter_policy(data: dict[str, Any]) -> None:
    taxonomy = cr.Taxonomy.from_dict(data)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "taxonomy.yaml"
        file.write_text(taxonomy_file(taxonomy), encoding="utf-8")
        assert cr.Taxonomy.from_yaml(file) == taxonomy
        rules = Path(place) / "policy.yaml"
        rules.write_text(starter_policy(taxonomy), encoding="utf-8")
        assert cr.RoutingPolicy.from_yaml(rules).analyse().sound
        waiting = "  # - {id: self-service"
        assert starter_policy(taxonomy).count(waiting) == 1
        rules.write_text(starter_policy(taxonomy).replace(waiting, "  - {id: self-service"), encoding="utf-8")
        assert cr.RoutingPolicy.from_yaml(rules).analyse().sound


def test_the_retail_taxonomy_comes_back_with_all_that_it_holds(retail: cr.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "taxonomy.yaml").write_text(taxonomy_file(retail.taxonomy), encoding="utf-8")
    assert cr.Taxonomy.load(tmp_path) == retail.taxonomy
    start_pack_file("ours", tmp_path, source=pack_files("retail").taxonomy)
    assert cr.Taxonomy.load(tmp_path / "ours") == retail.taxonomy


@pytest.mark.parametrize("there", ["taxonomy.yaml", "notes.txt", "texts/training.jsonl"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    file = tmp_path / "own" / there
    file.parent.mkdir(parents=True)
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(PackError, match="nothing is overwritten; choose another name or folder"):
        start_pack_file("own", tmp_path)
    assert content(tmp_path) == {f"own/{there}": b"mine"}


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("mine", encoding="utf-8")
    with pytest.raises(PackError, match="nothing is overwritten"):
        start_pack_file("own", tmp_path)
    with pytest.raises(PackError, match="the pack cannot be written"):
        start_pack_file("pack", tmp_path / "own")
    assert content(tmp_path) == {"own": b"mine"}


@pytest.mark.parametrize("name", ["", "..", "a/b", "own.yaml", "-x"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackError, match="is not a name for a pack; use letters, digits"):
        start_pack_file(name, tmp_path)
    assert not content(tmp_path)


def test_the_name_of_a_shipped_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"'retail' is the name of a shipped pack.*choose another"):
        start_pack_file("retail", tmp_path)


def test_a_list_that_makes_no_pack_leaves_no_folder(tmp_path: Path) -> None:
    source = write_list(tmp_path / "reasons.csv", [("A", "b"), ("A", "b")])
    with pytest.raises(TaxonomyError, match="listed already"):
        start_pack_file("own", tmp_path, source=source)
    assert not (tmp_path / "own").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("A", "Late!"), ("B", "x"), ("A", "late?")], r"reasons\.csv, row 3 \(line 4\): 'late\?' makes the id 'a\.late', as 'Late!' in row 1 \(line 2\) does; reword one of the two, or give ids"),
        ([("A!", "x"), ("A?", "y")], r"row 2 \(line 3\): 'A\?' makes the id 'a', as 'A!' in row 1"),
        ([("支払い", "x"), ("配達", "y")], r"row 2 \(line 3\): '配達' makes the id 'r', as '支払い' in row 1 \(line 2\) does; .* column 'id'"),
        ([("A", "Late"), ("A", " Late ")], r"row 2 \(line 3\): 'Late' under 'A' is listed already in row 1 \(line 2\); remove one"),
        ([("A", "x"), ("", "y")], r"row 2 \(line 3\): the primary is empty; write it in every row"),
        ([("A", " ")], r"row 1 \(line 2\): the secondary is empty"),
        ([("A", "x" * 81)], r"row 1 \(line 2\): the secondary has 81 characters; shorten it to at most 80"),
        ([("A", "x\x07y")], r"row 1 \(line 2\): the secondary holds a character that is no text"),
        ([("A", "x", "y")], r"reasons\.csv, row 1: 3 fields where the header has 2; look for a stray delimiter"),
        ([], r"reasons\.csv: it lists no reason; write one a row"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_list_is_said_with_its_row_and_a_remedy(tmp_path: Path, rows: list[Any], said: str) -> None:
    with pytest.raises(ContactReasonsError, match=said):
        start_pack_file("own", tmp_path, source=write_list(tmp_path / "reasons.csv", rows))


def test_ids_of_ones_own_are_kept_and_checked(tmp_path: Path) -> None:
    header = ("primary", "secondary", "id")
    rows: list[tuple[str, ...]] = [("支払い", "カード", "payment.card"), ("配達", "遅れ", "delivery.late")]
    start_pack_file("own", tmp_path, source=write_list(tmp_path / "a.csv", rows, header))
    assert cr.Taxonomy.load(tmp_path / "own").secondary_ids == ("delivery.late", "payment.card")
    with pytest.raises(TaxonomyError, match=r"row 1 \(line 2\): id: 'payment' is not a valid reason id"):
        start_pack_file("b", tmp_path, source=write_list(tmp_path / "b.csv", [("A", "x", "payment")], header))
    with pytest.raises(TaxonomyError, match=r"c\.csv, row 1 .*'Pay\.Card' is not a valid .*write 'pay\.card'"):
        start_pack_file("c", tmp_path, source=write_list(tmp_path / "c.csv", [("A", "x", "Pay.Card")], header))
    with pytest.raises(TaxonomyError, match=r"d\.csv, row 1 .*'missing' is a word of the policy language"):
        start_pack_file("d", tmp_path, source=write_list(tmp_path / "d.csv", [("A", "x", "missing.a")], header))


def test_lines_of_text_are_a_list_too(tmp_path: Path) -> None:
    file = tmp_path / "reasons.txt"
    file.write_text("\ufeffDelivery > Late\r\n\n Delivery >Lost\n", encoding="utf-8")
    assert taxonomy_of_list(read_reasons(file), taxonomy_id="own").secondary_ids == ("delivery.late", "delivery.lost")
    file.write_text("Late parcel\nRefund\n", encoding="utf-8")
    found = taxonomy_of_list(read_reasons(file), taxonomy_id="own")
    assert found.secondary_ids == ("late_parcel.late_parcel", "refund.refund")
    file.write_bytes("Zurück > Rücksendung".encode("cp1252"))
    assert read_reasons(file, encoding="cp1252")[0].secondary.strip() == "Rücksendung"
    with pytest.raises(BatchError, match=r"reasons\.txt: not utf-8; save it as UTF-8"):
        read_reasons(file)


@pytest.mark.parametrize(("text", "line"), [("A > b\nC\n", 2), ("A > b\nC > d > e\n", 1), ("A > b > c\n", 1)])
def test_lines_of_different_depth_are_refused(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "reasons.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BatchError, match=rf"reasons\.txt, line {line}: .* write 'Primary > Secondary' in every line"):
        read_reasons(file)


def test_a_file_that_is_no_list_is_refused_with_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match=r"reasons\.xlsx: a list of reasons ends in \.csv.* save it as CSV"):
        read_reasons(tmp_path / "reasons.xlsx")
    with pytest.raises(BatchError, match="no column 'primary'; did you mean 'Primary'"):
        read_reasons(write_list(tmp_path / "a.csv", [("A", "b")], ("Primary", "secondary")))
    with pytest.raises(BatchError, match=r"reasons\.txt: the file cannot be read"):
        read_reasons(tmp_path / "reasons.txt")
    file = tmp_path / "reasons.jsonl"
    file.write_text('{"primary": "A", "secondary": 3}\n', encoding="utf-8")
    with pytest.raises(BatchError, match=r"row 1 \(line 1\): column 'secondary' holds a value of type int"):
        read_reasons(file)


def test_the_worked_example_lacks_nothing_but_a_model_and_more_reasons(tmp_path: Path) -> None:
    start_pack_file("bikes", tmp_path)
    findings = [*check_place(str(tmp_path / "bikes"))]
    assert [finding for finding in findings if "reasons; " not in finding] == [findings[-1]]
    assert findings[-1].startswith("there is no model yet: `contact-reasons train --pack ")
    assert "TO FILL" not in (tmp_path / "bikes" / "taxonomy.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["example", "sample"])
def test_no_test_text_of_the_examples_nearly_repeats_a_training_text(kind: str) -> None:
    texts = example_texts() if kind == "example" else {
        path.name: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (SAMPLE / "texts").glob("*.jsonl")
    }  # fmt: skip
    test, training = ([line["text"] for line in texts[name]] for name in ("test.jsonl", "training.jsonl"))
    assert not near_repeats(test, training).any()


def test_a_pack_is_trained_on_what_was_written_and_says_when_that_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / "bikes"
    start_pack_file("bikes", tmp_path)
    training = folder / "texts" / "training.jsonl"
    lines = training.read_text(encoding="utf-8").splitlines()
    training.write_text("\n".join(['{"text": " ", "reason": "ride.broken"}', *lines[:-6]]) + "\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"for 1 of 4 reasons: ride\.broken \(4\); write at least 5 for each"):
        train_pack(folder)
    assert not (folder / "model").exists()
    training.write_text("\n".join(['{"text": " ", "reason": "ride.broken"}', *lines]) + "\n", encoding="utf-8")
    made = train_pack(folder)
    assert made.report["data"]["reasons"] == dict.fromkeys(made.manifest.classes, 10)
    assert made.report == json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for row in made.report["mislabelled"]["rows"]:
        file, _, line = row["ticket_id"].rpartition(":")
        text = (folder / "texts" / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert json.loads(text).get("reason", "") == row["given"]
    out = cr.load_pipeline(folder).handle(cr.Contact(text="flat tyre", context=cr.RoutingContext(open=False)))
    assert out.label.ranked[0].reason == "ride.broken"
    assert out.recommendation.channel == "message"
    assert not [finding for finding in check_place(str(folder)) if "reasons; " not in finding]
    training.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    findings = [*check_place(str(folder))]
    assert f"ride.broken: 9 of 10 training texts; write more in {folder / 'texts'}" in findings
    assert any("the texts are not those that the model was trained on" in finding for finding in findings)


def test_a_reason_that_the_taxonomy_lacks_is_named_with_its_file_and_line(tmp_path: Path) -> None:
    start_pack(tmp_path / "own", cr.Taxonomy.from_pairs([("Delivery", "Late"), ("Delivery", "Lost")]))
    file = tmp_path / "own" / "texts" / "test.jsonl"
    file.write_text('{"text": "", "reason": "x"}\n{"text": "where", "reason": "delivery.lat"}\n', encoding="utf-8")
    files = pack_files(tmp_path / "own")
    with pytest.raises(
        TrainingError, match=r"test\.jsonl, line 2: 'delivery\.lat' is no .* 'delivery\.late'\? Correct it"
    ):
        read_pack_texts(files, cr.Taxonomy.load(tmp_path / "own"))


def test_packs_are_summed_up_from_their_files(retail: cr.Pipeline) -> None:
    found = next(pack for pack in list_packs() if pack.id == "retail").to_dict()
    assert (found["primaries"], found["secondaries"]) == (8, len(retail.taxonomy.secondaries))
    assert found["rules"] == len(retail.policy.rules)
    assert found["texts"] == retail.bundle.manifest.training["texts"]
    assert found["model_bytes"] > 1e6
    assert 0 < found["secondary_accuracy"] < found["primary_accuracy"] < 1


def test_a_line_that_is_no_json_is_named_with_the_way_to_write_it(tmp_path: Path) -> None:
    start_pack(tmp_path / "own", cr.Taxonomy.from_pairs([("Delivery", "Late"), ("Delivery", "Lost")]))
    file = tmp_path / "own" / "texts" / "training.jsonl"
    file.write_text('\ufeff{"text": "a\u2028b", "reason": null}\n{"text": "the "express" parcel"}\n', encoding="utf-8")
    with pytest.raises(TrainingError, match=r"training\.jsonl, line 2: not valid JSON .*write quotation marks as"):
        train_pack(tmp_path / "own")
