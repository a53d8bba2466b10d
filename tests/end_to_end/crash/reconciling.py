"""A reconcile without Prefect, in a process group of its own: what the tests kill.

The fork server imports this module once, with all that a run imports, so that each process starts within milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from azure.identity.aio import DefaultAzureCredential
from azure.keyvault.secrets.aio import SecretClient
from azure.mgmt.authorization.aio import AuthorizationManagementClient
from azure.mgmt.authorization.v2022_04_01.aio import AuthorizationManagementClient as Authorization20220401
from azure.mgmt.containerservice import models as cluster_models
from azure.mgmt.containerservice.aio import ContainerServiceClient
from azure.mgmt.keyvault import models as vault_models
from azure.mgmt.keyvault.aio import KeyVaultManagementClient
from azure.mgmt.resource.features.aio import FeatureClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient
from azure.mgmt.resource.subscriptions.aio import SubscriptionClient

from clients import graph, kubernetes
from clients.session import open_clients
from fleet.files import load
from fleet.plan import plan
from fleet.spec import Fleet
from flows.observing import observe
from tests.carrying_out import carry_out

_USED = (
    Authorization20220401,
    AuthorizationManagementClient,
    ContainerServiceClient,
    DefaultAzureCredential,
    FeatureClient,
    KeyVaultManagementClient,
    ResourceManagementClient,
    SecretClient,
    SubscriptionClient,
    cluster_models,
    graph,
    kubernetes,
    vault_models,
)


@dataclass(frozen=True)
class Report:
    """How a reconcile went."""

    planned: tuple[str, ...] = ()
    """Keys of the changes that it made."""
    left: str = ""
    """What a plan afterwards would still change; empty where nothing."""
    error: str = ""
    killed: bool = False


def reconcile(environment: Mapping[str, str], fleet_file: Path, then_plan: bool, report: Connection) -> None:
    """Reconcile, and with ``then_plan`` look at the world once more; the process's whole life."""
    os.setsid()
    os.environ.update(environment)
    fleet = load(fleet_file.read_text(encoding="utf-8"))
    try:
        report.send(asyncio.run(_reconcile(fleet, then_plan=then_plan)))
    except BaseException:  # noqa: BLE001 - told to whoever waits
        report.send(Report(error=traceback.format_exc()))


async def _reconcile(fleet: Fleet, *, then_plan: bool) -> Report:
    async with open_clients() as clients:
        planned = plan(fleet, await observe(clients, fleet))
        if planned.holds:
            return Report(error=f"held: {planned.holds}")
        await carry_out(clients, fleet, planned.changes)
    left = ""
    if then_plan:
        async with open_clients() as clients:
            again = plan(fleet, await observe(clients, fleet))
            left = "" if again.is_empty else again.model_dump_json()
    return Report(tuple(change.key for change in planned.changes), left)
