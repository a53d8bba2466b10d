"""The flow ``reconcile``: observe, plan, apply, verify."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from clients.session import Clients, open_clients
from fleet.changes import Plan
from fleet.health import health
from fleet.movement import refuse_if_moved
from fleet.observed import Observed
from fleet.plan import plan as plan_of
from fleet.plan_file import Options, PlanFile
from fleet.room import nearly_full
from fleet.spec import Fleet

from . import approval, artifacts, form, happenings, history, many, old_results, plan_files, runs, turns
from .carrying_out import carry_out
from .observing import observe
from .summary import Summary, ended


class FleetChangedError(Exception):
    """The fleet's file is another one than the plan that waited for an approval was made of."""


@flow(name="reconcile", description="Makes the world as the fleet says, and proves it.", **runs.FLOW_OPTIONS)
async def reconcile(
    fleet_file: form.FleetPath = None,
    fleet: form.FleetValue = None,
    plan_file: form.PlanPath = None,
    prune: form.Prune = False,
    heal: form.Heal = False,
    verify: form.Proving = True,
    approve: form.Approve = False,
    approve_minutes: form.ApproveMinutes = 60,
    when_busy: form.Busy = form.WhenBusy.WAIT,
    shard_size: form.ShardSize = 0,
) -> State[str]:
    """Bring the world to what the fleet says. Give the fleet itself, or the path of its file.

    Or give the path of a file that ``plan --out`` wrote: then just that plan is applied, and nothing at all where
    another one would be made now (:class:`~fleet.movement.WorldMovedError`). A path, since a large fleet's plan is more
    than Prefect takes as a parameter. With ``prune``, what is ours and the fleet does not name is taken away; with
    ``heal``, owners of pods that are older than what they should have been given are restarted, one at a time; whether
    a plan file does that, it says itself. With ``approve``, the plan is made, shown, and applied in the same way once
    somebody has agreed to it; until then other runs may change the fleet.

    What another thing takes the place of goes after that one's chain is proven, and stays where it is not.

    Ends completed where everything is as wanted and proven, cancelled where nobody agreed or where it was skipped, else
    failed; its result is the summary, see :func:`~flows.summary.read`.
    """
    started = time.monotonic()
    approved = plan_files.approved(fleet, fleet_file, plan_file)
    wanted = approved.wanted if approved else runs.wanted_fleet(fleet, fleet_file)
    options = approved.options if approved else Options(prune=prune, heal=heal)
    if approve:
        try:
            approved = await _agreed(wanted, approved, options, minutes=approve_minutes)
        except approval.NotApprovedError as error:
            return Cancelled(name="NotApproved", message=f"{error}; nothing was changed")
        if fleet_file is not None and runs.wanted_fleet(fleet, fleet_file) != wanted:
            message = (
                f"{fleet_file} was changed while its plan waited for an approval, so nothing was changed: run again"
            )
            raise FleetChangedError(message)
    try:
        async with turns.turn(wanted.name, when_busy):
            summary = await _carried_out(wanted, approved, options, started, verify=verify, shard_size=shard_size)
    except turns.FleetBusyError as error:
        return Cancelled(name="Skipped", message=str(error))
    get_run_logger().info(summary.headline)
    return ended(summary, "Completed" if summary.plan.changes else "Unchanged")


async def _agreed(wanted: Fleet, approved: PlanFile | None, options: Options, *, minutes: float) -> PlanFile:
    """What a person has agreed to, as if they had been given a plan file."""
    async with open_clients() as clients:
        observed, planned = await _planned(clients, wanted, options)
    await artifacts.show_plan(planned)
    if approved:
        refuse_if_moved(approved.plan, planned)
    if planned.changes:
        as_whom = f"{observed.tenancy.operator_id} in subscription {observed.tenancy.subscription_name}"
        await approval.ask(planned, as_whom, minutes)
    return PlanFile(fleet=wanted, options=options, plan=planned)


async def _planned(clients: Clients, wanted: Fleet, options: Options) -> tuple[Observed, Plan]:
    """What is now, and what of it is to be changed: pods are looked at only to heal them."""
    observed = await observe(clients, wanted, runs.observing, beyond=options.prune, pods=options.heal)
    return observed, options.narrowed(plan_of(wanted, observed, prune=options.prune, heal=options.heal))


async def _carried_out(
    wanted: Fleet, approved: PlanFile | None, options: Options, started: float, *, verify: bool, shard_size: int
) -> Summary:
    async with open_clients() as clients:
        observed, planned = await _planned(clients, wanted, options)
        await artifacts.show_plan(planned)
        if approved:
            refuse_if_moved(approved.plan, planned)
        happenings.planned(planned)
        runs.WORK.set(runs.Work(clients, wanted))
        elsewhere = 0
        if 0 < shard_size < len(planned.changes):
            done, elsewhere = await many.carry_out_on_many(planned, observed, verify=verify, most=shard_size)
        else:
            done = await carry_out(planned.changes, observed, verify=verify)
        summary = done.summary(planned, requests=clients.traffic.requests + elsewhere, started=started)
    await _leave(wanted, observed, summary)
    return summary


async def _leave(wanted: Fleet, observed: Observed, summary: Summary) -> None:
    """What a run leaves for whoever looks after the fleet: its health, its history, and what should be acted on."""
    plan, failures = summary.plan, summary.failures
    chains = health(wanted, observed, plan, failures, summary.waiting, summary.proofs)
    await artifacts.show_health(wanted.name, chains)
    at, well = datetime.now(UTC).isoformat(timespec="seconds"), sum(chain.is_well for chain in chains)
    run = history.Run(at=at, chains=len(chains), well=well, changes=summary.applied)
    await artifacts.show_history(wanted.name, await history.and_then(wanted.name, run))
    happenings.applied(plan, failures, summary.waiting)
    happenings.proven(wanted.name, summary.proofs)
    happenings.nearly_full(wanted.name, nearly_full(observed, plan.changes))
    await old_results.remove()
