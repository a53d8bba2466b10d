"""Whatever is sent to the API server, it answers as one: with a Status, never with a breakdown."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from one_cluster import TOKEN, Api, OneCluster

from simulator.authority import Authority
from simulator.kubernetes.api import KubernetesApi
from simulator.kubernetes.cluster import Cluster
from simulator.proxy import Proxy

Json = dict[str, Any]

N = "/api/v1/namespaces/f1"
APPS = "/apis/apps/v1/namespaces/f1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
DEEP = "[" * 100_000 + "]" * 100_000
NESTED = '{"metadata":{"name":"x"},"data":' + '{"a":' * 500 + "1" + "}" * 500 + "}"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@dataclass(frozen=True)
class Case:
    id: str
    request: str
    code: int
    message: str
    """How it ends."""
    body: Any = None
    content_type: str = JSON


CASES = [
    Case("list", f"POST {N}/configmaps", 400, "cannot unmarshal array into Go value of type struct ([])", "[]"),
    Case("null", f"POST {N}/configmaps", 400, "cannot unmarshal null into Go value of type struct (null)", "null"),
    Case("junk-behind", f"POST {N}/configmaps", 400, 'looking for beginning of value ({"metadata":{}} x)',
         '{"metadata":{}} x'),
    Case("not-a-number", f"POST {N}/configmaps", 400, "value ({\"a\":NaN})", '{"a":NaN}'),
    Case("deep-json", f"POST {N}/configmaps", 400, "...)", DEEP),
    Case("deep-object", f"POST {N}/configmaps", 400, "...)", NESTED),
    Case("deep-yaml", f"POST {N}/configmaps", 400, "exceeded max depth", "[" * 5000, YAML),
    Case("deep-merge", f"PATCH {N}/configmaps/c1", 400, "error decoding patch: exceeded max depth", NESTED, MERGE),
    Case("deep-strategic", f"PATCH {N}/configmaps/c1", 400, "exceeded max depth", NESTED, STRATEGIC),
    Case("deep-apply", f"PATCH {N}/configmaps/c1?fieldManager=m", 400, "exceeded max depth", NESTED, APPLY),
    Case("aliases", f"POST {N}/configmaps", 400, "document contains excessive aliasing", BOMB, YAML),
    Case("recursion", f"POST {N}/configmaps", 400, "excessive aliasing", "&a [*a, *a]", YAML),
    Case("huge-number", f"POST {N}/configmaps", 400, "...)", '{"a":' + "9" * 5000 + "}"),
    Case("broken-yaml", f"POST {N}/configmaps", 400, "line 1: expected the node content, but found ','", "[,", YAML),
    Case("no-protobuf", f"POST {N}/configmaps", 400, "expected prefix [107 56 115 0]", "{}", PROTOBUF),
    Case("broken-protobuf", f"POST {N}/configmaps", 400, "unexpected EOF", b"k8s\0\x0a\xff\xff", PROTOBUF),
    Case("operations", f"PATCH {N}/configmaps/c1", 400,
         "json: cannot unmarshal object into Go value of type jsonpatch.Patch", "{}", JSON_PATCH),
    Case("operation", f"PATCH {N}/configmaps/c1", 400,
         "json: cannot unmarshal number into Go value of type jsonpatch.Operation", "[1]", JSON_PATCH),
    Case("many-operations", f"PATCH {N}/configmaps/c1", 413,
         "The allowed maximum operations in a JSON patch is 10000, got 10001", [{}] * 10_001, JSON_PATCH),
    Case("no-operation", f"PATCH {N}/configmaps/c1", 422, "due to an error in our request", [{}], JSON_PATCH),
    Case("root-replaced", f"PATCH {N}/configmaps/c1", 422, "due to an error in our request",
         [{"op": "replace", "path": "", "value": 5}], JSON_PATCH),
    Case("merge-list", f"PATCH {N}/configmaps/c1", 400,
         "cannot unmarshal array into Go value of type map[string]interface {}", "[]", MERGE),
    Case("strategic-items", f"PATCH {N}/serviceaccounts/default", 400, "secrets has a value of the wrong type",
         {"secrets": [None]}, STRATEGIC),
    Case("apply-items", f"PATCH {N}/serviceaccounts/default?fieldManager=m", 500,
         ".secrets: element 0: associative list with keys may not have non-map elements",
         {"apiVersion": "v1", "kind": "ServiceAccount", "secrets": [None]}, APPLY),
    Case("apply-keys", f"PATCH {N}/serviceaccounts/default?fieldManager=m", 500,
         'associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
         {"apiVersion": "v1", "kind": "ServiceAccount", "secrets": [{}]}, APPLY),
    Case("apply-metadata", f"PATCH {N}/configmaps/c1?fieldManager=m", 400, "array as an object's metadata",
         {"apiVersion": "v1", "kind": "ConfigMap", "metadata": [1]}, APPLY),
    Case("kind", f"PUT {N}/configmaps/c1", 400, "cannot unmarshal array into Go struct field .kind of type string",
         {"kind": [1]}),
    Case("owner", f"POST {N}/configmaps", 422, 'metadata.ownerReferences.uid: Invalid value: "": must not be empty]',
         {"metadata": {"name": "x", "ownerReferences": [None]}}),
    Case("port", f"POST {N}/services", 400, "cannot unmarshal bool into Go struct field ServicePort.spec.ports."
         "targetPort of type intstr.IntOrString",
         {"metadata": {"name": "x"}, "spec": {"ports": [{"port": 1, "targetPort": True}]}}),
    Case("service-port", f"POST {N}/services", 422, "spec.ports[0].port: Invalid value: 0: must be between 1 and "
         "65535, inclusive", {"metadata": {"name": "x"}, "spec": {"ports": [{}]}}),
    Case("token-path", f"POST {N}/pods", 422,
         "spec.volumes[0].projected.sources[0].serviceAccountToken.path: Required value",
         {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [
             {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"audience": "a"}}]}}]}}),
    Case("item-path", f"POST {N}/pods", 422, "spec.volumes[0].configMap.items[0].path: Required value",
         {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": [
             {"name": "v", "configMap": {"name": "c", "items": [{"key": "a"}]}}]}}),
    Case("quantity", f"POST {N}/resourcequotas", 400, "into Go struct field ResourceQuotaSpec.spec.hard of type "
         "map[string]resource.Quantity", {"metadata": {"name": "x"}, "spec": {"hard": "much"}}),
    Case("selector-key", f"POST {APPS}/deployments", 422, "regex used for validation is "
         "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
         {"metadata": {"name": "x"}, "spec": {"selector": {"matchExpressions": [{"operator": "Exists"}]},
          "template": {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
    Case("binding", f"POST {RBAC}/clusterrolebindings", 422, 'subjects[0].kind: Unsupported value: "": supported '
         'values: "ServiceAccount", "User", "Group"]', {"metadata": {"name": "x"}, "subjects": [{}], "roleRef": {}}),
    Case("address", f"POST {N}/endpoints", 422, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
         {"metadata": {"name": "x"}, "subsets": [{"addresses": [{"ip": "here"}]}]}),
    Case("replicas", f"PUT {APPS}/deployments/d1/scale", 400, "into Go struct field Scale.spec of type v1.ScaleSpec",
         {"spec": "many"}),
    Case("delete-options", f"DELETE {N}/configmaps/c1", 400, "DeleteOptions.preconditions of type v1.Preconditions",
         {"preconditions": "none"}),
    Case("limit", f"GET {N}/configmaps?limit=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    Case("huge-limit", f"GET {N}/configmaps?limit={'9' * 30}", 400, "value out of range"),
    Case("list-timeout", f"GET {N}/configmaps?timeoutSeconds=soon", 400, 'parsing "soon": invalid syntax'),
    Case("watch-timeout", f"GET {N}/configmaps?watch=1&timeoutSeconds=-1", 400, "must be greater than or equal to 0"),
    Case("huge-version", f"GET {N}/configmaps?resourceVersion={'9' * 30}", 400, "value out of range"),
    Case("watch-version", f"GET {N}/configmaps?watch=1&resourceVersion=abc", 400, 'parsing "abc": invalid syntax'),
    Case("version-match", f"GET {N}/configmaps?resourceVersion=1&resourceVersionMatch=Near", 422,
         'resourceVersionMatch: Unsupported value: "Near": supported values: "Exact", "NotOlderThan"'),
    Case("selector", f"GET {N}/configmaps?labelSelector={'a' * 64}", 400,
         "name part must be no more than 63 characters"),
    Case("grace", f"DELETE {N}/configmaps/c1?gracePeriodSeconds=soon", 400, 'parsing "soon": invalid syntax'),
    Case("tail", f"GET {N}/pods/p1/log?tailLines=all", 400, 'parsing "all": invalid syntax'),
    Case("negative-tail", f"GET {N}/pods/p1/log?tailLines=-1", 422,
         "tailLines: Invalid value: -1: must be greater than or equal to 0"),
    Case("no-bytes", f"GET {N}/pods/p1/log?limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
    Case("huge-name", f"GET {N}/configmaps/{'a' * 5000}", 404, "not found"),
    Case("long-name", f"POST {N}/configmaps", 422, "must be no more than 253 characters",
         {"metadata": {"name": "a" * 5000}}),
]  # fmt: skip

POD: Json = {
    "containers": [
        {
            "name": "c",
            "image": "i:1",
            "env": [{"name": "A", "value": "b"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
            "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": 1}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "livenessProbe": {"httpGet": {"port": 80}},
        }
    ],
    "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "p"}}]}}],
}
SELECTOR: Json = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
OBJECTS: dict[str, Json] = {
    f"{N}/configmaps": {"data": {"a": "b"}, "immutable": False},
    f"{N}/secrets": {"data": {"a": "Yg=="}, "type": "Opaque"},
    f"{N}/serviceaccounts": {"secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "b"}]},
    f"{N}/pods": {"spec": POD},
    f"{N}/services": {"spec": {"ports": [{"name": "a", "port": 80, "targetPort": 1}], "selector": {"a": "b"}}},
    f"{APPS}/deployments": {
        "spec": {
            "selector": SELECTOR,
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            "strategy": {"rollingUpdate": {"maxSurge": "25%"}},
        }
    },
    f"{RBAC}/clusterrolebindings": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}],
    },
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": {
        "webhooks": [
            {
                "name": "a.b.c",
                "clientConfig": {"service": {"name": "s", "namespace": "n"}},
                "rules": [{"apiGroups": ["none"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}],
                "objectSelector": SELECTOR,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ]
    },
    f"{N}/serviceaccounts/default/token": {
        "spec": {"audiences": ["a"], "boundObjectRef": {"kind": "Pod", "name": "p1"}}
    },
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {"spec": {"resourceAttributes": {"verb": "get"}}},
    "/apis/authentication.k8s.io/v1/tokenreviews": {"spec": {"token": "a", "audiences": ["b"]}},
}
METADATA: Json = {
    "name": "x",
    "labels": {"a": "b"},
    "finalizers": ["a.b/c"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
    "managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {}}}],
}
ODD: list[Any] = [None, "", 5, True, [], [None], {}, {"": None}]


@pytest.fixture
async def furnished(api: Api, cluster: Cluster) -> Api:
    """The API server of a cluster that has what the cases ask for."""
    containers = [{"name": "c", "image": "i"}]
    await cluster.create("configmaps", {"metadata": {"name": "c1"}, "data": {"a": "1"}}, namespace="f1")
    await cluster.create("pods", {"metadata": {"name": "p1"}, "spec": {"containers": containers}}, namespace="f1")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await cluster.create("deployments.apps", {"metadata": {"name": "d1"}, "spec": spec}, namespace="f1")
    return api


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_bad_input_is_refused_with_a_status(furnished: Api, case: Case) -> None:
    method, path = case.request.split(" ", 1)
    content_type = case.content_type if case.body is not None else ""
    response = await furnished.ask(method, path, case.body, content_type=content_type)
    status = response.json()
    assert (response.status_code, status["kind"], status["code"]) == (case.code, "Status", case.code), status
    assert status["message"].endswith(case.message)


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places inside a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*path, key)
        yield from spots(item, (*path, key))


def with_odd_parts(document: Json) -> Iterator[Json]:
    """The document with each of its parts in turn replaced by something else."""
    for path in list(spots(document)):
        for odd in ODD:
            changed: Any = copy.deepcopy(document)
            part = changed
            for key in path[:-1]:
                part = part[key]
            part[path[-1]] = odd
            yield changed


@pytest.mark.parametrize("path", OBJECTS)
async def test_no_part_of_an_object_breaks_the_server(furnished: Api, cluster: Cluster, path: str) -> None:
    metadata = {} if path.endswith(("token", "reviews")) else METADATA
    documents = list(with_odd_parts({"metadata": metadata, **OBJECTS[path]}))
    assert len(documents) > len(ODD)
    for number, document in enumerate(documents):
        if isinstance(document["metadata"], dict) and document["metadata"].get("name") == "x":
            document["metadata"]["name"] = f"x{number}"
        response = await furnished.ask("POST", path, document)
        assert response.status_code < 500, (document, response.text)
        if response.status_code == 201 and metadata:
            listed = await furnished.ask("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
            assert listed.status_code == 200
    still_alive = {"metadata": {"name": "after"}}
    await cluster.create("namespaces", still_alive)
    for _ in range(200):
        if cluster.get("serviceaccounts", "default", "after"):
            return
        await asyncio.sleep(0)
    pytest.fail("the controllers have ended")


async def test_what_is_no_unicode_is_replaced(furnished: Api, cluster: Cluster) -> None:
    body = b'{"metadata":{"name":"odd"},"data":{"bytes":"\xff","surrogate":"\\ud800"}}'
    assert (await furnished.ask("POST", f"{N}/configmaps", body, content_type=JSON)).status_code == 201
    assert (cluster.get("configmaps", "odd", "f1") or {})["data"] == {"bytes": "\ufffd", "surrogate": "\ufffd"}


async def test_yaml_is_read_as_json_would_have_it(furnished: Api, cluster: Cluster) -> None:
    body = "metadata: {name: dated, annotations: {at: '2026-01-01', 1: one}, creationTimestamp: 2026-01-01T00:00:00Z}"
    assert (await furnished.ask("POST", f"{N}/configmaps", body, content_type=YAML)).status_code == 201
    assert (cluster.get("configmaps", "dated", "f1") or {})["metadata"]["annotations"] == {
        "at": "2026-01-01",
        "1": "one",
    }


async def test_managed_fields_that_cannot_be_read_are_passed_over(furnished: Api) -> None:
    entry = {"manager": "m", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": 5}}
    made = await furnished.post(
        f"{N}/configmaps", {"metadata": {"name": "m", "managedFields": [entry]}, "data": {"a": "b"}}
    )
    assert [item["manager"] for item in made["metadata"]["managedFields"]] == ["python-httpx"]


async def test_a_body_that_is_too_large_is_heard_out_and_the_connection_lives(
    simulation: OneCluster, tmp_path: Any
) -> None:
    proxy = Proxy(KubernetesApi(simulation), Authority.open(tmp_path), lambda host: True)  # type: ignore[arg-type]
    port = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    large = json.dumps({"metadata": {"name": "x"}, "data": {"a": "x" * (8 << 20)}}).encode()
    for body, code in ((large, b"413"), (b'{"metadata":{"name":"small"}}', b"201")):
        head = f"POST {N}/configmaps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split(b" ")[1] == code
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
    await proxy.stop()
