"""What stands around a run is out of order: it stops before it changes anything, and says what to put right."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import yaml

from fleet.spec import IdentityKind, VaultAuthorization
from simulator.clock import Clock
from tests.benchmarks import fleets
from tests.conftest import DEMO_FLEET, ROOT, running_cloud
from tests.end_to_end.command import PrefectApi, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]
SKEW = 300


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Terminal]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        yield Terminal(cloud, home)


async def test_where_results_cannot_be_kept_nothing_is_changed(
    terminal: Terminal, prefect: PrefectApi, tmp_path: Path
) -> None:
    """A run that cannot leave its card could not be told from a dead one."""
    nowhere = tmp_path / "file" / "results"
    nowhere.parent.write_text("no folder", encoding="utf-8")
    finished = await terminal.run("reconcile", DEMO_FLEET, PREFECT_RESULTS_LOCAL_STORAGE_PATH=str(nowhere))
    assert finished.code == 1
    assert f"results cannot be kept in {nowhere}: Not a directory. Make room or access there" in finished.words
    assert terminal.cloud.journal.writing() == []
    assert (await prefect.get(f"/flow_runs/{finished.run_id}"))["state"]["type"] == "FAILED"


async def test_a_server_whose_database_is_full_is_told_and_nothing_is_changed(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Its processes may write no byte more than its files have, as on a full disk."""
    alone = Terminal(terminal.cloud, tmp_path / "home")
    assert "Starting a Prefect server" in (await alone.run("verify", DEMO_FLEET)).err
    try:
        card = json.loads((alone.home / "prefect-server.json").read_text(encoding="utf-8"))
        server = psutil.Process(card["pid"])
        for process in (server, *server.children(recursive=True)):
            process.rlimit(psutil.RLIMIT_FSIZE, (1, 1))
        finished = await alone.run("reconcile", DEMO_FLEET)
    finally:
        assert (await alone.run("stop")).code == 0
    assert finished.code == 1
    assert f"the Prefect server {card['url']} can keep nothing of this run (HTTP 5" in finished.err
    assert "most likely its database is full, locked or read-only" in finished.err
    assert len(finished.err.splitlines()) == 1
    assert terminal.cloud.journal.writing() == []


async def test_a_fleet_of_any_size_is_taken(terminal: Terminal, tmp_path: Path) -> None:
    """It is a parameter of the run, and Prefect's usual limit for those is half a MiB."""
    large = fleets.document(4000, 1, 1, IdentityKind.APPLICATION, VaultAuthorization.RBAC)
    file = tmp_path / "large.yaml"
    file.write_text(yaml.safe_dump(large), encoding="utf-8")
    finished = await terminal.run("verify", file)
    assert finished.code == 1
    assert "not tried team-03999/app on cluster-0: cluster cluster-0 has no OIDC issuer yet" in finished.words


async def test_a_server_that_takes_no_such_fleet_is_told_with_the_way_out(terminal: Terminal, tmp_path: Path) -> None:
    alone = Terminal(terminal.cloud, tmp_path / "home")
    try:
        finished = await alone.run("reconcile", DEMO_FLEET, PREFECT_SERVER_API_MAX_PARAMETER_SIZE="1000")
    finally:
        assert (await alone.run("stop")).code == 0
    assert finished.code == 1
    assert "takes no fleet of this size: Flow run parameters must be less than 1,000 bytes" in finished.words
    assert "Start it with PREFECT_SERVER_API_MAX_PARAMETER_SIZE=0, or run the deployment" in finished.words
    assert terminal.cloud.journal.writing() == []


async def test_without_a_work_pool_nothing_is_deployed(terminal: Terminal, prefect: PrefectApi) -> None:
    """In Prefect's own words. ``make operate`` makes the pools first."""
    deploying = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"),
        cwd=ROOT,
        env=terminal.variables({"PREFECT_API_URL": prefect.url, "WORKLOAD_IDENTITY_ROOT": str(ROOT)}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await deploying.communicate()
    assert deploying.returncode == 1
    assert "references work pool 'workload-identity' which does not exist" in " ".join(out.decode().split())
    assert await prefect.filtered("/deployments/filter") == []


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_five_minutes_between_this_machine_and_azure_do_no_harm(
    home: Path, prefect: PrefectApi, tmp_path: Path, ahead: int
) -> None:
    clock = Clock(start=datetime.now(UTC) + timedelta(seconds=ahead))
    async with running_cloud(tmp_path / "simulator", clock=clock) as cloud:
        own = {"PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(tmp_path / "results")}
        terminal = Terminal(cloud, home, own)
        for command in ("reconcile", "verify"):
            finished = await terminal.run(command, DEMO_FLEET)
            assert finished.code == 0, finished.text
        again = await terminal.run("reconcile", DEMO_FLEET)
        assert "Nothing to change. proven" in again.words


@pytest.mark.parametrize("ahead", [SKEW, -SKEW])
async def test_five_minutes_between_a_cluster_and_entra_are_borne(
    home: Path, prefect: PrefectApi, tmp_path: Path, ahead: int
) -> None:
    """With more than that Entra refuses: ``clock-ahead`` among the faults that diagnose names."""
    async with running_cloud(tmp_path / "simulator") as cloud:
        terminal = Terminal(cloud, home, {"PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(tmp_path / "results")})
        assert (await terminal.run("reconcile", DEMO_FLEET)).code == 0
        (cluster,) = cloud.simulator.simulation.clusters.values()
        cluster.state.clock_ahead = ahead
        finished = await terminal.run("verify", DEMO_FLEET, "--fresh")
        assert finished.code == 0, finished.text
        assert "3 of 3 token exchanges" in finished.words
