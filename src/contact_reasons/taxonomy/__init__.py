"""Taxonomies: primary and secondary contact reasons, read from YAML, validated, linted."""

from contact_reasons.taxonomy.labels import Label, distinct_labels, ids_of_labels, taxonomy_of_labels
from contact_reasons.taxonomy.lint import LintFinding, lint_taxonomy
from contact_reasons.taxonomy.model import NearMiss, PrimaryReason, SecondaryReason, Taxonomy
from contact_reasons.taxonomy.strict_yaml import load_strict_yaml

__all__ = [
    "Label",
    "LintFinding",
    "NearMiss",
    "PrimaryReason",
    "SecondaryReason",
    "Taxonomy",
    "distinct_labels",
    "ids_of_labels",
    "lint_taxonomy",
    "load_strict_yaml",
    "taxonomy_of_labels",
]
