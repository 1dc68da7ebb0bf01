"""`TokenPrior`: pieces of words and what is known of each beforehand, one object for all models of a process."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.arrays import ArrayType, open_arrays, pack_arrays, read_bytes, sha256_of
from contact_reasons.classifier.features import hash_of, split_words
from contact_reasons.errors import BundleError, shorten
from contact_reasons.resources import prior_folder

__all__ = [
    "MAX_PIECE_CHARS",
    "MAX_TOKENISED_CHARS",
    "PRIOR_FORMAT",
    "TokenPrior",
    "piece_hash",
    "prior_sha256",
    "read_prior",
    "shipped_prior",
    "token_hash",
    "write_prior",
]

PRIOR_FORMAT: Final = 1
"""Of ``prior.json`` and the arrays beside it."""

MAX_TOKENISED_CHARS: Final = 32
"""Longer words have no token."""

MAX_PIECE_CHARS: Final = 20
"""Characters of one token, at most."""

_SEED_TOKEN: Final = 0x082EFA98EC4E6C89
_SEED_PIECE: Final = 0x452821E638D01377


def token_hash(characters: str) -> int:
    """Hash of characters that begin a word."""
    return hash_of(characters, _SEED_TOKEN)


def piece_hash(characters: str) -> int:
    """Hash of characters inside a word, after its first token."""
    return hash_of(characters, _SEED_PIECE)


@dataclass(frozen=True, eq=False)
class TokenPrior:
    """Tokens, by hash, and a vector for each.

    Parameters
    ----------
    token_hashes : ndarray of uint64, shape (n_tokens,)
        Sorted, unique; of beginnings of words (`token_hash`) and of later pieces (`piece_hash`).
    vectors : ndarray of int8, shape (n_tokens, width)
    vector_scale : ndarray of float32, shape (n_tokens,)
        A token's vector is ``vector_scale[i] * vectors[i]``.
    sha256 : str, default=''
        Of the file that it was read from; empty for one made in memory.

    Raises
    ------
    ValueError
        If shapes do not fit each other or the hashes are not sorted and unique.
    """

    token_hashes: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.int8]
    vector_scale: npt.NDArray[np.float32]
    sha256: str = ""

    def __post_init__(self) -> None:
        n = len(self.token_hashes)
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.vector_scale.shape != (n,):
            raise ValueError(
                f"{n} token hashes, vectors of shape {self.vectors.shape}, scales of shape {self.vector_scale.shape}; "
                "give one vector and one scale a token"
            )
        if not (self.token_hashes[1:] > self.token_hashes[:-1]).all():
            raise ValueError("the token hashes are not sorted and unique")

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.token_hashes)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @functools.cached_property
    def _index(self) -> dict[int, int]:
        return {value: i for i, value in enumerate(self.token_hashes.tolist())}

    def tokenise(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        """Ids of the tokens of each text, in order: of each word the longest match first, as in WordPiece.

        Returns
        -------
        list of ndarray of int64
        """
        words = split_words(texts)
        tokens = {word: self.tokenise_word(word) for word in {word for row in words for word in row}}
        return [np.array([token for word in row for token in tokens[word]], dtype=np.int64) for row in words]

    def tokenise_word(self, word: str) -> list[int]:
        """Tokens of a normalised word; none if it is too long or some position has no match."""
        tokens: list[int] = []
        start = 0
        while start < len(word) <= MAX_TOKENISED_CHARS:
            hashed = piece_hash if start else token_hash
            for stop in range(min(len(word), start + MAX_PIECE_CHARS), start, -1):
                found = self._index.get(hashed(word[start:stop]))
                if found is not None:
                    break
            else:
                return []
            tokens.append(found)
            start = stop
        return tokens


_FACTS, _ARRAYS = "prior.json", "arrays.npz"
_MAX_FACTS_BYTES: Final = 1024 * 1024
_MISSING: Final = f"a prior is a directory with {_FACTS} and {_ARRAYS}: restore it, or install the package again"


def _pack(prior: TokenPrior) -> bytes:
    return pack_arrays(
        {
            "token_hashes": np.asarray(prior.token_hashes, dtype="<u8"),
            "vectors": np.asarray(prior.vectors, dtype="|i1"),
            "vector_scale": np.asarray(prior.vector_scale, dtype="<f4"),
        }
    )


def prior_sha256(prior: TokenPrior) -> str:
    """SHA-256 of the file of its arrays, whether it was read from one or made in memory."""
    return prior.sha256 or sha256_of(_pack(prior))


def write_prior(folder: str | Path, prior: TokenPrior, facts: Mapping[str, Any]) -> str:
    """Write ``arrays.npz`` and, last, ``prior.json``; the same prior gives the same bytes.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    prior : TokenPrior
    facts : mapping
        Whatever else ``prior.json`` should say, such as where the vectors come from and their licence.

    Returns
    -------
    str
        SHA-256 of ``arrays.npz``.

    Raises
    ------
    BundleError
        If the folder cannot be written.
    """
    folder = Path(folder)
    content = _pack(prior)
    data = {
        **facts,
        "format": PRIOR_FORMAT,
        "n_tokens": prior.n_tokens,
        "width": prior.width,
        "sha256": sha256_of(content),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FACTS).unlink(missing_ok=True)
        (folder / _ARRAYS).write_bytes(content)
        (folder / _FACTS).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise BundleError(
            f"{folder}: the prior cannot be written ({exc.strerror or exc}); check the folder and its rights"
        ) from exc
    return str(data["sha256"])


def read_prior(folder: str | Path) -> TokenPrior:
    """Read and check a folder that `write_prior` wrote.

    Raises
    ------
    BundleError
        If it is missing, damaged or of another format, saying which file and what to do.
    """
    folder = Path(folder)
    n_tokens, width, sha256 = _read_facts(folder / _FACTS)
    expected = {
        "token_hashes": ArrayType("<u8", (n_tokens,)),
        "vectors": ArrayType("|i1", (n_tokens, width)),
        "vector_scale": ArrayType("<f4", (n_tokens,)),
    }
    content = read_bytes(folder / _ARRAYS, belongs_to=_MISSING)
    arrays = open_arrays(folder / _ARRAYS, content, sha256, expected)
    if not np.isfinite(arrays["vector_scale"]).all():
        raise BundleError(f"{folder / _ARRAYS}: the array 'vector_scale' holds values that are not finite")
    try:
        return TokenPrior(**arrays, sha256=sha256)
    except ValueError as exc:
        raise BundleError(f"{folder / _ARRAYS}: {exc}") from None


def _read_facts(file: Path) -> tuple[int, int, str]:
    """Number of tokens, width, and SHA-256 of the arrays."""
    raw = read_bytes(file, belongs_to=_MISSING)
    try:
        if len(raw) > _MAX_FACTS_BYTES:
            raise ValueError("too large")
        data = json.loads(bytes(raw))
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
    except (ValueError, RecursionError) as exc:
        raise BundleError(
            f"{file}: not the facts of a prior ({type(exc).__name__}); the file is damaged or truncated: restore it"
        ) from None
    if data.get("format") != PRIOR_FORMAT:
        raise BundleError(
            f"{file}: format {shorten(data.get('format'))}; this version of contact-reasons reads format {PRIOR_FORMAT}: "
            "install the version that wrote it"
        )
    n_tokens, width, sha256 = (data.get(name) for name in ("n_tokens", "width", "sha256"))
    for name, number in (("n_tokens", n_tokens), ("width", width)):
        if type(number) is not int or number < 1:
            raise BundleError(
                f"{file}, {name}: {shorten(number)}; it must be a whole number, at least 1: restore the file"
            )
    if not isinstance(sha256, str):
        raise BundleError(f"{file}, sha256: {shorten(sha256)}; it must be that of {_ARRAYS}: restore the file")
    assert isinstance(n_tokens, int)
    assert isinstance(width, int)
    return n_tokens, width, sha256


_shipped_lock = threading.Lock()
_shipped: list[TokenPrior] = []


def shipped_prior() -> TokenPrior:
    """The prior that comes with the package: one object for all models of a process, read when first asked for.

    Raises
    ------
    BundleError
        If it is missing or damaged, saying what to do.
    """
    with _shipped_lock:
        if not _shipped:
            _shipped.append(read_prior(prior_folder()))
        return _shipped[0]
