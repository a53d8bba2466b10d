"""One desk for all tests of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from desk import Desk, operated

from tests.conftest import running_cloud
from tests.end_to_end.command import Terminal


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """``make operate``, at a desk of its own. Ends all of it with Ctrl-C."""
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        terminal = Terminal(cloud, tmp_path_factory.mktemp("home"))
        async with operated(terminal) as desk:
            yield desk
