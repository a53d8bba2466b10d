"""Carries out a plan without Prefect, as wide as its dependencies allow, as the flow does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from clients.session import Clients
from fleet.changes import Change
from fleet.spec import Fleet
from tasks import chain


async def carry_out(clients: Clients, fleet: Fleet, changes: Iterable[Change]) -> None:
    """Apply the changes; the first failure ends it, as an ExceptionGroup."""
    outputs: dict[str, dict[str, str]] = {}
    running: dict[str, asyncio.Task[None]] = {}

    async def one(change: Change) -> None:
        await asyncio.gather(*(running[key] for key in change.after))
        outputs[change.key] = await chain.apply(clients, fleet, change, outputs)

    async with asyncio.TaskGroup() as group:
        for change in changes:
            running[change.key] = group.create_task(one(change))
