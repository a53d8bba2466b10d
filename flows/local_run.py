"""Runs a flow in this process, for the command line."""

from __future__ import annotations

import asyncio
import gc
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from prefect.client.schemas.objects import State

from clients.errors import CloudError

from .progress import Listener, listening
from .reconcile import reconcile
from .summary import Summary, read
from .teardown import teardown
from .verify import verify

_TOO_LARGE = re.compile(r"Flow run parameters must be less than [\d,]+ bytes when serialized \(got [\d,]+ bytes\)")
_FLOWS: Mapping[str, Any] = {"reconcile": reconcile, "verify": verify, "teardown": teardown}


@dataclass(frozen=True)
class LocalOutcome:
    """How a flow run ended here. Without a summary it did not get to its work, and ``error`` says why."""

    run_id: str | None
    completed: bool
    summary: Summary | None
    error: str | None = None


def run(name: str, parameters: Mapping[str, Any], listener: Listener) -> LocalOutcome:
    """Run the flow of this name to its end; ``listener`` hears of every step."""

    async def attended() -> State[Any]:
        with listening(listener):
            state: State[Any] = await _FLOWS[name](**parameters, return_state=True)
            return state

    # What the imports made lives to the end, and a run makes much that is gone soon: looking through both again and
    # again took a quarter of a large one.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        state = asyncio.run(attended())
    except httpx.HTTPError as failure:
        return LocalOutcome(None, completed=False, summary=None, error=no_longer_kept(failure))
    run_id = str(state.state_details.flow_run_id) if state.state_details.flow_run_id else None
    summary, error = asyncio.run(_result(state))
    return LocalOutcome(run_id, state.is_completed(), summary, error)


def no_longer_kept(error: httpx.HTTPError) -> str:
    """That the server itself has failed, or does not take the fleet: what no state of a run can tell."""
    server = f"the Prefect server {os.environ.get('PREFECT_API_URL')}"
    answer = error.response if isinstance(error, httpx.HTTPStatusError) else None
    if answer is not None and (size := _TOO_LARGE.search(answer.text)):
        return (
            f"{server} takes no fleet of this size: {size[0]}. Start it with PREFECT_SERVER_API_MAX_PARAMETER_SIZE=0, "
            "or run the deployment reconcile/on-demand there, which reads the fleet's file itself (fleet_file)"
        )
    return (
        f"{server} can keep nothing of this run ({f'HTTP {answer.status_code}' if answer is not None else error}), so "
        "it stopped. Its log tells why; most likely its database is full, locked or read-only. Put that right and run "
        "it again: what is done is not done again"
    )


async def _result(state: State[Any]) -> tuple[Summary | None, str | None]:
    try:
        result = await state.aresult(raise_on_failure=False)
    except Exception as error:  # noqa: BLE001 - whatever the run left is for the user to read
        return None, str(error)
    if isinstance(result, CloudError):
        return None, str(result)
    if (summary := read(result)) is not None:
        return summary, None
    return None, str(result or state.message or state.name)
