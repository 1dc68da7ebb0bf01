"""A pack's files for the new version of its taxonomy: what needs no judgement is written, the rest is listed."""

from __future__ import annotations

import difflib
import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contact_reasons.errors import MigrationError, PolicyError
from contact_reasons.journal import change_files, finish_change, unfinished_change
from contact_reasons.pipeline import check_sound
from contact_reasons.references.find import DERIVED, find_references, read_text
from contact_reasons.references.record import Reference, edited
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import Migration

__all__ = ["MigratedPack", "migrate_pack"]


@dataclass(frozen=True, slots=True)
class MigratedPack:
    """What was updated in a folder, and what is left to a person.

    Parameters
    ----------
    folder : Path
        Where the files were written; the folder itself if nothing was.
    references : tuple of Reference
    updated : tuple of str
        Files with another content than before.
    left_out : tuple of str
        Files of the old version that the new folder does not have: models, calibrations, reports of trainings.
    diff : str
        All updates as a unified diff.
    finished : tuple of str
        Files of an earlier change in place that was interrupted and is finished now.
    """

    folder: Path
    references: tuple[Reference, ...]
    updated: tuple[str, ...]
    left_out: tuple[str, ...]
    diff: str
    finished: tuple[str, ...] = ()

    @property
    def to_do(self) -> tuple[Reference, ...]:
        """What needs judgement."""
        return tuple(one for one in self.references if one.needs_judgement)

    def as_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {
            "folder": str(self.folder),
            "updated": list(self.updated),
            "left_out": list(self.left_out),
            "finished": list(self.finished),
            "references": [one.as_dict() for one in self.references],
        }


def migrate_pack(
    folder: str | Path, migration: Migration, *, out: str | Path | None = None, in_place: bool = False
) -> MigratedPack:
    """Update what names old reasons, where no judgement is needed, in a new folder.

    Comments and spacing stay. Models, calibrations and reports of trainings are not taken over: they are made again. A rule file without
    anything left to judge is proved for the new taxonomy, and its tests are run.

    Parameters
    ----------
    folder : str or Path
    migration : Migration
    out : str or Path, optional
        New folder, which must not be there; it appears whole or not at all. Without it and ``in_place``, nothing is written.
    in_place : bool
        Change the files where they are, all or none; what was made from others stays, too. A change that was killed is finished by the same call.

    Raises
    ------
    MigrationError
        If the folder is not there, the new one is, or a file cannot be read or written.
    """
    root = Path(folder)
    if out is not None and in_place:
        raise MigrationError("give a new folder or change files in place, not both")
    finished = _finish(root, migration) if in_place else ()
    references = find_references(migration, root)
    contents = _contents(root, references, migration)
    left_out = tuple(sorted({one.file for one in references if one.kind in DERIVED}))
    diff = "".join(_diff(root, name, content) for name, content in sorted(contents.items()))
    target = root if out is None else Path(out)
    if out is not None and (target.exists() or target.is_symlink() or root.resolve() in target.resolve().parents):
        raise MigrationError(f"{target}: the folder exists, or lies in the one it is made from; choose another --out")
    needed = migration.old_file
    if in_place and needed is not None and needed.resolve() in [(root / name).resolve() for name in contents]:
        raise MigrationError(
            f"{needed}: changing the folder in place would replace the old taxonomy, which the migration still needs for tickets; "
            "copy it elsewhere first and draft the migration from the copy"
        )
    try:
        if out is not None:
            _write_folder(root, target, contents, left_out)
        elif in_place and contents:
            change_files(
                root, {name: content.encode() for name, content in sorted(contents.items())}, migration.version
            )
    except OSError as exc:
        raise MigrationError(
            f"{exc.filename or target}: {exc.strerror or exc}; check rights and space, and start again"
        ) from exc
    written = out is not None or in_place
    wrong = _proved(target, references, migration) if written else []
    return MigratedPack(
        target,
        tuple(sorted([*references, *wrong], key=lambda one: (one.file, one.line))),
        tuple(sorted(contents)),
        left_out if out is not None else (),
        diff,
        finished,
    )


def _finish(root: Path, migration: Migration) -> tuple[str, ...]:
    """Finish what an earlier run in place by this migration has begun."""
    about = unfinished_change(root)
    if about is not None and about != migration.version:
        raise MigrationError(
            f"{root}: a change in place by another migration ({about}) was interrupted; finish it with that migration first"
        )
    try:
        return finish_change(root)
    except OSError as exc:
        raise MigrationError(
            f"{exc.filename or root}: {exc.strerror or exc}; check rights and space, and start again"
        ) from exc


def _contents(root: Path, references: Sequence[Reference], migration: Migration) -> dict[str, str]:
    """New content of each file that changes, by its name."""
    contents = {}
    for name in sorted({one.file for one in references}):
        own = [one for one in references if one.file == name]
        if own[0].kind == "taxonomy" and own[0].new:
            text = None if migration.new_file is None else read_text(migration.new_file)
            contents[name] = migration.new.to_yaml() if text is None else text
        elif edits := [one.edit for one in own if one.edit is not None]:
            contents[name] = edited(read_text(root / name) or "", edits)
    return contents


def _write_folder(root: Path, target: Path, contents: dict[str, str], left_out: Sequence[str]) -> None:
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    models = {str(Path(name).parent) for name in left_out if Path(name).name == "manifest.json"}

    def ignored(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(root)
        return {name for name in names if str(inside / name) in models or (inside / name).as_posix() in left_out}

    try:
        shutil.copytree(root, temporary, ignore=ignored)
        for name, content in contents.items():
            (temporary / name).write_bytes(content.encode())
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _proved(root: Path, references: Sequence[Reference], migration: Migration) -> list[Reference]:
    """Rule files that are wrong for the new taxonomy although nothing in them was left to judge."""
    open_ = {one.file for one in references if one.kind == "policy" and one.needs_judgement}
    names = {one.file for one in references if one.kind == "policy"} | {"policy.yaml"}
    wrong = []
    for name in sorted(names - open_):
        path = root / name
        if not path.is_file():
            continue
        try:
            policy = RoutingPolicy.from_yaml(path, taxonomy=migration.new)
            check_sound(policy, path)
            tests = policy.run_tests()
            if not tests.passed:
                raise PolicyError(str(tests))
        except PolicyError as exc:
            version = f"{migration.new.taxonomy_id} {migration.new.version}"
            why = f"not right for the new taxonomy: {exc}"
            do = "correct rules or tests, then `contact-reasons validate`"
            wrong.append(Reference(file=name, line=1, kind="policy", names=version, why=why, do=do))
    return wrong


def _diff(root: Path, name: str, content: str) -> str:
    before, after = (list(io.StringIO(text, newline="\n")) for text in (read_text(root / name) or "", content))
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=2)
    )
