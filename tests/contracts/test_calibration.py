"""A calibration can be wrong, never dangerous; it serves only the model and taxonomy that it was made for."""

from __future__ import annotations

import csv
import dataclasses
import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import contact_reasons as cr
from contact_reasons.batch import RunReport
from contact_reasons.batch.calibrate import calibrate_file
from contact_reasons.cli import app
from contact_reasons.confidence import Thresholds
from contact_reasons.confidence.calibration import Calibration, read_calibration, write_calibration
from contact_reasons.errors import BatchError, CalibrationError
from contact_reasons.schema import seal_of
from tests.conftest import TINY_OUTSIDE, TINY_TEXTS


def write_sample(file: Path, copies: int = 5) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "reason", "who"])
        for copy in range(copies):
            for reason, texts in [*TINY_TEXTS.items(), ("", TINY_OUTSIDE[:1])]:
                writer.writerows([text, reason, f"{copy} {text[::-1]}"] for text in texts)
    return file


@pytest.fixture(scope="module")
def made(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration")
    out = folder / "calibration.json"
    sample = write_sample(folder / "sample.csv")
    calibrate_file(sample, out, made_on="2026-11-22", pack=tiny_pack, promised_error=0.3)
    return out


def damage(made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], *, sealed: bool = True) -> Path:
    data = json.loads(made.read_text())
    seal = data.pop("seal")
    change(data)
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps({**data, "seal": seal_of(data) if sealed else seal}))
    return file


