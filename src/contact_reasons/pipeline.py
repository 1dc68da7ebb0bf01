"""Contact in, labelled and routed contact out: the whole story of this package in one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contact_reasons.bundle import Bundle, read_bundle, shipped_turns
from contact_reasons.classifier import as_texts
from contact_reasons.confidence import Thresholds, label_rows
from contact_reasons.conversation import Reading, read_conversations
from contact_reasons.errors import BundleError, CalibrationError, PolicyError, RecordError, RoutingError, nearest
from contact_reasons.records import Contact, RankedReason, ReasonLabel, Recommendation, routing_values
from contact_reasons.resources import pack_files
from contact_reasons.routing import PolicyAnalysis, RoutingPolicy
from contact_reasons.several import second_reasons
from contact_reasons.taxonomy import Taxonomy
from contact_reasons.text import clean_text, clean_turns

if TYPE_CHECKING:
    from contact_reasons.audit import AuditRecord
    from contact_reasons.confidence.calibration import Calibration
    from contact_reasons.explanation import Explanation
    from contact_reasons.questions import Question, Wording

__all__ = ["HandledContact", "Pipeline", "contact_text", "fitting_calibration", "load_pipeline", "read_contacts"]


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

    Parameters
    ----------
    taxonomy : Taxonomy
    bundle : Bundle
    policy : RoutingPolicy
    calibration : Calibration, optional
        Its thresholds take the place of the bundle's.
    """

    taxonomy: Taxonomy
    bundle: Bundle
    policy: RoutingPolicy
    calibration: Calibration | None = None

    @property
    def thresholds(self) -> Thresholds:
        """What is reported, backed off, or left to a person."""
        return self.bundle.thresholds if self.calibration is None else self.calibration.promise.thresholds

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
        labels = self.label_texts([reading.text for reading in read_contacts(contacts)], n_threads)
        handled = []
        for position, (contact, label) in enumerate(zip(contacts, labels, strict=True)):
            try:
                recommendation = self.route(contact, label)
            except RoutingError as exc:
                if len(contacts) == 1:
                    raise
                name = "" if contact.contact_id is None else f" ({contact.contact_id})"
                raise RoutingError(f"contacts[{position}]{name}: {exc}", exc.expected, exc.input) from None
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
        return label_rows(model.predict(clean_texts, n_threads), model.classes, self.thresholds)

    def second_reason(self, contact: Contact) -> RankedReason | None:
        """A second reason that one part of the contact gives while the rest gives the first; see `second_reasons`."""
        (reading,) = read_contacts([contact])
        first = None
        if reading.twice is not None:
            first = [self.label_texts([reading.text])[0].ranked[0].reason]
        return second_reasons(self.bundle.model, [reading.once], first=first)[0]

    def route(self, contact: Contact, label: ReasonLabel) -> Recommendation:
        """Where to send a contact that has this label; only one with an id is explored (`explore:` in the rule file)."""
        return self.policy.route(self.values(contact, label), key=contact.contact_id or None)

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

    def explain(self, contact: Contact, *, against: str | None = None) -> Explanation:
        """Which words of a contact counted for and against its reason; far slower than `label`.

        Parameters
        ----------
        contact : Contact
        against : str, optional
            One rival to set the reason against: a secondary or primary id, or ``"(out of scope)"``. By default all others.

        Raises
        ------
        RecordError
            If ``against`` is no rival of what is explained.
        """
        from contact_reasons.explanation import explain_label

        (reading,) = read_contacts([contact])
        label = self.label_texts([reading.text])[0]
        return explain_label(
            self.bundle.model, reading.text, label, self.thresholds, self.taxonomy, against, repeated=reading.repeated
        )

    def question(self, about: Contact | ReasonLabel, *, wording: Wording | None = None) -> Question | None:
        """What to ask the customer where a few reasons are close, or None; see `question_for`.

        Parameters
        ----------
        about : Contact or ReasonLabel
            A contact, or the label it was given.
        wording : Wording, optional
            By default in English.
        """
        from contact_reasons.questions import ENGLISH, question_for

        label = self.label(about) if isinstance(about, Contact) else about
        return question_for(label, self.thresholds, self.taxonomy, wording or ENGLISH)

    def audit(
        self,
        contact: Contact,
        handled: HandledContact | None = None,
        *,
        at: datetime | None = None,
        include_text: bool = False,
    ) -> AuditRecord:
        """Everything that a contact's label and recommendation hung on, for a record.

        Parameters
        ----------
        contact : Contact
        handled : HandledContact, optional
            What was made of it; by default what `handle` makes of it now.
        at : datetime, optional
            When it was handled, with a time zone.
        include_text : bool, default=False
            Whether the record holds the clean text and the explanation's words.

        Raises
        ------
        RecordError
            If ``handled`` is of another contact or another policy, or ``at`` has no time zone.
        """
        from contact_reasons.audit import ModelRef, audit_record

        handled = self.handle(contact) if handled is None else handled
        values = self.values(contact, handled.label)
        if handled.contact_id != contact.contact_id or handled.recommendation != self.policy.route(
            values, key=contact.contact_id or None
        ):
            raise RecordError(
                "handled is not what this pipeline makes of the contact: another contact_id, or another recommendation for its label; "
                "give the contact as it was, and use the pipeline that handled it"
            )
        (reading,), manifest, calibration = read_contacts([contact]), self.bundle.manifest, self.calibration
        is_ours = self.label_texts([reading.text])[0] == handled.label
        return audit_record(
            contact_id=contact.contact_id,
            at=at,
            taxonomy=self.taxonomy,
            model=ModelRef(
                manifest.seal,
                manifest.files["arrays.npz"],
                None if manifest.prior is None else manifest.prior.sha256,
                manifest.package_version,
                shipped_turns().manifest.seal if reading.chosen else None,
            ),
            classes=self.bundle.model.classes,
            thresholds=self.thresholds,
            calibration=None if calibration is None else {"seal": calibration.seal, "made_on": calibration.made_on},
            label=handled.label,
            said=self.bundle.model.predict([reading.text]) if is_ours else None,
            policy=self.policy,
            values=values,
            text=reading.text if include_text else None,
            explanation=self.explain(contact).to_dict() if include_text and is_ours else None,
        )


