"""From a Deployment to its pods, through updates, trouble and deletion."""

from __future__ import annotations

import re
from typing import Any

import pytest
from running_cluster import Running

from simulator.kubernetes.deletion import DeleteOptions, delete
from simulator.kubernetes.deployments import rolling_bounds, template_hash
from simulator.kubernetes.resources import by_key
from simulator.webhook import addon

Json = dict[str, Any]

EXPIRATION = "azure.workload.identity/service-account-token-expiration"


def deployment(replicas: int = 2, image: str = "nginx:1", **spec: Any) -> Json:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    selector = {"matchLabels": {"app": "web"}}
    return {
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": selector, "template": template} | spec,
    }


async def create(running: Running, body: Json) -> Json:
    return await running.cluster.create("deployments.apps", body, namespace="default")


def current(running: Running) -> Json:
    found = running.cluster.get("deployments.apps", "web", "default")
    assert found
    return found


def change(running: Running, image: str) -> None:
    changed = current(running)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
    running.cluster.write("deployments.apps", changed, manager="test")


def replica_sets(running: Running) -> dict[str, Json]:
    """By the image of their template."""
    sets = running.cluster.list("replicasets.apps", "default")
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in sets}


def conditions(obj: Json) -> dict[str, tuple[str, str, str]]:
    return {
        condition["type"]: (condition["status"], condition["reason"], condition["message"])
        for condition in obj["status"].get("conditions", [])
    }


async def rolled_out(running: Running, replicas: int = 2) -> Json:
    def done() -> Json | None:
        web = current(running)
        status = web.get("status", {})
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        observed = status.get("observedGeneration") == web["metadata"]["generation"]
        settled = status.get("terminatingReplicas") == 0
        return web if observed and settled and counts == [replicas] * 3 else None

    web: Json = await running.until(done, "rolled out")
    return web


async def test_names_and_owners_follow_the_chain(running: Running) -> None:
    await create(running, deployment())
    web = await rolled_out(running)
    (replica_set,) = running.cluster.list("replicasets.apps", "default")
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert re.fullmatch("[456789bcdf]{1,10}", digest)
    assert replica_set["metadata"]["name"] == f"web-{digest}"
    assert replica_set["metadata"]["generation"] == 1
    assert replica_set["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
        "deployment.kubernetes.io/revision": "1",
    }
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == web["metadata"]["uid"]
    for pod in running.cluster.list("pods", "default"):
        assert re.fullmatch(f"web-{digest}-[bcdfghjklmnpqrstvwxz2456789]{{5}}", pod["metadata"]["name"])
        assert pod["metadata"]["generateName"] == f"web-{digest}-"
        assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]


async def test_status_of_a_ready_deployment_is_as_recorded(running: Running) -> None:
    await create(running, deployment())
    web = await rolled_out(running)
    (replica_set,) = running.cluster.list("replicasets.apps", "default")
    progressed = f'ReplicaSet "{replica_set["metadata"]["name"]}" has successfully progressed.'
    assert conditions(web) == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": ("True", "NewReplicaSetAvailable", progressed),
    }
    assert {key: value for key, value in web["status"].items() if key != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
    }
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


async def test_events_tell_what_was_made(running: Running) -> None:
    await create(running, deployment())
    await rolled_out(running)
    (replica_set,) = running.cluster.list("replicasets.apps", "default")
    (scaling,) = running.events("ScalingReplicaSet")
    assert scaling["message"] == f"Scaled up replica set {replica_set['metadata']['name']} from 0 to 2"
    pods = {pod["metadata"]["name"] for pod in running.cluster.list("pods", "default")}
    assert {event["message"] for event in running.events("SuccessfulCreate")} == {
        f"Created pod: {name}" for name in pods
    }
    assert re.fullmatch(r"web\.[0-9a-f]{16}", scaling["metadata"]["name"])


async def test_a_new_template_replaces_the_pods(running: Running) -> None:
    await create(running, deployment())
    await rolled_out(running)
    change(running, "nginx:2")
    web = await rolled_out(running)
    assert {image: rs["spec"]["replicas"] for image, rs in replica_sets(running).items()} == {
        "nginx:1": 0,
        "nginx:2": 2,
    }
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


