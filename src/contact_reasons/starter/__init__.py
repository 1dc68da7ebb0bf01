"""A pack of one's own before there is a model: its files, from a list of reasons."""

from contact_reasons.starter.files import start_pack, starter_policy
from contact_reasons.starter.reasons import ListedReason, taxonomy_of_list

__all__ = ["ListedReason", "start_pack", "starter_policy", "taxonomy_of_list"]
