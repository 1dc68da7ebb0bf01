"""An evaluation as a record and as a page: the figures are the measures', and the page shows the figures and nothing else."""

from __future__ import annotations

import base64
import copy
import csv
import hashlib
import html
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import contact_reasons as cr
from contact_reasons.errors import BatchError, RecordError, TaxonomyError
from contact_reasons.evaluation import score_confidence, score_labels
from contact_reasons.report import Evaluation, evaluate, evaluate_file
from contact_reasons.report.page import make_page
from contact_reasons.training import read_labelled_texts
from tests.conftest import ROOT, TINY_OUTSIDE, TINY_TEXTS

TEST_TEXTS = ROOT / "taxonomies" / "retail" / "texts" / "test.jsonl"
TEXTS = [text for texts in TINY_TEXTS.values() for text in texts] + TINY_OUTSIDE
TRUTH: list[str | None] = [reason for reason, texts in TINY_TEXTS.items() for _ in texts] + [None] * len(TINY_OUTSIDE)
VOID = {"meta", "br", "link", "img", "hr", "input"}


@pytest.fixture(scope="module")
def tiny(tiny_pack: Path) -> cr.Pipeline:
    return cr.load_pipeline(tiny_pack)


@pytest.fixture(scope="module")
def found(retail: cr.Pipeline) -> Evaluation:
    data = read_labelled_texts(TEST_TEXTS)
    return evaluate(retail, data.texts, data.reasons)


@pytest.fixture(scope="module")
def page(found: Evaluation) -> str:
    return found.to_html(title="Retail", date="2026-11-20")


