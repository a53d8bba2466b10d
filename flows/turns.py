"""One run at a time changes a fleet, wherever it runs: by a concurrency limit of the Prefect server that all share.

The limit's one slot is leased, and the lease is renewed while the run lives. A run that is killed would keep its turn
until the lease ends; so whoever has it leaves a card, by which the next one can tell that it is dead.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import psutil
from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, State
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Crashed

from fleet.spec import Model

from . import kept
from .form import WhenBusy
from .processes import alive
from .progress import Phase, tell
from .watching import as_long_as

_LEASE_SECONDS, _RENEWED_EVERY, _ASKED_EVERY = 90.0, 20.0, 1.0


class FleetBusyError(Exception):
    """Another run is changing the fleet, and this one was not to wait."""

    def __init__(self, fleet: str) -> None:
        super().__init__(f"skipped: another run is changing {fleet}")


class TurnLostError(Exception):
    """The lease of the turn ended while the run was working: somebody else may have it."""

    def __init__(self, fleet: str) -> None:
        super().__init__(
            f"the Prefect server no longer knows that this run is changing {fleet}, so it stopped: run it again"
        )


class Card(Model):
    """Who has the turn."""

    lease: str = ""
    run: str = ""
    attempt: int = 0
    """How often the run had begun: a retry of the same run is alive though the process on the card is not."""
    host: str = ""
    pid: int = 0
    born: float = 0.0
    """When that process began, in seconds since 1970."""


def limit_of(fleet: str) -> str:
    """The name of the concurrency limit whose one slot is the turn to change this fleet."""
    return f"workload-identity fleet {fleet}"


async def lease_of(fleet: str) -> str:
    """The lease of whoever has the turn to change this fleet, as its card says."""
    return (await kept.read(Card, "turn", fleet)).lease


async def is_over(fleet: str, lease: str) -> bool:
    """Whether somebody else has had the turn since. False where there is no card to tell."""
    card = await kept.find(Card, "turn", fleet)
    return card is not None and card.lease not in ("", lease)


@asynccontextmanager
async def turn(fleet: str, when_busy: WhenBusy) -> AsyncIterator[None]:
    """Be the only run that changes this fleet.

    Raises :class:`FleetBusyError` where another is and this is not to wait, :class:`TurnLostError` out of the block
    where the server takes the turn away.
    """
    waiting = f"another run is changing {fleet}: waiting for its end"
    waits = False

    def wait() -> None:
        nonlocal waits
        if when_busy is WhenBusy.SKIP:
            raise FleetBusyError(fleet)
        if not waits:
            waits = True
            get_run_logger().info(waiting)
            tell(waiting, Phase.STARTED)

    async with _held(limit_of(fleet), "turn", fleet, wait):
        if waits:
            tell(waiting, Phase.DONE)
        yield


@asynccontextmanager
async def one_writer(what: str) -> AsyncIterator[None]:
    """Be the only one on any machine that writes to this, as :meth:`~clients.session.Clients.writing` names it."""
    async with _held(f"workload-identity writer of {what}", "writer", what, lambda: None):
        yield


@asynccontextmanager
async def _held(limit: str, kind: str, of: str, wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the only slot of a limit; ``wait`` is called while somebody else does, and may raise."""
    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name(limit, 1)
        lease = await _taken(client, limit, kind, of, wait)

        async def renewed() -> TurnLostError:
            await _renewed_to_the_end(client, lease)
            return TurnLostError(of)

        try:
            async with as_long_as(renewed):
                yield
        finally:
            with suppress(httpx.HTTPError):
                await asyncio.shield(client.release_concurrency_slots_with_lease(lease))


async def _taken(client: PrefectClient, limit: str, kind: str, of: str, wait: Callable[[], None]) -> UUID:
    ended = ""
    while (lease := await _try(client, limit)) is None:
        card = await kept.read(Card, kind, of)
        if card.lease != ended and await _is_dead(client, card):
            ended = card.lease  # the next one may not have left its card yet
            await _report_crash(client, card)
            await client.release_concurrency_slots_with_lease(UUID(card.lease))
            continue
        wait()
        await asyncio.sleep(_ASKED_EVERY)
    born = psutil.Process().create_time()
    card = Card(
        lease=str(lease),
        run=flow_run.id or "",
        attempt=flow_run.run_count or 0,
        host=socket.gethostname(),
        pid=os.getpid(),
        born=born,
    )
    try:
        await kept.write(card, kind, of)
    except BaseException:
        await asyncio.shield(client.release_concurrency_slots_with_lease(lease))
        raise
    return lease


async def _try(client: PrefectClient, limit: str) -> UUID | None:
    """The lease of the slot; None where somebody has it."""
    run = flow_run.id
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(run)) if run else None
    try:
        answer = await client.increment_concurrency_slots_with_lease([limit], 1, "concurrency", _LEASE_SECONDS, holder)
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.LOCKED:
            return None
        raise
    return UUID(answer.json()["lease_id"])


async def _is_dead(client: PrefectClient, card: Card) -> bool:
    """Whether the run that left the card can no longer be at work: its process is gone, or Prefect knows its end."""
    if not card.lease:
        return False
    if card.host == socket.gethostname():
        return alive(card.pid, card.born) is None
    try:
        state = (await client.read_flow_run(UUID(card.run))).state
    except (ObjectNotFound, ValueError):
        return False
    return state is not None and state.is_final()


async def _report_crash(client: PrefectClient, card: Card) -> None:
    """Tell Prefect that the run on the card is dead, where no worker has: it would count as running for ever."""
    try:
        run = await client.read_flow_run(UUID(card.run))
    except (ObjectNotFound, ValueError):
        return
    if run.state is not None and run.state.is_running() and run.run_count == card.attempt:
        crashed: State[Any] = Crashed(message=f"its process {card.pid} on {card.host} ended without a word")
        await client.set_flow_run_state(run.id, crashed, force=True)


async def _renewed_to_the_end(client: PrefectClient, lease: UUID) -> None:
    """Keep the lease until it is lost, or the server has not answered for as long as it lasts."""
    renewed = time.monotonic()
    while time.monotonic() - renewed <= _LEASE_SECONDS:
        await asyncio.sleep(_RENEWED_EVERY)
        try:
            await client.renew_concurrency_lease(lease, _LEASE_SECONDS)
            renewed = time.monotonic()
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.GONE:
                return
        except httpx.HTTPError:
            pass
