"""Pods of before on several clusters: their owners are restarted one after the other, wherever they are."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from clients.session import open_clients
from clients.waiting import Patience
from fleet.files import load
from fleet.plan import plan
from fleet.spec import Fleet
from flows.observing import observe
from simulator.breakage import break_
from tests.carrying_out import carry_out
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.test_healing import DEPLOYMENTS, a_moment
from tests.integration.chain.test_partial_teardown import FLEET, two_clusters

WEB: dict[str, Any] = {"name": "web", "containers": [{"name": "main", "image": "nginx:1"}]}


def on_both() -> Fleet:
    """One workload with its Deployment, on two clusters."""
    described = yaml.safe_load(yaml.safe_dump(FLEET))
    described["workloads"] = [{**described["workloads"][0], "deployment": WEB}]
    described["identities"] = described["identities"][:1]
    return load(yaml.safe_dump(described))


async def running(cloud: Cloud) -> None:
    """Wait until the Deployment's pods are there, on both."""
    for cluster in cloud.simulator.simulation.clusters.values():
        changes = cluster.subscribe()
        async with asyncio.timeout(10):
            while not (cluster.get(DEPLOYMENTS, "web", "shop") or {}).get("status", {}).get("availableReplicas"):
                await changes.get()


async def test_while_one_cluster_rolls_out_no_other_is_touched(tmp_path: Path) -> None:
    fleet = on_both()
    async with running_cloud(tmp_path / "simulator", cloud=two_clusters()) as cloud:
        await cloud.apply(fleet)
        await running(cloud)
        for cluster in ("west", "north"):
            await break_(cloud.simulator.simulation, "pods-older-than-annotation", f"shop/web@{cluster}")
        cloud.patience = Patience(sleep=a_moment)
        async with open_clients(cloud.patience) as clients:
            planned = plan(fleet, await observe(clients, fleet, pods=True), heal=True)
            asked = len(cloud.journal.entries)
            await carry_out(clients, fleet, planned.changes)
        assert [change.resource.kind for change in planned.changes] == ["rollout", "rollout"]
        about = [one for one in cloud.journal.entries[asked:] if one.path.endswith("/namespaces/shop/deployments/web")]
        turns = [(host, [one.method for one in entries]) for host, entries in groupby(about, lambda one: one.host)]
        assert len(turns) == 2, "one after the other"
        assert all(methods.count("PATCH") == 1 and methods[-1] == "GET" for _, methods in turns), "to its end"
        assert (await cloud.plan(fleet, heal=True)).is_empty
