"""A cluster's signing keys are rotated: diagnose tells of the key of before, and of a token that it has signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.spec import Fleet
from simulator.kubernetes import signing
from tests.conftest import DEMO_FLEET, running_cloud
from tests.end_to_end.command import Finished, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

NO_SERVER = {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
ACCOUNT = ("sysadminas-demo", "sysadminas-demo-sa")


@dataclass(frozen=True)
class Story:
    """What was said before the rotation, after it, and when the key of before is published no longer."""

    old: str
    new: str
    before: Finished
    rotated: Finished
    over: Finished
    without_fleet: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(home: Path, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    directory = tmp_path_factory.mktemp("rotated")
    file = directory / "token"
    async with running_cloud(directory / "simulator") as cloud:
        await cloud.apply(fleet)
        (cluster,) = cloud.simulator.simulation.clusters.values()
        async with cloud.clients() as clients:
            clients.tenancy = (await cloud.observe(fleet)).tenancy
            kubernetes = await clients.cluster(fleet.clusters[0])
            file.write_text(await kubernetes.token(*ACCOUNT, "api://AzureADTokenExchange"), encoding="utf-8")
        terminal = Terminal(cloud, home)
        before = await terminal.run("diagnose", DEMO_FLEET, "--token", file, **NO_SERVER)
        (old,) = cluster.state.keys
        cluster.state.keys.insert(0, signing.new_key())
        rotated = await terminal.run("diagnose", DEMO_FLEET, "--token", file, **NO_SERVER)
        cluster.state.keys.remove(old)
        over = await terminal.run("diagnose", DEMO_FLEET, "--token", file, **NO_SERVER)
        alone = await terminal.run("diagnose", "--cluster", "sysadminas", "--token", file, **NO_SERVER)
        new = signing.key_id(cluster.state.keys[0])
        yield Story(signing.key_id(old), new, before, rotated, over, alone)


async def test_of_one_key_nothing_is_said(story: Story) -> None:
    assert story.before.code == 0, story.before.text
    assert "keys:" not in story.before.out


async def test_a_published_key_of_before_is_told_with_the_hour_until_which_it_works(story: Story) -> None:
    assert f"keys: 2 are published; tokens made now are signed by kid {story.new}" in story.rotated.words
    assert f"key {story.old} signs none: if it is the key of before, its tokens work until 20" in story.rotated.words


async def test_a_token_of_the_key_of_before_is_a_problem_with_its_hour(story: Story) -> None:
    assert story.rotated.code == 2
    said = f"token at hand: it is signed by kid {story.old}, the key of before, and tokens made now by kid {story.new}"
    assert said in story.rotated.words
    assert "it works until 20" in story.rotated.words
    assert story.rotated.out.endswith("1 chain, nothing wrong but the key of the token at hand\n")


async def test_a_token_of_a_key_that_is_published_no_longer_is_refused_and_said_so(story: Story) -> None:
    for finished in (story.over, story.without_fleet):
        assert finished.code == 2
        assert f"it is signed by kid {story.old}, which its issuer publishes no longer" in finished.words
