"""Prefect on this machine: its server and UI, the deployments of prefect.yaml, and a worker that runs them.

``python -m deployments.operate`` runs until it is interrupted, and then ends what it has started. Whatever stands
behind the flows, Azure or a simulation of it, is the environment's choice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from flows import prefect_server

from . import automations

ROOT = Path(__file__).resolve().parent.parent
_PREFECT = (sys.executable, "-m", "prefect")
_STOP_SECONDS = 30.0
"""How long the workers may take to end what they run."""
_LOOK_EVERY = 0.5
_POOLS_LOOKED_FOR_EVERY = 5.0
_POOL_LOST = (
    "the work pool {} is gone: somebody has deleted it, and nothing would run any more. Operate again: that makes it "
    "anew, and deploys"
)


class OperatingError(Exception):
    """It cannot be operated here. The text is for the user."""


def main() -> int:
    """Operate until SIGINT or SIGTERM; 0 where all of it ended as it should."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has started it in the background
        signal.signal(number, signal.default_int_handler)
    os.environ["WORKLOAD_IDENTITY_ROOT"] = str(ROOT)  # prefect.yaml's pull step reads it
    os.environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", "2")  # whoever presses Run is waiting
    try:
        with _server() as ui:
            return _operate(ui)
    except (prefect_server.ServerError, OperatingError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _tell("Ended.")


@contextmanager
def _server() -> Iterator[str]:
    """The address of the UI of a server: of one that runs already, else of one that ends with us."""
    found = prefect_server.is_running()
    ui = prefect_server.attach(lambda _: _tell("Starting a Prefect server"))
    try:
        yield ui
    finally:
        if not found:
            prefect_server.stop()


def _operate(ui: str) -> int:
    """Deploy, and work until interrupted; a worker's exit code where one ends by itself."""
    pools = _pools()
    asyncio.run(_make_pools(pools))
    _tell("Deploying what prefect.yaml says")
    deployed = subprocess.run([*_PREFECT, "--no-prompt", "deploy", "--all"], cwd=ROOT, capture_output=True, text=True)
    if deployed.returncode:
        raise OperatingError(f"prefect deploy failed:\n{deployed.stdout}{deployed.stderr}")
    for left_out in asyncio.run(automations.apply_all()):
        _tell(f"Left out: {left_out}")
    workers = [_worker(pool) for pool in pools]
    try:
        _tell(f"Operating: {ui}/deployments    Ctrl-C ends it.")
        looked = time.monotonic()
        while all(worker.poll() is None for worker in workers):
            time.sleep(_LOOK_EVERY)
            if time.monotonic() - looked > _POOLS_LOOKED_FOR_EVERY:
                if lost := _lost(pools):
                    print(_POOL_LOST.format(lost), file=sys.stderr, flush=True)  # ending may take a while
                    return 1
                looked = time.monotonic()
        return next(worker.returncode for worker in workers if worker.returncode is not None)
    finally:
        _end(workers)


def _pools() -> list[str]:
    """The work pools of all deployments."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    return list(dict.fromkeys(deployment["work_pool"]["name"] for deployment in deployments))


async def _make_pools(names: Iterable[str]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound

    async with get_client() as client:
        for name in names:
            try:
                await client.read_work_pool(name)
            except ObjectNotFound:
                await client.create_work_pool(WorkPoolCreate(name=name, type="process"))


def _lost(pools: Iterable[str]) -> str | None:
    """A pool that somebody has deleted: its worker waits for runs in silence, and they for a worker, for ever."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for pool in pools:
            try:
                client.read_work_pool(pool)
            except ObjectNotFound:
                return pool
            except httpx.HTTPError:
                return None  # a server that is busy for a moment says nothing about its pools
    return None


def _worker(pool: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*_PREFECT, "worker", "start", "--type", "process", "--pool", pool], cwd=ROOT)


def _end(workers: Iterable[subprocess.Popen[bytes]]) -> None:
    """Let the workers end what they run, for a while."""
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for worker in workers:
        try:
            worker.wait(max(deadline - time.monotonic(), 0.1))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.kill()
            worker.wait()


def _tell(news: str) -> None:
    print(news, flush=True)


if __name__ == "__main__":
    sys.exit(main())
