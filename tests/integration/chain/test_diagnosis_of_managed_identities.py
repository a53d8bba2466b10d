"""What breaks a managed identity's chain, with a vault that goes by roles, is named as exactly."""

from __future__ import annotations

import pytest

from fleet.spec import Fleet
from simulator.breakage import break_
from tests.conftest import Cloud
from tests.integration.chain.diagnoses import diagnosed, names
from tests.integration.chain.test_breakage_of_managed_identities import SYMPTOMS, managed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def reconciled_fleet() -> Fleet:
    """One whose workload runs as a managed identity."""
    return managed()


async def test_a_whole_chain_has_no_cause(whole: Cloud) -> None:
    report = await diagnosed(whole, managed())
    assert report.is_well, report


@pytest.mark.parametrize("fault", SYMPTOMS)
async def test_each_fault_is_named_exactly(whole: Cloud, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    report = await diagnosed(whole, managed())
    assert names(report) == [fault], report
