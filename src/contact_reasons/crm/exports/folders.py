"""Files of an export on disk: written whole or not at all, over nothing; read as texts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contact_reasons.crm.exports.documents import MAX_CHARS
from contact_reasons.errors import CrmError

__all__ = ["read_folder", "write_folder"]

_KINDS = (".json", ".xml", ".csv", ".yaml")


def write_folder(files: Mapping[str, str], folder: str | Path) -> tuple[Path, ...]:
    """Write texts into a folder that is new or empty; all of them, or none.

    Parameters
    ----------
    files : mapping of str to str
        Text by relative path.
    folder : str or Path

    Raises
    ------
    CrmError
        If something lies there already, or it cannot be written.
    """
    folder = Path(folder)
    try:
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            raise CrmError(
                f"{folder}: there is something of that name already, and nothing is overwritten; choose another name or folder"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
            whole = Path(beside) / "files"
            for name, text in files.items():
                place = whole / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text.encode())
            if folder.exists():
                folder.rmdir()
            shutil.move(whole, folder)
    except OSError as exc:
        raise CrmError(
            f"{folder}: the files cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return tuple(folder / name for name in files)


def read_folder(path: str | Path) -> dict[str, str]:
    """The texts of the JSON, XML, CSV and YAML files of a folder, by relative path, or of one file, by its name.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    CrmError
        If there is none, or one cannot be read, is too long or not UTF-8.
    """
    path = Path(path)
    places = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    root = path.parent if path.is_file() else path
    named = {each.relative_to(root).as_posix(): each for each in places if each.suffix in _KINDS}
    if not named:
        raise CrmError(
            f"{path}: no .json, .xml, .csv or .yaml file; give what the CRM lists, as files, or the folder of an export"
        )
    files = {}
    for name, place in named.items():
        try:
            if place.stat().st_size > MAX_CHARS:
                raise CrmError(
                    f"{place}: {place.stat().st_size:,} bytes; at most {MAX_CHARS:,} are read: is it the right file?"
                )
            files[name] = place.read_bytes().decode("utf-8-sig")
        except OSError as exc:
            raise CrmError(f"{place}: the file cannot be read ({exc.strerror or exc}); check its rights") from exc
        except UnicodeDecodeError:
            raise CrmError(f"{place}: not UTF-8; save the file as UTF-8") from None
    return files
