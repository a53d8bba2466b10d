"""Namespaces, and the annotated ServiceAccounts in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.errors import Conflict, Missing
from clients.kubernetes import Kubernetes, address_of, path_of
from clients.session import Clients
from fleet import naming, ownership
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import Namespace, ServiceAccount
from fleet.spec import Cluster, Fleet
from fleet.webhook_contract import CLIENT_ID, TENANT_ID, TOKEN_EXPIRATION

_MADE_BY_CLUSTER = frozenset({"Event", "Endpoints", "EndpointSlice", "Lease"})
_IN_EVERY_NAMESPACE = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})
_TOKEN_OF = "kubernetes.io/service-account.name"
"""Annotates a Secret that goes with its ServiceAccount."""


async def observe(clients: Clients, fleet: Fleet, cluster: Cluster, *, beyond: bool = False) -> Observation:
    """The ServiceAccounts of the fleet's workloads, by one list of the cluster, and the namespaces that they are in.

    Where each is there, so is its namespace; else, and to look ``beyond``, one more list tells of the namespaces. What
    else the lists have that carries the fleet's mark is brought home too.
    """
    accounts = {
        (workload.namespace, workload.service_account)
        for workload in fleet.workloads
        if cluster.name in workload.clusters
    }
    if not accounts and not beyond:
        return Observation()
    kubernetes = await clients.cluster(cluster)
    names = {namespace for namespace, _ in accounts}
    only = next(iter(names)) if len(names) == 1 and not beyond else ""
    found = [
        _found_account(fleet, cluster, item)
        for item in await kubernetes.list(path_of("ServiceAccount", only))
        if not item["metadata"].get("deletionTimestamp")
        and (address_of(item) in accounts or ownership.owner_by_labels(_labels(item)) == fleet.name)
    ]
    if beyond or accounts.difference((one.namespace, one.name) for one in map(_account, found)):
        namespaces = [
            _found_namespace(fleet, cluster, item)
            for item in await kubernetes.list(path_of("Namespace"))
            if item["metadata"]["name"] in names or ownership.owner_by_labels(_labels(item)) == fleet.name
            if (item.get("status") or {}).get("phase") != "Terminating"
        ]
    else:
        namespaces = [
            Found(resource=Namespace(cluster=cluster.name, name=name, owner=None), ours=False) for name in names
        ]
    return Observation(found=(*namespaces, *found))


async def ensure_namespace(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Create the namespace; one that is just terminating is waited for."""
    wanted = change.resource
    assert isinstance(wanted, Namespace)
    kubernetes = await clients.cluster(fleet.cluster(wanted.cluster))
    path = path_of("Namespace", name=wanted.name)
    manifest = labelled("Namespace", "v1", "", wanted.name, fleet.name)

    async def gone() -> bool | None:
        try:
            return (await kubernetes.get(path)).get("status", {}).get("phase") != "Terminating" or None
        except Missing:
            return True

    if (await kubernetes.apply(manifest)).get("status", {}).get("phase") == "Terminating":
        await clients.patience.until(f"namespace {wanted.name} to be gone before it is made anew", gone, seconds=120)
        await kubernetes.apply(manifest)
    return {}


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Apply our annotations and label; everything else on the ServiceAccount stays as it is."""
    wanted = change.resource
    assert isinstance(wanted, ServiceAccount)
    account = labelled("ServiceAccount", "v1", wanted.namespace, wanted.name, fleet.name, adopted=change.adopted)
    annotations = {
        CLIENT_ID: wanted.client_id,
        TENANT_ID: wanted.tenant_id,
        TOKEN_EXPIRATION: wanted.token_expiration,
    }
    account["metadata"]["annotations"] = {key: value for key, value in annotations.items() if value is not None}
    kubernetes = await clients.cluster(fleet.cluster(wanted.cluster))
    applied = await kubernetes.apply(account)
    if wanted.token_expiration is None and TOKEN_EXPIRATION in (applied["metadata"].get("annotations") or {}):
        # An expiration that somebody else annotated is not ours to leave: it would be the pods' after all.
        without = {"metadata": {"annotations": {TOKEN_EXPIRATION: None}}}
        await kubernetes.merge(path_of("ServiceAccount", wanted.namespace, wanted.name), without)
    return {}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Delete the ServiceAccount."""
    account = change.resource
    assert isinstance(account, ServiceAccount)
    kubernetes = await clients.cluster(fleet.cluster(account.cluster))
    await kubernetes.delete(path_of("ServiceAccount", account.namespace, account.name))


