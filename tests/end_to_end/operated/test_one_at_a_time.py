"""While one run changes a fleet, another waits for its end or is skipped, as it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from desk import Desk

from flows.turns import limit_of
from tests.end_to_end.command import eventually

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]
ON_DEMAND = "reconcile/on-demand"
LIMITS = "/v2/concurrency_limits"


@asynccontextmanager
async def somebody_changing_it(desk: Desk) -> AsyncIterator[None]:
    """Another machine's run, which has its turn."""
    limit = limit_of("sysadminas-demo")
    await desk.post(f"{LIMITS}/", {"name": limit, "limit": 1, "active": True})  # refused where there is one already
    wanted = {"names": [limit], "slots": 1, "mode": "concurrency", "lease_duration": 300}
    held = (await desk.post(f"{LIMITS}/increment-with-lease", wanted)).raise_for_status().json()
    try:
        yield
    finally:
        await desk.post(f"{LIMITS}/decrement-with-lease", {"lease_id": held["lease_id"]})


async def test_a_run_that_is_not_to_wait_is_skipped(desk: Desk) -> None:
    asked = len(desk.cloud.journal.entries)
    async with somebody_changing_it(desk):
        state = await desk.ended(await desk.begun(ON_DEMAND, approve=False, when_busy="skip"))
    assert (state["type"], state["name"]) == ("CANCELLED", "Skipped")
    assert state["message"] == "skipped: another run is changing sysadminas-demo"
    assert len(desk.cloud.journal.entries) == asked


async def test_a_run_waits_for_its_turn(desk: Desk) -> None:
    asked = len(desk.cloud.journal.entries)
    async with somebody_changing_it(desk):
        run = await desk.begun(ON_DEMAND, approve=False, when_busy="wait")

        async def waits() -> bool | None:
            logs = await desk.api.filtered("/logs/filter", logs={"flow_run_id": {"any_": [run]}})
            said = "another run is changing sysadminas-demo: waiting for its end"
            return True if any(log["message"] == said for log in logs) else None

        await eventually(waits, "the news that it waits", seconds=60)
        assert len(desk.cloud.journal.entries) == asked
    assert (await desk.ended(run))["type"] == "COMPLETED"
