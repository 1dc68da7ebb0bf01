"""The command ``contact-reasons serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from contact_reasons.cli.common import errors_shown
from contact_reasons.errors import ServiceError
from contact_reasons.options import CalibrationOption, ModelOption, PackOption, PolicyOption

__all__ = ["serve"]


def serve(
    pack: PackOption = "retail",
    model: ModelOption = None,
    policy: PolicyOption = None,
    calibration: CalibrationOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8080,
    keys_file: Annotated[
        Path | None, typer.Option(help="API keys, one a line, besides those in CONTACT_REASONS_API_KEYS.")
    ] = None,
    no_key: Annotated[
        bool, typer.Option("--no-key", help="Answer without a key; on this machine's own address only.")
    ] = False,
    systems: Annotated[
        Path | None,
        typer.Option(help="YAML file of the CRMs whose events are taken; see the reference of the service."),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="SQLite file of answers to events; without it they are kept in memory.")
    ] = None,
    store_hours: Annotated[float, typer.Option(help="How long an answer to an event is kept.")] = 72.0,
    max_body_bytes: Annotated[int, typer.Option(min=1024, help="Of a request.")] = 1_048_576,
    max_contacts: Annotated[int, typer.Option(min=1, help="Of a request.")] = 100,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="When told to stop: how long requests are taken while /health says 503.")
    ] = 0.0,
) -> None:
    """Answer over HTTP: labels, routes, and events of CRMs. SIGHUP reads the model again, SIGTERM ends it after the work that was begun.

    [bold]Examples[/bold]

        contact-reasons serve --pack retail --port 8080 --no-key

        CONTACT_REASONS_API_KEYS=$(openssl rand -hex 24) contact-reasons serve --pack retail --host 0.0.0.0 --systems systems.yaml --store answers.sqlite
    """
    with errors_shown():
        try:
            from contact_reasons import service
        except ModuleNotFoundError as exc:
            if exc.name not in ("httptools", "msgspec", "starlette", "uvicorn"):
                raise
            raise ServiceError("the service needs more packages: pip install 'contact-reasons[service]'") from None
        settings = service.ServiceSettings(
            pack=pack,
            model=model,
            policy=policy,
            calibration=calibration,
            keys=() if no_key and keys_file is None else service.read_keys(keys_file, os.environ),
            no_key=no_key,
            systems={} if systems is None else service.read_systems(systems, os.environ),
            store=store,
            store_hours=store_hours,
            max_body_bytes=max_body_bytes,
            max_contacts=max_contacts,
        )
        service.serve(settings, host=host, port=port, drain_seconds=drain_seconds)
