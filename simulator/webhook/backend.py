"""The webhook inside a cluster: it makes its certificate, and answers while a ready pod stands behind its service."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.kubernetes.endpoints import is_ready
from simulator.kubernetes.pod_environment import environment_of
from simulator.provenance import Provenance, rule

from . import addon, manager
from .certificates import server_certificate
from .review import answer_review
from .settings import StartupFailure, read_settings

if TYPE_CHECKING:
    from simulator.kubernetes.cluster import Cluster
    from simulator.simulation import Simulation

Json = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"


def attach(cluster: Cluster, simulation: Simulation) -> None:
    """Let the webhook, however it gets installed, work in ``cluster``. To be called before the cluster is started."""
    cluster.controllers.append(_serve)
    cluster.controllers.append(partial(addon.keep, simulation=simulation))


async def _serve(cluster: Cluster) -> None:
    """Follow the webhook's services, and rotate its certificates, until cancelled."""
    changes = cluster.subscribe()
    for service in cluster.list("services"):
        _follow(cluster, "ADDED", service)
    _rotate(cluster)
    while True:
        kind, resource, obj = await changes.get()
        if resource == "services":
            _follow(cluster, kind, obj)
        elif _concerns_certificates(resource, obj):
            _rotate(cluster)


def _concerns_certificates(resource: str, obj: Json) -> bool:
    """Whether a change of this object may decide whether and where certificates are written."""
    if resource == "pods":
        return any(manager.is_manager(container) for container in obj["spec"]["containers"])
    if resource == "secrets":
        return bool(obj["metadata"]["name"] == manager.SECRET)
    return resource in (manager.CONFIGURATIONS, f"clusterroles.{_RBAC}", f"clusterrolebindings.{_RBAC}")


def _follow(cluster: Cluster, kind: str, service: Json) -> None:
    metadata = service["metadata"]
    if metadata["name"] != manager.SERVICE:
        return
    name = f"{metadata['namespace']}/{metadata['name']}"
    if kind == "DELETED":
        cluster.webhook_backends.pop(name, None)
    else:
        cluster.webhook_backends[name] = partial(_answer, cluster, metadata["namespace"])


@rule("webhook", "unreachable webhook", Provenance.RECORDED, "admission.yaml webhook_down")
async def _answer(cluster: Cluster, namespace: str, review: Json) -> Json:
    """Answer a review as the webhook in ``namespace``; ConnectionError, worded as by the API server, if it is down."""
    pod = _ready_pod(cluster, namespace)
    if pod is None:
        raise ConnectionError(f'no endpoints available for service "{manager.SERVICE}"')
    if not _is_trusted(cluster, namespace):
        raise ConnectionError("tls: failed to verify certificate: x509: certificate signed by unknown authority")
    container = next(container for container in pod["spec"]["containers"] if manager.is_manager(container))
    try:
        settings = read_settings(environment_of(cluster, pod, container), container.get("args") or [])
    except (StartupFailure, LookupError) as failure:
        address = f"{pod['status']['podIP']}:9443"
        raise ConnectionError(f"dial tcp {address}: connect: connection refused") from failure

    def find(account_namespace: str, name: str) -> Json | None:
        return cluster.get("serviceaccounts", name, account_namespace)

    body = json.dumps(review).encode()
    return answer_review(body, "application/json", settings, cluster.state.version, find)


def _ready_pod(cluster: Cluster, namespace: str) -> Json | None:
    """A ready webhook pod behind the service, None if there is none."""
    service = cluster.get("services", manager.SERVICE, namespace)
    selector = (service or {}).get("spec", {}).get("selector") or {}
    for pod in cluster.list("pods", namespace):
        labels = pod["metadata"].get("labels") or {}
        selected = bool(selector) and selector.items() <= labels.items()
        if selected and manager.has_started(pod) and is_ready(pod):
            return pod
    return None


def _is_trusted(cluster: Cluster, namespace: str) -> bool:
    """Whether the API server, as it is configured, accepts the certificate of the webhook in ``namespace``."""
    configurations = cluster.list(manager.CONFIGURATIONS)
    clients = [webhook["clientConfig"] for obj in configurations for webhook in obj.get("webhooks", [])]
    service = {"name": manager.SERVICE, "namespace": namespace}
    bundles = [client.get("caBundle") for client in clients if service.items() <= client.get("service", {}).items()]
    return manager.authority_of(cluster, namespace) in bundles


@rule("webhook", "certificate kept in Secret and caBundle", Provenance.RECORDED, "admission.yaml certs")
def _rotate(cluster: Cluster) -> None:
    """Do what the certificate rotator of every running webhook process does."""
    running = [pod for pod in cluster.list("pods") if manager.has_started(pod)]
    for namespace in sorted({pod["metadata"]["namespace"] for pod in running}):
        secret = cluster.get("secrets", manager.SECRET, namespace)
        if secret is None:
            continue
        if not manager.authority_of(cluster, namespace):
            host = f"{manager.SERVICE}.{namespace}.svc"
            secret["data"] = server_certificate(host, cluster.clock.now())
            cluster.write("secrets", secret, manager="manager")
        _inject(cluster, namespace)


def _inject(cluster: Cluster, namespace: str) -> None:
    """Write the authority into the configuration, if the webhook's service account there is allowed to."""
    configuration = cluster.get(manager.CONFIGURATIONS, manager.CONFIGURATION)
    if configuration is None or not _may_update_configurations(cluster, namespace):
        return
    for webhook in configuration.get("webhooks", []):
        webhook["clientConfig"]["caBundle"] = manager.authority_of(cluster, namespace)
    cluster.write(manager.CONFIGURATIONS, configuration, manager="manager")


@rule("webhook", "two installations fight over one grant", Provenance.REPORTED, "azure-workload-identity issue 856")
def _may_update_configurations(cluster: Cluster, namespace: str) -> bool:
    """Whether a cluster role lets the webhook's service account in ``namespace`` update webhook configurations."""
    account = {"kind": "ServiceAccount", "name": manager.SERVICE_ACCOUNT, "namespace": namespace}
    for binding in cluster.list(f"clusterrolebindings.{_RBAC}"):
        if not any(account.items() <= subject.items() for subject in binding.get("subjects") or ()):
            continue
        role = cluster.get(f"clusterroles.{_RBAC}", binding["roleRef"]["name"]) or {}
        if any(_allows_update(granted) for granted in role.get("rules") or ()):
            return True
    return False


def _allows_update(granted: Json) -> bool:
    wanted = {
        "apiGroups": "admissionregistration.k8s.io",
        "resources": "mutatingwebhookconfigurations",
        "verbs": "update",
    }
    return all({value, "*"} & set(granted.get(member) or ()) for member, value in wanted.items())
