"""Every example of README, docs and docstrings is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import contact_reasons
from contact_reasons.cli import app
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(contact_reasons.__path__, "contact_reasons.") if "__main__" not in m.name
)


@pytest.mark.parametrize("name", ["contact_reasons", *MODULES])
def test_docstring_examples_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other, in a folder that holds the sample tickets and the taxonomies."""
    for folder in ("samples", "taxonomies"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("samples", "taxonomies"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "console"):
        for program, line in re.findall(r"^\$ (contact-reasons|cp|python) (.*)$", block.replace("\\\n", " "), re.M):
            if program == "cp":
                subprocess.run(f"cp {line}", shell=True, check=True)
                continue
            if program == "python":
                subprocess.run([sys.executable, *shlex.split(line)], check=True)
                continue
            command, _, expected = line.partition("  # exit code ")
            result = CliRunner().invoke(app, shlex.split(command))
            assert result.exit_code == int(expected or 0), f"{page.name}: contact-reasons {line}\n{result.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
