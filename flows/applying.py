"""Applies a plan as wide as its dependencies allow: a change starts when those it comes after are done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State

from fleet.plan import Change
from tasks.chain import title

from .progress import Phase, tell
from .runs import WORK, apply_change

_AT_ONCE = 256
"""Changes under way. Each host takes as many requests of them as it can: :mod:`clients.pace`."""


@dataclass(frozen=True)
class Outcome:
    """How a change went. ``error`` is for the user; None where it was applied."""

    change: Change
    error: str | None = None
    skipped: bool = False


async def apply(changes: Iterable[Change], earlier: Iterable[Outcome] = ()) -> list[Outcome]:
    """Apply the changes of one plan, each as a task run of its own. A failure skips only what comes after it.

    ``earlier`` are the outcomes of those of the plan that were applied before.
    """
    room = asyncio.Semaphore(_AT_ONCE)
    running = {outcome.change.key: asyncio.create_task(_done(outcome)) for outcome in earlier}
    over = len(running)
    for change in changes:
        before = [running[key] for key in change.after]
        running[change.key] = asyncio.create_task(_one(change, before, room))
    return [outcome for outcome, _ in (await asyncio.gather(*running.values()))[over:]]


async def _done(outcome: Outcome) -> tuple[Outcome, State[Any] | None]:
    return outcome, None


async def _one(
    change: Change, before: list[asyncio.Task[tuple[Outcome, State[Any] | None]]], room: asyncio.Semaphore
) -> tuple[Outcome, State[Any] | None]:
    earlier = [await task for task in before]
    if failed := next((outcome for outcome, _ in earlier if outcome.error), None):
        tell(title(change), Phase.SKIPPED, f"after {title(failed.change)}")
        return Outcome(change, f"not tried: it comes after {title(failed.change)}", skipped=True), None
    async with room:
        tell(title(change), Phase.STARTED)
        run = apply_change.with_options(task_run_name=title(change))
        state: State[Any] = await run(  # type: ignore[misc]  # Prefect types return_state for synchronous tasks only
            change, wait_for=[state for _, state in earlier if state], return_state=True
        )
        try:
            WORK.get().outputs[change.key] = await state.aresult()
        except Exception as error:  # noqa: BLE001 - one step's failure is reported, and the others go on
            tell(title(change), Phase.FAILED, str(error))
            return Outcome(change, str(error)), state
    tell(title(change), Phase.DONE)
    return Outcome(change), state
