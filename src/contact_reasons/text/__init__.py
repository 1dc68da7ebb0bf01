"""Cleaning: from a raw mail, ticket, note or chat log to the words the customer chose."""

from contact_reasons.text.cleaning import clean_text, clean_turns
from contact_reasons.text.conversation import customer_side
from contact_reasons.text.mail import strip_history, strip_signature
from contact_reasons.text.markup import html_to_text
from contact_reasons.text.masking import mask_personal_data

__all__ = [
    "clean_text",
    "clean_turns",
    "customer_side",
    "html_to_text",
    "mask_personal_data",
    "strip_history",
    "strip_signature",
]
