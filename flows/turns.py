"""One run at a time changes a fleet, wherever it runs: by a concurrency limit of the Prefect server that all share.

A run that is killed keeps its turn until its lease ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.runtime import flow_run

from .form import WhenBusy
from .progress import Phase, tell

LEASE_SECONDS = 60.0
"""The shortest that Prefect takes; it is renewed while the run lives."""


class FleetBusyError(Exception):
    """Another run is changing the fleet, and this one was not to wait."""

    def __init__(self, fleet: str) -> None:
        super().__init__(f"skipped: another run is changing {fleet}")


def limit_of(fleet: str) -> str:
    """The name of the concurrency limit whose one slot is the turn to change this fleet."""
    return f"workload-identity fleet {fleet}"


@asynccontextmanager
async def turn(fleet: str, when_busy: WhenBusy) -> AsyncIterator[None]:
    """Be the only run that changes this fleet. :class:`FleetBusyError` where another is, and this is not to wait."""
    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name(limit_of(fleet), 1)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(_slot(fleet, tries=0))
        except ConcurrencySlotAcquisitionError as error:
            if not _is_taken(error):
                raise
            if when_busy is WhenBusy.SKIP:
                raise FleetBusyError(fleet) from None
            waiting = f"another run is changing {fleet}: waiting for its end"
            get_run_logger().info(waiting)
            tell(waiting, Phase.STARTED)
            await stack.enter_async_context(_slot(fleet))
            tell(waiting, Phase.DONE)
        yield


def _slot(fleet: str, tries: int | None = None) -> AbstractAsyncContextManager[None]:
    run = flow_run.id
    return concurrency(
        limit_of(fleet),
        max_retries=tries,
        strict=True,
        lease_duration=LEASE_SECONDS,
        holder=ConcurrencyLeaseHolder(type="flow_run", id=run) if run else None,
    )


def _is_taken(error: ConcurrencySlotAcquisitionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.LOCKED
