"""What was there before the fleet is adopted, and given back: after a teardown it is as it was, and nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import yaml

from clients.kubernetes import path_of
from fleet.changes import Action, Plan
from fleet.files import load
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from flows.observing import observe
from tasks import chain
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.test_partial_teardown import GROUP
from tests.integration.chain.test_pruning import GRAPH, IDENTITIES, VAULTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]

ARM_VERSIONS = {IDENTITIES: "2023-01-31", VAULTS: "2023-07-01"}
SHOP, BANK = "shop-app", "bank-identity"
VAULT = {"name": "old-kv", **GROUP, "authorization": "access-policy"}
FLEET: Json = {
    "name": "shop",
    "subscription": "Visual Studio Premium with MSDN",
    "adopt": True,
    "clusters": [{"name": "sysadminas", "resource_group": "sysadminas-aks"}],
    "vaults": [{**VAULT, "secrets": [{"name": "key", "value_from": {"env": "KEYVAULT_SECRET_VALUE"}}]}],
    "identities": [
        {"name": SHOP, "access": [{"vault": "old-kv", "secrets": ["get"]}]},
        {"name": BANK, "kind": "managed-identity", **GROUP, "access": [{"vault": "old-kv", "secrets": ["get"]}]},
    ],
    "workloads": [
        {
            "namespace": "shop",
            "service_account": "web",
            "clusters": ["sysadminas"],
            "identity": SHOP,
            "deployment": {"name": "web", "containers": [{"name": "main", "image": "example.org/main:1"}]},
        },
        {"namespace": "shop", "service_account": "ledger", "clusters": ["sysadminas"], "identity": BANK},
    ],
}
TRUST = {
    "name": "their-pipeline",
    "issuer": "https://token.actions.githubusercontent.com",
    "subject": "repo:shop/web:ref:refs/heads/main",
    "audiences": ["api://AzureADTokenExchange"],
}


async def made_by_others(cloud: Cloud) -> None:
    """A vault, an application with a pipeline that it trusts, a managed identity, and what runs in the cluster."""
    tenant = cloud.simulator.simulation.azure.tenant_id
    properties = {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    team = {"tags": {"team": "shop"}, "location": "westeurope"}
    await arm(cloud, "PUT", VAULTS, "old-kv", {**team, "properties": properties})
    await arm(cloud, "PUT", IDENTITIES, BANK, team)
    made = await cloud.by_hand("POST", f"{GRAPH}/applications", {"displayName": SHOP, "tags": ["team-shop"]})
    await cloud.by_hand("POST", f"{GRAPH}/applications/{made['id']}/federatedIdentityCredentials", TRUST)
    await cloud.by_hand("POST", f"{GRAPH}/servicePrincipals", {"appId": made["appId"], "tags": ["team-shop"]})
    async with cloud.clients() as clients:
        clients.tenancy = (await observe(clients, load(yaml.safe_dump(FLEET)))).tenancy
        kubernetes = await clients.cluster(load(yaml.safe_dump(FLEET)).clusters[0])
        await kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, "others")
        for name in ("web", "ledger"):
            labels = {"name": name, "namespace": "shop", "labels": {"team": "shop"}}
            await kubernetes.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": labels}, "others")
        pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "old:1"}]}}
        spec = {"selector": {"matchLabels": {"app": "web"}}, "template": pod}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
        await kubernetes.apply({**body, "spec": spec}, "others")


async def arm(cloud: Cloud, method: str, kind: str, name: str, body: Json | None = None) -> Json:
    """A request about a resource of the group."""
    found: Json = await cloud.by_hand(method, f"{kind}/{name}?api-version={ARM_VERSIONS[kind]}", body)
    return found


async def there(cloud: Cloud) -> Json:
    """What others see of their objects."""
    vault, identity = await arm(cloud, "GET", VAULTS, "old-kv"), await arm(cloud, "GET", IDENTITIES, BANK)
    (application,) = (await cloud.by_hand("GET", f"{GRAPH}/applications?$filter=displayName eq '{SHOP}'"))["value"]
    trusts = await cloud.by_hand("GET", f"{GRAPH}/applications/{application['id']}/federatedIdentityCredentials")
    principal = await cloud.by_hand("GET", f"{GRAPH}/servicePrincipals(appId='{application['appId']}')")
    (cluster,) = cloud.simulator.simulation.clusters.values()
    accounts = [cluster.get("serviceaccounts", name, "shop") for name in ("web", "ledger")]
    deployment = cluster.get("deployments.apps", "web", "shop")
    assert deployment is not None
    return {
        "vault": (vault["tags"], vault["properties"]["accessPolicies"]),
        "identity": (identity["tags"], identity["properties"]["clientId"]),
        "application": (application["tags"], application["appId"], [one["name"] for one in trusts["value"]]),
        "principal": principal["tags"],
        "accounts": [account and meta(account) for account in accounts],
        "deployment": meta(deployment),
    }


def meta(item: Json) -> tuple[Json, Json, set[str]]:
    """An object's labels and annotations, and who set what of it; without what its controller notes."""
    metadata = item["metadata"]
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if "deployment.kubernetes.io" not in key
    }
    managers = {one["manager"] for one in metadata.get("managedFields") or ()} - {"kube-controller-manager"}
    return metadata.get("labels") or {}, annotations, managers


