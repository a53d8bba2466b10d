"""What is there and the fleet does not name: what we made and nobody wants any more, and whom our identities trust.

Ours is what carries the fleet's mark, and what hangs on it under a name that only we make up: a federated credential
by the hash of its issuer and subject, a role assignment by that of its scope, principal and role. Access policies have
no name: those of our own principals count as ours. Vaults, secrets, clusters and webhooks are no leftovers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from .grouping import Grouping
from .observed import Found, Observed
from .resources import (
    AccessPolicy,
    Application,
    Deployment,
    ManagedIdentity,
    Namespace,
    Resource,
    RoleAssignment,
    ServiceAccount,
    ServicePrincipal,
    Vault,
)
from .spec import Fleet, IdentityKind
from .trust import Status, Trust

_BY_HAND = "delete it by hand, or name it in the fleet file"
_PRUNE = "--prune takes it away"
_RELEASE = "--prune takes our marks off: it was there before the fleet, and stays"


@dataclass(frozen=True)
class Leftover:
    """An object that the fleet does not name."""

    found: Found
    resource: Resource
    """The object as a deletion names it."""
    group: str
    what: str
    danger: str
    prunable: bool = True
    """Whether we may take it away."""
    advice: str = _PRUNE
    replaced_by: tuple[str, ...] = ()
    """Keys of the wanted credentials that do what this one did: it goes when their chains are proven."""
    holder: str = ""
    """Key of our identity that has it, of access and of what is trusted by one that stays."""
    superseded: bool = False
    """Whether it is the credential of a former issuer of a cluster: it goes without being asked for."""


def leftovers(
    fleet: Fleet, observed: Observed, trust: Trust, matched: Collection[int], held: Collection[str]
) -> list[Leftover]:
    """All that is left, dependents first.

    ``matched`` are the ``id`` of the found objects that are wanted ones, ``held`` the keys of wanted objects that are
    held: what may be one of those, or is to be replaced by one, stays.
    """
    rest = _Rest(fleet, observed, trust, matched, held)
    return [*rest.in_clusters(), *rest.credentials(), *rest.access(), *rest.identities.values()]


def strangers(observed: Observed) -> list[str]:
    """Ids of the principals with access to the fleet's vaults of which only the directory can tell who they are."""
    known = {observed.tenancy.operator_id, *(found.outputs.get("principal_id") for found in observed.found)}
    holders = {
        str(found.resource.principal_id)
        for found in observed.found
        if isinstance(found.resource, RoleAssignment | AccessPolicy)
    }
    return sorted(holders - known)


