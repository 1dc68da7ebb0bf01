"""Notebooks executed from a clean kernel, and written so that the same run gives the same bytes: `make notebooks`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
SECONDS = 900
"""For the kernel's start and for one cell, which takes two on an idle machine: met by a kernel that hangs, not by a busy machine."""
_FIRST = "import warnings\nwarnings.simplefilter('error')"
_LAST = "warnings.resetwarnings()\nwarnings.simplefilter('ignore')"
"""The kernel's own warnings when it is shut down are not the notebook's."""


def execute(path: Path, environment: Mapping[str, str] | None = None) -> Any:
    """The notebook with the outputs of a new kernel; any error or warning of a cell is raised.

    Parameters
    ----------
    path : Path
    environment : mapping of str to str, optional
        Variables that the kernel sees; ``CONTACT_REASONS_DATA`` is not handed down otherwise.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [
        nbformat.v4.new_code_cell(_FIRST),
        *notebook.cells,
        nbformat.v4.new_code_cell(_LAST),
    ]
    with tempfile.TemporaryDirectory() as folder:
        inherited = {name: value for name, value in os.environ.items() if name != "CONTACT_REASONS_DATA"}
        own = {"IPYTHONDIR": folder, "JUPYTER_CONFIG_DIR": folder, "PYTHONHASHSEED": "0", **(environment or {})}
        client = NotebookClient(
            notebook,
            config=Config(
                {"KernelManager": {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}}
            ),  # no ports
            timeout=SECONDS,
            startup_timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute(env={**inherited, **own})
    notebook.cells = notebook.cells[1:-1]
    return cleaned(notebook)


def cleaned(notebook: Any) -> Any:
    """Without what differs from run to run or from machine to machine."""
    notebook.metadata = nbformat.from_dict(  # type: ignore[no-untyped-call]
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.metadata = {}
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return notebook


def texts(notebook: Any) -> list[tuple[str, str]]:
    """Every output as text: what was printed, shown or drawn, in order, each with the cell's id."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":
                found.append((cell.id, f"{output.name}: {output.text}"))
            else:
                found += [(cell.id, f"{kind}: {data}") for kind, data in sorted(output.get("data", {}).items())]
    return found


def write(notebook: Any, path: Path) -> None:
    """Write a notebook, with a last line end."""
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    for each in NOTEBOOKS:
        write(execute(each), each)
        print(f"{each.name}: {each.stat().st_size / 1000:,.0f} kB")
