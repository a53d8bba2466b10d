"""Server-side apply: who owns which field, who may change it, and what is written down about it."""

from __future__ import annotations

from typing import Any

import pytest
from one_cluster import Api

from simulator.clock import Clock
from simulator.kubernetes.cluster import Cluster

N = "/api/v1/namespaces/f1"
CONFIG_MAP = f"{N}/configmaps/ss"
ACCOUNT = f"{N}/serviceaccounts/wi"
DEPLOYMENT = "/apis/apps/v1/namespaces/f1/deployments/web"


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ss"}, "data": data}


def account(**members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "wi"}, **members}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def owners(obj: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """What each manager owns, by its name and operation."""
    entries = obj["metadata"].get("managedFields", [])
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


async def test_apply_creates_what_is_missing_and_owns_what_it_set(api: Api) -> None:
    body = config_map(a="1", b="2") | {"metadata": {"name": "ss", "labels": {"l": "x"}}}
    response = await api.apply(CONFIG_MAP, body, "m1")
    assert response.status_code == 201
    expected = {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}
    assert owners(response.json()) == {("m1", "Apply"): expected}


async def test_the_same_apply_again_is_no_write(api: Api, clock: Clock) -> None:
    first = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    clock.step(60)
    again = await api.apply(CONFIG_MAP, config_map(a="1"), "m1")
    assert again.status_code == 200
    assert again.json() == first


async def test_changing_a_value_of_another_manager_is_a_conflict(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    response = await api.apply(CONFIG_MAP, config_map(a="other"), "m2")
    status = response.json()
    assert (response.status_code, status["reason"]) == (409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "m1": .data.a'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "m1"', "field": ".data.a"}
    assert status["details"] == {"causes": [cause]}


async def test_several_conflicts_are_listed_by_manager(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    status = (await api.apply(CONFIG_MAP, config_map(a="x", b="y"), "m2")).json()
    assert status["message"] == 'Apply failed with 2 conflicts: conflicts with "m1":\n- .data.a\n- .data.b'


async def test_a_conflict_with_an_update_names_its_version(api: Api) -> None:
    await api.ask("POST", f"{N}/configmaps?fieldManager=u1", config_map(a="1"))
    status = (await api.apply(CONFIG_MAP, config_map(a="2"), "m1")).json()
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "u1" using v1: .data.a'


async def test_a_nested_conflict_names_the_list_item(api: Api) -> None:
    container = {"name": "c", "image": "i:1", "env": [{"name": "A", "value": "1"}]}
    await api.apply(DEPLOYMENT, deployment(container), "m1")
    other = {"name": "c", "image": "i:2", "env": [{"name": "A", "value": "2"}]}
    status = (await api.apply(DEPLOYMENT, deployment(other), "m2")).json()
    fields = [cause["field"] for cause in status["details"]["causes"]]
    path = '.spec.template.spec.containers[name="c"]'
    assert fields == [f'{path}.env[name="A"].value', f"{path}.image"]


async def test_force_takes_the_field_from_everybody_else(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    response = await api.apply(CONFIG_MAP, config_map(a="other"), "m2", force=True)
    assert response.json()["data"] == {"a": "other", "b": "2"}
    assert owners(response.json()) == {
        ("m1", "Apply"): {"f:data": {"f:b": {}}},
        ("m2", "Apply"): {"f:data": {"f:a": {}}},
    }


async def test_the_same_value_is_shared_and_the_new_owner_has_no_time(api: Api) -> None:
    first = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    shared = (await api.apply(CONFIG_MAP, config_map(a="1"), "m2")).json()
    entries = shared["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == ["m2", "m1"]
    assert "time" not in entries[0]
    assert shared["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


async def test_omitting_a_shared_field_only_gives_up_its_ownership(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    await api.apply(CONFIG_MAP, config_map(a="1"), "m2")
    left = (await api.apply(CONFIG_MAP, config_map(b="2"), "m1")).json()
    assert left["data"] == {"a": "1", "b": "2"}
    assert owners(left)[("m1", "Apply")] == {"f:data": {"f:b": {}}}


async def test_omitting_an_own_field_removes_it(api: Api) -> None:
    body = config_map(a="1", b="2") | {"metadata": {"name": "ss", "labels": {"l": "x"}}}
    await api.apply(CONFIG_MAP, body, "m1")
    left = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    assert left["data"] == {"a": "1"}
    assert "labels" not in left["metadata"]
    assert left["metadata"]["name"] == "ss"


async def test_omitting_a_field_that_was_lost_changes_nothing(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    await api.apply(CONFIG_MAP, config_map(a="other"), "m2", force=True)
    left = (await api.apply(CONFIG_MAP, config_map(b="2"), "m1")).json()
    assert left["data"] == {"a": "other", "b": "2"}


async def test_an_update_takes_the_field_it_changes_from_its_applier(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1", b="2"), "m1")
    changed = await api.merge(f"{CONFIG_MAP}?fieldManager=u1", {"data": {"a": "5"}})
    assert owners(changed) == {
        ("m1", "Apply"): {"f:data": {"f:b": {}}},
        ("u1", "Update"): {"f:data": {"f:a": {}}},
    }


async def test_an_update_to_the_same_value_records_nothing(api: Api) -> None:
    first = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    assert await api.merge(f"{CONFIG_MAP}?fieldManager=u1", {"data": {"a": "1"}}) == first


async def test_another_managers_annotations_and_labels_of_an_account_survive(api: Api) -> None:
    theirs = account(metadata={"name": "wi", "annotations": {"team": "a"}, "labels": {"x": "1"}})
    await api.apply(ACCOUNT, theirs, "theirs")
    ours = account(metadata={"name": "wi", "annotations": {"azure.workload.identity/client-id": "1"}})
    await api.apply(ACCOUNT, ours, "ours")
    bare = (await api.apply(ACCOUNT, account(), "ours")).json()
    assert bare["metadata"]["annotations"] == {"team": "a"}
    assert bare["metadata"]["labels"] == {"x": "1"}


async def test_an_apply_of_nothing_leaves_no_entry(api: Api) -> None:
    created = (await api.apply(ACCOUNT, account(), "m1")).json()
    assert "managedFields" not in created["metadata"]


async def test_what_was_there_before_the_first_apply_is_owned_by_nobody_in_particular(api: Api) -> None:
    await api.post(f"{N}/serviceaccounts", {"metadata": {"name": "wi"}})
    patched = await api.merge(ACCOUNT, {"metadata": {"annotations": {"a": "1"}}})
    assert "managedFields" not in patched["metadata"]
    ours = account(metadata={"name": "wi", "annotations": {"a": "2"}})
    status = (await api.apply(ACCOUNT, ours, "m1")).json()
    expected = 'conflict with "before-first-apply" using v1: .metadata.annotations.a'
    assert status["message"] == f"Apply failed with 1 conflict: {expected}"


async def test_keyed_lists_merge_and_atomic_lists_conflict(api: Api) -> None:
    first = account(secrets=[{"name": "s1"}], imagePullSecrets=[{"name": "i1"}])
    created = (await api.apply(ACCOUNT, first, "m1")).json()
    assert owners(created)[("m1", "Apply")] == {"f:imagePullSecrets": {}, "f:secrets": {'k:{"name":"s1"}': {}}}
    merged = (await api.apply(ACCOUNT, account(secrets=[{"name": "s3"}]), "m2")).json()
    assert merged["secrets"] == [{"name": "s1"}, {"name": "s3"}]
    both = account(secrets=[{"name": "s3"}], imagePullSecrets=[{"name": "i2"}])
    status = (await api.apply(ACCOUNT, both, "m2")).json()
    assert [cause["field"] for cause in status["details"]["causes"]] == [".imagePullSecrets"]


async def test_containers_of_two_managers_live_side_by_side(api: Api) -> None:
    await api.apply(DEPLOYMENT, deployment({"name": "c", "image": "i"}), "m1")
    sidecar = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    sidecar["spec"] = {"template": {"spec": {"containers": [{"name": "s", "image": "i"}]}}}
    both = (await api.apply(DEPLOYMENT, sidecar, "m2")).json()
    assert [item["name"] for item in both["spec"]["template"]["spec"]["containers"]] == ["c", "s"]
    del sidecar["spec"]
    left = (await api.apply(DEPLOYMENT, sidecar, "m2")).json()
    assert [item["name"] for item in left["spec"]["template"]["spec"]["containers"]] == ["c"]


async def test_only_the_omitted_variable_and_port_go(api: Api) -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81}]
    variables = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    await api.apply(DEPLOYMENT, deployment({"name": "c", "image": "i", "ports": ports, "env": variables}), "m1")
    less = {"name": "c", "image": "i", "ports": ports[:1], "env": variables[:1]}
    container = (await api.apply(DEPLOYMENT, deployment(less), "m1")).json()["spec"]["template"]["spec"]["containers"][
        0
    ]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["env"] == [{"name": "A", "value": "1"}]


async def test_ports_are_keyed_with_their_default_protocol(api: Api) -> None:
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}
    created = (await api.apply(DEPLOYMENT, deployment(container), "m1")).json()
    containers = owners(created)[("m1", "Apply")]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers == {
        'k:{"name":"c"}': {
            ".": {},
            "f:image": {},
            "f:name": {},
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        }
    }


async def test_dropped_replicas_fall_back_to_the_default(api: Api) -> None:
    container = {"name": "c", "image": "i"}
    await api.apply(DEPLOYMENT, deployment(container, replicas=3), "m1")
    left = (await api.apply(DEPLOYMENT, deployment(container), "m1")).json()
    assert left["spec"]["replicas"] == 1
    assert left["metadata"]["generation"] == 2


async def test_the_status_is_neither_set_nor_owned_by_an_apply_of_the_object(api: Api) -> None:
    body = deployment({"name": "c", "image": "i"}) | {"status": {"replicas": 9}}
    created = (await api.apply(DEPLOYMENT, body, "m1")).json()
    assert created["status"] == {}
    assert "f:status" not in owners(created)[("m1", "Apply")]


async def test_an_apply_of_the_status_takes_only_the_status(api: Api) -> None:
    await api.apply(DEPLOYMENT, deployment({"name": "c", "image": "i"}), "m1")
    body = deployment({"name": "c", "image": "other"}) | {"status": {"replicas": 9}}
    changed = (await api.apply(f"{DEPLOYMENT}/status", body, "m2")).json()
    assert changed["status"] == {"replicas": 9}
    assert changed["spec"]["template"]["spec"]["containers"][0]["image"] == "i"
    entry = next(entry for entry in changed["metadata"]["managedFields"] if entry["manager"] == "m2")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:replicas": {}}})


async def test_a_dry_run_creates_nothing_and_has_no_version(api: Api, cluster: Cluster) -> None:
    path = f"{CONFIG_MAP}?fieldManager=m1&dryRun=All"
    response = await api.ask("PATCH", path, config_map(a="1"), content_type="application/apply-patch+yaml")
    assert response.status_code == 201
    assert "uid" in response.json()["metadata"]
    assert "resourceVersion" not in response.json()["metadata"]
    assert cluster.get("configmaps", "ss", "f1") is None


async def test_a_reset_of_the_managed_fields_forgets_everybody(api: Api) -> None:
    await api.apply(CONFIG_MAP, config_map(a="1"), "m1")
    cleared = await api.merge(CONFIG_MAP, {"metadata": {"managedFields": [{}]}})
    assert "managedFields" not in cleared["metadata"]
    again = (await api.apply(CONFIG_MAP, config_map(a="1"), "m1")).json()
    assert set(owners(again)) == {("m1", "Apply"), ("before-first-apply", "Update")}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"metadata": {"name": "ss"}}, "invalid object type: /, Kind="),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ss"}}, "invalid object type: /v1, Kind=Secret"),
        (
            config_map() | {"metadata": {"name": "zz"}},
            "the name of the object (zz) does not match the name on the URL (ss)",
        ),
        (config_map() | {"metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
    ],
    ids=["without kind", "other kind", "other name", "with managed fields"],
)
async def test_a_body_that_cannot_be_applied_is_a_bad_request(api: Api, body: dict[str, Any], message: str) -> None:
    response = await api.apply(CONFIG_MAP, body, "m1")
    assert (response.status_code, response.json()["message"]) == (400, message)


async def test_a_list_with_the_same_key_twice_is_refused(api: Api) -> None:
    response = await api.apply(ACCOUNT, account(secrets=[{"name": "s9"}, {"name": "s9"}]), "m1")
    expected = '(/wi; /v1, Kind=ServiceAccount): .secrets: duplicate entries for key [name="s9"]'
    assert response.json()["message"] == f"failed to create typed patch object {expected}"


async def test_a_uid_without_an_object_is_a_conflict(api: Api) -> None:
    body = config_map() | {"metadata": {"name": "ss", "uid": "aaa"}}
    response = await api.apply(CONFIG_MAP, body, "m1")
    expected = "uid mismatch: the provided object specified uid aaa, and no existing object was found"
    assert response.status_code == 409
    assert response.json()["message"] == f'Operation cannot be fulfilled on configmaps "ss": {expected}'


async def test_kubectl_may_take_over_what_its_client_side_apply_set(api: Api) -> None:
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ss","annotations":{}},"data":{"a":"1"}}'
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": last}
    created = config_map(a="1") | {"metadata": {"name": "ss", "annotations": annotations}}
    await api.ask("POST", f"{N}/configmaps?fieldManager=kubectl-client-side-apply", created)
    assert (await api.apply(CONFIG_MAP, config_map(a="2"), "other")).status_code == 409
    assert (await api.apply(CONFIG_MAP, config_map(a="2"), "kubectl")).status_code == 200


async def test_a_create_records_maps_that_it_brought_into_being(api: Api) -> None:
    body = config_map(a="1") | {"metadata": {"name": "ss", "labels": {"x": "1"}}}
    created = (await api.ask("POST", f"{N}/configmaps?fieldManager=u1", body)).json()
    expected = {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:labels": {".": {}, "f:x": {}}}}
    assert owners(created) == {("u1", "Update"): expected}
