"""Prefect as it is operated on one machine: server, worker and deployments, and a person in front of its UI."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.conftest import ROOT, Cloud
from tests.end_to_end.command import PrefectApi, Terminal, eventually

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


@dataclass
class Desk:
    """What a person does in Prefect's UI, which asks its API for all of it."""

    terminal: Terminal
    api: PrefectApi
    process: asyncio.subprocess.Process
    said: list[str]
    """What it has printed so far, line by line."""

    @property
    def cloud(self) -> Cloud:
        """What stands behind the flows."""
        return self.terminal.cloud

    async def press_run(self, deployment: str, **parameters: Any) -> httpx.Response:
        """Fill the form of a deployment (FLOW/NAME) and press Run."""
        found = await self.api.get(f"/deployments/name/{deployment}")
        given = {**found["parameters"], **parameters}
        return await self.post(f"/deployments/{found['id']}/create_flow_run", {"parameters": given})

    async def begun(self, deployment: str, **parameters: Any) -> str:
        """The id of a run that was begun so."""
        answer = await self.press_run(deployment, **parameters)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def ended(self, run: str) -> dict[str, Any]:
        """The state that a run ends in."""
        return await self._once(run, lambda state: state["type"] in ENDED, "end")

    async def asking(self, run: str) -> dict[str, Any]:
        """The state of a run that waits for an answer."""
        return await self._once(run, lambda state: state["type"] in {"PAUSED", *ENDED}, "question")

    async def answer(self, run: str, **answer: Any) -> None:
        """Fill the form of a run that waits, and send it."""
        response = await self.post(f"/flow_runs/{run}/resume", {"run_input": answer})
        assert response.json().get("status") == "ACCEPT", response.text

    async def post(self, path: str, body: Any) -> httpx.Response:
        """POST below /api; as the UI does, again while the server's SQLite is busy."""

        async def send() -> httpx.Response | None:
            answer = await client.post(f"{self.api.url}{path}", json=body)
            return answer if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE else None

        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return await eventually(send, f"an answer to {path}")

    async def _once(self, run: str, wanted: Any, what: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            state: dict[str, Any] = (await self.api.get(f"/flow_runs/{run}"))["state"]
            return state if wanted(state) else None

        return await eventually(look, f"the {what} of run {run}", seconds=90)


@asynccontextmanager
async def operated(terminal: Terminal) -> AsyncIterator[Desk]:
    """Prefect operated in the terminal's environment until the end of the block; whatever runs there, Ctrl-C ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deployments.operate",
        env=terminal.variables({}),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    said: list[str] = []
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            while not (found := re.search(r"Operating: (http://127\.0\.0\.1:\d+)/", said[-1] if said else "")):
                line = (await process.stdout.readline()).decode()
                assert line, "".join(said)
                said.append(line)
        listening = asyncio.create_task(_listen(process.stdout, said))
        yield Desk(terminal, PrefectApi(f"{found[1]}/api"), process, said)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(60):
            await process.wait()
            await listening


async def _listen(output: asyncio.StreamReader, said: list[str]) -> None:
    while line := await output.readline():
        said.append(line.decode())