@dataclass(frozen=True)
class Story:
    """What others saw before and after, and what was planned."""

    cloud: Cloud
    before: Json
    adopted: Json
    again: Plan
    teardown: Plan
    after: Json
    nothing: Plan
    foreign: Plan


async def torn_down(cloud: Cloud, fleet: Fleet) -> Plan:
    """With everything."""
    async with cloud.clients() as clients:
        planned = plan_teardown(fleet, await observe(clients, fleet, beyond=True), everything=True)
        for change in planned.changes:
            await chain.apply(clients, fleet, change, {})
    return planned


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    fleet = load(yaml.safe_dump(FLEET))
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        await made_by_others(cloud)
        before = await there(cloud)
        await cloud.apply(fleet)
        adopted, again = await there(cloud), await cloud.plan(fleet)
        teardown = await torn_down(cloud, fleet)
        after, nothing = await there(cloud), await torn_down(cloud, fleet)
        foreign = await cloud.plan(fleet.model_copy(update={"adopt": False}))
        yield Story(cloud, before, adopted, again, teardown, after, nothing, foreign)


async def test_what_is_adopted_carries_the_mark_that_it_was_there_before(story: Story) -> None:
    tags = {"team": "shop", "workload-identity-fleet": "shop", "workload-identity-adopted": "true"}
    labels = {"workload-identity.io/fleet": "shop", "workload-identity.io/adopted": "true"}
    assert story.adopted["vault"][0] == story.adopted["identity"][0] == tags
    assert "workload-identity:adopted" in story.adopted["application"][0]
    assert all(account[0] == {"team": "shop", **labels} for account in story.adopted["accounts"])
    assert story.adopted["deployment"][0] == labels
    assert story.again.is_empty


async def test_a_teardown_releases_it_and_deletes_only_what_we_made(story: Story) -> None:
    by_action = {
        action: {change.resource.kind for change in story.teardown.changes if change.action is action}
        for action in (Action.RELEASE, Action.DELETE)
    }
    assert by_action[Action.RELEASE] == {"vault", "application", "managed-identity", "service-account", "deployment"}
    assert by_action[Action.DELETE] == {"federated-credential", "access-policy", "webhook"}


async def test_afterwards_everything_is_as_it_was(story: Story) -> None:
    for kind in ("vault", "identity", "application", "principal", "accounts"):
        assert story.after[kind] == story.before[kind], kind
    assert story.after["deployment"][0] == {}
    assert story.after["deployment"][2] == {"others"}


async def test_afterwards_it_is_nobodys(story: Story) -> None:
    assert story.nothing.is_empty
    held = {hold.key.partition(":")[0] for hold in story.foreign.holds if hold.mistake}
    assert held == {"vault", "application", "managed-identity"}


async def test_a_deployment_that_is_released_runs_on_as_it_is(story: Story) -> None:
    async with story.cloud.clients() as clients:
        fleet = load(yaml.safe_dump(FLEET))
        clients.tenancy = (await observe(clients, fleet)).tenancy
        deployment = await (await clients.cluster(fleet.clusters[0])).get(path_of("Deployment", "shop", "web"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example.org/main:1"
