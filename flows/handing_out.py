"""Hands a slice to workers, one after the other, until one of them lives to its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from . import kept
from .shards import Beat, ShardError, beat_of
from .summary import Summary, read

DEPLOYMENT = "reconcile-shard/shard"
_TRIES = 3
"""Workers that may die over one slice."""
_ASKED_EVERY = 2.0
_SILENT_SECONDS = 45.0
"""For how long a slice's beat may stop before its machine counts as dead."""
_STARTING_SECONDS = 180.0
"""For how long a worker may take from taking a slice to its first beat."""
_UNTAKEN_SECONDS = 600.0
"""For how long nothing may be heard of any slice before nobody is there to take one."""

_CANCEL_SECONDS = 10.0


@dataclass
class Signs:
    """When anything was last heard of any slice of a plan: as long as others work, a slice may wait for its turn."""

    heard: float = field(default_factory=time.monotonic)


async def carried_out(client: PrefectClient, fleet: str, shard: str, signs: Signs) -> Summary:
    """The summary of a slice, from the first worker that lives to its end. Raises :class:`ShardError`."""
    for attempt in range(1, _TRIES + 1):
        try:
            run = await arun_deployment(
                DEPLOYMENT,
                client=client,
                parameters={"fleet_name": fleet, "shard": shard},
                idempotency_key=f"{shard}-{attempt}",  # a request that is repeated makes no second run
                timeout=0,
            )
        except ObjectNotFound as error:
            message = f"there is no deployment {DEPLOYMENT}: deploy prefect.yaml, or leave shard_size out"
            raise ShardError(message) from error
        try:
            state = await _end_of(client, run, fleet, shard, signs)
        except asyncio.CancelledError:
            await asyncio.shield(_cancel(run))
            raise
        if not state.is_crashed():
            return await _summary(state, shard)
        get_run_logger().warning("%s was lost by its worker (%s); try %d of %d", shard, state.message, attempt, _TRIES)
    message = f"{_TRIES} workers died over {shard}; their logs tell more"
    raise ShardError(message)


async def _summary(state: State[Any], shard: str) -> Summary:
    """What the run left; its state's message where it came to nothing."""
    try:
        result = await state.aresult(raise_on_failure=False)
        summary = read(result)
    except Exception as error:  # each kind of storage has errors of its own
        message = f"the result of {shard} cannot be read: do all machines share one storage of results? ({error})"
        raise ShardError(message) from error
    if summary is None:
        raise ShardError(str(result or state.message or state.name))
    return summary


async def _end_of(client: PrefectClient, run: FlowRun, fleet: str, shard: str, signs: Signs) -> State[Any]:
    """The state in which a slice's run ends, which is a crash where its worker is silent."""
    last, heard = None, time.monotonic()
    while True:
        state = await _state_of(client, run)
        if state is not None and state.is_final():
            return state
        beat = await kept.read(Beat, beat_of(shard), fleet)
        now = time.monotonic()
        if state is None or (state.id, beat) != last:  # a server that does not answer says nothing against the worker
            last, heard = (state.id, beat) if state else last, now
            signs.heard = now
        elif state.is_scheduled():
            if now - signs.heard > _UNTAKEN_SECONDS:
                await _cancel(run)
                seconds = now - signs.heard
                message = f"no worker took {shard} for {seconds:.0f} s: does the work pool of {DEPLOYMENT} have one?"
                raise ShardError(message)
        elif now - heard > (_SILENT_SECONDS if beat.run == str(run.id) else _STARTING_SECONDS):
            crashed: State[Any] = Crashed(message=f"its worker has been silent for {now - heard:.0f} s")
            await client.set_flow_run_state(run.id, crashed, force=True)
            return crashed
        await asyncio.sleep(_ASKED_EVERY)


async def _cancel(run: FlowRun) -> None:
    """The worker of a run that is at work ends it, and tells; of one that is not yet, nobody would.

    By a client of its own: the one that all share may be closed already where the whole run is cancelled.
    """
    async with get_client(httpx_settings={"timeout": _CANCEL_SECONDS}) as client:
        state = await _state_of(client, run)
        ended: State[Any] = Cancelling() if state is not None and state.is_running() else Cancelled()
        if state is None or not state.is_final():
            await client.set_flow_run_state(run.id, ended)


async def _state_of(client: PrefectClient, run: FlowRun) -> State[Any] | None:
    """None while the server does not answer; for how long that may be, the turn to change the fleet decides."""
    try:
        return (await client.read_flow_run(run.id)).state
    except httpx.HTTPError:
        return None
