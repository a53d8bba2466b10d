"""Drift in any one field of any one object is planned and repaired, and only it.

One reconciled world for all rows: each row works around the tool, looks at the plan, lets it be applied, and leaves
the world as wanted for the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleet.files import load
from fleet.observed import Observed
from fleet.spec import Fleet
from tests.conftest import Cloud, running_cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARM = "https://management.azure.com"
GRAPH = "https://graph.microsoft.com/v1.0"
APPS, CORE = "/apis/apps/v1/namespaces/team-a/deployments", "/api/v1/namespaces"
WEBHOOK = "azure-workload-identity-system"
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass
class World:
    """A reconciled fleet, and where its objects are."""

    cloud: Cloud
    fleet: Fleet
    observed: Observed

    @property
    def group(self) -> str:
        return f"{ARM}/subscriptions/{self.observed.tenancy.subscription_id}/resourceGroups/sysadminas-aks/providers"

    def known(self, key: str, output: str) -> str:
        value = self.observed.output(key, output)
        assert value is not None, key
        return value

    @property
    def application(self) -> str:
        return f"{GRAPH}/applications/{self.known('application:wide-app', 'object_id')}"

    @property
    def principal(self) -> str:
        return f"{GRAPH}/servicePrincipals/{self.known('service-principal:wide-app', 'principal_id')}"

    def kube(self, path: str) -> str:
        cluster = next(iter(self.cloud.simulator.simulation.clusters.values()))
        return f"https://{cluster.state.fqdn}{path}"

    def credential(self, identity: str) -> str:
        return next(
            found.resource.name
            for found in self.observed.found
            if found.resource.kind == "federated-credential" and found.resource.identity == identity
        )

    @property
    def application_credential(self) -> str:
        return f"{self.application}/federatedIdentityCredentials/{self.credential('wide-app')}"

    @property
    def managed(self) -> str:
        return f"{self.group}/Microsoft.ManagedIdentity/userAssignedIdentities/wide-identity"

    @property
    def managed_credential(self) -> str:
        return f"{self.managed}/federatedIdentityCredentials/{self.credential('wide-identity')}?api-version=2024-11-30"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as running:
        await running.apply(_fleet())
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def world(cloud: Cloud) -> World:
    fleet = _fleet()
    return World(cloud, fleet, await cloud.observe(fleet))


def _fleet() -> Fleet:
    return load((Path(__file__).parent / "wide.yaml").read_text(encoding="utf-8"))


Hand = Callable[[World], Awaitable[Any]]


def patch(where: Callable[[World], str], body: Any) -> Hand:
    return lambda world: world.cloud.by_hand("PATCH", where(world), body)


def merge(path: str, body: Any) -> Hand:
    return lambda world: world.cloud.by_hand("PATCH", world.kube(path), body, **MERGE)


def delete(where: Callable[[World], str]) -> Hand:
    return lambda world: world.cloud.by_hand("DELETE", where(world))


def annotate(key: str, value: str | None) -> Hand:
    body = {"metadata": {"annotations": {f"azure.workload.identity/{key}": value}}}
    return merge(f"{CORE}/team-a/serviceaccounts/app", body)


def template(**changes: Any) -> Hand:
    return merge(f"{APPS}/app", {"spec": {"template": changes}})


def vault(name: str) -> Callable[[World], str]:
    return lambda world: f"{world.group}/Microsoft.KeyVault/vaults/{name}?api-version=2023-07-01"


def secret(name: str) -> str:
    return f"https://policy-kv.vault.azure.net/secrets/{name}?api-version=7.4"


def policies(kind: str, permissions: list[str]) -> Hand:
    async def hand(world: World) -> None:
        policy = {
            "tenantId": world.observed.tenancy.tenant_id,
            "objectId": world.known("service-principal:wide-app", "principal_id"),
            "permissions": {"secrets": permissions},
        }
        url = f"{world.group}/Microsoft.KeyVault/vaults/policy-kv/accessPolicies/{kind}?api-version=2023-07-01"
        await world.cloud.by_hand("PUT", url, {"properties": {"accessPolicies": [policy]}})

    return hand


def unassign(role: str, vault_name: str) -> Hand:
    async def hand(world: World) -> None:
        scope = f"{world.group}/Microsoft.KeyVault/vaults/{vault_name}"
        listing = f"{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()"
        for item in (await world.cloud.by_hand("GET", listing))["value"]:
            if item["properties"]["scope"].endswith(vault_name):
                await world.cloud.by_hand("DELETE", f"{ARM}{item['id']}?api-version=2022-04-01")

    return hand


def managed_credential(**changes: Any) -> Hand:
    async def hand(world: World) -> None:
        there = await world.cloud.by_hand("GET", world.managed_credential)
        body = {"properties": {**there["properties"], **changes}}
        await world.cloud.by_hand("PUT", world.managed_credential, body)

    return hand


async def unregister(world: World) -> None:
    feature = "Microsoft.Features/providers/Microsoft.ContainerService/features/EnableOIDCIssuerPreview"
    subscription = world.observed.tenancy.subscription_id
    url = f"{ARM}/subscriptions/{subscription}/providers/{feature}/unregister?api-version=2021-07-01"
    await world.cloud.by_hand("POST", url)


async def overwrite_secret(world: World) -> None:
    await world.cloud.by_hand("PUT", secret("one"), {"value": "somebody else's"})


APPLICATION, PRINCIPAL = "application:wide-app", "service-principal:wide-app"
ACCOUNT, DEPLOYMENT = "service-account:sysadminas/team-a/app", "deployment:sysadminas/team-a/app"
TRUST = "federated-credential:wide-app/sysadminas/team-a/app"
MANAGED_TRUST = "federated-credential:wide-identity/sysadminas/team-b/worker"
POLICY, READER = "access-policy:wide-app/policy-kv", "role-assignment:wide-app/policy-kv/Reader"
SECRETS_USER = "role-assignment:wide-identity/role-kv/Key Vault Secrets User"
WORKER = "service-account:sysadminas/team-b/worker"
MANAGER = f"/apis/apps/v1/namespaces/{WEBHOOK}/deployments/azure-wi-webhook-controller-manager"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
CONFIGURATION = f"{CONFIGURATIONS}/azure-wi-webhook-mutating-webhook-configuration"
IMAGE = [{"name": "manager", "image": "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]
MAIN = {
    "name": "main",
    "image": "example.org/main:1",
    "command": ["serve", "--now"],
    "env": [{"name": "MODE", "value": "fast"}],
}
HELPER = {"name": "helper", "image": "example.org/helper:1"}

ROWS: dict[str, tuple[Hand, dict[str, set[str]]]] = {
    "feature unregistered": (unregister, {"feature:EnableOIDCIssuerPreview": {"state"}}),
    "vault: authorization": (
        patch(vault("policy-kv"), {"properties": {"enableRbacAuthorization": True}}),
        {"vault:policy-kv": {"authorization"}},
    ),
    "secret: value": (overwrite_secret, {"secret:policy-kv/one": {"value"}}),
    "secret: disabled": (
        lambda world: world.cloud.by_hand("PATCH", secret("one"), {"attributes": {"enabled": False}}),
        {"secret:policy-kv/one": {"value"}},
    ),
    "application: display name": (
        patch(lambda world: world.application, {"displayName": "renamed"}),
        {APPLICATION: {"display_name"}},
    ),
    "application: audience": (
        patch(lambda world: world.application, {"signInAudience": "AzureADMultipleOrgs"}),
        {APPLICATION: {"sign_in_audience"}},
    ),
    "application: mark": (patch(lambda world: world.application, {"tags": ["theirs"]}), {APPLICATION: {"owner"}}),
    "application deleted": (
        delete(lambda world: world.application),
        {APPLICATION: set(), PRINCIPAL: set(), READER: set(), POLICY: set(), TRUST: set(), ACCOUNT: {"client_id"}},
    ),
    "principal: disabled": (
        patch(lambda world: world.principal, {"accountEnabled": False}),
        {PRINCIPAL: {"account_enabled"}},
    ),
    "principal: mark": (patch(lambda world: world.principal, {"tags": []}), {PRINCIPAL: {"owner"}}),
    "principal deleted": (
        delete(lambda world: world.principal),
        {PRINCIPAL: set(), READER: set(), POLICY: set()},
    ),
    "federated credential: issuer": (
        patch(lambda world: world.application_credential, {"issuer": "https://elsewhere.example/"}),
        {TRUST: {"issuer"}},
    ),
    "federated credential: subject": (
        patch(lambda world: world.application_credential, {"subject": "system:serviceaccount:team-a:other"}),
        {TRUST: {"subject"}},
    ),
    "federated credential: audience": (
        patch(lambda world: world.application_credential, {"audiences": ["api://other"]}),
        {TRUST: {"audience"}},
    ),
    "federated credential deleted": (delete(lambda world: world.application_credential), {TRUST: set()}),
    "managed identity deleted": (
        delete(lambda world: f"{world.managed}?api-version=2024-11-30"),
        {"managed-identity:wide-identity": set(), SECRETS_USER: set(), MANAGED_TRUST: set(), WORKER: {"client_id"}},
    ),
    "managed credential: issuer": (
        managed_credential(issuer="https://elsewhere.example/"),
        {MANAGED_TRUST: {"issuer"}},
    ),
    "managed credential: subject": (
        managed_credential(subject="system:serviceaccount:team-b:other"),
        {MANAGED_TRUST: {"subject"}},
    ),
    "managed credential: audience": (managed_credential(audiences=["api://other"]), {MANAGED_TRUST: {"audience"}}),
    "managed credential deleted": (delete(lambda world: world.managed_credential), {MANAGED_TRUST: set()}),
    "role assignment deleted": (unassign("Reader", "policy-kv"), {READER: set()}),
    "secrets role deleted": (unassign("Key Vault Secrets User", "role-kv"), {SECRETS_USER: set()}),
    "access policy: permissions": (policies("replace", ["list"]), {POLICY: {"secrets"}}),
    "access policy deleted": (policies("remove", ["get", "list"]), {POLICY: set()}),
    "namespace deleted": (
        delete(lambda world: world.kube(f"{CORE}/team-a")),
        {"namespace:sysadminas/team-a": set(), ACCOUNT: set(), DEPLOYMENT: set()},
    ),
    "service account: client id": (annotate("client-id", "somebody"), {ACCOUNT: {"client_id"}}),
    "service account: client id removed": (annotate("client-id", None), {ACCOUNT: {"client_id"}}),
    "service account: tenant id empty": (annotate("tenant-id", ""), {ACCOUNT: {"tenant_id"}}),
    "service account: expiration": (
        annotate("service-account-token-expiration", "3600"),
        {ACCOUNT: {"token_expiration"}},
    ),
    "service account: foreign expiration": (
        merge(
            f"{CORE}/team-b/serviceaccounts/worker",
            {"metadata": {"annotations": {"azure.workload.identity/service-account-token-expiration": "9000"}}},
        ),
        {WORKER: {"token_expiration"}},
    ),
    "service account: mark": (
        merge(f"{CORE}/team-a/serviceaccounts/app", {"metadata": {"labels": {"workload-identity.io/fleet": None}}}),
        {ACCOUNT: {"owner"}},
    ),
    "service account deleted": (
        delete(lambda world: world.kube(f"{CORE}/team-a/serviceaccounts/app")),
        {ACCOUNT: set()},
    ),
    "deployment: service account": (
        template(spec={"serviceAccountName": "default", "serviceAccount": "default"}),
        {DEPLOYMENT: {"service_account"}},
    ),
    "deployment: replicas": (merge(f"{APPS}/app", {"spec": {"replicas": 5}}), {DEPLOYMENT: {"replicas"}}),
    "deployment: image": (
        template(spec={"containers": [{**MAIN, "image": "example.org/main:2"}, HELPER]}),
        {DEPLOYMENT: {"containers[main].image"}},
    ),
    "deployment: command": (
        template(spec={"containers": [{**MAIN, "command": ["sleep"]}, HELPER]}),
        {DEPLOYMENT: {"containers[main].command"}},
    ),
    "deployment: variable": (
        template(spec={"containers": [{**MAIN, "env": [{"name": "MODE", "value": "slow"}]}, HELPER]}),
        {DEPLOYMENT: {"containers[main].env[MODE]"}},
    ),
    "deployment: container removed": (template(spec={"containers": [MAIN]}), {DEPLOYMENT: {"containers[helper]"}}),
    "deployment: skipped containers": (
        template(metadata={"annotations": {"azure.workload.identity/skip-containers": "main"}}),
        {DEPLOYMENT: {"skip_containers"}},
    ),
    "deployment: use": (
        template(metadata={"labels": {"azure.workload.identity/use": "True"}}),
        {DEPLOYMENT: {"use"}},
    ),
    "deployment: mark": (
        merge(f"{APPS}/app", {"metadata": {"labels": {"workload-identity.io/fleet": None}}}),
        {DEPLOYMENT: {"owner"}},
    ),
    "deployment deleted": (delete(lambda world: world.kube(f"{APPS}/app")), {DEPLOYMENT: set()}),
    "webhook: configuration deleted": (
        delete(lambda world: world.kube(CONFIGURATION)),
        {"webhook:sysadminas": {"serving"}},
    ),
    "webhook: version": (
        merge(MANAGER, {"spec": {"template": {"spec": {"containers": IMAGE}}}}),
        {"webhook:sysadminas": {"version"}},
    ),
    "webhook: deployment deleted": (
        delete(lambda world: world.kube(MANAGER)),
        {"webhook:sysadminas": {"version", "serving"}},
    ),
}


@pytest.mark.parametrize("row", ROWS)
async def test_drift_is_planned_and_repaired_and_only_it(world: World, row: str) -> None:
    hand, expected = ROWS[row]
    await hand(world)
    planned = await world.cloud.apply(world.fleet)
    assert planned.holds == ()
    assert {change.key for change in planned.changes} == set(expected)
    for change in planned.changes:
        fields = expected[change.key]
        if fields:
            assert {difference.field for difference in change.differences} == fields
        else:
            assert change.action == "create"
    assert (await world.cloud.plan(world.fleet)).is_empty
