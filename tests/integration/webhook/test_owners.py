"""StatefulSets and DaemonSets from their template to their pods, and how many of their pods a budget lets go."""

from __future__ import annotations

from typing import Any

import pytest
from running_cluster import Running

from simulator.kubernetes.deletion import DeleteOptions, delete
from simulator.kubernetes.resources import by_key

Json = dict[str, Any]

SETS, DAEMONS, BUDGETS = "statefulsets.apps", "daemonsets.apps", "poddisruptionbudgets.policy"
BROKEN = {"image": "nginx:2", "envFrom": [{"configMapRef": {"name": "missing"}}]}


def body(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "nginx:1"}]}}
    selector = {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "web"}, "spec": {"selector": selector, "template": template} | spec}


def found(running: Running, resource: str) -> Json:
    there = running.cluster.get(resource, "web", "default")
    assert there
    return there


def change(running: Running, resource: str, **container: Any) -> None:
    changed = found(running, resource)
    changed["spec"]["template"]["spec"]["containers"][0] |= container
    running.cluster.write(resource, changed, manager="test")


def pods(running: Running) -> dict[str, str]:
    """Images by name, of those that do not end."""
    listed = running.cluster.list("pods", "default")
    return {
        pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"]
        for pod in listed
        if "deletionTimestamp" not in pod["metadata"]
    }


async def settled(running: Running, resource: str, **status: Any) -> Json:
    """Wait until the status says so of the newest generation."""

    def done() -> Json | None:
        there = found(running, resource)
        told = there.get("status", {})
        newest = told.get("observedGeneration") == there["metadata"]["generation"]
        return there if newest and all(told.get(key, 0) == value for key, value in status.items()) else None

    there: Json = await running.until(done, f"{resource} {status}")
    return there


async def three(running: Running, **spec: Any) -> Json:
    await running.cluster.create(SETS, body(replicas=3, serviceName="web", **spec), namespace="default")
    return await settled(running, SETS, readyReplicas=3, updatedReplicas=3)


async def test_a_stateful_sets_pods_have_names_and_are_made_in_their_order(running: Running) -> None:
    stateful_set = await three(running)
    made = [event["message"] for event in running.events("SuccessfulCreate")]
    assert sorted(made) == [f"create Pod web-{number} in StatefulSet web successful" for number in range(3)]
    listed = running.cluster.list("pods", "default")
    assert [pod["metadata"]["name"] for pod in listed] == ["web-0", "web-1", "web-2"]
    times = [int(pod["metadata"]["resourceVersion"]) for pod in listed]
    assert times == sorted(times)
    labels = listed[2]["metadata"]["labels"]
    assert labels == {
        "app": "web",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": stateful_set["status"]["updateRevision"],
        "statefulset.kubernetes.io/pod-name": "web-2",
    }
    assert (listed[2]["spec"]["hostname"], listed[2]["spec"]["subdomain"]) == ("web-2", "web")
    assert stateful_set["status"]["currentRevision"] == stateful_set["status"]["updateRevision"]


async def test_a_stateful_set_waits_for_each_pod_unless_they_are_managed_in_parallel(running: Running) -> None:
    for name, policy, expected in (("one", "OrderedReady", {"one-0"}), ("all", "Parallel", {"all-0", "all-1"})):
        broken = body(replicas=2, podManagementPolicy=policy)
        broken["metadata"]["name"] = name
        broken["spec"]["template"]["spec"]["containers"][0] |= BROKEN
        await running.cluster.create(SETS, broken, namespace="default")
        await running.until(lambda wanted=expected: wanted <= set(pods(running)), f"{name}'s pods")
    await running.until(lambda: running.events("Failed"), "a container that cannot be made")
    assert set(pods(running)) == {"one-0", "all-0", "all-1"}


async def test_a_stateful_set_replaces_its_pods_from_the_last_to_the_first(running: Running) -> None:
    before = (await three(running))["status"]["currentRevision"]
    change(running, SETS, image="nginx:2")
    after = await settled(running, SETS, updatedReplicas=3, readyReplicas=3)
    gone = sorted(running.events("SuccessfulDelete"), key=lambda event: int(event["metadata"]["resourceVersion"]))
    assert [event["message"] for event in gone] == [
        f"delete Pod web-{number} in StatefulSet web successful" for number in (2, 1, 0)
    ]
    assert after["status"]["currentRevision"] == after["status"]["updateRevision"] != before


async def test_a_stateful_set_replaces_no_more_pods_while_a_new_one_is_not_ready(running: Running) -> None:
    before = (await three(running))["status"]["currentRevision"]
    change(running, SETS, **BROKEN)
    await running.until(lambda: running.events("Failed"), "a container that cannot be made")
    during = await settled(running, SETS, updatedReplicas=1, readyReplicas=2)
    assert pods(running) == {"web-0": "nginx:1", "web-1": "nginx:1", "web-2": "nginx:2"}
    assert (during["status"]["currentRevision"], during["status"]["currentReplicas"]) == (before, 2)


