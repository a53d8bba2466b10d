"""A simulated cloud in which a reconcile can be killed between any request and its answer."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from simulator.azure import start
from simulator.clock import Clock
from simulator.journal import Entry
from simulator.server import Simulator
from simulator.weather import CALM, Weather
from tests import conftest
from tests.end_to_end.command import files_below

from . import reconciling
from .final_state import differences, final_state, plain_path

_DRAWN_HOST = re.compile(r"^.*(?=\.hcp\.)")
"""Of a cluster's API server."""
RUN_SECONDS = 60.0
"""How long a reconcile may take; an undisturbed one takes about one second."""
SETTLE_SECONDS = 20.0
"""How long the cluster's controllers may take to bring what was asked for."""
QUIET_SECONDS = 0.5
"""How long they are silent when they are done."""


@dataclass(frozen=True)
class Boundary:
    """The moment between a request and its answer: the ``occurrence``-th request of this kind in a run."""

    method: str
    host: str
    path: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path} #{self.occurrence}"


@dataclass
class Boundaries:
    """Names the boundaries of one run as its requests come in, the same in every run of the same fleet."""

    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def next(self, request: Entry) -> Boundary:
        """The boundary after this request."""
        host = _DRAWN_HOST.sub("*", request.host)
        kind = request.method, host, plain_path(request.path)
        self.seen[kind] += 1
        return Boundary(*kind, self.seen[kind])


@dataclass(frozen=True)
class Undisturbed:
    """A reconcile that nobody killed."""

    boundaries: list[Boundary]
    written: Counter[tuple[str, str]]
    state: dict[str, Any]


@dataclass
class World:
    """A simulated cloud of its own, and one reconcile at a time in it."""

    simulator: Simulator
    environment: dict[str, str] = field(default_factory=dict)
    _process: Any = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def reconcile(self, *, then_plan: bool = False) -> reconciling.Report:
        """Run a reconcile to its end, or until it is killed. AssertionError where it failed."""
        loop = asyncio.get_running_loop()
        receiver, sender = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("forkserver")
        arguments = (self.environment, conftest.DEMO_FLEET, then_plan, sender)
        self._process = context.Process(target=reconciling.reconcile, args=arguments, daemon=True)
        self._ended.clear()
        self._process.start()
        sender.close()
        loop.add_reader(self._process.sentinel, self._ended.set)
        try:
            async with asyncio.timeout(RUN_SECONDS):
                await self._ended.wait()
            report = _last_words(receiver)
        finally:
            loop.remove_reader(self._process.sentinel)
            self._kill()
            self._process.join()
            self._process.close()
            receiver.close()
        assert not report.error, report.error
        return report

    async def reconcile_killed_at(self, boundary: Boundary) -> bool:
        """Kill a reconcile, helm and all, before the answer at ``boundary``. False where it never came there."""
        boundaries = Boundaries()

        async def cut(request: Entry) -> None:
            if boundaries.next(request) == boundary:
                self._kill()
                await self._ended.wait()  # nobody is left to read the answer

        self.simulator.simulation.after_request = cut
        try:
            return (await self.reconcile()).killed
        finally:
            self.simulator.simulation.after_request = None

    async def boundaries(self) -> list[Boundary]:
        """All boundaries of an undisturbed reconcile, which is run for it."""
        boundaries = Boundaries()
        found: list[Boundary] = []

        async def note(request: Entry) -> None:
            found.append(boundaries.next(request))

        self.simulator.simulation.after_request = note
        try:
            report = await self.reconcile()
        finally:
            self.simulator.simulation.after_request = None
        assert report.planned
        return found

    def written(self) -> Counter[tuple[str, str]]:
        """How often each object was written with success, by method and address."""
        return Counter(
            (entry.method, _DRAWN_HOST.sub("*", entry.host) + plain_path(entry.path))
            for entry in self.simulator.simulation.journal.writing()
            if entry.status < 400
        )

    def state(self) -> dict[str, Any]:
        """What the cloud has come to, comparable with that of another world."""
        return final_state(self.simulator.simulation)

    def files_with(self, secret: re.Pattern[bytes]) -> list[Path]:
        """The files that reconciles left on this machine and that hold something like this."""
        return [path for path, content in files_below(Path(self.environment["HOME"])).items() if secret.search(content)]

    async def settle(self, expected: dict[str, Any] | None = None) -> list[str]:
        """Wait until the cluster's controllers are done; returns in what the state then differs from ``expected``.

        Done they are when the state is the expected one, and where nothing is, when everything is available and none
        of them has anything more to say.
        """
        (cluster,) = self.simulator.simulation.clusters.values()
        changes = cluster.subscribe()
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_SECONDS):
                if expected is not None:
                    while self.state() != expected:
                        await changes.get()
                    return []
                while not self._available():
                    await changes.get()
                with suppress(TimeoutError):
                    while True:
                        await asyncio.wait_for(changes.get(), QUIET_SECONDS)
        return differences(expected, self.state()) if expected is not None else []

    def _available(self) -> bool:
        (cluster,) = self.simulator.simulation.clusters.values()
        deployments = cluster.list("deployments.apps")
        pods = sum(item["spec"]["replicas"] for item in deployments)
        return len(cluster.list("pods")) == pods and all(
            item.get("status", {}).get("availableReplicas") == item["spec"]["replicas"] for item in deployments
        )

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _last_words(receiver: Connection) -> reconciling.Report:
    try:
        report: reconciling.Report = receiver.recv()
    except EOFError:
        return reconciling.Report(killed=True)
    return report


@asynccontextmanager
async def running_world(directory: Path) -> AsyncIterator[World]:
    """Serve a fresh cloud in calm weather. ``directory`` holds all that its reconciles leave on this machine."""
    await asyncio.to_thread(_start_fork_server)
    directory.mkdir(parents=True)
    for name in ("ca.pem", "ca.key"):  # aiohttp knows one authority, that of when it was imported
        shutil.copy(Path(os.environ["SSL_CERT_FILE"]).parent / name, directory)
    simulator = await Simulator.serve(
        directory=directory,
        beginning=start.load(conftest.DEMO_CLOUD.read_text(encoding="utf-8")),
        weather=Weather(Clock(), CALM),
    )
    home = directory / "home"
    home.mkdir()
    environment = {
        **simulator.environment(),
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": os.environ["PATH"],
        "KEYVAULT_SECRET_VALUE": conftest.CANARY,
    }
    try:
        yield World(simulator, environment)
        assert simulator.simulation.unknown == []
    finally:
        await simulator.stop()


def _start_fork_server() -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload([reconciling.__name__])
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(conftest.ROOT)}):
        forkserver.ensure_running()
