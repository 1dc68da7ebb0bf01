"""Taxonomies: primary and secondary contact reasons, read from YAML, validated, linted, compared, migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contact_reasons.taxonomy.labels import Label, distinct_labels, ids_of_labels, taxonomy_of_labels
from contact_reasons.taxonomy.lint import LintFinding, lint_taxonomy
from contact_reasons.taxonomy.model import NearMiss, PrimaryReason, SecondaryReason, Taxonomy
from contact_reasons.taxonomy.strict_yaml import load_strict_yaml

if TYPE_CHECKING:
    from contact_reasons.taxonomy.difference import TaxonomyDifference, compare_taxonomies
    from contact_reasons.taxonomy.migration import Migration, Verdict, draft_migration, migration_of, read_migration

__all__ = [
    "Label",
    "LintFinding",
    "Migration",
    "NearMiss",
    "PrimaryReason",
    "SecondaryReason",
    "Taxonomy",
    "TaxonomyDifference",
    "Verdict",
    "compare_taxonomies",
    "distinct_labels",
    "draft_migration",
    "ids_of_labels",
    "lint_taxonomy",
    "load_strict_yaml",
    "migration_of",
    "read_migration",
    "taxonomy_of_labels",
]

_LATE = {
    "difference": ("TaxonomyDifference", "compare_taxonomies"),
    "migration": ("Migration", "Verdict", "draft_migration", "migration_of", "read_migration"),
}


def __getattr__(name: str) -> Any:
    """Import on first use what labelling does not need."""
    for module, names in _LATE.items():
        if name in names:
            import importlib

            return getattr(importlib.import_module(f"contact_reasons.taxonomy.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
