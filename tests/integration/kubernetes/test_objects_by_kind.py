"""What the API server makes of an object of each kind: defaults, generation, status, and the answer to its deletion."""

from __future__ import annotations

import re
from typing import Any

import pytest
from eventually import eventually
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster
from simulator.kubernetes.recorder import Recorder

Json = dict[str, Any]

N = "/api/v1/namespaces/f1"
APPS = "/apis/apps/v1/namespaces/f1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
POLICY = "/apis/policy/v1/namespaces/f1/poddisruptionbudgets"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/f1/leases"

TEMPLATE: Json = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
WORKLOAD: Json = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}}
POD: Json = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
WEBHOOK: Json = {
    "name": "a.b.c",
    "clientConfig": {"service": {"name": "s", "namespace": "n"}},
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]}],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
DEFINITION: Json = {
    "group": "ex.io",
    "scope": "Namespaced",
    "names": {"plural": "things", "kind": "Thing"},
    "versions": [{"name": "v1", "served": True, "storage": True}],
}
ROLE_REFERENCE: Json = {"kind": "ClusterRole", "name": "c"}

KINDS: list[tuple[str, Json, bool]] = [
    (f"{APPS}/deployments", WORKLOAD, True),
    (f"{APPS}/replicasets", WORKLOAD, True),
    (f"{APPS}/statefulsets", WORKLOAD, True),
    (f"{APPS}/daemonsets", WORKLOAD, True),
    (f"{N}/pods", POD, True),
    (POLICY, {"spec": {"minAvailable": 1}}, True),
    (WEBHOOKS, {"webhooks": [WEBHOOK]}, True),
    (DEFINITIONS, {"spec": DEFINITION}, True),
    (f"{N}/configmaps", {}, False),
    (f"{N}/secrets", {}, False),
    (f"{N}/serviceaccounts", {}, False),
    ("/api/v1/namespaces", {}, False),
    (f"{N}/services", {"spec": {"ports": [{"port": 1}]}}, False),
    (f"{RBAC}/namespaces/f1/roles", {}, False),
    (LEASES, {}, False),
]
"""Collection, body, and whether the generations of its objects are counted."""


def named(body: Json, name: str = "things.ex.io", **metadata: Any) -> Json:
    return {"metadata": {"name": name, **metadata}, **body}


@pytest.mark.parametrize(("path", "body", "counted"), KINDS, ids=[row[0].rpartition("/")[2] for row in KINDS])
async def test_generations_are_counted_for_some_kinds(api: Api, path: str, body: Json, counted: bool) -> None:
    name = "things" if path == "/api/v1/namespaces" else "things.ex.io" if path == DEFINITIONS else "things"
    made = await api.post(path, named(body, name))
    assert made["metadata"].get("generation") == (1 if counted else None)
    labelled = await api.merge(f"{path}/{name}", {"metadata": {"labels": {"x": "y"}}})
    assert labelled["metadata"].get("generation") == (1 if counted else None)


TEMPLATE: Json = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "resources": {},
                "imagePullPolicy": "Always",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    },
}
"""As it is filled in."""

