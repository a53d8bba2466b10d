"""Unmodified clients against the API server over a socket: kubectl, helm, and the Python client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import watch as kubernetes_watch
from one_cluster import TOKEN, OneCluster

from simulator.authority import Authority
from simulator.kubernetes.api import KubernetesApi
from simulator.kubernetes.cluster import Cluster

CHART = Path(__file__).parents[3] / "simulator" / "webhook" / "chart"
RELEASE = ("azwi", "-n", "azure-workload-identity-system")
TENANT = "azureTenantID=aaaaaaaa-0000-4000-8000-000000000001"


def program(name: str) -> str:
    """The path of an installed program; the test is skipped where there is none."""
    beside_python = str(Path(sys.executable).parent)
    found = shutil.which(name, path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.open(tmp_path / "authority")


@pytest.fixture
async def server(simulation: OneCluster, authority: Authority) -> AsyncIterator[str]:
    """The URL of the API server on a free port; over TLS, since kubectl sends its token no other way."""
    authority.server_context("localhost")
    certificate = authority.directory / "hosts" / "localhost.pem"
    app: Any = KubernetesApi(simulation)  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, ssl_certfile=str(certificate)
    )
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve(sockets=[listener]))
    yield f"https://localhost:{listener.getsockname()[1]}"
    running.should_exit = True
    await task


@dataclass
class Shell:
    """Runs kubectl and helm with a home of their own."""

    home: Path
    config: Path

    async def __call__(self, *command: str, code: int = 0, stdin: str = "") -> str:
        environment = {"HOME": str(self.home), "KUBECONFIG": str(self.config), "PATH": os.environ.get("PATH", "")}
        process = await asyncio.create_subprocess_exec(
            program(command[0]),
            *command[1:],
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        text = output.decode()
        assert process.returncode == code, f"{' '.join(command)}: {text}"
        return text


@pytest.fixture
def shell(server: str, authority: Authority, tmp_path: Path) -> Shell:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": str(authority.bundle)}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "f1"}}],
        "current-context": "x",
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return Shell(tmp_path, path)


MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c1, labels: {x: "1"}}
data: {a: "1"}
"""


async def test_kubectl_applies_from_both_sides(shell: Shell, cluster: Cluster) -> None:
    assert await shell("kubectl", "apply", "-f", "-", stdin=MANIFEST) == "configmap/c1 created\n"
    assert await shell("kubectl", "apply", "-f", "-", stdin=MANIFEST) == "configmap/c1 unchanged\n"
    changed = MANIFEST.replace('a: "1"', 'b: "2"')
    assert await shell("kubectl", "apply", "-f", "-", stdin=changed) == "configmap/c1 configured\n"
    assert (cluster.get("configmaps", "c1", "f1") or {})["data"] == {"b": "2"}
    applied = await shell("kubectl", "apply", "--server-side", "-f", "-", stdin=changed)
    assert applied == "configmap/c1 serverside-applied\n"
    other = changed.replace('b: "2"', 'b: "3"')
    refused = await shell(
        "kubectl", "apply", "--server-side", "--field-manager", "other", "-f", "-", stdin=other, code=1
    )
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.b' in refused


