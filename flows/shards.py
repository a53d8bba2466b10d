"""One slice of a large plan: what its run must know, its run, and the beat by which others can tell that it lives.

:mod:`flows.many` makes slices, and gives one whose beat has stopped to another worker: every step compares before it
writes, so what is done stays done.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from uuid import UUID

import httpx
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from clients.session import open_clients
from fleet.changes import Change, Plan
from fleet.observed import Observed
from fleet.spec import Fleet, Model

from . import kept, runs, turns
from .carrying_out import carry_out
from .summary import ended
from .watching import as_long_as

_BEAT_EVERY = 5.0


class ShardError(Exception):
    """A slice that could not be carried out. The text is for the user."""


class Shard(Model):
    """One slice, with all that its run must know. Nothing of it is secret."""

    fleet: Fleet
    """With just the workloads that the slice is about."""
    observed: Observed
    """What the coordinator saw of their clusters and identities."""
    changes: tuple[Change, ...]
    outputs: dict[str, dict[str, str]]
    """What the changes before the slice told, by key."""
    verify: bool
    turn: str = ""
    """The lease of the coordinator's turn to change the fleet: the slice's run ends where somebody else has one."""


class Beat(Model):
    """Changes while a slice's run is alive. A count and no time: machines' clocks differ."""

    run: str = ""
    count: int = 0


def beat_of(shard: str) -> str:
    """The name of the document in which the run of this slice leaves its beat."""
    return f"beat-{shard}"


@flow(name="reconcile-shard", description="Carries out one slice of a large plan.", **runs.SHARD_OPTIONS)
async def reconcile_shard(fleet_name: str, shard: str) -> State[str]:
    """Carry out the slice of this name, which a reconcile of a large fleet has left. Only such a run starts it."""
    started = time.monotonic()
    given = await kept.find(Shard, shard, fleet_name)
    if given is None:
        message = f"there is no {shard} of {fleet_name} where results are kept: do all machines share that storage?"
        raise ShardError(message)
    async with as_long_as(partial(_beat, shard, given)), open_clients(everywhere=_one_writer) as clients:
        clients.tenancy = given.observed.tenancy
        runs.WORK.set(runs.Work(clients, given.fleet, outputs=dict(given.outputs)))
        done = await carry_out(given.changes, given.observed, verify=given.verify, keep=False)
        plan = Plan(fleet=fleet_name, changes=given.changes)
        summary = done.summary(plan, requests=clients.traffic.requests, started=started)
    return ended(summary)


def _one_writer(what: str) -> AbstractAsyncContextManager[None]:
    """Vaults are written from several slices; the credentials of an identity are all in one."""
    return turns.one_writer(what) if what.startswith("vault ") else nullcontext()


async def _beat(shard: str, given: Shard) -> ShardError:
    """Leave a beat until the slice is no longer this run's to carry out; returns why."""
    count, lost = 0, ""
    while not lost:
        count += 1
        try:
            await kept.write(Beat(run=flow_run.id or "", count=count), beat_of(shard), given.fleet.name)
            lost = await _why_lost(given)
        except (httpx.HTTPError, kept.StorageError):
            pass  # who cannot be reached for a moment does not end a run; its silence does
        await asyncio.sleep(0 if lost else _BEAT_EVERY)
    return ShardError(f"{shard} was given up: {lost}")


async def _why_lost(given: Shard) -> str:
    """Why this run is to stop; empty while it is to go on."""
    run = flow_run.id
    async with get_client() as client:
        state = (await client.read_flow_run(UUID(run))).state if run else None
    if state is not None and state.is_final():
        return "this worker was silent, and another one has it now"
    if given.turn and await turns.is_over(given.fleet.name, given.turn):
        return "the run that left it has ended, and another one is changing the fleet"
    return ""
