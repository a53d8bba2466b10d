"""A chain that no fleet file describes is diagnosed by what somebody knows of it."""

from __future__ import annotations

import pytest

from flows.diagnosing import Ask, NothingToDiagnoseError
from simulator.breakage import break_
from simulator.breakage.chain import find
from tests.conftest import Cloud
from tests.integration.chain.diagnoses import asked, names

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNT = Ask(cluster="sysadminas", service_account="sysadminas-demo/sysadminas-demo-sa")
BROKEN = (
    "issuer-slash",
    "subject-namespace",
    "audience-case",
    "credential-missing",
    "client-id-unknown",
    "client-id-other",
    "client-id-space",
    "principal-disabled",
    "identity-deleted",
    "label-missing",
    "account-other",
    "pods-older-than-webhook",
    "webhook-missing",
    "clock-behind",
    "keys-rotated",
    "access-missing",
    "secret-expired",
    "vault-deleted",
)


def client_id(cloud: Cloud) -> str:
    """Of the demo's identity."""
    return find(cloud.simulator.simulation, "").client_id


def a_pod(cloud: Cloud) -> str:
    """NAMESPACE/NAME of the demo's pod."""
    (cluster,) = cloud.simulator.simulation.clusters.values()
    (pod,) = cluster.list("pods", "sysadminas-demo")
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


async def test_a_whole_chain_is_well_by_whatever_it_is_named(whole: Cloud) -> None:
    for ask in (ACCOUNT, Ask(cluster="sysadminas", pod=a_pod(whole)), Ask(client_id=client_id(whole))):
        (report,) = await asked(whole, ask)
        assert str(report) == "sysadminas-demo/sysadminas-demo-sa on sysadminas"
        assert report.is_well, report


async def test_vault_and_secret_are_found_by_what_the_pod_is_told_of_them(whole: Cloud) -> None:
    (report,) = await asked(whole, ACCOUNT)
    assert "reading sysadminas-demo-kv-secret of vault sysadminas-demo-kv as the workload: succeeded" in report.seen


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_fault_is_named_without_a_fleet_file_too(whole: Cloud, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    (report,) = await asked(whole, ACCOUNT)
    assert fault in names(report), report


WRONG = {
    "nothing said": (Ask(), "name a cluster with --cluster"),
    "a cluster and no more": (Ask(cluster="sysadminas"), "--service-account NAMESPACE/NAME, or --pod NAMESPACE/NAME"),
    "an account without its namespace": (Ask(cluster="sysadminas", service_account="sa"), "give it as NAMESPACE/NAME"),
    "a pod that is not there": (
        Ask(cluster="sysadminas", pod="sysadminas-demo/nobody"),
        "there is no pod sysadminas-demo/nobody on sysadminas; there is azure-wi-demo-",
    ),
    "a client id of nobody": (
        Ask(client_id="00000000-0000-4000-8000-000000000000"),
        "no application and no managed identity has the client id 00000000-0000-4000-8000-000000000000",
    ),
    "a client id that is none": (
        Ask(client_id="nonsense' or 1"),
        "no application and no managed identity has the client",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_not_there_or_not_clear_is_told(whole: Cloud, case: str) -> None:
    ask, says = WRONG[case]
    with pytest.raises(NothingToDiagnoseError) as error:
        await asked(whole, ask)
    assert says in str(error.value)


async def test_a_deleted_application_is_told_by_its_client_id(whole: Cloud) -> None:
    ask = Ask(client_id=client_id(whole))
    await break_(whole.simulator.simulation, "identity-deleted", "")
    with pytest.raises(NothingToDiagnoseError, match="is deleted: restore it within 30 days"):
        await asked(whole, ask)


async def test_an_identity_that_trusts_no_cluster_of_ours_says_whom_it_trusts(whole: Cloud) -> None:
    ask = Ask(client_id=client_id(whole))
    await break_(whole.simulator.simulation, "issuer-other", "")
    with pytest.raises(NothingToDiagnoseError, match="It trusts system:serviceaccount:sysadminas-demo"):
        await asked(whole, ask)


async def test_an_application_of_another_tenant_is_told_from_one_of_nobody(whole: Cloud) -> None:
    """It was consented to here, so that only its service principal is."""
    chain = find(whole.simulator.simulation, "")
    tenant = "99999999-9999-4999-8999-999999999999"
    chain.principal.body["appOwnerOrganizationId"] = tenant
    del whole.simulator.simulation.azure.applications[chain.identity.body["id"]]
    (report,) = await asked(whole, ACCOUNT)
    assert "client-id-foreign" in names(report)
    assert tenant in str(report.causes)
