"""Deployments whose pods use the identity."""

from __future__ import annotations

import asyncio
from typing import Any

from clients.errors import Missing
from clients.kubernetes import Kubernetes, address_of, path_of
from clients.session import Clients
from fleet import ownership
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import Deployment
from fleet.spec import Cluster, Container, Fleet
from fleet.webhook_contract import SKIP_CONTAINERS, USE

from .service_accounts import is_ours, labelled, let_go

_APP_LABEL = "app.kubernetes.io/name"
_FEW = 10


async def observe(clients: Clients, fleet: Fleet, cluster: Cluster, *, beyond: bool = False) -> Observation:
    """Our Deployments by one list of the cluster; wanted ones that are not among them are looked for unmarked.

    Where the fleet has none in this cluster, there is a list only to look ``beyond``.
    """
    wanted = {
        (workload.namespace, workload.deployment.name)
        for workload in fleet.workloads
        if workload.deployment is not None and cluster.name in workload.clusters
    }
    if not wanted and not beyond:
        return Observation()
    kubernetes = await clients.cluster(cluster)
    selector = f"{ownership.LABEL}={fleet.name}"
    items = {address_of(item): item for item in await kubernetes.list(path_of("Deployment"), labelSelector=selector)}
    for item in await _unmarked(kubernetes, wanted.difference(items)):
        items[address_of(item)] = item
    return Observation(found=tuple(_found(fleet, cluster, item) for item in items.values()))


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Apply the Deployment. What others added to it (sidecars, probes, limits) stays."""
    wanted = change.resource
    assert isinstance(wanted, Deployment)
    kubernetes = await clients.cluster(fleet.cluster(wanted.cluster))
    there = await _deployment(kubernetes, wanted.namespace, wanted.name)
    if there is not None and wanted.skip_containers is None and _found_value(wanted.cluster, there).skip_containers:
        annotations = {"metadata": {"annotations": {SKIP_CONTAINERS: None}}}
        await kubernetes.merge(
            path_of("Deployment", wanted.namespace, wanted.name), {"spec": {"template": annotations}}
        )
    await kubernetes.apply(_manifest(fleet, wanted, there, adopted=change.adopted))
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Delete the Deployment with its pods."""
    deployment = change.resource
    assert isinstance(deployment, Deployment)
    kubernetes = await clients.cluster(fleet.cluster(deployment.cluster))
    await kubernetes.delete(path_of("Deployment", deployment.namespace, deployment.name))


async def release(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Take our label off the Deployment; it stays as it is, its pods too."""
    deployment = change.resource
    assert isinstance(deployment, Deployment)
    kubernetes = await clients.cluster(fleet.cluster(deployment.cluster))
    await let_go(clients, kubernetes, fleet, path_of("Deployment", deployment.namespace, deployment.name))


async def _unmarked(kubernetes: Kubernetes, addresses: set[tuple[str, str]]) -> list[dict[str, Any]]:
    """Deployments by name: each on its own where they are few, else among all of the cluster."""
    if len(addresses) > _FEW:
        return [item for item in await kubernetes.list(path_of("Deployment")) if address_of(item) in addresses]
    found = await asyncio.gather(*(_deployment(kubernetes, *address) for address in sorted(addresses)))
    return [item for item in found if item is not None]


async def _deployment(kubernetes: Kubernetes, namespace: str, name: str) -> dict[str, Any] | None:
    try:
        return await kubernetes.get(path_of("Deployment", namespace, name))
    except Missing:
        return None


def _found(fleet: Fleet, cluster: Cluster, item: dict[str, Any]) -> Found:
    adopted = ownership.is_adopted_by_labels(item["metadata"].get("labels"))
    return Found(resource=_found_value(cluster.name, item), ours=is_ours(fleet, item), adopted=adopted)


def _found_value(cluster: str, item: dict[str, Any]) -> Deployment:
    """Our fields of a Deployment; only containers that are named by the spec are compared by the caller's plan."""
    template = item["spec"]["template"]
    metadata, pod = template.get("metadata") or {}, template["spec"]
    return Deployment(
        cluster=cluster,
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        service_account=pod.get("serviceAccountName") or "default",
        containers=tuple(_container(container) for container in pod["containers"]),
        replicas=item["spec"].get("replicas", 1),
        skip_containers=(metadata.get("annotations") or {}).get(SKIP_CONTAINERS),
        use=(metadata.get("labels") or {}).get(USE),
        owner=ownership.owner_by_labels(item["metadata"].get("labels")),
    )


def _container(container: dict[str, Any]) -> Container:
    """By construction: what is found may break rules that a spec must keep."""
    env = {item["name"]: item["value"] for item in container.get("env") or () if "value" in item}
    return Container.model_construct(
        name=container["name"], image=container.get("image", ""), command=tuple(container.get("command") or ()), env=env
    )


def _manifest(fleet: Fleet, wanted: Deployment, there: dict[str, Any] | None, *, adopted: bool) -> dict[str, Any]:
    """A selector cannot be changed: an adopted Deployment keeps its own."""
    selector = there["spec"]["selector"] if there is not None else {"matchLabels": {_APP_LABEL: wanted.name}}
    labels = dict(selector.get("matchLabels") or {})
    template: dict[str, Any] = {
        "metadata": {"labels": {**labels, USE: wanted.use}},
        "spec": {
            "serviceAccountName": wanted.service_account,
            "containers": [_container_manifest(container) for container in wanted.containers],
        },
    }
    if wanted.skip_containers is not None:
        template["metadata"]["annotations"] = {SKIP_CONTAINERS: wanted.skip_containers}
    manifest = labelled("Deployment", "apps/v1", wanted.namespace, wanted.name, fleet.name, adopted=adopted)
    manifest["spec"] = {"replicas": wanted.replicas, "selector": selector, "template": template}
    return manifest


def _container_manifest(container: Container) -> dict[str, Any]:
    manifest: dict[str, Any] = {"name": container.name, "image": container.image}
    if container.command:
        manifest["command"] = list(container.command)
    if container.env:
        manifest["env"] = [{"name": name, "value": value} for name, value in container.env.items()]
    return manifest
