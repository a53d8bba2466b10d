"""What clients learn about the API server before they use it, and how they prove who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from one_cluster import HOST, TOKEN, Api, OneCluster

from simulator.authority import Authority
from simulator.kubernetes.api import KubernetesApi
from simulator.kubernetes.cluster import Cluster

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OLDER = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
N = "/api/v1/namespaces/f1"


async def test_aggregated_discovery_is_cached_by_its_tag(api: Api) -> None:
    accept = f"{AGGREGATED},{OLDER},application/json"
    response = await api.ask("GET", "/apis", accept=accept)
    assert response.headers["content-type"] == AGGREGATED
    assert response.headers["vary"] == "Accept"
    tag = response.headers["etag"]
    again = await api.http.get("/apis", headers={"Accept": accept, "If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


async def test_a_discovered_resource_names_its_foreign_subresources(api: Api) -> None:
    response = await api.ask("GET", "/api", accept=AGGREGATED)
    listed = response.json()["items"][0]["versions"][0]["resources"]
    account = next(item for item in listed if item["resource"] == "serviceaccounts")
    assert account["responseKind"] == {"group": "", "version": "", "kind": "ServiceAccount"}
    assert (account["scope"], account["singularResource"], account["shortNames"]) == (
        "Namespaced",
        "serviceaccount",
        ["sa"],
    )
    kind = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    assert account["subresources"] == [{"subresource": "token", "responseKind": kind, "verbs": ["create"]}]


async def test_older_aggregated_discovery_alone_is_not_acceptable(api: Api) -> None:
    assert (await api.ask("GET", "/apis", accept=OLDER)).status_code == 406


async def test_plain_discovery(api: Api) -> None:
    assert (await api.get("/api"))["versions"] == ["v1"]
    groups = [group["name"] for group in (await api.get("/apis/"))["groups"]]
    assert groups[0] == "apps"
    for group in groups:
        resources = await api.get(f"/apis/{group}/v1")
        assert resources["groupVersion"] == f"{group}/v1"
    core = await api.get("/api/v1")
    assert "apiVersion" not in core
    token = next(item for item in core["resources"] if item["name"] == "serviceaccounts/token")
    assert (token["kind"], token["group"], token["version"]) == ("TokenRequest", "authentication.k8s.io", "v1")
    assert (await api.get("/apis/apps"))["preferredVersion"]["groupVersion"] == "apps/v1"


async def test_version_and_health_are_for_everybody(api: Api) -> None:
    anyone = api.as_user("")
    assert (await anyone.get("/version"))["gitVersion"] == "v1.36.2"
    version = await anyone.ask("GET", "/version/")
    assert version.text.startswith('{\n  "major": "1",\n  "minor": "36",\n  "emulationMajor": "1",\n')
    assert version.headers["content-type"] == "application/json"
    for path in ("/healthz", "/livez", "/readyz"):
        health = await anyone.ask("GET", path)
        assert health.text == "ok"
        assert health.headers["content-type"] == "text/plain; charset=utf-8"
        assert health.headers["x-content-type-options"] == "nosniff"
    assert "[+]ping ok\n" in (await anyone.ask("GET", "/readyz?verbose")).text


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((f"{path}/", 200) for path in ("/api", "/apis", "/version", f"{N}/configmaps", f"{N}/serviceaccounts/wi")),
        *((f"{path}/", 404) for path in ("/healthz", "/livez", "/readyz")),
    ],
)
async def test_a_slash_at_the_end_is_passed_over_except_after_a_health_path(
    api: Api, cluster: Cluster, path: str, code: int
) -> None:
    await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")
    assert (await api.ask("GET", path)).status_code == code


REFUSED = [
    ("GET", f"{N}/secrets", 'secrets is forbidden: User "{user}" cannot list resource "secrets" in API group "" in the '
     'namespace "f1"', {"kind": "secrets"}),
    ("GET", f"{N}/secrets/x", 'secrets "x" is forbidden: User "{user}" cannot get resource "secrets" in API group "" '
     'in the namespace "f1"', {"name": "x", "kind": "secrets"}),
    ("POST", f"{N}/pods", 'pods is forbidden: User "{user}" cannot create resource "pods" in API group "" in the '
     'namespace "f1"', {"kind": "pods"}),
    ("POST", f"{N}/serviceaccounts/wi/token", 'serviceaccounts "wi" is forbidden: User "{user}" cannot create resource '
     '"serviceaccounts/token" in API group "" in the namespace "f1"', {"name": "wi", "kind": "serviceaccounts"}),
    ("DELETE", "/apis/apps/v1/deployments", 'deployments.apps is forbidden: User "{user}" cannot deletecollection '
     'resource "deployments" in API group "apps" at the cluster scope', {"group": "apps", "kind": "deployments"}),
    ("GET", "/metrics", 'forbidden: User "{user}" cannot get path "/metrics"', {}),
    ("GET", "/healthz/", 'forbidden: User "{user}" cannot get path "/healthz/"', {}),
    ("POST", "/version", 'forbidden: User "{user}" cannot post path "/version"', {}),
]  # fmt: skip
REFUSED_TO_THE_ANONYMOUS = [
    *REFUSED,
    *(("GET", path, f'forbidden: User "{{user}}" cannot get path "{path}"', {})
      for path in ("/api", "/apis", "/openapi/v3", "/openid/v1/jwks", "/.well-known/openid-configuration")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("user", "method", "path", "message", "details"),
    [
        *(("system:serviceaccount:f1:wi", *row) for row in REFUSED),
        *(("system:anonymous", *row) for row in REFUSED_TO_THE_ANONYMOUS),
    ],
)
async def test_who_may_not_is_told_what(
    api: Api, cluster: Cluster, user: str, method: str, path: str, message: str, details: dict[str, str]
) -> None:
    await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")
    token = ""
    if user != "system:anonymous":
        token = (await api.post(f"{N}/serviceaccounts/wi/token", {}))["status"]["token"]
    response = await api.as_user(token).ask(method, path, None if method == "GET" else {})
    status = response.json()
    assert (response.status_code, status["reason"]) == (403, "Forbidden")
    assert (status["message"], status["details"]) == (message.format(user=user), details)
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_first_acceptable_form_wins(api: Api) -> None:
    table = await api.get(f"{N}/serviceaccounts", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "default")
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    metadata = await api.get(
        f"{N}/serviceaccounts/default", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    )
    assert metadata["kind"] == "PartialObjectMetadata"
    plain = await api.get(f"{N}/serviceaccounts", "application/vnd.kubernetes.protobuf,application/json")
    assert plain["kind"] == "ServiceAccountList"
    response = await api.ask("GET", f"{N}/serviceaccounts/default", accept="application/yaml")
    assert response.text.startswith("kind: ServiceAccount\n")


async def test_a_table_includes_whole_objects_on_request(api: Api) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    table = await api.get(f"{N}/serviceaccounts/default?includeObject=Object", accept)
    assert table["rows"][0]["object"]["kind"] == "ServiceAccount"


async def test_a_token_that_nobody_knows_is_unauthorized(api: Api) -> None:
    response = await api.as_user("garbage").ask("GET", "/version")
    assert (response.status_code, response.json()["message"]) == (401, "Unauthorized")


async def test_local_accounts_can_be_switched_off(api: Api, cluster: Cluster) -> None:
    cluster.state.local_accounts = False
    assert (await api.ask("GET", f"{N}/pods")).status_code == 401


async def test_a_client_certificate_names_user_and_groups(simulation: OneCluster, tmp_path: Path) -> None:
    pem, _ = Authority.open(tmp_path).issue("masterclient", groups=("system:masters",))
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    app: Any = KubernetesApi(simulation)  # type: ignore[arg-type]

    async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"peer_certificate": der}, receive, send)

    api = Api(simulation, "", with_certificate)
    review = await api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    info = review["status"]["userInfo"]
    assert (info["username"], info["groups"]) == ("masterclient", ["system:masters", "system:authenticated"])
    assert len((await api.get("/api/v1/namespaces"))["items"]) == 5


@pytest.mark.parametrize(("admins", "status"), [(["me"], 200), (["other"], 403)])
async def test_entra_users_are_known_by_object_id(
    api: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, admins: list[str], status: int
) -> None:
    async def verify(_simulation: object, token: str, audience: str) -> dict[str, Any] | None:
        assert audience == "6dae42f8-4368-4678-94ff-3960e28e3630"
        return {"oid": "me", "idtyp": "app"} if token == "entra" else None

    monkeypatch.setattr("simulator.azure.tokens.verify", verify)
    cluster.state.entra_integrated, cluster.state.admins = True, admins
    response = await api.as_user("entra").ask("GET", f"{N}/pods")
    assert response.status_code == status
    if status == 403:
        assert 'User "me" cannot list resource "pods"' in response.json()["message"]


async def test_entra_tokens_are_refused_without_integration(api: Api, cluster: Cluster) -> None:
    assert cluster.state.static_token == TOKEN
    assert (await api.as_user("entra").ask("GET", f"{N}/pods")).status_code == 401


async def test_access_reviews_answer_for_the_caller_and_for_others(api: Api) -> None:
    attributes = {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "f1"}}
    own = await api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": attributes})
    assert own["status"] == {"allowed": True}
    spec = attributes | {"user": "nobody"}
    other = await api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    assert other["status"] == {"allowed": False}


async def test_another_host_is_not_a_cluster(api: Api) -> None:
    response = await api.http.get("https://elsewhere.azmk8s.io/version")
    assert (response.status_code, HOST in response.text) == (501, False)


async def test_logs_of_a_container(api: Api, cluster: Cluster) -> None:
    cluster.pod_log = lambda namespace, pod, container: f"{namespace}/{pod}/{container}\none\ntwo\n".encode()
    containers = [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]
    await cluster.create("pods", {"metadata": {"name": "p"}, "spec": {"containers": containers}}, namespace="f1")
    assert (await api.ask("GET", f"{N}/pods/p/log?container=c")).status_code == 204
    stored = cluster.get("pods", "p", "f1") or {}
    stored["spec"]["nodeName"] = "n1"
    cluster.write("pods", stored)
    response = await api.ask("GET", f"{N}/pods/p/log?container=d", accept="application/json")
    assert (response.text, response.headers["content-type"]) == ("f1/p/d\none\ntwo\n", "text/plain")
    assert "content-length" not in response.headers
    assert (await api.ask("GET", f"{N}/pods/p/log?container=d&tailLines=1")).text == "two\n"
    which = await api.ask("GET", f"{N}/pods/p/log")
    assert which.json()["message"] == "a container name must be specified for pod p, choose one of: [c d]"
    unknown = await api.ask("GET", f"{N}/pods/p/log?container=x")
    assert unknown.json()["message"] == "container x is not valid for pod p"


async def test_a_followed_log_goes_on_until_its_container_ends(api: Api, cluster: Cluster) -> None:
    """The container prints a line for each look; after the third it has ended."""
    printed: list[str] = []

    def log(namespace: str, pod: str, container: str) -> bytes:
        printed.append(f"{len(printed)}\n")
        if len(printed) == 3:
            ended = cluster.get("pods", pod, namespace) or {}
            ended["status"] = {"containerStatuses": [{"name": container, "state": {"terminated": {}}}]}
            cluster.write("pods", ended)
        return "".join(printed).encode()

    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
    status = {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    cluster.pod_log = log
    cluster.write("pods", {"metadata": {"name": "p", "namespace": "f1"}, "spec": spec, "status": status})
    assert (await api.ask("GET", f"{N}/pods/p/log?follow=true")).text == "0\n1\n2\n3\n"
