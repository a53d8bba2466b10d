"""Answers as tables: the columns that ``kubectl get`` prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .encoding import parse_timestamp
from .errors import bad_request

if TYPE_CHECKING:
    from .cluster import Cluster
    from .resources import Resource

Json = dict[str, Any]
Cells = list[Any]
_NONE = "<none>"
_WIDE = 1

_COLUMNS: dict[str, str] = {
    "ClusterRole": "Name Created_At:date",
    "ClusterRoleBinding": "Name Role Age Users* Groups* ServiceAccounts*",
    "ConfigMap": "Name Data Age",
    "CustomResourceDefinition": "Name Created_At:date",
    "DaemonSet": "Name Desired:integer Current:integer Ready:integer Up-to-date:integer Available:integer "
    "Node_Selector Age Containers* Images* Selector*",
    "Deployment": "Name Ready Up-to-date Available Age Containers* Images* Selector*",
    "EndpointSlice": "Name AddressType Ports Endpoints Age",
    "Endpoints": "Name Endpoints Age",
    "Event": "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count* Name*",
    "Lease": "Name Holder Age",
    "MutatingWebhookConfiguration": "Name Webhooks:integer Age",
    "Namespace": "Name Status Age",
    "Node": "Name Status Roles Age Version",
    "Pod": "Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*",
    "PodDisruptionBudget": "Name Min_Available Max_Unavailable Allowed_Disruptions:integer Age",
    "ReplicaSet": "Name Desired:integer Current:integer Ready:integer Age Containers* Images* Selector*",
    "Role": "Name Created_At:date",
    "RoleBinding": "Name Role Age Users* Groups* ServiceAccounts*",
    "Secret": "Name Type Data Age",
    "Service": "Name Type Cluster-IP External-IP Port(s) Age Selector*",
    "ServiceAccount": "Name Age",
    "StatefulSet": "Name Ready Age Containers* Images*",
}
"""Columns by kind: ``:type`` unless string, ``*`` only with ``-o wide``, ``_`` a space."""


def _column(text: str) -> Json:
    name, _, kind = text.rstrip("*").partition(":")
    name = name.replace("_", " ")
    return {
        "name": name,
        "type": kind or "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": _WIDE if text.endswith("*") else 0,
    }


def columns(kind: str) -> list[Json]:
    """The column definitions of a kind; Name and Age where nothing else is known."""
    return [_column(text) for text in _COLUMNS.get(kind, "Name Age").split()]


def age(since: str | None, now: datetime) -> str:
    """How long ago an instant was, as kubectl abbreviates it."""
    if not since:
        return "<unknown>"
    return _abbreviated(now - parse_timestamp(since))


def _abbreviated(passed: timedelta) -> str:
    seconds = int(passed.total_seconds())
    if seconds < 0:
        return "0s" if seconds >= -2 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 10:
        return f"{minutes}m{seconds}s" if seconds else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 8:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if days < 8 and hours else f"{days}d"


def _selector(selector: Json | None) -> str:
    labels = (selector or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items())) or _NONE


def _containers(spec: Json) -> list[str]:
    containers = spec["template"]["spec"].get("containers") or []
    return [
        ",".join(item.get("name", "") for item in containers),
        ",".join(item.get("image", "") for item in containers),
    ]


def _deployment(obj: Json, old: str) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec['replicas']}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    return [ready, *counts, old, *_containers(spec), _selector(spec["selector"])]


def _replica_set(obj: Json, old: str) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    counts = [spec["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [*counts, old, *_containers(spec), _selector(spec["selector"])]


def _daemon_set(obj: Json, old: str) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    counters = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    numbers = [status.get(counter, 0) for counter in (*counters, "numberAvailable")]
    chosen = ",".join(f"{name}={value}" for name, value in (spec["template"]["spec"].get("nodeSelector") or {}).items())
    return [*numbers, chosen or _NONE, old, *_containers(spec), _selector(spec.get("selector"))]


def _stateful_set(obj: Json, old: str) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    return [f"{status.get('readyReplicas', 0)}/{spec['replicas']}", old, *_containers(spec)]


def _pod(obj: Json, old: str) -> Cells:
    spec, status = obj["spec"], obj.get("status") or {}
    statuses = status.get("containerStatuses") or []
    ready = f"{sum(bool(item.get('ready')) for item in statuses)}/{len(spec['containers'])}"
    restarts = str(sum(item.get("restartCount", 0) for item in statuses))
    where = [status.get("podIP") or _NONE, spec.get("nodeName") or _NONE, _NONE, _NONE]
    return [ready, _pod_status(obj, statuses), restarts, old, *where]


@rule("kubernetes", "the STATUS column of pods", Provenance.DOCUMENTED, "kubectl get pods")
def _pod_status(obj: Json, statuses: list[Json]) -> str:
    status = obj.get("status") or {}
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    for item in statuses:
        state = item.get("state") or {}
        for name in ("waiting", "terminated"):
            if reason := (state.get(name) or {}).get("reason"):
                return str(reason)
    return str(status.get("reason") or status.get("phase") or "Unknown")


def _service(obj: Json, old: str) -> Cells:
    spec = obj["spec"]
    ports = ",".join(f"{port['port']}/{port['protocol']}" for port in spec.get("ports") or ()) or _NONE
    selector = _selector({"matchLabels": spec.get("selector")})
    return [spec["type"], spec.get("clusterIP", _NONE), _NONE, ports, old, selector]


def _binding(obj: Json, old: str) -> Cells:
    subjects = obj.get("subjects") or []

    def of(kind: str) -> str:
        names = (
            f"{item['namespace']}/{item['name']}" if "namespace" in item else item["name"]
            for item in subjects
            if item["kind"] == kind
        )
        return ", ".join(names)

    role = f"{obj['roleRef'].get('kind')}/{obj['roleRef'].get('name')}"
    return [role, old, of("User"), of("Group"), of("ServiceAccount")]


def _budget(obj: Json, old: str) -> Cells:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    bounds = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [*bounds, status.get("disruptionsAllowed", 0), old]


def _endpoints(obj: Json, old: str) -> Cells:
    addresses = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [",".join(addresses) or _NONE, old]


def _slice(obj: Json, old: str) -> Cells:
    ports = ",".join(str(port.get("port")) for port in obj.get("ports") or ()) or "<unset>"
    addresses = ",".join(item for endpoint in obj.get("endpoints") or () for item in endpoint["addresses"])
    return [obj.get("addressType", ""), ports, addresses or "<unset>", old]


def _event(obj: Json, now: datetime) -> Cells:
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    return [
        age(obj.get("lastTimestamp") or obj.get("eventTime"), now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        source.get("component", ""),
        str(obj.get("message", "")).strip(),
        age(obj.get("firstTimestamp"), now),
        str(obj.get("count", 1)),
        obj["metadata"]["name"],
    ]


def _node(obj: Json, old: str) -> Cells:
    status = obj.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    ready = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")
    return [ready, _NONE, old, (status.get("nodeInfo") or {}).get("kubeletVersion", "")]


def _data(obj: Json) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


_CELLS: dict[str, Callable[[Json, str], Cells]] = {
    "ClusterRole": lambda obj, _: [obj["metadata"]["creationTimestamp"]],
    "ClusterRoleBinding": _binding,
    "ConfigMap": lambda obj, old: [_data(obj), old],
    "CustomResourceDefinition": lambda obj, _: [obj["metadata"]["creationTimestamp"]],
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "EndpointSlice": _slice,
    "Endpoints": _endpoints,
    "Lease": lambda obj, old: [(obj.get("spec") or {}).get("holderIdentity", ""), old],
    "MutatingWebhookConfiguration": lambda obj, old: [len(obj.get("webhooks") or ()), old],
    "Namespace": lambda obj, old: [(obj.get("status") or {}).get("phase", ""), old],
    "Node": _node,
    "Pod": _pod,
    "PodDisruptionBudget": _budget,
    "ReplicaSet": _replica_set,
    "Role": lambda obj, _: [obj["metadata"]["creationTimestamp"]],
    "RoleBinding": _binding,
    "Secret": lambda obj, old: [obj.get("type", ""), _data(obj), old],
    "Service": _service,
    "StatefulSet": _stateful_set,
}
"""The cells after the name, from the object and its age."""


def _cells(obj: Json, now: datetime) -> Cells:
    if obj["kind"] == "Event":
        return _event(obj, now)
    old = age(obj["metadata"].get("creationTimestamp"), now)
    cells = _CELLS.get(obj["kind"])
    return [obj["metadata"]["name"], *(cells(obj, old) if cells else [old])]


@rule("kubernetes", "answers as Table", Provenance.RECORDED, "kubernetes/discovery.yaml table")
def table(cluster: Cluster, resource: Resource, objects: list[Json], metadata: Json, include: str = "") -> Json:
    """The objects as a Table. ``include`` is Metadata (the default), Object or None, as in ``includeObject``."""
    if include not in ("", "Metadata", "Object", "None"):
        raise bad_request(f"unrecognized includeObject value: {json.dumps(include)}")
    now = cluster.clock.now()
    rows = [{"cells": _cells(obj, now), "object": _included(obj, include)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns(resource.kind),
        "rows": rows,
    }


def _included(obj: Json, include: str) -> Json | None:
    if include == "None":
        return None
    return obj if include == "Object" else metadata_only(obj)


def metadata_only(obj: Json) -> Json:
    """The object as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
