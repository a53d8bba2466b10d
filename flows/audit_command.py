"""``workload-identity audit``: what gives workloads more than they should have. Needs no Prefect server."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import typer

from clients.session import open_clients
from fleet.audit.findings import Audit
from fleet.audit.sarif import sarif
from fleet.spec import Fleet

from . import audit_page, auditing, shell


def run(fleet_file: Path | None, subscription: str, *, as_json: bool, sarif_file: Path | None) -> NoReturn:
    """Audit a fleet, or a subscription without one, show what was found, and end the program."""
    fleet = shell.load(fleet_file) if fleet_file is not None else None
    audit = shell.run(_audit(fleet, subscription))
    place = fleet_file.as_posix() if fleet_file is not None else "fleet.yaml"
    if sarif_file is not None:
        _write(sarif_file, json.dumps(sarif(audit, place, version("workload-identity")), indent=2))
    if as_json:
        typer.echo(audit.model_dump_json(indent=2))
    elif str(sarif_file) != "-":
        audit_page.show(shell.console(), audit)
    raise SystemExit(shell.EXIT_CHANGES if audit.findings else shell.EXIT_OK)


async def _audit(fleet: Fleet | None, subscription: str) -> Audit:
    async with open_clients() as clients:
        if fleet is None:
            return await auditing.of_subscription(clients, subscription)
        return await auditing.of_fleet(clients, fleet)


def _write(path: Path, text: str) -> None:
    """To a file, or with ``-`` to standard output."""
    if str(path) == "-":
        typer.echo(text)
        return
    try:
        path.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        shell.fail(f"{path}: the audit cannot be written: {error.strerror}")
