"""The flow ``reconcile``: observe, plan, apply, verify."""

from __future__ import annotations

import time

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from clients.session import open_clients
from clients.waiting import PROPAGATION_SECONDS
from fleet.movement import refuse_if_moved
from fleet.plan import plan as plan_of
from fleet.proof import Proof
from fleet.spec import Fleet
from tasks import verification

from . import applying, artifacts, plan_files, proving, runs
from .observing import observe
from .summary import Summary

_SETTLED_SECONDS = 20.0
"""How long a chain that nothing was changed about is tried before it counts as broken."""


@flow(name="reconcile", description="Makes the world as the fleet says, and proves it.", **runs.FLOW_OPTIONS)
async def reconcile(
    fleet: Fleet | None = None, fleet_file: str | None = None, verify: bool = True, plan_file: str | None = None
) -> State[Summary]:
    """Bring the world to what the fleet says. Give the fleet itself, or the path of its file.

    Or give the path of a file that ``plan --out`` wrote: then just that plan is applied, and nothing at all where
    another one would be made now (:class:`~fleet.movement.WorldMovedError`). A path, since a large fleet's plan is more
    than Prefect takes as a parameter.

    Ends completed where everything is as wanted and proven, else failed; either way its result is the summary.
    """
    started = time.monotonic()
    approved = plan_files.approved(fleet, fleet_file, plan_file)
    wanted = approved.wanted if approved else runs.wanted_fleet(fleet, fleet_file)
    async with open_clients() as clients:
        observed = await observe(clients, wanted, runs.observing)
        planned = plan_of(wanted, observed)
        await artifacts.show_plan(planned)
        if approved:
            refuse_if_moved(approved.plan, planned)
        runs.WORK.set(work := runs.Work(clients, wanted))
        outcomes = await applying.apply(planned.changes)
        done = {outcome.change.key: outcome.change.resolved(work.outputs) for outcome in outcomes if not outcome.error}
        proofs: list[Proof] = []
        gaps: list[str] = []
        if verify:
            chains, gaps = verification.chains(
                wanted, observed.with_applied([change.resource for change in done.values()], work.outputs)
            )
            proofs = await proving.verify(
                wanted.name,
                chains,
                PROPAGATION_SECONDS if done else _SETTLED_SECONDS,
                anew=lambda link: any(link.is_touched_by(change.resource) for change in done.values()),
            )
            await artifacts.show_proofs(wanted.name, proofs, gaps)
        requests = clients.traffic.requests
    summary = Summary(
        plan=planned.model_copy(update={"changes": tuple(done.get(change.key, change) for change in planned.changes)}),
        failures={outcome.change.key: outcome.error for outcome in outcomes if outcome.error},
        proofs=tuple(proofs),
        gaps=tuple(gaps),
        requests=requests,
        seconds=time.monotonic() - started,
    )
    get_run_logger().info(summary.headline)
    if not summary.succeeded:
        return Failed(message=summary.headline, data=summary)
    return Completed(message=summary.headline, name="Completed" if planned.changes else "Unchanged", data=summary)
