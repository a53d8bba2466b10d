"""What is not as it should be: kinds that are absent or may not be seen, clusters that are not there, odd objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from person import Person

from clients.errors import CloudError
from flows import migrate
from flows.migrate_steps import StepError
from simulator.azure import roles
from simulator.kubernetes import authorization
from tests.conftest import running_cloud
from tests.veteran import BILLING, CLOUD, DEFINITIONS, OBJECTS, admin_kubeconfig, cluster_of, on, pods, veteran

Json = dict[str, Any]
GROUP = "aadpodidentity.k8s.io"


@asynccontextmanager
async def somebody(directory: Path, definitions: Iterable[Json] = DEFINITIONS) -> AsyncIterator[Person]:
    """Somebody whose cluster has these definitions, and all objects that they allow."""
    kinds = {one["spec"]["names"]["kind"] for one in definitions}
    objects = [one for one in OBJECTS if not one["apiVersion"].startswith(GROUP) or one["kind"] in kinds]
    async with veteran(directory / "simulator", definitions=definitions, objects=objects) as cloud:
        yield Person(cloud, directory / "veteran.yaml")


def without(*kinds: str) -> list[Json]:
    return [one for one in DEFINITIONS if one["spec"]["names"]["kind"] not in kinds]


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Forbid the operator to list resources, by plural; in the cluster, or in one namespace too."""

    def now(*plurals: str, everywhere: bool = True) -> None:
        really = authorization.allowed

        def allowed(user: Any, wanted: authorization.Attributes) -> bool:
            denied = wanted.verb == "list" and wanted.resource in plurals and (everywhere or not wanted.namespace)
            return not denied and really(user, wanted)

        monkeypatch.setattr(authorization, "allowed", allowed)

    return now


async def test_a_cluster_without_any_of_its_kinds_has_nothing_to_migrate(tmp_path: Path) -> None:
    async with somebody(tmp_path, ()) as person:
        with pytest.raises(StepError, match="cluster veteran has no AAD Pod Identity: none of AzureIdentity"):
            await person.read()
    assert not person.file.exists()


async def test_of_a_half_installed_set_up_what_is_there_is_read(tmp_path: Path) -> None:
    async with somebody(tmp_path, without("AzurePodIdentityException", "AzureAssignedIdentity")) as person:
        assert await person.read() == 2
        assert "AzurePodIdentityException: not visible. Its CustomResourceDefinition is not installed" in person.said
        assert "the fleet file of 10 workloads" in person.said


async def test_without_bindings_nothing_is_claimed_of_who_uses_what(tmp_path: Path) -> None:
    async with somebody(tmp_path, without("AzureIdentityBinding")) as person:
        with pytest.raises(StepError, match="cannot be told without its bindings"):
            await person.read()
        assert "AzureIdentityBinding: not visible" in person.said


async def test_without_identities_every_workload_waits(tmp_path: Path) -> None:
    async with somebody(tmp_path, without("AzureIdentity")) as person:
        assert await person.read() == 2
        assert "Every workload waits for your decision" in person.said


@pytest.mark.parametrize(
    ("plural", "said", "code"),
    [
        ("azurepodidentityexceptions", "AzurePodIdentityException: not visible.", 2),
        ("cronjobs", "CronJob: not visible.", 2),
        ("rolebindings", "RoleBinding: not visible.", 2),
        ("pods", "Pod: not visible.", 2),
        ("serviceaccounts", "ServiceAccount: not visible.", 1),  # the plan cannot do without
    ],
)
async def test_a_kind_that_may_not_be_seen_is_told_and_the_rest_goes_on(
    tmp_path: Path, forbid: Callable[..., None], plural: str, said: str, code: int
) -> None:
    async with somebody(tmp_path) as person:
        forbid(plural)
        assert await person.read() == code
        assert said in person.said
        assert f"Needs list of {plural} in all namespaces" in person.said
        assert "Deployment billing/invoices" in person.said


async def test_pods_whose_owner_may_not_be_seen_are_not_taken_for_pods_by_themselves(
    tmp_path: Path, forbid: Callable[..., None]
) -> None:
    async with somebody(tmp_path) as person:
        forbid("replicasets")
        await person.read()
        assert "the fleet file of 9 workloads" in person.said
        assert "Pod billing/" not in person.said


