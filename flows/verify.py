"""The flow ``verify``: prove every workload's chain, changing nothing."""

from __future__ import annotations

import time

from prefect import flow
from prefect.client.schemas.objects import State

from clients.session import open_clients
from fleet.changes import Plan
from tasks import verification

from . import artifacts, form, happenings, proving, runs
from .observing import observe
from .summary import Summary, ended


@flow(name="verify", description="Proves that every workload reads its secret.", **runs.FLOW_OPTIONS)
async def verify(
    fleet_file: form.FleetPath = None,
    fleet: form.FleetValue = None,
    fresh: form.Fresh = False,
    patience_seconds: form.PatienceSeconds = 60.0,
) -> State[str]:
    """Try every chain, or trust a proof that has not expired; ``fresh`` trusts none.

    What may be propagating still, a new federated credential or role, is tried for ``patience_seconds``.
    """
    started = time.monotonic()
    wanted = runs.wanted_fleet(fleet, fleet_file)
    async with open_clients() as clients:
        observed = await observe(clients, wanted, runs.observing)
        runs.WORK.set(runs.Work(clients, wanted))
        chains, gaps = verification.chains(wanted, observed)
        proofs = await proving.verify(wanted.name, chains, patience_seconds, anew=lambda _: fresh)
        await artifacts.show_proofs(wanted.name, proofs, gaps)
        happenings.proven(wanted.name, proofs)
        summary = Summary(
            plan=Plan(fleet=wanted.name),
            proofs=tuple(proofs),
            gaps=tuple(gaps),
            requests=clients.traffic.requests,
            seconds=time.monotonic() - started,
        )
    return ended(summary, well=not gaps)
