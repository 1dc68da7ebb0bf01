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
from contact_reasons.arrays import sha256_of
from contact_reasons.bundle import FORMAT, TaxonomyRef, read_bundle, write_bundle
from contact_reasons.classifier import CalibrationMap, HiddenLayer, ModelArrays, ReasonModel, TokenPrior, quantise_rows
from contact_reasons.classifier.prior import prior_sha256, shipped_prior, write_prior
from contact_reasons.confidence import Thresholds
from contact_reasons.errors import BundleError, ContactReasonsError
from contact_reasons.packs import train_pack
from contact_reasons.schema import seal_of
from contact_reasons.training import keep_together
from tests.conftest import ROOT, tiny_data
from tests.unit.test_engine import RANDOM_PRIOR, TEXTS, arrays


@pytest.fixture
def bundle(tiny_pack: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_pack / "model", tmp_path / "model"))


def rewrite(bundle: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
    data = json.loads((bundle / "manifest.json").read_text())
    seal = data.pop("seal")
    change(data)
    data["seal"] = seal_of(data) if sealed else seal
    (bundle / "manifest.json").write_text(json.dumps(data))


def replace_arrays(bundle: Path, content: bytes) -> None:
    """Other arrays with a manifest that vouches for them: a forger's work."""
    (bundle / "arrays.npz").write_bytes(content)
    rewrite(bundle, lambda data: data["files"].update({"arrays.npz": sha256_of(content)}))


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
        groups=[sides.keys[i] for i in sorted(range(len(data.texts)), key=lambda i: data.reasons[i] is None)],
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


def says_the_same(changed: bytes, manifest: bytes) -> bool:
    try:
        return bool(json.loads(changed) == json.loads(manifest))
    except ValueError:
        return False


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
    raw[position] ^= flip
    if name == "manifest.json" and says_the_same(bytes(raw), (folder / name).read_bytes()):
        return  # other white space between tokens, or another last digit of the same float
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
            rf"format 4; this version of contact-reasons reads formats 1 to {FORMAT}",
        ),
        (
            lambda data: data.pop("classes"),
            r"classes: the key 'classes' is missing.*the manifest is not one of this package",
        ),
        (lambda data: data.update(classes=["b.x", "a.y"]), r"classes must be distinct, sorted|does not fit the others"),
        (lambda data: data.update(format=True), r"format True; this version"),
        (lambda data: data.update(format=1), r"sharpness: None; it must be a number above 0"),
        (lambda data: data.update(format=1, sharpness=-1), r"sharpness: -1; it must be a number above 0"),
        (lambda data: data.update(format=1, sharpness=2), r"it names the arrays"),
        (lambda data: data.update(prior=None), r"it names the arrays"),
        (lambda data: data.update(prior={"sha256": "0" * 64}), r"trained with the prior 0000"),
        (lambda data: data["arrays"].update(rows=[3]), r"the array 'rows' has shape \(3,\); it must have 2 dimensions"),
        (
            lambda data: data["arrays"].update(rows=[-1, -1]),
            r"arrays\.rows\[0\]: this must be a whole number, at least 0, not -1",
        ),
        (lambda data: data.update(thresholds={"secondary": 2, "primary": 0}), r"each from 0 to 1"),
        (lambda data: data.update(surprise=1), r"surprise: the key 'surprise' is not known here"),
        (lambda data: data["arrays"].update(idf=[1]), r"the array 'idf' is"),
        (lambda data: data["taxonomy"].pop("version"), r"taxonomy\.version: the key 'version' is missing"),
        (lambda data: data.update(taxonomy="retail"), r"taxonomy: this must be a mapping"),
        (lambda data: data.update(prior={"sha256": 1}), r"prior\.sha256: this must be a text, not 1"),
        (lambda data: data.update(classes="a.b"), r"classes: this must be a list, not 'a\.b'"),
        (lambda data: data.update(classes=["a.b"]), r"classes: the list has 1 entries; give at least 2"),
        (lambda data: data.update(classes=["a.b", 3]), r"classes\[1\]: this must be a text, not 3"),
        (lambda data: data.update(knows_scope=1), r"knows_scope: this must be true or false, not 1"),
        (
            lambda data: data["thresholds"].update(primary="0.5"),
            r"thresholds\.primary: this must be a number, not '0\.5'",
        ),
        (lambda data: data["thresholds"].update(primary=float("nan")), r"thresholds\.primary: this must be a number"),
        (lambda data: data.update(scores=[]), r"scores: this must be a mapping"),
        (lambda data: data.update(knows_scope=False), r"does not fit the others"),
    ],
)
def test_a_sealed_manifest_that_is_wrong_is_refused(bundle: Path, change: Any, message: str) -> None:
    rewrite(bundle, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(bundle)


def test_a_threshold_changed_by_hand_breaks_theseal_of(bundle: Path) -> None:
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
        (lambda arrays: npz({**arrays, "is_char": arrays["is_char"].view(np.uint8) * 2}), "is_char' is |u1"),
        (lambda arrays: npz({**arrays, "is_char": (arrays["is_char"] * np.uint8(2)).view(bool)}), "neither true nor"),
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


def hidden_model(prior: TokenPrior = RANDOM_PRIOR) -> ReasonModel:
    """A small random model with a hidden layer on some prior."""
    base = arrays()
    assert base.hidden is not None
    layer = {name: getattr(base.hidden, name) for name in HIDDEN_ARRAYS}
    layer["projection"] = np.random.default_rng(6).normal(size=(prior.width, 7)).astype(np.float32)
    linear = (base.vocabulary, base.rows, base.row_scale, base.intercept)
    return ReasonModel(["a.a", "a.b", "b.a", "b.b"], ModelArrays(*linear, HiddenLayer(prior, **layer)))


LINEAR_ARRAYS = ("hashes", "is_char", "idf", "rows", "row_scale", "intercept")
HIDDEN_ARRAYS = (
    "tuned_ids",
    "tuned_rows",
    "tuned_scale",
    "projection",
    "word_ids",
    "word_rows",
    "word_scale",
    "hidden_bias",
    "out",
)


def write_model(path: Path, model: ReasonModel) -> Path:
    write_bundle(
        path,
        model,
        Thresholds(0.5, 0.4),
        taxonomy=TaxonomyRef(taxonomy_id="letters", version="1.0.0", sha256="0" * 64),
        package_version="0.1.0",
        library_versions={},
        thresholds_from="nothing",
        training={},
        scores={},
    )
    return path


@pytest.fixture
def hidden_bundle(tmp_path: Path) -> Path:
    return write_model(tmp_path / "hidden", hidden_model())


@pytest.mark.parametrize("prior", [RANDOM_PRIOR, None], ids=["own prior", "shipped prior"])
def test_a_hidden_layer_comes_back_as_it_was(tmp_path: Path, prior: TokenPrior | None) -> None:
    model = hidden_model(prior or shipped_prior())
    read = read_bundle(write_model(tmp_path / "model", model)).model
    assert model.arrays.hidden is not None
    assert read.arrays.hidden is not None
    for name in HIDDEN_ARRAYS:
        found, expected = getattr(read.arrays.hidden, name), getattr(model.arrays.hidden, name)
        assert found.dtype == expected.dtype
        assert (found == expected).all()
    for name in ("rows", "row_scale", "intercept"):
        found, expected = getattr(read.arrays, name), getattr(model.arrays, name)
        assert found.dtype == expected.dtype
        assert (found == expected).all()
    assert (read.scores(TEXTS) == model.scores(TEXTS)).all()
    assert (tmp_path / "model" / "prior").exists() == (prior is not None)
    assert (read.arrays.hidden.prior is shipped_prior()) == (prior is None)


def test_a_model_of_the_shipped_prior_removes_the_prior_of_the_one_before(hidden_bundle: Path) -> None:
    write_model(hidden_bundle, hidden_model(shipped_prior()))
    assert sorted(path.name for path in hidden_bundle.iterdir()) == ["arrays.npz", "manifest.json"]
    assert read_bundle(hidden_bundle).model.arrays.hidden is not None


def test_a_model_that_was_read_is_written_with_the_same_bytes(hidden_bundle: Path, tmp_path: Path) -> None:
    again = write_model(tmp_path / "again", read_bundle(hidden_bundle).model)
    for name in ("manifest.json", "arrays.npz", "prior/arrays.npz", "prior/prior.json"):
        assert (again / name).read_bytes() == (hidden_bundle / name).read_bytes()


@pytest.mark.parametrize("vouched", [False, True], ids=["header", "manifest too"])
@pytest.mark.parametrize("name", LINEAR_ARRAYS + HIDDEN_ARRAYS)
def test_an_array_without_its_last_row_is_refused(hidden_bundle: Path, name: str, vouched: bool) -> None:
    found = arrays_of(hidden_bundle)
    shorter = found[name][:-1]
    replace_arrays(hidden_bundle, npz({**found, name: shorter}))
    if vouched:
        rewrite(hidden_bundle, lambda data: data["arrays"].update({name: list(shorter.shape)}))
    with pytest.raises(BundleError, match="does not fit the others" if vouched else f"the array '{name}' is"):
        read_bundle(hidden_bundle)


@pytest.mark.parametrize("name", LINEAR_ARRAYS + HIDDEN_ARRAYS)
def test_an_array_of_another_type_or_order_is_refused(hidden_bundle: Path, name: str) -> None:
    found = arrays_of(hidden_bundle)
    changed = [found[name].astype(np.float64), found[name][None]]
    changed += [np.asfortranarray(found[name])] if found[name].ndim == 2 else []
    for array in changed:
        replace_arrays(hidden_bundle, npz({**found, name: array}))
        with pytest.raises(BundleError, match=f"the array '{name}' is"):
            read_bundle(hidden_bundle)


@pytest.mark.parametrize("name", LINEAR_ARRAYS + HIDDEN_ARRAYS)
def test_a_missing_array_is_named(hidden_bundle: Path, name: str) -> None:
    found = arrays_of(hidden_bundle)
    replace_arrays(hidden_bundle, npz({key: array for key, array in found.items() if key != name}))
    with pytest.raises(BundleError, match="it holds the arrays"):
        read_bundle(hidden_bundle)
    rewrite(hidden_bundle, lambda data: data["arrays"].pop(name))
    with pytest.raises(BundleError, match="it names the arrays"):
        read_bundle(hidden_bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: {"tuned_ids": found["tuned_ids"][::-1].copy()}, "tuned_ids must be sorted"),
        (lambda found: {"tuned_ids": found["tuned_ids"] + np.int32(10_000)}, "tuned_ids must be sorted"),
        (lambda found: {"word_ids": found["word_ids"][::-1].copy()}, "word_ids must be sorted"),
        (lambda found: {"word_ids": found["word_ids"] - np.int32(10_000)}, "word_ids must be sorted"),
        *[
            (
                lambda found, name=name: {name: found[name] * np.float32("inf")},
                f"the array '{name}' holds values that are not",
            )
            for name in ("row_scale", "tuned_scale", "projection", "word_scale", "hidden_bias", "out")
        ],
    ],
)
def test_values_that_a_hidden_layer_cannot_have_are_refused(hidden_bundle: Path, change: Any, message: str) -> None:
    found = arrays_of(hidden_bundle)
    replace_arrays(hidden_bundle, npz({**found, **change(found)}))
    with pytest.raises(BundleError, match=message):
        read_bundle(hidden_bundle)


