"""History relabelled: rows in are rows out, both versions side by side, to the byte after a crash, twice as once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.batch import job, parts
from contact_reasons.batch.migrate import migrate_file
from contact_reasons.errors import BatchError, BundleError, CalibrationError, MigrationError
from contact_reasons.taxonomy import compare_taxonomies, draft_migration, read_migration
from tests.conftest import TINY_TEXTS
from tests.ticket_files import read_csv, rejects, write_jsonl

OLD = {
    "taxonomy_id": "tiny",
    "version": "0",
    "primaries": [
        {
            "id": "delivery",
            "label": "Delivery",
            "secondaries": [
                {"id": "delivery.where", "label": "Where is it?", "formerly": ["delivery.wismo"]},
                {"id": "delivery.fax", "label": "By fax"},
            ],
        },
        {
            "id": "billing",
            "label": "Billing",
            "secondaries": [{"id": "billing.bill", "label": "Bill"}, {"id": "billing.refund", "label": "Refund"}],
        },
    ],
}
BECAME = {
    "delivery.track": ["delivery.where"],
    "delivery.late": ["delivery.where"],
    "billing.invoice": ["billing.bill"],
}


@pytest.fixture(scope="session")
def history(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both versions and the migration; the new version is that of the tiny pack's model."""
    folder = tmp_path_factory.mktemp("history")
    new = yaml.safe_load((tiny_pack / "taxonomy.yaml").read_text())
    for primary in new["primaries"]:
        for secondary in primary["secondaries"]:
            secondary["formerly"] = BECAME.get(secondary["id"], [])
    for name, data in (("old", OLD), ("new", new)):
        (folder / f"{name}.yaml").write_text(cr.Taxonomy.from_dict(data).to_yaml())
    old_taxonomy, new_taxonomy = (cr.Taxonomy.load(folder / f"{name}.yaml") for name in ("old", "new"))
    (folder / "migration.yaml").write_text(
        draft_migration(compare_taxonomies(old_taxonomy, new_taxonomy), old="old.yaml", new="new.yaml")
    )
    return folder


