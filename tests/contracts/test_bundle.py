"""A bundle can be wrong, never dangerous: every damage is one clear error from the tree."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contact_reasons as cr
from contact_reasons.bundle import FORMAT, _seal, read_bundle
from contact_reasons.errors import BundleError, ContactReasonsError
from contact_reasons.packs import train_pack
from contact_reasons.training import keep_together
from tests.conftest import ROOT, tiny_data


@pytest.fixture
def bundle(tiny_pack: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_pack / "model", tmp_path / "model"))


def rewrite(bundle: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
    data = json.loads((bundle / "manifest.json").read_text())
    seal = data.pop("seal")
    change(data)
    data["seal"] = _seal(data) if sealed else seal
    (bundle / "manifest.json").write_text(json.dumps(data))


def replace_arrays(bundle: Path, content: bytes) -> None:
    """Other arrays with a manifest that vouches for them: a forger's work."""
    import hashlib

    (bundle / "arrays.npz").write_bytes(content)
    rewrite(bundle, lambda data: data["files"].update({"arrays.npz": hashlib.sha256(content).hexdigest()}))


def arrays_of(bundle: Path) -> dict[str, Any]:
    with np.load(bundle / "arrays.npz", allow_pickle=False) as stored:
        return dict(stored)


def npz(arrays: dict[str, Any], *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def test_a_round_trip_gives_identical_probabilities(tiny_pack: Path) -> None:
    data = tiny_data()
    inside = [i for i, reason in enumerate(data.reasons) if reason]
    outside = [text for text, reason in zip(data.texts, data.reasons, strict=True) if reason is None]
    sides = keep_together(data.clean)
    fitted = cr.ReasonClassifier(calibration_folds=5).fit(
        [data.texts[i] for i in inside],
        [data.reasons[i] for i in inside],
        out_of_scope=outside,
        groups=[sides.keys[i] for i in inside],
    )
    model = read_bundle(tiny_pack / "model").model
    texts = [*data.texts, "", "something new about a parcel"]
    assert (model.predict(texts).proba == fitted.predict_proba(texts)).all()
    assert (model.predict(texts).in_scope == fitted.predict_scope(texts)).all()


def test_loading_runs_no_code(bundle: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "exploded",))

    arrays = arrays_of(bundle)
    buffer = io.BytesIO()
    np.savez(buffer, **{**arrays, "idf": np.array([Bomb()], dtype=object)})
    replace_arrays(bundle, buffer.getvalue())
    with pytest.raises(BundleError, match=r"the array 'idf' is \|O|not a valid array file"):
        read_bundle(bundle)
    (bundle / "manifest.json").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BundleError, match="not a manifest"):
        read_bundle(bundle)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["manifest.json", "arrays.npz"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: the file is not there"):
        read_bundle(bundle)


@settings(max_examples=40)
@given(
    where=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
    name=st.sampled_from(["manifest.json", "arrays.npz"]),
)
def test_any_changed_byte_is_found(
    tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory, where: float, flip: int, name: str
) -> None:
    folder = Path(shutil.copytree(tiny_pack / "model", tmp_path_factory.mktemp("flip") / "model"))
    raw = bytearray((folder / name).read_bytes())
    position = int(where * len(raw))
    if name == "manifest.json" and chr(raw[position]).isspace() and chr(raw[position] ^ flip).isspace():
        return  # white space between tokens says nothing
    raw[position] ^= flip
    (folder / name).write_bytes(raw)
    with pytest.raises(BundleError, match=r"damaged|seal|format|not a manifest"):
        read_bundle(folder)


@settings(max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True), name=st.sampled_from(["manifest.json", "arrays.npz"]))
def test_any_truncation_is_found(
    tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory, share: float, name: str
) -> None:
    folder = Path(shutil.copytree(tiny_pack / "model", tmp_path_factory.mktemp("cut") / "model"))
    raw = (folder / name).read_bytes().rstrip()
    (folder / name).write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(BundleError):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data.update(format=FORMAT + 1),
            rf"format 2; this version of contact-reasons reads format {FORMAT}",
        ),
        (lambda data: data.pop("classes"), r"classes: Field required"),
        (lambda data: data.update(classes=["b.x", "a.y"]), r"classes must be distinct, sorted|does not fit the others"),
        (lambda data: data.update(sharpness=-1), r"sharpness: Input should be greater than 0"),
        (lambda data: data.update(thresholds={"secondary": 2, "primary": 0}), r"each from 0 to 1"),
        (lambda data: data.update(surprise=1), r"surprise: Extra inputs are not permitted"),
        (lambda data: data["arrays"].update(idf=[1]), r"the array 'idf' is"),
        (lambda data: data.update(knows_scope=False), r"does not fit the others"),
    ],
)
def test_a_sealed_manifest_that_is_wrong_is_refused(bundle: Path, change: Any, message: str) -> None:
    rewrite(bundle, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle)


