"""Patches, protobuf bodies, and the schema behind them."""

from __future__ import annotations

from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes import patches, protobuf, schema
from simulator.kubernetes.cluster import Cluster
from simulator.routing import Refusal

Json = dict[str, Any]


def strategic(kind: str, obj: Json, patch: Json) -> Json:
    return patches.patched(patches.STRATEGIC, kind, obj, patch)


@pytest.mark.parametrize(
    ("obj", "patch", "expected"),
    [
        ({"secrets": [{"name": "s1"}]}, {"secrets": [{"name": "s2"}]}, {"secrets": [{"name": "s2"}, {"name": "s1"}]}),
        (
            {"imagePullSecrets": [{"name": "i1"}]},
            {"imagePullSecrets": [{"name": "i2"}]},
            {"imagePullSecrets": [{"name": "i2"}]},
        ),
        ({"secrets": [{"name": "s1"}]}, {"secrets": [{"$patch": "delete", "name": "s1"}]}, {"secrets": []}),
        (
            {"secrets": [{"name": "s1"}]},
            {"secrets": [{"$patch": "replace"}, {"name": "only"}]},
            {"secrets": [{"name": "only"}]},
        ),
        (
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            {"metadata": {"finalizers": ["b", "a"]}},
        ),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
        ),
        (
            {"metadata": {"labels": {"a": "1", "b": "2"}}},
            {"metadata": {"labels": {"a": None}}},
            {"metadata": {"labels": {"b": "2"}}},
        ),
    ],
    ids=["merge by name", "atomic", "delete item", "replace list", "set", "delete from set", "delete key"],
)
def test_strategic_merges_of_an_account(obj: Json, patch: Json, expected: Json) -> None:
    assert strategic("ServiceAccount", obj, patch) == expected


def test_a_strategic_merge_reaches_into_containers() -> None:
    spec = {"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"}]}
    patch = {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "b", "image": "2"}]}
    merged = strategic("Pod", {"spec": spec}, {"spec": patch})
    assert merged == {"spec": {"containers": [spec["containers"][0], {"name": "b", "image": "2"}]}}


def test_retained_keys_drop_the_others() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    merged = strategic("Deployment", {"spec": {"strategy": strategy}}, patch)
    assert merged == {"spec": {"strategy": {"type": "Recreate"}}}


def test_a_merge_patch_replaces_lists_and_deletes_by_null() -> None:
    merged = patches.merge({"a": [1, 2], "b": {"c": 1, "d": 2}}, {"a": [3], "b": {"c": None}, "e": {"f": 1}})
    assert merged == {"a": [3], "b": {"d": 2}, "e": {"f": 1}}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "replace", "path": "/data/new", "value": "1"}], {"data": {"a": "0", "new": "1"}}),
        ([{"op": "add", "path": "/data/x~1y", "value": "1"}], {"data": {"a": "0", "x/y": "1"}}),
        ([{"op": "remove", "path": "/data/a"}], {"data": {}}),
        ([{"op": "remove", "path": "/data/nope"}], None),
        ([{"op": "test", "path": "/data/a", "value": "9"}], None),
        ([{"op": "add", "path": "/missing/a", "value": "9"}], None),
    ],
    ids=["replace missing", "escaped", "remove", "remove missing", "failed test", "missing parent"],
)
def test_json_patches(operations: list[Json], expected: Json | None) -> None:
    if expected is not None:
        assert patches.patched(patches.JSON_PATCH, "ConfigMap", {"data": {"a": "0"}}, operations) == expected
        return
    with pytest.raises(Refusal) as refusal:
        patches.patched(patches.JSON_PATCH, "ConfigMap", {"data": {"a": "0"}}, operations)
    assert (refusal.value.status, refusal.value.code) == (422, "Invalid")


async def test_a_wrong_type_in_a_patch_is_unprocessable(api: Api, cluster: Cluster) -> None:
    await cluster.create("configmaps", {"metadata": {"name": "c"}}, namespace="f1")
    path = "/api/v1/namespaces/f1/configmaps/c"
    body = {"metadata": {"labels": {"n": 5}}}
    response = await api.ask("PATCH", path, body, content_type="application/merge-patch+json")
    assert response.status_code == 422
    assert response.json()["message"].startswith(' "" is invalid: patch: Invalid value: ')
    assert set(response.json()["details"]) == {"causes"}


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def _envelope(kind: bytes, raw: bytes, version: bytes = b"v1") -> bytes:
    meta = _field(1, version) + _field(2, kind)
    return protobuf.MAGIC + _field(1, meta) + _field(2, raw) + _field(3, b"") + _field(4, b"")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            _envelope(b"Namespace", _field(1, _field(1, b"f2") + _field(2, b"") + _field(8, b""))),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "f2"}},
        ),
        (_envelope(b"DeleteOptions", b""), {"apiVersion": "v1", "kind": "DeleteOptions"}),
        (
            _envelope(b"Secret", _field(2, _field(1, b"k") + _field(2, b"\x00\x01")) + _field(3, b"Opaque")),
            {"apiVersion": "v1", "kind": "Secret", "data": {"k": "AAE="}, "type": "Opaque"},
        ),
        (
            _envelope(b"TokenRequest", _field(2, _field(1, b"aud") + b"\x20\xb0\x09"), b"authentication.k8s.io/v1"),
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": ["aud"], "expirationSeconds": 1200},
            },
        ),
    ],
    ids=["namespace", "delete options", "secret", "token request"],
)
def test_protobuf_bodies_are_read(body: bytes, expected: Json) -> None:
    assert protobuf.decode(body) == expected


@pytest.mark.parametrize("body", [b"{}", protobuf.MAGIC, _envelope(b"Pod", b""), _envelope(b"Secret", b"\x12\xff")])
def test_broken_protobuf_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        protobuf.decode(body)
    assert refusal.value.status == 400


_PREFIXES = ("V1", "CoreV1", "AuthenticationV1", "DiscoveryV1", "RbacV1", "AdmissionregistrationV1", "")


def test_the_schema_has_the_fields_of_the_client_library() -> None:
    from kubernetes.client import models

    for name, fields in schema.TYPES.items():
        candidates = [getattr(models, prefix + name) for prefix in _PREFIXES if hasattr(models, prefix + name)]
        assert any(set(model.attribute_map.values()) == set(fields) for model in candidates), name


def test_the_merge_tables_name_fields_that_exist() -> None:
    for owner, field in (*schema.LIST_KEYS, *schema.SETS, *schema.ATOMIC_MAPS):
        assert field in schema.TYPES[owner], (owner, field)
    for (owner, field), keys in schema.LIST_KEYS.items():
        assert set(keys) <= set(schema.TYPES[schema.element(schema.TYPES[owner][field])])


def test_the_decoder_drops_what_the_server_would_not_store() -> None:
    given = {
        "kind": "ServiceAccount",
        "apiVersion": "v1",
        "metadata": {"name": "a", "creationTimestamp": None, "labels": {}, "annotations": {"x": None}},
        "bogus": 1,
    }
    expected = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "a", "annotations": {"x": ""}}}
    assert schema.decoded("ServiceAccount", given) == expected
