"""The webhook as it gets into a cluster: the managed add-on, the chart, and the trouble with both."""

from __future__ import annotations

import base64
import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from running_cluster import Running
from test_chart import needs_helm, rendered

from simulator.routing import Refusal
from simulator.webhook import addon
from simulator.webhook.manager import CONFIGURATION, CONFIGURATIONS, SECRET

Json = dict[str, Any]

TENANT = "aaaaaaaa-0000-4000-8000-000000000001"
CHART = "azure-workload-identity-system"
SERVICE = "azure-wi-webhook-webhook-service"
DEPLOYMENT = "azure-wi-webhook-controller-manager"
BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"
LABEL = {"azure.workload.identity/use": "true"}


async def answering(running: Running, namespace: str = "kube-system") -> None:
    await running.until(lambda: ready_replicas(running, namespace) == 2, f"the webhook in {namespace} ready")


def ready_replicas(running: Running, namespace: str) -> int:
    deployment = running.cluster.get("deployments.apps", DEPLOYMENT, namespace) or {}
    return int(deployment.get("status", {}).get("readyReplicas", 0))


def bundle(running: Running) -> str:
    configuration = running.cluster.get(CONFIGURATIONS, CONFIGURATION)
    assert configuration
    return str(configuration["webhooks"][0]["clientConfig"].get("caBundle", ""))


def authority(running: Running, namespace: str) -> str:
    secret = running.cluster.get("secrets", SECRET, namespace)
    return str(((secret or {}).get("data") or {}).get("ca.crt", ""))


def in_namespace(objects: list[Json], namespace: str) -> list[Json]:
    """The add-on's objects as the chart puts them into another namespace."""
    return json.loads(json.dumps(objects).replace('"kube-system"', f'"{namespace}"'))  # type: ignore[no-any-return]


async def install_chart(running: Running) -> None:
    await running.namespace(CHART)
    for obj in in_namespace(addon.addon_objects(TENANT), CHART):
        running.cluster.apply_manifest(obj, manager="helm")


async def refusal(running: Running) -> str:
    with pytest.raises(Refusal) as refused:
        await running.pod(labels=LABEL)
    assert (refused.value.status, refused.value.code) == (500, "InternalError")
    return refused.value.message


@needs_helm
def test_the_add_on_has_the_charts_objects() -> None:
    objects = []
    for obj in rendered():
        text = json.dumps(obj).replace(CHART, "kube-system").replace('"azwi"', f'"{addon.RELEASE}"')
        objects.append(json.loads(text))
    managed = copy.deepcopy(addon.addon_objects(TENANT))
    for obj in managed:
        assert obj["metadata"].pop("annotations") == {
            "meta.helm.sh/release-name": addon.RELEASE,
            "meta.helm.sh/release-namespace": "kube-system",
        }
        assert obj["metadata"]["labels"].pop("app.kubernetes.io/managed-by") == "Helm"
    assert managed == objects


async def test_the_installed_add_on_treats_labelled_pods(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    pod = await running.pod(labels=LABEL)
    env = {variable["name"]: variable["value"] for variable in pod["spec"]["containers"][0]["env"]}
    assert env["AZURE_TENANT_ID"] == TENANT


async def test_a_pod_with_the_proxy_sidecar_gets_to_run(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    annotations = {"azure.workload.identity/inject-proxy-sidecar": "true"}
    body = {
        "metadata": {"name": "p", "labels": LABEL, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "nginx"}]},
    }
    await running.cluster.create("pods", body, namespace="default")
    status = (await running.phase("Running"))["status"]
    states = {report["name"]: list(report["state"]) for report in status["initContainerStatuses"]}
    assert states == {"azwi-proxy": ["running"], "azwi-proxy-init": ["terminated"]}


