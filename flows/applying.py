"""Applies a plan as wide as its dependencies allow: a change starts when those it comes after are done.

Each is a task run of its own, or in a large plan one of a group's: Prefect's part of a small change costs as much as
ours.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefect.client.schemas.objects import State

from fleet.changes import Change
from tasks.chain import title

from . import artifacts
from .progress import Phase, tell
from .runs import WORK, apply_change, apply_group, carry_out_change

_ONE_BY_ONE = 500
"""Changes that are task runs of their own, whose graph tells what waited for what; with more, groups are."""
_AT_ONCE = 256
"""Changes under way. Each host takes as many requests of them as it can: :mod:`clients.pace`."""


@dataclass(frozen=True)
class Outcome:
    """How a change went. ``error`` is for the user; None where it was applied."""

    change: Change
    error: str | None = None
    skipped: bool = False

    @classmethod
    def after_failure(cls, change: Change, failed: Change) -> Outcome:
        """Of a change that is not tried, because it comes after one that failed."""
        return cls(change, f"not tried: it comes after {title(failed)}", skipped=True)


_Ended = tuple[Outcome, State[Any] | None]
_Running = asyncio.Future[_Ended]
_Doing = Callable[[Change, list[State[Any]]], Awaitable[_Ended]]


async def apply(changes: Iterable[Change], earlier: Iterable[Outcome] = ()) -> list[Outcome]:
    """Apply the changes of one plan. A failure skips only what comes after it.

    ``earlier`` are the outcomes of those of the plan that were applied before.
    """
    changes = list(changes)
    WORK.get().changes = {change.key: change for change in changes}
    running: dict[str, _Running] = {outcome.change.key: _over(outcome) for outcome in earlier}
    over = len(running)
    async with artifacts.progress("changes", len(changes)) as one_more:
        for change in changes:  # the futures of all, before any of them is waited for
            running[change.key] = asyncio.get_running_loop().create_future()
            running[change.key].add_done_callback(lambda _: one_more())
        room = asyncio.Semaphore(_AT_ONCE)
        if len(changes) <= _ONE_BY_ONE:
            await asyncio.gather(*(_one(change, running, room, _as_task_run) for change in changes))
        else:
            await asyncio.gather(*(_group(name, group, running, room) for name, group in _groups(changes).items()))
        return [future.result()[0] for future in list(running.values())[over:]]


def _over(outcome: Outcome) -> _Running:
    future: _Running = asyncio.get_running_loop().create_future()
    future.set_result((outcome, None))
    return future


def _groups(changes: Iterable[Change]) -> Mapping[str, list[Change]]:
    groups: Mapping[str, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.group].append(change)
    return groups


async def _group(name: str, changes: list[Change], running: Mapping[str, _Running], room: asyncio.Semaphore) -> None:
    """Apply changes in one task run, which fails where one of them does."""

    async def all_of_them() -> list[str]:
        await asyncio.gather(*(_one(change, running, room, _plainly) for change in changes))
        outcomes = [running[change.key].result()[0] for change in changes]
        return [f"{title(outcome.change)}: {outcome.error}" for outcome in outcomes if outcome.error]

    WORK.get().groups[name] = all_of_them
    state: State[Any] = await apply_group(  # type: ignore[misc]  # Prefect types return_state for synchronous tasks only
        f"{name.replace(':', ' ', 1)}, {len(changes)} changes", name, return_state=True
    )
    for change in changes:  # nobody may wait for ever for a task run that ended without a word
        if not running[change.key].done():
            running[change.key].set_result((Outcome(change, f"its task run ended early: {state.message}"), None))


async def _one(change: Change, running: Mapping[str, _Running], room: asyncio.Semaphore, do: _Doing) -> None:
    """Apply a change when those it comes after are applied, and tell all who wait for it how it went."""
    earlier = [await asyncio.shield(running[key]) for key in change.after]
    if failed := next((outcome for outcome, _ in earlier if outcome.error), None):
        tell(title(change), Phase.SKIPPED, f"after {title(failed.change)}")
        running[change.key].set_result((Outcome.after_failure(change, failed.change), None))
        return
    async with room:
        tell(title(change), Phase.STARTED)
        outcome, state = await do(change, [state for _, state in earlier if state])
        tell(title(change), Phase.FAILED if outcome.error else Phase.DONE, outcome.error or "")
    running[change.key].set_result((outcome, state))


async def _as_task_run(change: Change, after: list[State[Any]]) -> _Ended:
    state: State[Any] = await apply_change(  # type: ignore[misc]  # as above
        title(change), change.key, wait_for=after, return_state=True
    )
    return await _told(change, state.aresult), _without_result(state)


async def _plainly(change: Change, after: list[State[Any]]) -> _Ended:  # noqa: ARG001 - only Prefect wants to know
    patience = WORK.get().clients.patience
    return await _told(change, partial(patience.again, partial(carry_out_change, change.key))), None


async def _told(change: Change, result: Callable[[], Awaitable[Any]]) -> Outcome:
    """The outcome, after what the change told is known to those that come after it."""
    try:
        WORK.get().outputs[change.key] = await result()
    except Exception as error:  # noqa: BLE001 - one step's failure is reported, and the others go on
        return Outcome(change, str(error))
    return Outcome(change)


def _without_result(state: State[Any]) -> State[Any]:
    """What others wait for: Prefect walks through all of it, and wants only to know which task run it was."""
    return state.model_copy(update={"data": True})
