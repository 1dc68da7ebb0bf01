"""Ticket files of the tests: write them, label them, read what came out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import contact_reasons as cr


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rejects(out: Path) -> list[dict[str, Any]]:
    file = out.with_name(out.name + ".rejects.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def label(tiny_pack: Path, source: Path, out: Path, **options: Any) -> Any:
    return cr.label_file(source, out, pack=tiny_pack, **options)
