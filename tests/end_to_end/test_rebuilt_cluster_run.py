"""A cluster is rebuilt and the fleet is smaller: what replaces comes first, is proven, and then the rest goes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from fleet.files import load
from simulator.breakage import break_
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

ACCOUNT = "sysadminas-demo/sysadminas-demo-sa"
IDENTITY = "sysadminas-aad-workload-identity-demo-app"
TRUST = f"federated-credential:{IDENTITY}/sysadminas/{ACCOUNT}"


@dataclass(frozen=True)
class Story:
    """Plans and runs after the rebuild, and how many credentials the application has after each."""

    planned: Finished
    unproven: Finished
    held_by_unproven: int
    pruning: Finished
    proven: Finished
    held_by_proven: int
    applications: set[str]
    left: Finished
    too_late: Finished


def with_an_idle_identity() -> str:
    """The demo's fleet before it became smaller."""
    described = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    described["identities"].append({"name": "idle"})
    text: str = yaml.safe_dump(described)
    return text


def applications(cloud: Cloud) -> dict[str, int]:
    """How many federated credentials each application has that is not deleted."""
    there = cloud.simulator.simulation.azure.applications.values()
    return {one.body["displayName"]: len(one.federated) for one in there if one.deleted_at is None}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    directory = tmp_path_factory.mktemp("rebuilt")
    file = directory / "plan.json"
    async with running_cloud(directory / "simulator") as cloud:
        await cloud.apply(load(with_an_idle_identity()))
        terminal = Terminal(cloud, home)
        simulation = cloud.simulator.simulation
        await break_(simulation, "cluster-rebuilt", "")
        (vault,) = simulation.azure.vaults.values()
        planned = await terminal.run("plan", DEMO_FLEET)
        await break_(simulation, "vault-firewall", "")
        unproven = await terminal.run("reconcile", DEMO_FLEET)
        held_by_unproven = applications(cloud)[IDENTITY]
        del vault.body["properties"]["networkAcls"]
        pruning = await terminal.run("plan", DEMO_FLEET, "--prune", "--out", file)
        proven = await terminal.run("reconcile", "--plan", file)
        after = applications(cloud)
        left = await terminal.run("plan", DEMO_FLEET, "--prune", "--json")
        too_late = await terminal.run("reconcile", "--plan", file, "--prune")
        yield Story(planned, unproven, held_by_unproven, pruning, proven, after[IDENTITY], set(after), left, too_late)


async def test_the_plan_says_what_comes_first_and_what_goes_when(story: Story) -> None:
    assert story.planned.code == 2
    assert f"+ federate {ACCOUNT} on sysadminas" in story.planned.out
    assert "− remove federated-credential sysadminas-sysadminas-demo-sysadminas-demo-sa-" in story.planned.out
    assert "is replaced, after the new one is proven" in story.planned.out
    assert story.planned.out.index("+ federate") < story.planned.out.index("− remove federated-credential")


async def test_what_nobody_asked_to_prune_is_a_finding(story: Story) -> None:
    assert "1 security finding beside this:" in story.planned.out
    assert "! application idle is ours, and the fleet names no such identity." in story.planned.out
    assert "--prune takes it away." in story.planned.out


async def test_where_the_proof_fails_the_old_credential_stays_and_the_run_says_so(story: Story) -> None:
    assert story.unproven.code == 1
    assert story.held_by_unproven == 2
    assert "ForbiddenByFirewall" in story.unproven.words
    assert f": stays until the chain of {TRUST} is proven" in story.unproven.words
    assert "1 kept for now" in story.unproven.words


async def test_the_next_run_takes_it_up_and_prunes_what_was_approved(story: Story) -> None:
    assert story.pruning.code == 2
    assert "− remove application idle" in story.pruning.out
    assert story.proven.code == 0, story.proven.text
    assert "proven read sysadminas-demo-kv-secret" in story.proven.out
    assert story.held_by_proven == 1
    assert "idle" not in story.applications


async def test_then_there_is_nothing_left_over(story: Story) -> None:
    assert story.left.code == 0
    left = json.loads(story.left.out)
    assert (left["changes"], left["findings"]) == ([], [])


async def test_to_prune_is_decided_where_it_is_planned(story: Story) -> None:
    assert story.too_late.code == 1
    assert "--prune is for planning, and this is planned: make the plan with plan --prune --out" in story.too_late.err
