"""What runs tell as events, and what automations make of it on a real server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from desk import Desk

from flows.happenings import Happening
from simulator.breakage import break_
from tests.conftest import ROOT
from tests.end_to_end.command import eventually

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]
ON_DEMAND = "reconcile/on-demand"
FLEET = "workload-identity.fleet.sysadminas-demo"


async def told(desk: Desk, happening: str, run: str) -> dict[str, Any]:
    """The event of this name that this run has told."""

    async def look() -> dict[str, Any] | None:
        wanted = {"filter": {"event": {"name": [happening]}}, "limit": 50}
        events = (await desk.post("/events/filter", wanted)).json()["events"]
        runs = [event for event in events if f"prefect.flow-run.{run}" in str(event["related"])]
        return runs[0] if runs else None

    return await eventually(look, f"{happening} of run {run}", seconds=30)


async def settled(desk: Desk) -> None:
    """The fleet as its file says."""
    await desk.ended(await desk.begun(ON_DEMAND, approve=False))


async def drifts(desk: Desk) -> None:
    """Somebody takes the ServiceAccount's annotation away; the next reconcile puts it back, and proves anew."""
    await break_(desk.cloud.simulator.simulation, "client-id-missing", "")


async def test_drift_is_told_when_it_is_found_and_when_it_is_repaired(desk: Desk) -> None:
    await settled(desk)
    await drifts(desk)
    run = await desk.begun(ON_DEMAND, approve=False)
    assert (await desk.ended(run))["type"] == "COMPLETED"
    for happening in (Happening.DRIFT_FOUND, Happening.DRIFT_REPAIRED):
        event = await told(desk, happening, run)
        assert event["resource"]["prefect.resource.id"] == FLEET
        assert event["payload"]["count"] == 1
        assert event["payload"]["objects"] == ["annotate sysadminas-demo/sysadminas-demo-sa on sysadminas"]


async def test_a_proven_chain_is_told_as_assets_with_their_lineage(desk: Desk) -> None:
    await settled(desk)
    await drifts(desk)
    run = await desk.begun(ON_DEMAND, approve=False)
    await desk.ended(run)
    name = "prefect.asset.materialization.succeeded"
    event = await told(desk, name, run)
    assert event["resource"]["prefect.resource.id"].startswith("workloadidentity://sysadminas-demo/")
    wanted = {"filter": {"event": {"name": [name]}}, "limit": 50}
    lineage = {
        each["resource"]["prefect.resource.id"].split("/")[3]: [
            related["prefect.resource.id"].split("/")[3]
            for related in each["related"]
            if related["prefect.resource.role"] == "asset"
        ]
        for each in (await desk.post("/events/filter", wanted)).json()["events"]
    }
    assert lineage == {"federated-credential": ["cluster", "identity"], "secret": ["federated-credential"]}


@asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[list[str]]:
    """What a platform team's webhook hears, which the block ``workload-identity-notify`` names."""
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length:"))
        heard.append((await reader.readexactly(length)).decode())
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (kind,) = [each for each in await desk.api.filtered("/block_types/filter") if each["slug"] == "webhook"]
    (schema, *_) = await desk.api.filtered(
        "/block_schemas/filter", block_schemas={"block_type_id": {"any_": [kind["id"]]}}
    )
    block = {
        "name": "workload-identity-notify",
        "block_type_id": kind["id"],
        "block_schema_id": schema["id"],
        "data": {"method": "POST", "url": f"http://127.0.0.1:{port}/"},
    }
    (await desk.post("/block_documents/", block)).raise_for_status()
    variables = desk.terminal.variables({"PREFECT_API_URL": desk.api.url})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deployments.automations", cwd=ROOT, env=variables, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"")
    async with server:
        yield heard


async def test_a_failed_verification_is_notified_and_diagnosed(desk: Desk) -> None:
    await settled(desk)
    await break_(desk.cloud.simulator.simulation, "clock-ahead", "")
    await drifts(desk)
    async with listening(desk) as heard:
        run = await desk.begun(ON_DEMAND, approve=False)
        assert (await desk.ended(run))["type"] == "FAILED"
        event = await told(desk, Happening.VERIFICATION_FAILED, run)
        assert "cannot read sysadminas-demo-kv-secret" in event["payload"]["objects"][0]

        async def notified() -> str | None:
            return heard[0] if heard else None

        assert "workload-identity.verification.failed in fleet sysadminas-demo: 1" in await eventually(
            notified, "the notification", seconds=30
        )

        async def diagnosed() -> dict[str, Any] | None:
            found = await desk.api.filtered("/flow_runs/filter", flows={"name": {"any_": ["diagnose"]}})
            return next((each for each in found if (each["created_by"] or {}).get("type") == "AUTOMATION"), None)

        diagnosis = await eventually(diagnosed, "the run of diagnose", seconds=30)
        state = await desk.ended(diagnosis["id"])
        assert (state["type"], state["name"]) == ("COMPLETED", "CausesFound")
        artifacts = await desk.api.filtered(
            "/artifacts/filter", artifacts={"flow_run_id": {"any_": [diagnosis["id"]]}, "type": {"any_": ["markdown"]}}
        )
        assert "**clock-ahead** (cluster)" in artifacts[0]["data"]


async def test_an_audit_leaves_its_table_and_tells_what_it_found(desk: Desk) -> None:
    await settled(desk)
    (identity,) = [one for one in desk.cloud.simulator.simulation.azure.applications.values() if one.federated]
    url = f"https://graph.microsoft.com/v1.0/applications/{identity.body['id']}/addPassword"
    await desk.cloud.by_hand("POST", url, {"passwordCredential": {"displayName": "for now"}})
    run = await desk.begun("audit/weekly")
    state = await desk.ended(run)
    assert (state["type"], state["name"], state["message"]) == ("COMPLETED", "Found", "1 warning")
    event = await told(desk, Happening.AUDIT_FOUND, run)
    assert "client secret for now" in event["payload"]["objects"][0]
    artifacts = await desk.api.filtered("/artifacts/filter", artifacts={"flow_run_id": {"any_": [run]}})
    (table,) = [one for one in artifacts if one["type"] == "table"]
    assert "WI004" in str(table["data"])
