"""Taxonomies, models and the prior are found from a wheel, from a wheel built from the sdist, and from an editable install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="the sources are hidden, so nothing can be built")

PROBE = """
import pathlib, contact_reasons as cr
out = cr.load_pipeline("retail").handle(cr.Contact(text="where is my parcel"))
assert out.label.primary == "delivery", out
from contact_reasons.resources import pack_files
files = pack_files("retail")
assert files.texts.joinpath("training.jsonl").is_file()
from contact_reasons.classifier.prior import shipped_prior
assert shipped_prior().n_tokens > 20_000
from importlib import resources
for name in ("page.html.jinja", "page.css", "page.js"):
    assert resources.files("contact_reasons.report").joinpath(name).is_file(), name
print(pathlib.Path(cr.__file__).parent)
print(files.taxonomy)
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has_compiler() -> bool:
    return shutil.which(os.environ.get("CC", sysconfig.get_config_var("CC") or "cl").split()[0]) is not None


def has_kernel(names: list[str]) -> bool:
    return any(re.fullmatch(r"contact_reasons/classifier/_kernel\.[^/]*(so|pyd)", name) for name in names)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, without environments and caches."""
    folder = tmp_path_factory.mktemp("source") / "checkout"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", ".*_cache", "demo", "tests", "__pycache__", "*.so", "_kernel.c"))  # fmt: skip
    return folder


def build(kind: str, source: Path, out: Path) -> Path:
    run(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(out), str(source), cwd=out)
    return next(out.iterdir())


def probe(site: Path, cwd: Path) -> list[str]:
    """Run the probe with a folder of installed files before everything else; the checkout's sources are not reachable."""
    lines = run(sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{PROBE}", cwd=cwd).split(
        "\n"
    )
    assert lines[0].startswith(str(site)), lines
    return lines


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.mark.parametrize("origin", ["checkout", "sdist"])
def test_a_wheel_carries_taxonomies_and_models(origin: str, source: Path, sdist: Path, tmp_path: Path) -> None:
    out = tmp_path / "wheel"
    out.mkdir()
    if origin == "sdist":
        build_options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(out))
        run(sys.executable, "-m", "pip", "wheel", "--quiet", *build_options, str(sdist), cwd=tmp_path)
        wheel = next(out.glob("*.whl"))
    else:
        wheel = build("wheel", source, out)
    assert wheel.stat().st_size < 40e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert not [
        name
        for name in names
        if name.startswith(("tests", "tools", "samples", "docs")) or name.endswith((".c", ".h", ".pyx"))
    ]
    assert "contact_reasons/_shipped/models/prior/NOTICE" in names
    assert {
        "contact_reasons/_shipped/models/turns/arrays.npz",
        "contact_reasons/_shipped/models/turns/manifest.json",
    } <= {*names}
    assert not [name for name in names if "prior-texts" in name or "make_" in name or "small-talk" in name]
    assert has_kernel(names) == has_compiler()
    assert probe(tmp_path / "site", tmp_path)[1].startswith(str(tmp_path / "site"))


def test_an_sdist_carries_the_kernel_as_source_alone(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert {"_kernel.pyx", "_kernel.h", "_kernel_words.h", "_kernel_base.h", "_kernel.pyi"} <= names
    assert not [name for name in names if name == "_kernel.c" or name.endswith((".so", ".pyd"))]


def test_an_sdist_carries_what_the_shared_models_are_made_from(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tools/make_prior.py", "tools/prior-texts.jsonl.gz", "models/prior/NOTICE"} <= names
    assert {"tools/make_turns.py", "tools/small-talk.jsonl", "models/turns/manifest.json"} <= names


def test_without_a_compiler_the_reference_is_installed_and_labels(sdist: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", str(site))
    run(sys.executable, "-m", "pip", "install", *options, str(sdist), cwd=tmp_path, CC="/bin/false")
    assert not has_kernel([str(path.relative_to(site)) for path in site.rglob("*")])
    code = f"import sys, warnings; sys.path.insert(0, {str(site)!r}); warnings.simplefilter('error')\n{PROBE}"
    failed = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "SlowPathWarning: the compiled kernel" in failed.stderr
    probe(site, tmp_path)


def test_an_editable_install_finds_them_in_the_checkout(source: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), "-e", str(source),
        cwd=tmp_path,
    )  # fmt: skip
    code = f"import site; site.addsitedir({str(site)!r}); import sys; sys.path.sort(key=lambda p: not p.startswith({str(source)!r}))\n{PROBE}"
    lines = run(sys.executable, "-I", "-c", code, cwd=tmp_path).split("\n")
    assert lines[0].startswith(str(source))
    assert lines[1].startswith(str(source / "taxonomies"))
