"""A trained model as a directory of plain data: ``manifest.json`` and ``arrays.npz``. Loading runs no code.

Format 1. ``manifest.json`` says what the model is, which files belong to it (with SHA-256) and which arrays they hold; its own
``seal`` is the SHA-256 of everything else in it. ``arrays.npz`` is an uncompressed zip of ``.npy`` files without
pickles. Hashes find damage and mix-ups; they are no signature. To change the format: raise `FORMAT`, keep one bundle of
the old number under ``tests/formats/``, and teach `read_bundle` both.

Reading checks in this order: manifest, format, versions, checksums, array shapes; only then is anything built.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contact_reasons.classifier import ModelArrays, ReasonModel, Vocabulary, quantise_rows
from contact_reasons.confidence import Thresholds
from contact_reasons.errors import BundleError, shorten

__all__ = ["FORMAT", "Bundle", "Manifest", "read_bundle", "write_bundle"]

FORMAT: Final = 1
_MANIFEST, _ARRAYS = "manifest.json", "arrays.npz"
_MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024
_DTYPES: Final = {"hashes": "<u8", "is_char": "|b1", "idf": "<f4", "weights": "<f2", "intercept": "<f8"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TaxonomyRef(_Frozen):
    """Which taxonomy a model was trained for."""

    taxonomy_id: str
    version: str
    sha256: str


class Manifest(_Frozen):
    """What a bundle is and holds.

    Parameters
    ----------
    format : int
    package_version : str
    library_versions : mapping of str to str
    taxonomy : TaxonomyRef
    classes : tuple of str
        Sorted secondary ids.
    sharpness : float
    knows_scope : bool
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

    format: int
    package_version: str
    library_versions: Mapping[str, str]
    taxonomy: TaxonomyRef
    classes: tuple[str, ...] = Field(min_length=2)
    sharpness: float = Field(gt=0, lt=1e6)
    knows_scope: bool
    thresholds: Mapping[str, float | None]
    thresholds_from: str
    training: Mapping[str, Any]
    scores: Mapping[str, Any]
    arrays: Mapping[str, tuple[int, ...]]
    files: Mapping[str, str]


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

    The manifest is written last and renamed into place, so that a directory with a manifest is whole.

    Raises
    ------
    BundleError
        If the directory cannot be written.
    """
    path = Path(path)
    arrays: dict[str, npt.NDArray[Any]] = {
        "hashes": model.arrays.vocabulary.hashes,
        "is_char": model.arrays.vocabulary.is_char,
        "idf": model.arrays.vocabulary.idf,
        "weights": model.arrays.row_scale[:, None] * model.arrays.rows,
        "intercept": model.arrays.intercept,
    }
    arrays = {name: np.ascontiguousarray(array, dtype=_DTYPES[name]) for name, array in arrays.items()}
    content = _zip_arrays(arrays)
    manifest = Manifest(
        format=FORMAT,
        package_version=package_version,
        library_versions=dict(library_versions),
        taxonomy=taxonomy,
        classes=model.classes,
        sharpness=model.sharpness,
        knows_scope=model.knows_scope,
        thresholds={"secondary": thresholds.secondary, "primary": thresholds.primary},
        thresholds_from=thresholds_from,
        training=dict(training),
        scores=dict(scores),
        arrays={name: array.shape for name, array in arrays.items()},
        files={_ARRAYS: hashlib.sha256(content).hexdigest()},
    )
    data = manifest.model_dump(mode="json")
    data["seal"] = _seal(data)
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / _MANIFEST).unlink(missing_ok=True)
        (path / _ARRAYS).write_bytes(content)
        temporary = path / f"{_MANIFEST}.tmp"
        temporary.write_text(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, path / _MANIFEST)
    except OSError as exc:
        raise BundleError(
            f"{path}: the model cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return manifest


def _zip_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as an uncompressed ``.npz``, the same bytes on every version of Python (`numpy.savez` differs by zipfile)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, arrays[name], version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()


def read_bundle(path: str | Path) -> Bundle:
    """Read and check a model directory.

    Raises
    ------
    BundleError
        If it is missing, truncated, tampered with, of another format, or inconsistent, saying which file and what to do.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    content = _read_file(path / _ARRAYS)
    expected = manifest.files.get(_ARRAYS)
    if hashlib.sha256(content).hexdigest() != expected:
        raise BundleError(
            f"{path / _ARRAYS}: the SHA-256 is not the one in {_MANIFEST}; the file is damaged, truncated or from another "
            "model: restore the directory or train the model again"
        )
    arrays = _read_arrays(path / _ARRAYS, content, manifest)
    _check_consistent(path, arrays, manifest)
    vocabulary = Vocabulary(arrays["hashes"], arrays["is_char"], arrays["idf"])
    rows, row_scale = quantise_rows(arrays["weights"].astype(np.float32))
    model = ReasonModel(
        manifest.classes,
        ModelArrays(vocabulary, rows, row_scale, arrays["intercept"].astype(np.float32)),
        manifest.sharpness,
    )
    thresholds = Thresholds(manifest.thresholds["secondary"], manifest.thresholds["primary"])
    return Bundle(model, thresholds, manifest)


