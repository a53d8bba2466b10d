"""Whether a process that left a card is still the one that runs under its number."""

from __future__ import annotations

import psutil

_CLOCK_SECONDS = 5.0
"""A process's birth is told relative to the machine's boot, whose time moves when the clock is set right."""


def alive(pid: int, born: float) -> psutil.Process | None:
    """The process of this number, if it began at ``born`` (seconds since 1970) and has not ended."""
    try:
        process = psutil.Process(pid)
        is_it = abs(process.create_time() - born) < _CLOCK_SECONDS
        return process if is_it and not has_ended(process) else None
    except psutil.Error:
        return None


def has_ended(process: psutil.Process) -> bool:
    """Also where nobody has taken notice of its end, as in a container whose first process does not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
