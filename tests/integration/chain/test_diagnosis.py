"""Every fault that can be injected is named by the diagnosis, and nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleet.diagnosis.asking import questions
from fleet.diagnosis.judging import judge
from fleet.diagnosis.report import Report
from fleet.spec import Fleet
from simulator.breakage import CATALOGUE, break_
from tasks.evidence.gathering import Gatherer
from tests.conftest import Cloud, running_cloud
from tests.integration.chain.symptoms import put_back_afterwards

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reconciled(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> AsyncIterator[Cloud]:
    """One cloud for all faults, in which the demo's chain is whole."""
    async with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        await cloud.apply(fleet)
        yield cloud


@pytest_asyncio.fixture(loop_scope="module")
async def whole(reconciled: Cloud) -> AsyncIterator[Cloud]:
    """The cloud, its chain without a symptom; it is put back afterwards."""
    async with put_back_afterwards(reconciled) as cloud:
        yield cloud


async def diagnosed(cloud: Cloud, fleet: Fleet) -> Report:
    """The report of the demo's only chain."""
    observed = await cloud.observe(fleet)
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        gatherer = Gatherer(clients, {cluster.name: cluster for cluster in fleet.clusters})
        (question,) = questions(fleet, observed)
        return judge(await gatherer.gather(question))


async def test_a_whole_chain_has_no_cause_and_hides_nothing(whole: Cloud, fleet: Fleet) -> None:
    report = await diagnosed(whole, fleet)
    assert report.is_well, report


@pytest.mark.parametrize("fault", CATALOGUE)
async def test_each_fault_is_named_exactly(whole: Cloud, fleet: Fleet, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    report = await diagnosed(whole, fleet)
    assert [cause.name for cause in report.causes] == [fault], report
