"""``python -m simulator``: serve the simulated cloud, or run one command inside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer
from pydantic import ValidationError

from . import holdings, ledger
from .azure import start
from .clock import Clock
from .forecast import forecast
from .server import Simulator
from .weather import FORECASTS, Dials, Weather

DEFAULT_CLOUD = Path(__file__).parent.parent / "deployments" / "demo" / "cloud.yaml"
_START_SECONDS = 30.0


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

    def arguments(self) -> list[str]:
        """The command line that gives these settings to another process."""
        given = ["--directory", str(self.directory), "--cloud", str(self.cloud), "--weather", self.weather]
        given += ["--speed", str(self.speed), "--seed", str(self.seed), "--port", str(self.port)]
        given += [part for cluster in self.clusters for part in ("--cluster", cluster)]
        return given + (["--snapshot", str(self.snapshot)] if self.snapshot else [])

    @property
    def card(self) -> Path:
        """Where a simulator kept in the background says how to reach it."""
        return self.directory / "running.json"


def main(
    command: Annotated[list[str] | None, typer.Argument(help="A command to run inside the simulated cloud.")] = None,
    directory: Annotated[Path, typer.Option(help="Keeps the certificate authority and the pods' files.")] = Path(
        ".state/simulator"
    ),
    cloud: Annotated[Path, typer.Option(help="YAML of what exists at the start.")] = DEFAULT_CLOUD,
    cluster: Annotated[list[str] | None, typer.Option(help="RESOURCE_GROUP/NAME of a cluster to add.")] = None,
    weather: Annotated[str, typer.Option(help="calm, normal, storm, or a YAML file of dials.")] = "normal",
    speed: Annotated[float, typer.Option(help="Divides every delay.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Repeats the same weather.")] = 0,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    snapshot: Annotated[Path | None, typer.Option(help="Keeps the state in this file across runs.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the simulator running for the next time.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End a simulator left running.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print what a simulator left running holds.")] = False,
    rules: Annotated[bool, typer.Option("--ledger", help="Print every rule it keeps, and how that is known.")] = False,
) -> None:
    """Serve a simulated Azure, Entra, Key Vault and AKS on loopback. With COMMAND, run it inside and end with it."""
    if rules:
        ledger.tell()
        return
    _dials(weather)
    if weather not in FORECASTS:
        weather = str(Path(weather).absolute())
    settings = Settings(
        directory.absolute(), cloud, tuple(cluster or ()), weather, speed, seed, port, snapshot and snapshot.absolute()
    )
    if show:
        _show(settings)
    elif stop:
        _stop(settings)
    elif keep:
        environment = _running(settings) or _start_in_background(settings)
        raise SystemExit(_run(command, environment) if command else 0)
    else:
        raise SystemExit(asyncio.run(_serve(settings, command)))


def _fail(message: str) -> None:
    typer.echo(f"simulate: {message}", err=True)
    raise SystemExit(1)


def _dials(weather: str) -> Dials:
    try:
        return forecast(weather)
    except ValueError as error:
        _fail(f"--weather {weather}: {error}")
    raise AssertionError


def _beginning(settings: Settings) -> start.Start:
    try:
        return start.load(settings.cloud.read_text(encoding="utf-8"), clusters=settings.clusters)
    except OSError as error:
        _fail(f"{settings.cloud}: {error.strerror}")
    except (ValidationError, ValueError) as error:
        _fail(f"{settings.cloud}: {error}")
    raise AssertionError


async def _serve(settings: Settings, command: list[str] | None) -> int:
    logging.basicConfig(level=logging.WARNING, format="simulator: %(message)s")
    weather = Weather(Clock(), _dials(settings.weather), settings.speed, settings.seed)
    settings.directory.mkdir(parents=True, exist_ok=True)
    try:
        simulator = await Simulator.serve(
            directory=settings.directory,
            beginning=_beginning(settings),
            weather=weather,
            port=settings.port,
            journal=settings.directory / "requests.jsonl",
            snapshot=settings.snapshot,
        )
    except OSError as error:
        _fail(f"127.0.0.1:{settings.port}: {error.strerror}")
    try:
        if command:
            return await asyncio.to_thread(_run, command, simulator.environment())
        await _until_told_to_stop(settings, simulator)
        return 0
    finally:
        await simulator.stop(settings.snapshot)


async def _until_told_to_stop(settings: Settings, simulator: Simulator) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    card = {"pid": os.getpid(), "environment": simulator.environment(), "proxy": simulator.simulation.proxy_url}
    descriptor = os.open(settings.card, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(card, file)
    typer.echo("The simulated cloud is up. To bring a shell to it:\n")
    for name, value in simulator.environment().items():
        typer.echo(f"  export {name}={value}")
    typer.echo(f"\nWhat was asked: {simulator.simulation.proxy_url}/requests    Ctrl-C ends it.")
    await stopping.wait()
    settings.card.unlink(missing_ok=True)


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """The command's own exit code; Ctrl-C goes to it alone."""
    try:
        child = subprocess.Popen(command, env={**os.environ, **environment})
    except OSError as error:
        typer.echo(f"simulate: {command[0]}: {error.strerror}", err=True)
        return 127
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def _card(settings: Settings) -> dict[str, Any] | None:
    """The card of a simulator that is alive, whose process is still the one that wrote it."""
    try:
        card: dict[str, Any] = json.loads(settings.card.read_text(encoding="utf-8"))
        process = psutil.Process(card["pid"])
        written = settings.card.stat().st_mtime
    except (OSError, ValueError, psutil.Error):
        return None
    return card if process.is_running() and process.create_time() <= written + 1 else None


def _running(settings: Settings) -> dict[str, str] | None:
    card = _card(settings)
    if card is None:
        return None
    with contextlib.suppress(httpx.HTTPError):
        if httpx.get(f"{card['proxy']}/healthz", timeout=5, trust_env=False).is_success:
            environment: dict[str, str] = card["environment"]
            return environment
    return None


def _start_in_background(settings: Settings) -> dict[str, str]:
    typer.echo(f"Starting a simulated cloud; it keeps its files in {settings.directory}", err=True)
    settings.directory.mkdir(parents=True, exist_ok=True)
    settings.card.unlink(missing_ok=True)
    log = settings.directory / "simulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *settings.arguments()],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if environment := _running(settings):
            return environment
        time.sleep(0.1)
    _fail(f"it did not start; its last words are in {log}")
    raise AssertionError


def _show(settings: Settings) -> None:
    card = _card(settings)
    if card is None or _running(settings) is None:
        _fail(f"no simulator is running in {settings.directory}: start one with --keep")
    else:
        holdings.tell(httpx.get(f"{card['proxy']}/holdings", timeout=30, trust_env=False).json())


def _stop(settings: Settings) -> None:
    card = _card(settings)
    if card is None:
        typer.echo("No simulator is running.")
        return
    process = psutil.Process(card["pid"])
    process.terminate()
    with contextlib.suppress(psutil.TimeoutExpired):
        process.wait(20)
    typer.echo("The simulator has ended.")


if __name__ == "__main__":
    typer.run(main)
