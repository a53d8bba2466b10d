"""Containers of known images as processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.simulation import Simulation

Json = dict[str, Any]

GRACE_SECONDS = 2.0
"""Real seconds between asking a process to end and killing it."""

_DEMO = Path(__file__).parents[2] / "deployments" / "demo" / "application.py"
IMAGES: dict[str, tuple[str, ...]] = {"workload-identity-demo": (sys.executable, str(_DEMO))}
"""Commands by the last part of an image's repository name, whatever its registry and tag."""

_INTERPRETERS = ("python", "python3", "bash", "sh")


def command_for(image: str) -> list[str] | None:
    """The command that an image's containers run here, None for an image that the simulator does not run."""
    repository = image.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
    command = IMAGES.get(repository)
    return None if command is None else list(command)


def command_of(container: Json) -> list[str] | None:
    """What a container runs: its own command where that is an interpreter's, else its image's; None for nothing."""
    command = command_for(container.get("image", ""))
    if command is None:
        return None
    own = container.get("command") or []
    if own and Path(own[0]).name in _INTERPRETERS:
        python = Path(own[0]).name.startswith("python")
        command = [sys.executable if python else own[0], *own[1:]]
    return command + (container.get("args") or [])


def mount_paths(container: Json) -> tuple[str, ...]:
    """Where the container's volumes are mounted."""
    return tuple(mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", ()))


def placed(text: str, mounts: tuple[str, ...], root: Path) -> str:
    """``text``, below ``root`` where it is a path below one of the mounts."""
    return str(root) + text if any(text == path or text.startswith(f"{path}/") for path in mounts) else text


def process_environment(
    simulation: Simulation, variables: Mapping[str, str], container: Json, root: Path
) -> dict[str, str]:
    """The whole environment of a container's process.

    ``variables`` are the container's own; where a value is a path below one of its mounts it is pointed below
    ``root``, which stands for the container's file system. The way to the simulated cloud comes last, so that no
    container can leave it by accident.
    """
    mounts = mount_paths(container)
    bundle = str(simulation.authority.bundle)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        **{name: placed(value, mounts, root) for name, value in variables.items()},
        "HTTPS_PROXY": simulation.proxy_url,
        "HTTP_PROXY": simulation.proxy_url,
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
    }


async def start(
    command: list[str], environment: Mapping[str, str], directory: Path, log: Path
) -> asyncio.subprocess.Process:
    """Start ``command`` in ``directory``; what it prints goes to the file ``log``, which is begun anew.

    Raises OSError if there is no such program.
    """
    with log.open("wb") as file:
        return await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end, kill it if it has not after :data:`GRACE_SECONDS`, and kill what it left behind."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        # Not asyncio.timeout: until Python 3.11.4 it takes a task's own cancellation, which leads here, for its end.
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({ended}, timeout=GRACE_SECONDS)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await ended
    # Its children are in the session that it was started with; in a container they could not outlive it either.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
