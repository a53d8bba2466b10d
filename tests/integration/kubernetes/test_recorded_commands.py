"""What kubectl was recorded to send for each command is answered as it was: with the same codes, in the same order.

Watches are left out, which :mod:`test_lists_and_watches` is about, and commands in pods.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes import protobuf
from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]

N = "/api/v1/namespaces/f1"
A = "/apis/apps/v1/namespaces/f1"
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
FORMS = {
    "TABLE": TABLE,
    "PB": "application/vnd.kubernetes.protobuf,application/json",
    "J": "application/json",
    "JA": "application/json, */*",
    "AGG": AGGREGATED,
}
BODIES = {
    "J": "application/json",
    "PB": "application/vnd.kubernetes.protobuf",
    "SMP": "application/strategic-merge-patch+json",
    "MP": "application/merge-patch+json",
    "JP": "application/json-patch+json",
    "APPLY": "application/apply-patch+yaml",
}
CSA = "fieldManager=kubectl-client-side-apply&fieldValidation"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BACKGROUND = {"propagationPolicy": "Background"}


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def message(kind: str, raw: bytes, version: str = "v1") -> bytes:
    """A protobuf body as client-go writes it."""
    head = field(1, field(1, version.encode()) + field(2, kind.encode()))
    return protobuf.MAGIC + head + field(2, raw) + field(3, b"") + field(4, b"")


def named(name: str) -> bytes:
    """ObjectMeta with empty texts and an empty time, which Go writes all the same."""
    return field(1, field(1, name.encode()) + field(2, b"") + field(8, b""))


def config_map(name: str, **data: str) -> Json:
    metadata = {"name": name, "namespace": "f1"}
    return {"apiVersion": "v1", "data": data, "kind": "ConfigMap", "metadata": metadata}


LAST = json.dumps(config_map("c1", a="1", b="2")) + "\n"


def labels(change: Json) -> Json:
    return {"metadata": {"labels": change}}


Request = tuple[str, str, Any]
"""Request line, answer and accepted form; content type; body."""


def get(path: str, code: int, form: str) -> Request:
    return f"GET {path} {code} {form}", "", None


COMMANDS: dict[str, list[Request]] = {
    "get-ns-cold": [get("/api?timeout=32s", 200, "AGG"), get("/apis?timeout=32s", 200, "AGG"),
                    get("/api/v1/namespaces?limit=500", 200, "TABLE")],
    "get-pods-wide": [get(f"{N}/pods?limit=500", 200, "TABLE")],
    "get-label": [get(f"{N}/pods?fieldSelector=status.phase%3DPending&labelSelector=app%3Dd1&limit=500", 200, "TABLE")],
    "get-yaml": [get(f"{N}/serviceaccounts/wi", 200, "J")],
    "get-nf": [get(f"{N}/serviceaccounts/nope", 404, "TABLE"), get(N, 200, "TABLE")],
    "describe-sa": [
        get(f"{N}/serviceaccounts/wi", 200, "J"), get(f"{N}/serviceaccounts/wi", 200, "PB"),
        get(f"{N}/events?fieldSelector=involvedObject.name%3Dwi%2CinvolvedObject.namespace%3Df1%2CinvolvedObject.kind"
            "%3DServiceAccount%2CinvolvedObject.uid%3Dx&limit=500", 200, "PB")],
    "describe-ns": [get(N, 200, "J"), get(N, 200, "PB"), get(f"{N}/resourcequotas?limit=500", 200, "PB"),
                    get(f"{N}/limitranges?limit=500", 200, "PB")],
    "create-ns": [("POST /api/v1/namespaces?fieldManager=kubectl-create&fieldValidation=Strict 201 PB", "PB",
                   message("Namespace", named("f2") + field(2, b"") + field(3, b"")))],
    "create-sa": [(f"POST {N}/serviceaccounts?fieldManager=kubectl-create&fieldValidation=Strict 201 PB", "PB",
                   message("ServiceAccount", named("wi2")))],
    "create-secret": [
        (f"POST {N}/secrets?fieldManager=kubectl-create&fieldValidation=Strict 201 PB", "PB",
         message("Secret", named("ks2") + field(2, field(1, b"a") + field(2, b"b")) + field(3, b"Opaque")))],
    "create-f": [
        get("/openapi/v3?timeout=32s", 200, "JA"),
        (f"POST {N}/configmaps?fieldManager=kubectl-create&fieldValidation=Strict 409 J", "J",
         config_map("c1", a="1"))],
    "create-token": [(f"POST {N}/serviceaccounts/wi/token 201 PB", "PB",
                      message("TokenRequest", named("") + field(2, b""), "authentication.k8s.io/v1"))],
    "create-token-bound": [
        (f"POST {N}/serviceaccounts/wi/token 201 PB", "PB",
         message("TokenRequest", named("") + field(2, field(3, field(1, b"Secret") + field(2, b"v1") + field(3, b"ks"))
                                                   + b"\x20\x90\x1c"), "authentication.k8s.io/v1"))],
    "ssa-first": [(f"PATCH {N}/configmaps/new?fieldManager=kubectl&fieldValidation=Strict&force=false 201 J", "APPLY",
                   config_map("new", a="1"))],
    "ssa-conflict": [(f"PATCH {N}/configmaps/s1?fieldManager=other&fieldValidation=Strict&force=false 409 J", "APPLY",
                      config_map("s1", a="2"))],
    "ssa-force": [(f"PATCH {N}/configmaps/s1?fieldManager=other&fieldValidation=Strict&force=true 200 J", "APPLY",
                   config_map("s1", a="2"))],
    "label": [get(f"{N}/serviceaccounts/wi", 200, "J"),
              (f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-label 200 J", "MP",
               labels({"azure.workload.identity/use": "true"}))],
    "label-same": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-label 200 J", "MP", {})],
    "label-rm": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-label 200 J", "MP", labels({"q": None}))],
    "annotate": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-annotate 200 J", "MP",
                  {"metadata": {"annotations": {"azure.workload.identity/client-id": "abc"}}})],
    "patch-strategic": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-patch 200 J", "SMP", labels({"q": "1"}))],
    "patch-merge": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-patch 200 J", "MP", labels({"q": "2"}))],
    "patch-json": [(f"PATCH {N}/serviceaccounts/wi?fieldManager=kubectl-patch 200 J", "JP",
                    [{"op": "replace", "path": "/metadata/labels/q", "value": "3"}])],
    "patch-status": [get(f"{A}/deployments/d1/status", 200, "J"),
                     (f"PATCH {A}/deployments/d1/status?fieldManager=kubectl-patch 200 J", "MP",
                      {"status": {"observedGeneration": 9}})],
    "scale": [(f"PATCH {A}/deployments/d1/scale 200 JA", "MP", {"spec": {"replicas": 2}})],
    "setimage": [(f"PATCH {A}/deployments/d1?fieldManager=kubectl-set 200 JA", "SMP",
                  {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}],
                                                  "containers": [{"image": "nginx:3", "name": "c"}]}}}})],
    "cani": [get("/api/v1", 200, "JA"),
             ("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews 201 PB", "PB",
              message("SelfSubjectAccessReview", named("") + field(2, field(1, field(
                  1, b"f1") + field(2, b"create") + field(5, b"pods"))), "authorization.k8s.io/v1"))],
    "whoami": [("POST /apis/authentication.k8s.io/v1/selfsubjectreviews 201 PB", "PB",
                message("SelfSubjectReview", named(""), "authentication.k8s.io/v1"))],
    "version": [get("/version?timeout=32s", 200, "JA")],
    "del-cm": [(f"DELETE {N}/configmaps/c1 200 J", "J", BACKGROUND), get(f"{N}/configmaps/c1", 404, "J")],
    "del-nowait": [(f"DELETE {N}/secrets/ks 200 J", "J", BACKGROUND)],
    "del-pod-none": [get(f"{N}/pods?labelSelector=app%3Dnope", 200, "J")],
    "del-dep-fg": [(f"DELETE {A}/deployments/d1 200 J", "J", {"propagationPolicy": "Foreground"}),
                   get(f"{A}/deployments/d1", 200, "J")],
    "del-dep": [(f"DELETE {A}/deployments/d1 200 J", "J", BACKGROUND), get(f"{A}/deployments/d1", 404, "J")],
    "rollout-hist": [get(f"{A}/deployments/d1", 200, "JA"), get(f"{A}/deployments/d1", 200, "PB"),
                     get(f"{A}/replicasets?labelSelector=app%3Dd1", 200, "PB")],
    "del-ns": [("DELETE /api/v1/namespaces/f3 200 J", "J", BACKGROUND), get("/api/v1/namespaces/f3", 200, "J")],
    "apply-first": [get(f"{N}/configmaps/new", 404, "J"), get(N, 200, "J"),
                    (f"POST {N}/configmaps?{CSA}=Strict 201 J", "J", config_map("new", a="1"))],
    "apply-change": [
        get(f"{N}/configmaps/c1", 200, "J"),
        (f"PATCH {N}/configmaps/c1?{CSA}=Strict 200 J", "SMP",
         {"data": {"b": None, "c": "3"}, "metadata": {"annotations": {LAST_APPLIED: "{}\n"}}})],
    "ssa-on-csa": [
        (f"PATCH {N}/configmaps/c1?fieldManager=kubectl&fieldValidation=Strict&force=false 200 J", "APPLY",
         config_map("c1", a="1")),
        (f"PATCH {N}/configmaps/c1?fieldManager=kubectl-last-applied&fieldValidation=Strict 200 J", "APPLY",
         {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"annotations": {LAST_APPLIED: LAST}, "name": "c1"}}),
        (f"PATCH {N}/configmaps/c1?fieldManager=kubectl&fieldValidation=Strict 200 J", "JP",
         [{"op": "replace", "path": "/metadata/managedFields", "value": [
             {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
              "fieldsV1": {"f:data": {"f:a": {}}}}]}]),
        (f"PATCH {N}/configmaps/c1?fieldManager=kubectl&fieldValidation=Strict&force=false 200 J", "APPLY",
         config_map("c1", a="1"))],
    "replace": [get(f"{N}/configmaps/c1", 200, "J"),
                (f"PUT {N}/configmaps/c1?fieldManager=kubectl-replace&fieldValidation=Strict 200 J", "J",
                 config_map("c1", a="1", c="3"))],
    "apply-validate-false": [(f"PATCH {N}/configmaps/s1?{CSA}=Ignore 200 J", "SMP",
                              {"metadata": {"annotations": {LAST_APPLIED: "{}\n"}}})],
    "logs": [get(f"{N}/pods/p1", 200, "JA"), get(f"{N}/pods/p1/log?container=c&tailLines=10", 200, "JA")],
    "exec-badc": [get(f"{N}/pods/p1/exec?command=echo&container=nope&stderr=true&stdout=true", 400, ""),
                  (f"POST {N}/pods/p1/exec?command=echo&container=nope&stderr=true&stdout=true 400 ", "", None)],
    "del-pod": [(f"DELETE {N}/pods/p1 200 J", "J", BACKGROUND), get(f"{N}/pods/p1", 200, "J")],
    "del-pod-force": [(f"DELETE {N}/pods/p1 200 J", "J", {"gracePeriodSeconds": 0, **BACKGROUND}),
                      get(f"{N}/pods/p1", 404, "J")],
    "helm-delete": [(f"DELETE {N}/secrets/ks 200 PB", "PB", message("DeleteOptions", b""))],
    "helm-list": [get(f"{N}/secrets?labelSelector=name%3Da%2Cowner%3Dhelm", 200, "PB"),
                  get("/api/v1/secrets?labelSelector=owner%3Dhelm", 200, "PB")],
    "helm-namespace": [("PATCH /api/v1/namespaces/new?fieldManager=helm&fieldValidation=Strict&force=false 201 J",
                        "APPLY", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})],
    "helm-status": [get(f"{N}/secrets/ks?includeObject=Object", 200, "TABLE")],
    "python": [get("/version/", 200, "J"), get("/apis", 200, "J"),
               (f"POST {N}/configmaps 201 J", "", config_map("py", a="1")),
               (f"PUT {N}/configmaps/py 200 J", "", config_map("py", a="2")),
               (f"DELETE {N}/configmaps/py 200 J", "", None)],
}  # fmt: skip


@pytest.fixture
async def furnished(api: Api, cluster: Cluster) -> Api:
    """The API server of a cluster with what the recording began with."""
    await cluster.create("namespaces", {"metadata": {"name": "f3"}})
    await cluster.create("serviceaccounts", {"metadata": {"name": "wi", "labels": {"q": "0"}}}, namespace="f1")
    await cluster.create("secrets", {"metadata": {"name": "ks"}}, namespace="f1")
    containers = [{"name": "c", "image": "i"}]
    template = {"metadata": {"labels": {"app": "d1"}}, "spec": {"containers": containers}}
    spec: Json = {"selector": {"matchLabels": {"app": "d1"}}, "template": template}
    await cluster.create("deployments.apps", {"metadata": {"name": "d1"}, "spec": spec}, namespace="f1")
    pod = {"metadata": {"name": "p1"}, "spec": {"containers": containers, "nodeName": "n1"}}
    await cluster.create("pods", pod, namespace="f1")
    cluster.pod_log = lambda *_: b"line 0\n"
    made = config_map("c1", a="1", b="2") | {"metadata": {"name": "c1", "annotations": {LAST_APPLIED: LAST}}}
    await api.post(f"{N}/configmaps?{CSA}=Strict", made)
    await api.apply(f"{N}/configmaps/s1", config_map("s1", a="1"), "kubectl")
    return api


@pytest.mark.parametrize("command", COMMANDS)
async def test_the_requests_of_a_command_are_answered_as_recorded(furnished: Api, command: str) -> None:
    for line, content_type, body in COMMANDS[command]:
        method, path, code, form = re.split(" ", line, maxsplit=3)
        media, accept = BODIES.get(content_type, ""), FORMS.get(form, "")
        response = await furnished.ask(method, path, body, content_type=media, accept=accept)
        assert response.status_code == int(code), (line, response.text)


async def test_discovery_once_learned_is_not_sent_again(api: Api) -> None:
    for path in ("/api?timeout=32s", "/apis?timeout=32s"):
        tag = (await api.ask("GET", path, accept=AGGREGATED)).headers["etag"]
        again = await api.http.get(path, headers={"Accept": AGGREGATED, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
