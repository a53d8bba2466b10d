"""Which workloads are switched to the new set-up now, and what keeps the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.changes import Plan
from fleet.spec import Fleet, Workload
from fleet.webhook_contract import USE, USUAL_PROXY_PORT

from .proposal import Migration, Proposal
from .set_up import Kind, Owner

_LABELLED = f'the label {USE}: "true"'
_UNCHANGEABLE = frozenset({Kind.POD, Kind.JOB})


class ChoiceError(ValueError):
    """A workload that was named is not there, or is several."""


@dataclass(frozen=True)
class Switch:
    """An owner whose template is to change, and the entry of the fleet file that says to what."""

    owner: Owner
    workload: Workload


@dataclass(frozen=True)
class Kept:
    """An owner whose template stays, and why."""

    owner: Owner
    why: str
    waits: bool = True
    """Whether there is something to do about it."""

    def __str__(self) -> str:
        return f"{self.owner}: {self.why}"


def chosen(owners: Sequence[Owner], names: Iterable[str], what: str) -> tuple[Owner, ...]:
    """The owners that are named by ``NAMESPACE/NAME`` or ``KIND/NAMESPACE/NAME``; all where none is.

    ``what`` says what they have in common. Raises :class:`ChoiceError` that says what there is.
    """
    found: dict[Owner, None] = {}
    names = tuple(names)
    for name in names:
        kind, _, address = name.partition("/") if name.count("/") == 2 else ("", "", name)
        matching = [one for one in owners if one.address == address and kind.lower() in ("", one.kind.lower())]
        if not matching:
            there = ", ".join(f"{one.kind.lower()}/{one.address}" for one in owners) or "none"
            message = f"{name}: no workload of this name {what} here. There are: {there}"
            raise ChoiceError(message)
        if len(matching) > 1:
            which = ", ".join(f"{one.kind.lower()}/{one.address}" for one in matching)
            message = f"{name}: there are several of this name: {which}. Name one of them so"
            raise ChoiceError(message)
        found[matching[0]] = None
    return tuple(found) if names else tuple(owners)


def switches(
    migration: Migration, fleet: Fleet, planned: Plan, owners: Iterable[Owner], *, proxy: int | None
) -> tuple[list[Switch], list[Kept]]:
    """What can be switched, and what is kept. Nothing is switched whose chain still lacks a link."""
    wanted = set(owners)
    ready: list[Switch] = []
    kept: list[Kept] = []
    for proposal in migration.proposals:
        if proposal.owner in wanted:
            outcome = _judged(migration, fleet, planned, proposal, proxy=proxy)
            if isinstance(outcome, Switch):
                ready.append(outcome)
            else:
                kept.append(outcome)
    return ready, kept


def _judged(
    migration: Migration, fleet: Fleet, planned: Plan, proposal: Proposal, *, proxy: int | None
) -> Switch | Kept:
    owner, cluster = proposal.owner, migration.known.cluster.name
    workload = entry(fleet, cluster, owner.namespace, proposal.service_account)
    if owner.kind in _UNCHANGEABLE:
        return Kept(
            owner,
            f"a {owner.kind} cannot be changed: make it anew as ServiceAccount {proposal.service_account}, "
            f"with {_LABELLED}",
        )
    if owner.made_by:
        name = proposal.service_account
        return Kept(owner, f"{owner.made_by} makes it: change it there, to ServiceAccount {name} and {_LABELLED}")
    if workload is None:
        why = f" ({proposal.undecided})" if proposal.undecided else ""
        return Kept(
            owner, f"the fleet file has no workload {owner.namespace}/{proposal.service_account} on {cluster}{why}"
        )
    if missing := lacks(planned, workload, cluster):
        return Kept(owner, f"its chain is not whole: {missing}. Reconcile the fleet file first")
    if proxy and owner.host_network:
        return Kept(owner, "it uses the host's network, where the proxy sidecar is refused: switch it without --proxy")
    if is_as_wanted(owner, workload, proxy=proxy):
        return Kept(owner, "is switched already", waits=False)
    return Switch(owner, workload)


def is_as_wanted(owner: Owner, workload: Workload, *, proxy: int | None) -> bool:
    """Whether the template asks for the new set-up already. A sidecar that it has stays."""
    asks = owner.use == "true" and owner.service_account == workload.service_account
    listens = (owner.proxy_port or str(USUAL_PROXY_PORT)) if owner.proxy is not None else ""
    return asks and (proxy is None or listens == str(proxy))


def entry(fleet: Fleet, cluster: str, namespace: str, service_account: str) -> Workload | None:
    """The fleet file's entry for a ServiceAccount."""
    return next(
        (
            one
            for one in fleet.workloads
            if (one.namespace, one.service_account) == (namespace, service_account) and cluster in one.clusters
        ),
        None,
    )


def lacks(planned: Plan, workload: Workload, cluster: str) -> str:
    """What a plan still has to bring before a workload's pods could sign in; empty where nothing."""
    groups = {
        f"workload:{workload}",
        f"cluster:{cluster}",
        f"identity:{workload.identity}",
        f"namespace:{workload.namespace}",
    }
    changes = [change.key for change in planned.changes if change.group in groups]
    holds = [f"{hold.key} ({hold.reason})" for hold in planned.holds if hold.group in groups]
    return ", ".join([*changes, *holds][:3])
