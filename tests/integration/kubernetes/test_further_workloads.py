"""ReplicationControllers, Jobs and CronJobs: their pods, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster
from simulator.kubernetes.further_workloads import KINDS, FurtherWorkloads

Json = dict[str, Any]

TEMPLATE: Json = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
BATCH, CORE = "/apis/batch/v1/namespaces/f1", "/api/v1/namespaces/f1"
JOB: Json = {"template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}
OBJECTS: dict[str, tuple[str, Json]] = {
    "ReplicationController": (f"{CORE}/replicationcontrollers", {"replicas": 2, "template": TEMPLATE}),
    "Job": (f"{BATCH}/jobs", JOB),
}
NUMBER = {"ReplicationController": 2, "Job": 1}


async def made(api: Api, cluster: Cluster, kind: str) -> FurtherWorkloads:
    """An object of the kind with its pods."""
    path, spec = OBJECTS[kind]
    await api.post(path, {"metadata": {"name": "one"}, "spec": spec})
    controller = FurtherWorkloads(cluster, kind)
    assert await controller.reconcile("f1", "one")
    return controller


def pods(cluster: Cluster) -> list[Json]:
    return [pod for pod in cluster.list("pods") if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize("kind", OBJECTS)
async def test_a_workload_has_as_many_pods_as_it_says(api: Api, cluster: Cluster, kind: str) -> None:
    await made(api, cluster, kind)
    owners = [pod["metadata"]["ownerReferences"][0] for pod in pods(cluster)]
    assert [(owner["kind"], owner["name"]) for owner in owners] == [(kind, "one")] * NUMBER[kind]


async def test_pods_of_a_replication_controller_stay_as_they_were_made(api: Api, cluster: Cluster) -> None:
    controller = await made(api, cluster, "ReplicationController")
    changed = {"spec": {"template": {"metadata": {"labels": {"new": "label"}}}}}
    await api.merge(f"{CORE}/replicationcontrollers/one", changed)
    await controller.reconcile("f1", "one")
    assert len(pods(cluster)) == 2
    assert not any("new" in pod["metadata"]["labels"] for pod in pods(cluster))


async def test_the_template_of_a_job_cannot_be_changed(api: Api, cluster: Cluster) -> None:
    await made(api, cluster, "Job")
    patch = {"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}
    answer = await api.ask("PATCH", f"{BATCH}/jobs/one", patch, content_type="application/merge-patch+json")
    assert answer.status_code == 422
    assert "field is immutable" in answer.json()["message"]


async def test_a_job_is_complete_when_its_pod_has_succeeded(api: Api, cluster: Cluster) -> None:
    controller = await made(api, cluster, "Job")
    (pod,) = pods(cluster)
    cluster.write("pods", pod | {"status": {**pod["status"], "phase": "Succeeded"}})
    await controller.reconcile("f1", "one")
    status = (await api.get(f"{BATCH}/jobs/one"))["status"]
    assert (status["succeeded"], status["conditions"][0]["type"]) == (1, "Complete")
    assert len(pods(cluster)) == 1


async def test_a_cron_job_gets_its_defaults_and_does_not_run_by_itself(api: Api, cluster: Cluster) -> None:
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}
    made = await api.post(f"{BATCH}/cronjobs", {"metadata": {"name": "one"}, "spec": spec})
    assert made["spec"]["concurrencyPolicy"] == "Allow"
    assert made["spec"]["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert cluster.list("jobs.batch") == []


async def test_a_replication_controller_is_scaled(api: Api, cluster: Cluster) -> None:
    controller = await made(api, cluster, "ReplicationController")
    scale = await api.merge(f"{CORE}/replicationcontrollers/one/scale", {"spec": {"replicas": 1}})
    assert scale["status"]["selector"] == "a=b"
    await controller.reconcile("f1", "one")
    assert len(pods(cluster)) == 1


def test_every_kind_has_a_controller() -> None:
    assert set(KINDS) == set(OBJECTS)
