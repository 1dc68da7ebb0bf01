"""Confidences made more or less sure by one factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contact_reasons.classifier import ReasonProbabilities

__all__ = ["fit_temperature", "tempered"]

FloatArray = npt.NDArray[np.float64]

_TRIED: Final = np.geomspace(0.1, 10.0, 401).round(3)


def tempered(said: ReasonProbabilities, temperature: float) -> FloatArray:
    r"""Probability of each reason, the text being in scope included, after temperature scaling [1]_.

    A model says one distribution over the k reasons and "out of scope": :math:`q = (s p_1, \dots, s p_k, 1 - s)`. Temperature divides
    its logits, out of scope among them:

    .. math:: q_j^{(T)} = q_j^{1/T} / \sum_i q_i^{1/T}

    The order of the reasons stays. What is impossible stays so: a text that cannot be in scope has no reason at any temperature.

    Parameters
    ----------
    said : ReasonProbabilities
        Of n texts and k reasons.
    temperature : float
        Above 0; above 1 makes less sure, 1 changes nothing.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Rows sum to the probability of being in scope.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", ICML 2017.

    Examples
    --------
    >>> said = ReasonProbabilities(np.array([[0.8, 0.2]]), np.array([1.0]))
    >>> tempered(said, 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    joint: FloatArray = said.proba * said.in_scope[:, None]
    if temperature == 1:
        return joint
    outside = np.power(np.maximum(1.0 - said.in_scope, 0.0), 1.0 / temperature)
    np.power(joint, 1.0 / temperature, out=joint)
    joint /= (joint.sum(axis=1) + outside)[:, None]
    return joint


def fit_temperature(said: ReasonProbabilities, classes: Sequence[str], truth: Sequence[str | None]) -> float:
    r"""The temperature from 0.1 to 10 at which the truths are most probable.

    A penalty of :math:`(\ln T)^2 / 2`, worth about one text, keeps it finite where all texts are right. Texts whose truth the model
    holds impossible say nothing and are left out.

    Parameters
    ----------
    said : ReasonProbabilities
        Of n texts that the model was not trained on.
    classes : sequence of str, length k
    truth : sequence of str or None, length n
        None for a text out of scope.

    Examples
    --------
    >>> said = ReasonProbabilities(np.array([[0.99, 0.01]] * 100), np.ones(100))
    >>> fit_temperature(said, ["a.x", "a.y"], ["a.x"] * 80 + ["a.y"] * 20) > 2  # as sure as 99 of 100, right 80 times
    True
    """
    index = {reason: column for column, reason in enumerate(classes)}
    target = np.array([len(index) if reason is None else index[reason] for reason in truth], dtype=np.int64)
    chances = np.column_stack([said.proba * said.in_scope[:, None], 1.0 - said.in_scope])
    own = chances[np.arange(len(target)), target]
    chances, own = chances[own > 0], own[own > 0]
    with np.errstate(divide="ignore"):
        logs = np.log(chances)
    losses = [np.log(np.exp(logs / t).sum(axis=1)).sum() - np.log(own).sum() / t + 0.5 * np.log(t) ** 2 for t in _TRIED]
    return float(_TRIED[int(np.argmin(losses))])
