"""CRMs: a taxonomy as their fields, and the codes under which they hold its reasons."""
