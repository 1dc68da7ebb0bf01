"""The house: modules import only from lower floors, names are documented, importing does nothing."""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import contact_reasons as cr
from tests.conftest import ROOT

SRC = ROOT / "src" / "contact_reasons"
FLOORS = {
    "errors": 0,
    "arrays": 1,
    "records": 1,
    "text": 1,
    "resources": 1,
    "schema": 1,
    "journal": 1,
    "taxonomy": 2,
    "classifier": 3,
    "routing": 3,
    "starter": 3,
    "evaluation": 3,
    "crm": 3,
    "confidence": 4,
    "lab": 4,
    "several": 4,
    "conversation": 4,
    "training": 5,
    "bundle": 5,
    "explanation": 5,
    "questions": 5,
    "audit": 5,
    "pipeline": 6,
    "packs": 6,
    "batch": 7,
    "checks": 7,
    "references": 7,
    "report": 8,
    "options": 8,
    "service": 8,
    "terminal": 8,
    "cli": 9,
    "__main__": 10,
    "__init__": 10,
}


def room(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return parts[0]


def imported_rooms(path: Path) -> set[tuple[str, int]]:
    """Rooms that a file imports from, with the line; imports for types only count too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names = [node.module or ""] + [
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "contact_reasons"
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {(name.split(".")[1], node.lineno) for name in names if name.startswith("contact_reasons.")}
    return found


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_imports_only_from_lower_floors(path: Path) -> None:
    own = room(path)
    assert own in FLOORS, f"the room {own!r} has no floor; give it one here and in docs/explanation/house.md"
    for other, line in imported_rooms(path):
        if other != own:
            assert FLOORS[other] < FLOORS[own], (
                f"{path}:{line}: {own} (floor {FLOORS[own]}) imports {other} (floor {FLOORS[other]})"
            )


def imported_modules(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere, also for types only; a package's face is not a module of its own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("contact_reasons."):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name for name in names if (SRC.parent / f"{name.replace('.', '/')}.py").is_file()}
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    files = [path for path in SRC.rglob("*.py") if path.name != "__init__.py"]
    names = {path: ".".join(path.relative_to(SRC.parent).with_suffix("").parts) for path in files}
    graph = {names[path]: imported_modules(path) for path in files}
    assert sum(map(len, graph.values())) > 300, "hardly an import was read"
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the circle


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_has_at_most_five_hundred_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_the_top_exports_fifteen_to_twenty_five_names_that_all_exist() -> None:
    assert 15 <= len(cr.__all__) <= 25
    for name in cr.__all__:
        assert getattr(cr, name) is not None
    assert sorted(cr.__all__) == list(cr.__all__)


def modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.walk_packages([str(SRC)], "contact_reasons.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def public_things() -> list[tuple[str, object]]:
    things: dict[str, object] = {}
    for module in modules():
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                things[f"{thing.__module__}.{thing.__qualname__}"] = thing
                if inspect.isclass(thing):
                    for attribute, member in vars(thing).items():
                        if not attribute.startswith("_") and inspect.isfunction(member):
                            things[f"{thing.__module__}.{member.__qualname__}"] = member
    return sorted(things.items())


@pytest.mark.parametrize(("name", "thing"), public_things(), ids=lambda value: value if isinstance(value, str) else "")
def test_public_names_are_documented_and_parameters_named_in_docstrings_exist(name: str, thing: object) -> None:
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    block = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, re.M | re.S)
    if block is None:
        return
    listed = [
        part.strip()
        for line in re.findall(r"^(\S[^:\n]*?)(?: :.*)?$", block.group(1), re.M)
        for part in line.split(",")
    ]
    known = set(inspect.signature(thing).parameters) if callable(thing) else set()  # type: ignore[arg-type]
    for parameter in listed:
        assert parameter in known, (
            f"{name}: the docstring names the parameter {parameter!r}, which is not in the signature"
        )


def test_importing_has_no_side_effects_and_brings_no_training_stack() -> None:
    code = """
import logging, warnings, sys, os, numpy, yaml
before = (logging.root.handlers[:], warnings.filters[:], dict(os.environ))
import contact_reasons
assert (logging.root.handlers[:], warnings.filters[:], dict(os.environ)) == before
for name in ("sklearn", "scipy", "pandas", "pyarrow", "torch", "typer", "joblib"):
    assert name not in sys.modules, name
pipe = contact_reasons.load_pipeline("retail")
pipe.handle(contact_reasons.Contact(text="where is my parcel"))
for name in ("sklearn", "scipy", "joblib"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_serving_imports_numpy_and_yaml_and_nothing_else() -> None:
    """What costs time at every start; more belongs into the function that needs it."""
    code = """
import sys, numpy, yaml
before = set(sys.modules)
import contact_reasons
pipe = contact_reasons.load_pipeline("retail")
pipe.handle(contact_reasons.Contact(text="where is my parcel"))
print(*set(sys.modules) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    imported = set(done.stdout.split())
    packages = {name.partition(".")[0] for name in imported if "cython" not in name}
    assert packages - sys.stdlib_module_names <= {"contact_reasons", "numpy", "yaml"}
    rooms = {name.split(".")[1] for name in imported if name.startswith("contact_reasons.")}
    assert not rooms & {"batch", "cli", "evaluation", "packs", "terminal", "training"}
    late = ("asyncio", "concurrent", "csv", "difflib", "email", "importlib.metadata", "multiprocessing", "subprocess")
    assert not imported & set(late)


def test_no_file_of_the_project_holds_a_machine_path_or_a_registry() -> None:
    wrong = re.compile("/" + "work/|/" + "root/|/" + r"tmp/w/|pypi\." + "org|files\\.python" + "hosted")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout: the project's files cannot be listed")
    for name in tracked.stdout.splitlines():
        if not name.endswith((".npz", ".parquet", ".png")) and (ROOT / name).exists():
            found = wrong.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{name}: {found}"
