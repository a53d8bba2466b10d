"""A run whose process is killed is retried by Prefect's button or command, and what it had done is not done again."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import yaml
from desk import Desk, operated

from fleet.spec import IdentityKind, VaultAuthorization
from simulator.journal import Entry
from tests.benchmarks import fleets
from tests.conftest import running_cloud
from tests.end_to_end.command import Terminal, eventually
from tests.end_to_end.created import KINDS, created

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="module")]
RECONCILE = "reconcile/on-demand"
RETRY = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}, "force": False}
"""What the button sends."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """``make operate`` before a cloud of two clusters in which nothing of ours is yet."""
    home = tmp_path_factory.mktemp("home")
    async with running_cloud(home / "cloud", cloud=fleets.cloud(2)) as cloud, operated(Terminal(cloud, home)) as desk:
        yield desk


def processes_of(desk: Desk, run: str) -> Iterator[psutil.Process]:
    """Those in which a worker carries out this run."""
    for process in psutil.Process(desk.process.pid).children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                yield process


async def killed_after(desk: Desk, workloads: int, method: str, path: str, count: int) -> str:
    """The id of a run on a fleet of so many workloads, killed -9 before it is told of its ``count``-th such request."""
    file: Path = desk.terminal.home / f"fleet-{workloads}.yaml"
    content = fleets.document(workloads, 2, 2, IdentityKind.APPLICATION, VaultAuthorization.RBAC)
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    seen: Counter[bool] = Counter()
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def cut(request: Entry) -> None:
        wanted = request.method == method and path in request.path
        seen[wanted] += 1
        if wanted and seen[True] == count:
            for process in processes_of(desk, await begun):
                process.kill()

    desk.cloud.simulator.simulation.after_request = cut
    try:
        begun.set_result(await desk.begun(RECONCILE, fleet_file=str(file), approve=False))
        state = await desk.ended(begun.result())
    finally:
        desk.cloud.simulator.simulation.after_request = None
    assert state["type"] == "CRASHED", state["message"]
    await let_go(desk, begun.result())
    return begun.result()


async def let_go(desk: Desk, run: str) -> None:
    """Wait until its worker has done with a crashed run: seconds later it reports the crash again, over any retry."""

    async def heard() -> bool | None:
        wanted = {"filter": {"event": {"name": ["prefect.worker.executed-flow-run"]}}, "limit": 50}
        events = (await desk.post("/events/filter", wanted)).json()["events"]
        return any(run in str(event["related"]) for event in events) or None

    await eventually(heard, "the worker's last word", seconds=60)


async def button(desk: Desk, run: str) -> None:
    """Press Retry."""
    answer = await desk.post(f"/flow_runs/{run}/set_state", RETRY)
    assert answer.json()["status"] == "ACCEPT", answer.text


async def command(desk: Desk, run: str) -> None:
    """Type it."""
    typed = (sys.executable, "-m", "prefect", "flow-run", "retry", run)
    environment = desk.terminal.variables({"PREFECT_API_URL": desk.api.url})
    process = await asyncio.create_subprocess_exec(*typed, env=environment, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def written(desk: Desk) -> Counter[str]:
    """What was written with success, and how often; requests that make something new at the same path left out."""
    entries: list[Entry] = desk.cloud.journal.writing()
    return Counter(
        f"{entry.host}{entry.path}" for entry in entries if entry.status < 400 and entry.method in ("PUT", "PATCH")
    )


@pytest.mark.parametrize(
    ("retry", "workloads", "method", "path", "count"),
    [
        pytest.param(button, 8, "POST", "/$batch", 6, id="amid the applications"),
        pytest.param(command, 16, "PATCH", "/serviceaccounts/", 4, id="amid the ServiceAccounts"),
        pytest.param(button, 110, "PUT", "/roleAssignments/", 5, id="in a plan of groups"),
    ],
)
async def test_what_a_killed_run_had_done_its_retry_does_not_do_again(
    desk: Desk,
    retry: Callable[[Desk, str], Awaitable[None]],
    workloads: int,
    method: str,
    path: str,
    count: int,
) -> None:
    earlier = written(desk)
    run = await killed_after(desk, workloads, method, path, count)
    before = written(desk)
    assert before.keys() > earlier.keys(), "something was done"
    await retry(desk, run)
    state = await desk.ended(run)
    assert state["type"] == "COMPLETED", state
    assert f"{workloads} of {workloads} chains proven" in state["message"], state
    assert before.keys() & (written(desk) - before).keys() == set()
    kinds, repeated = created(desk.cloud.journal.path)
    assert repeated == {}
    assert kinds == dict.fromkeys(KINDS, workloads)
    left = sum((written(desk) - before).values())
    print(f"{workloads} workloads: {sum((before - earlier).values())} written before the kill, {left} after the retry")
