"""What fields the served kinds have, and how their lists and maps merge.

``schema.json`` holds the fields of Kubernetes' published types: ``str``, ``int``, ``bool``, ``bytes`` (base64 text),
``time``, ``any`` (free form), ``[T]`` a list of T, ``{T}`` a map from names to T, or the name of another type.
What may be merged item by item is not in there; that is the tables below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.provenance import Provenance, rule

Json = dict[str, Any]

TYPES: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))

LIST_KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Container", "env"): ("name",),
    ("Container", "ports"): ("containerPort", "protocol"),
    ("Container", "volumeDevices"): ("devicePath",),
    ("Container", "volumeMounts"): ("mountPath",),
    ("EphemeralContainer", "env"): ("name",),
    ("EphemeralContainer", "ports"): ("containerPort", "protocol"),
    ("EphemeralContainer", "volumeMounts"): ("mountPath",),
    ("CustomResourceDefinitionStatus", "conditions"): ("type",),
    ("DaemonSetStatus", "conditions"): ("type",),
    ("DeploymentStatus", "conditions"): ("type",),
    ("MutatingWebhook", "matchConditions"): ("name",),
    ("MutatingWebhookConfiguration", "webhooks"): ("name",),
    ("NamespaceStatus", "conditions"): ("type",),
    ("NodeStatus", "addresses"): ("type",),
    ("NodeStatus", "conditions"): ("type",),
    ("ObjectMeta", "ownerReferences"): ("uid",),
    ("PodDisruptionBudgetStatus", "conditions"): ("type",),
    ("PodSpec", "containers"): ("name",),
    ("PodSpec", "ephemeralContainers"): ("name",),
    ("PodSpec", "hostAliases"): ("ip",),
    ("PodSpec", "imagePullSecrets"): ("name",),
    ("PodSpec", "initContainers"): ("name",),
    ("PodSpec", "resourceClaims"): ("name",),
    ("PodSpec", "schedulingGates"): ("name",),
    ("PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    ("PodSpec", "volumes"): ("name",),
    ("PodStatus", "conditions"): ("type",),
    ("PodStatus", "podIPs"): ("ip",),
    ("ReplicaSetStatus", "conditions"): ("type",),
    ("ServiceAccount", "secrets"): ("name",),
    ("ServiceSpec", "ports"): ("port", "protocol"),
    ("ServiceStatus", "conditions"): ("type",),
    ("StatefulSetStatus", "conditions"): ("type",),
}
"""Lists whose items are told apart by these fields of theirs; the first one alone in a strategic merge patch."""

SETS = {("ObjectMeta", "finalizers"), ("NodeSpec", "podCIDRs")}
"""Lists of plain values that merge as sets. Every other list is replaced as a whole."""

KEY_DEFAULTS = {"protocol": "TCP"}
"""Values of list keys that may be left out."""

ATOMIC_TYPES = {
    "ConfigMapKeySelector",
    "EndpointAddress",
    "LabelSelector",
    "LocalObjectReference",
    "NodeSelector",
    "NodeSelectorTerm",
    "ObjectFieldSelector",
    "ObjectReference",
    "ResourceFieldSelector",
    "RoleRef",
    "SecretKeySelector",
    "Subject",
    "TypedLocalObjectReference",
}
"""Structures that are owned and replaced as a whole."""

ATOMIC_MAPS = {("PodSpec", "nodeSelector"), ("ServiceSpec", "selector")}
"""Maps that are owned and replaced as a whole."""


def root(kind: str) -> str:
    """The type of a kind's objects, ``any`` where the schema has none."""
    return kind if kind in TYPES else "any"


def is_structure(type_name: str) -> bool:
    """Whether the type has named fields."""
    return type_name in TYPES


def field_type(type_name: str, name: str) -> str | None:
    """The type of a field of a structure, or None when it has no such field. A free-form value has every field."""
    if type_name == "any":
        return "any"
    return TYPES[type_name].get(name)


def element(type_name: str) -> str:
    """The type of the items of ``[T]`` and of the values of ``{T}``; ``any`` of ``any``."""
    return type_name[1:-1] if type_name[0] in "[{" else "any"


def go_name(type_name: str) -> str:
    """The type as the Go decoder names it in its complaints."""
    if type_name[0] == "[":
        return "[]" + go_name(element(type_name))
    if type_name[0] == "{":
        return "map[string]" + go_name(element(type_name))
    plain = {
        "str": "string",
        "bool": "bool",
        "int": "int32",
        "int or string": "intstr.IntOrString",
        "bytes": "[]uint8",
        "time": "v1.Time",
        "quantity": "resource.Quantity",
    }
    return plain.get(type_name, f"v1.{type_name}")


_GO_NAMES = {
    "bool": "bool",
    "bytes": "[]uint8",
    "int": "int32",
    "int or string": "intstr.IntOrString",
    "quantity": "resource.Quantity",
    "str": "string",
    "time": "v1.Time",
}


