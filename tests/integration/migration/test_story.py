"""From AAD Pod Identity to Workload Identity step by step, and from each step back to what was before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from person import Person

from fleet.changes import Action
from flows.fleet_files import load_path
from flows.migrate_steps import StepError
from simulator.weather import NORMAL
from tests.conftest import Cloud
from tests.end_to_end.command import eventually
from tests.veteran import AGENT, BILLING, WRITER, cluster_of, get, on, pods, veteran

Json = dict[str, Any]
SWITCHED = {
    "Deployment": ("billing", "invoices"),
    "StatefulSet": ("billing", "ledger"),
    "DaemonSet": ("nodes", "collector"),
    "ReplicaSet": ("nodes", "cart"),
    "ReplicationController": ("nodes", "old-cart"),
    "CronJob": ("nodes", "nightly"),
}
"""By kind: namespace and name of what can be switched and needs no decision."""
OLD = ("azureidentities", "azureidentitybindings", "azurepodidentityexceptions")


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    """Somebody whose cluster lives on AAD Pod Identity."""
    async with veteran(tmp_path / "simulator") as cloud:
        yield Person(cloud, tmp_path / "veteran.yaml")


async def templates(person: Person) -> dict[str, Json]:
    """Every template that a switch changes, as it is."""
    return {kind: await person.template(kind, *place) for kind, place in SWITCHED.items()}


def old_objects(cloud: Cloud) -> dict[str, Json]:
    """The objects of AAD Pod Identity, without what the server notes on them."""
    listed = [item for plural in OLD for item in cluster_of(cloud).list(f"{plural}.aadpodidentity.k8s.io")]
    return {
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}": item["spec"] for item in listed
    }


def client_ids(found: list[Json]) -> set[str | None]:
    """What the containers of pods are told of whom they are; None where they have no token."""
    told = []
    for pod in found:
        env = {one["name"]: one.get("value") for one in pod["spec"]["containers"][-1].get("env") or ()}
        told.append(env.get("AZURE_CLIENT_ID") if "AZURE_FEDERATED_TOKEN_FILE" in env else None)
    return set(told)


async def ready_to_switch(person: Person) -> None:
    """The first two steps."""
    await person.read()
    await person.reconcile()


async def test_reading_writes_a_fleet_whose_plan_takes_nothing_away(person: Person) -> None:
    before = old_objects(person.cloud)
    assert await person.read() == 2
    assert "16 to create, 4 to update" in person.said
    planned = await person.cloud.plan(load_path(person.file))
    assert {change.action for change in planned.changes} == {Action.CREATE, Action.UPDATE}
    assert planned.holds == ()
    await person.reconcile()
    assert old_objects(person.cloud) == before


async def test_reading_names_what_a_person_decides(person: Person) -> None:
    await person.read()
    assert "undecided  Deployment shop/checkout: 2 bindings select it, for shop-reader, shop-writer" in person.said
    assert "undecided  Deployment shop/reports: no identity that it could have" in person.said
    assert "application c2222222-0000-4000-8000-000000000001, which is not seen in this tenant" in person.said
    assert "AzurePodIdentityException nodes/metrics: lets Deployment nodes/metrics past Pod Identity" in person.said
    assert (
        "Deployment billing/invoices: runs as ServiceAccount default, which Deployment billing/stranger uses"
        in person.said
    )


async def test_reading_changes_nothing_anywhere(person: Person) -> None:
    before = len(person.cloud.journal.writing())
    await person.read()
    assert len(person.cloud.journal.writing()) == before


async def test_reading_again_says_the_same_at_every_step(person: Person) -> None:
    await ready_to_switch(person)
    text = person.file.read_text(encoding="utf-8")
    await person.read()
    assert "It is set up. Next: workload-identity migrate veteran --switch" in person.said
    await person.switch()
    await person.read()
    assert person.file.read_text(encoding="utf-8") == text


async def test_nothing_is_switched_before_its_chain_is_whole(person: Person) -> None:
    await person.read()
    before = await templates(person)
    assert await person.switch() == 2
    assert "Deployment billing/invoices: its chain is not whole: cluster:veteran" in person.said
    assert await templates(person) == before


async def test_nothing_is_switched_whose_token_entra_refuses(person: Person) -> None:
    await ready_to_switch(person)
    azure = person.cloud.simulator.simulation.azure
    principals = {one.body["properties"]["principalId"] for one in azure.identities.values()}
    for principal in principals:
        azure.service_principals[principal].body["accountEnabled"] = False
    before = await templates(person)
    assert await person.switch("billing/invoices") == 1
    assert "failed     Deployment billing/invoices" in person.said
    assert await templates(person) == before


async def test_switched_workloads_of_every_kind_get_their_identity(person: Person) -> None:
    await ready_to_switch(person)
    assert await person.switch() == 2
    for kind, (namespace, name) in SWITCHED.items():
        assert f"switched   {kind} {namespace}/{name}: runs as ServiceAccount {name}" in person.said
        template = await person.template(kind, namespace, name)
        assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        assert template["metadata"]["labels"]["aadpodidbinding"], "the old set-up goes on beside"
        assert template["spec"]["serviceAccountName"] == name
    assert client_ids(await pods(person.cloud, "invoices")) == {BILLING}
    assert client_ids(await pods(person.cloud, "ledger")) == {BILLING}
    assert client_ids(await pods(person.cloud, "collector")) == {AGENT}
    assert client_ids(await pods(person.cloud, "cart")) == {None}
    assert "by hand    ReplicaSet nodes/cart: its pods stay as they are until you delete them" in person.said
    assert "kept       Job nodes/import: a Job cannot be changed" in person.said
    assert "kept       Pod nodes/debug: a Pod cannot be changed" in person.said
    assert client_ids(await pods(person.cloud, "stranger")) == {None}


async def test_what_a_person_has_decided_is_switched_to_that(person: Person) -> None:
    await person.read()
    person.choose("shop-writer")
    await person.reconcile()
    assert await person.switch("shop/checkout") == 0
    assert client_ids(await pods(person.cloud, "checkout")) == {WRITER}


async def test_one_workload_is_switched_and_taken_back_alone(person: Person) -> None:
    await ready_to_switch(person)
    before = await templates(person)
    assert await person.switch("billing/invoices") == 0
    after = await templates(person)
    assert {kind for kind in SWITCHED if after[kind] != before[kind]} == {"Deployment"}
    assert await person.switch("billing/invoices") == 0
    assert "is switched already" in person.said
    assert await person.undo("deployment/billing/invoices") == 0
    assert await templates(person) == before


async def test_the_proxy_sidecar_serves_what_knows_only_the_old_way(person: Person) -> None:
    await ready_to_switch(person)
    before = await person.template("Deployment", "billing", "invoices")
    assert await person.switch("billing/invoices", proxy=9000) == 0
    (pod,) = await pods(person.cloud, "invoices")
    assert "--proxy-port=9000" in str(pod["spec"])
    names = {one["name"] for part in ("containers", "initContainers") for one in pod["spec"].get(part) or ()}
    assert {"invoices", "azwi-proxy", "azwi-proxy-init"} <= names
    await person.undo()
    assert await person.template("Deployment", "billing", "invoices") == before
    (pod,) = await pods_of_one_template(person, "invoices")
    assert [one["name"] for one in pod["spec"]["containers"]] == ["invoices"]


async def pods_of_one_template(person: Person, app: str) -> list[Json]:
    """The pods of an application once those of the former template have gone."""

    async def alone() -> list[Json] | None:
        found = await pods(person.cloud, app)
        return found if client_ids(found) == {None} else None

    return await eventually(alone, "the end of the switched pods")


async def test_the_way_back_leads_to_what_was_before(person: Person) -> None:
    before = await templates(person)
    accounts = await person.cloud.by_hand("GET", on(person.cloud, "/api/v1/serviceaccounts"))
    identities = {
        key: dict(one.body["tags"]) for key, one in person.cloud.simulator.simulation.azure.identities.items()
    }
    await ready_to_switch(person)
    await person.switch()
    assert await person.undo() == 0
    assert await templates(person) == before
    assert await person.undo(everything=True) == 0
    azure = person.cloud.simulator.simulation.azure
    assert {key: dict(one.body["tags"]) for key, one in azure.identities.items()} == identities
    assert all(one.federated == [] for one in azure.identities.values())
    now = await person.cloud.by_hand("GET", on(person.cloud, "/api/v1/serviceaccounts"))
    assert described(now) == described(accounts)
    assert "stays, without our mark managed-identity:billing" in person.said


def described(accounts: Json) -> dict[tuple[str, str], Any]:
    """The ServiceAccounts outside the webhook's own namespace, with what is annotated and labelled."""
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): (
            item["metadata"].get("annotations") or {},
            item["metadata"].get("labels") or {},
        )
        for item in accounts["items"]
        if item["metadata"]["namespace"] != "azure-workload-identity-system"
    }


