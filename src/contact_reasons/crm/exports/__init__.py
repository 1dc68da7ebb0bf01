"""A taxonomy as the reason fields of a CRM: written, read back, changed step by step."""

from contact_reasons.crm.exports.choices import Change
from contact_reasons.crm.exports.exchange import SYSTEMS, export_taxonomy, plan_update, read_export
from contact_reasons.crm.exports.folders import read_folder, write_folder
from contact_reasons.crm.exports.limits import LIMITS, Limit
from contact_reasons.crm.exports.plans import Step, UpdatePlan

__all__ = [
    "LIMITS",
    "SYSTEMS",
    "Change",
    "Limit",
    "Step",
    "UpdatePlan",
    "export_taxonomy",
    "plan_update",
    "read_export",
    "read_folder",
    "write_folder",
]
