"""A thousand workloads on many machines: whatever dies meanwhile, each is set up once, and proven."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import yaml
from conftest import CLUSTERS
from plant import COORDINATORS, SHARD_MACHINES, SHARDS, Plant
from processes import kill

from fleet.spec import IdentityKind, VaultAuthorization
from tests.benchmarks import fleets
from tests.end_to_end.command import eventually
from tests.end_to_end.created import KINDS, created
from tests.end_to_end.person import ENDED

pytestmark = [pytest.mark.many_machines, pytest.mark.timeout(900)]
WORKLOADS = int(os.environ.get("MANY_WORKLOADS", "1000"))
EACH = 6
"""Changes of a workload: application, service principal, federated credential, role, namespace, ServiceAccount."""
RECONCILE, SCHEDULED = "reconcile/on-demand", "reconcile/every-15-minutes"


async def begun(plant: Plant) -> str:
    """The id of a run, with all machines on."""
    plant.start("coordinator", COORDINATORS)
    for machine in SHARD_MACHINES:
        plant.start(machine, SHARDS)
    return await begun_on(plant)


async def begun_on(plant: Plant, deployment: str = RECONCILE) -> str:
    """The id of a run, in a slice for each cluster, on machines that are on."""
    path = plant.folder / "fleet.yaml"
    content = fleets.document(WORKLOADS, CLUSTERS, 50, IdentityKind.APPLICATION, VaultAuthorization.RBAC)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    size = EACH * -(-WORKLOADS // CLUSTERS)
    return await plant.begun(deployment, fleet_file=str(path), when_busy="wait", shard_size=size, approve=False)


async def half_way(plant: Plant, run: str) -> str:
    """The id of a slice's run that has been at work for a while."""

    async def look() -> str | None:
        state = (await plant.api.get(f"/flow_runs/{run}"))["state"]
        assert state["type"] in ("SCHEDULED", "PENDING", "RUNNING"), state
        beats = [path for path in (plant.folder / "results").glob("beat-*") if '"count":2' in path.read_text()]
        return yaml.safe_load(beats[0].read_text())["run"] if beats else None

    return await eventually(look, "a slice that is half done", seconds=200)


def machine_of(plant: Plant, slice_: str) -> str:
    """The machine that carries out a slice's run."""
    return next(name for name, worker in plant.machines.items() if slice_ in set(_runs_of(worker.pid)))


def _runs_of(pid: int) -> Iterator[str]:
    for child in psutil.Process(pid).children(recursive=True):
        yield child.environ().get("PREFECT__FLOW_RUN_ID", "")


async def all_is_well(plant: Plant, run: str) -> dict[str, Any]:
    """How the run ended, after a look at what it left."""
    state = await plant.ended(run)
    assert state["type"] == "COMPLETED", state
    assert f"{WORKLOADS} of {WORKLOADS} chains proven" in state["message"], state
    proofs = await plant.table(run, "verification-large")
    assert [row["holds"] for row in proofs] == ["yes"] * WORKLOADS
    return state


def nothing_twice(plant: Plant) -> None:
    """Whoever came later found what was done, and did not do it again."""
    kinds, repeated = created(plant.cloud.directory / "requests.jsonl")
    assert repeated == {}
    assert kinds == dict.fromkeys(KINDS, WORKLOADS)


async def test_the_slice_of_a_dead_machine_is_carried_out_by_another(plant: Plant) -> None:
    began = time.monotonic()
    run = await begun(plant)
    slice_ = await half_way(plant, run)
    kill(plant.machines[machine_of(plant, slice_)])
    state = await all_is_well(plant, run)
    print(f"{WORKLOADS} workloads, a machine killed: {time.monotonic() - began:.0f} s; {state['message']}")
    slices = {one["id"]: one for one in await plant.slices_of(run)}
    dead = slices.pop(slice_)
    assert dead["state"]["type"] == "CRASHED"
    assert "silent" in dead["state"]["message"]
    assert {one["state"]["type"] for one in slices.values()} == {"COMPLETED"}
    assert dead["parameters"]["shard"] in [one["parameters"]["shard"] for one in slices.values()]
    assert len(slices) == CLUSTERS
    nothing_twice(plant)


async def test_a_server_that_is_killed_and_comes_back_ends_no_run(plant: Plant) -> None:
    began = time.monotonic()
    run = await begun(plant)
    await half_way(plant, run)
    plant.server.kill()
    plant.server.start()
    state = await all_is_well(plant, run)
    print(f"{WORKLOADS} workloads, the server killed: {time.monotonic() - began:.0f} s; {state['message']}")
    slices = await plant.slices_of(run)
    completed = {one["parameters"]["shard"] for one in slices if one["state"]["type"] == "COMPLETED"}
    assert completed == {one["parameters"]["shard"] for one in slices}  # one that was just being started began anew
    nothing_twice(plant)


async def test_who_cancels_the_run_cancels_its_slices(plant: Plant) -> None:
    run = await begun(plant)
    await half_way(plant, run)
    await plant.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert (await plant.ended(run))["type"] == "CANCELLED"

    async def all_over() -> bool | None:
        slices = await plant.slices_of(run)
        return all(one["state"]["type"] in ENDED for one in slices) or None

    await eventually(all_over, "the end of all slices", seconds=120)
    assert "CANCELLED" in {one["state"]["type"] for one in await plant.slices_of(run)}


async def test_a_run_whose_machine_is_gone_is_called_crashed(plant: Plant) -> None:
    await plant.automate("dead-runs", within=90)
    run = await begun(plant)

    async def beats() -> bool | None:
        of_it = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}, "limit": 50}
        events = (await plant.post("/events/filter", of_it)).json()["events"]
        return any(run in event["resource"]["prefect.resource.id"] for event in events) or None

    await eventually(beats, "a heartbeat", seconds=60)
    kill(plant.machines["coordinator"])
    state = await plant.ended(run)
    assert state["type"] == "CRASHED"
    assert "Its machine has not been heard of" in state["message"]


async def test_who_comes_after_a_dead_coordinator_does_what_is_left(plant: Plant) -> None:
    first = await begun(plant)
    await half_way(plant, first)
    kill(plant.machines["coordinator"])
    plant.start("another-coordinator", COORDINATORS)
    second = await begun_on(plant, SCHEDULED)
    await all_is_well(plant, second)
    nothing_twice(plant)
