"""Why a text was given its label: the words that counted for and against the reason."""

from contact_reasons.explanation.explain import explain_label
from contact_reasons.explanation.record import METHOD, OUT_OF_SCOPE, Explanation, PhraseShare, WordShare

__all__ = ["METHOD", "OUT_OF_SCOPE", "Explanation", "PhraseShare", "WordShare", "explain_label"]
