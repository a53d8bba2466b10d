"""A large plan is carried out in slices, each a run of its own, and comes to the same as in one run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from desk import Desk, operated

from fleet.spec import IdentityKind, VaultAuthorization
from tests.benchmarks import fleets
from tests.conftest import running_cloud
from tests.end_to_end.command import Terminal, eventually

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="module")]
RECONCILE, SHARD = "reconcile/on-demand", "reconcile-shard"
WORKLOADS = 8


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """``make operate`` before a cloud of two clusters in which nothing of ours is yet."""
    beginning, home = fleets.cloud(2), tmp_path_factory.mktemp("home")
    async with running_cloud(home / "cloud", cloud=beginning) as cloud, operated(Terminal(cloud, home)) as desk:
        yield desk


async def begun(desk: Desk, workloads: int) -> str:
    """The id of a run on a fleet of so many workloads, in slices of at most 15 changes."""
    path: Path = desk.terminal.home / f"fleet-{workloads}.yaml"
    content = fleets.document(workloads, 2, 2, IdentityKind.APPLICATION, VaultAuthorization.ACCESS_POLICY)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return await desk.begun(RECONCILE, fleet_file=str(path), approve=False, shard_size=15)


async def slices_of(desk: Desk, run: str) -> list[dict[str, Any]]:
    flows = {"name": {"any_": [SHARD]}}
    return await desk.api.filtered("/flow_runs/filter", flows=flows, flow_runs={"parent_flow_run_id": {"any_": [run]}})


async def artifact(desk: Desk, run: str, kind: str) -> list[dict[str, Any]]:
    """The rows of a table that a run has left."""
    (found,) = [one for one in await desk.api.artifacts(run) if one["key"] == f"{kind}-large"]
    rows: list[dict[str, Any]] = json.loads(found["data"])
    return rows


async def test_all_of_it_is_applied_and_proven(desk: Desk) -> None:
    run = await begun(desk, WORKLOADS)
    state = await desk.ended(run)
    assert state["type"] == "COMPLETED", state
    planned = len({row["change"] for row in await artifact(desk, run, "plan")})
    assert state["message"].startswith(f"{planned} of {planned} changes applied, {WORKLOADS} of {WORKLOADS} chains")
    slices = await slices_of(desk, run)
    assert len(slices) >= 4
    assert {one["state"]["type"] for one in slices} == {"COMPLETED"}
    proofs, health = await artifact(desk, run, "verification"), await artifact(desk, run, "health")
    assert [row["holds"] for row in proofs] == ["yes"] * WORKLOADS
    assert [row["proof"] for row in health] == ["proven"] * WORKLOADS
    assert {link for row in health for link in row.values()} >= {"made"}


async def test_the_next_run_finds_nothing_to_do_and_trusts_its_proofs(desk: Desk) -> None:
    before = len(desk.cloud.journal.writing())
    run = await begun(desk, WORKLOADS)
    state = await desk.ended(run)
    assert (state["type"], state["name"]) == ("COMPLETED", "Unchanged"), state
    assert await slices_of(desk, run) == []
    assert all(row["at"].endswith("by an earlier run") for row in await artifact(desk, run, "verification"))
    assert len(desk.cloud.journal.writing()) == before


async def test_what_fails_in_one_slice_is_told_and_the_others_finish(desk: Desk) -> None:
    clusters = desk.cloud.simulator.simulation.clusters.values()
    (closed,) = [cluster.state for cluster in clusters if cluster.state.name == "cluster-1"]
    run = await begun(desk, 2 * WORKLOADS)

    async def handed_out() -> bool | None:
        return True if await slices_of(desk, run) else None

    await eventually(handed_out, "the first slice", seconds=60)
    admins, closed.admins = closed.admins, []
    state = await desk.ended(run)
    closed.admins = admins
    assert state["type"] == "FAILED"
    health = await artifact(desk, run, "health")
    well = [row["workload"] for row in health if row["proof"] == "proven"]
    assert {row["cluster"] for row in health if row["proof"] != "proven"} == {"cluster-1"}
    assert len(well) == WORKLOADS // 2 * 3
    failed = [row for row in health if "failed" in row.values()]
    assert len(failed) == WORKLOADS // 2
    assert {one["state"]["type"] for one in await slices_of(desk, run)} == {"COMPLETED", "FAILED"}


async def test_the_next_run_does_what_is_left(desk: Desk) -> None:
    state = await desk.ended(await begun(desk, 2 * WORKLOADS))
    assert state["type"] == "COMPLETED", state
    assert f"{2 * WORKLOADS} of {2 * WORKLOADS} chains proven" in state["message"]
