"""Applies a plan as wide as its dependencies allow: a change starts when those it comes after are done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.tasks import Task

from fleet.changes import Change
from tasks.chain import title

from . import artifacts
from .progress import Phase, tell
from .runs import WORK, apply_change

_GRAPH_OF = 500
"""Changes of which Prefect is told what waits for what, and keeps the results: with more, its graph shows nothing and
costs a quarter of the run."""
_AT_ONCE = 256
"""Changes under way. Each host takes as many requests of them as it can: :mod:`clients.pace`."""


@dataclass(frozen=True)
class Outcome:
    """How a change went. ``error`` is for the user; None where it was applied."""

    change: Change
    error: str | None = None
    skipped: bool = False


_Ended = tuple[Outcome, State[Any] | None]
_Running = asyncio.Task[_Ended]


async def apply(changes: Iterable[Change], earlier: Iterable[Outcome] = ()) -> list[Outcome]:
    """Apply the changes of one plan, each as a task run of its own. A failure skips only what comes after it.

    ``earlier`` are the outcomes of those of the plan that were applied before.
    """
    changes = list(changes)
    task = apply_change if len(changes) <= _GRAPH_OF else apply_change.with_options(persist_result=False)
    WORK.get().changes = {change.key: change for change in changes}
    room = asyncio.Semaphore(_AT_ONCE)
    running: dict[str, _Running] = {outcome.change.key: asyncio.create_task(_done(outcome)) for outcome in earlier}
    over = len(running)
    async with artifacts.progress("changes", len(changes)) as one_more:
        for change in changes:
            before = [running[key] for key in change.after]
            running[change.key] = asyncio.create_task(_one(task, change, before, room))
            running[change.key].add_done_callback(lambda _: one_more())
        return [outcome for outcome, _ in (await asyncio.gather(*running.values()))[over:]]


async def _done(outcome: Outcome) -> _Ended:
    return outcome, None


async def _one(task: Task[[str, str], Any], change: Change, before: list[_Running], room: asyncio.Semaphore) -> _Ended:
    earlier = [await task for task in before]
    if failed := next((outcome for outcome, _ in earlier if outcome.error), None):
        tell(title(change), Phase.SKIPPED, f"after {title(failed.change)}")
        return Outcome(change, f"not tried: it comes after {title(failed.change)}", skipped=True), None
    async with room:
        tell(title(change), Phase.STARTED)
        waited_for = [state for _, state in earlier if state] if task is apply_change else None
        state: State[Any] = await task(  # type: ignore[misc]  # Prefect types return_state for synchronous tasks only
            title(change), change.key, wait_for=waited_for, return_state=True
        )
        try:
            WORK.get().outputs[change.key] = await state.aresult()
        except Exception as error:  # noqa: BLE001 - one step's failure is reported, and the others go on
            tell(title(change), Phase.FAILED, str(error))
            return Outcome(change, str(error)), _without_result(state)
    tell(title(change), Phase.DONE)
    return Outcome(change), _without_result(state)


def _without_result(state: State[Any]) -> State[Any]:
    """What others wait for: Prefect walks through all of it, and wants only to know which task run it was."""
    return state.model_copy(update={"data": True})
