"""Answers to events: the first for a key stands, as long as it counts, in bounded space."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_reasons.errors import ServiceError
from contact_reasons.service.store import AnswerStore

steps = st.lists(
    st.tuples(st.sampled_from(["keep", "find"]), st.sampled_from("abcd"), st.binary(max_size=3), st.integers(0, 40)),
    max_size=40,
)


@given(steps)
def test_the_store_does_what_a_dictionary_with_times_does(steps: list[tuple[str, str, bytes, int]]) -> None:
    now = 1000
    store = AnswerStore(None, entries=100, seconds=60, clock=lambda: now)
    twin: dict[str, tuple[int, bytes]] = {}
    for step, key, answer, passed in steps:
        now += passed
        known = twin.get(key)
        counts = known is not None and known[0] > now - 60
        if step == "keep":
            assert store.keep(key, answer) == (known[1] if counts else None)  # type: ignore[index]
            if not counts:
                twin[key] = (now, answer)
        else:
            assert store.find(key) == (known[1] if counts else None)  # type: ignore[index]
    store.close()


def test_the_oldest_answers_go_first_and_old_ones_are_removed() -> None:
    now = 0.0
    store = AnswerStore(None, entries=300, seconds=1000, clock=lambda: now)
    for n in range(1000):
        store.keep(f"k{n}", b"x")
    assert 300 <= len(store) < 300 + 256
    assert store.find("k999") == b"x"
    assert store.find("k0") is None
    now = 2000.0
    for n in range(256):
        store.keep(f"m{n}", b"y")
    assert len(store) == 256
    store.close()


def test_a_file_keeps_the_answers_and_is_shared_by_processes(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    first = AnswerStore(file, entries=10, seconds=60)
    second = AnswerStore(file, entries=10, seconds=60)
    assert first.keep("a", b"first") is None
    assert second.keep("a", b"second") == second.keep("a", b"first") == b"first"
    second.close()
    first.close()
    assert AnswerStore(file, entries=10, seconds=60).find("a") == b"first"


def test_of_many_that_come_at_once_one_stands(tmp_path: Path) -> None:
    stores = [AnswerStore(tmp_path / "a.sqlite", entries=10, seconds=60) for _ in range(4)]
    found: list[bytes | None] = []

    def keep(n: int) -> None:
        found.extend(stores[n].keep(f"k{i}", b"the same") for i in range(50))

    threads = [threading.Thread(target=keep, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found.count(None), found.count(b"the same")) == (50, 150)


def test_another_file_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database at all, but long enough to be looked at" * 50)
    with pytest.raises(ServiceError, match="the store cannot be opened"):
        AnswerStore(text, entries=10, seconds=60)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("PRAGMA user_version=77")
    with pytest.raises(ServiceError, match="a store of format 77; this version reads 1"):
        AnswerStore(other, entries=10, seconds=60)
    with pytest.raises(ServiceError, match="the store cannot be opened"):
        AnswerStore(tmp_path / "no" / "folder.sqlite", entries=10, seconds=60)
