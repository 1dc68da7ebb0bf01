"""Copy the top-level ``taxonomies/`` and ``models/`` into the wheel as package data; compile the kernel where it can be.

Everything else is declared in ``pyproject.toml``. An editable install copies nothing: there
``contact_reasons.resources`` finds the two folders in the checkout.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SHIPPED_FOLDERS = ("taxonomies", "models")


class BuildWithShippedFolders(build_py):
    """``build_py`` that adds ``contact_reasons/_shipped/{taxonomies,models}``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for source, target in self._shipped_files():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def _shipped_files(self) -> list[tuple[Path, Path]]:
        target_root = Path(self.build_lib) / "contact_reasons" / "_shipped"
        return [
            (path, target_root / path)
            for folder in SHIPPED_FOLDERS
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        ]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        shipped = [] if self.editable_mode else [str(target) for _, target in self._shipped_files()]
        return super().get_outputs(include_bytecode) + shipped


CLASSIFIER = "src/contact_reasons/classifier"
KERNEL = Extension(
    "contact_reasons.classifier._kernel",
    [f"{CLASSIFIER}/_kernel.pyx"],
    depends=[f"{CLASSIFIER}/{name}.h" for name in ("_kernel", "_kernel_words", "_kernel_base")],
    include_dirs=[CLASSIFIER],
    extra_compile_args=[] if os.name == "nt" else ["-O3"],
    optional=True,  # without a compiler the reference path labels: the same answers, slower
)

setup(cmdclass={"build_py": BuildWithShippedFolders}, ext_modules=[KERNEL])