def contact_text(contact: Contact) -> str:
    """The clean text of a contact as a classifier reads it; see `read_contacts`."""
    return read_contacts([contact])[0].text


def read_contacts(contacts: Iterable[Contact]) -> list[Reading]:
    """What a classifier reads of each contact: its clean subject, then what the customer wrote.

    Of a conversation, whether its turns are given or its text is a chat log, that is the turns that say why (`read_conversations`); the subject is
    a turn before the others. The shipped model of turns is asked once for all of them, and not at all where the customer speaks once.

    Raises
    ------
    BundleError
        If there are conversations, and the shipped model of turns is missing or damaged.
    """
    turns = [_customer_turns(contact) for contact in contacts]
    if all(len(each) < 2 for each in turns):
        return [Reading(each) for each in turns]
    return read_conversations(shipped_turns().model, turns)


def _customer_turns(contact: Contact) -> tuple[str, ...]:
    """Clean turns, none empty. Where the customer speaks once, the subject is part of that turn."""
    if contact.turns:
        turns = [clean for turn in contact.turns if turn.speaker == "customer" and (clean := clean_text(turn.text))]
    else:
        turns = clean_turns(contact.text)
    subject = clean_text("", contact.subject) if contact.subject else ""
    if len(turns) < 2:
        return ("\n".join(part for part in (subject, *turns) if part),)
    return (subject, *turns) if subject else tuple(turns)


def load_pipeline(
    pack: str | Path,
    *,
    model: str | Path | None = None,
    policy: str | Path | None = None,
    calibration: str | Path | None = None,
) -> Pipeline:
    """The pipeline of a pack, its policy proved to answer every contact and to keep its promises.

    Parameters
    ----------
    pack : str or Path
        Name of a shipped pack, or the folder of one of your own (``taxonomy.yaml``, ``policy.yaml``, ``model/``).
    model : str or Path, optional
        Directory of another model for the same taxonomy.
    policy : str or Path, optional
        Another rule file.
    calibration : str or Path, optional
        File of `contact-reasons calibrate`: thresholds that keep a promised error rate.

    Raises
    ------
    PackError, TaxonomyError, BundleError, PolicyError, CalibrationError
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
    return Pipeline(
        taxonomy, bundle, rules, None if calibration is None else fitting_calibration(calibration, taxonomy, bundle)
    )


def fitting_calibration(path: str | Path, taxonomy: Taxonomy, bundle: Bundle) -> Calibration:
    """The calibration of a file, if it was made for this model and taxonomy.

    Parameters
    ----------
    path : str or Path
    taxonomy : Taxonomy
    bundle : Bundle

    Raises
    ------
    CalibrationError
        If it was made for others, or cannot be read.
    """
    from contact_reasons.confidence.calibration import read_calibration

    found = read_calibration(path)
    made_for = (found.taxonomy_id, found.taxonomy_version)
    if found.model != bundle.manifest.seal:
        what = f"model {found.model[:16]}…, and this is {bundle.manifest.seal[:16]}…"
    elif made_for != (taxonomy.taxonomy_id, taxonomy.version):
        what = f"taxonomy {made_for[0]!r} {made_for[1]}, and this is {taxonomy.taxonomy_id!r} {taxonomy.version}"
    else:
        return found
    raise CalibrationError(f"{path}: made for {what}; a promise holds for what was tested: calibrate again")


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
            f"{source}: no rule answers a contact with {_show(analysis.gaps[0].witness)}; add a last rule with `when: {{}}`"
        )
    for verdict in analysis.promises:
        if verdict.kept is False:
            by = f"by rule {verdict.rule_id!r}" if verdict.rule_id else "because no rule answers"
            raise PolicyError(
                f"{source}: the promise {verdict.name!r} is broken {by}, for example for a contact with "
                f"{_show(verdict.counterexample)}; change the rule or the promise"
            )
    return analysis


def _show(values: dict[str, Any] | None) -> str:
    return ", ".join(f"{name}={'missing' if value is None else value}" for name, value in (values or {}).items())
