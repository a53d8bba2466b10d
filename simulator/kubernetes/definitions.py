"""Custom resources: what a CustomResourceDefinition makes the API server serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule

from . import conditions, deletion
from .deletion import DeleteOptions
from .resources import Resource, by_key, find

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

KEY = "customresourcedefinitions.apiextensions.k8s.io"
_MANAGER = "kube-apiserver"


def custom(cluster: Cluster) -> tuple[Resource, ...]:
    """The custom resources that are served just now, in their stored version."""
    found = (_resource(definition) for definition in cluster.store.list(KEY) if _is_established(definition))
    return tuple(resource for resource in found if resource is not None)


def custom_groups(cluster: Cluster) -> dict[str, str]:
    """The groups of the custom resources, each with its version."""
    return {resource.group: resource.version for resource in custom(cluster)}


def served(cluster: Cluster, group: str, name: str) -> Resource | None:
    """The resource of a request, built in or custom."""
    return find(group, name) or next(
        (resource for resource in custom(cluster) if (resource.group, resource.name) == (group, name)), None
    )


def resource_of(cluster: Cluster, key: str) -> Resource:
    """The resource of stored objects, also of those whose definition has gone; KeyError for what there never was."""
    try:
        return by_key(key)
    except KeyError:
        definition = cluster.store.get(KEY, "", key)
        resource = _resource(definition) if definition else None
        if resource is None:
            raise
        return resource


@rule("kubernetes", "a definition is served once it is established", Provenance.RECORDED, "server-side-apply.yaml 100")
@doubt(
    "kubernetes",
    "what the server answers between a definition's creation and its being served, some 0.1 s later",
    "a plain 404, for no time that can be noticed",
    "server-side-apply.yaml defaults CustomResourceDefinition",
)
def react(cluster: Cluster, change: str, resource: str, obj: Json) -> None:
    """Establish a new definition; with one that is deleted its objects go."""
    if resource != KEY:
        return
    if change == "DELETED":
        for stored in cluster.store.list(obj["metadata"]["name"]):
            metadata = stored["metadata"]
            cluster.remove(obj["metadata"]["name"], metadata["name"], metadata.get("namespace", ""))
    elif not _is_established(obj) and _resource(obj) is not None:
        live = cluster.get(KEY, obj["metadata"]["name"])
        if live is not None and "deletionTimestamp" not in live["metadata"]:
            cluster.write(KEY, live | {"status": _established(live, cluster.now())}, manager=_MANAGER)


def _established(definition: Json, now: str) -> Json:
    met: list[Json] = []
    for kind, reason, message in (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ):
        met = conditions.put(met, {"type": kind, "status": "True", "reason": reason, "message": message}, now)
    return {**definition.get("status", {}), "conditions": met, "acceptedNames": definition["spec"]["names"]}


def _is_established(definition: Json) -> bool:
    found = (definition.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in found)


def _resource(definition: Json) -> Resource | None:
    """None of a definition that is not whole, or serves only what it does not store."""
    spec = definition.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or ()
    version = next((one.get("name") for one in versions if one.get("served") and one.get("storage")), None)
    if not (version and names.get("plural") and names.get("kind") and spec.get("group")):
        return None
    return Resource(
        names["plural"],
        spec["group"],
        version,
        names["kind"],
        namespaced=spec.get("scope") != "Cluster",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        custom=True,
    )


def delete_all(cluster: Cluster, resource: Resource, namespace: str) -> None:
    """Delete the objects of a resource in a namespace that are not being deleted yet."""
    for obj in cluster.store.list(resource.key, namespace):
        if "deletionTimestamp" not in obj["metadata"]:
            deletion.delete(cluster, resource, namespace, obj["metadata"]["name"], DeleteOptions())
