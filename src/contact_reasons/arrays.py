"""Files of plain arrays: an uncompressed ``.npz`` whose SHA-256, names, types and shapes are known before it is read.

Reading runs no code and, for files written here, copies no array: each is a read-only view of the file's bytes.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import BundleError

__all__ = ["ArrayType", "open_arrays", "pack_arrays", "read_bytes", "room_for", "sha256_of"]

_HUGE_PAGE: Final = 2 * 1024 * 1024
_ALIGNMENT: Final = 64
_PADDING_ID: Final = 0x4E50  # of the zip's extra field that holds zeros
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_DIRECTORY_ENTRY: Final = struct.Struct("<4s6xH8xIIHHH8xI")
_DIRECTORY_MAGIC: Final = b"PK\x01\x02"
_DIRECTORY_END: Final = struct.Struct("<4s6xHII2x")
_END_MAGIC: Final = b"PK\x05\x06"
_STORED: Final = 0
_MAX_NPY_HEADER: Final = 4096


class ArrayType(NamedTuple):
    """What an array of a file has to be.

    Parameters
    ----------
    dtype : str
        As `numpy.dtype.str`, such as ``'<f4'``.
    shape : tuple of int
    """

    dtype: str
    shape: tuple[int, ...]


class _Member(NamedTuple):
    """An array in a zip: name, method of compression, size there and unpacked, where its local header begins."""

    name: str
    method: int
    stored_size: int
    size: int
    at: int


def room_for(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Bytes of any value, shape (n_bytes,); many of them begin where a huge page does.

    New memory comes from the system page by page, on first touch: of 2 MB where it has huge pages, ten times as quick as of 4 KB.
    """
    if n_bytes < _HUGE_PAGE // 2:
        return np.empty(n_bytes, dtype=np.uint8)
    more = np.empty(max(n_bytes, _HUGE_PAGE) + _HUGE_PAGE, dtype=np.uint8)  # from 4 MB on, NumPy asks for huge pages
    start = -more.__array_interface__["data"][0] % _HUGE_PAGE
    return more[start : start + n_bytes]


def sha256_of(content: bytes | memoryview) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def pack_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as an uncompressed ``.npz``, the same bytes on every version of Python (`numpy.savez` differs by zipfile).

    The values of each array begin at a multiple of 64 bytes, so that `open_arrays` need not copy them.

    Examples
    --------
    >>> content = pack_arrays({"idf": np.ones(3, dtype="<f4")})
    >>> open_arrays(Path("x.npz"), content, sha256_of(content), {"idf": ArrayType("<f4", (3,))})["idf"].tolist()
    [1.0, 1.0, 1.0]
    """
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            padding = -(buffer.tell() + _LOCAL_HEADER.size + len(info.filename) + 4) % _ALIGNMENT
            info.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def read_bytes(file: Path, *, belongs_to: str) -> memoryview:
    """Content of a file.

    Parameters
    ----------
    file : Path
    belongs_to : str
        What is missing if the file is, and how to get it: the end of the error's sentence.

    Raises
    ------
    BundleError
        If it is not there or cannot be read.
    """
    try:
        with file.open("rb", buffering=0) as stream:
            content = room_for(os.fstat(stream.fileno()).st_size).data
            filled = 0
            while more := stream.readinto(content[filled:]):
                filled += more
    except FileNotFoundError:
        raise BundleError(f"{file}: the file is not there; {belongs_to}") from None
    except OSError as exc:
        raise BundleError(
            f"{file}: the file cannot be read ({exc.strerror or exc}); check the path and the rights"
        ) from exc
    return content[:filled].toreadonly()


def open_arrays(
    file: Path, content: bytes | memoryview, sha256: str | None, expected: Mapping[str, ArrayType]
) -> dict[str, npt.NDArray[Any]]:
    """Read-only arrays of a file's content, after a look at its directory: nothing compressed, unexpected or pickled.

    Parameters
    ----------
    file : Path
        For error messages.
    content : bytes or memoryview
    sha256 : str or None
        What the SHA-256 of the content has to be.
    expected : mapping of str to ArrayType
        The arrays, no more and no fewer. Compared with each header before any memory is asked for.

    Raises
    ------
    BundleError
        If anything differs from what is expected, saying what.
    """
    if sha256_of(content) != sha256:
        raise BundleError(
            f"{file}: the SHA-256 is not the one written beside it; the file is damaged, truncated or from another "
            "model: restore the directory or make it again"
        )
    try:
        members = _members(content)
        names = sorted(member.name for member in members)
        if names != sorted(expected):
            raise BundleError(f"{file}: it holds the arrays {names}; expected {sorted(expected)}")
        return {member.name: _array(file, content, member, expected[member.name]) for member in members}
    except BundleError:
        raise
    except Exception as exc:  # a forged zip or header can fail in any way; none of them is ours
        raise BundleError(f"{file}: not a valid array file ({type(exc).__name__}); restore the directory") from exc


def _members(content: bytes | memoryview) -> list[_Member]:
    """What the directory at the end of a zip names; anything that is not as `pack_arrays` or NumPy write it is an error."""
    end = len(content) - _DIRECTORY_END.size
    magic, n_members, size, at = _DIRECTORY_END.unpack_from(content, end)
    if magic != _END_MAGIC or at + size != end:
        raise ValueError("no directory at the end")
    members = []
    for _ in range(n_members):
        magic, method, stored_size, unpacked, name_length, extra_length, comment_length, header = (
            _DIRECTORY_ENTRY.unpack_from(content, at)
        )
        at += _DIRECTORY_ENTRY.size
        if magic != _DIRECTORY_MAGIC or at + name_length > end:
            raise ValueError("not an entry of a directory")
        name = bytes(content[at : at + name_length]).decode().removesuffix(".npy")
        members.append(_Member(name, method, stored_size, unpacked, header))
        at += name_length + extra_length + comment_length
    if at != end:
        raise ValueError("not the end of a directory")
    return members


def _array(file: Path, content: bytes | memoryview, member: _Member, expected: ArrayType) -> npt.NDArray[Any]:
    name = member.name
    if member.method != _STORED or member.size != member.stored_size:
        raise BundleError(f"{file}: the array {name!r} is compressed; bundles hold plain arrays")
    magic, name_length, extra_length = _LOCAL_HEADER.unpack_from(content, member.at)
    start = member.at + _LOCAL_HEADER.size + name_length + extra_length
    stop = start + member.size
    if magic != _LOCAL_MAGIC or stop > len(content):
        raise BundleError(f"{file}: the array {name!r} is not where the directory of the file says; restore the file")
    stream = io.BytesIO(content[start : min(stop, start + _MAX_NPY_HEADER + 16)])
    if np.lib.format.read_magic(stream) != (1, 0):
        raise BundleError(f"{file}: the array {name!r} is of another version of the .npy format")
    shape, column_major, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_MAX_NPY_HEADER)
    if dtype.str != expected.dtype or shape != expected.shape or column_major:
        order = ", column by column" if column_major else ""
        raise BundleError(
            f"{file}: the array {name!r} is {dtype.str} {shape}{order}; expected {expected.dtype} {expected.shape}"
        )
    size = math.prod(shape) * dtype.itemsize
    if start + stream.tell() + size != stop:
        raise BundleError(
            f"{file}: the array {name!r} has {stop - start - stream.tell():,} bytes of values; {dtype.str} {shape} takes {size:,}"
        )
    array = np.frombuffer(content, dtype, math.prod(shape), start + stream.tell()).reshape(shape)
    if not array.flags.aligned:
        array = array.copy()
        array.flags.writeable = False
    return array
