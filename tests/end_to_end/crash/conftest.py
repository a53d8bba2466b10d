"""The run that nobody disturbs, which all others are compared with."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.end_to_end.crash.world import Undisturbed, running_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The demo's fleet, reconciled once in a cloud of its own."""
    async with running_world(tmp_path_factory.mktemp("undisturbed") / "world") as world:
        boundaries = await world.boundaries()
        await world.settle()
        return Undisturbed(boundaries, world.written(), world.state())
