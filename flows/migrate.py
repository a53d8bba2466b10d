"""The way out of AAD Pod Identity, step by step. Runs without Prefect, like a plan; what it writes is a fleet file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from clients.errors import CloudError
from clients.kubernetes import Kubernetes
from clients.session import Clients, find_tenancy, open_clients
from clients.waiting import SWITCH_SECONDS
from fleet.changes import Plan
from fleet.migration.identities import Known
from fleet.migration.leaving import Leaving, leaving, unconverted
from fleet.migration.proposal import Migration, propose
from fleet.migration.set_up import Owner, SetUp, matches
from fleet.migration.switching import Switch, entry
from fleet.observed import Observed
from fleet.plan import plan
from fleet.spec import Cluster, Fleet, Workload
from fleet.teardown import plan_teardown
from tasks import verification
from tasks.pod_identity import reading, surroundings, templates

from .observing import observe

PATIENCE_SECONDS = 60.0
"""How long a chain may take to be in effect."""


@dataclass(frozen=True)
class There:
    """A cluster that we are signed in to, and whose it is."""

    clients: Clients
    kubernetes: Kubernetes
    cluster: Cluster


@asynccontextmanager
async def at(cluster: str, subscription: str | None) -> AsyncIterator[There]:
    """Find the cluster and sign in. Raises :class:`~clients.errors.CloudError` that says what there is instead."""
    async with open_clients() as clients:
        clients.tenancy = await find_tenancy(clients, subscription)
        found = await surroundings.find_cluster(clients, cluster)
        kubernetes = await clients.cluster(found)
        yield There(clients, kubernetes, await surroundings.webhook_of(kubernetes, found))


@dataclass(frozen=True)
class Seen:
    """One look at the old set-up, and what is to become of it."""

    set_up: SetUp
    known: Known
    migration: Migration


async def look(there: There, namespace: str | None = None) -> Seen:
    """Read the old set-up. Raises :class:`~tasks.pod_identity.reading.NotInstalledError` where there is none."""
    set_up = await reading.read(there.kubernetes, namespace)
    known = await surroundings.look_around(there.clients, there.cluster, set_up)
    return Seen(set_up, known, propose(set_up, known, namespace))


@dataclass(frozen=True)
class Beside:
    """What stands beside the old set-up, as the fleet file says, and what is there of it."""

    fleet: Fleet
    observed: Observed
    planned: Plan


async def beside(there: There, fleet: Fleet) -> Beside:
    """Compare the fleet file with the world."""
    observed = await observe(there.clients, fleet)
    return Beside(fleet, observed, plan(fleet, observed))


async def prove(there: There, new: Beside, workload: Workload) -> str:
    """Why a ServiceAccount cannot sign in as its identity, to the secret if the file names one; empty where it can."""
    try:
        chain = verification.chain_of(new.fleet, new.observed, workload, there.cluster.name, to_secret=False)
    except LookupError as error:
        return str(error.args[0])
    proof = await verification.verify(there.clients, new.fleet, chain, PATIENCE_SECONDS)
    return "" if proof.holds else "; ".join(proof.problems)


async def switch(there: There, new: Beside, one: Switch, *, proxy: int | None) -> str:
    """Prove the chain, and only then change the template. Why it was not changed; empty where it was."""
    if problem := await prove(there, new, one.workload):
        return problem
    try:
        await templates.switch(there.kubernetes, one.owner, one.workload.service_account, proxy=proxy)
    except CloudError as error:
        return str(error)
    return ""


async def rolled_out(there: There, seen: Seen, owner: Owner) -> str:
    """Wait for an owner's pods to have the new identity. Why some have not; empty where all have."""
    last = ""

    async def all_new() -> bool | None:
        nonlocal last
        last = unconverted(seen.set_up, seen.known, await reading.again(there.kubernetes, owner))
        return not last or None

    try:
        await there.clients.patience.until(f"the pods of {owner}", all_new, seconds=SWITCH_SECONDS)
    except CloudError as error:
        return last or str(error)
    return ""


async def leaves(there: There, seen: Seen, new: Beside, namespace: str | None) -> tuple[list[Leaving], list[Leaving]]:
    """What of the old set-up can go, and what stays: whatever is not proven to do without it keeps it."""
    using = [owner for owner in seen.set_up.owners if matches(seen.set_up, owner)]
    converted = [owner for owner in using if not unconverted(seen.set_up, seen.known, owner)]
    problems = dict(zip(converted, await asyncio.gather(*(_proven(there, new, one) for one in converted)), strict=True))
    return leaving(seen.set_up, seen.known, lambda owner: problems.get(owner, ""), namespace)


async def _proven(there: There, new: Beside, owner: Owner) -> str:
    workload = entry(new.fleet, there.cluster.name, owner.namespace, owner.service_account)
    if workload is None:
        return f"{owner} runs as ServiceAccount {owner.service_account}, which the fleet file does not name"
    problem = await prove(there, new, workload)
    return f"{owner} is not proven: {problem}" if problem else ""


async def taken_back(there: There, fleet: Fleet) -> Plan:
    """What would be taken back of what reconcile set up beside."""
    return plan_teardown(fleet, await observe(there.clients, fleet, beyond=True))
