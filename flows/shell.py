"""What every command shares: how it ends, where it prints, how it loads a fleet.

Imports stand inside: ``--help`` and a mistake in the fleet file must not wait for Prefect and the SDKs.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rich.console import Console

    from fleet.plan_file import PlanFile
    from fleet.spec import Fleet

EXIT_OK, EXIT_ERROR, EXIT_CHANGES, EXIT_INTERRUPTED = 0, 1, 2, 130
_WIDTH_OF_A_FILE = 10_000
"""Columns where the output goes to no terminal, so that names and addresses are not broken."""

Result = TypeVar("Result")


def fail(*lines: str) -> NoReturn:
    """End the program with these lines on standard error."""
    for line in lines:
        typer.echo(line, err=True)
    raise SystemExit(EXIT_ERROR)


def console(*, stderr: bool = False) -> Console:
    """Where to print: a terminal as wide as it is, a file without a margin."""
    from rich.console import Console

    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_A_FILE
    return console


def load(path: Path) -> Fleet:
    """The fleet at a path. Ends the program, naming every mistake, where it is none."""
    from fleet.files import FleetFileError

    from .fleet_files import load_path

    try:
        return load_path(path)
    except FleetFileError as error:
        count = len(error.mistakes)
        fail(f"{path}: {count} mistake{'s' if count > 1 else ''}", *(f"  {mistake}" for mistake in error.mistakes))


def write(path: Path, content: PlanFile) -> None:
    """Write a plan file, and say how to apply it. Ends the program where it cannot be written."""
    from . import plan_files

    try:
        plan_files.write(path, content)
    except OSError as error:
        fail(f"{path}: the plan cannot be written: {error.strerror}")
    typer.echo(f"To apply just this: workload-identity reconcile --plan {shlex.quote(str(path))}", err=True)


def run(work: Coroutine[Any, Any, Result], *mistakes: type[Exception]) -> Result:
    """What comes of work on clients. Ends the program with what went wrong there, or with what these errors say."""
    import asyncio

    from clients.errors import CloudError

    told: tuple[type[Exception], ...] = (CloudError, *mistakes)
    try:
        return asyncio.run(work)
    except told as error:
        fail(str(error))