class Reader(HTMLParser):
    """Elements with their attributes and text; every tag must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[dict[str, Any]] = []
        self.elements: list[dict[str, Any]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        element = {"tag": tag, "text": "", **{name: value or "" for name, value in attrs}}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append({"tag": tag, "text": "", **dict(attrs)})

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element["text"] += data

    def all(self, tag: str, style: str = "") -> list[dict[str, Any]]:
        return [e for e in self.elements if e["tag"] == tag and set(style.split()) <= set(e.get("class", "").split())]


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


# ------------------------------------------------------------------------------------------------- the record


def test_the_figures_hold_the_scores_of_the_labels_as_they_are_reported(found: Evaluation, retail: cr.Pipeline) -> None:
    data = read_labelled_texts(TEST_TEXTS)
    scores = score_labels(data.reasons, retail.label_texts(data.clean))
    assert {name: found.figures[name] for name in scores} == scores
    level = found.figures["levels"]["secondary"]
    assert {name: level[name] for name in scores["calibration"]} == scores["calibration"]
    assert level["aurc"] == scores["aurc"]


def test_a_primary_is_judged_by_the_sum_over_its_secondaries(found: Evaluation, retail: cr.Pipeline) -> None:
    data = read_labelled_texts(TEST_TEXTS)
    said = retail.bundle.model.predict(data.clean)
    chance, right = [], []
    for row, reason in enumerate(data.reasons):
        sums: dict[str, float] = {}
        for name, value in zip(retail.bundle.model.classes, said.proba[row] * said.in_scope[row], strict=True):
            sums[name.partition(".")[0]] = sums.get(name.partition(".")[0], 0) + float(value)
        best = max(sums, key=lambda name: (sums[name], name))
        chance.append(min(round(sums[best], 6), 1.0))
        right.append(reason is not None and best == reason.partition(".")[0])
    level, expected = found.figures["levels"]["primary"], score_confidence(chance, right)
    assert level["right"]["hits"] == expected.right.hits
    assert level["ece"] == pytest.approx(expected.ece, abs=1e-4)
    assert level["brier_top"] == pytest.approx(expected.brier_top, abs=1e-6)


def test_every_text_is_counted_once_wherever_texts_are_counted(found: Evaluation) -> None:
    figures = found.figures
    rows = figures["rows"]
    assert sum(figures["outcomes"].values()) == rows == figures["texts"] + figures["out_of_scope"]
    assert sum(sum(figures["histogram"][group]) for group in ("right", "wrong", "out_of_scope")) == rows
    for matrix in figures["confusion"].values():
        assert sum(count for _, _, count in matrix["cells"]) == rows
    for level in figures["levels"].values():
        assert sum(one["total"] for one in level["bins"]) == rows
        assert sum(one["total"] for one in level["equal_mass_bins"]) == rows
        assert level["curve"][-1]["coverage"] == 1
    assert figures["outcomes"]["wrong"] == figures["selective_risk"]["hits"]
    assert figures["coverage"]["hits"] == sum(
        figures["outcomes"][name] for name in ("secondary_right", "primary_only_right", "wrong")
    )


def test_the_order_of_texts_and_the_number_of_threads_change_no_figure(tiny: cr.Pipeline) -> None:
    order = random.Random(1).sample(range(len(TEXTS)), len(TEXTS))
    one = evaluate(tiny, TEXTS, TRUTH).to_dict()
    other = evaluate(tiny, [TEXTS[at] for at in order], [TRUTH[at] for at in order], n_threads=2).to_dict()
    assert one["about"].pop("data") != other["about"].pop("data")
    assert one == other


def test_texts_contacts_files_and_labels_give_the_same_figures(
    tiny: cr.Pipeline, tiny_pack: Path, tmp_path: Path
) -> None:
    file = tmp_path / "checked.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "reason"])
        writer.writerows([text, reason or ""] for text, reason in zip(TEXTS, TRUTH, strict=True))
        writer.writerow(["", "delivery.track"])
    texts = evaluate(tiny, TEXTS, TRUTH).to_dict()
    contacts = evaluate(tiny, [cr.Contact(text=text) for text in TEXTS], TRUTH).to_dict()
    assert contacts == texts
    read = evaluate_file(file, pack=tiny_pack).to_dict()
    assert read["about"]["data"].pop("file") == "checked.csv"
    assert read["about"]["data"].pop("rows_without_text") == 1
    assert read == texts


def test_no_text_of_a_customer_is_in_figures_or_page(tiny: cr.Pipeline) -> None:
    texts = ["where is my parcel zebrafish", "refund xylophone, please"]
    made = evaluate(tiny, texts, ["delivery.track", None])
    for shown in (repr(made), made.to_json(), made.to_html(), made._repr_html_()):
        assert not re.search("zebrafish|xylophone", shown)


def test_what_cannot_be_evaluated_is_refused(tiny: cr.Pipeline, tiny_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="2 texts and 1 reasons"):
        evaluate(tiny, ["a", "b"], [None])
    with pytest.raises(RecordError, match="give one reason"):
        evaluate(tiny, "a", [None])
    with pytest.raises(RecordError, match="no texts"):
        evaluate(tiny, [], [])
    with pytest.raises(RecordError, match=r"texts\[1\] is 'float'"):
        evaluate(tiny, ["a", math.nan], [None, None])  # type: ignore[list-item]
    with pytest.raises(TaxonomyError, match=r"delivery\.trak.*did you mean"):
        evaluate(tiny, ["a"], ["delivery.trak"])
    file = tmp_path / "empty.csv"
    file.write_text("text,reason\n,delivery.track\n")
    with pytest.raises(BatchError, match="no row holds a text"):
        evaluate_file(file, pack=tiny_pack)


def test_a_copy_of_the_figures_is_given_away(tiny: cr.Pipeline) -> None:
    made = evaluate(tiny, TEXTS, TRUTH)
    made.to_dict()["levels"].clear()
    assert set(made.to_dict()["levels"]) == {"secondary", "primary"}
    assert json.loads(made.to_json()) == made.to_dict()


def test_measuring_imports_no_training_stack(tiny_pack: Path) -> None:
    code = """