def test_a_threshold_changed_by_hand_breaks_the_seal(bundle: Path) -> None:
    rewrite(bundle, lambda data: data["thresholds"].update(secondary=0.0), sealed=False)
    with pytest.raises(BundleError, match="the seal does not fit"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda arrays: npz(arrays, compressed=True), "is compressed"),
        (lambda arrays: npz({**arrays, "more": np.zeros(1)}), "it holds the arrays"),
        (lambda arrays: npz({k: v for k, v in arrays.items() if k != "idf"}), "it holds the arrays"),
        (lambda arrays: npz({**arrays, "idf": arrays["idf"].astype(np.float64)}), "the array 'idf' is <f8"),
        (lambda arrays: npz({**arrays, "idf": arrays["idf"] * np.float32("nan")}), "not finite"),
        (lambda arrays: npz({**arrays, "hashes": arrays["hashes"][::-1].copy()}), "not sorted"),
        (lambda arrays: b"no zip at all", "not a valid array file"),
        (lambda arrays: npz(arrays)[:-300], "not a valid array file"),
    ],
)
def test_forged_arrays_are_refused(bundle: Path, forge: Any, message: str) -> None:
    replace_arrays(bundle, forge(arrays_of(bundle)))
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle)


@pytest.mark.parametrize("header", ["{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000000,), }", "(", "{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999999,), }"])  # fmt: skip
def test_a_forged_array_header_asks_for_no_memory(bundle: Path, header: str) -> None:
    raw = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays_of(bundle).items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            archive.writestr(f"{name}.npy", raw if name == "idf" else content.getvalue())
    replace_arrays(bundle, buffer.getvalue())
    with pytest.raises(BundleError, match=r"the array 'idf' is|not a valid array file"):
        read_bundle(bundle)


def test_a_zip_with_a_foreign_file_is_refused(bundle: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../evil.npy", b"x")
    replace_arrays(bundle, buffer.getvalue())
    with pytest.raises(BundleError, match="it holds the arrays"):
        read_bundle(bundle)
    assert not (bundle.parent.parent / "evil.npy").exists()


def test_training_a_pack_twice_gives_the_same_bytes(tiny_pack: Path, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(tiny_pack, pack)
    data = tiny_data()
    (pack / "texts").mkdir()
    lines = [
        json.dumps({"text": text, "reason": reason}) for text, reason in zip(data.texts, data.reasons, strict=True)
    ]
    (pack / "texts" / "training.jsonl").write_text("\n".join(lines) + "\n")
    train_pack(pack, out=tmp_path / "one")
    train_pack(pack, out=tmp_path / "two")
    for name in ("manifest.json", "arrays.npz", "MODEL_CARD.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_format_of_number_one_loads_for_ever() -> None:
    bundle = read_bundle(ROOT / "tests" / "formats" / "v1" / "bundle")
    assert bundle.manifest.format == 1
    said = bundle.model.predict(["where is my parcel"])
    assert bundle.model.classes[int(said.proba[0].argmax())] == "delivery.track"


@pytest.mark.parametrize("make", ["file", "empty folder", "absent"])
def test_something_that_is_no_bundle_is_refused(tmp_path: Path, make: str) -> None:
    place = tmp_path / "thing"
    if make == "file":
        place.write_text("hello")
    elif make == "empty folder":
        place.mkdir()
    with pytest.raises(ContactReasonsError, match="manifest"):
        read_bundle(place)
