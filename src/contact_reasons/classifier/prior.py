"""`TokenPrior`: pieces of words and what is known of each beforehand, one object for all models of a process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.features import hash_of, split_words

__all__ = ["MAX_PIECE_CHARS", "MAX_TOKENISED_CHARS", "TokenPrior", "piece_hash", "token_hash"]

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

    Raises
    ------
    ValueError
        If shapes do not fit each other or the hashes are not sorted and unique.
    """

    token_hashes: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.int8]
    vector_scale: npt.NDArray[np.float32]

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
        tokens = {word: self._tokenise_word(word) for row in words for word in row}
        return [np.array([token for word in row for token in tokens[word]], dtype=np.int64) for row in words]

    def _tokenise_word(self, word: str) -> list[int]:
        """Tokens of a word; none if it is too long or some position has no match."""
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
