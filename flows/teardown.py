"""The flow ``teardown``: take away what the fleet made, dependents first, nothing foreign."""

from __future__ import annotations

import time

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from clients.session import open_clients
from fleet.selection import Selection, remainder
from fleet.spec import Fleet
from fleet.teardown import plan_teardown

from . import applying, artifacts, form, runs, turns
from .observing import observe
from .summary import Summary, ended


@flow(name="teardown", description="Takes away what reconcile made.", **runs.FLOW_OPTIONS)
async def teardown(
    fleet_file: form.FleetPath = None,
    fleet: form.FleetValue = None,
    everything: form.Everything = False,
    workloads: form.Workloads = (),
    clusters: form.Clusters = (),
    when_busy: form.Busy = form.WhenBusy.WAIT,
) -> State[str]:
    """Delete what carries the fleet's mark; vaults and webhooks only with ``everything``. Vaults are soft-deleted.

    With ``workloads`` or ``clusters`` only what the rest of the fleet does not need, see
    :class:`~fleet.selection.Selection`.
    """
    started = time.monotonic()
    selection = Selection(workloads=workloads, clusters=clusters)
    wanted = runs.wanted_fleet(fleet, fleet_file)
    remainder(wanted, selection)  # a wrong name costs no request
    try:
        async with turns.turn(wanted.name, when_busy):
            summary = await _taken_away(wanted, selection, started, everything=everything)
    except turns.FleetBusyError as error:
        return Cancelled(name="Skipped", message=str(error))
    return ended(summary)


async def _taken_away(wanted: Fleet, selection: Selection, started: float, *, everything: bool) -> Summary:
    async with open_clients() as clients:
        observed = await observe(clients, wanted, runs.observing, beyond=True)
        planned = plan_teardown(wanted, observed, everything=everything, selection=selection)
        await artifacts.show_plan(planned)
        runs.WORK.set(runs.Work(clients, wanted))
        outcomes = await applying.apply(planned.changes)
        return Summary(
            plan=planned,
            failures={outcome.change.key: outcome.error for outcome in outcomes if outcome.error},
            requests=clients.traffic.requests,
            seconds=time.monotonic() - started,
        )
