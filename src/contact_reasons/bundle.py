"""A trained model as a directory of plain data: ``manifest.json`` and ``arrays.npz``. Loading runs no code.

Format 3. ``manifest.json`` says what the model is, which files belong to it (with SHA-256) and which arrays they hold; its own
``seal`` is the SHA-256 of everything else in it. ``arrays.npz`` (see `contact_reasons.arrays`) holds the very arrays of
`ModelArrays`. A model with a hidden layer names the SHA-256 of its `TokenPrior`, which is the shipped one or lies in the
folder ``prior/`` of the directory. Hashes find damage and mix-ups; they are no signature. To change the format: raise `FORMAT`,
keep one bundle of the old number under ``tests/formats/``, and teach `read_bundle` all of them.

Reading checks in this order: manifest, format, versions, checksums, array shapes; only then is anything built.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.arrays import ArrayType, open_arrays, pack_arrays, read_bytes, sha256_of
from contact_reasons.classifier import (
    CalibrationMap,
    HiddenLayer,
    ModelArrays,
    ReasonModel,
    TokenPrior,
    Vocabulary,
    quantise_rows,
)
from contact_reasons.classifier.prior import prior_sha256, read_prior, shipped_prior, write_prior
from contact_reasons.confidence import Thresholds
from contact_reasons.conversation import SMALL_TALK, WHY
from contact_reasons.errors import BundleError, shorten
from contact_reasons.resources import turns_folder
from contact_reasons.schema import (
    Mistakes,
    Record,
    anything,
    boolean,
    check,
    many,
    mapping,
    number,
    optional,
    path_text,
    seal_of,
    string,
    whole,
)

__all__ = [
    "FORMAT",
    "Bundle",
    "Manifest",
    "PriorRef",
    "TaxonomyRef",
    "model_files",
    "read_bundle",
    "shipped_turns",
    "write_bundle",
]

FORMAT: Final = 3
_MANIFEST, _ARRAYS, _PRIOR = "manifest.json", "arrays.npz", "prior"
_PRIOR_FILES: Final = ("prior.json", "arrays.npz")
_MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
_MISSING: Final = f"a model is a directory with {_MANIFEST} and {_ARRAYS}, as `contact-reasons train` writes it"

_FOREIGN: Final = "the manifest is not one of this package: restore it, or train the model again"

_FEATURES: Final = {"hashes": ("<u8", 1), "is_char": ("|b1", 1), "idf": ("<f4", 1)}
_FORMAT_1: Final = {**_FEATURES, "weights": ("<f2", 2), "intercept": ("<f8", 1)}
_LINEAR: Final = {**_FEATURES, "rows": ("|i1", 2), "row_scale": ("<f4", 1), "intercept": ("<f4", 1)}
_HIDDEN: Final = {
    "tuned_ids": ("<i4", 1),
    "tuned_rows": ("|i1", 2),
    "tuned_scale": ("<f4", 1),
    "projection": ("<f4", 2),
    "word_ids": ("<i4", 1),
    "word_rows": ("|i1", 2),
    "word_scale": ("<f4", 1),
    "hidden_bias": ("<f4", 1),
    "out": ("<f4", 2),
}
"""Type and number of dimensions of each array; the hidden ones bear the names of `HiddenLayer`."""


_string: Final = check(string)


@dataclass(frozen=True, kw_only=True)
class TaxonomyRef(Record):
    """Which taxonomy a model was trained for."""

    taxonomy_id: str = field(metadata=_string)
    version: str = field(metadata=_string)
    sha256: str = field(metadata=_string)


@dataclass(frozen=True, kw_only=True)
class PriorRef(Record):
    """Which prior a model was trained with."""

    sha256: str = field(metadata=_string)


@dataclass(frozen=True, kw_only=True)
class Manifest(Record):
    """What a bundle is and holds.

    Parameters
    ----------
    format : int
    package_version : str
    library_versions : mapping of str to str
    taxonomy : TaxonomyRef
    classes : tuple of str
        Sorted secondary ids.
    knows_scope : bool
    prior : PriorRef or None
        None for a model without a hidden layer.
    calibration : mapping of str to float
        The values of a `CalibrationMap`, by name.
    thresholds : mapping of str to float or None
    thresholds_from : str
        On which texts the thresholds were fitted, and what they aim at.
    training : mapping
        Recipe, seed, numbers of texts, SHA-256 of the data.
    scores : mapping
        Held-out scores, by test set.
    arrays : mapping of str to list of int
        Shape of each array.
    files : mapping of str to str
        SHA-256 of each file.
    """

    format: int = field(metadata=check(whole(1)))
    package_version: str = field(metadata=_string)
    library_versions: Mapping[str, str] = field(metadata=check(mapping(string)))
    taxonomy: TaxonomyRef = field(metadata=check(TaxonomyRef.read))
    classes: tuple[str, ...] = field(metadata=check(many(string, least=2)))
    knows_scope: bool = field(metadata=check(boolean))
    prior: PriorRef | None = field(metadata=check(optional(PriorRef.read)))
    calibration: Mapping[str, float] = field(metadata=check(mapping(number)))
    thresholds: Mapping[str, float | None] = field(metadata=check(mapping(optional(number))))
    thresholds_from: str = field(metadata=_string)
    training: Mapping[str, Any] = field(metadata=check(mapping(anything)))
    scores: Mapping[str, Any] = field(metadata=check(mapping(anything)))
    arrays: Mapping[str, tuple[int, ...]] = field(metadata=check(mapping(many(whole(0)))))
    files: Mapping[str, str] = field(metadata=check(mapping(string)))

    @functools.cached_property
    def seal(self) -> str:
        """SHA-256 of all that it says: that of the file, where the file is of this format."""
        return seal_of(asdict(self))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained model with everything needed to label: arrays, thresholds, and its manifest."""

    model: ReasonModel
    thresholds: Thresholds
    manifest: Manifest


