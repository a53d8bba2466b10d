"""A block that may go on only as long as something else does: a lease that is kept, a slice that is still ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def as_long_as(watch: Callable[[], Awaitable[Exception]]) -> AsyncIterator[None]:
    """Run the block beside ``watch``. Where that ends first, the block is cancelled, and what it returned is raised."""
    here = asyncio.current_task()
    assert here is not None
    over: Exception | None = None

    async def watching() -> None:
        nonlocal over
        over = await watch()
        here.cancel()

    task = asyncio.create_task(watching())
    try:
        yield
    except asyncio.CancelledError:
        if over is None:
            raise
        here.uncancel()
        raise over from None
    finally:
        task.cancel()
