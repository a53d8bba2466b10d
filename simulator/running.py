"""Simulators that run already: one left running in a directory, or the one that a shell is inside of."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from .server import SIMULATOR

_START_SECONDS = 30.0
_ANSWER_SECONDS = 60.0


class Trouble(Exception):
    """What a person at the terminal must be told."""


def leave_card(directory: Path, proxy_url: str, environment: Mapping[str, str]) -> None:
    """Say in the directory how to reach the simulator that is this process."""
    card = {"pid": os.getpid(), "environment": dict(environment), "proxy": proxy_url}
    descriptor = os.open(_card_path(directory), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(card, file)


def take_card(directory: Path) -> None:
    """Say no longer."""
    _card_path(directory).unlink(missing_ok=True)


def _card_path(directory: Path) -> Path:
    return directory / "running.json"


def _card(directory: Path) -> dict[str, Any] | None:
    """The card of a simulator that is alive, whose process is still the one that wrote it."""
    path = _card_path(directory)
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        process = psutil.Process(card["pid"])
        written = path.stat().st_mtime
    except (OSError, ValueError, psutil.Error):
        return None
    return card if process.is_running() and process.create_time() <= written + 1 else None


def environment_of(directory: Path) -> dict[str, str] | None:
    """The environment that leads to the simulator left running in the directory; None where none answers."""
    card = _card(directory)
    if card is None:
        return None
    with contextlib.suppress(httpx.HTTPError):
        if httpx.get(f"{card['proxy']}/healthz", timeout=5, trust_env=False).is_success:
            environment: dict[str, str] = card["environment"]
            return environment
    return None


def start(directory: Path, arguments: Sequence[str]) -> dict[str, str]:
    """Start one in the background and wait until it answers. Returns the environment that leads to it."""
    directory.mkdir(parents=True, exist_ok=True)
    take_card(directory)
    log = directory / "simulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if environment := environment_of(directory):
            return environment
        time.sleep(0.1)
    message = f"it did not start; its last words are in {log}"
    raise Trouble(message)


def stop(directory: Path) -> bool:
    """End the one left running in the directory. Returns whether there was one."""
    card = _card(directory)
    if card is None:
        return False
    process = psutil.Process(card["pid"])
    process.terminate()
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(20)
    return True


def ask(directory: Path, method: str, path: str, body: Any = None) -> Any:
    """What the simulator meant answers to a request about itself: the one this shell is inside of, else the one left
    running in the directory.
    """
    address = os.environ.get(SIMULATOR) or ((_card(directory) or {}).get("environment") or {}).get(SIMULATOR)
    if not address:
        message = f"no simulator is running in {directory}: start one with --keep"
        raise Trouble(message)
    try:
        answer = httpx.request(method, f"{address}{path}", json=body, timeout=_ANSWER_SECONDS, trust_env=False)
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        message = f"no simulator answers at {httpx.URL(address).copy_with(userinfo=b'')}: start one with --keep"
        raise Trouble(message) from error
    if not answer.is_success:
        raise Trouble(str(content.get("error", content)))
    return content
