"""Whatever is sent to the simulated services, they answer: in their own words, never with a crash or with silence."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.spec import Fleet
from simulator.azure import arm, entra, graph, vault_data
from simulator.hosts import Hosts
from simulator.kubernetes.resources import RESOURCES
from simulator.routing import Route
from tests.conftest import Cloud, running_cloud

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
"""Of each kind; FUZZ_EXAMPLES=10000 looks longer."""
SECONDS = 10
"""In which every answer comes."""

HOSTS = {
    "management.azure.com": [route for table in arm.TABLES for route in table.table],
    "graph.microsoft.com": graph.ROUTES.table,
    "login.microsoftonline.com": entra.ROUTES.table,
    "sysadminas-demo-kv.vault.azure.net": vault_data.ROUTES.table,
}
NAMES = (
    "sysadminas", "sysadminas-aks", "sysadminas-demo-kv", "sysadminas-demo-kv-secret", "sysadminas-demo-sa", "default",
    "sysadminas-demo", "azure-wi-demo", "22222222-2222-4222-8222-222222222222", "11111111-1111-4111-8111-111111111111",
    "33333333-3333-4333-8333-333333333333", "Microsoft.KeyVault", "Microsoft.ContainerService", "westeurope", "add",
)  # fmt: skip
QUERIES = (
    "api-version", "$filter", "$top", "$select", "$expand", "$count", "$skiptoken", "maxresults", "labelSelector",
    "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "watch", "timeoutSeconds",
    "dryRun", "fieldManager", "force", "fieldValidation", "propagationPolicy", "gracePeriodSeconds", "container",
    "tailLines",
)  # fmt: skip
VALUES = ("2025-01-01", "7.4", "", "true", "-1", "abc", "999999999999999999999", "tags/any(t:t eq 'x')", "name eq 'x'")
TYPES = (
    "application/json", "application/x-www-form-urlencoded", "application/yaml", "text/plain", "",
    "application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "application/json; charset=klingon",
)  # fmt: skip
MEMBERS = (
    "properties", "tags", "location", "accessPolicies", "sku", "tenantId", "displayName", "appId", "uniqueName", "name",
    "issuer", "subject", "audiences", "value", "attributes", "exp", "enabled", "requests", "metadata", "spec", "status",
    "labels", "annotations", "template", "containers", "selector", "webhooks", "rules", "data", "apiVersion", "kind",
    "namespace", "ownerReferences", "finalizers", "managedFields", "op", "path", "id", "method", "url", "principalId",
    "roleDefinitionId", "oidcIssuerProfile", "securityProfile", "passwordCredential", "replicas", "expirationSeconds",
)  # fmt: skip

words = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))
numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
leaves = st.one_of(st.none(), st.booleans(), numbers, words)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(MEMBERS), st.text(max_size=6)), inner, max_size=5),
    ),
    max_leaves=25,
)
bodies = st.one_of(
    values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(MEMBERS), values, max_size=6).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.sampled_from([b"", b"{", b"[]", b"null", b"{}" * 3, b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe{}"]),
)
queries = st.dictionaries(
    st.sampled_from(QUERIES), st.one_of(st.sampled_from(VALUES), st.text(max_size=10)), max_size=4
)


@dataclass(repr=False)
class Target:
    """A cloud with the demo's chain in it, asked without sockets so that whatever is raised comes through."""

    cloud: Cloud
    loop: asyncio.AbstractEventLoop
    http: httpx.AsyncClient
    tokens: dict[str, str]

    def ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        """One request, as the operator."""
        host = httpx.URL(url).host
        headers = {"Authorization": f"Bearer {self.tokens.get(host, '')}", **headers}
        request = self.http.request(method, url, headers=headers, content=body)
        return self.loop.run_until_complete(asyncio.wait_for(request, SECONDS))


async def _tokens(cloud: Cloud) -> dict[str, str]:
    resources = {host: f"https://{host}" for host in ("management.azure.com", "graph.microsoft.com")}
    resources["sysadminas-demo-kv.vault.azure.net"] = "https://vault.azure.net"
    tokens = {host: await cloud.sign_in(resource) for host, resource in resources.items()}
    for cluster in cloud.simulator.simulation.clusters.values():
        tokens[cluster.state.fqdn] = cluster.state.static_token
    return tokens


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> Iterator[Target]:
    loop = asyncio.new_event_loop()

    async def fill(cloud: Cloud) -> dict[str, str]:
        await cloud.apply(fleet)
        return await _tokens(cloud)

    running = running_cloud(tmp_path_factory.mktemp("cloud"))
    cloud = loop.run_until_complete(running.__aenter__())
    try:
        tokens = loop.run_until_complete(fill(cloud))
        transport = httpx.ASGITransport(Hosts(cloud.simulator.simulation))
        yield Target(cloud, loop, httpx.AsyncClient(transport=transport), tokens)
    finally:
        cloud.simulator.simulation.unknown.clear()  # asked for on purpose
        loop.run_until_complete(running.__aexit__(None, None, None))
        loop.close()


def filled(route: Route, words: list[str]) -> str:
    """The route's path with something in each gap."""
    given = iter(words)
    return re.sub(r"\{[^}]*\}", lambda _: quote(next(given, "x") or "x", safe=""), route.template)


