"""Teardown takes away what is ours and nothing else; what it soft-deleted comes back where that is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleet.changes import Plan
from fleet.files import load
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

ARM = "https://management.azure.com"
GRAPH = "https://graph.microsoft.com/v1.0"
SUBSCRIPTION = "/subscriptions/22222222-2222-4222-8222-222222222222"
VAULT = f"{ARM}{SUBSCRIPTION}/resourceGroups/sysadminas-aks/providers/Microsoft.KeyVault/vaults/sysadminas-demo-kv"
VAULT_VERSION = "api-version=2023-07-01"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
READER = f"{ROLES}/acdd72a7-3385-48ef-bd42-f606fba81ae7"
ASSIGNMENT = f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/55555555-5555-4555-8555-555555555555"
APPLICATION = "sysadminas-aad-workload-identity-demo-app"
WORKLOAD = "sysadminas-demo/sysadminas-demo-sa"
"""The fleet's only one: with it goes the whole fleet."""


@dataclass
class Theirs:
    """Objects around ours that somebody else made."""

    cloud: Cloud
    principal: str = ""
    application: str = ""
    config_map: str = field(init=False)

    def __post_init__(self) -> None:
        cluster = next(iter(self.cloud.simulator.simulation.clusters.values()))
        self.kube = f"https://{cluster.state.fqdn}"
        self.config_map = f"{self.kube}/api/v1/namespaces/sysadminas-demo/configmaps"

    async def make(self) -> None:
        """An application with a federated credential, its role and policy on our vault, a map in our namespace."""
        hand = self.cloud.by_hand
        application = await hand("POST", f"{GRAPH}/applications", {"displayName": "theirs"})
        self.application = f"{GRAPH}/applications/{application['id']}"
        made = await hand("POST", f"{GRAPH}/servicePrincipals", {"appId": application["appId"]})
        self.principal = made["id"]
        subject = {
            "name": "theirs",
            "issuer": "https://issuer.example/",
            "subject": "system:serviceaccount:sysadminas-demo:sysadminas-demo-sa",
            "audiences": ["api://AzureADTokenExchange"],
        }
        await hand("POST", f"{self.application}/federatedIdentityCredentials", subject)
        assignment = {"roleDefinitionId": READER, "principalId": self.principal, "principalType": "ServicePrincipal"}
        await hand("PUT", f"{ASSIGNMENT}?api-version=2022-04-01", {"properties": assignment})
        policy = {
            "tenantId": "11111111-1111-4111-8111-111111111111",
            "objectId": self.principal,
            "permissions": {"secrets": ["list"]},
        }
        body = {"properties": {"accessPolicies": [policy]}}
        await hand("PUT", f"{VAULT}/accessPolicies/add?{VAULT_VERSION}", body)
        map_of_theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}}
        await hand("POST", self.config_map, map_of_theirs)

    async def names(self) -> dict[str, Any]:
        """What there is, ours or theirs, by a list of each kind."""
        hand = self.cloud.by_hand
        vaults = (await hand("GET", f"{VAULT.rpartition('/')[0]}?{VAULT_VERSION}"))["value"]
        assignments = await hand(
            "GET", f"{VAULT}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
        )
        federated = await hand("GET", f"{self.application}/federatedIdentityCredentials")
        webhooks = await hand("GET", f"{self.kube}/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")
        accounts = await hand("GET", f"{self.kube}/api/v1/namespaces/sysadminas-demo/serviceaccounts")
        deployments = await hand("GET", f"{self.kube}/apis/apps/v1/namespaces/sysadminas-demo/deployments")
        return {
            "applications": {item["displayName"] for item in (await hand("GET", f"{GRAPH}/applications"))["value"]},
            "federated credentials of theirs": {item["name"] for item in federated["value"]},
            "vaults": {item["name"] for item in vaults},
            "policies": {
                item["objectId"] for vault in vaults for item in vault["properties"].get("accessPolicies") or ()
            },
            "roles on the vault": {
                item["properties"]["principalId"]
                for item in assignments["value"]
                if item["properties"]["scope"].endswith("sysadminas-demo-kv")
            },
            "config maps": {item["metadata"]["name"] for item in (await hand("GET", self.config_map))["items"]},
            "service accounts": {item["metadata"]["name"] for item in accounts["items"]},
            "deployments": {item["metadata"]["name"] for item in deployments["items"]},
            "webhooks": {item["metadata"]["name"] for item in webhooks["items"]},
        }


@dataclass(frozen=True)
class Story:
    """A reconciled fleet with somebody else's things around it, taken down, and brought back."""

    theirs: Theirs
    terminal: Terminal
    before: dict[str, Any]
    declined: Finished
    after_declined: dict[str, Any]
    plain: Finished
    after_plain: dict[str, Any]
    second: Plan
    everything: Finished
    after_everything: dict[str, Any]
    second_everything: Plan
    refused: Finished
    recovered: Plan
    after_recovery: dict[str, Any]


