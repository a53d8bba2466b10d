"""What a flow tells while it works, for whoever listens: the command line shows it live, Prefect logs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a step is."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Event:
    """A step's news."""

    step: str
    phase: Phase
    detail: str = ""


Listener = Callable[[Event], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(step: str, phase: Phase, detail: str = "") -> None:
    """Tell the listener, if there is one."""
    if (listener := _LISTENER.get()) is not None:
        listener(Event(step, phase, detail))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear what the flows called inside tell."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