def test_a_model_whose_prior_is_gone_or_another_says_which_it_was_trained_with(hidden_bundle: Path) -> None:
    own = hidden_bundle / "prior"
    sha256 = prior_sha256(RANDOM_PRIOR)
    other = TokenPrior(RANDOM_PRIOR.token_hashes, RANDOM_PRIOR.vectors[::-1], RANDOM_PRIOR.vector_scale)
    write_prior(own, other, {})
    with pytest.raises(BundleError, match=rf"trained with the prior {sha256[:16]}…, and the one in .* is {prior_sha256(other)[:16]}…: train the model again, or install contact-reasons 0\.1\.0"):  # fmt: skip
        read_bundle(hidden_bundle)
    shutil.rmtree(own)
    with pytest.raises(BundleError, match=rf"trained with the prior {sha256[:16]}…, and this version of contact-reasons ships {shipped_prior().sha256[:16]}…"):  # fmt: skip
        read_bundle(hidden_bundle)


@pytest.mark.parametrize("name", ["prior.json", "arrays.npz"])
def test_half_a_prior_is_not_replaced_by_the_shipped_one(hidden_bundle: Path, name: str) -> None:
    (hidden_bundle / "prior" / name).unlink()
    with pytest.raises(BundleError, match=rf"prior/{name}: the file is not there"):
        read_bundle(hidden_bundle)


