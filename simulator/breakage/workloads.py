"""Deployments whose pods the webhook passes by, and pods that are older than what they should have been given."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

from simulator.webhook import manager

from .accounts import SOMEBODY, TENANT_ID, annotate
from .catalogue import breakage
from .chain import CLIENT_ID, Chain, NotBreakable

Json = dict[str, Any]

_LINK = "workload"
_USE = "azure.workload.identity/use"
_SKIP = "azure.workload.identity/skip-containers"
_SECONDS = 10.0
"""Real seconds that new pods may take to appear."""
_LOOK_SECONDS = 0.05


def _template(chain: Chain, change: Callable[[Json], None]) -> None:
    deployment = chain.deployment
    change(deployment["spec"]["template"])
    chain.cluster.write("deployments.apps", deployment, manager=SOMEBODY)


def pods(chain: Chain) -> list[Json]:
    """The pods that run as the ServiceAccount."""
    found = chain.cluster.list("pods", chain.namespace)
    return [pod for pod in found if pod["spec"].get("serviceAccountName") == chain.account_name]


async def restart(chain: Chain) -> None:
    """Let the workload's pods be made anew, and wait until they are."""
    old = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in pods(chain)}
    if not old:
        message = f"{chain} has no pods"
        raise NotBreakable(message)
    for name in old.values():
        chain.cluster.remove("pods", name, chain.namespace)
    try:
        async with asyncio.timeout(_SECONDS):
            while sum(pod["metadata"]["uid"] not in old for pod in pods(chain)) < len(old):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        message = f"the pods of {chain} were not made anew: is its chain whole?"
        raise NotBreakable(message) from None


@breakage("label-missing", _LINK, "the pods lack the label azure.workload.identity/use")
async def label_missing(chain: Chain) -> None:
    """The webhook never sees them."""
    _template(chain, lambda template: template["metadata"]["labels"].pop(_USE, None))


@breakage("label-value", _LINK, "the pods' label azure.workload.identity/use says True, not true")
async def label_value(chain: Chain) -> None:
    """Compared as a string."""
    _template(chain, lambda template: template["metadata"]["labels"].update({_USE: "True"}))


@breakage("containers-skipped", _LINK, "the pods' annotation skip-containers names every container")
async def containers_skipped(chain: Chain) -> None:
    """Meant for a sidecar."""

    def skip(template: Json) -> None:
        names = ";".join(container["name"] for container in template["spec"]["containers"])
        template["metadata"].setdefault("annotations", {})[_SKIP] = names

    _template(chain, skip)


@breakage("account-other", _LINK, "the pods run as the namespace's default ServiceAccount")
async def account_other(chain: Chain) -> None:
    """serviceAccountName was left out."""

    def default(template: Json) -> None:
        for name in ("serviceAccountName", "serviceAccount"):
            template["spec"].pop(name, None)

    _template(chain, default)


def _webhook(chain: Chain) -> Json:
    """How the API server knows the webhook."""
    configuration = chain.cluster.get(manager.CONFIGURATIONS, manager.CONFIGURATION)
    if configuration is None:
        message = f"{chain.cluster.state.name} has no webhook"
        raise NotBreakable(message)
    return configuration


@breakage("pods-older-than-webhook", _LINK, "the pods are older than the webhook, and were given nothing")
async def pods_older_than_webhook(chain: Chain) -> None:
    """The webhook was installed after them."""
    configuration = _webhook(chain)
    chain.cluster.remove(manager.CONFIGURATIONS, manager.CONFIGURATION)
    try:
        await restart(chain)
    finally:
        chain.cluster.write(manager.CONFIGURATIONS, configuration, manager="helm")


@breakage("pods-older-than-annotation", _LINK, "the pods have the client id that the ServiceAccount had before")
async def pods_older_than_annotation(chain: Chain) -> None:
    """The identity was replaced, and nobody restarted them."""
    _webhook(chain)
    right = chain.client_id
    annotate(chain, **{CLIENT_ID: str(uuid.uuid4())})
    try:
        await restart(chain)
    finally:
        annotate(chain, **{CLIENT_ID: right})


@breakage("pods-older-than-tenant", _LINK, "the pods sign in at the tenant that the ServiceAccount named before")
async def pods_older_than_tenant(chain: Chain) -> None:
    """The tenant was corrected, and nobody restarted them."""
    _webhook(chain)
    right = (chain.account["metadata"].get("annotations") or {}).get(TENANT_ID)
    annotate(chain, **{TENANT_ID: str(uuid.uuid4())})
    try:
        await restart(chain)
    finally:
        annotate(chain, **{TENANT_ID: right})
