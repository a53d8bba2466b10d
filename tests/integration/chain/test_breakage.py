"""Every fault that can be injected shows at the place where people meet it, in the words that they would read there."""

from __future__ import annotations

import re

import httpx
import pytest

from simulator.breakage import CATALOGUE, NotBreakable, break_
from simulator.snapshots import taken
from tests.conftest import Cloud
from tests.integration.chain.symptoms import symptom

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMPTOMS = {
    "cluster-rebuilt": "AADSTS700211",
    "issuer-unreachable": "AADSTS90061",
    "keys-unreachable": "AADSTS50166",
    "keys-rotated": "AADSTS50013",
    "clock-ahead": "AADSTS700024",
    "clock-behind": "AADSTS700024",
    "cluster-unreachable": "^no connection",
    "webhook-missing": "pod lacks AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_FEDERATED_TOKEN_FILE",
    "webhook-down": "pod denied: .*no endpoints available for service",
    "webhook-unreached": "pod denied: .*no endpoints available for service",
    # Its pods turn unready over it: whichever the API server meets first.
    "webhook-certificate": "pod denied: .*(certificate signed by unknown authority|no endpoints available)",
    "webhook-twice": "two webhooks|certificate signed by unknown authority",
    "webhook-tenant": "AADSTS90002",
    "identity-deleted": "AADSTS700016",
    "principal-missing": "AADSTS7000229",
    "principal-disabled": "AADSTS7000112",
    "identity-not-replicated": "AADSTS700016",
    "issuer-slash": "AADSTS700211",
    "issuer-case": "AADSTS700211",
    "issuer-space": "AADSTS700211",
    "issuer-look-alike": "AADSTS700211",
    "issuer-other": "AADSTS700211",
    "subject-case": "AADSTS7002138",
    "subject-space": "AADSTS700213",
    "subject-look-alike": "AADSTS700213",
    "subject-namespace": "AADSTS700213",
    "subject-account": "AADSTS700213",
    "subject-prefix": "AADSTS700213",
    "audience-other": "AADSTS700212",
    "audience-case": "AADSTS700212",
    "credential-missing": "AADSTS70025",
    "credential-budget": "AADSTS700213",
    "credential-young": "AADSTS70025",
    "credential-flapping": "AADSTS70025",
    "account-missing": "pod denied: .*serviceaccount .*not found",
    "client-id-missing": "pod lacks AZURE_CLIENT_ID$",
    "client-id-unknown": "AADSTS700016",
    "client-id-other": "AADSTS70025",
    "client-id-object": "AADSTS700016",
    "client-id-space": "AADSTS700016",
    "tenant-id-empty": "pod lacks AZURE_TENANT_ID$",
    "tenant-id-other": "AADSTS90002",
    "expiration-short": "pod denied: .*3600",
    "expiration-word": "pod denied: .*1h",
    "label-on-account": "pod lacks AZURE_CLIENT_ID",
    "label-missing": "pod lacks AZURE_CLIENT_ID",
    "label-value": "pod lacks AZURE_CLIENT_ID",
    "containers-skipped": "pod lacks AZURE_CLIENT_ID",
    "account-other": "pod lacks AZURE_CLIENT_ID$",
    "pods-older-than-webhook": "running pods are stale: AZURE_CLIENT_ID AZURE_TENANT_ID",
    "pods-older-than-annotation": "running pods are stale: AZURE_CLIENT_ID$",
    "pods-older-than-tenant": "running pods are stale: AZURE_TENANT_ID$",
    "access-missing": "vault: AccessDenied",
    "access-elsewhere": "vault: AccessDenied",
    "access-narrow": "vault: AccessDenied",
    "access-young": "vault: AccessDenied",
    "access-model": "vault: ForbiddenByRbac",
    "vault-firewall": "vault: ForbiddenByFirewall",
    "vault-private": "vault: ForbiddenByConnection",
    "vault-deleted": "vault: no connection",
    "secret-deleted": "vault: SecretNotFound",
    "secret-missing": "vault: SecretNotFound",
    "secret-disabled": "vault: SecretDisabled",
    "secret-expired": "vault: read, but out of its time",
    "secret-early": "vault: read, but out of its time",
}
"""What the first one who notices says."""


async def test_every_fault_has_its_symptom() -> None:
    assert SYMPTOMS.keys() == CATALOGUE.keys()
    assert len(CATALOGUE) >= 45


@pytest.mark.parametrize("fault", SYMPTOMS)
async def test_a_fault_shows_where_people_meet_it(whole: Cloud, fault: str) -> None:
    done = await break_(whole.simulator.simulation, fault, "")
    assert done.startswith("sysadminas-demo/sysadminas-demo-sa on sysadminas: ")
    assert re.search(SYMPTOMS[fault], await symptom(whole)), await symptom(whole)


@pytest.mark.parametrize(
    ("fault", "subject", "says"),
    [
        ("no-such-fault", "", "there is no fault 'no-such-fault'"),
        ("issuer-slash", "nobody/here", "there is no ServiceAccount nobody/here"),
        ("issuer-slash", "sysadminas-demo/sysadminas-demo-sa@elsewhere", "there is no ServiceAccount"),
        ("issuer-slash", "sysadminas-demo/default", "has no annotation azure.workload.identity/client-id"),
    ],
)
async def test_what_cannot_be_broken_is_told_and_nothing_is_broken(
    whole: Cloud, fault: str, subject: str, says: str
) -> None:
    before = taken(whole.simulator.simulation)
    with pytest.raises(NotBreakable, match=re.escape(says)):
        await break_(whole.simulator.simulation, fault, subject)
    assert taken(whole.simulator.simulation) == before


async def test_an_open_connection_to_a_cluster_that_is_unreachable_is_cut(whole: Cloud) -> None:
    (cluster,) = whole.simulator.simulation.clusters.values()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"https://{cluster.state.fqdn}/version")).status_code == 200
        await break_(whole.simulator.simulation, "cluster-unreachable", "")
        with pytest.raises(httpx.TransportError):
            await http.get(f"https://{cluster.state.fqdn}/version")
