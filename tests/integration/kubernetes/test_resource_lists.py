"""Every recorded resource is listed with its verbs, names and columns, in all forms of discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from one_cluster import Api

Json = dict[str, Any]

STD = "create delete deletecollection get list patch update watch"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Listed:
    """A resource, or a subresource with its slash; ``columns`` as name:type[:format], * for those of -o wide."""

    version: str
    name: str
    kind: str
    verbs: str
    namespaced: bool = True
    short: str = ""
    categories: str = ""
    foreign: str = ""
    hash: str = ""
    columns: str = ""

    @property
    def path(self) -> str:
        return "/api/v1" if self.version == "v1" else f"/apis/{self.version}"


RESOURCES = [
    Listed("v1", "configmaps", "ConfigMap", STD, short="cm", hash="qFsyl6wFWjQ=",
           columns="Name:string:name, Data:string, Age:string"),
    Listed("v1", "endpoints", "Endpoints", STD, short="ep", hash="fWeeMqaN/OA=",
           columns="Name:string:name, Endpoints:string, Age:string"),
    Listed("v1", "events", "Event", STD, short="ev", hash="r2yiGXH7wu8=",
           columns="Last Seen:string, Type:string, Reason:string, Object:string, Subobject:string*, Source:string*, "
           "Message:string, First Seen:string*, Count:string*, Name:string:name*"),
    Listed("v1", "namespaces", "Namespace", "create delete get list patch update watch", namespaced=False, short="ns",
           hash="Q3oi5N2YM8M=", columns="Name:string:name, Status:string, Age:string"),
    Listed("v1", "namespaces/finalize", "Namespace", "update", namespaced=False),
    Listed("v1", "namespaces/status", "Namespace", "get patch update", namespaced=False),
    Listed("v1", "pods", "Pod", STD, short="po", categories="all", hash="xPOwRZ+Yhw8=",
           columns="Name:string:name, Ready:string, Status:string, Restarts:string, Age:string, IP:string*, "
           "Node:string*, Nominated Node:string*, Readiness Gates:string*"),
    Listed("v1", "pods/attach", "PodAttachOptions", "create get"),
    Listed("v1", "pods/exec", "PodExecOptions", "create get"),
    Listed("v1", "pods/log", "Pod", "get"),
    Listed("v1", "pods/status", "Pod", "get patch update"),
    Listed("v1", "secrets", "Secret", STD, hash="S6u1pOWzb84=",
           columns="Name:string:name, Type:string, Data:string, Age:string"),
    Listed("v1", "serviceaccounts", "ServiceAccount", STD, short="sa", hash="pbx9ZvyFpBE=",
           columns="Name:string:name, Age:string"),
    Listed("v1", "serviceaccounts/token", "TokenRequest", "create", foreign="authentication.k8s.io/v1"),
    Listed("v1", "services", "Service", STD, short="svc", categories="all", hash="0/CO1lhkEBI=",
           columns="Name:string:name, Type:string, Cluster-IP:string, External-IP:string, Port(s):string, Age:string, "
           "Selector:string*"),
    Listed("v1", "services/status", "Service", "get patch update"),
    Listed("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", STD,
           namespaced=False, categories="api-extensions", hash="Sqi0GUgDaX0=",
           columns="Name:string:name, Webhooks:integer, Age:string"),
    Listed("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", STD, namespaced=False,
           short="crd crds", categories="api-extensions", hash="jfWCUB31mvA=",
           columns="Name:string:name, Created At:date"),
    Listed("apiextensions.k8s.io/v1", "customresourcedefinitions/status", "CustomResourceDefinition",
           "get patch update", namespaced=False),
    Listed("apps/v1", "daemonsets", "DaemonSet", STD, short="ds", categories="all", hash="dd7pWHUlMKQ=",
           columns="Name:string:name, Desired:integer, Current:integer, Ready:integer, Up-to-date:integer, "
           "Available:integer, Node Selector:string, Age:string, Containers:string*, Images:string*, "
           "Selector:string*"),
    Listed("apps/v1", "daemonsets/status", "DaemonSet", "get patch update"),
    Listed("apps/v1", "deployments", "Deployment", STD, short="deploy", categories="all", hash="8aSe+NMegvE=",
           columns="Name:string:name, Ready:string, Up-to-date:string, Available:string, Age:string, "
           "Containers:string*, Images:string*, Selector:string*"),
    Listed("apps/v1", "deployments/scale", "Scale", "get patch update", foreign="autoscaling/v1"),
    Listed("apps/v1", "deployments/status", "Deployment", "get patch update"),
    Listed("apps/v1", "replicasets", "ReplicaSet", STD, short="rs", categories="all", hash="P1RzHs8/mWQ=",
           columns="Name:string:name, Desired:integer, Current:integer, Ready:integer, Age:string, "
           "Containers:string*, Images:string*, Selector:string*"),
    Listed("apps/v1", "replicasets/scale", "Scale", "get patch update", foreign="autoscaling/v1"),
    Listed("apps/v1", "replicasets/status", "ReplicaSet", "get patch update"),
    Listed("apps/v1", "statefulsets", "StatefulSet", STD, short="sts", categories="all", hash="H+vl74LkKdo=",
           columns="Name:string:name, Ready:string, Age:string, Containers:string*, Images:string*"),
    Listed("apps/v1", "statefulsets/scale", "Scale", "get patch update", foreign="autoscaling/v1"),
    Listed("apps/v1", "statefulsets/status", "StatefulSet", "get patch update"),
    Listed("authentication.k8s.io/v1", "tokenreviews", "TokenReview", "create", namespaced=False),
    Listed("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview", "create", namespaced=False),
    Listed("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "create",
           namespaced=False),
    Listed("authorization.k8s.io/v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", "create", namespaced=False),
    Listed("authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview", "create", namespaced=False),
    Listed("authorization.k8s.io/v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", "create"),
    Listed("coordination.k8s.io/v1", "leases", "Lease", STD, hash="gqkMMb/YqFM=",
           columns="Name:string:name, Holder:string, Age:string"),
    Listed("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", STD, hash="qgS0xkrxYAI=",
           columns="Name:string:name, AddressType:string, Ports:string, Endpoints:string, Age:string"),
    Listed("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", STD, short="pdb", hash="EVWiDmWqyJw=",
           columns="Name:string:name, Min Available:string, Max Unavailable:string, Allowed Disruptions:integer, "
           "Age:string"),
    Listed("policy/v1", "poddisruptionbudgets/status", "PodDisruptionBudget", "get patch update"),
    Listed("rbac.authorization.k8s.io/v1", "roles", "Role", STD, hash="7FuwZcIIItM=",
           columns="Name:string:name, Created At:date"),
    Listed("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding", STD, hash="eGsCzGH6b1g=",
           columns="Name:string:name, Role:string, Age:string, Users:string*, Groups:string*, ServiceAccounts:string*"),
    Listed("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", STD, namespaced=False, hash="bYE5ZWDrJ44=",
           columns="Name:string:name, Created At:date"),
    Listed("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", STD, namespaced=False,
           hash="48tpQ8gZHFc=",
           columns="Name:string:name, Role:string, Age:string, Users:string*, Groups:string*, ServiceAccounts:string*"),
]  # fmt: skip


@pytest.mark.parametrize("listed", RESOURCES, ids=lambda listed: f"{listed.version}-{listed.name}".replace("/", "-"))
async def test_a_resource_is_listed(api: Api, listed: Listed) -> None:
    entries = {entry["name"]: entry for entry in (await api.get(listed.path))["resources"]}
    group, _, version = listed.foreign.rpartition("/")
    expected = {
        "name": listed.name,
        "singularName": "" if "/" in listed.name else listed.kind.lower(),
        "namespaced": listed.namespaced,
        "group": group,
        "version": version,
        "kind": listed.kind,
        "verbs": listed.verbs.split(),
        "shortNames": listed.short.split(),
        "categories": listed.categories.split(),
        "storageVersionHash": listed.hash,
    }
    assert entries[listed.name] == {name: value for name, value in expected.items() if value not in ("", [])} | {
        "singularName": expected["singularName"]
    }


@pytest.mark.parametrize("listed", RESOURCES, ids=lambda listed: f"{listed.version}-{listed.name}".replace("/", "-"))
async def test_a_resource_is_discovered(api: Api, listed: Listed) -> None:
    root = "/api" if listed.version == "v1" else "/apis"
    name, _, part = listed.name.partition("/")
    items = (await api.ask("GET", root, accept=AGGREGATED)).json()["items"]
    group = next(item for item in items if item["metadata"].get("name", "") == listed.version.rpartition("/")[0])
    assert [version["version"] for version in group["versions"]] == ["v1"]
    found = next(entry for entry in group["versions"][0]["resources"] if entry["resource"] == name)
    foreign, _, version = listed.foreign.rpartition("/")
    kind = {"group": foreign, "version": version, "kind": listed.kind}
    if part:
        found = next(entry for entry in found["subresources"] if entry["subresource"] == part)
        assert found == {"subresource": part, "responseKind": kind, "verbs": listed.verbs.split()}
        return
    assert (found["responseKind"], found["verbs"]) == (kind, listed.verbs.split())
    assert found["scope"] == ("Namespaced" if listed.namespaced else "Cluster")
    assert (found.get("shortNames", []), found.get("categories", [])) == (
        listed.short.split(),
        listed.categories.split(),
    )


@pytest.mark.parametrize("listed", [listed for listed in RESOURCES if listed.columns], ids=lambda listed: listed.name)
async def test_a_table_has_the_columns_of_its_kind(api: Api, listed: Listed) -> None:
    table = await api.get(f"{listed.path}/{listed.name}", TABLE)
    told = [
        ":".join(filter(None, (column["name"], column["type"], column["format"]))) + "*" * column["priority"]
        for column in table["columnDefinitions"]
    ]
    assert told == listed.columns.split(", ")
    assert all(len(row["cells"]) == len(told) for row in table["rows"])


async def test_groups_are_in_the_recorded_order(api: Api) -> None:
    groups = (await api.get("/apis"))["groups"]
    recorded = [
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "batch",  # of a cluster that has it: the one that was recorded has not
        "policy",
        "rbac.authorization.k8s.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
    ]
    assert [group["name"] for group in groups] == recorded
    version = {"groupVersion": "apps/v1", "version": "v1"}
    assert groups[0] == {"name": "apps", "versions": [version], "preferredVersion": version}
    assert await api.get("/apis/apps") == {"kind": "APIGroup", "apiVersion": "v1", **groups[0]}


ROLLED: Json = {
    "selector": {"matchLabels": {"a": "roll"}},
    "template": {"metadata": {"labels": {"a": "roll"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
}

CELLS: list[tuple[str, Json, list[Any]]] = [
    ("/api/v1/namespaces/f1/secrets", {}, ["x", "Opaque", 0, "0s"]),
    ("/api/v1/namespaces/f1/configmaps", {"data": {"a": "b"}}, ["x", 1, "0s"]),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/f1/roles", {}, ["x", "2026-06-01T12:00:00Z"]),
    ("/apis/policy/v1/namespaces/f1/poddisruptionbudgets", {"spec": {"minAvailable": 1}}, ["x", "1", "N/A", 0, "0s"]),
    (
        "/api/v1/namespaces/f1/services",
        {"spec": {"clusterIP": "10.0.0.77", "ports": [{"port": 443}]}},
        ["x", "ClusterIP", "10.0.0.77", "<none>", "443/TCP", "0s", "<none>"],
    ),
    (
        "/api/v1/namespaces/f1/pods",
        {"spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}},
        ["x", "0/2", "Pending", "0", "0s", "<none>", "n1", "<none>", "<none>"],
    ),
    (
        "/apis/apps/v1/namespaces/f1/deployments",
        {
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"a": "roll"}},
                "template": {
                    "metadata": {"labels": {"a": "roll"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            }
        },
        ["x", "0/2", 0, 0, "0s", "c", "i", "a=roll"],
    ),
    ("/apis/apps/v1/namespaces/f1/statefulsets", {"spec": ROLLED | {"replicas": 2}}, ["x", "0/2", "0s", "c", "i"]),
    (
        "/apis/apps/v1/namespaces/f1/daemonsets",
        {"spec": ROLLED},
        ["x", 0, 0, 0, 0, 0, "<none>", "0s", "c", "i", "a=roll"],
    ),
]


@pytest.mark.parametrize(("path", "body", "cells"), CELLS, ids=[row[0].rpartition("/")[2] for row in CELLS])
async def test_the_cells_of_a_row(api: Api, path: str, body: Json, cells: list[Any]) -> None:
    made = await api.post(path, {"metadata": {"name": "x"}, **body})
    table = await api.get(f"{path}/x", TABLE)
    assert [row["cells"] for row in table["rows"]] == [cells]
    assert table["metadata"] == {"resourceVersion": made["metadata"]["resourceVersion"]}
    for include, kind in (("Metadata", "PartialObjectMetadata"), ("Object", made["kind"])):
        row = (await api.get(f"{path}/x?includeObject={include}", TABLE))["rows"][0]
        assert (row["object"]["kind"], row["object"]["metadata"]) == (kind, made["metadata"])
    assert (await api.get(f"{path}/x?includeObject=None", TABLE))["rows"][0]["object"] is None


async def test_a_table_of_nothing_has_no_rows_and_pages_like_a_list(api: Api) -> None:
    path = "/api/v1/namespaces/f1/secrets"
    assert (await api.get(path, TABLE))["rows"] == []
    for name in "abc":
        await api.post(path, {"metadata": {"name": name}})
    metadata = (await api.get(f"{path}?limit=1", TABLE))["metadata"]
    assert (set(metadata), metadata["remainingItemCount"]) == (
        {"resourceVersion", "continue", "remainingItemCount"},
        2,
    )


async def test_a_form_that_nobody_knows_is_not_acceptable(api: Api) -> None:
    response = await api.ask("GET", "/api/v1/pods", accept="application/json;as=Nope;v=v1;g=meta.k8s.io")
    known = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert (response.status_code, response.json()["message"]) == (
        406,
        f"only the following media types are accepted: {known}",
    )


async def test_every_request_for_endpoints_warns_of_their_age(api: Api) -> None:
    for path in ("/api/v1/endpoints", "/api/v1/namespaces/f1/endpoints"):
        response = await api.ask("GET", path)
        told = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
        assert response.headers["warning"] == f'299 - "{told}"'