async def test_the_webhook_makes_its_certificate_and_makes_it_known(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    secret = running.cluster.get("secrets", SECRET, "kube-system")
    assert secret
    assert sorted(secret["data"]) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    assert bundle(running) == secret["data"]["ca.crt"]
    assert base64.b64decode(bundle(running)).startswith(b"-----BEGIN CERTIFICATE-----")
    assert secret["type"] == "Opaque"


async def test_the_certificate_is_as_recorded(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    data = (running.cluster.get("secrets", SECRET, "kube-system") or {})["data"]
    authority, serving = (
        x509.load_pem_x509_certificate(base64.b64decode(data[name])) for name in ("ca.crt", "tls.crt")
    )
    host = f"{SERVICE}.kube-system.svc"
    assert {part.rfc4514_string() for part in serving.subject} == {f"CN={host}"}
    assert {part.rfc4514_string() for part in serving.issuer} == {
        "O=azure-workload-identity",
        "CN=azure-workload-identity-ca",
    }
    alternatives = serving.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == [host]
    now = running.cluster.clock.now()
    back = now - serving.not_valid_before_utc
    assert timedelta(minutes=59) < back < timedelta(minutes=90)
    for certificate, days in ((serving, 365), (authority, 3650)):
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert timedelta(days=days) <= lifetime <= timedelta(days=days + 4)


async def test_an_account_is_read_as_it_is_when_the_pod_is_made(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    for client in ("one", "two"):
        annotations = {"azure.workload.identity/client-id": client}
        metadata = {"name": "fresh", "namespace": "default", "annotations": annotations}
        running.cluster.write("serviceaccounts", {"metadata": metadata})
        pod = await running.pod(client, labels=LABEL, serviceAccountName="fresh")
        assert pod["spec"]["containers"][0]["env"][0] == {"name": "AZURE_CLIENT_ID", "value": client}


async def test_until_its_start_is_over_the_webhook_has_no_endpoints(running: Running) -> None:
    running.simulation.weather.change(webhook_start=(60_000.0, 60_000.0))  # a minute at this speed
    await addon.install(running.cluster, TENANT)
    await running.until(lambda: len(running.events("Started")) == 2, "both pods started")
    url = f"https://{SERVICE}.kube-system.svc:443/mutate-v1-pod?timeout=10s"
    assert await refusal(running) == (
        'Internal error occurred: failed calling webhook "mutation.azure-workload-identity.io": '
        f'failed to call webhook: Post "{url}": no endpoints available for service "{SERVICE}"'
    )
    running.cluster.clock.step(61)
    await answering(running)
    await running.pod(labels=LABEL)


async def test_a_cluster_that_does_not_know_the_authority_does_not_trust_the_webhook(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    running.cluster.remove(BINDINGS, "azure-wi-webhook-manager-rolebinding")
    configuration = running.cluster.get(CONFIGURATIONS, CONFIGURATION)
    assert configuration
    configuration["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(b"another").decode()
    backend = running.cluster.webhook_backends[f"kube-system/{SERVICE}"]
    running.cluster.write(CONFIGURATIONS, configuration)
    with pytest.raises(ConnectionError, match="certificate signed by unknown authority"):
        await backend({})


async def test_the_chart_works_in_its_own_namespace(running: Running) -> None:
    await install_chart(running)
    await answering(running, CHART)
    await running.pod(labels=LABEL)


async def test_with_both_installed_the_one_without_the_grant_cannot_make_itself_known(running: Running) -> None:
    await install_chart(running)
    await answering(running, CHART)
    running.simulation.weather.speed = 1.0  # the add-on's keeper is slow enough not to interfere
    await addon.install(running.cluster, TENANT)
    await answering(running, "kube-system")
    assert bundle(running) == authority(running, "kube-system") != authority(running, CHART)
    await running.until(lambda: ready_replicas(running, CHART) == 0, "the chart's webhook unready")


async def test_a_misconfigured_webhook_crashes_and_says_why(running: Running) -> None:
    objects = in_namespace(addon.addon_objects(TENANT), CHART)
    configuration = next(obj for obj in objects if obj["kind"] == "ConfigMap")
    configuration["data"]["AZURE_ENVIRONMENT"] = "AzureMoonCloud"
    await running.namespace(CHART)
    for obj in objects:
        running.cluster.apply_manifest(obj, manager="helm")

    def crashed() -> list[Json]:
        pods = running.cluster.list("pods", CHART)
        return [
            pod
            for pod in pods
            for status in pod["status"].get("containerStatuses", [])
            if status["lastState"].get("terminated", {}).get("exitCode") == 2
        ]

    pod, *_ = await running.until(crashed, "a crashed webhook")
    log = running.log(pod["metadata"]["name"], "manager", CHART)
    assert log.startswith("panic: unable to set up pod mutator: failed to get AAD endpoint")


async def test_changes_by_hand_to_the_add_on_are_undone(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    deployment = running.cluster.get("deployments.apps", DEPLOYMENT, "kube-system")
    assert deployment
    deployment["spec"]["replicas"] = 0
    running.cluster.write("deployments.apps", deployment, manager="kubectl-edit")
    running.cluster.remove("configmaps", "azure-wi-webhook-config", "kube-system")
    changed = running.cluster.get("deployments.apps", DEPLOYMENT, "kube-system")
    assert changed
    assert changed["spec"]["replicas"] == 0

    def undone() -> bool:
        there = running.cluster.get("deployments.apps", DEPLOYMENT, "kube-system") or {"spec": {}}
        settings = running.cluster.get("configmaps", "azure-wi-webhook-config", "kube-system") or {"data": {}}
        return there["spec"].get("replicas") == 2 and settings["data"].get("AZURE_TENANT_ID") == TENANT

    await running.until(undone, "the add-on as it was")
    await answering(running)


async def test_the_removed_add_on_stays_removed(running: Running) -> None:
    await addon.install(running.cluster, TENANT)
    await answering(running)
    await addon.remove(running.cluster)
    await running.until(lambda: not running.cluster.list("pods", "kube-system"), "its pods gone")
    assert running.cluster.list(CONFIGURATIONS) == []
    assert f"kube-system/{SERVICE}" not in running.cluster.webhook_backends
    assert [one["metadata"]["name"] for one in running.cluster.list("secrets", "kube-system")] == []
    pod = await running.pod(labels=LABEL)
    assert "env" not in pod["spec"]["containers"][0]


async def test_removing_what_is_not_installed_does_nothing(running: Running) -> None:
    await addon.remove(running.cluster)
    assert running.cluster.list("services", "kube-system") == []
