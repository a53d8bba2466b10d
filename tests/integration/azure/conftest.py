"""The two kinds of weather that the Azure tests run in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from simulated_cloud import Cloud, running

from simulator.weather import CALM, NORMAL, Dials


@pytest.fixture
async def calm(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Nothing takes any time."""
    async for cloud in running(tmp_path, CALM):
        yield cloud


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Everything takes as long as it may in the real cloud, on a clock that a test steps; nothing flaps."""
    pairs = {name: value for name, value in vars(NORMAL).items() if isinstance(value, tuple)}
    delays = {name: (longest, longest) for name, (_, longest) in pairs.items()}
    async for cloud in running(tmp_path, Dials(**delays)):
        yield cloud
