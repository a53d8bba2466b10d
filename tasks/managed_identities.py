"""User-assigned managed identities, and the federated credentials that they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from clients.errors import Missing, translated
from clients.session import Clients
from clients.waiting import REPLICATION_SECONDS
from fleet import ownership
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import ManagedIdentity
from fleet.spec import Fleet, Identity, IdentityKind

from . import federation

if TYPE_CHECKING:
    from azure.mgmt.msi.models import FederatedIdentityCredential
    from azure.mgmt.msi.models import Identity as AzureIdentity


async def observe(clients: Clients, fleet: Fleet, *, beyond: bool = False) -> Observation:
    """The identities by one list of the subscription; their credentials by one list each, for want of a bulk read.

    Those that carry our mark and are not in the fleet are among them; their credentials only to look ``beyond``.
    """
    wanted = [identity for identity in fleet.identities if identity.kind is IdentityKind.MANAGED_IDENTITY]
    if not wanted and not beyond:
        return Observation()

    there = {_address(item): item for item in await listed(clients)}
    addresses = {(str(identity.resource_group).lower(), identity.name.lower()): identity for identity in wanted}
    present = [
        _found(fleet, identity.name, str(identity.resource_group), there[address])
        for address, identity in addresses.items()
        if address in there
    ]
    left = _leftovers(fleet, [item for address, item in there.items() if address not in addresses], wanted)
    looked_into = [found.resource for found in (*present, *(left if beyond else ()))]
    credentials = await asyncio.gather(
        *(_credentials(clients, one) for one in looked_into if isinstance(one, ManagedIdentity))
    )
    identities = [*present, *left]
    return Observation(found=(*identities, *(found for of_one in credentials for found in of_one)))


async def listed(clients: Clients) -> list[AzureIdentity]:
    """The subscription's managed identities, whoever made them."""

    async def everything() -> list[AzureIdentity]:
        with translated("the subscription's managed identities"):
            return [item async for item in clients.arm.identities.user_assigned_identities.list_by_subscription()]

    return await clients.patience.request(everything)


async def credentials_of(clients: Clients, resource_group: str, name: str) -> list[FederatedIdentityCredential]:
    """An identity's federated credentials; none where it was deleted meanwhile."""
    operations = clients.arm.identities.federated_identity_credentials

    async def everything() -> list[FederatedIdentityCredential]:
        with translated(f"federated credentials of {name}"):
            return [item async for item in operations.list(resource_group, name)]

    try:
        return await clients.patience.request(everything)
    except Missing:
        return []


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Create the identity, or put our tag on an adopted one; returns its client_id and principal_id."""
    from azure.mgmt.msi.models import Identity as Body

    wanted = change.resource
    assert isinstance(wanted, ManagedIdentity)
    what = f"managed identity {wanted.identity}"
    operations = clients.arm.identities.user_assigned_identities

    async def write() -> None:
        with translated(what):
            try:
                there: AzureIdentity | None = await operations.get(wanted.resource_group, wanted.identity)
            except ResourceNotFoundError:
                there = None
            if there is None or ownership.owner_by_tags(there.tags) != fleet.name:
                tags = ownership.with_tags(there.tags if there else None, fleet.name, adopted=change.adopted)
                location = there.location if there else wanted.location
                await operations.create_or_update(
                    wanted.resource_group, wanted.identity, Body(location=location, tags=tags)
                )

    async def readable() -> AzureIdentity | None:
        with translated(what):
            there = await operations.get(wanted.resource_group, wanted.identity)
        return there if ownership.owner_by_tags(there.tags) == fleet.name else None

    await clients.patience.request(write)
    identity = await clients.patience.until(f"{what} to be readable", readable, seconds=REPLICATION_SECONDS)
    return _outputs(identity)


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Delete the identity; its federated credentials go with it."""
    identity = change.resource
    assert isinstance(identity, ManagedIdentity)

    async def delete() -> None:
        with translated(f"managed identity {identity.identity}"):
            await clients.arm.identities.user_assigned_identities.delete(identity.resource_group, identity.name)

    try:
        await clients.patience.request(delete)
    except Missing:
        return


async def release(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Take our tags off the identity; it stays, with whatever else it has."""
    from azure.mgmt.msi.models import IdentityUpdate

    identity = change.resource
    assert isinstance(identity, ManagedIdentity)
    operations = clients.arm.identities.user_assigned_identities

    async def write() -> None:
        with translated(f"managed identity {identity.identity}"):
            there = await operations.get(identity.resource_group, identity.name)
            if ownership.owner_by_tags(there.tags) == fleet.name:
                # A PUT without any tag would leave those that are there.
                body = IdentityUpdate(tags=ownership.without_tags(there.tags))
                await operations.update(identity.resource_group, identity.name, body)

    try:
        await clients.patience.request(write)
    except Missing:
        return


async def _credentials(clients: Clients, identity: ManagedIdentity) -> list[Found]:
    group = identity.resource_group
    items = await credentials_of(clients, group, identity.name)
    return [federation.found_on_managed_identity(identity.identity, group, item) for item in items]


def _leftovers(fleet: Fleet, others: Iterable[AzureIdentity], wanted: Iterable[Identity]) -> list[Found]:
    """Those of the others that carry our mark, under a name that no identity of the fleet has."""
    names = {identity.name.lower() for identity in wanted}
    found = []
    for item in others:
        if ownership.owner_by_tags(item.tags) == fleet.name:
            group, name = (item.id or "").split("/")[4], item.name or ""
            found.append(_found(fleet, f"{group}/{name}" if name.lower() in names else name, group, item))
    return found


def _address(item: AzureIdentity) -> tuple[str, str]:
    """Resource group and name, in lower case: ARM compares without case, and this provider changes it."""
    parts = (item.id or "").lower().split("/")
    return (parts[4] if len(parts) > 4 else "", (item.name or "").lower())


def _found(fleet: Fleet, identity: str, group: str, item: AzureIdentity) -> Found:
    owner = ownership.owner_by_tags(item.tags)
    resource = ManagedIdentity(identity=identity, resource_group=group, location=item.location, owner=owner)
    adopted = ownership.is_adopted_by_tags(item.tags)
    return Found(resource=resource, outputs=_outputs(item), ours=owner == fleet.name, adopted=adopted)


def _outputs(item: AzureIdentity) -> dict[str, str]:
    return {"client_id": str(item.client_id or ""), "principal_id": str(item.principal_id or "")}
