"""Which files of a folder name reasons that change, or were made for the old version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from contact_reasons.errors import MigrationError, PolicyError
from contact_reasons.journal import check_finished
from contact_reasons.references.policy import policy_references
from contact_reasons.references.record import Edit, Reference
from contact_reasons.taxonomy import Migration, Taxonomy, Verdict
from contact_reasons.taxonomy.strict_yaml import parse_strict_yaml

__all__ = ["DERIVED", "RESULTS", "find_references", "read_text"]

DERIVED: Final = ("model", "calibration", "training result")
"""Kinds of files that are made from others: they are made again, not updated."""

RESULTS: Final = ("report.json", "report.md", "mislabelled.csv", "MODEL_CARD.md")
"""Files that a training writes."""

_TEXT_FILES: Final = (
    ".csv", ".json", ".jsonl", ".md", ".py", ".sql", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml",
)  # fmt: skip
_MAX_BYTES: Final = 64 * 1024 * 1024
_WORD: Final = re.compile(r"(?<![\w.])[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?(?!\w|\.\w)")
_REASON: Final = re.compile(r'("reason"\s*:\s*)"([^"\\]*)"')
_TICKETS: Final = (".csv", ".tsv")
_TAG: Final = "cr_"  # in front of codes, where a system's values are tags
_EXPORT: Final = "# Contact reasons for "


def find_references(migration: Migration, folder: str | Path) -> tuple[Reference, ...]:
    """Every place in a folder that names an old reason that does not simply stay, or was made for the old version.

    Rule files (conditions, promises, tests), labelled texts, the taxonomy, models, calibrations, migrations, field maps of CRMs; in other files of
    text, secondary ids with a dot or ``__``. Files that begin with a dot and files that are no text are not read. A folder that was exported to a
    CRM is one reference.

    Parameters
    ----------
    migration : Migration
    folder : str or Path

    Returns
    -------
    tuple of Reference
        By file and line.

    Raises
    ------
    MigrationError
        If there is no such folder, a file of it cannot be read, or a change of it was interrupted.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MigrationError(f"{root}: there is no such folder; name the one that holds the pack")
    check_finished(root)
    found: list[Reference] = []
    exports: list[Path] = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if any(part.startswith(".") for part in name.parts) or any(one in path.parents for one in exports):
            continue
        if path.is_dir() and (one := _export(migration, path, name.as_posix())) is not None:
            exports.append(path)
            found += one
        elif path.is_file() and path.suffix in _TEXT_FILES:
            found += _file_references(migration, path, name.as_posix())
    if any(one.kind == "model" for one in found):
        found = [one for one in found if Path(one.file).name not in RESULTS] + list(_results(root))
    return tuple(sorted(found, key=lambda one: (one.file, one.line)))


def _export(migration: Migration, folder: Path, name: str) -> list[Reference] | None:
    """The reference of a folder that was exported to a CRM; none if it is of another version than the old one; None if it is no export."""
    readme, sidecar = folder / "README.md", folder / "taxonomy.yaml"
    if not (readme.is_file() and sidecar.is_file() and (read_text(readme) or "").startswith(_EXPORT)):
        return None
    taxonomy = Taxonomy.from_yaml(sidecar)
    if taxonomy.sha256 != migration.old.sha256:
        return []
    why = "says what the CRM was made from, and stays"
    do = "plan the change there with `contact-reasons export plan`, --now with what the CRM lists now"
    version = f"{taxonomy.taxonomy_id} {taxonomy.version}"
    return [Reference(file=f"{name}/taxonomy.yaml", line=1, kind="export", names=version, why=why, do=do)]


def _results(root: Path) -> Iterator[Reference]:
    for path in sorted(root.rglob("*")):
        if path.name in RESULTS and path.name != "MODEL_CARD.md":
            why = "written by a training of the old version"
            yield Reference(
                file=path.relative_to(root).as_posix(), line=1, kind="training result", names=path.name, why=why, do="train the model again"
            )  # fmt: skip


