"""The admission webhook: AKS's managed add-on, or the Helm chart. Ready means that it answers for a pod."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from clients import helm
from clients.errors import CloudError, Denied, Missing
from clients.kubernetes import Kubernetes, path_of
from clients.session import Clients
from clients.waiting import WEBHOOK_SECONDS
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import Webhook
from fleet.spec import Cluster, Fleet, WebhookDelivery
from fleet.webhook_contract import ADDON_NAMESPACE, CHART_NAMESPACE, CONFIGURATION, MANAGER, SYSTEM_LABEL, USE

_WEBHOOK = "mutation.azure-workload-identity.io"

CHART = "workload-identity-webhook"
RELEASE = "workload-identity-webhook"
REPOSITORY = "https://azure.github.io/azure-workload-identity/charts"
INSTALLED = "workload-identity.io/installed-chart"
"""Annotates the webhook's Deployment with the version whose installation came to its end: spares a look at Helm."""


async def observe(clients: Clients, fleet: Fleet, cluster: Cluster) -> Observation:  # noqa: ARG001
    """How the cluster has the webhook, whether it serves, and whether two of them are in each other's way."""
    kubernetes = await clients.cluster(cluster)
    deployments = await systems(kubernetes)
    namespaces = sorted({deployment["metadata"]["namespace"] for deployment in deployments})
    if len(namespaces) > 1:
        reason = (
            f"{cluster.name} has the webhook more than once, in {' and '.join(namespaces)}: they overwrite each "
            f"other's ClusterRole and one of them cannot renew its certificate. Remove one: helm uninstall {RELEASE} "
            f"-n {CHART_NAMESPACE}, or az aks update --disable-workload-identity"
        )
        return Observation(conflicts={f"webhook:{cluster.name}": reason})
    answer = await _answer(kubernetes)
    configuration = None
    if not (deployments and answer.serving):  # one that serves is configured
        configuration = await registered(kubernetes)
        if configuration is None and not deployments:
            return Observation()
    namespace = configured_namespace(configuration) or namespaces[0]
    delivery = WebhookDelivery.ADDON if namespace == ADDON_NAMESPACE else WebhookDelivery.CHART
    webhook = Webhook(
        cluster=cluster.name,
        delivery=delivery,
        version=await _installed(kubernetes, deployments) if delivery is WebhookDelivery.CHART else None,
        tenant_id=answer.tenant_id or clients.tenant_id,
        serving=answer.serving,
    )
    installed = [*deployments, *([configuration] if configuration else [])]
    ours = delivery is WebhookDelivery.ADDON or any(_release(item) == (CHART_NAMESPACE, RELEASE) for item in installed)
    return Observation(found=(Found(resource=webhook, ours=ours),))


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Install or upgrade the chart where it is ours to do; then wait until the webhook answers."""
    wanted = change.resource
    assert isinstance(wanted, Webhook)
    kubernetes = await clients.cluster(fleet.cluster(wanted.cluster))
    if wanted.delivery is WebhookDelivery.CHART:
        assert wanted.version is not None
        values = {"azureTenantID": wanted.tenant_id}
        install = partial(helm.install_or_upgrade, kubernetes, RELEASE, CHART, REPOSITORY, wanted.version, values)
        await _mark(kubernetes, None)
        # Helm makes some fifty requests, and gives up at the first that fails.
        await clients.patience.request(partial(install, namespace=CHART_NAMESPACE), seconds=WEBHOOK_SECONDS)
        await _mark(kubernetes, wanted.version)

    async def serving() -> bool | None:
        answer = await _answer(kubernetes)
        return (answer.serving and answer.tenant_id == wanted.tenant_id) or None

    where = ADDON_NAMESPACE if wanted.delivery is WebhookDelivery.ADDON else CHART_NAMESPACE
    await clients.patience.until(
        f"the webhook of cluster {wanted.cluster} to answer",
        serving,
        seconds=WEBHOOK_SECONDS,
        advice=f"kubectl -n {where} describe deployment {MANAGER} tells more",
    )
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Uninstall our release. AKS's add-on is switched off at the cluster, by whoever owns that."""
    webhook = change.resource
    assert isinstance(webhook, Webhook)
    if webhook.delivery is WebhookDelivery.ADDON:
        return
    kubernetes = await clients.cluster(fleet.cluster(webhook.cluster))
    try:
        await clients.patience.request(
            partial(helm.uninstall, kubernetes, RELEASE, namespace=CHART_NAMESPACE), seconds=WEBHOOK_SECONDS
        )
    except Missing:
        return


