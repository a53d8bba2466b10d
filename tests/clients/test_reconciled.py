"""After a reconcile of the demo's fleet, what unmodified clients show agrees with the fleet file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.spec import Fleet
from tests.clients.story import Row, tell
from tests.clients.terminal import CLIENTS, Terminal, has_node
from tests.conftest import CANARY, DEMO_FLEET, ROOT

pytestmark = pytest.mark.clients

DEMO = ROOT / "deployments" / "demo"
READ = "read secret 'sysadminas-demo-kv-secret' from https://sysadminas-demo-kv.vault.azure.net"
APPLICATION = "sysadminas-aad-workload-identity-demo-app"
OWNED = "workload-identity-fleet"
LABEL = "workload-identity.io/fleet"


@pytest.fixture(scope="module")
def reconciled(terminal: Terminal) -> Iterator[Terminal]:
    """The operator's terminal, after ``workload-identity reconcile`` of the demo's fleet."""
    terminal.environment["KEYVAULT_SECRET_VALUE"] = CANARY
    try:
        terminal.succeeds(f"workload-identity reconcile {DEMO_FLEET}", seconds=120)
        terminal.sign_in()
        terminal.enter_cluster()
        yield terminal
    finally:
        terminal.succeeds("workload-identity stop")


@pytest.fixture(scope="module")
def known(reconciled: Terminal) -> dict[str, str]:
    """The ids that the cloud gave."""
    application = reconciled.succeeds(f"az ad app list --display-name {APPLICATION}").json()[0]
    principal = reconciled.succeeds(f"az ad sp show --id {application['appId']}").json()
    cluster = reconciled.succeeds("az aks show -n sysadminas -g sysadminas-aks").json()
    return {
        "client": application["appId"],
        "principal": principal["id"],
        "issuer": cluster["oidcIssuerProfile"]["issuerUrl"],
        "tenant": reconciled.environment["AZURE_TENANT_ID"],
    }


def shown(fleet: Fleet, known: dict[str, str]) -> dict[str, Row]:
    """By link of the chain: what a client is asked, and what it must print."""
    vault, identity, workload = fleet.vaults[0], fleet.identities[0], fleet.workloads[0]
    assert workload.deployment is not None
    container = workload.deployment.containers[0]
    tags = ["workload-identity", f"workload-identity:fleet={fleet.name}", f"workload-identity:identity={identity.name}"]
    grant = identity.access[0]
    by_object = f"?objectId=='{known['principal']}']"
    deployment = f"kubectl -n {workload.namespace} get deployment {workload.deployment.name} -o json"
    account = f"kubectl -n {workload.namespace} get serviceaccount {workload.service_account} -o json"
    return {
        "preview feature": Row(
            "az feature show --namespace Microsoft.ContainerService -n EnableOIDCIssuerPreview "
            "--query properties.state",
            "Registered",
        ),
        "cluster": Row(
            "az aks show -n sysadminas -g sysadminas-aks --query [provisioningState,oidcIssuerProfile.enabled]",
            ["Succeeded", True],
        ),
        "vault": Row(
            f"az keyvault show -n {vault.name} "
            "--query '[resourceGroup,location,tags,properties.enableRbacAuthorization]'",
            [vault.resource_group, vault.location, {OWNED: fleet.name}, False],
        ),
        "access policy": Row(
            f'az keyvault show -n {vault.name} --query "properties.accessPolicies[{by_object}.permissions.secrets"',
            [list(grant.secrets)],
        ),
        "secret": Row(
            f"az keyvault secret show --vault-name {vault.name} -n {vault.secrets[0].name} --query value", CANARY
        ),
        "application": Row(
            "az ad app show --id $client --query '[displayName,signInAudience,tags]'",
            [identity.name, "AzureADMyOrg", tags],
        ),
        "service principal": Row(
            "az ad sp show --id $client --query '[appId,accountEnabled,tags]'", [known["client"], True, tags]
        ),
        "federated credential": Row(
            "az ad app federated-credential list --id $client --query '[].[issuer,subject,audiences]'",
            [
                [
                    known["issuer"],
                    f"system:serviceaccount:{workload.namespace}:{workload.service_account}",
                    ["api://AzureADTokenExchange"],
                ]
            ],
        ),
        "role assignment": Row(
            "az role assignment list --all --assignee $client "
            "--query '[].[roleDefinitionName,principalId,principalType]'",
            [[role, known["principal"], "ServicePrincipal"] for role in grant.roles],
        ),
        "service account": Row(
            account,
            [
                {LABEL: fleet.name},
                {
                    "azure.workload.identity/client-id": known["client"],
                    "azure.workload.identity/tenant-id": known["tenant"],
                },
            ],
            at=("metadata.labels", "metadata.annotations"),
        ),
        "deployment": Row(
            deployment,
            [
                {LABEL: fleet.name},
                1,
                "true",
                workload.service_account,
                container.name,
                container.image,
                [{"name": name, "value": value} for name, value in container.env.items()],
                1,
            ],
            at=(
                "metadata.labels",
                "spec.replicas",
                "spec.template.metadata.labels.azure\\.workload\\.identity/use",
                "spec.template.spec.serviceAccountName",
                "spec.template.spec.containers.0.name",
                "spec.template.spec.containers.0.image",
                "spec.template.spec.containers.0.env",
                "status.readyReplicas",
            ),
        ),
        "webhook": Row(
            "helm list --all-namespaces -o json",
            [
                "workload-identity-webhook",
                "azure-workload-identity-system",
                "workload-identity-webhook-1.6.0",
                "deployed",
            ],
            at=("0.name", "0.namespace", "0.chart", "0.status"),
        ),
    }


LINKS = (
    "preview feature",
    "cluster",
    "vault",
    "access policy",
    "secret",
    "application",
    "service principal",
    "federated credential",
    "role assignment",
    "service account",
    "deployment",
    "webhook",
)


@pytest.mark.parametrize("link", LINKS)
def test_a_client_shows_the_link_as_the_fleet_file_wants_it(
    reconciled: Terminal, known: dict[str, str], fleet: Fleet, link: str
) -> None:
    table = shown(fleet, known)
    assert tuple(table) == LINKS
    tell(reconciled, [table[link]], known)


def test_the_demo_in_python_reads_the_secret_in_its_pod(reconciled: Terminal) -> None:
    reconciled.follows("kubectl -n sysadminas-demo logs -f deployment/azure-wi-demo", until=READ)


@pytest.mark.skipif(not has_node(), reason="there is no Node on this machine, or the SDK for it is not installed")
def test_its_twin_in_node_reads_the_secret_with_nothing_but_what_the_webhook_injects(
    reconciled: Terminal, tmp_path: Path
) -> None:
    shutil.copy(DEMO / "application.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node" / "node_modules")
    container: dict[str, Any] = {
        "name": "node",
        "image": "workload-identity-demo:1",
        "command": ["bash", "-c", f"exec '{shutil.which('node')}' '{tmp_path}/application.mjs'"],
        "env": [
            {"name": "KEYVAULT_NAME", "value": "sysadminas-demo-kv"},
            {"name": "SECRET_NAME", "value": "sysadminas-demo-kv-secret"},
        ],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "node",
            "namespace": "sysadminas-demo",
            "labels": {"azure.workload.identity/use": "true"},
        },
        "spec": {"serviceAccountName": "sysadminas-demo-sa", "restartPolicy": "Never", "containers": [container]},
    }
    reconciled.succeeds("kubectl create -f -", given=yaml.safe_dump(pod))
    reconciled.succeeds("kubectl -n sysadminas-demo wait pod/node --for condition=Ready --timeout 30s")
    read = f"{READ}: ******** ({len(CANARY)} characters)"
    reconciled.follows("kubectl -n sysadminas-demo logs -f node", until=read)
