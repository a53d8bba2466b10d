"""The steps of a migration as a person sees them: what is done, what is said of it, and with which exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.text import Text

from clients.kubernetes import address_of
from fleet.changes import Action
from fleet.files import FleetFileError
from fleet.migration import file as fleet_file
from fleet.migration.set_up import Kind, Owner
from fleet.migration.switching import ChoiceError, chosen, switches
from tasks import chain
from tasks.pod_identity import old_objects, templates
from tasks.pod_identity.reading import NotInstalledError

from . import console as terminal
from . import migrate
from .fleet_files import load_path
from .shell import EXIT_CHANGES, EXIT_ERROR, EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from fleet.migration.proposal import Migration
    from fleet.migration.set_up import Hidden
    from fleet.spec import Fleet

    from .migrate import Seen, There


class StepError(Exception):
    """A step cannot be done: what happened, to what, and the way out."""


async def read(there: There, console: Console, path: Path, namespace: str | None, *, overwrite: bool) -> int:
    """Write the fleet file, and show its plan and what a person has to decide."""
    seen = await _look(there, namespace)
    migration = seen.migration
    show_hidden(console, migration.hidden)
    if not migration.proposals and seen.set_up.hides("AzureIdentityBinding"):
        message = (
            f"Whether a workload of {there.cluster.name} uses AAD Pod Identity cannot be told without its bindings"
        )
        raise StepError(message)
    if not migration.proposals:
        show_matters(console, migration)
        where = f" in namespace {namespace}" if namespace else ""
        say(console, f"No workload of {there.cluster.name}{where} uses AAD Pod Identity: nothing to move.")
        return EXIT_CHANGES if seen.set_up.bindings or seen.set_up.identities else EXIT_OK
    written = fleet_file.text(migration)
    write(path, written, overwrite=overwrite)
    say(console, f"{path}: the fleet file of {len(migration.proposals)} workloads.")
    show_matters(console, migration)
    if not any(proposal.identity for proposal in migration.proposals):
        say(console, f"Every workload waits for your decision: edit {path}, then workload-identity plan {path}")
        return EXIT_CHANGES
    planned = (await migrate.beside(there, load(path))).planned
    terminal.show_plan(console, planned, f"Plan of {planned.fleet}")
    if planned.changes:
        say(
            console,
            f"Nothing of the old set-up is touched by it. To apply: workload-identity reconcile --no-verify {path}",
        )
    else:
        decided = [proposal.owner for proposal in migration.proposals if proposal.identity]
        step = "--cleanup" if all(owner.use == "true" for owner in decided) else "--switch"
        say(console, f"It is set up. Next: workload-identity migrate {there.cluster.name} {step} --out {path}")
    return EXIT_ERROR if any(hold.mistake for hold in planned.holds) else EXIT_CHANGES


async def switch(
    there: There, console: Console, path: Path, names: Sequence[str], namespace: str | None, *, proxy: int | None
) -> int:
    """Change the workloads' templates, each after its chain is proven, and wait for their pods."""
    seen = await _look(there, namespace)
    fleet = load(path)
    owners = _chosen([proposal.owner for proposal in seen.migration.proposals], names, "uses AAD Pod Identity")
    new = await migrate.beside(there, fleet)
    ready, kept = switches(seen.migration, fleet, new.planned, owners, proxy=proxy)
    outcomes = await asyncio.gather(*(migrate.switch(there, new, one, proxy=proxy) for one in ready))
    done = [one.owner for one, problem in zip(ready, outcomes, strict=True) if not problem]
    failed = [(one.owner, problem) for one, problem in zip(ready, outcomes, strict=True) if problem]
    waiting = await asyncio.gather(*(migrate.rolled_out(there, seen, owner) for owner in done if _rolls(owner)))
    for one in ready:
        if one.owner in done:
            say(console, f"switched   {one.owner}: runs as ServiceAccount {one.workload.service_account}")
    for problem in filter(None, waiting):
        say(console, f"not yet    {problem}: see to its rollout, or --undo", "yellow")
    for owner in done:
        if owner.kind is Kind.CRON_JOB:
            say(console, f"next run   {owner}: what runs now ends as it began")
        elif not _rolls(owner):
            say(console, f"by hand    {owner}: its pods stay as they are until you delete them")
    for stays in kept:
        say(console, f"kept       {stays}", "yellow" if stays.waits else "")
    for owner, problem in failed:
        say(console, f"failed     {owner}: {problem}", "red")
    if failed:
        return EXIT_ERROR
    return EXIT_CHANGES if any(stays.waits for stays in kept) or any(waiting) else EXIT_OK


