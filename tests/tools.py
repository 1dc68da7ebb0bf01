"""The programs in ``tools/``, as modules."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


def load_tool(name: str) -> ModuleType:
    """A program of the checkout; without it, as in a test of a wheel, the module that asks is skipped."""
    file = ROOT / "tools" / f"{name}.py"
    if not file.is_file():
        pytest.skip("the tools are not here: they are part of the checkout alone", allow_module_level=True)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
