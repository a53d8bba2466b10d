"""Pods that are older than what they should have been given: told by every plan, made anew on request, proven after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clients.waiting import Patience
from fleet.changes import Plan
from fleet.plan import plan
from fleet.proof import touched
from fleet.spec import Fleet
from flows.observing import observe
from simulator.breakage import break_
from simulator.kubernetes.cluster import Cluster
from tasks import chain, verification
from tests.conftest import Cloud, running_cloud

NAMESPACE = "sysadminas-demo"
ROLLOUT = "rollout:sysadminas/sysadminas-demo/sysadminas-demo-sa/deployment/azure-wi-demo"
RESTART = "restart Deployment sysadminas-demo/azure-wi-demo on sysadminas"
DEPLOYMENTS = "deployments.apps"


async def a_moment(_: float) -> None:
    """In place of a pause: long enough for the cluster to go on."""
    await asyncio.sleep(0.02)


@pytest.fixture
async def whole(tmp_path: Path, fleet: Fleet) -> AsyncIterator[Cloud]:
    """The demo's fleet as it should be, its pods running; who waits gets on quickly."""
    async with running_cloud(tmp_path / "simulator") as cloud:
        await cloud.apply(fleet)
        await running(cloud)
        cloud.patience = Patience(sleep=a_moment)
        yield cloud


def cluster_of(cloud: Cloud) -> Cluster:
    return next(iter(cloud.simulator.simulation.clusters.values()))


async def running(cloud: Cloud, name: str = "azure-wi-demo") -> None:
    """Wait until the Deployment's pods are there."""
    cluster = cluster_of(cloud)
    changes = cluster.subscribe()
    async with asyncio.timeout(10):
        while not (cluster.get(DEPLOYMENTS, name, NAMESPACE) or {}).get("status", {}).get("availableReplicas"):
            await changes.get()


async def plans(cloud: Cloud, fleet: Fleet) -> tuple[Plan, Plan]:
    """As plan makes it, without and with --heal."""
    observed = await cloud.observe(fleet, pods=True)
    return plan(fleet, observed), plan(fleet, observed, heal=True)


FAULTS = {
    "pods-older-than-webhook": ("nothing of what the webhook injects", ["pods", "given"]),
    "pods-older-than-annotation": ("the client id ", ["pods", "client_id"]),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_pods_of_before_are_told_and_made_anew_on_request_and_a_second_run_has_nothing_to_do(
    whole: Cloud, fleet: Fleet, fault: str
) -> None:
    has, fields = FAULTS[fault]
    await break_(whole.simulator.simulation, fault, "")
    before = {pod["metadata"]["name"] for pod in cluster_of(whole).list("pods", NAMESPACE)}
    told, healing = await plans(whole, fleet)
    assert told.changes == ()
    (finding,) = told.findings
    assert finding.key == ROLLOUT
    assert f"1 of 1 running pods of {RESTART.removeprefix('restart ')}" in finding.what
    assert next(iter(before)) in finding.what
    assert has in finding.what
    assert "--heal restarts their owner" in finding.advice
    (change,) = healing.changes
    assert healing.findings == ()
    assert (change.key, chain.title(change)) == (ROLLOUT, RESTART)
    assert [difference.field for difference in change.differences] == fields
    assert (change.differences[0].old, change.differences[0].new) == ("1 of 1 as before", "as a new pod")
    assert (await whole.apply(fleet, heal=True)).changes == healing.changes
    now = [pod for pod in cluster_of(whole).list("pods", NAMESPACE) if "deletionTimestamp" not in pod["metadata"]]
    assert before.isdisjoint(pod["metadata"]["name"] for pod in now)
    assert "kubectl.kubernetes.io/restartedAt" in now[0]["metadata"]["annotations"]
    again = await plans(whole, fleet)
    assert [(one.is_empty, one.findings) for one in again] == [(True, ())] * 2


async def test_a_healed_chain_counts_as_touched_and_is_proven(whole: Cloud, fleet: Fleet) -> None:
    await break_(whole.simulator.simulation, "pods-older-than-annotation", "")
    healed = await whole.apply(fleet, heal=True)
    observed = await whole.observe(fleet)
    (link,), _ = verification.chains(fleet, observed)
    assert touched(change.resource for change in healed.changes)(link)
    async with whole.clients() as clients:
        clients.tenancy = observed.tenancy
        assert (await verification.verify(clients, fleet, link, 10)).holds


async def test_a_reconcile_that_is_not_to_heal_asks_nothing_of_pods(whole: Cloud, fleet: Fleet) -> None:
    async with whole.clients() as clients:
        await observe(clients, fleet)
        plain = clients.traffic.requests
    async with whole.clients() as clients:
        await observe(clients, fleet, pods=True)
        assert clients.traffic.requests == plain + 1
