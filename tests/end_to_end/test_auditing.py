"""``audit`` at a terminal: a sound fleet has nothing, and what is made wrong by hand is found."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleet.files import load
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.end_to_end.command import Finished, Terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLEAN, MISTAKE, FOUND = 0, 1, 2
NO_SERVER = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
GRAPH = "https://graph.microsoft.com/v1.0"
NAMESPACE = "sysadminas-demo"


@dataclass(frozen=True)
class Audits:
    """Of a fleet as it was made, and after somebody was careless."""

    terminal: Terminal
    sound: Finished
    careless: Finished
    as_json: Finished
    sarif: dict[str, Any]
    written: int


async def be_careless(cloud: Cloud) -> None:
    """One thing for every rule that a person can break by hand."""
    (cluster,) = cloud.simulator.simulation.clusters.values()
    api = f"https://{cluster.state.fqdn}"
    applications = (await cloud.by_hand("GET", f"{GRAPH}/applications"))["value"]
    (application,) = [one for one in applications if one["displayName"].startswith("sysadminas-aad")]
    credentials = f"{GRAPH}/applications/{application['id']}/federatedIdentityCredentials"
    issuer = cluster.state.issuer
    for name, trusted, account in (
        ("of-a-former-cluster", "https://issuer.example/gone/", f"{NAMESPACE}:sysadminas-demo-sa"),
        ("of-a-former-namespace", issuer, "gone:sa"),
        ("of-a-former-account", issuer, f"{NAMESPACE}:gone"),
    ):
        body = {"name": name, "issuer": trusted, "subject": f"system:serviceaccount:{account}"}
        await cloud.by_hand("POST", credentials, {**body, "audiences": ["api://AzureADTokenExchange"]})
    password = {"passwordCredential": {"displayName": "for now"}}
    await cloud.by_hand("POST", f"{GRAPH}/applications/{application['id']}/addPassword", password)
    account = {"metadata": {"name": "stray", "annotations": {"azure.workload.identity/client-id": "nobody"}}}
    core = {"apiVersion": "v1", "kind": "ServiceAccount", **account}
    await cloud.by_hand("POST", f"{api}/api/v1/namespaces/{NAMESPACE}/serviceaccounts", core)
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "edit"}
    rules = [{"apiGroups": [""], "resources": ["serviceaccounts", "serviceaccounts/token"], "verbs": ["create"]}]
    definition = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "makers"}, "rules": rules}
    await cloud.by_hand("POST", f"{api}/apis/{rbac}/v1/clusterroles", definition)
    subjects = [{"apiGroup": rbac, "kind": "Group", "name": "everybody"}]
    binding = {"metadata": {"name": "makers"}, "roleRef": {**role, "name": "makers"}, "subjects": subjects}
    bindings = f"{api}/apis/{rbac}/v1/namespaces/{NAMESPACE}/rolebindings"
    await cloud.by_hand("POST", bindings, {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", **binding})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def audits(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Audits]:
    directory = tmp_path_factory.mktemp("audits")
    async with running_cloud(directory / "simulator") as cloud:
        terminal = Terminal(cloud, directory / "home", NO_SERVER)
        await cloud.apply(load(DEMO_FLEET.read_text(encoding="utf-8")))
        before = len(cloud.journal.writing())
        sound = await terminal.run("audit", DEMO_FLEET)
        written = len(cloud.journal.writing()) - before
        await be_careless(cloud)
        careless = await terminal.run("audit", DEMO_FLEET)
        as_json = await terminal.run("audit", "--json", DEMO_FLEET)
        file = directory / "audit.sarif"
        await terminal.run("audit", DEMO_FLEET, "--sarif", file)
        yield Audits(terminal, sound, careless, as_json, json.loads(file.read_text(encoding="utf-8")), written)


async def test_a_sound_fleet_has_nothing(audits: Audits) -> None:
    assert audits.sound.code == CLEAN, audits.sound.text
    assert audits.sound.out == "Nothing found\n"
    assert audits.written == 0


async def test_what_somebody_was_careless_about_is_found(audits: Audits) -> None:
    assert audits.careless.code == FOUND
    found = json.loads(audits.as_json.out)["findings"]
    assert [one["rule"] for one in found] == ["WI001", "WI002", "WI003", "WI004", "WI006", "WI008"]
    for text in (
        "credential of-a-former-cluster",
        "cluster sysadminas has no namespace gone",
        "cluster sysadminas has no ServiceAccount sysadminas-demo/gone",
        "client secret for now",
        "ServiceAccount sysadminas-demo/stray",
        "Group everybody: may have a token of it made, make the ServiceAccount anew",
    ):
        assert text in audits.careless.out
    assert audits.careless.out.endswith("3 errors, 3 warnings\n")


async def test_sarif_has_the_same(audits: Audits) -> None:
    (run,) = audits.sarif["runs"]
    assert audits.sarif["version"] == "2.1.0"
    assert [one["ruleId"] for one in run["results"]] == ["WI001", "WI002", "WI003", "WI004", "WI006", "WI008"]


async def test_a_file_that_cannot_be_written_is_told(audits: Audits) -> None:
    finished = await audits.terminal.run("audit", DEMO_FLEET, "--sarif", Path("/nowhere/audit.sarif"))
    assert finished.code == MISTAKE
    assert finished.err == "/nowhere/audit.sarif: the audit cannot be written: No such file or directory\n"


async def test_both_formats_do_not_go_to_one_place(audits: Audits) -> None:
    finished = await audits.terminal.run("audit", DEMO_FLEET, "--json", "--sarif", "-")
    assert finished.code == MISTAKE
    assert "give --sarif a file" in finished.err


async def test_a_subscription_is_audited_without_a_fleet_file(audits: Audits) -> None:
    finished = await audits.terminal.run("audit", "--json")
    assert finished.code == FOUND, finished.text
    found = json.loads(finished.out)["findings"]
    assert {one["rule"] for one in found} == {"WI001", "WI002", "WI003", "WI004", "WI006", "WI008"}
