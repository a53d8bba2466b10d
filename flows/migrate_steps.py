"""The steps of a migration as a person sees them: what is done, what is said of it, and with which exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.text import Text

from fleet.files import FleetFileError
from fleet.migration import file as fleet_file
from fleet.migration.set_up import Kind, Owner
from fleet.migration.switching import ChoiceError, chosen, switches
from tasks.pod_identity import giving_back, old_objects, templates
from tasks.pod_identity.reading import NotInstalledError

from . import console as terminal
from . import migrate
from .fleet_files import load_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from fleet.migration.proposal import Migration
    from fleet.migration.set_up import Hidden
    from fleet.spec import Fleet

    from .migrate import Seen, There

OK, ERROR, CHANGES = 0, 1, 2


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
    planned = (await migrate.beside(there, load(path))).planned
    terminal.show_plan(console, planned, f"Plan of {planned.fleet}")
    if planned.changes:
        console.print(
            f"Nothing of the old set-up is touched by it. To apply: workload-identity reconcile --no-verify {path}"
        )
    else:
        console.print(f"It is set up. Next: workload-identity migrate {there.cluster.name} --switch --out {path}")
    return CHANGES


async def switch(
    there: There, console: Console, path: Path, names: Sequence[str], namespace: str | None, *, proxy: bool
) -> int:
    """Change the workloads' templates, each after its chain is proven, and wait for their pods."""
    seen = await _look(there, namespace)
    fleet = load(path)
    owners = _chosen([proposal.owner for proposal in seen.migration.proposals], names)
    new = await migrate.beside(there, fleet)
    ready, kept = switches(seen.migration, fleet, new.planned, owners, proxy=proxy)
    outcomes = await asyncio.gather(*(migrate.switch(there, new, one, proxy=proxy) for one in ready))
    done = [one.owner for one, problem in zip(ready, outcomes, strict=True) if not problem]
    failed = [(one.owner, problem) for one, problem in zip(ready, outcomes, strict=True) if problem]
    waiting = await asyncio.gather(*(migrate.rolled_out(there, seen, owner) for owner in done if _rolls(owner)))
    for one in ready:
        if one.owner in done:
            console.print(f"switched   {one.owner}: runs as ServiceAccount {one.workload.service_account}")
    for problem in filter(None, waiting):
        console.print(Text(f"not yet    {problem}: see to its rollout, or --undo", style="yellow"))
    for owner in done:
        if not _rolls(owner):
            console.print(f"by hand    {owner}: its pods stay as they are until you delete them")
    for stays in kept:
        console.print(Text(f"kept       {stays}", style="yellow" if stays.waits else ""))
    for owner, problem in failed:
        console.print(Text(f"failed     {owner}: {problem}", style="red"))
    if failed:
        return ERROR
    return CHANGES if any(stays.waits for stays in kept) or any(waiting) else OK


def _rolls(owner: Owner) -> bool:
    """Whether its pods are replaced by themselves."""
    return owner.kind in (Kind.DEPLOYMENT, Kind.STATEFUL_SET, Kind.DAEMON_SET, Kind.CRON_JOB) and not owner.on_delete


async def undo(
    there: There, console: Console, path: Path, names: Sequence[str], namespace: str | None, *, everything: bool
) -> int:
    """Take the steps back, the last one first: old objects, templates, and with ``everything`` what stands beside."""
    if everything and (names or namespace):
        message = "--everything takes back the whole fleet file: leave out WORKLOAD and --namespace"
        raise StepError(message)
    for item in _removed(path):
        if await old_objects.restore(there.kubernetes, item):
            console.print(f"restored   {item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}")
    set_up = (await _look(there, namespace)).set_up
    switched = [one for one in set_up.owners if one.is_switched and namespace in (None, one.namespace)]
    for owner in _chosen(switched, names):
        await templates.undo(there.kubernetes, owner)
        console.print(f"back       {owner}: as it was before the switch")
    if not everything:
        if not switched:
            console.print("No workload is switched: nothing to take back.")
        return OK
    fleet = load(path)
    planned = await migrate.taken_back(there, fleet)
    for change in planned.changes:
        await giving_back.take_back(there.clients, fleet, change)
        how = "stays, without our mark" if giving_back.is_adopted(fleet, change) else "removed"
        console.print(f"{how:10} {change.key}")
    for hold in planned.holds:
        console.print(Text(f"kept       {hold.key}: {hold.reason}", style="yellow"))
    console.print("The cluster's issuer and its webhook stay: others may use them.")
    return CHANGES if planned.holds else OK


async def cleanup(there: There, console: Console, path: Path, namespace: str | None, *, remove: bool) -> int:
    """Say which old objects can go and why, and take them away if asked to, kept in a file."""
    seen = await _look(there, namespace)
    show_hidden(console, seen.migration.hidden)
    goes, stays = await migrate.leaves(there, seen, await migrate.beside(there, load(path)), namespace)
    for one in stays:
        console.print(Text(f"stays      {one}", style="yellow"))
    if not remove:
        for one in goes:
            console.print(f"can go     {one}")
        if goes:
            console.print(
                "To remove them: --cleanup --yes. They are kept in a file first, and --undo brings them back."
            )
        return CHANGES if goes or stays else OK
    file = _removed_file(path)
    kept = [*_removed(path), *await old_objects.kept(there.kubernetes, goes)]
    if goes:
        write(file, yaml.safe_dump_all(kept, sort_keys=False, allow_unicode=True), overwrite=True)
    for one in goes:
        await old_objects.remove(there.kubernetes, one)
        console.print(f"removed    {one}")
    if goes:
        console.print(f"{file}: what was removed. --undo makes it again, and so does kubectl create -f.")
    return CHANGES if stays else OK


def _removed_file(path: Path) -> Path:
    return path.with_name(f"{path.stem}.removed.yaml")


def _removed(path: Path) -> list[dict[str, Any]]:
    """What an earlier cleanup took away."""
    file = _removed_file(path)
    if not file.exists():
        return []
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError):
        documents = [None]
    if not all(map(old_objects.is_ours_to_restore, documents)):
        message = f"{file}: it is not what --cleanup wrote. Move it away, and restore from it by hand if you need it"
        raise StepError(message)
    return documents


def _chosen(owners: Sequence[Owner], names: Sequence[str]) -> tuple[Owner, ...]:
    try:
        return chosen(owners, names)
    except ChoiceError as error:
        raise StepError(str(error)) from None


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
