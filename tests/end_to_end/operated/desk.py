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

from tests.conftest import ROOT, Cloud
from tests.end_to_end.command import PrefectApi, Terminal
from tests.end_to_end.person import Person


@dataclass
class Desk(Person):
    """A person before what ``make operate`` has started."""

    terminal: Terminal
    process: asyncio.subprocess.Process
    said: list[str]
    """What it has printed so far, line by line."""

    @property
    def cloud(self) -> Cloud:
        """What stands behind the flows."""
        return self.terminal.cloud


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
        yield Desk(PrefectApi(f"{found[1]}/api"), terminal, process, said)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(60):
            await process.wait()
            await listening


async def _listen(output: asyncio.StreamReader, said: list[str]) -> None:
    while line := await output.readline():
        said.append(line.decode())
