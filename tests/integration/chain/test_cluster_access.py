"""How a cluster's API is reached: by token, by certificate, by the user's own kubeconfig."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
import yaml
from azure.identity.aio import DefaultAzureCredential

from clients.errors import CloudError
from clients.kubernetes import path_of
from clients.session import Clients, find_tenancy
from clients.waiting import Patience
from fleet.spec import Cluster, Fleet
from simulator.kubernetes import store
from tests.conftest import Cloud, demo_cloud_with, running_cloud

AKS = Cluster(name="sysadminas", resource_group="sysadminas-aks")


async def namespaces(clients: Clients, fleet: Fleet, cluster: Cluster) -> set[str]:
    clients.tenancy = await find_tenancy(clients, fleet.subscription)
    kubernetes = await clients.cluster(cluster)
    return {item["metadata"]["name"] for item in await kubernetes.list(path_of("Namespace"))}


@pytest.mark.parametrize(
    ("entra_integrated", "local_accounts"),
    [(True, True), (True, False), (False, True)],
    ids=["Entra-integrated", "Entra-integrated without local accounts", "certificate of the kubeconfig"],
)
async def test_an_aks_cluster_is_reached_without_kubelogin(
    tmp_path: Path, fleet: Fleet, entra_integrated: bool, local_accounts: bool
) -> None:
    described = demo_cloud_with(entra_integrated=entra_integrated, local_accounts=local_accounts)
    async with running_cloud(tmp_path / "simulator", cloud=described) as cloud, cloud.clients() as clients:
        assert "kube-system" in await namespaces(clients, fleet, AKS)


async def test_a_context_of_the_users_kubeconfig_serves_too(
    cloud: Cloud, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(await admin_kubeconfig(cloud, tmp_path)))
    elsewhere = Cluster(name="elsewhere", context="sysadminas-admin", issuer="https://issuer.example/")
    async with cloud.clients() as clients:
        assert "kube-system" in await namespaces(clients, fleet, elsewhere)


async def test_an_unknown_context_is_named_with_the_way_out(
    cloud: Cloud, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(await admin_kubeconfig(cloud, tmp_path)))
    elsewhere = Cluster(name="elsewhere", context="no-such", issuer="https://issuer.example/")
    async with cloud.clients() as clients:
        with pytest.raises(CloudError, match=r"elsewhere.*no-such.*KUBECONFIG"):
            await namespaces(clients, fleet, elsewhere)


async def test_a_token_that_expires_is_fetched_anew(cloud: Cloud, fleet: Fleet) -> None:
    async with cloud.clients() as clients:
        await namespaces(clients, fleet, AKS)
        cloud.simulator.simulation.clock.step(2 * 3600)
        kubernetes = await clients.cluster(AKS)
        clients.credential = DefaultAzureCredential(transport=clients.transport)  # as after its own expiry
        assert await kubernetes.list(path_of("Namespace"))


async def test_a_cluster_that_does_not_answer_is_given_up_soon(fleet: Fleet, tmp_path: Path, cloud: Cloud) -> None:
    """A closed port on loopback; the clock is turned by hand."""
    seconds = 0.0

    async def sleep(pause: float) -> None:
        nonlocal seconds
        seconds += pause

    config = yaml.safe_load((await admin_kubeconfig(cloud, tmp_path)).read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    from clients import kubernetes as access

    async with cloud.clients() as clients:
        patience = Patience(sleep=sleep, now=lambda: seconds)

        async def no_token() -> str:
            return ""

        client = await access.from_kubeconfig("gone", config, no_token, patience, clients.traffic, clients.pace)
        with pytest.raises(CloudError, match="cannot be reached"):
            await client.list(path_of("Namespace"))
        await client.close()
    assert seconds < 30


async def admin_kubeconfig(cloud: Cloud, directory: Path) -> Path:
    """What ``az aks get-credentials --admin`` writes."""
    subscription = next(iter(cloud.simulator.simulation.azure.subscriptions))
    cluster = f"subscriptions/{subscription}/resourceGroups/sysadminas-aks/providers/Microsoft.ContainerService"
    url = f"https://management.azure.com/{cluster}/managedClusters/sysadminas/listClusterAdminCredential"
    answer = await cloud.by_hand("POST", f"{url}?api-version=2025-01-01")
    config = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
    config["contexts"][0]["name"] = config["current-context"] = "sysadminas-admin"
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


async def test_a_list_of_what_changes_faster_than_its_pages_come_is_whole(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server forgets a page's revision at the next change, and says Expired."""
    monkeypatch.setattr(store, "HISTORY", 1)
    async with running_cloud(tmp_path / "simulator") as cloud, cloud.clients() as clients:
        (cluster,) = cloud.simulator.simulation.clusters.values()
        for number in range(600):
            cluster.write("serviceaccounts", {"metadata": {"name": f"account-{number}", "namespace": "default"}})

        async def changes() -> None:
            while True:
                data = {"at": str(cluster.store.revision)}
                cluster.write("configmaps", {"metadata": {"name": "busy", "namespace": "default"}, "data": data})
                await asyncio.sleep(0)

        changing = asyncio.create_task(changes())
        clients.tenancy = await find_tenancy(clients, fleet.subscription)
        kubernetes = await clients.cluster(AKS)
        listed = await kubernetes.list(path_of("ServiceAccount", "default"))
        changing.cancel()
        assert {f"account-{number}" for number in range(600)} <= {item["metadata"]["name"] for item in listed}
        statuses = [entry.status for entry in cloud.journal.entries if entry.path.endswith("/default/serviceaccounts")]
        assert statuses == [200, 410, 200]