async def next_teardown(cloud: Cloud, fleet: Fleet, *, everything: bool = False) -> Plan:
    return plan_teardown(fleet, await cloud.observe(fleet, beyond=True), everything=everything)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    text = DEMO_FLEET.read_text(encoding="utf-8")
    fleet = load(text)
    recovering = load(text.replace("    authorization:", "    soft_deleted: recover\n    authorization:"))
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        await cloud.apply(fleet)
        theirs = Theirs(cloud)
        await theirs.make()
        terminal = Terminal(cloud, home)
        yield Story(
            theirs,
            terminal,
            before=await theirs.names(),
            declined=await terminal.answer("n", "teardown", DEMO_FLEET),
            after_declined=await theirs.names(),
            plain=await terminal.run("teardown", DEMO_FLEET, "--workload", WORKLOAD),
            after_plain=await theirs.names(),
            second=await next_teardown(cloud, fleet),
            everything=await terminal.run("teardown", "--everything", DEMO_FLEET),
            after_everything=await theirs.names(),
            second_everything=await next_teardown(cloud, fleet, everything=True),
            refused=await terminal.run("plan", DEMO_FLEET),
            recovered=await cloud.apply(recovering),
            after_recovery=await theirs.names(),
        )


async def test_whoever_sits_at_a_terminal_is_shown_what_would_go_and_asked(story: Story) -> None:
    assert story.declined.code == 1
    shown = story.declined.out
    assert f"─ workload {WORKLOAD} on sysadminas\n" in shown
    assert "\n8 to delete\n" in shown
    assert "Take all of this away? [y/N] " in shown
    assert shown.endswith("Nothing was taken away.\n")
    assert story.after_declined == story.before


async def test_of_a_part_the_fleet_file_still_tells(story: Story) -> None:
    reminder = "FLEET still names it: take it out there too, or the next reconcile brings it back"
    assert reminder in story.plain.err
    assert reminder not in story.everything.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workload", "demo"), f"there is no workload demo in this fleet, there is: {WORKLOAD}\n"),
        (("--cluster", "east"), "there is no cluster east in this fleet, there is: sysadminas\n"),
    ],
)
async def test_what_there_is_not_is_a_mistake_that_tells_what_there_is(
    story: Story, arguments: tuple[str, ...], said: str
) -> None:
    finished = await story.terminal.run("teardown", DEMO_FLEET, *arguments)
    assert (finished.code, finished.err) == (1, said)


async def test_what_is_ours_goes(story: Story) -> None:
    assert story.plain.code == 0
    assert f"− remove application {APPLICATION}" in story.plain.out
    assert story.before["applications"] >= {APPLICATION, "theirs"}
    assert APPLICATION not in story.after_plain["applications"]
    assert "sysadminas-demo-sa" not in story.after_plain["service accounts"]
    assert story.after_plain["deployments"] == set()


async def test_what_is_somebody_elses_stays(story: Story) -> None:
    left = story.after_plain
    assert "theirs" in left["applications"]
    assert left["federated credentials of theirs"] == {"theirs"}
    assert left["roles on the vault"] == {story.theirs.principal}
    assert left["policies"] == {story.theirs.principal}
    assert "theirs" in left["config maps"]


async def test_vault_and_webhook_stay_unless_everything_is_to_go(story: Story) -> None:
    assert story.after_plain["vaults"] == {"sysadminas-demo-kv"}
    assert story.after_plain["webhooks"] == {"azure-wi-webhook-mutating-webhook-configuration"}
    assert story.everything.code == 0
    assert story.after_everything["vaults"] == set()
    assert story.after_everything["webhooks"] == set()


async def test_a_second_teardown_finds_nothing_to_do(story: Story) -> None:
    assert story.second.is_empty, story.second
    assert story.second_everything.is_empty, story.second_everything


async def test_a_soft_deleted_vault_is_not_touched_without_being_told(story: Story) -> None:
    assert story.refused.code == 1
    assert "vault:sysadminas-demo-kv is soft-deleted: set soft_deleted: recover on the vault" in story.refused.words
    secret = "secret:sysadminas-demo-kv/sysadminas-demo-kv-secret"
    assert f"held {secret}: waits for vault:sysadminas-demo-kv" in story.refused.out
    assert f"+ register application {APPLICATION}" in story.refused.out, "the rest is planned"


async def test_a_soft_deleted_vault_comes_back_where_the_fleet_says_so(story: Story) -> None:
    assert story.recovered.holds == ()
    (vault,) = [change for change in story.recovered.changes if change.key == "vault:sysadminas-demo-kv"]
    assert vault.action == "recover"
    assert story.after_recovery["vaults"] == {"sysadminas-demo-kv"}
    assert (await story.theirs.cloud.plan(load(DEMO_FLEET.read_text(encoding="utf-8")))).is_empty
