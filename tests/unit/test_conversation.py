"""Conversations: the turns that say why are read, the first of them twice, and everything else stays one text."""

from __future__ import annotations

import csv
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons import bundle, pipeline
from contact_reasons.batch.labelled import read_labelled_file
from contact_reasons.batch.readers import open_source
from contact_reasons.batch.tasks import LabelTask
from contact_reasons.bundle import read_bundle, shipped_turns
from contact_reasons.conversation import KEPT, SMALL_TALK, WHY, Reading, read_conversations, reason_text
from contact_reasons.errors import BundleError
from contact_reasons.explanation import METHOD, explain_label
from contact_reasons.pipeline import contact_text, read_contacts
from contact_reasons.resources import pack_files, turns_folder
from contact_reasons.several import second_reasons
from tests.strategies import any_text

PIPE = cr.load_pipeline("retail")
TURNS = shipped_turns().model
ROWS = [json.loads(line) for line in (Path(__file__).with_name("conversations.jsonl")).read_text().splitlines()]
TALK = ["hi", "thank you so much", "yes please", "my name is Anna Berg", "ok", "bye", "no that's everything", "good morning"]  # fmt: skip
REASONS = [
    "where is my parcel",
    "I want to return the boots",
    "my kettle has stopped working",
    "please cancel my order",
]
turns_of = st.lists(st.sampled_from(TALK + REASONS) | any_text, max_size=8)


def chat(*texts: str, **more: Any) -> cr.Contact:
    return cr.Contact(turns=tuple(cr.Turn(speaker="customer", text=text) for text in texts), **more)


def test_labels_of_conversations_beat_those_of_all_their_turns_as_one_text() -> None:
    read = PIPE.handle_many(chat(*row["turns"]) for row in ROWS)
    whole = PIPE.label_texts(["\n".join(map(cr.clean_text, row["turns"])) for row in ROWS])

    def right(labels: list[cr.ReasonLabel]) -> int:
        return sum(label.secondary in row["reasons"] for label, row in zip(labels, ROWS, strict=True))

    assert len(ROWS) >= 40
    assert right([out.label for out in read]) >= right(whole) + 4
    assert right([out.label for out in read]) >= 0.9 * len(ROWS)


def test_the_turns_that_say_why_are_read_and_most_others_are_not() -> None:
    found = read_contacts(chat(*row["turns"]) for row in ROWS)
    wanted = [{cr.clean_text(row["turns"][i]) for i in row["why"]} for row in ROWS]
    assert sum(why <= set(reading.turns) for why, reading in zip(wanted, found, strict=True)) >= len(ROWS) - 2
    n_others = sum(len(row["turns"]) - len(row["why"]) for row in ROWS)
    assert sum(len(set(reading.turns) - why) for why, reading in zip(wanted, found, strict=True)) < n_others / 5


def test_the_first_turn_that_says_why_is_read_twice() -> None:
    found = read_conversations(
        TURNS, [["hi", "my kettle leaks", "it is order 12345", "please send a new kettle", "bye"]]
    )[0]
    assert found == Reading(("my kettle leaks", "please send a new kettle"), twice=0, chosen=True)
    assert found.text == "my kettle leaks\nmy kettle leaks\nplease send a new kettle"
    assert reason_text(TURNS, ["hi", "my kettle leaks"]) == "my kettle leaks\nmy kettle leaks"


@given(turns=st.lists(any_text, min_size=1, max_size=5), data=st.data())
def test_what_is_there_twice_is_found_and_taken_out_again(turns: list[str], data: st.DataObject) -> None:
    reading = Reading(tuple(turns), data.draw(st.integers(0, len(turns) - 1)))
    assert reading.repeated is not None
    assert reading.twice is not None
    start, stop = reading.repeated
    assert reading.text[start:stop] == "\n" + turns[reading.twice]
    assert reading.text[:start] + reading.text[stop:] == reading.once == "\n".join(turns)


@given(turns=turns_of, talk=st.lists(st.sampled_from(TALK), max_size=6))
def test_small_talk_at_the_end_changes_nothing(turns: list[str], talk: list[str]) -> None:
    turns = [*REASONS[:2], *turns]
    before, after = read_conversations(TURNS, [turns, [*turns, *talk]])
    assume(before.twice is not None)
    assert after == before


