"""Webhooks that are not there, do not answer, are there twice, or give the wrong tenant."""

from __future__ import annotations

import base64
import uuid

from simulator.webhook import addon, manager

from .accounts import SOMEBODY, TENANT_ID, annotate
from .catalogue import breakage
from .chain import Chain, NotBreakable

_LINK = "webhook"
_CONFIG = "azure-wi-webhook-config"


def _namespace(chain: Chain) -> str:
    """Where the webhook that the API server calls lives."""
    configuration = chain.cluster.get(manager.CONFIGURATIONS, manager.CONFIGURATION)
    if configuration is None:
        message = f"{chain.cluster.state.name} has no webhook"
        raise NotBreakable(message)
    return str(configuration["webhooks"][0]["clientConfig"]["service"]["namespace"])


@breakage("webhook-missing", _LINK, "the webhook is not registered with the API server")
async def webhook_missing(chain: Chain) -> None:
    """Pods are made without what they need, and nothing says so."""
    _namespace(chain)
    chain.cluster.remove(manager.CONFIGURATIONS, manager.CONFIGURATION)


@breakage("webhook-down", _LINK, "the webhook has no pod, so that its service has no endpoints")
async def webhook_down(chain: Chain) -> None:
    """Scaled to nothing, or evicted: labelled pods are refused."""
    namespace = _namespace(chain)
    for deployment in chain.cluster.list("deployments.apps", namespace):
        if any(manager.is_manager(one) for one in deployment["spec"]["template"]["spec"]["containers"]):
            deployment["spec"]["replicas"] = 0
            chain.cluster.write("deployments.apps", deployment, manager=SOMEBODY)


@breakage("webhook-unreached", _LINK, "the webhook's pods are ready, and its service selects none of them")
async def webhook_unreached(chain: Chain) -> None:
    """A label was renamed on one side: labelled pods are refused, and kubectl get pods shows nothing wrong."""
    service = chain.cluster.get("services", manager.SERVICE, _namespace(chain))
    if service is None:
        message = f"{chain.cluster.state.name} has no Service {manager.SERVICE}"
        raise NotBreakable(message)
    service["spec"]["selector"] = {**(service["spec"].get("selector") or {}), "release": "before"}
    chain.cluster.write("services", service, manager=SOMEBODY)


@breakage("webhook-certificate", _LINK, "the API server does not trust the webhook's certificate")
async def webhook_certificate(chain: Chain) -> None:
    """As when somebody applies the manifest again, over what the rotator has written, and the rotator may not."""
    _namespace(chain)
    bindings = "clusterrolebindings.rbac.authorization.k8s.io"
    for binding in chain.cluster.list(bindings):
        if any(one.get("name") == manager.SERVICE_ACCOUNT for one in binding.get("subjects") or ()):
            chain.cluster.remove(bindings, binding["metadata"]["name"])
    configuration = chain.cluster.get(manager.CONFIGURATIONS, manager.CONFIGURATION)
    assert configuration is not None
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"]["caBundle"] = base64.b64encode(b"not it").decode()
    chain.cluster.write(manager.CONFIGURATIONS, configuration, manager=SOMEBODY)


@breakage("webhook-twice", _LINK, "the chart and AKS's add-on are both installed")
async def webhook_twice(chain: Chain) -> None:
    """They share the names of their ClusterRole, its binding and the configuration."""
    clusters = chain.simulation.azure.clusters
    key = next((key for key, one in chain.simulation.clusters.items() if one is chain.cluster), "")
    if key not in clusters or _namespace(chain) == addon.NAMESPACE:
        message = f"{chain.cluster.state.name} is no AKS cluster with the chart"
        raise NotBreakable(message)
    clusters[key].body["properties"]["securityProfile"]["workloadIdentity"] = {"enabled": True}
    await addon.install(chain.cluster, chain.simulation.azure.tenant_id)


@breakage("webhook-tenant", _LINK, "the webhook was installed for another tenant, and the ServiceAccount names none")
async def webhook_tenant(chain: Chain) -> None:
    """azureTenantID of somebody's example."""
    namespace = _namespace(chain)
    config = chain.cluster.get("configmaps", _CONFIG, namespace)
    if config is None:
        message = f"{chain.cluster.state.name} has no ConfigMap {_CONFIG} in {namespace}"
        raise NotBreakable(message)
    config["data"]["AZURE_TENANT_ID"] = str(uuid.uuid4())
    chain.cluster.write("configmaps", config, manager=SOMEBODY)
    annotate(chain, **{TENANT_ID: None})
