"""Notebooks run from a clean kernel and say what their committed outputs say."""

from __future__ import annotations

import getpass
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT
from tests.docs.notebooks import NOTEBOOKS, execute, texts

MOST_BYTES = 1_000_000
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"prove-and-fix-a-policy", "replay-a-change", "staff-the-result"}


@each_notebook
def test_a_notebook_runs_without_warnings_and_says_what_it_said(path: Path) -> None:
    committed, now = texts(read(path)), texts(execute(path))
    assert [cell for cell, _ in now] == [cell for cell, _ in committed]
    for (cell, found), (_, expected) in zip(now, committed, strict=True):
        assert found == expected, f"{path.name}, cell {cell}: another output; `make notebooks` if it is right"


@each_notebook
def test_a_notebook_was_run_from_the_top_without_errors(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert all(output.name == "stdout" for output in outputs if output.output_type == "stream")


@each_notebook
def test_a_notebook_is_small_and_holds_nothing_of_the_machine_that_ran_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    notebook = json.loads(text)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    folders = [str(ROOT), str(Path.home()) + "/", tempfile.gettempdir() + "/", "/Users/", "/home/", "C:\\\\"]
    for trace in (*folders, f"/{getpass.getuser()}/", "site-packages", "0x7f"):
        assert trace not in text


@each_notebook
def test_a_number_in_the_prose_is_one_that_the_code_or_an_output_holds(path: Path) -> None:
    notebook = read(path)
    shown = " ".join(
        [cell.source for cell in notebook.cells if cell.cell_type == "code"] + [text for _, text in texts(notebook)]
    )
    known = set(numbers(shown))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert set(numbers(cell.source)) <= known, cell.source


def numbers(text: str) -> list[str]:
    return [found.replace(",", "").replace("_", "") for found in re.findall(r"\d(?:[\d,._:]*\d)?", text)]


@each_notebook
def test_a_notebook_is_linked_from_the_documentation(path: Path) -> None:
    assert f"(notebooks/{path.name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
