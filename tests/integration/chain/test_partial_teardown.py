"""One cluster, or one workload, is taken down in a cloud, and everything else goes on as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fleet.files import load
from fleet.plan import plan
from fleet.selection import Selection, remainder
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from flows.observing import observe
from tasks import chain, verification
from tests.conftest import DEMO_CLOUD, Cloud, running_cloud

GROUP = {"resource_group": "sysadminas-aks", "location": "westeurope"}
FLEET: dict[str, Any] = {
    "name": "shop",
    "subscription": "Visual Studio Premium with MSDN",
    "clusters": [{"name": name, "resource_group": "sysadminas-aks"} for name in ("west", "north")],
    "vaults": [
        {"name": f"{name}-kv", **GROUP, "secrets": [{"name": "key", "value_from": {"env": "KEYVAULT_SECRET_VALUE"}}]}
        for name in ("shop", "bank")
    ],
    "identities": [
        {"name": "shop", "access": [{"vault": "shop-kv", "secrets": ["get"]}]},
        {"name": "bank", "kind": "managed-identity", **GROUP, "access": [{"vault": "bank-kv", "secrets": ["get"]}]},
    ],
    "workloads": [
        {"namespace": "shop", "service_account": "web", "clusters": ["west", "north"], "identity": "shop"},
        {"namespace": "shop", "service_account": "ledger", "clusters": ["west"], "identity": "bank"},
    ],
}


def two_clusters() -> str:
    """The demo's cloud with two clusters in place of its one."""
    described = yaml.safe_load(DEMO_CLOUD.read_text(encoding="utf-8"))
    (cluster,) = described["subscriptions"][0]["clusters"]
    described["subscriptions"][0]["clusters"] = [{**cluster, "name": name} for name in ("west", "north")]
    text: str = yaml.safe_dump(described)
    return text


async def taken_down(cloud: Cloud, fleet: Fleet, selection: Selection) -> set[str]:
    """Tear the selection down without Prefect; the keys of what was taken away."""
    async with cloud.clients() as clients:
        planned = plan_teardown(fleet, await observe(clients, fleet, beyond=True), selection=selection)
        assert planned.holds == ()
        for change in planned.changes:
            await chain.apply(clients, fleet, change, {})
    return {change.key for change in planned.changes}


async def assert_proven(cloud: Cloud, fleet: Fleet, chains: int) -> None:
    """The fleet is as wanted, and every workload of it reads its secret."""
    async with cloud.clients() as clients:
        observed = await observe(clients, fleet)
        assert plan(fleet, observed).is_empty
        links, gaps = verification.chains(fleet, observed)
        assert (len(links), gaps) == (chains, [])
        for link in links:
            proof = await verification.verify(clients, fleet, link, 10)
            assert proof.holds, proof


async def test_cluster_and_workload_go_one_after_the_other_and_the_rest_is_proven_each_time(tmp_path: Path) -> None:
    fleet = load(yaml.safe_dump(FLEET))
    async with running_cloud(tmp_path / "simulator", cloud=two_clusters()) as cloud:
        await cloud.apply(fleet)
        north = Selection(clusters=("north",))
        assert await taken_down(cloud, fleet, north) == {
            "federated-credential:shop/north/shop/web",
            "service-account:north/shop/web",
            "namespace:north/shop",
        }
        rest = remainder(fleet, north)
        await assert_proven(cloud, rest, 2)
        ledger = Selection(workloads=("ledger",))
        assert await taken_down(cloud, rest, ledger) == {
            "service-account:west/shop/ledger",
            "federated-credential:bank/west/shop/ledger",
            "role-assignment:bank/bank-kv/Key Vault Secrets User",
            "managed-identity:bank",
        }
        await assert_proven(cloud, remainder(rest, ledger), 1)
