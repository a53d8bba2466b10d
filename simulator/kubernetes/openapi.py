"""The OpenAPI documents: the kinds' schemas, and of their paths as much as clients look at.

kubectl and helm look for the ``fieldValidation`` parameter of a kind's PATCH, leave the validation to the server where
it is there, and compute strategic merge patches by the schemas where the PATCH takes them.
"""

from __future__ import annotations

import gzip
import hashlib
from datetime import timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from simulator.provenance import Provenance, doubt, rule

from . import patches
from .encoding import dump
from .errors import no_such_path
from .openapi_schemas import components, kind_of, reference
from .resources import GROUPS, Resource, of_group

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_ROOTS = (".well-known/openid-configuration", "api", "apis", "version")
"""Paths beside the groups that have a document of their own."""
_YEAR = timedelta(days=365)
_ACCEPTABLE = ("application/json", "application/*", "*/*")
_HEAD = {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "1.36"}}
_PATCHES = (patches.APPLY, patches.JSON_PATCH, patches.MERGE, patches.STRATEGIC)
_FIELD_VALIDATION = {"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _path(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


@cache
def _paths() -> list[str]:
    return sorted([*_ROOTS, *map(_path, GROUPS)])


@cache
def _document(path: str) -> bytes:
    if path in _ROOTS:
        return dump(_HEAD | {"paths": {f"/{path}/": {"get": {"responses": {"200": {"description": "OK"}}}}}})
    group = next(group for group in GROUPS if _path(group) == path)
    paths = {_item(resource): {"patch": _patch(resource)} for resource in of_group(group) if resource.stored}
    return dump(_HEAD | {"paths": paths, "components": {"schemas": components(group)}})


@cache
def _compressed(path: str) -> bytes:
    return gzip.compress(_document(path), mtime=0)


def _item(resource: Resource) -> str:
    place = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{_path(resource.group)}/{place}{resource.name}/{{name}}"


def _patch(resource: Resource) -> Json:
    return {
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kind_of(resource),
        "parameters": [_FIELD_VALIDATION],
        "requestBody": {"content": {media: {"schema": {"type": "object"}} for media in _PATCHES}},
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": reference(resource.kind)}}}
        },
    }


@cache
def _hash(path: str) -> str:
    return hashlib.sha512(_document(path)).hexdigest().upper()


@rule("kubernetes", "OpenAPI v3 index and documents", Provenance.RECORDED, "client-traffic.yaml openapi_minimum")
@rule("kubernetes", "OpenAPI documents by their hash", Provenance.RECORDED, "discovery.yaml openapi_v3.document")
def answer(cluster: Cluster, request: Request, path: str) -> Response:
    """GET below /openapi. Version 2 is not served, which clients take for an answer when version 3 is."""
    if path.rstrip("/") == "/openapi/v3":
        return _index(request)
    name = path.removeprefix("/openapi/v3/").rstrip("/")
    if name not in _paths():
        raise no_such_path()
    if not _accepts(request):
        return Response(status_code=406)
    right = _hash(name)
    given = request.query_params.get("hash")
    if given and given != right:
        return Response(status_code=301, headers={"Location": f"/openapi/v3/{name}?hash={right}"})
    headers = {"ETag": f'"{right}"', "Vary": "Accept"}
    headers["Cache-Control"] = "public, immutable" if given else "no-cache, private"
    if given:
        headers["Expires"] = format_datetime(cluster.clock.now() + _YEAR, usegmt=True)
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(
            _compressed(name), headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json"
        )
    return Response(_document(name), headers=headers, media_type="application/json")


@rule("kubernetes", "OpenAPI is not for browsers", Provenance.RECORDED, "discovery.yaml openapi_v3.document.accept")
@doubt(
    "kubernetes",
    "clients that accept these documents as protobuf alone were not seen",
    "406, as for every form that is not served",
    "discovery.yaml openapi_v3.document.accept knows the form",
)
def _accepts(request: Request) -> bool:
    accepted = request.headers.get("Accept") or "*/*"
    return any(part.partition(";")[0].strip() in _ACCEPTABLE for part in accepted.split(","))


@rule("kubernetes", "what the OpenAPI index lists", Provenance.RECORDED, "discovery.yaml openapi_v3.index")
@doubt(
    "kubernetes",
    "what the documents of paths without resources say",
    "that they can be read",
    "discovery.yaml openapi_v3.index lists them only",
)
def _index(request: Request) -> Response:
    listed = {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(path)}"} for path in _paths()}
    modified = "Thu, 01 Jan 2026 00:00:00 GMT"
    if request.headers.get("If-Modified-Since") == modified:
        return Response(status_code=304, headers={"Last-Modified": modified})
    response = Response(dump({"paths": listed}), headers={"Last-Modified": modified})
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    return response
