"""The command line as a person runs it: a process of its own, told by its environment alone where its cloud is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from clients.kubernetes import AKS_SERVER_APPLICATION
from tests.conftest import CANARY, Cloud

PROGRAM = Path(sys.executable).parent / "workload-identity"
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}")
"""What every signed token begins with: a header and claims, each a JSON object in base64."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything that it printed."""
        return self.out + self.err

    @property
    def words(self) -> str:
        """Everything that it printed, on one line: where it was broken is the terminal's business."""
        return " ".join(self.text.split())

    @property
    def run_id(self) -> str:
        """The id of the flow run whose address it printed."""
        found = re.search(r"Run: http://127\.0\.0\.1:\d+/runs/flow-run/(\S+)", self.text)
        assert found is not None, self.text
        return found[1]


@dataclass
class Terminal:
    """A person at a terminal whose environment leads to one simulated cloud and to the tests' Prefect server."""

    cloud: Cloud
    home: Path
    """WORKLOAD_IDENTITY_HOME, with the Prefect server of the tests."""
    environment: dict[str, str] = field(default_factory=dict)
    """What is set differently from the usual."""

    def variables(self, more: Mapping[str, str | None]) -> dict[str, str]:
        """The whole environment of a command; nothing of ours but what a person would have. None unsets a variable."""
        usual = {
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            **self.cloud.simulator.environment(),
            "KEYVAULT_SECRET_VALUE": CANARY,
            "WORKLOAD_IDENTITY_HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
        }
        given = {**usual, **self.environment, **more}
        return {name: value for name, value in given.items() if value is not None}

    async def run(self, *arguments: str | Path, **environment: str | None) -> Finished:
        """Run ``workload-identity`` to its end. Whatever it does, it shows no traceback and nothing secret."""
        return await self.ended(await self.start(*arguments, **environment))

    async def start(self, *arguments: str | Path, **environment: str | None) -> asyncio.subprocess.Process:
        """Begin a command, in a process group of its own as a shell would."""
        (self.home / "tmp").mkdir(parents=True, exist_ok=True)
        return await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            env=self.variables(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def ended(self, process: asyncio.subprocess.Process) -> Finished:
        """Wait for a command and look through what it printed."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(90):
                out, err = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode is not None
        return self.looked_through(Finished(process.returncode, out.decode(), err.decode(), time.monotonic() - started))

    async def answer(self, said: str, *arguments: str | Path) -> Finished:
        """Run a command on a real terminal of 80 columns, and type this line there."""
        ours, theirs = os.openpty()
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            env=self.variables({"TERM": "dumb", "COLUMNS": "80"}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, f"{said}\n".encode())
        try:
            async with asyncio.timeout(90):
                printed = await asyncio.to_thread(_until_closed, ours)
                code = await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            os.close(ours)
        return self.looked_through(Finished(code, printed, "", time.monotonic() - started))

    def looked_through(self, finished: Finished) -> Finished:
        """A command that has ended, after a look for what must not be seen."""
        assert "Traceback" not in finished.text, finished.text
        for secret in self.secrets():
            assert secret not in finished.text.encode(), "something secret was printed"
        assert not TOKEN.search(finished.text.encode()), "a token was printed"
        return finished

    def secrets(self) -> tuple[bytes, ...]:
        """What must turn up nowhere."""
        return CANARY.encode(), self.cloud.simulator.environment()["AZURE_CLIENT_SECRET"].encode()

    async def asked(self, path: str) -> str:
        """GET from the first cluster's API, as its administrator. Returns the text."""
        cluster = next(iter(self.cloud.simulator.simulation.clusters.values()))
        token = await self.cloud.sign_in(AKS_SERVER_APPLICATION)
        answer = await self.cloud.http.get(
            f"https://{cluster.state.fqdn}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.is_success, answer.text
        return answer.text


@dataclass(frozen=True)
class PrefectApi:
    """What the Prefect server tells about runs."""

    url: str

    async def get(self, path: str) -> Any:
        """GET below /api."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.get(f"{self.url}{path}")).raise_for_status().json()

    async def filtered(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """POST to a filter endpoint; all pages."""
        found: list[dict[str, Any]] = []
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            while True:
                answer = await client.post(f"{self.url}{path}", json={**body, "limit": 200, "offset": len(found)})
                page = answer.raise_for_status().json()
                found += page
                if len(page) < 200:
                    return found

    async def task_runs(self, run_id: str) -> list[dict[str, Any]]:
        """The task runs of a flow run, by the order of their start."""
        return await self.filtered("/task_runs/filter", flow_runs={"id": {"any_": [run_id]}})

    async def task_run(self, run_id: str, name: str) -> dict[str, Any]:
        """The task run of that name; Prefect notes task runs by events, which arrive after their flow run has ended."""

        async def noted() -> dict[str, Any] | None:
            return next((run for run in await self.task_runs(run_id) if run["name"] == name), None)

        return await eventually(noted, f"a task run {name!r}")

    async def artifacts(self, run_id: str) -> list[dict[str, Any]]:
        """The artifacts that a flow run made to be looked at; Prefect's notes of where results are have no key."""
        found = await self.filtered("/artifacts/filter", flow_runs={"id": {"any_": [run_id]}})
        return [artifact for artifact in found if artifact["key"]]


async def eventually(look: Callable[[], Awaitable[Result | None]], what: str, seconds: float = 20) -> Result:
    """What ``look`` returns once it is something, looked for again and again for a bounded time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (result := await look()) is not None:
            return result
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds:.0f} s")


def _until_closed(terminal: int) -> str:
    """All that is printed on a terminal until its last user has gone, which Linux tells by EIO."""
    printed = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            printed += piece
    return printed.decode().replace("\r\n", "\n")


def files_below(directory: Path) -> dict[Path, bytes]:
    """Every file below a directory, read; one that vanishes meanwhile is left out."""
    contents: dict[Path, bytes] = {}
    for path in directory.rglob("*"):
        try:
            if path.is_file():
                contents[path] = path.read_bytes()
        except FileNotFoundError:
            continue
    return contents
