"""`Handler`: contacts of many requests labelled and routed at once, without waiting for more to come.

Requests that are read in the same turn of the event loop go through the model together, which costs less (a batch answers as each would
alone). A request that is alone goes alone, at once. What would hold up the others, long texts and many contacts, goes to a thread, one such at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from contact_reasons.errors import RoutingError
from contact_reasons.pipeline import Pipeline, read_contacts
from contact_reasons.records import Contact, ReasonLabel, Recommendation
from contact_reasons.service.models import Models, Served

__all__ = ["Answers", "Handler", "Result"]

BATCH_CONTACTS: Final = 64
"""Contacts after which the event loop looks for new requests again."""

LONG_CHARS: Final = 20_000
"""Characters of a request from which a thread takes it."""

MANY_CONTACTS: Final = 32
"""Contacts of a request from which a thread takes it."""


class Result(NamedTuple):
    """A contact's label, and where to send it or why that cannot be said."""

    label: ReasonLabel
    routed: Recommendation | RoutingError


class Answers(NamedTuple):
    """What was made of the contacts of a request, in order, and by what."""

    served: Served
    results: list[Result]


class _Job(NamedTuple):
    contacts: Sequence[Contact]
    done: asyncio.Future[Answers]


class Handler:
    """Labels and routes contacts with the model that answers now.

    Parameters
    ----------
    models : Models
    """

    def __init__(self, models: Models) -> None:
        self._models = models
        self._waiting: deque[_Job] = deque()
        self._one_long = asyncio.Semaphore(1)

    async def handle(self, contacts: Sequence[Contact]) -> Answers:
        """The answers for the contacts of a request, all of one model; equal to those of `Pipeline.handle`."""
        if len(contacts) >= MANY_CONTACTS or sum(map(_size, contacts)) >= LONG_CHARS:
            async with self._one_long:
                served = self._models.current
                return Answers(served, await asyncio.to_thread(_results, served.pipeline, contacts))
        loop = asyncio.get_running_loop()
        job = _Job(contacts, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._work)
        self._waiting.append(job)
        return await job.done

    def _work(self) -> None:
        jobs: list[_Job] = []
        n_contacts = 0
        while self._waiting and n_contacts < BATCH_CONTACTS:
            jobs.append(self._waiting.popleft())
            n_contacts += len(jobs[-1].contacts)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._work)
        served = self._models.current
        try:
            results = iter(_results(served.pipeline, [contact for job in jobs for contact in job.contacts]))
            for job in jobs:
                _finish(job, Answers(served, [next(results) for _ in job.contacts]))
        except Exception:  # one contact must not take the others' answers with it
            for job in jobs:
                try:
                    _finish(job, Answers(served, _results(served.pipeline, job.contacts)))
                except Exception as exc:
                    _finish(job, exc)


def _finish(job: _Job, said: Answers | Exception) -> None:
    if job.done.done():
        return
    if isinstance(said, Exception):
        job.done.set_exception(said)
    else:
        job.done.set_result(said)


def _size(contact: Contact) -> int:
    return len(contact.text) + len(contact.subject or "") + sum(len(turn.text) for turn in contact.turns)


def _results(pipeline: Pipeline, contacts: Sequence[Contact]) -> list[Result]:
    labels = pipeline.label_texts([reading.text for reading in read_contacts(contacts)])
    return [Result(label, _routed(pipeline, contact, label)) for contact, label in zip(contacts, labels, strict=True)]


def _routed(pipeline: Pipeline, contact: Contact, label: ReasonLabel) -> Recommendation | RoutingError:
    try:
        return pipeline.route(contact, label)
    except RoutingError as exc:
        return exc