def probe_pod(service_account: str) -> dict[str, Any]:
    """A pod that asks for the webhook; for dry runs, so its image is never pulled.

    It keeps the restricted pod security standard, so that a namespace that enforces it lets it through.
    """
    container = {
        "name": "probe",
        "image": "probe",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "workload-identity-probe-", "labels": {USE: "true"}},
        "spec": {
            "serviceAccountName": service_account,
            "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


@dataclass(frozen=True)
class _Answer:
    serving: bool
    tenant_id: str | None


async def _answer(kubernetes: Kubernetes) -> _Answer:
    """What the webhook does to a pod that asks for it, by a dry run: nothing is created."""
    try:
        admitted = await kubernetes.try_pod("default", probe_pod("default"))
    except CloudError as error:
        if error.status == 500 and "webhook" in error.message:
            return _Answer(serving=False, tenant_id=None)
        raise
    env = {item["name"]: item.get("value") for item in admitted["spec"]["containers"][0].get("env") or ()}
    return _Answer(serving="AZURE_FEDERATED_TOKEN_FILE" in env, tenant_id=env.get("AZURE_TENANT_ID"))


def _release(item: dict[str, Any]) -> tuple[str | None, str | None]:
    """The Helm release that an object belongs to, as Helm notes it on everything that it makes."""
    annotations = item["metadata"].get("annotations") or {}
    return annotations.get("meta.helm.sh/release-namespace"), annotations.get("meta.helm.sh/release-name")


async def systems(kubernetes: Kubernetes) -> list[dict[str, Any]]:
    """The Deployments of the webhook, wherever it is installed."""
    return await kubernetes.list(path_of("Deployment"), labelSelector=SYSTEM_LABEL)


async def registered(kubernetes: Kubernetes) -> dict[str, Any] | None:
    """How the API server knows the webhook; None where it does not."""
    try:
        return await kubernetes.get(path_of("MutatingWebhookConfiguration", name=CONFIGURATION))
    except Missing:
        return None


def configured_namespace(configuration: dict[str, Any] | None) -> str | None:
    """Where the service is that the API server calls; None where the webhook is not registered."""
    for webhook in (configuration or {}).get("webhooks") or ():
        if webhook["name"] == _WEBHOOK:
            namespace: str | None = (webhook["clientConfig"].get("service") or {}).get("namespace")
            return namespace
    return None


async def _installed(kubernetes: Kubernetes, deployments: list[dict[str, Any]]) -> str | None:
    """The chart's version; None where its installation did not come to its end, even if the webhook serves already."""
    version = _version(deployments)
    if version in [(item["metadata"].get("annotations") or {}).get(INSTALLED) for item in deployments]:
        return version
    try:
        unfinished = await helm.is_unfinished(kubernetes, RELEASE, namespace=CHART_NAMESPACE)
    except Denied:  # who only looks at the cluster may not list Secrets
        unfinished = False
    return None if unfinished else version


async def _mark(kubernetes: Kubernetes, version: str | None) -> None:
    """Note on the webhook that this version is wholly installed, or with None that it may not be."""
    path = path_of("Deployment", CHART_NAMESPACE, MANAGER)
    try:
        await kubernetes.merge(path, {"metadata": {"annotations": {INSTALLED: version}}})
    except Missing:
        return


def _version(deployments: list[dict[str, Any]]) -> str | None:
    """By the image's tag: the chart's version and the webhook's go together."""
    for deployment in deployments:
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if container["name"] == "manager":
                return str(container["image"]).rpartition(":")[2].removeprefix("v")
    return None
