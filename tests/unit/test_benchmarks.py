"""The harness of the benchmarks, end to end on a tiny set; no speed is asserted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from tests.benchmarks.__main__ import main
from tests.benchmarks.accuracy import mcnemar
from tests.benchmarks.charts import digest, few_shot_rows
from tests.benchmarks.data import Texts, few_shot, held_out
from tests.benchmarks.explanations import Explained, questions, removal, without
from tests.benchmarks.explanations_page import explanation_lines
from tests.benchmarks.page import BEGIN, END, page, readme_block, with_block
from tests.conftest import ROOT

WORDS = {
    "delivery": {"track": "where is my parcel", "late": "the parcel is late"},
    "billing": {"invoice": "send the invoice again", "refund": "money back please"},
}


def write_set(folder: Path, name: str) -> None:
    lines = [
        {"text": f"{text} number {i}", "primary": primary, "secondary": secondary}
        for primary, secondaries in WORDS.items()
        for secondary, text in secondaries.items()
        for i in range(15)
    ]
    (folder / name).mkdir(parents=True)
    for part, rows in (("train", lines), ("dev", lines[:4]), ("test", lines[::3])):
        (folder / name / f"{part}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def test_the_harness_measures_and_writes_its_pages(tmp_path: Path) -> None:
    write_set(tmp_path / "shared" / "data", "banking77")
    out = tmp_path / "checkout"
    (out / "docs" / "explanation").mkdir(parents=True)
    (out / "tests" / "benchmarks").mkdir(parents=True)
    (out / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    options = ["--shared", str(tmp_path / "shared"), "--out", str(out), "--seeds", "1", "--rounds", "1"]
    main([*options, "--peers", "ours", "words_lr", "--only", "accuracy", "few-shot", "speed", "cold-start", "promise"])

    results = json.loads((out / "tests" / "benchmarks" / "results.json").read_text())
    engine = results["engine"]
    full = engine["accuracy"]["sets"]["banking77"]
    assert (full["train"], full["test"], full["reasons"], full["primaries"]) == (60, 20, 4, 2)
    for name in ("ours", "words_lr"):
        assert full["peers"][name]["secondary"]["hits"] == 20
        assert engine["few_shot"]["sets"]["banking77"]["peers"][name]["secondary"]["total"] == 20
        measured = engine["speed"]["peers"][name]
        assert measured["per_second"] > 0
        assert measured["peak_bytes"] > measured["model_bytes"] > 0
    programs = engine["cold_start"]["programs"]
    assert list(programs) == ["python", "numpy", "ours", "ours_one_thread", "words_lr"]
    for values in programs.values():
        assert 0 < values["wall"]["least"] <= values["wall"]["median"]
        assert 0 < values["cpu"]["least"] <= values["cpu"]["median"]
    assert full["peers"]["words_lr"]["mcnemar"]["ours"]["secondary"] == {"ours_only": 0, "theirs_only": 0, "p": 1.0}
    assert full["peers"]["words_lr"]["choice"] in (3, 10, 30, 100)
    assert set(engine["speed"]["peers"]["words_lr"]["ratios"]) == {"ours"}
    assert list(engine["accuracy"]["stamp"]["models"]) == ["ours, banking77"]
    promised = results["promise"]["sets"]["banking77"]
    assert promised["halves"]["ours"]["without_promise"] == 1  # ten rows allow none
    assert promised["draws"]["ours"]["kept"] == 1

    assert (out / "docs" / "explanation" / "measurements.md").read_text() == page(results)
    readme = (out / "README.md").read_text()
    assert readme == f"before\n{readme_block(results)}\nafter\n"
    assert "| contact_reasons |" in readme


def test_one_section_is_measured_again_and_the_others_keep_their_figures(tmp_path: Path) -> None:
    write_set(tmp_path / "shared" / "data", "hwu64")
    out = tmp_path / "checkout"
    (out / "docs" / "explanation").mkdir(parents=True)
    file = out / "tests" / "benchmarks" / "results.json"
    file.parent.mkdir(parents=True)
    kept = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text())
    kept.pop("engine", None)
    file.write_text(json.dumps(kept))
    (out / "README.md").write_text(f"{BEGIN}\n{END}")
    options = ["--shared", str(tmp_path / "shared"), "--out", str(out)]
    main([*options, "--peers", "words_lr", "--only", "accuracy"])
    results = json.loads(file.read_text())
    assert results.pop("engine")["accuracy"]["sets"]["hwu64"]["train"] == 64
    assert results == kept


def test_without_public_texts_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="name their parent folder with --shared"):
        main(["--shared", str(tmp_path)])


@pytest.mark.parametrize(
    ("n_ours", "n_theirs", "p"), [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (10, 0, 2 / 2**10)]
)
def test_mcnemar_is_the_exact_binomial_test_of_unequal_rows(n_ours: int, n_theirs: int, p: float) -> None:
    ours = [True] * n_ours + [False] * n_theirs + [True, False]
    theirs = [False] * n_ours + [True] * n_theirs + [True, False]
    found = mcnemar(ours, theirs)
    assert (found["ours_only"], found["theirs_only"]) == (n_ours, n_theirs)
    assert found["p"] == pytest.approx(p)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 5), st.integers(1, 12))
def test_few_shot_draws_so_many_of_each_reason_and_leaves_the_rest(ids: list[str], seed: int, n_each: int) -> None:
    train = Texts([f"{reason}{row}" for row, reason in enumerate(ids)], ids)
    drawn, archive = few_shot(train, seed, n_each)
    assert Counter(drawn.ids) == {reason: min(n_each, count) for reason, count in Counter(ids).items()}
    assert sorted(drawn.texts + archive) == sorted(train.texts)
    assert few_shot(train, seed, n_each) == (drawn, archive)
    assert all(text.startswith(reason) for text, reason in zip(*drawn, strict=True))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60))
def test_a_fifth_of_each_reason_is_held_out(ids: list[str]) -> None:
    train = Texts([str(row) for row in range(len(ids))], ids)
    inside, outside = held_out(train)
    assert sorted(inside.texts + outside.texts) == sorted(train.texts)
    counts = Counter(outside.ids)
    assert all(counts[reason] == count // 5 for reason, count in Counter(ids).items())


@pytest.mark.parametrize("readme", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_readme_without_one_pair_of_markers_is_refused(readme: str) -> None:
    with pytest.raises(ValueError, match="measured"):
        with_block(readme, "block")


def test_the_digest_of_a_chart_changes_with_its_figures() -> None:
    values = {"seeds": 1, "secondary": {"share": 0.5, "least": 0.4, "most": 0.6}}
    results = {"engine": {"few_shot": {"sets": {"x": {"title": "X", "peers": {"ours": values}}}}}}
    before = digest(few_shot_rows(results))
    values["secondary"]["share"] = 0.51
    assert digest(few_shot_rows(results)) != before


def test_words_are_cut_out_where_they_stand(retail: cr.Pipeline) -> None:
    text = "where, oh where is my parcel?"
    explained = Explained(text, "delivery.track", 0.9, retail.explain(cr.Contact(text=text)))
    assert without(explained, [5, 0]) == ", oh where is my ?"
    assert without(explained, []) == text


def test_removal_compares_the_named_words_with_random_ones_and_questions_with_the_truth(retail: cr.Pipeline) -> None:
    clean = [
        "where is my parcel today",
        "please cancel the order i made",
        "the voucher code is refused at checkout",
        "??",
    ]
    found = removal(retail, clean)
    assert found["texts"] == 3
    table = found["table"]
    assert table["ours"]["3"]["drop"] > table["random"]["3"]["drop"] >= table["random"]["3"]["least"]
    assert table["occlusion"]["1"]["drop"] >= table["ours"]["1"]["drop"] - 1e-9  # it tries every word
    asked = questions(retail, clean, [["delivery.track"], [], [], []])
    assert (asked["texts"], asked["without_secondary"], asked["in_scope"], asked["asked"]["hits"]) == (4, 1, 0, 0)
    lines = explanation_lines({"seeds": [0], "sets": {"some": {"removal": found, "questions": asked}}})
    assert "### Some: 3 texts of 6 words" in lines
