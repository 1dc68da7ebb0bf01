"""Two packs that answer differently, for changes of the model while a service runs."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from contact_reasons.bundle import read_bundle, write_bundle
from contact_reasons.classifier import ReasonModel
from contact_reasons.resources import pack_files


def two_packs(folder: Path) -> tuple[Path, Path]:
    """The retail pack, and the same with a model that answers differently."""
    files = pack_files("retail")
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        shutil.copy(files.taxonomy, folder / name / "taxonomy.yaml")
        shutil.copy(files.policy, folder / name / "policy.yaml")
        shutil.copytree(files.model, folder / name / "model")
    _write_changed_model(folder / "b" / "model")
    return folder / "a", folder / "b"


def _write_changed_model(folder: Path) -> None:
    bundle = read_bundle(folder)
    model, manifest = bundle.model, bundle.manifest
    changed = dataclasses.replace(model.arrays, intercept=(model.arrays.intercept * np.float32(0.5)))
    write_bundle(
        folder,
        ReasonModel(model.classes, changed, model.calibration),
        bundle.thresholds,
        taxonomy=manifest.taxonomy,
        package_version=manifest.package_version,
        library_versions=manifest.library_versions,
        thresholds_from=manifest.thresholds_from,
        training=manifest.training,
        scores=manifest.scores,
    )


def replace_model(pack: Path, other: Path) -> None:
    """Put the model of another pack in place of a pack's own."""
    shutil.rmtree(pack / "model")
    shutil.copytree(other / "model", pack / "model")
