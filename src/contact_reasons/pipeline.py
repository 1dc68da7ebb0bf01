"""Contact in, labelled and routed contact out: the whole story of this package in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contact_reasons.bundle import Bundle, read_bundle
from contact_reasons.classifier import as_texts
from contact_reasons.confidence import label_rows
from contact_reasons.errors import BundleError, PolicyError, RecordError, RoutingError, nearest
from contact_reasons.records import Contact, RankedReason, ReasonLabel, Recommendation, routing_values
from contact_reasons.resources import pack_files
from contact_reasons.routing import PolicyAnalysis, RoutingPolicy
from contact_reasons.several import second_reasons
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.text import clean_text

__all__ = ["HandledContact", "Pipeline", "load_pipeline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledContact:
    """A contact's id with its label and its recommendation."""

    contact_id: str | None
    label: ReasonLabel
    recommendation: Recommendation


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Taxonomy, model and policy that belong together.

    Thread-safe and without state: a contact's answer depends on the contact alone.
    """

    taxonomy: Taxonomy
    bundle: Bundle
    policy: RoutingPolicy

    def __repr__(self) -> str:
        """The parts by name and version."""
        return f"Pipeline({self.taxonomy!r}, {self.policy!r})"

    def handle(self, contact: Contact) -> HandledContact:
        """The label of a contact and where to send it.

        Raises
        ------
        RoutingError
            If customer or context hold a value that the policy does not know.
        """
        return self.handle_many([contact])[0]

    def handle_many(self, contacts: Iterable[Contact], n_threads: int = 1) -> list[HandledContact]:
        """Labels and recommendations of many contacts, equal to `handle` one by one.

        Parameters
        ----------
        contacts : iterable of Contact
        n_threads : int, default=1
            See `label_texts`; cleaning and routing take one thread.

        Raises
        ------
        RecordError
            If something is not a `Contact`, naming its position.
        RoutingError
            As for `handle`, naming the contact.
        """
        contacts = list(contacts)
        for position, contact in enumerate(contacts):
            if not isinstance(contact, Contact):
                raise RecordError(
                    f"contacts[{position}] is a {type(contact).__name__}; give a Contact, such as Contact(text=...)"
                )
        labels = self.label_texts([contact_text(contact) for contact in contacts], n_threads)
        handled = []
        for position, (contact, label) in enumerate(zip(contacts, labels, strict=True)):
            try:
                recommendation = self.route(contact, label)
            except RoutingError as exc:
                if len(contacts) == 1:
                    raise
                name = "" if contact.contact_id is None else f" ({contact.contact_id})"
                raise RoutingError(f"contacts[{position}]{name}: {exc}", exc.expected) from None
            handled.append(HandledContact(contact_id=contact.contact_id, label=label, recommendation=recommendation))
        return handled

    def label(self, contact: Contact) -> ReasonLabel:
        """The label of a contact, without routing it."""
        return self.label_texts([contact_text(contact)])[0]

    def label_texts(self, clean_texts: Sequence[str], n_threads: int = 1) -> list[ReasonLabel]:
        """The labels of texts that are clean already (see `clean_text`).

        Parameters
        ----------
        clean_texts : sequence of str, length n
        n_threads : int, default=1
            Threads of the model, >= 1. They do not change the answer, and help from a few thousand texts on.
        """
        clean_texts = as_texts(clean_texts)
        model = self.bundle.model
        return label_rows(model.predict(clean_texts, n_threads), model.classes, self.bundle.thresholds)

    def second_reason(self, contact: Contact) -> RankedReason | None:
        """A second reason that one part of the contact gives while the rest gives the first; see `second_reasons`."""
        return second_reasons(self.bundle.model, [contact_text(contact)])[0]

    def route(self, contact: Contact, label: ReasonLabel) -> Recommendation:
        """Where to send a contact that has this label."""
        return self.policy.route(self.values(contact, label))

    def values(self, contact: Contact, label: ReasonLabel) -> dict[str, Any]:
        """The inputs of the policy, read from a contact and its label.

        Raises
        ------
        RoutingError
            If ``extra`` of the customer or the context has a key that is no input of the policy.
        """
        values = routing_values(contact, label)
        for name in (*contact.customer.extra, *contact.context.extra):
            if name not in self.policy.inputs:
                raise RoutingError(
                    f"extra[{name!r}] is not an input of policy {self.policy.policy_id!r}; {nearest(name, self.policy.inputs)}"
                )
        return {name: values.get(name) for name in self.policy.inputs}


def contact_text(contact: Contact) -> str:
    """The clean text of a contact: its subject, then what the customer wrote; of turns, the customer's."""
    if not contact.turns:
        return clean_text(contact.text, contact.subject)
    parts = [clean_text("", contact.subject)] + [clean_text(t.text) for t in contact.turns if t.speaker == "customer"]
    return "\n".join(part for part in parts if part)


def load_pipeline(pack: str | Path, *, model: str | Path | None = None, policy: str | Path | None = None) -> Pipeline:
    """The pipeline of a pack, its policy proved to answer every contact and to keep its promises.

    Parameters
    ----------
    pack : str or Path
        Name of a shipped pack, or the folder of one of your own (``taxonomy.yaml``, ``policy.yaml``, ``model/``).
    model : str or Path, optional
        Directory of another model for the same taxonomy.
    policy : str or Path, optional
        Another rule file.

    Raises
    ------
    PackError, TaxonomyError, BundleError, PolicyError
        If a part is missing, damaged, or does not fit the others.
    """
    files = pack_files(pack)
    taxonomy = Taxonomy.from_yaml(files.taxonomy)
    bundle = read_bundle(files.model if model is None else model)
    trained_for = bundle.manifest.taxonomy
    gone = [reason for reason in bundle.model.classes if reason not in taxonomy]
    if trained_for.taxonomy_id != taxonomy.taxonomy_id or gone:
        what = f"its reason {gone[0]!r} is not in" if gone else "that is not"
        raise BundleError(
            f"{files.model if model is None else model}: trained for taxonomy {trained_for.taxonomy_id!r} {trained_for.version}; {what} "
            f"{files.taxonomy} ({taxonomy.taxonomy_id!r} {taxonomy.version}); restore the taxonomy or train the model again"
        )
    rules = RoutingPolicy.from_yaml(files.policy if policy is None else policy, taxonomy=taxonomy)
    check_sound(rules, files.policy if policy is None else Path(policy))
    return Pipeline(taxonomy, bundle, rules)


def check_sound(policy: RoutingPolicy, source: Path) -> PolicyAnalysis:
    """The analysis of a policy that is fit to serve.

    Raises
    ------
    PolicyError
        If some contact has no rule or a promise is broken, with a contact that shows it.
    """
    analysis = policy.analyse()
    if analysis.complete is False:
        raise PolicyError(
            f"{source}: no rule answers a contact with {_show(analysis.gap)}; add a last rule with `when: {{}}`"
        )
    for verdict in analysis.promises:
        if verdict.kept is False:
            raise PolicyError(
                f"{source}: the promise {verdict.name!r} is broken by rule {verdict.rule_id!r}, for example for a contact with "
                f"{_show(verdict.counterexample)}; change the rule or the promise"
            )
    return analysis


def _show(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name}={'missing' if value is None else value}" for name, value in (values or {}).items())