DEFAULTS: list[tuple[str, str, Json, Json]] = [
    ("ServiceAccount", f"{N}/serviceaccounts", {}, {}),
    ("ConfigMap", f"{N}/configmaps", {}, {}),
    ("Secret", f"{N}/secrets", {"type": None, "stringData": {"a": "b"}}, {"data": {"a": "Yg=="}, "type": "Opaque"}),
    ("Namespace", "/api/v1/namespaces", {"spec": {"finalizers": ["x.io/y"]}, "status": {"phase": "Terminating"}},
     {"spec": {"finalizers": ["x.io/y", "kubernetes"]}, "status": {"phase": "Active"}}),
    ("Service", f"{N}/services", {"spec": {"clusterIP": "10.0.0.77", "ports": [{"port": 80}]}},
     {"spec": {"clusterIP": "10.0.0.77", "clusterIPs": ["10.0.0.77"], "type": "ClusterIP", "sessionAffinity": "None",
               "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
               "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}, "status": {"loadBalancer": {}}}),
    ("Service-headless", f"{N}/services", {"spec": {"clusterIP": "None"}},
     {"spec": {"clusterIP": "None", "clusterIPs": ["None"], "type": "ClusterIP", "sessionAffinity": "None",
               "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack",
               "internalTrafficPolicy": "Cluster"}, "status": {"loadBalancer": {}}}),
    ("PodDisruptionBudget", POLICY, {"spec": {"minAvailable": 1}},
     {"spec": {"minAvailable": 1}, "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0,
                                              "expectedPods": 0}}),
    ("Role", f"{RBAC}/namespaces/f1/roles", {"rules": []}, {"rules": None}),
    ("ClusterRoleBinding", f"{RBAC}/clusterrolebindings",
     {"roleRef": ROLE_REFERENCE, "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]},
     {"roleRef": {**ROLE_REFERENCE, "apiGroup": "rbac.authorization.k8s.io"},
      "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}]}),
    ("Lease", LEASES, {}, {"spec": {}}),
    ("CustomResourceDefinition", DEFINITIONS, {"spec": DEFINITION},
     {"spec": {**DEFINITION, "conversion": {"strategy": "None"},
               "names": {"plural": "things", "kind": "Thing", "singular": "thing", "listKind": "ThingList"}},
      "status": {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]}}),
    ("MutatingWebhookConfiguration", WEBHOOKS, {"webhooks": [WEBHOOK]},
     {"webhooks": [{
         **WEBHOOK, "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {},
         "objectSelector": {}, "timeoutSeconds": 10, "reinvocationPolicy": "Never",
         "rules": [{**WEBHOOK["rules"][0], "scope": "*"}],
         "clientConfig": {"service": {"name": "s", "namespace": "n", "port": 443}}}]}),
    ("Deployment", f"{APPS}/deployments", WORKLOAD | {"status": {"replicas": 1}},
     {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "revisionHistoryLimit": 10,
               "progressDeadlineSeconds": 600,
               "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
               "template": TEMPLATE}, "status": {}}),
    ("StatefulSet", f"{APPS}/statefulsets", WORKLOAD,
     {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "revisionHistoryLimit": 10,
               "podManagementPolicy": "OrderedReady",
               "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
               "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
               "template": TEMPLATE}, "status": {"replicas": 0, "availableReplicas": 0}}),
    ("DaemonSet", f"{APPS}/daemonsets", WORKLOAD,
     {"spec": {"selector": {"matchLabels": {"a": "b"}}, "revisionHistoryLimit": 10,
               "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
               "template": TEMPLATE},
      "status": {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
                 "numberReady": 0}}),
]  # fmt: skip


@pytest.mark.parametrize(("id", "path", "body", "expected"), DEFAULTS, ids=[row[0] for row in DEFAULTS])
async def test_an_object_gets_the_defaults_of_its_kind(
    api: Api, id: str, path: str, body: Json, expected: Json
) -> None:
    made = await api.post(path, named(body, "things.ex.io" if path == DEFINITIONS else "things"))
    assert made["kind"] == id.partition("-")[0]
    assert {name: value for name, value in made.items() if name not in ("kind", "apiVersion", "metadata")} == expected


async def test_a_pod_gets_the_defaults_of_its_parts(api: Api) -> None:
    source = {"fieldRef": {"fieldPath": "metadata.name"}}
    container = {
        "name": "c",
        "image": "i:1",
        "ports": [{"containerPort": 1}],
        "env": [{"name": "a", "valueFrom": source}],
        "resources": {"limits": {"cpu": "1"}},
    }
    token = {"serviceAccountToken": {"path": "x"}}
    volumes = [{"name": "v", "configMap": {"name": "d"}}, {"name": "w", "projected": {"sources": [token]}}]
    made = await api.post(f"{N}/pods", named({"spec": {"containers": [container], "volumes": volumes}}, "p"))
    spec = made["spec"]
    assert {name: value for name, value in spec.items() if name not in ("containers", "volumes", "tolerations")} == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "enableServiceLinks": True,
    }
    access = spec["volumes"][2]["name"]
    assert re.fullmatch(r"kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}", access)
    assert spec["containers"] == [
        {
            "name": "c",
            "image": "i:1",
            "ports": [{"containerPort": 1, "protocol": "TCP"}],
            "env": [
                {"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}},
            ],
            "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
            "volumeMounts": [
                {"name": access, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
            ],
        }
    ]
    lasting = {"serviceAccountToken": {"path": "x", "expirationSeconds": 3600}}
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    assert spec["volumes"] == [
        {"name": "v", "configMap": {"name": "d", "defaultMode": 420}},
        {"name": "w", "projected": {"sources": [lasting], "defaultMode": 420}},
        {
            "name": access,
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    {"downwardAPI": {"items": [namespace]}},
                ],
                "defaultMode": 420,
            },
        },
    ]
    assert spec["tolerations"] == [
        {
            "key": f"node.kubernetes.io/{trouble}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
        for trouble in ("not-ready", "unreachable")
    ]
    assert made["status"] == {"phase": "Pending", "qosClass": "Burstable"}


DELETED: list[tuple[str, Json, Json]] = [
    (f"{N}/configmaps", {}, {"kind": "configmaps"}),
    (f"{N}/secrets", {}, {"kind": "secrets"}),
    (f"{APPS}/deployments", WORKLOAD, {"group": "apps", "kind": "deployments"}),
    (f"{RBAC}/namespaces/f1/roles", {}, {"group": "rbac.authorization.k8s.io", "kind": "roles"}),
    (f"{RBAC}/clusterrolebindings", {"roleRef": ROLE_REFERENCE},
     {"group": "rbac.authorization.k8s.io", "kind": "clusterrolebindings"}),
    (POLICY, {"spec": {}}, {"group": "policy", "kind": "poddisruptionbudgets"}),
    (WEBHOOKS, {"webhooks": [WEBHOOK]},
     {"group": "admissionregistration.k8s.io", "kind": "mutatingwebhookconfigurations"}),
    (f"{N}/serviceaccounts", {}, {}),
    (f"{N}/services", {"spec": {"ports": [{"port": 1}]}}, {}),
    (f"{N}/pods", POD, {}),
]  # fmt: skip
"""Collection, body, and the details of the Status that answers a deletion; none where the object does."""


@pytest.mark.parametrize(("path", "body", "details"), DELETED, ids=[row[0].rpartition("/")[2] for row in DELETED])
async def test_a_deletion_answers_a_status_or_the_object(api: Api, path: str, body: Json, details: Json) -> None:
    made = await api.post(path, named(body, "d"))
    for query in ("?dryRun=All", ""):
        await api.get(f"{path}/d")
        answer = (await api.ask("DELETE", f"{path}/d{query}")).json()
        if details:
            assert answer == {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {"name": "d", **details, "uid": made["metadata"]["uid"]},
            }
        else:
            assert (answer["kind"], answer["metadata"]["uid"]) == (made["kind"], made["metadata"]["uid"])
    assert (await api.ask("GET", f"{path}/d")).status_code == 404


@pytest.mark.parametrize(
    ("name", "code"), [("default", 403), ("kube-system", 403), ("kube-public", 403), ("kube-node-lease", 200)]
)
async def test_namespaces_that_may_not_be_deleted(api: Api, name: str, code: int) -> None:
    assert (await api.ask("DELETE", f"/api/v1/namespaces/{name}")).status_code == code


async def test_what_only_the_server_sets_is_passed_over(api: Api) -> None:
    past = "2020-01-01T00:00:00Z"
    given = {"uid": "x", "creationTimestamp": past, "deletionTimestamp": past, "selfLink": "x", "generation": 5}
    made = await api.post(f"{N}/configmaps", named({}, "c", **given))
    assert list(made["metadata"]) == ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp"]
    assert (made["metadata"]["generation"], made["metadata"]["creationTimestamp"]) == (5, "2026-06-01T12:00:00Z")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made["metadata"]["uid"])
    again = {"creationTimestamp": past, "selfLink": "x", "generation": 9}
    assert await api.merge(f"{N}/configmaps/c", {"metadata": again}) == made


async def test_a_secrets_data_comes_before_its_type(api: Api) -> None:
    made = await api.post(f"{N}/secrets", {"type": "Opaque", "metadata": {"name": "s"}, "data": {"a": "Yg=="}})
    assert list(made) == ["kind", "apiVersion", "metadata", "data", "type"]


async def test_a_generated_name_is_cut_to_fit(api: Api) -> None:
    made = await api.post(f"{N}/configmaps", {"metadata": {"generateName": "a" * 70}})
    assert re.fullmatch(r"a{58}[bcdfghjklmnpqrstvwxz2456789]{5}", made["metadata"]["name"])
    assert made["metadata"]["generateName"] == "a" * 70


async def test_a_namespace_keeps_its_label_and_its_finalizer(api: Api, cluster: Cluster) -> None:
    path = "/api/v1/namespaces/q"
    await api.post("/api/v1/namespaces", named({}, "q"))
    patch = {"metadata": {"labels": {"kubernetes.io/metadata.name": "r"}}, "spec": {"finalizers": []}}
    kept = await api.merge(path, patch)
    assert kept["metadata"]["labels"] == {"kubernetes.io/metadata.name": "q"}
    assert kept["spec"] == {"finalizers": ["kubernetes"]}
    finalized = await api.ask("PUT", f"{path}/finalize", named({"spec": {"finalizers": []}}, "q"))
    assert "finalizers" not in finalized.json()["spec"]
    await api.ask("DELETE", path)
    await eventually(lambda: cluster.get("namespaces", "q") is None)


async def test_what_holds_an_ending_namespace_is_told_in_order(api: Api, cluster: Cluster) -> None:
    await api.post(f"{N}/configmaps", named({}, "held", finalizers=["ex.io/hold"]))
    await api.ask("DELETE", "/api/v1/namespaces/f1")
    await eventually(lambda: (cluster.get("namespaces", "f1") or {})["status"].get("conditions"))
    conditions = (cluster.get("namespaces", "f1") or {})["status"]["conditions"]
    assert [(item["type"], item["status"], item["reason"], item["message"]) for item in conditions] == [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
         "Some resources are remaining: configmaps. has 1 resource instances"),
        ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
         "Some content in the namespace has finalizers remaining: ex.io/hold in 1 resource instances"),
    ]  # fmt: skip
    applied = await api.apply(f"{N}/configmaps/late", {"apiVersion": "v1", "kind": "ConfigMap"}, "m")
    assert applied.json()["details"] == {
        "name": "late",
        "kind": "configmaps",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace f1 is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }
    assert (await api.merge(f"{N}/configmaps/held", {"data": {"a": "b"}}))["data"] == {"a": "b"}
    assert (await api.ask("DELETE", "/api/v1/namespaces/f1")).json()["status"]["phase"] == "Terminating"


