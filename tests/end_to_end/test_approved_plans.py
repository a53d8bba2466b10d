"""A plan is written down, approved, and just that is applied, or nothing where the world moved meanwhile."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.files import load
from tests.conftest import CANARY, DEMO_FLEET, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

ACCOUNT = "service-account:sysadminas/sysadminas-demo/sysadminas-demo-sa"


@dataclass(frozen=True)
class Approvals:
    """A cloud that drifted, a plan of it, that plan applied, and again where nothing of it is left to do."""

    terminal: Terminal
    file: Path
    planned: Finished
    applied: Finished
    left: Finished
    nothing: Finished
    refused: Finished
    written_by_refused: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def approvals(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Approvals]:
    directory = tmp_path_factory.mktemp("approvals")
    file, empty = directory / "plan.json", directory / "empty.json"
    async with running_cloud(directory / "simulator") as cloud:
        terminal = Terminal(cloud, home)
        await cloud.apply(load(DEMO_FLEET.read_text(encoding="utf-8")))
        cluster = next(iter(cloud.simulator.simulation.clusters.values()))
        account = f"https://{cluster.state.fqdn}/api/v1/namespaces/sysadminas-demo/serviceaccounts/sysadminas-demo-sa"
        await cloud.by_hand("DELETE", account)
        planned = await terminal.run("plan", DEMO_FLEET, "--out", file)
        applied = await terminal.run("reconcile", "--plan", file, "--no-verify")
        left = await terminal.run("plan", DEMO_FLEET, "--out", empty, "--json")
        before = len(cloud.journal.writing())
        nothing = await terminal.run("reconcile", "--plan", empty)
        refused = await terminal.run("reconcile", "--plan", file)
        proving = [entry for entry in cloud.journal.writing()[before:] if entry.method != "POST"]
        yield Approvals(terminal, file, planned, applied, left, nothing, refused, len(proving))


async def test_a_plan_is_written_down_for_its_owner_and_says_how_it_is_applied(approvals: Approvals) -> None:
    assert approvals.planned.code == 2
    assert approvals.planned.err == f"To apply just this: workload-identity reconcile --plan {approvals.file}\n"
    assert approvals.planned.out.endswith("\n1 to create\n")
    assert stat.S_IMODE(approvals.file.stat().st_mode) == 0o600
    assert CANARY not in approvals.file.read_text(encoding="utf-8")


async def test_the_plan_is_applied(approvals: Approvals, prefect: PrefectApi) -> None:
    assert approvals.applied.code == 0
    assert "Applied 1 of 1 changes" in approvals.applied.out
    assert approvals.left.code == 0
    run = await prefect.get(f"/flow_runs/{approvals.applied.run_id}")
    assert run["name"] == f"reconcile {approvals.file}"
    assert run["parameters"]["plan_file"] == str(approvals.file)
    assert run["parameters"]["fleet"] is None


async def test_a_plan_of_nothing_applies_nothing_and_proves(approvals: Approvals) -> None:
    assert approvals.nothing.code == 0
    assert "Nothing to change." in approvals.nothing.out
    assert "proven read" in approvals.nothing.out


async def test_where_the_world_has_moved_nothing_is_written_and_each_object_is_named(approvals: Approvals) -> None:
    refused = approvals.refused
    assert refused.code == 1
    assert refused.out == ""
    lines = refused.err.splitlines()
    assert lines[0] == "The world has moved since this plan of sysadminas-demo was made, so nothing was changed:"
    assert f"  {ACCOUNT}: to create then, nothing to do now" in lines
    assert "Plan again, and look at what is new." in lines
    assert approvals.written_by_refused == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reconcile",), "reconcile takes either FLEET or --plan FILE"),
        (("reconcile", DEMO_FLEET, "--plan", "plan.json"), "reconcile takes either FLEET or --plan FILE"),
        (("reconcile", "--plan", DEMO_FLEET), "fleet.yaml: this is no plan file, for it is not JSON (line 1)"),
        (("plan", DEMO_FLEET, "--out", DEMO_FLEET), "fleet.yaml: this is FLEET itself; give --out another name"),
        (("reconcile", "--plan", "plan.json", "--adopt"), "--adopt is for planning, and this is planned"),
        (
            ("plan", DEMO_FLEET, "--out", "/nowhere/plan.json"),
            "/nowhere/plan.json: the plan cannot be written: No such",
        ),
    ],
    ids=["neither", "both", "no plan file", "over the fleet", "too late", "nowhere"],
)
async def test_what_cannot_be_meant_is_said(approvals: Approvals, arguments: tuple[str | Path, ...], said: str) -> None:
    finished = await approvals.terminal.run(*arguments)
    assert finished.code == 1
    assert said in finished.err
