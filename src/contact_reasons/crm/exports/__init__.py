"""A taxonomy as the reason fields of a CRM: written, read back, changed step by step."""
