"""Files of plain arrays: what was written comes back without a copy; anything else is refused."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contact_reasons.arrays import ArrayType, open_arrays, pack_arrays, read_bytes, room_for, sha256_of
from contact_reasons.errors import BundleError

FILE = Path("folder/arrays.npz")
ARRAYS = {"ids": np.arange(6, dtype="<i4").reshape(2, 3), "scale": np.array([0.5, 2.0], "<f4")}
TYPES = {name: ArrayType(array.dtype.str, array.shape) for name, array in ARRAYS.items()}

some_array = st.sampled_from(["<u8", "<i4", "<f4", "|i1", "|b1"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=40))
)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0))
    return stream.getvalue()


def opened(content: bytes, types: dict[str, ArrayType] = TYPES) -> dict[str, Any]:
    return open_arrays(FILE, content, sha256_of(content), types)


@given(arrays=st.dictionaries(st.text("abcdefgh_", min_size=1, max_size=12), some_array, max_size=5))
def test_what_was_written_comes_back_aligned_read_only_and_without_a_copy(arrays: dict[str, np.ndarray]) -> None:
    content = pack_arrays(arrays)
    assert content == pack_arrays(dict(reversed(arrays.items())))
    found = opened(content, {name: ArrayType(array.dtype.str, array.shape) for name, array in arrays.items()})
    whole = np.frombuffer(content, np.uint8)
    with np.load(io.BytesIO(content), allow_pickle=False) as slow_twin:
        assert sorted(found) == sorted(slow_twin)
        for name, array in found.items():
            assert array.dtype == arrays[name].dtype
            assert array.shape == arrays[name].shape
            assert array.tobytes() == arrays[name].tobytes() == slow_twin[name].tobytes()
            assert array.flags.aligned
            assert not array.flags.writeable
            assert not array.size or np.shares_memory(array, whole)
            at = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
            assert not array.size or at % 64 == 0


def test_a_column_major_array_is_written_row_by_row() -> None:
    array = np.asfortranarray(ARRAYS["ids"])
    assert pack_arrays({"ids": array}) == pack_arrays({"ids": ARRAYS["ids"]})


@pytest.mark.parametrize("filler", range(8))
def test_a_file_of_numpy_is_read_too_wherever_its_arrays_lie(filler: int) -> None:
    arrays = {"x" * (filler + 1): np.zeros(filler, np.int8), **ARRAYS}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    types = {name: ArrayType(array.dtype.str, array.shape) for name, array in arrays.items()}
    for name, array in opened(buffer.getvalue(), types).items():
        assert array.tolist() == arrays[name].tolist()
        assert array.flags.aligned
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ids": ARRAYS["ids"].astype("<i8")}, r"the array 'ids' is <i8 \(2, 3\); expected <i4 \(2, 3\)"),
        ({"ids": ARRAYS["ids"].astype(">i4")}, r"the array 'ids' is >i4"),
        ({"ids": ARRAYS["ids"][:1]}, r"the array 'ids' is <i4 \(1, 3\); expected <i4 \(2, 3\)"),
        ({"ids": np.asfortranarray(ARRAYS["ids"])}, r"the array 'ids' is <i4 \(2, 3\), column by column"),
        ({"more": np.zeros(2)}, r"it holds the arrays \['ids', 'more', 'scale'\]; expected \['ids', 'scale'\]"),
    ],
)
def test_an_array_that_was_not_expected_is_named(members: dict[str, np.ndarray], message: str) -> None:
    content = zipped({name: npy(array) for name, array in {**ARRAYS, **members}.items()})
    with pytest.raises(BundleError, match=message):
        opened(content)


@pytest.mark.parametrize("cut", [1, 8, 23, 24, 25, 100, 150])
def test_an_array_cut_short_or_too_long_is_refused(cut: int) -> None:
    for content in (npy(ARRAYS["ids"])[:-cut], npy(ARRAYS["ids"]) + bytes(cut)):
        with pytest.raises(BundleError, match=r"the array 'ids' has .* bytes of values|not a valid array file"):
            opened(zipped({"ids": content, "scale": npy(ARRAYS["scale"])}))


def test_missing_doubled_and_compressed_arrays_are_refused() -> None:
    with pytest.raises(BundleError, match="it holds the arrays"):
        opened(zipped({"ids": npy(ARRAYS["ids"])}))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("ids", "scale"):
            archive.writestr(f"{name}.npy", npy(ARRAYS[name]))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("ids.npy", npy(ARRAYS["ids"]))
    with pytest.raises(BundleError, match="it holds the arrays"):
        opened(buffer.getvalue())
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **ARRAYS)
    with pytest.raises(BundleError, match="is compressed"):
        opened(buffer.getvalue())


def test_an_array_that_points_outside_the_file_is_refused() -> None:
    content = bytearray(pack_arrays(ARRAYS))
    directory = content.index(b"PK\x01\x02")
    for field in (slice(directory + 20, directory + 24), slice(directory + 24, directory + 28)):
        content[field] = (10**6).to_bytes(4, "little")  # both sizes
    with pytest.raises(BundleError, match="is not where the directory of the file says"):
        opened(bytes(content))


@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_with_a_hash_that_vouches_for_it_gives_arrays_of_the_type_or_one_error(
    where: float, flip: int
) -> None:
    content = bytearray(pack_arrays(ARRAYS))
    content[int(where * len(content))] ^= flip
    with contextlib.suppress(BundleError):
        found = opened(bytes(content))
        assert {name: ArrayType(array.dtype.str, array.shape) for name, array in found.items()} == TYPES


def test_another_hash_or_none_is_refused() -> None:
    content = pack_arrays(ARRAYS)
    for sha256 in (sha256_of(content + b"x"), "", None):
        with pytest.raises(BundleError, match="damaged, truncated or from another"):
            open_arrays(FILE, content, sha256, TYPES)


def test_a_file_that_is_not_there_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"x\.npz: the file is not there; a model has one"):
        read_bytes(tmp_path / "x.npz", belongs_to="a model has one")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bytes(tmp_path, belongs_to="a model has one")


@pytest.mark.parametrize("size", [0, 1, 4095, 3 * 1024 * 1024 + 5])
def test_the_content_of_a_file_is_what_was_written_and_cannot_change(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "x").write_bytes(content)
    read = read_bytes(tmp_path / "x", belongs_to="")
    assert bytes(read) == content
    assert read.readonly


def test_much_room_begins_where_a_huge_page_does() -> None:
    for size in (0, 1, 2**20 - 1, 2**20, 2**22 + 1):
        room = room_for(size)
        assert room.shape == (size,)
        assert room.flags.writeable
        assert size < 2**20 or room.__array_interface__["data"][0] % 2**21 == 0


@given(content=st.binary(max_size=120), end=st.booleans())
def test_bytes_that_are_no_zip_are_one_error(content: bytes, end: bool) -> None:
    with pytest.raises(BundleError, match="not a valid array file"):
        opened(content + (b"PK\x05\x06" + bytes(4) + b"\x02\0\x02\0" + bytes(10) if end else b""))
