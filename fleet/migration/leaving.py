"""Which objects of the old set-up nobody needs any more, and what still needs the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .identities import Known
from .set_up import Binding, IdentityType, Kind, Owner, PodException, SetUp, matches

Old = Binding | PodException


@dataclass(frozen=True)
class Leaving:
    """An object of the old set-up."""

    kind: str
    namespace: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}: {self.why}"


def unconverted(set_up: SetUp, known: Known, owner: Owner) -> str:
    """Why an owner still needs the old set-up; empty where its template and all its pods use the new one."""
    if owner.use != "true":
        return f"{owner} is not switched"
    expected = _client_ids(set_up, known, owner)
    old = [pod.name for pod in owner.pods if not pod.has_token or (pod.client_id or "").lower() not in expected]
    if old:
        more = f" and {len(old) - 1} more" if len(old) > 1 else ""
        return f"{owner} has pods without the new identity: {old[0]}{more}"
    return ""


def _client_ids(set_up: SetUp, known: Known, owner: Owner) -> set[str]:
    """Of the identities among which it had to be chosen."""
    identities = [match.identity for match in matches(set_up, owner) if match.identity is not None]
    reals = (
        known.managed.get(one.resource_id.lower())
        if one.type == IdentityType.MANAGED_IDENTITY
        else known.applications.get(one.client_id.lower())
        for one in identities
    )
    return {real.client_id.lower() for real in reals if real is not None}


def leaving(
    set_up: SetUp, known: Known, proven: Callable[[Owner], str], namespace: str | None = None
) -> tuple[list[Leaving], list[Leaving]]:
    """What can go, in the order in which it goes, and what stays.

    ``proven`` says why a converted owner's chain does not hold, or nothing where it does. What cannot be seen may need
    anything: then all stays that it could need.
    """
    unseen = [kind for kind in (*Kind, "AzureIdentityBinding") if set_up.hides(kind)]
    goes: list[Leaving] = []
    stays: list[Leaving] = []

    def judge(kind: str, where: str, name: str, needs: Iterable[str], free: str) -> bool:
        first = f"{unseen[0]} objects cannot be seen, and may need it" if unseen else next(iter(needs), "")
        if namespace in (None, where):
            (stays if first else goes).append(Leaving(kind, where, name, first or free))
        return not first

    going = set()
    for binding in set_up.bindings:
        selected = [
            owner for owner in set_up.owners if any(match.binding == binding for match in matches(set_up, owner))
        ]
        why = (unconverted(set_up, known, owner) or proven(owner) for owner in selected)
        needs = (reason for reason in why if reason)
        assigned = sum(one.binding == f"{binding.namespace}/{binding.name}" for one in set_up.assignments)
        served = (
            f"{len(selected)} workload{'s' * (len(selected) != 1)} it selects run without it"
            if selected
            else "selects nothing"
        )
        if assigned:
            served += f"; Pod Identity itself takes away the {assigned} AzureAssignedIdentity of it"
        if judge("AzureIdentityBinding", binding.namespace, binding.name, needs, served):
            going.add(binding)
    for identity in set_up.identities:
        of_it = [one for one in set_up.bindings if (one.namespace, one.identity) == (identity.namespace, identity.name)]
        needs = (f"{one} names it" for one in of_it if one not in going)
        judge("AzureIdentity", identity.namespace, identity.name, needs, "no binding that stays names it")
    for exception in set_up.exceptions:
        needs = (f"{one} stays, so Pod Identity does" for one in set_up.bindings if one not in going)
        judge(
            "AzurePodIdentityException",
            exception.namespace,
            exception.name,
            needs,
            "Pod Identity serves nobody any more",
        )
    return goes, stays
