"""Refusals read as the real API server's do: code, reason, message and details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster

N = "/api/v1/namespaces/f1"
APPS = "/apis/apps/v1/namespaces/f1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
DATA_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
IMMUTABLE_POD = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)
UNRECOGNIZED = (
    "the object provided is unrecognized (must be of type ServiceAccount): couldn't get version/kind; json parse "
    "error: unexpected end of JSON input"
)


@dataclass(frozen=True)
class Case:
    """One request and its refusal. ``causes`` are (field, reason, message); then the message follows from them."""

    id: str
    request: str
    code: int
    reason: str | None
    message: str = ""
    body: Any = None
    content_type: str = ""
    accept: str = ""
    details: dict[str, Any] | None = None
    causes: tuple[tuple[str, str, str], ...] = ()
    subject: str = ""


def _required(field: str, why: str = "Required value") -> tuple[str, str, str]:
    return field, "FieldValueRequired", why


def _bad(field: str, message: str) -> tuple[str, str, str]:
    return field, "FieldValueInvalid", message


def _meta(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


CASES = [
    Case("notfound-core", f"GET {N}/serviceaccounts/nope", 404, "NotFound", 'serviceaccounts "nope" not found',
         details={"name": "nope", "kind": "serviceaccounts"}),
    Case("notfound-group", f"GET {APPS}/deployments/nope", 404, "NotFound", 'deployments.apps "nope" not found',
         details={"name": "nope", "group": "apps", "kind": "deployments"}),
    Case("notfound-namespace", "GET /api/v1/namespaces/nons", 404, "NotFound", 'namespaces "nons" not found',
         details={"name": "nons", "kind": "namespaces"}),
    Case("path-unknown-resource", "GET /api/v1/nonesuch", 404, "NotFound",
         "the server could not find the requested resource", details={}),
    Case("unknown-version", "GET /apis/apps/v2", 404, "NotFound",
         "the server could not find the requested resource", details={}),
    Case("put-absent", f"PUT {N}/configmaps/nope", 404, "NotFound", 'configmaps "nope" not found', body=_meta("nope")),
    Case("already-exists", f"POST {N}/configmaps", 409, "AlreadyExists", 'configmaps "c1" already exists',
         body=_meta("c1"), details={"name": "c1", "kind": "configmaps"}),
    Case("conflict-rv-put", f"PUT {N}/configmaps/c1", 409, "Conflict",
         'Operation cannot be fulfilled on configmaps "c1": the object has been modified; please apply your changes to '
         "the latest version and try again",
         body={"metadata": {"name": "c1", "resourceVersion": "1"}}, details={"name": "c1", "kind": "configmaps"}),
    Case("conflict-rv-patch", f"PATCH {N}/configmaps/c1", 409, "Conflict",
         'Operation cannot be fulfilled on configmaps "c1": the object has been modified; please apply your changes to '
         "the latest version and try again",
         body={"metadata": {"resourceVersion": "1"}, "data": {"z": "1"}}, content_type=MERGE),
    Case("put-name-mismatch", f"PUT {N}/configmaps/c1", 400, "BadRequest",
         "the name of the object (other) does not match the name on the URL (c1)", body=_meta("other")),
    Case("post-kind-mismatch", f"POST {N}/configmaps", 400, "BadRequest",
         'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown '
         "conversion", body={"kind": "Secret", "apiVersion": "v1", **_meta("q")}),
    Case("post-apiversion-mismatch", f"POST {N}/configmaps", 400, "BadRequest",
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
         '"apps/v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
         body={"kind": "ConfigMap", "apiVersion": "apps/v1", **_meta("q")}),
    Case("post-no-name", f"POST {N}/configmaps", 422, "Invalid", body={"metadata": {}}, details={"kind": "ConfigMap"},
         subject='ConfigMap ""',
         causes=(_required("metadata.name", "Required value: name or generateName is required"),)),
    Case("bad-name-sa", f"POST {N}/serviceaccounts", 422, "Invalid", body=_meta("Bad_Name"),
         details={"name": "Bad_Name", "kind": "ServiceAccount"}, subject='ServiceAccount "Bad_Name"',
         causes=(_bad("metadata.name", f'Invalid value: "Bad_Name": {SUBDOMAIN}'),)),
    Case("bad-name-ns", "POST /api/v1/namespaces", 422, "Invalid", body=_meta("Bad.Name"),
         subject='Namespace "Bad.Name"', causes=(_bad("metadata.name", f'Invalid value: "Bad.Name": {LABEL}'),)),
    Case("secret-bad-base64", f"POST {N}/secrets", 400, "BadRequest",
         'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
         body={**_meta("x1"), "data": {"k": "%%%"}}),
    Case("secret-tls-missing", f"POST {N}/secrets", 422, "Invalid", subject='Secret "x1"',
         body={**_meta("x1"), "type": "kubernetes.io/tls", "data": {}},
         causes=(_required("data[tls.crt]"), _required("data[tls.key]"))),
    Case("bad-labels", f"POST {N}/configmaps", 422, "Invalid", subject='ConfigMap "x1"',
         body={"metadata": {"name": "x1", "labels": {"a": "bad value!", "-bad/key": "v"}}},
         causes=(_bad("metadata.labels", f'Invalid value: "bad value!": {LABEL_VALUE}'),
                 _bad("metadata.labels", f'Invalid value: "-bad/key": prefix part {SUBDOMAIN}'))),
    Case("bad-cm-key", f"POST {N}/configmaps", 422, "Invalid", subject='ConfigMap "x1"',
         body={**_meta("x1"), "data": {"bad key": "v"}},
         causes=(_bad("data[bad key]", f'Invalid value: "bad key": {DATA_KEY}'),)),
    Case("secret-token-without-account", f"POST {N}/secrets", 422, "Invalid", subject='Secret "x1"',
         body={**_meta("x1"), "type": "kubernetes.io/service-account-token"},
         causes=(_required("metadata.annotations[kubernetes.io/service-account.name]"),)),
    Case("pod-no-containers", f"POST {N}/pods", 422, "Invalid", body={**_meta("px"), "spec": {}},
         subject='Pod "px"', causes=(_required("spec.containers"),)),
    Case("pod-bad-container", f"POST {N}/pods", 422, "Invalid", subject='Pod "px"',
         body={**_meta("px"), "spec": {"containers": [{"name": "Bad_C"}]}},
         causes=(_bad("spec.containers[0].name", f'Invalid value: "Bad_C": {LABEL}'),
                 _required("spec.containers[0].image"))),
    Case("pod-missing-sa", f"POST {N}/pods", 403, "Forbidden",
         'pods "px" is forbidden: error looking up service account f1/nosa: serviceaccount "nosa" not found',
         body={**_meta("px"), "spec": {"serviceAccountName": "nosa", "containers": [{"name": "c", "image": "i"}]}},
         details={"name": "px", "kind": "pods"}),
    Case("deploy-missing", f"POST {APPS}/deployments", 422, "Invalid", body={**_meta("dx"), "spec": {}},
         details={"name": "dx", "group": "apps", "kind": "Deployment"}, subject='Deployment.apps "dx"',
         causes=(_required("spec.selector"),
                 _bad("spec.template.metadata.labels",
                      "Invalid value: null: `selector` does not match template `labels`"),
                 _required("spec.template.spec.containers"))),
    Case("conflict-other-uid-put", f"PUT {N}/configmaps/c1", 409, "Conflict",
         'Operation cannot be fulfilled on configmaps "c1": the object has been modified; please apply your changes to '
         "the latest version and try again", body={"metadata": {"name": "c1", "uid": "other"}}),
    Case("immutable-pod", f"PATCH {N}/pods/p2", 422, "Invalid", body={"spec": {"serviceAccountName": "zz"}},
         content_type=MERGE, details={"name": "p2", "kind": "Pod"}, subject='Pod "p2"',
         causes=(("spec", "FieldValueForbidden", IMMUTABLE_POD),)),
    Case("immutable-roleref", f"PATCH {RBAC}/clusterrolebindings/cluster-admin", 422, "Invalid", content_type=MERGE,
         body={"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}},
         details={"name": "cluster-admin", "group": "rbac.authorization.k8s.io", "kind": "ClusterRoleBinding"},
         subject='ClusterRoleBinding.rbac.authorization.k8s.io "cluster-admin"',
         causes=(_bad("roleRef", 'Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":'
                      '"view"}: cannot change roleRef'),)),
    Case("patch-name", f"PATCH {N}/configmaps/c1", 400, "BadRequest",
         "the name of the object (zz) does not match the name on the URL (c1)", body=_meta("zz"), content_type=MERGE),
    Case("wrong-type", f"POST {N}/serviceaccounts", 400, "BadRequest",
         'ServiceAccount in version "v1" cannot be handled as a ServiceAccount: json: cannot unmarshal string into Go '
         "struct field ServiceAccount.automountServiceAccountToken of type bool",
         body={**_meta("x1"), "automountServiceAccountToken": "yes"}),
    Case("malformed-json", f"POST {N}/serviceaccounts", 400, "BadRequest", UNRECOGNIZED + ' ({"metadata":)',
         body='{"metadata":'),
    Case("empty-body", f"POST {N}/serviceaccounts", 400, "BadRequest", UNRECOGNIZED + " (<empty>)", body=""),
    Case("unsupported-media-post", f"POST {N}/serviceaccounts", 415, "UnsupportedMediaType",
         "the body of the request was in an unknown format - accepted media types include: application/json, "
         "application/yaml, application/vnd.kubernetes.protobuf", body="a: b", content_type="text/plain"),
    Case("unsupported-media-patch", f"PATCH {N}/configmaps/c1", 415, "UnsupportedMediaType",
         "415: Unsupported Media Type", body="{}", details={}),
    Case("malformed-merge-patch", f"PATCH {N}/configmaps/c1", 400, "BadRequest",
         "error decoding patch: unexpected end of JSON input", body="{", content_type=MERGE),
    Case("jsonpatch-test-failed", f"PATCH {N}/configmaps/c1", 422, "Invalid",
         "the server rejected our request due to an error in our request",
         body=[{"op": "test", "path": "/data/a", "value": "nope"}], content_type=JSON_PATCH, details={}),
    Case("not-acceptable", f"GET {N}/configmaps/c1", 406, "NotAcceptable",
         "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
         "application/vnd.kubernetes.protobuf", accept="text/html", details={}),
    Case("fieldValidation-Strict", f"POST {N}/configmaps?dryRun=All&fieldValidation=Strict", 400, "BadRequest",
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field '
         '"metadata.bogusMeta", unknown field "bogus", duplicate field "data.a"',
         body='{"metadata":{"name":"fv","bogusMeta":1},"bogus":{"x":1},"data":{"a":"1","a":"2"}}'),
    Case("fieldValidation-Bogus", f"POST {N}/configmaps?fieldValidation=Bogus", 422, "Invalid", body=_meta("fv"),
         details={"group": "meta.k8s.io", "kind": "CreateOptions"}, subject='CreateOptions.meta.k8s.io ""',
         causes=(("fieldValidation", "FieldValueNotSupported",
                  'Unsupported value: "Bogus": supported values: "", "Ignore", "Strict", "Warn"'),)),
    Case("fieldValidation-Strict-smp", f"PATCH {N}/configmaps/c1?fieldValidation=Strict&dryRun=All", 422, "Invalid",
         body={"bogus": 1}, content_type=STRATEGIC, details={}, subject=' ""',
         causes=(_bad("patch", 'Invalid value: "map[bogus:1]": strict decoding error: unknown field "bogus"'),)),
    Case("strict-smp-of-every-type", f"PATCH {N}/configmaps/c1?fieldValidation=Strict", 422, "Invalid",
         body='{"z":{"y":[true,null,"t"],"b":2},"a":1,"a":1}', content_type=STRATEGIC, subject=' ""',
         causes=(_bad("patch", 'Invalid value: "map[a:1 z:map[b:2 y:[true <nil> t]]]": strict decoding error: '
                      'duplicate field "a", unknown field "z", unknown field "a"'),)),
    Case("strict-yaml", f"POST {N}/configmaps?fieldValidation=Strict", 400, "BadRequest",
         'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n'
         '  line 3: key "a" already set in map\n  line 4: key "data" already set in map, unknown field "bogus"',
         body="metadata: {name: y}\ndata:\n  {a: x, a: y}\ndata: {}\nbogus: 1", content_type="application/yaml"),
    Case("fieldValidation-Strict-apply", f"PATCH {N}/configmaps/c1?fieldManager=t&fieldValidation=Strict", 500, None,
         "failed to create typed patch object (/c1; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
         body={"apiVersion": "v1", "kind": "ConfigMap", **_meta("c1"), "bogus": 1}, content_type=APPLY),
    Case("apply-no-fieldManager", f"PATCH {N}/configmaps/c1", 422, "Invalid", content_type=APPLY,
         body={"apiVersion": "v1", "kind": "ConfigMap", **_meta("c1")}, subject='PatchOptions.meta.k8s.io ""',
         causes=(_required("fieldManager", "Required value: is required for apply patch"),)),
    Case("apply-create-invalid", f"PATCH {N}/pods/fr4?fieldManager=m", 422, "Invalid", content_type=APPLY,
         body={"apiVersion": "v1", "kind": "Pod", **_meta("fr4"), "spec": {"containers": [{"name": "c"}]}},
         details={"name": "fr4", "kind": "Pod"}, subject='Pod "fr4"',
         causes=(_required("spec.containers[0].image"),)),
    Case("apply-in-missing-namespace", "PATCH /api/v1/namespaces/nons/configmaps/c?fieldManager=m", 404, "NotFound",
         'namespaces "nons" not found', body={"apiVersion": "v1", "kind": "ConfigMap"}, content_type=APPLY),
    Case("apply-long-manager", f"PATCH {N}/configmaps/c1?fieldManager={'m' * 129}", 422, "Invalid",
         body={"apiVersion": "v1", "kind": "ConfigMap"}, content_type=APPLY, subject='PatchOptions.meta.k8s.io ""',
         causes=(("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"),)),
    Case("apply-cbor", f"PATCH {N}/configmaps/c1?fieldManager=m", 415, "UnsupportedMediaType",
         "415: Unsupported Media Type", body="x", content_type="application/apply-patch+cbor"),
    Case("cbor", f"POST {N}/configmaps", 415, "UnsupportedMediaType", body="x", content_type="application/cbor"),
    Case("accept-cbor", f"GET {N}/configmaps", 406, "NotAcceptable", accept="application/cbor"),
    Case("force-without-apply", f"PATCH {N}/configmaps/c1?force=true", 422, "Invalid", body={}, content_type=MERGE,
         subject='PatchOptions.meta.k8s.io ""',
         causes=(("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch"),)),
    Case("dryRun-unknown", f"POST {N}/configmaps?dryRun=Nope", 422, "Invalid", body=_meta("d"),
         subject='CreateOptions.meta.k8s.io ""',
         causes=(("dryRun", "FieldValueNotSupported", 'Unsupported value: ["Nope"]: supported values: "All"'),)),
    Case("delete-bad-propagation", f"DELETE {N}/configmaps/c1", 422, "Invalid", body={"propagationPolicy": "Nope"},
         subject='DeleteOptions.meta.k8s.io ""',
         causes=(("propagationPolicy", "FieldValueNotSupported",
                  'Unsupported value: "Nope": supported values: "Foreground", "Background", "Orphan", "nil"'),)),
    Case("method-post-on-item", f"POST {N}/configmaps/c1", 405, "MethodNotAllowed",
         "the server does not allow this method on the requested resource", body=_meta("d"), details={}),
    *(Case(f"method-{request.split('?')[0].replace('/', '-')}", request, 405, "MethodNotAllowed",
           "the server does not allow this method on the requested resource", body={}, content_type=content_type)
      for request, content_type in [
          (f"PUT {N}/configmaps", ""), (f"PATCH {N}/configmaps", MERGE), ("DELETE /api/v1/namespaces", ""),
          (f"GET {N}/serviceaccounts/default/token", ""), (f"OPTIONS {N}/configmaps/c1", ""),
          (f"BREW {N}/configmaps/c1", ""), ("POST /version", ""), ("POST /openid/v1/jwks", ""),
          ("POST /.well-known/openid-configuration", "")]),
    Case("bad-field-selector", f"GET {N}/configmaps?fieldSelector=data.x%3D1", 400, "BadRequest",
         '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    *(Case(f"bad-field-of-{kind}", f"GET /api/v1/{kind}?fieldSelector=bogus%3D1", 400, "BadRequest",
           "field label not supported: bogus") for kind in ("pods", "events", "secrets", "services", "namespaces")),
    *(Case(f"bad-field-of-{path.rpartition('/')[2]}", f"GET {path}?fieldSelector=bogus%3D1", 400, "BadRequest",
           '"bogus" is not a known field selector: only "metadata.name", "metadata.namespace"')
      for path in (f"{N}/serviceaccounts", f"{APPS}/deployments", f"{APPS}/replicasets")),
    Case("bad-label-selector", f"GET {N}/configmaps?labelSelector=a%20b%20c", 400, "BadRequest",
         "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    Case("bad-rv", f"GET {N}/configmaps?resourceVersion=abc", 400, "BadRequest",
         'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid '
         "syntax"),
    Case("create-with-resourceVersion", f"POST {N}/configmaps", 500, None,
         "resourceVersion should not be set on objects to be created",
         body={"metadata": {"name": "rvset", "resourceVersion": "7"}}),
    Case("too-large-3M", f"POST {N}/configmaps", 413, "RequestEntityTooLarge",
         "Request entity too large: limit is 3145728", body="x" * (3 << 20) + "x"),
    Case("too-large-cm-1M", f"POST {N}/configmaps", 422, "Invalid", subject='ConfigMap "big"',
         body={**_meta("big"), "data": {"a": "x" * (1 << 20) + "x"}},
         causes=(("[]", "FieldValueTooLong", "Too long: may not be more than 1048576 bytes"),)),
    Case("exec-no-upgrade", f"GET {N}/pods/p2/exec?command=x", 400, "BadRequest",
         "a container name must be specified for pod p2, choose one of: [c d]"),
    Case("exec-unscheduled", f"GET {N}/pods/p2/exec?command=x&container=c", 400, "BadRequest",
         "pod p2 does not have a host assigned"),
    Case("tr-exp-599", f"POST {N}/serviceaccounts/default/token", 422, "Invalid",
         body={"spec": {"expirationSeconds": 599}}, details={"group": "authentication.k8s.io", "kind": "TokenRequest"},
         subject='TokenRequest.authentication.k8s.io ""',
         causes=(_bad("spec.expirationSeconds", "Invalid value: 599: may not specify a duration less than 10 "
                      "minutes"),)),
    Case("tr-missing-sa", f"POST {N}/serviceaccounts/nope/token", 404, "NotFound",
         'serviceaccounts "nope" not found', body={}, details={"name": "nope", "kind": "serviceaccounts"}),
    Case("missing-namespace", "POST /api/v1/namespaces/nons/configmaps", 404, "NotFound",
         'namespaces "nons" not found', body=_meta("c")),
    Case("protected-namespace", "DELETE /api/v1/namespaces/kube-system", 403, "Forbidden",
         'namespaces "kube-system" is forbidden: this namespace may not be deleted'),
    Case("mwc-invalid", f"POST {WEBHOOKS}", 422, "Invalid",
         subject='MutatingWebhookConfiguration.admissionregistration.k8s.io "bad"',
         body={**_meta("bad"), "webhooks": [
             {"name": "short", "clientConfig": {}, "sideEffects": "Some", "admissionReviewVersions": ["v9"],
              "timeoutSeconds": 31}]},
         causes=(
             _bad("webhooks[0].name",
                  'Invalid value: "short": should be a domain with at least three segments separated by dots'),
             ("webhooks[0].sideEffects", "FieldValueNotSupported",
              'Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
             _bad("webhooks[0].timeoutSeconds",
                  "Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
             _required("webhooks[0].clientConfig", "Required value: exactly one of url or service is required"),
             _bad("webhooks[0].admissionReviewVersions",
                  'Invalid value: ["v9"]: must include at least one of v1, v1beta1'))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_refusal_reads_as_recorded(api: Api, cluster: Cluster, case: Case) -> None:
    await cluster.create("configmaps", {"metadata": {"name": "c1"}, "data": {"a": "1"}}, namespace="f1")
    spec = {"containers": [{"name": name, "image": "i"} for name in "cd"]}
    await cluster.create("pods", {"metadata": {"name": "p2"}, "spec": spec}, namespace="f1")
    role = {"kind": "ClusterRole", "name": "cluster-admin"}
    bindings = "clusterrolebindings.rbac.authorization.k8s.io"
    await cluster.create(bindings, {"metadata": {"name": "cluster-admin"}, "roleRef": role})
    method, path = case.request.split(" ", 1)
    response = await api.ask(method, path, case.body, content_type=case.content_type, accept=case.accept)
    status = response.json()
    assert (response.status_code, status["code"]) == (case.code, case.code)
    assert status.get("reason") == case.reason
    if case.causes:
        causes = [(cause["field"], cause["reason"], cause["message"]) for cause in status["details"]["causes"]]
        assert causes == list(case.causes)
        texts = [f"{field}: {message}" for field, _, message in case.causes]
        expected = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        assert status["message"] == f"{case.subject} is invalid: {expected}"
    elif case.message:
        assert status["message"] == case.message
    if case.details is not None:
        assert {name: value for name, value in status.get("details", {}).items() if name != "causes"} == case.details


async def test_a_status_has_the_keys_of_the_real_one_in_their_order(api: Api) -> None:
    response = await api.ask("GET", f"{N}/serviceaccounts/nope")
    expected = ["kind", "apiVersion", "metadata", "status", "message", "reason", "details", "code"]
    assert list(response.json()) == expected
    assert response.headers["content-type"] == "application/json"
    assert response.text.endswith("\n")


async def test_an_unknown_group_is_a_plain_404(api: Api) -> None:
    response = await api.ask("GET", "/apis/none.example/v1/things")
    assert (response.status_code, response.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    "path",
    [
        "/apis/batch/v1/namespaces/f1/jobs",
        "/apis/apps/v1/namespaces/f1/controllerrevisions",
        "/api/v1/persistentvolumes",
        f"{N}/pods/p/portforward",
        f"{N}/pods/p/log?timestamps=true",
        f"{N}/pods/p/log?sinceSeconds=5",
        f"{N}/pods/p/log?sinceTime=2026-01-01T00:00:00Z",
        f"{N}/pods/p/log?stream=Stderr",
        "/apis/storage.k8s.io",
    ],
)
async def test_what_only_a_real_cluster_has_is_a_loud_501(api: Api, path: str) -> None:
    response = await api.ask("GET", path)
    assert response.status_code == 501
    assert path.partition("?")[0] in api.simulation.unknown[0]


async def test_a_custom_resource_is_a_loud_501(api: Api, cluster: Cluster) -> None:
    things = "/apis/ex.io/v1/namespaces/f1/things"
    assert (await api.ask("GET", things)).status_code == 404
    names = {"plural": "things", "kind": "Thing"}
    definition = {"metadata": {"name": "things.ex.io"}, "spec": {"group": "ex.io", "names": names}}
    await cluster.create("customresourcedefinitions.apiextensions.k8s.io", definition)
    for path in (things, "/apis/ex.io/v1", "/apis/ex.io"):
        assert (await api.ask("GET", path)).status_code == 501


async def test_an_immutable_uid_is_named_once_but_kept_twice(api: Api, cluster: Cluster) -> None:
    await cluster.create("configmaps", {"metadata": {"name": "c1"}}, namespace="f1")
    patch = {"metadata": {"uid": "zz"}}
    status = (await api.ask("PATCH", f"{N}/configmaps/c1", patch, content_type=MERGE)).json()
    assert status["message"] == 'ConfigMap "c1" is invalid: metadata.uid: Invalid value: "zz": field is immutable'
    assert len(status["details"]["causes"]) == 2
