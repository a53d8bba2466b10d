"""Many workloads at the same time: what belongs to one never ends up at another."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import fleets
from tests.conftest import running_cloud


async def test_workloads_that_are_set_up_at_the_same_time_end_as_wanted(tmp_path: Path) -> None:
    fleet = fleets.fleet(12, clusters=2, vaults=3)
    async with running_cloud(tmp_path / "simulator", cloud=fleets.cloud(2)) as cloud:
        await cloud.apply_at_once(fleet)
        assert (await cloud.plan(fleet)).is_empty


async def test_clients_of_graph_do_not_share_the_key_that_they_ask_by(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "simulator", cloud=fleets.cloud(1)) as cloud, cloud.clients() as clients:
        for name in ("first", "second"):
            body = {"displayName": name, "uniqueName": name}
            await cloud.by_hand("POST", "https://graph.microsoft.com/v1.0/applications", body)
        builders = {name: clients.graph.applications_with_unique_name(name) for name in ("first", "second")}
        found = {name: await builder.get() for name, builder in builders.items()}
    assert {name: application.display_name for name, application in found.items() if application} == {
        "first": "first",
        "second": "second",
    }
