"""Patience whose seconds pass faster: what is slept turns the clock of who sleeps, and takes a fraction of that."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar

from clients.waiting import Patience

_SLEPT: ContextVar[float] = ContextVar("_SLEPT", default=0.0)
"""The seconds that the current task has slept."""


def hurried(times: float, seed: int = 0) -> Patience:
    """Patience so many times as fast as the clock on the wall."""

    async def sleep(seconds: float) -> None:
        _SLEPT.set(_SLEPT.get() + seconds)
        await asyncio.sleep(seconds / times)

    return Patience(sleep=sleep, now=_SLEPT.get, random=random.Random(seed))
