"""A change of a folder in place: killed at any step, it is not begun, or finished by the same call."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contact_reasons import journal
from contact_reasons.checks import check_place
from contact_reasons.errors import MigrationError
from contact_reasons.journal import JOURNAL, change_files, finish_change, unfinished_change
from contact_reasons.references import find_references, migrate_pack
from contact_reasons.taxonomy import Migration, compare_taxonomies, draft_migration, read_migration
from tests.unit.test_taxonomy_difference import taxonomy

OLD = {"bill.a": {}, "bill.b": {}, "ship.late": {}}
NEW = {"bill.one": {"formerly": ["bill.a"]}, "bill.b": {}, "ship.late": {}}
STEPS = ("_write", "_rename", "_remove")


class Killed(BaseException):
    """What no code of ours catches, as nothing catches `kill -9`."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int, moment: str) -> None:
    """Die at a step of the journal: before it, when half of it is written, or right after it."""
    left = [step]

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def run(path: Path, *rest: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                real(path, *rest)
                return
            if left[0] > 0:
                real(path, *rest)
                return
            if moment == "half" and real.__name__ == "_write":
                path.write_bytes(rest[0][: len(rest[0]) // 2])
            if moment == "after":
                real(path, *rest)
            raise Killed

        return run

    for name in STEPS:
        monkeypatch.setattr(journal, name, dying(getattr(journal, name)))


@pytest.fixture
def pack(tmp_path: Path) -> tuple[Path, Migration]:
    folder = tmp_path / "pack"
    (folder / "texts").mkdir(parents=True)
    (folder / "taxonomy.yaml").write_text(taxonomy("1", OLD).to_yaml())
    (folder / "texts" / "training.jsonl").write_text('{"text": "x", "reason": "bill.a"}\n')
    (folder / "texts" / "test.jsonl").write_text('{"text": "y", "reason": "bill.a"}\n')
    (folder / "notes.md").write_text("stays\n")
    (tmp_path / "old.yaml").write_text(taxonomy("1", OLD).to_yaml())
    (tmp_path / "new.yaml").write_text(taxonomy("2", NEW).to_yaml())
    difference = compare_taxonomies(taxonomy("1", OLD), taxonomy("2", NEW))
    (tmp_path / "m.yaml").write_text(draft_migration(difference, old="old.yaml", new="new.yaml"))
    return folder, read_migration(tmp_path / "m.yaml")


def contents(folder: Path, *, hidden: bool = False) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (hidden or not path.name.startswith("."))
    }


@pytest.mark.parametrize("moment", ["before", "half", "after"])
@pytest.mark.parametrize("step", range(1, 10))
def test_a_kill_at_any_step_leaves_all_old_or_what_the_same_call_makes_all_new(
    pack: tuple[Path, Migration], monkeypatch: pytest.MonkeyPatch, step: int, moment: str
) -> None:
    folder, migration = pack
    old = contents(folder)
    with monkeypatch.context() as patched:
        kill_at(patched, step, moment)
        with pytest.raises(Killed, match=r"\A\Z"):
            migrate_pack(folder, migration, in_place=True)
    if unfinished_change(folder) is None:
        finished = contents(folder) != old
        assert finished == (step == 9 and moment == "after"), "without a journal, all is old, or the last step was done"
    else:
        for refused in (lambda: find_references(migration, folder), lambda: migrate_pack(folder, migration)):
            with pytest.raises(MigrationError, match="was interrupted, so that some files may be new and some old"):
                refused()
        with pytest.raises(MigrationError, match="was interrupted"):
            list(check_place(str(folder)))
    again = migrate_pack(folder, migration, in_place=True)
    assert again.to_do == ()
    new = contents(folder, hidden=True)
    assert set(new) == set(old), "nothing is left over"
    assert {name for name in old if old[name] != new[name]} == {
        "taxonomy.yaml",
        "texts/test.jsonl",
        "texts/training.jsonl",
    }
    assert b"bill.a" not in new["texts/training.jsonl"] + new["texts/test.jsonl"]
    if (step, moment) != (9, "after"):
        assert {*again.updated, *again.finished} == {name for name in old if old[name] != new[name]}


def test_the_steps_of_the_test_above_are_all_steps(
    pack: tuple[Path, Migration], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three new files and the journal are written; the journal and the files are renamed; the journal is removed."""
    done = []
    for name in STEPS:
        real = getattr(journal, name)
        monkeypatch.setattr(journal, name, lambda *given, real=real: (done.append(real.__name__), real(*given)))
    migrate_pack(*pack, in_place=True)
    assert done == ["_write"] * 4 + ["_rename"] * 4 + ["_remove"]


@pytest.mark.parametrize("step", range(1, 6))
def test_a_full_disk_before_the_journal_is_there_leaves_everything_as_it_was(
    pack: tuple[Path, Migration], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder, migration = pack
    old, left = contents(folder, hidden=True), [step]

    def full(path: Path, *rest: Any, real: Callable[..., None]) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, *rest)

    for name in STEPS:
        monkeypatch.setattr(journal, name, functools.partial(full, real=getattr(journal, name)))
    with pytest.raises(MigrationError, match="No space left on device; check rights and space, and start again"):
        migrate_pack(folder, migration, in_place=True)
    assert contents(folder, hidden=True) == old


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of two files, killed when the first one is new."""
    (folder / "a").write_text("a1")
    (folder / "b").write_text("b1")
    with monkeypatch.context() as patched:
        kill_at(patched, 5, "after")
        with pytest.raises(Killed, match=r"\A\Z"):
            change_files(folder, {"a": b"a2", "b": b"b2"}, "one > two")
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("a2", "b1")


def test_a_file_that_somebody_changed_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(tmp_path, monkeypatch)
    (tmp_path / "b").write_text("by hand")
    with pytest.raises(MigrationError, match=r"b: the file was changed after a change .*one > two.* put back"):
        finish_change(tmp_path)
    assert contents(tmp_path) == {"a": b"a2", "b": b"by hand"}
    (tmp_path / "b").write_text("b1")
    assert finish_change(tmp_path) == ("a", "b")
    assert contents(tmp_path, hidden=True) == {"a": b"a2", "b": b"b2"}
    assert finish_change(tmp_path) == ()


def test_a_change_by_another_migration_is_finished_with_that_one_first(
    pack: tuple[Path, Migration], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(pack[0], monkeypatch)
    with pytest.raises(MigrationError, match=r"another migration \(one > two\) was interrupted; finish it with that"):
        migrate_pack(*pack, in_place=True)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"about": 1, "files": []}', '{"about": "x", "files": [{"file": "a"}]}']
)
def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / JOURNAL).write_text(text)
    with pytest.raises(MigrationError, match=r"the journal of an interrupted change cannot be read \(.+\); restore"):
        unfinished_change(tmp_path)


def test_rights_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a1")
    (tmp_path / "b").write_text("b1")
    (tmp_path / "a").chmod(0o640)
    change_files(tmp_path, {"a": b"a2"}, "x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert contents(tmp_path, hidden=True) == {"a": b"a2", "b": b"b1"}
