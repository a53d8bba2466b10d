"""What becomes of a world to which changes are applied."""

from __future__ import annotations

from collections.abc import Iterable

from fleet.changes import Action, Change
from fleet.observed import Found, Observed
from fleet.resources import (
    AccessPolicy,
    Application,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    Resource,
    RoleAssignment,
    ServiceAccount,
    ServicePrincipal,
)
from fleet.spec import IdentityKind
from fleet.wanted import OPERATOR

from .worlds import empty, invented


def applied(observed: Observed, changes: Iterable[Change], generation: str = "new") -> Observed:
    """The world after the changes, in this order; new objects tell something new, old ones what they told."""
    outputs: dict[str, dict[str, str]] = {}
    for change in changes:
        if change.takes_away:
            let_go = change.action is Action.RELEASE
            observed = (released if let_go else taken_away)(observed, change.resource)
            continue
        outputs[change.key] = {**invented(change.key, generation), **change.known}
        observed = as_seen(observed.with_applied([change.resource], outputs))
    return observed


def brings_to_light(observed: Observed, changes: Iterable[Change]) -> bool:
    """Whether what hangs on an object counts only after these changes: it is just being adopted, or recovered."""
    return any(
        change.action is Action.RECOVER
        or (not change.takes_away and (found := observed.find(change.resource)) is not None and not found.ours)
        for change in changes
    )


def as_seen(observed: Observed) -> Observed:
    """The world as its links see it, however its objects came to be."""
    return with_found(
        observed,
        (
            found.model_copy(update={"resource": _as_seen(found.resource)})
            if isinstance(found.resource, FederatedIdentityCredential | RoleAssignment | AccessPolicy)
            else found
            for found in observed.found
        ),
    )


def with_found(observed: Observed, found: Iterable[Found]) -> Observed:
    """The world with these objects in place of its own."""
    return empty(found=tuple(found), unknown=observed.unknown, conflicts=observed.conflicts, vanished=observed.vanished)


def _as_seen(resource: FederatedIdentityCredential | RoleAssignment | AccessPolicy) -> Resource:
    if isinstance(resource, FederatedIdentityCredential):
        return resource.model_copy(update={"name": resource.name or resource.wanted_name, "cluster": ""})
    return resource.model_copy(update={"identity": "" if isinstance(resource, RoleAssignment) else OPERATOR})


def taken_away(observed: Observed, resource: Resource) -> Observed:
    """The world without the object, and without what goes with it.

    A namespace in which somebody else has something stays, as theirs.
    """
    if isinstance(resource, Namespace) and any(
        goes_with(found.resource, resource) and not found.ours for found in observed.found
    ):
        there = find(observed, resource)
        theirs = Found(resource=resource.model_copy(update={"owner": None}), ours=False)
        return with_found(observed, (theirs if found is there else found for found in observed.found))
    gone = [found for found in observed.found if is_it(found.resource, resource) or goes_with(found.resource, resource)]
    principals = (found.outputs.get("principal_id") for found in gone)
    return empty(
        found=tuple(found for found in observed.found if not any(found is one for one in gone)),
        unknown=observed.unknown,
        conflicts=observed.conflicts,
        vanished=(*observed.vanished, *(principal for principal in principals if principal)),
    )


def released(observed: Observed, resource: Resource) -> Observed:
    """The world with the object as nobody's, and with all that hangs on it."""
    there = find(observed, resource)
    nobodys = there.resource.model_copy(update={"owner": None})
    theirs = there.model_copy(update={"resource": nobodys, "ours": False, "adopted": False})
    return with_found(observed, (theirs if found is there else found for found in observed.found))


def find(observed: Observed, resource: Resource) -> Found:
    """The object that a deletion is about."""
    there = [found for found in observed.found if is_it(found.resource, resource)]
    assert len(there) == 1, (resource, there)
    return there[0]


def is_it(there: Resource, resource: Resource) -> bool:
    """Whether the one is what a deletion calls by the other."""
    if isinstance(there, RoleAssignment | AccessPolicy):  # which do not tell by themselves whose they are
        same = (there.place, there.principal_id, getattr(there, "role", ""))
        return same == (resource.place, getattr(resource, "principal_id", ""), getattr(resource, "role", ""))
    return (there.key, there.place) == (resource.key, resource.place)


def goes_with(there: Resource, resource: Resource) -> bool:
    """Whether the cloud takes the one away with the other."""
    match there, resource:
        case FederatedIdentityCredential(), Application() | ManagedIdentity():
            kinds = {Application: IdentityKind.APPLICATION, ManagedIdentity: IdentityKind.MANAGED_IDENTITY}
            return (there.identity_kind, there.identity) == (kinds[type(resource)], resource.identity)
        case ServicePrincipal(), Application():
            return there.identity == resource.identity
        case ServiceAccount() | Deployment(), Namespace():
            return (there.cluster, there.namespace) == (resource.cluster, resource.name)
    return False
