"""The OpenAPI documents have a schema for every kind, and tell how each of its lists and maps merges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes.resources import GROUPS, RESOURCES

Json = dict[str, Any]

PATHS = [f"apis/{group}/v1" if group else "api/v1" for group in GROUPS]
CORE, APPS, META = "io.k8s.api.core.v1", "io.k8s.api.apps.v1", "io.k8s.apimachinery.pkg.apis.meta.v1"


async def document(api: Api, path: str) -> Json:
    index = (await api.ask("GET", "/openapi/v3")).json()
    found: Json = await api.get(index["paths"][path]["serverRelativeURL"])
    return found


def references(value: Any) -> Iterator[str]:
    """Every name that is referred to."""
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.removeprefix("#/components/schemas/")
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


async def test_the_index_lists_groups_and_what_is_beside_them(api: Api) -> None:
    response = await api.ask("GET", "/openapi/v3")
    listed = response.json()["paths"]
    assert list(listed) == sorted([*PATHS, ".well-known/openid-configuration", "api", "apis", "version"])
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "etag" not in response.headers
    modified = {"If-Modified-Since": response.headers["last-modified"]}
    assert (await api.http.get("/openapi/v3", headers=modified)).status_code == 304
    for path in ("version", ".well-known/openid-configuration"):
        assert list((await api.get(listed[path]["serverRelativeURL"]))["paths"]) == [f"/{path}/"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_document_has_everything_that_it_refers_to(api: Api, path: str) -> None:
    found = await document(api, path)
    used = set(references(found))
    assert f"{META}.ObjectMeta" in used
    assert used <= found["components"]["schemas"].keys()


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.key)
async def test_every_kind_has_one_schema(api: Api, resource: Any) -> None:
    found = await document(api, f"apis/{resource.group}/v1" if resource.group else "api/v1")
    kind = {"group": resource.group, "kind": resource.kind, "version": "v1"}
    schemas = [
        schema
        for schema in found["components"]["schemas"].values()
        if kind in schema.get("x-kubernetes-group-version-kind", ())
    ]
    assert len(schemas) == 1
    assert {"apiVersion", "kind", "metadata"} <= schemas[0]["properties"].keys()


async def test_a_patch_tells_that_fields_are_validated_and_which_patches_there_are(api: Api) -> None:
    found = await document(api, "apis/apps/v1")
    patch = found["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert [parameter["name"] for parameter in patch["parameters"]] == ["fieldValidation"]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


MERGING: list[tuple[str, str, Json]] = [
    ("ServiceAccount", "secrets", {"list-type": "map", "list-map-keys": ["name"], "patch-merge-key": "name",
                                   "patch-strategy": "merge"}),
    ("ServiceAccount", "imagePullSecrets", {"list-type": "atomic"}),
    ("PodSpec", "imagePullSecrets", {"list-type": "map", "list-map-keys": ["name"], "patch-merge-key": "name",
                                     "patch-strategy": "merge"}),
    ("PodSpec", "volumes", {"list-type": "map", "list-map-keys": ["name"], "patch-merge-key": "name",
                            "patch-strategy": "merge,retainKeys"}),
    ("PodSpec", "tolerations", {"list-type": "atomic"}),
    ("PodSpec", "nodeSelector", {"map-type": "atomic"}),
    ("Container", "ports", {"list-type": "map", "list-map-keys": ["containerPort", "protocol"],
                            "patch-merge-key": "containerPort", "patch-strategy": "merge"}),
    ("Container", "command", {"list-type": "atomic"}),
    ("ConfigMap", "data", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "told"), MERGING, ids=lambda part: part if isinstance(part, str) else "")
async def test_a_field_tells_how_it_merges(api: Api, kind: str, field: str, told: Json) -> None:
    schemas = (await document(api, "api/v1"))["components"]["schemas"]
    schema = schemas[f"{CORE}.{kind}"]["properties"][field]
    prefix = "x-kubernetes-"
    assert {name.removeprefix(prefix): value for name, value in schema.items() if name.startswith(prefix)} == told


TYPES: list[tuple[str, str, Json]] = [
    (f"{CORE}.PodSpec", "terminationGracePeriodSeconds", {"type": "integer"}),
    (f"{CORE}.Secret", "data", {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}),
    (f"{CORE}.HTTPGetAction", "port", {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}),
    (f"{META}.ObjectMeta", "creationTimestamp", {"$ref": f"#/components/schemas/{META}.Time"}),
    (f"{META}.ManagedFieldsEntry", "fieldsV1", {"$ref": f"#/components/schemas/{META}.FieldsV1"}),
    (f"{CORE}.ResourceRequirements", "limits", {
        "type": "object",
        "additionalProperties": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}}),
    (f"{CORE}.Pod", "spec", {"allOf": [{"$ref": f"#/components/schemas/{CORE}.PodSpec"}], "default": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "field", "expected"), TYPES, ids=lambda part: part if isinstance(part, str) else "")
async def test_a_field_has_its_type(api: Api, schema: str, field: str, expected: Json) -> None:
    schemas = (await document(api, "api/v1"))["components"]["schemas"]
    assert schemas[schema]["properties"][field] == expected


async def test_a_document_is_kept_by_its_hash(api: Api) -> None:
    index = (await api.ask("GET", "/openapi/v3")).json()
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    fresh = await api.ask("GET", url)
    assert fresh.headers["cache-control"] == "public, immutable"
    assert fresh.headers["expires"] == "Tue, 01 Jun 2027 12:00:00 GMT"
    unhashed = await api.ask("GET", "/openapi/v3/apis/apps/v1")
    assert (unhashed.headers["cache-control"], unhashed.content) == ("no-cache, private", fresh.content)
    assert "expires" not in unhashed.headers
    stale = await api.ask("GET", "/openapi/v3/apis/apps/v1?hash=0")
    assert (stale.status_code, stale.headers["location"], stale.content) == (301, url, b"")
    again = await api.http.get(url, headers={"If-None-Match": fresh.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_document_is_compressed_for_who_can_read_that(api: Api) -> None:
    plain = await api.http.get("/openapi/v3/api/v1", headers={"Accept-Encoding": "identity"})
    small = await api.http.get("/openapi/v3/api/v1", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), small.headers["content-encoding"]) == (None, "gzip")
    assert small.content == plain.content
    assert int(small.headers["content-length"]) * 4 < len(plain.content)


@pytest.mark.parametrize(("accept", "code"), [("application/json", 200), ("*/*", 200), ("text/html", 406)])
async def test_a_document_is_json(api: Api, accept: str, code: int) -> None:
    answer = await api.ask("GET", "/openapi/v3/api/v1", accept=accept)
    assert answer.status_code == code


async def test_version_2_is_not_there(api: Api) -> None:
    assert (await api.ask("GET", "/openapi/v2")).status_code == 404
