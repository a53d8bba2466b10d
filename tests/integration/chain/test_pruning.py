"""A fleet that has become smaller: what is left of it is found, and pruned where it is ours. The rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import yaml

from fleet.changes import Plan
from fleet.files import load
from fleet.spec import Fleet
from tasks import principals
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.test_partial_teardown import FLEET, GROUP, assert_proven, two_clusters

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPH = "https://graph.microsoft.com/v1.0"
GROUP_ID = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/sysadminas-aks"
ARM = f"https://management.azure.com{GROUP_ID}/providers"
IDENTITIES, VAULTS = f"{ARM}/Microsoft.ManagedIdentity/userAssignedIdentities", f"{ARM}/Microsoft.KeyVault/vaults"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NOBODY = "77777777-7777-4777-8777-777777777777"


def with_more() -> dict[str, Any]:
    """The fleet before: an application with a Deployment, and a managed identity, that it will not name any more."""
    more = yaml.safe_load(yaml.safe_dump(FLEET))
    policies = {"name": "old-kv", **GROUP, "authorization": "access-policy", "secrets": more["vaults"][0]["secrets"]}
    more["vaults"].append(policies)
    more["identities"][0]["access"].append({"vault": "old-kv", "secrets": ["get"], "roles": ["Reader"]})
    access = [{"vault": "shop-kv", "secrets": ["get"]}, {"vault": "old-kv", "secrets": ["get"]}]
    more["identities"] += [
        {"name": "old-app", "access": access},
        {"name": "old-identity", "kind": "managed-identity", **GROUP, "access": access},
        {"name": "used-identity", "kind": "managed-identity", **GROUP, "access": access[:1]},
    ]
    deployment = {"name": "old", "containers": [{"name": "main", "image": "example.org/main:1"}]}
    more["workloads"] += [
        {
            "namespace": "old",
            "service_account": "app",
            "clusters": ["west"],
            "identity": "old-app",
            "deployment": deployment,
        },
        {"namespace": "old", "service_account": "worker", "clusters": ["north"], "identity": "old-identity"},
        {"namespace": "shop", "service_account": "gone", "clusters": ["west"], "identity": "shop"},
        {"namespace": "shop", "service_account": "used", "clusters": ["west"], "identity": "used-identity"},
    ]
    return dict(more)


def without_them() -> Fleet:
    """The fleet now; it has its vault still."""
    less = yaml.safe_load(yaml.safe_dump(FLEET))
    less["vaults"] = with_more()["vaults"]
    return load(yaml.safe_dump(less))


@dataclass(frozen=True)
class Story:
    """What was planned before, and after pruning; and what there is at the end."""

    cloud: Cloud
    fleet: Fleet
    plain: Plan
    requests: int
    requests_before: int
    pruned: Plan
    again: Plan
    after: Plan
    credential_by_hand: str
    left: dict[str, set[str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    before, fleet = load(yaml.safe_dump(with_more())), without_them()
    async with running_cloud(tmp_path_factory.mktemp("simulator"), cloud=two_clusters()) as cloud:
        await cloud.apply(before)
        asked = len(cloud.journal.entries)
        await cloud.plan(before)
        requests_before = len(cloud.journal.entries) - asked
        credential = await by_other_hands(cloud, before)
        asked = len(cloud.journal.entries)
        plain = await cloud.plan(fleet)
        requests = len(cloud.journal.entries) - asked
        pruned = await cloud.apply(fleet, prune=True)
        again, after = await cloud.plan(fleet, prune=True), await cloud.plan(fleet)
        yield Story(
            cloud, fleet, plain, requests, requests_before, pruned, again, after, credential, await left_in(cloud)
        )


async def by_other_hands(cloud: Cloud, fleet: Fleet) -> str:
    """A credential on an identity of ours, one on an identity that goes, a role for a principal that is no more."""
    observed = await cloud.observe(fleet)
    application = observed.output("application:shop", "object_id")
    theirs = {
        "issuer": "https://issuer.example/",
        "subject": "repo:theirs",
        "audiences": ["api://AzureADTokenExchange"],
    }
    url = f"{GRAPH}/applications/{application}/federatedIdentityCredentials"
    made = await cloud.by_hand("POST", url, {"name": "theirs", **theirs})
    await cloud.by_hand(
        "PUT",
        f"{IDENTITIES}/used-identity/federatedIdentityCredentials/theirs?api-version=2024-11-30",
        {"properties": theirs},
    )
    policy = {
        "tenantId": observed.tenancy.tenant_id,
        "objectId": NOBODY,
        "permissions": {"secrets": ["get"]},
    }
    body = {"properties": {"accessPolicies": [policy]}}
    await cloud.by_hand("PUT", f"{VAULTS}/old-kv/accessPolicies/add?api-version=2023-07-01", body)
    return str(made["name"])


async def left_in(cloud: Cloud) -> dict[str, set[str]]:
    """What there is at last, by lists."""
    hand = cloud.by_hand
    applications = (await hand("GET", f"{GRAPH}/applications?$expand=federatedIdentityCredentials"))["value"]
    identities = (await hand("GET", f"{IDENTITIES}?api-version=2024-11-30"))["value"]
    accounts = set()
    for cluster in cloud.simulator.simulation.clusters.values():
        url = f"https://{cluster.state.fqdn}/api/v1"
        for namespace in (await hand("GET", f"{url}/namespaces"))["items"]:
            name = namespace["metadata"]["name"]
            if namespace["status"]["phase"] == "Active" and name in ("old", "shop"):
                listed = await hand("GET", f"{url}/namespaces/{name}/serviceaccounts")
                accounts |= {f"{cluster.state.name}/{name}/{one['metadata']['name']}" for one in listed["items"]}
    return {
        "applications": {one["displayName"] for one in applications},
        "credentials": {c["subject"] for one in applications for c in one["federatedIdentityCredentials"]},
        "identities": {one["name"] for one in identities},
        "accounts": {one for one in accounts if not one.endswith("/default")},
    }


GONE = {
    "deployment:west/old/old",
    "service-account:west/old/app",
    "service-account:north/old/worker",
    "service-account:west/shop/gone",
    "service-account:west/shop/used",
    "namespace:west/old",
    "namespace:north/old",
    "role-assignment:shop/old-kv/Reader",
    "role-assignment:old-app/shop-kv/Key Vault Secrets User",
    "role-assignment:old-identity/shop-kv/Key Vault Secrets User",
    "access-policy:shop/old-kv",
    "access-policy:old-app/old-kv",
    "access-policy:old-identity/old-kv",
    "application:old-app",
    "managed-identity:old-identity",
}
KEPT = {
    "federated-credential:shop/theirs",
    "managed-identity:used-identity",
    "role-assignment:used-identity/shop-kv/Key Vault Secrets User",
    f"access-policy:{NOBODY}/old-kv",
}


async def test_without_being_asked_nothing_goes_and_it_is_told(story: Story) -> None:
    assert story.plain.is_empty
    told = {finding.key for finding in story.plain.findings}
    looked_for_only_to_prune = {key for key in GONE if "/old" in key and "old-" not in key}
    (credential,) = (key for key in told if key.startswith("federated-credential:shop/west-shop-gone-"))
    assert told == (GONE | KEPT | {credential}) - looked_for_only_to_prune


async def test_to_tell_it_costs_one_request_and_only_where_somebody_is_unknown(story: Story) -> None:
    managed = 2  # lists of credentials: of the identities that the fleet still names
    assert story.requests <= story.requests_before - managed + 1


async def test_what_is_ours_is_pruned(story: Story) -> None:
    keys = {change.key for change in story.pruned.changes}
    assert {change.action for change in story.pruned.changes} == {"delete"}
    assert {key for key in keys if not key.startswith("federated-credential")} == GONE
    assert story.left["applications"] == {"shop", "platform-engineer"}
    assert "system:serviceaccount:shop:gone" not in story.left["credentials"]
    assert story.left["identities"] == {"bank", "used-identity"}
    assert story.left["accounts"] == {"west/shop/web", "west/shop/ledger", "north/shop/web"}


async def test_what_is_not_ours_stays_and_is_told_with_the_way_out(story: Story) -> None:
    told = {finding.key: finding for finding in story.pruned.findings}
    assert set(told) == KEPT
    assert (
        "identity shop trusts repo:theirs of https://issuer.example/" in told["federated-credential:shop/theirs"].what
    )
    assert "theirs: delete that by hand first" in told["managed-identity:used-identity"].advice
    assert f"{NOBODY}, a principal that is no more" in told[f"access-policy:{NOBODY}/old-kv"].what
    assert "repo:theirs" in story.left["credentials"]


async def test_after_pruning_there_is_nothing_left_to_do_and_what_stays_is_told_still(story: Story) -> None:
    assert story.again.is_empty
    assert story.after.is_empty
    assert {finding.key for finding in story.again.findings} == KEPT


async def test_the_rest_of_the_fleet_is_proven(story: Story) -> None:
    await assert_proven(story.cloud, story.fleet, 3)


async def test_principals_are_looked_up_by_the_thousand(story: Story) -> None:
    ids = [f"nobody-{number}" for number in range(1_001)]
    async with story.cloud.clients() as clients:
        clients.tenancy = (await story.cloud.observe(story.fleet)).tenancy
        asked = len(story.cloud.journal.entries)
        seen = await principals.observe(clients, [*ids, clients.operator_id])
    assert seen.vanished == tuple(ids)
    paths = [entry.path for entry in story.cloud.journal.entries[asked:]]
    assert len([path for path in paths if path.endswith("/getByIds")]) == 2


async def test_role_assignments_are_counted_whoever_made_them(story: Story) -> None:
    there = story.cloud.simulator.simulation.azure.role_assignments
    assert (await story.cloud.observe(story.fleet)).role_assignments == len(there) > 0
