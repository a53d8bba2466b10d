"""Waiting for what controllers do, turn by turn of the event loop, never by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_TURNS = 200


async def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; fail when it does not within a bounded number of turns."""
    for _ in range(_TURNS):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")
