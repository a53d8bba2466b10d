"""The simulator's own clock.

Nothing in the simulator asks the operating system for the time. Tests step a clock instead of sleeping, and a state
that "takes a while" is computed from the instant at which it will be reached, not by a timer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """The time of day in UTC, moved forward by hand on request."""

    def __init__(self, *, start: datetime | None = None) -> None:
        """With ``start`` the clock stands still at that instant until it is stepped, else it follows real time."""
        self._stands_at = start
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The current instant, timezone-aware UTC."""
        return (self._stands_at or datetime.now(UTC)) + self._ahead

    def seconds(self) -> float:
        """The current instant in seconds since the Unix epoch, as tokens count time."""
        return self.now().timestamp()

    def step(self, seconds: float) -> None:
        """Move the clock forward."""
        self._ahead += timedelta(seconds=seconds)


class Skewed(Clock):
    """A clock that is wrong by so many seconds, and goes with the right one."""

    def __init__(self, right: Clock, ahead: Callable[[], float]) -> None:
        """``ahead`` is asked at every look: below nought the clock is behind."""
        super().__init__()
        self._right, self._seconds = right, ahead

    def now(self) -> datetime:
        """What it shows."""
        return self._right.now() + timedelta(seconds=self._seconds())

    def step(self, seconds: float) -> None:
        """Move the right one forward, and this with it."""
        self._right.step(seconds)


def stopwatch() -> float:
    """Seconds for measuring how long serving a request took. Never part of a simulated answer."""
    return time.perf_counter()