async def test_a_label_that_somebody_put_on_a_pod_by_hand_counts_for_its_owner(tmp_path: Path) -> None:
    async with somebody(tmp_path) as person:
        (pod,) = await pods(person.cloud, "stranger")
        where = on(person.cloud, f"/api/v1/namespaces/billing/pods/{pod['metadata']['name']}")
        patch = {"metadata": {"labels": {"aadpodidbinding": "billing"}}}
        await person.cloud.by_hand("PATCH", where, patch, **{"Content-Type": "application/merge-patch+json"})
        await person.read("billing")
        assert "the fleet file of 3 workloads" in person.said


async def test_what_may_not_be_seen_may_need_everything(tmp_path: Path, forbid: Callable[..., None]) -> None:
    async with somebody(tmp_path) as person:
        await person.read()
        await person.reconcile()
        await person.switch("billing/invoices", "billing/ledger")
        forbid("cronjobs")
        assert await person.cleanup(remove=True) == 2
        assert "CronJob objects cannot be seen, and may need it" in person.said
        assert "removed" not in person.said


async def test_who_may_see_one_namespace_alone_is_told_of_that(tmp_path: Path, forbid: Callable[..., None]) -> None:
    async with somebody(tmp_path) as person:
        forbid("pods", "azureidentitybindings", everywhere=False)
        assert await person.read("billing") == 2
        assert "Pod: not visible. Only those of namespace billing are seen" in person.said
        assert "the fleet file of 2 workloads" in person.said


async def test_an_operator_who_may_nothing_in_the_cluster_gets_an_answer(tmp_path: Path) -> None:
    stranger = CLOUD.replace("cluster_admin: true", "cluster_admin: false")
    async with running_cloud(tmp_path / "simulator", cloud=stranger) as cloud:
        person = Person(cloud, tmp_path / "veteran.yaml")
        with pytest.raises(StepError, match="cannot be told without its bindings"):
            await person.read()
        assert (
            "AzureIdentityBinding: not visible. azureidentitybindings.aadpodidentity.k8s.io is forbidden" in person.said
        )


async def found(cluster: str, subscription: str | None = None) -> str:
    """What is said of a cluster that cannot be found."""
    with pytest.raises(CloudError) as refused:
        async with migrate.at(cluster, subscription):
            pass
    return str(refused.value)