async def test_the_old_template_brings_back_the_old_replica_set(running: Running) -> None:
    await create(running, deployment())
    await rolled_out(running)
    first = replica_sets(running)["nginx:1"]["metadata"]["uid"]
    change(running, "nginx:2")
    await rolled_out(running)
    change(running, "nginx:1")
    await rolled_out(running)
    again = replica_sets(running)["nginx:1"]["metadata"]
    assert again["uid"] == first
    assert again["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert again["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


async def test_pods_that_never_get_ready_stop_the_update(running: Running) -> None:
    await create(running, deployment())
    await rolled_out(running)
    broken = current(running)
    broken["spec"]["template"]["spec"]["containers"][0] |= {
        "image": "nginx:2",
        "envFrom": [{"configMapRef": {"name": "missing"}}],
    }
    running.cluster.write("deployments.apps", broken, manager="test")
    await running.until(lambda: running.events("Failed"), "a container that cannot be made")
    assert {image: rs["spec"]["replicas"] for image, rs in replica_sets(running).items()} == {
        "nginx:1": 2,
        "nginx:2": 1,
    }


async def test_recreate_ends_the_old_pods_first(running: Running) -> None:
    await create(running, deployment(strategy={"type": "Recreate"}))
    await rolled_out(running)
    change(running, "nginx:2")
    await rolled_out(running)
    scaled = [event["message"].rsplit(" from ", 1)[1] for event in running.events("ScalingReplicaSet")]
    assert sorted(scaled) == ["0 to 2", "0 to 2", "2 to 0"]


@pytest.mark.parametrize("replicas", [0, 1, 5])
async def test_scaling_changes_the_number_of_pods(running: Running, replicas: int) -> None:
    await create(running, deployment())
    await rolled_out(running)
    scaled = current(running)
    scaled["spec"]["replicas"] = replicas
    running.cluster.write("deployments.apps", scaled, manager="test")
    await rolled_out(running, replicas)
    assert len(running.cluster.list("pods", "default")) == replicas


async def test_a_deleted_pod_is_replaced(running: Running) -> None:
    await create(running, deployment(replicas=1))
    await rolled_out(running, 1)
    (pod,) = running.cluster.list("pods", "default")
    delete(running.cluster, by_key("pods"), "default", pod["metadata"]["name"], DeleteOptions())

    def replaced() -> bool:
        names = [one["metadata"]["name"] for one in running.cluster.list("pods", "default")]
        return len(names) == 1 and names != [pod["metadata"]["name"]]

    await running.until(replaced, "another pod")


async def test_with_the_deployment_goes_everything(running: Running) -> None:
    await create(running, deployment())
    await rolled_out(running)
    delete(running.cluster, by_key("deployments.apps"), "default", "web", DeleteOptions())
    await running.until(
        lambda: not running.cluster.list("pods") and not running.cluster.list("replicasets.apps"), "all gone"
    )


async def test_denied_pods_show_in_conditions_and_events_until_they_are_not_denied(running: Running) -> None:
    await addon.install(running.cluster, "tenant")
    await running.until(lambda: not _unready_webhook(running), "webhook ready")
    body = deployment(replicas=1)
    body["spec"]["template"]["metadata"] |= {
        "labels": {"app": "web", "azure.workload.identity/use": "true"},
    }
    account = running.cluster.get("serviceaccounts", "default", "default")
    assert account
    account["metadata"]["annotations"] = {EXPIRATION: "10"}
    running.cluster.write("serviceaccounts", account)
    await create(running, body)

    def counted() -> list[Json]:
        return [event for event in running.events("FailedCreate") if event["count"] > 1]

    (event,) = await running.until(counted, "a repeated event")
    why = "token expiration 10 not valid. Expected value to be between 3600 and 86400"
    message = f'admission webhook "mutation.azure-workload-identity.io" denied the request: {why}'
    assert (event["type"], event["message"]) == ("Warning", f"Error creating: {message}")
    (replica_set,) = running.cluster.list("replicasets.apps", "default")
    assert conditions(replica_set) == {"ReplicaFailure": ("True", "FailedCreate", message)}
    created = f'Created new replica set "{replica_set["metadata"]["name"]}"'
    assert conditions(current(running)) == {
        "Progressing": ("True", "NewReplicaSetCreated", created),
        "Available": ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
        "ReplicaFailure": ("True", "FailedCreate", message),
    }
    account["metadata"]["annotations"] = {EXPIRATION: "3600"}
    running.cluster.write("serviceaccounts", account)
    web = await rolled_out(running, 1)
    assert "ReplicaFailure" not in conditions(web)


def _unready_webhook(running: Running) -> bool:
    manager = running.cluster.get("deployments.apps", "azure-wi-webhook-controller-manager", "kube-system") or {}
    return manager.get("status", {}).get("availableReplicas") != 2


@pytest.mark.parametrize(
    ("replicas", "strategy", "bounds"),
    [
        (2, {}, (1, 0)),
        (10, {}, (3, 2)),
        (4, {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 1}}, (2, 1)),
        (4, {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}, (0, 1)),
        (3, {"type": "Recreate"}, (0, 3)),
    ],
)
def test_bounds_of_an_update(replicas: int, strategy: Json, bounds: tuple[int, int]) -> None:
    assert rolling_bounds(deployment(replicas, strategy=strategy)) == bounds


def test_the_template_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert template_hash({"a": 1, "b": {"c": 2, "d": 3}}) == template_hash({"b": {"d": 3, "c": 2}, "a": 1})
