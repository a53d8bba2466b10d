"""Pods that are older than what they should have been given: told by every plan, made anew on request, proven after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients.errors import CloudError, Invalid
from clients.session import open_clients
from clients.waiting import DeadlineError, Patience
from fleet.changes import Plan
from fleet.observed import Observation, Unknown
from fleet.plan import plan
from fleet.proof import touched
from fleet.spec import Fleet
from flows.observing import observe
from simulator.breakage import break_
from simulator.kubernetes.cluster import Cluster
from simulator.kubernetes.disruption_budgets import BUDGETS
from simulator.kubernetes.endpoints import is_ready
from simulator.webhook import manager
from tasks import chain, verification
from tests.carrying_out import carry_out
from tests.conftest import Cloud, running_cloud

Json = dict[str, Any]

NAMESPACE = "sysadminas-demo"
ROLLOUT = "rollout:sysadminas/sysadminas-demo/sysadminas-demo-sa/deployment/azure-wi-demo"
RESTART = "restart Deployment sysadminas-demo/azure-wi-demo on sysadminas"
DEPLOYMENTS = "deployments.apps"


@dataclass
class Clock:
    """A clock that pauses turn, a little at a time for the cluster to go on."""

    seconds: float = 0

    async def sleep(self, pause: float) -> None:
        self.seconds += pause
        await asyncio.sleep(0.005)

    def now(self) -> float:
        return self.seconds


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
    "pods-older-than-tenant": ("the tenant ", ["pods", "tenant_id"]),
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


KINDS = {"StatefulSet": "statefulsets.apps", "DaemonSet": "daemonsets.apps"}
ASKING = {"app": "mine", "azure.workload.identity/use": "true"}
MAIN = {"name": "main", "image": "nginx:1"}


def owner(kind: str, account: str = "sysadminas-demo-sa", **spec: Any) -> Json:
    """Somebody else's, whose pods run as the fleet's ServiceAccount."""
    template = {"metadata": {"labels": ASKING}, "spec": {"serviceAccountName": account, "containers": [MAIN]}}
    spec = {"selector": {"matchLabels": {"app": "mine"}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "mine"}, "spec": spec}


async def create(cloud: Cloud, resource: str, body: Json) -> None:
    await cluster_of(cloud).create(resource, body, namespace=NAMESPACE)


async def until(cloud: Cloud, holds: Callable[[], Any], what: str) -> None:
    """Wait until it does, looking again at every change of the cluster."""
    changes = cluster_of(cloud).subscribe()
    try:
        async with asyncio.timeout(10):
            while not holds():
                await changes.get()
    except TimeoutError:
        pytest.fail(f"never: {what}")


def pods_of(cloud: Cloud, name: str = "mine") -> dict[str, bool]:
    """The pods of an owner that do not end, and whether each has a token to present."""
    return {
        pod["metadata"]["name"]: "AZURE_FEDERATED_TOKEN_FILE" in json.dumps(pod["spec"]["containers"][0])
        for pod in cluster_of(cloud).list("pods", NAMESPACE)
        if pod["metadata"]["name"].startswith(name) and "deletionTimestamp" not in pod["metadata"]
    }


async def of_before(cloud: Cloud, resource: str, body: Json, pods: int) -> None:
    """Have pods made while the webhook is away."""
    cluster = cluster_of(cloud)
    configuration = cluster.get(manager.CONFIGURATIONS, manager.CONFIGURATION)
    assert configuration is not None
    cluster.remove(manager.CONFIGURATIONS, manager.CONFIGURATION)
    await create(cloud, resource, body)
    await until(cloud, lambda: ready(cloud, "mine") == pods, "pods of before")
    cluster.write(manager.CONFIGURATIONS, configuration, manager="helm")


def ready(cloud: Cloud, name: str) -> int:
    """How many pods of an owner are ready."""
    listed = cluster_of(cloud).list("pods", NAMESPACE)
    return sum(is_ready(pod) for pod in listed if pod["metadata"]["name"].startswith(name))


@pytest.mark.parametrize("kind", KINDS)
async def test_owners_that_are_no_deployments_are_restarted_too(whole: Cloud, fleet: Fleet, kind: str) -> None:
    number = 2 if kind == "StatefulSet" else 1
    spec = {"replicas": 2} if kind == "StatefulSet" else {}
    await of_before(whole, KINDS[kind], owner(kind, **spec), number)
    (finding,) = (await plans(whole, fleet))[0].findings
    assert f"kubectl -n {NAMESPACE} rollout restart {kind.lower()} mine" in finding.advice
    (change,) = (await whole.apply(fleet, heal=True)).changes
    assert chain.title(change) == f"restart {kind} {NAMESPACE}/mine on sysadminas"
    assert change.differences[0].old == f"{number} of {number} as before"
    assert list(pods_of(whole).values()) == [True] * number
    assert (await whole.plan(fleet, heal=True)).is_empty


OTHERS: dict[str, tuple[str, Json, str]] = {
    "a pod of nobody": (
        "pods",
        {
            "kind": "Pod",
            "metadata": {"name": "mine", "labels": ASKING},
            "spec": {"serviceAccountName": "sysadminas-demo-sa", "containers": [MAIN]},
        },
        "Nobody makes it anew: delete it, and make it again",
    ),
    "a ReplicaSet of its own": (
        "replicasets.apps",
        owner("ReplicaSet"),
        f"delete them one by one: kubectl -n {NAMESPACE} delete pod mine-",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_pods_that_no_restart_replaces_are_told_with_what_to_do_also_with_heal(
    whole: Cloud, fleet: Fleet, what: str
) -> None:
    resource, body, advice = OTHERS[what]
    await of_before(whole, resource, body, 1)
    for planned in await plans(whole, fleet):
        assert planned.changes == ()
        (finding,) = planned.findings
        assert advice in str(finding)
        assert "--heal" not in finding.advice


async def failing(cloud: Cloud, fleet: Fleet, error: type[CloudError]) -> str:
    """What is said where a restart does not come off."""
    with pytest.raises(error) as raised:
        await cloud.apply(fleet, heal=True)
    return str(raised.value)


def budget(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "mine"}}, **spec}}


async def test_a_budget_that_lets_no_pod_go_is_waited_for_and_then_named(whole: Cloud, fleet: Fleet) -> None:
    clock = Clock()
    whole.patience = Patience(sleep=clock.sleep, now=clock.now)
    await of_before(whole, "deployments.apps", owner("Deployment", replicas=2), 2)
    await create(whole, BUDGETS, budget("wide", minAvailable=1))
    await create(whole, BUDGETS, budget("tight", minAvailable=2))
    await until(whole, lambda: healthy(whole, "tight") == 2, "a counted budget")
    before = pods_of(whole)
    said = await failing(whole, fleet, DeadlineError)
    assert said.startswith(f"Deployment {NAMESPACE}/mine on sysadminas: not restarted, for PodDisruptionBudget tight ")
    assert "2 are healthy and 2 have to be; waited 300 s in vain" in said
    assert pods_of(whole) == before
    assert clock.seconds >= 300


async def test_a_restart_goes_on_when_the_budget_lets_it(whole: Cloud, fleet: Fleet) -> None:
    await of_before(whole, "deployments.apps", owner("Deployment", replicas=2), 2)
    await create(whole, BUDGETS, budget("tight", maxUnavailable=0))
    await until(whole, lambda: healthy(whole, "tight") == 2, "a counted budget")

    async def give_way(_: float) -> None:
        there = cluster_of(whole).get(BUDGETS, "tight", NAMESPACE)
        assert there is not None
        cluster_of(whole).write(BUDGETS, {**there, "spec": {**there["spec"], "maxUnavailable": 1}})
        await a_moment(0)

    whole.patience = Patience(sleep=give_way)
    await whole.apply(fleet, heal=True)
    assert list(pods_of(whole).values()) == [True, True]


def healthy(cloud: Cloud, name: str) -> int:
    there = cluster_of(cloud).get(BUDGETS, name, NAMESPACE) or {}
    return int((there.get("status") or {}).get("currentHealthy", 0))


async def test_a_rollout_that_is_stuck_fails_with_the_pods_reason(whole: Cloud, fleet: Fleet) -> None:
    await of_before(whole, "statefulsets.apps", owner("StatefulSet", replicas=2), 2)
    broken = cluster_of(whole).get("statefulsets.apps", "mine", NAMESPACE)
    assert broken is not None
    broken["spec"]["updateStrategy"] = {"type": "OnDelete"}
    broken["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "nowhere"}}]
    cluster_of(whole).write("statefulsets.apps", broken, manager="somebody")
    assert "updateStrategy is OnDelete" in await failing(whole, fleet, Invalid)
    broken["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    cluster_of(whole).write("statefulsets.apps", broken, manager="somebody")
    await until(whole, lambda: not pods_of(whole).get("mine-1", True), "a pod that cannot start")
    clock = Clock()
    whole.patience = Patience(sleep=clock.sleep, now=clock.now)
    said = await failing(whole, fleet, DeadlineError)
    assert said.startswith(f"StatefulSet {NAMESPACE}/mine on sysadminas: its rollout is stuck: ")
    assert 'pod mine-1: container main waits, CreateContainerConfigError: configmap "nowhere" not found' in said


async def test_nothing_is_restarted_in_vain(whole: Cloud, fleet: Fleet) -> None:
    body = owner("Deployment")
    body["spec"]["template"]["spec"]["containers"] = [MAIN | {"env": [{"name": "AZURE_CLIENT_ID", "value": "mine"}]}]
    await create(whole, "deployments.apps", body)
    await until(whole, lambda: ready(whole, "mine") == 1, "its pod")
    before = pods_of(whole)
    said = await failing(whole, fleet, Invalid)
    assert "not restarted, for that would be in vain: a new pod of its template has another client_id" in said
    assert pods_of(whole) == before


async def test_owners_are_restarted_one_at_a_time_over_all_clusters(whole: Cloud, fleet: Fleet) -> None:
    await break_(whole.simulator.simulation, "pods-older-than-annotation", "")
    await of_before(whole, "deployments.apps", owner("Deployment"), 1)
    under_way, most = set[str](), 0

    @asynccontextmanager
    async def everywhere(what: str) -> AsyncIterator[None]:
        nonlocal most
        assert what == f"rollouts of {fleet.name}"
        under_way.add(what)
        most = max(most, len(under_way))
        yield
        under_way.remove(what)

    async with open_clients(Patience(sleep=a_moment), everywhere) as clients:
        observed = await observe(clients, fleet, pods=True)
        planned = plan(fleet, observed, heal=True)
        assert len(planned.changes) == 2
        await carry_out(clients, fleet, planned.changes)
    assert most == 1
    assert (await whole.plan(fleet, heal=True)).is_empty


async def test_pods_that_may_not_be_listed_hide_nothing_else(whole: Cloud, fleet: Fleet) -> None:
    observed = await whole.observe(fleet)
    unseen = observed.and_seen([Observation(unknown=(Unknown(through="pods:sysadminas", reason="forbidden"),))])
    told, healing = plan(fleet, unseen), plan(fleet, unseen, heal=True)
    assert told.is_empty
    assert "the pods of cluster sysadminas could not be looked at: forbidden" in str(told.findings[0])
    assert [(hold.key, hold.reason) for hold in healing.holds] == [("pods:sysadminas", "forbidden")]
