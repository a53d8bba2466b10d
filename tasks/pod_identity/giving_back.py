"""What reconcile set up beside the old set-up, taken back: what was adopted stays, without our mark on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from clients.errors import Missing, translated
from clients.kubernetes import path_of
from clients.session import Clients
from fleet import ownership
from fleet.changes import Change
from fleet.resources import Application, ManagedIdentity, ServiceAccount
from fleet.spec import Fleet
from fleet.webhook_contract import CLIENT_ID, TENANT_ID, TOKEN_EXPIRATION
from tasks import chain


def is_adopted(fleet: Fleet, change: Change) -> bool:
    """Whether an object was there before the fleet was, as its file says."""
    match change.resource:
        case ManagedIdentity() | Application():
            return fleet.adopt or fleet.identity(change.resource.identity).adopt
        case ServiceAccount() as account:
            return fleet.adopt or any(
                workload.adopt
                for workload in fleet.workloads
                if (workload.namespace, workload.service_account) == (account.namespace, account.name)
            )
    return False


async def take_back(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Carry out one deletion of a teardown, or just take our mark off where the object was adopted."""
    if is_adopted(fleet, change):
        await _RELEASES[change.resource.kind](clients, fleet, change)
    else:
        await chain.apply(clients, fleet, change, {})


async def _release_account(clients: Clients, fleet: Fleet, change: Change) -> None:
    account = change.resource
    assert isinstance(account, ServiceAccount)
    kubernetes = await clients.cluster(fleet.cluster(account.cluster))
    nothing = dict.fromkeys((CLIENT_ID, TENANT_ID, TOKEN_EXPIRATION))
    patch = {"metadata": {"annotations": nothing, "labels": {ownership.LABEL: None}}}
    await kubernetes.merge(path_of("ServiceAccount", account.namespace, account.name), patch)


async def _release_identity(clients: Clients, fleet: Fleet, change: Change) -> None:
    from azure.mgmt.msi.models import IdentityUpdate

    identity = change.resource
    assert isinstance(identity, ManagedIdentity)
    operations = clients.arm.identities.user_assigned_identities

    async def release() -> None:
        with translated(f"managed identity {identity.identity}"):
            there = await operations.get(identity.resource_group, identity.name)
            if ownership.owner_by_tags(there.tags) == fleet.name:
                tags = {key: value for key, value in (there.tags or {}).items() if key.lower() != ownership.TAG}
                await operations.update(identity.resource_group, identity.name, IdentityUpdate(tags=tags))

    try:
        await clients.patience.request(release)
    except Missing:
        return


async def _release_application(clients: Clients, fleet: Fleet, change: Change) -> None:
    application = change.resource
    assert isinstance(application, Application)
    what, path = f"application {application.display_name}", f"/applications/{change.known['object_id']}"
    found = await clients.graph.get(what, path)
    ours = ownership.graph_tags(fleet.name, application.identity)
    tags = [tag for tag in found.get("tags") or () if tag not in ours]
    await clients.patience.request(partial(clients.graph.update, what, path, {"tags": tags}))


_RELEASES: Mapping[str, Callable[[Clients, Fleet, Change], Awaitable[None]]] = {
    "application": _release_application,
    "managed-identity": _release_identity,
    "service-account": _release_account,
}
