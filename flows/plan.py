"""The flow ``plan``: what reconcile would do, and nothing else."""

from __future__ import annotations

from prefect import flow

from clients.session import open_clients
from fleet.changes import Plan
from fleet.plan import plan as plan_of

from . import artifacts, form, runs
from .observing import observe


@flow(name="plan", description="Shows what reconcile would change. Changes nothing.", **runs.FLOW_OPTIONS)
async def plan(
    fleet_file: form.FleetPath = None,
    fleet: form.FleetValue = None,
    prune: form.Prune = False,
    heal: form.Heal = False,
) -> Plan:
    """Compare the fleet with the world. Give the fleet itself, or the path of its file.

    With ``prune``, what is ours and the fleet does not name is planned to go. Pods of before are found, and with
    ``heal`` planned to be made anew.
    """
    wanted = runs.wanted_fleet(fleet, fleet_file)
    async with open_clients() as clients:
        observed = await observe(clients, wanted, runs.observing, beyond=prune, pods=True)
    planned = plan_of(wanted, observed, prune=prune, heal=heal)
    await artifacts.show_plan(planned)
    return planned
