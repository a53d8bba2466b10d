"""Objects from creation to their end: defaults, generations, deletion, namespaces, garbage collection."""

from __future__ import annotations

from typing import Any

import pytest
from eventually import eventually
from one_cluster import Api

from simulator.clock import Clock
from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]
N = "/api/v1/namespaces/f1"
APPS = "/apis/apps/v1/namespaces/f1"


def deployment(name: str = "web") -> Json:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}


def owned(name: str, owner: Json, **reference: Any) -> Json:
    metadata = owner["metadata"]
    link = {"apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"], **reference}
    return {"metadata": {"name": name, "ownerReferences": [link]}}


async def test_a_deployment_gets_its_defaults(api: Api) -> None:
    created = await api.post(f"{APPS}/deployments", deployment())
    spec = created["spec"]
    assert created["metadata"]["generation"] == 1
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert {name: value for name, value in pod.items() if name != "containers"} == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    assert pod["containers"][0]["imagePullPolicy"] == "Always"
    assert created["status"] == {}


async def test_a_pod_gets_its_defaults(api: Api) -> None:
    container = {"name": "c", "image": "i:1", "readinessProbe": {"httpGet": {"port": 80}}}
    created = await api.post(f"{N}/pods", {"metadata": {"generateName": "p-"}, "spec": {"containers": [container]}})
    assert created["metadata"]["name"].startswith("p-")
    assert len(created["metadata"]["name"]) == 7
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert created["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    probe = created["spec"]["containers"][0]["readinessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    volume = created["spec"]["volumes"][0]["projected"]
    assert volume["defaultMode"] == 420
    assert volume["sources"][0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert [item["key"] for item in created["spec"]["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


async def test_a_service_gets_an_address_and_keeps_it(api: Api) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 443}], "selector": {"a": "b"}}}
    created = await api.post(f"{N}/services", body)
    spec = created["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ports"] == [{"port": 443, "protocol": "TCP", "targetPort": 443}]
    replaced = await api.ask("PUT", f"{N}/services/s", body)
    assert replaced.json()["spec"] == spec


