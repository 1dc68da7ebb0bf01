from typing import Any

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier.chances import CalibrationMap
from contact_reasons.classifier.engine import ModelArrays

def instructions(wanted: str = "") -> str: ...

class Tokens:
    def __init__(
        self,
        token_hashes: npt.NDArray[np.uint64],
        vectors: npt.NDArray[np.int8],
        vector_scale: npt.NDArray[np.float32],
    ) -> None: ...
    def tokenise(self, word: str) -> list[int]: ...

class Kernel:
    n_columns: int
    def __init__(self, arrays: ModelArrays, tokens: Tokens | None) -> None: ...
    def score(
        self,
        texts: tuple[str, ...],
        start: int,
        stop: int,
        scores: npt.NDArray[np.float32],
        words: npt.NDArray[np.int32],
    ) -> None: ...
    def predict(
        self,
        texts: tuple[str, ...],
        start: int,
        stop: int,
        calibration: CalibrationMap,
        proba: npt.NDArray[np.float64],
        in_scope: npt.NDArray[np.float64],
    ) -> None: ...
    def features(self, texts: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Any]: ...
