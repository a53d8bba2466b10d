"""What is written down about who set which field: entries, their order, and what each kind of write leaves there."""

from __future__ import annotations

from typing import Any

import pytest
from one_cluster import Api

from simulator.clock import Clock
from simulator.kubernetes import schema
from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]

N = "/api/v1/namespaces/f1"
APPS = "/apis/apps/v1/namespaces/f1"
CONFIG_MAP = f"{N}/configmaps/ss"
DEPLOYMENT = f"{APPS}/deployments/web"
APPLY = "application/apply-patch+yaml"


def config_map(metadata: Json | None = None, **data: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ss", **(metadata or {})}, "data": data}


def deployment(**spec: Any) -> Json:
    containers = [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    selector = {"matchLabels": {"app": "web"}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    return body | {"spec": {"selector": selector, "template": template, **spec}}


def owned(obj: Json, manager: str) -> Json:
    entry: Json = next(entry for entry in obj["metadata"]["managedFields"] if entry["manager"] == manager)
    return dict(entry["fieldsV1"])


async def test_entries_are_ordered_by_operation_then_time_then_name(api: Api, clock: Clock) -> None:
    """A co-owner that changed nothing has no time, and so comes first."""
    await api.apply(CONFIG_MAP, config_map(a="1"), "m1")
    clock.step(10)
    await api.apply(CONFIG_MAP, config_map(a="1"), "m9")
    await api.merge(f"{CONFIG_MAP}?fieldManager=u9", {"data": {"b": "1"}})
    await api.merge(f"{CONFIG_MAP}?fieldManager=u1", {"data": {"c": "1"}})
    clock.step(10)
    await api.apply(CONFIG_MAP, config_map(d="1"), "m3")
    last = await api.merge(f"{CONFIG_MAP}?fieldManager=u0", {"data": {"e": "1"}})
    entries = last["metadata"]["managedFields"]
    assert [(entry["manager"], entry["operation"], entry.get("time", "")[17:19]) for entry in entries] == [
        ("m9", "Apply", ""),
        ("m1", "Apply", "00"),
        ("m3", "Apply", "20"),
        ("u1", "Update", "10"),
        ("u9", "Update", "10"),
        ("u0", "Update", "20"),
    ]


async def test_an_entry_has_its_keys_in_order_and_names_the_subresource(api: Api) -> None:
    await api.apply(DEPLOYMENT, deployment(), "m1")
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    changed = await api.merge(f"{DEPLOYMENT}/status?fieldManager=u1", status)
    first, last = changed["metadata"]["managedFields"]
    keys = ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1"]
    assert (list(first), list(last)) == (keys, [*keys, "subresource"])
    assert (last["fieldsType"], last["subresource"], last["apiVersion"]) == ("FieldsV1", "status", "apps/v1")
    condition = {'k:{"type":"Available"}': {".": {}, "f:status": {}, "f:type": {}}}
    assert last["fieldsV1"] == {"f:status": {"f:conditions": {".": {}, **condition}}}
    body = deployment() | {"status": {"conditions": [{"type": "Available", "status": "False"}]}}
    refused = (await api.apply(f"{DEPLOYMENT}/status", body, "m2")).json()
    owner = 'conflict with "u1" with subresource "status" using apps/v1'
    where = '.status.conditions[type="Available"].status'
    assert refused["message"] == f"Apply failed with 1 conflict: {owner}: {where}"


async def test_an_apply_marks_list_items_and_an_update_all_that_it_makes(api: Api) -> None:
    applied = (await api.apply(DEPLOYMENT, deployment(), "m1")).json()
    container = {".": {}, "f:image": {}, "f:name": {}, "f:resources": {"f:limits": {"f:cpu": {}}}}
    assert owned(applied, "m1")["f:spec"] == {
        "f:selector": {},
        "f:template": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:containers": {'k:{"name":"c"}': container}},
        },
    }
    created = await api.post(f"{APPS}/deployments?fieldManager=u1", deployment() | {"metadata": {"name": "w2"}})
    spec = owned(created, "u1")["f:spec"]
    assert spec["f:template"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    assert {"f:replicas", "f:strategy", "f:revisionHistoryLimit", "f:progressDeadlineSeconds"} <= spec.keys()
    assert "f:imagePullPolicy" in spec["f:template"]["f:spec"]["f:containers"]['k:{"name":"c"}']


async def test_items_of_sets_are_named_by_their_value_and_automatic_labels_are_the_creators(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "wi", "finalizers": ["x.io/f"]}}
    account = (await api.apply(f"{N}/serviceaccounts/wi", body, "m1")).json()
    assert owned(account, "m1") == {"f:metadata": {"f:finalizers": {'v:"x.io/f"': {}}}}
    namespace = await api.post("/api/v1/namespaces?fieldManager=u1", {"metadata": {"name": "q"}})
    assert owned(namespace, "u1") == {"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}}}}


async def test_a_put_takes_what_it_changed_and_drops_what_it_removed(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="1", c="1"), "m1")
    put = await api.ask("PUT", f"{CONFIG_MAP}?fieldManager=u1", config_map(a="1", b="2", d="1"))
    assert owned(put.json(), "m1") == {"f:data": {"f:a": {}}}
    assert owned(put.json(), "u1") == {"f:data": {"f:b": {}, "f:d": {}}}


async def test_a_manager_is_not_itself_when_it_updated_before(api: Api) -> None:
    await api.post(f"{N}/configmaps?fieldManager=u1", config_map(a="1"))
    refused = (await api.apply(CONFIG_MAP, config_map(a="2"), "u1")).json()
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "u1" using v1: .data.a'


async def test_a_scaled_field_is_its_scalers(api: Api) -> None:
    await api.apply(DEPLOYMENT, deployment(), "m1")
    await api.merge(f"{DEPLOYMENT}/scale?fieldManager=u1", {"spec": {"replicas": 4}})
    refused = (await api.apply(DEPLOYMENT, deployment(replicas=7), "m1")).json()
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "u1" using apps/v1: .spec.replicas'


async def test_an_apply_of_nothing_drops_the_entry_and_what_only_it_owned(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1"), "m1")
    await api.merge(f"{CONFIG_MAP}?fieldManager=u1", {"data": {"b": "1"}})
    left = (await api.apply(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap"}, "m1")).json()
    assert left["data"] == {"b": "1"}
    assert [entry["manager"] for entry in left["metadata"]["managedFields"]] == ["u1"]


@pytest.mark.parametrize(
    ("agent", "manager"),
    [("curl/8.1", "curl"), ("OpenAPI-Generator/37.0.1/python", "OpenAPI-Generator"), ("", "unknown"), ("x", "x")],
)
async def test_without_a_manager_it_is_the_user_agent(api: Api, agent: str, manager: str) -> None:
    response = await api.http.post(f"{N}/configmaps", json=config_map(a="1"), headers={"User-Agent": agent})
    assert [entry["manager"] for entry in response.json()["metadata"]["managedFields"]] == [manager]


VERSIONS: list[tuple[str, str, str, int, str]] = [
    ("absent, any version", "other", "777", 201, "1"),
    ("the same version", "ss", "{now}", 200, "2"),
    ("another version", "ss", "1", 409, "the object has been modified; please apply your changes to the latest version "
     "and try again"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "version", "code", "expected"), [row[1:] for row in VERSIONS], ids=[row[0] for row in VERSIONS]
)
async def test_an_apply_may_name_the_version_that_it_changes(
    api: Api, name: str, version: str, code: int, expected: str
) -> None:
    made = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    given = version.format(now=made["metadata"]["resourceVersion"])
    body = config_map({"name": name, "resourceVersion": given}, a="1" if code == 201 else "2")
    response = await api.apply(f"{N}/configmaps/{name}", body, "m1", force=True)
    assert response.status_code == code
    if code == 409:
        assert response.json()["message"].endswith(expected)
    else:
        assert response.json()["data"] == {"a": expected}
        assert response.json()["metadata"]["resourceVersion"] != given


async def test_a_dry_run_shows_the_entries_to_be_at_the_version_that_is(api: Api, cluster: Cluster) -> None:
    made = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    path = f"{CONFIG_MAP}?fieldManager=m2&force=true&dryRun=All"
    shown = (await api.ask("PATCH", path, config_map(a="2"), content_type=APPLY)).json()
    assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (shown["data"], owned(shown, "m2")) == ({"a": "2"}, {"f:data": {"f:a": {}}})
    assert cluster.get("configmaps", "ss", "f1") == made


async def test_a_null_is_an_empty_value_that_is_owned(api: Api) -> None:
    made = (await api.apply(CONFIG_MAP, config_map(n=None), "m1")).json()
    assert (made["data"], owned(made, "m1")) == ({"n": ""}, {"f:data": {"f:n": {}}})


LISTS: list[tuple[str, str, tuple[str, ...]]] = [
    *(("PodSpec", field, ("name",)) for field in ("containers", "initContainers", "ephemeralContainers", "volumes")),
    ("PodSpec", "imagePullSecrets", ("name",)),
    ("PodSpec", "topologySpreadConstraints", ("topologyKey", "whenUnsatisfiable")),
    ("PodSpec", "hostAliases", ("ip",)),
    ("PodSpec", "tolerations", ()),
    ("Container", "env", ("name",)),
    ("Container", "ports", ("containerPort", "protocol")),
    ("Container", "volumeMounts", ("mountPath",)),
    *(("Container", field, ()) for field in ("command", "args", "envFrom")),
    ("ServiceAccount", "secrets", ("name",)),
    ("ServiceAccount", "imagePullSecrets", ()),
    ("ServiceSpec", "ports", ("port", "protocol")),
    ("ServiceSpec", "clusterIPs", ()),
    ("MutatingWebhookConfiguration", "webhooks", ("name",)),
    ("MutatingWebhook", "rules", ()),
    ("ObjectMeta", "ownerReferences", ("uid",)),
    ("DeploymentStatus", "conditions", ("type",)),
    ("ClusterRole", "rules", ()),
    ("ClusterRoleBinding", "subjects", ()),
]


@pytest.mark.parametrize(("owner", "field", "keys"), LISTS)
def test_lists_are_merged_by_their_keys_or_replaced(owner: str, field: str, keys: tuple[str, ...]) -> None:
    assert schema.LIST_KEYS.get((owner, field), ()) == keys
    assert (owner, field) not in schema.SETS


@pytest.mark.parametrize("owner", ["LabelSelector", "ObjectReference", "LocalObjectReference"])
def test_structures_that_are_one_value(owner: str) -> None:
    assert owner in schema.ATOMIC_TYPES


def test_finalizers_are_a_set_and_selectors_one_value() -> None:
    assert ("ObjectMeta", "finalizers") in schema.SETS
    assert {("PodSpec", "nodeSelector"), ("ServiceSpec", "selector")} <= schema.ATOMIC_MAPS
