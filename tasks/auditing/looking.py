"""Gathers an audit's inventory. What cannot be looked at is noted, and the rest is looked at all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from clients.errors import CloudError
from clients.kubernetes import Kubernetes, path_of
from clients.session import Clients
from fleet import ownership
from fleet.audit.inventory import (
    Account,
    ClusterInventory,
    Identity,
    Inventory,
    Password,
    Policy,
    Role,
    VaultInventory,
)
from fleet.diagnosis.evidence import Hidden, annotations_of
from fleet.spec import Cluster
from fleet.webhook_contract import CLIENT_ID
from tasks import applications, managed_identities, vaults
from tasks.evidence import directory, issuers, roles, vault
from tasks.evidence.asked import aks_clusters
from tasks.evidence.hiding import hidden

from .permissions import permissions

Json = dict[str, Any]
Result = TypeVar("Result")

_PASSWORDS = {"passwordCredentials": "client secret", "keyCredentials": "certificate"}
_NEEDS = {
    "applications": "Needs Application.Read.All of Microsoft Graph",
    "managed identities": "Needs Reader on the subscription",
    "role assignments": "Needs Reader on the subscription",
    "vaults": "Needs Reader on the subscription",
}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Looking:
    """One audit's look at the world."""

    def __init__(self, clients: Clients, clusters: Sequence[Cluster]) -> None:
        """``clusters`` are those of a fleet; the subscription's others are looked at as well."""
        self._clients, self._ours = clients, clusters
        self._not_seen: list[Hidden] = []

    async def inventory(self) -> Inventory:
        """All of it."""
        clusters = await self._clusters()
        inside = asyncio.gather(*(self._cluster(cluster, issuer) for cluster, issuer in clusters))
        now, applied, managed, held, there = await asyncio.gather(
            issuers.entra_time(self._clients),
            self._seen("applications", self._applications),
            self._seen("managed identities", self._managed),
            self._seen("role assignments", self._roles),
            self._seen("vaults", lambda: vaults.listed(self._clients)),
        )
        return Inventory(
            now=now,
            operator_id=self._clients.operator_id,
            identities=(*(applied or ()), *(managed or ())),
            clusters=tuple(await inside),
            vaults=tuple(
                VaultInventory(one.name or "", one.id or "", bool(one.properties.enable_rbac_authorization))
                for one in there or ()
            ),
            policies=tuple(_policies(there or ())),
            roles=tuple(held or ()),
            not_seen=tuple(self._not_seen),
        )

    async def _seen(self, what: str, look: Callable[[], Awaitable[Result]]) -> Result | None:
        try:
            return await look()
        except CloudError as error:
            self._not_seen.append(hidden(what, error, _NEEDS.get(what, "")))
            return None

    async def _clusters(self) -> list[tuple[Cluster, str]]:
        """The fleet's clusters and the subscription's others, each with its issuer."""
        listed = await self._seen("the subscription's AKS clusters", lambda: aks_clusters(self._clients)) or []
        issuer_of = {(one.name, one.resource_group): issuer for one, issuer in listed}
        ours = [(one, one.issuer or issuer_of.get((one.name, one.resource_group), "")) for one in self._ours]
        names = {one.name for one in self._ours}
        return ours + [(one, issuer) for one, issuer in listed if one.name not in names]

    async def _applications(self) -> list[Identity]:
        found, principals = await asyncio.gather(
            applications.find(self._clients, "", also=",".join(_PASSWORDS)), self._principals()
        )
        return [
            Identity(
                name=ownership.identity_by_graph_tags(item.get("tags")) or item["displayName"],
                client_id=item["appId"],
                principal_id=principals.get(item["appId"], ""),
                is_application=True,
                credentials=directory.credentials_of(item),
                passwords=tuple(_passwords(item)),
                fleet=ownership.owner_by_graph_tags(item.get("tags")),
            )
            for item in found
        ]

    async def _principals(self) -> dict[str, str]:
        """The service principals' object ids by client id."""
        what = "the tenant's service principals"
        listed = await self._clients.graph.list(what, "/servicePrincipals", select="id,appId", top=999)
        return {item["appId"]: item["id"] for item in listed}

    async def _managed(self) -> list[Identity]:
        listed = await managed_identities.listed(self._clients)
        seen = await asyncio.gather(*(directory.managed(self._clients, item) for item in listed))
        return [
            Identity(
                name=one.name,
                client_id=one.client_id,
                principal_id=one.principal_id or "",
                is_application=False,
                credentials=one.credentials,
                fleet=ownership.owner_by_tags(item.tags),
            )
            for item, one in zip(listed, seen, strict=True)
        ]

    async def _roles(self) -> list[Role]:
        return [
            Role(one.principal_id, one.role, one.scope, one.reads_secrets) for one in await roles.held(self._clients)
        ]

    async def _cluster(self, cluster: Cluster, issuer: str) -> ClusterInventory:
        try:
            kubernetes = await self._clients.cluster(cluster)
            namespaces = [item["metadata"]["name"] for item in await kubernetes.list(path_of("Namespace"))]
            accounts = [_account(item) for item in await kubernetes.list(path_of("ServiceAccount"))]
        except CloudError as error:
            reason = f"{error}. Needs list of Namespaces and ServiceAccounts"
            self._not_seen.append(Hidden(f"cluster {cluster.name}", reason))
            return ClusterInventory(cluster.name, issuer)
        rights = await self._seen(f"RBAC of cluster {cluster.name}", lambda: _permissions(kubernetes))
        return ClusterInventory(
            cluster.name,
            issuer,
            frozenset(namespaces),
            tuple(accounts),
            tuple(rights) if rights is not None else None,
        )


async def _permissions(kubernetes: Kubernetes) -> list[Any]:
    kinds = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    listed = await asyncio.gather(*(kubernetes.list(f"{_RBAC}/{kind}") for kind in kinds))
    return list(permissions(*listed))


def _account(item: Json) -> Account:
    metadata = item["metadata"]
    return Account(metadata["namespace"], metadata["name"], annotations_of(item).get(CLIENT_ID))


def _passwords(application: Json) -> list[Password]:
    found = []
    for member, kind in _PASSWORDS.items():
        for item in application.get(member) or ():
            ends = item.get("endDateTime")
            name = item.get("displayName") or item.get("keyId") or ""
            found.append(Password(kind, name, datetime.fromisoformat(ends) if ends else None))
    return found


def _policies(vaults: Any) -> list[Policy]:
    return [
        Policy(one.name or "", policy.object_id, vault.permissions(one, policy.object_id) or ())
        for one in vaults
        for policy in one.properties.access_policies or ()
    ]
