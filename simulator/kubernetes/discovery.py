"""What the API server tells about itself: groups, resources, version, health."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from simulator.provenance import Provenance, rule

from .definitions import custom, custom_groups
from .encoding import dump
from .negotiation import asks_for_discovery
from .resources import GROUPS, Resource, Subresource, of_group

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PATHS = ("/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/", "/healthz", "/livez")
_MORE_PATHS = ("/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks", "/readyz", "/version")


def groups(cluster: Cluster) -> dict[str, str]:
    """The groups below /apis with their versions; those of custom resources come last."""
    return {name: "v1" for name in GROUPS if name} | custom_groups(cluster)


def root(cluster: Cluster) -> Response:
    """GET /."""
    listed = [
        path for group, version in groups(cluster).items() for path in (f"/apis/{group}", f"/apis/{group}/{version}")
    ]
    return _json({"paths": [*_PATHS, *listed, *_MORE_PATHS]})


def _json(body: Any, media: str = "application/json", headers: dict[str, str] | None = None) -> Response:
    response = Response(dump(body), headers=headers)
    response.headers["Content-Type"] = media
    return response


@rule("kubernetes", "GET /api and /apis, also aggregated", Provenance.RECORDED, "kubernetes/discovery.yaml aggregated")
def roots(cluster: Cluster, request: Request, path: str) -> Response:
    """GET /api or /apis: aggregated discovery for those who accept it, else the plain list."""
    if not asks_for_discovery(request.headers.get("Accept", ""), "v2"):
        plain = _core_versions(cluster) if path == "/api" else _group_list(cluster)
        return _json(plain, headers={"Vary": "Accept"})
    body = aggregated(path, custom(cluster))
    tag = f'"{hashlib.sha512(dump(body)).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
    if request.headers.get("If-None-Match") == tag:
        return Response(status_code=304, headers=headers)
    return _json(body, _AGGREGATED, headers)


def _core_versions(cluster: Cluster) -> Json:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": f"{cluster.state.fqdn}:443"}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def _group(name: str, version_name: str) -> Json:
    version = {"groupVersion": f"{name}/{version_name}", "version": version_name}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _group_list(cluster: Cluster) -> Json:
    listed = [_group(name, version) for name, version in groups(cluster).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(cluster: Cluster, name: str) -> Response:
    """GET /apis/<group>."""
    return _json({"kind": "APIGroup", "apiVersion": "v1"} | _group(name, groups(cluster)[name]))


@rule("kubernetes", "GET /api/v1 and /apis/<g>/<v>", Provenance.RECORDED, "kubernetes/discovery.yaml resource_list")
def resources(cluster: Cluster, group_name: str) -> Response:
    """The resources of a group, in the plain form; "" is the core group."""
    served = [*of_group(group_name), *(resource for resource in custom(cluster) if resource.group == group_name)]
    listed = [entry for resource in served for entry in _plain(resource)]
    version = {"groupVersion": f"{group_name}/{groups(cluster)[group_name]}" if group_name else "v1"}
    head = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if group_name else {})
    return _json(head | version | {"resources": listed})


def _plain(resource: Resource) -> list[Json]:
    entry: Json = {
        "name": resource.name,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.storage_hash:
        entry["storageVersionHash"] = resource.storage_hash
    return [entry, *(_plain_part(resource, part) for part in resource.subresources)]


def _plain_part(resource: Resource, part: Subresource) -> Json:
    entry: Json = {"name": f"{resource.name}/{part.name}", "singularName": "", "namespaced": resource.namespaced}
    if part.foreign:
        foreign_group, _, version = part.foreign.rpartition("/")
        entry |= {"group": foreign_group, "version": version}
    return entry | {"kind": part.kind, "verbs": list(part.verbs)}


@cache
def aggregated(path: str, further: tuple[Resource, ...] = ()) -> Json:
    """The body of aggregated discovery below /api or /apis, with custom resources."""
    names = {"": "v1"} if path == "/api" else {name: "v1" for name in GROUPS if name}
    if path != "/api":
        names |= {resource.group: resource.version for resource in further}
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        _discovered(resource)
                        for resource in (*of_group(name), *(one for one in further if one.group == name))
                    ],
                    "freshness": "Current",
                }
            ],
        }
        for name, version in names.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(resource: Resource) -> Json:
    entry: Json = {
        "resource": resource.name,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_discovered_part(part) for part in resource.subresources]
    return entry


def _discovered_part(part: Subresource) -> Json:
    foreign_group, _, version = part.foreign.rpartition("/")
    kind = {"group": foreign_group, "version": version, "kind": part.kind}
    return {"subresource": part.name, "responseKind": kind, "verbs": list(part.verbs)}


@rule("kubernetes", "GET /version", Provenance.RECORDED, "kubernetes/discovery.yaml version")
def version(cluster: Cluster) -> Response:
    """GET /version; everybody may ask."""
    major, minor = cluster.state.version.removeprefix("v").split(".")[:2]
    body = {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": cluster.state.version,
        "gitCommit": hashlib.sha1(cluster.state.version.encode(), usedforsecurity=False).hexdigest(),
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.26.6",
        "compiler": "gc",
        "platform": "linux/amd64",
    }
    return Response(json.dumps(body, indent=2), media_type="application/json")


@rule("kubernetes", "GET /healthz, /livez, /readyz", Provenance.RECORDED, "kubernetes/discovery.yaml health")
def health(request: Request, path: str) -> Response:
    """The health of the API server, which is always good."""
    text = "ok"
    if "verbose" in request.query_params:
        text = f"[+]ping ok\n[+]etcd ok\n{path.strip('/')} check passed\n"
    return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff"})
