"""`Models`: the pipeline that answers now, and its replacement by a new one that was read and checked beside it."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from contact_reasons.crm.events import FieldMap, ResultMap, label_values, update_of
from contact_reasons.errors import ContactReasonsError, EventError, ServiceError, nearest, shorten
from contact_reasons.pipeline import Pipeline, load_pipeline
from contact_reasons.records import Contact, ReasonLabel, Turn
from contact_reasons.routing import RoutingPolicy
from contact_reasons.service.messages import LastReload, Model
from contact_reasons.service.settings import ServiceSettings, SystemSettings

__all__ = ["Models", "ReloadRunning", "Served", "load_served", "model_of"]


@dataclass(frozen=True, slots=True)
class Served:
    """A pipeline, what answers say they came from, and by CRM which fields take which result."""

    pipeline: Pipeline
    model: Model
    results: Mapping[str, ResultMap]


class ReloadRunning(Exception):
    """A reload is running already."""


def model_of(pipeline: Pipeline) -> Model:
    """What an answer of a pipeline says it came from."""
    from importlib.metadata import version

    taxonomy, policy, calibration = pipeline.taxonomy, pipeline.policy, pipeline.calibration
    seal = None if calibration is None else calibration.seal
    package = version("contact-reasons")
    parts = [taxonomy.sha256, pipeline.bundle.manifest.seal, policy.sha256, seal, package]
    return Model(
        id=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        taxonomy=f"{taxonomy.taxonomy_id} {taxonomy.version}",
        bundle=pipeline.bundle.manifest.seal,
        policy=f"{policy.policy_id} {policy.version}",
        policy_sha256=policy.sha256,
        calibration=seal,
        package_version=package,
    )


def load_served(settings: ServiceSettings) -> Served:
    """The pipeline of the settings, read anew, proved fit to serve, and warm.

    Raises
    ------
    ContactReasonsError
        As for `load_pipeline`, if the results of a CRM are not set up for every reason, and if a field of a CRM is mapped to a word that the policy
        does not know.
    """
    pipeline = load_pipeline(
        settings.pack, model=settings.model, policy=settings.policy, calibration=settings.calibration
    )
    turns = (Turn(speaker="customer", text="a"), Turn(speaker="customer", text="b"))
    for contact in (Contact(text="a"), Contact(turns=turns)):
        pipeline.label(contact)
    for name, system in settings.systems.items():
        _check_words(name, system.fields, pipeline.policy)
    results = {name: _results(name, system, pipeline) for name, system in settings.systems.items()}
    return Served(pipeline, model_of(pipeline), results)


def _check_words(name: str, fields: FieldMap, policy: RoutingPolicy) -> None:
    """Refuse what would refuse each event later: a word that the policy does not know for one of its inputs."""
    words: list[tuple[str, str, str | None]] = [
        (f"fields.values.{ours}.{theirs}", ours.removeprefix("extra."), word)
        for ours, table in fields.values.items()
        for theirs, word in table.items()
    ]
    words += [(f"fields.channels.{theirs}", "arrival_channel", word) for theirs, word in fields.channels.items()]
    words.append(("fields.unknown_channel", "arrival_channel", fields.unknown_channel))
    for place, policy_input, word in words:
        known = policy.values_of(policy_input) if policy_input in policy.inputs else ()
        if word is not None and known and isinstance(known[0], str) and word not in known:
            raise ServiceError(
                f"systems.{name}.{place}: policy {policy.policy_id!r} knows no {shorten(word)} for {policy_input!r}; {nearest(word, known)}"
            )


def _results(name: str, system: SystemSettings, pipeline: Pipeline) -> ResultMap:
    """Which fields of a CRM take which result, once every reason was seen to have a value there."""
    try:
        found = system.results
        if system.reasons_as == "labels":
            found = replace(found, values=label_values(name, pipeline.taxonomy) | dict(found.values))
        for reason in pipeline.bundle.model.classes:
            primary = reason.partition(".")[0]
            label = ReasonLabel(primary=primary, secondary=reason, confidence=1.0, abstained=False)
            update_of(name, "1", label, fields=found)
    except EventError as exc:
        raise ServiceError(f"systems.{name}: {exc}") from None
    return found


class Models:
    """The pipeline that answers now.

    Parameters
    ----------
    load : callable
        Reads and checks it; runs in a thread for a reload.

    Attributes
    ----------
    current : Served
        Replaced as a whole: who has taken it keeps it to the end of his work.
    reloading : bool
    last : LastReload or None
    """

    def __init__(self, load: Callable[[], Served]) -> None:
        self._load = load
        self.current = load()
        self.reloading = False
        self.last: LastReload | None = None

    async def reload(self) -> bool:
        """Whether another model answers from now on than before.

        Raises
        ------
        ReloadRunning
            If one is running already.
        ContactReasonsError
            If what was read is not fit to serve; what answered before goes on.
        """
        if self.reloading:
            raise ReloadRunning
        self.reloading = True
        refused: str | None = "Exception"
        try:
            new = await asyncio.to_thread(self._load)
            refused = None
        except ContactReasonsError as exc:
            refused = type(exc).__name__
            raise
        finally:
            self.reloading = False
            self.last = LastReload(at=dt.datetime.now(dt.UTC), taken=refused is None, why=refused)
        changed = new.model.id != self.current.model.id
        self.current = new
        return changed
