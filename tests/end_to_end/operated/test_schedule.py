"""What is to run every fifteen minutes is on the server's agenda."""

from __future__ import annotations

from datetime import datetime

import pytest
from desk import Desk

from tests.end_to_end.command import eventually

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]


async def test_the_next_quarters_of_an_hour_are_scheduled(desk: Desk) -> None:
    """With SQLAlchemy 2.1 Prefect's scheduler makes no run at all, and tells only its own log."""

    async def agenda() -> list[dict[str, object]] | None:
        wanted = {"deployments": {"name": {"any_": ["every-15-minutes"]}}}
        return await desk.api.filtered("/flow_runs/filter", **wanted) or None

    runs = await eventually(agenda, "scheduled runs", seconds=60)
    assert {datetime.fromisoformat(str(run["expected_start_time"])).minute % 15 for run in runs} == {0}
