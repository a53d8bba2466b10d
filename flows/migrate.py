"""The way out of AAD Pod Identity, step by step. Runs without Prefect, like a plan; what it writes is a fleet file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from clients.kubernetes import Kubernetes
from clients.session import Clients, find_tenancy, open_clients
from fleet.changes import Plan
from fleet.migration.proposal import Known, Migration, propose
from fleet.migration.set_up import SetUp
from fleet.plan import plan
from fleet.spec import Cluster, Fleet
from tasks.pod_identity import reading, surroundings

from .observing import observe


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


async def plan_of(there: There, fleet: Fleet) -> Plan:
    """What reconcile would add beside the old set-up."""
    return plan(fleet, await observe(there.clients, fleet))
