"""The webhook's process as the node that runs it sees it: whether it starts, and when it is ready."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .settings import StartupFailure, read_settings

if TYPE_CHECKING:
    from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]

CONTAINER = "manager"
SERVICE_ACCOUNT = "azure-wi-webhook-admin"
SERVICE = "azure-wi-webhook-webhook-service"
SECRET = "azure-wi-webhook-server-cert"
CONFIGURATION = "azure-wi-webhook-mutating-webhook-configuration"
CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"

_REPOSITORY = r"(^|/)azure/workload-identity/webhook([:@]|$)"


def is_manager(container: Json) -> bool:
    """Whether a container runs the webhook: by its image, from whatever registry and of whatever release."""
    return re.search(_REPOSITORY, container.get("image", "")) is not None


def refusal_to_start(container: Json, environment: Mapping[str, str]) -> StartupFailure | None:
    """Why the process ends right away with this environment and the container's arguments, None if it does not."""
    try:
        read_settings(environment, container.get("args") or [])
    except StartupFailure as failure:
        return failure
    return None


def has_started(pod: Json) -> bool:
    """Whether the pod's webhook process is up, ready or not."""
    reports = pod.get("status", {}).get("containerStatuses", [])
    named = {container["name"] for container in pod["spec"]["containers"] if is_manager(container)}
    return any(report["name"] in named and report.get("started") for report in reports)


def authority_of(cluster: Cluster, namespace: str) -> str:
    """The certificate authority of the webhook in this namespace, base64 as the Secret holds it; "" if none yet."""
    secret = cluster.get("secrets", SECRET, namespace) or {}
    return str((secret.get("data") or {}).get("ca.crt", ""))


@rule("webhook", "not ready without its certificate", Provenance.RECORDED, "admission.yaml health readyz_before_certs")
def is_ready(cluster: Cluster, pod: Json) -> bool:
    """What the process answers at /readyz: whether it has a certificate, and the API server knows its authority."""
    authority = authority_of(cluster, pod["metadata"]["namespace"])
    configuration = cluster.get(CONFIGURATIONS, CONFIGURATION) or {"webhooks": []}
    known = [webhook["clientConfig"].get("caBundle", "") for webhook in configuration.get("webhooks", [])]
    return bool(authority) and all(bundle == authority for bundle in known)
