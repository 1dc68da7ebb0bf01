"""What is taken for what, as a matrix in an order of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["confusion_matrix"]


def confusion_matrix(
    truth: Sequence[str | None], answers: Sequence[str | None], order: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Numbers of texts by true reason (rows) and answer (columns).

    Parameters
    ----------
    truth : sequence of str or None, length n
        None, no reason, is the last row.
    answers : sequence of str or None, length n
        None, abstained, is the last column.
    order : sequence of str, length k
        Of the rows and columns, such as that of a taxonomy.

    Returns
    -------
    ndarray of int64, shape (k + 1, k + 1)

    Raises
    ------
    ValueError
        If lengths differ, or a reason is not in ``order`` or twice in it.

    Examples
    --------
    >>> confusion_matrix(["a", "a", "b", None], ["a", "b", None, "b"], ["a", "b"]).tolist()
    [[1, 1, 0], [0, 0, 1], [0, 1, 0]]
    """
    if len(truth) != len(answers):
        raise ValueError(f"{len(truth)} true ids and {len(answers)} answers; give one of each a text")
    place: dict[str | None, int] = {reason: at for at, reason in enumerate(order)}
    if len(place) != len(order):
        raise ValueError("a reason is twice in the order")
    place[None] = k = len(order)
    try:
        cells = [place[reason] * (k + 1) + place[answer] for reason, answer in zip(truth, answers, strict=True)]
    except KeyError as exc:
        raise ValueError(f"the reason {exc.args[0]!r} is not in the order") from None
    counts = np.bincount(np.array(cells, dtype=np.int64), minlength=(k + 1) ** 2)
    return counts.reshape(k + 1, k + 1).astype(np.int64)