async def test_kubectl_makes_and_unmakes(shell: Shell, cluster: Cluster) -> None:
    assert await shell("kubectl", "create", "namespace", "f2") == "namespace/f2 created\n"
    assert await shell("kubectl", "create", "serviceaccount", "wi") == "serviceaccount/wi created\n"
    assert "NAME" in await shell("kubectl", "get", "serviceaccounts", "-A")
    created = await shell("kubectl", "create", "deployment", "web", "--image", "nginx:1", "--port", "80")
    assert created == "deployment.apps/web created\n"
    container = (cluster.get("deployments.apps", "web", "f1") or {})["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["ports"]) == ("nginx:1", [{"containerPort": 80, "protocol": "TCP"}])
    assert await shell("kubectl", "label", "sa", "wi", "a=b") == "serviceaccount/wi labeled\n"
    assert await shell("kubectl", "patch", "sa", "wi", "-p", '{"metadata":{"labels":{"a":"c"}}}')
    assert (cluster.get("serviceaccounts", "wi", "f1") or {})["metadata"]["labels"] == {"a": "c"}
    token = await shell("kubectl", "create", "token", "wi", "--duration", "20m", "--audience", "x")
    assert token.count(".") == 2
    waited = await shell("kubectl", "wait", "--for=jsonpath={.status.phase}=Active", "ns/f2", "--timeout=5s")
    assert waited == "namespace/f2 condition met\n"
    assert 'namespace "f2" deleted' in await shell("kubectl", "delete", "namespace", "f2")
    missing = await shell("kubectl", "get", "sa", "nope", code=1)
    assert missing == 'Error from server (NotFound): serviceaccounts "nope" not found\n'


async def test_helm_installs_upgrades_and_uninstalls_the_webhook(shell: Shell, cluster: Cluster) -> None:
    program("helm")
    await shell("helm", "install", *RELEASE, str(CHART), "--create-namespace", "--set", TENANT)
    listed = json.loads(await shell("helm", "list", "-A", "-o", "json"))
    assert [(release["name"], release["status"]) for release in listed] == [("azwi", "deployed")]
    webhooks = cluster.list("mutatingwebhookconfigurations.admissionregistration.k8s.io")
    assert webhooks[0]["metadata"]["managedFields"][0]["manager"] == "helm"
    await shell("helm", "upgrade", *RELEASE, str(CHART), "--set", TENANT.replace("1", "2"))
    status = await shell("helm", "status", *RELEASE)
    assert "REVISION: 2" in status
    assert "azure-wi-webhook-controller-manager   0/2" in status
    assert await shell("helm", "uninstall", *RELEASE) == 'release "azwi" uninstalled\n'
    assert cluster.list("mutatingwebhookconfigurations.admissionregistration.k8s.io") == []
    again = await shell("helm", "uninstall", *RELEASE, code=1)
    assert "not found" in again


@pytest.fixture
async def python_client(server: str, authority: Authority) -> AsyncIterator[Any]:
    configuration = kubernetes_client.Configuration()
    configuration.host = server
    configuration.ssl_ca_cert = str(authority.bundle)
    configuration.api_key = {"authorization": f"Bearer {TOKEN}"}
    async with kubernetes_client.ApiClient(configuration) as api_client:
        yield api_client


async def test_the_python_client_applies_and_lists(python_client: Any) -> None:
    core = kubernetes_client.CoreV1Api(python_client)
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "wi", "labels": {"ours": "yes"}}}
    applied = await core.patch_namespaced_service_account(
        "wi",
        "f1",
        body,
        field_manager="workload-identity",
        force=False,
        _content_type="application/apply-patch+yaml",
    )
    assert applied.metadata.managed_fields[0].manager == "workload-identity"
    listed = await core.list_service_account_for_all_namespaces(label_selector="ours=yes", limit=10)
    assert [item.metadata.name for item in listed.items] == ["wi"]
    request = {"spec": {"audiences": ["api://AzureADTokenExchange"], "expirationSeconds": 600}}
    answer = await core.create_namespaced_service_account_token("wi", "f1", request)
    assert answer.status.token.count(".") == 2
    pod = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "wi", "containers": [{"name": "c", "image": "i"}]},
    }
    dry = await core.create_namespaced_pod("f1", pod, dry_run="All")
    assert dry.spec.service_account == "wi"
    deleted = await core.delete_namespaced_service_account("wi", "f1")
    assert deleted.metadata.name == "wi"
    with pytest.raises(kubernetes_client.ApiException) as error:
        await core.read_namespaced_service_account("wi", "f1")
    assert (error.value.status, json.loads(error.value.body)["reason"]) == (404, "NotFound")