ROWS: list[dict[str, Any]] = [
    {"id": 1, "text": "where is my parcel", "reason": "delivery.where"},
    {"id": 2, "text": "my parcel is late", "reason": "delivery.where"},
    {"id": 3, "text": "send me the invoice", "reason": "billing.bill"},
    {"id": 4, "text": "refund please", "reason": "billing.refund"},
    {"id": 5, "text": "by fax", "reason": "delivery.fax"},
    {"id": 6, "text": "late delivery, so annoyed", "reason": "delivery.wismo"},
    {"id": 7, "text": "hm", "reason": "delivery"},
    {"id": 8, "text": "hm", "reason": None},
    {"id": 9, "text": None, "reason": "delivery.where"},
    {"id": 10, "text": "xyzzy", "reason": "delivery.where"},
    {"id": 11, "text": "what", "reason": "nobody.knows"},
    {"id": 12, "text": "send me the invoice", "reason": "delivery.where"},
    {"id": 13, "text": "send me the invoice", "reason": "billing.invoice"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        return write_jsonl(path, rows)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    table = [[("" if row[name] is None else str(row[name])) for name in rows[0]] for row in rows]
    path.write_text("\n".join([",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row) for row in table)]) + "\n")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return [{key: value or None for key, value in row.items()} for row in read_csv(path)]
    if path.suffix == ".jsonl":  # an empty cell of a CSV source comes out as an empty string
        return [json.loads(line) for line in path.read_text().split("\n") if line]
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def model_of(pack: Path) -> Path:
    return pack / "model"


@pytest.mark.parametrize("source_kind", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("out_kind", [".csv", ".jsonl", ".parquet"])
def test_every_kind_of_row_is_decided_as_the_migration_says(
    history: Path, tiny_pack: Path, tmp_path: Path, source_kind: str, out_kind: str
) -> None:
    source, out = write(tmp_path / f"in{source_kind}", ROWS), tmp_path / f"out{out_kind}"
    report = migrate_file(source, out, migration=history / "migration.yaml", model=model_of(tiny_pack), chunk_rows=4)
    found = [{key: None if value == "" else value for key, value in row.items()} for row in read(out)]
    assert [str(row["id"]) for row in found] == [str(row["id"]) for row in ROWS]
    assert [row["reason_before"] for row in found] == [row["reason"] for row in ROWS]
    assert [row["text"] for row in found] == [row["text"] for row in ROWS]
    decided = {int(row["id"]): (row["reason"], row["reason_decided"], row["reason_note"]) for row in found}
    assert decided == {
        1: ("delivery.track", "classifier", None),
        2: ("delivery.late", "classifier", None),
        3: ("billing.invoice", "rule", None),
        4: ("billing.refund", "unchanged", None),
        5: ("delivery.fax", "retired", None),
        6: ("delivery.late", "classifier", None),
        7: ("delivery", "unchanged", None),
        8: (None, "no reason", None),
        9: ("delivery.where", "undecided", "no text"),
        10: ("delivery.where", "undecided", "not sure"),
        11: ("nobody.knows", "undecided", "no version knows this id"),
        12: ("delivery.where", "undecided", "the model says another reason"),
        13: ("billing.invoice", "unchanged", None),
    }
    version = read_migration(history / "migration.yaml").version
    assert {row["reason_migration"] for row in found} == {version}
    assert all((row["reason_confidence"] is not None) == (row["reason_decided"] == "classifier") for row in found)
    assert report.rows_read == report.rows_written == len(ROWS)
    assert report.counts["decided"] == dict(Counter(row["reason_decided"] for row in found))
    assert report.counts["undecided"] == {"delivery.where": 3, "no version knows this id": 1}
    assert sum(report.counts["why undecided"].values()) == 4
    assert "the model's own thresholds on the whole label" in report.versions["splits"]


def test_without_a_model_splits_stay_undecided_and_texts_are_not_read(history: Path, tmp_path: Path) -> None:
    rows = [{"id": row["id"], "reason": row["reason"]} for row in ROWS]
    out = tmp_path / "out.jsonl"
    report = migrate_file(write(tmp_path / "in.jsonl", rows), out, migration=history / "migration.yaml")
    assert report.counts["why undecided"] == {"no model was given": 6, "no version knows this id": 1}
    assert {row["reason_before"] == row["reason"] for row in read(out) if row["reason_decided"] == "undecided"} == {
        True
    }
    assert report.versions["splits"] == "splits are left undecided: no model was given"


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_migrating_twice_is_migrating_once(history: Path, tiny_pack: Path, tmp_path: Path, kind: str) -> None:
    once, twice = tmp_path / f"once{kind}", tmp_path / f"twice{kind}"
    options: dict[str, Any] = {"migration": history / "migration.yaml", "model": model_of(tiny_pack)}
    first = migrate_file(write(tmp_path / f"in{kind}", ROWS), once, **options)
    second = migrate_file(once, twice, **options)
    if kind == ".parquet":
        assert pq.read_table(twice).equals(pq.read_table(once))
    else:
        assert twice.read_bytes() == once.read_bytes()
    assert second.counts == first.counts


def test_new_rows_of_a_file_that_was_migrated_before_are_migrated(history: Path, tmp_path: Path) -> None:
    source, once, twice = tmp_path / "in.jsonl", tmp_path / "once.jsonl", tmp_path / "twice.jsonl"
    migrate_file(write(source, ROWS[:3]), once, migration=history / "migration.yaml")
    once.write_text(once.read_text() + json.dumps({"id": 99, "reason": "billing.bill"}) + "\n")
    migrate_file(once, twice, migration=history / "migration.yaml")
    assert [row["reason_decided"] for row in read(twice)] == ["undecided", "undecided", "rule", "rule"]
    assert read(twice)[:3] == read(once)[:3]


def test_a_row_of_another_migration_is_not_overwritten(history: Path, tmp_path: Path) -> None:
    once = tmp_path / "once.jsonl"
    migrate_file(write(tmp_path / "in.jsonl", ROWS), once, migration=history / "migration.yaml")
    other = tmp_path / "other.yaml"
    text = (
        (history / "migration.yaml")
        .read_text()
        .replace("{split: [delivery.late, delivery.track]}", "{to: delivery.late}")
    )
    other.write_text(text.replace("old.yaml", str(history / "old.yaml")).replace("new.yaml", str(history / "new.yaml")))
    with pytest.raises(
        BatchError, match=r"row 1: the column 'reason_migration' says that it was migrated by another file"
    ):
        migrate_file(once, tmp_path / "out.jsonl", migration=other)
    report = migrate_file(once, tmp_path / "out.jsonl", migration=other, prefix="second_", restart=True)
    assert report.rows_written == len(ROWS)
    assert read(tmp_path / "out.jsonl")[0]["reason_before"] == "delivery.where"


@pytest.mark.parametrize("stop_at", [2, 4, 8, 12])
def test_a_crash_in_the_middle_and_a_resume_give_the_same_bytes(
    history: Path, tiny_pack: Path, tmp_path: Path, stop_at: int
) -> None:
    source, whole, out = write(tmp_path / "in.csv", ROWS), tmp_path / "whole.csv", tmp_path / "out.csv"
    options: dict[str, Any] = {"migration": history / "migration.yaml", "model": model_of(tiny_pack), "chunk_rows": 2}
    migrate_file(source, whole, **options)

    def crash(rows: int, _: float) -> None:
        if rows >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate_file(source, out, **options, progress=crash)
    assert not out.exists()
    report = migrate_file(source, out, **options)
    assert report.rows_resumed == stop_at
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("at", [1, 5, 9, 14, 20])
def test_a_crash_while_a_part_is_written_and_a_resume_give_the_same_bytes(
    history: Path, tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Before the n-th file of the unfinished work: between rows, rejects and counts of a chunk, and before the report."""
    source, whole, out = write(tmp_path / "in.jsonl", ROWS), tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    options: dict[str, Any] = {"migration": history / "migration.yaml", "model": model_of(tiny_pack), "chunk_rows": 2}
    migrate_file(source, whole, **options)
    written, write_whole = [], job.write_whole

    def crash(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) == at:
            raise KeyboardInterrupt
        write_whole(path, content)

    for module in (job, parts):
        monkeypatch.setattr(module, "write_whole", crash)
    with pytest.raises(KeyboardInterrupt):
        migrate_file(source, out, **options)
    monkeypatch.undo()
    assert not out.exists()
    migrate_file(source, out, **options)
    assert out.read_bytes() == whole.read_bytes()


def test_chunks_and_processes_change_nothing(history: Path, tiny_pack: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ROWS * 3)
    options: dict[str, Any] = {"migration": history / "migration.yaml", "model": model_of(tiny_pack)}
    for name, more in (("a", {}), ("b", {"chunk_rows": 1}), ("c", {"chunk_rows": 7, "jobs": 2})):
        migrate_file(source, tmp_path / f"{name}.jsonl", **options, **more)
    assert len({(tmp_path / f"{name}.jsonl").read_bytes() for name in "abc"}) == 1


def test_rows_that_cannot_be_read_are_rejected_with_their_cause_and_counted(history: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"reason": "billing.bill"}\nnot json\n{"reason": 5}\n')
    report = migrate_file(source, out, migration=history / "migration.yaml")
    assert (report.rows_read, report.rows_written, report.rows_rejected) == (3, 1, 2)
    assert [reject["row"] for reject in rejects(out)] == [2, 3]
    assert "column 'reason': the reason is a value of type 'int'" in rejects(out)[1]["cause"]


def test_types_of_a_parquet_file_are_kept(history: Path, tmp_path: Path) -> None:
    reasons = pa.array(["billing.bill", None, "billing.refund"]).dictionary_encode()
    pq.write_table(pa.table({"n": pa.array([1, 2, 3], pa.int8()), "reason": reasons}), tmp_path / "in.parquet")
    migrate_file(tmp_path / "in.parquet", tmp_path / "out.parquet", migration=history / "migration.yaml")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.field("n").type == pa.int8()
    assert found.schema.field("reason").type == reasons.type
    assert found.column("reason").to_pylist() == ["billing.invoice", None, "billing.refund"]


ids = st.sampled_from([row["reason"] for row in ROWS]) | st.text("abc._", max_size=8) | st.none()
texts = st.sampled_from([text for texts in TINY_TEXTS.values() for text in texts]) | st.text(max_size=12) | st.none()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"reason": ids, "text": texts}), min_size=1, max_size=12))
def test_rows_are_conserved_and_no_id_is_invented(
    history: Path, tiny_pack: Path, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    rows = [{"id": i, **row} for i, row in enumerate(rows)]
    out = tmp_path / "out.jsonl"
    migrate_file(
        write(tmp_path / "in.jsonl", rows),
        out,
        migration=history / "migration.yaml",
        model=model_of(tiny_pack),
        overwrite=True,
    )
    found, migration = read(out), read_migration(history / "migration.yaml")
    assert [(row["id"], row["text"], row["reason_before"]) for row in found] == [
        (row["id"], row["text"], row["reason"]) for row in rows
    ]
    for row in found:
        if row["reason_decided"] in ("classifier", "rule"):
            verdict = migration.verdict(row["reason_before"].strip())
            assert verdict is not None
            assert row["reason"] in verdict.targets
        else:
            assert row["reason"] == row["reason_before"]


# ------------------------------------------------------------------------------------------------ promises


def sample(path: Path, per_reason: int, wrong: int = 0) -> Path:
    """Tickets of `delivery.where` labelled by hand, so many of each target; some with another label than their text says."""
    rows = []
    for target, other in (("delivery.track", "delivery.late"), ("delivery.late", "delivery.track")):
        found = TINY_TEXTS[target]
        rows += [
            {
                "text": found[i % len(found)] + f" {i}",
                "reason": other if i < wrong else target,
                "reason_before": "delivery.where",
            }
            for i in range(per_reason)
        ]
    return write_jsonl(path, rows)


def test_a_checked_sample_gives_a_promise_for_just_the_tickets_of_a_split(
    history: Path, tiny_pack: Path, tmp_path: Path
) -> None:
    source, out = write(tmp_path / "in.jsonl", ROWS), tmp_path / "out.jsonl"
    report = migrate_file(
        source,
        out,
        migration=history / "migration.yaml",
        model=model_of(tiny_pack),
        checked=sample(tmp_path / "checked.jsonl", 150),
        promised_error=0.05,
    )
    assert report.versions["splits"] == (
        "delivery.where: of its tickets that are decided at most 5.0% are decided wrongly, with 95.00% assurance, "
        "from 300 tickets of it that were labelled by hand; delivery.wismo: the sample holds no ticket of it, so nothing is decided"
    )
    found = {row["id"]: row for row in read(out)}
    assert (found[1]["reason"], found[2]["reason"]) == ("delivery.track", "delivery.late")
    assert (
        found[6]["reason_note"] == "the sample allows no promise"
    )  # an earlier id, of which the sample holds no ticket


@pytest.mark.parametrize(("rows", "wrong"), [(10, 0), (150, 75)])
def test_a_sample_too_small_or_too_wrong_promises_nothing_and_decides_nothing(
    history: Path, tiny_pack: Path, tmp_path: Path, rows: int, wrong: int
) -> None:
    report = migrate_file(
        write(tmp_path / "in.jsonl", ROWS),
        tmp_path / "out.jsonl",
        migration=history / "migration.yaml",
        model=model_of(tiny_pack),
        checked=sample(tmp_path / "checked.jsonl", rows, wrong),
    )
    assert report.versions["splits"].startswith("delivery.where: no promise, so nothing is decided: ")
    assert "classifier" not in report.counts["decided"]


@pytest.fixture(scope="session")
def moved(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migration in which a secondary went to another primary, so that a primary alone is split."""
    folder = tmp_path_factory.mktemp("moved")
    new = yaml.safe_load((tiny_pack / "taxonomy.yaml").read_text())
    old = json.loads(json.dumps({**new, "version": "0"}))
    for primary in old["primaries"]:
        kept = [one for one in primary["secondaries"] if one["id"] != "billing.invoice"]
        more = [{"id": "delivery.invoice", "label": "Invoice"}] if primary["id"] == "delivery" else []
        primary["secondaries"] = kept + more
    for primary in new["primaries"]:
        for one in primary["secondaries"]:
            one["formerly"] = ["delivery.invoice"] if one["id"] == "billing.invoice" else []
    for name, data in (("old", old), ("new", new)):
        (folder / f"{name}.yaml").write_text(cr.Taxonomy.from_dict(data).to_yaml())
    pair = [cr.Taxonomy.load(folder / f"{name}.yaml") for name in ("old", "new")]
    (folder / "m.yaml").write_text(draft_migration(compare_taxonomies(*pair), old="old.yaml", new="new.yaml"))
    return folder


@pytest.mark.parametrize("promised", [False, True])
def test_a_primary_alone_whose_secondaries_parted_gets_a_primary(
    moved: Path, tiny_pack: Path, tmp_path: Path, promised: bool
) -> None:
    rows = [
        {"text": "my parcel is late", "reason": "delivery"},
        {"text": "send me the invoice", "reason": "delivery"},
        {"text": "", "reason": "delivery"},
        {"text": "refund please", "reason": "billing"},
    ]
    checked = None
    if promised:
        found = [(text + f" {i}", reason) for i in range(30) for reason, texts in TINY_TEXTS.items() for text in texts]
        kept = [(text, reason) for text, reason in found if reason != "billing.refund"]
        lines = [
            {"text": text, "reason": reason.partition(".")[0], "reason_before": "delivery"} for text, reason in kept
        ]
        checked = write_jsonl(tmp_path / "checked.jsonl", lines)
    report = migrate_file(
        write(tmp_path / "in.jsonl", rows),
        tmp_path / "out.jsonl",
        migration=moved / "m.yaml",
        model=model_of(tiny_pack),
        checked=checked,
    )
    out = read(tmp_path / "out.jsonl")
    assert [row["reason"] for row in out] == ["delivery", "billing", "delivery", "billing"]
    assert [row["reason_decided"] for row in out] == ["classifier", "classifier", "undecided", "unchanged"]
    assert ("decided wrongly" in report.versions["splits"]) == promised


# ---------------------------------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("  billing.bill: {to: billing.invoice}\n", ""), r"'billing\.bill' of tiny 0 is left out; add it with `to`, `split` or `retired: none`"),
        (("{to: billing.invoice}", "{to: billing.invoce}"), r"line \d+, reasons\.billing\.bill: 'billing\.invoce' is no reason of tiny 1; did you mean 'billing\.invoice'"),
        (("  billing.bill:", "  billing.bil:"), r"'billing\.bill' of tiny 0 is left out"),
        (("{retired: none}", "{retired: soon}"), r"write `retired: none`, not 'soon'"),
        (("{to: billing.invoice}", "{split: [billing.invoice]}"), "a split has two or more different reasons; write `to`"),
        (("{to: billing.invoice}", "{split: [billing.invoice, delivery]}"), "a split is among secondaries or among primaries, not both"),
        (("  billing: {to: billing}", "  billing: {to: billing.refund}"), "a primary alone cannot become a secondary"),
        (("{to: billing.invoice}", "billing.invoice"), r"write one of \{to: ID\}"),
        (("  version: 0", "  version: 00"), r"from\.version: '00' is written here, old\.yaml has '0'"),
        (("migration: 1", "migration: 2"), "format '2'; this version of contact-reasons reads format 1"),
        (("reasons:", "resons:"), "the key 'reasons' is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_migration_file_is_named(
    history: Path, tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    folder = Path(shutil.copytree(history, tmp_path / "copy"))
    text = (folder / "migration.yaml").read_text()
    assert edit[0] in text
    (folder / "migration.yaml").write_text(text.replace(edit[0], edit[1], 1))
    with pytest.raises(MigrationError, match=message):
        read_migration(folder / "migration.yaml")


def test_an_edited_verdict_is_followed(history: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(history, tmp_path / "copy"))
    file = folder / "migration.yaml"
    file.write_text(file.read_text().replace("delivery.fax: {retired: none}", "delivery.fax: {to: delivery}"))
    migrate_file(write(tmp_path / "in.jsonl", ROWS[4:5]), tmp_path / "out.jsonl", migration=file)
    assert read(tmp_path / "out.jsonl")[0]["reason"] == "delivery"


def test_both_taxonomies_of_one_version_are_refused(history: Path) -> None:
    one = cr.Taxonomy.load(history / "old.yaml")
    with pytest.raises(MigrationError, match="both taxonomies are tiny 0; raise `version` in the new one"):
        draft_migration(compare_taxonomies(one, one))


def test_a_model_of_the_old_version_decides_nothing(history: Path, tiny_pack: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(history, tmp_path / "copy"))
    new = cr.Taxonomy.load(folder / "new.yaml").to_yaml().replace("version: '1'", "version: '2'")
    (folder / "new.yaml").write_text(new)
    difference = compare_taxonomies(cr.Taxonomy.load(folder / "old.yaml"), cr.Taxonomy.load(folder / "new.yaml"))
    (folder / "migration.yaml").write_text(draft_migration(difference, old="old.yaml", new="new.yaml"))
    with pytest.raises(
        BundleError, match="trained for taxonomy 'tiny' 1; splits are decided by a model of the new one, 'tiny' 2"
    ):
        migrate_file(
            write(tmp_path / "in.jsonl", ROWS),
            tmp_path / "o.jsonl",
            migration=folder / "migration.yaml",
            model=model_of(tiny_pack),
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"checked": "x.csv"}, BatchError, "is for a model; name it with --model"),
        ({"model": "m", "calibration": "c", "checked": "s"}, BatchError, "not both"),
        ({"prefix": "", "reason_column": "before"}, BatchError, "would overwrite the column 'before'"),
        ({"reason_column": "reson"}, BatchError, r"there is no column 'reson'; did you mean 'reason'\?"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_named(
    history: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        migrate_file(
            write(tmp_path / "in.jsonl", ROWS), tmp_path / "o.jsonl", migration=history / "migration.yaml", **options
        )


def test_a_promise_that_cannot_be_is_refused(history: Path, tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="the error lies between 0 and 1"):
        migrate_file(
            write(tmp_path / "in.jsonl", ROWS),
            tmp_path / "o.jsonl",
            migration=history / "migration.yaml",
            model=model_of(tiny_pack),
            checked=sample(tmp_path / "checked.jsonl", 5),
            promised_error=1.5,
        )
