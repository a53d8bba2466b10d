"""A block goes on only as long as what it depends on does."""

from __future__ import annotations

import asyncio

import pytest

from flows.watching import as_long_as


class LostError(Exception):
    """What the block depended on is gone."""


async def at_once() -> LostError:
    return LostError("gone")


async def never() -> LostError:
    await asyncio.Event().wait()
    return LostError("gone")


async def test_what_ends_first_ends_the_block_with_its_error() -> None:
    with pytest.raises(LostError, match="gone"):
        async with as_long_as(at_once):
            await asyncio.Event().wait()


async def test_a_task_whose_block_was_ended_so_goes_on() -> None:
    with pytest.raises(LostError):
        async with as_long_as(at_once):
            await asyncio.Event().wait()
    await asyncio.sleep(0)  # would raise in a task that counts as cancelled
    assert (task := asyncio.current_task()) is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_first_ends_as_it_would_alone() -> None:
    async with as_long_as(never):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="its own"):
        async with as_long_as(never):
            raise ValueError("its own")


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        async with as_long_as(never):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
