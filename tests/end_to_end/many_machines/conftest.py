"""One server for all tests; for each of them a cloud and machines of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from plant import Plant, built
from server import Server, serving

from tests.benchmarks import fleets
from tests.benchmarks.served import served

CLUSTERS = 8


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Prefect's server on PostgreSQL and Redis."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest_asyncio.fixture
async def plant(server: Server, tmp_path: Path) -> AsyncIterator[Plant]:
    """Machines that are off, before a cloud in which nothing of ours is yet."""
    with served(fleets.cloud(CLUSTERS)) as cloud, built(server, cloud, tmp_path) as plant:
        await plant.deploy()
        yield plant
