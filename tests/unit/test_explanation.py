"""Explanations: sums that are the probability, places in the clean text, JSON and HTML that are safe."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.classifier import ReasonModel
from contact_reasons.classifier.chances import CalibrationMap
from contact_reasons.classifier.features import split_words
from contact_reasons.confidence import Thresholds, label_rows
from contact_reasons.errors import RecordError
from contact_reasons.explanation import METHOD, OUT_OF_SCOPE, Explanation, explain_label
from contact_reasons.pipeline import contact_text as clean_of
from contact_reasons.taxonomy import Taxonomy
from tests.strategies import any_text, contact_text
from tests.unit.test_engine import arrays

PIPE = cr.load_pipeline("retail")
written = contact_text | any_text
CERTAIN = "where is my parcel"
OUTSIDE = "hello world, lorem ipsum dolor"
CLOSE = "delivery problem with order and i need help"


def explain(text: str, against: str | None = None) -> Explanation:
    return PIPE.explain(cr.Contact(text=text), against=against)


def primary_alone() -> Explanation:
    """Of a text whose secondary is not sure."""
    text = "the parcel of my order"
    thresholds = Thresholds(1.0, 0.0)
    model = PIPE.bundle.model
    label = label_rows(model.predict([text]), model.classes, thresholds)[0]
    assert label.level == "primary"
    return explain_label(model, text, label, thresholds, PIPE.taxonomy)


def log_odds(model: ReasonModel, text: str, reason: str, against: str | None = None) -> float:
    """From the scores, each exponential written out."""
    columns = [*model.classes, OUT_OF_SCOPE][: len(model.arrays.intercept)]
    n_words = sum(map(len, split_words([text])))
    evidence = n_words / (n_words + model.calibration.half_words)
    chances = {
        column: math.exp(score * (1.0 if column == OUT_OF_SCOPE else evidence))
        for column, score in zip(columns, model.scores([text])[0].tolist(), strict=True)
    }
    own = {column for column in columns if column == reason or column.startswith(f"{reason}.")}
    others = {column for column in columns if against is None or column == against or column.startswith(f"{against}.")}
    return math.log(sum(chances[c] for c in own)) - math.log(sum(chances[c] for c in others - own))


@given(text=written)
def test_words_and_rest_add_up_to_the_log_odds_of_the_reason(text: str) -> None:
    found = explain(text)
    assert math.fsum(word.contribution for word in found.words) == pytest.approx(found.linear + found.hidden, abs=1e-9)
    assert found.linear + found.hidden + found.rest == pytest.approx(found.margin, abs=1e-9)
    if found.reason is not None:
        assert found.margin == pytest.approx(log_odds(PIPE.bundle.model, found.text, found.reason), abs=1e-3)


def test_a_primary_alone_is_explained_against_the_other_primaries() -> None:
    found = primary_alone()
    assert found.reason is not None
    assert found.reason == found.label.primary
    assert found.runner_up in {*(primary.id for primary in PIPE.taxonomy.primaries), OUT_OF_SCOPE}
    assert found.runner_up != found.reason
    assert found.probability == pytest.approx(found.label.confidence, abs=1e-6)
    assert found.margin == pytest.approx(log_odds(PIPE.bundle.model, found.text, found.reason), abs=1e-3)
    assert math.fsum(word.contribution for word in found.words) + found.rest == pytest.approx(found.margin, abs=1e-9)


def test_one_rival_gives_the_log_odds_of_the_two() -> None:
    second = explain(CLOSE).label.ranked[1].reason
    found = explain(CLOSE, against=second)
    assert found.against == found.runner_up == second
    assert found.reason is not None
    assert found.margin == pytest.approx(log_odds(PIPE.bundle.model, CLOSE, found.reason, second), abs=1e-3)
    swapped = {word.word: word.contribution for word in explain(CLOSE).words}
    assert {word.word: word.contribution for word in found.words} != swapped


@pytest.mark.parametrize("against", ["returns", "returns.label", OUT_OF_SCOPE])
def test_a_rival_may_be_a_secondary_a_primary_or_out_of_scope(against: str) -> None:
    found = explain(CLOSE, against=against)
    assert found.against == against
    assert math.fsum(word.contribution for word in found.words) + found.rest == pytest.approx(found.margin, abs=1e-9)


@pytest.mark.parametrize(
    ("against", "message"),
    [("deliver.late", "did you mean 'delivery.late'"), ("delivery", "in common"), ("delivery.track", "in common")],
)
def test_a_rival_that_is_none_is_refused(against: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        explain(CERTAIN, against=against)


def test_a_text_out_of_scope_is_explained_as_that() -> None:
    found = explain(OUTSIDE)
    assert found.label.abstained
    assert (found.reason, found.runner_up) == (OUT_OF_SCOPE, found.label.ranked[0].reason)
    assert {word.word for word in found.strongest(1)} <= {"hello", "world", "lorem", "ipsum", "dolor"}


@given(text=written)
def test_places_lie_in_the_clean_text_and_hold_their_words(text: str) -> None:
    contact = cr.Contact(text=text)
    found = PIPE.explain(contact)
    assert found.text == clean_of(contact)
    assert found.label == PIPE.label(contact)
    places = [place for word in found.words for place in (word.start, word.stop)]
    assert places == sorted(places)
    assert all(found.text[word.start : word.stop] == word.word != "" for word in found.words)
    assert all(found.text[phrase.start : phrase.stop] == phrase.phrase for phrase in found.phrases)
    starts, stops = {word.start: i for i, word in enumerate(found.words)}, {w.stop for w in found.words}
    assert all(phrase.start in starts and phrase.stop in stops for phrase in found.phrases)


@pytest.mark.parametrize("text", ["", "?!", "4711", "日本語の文章", "a b c"])
def test_where_nothing_is_known_nothing_counts(text: str) -> None:
    found = explain(text)
    assert not found.known
    assert (found.reason, found.words, found.phrases, found.margin) == (None, (), (), 0.0)
    assert "knows no word" in found._repr_html_()
    assert found.to_dict()["reason"] is None


def test_the_strongest_words_are_those_that_count_most_for_the_reason() -> None:
    found = explain("it says delivered but it is not here, refund?")
    best = found.strongest(2)
    assert best[0].word == "delivered"
    assert best[0].contribution >= best[1].contribution > 0
    assert len(found.strongest(99)) == sum(word.contribution > 0 for word in found.words) < len(found.words)
    assert min(found.words, key=lambda word: word.contribution).word == "refund"


@given(text=st.lists(st.sampled_from(["zorble", "quux", "parcel", "refund", "späßle"]), min_size=1).map(" ".join))
def test_no_words_in_the_repr_nor_in_json_without_text(text: str) -> None:
    found = explain(text)
    without = json.dumps(found.to_dict(include_text=False) | {"method": "", "ranked": []}, ensure_ascii=False)
    for said in (repr(found), repr(found.words), without):
        assert not {"zorble", "quux", "späßle"} & set(re.findall(r"\w+", said))
    assert len(found.to_dict(include_text=False)["words"]) == len(found.words)


def test_json_holds_the_whole_explanation() -> None:
    found = explain(CLOSE)
    data = json.loads(found.to_json())
    assert data == found.to_dict()
    assert [word["word"] for word in data["words"]] == CLOSE.split()
    assert sum(word["contribution"] for word in data["words"]) + data["rest"] == pytest.approx(data["margin"])
    assert (data["method"], data["level"], data["threshold"]) == (METHOD, None, PIPE.bundle.thresholds.secondary)
    assert [each["reason"] for each in data["ranked"]] == [each.reason for each in found.label.ranked]


def test_the_same_text_is_explained_the_same_way_twice() -> None:
    assert explain(CLOSE) == explain(CLOSE)


# ---------------------------------------------------------------------------------------------------- HTML


class Page(HTMLParser):
    """What a browser would make of a page: its tags and its text; every tag closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}
        assert all("url(" not in (value or "") for _, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def with_words(text: str) -> Explanation:
    """An explanation of this very text, without cleaning."""
    label = PIPE.label_texts([text])[0]
    return explain_label(PIPE.bundle.model, text, label, PIPE.bundle.thresholds, PIPE.taxonomy)


TAGS = {"div", "b", "bdi", "code", "span", "table", "tr", "td", "details", "summary"}


@given(
    text=written
    | st.lists(
        st.sampled_from(["<script>alert(1)</script>", "&amp;", '"onload="x', "parcel", "'", "<b", "مرحبا", "😀", "\n"])
    ).map(" ".join)
)
def test_html_holds_the_text_as_text_and_nothing_but_its_own_tags(text: str) -> None:
    page = Page(with_words(text)._repr_html_())
    assert page.tags <= TAGS
    assert page.attributes <= {"style", "title", "dir"}
    plain = re.sub(r"\r\n?", "\n", text)
    assert plain in re.sub(r"\r\n?", "\n", page.text)


@pytest.mark.parametrize("text", ["where <is <my <parcel", "parcel <\u0301late", "where & is & my & parcel"])
def test_html_escapes_what_stands_inside_words_and_phrases(text: str) -> None:
    """A mark after a bracket is part of a word, and so is the bracket; a phrase holds what stands between its words."""
    html = with_words(text)._repr_html_()
    assert not re.search("<(?:is|my|parcel)|<\u0301|& ", html)
    if "is" in text:
        assert "as phrases: " in html


def test_html_shades_words_for_and_against_without_leaning_on_colour_alone() -> None:
    html = explain("it says delivered but it is not here, refund?")._repr_html_()
    delivered, refund = (
        re.search(rf'<span title="(\S+)" style="([^"]+)">{word}<', html) for word in ("delivered", "refund")
    )
    assert delivered is not None
    assert refund is not None
    assert delivered.group(1).startswith("+")
    assert refund.group(1).startswith("-")
    assert "solid" in delivered.group(2)
    assert "dotted" in refund.group(2)
    assert "src=" not in html
    assert "http" not in html
    assert 'dir="auto"' in html


def test_html_says_what_was_decided_at_which_level() -> None:
    limit = PIPE.bundle.thresholds.secondary
    assert f"reported from {limit:.3f} on" in Page(explain(CERTAIN)._repr_html_()).text
    assert "the primary alone" in Page(primary_alone()._repr_html_()).text
    assert "Left to a person. Most probable: none of the known reasons" in Page(explain(OUTSIDE)._repr_html_()).text
    rival = explain(CLOSE).label.ranked[1].reason
    assert f"against {PIPE.taxonomy[rival].label}" in Page(explain(CLOSE, rival)._repr_html_()).text


# ----------------------------------------------------------------------------------------- other taxonomies


def test_labelling_imports_nothing_of_explanations_questions_and_audit_records() -> None:
    code = """
import sys, contact_reasons
contact_reasons.load_pipeline("retail").handle(contact_reasons.Contact(text="where is my parcel"))
late = [name for name in sys.modules if name.startswith("contact_reasons.") and name.split(".")[1] in ("explanation", "questions", "audit")]
assert not late and "contact_reasons.classifier.attribution" not in sys.modules, late
assert contact_reasons.Explanation and contact_reasons.Question and contact_reasons.AuditRecord
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_pack_of_ones_own_is_explained(tiny_pack: Path) -> None:
    pipe = cr.load_pipeline(tiny_pack)
    found = pipe.explain(cr.Contact(text="refund my money, where is it"))
    assert found.known
    assert math.fsum(word.contribution for word in found.words) + found.rest == pytest.approx(found.margin, abs=1e-9)


def test_a_reason_without_any_rival_is_certain_whatever_the_words() -> None:
    model = ReasonModel(["a.one", "a.two", "a.three", "a.four", "a.five"], arrays())
    taxonomy = Taxonomy.from_pairs([("a", name) for name in ("one", "two", "three", "four", "five")])
    label = cr.ReasonLabel(primary="a", secondary=None, confidence=1.0, abstained=False)
    found = explain_label(model, "refund my parcel", label, Thresholds(1.0, 0.0), taxonomy)
    assert (found.reason, found.runner_up, found.margin) == ("a", None, 0.0)
    assert {word.contribution for word in found.words} == {0.0}


@pytest.mark.parametrize("text", [CERTAIN, CLOSE, OUTSIDE])
def test_the_threshold_is_that_of_the_primary_where_primaries_have_their_own(text: str) -> None:
    best = PIPE.label_texts([text])[0].ranked[0].reason
    thresholds = Thresholds(None, None, by_primary=((best.partition(".")[0], Thresholds(0.625, 0.875)),))
    label = label_rows(PIPE.bundle.model.predict([text]), PIPE.bundle.model.classes, thresholds)[0]
    found = explain_label(PIPE.bundle.model, text, label, thresholds, PIPE.taxonomy)
    assert found.threshold == 0.625
    assert found.reason == explain(text).reason


@pytest.mark.parametrize("text", [CERTAIN, CLOSE, OUTSIDE, "refund"])
def test_evidence_that_grows_with_length_is_part_of_the_log_odds(text: str) -> None:
    shipped = PIPE.bundle.model
    model = ReasonModel(shipped.classes, shipped.arrays, CalibrationMap(half_words=3.0, a=0.7, b=0.9, c=0.2))
    thresholds = Thresholds(0.6, 0.8)
    label = label_rows(model.predict([text]), model.classes, thresholds)[0]
    found = explain_label(model, text, label, thresholds, PIPE.taxonomy)
    assert found.reason is not None
    assert found.margin == pytest.approx(log_odds(model, text, found.reason), abs=1e-3)
    assert math.fsum(word.contribution for word in found.words) + found.rest == pytest.approx(found.margin, abs=1e-9)
    assert explain(text).margin != pytest.approx(found.margin, abs=1e-3)


def test_a_model_that_knows_no_scope_has_only_reasons_as_rivals() -> None:
    model = ReasonModel(["a.one", "a.two", "b.one", "b.two", "c.one"], arrays())
    taxonomy = Taxonomy.from_pairs([("a", "one"), ("a", "two"), ("b", "one"), ("b", "two"), ("c", "one")])
    thresholds = Thresholds(None, None)
    label = label_rows(model.predict(["refund my parcel"]), model.classes, thresholds)[0]
    found = explain_label(model, "refund my parcel", label, thresholds, taxonomy)
    assert found.reason == label.ranked[0].reason
    assert found.threshold is None
    assert "never reported" not in Page(found._repr_html_()).text
    with pytest.raises(RecordError, match="no reason that the model knows"):
        explain_label(model, "refund my parcel", label, thresholds, taxonomy, OUT_OF_SCOPE)
