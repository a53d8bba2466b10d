"""A run that is to ask first changes nothing until a person agrees to its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from tests.conftest import DEMO_FLEET

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]
ON_DEMAND = "reconcile/on-demand"


async def question(desk: Desk, run: str) -> str:
    """What is asked, as the UI shows it."""
    state = await desk.asking(run)
    assert state["type"] == "PAUSED", state
    keyset = state["state_details"]["run_input_keyset"]
    answer = await desk.api.get(f"/flow_runs/{run}/input/{keyset['description']}")
    return str(answer)


async def test_a_refused_plan_changes_nothing(desk: Desk) -> None:
    written = len(desk.cloud.journal.writing())
    run = await desk.begun(ON_DEMAND, approve=True)
    asked = await question(desk, run)
    assert "12 to create, 2 to update" in asked
    assert "nothing is deleted" in asked
    assert "| + | register application sysadminas-aad-workload-identity-demo-app |" in asked
    await desk.answer(run, apply=False, reason="not today")
    state = await desk.ended(run)
    assert (state["type"], state["name"]) == ("CANCELLED", "NotApproved")
    assert state["message"] == "the plan was refused: not today; nothing was changed"
    assert desk.cloud.journal.writing()[written:] == []


async def test_no_answer_is_a_no(desk: Desk) -> None:
    written = len(desk.cloud.journal.writing())
    state = await desk.ended(await desk.begun(ON_DEMAND, approve=True, approve_minutes=0.05))
    assert (state["type"], state["name"]) == ("CANCELLED", "NotApproved")
    assert "nobody agreed to the plan within 0.05 minutes" in state["message"]
    assert desk.cloud.journal.writing()[written:] == []


async def test_a_fleet_file_that_changes_while_its_plan_is_looked_at_is_not_applied(desk: Desk, tmp_path: Path) -> None:
    fleet_file = tmp_path / "fleet.yaml"
    fleet_file.write_text(DEMO_FLEET.read_text(encoding="utf-8"), encoding="utf-8")
    written = len(desk.cloud.journal.writing())
    run = await desk.begun(ON_DEMAND, approve=True, fleet_file=str(fleet_file))
    await question(desk, run)
    fleet_file.write_text(fleet_file.read_text(encoding="utf-8").replace("azure-wi-demo", "another"), encoding="utf-8")
    await desk.answer(run, apply=True)
    state = await desk.ended(run)
    assert state["type"] == "FAILED"
    assert f"{fleet_file} was changed while its plan waited for an approval" in state["message"]
    assert desk.cloud.journal.writing()[written:] == []


async def test_a_world_that_moves_while_the_plan_is_looked_at_is_left_alone(desk: Desk) -> None:
    run = await desk.begun(ON_DEMAND, approve=True)
    await question(desk, run)
    url = "https://graph.microsoft.com/v1.0/applications"
    name = "sysadminas-aad-workload-identity-demo-app"
    made: dict[str, Any] = await desk.cloud.by_hand("POST", url, {"displayName": name, "uniqueName": name})
    written = len(desk.cloud.journal.writing())
    await desk.answer(run, apply=True)
    state = await desk.ended(run)
    assert state["type"] == "FAILED"
    assert "The world has moved since this plan of sysadminas-demo was made" in state["message"]
    assert desk.cloud.journal.writing()[written:] == []
    await desk.cloud.by_hand("DELETE", f"{url}/{made['id']}")


async def test_an_approved_plan_is_applied_and_proven(desk: Desk) -> None:
    run = await desk.begun(ON_DEMAND, approve=True)
    await question(desk, run)
    await desk.answer(run, apply=True)
    state = await desk.ended(run)
    assert state["type"] == "COMPLETED", state["message"]
    assert "14 of 14 changes applied, 1 of 1 chains proven" in state["message"]


async def test_where_nothing_is_to_change_nobody_is_asked(desk: Desk) -> None:
    state = await desk.ended(await desk.begun(ON_DEMAND, approve=True))
    assert (state["type"], state["name"]) == ("COMPLETED", "Unchanged")
