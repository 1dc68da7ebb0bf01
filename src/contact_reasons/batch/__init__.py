"""Ticket files labelled and routed in bounded memory: CSV, JSON Lines and Parquet, any to any."""

from contact_reasons.batch.job import RunReport, label_file, route_file
from contact_reasons.batch.readers import Reject, TicketSource, open_source

__all__ = ["Reject", "RunReport", "TicketSource", "label_file", "open_source", "route_file"]