def read_text(path: Path) -> str | None:
    """The text of a file, line ends and byte order mark as they are; None if it is too large or no UTF-8.

    Parameters
    ----------
    path : Path

    Raises
    ------
    MigrationError
        If it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8") if path.stat().st_size <= _MAX_BYTES else None
    except UnicodeDecodeError:
        return None
    except OSError as exc:
        raise MigrationError(f"{path}: the file cannot be read ({exc.strerror or exc}); check its rights") from exc


def _file_references(migration: Migration, path: Path, name: str) -> Iterable[Reference]:
    text = read_text(path)
    if text is None:
        return []
    bom = "\ufeff" if text.startswith("\ufeff") else ""
    if path.suffix == ".jsonl":
        return _labelled_texts(migration, text, name)
    if path.suffix in (".yaml", ".yml"):
        found = _yaml_references(migration, text[len(bom) :], path, name)
        if found is not None:
            return found if not bom else [_shifted(one, len(bom)) for one in found]
    if path.suffix == ".json":
        known = _json_references(migration, text[len(bom) :], name)
        if known is not None:
            return known
    if path.suffix in (".yaml", ".yml", ".json"):
        from contact_reasons.references.maps import map_references  # the CRMs' events: of no use to other commands

        maps = map_references(text[len(bom) :], name, migration)
        if maps is not None:
            return [*(_shifted(one, len(bom)) for one in maps.found), *_mentions(migration, maps.rest, name)]
    return _mentions(migration, text, name)


def _shifted(one: Reference, by: int) -> Reference:
    import dataclasses

    edit = one.edit
    return one if edit is None else dataclasses.replace(one, edit=Edit(edit.start + by, edit.end + by, edit.text))


# ------------------------------------------------------------------------------------------------- YAML


def _yaml_references(migration: Migration, text: str, path: Path, name: str) -> list[Reference] | None:
    """References of a rule file, a taxonomy or a migration; None for any other file."""
    try:
        data = parse_strict_yaml(text, PolicyError, source=name).data
    except PolicyError:
        return None
    keys = set(data) if isinstance(data, dict) else set()
    if {"router", "rules"} <= keys:
        return policy_references(text, name, migration)
    if {"taxonomy_id", "primaries"} <= keys:
        return _taxonomy(migration, data, path, name)
    if {"migration", "from", "to", "reasons"} <= keys:
        return list(_migration(migration, data, name))
    return None


def _taxonomy(migration: Migration, data: dict[str, Any], path: Path, name: str) -> list[Reference]:
    found = Taxonomy.from_dict(data)
    version = f"{found.taxonomy_id} {found.version}"
    if found.sha256 == migration.new.sha256:
        return []
    is_packs = path.name == "taxonomy.yaml" and (
        "/" not in name or any((path.parent / one).exists() for one in ("policy.yaml", "texts"))
    )
    if found.sha256 == migration.old.sha256 and not is_packs:
        return [
            Reference(file=name, line=1, kind="taxonomy", names=version, why="a copy of the old version, which stays")
        ]
    if found.sha256 == migration.old.sha256:
        new = (f"{migration.new.taxonomy_id} {migration.new.version}",)
        return [
            Reference(file=name, line=1, kind="taxonomy", names=version, new=new, why="the new version takes its place")
        ]
    do = "take the reasons over by hand, or migrate from the version that is there"
    return [
        Reference(
            file=name, line=1, kind="taxonomy", names=version, why="neither the old version nor the new one", do=do
        )
    ]


def _migration(migration: Migration, data: dict[str, Any], name: str) -> Iterator[Reference]:
    target = data["to"].get("sha256") if isinstance(data["to"], dict) else None
    if target == migration.old.sha256:
        why = "leads to the old version: tickets of versions before go through it first, then through this migration"
        yield Reference(file=name, line=1, kind="migration", names=str(data["to"].get("version")), why=why)


# ------------------------------------------------------------------------------------------------- JSON


def _json_references(migration: Migration, text: str, name: str) -> list[Reference] | None:
    """References of a model's manifest or a calibration; None for any other file."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("taxonomy"), dict):
        return None
    of = data["taxonomy"]
    version = f"{of.get('taxonomy_id')} {of.get('version')}"
    line = text[: max(text.find('"taxonomy"'), 0)].count("\n") + 1
    if {"classes", "arrays", "thresholds"} <= set(data):
        if of.get("sha256") == migration.new.sha256:
            return []
        classes = [one for one in data["classes"] if one in migration.changed]
        why = f"trained for another version; {len(classes)} of its {len(data['classes'])} reasons changed"
        do = "train it again with the migrated texts, `contact-reasons train`"
        return [Reference(file=name, line=line, kind="model", names=version, why=why, do=do)]
    if {"promise", "thresholds", "model"} <= set(data):
        new = (migration.new.taxonomy_id, migration.new.version)
        if (of.get("taxonomy_id"), of.get("version")) == new:
            return []
        why = "a promise holds for the model and the reasons it was tested on"
        do = "calibrate the new model, `contact-reasons calibrate`, with a sample labelled by the new version"
        return [Reference(file=name, line=line, kind="calibration", names=version, why=why, do=do)]
    return None


