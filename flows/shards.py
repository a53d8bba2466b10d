"""A large plan on many machines: slices of it as runs of a deployment of their own, gathered into one outcome.

A slice is a document where results are kept; its run is told by name alone. While it works it leaves a beat there, and
a slice whose beat has stopped is given to another worker: every step compares before it writes, so what is done stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from uuid import UUID

from prefect import flow, get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelling, Completed, Crashed, Failed

from clients.session import open_clients
from fleet import slicing
from fleet.changes import Change, Plan
from fleet.observed import Observed
from fleet.resources import Outputs
from fleet.spec import Fleet, Model

from . import artifacts, kept, runs, turns
from .applying import Outcome
from .carrying_out import Done, carry_out
from .summary import Summary

DEPLOYMENT = "reconcile-shard/shard"
_TRIES = 3
"""Workers that may die over one slice."""
_ASKED_EVERY, _BEAT_EVERY = 2.0, 5.0
_SILENT_SECONDS = 45.0
"""For how long a slice's beat may stop before its machine counts as dead."""
_UNTAKEN_SECONDS = 600.0
"""For how long a slice may wait for a worker."""
_PLACES = ("cluster", "application", "managed-identity")
"""Kinds of what a chain must know to be tried: its issuer, its client id."""


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


class Beat(Model):
    """Changes while a slice's run is alive. A count and no time: machines' clocks differ."""

    run: str = ""
    count: int = 0


@flow(name="reconcile-shard", description="Carries out one slice of a large plan.", **runs.SHARD_OPTIONS)
async def reconcile_shard(fleet_name: str, shard: str) -> State[Summary]:
    """Carry out the slice of this name, which a reconcile of a large fleet has left. Only such a run starts it."""
    started = time.monotonic()
    given = await kept.find(Shard, shard, fleet_name)
    if given is None:
        message = f"there is no {shard} of {fleet_name} where results are kept: do all machines share that storage?"
        raise ShardError(message)
    async with _beating(shard, fleet_name), open_clients(everywhere=_one_writer) as clients:
        clients.tenancy = given.observed.tenancy
        runs.WORK.set(runs.Work(clients, given.fleet, outputs=dict(given.outputs)))
        done = await carry_out(given.changes, given.observed, verify=given.verify, keep=False)
        summary = Summary(
            plan=done.applied(Plan(fleet=fleet_name, changes=given.changes)),
            failures=done.failures,
            waiting=done.waiting,
            proofs=tuple(done.proofs),
            gaps=tuple(done.gaps),
            requests=clients.traffic.requests,
            seconds=time.monotonic() - started,
        )
    ended = Completed if summary.succeeded else Failed
    return ended(message=summary.headline, data=summary)


def _one_writer(what: str) -> AbstractAsyncContextManager[None]:
    """Vaults are written from several slices; the credentials of an identity are all in one."""
    return turns.one_writer(what) if what.startswith("vault ") else nullcontext()


async def carry_out_on_many(planned: Plan, observed: Observed, *, verify: bool, most: int) -> tuple[Done, int]:
    """As :func:`~flows.carrying_out.carry_out`, in slices of at most ``most`` changes, each a run on some machine.

    What is shared is done here, before the slices or after them, and so are the proofs of what nobody changes. Returns
    the requests of the other machines, too.
    """
    work = runs.WORK.get()
    whole = work.fleet
    parts = slicing.parts(planned.changes, [cluster.name for cluster in whole.clusters], most)
    done = await carry_out(parts.first, observed, verify=False)
    pieces = []
    for slice_ in parts.slices:
        ready, skipped = _after_failures(slice_, done.failures)
        done.outcomes += skipped
        pieces.append(_shard(whole, observed, ready, work.outputs, verify=verify))
    summaries = await _handed_out(whole.name, pieces)
    for piece, summary in zip(pieces, summaries, strict=True):
        done.outcomes += _outcomes(planned, piece, summary)
        done.waiting |= summary.waiting
        done.proofs += summary.proofs
        done.gaps += summary.gaps
    elsewhere = {str(workload) for piece in pieces for workload in piece.fleet.workloads}
    rest = tuple(workload for workload in whole.workloads if str(workload) not in elsewhere)
    work.fleet = whole.model_copy(update={"workloads": rest})
    try:
        last = await carry_out(parts.last, observed, verify=verify, earlier=done.outcomes, proofs=done.proofs)
    finally:
        work.fleet = whole
    done.outcomes += last.outcomes
    done.waiting |= last.waiting
    done.proofs, done.gaps = [*done.proofs, *last.proofs], [*done.gaps, *last.gaps]
    return done, sum(summary.requests for summary in summaries)


def _after_failures(changes: Iterable[Change], failures: Mapping[str, str]) -> tuple[list[Change], list[Outcome]]:
    """The changes that may be tried, and what is to be told of those that come after something that failed."""
    ready: list[Change] = []
    skipped: dict[str, Outcome] = {}
    for change in changes:
        if behind := next((key for key in change.after if key in failures or key in skipped), None):
            skipped[change.key] = Outcome(change, f"not tried: it comes after {behind}", skipped=True)
        else:
            ready.append(change)
    return ready, list(skipped.values())


