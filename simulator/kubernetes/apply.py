"""Server-side apply: a request that says which fields its manager wants to own, and with which values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule

from . import field_sets, kinds, managed_fields, registry, schema
from .context import Options
from .errors import bad_request, conflict, not_found, refuse
from .managed_fields import Entry, Manager
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


@rule(
    "kubernetes", "apply creates or updates", Provenance.RECORDED, "kubernetes/server-side-apply.yaml create_or_update"
)
async def apply(
    cluster: Cluster, resource: Resource, namespace: str, name: str, body: Json, options: Options, subresource: str = ""
) -> tuple[Json, bool]:
    """Apply ``body``. Returns the object as it is now, not to be changed, and whether it was created."""
    config = _config(resource, namespace, name, body, subresource)
    if cluster.store.get(resource.key, namespace, name) is None:
        if subresource:
            raise not_found(resource, name)
        if uid := config["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(resource, name, why)
        live = {"kind": resource.kind, "apiVersion": resource.api_version} | kinds.zero_value(resource.kind)
        obj, entries = _applied(cluster, resource, live, config, options, subresource)
        return await registry.create(cluster, resource, obj, namespace, options, entries), True

    def revise(live: Json) -> Json:
        obj, entries = _applied(cluster, resource, live, config, options, subresource)
        wanted = registry.received(resource, obj, namespace, name)
        return registry.revised(cluster, resource, live, wanted, options, subresource, entries)

    return await registry.replace(cluster, resource, namespace, name, revise, options, subresource), False


def _config(resource: Resource, namespace: str, name: str, body: Json, subresource: str) -> Json:
    """The body, checked, under its name, and without what cannot be written this way."""
    api_version, kind = str(body.get("apiVersion") or ""), str(body.get("kind") or "")
    if (api_version, kind) != (resource.api_version, resource.kind):
        group, _, version = api_version.rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={kind}")
    if not isinstance(body.get("metadata") or {}, dict):
        raise bad_request(f"metadata: cannot restore {schema.json_name(body['metadata'])} as an object's metadata")
    metadata = dict(body.get("metadata") or {})
    if metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    if metadata.get("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    _check_declared(resource, body, metadata)
    metadata["name"] = name
    if resource.namespaced and metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    config = body | {"metadata": metadata}
    if subresource == "status":
        kept = {key: value for key, value in metadata.items() if key in ("name", "namespace", "resourceVersion", "uid")}
        return {"apiVersion": api_version, "kind": kind, "metadata": kept, "status": body.get("status") or {}}
    if kinds.has_status(resource):
        config.pop("status", None)
    return config


@rule(
    "kubernetes", "an unknown field of an apply is 500", Provenance.RECORDED, "kubernetes/errors.yaml fieldValidation"
)
def _check_declared(resource: Resource, body: Json, metadata: Json) -> None:
    subject = f"({metadata.get('namespace', '')}/{metadata.get('name', '')}; {_described(resource)})"
    try:
        complaint = schema.type_complaint(resource.kind, body)
        if complaint is None:
            field_sets.of_object(resource.kind, body)
    except field_sets.UndeclaredError as error:
        complaint = str(error)
    if complaint:
        raise refuse(500, "", f"failed to create typed patch object {subject}: {complaint}")


def _described(resource: Resource) -> str:
    prefix = f"{resource.group}/{resource.version}" if resource.group else f"/{resource.version}"
    return f"{prefix}, Kind={resource.kind}"


def _applied(
    cluster: Cluster, resource: Resource, live: Json, config: Json, options: Options, subresource: str
) -> tuple[Json, dict[Manager, Entry]]:
    manager = Manager(options.manager, "Apply", resource.api_version, subresource)
    entries = managed_fields.decode(live["metadata"])
    now = cluster.now()
    try:
        obj, result = managed_fields.applied(copied(live), copied(config), entries, manager, now, force=options.force)
    except managed_fields.Conflict as found:
        raise found.refusal() from None
    return obj, result


def apply_manifest(cluster: Cluster, resource: Resource, body: Json, manager: str) -> Json:
    """An apply with force from inside the cluster: no admission, and the status stays what it is."""
    metadata = body["metadata"]
    namespace, name = metadata.get("namespace", ""), metadata["name"]
    options = Options(manager=manager, force=True)
    config = _config(resource, namespace, name, body, "")
    live = cluster.store.get(resource.key, namespace, name)
    if live is None:
        empty = {"kind": resource.kind, "apiVersion": resource.api_version} | kinds.zero_value(resource.kind)
        obj, entries = _applied(cluster, resource, empty, config, options, "")
        new = registry.new_inside(cluster, resource, obj, namespace, entries)
        return cluster.store.put(resource.key, new)
    obj, entries = _applied(cluster, resource, live, config, options, "")
    wanted = registry.received(resource, obj, namespace, name)
    new = registry.revised(cluster, resource, live, wanted, options, "", entries)
    return live if new is live else registry.commit(cluster, resource, new)