def test_a_round_trip_gives_the_same_calibration_and_the_same_bytes(made: Path, tmp_path: Path) -> None:
    calibration = read_calibration(made)
    write_calibration(calibration, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == made.read_bytes()
    own = (("billing", Thresholds(0.5, None, primary_below=0.4)), ("delivery", Thresholds(None, None)))
    test = calibration.promise.secondary
    promise = dataclasses.replace(
        calibration.promise,
        per_primary=True,
        audited=500,
        thresholds=Thresholds(None, None, temperature=1.25, by_primary=own),
        by_primary=(("billing", test, calibration.promise.primary),),
        never_labelled=("delivery",),
    )
    other = dataclasses.replace(calibration, promise=promise)
    assert Calibration.from_json(other.to_json()) == other
    assert other.seal != calibration.seal


def test_the_order_of_the_sample_changes_nothing(made: Path, tiny_pack: Path, tmp_path: Path) -> None:
    head, *rows = write_sample(tmp_path / "sample.csv").read_text().splitlines()
    (tmp_path / "turned.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    calibrate_file(
        tmp_path / "turned.csv", tmp_path / "c.json", made_on="2026-11-22", pack=tiny_pack, promised_error=0.3
    )
    assert (tmp_path / "c.json").read_bytes() == made.read_bytes()


def test_no_text_of_the_sample_is_in_the_file(made: Path) -> None:
    content = made.read_text()
    assert not any(text in content for texts in TINY_TEXTS.values() for text in texts)


@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_changed_byte_is_found(made: Path, where: float, flip: int) -> None:
    raw = bytearray(made.read_bytes())
    position = int(where * len(raw))
    if chr(raw[position]).isspace() and chr(raw[position] ^ flip).isspace():
        return  # white space between tokens says nothing
    raw[position] ^= flip
    with pytest.raises(CalibrationError, match=r"not a calibration|seal|format"):
        Calibration.from_json(bytes(raw))


@given(share=st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_found(made: Path, share: float) -> None:
    raw = made.read_bytes().rstrip()
    with pytest.raises(CalibrationError, match="not a calibration"):
        Calibration.from_json(raw[: int(share * len(raw))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(format=2), r"format 2; this version of contact-reasons reads format 1"),
        (lambda data: data.update(format=True), r"format True"),
        (lambda data: data.update(extra=1), r"top: the key 'extra' is not known"),
        (lambda data: data.pop("sample"), r"top: the key 'sample' is missing"),
        (lambda data: data["promise"].update(note=""), r"promise: the key 'note' is not known"),
        (lambda data: data["promise"].update(error="0.05"), r"promise.error: '0.05' is not a number from 0 to 1"),
        (lambda data: data["promise"].update(error=True), r"promise.error: True is not a number"),
        (lambda data: data["promise"].update(audited=1.5), r"promise.audited: 1.5 is not a whole number"),
        (lambda data: data["promise"].update(levels="all"), r"promise.levels: 'all' is not one of 'both'"),
        (lambda data: data["promise"].update(per_primary=1), r"promise.per_primary: 1 is not true or false"),
        (lambda data: data["promise"].update(never_labelled=[1]), r"promise.never_labelled: 1 is not a string"),
        (lambda data: data["thresholds"].update(secondary=1.5), r"thresholds.secondary: 1.5 is not a number from 0 to 1"),
        (lambda data: data["thresholds"].update(secondary=10**400), r"thresholds.secondary: 1000.* is not a number"),
        (lambda data: data["thresholds"].update(temperature=0), r"thresholds.temperature: 0 is not a number from 0.01"),
        (lambda data: data["thresholds"].update(temperature=None), r"thresholds.temperature: None is not a number"),
        (lambda data: data["thresholds"]["by_primary"].update(a={}), r"thresholds.by_primary.a: the key 'primary' is missing"),
        (lambda data: data["tested"]["secondary"].update(wrong=9999), r"tested.secondary: 9999 wrong of"),
        (lambda data: data["tested"]["secondary"].update(rows=-1), r"tested.secondary.rows: -1 is not a whole number"),
        (lambda data: data["tested"].update(by_primary={"a": 3}), r"tested.by_primary.a: 3 is not an object"),
        (lambda data: data.update(made_on="22.11.2026"), r"made_on: '22.11.2026' is not a day such as"),
        (lambda data: data.update(made_on="20261122"), r"made_on: '20261122' is not a day"),
        (lambda data: data.update(model="abc"), r"model: 'abc' is not a SHA-256"),
        (lambda data: data["sample"].update(sha256="A" * 64), r"sample.sha256: 'AAA.* is not a SHA-256"),
    ],
)  # fmt: skip
def test_whatever_does_not_belong_is_named(
    made: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    file = damage(made, tmp_path, change)
    with pytest.raises(CalibrationError, match=rf"damaged\.json.*{message}"):
        read_calibration(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"format": NaN}',
        b'{"format": 1, "format": 1}',
        b"[" * 100_000,
        pickle.dumps({}),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(CalibrationError, match="not a calibration"):
        read_calibration(tmp_path / "c.json")


def test_a_change_by_hand_breaks_theseal_of(made: Path, tmp_path: Path) -> None:
    file = damage(made, tmp_path, lambda data: data["thresholds"].update(secondary=0.0), sealed=False)
    with pytest.raises(CalibrationError, match="the seal does not fit its content; the file was changed by hand"):
        read_calibration(file)
    with pytest.raises(CalibrationError, match="the calibration cannot be read"):
        read_calibration(tmp_path / "none.json")
    with pytest.raises(CalibrationError, match="the calibration cannot be written"):
        write_calibration(read_calibration(made), tmp_path / "no" / "folder.json")
    (tmp_path / "long.json").write_bytes(b" " * 2_000_000)
    with pytest.raises(CalibrationError, match="larger than"):
        read_calibration(tmp_path / "long.json")


def test_labels_are_decided_by_the_calibration(made: Path, tiny_pack: Path) -> None:
    plain, calibrated = cr.load_pipeline(tiny_pack), cr.load_pipeline(tiny_pack, calibration=made)
    assert calibrated.thresholds == read_calibration(made).thresholds != plain.thresholds
    label = calibrated.label(cr.Contact(text="where is my parcel"))
    assert label.abstained == (label.confidence < (calibrated.thresholds.secondary or 2))


def test_records_questions_and_explanations_go_by_the_calibration(made: Path, tiny_pack: Path, tmp_path: Path) -> None:
    calibration = read_calibration(made)
    own = (("billing", Thresholds(0.99, 0.98)), ("delivery", Thresholds(None, None)))
    thresholds = Thresholds(None, None, temperature=3.0, by_primary=own)
    changed = dataclasses.replace(
        calibration, promise=dataclasses.replace(calibration.promise, per_primary=True, thresholds=thresholds)
    )
    write_calibration(changed, tmp_path / "own.json")
    pipe = cr.load_pipeline(tiny_pack, calibration=tmp_path / "own.json")
    contact = cr.Contact(text="please send me the invoice")
    record, plain = pipe.audit(contact), cr.load_pipeline(tiny_pack).audit(contact)
    assert record.calibration == {"seal": changed.seal, "made_on": "2026-11-22"}
    assert plain.calibration is None
    assert [each.threshold for each in record.decisions] == [0.99, 0.98]
    assert record.label.confidence < plain.label.confidence
    explanation = pipe.explain(contact)
    assert explanation.threshold == 0.99
    assert explanation.probability == pytest.approx(record.label.confidence, abs=1e-6)
    assert pipe.question(cr.Contact(text="where is my parcel")) is None  # no secondary of delivery is ever reported
    figures = cr.evaluate(pipe, ["send me the invoice", "where is my parcel"], ["billing.invoice", None]).to_dict()
    assert figures["about"]["model"]["thresholds_from"] == changed.summary
    assert figures["left_to_a_person"]["share"] == 1


def test_another_model_or_taxonomy_is_refused(made: Path, tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"made for model \w{16}…, and this is \w{16}…; .* calibrate again"):
        cr.load_pipeline("retail", calibration=made)
    pack = Path(shutil.copytree(tiny_pack, tmp_path / "pack"))
    file = pack / "taxonomy.yaml"
    file.write_text(re.sub(r"(?m)^version:.*$", "version: '99'", file.read_text()))
    cr.load_pipeline(pack)
    with pytest.raises(
        CalibrationError, match=r"made for taxonomy 'tiny' 1, and this is 'tiny' 99; .* calibrate again"
    ):
        cr.load_pipeline(pack, calibration=made)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == code, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def test_the_command_says_what_is_promised_on_what_and_what_is_not(tiny_pack: Path, tmp_path: Path) -> None:
    sample, out = write_sample(tmp_path / "sample.csv"), tmp_path / "calibration.json"
    command = ["calibrate", str(sample), "--pack", str(tiny_pack), "--out", str(out), "--promised-error", "0.3"]
    text = run(*command, "--customer-column", "who")
    for part in (
        "at most 30.0% of what is labelled without a person is wrong, at each level, with 95.0% assurance",
        "Left to a person: about",
        "Sample: 105 independent rows, 5 of them without a reason; 21 only chose where the tests start. Made on 20",
        "Not promised: anything about contacts of another kind, channel or time than the sample",
        f"Calibration: {out}",
    ):
        assert part in text
    assert "secondary right" in run("evaluate", str(sample), "--pack", str(tiny_pack), "--calibration", str(out))
    text = run(*command, code=2)
    assert "the file exists; choose another name, or replace it with --overwrite" in text
    text = run(*command, "--overwrite", "--per-primary", "--audited", "1000", "--assurance", "0.6")
    assert "of what is labelled of each primary without a person is wrong" in text
    assert "also when 1,000 labels are counted" in text
    assert re.search(r"secondary +delivery", text)


def test_a_sample_that_is_too_small_is_told_how_many_rows_would_do(tiny_pack: Path, tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "sample.csv", copies=1)
    text = run("calibrate", str(sample), "--pack", str(tiny_pack), "--out", str(tmp_path / "c.json"), code=2)
    assert "CalibrationError: the sample has 21 independent rows" in text
    assert "59 reported rows without a single error are the least: label 73 rows or more" in text
    assert not (tmp_path / "c.json").exists()


def test_a_label_that_the_model_does_not_know_is_named_by_its_row(tiny_pack: Path, tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text("text,reason\nwhere is it,delivery.track\nrefund,billing.refnd\n")
    with pytest.raises(BatchError, match=r"sample.csv, row 2: 'billing.refnd' is no secondary reason"):
        calibrate_file(sample, tmp_path / "c.json", made_on="2026-11-22", pack=tiny_pack)


def test_work_begun_with_another_calibration_is_not_gone_on_with(made: Path, tiny_pack: Path, tmp_path: Path) -> None:
    sample, own = write_sample(tmp_path / "in.csv"), Path(shutil.copy(made, tmp_path / "own.json"))

    def stop(rows: int, fraction: float) -> None:
        raise KeyboardInterrupt

    def label(progress: Any = None) -> RunReport:
        return cr.label_file(
            sample, tmp_path / "out.csv", pack=tiny_pack, calibration=own, chunk_rows=20, progress=progress
        )

    with pytest.raises(KeyboardInterrupt):
        label(stop)
    changed = dataclasses.replace(read_calibration(made), made_on="2026-11-23")
    write_calibration(changed, own)
    with pytest.raises(BatchError, match=r"unfinished work of another job .*calibration"):
        label()
    shutil.copy(made, own)
    report = label()
    assert report.rows_resumed == 20
    assert report.versions["calibration"] == f"2026-11-22 {read_calibration(made).seal}"
