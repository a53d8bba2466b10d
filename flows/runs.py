"""How our work becomes Prefect's: task runs with names, retries that know what is permanent, results as JSON.

Every task says what it does about caching. A change's result is kept under a key of its own task run, as a record, and
is no cache: a run observes before it plans, so a step that is done is not planned again, whereas a cached one would
hide that somebody has undone it meanwhile. What is proven is kept in a book of its own (:mod:`flows.proof_book`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.tasks import Task, exponential_backoff

from clients.session import Clients
from clients.waiting import is_permanent
from fleet.changes import Change
from fleet.observed import Observation
from fleet.proof import Chain, Proof
from fleet.spec import Fleet
from tasks import chain, verification

from . import lineage
from .fleet_files import load_path
from .observing import plainly


def run_name() -> str:
    """``reconcile sysadminas-demo``: a list of runs should say what was run on what."""
    parameters = flow_run.parameters or {}
    fleet = parameters.get("fleet")
    name = fleet.name if isinstance(fleet, Fleet) else (fleet or {}).get("name")
    return f"{flow_run.flow_name} {name or parameters.get('fleet_file') or parameters.get('plan_file')}"


FLOW_OPTIONS: dict[str, Any] = {
    "flow_run_name": run_name,
    "retries": 0,
    "persist_result": True,
    "result_serializer": "json",
    "validate_parameters": True,
}


def shard_name() -> str:
    """``shard-…-3 of shop-prod``."""
    return "{shard} of {fleet_name}".format(**(flow_run.parameters or {}))


SHARD_OPTIONS = {**FLOW_OPTIONS, "flow_run_name": shard_name}


@dataclass
class Work:
    """What the task runs of one flow run share. Not a parameter: Prefect would walk through it at every call."""

    clients: Clients
    fleet: Fleet
    outputs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """What the changes applied so far told, by key."""
    changes: Mapping[str, Change] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    """What task runs are about, by key and by fingerprint. A parameter would be walked through again and again, too."""
    groups: dict[str, Callable[[], Awaitable[list[str]]]] = field(default_factory=dict)
    """How all changes of a group are applied, by its name; returns what failed."""


WORK: ContextVar[Work] = ContextVar("work")


class ProofFailedError(Exception):
    """A chain that does not hold; fails its task run."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(str(proof))
        self.proof = proof


def wanted_fleet(fleet: Fleet | None, fleet_file: str | None) -> Fleet:
    """The fleet of a flow's parameters. ValueError where not exactly one is given; FleetFileError for bad files."""
    if (fleet is None) == (fleet_file is None):
        message = "give exactly one of fleet, fleet_file"
        raise ValueError(message)
    if fleet is not None:
        return fleet
    return load_path(Path(str(fleet_file)))


async def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001
    """Whether a failed step may succeed if it is repeated as a whole: never where it was denied or invalid."""
    try:
        await state.aresult()
    except Exception as error:  # noqa: BLE001 - whatever the step raised
        return not is_permanent(error)
    return False


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
async def _look(name: str, look: chain.Look, found: list[Observation]) -> bool:
    found.append(await plainly(name, look))
    return True


async def observing(name: str, look: chain.Look) -> Observation:
    """Make an observation as a task run.

    It does not return what it saw: Prefect knows results by their address in memory, and takes whatever lies there
    later, when that is gone, for the same, so that the run's graph has changes wait for a look at random.
    """
    found: list[Observation] = []
    await _look(name, look, found)
    return found[-1]


@task(
    task_run_name="{title}",
    persist_result=True,
    result_serializer="json",
    result_storage_key="change-{task_run.id}.json",  # in place of a cache policy: no other task run reads it
    retries=2,
    retry_delay_seconds=exponential_backoff(2),
    retry_jitter_factor=0.5,
    retry_condition_fn=worth_retrying,
)
async def apply_change(title: str, key: str) -> dict[str, str]:  # noqa: ARG001 - the title names the task run
    """Carry out one change; returns what it told (issuer, client id, principal id). Nothing of it is secret."""
    return await carry_out_change(key)


async def carry_out_change(key: str) -> dict[str, str]:
    """Carry out the change of this key; returns what it told."""
    work = WORK.get()
    return await chain.apply(work.clients, work.fleet, work.changes[key], work.outputs)


class GroupFailedError(Exception):
    """Changes of a group that could not be applied; fails its task run."""


@task(task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
async def apply_group(title: str, name: str) -> None:  # noqa: ARG001 - as above
    """Carry out all changes of a group. Raises :class:`GroupFailedError` where some cannot be."""
    if failures := await WORK.get().groups[name]():
        raise GroupFailedError("\n".join(failures))


@task(task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False, retries=0)
async def prove(title: str, fingerprint: str, patience_seconds: float) -> Proof:  # noqa: ARG001 - as above
    """Verify one chain. Raises :class:`ProofFailedError` where it does not hold."""
    work = WORK.get()
    proof = await verification.verify(work.clients, work.fleet, work.chains[fingerprint], patience_seconds)
    proof = proof.model_copy(update={"at": datetime.now(UTC).isoformat(timespec="seconds")})
    if not proof.holds:
        raise ProofFailedError(proof)
    lineage.proven(work.fleet.name, proof.chain)
    return proof
