"""Writing objects: what happens between an object as it was sent and an object as it is stored."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule

from . import admission, allocation, defaults, kinds, managed_fields, schema, validation
from .context import Options
from .errors import Cause, already_exists, bad_request, invalid, modified, not_found, refuse
from .managed_fields import Manager, Managers
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_SERVER_MADE = ("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "selfLink", "uid")
_KEPT = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "name",
    "namespace",
    "uid",
)
_ATTEMPTS = 5


def received(resource: Resource, body: Json, namespace: str, name: str = "") -> Json:
    """A request body as an object of the resource: of its kind, in its namespace, under its name, decoded.

    ``name`` is the one in the URL, if any. Refuses what is of another kind, place, name, or has wrong types.
    """
    kind, api_version = body.get("kind") or resource.kind, body.get("apiVersion") or resource.api_version
    for field, value in (("kind", kind), ("apiVersion", api_version)):
        if not isinstance(value, str):
            why = f"json: cannot unmarshal {schema.json_name(value)} into Go struct field .{field} of type string"
            raise bad_request(f"couldn't get version/kind; json parse error: {why}")
    head = f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {resource.kind}'
    if kind != resource.kind:
        group = resource.group.partition(".")[0] or "core"
        raise bad_request(f"{head}: converting (v1.{kind}) to ({group}.{resource.kind}): unknown conversion")
    if api_version != resource.api_version:
        scheme = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
        raise bad_request(f'{head}: no kind "{kind}" is registered for version "{api_version}" {scheme}')
    if complaint := schema.type_complaint(kind, body) or _undecodable(body):
        raise bad_request(f"{head}: {complaint}")
    obj = schema.decoded(kind, body | {"kind": kind, "apiVersion": api_version})
    metadata = obj["metadata"]
    if name and metadata.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")
    _place(resource, metadata, namespace)
    return obj


def _undecodable(body: Json) -> str:
    """The first value of a Secret's data that is not base64."""
    if body.get("kind") != "Secret":
        return ""
    for value in (body.get("data") or {}).values():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError):
            return "illegal base64 data at input byte 0"
    return ""


def _place(resource: Resource, metadata: Json, namespace: str) -> None:
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _manager(resource: Resource, options: Options, subresource: str = "") -> Manager:
    return Manager(options.manager, "Update", resource.api_version, subresource)


async def create(
    cluster: Cluster,
    resource: Resource,
    body: Json,
    namespace: str,
    options: Options,
    entries: Managers | None = None,
) -> Json:
    """Create an object. ``entries`` are the managed fields of an apply; without them they are the creator's.

    Returns what is stored, not to be changed; with a dry run, what would be, without resourceVersion.
    """
    obj = received(resource, body | {"kind": body.get("kind") or resource.kind}, namespace)
    metadata = obj["metadata"]
    if metadata.pop("resourceVersion", "") and entries is None:
        raise refuse(500, "", "resourceVersion should not be set on objects to be created")
    for name in _SERVER_MADE:
        metadata.pop(name, None)
    if kinds.has_status(resource):
        obj.pop("status", None)
    defaults.fill(obj)
    if entries is None:
        found = managed_fields.starting_point(None, obj, through_subresource=False)
        entries = managed_fields.updated(None, obj, found, _manager(resource, options), cluster.now())
    obj = managed_fields.set_entries(obj, entries)
    obj = await admission.admit(cluster, resource, obj, None, options)
    obj = _completed(cluster, resource, obj, kinds.initial_status(resource.kind, obj))
    validation.check(resource, obj)
    _check_free(cluster, resource, obj)
    if options.dry_run:
        return kinds.arranged(obj)
    allocation.allocate(cluster, obj)
    return cluster.store.put(resource.key, obj)