# ------------------------------------------------------------------------------------------------ texts


def _labelled_texts(migration: Migration, text: str, name: str) -> Iterator[Reference]:
    at = 0
    for number, line in enumerate(text.split("\n"), 1):
        start, at = at, at + len(line) + 1
        try:
            row = json.loads(line.removeprefix("\ufeff")) if '"reason"' in line else None
        except (ValueError, RecursionError):
            continue  # whoever reads the texts says so
        reason = row.get("reason") if isinstance(row, dict) else None
        verdict = migration.verdict(reason) if isinstance(reason, str) else None
        if not isinstance(reason, str) or verdict is None or verdict == Verdict("to", (reason,)):
            continue
        one = _of_verdict(verdict)
        edit = None
        if verdict.kind == "to" and isinstance(row, dict):
            edit = _new_label(line, row, verdict.targets[0], start)
        yield Reference(
            file=name, line=number, kind="text", names=reason, new=verdict.targets, why=one[0], do=one[1], edit=edit
        )


def _of_verdict(verdict: Verdict) -> tuple[str, str]:
    if verdict.kind == "to":
        return f"it is {verdict.targets[0]} now", ""
    if verdict.kind == "split":
        return "the reason was split", f"label the text with one of {', '.join(verdict.targets)}"
    return "the reason was retired", "take the line out, or give the text another reason"


def _new_label(line: str, row: dict[str, Any], new: str, start: int) -> Edit:
    """The edit of a line that gives it another label and leaves all else as it is written."""
    found = list(_REASON.finditer(line))
    if len(found) == 1:
        match = found[0]
        edit = Edit(start + match.start(2), start + match.end(2), new)
        changed = line[: match.start(2)] + new + line[match.end(2) :]
        if json.loads(changed.removeprefix("\ufeff")) == {**row, "reason": new}:
            return edit
    end = "\r" if line.endswith("\r") else ""
    return Edit(start, start + len(line), json.dumps({**row, "reason": new}, ensure_ascii=False) + end)


# ------------------------------------------------------------------------------------------- other files


def _mentions(migration: Migration, text: str, name: str) -> Iterator[Reference]:
    """Secondary ids, or their codes, in a file of no known kind: nobody here can say what a change would do there."""
    changed = {key: item for key, item in migration.changed.items() if "." in key}
    codes = {reason.replace(".", "__"): verdict for reason, verdict in changed.items()}
    known = changed | codes | {_TAG + code: verdict for code, verdict in codes.items()}
    for number, line in enumerate(text.split("\n"), 1):
        for word in dict.fromkeys(_WORD.findall(line)):
            if word not in known:
                continue
            targets = known[word].targets
            tag = _TAG if word.startswith(_TAG) else ""
            written = tuple(tag + one.replace(".", "__") for one in targets) if "__" in word else targets
            do = f"write {' or '.join(written)}" if written else "take it out"
            do += ", together with whatever reads this file"
            if name.endswith(_TICKETS):
                do = "relabel tickets with `contact-reasons taxonomy migrate`"
            yield Reference(
                file=name, line=number, kind="other", names=word, new=written, why=_of_verdict(known[word])[0], do=do
            )
