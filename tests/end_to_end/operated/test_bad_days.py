"""What a worker's run says on a bad day, and that it changes nothing then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk import Desk

from tests.end_to_end.command import eventually

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]
ON_DEMAND = "reconcile/on-demand"
POOL = "workload-identity"


@pytest.mark.parametrize(
    ("outdated", "said"),
    [
        pytest.param(
            {"parallel": 3},
            "the deployment on-demand has parameters that flows/reconcile.py:reconcile does not know (parallel; ",
            id="a parameter that is no more",
        ),
        pytest.param(
            {"approve_minutes": "an hour"},
            "approve_minutes: Input should be a valid number",
            id="a parameter of another type",
        ),
        pytest.param(
            {"when_busy": "queue"}, "when_busy: Input should be 'wait' or 'skip'", id="a value that is no more"
        ),
        pytest.param(
            {"fleet_file": None, "fleet": {"name": "shop", "tenant": "contoso"}},
            "fleet.tenant: there is no such field",
            id="a fleet as it was written once",
        ),
    ],
)
async def test_parameters_of_an_older_version_are_named_and_nothing_is_changed(
    desk: Desk, outdated: dict[str, Any], said: str
) -> None:
    """As from a server that was deployed to by that version: its form, and so the server, take them.

    The schedule rests meanwhile: what is changed every quarter of an hour would be taken for this run's doing.
    """
    every_15_minutes = await desk.api.get("/deployments/name/reconcile/every-15-minutes")
    (await desk.send("POST", f"/deployments/{every_15_minutes['id']}/pause_deployment")).raise_for_status()
    deployment = await desk.api.get(f"/deployments/name/{ON_DEMAND}")
    taken = await desk.send("PATCH", f"/deployments/{deployment['id']}", {"enforce_parameter_schema": False})
    assert taken.is_success, taken.text
    written = len(desk.cloud.journal.writing())
    state = await desk.ended(await desk.begun(ON_DEMAND, **{"approve": False, **outdated}))
    assert state["type"] == "FAILED", state["message"]
    assert said in state["message"]
    assert desk.cloud.journal.writing()[written:] == []


async def test_without_its_work_pool_operating_ends(desk: Desk) -> None:
    """The last test at this desk."""
    assert (await desk.send("DELETE", f"/work_pools/{POOL}")).is_success

    said = f"the work pool {POOL} is gone: somebody has deleted it"

    async def told() -> bool | None:
        return any(line.startswith(said) for line in desk.said) or None

    await eventually(told, "the reason", seconds=30)
    async with asyncio.timeout(90):
        assert await desk.process.wait() == 1
