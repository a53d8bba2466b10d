"""Processes of a test that end with it, each in a group of its own: what they leave running goes with them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.conftest import ROOT

_END_SECONDS = 20.0


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs until the end of the block. It leaves what it says in ``log``."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End it in an orderly way, and what is left of its family at once."""
    family = _family(process.pid)
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
    _kill(family)
    process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """The machine is gone: the process and all that it has started, at the same time."""
    _kill(_family(process.pid))
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    """The process first, so that it starts no other one meanwhile."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(family: Sequence[psutil.Process]) -> None:
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def free_port() -> int:
    """A port of the loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(
    true: Callable[[], bool], what: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 90
) -> None:
    """Wait for what a process does once it is ready; tells its last words where it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, f"{what} ended: {log.read_text(encoding='utf-8')[-3000:]}"
        assert time.monotonic() < deadline, f"{what} is not ready: {log.read_text(encoding='utf-8')[-3000:]}"
        time.sleep(0.1)


def inherited() -> dict[str, str]:
    """Of this process's environment what every command needs."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "NO_PROXY", "no_proxy") if name in os.environ}
