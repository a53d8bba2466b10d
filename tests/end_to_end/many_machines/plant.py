"""A server, a cloud and the machines between them: one for runs that hand out slices, three that carry slices out."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import yaml
from prefect.client.orchestration import PrefectClient
from processes import inherited, running
from server import PREFECT, Server

from deployments import automations
from tests.benchmarks.served import ServedCloud
from tests.conftest import CANARY, ROOT
from tests.end_to_end.command import PrefectApi
from tests.end_to_end.person import Person

COORDINATORS, SHARDS = "workload-identity", "workload-identity-shards"
SHARD_MACHINES = ("machine-1", "machine-2", "machine-3")


@dataclass
class Plant(Person):
    """All of it, and a person before it."""

    server: Server
    cloud: ServedCloud
    folder: Path
    machines: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """By name, the worker of each."""
    _ending: ExitStack = field(default_factory=ExitStack)
    patience: ClassVar[float] = 600

    def start(self, machine: str, pool: str) -> None:
        """Switch on a machine, whose worker takes one run at a time. It shares with others no more than results."""
        home = self.folder / machine
        home.mkdir(exist_ok=True)
        command = (*PREFECT, "worker", "start", "--type", "process", "--pool", pool, "--limit", "1", "--name", machine)
        own = {"HOME": str(home), "PREFECT_HOME": str(home / "prefect"), "WORKLOAD_IDENTITY_HOME": str(home)}
        if _NAMED:
            command = (*_NAMED, f'hostname {machine} && exec "$@"', machine, *command)
        process = running(command, self.folder / f"{machine}.log", {**self.variables(), **own})
        self.machines[machine] = self._ending.enter_context(process)

    def variables(self) -> Mapping[str, str]:
        """The environment of every machine."""
        return {
            **inherited(),
            **self.cloud.environment,
            "KEYVAULT_SECRET_VALUE": CANARY,
            "PREFECT_API_URL": self.api.url,
            "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(self.folder / "results"),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "WORKLOAD_IDENTITY_ROOT": str(ROOT),
            "DO_NOT_TRACK": "1",
        }

    async def deploy(self) -> None:
        """The work pools and the deployments of prefect.yaml, whether they are there already or not."""
        for pool in (COORDINATORS, SHARDS):
            answer = await self.post("/work_pools/", {"name": pool, "type": "process"})
            assert answer.status_code in (httpx.codes.CREATED, httpx.codes.CONFLICT), answer.text
        environment = {**self.variables(), "PREFECT_HOME": str(self.folder / "prefect")}
        deploying = await asyncio.create_subprocess_exec(
            *PREFECT,
            "--no-prompt",
            "deploy",
            "--all",
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await deploying.communicate()
        assert deploying.returncode == 0, said.decode()

    async def automate(self, name: str, within: int) -> None:
        """Make this automation of ours, sooner than its file says."""
        content = yaml.safe_load((automations.FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        content["trigger"]["within"] = within
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        async with PrefectClient(api=self.api.url) as client:
            await automations.apply(client, path)

    async def slices_of(self, run: str) -> list[dict[str, Any]]:
        """The runs of a run's slices."""
        flows = {"name": {"any_": ["reconcile-shard"]}}
        of_it = {"parent_flow_run_id": {"any_": [run]}}
        return await self.api.filtered("/flow_runs/filter", flows=flows, flow_runs=of_it)

    async def table(self, run: str, key: str) -> list[dict[str, Any]]:
        """The rows of a table that a run has left."""
        (found,) = [one for one in await self.api.artifacts(run) if one["key"] == key]
        rows: list[dict[str, Any]] = json.loads(found["data"])
        return rows

    def switch_off(self) -> None:
        """All machines."""
        self._ending.close()


@contextmanager
def built(server: Server, cloud: ServedCloud, folder: Path) -> Iterator[Plant]:
    """The plant, with all its machines off; they are off again at the end of the block."""
    plant = Plant(PrefectApi(server.url), server, cloud, folder)
    try:
        yield plant
    finally:
        plant.switch_off()


def _named() -> tuple[str, ...]:
    """What gives a command a host name of its own, where this user may: runs tell by it that others are elsewhere."""
    command = (shutil.which("unshare") or "false", "--uts", "sh", "-c")
    tried = subprocess.run([*command, "hostname another"], capture_output=True) if os.geteuid() == 0 else None
    return command if tried is not None and tried.returncode == 0 else ()


_NAMED = _named()
