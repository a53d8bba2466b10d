"""The types of :mod:`schema` as the component schemas of OpenAPI documents.

What merges item by item is told as the extensions that clients compute their patches by. Descriptions, and which
fields are required, are not told: the server validates.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from simulator.provenance import Provenance, doubt, rule

from . import schema
from .resources import GROUPS, Resource, of_group

Json = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_TIME, _FIELDS = f"{_META}.Time", f"{_META}.FieldsV1"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_PLAIN: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
}
_SPECIAL: dict[str, Json] = {
    _TIME: {"type": "string", "format": "date-time"},
    _FIELDS: {"type": "object"},
    _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
}
_META_TYPES = {
    "Condition",
    "DeleteOptions",
    "FieldSelectorRequirement",
    "LabelSelector",
    "LabelSelectorRequirement",
    "ManagedFieldsEntry",
    "ObjectMeta",
    "OwnerReference",
    "Preconditions",
}
_PREFIXED = ("ApiextensionsV1", "DiscoveryV1")
"""What types are called here that would otherwise share their name with one of another group."""

_RETAIN_KEYS = {("DeploymentSpec", "strategy"), ("PodSpec", "resourceClaims"), ("PodSpec", "volumes")}
"""Structures of which a patch names every field that is to stay."""


def _package(group: str) -> str:
    if group == "apiextensions.k8s.io":
        return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
    return f"io.k8s.api.{group.partition('.')[0] or 'core'}.v1"


def _reachable(roots: Iterable[str]) -> set[str]:
    """The structures that are part of these types, and they themselves."""
    found: set[str] = set()
    ahead = [name for name in roots if schema.is_structure(name)]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            inner = (field.strip("[]{}") for field in schema.TYPES[name].values())
            ahead.extend(field for field in inner if schema.is_structure(field))
    return found


def _roots(group: str) -> list[str]:
    """The kinds of a group, those of its objects' subresources among them."""
    listed = of_group(group)
    return [kind for resource in listed for kind in (resource.kind, *(part.kind for part in resource.subresources))]


@cache
def _packages() -> dict[str, str]:
    """The package of every type: of its own group, else of the first group that uses it; the core comes first."""
    packages = dict.fromkeys(_META_TYPES, _META) | {"Scale": _package("autoscaling")}
    kinds = {resource.kind: group for group in GROUPS for resource in of_group(group)}
    packages |= {kind: _package(group) for kind, group in kinds.items()}
    packages |= dict.fromkeys(("TokenRequest", "TokenRequestSpec", "TokenRequestStatus"), _package("authentication"))
    packages |= {"BoundObjectReference": _package("authentication")}
    packages |= {"ScaleSpec": _package("autoscaling"), "ScaleStatus": _package("autoscaling")}
    for group in sorted(GROUPS):
        for name in _reachable(_roots(group)):
            packages.setdefault(name, _package(group))
    return packages


def full_name(type_name: str) -> str:
    """The type's name in the documents: ``io.k8s.api.core.v1.ServiceAccount``."""
    short = type_name
    for prefix in _PREFIXED:
        short = short.removeprefix(prefix)
    return f"{_packages()[type_name]}.{short}"


def _reference(name: str) -> Json:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], "default": {}}


def reference(type_name: str) -> Json:
    """A schema that refers to the one of a type."""
    return {"$ref": f"#/components/schemas/{full_name(type_name)}"}


def _field(owner: str, name: str, type_name: str) -> Json:
    """The schema of one field of a structure."""
    if name in schema.QUANTITIES and type_name.strip("{}") == "str":
        quantity = {"$ref": f"#/components/schemas/{_QUANTITY}"}
        return {"type": "object", "additionalProperties": quantity} if type_name[0] == "{" else quantity
    if type_name == "any" and name in schema.INT_OR_STRING:
        return {"$ref": f"#/components/schemas/{_INT_OR_STRING}"}
    if type_name == "any" and name == "fieldsV1":
        return {"$ref": f"#/components/schemas/{_FIELDS}"}
    return _value(type_name) | _merging(owner, name, type_name)


def _value(type_name: str) -> Json:
    if type_name[0] == "[":
        return {"type": "array", "items": _value(type_name[1:-1])}
    if type_name[0] == "{":
        return {"type": "object", "additionalProperties": _value(type_name[1:-1])}
    if type_name == "time":
        return {"$ref": f"#/components/schemas/{_TIME}"}
    if schema.is_structure(type_name):
        return _reference(full_name(type_name))
    return _PLAIN.get(type_name, {"type": "object"})


@rule("kubernetes", "how lists and maps merge", Provenance.RECORDED, "server-side-apply.yaml list_types")
@rule("kubernetes", "what a patch retains by name", Provenance.DOCUMENTED, "strategic merge patch, retainKeys")
@doubt(
    "kubernetes",
    "whether every list that apply merges by keys has a strategy for strategic merge patches, too",
    "it has: merge, by the first of the keys",
    "server-side-apply.yaml list_types tells what apply does",
)
def _merging(owner: str, name: str, type_name: str) -> Json:
    """The extensions that say how a field merges."""
    position, told, strategy = (owner, name), Json(), []
    if keys := schema.LIST_KEYS.get(position):
        strategy = ["merge"]
        told = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
        told["x-kubernetes-patch-merge-key"] = keys[0]
    elif position in schema.SETS:
        strategy = ["merge"]
        told = {"x-kubernetes-list-type": "set"}
    elif type_name[0] == "[":
        told = {"x-kubernetes-list-type": "atomic"}
    elif position in schema.ATOMIC_MAPS:
        told = {"x-kubernetes-map-type": "atomic"}
    if position in _RETAIN_KEYS:
        strategy.append("retainKeys")
    return told | ({"x-kubernetes-patch-strategy": ",".join(strategy)} if strategy else {})


def _structure(type_name: str) -> Json:
    fields = schema.TYPES[type_name].items()
    body: Json = {"type": "object", "properties": {name: _field(type_name, name, kind) for name, kind in fields}}
    if type_name in schema.ATOMIC_TYPES:
        body["x-kubernetes-map-type"] = "atomic"
    return body


def _kinds(group: str) -> dict[str, Json]:
    """The group, version and kind of each type that is one."""
    told: dict[str, Json] = {}
    for resource in of_group(group):
        told[resource.kind] = kind_of(resource)
        for part in resource.subresources:
            foreign, _, version = (part.foreign or resource.api_version).rpartition("/")
            told.setdefault(part.kind, {"group": foreign, "kind": part.kind, "version": version})
    return told


def kind_of(resource: Resource) -> Json:
    """A resource's group, version and kind, as documents tell them."""
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


@rule("kubernetes", "OpenAPI component schemas", Provenance.RECORDED, "kubernetes/discovery.yaml openapi_v3.document")
def components(group: str) -> Json:
    """The component schemas of a group's document: its kinds, and all that they are made of."""
    kinds = _kinds(group)
    schemas = dict(_SPECIAL)
    for type_name in _reachable((*_roots(group), "DeleteOptions")):
        body = _structure(type_name)
        if type_name in kinds:
            body["x-kubernetes-group-version-kind"] = [kinds[type_name]]
        schemas[full_name(type_name)] = body
    return {name: schemas[name] for name in sorted(schemas)}
