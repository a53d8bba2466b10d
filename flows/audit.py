"""The flow ``audit``: what gives workloads more than they should have, as a table. Changes nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from clients.session import open_clients

from . import artifacts, auditing, form, happenings, runs
from .audit_page import headline


@flow(name="audit", description="Finds what may be abused. Changes nothing.", **runs.FLOW_OPTIONS)
async def audit(fleet_file: form.FleetPath = None, fleet: form.FleetValue = None) -> State[dict[str, Any]]:
    """Look at the fleet's tenant, vaults and clusters for what may be abused.

    Ends completed, whatever it finds, and is named ``Clean`` or ``Found``; its result is the audit.
    """
    wanted = runs.wanted_fleet(fleet, fleet_file)
    async with open_clients() as clients:
        found = await auditing.of_fleet(clients, wanted)
    await artifacts.show_audit(found)
    happenings.audited(found)
    told = headline(found)
    get_run_logger().info(told)
    return Completed(name="Found" if found.findings else "Clean", message=told, data=found.model_dump(mode="json"))