def test_a_changed_byte_of_the_prior_is_found(hidden_bundle: Path) -> None:
    file = hidden_bundle / "prior" / "arrays.npz"
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(BundleError, match=r"prior/arrays\.npz: the SHA-256"):
        read_bundle(hidden_bundle)


def test_a_manifest_without_its_prior_is_refused(hidden_bundle: Path) -> None:
    rewrite(hidden_bundle, lambda data: data.update(prior=None))
    with pytest.raises(BundleError, match="it names the arrays"):
        read_bundle(hidden_bundle)


@pytest.mark.parametrize("number", [2, 3])
def test_a_format_with_a_hidden_layer_loads_for_ever(number: int) -> None:
    folder = ROOT / "tests" / "formats" / f"v{number}"
    bundle = read_bundle(folder / "bundle")
    assert bundle.manifest.format == number
    assert (bundle.model.calibration == CalibrationMap()) == (number == 2)
    assert bundle.model.arrays.hidden is not None
    assert bundle.manifest.prior is not None
    assert bundle.model.arrays.hidden.prior.sha256 == bundle.manifest.prior.sha256 != shipped_prior().sha256
    for text, proba, in_scope in json.loads((folder / "expected.json").read_text(encoding="utf-8")):
        said = bundle.model.predict([text])
        np.testing.assert_allclose(said.proba[0], proba, atol=1e-5)
        np.testing.assert_allclose(said.in_scope[0], in_scope, atol=1e-5)


def test_the_format_of_number_one_loads_for_ever() -> None:
    folder = ROOT / "tests" / "formats" / "v1" / "bundle"
    bundle, stored = read_bundle(folder), arrays_of(folder)
    assert bundle.manifest.format == 1
    sharpness = json.loads((folder / "manifest.json").read_text())["sharpness"]
    rows, scale = quantise_rows(stored["weights"].astype(np.float32))
    assert (bundle.model.arrays.rows == rows).all()
    np.testing.assert_allclose(bundle.model.arrays.row_scale, sharpness * scale, rtol=1e-6)
    np.testing.assert_allclose(bundle.model.arrays.intercept, sharpness * stored["intercept"], rtol=1e-6)
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
