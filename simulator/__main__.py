"""``python -m simulator``: serve the simulated cloud, run one command inside it, or ask one that runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from . import holdings, ledger, running, serving, snapshots
from .breakage import catalogue as faults
from .running import Trouble

DEFAULT_CLOUD = Path(__file__).parent.parent / "deployments" / "demo" / "cloud.yaml"
_DIRECTORY = Path(".state/simulator")

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    subcommand_metavar="[COMMAND | -- PROGRAM [ARGUMENTS]]",
)


@app.callback()
def simulate(
    context: typer.Context,
    directory: Annotated[Path, typer.Option(help="Keeps the certificate authority and the pods' files.")] = _DIRECTORY,
    cloud: Annotated[
        Path, typer.Option(help="YAML of what exists at the start.", show_default="the tutorial's")
    ] = DEFAULT_CLOUD,
    cluster: Annotated[list[str] | None, typer.Option(help="RESOURCE_GROUP/NAME of a cluster to add.")] = None,
    weather: Annotated[str, typer.Option(help="calm, normal, storm, or a YAML file of dials.")] = "normal",
    speed: Annotated[float, typer.Option(help="Divides every delay.", min=0.001)] = 30.0,
    seed: Annotated[int, typer.Option(help="Repeats the same weather.")] = 0,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    snapshot: Annotated[Path | None, typer.Option(help="Keeps the state in this file across runs.")] = None,
    issuer_ca: Annotated[
        list[Path] | None, typer.Option(help="PEM of who vouches for a real cluster's issuer on this machine.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the simulator running for the next time.")] = False,
    rules: Annotated[bool, typer.Option("--ledger", help="Print every rule it keeps, and how that is known.")] = False,
) -> None:
    """Serve a simulated Azure, Entra, Key Vault and AKS on loopback.

    With -- PROGRAM it runs inside, and the simulator ends with it. The commands below ask a simulator that runs: the
    one whose shell this is, else the one left running in the directory.
    """
    if rules:
        ledger.tell()
        raise typer.Exit
    settings = serving.Settings(
        directory.absolute(),
        cloud,
        tuple(cluster or ()),
        weather,
        speed,
        seed,
        port,
        snapshot and snapshot.absolute(),
        tuple(issuer_ca or ()),
    )
    program: Sequence[str] = context.obj or ()
    context.obj = settings
    if context.invoked_subcommand is None:
        raise typer.Exit(_served(settings, program, keep=keep))


def _served(settings: serving.Settings, program: Sequence[str], *, keep: bool) -> int:
    serving.check(settings)
    if not keep:
        return asyncio.run(serving.serve(settings, program))
    environment = running.environment_of(settings.directory)
    if environment is None:
        typer.echo(f"Starting a simulated cloud; it keeps its files in {settings.directory}", err=True)
        environment = running.start(settings.directory, settings.arguments())
    return serving.run(program, environment) if program else 0


@app.command()
def show(context: typer.Context) -> None:
    """Print what it holds, by names: no secret's value, no key, no token."""
    holdings.tell(running.ask(context.obj.directory, "GET", "/holdings"))


@app.command(name="snapshot")
def snapshot_(context: typer.Context, file: Path) -> None:
    """Keep its whole state in FILE, which then holds secrets: only its owner may read it."""
    taken = running.ask(context.obj.directory, "GET", "/snapshot")
    try:
        snapshots.write(file, taken)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise Trouble(message) from error


@app.command()
def restore(context: typer.Context, file: Path) -> None:
    """Make it what it was when FILE was kept."""
    try:
        kept = snapshots.read(file)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise Trouble(message) from error
    except snapshots.NotASnapshot as error:
        raise Trouble(str(error)) from error
    running.ask(context.obj.directory, "POST", "/restore", kept)


@app.command(name="break")
def break_(
    context: typer.Context,
    fault: Annotated[str, typer.Argument(help="By its name; none lists them.")] = "",
    subject: Annotated[
        str, typer.Argument(metavar="[NAMESPACE/SERVICE_ACCOUNT]", help="Whose chain; none is the only one there is.")
    ] = "",
) -> None:
    """Break one link of a workload's chain, to see what it looks like and find out what mends it."""
    if not fault:
        faults.tell()
        return
    done = running.ask(context.obj.directory, "POST", "/break", {"fault": fault, "subject": subject})["done"]
    typer.echo(f"Broken: {done}.")


@app.command()
def stop(context: typer.Context) -> None:
    """End the one left running in the directory."""
    ended = running.stop(context.obj.directory)
    typer.echo("The simulator has ended." if ended else "No simulator is running.")


def main(arguments: Sequence[str]) -> None:
    """Run; what follows ``--`` is the program to run inside."""
    arguments = list(arguments)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    try:
        app(arguments[:end], prog_name="workload-identity simulate", obj=arguments[end + 1 :])
    except Trouble as trouble:
        typer.echo(f"simulate: {trouble}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(sys.argv[1:])
