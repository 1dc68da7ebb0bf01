"""Why customers contact you, and the best way to help each one.

>>> import contact_reasons as cr
>>> pipe = cr.load_pipeline("retail")
>>> out = pipe.handle(cr.Contact(text="where is my parcel", context=cr.RoutingContext(open=True)))
>>> out.label.primary
'delivery'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contact_reasons.errors import ContactReasonsError
from contact_reasons.pipeline import HandledContact, Pipeline, load_pipeline
from contact_reasons.records import (
    Because,
    Channel,
    Contact,
    Customer,
    ReasonLabel,
    Recommendation,
    RoutingContext,
    Turn,
)
from contact_reasons.routing import RoutingPolicy
from contact_reasons.taxonomy import PrimaryReason, SecondaryReason, Taxonomy
from contact_reasons.text import clean_text

if TYPE_CHECKING:
    from contact_reasons.audit import AuditRecord
    from contact_reasons.batch import label_file
    from contact_reasons.batch.labelled import train_file
    from contact_reasons.classifier.estimator import ReasonClassifier
    from contact_reasons.explanation import Explanation
    from contact_reasons.questions import Question
    from contact_reasons.report import Evaluation, evaluate

__all__ = [
    "AuditRecord",
    "Because",
    "Channel",
    "Contact",
    "ContactReasonsError",
    "Customer",
    "Evaluation",
    "Explanation",
    "HandledContact",
    "Pipeline",
    "PrimaryReason",
    "Question",
    "ReasonClassifier",
    "ReasonLabel",
    "Recommendation",
    "RoutingContext",
    "RoutingPolicy",
    "SecondaryReason",
    "Taxonomy",
    "Turn",
    "clean_text",
    "evaluate",
    "label_file",
    "load_pipeline",
    "train_file",
]

_LATE = {
    "Evaluation": "contact_reasons.report",
    "AuditRecord": "contact_reasons.audit",
    "Explanation": "contact_reasons.explanation",
    "Question": "contact_reasons.questions",
    "ReasonClassifier": "contact_reasons.classifier.estimator",
    "evaluate": "contact_reasons.report",
    "label_file": "contact_reasons.batch",
    "train_file": "contact_reasons.batch.labelled",
}


def __dir__() -> list[str]:
    """The public names, those imported late too."""
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    """Import on first use what labelling does not need: training brings scikit-learn, batches bring joblib, the others take time."""
    if name in _LATE:
        import importlib

        value = getattr(importlib.import_module(_LATE[name]), name)
        globals()[name] = value
        return value
    if name == "__version__":
        import importlib.metadata

        return importlib.metadata.version("contact-reasons")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
