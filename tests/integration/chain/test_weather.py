"""The chain converges in the weather of the real cloud, also where an earlier run was cut short."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from azure.identity.aio import EnvironmentCredential

from clients.errors import Transient, translated
from clients.session import ARM_SCOPE
from fleet.files import load
from fleet.observed import Observed
from fleet.proof import Proof
from fleet.spec import Fleet
from simulator.breakage import break_
from simulator.weather import NORMAL, Dials
from tasks import verification
from tests.conftest import Cloud, running_cloud
from tests.throttled import use_up_graph

WIDE = Path(__file__).parent / "wide.yaml"
FASTER = 200.0
PATIENCE_SECONDS = 30.0
CLUSTER = (
    "https://management.azure.com/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/sysadminas-aks"
    "/providers/Microsoft.ContainerService/managedClusters/sysadminas?api-version=2025-08-01"
)


async def proofs(cloud: Cloud, fleet: Fleet, observed: Observed) -> list[Proof]:
    chains, gaps = verification.chains(fleet, observed)
    assert gaps == []
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        return [await verification.verify(clients, fleet, link, PATIENCE_SECONDS) for link in chains]


@pytest.mark.parametrize("seed", range(4))
async def test_the_chain_converges_in_normal_weather(tmp_path: Path, seed: int) -> None:
    fleet = load(WIDE.read_text(encoding="utf-8"))
    async with running_cloud(tmp_path, dials=NORMAL, speed=FASTER, seed=seed) as cloud:
        assert (await cloud.apply(fleet)).holds == ()
        observed = await cloud.observe(fleet)
        found = await proofs(cloud, fleet, observed)
        assert [proof.problems for proof in found] == [()] * len(fleet.workloads)
        assert (await cloud.plan(fleet)).is_empty


async def test_a_cluster_that_is_being_updated_is_waited_for(tmp_path: Path, fleet: Fleet) -> None:
    """As after a run that was cut short: ARM tells the issuer already, the API server does not use it yet."""
    async with running_cloud(tmp_path, dials=Dials(cluster_update=(3.0, 3.0))) as cloud:
        body = await cloud.by_hand("GET", CLUSTER)
        body["properties"]["oidcIssuerProfile"] = {"enabled": True}
        await cloud.by_hand("PUT", CLUSTER, body)
        planned = await cloud.plan(fleet)
        waiting = {change.key for change in planned.changes if "cluster:sysadminas" in change.after}
        assert {"webhook:sysadminas", "namespace:sysadminas/sysadminas-demo"} <= waiting
        before = len(cloud.journal.entries)
        await cloud.apply(fleet)
        updates = [
            entry for entry in cloud.journal.entries[before:] if entry.method == "PUT" and "managedC" in entry.path
        ]
        assert updates == []
        (proof,) = await proofs(cloud, fleet, await cloud.observe(fleet))
        assert proof.holds, proof


async def test_a_subject_whose_case_was_put_right_is_waited_for(cloud: Cloud, fleet: Fleet) -> None:
    """Until the correction is in effect everywhere, Entra says that the subject differs in case."""
    await cloud.apply(fleet)
    await break_(cloud.simulator.simulation, "subject-case", "")
    cloud.simulator.simulation.weather.change(federation_propagation=(1.0, 1.0))
    await cloud.apply(fleet)
    (proof,) = await proofs(cloud, fleet, await cloud.observe(fleet))
    assert proof.problems == ()


async def test_a_service_principal_that_follows_its_application_later_is_waited_for(cloud: Cloud, fleet: Fleet) -> None:
    """Where replicas know the application already, Entra says that it lacks its principal."""
    await cloud.apply(fleet)
    observed = await cloud.observe(fleet)
    simulation = cloud.simulator.simulation
    (application,) = [one for one in simulation.azure.applications.values() if one.federated]
    principals = simulation.azure.service_principals.values()
    (principal,) = [one for one in principals if one.body["appId"] == application.body["appId"]]
    principal.visible_at = simulation.clock.now() + timedelta(seconds=1)
    (proof,) = await proofs(cloud, fleet, observed)
    assert proof.problems == ()


async def test_a_tenant_that_others_keep_busy_is_waited_for(cloud: Cloud, fleet: Fleet) -> None:
    """Graph's units are shared by all programs of a tenant; its 429 may tell when there will be some again."""
    use_up_graph(cloud.simulator.simulation, speed=0.02)
    planned = await cloud.plan(fleet)
    assert not planned.holds
    refused = [entry for entry in cloud.journal.entries if entry.status == 429]
    assert {entry.host for entry in refused} == {"graph.microsoft.com"}


@pytest.mark.parametrize(("dial", "number"), [("busy", "AADSTS90055"), ("server_errors", "AADSTS90033")])
async def test_a_sign_in_that_entra_is_too_busy_for_is_worth_another_try(cloud: Cloud, dial: str, number: str) -> None:
    """Some outages are a gateway's, which has no number: of several one is Entra's own."""
    codes = set()
    async with EnvironmentCredential(retry_total=0) as credential:
        cloud.simulator.simulation.weather.change(**{dial: 1.0})
        for _ in range(8):
            with pytest.raises(Transient) as refusal, translated("the operator's sign-in"):
                await credential.get_token(ARM_SCOPE)
            codes.add(refusal.value.code)
    assert number in codes