async def test_a_cluster_that_is_nowhere_is_told_with_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("contexts: [{name: kind-local}, 7]\n", encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", f"{kubeconfig}:{tmp_path / 'none'}")
    async with running_cloud(tmp_path / "simulator", cloud=CLOUD):
        said = await found("nowhere")
        assert "cluster nowhere: no AKS cluster of the subscription" in said
        assert "AKS clusters there: veteran-aks/veteran. Contexts: kind-local" in said
        assert "Somebody's" in await found("veteran", "Somebody's")


async def test_a_context_of_an_aks_cluster_is_that_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with somebody(tmp_path) as person:
        monkeypatch.setenv("KUBECONFIG", str(await admin_kubeconfig(person.cloud, tmp_path)))
        async with migrate.at("My_Context", None) as there:
            assert (there.cluster.name, there.cluster.resource_group) == ("veteran", "veteran-aks")
            assert (there.cluster.context, there.cluster.issuer) == ("My_Context", None)
            seen = await migrate.look(there, "billing")
        assert [str(one.owner) for one in seen.migration.proposals] == [
            "Deployment billing/invoices",
            "StatefulSet billing/ledger",
        ]


async def test_who_may_not_list_clusters_gets_in_by_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with somebody(tmp_path) as person:
        monkeypatch.setenv("KUBECONFIG", str(await admin_kubeconfig(person.cloud, tmp_path)))
        for assignment in person.cloud.simulator.simulation.azure.role_assignments.values():
            role = roles.BY_NAME["Managed Identity Contributor"].id
            assignment.body["properties"]["roleDefinitionId"] = f"/roleDefinitions/{role}"
        async with migrate.at("My_Context", None) as there:
            assert (there.cluster.name, there.cluster.context) == ("my-context", "My_Context")
            assert there.cluster.issuer == cluster_of(person.cloud).state.issuer
        assert "the subscription's AKS clusters" in await found("veteran")


async def test_of_two_clusters_of_one_name_the_group_tells_which(tmp_path: Path) -> None:
    two = CLOUD.replace(
        "    clusters:\n",
        "    clusters:\n      - {resource_group: other, name: veteran}\n",
    ).replace("    resource_groups:\n", "    resource_groups:\n      - {name: other, location: westeurope}\n")
    async with running_cloud(tmp_path / "simulator", cloud=two):
        said = await found("veteran")
        assert "there are several of this name" in said
        assert "other/veteran" in said
        async with migrate.at("other/veteran", None) as there:
            assert there.cluster.resource_group == "other"


async def test_more_than_one_subscription_has_to_be_chosen_from(tmp_path: Path) -> None:
    second = "  - {id: 55555555-5555-4555-8555-555555555555, name: Second}\n"
    two = CLOUD.replace("operators:\n", f"{second}\noperators:\n").replace(
        "    graph:", "      - {role: Owner, scope: Second}\n    graph:"
    )
    async with running_cloud(tmp_path / "simulator", cloud=two):
        said = await found("veteran")
        assert "more than one" in said
        assert "Name one with --subscription" in said
        async with migrate.at("veteran", "Visual Studio Premium with MSDN") as there:
            assert there.cluster.name == "veteran"


ODD: dict[str, tuple[str, Json]] = {
    "no specification": ("AzureIdentityBinding", {}),
    "a specification that is none": ("AzureIdentityBinding", {"spec": "text"}),
    "numbers for names": ("AzureIdentityBinding", {"spec": {"azureIdentity": 7, "selector": ["x"]}}),
    "an identity of no type": ("AzureIdentity", {"spec": {"resourceID": None, "clientID": 5}}),
    "an identity of a type in words": ("AzureIdentity", {"spec": {"type": "managed"}}),
    "labels that are none": ("AzurePodIdentityException", {"spec": {"podLabels": "app"}}),
}


async def test_objects_that_say_nothing_sensible_spoil_nothing(tmp_path: Path) -> None:
    plurals = {one["spec"]["names"]["kind"]: one["spec"]["names"]["plural"] for one in DEFINITIONS}
    async with somebody(tmp_path) as person:
        for number, (kind, body) in enumerate(ODD.values()):
            where = on(person.cloud, f"/apis/{GROUP}/v1/namespaces/shop/{plurals[kind]}")
            head = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": f"odd-{number}"}}
            await person.cloud.by_hand("POST", where, head | body)
        assert await person.read() == 2
        assert "the fleet file of 10 workloads" in person.said


async def test_the_spelling_of_early_releases_is_understood(tmp_path: Path) -> None:
    async with somebody(tmp_path) as person:
        identity = next(one for one in OBJECTS if one["kind"] == "AzureIdentity")
        early = {"Type": 0, "ResourceID": identity["spec"]["resourceID"], "ClientID": BILLING}
        patch = {"spec": {**dict.fromkeys(identity["spec"]), **early}}
        where = on(person.cloud, f"/apis/{GROUP}/v1/namespaces/billing/azureidentities/billing")
        await person.cloud.by_hand("PATCH", where, patch, **{"Content-Type": "application/merge-patch+json"})
        await person.read("billing")
        assert "    identity: billing" in person.file.read_text(encoding="utf-8").splitlines()


async def test_a_removed_object_is_not_made_again_from_a_file_that_is_something_else(tmp_path: Path) -> None:
    async with somebody(tmp_path) as person:
        await person.read()
        person.file.with_name("veteran.removed.yaml").write_text(
            "kind: Secret\nmetadata: {name: x}\n", encoding="utf-8"
        )
        with pytest.raises(StepError, match="it is not what --cleanup wrote"):
            await person.undo()


async def test_a_pod_of_a_controller_that_is_not_known_is_left_to_that(tmp_path: Path) -> None:
    async with somebody(tmp_path) as person:
        reference = {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "cart", "uid": "x", "controller": True}
        where = on(person.cloud, "/apis/apps/v1/namespaces/nodes/replicasets/cart")
        patch = {"metadata": {"ownerReferences": [reference]}}
        await person.cloud.by_hand("PATCH", where, patch, **{"Content-Type": "application/merge-patch+json"})
        await person.read()
        assert "ReplicaSet nodes/cart: is made by Rollout cart, a kind that is not known here" in person.said
        await person.reconcile()
        await person.switch("nodes/cart")
        assert "kept       ReplicaSet nodes/cart: Rollout cart makes it: change it there" in person.said
