"""What breaks a managed identity's chain, with a vault that goes by roles, is named as exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simulator.breakage import break_
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.diagnoses import diagnosed, names
from tests.integration.chain.symptoms import put_back_afterwards
from tests.integration.chain.test_breakage_of_managed_identities import SYMPTOMS, managed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reconciled(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cloud]:
    """One cloud for all faults of a managed identity's chain."""
    async with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        await cloud.apply(managed())
        yield cloud


@pytest_asyncio.fixture(loop_scope="module")
async def whole(reconciled: Cloud) -> AsyncIterator[Cloud]:
    """The cloud, its chain without a symptom; it is put back afterwards."""
    async with put_back_afterwards(reconciled) as cloud:
        yield cloud


async def test_a_whole_chain_has_no_cause(whole: Cloud) -> None:
    report = await diagnosed(whole, managed())
    assert report.is_well, report


@pytest.mark.parametrize("fault", SYMPTOMS)
async def test_each_fault_is_named_exactly(whole: Cloud, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    report = await diagnosed(whole, managed())
    assert names(report) == [fault], report