def _read_manifest(path: Path) -> Manifest:
    file = path / _MANIFEST
    raw = _read_file(file)
    if len(raw) > _MAX_MANIFEST_BYTES:
        raise BundleError(f"{file}: {len(raw):,} bytes; a manifest has at most {_MAX_MANIFEST_BYTES:,}")
    try:
        data = json.loads(raw)
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as exc:
        raise BundleError(
            f"{file}: not a manifest ({type(exc).__name__}); the file is damaged or truncated: restore it"
        ) from exc
    if data.get("format") != FORMAT:
        raise BundleError(
            f"{file}: format {shorten(data.get('format'))}; this version of contact-reasons reads format {FORMAT}: "
            "install the version that wrote it, or train the model again"
        )
    seal = data.pop("seal", None)
    if seal != _seal(data):
        raise BundleError(
            f"{file}: the seal does not fit its content; the manifest was changed by hand or damaged: restore it"
        )
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as exc:
        error = exc.errors()[0]
        place = ".".join(map(str, error["loc"]))
        raise BundleError(f"{file}, {place}: {error['msg']}; the manifest is not one of this package") from None
    return manifest


def _seal(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps(data, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"{file}: the file is not there; a model is a directory with {_MANIFEST} and {_ARRAYS}, as `contact-reasons train` writes it"
        ) from None
    except OSError as exc:
        raise BundleError(
            f"{file}: the file cannot be read ({exc.strerror or exc}); check the path and the rights"
        ) from exc


def _read_arrays(file: Path, content: bytes, manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """Arrays of the zip, after a look at its directory: nothing compressed, nothing unexpected, nothing pickled."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if set(infos) != set(_DTYPES) or set(manifest.arrays) != set(_DTYPES):
                raise BundleError(f"{file}: it holds the arrays {sorted(infos)}; expected {sorted(_DTYPES)}")
            for name, info in infos.items():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(content):
                    raise BundleError(f"{file}: the array {name!r} is compressed; bundles hold plain arrays")
                arrays[name] = _read_array(file, name, archive.read(info), tuple(manifest.arrays[name]))
    except BundleError:
        raise
    except Exception as exc:  # a forged zip or header can fail in any way; none of them is ours
        raise BundleError(f"{file}: not a valid array file ({type(exc).__name__}); restore the directory") from exc
    return arrays


def _read_array(file: Path, name: str, raw: bytes, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """One ``.npy``, its header compared with the manifest before any memory is asked for."""
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise BundleError(f"{file}: the array {name!r} is of another version of the .npy format")
    found_shape, column_major, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=4096)
    if dtype.str != _DTYPES[name] or found_shape != shape or column_major:
        raise BundleError(
            f"{file}: the array {name!r} is {dtype.str} {found_shape}; the manifest says {_DTYPES[name]} {shape}"
        )
    return np.frombuffer(raw, dtype, offset=stream.tell()).reshape(shape)


def _check_consistent(path: Path, arrays: Mapping[str, npt.NDArray[Any]], manifest: Manifest) -> None:
    n_features = arrays["hashes"].size
    n_columns = len(manifest.classes) + manifest.knows_scope
    shapes: dict[str, tuple[int, ...]] = {
        "hashes": (n_features,),
        "is_char": (n_features,),
        "idf": (n_features,),
        "intercept": (n_columns,),
    }
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
    for name in ("idf", "weights", "intercept"):
        if not np.isfinite(arrays[name]).all():
            raise BundleError(f"{path}: the array {name!r} holds values that are not finite")
    if set(manifest.thresholds) != {"secondary", "primary"} or not all(
        t is None or 0 <= t <= 1 for t in manifest.thresholds.values()
    ):
        raise BundleError(f"{path / _MANIFEST}: thresholds must name secondary and primary, each from 0 to 1")
