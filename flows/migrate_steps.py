"""The steps of a migration as a person sees them: what is done, what is said of it, and with which exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from fleet.files import FleetFileError
from fleet.migration import file as fleet_file
from tasks.pod_identity.reading import NotInstalledError

from . import console as terminal
from . import migrate
from .fleet_files import load_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from fleet.migration.proposal import Migration
    from fleet.migration.set_up import Hidden
    from fleet.spec import Fleet

    from .migrate import Seen, There

OK, CHANGES = 0, 2


class StepError(Exception):
    """A step cannot be done: what happened, to what, and the way out."""


async def read(there: There, console: Console, path: Path, namespace: str | None, *, overwrite: bool) -> int:
    """Write the fleet file, and show its plan and what a person has to decide."""
    seen = await _look(there, namespace)
    migration = seen.migration
    show_hidden(console, migration.hidden)
    if not migration.proposals:
        show_matters(console, migration)
        where = f" in namespace {namespace}" if namespace else ""
        console.print(f"No workload of {there.cluster.name}{where} uses AAD Pod Identity: nothing to move.")
        return CHANGES if seen.set_up.bindings or seen.set_up.identities else OK
    written = fleet_file.text(migration)
    write(path, written, overwrite=overwrite)
    console.print(f"{path}: the fleet file of {len(migration.proposals)} workloads.")
    show_matters(console, migration)
    if not any(proposal.identity for proposal in migration.proposals):
        console.print(f"Every workload waits for your decision: edit {path}, then workload-identity plan {path}")
        return CHANGES
    planned = await migrate.plan_of(there, load(path))
    terminal.show_plan(console, planned, f"Plan of {planned.fleet}")
    if planned.changes:
        console.print(
            f"Nothing of the old set-up is touched by it. To apply: workload-identity reconcile --no-verify {path}"
        )
    else:
        console.print(
            f"It is set up. Next: workload-identity migrate {there.cluster.name} --switch --out {path}"
        )
    return CHANGES


async def _look(there: There, namespace: str | None) -> Seen:
    try:
        return await migrate.look(there, namespace)
    except NotInstalledError:
        message = (
            f"cluster {there.cluster.name} has no AAD Pod Identity: none of AzureIdentity, AzureIdentityBinding, "
            "AzurePodIdentityException is served (aadpodidentity.k8s.io/v1). There is nothing to migrate; if it should "
            "be there, check the cluster's name, and kubectl get crd"
        )
        raise StepError(message) from None


def load(path: Path) -> Fleet:
    """The fleet file. Raises :class:`StepError` with every mistake in it."""
    if not path.exists():
        message = f"{path}: there is no such file. Write it first: workload-identity migrate CLUSTER --out {path}"
        raise StepError(message)
    try:
        return load_path(path)
    except FleetFileError as error:
        raise StepError(
            "\n".join([f"{path}: it does not load", *(f"  {mistake}" for mistake in error.mistakes)])
        ) from None


def write(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a file unless somebody's other words are in it."""
    try:
        if path.exists() and not overwrite and path.read_text(encoding="utf-8") != text:
            message = (
                f"{path}: it is there and says something else, perhaps by your hand: give --overwrite, or another --out"
            )
            raise StepError(message)
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise StepError(f"{path}: cannot be written: {why}") from None


def show_hidden(console: Console, hidden: Iterable[Hidden]) -> None:
    """What could not be looked at."""
    for one in hidden:
        console.print(Text(str(one), style="yellow"))


def show_matters(console: Console, migration: Migration) -> None:
    """What a person has to decide or to know."""
    for proposal in migration.proposals:
        if proposal.identity is None:
            console.print(Text(f"undecided  {proposal.owner}: {proposal.undecided}", style="bold yellow"))
    for matter in migration.everything_to_know:
        console.print(Text(f"know       {matter}"))
