"""One cloud for all tests of a module, in which a chain is whole, and is put back after each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleet.spec import Fleet
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.symptoms import put_back_afterwards


@pytest.fixture(scope="module")
def reconciled_fleet(fleet: Fleet) -> Fleet:
    """Whose chain it is; a module may have another."""
    return fleet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reconciled(tmp_path_factory: pytest.TempPathFactory, reconciled_fleet: Fleet) -> AsyncIterator[Cloud]:
    """The cloud, its fleet set up."""
    async with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        await cloud.apply(reconciled_fleet)
        yield cloud


@pytest_asyncio.fixture(loop_scope="module")
async def whole(reconciled: Cloud) -> AsyncIterator[Cloud]:
    """The cloud, its chain without a symptom; it is put back afterwards."""
    async with put_back_afterwards(reconciled) as cloud:
        yield cloud
