"""What a fleet that needs nothing costs in requests: few, and hardly more the larger it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.plan import plan
from fleet.spec import Fleet, IdentityKind
from flows.observing import observe
from tests.benchmarks import fleets, ready_made
from tests.conftest import CANARY, running_cloud


async def requests_for(fleet: Fleet, directory: Path) -> tuple[int, int]:
    """Make the fleet, then plan twice; returns the requests of the first plan, which learns the way, and the second."""
    counts = []
    async with running_cloud(directory, cloud=fleets.cloud(len(fleet.clusters), ready=True)) as cloud:
        missing = await cloud.plan(fleet)
        assert not missing.holds
        await ready_made.make(cloud.simulator, fleet, missing.changes, CANARY)
        for _ in range(2):
            async with cloud.clients() as clients:
                assert plan(fleet, await observe(clients, fleet)).is_empty
                counts.append(clients.traffic.requests)
    return counts[0], counts[1]


@pytest.mark.timeout(120)
async def test_ten_clusters_fifty_vaults_and_a_thousand_workloads_take_at_most_a_hundred_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKLOAD_IDENTITY_HOME", str(tmp_path / "home"))
    _, known = await requests_for(fleets.fleet(1_000), tmp_path / "simulator")
    assert known <= 100


async def test_a_fleet_costs_at_most_one_request_more_for_fifteen_workloads_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKLOAD_IDENTITY_HOME", str(tmp_path / "home"))
    small = await requests_for(fleets.fleet(10, clusters=2, vaults=2), tmp_path / "small")
    large = await requests_for(fleets.fleet(100, clusters=2, vaults=2), tmp_path / "large")
    assert large[1] - small[1] <= 90 / 15


async def test_managed_identities_take_at_most_eleven_requests_for_ten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKLOAD_IDENTITY_HOME", str(tmp_path / "home"))
    kind = IdentityKind.MANAGED_IDENTITY
    small = await requests_for(fleets.fleet(10, clusters=2, vaults=2, kind=kind), tmp_path / "small")
    large = await requests_for(fleets.fleet(110, clusters=2, vaults=2, kind=kind), tmp_path / "large")
    assert large[1] - small[1] <= 1.1 * 100
