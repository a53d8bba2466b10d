"""The webhook as AKS's add-on or as the chart, identities as applications or managed, clusters of AKS or of others."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.errors import CloudError
from clients.kubernetes import path_of
from fleet.changes import Plan
from fleet.files import load
from fleet.spec import Fleet
from tasks import verification
from tests.conftest import Cloud, demo_cloud_with, running_cloud

WIDE = Path(__file__).parent / "wide.yaml"
CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
CONFIGURATION = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    "/azure-wi-webhook-mutating-webhook-configuration"
)
CLUSTERS = (
    "https://management.azure.com/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/sysadminas-aks"
    "/providers/Microsoft.ContainerService/managedClusters"
)
VERSION = "api-version=2025-08-01"


def wide(**cluster: Any) -> Fleet:
    """A fleet with both kinds of identity and of vault, on one cluster with these settings."""
    described = yaml.safe_load(WIDE.read_text(encoding="utf-8"))
    described["clusters"] = [{"name": "sysadminas", **cluster}]
    described["workloads"][1]["deployment"] = {
        "name": "reader",
        "containers": [
            {
                "name": "reader",
                "image": "workload-identity-demo:1",
                "env": {"KEYVAULT_NAME": "role-kv", "SECRET_NAME": "two"},
            }
        ],
    }
    return load(yaml.safe_dump(described))


ADDON = {"resource_group": "sysadminas-aks", "webhook": "addon"}
CHART = {"resource_group": "sysadminas-aks", "webhook": "chart"}


async def assert_proven(cloud: Cloud, fleet: Fleet) -> None:
    """Every workload reads its secret, and nothing is left to do."""
    observed = await cloud.observe(fleet)
    chains, gaps = verification.chains(fleet, observed)
    assert gaps == []
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        found = [await verification.verify(clients, fleet, link, 5.0) for link in chains]
    assert {(proof.chain.identity, proof.holds, proof.problems) for proof in found} == {
        ("wide-app", True, ()),
        ("wide-identity", True, ()),
    }
    assert (await cloud.plan(fleet)).is_empty


async def assert_read(cloud: Cloud, fleet: Fleet) -> None:
    """The application that runs as the managed identity says in its log that it has read its secret."""
    pods = path_of("Pod", "team-b")
    deadline = time.monotonic() + 20
    async with cloud.clients() as clients:
        clients.tenancy = (await cloud.observe(fleet)).tenancy
        kubernetes = await clients.cluster(fleet.cluster("sysadminas"))
        (pod,) = await kubernetes.list(pods)
        text = ""
        while "read secret 'two' from https://role-kv.vault.azure.net: ********" not in text:
            assert time.monotonic() < deadline, text
            await asyncio.sleep(0.1)
            with contextlib.suppress(CloudError):  # its container may not have started yet
                text = await kubernetes.text(f"{pods}/{pod['metadata']['name']}/log")


def reason_of(planned: Plan, key: str) -> str:
    return next(hold.reason for hold in planned.holds if hold.key == key)


async def test_the_add_on_is_switched_on_and_proves_both_kinds_of_identity(cloud: Cloud) -> None:
    fleet = wide(**ADDON)
    before = await cloud.by_hand("GET", f"{CLUSTERS}/sysadminas?{VERSION}")
    planned = await cloud.apply(fleet)
    (change,) = [change for change in planned.changes if change.key == "cluster:sysadminas"]
    assert {difference.field for difference in change.differences} == {"oidc_issuer", "workload_identity"}
    after = await cloud.by_hand("GET", f"{CLUSTERS}/sysadminas?{VERSION}")
    assert after["properties"]["securityProfile"]["workloadIdentity"] == {"enabled": True}
    assert after["properties"]["oidcIssuerProfile"]["enabled"] is True
    ours = {"securityProfile", "oidcIssuerProfile"}
    for name, value in before["properties"].items():
        assert name in ours or after["properties"][name] == value, f"{name} was not ours to change"
    await assert_proven(cloud, fleet)
    await assert_read(cloud, fleet)


async def test_an_add_on_that_is_there_needs_no_change(tmp_path: Path) -> None:
    fleet = wide(**ADDON)
    async with running_cloud(tmp_path, cloud=demo_cloud_with(oidc_issuer=True, workload_identity=True)) as cloud:
        planned = await cloud.plan(fleet)
        assert not planned.holds
        assert not {"cluster:sysadminas", "webhook:sysadminas"} & {change.key for change in planned.changes}


async def test_what_somebody_takes_from_the_add_on_is_brought_back_by_aks_not_by_us(tmp_path: Path) -> None:
    fleet = wide(**ADDON)
    switched_on = demo_cloud_with(oidc_issuer=True, workload_identity=True)
    async with running_cloud(tmp_path, cloud=switched_on, speed=1000.0) as cloud:
        (cluster,) = cloud.simulator.simulation.clusters.values()
        url = f"https://{cluster.state.fqdn}{CONFIGURATION}"
        await cloud.by_hand("DELETE", url)
        deadline = time.monotonic() + 10
        while cluster.get(CONFIGURATIONS, "azure-wi-webhook-mutating-webhook-configuration") is None:
            assert time.monotonic() < deadline, "nobody has brought it back"
            await asyncio.sleep(0.05)
        planned = await cloud.plan(fleet)
        assert not {"cluster:sysadminas", "webhook:sysadminas"} & {change.key for change in planned.changes}


async def test_the_chart_is_refused_where_the_add_on_is(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, cloud=demo_cloud_with(oidc_issuer=True, workload_identity=True)) as cloud:
        planned = await cloud.plan(wide(**CHART))
    reason = reason_of(planned, "webhook:sysadminas")
    assert "sysadminas has the webhook as addon, the spec wants chart" in reason
    assert "set webhook: addon" in reason
    held = {hold.key for hold in planned.holds}
    assert "deployment:sysadminas/team-a/app" in held, "its pods would get no token"
    assert "application:wide-app" in {change.key for change in planned.changes}


async def test_the_add_on_is_refused_where_the_chart_is_before_it_is_switched_on(cloud: Cloud) -> None:
    await cloud.apply(wide(**CHART))
    planned = await cloud.plan(wide(**ADDON))
    assert "sysadminas has the webhook as chart, the spec wants addon" in reason_of(planned, "webhook:sysadminas")
    assert "cluster:sysadminas" not in {change.key for change in planned.changes}, "it would install a second webhook"


@pytest.mark.parametrize("wanted", [ADDON, CHART], ids=["add-on", "chart"])
async def test_both_at_once_are_refused_with_the_reason(cloud: Cloud, wanted: dict[str, str]) -> None:
    await cloud.apply(wide(**CHART))
    cluster = await cloud.by_hand("GET", f"{CLUSTERS}/sysadminas?{VERSION}")
    cluster["properties"]["securityProfile"] = {"workloadIdentity": {"enabled": True}}  # az aks update
    await cloud.by_hand("PUT", f"{CLUSTERS}/sysadminas?{VERSION}", cluster)
    reason = reason_of(await cloud.plan(wide(**wanted)), "webhook:sysadminas")
    assert "more than once, in azure-workload-identity-system and kube-system" in reason
    assert "they overwrite each other's ClusterRole" in reason
    assert "helm uninstall" in reason
    assert "az aks update --disable-workload-identity" in reason


async def test_a_cluster_that_is_not_aks_is_reached_by_context_and_trusted_by_issuer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_cloud(tmp_path, cloud=demo_cloud_with(oidc_issuer=True)) as cloud:
        there = await cloud.by_hand("GET", f"{CLUSTERS}/sysadminas?{VERSION}")
        handed_out = await cloud.by_hand("POST", f"{CLUSTERS}/sysadminas/listClusterAdminCredential?{VERSION}")
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_bytes(base64.b64decode(handed_out["kubeconfigs"][0]["value"]))
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        context = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["current-context"]
        issuer = there["properties"]["oidcIssuerProfile"]["issuerURL"]
        fleet = wide(context=context, issuer=issuer, webhook="chart")
        planned = await cloud.apply(fleet)
        assert not planned.holds
        assert "cluster:sysadminas" not in {change.key for change in planned.changes}
        await assert_proven(cloud, fleet)
