"""The same with Prefect: the command line's reconcile, killed -9 between a request and its answer, and run again.

``make test`` kills it once, ``make crash`` at the other boundaries too.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from simulator.journal import Entry
from tests.conftest import DEMO_FLEET, running_cloud
from tests.end_to_end.command import TOKEN, PrefectApi, Terminal, files_below
from tests.end_to_end.crash.world import Undisturbed, World

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

STEPS = 14
HELMS, NOTHING = "azure-wi-webhook|azure-workload-identity-system", "(?!)"
REFRESH = "providers/Microsoft.ContainerService/register$"
"""Before a cluster is updated with a feature that an earlier run registered, the provider is registered anew."""
KILL_SECONDS = 60.0
"""How long a run may take to come to the request at which it is killed."""


@pytest.mark.parametrize(
    ("method", "path", "finished", "interrupted"),
    [
        pytest.param("PATCH", "/clusterroles/azure-wi-webhook-manager-role", 2, HELMS, id="helm is at work"),
        pytest.param(
            "POST", "/v1.0/servicePrincipals", 1, REFRESH, id="the principal is added", marks=pytest.mark.crash
        ),
        pytest.param(
            "PATCH", "/deployments/azure-wi-demo", 13, NOTHING, id="the workload is deployed", marks=pytest.mark.crash
        ),
    ],
)
async def test_a_run_killed_when_is_finished_by_the_next_which_repeats_no_finished_step(
    method: str,
    path: str,
    finished: int,
    interrupted: str,
    undisturbed: Undisturbed,
    home: Path,
    prefect: PrefectApi,
    tmp_path: Path,
) -> None:
    """``finished`` steps at least are done when the kill falls; only what is ``interrupted`` may be written again."""
    async with running_cloud(tmp_path / "simulator") as cloud:
        (tmp_path / "tmp").mkdir()
        own = {"PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(tmp_path / "results"), "TMPDIR": str(tmp_path / "tmp")}
        terminal = Terminal(cloud, home, own)
        world = World(cloud.simulator)
        await _reconcile_killed_at(terminal, method, path)
        kept = len(_results(tmp_path))
        assert kept >= finished
        assert not any(TOKEN.search(content) for content in files_below(tmp_path / "tmp").values())

        killed = await _at_work(prefect)
        second = await terminal.run("reconcile", DEMO_FLEET, "--json")
        assert second.code == 0, second.text
        summary: dict[str, Any] = json.loads(second.out)
        assert len(summary["plan"]["changes"]) <= STEPS - finished
        assert summary["failures"] == {}
        assert [proof["holds"] for proof in summary["proofs"]] == [True]
        assert len(_results(tmp_path)) >= kept + len(summary["plan"]["changes"])

        repeated = world.written() - undisturbed.written
        assert [target for target in repeated if not re.search(interrupted, target[1])] == []
        assert await world.settle(undisturbed.state) == []
        assert (await terminal.run("plan", DEMO_FLEET)).code == 0

        state = (await prefect.get(f"/flow_runs/{killed}"))["state"]
        assert state["type"] == "CRASHED", "nobody else tells Prefect that a run of the command line was killed"


@pytest.mark.crash
async def test_a_proof_that_was_cut_off_while_it_was_written_is_none(
    home: Path, prefect: PrefectApi, tmp_path: Path
) -> None:
    async with running_cloud(tmp_path / "simulator") as cloud:
        terminal = Terminal(cloud, home, {"PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(tmp_path / "results")})
        assert (await terminal.run("reconcile", DEMO_FLEET)).code == 0
        proof = tmp_path / "results" / "proofs-sysadminas-demo.json"
        whole = proof.read_bytes()
        proof.write_bytes(b"")
        before = len(cloud.journal.entries)
        assert (await terminal.run("reconcile", DEMO_FLEET)).code == 0
        asked = [entry.path for entry in cloud.journal.entries[before:]]
        assert any(path.endswith("/serviceaccounts/sysadminas-demo-sa/token") for path in asked)
        assert len(proof.read_bytes()) == len(whole)


async def _at_work(prefect: PrefectApi) -> str:
    """The id of the only run that Prefect takes for running."""
    (run,) = await prefect.filtered("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING"]}}})
    return str(run["id"])


def _results(directory: Path) -> list[Any]:
    """What Prefect has kept of the runs' results, as JSON. A file that was being written may be cut off."""
    found = []
    for content in files_below(directory / "results").values():
        with suppress(json.JSONDecodeError):
            found.append(json.loads(content))
    return found


async def _reconcile_killed_at(terminal: Terminal, method: str, path: str) -> None:
    process = await terminal.start("reconcile", DEMO_FLEET)

    async def cut(request: Entry) -> None:
        if request.method == method and request.path.endswith(path) and process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    terminal.cloud.simulator.simulation.after_request = cut
    try:
        async with asyncio.timeout(KILL_SECONDS):
            await process.communicate()
    finally:
        terminal.cloud.simulator.simulation.after_request = None
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, f"no request {method} {path} came"
