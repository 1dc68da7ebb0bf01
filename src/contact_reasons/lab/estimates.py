r"""What another policy would have brought, estimated from a log whose choices were left to chance in a known way.

Of contact i the log holds the channel :math:`a_i` it was sent to, the outcome :math:`r_i` and the propensity
:math:`p_i`, the probability with which it was sent there. A policy that sends it to channel a with probability
:math:`\pi(a \mid i)` gives it the weight :math:`w_i = \pi(a_i \mid i) / p_i`. Contacts count as independent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contact_reasons.errors import LabError, nearest, shorten
from contact_reasons.lab.columns import SUM_TOLERANCE, distribution, matrix, positions, refuse_rows
from contact_reasons.lab.intervals import (
    Interval,
    bernstein_bound,
    bootstrap_means,
    normal_interval,
    percentile_interval,
)
from contact_reasons.lab.routing_log import RoutingLog

__all__ = [
    "PolicyValue",
    "ValueEstimate",
    "WeightSummary",
    "estimate_policy_value",
    "outcome_means",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_FEW: Final = 30
_OFF: Final = 4.0
_OUTSIDE: Final = "no outcome can lie there: the contacts are too few, or their weights too large"


@dataclass(frozen=True, slots=True)
class WeightSummary:
    r"""How much of a log speaks of a policy.

    Parameters
    ----------
    contacts : int
    supported_share : float
        Share of the policy's choices that the log could have made, in [0, 1].
    effective_size : float
        Contacts that would tell as much if chosen by the policy itself, :math:`(\sum w)^2 / \sum w^2` (Kish).
    largest, mean : float
        Of the weights; their mean is near 1 if log and propensities are right.
    zero_share : float
        Share of contacts that the policy would never have sent where they went.
    """

    contacts: int
    supported_share: float
    effective_size: float
    largest: float
    mean: float
    zero_share: float


@dataclass(frozen=True, slots=True)
class ValueEstimate:
    """The mean outcome under a policy, by one method.

    Parameters
    ----------
    method : str
    value : float
    standard_error : float or None
        None where the sample shows no spread, and for a single contact.
    interval : Interval or None
        At 95 %, by the normal distribution; None with ``standard_error``.
    bootstrap : Interval or None
        At 95 %, percentiles of resampled logs; None if not asked for or without width.
    lower_bound : float or None
        Not above the true value with 95 % assurance, whatever the distribution (empirical Bernstein); None for SNIPS, DM and DR.
    notes : tuple of str
        What to know before using the number.
    """

    method: str
    value: float
    standard_error: float | None
    interval: Interval | None
    bootstrap: Interval | None
    lower_bound: float | None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        ends = {name: getattr(self, name) for name in ("interval", "bootstrap")}
        return {
            **{name: getattr(self, name) for name in ("method", "value", "standard_error", "lower_bound")},
            **{name: None if found is None else found._asdict() for name, found in ends.items()},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.method}: {self.value:.4g}, no interval ({'; '.join(self.notes)})"
        return f"{self.method}: {self.value:.4g} ({self.interval.low:.4g} to {self.interval.high:.4g})"


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """Estimates of the mean outcome under a policy, and how much of the log stands behind them.

    Parameters
    ----------
    estimates : tuple of ValueEstimate
        IPS, clipped IPS, SNIPS; replay of a policy without chance; with a model of outcomes DR, clipped DR, SNDR and DM, and switch DR and
        shrunk DR if asked for.
    changes : tuple of ValueEstimate
        By the same methods but for replay, the estimate less the log as it was, contact by contact: what the change of policy would bring. Bounds and
        bootstrap are None.
    logged : ValueEstimate
        Mean outcome of the log as it was: the value of the policy that wrote it.
    weights : WeightSummary
    notes : tuple of str
        Warnings about the log as a whole.
    """

    estimates: tuple[ValueEstimate, ...]
    changes: tuple[ValueEstimate, ...]
    logged: ValueEstimate
    weights: WeightSummary
    notes: tuple[str, ...]

    def __getitem__(self, method: str) -> ValueEstimate:
        return _of_method(self.estimates, method)

    def change(self, method: str) -> ValueEstimate:
        """What the change of policy would bring, by a method."""
        return _of_method(self.changes, method)

    @property
    def method(self) -> str:
        """The one to read first: DR if there is a model of outcomes, else SNIPS."""
        return "DR" if any(estimate.method == "DR" for estimate in self.estimates) else "SNIPS"

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "method": self.method,
            "logged": self.logged.as_dict(),
            "estimates": [estimate.as_dict() for estimate in self.estimates],
            "changes": [change.as_dict() for change in self.changes],
            "weights": dataclasses.asdict(self.weights),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        w = self.weights
        lines = [
            *map(str, self.estimates),
            f"change by {self.change(self.method)}",
            f"{self.logged}; contacts {w.contacts}, effective {w.effective_size:.1f}; supported {w.supported_share:.1%}; "
            f"weights: largest {w.largest:.3g}, mean {w.mean:.3f}, zero {w.zero_share:.1%}",
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def _of_method(estimates: Sequence[ValueEstimate], method: str) -> ValueEstimate:
    for estimate in estimates:
        if estimate.method == method:
            return estimate
    raise LabError(f"{shorten(method)} was not estimated; {nearest(method, [each.method for each in estimates])}")


def outcome_means(log: RoutingLog, groups: Sequence[Any], *, pseudo: float = 1.0) -> FloatArray:
    r"""A plain model of outcomes: the mean of others of the same group and channel, shape (n, k).

    .. math:: \hat q(i, a) = \frac{\sum_{j \ne i,\, g_j = g_i,\, a_j = a} r_j + m\, \bar r_a}{n_{g a} + m}

    A contact's own outcome is left out everywhere (leave-one-out), so that DR stays without bias. Small groups lean on the mean of the channel,
    and this on the mean of the log, with the weight of m contacts.

    Parameters
    ----------
    log : RoutingLog
    groups : sequence of hashable, length n
        Such as the reason, or tuples of reason, type and stage.
    pseudo : float
        m, above 0.

    Raises
    ------
    LabError
        If groups differ in length from the log.

    Examples
    --------
    >>> log = RoutingLog.of(["chat", "chat", "message"], [1, 0, 1], [0.5, 0.5, 0.5], channels=["chat", "message"])
    >>> outcome_means(log, ["late", "late", "late"]).round(2).tolist()
    [[0.12, 0.88], [1.0, 1.0], [0.5, 0.5]]
    """
    if len(groups) != len(log):
        raise LabError(f"{len(groups)} groups for {len(log)} contacts; give one a contact")
    if not pseudo > 0:
        raise LabError(f"pseudo is {pseudo}; it must be above 0")
    k, n = len(log.channels), len(log)
    places: dict[Any, int] = {}
    group = np.array([places.setdefault(one, len(places)) for one in groups], dtype=np.int64)
    own = np.zeros((n, k))
    own[np.arange(n), log.chosen] = 1.0
    own_sum = own * log.outcome[:, None]
    flat = group * k + log.chosen
    counts = np.bincount(flat, minlength=len(places) * k).reshape(-1, k)[group] - own
    sums = np.bincount(flat, log.outcome, len(places) * k).reshape(-1, k)[group] - own_sum
    overall = (log.outcome.sum() - log.outcome)[:, None] / max(n - 1, 1)
    by_channel = (own_sum.sum(axis=0) - own_sum + pseudo * overall) / (own.sum(axis=0) - own + pseudo)
    means: FloatArray = (sums + pseudo * by_channel) / (counts + pseudo)
    return means


def estimate_policy_value(
    log: RoutingLog,
    target: npt.ArrayLike | Sequence[str],
    *,
    model: npt.ArrayLike | None = None,
    clip: float = 10.0,
    switch: float | None = None,
    shrink: float | None = None,
    outcome_range: tuple[float, float] = (0.0, 1.0),
    largest_weight: float | None = None,
    resamples: int = 0,
    seed: int = 0,
    least_support: float = 1.0,
) -> PolicyValue:
    r"""The mean outcome that a policy would have had on the contacts of a log.

    ======  ==================================================================================================================
    IPS     :math:`\frac1n \sum w_i r_i`: right on average if propensities are; wide [1]_
    SNIPS   :math:`\sum w_i r_i / \sum w_i`: slightly biased, mostly narrower [2]_; standard error by the delta method,
            :math:`\sqrt{\sum w_i^2 (r_i - \hat v)^2} / \sum w_i`
    DM      :math:`\frac1n \sum_i \sum_a \pi(a \mid i)\, \hat q(i, a)`: as good as its model; its interval knows nothing of the model's error
    DR      DM plus :math:`\frac1n \sum w_i (r_i - \hat q(i, a_i))`: right on average if propensities or model are [3]_
    SNDR    DR with :math:`w_i / \bar w` for :math:`w_i`
    replay  mean outcome of the contacts that went where the policy sends them: of a policy without chance, and right only if the log chose
            among all channels alike
    ======  ==================================================================================================================

    Clipped ones use :math:`\min(w_i, \lambda)`: narrower, and biased. So are *switch DR*, which trusts the model alone where
    :math:`w_i > \tau` [4]_, and *shrunk DR* with :math:`\lambda' w_i / (w_i^2 + \lambda')` [5]_: as wrong as the model where weights are
    large, so do not lead with them. Other standard errors are those of a mean.

    Parameters
    ----------
    log : RoutingLog
    target : array-like of float, shape (n, k), or sequence of str, length n
        Probability of each channel under the policy, rows adding up to 1; or the one channel of each contact.
    model : array-like of float, shape (n, k), optional
        Expected outcome of each contact in each channel, see `outcome_means`; for DM and DR.
    clip : float
        :math:`\lambda`, above 0.
    switch, shrink : float, optional
        :math:`\tau` and :math:`\lambda'`, above 0; each brings its method along, if there is a model.
    outcome_range : (float, float)
        Least and greatest outcome there can be; for the lower bound.
    largest_weight : float, optional
        Greatest weight there can be. By default the greatest seen, with which the lower bound may claim too much.
    resamples : int
        Bootstrap samples; their time grows with resamples times contacts.
    seed : int
        Of the bootstrap.
    least_support : float
        In (0, 1]: share of the policy's choices that the log must have been able to make. What the log could not do is missing from IPS and
        guessed by the others, so lower it with care.

    Raises
    ------
    LabError
        If the log has too little support, with the reason; or an argument is wrong.

    References
    ----------
    .. [1] D. G. Horvitz, D. J. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47 (1952).
    .. [2] A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning", NeurIPS (2015).
    .. [3] M. Dudík, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML (2011).
    .. [4] Y.-X. Wang, A. Agarwal, M. Dudík, "Optimal and adaptive off-policy evaluation in contextual bandits", ICML (2017).
    .. [5] Y. Su, M. Dimakopoulou, A. Krishnamurthy, M. Dudík, "Doubly robust off-policy evaluation with shrinkage", ICML (2020).

    Examples
    --------
    >>> log = RoutingLog.of(["chat", "message", "chat", "message"], [1, 0, 1, 1], [0.5] * 4)
    >>> print(estimate_policy_value(log, ["chat", "chat", "message", "message"])["SNIPS"].value)
    1.0
    """
    _check_options({"clip": clip, "switch": switch, "shrink": shrink}, outcome_range, resamples, least_support)
    pi = _target(log, target)
    low, high = outcome_range
    outside = (log.outcome < low) | (log.outcome > high)
    refuse_rows("outcome", log.outcome, outside, f"from {low:g} to {high:g}, or give another outcome_range")
    at_choice = pi[np.arange(len(log)), log.chosen]
    weights = at_choice / log.propensity
    summary = _summary(log, pi, weights)
    _refuse_without_support(summary, least_support)
    top = float(weights.max()) if largest_weight is None else float(largest_weight)
    if not top >= weights.max():
        raise LabError(
            f"largest_weight is {top:g}, and the log has a weight of {weights.max():.3g}; give at least that"
        )
    terms = {"IPS": weights * log.outcome, "IPS, clipped": np.minimum(weights, clip) * log.outcome}
    bounds = {"IPS": bernstein_bound(terms["IPS"], _range(outcome_range, top))}
    if low >= 0:
        bounds["IPS, clipped"] = bernstein_bound(terms["IPS, clipped"], _range(outcome_range, min(top, clip)))
    estimates = [_mean_of(method, column) for method, column in terms.items()]
    estimates.append(_ratio("SNIPS", weights, log.outcome))
    if np.isin(pi, (0.0, 1.0)).all():
        estimates.append(_mean_of("replay", log.outcome[at_choice == 1]))
    if model is not None:
        q = matrix("model", model, pi.shape)
        direct = np.average(q, axis=1, weights=pi)
        error = log.outcome - q[np.arange(len(log)), log.chosen]
        modelled = {
            method: direct + use * error for method, use in _doubly_robust(weights, clip, switch, shrink).items()
        }
        estimates += [_mean_of(method, column) for method, column in modelled.items()]
        estimates.append(_mean_of("DM", direct, "the interval leaves out the error of the model"))
        terms |= modelled | {"DM": direct}
    drawn = dict(zip((*terms, "weights"), bootstrap_means([*terms.values(), weights], resamples, seed), strict=True))
    with np.errstate(invalid="ignore"):  # a sample of contacts that all have weight 0 has no ratio
        drawn["SNIPS"] = drawn["IPS"] / drawn["weights"]
    finished = [
        dataclasses.replace(
            one,
            bootstrap=percentile_interval(drawn[one.method]) if one.method in drawn else None,
            lower_bound=bounds.get(one.method),
            notes=(*one.notes, *([] if low <= one.value <= high else [_OUTSIDE])),
        )
        for one in estimates
    ]
    changes = [_change(one, terms.get(one.method), weights, log.outcome) for one in finished if one.method != "replay"]
    logged = _mean_of("log as it was", log.outcome)
    return PolicyValue(tuple(finished), tuple(changes), logged, summary, _warnings(summary, weights))


# ------------------------------------------------------------------------------------------------ one estimate


def _mean_of(method: str, terms: FloatArray, *notes: str) -> ValueEstimate:
    error = float(terms.std(ddof=1) / math.sqrt(len(terms))) if len(terms) > 1 else 0.0
    return _estimate(method, float(terms.mean()), error, notes)


def _doubly_robust(
    weights: FloatArray, clip: float, switch: float | None, shrink: float | None
) -> dict[str, FloatArray]:
    used = {"DR": weights, "DR, clipped": np.minimum(weights, clip), "SNDR": weights / weights.mean()}
    if switch is not None:
        used["switch DR"] = np.where(weights <= switch, weights, 0.0)
    if shrink is not None:
        used["shrunk DR"] = shrink * weights / (weights**2 + shrink)
    return used


def _ratio(method: str, weights: FloatArray, outcome: FloatArray) -> ValueEstimate:
    total = float(weights.sum())
    value = float((weights * outcome).sum() / total)
    error = math.sqrt(float((weights**2 * (outcome - value) ** 2).sum())) / total
    return _estimate(method, value, error, ())


def _change(one: ValueEstimate, terms: FloatArray | None, weights: FloatArray, outcome: FloatArray) -> ValueEstimate:
    """An estimate less the mean of the log, contact by contact; of a ratio, without terms, by the delta method."""
    n, value = len(outcome), one.value - float(outcome.mean())
    if one.standard_error is None:
        return ValueEstimate(one.method, value, None, None, None, None, one.notes)
    free = n - 1 if terms is not None else n
    if terms is None:
        terms = one.value + weights * (outcome - one.value) / weights.mean()
    each = terms - outcome
    return _estimate(one.method, value, math.sqrt(float(((each - each.mean()) ** 2).sum()) / (n * free)), one.notes)


def _estimate(method: str, value: float, error: float, notes: tuple[str, ...]) -> ValueEstimate:
    if error <= 1e-12 * max(1.0, abs(value)):
        none = "the contacts that count show no spread, so their spread says nothing of the error"
        return ValueEstimate(method, value, None, None, None, None, (*notes, none))
    return ValueEstimate(method, value, error, normal_interval(value, error), None, None, notes)


def _range(outcome_range: tuple[float, float], largest: float) -> tuple[float, float]:
    return min(0.0, outcome_range[0] * largest), max(0.0, outcome_range[1] * largest)


def _summary(log: RoutingLog, pi: FloatArray, weights: FloatArray) -> WeightSummary:
    squares = float((weights**2).sum())
    return WeightSummary(
        len(log),
        float((pi * log.possible).sum() / len(log)),
        float(weights.sum()) ** 2 / squares if squares else 0.0,
        float(weights.max()),
        float(weights.mean()),
        float((weights == 0).mean()),
    )


def _warnings(summary: WeightSummary, weights: FloatArray) -> tuple[str, ...]:
    notes = []
    if summary.supported_share < 1 - SUM_TOLERANCE:
        notes.append(
            f"{1 - summary.supported_share:.1%} of the policy's choices were impossible in the log: unknown, whatever the intervals say"
        )
    if summary.effective_size < _FEW:
        notes.append(
            f"the effective size is {summary.effective_size:.1f} contacts; below {_FEW}, intervals are too narrow: log more"
        )
    spread = float(weights.std(ddof=1)) / math.sqrt(len(weights)) if len(weights) > 1 else 0.0
    if (
        len(weights) > 1
        and summary.supported_share > 1 - SUM_TOLERANCE
        and abs(summary.mean - 1) > _OFF * spread + SUM_TOLERANCE
    ):
        notes.append(
            f"weights average {summary.mean:.3f}, not 1: the propensities or the policy's choices are not those of this log"
        )
    return tuple(notes)


def _refuse_without_support(summary: WeightSummary, least: float) -> None:
    cure = "let the serving policy explore (`explore:` in the rule file) and estimate from the log it then writes"
    if summary.zero_share == 1:
        raise LabError(
            "no contact of the log went where the policy would send it, so the log says nothing of it "
            f"(supported share {summary.supported_share:.1%}); {cure}"
        )
    if summary.supported_share < least - SUM_TOLERANCE:
        raise LabError(
            f"for {1 - summary.supported_share:.1%} of the policy's choices the log had no chance to do the same (propensity 0: fixed rules): "
            f"the supported share is {summary.supported_share:.1%}, and {least:.1%} is asked for; {cure}, or keep to the contacts that were explored"
        )


# ----------------------------------------------------------------------------------------------------- checks


def _check_options(
    limits: dict[str, float | None], outcome_range: tuple[float, float], resamples: int, least_support: float
) -> None:
    for name, limit in limits.items():
        if limit is not None and not limit > 0:
            raise LabError(f"{name} is {limit}; it must be above 0")
    if not (
        math.isfinite(outcome_range[0]) and math.isfinite(outcome_range[1]) and outcome_range[0] < outcome_range[1]
    ):
        raise LabError(f"outcome_range is {outcome_range}; give two finite numbers, the least first")
    if resamples < 0:
        raise LabError(f"resamples is {resamples}; it must be at least 0")
    if not 0 < least_support <= 1:
        raise LabError(f"least_support is {least_support}; it must be above 0 and at most 1")


def _target(log: RoutingLog, target: Any) -> FloatArray:
    given = np.asarray(target)
    if given.ndim == 1 and given.dtype.kind in "UO":
        if len(given) != len(log):
            raise LabError(f"target names {len(given)} channels for {len(log)} contacts; give one a contact")
        pi = np.zeros((len(log), len(log.channels)))
        pi[np.arange(len(log)), positions(given.tolist(), log.channels)] = 1.0
        return pi
    return distribution("target", given, (len(log), len(log.channels)))
