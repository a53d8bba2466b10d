"""Many workloads at the same time: what belongs to one never ends up at another, and Graph is asked in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from clients.errors import CloudError, Missing, Transient
from clients.session import Clients
from tests.benchmarks import fleets
from tests.conftest import Cloud, running_cloud

_APPLICATIONS = "https://graph.microsoft.com/v1.0/applications"


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Two clusters."""
    async with running_cloud(tmp_path / "simulator", cloud=fleets.cloud(2)) as cloud:
        yield cloud


def requests_to_graph(cloud: Cloud) -> list[str]:
    """The paths of what was asked of Graph."""
    return [entry.path for entry in cloud.journal.entries if entry.host == "graph.microsoft.com"]


def others(clients: Clients) -> list[Coroutine[Any, Any, object]]:
    """As many requests as go their own way; what comes after them shares a batch."""
    return [clients.graph.get("organization", "/applications?$top=1") for _ in range(4)]


async def test_workloads_that_are_set_up_at_the_same_time_end_as_wanted(platform: Cloud) -> None:
    fleet = fleets.fleet(12, clusters=2, vaults=3)
    await platform.apply_at_once(fleet)
    assert (await platform.plan(fleet)).is_empty


async def test_what_is_asked_at_the_same_time_shares_a_batch_and_each_hears_its_own_answer(platform: Cloud) -> None:
    names = [f"app-{number}" for number in range(44)]
    for name in names:
        await platform.by_hand("POST", _APPLICATIONS, {"displayName": name, "uniqueName": name})
    before = len(requests_to_graph(platform))
    async with platform.clients() as clients:
        paths = [f"/applications(uniqueName='{name}')" for name in names]
        answers = await asyncio.gather(*(clients.graph.get(path, path) for path in paths))
    assert [answer["displayName"] for answer in answers] == names
    assert requests_to_graph(platform)[before:].count("/v1.0/$batch") == 2  # beside four alone, twenty each


async def test_one_refusal_in_a_batch_is_about_its_own_object_and_leaves_the_others_alone(platform: Cloud) -> None:
    async with platform.clients() as clients:
        first = {"displayName": "first", "uniqueName": "first"}
        there = await clients.graph.create("application first", "/applications", first)
        outcomes = await asyncio.gather(
            *others(clients),
            clients.graph.get("alone", "/applications(uniqueName='first')"),
            clients.graph.get("nobody", "/applications(uniqueName='nobody')"),
            clients.graph.create("application first", "/applications", first),
            clients.graph.get("again", f"/applications/{there['id']}"),
            return_exceptions=True,
        )
    alone, nobody, twice, again = outcomes[-4:]
    assert isinstance(alone, dict)
    assert isinstance(again, dict)
    assert isinstance(nobody, Missing)
    assert isinstance(twice, CloudError)
    assert (nobody.resource, twice.resource) == ("nobody", "application first")
    assert not isinstance(twice, Transient | Missing)


async def test_whoever_gives_up_on_a_batch_leaves_the_others_their_answers(platform: Cloud) -> None:
    async with platform.clients() as clients:
        await clients.graph.create("application", "/applications", {"displayName": "a", "uniqueName": "a"})
        first = [asyncio.ensure_future(other) for other in others(clients)]
        asked = [asyncio.create_task(clients.graph.get("a", "/applications(uniqueName='a')")) for _ in range(4)]
        await asyncio.sleep(0)
        asked[1].cancel()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.gather(*first)
    assert [type(outcome) for outcome in outcomes] == [dict, asyncio.CancelledError, dict, dict]


async def test_a_batch_that_is_cut_off_is_a_passing_failure_of_each_in_it(platform: Cloud) -> None:
    async with platform.clients() as clients:
        await clients.graph.list("applications", "/applications")  # signed in
        platform.simulator.simulation.weather.change(resets=1.0)
        asked = (clients.graph.get(name, f"/applications(uniqueName='{name}')") for name in ("a", "b", "c"))
        outcomes = (await asyncio.gather(*others(clients), *asked, return_exceptions=True))[-3:]
        platform.simulator.simulation.weather.change(resets=0.0)
    assert [(type(outcome), getattr(outcome, "resource", "")) for outcome in outcomes] == [
        (Transient, "a"),
        (Transient, "b"),
        (Transient, "c"),
    ]