@given(turns=turns_of)
def test_turns_keep_their_order_and_reading_them_again_leaves_them(turns: list[str]) -> None:
    (found,) = read_conversations(TURNS, [turns])
    rest = iter(turns)
    assert all(turn in rest for turn in found.turns)
    assert read_conversations(TURNS, [found.turns])[0].turns == found.turns


@given(conversations=st.lists(turns_of, max_size=5), data=st.data())
def test_a_conversation_is_read_alone_as_in_any_batch(conversations: list[list[str]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(conversations))))
    alone = [read_conversations(TURNS, [turns])[0] for turns in conversations]
    assert read_conversations(TURNS, [conversations[i] for i in order]) == [alone[i] for i in order]


@given(turns=st.lists(st.sampled_from(TALK + REASONS), min_size=2, max_size=8))
def test_readings_equal_those_of_a_slow_twin(turns: list[str]) -> None:
    said = [TURNS.predict([turn]) for turn in turns]
    chances = [float(one.proba[0, 1]) * (one.in_scope[0] > 0) for one in said]
    lines, clear = [], False
    for turn, chance in zip(turns, chances, strict=True):
        if chance >= KEPT:
            lines += [turn, turn] if chance >= 0.5 and not clear else [turn]
            clear = clear or chance >= 0.5
    assert reason_text(TURNS, turns) == "\n".join(lines or turns)


@given(turns=st.lists(st.sampled_from(["hi", "thanks", "ok", "bye", "yes please"]), min_size=2, max_size=8))
def test_where_no_turn_says_why_all_are_read(turns: list[str]) -> None:
    assert reason_text(TURNS, turns) == "\n".join(turns)


@pytest.mark.parametrize(
    "turns",
    [
        ["Guten Tag", "mein Paket ist noch nicht angekommen", "Bestellung 4711", "ja gerne", "vielen Dank"],
        ["bonjour", "je veux annuler ma commande", "oui", "Camille Laurent", "merci beaucoup"],
        ["hola", "mi pedido no ha llegado", "muchas gracias", "adiós"],
        ["здравствуйте", "где моя посылка", "спасибо"],
        ["こんにちは", "荷物が届きません", "ありがとう"],
    ],
)
def test_all_turns_of_another_language_are_read(turns: list[str]) -> None:
    assert read_conversations(TURNS, [turns]) == [Reading(tuple(turns), chosen=True)]


@pytest.mark.parametrize(
    "contact",
    [
        cr.Contact(text="hi\nmy kettle leaks\nthanks", subject="Re: help"),
        cr.Contact(text="Agent: hello\nCustomer: hi, my kettle leaks\nAgent: sorry"),
        chat("hi, my kettle leaks. Thanks!", subject="kettle"),
        chat("hi", " ", "<br>"),
        cr.Contact(turns=(cr.Turn(speaker="agent", text="hello"),), subject="kettle"),
        cr.Contact(),
    ],
)
def test_where_the_customer_speaks_once_nothing_is_chosen_and_no_model_of_turns_is_read(
    contact: cr.Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "shipped_turns", lambda: pytest.fail("the model of turns is asked for"))
    said = [turn.text for turn in contact.turns if turn.speaker == "customer"] if contact.turns else [contact.text]
    parts = [cr.clean_text("", contact.subject), *map(cr.clean_text, said)]
    assert read_contacts([contact]) == [Reading(("\n".join(part for part in parts if part),))]
    assert PIPE.handle(contact).label == PIPE.label(contact)


def test_a_subject_is_a_turn_before_the_others() -> None:
    turns = ("hello", "yes", "Anna Berg", "thanks")
    assert contact_text(chat(*turns, subject="RE: where is my parcel")) == "where is my parcel\nwhere is my parcel"
    turns = ("hello", "where is my parcel", "thanks")
    assert contact_text(chat(*turns, subject="Good morning")) == "where is my parcel\nwhere is my parcel"