def write_bundle(
    path: str | Path,
    model: ReasonModel,
    thresholds: Thresholds,
    *,
    taxonomy: TaxonomyRef,
    package_version: str,
    library_versions: Mapping[str, str],
    thresholds_from: str,
    training: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> Manifest:
    """Write a model directory; the same model gives the same bytes.

    The prior of a model with a hidden layer is written along only if it is not the shipped one. The manifest is written
    last and renamed into place, so that a directory with a manifest is whole.

    Raises
    ------
    BundleError
        If the directory cannot be written.
    """
    path = Path(path)
    arrays = _stored_arrays(model.arrays)
    content = pack_arrays(arrays)
    hidden = model.arrays.hidden
    prior = None if hidden is None else PriorRef(sha256=prior_sha256(hidden.prior))
    manifest = Manifest(
        format=FORMAT,
        package_version=package_version,
        library_versions=dict(library_versions),
        taxonomy=taxonomy,
        classes=model.classes,
        knows_scope=model.knows_scope,
        prior=prior,
        calibration=model.calibration._asdict(),
        thresholds={"secondary": thresholds.secondary, "primary": thresholds.primary},
        thresholds_from=thresholds_from,
        training=dict(training),
        scores=dict(scores),
        arrays={name: array.shape for name, array in arrays.items()},
        files={_ARRAYS: sha256_of(content)},
    )
    data = asdict(manifest)
    data["seal"] = seal_of(data)
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / _MANIFEST).unlink(missing_ok=True)
        (path / _ARRAYS).write_bytes(content)
        _remove_prior(path / _PRIOR)
        if hidden is not None and prior is not None and prior.sha256 != shipped_prior().sha256:
            write_prior(path / _PRIOR, hidden.prior, {"name": "of this model alone"})
        temporary = path / f"{_MANIFEST}.tmp"
        temporary.write_text(
            json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
        os.replace(temporary, path / _MANIFEST)
    except OSError as exc:
        raise BundleError(
            f"{path}: the model cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return manifest


def _stored_arrays(model: ModelArrays) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a model by name, in the types of the format."""
    vocabulary = model.vocabulary
    arrays = {
        "hashes": vocabulary.hashes,
        "is_char": vocabulary.is_char,
        "idf": vocabulary.idf,
        "rows": model.rows,
        "row_scale": model.row_scale,
        "intercept": model.intercept,
    }
    if model.hidden is not None:
        arrays.update({name: getattr(model.hidden, name) for name in _HIDDEN})
    return {
        name: array.astype((_LINEAR | _HIDDEN)[name][0], casting="equiv", copy=False) for name, array in arrays.items()
    }


def _remove_prior(folder: Path) -> None:
    """Remove what an older model of this directory had there, and nothing else."""
    for name in _PRIOR_FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def model_files(path: str | Path) -> tuple[Path, ...]:
    """The files that `read_bundle` looks for in a model directory; those of a prior of its own are seldom there."""
    path = Path(path)
    return (path / _MANIFEST, path / _ARRAYS, *(path / _PRIOR / name for name in _PRIOR_FILES))


def read_bundle(path: str | Path) -> Bundle:
    """Read and check a model directory.

    Raises
    ------
    BundleError
        If it is missing, truncated, tampered with, of another format, or inconsistent, saying which file and what to do.
    """
    path = Path(path)
    manifest, sharpness = _read_manifest(path)
    arrays = _read_arrays(path, manifest)
    _check_consistent(path, arrays, manifest)
    prior = None if manifest.prior is None else _read_prior(path, manifest, manifest.prior)
    try:
        model = ReasonModel(
            manifest.classes, _model_arrays(arrays, prior, sharpness), CalibrationMap(**manifest.calibration)
        )
    except ValueError as exc:
        raise BundleError(f"{path / _ARRAYS}: {exc}") from None
    thresholds = Thresholds(manifest.thresholds["secondary"], manifest.thresholds["primary"])
    return Bundle(model, thresholds, manifest)


_turns_lock = threading.Lock()
_turns: list[Bundle] = []


def shipped_turns() -> Bundle:
    """The model that knows which turns of a conversation say why (`contact_reasons.conversation`): read when first asked for, one for a process.

    Raises
    ------
    BundleError
        If it is missing, damaged or another model, saying what to do.
    """
    with _turns_lock:
        if not _turns:
            found = read_bundle(turns_folder())
            if found.model.classes != (SMALL_TALK, WHY):
                raise BundleError(
                    f"{turns_folder()}: a model of other classes than {SMALL_TALK!r} and {WHY!r}; restore it, or install the package again"
                )
            _turns.append(found)
        return _turns[0]


def _read_arrays(path: Path, manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the format, in the shapes of the manifest."""
    file = path / _ARRAYS
    types = _FORMAT_1 if manifest.format == 1 else _LINEAR | (_HIDDEN if manifest.prior is not None else {})
    content = read_bytes(file, belongs_to=_MISSING)
    if set(manifest.arrays) != set(types):
        raise BundleError(
            f"{path / _MANIFEST}: it names the arrays {sorted(manifest.arrays)}; expected {sorted(types)}"
        )
    expected = {name: ArrayType(dtype, manifest.arrays[name]) for name, (dtype, _) in types.items()}
    for name, (_, n_dimensions) in types.items():
        if len(expected[name].shape) != n_dimensions:
            raise BundleError(
                f"{path / _MANIFEST}: the array {name!r} has shape {expected[name].shape}; it must have {n_dimensions} dimensions"
            )
    return open_arrays(file, content, manifest.files.get(_ARRAYS), expected)


def _read_prior(path: Path, manifest: Manifest, wanted: PriorRef) -> TokenPrior:
    """The prior in the directory, or the shipped one; it must be the one that the model was trained with."""
    own = path / _PRIOR
    is_own = any((own / name).exists() for name in _PRIOR_FILES)
    prior = read_prior(own) if is_own else shipped_prior()
    if prior.sha256 != wanted.sha256:
        place = f"the one in {own} is" if is_own else "this version of contact-reasons ships"
        raise BundleError(
            f"{path}: the model was trained with the prior {wanted.sha256[:16]}…, and {place} {prior.sha256[:16]}…: "
            f"train the model again, or install contact-reasons {manifest.package_version}, which wrote it"
        )
    return prior


def _model_arrays(arrays: Mapping[str, npt.NDArray[Any]], prior: TokenPrior | None, sharpness: float) -> ModelArrays:
    """Arrays of either format as a model has them; format 1 had float16 weights, and a factor on all scores beside them."""
    vocabulary = Vocabulary(arrays["hashes"], arrays["is_char"], arrays["idf"])
    if "weights" in arrays:
        rows, scale = quantise_rows(arrays["weights"].astype(np.float32))
        factor = np.float32(sharpness)
        return ModelArrays(vocabulary, rows, scale * factor, (arrays["intercept"] * sharpness).astype(np.float32))
    hidden = None if prior is None else HiddenLayer(prior, **{name: arrays[name] for name in _HIDDEN})
    return ModelArrays(vocabulary, arrays["rows"], arrays["row_scale"], arrays["intercept"], hidden)


def _read_manifest(path: Path) -> tuple[Manifest, float]:
    """The manifest, and the factor on scores that manifests of format 1 name."""
    file = path / _MANIFEST
    raw = read_bytes(file, belongs_to=_MISSING)
    if len(raw) > _MAX_MANIFEST_BYTES:
        raise BundleError(f"{file}: {len(raw):,} bytes; a manifest has at most {_MAX_MANIFEST_BYTES:,}")
    try:
        data = json.loads(bytes(raw))
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as exc:
        raise BundleError(
            f"{file}: not a manifest ({type(exc).__name__}); the file is damaged or truncated: restore it"
        ) from exc
    if type(data.get("format")) is not int or not 1 <= data["format"] <= FORMAT:
        raise BundleError(
            f"{file}: format {shorten(data.get('format'))}; this version of contact-reasons reads formats 1 to {FORMAT}: "
            "install the version that wrote it, or train the model again"
        )
    seal = data.pop("seal", None)
    if seal != seal_of(data):
        raise BundleError(
            f"{file}: the seal does not fit its content; the manifest was changed by hand or damaged: restore it"
        )
    sharpness = 1.0
    if data["format"] == 1:
        sharpness = data.pop("sharpness", None)
        if type(sharpness) not in (int, float) or not 0 < sharpness < 1e6:
            raise BundleError(
                f"{file}, sharpness: {shorten(sharpness)}; it must be a number above 0 and below 1,000,000: {_FOREIGN}"
            )
        data["prior"] = None
    if data["format"] < 3:
        data["calibration"] = CalibrationMap()._asdict()
    try:
        manifest = Manifest.read(data)
    except Mistakes as exc:
        place, what = exc.found[0]
        raise BundleError(f"{file}, {path_text(place)}: {what}; {_FOREIGN}") from None
    return manifest, sharpness


def _check_consistent(path: Path, arrays: Mapping[str, npt.NDArray[Any]], manifest: Manifest) -> None:
    """What arrays and manifest say of each other; the shapes of the layers are checked where they are built."""
    n_features, n_columns = arrays["hashes"].size, len(manifest.classes) + manifest.knows_scope
    shapes: dict[str, tuple[int, ...]] = {"is_char": (n_features,), "idf": (n_features,), "intercept": (n_columns,)}
    if manifest.format == 1:
        shapes["weights"] = (n_features, n_columns)
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise BundleError(
                f"{path}: the array {name!r} has shape {arrays[name].shape}, which does not fit the others: {shape}"
            )
    if list(manifest.classes) != sorted(set(manifest.classes)) or not all("." in reason for reason in manifest.classes):
        raise BundleError(f"{path / _MANIFEST}: classes must be distinct, sorted ids 'primary.secondary'")
    if n_features and not (arrays["hashes"][1:] > arrays["hashes"][:-1]).all():
        raise BundleError(f"{path}: the feature hashes are not sorted and unique")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BundleError(f"{path}: the array {name!r} holds values that are not finite")
    if (arrays["is_char"].view(np.uint8) > 1).any():
        raise BundleError(f"{path}: the array 'is_char' holds values that are neither true nor false")
    if set(manifest.thresholds) != {"secondary", "primary"} or not all(
        t is None or 0 <= t <= 1 for t in manifest.thresholds.values()
    ):
        raise BundleError(f"{path / _MANIFEST}: thresholds must name secondary and primary, each from 0 to 1")
    if set(manifest.calibration) != set(CalibrationMap._fields) or not all(
        math.isfinite(value) and (value >= 0 or name == "c") and (value <= 1 or name != "least_known")
        for name, value in manifest.calibration.items()
    ):
        raise BundleError(
            f"{path / _MANIFEST}: calibration must name half_words, a and b, each at least 0, c, all finite, and least_known from 0 to 1"
        )
