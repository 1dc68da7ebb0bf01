"""The service: labels, routes and events of CRMs over HTTP; `create_app` gives the ASGI application, `serve` runs it."""

from contact_reasons.service.app import create_app
from contact_reasons.service.server import make_server, serve
from contact_reasons.service.settings import ServiceSettings, SystemSettings, read_keys, read_systems

__all__ = ["ServiceSettings", "SystemSettings", "create_app", "make_server", "read_keys", "read_systems", "serve"]
