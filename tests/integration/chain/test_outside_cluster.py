"""A cluster that really runs on this machine, federated with the simulated Entra by context, issuer and authority."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fleet.files import load
from fleet.spec import Fleet
from tasks import verification
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.integration.chain.outside_cluster import OutsideCluster, outside_cluster


def fleet_on(cluster: OutsideCluster) -> Fleet:
    """The demo's fleet, its workload on this cluster instead of AKS's."""
    described = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    described["clusters"] = [
        {"name": "outside", "context": cluster.context, "issuer": cluster.issuer, "webhook": "chart"}
    ]
    for workload in described["workloads"]:
        workload["clusters"] = ["outside"]
    return load(yaml.safe_dump(described))


async def proofs(cloud: Cloud, fleet: Fleet) -> list[verification.Proof]:
    await cloud.apply(fleet)
    observed = await cloud.observe(fleet)
    chains, gaps = verification.chains(fleet, observed)
    assert gaps == []
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        return [await verification.verify(clients, fleet, link, 3.0) for link in chains]


async def test_a_token_of_a_cluster_on_this_machine_reads_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside_cluster(tmp_path / "outside") as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        async with running_cloud(tmp_path / "cloud", issuer_authorities=(cluster.authority,)) as cloud:
            fleet = fleet_on(cluster)
            (proof,) = await proofs(cloud, fleet)
            assert (proof.holds, proof.problems) == (True, ())
            assert (await cloud.plan(fleet)).is_empty


async def test_an_issuer_whose_authority_is_not_given_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with outside_cluster(tmp_path / "outside") as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        async with running_cloud(tmp_path / "cloud") as cloud:
            (proof,) = await proofs(cloud, fleet_on(cluster))
            assert not proof.holds
            assert "AADSTS90061" in " ".join(str(problem) for problem in proof.problems)