@pytest.mark.parametrize(
    ("strategy", "images"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, ["nginx:1", "nginx:1", "nginx:2"]),
        ({"type": "OnDelete"}, ["nginx:1", "nginx:1", "nginx:2"]),
    ],
    ids=["partition", "on delete"],
)
async def test_what_a_stateful_set_keeps_of_before(running: Running, strategy: Json, images: list[str]) -> None:
    await three(running, updateStrategy=strategy)
    change(running, SETS, image="nginx:2")
    if strategy["type"] == "OnDelete":
        delete(running.cluster, by_key("pods"), "default", "web-2", DeleteOptions())
    await settled(running, SETS, updatedReplicas=1, readyReplicas=3)
    assert [image for _, image in sorted(pods(running).items())] == images


async def test_a_stateful_set_that_shrinks_gives_up_its_last_pods(running: Running) -> None:
    smaller = await three(running)
    smaller["spec"]["replicas"] = 1
    running.cluster.write(SETS, smaller, manager="test")
    await settled(running, SETS, replicas=1)
    await running.until(lambda: set(pods(running)) == {"web-0"}, "only the first")


async def test_a_daemon_set_has_a_pod_on_every_node_and_replaces_it(running: Running) -> None:
    await running.cluster.create(DAEMONS, body(), namespace="default")
    there = await settled(running, DAEMONS, numberReady=1, updatedNumberScheduled=1)
    assert there["status"] == {
        "currentNumberScheduled": 1,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 1,
        "numberReady": 1,
        "observedGeneration": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
    }
    (before,) = pods(running)
    change(running, DAEMONS, image="nginx:2")
    await settled(running, DAEMONS, numberReady=1, updatedNumberScheduled=1)
    await running.until(lambda: list(pods(running).values()) == ["nginx:2"], "only the new pod")
    assert before not in pods(running)


async def test_a_daemon_set_that_surges_lets_the_old_pod_go_when_the_new_one_is_ready(running: Running) -> None:
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    await running.cluster.create(DAEMONS, body(updateStrategy=strategy), namespace="default")
    await settled(running, DAEMONS, numberReady=1)
    change(running, DAEMONS, **BROKEN)
    await running.until(lambda: running.events("Failed"), "a container that cannot be made")
    assert sorted(pods(running).values()) == ["nginx:1", "nginx:2"]
    assert (await settled(running, DAEMONS, updatedNumberScheduled=1))["status"]["numberReady"] == 1


BOUNDS: list[tuple[Json, dict[str, int]]] = [
    ({"minAvailable": 2}, {"expectedPods": 3, "desiredHealthy": 2, "currentHealthy": 3, "disruptionsAllowed": 1}),
    ({"minAvailable": 3}, {"expectedPods": 3, "desiredHealthy": 3, "currentHealthy": 3, "disruptionsAllowed": 0}),
    ({"minAvailable": "50%"}, {"expectedPods": 3, "desiredHealthy": 2, "disruptionsAllowed": 1}),
    ({"maxUnavailable": 1}, {"expectedPods": 3, "desiredHealthy": 2, "disruptionsAllowed": 1}),
    ({"maxUnavailable": "34%"}, {"expectedPods": 3, "desiredHealthy": 1, "disruptionsAllowed": 2}),
    ({"maxUnavailable": 0}, {"expectedPods": 3, "desiredHealthy": 3, "disruptionsAllowed": 0}),
    ({"maxUnavailable": 5}, {"expectedPods": 3, "desiredHealthy": 0, "disruptionsAllowed": 3}),
]
"""Of three healthy pods, what a budget comes to."""


@pytest.mark.parametrize(("spec", "status"), BOUNDS, ids=[str(row[0]) for row in BOUNDS])
async def test_a_budget_tells_how_many_pods_may_go(running: Running, spec: Json, status: dict[str, int]) -> None:
    await running.cluster.create("deployments.apps", body(replicas=3), namespace="default")
    budget = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}} | spec}
    await running.cluster.create(BUDGETS, budget, namespace="default")
    there = await settled(running, BUDGETS, **{"currentHealthy": 3} | status)
    (condition,) = there["status"]["conditions"]
    allowed = bool(status["disruptionsAllowed"])
    said = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    assert (condition["type"], condition["status"], condition["reason"]) == ("DisruptionAllowed", *said)


async def test_a_share_of_pods_of_nobody_cannot_be_told(running: Running) -> None:
    await running.pod("p", labels={"app": "web"})
    await running.phase("Running")
    budget = {"metadata": {"name": "web"}, "spec": {"selector": {}, "maxUnavailable": 1}}
    await running.cluster.create(BUDGETS, budget, namespace="default")

    def told() -> Json | None:
        conditions = found(running, BUDGETS)["status"].get("conditions") or [{}]
        return conditions[0] if conditions[0].get("reason") == "SyncFailed" else None

    assert (await running.until(told, "that it cannot"))["status"] == "False"
    whole = found(running, BUDGETS)
    whole["spec"] = {"selector": {}, "minAvailable": 0}
    running.cluster.write(BUDGETS, whole, manager="test")
    await settled(running, BUDGETS, expectedPods=1, disruptionsAllowed=1)