@dataclass(frozen=True)
class _Rest:
    fleet: Fleet
    observed: Observed
    trust: Trust
    matched: Collection[int]
    held: Collection[str]

    @cached_property
    def grouping(self) -> Grouping:
        return Grouping(self.fleet)

    @cached_property
    def unmatched(self) -> list[Found]:
        return [found for found in self.observed.found if id(found) not in self.matched]

    @cached_property
    def identities(self) -> Mapping[str, Leftover]:
        """Our identities that the fleet no longer names, by key."""
        return {
            found.resource.key: self._identity(found, found.resource)
            for found in self.unmatched
            if isinstance(found.resource, Application | ManagedIdentity) and self._is_ours(found)
        }

    @cached_property
    def owners(self) -> Mapping[str, Found]:
        """Our identities by the id of their principal."""
        parents = {
            found.resource.key: found
            for found in self.observed.found
            if isinstance(found.resource, Application | ManagedIdentity) and found.ours
        }
        owners = {}
        for found in self.observed.found:
            resource, parent = found.resource, None
            if isinstance(resource, ServicePrincipal):
                parent = parents.get(f"application:{resource.identity}")
            elif isinstance(resource, ManagedIdentity):
                parent = parents.get(resource.key)
            if parent is not None and (principal := found.outputs.get("principal_id")):
                owners[principal] = parent
        return owners

    def in_clusters(self) -> Iterator[Leftover]:
        """Deployments, ServiceAccounts, namespaces."""
        kinds: tuple[type[Resource], ...] = (Deployment, ServiceAccount, Namespace)
        words = {
            Deployment: ("Deployment", "its pods run on, with whatever identity their ServiceAccount has"),
            ServiceAccount: ("ServiceAccount", "whoever may run pods there can use the identity that it names"),
            Namespace: ("namespace", "whoever may make ServiceAccounts there can take up names that were trusted"),
        }
        for kind in kinds:
            word, danger = words[kind]
            for found in self.unmatched:
                if isinstance(found.resource, kind) and self._is_ours(found):
                    what = f"{word} {found.resource.title} is ours, and no workload of the fleet needs it"
                    yield self._leftover(found, what, danger)

    def credentials(self) -> Iterator[Leftover]:
        """Federated credentials on identities that the fleet still names, or that stay without it."""
        for each in self.trust.unwanted:
            there = each.resource
            holder = self.trust.holder(there)
            if holder is None or not holder.ours or (holder.resource.key in self.identities and not holder.adopted):
                continue
            if any(key in self.held for key in each.may_be):
                continue
            what = f"identity {there.identity} trusts {there.subject} of {there.issuer}, by {there.name}: {each.reason}"
            danger = f"whoever can make that issuer sign for this subject acts as {there.identity}"
            mine = each.status is not Status.FOREIGN
            leftover = self._leftover(each.found, what, danger)
            yield replace(
                leftover,
                holder=holder.resource.key,
                prunable=mine,
                advice=_PRUNE if mine else _BY_HAND,
                replaced_by=each.replaced_by,
                superseded=each.status is Status.SUPERSEDED and each.provable,
            )

    def access(self) -> Iterator[Leftover]:
        """Role assignments and access policies on our vaults."""
        ours = {
            found.resource.name
            for found in self.observed.found
            if isinstance(found.resource, Vault) and found.ours and not found.resource.soft_deleted
        }
        for found in self.unmatched:
            resource = found.resource
            if not isinstance(resource, RoleAssignment | AccessPolicy) or resource.vault not in ours:
                continue
            principal = str(resource.principal_id)
            if owner := self.owners.get(principal):
                yield self._of_ours(found, resource, owner)
            elif principal in self.observed.vanished:
                yield self._of_nobody(found, resource)

    def _of_ours(self, found: Found, resource: RoleAssignment | AccessPolicy, owner: Found) -> Leftover:
        name = _identity_of(owner)
        named = resource.model_copy(update={"identity": name})
        if named.key in self.trust.wanted_keys:  # of another principal, so under its own id
            named = resource.model_copy(update={"identity": str(resource.principal_id)})
        what = f"{_access(resource)} is given to our identity {name}, and the fleet names no such grant"
        danger = f"every workload that is trusted by {name} has it"
        group = self.grouping.of(resource.model_copy(update={"identity": name}))
        identity = self.identities.get(owner.resource.key)
        leftover = Leftover(found, named, group, what, danger, holder=owner.resource.key)
        if not found.ours:
            return replace(leftover, prunable=False, advice=_BY_HAND)
        if identity is None:
            return leftover
        return replace(leftover, prunable=identity.prunable, advice=identity.advice, replaced_by=identity.replaced_by)

    def _of_nobody(self, found: Found, resource: RoleAssignment | AccessPolicy) -> Leftover:
        """Only a role assignment has a name that tells that we made it."""
        named = resource.model_copy(update={"identity": str(resource.principal_id)})
        what = f"{_access(resource)} is given to {resource.principal_id}, a principal that is no more"
        danger = "a principal that is restored has it at once, and nobody sees whose it is"
        mine = isinstance(resource, RoleAssignment) and found.ours
        group = f"vault:{resource.vault}"
        return Leftover(
            found, named, group, what, danger, prunable=mine, advice=_PRUNE if mine else "delete it by hand"
        )

    def _identity(self, found: Found, resource: Application | ManagedIdentity) -> Leftover:
        kind = IdentityKind.APPLICATION if isinstance(resource, Application) else IdentityKind.MANAGED_IDENTITY
        word = "application" if isinstance(resource, Application) else "managed identity"
        leftover = self._leftover(
            found,
            f"{word} {resource.title} is ours, and the fleet names no such identity",
            "whom it trusts, and what it may do, outlive the fleet file",
        )
        held_by = self.trust.unwanted_on(kind, resource.identity)
        if found.adopted:  # its credentials are leftovers of their own and are read first; those of others stay with it
            return replace(leftover, group=f"identity:{resource.identity}")
        if foreign := next((each for each in held_by if each.status is Status.FOREIGN), None):
            advice = (
                f"it has a federated credential of somebody else's, {foreign.resource.name}: delete that by hand first"
            )
            return replace(leftover, prunable=False, advice=advice)
        if waits := next((key for each in held_by for key in each.may_be if key in self.held), None):
            return replace(leftover, prunable=False, advice=f"--prune takes it away when {waits} is no longer held")
        replaced_by = tuple(dict.fromkeys(key for each in held_by for key in each.replaced_by))
        return replace(leftover, replaced_by=replaced_by)

    def _leftover(self, found: Found, what: str, danger: str) -> Leftover:
        advice = _RELEASE if found.adopted else _PRUNE
        return Leftover(found, found.resource, self.grouping.of(found.resource), what, danger, advice=advice)

    def _is_ours(self, found: Found) -> bool:
        return found.ours and getattr(found.resource, "owner", None) == self.fleet.name


def _identity_of(owner: Found) -> str:
    assert isinstance(owner.resource, Application | ManagedIdentity)
    return owner.resource.identity


def _access(resource: RoleAssignment | AccessPolicy) -> str:
    if isinstance(resource, RoleAssignment):
        return f"role {resource.role} on vault {resource.vault}"
    return f"access to the secrets of vault {resource.vault} ({', '.join(resource.secrets) or 'none'})"
