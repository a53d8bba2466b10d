"""Garbage collection: what is owned goes with its owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import deletion
from .definitions import resource_of
from .deletion import FOREGROUND, ORPHAN, DeleteOptions
from .resources import Resource, by_kind

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_MANAGER = "kube-controller-manager"


def sweep(cluster: Cluster) -> None:
    """Catch up with everything, as after a restart."""
    for resource, obj in cluster.store.every():
        react(cluster, "MODIFIED", resource, obj)


@rule(
    "kubernetes", "dependents follow their owners", Provenance.RECORDED, "kubernetes/lifecycle.yaml garbage_collection"
)
def react(cluster: Cluster, change: str, resource: str, obj: Json) -> None:
    """Do what a change makes due. ``change`` is ADDED, MODIFIED or DELETED."""
    metadata = obj["metadata"]
    if change == "DELETED":
        for dependent_resource, dependent in _dependents(cluster, metadata["uid"]):
            _settle(cluster, dependent_resource, dependent)
        for reference in metadata.get("ownerReferences") or ():
            if owner := _owner(cluster, obj, reference):
                _finish_foreground(cluster, *owner)
        return
    live = cluster.store.get(resource, metadata.get("namespace", ""), metadata["name"])
    if live is None or live["metadata"]["uid"] != metadata["uid"]:
        return
    if live["metadata"].get("ownerReferences"):
        _settle(cluster, resource_of(cluster, resource), live)
    if "deletionTimestamp" in live["metadata"]:
        _finish_orphaning(cluster, resource_of(cluster, resource), live)
        _finish_foreground(cluster, resource_of(cluster, resource), live)


def _dependents(cluster: Cluster, uid: str) -> Iterator[tuple[Resource, Json]]:
    for resource, obj in cluster.store.every():
        if any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences") or ()):
            yield resource_of(cluster, resource), obj


def _owner(cluster: Cluster, obj: Json, reference: Json) -> tuple[Resource, Json] | None:
    resource = by_kind(reference["apiVersion"], reference["kind"])
    if resource is None:
        return None
    namespace = obj["metadata"].get("namespace", "") if resource.namespaced else ""
    owner = cluster.store.get(resource.key, namespace, reference["name"])
    return (resource, owner) if owner and owner["metadata"]["uid"] == reference["uid"] else None


def _settle(cluster: Cluster, resource: Resource, obj: Json) -> None:
    """Delete an object whose owners are all gone; forget the owners that are gone when others are left."""
    metadata = obj["metadata"]
    references = metadata.get("ownerReferences") or []
    # An owner of a kind that is not served here cannot be looked up, so it counts as being there.
    left = [
        reference
        for reference in references
        if by_kind(reference["apiVersion"], reference["kind"]) is None or _owner(cluster, obj, reference)
    ]
    if not left and "deletionTimestamp" not in metadata:
        deletion.delete(cluster, resource, metadata.get("namespace", ""), metadata["name"], DeleteOptions())
    elif left and left != references:
        _rewrite(cluster, resource, obj, ownerReferences=left)


def _finish_orphaning(cluster: Cluster, resource: Resource, owner: Json) -> None:
    finalizers = owner["metadata"].get("finalizers") or []
    if ORPHAN not in finalizers:
        return
    uid = owner["metadata"]["uid"]
    for dependent_resource, dependent in list(_dependents(cluster, uid)):
        references = dependent["metadata"]["ownerReferences"]
        left = [reference for reference in references if reference["uid"] != uid]
        _rewrite(cluster, dependent_resource, dependent, ownerReferences=left)
    _rewrite(cluster, resource, owner, finalizers=[name for name in finalizers if name != ORPHAN])


def _finish_foreground(cluster: Cluster, resource: Resource, owner: Json) -> None:
    finalizers = owner["metadata"].get("finalizers") or []
    if FOREGROUND not in finalizers:
        return
    uid = owner["metadata"]["uid"]
    for dependent_resource, dependent in list(_dependents(cluster, uid)):
        metadata = dependent["metadata"]
        if "deletionTimestamp" not in metadata:
            options = DeleteOptions(propagation="Foreground")
            deletion.delete(cluster, dependent_resource, metadata.get("namespace", ""), metadata["name"], options)
    if not any(_blocks(dependent, uid) for _, dependent in _dependents(cluster, uid)):
        _rewrite(cluster, resource, owner, finalizers=[name for name in finalizers if name != FOREGROUND])


def _blocks(dependent: Json, uid: str) -> bool:
    references = dependent["metadata"]["ownerReferences"]
    return any(reference["uid"] == uid and reference.get("blockOwnerDeletion") for reference in references)


def _rewrite(cluster: Cluster, resource: Resource, obj: Json, **metadata: list[Any]) -> None:
    changed = {name: value for name, value in {**obj["metadata"], **metadata}.items() if value != []}
    cluster.write(resource.key, obj | {"metadata": changed}, manager=_MANAGER)