def _shard(fleet: Fleet, observed: Observed, changes: Sequence[Change], outputs: Outputs, *, verify: bool) -> Shard:
    here = {change.key for change in changes}
    groups = {change.group for change in changes}
    concerned = tuple(
        workload
        for workload in fleet.workloads
        if not groups.isdisjoint(
            {f"workload:{workload}", f"identity:{workload.identity}", f"namespace:{workload.namespace}"}
        )
    )
    return Shard(
        fleet=fleet.model_copy(update={"workloads": concerned}),
        observed=Observed(
            tenancy=observed.tenancy,
            found=tuple(found for found in observed.found if found.resource.kind in _PLACES),
            unknown=observed.unknown,
        ),
        changes=tuple(
            change.model_copy(update={"after": tuple(key for key in change.after if key in here)}) for change in changes
        ),
        outputs={key: dict(told) for key, told in outputs.items()},
        verify=verify,
    )


def _outcomes(planned: Plan, piece: Shard, summary: Summary) -> list[Outcome]:
    """What came of a slice's changes, each coming again after all that it comes after in the whole plan."""
    after = {change.key: change.after for change in planned.changes}
    applied = {change.key: change for change in summary.plan.changes}
    return [
        Outcome(
            applied.get(change.key, change).model_copy(update={"after": after[change.key]}),
            summary.failures.get(change.key),
        )
        for change in piece.changes
        if change.key not in summary.waiting
    ]


async def _handed_out(fleet: str, pieces: Sequence[Shard]) -> list[Summary]:
    """The outcome of every slice; one that nobody could carry out has failed in all its changes."""
    async with get_client() as client, artifacts.progress("slices on other machines", len(pieces)) as one_more:

        async def one(number: int, piece: Shard) -> Summary:
            name = f"shard-{flow_run.id}-{number}"
            await kept.write(piece, name, fleet)
            try:
                return await _carried_out_by_some(client, fleet, name)
            except ShardError as error:
                failures = {change.key: str(error) for change in piece.changes}
                return Summary(plan=Plan(fleet=fleet, changes=piece.changes), failures=failures)
            finally:
                one_more()
                await kept.remove(name, fleet)
                await kept.remove(f"beat-{name}", fleet)

        return list(await asyncio.gather(*(one(number, piece) for number, piece in enumerate(pieces, 1))))


async def _carried_out_by_some(client: PrefectClient, fleet: str, shard: str) -> Summary:
    """The summary of a slice, from the first worker that lives to its end. Raises :class:`ShardError`."""
    for attempt in range(1, _TRIES + 1):
        try:
            run = await arun_deployment(
                DEPLOYMENT, client=client, parameters={"fleet_name": fleet, "shard": shard}, timeout=0
            )
        except ObjectNotFound as error:
            message = f"there is no deployment {DEPLOYMENT}: deploy prefect.yaml, or leave shard_size out"
            raise ShardError(message) from error
        try:
            state = await _end_of(client, run, fleet, shard)
        except asyncio.CancelledError:
            await asyncio.shield(client.set_flow_run_state(run.id, Cancelling(), force=True))
            raise
        if not state.is_crashed():
            summary = await state.aresult(raise_on_failure=False)
            if isinstance(summary, Summary | dict):
                return Summary.model_validate(summary)
            raise ShardError(str(summary or state.message))
        get_run_logger().warning("%s was lost by its worker (%s); try %d of %d", shard, state.message, attempt, _TRIES)
    message = f"{_TRIES} workers died over {shard}; their logs tell more"
    raise ShardError(message)


async def _end_of(client: PrefectClient, run: FlowRun, fleet: str, shard: str) -> State[Summary]:
    """The state in which a slice's run ends, which is a crash where its beat stops."""
    beat, heard = Beat(), time.monotonic()
    while True:
        state = (await client.read_flow_run(run.id)).state
        if state is not None and state.is_final():
            return state
        now = await kept.read(Beat, f"beat-{shard}", fleet)
        if now != beat:
            beat, heard = now, time.monotonic()
        silent = time.monotonic() - heard
        if beat.run == str(run.id) and silent > _SILENT_SECONDS:
            crashed: State[Summary] = Crashed(message=f"its worker has been silent for {silent:.0f} s")
            await client.set_flow_run_state(run.id, crashed, force=True)
            return crashed
        if beat.run != str(run.id) and silent > _UNTAKEN_SECONDS:
            await client.set_flow_run_state(run.id, Cancelling(), force=True)
            message = f"no worker took {shard} within {silent:.0f} s: does the work pool of {DEPLOYMENT} have one?"
            raise ShardError(message)
        await asyncio.sleep(_ASKED_EVERY)


@asynccontextmanager
async def _beating(shard: str, fleet: str) -> AsyncIterator[None]:
    """Leave a beat while the block works, and end it where the coordinator has given the slice to somebody else."""
    here, run = asyncio.current_task(), flow_run.id
    assert here is not None
    lost = False

    async def beat() -> None:
        nonlocal lost
        count = 0
        async with get_client() as client:
            while True:
                count += 1
                await kept.write(Beat(run=str(run), count=count), f"beat-{shard}", fleet)
                await asyncio.sleep(_BEAT_EVERY)
                state = (await client.read_flow_run(UUID(run))).state if run else None
                if state is not None and state.is_final():
                    lost = True
                    here.cancel()
                    return

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            message = f"{shard} was given to another worker, since this one was silent"
            raise ShardError(message) from None
        raise
    finally:
        beating.cancel()