requests = st.sampled_from([(host, route) for host, table in HOSTS.items() for route in table])
methods = st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE"])
fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzed
@given(chosen=requests, gaps=st.lists(words, min_size=6, max_size=6), query=queries, body=bodies,
       kind=st.sampled_from(TYPES), version=st.sampled_from(["2025-01-01", "7.4", "2022-04-01"]))  # fmt: skip
def test_azure_answers_whatever_is_sent(
    target: Target,
    chosen: tuple[str, Route],
    gaps: list[str],
    query: dict[str, str],
    body: bytes,
    kind: str,
    version: str,
) -> None:
    host, route = chosen
    url = httpx.URL(f"https://{host}{filled(route, gaps)}").copy_merge_params({"api-version": version, **query})
    answer = target.ask(route.method, str(url), {"Content-Type": kind}, body)
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.status_code >= 400 and answer.content:
        assert "error" in answer.json() or "code" in answer.json(), answer.text


@fuzzed
@given(resource=st.sampled_from(RESOURCES), method=methods, place=st.tuples(words, words),
       part=st.sampled_from(["", "", "", "/status", "/scale", "/token", "/log", "/nonsense"]), named=st.booleans(),
       query=queries, body=bodies, kind=st.sampled_from(TYPES))  # fmt: skip
def test_kubernetes_answers_whatever_is_sent(
    target: Target,
    resource: Any,
    method: str,
    place: tuple[str, str],
    part: str,
    named: bool,
    query: dict[str, str],
    body: bytes,
    kind: str,
) -> None:
    query.pop("watch", None)  # which streams
    query.pop("follow", None)
    (cluster,) = target.cloud.simulator.simulation.clusters.values()
    namespace, name = (quote(one or "x", safe="") for one in place)
    base = f"/apis/{resource.group}/v1" if resource.group else "/api/v1"
    space = f"/namespaces/{namespace}" if resource.namespaced else ""
    path = f"{base}{space}/{resource.name}" + (f"/{name}{part}" if named else "")
    url = httpx.URL(f"https://{cluster.state.fqdn}{path}").copy_merge_params(query)
    answer = target.ask(method, str(url), {"Content-Type": kind}, body)
    if answer.status_code >= 500 and answer.status_code != 501:
        assert answer.json()["kind"] == "Status", answer.text  # a real one, too, answers 500 to some of it
    if answer.status_code >= 400 and answer.headers["Content-Type"].startswith("application/json"):
        assert answer.json().get("kind") == "Status" or answer.status_code == 501, answer.text


SOUND = {
    "serviceaccounts": {"metadata": {"name": "fuzzed", "annotations": {"a": "b"}}, "imagePullSecrets": [{"name": "x"}]},
    "pods": {
        "metadata": {"name": "fuzzed", "labels": {"azure.workload.identity/use": "true"}},
        "spec": {
            "serviceAccountName": "sysadminas-demo-sa",
            "containers": [{"name": "c", "image": "nginx", "env": [{"name": "A", "value": "b"}]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    },
    "deployments": {
        "metadata": {"name": "fuzzed"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}]},
            },
        },
    },
    "services": {"metadata": {"name": "fuzzed"}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]}},
    "roles": {"metadata": {"name": "fuzzed"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "mutatingwebhookconfigurations": {
        "metadata": {"name": "fuzzed"},
        "webhooks": [
            {
                "name": "a.b.c",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"namespace": "default", "name": "x"}},
                "rules": [{"apiGroups": ["x"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["y"]}],
            }
        ],
    },
}
"""Objects that are accepted as they are, to be spoilt in one place."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something in a value can be replaced."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def spoilt(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with something else at the place."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = spoilt(copy[path[0]], path[1:], by)
    return copy


spoilings = st.sampled_from([(name, place) for name, sound in SOUND.items() for place in places(sound)])


@fuzzed
@given(spoiling=spoilings, by=values, apply=st.booleans())
def test_kubernetes_answers_an_object_that_is_wrong_in_one_place(
    target: Target, spoiling: tuple[str, tuple[Any, ...]], by: Any, apply: bool
) -> None:
    name, place = spoiling
    resource = next(one for one in RESOURCES if one.name == name)
    (cluster,) = target.cloud.simulator.simulation.clusters.values()
    base = f"/apis/{resource.group}/v1" if resource.group else "/api/v1"
    url = f"https://{cluster.state.fqdn}{base}{'/namespaces/default' if resource.namespaced else ''}/{name}"
    body = {"apiVersion": resource.api_version, "kind": resource.kind, **SOUND[name]}
    content = json.dumps(spoilt(body, place, by)).encode()
    if apply:
        kind = {"Content-Type": "application/apply-patch+yaml"}
        answer = target.ask("PATCH", f"{url}/fuzzed?fieldManager=fuzz&dryRun=All", kind, content)
    else:
        answer = target.ask("POST", f"{url}?dryRun=All", {"Content-Type": "application/json"}, content)
    assert answer.status_code < 500 or answer.json()["kind"] == "Status", answer.text


def test_the_chain_is_still_served_after_all_that(target: Target) -> None:
    for cluster in target.cloud.simulator.simulation.clusters.values():
        answer = target.ask("GET", f"https://{cluster.state.fqdn}/readyz", {}, b"")
        assert answer.text == "ok"
    assert Path(target.cloud.simulator.simulation.directory).is_dir()