async def test_an_event_is_written_as_controllers_do_and_counted_up(cluster: Cluster) -> None:
    pod = await cluster.create("pods", named(POD, "p"), namespace="f1")
    recorder = Recorder(cluster, "replicaset-controller")
    recorder.note(pod, "SuccessfulCreate", "Created pod: p")
    recorder.note(pod, "SuccessfulCreate", "Created pod: p")
    (event,) = cluster.list("events", "f1")
    assert re.fullmatch(r"p\.[0-9a-f]{16}", event["metadata"]["name"])
    metadata = pod["metadata"]
    involved = {"kind": "Pod", "namespace": "f1", "name": "p", "uid": metadata["uid"], "apiVersion": "v1"}
    members = {name: value for name, value in event.items() if name not in ("kind", "apiVersion", "metadata")}
    assert members == {
        "involvedObject": {**involved, "resourceVersion": metadata["resourceVersion"]},
        "reason": "SuccessfulCreate",
        "message": "Created pod: p",
        "source": {"component": "replicaset-controller"},
        "firstTimestamp": "2026-06-01T12:00:00Z",
        "lastTimestamp": "2026-06-01T12:00:00Z",
        "count": 2,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "replicaset-controller",
        "reportingInstance": "",
    }
    assert list(members)[:9] == [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
    ]
    revision = cluster.store.revision
    cluster.write("events", event)
    assert cluster.store.revision == revision
