"""Pods of before, at a terminal: told by plan, planned and restarted with --heal, proven, and then nothing is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.spec import Fleet
from simulator.breakage import break_
from tests.conftest import DEMO_FLEET, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal
from tests.integration.chain.test_healing import RESTART, running

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Story:
    """What was printed, in this order."""

    told: Finished
    asked: Finished
    healed: Finished
    by_file: Finished
    again: Finished
    too_late: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(home: Path, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    directory = tmp_path_factory.mktemp("healing")
    file = directory / "plan.json"
    async with running_cloud(directory / "simulator") as cloud:
        await cloud.apply(fleet)
        await running(cloud)
        terminal, simulation = Terminal(cloud, home), cloud.simulator.simulation
        await break_(simulation, "pods-older-than-annotation", "")
        told = await terminal.run("plan", DEMO_FLEET)
        asked = await terminal.run("plan", DEMO_FLEET, "--heal")
        healed = await terminal.run("reconcile", DEMO_FLEET, "--heal")
        await break_(simulation, "pods-older-than-webhook", "")
        await terminal.run("plan", DEMO_FLEET, "--heal", "--out", file)
        by_file = await terminal.run("reconcile", "--plan", file)
        again = await terminal.run("plan", DEMO_FLEET, "--heal")
        too_late = await terminal.run("reconcile", "--plan", file, "--heal")
        yield Story(told, asked, healed, by_file, again, too_late)


async def test_plan_tells_and_does_not_restart_by_itself(story: Story) -> None:
    assert story.told.code == 0
    assert "1 of 1 running pods of Deployment sysadminas-demo/azure-wi-demo on sysadminas" in story.told.words
    assert "--heal restarts their owner" in story.told.words


async def test_with_heal_the_plan_shows_the_restart_field_by_field(story: Story) -> None:
    assert story.asked.code == 2
    assert f"~ {RESTART}" in story.asked.out
    assert "1 of 1 as before → as a new pod" in story.asked.words


async def test_reconcile_restarts_and_proves_and_prefect_shows_it_as_a_task_run_of_that_name(
    story: Story, prefect: PrefectApi
) -> None:
    assert story.healed.code == 0, story.healed.text
    assert await prefect.task_run(story.healed.run_id, RESTART)
    assert "proven read sysadminas-demo-kv-secret" in story.healed.words


async def test_a_plan_file_heals_as_it_was_asked_for_and_then_nothing_is_left(story: Story) -> None:
    assert story.by_file.code == 0, story.by_file.text
    assert RESTART in story.by_file.text
    assert story.again.code == 0


async def test_to_heal_is_decided_where_it_is_planned(story: Story) -> None:
    assert story.too_late.code == 1
    assert "--heal is for planning, and this is planned: make the plan with plan --heal --out" in story.too_late.err
