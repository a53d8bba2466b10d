"""Serves a simulated cloud from a terminal: until a signal comes, or for as long as one command runs inside it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import ValidationError

from . import running
from .azure import start
from .clock import Clock
from .forecast import forecast
from .running import Trouble
from .server import Simulator
from .snapshots import NotASnapshot
from .weather import FORECASTS, Weather


@dataclass(frozen=True)
class Settings:
    """How to serve."""

    directory: Path
    cloud: Path
    clusters: tuple[str, ...]
    weather: str
    speed: float
    seed: int
    port: int
    snapshot: Path | None
    issuer_authorities: tuple[Path, ...]

    def arguments(self) -> list[str]:
        """The command line that gives these settings to another process."""
        weather = self.weather if self.weather in FORECASTS else str(Path(self.weather).absolute())
        given = ["--directory", str(self.directory), "--cloud", str(self.cloud.absolute()), "--weather", weather]
        given += ["--speed", str(self.speed), "--seed", str(self.seed), "--port", str(self.port)]
        given += [part for cluster in self.clusters for part in ("--cluster", cluster)]
        given += [part for file in self.issuer_authorities for part in ("--issuer-ca", str(file.absolute()))]
        return given + (["--snapshot", str(self.snapshot)] if self.snapshot else [])


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's own exit code; Ctrl-C goes to it alone. Raises :class:`Trouble` where it cannot be started."""
    try:
        child = subprocess.Popen(command, env={**os.environ, **environment})
    except OSError as error:
        message = f"{command[0]}: {error.strerror}"
        raise Trouble(message) from error
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def check(settings: Settings) -> None:
    """Raise :class:`Trouble` for what can be seen to be wrong before anything is started."""
    _weather(settings)
    _beginning(settings)


async def serve(settings: Settings, command: Sequence[str]) -> int:
    """Serve; returns the exit code. Raises :class:`Trouble`."""
    logging.basicConfig(level=logging.WARNING, format="simulator: %(message)s")
    settings.directory.mkdir(parents=True, exist_ok=True)
    try:
        simulator = await Simulator.serve(
            directory=settings.directory,
            beginning=_beginning(settings),
            weather=_weather(settings),
            port=settings.port,
            journal=settings.directory / "requests.jsonl",
            snapshot=settings.snapshot,
            issuer_authorities=settings.issuer_authorities,
        )
    except NotASnapshot as error:
        message = f"{settings.snapshot}: {error}"
        raise Trouble(message) from error
    except OSError as error:
        message = f"{error.filename or f'127.0.0.1:{settings.port}'}: {error.strerror or error}"
        raise Trouble(message) from error
    try:
        if command:
            return await asyncio.to_thread(run, command, simulator.environment())
        await _until_told_to_stop(settings, simulator)
        return 0
    finally:
        await simulator.stop(settings.snapshot)


def _weather(settings: Settings) -> Weather:
    try:
        return Weather(Clock(), forecast(settings.weather), settings.speed, settings.seed)
    except ValueError as error:
        message = f"--weather {settings.weather}: {error}"
        raise Trouble(message) from error


def _beginning(settings: Settings) -> start.Start:
    try:
        return start.load(settings.cloud.read_text(encoding="utf-8"), clusters=settings.clusters)
    except OSError as error:
        message = f"{settings.cloud}: {error.strerror}"
        raise Trouble(message) from error
    except (ValidationError, ValueError) as error:
        message = f"{settings.cloud}: {error}"
        raise Trouble(message) from error


async def _until_told_to_stop(settings: Settings, simulator: Simulator) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    running.leave_card(settings.directory, simulator.simulation.proxy_url, simulator.environment())
    typer.echo("The simulated cloud is up. To bring a shell to it:\n")
    for name, value in simulator.environment().items():
        typer.echo(f"  export {name}={value}")
    typer.echo("\nOr start any shell or program inside one of its own: workload-identity simulate -- SHELL")
    typer.echo("Inside: workload-identity simulate show | break [FAULT] | snapshot FILE | restore FILE")
    typer.echo(f"What was asked: {simulator.simulation.proxy_url}/requests    Ctrl-C ends it.")
    await stopping.wait()
    running.take_card(settings.directory)
