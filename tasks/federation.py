"""Federated identity credentials, of applications (Graph) and of managed identities (ARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from clients.errors import Conflict, Missing, translated
from clients.graph import Json
from clients.session import Clients
from clients.waiting import REPLICATION_SECONDS
from fleet.changes import Change
from fleet.observed import Found
from fleet.resources import FederatedIdentityCredential, Reference
from fleet.spec import Fleet, IdentityKind

if TYPE_CHECKING:
    from azure.mgmt.msi.models import FederatedIdentityCredential as ArmCredential

_GOOD_READS = 3
_TOLD = ("name", "issuer", "subject", "audiences")
"""What Graph and ARM tell of a credential, under the same names."""


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:  # noqa: ARG001
    """Write the credential under its name, one at a time per identity, and read it back until all copies agree."""
    wanted = change.resource
    assert isinstance(wanted, FederatedIdentityCredential)
    if wanted.name is None:
        wanted = wanted.model_copy(update={"name": wanted.wanted_name})
    side = _side(clients, wanted)

    async def write() -> None:
        with translated(_what(wanted)):
            await side.write()

    async def readable() -> FederatedIdentityCredential | None:
        with translated(_what(wanted)):
            found = await side.read()
        return found if found is not None and not wanted.differences(found) else None

    async with clients.writing(f"credentials of {wanted.identity}"):
        # Missing: the identity is so new that the copy asked does not know it yet.
        await clients.patience.request(write, also=(Missing,), seconds=REPLICATION_SECONDS)
    await clients.patience.until(
        f"{_what(wanted)} to be known everywhere", readable, seconds=REPLICATION_SECONDS, in_a_row=_GOOD_READS
    )
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Take the trust away. What is gone already is no error."""
    credential = change.resource
    assert isinstance(credential, FederatedIdentityCredential)
    side = _side(clients, credential)

    async def delete() -> None:
        with translated(_what(credential)):
            await side.delete()

    async with clients.writing(f"credentials of {credential.identity}"):
        try:
            await clients.patience.request(delete, also=(Conflict,))
        except Missing:
            return


def found_on_application(identity: str, object_id: str, credential: Json) -> Found:
    """A credential as Graph tells it."""
    told = {name: credential.get(name) for name in _TOLD}
    return Found(resource=_value(identity, IdentityKind.APPLICATION, told, object_id=object_id))


def found_on_managed_identity(identity: str, resource_group: str, credential: ArmCredential) -> Found:
    """A credential as ARM tells it."""
    told = {name: getattr(credential, name) for name in _TOLD}
    return Found(resource=_value(identity, IdentityKind.MANAGED_IDENTITY, told, resource_group=resource_group))


def _value(
    identity: str,
    kind: IdentityKind,
    told: Json,
    *,
    object_id: str | None = None,
    resource_group: str | None = None,
) -> FederatedIdentityCredential:
    subject = told["subject"] or ""
    parts = subject.split(":")
    in_cluster = len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]
    return FederatedIdentityCredential(
        identity=identity,
        identity_kind=kind,
        object_id=object_id,
        resource_group=resource_group,
        cluster="",
        namespace=parts[2] if in_cluster else "",
        service_account=parts[3] if in_cluster else "",
        name=told["name"],
        issuer=told["issuer"] or "",
        subject=subject,
        audience=", ".join(told["audiences"] or ()),
    )


def _what(credential: FederatedIdentityCredential) -> str:
    return f"federated credential of {credential.identity} for {credential.namespace}/{credential.service_account}"


def _side(clients: Clients, wanted: FederatedIdentityCredential) -> _OnApplication | _OnManagedIdentity:
    if wanted.identity_kind is IdentityKind.APPLICATION:
        return _OnApplication(clients, wanted)
    return _OnManagedIdentity(clients, wanted)


class _OnApplication:
    """Through Graph, by the credential's name, which is its alternate key."""

    def __init__(self, clients: Clients, wanted: FederatedIdentityCredential) -> None:
        assert isinstance(wanted.object_id, str)
        assert wanted.name is not None
        self._wanted = wanted
        self._graph, self._what = clients.graph, _what(wanted)
        self._all = f"/applications/{wanted.object_id}/federatedIdentityCredentials"
        self._one = f"{self._all}(name='{wanted.name}')"

    async def write(self) -> None:
        body: Json = {
            "issuer": self._wanted.issuer,
            "subject": self._wanted.subject,
            "audiences": [self._wanted.audience],
            "description": f"workload-identity: {self._wanted.namespace}/{self._wanted.service_account}",
        }
        there = await self._there()
        if there is None:
            await self._graph.create(self._what, self._all, {**body, "name": self._wanted.name})
        elif self._wanted.differences(self._read(there)):
            await self._graph.update(self._what, f"{self._all}/{there['id']}", body)

    async def read(self) -> FederatedIdentityCredential | None:
        return self._read(await self._graph.get(self._what, self._one))

    async def delete(self) -> None:
        await self._graph.delete(self._what, self._one)

    async def _there(self) -> Json | None:
        """The credential of our name. A list, because the absence of one is no error then, but the parent's is."""
        answer = await self._graph.get(self._what, self._all)
        return next((item for item in answer["value"] if item["name"] == self._wanted.name), None)

    def _read(self, there: Json) -> FederatedIdentityCredential:
        found = found_on_application(self._wanted.identity, str(self._wanted.object_id), there).resource
        assert isinstance(found, FederatedIdentityCredential)
        return found


class _OnManagedIdentity:
    """Through ARM."""

    def __init__(self, clients: Clients, wanted: FederatedIdentityCredential) -> None:
        assert wanted.resource_group is not None
        assert wanted.name is not None
        self._wanted = wanted
        self._operations = clients.arm.identities.federated_identity_credentials
        self._address = (wanted.resource_group, wanted.identity, wanted.name)

    async def write(self) -> None:
        from azure.mgmt.msi.models import FederatedIdentityCredential as Body

        assert not isinstance(self._wanted.issuer, Reference)
        body = Body(issuer=self._wanted.issuer, subject=self._wanted.subject, audiences=[self._wanted.audience])
        try:
            there = await self.read()
        except ResourceNotFoundError:
            there = None
        if there is None or self._wanted.differences(there):
            await self._operations.create_or_update(*self._address, body)

    async def read(self) -> FederatedIdentityCredential | None:
        there: Any = await self._operations.get(*self._address)
        found = found_on_managed_identity(self._wanted.identity, self._address[0], there).resource
        assert isinstance(found, FederatedIdentityCredential)
        return found

    async def delete(self) -> None:
        await self._operations.delete(*self._address)