def _rolls(owner: Owner) -> bool:
    """Whether its pods are replaced by themselves."""
    return owner.kind in (Kind.DEPLOYMENT, Kind.STATEFUL_SET, Kind.DAEMON_SET) and not owner.on_delete


async def undo(
    there: There, console: Console, path: Path, names: Sequence[str], namespace: str | None, *, everything: bool
) -> int:
    """Take the steps back, the last one first: old objects, templates, and with ``everything`` what stands beside."""
    if everything and (names or namespace):
        message = "--everything takes back the whole fleet file: leave out WORKLOAD and --namespace"
        raise StepError(message)
    for item in _removed(path):
        if await old_objects.restore(there.kubernetes, item):
            say(console, f"restored   {item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}")
    set_up = (await _look(there, namespace)).set_up
    switched = [one for one in set_up.owners if one.is_switched and namespace in (None, one.namespace)]
    for owner in _chosen(switched, names, "is switched"):
        await templates.undo(there.kubernetes, owner)
        say(console, f"back       {owner}: as it was before the switch")
    if not everything:
        if not switched:
            say(console, "No workload is switched: nothing to take back.")
        return EXIT_OK
    fleet = load(path)
    await _check_unused(there, fleet)
    planned = await migrate.taken_back(there, fleet)
    for change in planned.changes:
        await chain.apply(there.clients, fleet, change, {})
        how = "stays, without our mark" if change.action is Action.RELEASE else "removed"
        say(console, f"{how:10} {change.key}")
    for hold in planned.holds:
        say(console, f"kept       {hold.key}: {hold.reason}", "yellow")
    say(console, "The cluster's issuer and its webhook stay: others may use them.")
    return EXIT_CHANGES if planned.holds else EXIT_OK


async def _check_unused(there: There, fleet: Fleet) -> None:
    """Nothing is taken from under a workload that somebody else has switched, such as a pod made anew."""
    places = {(one.namespace, one.service_account) for one in fleet.workloads}
    owners = (await _look(there, None)).set_up.owners
    using = [str(one) for one in owners if one.use == "true" and (one.namespace, one.service_account) in places]
    if using:
        message = f"these still run by what would be taken away: {', '.join(using)}. Take their label out first"
        raise StepError(message)


async def cleanup(there: There, console: Console, path: Path, namespace: str | None, *, remove: bool) -> int:
    """Say which old objects can go and why, and take them away if asked to, kept in a file."""
    seen = await _look(there, namespace)
    show_hidden(console, seen.migration.hidden)
    goes, stays = await migrate.leaves(there, seen, await migrate.beside(there, load(path)), namespace)
    for one in stays:
        say(console, f"stays      {one}", "yellow")
    if not remove:
        for one in goes:
            say(console, f"can go     {one}")
        if goes:
            say(console, "To remove them: --cleanup --yes. They are kept in a file first, and --undo brings them back.")
        return EXIT_CHANGES if goes or stays else EXIT_OK
    file = _removed_file(path)
    items = [*_removed(path), *await old_objects.kept(there.kubernetes, goes)]
    kept = {(item["kind"], *address_of(item)): item for item in items}  # what went before and came back: as it is now
    if goes:
        write(file, yaml.safe_dump_all(kept.values(), sort_keys=False, allow_unicode=True), overwrite=True)
    for one in goes:
        await old_objects.remove(there.kubernetes, one)
        say(console, f"removed    {one}")
    if goes:
        say(console, f"{file}: what was removed. --undo makes it again, and so does kubectl create -f.")
    if not stays and not seen.migration.hidden and namespace is None:
        say(
            console,
            "Nothing needs AAD Pod Identity any more: uninstall its chart, or az aks update --disable-pod-identity.",
        )
    return EXIT_CHANGES if stays else EXIT_OK


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


def _chosen(owners: Sequence[Owner], names: Sequence[str], what: str) -> tuple[Owner, ...]:
    try:
        return chosen(owners, names, what)
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


def say(console: Console, words: str, style: str = "") -> None:
    """A line as it is: a name in brackets is no colour."""
    console.print(Text(words, style=style))


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
        say(console, str(one), "yellow")


def show_matters(console: Console, migration: Migration) -> None:
    """What a person has to decide or to know."""
    for proposal in migration.proposals:
        if proposal.identity is None:
            say(console, f"undecided  {proposal.owner}: {proposal.undecided}", "bold yellow")
    for matter in migration.everything_to_know:
        say(console, f"know       {matter}")
