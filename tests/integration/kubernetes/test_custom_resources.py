"""Custom resources: served as soon as their definition is established, gone with it."""

from __future__ import annotations

from typing import Any

import pytest
from eventually import eventually
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/ex.io/v1/namespaces/f1/things"
APPLY = "application/apply-patch+yaml"


def definition(**spec: Any) -> Json:
    """The definition of a namespaced Thing in version v1."""
    versions = [{"name": "v1", "served": True, "storage": True}]
    names = {"plural": "things", "kind": "Thing", "shortNames": ["th"]}
    whole = {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": versions}
    return {"metadata": {"name": "things.ex.io"}, "spec": {**whole, **spec}}


async def defined(api: Api, **spec: Any) -> None:
    """Define Things and wait until they are served."""
    await api.post(DEFINITIONS, definition(**spec))
    await eventually(lambda: established(api.simulation.cluster))


def established(cluster: Cluster) -> bool:
    """Whether the definition of Things has been accepted."""
    definition = cluster.get("customresourcedefinitions.apiextensions.k8s.io", "things.ex.io")
    met = (definition or {}).get("status", {}).get("conditions") or []
    return {condition["type"] for condition in met} == {"NamesAccepted", "Established"}


def thing(name: str = "one") -> Json:
    return {"apiVersion": "ex.io/v1", "kind": "Thing", "metadata": {"name": name}, "spec": {"any": {"thing": [1, 2]}}}


async def test_what_no_definition_names_is_a_plain_404(api: Api) -> None:
    for path in (THINGS, "/apis/ex.io/v1", "/apis/ex.io"):
        answer = await api.ask("GET", path)
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")


async def test_another_kind_of_a_group_that_is_defined_is_a_plain_404(api: Api) -> None:
    await defined(api)
    answer = await api.ask("GET", "/apis/ex.io/v1/namespaces/f1/others")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")


@pytest.mark.parametrize("versions", [[], [{"name": "v1", "served": False, "storage": True}]], ids=["none", "unserved"])
async def test_a_definition_that_serves_no_version_serves_nothing(api: Api, versions: list[Json]) -> None:
    await api.post(DEFINITIONS, definition(versions=versions))
    assert (await api.ask("GET", THINGS)).status_code == 404


async def test_a_custom_object_is_created_changed_and_deleted(api: Api) -> None:
    await defined(api)
    made = await api.post(THINGS, thing())
    assert made["spec"] == {"any": {"thing": [1, 2]}}
    changed = await api.merge(f"{THINGS}/one", {"spec": {"any": None, "other": "x"}})
    assert changed["spec"] == {"other": "x"}
    assert (await api.ask("DELETE", f"{THINGS}/one")).status_code == 200
    assert (await api.ask("GET", f"{THINGS}/one")).status_code == 404


async def test_a_list_of_custom_objects_names_the_kind_of_each(api: Api) -> None:
    await defined(api)
    await api.post(THINGS, thing())
    listed = await api.get("/apis/ex.io/v1/things")
    assert list(listed) == ["apiVersion", "items", "kind", "metadata"]
    assert listed["kind"] == "ThingList"
    assert listed["metadata"]["continue"] == ""
    assert [(item["kind"], item["metadata"]["name"]) for item in listed["items"]] == [("Thing", "one")]


async def test_custom_resources_are_discovered(api: Api) -> None:
    await defined(api)
    assert "ex.io" in [group["name"] for group in (await api.get("/apis"))["groups"]]
    (listed,) = (await api.get("/apis/ex.io/v1"))["resources"]
    assert (listed["name"], listed["kind"], listed["shortNames"]) == ("things", "Thing", ["th"])
    aggregated = await api.get("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    assert "ex.io" in [item["metadata"]["name"] for item in aggregated["items"]]


async def test_a_custom_object_takes_no_strategic_merge_patch(api: Api) -> None:
    await defined(api)
    await api.post(THINGS, thing())
    answer = await api.ask(
        "PATCH", f"{THINGS}/one", {"spec": {}}, content_type="application/strategic-merge-patch+json"
    )
    assert answer.status_code == 415
    assert "application/apply-patch+yaml" in answer.json()["message"]


async def test_with_a_definition_its_objects_go(api: Api, cluster: Cluster) -> None:
    await defined(api)
    await api.post(THINGS, thing())
    await api.ask("DELETE", f"{DEFINITIONS}/things.ex.io")
    await eventually(lambda: not cluster.state.objects["things.ex.io"])
    assert (await api.ask("GET", THINGS)).status_code == 404


async def test_with_a_namespace_its_custom_objects_go(api: Api, cluster: Cluster) -> None:
    await defined(api)
    await api.post(THINGS, thing())
    await api.ask("DELETE", "/api/v1/namespaces/f1")
    await eventually(lambda: cluster.get("namespaces", "f1") is None)
    assert cluster.list("things.ex.io") == []
