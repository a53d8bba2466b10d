"""What a person is told when it cannot work: what is wrong, where, and the way out. And Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from simulator.weather import NORMAL
from tests.conftest import DEMO_FLEET, Cloud, running_cloud
from tests.end_to_end.command import Finished, PrefectApi, Terminal, eventually

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

NOWHERE = "99999999-9999-4999-8999-999999999999"
SIGN_IN: dict[str, tuple[Mapping[str, str | None], tuple[str, ...]]] = {
    "wrong client secret": (
        {"AZURE_CLIENT_SECRET": "wrong"},
        (
            "the operator's sign-in: AADSTS7000215",
            "Check the client secret (AZURE_CLIENT_SECRET): its value, not its id",
        ),
    ),
    "unknown client": (
        {"AZURE_CLIENT_ID": NOWHERE},
        ("the operator's sign-in: AADSTS700016", NOWHERE, "Check the client id (AZURE_CLIENT_ID)"),
    ),
    "unknown tenant": (
        {"AZURE_TENANT_ID": NOWHERE},
        ("the operator's sign-in: AADSTS90002", NOWHERE, "Check the tenant id (AZURE_TENANT_ID)"),
    ),
    "nothing set": (
        dict.fromkeys(("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")),
        ("the operator's sign-in: no credential of the operator works", "or sign in with az login"),
    ),
    "set, but empty": (
        {"AZURE_CLIENT_ID": ""},
        ("the operator's sign-in: a variable of the environment cannot be right: client_id", "AZURE_CLIENT_ID"),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(home: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        yield Terminal(cloud, home)


async def test_whoever_cannot_sign_in_is_told_why(terminal: Terminal) -> None:
    finished = await asyncio.gather(
        *(terminal.run("plan", DEMO_FLEET, **environment) for environment, _ in SIGN_IN.values())
    )
    for outcome, (name, (_, words)) in zip(finished, SIGN_IN.items(), strict=True):
        assert outcome.code == 1, name
        assert outcome.out == "", name
        for said in words:
            assert said in outcome.err, f"{name}: {outcome.err}"
        assert len(outcome.err.splitlines()) == 1, f"{name}: {outcome.err}"
    asked = {entry.host for entry in terminal.cloud.journal.entries}
    assert asked <= {"login.microsoftonline.com", "169.254.169.254"}, "nothing but where a token may come from"
    # This machine is no Azure host: there is no managed identity behind the address that the SDK tries.
    assert {one.partition("/")[0] for one in terminal.cloud.unheard_of()} == {"GET 169.254.169.254"}


async def test_an_unknown_subscription_is_told_with_those_that_are_seen(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(DEMO_FLEET.read_text(encoding="utf-8").replace("Visual Studio Premium with MSDN", "Somebody's"))
    finished = await terminal.run("plan", file)
    assert finished.code == 1
    assert "subscription Somebody's: the operator" in finished.err
    assert "it sees: Visual Studio Premium with MSDN (22222222-2222-4222-8222-222222222222)" in finished.err
    assert "Correct subscription in the fleet file" in finished.err


async def test_a_flow_that_cannot_sign_in_says_the_same_and_fails_its_run(
    terminal: Terminal, prefect: PrefectApi
) -> None:
    finished = await terminal.run("reconcile", DEMO_FLEET, AZURE_CLIENT_SECRET="wrong")
    assert finished.code == 1
    assert "the operator's sign-in: AADSTS7000215" in finished.err
    assert (await prefect.get(f"/flow_runs/{finished.run_id}"))["state"]["type"] == "FAILED"


async def test_a_prefect_server_that_does_not_answer_is_told(terminal: Terminal) -> None:
    address = "http://127.0.0.1:9/api"
    finished = await terminal.run("reconcile", DEMO_FLEET, PREFECT_API_URL=address)
    assert finished.code == 1
    told = f"PREFECT_API_URL is {address}, and nothing answers there: start that server, or unset it\n"
    assert finished.err == told


@dataclass(frozen=True)
class Interruption:
    """A reconcile that was interrupted in its middle, and the one after it."""

    cloud: Cloud
    first: Finished
    done: int
    second: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def interruption(
    home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Interruption]:
    """The cluster's update takes long enough for Ctrl-C to come in the middle of it."""
    async with running_cloud(tmp_path_factory.mktemp("simulator"), dials=NORMAL, speed=20) as cloud:
        terminal = Terminal(cloud, home)
        process = await terminal.start("reconcile", DEMO_FLEET)

        async def updating() -> bool | None:
            writing = [entry for entry in cloud.journal.writing() if "/managedClusters/" in entry.path]
            return any(entry.method == "PUT" for entry in writing) or None

        await eventually(updating, "the update of the cluster", seconds=60)
        os.killpg(process.pid, signal.SIGINT)
        first = await terminal.ended(process)
        second = await terminal.run("reconcile", DEMO_FLEET)
        yield Interruption(cloud, first, first.out.count("✓"), second)


async def test_an_interrupted_run_says_so_and_ends_at_once(interruption: Interruption) -> None:
    assert interruption.first.code == 130
    assert "Interrupted. What was begun is finished by the next run." in interruption.first.err
    assert interruption.done > 0
    assert interruption.first.seconds < 10


async def test_the_next_run_finishes_what_was_begun(interruption: Interruption) -> None:
    assert interruption.second.code == 0, interruption.second.text
    applied = 14 - interruption.done
    assert interruption.second.out.count("✓") <= applied + 2, "what was done is not done again"
    assert "proven read sysadminas-demo-kv-secret" in interruption.second.out


async def test_an_interrupted_run_is_not_left_running(interruption: Interruption, prefect: PrefectApi) -> None:
    runs = await prefect.filtered("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["RUNNING", "PENDING"]}}})
    names = {run["id"] for run in runs}
    assert interruption.second.run_id not in names
    crashed = await prefect.filtered("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["CRASHED"]}}})
    assert crashed
