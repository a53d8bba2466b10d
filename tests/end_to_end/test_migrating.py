"""``migrate`` as a person runs it: from AAD Pod Identity to Workload Identity and back, and what it says in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import ROOT, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal
from tests.veteran import BILLING, CLOUD, DEFINITIONS, OBJECTS, cluster_of, pods, veteran

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Story:
    """The commands in their order, on one cluster, each with what it printed."""

    terminal: Terminal
    file: Path
    read: Finished
    early: Finished
    reconciled: Finished
    switched: Finished
    client_ids: set[str]
    told: Finished
    cleaned: Finished
    undone: Finished
    taken_back: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    async with veteran(tmp_path_factory.mktemp("simulator")) as cloud:
        terminal = Terminal(cloud, home)
        file = tmp_path_factory.mktemp("fleet") / "old.yaml"
        steps = ("migrate", "veteran", "--namespace", "billing", "--out", file)
        read = await terminal.run(*steps)
        early = await terminal.run(*steps, "--switch")
        reconciled = await terminal.run("reconcile", "--no-verify", file)
        switched = await terminal.run(*steps, "--switch")
        env = (one["spec"]["containers"][0]["env"] for one in await pods(cloud, "ledger"))
        client_ids = {each["value"] for one in env for each in one if each["name"] == "AZURE_CLIENT_ID"}
        yield Story(
            terminal,
            file,
            read,
            early,
            reconciled,
            switched,
            client_ids,
            told=await terminal.run(*steps, "--cleanup"),
            cleaned=await terminal.run(*steps, "--cleanup", "--yes"),
            undone=await terminal.run(*steps, "--undo"),
            taken_back=await terminal.run("migrate", "veteran", "--out", file, "--undo", "--everything"),
        )


async def test_it_writes_a_fleet_file_and_shows_its_plan(story: Story) -> None:
    assert story.read.code == 2, story.read.text
    assert f"{story.file}: the fleet file of 2 workloads." in story.read.out
    assert "Plan of pod-identity-veteran" in story.read.out
    assert f"To apply: workload-identity reconcile --no-verify {story.file}" in story.read.out
    assert (await story.terminal.run("plan", story.file)).code == 2


async def test_it_switches_nothing_that_is_not_set_up(story: Story) -> None:
    assert story.early.code == 2
    assert "Reconcile the fleet file first" in story.early.out


async def test_reconcile_applies_it_beside_the_old_set_up(story: Story) -> None:
    assert story.reconciled.code == 0, story.reconciled.text


async def test_it_switches_workloads_whose_pods_get_the_identity(story: Story) -> None:
    assert story.switched.code == 0, story.switched.text
    assert "switched   StatefulSet billing/ledger: runs as ServiceAccount ledger" in story.switched.out
    assert story.client_ids == {BILLING}


async def test_it_tells_what_can_go_and_removes_it_on_request(story: Story) -> None:
    assert story.told.code == 2
    assert "can go     AzureIdentityBinding billing/billing" in story.told.out
    assert story.cleaned.code == 0, story.cleaned.text
    assert "removed    AzureIdentity billing/billing" in story.cleaned.out


async def test_it_takes_every_step_back(story: Story) -> None:
    assert story.undone.code == 0, story.undone.text
    assert "restored   AzureIdentityBinding billing/billing" in story.undone.out
    assert "back       StatefulSet billing/ledger: as it was before the switch" in story.undone.out
    assert story.taken_back.code == 0, story.taken_back.text
    assert "stays, without our mark managed-identity:billing" in story.taken_back.out
    cluster = cluster_of(story.terminal.cloud)
    assert cluster.get("azureidentitybindings.aadpodidentity.k8s.io", "billing", "billing") is not None
    assert cluster.get("serviceaccounts", "invoices", "billing") is None


TROUBLE: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown cluster": (("nowhere",), "cluster nowhere: no AKS cluster of the subscription"),
    "an unknown subscription": (("veteran", "--subscription", "Somebody's"), "subscription Somebody's: the operator"),
    "two steps at once": (("veteran", "--switch", "--undo"), "are steps of their own: give one of them"),
    "a sidecar without a switch": (("veteran", "--proxy"), "--proxy goes with --switch"),
    "a port without a sidecar": (("veteran", "--switch", "--proxy-port", "9000"), "--proxy-port goes with --proxy"),
    "a port that there is not": (("veteran", "--switch", "--proxy-port", "0"), "Invalid value for '--proxy-port'"),
    "a removal without a cleanup": (("veteran", "--yes"), "--yes goes with --cleanup"),
    "everything without an undo": (("veteran", "--everything"), "--everything goes with --undo"),
    "a workload without a step": (("veteran", "shop/checkout"), "WORKLOAD goes with --switch or --undo"),
    "no fleet file": (
        ("veteran", "--switch", "--out", "none.yaml"),
        "none.yaml: there is no such file. Write it first",
    ),
    "an unknown workload": (
        ("veteran", "a/b", "--undo", "--out", "none.yaml"),
        "a/b: no workload of this name is switched here. There are: none",
    ),
    "everything of one workload": (("veteran", "a/b", "--undo", "--everything"), "leave out WORKLOAD and --namespace"),
    "a place that cannot be written": (("veteran", "--out", "/nowhere/at/all.yaml"), "/nowhere/at/all.yaml: cannot be"),
    "a folder for a file": (("veteran", "--out", "/"), "/: cannot be written"),
    "no cluster": ((), "Missing argument 'CLUSTER'"),
}


async def test_a_mistake_is_told_with_the_way_out(story: Story) -> None:
    told = await asyncio.gather(*(story.terminal.run("migrate", *arguments) for arguments, _ in TROUBLE.values()))
    for finished, (name, (_, said)) in zip(told, TROUBLE.items(), strict=True):
        assert finished.code == 1, f"{name}: {finished.text}"
        assert said in finished.words, f"{name}: {finished.text}"


async def test_a_fleet_file_with_mistakes_is_told_with_all_of_them(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("name: UPPER\nsubscription: 5\n", encoding="utf-8")
    finished = await story.terminal.run("migrate", "veteran", "--cleanup", "--out", file)
    assert finished.code == 1
    assert f"{file}: it does not load" in finished.err
    assert "name" in finished.err


async def test_the_walk_that_a_person_may_try_leads_out_and_back(
    home: Path, prefect: PrefectApi, tmp_path: Path
) -> None:
    async with running_cloud(tmp_path / "simulator", cloud=CLOUD) as cloud:
        variables = Terminal(cloud, home).variables({})
        walk = await asyncio.create_subprocess_exec(
            ROOT / "deployments" / "migration" / "walk.sh",
            tmp_path / "veteran.yaml",
            env=variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await walk.communicate()
        assert walk.returncode == 0, out.decode()
        assert "Traceback" not in out.decode()
        assert cluster_of(cloud).get("azureidentities.aadpodidentity.k8s.io", "billing", "billing") is not None


async def test_a_cluster_without_pod_identity_is_told_so(home: Path, tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "simulator", cloud=CLOUD) as cloud:
        finished = await Terminal(cloud, home).run("migrate", "veteran", "--out", tmp_path / "fleet.yaml")
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("cluster veteran has no AAD Pod Identity")


async def test_a_cluster_whose_pod_identity_serves_nobody_has_nothing_to_do(home: Path, tmp_path: Path) -> None:
    async with veteran(tmp_path / "simulator", definitions=DEFINITIONS, objects=OBJECTS[:3]) as cloud:
        finished = await Terminal(cloud, home).run("migrate", "veteran", "--out", tmp_path / "fleet.yaml")
    assert finished.code == 0, finished.text
    assert "No workload of veteran uses AAD Pod Identity: nothing to move." in finished.out
