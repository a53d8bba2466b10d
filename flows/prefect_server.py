"""The Prefect server that the command line attaches to: PREFECT_API_URL, else one of our own in the background.

Importing Prefect takes longer than most requests, so nothing here imports it: its own command line starts the server.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from clients.home import home

from .processes import alive, has_ended

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_USUAL_PORT = 4200
_HANDED_ON = ("PREFECT_", "LC_")
_HANDED_ON_TOO = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH"})
"""What the server, which outlives the command, gets of our environment: no credential, no secret, no proxy."""


class ServerError(Exception):
    """No Prefect server can be reached or started. The text is for the user."""


def attach(tell: Callable[[str], None] = lambda _: None) -> str:
    """Make this process a client of a server, started if need be; returns the address of its UI.

    ``tell`` hears what takes a while. Call before importing Prefect. Raises :class:`ServerError` where the server does
    not answer.
    """
    prepare()
    if given := os.environ.get("PREFECT_API_URL"):
        if not _answers(given):
            message = f"PREFECT_API_URL is {given}, and nothing answers there: start that server, or unset it"
            raise ServerError(message)
        return given.removesuffix("/").removesuffix("/api")
    url = _running()
    if url is None:
        with _one_at_a_time():
            url = _running()
            if url is None:
                tell("Starting a Prefect server; it is left running for the next time")
                url = _start()
    os.environ["PREFECT_API_URL"] = url
    return url.removesuffix("/api")


def prepare() -> None:
    """Keep Prefect's files in our own home and its log lines off the console, unless the user says otherwise."""
    os.environ.setdefault("PREFECT_HOME", str(home() / "prefect"))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_CLI_PROMPT", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")


def stop() -> bool:
    """End our own background server. False where none was running."""
    process = _process()
    if process is None:
        return False
    children = process.children(recursive=True)
    for one in [process, *children]:
        one.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    while (alive := [one for one in [process, *children] if not has_ended(one)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    for one in alive:
        one.kill()
    _card().unlink(missing_ok=True)
    return True


def _card() -> Path:
    return home() / "prefect-server.json"


def _process() -> psutil.Process | None:
    """The server's process, if it is still the one that we started."""
    try:
        card = json.loads(_card().read_text(encoding="utf-8"))
        return alive(card["pid"], card["created"])
    except (OSError, ValueError, KeyError):
        return None


def _running() -> str | None:
    if _process() is None:
        return None
    url: str = json.loads(_card().read_text(encoding="utf-8"))["url"]
    return url if _wait(url, None) else None


def is_running() -> bool:
    """Whether there is a server already that :func:`attach` would attach to."""
    return bool(os.environ.get("PREFECT_API_URL")) or _running() is not None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _wait(url: str, process: subprocess.Popen[bytes] | None) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and (process is None or process.poll() is None):
        if _answers(url):
            return True
        time.sleep(0.2)
    return False


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two commands begun together would start two servers, or find the same port free."""
    with (Path(tempfile.gettempdir()) / f"workload-identity-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start() -> str:
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    home().mkdir(parents=True, exist_ok=True)
    log = home() / "prefect-server.log"
    environment = {
        name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON) or name in _HANDED_ON_TOO
    }
    # One machine, many task runs: read and write their events in batches (4 ms instead of 24 ms of CPU for each).
    environment.setdefault("PREFECT_SERVER_API_MAX_PARAMETER_SIZE", "0")  # else a fleet ends at some 3,000 workloads
    environment |= {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        # Turns to change a fleet (flows.turns) outlive a server that ends.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_API_URL": url,
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    card = {"pid": process.pid, "created": psutil.Process(process.pid).create_time(), "url": url}
    _card().write_text(json.dumps(card), encoding="utf-8")
    if not _wait(url, process):
        message = f"the Prefect server did not start; its last words are in {log}"
        raise ServerError(message)
    return url


def _free_port() -> int:
    for port in (_USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that ended just now is no hindrance
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError("no port is free on 127.0.0.1")