async def release(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Take our annotations and labels off the ServiceAccount; it stays, with whatever else it has."""
    account = change.resource
    assert isinstance(account, ServiceAccount)
    kubernetes = await clients.cluster(fleet.cluster(account.cluster))
    annotations = dict.fromkeys((CLIENT_ID, TENANT_ID, TOKEN_EXPIRATION))
    await let_go(clients, kubernetes, fleet, path_of("ServiceAccount", account.namespace, account.name), annotations)


async def let_go(
    clients: Clients, kubernetes: Kubernetes, fleet: Fleet, path: str, annotations: Mapping[str, None] | None = None
) -> None:
    """Take our labels off an object, and our name from its fields: they stay as they are, and are nobody's.

    To apply nothing instead would take away every field that only we have set. The API server lets ``managedFields`` be
    written for that (Kubernetes documentation, server-side apply, "Clearing managedFields").
    """

    async def write() -> None:
        item = await kubernetes.get(path)
        if not is_ours(fleet, item):
            return
        metadata = item["metadata"]
        others = [one for one in metadata.get("managedFields") or () if one.get("manager") != naming.FIELD_MANAGER]
        patch: dict[str, Any] = {
            "resourceVersion": metadata["resourceVersion"],
            "labels": ownership.NO_LABELS,
            "managedFields": others or [{}],
        }
        await kubernetes.merge(path, {"metadata": patch | ({"annotations": annotations} if annotations else {})})

    try:
        await clients.patience.request(write, also=(Conflict,))
    except Missing:
        return


async def remove_namespace(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Delete a namespace that we made. Where somebody else has moved in, it is theirs: only our mark goes."""
    namespace = change.resource
    assert isinstance(namespace, Namespace)
    kubernetes = await clients.cluster(fleet.cluster(namespace.cluster))
    path = path_of("Namespace", name=namespace.name)
    if any(_is_somebodys(item) for item in await kubernetes.everything_in(namespace.name)):
        await kubernetes.merge(path, {"metadata": {"labels": {ownership.LABEL: None}}})
    else:
        await kubernetes.delete(path)


def _is_somebodys(item: dict[str, Any]) -> bool:
    """Whether an object is there for its own sake: neither made by the cluster nor going with another."""
    metadata = item["metadata"]
    goes = metadata.get("deletionTimestamp") or metadata.get("ownerReferences")
    return not (
        goes
        or item["kind"] in _MADE_BY_CLUSTER
        or (item["kind"], metadata["name"]) in _IN_EVERY_NAMESPACE
        or _TOKEN_OF in (metadata.get("annotations") or {})
    )


def _account(found: Found) -> ServiceAccount:
    assert isinstance(found.resource, ServiceAccount)
    return found.resource


def _labels(item: dict[str, Any]) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def is_ours(fleet: Fleet, item: dict[str, Any]) -> bool:
    """By the label, or where somebody took that off, by what the API server recorded of who set which field."""
    metadata = item["metadata"]
    owner = ownership.owner_by_labels(metadata.get("labels"))
    if owner is not None:
        return owner == fleet.name
    return any(entry.get("manager") == naming.FIELD_MANAGER for entry in metadata.get("managedFields") or ())


def labelled(
    kind: str, api_version: str, namespace: str, name: str, fleet: str, *, adopted: bool = False
) -> dict[str, Any]:
    """The beginning of an object that we apply."""
    metadata: dict[str, Any] = {"name": name, "labels": ownership.labels(fleet, adopted=adopted)}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _found_namespace(fleet: Fleet, cluster: Cluster, item: dict[str, Any]) -> Found:
    owner = ownership.owner_by_labels(item["metadata"].get("labels"))
    resource = Namespace(cluster=cluster.name, name=item["metadata"]["name"], owner=owner)
    return Found(resource=resource, ours=owner == fleet.name)


def _found_account(fleet: Fleet, cluster: Cluster, item: dict[str, Any]) -> Found:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    resource = ServiceAccount(
        cluster=cluster.name,
        namespace=metadata["namespace"],
        name=metadata["name"],
        client_id=annotations.get(CLIENT_ID),
        tenant_id=annotations.get(TENANT_ID),
        token_expiration=annotations.get(TOKEN_EXPIRATION),
        owner=ownership.owner_by_labels(metadata.get("labels")),
    )
    adopted = ownership.is_adopted_by_labels(metadata.get("labels"))
    return Found(resource=resource, ours=is_ours(fleet, item), adopted=adopted)
