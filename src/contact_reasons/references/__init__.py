"""What names reasons of a taxonomy that changes: found, updated where no judgement is needed, listed where it is."""

from contact_reasons.references.find import find_references
from contact_reasons.references.record import Edit, Reference
from contact_reasons.references.update import MigratedPack, migrate_pack

__all__ = ["Edit", "MigratedPack", "Reference", "find_references", "migrate_pack"]