def unknown_fields(kind: str, obj: Json) -> list[str]:
    """Paths of fields that the kind does not have, as the strict decoder lists them: ``spec.containers[0].bogus``."""
    return list(_unknown(root(kind), obj, ""))


def _unknown(type_name: str, value: Any, path: str) -> Iterator[str]:
    if type_name[0] == "[" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(element(type_name), item, f"{path}[{index}]")
    elif type_name[0] == "{" and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown(element(type_name), item, f"{path}.{key}")
    elif is_structure(type_name) and isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            known = TYPES[type_name].get(key)
            if known is None:
                yield below
            else:
                yield from _unknown(known, item, below)


@rule("kubernetes", "a value of the wrong type is 400", Provenance.RECORDED, "kubernetes/errors.yaml wrong-type")
def type_complaint(kind: str, obj: Json) -> str | None:
    """What the decoder says of the first value of a wrong JSON type, or None when all fit."""
    return next(_mismatches(root(kind), obj, kind, ""), None)


def json_name(value: Any) -> str:
    """The JSON type of a value, as decoders name it."""
    return _JSON_NAMES.get(type(value), "null")


_JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def _mismatches(type_name: str, value: Any, owner: str, path: str) -> Iterator[str]:
    if value is None or type_name == "any":
        return
    if not _fits(type_name, value):
        name = f"{owner}.{path}" if path else owner
        wrong, wanted = json_name(value), go_name(type_name)
        yield f"json: cannot unmarshal {wrong} into Go struct field {name} of type {wanted}"
    elif type_name[0] == "[":
        for item in value:
            yield from _mismatches(element(type_name), item, owner, path)
    elif type_name[0] == "{":
        for item in value.values():
            yield from _mismatches(element(type_name), item, owner, path)
    elif is_structure(type_name):
        for key, item in value.items():
            known = TYPES[type_name].get(key)
            if known == "any" and key in INT_OR_STRING:
                known = "int or string"
            if known and key in QUANTITIES:
                known = {"str": "quantity", "{str}": "{quantity}"}.get(known, known)
            if known:
                yield from _mismatches(known, item, type_name, f"{path}.{key}" if path else key)


QUANTITIES = {"limits", "requests", "hard", "used", "capacity", "allocatable", "overhead", "sizeLimit", "divisor"}
"""Fields whose values may be written as numbers or as text."""

INT_OR_STRING = {"maxSurge", "maxUnavailable", "minAvailable", "port", "targetPort"}
"""Free-form fields that are a whole number or a text."""


def _fits(type_name: str, value: Any) -> bool:
    if type_name[0] == "[":
        return isinstance(value, list)
    if type_name[0] == "{" or is_structure(type_name):
        return isinstance(value, dict)
    if type_name == "int or string":
        return isinstance(value, str | int) and not isinstance(value, bool)
    if type_name == "quantity":
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    if type_name == "bool":
        return isinstance(value, bool)
    if type_name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str)


ALWAYS_THERE: dict[str, Json] = {"Event": {"eventTime": None, "reportingComponent": "", "reportingInstance": ""}}
"""Members that are there even when they are empty."""


@rule("kubernetes", "an Event has empty members", Provenance.RECORDED, "kubernetes/lifecycle.yaml events.replicaset")
def decoded(kind: str, obj: Json) -> Json:
    """``obj`` as the server's typed decoder leaves it: without unknown fields, nulls and empty optional values.

    A null in a list is what an item is before anything of it is set.
    """
    result: Json = _decoded(root(kind), obj)
    head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": {}}
    return head | ALWAYS_THERE.get(kind, {}) | result


_KEPT_EMPTY = {"containers", "rules"}


def _zero(type_name: str) -> Any:
    """What a value of the type is before it is set."""
    if type_name[0] == "[":
        return []
    if type_name[0] == "{" or is_structure(type_name):
        return {}
    return {"int": 0, "bool": False, "any": None}.get(type_name, "")


def _decoded(type_name: str, value: Any) -> Any:
    if type_name[0] == "[" and isinstance(value, list):
        return [_decoded(element(type_name), _zero(element(type_name)) if item is None else item) for item in value]
    if type_name[0] == "{" and isinstance(value, dict):
        return {key: "" if item is None else _decoded(element(type_name), item) for key, item in value.items()}
    if not is_structure(type_name) or not isinstance(value, dict):
        return value
    result: Json = {}
    for key, item in value.items():
        known = TYPES[type_name].get(key)
        if known is None or item is None:
            continue
        if not item and key not in _KEPT_EMPTY and (known[0] in "[{" or known in ("str", "bytes", "time")):
            continue
        result[key] = _decoded(known, item)
        if key in QUANTITIES and known == "{str}":
            result[key] = {name: str(quantity) for name, quantity in item.items()}
    return result
