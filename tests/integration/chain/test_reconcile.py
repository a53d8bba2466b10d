"""The whole chain against the simulated cloud, without Prefect."""

from __future__ import annotations

from fleet.spec import Fleet
from tests.conftest import Cloud


async def test_a_reconciled_fleet_needs_no_change_and_no_writing_request(cloud: Cloud, fleet: Fleet) -> None:
    first = await cloud.apply(fleet)
    assert first.changes
    assert not first.holds
    before = len(cloud.journal.writing())
    second = await cloud.apply(fleet)
    assert second.is_empty, second
    assert cloud.journal.writing()[before:] == []


async def test_nothing_is_asked_that_the_simulator_does_not_know(cloud: Cloud, fleet: Fleet) -> None:
    await cloud.apply(fleet)
    assert cloud.simulator.simulation.unknown == []
