"""Files of a folder replaced all together: killed at any moment, the folder is as it was or knows how to become what it was to be.

The new files are written beside the old ones, then a journal that names them all, then each takes its place. Before the journal is there, nothing
has changed; once it is, `finish_change` does the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contact_reasons.errors import MigrationError, shorten

__all__ = ["JOURNAL", "change_files", "check_finished", "finish_change", "unfinished_change"]

JOURNAL: Final = ".contact-reasons-change.json"
_BESIDE: Final = ".contact-reasons-new"


def change_files(folder: Path, contents: Mapping[str, bytes], about: str) -> None:
    """Replace files of a folder, all or none.

    Parameters
    ----------
    folder : Path
    contents : mapping of str to bytes
        New content by path in the folder.
    about : str
        What the change is, for those who find it unfinished.

    Raises
    ------
    OSError
        If something cannot be written. Before the journal is there, the folder is left as it was; afterwards `finish_change` goes on.
    """
    for left in folder.rglob(f".*{_BESIDE}"):  # of a change that was killed before its journal was there
        _remove(left)
    try:
        for name, content in contents.items():
            _write(_beside(folder / name), content)
            shutil.copymode(folder / name, _beside(folder / name))
        files = [
            {"file": name, "before": _sha256((folder / name).read_bytes()), "after": _sha256(content)}
            for name, content in contents.items()
        ]
        draft = folder / f"{JOURNAL}{_BESIDE}"
        _write(draft, json.dumps({"about": about, "files": files}, indent=1).encode())
        _rename(draft, folder / JOURNAL)
    except OSError:
        for place in (*(_beside(folder / name) for name in contents), folder / f"{JOURNAL}{_BESIDE}"):
            place.unlink(missing_ok=True)
        raise
    finish_change(folder)


def unfinished_change(folder: Path) -> str | None:
    """What an unfinished change of a folder is about; None if there is none.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    MigrationError
        If the journal cannot be read.
    """
    found = _journal(folder)
    return None if found is None else str(found["about"])


def check_finished(folder: Path) -> None:
    """Refuse a folder whose change was interrupted.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    MigrationError
    """
    if (about := unfinished_change(folder)) is not None:
        raise MigrationError(
            f"{folder}: a change in place ({about}) was interrupted, so that some files may be new and some old; "
            "finish it with the command that began it, `contact-reasons taxonomy migrate --in-place` with that migration"
        )


def finish_change(folder: Path) -> tuple[str, ...]:
    """Finish a change that was interrupted.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    tuple of str
        Files of the change; none if there is nothing to finish.

    Raises
    ------
    MigrationError
        If a file was changed by somebody else since, and nothing is written.
    OSError
        If a file cannot be replaced.
    """
    found = _journal(folder)
    if found is None:
        return ()
    waiting = []
    for each in found["files"]:
        path = folder / each["file"]
        now = _sha256(path.read_bytes()) if path.is_file() else None
        if now == each["after"]:
            continue
        beside = _beside(path)
        if not beside.is_file() or _sha256(beside.read_bytes()) != each["after"] or now != each["before"]:
            raise MigrationError(
                f"{path}: the file was changed after a change of the folder was interrupted ({found['about']}); put back the content it had, or remove "
                f"{folder / JOURNAL} to leave the folder half changed"
            )
        waiting.append(path)
    for path in waiting:
        _rename(_beside(path), path)
    _remove(folder / JOURNAL)
    for each in found["files"]:
        _beside(folder / each["file"]).unlink(missing_ok=True)
    return tuple(each["file"] for each in found["files"])


def _journal(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / JOURNAL).read_bytes())
        files = [(each["file"], each["before"], each["after"]) for each in found["files"]]
        if all(isinstance(one, str) for each in files for one in each) and isinstance(found["about"], str):
            return dict(found)
        said = "it is no journal"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        said = shorten(str(exc))
    raise MigrationError(
        f"{folder / JOURNAL}: the journal of an interrupted change cannot be read ({said}); restore the folder from a copy and remove it"
    )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}{_BESIDE}")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    _sync(path.parent)


def _rename(path: Path, target: Path) -> None:
    os.replace(path, target)
    _sync(target.parent)


def _remove(path: Path) -> None:
    path.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Renames of a folder onto the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
