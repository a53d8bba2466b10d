"""The fleet file of a migration: what a machine can decide as entries, what a person has to as comments beside them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from fleet.entries import Cluster, Identity, IdentityKind, Workload

from .identities import Known, RealIdentity
from .proposal import Migration, Proposal
from .set_up import IdentityType

_WIDTH = 116
_HEAD = """\
The workloads of {cluster} that AAD Pod Identity serves, as a fleet. Their identities exist, with all their roles:
they are adopted, and lose nothing. What is commented out waits for your decision.

1. workload-identity plan THIS FILE             what it will add beside the old set-up
2. workload-identity reconcile --no-verify THIS FILE
3. workload-identity migrate {cluster} --switch --out THIS FILE     changes the workloads, and proves them
4. workload-identity migrate {cluster} --cleanup --out THIS FILE    says which old objects can go

Take step 3 back with --undo, and step 2 with --undo --everything.
For reconcile to prove a chain to the end, name a vault of the identity and a secret in it."""


def text(migration: Migration) -> str:
    """The file. It is a fleet as it stands, unless everything in it waits for a decision."""
    known = migration.known
    decided = [proposal for proposal in migration.proposals if proposal.identity is not None]
    open_ones = [proposal for proposal in migration.proposals if proposal.identity is None]
    used = {proposal.identity: None for proposal in decided if proposal.identity is not None}
    offered = {real: None for proposal in open_ones for real in proposal.choices if real not in used}
    lines = [
        *_comment(_HEAD.format(cluster=known.cluster.name)),
        f"name: {known.fleet}",
        f"subscription: {json.dumps(known.subscription, ensure_ascii=False)}",
        "",
        "clusters:",
        *_entry(_cluster(known.cluster)),
        "",
        "identities:",
        *(line for real in used for line in _entry(_identity(real))),
        *(line for real in offered for line in _comment(_as_text(_identity(real)), indent=2)),
        "",
        "workloads:",
        *(line for proposal in _once(decided) for line in _decided(known, proposal)),
        *(line for proposal in open_ones for line in _undecided(known, proposal)),
    ]
    return "\n".join(lines) + "\n"


def _once(proposals: Iterable[Proposal]) -> Iterator[Proposal]:
    """One for each ServiceAccount; workloads that share one have the same identity."""
    seen: set[tuple[str, str]] = set()
    for proposal in proposals:
        place = (proposal.owner.namespace, proposal.service_account)
        if place not in seen:
            seen.add(place)
            yield proposal


def _decided(known: Known, proposal: Proposal) -> Iterator[str]:
    assert proposal.identity is not None
    yield from _about(proposal)
    yield from _entry(_workload(known, proposal, proposal.identity.name))


def _undecided(known: Known, proposal: Proposal) -> Iterator[str]:
    yield from _about(proposal)
    yield from _comment(f"Undecided: {proposal.undecided}", indent=2)
    if len(proposal.choices) > 1:
        yield from _comment("Take one of these, with its identity above:", indent=2)
    for real in proposal.choices:
        yield from _comment(_as_text(_workload(known, proposal, real.name)), indent=2)


def _about(proposal: Proposal) -> Iterator[str]:
    yield from _comment(str(proposal.owner), indent=2)
    for matter in proposal.matters:
        known = f"{matter.about}: " if matter.about != str(proposal.owner) else ""
        yield from _comment(f"- {known}{matter.says}. {matter.do}", indent=2)


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return cluster.model_dump(mode="json", exclude_defaults=True) | {"webhook": cluster.webhook.value}


def _identity(real: RealIdentity) -> dict[str, Any]:
    if real.kind is not IdentityType.MANAGED_IDENTITY:
        identity = Identity(name=real.name, kind=IdentityKind.APPLICATION, adopt=True)
        return identity.model_dump(mode="json", exclude_defaults=True) | {"kind": identity.kind.value}
    identity = Identity(
        name=real.name,
        kind=IdentityKind.MANAGED_IDENTITY,
        resource_group=real.resource_group,
        location=real.location,
        adopt=True,
    )
    return identity.model_dump(mode="json", exclude_defaults=True)


def _workload(known: Known, proposal: Proposal, identity: str) -> dict[str, Any]:
    workload = Workload(
        namespace=proposal.owner.namespace,
        service_account=proposal.service_account,
        clusters=(known.cluster.name,),
        identity=identity,
        adopt=not proposal.own,
    )
    return workload.model_dump(mode="json", exclude_defaults=True)


def _as_text(entry: dict[str, Any]) -> str:
    dumped: str = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=_WIDTH)
    return dumped.rstrip("\n")


def _entry(entry: dict[str, Any]) -> list[str]:
    return [f"  {line}" for line in _as_text(entry).splitlines()]


def _comment(words: str, indent: int = 0) -> list[str]:
    """Comment lines; what others wrote (names, messages) cannot break out of them."""
    lines = [part for line in words.splitlines() for part in _wrapped(line)]
    return [f"{' ' * indent}# {line}".rstrip() for line in lines]


def _wrapped(line: str) -> list[str]:
    clean = "".join(letter if letter.isprintable() else " " for letter in line)
    indent = " " * (len(clean) - len(clean.lstrip()))
    return textwrap.wrap(clean, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False) or [
        ""
    ]
