"""Tickets labelled and routed in bounded memory: files (CSV, JSON Lines and Parquet, any to any) and tables of databases."""

from contact_reasons.batch.databases import DatabaseReport, label_database
from contact_reasons.batch.job import RunReport, label_file, route_file
from contact_reasons.batch.readers import Reject, TicketSource, open_source

__all__ = [
    "DatabaseReport",
    "Reject",
    "RunReport",
    "TicketSource",
    "label_database",
    "label_file",
    "open_source",
    "route_file",
]