async def test_plain_text_of_a_secret_becomes_data(api: Api) -> None:
    created = await api.post(f"{N}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (created["data"], created["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in created


async def test_only_a_change_of_the_specification_is_a_generation(api: Api) -> None:
    await api.post(f"{APPS}/deployments", deployment())
    path = f"{APPS}/deployments/web"
    labelled = await api.merge(path, {"metadata": {"labels": {"x": "1"}}})
    assert labelled["metadata"]["generation"] == 1
    scaled = await api.merge(f"{path}/scale", {"spec": {"replicas": 3}})
    assert (scaled["kind"], scaled["spec"], scaled["status"]["selector"]) == ("Scale", {"replicas": 3}, "app=web")
    assert (await api.get(path))["metadata"]["generation"] == 2


async def test_status_and_specification_are_written_apart(api: Api) -> None:
    await api.post(f"{APPS}/deployments", deployment() | {"status": {"replicas": 1}})
    path = f"{APPS}/deployments/web"
    assert (await api.merge(path, {"status": {"replicas": 2}}))["status"] == {}
    changed = await api.merge(f"{path}/status", {"status": {"replicas": 3}, "spec": {"replicas": 9}})
    assert (changed["status"], changed["spec"]["replicas"]) == ({"replicas": 3}, 1)


async def test_a_configuration_is_deleted_with_a_status_and_an_account_with_itself(api: Api) -> None:
    stored = await api.post(f"{N}/configmaps", {"metadata": {"name": "c"}})
    status = (await api.ask("DELETE", f"{N}/configmaps/c")).json()
    assert status["details"] == {"name": "c", "kind": "configmaps", "uid": stored["metadata"]["uid"]}
    assert status["status"] == "Success"
    await api.post(f"{N}/serviceaccounts", {"metadata": {"name": "a"}})
    assert (await api.ask("DELETE", f"{N}/serviceaccounts/a")).json()["kind"] == "ServiceAccount"
    assert (await api.ask("GET", f"{N}/serviceaccounts/a")).status_code == 404


async def test_a_dry_run_deletes_nothing(api: Api) -> None:
    await api.post(f"{N}/configmaps", {"metadata": {"name": "c"}})
    assert (await api.ask("DELETE", f"{N}/configmaps/c?dryRun=All")).json()["status"] == "Success"
    await api.get(f"{N}/configmaps/c")


async def test_a_precondition_on_another_uid_is_a_conflict(api: Api) -> None:
    await api.post(f"{N}/configmaps", {"metadata": {"name": "c"}})
    response = await api.ask("DELETE", f"{N}/configmaps/c", {"preconditions": {"uid": "x"}})
    assert (response.status_code, response.json()["details"]) == (409, {"name": "c", "kind": "ConfigMap"})
    assert 'on ConfigMap "c": the UID in the precondition (x) does not match' in response.json()["message"]


async def test_a_finalizer_holds_an_object_until_it_is_taken_away(api: Api) -> None:
    await api.post(f"{N}/configmaps", {"metadata": {"name": "c", "finalizers": ["ex.io/hold"]}})
    held = (await api.ask("DELETE", f"{N}/configmaps/c")).json()
    assert held["metadata"]["deletionTimestamp"] == "2026-06-01T12:00:00Z"
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    more = {"metadata": {"finalizers": ["ex.io/hold", "ex.io/two"]}}
    refused = await api.ask("PATCH", f"{N}/configmaps/c", more, content_type="application/merge-patch+json")
    why = 'if the object is being deleted, found new finalizers []string{"ex.io/two"}'
    expected = f"metadata.finalizers: Forbidden: no new finalizers can be added {why}"
    assert (refused.status_code, refused.json()["message"]) == (422, f'ConfigMap "c" is invalid: {expected}')
    assert (await api.ask("DELETE", f"{N}/configmaps/c")).json() == held
    last = await api.merge(f"{N}/configmaps/c", {"metadata": {"finalizers": None}})
    assert last["metadata"]["uid"] == held["metadata"]["uid"]
    assert (await api.ask("GET", f"{N}/configmaps/c")).status_code == 404


async def test_a_running_pod_is_given_time_and_an_unscheduled_one_is_not(api: Api, cluster: Cluster) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await api.post(f"{N}/pods", {"metadata": {"name": "waiting"}, "spec": spec})
    await api.post(f"{N}/pods", {"metadata": {"name": "running"}, "spec": spec | {"nodeName": "n1"}})
    gone = (await api.ask("DELETE", f"{N}/pods/waiting")).json()
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0
    assert cluster.get("pods", "waiting", "f1") is None
    ending = (await api.ask("DELETE", f"{N}/pods/running")).json()
    assert ending["metadata"]["deletionTimestamp"] == "2026-06-01T12:00:30Z"
    assert ending["metadata"]["generation"] == 2
    table = await api.get(f"{N}/pods", "application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table["rows"][0]["cells"][:3] == ["running", "0/1", "Terminating"]
    await api.ask("DELETE", f"{N}/pods/running", {"gracePeriodSeconds": 0})
    assert cluster.get("pods", "running", "f1") is None


async def test_a_new_namespace_is_furnished_and_stays_so(api: Api, cluster: Cluster) -> None:
    created = await api.post("/api/v1/namespaces", {"metadata": {"name": "new"}})
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "new"}
    assert (created["spec"], created["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})
    await eventually(lambda: cluster.get("serviceaccounts", "default", "new"))
    assert "managedFields" not in (cluster.get("serviceaccounts", "default", "new") or {})["metadata"]
    await eventually(lambda: cluster.get("configmaps", "kube-root-ca.crt", "new"))
    cluster.remove("serviceaccounts", "default", "new")
    await eventually(lambda: cluster.get("serviceaccounts", "default", "new"))


async def test_a_deleted_namespace_takes_its_contents_along(api: Api, cluster: Cluster) -> None:
    await api.post(f"{N}/configmaps", {"metadata": {"name": "c"}})
    ending = (await api.ask("DELETE", "/api/v1/namespaces/f1")).json()
    assert (ending["status"]["phase"], ending["spec"]) == ("Terminating", {"finalizers": ["kubernetes"]})
    await eventually(lambda: cluster.get("namespaces", "f1") is None)
    assert cluster.list("configmaps", "f1") == []


async def test_an_ending_namespace_takes_nothing_new_and_says_what_holds_it(api: Api, cluster: Cluster) -> None:
    await api.post(f"{N}/configmaps", {"metadata": {"name": "held", "finalizers": ["ex.io/hold"]}})
    await api.ask("DELETE", "/api/v1/namespaces/f1")
    refused = await api.ask("POST", f"{N}/configmaps", {"metadata": {"name": "late"}})
    why = "unable to create new content in namespace f1 because it is being terminated"
    assert (refused.status_code, refused.json()["message"]) == (403, f'configmaps "late" is forbidden: {why}')
    assert refused.json()["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    again = await api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "f1"}})
    assert again.json()["message"] == 'object is being deleted: namespaces "f1" already exists'
    await eventually(lambda: (cluster.get("namespaces", "f1") or {})["status"].get("conditions"))
    conditions = {item["type"]: item for item in (cluster.get("namespaces", "f1") or {})["status"]["conditions"]}
    assert conditions["NamespaceFinalizersRemaining"]["message"] == (
        "Some content in the namespace has finalizers remaining: ex.io/hold in 1 resource instances"
    )
    await api.merge(f"{N}/configmaps/held", {"metadata": {"finalizers": None}})
    await eventually(lambda: cluster.get("namespaces", "f1") is None)


async def test_dependents_go_with_their_owner(api: Api, cluster: Cluster) -> None:
    owner = await api.post(f"{N}/configmaps", {"metadata": {"name": "owner"}})
    await api.post(f"{N}/configmaps", owned("child", owner))
    await api.ask("DELETE", f"{N}/configmaps/owner")
    await eventually(lambda: cluster.get("configmaps", "child", "f1") is None)


async def test_an_owner_deleted_in_the_foreground_waits_for_its_dependents(api: Api, cluster: Cluster) -> None:
    owner = await api.post(f"{N}/configmaps", {"metadata": {"name": "owner"}})
    child = owned("child", owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["ex.io/hold"]
    await api.post(f"{N}/configmaps", child)
    waiting = (await api.ask("DELETE", f"{N}/configmaps/owner", {"propagationPolicy": "Foreground"})).json()
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    await eventually(lambda: "deletionTimestamp" in (cluster.get("configmaps", "child", "f1") or {})["metadata"])
    assert cluster.get("configmaps", "owner", "f1") is not None
    await api.merge(f"{N}/configmaps/child", {"metadata": {"finalizers": None}})
    await eventually(lambda: cluster.get("configmaps", "owner", "f1") is None)


async def test_orphans_forget_their_owner(api: Api, cluster: Cluster) -> None:
    owner = await api.post(f"{N}/configmaps", {"metadata": {"name": "owner"}})
    await api.post(f"{N}/configmaps", owned("child", owner))
    await api.ask("DELETE", f"{N}/configmaps/owner", {"propagationPolicy": "Orphan"})
    await eventually(lambda: cluster.get("configmaps", "owner", "f1") is None)
    assert "ownerReferences" not in (cluster.get("configmaps", "child", "f1") or {})["metadata"]


async def test_an_object_of_an_owner_that_never_was_is_collected(api: Api, cluster: Cluster) -> None:
    await api.post(f"{N}/configmaps", owned("lost", {"metadata": {"name": "nobody", "uid": "none"}}))
    await eventually(lambda: cluster.get("configmaps", "lost", "f1") is None)


async def test_ready_pods_stand_behind_their_service(api: Api, cluster: Cluster) -> None:
    ports = [{"port": 443, "targetPort": "web"}]
    await api.post(f"{N}/services", {"metadata": {"name": "s"}, "spec": {"ports": ports, "selector": {"a": "b"}}})
    container = {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 9443}]}
    pod = {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"containers": [container], "nodeName": "n1"}}
    stored = await cluster.create("pods", pod, namespace="f1")
    ready = {"phase": "Running", "podIP": "10.244.0.9", "conditions": [{"type": "Ready", "status": "True"}]}
    cluster.write("pods", stored | {"status": ready}, manager="kubelet")
    await eventually(lambda: (cluster.get("endpoints", "s", "f1") or {}).get("subsets"))
    subset = (cluster.get("endpoints", "s", "f1") or {})["subsets"][0]
    assert subset["ports"] == [{"port": 9443, "protocol": "TCP"}]
    assert subset["addresses"][0]["ip"] == "10.244.0.9"
    table = await api.get(f"{N}/endpoints", "application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table["rows"][0]["cells"][:2] == ["s", "10.244.0.9:9443"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (569, "9m29s"), (840, "14m"), (10_800, "3h"), (180_000, "2d2h")],
)
async def test_ages_are_abbreviated_as_kubectl_does(api: Api, clock: Clock, seconds: int, expected: str) -> None:
    clock.step(seconds)
    table = await api.get("/api/v1/namespaces/f1", "application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table["rows"][0]["cells"] == ["f1", "Active", expected]


async def test_a_restored_cluster_goes_on_where_it_stopped(cluster: Cluster, clock: Clock) -> None:
    before = await cluster.create("configmaps", {"metadata": {"name": "c"}}, namespace="f1")
    restored = Cluster(cluster.state, clock, seed=7)
    assert restored.get("configmaps", "c", "f1") == before
    after = await restored.create("configmaps", {"metadata": {"name": "d"}}, namespace="f1")
    assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
    uids = [obj["metadata"]["uid"] for objects in cluster.state.objects.values() for obj in objects.values()]
    assert len(set(uids)) == len(uids)


async def test_a_controllers_write_replaces_status_and_metadata(cluster: Cluster) -> None:
    await cluster.create("deployments.apps", deployment(), namespace="f1")
    stored = cluster.get("deployments.apps", "web", "f1") or {}
    stored["status"] = {"observedGeneration": 1}
    stored["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    written = cluster.write("deployments.apps", stored)
    assert written["status"] == {"observedGeneration": 1}
    assert written["metadata"]["generation"] == 1
    entry = next(item for item in written["metadata"]["managedFields"] if item.get("subresource") == "status")
    assert entry["fieldsV1"] == {"f:status": {"f:observedGeneration": {}}}
    assert cluster.write("deployments.apps", written) == written