async def test_the_python_client_deletes_no_successor_of_the_same_name(python_client: Any) -> None:
    core = kubernetes_client.CoreV1Api(python_client)
    bodies = [{"metadata": {"name": "again"}, "data": {"number": number}} for number in ("1", "2")]
    first = await core.create_namespaced_config_map("f1", bodies[0])
    assert first.metadata.managed_fields[0].manager == "OpenAPI-Generator", "as the client calls itself"
    deleted = await core.delete_namespaced_config_map("again", "f1")
    assert deleted["status"] == "Success", "of a ConfigMap no more is said, of a ServiceAccount all that it was"
    await core.create_namespaced_config_map("f1", bodies[1])
    only_the_first = kubernetes_client.V1DeleteOptions(
        preconditions=kubernetes_client.V1Preconditions(uid=first.metadata.uid)
    )
    with pytest.raises(kubernetes_client.ApiException) as refusal:
        await core.delete_namespaced_config_map("again", "f1", body=only_the_first)
    assert refusal.value.status == 409
    assert await core.read_namespaced_config_map("again", "f1")


ILL_ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "a match of no such kind": ({"resource_version": "1", "resource_version_match": "Nearly"}, "Nearly"),
    "a selector whose label can be none": ({"label_selector": "ours=-yes"}, "unable to parse requirement"),
    "a watch of negative length": ({"watch": True, "timeout_seconds": -1}, "timeoutSeconds: Invalid value: -1"),
}


@pytest.mark.parametrize("what", ILL_ASKED)
async def test_the_python_client_is_told_what_is_wrong_with_a_list(python_client: Any, what: str) -> None:
    asked, words = ILL_ASKED[what]
    with pytest.raises(kubernetes_client.ApiException, match=words):
        await kubernetes_client.CoreV1Api(python_client).list_namespaced_config_map("f1", **asked)


async def test_the_python_client_is_told_what_is_wrong_with_the_lines_it_wants(python_client: Any) -> None:
    core = kubernetes_client.CoreV1Api(python_client)
    await core.create_namespaced_pod(
        "f1", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    )
    with pytest.raises(kubernetes_client.ApiException, match="must be greater than or equal to 0") as refusal:
        await core.read_namespaced_pod_log("p", "f1", tail_lines=-1)
    assert refusal.value.status == 422


async def test_the_python_client_sees_go_what_leaves_its_selector(python_client: Any) -> None:
    core = kubernetes_client.CoreV1Api(python_client)
    await core.create_namespaced_config_map("f1", {"metadata": {"name": "one", "labels": {"ours": "yes"}}})
    seen = []
    async with kubernetes_watch.Watch().stream(
        core.list_namespaced_config_map, "f1", label_selector="ours=yes", timeout_seconds=10
    ) as events:
        async for event in events:
            seen.append(event["type"])
            if len(seen) == 2:
                break
            await core.patch_namespaced_config_map("one", "f1", {"metadata": {"labels": {"ours": "no"}}})
    assert seen == ["ADDED", "DELETED"]


async def test_the_python_client_goes_on_with_a_list_that_has_expired(
    python_client: Any, simulation: OneCluster, cluster: Cluster
) -> None:
    """The answer 410 carries what to go on with, where the rest as it is now will do."""
    core = kubernetes_client.CoreV1Api(python_client)
    for number in range(3):
        await core.create_namespaced_config_map("f1", {"metadata": {"name": f"c{number}", "labels": {"listed": "yes"}}})
    first = await core.list_namespaced_config_map("f1", label_selector="listed=yes", limit=1)
    await core.delete_namespaced_config_map("c2", "f1")
    simulation.cluster = Cluster(cluster.state, cluster.clock)  # after a restart it remembers no history
    await core.create_namespaced_config_map("f1", {"metadata": {"name": "c3", "labels": {"listed": "yes"}}})
    page = {"label_selector": "listed=yes", "_continue": first.metadata._continue}
    with pytest.raises(kubernetes_client.ApiException) as expired:
        await core.list_namespaced_config_map("f1", **page)
    assert expired.value.status == 410
    page["_continue"] = json.loads(expired.value.body)["metadata"]["continue"]
    rest = await core.list_namespaced_config_map("f1", **page)
    assert [item.metadata.name for item in rest.items] == ["c1", "c3"]