@pytest.mark.parametrize("row", ROWS[:12], ids=lambda row: row["reasons"][0])
def test_a_chat_log_is_read_as_its_turns(row: dict[str, Any]) -> None:
    log = "\n".join(f"Agent: one moment\nCustomer: {turn}" for turn in row["turns"])
    contact, same = cr.Contact(text=log, subject="Chat"), chat(*row["turns"], subject="Chat")
    assert read_contacts([contact]) == read_contacts([same])
    assert read_contacts([contact])[0].chosen
    assert PIPE.handle(contact) == PIPE.handle(same)


def log_of(row: dict[str, Any]) -> str:
    return "\n".join(f"Agent: one moment\nCustomer: {turn}" for turn in row["turns"])


def test_files_label_calibrate_and_evaluate_chat_logs_as_contacts(tmp_path: Path) -> None:
    with (tmp_path / "chats.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["text", "reason"], *([log_of(row), row["reasons"][0]] for row in ROWS)])
    labels = PIPE.handle_many(chat(*row["turns"]) for row in ROWS)
    (chunk,) = open_source(tmp_path / "chats.csv").chunks(1000)
    told = LabelTask(pack="retail").run(chunk)
    assert told["cr_reason"] == [out.label.reason for out in labels]
    assert told["cr_confidence"] == [out.label.confidence for out in labels]
    assert read_contacts(read_labelled_file(tmp_path / "chats.csv").contacts) == read_contacts(
        chat(*row["turns"]) for row in ROWS
    )
    truth = [row["reasons"][0] for row in ROWS]
    as_logs, as_turns = (
        cr.evaluate(PIPE, contacts, truth).figures
        for contacts in ([log_of(row) for row in ROWS], [chat(*row["turns"]) for row in ROWS])
    )
    assert as_logs == as_turns
    assert as_logs["coverage"]["share"] == sum(not out.label.abstained for out in labels) / len(ROWS)


def test_a_conversation_of_ten_thousand_turns_is_read() -> None:
    turns = ["hi", "my kettle leaks", *["ok thanks"] * 9_998]
    assert read_conversations(TURNS, [turns])[0].turns == ("my kettle leaks",)
    assert PIPE.label(chat(*["my kettle leaks"] * 10_000)).ranked


def test_second_reasons_are_looked_for_in_the_turns_each_once() -> None:
    contact = chat("hi there", "I need to change my address", "Ann Lee", "and where is my refund?", "thanks")
    (reading,) = read_contacts([contact])
    assert reading.twice == 0
    second, first = PIPE.second_reason(contact), PIPE.label(contact).ranked[0].reason
    assert second is not None
    assert {first, second.reason} == {"account.change_details", "returns.refund_when"}
    model = PIPE.bundle.model
    assert [second] == second_reasons(model, [reading.once], first=[first])
    assert second_reasons(model, [reading.text]) == [None]  # said twice, the first drowns it


def test_the_second_reason_is_never_the_one_of_the_label() -> None:
    contact = chat("hello", "password reset not working", "Ann Lee", "i need a copy of my invoice", "thanks")
    first = PIPE.label(contact).ranked[0].reason
    assert second_reasons(PIPE.bundle.model, [read_contacts([contact])[0].once])[0].reason == first  # type: ignore[union-attr]
    second = PIPE.second_reason(contact)
    assert second is not None
    assert (first, second.reason) == ("account.login", "payment.invoice")


# -------------------------------------------------------------------------------------------------- explanations


def test_an_explanation_shows_each_turn_once_and_adds_up() -> None:
    contact = chat("hi", "my parcel has not come", "Jane Doe", "where is it, it was due monday", "thanks", "bye")
    (reading,) = read_contacts([contact])
    found = PIPE.explain(contact)
    assert found.label == PIPE.label(contact)
    assert found.text == reading.once == "my parcel has not come\nwhere is it, it was due monday"
    assert [word.word for word in found.words] == found.text.replace(",", "").split()
    assert sum(word.contribution for word in found.words) == pytest.approx(found.linear + found.hidden)
    assert found.method.startswith(METHOD)
    assert "read twice" in found.method
    html = found._repr_html_()
    assert html.count(">parcel<") == 1
    assert "read twice" in html
    assert "read twice" not in PIPE.explain(chat("my parcel has not come")).method


@given(parts=st.tuples(any_text, st.sampled_from(REASONS) | any_text, any_text))
def test_what_a_repeated_part_adds_is_added_to_the_words_it_repeats(parts: tuple[str, str, str]) -> None:
    reading = Reading(parts, twice=1)
    assert reading.repeated is not None
    model = PIPE.bundle.model
    label = PIPE.label_texts([reading.text])[0]
    full = explain_label(model, reading.text, label, PIPE.thresholds, PIPE.taxonomy)
    found = explain_label(model, reading.text, label, PIPE.thresholds, PIPE.taxonomy, repeated=reading.repeated)
    assert (found.text, found.margin, found.rest) == (reading.once, full.margin, full.rest)
    assert sum(word.contribution for word in found.words) == pytest.approx(found.linear + found.hidden, abs=1e-9)
    places = [place for word in found.words for place in (word.start, word.stop)]
    assert places == sorted(places)
    assert all(found.text[word.start : word.stop] == word.word != "" for word in found.words)
    assert all(found.text[phrase.start : phrase.stop] == phrase.phrase for phrase in found.phrases)
    if not parts[1].isascii():
        return  # marks may join the line end before them: then the copies differ
    start, stop = reading.repeated
    before = [word for word in full.words if word.start < start]
    again = [word for word in full.words if start <= word.start < stop]
    after = [word for word in full.words if word.start >= stop]
    added = [0.0] * (len(before) - len(again)) + [word.contribution for word in again] + [0.0] * len(after)
    expected = [word.contribution + more for word, more in zip(before + after, added, strict=True)]
    assert [word.contribution for word in found.words] == pytest.approx(expected)
    assert [word.word for word in found.words] == [word.word for word in before + after]


def test_an_audit_record_names_the_model_of_turns_for_conversations_alone() -> None:
    contact = chat("hi", "my parcel has not come", "thanks")
    record = PIPE.audit(contact, include_text=True)
    assert record.model.turns_seal == shipped_turns().manifest.seal
    assert record.to_dict()["model"]["turns_seal"] == record.model.turns_seal
    assert record.text == contact_text(contact)
    assert PIPE.label_texts([record.text])[0] == record.label
    assert record.label_from == "model"
    assert PIPE.audit(cr.Contact(text="my parcel has not come")).model.turns_seal is None


# ------------------------------------------------------------------------------------------------------ the model


@pytest.fixture
def own_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped model of turns, which a process that has read none yet would read."""
    folder = Path(shutil.copytree(turns_folder(), tmp_path / "turns"))
    monkeypatch.setattr(bundle, "turns_folder", lambda: folder)
    monkeypatch.setattr(bundle, "_turns", [])
    return folder


def test_a_damaged_model_of_turns_is_refused_each_time_and_plain_contacts_are_labelled(own_turns: Path) -> None:
    content = bytearray((own_turns / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (own_turns / "arrays.npz").write_bytes(content)
    for _ in range(2):
        with pytest.raises(
            BundleError, match=r"turns.arrays\.npz: the SHA-256 is not the one .* restore the directory"
        ):
            PIPE.handle(chat("hi", "my kettle leaks"))
    assert PIPE.handle(chat("my kettle leaks")).label.ranked


def test_a_missing_model_of_turns_is_named_and_one_of_other_classes_refused(
    own_turns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_turns / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"turns.manifest\.json: the file is not there"):
        shipped_turns()
    monkeypatch.setattr(bundle, "turns_folder", lambda: pack_files("retail").model)
    with pytest.raises(BundleError, match=r"other classes than 'turn\.small_talk' and 'turn\.why'"):
        shipped_turns()


def test_the_model_of_turns_is_read_once_for_all_threads(own_turns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(bundle, "read_bundle", lambda folder: (read.append(folder), read_bundle(folder))[1])
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(shipped_turns())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == [own_turns]
    assert len(found) == 8
    assert all(one is found[0] for one in found)


def test_the_shipped_model_of_turns_is_small_and_tells_the_two_apart() -> None:
    assert TURNS.classes == (SMALL_TALK, WHY)
    assert sum(file.stat().st_size for file in turns_folder().iterdir()) < 600_000
    chances = TURNS.predict([*TALK, *REASONS]).proba[:, 1]
    assert chances[: len(TALK)].max() < KEPT
    assert chances[len(TALK) :].min() > 0.9
