"""How many requests a host gets at the same time: as many as it takes, fewer where it asks to slow down, then more.

Additive increase, multiplicative decrease, as in TCP: a 429 halves the width, every full round of other answers adds
one. A throttled request itself waits for its Retry-After in :mod:`clients.waiting`; this here keeps the others from
running into the same wall.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

TOO_MANY_REQUESTS = 429
NARROWEST, BEGINNING, WIDEST = 1, 24, 128
"""Requests under way to one host."""


@dataclass
class Width:
    """The width of the way to one host, and who walks and waits there."""

    now: float = BEGINNING
    under_way: int = 0
    narrowed: int = 0
    """How often it was. A 429 that was on its way already when it last was tells nothing new."""
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def enter(self) -> None:
        """Wait for room, and take it."""
        while self.under_way >= int(self.now):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._call()  # the turn was ours already: somebody else's now
                raise
        self.under_way += 1

    def leave(self) -> None:
        """Give the room back."""
        self.under_way -= 1
        self._call()

    def answered(self, status: int, entered_after: int) -> None:
        """Learn from an answer to a request that entered when the way had been narrowed so often."""
        if status != TOO_MANY_REQUESTS:
            self.now = min(self.now + 1 / self.now, WIDEST)
            self._call()
        elif entered_after == self.narrowed:
            self.now = max(self.now / 2, NARROWEST)
            self.narrowed += 1

    def _call(self) -> None:
        room = int(self.now) - self.under_way
        while self._waiting and room > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1


class Pace:
    """The widths of one session, by host."""

    def __init__(self) -> None:
        self._widths: dict[str, Width] = {}

    def of(self, host: str) -> Width:
        """The way to a host."""
        return self._widths.setdefault(host, Width())

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[Turn]:
        """Walk there when there is room; tell the turn what was answered."""
        width = self.of(host)
        await width.enter()
        try:
            yield Turn(width, width.narrowed)
        finally:
            width.leave()


@dataclass(frozen=True)
class Turn:
    """One request's."""

    _width: Width
    _entered_after: int

    def answered(self, status: int) -> None:
        """The answer's HTTP status; of a batch that of each of its steps."""
        self._width.answered(status, self._entered_after)
