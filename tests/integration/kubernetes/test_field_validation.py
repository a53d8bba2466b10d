"""Fields that a body has too many or twice: warned about, refused, or passed over, as the request asks."""

from __future__ import annotations

import json

import pytest
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster

N = "/api/v1/namespaces/f1"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"


async def test_unknown_fields_are_warned_about_by_default(api: Api) -> None:
    response = await api.ask("POST", f"{N}/configmaps", {"metadata": {"name": "w"}, "bogus": 1})
    assert response.status_code == 201
    assert response.headers["warning"] == '299 - "unknown field \\"bogus\\""'
    assert "bogus" not in response.json()


@pytest.mark.parametrize(
    ("request_", "body", "content_type", "warnings"),
    [
        ("POST configmaps", '{"metadata":{"name":"w"},"b":1,"a":{},"data":{"x":"1","x":"2"}}', "application/json",
         ['unknown field "b"', 'unknown field "a"', 'duplicate field "data.x"']),
        ("POST configmaps?fieldValidation=Ignore", '{"metadata":{"name":"w"},"b":1}', "application/json", []),
        ("POST configmaps", "metadata: {name: w}\ndata:\n  x: '1'\n  x: '2'\n", "application/yaml",
         ['line 4: key "x" already set in map']),
        ("PATCH configmaps/c1", '{"data":{"x":"1","x":"2"}}', MERGE, ['duplicate field "data.x"']),
        ("PATCH configmaps/c1", '{"data":{"x":"1","x":"2"},"b":1}', STRATEGIC,
         ['duplicate field "data.x"', 'unknown field "b"']),
        ("PATCH configmaps/c1?fieldValidation=Ignore", '{"data":{"x":"2"},"b":1}', STRATEGIC, []),
        *((f"PATCH configmaps/w?fieldManager=m&fieldValidation={validation}",
           "apiVersion: v1\nkind: ConfigMap\ndata: {x: '1', x: '2'}", APPLY, warnings)
          for validation, warnings in [("Warn", ['line 3: key "x" already set in map']),
                                       ("Strict", ['line 3: key "x" already set in map']), ("Ignore", [])]),
    ],
)  # fmt: skip
async def test_every_problem_of_a_body_is_a_warning_of_its_own(
    api: Api, cluster: Cluster, request_: str, body: str, content_type: str, warnings: list[str]
) -> None:
    await cluster.create("configmaps", {"metadata": {"name": "c1"}}, namespace="f1")
    method, path = request_.split(" ")
    response = await api.ask(method, f"{N}/{path}", body, content_type=content_type)
    assert response.status_code in (200, 201)
    assert response.headers.get_list("warning") == ["299 - " + json.dumps(text) for text in warnings]
    assert response.json().get("data", {"x": "2"}) == {"x": "2"}


async def test_a_merge_patch_with_unknown_fields_shows_what_would_come_of_it(api: Api, cluster: Cluster) -> None:
    made = {"metadata": {"labels": {"x": "1"}, "name": "c1"}, "data": {"c": "3", "a": "1"}}
    live = await cluster.create("configmaps", made, namespace="f1")
    path = f"{N}/configmaps/c1?fieldValidation=Strict"
    response = await api.ask("PATCH", path, {"bogus": 1, "data": {"b": "2"}}, content_type=MERGE)
    message = response.json()["details"]["causes"][0]["message"]
    shown, end = json.JSONDecoder().raw_decode(message.removeprefix("Invalid value: "))
    assert message.removeprefix("Invalid value: ")[end:] == ': strict decoding error: unknown field "bogus"'
    patched = json.loads(shown)
    assert list(patched) == ["apiVersion", "bogus", "data", "kind", "metadata"]
    assert list(patched["data"]) == ["a", "b", "c"]
    assert list(patched["metadata"]) == [
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "labels", "managedFields"
    ]  # fmt: skip
    assert cluster.get("configmaps", "c1", "f1") == live
