"""Deleting objects: at once, after a grace period, or once their finalizers are gone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import kinds, registry, schema
from .encoding import timestamp
from .errors import Cause, bad_request, conflict, forbidden, invalid_options, named, refuse
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_POLICIES = ("Foreground", "Background", "Orphan")
_PROTECTED = {"default", "kube-public", "kube-system"}
_DEFAULT_GRACE = 30


@dataclass(frozen=True)
class DeleteOptions:
    """How to delete: ``grace`` in seconds, None for the kind's own; ``uid`` and ``version`` must match if given."""

    propagation: str = "Background"
    grace: int | None = None
    dry_run: bool = False
    uid: str = ""
    version: str = ""

    @classmethod
    def of(cls, body: Json, query: Json) -> DeleteOptions:
        """From a DeleteOptions body, else from the query. Refuses wrong types with 400, an unknown policy with 422."""
        if complaint := schema.type_complaint("DeleteOptions", body):
            raise bad_request(f'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: {complaint}')
        policy = body.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
        if policy not in _POLICIES:
            unknown = Cause.unsupported("propagationPolicy", f'"{policy}"', (*_POLICIES, "nil"))
            raise invalid_options("DeleteOptions", unknown)
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        conditions = body.get("preconditions") or {}
        return cls(
            propagation=policy,
            grace=None if grace is None else _whole(grace),
            dry_run="All" in (body.get("dryRun") or ()) or query.get("dryRun") == "All",
            uid=conditions.get("uid") or "",
            version=conditions.get("resourceVersion") or "",
        )


def _whole(seconds: Any) -> int:
    text = str(seconds)
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: invalid syntax")
    return max(int(text), 1) if text[0] == "-" else int(text)


def delete(cluster: Cluster, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> Json:
    """Delete an object, or begin to. Returns what a DELETE answers: a Status, or the object."""
    live = registry.stored(cluster, resource, namespace, name)
    _check_preconditions(resource, live, options)
    if resource.key == "namespaces":
        return _terminate(cluster, resource, live, options)
    doomed = _marked(cluster, resource, live, options)
    if not registry.is_released(resource, doomed):
        return doomed if options.dry_run or doomed == live else cluster.store.put(resource.key, doomed)
    if not options.dry_run:
        doomed = cluster.store.delete(resource.key, doomed)
    if kinds.delete_answers_object(resource.kind):
        return doomed
    # A plain deletion leaves no trace of its time in the answer: a Status names what was deleted.
    details = named(resource, name, uid=live["metadata"]["uid"])
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


@rule("kubernetes", "delete preconditions", Provenance.RECORDED, "errors.yaml conflict-delete-precondition-uid")
def _check_preconditions(resource: Resource, live: Json, options: DeleteOptions) -> None:
    metadata = live["metadata"]
    if options.uid and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated"
        )
        message = f'Operation cannot be fulfilled on {resource.kind} "{metadata["name"]}": {why}'
        raise refuse(409, "Conflict", message, named(resource, metadata["name"]) | {"kind": resource.kind})
    if options.version and options.version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in record "
            f"({metadata['resourceVersion']}). The object might have been modified"
        )
        raise conflict(resource, metadata["name"], why)


@rule("kubernetes", "a deleted namespace is Terminating", Provenance.RECORDED, "lifecycle.yaml namespace_delete")
def _terminate(cluster: Cluster, resource: Resource, live: Json, options: DeleteOptions) -> Json:
    metadata = live["metadata"]
    if metadata["name"] in _PROTECTED:
        raise forbidden(resource, metadata["name"], "this namespace may not be deleted")
    if "deletionTimestamp" in metadata:
        return live
    doomed = live | {
        "metadata": metadata | {"deletionTimestamp": cluster.now()},
        "status": {**(live.get("status") or {}), "phase": "Terminating"},
    }
    return doomed if options.dry_run else cluster.store.put(resource.key, doomed)


@rule("kubernetes", "grace periods and finalizers", Provenance.RECORDED, "kubernetes/lifecycle.yaml object_metadata")
def _marked(cluster: Cluster, resource: Resource, live: Json, options: DeleteOptions) -> Json:
    """The object with its deletion written into the metadata."""
    metadata = dict(live["metadata"])
    grace = _grace(resource, live, options)
    if "deletionTimestamp" in metadata and grace >= metadata.get("deletionGracePeriodSeconds", 0):
        return live
    finalizers = list(metadata.get("finalizers") or ())
    extra = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(options.propagation)
    if extra and extra not in finalizers:
        finalizers.append(extra)
    if finalizers:
        metadata["finalizers"] = finalizers
    if kinds.has_generation(resource.kind):
        metadata["generation"] = metadata.get("generation", 0) + 1
    instant = cluster.clock.now() + timedelta(seconds=grace)
    metadata |= {"deletionTimestamp": timestamp(instant), "deletionGracePeriodSeconds": grace}
    return live | {"metadata": metadata}


@rule("kubernetes", "an unscheduled or ended pod goes at once", Provenance.RECORDED, "lifecycle.yaml pods_delete")
def _grace(resource: Resource, live: Json, options: DeleteOptions) -> int:
    if resource.key != "pods" or not live["spec"].get("nodeName"):
        return 0
    if (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    own: int = live["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    return own if options.grace is None else options.grace