async def test_nothing_is_taken_from_under_a_pod_that_was_made_anew(person: Person) -> None:
    await ready_to_switch(person)
    labels = {"azure.workload.identity/use": "true", "aadpodidbinding": "agent"}
    spec = {"serviceAccountName": "debug", "containers": [{"name": "debug", "image": "example.org/debug:1"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "anew", "labels": labels}, "spec": spec}
    await person.cloud.by_hand("POST", on(person.cloud, "/api/v1/namespaces/nodes/pods"), body)
    with pytest.raises(StepError, match="these still run by what would be taken away: Pod nodes/anew"):
        await person.undo(everything=True)
    await get(person.cloud, "ServiceAccount", "nodes", "debug")


async def test_old_objects_go_once_nobody_needs_them_and_come_back(person: Person) -> None:
    before = old_objects(person.cloud)
    await ready_to_switch(person)
    assert await person.cleanup() == 2
    assert "can go" not in person.said
    await person.switch("billing/invoices")
    await person.cleanup()
    assert "stays      AzureIdentityBinding billing/billing: StatefulSet billing/ledger is not switched" in person.said
    await person.switch("billing/ledger")
    await person.cleanup()
    assert "can go     AzureIdentityBinding billing/billing: 2 workloads it selects run without it" in person.said
    assert old_objects(person.cloud) == before, "saying so takes nothing away"
    assert await person.cleanup(remove=True) == 2
    gone = set(before) - set(old_objects(person.cloud))
    assert gone == {"AzureIdentityBinding billing/billing", "AzureIdentity billing/billing"}
    assert client_ids(await pods(person.cloud, "invoices")) == {BILLING}
    await person.undo()
    assert old_objects(person.cloud) == before
    assert client_ids(await pods_of_one_template(person, "ledger")) == {None}


async def test_what_goes_for_the_second_time_comes_back_as_it_was_then(person: Person) -> None:
    await ready_to_switch(person)
    binding = on(person.cloud, "/apis/aadpodidentity.k8s.io/v1/namespaces/billing/azureidentitybindings/billing")
    for team in ("first", "second"):
        patch = {"metadata": {"labels": {"team": team}}}
        await person.cloud.by_hand("PATCH", binding, patch, **{"Content-Type": "application/merge-patch+json"})
        await person.switch("billing/invoices", "billing/ledger")
        assert await person.cleanup(remove=True) == 2
        await person.undo()
        assert (await person.cloud.by_hand("GET", binding))["metadata"]["labels"] == {"team": team}


@pytest.mark.parametrize("seed", range(2))
async def test_a_migration_gets_through_the_weather_of_the_real_cloud(tmp_path: Path, seed: int) -> None:
    async with veteran(tmp_path / "simulator", dials=NORMAL, speed=200.0, seed=seed) as cloud:
        person = Person(cloud, tmp_path / "veteran.yaml")
        await person.read("billing")
        await person.reconcile()
        assert await person.switch("billing/invoices", "billing/ledger") == 0
        assert await person.cleanup("billing", remove=True) == 0
        assert client_ids(await pods(cloud, "ledger")) == {BILLING}


async def test_only_a_namespace_is_read_and_cleaned_up_where_it_is_named(person: Person) -> None:
    await person.read("billing")
    assert {one.namespace for one in load_path(person.file).workloads} == {"billing"}
    await person.reconcile()
    await person.switch("billing/invoices", "billing/ledger")
    assert await person.cleanup("billing") == 2
    assert "nodes" not in person.said


async def test_a_file_that_somebody_has_edited_is_not_written_over(person: Person) -> None:
    await person.read()
    person.choose("shop-writer")
    edited = person.file.read_text(encoding="utf-8")
    with pytest.raises(StepError, match="it is there and says something else"):
        await person.read()
    assert person.file.read_text(encoding="utf-8") == edited
    await person.read(overwrite=True)
    assert person.file.read_text(encoding="utf-8") != edited


async def test_an_application_with_a_client_secret_is_offered_by_its_name(person: Person) -> None:
    made = await person.cloud.by_hand(
        "POST", "https://graph.microsoft.com/v1.0/applications", {"displayName": "reporting"}
    )
    where = on(person.cloud, "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentities/reports")
    patch = {"spec": {"clientID": made["appId"]}}
    await person.cloud.by_hand("PATCH", where, patch, **{"Content-Type": "application/merge-patch+json"})
    await person.read()
    assert "signs in with a client secret as application reporting: federated, it needs none" in person.said
    assert "  # - name: reporting" in person.file.read_text(encoding="utf-8").splitlines()
