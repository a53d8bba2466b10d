"""The controllers that every cluster has, whatever runs in it: namespaces, garbage collection, endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import definitions, endpoints, garbage, legacy_tokens
from .resources import RESOURCES

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_MANAGER = "kube-controller-manager"
_ROOT_CA = "kube-root-ca.crt"
_ROOT_CA_NOTE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_FURNITURE = {("serviceaccounts", "default"), ("configmaps", _ROOT_CA)}


async def run(cluster: Cluster) -> None:
    """React to changes until cancelled."""
    queue = cluster.subscribe()
    for namespace in cluster.list("namespaces"):
        _namespace_changed(cluster, namespace)
    garbage.sweep(cluster)
    legacy_tokens.sweep(cluster)
    while True:
        change, resource, obj = await queue.get()
        if resource == "namespaces" and change != "DELETED":
            _namespace_changed(cluster, obj)
        elif change == "DELETED" and (name := obj["metadata"].get("namespace")):
            _content_deleted(cluster, resource, obj, name)
        definitions.react(cluster, change, resource, obj)
        garbage.react(cluster, change, resource, obj)
        endpoints.react(cluster, change, resource, obj)
        legacy_tokens.react(cluster, resource, obj)


def _namespace_changed(cluster: Cluster, namespace: Json) -> None:
    name = namespace["metadata"]["name"]
    if cluster.get("namespaces", name) is None:
        return
    if "deletionTimestamp" in namespace["metadata"]:
        _drain(cluster, name)
    else:
        furnish_namespace(cluster, name)


def _content_deleted(cluster: Cluster, resource: str, obj: Json, name: str) -> None:
    namespace = cluster.get("namespaces", name)
    if namespace is None:
        return
    if "deletionTimestamp" in namespace["metadata"]:
        _drain(cluster, name)
    elif (resource, obj["metadata"]["name"]) in _FURNITURE:
        furnish_namespace(cluster, name)


@rule("kubernetes", "what every namespace contains", Provenance.RECORDED, "kubernetes/lifecycle.yaml namespace_create")
def furnish_namespace(cluster: Cluster, namespace: str) -> None:
    """Make sure that a namespace has its default ServiceAccount and the cluster's CA certificate."""
    if cluster.get("serviceaccounts", "default", namespace) is None:
        cluster.write("serviceaccounts", {"metadata": {"name": "default", "namespace": namespace}}, manager=_MANAGER)
    if cluster.get("configmaps", _ROOT_CA, namespace) is None:
        metadata = {
            "name": _ROOT_CA,
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": _ROOT_CA_NOTE},
        }
        cluster.write("configmaps", {"metadata": metadata, "data": {"ca.crt": cluster.state.ca}}, manager=_MANAGER)


def api_service() -> Json:
    """The service under which pods find the API server."""
    metadata = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    }
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}]
    return {"metadata": metadata, "spec": {"type": "ClusterIP", "ports": ports}}


@rule("kubernetes", "an ending namespace deletes its contents", Provenance.RECORDED, "lifecycle.yaml namespace_delete")
def _drain(cluster: Cluster, name: str) -> None:
    """Delete what is in the namespace, then the namespace, unless finalizers hold something."""
    resources = (*RESOURCES, *definitions.custom(cluster))
    for resource in resources:
        if resource.namespaced and resource.stored:
            definitions.delete_all(cluster, resource, name)
    remaining = {
        resource.key: held
        for resource in resources
        if resource.namespaced and (held := cluster.store.list(resource.key, name))
    }
    namespace = cluster.store.get("namespaces", "", name)
    if namespace is None:
        return
    if not remaining and not namespace["metadata"].get("finalizers"):
        cluster.remove("namespaces", name)
        return
    status = {"phase": "Terminating", "conditions": _conditions(cluster, remaining, namespace)}
    cluster.write("namespaces", {"metadata": namespace["metadata"], "status": status}, manager=_MANAGER)


def _conditions(cluster: Cluster, remaining: dict[str, list[Json]], namespace: Json) -> list[Json]:
    counts = ", ".join(f"{key}. has {len(objects)} resource instances" for key, objects in remaining.items())
    finalizers: dict[str, int] = {}
    for objects in remaining.values():
        for obj in objects:
            for finalizer in obj["metadata"].get("finalizers") or ():
                finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
    holding = ", ".join(f"{name} in {count} resource instances" for name, count in finalizers.items())
    facts = [
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        _fact("NamespaceContentRemaining", "Some resources are remaining: ", counts, "ContentRemoved"),
        _fact(
            "NamespaceFinalizersRemaining",
            "Some content in the namespace has finalizers remaining: ",
            holding,
            "ContentHasNoFinalizers",
        ),
    ]
    before = {item["type"]: item for item in (namespace.get("status") or {}).get("conditions") or ()}
    return [_condition(cluster, before.get(fact[0]), *fact) for fact in facts]


_QUIET = {
    "NamespaceContentRemaining": "All content successfully removed",
    "NamespaceFinalizersRemaining": "All content-preserving finalizers finished",
}
_STUCK = {
    "NamespaceContentRemaining": "SomeResourcesRemain",
    "NamespaceFinalizersRemaining": "SomeFinalizersRemain",
}


def _fact(kind: str, head: str, what: str, settled: str) -> tuple[str, bool, str, str]:
    return (kind, True, _STUCK[kind], head + what) if what else (kind, False, settled, _QUIET[kind])


def _condition(cluster: Cluster, before: Json | None, kind: str, holds: bool, reason: str, message: str) -> Json:
    status = str(holds)
    since = before["lastTransitionTime"] if before and before["status"] == status else cluster.now()
    return {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