import sys, contact_reasons as cr
cr.evaluate(cr.load_pipeline(sys.argv[1]), ["where is my parcel"], ["delivery.track"])
for name in ("sklearn", "scipy", "joblib", "typer"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", code, str(tiny_pack)], check=True, timeout=60)


# --------------------------------------------------------------------------------------------------- the page


def test_the_page_is_whole_and_needs_nothing_else(page: str, reader: Reader) -> None:
    assert page.startswith("<!doctype html>")
    ids = [e["id"] for e in reader.elements if "id" in e]
    assert len(ids) == len(set(ids))
    for element in reader.elements:
        assert not {"src", "href", "srcset", "xlink:href", "background", "data"} & set(element)
        assert not any(name.startswith("on") for name in element)
        if "aria-labelledby" in element:
            assert element["aria-labelledby"] in ids
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|<img", page)


def test_the_page_allows_its_own_script_and_no_other(reader: Reader) -> None:
    [script] = reader.all("script")
    [policy] = [e["content"] for e in reader.all("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def at(figures: Any, path: str) -> Any:
    for key in path.split("/"):
        figures = figures[int(key)] if isinstance(figures, list) else figures[key]
    return figures


def test_every_figure_on_the_page_is_the_one_of_the_json(found: Evaluation, reader: Reader) -> None:
    figures, shown = json.loads(found.to_json()), reader.all("data")
    assert len(shown) > 300
    for element in shown:
        value = at(figures, element["data-of"])
        assert float(element["value"]) == value, element
        text = element["text"].removesuffix("%").replace(",", "")
        half = 0.5001 * 10.0 ** -len(text.partition(".")[2])
        scales = [100] if element["text"].endswith("%") else [1, 100, 1000]
        assert any(abs(float(text) - scale * value) <= half for scale in scales), element
    said = {element["data-of"] for element in shown}
    for name in (
        "coverage",
        "selective_risk",
        "secondary_accuracy",
        "primary_accuracy",
        "out_of_scope_left_to_a_person",
    ):
        assert {f"{name}/share", f"{name}/low", f"{name}/high"} <= said
    assert {f"reasons/{reason}/recall" for reason in figures["reasons"]} <= said


@pytest.mark.parametrize("level", ["secondary", "primary"])
def test_the_points_of_a_reliability_diagram_stand_where_the_figures_say(
    found: Evaluation, reader: Reader, level: str
) -> None:
    dots = [e for e in reader.all("circle", f"dot {level}") if e["r"] != "3"]
    bins = found.figures["levels"][level]["bins"]
    if level == "secondary":
        dots = dots[: len(bins)]
    x = [float(e["cx"]) for e in dots]
    y = [float(e["cy"]) for e in dots]
    assert np.polyfit([one["mean_confidence"] for one in bins], x, 1, full=True)[1] < 0.01
    assert np.polyfit([one["share"] for one in bins], y, 1, full=True)[1] < 0.01
    assert np.polyfit([one["share"] for one in bins], y, 1)[0] < 0


def test_charts_have_titles_and_their_figures_as_tables(reader: Reader) -> None:
    images = [e for e in reader.all("svg") if e.get("role") == "img"]
    assert len(images) == 5
    assert len(reader.all("details")) == 4
    assert all(len(e["text"]) > 20 for e in images)


def test_the_confusion_maps_hold_the_counts_of_the_figures(found: Evaluation, reader: Reader) -> None:
    hovers = [e for e in reader.all("td") if " of " in e.get("title", "")]
    cells = [count for matrix in found.figures["confusion"].values() for _, _, count in matrix["cells"]]
    assert sorted(int(e["text"].replace(",", "")) for e in hovers) == sorted(cells)
    labels = found.figures["labels"]
    truth, predicted, times = found.figures["confusions"][0]
    assert any(
        e["title"].startswith(f"“{labels[truth]}”: {times} of") and labels[predicted] in e["title"] for e in hovers
    )


def test_versions_and_hashes_are_on_the_page(found: Evaluation, retail: cr.Pipeline, reader: Reader, page: str) -> None:
    about = found.figures["about"]
    assert about["model"]["seal"] == retail.bundle.manifest.seal
    hashes = [e["text"] for e in reader.all("code")]
    assert hashes == [
        about["taxonomy"]["sha256"],
        about["model"]["seal"],
        about["model"]["arrays_sha256"],
        about["data"]["sha256"],
    ]
    assert "2026-11-20" in page
    assert about["taxonomy"]["version"] in page


def test_labels_and_titles_are_escaped(found: Evaluation) -> None:
    figures = copy.deepcopy(found.to_dict())
    nasty = "<script>alert(1)</script>\"' onmouseover=x &amp;"
    figures["labels"] = dict.fromkeys(figures["labels"], nasty)
    figures["about"]["data"].update(file=nasty, rows_without_text=0)
    read = Reader(make_page(figures, title=nasty, date=nasty))
    assert len(read.all("script")) == 1
    assert [e["text"] for e in read.all("h1")] == [nasty]
    assert not any(name.startswith("on") for e in read.elements for name in e)
    assert sum(nasty in e.get("title", "") for e in read.all("td")) > 50


def test_the_same_evaluation_gives_the_same_bytes_in_every_process(tiny: cr.Pipeline, tiny_pack: Path) -> None:
    code = """
import json, sys, contact_reasons as cr
texts, truth = json.loads(sys.argv[2])
sys.stdout.buffer.write(cr.evaluate(cr.load_pipeline(sys.argv[1]), texts, truth).to_html(date="d").encode())
"""
    pages = {
        subprocess.run(
            [sys.executable, "-c", code, str(tiny_pack), json.dumps([TEXTS, TRUTH])],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert pages == {evaluate(tiny, TEXTS, TRUTH).to_html(date="d").encode()}


@pytest.mark.parametrize(
    ("texts", "truth"),
    [
        (["where is my parcel"], ["delivery.track"]),
        (["hello"], [None]),
        (["", "qwrtzp"], [None, "billing.refund"]),
        (TEXTS[:20], TRUTH[:20]),
        (["refund my money"] * 3, ["delivery.track", "delivery.late", "billing.refund"]),
    ],
)
def test_small_and_one_sided_sets_have_a_page_too(tiny: cr.Pipeline, texts: list[str], truth: list[str | None]) -> None:
    made = evaluate(tiny, texts, truth)
    read = Reader(made.to_html())
    for element in read.all("data"):
        assert float(element["value"]) == at(json.loads(made.to_json()), element["data-of"])
    assert not re.search(r"\bnan\b|None|inf%", read.all("body")[0]["text"])
    assert "read the intervals" in read.all("body")[0]["text"]


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(tiny: cr.Pipeline) -> None:
    made = evaluate(tiny, TEXTS, TRUTH)
    [frame] = Reader(made._repr_html_()).all("iframe")
    assert frame["srcdoc"] == made.to_html()
    assert frame["sandbox"] == "allow-scripts"
    assert html.escape("<h1>") in made._repr_html_()


def test_without_jinja_the_page_says_what_to_install(tiny: cr.Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BatchError, match=r"pip install 'contact-reasons\[report\]'"):
        evaluate(tiny, TEXTS, TRUTH).to_html()


# ------------------------------------------------------------------------------------------------ in a browser


def rendered(page: str, folder: Path, width: int = 1200) -> str:
    """The page after its scripts have run, as a browser has it."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next((found for found in map(shutil.which, names) if found), None)
    if browser is None:
        pytest.skip("no headless browser (chromium or chrome) is installed")
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    command += [f"--window-size={width},900", "--virtual-time-budget=2000", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode or "</html>" not in done.stdout:
        pytest.skip("the browser does not start here")
    return done.stdout


def with_script(page: str, script: str) -> str:
    """The page without its policy, and with another script behind its own."""
    page = re.sub(r"<meta http-equiv[^>]*>", "", page)
    return page.replace("</body>", f"<script>{script}</script></body>")


def test_the_script_of_the_page_runs_under_its_policy(page: str, tmp_path: Path) -> None:
    made = rendered(page, tmp_path)
    assert 'class="has-js"' in made
    assert 'role="button"' in made


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page: str, found: Evaluation, tmp_path: Path) -> None:
    click = """
const heading = [...document.querySelectorAll(".each th")].find((th) => th.textContent.startsWith("found"));
const shown = () => [...document.querySelectorAll(".each tbody tr")].map((tr) => tr.cells[3].textContent).join(" ");
heading.firstChild.click(); const down = shown(); heading.firstChild.click();
document.body.dataset.down = down; document.body.dataset.up = shown(); document.body.dataset.sort = heading.ariaSort;
"""
    [body] = Reader(rendered(with_script(page, click), tmp_path)).all("body")
    recalls = sorted(f"{round(100 * score['recall']):03}" for score in found.figures["reasons"].values())
    up = [f"{int(value):03}" for value in re.findall(r"(\d+)%", body["data-up"])]
    assert len(up) == len(recalls)
    assert up == sorted(up)
    down = [f"{int(value):03}" for value in re.findall(r"(\d+)%", body["data-down"])]
    assert down == sorted(up, reverse=True)
    assert body["data-sort"] == "ascending"


@pytest.mark.parametrize("width", [500, 1200])
def test_nothing_is_wider_than_the_window(page: str, tmp_path: Path, width: int) -> None:
    probe = "document.body.dataset.over = document.documentElement.scrollWidth - document.documentElement.clientWidth;"
    [body] = Reader(rendered(with_script(page, probe), tmp_path, width)).all("body")
    assert body["data-over"] == "0"
