"""Carries out a plan by bare requests without sockets: thousands of workloads within seconds, and not by our own hands.

That it made what is wanted shows when nothing is left to plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unittest import mock

import httpx

from fleet import naming, ownership
from fleet.changes import Change
from fleet.resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    Resource,
    RoleAssignment,
    Secret,
    ServiceAccount,
    ServicePrincipal,
    Vault,
    Webhook,
)
from fleet.spec import Fleet, IdentityKind, VaultAuthorization
from simulator.azure import wire
from simulator.hosts import Hosts
from simulator.server import Simulator
from tests.operator import token_request

_GRAPH = "https://graph.microsoft.com/v1.0"
_ARM = "https://management.azure.com"
_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
_VERSIONS = {"vaults": "2023-07-01", "userAssignedIdentities": "2023-01-31", "roleAssignments": "2022-04-01"}


async def make(simulator: Simulator, fleet: Fleet, changes: Iterable[Change], secret: str) -> None:
    """Make what the changes create; clusters must have their issuer and add-on already."""
    transport = httpx.ASGITransport(Hosts(simulator.simulation))
    at_once = mock.patch.object(wire, "_WRITE_SECONDS", 0)  # nobody else is there to write at the same moment
    with at_once:
        async with httpx.AsyncClient(transport=transport) as http:
            maker = _Maker(simulator, http, fleet, secret)
            await maker.sign_in()
            outputs: dict[str, dict[str, str]] = {}
            for change in changes:
                outputs[change.key] = await maker.make(change.resolved(outputs).resource)


class _Maker:
    def __init__(self, simulator: Simulator, http: httpx.AsyncClient, fleet: Fleet, secret: str) -> None:
        self._simulator, self._http, self._fleet, self._secret = simulator, http, fleet, secret
        self._subscription = f"{_ARM}/subscriptions/{fleet.subscription}"
        self._tokens: dict[str, str] = {}
        self._clusters = {cluster.state.name: cluster.state for cluster in simulator.simulation.clusters.values()}

    async def sign_in(self) -> None:
        for resource in (_ARM, "https://graph.microsoft.com", "https://vault.azure.net"):
            url, form = token_request(self._simulator.environment(), resource)
            self._tokens[resource] = (await self._http.post(url, data=form)).json()["access_token"]

    async def make(self, resource: Resource) -> dict[str, str]:
        match resource:
            case ClusterSettings() | Webhook():
                raise AssertionError(f"the cloud should begin with {resource.key}")
            case Vault():
                return await self._vault(resource)
            case Secret():
                url = f"{naming.vault_url(resource.vault)}/secrets/{resource.name}?api-version=7.4"
                await self._send("PUT", url, "https://vault.azure.net", {"value": self._secret})
            case Application():
                tags = list(ownership.graph_tags(self._fleet.name, resource.identity))
                body = {"displayName": resource.display_name, "uniqueName": resource.unique_name, "tags": tags}
                made = await self._graph("/applications", {**body, "signInAudience": resource.sign_in_audience})
                return {"client_id": made["appId"], "object_id": made["id"]}
            case ServicePrincipal():
                tags = list(ownership.graph_tags(self._fleet.name, resource.identity))
                made = await self._graph("/servicePrincipals", {"appId": resource.client_id, "tags": tags})
                return {"principal_id": made["id"]}
            case ManagedIdentity():
                return await self._managed_identity(resource)
            case FederatedIdentityCredential():
                await self._credential(resource)
            case RoleAssignment():
                await self._role(resource)
            case AccessPolicy():
                await self._policy(resource)
            case Namespace():
                await self._in_cluster(resource.cluster, "namespaces", self._labelled(resource.name))
            case ServiceAccount():
                account = self._labelled(resource.name)
                account["metadata"]["annotations"] = {
                    "azure.workload.identity/client-id": resource.client_id,
                    "azure.workload.identity/tenant-id": resource.tenant_id,
                }
                await self._in_cluster(resource.cluster, f"namespaces/{resource.namespace}/serviceaccounts", account)
            case _:
                raise AssertionError(f"{resource.key} is of no kind that is made here")
        return {}

    async def _vault(self, vault: Vault) -> dict[str, str]:
        properties = {
            "tenantId": self._simulator.simulation.azure.tenant_id,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": vault.authorization is VaultAuthorization.RBAC,
            "accessPolicies": [],
        }
        body = {"location": vault.location, "tags": {ownership.TAG: self._fleet.name}, "properties": properties}
        await self._arm(vault.resource_group, "Microsoft.KeyVault/vaults", vault.name, body)
        return {}

    async def _managed_identity(self, identity: ManagedIdentity) -> dict[str, str]:
        body = {"location": identity.location, "tags": {ownership.TAG: self._fleet.name}}
        made = (await self._arm(identity.resource_group, _IDENTITIES, identity.identity, body))["properties"]
        return {"client_id": made["clientId"], "principal_id": made["principalId"]}

    async def _credential(self, credential: FederatedIdentityCredential) -> None:
        trust = {"issuer": credential.issuer, "subject": credential.subject, "audiences": [credential.audience]}
        if credential.identity_kind is IdentityKind.APPLICATION:
            path = f"/applications/{credential.object_id}/federatedIdentityCredentials"
            await self._graph(path, {**trust, "name": credential.wanted_name})
        else:
            kind = (
                f"Microsoft.ManagedIdentity/userAssignedIdentities/{credential.identity}/federatedIdentityCredentials"
            )
            await self._arm(str(credential.resource_group), kind, str(credential.wanted_name), {"properties": trust})

    async def _role(self, assignment: RoleAssignment) -> None:
        role_id = naming.BUILT_IN_ROLES[assignment.role]
        name = naming.role_assignment_name(assignment.scope, str(assignment.principal_id), role_id)
        definition = f"/subscriptions/{self._fleet.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
        properties = {
            "roleDefinitionId": definition + role_id,
            "principalId": assignment.principal_id,
            "principalType": "ServicePrincipal",
        }
        path = f"{assignment.scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        url = f"{_ARM}{path}?api-version={_VERSIONS['roleAssignments']}"
        await self._send("PUT", url, _ARM, {"properties": properties})

    async def _policy(self, policy: AccessPolicy) -> None:
        entry = {
            "tenantId": self._simulator.simulation.azure.tenant_id,
            "objectId": policy.principal_id,
            "permissions": {"secrets": list(policy.secrets)},
        }
        kind = f"Microsoft.KeyVault/vaults/{policy.vault}/accessPolicies"
        await self._arm(policy.resource_group, kind, "add", {"properties": {"accessPolicies": [entry]}})

    def _labelled(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": {ownership.LABEL: self._fleet.name}}}

    async def _in_cluster(self, cluster: str, path: str, body: dict[str, Any]) -> None:
        state = self._clusters[cluster]
        await self._post(f"https://{state.fqdn}/api/v1/{path}", body, state.static_token)

    async def _graph(self, path: str, body: dict[str, Any]) -> Any:
        return await self._send("POST", f"{_GRAPH}{path}", "https://graph.microsoft.com", body)

    async def _arm(self, group: str, kind: str, name: str, body: dict[str, Any]) -> Any:
        version = _VERSIONS[kind.split("/")[1]]
        url = f"{self._subscription}/resourceGroups/{group}/providers/{kind}/{name}?api-version={version}"
        return await self._send("PUT", url, _ARM, body)

    async def _post(self, url: str, body: dict[str, Any], token: str) -> None:
        answer = await self._http.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, f"{url}: {answer.text}"

    async def _send(self, method: str, url: str, resource: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens[resource]}"}
        answer = await self._http.request(method, url, json=body, headers=headers)
        assert answer.is_success, f"{url}: {answer.text}"
        return answer.json()