def _completed(cluster: Cluster, resource: Resource, obj: Json, status: Json | None) -> Json:
    """A new object with all that the server gives it: name, uid, time, generation, status."""
    metadata = dict(obj["metadata"])
    if not metadata.get("name") and (base := metadata.get("generateName")):
        metadata["name"] = kinds.generated_name(base, cluster.random)
    metadata |= {"uid": cluster.new_uid(), "creationTimestamp": cluster.now()}
    if kinds.has_generation(resource.kind):
        metadata["generation"] = 1
    result: Json = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata} | {
        name: value for name, value in obj.items() if name not in ("kind", "apiVersion", "metadata")
    }
    if status is not None:
        result["status"] = status
    if resource.key == "namespaces":
        finalizers = (result.get("spec") or {}).get("finalizers") or []
        result["spec"] = {"finalizers": list(dict.fromkeys([*finalizers, "kubernetes"]))}
    return result


def _check_free(cluster: Cluster, resource: Resource, obj: Json) -> None:
    metadata = obj["metadata"]
    if holder := cluster.store.get(resource.key, metadata.get("namespace", ""), metadata["name"]):
        raise already_exists(resource, metadata["name"], being_deleted="deletionTimestamp" in holder["metadata"])


def stored(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Json:
    """The stored object, not to be changed. Refuses with 404 when there is none."""
    found = cluster.store.get(resource.key, namespace, name)
    if found is None:
        raise not_found(resource, name)
    return found


async def update(
    cluster: Cluster,
    resource: Resource,
    namespace: str,
    name: str,
    change: Callable[[Json], Json],
    options: Options,
    subresource: str = "",
) -> Json:
    """Replace an object by what ``change`` makes of a copy of it; of a subresource only that part is taken."""

    def revise(live: Json) -> Json:
        wanted = received(resource, change(copied(live)), namespace, name)
        return revised(cluster, resource, live, wanted, options, subresource)

    return await replace(cluster, resource, namespace, name, revise, options, subresource)


@rule("kubernetes", "an update that changes nothing is no write", Provenance.RECORDED, "errors.yaml not_errors")
async def replace(
    cluster: Cluster,
    resource: Resource,
    namespace: str,
    name: str,
    revise: Callable[[Json], Json],
    options: Options,
    subresource: str = "",
) -> Json:
    """Store what ``revise`` makes of the live object, after admission and validation.

    ``revise`` is called again when someone else wrote the object while a webhook was being asked.
    """
    for _ in range(_ATTEMPTS):
        live = stored(cluster, resource, namespace, name)
        new = revise(live)
        if new == live:
            return live
        new = await admission.admit(cluster, resource, new, live, options, subresource)
        validation.check(resource, new, live)
        if cluster.store.get(resource.key, namespace, name) is not live:
            continue
        return kinds.arranged(new) if options.dry_run else commit(cluster, resource, new)
    raise modified(resource, name)


def commit(cluster: Cluster, resource: Resource, new: Json) -> Json:
    """File an updated object, or remove it when it was only kept by the finalizer that it lost."""
    if is_released(resource, new):
        return cluster.store.delete(resource.key, new)
    return cluster.store.put(resource.key, new)


def is_released(resource: Resource, obj: Json) -> bool:
    """Whether the object is being deleted and nothing holds it any more."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if resource.key == "namespaces" and obj["spec"].get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def revised(
    cluster: Cluster,
    resource: Resource,
    live: Json,
    wanted: Json,
    options: Options,
    subresource: str = "",
    entries: Managers | None = None,
) -> Json:
    """The object that replaces ``live`` when ``wanted`` is asked for: what callers cannot change is kept."""
    _check_version(resource, live, wanted)
    if entries is None:
        before = managed_fields.starting_point(live, wanted, through_subresource=bool(subresource))
    new = _part(live, wanted, subresource) if subresource else _main(resource, live, wanted)
    if subresource != "status":
        defaults.fill(new)
        allocation.keep(live, new)
    if kinds.has_generation(resource.kind) and kinds.specification(new) != kinds.specification(live):
        new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
    if entries is None:
        manager = _manager(resource, options, subresource)
        entries = managed_fields.updated(live, new, before, manager, cluster.now())
    new = managed_fields.set_entries(new, entries)
    return live if new == live else new


def _check_version(resource: Resource, live: Json, wanted: Json) -> None:
    metadata, current = wanted["metadata"], live["metadata"]
    if metadata.get("resourceVersion") not in (None, "", current["resourceVersion"]):
        raise modified(resource, current["name"])
    if metadata.get("uid") not in (None, current["uid"]):
        immutable = Cause.invalid("metadata.uid", f'"{metadata["uid"]}"', "field is immutable")
        raise invalid(resource.kind, resource.group, current["name"], [immutable, immutable])


def _main(resource: Resource, live: Json, wanted: Json) -> Json:
    metadata = {name: value for name, value in wanted["metadata"].items() if name not in _KEPT}
    metadata |= {name: live["metadata"][name] for name in _KEPT if name in live["metadata"]}
    new = wanted | {"metadata": metadata | {"resourceVersion": live["metadata"]["resourceVersion"]}}
    metadata = new["metadata"]
    metadata.pop("selfLink", None)
    if kinds.has_status(resource):
        new = {name: value for name, value in new.items() if name != "status"}
        if "status" in live:
            new["status"] = live["status"]
    if resource.key == "namespaces":
        new["spec"] = live["spec"]
    _check_finalizers(resource, live, metadata)
    return new


def _part(live: Json, wanted: Json, subresource: str) -> Json:
    new = live | {"metadata": dict(live["metadata"])}
    if subresource == "finalize":
        return new | {"spec": wanted.get("spec") or {}}
    return new | {"status": wanted.get("status") or {}}


def _check_finalizers(resource: Resource, live: Json, metadata: Json) -> None:
    if "deletionTimestamp" not in live["metadata"]:
        return
    new = set(metadata.get("finalizers") or ()) - set(live["metadata"].get("finalizers") or ())
    if new:
        names = ", ".join(f'"{name}"' for name in sorted(new))
        why = "no new finalizers can be added if the object is being deleted, found new finalizers []string{"
        cause = Cause.forbidden("metadata.finalizers", f"{why}{names}}}")
        raise invalid(resource.kind, resource.group, live["metadata"]["name"], [cause])


def write(cluster: Cluster, resource: Resource, body: Json, manager: str) -> Json:
    """A controller's create or replace of a whole object with its status; nothing when nothing changes."""
    given: Json = {"kind": resource.kind, "apiVersion": resource.api_version} | body
    metadata = given["metadata"]
    obj = received(resource, given, metadata.get("namespace", ""), metadata.get("name", ""))
    options = Options(manager=manager)
    live = cluster.store.get(resource.key, obj["metadata"].get("namespace", ""), obj["metadata"].get("name", ""))
    if live is None:
        return cluster.store.put(resource.key, _new_by_controller(cluster, resource, obj, options))
    for name in ("resourceVersion", "managedFields", "uid"):
        obj["metadata"].pop(name, None)
    new = revised(cluster, resource, live, obj, options)
    if kinds.has_status(resource) and "status" in body:
        new = revised(cluster, resource, new, new | {"status": body["status"]}, options, "status")
    return live if new == live else commit(cluster, resource, new)


def _new_by_controller(cluster: Cluster, resource: Resource, obj: Json, options: Options) -> Json:
    for name in (*_SERVER_MADE, "resourceVersion", "managedFields"):
        obj["metadata"].pop(name, None)
    status = obj.pop("status", None) if kinds.has_status(resource) else None
    defaults.fill(obj)
    entries = managed_fields.updated(None, obj, {}, _manager(resource, options), cluster.now())
    if status and entries:
        manager = _manager(resource, options, "status")
        entries = managed_fields.updated(obj, obj | {"status": status}, entries, manager, cluster.now())
    obj = managed_fields.set_entries(obj, entries)
    allocation.allocate(cluster, obj)
    return _completed(cluster, resource, obj, status or kinds.initial_status(resource.kind, obj))


def new_inside(cluster: Cluster, resource: Resource, body: Json, namespace: str, entries: Managers) -> Json:
    """A new object that comes from inside the cluster, with these managed fields and without admission."""
    obj = received(resource, body, namespace)
    if kinds.has_status(resource):
        obj.pop("status", None)
    defaults.fill(obj)
    allocation.allocate(cluster, obj)
    obj = managed_fields.set_entries(obj, entries)
    return _completed(cluster, resource, obj, kinds.initial_status(resource.kind, obj))
