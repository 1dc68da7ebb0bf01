"""`AuditRecord`: everything that a label and a recommendation hung on, as one line of JSON, without the customer's words."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from contact_reasons.classifier import ReasonProbabilities, primary_index
from contact_reasons.confidence import Thresholds, confidences
from contact_reasons.errors import RecordError, shorten
from contact_reasons.records import Because, FrozenMapping, ReasonLabel, Recommendation
from contact_reasons.routing import RoutingPolicy, RuleVerdict
from contact_reasons.taxonomy import Taxonomy

__all__ = ["AUDIT_FORMAT", "AuditRecord", "LevelDecision", "ModelRef", "VersionRef", "audit_record"]

AUDIT_FORMAT: Final = 1
"""Of the mapping that `AuditRecord.to_dict` makes; raised when a key changes its meaning."""


@dataclass(frozen=True, slots=True)
class VersionRef:
    """Which taxonomy or policy: its id, version, and the SHA-256 of its content."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model.

    Parameters
    ----------
    seal : str
        SHA-256 of its manifest, which holds the thresholds and the SHA-256 of its files: stands for the whole model.
    arrays_sha256 : str
    prior_sha256 : str or None
        None for a model without a hidden layer.
    package_version : str
        Of the package that trained it.
    turns_seal : str or None, default=None
        SHA-256 of the manifest of the model that chose what to read of a conversation; None for any other contact.
    """

    seal: str
    arrays_sha256: str
    prior_sha256: str | None
    package_version: str
    turns_seal: str | None = None


@dataclass(frozen=True, slots=True)
class LevelDecision:
    """Whether one level was reported.

    Parameters
    ----------
    level : {'secondary', 'primary'}
    reason : str or None
        The most probable reason of that level. None if the level was not evaluated.
    confidence : float or None
        Its probability, in [0, 1].
    threshold : float or None
        Least confidence to report the level; None: it is never reported.
    verdict : {'yes', 'no', 'not evaluated'}
    secondary_below : float or None
        Of the primary: what the confidence of the best secondary must stay below, besides. None: there is no such limit.
    """

    level: str
    reason: str | None
    confidence: float | None
    threshold: float | None
    verdict: str
    secondary_below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """What was decided for a contact, by which versions, on which values.

    Routing the ``values`` with the same policy gives the same rule. Nothing that the customer wrote is held, unless it was asked for.

    Parameters
    ----------
    contact_id : str or None
    at : datetime or None
        Time given by the caller.
    package_version : str
    taxonomy, policy : VersionRef
    model : ModelRef
    calibration : mapping or None
        What identifies the calibration of the confidences, if there is one.
    label : ReasonLabel
    label_from : {'model', 'given'}
        Whether the label is the model's for this contact, or came from somewhere else, such as a customer's choice.
    decisions : tuple of LevelDecision
        How each level came to be reported or not; empty for a given label.
    values : mapping of str to value
        What the policy read, by input.
    recommendation : Recommendation
    rules : tuple of RuleVerdict
        What came of each rule, in the policy's order.
    text : str or None
        The clean text as the model read it, if it was asked for.
    explanation : mapping or None
        `Explanation.to_dict` without the text, if the text was asked for and the label is the model's.
    """

    contact_id: str | None
    at: datetime | None
    package_version: str
    taxonomy: VersionRef
    model: ModelRef
    calibration: Mapping[str, Any] | None
    label: ReasonLabel
    label_from: str
    decisions: tuple[LevelDecision, ...]
    policy: VersionRef
    values: Mapping[str, Any]
    recommendation: Recommendation
    rules: tuple[RuleVerdict, ...]
    text: str | None = field(default=None, repr=False)
    explanation: Mapping[str, Any] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data for JSON; ``text`` and ``explanation`` only if they are held."""
        said, label = self.recommendation, self.label
        data: dict[str, Any] = {
            "format": AUDIT_FORMAT,
            "contact_id": self.contact_id,
            "at": None if self.at is None else self.at.isoformat(),
            "package_version": self.package_version,
            "taxonomy": _fields(self.taxonomy, "id", "version", "sha256"),
            "model": _fields(self.model, "seal", "arrays_sha256", "prior_sha256", "package_version", "turns_seal"),
            "calibration": None if self.calibration is None else dict(self.calibration),
            "label": {
                **_fields(label, "primary", "secondary", "confidence", "abstained"),
                "from": self.label_from,
                "ranked": [_fields(each, "reason", "probability") for each in label.ranked],
            },
            "decisions": [
                _fields(each, "level", "reason", "confidence", "threshold", "verdict", "secondary_below")
                for each in self.decisions
            ],
            "policy": _fields(self.policy, "id", "version", "sha256"),
            "values": dict(self.values),
            "recommendation": {
                "channel": str(said.channel),
                "priority": said.priority,
                "queue": said.queue,
                "skills": list(said.skills),
                "rule_id": said.rule_id,
                "because": [_because(each) for each in said.because],
            }
            | ({} if said.propensity is None else _explored(said)),
            "rules": [
                {"id": each.rule_id, "verdict": each.verdict}
                | ({"failed": [_because(one) for one in each.failed]} if each.failed else {})
                for each in self.rules
            ],
        }
        if self.text is not None:
            data["text"] = self.text
        if self.explanation is not None:
            data["explanation"] = dict(self.explanation)
        return data

    def to_json(self) -> str:
        """`to_dict` as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def _fields(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _explored(said: Recommendation) -> dict[str, Any]:
    instead_of = None if said.instead_of is None else str(said.instead_of)
    return {"propensity": said.propensity, "instead_of": instead_of}


def _because(because: Because) -> dict[str, Any]:
    return {"input": because.input, "value": _plain(because.value), "condition": because.condition}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    return None if value != value else value


def audit_record(
    *,
    contact_id: str | None,
    at: datetime | None,
    taxonomy: Taxonomy,
    model: ModelRef,
    classes: Sequence[str],
    thresholds: Thresholds,
    calibration: Mapping[str, Any] | None,
    label: ReasonLabel,
    said: ReasonProbabilities | None,
    policy: RoutingPolicy,
    values: Mapping[str, Any],
    text: str | None,
    explanation: Mapping[str, Any] | None,
) -> AuditRecord:
    """The record of one contact, routed here once more.

    Parameters
    ----------
    contact_id, at, taxonomy, model, calibration, label, policy, values, text, explanation
        See `AuditRecord`; taxonomy and policy whole.
    classes : sequence of str, length k
    thresholds : Thresholds
    said : ReasonProbabilities or None
        What the model said of this one text; None for a label that is not the model's.

    Raises
    ------
    RecordError
        If ``at`` is not a datetime with a time zone.
    """
    if at is not None and (not isinstance(at, datetime) or at.tzinfo is None):
        raise RecordError(f"at is {shorten(at)}; it must be a datetime with a time zone, or None")
    return AuditRecord(
        contact_id=contact_id,
        at=at,
        package_version=_package_version(),
        taxonomy=VersionRef(taxonomy.taxonomy_id, taxonomy.version, taxonomy.sha256),
        model=model,
        calibration=None if calibration is None else FrozenMapping(calibration),
        label=label,
        label_from="given" if said is None else "model",
        decisions=() if said is None else _decisions(label, said, classes, thresholds),
        policy=VersionRef(policy.policy_id, policy.version, policy.sha256),
        values=FrozenMapping({name: _plain(value) for name, value in values.items()}),
        recommendation=policy.route(values, key=contact_id or None),
        rules=policy.verdicts(values),
        text=text,
        explanation=explanation,
    )


@functools.cache
def _package_version() -> str:
    import importlib.metadata

    return importlib.metadata.version("contact-reasons")


def _decisions(
    label: ReasonLabel, said: ReasonProbabilities, classes: Sequence[str], thresholds: Thresholds
) -> tuple[LevelDecision, ...]:
    """How the levels of a label of the model came to be reported or not."""
    best, reported = label.ranked[0], label.level
    own = thresholds.of(best.reason)
    verdict = "yes" if reported == "secondary" else "no"
    first = LevelDecision("secondary", best.reason, best.probability, own.secondary, verdict)
    if reported == "secondary":
        return first, LevelDecision("primary", None, None, own.primary, "not evaluated")
    primaries, starts = primary_index(classes)
    sums = confidences(said, starts, thresholds.temperature)[1][0]
    primary, chance = primaries[int(sums.argmax())], min(float(sums.max()), 1.0)
    verdict = "yes" if reported == "primary" else "no"
    return first, LevelDecision("primary", primary, chance, thresholds.of(primary).primary, verdict, own.primary_below)
