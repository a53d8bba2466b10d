"""A simulated cloud served by a thread of this process, for clients that are processes of their own.

In this process, so that a mutation run can switch a rule off for them, and see which rules they apply.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from simulator.azure import start
from simulator.clock import Clock
from simulator.server import Simulator
from simulator.weather import CALM, Weather
from tests.conftest import DEMO_CLOUD

_SPEED = 30.0
"""Divides every delay, as the command line's default does."""
_SECONDS = 60


class ServedCloud:
    """The demo's cloud in calm weather, from when it is made until it is ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator", daemon=True)
        self._thread.start()
        self.simulator = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(_SECONDS)

    async def _serve(self) -> Simulator:
        return await Simulator.serve(
            directory=self._directory,
            beginning=start.load(DEMO_CLOUD.read_text(encoding="utf-8")),
            weather=Weather(Clock(), CALM, _SPEED),
        )

    def end(self) -> None:
        """Stop serving."""
        asyncio.run_coroutine_threadsafe(self.simulator.stop(), self._loop).result(_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()
